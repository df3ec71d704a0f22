/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * blk_plot.c - the comparison as a picture, drawn by gnuplot
 *
 * A column of panels for each cache: requests a second above, processor time a
 * request below. Bars in groups, a group for each cell; above our own bar its
 * ratio to the best of the others. The script goes to gnuplot through a pipe,
 * with the figures in it.
 */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/blk_show.h"

#define COLUMN_WIDTH_MIN 560u
#define GROUP_WIDTH 36u
#define MARGIN_WIDTH 110u
#define PANEL_HEIGHT 270u
#define HEADER_HEIGHT 90u

/* What a panel shows. */
struct measure {
	const char *label;
	double (*value)(const struct blk_sample *s);
};

static double kilo_requests(const struct blk_sample *s)
{
	return s->iops / 1000;
}

static double cpu_us(const struct blk_sample *s)
{
	return s->cpu_us;
}

static const struct measure measures[] = {
	{ "thousand requests a second", kilo_requests },
	{ "processor time a request, µs", cpu_us },
};

/* Ours stand out; others are shades of grey. */
static const char *const our_colours[] = { "#1a5fb4", "#62a0ea" };
static const char *const rival_colours[] = { "#9a9996", "#c8c6c2", "#77767b",
					     "#deddda" };

static const char *colour_of(const struct blk_table *t, uint32_t peer)
{
	uint32_t nth = 0;
	uint32_t i;

	for (i = 0; i < peer; i++)
		nth += t->is_rival[i] == t->is_rival[peer];
	return t->is_rival[peer]
		       ? rival_colours[nth % RF_ARRAY_LEN(rival_colours)]
		       : our_colours[nth % RF_ARRAY_LEN(our_colours)];
}

static bool has_cells(const struct blk_table *t, bool direct)
{
	uint32_t i;

	for (i = 0; i < t->nr_cells; i++)
		if (t->cells[i].direct == direct)
			return true;
	return false;
}

/* "randread", and below it "4K, 32 deep". */
static void write_label(FILE *f, const struct blk_cell *c)
{
	(void)fprintf(f, "\"%s\\n%gK × %u\"", blk_pattern_name(c->pattern),
		      (double)c->block_bytes / 1024, c->depth);
}

/* A line for each cell: label, a value of each peer, ours to the best rival. */
static void write_data(FILE *f, const struct blk_table *t, bool direct,
		       size_t m)
{
	uint32_t cell, peer;

	(void)fprintf(f, "$d%d%zu << EOD\n", direct, m);
	for (cell = 0; cell < t->nr_cells; cell++) {
		const struct blk_sample *s = t->medians[cell];
		const int rival = blk_best_rival(t, cell);

		if (t->cells[cell].direct != direct)
			continue;
		write_label(f, &t->cells[cell]);
		for (peer = 0; peer < t->nr_peers; peer++)
			(void)fprintf(f, " %.4f", measures[m].value(&s[peer]));
		(void)fprintf(f, " %.4f\n",
			      rival < 0 ? 1.0
					: measures[m].value(&s[0]) /
						  measures[m].value(&s[rival]));
	}
	(void)fputs("EOD\n", f);
}

/* Our bar is the first of its group: this far left of the group's middle. */
static double bar_offset(const struct blk_table *t)
{
	return ((double)t->nr_peers - 1) / 2 / (t->nr_peers + 1);
}

static void write_panel(FILE *f, const struct blk_table *t, bool direct,
			size_t m)
{
	const char *cache = direct ? "O_DIRECT" : "page cache";
	uint32_t peer;

	(void)fprintf(f, "set title '%s' offset 0,-0.6\n", m == 0 ? cache : "");
	(void)fprintf(f, "set ylabel '%s' offset 1,0\n%s\n", measures[m].label,
		      m == 0 && !(direct && has_cells(t, false))
			      ? "set key at screen 0.5,0.94 center top "
				"horizontal samplen 1.5"
			      : "unset key");
	for (peer = 0; peer < t->nr_peers; peer++)
		(void)fprintf(f, "%s $d%d%zu using %u%s lc rgb '%s' title '%s'",
			      peer ? ", \\\n    " : "plot", direct, m, peer + 2,
			      peer ? "" : ":xtic(1)", colour_of(t, peer),
			      t->peers[peer]);
	if (blk_best_rival(t, 0) >= 0)
		(void)fprintf(f,
			      ", \\\n     $d%d%zu using ($0-%.4f):2:"
			      "(sprintf($%u<1?'%%.2f×':'%%.1f×',$%u)) with "
			      "labels font ',10' "
			      "offset 0,0.5 notitle",
			      direct, m, bar_offset(t), t->nr_peers + 2,
			      t->nr_peers + 2);
	(void)fputs("\n", f);
}

