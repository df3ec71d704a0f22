/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * test_blk_features.c - what a driver may choose of ringfence-blk, each on and
 * off; several queues; limits; resets while requests are under way
 */
#include "process/blk_rig.h"

#include <stdio.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#define SECTORS 4096u
#define DIR "/tmp"

#define F_SIZE_MAX (UINT64_C(1) << 1)
#define F_SEG_MAX (UINT64_C(1) << 2)
#define F_RO (UINT64_C(1) << 5)
#define F_BLK_SIZE (UINT64_C(1) << 6)
#define F_TOPOLOGY (UINT64_C(1) << 10)
#define F_CONFIG_WCE (UINT64_C(1) << 11)
#define F_MQ (UINT64_C(1) << 12)
#define F_DISCARD (UINT64_C(1) << 13)
#define F_WRITE_ZEROES (UINT64_C(1) << 14)
#define WRITEBACK_AT 32u

#define BATCH 16u
#define BATCH_STEP UINT64_C(0x3000)

/* A driver that knows `features` and no other. */
static void start_with(struct rig *r, int image, const char *const *extra,
		       uint64_t features)
{
	rig_spawn(r, image, extra);
	rig_hand_over(r);
	ck_assert_int_eq(rf_frontend_seal(r->fe), 0);
	rig_drive(r, features);
}

static void read_config(struct rig *r, uint32_t at, void *out, uint32_t len)
{
	ck_assert_int_eq(rf_frontend_get_config(r->fe, at, out, len), 0);
}

static uint8_t writeback(struct rig *r)
{
	uint8_t value;

	read_config(r, WRITEBACK_AT, &value, 1);
	return value;
}

static int set_writeback(struct rig *r, uint8_t value)
{
	return rf_frontend_set_config(r->fe, WRITEBACK_AT, &value, 1);
}

static uint64_t offered(int image, const char *const *extra)
{
	uint64_t features;
	struct rig r;

	rig_spawn(&r, image, extra);
	rig_negotiate(&r);
	features = rf_frontend_features(r.fe);
	rig_end(&r);
	return features;
}

START_TEST(what_is_offered_follows_the_image_and_the_arguments)
{
	static const char *const read_only[] = { "--read-only", NULL };
	static const char *const queues[] = { "--queues", "8", NULL };
	const uint64_t always = F_SIZE_MAX | F_SEG_MAX | F_BLK_SIZE |
				F_TOPOLOGY | RIG_F_FLUSH;
	const uint64_t writable = F_CONFIG_WCE | F_DISCARD | F_WRITE_ZEROES;
	const uint64_t all = always | writable | F_RO | F_MQ;
	int image = rig_image(DIR, SECTORS);

	ck_assert_uint_eq(offered(image, NULL) & all, always | writable);
	ck_assert_uint_eq(offered(image, read_only) & all, always | F_RO);
	ck_assert_uint_eq(offered(image, queues) & all,
			  always | writable | F_MQ);
	close(image);
}
END_TEST

START_TEST(sizes_in_config_space_are_the_backings)
{
	int image = rig_image(DIR, SECTORS);
	uint32_t size_max, seg_max, blk_size, discard_align;
	uint8_t topology[8];
	uint16_t queues, min_io;
	struct rig r;

	rig_start(&r, image, NULL);
	read_config(&r, 8, &size_max, 4);
	read_config(&r, 12, &seg_max, 4);
	read_config(&r, 20, &blk_size, 4);
	read_config(&r, 24, topology, 8);
	read_config(&r, 34, &queues, 2);
	read_config(&r, 44, &discard_align, 4);
	ck_assert_uint_eq(size_max, 1u << 18);
	ck_assert_uint_eq(seg_max, 254);
	ck_assert_uint_ge(blk_size, 512);
	ck_assert_uint_eq(blk_size & (blk_size - 1), 0);
	/* A file system of 4 KiB blocks; nothing is shifted. */
	ck_assert_uint_eq(blk_size << topology[0], 4096);
	ck_assert_uint_eq(topology[1], 0);
	memcpy(&min_io, topology + 2, 2);
	ck_assert_uint_eq((uint64_t)min_io * blk_size, 4096);
	ck_assert_uint_eq(queues, 1);
	ck_assert_uint_eq(discard_align, 8);
	rig_end(&r);
	close(image);
}
END_TEST

