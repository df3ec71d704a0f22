/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * test_poll.c - twin of src/device/poll.c: looking where it pays, and only there
 */
#include "unit/unit.h"

#include <errno.h>

#include <ringfence/device.h>

#include "device/poll.h"

#define US UINT64_C(1000)
#define MS UINT64_C(1000000)

static struct poll_state p;

static void begin(uint32_t poll_us)
{
	ck_assert_int_eq(poll_init(&p, poll_us, POLL_DRIVER_NS), 0);
}

/* A gap, met as the loop would: awake while the budget lasts. Returns the time
 * that was spent on looking. */
static uint64_t meet(uint64_t gap_ns)
{
	uint64_t budget = poll_budget(&p);

	if (gap_ns < budget) {
		poll_found(&p, gap_ns, false);
		return gap_ns;
	}
	poll_found(&p, gap_ns, true);
	return budget;
}

START_TEST(what_is_pinned_stays)
{
	static const uint32_t us[] = { 0, 1, 50, RF_DEVICE_POLL_MAX_US };
	size_t i;

	for (i = 0; i < RF_ARRAY_LEN(us); i++) {
		begin(us[i]);
		(void)meet(5 * US);
		(void)meet(90 * US);
		(void)meet(10000 * MS);
		ck_assert_uint_eq(poll_budget(&p), us[i] * US);
	}
	ck_assert_int_eq(
		poll_init(&p, RF_DEVICE_POLL_MAX_US + 1, POLL_DRIVER_NS),
		-EINVAL);
	ck_assert_int_eq(poll_init(&p, RF_DEVICE_POLL_AUTO - 1, POLL_DRIVER_NS),
			 -EINVAL);
}
END_TEST

START_TEST(short_gaps_are_soon_met_awake)
{
	static const uint64_t gaps[] = { 1 * US, 10 * US, 30 * US, 90 * US };
	size_t i;
	int n;

	for (i = 0; i < RF_ARRAY_LEN(gaps); i++) {
		begin(RF_DEVICE_POLL_AUTO);
		ck_assert_uint_eq(poll_budget(&p), 0);
		for (n = 0; poll_budget(&p) <= gaps[i]; n++) {
			ck_assert_int_lt(n, 8);
			(void)meet(gaps[i]);
		}
		/* And no longer than that by much. */
		ck_assert_uint_le(poll_budget(&p), 2 * gaps[i] + 20 * US);
		for (n = 0; n < 100; n++)
			ck_assert_uint_eq(meet(gaps[i]), gaps[i]);
	}
}
END_TEST

START_TEST(an_idle_guest_costs_nothing)
{
	uint64_t spent = 0;
	int n;

	begin(RF_DEVICE_POLL_AUTO);
	for (n = 0; n < 20; n++)
		(void)meet(50 * US);
	ck_assert_uint_gt(poll_budget(&p), 50 * US);
	for (n = 0; n < 100; n++)
		spent += meet(10 * MS);
	ck_assert_uint_eq(poll_budget(&p), 0);
	/* The first of these gaps was looked at, the others were not. */
	ck_assert_uint_le(spent, 100 * US);
}
END_TEST

START_TEST(gaps_out_of_reach_are_given_up)
{
	uint64_t spent = 0;
	int n;

	begin(RF_DEVICE_POLL_AUTO);
	for (n = 0; n < 20; n++)
		(void)meet(90 * US);
	for (n = 0; n < 100; n++)
		spent += meet(300 * US);
	ck_assert_uint_eq(poll_budget(&p), 0);
	ck_assert_uint_le(spent, 200 * US);
}
END_TEST

/* Whatever a guest does, a gap is never looked at for longer than this. */
START_TEST(no_guest_makes_it_look_for_long)
{
	uint32_t n, seed = 1;

	begin(RF_DEVICE_POLL_AUTO);
	for (n = 0; n < 100000; n++) {
		seed = seed * 1103515245 + 12345;
		ck_assert_uint_le(meet((seed >> 12) * UINT64_C(3)), 100 * US);
		ck_assert_uint_le(poll_budget(&p), 100 * US);
	}
	(void)meet(UINT64_MAX);
	ck_assert_uint_eq(poll_budget(&p), 0);
}
END_TEST

