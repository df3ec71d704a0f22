/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * bench_ring.c - what draining an entry costs
 *
 * Three rows. "one process": the ring is filled and drained by one thread, so
 * the entries are in its cache. "two processes": another process fills the
 * shared page, each drain starts when it is full, so every line of it comes
 * from the other CPU. In these two only the drains are timed. "streaming": both
 * run freely, and the time is that of the whole, pushing included. The latency
 * at the end is ring_latency.c's.
 */
#include <getopt.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <x86intrin.h>

#include <ringfence/ring.h>

#include "bench/bench.h"
#include "bench/ring_latency.h"

#define ROUNDS_MAX 1001u
/* Of the entries of a round, as many doorbells for the latency. */
#define DOORBELL_SHARE 10u
/* Then somebody else may need this CPU to make progress. */
#define SPINS_BEFORE_YIELD 2000u

struct result {
	uint64_t drain_ps;     /* per entry; picoseconds keep the digits */
	uint64_t per_pass_x10; /* entries a drain that found some */
};

typedef bool measure_fn(struct rf_ring_page *page, uint64_t entries,
			struct result *out);

static void relax(unsigned int *spins)
{
	if (++*spins % SPINS_BEFORE_YIELD == 0)
		sched_yield();
	else
		_mm_pause();
}

static bool is_next(const struct rf_ring_entry *entry, uint64_t number)
{
	return entry->phys_addr == number;
}

static bool push(struct rf_ring_page *page, uint64_t number)
{
	const struct rf_ring_entry entry = { .phys_addr = number, .len = 4 };

	return rf_ring_push(page, &entry) == 0;
}

/* One drain; false: something came that was not to come next. */
static bool drain(struct rf_ring_consumer *c, uint64_t *next, uint32_t *nr)
{
	struct rf_ring_entry out[RF_RING_USABLE];
	uint32_t i;

	if (rf_ring_drain(c, out, RF_RING_USABLE, nr))
		return false;
	for (i = 0; i < *nr; i++)
		if (!is_next(&out[i], (*next)++))
			return false;
	return true;
}

static bool tell(struct result *out, uint64_t ns, uint64_t entries,
		 uint64_t passes)
{
	if (entries == 0 || passes == 0)
		return false;
	out->drain_ps = ns * 1000 / entries;
	out->per_pass_x10 = entries * 10 / passes;
	return true;
}

static bool measure_alone(struct rf_ring_page *page, uint64_t entries,
			  struct result *out)
{
	struct rf_ring_consumer c;
	uint64_t pushed = 0;
	uint64_t next = 0;
	uint64_t passes = 0;
	uint64_t ns = 0;
	uint32_t nr;

	if (rf_ring_consumer_init(&c, page))
		return false;
	while (next < entries) {
		uint64_t start;

		while (push(page, pushed))
			pushed++;
		start = rf_clock_ns();
		if (!drain(&c, &next, &nr))
			return false;
		ns += rf_clock_ns() - start;
		passes++;
	}
	return tell(out, ns, next, passes);
}

static _Noreturn void fill_and_exit(struct rf_ring_page *page, uint64_t entries,
				    pid_t parent)
{
	unsigned int spins = 0;
	uint64_t i;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent) /* it died before the line above */
		_exit(1);
	for (i = 0; i < entries; i++)
		while (!push(page, i))
			relax(&spins);
	_exit(0);
}

static bool is_full(struct rf_ring_page *page)
{
	uint32_t first = __atomic_load_n(&page->first, __ATOMIC_RELAXED);
	uint32_t last = __atomic_load_n(&page->last, __ATOMIC_ACQUIRE);

	return (last + 1) % RF_RING_SLOTS == first;
}

