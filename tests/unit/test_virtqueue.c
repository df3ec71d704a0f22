/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * test_virtqueue.c - twin of src/device/virtqueue.c and split.c
 */
#include "unit/unit.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>

#include "device/virtqueue.h"
#include "unit/ram.h"

#define SIZE 8u
#define BUF (VRING_DATA)

static struct ram ram;
static struct guestmem mem;
static struct vring v;
static struct rf_virtqueue vq;
static struct iovec iov[RF_CHAIN_IOV_MAX];
static struct virtqueue_slot slots[SIZE];
static struct rf_chain chain;

static const struct virtqueue_layout layout = {
	.desc_user_addr = VRING_DESC,
	.avail_user_addr = VRING_AVAIL,
	.used_user_addr = VRING_USED,
	.size = SIZE,
};

static void begin_with(uint16_t base, uint64_t features)
{
	uint16_t i;

	ram_new(&ram);
	ck_assert_int_eq(guestmem_set_table(&mem, ram.table, ram.fds, 2, false),
			 0);
	vring_init(&v, ram.low, SIZE);
	for (i = 0; i < SIZE; i++)
		vring_desc(&v, i, BUF + UINT64_C(16) * i, 16, 0, 0);
	v.next_avail = v.next_used = base;
	v.avail[1] = v.used[1] = base;
	virtqueue_init(&vq, 3, &mem, iov, slots, SIZE);
	ck_assert_int_eq(virtqueue_start(&vq, &layout, base, features), 0);
	virtqueue_begin(&vq, VIRTQUEUE_PASS_MAX);
}

static void begin_at(uint16_t base, bool event_idx)
{
	begin_with(base, event_idx ? VIRTQUEUE_F_EVENT_IDX : 0);
}

static void end(void)
{
	guestmem_clear(&mem);
	ram_free(&ram);
}

static int pop(void)
{
	return rf_virtqueue_pop(&vq, &chain);
}

/* Take and give back what is there; returns how many. */
static uint32_t serve(void)
{
	uint32_t n = 0;
	int err;

	virtqueue_begin(&vq, VIRTQUEUE_PASS_MAX);
	while ((err = pop()) == 0) {
		rf_virtqueue_push(&vq, chain.head, 1);
		n++;
	}
	ck_assert_int_eq(err, -EAGAIN);
	return n;
}

/* As the loop does before it sleeps. True: it may. */
static bool may_sleep(void)
{
	virtqueue_arm(&vq);
	return !virtqueue_has_work(&vq);
}

START_TEST(chains_come_in_order_and_go_back)
{
	struct vring_used used;

	begin_at(0, false);
	ck_assert_uint_eq(rf_virtqueue_index(&vq), 3);
	vring_offer(&v, 5);
	vring_offer(&v, 2);
	ck_assert_int_eq(pop(), 0);
	ck_assert_uint_eq(chain.head, 5);
	rf_virtqueue_push(&vq, 5, 77);
	ck_assert_int_eq(pop(), 0);
	ck_assert_uint_eq(chain.head, 2);
	rf_virtqueue_push(&vq, 2, 0);
	ck_assert_int_eq(pop(), -EAGAIN);
	ck_assert(vring_take(&v, &used));
	ck_assert_uint_eq(used.id, 5);
	ck_assert_uint_eq(used.len, 77);
	ck_assert(vring_take(&v, &used));
	ck_assert_uint_eq(used.id, 2);
	ck_assert(!vring_take(&v, &used));
	end();
}
END_TEST

START_TEST(indices_wrap_at_the_end_of_sixteen_bits)
{
	struct vring_used used;
	uint32_t i;

	begin_at(0xfffe, true);
	for (i = 0; i < 5; i++) {
		vring_set_used_event(&v, v.next_used);
		vring_offer(&v, (uint16_t)i);
		ck_assert_uint_eq(serve(), 1);
		ck_assert(virtqueue_end(&vq));
		ck_assert(vring_take(&v, &used));
		ck_assert_uint_eq(used.id, i);
	}
	ck_assert_uint_eq(virtqueue_stop(&vq), 3);
	end();
}
END_TEST

