/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * test_syscalls.c - twin of src/launcher/syscalls.c
 */
#include <limits.h>
#include <string.h>
#include <sys/syscall.h>

#include "launcher/syscalls.h"
#include "unit/unit.h"

static const char *describe(int nr, bool is_i386)
{
	static char out[64];

	syscalls_describe(nr, is_i386, out, sizeof(out));
	return out;
}

START_TEST(names_are_those_of_the_headers)
{
	ck_assert_str_eq(syscalls_name(SYS_read), "read");
	ck_assert_str_eq(syscalls_name(SYS_socket), "socket");
	ck_assert_str_eq(syscalls_name(SYS_io_uring_setup), "io_uring_setup");
	ck_assert_str_eq(describe(SYS_socket, false), "syscall 41 (socket)");
}
END_TEST

START_TEST(numbers_without_a_name_are_still_told)
{
	ck_assert_ptr_null(syscalls_name(400)); /* a gap in the table */
	ck_assert_ptr_null(syscalls_name(100000));
	ck_assert_ptr_null(syscalls_name(-1));
	ck_assert_ptr_null(syscalls_name(INT_MIN));
	ck_assert_str_eq(describe(100000, false), "syscall 100000 (unknown)");
	ck_assert_str_eq(describe(-1, false), "syscall -1 (unknown)");
}
END_TEST

START_TEST(calls_of_other_tables_are_told_apart)
{
	ck_assert_str_eq(describe(41 | SYSCALLS_X32_BIT, false),
			 "syscall 41 (x32: socket)");
	/* 41 is dup there. */
	ck_assert_str_eq(describe(41, true), "i386 syscall 41");
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		names_are_those_of_the_headers,
		numbers_without_a_name_are_still_told,
		calls_of_other_tables_are_told_apart,
	};

	return unit_run("syscalls", tests, RF_ARRAY_LEN(tests));
}