/* Pages of the image that are in memory alone; -1: this kernel cannot say. */
static long dirty_pages(int image)
{
	struct {
		uint64_t off, len;
	} range = { 0, 0 };
	struct {
		uint64_t cached, dirty, writeback, evicted, recent;
	} stat;

	/* cachestat, since 6.5 */
	if (syscall(451, image, &range, &stat, 0) < 0)
		return -1;
	return (long)(stat.dirty + stat.writeback);
}

/* Whether a write that was called complete is on the disk. */
static void check_stable(int image, bool is_stable)
{
	long dirty = dirty_pages(image);

	if (dirty < 0)
		return;
	if (is_stable)
		ck_assert_int_eq(dirty, 0);
	else if (!rig_is_direct)
		ck_assert_int_gt(dirty, 0);
}

START_TEST(the_cache_mode_is_the_drivers_choice_where_it_may_choose)
{
	int image = rig_image(DIR, SECTORS);
	struct rig r;

	/* Not negotiated: the field may not be written. */
	start_with(&r, image, NULL, RIG_F_FLUSH);
	ck_assert_int_eq(set_writeback(&r, 0), -EREMOTEIO);
	rig_end(&r);
	/* Without flushes there is nothing to choose. */
	start_with(&r, image, NULL, F_CONFIG_WCE);
	ck_assert_uint_eq(writeback(&r), 0);
	ck_assert_int_eq(set_writeback(&r, 1), 0);
	ck_assert_uint_eq(writeback(&r), 0);
	ck_assert_int_eq(fdatasync(image), 0);
	ck_assert_uint_eq(rig_io(&r, RIG_OUT, 1, 512, 0, NULL), RIG_OK);
	check_stable(image, true);
	rig_end(&r);

	start_with(&r, image, NULL, RIG_F_FLUSH | F_CONFIG_WCE);
	ck_assert_uint_eq(writeback(&r), 1);
	ck_assert_uint_eq(rig_io(&r, RIG_OUT, 1, 512, 0, NULL), RIG_OK);
	check_stable(image, false);
	/* What was complete before becomes stable as well. */
	ck_assert_int_eq(set_writeback(&r, 0), 0);
	check_stable(image, true);
	ck_assert_uint_eq(writeback(&r), 0);
	ck_assert_uint_eq(rig_io(&r, RIG_OUT, 1, 512, 0, NULL), RIG_OK);
	check_stable(image, true);
	ck_assert_int_eq(set_writeback(&r, 1), 0);
	ck_assert_uint_eq(writeback(&r), 1);
	ck_assert_uint_eq(rig_io(&r, RIG_OUT, 1, 512, 0, NULL), RIG_OK);
	check_stable(image, false);
	ck_assert_uint_eq(rig_io(&r, RIG_FLUSH, 0, 0, 0, NULL), RIG_OK);
	check_stable(image, true);
	/* Values and places that are none. */
	ck_assert_int_eq(set_writeback(&r, 2), -EREMOTEIO);
	ck_assert_int_eq(set_writeback(&r, 255), -EREMOTEIO);
	ck_assert_int_eq(
		rf_frontend_set_config(r.fe, WRITEBACK_AT - 1, "\0\0", 2),
		-EREMOTEIO);
	ck_assert_int_eq(rf_frontend_set_config(r.fe, 0, "\0", 1), -EREMOTEIO);
	ck_assert_uint_eq(writeback(&r), 1);
	/* A reset forgets the choice. */
	ck_assert_int_eq(set_writeback(&r, 0), 0);
	ck_assert_int_eq(rf_frontend_reset(r.fe), 0);
	rig_drive(&r, RIG_F_FLUSH | F_CONFIG_WCE);
	ck_assert_uint_eq(writeback(&r), 1);
	rig_end(&r);
	close(image);
}
END_TEST

/* The second queue's rings and buffers lie in the upper half of memory. */
#define HALF (VRING_RAM_BYTES / 2)

struct second {
	struct vring v;
	int kick, call;
};

static void start_two(struct rig *r, struct second *s, int image,
		      const char *const *extra)
{
	struct rf_frontend_queue q = rig_queue();

	*s = (struct second){ .kick = rig_eventfd(), .call = rig_eventfd() };
	rig_spawn(r, image, extra);
	rig_hand_over(r);
	ck_assert_int_eq(rf_frontend_set_kick(r->fe, 1, s->kick), 0);
	ck_assert_int_eq(rf_frontend_set_call(r->fe, 1, s->call), 0);
	ck_assert_int_eq(rf_frontend_seal(r->fe), 0);
	rig_drive(r, RIG_F_FLUSH | F_MQ);
	vring_init(&s->v, r->ram + HALF, RIG_QUEUE_SIZE);
	q.index = 1;
	q.desc_addr += HALF;
	q.avail_addr += HALF;
	q.used_addr += HALF;
	ck_assert_int_eq(rf_frontend_queue_start(r->fe, &q), 0);
}

