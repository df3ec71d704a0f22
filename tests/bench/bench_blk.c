/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * bench_blk.c - how fast a vhost-user-blk back-end is, and against another
 */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/bench.h"
#include "bench/blk_compare.h"
#include "bench/blk_show.h"

/* Every combination of what was asked for. False: too many. */
static bool make_cells(const struct blk_options *o, struct blk_table *t)
{
	uint32_t direct, p, b, d;

	for (direct = 0; direct < 2; direct++)
		for (p = 0; p < o->nr_patterns; p++)
			for (b = 0; b < o->nr_blocks; b++)
				for (d = 0; d < o->nr_depths; d++) {
					/* Another's cache is not ours to set. */
					if (o->socket ? direct
						      : !o->caches[direct])
						continue;
					if (t->nr_cells == BLK_CELLS_MAX)
						return false;
					t->cells[t->nr_cells++] =
						(struct blk_cell){
							o->patterns[p],
							o->blocks[b],
							o->depths[d],
							direct,
						};
				}
	return true;
}

static int measure_one(const struct blk_options *o, struct blk_table *t)
{
	struct blk_sample samples[BLK_ROUNDS_MAX];
	uint32_t cell, i;
	int err = 0;

	t->nr_peers = 1;
	t->peers[0] = o->socket;
	for (cell = 0; !err && cell < t->nr_cells; cell++) {
		for (i = 0; !err && i < o->rounds; i++)
			err = blk_measure(o, o->socket, &t->cells[cell], i,
					  &samples[i]);
		if (err)
			return err;
		blk_sample_median(samples, o->rounds, &t->medians[cell][0]);
		if (cell == 0)
			blk_show_heading(t);
		blk_show_cell(t, cell);
	}
	return err;
}

static bool pin_client(const struct blk_options *o)
{
	cpu_set_t set;

	if (o->client_cpu < 0)
		return true;
	CPU_ZERO(&set);
	CPU_SET((unsigned int)o->client_cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set) == 0)
		return true;
	(void)fprintf(stderr, "ringfence-bench: processor %d: %s\n",
		      o->client_cpu, strerror(errno));
	return false;
}

static int show_files(const struct blk_options *o, const struct blk_table *t)
{
	int err = o->json ? blk_show_json(t, o->json) : 0;

	if (err)
		(void)fprintf(stderr, "ringfence-bench: %s: %s\n", o->json,
			      strerror(-err));
	if (!err && o->plot)
		err = blk_plot(t, o->plot);
	return err;
}

int bench_blk(int argc, char **argv)
{
	static struct blk_table table;
	struct blk_options o;
	int err = blk_options_parse(argc, argv, &o);

	if (err)
		return err == BENCH_MISUSE ? BENCH_MISUSE : EXIT_SUCCESS;
	table.rounds = o.rounds;
	table.ms = o.ms;
	table.is_silent = o.json && strcmp(o.json, "-") == 0;
	if (!make_cells(&o, &table)) {
		(void)fprintf(stderr,
			      "ringfence-bench: more than %u "
			      "combinations\n",
			      BLK_CELLS_MAX);
		return BENCH_MISUSE;
	}
	/* Whom we write to may go away: that is an error, not our end. */
	(void)signal(SIGPIPE, SIG_IGN);
	if (!pin_client(&o))
		return EXIT_FAILURE;
	o.ticks_per_us = bench_ticks_per_us();
	err = o.socket ? measure_one(&o, &table) : blk_compare(&o, &table);
	if (!err)
		err = show_files(&o, &table);
	return err ? EXIT_FAILURE : EXIT_SUCCESS;
}
