/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * engine_sync.c - each step is a system call, and done when that returns
 *
 * Side:    device.
 * Owns:    nothing.
 * Callers: request.c, sync.c, ranges.c, through the table of engines.
 * Never:   leaves anything under way.
 *
 * The loop stands still where a disk is slow. In return this needs nothing but
 * what any kernel lets any process do.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/uio.h>
#include <unistd.h>

#include "blk.h"

static int64_t start(struct blk *blk, struct blk_request *rq)
{
	off_t at = (off_t)rq->step_start;
	int64_t n = -EINVAL;

	(void)blk;
	switch (rq->step) {
	case BLK_READ:
		n = preadv2(RF_FD_BACKING, rq->step_iov, (int)rq->step_nr_iov,
			    at, 0);
		break;
	case BLK_WRITE:
		n = pwritev2(RF_FD_BACKING, rq->step_iov, (int)rq->step_nr_iov,
			     at, 0);
		break;
	case BLK_PUNCH:
		n = fallocate(RF_FD_BACKING,
			      FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at,
			      (off_t)rq->step_bytes);
		break;
	case BLK_ZERO:
		n = fallocate(RF_FD_BACKING,
			      FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, at,
			      (off_t)rq->step_bytes);
		break;
	}
	return n < 0 ? -errno : n;
}

static int64_t sync_image(struct blk *blk)
{
	(void)blk;
	return fdatasync(RF_FD_BACKING) < 0 ? -errno : 0;
}

const struct blk_engine blk_engine_sync = {
	.name = "sync",
	.start = start,
	.sync = sync_image,
};
