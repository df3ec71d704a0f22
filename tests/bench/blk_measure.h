/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * blk_measure.h - one cell of the table: connect, warm up, measure, hang up
 */
#ifndef TESTS_BENCH_BLK_MEASURE_H
#define TESTS_BENCH_BLK_MEASURE_H

#include "bench/blk_options.h"

#define BLK_ROUNDS_MAX 101u

struct blk_cell {
	enum blk_pattern pattern;
	uint32_t block_bytes;
	uint16_t depth;
	bool direct;
};

/* What one measurement gave. */
struct blk_sample {
	double iops;
	double mib_s;
	double p50_us;
	double p99_us;
	double p999_us;
	double cpu_us;	 /* of the back-end, for each request */
	double kicks;	 /* for each request */
	double sleeps;	 /* the client's, for each request */
	double verified; /* requests that were */
	double requests;
};
#define BLK_SAMPLE_FIELDS (sizeof(struct blk_sample) / sizeof(double))

/* -errno, and a sentence on stderr said why. */
RF_MUST_CHECK int blk_measure(const struct blk_options *o, const char *socket,
			      const struct blk_cell *cell, uint64_t seed,
			      struct blk_sample *out);

/* Of an idle back-end with a driver there. */
RF_MUST_CHECK int blk_measure_memory(const struct blk_options *o,
				     const char *socket,
				     struct usage_memory *out);

/* Field by field. nr >= 1. */
void blk_sample_median(const struct blk_sample *samples, uint32_t nr,
		       struct blk_sample *out);

#endif