/* Where data begins in its two pages. */
static uint32_t batch_skew;

/* Requests of their own memory: header, status and two pages of data each. */
static uint64_t batch_at(uint32_t i)
{
	return RIG_BUF + i * BATCH_STEP;
}

static void offer_batch(struct vring *v, uint64_t base, uint32_t i,
			uint32_t type, uint64_t sector)
{
	uint64_t at = base + batch_at(i);
	uint16_t head = (uint16_t)(i * 3);
	uint16_t flags = type == RIG_IN ? VRING_WRITE : 0;

	memset(vring_at(v, batch_at(i)), 0, 16);
	memcpy(vring_at(v, batch_at(i)), &type, 4);
	memcpy((uint8_t *)vring_at(v, batch_at(i)) + 8, &sector, 8);
	*(uint8_t *)vring_at(v, batch_at(i) + 16) = RIG_NO_ANSWER;
	vring_desc(v, head, at, 16, VRING_NEXT, head + 1);
	vring_desc(v, head + 1, at + 4096 + batch_skew, 4096,
		   flags | VRING_NEXT, head + 2);
	vring_desc(v, head + 2, at + 16, 1, VRING_WRITE, 0);
	vring_offer(v, head);
}

static uint32_t collect(struct vring *v, int call, uint32_t nr, int ms)
{
	struct vring_used used;
	uint32_t n = 0;

	while (n < nr && vring_wait(v, call, ms, &used)) {
		uint32_t i = used.id / 3;

		ck_assert_uint_lt(i, BATCH);
		ck_assert_uint_eq(*(uint8_t *)vring_at(v, batch_at(i) + 16),
				  RIG_OK);
		n++;
	}
	return n;
}

/* Eight sectors, each telling its own; see rig_image(). */
static void check_batch(struct vring *v, uint32_t i, uint64_t sector)
{
	const uint8_t *data = vring_at(v, batch_at(i) + 4096 + batch_skew);
	uint32_t s;

	for (s = 0; s < 8; s++)
		ck_assert(rig_is_filled(data + s * UINT64_C(512), 512,
					(uint8_t)(sector + s + 1)));
}

/* The page cache is emptied, so that what is read has to be waited for. */
static void forget_pages(int image)
{
	ck_assert_int_eq(fdatasync(image), 0);
	ck_assert_int_eq(posix_fadvise(image, 0, 0, POSIX_FADV_DONTNEED), 0);
}

START_TEST(many_requests_are_under_way_and_each_gets_its_own)
{
	int image = rig_image(DIR, SECTORS);
	uint32_t round, i;
	struct rig r;

	rig_start(&r, image, NULL);
	for (round = 0; round < 20; round++) {
		forget_pages(image);
		for (i = 0; i < BATCH; i++)
			offer_batch(&r.v, 0, i, RIG_IN,
				    (round * 37 + i * 211) % (SECTORS - 8));
		rig_kick(&r);
		ck_assert_uint_eq(collect(&r.v, r.call, BATCH, RIG_WAIT_MS),
				  BATCH);
		for (i = 0; i < BATCH; i++)
			check_batch(&r.v, i,
				    (round * 37 + i * 211) % (SECTORS - 8));
	}
	rig_end(&r);
	close(image);
}
END_TEST

/* Batches on both queues at once, each answered with what it asked for. */
static void drive_two(int image, struct rig *r, struct second *s)
{
	uint32_t round, i;

	for (round = 0; round < 20; round++) {
		forget_pages(image);
		for (i = 0; i < BATCH; i++) {
			offer_batch(&r->v, 0, i, RIG_IN, i * UINT64_C(64));
			offer_batch(&s->v, HALF, i, RIG_IN, i * UINT64_C(72));
		}
		ck_assert_int_eq(rf_eventfd_signal(r->kick), 0);
		ck_assert_int_eq(rf_eventfd_signal(s->kick), 0);
		ck_assert_uint_eq(collect(&r->v, r->call, BATCH, RIG_WAIT_MS),
				  BATCH);
		ck_assert_uint_eq(collect(&s->v, s->call, BATCH, RIG_WAIT_MS),
				  BATCH);
		for (i = 0; i < BATCH; i++) {
			check_batch(&r->v, i, i * UINT64_C(64));
			check_batch(&s->v, i, i * UINT64_C(72));
		}
	}
}

