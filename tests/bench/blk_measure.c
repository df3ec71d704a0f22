/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * blk_measure.c - one cell of the table: connect, warm up, measure, hang up
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench/bench.h"
#include "bench/blk_measure.h"

#define NS_PER_MS UINT64_C(1000000)
/* Of the time of a measurement, before it. */
#define WARM_UP_SHARE 5u

static int complain(const char *what, const char *about, int err)
{
	(void)fprintf(stderr, "ringfence-bench: %s: %s: %s\n", about, what,
		      strerror(-err));
	return err;
}

static int open_client(const struct blk_options *o, const char *socket,
		       const struct blk_cell *cell, struct blk_client *c)
{
	const struct blk_client_params params = {
		.path = socket,
		.nr_queues = o->nr_queues,
		.queue_size = o->queue_size,
		.block_bytes = cell->block_bytes,
		.depth = cell->depth,
		.packed = o->packed,
		.event_idx = o->event_idx,
		.indirect = o->indirect,
		.seal = o->seal,
	};
	const char *step;
	int err = blk_client_new(c, &params, &step);

	return err ? complain(step, socket, err) : 0;
}

static int find_backend(const struct blk_options *o, const struct blk_client *c,
			struct usage_tree *tree)
{
	int err = usage_find(c->backend, tree);

	if (!err && o->backend_cpu >= 0)
		err = usage_pin(tree, (uint32_t)o->backend_cpu);
	return err ? complain("its process", "the back-end", err) : 0;
}

static void reckon(const struct blk_result *r, struct blk_sample *out)
{
	const double requests = r->requests ? (double)r->requests : 1;
	const double seconds = r->ns ? (double)r->ns / 1e9 : 1;

	*out = (struct blk_sample){
		.iops = (double)r->requests / seconds,
		.mib_s = (double)r->bytes / seconds / (1 << 20),
		.p50_us = (double)histogram_percentile(&r->latency, 500) / 1e3,
		.p99_us = (double)histogram_percentile(&r->latency, 990) / 1e3,
		.p999_us = (double)histogram_percentile(&r->latency, 999) / 1e3,
		.cpu_us = (double)r->backend_cpu_ns / requests / 1e3,
		.kicks = (double)r->kicks / requests,
		.sleeps = (double)r->sleeps / requests,
		.verified = (double)r->verified,
		.requests = (double)r->requests,
	};
}

static int judge(const struct blk_result *r, const char *socket)
{
	if (r->failed || r->wrong || r->requests == 0) {
		(void)fprintf(stderr,
			      "ringfence-bench: %s: of %llu requests %llu "
			      "failed and %llu read something else than was "
			      "written\n",
			      socket, (unsigned long long)r->requests,
			      (unsigned long long)r->failed,
			      (unsigned long long)r->wrong);
		return -EIO;
	}
	return 0;
}

static int run(struct blk_client *c, const struct blk_options *o,
	       const struct blk_cell *cell, uint64_t seed,
	       const struct usage_tree *tree, struct blk_result *result)
{
	struct blk_load load = {
		.pattern = cell->pattern,
		.block_bytes = cell->block_bytes,
		.depth = cell->depth,
		.duration_ns = o->ms * NS_PER_MS / WARM_UP_SHARE,
		.span_bytes = o->span_bytes,
		.client_poll = o->client_poll,
		.seed = seed * 2654435761u + 1,
		.ticks_per_us = o->ticks_per_us,
	};
	int err = blk_load_run(c, &load, tree, result);

	load.duration_ns = o->ms * NS_PER_MS;
	load.verify = o->verify;
	load.seed++;
	return err ? err : blk_load_run(c, &load, tree, result);
}

int blk_measure(const struct blk_options *o, const char *socket,
		const struct blk_cell *cell, uint64_t seed,
		struct blk_sample *out)
{
	struct blk_result *result;
	struct usage_tree tree;
	struct blk_client c;
	int err;

	result = malloc(sizeof(*result));
	if (!result)
		return -ENOMEM;
	err = open_client(o, socket, cell, &c);
	if (err) {
		free(result);
		return err;
	}
	err = find_backend(o, &c, &tree);
	if (!err) {
		err = run(&c, o, cell, seed, &tree, result);
		if (err)
			(void)complain(blk_pattern_name(cell->pattern), socket,
				       err);
	}
	blk_client_free(&c);
	if (!err)
		err = judge(result, socket);
	if (!err)
		reckon(result, out);
	free(result);
	return err;
}

int blk_measure_memory(const struct blk_options *o, const char *socket,
		       struct usage_memory *out)
{
	const struct blk_cell cell = { .block_bytes = 4096, .depth = 1 };
	const struct timespec nap = { .tv_nsec = 200 * NS_PER_MS };
	struct usage_tree tree;
	struct blk_client c;
	uint8_t status;
	int err = open_client(o, socket, &cell, &c);

	if (err)
		return err;
	/* A disk that has been read from, and now nothing happens. */
	err = blk_client_one(&c, BLK_READ, 0, 4096, &status);
	if (!err)
		err = find_backend(o, &c, &tree);
	(void)clock_nanosleep(CLOCK_MONOTONIC, 0, &nap, NULL);
	if (!err)
		err = usage_memory(&tree, out);
	blk_client_free(&c);
	return err;
}

static int compare(const void *a, const void *b)
{
	const double x = *(const double *)a;
	const double y = *(const double *)b;

	return (x > y) - (x < y);
}

void blk_sample_median(const struct blk_sample *samples, uint32_t nr,
		       struct blk_sample *out)
{
	double medians[BLK_SAMPLE_FIELDS] = { 0 };
	double column[BLK_ROUNDS_MAX] = { 0 };
	size_t field;
	uint32_t i;

	for (field = 0; field < BLK_SAMPLE_FIELDS; field++) {
		for (i = 0; i < nr && i < BLK_ROUNDS_MAX; i++)
			memcpy(&column[i],
			       (const uint8_t *)&samples[i] +
				       field * sizeof(double),
			       sizeof(double));
		qsort(column, i, sizeof(*column), compare);
		/* Of an even number the mean of the two in the middle. */
		medians[field] = (column[(i - 1) / 2] + column[i / 2]) / 2;
	}
	memcpy(out, medians, sizeof(*out));
}
