/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * test_blk_request.c - twin of devices/blk/request.c, ranges.c, sync.c and
 * bounce.c: requests over an engine that does what a test tells it to
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

/* The room's own header, outside of the include path of tests. */
#include "../../devices/blk/blk.h"

#include "unit/unit.h"

#define SECTORS 1024u
#define PUSHED_MAX 64u

/* What came back to the driver. */
static struct {
	uint16_t head;
	uint32_t written;
} pushed[PUSHED_MAX];
static unsigned nr_pushed;

void rf_virtqueue_push(struct rf_virtqueue *vq, uint16_t head, uint32_t written)
{
	(void)vq;
	ck_assert_uint_lt(nr_pushed, PUSHED_MAX);
	pushed[nr_pushed].head = head;
	pushed[nr_pushed++].written = written;
}

uint16_t rf_virtqueue_index(const struct rf_virtqueue *vq)
{
	(void)vq;
	return 0;
}

/* An engine that gives the next of these results, or does the step on the
 * image when there is none. */
static int64_t results[16];
static unsigned nr_results, at_result;
static struct blk_request steps[64], *last;
static unsigned nr_steps, nr_syncs, nr_drains;
static int64_t sync_result;

static int64_t fake_start(struct blk *blk, struct blk_request *rq)
{
	last = rq;
	ck_assert_uint_lt(nr_steps, RF_ARRAY_LEN(steps));
	steps[nr_steps++] = *rq;
	if (at_result < nr_results)
		return results[at_result++];
	return blk_engine_sync.start(blk, rq);
}

static int64_t fake_sync(struct blk *blk)
{
	(void)blk;
	nr_syncs++;
	return sync_result;
}

static void fake_drain(struct blk *blk)
{
	(void)blk;
	nr_drains++;
}

static const struct blk_engine fake = { .name = "fake",
					.start = fake_start,
					.sync = fake_sync,
					.drain = fake_drain };

static struct blk blk;
/* The driver's side of a request. */
static struct blk_header header;
static uint8_t data[1 << 18] __attribute__((aligned(4096)));
static uint8_t status;
static struct iovec iov[RF_CHAIN_IOV_MAX];
static struct rf_chain chain;

static void set_up(void)
{
	int image = memfd_create("image", MFD_CLOEXEC);
	uint8_t sector[SECTOR_BYTES];
	uint32_t i;

	for (i = 0; i < SECTORS; i++) {
		memset(sector, (int)i + 1, sizeof(sector));
		ck_assert_int_eq(write(image, sector, sizeof(sector)),
				 sizeof(sector));
	}
	ck_assert_int_eq(rf_fd_move(image, RF_FD_BACKING), 0);
	blk = (struct blk){
		.engine = &fake,
		.image = { .nr_sectors = SECTORS,
			   .block_bytes = SECTOR_BYTES,
			   .memory_align = 1,
			   .physical_bytes = 4096 },
		.nr_queues = 1,
		.write_through = false,
	};
	memcpy(blk.serial, "name", 4);
	nr_pushed = nr_results = at_result = nr_steps = 0;
	nr_syncs = nr_drains = 0;
	sync_result = 0;
	memset(data, 0xee, sizeof(data));
}

/* O_DIRECT to a disk of 4 KiB blocks, as far as the code above it goes. */
static void use_big_blocks(void)
{
	blk.image.is_direct = true;
	blk.image.block_bytes = 4096;
	blk.image.memory_align = 512;
}

static void make_chain(uint32_t type, uint64_t sector, uint8_t *out,
		       size_t out_len, uint8_t *in, size_t in_len)
{
	header = (struct blk_header){ .type_le = type, .sector_le = sector };
	status = 0xff;
	chain = (struct rf_chain){ .head = 7, .iov = iov };
	iov[chain.nr_readable++] = (struct iovec){ &header, sizeof(header) };
	if (out_len)
		iov[chain.nr_readable++] = (struct iovec){ out, out_len };
	if (in_len)
		iov[chain.nr_readable + chain.nr_writable++] =
			(struct iovec){ in, in_len };
	iov[chain.nr_readable + chain.nr_writable++] = (struct iovec){ &status,
								       1 };
	chain.readable_bytes = sizeof(header) + out_len;
	chain.writable_bytes = in_len + 1;
}

