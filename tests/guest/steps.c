/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * steps.c - what is done to a disk, and what must come of it
 *
 * Side:    inside the virtual machine.
 * Owns:    nothing; the disk's two buffers while a step runs.
 * Callers: main.c, by disk.h.
 * Never:   takes the disk's word for its data: all of it is compared.
 */
#include "cpu.h"
#include "disk.h"
#include "request.h"

#define POISON 0xa5a5a5a5u

/* Data is handed over in odd pieces, where it has two halves to be cut. Written
 * data lies in memory with its halves exchanged, read data does not, and the
 * cuts differ: a device that takes the pieces for one long one, or their
 * lengths wrong, puts data where it does not belong. */
static bool is_exchanged(uint32_t nr_sectors)
{
	return !(nr_sectors & 1);
}

static uint32_t cut(struct queue_piece *out, const uint8_t *data,
		    uint32_t first, uint32_t second, uint32_t bytes)
{
	uint32_t nr = 0;

	out[nr++] = (struct queue_piece){ data, first };
	if (second)
		out[nr++] = (struct queue_piece){ data + first, second };
	out[nr++] = (struct queue_piece){ data + first + second,
					  bytes - first - second };
	return nr;
}

static uint32_t cut_data(struct queue_piece *out, const uint32_t *words,
			 uint32_t nr_sectors, bool write)
{
	const uint8_t *data = (const uint8_t *)words;
	uint32_t half = nr_sectors * PLAN_SECTOR_BYTES / 2;
	uint32_t nr;

	if (!is_exchanged(nr_sectors)) {
		out[0].data = data;
		out[0].len = half * 2;
		return 1;
	}
	if (write) {
		nr = cut(out, data + half, 1, half / 2 + 2, half);
		return nr + cut(out + nr, data, half - 3, 2, half);
	}
	nr = cut(out, data, half - 9, 0, half);
	return nr + cut(out + nr, data + half, 7, 0, half);
}

static void submit_data(struct disk *disk, bool write, uint64_t sector,
			const uint32_t *words, uint32_t nr_sectors)
{
	struct queue_piece pieces[QUEUE_CHAIN_MAX];
	struct disk_request *req;
	uint32_t nr;

	req = request_new(disk, write ? DISK_OUT : DISK_IN, sector, DISK_S_OK);
	nr = cut_data(pieces + 1, words, nr_sectors, write);
	disk->round_bytes += nr_sectors * PLAN_SECTOR_BYTES;
	if (write)
		request_submit(disk, req, pieces, 1 + nr, 1);
	else
		request_submit(disk, req, pieces, 1, nr + 1);
}

static void fill_extent(const struct disk *disk,
			const struct plan_extent *extent, uint32_t round,
			uint32_t *words)
{
	uint32_t nr = extent->nr_sectors;
	uint32_t at = is_exchanged(nr) ? nr / 2 : 0;
	uint32_t i;

	for (i = 0; i < nr; i++) {
		plan_fill(words + at * PLAN_SECTOR_WORDS,
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
		words += extents[i].nr_sectors * PLAN_SECTOR_WORDS;
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
		cpu_fill(words, POISON + round,
			 extents[i].nr_sectors * PLAN_SECTOR_WORDS);
		submit_data(disk, false, extents[i].sector, words,
			    extents[i].nr_sectors);
		words += extents[i].nr_sectors * PLAN_SECTOR_WORDS;
	}
}

void disk_flush(struct disk *disk)
{
	struct queue_piece pieces[2];
	struct disk_request *req;

	if (!(disk->features & DISK_F_FLUSH)) {
		say("%s: writes through, nothing to flush", disk->name);
		return;
	}
	req = request_new(disk, DISK_FLUSH, 0, DISK_S_OK);
	request_submit(disk, req, pieces, 1, 1);
	disk_finish(disk);
	say("%s: flushed", disk->name);
}

static void compare_words(struct disk *disk, uint64_t sector,
			  const uint32_t *want, const uint32_t *found,
			  uint32_t nr_words)
{
	uint32_t equal = cpu_equal_words(want, found, nr_words);

	if (equal != nr_words)
		guest_fail(GUEST_MISCOMPARE,
			   "%s: sector %llu word %u: 0x%x, not 0x%x",
			   disk->name, sector + equal / PLAN_SECTOR_WORDS,
			   equal % PLAN_SECTOR_WORDS, found[equal],
			   want[equal]);
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
		if (found[i * PLAN_SECTOR_WORDS] != seed)
			guest_fail(GUEST_MISCOMPARE,
				   "%s: sector %llu begins 0x%x, not 0x%x",
				   disk->name, extent->sector + i,
				   found[i * PLAN_SECTOR_WORDS], seed);
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
			      extents[i].nr_sectors * PLAN_SECTOR_WORDS);
		at += extents[i].nr_sectors * PLAN_SECTOR_WORDS;
	}
}

