/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * test_limits.c - one page, one writer, and readers who can only read
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <ringfence/limits.h>

#include "base/memfd.h"
#include "unit/unit.h"

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

START_TEST(what_the_writer_says_the_reader_sees)
{
	const struct rf_limits *reader = NULL;
	struct rf_limits *writer = NULL;
	int fd = -1;

	ck_assert_int_eq(rf_limits_new(&fd, &writer), 0);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(rf_limits_map(fd, &reader), 0);
	ck_assert(!is_open(fd));
	ck_assert_uint_eq(atomic_load(&reader->ops_per_s), 0);
	atomic_store(&writer->ops_per_s, 1000);
	atomic_store(&writer->bytes_burst, 77);
	ck_assert_uint_eq(atomic_load(&reader->ops_per_s), 1000);
	ck_assert_uint_eq(atomic_load(&reader->bytes_burst), 77);
	munmap(writer, RF_LIMITS_BYTES);
}
END_TEST

START_TEST(only_what_is_named_is_set)
{
	const struct rf_rates rates = { 1, 2, 3, 4 };
	struct rf_limits page = { 10, 20, 30, 40 };
	struct rf_rates now;

	rf_limits_set(&page, &rates, 0);
	rf_limits_get(&page, &now);
	ck_assert_uint_eq(now.ops_per_s + now.ops_burst + now.bytes_per_s +
				  now.bytes_burst,
			  100);
	rf_limits_set(&page, &rates, RF_LIMIT_OPS | RF_LIMIT_BYTES_BURST);
	rf_limits_get(&page, &now);
	ck_assert_uint_eq(now.ops_per_s, 1);
	ck_assert_uint_eq(now.ops_burst, 20);
	ck_assert_uint_eq(now.bytes_per_s, 30);
	ck_assert_uint_eq(now.bytes_burst, 4);
	rf_limits_set(&page, &rates, RF_LIMIT_OPS_BURST | RF_LIMIT_BYTES);
	rf_limits_get(&page, &now);
	ck_assert_mem_eq(&now, &rates, sizeof(rates));
}
END_TEST

START_TEST(nobody_else_can_write_or_shrink_the_page)
{
	struct rf_limits *writer = NULL;
	int fd = -1;

	ck_assert_int_eq(rf_limits_new(&fd, &writer), 0);
	ck_assert_ptr_eq(mmap(NULL, RF_LIMITS_BYTES, PROT_READ | PROT_WRITE,
			      MAP_SHARED, fd, 0),
			 MAP_FAILED);
	ck_assert_int_eq(errno, EPERM);
	ck_assert_int_lt(pwrite(fd, "x", 1, 0), 0);
	ck_assert_int_lt(ftruncate(fd, 0), 0);
	ck_assert_int_lt(ftruncate(fd, 1 << 20), 0);
	/* The launcher's own mapping still writes. */
	atomic_store(&writer->ops_per_s, 1);
	ck_assert_uint_eq(atomic_load(&writer->ops_per_s), 1);
	munmap(writer, RF_LIMITS_BYTES);
	close(fd);
}
END_TEST

START_TEST(pages_that_could_shrink_or_are_short_are_refused_and_closed)
{
	const struct rf_limits *out = NULL;
	int fd = memfd_create("limits", MFD_ALLOW_SEALING);

	ck_assert_int_eq(ftruncate(fd, RF_LIMITS_BYTES), 0);
	ck_assert_int_eq(rf_limits_map(fd, &out), -EPERM);
	ck_assert(!is_open(fd));
	ck_assert_int_eq(memfd_new("limits", RF_LIMITS_BYTES - 1, &fd), 0);
	ck_assert_int_eq(rf_limits_map(fd, &out), -ERANGE);
	ck_assert(!is_open(fd));
	fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	ck_assert_int_eq(rf_limits_map(fd, &out), -EPERM);
	ck_assert(!is_open(fd));
	ck_assert_int_eq(rf_limits_map(-1, &out), -EBADF);
	ck_assert_ptr_null(out);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		what_the_writer_says_the_reader_sees,
		only_what_is_named_is_set,
		nobody_else_can_write_or_shrink_the_page,
		pages_that_could_shrink_or_are_short_are_refused_and_closed,
	};

	return unit_run("limits", tests, RF_ARRAY_LEN(tests));
}
