/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * checks.c - single requests: what a disk must do, and what it must refuse
 *
 * Side:    inside the virtual machine, and the stand-in for it.
 * Owns:    the disk's two buffers while a check runs.
 * Callers: drive.c, by disk.h.
 * Never:   leaves anything but zeroes in a sector that no round writes.
 */
#include "driver/disk.h"
#include "driver/guest.h"
#include "driver/platform.h"
#include "driver/request.h"
#include "driver/words.h"

#define POISON 0x5a5a5a5au
#define CONFIG_WRITEBACK 32u

static void transfer(struct disk *disk, enum disk_type type, uint64_t sector,
		     const uint32_t *words, uint32_t nr_sectors)
{
	struct disk_request *req = request_new(disk, type, sector);
	uint32_t bytes = nr_sectors * PLAN_SECTOR_BYTES;

	if (type == DISK_OUT)
		request_out(disk, req, words, bytes);
	else
		request_in(disk, req, words, bytes);
	request_submit(disk, req);
	disk_finish(disk);
}

static void expect_word(const struct disk *disk, uint64_t sector,
			const uint32_t *found, uint32_t word)
{
	uint32_t i;

	words_fill(disk->written, word, PLAN_SECTOR_WORDS);
	i = words_equal(disk->written, found, PLAN_SECTOR_WORDS);
	if (i != PLAN_SECTOR_WORDS)
		guest_fail(GUEST_MISCOMPARE,
			   "%s: sector %llu word %u: 0x%x, not 0x%x",
			   disk->name, (unsigned long long)sector, i, found[i],
			   word);
}

void disk_say_id(struct disk *disk)
{
	struct disk_request *req;
	char *id = (char *)disk->found;
	uint32_t i;

	words_fill(id, 0, DISK_ID_BYTES / 4);
	req = request_new(disk, DISK_GET_ID, 0);
	request_in_whole(disk, req, id, DISK_ID_BYTES);
	/* A shorter name may be told in fewer bytes. */
	req->want_len = 0;
	request_submit(disk, req);
	disk_finish(disk);
	for (i = 0; i < DISK_ID_BYTES && id[i]; i++)
		if (id[i] < ' ' || id[i] > '~')
			id[i] = '?';
	say("%s: its name is \"%.*s\"", disk->name, (int)DISK_ID_BYTES, id);
}

/* --- refusals ----------------------------------------------------------- */

static void refused(struct disk *disk, uint32_t type, uint64_t sector,
		    uint32_t bytes, uint8_t status)
{
	struct disk_request *req = request_new(disk, type, sector);

	if (type == DISK_OUT)
		request_out(disk, req, disk->found, bytes);
	else
		request_in_whole(disk, req, disk->found, bytes);
	req->want_status = status;
	request_submit(disk, req);
}

static void refused_range(struct disk *disk, uint32_t type,
			  struct disk_range range, uint8_t status)
{
	struct disk_request *req = request_new(disk, type, 0);

	request_ranges(disk, req, &range, 1);
	req->want_status = status;
	request_submit(disk, req);
}

static void check_range_refusals(struct disk *disk, uint32_t type)
{
	const struct disk_range beyond = { .sector = disk->capacity,
					   .nr_sectors = 1 };
	const struct disk_range wrapped = { .sector = UINT64_MAX,
					    .nr_sectors = 2 };
	const struct disk_range strange = { .sector = disk->capacity - 1,
					    .nr_sectors = 1,
					    .flags = 1u << 31 };

	refused_range(disk, type, beyond, DISK_S_IOERR);
	refused_range(disk, type, wrapped, DISK_S_IOERR);
	refused_range(disk, type, strange, DISK_S_UNSUPP);
}

