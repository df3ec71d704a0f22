/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * test_bucket.c - a rate is kept to the token, over any pattern of use
 */
#include <ringfence/bucket.h>

#include "unit/unit.h"

#define MS UINT64_C(1000000)
#define S UINT64_C(1000000000)

/* Take `amount` as often as that is allowed until `until`, jumping over the
 * waits; how often that was. */
static uint64_t drain(struct rf_bucket *b, uint64_t rate, uint64_t burst,
		      uint64_t amount, uint64_t *now, uint64_t until)
{
	uint64_t taken = 0;

	while (*now < until) {
		uint64_t wait = rf_bucket_wait_ns(b, rate, burst, *now);

		if (wait) {
			*now += wait;
			continue;
		}
		rf_bucket_take(b, amount);
		taken++;
	}
	return taken;
}

START_TEST(no_rate_is_no_limit)
{
	struct rf_bucket b = { 0 };
	int i;

	for (i = 0; i < 1000; i++) {
		ck_assert_uint_eq(rf_bucket_wait_ns(&b, 0, 5, 7), 0);
		rf_bucket_take(&b, UINT64_MAX);
	}
	/* And leaves no debt behind for the limit that comes later. */
	ck_assert_uint_eq(rf_bucket_wait_ns(&b, 10, 5, 8), 0);
}
END_TEST

START_TEST(a_full_bucket_gives_its_burst_and_then_the_rate)
{
	struct rf_bucket b = { 0 };
	uint64_t now = 5 * S;

	/* The burst at once, then ten seconds' worth. */
	ck_assert_uint_eq(drain(&b, 1000, 50, 1, &now, now + 1), 50);
	now = 5 * S;
	ck_assert_uint_eq(drain(&b, 1000, 50, 1, &now, 15 * S), 9999);
}
END_TEST

START_TEST(rates_that_do_not_divide_a_second_lose_nothing)
{
	static const uint64_t rates[] = { 1, 3, 7, 999, 1001, 333333, 1048573 };
	size_t i;

	for (i = 0; i < RF_ARRAY_LEN(rates); i++) {
		struct rf_bucket b = { 0 };
		uint64_t now = S, at, taken = 0;

		/* Looked at far more often than tokens come. */
		for (at = 0; at < 4 * S; at += 777) {
			if (rf_bucket_wait_ns(&b, rates[i], 1, now + at))
				continue;
			rf_bucket_take(&b, 1);
			taken++;
		}
		/* One look is late by 777 ns at most. */
		ck_assert_uint_le(taken, 4 * rates[i] + rates[i] / 250 + 1);
		if (rates[i] < 10000)
			ck_assert_uint_ge(taken, 4 * rates[i]);
	}
}
END_TEST

START_TEST(what_is_larger_than_the_burst_goes_through_and_is_paid_for)
{
	struct rf_bucket b = { 0 };
	uint64_t wait;

	ck_assert_uint_eq(rf_bucket_wait_ns(&b, 1000, 10, S), 0);
	rf_bucket_take(&b, 5010);
	/* 5000 short: one token is there after 5.001 s. */
	wait = rf_bucket_wait_ns(&b, 1000, 10, S);
	ck_assert_uint_eq(wait, 5001 * MS);
	ck_assert_uint_gt(rf_bucket_wait_ns(&b, 1000, 10, S + wait - 1), 0);
	ck_assert_uint_eq(rf_bucket_wait_ns(&b, 1000, 10, S + wait), 0);
}
END_TEST

START_TEST(a_rest_fills_up_to_the_burst_and_no_further)
{
	struct rf_bucket b = { 0 };
	uint64_t now = S;

	ck_assert_uint_eq(drain(&b, 100, 20, 1, &now, S + 1), 20);
	now = 1000 * S;
	ck_assert_uint_eq(drain(&b, 100, 20, 1, &now, 1000 * S + 1), 20);
}
END_TEST

START_TEST(no_burst_is_a_tenth_of_a_second_and_never_less_than_a_tick)
{
	struct rf_bucket b = { 0 };
	uint64_t now = S;

	ck_assert_uint_eq(drain(&b, 1000, 0, 1, &now, S + 1), 100);
	/* A burst of one at a million a second would be a thousand. */
	b = (struct rf_bucket){ 0 };
	now = S;
	ck_assert_uint_eq(drain(&b, 1000000, 1, 1, &now, S + 1), 4000);
	/* And one token at the least. */
	b = (struct rf_bucket){ 0 };
	now = S;
	ck_assert_uint_eq(drain(&b, 1, 0, 1, &now, S + 1), 1);
}
END_TEST

