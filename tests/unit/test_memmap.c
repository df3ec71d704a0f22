/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * test_memmap.c - where a kernel is told that memory is, and is not
 */
#include <string.h>

#include "unit/unit.h"
#include "vmm/boot.h"
#include "vmm/memmap.h"

static struct memory mem;
static struct memmap_entry map[MEMMAP_ENTRIES_MAX];

static const uint64_t sizes[] = {
	MEMORY_BYTES_MIN,	  128ull << 20,
	MEMORY_HOLE_START - 4096, MEMORY_HOLE_START,
	MEMORY_HOLE_START + 4096, 8ull << 30,
};

static uint32_t fill(uint64_t bytes)
{
	uint32_t nr;

	ck_assert_int_eq(memory_new(bytes, -1, &mem), 0);
	nr = memmap_fill(&mem, map);
	ck_assert_uint_ge(nr, 3);
	ck_assert_uint_le(nr, MEMMAP_ENTRIES_MAX);
	return nr;
}

/* In order, none empty, none across another, and all of memory told once. */
static void check_order(uint32_t nr, uint64_t bytes)
{
	uint64_t told = 0;
	uint32_t i;
	uint8_t *at;

	for (i = 0; i < nr; i++) {
		ck_assert_uint_gt(map[i].bytes, 0);
		ck_assert_uint_eq(map[i].reserved, 0);
		ck_assert_int_eq(
			memory_at(&mem, map[i].addr, map[i].bytes, &at), 0);
		if (i > 0)
			ck_assert_uint_ge(map[i].addr,
					  map[i - 1].addr + map[i - 1].bytes);
		told += map[i].bytes;
	}
	ck_assert_uint_eq(told, bytes);
}

START_TEST(all_of_memory_is_told_once)
{
	size_t i;

	for (i = 0; i < RF_ARRAY_LEN(sizes); i++) {
		check_order(fill(sizes[i]), sizes[i]);
		memory_free(&mem);
	}
}
END_TEST

START_TEST(nothing_in_the_hole_is_memory)
{
	uint32_t nr, j;
	size_t i;

	for (i = 0; i < RF_ARRAY_LEN(sizes); i++) {
		nr = fill(sizes[i]);
		for (j = 0; j < nr; j++)
			ck_assert(map[j].addr >= MEMORY_HIGH_START ||
				  map[j].addr + map[j].bytes <=
					  MEMORY_HOLE_START);
		memory_free(&mem);
	}
}
END_TEST

START_TEST(roms_are_reserved_and_boot_structures_are_not)
{
	(void)fill(sizes[0]);
	ck_assert_uint_eq(map[0].addr, 0);
	ck_assert_uint_eq(map[0].type, MEMMAP_RAM);
	ck_assert_uint_ge(map[0].bytes, BOOT_CMDLINE_GPA + BOOT_CMDLINE_BYTES);
	ck_assert_uint_eq(map[1].type, MEMMAP_RESERVED);
	ck_assert_uint_eq(map[1].addr + map[1].bytes, MEMMAP_LOAD_MIN);
	ck_assert_uint_eq(map[2].addr, MEMMAP_LOAD_MIN);
	ck_assert_uint_eq(map[2].type, MEMMAP_RAM);
	memory_free(&mem);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		all_of_memory_is_told_once,
		nothing_in_the_hole_is_memory,
		roms_are_reserved_and_boot_structures_are_not,
	};

	return unit_run("memmap", tests, RF_ARRAY_LEN(tests));
}
