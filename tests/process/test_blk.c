/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * test_blk.c - requests to a real, sealed ringfence-blk, with each engine
 *
 * What the image on the host holds is looked at behind the program's back.
 */
#include "process/blk_rig.h"

#include <linux/fs.h>
#include <linux/loop.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#define SECTORS UINT64_C(64)

static const char *const read_only[] = { "--read-only", NULL };

static uint64_t get64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static uint32_t get32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

/* One sector of the image as the host sees it. */
static const uint8_t *host_sector(int image, uint32_t sector)
{
	static uint8_t buf[512];

	ck_assert_int_eq(pread(image, buf, 512, (off_t)sector * 512), 512);
	return buf;
}

START_TEST(what_is_written_is_in_the_image_and_read_back)
{
	int image = rig_image(NULL, SECTORS);
	uint32_t used;
	struct rig r;

	rig_start(&r, image, NULL);
	memset(rig_buf(&r), 0xab, 1024);
	ck_assert_uint_eq(rig_io(&r, RIG_OUT, 3, 1024, 0, &used), RIG_OK);
	ck_assert_uint_eq(used, 1);
	ck_assert_uint_eq(rig_io(&r, RIG_FLUSH, 0, 0, 0, &used), RIG_OK);
	ck_assert_uint_eq(used, 1);
	ck_assert(rig_is_filled(host_sector(image, 2), 512, 3));
	ck_assert(rig_is_filled(host_sector(image, 3), 512, 0xab));
	ck_assert(rig_is_filled(host_sector(image, 4), 512, 0xab));
	ck_assert(rig_is_filled(host_sector(image, 5), 512, 6));
	ck_assert_uint_eq(rig_io(&r, RIG_IN, 2, 0, 2048, &used), RIG_OK);
	ck_assert_uint_eq(used, 2049);
	ck_assert(rig_is_filled(rig_buf(&r), 512, 3));
	ck_assert(rig_is_filled(rig_buf(&r) + 512, 1024, 0xab));
	ck_assert(rig_is_filled(rig_buf(&r) + 1536, 512, 6));
	ck_assert_uint_eq(atomic_load(&r.report->bytes_written), 1024);
	ck_assert_uint_eq(atomic_load(&r.report->bytes_read), 2048);
	ck_assert_uint_eq(atomic_load(&r.report->requests), 3);
	rig_end(&r);
	close(image);
}
END_TEST

START_TEST(first_and_last_sector_are_served_and_nothing_beyond)
{
	int image = rig_image(NULL, SECTORS);
	uint32_t used;
	struct rig r;

	rig_start(&r, image, NULL);
	ck_assert_uint_eq(rig_io(&r, RIG_IN, 0, 0, 512, NULL), RIG_OK);
	ck_assert_uint_eq(rig_io(&r, RIG_IN, SECTORS - 1, 0, 512, NULL),
			  RIG_OK);
	ck_assert(rig_is_filled(rig_buf(&r), 512, SECTORS));
	ck_assert_uint_eq(rig_io(&r, RIG_IN, 0, 0, SECTORS * 512, NULL),
			  RIG_OK);
	/* No data at all, just behind the end: nothing is beyond it. */
	ck_assert_uint_eq(rig_io(&r, RIG_IN, SECTORS, 0, 0, NULL), RIG_OK);

	memset(rig_buf(&r), 0x77, 1024);
	ck_assert_uint_eq(rig_io(&r, RIG_IN, SECTORS, 0, 512, &used),
			  RIG_IOERR);
	/* Not one byte, not even the status, counts as written from the
	 * first on. */
	ck_assert_uint_eq(used, 0);
	ck_assert_uint_eq(rig_io(&r, RIG_IN, SECTORS - 1, 0, 1024, NULL),
			  RIG_IOERR);
	ck_assert_uint_eq(rig_io(&r, RIG_OUT, SECTORS, 512, 0, NULL),
			  RIG_IOERR);
	ck_assert_uint_eq(rig_io(&r, RIG_OUT, SECTORS - 1, 1024, 0, NULL),
			  RIG_IOERR);
	ck_assert(rig_is_filled(host_sector(image, SECTORS - 1), 512, SECTORS));
	/* Sector numbers whose byte offset does not fit. */
	ck_assert_uint_eq(rig_io(&r, RIG_IN, UINT64_MAX, 0, 512, NULL),
			  RIG_IOERR);
	ck_assert_uint_eq(
		rig_io(&r, RIG_OUT, UINT64_MAX / 512 + 1, 512, 0, NULL),
		RIG_IOERR);
	ck_assert_uint_eq(rig_io(&r, RIG_OUT, UINT64_C(1) << 55, 512, 0, NULL),
			  RIG_IOERR);
	ck_assert_int_eq(lseek(image, 0, SEEK_END), SECTORS * 512);
	ck_assert(rig_is_filled(host_sector(image, 0), 512, 1));
	rig_end(&r);
	close(image);
}
END_TEST