static void begin(void)
{
	ck_assert(blk_request_has_room(&blk));
	ck_assert_int_eq(blk_request_begin(&blk, NULL, &chain), 0);
}

static void expect_done(uint8_t want, uint32_t written)
{
	ck_assert_uint_eq(nr_pushed, 1);
	ck_assert_uint_eq(pushed[0].head, 7);
	ck_assert_uint_eq(pushed[0].written, written);
	ck_assert_uint_eq(status, want);
	nr_pushed = 0;
}

static void say(int64_t result)
{
	results[nr_results++] = result;
}

static bool is_filled(const uint8_t *p, size_t len, uint8_t byte)
{
	size_t i;

	for (i = 0; i < len; i++)
		if (p[i] != byte)
			return false;
	return true;
}

static void expect_image(uint64_t sector, uint8_t byte)
{
	uint8_t got[SECTOR_BYTES];

	ck_assert_int_eq(pread(RF_FD_BACKING, got, sizeof(got),
			       (off_t)sector * SECTOR_BYTES),
			 sizeof(got));
	ck_assert_msg(is_filled(got, sizeof(got), byte),
		      "sector %llu: %u, not %u", (unsigned long long)sector,
		      got[0], byte);
}

START_TEST(a_chain_without_room_for_header_and_status_is_a_lie)
{
	set_up();
	make_chain(T_IN, 0, NULL, 0, data, 512);
	iov[0].iov_len = 15;
	chain.readable_bytes = 15;
	ck_assert_int_eq(blk_request_begin(&blk, NULL, &chain), -EPROTO);
	make_chain(T_IN, 0, NULL, 0, NULL, 0);
	chain.nr_writable = 0;
	chain.writable_bytes = 0;
	ck_assert_int_eq(blk_request_begin(&blk, NULL, &chain), -EPROTO);
	ck_assert_uint_eq(nr_pushed, 0);
	ck_assert_uint_eq(nr_steps, 0);
}
END_TEST

START_TEST(extents_are_judged_before_anything_is_done)
{
	static const struct {
		uint64_t sector;
		size_t len;
		uint8_t want;
	} cases[] = {
		{ 0, 512, S_OK },
		{ SECTORS - 1, 512, S_OK },
		{ SECTORS, 0, S_OK },
		{ 0, 511, S_IOERR },
		{ 0, 513, S_IOERR },
		{ SECTORS, 512, S_IOERR },
		{ SECTORS - 1, 1024, S_IOERR },
		{ UINT64_MAX, 512, S_IOERR },
		{ UINT64_MAX >> 9, 512, S_IOERR },
		{ (UINT64_MAX >> 9) + 1, 512, S_IOERR },
		{ UINT64_C(1) << 55, 512, S_IOERR },
	};
	size_t i;

	set_up();
	for (i = 0; i < RF_ARRAY_LEN(cases); i++) {
		unsigned before = nr_steps;
		bool is_done = cases[i].want == S_OK;

		make_chain(T_IN, cases[i].sector, NULL, 0, data, cases[i].len);
		begin();
		expect_done(cases[i].want,
			    is_done ? (uint32_t)cases[i].len + 1 : 0);
		ck_assert(nr_steps == before || is_done);
		make_chain(T_OUT, cases[i].sector, data, cases[i].len, NULL, 0);
		begin();
		expect_done(cases[i].want, 1);
	}
}
END_TEST

START_TEST(a_header_that_changes_afterwards_changes_nothing)
{
	set_up();
	say(BLK_UNDER_WAY);
	make_chain(T_IN, 3, NULL, 0, data, 1024);
	begin();
	ck_assert_uint_eq(nr_pushed, 0);
	/* The driver rewrites all it can reach: header and descriptors. */
	header = (struct blk_header){ .type_le = T_OUT, .sector_le = 99 };
	memset(iov, 0xff, sizeof(iov));
	say(512);
	say(512);
	blk_request_continue(&blk, last, 512);
	ck_assert_uint_eq(nr_steps, 2);
	ck_assert_int_eq(steps[1].step, BLK_READ);
	ck_assert_uint_eq(steps[1].step_start, UINT64_C(4) * 512);
	expect_done(S_OK, 1025);
}
END_TEST

