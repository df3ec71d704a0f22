/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * plan.c - the extents of a round and the pattern of a sector
 *
 * Side:    inside the virtual machine, the stand-in for it, and the host.
 * Owns:    nothing.
 * Callers: rounds.c, steps.c, the launcher's demo, check_image.c, tests.
 * Never:   divides 64 bits: there is no library for that in the guest.
 */
#include "driver/plan.h"

static uint32_t add(struct plan_extent *out, uint32_t nr, uint64_t sector,
		    uint32_t nr_sectors)
{
	out[nr].sector = sector;
	out[nr].nr_sectors = nr_sectors;
	return nr + 1;
}

/* Too small for the grid below: both ends, and what lies between them up to
 * the size of a plan. */
static uint32_t plan_small(uint64_t capacity, struct plan_extent *out)
{
	uint32_t nr = add(out, 0, 0, 1);
	uint32_t between;

	if (capacity > 1)
		nr = add(out, nr, capacity - 1, 1);
	if (capacity > 2) {
		between = (uint32_t)(capacity - 2);
		if (between > PLAN_BIG_SECTORS)
			between = PLAN_BIG_SECTORS;
		nr = add(out, nr, 1, between);
	}
	return nr;
}

/* Sixteen cells of at least 128 sectors each. The big extent fills cell 8 of
 * the smallest such disk exactly; the others stay in the first half of theirs,
 * so that the last sector is nobody else's. */
uint32_t plan_round(uint64_t capacity, uint32_t round,
		    struct plan_extent out[PLAN_EXTENTS_MAX])
{
	uint64_t cell = capacity >> 4;
	uint64_t shift = round & 7;
	uint32_t nr, i;

	if (cell < PLAN_BIG_SECTORS)
		return plan_small(capacity, out);
	nr = add(out, 0, 0, 1);
	nr = add(out, nr, capacity - 1, 1);
	for (i = 1; i < 16; i += 2)
		nr = add(out, nr, cell * i + shift, 1);
	for (i = 2; i < 16; i += 2)
		if (i != 8)
			nr = add(out, nr, cell * i + shift * 7, 8);
	nr = add(out, nr, cell * 8, PLAN_BIG_SECTORS);
	for (i = 1; i < 16; i += 6)
		nr = add(out, nr, cell * i + 32 + shift * 3, 2);
	return nr;
}

uint32_t plan_seed(uint64_t sector, uint32_t round, uint32_t disk)
{
	return 0x52466b21u + (uint32_t)sector * 0x85ebca6bu +
	       (uint32_t)(sector >> 32) * 0x27d4eb2fu + round * 0xc2b2ae35u +
	       disk * 0x165667b1u;
}

/* Four words a turn: it is the number of instructions that counts. */
void plan_fill(uint32_t *words, uint32_t seed)
{
	uint32_t i;

	for (i = 0; i < PLAN_SECTOR_WORDS; i += 4) {
		words[i] = seed;
		words[i + 1] = seed + PLAN_WORD_STEP;
		words[i + 2] = seed + PLAN_WORD_STEP * 2;
		words[i + 3] = seed + PLAN_WORD_STEP * 3;
		seed += PLAN_WORD_STEP * 4;
	}
}
