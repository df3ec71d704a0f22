/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * test_memfd.c - shared memory that cannot change its size
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memfd.h"
#include "unit/unit.h"

START_TEST(memory_is_zeroed_and_its_size_is_sealed)
{
	rf_autofd fd = -1;
	struct stat st;
	uint64_t word = 1;

	ck_assert_int_eq(memfd_new("test", 8192, &fd), 0);
	ck_assert_int_eq(fstat(fd, &st), 0);
	ck_assert_int_eq(st.st_size, 8192);
	ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
	ck_assert_int_eq(pread(fd, &word, sizeof(word), 8184), sizeof(word));
	ck_assert_uint_eq(word, 0);
	ck_assert_int_eq(ftruncate(fd, 4096), -1);
	ck_assert_int_eq(errno, EPERM);
	ck_assert_int_eq(ftruncate(fd, 16384), -1);
	ck_assert_int_eq(errno, EPERM);
	/* Nor can it be sealed against our own writing. */
	ck_assert_int_eq(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), -1);
	ck_assert_int_eq(pwrite(fd, &word, sizeof(word), 0), sizeof(word));
}
END_TEST

START_TEST(sizes_that_are_none_are_refused)
{
	int fd = 1234;

	ck_assert_int_eq(memfd_new("test", 0, &fd), -EINVAL);
	ck_assert_int_eq(memfd_new("test", UINT64_MAX, &fd), -EINVAL);
	ck_assert_int_eq(memfd_new("test", 1ull << 63, &fd), -EINVAL);
	ck_assert_int_eq(fd, 1234);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		memory_is_zeroed_and_its_size_is_sealed,
		sizes_that_are_none_are_refused,
	};

	return unit_run("memfd", tests, RF_ARRAY_LEN(tests));
}
