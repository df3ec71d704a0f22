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

static uint64_t budget_of_driver(void)
{
	return poll_budget(&p, POLL_DRIVER);
}

/* A gap, met as the loop would: awake while the budget lasts. Returns the time
 * that was spent on looking. */
static uint64_t meet_kind(enum poll_kind kind, uint64_t gap_ns)
{
	uint64_t budget = poll_budget(&p, kind);

	if (gap_ns < budget) {
		poll_found(&p, kind, gap_ns, false);
		return gap_ns;
	}
	poll_found(&p, kind, gap_ns, true);
	return budget;
}

static uint64_t meet(uint64_t gap_ns)
{
	return meet_kind(POLL_DRIVER, gap_ns);
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
		ck_assert_uint_eq(budget_of_driver(), us[i] * US);
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
		ck_assert_uint_eq(budget_of_driver(), 0);
		for (n = 0; budget_of_driver() <= gaps[i]; n++) {
			ck_assert_int_lt(n, 8);
			(void)meet(gaps[i]);
		}
		/* And no longer than that by much. */
		ck_assert_uint_le(budget_of_driver(), 2 * gaps[i] + 20 * US);
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
	ck_assert_uint_gt(budget_of_driver(), 50 * US);
	for (n = 0; n < 100; n++)
		spent += meet(10 * MS);
	ck_assert_uint_eq(budget_of_driver(), 0);
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
	ck_assert_uint_eq(budget_of_driver(), 0);
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
		ck_assert_uint_le(budget_of_driver(), 100 * US);
	}
	(void)meet(UINT64_MAX);
	ck_assert_uint_eq(budget_of_driver(), 0);
}
END_TEST

START_TEST(the_budget_follows_gaps_that_become_short)
{
	int n;

	begin(RF_DEVICE_POLL_AUTO);
	for (n = 0; n < 20; n++)
		(void)meet(90 * US);
	ck_assert_uint_eq(budget_of_driver(), 100 * US);
	for (n = 0; n < 64; n++)
		ck_assert_uint_eq(meet(3 * US), 3 * US);
	ck_assert_uint_le(budget_of_driver(), 20 * US);
}
END_TEST

START_TEST(completions_have_a_shorter_reach)
{
	static const uint64_t gaps[] = { 5 * US, 15 * US, 60 * US };
	uint64_t spent;
	size_t i;
	int n;

	for (i = 0; i < RF_ARRAY_LEN(gaps); i++) {
		begin(RF_DEVICE_POLL_AUTO);
		for (spent = 0, n = 0; n < 1000; n++) {
			spent += meet_kind(POLL_DEVICE, gaps[i]);
			ck_assert_uint_le(poll_budget(&p, POLL_DEVICE),
					  20 * US);
			/* Nothing is learned of the one from the other. */
			ck_assert_uint_eq(budget_of_driver(), 0);
		}
		if (gaps[i] > 20 * US)
			ck_assert_uint_eq(spent, 0);
		else
			ck_assert_uint_ge(spent, 990 * gaps[i]);
	}
}
END_TEST

/* A driver with one request at a time, and the machine it runs on. */
struct machine {
	uint64_t work_ns;   /* of a request */
	uint64_t awake_ns;  /* from its end to the next, while we look */
	uint64_t asleep_ns; /* the same, from when we sleep */
};

static uint64_t now, requests;

struct sums {
	uint64_t requests;
	uint64_t ns;
	uint64_t looked_ns;
};

static struct sums drive(const struct machine *m, uint64_t ns)
{
	const uint64_t from = now, requests_from = requests;
	uint64_t looked = 0;

	while (now - from < ns) {
		uint64_t budget = budget_of_driver();
		bool slept = m->awake_ns >= budget;
		uint64_t gap = slept ? budget + m->asleep_ns : m->awake_ns;

		now += gap;
		looked += slept ? budget : gap;
		poll_found(&p, POLL_DRIVER, gap, slept);
		poll_served(&p, now, requests);
		now += m->work_ns;
		requests++;
	}
	return (struct sums){ .requests = requests - requests_from,
			      .ns = now - from,
			      .looked_ns = looked };
}

static uint64_t looked_percent(const struct sums *s)
{
	return 100 * s->looked_ns / s->ns;
}

