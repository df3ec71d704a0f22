/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * clock.c - the one clock that all processes share
 *
 * Side:    every side; works inside any filter where the vdso reads the clock.
 * Owns:    nothing.
 * Callers: everyone, through <ringfence/base.h>.
 * Never:   fails.
 */
#include <time.h>

#include <ringfence/base.h>

uint64_t rf_clock_ns(void)
{
	struct timespec now = { 0 };

	/* Cannot fail: the clock exists on every Linux, the pointer is ours. */
	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}