void disk_say_id(struct disk *disk)
{
	struct queue_piece pieces[3];
	struct disk_request *req;
	char *id = (char *)disk->found;
	uint32_t i;

	cpu_fill(disk->found, 0, DISK_ID_BYTES / 4);
	req = request_new(disk, DISK_GET_ID, 0, DISK_S_OK);
	pieces[1].data = id;
	pieces[1].len = DISK_ID_BYTES;
	request_submit(disk, req, pieces, 1, 2);
	/* A shorter name may be told in fewer bytes. */
	req->want_len = 0;
	disk_finish(disk);
	for (i = 0; i < DISK_ID_BYTES && id[i]; i++)
		if (id[i] < ' ' || id[i] > '~')
			id[i] = '?';
	say("%s: its name is \"%.*s\"", disk->name, (int)DISK_ID_BYTES, id);
}

static void expect(struct disk *disk, uint32_t type, uint64_t sector,
		   uint32_t bytes, uint32_t status)
{
	struct queue_piece pieces[3];
	struct disk_request *req;

	req = request_new(disk, type, sector, status);
	pieces[1].data = disk->found;
	pieces[1].len = bytes;
	if (type == DISK_OUT)
		request_submit(disk, req, pieces, 2, 1);
	else
		request_submit(disk, req, pieces, 1, 2);
}

void disk_check_refusals(struct disk *disk)
{
	expect(disk, DISK_IN, disk->capacity, 512, DISK_S_IOERR);
	expect(disk, DISK_IN, disk->capacity - 1, 1024, DISK_S_IOERR);
	expect(disk, DISK_IN, UINT64_MAX, 512, DISK_S_IOERR);
	expect(disk, DISK_IN, UINT64_MAX >> 9, 1024, DISK_S_IOERR);
	expect(disk, DISK_OUT, disk->capacity, 512, DISK_S_IOERR);
	expect(disk, DISK_IN, 0, 511, DISK_S_IOERR);
	expect(disk, DISK_UNKNOWN, 0, 512, DISK_S_UNSUPP);
	if (disk_is_read_only(disk))
		expect(disk, DISK_OUT, 0, 512, DISK_S_IOERR);
	disk_finish(disk);
	say("%s: refused what lies beyond its end, odd lengths%s and what it "
	    "does not know",
	    disk->name, disk_is_read_only(disk) ? ", a write" : "");
}

/* In the place of the last sector, which every round writes. */
void disk_check_zeroes(struct disk *disk)
{
	struct queue_piece pieces[3];
	struct disk_request *req;
	uint64_t sector = disk->capacity - 1;

	if (!(disk->features & DISK_F_WRITE_ZEROES))
		return;
	cpu_fill(disk->written, POISON, PLAN_SECTOR_WORDS);
	submit_data(disk, true, sector, disk->written, 1);
	disk_finish(disk);
	req = request_new(disk, DISK_WRITE_ZEROES, 0, DISK_S_OK);
	req->range = (struct disk_range){ .sector = sector, .nr_sectors = 1 };
	pieces[1].data = &req->range;
	pieces[1].len = sizeof(req->range);
	request_submit(disk, req, pieces, 2, 1);
	disk_finish(disk);
	submit_data(disk, false, sector, disk->found, 1);
	cpu_fill(disk->written, 0, PLAN_SECTOR_WORDS);
	disk_finish(disk);
	compare_words(disk, sector, disk->written, disk->found,
		      PLAN_SECTOR_WORDS);
	say("%s: zeroed a sector without sending it zeroes", disk->name);
}
