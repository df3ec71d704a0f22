/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * test_packed.c - twin of src/device/packed.c
 */
#include "unit/unit.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>

#include "device/virtqueue.h"
#include "pring.h"
#include "unit/ram.h"

#define SIZE 8u
#define BUF (VRING_DATA)
#define TABLE (VRING_DATA + 0x10000)

static struct ram ram;
static struct guestmem mem;
static struct pring p;
static struct rf_virtqueue vq;
static struct iovec iov[RF_CHAIN_IOV_MAX];
static struct virtqueue_slot slots[SIZE];
static struct rf_chain chain;

static struct virtqueue_layout layout = {
	.desc_user_addr = VRING_DESC,
	.avail_user_addr = VRING_AVAIL,
	.used_user_addr = VRING_USED,
};

static const struct pring_buf one[] = { { BUF, 16, 0 } };
static const struct pring_buf three[] = { { BUF, 16, 0 },
					  { BUF + 512, 512, VRING_WRITE },
					  { BUF + 2048, 1, VRING_WRITE } };

static uint32_t base_of(uint16_t index, bool wrap)
{
	uint32_t place = index | (uint32_t)wrap << 15;

	return place | place << 16;
}

static int start(uint32_t base, uint64_t features)
{
	return virtqueue_start(&vq, &layout, base,
			       VIRTQUEUE_F_RING_PACKED |
				       VIRTQUEUE_F_INDIRECT_DESC | features);
}

static void begin_at(uint16_t size, uint16_t index, bool wrap,
		     uint64_t features)
{
	ram_new(&ram);
	ck_assert_int_eq(guestmem_set_table(&mem, ram.table, ram.fds, 2, false),
			 0);
	layout.size = size;
	pring_init_at(&p, ram.low, size, index, wrap);
	virtqueue_init(&vq, 0, &mem, iov, slots, SIZE);
	ck_assert_int_eq(start(base_of(index, wrap), features), 0);
	virtqueue_begin(&vq, VIRTQUEUE_PASS_MAX);
}

static void begin(uint64_t features)
{
	begin_at(SIZE, 0, true, features);
}

static void end(void)
{
	guestmem_clear(&mem);
	ram_free(&ram);
}

/* However much one pass takes. */
static int pop(void)
{
	if (vq.budget == 0)
		virtqueue_begin(&vq, VIRTQUEUE_PASS_MAX);
	return rf_virtqueue_pop(&vq, &chain);
}

#define EXPECT_LIE(reason)                                     \
	do {                                                   \
		ck_assert_int_eq(pop(), -EPROTO);              \
		ck_assert_ptr_nonnull(strstr(vq.why, reason)); \
		ck_assert_int_eq(pop(), -EPROTO);              \
	} while (0)

static bool may_sleep(void)
{
	virtqueue_arm(&vq);
	return !virtqueue_has_work(&vq);
}

static void expect_used(uint32_t id, uint32_t len)
{
	struct vring_used used;

	ck_assert(pring_take(&p, &used));
	ck_assert_uint_eq(used.id, id);
	ck_assert_uint_eq(used.len, len);
}

static void serve_one(uint16_t id)
{
	pring_offer(&p, id, one, 1);
	ck_assert_int_eq(pop(), 0);
	rf_virtqueue_push(&vq, chain.head, 0);
	expect_used(id, 0);
}

START_TEST(a_chain_comes_with_its_id_and_goes_back)
{
	begin(0);
	ck_assert(!virtqueue_has_work(&vq));
	ck_assert_int_eq(pop(), -EAGAIN);
	pring_offer(&p, 5, three, 3);
	ck_assert(virtqueue_has_work(&vq));
	ck_assert_int_eq(pop(), 0);
	ck_assert_uint_eq(chain.head, 5);
	ck_assert_uint_eq(chain.nr_readable, 1);
	ck_assert_uint_eq(chain.nr_writable, 2);
	ck_assert_uint_eq(chain.readable_bytes, 16);
	ck_assert_uint_eq(chain.writable_bytes, 513);
	ck_assert_int_eq(pop(), -EAGAIN);
	ck_assert(!pring_has_used(&p));
	rf_virtqueue_push(&vq, 5, 513);
	expect_used(5, 513);
	ck_assert(!pring_has_used(&p));
	end();
}
END_TEST

