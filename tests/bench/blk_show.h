/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * blk_show.h - measurements as a table, as JSON, as a picture
 */
#ifndef TESTS_BENCH_BLK_SHOW_H
#define TESTS_BENCH_BLK_SHOW_H

#include <stdio.h>

#include "bench/blk_measure.h"

#define BLK_PEERS_MAX 6u
#define BLK_CELLS_MAX 256u

struct blk_table {
	uint32_t nr_peers;
	const char *peers[BLK_PEERS_MAX]; /* the first is ours */
	uint32_t nr_cells;
	struct blk_cell cells[BLK_CELLS_MAX];
	struct blk_sample medians[BLK_CELLS_MAX][BLK_PEERS_MAX];
	bool has_memory;
	struct usage_memory memory[BLK_PEERS_MAX];
	bool is_rival[BLK_PEERS_MAX]; /* ratios are against these */
	bool has_cache;		      /* buffered and direct mean something */
	bool is_silent;		      /* standard output is for JSON */
	uint32_t rounds;
	uint64_t ms;
};

/* Each cell a group of lines; with rivals there, ours against the better of
 * them. */
void blk_show_heading(const struct blk_table *t);
void blk_show_cell(const struct blk_table *t, uint32_t cell);
void blk_show_memory(const struct blk_table *t);
RF_MUST_CHECK int blk_show_json(const struct blk_table *t, const char *path);

/* By gnuplot. -ENOENT: there is none, and a sentence said so. */
RF_MUST_CHECK int blk_plot(const struct blk_table *t, const char *path);

/* The rival that does best in a cell, by requests a second; -1: none. */
int blk_best_rival(const struct blk_table *t, uint32_t cell);

#endif
