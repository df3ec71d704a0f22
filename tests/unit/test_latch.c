/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * test_latch.c - twin of src/vmm/latch.c: one post, one passage, two futex
 * operations and no other
 *
 * In the place of syscall(2) stands a counter in front of the real one.
 */
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "unit/unit.h"
#include "vmm/latch.h"

#define POSTS 20000u

static _Atomic uint32_t waits;
static _Atomic uint32_t wakes;
static _Atomic uint32_t others;

long __wrap_syscall(long nr, ...);
long __real_syscall(long nr, ...);

long __wrap_syscall(long nr, ...)
{
	long op, value;
	void *word;
	va_list ap;

	va_start(ap, nr);
	word = va_arg(ap, void *);
	op = va_arg(ap, int);
	value = va_arg(ap, int);
	va_end(ap);
	if (nr == SYS_futex && op == FUTEX_WAIT_PRIVATE && value == 0)
		waits++;
	else if (nr == SYS_futex && op == FUTEX_WAKE_PRIVATE && value == 1)
		wakes++;
	else
		others++;
	return __real_syscall(nr, word, op, value, 0L, 0L, 0L);
}

static struct latch latch;
static _Atomic uint32_t passed;

static void *pass_once(void *arg)
{
	latch_wait(&latch);
	passed++;
	return arg;
}

static void pause_ms(long ms)
{
	const struct timespec t = { .tv_nsec = ms * 1000000 };

	nanosleep(&t, NULL);
}

static pthread_t start_sleeper(void)
{
	pthread_t thread;
	int i;

	memset(&latch, 0, sizeof(latch));
	waits = 0;
	ck_assert_int_eq(pthread_create(&thread, NULL, pass_once, NULL), 0);
	for (i = 0; i < 5000 && waits == 0; i++)
		pause_ms(1);
	ck_assert_uint_eq(waits, 1);
	pause_ms(5); /* from the count into the kernel */
	return thread;
}

START_TEST(a_latch_that_was_posted_lets_through_without_sleeping)
{
	memset(&latch, 0, sizeof(latch));
	latch_post(&latch);
	latch_post(&latch);
	latch_wait(&latch);
	ck_assert_uint_eq(latch.count, 1);
	latch_wait(&latch);
	ck_assert_uint_eq(latch.count, 0);
	ck_assert_uint_eq(waits, 0);
	ck_assert_uint_eq(wakes, 2);
	ck_assert_uint_eq(others, 0);
}
END_TEST

START_TEST(a_closed_latch_sleeps_until_its_post)
{
	pthread_t thread = start_sleeper();

	ck_assert_uint_eq(passed, 0);
	latch_post(&latch);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	ck_assert_uint_eq(passed, 1);
	ck_assert_uint_eq(latch.count, 0);
	ck_assert_uint_eq(others, 0);
}
END_TEST

/* A futex may be woken by anybody for no reason. */
START_TEST(a_wake_without_a_post_lets_nobody_through)
{
	pthread_t thread = start_sleeper();
	int i;

	for (i = 0; i < 20; i++) {
		__real_syscall(SYS_futex, &latch.count, FUTEX_WAKE_PRIVATE, 1,
			       0L, 0L, 0L);
		pause_ms(1);
	}
	ck_assert_uint_gt(waits, 1);
	ck_assert_uint_eq(passed, 0);
	latch_post(&latch);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
}
END_TEST

static void do_nothing(int sig)
{
	(void)sig;
}

START_TEST(a_signal_lets_nobody_through)
{
	struct sigaction act = { .sa_handler = do_nothing };
	pthread_t thread;
	int i;

	/* Without SA_RESTART: the wait returns EINTR. */
	ck_assert_int_eq(sigaction(SIGUSR1, &act, NULL), 0);
	thread = start_sleeper();
	for (i = 0; i < 20; i++) {
		ck_assert_int_eq(pthread_kill(thread, SIGUSR1), 0);
		pause_ms(1);
	}
	ck_assert_uint_gt(waits, 1);
	ck_assert_uint_eq(passed, 0);
	latch_post(&latch);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
}
END_TEST

static void *post_many(void *arg)
{
	uint32_t i;

	for (i = 0; i < POSTS; i++)
		latch_post(arg);
	return NULL;
}

/* A post that falls between the look and the sleep must not be lost: then this
 * hangs. */
START_TEST(of_many_posts_none_is_lost_and_none_counts_twice)
{
	pthread_t threads[2];
	uint32_t i;

	memset(&latch, 0, sizeof(latch));
	for (i = 0; i < 2; i++)
		ck_assert_int_eq(
			pthread_create(&threads[i], NULL, post_many, &latch),
			0);
	for (i = 0; i < 2 * POSTS; i++)
		latch_wait(&latch);
	for (i = 0; i < 2; i++)
		ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
	ck_assert_uint_eq(latch.count, 0);
	ck_assert(wakes == 2 * POSTS);
	ck_assert_uint_eq(others, 0);
}
END_TEST

static uint32_t handed_over; /* without atomics: the latch orders it */

static void *hand_over(void *arg)
{
	handed_over = 42;
	latch_post(arg);
	return NULL;
}

START_TEST(what_was_written_before_a_post_is_seen_after_the_wait)
{
	pthread_t thread;

	memset(&latch, 0, sizeof(latch));
	ck_assert_int_eq(pthread_create(&thread, NULL, hand_over, &latch), 0);
	latch_wait(&latch);
	ck_assert_uint_eq(handed_over, 42);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		a_latch_that_was_posted_lets_through_without_sleeping,
		a_closed_latch_sleeps_until_its_post,
		a_wake_without_a_post_lets_nobody_through,
		a_signal_lets_nobody_through,
		of_many_posts_none_is_lost_and_none_counts_twice,
		what_was_written_before_a_post_is_seen_after_the_wait,
	};

	return unit_run("latch", tests, RF_ARRAY_LEN(tests));
}