/* More of them than there are buffers for where the guest's do not do. */
START_TEST(buffers_that_begin_anywhere_wait_for_room)
{
	int image = rig_image(DIR, SECTORS);
	struct second s;
	struct rig r;
	static const char *const two[] = { "--queues", "2", NULL };

	batch_skew = 101;
	start_two(&r, &s, image, two);
	drive_two(image, &r, &s);
	rig_end(&r);
	close(image);
}
END_TEST

START_TEST(a_reset_while_requests_are_under_way_loses_nothing)
{
	int image = rig_image(DIR, SECTORS);
	uint32_t round, i;
	struct rig r;

	rig_start(&r, image, NULL);
	for (round = 0; round < 60; round++) {
		struct vring before;

		forget_pages(image);
		for (i = 0; i < BATCH; i++) {
			memset(vring_at(&r.v, batch_at(i) + 4096), 0xee, 4096);
			offer_batch(&r.v, 0, i, i % 4 ? RIG_IN : RIG_OUT,
				    i % 4 ? i * 64 : SECTORS - 8);
		}
		rig_kick(&r);
		if (round % 2)
			(void)usleep(round * 10);
		before = r.v;
		ck_assert_int_eq(rf_frontend_reset(r.fe), 0);
		/* What is said to be done is done, and after the answer nothing
		 * is written any more. */
		for (i = 0; i < BATCH; i++)
			if (i % 4 &&
			    *(uint8_t *)vring_at(&before, batch_at(i) + 16) ==
				    RIG_OK)
				check_batch(&before, i, i * UINT64_C(64));
		memset(vring_at(&r.v, batch_at(0)), 0x55, BATCH * BATCH_STEP);
		rig_drive(&r, RIG_F_FLUSH);
		ck_assert_uint_eq(rig_io(&r, RIG_FLUSH, 0, 0, 0, NULL), RIG_OK);
		ck_assert(rig_is_filled(vring_at(&r.v, batch_at(1)),
					(BATCH - 1) * BATCH_STEP, 0x55));
	}
	rig_end(&r);
	close(image);
}
END_TEST

START_TEST(a_queue_that_stops_has_nothing_under_way)
{
	int image = rig_image(DIR, SECTORS);
	struct rf_frontend_queue q = rig_queue();
	uint32_t round, i;
	struct rig r;

	rig_start(&r, image, NULL);
	for (round = 0; round < 30; round++) {
		uint32_t base, done;

		forget_pages(image);
		for (i = 0; i < BATCH; i++)
			offer_batch(&r.v, 0, i, RIG_IN, i * UINT64_C(64));
		rig_kick(&r);
		ck_assert_int_eq(rf_frontend_queue_stop(r.fe, 0, &base), 0);
		/* As many are answered as were taken. */
		done = (uint16_t)(vring_used_idx(&r.v) - r.v.next_used);
		ck_assert_uint_eq((uint16_t)(base - r.v.next_used), done);
		q.base = base;
		ck_assert_int_eq(rf_frontend_queue_start(r.fe, &q), 0);
		ck_assert_uint_eq(collect(&r.v, r.call, BATCH, RIG_WAIT_MS),
				  BATCH);
		for (i = 0; i < BATCH; i++)
			check_batch(&r.v, i, i * UINT64_C(64));
	}
	rig_end(&r);
	close(image);
}
END_TEST

/* A guest that asks for flushes among its writes gets an answer to each. */
START_TEST(flushes_among_writes_are_all_answered)
{
	static const uint64_t features[] = { RIG_F_FLUSH, 0 };
	int image = rig_image(DIR, SECTORS);
	uint32_t i, round;
	struct rig r;

	for (round = 0; round < RF_ARRAY_LEN(features); round++) {
		start_with(&r, image, NULL, features[round]);
		for (i = 0; i < BATCH; i++) {
			memset(vring_at(&r.v, batch_at(i) + 4096),
			       0xc0 + (int)i, 4096);
			offer_batch(&r.v, 0, i, RIG_OUT, i * UINT64_C(8));
			if (i % 3)
				continue;
			/* Less its data. */
			*(uint32_t *)vring_at(&r.v, batch_at(i)) = RIG_FLUSH;
			vring_desc(&r.v, (uint16_t)(i * 3), batch_at(i), 16,
				   VRING_NEXT, (uint16_t)(i * 3 + 2));
		}
		rig_kick(&r);
		ck_assert_uint_eq(collect(&r.v, r.call, BATCH, RIG_WAIT_MS),
				  BATCH);
		for (i = 0; i < BATCH; i++) {
			uint8_t byte;

			ck_assert_int_eq(
				pread(image, &byte, 1, (off_t)i * 4096), 1);
			ck_assert_uint_eq(byte,
					  i % 3 ? 0xc0 + i : (i * 8 + 1) % 256);
		}
		/* For the next round. */
		for (i = 0; i < BATCH; i++) {
			uint8_t byte = (uint8_t)(i * 8 + 1);

			ck_assert_int_eq(
				pwrite(image, &byte, 1, (off_t)i * 4096), 1);
		}
		rig_end(&r);
	}
	close(image);
}
END_TEST

