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

/* In order, none empty, none across another, and all of memory told once. */
START_TEST(all_of_memory_is_told_once)
{
	uint64_t told = 0;
	uint32_t nr, i;
	uint8_t *at;

	ck_assert_int_eq(memory_new(sizes[_i], -1, &mem), 0);
	nr = memmap_fill(&mem, map);
	ck_assert_uint_le(nr, MEMMAP_ENTRIES_MAX);
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
	ck_assert_uint_eq(told, sizes[_i]);
	memory_free(&mem);
}
END_TEST

START_TEST(nothing_in_the_hole_is_memory)
{
	uint32_t nr, i;

	ck_assert_int_eq(memory_new(sizes[_i], -1, &mem), 0);
	nr = memmap_fill(&mem, map);
	for (i = 0; i < nr; i++)
		ck_assert(map[i].addr >= MEMORY_HIGH_START ||
			  map[i].addr + map[i].bytes <= MEMORY_HOLE_START);
	memory_free(&mem);
}
END_TEST

START_TEST(roms_are_reserved_and_boot_structures_are_not)
{
	ck_assert_int_eq(memory_new(sizes[_i], -1, &mem), 0);
	ck_assert_uint_ge(memmap_fill(&mem, map), 3);
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
	Suite *suite = suite_create("memmap");
	TCase *tcase = tcase_create("memmap");
	SRunner *runner;
	size_t i;
	int failed;

	for (i = 0; i < RF_ARRAY_LEN(tests); i++)
		tcase_add_loop_test(tcase, tests[i], 0, RF_ARRAY_LEN(sizes));
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
