/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * consumer.c - a process in the place of the device, for the doorbell bench
 *
 * It sleeps in poll, as a device does, on the ring (or its wake eventfd), on
 * the spare bell and on the socket, whose end is its own.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <ringfence/ring.h>

#include "bench/bench.h"
#include "bench/consumer.h"

#define NR_PASSED 4

/* One of these for each descriptor that is there, in this order. */
struct greeting {
	uint8_t has[NR_PASSED]; /* ring, wake, kick, memory */
};

struct device {
	struct consumer_shared *shared;
	struct consumer_mailbox *mailbox;
	struct rf_ring_consumer ring;
	bool has_ring;
	bool has_started;
	uint32_t last_value;
	int fds[NR_PASSED];
};

union control {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(NR_PASSED * sizeof(int))];
};

static int send_fds(int sock, const int fds[NR_PASSED])
{
	struct greeting greeting = { { 0 } };
	struct iovec iov = { &greeting, sizeof(greeting) };
	union control control = { .bytes = { 0 } };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control.bytes };
	struct cmsghdr *cmsg = &control.align;
	int present[NR_PASSED] = { 0 };
	size_t nr = 0;
	int i;

	for (i = 0; i < NR_PASSED; i++) {
		greeting.has[i] = fds[i] >= 0;
		if (fds[i] >= 0)
			present[nr++] = fds[i];
	}
	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(nr * sizeof(int));
	msg.msg_controllen = CMSG_SPACE(nr * sizeof(int));
	memcpy(CMSG_DATA(cmsg), present, nr * sizeof(int));
	return sendmsg(sock, &msg, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static int receive_fds(int sock, int fds[NR_PASSED])
{
	struct greeting greeting;
	struct iovec iov = { &greeting, sizeof(greeting) };
	union control control = { .bytes = { 0 } };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control.bytes,
			      .msg_controllen = sizeof(control.bytes) };
	const struct cmsghdr *cmsg;
	const unsigned char *data;
	int i;

	if (recvmsg(sock, &msg, MSG_CMSG_CLOEXEC) != sizeof(greeting))
		return -EPIPE;
	cmsg = CMSG_FIRSTHDR(&msg);
	if (!cmsg || cmsg->cmsg_type != SCM_RIGHTS)
		return -EPROTO;
	data = CMSG_DATA(cmsg);
	for (i = 0; i < NR_PASSED; i++) {
		fds[i] = -1;
		if (!greeting.has[i])
			continue;
		memcpy(&fds[i], data, sizeof(int));
		data += sizeof(int);
	}
	return 0;
}

static void *map_shared(int fd, size_t len)
{
	void *map = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	return map == MAP_FAILED ? NULL : map;
}

static bool map_all(struct device *d)
{
	uint8_t *memory = map_shared(d->fds[3],
				     CONSUMER_MAILBOX + sizeof(*d->mailbox));
	struct rf_ring_page *page;

	if (!memory)
		return false;
	d->mailbox = (void *)(memory + CONSUMER_MAILBOX);
	if (d->fds[0] < 0)
		return true;
	page = map_shared(d->fds[0], RF_RING_BYTES);
	if (!page || rf_ring_consumer_init(&d->ring, page))
		return false;
	d->has_ring = true;
	return true;
}

static void take_sample(struct device *d, uint64_t now)
{
	struct consumer_shared *s = d->shared;
	uint32_t left = s->rounds_left;
	uint32_t nr = s->nr_samples;

	if (left == 0)
		return;
	if (nr < CONSUMER_SAMPLES_MAX) {
		s->samples[nr] = now - __atomic_load_n(&d->mailbox->rung_at,
						       __ATOMIC_RELAXED);
		s->nr_samples = nr + 1;
	}
	s->rounds_left = left - 1;
	__atomic_store_n(&d->mailbox->ack, left, __ATOMIC_RELEASE);
}

/* The device's callback. Values count in their high half in a throughput run,
 * and go round; each is at most half the circle ahead of the one before. */
static void on_entry(void *ctx, const struct rf_ring_entry *entry)
{
	struct device *d = ctx;
	const uint64_t now = bench_ticks();
	uint32_t value;

	memcpy(&value, entry->data, sizeof(value));
	if (d->has_started && (int32_t)(value - d->last_value) < 0)
		d->shared->disorder++;
	d->has_started = true;
	d->last_value = value;
	/* Counted last: who waits for the count then finds the sample. */
	take_sample(d, now);
	d->shared->entries++;
}

static void on_kick(struct device *d)
{
	uint64_t count;

	if (rf_eventfd_take(d->fds[2], &count))
		return;
	take_sample(d, bench_ticks());
	d->shared->kicks += count;
}

static bool on_ring(struct device *d)
{
	uint64_t count;
	uint32_t nr;

	/* Take first, drain then: see <ringfence/doorbell.h>. */
	if (d->fds[1] >= 0)
		(void)!rf_eventfd_take(d->fds[1], &count);
	return rf_ring_drain_each(&d->ring, on_entry, d, &nr) == 0;
}

/* 0: the other end was closed, as it should be in the end. */
static int serve(struct device *d, int sock)
{
	struct pollfd p[] = {
		{ .fd = sock, .events = POLLIN },
		{ .fd = d->fds[2], .events = POLLIN },
		{ .fd = d->fds[1] >= 0 ? d->fds[1] : d->fds[0],
		  .events = POLLIN },
	};

	for (;;) {
		if (poll(p, RF_ARRAY_LEN(p), -1) < 0)
			return 1;
		if (p[1].revents || p[2].revents)
			d->shared->wakeups++;
		if (p[2].revents && !on_ring(d))
			return 1;
		if (p[1].revents)
			on_kick(d);
		if (p[0].revents)
			return d->shared->disorder != 0;
	}
}

static _Noreturn void be_consumer(int sock, struct consumer_shared *shared)
{
	struct device device = { .shared = shared };

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (receive_fds(sock, device.fds) || !map_all(&device))
		_exit(1);
	if (send(sock, "m", 1, MSG_NOSIGNAL) != 1)
		_exit(1);
	_exit(serve(&device, sock));
}

int consumer_start(struct consumer *c)
{
	int socks[2];
	void *map;

	*c = (struct consumer){ .pid = -1, .sock = -1 };
	map = mmap(NULL, sizeof(*c->shared), PROT_READ | PROT_WRITE,
		   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (map == MAP_FAILED)
		return -errno;
	c->shared = map;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, socks) < 0)
		return -errno;
	c->pid = fork();
	if (c->pid == 0) {
		close(socks[0]);
		be_consumer(socks[1], c->shared);
	}
	close(socks[1]);
	c->sock = socks[0];
	return c->pid < 0 ? -EAGAIN : 0;
}

int consumer_hand_over(struct consumer *c, const struct rf_doorbell_fds *fds,
		       int memory)
{
	const int passed[NR_PASSED] = { fds->ring, fds->wake, fds->kicks[0],
					memory };
	char mapped;
	int err;

	err = send_fds(c->sock, passed);
	if (err)
		return err;
	return recv(c->sock, &mapped, 1, 0) == 1 ? 0 : -EPIPE;
}

int consumer_stop(struct consumer *c)
{
	int status = 0;
	int err = 0;

	rf_fd_close(&c->sock);
	if (c->pid > 0 && (waitpid(c->pid, &status, 0) < 0 || status != 0))
		err = -EPROTO;
	if (c->shared)
		(void)munmap(c->shared, sizeof(*c->shared));
	*c = (struct consumer){ .pid = -1, .sock = -1 };
	return err;
}