START_TEST(odd_lengths_and_unknown_types_get_their_status)
{
	static const uint32_t unknown[] = { 2,	3,  5,		7,
					    9,	10, 12,		14,
					    16, 99, 0x80000000, 0xffffffff };
	int image = rig_image(NULL, SECTORS);
	struct rig r;
	size_t i;

	rig_start(&r, image, NULL);
	ck_assert_uint_eq(rig_io(&r, RIG_IN, 0, 0, 511, NULL), RIG_IOERR);
	ck_assert_uint_eq(rig_io(&r, RIG_IN, 0, 0, 513, NULL), RIG_IOERR);
	ck_assert_uint_eq(rig_io(&r, RIG_OUT, 0, 1, 0, NULL), RIG_IOERR);
	ck_assert_uint_eq(rig_io(&r, RIG_OUT, 0, 1023, 0, NULL), RIG_IOERR);
	ck_assert(rig_is_filled(host_sector(image, 0), 512, 1));
	for (i = 0; i < RF_ARRAY_LEN(unknown); i++)
		ck_assert_uint_eq(rig_io(&r, unknown[i], 0, 512, 512, NULL),
				  RIG_UNSUPP);
	rig_end(&r);
	close(image);
}
END_TEST

/* virtio 1.2, 2.7.4.2: the driver cuts a request into descriptors as it likes.
 * Header in three, data in two, the status at the end of the second. */
START_TEST(header_data_and_status_may_be_cut_anywhere)
{
	int image = rig_image(NULL, SECTORS);
	uint8_t *buf;
	struct rig r;
	uint32_t used;

	rig_start(&r, image, NULL);
	rig_make(&r, RIG_IN, 7, 0, 0);
	buf = rig_buf(&r);
	memset(buf, 0xee, 2048);
	vring_desc(&r.v, 0, RIG_HEADER, 3, VRING_NEXT, 1);
	vring_desc(&r.v, 1, RIG_HEADER + 3, 8, VRING_NEXT, 2);
	vring_desc(&r.v, 2, RIG_HEADER + 11, 5, VRING_NEXT, 3);
	vring_desc(&r.v, 3, RIG_BUF + 100, 1, VRING_NEXT | VRING_WRITE, 4);
	vring_desc(&r.v, 4, RIG_BUF + 200, 512, VRING_WRITE, 0);
	(void)rig_go(&r, 0, &used);
	ck_assert_uint_eq(used, 513);
	ck_assert_uint_eq(buf[100], 8);
	ck_assert_uint_eq(buf[101], 0xee);
	ck_assert(rig_is_filled(buf + 200, 511, 8));
	ck_assert_uint_eq(buf[711], RIG_OK);
	ck_assert_uint_eq(buf[712], 0xee);

	/* Written data that begins right behind the header. */
	rig_make(&r, RIG_OUT, 9, 0, 0);
	memset(vring_at(&r.v, RIG_HEADER + 16), 0x5c, 512);
	vring_desc(&r.v, 0, RIG_HEADER, 400, VRING_NEXT, 1);
	vring_desc(&r.v, 1, RIG_HEADER + 400, 128, VRING_NEXT, 2);
	vring_desc(&r.v, 2, RIG_BUF, 1, VRING_WRITE, 0);
	(void)rig_go(&r, 0, &used);
	ck_assert_uint_eq(buf[0], RIG_OK);
	ck_assert(rig_is_filled(host_sector(image, 9), 512, 0x5c));
	ck_assert(rig_is_filled(host_sector(image, 10), 512, 11));
	rig_end(&r);
	close(image);
}
END_TEST

