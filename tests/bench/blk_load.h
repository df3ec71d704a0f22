/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * blk_load.h - keep a block device busy in one way for a while, and count
 */
#ifndef TESTS_BENCH_BLK_LOAD_H
#define TESTS_BENCH_BLK_LOAD_H

#include "bench/blk_client.h"
#include "bench/histogram.h"
#include "bench/usage.h"

enum blk_pattern {
	BLK_PATTERN_READ, /* in order, from the beginning */
	BLK_PATTERN_WRITE,
	BLK_PATTERN_RANDREAD,
	BLK_PATTERN_RANDWRITE,
	BLK_PATTERN_RANDRW, /* half and half */
	BLK_NR_PATTERNS
};

/* "read", "write", "randread", ...; NULL and -EINVAL for others. */
const char *blk_pattern_name(enum blk_pattern pattern);
RF_MUST_CHECK int blk_pattern_from_name(const char *name,
					enum blk_pattern *out);

bool blk_pattern_writes(enum blk_pattern pattern);

struct blk_load {
	enum blk_pattern pattern;
	uint32_t block_bytes; /* at most the client's */
	uint16_t depth;	      /* at most the client's; of each queue */
	uint64_t duration_ns;
	uint64_t span_bytes; /* use so much of the disk; 0: all */
	bool client_poll;    /* never sleep */
	bool verify;	     /* write known contents first, check each read */
	uint64_t seed;
	uint64_t ticks_per_us; /* bench_ticks_per_us() */
};

struct blk_result {
	uint64_t requests;
	uint64_t bytes;
	uint64_t ns;
	uint64_t failed;   /* with a status other than OK */
	uint64_t verified; /* reads that held what was written */
	uint64_t wrong;	   /* and those that did not */
	uint64_t backend_cpu_ns;
	uint64_t kicks;
	uint64_t sleeps;	  /* of the client's */
	struct histogram latency; /* ns */
};

/* -errno: the back-end is gone or talks nonsense; what was counted so far is
 * in *out all the same. */
RF_MUST_CHECK int blk_load_run(struct blk_client *c,
			       const struct blk_load *load,
			       const struct usage_tree *backend,
			       struct blk_result *out);

#endif
