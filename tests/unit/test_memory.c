/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * test_memory.c - guest RAM and what lies beside it
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <ringfence/vhost_user.h>

#include "unit/unit.h"
#include "vmm/memory.h"

#define MIB (1ull << 20)

START_TEST(small_memory_is_one_region)
{
	struct memory mem;

	ck_assert_int_eq(memory_new(4 * MIB, -1, &mem), 0);
	ck_assert_uint_eq(mem.nr_regions, 1);
	ck_assert_uint_eq(mem.regions[0].gpa, 0);
	ck_assert_uint_eq(mem.regions[0].bytes, 4 * MIB);
	/* Devices must be able to trust its size. */
	ck_assert_int_eq(rf_vhost_user_check_seals(mem.fd), 0);
	memory_free(&mem);
	ck_assert_int_eq(mem.fd, -1);
}
END_TEST

START_TEST(large_memory_leaves_the_hole_out)
{
	struct memory mem;
	uint8_t *low, *high;

	ck_assert_int_eq(memory_new(MEMORY_HOLE_START + 4 * MIB, -1, &mem), 0);
	ck_assert_uint_eq(mem.nr_regions, 2);
	ck_assert_uint_eq(mem.regions[1].gpa, MEMORY_HIGH_START);
	ck_assert_uint_eq(mem.regions[1].bytes, 4 * MIB);
	ck_assert_uint_eq(mem.regions[1].offset, MEMORY_HOLE_START);
	ck_assert_int_eq(memory_at(&mem, MEMORY_HOLE_START - 1, 1, &low), 0);
	ck_assert_int_eq(memory_at(&mem, MEMORY_HIGH_START, 1, &high), 0);
	/* Neighbours here, 1 GiB apart for the guest. */
	ck_assert_ptr_eq(low + 1, high);
	ck_assert_int_eq(memory_at(&mem, MEMORY_HOLE_START - 1, 2, &low),
			 -ERANGE);
	ck_assert_int_eq(memory_at(&mem, MEMORY_HOLE_START, 1, &low), -ERANGE);
	ck_assert_int_eq(memory_at(&mem, MEMORY_HIGH_START - 1, 1, &low),
			 -ERANGE);
	ck_assert_int_eq(memory_at(&mem, MEMORY_HIGH_START + 4 * MIB, 1, &low),
			 -ERANGE);
	memory_free(&mem);
}
END_TEST

START_TEST(sizes_that_make_no_sense_are_refused)
{
	static const uint64_t sizes[] = {
		0,
		1,
		4096,
		MEMORY_BYTES_MIN - 4096,
		MEMORY_BYTES_MIN + 1,
		MEMORY_BYTES_MAX + 4096,
		UINT64_MAX,
		UINT64_MAX - 4095,
	};
	struct memory mem = { .fd = 1234 };
	size_t i;

	for (i = 0; i < RF_ARRAY_LEN(sizes); i++)
		ck_assert_int_eq(memory_new(sizes[i], -1, &mem), -EINVAL);
	ck_assert_int_eq(mem.fd, 1234);
}
END_TEST

START_TEST(ranges_are_judged_without_adding)
{
	static const struct {
		uint64_t gpa, len;
		int rc;
	} cases[] = {
		{ 0, 0, 0 },
		{ 0, 4 * MIB, 0 },
		{ 4 * MIB, 0, 0 },
		{ 4 * MIB - 1, 1, 0 },
		{ 0, 4 * MIB + 1, -ERANGE },
		{ 1, 4 * MIB, -ERANGE },
		{ 4 * MIB, 1, -ERANGE },
		{ 4 * MIB + 1, 0, -ERANGE },
		{ UINT64_MAX, 1, -ERANGE },
		{ UINT64_MAX, 2, -ERANGE },
		{ 4096, UINT64_MAX, -ERANGE },
		{ 4096, UINT64_MAX - 4095, -ERANGE },
		{ UINT64_MAX - 4095, 8192, -ERANGE },
	};
	struct memory mem;
	uint8_t *at;
	size_t i;

	ck_assert_int_eq(memory_new(4 * MIB, -1, &mem), 0);
	for (i = 0; i < RF_ARRAY_LEN(cases); i++) {
		at = NULL;
		ck_assert_int_eq(
			memory_at(&mem, cases[i].gpa, cases[i].len, &at),
			cases[i].rc);
		ck_assert_ptr_eq(at, cases[i].rc == 0 ? mem.base + cases[i].gpa
						      : NULL);
	}
	memory_free(&mem);
}
END_TEST

START_TEST(copies_happen_whole_or_not_at_all)
{
	const uint8_t from[16] = "sixteen letters";
	uint8_t to[16] = { 0 };
	struct memory mem;
	uint8_t *end;

	ck_assert_int_eq(memory_new(4 * MIB, -1, &mem), 0);
	ck_assert_int_eq(memory_write(&mem, 4 * MIB - 16, from, 16), 0);
	ck_assert_int_eq(memory_read(&mem, 4 * MIB - 16, to, 16), 0);
	ck_assert_mem_eq(to, from, 16);
	ck_assert_int_eq(memory_at(&mem, 4 * MIB - 15, 1, &end), 0);
	ck_assert_int_eq(memory_write(&mem, 4 * MIB - 15, from, 16), -ERANGE);
	ck_assert_uint_eq(end[0], 'i');
	memset(to, 0, sizeof(to));
	ck_assert_int_eq(memory_read(&mem, 4 * MIB - 15, to, 16), -ERANGE);
	ck_assert_uint_eq(to[0], 0);
	memory_free(&mem);
}
END_TEST

START_TEST(a_file_fills_memory_or_is_too_short)
{
	rf_autofd fd = memfd_create("file", MFD_CLOEXEC);
	struct memory mem;
	uint8_t *at;

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(pwrite(fd, "0123456789", 10, 0), 10);
	ck_assert_int_eq(memory_new(4 * MIB, -1, &mem), 0);
	ck_assert_int_eq(memory_pread(&mem, 4096, fd, 2, 8), 0);
	ck_assert_int_eq(memory_at(&mem, 4096, 9, &at), 0);
	ck_assert_mem_eq(at, "23456789\0", 9);
	ck_assert_int_eq(memory_pread(&mem, 4096, fd, 2, 9), -EPROTO);
	ck_assert_int_eq(memory_pread(&mem, 4096, fd, UINT64_MAX, 1), -EPROTO);
	ck_assert_int_eq(memory_pread(&mem, 4096, fd, INT64_MAX, 1), -EPROTO);
	ck_assert_int_eq(memory_pread(&mem, 4 * MIB, fd, 0, 1), -ERANGE);
	ck_assert_int_eq(memory_pread(&mem, 4096, -1, 0, 1), -EBADF);
	memory_free(&mem);
}
END_TEST

START_TEST(the_descriptor_goes_to_its_place)
{
	struct memory mem;

	ck_assert_int_eq(memory_new(4 * MIB, 77, &mem), 0);
	ck_assert_int_eq(mem.fd, 77);
	ck_assert_int_eq(fcntl(77, F_GETFD), FD_CLOEXEC);
	memory_free(&mem);
	ck_assert_int_eq(fcntl(77, F_GETFD), -1);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		small_memory_is_one_region,
		large_memory_leaves_the_hole_out,
		sizes_that_make_no_sense_are_refused,
		ranges_are_judged_without_adding,
		copies_happen_whole_or_not_at_all,
		a_file_fills_memory_or_is_too_short,
		the_descriptor_goes_to_its_place,
	};

	return unit_run("memory", tests, RF_ARRAY_LEN(tests));
}