/* Drain what the child pushes; only when the ring is full if `full_only`. */
static bool consume(struct rf_ring_page *page, uint64_t entries, bool full_only,
		    struct result *out)
{
	const uint64_t begin = rf_clock_ns();
	struct rf_ring_consumer c;
	unsigned int spins = 0;
	uint64_t drain_ns = 0;
	uint64_t passes = 0;
	uint64_t next = 0;
	uint32_t nr;

	if (rf_ring_consumer_init(&c, page))
		return false;
	while (next < entries) {
		uint64_t start;

		if (full_only ? !is_full(page) : !rf_ring_has_entries(&c)) {
			relax(&spins);
			continue;
		}
		start = full_only ? rf_clock_ns() : 0;
		if (!drain(&c, &next, &nr))
			return false;
		if (full_only)
			drain_ns += rf_clock_ns() - start;
		passes++;
	}
	if (!full_only)
		drain_ns = rf_clock_ns() - begin;
	return tell(out, drain_ns, next, passes);
}

static bool measure_across(struct rf_ring_page *page, uint64_t entries,
			   bool full_only, struct result *out)
{
	const pid_t parent = getpid();
	bool is_right;
	int status;
	pid_t pid;

	/* Whole rings, so that the last one gets full as well. */
	entries -= entries % RF_RING_USABLE;
	pid = fork();
	if (pid < 0)
		return false;
	if (pid == 0)
		fill_and_exit(page, entries, parent);
	is_right = consume(page, entries, full_only, out);
	if (!is_right)
		(void)kill(pid, SIGKILL);
	return waitpid(pid, &status, 0) == pid && is_right && status == 0;
}

static bool measure_full(struct rf_ring_page *page, uint64_t entries,
			 struct result *out)
{
	return measure_across(page, entries, true, out);
}

static bool measure_stream(struct rf_ring_page *page, uint64_t entries,
			   struct result *out)
{
	return measure_across(page, entries, false, out);
}

static const struct {
	const char *name;
	measure_fn *measure;
	const char *timed;
} rows[] = {
	{ "one process", measure_alone, "drain alone" },
	{ "two processes", measure_full, "drain alone" },
	{ "two processes, streaming", measure_stream, "push and drain" },
};

struct summary {
	uint64_t median_ps;
	uint64_t least_ps;
	uint64_t most_ps;
	uint64_t per_pass_x10;
};

static bool run_row(size_t row, uint64_t entries, uint64_t rounds,
		    struct summary *out)
{
	uint64_t samples[ROUNDS_MAX];
	struct rf_ring_page *page;
	struct result result = { 0 };
	bool is_right;
	uint64_t i;