START_TEST(an_index_that_jumps_breaks_the_queue)
{
	begin_at(0, false);
	vring_set_avail_idx(&v, SIZE + 1);
	ck_assert_int_eq(pop(), -EPROTO);
	ck_assert_ptr_nonnull(strstr(vq.why, "jumped"));
	/* And stays broken, also when the index is mended. */
	vring_set_avail_idx(&v, 1);
	ck_assert_int_eq(pop(), -EPROTO);
	/* Until the next start. */
	(void)virtqueue_stop(&vq);
	ck_assert_int_eq(virtqueue_start(&vq, &layout, 0, 0), 0);
	virtqueue_begin(&vq, VIRTQUEUE_PASS_MAX);
	ck_assert_int_eq(pop(), 0);
	end();
}
END_TEST

START_TEST(an_index_that_goes_back_breaks_the_queue)
{
	begin_at(4, false);
	vring_set_avail_idx(&v, 3);
	ck_assert_int_eq(pop(), -EPROTO);
	end();
}
END_TEST

START_TEST(a_bad_head_breaks_the_queue)
{
	begin_at(0, false);
	vring_offer(&v, SIZE);
	ck_assert_int_eq(pop(), -EPROTO);
	ck_assert_ptr_nonnull(strstr(vq.why, "beyond the queue"));
	end();
}
END_TEST

START_TEST(more_chains_than_descriptors_break_the_queue)
{
	uint32_t i;

	begin_at(0, false);
	for (i = 0; i < SIZE; i++) {
		vring_offer(&v, (uint16_t)i);
		ck_assert_int_eq(pop(), 0);
	}
	vring_offer(&v, 0);
	ck_assert_int_eq(pop(), -EPROTO);
	ck_assert_ptr_nonnull(strstr(vq.why, "under way"));
	end();
}
END_TEST

START_TEST(notifications_are_off_while_awake_and_on_before_sleep)
{
	begin_at(0, false);
	ck_assert_int_eq(pop(), -EAGAIN);
	ck_assert(may_sleep());
	ck_assert_uint_eq(vring_used_flags(&v), 0);
	vring_offer(&v, 0);
	ck_assert(virtqueue_has_work(&vq));
	ck_assert_int_eq(pop(), 0);
	ck_assert_uint_eq(vring_used_flags(&v), 1);
	rf_virtqueue_push(&vq, 0, 0);
	/* Nothing there is no reason to ask yet: the loop may go on looking. */
	ck_assert_int_eq(pop(), -EAGAIN);
	ck_assert_uint_eq(vring_used_flags(&v), 1);
	ck_assert(may_sleep());
	ck_assert_uint_eq(vring_used_flags(&v), 0);
	/* What came before it was asked for is found by the last look. */
	vring_offer(&v, 0);
	ck_assert(!may_sleep());
	end();
}
END_TEST

START_TEST(with_event_index_the_driver_is_asked_for_the_next_one)
{
	begin_at(10, true);
	ck_assert(may_sleep());
	ck_assert_uint_eq(vring_avail_event(&v), 10);
	vring_offer(&v, 0);
	vring_offer(&v, 1);
	ck_assert_int_eq(pop(), 0);
	/* Left behind, which is silence. */
	ck_assert_uint_eq(vring_avail_event(&v), 10);
	ck_assert_int_eq(pop(), 0);
	ck_assert_int_eq(pop(), -EAGAIN);
	ck_assert(may_sleep());
	ck_assert_uint_eq(vring_avail_event(&v), 12);
	ck_assert_uint_eq(vring_used_flags(&v), 0);
	end();
}
END_TEST

/* Whoever leaves chains there on purpose is not asked about them, nor is the
 * driver, until the device wants to be rung. */
START_TEST(a_queue_that_the_device_holds_is_not_work)
{
	begin_at(0, false);
	vring_offer(&v, 0);
	ck_assert_int_eq(pop(), 0);
	vring_offer(&v, 1);
	ck_assert(!vq.dry);
	vq.held = true;
	ck_assert(!virtqueue_has_work(&vq));
	ck_assert(may_sleep());
	ck_assert(!vq.armed);
	virtqueue_begin(&vq, VIRTQUEUE_PASS_MAX);
	ck_assert(virtqueue_has_work(&vq));
	ck_assert_int_eq(pop(), 0);
	end();
}
END_TEST

