/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * ranges.c - discard and write zeroes
 *
 * Side:    device. Segments are the guest's word: all of them are copied and
 *          judged before the first one is done.
 * Owns:    nothing.
 * Callers: request.c.
 * Never:   leaves anything but zeroes where zeroes were asked for.
 *
 * fallocate() serves files and block devices alike. A hole reads as zeroes on
 * both: a disk whose discard would leave just anything refuses it. Where one
 * way is refused the next is taken:
 *   discard              hole, or nothing: it is a hint (5.2.6.2)
 *   zeroes, may unmap    hole, allocated zeroes, written zeroes
 *   zeroes               allocated zeroes, written zeroes
 * A block device refuses with EINVAL what is not whole blocks of its own.
 */
#include <endian.h>
#include <errno.h>

#include "blk.h"

/* Never written, so never a page of our own. */
#define ZEROES_BYTES 16384u
static uint8_t zeroes[ZEROES_BYTES] __attribute__((aligned(4096)));

/* The rules of 5.2.6.2 for one segment: a status, S_OK if it may be done. */
static uint8_t check_segment(const struct blk *blk, const struct blk_segment *s,
			     uint32_t type)
{
	uint32_t flags = le32toh(s->flags_le);
	uint32_t nr = le32toh(s->nr_sectors_le);

	if (flags & ~(uint32_t)SEGMENT_F_UNMAP)
		return S_UNSUPP;
	if (type == T_DISCARD && flags)
		return S_UNSUPP;
	if (nr > (type == T_DISCARD ? BLK_DISCARD_SECTORS
				    : BLK_ZEROES_SECTORS) ||
	    !blk_is_in_range(blk, le64toh(s->sector_le), nr))
		return S_IOERR;
	return S_OK;
}

static uint8_t copy_ranges(const struct blk *blk, struct blk_request *rq,
			   const struct rf_chain *chain, uint64_t out_bytes)
{
	uint32_t max = rq->type == T_DISCARD ? BLK_DISCARD_SEGMENTS
					     : BLK_ZEROES_SEGMENTS;
	struct blk_range *range = blk_request_area(rq)->ranges;
	struct blk_segment s;
	uint64_t at;

	if (out_bytes == 0 || out_bytes % sizeof(s) != 0 ||
	    out_bytes > max * sizeof(s))
		return S_IOERR;
	rq->nr_ranges = (uint32_t)(out_bytes / sizeof(s));
	for (at = 0; at < out_bytes; at += sizeof(s)) {
		uint8_t status;

		if (rf_chain_read(chain, sizeof(struct blk_header) + at, &s,
				  sizeof(s)) != sizeof(s))
			return S_IOERR;
		status = check_segment(blk, &s, rq->type);
		if (status != S_OK)
			return status;
		range->start = le64toh(s.sector_le) << SECTOR_SHIFT;
		range->bytes = (uint64_t)le32toh(s.nr_sectors_le)
			       << SECTOR_SHIFT;
		range->unmap = le32toh(s.flags_le) & SEGMENT_F_UNMAP;
		range++;
	}
	return S_OK;
}

/* Of all ranges, each of which was judged. */
static uint64_t sum_ranges(const struct blk_request *rq)
{
	const struct blk_range *range = blk_request_area(rq)->ranges;
	uint64_t bytes = 0;
	uint32_t i;

	for (i = 0; i < rq->nr_ranges; i++)
		bytes += range[i].bytes;
	return bytes;
}

/* Zeroes to be written, beginning where the request has come to. */
static void prepare_zeroes(struct blk_request *rq)
{
	uint64_t left = rq->bytes - rq->done;
	uint32_t i;

	rq->step = BLK_WRITE;
	rq->step_iov = rq->few;
	rq->step_start = rq->start + rq->done;
	rq->step_bytes = 0;
	for (i = 0; i < BLK_FEW_IOV && left > 0; i++) {
		size_t here = left < ZEROES_BYTES ? left : ZEROES_BYTES;

		rq->few[i] = (struct iovec){ zeroes, here };
		rq->step_bytes += here;
		left -= here;
	}
	rq->step_nr_iov = i;
}

/* The one range of a request for zeroes, where a part of a block is in it. */
static bool patch_zeroes(struct blk *blk, struct blk_request *rq, int *err)
{
	if ((rq->start | rq->bytes) % blk->image.block_bytes == 0)
		return false;
	*err = blk_bounce_patch(blk, rq);
	return true;
}

/* The next range that is not empty, from range_at on. */
static bool prepare_range(struct blk_request *rq)
{
	const struct blk_range *range = blk_request_area(rq)->ranges;

	while (rq->range_at < rq->nr_ranges && !range[rq->range_at].bytes)
		rq->range_at++;
	if (rq->range_at == rq->nr_ranges)
		return false;
	range += rq->range_at;
	rq->start = range->start;
	rq->bytes = range->bytes;
	rq->done = 0;
	rq->step = rq->type == T_DISCARD || range->unmap ? BLK_PUNCH : BLK_ZERO;
	rq->step_start = rq->start;
	rq->step_bytes = rq->bytes;
	return true;
}

uint8_t blk_ranges_begin(struct blk *blk, struct blk_request *rq,
			 const struct rf_chain *chain, uint64_t out_bytes)
{
	uint8_t status;
	int err;

	if (blk->image.read_only)
		return S_UNSUPP; /* not offered */
	status = copy_ranges(blk, rq, chain, out_bytes);
	if (status != S_OK)
		return status;
	rq->range_at = 0;
	if (!prepare_range(rq))
		return S_OK;
	blk->pass_bytes += sum_ranges(rq);
	if (rq->type == T_WRITE_ZEROES && patch_zeroes(blk, rq, &err)) {
		if (err)
			return S_IOERR;
		blk_request_settle(blk, rq);
		return BLK_HANDED_ON;
	}
	return BLK_GO;
}

static bool is_refusal(int64_t result)
{
	return result == -EOPNOTSUPP || result == -EINVAL || result == -ENOSYS;
}

static void take_next_way(struct blk_request *rq)
{
	if (rq->step == BLK_PUNCH)
		rq->step = BLK_ZERO;
	else
		prepare_zeroes(rq);
}

static bool next_range(struct blk *blk, struct blk_request *rq)
{
	rq->range_at++;
	if (prepare_range(rq))
		return true;
	blk_request_settle(blk, rq);
	return false;
}

bool blk_ranges_advance(struct blk *blk, struct blk_request *rq, int64_t result)
{
	if (result == -EINTR)
		return true;
	if (rq->step != BLK_WRITE && is_refusal(result)) {
		if (rq->type == T_DISCARD)
			return next_range(blk, rq);
		take_next_way(rq);
		return true;
	}
	if (rq->step == BLK_WRITE && result > 0) {
		rq->done += (uint64_t)result;
		RF_REPORT_COUNT(blk->report, bytes_written, (uint64_t)result);
		if (rq->done < rq->bytes) {
			prepare_zeroes(rq);
			return true;
		}
		result = 0;
	} else if (rq->step == BLK_WRITE && result == 0) {
		result = -EIO;
	}
	if (result == 0)
		return next_range(blk, rq);
	rf_log_limited(&blk_log_limit, 8, "%s failed (%d)",
		       rq->type == T_DISCARD ? "discard" : "write zeroes",
		       (int)result);
	blk_request_finish(blk, rq, S_IOERR);
	return false;
}
