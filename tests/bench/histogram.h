/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * histogram.h - durations by the million, in a fixed table
 *
 * Each power of two is cut into 64 steps: a percentile is told no worse than
 * 1.6 % too high. Recording is a few instructions and no branch on the past.
 */
#ifndef TESTS_BENCH_HISTOGRAM_H
#define TESTS_BENCH_HISTOGRAM_H

#include <ringfence/base.h>

#define HISTOGRAM_STEP_BITS 6u
#define HISTOGRAM_STEPS (1u << HISTOGRAM_STEP_BITS)
#define HISTOGRAM_OCTAVES 40u /* beyond: counted in the last step */
#define HISTOGRAM_BUCKETS (HISTOGRAM_STEPS * (HISTOGRAM_OCTAVES + 1))

struct histogram {
	uint64_t nr;
	uint64_t buckets[HISTOGRAM_BUCKETS];
};

void histogram_clear(struct histogram *h);
void histogram_add(struct histogram *h, uint64_t value);

/* The value that `per_mille` of all do not exceed, rounded up to the end of its
 * step. 0 if there are none. */
uint64_t histogram_percentile(const struct histogram *h,
			      unsigned int per_mille);

#endif
