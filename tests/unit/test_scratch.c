/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * test_scratch.c - twin of src/launcher/scratch.c: images that are nearly right
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "driver/plan.h"
#include "launcher/scratch.h"
#include "unit/unit.h"

#define BYTES (2u << 20)
#define CAPACITY (BYTES / PLAN_SECTOR_BYTES)

static struct complaint c;

/* What a guest that works writes. */
static int write_image(uint32_t rounds)
{
	struct plan_extent extents[PLAN_EXTENTS_MAX];
	uint32_t words[PLAN_SECTOR_WORDS];
	const char *where;
	uint32_t round;
	uint32_t nr;
	uint32_t i;
	uint32_t j;
	int fd;

	ck_assert_int_eq(scratch_open(BYTES, &fd, &where, &c), 0);
	for (round = 0; round < rounds; round++) {
		nr = plan_round(CAPACITY, round, extents);
		for (i = 0; i < nr; i++) {
			for (j = 0; j < extents[i].nr_sectors; j++) {
				uint64_t sector = extents[i].sector + j;

				plan_fill(words, plan_seed(sector, round, 0));
				ck_assert_int_eq(
					pwrite(fd, words, sizeof(words),
					       (off_t)(sector * sizeof(words))),
					sizeof(words));
			}
		}
	}
	return fd;
}

START_TEST(what_the_guest_writes_is_accepted)
{
	int fd = write_image(2);

	ck_assert_msg(scratch_check(fd, 2, &c) == 0, "%s", c.text);
	(void)close(fd);
}
END_TEST

START_TEST(a_flipped_bit_anywhere_is_seen)
{
	static const off_t places[] = { 0, 511, 512, BYTES / 2, BYTES - 1 };
	int fd = write_image(2);
	char byte;
	size_t i;

	for (i = 0; i < RF_ARRAY_LEN(places); i++) {
		ck_assert_int_eq(pread(fd, &byte, 1, places[i]), 1);
		byte ^= 1;
		ck_assert_int_eq(pwrite(fd, &byte, 1, places[i]), 1);
		ck_assert_int_eq(scratch_check(fd, 2, &c), -EINVAL);
		byte ^= 1;
		ck_assert_int_eq(pwrite(fd, &byte, 1, places[i]), 1);
	}
	ck_assert_int_eq(scratch_check(fd, 2, &c), 0);
	(void)close(fd);
}
END_TEST

START_TEST(another_number_of_rounds_is_seen)
{
	int fd = write_image(2);

	ck_assert_int_eq(scratch_check(fd, 1, &c), -EINVAL);
	ck_assert_int_eq(scratch_check(fd, 3, &c), -EINVAL);
	ck_assert_int_eq(scratch_check(fd, 0, &c), -EINVAL);
	(void)close(fd);
}
END_TEST

START_TEST(two_sectors_that_changed_places_are_seen)
{
	char a[PLAN_SECTOR_BYTES];
	char b[PLAN_SECTOR_BYTES];
	const off_t last = BYTES - PLAN_SECTOR_BYTES;
	int fd = write_image(1);

	ck_assert_int_eq(pread(fd, a, sizeof(a), 0), sizeof(a));
	ck_assert_int_eq(pread(fd, b, sizeof(b), last), sizeof(b));
	ck_assert_int_eq(pwrite(fd, b, sizeof(b), 0), sizeof(b));
	ck_assert_int_eq(pwrite(fd, a, sizeof(a), last), sizeof(a));
	ck_assert_int_eq(scratch_check(fd, 1, &c), -EINVAL);
	ck_assert_ptr_nonnull(strstr(c.text, "sector 0 "));
	(void)close(fd);
}
END_TEST

START_TEST(a_scratch_disk_has_no_name)
{
	const char *where;
	struct stat st;
	int fd;

	ck_assert_int_eq(scratch_open(BYTES, &fd, &where, &c), 0);
	ck_assert_int_eq(fstat(fd, &st), 0);
	ck_assert_uint_eq(st.st_nlink, 0);
	ck_assert_int_eq(st.st_size, BYTES);
	(void)close(fd);
}
END_TEST

START_TEST(compared_bytes_are_counted_by_round)
{
	ck_assert_uint_eq(scratch_compared_bytes(BYTES, 0), 0);
	ck_assert_uint_gt(scratch_compared_bytes(BYTES, 1), 64ul * 1024);
	ck_assert_uint_eq(scratch_compared_bytes(BYTES, 2),
			  2 * scratch_compared_bytes(BYTES, 1));
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		what_the_guest_writes_is_accepted,
		a_flipped_bit_anywhere_is_seen,
		another_number_of_rounds_is_seen,
		two_sectors_that_changed_places_are_seen,
		a_scratch_disk_has_no_name,
		compared_bytes_are_counted_by_round,
	};

	return unit_run("scratch", tests, RF_ARRAY_LEN(tests));
}