START_TEST(the_ring_goes_round_from_any_place)
{
	static const uint16_t sizes[] = { 1, 2, 3, 5, 7, 8 };
	uint16_t i, index;
	size_t s;
	int wrap;

	for (s = 0; s < RF_ARRAY_LEN(sizes); s++)
		for (index = 0; index < sizes[s]; index++)
			for (wrap = 0; wrap < 2; wrap++) {
				begin_at(sizes[s], index, wrap, 0);
				ck_assert_int_eq(pop(), -EAGAIN);
				for (i = 0; i < 3 * SIZE; i++)
					serve_one(i % sizes[s]);
				ck_assert_uint_eq(
					virtqueue_stop(&vq),
					base_of(p.next_avail, p.avail_wrap));
				end();
			}
}
END_TEST

START_TEST(a_chain_may_run_over_the_end)
{
	uint16_t i;

	begin_at(5, 3, true, 0);
	for (i = 0; i < 20; i++) {
		pring_offer(&p, i % 5, three, 3);
		ck_assert_int_eq(pop(), 0);
		ck_assert_uint_eq(chain.nr_writable, 2);
		rf_virtqueue_push(&vq, chain.head, 7);
		expect_used(i % 5, 7);
	}
	end();
}
END_TEST

START_TEST(chains_may_come_back_in_any_order)
{
	begin(0);
	pring_offer(&p, 0, three, 3);
	pring_offer(&p, 1, one, 1);
	pring_offer(&p, 2, three, 3);
	pring_offer(&p, 3, one, 1);
	while (pop() == 0)
		;
	rf_virtqueue_push(&vq, 3, 3);
	rf_virtqueue_push(&vq, 2, 2);
	expect_used(3, 3);
	expect_used(2, 2);
	/* Their places are the driver's again, while others are under way. */
	pring_offer(&p, 3, three, 3);
	ck_assert_int_eq(pop(), 0);
	rf_virtqueue_push(&vq, 0, 0);
	rf_virtqueue_push(&vq, 3, 4);
	rf_virtqueue_push(&vq, 1, 1);
	expect_used(0, 0);
	expect_used(3, 4);
	expect_used(1, 1);
	ck_assert_uint_eq(p.nr_free, SIZE);
	end();
}
END_TEST

START_TEST(in_order_the_early_ones_wait)
{
	begin(VIRTQUEUE_F_IN_ORDER);
	pring_offer(&p, 6, three, 3);
	pring_offer(&p, 1, one, 1);
	ck_assert_int_eq(pop(), 0);
	ck_assert_int_eq(pop(), 0);
	rf_virtqueue_push(&vq, 1, 1);
	ck_assert(!pring_has_used(&p));
	rf_virtqueue_push(&vq, 6, 6);
	expect_used(6, 6);
	expect_used(1, 1);
	end();
}
END_TEST

START_TEST(an_id_beyond_the_queue_is_refused)
{
	begin(0);
	pring_offer(&p, SIZE, one, 1);
	EXPECT_LIE("beyond the queue");
	end();
	begin(0);
	pring_offer(&p, 0, one, 1);
	p.desc[0].id = 0xffff;
	EXPECT_LIE("beyond the queue");
	end();
}
END_TEST

START_TEST(an_id_that_is_under_way_is_refused)
{
	begin(0);
	pring_offer(&p, 4, one, 1);
	ck_assert_int_eq(pop(), 0);
	pring_offer(&p, 4, one, 1);
	EXPECT_LIE("under way");
	/* What is under way may still end. */
	rf_virtqueue_push(&vq, 4, 9);
	expect_used(4, 9);
	end();
}
END_TEST

/* Each descriptor says that there is another one. */
START_TEST(a_chain_without_end_ends_at_the_size)
{
	uint16_t i;

	begin(0);
	for (i = 0; i < SIZE; i++)
		p.desc[i] = (struct pring_desc){
			BUF,
			16,
			0,
			VRING_NEXT | PRING_AVAIL,
		};
	EXPECT_LIE("more descriptors");
	end();
}
END_TEST

/* Places that are not given back yet, made available once more. */
START_TEST(more_descriptors_than_there_are_places_are_refused)
{
	uint16_t i;

	begin(0);
	for (i = 0; i < SIZE; i++) {
		pring_offer(&p, i, one, 1);
		ck_assert_int_eq(pop(), 0);
	}
	pring_offer(&p, 0, one, 1);
	EXPECT_LIE("more descriptors");
	end();
	/* In the middle of a chain. */
	begin(0);
	for (i = 0; i < 2; i++) {
		pring_offer(&p, i, three, 3);
		ck_assert_int_eq(pop(), 0);
	}
	pring_offer(&p, 2, three, 3);
	EXPECT_LIE("more descriptors");
	end();
}
END_TEST