START_TEST(a_head_that_is_under_way_breaks_the_queue)
{
	begin_at(0, false);
	vring_offer(&v, 4);
	ck_assert_int_eq(pop(), 0);
	vring_offer(&v, 4);
	ck_assert_int_eq(pop(), -EPROTO);
	ck_assert_ptr_nonnull(strstr(vq.why, "under way"));
	/* What is under way may still end. */
	rf_virtqueue_push(&vq, 4, 1);
	ck_assert_uint_eq(vring_used_idx(&v), 1);
	end();
}
END_TEST

START_TEST(chains_may_come_back_in_any_order)
{
	static const uint16_t order[] = { 2, 0, 3, 1 };
	struct vring_used used;
	uint16_t i;

	begin_at(0, false);
	for (i = 0; i < 4; i++) {
		vring_offer(&v, i);
		ck_assert_int_eq(pop(), 0);
	}
	for (i = 0; i < 4; i++) {
		rf_virtqueue_push(&vq, order[i], order[i]);
		ck_assert(vring_take(&v, &used));
		ck_assert_uint_eq(used.id, order[i]);
		ck_assert_uint_eq(used.len, order[i]);
	}
	end();
}
END_TEST

START_TEST(in_order_the_early_ones_wait)
{
	struct vring_used used;
	uint16_t i;

	begin_with(0, VIRTQUEUE_F_IN_ORDER);
	for (i = 0; i < 4; i++) {
		vring_offer(&v, (uint16_t)(7 - i));
		ck_assert_int_eq(pop(), 0);
	}
	rf_virtqueue_push(&vq, 5, 5);
	rf_virtqueue_push(&vq, 6, 6);
	ck_assert_uint_eq(vring_used_idx(&v), 0);
	ck_assert(!virtqueue_end(&vq));
	rf_virtqueue_push(&vq, 7, 70);
	ck_assert_uint_eq(vring_used_idx(&v), 3);
	ck_assert(virtqueue_end(&vq));
	rf_virtqueue_push(&vq, 4, 4);
	for (i = 0; i < 4; i++) {
		ck_assert(vring_take(&v, &used));
		ck_assert_uint_eq(used.id, 7u - i);
		ck_assert_uint_eq(used.len, i == 0 ? 70 : 7u - i);
	}
	end();
}
END_TEST

/* VIRTIO_F_NOTIFICATION_DATA: the index that came with the bell is as good as
 * the one in the ring, which here is never stored. */
START_TEST(an_index_that_came_with_the_bell_is_used)
{
	begin_at(0xffff, false);
	v.avail[2 + (0xffff & (SIZE - 1))] = 3;
	v.avail[2] = 5;
	virtqueue_hint(&vq, 1);
	ck_assert(virtqueue_has_work(&vq));
	ck_assert_int_eq(pop(), 0);
	ck_assert_uint_eq(chain.head, 3);
	ck_assert_int_eq(pop(), 0);
	ck_assert_uint_eq(chain.head, 5);
	/* And held against the ring, once that is looked at. */
	ck_assert_int_eq(pop(), -EPROTO);
	end();
}
END_TEST

START_TEST(an_index_with_the_bell_that_makes_no_sense_is_passed_over)
{
	static const uint16_t hints[] = { 0, 9, 10, 2, 19, 0x8000, 0xffff };
	size_t i;

	begin_at(10, false);
	for (i = 0; i < RF_ARRAY_LEN(hints); i++) {
		virtqueue_hint(&vq, hints[i]);
		ck_assert(!virtqueue_has_work(&vq));
		ck_assert_int_eq(pop(), -EAGAIN);
	}
	/* One that is behind what is known already takes nothing back. */
	vring_offer(&v, 0);
	vring_offer(&v, 1);
	ck_assert_int_eq(pop(), 0);
	virtqueue_hint(&vq, 11);
	ck_assert_int_eq(pop(), 0);
	(void)virtqueue_stop(&vq);
	virtqueue_hint(&vq, 13);
	end();
}
END_TEST

START_TEST(interrupts_follow_the_flag)
{
	begin_at(0, false);
	ck_assert(!virtqueue_end(&vq));
	vring_offer(&v, 0);
	ck_assert_uint_eq(serve(), 1);
	ck_assert(virtqueue_end(&vq));
	/* Decided once for each batch. */
	ck_assert(!virtqueue_end(&vq));
	v.avail[0] = 1;
	vring_offer(&v, 0);
	ck_assert_uint_eq(serve(), 1);
	ck_assert(!virtqueue_end(&vq));
	/* What went by unannounced is not announced later. */
	v.avail[0] = 0;
	ck_assert(!virtqueue_end(&vq));
	end();
}
END_TEST

