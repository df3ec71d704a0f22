/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * stats.c - ticks, percentiles, numbers
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <x86intrin.h>

#include "base/number.h"
#include "bench/bench.h"

static int compare(const void *a, const void *b)
{
	const uint64_t x = *(const uint64_t *)a;
	const uint64_t y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

uint64_t bench_percentile(uint64_t *samples, size_t nr, unsigned int percent)
{
	if (nr == 0)
		return 0;
	qsort(samples, nr, sizeof(*samples), compare);
	return samples[(nr * percent + 99) / 100 - 1];
}

uint64_t bench_ticks(void)
{
	uint64_t ticks;

	_mm_lfence();
	ticks = __rdtsc();
	_mm_lfence();
	return ticks;
}

uint64_t bench_ticks_per_us(void)
{
	const struct timespec nap = { .tv_nsec = 50000000 };
	uint64_t ns = rf_clock_ns();
	uint64_t ticks = bench_ticks();

	(void)clock_nanosleep(CLOCK_MONOTONIC, 0, &nap, NULL);
	ticks = bench_ticks() - ticks;
	ns = rf_clock_ns() - ns;
	return ticks * 1000 / ns;
}

bool bench_number(const char *option, const char *text, uint64_t min,
		  uint64_t max, uint64_t *out)
{
	if (!number_parse(text, min, max, out))
		return true;
	(void)fprintf(stderr,
		      "ringfence-bench: %s %s: a number from %llu to %llu, "
		      "please\n",
		      option, text, (unsigned long long)min,
		      (unsigned long long)max);
	return false;
}
