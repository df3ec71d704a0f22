/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * queue.c - take requests, as many as there is room for and the limits allow
 *
 * Side:    device. How many requests a queue holds, and how large they are, is
 *          up to the guest.
 * Owns:    the turns of the queues.
 * Callers: the runtime; the engines, when there is room again.
 * Never:   takes a request that it would then have to put aside: what may not
 *          go on yet stays in its queue, in its order.
 *
 * What a pass takes of one queue is bounded in requests by the runtime, and here
 * in bytes: at so many the other queues, and messages, have their turn first.
 *
 * A queue that had to stop, for want of room or of tokens, is marked as
 * waiting. Queues that wait are let on one at a time, in turns, or the first
 * one would take all that the others wait for. While any waits the timer is
 * set: so a queue whose turn it is and which the driver has taken away holds up
 * the others for a moment only.
 */
#include <errno.h>

#include "blk.h"

#define TURN_NS UINT64_C(1000000)
#define NOBODY UINT16_MAX

/* The queue gets the next turn if it had nothing of this one. */
static void hold(struct blk *blk, uint16_t queue, bool took_some, uint64_t ns)
{
	blk->waiting |= UINT32_C(1) << queue;
	blk->turn = NOBODY;
	blk->next_turn = took_some ? queue + 1u : queue;
	rf_device_timer(blk->dev, ns);
}

/* Let the next queue that waits go on. */
static void give_turn(struct blk *blk)
{
	uint16_t i, q;

	for (i = 0; i < blk->nr_queues; i++) {
		q = (uint16_t)((blk->next_turn + i) % blk->nr_queues);
		if (!(blk->waiting & (UINT32_C(1) << q)))
			continue;
		blk->waiting &= ~(UINT32_C(1) << q);
		blk->turn = q;
		blk->next_turn = q + 1u;
		rf_device_ring(blk->dev, q);
		if (blk->waiting)
			rf_device_timer(blk->dev, TURN_NS);
		return;
	}
}

void blk_queue_wake(struct blk *blk)
{
	if (!blk->is_out_of_room)
		return;
	blk->is_out_of_room = false;
	give_turn(blk);
}

void blk_timer(void *state)
{
	give_turn(state);
}

static uint64_t limit_wait_ns(struct blk *blk)
{
	uint64_t now = rf_limits_is_set(blk->limits) ? rf_clock_ns() : 0;

	return rf_limiter_wait_ns(&blk->limiter, blk->limits, now);
}

/* Data in either direction. Zeroes and holes count as one operation. */
static uint64_t weight(const struct rf_chain *c)
{
	return c->readable_bytes + c->writable_bytes -
	       sizeof(struct blk_header) - 1;
}

static int take_one(struct blk *blk, struct rf_virtqueue *vq)
{
	struct rf_chain chain;
	int err = rf_virtqueue_pop(vq, &chain);

	if (err)
		return err;
	err = blk_request_begin(blk, vq, &chain);
	if (!err)
		rf_limiter_take(&blk->limiter, weight(&chain));
	return err;
}

static int take_all(struct blk *blk, struct rf_virtqueue *vq)
{
	uint16_t queue = rf_virtqueue_index(vq);
	bool took_some = false;
	uint64_t wait;
	int err;

	blk->pass_bytes = 0;
	for (;;) {
		if (!blk_request_has_room(blk)) {
			/* Whatever is done makes room and says so. */
			blk->is_out_of_room = true;
			hold(blk, queue, took_some, RF_LIMITER_WAIT_MAX_NS);
			return 0;
		}
		wait = limit_wait_ns(blk);
		if (wait) {
			hold(blk, queue, took_some, wait);
			return 0;
		}
		if (blk->pass_bytes >= BLK_PASS_BYTES) {
			rf_device_ring(blk->dev, queue);
			err = -EAGAIN;
			break;
		}
		err = take_one(blk, vq);
		if (err)
			break;
		took_some = true;
	}
	if (err != -EAGAIN)
		return err;
	if (blk->turn == queue && blk->waiting)
		give_turn(blk);
	return 0;
}

int blk_queue(void *state, struct rf_virtqueue *vq)
{
	struct blk *blk = state;
	uint16_t queue = rf_virtqueue_index(vq);
	uint32_t bit = UINT32_C(1) << queue;
	int err;

	if (blk->waiting && blk->turn != queue) {
		/* The timer is set. */
		blk->waiting |= bit;
		return 0;
	}
	blk->waiting &= ~bit;
	err = take_all(blk, vq);
	/* Where nothing stays under way the runtime asks for no submit. */
	if (!blk->engine->drain)
		blk_sync_submit(blk);
	return err;
}

void blk_reset(void *state)
{
	struct blk *blk = state;

	/* What was used counts on: a reset is the guest's own doing. */
	blk->waiting = 0;
	blk->turn = NOBODY;
	blk->is_out_of_room = false;
	rf_device_timer(blk->dev, 0);
	blk_config_reset(blk);
}
