/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * test_loop.c - twin of src/device/loop.c: what wakes it, and how long it stays
 */
#include "unit/unit.h"

#include <time.h>

#include "unit/device_rig.h"

static struct rig r;

START_TEST(kicks_are_taken_and_counted)
{
	uint64_t count;
	int i;

	rig_start(&r, rig_ops());
	for (i = 0; i < 10; i++)
		rig_expect_served(&r);
	ck_assert_uint_eq(atomic_load(&r.report.kicks), 10);
	ck_assert_int_eq(rf_eventfd_take(r.kick, &count), -EAGAIN);
	ck_assert_int_eq(rig_end(&r), 0);
}
END_TEST

START_TEST(the_timer_rings_when_asked_and_only_then)
{
	struct rf_device_ops ops = rig_ops();
	int i;

	ops.timer = rig_timer;
	rig_start(&r, ops);
	rig_expect_served(&r);
	ck_assert_uint_eq(atomic_load(&r.nr_timers), 0);
	ck_assert_int_eq(rf_device_timer(r.dev, 1000000), 0);
	for (i = 0; i < 1000 && atomic_load(&r.nr_timers) < 2; i++)
		(void)poll(NULL, 0, 10);
	ck_assert_uint_eq(atomic_load(&r.nr_timers), 2);
	/* Armed and disarmed again. */
	ck_assert_int_eq(rf_device_timer(r.dev, 50000000), 0);
	ck_assert_int_eq(rf_device_timer(r.dev, 0), 0);
	(void)poll(NULL, 0, 100);
	ck_assert_uint_eq(atomic_load(&r.nr_timers), 2);
	ck_assert_int_eq(rig_end(&r), 0);
}
END_TEST

/* Requests that never end must not keep messages waiting: the queue's stop,
 * among them. */
START_TEST(a_queue_without_end_leaves_room_for_messages)
{
	struct vring endless;
	uint32_t base;
	int i;

	rig_start(&r, rig_ops());
	rig_offer(&r, 1);
	endless = r.v;
	atomic_store(&r.endless, &endless);
	ck_assert_int_eq(rf_eventfd_signal(r.kick), 0);
	for (i = 0; i < 100; i++)
		ck_assert_uint_eq(rig_status(&r), 0x0f);
	/* It was busy all the while. */
	ck_assert_uint_gt(atomic_load(&r.report.requests), 100);
	ck_assert_int_eq(rf_frontend_queue_stop(r.fe, 0, &base), 0);
	ck_assert_int_eq(rig_end(&r), 0);
}
END_TEST

/* One kick, and more requests than a pass takes: the rest needs no other. */
START_TEST(the_rest_of_a_long_queue_is_served_unasked)
{
	struct vring endless;
	int i;

	rig_start(&r, rig_ops());
	rig_offer(&r, 1);
	endless = r.v;
	atomic_store(&r.endless, &endless);
	ck_assert_int_eq(rf_eventfd_signal(r.kick), 0);
	for (i = 0; i < 1000 && atomic_load(&r.report.requests) < 10000; i++)
		(void)poll(NULL, 0, 5);
	ck_assert_uint_ge(atomic_load(&r.report.requests), 10000);
	ck_assert_int_eq(rig_end(&r), 0);
}
END_TEST

START_TEST(an_idle_loop_sleeps)
{
	uint64_t before;
	struct timespec a, b;
	clockid_t clock;

	rig_start(&r, rig_ops());
	rig_expect_served(&r);
	rig_settle(&r);
	before = atomic_load(&r.report.wakeups);
	ck_assert_int_eq(pthread_getcpuclockid(r.thread, &clock), 0);
	clock_gettime(clock, &a);
	(void)poll(NULL, 0, 200);
	clock_gettime(clock, &b);
	ck_assert_uint_eq(atomic_load(&r.report.wakeups), before);
	ck_assert_int_lt((b.tv_sec - a.tv_sec) * 1000000000L + b.tv_nsec -
				 a.tv_nsec,
			 50000000L);
	ck_assert_int_eq(rig_end(&r), 0);
}
END_TEST

START_TEST(a_kick_that_is_no_eventfd_ends_the_loop)
{
	int p[2];

	rig_new(&r, rig_ops());
	rig_connect(&r);
	ck_assert_int_eq(pipe2(p, O_CLOEXEC), 0);
	p[0] = rig_high(p[0]);
	p[1] = rig_high(p[1]);
	ck_assert_int_eq(rf_frontend_set_kick(r.fe, 1, p[0]), 0);
	ck_assert_int_eq(write(p[1], "x", 1), 1);
	ck_assert_int_eq(pthread_join(r.thread, NULL), 0);
	ck_assert_int_eq(r.result, -EPROTO);
	ck_assert_int_eq(pthread_create(&r.thread, NULL, rig_run, &r), 0);
	close(p[0]);
	close(p[1]);
	(void)rig_end(&r);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		kicks_are_taken_and_counted,
		the_timer_rings_when_asked_and_only_then,
		a_queue_without_end_leaves_room_for_messages,
		the_rest_of_a_long_queue_is_served_unasked,
		an_idle_loop_sleeps,
		a_kick_that_is_no_eventfd_ends_the_loop,
	};

	return unit_run("loop", tests, RF_ARRAY_LEN(tests));
}
