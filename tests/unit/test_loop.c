/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * test_loop.c - twin of src/device/loop.c: what wakes it, and how long it stays
 */
#include "unit/unit.h"

#include <time.h>

#include "device/runtime.h"
#include "unit/device_rig.h"

static struct rig r;

/* The timer is the loop's own: it is set from one of its callbacks. */
static void (*_Atomic to_run)(void);

static int run_and_serve(void *state, struct rf_virtqueue *vq)
{
	void (*fn)(void) = atomic_exchange(&to_run, NULL);

	if (fn)
		fn();
	return rig_serve(state, vq);
}

static void run_in_loop(void (*fn)(void))
{
	atomic_store(&to_run, fn);
	rig_expect_served(&r);
}

static void arm_short(void)
{
	rf_device_timer(r.dev, 1000000);
}

static void arm_and_disarm(void)
{
	rf_device_timer(r.dev, 50000000);
	rf_device_timer(r.dev, 0);
}

START_TEST(kicks_ring_and_are_counted)
{
	int i;

	rig_start(&r, rig_ops());
	for (i = 0; i < 10; i++)
		rig_expect_served(&r);
	rig_settle(&r);
	ck_assert_uint_ge(atomic_load(&r.report.kicks), 1);
	ck_assert_uint_le(atomic_load(&r.report.kicks), 10);
	ck_assert_int_eq(rig_end(&r), 0);
}
END_TEST

