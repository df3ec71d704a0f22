/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * pass.c - one round of the device's callbacks
 *
 * Side:    device. The queues are the guest's word; a bounded share of each is
 *          taken in one pass.
 * Owns:    which queues are to be looked at.
 * Callers: loop.c; device.c and backend.c, before they take a queue away.
 * Never:   leaves a chain that was pushed without the interrupt it is due.
 *
 * One interrupt decision a queue and pass: it comes right after the last push,
 * so that a lone request's interrupt waits for nothing, and a batch of requests
 * has one for all of them. The used ring itself is written by each push, for
 * drivers that are looking.
 *
 * A driver with a batch under way either sleeps while we serve it and we while
 * it makes the next one, or both work at the same time, on two processors. Then
 * it has to be told early:
 *
 *   long    serve 16                              interrupt, serve ...
 *   short   serve 4, interrupt, serve 4, serve 4, serve 4, serve ...
 *           (it is awake now and wants none)
 *
 * On one processor that is worse by a third, for it is woken again and again, on
 * two it is better, up to twice at depths of 8 and 16. So it is tried (trial.c),
 * where passes take that many at all.
 *
 * Needs (sealed): write(64..95, 8), write(RF_FD_LOG).
 */
#include <errno.h>

#include "device/runtime.h"

/* Chains a queue in a short pass: twice as many were slower, half as many no
 * faster. */
#define PASS_SHORT 4u

void pass_ring(struct rf_device *dev, uint32_t mask)
{
	dev->pending |= mask;
}

void rf_device_ring(struct rf_device *dev, uint16_t queue)
{
	if (queue < dev->ops->nr_queues)
		pass_ring(dev, UINT32_C(1) << queue);
}

static bool has_completions(const struct rf_device *dev)
{
	return dev->ops->has_completions &&
	       dev->ops->has_completions(dev->state);
}

bool pass_has_work(struct rf_device *dev)
{
	uint16_t q;

	if (!dev->broken)
		for (q = 0; q < dev->ops->nr_queues; q++)
			if (virtqueue_has_work(&dev->vqs[q]))
				dev->pending |= UINT32_C(1) << q;
	return dev->pending || bells_are_waiting(dev) || has_completions(dev);
}

static void interrupt(struct rf_device *dev, uint16_t queue)
{
	static struct rf_log_limit limit;

	if (!dev->queues[queue].has_call)
		return;
	if (rf_eventfd_signal(RF_FD_CALLS + queue) < 0)
		rf_log_limited(&limit, 4,
			       "queue %u: call eventfd does not take a write",
			       queue);
	else
		RF_REPORT_COUNT(dev->report, interrupts, 1);
}

void pass_interrupt(struct rf_device *dev)
{
	uint16_t q;

	for (q = 0; q < dev->ops->nr_queues; q++) {
		struct rf_virtqueue *vq = &dev->vqs[q];

		if (vq->nr_served == 0)
			continue;
		RF_REPORT_COUNT(dev->report, requests, vq->nr_served);
		dev->nr_served += vq->nr_served;
		vq->nr_served = 0;
		if (virtqueue_end(vq))
			interrupt(dev, q);
	}
}

/* The cause is logged and told after what was done before it. */
static void give_up(struct rf_device *dev, uint16_t queue, int err)
{
	static struct rf_log_limit limit;
	struct rf_virtqueue *vq = &dev->vqs[queue];

	rf_log_limited(&limit, 4, "queue %u: %s: device needs reset (%d)",
		       queue, vq->why ? vq->why : "refused by the device", err);
	vq->broken = true;
	device_break(dev, queue);
}

static void serve_queue(struct rf_device *dev, uint16_t queue)
{
	struct rf_virtqueue *vq = &dev->vqs[queue];
	uint32_t share = dev->share.other ? PASS_SHORT : VIRTQUEUE_PASS_MAX;
	int err;

	if (!vq->running || dev->broken)
		return;
	virtqueue_begin(vq, share);
	err = dev->ops->queue(dev->state, vq);
	if (share - vq->budget >= PASS_SHORT)
		dev->share_matters = true;
	if (err)
		give_up(dev, queue, err);
	else if (virtqueue_is_unfinished(vq))
		pass_ring(dev, UINT32_C(1) << queue);
	else
		vq->held = !vq->dry;
	vq->budget = 0;
}

void pass_run(struct rf_device *dev)
{
	uint32_t mask;
	uint16_t q;

	bells_drain(dev);
	if (has_completions(dev))
		dev->ops->complete(dev->state);
	mask = dev->pending;
	dev->pending = 0;
	for (q = 0; mask; q++, mask >>= 1)
		if (mask & 1)
			serve_queue(dev, q);
	if (dev->ops->submit)
		dev->ops->submit(dev->state);
	pass_interrupt(dev);
}

void pass_tune(struct rf_device *dev, uint64_t now)
{
	if (!dev->share.is_on && !dev->share_matters)
		return;
	dev->share_matters = false;
	trial_step(&dev->share, now, dev->nr_served);
}

void pass_quiesce(struct rf_device *dev)
{
	if (dev->ops->quiesce) {
		dev->ops->submit(dev->state);
		dev->ops->quiesce(dev->state);
	}
	pass_interrupt(dev);
}
