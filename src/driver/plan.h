/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * plan.h - what the guest writes where, for the guest and for whoever checks
 *
 * Side:    inside the virtual machine, the stand-in for it, and the host.
 *
 * A round writes a set of extents that do not overlap: the first and the last
 * sector, and others spread over the whole disk, of 512 bytes, 1 KiB, 4 KiB
 * and 64 KiB. Most of them move from round to round.
 *
 * Word i of sector s, written in round r to disk d, is seed(s, r, d) + i * STEP.
 * Two seeds that differ in one of s, r, d alone are different for certain (each
 * is multiplied by an odd number, which loses nothing in 32 bits): data that
 * was put into another sector, left over from another round or sent to another
 * disk is seen. The step, odd as well, does the same for places inside a
 * sector.
 */
#ifndef RINGFENCE_DRIVER_PLAN_H
#define RINGFENCE_DRIVER_PLAN_H

#include <stddef.h>
#include <stdint.h>

#define PLAN_SECTOR_BYTES 512u
#define PLAN_SECTOR_WORDS (PLAN_SECTOR_BYTES / 4u)
#define PLAN_WORD_STEP 0x9e3779b1u
#define PLAN_EXTENTS_MAX 20u
#define PLAN_BIG_SECTORS 128u
/* No plan holds more. */
#define PLAN_SECTORS_MAX 192u

static inline size_t plan_words(uint32_t nr_sectors)
{
	return (size_t)nr_sectors * PLAN_SECTOR_WORDS;
}

struct plan_extent {
	uint64_t sector;
	uint32_t nr_sectors;
};

/* The extents of a round (from 0) on a disk of `capacity` sectors (from 1).
 * Returns how many. */
uint32_t plan_round(uint64_t capacity, uint32_t round,
		    struct plan_extent out[PLAN_EXTENTS_MAX]);

uint32_t plan_seed(uint64_t sector, uint32_t round, uint32_t disk);

/* One sector's 128 words. */
void plan_fill(uint32_t *words, uint32_t seed);

#endif
