/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * blk_show.c - measurements as a table and as JSON
 */
#include <errno.h>
#include <string.h>

#include "bench/blk_show.h"

#define KIB 1024u

int blk_best_rival(const struct blk_table *t, uint32_t cell)
{
	int best = -1;
	uint32_t i;

	for (i = 0; i < t->nr_peers; i++)
		if (t->is_rival[i] &&
		    (best < 0 ||
		     t->medians[cell][i].iops > t->medians[cell][best].iops))
			best = (int)i;
	return best;
}

void blk_show_heading(const struct blk_table *t)
{
	if (t->is_silent)
		return;
	(void)printf("%-9s %-8s %6s %5s  %-20s %9s %8s %9s %9s %9s %8s\n",
		     "pattern", t->has_cache ? "cache" : "", "block", "depth",
		     "back-end", "requests", "MiB/s", "p50", "p99", "p99.9",
		     "cpu s");
	(void)printf("%-9s %-8s %6s %5s  %-20s %9s %8s %9s %9s %9s %8s\n", "",
		     "", "KiB", "", "", "/s", "", "us", "us", "us", "/million");
}

static void show_sample(const char *who, const struct blk_sample *s)
{
	(void)printf("%-20s %9.0f %8.0f %9.1f %9.1f %9.1f %8.2f\n", who,
		     s->iops, s->mib_s, s->p50_us, s->p99_us, s->p999_us,
		     s->cpu_us);
}

static void show_ratio(const struct blk_table *t, uint32_t cell, uint32_t ours,
		       uint32_t rival)
{
	const struct blk_sample *a = &t->medians[cell][ours];
	const struct blk_sample *b = &t->medians[cell][rival];
	const char *how = strchr(t->peers[ours], ',');
	char label[32];

	(void)snprintf(label, sizeof(label), "  ratio%s", how ? how : "");
	(void)printf("%32s %-20s %8.2fx %7.2fx %8.2fx %8.2fx %8.2fx %7.2fx\n",
		     "", label, a->iops / b->iops, a->mib_s / b->mib_s,
		     a->p50_us / b->p50_us, a->p99_us / b->p99_us,
		     a->p999_us / b->p999_us, a->cpu_us / b->cpu_us);
}

void blk_show_cell(const struct blk_table *t, uint32_t cell)
{
	const struct blk_cell *c = &t->cells[cell];
	const int rival = blk_best_rival(t, cell);
	const char *cache = c->direct ? "direct" : "buffered";
	uint32_t i;

	if (t->is_silent)
		return;
	for (i = 0; i < t->nr_peers; i++) {
		if (i == 0)
			(void)printf("%-9s %-8s %6g %5u  ",
				     blk_pattern_name(c->pattern),
				     t->has_cache ? cache : "",
				     (double)c->block_bytes / KIB, c->depth);
		else
			(void)printf("%32s ", "");
		show_sample(t->peers[i], &t->medians[cell][i]);
	}
	for (i = 0; rival >= 0 && i < t->nr_peers; i++)
		if (!t->is_rival[i])
			show_ratio(t, cell, i, (uint32_t)rival);
	(void)fflush(stdout);
}

void blk_show_memory(const struct blk_table *t)
{
	uint32_t i;

	if (t->is_silent)
		return;
	(void)printf("\nmemory, connected and idle, all processes of it "
		     "(KiB)\n%-20s %14s %14s\n",
		     "back-end", "private dirty", "PSS");
	for (i = 0; i < t->nr_peers; i++)
		(void)printf("%-20s %14llu %14llu\n", t->peers[i],
			     (unsigned long long)t->memory[i].private_dirty /
				     KIB,
			     (unsigned long long)t->memory[i].pss / KIB);
}

static void write_sample(FILE *f, const struct blk_table *t, uint32_t cell,
			 uint32_t peer)
{
	const struct blk_cell *c = &t->cells[cell];
	const struct blk_sample *s = &t->medians[cell][peer];

	(void)fprintf(f,
		      "{\"back_end\":\"%s\",\"pattern\":\"%s\","
		      "\"block_bytes\":%u,\"depth\":%u,",
		      t->peers[peer], blk_pattern_name(c->pattern),
		      c->block_bytes, c->depth);
	if (t->has_cache)
		(void)fprintf(f, "\"direct\":%s,",
			      c->direct ? "true" : "false");
	(void)fprintf(f,
		      "\"requests_per_s\":%.0f,\"mib_per_s\":%.2f,"
		      "\"p50_us\":%.2f,\"p99_us\":%.2f,\"p99_9_us\":%.2f,"
		      "\"cpu_s_per_million\":%.3f,\"kicks_per_request\":%.4f,"
		      "\"sleeps_per_request\":%.4f,\"requests\":%.0f,"
		      "\"verified\":%.0f}",
		      s->iops, s->mib_s, s->p50_us, s->p99_us, s->p999_us,
		      s->cpu_us, s->kicks, s->sleeps, s->requests, s->verified);
}

static void write_json(FILE *f, const struct blk_table *t)
{
	uint32_t cell, peer;

	(void)fprintf(f,
		      "{\"bench\":\"blk\",\"rounds\":%u,\"ms\":%llu,"
		      "\"rows\":[",
		      t->rounds, (unsigned long long)t->ms);
	for (cell = 0; cell < t->nr_cells; cell++)
		for (peer = 0; peer < t->nr_peers; peer++) {
			(void)fputs(cell || peer ? ",\n" : "\n", f);
			write_sample(f, t, cell, peer);
		}
	(void)fputs("]", f);
	for (peer = 0; t->has_memory && peer < t->nr_peers; peer++)
		(void)fprintf(f,
			      "%s\n{\"back_end\":\"%s\","
			      "\"private_dirty_bytes\":%llu,"
			      "\"pss_bytes\":%llu}",
			      peer ? "," : ",\"memory\":[", t->peers[peer],
			      (unsigned long long)t->memory[peer].private_dirty,
			      (unsigned long long)t->memory[peer].pss);
	(void)fputs(t->has_memory ? "]}\n" : "}\n", f);
}

int blk_show_json(const struct blk_table *t, const char *path)
{
	bool failed;
	FILE *f;

	if (strcmp(path, "-") == 0) {
		write_json(stdout, t);
		return fflush(stdout) ? -EIO : 0;
	}
	f = fopen(path, "we");
	if (!f)
		return -errno;
	write_json(f, t);
	failed = ferror(f);
	return fclose(f) || failed ? -EIO : 0;
}
