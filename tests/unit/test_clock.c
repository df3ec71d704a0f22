/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * test_clock.c - one clock, in nanoseconds, that never steps back
 */
#include <time.h>

#include "unit/unit.h"

START_TEST(clock_never_steps_back)
{
	uint64_t before = rf_clock_ns();
	int i;

	for (i = 0; i < 100000; i++) {
		uint64_t now = rf_clock_ns();

		ck_assert_uint_ge(now, before);
		before = now;
	}
}
END_TEST

START_TEST(clock_counts_nanoseconds)
{
	const struct timespec nap = { .tv_nsec = 20000000 };
	uint64_t before = rf_clock_ns();
	uint64_t passed;

	ck_assert_int_eq(clock_nanosleep(CLOCK_MONOTONIC, 0, &nap, NULL), 0);
	passed = rf_clock_ns() - before;
	ck_assert_uint_ge(passed, 20000000);
	/* A busy machine may be late, but not by 1000. */
	ck_assert_uint_lt(passed, 20000000000);
}
END_TEST

START_TEST(clock_is_the_monotonic_one)
{
	uint64_t before = rf_clock_ns();
	struct timespec now;
	uint64_t ns;

	ck_assert_int_eq(clock_gettime(CLOCK_MONOTONIC, &now), 0);
	ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
	ck_assert_uint_ge(ns, before);
	ck_assert_uint_ge(rf_clock_ns(), ns);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		clock_never_steps_back,
		clock_counts_nanoseconds,
		clock_is_the_monotonic_one,
	};

	return unit_run("clock", tests, RF_ARRAY_LEN(tests));
}