START_TEST(indirect_chains_and_event_index_work)
{
	int image = rig_image(NULL, SECTORS);
	struct vring_desc *table;
	struct rig r;
	uint32_t i;

	rig_spawn(&r, image, NULL);
	rig_hand_over(&r);
	ck_assert_int_eq(rf_frontend_seal(r.fe), 0);
	rig_drive(&r, RIG_F_FLUSH | RIG_F_INDIRECT | RIG_F_EVENT_IDX);
	table = vring_at(&r.v, RIG_TABLE);
	for (i = 0; i < 200; i++) {
		vring_set_used_event(&r.v, r.v.next_used);
		rig_make(&r, RIG_IN, i % SECTORS, 0, 512);
		memcpy(table, r.v.desc, 3 * sizeof(*table));
		memset(r.v.desc, 0xff, 3 * sizeof(*table));
		vring_desc(&r.v, 5, RIG_TABLE, 48, VRING_INDIRECT, 0);
		ck_assert_uint_eq(rig_go(&r, 5, NULL), RIG_OK);
		ck_assert(rig_is_filled(rig_buf(&r), 512,
					(uint8_t)(i % SECTORS + 1)));
	}
	rig_end(&r);
	close(image);
}
END_TEST

START_TEST(many_requests_in_one_kick_are_all_served)
{
	int image = rig_image(NULL, SECTORS);
	bool is_done[21] = { false };
	struct vring_used used;
	struct rig r;
	uint32_t i, n = 0;
	uint16_t head;

	rig_start(&r, image, NULL);
	/* 21 requests of three descriptors, each with memory of its own. */
	for (i = 0; i < 21; i++) {
		uint64_t header = RIG_BUF + i * UINT64_C(0x1000);
		uint64_t sector = i;

		head = (uint16_t)(i * 3);
		memset(vring_at(&r.v, header), 0, 16);
		memcpy(vring_at(&r.v, header + 8), &sector, 8);
		*(uint8_t *)vring_at(&r.v, header + 16) = RIG_NO_ANSWER;
		vring_desc(&r.v, head, header, 16, VRING_NEXT, head + 1);
		vring_desc(&r.v, head + 1, header + 512, 512,
			   VRING_NEXT | VRING_WRITE, head + 2);
		vring_desc(&r.v, head + 2, header + 16, 1, VRING_WRITE, 0);
		vring_offer(&r.v, head);
	}
	rig_kick(&r);
	while (n < 21 && vring_wait(&r.v, r.call, RIG_WAIT_MS, &used)) {
		uint32_t at = used.id / 3;
		uint64_t header = RIG_BUF + at * UINT64_C(0x1000);

		ck_assert_uint_eq(used.id % 3, 0);
		ck_assert_uint_lt(at, 21);
		ck_assert(!is_done[at]);
		is_done[at] = true;
		ck_assert_uint_eq(*(uint8_t *)vring_at(&r.v, header + 16),
				  RIG_OK);
		ck_assert(rig_is_filled(vring_at(&r.v, header + 512), 512,
					(uint8_t)(at + 1)));
		n++;
	}
	ck_assert_uint_eq(n, 21);
	rig_end(&r);
	close(image);
}
END_TEST