START_TEST(two_queues_are_served_side_by_side)
{
	static const char *const two[] = { "--queues", "2", NULL };
	int image = rig_image(DIR, SECTORS);
	struct second s;
	uint16_t queues;
	struct rig r;

	start_two(&r, &s, image, two);
	read_config(&r, 34, &queues, 2);
	ck_assert_uint_eq(queues, 2);
	drive_two(image, &r, &s);
	rig_end(&r);
	close(image);
}
END_TEST

static uint64_t elapsed_ms(uint64_t since_ns)
{
	return (rf_clock_ns() - since_ns) / 1000000;
}

START_TEST(operations_a_second_are_held)
{
	static const char *const args[] = { "--limits", NULL };
	int image = rig_image(DIR, SECTORS);
	uint64_t start;
	struct rig r;
	uint32_t i;

	rig_spawn(&r, image, args);
	atomic_store(&r.limits->ops_per_s, 50);
	atomic_store(&r.limits->ops_burst, 4);
	rig_hand_over(&r);
	ck_assert_int_eq(rf_frontend_seal(r.fe), 0);
	rig_drive(&r, RIG_F_FLUSH);
	start = rf_clock_ns();
	for (i = 0; i < BATCH; i++)
		offer_batch(&r.v, 0, i, RIG_IN, i * UINT64_C(64));
	rig_kick(&r);
	ck_assert_uint_eq(collect(&r.v, r.call, BATCH, RIG_WAIT_MS), BATCH);
	/* Twelve of them had to wait for a fiftieth of a second each. */
	ck_assert_uint_ge(elapsed_ms(start), 235);
	for (i = 0; i < BATCH; i++)
		check_batch(&r.v, i, i * UINT64_C(64));
	/* Lifted while one waits: it does not wait for what was. */
	atomic_store(&r.limits->ops_per_s, 1);
	start = rf_clock_ns();
	for (i = 0; i < BATCH; i++)
		offer_batch(&r.v, 0, i, RIG_IN, i * UINT64_C(64));
	rig_kick(&r);
	(void)usleep(50000);
	ck_assert_uint_lt((uint16_t)(vring_used_idx(&r.v) - r.v.next_used),
			  BATCH);
	atomic_store(&r.limits->ops_per_s, 0);
	ck_assert_uint_eq(collect(&r.v, r.call, BATCH, RIG_WAIT_MS), BATCH);
	ck_assert_uint_le(elapsed_ms(start), 3000);
	rig_end(&r);
	close(image);
}
END_TEST

START_TEST(bytes_a_second_are_held_and_no_request_is_too_large)
{
	static const char *const args[] = { "--limits", NULL };
	int image = rig_image(DIR, SECTORS);
	uint64_t start;
	struct rig r;
	uint32_t i;

	rig_spawn(&r, image, args);
	atomic_store(&r.limits->bytes_per_s, 1000000);
	atomic_store(&r.limits->bytes_burst, 10000);
	rig_hand_over(&r);
	ck_assert_int_eq(rf_frontend_seal(r.fe), 0);
	rig_drive(&r, RIG_F_FLUSH);
	start = rf_clock_ns();
	/* Ten times the burst, each. */
	for (i = 0; i < 4; i++)
		ck_assert_uint_eq(rig_io(&r, RIG_IN, 0, 0, 102400, NULL),
				  RIG_OK);
	/* Three had to be paid before the last. */
	ck_assert_uint_ge(elapsed_ms(start), 290);
	/* A debt is not forgiven with a reset. */
	ck_assert_int_eq(rf_frontend_reset(r.fe), 0);
	rig_drive(&r, RIG_F_FLUSH);
	ck_assert_uint_eq(rig_io(&r, RIG_IN, 0, 0, 512, NULL), RIG_OK);
	ck_assert_uint_ge(elapsed_ms(start), 390);
	rig_end(&r);
	close(image);
}
END_TEST

