/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * stress_consumer.c - the children that take entries, and one that spoils them
 */
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lab/stress.h"

#define WAIT_MS 50
/* Longer than any vCPU is held up between its store and its wakeup. */
#define LATE_MS 20000
#define SPINS 200u

enum sleep_kind { SLEEP_SPIN, SLEEP_POLL, SLEEP_LEVEL, SLEEP_EDGE, NR_SLEEPS };

struct consumer {
	struct stress_job *job;
	struct stress_log *log;
	enum sleep_kind kind;
	int epoll;
};

static void set_up_sleep(struct consumer *c)
{
	struct epoll_event event = { .events = EPOLLIN };

	c->kind = (enum sleep_kind)stress_roll(&c->job->dice, NR_SLEEPS);
	c->epoll = (int)MUST(epoll_create1(EPOLL_CLOEXEC));
	if (c->kind == SLEEP_EDGE)
		event.events |= EPOLLET;
	MUST(epoll_ctl(c->epoll, EPOLL_CTL_ADD, c->job->fd, &event));
}

static bool is_told(const struct consumer *c, int wait_ms)
{
	struct pollfd p = { .fd = c->job->fd, .events = POLLIN };
	struct epoll_event event;
	int nr;

	if (c->kind == SLEEP_POLL) {
		nr = (int)MUST(poll(&p, 1, wait_ms));
		CHECK(nr == 0 || p.revents == POLLIN, "revents %#x", p.revents);
		return nr == 1;
	}
	nr = (int)MUST(epoll_wait(c->epoll, &event, 1, wait_ms));
	CHECK(nr == 0 || event.events == EPOLLIN, "events %#x", event.events);
	return nr == 1;
}

static void spin(const struct rf_ring_page *page)
{
	uint32_t i;

	for (i = 0; i < SPINS && !api_waiting(page); i++)
		(void)sched_yield();
}

/* Once everything was taken: what comes later, we are told of. */
static void sleep_a_little(const struct consumer *c,
			   const struct rf_ring_page *page)
{
	static const enum stress_act acts[NR_SLEEPS] = {
		[SLEEP_POLL] = ACT_POLL,
		[SLEEP_LEVEL] = ACT_LEVEL,
		[SLEEP_EDGE] = ACT_EDGE,
	};

	if (c->kind == SLEEP_SPIN) {
		spin(page);
		return;
	}
	if (!is_told(c, WAIT_MS)) {
		if (!api_waiting(page))
			return;
		atomic_store(&c->log->is_late, true);
		CHECK(is_told(c, LATE_MS), "an entry came without a wakeup");
		atomic_store(&c->log->is_late, false);
	}
	CHECK(api_waiting(page) > 0, "woken for nothing");
	stress_did(acts[c->kind]);
}

/* In edge mode, what comes after the look is told: no need to look again. Who
 * does it nevertheless, as all others must, would not miss a wakeup. */
static uint32_t look(const struct consumer *c, const struct rf_ring_page *page)
{
	return c->kind == SLEEP_EDGE ? api_waiting(page) : UINT32_MAX;
}

static void serve(const struct consumer *c, struct rf_ring_page *page,
		  uint32_t times)
{
	while (times--) {
		(void)stress_drain(c->job->book, c->log, page, look(c, page));
		if (stress_is_over())
			return;
		sleep_a_little(c, page);
	}
}

_Noreturn void stress_consume(struct stress_job *job)
{
	struct consumer c = {
		.job = job,
		.log = &job->book->rings[job->ring],
	};
	struct rf_ring_page *page;

	set_up_sleep(&c);
	while (!stress_is_over()) {
		page = stress_map(job->fd);
		stress_resume(job->book, c.log, page);
		serve(&c, page, 1 + stress_roll(&job->dice, 50));
		api_unmap(page);
		/* While nobody has it mapped, writes exit. */
		if (stress_roll(&job->dice, 4) == 0)
			stress_doze(&job->dice, 5000);
	}
	_exit(0);
}

/* Any words anywhere, indices in range often enough to let writes in. */
static void spoil(struct stress_dice *dice, struct rf_ring_page *page)
{
	uint32_t *words = (uint32_t *)page;
	uint32_t i, at, value;

	for (i = 0; i < 200; i++) {
		at = stress_roll(dice, stress_roll(dice, 2) ? 2 : 1024);
		value = stress_roll(dice, stress_roll(dice, 3) ? RF_RING_SLOTS
							       : 0xffffffff);
		__atomic_store_n(&words[at], value, __ATOMIC_RELAXED);
	}
	stress_did(ACT_GARBAGE);
}

_Noreturn void stress_scribble(struct stress_job *job)
{
	struct rf_ring_page *page;
	uint32_t times;

	while (!stress_is_over()) {
		/* Nobody else maps this one, so that now it is in order. */
		page = stress_map(job->fd);
		stress_look(page);
		stress_did(ACT_REPAIRED);
		for (times = stress_roll(&job->dice, 20); times > 0; times--) {
			spoil(&job->dice, page);
			(void)api_is_readable(job->fd, 0);
			stress_doze(&job->dice, 8000);
		}
		__atomic_store_n(&page->first, 0xffffffff, __ATOMIC_RELAXED);
		api_unmap(page);
	}
	_exit(0);
}