START_TEST(interrupts_follow_the_event_index)
{
	begin_at(0, true);
	/* The first batch is always told. */
	vring_set_used_event(&v, 100);
	vring_offer(&v, 0);
	ck_assert_uint_eq(serve(), 1);
	ck_assert(virtqueue_end(&vq));
	/* used.idx 1 -> 2 -> 3: the driver waits for element 2. */
	vring_set_used_event(&v, 2);
	vring_offer(&v, 0);
	ck_assert_uint_eq(serve(), 1);
	ck_assert(!virtqueue_end(&vq));
	vring_offer(&v, 0);
	ck_assert_uint_eq(serve(), 1);
	ck_assert(virtqueue_end(&vq));
	/* In the middle of a batch. */
	vring_set_used_event(&v, 4);
	vring_offer(&v, 0);
	vring_offer(&v, 1);
	vring_offer(&v, 2);
	ck_assert_uint_eq(serve(), 3);
	ck_assert(virtqueue_end(&vq));
	/* Passed already. */
	vring_offer(&v, 0);
	ck_assert_uint_eq(serve(), 1);
	ck_assert(!virtqueue_end(&vq));
	end();
}
END_TEST

START_TEST(a_pass_ends_when_its_share_is_used_up)
{
	uint32_t i;

	begin_at(0, false);
	virtqueue_begin(&vq, VIRTQUEUE_PASS_MAX);
	for (i = 0; i < VIRTQUEUE_PASS_MAX; i++) {
		vring_offer(&v, 0);
		ck_assert_int_eq(pop(), 0);
		rf_virtqueue_push(&vq, 0, 0);
	}
	vring_offer(&v, 0);
	ck_assert_int_eq(pop(), -EAGAIN);
	ck_assert(virtqueue_is_unfinished(&vq));
	ck_assert_uint_eq(serve(), 1);
	ck_assert(!virtqueue_is_unfinished(&vq));
	end();
}
END_TEST

START_TEST(a_stopped_queue_is_left_alone)
{
	begin_at(0, false);
	vring_offer(&v, 0);
	ck_assert_int_eq(pop(), 0);
	ck_assert_uint_eq(virtqueue_stop(&vq), 1);
	rf_virtqueue_push(&vq, 0, 0);
	ck_assert_uint_eq(vring_used_idx(&v), 0);
	vring_offer(&v, 0);
	ck_assert_int_eq(pop(), -EAGAIN);
	ck_assert(!virtqueue_end(&vq));
	ck_assert(!virtqueue_is_unfinished(&vq));
	end();
}
END_TEST

START_TEST(a_queue_goes_on_where_another_process_stopped)
{
	struct vring_used used;

	begin_at(7, false);
	vring_offer(&v, 3);
	ck_assert_uint_eq(serve(), 1);
	ck_assert(vring_take(&v, &used));
	ck_assert_uint_eq(virtqueue_stop(&vq), 8);
	ck_assert_int_eq(virtqueue_start(&vq, &layout, 8, 0), 0);
	vring_offer(&v, 4);
	ck_assert_uint_eq(serve(), 1);
	ck_assert(vring_take(&v, &used));
	ck_assert_uint_eq(used.id, 4);
	end();
}
END_TEST

