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

static size_t copy_iov(const struct iovec *iov, uint32_t nr, size_t offset,
		       void *to, const void *from, size_t len)
{
	size_t done = 0;
	uint32_t i = seek_iov(iov, nr, &offset);

	for (; i < nr && done < len; i++, offset = 0) {
		uint8_t *guest = (uint8_t *)iov[i].iov_base + offset;
		size_t n = iov[i].iov_len - offset;

		if (n > len - done)
			n = len - done;
		if (from)
			memcpy(guest, (const uint8_t *)from + done, n);
		else
			memcpy((uint8_t *)to + done, guest, n);
		done += n;
	}
	/* Whoever judges the copy must not be given a second look instead. */
	__asm__ volatile("" ::: "memory");
	return done;
}

size_t rf_chain_read(const struct rf_chain *chain, size_t offset, void *buf,
		     size_t len)
{
	return copy_iov(chain->iov, chain->nr_readable, offset, buf, NULL, len);
}

size_t rf_chain_write(const struct rf_chain *chain, size_t offset,
		      const void *buf, size_t len)
{
	if (len == 0)
		return 0;
	return copy_iov(chain->iov + chain->nr_readable, chain->nr_writable,
			offset, NULL, buf, len);
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
