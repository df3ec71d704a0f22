/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * iov.c - bytes and parts of a chain's iovecs
 *
 * Side:    device. The iovecs are ours and true; what they point to is the
 *          guest's and changes under us.
 * Owns:    nothing.
 * Callers: devices/, through <ringfence/device.h>.
 * Never:   goes beyond the last iovec, whatever offset and length ask for.
 */
#include <errno.h>
#include <string.h>

#include <ringfence/device.h>

/* Step over `offset` bytes: the element and the offset within it. */
static uint32_t seek_iov(const struct iovec *iov, uint32_t nr, size_t *offset)
{
	uint32_t i;

	for (i = 0; i < nr && *offset >= iov[i].iov_len; i++)
		*offset -= iov[i].iov_len;
	return i;
}

/* The bytes at *i, *skip that are in one piece, at most `len` of them; steps
 * behind them. 0 at the end of the iovecs. */
static size_t next_piece(const struct iovec *iov, uint32_t nr, uint32_t *i,
			 size_t *skip, size_t len, uint8_t **out)
{
	size_t n;

	if (*i == nr)
		return 0;
	n = iov[*i].iov_len - *skip;
	if (n > len)
		n = len;
	*out = (uint8_t *)iov[*i].iov_base + *skip;
	*skip += n;
	if (*skip == iov[*i].iov_len) {
		*skip = 0;
		(*i)++;
	}
	return n;
}

size_t rf_chain_read(const struct rf_chain *chain, size_t offset, void *buf,
		     size_t len)
{
	const struct iovec *iov = chain->iov;
	uint32_t i = seek_iov(iov, chain->nr_readable, &offset);
	uint8_t *to = buf, *guest;
	size_t n, done = 0;

	while (done < len && (n = next_piece(iov, chain->nr_readable, &i,
					     &offset, len - done, &guest))) {
		memcpy(to + done, guest, n);
		done += n;
	}
	/* Whoever judges the copy must not be given a second look instead. */
	__asm__ volatile("" ::: "memory");
	return done;
}

size_t rf_chain_write(const struct rf_chain *chain, size_t offset,
		      const void *buf, size_t len)
{
	const struct iovec *iov = chain->iov + chain->nr_readable;
	uint32_t i = seek_iov(iov, chain->nr_writable, &offset);
	const uint8_t *from = buf;
	uint8_t *guest;
	size_t n, done = 0;

	while (done < len && (n = next_piece(iov, chain->nr_writable, &i,
					     &offset, len - done, &guest))) {
		memcpy(guest, from + done, n);
		done += n;
	}
	return done;
}

int rf_iov_slice(const struct iovec *iov, uint32_t nr, uint64_t offset,
		 uint64_t len, struct iovec *out, uint32_t out_max)
{
	size_t skip = offset;
	uint32_t i = seek_iov(iov, nr, &skip);
	uint32_t n = 0;

	if (i == nr && skip > 0)
		return -ERANGE;
	for (; i < nr && len > 0; i++, skip = 0) {
		size_t here = iov[i].iov_len - skip;

		if (here == 0)
			continue;
		if (here > len)
			here = len;
		if (n == out_max)
			return -ENOSPC;
		out[n].iov_base = (uint8_t *)iov[i].iov_base + skip;
		out[n].iov_len = here;
		n++;
		len -= here;
	}
	return len > 0 ? -ERANGE : (int)n;
}