START_TEST(a_limit_is_shared_by_the_queues_in_turns)
{
	static const char *const args[] = { "--limits", "--queues", "2", NULL };
	int image = rig_image(DIR, SECTORS);
	uint32_t first, second, i;
	struct second s;
	struct rig r;

	start_two(&r, &s, image, args);
	atomic_store(&r.limits->ops_per_s, 100);
	atomic_store(&r.limits->ops_burst, 1);
	for (i = 0; i < BATCH; i++) {
		offer_batch(&r.v, 0, i, RIG_IN, i * UINT64_C(64));
		offer_batch(&s.v, HALF, i, RIG_IN, i * UINT64_C(64));
	}
	ck_assert_int_eq(rf_eventfd_signal(r.kick), 0);
	ck_assert_int_eq(rf_eventfd_signal(s.kick), 0);
	for (i = 0; i < RIG_WAIT_MS; i++) {
		first = (uint16_t)(vring_used_idx(&r.v) - r.v.next_used);
		second = (uint16_t)(vring_used_idx(&s.v) - s.v.next_used);
		if (first + second >= 8)
			break;
		(void)usleep(1000);
	}
	/* Neither is emptied before the other gets something. */
	ck_assert_uint_ge(first, 3);
	ck_assert_uint_ge(second, 3);
	ck_assert_uint_lt(first + second, UINT64_C(2) * BATCH);
	/* One is taken away in the middle; the other goes on. */
	ck_assert_int_eq(rf_frontend_queue_stop(r.fe, 0, &first), 0);
	ck_assert_uint_eq(collect(&s.v, s.call, BATCH, RIG_WAIT_MS), BATCH);
	rig_end(&r);
	close(image);
}
END_TEST

START_TEST(resets_do_not_lose_the_way_while_a_limit_holds)
{
	static const char *const args[] = { "--limits", NULL };
	int image = rig_image(DIR, SECTORS);
	uint32_t round, i;
	struct rig r;

	rig_start(&r, image, args);
	atomic_store(&r.limits->ops_per_s, 200);
	atomic_store(&r.limits->ops_burst, 1);
	for (round = 0; round < 10; round++) {
		for (i = 0; i < BATCH; i++)
			offer_batch(&r.v, 0, i, RIG_IN, i * UINT64_C(64));
		rig_kick(&r);
		(void)usleep(5000);
		ck_assert_int_eq(rf_frontend_reset(r.fe), 0);
		rig_drive(&r, RIG_F_FLUSH);
		ck_assert_uint_eq(rig_io(&r, RIG_IN, 9, 0, 512, NULL), RIG_OK);
		ck_assert(rig_is_filled(rig_buf(&r), 512, 10));
	}
	rig_end(&r);
	close(image);
}
END_TEST

/* A model of the disk that is held against it, over requests of any shape. */
#define MODEL_SECTORS 256u

static uint32_t pick(uint64_t *state, uint32_t below)
{
	*state = *state * UINT64_C(6364136223846793005) + 1442695040888963407;
	return (uint32_t)(*state >> 33) % below;
}

/* Data cut anywhere, beginning anywhere: no alignment holds. */
static uint8_t odd_io(struct rig *r, uint64_t *state, uint32_t type,
		      uint64_t sector, uint32_t len, uint64_t gpa)
{
	uint16_t flags = VRING_NEXT | (type == RIG_IN ? VRING_WRITE : 0);
	uint32_t done = 0;
	uint16_t n = 1;

	rig_make(r, type, sector, 0, 0);
	while (done < len) {
		uint32_t here = n < 20 ? 1 + pick(state, len - done)
				       : len - done;

		vring_desc(&r->v, n, gpa + done, here, flags, n + 1);
		done += here;
		n++;
	}
	vring_desc(&r->v, n, RIG_STATUS, 1, VRING_WRITE, 0);
	return rig_go(r, 0, NULL);
}