START_TEST(rings_out_of_place_are_refused)
{
	struct virtqueue_layout bad;
	uint16_t sizes[] = { 0, 3, 6, 0xffff };
	size_t i;

	begin_at(0, false);
	for (i = 0; i < RF_ARRAY_LEN(sizes); i++) {
		bad = layout;
		bad.size = sizes[i];
		ck_assert_int_eq(virtqueue_start(&vq, &bad, 0, 0), -EINVAL);
	}
#define REFUSED(field, value)                                                \
	do {                                                                 \
		bad = layout;                                                \
		bad.field = value;                                           \
		ck_assert_int_eq(virtqueue_start(&vq, &bad, 0, 0), -EINVAL); \
	} while (0)
	REFUSED(desc_user_addr, VRING_DESC + 8);
	REFUSED(avail_user_addr, VRING_AVAIL + 1);
	REFUSED(used_user_addr, VRING_USED + 2);
	REFUSED(desc_user_addr, 0);
	REFUSED(avail_user_addr, UINT64_MAX - 1);
	REFUSED(used_user_addr, RAM_HIGH_GPA + RAM_HIGH_BYTES - 64);
	/* Room for the ring, but not for the event field behind it. */
	REFUSED(avail_user_addr,
		RAM_HIGH_GPA + RAM_HIGH_BYTES - 4 - UINT64_C(2) * SIZE);
	REFUSED(used_user_addr, RAM_HIGH_GPA - 4 - UINT64_C(8) * SIZE);
#undef REFUSED
	/* Two bytes more than that: room for all of it. */
	bad = layout;
	bad.avail_user_addr = RAM_HIGH_GPA + RAM_HIGH_BYTES - 6 -
			      UINT64_C(2) * SIZE;
	ck_assert_int_eq(virtqueue_start(&vq, &bad, 0, 0), 0);
	end();
}
END_TEST

/* A driver in a thread of its own, which sleeps unless told to look: if either
 * side lost a wakeup, both would sleep for ever and the test run out of time. */
#define STRESS 20000u

static uint32_t kicked, interrupted;

static void wait_and_clear(uint32_t *flag)
{
	while (!__atomic_exchange_n(flag, 0, __ATOMIC_ACQUIRE))
		sched_yield();
}

static bool driver_must_notify(uint16_t before)
{
	uint16_t event;

	/* D2 */
	(void)__atomic_fetch_add(&(uint32_t){ 0 }, 0, __ATOMIC_SEQ_CST);
	event = vring_avail_event(&v);
	return (uint16_t)(v.next_avail - event - 1) <
	       (uint16_t)(v.next_avail - before);
}

static void *drive(void *unused)
{
	struct vring_used used;
	uint32_t i;

	for (i = 0; i < STRESS; i++) {
		uint16_t before = v.next_avail;

		vring_set_used_event(&v, v.next_used);
		vring_offer(&v, (uint16_t)(i % SIZE));
		if (driver_must_notify(before))
			__atomic_store_n(&kicked, 1, __ATOMIC_RELEASE);
		while (!vring_take(&v, &used))
			wait_and_clear(&interrupted);
		ck_assert_uint_eq(used.id, i % SIZE);
	}
	return unused;
}

START_TEST(no_wakeup_is_lost_between_driver_and_device)
{
	pthread_t driver;
	uint32_t served = 0;

	begin_at(0, true);
	ck_assert_int_eq(pthread_create(&driver, NULL, drive, NULL), 0);
	while (served < STRESS) {
		served += serve();
		if (virtqueue_end(&vq))
			__atomic_store_n(&interrupted, 1, __ATOMIC_RELEASE);
		if (served < STRESS && !virtqueue_is_unfinished(&vq) &&
		    may_sleep())
			wait_and_clear(&kicked);
	}
	ck_assert_int_eq(pthread_join(driver, NULL), 0);
	end();
}
END_TEST

/* The two places where a store must be out before a load, met head-on: driver
 * and device start each round together, and what must not be is that both look
 * away. Hundreds of thousands of rounds, because the window is a store buffer: too
 * narrow for a promise, wide enough to be met now and then.
 */
#define ROUNDS 200000u

static uint32_t meeting;

/* Both wait for each other; spinning, because the window is short. The odd
 * pause moves one side through the other's window. */
static void meet(uint32_t round, uint32_t pause)
{
	volatile uint32_t spin = pause;
	uint32_t n;

	(void)__atomic_add_fetch(&meeting, 1, __ATOMIC_SEQ_CST);
	for (n = 0; __atomic_load_n(&meeting, __ATOMIC_ACQUIRE) < 2 * round;
	     n++)
		if (n > 1000)
			sched_yield();
	while (spin)
		spin--;
}

static bool driver_notified;

static void *offer_rounds(void *unused)
{
	uint32_t i;

	for (i = 1; i <= ROUNDS; i++) {
		uint16_t before = v.next_avail;

		meet(3 * i - 2, i % 7);
		vring_offer(&v, 0);
		driver_notified = driver_must_notify(before);
		meet(3 * i - 1, 0);
		meet(3 * i, 0);
	}
	return unused;
}