START_TEST(the_disk_says_its_name)
{
	static const char *const args[] = { "--serial", "disk-0123456789abcde",
					    "--index", "7", NULL };
	int image = rig_image(NULL, SECTORS);
	uint32_t used;
	struct rig r;

	rig_start(&r, image, args);
	memset(rig_buf(&r), 0xee, 32);
	ck_assert_uint_eq(rig_io(&r, RIG_GET_ID, 0, 0, 20, &used), RIG_OK);
	ck_assert_uint_eq(used, 21);
	ck_assert_mem_eq(rig_buf(&r), "disk-0123456789abcde", 20);
	ck_assert_uint_eq(rig_buf(&r)[20], 0xee);
	/* Less room: what fits; more: what there is. */
	memset(rig_buf(&r), 0xee, 32);
	ck_assert_uint_eq(rig_io(&r, RIG_GET_ID, 0, 0, 4, &used), RIG_OK);
	ck_assert_mem_eq(rig_buf(&r), "disk\xee", 5);
	ck_assert_uint_eq(rig_io(&r, RIG_GET_ID, 0, 0, 30, &used), RIG_OK);
	ck_assert_uint_eq(used, 20);
	rig_end(&r);
	close(image);
}
END_TEST

START_TEST(config_space_says_what_is_served)
{
	int image = rig_image(NULL, SECTORS);
	uint8_t config[60], beyond[8];
	uint64_t features;
	struct rig r;

	/* An odd tail is not shown, and a line says so. */
	ck_assert_int_eq(pwrite(image, "tail", 4, SECTORS * 512), 4);
	rig_start(&r, image, NULL);
	features = rf_frontend_features(r.fe);
	ck_assert(features & RIG_F_VERSION_1);
	ck_assert(features & RIG_F_FLUSH);
	ck_assert(features & (1 << 13)); /* discard */
	ck_assert(features & (1 << 14)); /* write zeroes */
	ck_assert(!(features & (1 << 5)));
	ck_assert_int_eq(rf_frontend_get_config(r.fe, 0, config, 60), 0);
	ck_assert_uint_eq(get64(config), SECTORS);
	ck_assert_uint_eq(get32(config + 12), 254);
	ck_assert_uint_eq(get32(config + 20), 512);
	ck_assert_uint_gt(get32(config + 36), 0); /* discard sectors */
	ck_assert_uint_gt(get32(config + 48), 0); /* write zeroes sectors */
	memset(beyond, 0xff, sizeof(beyond));
	ck_assert_int_eq(rf_frontend_get_config(r.fe, 58, beyond, 8), 0);
	ck_assert(rig_is_filled(beyond + 2, 6, 0));
	/* Nothing in it may be written. */
	ck_assert_int_eq(rf_frontend_set_config(r.fe, 0, config, 4),
			 -EREMOTEIO);
	ck_assert_uint_eq(rig_io(&r, RIG_IN, SECTORS, 0, 512, NULL), RIG_IOERR);
	rig_end(&r);
	RIG_ASSERT_LOGGED(&r, "last 4 bytes are no whole sector");
	close(image);
}
END_TEST

START_TEST(a_read_only_disk_is_read_and_never_written)
{
	int image = rig_image("/tmp", SECTORS);
	struct rig r;
	char path[64];
	int ro;

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", image);
	ro = open(path, O_RDONLY | O_CLOEXEC);
	ck_assert_int_ge(ro, 0);
	rig_start(&r, ro, read_only);
	ck_assert(rf_frontend_features(r.fe) & (1 << 5));
	ck_assert(!(rf_frontend_features(r.fe) & (3 << 13)));
	ck_assert_uint_eq(rig_io(&r, RIG_IN, 5, 0, 512, NULL), RIG_OK);
	ck_assert(rig_is_filled(rig_buf(&r), 512, 6));
	ck_assert_uint_eq(rig_io(&r, RIG_OUT, 5, 512, 0, NULL), RIG_IOERR);
	ck_assert_uint_eq(rig_io(&r, RIG_DISCARD, 0, 16, 0, NULL), RIG_UNSUPP);
	ck_assert_uint_eq(rig_io(&r, RIG_ZEROES, 0, 16, 0, NULL), RIG_UNSUPP);
	ck_assert_uint_eq(rig_io(&r, RIG_FLUSH, 0, 0, 0, NULL), RIG_OK);
	rig_end(&r);
	close(ro);

	/* By name alone, too: a descriptor that could write is not used to. */
	rig_start(&r, image, read_only);
	memset(rig_buf(&r), 0, 512);
	ck_assert_uint_eq(rig_io(&r, RIG_OUT, 5, 512, 0, NULL), RIG_IOERR);
	ck_assert(rig_is_filled(host_sector(image, 5), 512, 6));
	rig_end(&r);
	close(image);
}
END_TEST

