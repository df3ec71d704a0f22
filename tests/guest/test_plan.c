/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * test_plan.c - twin of plan.c: extents that fit, patterns that differ
 */
#include <stdbool.h>

#include "unit/unit.h"

#include "driver/plan.h"

static bool fits(uint64_t capacity, const struct plan_extent *e)
{
	return e->nr_sectors && e->sector < capacity &&
	       e->nr_sectors <= capacity - e->sector;
}

static bool overlap(const struct plan_extent *a, const struct plan_extent *b)
{
	return a->sector < b->sector + b->nr_sectors &&
	       b->sector < a->sector + a->nr_sectors;
}

static bool is_sound(const struct plan_extent *e, uint32_t nr,
		     uint64_t capacity)
{
	bool first = false, last = false;
	uint32_t i, j, sectors = 0;

	for (i = 0; i < nr; i++) {
		if (!fits(capacity, &e[i]))
			return false;
		first |= e[i].sector == 0;
		last |= e[i].sector + e[i].nr_sectors == capacity;
		sectors += e[i].nr_sectors;
		for (j = 0; j < i; j++)
			if (overlap(&e[i], &e[j]))
				return false;
	}
	return first && last && sectors <= PLAN_SECTORS_MAX;
}

static void check_plan(uint64_t capacity, uint32_t round)
{
	struct plan_extent e[PLAN_EXTENTS_MAX];
	uint32_t nr = plan_round(capacity, round, e);

	if (!nr || nr > PLAN_EXTENTS_MAX || !is_sound(e, nr, capacity))
		ck_abort_msg("capacity %llu round %u",
			     (unsigned long long)capacity, round);
}

START_TEST(extents_fit_and_do_not_overlap_on_every_small_disk)
{
	uint64_t capacity;
	uint32_t round;

	for (capacity = 1; capacity < 5000; capacity++)
		for (round = 0; round < 9; round++)
			check_plan(capacity, round);
}
END_TEST

START_TEST(extents_fit_on_disks_beyond_32_bits_of_sectors)
{
	check_plan(UINT64_C(0xffffffff), 3);
	check_plan(UINT64_C(0x100000001), 7);
	check_plan(UINT64_MAX >> 9, 5);
	check_plan(UINT64_MAX, UINT32_MAX);
}
END_TEST

START_TEST(rounds_move_what_they_write)
{
	struct plan_extent a[PLAN_EXTENTS_MAX], b[PLAN_EXTENTS_MAX];
	uint32_t nr = plan_round(1 << 20, 0, a);
	uint32_t i, moved = 0;

	ck_assert_uint_eq(plan_round(1 << 20, 1, b), nr);
	ck_assert_uint_eq(nr, PLAN_EXTENTS_MAX);
	for (i = 0; i < nr; i++)
		moved += a[i].sector != b[i].sector;
	ck_assert_uint_eq(moved, nr - 3);
}
END_TEST

START_TEST(a_megabyte_gets_the_big_extent_as_well)
{
	struct plan_extent e[PLAN_EXTENTS_MAX];
	uint32_t nr = plan_round(2048, 0, e);
	uint32_t i, biggest = 0;

	for (i = 0; i < nr; i++)
		if (e[i].nr_sectors > biggest)
			biggest = e[i].nr_sectors;
	ck_assert_uint_eq(biggest, PLAN_BIG_SECTORS);
}
END_TEST

START_TEST(another_sector_round_or_disk_has_another_seed)
{
	uint32_t seed = plan_seed(77, 3, 1);
	uint32_t i, same = 0;

	for (i = 0; i < 100000; i++) {
		same += plan_seed(i, 3, 1) == seed;
		same += plan_seed(77, i, 1) == seed;
		same += plan_seed(77, 3, i) == seed;
	}
	ck_assert_uint_eq(same, 3);
	ck_assert_uint_ne(plan_seed(77 + (UINT64_C(1) << 32), 3, 1), seed);
}
END_TEST

START_TEST(every_word_of_a_sector_is_another_one)
{
	uint32_t words[PLAN_SECTOR_WORDS + 1];
	uint32_t i, j;

	words[PLAN_SECTOR_WORDS] = 0x600d;
	plan_fill(words, plan_seed(5, 1, 0));
	ck_assert_uint_eq(words[0], plan_seed(5, 1, 0));
	for (i = 0; i < PLAN_SECTOR_WORDS; i++)
		for (j = 0; j < i; j++)
			ck_assert_uint_ne(words[i], words[j]);
	ck_assert_uint_eq(words[PLAN_SECTOR_WORDS], 0x600d);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		extents_fit_and_do_not_overlap_on_every_small_disk,
		extents_fit_on_disks_beyond_32_bits_of_sectors,
		rounds_move_what_they_write,
		a_megabyte_gets_the_big_extent_as_well,
		another_sector_round_or_disk_has_another_seed,
		every_word_of_a_sector_is_another_one,
	};

	return unit_run("plan", tests, RF_ARRAY_LEN(tests));
}