START_TEST(an_offer_is_never_missed_by_both)
{
	uint32_t i, missed = 0, empty = 0;
	pthread_t driver;

	begin_at(0, true);
	ck_assert_int_eq(pthread_create(&driver, NULL, offer_rounds, NULL), 0);
	for (i = 1; i <= ROUNDS; i++) {
		bool asleep;

		virtqueue_begin(&vq, VIRTQUEUE_PASS_MAX);
		meet(3 * i - 2, i % 11);
		asleep = may_sleep();
		meet(3 * i - 1, 0);
		if (asleep) {
			empty++;
			missed += !driver_notified;
		}
		ck_assert_int_eq(pop(), 0);
		rf_virtqueue_push(&vq, chain.head, 0);
		meet(3 * i, 0);
	}
	ck_assert_int_eq(pthread_join(driver, NULL), 0);
	ck_assert_uint_eq(missed, 0);
	/* Both ways it can go were met. */
	ck_assert_uint_gt(empty, 0);
	ck_assert_uint_lt(empty, ROUNDS);
	end();
}
END_TEST

static bool driver_saw_used;

static void *take_rounds(void *unused)
{
	struct vring_used used;
	uint32_t i;

	for (i = 1; i <= ROUNDS; i++) {
		vring_set_used_event(&v, (uint16_t)(v.next_used - 1));
		vring_offer(&v, 0);
		/* The device has a chain to collect before its own store. */
		meet(3 * i - 2, i % 128);
		/* Asks for an interrupt, then looks once more. */
		vring_set_used_event(&v, v.next_used);
		(void)__atomic_fetch_add(&(uint32_t){ 0 }, 0, __ATOMIC_SEQ_CST);
		driver_saw_used = vring_take(&v, &used);
		meet(3 * i - 1, 0);
		if (!driver_saw_used)
			ck_assert(vring_take(&v, &used));
		meet(3 * i, 0);
	}
	return unused;
}

START_TEST(a_used_chain_is_never_missed_by_both)
{
	uint32_t i, missed = 0, unseen = 0;
	pthread_t driver;

	begin_at(0, true);
	ck_assert_int_eq(pthread_create(&driver, NULL, take_rounds, NULL), 0);
	for (i = 1; i <= ROUNDS; i++) {
		bool interrupt;

		virtqueue_begin(&vq, VIRTQUEUE_PASS_MAX);
		meet(3 * i - 2, 0);
		ck_assert_int_eq(pop(), 0);
		rf_virtqueue_push(&vq, chain.head, 0);
		interrupt = virtqueue_end(&vq);
		meet(3 * i - 1, 0);
		if (!driver_saw_used) {
			unseen++;
			missed += !interrupt;
		}
		meet(3 * i, 0);
	}
	ck_assert_int_eq(pthread_join(driver, NULL), 0);
	ck_assert_uint_eq(missed, 0);
	ck_assert_uint_gt(unseen, 0);
	end();
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		chains_come_in_order_and_go_back,
		indices_wrap_at_the_end_of_sixteen_bits,
		an_index_that_jumps_breaks_the_queue,
		an_index_that_goes_back_breaks_the_queue,
		a_bad_head_breaks_the_queue,
		more_chains_than_descriptors_break_the_queue,
		a_head_that_is_under_way_breaks_the_queue,
		chains_may_come_back_in_any_order,
		in_order_the_early_ones_wait,
		an_index_that_came_with_the_bell_is_used,
		an_index_with_the_bell_that_makes_no_sense_is_passed_over,
		a_queue_that_the_device_holds_is_not_work,
		notifications_are_off_while_awake_and_on_before_sleep,
		with_event_index_the_driver_is_asked_for_the_next_one,
		interrupts_follow_the_flag,
		interrupts_follow_the_event_index,
		a_pass_ends_when_its_share_is_used_up,
		a_stopped_queue_is_left_alone,
		a_queue_goes_on_where_another_process_stopped,
		rings_out_of_place_are_refused,
		no_wakeup_is_lost_between_driver_and_device,
		an_offer_is_never_missed_by_both,
		a_used_chain_is_never_missed_by_both,
	};

	return unit_run("virtqueue", tests, RF_ARRAY_LEN(tests));
}