static void set_segment(struct rig *r, uint32_t i, uint64_t sector, uint32_t nr,
			uint32_t flags)
{
	uint8_t *p = rig_buf(r) + (size_t)i * 16;

	memcpy(p, &sector, 8);
	memcpy(p + 8, &nr, 4);
	memcpy(p + 12, &flags, 4);
}

static uint8_t segment_io(struct rig *r, uint32_t type, uint64_t sector,
			  uint32_t nr, uint32_t flags)
{
	set_segment(r, 0, sector, nr, flags);
	return rig_io(r, type, 0, 16, 0, NULL);
}

static void check_zeroes_and_discards(int image)
{
	struct rig r;

	rig_start(&r, image, NULL);
	ck_assert_uint_eq(segment_io(&r, RIG_ZEROES, 8, 8, 0), RIG_OK);
	ck_assert(rig_is_filled(host_sector(image, 7), 512, 8));
	ck_assert(rig_is_filled(host_sector(image, 8), 512, 0));
	ck_assert(rig_is_filled(host_sector(image, 15), 512, 0));
	ck_assert(rig_is_filled(host_sector(image, 16), 512, 17));
	/* Parts of pages, and with unmap. */
	ck_assert_uint_eq(segment_io(&r, RIG_ZEROES, 17, 2, 1), RIG_OK);
	ck_assert(rig_is_filled(host_sector(image, 16), 512, 17));
	ck_assert(rig_is_filled(host_sector(image, 17), 512, 0));
	ck_assert(rig_is_filled(host_sector(image, 18), 512, 0));
	ck_assert(rig_is_filled(host_sector(image, 19), 512, 20));
	/* Two segments in one discard; a file reads zero there. */
	set_segment(&r, 0, 24, 8, 0);
	set_segment(&r, 1, 40, 8, 0);
	ck_assert_uint_eq(rig_io(&r, RIG_DISCARD, 0, 32, 0, NULL), RIG_OK);
	ck_assert(rig_is_filled(host_sector(image, 24), 512, 0));
	ck_assert(rig_is_filled(host_sector(image, 32), 512, 33));
	ck_assert(rig_is_filled(host_sector(image, 47), 512, 0));
	ck_assert(rig_is_filled(host_sector(image, 48), 512, 49));
	/* The last sectors: the file keeps its length. */
	ck_assert_uint_eq(segment_io(&r, RIG_DISCARD, SECTORS - 8, 8, 0),
			  RIG_OK);
	ck_assert_uint_eq(segment_io(&r, RIG_ZEROES, SECTORS - 1, 1, 0),
			  RIG_OK);
	ck_assert_int_eq(lseek(image, 0, SEEK_END), SECTORS * 512);
	ck_assert_uint_eq(segment_io(&r, RIG_ZEROES, 0, 0, 0), RIG_OK);
	rig_end(&r);
}

/* tmpfs knows holes but not ZERO_RANGE: zeroes are written. */
START_TEST(zeroes_and_discards_in_memory)
{
	int image = rig_image(NULL, SECTORS);

	check_zeroes_and_discards(image);
	close(image);
}
END_TEST

START_TEST(zeroes_and_discards_on_disk)
{
	int image = rig_image("/tmp", SECTORS);
	struct stat before, after;

	ck_assert_int_eq(fsync(image), 0);
	ck_assert_int_eq(fstat(image, &before), 0);
	check_zeroes_and_discards(image);
	ck_assert_int_eq(fstat(image, &after), 0);
	/* Discarded is deallocated. */
	ck_assert_int_lt(after.st_blocks, before.st_blocks);
	close(image);
}
END_TEST

