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
	ck_assert_int_eq(poll_init(&p, poll_us), 0);
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
	ck_assert_int_eq(poll_init(&p, RF_DEVICE_POLL_MAX_US + 1), -EINVAL);
	ck_assert_int_eq(poll_init(&p, RF_DEVICE_POLL_AUTO - 1), -EINVAL);
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

int main(void)
{
	const TTest *const tests[] = {
		what_is_pinned_stays,
		short_gaps_are_soon_met_awake,
		an_idle_guest_costs_nothing,
		gaps_out_of_reach_are_given_up,
		no_guest_makes_it_look_for_long,
	};

	return unit_run("poll", tests, RF_ARRAY_LEN(tests));
}