START_TEST(short_steps_go_on_with_the_rest_and_the_rest_alone)
{
	set_up();
	make_chain(T_IN, 8, NULL, 0, data, 4096);
	/* Into pieces of its own. */
	iov[1] = (struct iovec){ data, 1000 };
	iov[2] = (struct iovec){ data + 8192, 3096 };
	iov[3] = (struct iovec){ &status, 1 };
	chain.nr_writable = 3;
	say(-EINTR);
	say(BLK_UNDER_WAY);
	begin();
	blk_request_continue(&blk, last, 1);
	/* The engine itself did the other 4095. */
	ck_assert_uint_eq(nr_steps, 3);
	ck_assert_uint_eq(steps[2].step_start, 4097);
	ck_assert_uint_eq(steps[2].step_bytes, 4095);
	ck_assert_uint_eq(data[0], 0xee);
	ck_assert(is_filled(data + 1, 511, 9));
	ck_assert(is_filled(data + 8192 + 24, 512, 11));
	ck_assert_uint_eq(data[1000], 0xee);
	expect_done(S_OK, 4097);
}
END_TEST

START_TEST(what_was_read_before_an_error_is_counted)
{
	set_up();
	make_chain(T_IN, 0, NULL, 0, data, 4096);
	say(512);
	say(-EIO);
	begin();
	expect_done(S_IOERR, 512);
	/* The end of an image that somebody cut is an error. */
	make_chain(T_IN, 0, NULL, 0, data, 4096);
	say(1024);
	say(0);
	begin();
	expect_done(S_IOERR, 1024);
	/* An engine that says more than was asked of it is not believed. */
	make_chain(T_IN, 0, NULL, 0, data, 4096);
	say(4097);
	begin();
	expect_done(S_IOERR, 0);
}
END_TEST

START_TEST(flushes_wait_for_one_that_began_after_them)
{
	set_up();
	sync_result = BLK_UNDER_WAY;
	make_chain(T_FLUSH, 0, NULL, 0, NULL, 0);
	begin();
	begin();
	ck_assert_uint_eq(nr_syncs, 0);
	blk_sync_submit(&blk);
	ck_assert_uint_eq(nr_syncs, 1);
	/* One at a time; these came too late for it. */
	begin();
	begin();
	begin();
	blk_sync_submit(&blk);
	ck_assert_uint_eq(nr_syncs, 1);
	ck_assert_uint_eq(nr_pushed, 0);
	blk_sync_done(&blk, 0);
	ck_assert_uint_eq(nr_pushed, 2);
	blk_sync_submit(&blk);
	ck_assert_uint_eq(nr_syncs, 2);
	ck_assert_uint_eq(nr_pushed, 2);
	/* Interrupted is not done. */
	blk_sync_done(&blk, -EINTR);
	ck_assert_uint_eq(nr_syncs, 3);
	ck_assert_uint_eq(nr_pushed, 2);
	blk_sync_done(&blk, 0);
	ck_assert_uint_eq(nr_pushed, 5);
	ck_assert_uint_eq(status, S_OK);
}
END_TEST

START_TEST(a_flush_that_failed_is_the_answer_to_all_that_follow)
{
	struct rf_report report = { .flushes_failed = 0 };

	set_up();
	blk.report = &report;
	sync_result = BLK_UNDER_WAY;
	make_chain(T_FLUSH, 0, NULL, 0, NULL, 0);
	begin();
	blk_sync_submit(&blk);
	begin();
	ck_assert_uint_eq(report.flushes_failed, 0);
	blk_sync_done(&blk, -EIO);
	expect_done(S_IOERR, 1);
	ck_assert_uint_eq(report.flushes_failed, 1);
	/* The kernel would say yes now. It is not asked. */
	sync_result = 0;
	status = 0xff;
	blk_sync_submit(&blk);
	expect_done(S_IOERR, 1);
	ck_assert_uint_eq(nr_syncs, 1);
	/* Writes without a cache are told the same. */
	blk.write_through = true;
	make_chain(T_OUT, 0, data, 512, NULL, 0);
	begin();
	blk_sync_submit(&blk);
	expect_done(S_IOERR, 1);
	blk.report = NULL;
}
END_TEST