START_TEST(bad_segments_get_their_status_and_change_nothing)
{
	int image = rig_image(NULL, SECTORS);
	uint32_t i;
	struct rig r;

	rig_start(&r, image, NULL);
	/* Flags: only unmap, and only for write zeroes (5.2.6.2). */
	ck_assert_uint_eq(segment_io(&r, RIG_DISCARD, 0, 8, 1), RIG_UNSUPP);
	ck_assert_uint_eq(segment_io(&r, RIG_DISCARD, 0, 8, 2), RIG_UNSUPP);
	ck_assert_uint_eq(segment_io(&r, RIG_ZEROES, 0, 8, 2), RIG_UNSUPP);
	ck_assert_uint_eq(segment_io(&r, RIG_ZEROES, 0, 8, 0x80000001),
			  RIG_UNSUPP);
	/* Beyond the end, wrapping, more than was offered. */
	ck_assert_uint_eq(segment_io(&r, RIG_DISCARD, SECTORS, 1, 0),
			  RIG_IOERR);
	ck_assert_uint_eq(segment_io(&r, RIG_DISCARD, 1, SECTORS, 0),
			  RIG_IOERR);
	ck_assert_uint_eq(segment_io(&r, RIG_ZEROES, UINT64_MAX, 1, 0),
			  RIG_IOERR);
	ck_assert_uint_eq(segment_io(&r, RIG_ZEROES, UINT64_C(1) << 55, 1, 0),
			  RIG_IOERR);
	ck_assert_uint_eq(segment_io(&r, RIG_ZEROES, 0, UINT32_MAX, 0),
			  RIG_IOERR);
	/* Lengths. */
	set_segment(&r, 0, 0, 8, 0);
	ck_assert_uint_eq(rig_io(&r, RIG_DISCARD, 0, 0, 0, NULL), RIG_IOERR);
	ck_assert_uint_eq(rig_io(&r, RIG_DISCARD, 0, 15, 0, NULL), RIG_IOERR);
	ck_assert_uint_eq(rig_io(&r, RIG_DISCARD, 0, 17, 0, NULL), RIG_IOERR);
	ck_assert_uint_eq(rig_io(&r, RIG_ZEROES, 0, 32, 0, NULL), RIG_IOERR);
	for (i = 0; i < 17; i++)
		set_segment(&r, i, 0, 1, 0);
	ck_assert_uint_eq(rig_io(&r, RIG_DISCARD, 0, 17 * 16, 0, NULL),
			  RIG_IOERR);
	/* One bad among good ones: none is done. */
	set_segment(&r, 1, SECTORS, 1, 0);
	ck_assert_uint_eq(rig_io(&r, RIG_DISCARD, 0, 32, 0, NULL), RIG_IOERR);
	for (i = 0; i < SECTORS; i++)
		ck_assert(rig_is_filled(host_sector(image, i), 512,
					(uint8_t)(i + 1)));
	rig_end(&r);
	close(image);
}
END_TEST

START_TEST(an_image_cut_short_gives_errors_and_few_lines)
{
	int image = rig_image(NULL, SECTORS);
	const char *line, *log;
	uint32_t i, used, lines = 0;
	struct rig r;

	rig_start(&r, image, NULL);
	ck_assert_int_eq(ftruncate(image, 5120), 0);
	ck_assert_uint_eq(rig_io(&r, RIG_IN, 9, 0, 512, NULL), RIG_OK);
	/* One sector is still there: what was read counts. */
	ck_assert_uint_eq(rig_io(&r, RIG_IN, 9, 0, 1024, &used), RIG_IOERR);
	ck_assert_uint_eq(used, 512);
	for (i = 0; i < 100; i++)
		ck_assert_uint_eq(rig_io(&r, RIG_IN, 20, 0, 512, NULL),
				  RIG_IOERR);
	rig_end(&r);
	log = rig_log(&r);
	for (line = log; (line = strstr(line, "failed (-5)")); line++)
		lines++;
	ck_assert_uint_ge(lines, 1);
	ck_assert_uint_le(lines, 8);
	close(image);
}
END_TEST

