/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * test_trial.c - twin of src/device/trial.c: the way that gets more done
 */
#include "unit/unit.h"

#include "device/trial.h"

#define US UINT64_C(1000)
#define MS UINT64_C(1000000)

static struct trial t;
static uint64_t now, requests;

/* What a request takes, either way. */
struct machine {
	uint64_t first_ns;
	uint64_t other_ns;
	uint32_t busy_percent; /* what the other way takes of a processor */
};

static void begin(void)
{
	memset(&t, 0, sizeof(t));
	now = 1000 * MS;
	requests = 0;
}

static void request(const struct machine *m)
{
	uint64_t ns = t.other ? m->other_ns : m->first_ns;

	now += ns;
	requests++;
	if (t.other)
		t.cost_ns += ns * m->busy_percent / 100;
	trial_step(&t, now, requests);
}

/* In percent: how much of the time was spent the other way. */
static uint64_t drive(const struct machine *m, uint64_t ns)
{
	const uint64_t from = now;
	uint64_t other = 0;

	while (now - from < ns) {
		bool is_other = t.other;
		uint64_t before = now;

		request(m);
		if (is_other)
			other += now - before;
	}
	return 100 * other / (now - from);
}

static void drive_until_settled(const struct machine *m)
{
	uint64_t rest = t.rest_until_ns;

	while (t.rest_until_ns == rest)
		request(m);
	ck_assert(!t.is_on);
}

static const struct machine other_is_better = { 70 * US, 19 * US, 0 };
static const struct machine first_is_better = { 4 * US, 100 * US, 0 };
static const struct machine ties = { 50 * US, 50 * US, 0 };

START_TEST(the_better_way_is_taken)
{
	begin();
	ck_assert(!t.other);
	(void)drive(&other_is_better, 200 * MS);
	ck_assert_uint_ge(drive(&other_is_better, 10000 * MS), 97);
	begin();
	(void)drive(&first_is_better, 200 * MS);
	ck_assert_uint_le(drive(&first_is_better, 10000 * MS), 1);
	begin();
	(void)drive(&ties, 200 * MS);
	ck_assert_uint_le(drive(&ties, 10000 * MS), 1);
}
END_TEST

/* A fourth more done. */
START_TEST(a_way_that_takes_a_processor_has_to_bring_more)
{
	static const struct machine cheap = { 50 * US, 40 * US, 30 };
	static const struct machine dear = { 50 * US, 40 * US, 50 };

	begin();
	drive_until_settled(&cheap);
	ck_assert(t.other);
	begin();
	drive_until_settled(&dear);
	ck_assert(!t.other);
	/* What it cost before the trial is not counted. */
	begin();
	t.cost_ns = 1000 * MS;
	drive_until_settled(&cheap);
	ck_assert(t.other);
}
END_TEST

/* One pair is enough to see that the other way is no better, three are needed
 * to believe that it is. */
START_TEST(the_first_way_is_soon_returned_to)
{
	begin();
	drive_until_settled(&first_is_better);
	ck_assert_uint_eq(t.pairs, 1);
	ck_assert(!t.other);
	begin();
	drive_until_settled(&other_is_better);
	ck_assert_uint_eq(t.pairs, 3);
	ck_assert(t.other);
}
END_TEST

/* Requests that take long are as many, quick ones are watched for as long. */
START_TEST(a_span_has_requests_and_time_enough)
{
	static const struct machine slow = { 10 * MS, 10 * MS, 0 };
	static const struct machine quick = { 1 * US, 1 * US, 0 };
	uint64_t from;

	begin();
	request(&slow);
	drive_until_settled(&slow);
	ck_assert_uint_ge(requests, 64);
	begin();
	request(&quick);
	from = now;
	drive_until_settled(&quick);
	ck_assert_uint_ge(now - from, 2 * MS);
}
END_TEST

START_TEST(a_change_is_noticed_within_two_seconds)
{
	begin();
	(void)drive(&other_is_better, 10000 * MS);
	(void)drive(&first_is_better, 2000 * MS);
	ck_assert_uint_le(drive(&first_is_better, 1000 * MS), 10);
	(void)drive(&first_is_better, 10000 * MS);
	(void)drive(&other_is_better, 2000 * MS);
	ck_assert_uint_ge(drive(&other_is_better, 1000 * MS), 90);
}
END_TEST

/* However sure it was: to lose a trial for once is no long matter. */
START_TEST(a_wrong_turn_is_soon_put_right)
{
	begin();
	(void)drive(&other_is_better, 10000 * MS);
	while (t.other || t.is_on)
		(void)drive(&ties, 1 * MS);
	(void)drive(&other_is_better, 100 * MS);
	ck_assert_uint_ge(drive(&other_is_better, 50 * MS), 80);
}
END_TEST

START_TEST(what_was_voided_is_forgotten)
{
	/* As if the other way had been much better, and then a pause. */
	begin();
	while (t.pairs < 2)
		request(&other_is_better);
	trial_void(&t, now);
	now += 1000 * MS;
	drive_until_settled(&first_is_better);
	ck_assert(!t.other);
	/* Nothing is ever settled if each trial is. */
	begin();
	for (requests = 0; requests < 10000;) {
		request(&other_is_better);
		if (requests % 20 == 0)
			trial_void(&t, now);
	}
	ck_assert_uint_eq(t.rest_ns, 0);
	ck_assert(!t.other);
}
END_TEST

/* Whatever span it was in, and for as long as a short rest. */
START_TEST(what_was_voided_leaves_the_winner)
{
	uint64_t until;

	begin();
	drive_until_settled(&other_is_better);
	while (!t.is_on || t.other)
		request(&other_is_better);
	trial_void(&t, now);
	ck_assert(t.other);
	until = now + 40 * MS;
	while (now < until)
		request(&other_is_better);
	ck_assert(t.other && !t.is_on);
	begin();
	drive_until_settled(&first_is_better);
	while (!t.is_on || !t.other)
		request(&first_is_better);
	trial_void(&t, now);
	ck_assert(!t.other);
	/* Between two trials there is nothing to void. */
	until = t.rest_until_ns;
	trial_void(&t, now + 1);
	ck_assert_uint_eq(t.rest_until_ns, until);
}
END_TEST

/* Times and counts that make no sense are no reason to do so either. */
START_TEST(a_clock_that_stands_still_settles_nothing)
{
	int i;

	begin();
	for (i = 0; i < 1000; i++)
		trial_step(&t, now, requests += 32);
	ck_assert_uint_eq(t.rest_until_ns, 0);
	for (i = 0; i < 1000; i++)
		trial_step(&t, now += MS, requests);
	ck_assert_uint_eq(t.rest_until_ns, 0);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		the_better_way_is_taken,
		a_way_that_takes_a_processor_has_to_bring_more,
		the_first_way_is_soon_returned_to,
		a_span_has_requests_and_time_enough,
		a_change_is_noticed_within_two_seconds,
		a_wrong_turn_is_soon_put_right,
		what_was_voided_is_forgotten,
		what_was_voided_leaves_the_winner,
		a_clock_that_stands_still_settles_nothing,
	};

	return unit_run("trial", tests, RF_ARRAY_LEN(tests));
}