START_TEST(without_a_cache_a_write_waits_until_it_is_stable)
{
	set_up();
	blk.write_through = true;
	sync_result = BLK_UNDER_WAY;
	make_chain(T_OUT, 5, data, 512, NULL, 0);
	begin();
	expect_image(5, 0xee);
	ck_assert_uint_eq(nr_pushed, 0);
	blk_sync_submit(&blk);
	ck_assert_uint_eq(nr_pushed, 0);
	blk_sync_done(&blk, 0);
	expect_done(S_OK, 1);
}
END_TEST

static void make_segment(uint32_t type, uint64_t sector, uint32_t nr,
			 uint32_t flags)
{
	struct blk_segment s = { .sector_le = sector,
				 .nr_sectors_le = nr,
				 .flags_le = flags };

	memcpy(data, &s, sizeof(s));
	make_chain(type, 0, data, sizeof(s), NULL, 0);
}

START_TEST(zeroes_are_zeroes_whatever_the_backing_refuses)
{
	static const int64_t refusals[] = { -EOPNOTSUPP, -EINVAL };
	size_t i;

	for (i = 0; i < RF_ARRAY_LEN(refusals); i++) {
		set_up();
		make_segment(T_WRITE_ZEROES, 2, 600, SEGMENT_F_UNMAP);
		say(refusals[i]);
		say(refusals[i]);
		say(BLK_UNDER_WAY);
		begin();
		ck_assert_int_eq(steps[0].step, BLK_PUNCH);
		ck_assert_int_eq(steps[1].step, BLK_ZERO);
		ck_assert_int_eq(steps[2].step, BLK_WRITE);
		ck_assert_uint_eq(nr_pushed, 0);
		/* Part of what was asked for, and the engine does the rest. */
		ck_assert_int_eq(pwrite(RF_FD_BACKING, "\0\0\0\0", 4, 1024), 4);
		blk_request_continue(&blk, last, 4);
		expect_done(S_OK, 1);
		expect_image(1, 2);
		expect_image(2, 0);
		expect_image(601, 0);
		expect_image(602, (uint8_t)603);
	}
	/* Without leave to unmap no hole is made. */
	set_up();
	make_segment(T_WRITE_ZEROES, 2, 1, 0);
	begin();
	ck_assert_int_eq(steps[0].step, BLK_ZERO);
	expect_done(S_OK, 1);
	/* A disk that fails is no refusal. */
	make_segment(T_WRITE_ZEROES, 2, 1, 0);
	say(-EIO);
	begin();
	expect_done(S_IOERR, 1);
}
END_TEST

START_TEST(a_discard_is_a_hint)
{
	set_up();
	make_segment(T_DISCARD, 0, 8, 0);
	say(-EOPNOTSUPP);
	begin();
	expect_done(S_OK, 1);
	expect_image(0, 1);
	make_segment(T_DISCARD, 0, 8, 0);
	begin();
	expect_done(S_OK, 1);
	expect_image(7, 0);
	make_segment(T_DISCARD, 0, 8, 0);
	say(-EIO);
	begin();
	expect_done(S_IOERR, 1);
}
END_TEST

START_TEST(parts_of_large_blocks_are_read_around)
{
	set_up();
	use_big_blocks();
	make_chain(T_IN, 3, NULL, 0, data, UINT64_C(512) * 300);
	begin();
	expect_done(S_OK, 512 * 300 + 1);
	ck_assert_uint_eq(data[0], 4);
	ck_assert_uint_eq(data[512 * 299 + 511], (uint8_t)303);
	/* Whole blocks, each step. */
	while (nr_steps > 0) {
		const struct blk_request *s = &steps[--nr_steps];

		ck_assert_uint_eq(s->step_start % 4096, 0);
		ck_assert_uint_eq(s->step_bytes % 4096, 0);
		ck_assert_uint_eq((uintptr_t)s->step_iov->iov_base % 512, 0);
	}
}
END_TEST

