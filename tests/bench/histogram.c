/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * histogram.c - durations by the million, in a fixed table
 */
#include <string.h>

#include "bench/histogram.h"

void histogram_clear(struct histogram *h)
{
	memset(h, 0, sizeof(*h));
}

/* Below HISTOGRAM_STEPS each value has a bucket; above, the leading bits after
 * the first one choose the step within the octave. */
static uint32_t bucket_of(uint64_t value)
{
	uint32_t octave, step;

	if (value < HISTOGRAM_STEPS)
		return (uint32_t)value;
	octave = 63u - (uint32_t)__builtin_clzll(value) - HISTOGRAM_STEP_BITS;
	if (octave >= HISTOGRAM_OCTAVES)
		return HISTOGRAM_BUCKETS - 1;
	step = (uint32_t)(value >> octave) & (HISTOGRAM_STEPS - 1);
	return HISTOGRAM_STEPS * (octave + 1) + step;
}

static uint64_t end_of(uint32_t bucket)
{
	uint32_t octave = bucket / HISTOGRAM_STEPS;
	uint64_t step = bucket % HISTOGRAM_STEPS;

	if (octave == 0)
		return step;
	return ((HISTOGRAM_STEPS + step + 1) << (octave - 1)) - 1;
}

void histogram_add(struct histogram *h, uint64_t value)
{
	h->nr++;
	h->buckets[bucket_of(value)]++;
}

uint64_t histogram_percentile(const struct histogram *h, unsigned int per_mille)
{
	const uint64_t wanted = (h->nr * per_mille + 999) / 1000;
	uint64_t seen = 0;
	uint32_t i;

	if (h->nr == 0)
		return 0;
	for (i = 0; i < HISTOGRAM_BUCKETS - 1; i++) {
		seen += h->buckets[i];
		if (seen >= wanted)
			break;
	}
	return end_of(i);
}