START_TEST(images_that_cannot_be_served_end_the_program_with_a_line)
{
	int image = rig_image("/tmp", SECTORS);
	struct rig r;
	char path[64];
	int pipes[2], fd;

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", image);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	rig_spawn(&r, fd, NULL);
	ck_assert_int_eq(rig_exit_status(&r), 1);
	RIG_ASSERT_LOGGED(&r, "not open for reading and writing");
	close(fd);

	fd = open(path, O_RDWR | O_APPEND | O_CLOEXEC);
	rig_spawn(&r, fd, NULL);
	ck_assert_int_eq(rig_exit_status(&r), 1);
	RIG_ASSERT_LOGGED(&r, "not open for reading and writing");
	close(fd);

	fd = open(path, O_WRONLY | O_CLOEXEC);
	rig_spawn(&r, fd, read_only);
	ck_assert_int_eq(rig_exit_status(&r), 1);
	RIG_ASSERT_LOGGED(&r, "not open for reading");
	close(fd);

	ck_assert_int_eq(pipe2(pipes, O_CLOEXEC), 0);
	rig_spawn(&r, pipes[0], read_only);
	ck_assert_int_eq(rig_exit_status(&r), 1);
	RIG_ASSERT_LOGGED(&r, "neither a regular file nor a block device");
	close(image);
}
END_TEST

START_TEST(wrong_use_ends_with_two_and_a_sentence)
{
	static const char *const bad[][3] = {
		{ "--serial", "123456789012345678901", NULL },
		{ "--serial", "a\nb", NULL },
		{ "--serial", NULL },
		{ "--index", "-1", NULL },
		{ "--index", "100", NULL },
		{ "--index", "", NULL },
		{ "--index", "1x", NULL },
		{ "--index", NULL },
		{ "--root", NULL },
		{ "--read-write", NULL },
		{ "disk.img", NULL },
	};
	int image = rig_image(NULL, 1);
	struct rig r;
	size_t i;

	for (i = 0; i < RF_ARRAY_LEN(bad); i++) {
		rig_spawn(&r, image, bad[i]);
		ck_assert_int_eq(rig_exit_status(&r), 2);
		RIG_ASSERT_LOGGED(&r, "(see --help)");
	}
	close(image);
}
END_TEST

/* Make a loop device over the image, or say why not. */
static int open_loop(int image, int *loop, int *nr)
{
	/* Gone with its last descriptor, also if this test dies. */
	struct loop_config config = { .fd = (uint32_t)image,
				      .info.lo_flags = LO_FLAGS_AUTOCLEAR };
	char path[32];
	int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);

	if (control < 0)
		return -errno;
	*nr = ioctl(control, LOOP_CTL_GET_FREE);
	close(control);
	if (*nr < 0)
		return -errno;
	(void)snprintf(path, sizeof(path), "/dev/loop%d", *nr);
	*loop = open(path, O_RDWR | O_CLOEXEC);
	if (*loop < 0)
		return -errno;
	if (ioctl(*loop, LOOP_CONFIGURE, &config) < 0) {
		int err = -errno;

		close(*loop);
		return err;
	}
	return 0;
}

