/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * blk_options.h - what `ringfence-bench blk` was asked for
 */
#ifndef TESTS_BENCH_BLK_OPTIONS_H
#define TESTS_BENCH_BLK_OPTIONS_H

#include "bench/blk_load.h"

#define BLK_LIST_MAX 16u

struct blk_options {
	/* One back-end that is there, or (NULL) the comparison. */
	const char *socket;
	/* The comparison's own. */
	const char *dir;   /* where the disks lie */
	const char *image; /* contents of both; NULL: made up */
	const char *qsd;   /* program, looked for along PATH */
	const char *ours;  /* program; NULL: beside this one */
	uint64_t size_bytes;
	bool memory; /* only how much of it is used, idle */
	/* What to do, each with each. */
	enum blk_pattern patterns[BLK_LIST_MAX];
	uint32_t nr_patterns;
	uint32_t blocks[BLK_LIST_MAX];
	uint32_t nr_blocks;
	uint16_t depths[BLK_LIST_MAX];
	uint32_t nr_depths;
	bool caches[2]; /* of the comparison: buffered, direct */
	/* How. */
	uint64_t ms;
	uint32_t rounds;
	uint16_t nr_queues;
	uint16_t queue_size;
	bool packed;
	bool event_idx;
	bool indirect;
	bool seal;
	bool verify;
	bool client_poll;
	bool backend_polls; /* ours once more, polling */
	int client_cpu;	    /* -1: any */
	int backend_cpu;
	uint64_t span_bytes;
	uint64_t ticks_per_us;
	/* What to show. */
	const char *json; /* file, "-" for standard output */
	const char *plot; /* SVG */
};

/* 0: go on. 1: help was shown, leave well. BENCH_MISUSE: a sentence was. */
int blk_options_parse(int argc, char **argv, struct blk_options *out);

#endif
