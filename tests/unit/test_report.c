/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * test_report.c - the page is shared, and only one that cannot shrink is mapped
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include <ringfence/report.h>

#include "base/memfd.h"
#include "unit/unit.h"

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

START_TEST(two_mappings_see_the_same_counters)
{
	struct rf_report *writer = NULL;
	struct rf_report *reader = NULL;
	int fd;
	int second;

	ck_assert_int_eq(memfd_new("report", RF_REPORT_BYTES, &fd), 0);
	second = dup(fd);
	ck_assert_int_eq(rf_report_map(fd, &writer), 0);
	ck_assert_int_eq(rf_report_map(second, &reader), 0);
	ck_assert(!is_open(fd));
	ck_assert(!is_open(second));
	RF_REPORT_ADD(writer, requests, 2);
	RF_REPORT_ADD(writer, requests, 3);
	RF_REPORT_SET(writer, sealed_ns, 77);
	ck_assert_uint_eq(reader->requests, 5);
	ck_assert_uint_eq(reader->sealed_ns, 77);
	ck_assert_uint_eq(reader->exits, 0);
	munmap(writer, RF_REPORT_BYTES);
	munmap(reader, RF_REPORT_BYTES);
}
END_TEST

START_TEST(no_report_is_no_error)
{
	struct rf_report *none = NULL;

	RF_REPORT_ADD(none, requests, 1);
	RF_REPORT_SET(none, requests, 1);
}
END_TEST

START_TEST(page_that_could_shrink_is_refused_and_closed)
{
	struct rf_report *out = NULL;
	int fd = memfd_create("report", MFD_ALLOW_SEALING);
	FILE *file = tmpfile();

	ck_assert_int_eq(ftruncate(fd, RF_REPORT_BYTES), 0);
	ck_assert_int_eq(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW), 0);
	ck_assert_int_eq(rf_report_map(fd, &out), -EPERM);
	ck_assert(!is_open(fd));
	/* A file, and a pipe, which have no seals at all. */
	ck_assert_ptr_nonnull(file);
	fd = dup(fileno(file));
	ck_assert_int_eq(ftruncate(fd, RF_REPORT_BYTES), 0);
	ck_assert_int_eq(rf_report_map(fd, &out), -EPERM);
	ck_assert(!is_open(fd));
	(void)fclose(file);
	ck_assert_ptr_null(out);
}
END_TEST

START_TEST(short_page_is_refused_and_closed)
{
	struct rf_report *out = NULL;
	int fd;

	ck_assert_int_eq(memfd_new("report", RF_REPORT_BYTES - 1, &fd), 0);
	ck_assert_int_eq(rf_report_map(fd, &out), -ERANGE);
	ck_assert(!is_open(fd));
	ck_assert_int_eq(rf_report_map(-1, &out), -EBADF);
	ck_assert_ptr_null(out);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		two_mappings_see_the_same_counters,
		no_report_is_no_error,
		page_that_could_shrink_is_refused_and_closed,
		short_page_is_refused_and_closed,
	};

	return unit_run("report", tests, RF_ARRAY_LEN(tests));
}
