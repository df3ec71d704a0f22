/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * rounds.c - write a round, read it back, compare
 *
 * Side:    inside the virtual machine, and the stand-in for it.
 * Owns:    the disk's two buffers while a round runs.
 * Callers: drive.c, by disk.h.
 * Never:   takes the disk's word for its data: all of it is compared.
 */
#include "driver/disk.h"
#include "driver/request.h"
#include "driver/words.h"

#define POISON 0xa5a5a5a5u

/* Data is handed over in odd pieces, where it has two halves to be cut. Written
 * data lies in memory with its halves exchanged, read data does not, and the
 * cuts differ: a device that takes the pieces for one long one, or their
 * lengths wrong, puts data where it does not belong. */
static bool is_exchanged(uint32_t nr_sectors)
{
	return !(nr_sectors & 1);
}

struct part {
	const uint8_t *data;
	uint32_t len;
};
enum { PARTS_MAX = 6 };

static uint32_t cut(struct part *out, const uint8_t *data, uint32_t first,
		    uint32_t second, uint32_t bytes)
{
	uint32_t nr = 0;

	out[nr++] = (struct part){ data, first };
	if (second)
		out[nr++] = (struct part){ data + first, second };
	out[nr++] = (struct part){ data + first + second,
				   bytes - first - second };
	return nr;
}

static uint32_t cut_data(struct part *out, const uint32_t *words,
			 uint32_t nr_sectors, bool write)
{
	const uint8_t *data = (const uint8_t *)words;
	uint32_t half = nr_sectors * PLAN_SECTOR_BYTES / 2;
	uint32_t nr;

	if (write) {
		nr = cut(out, data + half, 1, half / 2 + 2, half);
		return nr + cut(out + nr, data, half - 3, 2, half);
	}
	nr = cut(out, data, half - 9, 0, half);
	return nr + cut(out + nr, data + half, 7, 0, half);
}

/* A disk that takes too few pieces gets the halves as they are. */
static uint32_t halve_data(struct part *out, const uint32_t *words,
			   uint32_t nr_sectors, bool write)
{
	const uint8_t *data = (const uint8_t *)words;
	uint32_t half = nr_sectors * PLAN_SECTOR_BYTES / 2;

	out[0] = (struct part){ write ? data + half : data, half };
	out[1] = (struct part){ write ? data : data + half, half };
	return 2;
}

static bool takes_pieces(const struct disk *disk, uint32_t nr_sectors,
			 uint32_t nr)
{
	const struct disk_limits *l = &disk->limits;

	if (l->size_max)
		nr += nr_sectors * PLAN_SECTOR_BYTES / l->size_max;
	return !l->seg_max || nr <= l->seg_max;
}

static void submit_data(struct disk *disk, bool write, uint64_t sector,
			const uint32_t *words, uint32_t nr_sectors)
{
	struct disk_request *req;
	struct part parts[PARTS_MAX] = { { (const uint8_t *)words,
					   nr_sectors * PLAN_SECTOR_BYTES } };
	uint32_t nr = 1, i;

	if (is_exchanged(nr_sectors))
		nr = takes_pieces(disk, nr_sectors, PARTS_MAX)
			     ? cut_data(parts, words, nr_sectors, write)
			     : halve_data(parts, words, nr_sectors, write);
	if (!takes_pieces(disk, nr_sectors, nr))
		guest_fail(GUEST_BAD_DEVICE,
			   "%s: %u pieces of %u bytes are too few for us",
			   disk->name, disk->limits.seg_max,
			   disk->limits.size_max);
	req = request_new(disk, write ? DISK_OUT : DISK_IN, sector);
	for (i = 0; i < nr; i++)
		if (write)
			request_out(disk, req, parts[i].data, parts[i].len);
		else
			request_in(disk, req, parts[i].data, parts[i].len);
	disk->round_bytes += nr_sectors * PLAN_SECTOR_BYTES;
	request_submit(disk, req);
}

static void fill_extent(const struct disk *disk,
			const struct plan_extent *extent, uint32_t round,
			uint32_t *words)
{
	uint32_t nr = extent->nr_sectors;
	uint32_t at = is_exchanged(nr) ? nr / 2 : 0;
	uint32_t i;

	for (i = 0; i < nr; i++) {
		plan_fill(words + plan_words(at),
			  plan_seed(extent->sector + i, round, disk->index));
		if (++at == nr)
			at = 0;
	}
}

