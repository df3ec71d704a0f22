/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * test_blk_queue.c - twin of devices/blk/queue.c: how much is taken of a queue
 * that never ends, over a runtime and an engine that only take notes
 */
#include <errno.h>

/* The room's own header, outside of the include path of tests. */
#include "../../devices/blk/blk.h"

#include "unit/unit.h"

#define SECTORS UINT64_C(0x10000000)
#define MIB (UINT64_C(1) << 20)
#define PASS_CHAINS 16u /* the runtime's own bound */

/* What the driver offers, without end. */
static struct blk_header header;
static struct blk_segment segments[BLK_DISCARD_SEGMENTS];
static uint8_t status;
static uint8_t data[4096];
static struct iovec iov[RF_CHAIN_IOV_MAX];
static struct rf_chain chain;

static uint32_t nr_popped, nr_pushed;
static uint32_t rung; /* queues, by rf_device_ring() */

int rf_virtqueue_pop(struct rf_virtqueue *vq, struct rf_chain *out)
{
	(void)vq;
	if (nr_popped == PASS_CHAINS)
		return -EAGAIN;
	nr_popped++;
	*out = chain;
	return 0;
}

void rf_virtqueue_push(struct rf_virtqueue *vq, uint16_t head, uint32_t written)
{
	(void)vq;
	(void)head;
	(void)written;
	nr_pushed++;
}

/* Only their numbers matter: a queue is the address of its number. */
uint16_t rf_virtqueue_index(const struct rf_virtqueue *vq)
{
	return *(const uint16_t *)(const void *)vq;
}

void rf_device_ring(struct rf_device *dev, uint16_t queue)
{
	(void)dev;
	rung |= UINT32_C(1) << queue;
}

void rf_device_timer(struct rf_device *dev, uint64_t ns)
{
	(void)dev;
	(void)ns;
}

void blk_config_reset(struct blk *blk)
{
	(void)blk;
}

static int64_t all_at_once(struct blk *blk, struct blk_request *rq)
{
	(void)blk;
	if (rq->step == BLK_READ || rq->step == BLK_WRITE)
		return (int64_t)rq->step_bytes;
	return 0;
}

static int64_t no_sync(struct blk *blk)
{
	(void)blk;
	return 0;
}

static const struct blk_engine quick = { .name = "quick",
					 .start = all_at_once,
					 .sync = no_sync };
static struct blk blk;

static void set_up(void)
{
	blk = (struct blk){
		.engine = &quick,
		.image = { .nr_sectors = SECTORS,
			   .block_bytes = SECTOR_BYTES,
			   .memory_align = 1 },
		.nr_queues = 2,
	};
	blk_reset(&blk);
	nr_popped = nr_pushed = rung = 0;
}

/* Requests of so many bytes, one small buffer over and over. */
static void offer_data(uint32_t type, uint64_t bytes)
{
	uint32_t n = 0;

	header = (struct blk_header){ .type_le = type };
	chain = (struct rf_chain){ .iov = iov };
	iov[n++] = (struct iovec){ &header, sizeof(header) };
	while (bytes > 0) {
		size_t here = bytes < sizeof(data) ? bytes : sizeof(data);

		iov[n++] = (struct iovec){ data, here };
		bytes -= here;
		if (type == T_OUT)
			chain.readable_bytes += here;
		else
			chain.writable_bytes += here;
	}
	iov[n++] = (struct iovec){ &status, 1 };
	chain.readable_bytes += sizeof(header);
	chain.writable_bytes += 1;
	chain.nr_readable = type == T_OUT ? n - 1 : 1;
	chain.nr_writable = n - chain.nr_readable;
}

