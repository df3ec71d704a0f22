/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * test_alone.c - how a back-end without a launcher takes the end of the process
 * that served, and reads its arguments; all else of alone.c has its real
 * connections in tests/process/test_blk_alone.c
 *
 * The source is part of this file: no front-end can make a flush fail.
 */
/* NOLINTNEXTLINE(bugprone-suspicious-include) */
#include "../../devices/blk/alone.c"

#include <stdlib.h>

#include "unit/unit.h"

static struct alone alone;

/* A process that served, and what it reported. */
static void serve_and_end(uint64_t flushes_failed, int status)
{
	struct rf_report *report = mmap(NULL, RF_REPORT_BYTES,
					PROT_READ | PROT_WRITE,
					MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	ck_assert_ptr_ne(report, MAP_FAILED);
	report->flushes_failed = flushes_failed;
	alone = (struct alone){ .report = report,
				.pidfd = -1,
				.connection = -1,
				.o.image = "image" };
	(void)fflush(stdout);
	alone.pid = fork();
	ck_assert_int_ge(alone.pid, 0);
	if (alone.pid == 0)
		_exit(status);
	while (alone.pid) {
		pause_ms(1);
		take_ends(&alone);
	}
	ck_assert_ptr_null(alone.report);
}

START_TEST(after_an_end_of_any_kind_the_next_is_served)
{
	serve_and_end(0, 0);
	ck_assert(!alone.is_ending && !alone.has_lost);
	serve_and_end(0, 1);
	ck_assert(!alone.is_ending && !alone.has_lost);
}
END_TEST

START_TEST(after_a_failed_flush_nobody_is_served)
{
	serve_and_end(1, 0);
	ck_assert(alone.is_ending);
	ck_assert(alone.has_lost);
}
END_TEST

static struct alone_options parsed;

static void parse(int argc, const char *const *argv)
{
	alone_options_parse(argc, (char **)(uintptr_t)argv, &parsed);
}

START_TEST(the_last_rate_said_is_the_one_that_holds)
{
	static const char *const argv[] = { "ringfence-blk",
					    "--socket",
					    "s",
					    "--image",
					    "i",
					    "--ops",
					    "5,10",
					    "--ops",
					    "7",
					    "--bytes",
					    "1125899906842624,3",
					    "--direct",
					    NULL };

	parse(RF_ARRAY_LEN(argv) - 1, argv);
	ck_assert_uint_eq(parsed.limits.ops_per_s, 7);
	ck_assert_uint_eq(parsed.limits.ops_burst, 0);
	ck_assert_uint_eq(parsed.limits.bytes_per_s, RF_RATE_MAX);
	ck_assert_uint_eq(parsed.limits.bytes_burst, 3);
	ck_assert(parsed.has_limits && parsed.direct && !parsed.read_only);
}
END_TEST

/* What the serving process gets: none of ours, and what is said for it. */
START_TEST(the_rest_is_passed_on)
{
	static const char *const argv[] = {
		"ringfence-blk", "--queues", "2", "--socket", "s", "--ops", "0",
		"--read-only",	 "--image",  "i", NULL
	};
	static const char *const want[] = { "ringfence-blk", "--queues", "2",
					    "--read-only",   "--index",	 "0" };
	size_t i;

	parse(RF_ARRAY_LEN(argv) - 1, argv);
	ck_assert(!parsed.has_limits && parsed.read_only);
	ck_assert_int_eq(parsed.nr_args, RF_ARRAY_LEN(want));
	for (i = 0; i < RF_ARRAY_LEN(want); i++)
		ck_assert_str_eq(parsed.args[i], want[i]);
	ck_assert_ptr_null(parsed.args[i]);
}
END_TEST

/* Without a limit of its own it still gets the page: one may come. */
START_TEST(with_a_control_socket_there_are_limits_to_look_at)
{
	static const char *const argv[] = {
		"ringfence-blk", "--socket", "s", "--control", "c",
		"--image",	 "i",	     NULL
	};

	parse(RF_ARRAY_LEN(argv) - 1, argv);
	ck_assert_str_eq(parsed.control, "c");
	ck_assert(parsed.has_limits);
	ck_assert_str_eq(parsed.args[1], "--limits");
	ck_assert_str_eq(parsed.args[2], "--index");
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		after_an_end_of_any_kind_the_next_is_served,
		after_a_failed_flush_nobody_is_served,
		the_last_rate_said_is_the_one_that_holds,
		the_rest_is_passed_on,
		with_a_control_socket_there_are_limits_to_look_at,
	};

	return unit_run("alone", tests, RF_ARRAY_LEN(tests));
}