START_TEST(parts_of_large_blocks_are_patched_and_nothing_else)
{
	static const struct {
		uint64_t sector, nr;
	} cases[] = { { 3, 2 }, { 7, 2 }, { 8, 9 }, { 15, 300 }, { 16, 1 } };
	size_t i;

	for (i = 0; i < RF_ARRAY_LEN(cases); i++) {
		uint64_t first = cases[i].sector, nr = cases[i].nr;

		set_up();
		use_big_blocks();
		make_chain(T_OUT, first, data + 1, nr * 512, NULL, 0);
		begin();
		/* After all that is under way, and not through the engine. */
		ck_assert_uint_eq(nr_drains, 1);
		ck_assert_uint_eq(nr_steps, 0);
		expect_done(S_OK, 1);
		expect_image(first - 1, (uint8_t)first);
		expect_image(first, 0xee);
		expect_image(first + nr - 1, 0xee);
		expect_image(first + nr, (uint8_t)(first + nr + 1));
		/* Zeroes over it, likewise. */
		make_segment(T_WRITE_ZEROES, first, (uint32_t)nr, 0);
		begin();
		ck_assert_uint_eq(nr_drains, 2);
		expect_done(S_OK, 1);
		expect_image(first - 1, (uint8_t)first);
		expect_image(first, 0);
		expect_image(first + nr - 1, 0);
		expect_image(first + nr, (uint8_t)(first + nr + 1));
	}
}
END_TEST

START_TEST(buffers_that_do_not_fit_are_copied_a_piece_at_a_time)
{
	set_up();
	use_big_blocks();
	memset(data, 0x5a, sizeof(data));
	make_chain(T_OUT, 8, data + 3, UINT64_C(512) * 400, NULL, 0);
	/* A step that is short by a block in the middle of a buffer. */
	say(BLK_UNDER_WAY);
	begin();
	ck_assert_uint_eq(steps[0].step_bytes, 65536);
	ck_assert_int_eq(pwrite(RF_FD_BACKING, data, 4096, 4096), 4096);
	blk_request_continue(&blk, last, 4096);
	expect_done(S_OK, 1);
	ck_assert_uint_eq(steps[1].step_start, 8192);
	ck_assert_uint_eq(steps[1].step_bytes, 65536 - 4096);
	expect_image(7, 8);
	expect_image(8, 0x5a);
	expect_image(407, 0x5a);
	expect_image(408, (uint8_t)409);
}
END_TEST

START_TEST(there_is_room_for_so_many_and_it_comes_back)
{
	struct blk_request *under_way[16];
	unsigned n = 0, i;

	set_up();
	use_big_blocks();
	while (blk_request_has_room(&blk)) {
		ck_assert_uint_lt(n, RF_ARRAY_LEN(under_way));
		make_chain(T_IN, 0, NULL, 0, data + 1, 4096);
		results[0] = BLK_UNDER_WAY;
		at_result = 0;
		nr_results = 1;
		begin();
		under_way[n++] = last;
	}
	ck_assert_uint_eq(n, 8);
	for (i = 0; i < n; i++) {
		blk_request_continue(&blk, under_way[i], 4096);
		ck_assert(blk_request_has_room(&blk));
	}
	ck_assert_uint_eq(nr_pushed, n);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		a_chain_without_room_for_header_and_status_is_a_lie,
		extents_are_judged_before_anything_is_done,
		a_header_that_changes_afterwards_changes_nothing,
		short_steps_go_on_with_the_rest_and_the_rest_alone,
		what_was_read_before_an_error_is_counted,
		flushes_wait_for_one_that_began_after_them,
		a_flush_that_failed_is_the_answer_to_all_that_follow,
		without_a_cache_a_write_waits_until_it_is_stable,
		zeroes_are_zeroes_whatever_the_backing_refuses,
		a_discard_is_a_hint,
		parts_of_large_blocks_are_read_around,
		parts_of_large_blocks_are_patched_and_nothing_else,
		buffers_that_do_not_fit_are_copied_a_piece_at_a_time,
		there_is_room_for_so_many_and_it_comes_back,
	};

	return unit_run("blk_request", tests, RF_ARRAY_LEN(tests));
}