static void offer_ranges(uint32_t type, uint32_t nr, uint32_t nr_sectors)
{
	uint32_t i;

	header = (struct blk_header){ .type_le = type };
	for (i = 0; i < nr; i++)
		segments[i] =
			(struct blk_segment){ .nr_sectors_le = nr_sectors };
	chain = (struct rf_chain){ .iov = iov,
				   .nr_readable = 2,
				   .nr_writable = 1,
				   .writable_bytes = 1 };
	iov[0] = (struct iovec){ &header, sizeof(header) };
	iov[1] = (struct iovec){ segments, nr * sizeof(segments[0]) };
	iov[2] = (struct iovec){ &status, 1 };
	chain.readable_bytes = sizeof(header) + iov[1].iov_len;
}

/* One pass over a queue: how many requests it took. */
static uint32_t serve(uint16_t queue)
{
	nr_popped = 0;
	rung = 0;
	ck_assert_int_eq(blk_queue(&blk, (void *)&queue), 0);
	ck_assert_uint_eq(status, S_OK);
	return nr_popped;
}

START_TEST(small_requests_are_taken_as_they_come)
{
	set_up();
	offer_data(T_IN, 4096);
	ck_assert_uint_eq(serve(0), PASS_CHAINS);
	ck_assert_uint_eq(rung, 0);
	ck_assert_uint_eq(nr_pushed, PASS_CHAINS);
}
END_TEST

START_TEST(large_requests_leave_the_rest_for_the_next_pass)
{
	static const struct {
		uint64_t bytes;
		uint32_t taken;
	} cases[] = {
		{ BLK_PASS_BYTES / 16, 16 },
		{ BLK_PASS_BYTES / 8, 8 },
		{ BLK_PASS_BYTES / 2 - 512, 3 },
		{ BLK_PASS_BYTES / 2, 2 },
		{ BLK_PASS_BYTES, 1 },
		{ 4 * BLK_PASS_BYTES - 8192, 1 },
	};
	static const uint32_t types[] = { T_IN, T_OUT };
	size_t i, t;

	for (t = 0; t < RF_ARRAY_LEN(types); t++) {
		for (i = 0; i < RF_ARRAY_LEN(cases); i++) {
			set_up();
			offer_data(types[t], cases[i].bytes);
			/* And so each pass anew. */
			ck_assert_uint_eq(serve(1), cases[i].taken);
			ck_assert_uint_eq(rung, 1u << 1);
			ck_assert_uint_eq(serve(1), cases[i].taken);
			ck_assert_uint_eq(nr_pushed,
					  UINT64_C(2) * cases[i].taken);
			/* What one queue took is no other's. */
			ck_assert_uint_eq(serve(0), cases[i].taken);
		}
	}
}
END_TEST

START_TEST(zeroes_and_discards_count_for_what_they_cover)
{
	set_up();
	offer_ranges(T_WRITE_ZEROES, 1, BLK_ZEROES_SECTORS);
	ck_assert_uint_eq(serve(0), 1);
	ck_assert_uint_eq(rung, 1);
	offer_ranges(T_WRITE_ZEROES, 1, 8);
	ck_assert_uint_eq(serve(0), PASS_CHAINS);
	ck_assert_uint_eq(rung, 0);
	/* All segments of it. */
	offer_ranges(T_DISCARD, 16, 256);
	ck_assert_uint_eq(serve(0), 1);
	offer_ranges(T_DISCARD, 4, 256);
	ck_assert_uint_eq(serve(0), 2);
	ck_assert_uint_eq(rung, 1);
}
END_TEST

/* Where turns are taken, one that ends by its bytes is given on. */
START_TEST(a_turn_ends_with_its_bytes)
{
	set_up();
	offer_data(T_IN, MIB);
	blk.waiting = 1u << 1;
	blk.turn = 0;
	ck_assert_uint_eq(serve(0), 1);
	ck_assert_uint_eq(rung, 3);
	ck_assert_uint_eq(blk.turn, 1);
	ck_assert_uint_eq(blk.waiting, 0);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		small_requests_are_taken_as_they_come,
		large_requests_leave_the_rest_for_the_next_pass,
		zeroes_and_discards_count_for_what_they_cover,
		a_turn_ends_with_its_bytes,
	};

	return unit_run("blk_queue", tests, RF_ARRAY_LEN(tests));
}
