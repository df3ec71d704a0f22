/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * test_log.c - one line, one write, nothing a terminal could obey
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include <ringfence/fence.h>
#include <ringfence/log.h>

#include "unit/unit.h"

/* Packets keep writes apart: one read gives what one write(2) put in. */
static int packets;

static void catch_log(void)
{
	int fds[2];

	ck_assert_int_eq(pipe2(fds, O_DIRECT | O_NONBLOCK), 0);
	ck_assert_int_eq(dup2(fds[1], RF_FD_LOG), RF_FD_LOG);
	close(fds[1]);
	packets = fds[0];
}

static const char *next_line(void)
{
	static char line[PIPE_BUF + 1];
	ssize_t n = read(packets, line, PIPE_BUF);

	if (n < 0)
		return NULL;
	line[n] = '\0';
	return line;
}

START_TEST(line_names_the_process_and_ends_once)
{
	catch_log();
	rf_log("hello %d", 5);
	ck_assert_str_eq(next_line(), "ringfence: hello 5\n");
	rf_log_name("rf-blk", 2);
	rf_log("queue %u", 0u);
	ck_assert_str_eq(next_line(), "rf-blk[2]: queue 0\n");
	rf_log_name("vmm", -1);
	rf_log("%s", "");
	ck_assert_str_eq(next_line(), "vmm: \n");
	ck_assert_ptr_null(next_line());
}
END_TEST

START_TEST(long_name_is_cut)
{
	catch_log();
	rf_log_name("a-name-that-goes-on-and-on", INT_MAX);
	rf_log("x");
	ck_assert_str_eq(next_line(), "a-name-that-goe[2147483647]: x\n");
}
END_TEST

START_TEST(long_line_is_cut_and_says_so)
{
	char text[1000];
	size_t len;

	catch_log();
	/* Prefix "ringfence: " is 11 bytes; the newline takes one. */
	for (len = 240; len < 250; len++) {
		const size_t fits = RF_LOG_LINE_BYTES - 1 - 11;
		const char *line;

		memset(text, 'a', len);
		text[len] = '\0';
		rf_log("%s", text);
		line = next_line();
		ck_assert_ptr_nonnull(line);
		ck_assert_uint_le(strlen(line), RF_LOG_LINE_BYTES);
		if (len <= fits) {
			ck_assert_uint_eq(strlen(line), 11 + len + 1);
			ck_assert_ptr_null(strstr(line, "..."));
		} else {
			ck_assert_uint_eq(strlen(line), RF_LOG_LINE_BYTES);
			ck_assert_str_eq(line + RF_LOG_LINE_BYTES - 5,
					 "a...\n");
		}
	}
	memset(text, 'b', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	rf_log("%s%s", text, text);
	ck_assert_uint_eq(strlen(next_line()), RF_LOG_LINE_BYTES);
}
END_TEST

START_TEST(guest_bytes_cannot_drive_a_terminal)
{
	catch_log();
	rf_log("serial \"%s\"", "\x1b[2J\r\n\x7f\x80\xff ~!\t");
	ck_assert_str_eq(next_line(), "ringfence: serial \"?[2J????? ~!?\"\n");
}
END_TEST

START_TEST(errno_survives_and_a_dead_log_hurts_nobody)
{
	struct rf_log_limit limit = { 0 };

	catch_log();
	close(RF_FD_LOG);
	errno = EXDEV;
	rf_log("nobody hears %d", 1);
	ck_assert_int_eq(errno, EXDEV);
	rf_log_limited(&limit, 1, "nor %d", 2);
	rf_log_limited(&limit, 1, "nor %d", 3);
	rf_log_limited(&limit, 1, "nor %d", 4);
	ck_assert_int_eq(errno, EXDEV);
}
END_TEST

START_TEST(limited_site_speaks_burst_times_then_says_so_once)
{
	static struct rf_log_limit limit;
	int i;

	catch_log();
	for (i = 0; i < 100; i++)
		rf_log_limited(&limit, 3, "lie %d", i);
	ck_assert_str_eq(next_line(), "ringfence: lie 0\n");
	ck_assert_str_eq(next_line(), "ringfence: lie 1\n");
	ck_assert_str_eq(next_line(), "ringfence: lie 2\n");
	ck_assert_ptr_nonnull(strstr(next_line(), "held back"));
	ck_assert_ptr_null(next_line());
}
END_TEST

START_TEST(refill_lets_every_site_speak_again)
{
	static struct rf_log_limit a;
	static struct rf_log_limit b;
	int round;

	catch_log();
	for (round = 0; round < 3; round++) {
		rf_log_limited(&a, 1, "a");
		rf_log_limited(&b, 0, "b");
		rf_log_limited(&a, 1, "a again");
		rf_log_limited(&a, 1, "a again");
		ck_assert_str_eq(next_line(), "ringfence: a\n");
		ck_assert_ptr_nonnull(strstr(next_line(), "last 0 are held"));
		ck_assert_ptr_nonnull(strstr(next_line(), "last 1 are held"));
		ck_assert_ptr_null(next_line());
		rf_log_refill();
	}
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		line_names_the_process_and_ends_once,
		long_name_is_cut,
		long_line_is_cut_and_says_so,
		guest_bytes_cannot_drive_a_terminal,
		errno_survives_and_a_dead_log_hurts_nobody,
		limited_site_speaks_burst_times_then_says_so_once,
		refill_lets_every_site_speak_again,
	};

	return unit_run("log", tests, RF_ARRAY_LEN(tests));
}
