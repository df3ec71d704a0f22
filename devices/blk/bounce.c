/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * bounce.c - what O_DIRECT cannot do in the guest's own memory
 *
 * Side:    device.
 * Owns:    a few buffers that satisfy any alignment; touched when first used.
 * Callers: request.c, ranges.c.
 * Never:   writes a block of which it holds only a part.
 *
 * O_DIRECT wants offsets and lengths in whole blocks of the backing, and
 * buffers that begin at a multiple of something (image.c finds out). A driver
 * that keeps to blk_size, and whose buffers are pages, asks for nothing else,
 * and its requests go straight through. All others are right as well, only
 * slower, a buffer at a time:
 *
 *   buffers not aligned       copied through ours
 *   reads of part of a block  the whole block is read, the part copied out
 *   writes of part of a block read, patched, written (blk_bounce_patch). In
 *                             between nothing else may write that block, or
 *                             what it wrote would be undone: so all that is
 *                             under way is waited for, and the patch is made
 *                             before anything else is begun. That holds up the
 *                             loop. It happens only where the backing's block
 *                             is larger than 512 and the driver ignores that.
 */
#include <errno.h>
#include <string.h>
#include <sys/uio.h>

#include "blk.h"

#define BUFFERS 8u
#define BUFFER_BYTES 65536u
static_assert(BUFFERS <= 32, "one bit each");

static uint8_t buffers[BUFFERS][BUFFER_BYTES] __attribute__((aligned(4096)));
static uint32_t taken;

bool blk_bounce_has_room(const struct blk *blk)
{
	return !blk->image.is_direct || taken != (UINT32_C(1) << BUFFERS) - 1;
}

bool blk_bounce_is_needed(const struct blk *blk, const struct blk_request *rq)
{
	uint64_t block = blk->image.block_bytes;
	uint64_t align = blk->image.memory_align;
	uint32_t i;

	if (!blk->image.is_direct)
		return false;
	if ((rq->start | rq->bytes) % block != 0)
		return true;
	/* Each piece in whole blocks: kernels before 5.20 ask for that. */
	for (i = 0; i < rq->nr_iov; i++)
		if ((uintptr_t)rq->iov[i].iov_base % align != 0 ||
		    rq->iov[i].iov_len % block != 0)
			return true;
	return false;
}

void blk_bounce_take(struct blk_request *rq)
{
	uint32_t i = (uint32_t)__builtin_ctz(~taken);

	taken |= UINT32_C(1) << i;
	rq->bounce = buffers[i];
	rq->bounce_iov.iov_len = 0;
}

void blk_bounce_release(struct blk_request *rq)
{
	if (!rq->bounce)
		return;
	taken &= ~(UINT32_C(1)
		   << ((size_t)(rq->bounce - buffers[0]) / BUFFER_BYTES));
	rq->bounce = NULL;
}

/* Copy between the guest's buffers, from where the request has come to, and
 * one of ours. */
static void copy_guest(struct blk_request *rq, uint8_t *ours, size_t len,
		       bool to_guest)
{
	while (len > 0 && rq->nr_iov > 0) {
		struct iovec *v = rq->iov;
		size_t here = v->iov_len < len ? v->iov_len : len;

		if (to_guest)
			memcpy(v->iov_base, ours, here);
		else
			memcpy(ours, v->iov_base, here);
		ours += here;
		len -= here;
		v->iov_base = (uint8_t *)v->iov_base + here;
		v->iov_len -= here;
		if (v->iov_len == 0) {
			rq->iov++;
			rq->nr_iov--;
		}
	}
}

static uint64_t skew(const struct blk *blk, uint64_t at)
{
	return at % blk->image.block_bytes;
}

static uint64_t round_up(const struct blk *blk, uint64_t bytes)
{
	uint64_t block = blk->image.block_bytes;

	return (bytes + block - 1) / block * block;
}

static void set_step(struct blk_request *rq, uint64_t start, void *at,
		     uint64_t len)
{
	rq->bounce_iov = (struct iovec){ at, len };
	rq->step_iov = &rq->bounce_iov;
	rq->step_nr_iov = 1;
	rq->step_start = start;
	rq->step_bytes = len;
}

void blk_bounce_prepare(struct blk *blk, struct blk_request *rq)
{
	uint64_t at = rq->start + rq->done;
	uint64_t left = rq->bytes - rq->done;
	uint64_t len;

	if (rq->step == BLK_READ) {
		len = round_up(blk, skew(blk, at) + left);
		set_step(rq, at - skew(blk, at), rq->bounce,
			 len < BUFFER_BYTES ? len : BUFFER_BYTES);
		return;
	}
	/* A write that was short: the rest of what the buffer holds. */
	if (rq->bounce_iov.iov_len > 0) {
		set_step(rq, at, rq->bounce_iov.iov_base,
			 rq->bounce_iov.iov_len);
		return;
	}
	len = left < BUFFER_BYTES ? left : BUFFER_BYTES;
	copy_guest(rq, rq->bounce, len, false);
	set_step(rq, at, rq->bounce, len);
}

int blk_bounce_advance(struct blk *blk, struct blk_request *rq, uint64_t result)
{
	uint64_t skip, len;

	if (rq->step == BLK_WRITE) {
		rq->done += result;
		rq->bounce_iov.iov_base = (uint8_t *)rq->bounce_iov.iov_base +
					  result;
		rq->bounce_iov.iov_len -= result;
		return 0;
	}
	skip = skew(blk, rq->start + rq->done);
	if (result <= skip)
		return -EIO;
	len = result - skip;
	if (len > rq->bytes - rq->done)
		len = rq->bytes - rq->done;
	copy_guest(rq, rq->bounce + skip, len, true);
	rq->done += len;
	return 0;
}

static int patch_io(bool is_write, uint8_t *buf, uint64_t start, uint64_t bytes)
{
	uint64_t done = 0;

	while (done < bytes) {
		struct iovec v = { buf + done, bytes - done };
		off_t at = (off_t)(start + done);
		ssize_t n = is_write ? pwritev2(RF_FD_BACKING, &v, 1, at, 0)
				     : preadv2(RF_FD_BACKING, &v, 1, at, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -EIO;
		done += (uint64_t)n;
	}
	return 0;
}

int blk_bounce_patch(struct blk *blk, struct blk_request *rq)
{
	int err = 0;

	if (blk->engine->drain)
		blk->engine->drain(blk);
	if (!rq->bounce)
		blk_bounce_take(rq);
	while (rq->done < rq->bytes && !err) {
		uint64_t at = rq->start + rq->done;
		uint64_t skip = skew(blk, at);
		uint64_t len = rq->bytes - rq->done;
		uint64_t whole = round_up(blk, skip + len);

		if (whole > BUFFER_BYTES)
			whole = BUFFER_BYTES;
		if (len > whole - skip)
			len = whole - skip;
		err = patch_io(false, rq->bounce, at - skip, whole);
		if (err)
			break;
		if (rq->type == T_OUT)
			copy_guest(rq, rq->bounce + skip, len, false);
		else
			memset(rq->bounce + skip, 0, len);
		err = patch_io(true, rq->bounce, at - skip, whole);
		rq->done += len;
	}
	return err;
}
