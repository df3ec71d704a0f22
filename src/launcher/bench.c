/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * bench.c - `ringfence bench`: become the program that measures
 *
 * Side:    launcher.
 * Owns:    nothing.
 * Callers: main.c.
 * Never:   measures: a bench would weigh on a program that people trust.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "launcher/images.h"
#include "launcher/run.h"

#define ARGUMENTS_MAX 64

static const char bench_help[] =
	"usage: ringfence bench WHAT [options]\n"
	"\n"
	"Runs ringfence-bench, which is built beside this program and tells "
	"what it can\nmeasure: `ringfence bench --help`.\n";

int cmd_bench(int argc, char *const *argv)
{
	static char name[] = "ringfence-bench";
	static char *no_environment[] = { NULL };
	char *args[ARGUMENTS_MAX + 2] = { name };
	struct complaint c = { "" };
	rf_autofd exe = -1;
	int i;

	if (argc > ARGUMENTS_MAX) {
		say("bench: more than %d arguments", ARGUMENTS_MAX);
		return SAY_USAGE;
	}
	if (images_open_program(name, &exe, &c) < 0) {
		(void)fputs(bench_help, stdout);
		(void)fflush(stdout);
		say("bench: %s", c.text);
		return SAY_FAILED;
	}
	for (i = 0; i < argc; i++)
		args[1 + i] = argv[i];
	(void)fexecve(exe, args, environ ? environ : no_environment);
	say("bench: %s: %s", name, strerror(errno));
	return SAY_FAILED;
}
