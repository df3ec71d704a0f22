/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * loop.c - wait for doorbells, messages and time
 *
 * Side:    device. What wakes us is hostile only in number, so each pass does
 *          a bounded amount of work: one message, the ring once, one share of
 *          each queue.
 * Owns:    the epoll descriptor at RF_FD_EPOLL.
 * Callers: device.c.
 * Never:   sleeps while something known waits.
 *
 * Kicks and the control socket are level-triggered: what a pass does not take
 * comes again. The ring is edge-triggered, see bells.c.
 *
 * Needs (until SEAL): epoll_ctl(RF_FD_EPOLL, ADD and DEL).
 * Needs (sealed): epoll_wait(RF_FD_EPOLL), read(32..63, 8), read(RF_FD_TIMER,
 *   8) in devices that have a timer.
 */
#include <errno.h>
#include <sys/epoll.h>

#include "device/runtime.h"

/* Control, ring, timer and a kick for each queue. */
#define EVENTS_MAX (3u + RF_FD_PLACES)

int loop_watch(int fd, uint32_t tag, bool edge)
{
	struct epoll_event ev = {
		.events = EPOLLIN | (edge ? (uint32_t)EPOLLET : 0),
		.data.u32 = tag,
	};

	if (epoll_ctl(RF_FD_EPOLL, EPOLL_CTL_ADD, fd, &ev) < 0)
		return -errno;
	return 0;
}

void loop_forget(int fd)
{
	/* The open file may live on in the front-end, and epoll with it, so
	 * that closing our number is not enough. */
	(void)epoll_ctl(RF_FD_EPOLL, EPOLL_CTL_DEL, fd, NULL);
}

static int take_kick(struct rf_device *dev, uint32_t queue)
{
	uint64_t count;
	int err = rf_eventfd_take(RF_FD_KICKS + (int)queue, &count);

	/* Its other holders may have read it meanwhile. */
	if (err == -EAGAIN)
		return 0;
	if (err) {
		/* It would wake us for ever. */
		rf_log("queue %u: kick is no eventfd (%d)", queue, err);
		return -EPROTO;
	}
	RF_REPORT_ADD(dev->report, kicks, 1);
	device_ring(dev, UINT32_C(1) << queue);
	return 0;
}

static void take_timer(struct rf_device *dev)
{
	uint64_t count;

	if (rf_eventfd_take(RF_FD_TIMER, &count) == 0)
		dev->ops->timer(dev->state);
}

/* Messages go first: one may be the reset after which the rest of what woke us
 * no longer means anything. */
static int take_events(struct rf_device *dev, const struct epoll_event *ev,
		       int nr)
{
	int i, err = 0;

	for (i = 0; i < nr; i++) {
		if (ev[i].data.u32 != LOOP_CONTROL)
			continue;
		err = backend_handle(dev);
		if (err)
			return err;
	}
	for (i = 0; i < nr; i++) {
		uint32_t tag = ev[i].data.u32;

		if (tag == LOOP_TIMER)
			take_timer(dev);
		else if (tag >= LOOP_KICKS)
			err = take_kick(dev, tag - LOOP_KICKS);
		if (err)
			return err;
	}
	return 0;
}

int loop_run(struct rf_device *dev)
{
	struct epoll_event ev[EVENTS_MAX];
	int nr, err;

	for (;;) {
		bool busy = dev->pending || bells_are_waiting(dev);

		nr = epoll_wait(RF_FD_EPOLL, ev, EVENTS_MAX, busy ? 0 : -1);
		if (nr < 0 && errno != EINTR)
			return -errno;
		if (nr > 0)
			RF_REPORT_ADD(dev->report, wakeups, 1);
		err = nr > 0 ? take_events(dev, ev, nr) : 0;
		if (err)
			return err == -EPIPE ? 0 : err;
		/* Whatever woke us, looking at the ring is a load. */
		bells_drain(dev);
		device_serve(dev);
	}
}
