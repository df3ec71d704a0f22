/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * test_work.c - many threads hand work to one, and none is forgotten
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "unit/unit.h"
#include "vmm/work.h"

#define THREADS 4u
#define ROUNDS 2000u

static struct work work;
static int event;

static void setup(uint32_t nr)
{
	event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	ck_assert_int_ge(event, 0);
	ck_assert_int_eq(work_init(&work, event, nr), 0);
}

/* Each thread counts in a cell of its own, without atomics: what work.c
 * promises must be enough to order it. */
static uint32_t cells[THREADS];

static void *poster(void *arg)
{
	const uint32_t slot = (uint32_t)(uintptr_t)arg;
	uint32_t i;

	for (i = 0; i < ROUNDS; i++) {
		if (work_write(&work, slot, slot, i, &i, sizeof(i)) < 0)
			return arg;
		if (cells[slot] != i + 1)
			return arg;
	}
	work_end(&work, slot, WORK_ENDED, slot);
	return NULL;
}

struct tally {
	uint32_t ended;
	uint32_t wrong;
};

static bool count(void *ctx, uint32_t slot, const struct work_item *item)
{
	struct tally *t = ctx;
	uint32_t value;

	if (item->kind == WORK_ENDED) {
		t->ended++;
		t->wrong += item->status != slot;
		return true;
	}
	memcpy(&value, item->data, sizeof(value));
	t->wrong += item->device != slot || item->offset != cells[slot] ||
		    item->len != 4 || value != cells[slot];
	cells[slot]++;
	return true;
}

START_TEST(work_of_many_threads_is_done_in_order)
{
	struct tally tally = { 0 };
	pthread_t threads[THREADS];
	uintptr_t i;
	void *failed;

	setup(THREADS);
	for (i = 0; i < THREADS; i++)
		ck_assert_int_eq(
			pthread_create(&threads[i], NULL, poster, (void *)i),
			0);
	while (tally.ended < THREADS) {
		struct pollfd wait = { .fd = event, .events = POLLIN };

		/* A post that rang nobody would hang here. */
		ck_assert_int_eq(poll(&wait, 1, 20000), 1);
		work_serve(&work, count, &tally);
	}
	for (i = 0; i < THREADS; i++) {
		pthread_join(threads[i], &failed);
		ck_assert_uint_eq(cells[i], ROUNDS);
	}
	ck_assert_uint_eq(tally.wrong, 0);
}
END_TEST

static bool refuse(void *ctx, uint32_t slot, const struct work_item *item)
{
	(void)ctx;
	(void)slot;
	(void)item;
	ck_abort_msg("there was nothing to do");
	return true;
}

START_TEST(looking_for_nothing_finds_nothing)
{
	setup(2);
	ck_assert_uint_eq(work_serve(&work, refuse, NULL), 0);
	ck_assert_int_eq(rf_eventfd_signal(event), 0);
	ck_assert_uint_eq(work_serve(&work, refuse, NULL), 0);
}
END_TEST

static bool put_off(void *ctx, uint32_t slot, const struct work_item *item)
{
	(void)item;
	*(uint32_t *)ctx |= 1u << slot;
	return false;
}

static _Atomic uint32_t came_back;

static void *write_once(void *arg)
{
	const uint32_t slot = (uint32_t)(uintptr_t)arg;

	if (work_write(&work, slot, 0, 0, &slot, sizeof(slot)) < 0)
		return arg;
	came_back |= 1u << slot;
	return NULL;
}

START_TEST(who_is_put_off_sleeps_until_the_answer)
{
	pthread_t threads[2];
	uint32_t waiting = 0;
	uintptr_t i;

	setup(2);
	for (i = 0; i < 2; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, write_once,
						(void *)i),
				 0);
	while (waiting != 3) {
		struct pollfd wait = { .fd = event, .events = POLLIN };

		ck_assert_int_eq(poll(&wait, 1, 20000), 1);
		work_serve(&work, put_off, &waiting);
	}
	/* Nor is it found a second time. */
	ck_assert_uint_eq(work_serve(&work, refuse, NULL), 0);
	(void)usleep(50000);
	ck_assert_uint_eq(came_back, 0);
	work_answer(&work, 1);
	ck_assert_int_eq(pthread_join(threads[1], NULL), 0);
	ck_assert_uint_eq(came_back, 2);
	work_answer(&work, 0);
	ck_assert_int_eq(pthread_join(threads[0], NULL), 0);
	ck_assert_uint_eq(came_back, 3);
}
END_TEST

START_TEST(what_does_not_fit_a_slot_is_refused)
{
	const uint8_t data[9] = { 0 };

	setup(1);
	ck_assert_int_eq(work_write(&work, 0, 0, 0, data, 0), -EINVAL);
	ck_assert_int_eq(work_write(&work, 0, 0, 0, data, 9), -EINVAL);
	ck_assert_int_eq(work_write(&work, 1, 0, 0, data, 4), -EINVAL);
	ck_assert_int_eq(work_init(&work, event, 0), -EINVAL);
	ck_assert_int_eq(work_init(&work, event, WORK_SLOTS_MAX + 1), -EINVAL);
}
END_TEST

START_TEST(a_bell_that_is_gone_is_no_endless_wait)
{
	const uint32_t value = 1;

	setup(1);
	close(event);
	ck_assert_int_eq(work_write(&work, 0, 0, 0, &value, 4), -EPIPE);
}
END_TEST

static void *waiter(void *arg)
{
	latch_wait(arg);
	return NULL;
}

START_TEST(a_latch_lets_one_through_for_each_post)
{
	struct latch latch = { 0 };
	pthread_t thread;

	latch_post(&latch);
	latch_post(&latch);
	latch_wait(&latch);
	latch_wait(&latch);
	ck_assert_uint_eq(latch.count, 0);
	ck_assert_int_eq(pthread_create(&thread, NULL, waiter, &latch), 0);
	usleep(1000);
	latch_post(&latch);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	ck_assert_uint_eq(latch.count, 0);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		work_of_many_threads_is_done_in_order,
		looking_for_nothing_finds_nothing,
		who_is_put_off_sleeps_until_the_answer,
		what_does_not_fit_a_slot_is_refused,
		a_bell_that_is_gone_is_no_endless_wait,
		a_latch_lets_one_through_for_each_post,
	};

	return unit_run("work", tests, RF_ARRAY_LEN(tests));
}