	page = mmap(NULL, RF_RING_BYTES, PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (page == MAP_FAILED)
		return false;
	/* Warm up: caches, clocks, page tables. */
	is_right = rows[row].measure(page, entries / 10 + RF_RING_USABLE,
				     &result);
	for (i = 0; is_right && i < rounds; i++) {
		memset(page, 0, RF_RING_BYTES);
		is_right = rows[row].measure(page, entries, &result);
		samples[i] = result.drain_ps;
	}
	(void)munmap(page, RF_RING_BYTES);
	if (!is_right)
		return false;
	out->median_ps = bench_percentile(samples, rounds, 50);
	out->least_ps = samples[0];
	out->most_ps = samples[rounds - 1];
	out->per_pass_x10 = result.per_pass_x10;
	return true;
}

static void print_row(size_t row, const struct summary *s, bool json)
{
	if (json)
		(void)printf("%s{\"where\":\"%s\",\"timed\":\"%s\","
			     "\"ns_per_entry\":%.2f,\"least\":%.2f,"
			     "\"most\":%.2f,\"entries_per_pass\":%.1f}",
			     row ? "," : "", rows[row].name, rows[row].timed,
			     (double)s->median_ps / 1000,
			     (double)s->least_ps / 1000,
			     (double)s->most_ps / 1000,
			     (double)s->per_pass_x10 / 10);
	else
		(void)printf("%-25s %-15s %9.2f %9.2f %9.2f %13.1f\n",
			     rows[row].name, rows[row].timed,
			     (double)s->median_ps / 1000,
			     (double)s->least_ps / 1000,
			     (double)s->most_ps / 1000,
			     (double)s->per_pass_x10 / 10);
}

static bool show_latency(uint64_t doorbells, bool json)
{
	static struct histogram h;
	bool pinned = false;

	if (ring_latency(doorbells, &h, &pinned))
		return false;
	if (json)
		(void)printf("],\"latency\":{\"doorbells\":%llu,"
			     "\"pinned\":%s,\"median_ns\":%llu,"
			     "\"p99_ns\":%llu}}\n",
			     (unsigned long long)h.nr,
			     pinned ? "true" : "false",
			     (unsigned long long)histogram_percentile(&h, 500),
			     (unsigned long long)histogram_percentile(&h, 990));
	else
		(void)printf("\ndoorbell to callback, the device polling, two "
			     "%sprocesses: median %llu ns, 99th percentile "
			     "%llu ns\n",
			     pinned ? "pinned " : "",
			     (unsigned long long)histogram_percentile(&h, 500),
			     (unsigned long long)histogram_percentile(&h, 990));
	return true;
}

static int run(uint64_t entries, uint64_t rounds, bool json)
{
	size_t i;

	if (json)
		(void)printf("{\"bench\":\"ring\",\"entries\":%llu,"
			     "\"rounds\":%llu,\"rows\":[",
			     (unsigned long long)entries,
			     (unsigned long long)rounds);
	else
		(void)printf("%-25s %-15s %9s %9s %9s %13s\n", "where", "timed",
			     "ns/entry", "least", "most", "entries/pass");
	for (i = 0; i < RF_ARRAY_LEN(rows); i++) {
		struct summary summary;

		(void)fflush(stdout);
		if (!run_row(i, entries, rounds, &summary)) {
			(void)fprintf(stderr,
				      "ringfence-bench: %s: the ring lost or "
				      "turned round an entry\n",
				      rows[i].name);
			return EXIT_FAILURE;
		}
		print_row(i, &summary, json);
	}
	(void)fflush(stdout);
	if (!show_latency(entries / DOORBELL_SHARE, json)) {
		(void)fprintf(stderr,
			      "ringfence-bench: latency: the ring lost or "
			      "turned round an entry\n");
		return EXIT_FAILURE;
	}
	return EXIT_SUCCESS;
}

static const char help[] =
	"usage: ringfence-bench ring [--entries N] [--rounds N] [--json]\n"
	"  --entries N  entries through the ring in a round (default 1000000)\n"
	"  --rounds N   rounds; the median is shown, with least and most\n"
	"               (default 9)\n"
	"  --json       for programs\n"
	"All times are ns an entry. Each entry is checked to be the next "
	"one.\nLast the time from a tenth as many doorbells, one by one, to "
	"the callback of a\ndevice that polls.\n";

int bench_ring(int argc, char **argv)
{
	static const struct option options[] = {
		{ "entries", required_argument, NULL, 'e' },
		{ "rounds", required_argument, NULL, 'r' },
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	uint64_t entries = 1000000;
	uint64_t rounds = 9;
	bool json = false;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'e':
			if (!bench_number("--entries", optarg, RF_RING_USABLE,
					  1000000000, &entries))
				return BENCH_MISUSE;
			break;
		case 'r':
			if (!bench_number("--rounds", optarg, 1, ROUNDS_MAX,
					  &rounds))
				return BENCH_MISUSE;
			break;
		case 'j':
			json = true;
			break;
		case 'h':
			(void)fputs(help, stdout);
			return EXIT_SUCCESS;
		default:
			(void)fputs(help, stderr);
			return BENCH_MISUSE;
		}
	}
	if (optind != argc) {
		(void)fputs(help, stderr);
		return BENCH_MISUSE;
	}
	return run(entries, rounds, json);
}
