/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * stress_zoo.c - the children that have a ring and take nothing from it
 *
 * They map and unmap, fork, keep descriptors and pages in strange places, and
 * poll. Each goes on until it is killed, wherever that meets it.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lab/stress.h"

#define MAPS_MAX 4u

struct rf_ring_page *stress_map(int fd)
{
	struct rf_ring_page *page = api_map(fd);

	stress_did(ACT_MAP);
	return page;
}

void stress_look(const struct rf_ring_page *page)
{
	uint32_t first = __atomic_load_n(&page->first, __ATOMIC_RELAXED);
	uint32_t last = __atomic_load_n(&page->last, __ATOMIC_RELAXED);

	CHECK(first < RF_RING_SLOTS && last < RF_RING_SLOTS,
	      "first is %u, last is %u", first, last);
}

/* One of the ways in which a mapping would not be a ring. */
static void map_wrongly(struct stress_job *job)
{
	static const struct {
		size_t len;
		int prot;
		int flags;
		off_t offset;
	} wrong[] = {
		{ 2ul * RF_RING_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, 0 },
		{ RF_RING_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, 4096 },
		{ RF_RING_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE, 0 },
		{ RF_RING_BYTES, PROT_READ, MAP_SHARED, 0 },
		{ RF_RING_BYTES, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_SHARED,
		  0 },
	};
	const uint32_t i = stress_roll(&job->dice, RF_ARRAY_LEN(wrong));

	MUST_FAIL((long)mmap(NULL, wrong[i].len, wrong[i].prot, wrong[i].flags,
			     job->fd, wrong[i].offset),
		  EINVAL);
	stress_did(ACT_MAP_REFUSED);
}

static struct rf_ring_page *move(struct rf_ring_page *page)
{
	void *to = mmap(NULL, RF_RING_BYTES, PROT_NONE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(to != MAP_FAILED, "mmap: %s", strerror(errno));
	CHECK(mremap(page, RF_RING_BYTES, RF_RING_BYTES,
		     MREMAP_MAYMOVE | MREMAP_FIXED, to) == to,
	      "%s", strerror(errno));
	stress_did(ACT_MOVE);
	return to;
}

static void move_wrongly(struct rf_ring_page *page, bool doubled)
{
	/* Twice the length; or, from no length at all, a second mapping. */
	MUST_FAIL((long)mremap(page, doubled ? RF_RING_BYTES : 0,
			       (doubled ? 2ul : 1) * RF_RING_BYTES,
			       MREMAP_MAYMOVE),
		  EFAULT);
	stress_did(ACT_MOVE_REFUSED);
}

static void protect(struct rf_ring_page *page, bool readable)
{
	MUST_FAIL(mprotect(page, RF_RING_BYTES, PROT_READ | PROT_EXEC), EACCES);
	MUST(mprotect(page, RF_RING_BYTES, readable ? PROT_READ : PROT_NONE));
	if (readable)
		stress_look(page);
	MUST(mprotect(page, RF_RING_BYTES, PROT_READ | PROT_WRITE));
	stress_did(ACT_PROTECT);
}

static void zap(struct rf_ring_page *page)
{
	MUST(madvise(page, RF_RING_BYTES, MADV_DONTNEED));
	stress_did(ACT_ZAP);
}

static struct rf_ring_page *handle(struct stress_job *job,
				   struct rf_ring_page *page)
{
	switch (stress_roll(&job->dice, 7)) {
	case 0:
		map_wrongly(job);
		break;
	case 1:
		page = move(page);
		break;
	case 2:
		move_wrongly(page, stress_roll(&job->dice, 2));
		break;
	case 3:
		protect(page, stress_roll(&job->dice, 2));
		break;
	case 4:
		zap(page);
		break;
	default:
		stress_doze(&job->dice, 200);
	}
	stress_look(page);
	return page;
}

static void map_and_unmap(struct stress_job *job)
{
	const uint32_t nr = 1 + stress_roll(&job->dice, MAPS_MAX);
	struct rf_ring_page *pages[MAPS_MAX];
	uint32_t order[MAPS_MAX];
	uint32_t i;

	for (i = 0; i < nr; i++)
		pages[i] = stress_map(job->fd);
	for (i = 0; i < nr; i++)
		pages[i] = handle(job, pages[i]);
	stress_shuffle(&job->dice, order, nr);
	for (i = 0; i < nr; i++)
		api_unmap(pages[order[i]]);
}

/* A program that says something about itself and ends. */
static void become_another(void)
{
	const int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

	(void)dup2(null, STDOUT_FILENO);
	(void)execl("/proc/self/exe", "stress", "--help", (char *)NULL);
	_exit(127);
}

/* In the child, which may have been one of several threads: system calls. */
static _Noreturn void be_forked(struct rf_ring_page *page, bool has_it,
				uint32_t end)
{
	if (has_it)
		stress_look(page);
	else
		MUST_FAIL(msync(page, RF_RING_BYTES, MS_ASYNC), ENOMEM);
	if (end == 0)
		become_another();
	if (end == 1 && has_it)
		api_unmap(page);
	if (end == 2)
		(void)usleep(3000);
	_exit(0);
}

void stress_fork_mapped(struct stress_dice *dice, struct rf_ring_page *page)
{
	const bool has_it = stress_roll(dice, 2);
	const uint32_t end = stress_roll(dice, 4);
	int status;
	pid_t pid;

	MUST(madvise(page, RF_RING_BYTES,
		     has_it ? MADV_DOFORK : MADV_DONTFORK));
	pid = stress_fork();
	if (pid == 0)
		be_forked(page, has_it, end);
	if (stress_roll(dice, 4) == 0)
		(void)kill(pid, SIGKILL);
	MUST(waitpid(pid, &status, 0));
	stress_check_status(status);
	stress_did(has_it ? ACT_FORK_MAPPED : ACT_FORK);
	if (end == 0 && WIFEXITED(status))
		stress_did(ACT_EXEC);
}

static void fork_some(struct stress_job *job)
{
	struct rf_ring_page *page = stress_map(job->fd);

	stress_fork_mapped(&job->dice, page);
	api_unmap(page);
}

static void duplicate(struct stress_job *job)
{
	const int again = (int)MUST(dup(job->fd));
	struct rf_ring_page *page = stress_map(again);

	MUST(close(again));
	stress_did(ACT_DUP);
	stress_doze(&job->dice, 3000);
	stress_look(page);
	api_unmap(page);
}

static void send_and_receive(struct stress_job *job)
{
	struct rf_ring_page *page;
	int pair[2];
	int fd;

	MUST(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair));
	api_tell(pair[0], 0, job->fd);
	/* Who is killed here leaves it in flight. */
	stress_doze(&job->dice, 3000);
	(void)api_hear(pair[1], &fd);
	page = stress_map(fd);
	stress_look(page);
	MUST(close(fd));
	api_unmap(page);
	MUST(close(pair[0]));
	MUST(close(pair[1]));
	stress_did(ACT_FLIGHT);
}