START_TEST(a_changed_limit_keeps_the_debt_and_takes_hold_at_once)
{
	struct rf_bucket b = { 0 };

	ck_assert_uint_eq(rf_bucket_wait_ns(&b, 10, 10, S), 0);
	rf_bucket_take(&b, 1010);
	ck_assert_uint_eq(rf_bucket_wait_ns(&b, 10, 10, S), 100100 * MS);
	ck_assert_uint_eq(rf_bucket_wait_ns(&b, 1000, 10, S), 1001 * MS);
	/* A burst that shrank takes what is over. */
	/* A larger burst is filled by time, not by decree. */
	ck_assert_uint_eq(rf_bucket_wait_ns(&b, 1000, 500, 10 * S), 0);
	ck_assert_int_eq(b.level, 10);
	ck_assert_uint_eq(rf_bucket_wait_ns(&b, 1000, 500, 11 * S), 0);
	ck_assert_int_eq(b.level, 500);
	ck_assert_uint_eq(rf_bucket_wait_ns(&b, 1000, 20, 11 * S), 0);
	ck_assert_int_eq(b.level, 20);
}
END_TEST

START_TEST(no_number_overflows)
{
	static const uint64_t huge[] = { 1, S, UINT64_MAX / 2, UINT64_MAX };
	size_t r, u, a, t;

	for (r = 0; r < RF_ARRAY_LEN(huge); r++)
		for (u = 0; u < RF_ARRAY_LEN(huge); u++)
			for (a = 0; a < RF_ARRAY_LEN(huge); a++) {
				struct rf_bucket b = { 0 };

				for (t = 0; t < RF_ARRAY_LEN(huge); t++) {
					(void)rf_bucket_wait_ns(
						&b, huge[r], huge[u], huge[t]);
					rf_bucket_take(&b, huge[a]);
					rf_bucket_take(&b, huge[a]);
					ck_assert_int_le(b.level,
							 INT64_C(1) << 62);
				}
			}
}
END_TEST

START_TEST(both_kinds_of_limit_hold_and_waits_are_short)
{
	struct rf_limits limits = { 0 };
	struct rf_limiter l = { { 0 }, { 0 } };

	ck_assert(!rf_limits_is_set(NULL));
	ck_assert(!rf_limits_is_set(&limits));
	ck_assert_uint_eq(rf_limiter_wait_ns(&l, NULL, 0), 0);
	atomic_store(&limits.bytes_per_s, 1 << 20);
	ck_assert(rf_limits_is_set(&limits));
	ck_assert_uint_eq(rf_limiter_wait_ns(&l, &limits, S), 0);
	rf_limiter_take(&l, 100 << 20);
	/* A hundred seconds, but the page is looked at again before. */
	ck_assert_uint_eq(rf_limiter_wait_ns(&l, &limits, S),
			  RF_LIMITER_WAIT_MAX_NS);
	/* Lifted: at once, and nothing is left of it. */
	atomic_store(&limits.bytes_per_s, 0);
	ck_assert(!rf_limits_is_set(&limits));
	ck_assert_uint_eq(rf_limiter_wait_ns(&l, &limits, 0), 0);
	rf_limiter_take(&l, 100 << 20);
	atomic_store(&limits.ops_per_s, 10);
	ck_assert_uint_eq(rf_limiter_wait_ns(&l, &limits, 2 * S), 0);
	rf_limiter_take(&l, 1 << 20);
	ck_assert_uint_eq(rf_limiter_wait_ns(&l, &limits, 2 * S), 100 * MS);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		no_rate_is_no_limit,
		a_full_bucket_gives_its_burst_and_then_the_rate,
		rates_that_do_not_divide_a_second_lose_nothing,
		what_is_larger_than_the_burst_goes_through_and_is_paid_for,
		a_rest_fills_up_to_the_burst_and_no_further,
		no_burst_is_a_tenth_of_a_second_and_never_less_than_a_tick,
		a_changed_limit_keeps_the_debt_and_takes_hold_at_once,
		no_number_overflows,
		both_kinds_of_limit_hold_and_waits_are_short,
	};

	return unit_run("bucket", tests, RF_ARRAY_LEN(tests));
}