START_TEST(what_is_not_available_is_left_alone)
{
	static const uint16_t flags[] = { 0, PRING_AVAIL | PRING_USED,
					  PRING_USED, 0x7f7f };
	size_t i;

	begin(0);
	for (i = 0; i < RF_ARRAY_LEN(flags); i++) {
		p.desc[0] = (struct pring_desc){ BUF, 16, 0, flags[i] };
		ck_assert(!virtqueue_has_work(&vq));
		ck_assert_int_eq(pop(), -EAGAIN);
	}
	end();
}
END_TEST

START_TEST(buffers_are_judged_as_in_a_split_queue)
{
	static const struct {
		struct pring_buf bufs[2];
		const char *why;
	} bad[] = {
		{ { { BUF, 1, VRING_WRITE }, { BUF, 1, 0 } },
		  "readable descriptor behind" },
		{ { { BUF, 1, 0 }, { 0, 1, VRING_WRITE } },
		  "outside of guest memory" },
		{ { { UINT64_MAX, 2, 0 }, { BUF, 1, 0 } },
		  "outside of guest memory" },
		{ { { RAM_HIGH_GPA + RAM_HIGH_BYTES - 1, 2, 0 },
		    { BUF, 1, 0 } },
		  "outside of guest memory" },
		{ { { BUF, UINT32_MAX, 0 }, { BUF, 1, 0 } },
		  "outside of guest memory" },
		{ { { TABLE, 16, VRING_INDIRECT }, { BUF, 1, 0 } },
		  "within a chain" },
		{ { { BUF, 1, 0 }, { TABLE, 16, VRING_INDIRECT } },
		  "within a chain" },
	};
	size_t i;

	for (i = 0; i < RF_ARRAY_LEN(bad); i++) {
		begin(0);
		pring_offer(&p, 0, bad[i].bufs, 2);
		EXPECT_LIE(bad[i].why);
		end();
	}
}
END_TEST

static void set_table(uint16_t i, uint64_t addr, uint32_t len, uint16_t flags)
{
	struct pring_desc *table = (void *)(ram.low + (TABLE - VRING_GPA));

	/* Ids and all flags but WRITE mean nothing here. */
	table[i] = (struct pring_desc){
		addr,
		len,
		0xdead,
		(uint16_t)(flags | 0xff7d),
	};
}

static int pop_table(uint64_t addr, uint32_t len)
{
	const struct pring_buf way[] = { { addr, len, VRING_INDIRECT } };

	pring_offer(&p, 2, way, 1);
	return pop();
}

START_TEST(an_indirect_table_is_a_row_of_buffers)
{
	uint16_t i;

	begin(0);
	for (i = 0; i < SIZE; i++)
		set_table(i, BUF + UINT64_C(64) * i, 16,
			  i < 3 ? 0 : VRING_WRITE);
	ck_assert_int_eq(pop_table(TABLE, 16 * SIZE), 0);
	ck_assert_uint_eq(chain.head, 2);
	ck_assert_uint_eq(chain.nr_readable, 3);
	ck_assert_uint_eq(chain.nr_writable, 5);
	/* It took one place. */
	ck_assert_uint_eq(vq.ring.next_avail.index, 1);
	rf_virtqueue_push(&vq, 2, 80);
	expect_used(2, 80);
	end();
}
END_TEST