static void begin_drive(void)
{
	begin(RF_DEVICE_POLL_AUTO);
	now = 1000 * MS;
	requests = 0;
}

/* Woken on another processor, which takes far longer than to be seen. */
static const struct machine pays = { 1 * US, 18 * US, 70 * US };
/* One processor for both: it comes when we sleep. */
static const struct machine waits = { 1 * US, 1000 * US, 3 * US };
/* Looking keeps it from where it would be quick. */
static const struct machine spoils = { 60 * US, 30 * US, 20 * US };
/* Most of the time is the disk's. */
static const struct machine ties = { 900 * US, 40 * US, 45 * US };

START_TEST(looking_stays_where_it_gets_more_done)
{
	struct sums s;

	begin_drive();
	(void)drive(&pays, 50 * MS);
	s = drive(&pays, 5000 * MS);
	/* All but what the trials need. */
	ck_assert_uint_ge(s.requests * 100 * 19 * US / s.ns, 95);
}
END_TEST

START_TEST(looking_ends_where_it_gets_no_more_done)
{
	static const struct machine *const machines[] = { &waits, &spoils,
							  &ties };
	struct sums s;
	size_t i;

	for (i = 0; i < RF_ARRAY_LEN(machines); i++) {
		begin_drive();
		(void)drive(machines[i], 200 * MS);
		s = drive(machines[i], 10000 * MS);
		ck_assert_uint_le(looked_percent(&s), 1);
		/* But it is tried again. */
		ck_assert_uint_gt(s.looked_ns, 0);
	}
}
END_TEST

/* The more of a processor looking takes, the more it has to bring. */
START_TEST(looking_is_worth_its_processor)
{
	/* A fifth or more is done: by a tenth of the time, by most of it. */
	static const struct machine cheap = { 90 * US, 9 * US, 30 * US };
	static const struct machine dear = { 5 * US, 45 * US, 57 * US };
	struct sums s;

	begin_drive();
	(void)drive(&cheap, 200 * MS);
	s = drive(&cheap, 5000 * MS);
	ck_assert_uint_ge(s.requests * 100 * 99 * US / s.ns, 95);
	begin_drive();
	(void)drive(&dear, 200 * MS);
	s = drive(&dear, 5000 * MS);
	ck_assert_uint_le(looked_percent(&s), 5);
}
END_TEST

/* However a trial ended, gaps are learned of again after a pause. */
START_TEST(looking_is_never_given_up_for_good)
{
	struct sums s;

	begin_drive();
	(void)drive(&waits, 1000 * MS);
	ck_assert(!p.trial.other);
	while (!p.trial.is_on || !p.trial.other)
		(void)drive(&waits, 100 * US);
	(void)meet(10 * MS);
	now += 10 * MS;
	trial_void(&p.trial, now);
	poll_served(&p, now, requests);
	ck_assert_uint_eq(budget_of_driver(), 0);
	ck_assert(p.trial.other);
	(void)drive(&pays, 200 * MS);
	s = drive(&pays, 1000 * MS);
	ck_assert_uint_ge(looked_percent(&s), 80);
}
END_TEST

START_TEST(what_is_pinned_is_not_tried)
{
	struct sums s;

	begin(100);
	s = drive(&waits, 5000 * MS);
	ck_assert_uint_ge(looked_percent(&s), 90);
	begin(0);
	s = drive(&pays, 5000 * MS);
	ck_assert_uint_eq(s.looked_ns, 0);
}
END_TEST

/* Looking went on until it was found, but not on a processor. */
START_TEST(what_is_found_long_after_the_budget_was_not_met)
{
	begin(RF_DEVICE_POLL_AUTO);
	(void)meet(5 * US);
	ck_assert_uint_eq(budget_of_driver(), 10 * US);
	poll_found(&p, POLL_DRIVER, 500 * US, false);
	ck_assert_uint_eq(budget_of_driver(), 0);
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
		what_is_found_long_after_the_budget_was_not_met,
		the_budget_follows_gaps_that_become_short,
		completions_have_a_shorter_reach,
		looking_stays_where_it_gets_more_done,
		looking_ends_where_it_gets_no_more_done,
		looking_is_worth_its_processor,
		looking_is_never_given_up_for_good,
		what_is_pinned_is_not_tried,
	};

	return unit_run("poll", tests, RF_ARRAY_LEN(tests));
}