START_TEST(a_disk_is_what_was_written_to_it)
{
	static uint8_t model[MODEL_SECTORS * 512], host[sizeof(model)];
	int image = rig_image(DIR, MODEL_SECTORS);
	uint64_t state = 20;
	struct rig r;
	uint32_t i;

	ck_assert_int_eq(pread(image, model, sizeof(model), 0), sizeof(model));
	rig_start(&r, image, NULL);
	for (i = 0; i < 600; i++) {
		uint32_t nr = 1 + pick(&state, i % 5 ? 16 : 200);
		uint32_t sector = pick(&state, MODEL_SECTORS - nr);
		uint64_t gpa = RIG_BUF + pick(&state, i % 2 ? 4096 : 1) +
			       pick(&state, 2) * UINT64_C(512);
		uint8_t *buf = vring_at(&r.v, gpa);
		uint8_t *at = model + (size_t)sector * 512;
		uint32_t what = pick(&state, 10);

		if (what == 0) {
			ck_assert_uint_eq(rig_io(&r, RIG_FLUSH, 0, 0, 0, NULL),
					  RIG_OK);
		} else if (what == 1) {
			uint64_t segment[2] = { sector,
						nr | (uint64_t)pick(&state, 2)
								<< 32 };

			memcpy(rig_buf(&r), segment, 16);
			ck_assert_uint_eq(
				rig_io(&r, RIG_ZEROES, 0, 16, 0, NULL), RIG_OK);
			memset(at, 0, (size_t)nr * 512);
		} else if (what < 6) {
			memset(buf, (int)i, (size_t)nr * 512);
			ck_assert_uint_eq(odd_io(&r, &state, RIG_OUT, sector,
						 nr * 512, gpa),
					  RIG_OK);
			memset(at, (int)i, (size_t)nr * 512);
		} else {
			memset(buf, 0xee, (size_t)nr * 512);
			ck_assert_uint_eq(odd_io(&r, &state, RIG_IN, sector,
						 nr * 512, gpa),
					  RIG_OK);
			ck_assert_mem_eq(buf, at, (size_t)nr * 512);
		}
	}
	rig_end(&r);
	ck_assert_int_eq(pread(image, host, sizeof(host), 0), sizeof(host));
	ck_assert_mem_eq(host, model, sizeof(model));
	close(image);
}
END_TEST

/* Where nobody says what is in the page cache nothing is known to be there. */
static bool has_known_pages(int image)
{
	char c;
	struct iovec iov = { &c, 1 };

	return !rig_is_direct && strcmp(rig_args[1], "uring") == 0 &&
	       preadv2(image, &iov, 1, 0, RWF_NOWAIT) == 1;
}

static uint64_t mapped_reads(const struct rig *r)
{
	return atomic_load(&r->report->mapped_reads);
}

/* A traced process that has a signal waits for its tracer, as a launcher is. */
static uint8_t read_with_tracer(struct rig *r, uint64_t sector)
{
	const uint16_t before = vring_used_idx(&r->v);
	struct vring_used used = { 0, 0 };
	struct rf_fence_end end;
	int i;

	rig_make(r, RIG_IN, sector, 0, 4096);
	vring_offer(&r->v, 0);
	rig_kick(r);
	for (i = 0; i < RIG_WAIT_MS && vring_used_idx(&r->v) == before; i++) {
		ck_assert_int_ne(rf_fence_reap(&end), 0);
		(void)poll(NULL, 0, 1);
	}
	ck_assert(vring_wait(&r->v, r->call, RIG_WAIT_MS, &used));
	return *(uint8_t *)vring_at(&r->v, RIG_STATUS);
}