START_TEST(bad_indirect_tables_are_refused)
{
	static const struct {
		uint64_t addr;
		uint32_t len;
		const char *why;
	} bad[] = {
		{ TABLE, 0, "bad length" },
		{ TABLE, 15, "bad length" },
		{ TABLE, 17, "bad length" },
		{ TABLE, UINT32_MAX, "bad length" },
		{ TABLE, 16 * (SIZE + 1), "longer than the queue" },
		{ TABLE, 0xfffffff0, "longer than the queue" },
		{ 0, 16, "outside of guest memory" },
		{ UINT64_MAX - 7, 16, "outside of guest memory" },
		{ UINT64_MAX - 15, 32, "outside of guest memory" },
		{ RAM_HIGH_GPA + RAM_HIGH_BYTES - 16, 32,
		  "outside of guest memory" },
	};
	uint16_t j;
	size_t i;

	for (i = 0; i < RF_ARRAY_LEN(bad); i++) {
		struct pring_desc d = { BUF, 16, 0, 0 };

		begin(0);
		for (j = 0; j <= SIZE; j++)
			set_table(j, BUF, 16, 0);
		memcpy(ram.high + RAM_HIGH_BYTES - 16, &d, sizeof(d));
		ck_assert_int_eq(pop_table(bad[i].addr, bad[i].len), -EPROTO);
		ck_assert_msg(strstr(vq.why, bad[i].why), "%zu: %s", i, vq.why);
		end();
	}
	begin(0);
	ck_assert_int_eq(virtqueue_start(&vq, &layout, PRING_BASE,
					 VIRTQUEUE_F_RING_PACKED),
			 0);
	virtqueue_begin(&vq, VIRTQUEUE_PASS_MAX);
	set_table(0, BUF, 16, 0);
	ck_assert_int_eq(pop_table(TABLE, 16), -EPROTO);
	ck_assert_ptr_nonnull(strstr(vq.why, "not negotiated"));
	end();
}
END_TEST

START_TEST(an_indirect_table_may_run_into_the_next_region)
{
	struct pring_desc d[2] = { { BUF, 16, 0, 0 },
				   { BUF, 32, 0, VRING_WRITE } };

	begin(0);
	memcpy(ram.low + VRING_RAM_BYTES - 16, &d[0], 16);
	memcpy(ram.high, &d[1], 16);
	ck_assert_int_eq(pop_table(RAM_HIGH_GPA - 16, 32), 0);
	ck_assert_uint_eq(chain.readable_bytes, 16);
	ck_assert_uint_eq(chain.writable_bytes, 32);
	end();
}
END_TEST

START_TEST(notifications_are_off_while_awake_and_on_before_sleep)
{
	begin(0);
	ck_assert_uint_eq(pring_device_event(&p) >> 16, PRING_DISABLE);
	ck_assert(may_sleep());
	ck_assert_uint_eq(pring_device_event(&p) >> 16, PRING_ENABLE);
	serve_one(0);
	ck_assert_uint_eq(pring_device_event(&p) >> 16, PRING_DISABLE);
	ck_assert_int_eq(pop(), -EAGAIN);
	pring_offer(&p, 1, one, 1);
	ck_assert(!may_sleep());
	end();
}
END_TEST

START_TEST(with_event_index_the_driver_is_asked_for_the_next_place)
{
	uint16_t i;

	begin(VIRTQUEUE_F_EVENT_IDX);
	for (i = 0; i < 3 * SIZE; i++) {
		ck_assert(may_sleep());
		ck_assert_uint_eq(pring_device_event(&p),
				  p.next_avail | (uint32_t)p.avail_wrap << 15 |
					  PRING_DESC << 16);
		serve_one(i % SIZE);
		ck_assert_uint_eq(pring_device_event(&p) >> 16, PRING_DISABLE);
	}
	end();
}
END_TEST

START_TEST(interrupts_follow_the_flag)
{
	begin(0);
	serve_one(0);
	ck_assert(virtqueue_end(&vq));
	ck_assert(!virtqueue_end(&vq));
	pring_set_event(&p, 0, false, PRING_DISABLE);
	serve_one(0);
	ck_assert(!virtqueue_end(&vq));
	pring_set_event(&p, 0, false, PRING_ENABLE);
	ck_assert(!virtqueue_end(&vq));
	/* A place, where event index was not negotiated; and nonsense. */
	pring_set_event(&p, 7, false, PRING_DESC);
	serve_one(0);
	ck_assert(virtqueue_end(&vq));
	pring_set_event(&p, 7, true, 3);
	serve_one(0);
	ck_assert(virtqueue_end(&vq));
	end();
}
END_TEST

/* Against the definition: of `nr` elements put from place `from` on, was the
 * one among them at which the driver wants to be told? For all places, laps and
 * batches. */
static bool told(uint16_t from, uint16_t nr, uint16_t event, bool event_wrap)
{
	uint16_t i, index = from;
	bool wrap = true;

	for (i = 0; i < nr; i++) {
		if (index == event && wrap == event_wrap)
			return true;
		pring_step(&p, &index, &wrap, 1);
	}
	return false;
}

