/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * serve.c - the main thread's loop: launcher, devices, and what vCPUs hand over
 *
 * Side:    vmm, main thread.
 * Owns:    RF_FD_EPOLL, RF_FD_WAKE, RF_FD_TIMER.
 * Callers: main.c.
 * Needs:   epoll_wait, epoll_ctl(DEL), sendto and recvfrom on RF_FD_CONTROL,
 *          read on RF_FD_WAKE and RF_FD_TIMER, timerfd_settime, write on
 *          RF_FD_CONSOLE and RF_FD_LOG, close (a lost device's socket), and
 *          what input.c, vdev.c, vm.c and the doorbells need.
 * Never:   takes a vCPU thread's word for more than a register write.
 */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <ringfence/log.h>

#include "base/launch_proto.h"
#include "vmm/serve.h"
#include "vmm/vcpu.h"

/* How long a half line may wait on the serial port. */
#define SERVE_TICK_MS 200
/* How long the stand-in may get nowhere, in ticks. */
#define SERVE_STALL_TICKS 75u
/* `coalesced`: how long a write may wait in KVM's ring if nothing exits. */
#define SERVE_DRAIN_NS 1000000
#define SERVE_DRAINS_A_TICK (SERVE_TICK_MS * 1000000 / SERVE_DRAIN_NS)

enum serve_source {
	SERVE_LAUNCHER,
	SERVE_WORK,
	SERVE_TIMER,
	SERVE_INPUT,
	SERVE_DEVICE, /* index: the device */
	SERVE_ERROR,  /* index: device * VDEV_QUEUES_MAX + queue */
};

struct server {
	struct vmm *vmm;
	bool ended;
	int status; /* of the process, once ended */
	uint64_t last_progress;
	uint32_t idle_ticks;
	uint32_t drains; /* by timer, since the last tick */
	/* vCPUs whose write waits for the end of a device, a bit each. */
	uint32_t held[RF_FENCE_DEVICES_MAX];
};
static_assert(WORK_SLOTS_MAX <= 32, "held");

static int complain(const char *step, int rc)
{
	rf_log("%s: %s", step, strerrorname_np(-rc));
	return rc;
}

static int watch(enum serve_source source, uint32_t index, int fd)
{
	struct epoll_event ev = {
		.events = EPOLLIN | EPOLLRDHUP,
		.data.u64 = (uint64_t)source << 32 | index,
	};

	if (epoll_ctl(RF_FD_EPOLL, EPOLL_CTL_ADD, fd, &ev) < 0)
		return complain("epoll_ctl", -errno);
	return 0;
}

static int place(int fd, int to, const char *step)
{
	int rc = fd < 0 ? -errno : rf_fd_move(fd, to);

	return rc < 0 ? complain(step, rc) : 0;
}

static int watch_devices(const struct vmm *vmm)
{
	uint32_t i, q;
	int rc = 0;

	for (i = 0; i < vmm->nr_devices && rc == 0; i++) {
		const struct vdev *d = &vmm->devices[i];

		rc = watch(SERVE_DEVICE, i, d->sock);
		for (q = 0; q < VDEV_QUEUES_MAX && rc == 0; q++)
			rc = watch(SERVE_ERROR, i * VDEV_QUEUES_MAX + q,
				   d->errs[q]);
	}
	return rc;
}

int serve_prepare(struct vmm *vmm, enum input_kind input)
{
	int rc;

	rc = place(epoll_create1(EPOLL_CLOEXEC), RF_FD_EPOLL, "epoll");
	if (rc == 0)
		rc = place(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), RF_FD_WAKE,
			   "eventfd");
	if (rc == 0)
		rc = place(timerfd_create(CLOCK_MONOTONIC,
					  TFD_CLOEXEC | TFD_NONBLOCK),
			   RF_FD_TIMER, "timerfd");
	if (rc == 0)
		rc = watch(SERVE_LAUNCHER, 0, RF_FD_CONTROL);
	if (rc == 0)
		rc = watch(SERVE_WORK, 0, RF_FD_WAKE);
	if (rc == 0)
		rc = watch(SERVE_TIMER, 0, RF_FD_TIMER);
	if (rc == 0) {
		rc = input_init(&vmm->input, input, &vmm->serial,
				(uint64_t)SERVE_INPUT << 32);
		if (rc < 0)
			complain("standard input", rc);
	}
	return rc < 0 ? rc : watch_devices(vmm);
}