/* Into a socket that is in flight in itself: for the collector to find. */
static void lose_in_flight(struct stress_job *job)
{
	int pair[2];

	MUST(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair));
	api_tell(pair[0], 0, job->fd);
	api_tell(pair[0], 0, pair[1]);
	api_tell(pair[1], 0, pair[0]);
	MUST(close(pair[0]));
	MUST(close(pair[1]));
	stress_did(ACT_FLIGHT_LOST);
	stress_doze(&job->dice, 3000);
}

/* The page without the mapping, in a pipe. */
static void pin(struct stress_job *job)
{
	struct rf_ring_page *page = stress_map(job->fd);
	const struct iovec iov = { page, RF_RING_BYTES };
	struct rf_ring_page copy;
	int pipe_fds[2];

	MUST(pipe2(pipe_fds, O_CLOEXEC));
	CHECK(MUST(vmsplice(pipe_fds[1], &iov, 1, 0)) == RF_RING_BYTES);
	api_unmap(page);
	stress_doze(&job->dice, 3000);
	CHECK(MUST(read(pipe_fds[0], &copy, sizeof(copy))) == sizeof(copy));
	stress_look(&copy);
	MUST(close(pipe_fds[0]));
	MUST(close(pipe_fds[1]));
	stress_did(ACT_PIN);
}

/* One of several who wait; somebody else takes what is there. */
static void watch(struct stress_job *job)
{
	struct epoll_event event = { .events = EPOLLIN };
	uint32_t times = stress_roll(&job->dice, 20);
	int epoll;

	if (stress_roll(&job->dice, 3) == 0) {
		if (api_is_readable(job->fd, 20))
			stress_did(ACT_POLL);
		return;
	}
	epoll = (int)MUST(epoll_create1(EPOLL_CLOEXEC));
	if (stress_roll(&job->dice, 2))
		event.events |= EPOLLET;
	MUST(epoll_ctl(epoll, EPOLL_CTL_ADD, job->fd, &event));
	while (times-- > 0 && !stress_is_over()) {
		struct epoll_event got;

		if (MUST(epoll_wait(epoll, &got, 1, 20)) == 1)
			stress_did(event.events & EPOLLET ? ACT_EDGE
							  : ACT_LEVEL);
		stress_doze(&job->dice, 2000);
	}
	MUST(close(epoll));
}

_Noreturn void stress_zoo(struct stress_job *job)
{
	static void (*const habits[])(struct stress_job *) = {
		map_and_unmap,	fork_some,     duplicate, send_and_receive,
		lose_in_flight, map_and_unmap, pin,	  watch,
	};
	const uint32_t one = stress_roll(&job->dice, RF_ARRAY_LEN(habits));
	const bool is_fickle = stress_roll(&job->dice, 2);
	uint32_t i = one;

	while (!stress_is_over()) {
		habits[i](job);
		if (is_fickle)
			i = stress_roll(&job->dice, RF_ARRAY_LEN(habits));
	}
	_exit(0);
}
