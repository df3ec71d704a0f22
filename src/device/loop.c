/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * loop.c - wait for doorbells, completions, messages and time
 *
 * Side:    device. What wakes us is hostile only in number, so each turn does
 *          a bounded amount of work: one message, the ring once, one share of
 *          each queue.
 * Owns:    the epoll descriptor at RF_FD_EPOLL.
 * Callers: device.c.
 * Never:   sleeps while something known waits, keeps the control socket waiting
 *          for longer than LOOK_NS and one pass.
 *
 * A turn, while there is work: a pass, and no system call but the device's own
 * and interrupts. Out of work it looks again and again for as long as poll.c
 * advises, at memory only: ring, queues, completions. Drivers see the whole
 * time that they need not notify. Then it says that it wants to be notified,
 * looks a last time, and sleeps:
 *
 *   driver                     loop
 *   D1 makes available         L1 pass_has_work(): nothing
 *   D2 fence, reads the wish   L2 virtqueue_arm() each queue: wish, fence
 *   D3 notifies if wished      L3 pass_has_work() once more
 *                              L4 epoll_wait
 *
 *   D1 before L3    L3 finds it; no sleep. If D2 came after L2, the
 *                   notification is one too many and wakes L4 once.
 *   D1 after L3     D2 is after L2 then (virtqueue.c), so D3 notifies; L4 is
 *                   woken, or does not sleep, whichever comes first.
 *
 * How long it looks is learned apart for the two things it can wait for: the
 * driver, while nothing is under way, and the device's own completions. What a
 * disk takes says nothing of when the next request comes; and while a disk
 * works a processor is better used by others, unless it takes no longer than
 * waking up.
 *
 * Doorbells are edges: kicks and the ring are watched with EPOLLET and never
 * read. Each write to an eventfd is an edge, whatever it held; one that comes
 * before L4 is kept by epoll and ends L4 at once; what it rang for is in the
 * queue already, whether the edge is taken before or after that was found
 * (bells.c tells it for the ring). That saves a call a doorbell, and a kick
 * that is no eventfd rings, or does not, but never keeps us awake.
 * The control socket and the device's completions are level-triggered.
 *
 * Needs (until SEAL): epoll_ctl(RF_FD_EPOLL, ADD and DEL).
 * Needs (sealed): epoll_wait(RF_FD_EPOLL); clock_gettime(CLOCK_MONOTONIC) on
 *   hosts whose clock the vdso cannot read.
 */
#include <errno.h>
#include <limits.h>
#include <sys/epoll.h>

#include "device/runtime.h"

/* Control, ring, completions and a kick for each queue. */
#define EVENTS_MAX (3u + RF_FD_PLACES)

/* How often messages are looked for while there is other work. */
#define LOOK_NS UINT64_C(100000)

/* Looks at memory between two looks at the clock, about half a microsecond. */
#define SPINS 16u

#define NS_PER_MS UINT64_C(1000000)

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

/* Messages go first: one may be the reset after which the rest of what woke us
 * no longer means anything. Ring and completions need no word: a pass looks at
 * both. */
static int take_events(struct rf_device *dev, const struct epoll_event *ev,
		       int nr)
{
	int i, err;

	for (i = 0; i < nr; i++) {
		if (ev[i].data.u32 != LOOP_CONTROL)
			continue;
		err = backend_handle(dev);
		if (err)
			return err;
	}
	for (i = 0; i < nr; i++) {
		uint32_t tag = ev[i].data.u32;

		if (tag < LOOP_KICKS)
			continue;
		RF_REPORT_COUNT(dev->report, kicks, 1);
		pass_ring(dev, UINT32_C(1) << (tag - LOOP_KICKS));
	}
	return 0;
}

static int look(struct rf_device *dev, int timeout_ms)
{
	struct epoll_event ev[EVENTS_MAX];
	int nr;

	nr = epoll_wait(RF_FD_EPOLL, ev, EVENTS_MAX, timeout_ms);
	dev->looked_ns = 0; /* when it returned: the next turn knows */
	if (nr < 0)
		return errno == EINTR ? 0 : -errno;
	if (nr == 0)
		return 0;
	RF_REPORT_COUNT(dev->report, wakeups, 1);
	return take_events(dev, ev, nr);
}

/* Until the timer, rounded up; -1: for ever. */
static int sleep_ms(const struct rf_device *dev, uint64_t now)
{
	uint64_t ms;

	if (!dev->timer_ns)
		return -1;
	if (dev->timer_ns <= now)
		return 0;
	ms = (dev->timer_ns - now - 1) / NS_PER_MS + 1;
	return ms < INT_MAX ? (int)ms : INT_MAX;
}

static bool is_timer_due(const struct rf_device *dev, uint64_t now)
{
	return dev->timer_ns && dev->timer_ns <= now;
}