static void end(struct server *s, int status)
{
	s->ended = true;
	s->status = status;
}

static void sum_up(struct vmm *vmm)
{
	struct rf_doorbell_counts counts;
	uint64_t rescans = 0;
	uint32_t i;

	for (i = 0; i < vmm->nr_devices; i++) {
		rf_doorbell_counts(vmm->devices[i].doorbell, &counts);
		rescans += counts.rescans;
	}
	RF_REPORT_SET(vmm->report, rescans, rescans);
}

static void start_running(struct server *s)
{
	const struct itimerspec every = {
		.it_interval = { .tv_nsec = SERVE_DRAIN_NS },
		.it_value = { .tv_nsec = SERVE_DRAIN_NS },
	};
	struct vmm *vmm = s->vmm;
	uint32_t i;

	vmm->running = true;
	if (rf_doorbell_set_kind(vmm->doorbells) == RF_DOORBELL_COALESCED &&
	    timerfd_settime(RF_FD_TIMER, 0, &every, NULL) < 0) {
		complain("timerfd", -errno);
		end(s, 1);
		return;
	}
	for (i = 0; i < vmm->nr_vcpus; i++)
		vcpu_go(&vmm->vcpus[i]);
	(void)input_look(&vmm->input);
}

static void bury_if_lost(struct vdev *d)
{
	int sock = d->sock;

	if (!d->lost || !d->frontend)
		return;
	/* Before it is closed: somebody may hold a copy of our end, and then
	 * epoll would go on about it. */
	(void)epoll_ctl(RF_FD_EPOLL, EPOLL_CTL_DEL, sock, NULL);
	if (!vdev_bury(d))
		return;
	if (launch_send(RF_FD_CONTROL, LAUNCH_DEVICE_GONE, d->index) < 0)
		rf_log("device %u: the launcher could not be told", d->index);
}

/* We may be the last to hear of it. */
static void on_dead(struct server *s, struct vdev *d)
{
	uint32_t slot;

	vdev_lost(d, -EPIPE);
	bury_if_lost(d);
	vdev_dead(d);
	for (slot = 0; slot < WORK_SLOTS_MAX; slot++)
		if (s->held[d->index] & 1u << slot)
			work_answer(&s->vmm->work, slot);
	s->held[d->index] = 0;
}

static bool take_message(struct server *s, const struct launch_msg *msg)
{
	struct vmm *vmm = s->vmm;

	if (msg->type == LAUNCH_GO && !vmm->running) {
		start_running(s);
		return true;
	}
	if (msg->type == LAUNCH_DEVICE_DEAD && msg->value < vmm->nr_devices &&
	    !vmm->devices[msg->value].dead) {
		on_dead(s, &vmm->devices[msg->value]);
		return true;
	}
	return false;
}

static void on_launcher(struct server *s)
{
	struct launch_msg msg;
	int rc = launch_recv(RF_FD_CONTROL, &msg);

	if (rc == -EAGAIN || (rc == 0 && take_message(s, &msg)))
		return;
	rf_log(rc == -EPIPE ? "the launcher is gone"
			    : "the launcher sent what makes no sense here");
	end(s, 1);
}

/* Between two questions a device has nothing to say. */
static void on_device(struct vdev *d, uint32_t events)
{
	bool closed = events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR);

	vdev_lost(d, closed ? -EPIPE : -EPROTO);
	bury_if_lost(d);
}

static void on_ended(struct server *s, uint32_t status)
{
	struct vmm *vmm = s->vmm;
	int rc;

	serial_flush(&vmm->serial);
	sum_up(vmm);
	stats_sum(&vmm->stats, vmm->report);
	RF_REPORT_SET(vmm->report, guest_status, 1 + (uint64_t)status);
	rc = launch_send(RF_FD_CONTROL, LAUNCH_ENDED, status);
	if (rc < 0)
		complain("the guest has ended, the launcher", rc);
	end(s, rc < 0 ? 1 : 0);
}

static void on_stopped(struct server *s, uint32_t slot)
{
	serial_flush(&s->vmm->serial);
	sum_up(s->vmm);
	if (s->vmm->kvm)
		vm_explain(&s->vmm->vm, slot);
	end(s, 1);
}

