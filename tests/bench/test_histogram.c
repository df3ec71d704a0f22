/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * test_histogram.c - what histogram.h says of its percentiles
 */
#include "bench/histogram.h"
#include "unit/unit.h"

static struct histogram h;

START_TEST(an_empty_one_has_only_zeroes)
{
	histogram_clear(&h);
	ck_assert_uint_eq(histogram_percentile(&h, 500), 0);
	ck_assert_uint_eq(histogram_percentile(&h, 1000), 0);
}
END_TEST

START_TEST(small_values_are_told_exactly)
{
	uint64_t i;

	histogram_clear(&h);
	for (i = 0; i < 50; i++)
		histogram_add(&h, i);
	ck_assert_uint_eq(h.nr, 50);
	ck_assert_uint_eq(histogram_percentile(&h, 20), 0);
	ck_assert_uint_eq(histogram_percentile(&h, 500), 24);
	ck_assert_uint_eq(histogram_percentile(&h, 1000), 49);
}
END_TEST

START_TEST(every_value_is_told_within_its_step)
{
	uint64_t value;

	for (value = 1; value < UINT64_C(1) << 45; value += value / 7 + 1) {
		uint64_t told;

		histogram_clear(&h);
		histogram_add(&h, value);
		told = histogram_percentile(&h, 990);
		ck_assert_uint_ge(told, value);
		ck_assert_uint_le(told, value + value / HISTOGRAM_STEPS);
	}
}
END_TEST

START_TEST(ends_of_octaves_are_told_within_their_step)
{
	unsigned int bit;

	for (bit = 6; bit < 45; bit++) {
		const uint64_t value = UINT64_C(1) << bit;

		histogram_clear(&h);
		histogram_add(&h, value - 1);
		ck_assert_uint_eq(histogram_percentile(&h, 1), value - 1);
		histogram_add(&h, value);
		ck_assert_uint_eq(histogram_percentile(&h, 500), value - 1);
		ck_assert_uint_ge(histogram_percentile(&h, 1000), value);
	}
}
END_TEST

START_TEST(what_is_beyond_all_is_counted_last)
{
	histogram_clear(&h);
	histogram_add(&h, 5);
	histogram_add(&h, UINT64_MAX);
	ck_assert_uint_eq(histogram_percentile(&h, 500), 5);
	ck_assert_uint_gt(histogram_percentile(&h, 501), UINT64_C(1) << 45);
}
END_TEST

START_TEST(a_percentile_is_rounded_up_to_a_value_that_was)
{
	int i;

	histogram_clear(&h);
	for (i = 0; i < 999; i++)
		histogram_add(&h, 10);
	histogram_add(&h, 60);
	ck_assert_uint_eq(histogram_percentile(&h, 999), 10);
	ck_assert_uint_eq(histogram_percentile(&h, 1000), 60);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		an_empty_one_has_only_zeroes,
		small_values_are_told_exactly,
		every_value_is_told_within_its_step,
		ends_of_octaves_are_told_within_their_step,
		what_is_beyond_all_is_counted_last,
		a_percentile_is_rounded_up_to_a_value_that_was,
	};

	return unit_run("histogram", tests, RF_ARRAY_LEN(tests));
}