/* In the sealed process, whose filter would say so if it needed a call. */
START_TEST(what_was_read_before_is_read_from_a_mapping)
{
	static const char *const no_map[] = { "--map-mib", "0", NULL };
	int image = rig_image(DIR, 32);
	bool maps = has_known_pages(image);
	uint64_t before;
	uint8_t *buf;
	struct rig r;
	uint32_t i;

	rig_start(&r, image, NULL);
	buf = vring_at(&r.v, RIG_BUF);
	ck_assert_uint_eq(rig_io(&r, RIG_IN, 8, 0, 4096, NULL), RIG_OK);
	ck_assert_uint_eq(mapped_reads(&r), 0);
	for (i = 0; i < 10; i++) {
		memset(buf, 0, 4096);
		ck_assert_uint_eq(rig_io(&r, RIG_IN, 8, 0, 4096, NULL), RIG_OK);
		ck_assert(rig_is_filled(buf, 512, 9));
		ck_assert(rig_is_filled(buf + 3584, 512, 16));
	}
	/* One that took long is asked for once more. */
	ck_assert_uint_ge(mapped_reads(&r), maps ? 5 : 0);
	ck_assert_uint_le(mapped_reads(&r), maps ? 10 : 0);
	/* What the driver writes is there at once. */
	memset(buf, 0x77, 512);
	ck_assert_uint_eq(rig_io(&r, RIG_OUT, 9, 512, 0, NULL), RIG_OK);
	for (i = 0; i < 3; i++) {
		ck_assert_uint_eq(rig_io(&r, RIG_IN, 8, 0, 4096, NULL), RIG_OK);
		ck_assert(rig_is_filled(buf, 512, 9));
		ck_assert(rig_is_filled(buf + 512, 512, 0x77));
	}
	before = mapped_reads(&r);
	/* The image is cut short under the mapping, and is whole again. */
	ck_assert_int_eq(ftruncate(image, 4096), 0);
	ck_assert_uint_eq(read_with_tracer(&r, 8), RIG_IOERR);
	ck_assert_uint_eq(rig_io(&r, RIG_IN, 0, 0, 4096, NULL), RIG_OK);
	ck_assert(rig_is_filled(buf, 512, 1));
	ck_assert_int_eq(ftruncate(image, 16384), 0);
	ck_assert_uint_eq(rig_io(&r, RIG_IN, 8, 0, 4096, NULL), RIG_OK);
	ck_assert(rig_is_filled(buf, 4096, 0));
	ck_assert_uint_eq(mapped_reads(&r), before);
	rig_end(&r);

	rig_start(&r, image, no_map);
	for (i = 0; i < 3; i++)
		ck_assert_uint_eq(rig_io(&r, RIG_IN, 8, 0, 4096, NULL), RIG_OK);
	ck_assert_uint_eq(mapped_reads(&r), 0);
	rig_end(&r);
	close(image);
}
END_TEST

START_TEST(a_request_of_more_than_was_offered_is_refused)
{
	int image = rig_image(DIR, 8);
	struct rig r;
	uint16_t n;

	/* A disk with room for it, and one page of memory over and over. */
	ck_assert_int_eq(ftruncate(image, 1 << 28), 0);
	rig_start(&r, image, NULL);
	rig_make(&r, RIG_IN, 0, 0, 0);
	for (n = 1; n < RIG_QUEUE_SIZE - 1; n++)
		vring_desc(&r.v, n, RIG_BUF, 2 << 20, VRING_NEXT | VRING_WRITE,
			   n + 1);
	vring_desc(&r.v, n, RIG_STATUS, 1, VRING_WRITE, 0);
	ck_assert_uint_eq(rig_go(&r, 0, NULL), RIG_IOERR);
	ck_assert_uint_eq(rig_io(&r, RIG_IN, 0, 0, 512, NULL), RIG_OK);
	rig_end(&r);
	close(image);
}
END_TEST

START_TEST(arguments_that_do_not_fit_end_the_program)
{
	static const char *const bad[][3] = {
		{ "--io", "fast", NULL },
		{ "--io", NULL },
		{ "--queues", "0", NULL },
		{ "--queues", "9", NULL },
		{ "--queues", "1x", NULL },
		{ "--queues", NULL },
		{ "--map-mib", "65537", NULL },
		{ "--map-mib", "all", NULL },
		{ "--map-mib", NULL },
		{ "--poll-us", "-1", NULL },
		{ "--poll-us", "1000001", NULL },
		{ "--poll-us", "often", NULL },
		{ "--poll-us", NULL },
	};
	int image = rig_image(NULL, 8);
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

int main(void)
{
	const TTest *const tests[] = {
		what_is_offered_follows_the_image_and_the_arguments,
		sizes_in_config_space_are_the_backings,
		the_cache_mode_is_the_drivers_choice_where_it_may_choose,
		many_requests_are_under_way_and_each_gets_its_own,
		buffers_that_begin_anywhere_wait_for_room,
		a_reset_while_requests_are_under_way_loses_nothing,
		a_queue_that_stops_has_nothing_under_way,
		flushes_among_writes_are_all_answered,
		two_queues_are_served_side_by_side,
		operations_a_second_are_held,
		bytes_a_second_are_held_and_no_request_is_too_large,
		a_limit_is_shared_by_the_queues_in_turns,
		resets_do_not_lose_the_way_while_a_limit_holds,
		a_disk_is_what_was_written_to_it,
		what_was_read_before_is_read_from_a_mapping,
		a_request_of_more_than_was_offered_is_refused,
		arguments_that_do_not_fit_end_the_program,
	};

	return rig_run("blk_features", tests, RF_ARRAY_LEN(tests));
}