/* It comes as soon as we sleep and no sooner, as on one processor. Returns the
 * time that was spent on looking. */
static uint64_t meet_waiting(void)
{
	uint64_t budget = poll_budget(&p);

	poll_found(&p, budget + 3 * US, true);
	return budget;
}

START_TEST(a_driver_that_waits_for_our_sleep_is_given_it)
{
	uint64_t spent = 0;
	int n;

	begin(RF_DEVICE_POLL_AUTO);
	for (n = 0; n < 64; n++)
		spent += meet_waiting();
	ck_assert_uint_le(spent, 300 * US);
	/* Tried again, but less and less often. */
	for (spent = 0, n = 0; n < 20000; n++)
		spent += meet_waiting();
	ck_assert_uint_gt(spent, 0);
	for (spent = 0, n = 0; n < 100000; n++)
		spent += meet_waiting();
	ck_assert_uint_le(spent, 100000 * US / 10);
}
END_TEST

START_TEST(a_driver_that_stops_waiting_is_met_awake_again)
{
	int n;

	begin(RF_DEVICE_POLL_AUTO);
	for (n = 0; n < 100000; n++)
		(void)meet_waiting();
	for (n = 0; n < 10000; n++)
		(void)meet(5 * US);
	for (n = 0; n < 1000; n++)
		ck_assert_uint_eq(meet(5 * US), 5 * US);
	ck_assert_uint_gt(poll_budget(&p), 5 * US);
}
END_TEST

/* Looking went on until it was found, but not on a processor. */
START_TEST(what_is_found_long_after_the_budget_was_not_met)
{
	uint64_t spent = 0;
	int n;

	begin(RF_DEVICE_POLL_AUTO);
	for (n = 0; n < 1000; n++) {
		uint64_t budget = poll_budget(&p);

		poll_found(&p, budget ? 2 * budget + 1 : 5 * US, !budget);
		spent += budget;
	}
	ck_assert_uint_le(spent, 1500 * US);
}
END_TEST

START_TEST(the_budget_follows_gaps_that_become_short)
{
	int n;

	begin(RF_DEVICE_POLL_AUTO);
	for (n = 0; n < 20; n++)
		(void)meet(90 * US);
	ck_assert_uint_eq(poll_budget(&p), 100 * US);
	for (n = 0; n < 64; n++)
		ck_assert_uint_eq(meet(3 * US), 3 * US);
	ck_assert_uint_le(poll_budget(&p), 20 * US);
}
END_TEST

START_TEST(a_reach_is_not_exceeded)
{
	static const uint64_t gaps[] = { 5 * US, 15 * US, 60 * US };
	uint64_t spent;
	size_t i;
	int n;

	for (i = 0; i < RF_ARRAY_LEN(gaps); i++) {
		ck_assert_int_eq(poll_init(&p, RF_DEVICE_POLL_AUTO, 20 * US),
				 0);
		for (spent = 0, n = 0; n < 1000; n++) {
			spent += meet(gaps[i]);
			ck_assert_uint_le(poll_budget(&p), 20 * US);
		}
		if (gaps[i] > 20 * US)
			ck_assert_uint_eq(spent, 0);
		else
			ck_assert_uint_ge(spent, 990 * gaps[i]);
	}
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		what_is_pinned_stays,
		short_gaps_are_soon_met_awake,
		an_idle_guest_costs_nothing,
		gaps_out_of_reach_are_given_up,
		no_guest_makes_it_look_for_long,
		a_driver_that_waits_for_our_sleep_is_given_it,
		a_driver_that_stops_waiting_is_met_awake_again,
		what_is_found_long_after_the_budget_was_not_met,
		the_budget_follows_gaps_that_become_short,
		a_reach_is_not_exceeded,
	};

	return unit_run("poll", tests, RF_ARRAY_LEN(tests));
}
