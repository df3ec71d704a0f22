/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * main.c - ringfence-bench: one subcommand a bench
 */
#include <stdio.h>
#include <string.h>

#include "bench/bench.h"

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *what;
} benches[] = {
	{ "ring", bench_ring, "drain the ring, in one process and across two" },
	{ "doorbell", bench_doorbell,
	  "from a guest's notify write to the device process, kind by kind" },
	{ "exits", bench_exits,
	  "exits to userspace for a request, by doorbell and registers" },
	{ "blk", bench_blk,
	  "a vhost-user-blk back-end, and ours against another" },
};

static void usage(FILE *to)
{
	size_t i;

	(void)fprintf(to, "usage: ringfence-bench BENCH [OPTION...]\n");
	for (i = 0; i < RF_ARRAY_LEN(benches); i++)
		(void)fprintf(to, "  %-9s %s\n", benches[i].name,
			      benches[i].what);
	(void)fprintf(to, "ringfence-bench BENCH --help tells more.\n");
}

int main(int argc, char **argv)
{
	size_t i;

	if (argc > 1 && strcmp(argv[1], "--help") == 0) {
		usage(stdout);
		return 0;
	}
	for (i = 0; argc > 1 && i < RF_ARRAY_LEN(benches); i++)
		if (strcmp(argv[1], benches[i].name) == 0)
			return benches[i].run(argc - 1, argv + 1);
	usage(stderr);
	return BENCH_MISUSE;
}
