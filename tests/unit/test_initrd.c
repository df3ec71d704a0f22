/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * test_initrd.c - an initramfs finds its place, or is told why not
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "unit/unit.h"
#include "vmm/initrd.h"
#include "vmm/memmap.h"

#define MEMORY (4u << 20)

static struct memory mem;
static char why[INITRD_WHY_BYTES];

static int place(uint64_t start, uint64_t last, uint64_t bytes, uint64_t *gpa)
{
	const struct initrd_room room = { .start = start, .last = last };
	uint64_t left = 0;

	return initrd_place(&mem, &room, bytes, gpa, &left);
}

START_TEST(it_goes_as_high_as_it_may_on_a_page_of_its_own)
{
	uint64_t gpa = 0;

	ck_assert_int_eq(memory_new(MEMORY, -1, &mem), 0);
	ck_assert_int_eq(place(0x180000, UINT32_MAX, 1, &gpa), 0);
	ck_assert_uint_eq(gpa, MEMORY - 4096);
	ck_assert_int_eq(place(0x180000, UINT64_MAX, 4097, &gpa), 0);
	ck_assert_uint_eq(gpa, MEMORY - 8192);
	ck_assert_int_eq(place(0x180000, MEMORY - 1, 4096, &gpa), 0);
	ck_assert_uint_eq(gpa, MEMORY - 4096);
	ck_assert_int_eq(place(0x180000, 0x1fffff, 4096, &gpa), 0);
	ck_assert_uint_eq(gpa, 0x1ff000);
	ck_assert_int_eq(place(0x180000, 0x1ffffe, 4096, &gpa), 0);
	ck_assert_uint_eq(gpa, 0x1fe000);
	memory_free(&mem);
}
END_TEST

START_TEST(it_never_touches_the_kernel_or_what_is_below)
{
	uint64_t gpa = 77;

	ck_assert_int_eq(memory_new(MEMORY, -1, &mem), 0);
	ck_assert_int_eq(place(0x180001, UINT32_MAX, MEMORY - 0x181000, &gpa),
			 0);
	ck_assert_uint_eq(gpa, 0x181000);
	gpa = 77;
	ck_assert_int_eq(place(0x180001, UINT32_MAX, MEMORY - 0x180001, &gpa),
			 -ERANGE);
	ck_assert_int_eq(
		place(0, UINT32_MAX, MEMORY - MEMMAP_LOAD_MIN + 1, &gpa),
		-ERANGE);
	ck_assert_int_eq(place(0x180000, 0x17ffff, 1, &gpa), -ERANGE);
	ck_assert_int_eq(place(0x180000, 0, 1, &gpa), -ERANGE);
	ck_assert_int_eq(place(MEMORY, UINT32_MAX, 1, &gpa), -ERANGE);
	ck_assert_int_eq(place(UINT64_MAX, UINT64_MAX, 1, &gpa), -ERANGE);
	ck_assert_int_eq(place(0, UINT32_MAX, UINT64_MAX, &gpa), -ERANGE);
	ck_assert_uint_eq(gpa, 77);
	memory_free(&mem);
}
END_TEST

START_TEST(it_stays_below_the_hole)
{
	uint64_t gpa = 0;

	ck_assert_int_eq(memory_new(MEMORY_HIGH_START, -1, &mem), 0);
	ck_assert_int_eq(place(0x200000, UINT64_MAX, 4096, &gpa), 0);
	ck_assert_uint_eq(gpa, MEMORY_HOLE_START - 4096);
	memory_free(&mem);
}
END_TEST

static int make_file(uint64_t bytes)
{
	static uint8_t data[MEMORY];
	int fd = memfd_create("initrd", MFD_CLOEXEC);

	memset(data, 0xa5, sizeof(data));
	ck_assert_int_eq(pwrite(fd, data, bytes, 0), (ssize_t)bytes);
	return fd;
}

START_TEST(its_bytes_arrive_and_no_more)
{
	const struct initrd_room room = { 0x180000, UINT32_MAX };
	rf_autofd fd = make_file(5000);
	uint64_t gpa = 0;
	uint32_t i;

	ck_assert_int_eq(memory_new(MEMORY, -1, &mem), 0);
	ck_assert_int_eq(initrd_load(fd, 5000, &mem, &room, &gpa, why), 0);
	for (i = 0; i < 5000; i++)
		ck_assert_uint_eq(mem.base[gpa + i], 0xa5);
	ck_assert_uint_eq(mem.base[gpa - 1], 0);
	ck_assert_uint_eq(mem.base[gpa + 5000], 0);
	memory_free(&mem);
}
END_TEST

START_TEST(one_larger_than_memory_is_told_both_numbers)
{
	const struct initrd_room room = { 0x180000, UINT32_MAX };
	rf_autofd fd = make_file(MEMORY);
	uint64_t gpa = 0;

	ck_assert_int_eq(memory_new(MEMORY, -1, &mem), 0);
	ck_assert_int_eq(initrd_load(fd, MEMORY, &mem, &room, &gpa, why),
			 -ERANGE);
	ck_assert_ptr_nonnull(strstr(why, "4194304 bytes"));
	ck_assert_ptr_nonnull(strstr(why, "2621440 bytes"));
	ck_assert_int_eq(initrd_load(fd, UINT64_MAX, &mem, &room, &gpa, why),
			 -ERANGE);
	memory_free(&mem);
}
END_TEST

START_TEST(one_that_shrank_or_cannot_be_read_is_refused)
{
	const struct initrd_room room = { 0x180000, UINT32_MAX };
	rf_autofd fd = make_file(4999);
	uint64_t gpa = 0;

	ck_assert_int_eq(memory_new(MEMORY, -1, &mem), 0);
	ck_assert_int_eq(initrd_load(fd, 5000, &mem, &room, &gpa, why),
			 -EPROTO);
	ck_assert_ptr_nonnull(strstr(why, "shorter"));
	ck_assert_int_eq(initrd_load(-1, 5000, &mem, &room, &gpa, why), -EBADF);
	ck_assert_int_eq(initrd_load(fd, 0, &mem, &room, &gpa, why), -EINVAL);
	ck_assert_ptr_nonnull(strstr(why, "empty"));
	memory_free(&mem);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		it_goes_as_high_as_it_may_on_a_page_of_its_own,
		it_never_touches_the_kernel_or_what_is_below,
		it_stays_below_the_hole,
		its_bytes_arrive_and_no_more,
		one_larger_than_memory_is_told_both_numbers,
		one_that_shrank_or_cannot_be_read_is_refused,
	};

	return unit_run("initrd", tests, RF_ARRAY_LEN(tests));
}