void disk_check_refusals(struct disk *disk)
{
	refused(disk, DISK_IN, disk->capacity, 512, DISK_S_IOERR);
	refused(disk, DISK_IN, disk->capacity - 1, 1024, DISK_S_IOERR);
	refused(disk, DISK_IN, UINT64_MAX, 512, DISK_S_IOERR);
	refused(disk, DISK_IN, UINT64_MAX >> 9, 1024, DISK_S_IOERR);
	refused(disk, DISK_OUT, disk->capacity, 512, DISK_S_IOERR);
	refused(disk, DISK_IN, 0, 511, DISK_S_IOERR);
	refused(disk, DISK_UNKNOWN, 0, 512, DISK_S_UNSUPP);
	if (disk_has(disk, FEATURE_RO))
		refused(disk, DISK_OUT, 0, 512, DISK_S_IOERR);
	disk_finish(disk);
	say("%s: refused what lies beyond its end, odd lengths%s and what it "
	    "does not know",
	    disk->name, disk_has(disk, FEATURE_RO) ? ", a write" : "");
}

/* --- the cache ---------------------------------------------------------- */

static void set_writeback(struct disk *disk, uint8_t value)
{
	uint32_t found;

	transport_config_write8(&disk->transport, CONFIG_WRITEBACK, value);
	found = transport_config(&disk->transport, CONFIG_WRITEBACK, 1);
	if (found != value)
		guest_fail(GUEST_BAD_DEVICE,
			   "%s: configuration: writeback is %u, set to %u",
			   disk->name, found, value);
}

/* Both ways, with a write in either; the end as it was found. */
void disk_check_cache(struct disk *disk)
{
	uint64_t sector = disk->capacity - 1;
	uint32_t before, i;

	if (!disk_has(disk, FEATURE_CONFIG_WCE))
		return;
	before = transport_config(&disk->transport, CONFIG_WRITEBACK, 1);
	if (before > 1)
		guest_fail(GUEST_BAD_DEVICE,
			   "%s: configuration: writeback is %u", disk->name,
			   before);
	for (i = 0; i < 2; i++) {
		set_writeback(disk, (uint8_t)(before ^ 1 ^ i));
		words_fill(disk->written, POISON + i, PLAN_SECTOR_WORDS);
		transfer(disk, DISK_OUT, sector, disk->written, 1);
		transfer(disk, DISK_IN, sector, disk->found, 1);
		expect_word(disk, sector, disk->found, POISON + i);
	}
	say("%s: its cache switched and switched back", disk->name);
}

/* --- ranges ------------------------------------------------------------- */

static void ask_range(struct disk *disk, uint32_t type, uint64_t sector,
		      uint32_t flags, uint32_t nr)
{
	const struct disk_range range = { .sector = sector,
					  .nr_sectors = 1,
					  .flags = flags };
	const struct disk_range ranges[DISK_RANGES_MAX] = { range, range };
	struct disk_request *req = request_new(disk, type, 0);

	request_ranges(disk, req, ranges, nr);
	request_submit(disk, req);
	disk_finish(disk);
}

/* In the place of the last sector, which every round writes. */
static void check_zeroes(struct disk *disk, uint32_t flags)
{
	uint64_t sector = disk->capacity - 1;

	words_fill(disk->written, POISON, PLAN_SECTOR_WORDS);
	transfer(disk, DISK_OUT, sector, disk->written, 1);
	ask_range(disk, DISK_WRITE_ZEROES, sector, flags, 1);
	words_fill(disk->found, ~POISON, PLAN_SECTOR_WORDS);
	transfer(disk, DISK_IN, sector, disk->found, 1);
	expect_word(disk, sector, disk->found, 0);
}

void disk_check_zeroes(struct disk *disk)
{
	if (!disk_has(disk, FEATURE_WRITE_ZEROES))
		return;
	check_zeroes(disk, 0);
	if (disk->limits.zeroes_unmap)
		check_zeroes(disk, DISK_RANGE_UNMAP_BIT);
	check_range_refusals(disk, DISK_WRITE_ZEROES);
	disk_finish(disk);
	say("%s: zeroed a sector without sending it zeroes%s", disk->name,
	    disk->limits.zeroes_unmap ? ", kept or given up" : "");
}

/* What a discarded sector holds nobody promises. The one before it, which is
 * zeroes again at the end, holds what it did. */