/* A quote within quotes is doubled. */
static void write_quoted(FILE *f, const char *text)
{
	(void)fputc('\'', f);
	for (; *text; text++) {
		if (*text == '\'')
			(void)fputc('\'', f);
		(void)fputc(*text, f);
	}
	(void)fputc('\'', f);
}

static uint32_t nr_groups(const struct blk_table *t)
{
	uint32_t of[2] = { 0, 0 };
	uint32_t i;

	for (i = 0; i < t->nr_cells; i++)
		of[t->cells[i].direct]++;
	return of[0] > of[1] ? of[0] : of[1];
}

static void write_heading(FILE *f, const struct blk_table *t, const char *path)
{
	const uint32_t columns = has_cells(t, false) + has_cells(t, true);
	uint32_t width = MARGIN_WIDTH +
			 nr_groups(t) * (t->nr_peers + 1) * GROUP_WIDTH / 2;

	if (width < COLUMN_WIDTH_MIN)
		width = COLUMN_WIDTH_MIN;
	(void)fprintf(f,
		      "set encoding utf8\n"
		      "set terminal svg size %u,%u font 'sans,12' "
		      "noenhanced background '#ffffff'\nset output ",
		      columns * width,
		      HEADER_HEIGHT +
			      (uint32_t)RF_ARRAY_LEN(measures) * PANEL_HEIGHT);
	write_quoted(f, path);
	(void)fprintf(f,
		      "\nset style data histograms\n"
		      "set style histogram clustered gap 1\n"
		      "set style fill solid noborder\n"
		      "set boxwidth 0.9 relative\n"
		      "set yrange [0:*]\nset offsets 0,0,graph 0.12,0\n"
		      "set border 3 lc rgb '#77767b'\n"
		      "set tics nomirror out\nset xtics scale 0\n"
		      "set grid ytics lt 1 lc rgb '#e5e4e2'\n"
		      "set multiplot layout %zu,%u columnsfirst "
		      "margins screen %.3f,0.985,0.09,0.83 "
		      "spacing screen %.3f,0.13 "
		      "title 'vhost-user-blk back-ends, medians of %u rounds "
		      "of %llu ms' font ',14'\n",
		      RF_ARRAY_LEN(measures), columns, 70.0 / (columns * width),
		      85.0 / (columns * width), t->rounds,
		      (unsigned long long)t->ms);
}

static void write_script(FILE *f, const struct blk_table *t, const char *path)
{
	int direct;
	size_t m;

	for (direct = 0; direct < 2; direct++)
		for (m = 0; m < RF_ARRAY_LEN(measures); m++)
			write_data(f, t, direct, m);
	write_heading(f, t, path);
	for (direct = 0; direct < 2; direct++)
		for (m = 0; has_cells(t, direct) && m < RF_ARRAY_LEN(measures);
		     m++)
			write_panel(f, t, direct, m);
	(void)fputs("unset multiplot\n", f);
}

/* gnuplot, its standard input being `from`. */
static int start(int from, pid_t *pid)
{
	static char name[] = "gnuplot";
	char *const args[] = { name, NULL };
	posix_spawn_file_actions_t actions;
	int err = posix_spawn_file_actions_init(&actions);

	if (err)
		return -err;
	err = posix_spawn_file_actions_adddup2(&actions, from, STDIN_FILENO);
	if (!err)
		err = posix_spawnp(pid, name, &actions, NULL, args, environ);
	(void)posix_spawn_file_actions_destroy(&actions);
	return -err;
}

static int feed(const struct blk_table *t, const char *path, int *to)
{
	FILE *f = fdopen(*to, "w");
	bool failed;

	if (!f)
		return -errno;
	*to = -1;
	write_script(f, t, path);
	failed = ferror(f);
	return fclose(f) || failed ? -EPIPE : 0;
}

static int draw(const struct blk_table *t, const char *path)
{
	rf_autofd from = -1, to = -1;
	int ends[2];
	int status = 1;
	pid_t pid = 0;
	int err;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	from = ends[0];
	to = ends[1];
	err = start(from, &pid);
	if (err)
		return err;
	rf_fd_close(&from);
	err = feed(t, path, &to);
	rf_fd_close(&to);
	if (waitpid(pid, &status, 0) != pid || status != 0)
		err = -EIO;
	return err;
}

int blk_plot(const struct blk_table *t, const char *path)
{
	int err = t->nr_cells ? draw(t, path) : -EINVAL;

	if (err == -ENOENT)
		(void)fprintf(stderr,
			      "ringfence-bench: --plot: there is no gnuplot; "
			      "it is in the package gnuplot-nox\n");
	else if (err)
		(void)fprintf(stderr, "ringfence-bench: --plot %s: %s\n", path,
			      strerror(-err));
	return err;
}