START_TEST(interrupts_follow_the_event_place)
{
	uint16_t from, nr, event, i;
	int wrap;

	for (from = 0; from < SIZE; from++)
		for (nr = 1; nr < SIZE; nr++)
			for (event = 0; event < SIZE; event++)
				for (wrap = 0; wrap < 2; wrap++) {
					begin_at(SIZE, from, true,
						 VIRTQUEUE_F_EVENT_IDX);
					vq.decided = true;
					pring_set_event(&p, event, wrap,
							PRING_DESC);
					for (i = 0; i < nr; i++)
						serve_one(i);
					ck_assert_int_eq(
						virtqueue_end(&vq),
						told(from, nr, event, wrap));
					end();
				}
	/* A whole lap passes every place; so does the first decision. */
	begin(VIRTQUEUE_F_EVENT_IDX);
	pring_set_event(&p, 5, true, PRING_DESC);
	serve_one(0);
	ck_assert(virtqueue_end(&vq));
	for (i = 0; i < 2 * SIZE; i++)
		serve_one(0);
	ck_assert(virtqueue_end(&vq));
	end();
}
END_TEST

START_TEST(rings_and_bases_out_of_place_are_refused)
{
	static const uint32_t bases[] = { SIZE, SIZE << 16, 0x7fff, 0x7fff0000,
					  UINT32_MAX };
	const struct virtqueue_layout good = {
		VRING_DESC,
		VRING_AVAIL,
		VRING_USED,
		SIZE,
	};
	size_t i;

	begin(0);
	for (i = 0; i < RF_ARRAY_LEN(bases); i++)
		ck_assert_int_eq(start(bases[i], 0), -EINVAL);
#define REFUSED(field, value)                                    \
	do {                                                     \
		layout = good;                                   \
		layout.field = value;                            \
		ck_assert_int_eq(start(PRING_BASE, 0), -EINVAL); \
	} while (0)
	REFUSED(desc_user_addr, VRING_DESC + 8);
	REFUSED(desc_user_addr, RAM_HIGH_GPA - 16);
	REFUSED(desc_user_addr, 0);
	REFUSED(avail_user_addr, VRING_AVAIL + 2);
	REFUSED(avail_user_addr, UINT64_MAX - 3);
	REFUSED(used_user_addr, VRING_USED + 1);
	REFUSED(used_user_addr, RAM_HIGH_GPA + RAM_HIGH_BYTES);
	REFUSED(size, 0);
	REFUSED(size, SIZE + 1);
	REFUSED(size, 0xffff);
#undef REFUSED
	layout = good;
	layout.avail_user_addr = RAM_HIGH_GPA + RAM_HIGH_BYTES - 4;
	ck_assert_int_eq(start(PRING_BASE, 0), 0);
	layout = good;
	end();
}
END_TEST

/* One thread overwrites a chain for ever: whatever is popped lies in guest
 * memory, and nothing else happens than lies. */
static _Atomic bool stop;

static void *scribble(void *unused)
{
	uint32_t n = 0;

	while (!stop) {
		volatile struct pring_desc *d = &p.desc[n >> 10 & (SIZE - 1)];

		/* The upper bits: the lower ones of such a row repeat soon. */
		n = n * 1103515245 + 12345;
		d->addr = n >> 24 & 3 ? BUF : UINT64_MAX - n;
		d->len = n >> 26 & 3 ? 16 : n;
		d->id = n >> 16 & (2 * SIZE - 1);
		d->flags = (uint16_t)((n >> 28 & 7) | PRING_AVAIL);
	}
	return unused;
}

