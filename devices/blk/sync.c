/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * sync.c - flushes, many at a time
 *
 * Side:    device.
 * Owns:    the requests that wait until the image is stable.
 * Callers: request.c, the engines, queue.c, config.c.
 * Never:   says that something is stable before fdatasync said so.
 *
 * One fdatasync is under way at a time. What asks for one meanwhile waits for
 * the next, which serves all of them: it begins after they came, and what they
 * are about was complete before (virtio 1.2, 5.2.6.2). One at a time also
 * because the kernel tells of lost pages once for each open file: of two at a
 * time one would succeed, and nobody could say which came first.
 *
 * Once fdatasync has failed, the kernel takes the lost pages for clean: the
 * next one would succeed without them. So the first failure is the answer to
 * all that follow, until somebody has looked and starts this process anew; the
 * report page says so to those who would start one by themselves (alone.c).
 */
#include <errno.h>

#include "blk.h"

static void append(struct blk_group *group, struct blk_request *rq)
{
	rq->next = NULL;
	if (group->last)
		*group->last = rq;
	else
		group->first = rq;
	group->last = &rq->next;
}

void blk_sync_join(struct blk *blk, struct blk_request *rq)
{
	append(&blk->sync_waiting, rq);
}

static void begin(struct blk *blk)
{
	int64_t result = -EIO;

	blk->sync_under_way = true;
	if (!blk->sync_failed)
		result = blk->engine->sync(blk);
	if (result != BLK_UNDER_WAY)
		blk_sync_done(blk, result);
}

void blk_sync_submit(struct blk *blk)
{
	if (!blk->sync_waiting.first || blk->sync_under_way)
		return;
	blk->sync_current = blk->sync_waiting;
	blk->sync_waiting = (struct blk_group){ NULL, NULL };
	begin(blk);
}

void blk_sync_done(struct blk *blk, int64_t result)
{
	struct blk_request *rq = blk->sync_current.first;

	if (result == -EINTR) {
		begin(blk);
		return;
	}
	blk->sync_under_way = false;
	if (result < 0) {
		blk->sync_failed = true;
		RF_REPORT_COUNT(blk->report, flushes_failed, 1);
		rf_log_limited(&blk_log_limit, 8, "flush failed (%d)",
			       (int)result);
	}
	blk->sync_current = (struct blk_group){ NULL, NULL };
	while (rq) {
		struct blk_request *next = rq->next;

		blk_request_finish(blk, rq, result < 0 ? S_IOERR : S_OK);
		rq = next;
	}
}

void blk_sync_all(struct blk *blk)
{
	if (blk->engine->drain)
		blk->engine->drain(blk);
	blk->sync_current = (struct blk_group){ NULL, NULL };
	begin(blk);
	if (blk->engine->drain)
		blk->engine->drain(blk);
}