START_TEST(a_block_device_is_served_too)
{
	int image = rig_image("/tmp", SECTORS);
	int loop = -1, nr = -1, err = open_loop(image, &loop, &nr);
	uint8_t config[8];
	struct rig r;

	if (err) {
		printf("skipped: a_block_device_is_served_too: no loop "
		       "device: %s\n",
		       strerror(-err));
		close(image);
		return;
	}
	rig_start(&r, loop, NULL);
	ck_assert_int_eq(rf_frontend_get_config(r.fe, 0, config, 8), 0);
	ck_assert_uint_eq(get64(config), SECTORS);
	memset(rig_buf(&r), 0xab, 512);
	ck_assert_uint_eq(rig_io(&r, RIG_OUT, 5, 512, 0, NULL), RIG_OK);
	ck_assert_uint_eq(rig_io(&r, RIG_FLUSH, 0, 0, 0, NULL), RIG_OK);
	ck_assert(rig_is_filled(host_sector(image, 5), 512, 0xab));
	ck_assert_uint_eq(segment_io(&r, RIG_ZEROES, 8, 8, 0), RIG_OK);
	ck_assert_uint_eq(segment_io(&r, RIG_ZEROES, 16, 8, 1), RIG_OK);
	ck_assert_uint_eq(segment_io(&r, RIG_DISCARD, 24, 8, 0), RIG_OK);
	ck_assert_uint_eq(rig_io(&r, RIG_IN, 7, 0, 1024, NULL), RIG_OK);
	ck_assert(rig_is_filled(rig_buf(&r), 512, 8));
	ck_assert(rig_is_filled(rig_buf(&r) + 512, 512, 0));
	ck_assert_uint_eq(rig_io(&r, RIG_IN, 23, 0, 512, NULL), RIG_OK);
	ck_assert(rig_is_filled(rig_buf(&r), 512, 0));
	rig_end(&r);
	close(loop);
	close(image);
}
END_TEST

/* Sum of the Private_ lines of smaps_rollup, in KiB. */
static long private_kib(pid_t pid)
{
	char path[64], line[128];
	long sum = 0;
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", (int)pid);
	f = fopen(path, "re");
	if (!f)
		return -1;
	while (fgets(line, sizeof(line), f))
		if (strncmp(line, "Private_Clean:", 14) == 0 ||
		    strncmp(line, "Private_Dirty:", 14) == 0)
			sum += strtol(line + 14, NULL, 10);
	(void)fclose(f);
	return sum;
}

START_TEST(a_sealed_device_is_small_and_soon_there)
{
	int image = rig_image(NULL, SECTORS);
	uint64_t main_ns, fenced_ns, sealed_ns;
	struct rig r;
	uint32_t i;
	long kib;

	rig_start(&r, image, NULL);
	for (i = 0; i < 100; i++)
		ck_assert_uint_eq(rig_io(&r, RIG_IN, 0, 0, SECTORS * 512, NULL),
				  RIG_OK);
	kib = private_kib(r.child.pid);
	main_ns = atomic_load(&r.report->main_ns);
	fenced_ns = atomic_load(&r.report->fenced_ns);
	sealed_ns = atomic_load(&r.report->sealed_ns);
	printf("ringfence-blk: %ld KiB private; exec to main %.2f ms, to fence "
	       "%.2f ms, to seal %.2f ms\n",
	       kib, (double)(main_ns - r.child.exec_ns) / 1e6,
	       (double)(fenced_ns - r.child.exec_ns) / 1e6,
	       (double)(sealed_ns - r.child.exec_ns) / 1e6);
	ck_assert_uint_le(r.child.exec_ns, main_ns);
	ck_assert_uint_le(main_ns, fenced_ns);
	ck_assert_uint_le(fenced_ns, sealed_ns);
#ifndef RF_SANITIZED
	ck_assert_int_gt(kib, 0);
	ck_assert_int_lt(kib, 1024);
#endif
	rig_end(&r);
	close(image);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		what_is_written_is_in_the_image_and_read_back,
		first_and_last_sector_are_served_and_nothing_beyond,
		odd_lengths_and_unknown_types_get_their_status,
		header_data_and_status_may_be_cut_anywhere,
		indirect_chains_and_event_index_work,
		many_requests_in_one_kick_are_all_served,
		the_disk_says_its_name,
		config_space_says_what_is_served,
		a_read_only_disk_is_read_and_never_written,
		zeroes_and_discards_in_memory,
		zeroes_and_discards_on_disk,
		bad_segments_get_their_status_and_change_nothing,
		an_image_cut_short_gives_errors_and_few_lines,
		images_that_cannot_be_served_end_the_program_with_a_line,
		wrong_use_ends_with_two_and_a_sentence,
		a_block_device_is_served_too,
		a_sealed_device_is_small_and_soon_there,
	};

	return rig_run("blk", tests, RF_ARRAY_LEN(tests));
}