START_TEST(the_timer_rings_when_asked_and_only_then)
{
	struct rf_device_ops ops = rig_ops();
	int i;

	ops.timer = rig_timer;
	ops.queue = run_and_serve;
	rig_start(&r, ops);
	rig_expect_served(&r);
	ck_assert_uint_eq(atomic_load(&r.nr_timers), 0);
	run_in_loop(arm_short);
	for (i = 0; i < 1000 && atomic_load(&r.nr_timers) < 2; i++)
		(void)poll(NULL, 0, 10);
	ck_assert_uint_eq(atomic_load(&r.nr_timers), 2);
	/* Armed and disarmed again. */
	run_in_loop(arm_and_disarm);
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

/* A kick is never read, so what else can be polled rings as well; it wakes once
 * a write, though it stays readable for ever. */
START_TEST(a_kick_that_is_no_eventfd_does_not_keep_it_awake)
{
	uint64_t wakeups;
	int p[2];

	rig_start(&r, rig_ops());
	ck_assert_int_eq(pipe2(p, O_CLOEXEC), 0);
	p[0] = rig_high(p[0]);
	p[1] = rig_high(p[1]);
	ck_assert_int_eq(rf_frontend_set_kick(r.fe, 0, p[0]), 0);
	rig_offer(&r, 1);
	ck_assert_int_eq(write(p[1], "x", 1), 1);
	rig_expect_answer(&r, 2);
	rig_settle(&r);
	wakeups = atomic_load(&r.report.wakeups);
	(void)poll(NULL, 0, 100);
	ck_assert_uint_eq(atomic_load(&r.report.wakeups), wakeups);
	close(p[0]);
	close(p[1]);
	ck_assert_int_eq(rig_end(&r), 0);
}
END_TEST

/* While it polls it is told of nothing and finds everything. */
START_TEST(a_polling_loop_needs_no_doorbell)
{
	int i;

	rig_new_polling(&r, rig_ops(), RF_DEVICE_POLL_MAX_US);
	rig_connect(&r);
	rig_drive(&r);
	rig_expect_served(&r);
	for (i = 0; i < 1000; i++) {
		rig_offer(&r, (uint8_t)i);
		rig_expect_answer(&r, (uint8_t)(i + 1));
	}
	/* The driver sees that nobody wants to be rung. */
	ck_assert_uint_eq(vring_used_flags(&r.v), 1);
	ck_assert_uint_le(atomic_load(&r.report.kicks), 1);
	ck_assert_uint_ge(atomic_load(&r.report.polled_hits), 1);
	ck_assert_uint_eq(atomic_load(&r.report.polled_misses), 0);
	/* Messages are seen to within that second, many times over. */
	for (i = 0; i < 1000; i++)
		ck_assert_uint_eq(rig_status(&r), 0x0f);
	ck_assert_int_eq(rig_end(&r), 0);
}
END_TEST

/* Pinned short: it sleeps behind it, and is rung again. */
START_TEST(behind_the_polling_the_driver_is_asked_to_ring)
{
	int i;

	rig_new_polling(&r, rig_ops(), 50);
	rig_connect(&r);
	rig_drive(&r);
	for (i = 0; i < 20; i++) {
		rig_expect_served(&r);
		(void)poll(NULL, 0, 5);
		ck_assert_uint_eq(vring_used_flags(&r.v), 0);
	}
	ck_assert_uint_ge(atomic_load(&r.report.polled_misses), 20);
	ck_assert_uint_ge(atomic_load(&r.report.polled_ns),
			  20 * UINT64_C(50000));
	ck_assert_int_eq(rig_end(&r), 0);
}
END_TEST

/* A driver that rings only if it is wished for, against a loop that now polls,
 * now sleeps: a lost wakeup would be a request that waits for ever. */
static void offer_and_ring_if_wished(uint8_t byte)
{
	rig_offer(&r, byte);
	/* As full a fence as there is, and one that the thread sanitizer
	 * knows. */
	(void)__atomic_fetch_add(&(uint32_t){ 0 }, 0, __ATOMIC_SEQ_CST);
	if (!(vring_used_flags(&r.v) & 1))
		ck_assert_int_eq(rf_eventfd_signal(r.kick), 0);
}

static _Atomic bool looking_was_tried, short_passes_were_tried;

static void ask_what_was_tried(void)
{
	looking_was_tried = r.dev->poll.trial.rest_ns != 0;
	short_passes_were_tried = r.dev->share.rest_ns != 0;
}

static void begin_trials(uint32_t poll_us)
{
	struct rf_device_ops ops = rig_ops();

	ops.queue = run_and_serve;
	rig_new_polling(&r, ops, poll_us);
	rig_connect(&r);
	rig_drive(&r);
	run_in_loop(ask_what_was_tried);
}

/* Requests at a time, each batch when the last one is done. */
static void drive_batches(uint32_t nr_batches, uint32_t depth)
{
	uint32_t i, n;

	for (i = 0; i < nr_batches; i++) {
		struct vring_used used;

		for (n = 1; n < depth; n++)
			rig_offer(&r, (uint8_t)i);
		offer_and_ring_if_wished((uint8_t)i);
		for (n = 0; n < depth; n++)
			ck_assert(vring_wait(&r.v, r.call, RIG_WAIT_MS, &used));
	}
	run_in_loop(ask_what_was_tried);
}

/* A driver that comes at once: whether that is worth looking for is found out
 * by what gets done. Lone requests say nothing of how long a pass may be. */
START_TEST(looking_and_sleeping_are_compared)
{
	int tries;

	begin_trials(RF_DEVICE_POLL_AUTO);
	for (tries = 0; tries < 200 && !looking_was_tried; tries++)
		drive_batches(500, 1);
	ck_assert(looking_was_tried);
	ck_assert(!short_passes_were_tried);
	ck_assert_int_eq(rig_end(&r), 0);
}
END_TEST

START_TEST(short_and_long_passes_are_compared)
{
	int tries;

	begin_trials(0);
	for (tries = 0; tries < 200 && !short_passes_were_tried; tries++)
		drive_batches(500, 8);
	ck_assert(short_passes_were_tried);
	ck_assert(!looking_was_tried);
	ck_assert_int_eq(rig_end(&r), 0);
}
END_TEST

/* On for ever. */
static const struct trial endless = { .is_on = true,
				      .rest_until_ns = UINT64_MAX };

static void try_passes_for_ever(void)
{
	r.dev->share = endless;
}

static void try_looking_for_ever(void)
{
	r.dev->poll.trial = endless;
}

/* Time and again, for a pause of our own would end the trial; fewer requests at
 * a time than the other one would need. */
static void drive_on_trial(void (*fn)(void), uint32_t depth)
{
	int i;

	for (i = 0; i < 50; i++) {
		run_in_loop(fn);
		drive_batches(40 / depth, depth);
	}
}

/* Neither would know what made the difference. */
START_TEST(one_trial_is_on_at_a_time)
{
	begin_trials(RF_DEVICE_POLL_AUTO);
	drive_on_trial(try_passes_for_ever, 1);
	ck_assert(!looking_was_tried);
	ck_assert_int_eq(rig_end(&r), 0);

	begin_trials(50);
	drive_on_trial(try_looking_for_ever, 8);
	ck_assert(!short_passes_were_tried);
	ck_assert_int_eq(rig_end(&r), 0);
}
END_TEST

static struct trial *on_trial(void)
{
	return r.dev->poll.trial.is_on ? &r.dev->poll.trial : &r.dev->share;
}

static _Atomic bool is_on, is_new;

static void ask_whether_it_is_on(void)
{
	is_on = on_trial()->is_on;
	is_new = on_trial()->begin.requests == r.dev->nr_served;
}

/* What a driver did before a pause is not compared with what it does after. */
static void expect_new_after_pause(uint32_t poll_us, uint32_t depth)
{
	int tries = 0;

	begin_trials(poll_us);
	do {
		ck_assert_int_lt(tries++, 20000);
		drive_batches(1, depth);
		run_in_loop(ask_whether_it_is_on);
	} while (!is_on || is_new);
	(void)poll(NULL, 0, 5);
	run_in_loop(ask_whether_it_is_on);
	ck_assert(!is_on || is_new);
	ck_assert_int_eq(rig_end(&r), 0);
}

START_TEST(a_pause_ends_a_trial)
{
	expect_new_after_pause(RF_DEVICE_POLL_AUTO, 1);
	expect_new_after_pause(0, 8);
}
END_TEST

START_TEST(no_request_is_lost_between_polling_and_sleep)
{
	static const uint32_t budgets[] = { 0, 5, 20, RF_DEVICE_POLL_AUTO };
	size_t b;
	int i;

	for (b = 0; b < RF_ARRAY_LEN(budgets); b++) {
		rig_new_polling(&r, rig_ops(), budgets[b]);
		rig_connect(&r);
		rig_drive(&r);
		for (i = 0; i < 3000; i++) {
			volatile uint32_t pause = (uint32_t)i % 89 * 97;

			while (pause)
				pause--;
			offer_and_ring_if_wished((uint8_t)i);
			rig_expect_answer(&r, (uint8_t)(i + 1));
		}
		ck_assert_int_eq(rig_end(&r), 0);
	}
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		kicks_ring_and_are_counted,
		the_timer_rings_when_asked_and_only_then,
		a_queue_without_end_leaves_room_for_messages,
		the_rest_of_a_long_queue_is_served_unasked,
		an_idle_loop_sleeps,
		a_kick_that_is_no_eventfd_does_not_keep_it_awake,
		a_polling_loop_needs_no_doorbell,
		behind_the_polling_the_driver_is_asked_to_ring,
		looking_and_sleeping_are_compared,
		short_and_long_passes_are_compared,
		one_trial_is_on_at_a_time,
		a_pause_ends_a_trial,
		no_request_is_lost_between_polling_and_sleep,
	};

	return unit_run("loop", tests, RF_ARRAY_LEN(tests));
}