/* False: it is about a device whose reset waits, and waits with it. */
static bool on_write(struct server *s, uint32_t slot,
		     const struct work_item *item)
{
	struct vdev *d = &s->vmm->devices[item->device];

	vdev_write(d, item->offset, item->data, item->len);
	bury_if_lost(d);
	if (!vdev_is_unsettled(d))
		return true;
	s->held[item->device] |= 1u << slot;
	return false;
}

static bool on_work(void *ctx, uint32_t slot, const struct work_item *item)
{
	struct server *s = ctx;

	if (s->ended)
		return true;
	switch (item->kind) {
	case WORK_WRITE:
		return on_write(s, slot, item);
	case WORK_ENDED:
		on_ended(s, item->status);
		break;
	case WORK_STOPPED:
		on_stopped(s, slot);
		break;
	}
	return true;
}

static bool is_any_held(const struct server *s)
{
	uint32_t i;

	for (i = 0; i < RF_FENCE_DEVICES_MAX; i++)
		if (s->held[i])
			return true;
	return false;
}

/* A stand-in waits for interrupts in a plain read, so somebody else must notice
 * that none comes. A guest has timers of its own. */
static void check_standin(struct server *s)
{
	uint64_t now = atomic_load_explicit(&s->vmm->progress,
					    memory_order_relaxed);

	if (s->vmm->kvm || !s->vmm->running || now == UINT64_MAX)
		return;
	if (now != s->last_progress || is_any_held(s))
		s->idle_ticks = 0;
	s->last_progress = now;
	if (++s->idle_ticks < SERVE_STALL_TICKS)
		return;
	rf_log("stand-in: no interrupt came for %u s",
	       SERVE_STALL_TICKS * SERVE_TICK_MS / 1000);
	end(s, 1);
}

static void on_input(struct server *s, bool end_it)
{
	if (end_it && !s->ended)
		on_ended(s, 0);
}

/* Time has passed, or a vCPU's port can take more. */
static void look_for_input(struct server *s)
{
	if (s->vmm->running)
		on_input(s, input_look(&s->vmm->input));
}

static void on_tick(struct server *s)
{
	look_for_input(s);
	serial_flush_stale(&s->vmm->serial);
	sum_up(s->vmm);
	check_standin(s);
}

static void on_timer(struct server *s)
{
	uint64_t ticks;

	/* Late ones are one: it only says "look". */
	if (rf_eventfd_take(RF_FD_TIMER, &ticks) < 0)
		return;
	rf_doorbell_set_drain(s->vmm->doorbells);
	/* With this timer running epoll_wait() never comes back empty. */
	if (++s->drains < SERVE_DRAINS_A_TICK)
		return;
	s->drains = 0;
	on_tick(s);
}

static void on_event(struct server *s, const struct epoll_event *ev)
{
	const uint32_t index = (uint32_t)ev->data.u64;

	switch ((enum serve_source)(ev->data.u64 >> 32)) {
	case SERVE_LAUNCHER:
		on_launcher(s);
		break;
	case SERVE_WORK:
		work_serve(&s->vmm->work, on_work, s);
		look_for_input(s);
		break;
	case SERVE_INPUT:
		on_input(s, input_ready(&s->vmm->input));
		break;
	case SERVE_TIMER:
		on_timer(s);
		break;
	case SERVE_DEVICE:
		on_device(&s->vmm->devices[index], ev->events);
		break;
	case SERVE_ERROR:
		vdev_error(&s->vmm->devices[index / VDEV_QUEUES_MAX],
			   index % VDEV_QUEUES_MAX);
		break;
	}
}

int serve_run(struct vmm *vmm)
{
	struct server s = { .vmm = vmm };
	struct epoll_event events[16];
	int rc, i;

	rc = launch_send(RF_FD_CONTROL, LAUNCH_READY,
			 rf_doorbell_set_kind(vmm->doorbells));
	if (rc < 0) {
		complain("the launcher", rc);
		return 1;
	}
	while (!s.ended) {
		rc = epoll_wait(RF_FD_EPOLL, events, RF_ARRAY_LEN(events),
				SERVE_TICK_MS);
		if (rc < 0 && errno != EINTR) {
			complain("epoll_wait", -errno);
			return 1;
		}
		if (rc == 0)
			on_tick(&s);
		for (i = 0; i < rc && !s.ended; i++)
			on_event(&s, &events[i]);
	}
	return s.status;
}