START_TEST(descriptors_changed_under_us_never_lead_outside)
{
	uint32_t i, j, nr_popped = 0, nr_lies = 0;
	pthread_t thread;
	int err;

	begin(0);
	stop = false;
	ck_assert_int_eq(pthread_create(&thread, NULL, scribble, NULL), 0);
	/* For as long as the other thread has not run, too. */
	for (i = 0; i < 300000 || !nr_popped || !nr_lies; i++) {
		virtqueue_begin(&vq, VIRTQUEUE_PASS_MAX);
		err = pop();
		nr_popped += err == 0;
		for (j = 0; !err && j < chain.nr_readable + chain.nr_writable;
		     j++) {
			uint8_t *at = chain.iov[j].iov_base;

			ck_assert(
				(at >= mem.regions[0].host &&
				 at + chain.iov[j].iov_len <=
					 mem.regions[0].host +
						 VRING_RAM_BYTES) ||
				(at >= mem.regions[1].host &&
				 at + chain.iov[j].iov_len <=
					 mem.regions[1].host + RAM_HIGH_BYTES));
		}
		if (!err)
			rf_virtqueue_push(&vq, chain.head, 1);
		nr_lies += err == -EPROTO;
		/* The other one writes what is available in the first lap. */
		if (err != -EPROTO && vq.ring.next_avail.wrap)
			continue;
		(void)virtqueue_stop(&vq);
		ck_assert_int_eq(start(PRING_BASE, 0), 0);
	}
	stop = true;
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	ck_assert_uint_gt(nr_popped, 0);
	ck_assert_uint_gt(nr_lies, 0);
	end();
}
END_TEST

/* A driver in a thread of its own, which sleeps unless it is told to look, and
 * tells only if it is asked to. */
#define STRESS 20000u

static uint32_t kicked, interrupted;

static void wait_and_clear(uint32_t *flag)
{
	while (!__atomic_exchange_n(flag, 0, __ATOMIC_ACQUIRE))
		sched_yield();
}

static void fence(void)
{
	(void)__atomic_fetch_add(&(uint32_t){ 0 }, 0, __ATOMIC_SEQ_CST);
}

static bool driver_must_notify(uint16_t place, bool wrap)
{
	uint32_t event;

	fence();
	event = pring_device_event(&p);
	if (event >> 16 != PRING_DESC)
		return event >> 16 == PRING_ENABLE;
	return (event & 0x7fff) == place && (event >> 15 & 1) == wrap;
}

static void *drive(void *unused)
{
	struct vring_used used;
	uint32_t i;

	for (i = 0; i < STRESS; i++) {
		uint16_t place = p.next_avail;
		bool wrap = p.avail_wrap;

		pring_set_event(&p, p.next_used, p.used_wrap, PRING_DESC);
		pring_offer(&p, (uint16_t)(i % SIZE), one, 1);
		if (driver_must_notify(place, wrap))
			__atomic_store_n(&kicked, 1, __ATOMIC_RELEASE);
		while (!pring_take(&p, &used))
			wait_and_clear(&interrupted);
		ck_assert_uint_eq(used.id, i % SIZE);
	}
	return unused;
}

START_TEST(no_wakeup_is_lost_between_driver_and_device)
{
	uint32_t served = 0;
	pthread_t driver;

	begin(VIRTQUEUE_F_EVENT_IDX);
	ck_assert_int_eq(pthread_create(&driver, NULL, drive, NULL), 0);
	while (served < STRESS) {
		virtqueue_begin(&vq, VIRTQUEUE_PASS_MAX);
		while (pop() == 0) {
			rf_virtqueue_push(&vq, chain.head, 1);
			served++;
		}
		if (virtqueue_end(&vq))
			__atomic_store_n(&interrupted, 1, __ATOMIC_RELEASE);
		if (served < STRESS && may_sleep())
			wait_and_clear(&kicked);
	}
	ck_assert_int_eq(pthread_join(driver, NULL), 0);
	end();
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		a_chain_comes_with_its_id_and_goes_back,
		the_ring_goes_round_from_any_place,
		a_chain_may_run_over_the_end,
		chains_may_come_back_in_any_order,
		in_order_the_early_ones_wait,
		an_id_beyond_the_queue_is_refused,
		an_id_that_is_under_way_is_refused,
		a_chain_without_end_ends_at_the_size,
		more_descriptors_than_there_are_places_are_refused,
		what_is_not_available_is_left_alone,
		buffers_are_judged_as_in_a_split_queue,
		an_indirect_table_is_a_row_of_buffers,
		bad_indirect_tables_are_refused,
		an_indirect_table_may_run_into_the_next_region,
		notifications_are_off_while_awake_and_on_before_sleep,
		with_event_index_the_driver_is_asked_for_the_next_place,
		interrupts_follow_the_flag,
		interrupts_follow_the_event_place,
		rings_and_bases_out_of_place_are_refused,
		descriptors_changed_under_us_never_lead_outside,
		no_wakeup_is_lost_between_driver_and_device,
	};

	return unit_run("packed", tests, RF_ARRAY_LEN(tests));
}