void disk_check_discard(struct disk *disk)
{
	uint64_t sector = disk->capacity - 1;
	const struct disk_range unmap = { .sector = sector,
					  .nr_sectors = 1,
					  .flags = DISK_RANGE_UNMAP_BIT };
	uint32_t nr = disk->limits.discard_ranges > 1 ? 2 : 1;

	if (!disk_has(disk, FEATURE_DISCARD) || disk->capacity < 2)
		return;
	words_fill(disk->written, POISON, plan_words(2));
	transfer(disk, DISK_OUT, sector - 1, disk->written, 2);
	ask_range(disk, DISK_DISCARD, sector, 0, nr);
	words_fill(disk->found, 0, plan_words(2));
	transfer(disk, DISK_IN, sector - 1, disk->found, 2);
	expect_word(disk, sector - 1, disk->found, POISON);
	words_fill(disk->written, 0, PLAN_SECTOR_WORDS);
	transfer(disk, DISK_OUT, sector - 1, disk->written, 1);
	check_range_refusals(disk, DISK_DISCARD);
	refused_range(disk, DISK_DISCARD, unmap, DISK_S_UNSUPP);
	disk_finish(disk);
	say("%s: discarded a sector and none beside it", disk->name);
}

/* --- pieces ------------------------------------------------------------- */

static struct plan_extent biggest_extent(const struct disk *disk,
					 uint32_t round)
{
	struct plan_extent extents[PLAN_EXTENTS_MAX];
	struct plan_extent best = { .nr_sectors = 0 };
	uint32_t nr = plan_round(disk->capacity, round, extents);
	uint32_t i;

	for (i = 0; i < nr; i++)
		if (extents[i].nr_sectors > best.nr_sectors)
			best = extents[i];
	return best;
}

/* A sector a piece, the first of them last in memory. */
static void read_in_pieces(struct disk *disk, uint64_t sector, uint32_t nr,
			   bool may_fail)
{
	struct disk_request *req = request_new(disk, DISK_IN, sector);
	const uint32_t *at = disk->found + plan_words(nr);
	uint32_t i;

	for (i = 0; i < nr; i++) {
		at -= PLAN_SECTOR_WORDS;
		request_in_whole(disk, req, at, PLAN_SECTOR_BYTES);
	}
	req->may_fail = may_fail;
	request_submit(disk, req);
	disk_finish(disk);
}

static void compare_pieces(const struct disk *disk, uint64_t sector,
			   uint32_t nr)
{
	const uint32_t *want = disk->written;
	const uint32_t *found = disk->found + plan_words(nr);
	uint32_t i, k;

	for (i = 0; i < nr; i++) {
		found -= PLAN_SECTOR_WORDS;
		k = words_equal(want, found, PLAN_SECTOR_WORDS);
		if (k != PLAN_SECTOR_WORDS)
			guest_fail(GUEST_MISCOMPARE,
				   "%s: sector %llu, a piece of %u: word %u: "
				   "0x%x, not 0x%x",
				   disk->name, (unsigned long long)sector + i,
				   nr, k, found[k], want[k]);
		want += PLAN_SECTOR_WORDS;
	}
}

/* More pieces, or longer ones, than it says that it takes: any answer will do,
 * if there is one. */
static void exceed(struct disk *disk, const struct plan_extent *e, uint32_t nr)
{
	const struct disk_limits *l = &disk->limits;
	uint32_t bytes = e->nr_sectors * PLAN_SECTOR_BYTES;
	struct disk_request *req;

	if (l->seg_max && l->seg_max < nr)
		read_in_pieces(disk, e->sector, nr, true);
	if (!l->size_max || l->size_max >= bytes)
		return;
	req = request_new(disk, DISK_IN, e->sector);
	request_in_whole(disk, req, disk->found, bytes);
	req->may_fail = true;
	request_submit(disk, req);
	disk_finish(disk);
}