void rf_device_timer(struct rf_device *dev, uint64_t ns)
{
	uint64_t now = rf_clock_ns();

	if (!dev->ops->timer)
		return;
	/* A time that the clock does not reach is none. */
	dev->timer_ns = ns && ns <= UINT64_MAX - now ? now + ns : 0;
}

/* Look at memory for a while. */
static bool spin(struct rf_device *dev)
{
	uint32_t i;

	for (i = 0; i < SPINS; i++) {
		if (pass_has_work(dev))
			return true;
#if defined(__x86_64__) || defined(__i386__)
		__builtin_ia32_pause();
#endif
	}
	return false;
}

static uint64_t budget(const struct rf_device *dev)
{
	return poll_budget(&dev->poll, dev->idle.kind);
}

static bool is_polling(const struct rf_device *dev, uint64_t now)
{
	return !dev->idle.slept && now - dev->idle.since_ns < budget(dev);
}

/* Look until there is work, the budget is used up, or messages or the timer
 * want to be seen to. `now` follows the clock. */
static bool poll_memory(struct rf_device *dev, uint64_t *now)
{
	while (is_polling(dev, *now) && *now - dev->looked_ns < LOOK_NS &&
	       !is_timer_due(dev, *now)) {
		bool found = spin(dev);

		*now = rf_clock_ns();
		if (found)
			return true;
	}
	return false;
}

static bool has_requests(const struct rf_device *dev)
{
	uint16_t q;

	for (q = 0; q < dev->ops->nr_queues; q++)
		if (dev->vqs[q].nr_inflight > 0)
			return true;
	return false;
}

static void begin_idle(struct rf_device *dev, uint64_t now)
{
	dev->idle = (struct runtime_idle){
		.is_idle = true,
		.since_ns = now,
		.kind = has_requests(dev) ? POLL_DEVICE : POLL_DRIVER,
	};
}

static bool find_work(struct rf_device *dev, uint64_t *now)
{
	if (pass_has_work(dev))
		return true;
	if (!dev->idle.is_idle)
		begin_idle(dev, *now);
	return poll_memory(dev, now);
}

/* The end of idleness, if it was that. */
static void note_found(struct rf_device *dev, uint64_t now)
{
	uint64_t gap = now - dev->idle.since_ns;

	if (!dev->idle.is_idle)
		return;
	dev->idle.is_idle = false;
	if (!dev->idle.slept && budget(dev)) {
		RF_REPORT_COUNT(dev->report, polled_hits, 1);
		RF_REPORT_COUNT(dev->report, polled_ns, gap);
	}
	poll_found(&dev->poll, dev->idle.kind, gap, dev->idle.slept);
	if (dev->idle.kind == POLL_DRIVER && gap > POLL_IDLE_NS) {
		trial_void(&dev->poll.trial, now);
		trial_void(&dev->share, now);
	}
}

/* One trial at a time, or neither would know what made the difference. */
static void tune(struct rf_device *dev, uint64_t now)
{
	if (!dev->share.is_on)
		poll_served(&dev->poll, now, dev->nr_served);
	if (!dev->poll.trial.is_on)
		pass_tune(dev, now);
}

/* L2 to L4. */
static int arm_and_sleep(struct rf_device *dev, uint64_t now)
{
	uint16_t q;

	if (!dev->idle.slept && budget(dev)) {
		RF_REPORT_COUNT(dev->report, polled_misses, 1);
		RF_REPORT_COUNT(dev->report, polled_ns,
				now - dev->idle.since_ns);
	}
	dev->idle.slept = true;
	for (q = 0; q < dev->ops->nr_queues; q++)
		virtqueue_arm(&dev->vqs[q]);
	if (pass_has_work(dev))
		return 0;
	return look(dev, sleep_ms(dev, now));
}

static int turn(struct rf_device *dev)
{
	uint64_t now = rf_clock_ns();
	int err = 0;

	if (!dev->looked_ns)
		dev->looked_ns = now;
	if (find_work(dev, &now)) {
		note_found(dev, now);
		tune(dev, now);
		if (now - dev->looked_ns >= LOOK_NS)
			err = look(dev, 0);
		if (!err)
			pass_run(dev);
	} else if (!is_timer_due(dev, now)) {
		err = is_polling(dev, now) ? look(dev, 0)
					   : arm_and_sleep(dev, now);
	}
	if (!err && is_timer_due(dev, now)) {
		dev->timer_ns = 0;
		dev->ops->timer(dev->state);
		pass_run(dev);
	}
	return err;
}

int loop_run(struct rf_device *dev)
{
	int err;

	do
		err = turn(dev);
	while (!err);
	return err == -EPIPE ? 0 : err;
}