void disk_write_round(struct disk *disk, uint32_t round)
{
	struct plan_extent extents[PLAN_EXTENTS_MAX];
	uint32_t nr = plan_round(disk->capacity, round, extents);
	uint32_t *words = disk->written;
	uint32_t i;

	disk->nr_round = 0;
	disk->round_bytes = 0;
	for (i = 0; i < nr; i++) {
		fill_extent(disk, &extents[i], round, words);
		submit_data(disk, true, extents[i].sector, words,
			    extents[i].nr_sectors);
		words += plan_words(extents[i].nr_sectors);
	}
}

void disk_read_round(struct disk *disk, uint32_t round)
{
	struct plan_extent extents[PLAN_EXTENTS_MAX];
	uint32_t nr = plan_round(disk->capacity, round, extents);
	uint32_t *words = disk->found;
	uint32_t i;

	disk->nr_round = 0;
	disk->round_bytes = 0;
	for (i = 0; i < nr; i++) {
		/* Poison, lest data of the last round be taken for this. */
		words_fill(words, POISON + round,
			   plan_words(extents[i].nr_sectors));
		submit_data(disk, false, extents[i].sector, words,
			    extents[i].nr_sectors);
		words += plan_words(extents[i].nr_sectors);
	}
}

void disk_flush(struct disk *disk)
{
	if (!disk_has(disk, FEATURE_FLUSH)) {
		say("%s: writes through, nothing to flush", disk->name);
		return;
	}
	request_submit(disk, request_new(disk, DISK_FLUSH, 0));
	disk_finish(disk);
	say("%s: flushed", disk->name);
}

static void compare_words(struct disk *disk, uint64_t sector,
			  const uint32_t *want, const uint32_t *found,
			  uint32_t nr_words)
{
	uint32_t equal = words_equal(want, found, nr_words);

	if (equal != nr_words)
		guest_fail(
			GUEST_MISCOMPARE,
			"%s: sector %llu word %u: 0x%x, not 0x%x", disk->name,
			(unsigned long long)sector +
				(equal / PLAN_SECTOR_WORDS),
			equal % PLAN_SECTOR_WORDS, found[equal], want[equal]);
	disk->compared_bytes += nr_words * 4;
}

/* What was written may have been overwritten in memory by the device and read
 * back as faithfully: the first word of each sector is known without it. */
static void compare_seeds(const struct disk *disk,
			  const struct plan_extent *extent, uint32_t round,
			  const uint32_t *found)
{
	uint32_t i, seed;

	for (i = 0; i < extent->nr_sectors; i++) {
		seed = plan_seed(extent->sector + i, round, disk->index);
		if (found[plan_words(i)] != seed)
			guest_fail(GUEST_MISCOMPARE,
				   "%s: sector %llu begins 0x%x, not 0x%x",
				   disk->name,
				   (unsigned long long)extent->sector + i,
				   found[plan_words(i)], seed);
	}
}

static void compare_extent(struct disk *disk, const struct plan_extent *extent,
			   const uint32_t *want, const uint32_t *found)
{
	uint32_t nr = extent->nr_sectors * PLAN_SECTOR_WORDS;

	if (!is_exchanged(extent->nr_sectors)) {
		compare_words(disk, extent->sector, want, found, nr);
		return;
	}
	compare_words(disk, extent->sector, want + nr / 2, found, nr / 2);
	compare_words(disk, extent->sector + extent->nr_sectors / 2, want,
		      found + nr / 2, nr / 2);
}

void disk_compare_round(struct disk *disk, uint32_t round)
{
	struct plan_extent extents[PLAN_EXTENTS_MAX];
	uint32_t nr = plan_round(disk->capacity, round, extents);
	uint32_t at = 0;
	uint32_t i;

	for (i = 0; i < nr; i++) {
		compare_seeds(disk, &extents[i], round, disk->found + at);
		compare_extent(disk, &extents[i], disk->written + at,
			       disk->found + at);
		at += extents[i].nr_sectors * PLAN_SECTOR_WORDS;
	}
}

void disk_keep(struct disk *disk)
{
	uint32_t *found = disk->found;

	disk->found = disk->written;
	disk->written = found;
}

void disk_compare_kept(struct disk *disk, uint32_t round)
{
	struct plan_extent extents[PLAN_EXTENTS_MAX];
	uint32_t nr = plan_round(disk->capacity, round, extents);
	uint32_t at = 0;
	uint32_t i;

	for (i = 0; i < nr; i++) {
		compare_words(disk, extents[i].sector, disk->written + at,
			      disk->found + at,
			      plan_words(extents[i].nr_sectors));
		at += extents[i].nr_sectors * PLAN_SECTOR_WORDS;
	}
}