void disk_check_pieces(struct disk *disk, uint32_t round)
{
	const struct plan_extent e = biggest_extent(disk, round);
	uint32_t most = disk->queues[0].size - 2u;
	uint32_t nr, i;

	if (most > e.nr_sectors)
		most = e.nr_sectors;
	nr = most;
	if (disk->limits.seg_max && nr > disk->limits.seg_max)
		nr = disk->limits.seg_max;
	transfer(disk, DISK_IN, e.sector, disk->written, nr);
	/* Direct and indirect take turns. */
	for (i = 0; i < 2; i++) {
		words_fill(disk->found, POISON, plan_words(nr));
		read_in_pieces(disk, e.sector, nr, false);
		compare_pieces(disk, e.sector, nr);
	}
	exceed(disk, &e, most);
	say("%s: took a request of %u pieces", disk->name, nr);
}

/* --- queue reset -------------------------------------------------------- */

/* Round 0, which is written once more later on. */
void disk_check_queue_reset(struct disk *disk)
{
	uint16_t last = (uint16_t)(disk->nr_queues - 1);

	if (!disk_has(disk, FEATURE_RING_RESET))
		return;
	if (!disk_has(disk, FEATURE_RO)) {
		disk_write_round(disk, 0);
		disk_reset_queue(disk, 0);
		disk_finish(disk);
	}
	disk_read_round(disk, 0);
	disk_reset_queue(disk, last);
	disk_finish(disk);
	if (!disk_has(disk, FEATURE_RO))
		disk_compare_round(disk, 0);
}

/* --- reset -------------------------------------------------------------- */

/* Of the time to wait for an answer: between the steps, for whoever watches. */
#define RESET_PAUSES 32
/* Whole pages, that a disk without a page cache reads straight into. */
#define RESET_SECTORS 8u
#define RESET_READS 8u
#define RESET_READ_WORDS ((size_t)RESET_SECTORS * PLAN_SECTOR_WORDS)
#define RESET_WORDS (RESET_READS * RESET_READ_WORDS)
#define PAGE_BYTES 4096u
_Static_assert(RESET_READS < DISK_REQUESTS_MAX, "all at once");
_Static_assert(RESET_WORDS * 4 + PAGE_BYTES <=
		       (size_t)PLAN_SECTORS_MAX * PLAN_SECTOR_BYTES,
	       "its buffer");

static void pause_a_while(const struct disk *disk)
{
	uint64_t start = words_cycles();

	while (words_cycles() - start < disk->transport.patience / RESET_PAUSES)
		words_relax();
}

static uint32_t *find_pages(const struct disk *disk)
{
	uint64_t gpa = platform_gpa(disk->index, disk->found);

	return disk->found + ((PAGE_BYTES - gpa % PAGE_BYTES) % PAGE_BYTES) / 4;
}

static void read_pages(struct disk *disk, uint32_t *words)
{
	struct disk_request *req;
	uint64_t sector = 0;
	uint32_t i;

	for (i = 0; i < RESET_READS; i++) {
		req = request_new(disk, DISK_IN, sector);
		request_in(disk, req, words, RESET_READ_WORDS * 4);
		request_submit(disk, req);
		sector += RESET_SECTORS;
		words += RESET_READ_WORDS;
	}
}

/* What has not happened in a while may still come: later is not found. */
static void expect_ours(const struct disk *disk, const uint32_t *words,
			uint32_t *ours)
{
	uint32_t i;

	pause_a_while(disk);
	words_fill(ours, POISON, RESET_WORDS);
	i = words_equal(ours, words, RESET_WORDS);
	if (i != RESET_WORDS)
		guest_fail(GUEST_NO_RESET,
			   "%s: word %u of our memory was 0x%x, and is 0x%x "
			   "after the reset",
			   disk->name, i, POISON, words[i]);
}

void disk_check_reset(struct disk *disk, uint32_t round)
{
	uint32_t *words = find_pages(disk);

	if (disk->capacity < (uint64_t)RESET_READS * RESET_SECTORS)
		guest_fail(GUEST_NO_DISK, "%s: too small for this", disk->name);
	say("%s: about to be reset, round %u", disk->name, round + 1);
	pause_a_while(disk);
	read_pages(disk, words);
	transport_reset(&disk->transport);
	say("%s: was reset, round %u", disk->name, round + 1);
	words_fill(words, POISON, RESET_WORDS);
	expect_ours(disk, words, disk->written);
	disk_start(disk);
}
