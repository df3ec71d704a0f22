/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * test_ring.c - the ring keeps order, and no index makes it lose its head
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>

#include <ringfence/ring.h>

#include "unit/unit.h"

static struct rf_ring_page page;
static struct rf_ring_consumer consumer;

/* The three that were tried on a kernel, and the neighbours of the limit. */
static const uint32_t bad_indices[] = { 170, 171, 0x80000000, 0xfffffffe,
					0xffffffff };

static struct rf_ring_entry make_entry(uint64_t number)
{
	struct rf_ring_entry entry = { .phys_addr = 0xd0000050 + number,
				       .len = 4 };

	memcpy(entry.data, &number, sizeof(number));
	return entry;
}

static uint64_t number_of(const struct rf_ring_entry *entry)
{
	uint64_t number;

	memcpy(&number, entry->data, sizeof(number));
	return number;
}

static void push_number(uint64_t number)
{
	const struct rf_ring_entry entry = make_entry(number);

	ck_assert_int_eq(rf_ring_push(&page, &entry), 0);
}

/* A ring that stands at `index`, empty. */
static void start_at(uint32_t index)
{
	memset(&page, 0, sizeof(page));
	page.first = index;
	page.last = index;
	ck_assert_int_eq(rf_ring_consumer_init(&consumer, &page), 0);
}

static uint32_t drain_numbers(uint64_t expected, uint32_t cap)
{
	struct rf_ring_entry out[RF_RING_SLOTS];
	uint32_t nr = 12345;
	uint32_t i;

	ck_assert_int_eq(rf_ring_drain(&consumer, out, cap, &nr), 0);
	for (i = 0; i < nr; i++) {
		const struct rf_ring_entry want = make_entry(expected + i);

		ck_assert_mem_eq(&out[i], &want, sizeof(want));
	}
	return nr;
}

START_TEST(empty_ring_gives_nothing)
{
	start_at(0);
	ck_assert(!rf_ring_has_entries(&consumer));
	ck_assert_uint_eq(drain_numbers(0, RF_RING_SLOTS), 0);
	ck_assert_uint_eq(page.first, 0);
}
END_TEST

START_TEST(entries_arrive_whole_and_in_order)
{
	start_at(0);
	push_number(7);
	push_number(8);
	ck_assert(rf_ring_has_entries(&consumer));
	ck_assert_uint_eq(drain_numbers(7, RF_RING_SLOTS), 2);
	ck_assert(!rf_ring_has_entries(&consumer));
	ck_assert_uint_eq(page.first, 2);
}
END_TEST

START_TEST(full_ring_refuses_and_keeps_what_it_has)
{
	const struct rf_ring_entry extra = make_entry(999);
	struct rf_ring_page before;
	uint32_t i;

	for (i = 0; i < RF_RING_SLOTS; i += 13) {
		uint32_t k;

		start_at(i);
		for (k = 0; k < RF_RING_USABLE; k++)
			push_number(k);
		before = page;
		ck_assert_int_eq(rf_ring_push(&page, &extra), -ENOSPC);
		ck_assert_mem_eq(&page, &before, sizeof(page));
		ck_assert_uint_eq(drain_numbers(0, RF_RING_SLOTS),
				  RF_RING_USABLE);
		push_number(5);
		ck_assert_uint_eq(drain_numbers(5, 1), 1);
	}
}
END_TEST

START_TEST(ring_wraps_behind_slot_169)
{
	start_at(RF_RING_SLOTS - 1);
	push_number(1);
	ck_assert_uint_eq(page.last, 0);
	push_number(2);
	ck_assert_uint_eq(page.last, 1);
	ck_assert_uint_eq(drain_numbers(1, RF_RING_SLOTS), 2);
	ck_assert_uint_eq(page.first, 1);
}
END_TEST

START_TEST(many_rounds_lose_nothing)
{
	uint64_t in = 0;
	uint64_t out = 0;

	start_at(0);
	/* 1 + 2 + ... entries a round: each alignment to the end of the ring
	 * comes by. */
	while (out < 20000) {
		uint32_t k;

		for (k = 0; k <= in % RF_RING_USABLE; k++) {
			const struct rf_ring_entry entry = make_entry(in);

			if (rf_ring_push(&page, &entry))
				break;
			in++;
		}
		out += drain_numbers(out, 1 + (uint32_t)(out % 101));
	}
	ck_assert_uint_le(in - out, RF_RING_USABLE);
}
END_TEST

START_TEST(small_caller_array_is_filled_and_no_more)
{
	start_at(168);
	push_number(0);
	push_number(1);
	push_number(2);
	ck_assert_uint_eq(drain_numbers(0, 0), 0);
	ck_assert_uint_eq(page.first, 168);
	ck_assert_uint_eq(drain_numbers(0, 2), 2);
	ck_assert_uint_eq(page.first, 0);
	ck_assert_uint_eq(drain_numbers(2, 2), 1);
}
END_TEST

START_TEST(last_out_of_range_is_named_and_nothing_is_consumed)
{
	uint32_t i;

	for (i = 0; i < RF_ARRAY_LEN(bad_indices); i++) {
		struct rf_ring_entry out[RF_RING_SLOTS];
		uint32_t nr = 77;

		start_at(3);
		push_number(1);
		page.last = bad_indices[i];
		ck_assert(rf_ring_has_entries(&consumer));
		ck_assert_int_eq(
			rf_ring_drain(&consumer, out, RF_RING_SLOTS, &nr),
			-EPROTO);
		ck_assert_uint_eq(nr, 77);
		ck_assert_uint_eq(page.first, 3);
		ck_assert_uint_eq(consumer.bad_index, bad_indices[i]);
		ck_assert_str_eq(consumer.bad_name, "last");
		/* A producer that comes to its senses is heard again. */
		page.last = 4;
		ck_assert_uint_eq(drain_numbers(1, RF_RING_SLOTS), 1);
	}
}
END_TEST

static void never_called(void *ctx, const struct rf_ring_entry *entry)
{
	(void)ctx;
	ck_abort_msg("called for %#llx", (unsigned long long)entry->phys_addr);
}

START_TEST(last_out_of_range_calls_nobody_back)
{
	uint32_t i;

	for (i = 0; i < RF_ARRAY_LEN(bad_indices); i++) {
		uint32_t nr = 77;

		start_at(3);
		page.last = bad_indices[i];
		ck_assert_int_eq(
			rf_ring_drain_each(&consumer, never_called, NULL, &nr),
			-EPROTO);
		ck_assert_uint_eq(nr, 77);
		ck_assert_uint_eq(consumer.bad_index, bad_indices[i]);
	}
}
END_TEST

START_TEST(taking_over_a_ring_judges_both_indices)
{
	uint32_t i;

	for (i = 0; i < RF_ARRAY_LEN(bad_indices); i++) {
		memset(&page, 0, sizeof(page));
		page.first = bad_indices[i];
		ck_assert_int_eq(rf_ring_consumer_init(&consumer, &page),
				 -EPROTO);
		ck_assert_uint_eq(consumer.bad_index, bad_indices[i]);
		ck_assert_str_eq(consumer.bad_name, "first");
		page.first = 0;
		page.last = bad_indices[i];
		ck_assert_int_eq(rf_ring_consumer_init(&consumer, &page),
				 -EPROTO);
		ck_assert_uint_eq(consumer.bad_index, bad_indices[i]);
		ck_assert_str_eq(consumer.bad_name, "last");
	}
}
END_TEST

START_TEST(taking_over_continues_where_the_ring_stands)
{
	start_at(160);
	push_number(0);
	push_number(1);
	ck_assert_int_eq(rf_ring_consumer_init(&consumer, &page), 0);
	ck_assert_uint_eq(drain_numbers(0, RF_RING_SLOTS), 2);
}
END_TEST

START_TEST(first_in_the_page_is_not_believed)
{
	start_at(10);
	push_number(0);
	push_number(1);
	page.first = 0xffffffff;
	ck_assert_uint_eq(drain_numbers(0, 1), 1);
	ck_assert_uint_eq(page.first, 11);
	page.first = 90;
	ck_assert_uint_eq(drain_numbers(1, 1), 1);
	ck_assert_uint_eq(page.first, 12);
}
END_TEST

START_TEST(producer_refuses_indices_out_of_range_and_writes_nothing)
{
	const struct rf_ring_entry entry = make_entry(1);
	struct rf_ring_page before;
	uint32_t i;

	for (i = 0; i < RF_ARRAY_LEN(bad_indices); i++) {
		start_at(0);
		page.first = bad_indices[i];
		before = page;
		ck_assert_int_eq(rf_ring_push(&page, &entry), -EPROTO);
		ck_assert_mem_eq(&page, &before, sizeof(page));
		page.first = 0;
		page.last = bad_indices[i];
		before = page;
		ck_assert_int_eq(rf_ring_push(&page, &entry), -EPROTO);
		ck_assert_mem_eq(&page, &before, sizeof(page));
	}
}
END_TEST

struct meddler {
	uint64_t calls;
	uint64_t refused;
	uint32_t set_last; /* UINT32_MAX - 1: leave alone */
	bool pushes;
	bool scribbles;
};

/* What a producer can do while its entries are being served. */
static void meddle(void *ctx, const struct rf_ring_entry *entry)
{
	struct meddler *m = ctx;
	const struct rf_ring_entry want = make_entry(m->calls);
	const struct rf_ring_entry more = make_entry(RF_RING_USABLE + m->calls);

	if (m->scribbles)
		memset(page.entries, 0xee, sizeof(page.entries));
	if (!m->scribbles || m->calls == 0)
		ck_assert_mem_eq(entry, &want, sizeof(want));
	m->calls++;
	if (m->pushes && rf_ring_push(&page, &more) == -ENOSPC)
		m->refused++;
	if (m->set_last != UINT32_MAX - 1)
		page.last = m->set_last;
}

START_TEST(entries_pushed_while_draining_wait_for_the_next_pass)
{
	struct meddler m = { .set_last = UINT32_MAX - 1, .pushes = true };
	uint32_t nr;

	start_at(0);
	push_number(0);
	push_number(1);
	ck_assert_int_eq(rf_ring_drain_each(&consumer, meddle, &m, &nr), 0);
	ck_assert_uint_eq(nr, 2);
	ck_assert_uint_eq(m.calls, 2);
	ck_assert_uint_eq(drain_numbers(RF_RING_USABLE, RF_RING_SLOTS), 2);
}
END_TEST

START_TEST(endless_producer_ends_after_one_ring)
{
	struct meddler m = { .set_last = UINT32_MAX - 1, .pushes = true };
	uint32_t nr;
	uint32_t i;

	start_at(42);
	for (i = 0; i < RF_RING_USABLE; i++)
		push_number(i);
	ck_assert_int_eq(rf_ring_drain_each(&consumer, meddle, &m, &nr), 0);
	ck_assert_uint_eq(nr, RF_RING_USABLE);
	/* No slot is given back before it was served. */
	ck_assert_uint_eq(m.refused, RF_RING_USABLE);
}
END_TEST

START_TEST(last_moved_while_draining_does_not_move_the_pass)
{
	const uint32_t moved[] = { 0, 2, 150, 170, 0x80000000, 0xffffffff };
	uint32_t i;

	for (i = 0; i < RF_ARRAY_LEN(moved); i++) {
		struct meddler m = { .set_last = moved[i] };
		uint32_t nr;

		start_at(0);
		push_number(0);
		push_number(1);
		push_number(2);
		ck_assert_int_eq(rf_ring_drain_each(&consumer, meddle, &m, &nr),
				 0);
		ck_assert_uint_eq(nr, 3);
		ck_assert_uint_eq(page.first, 3);
		if (moved[i] < RF_RING_SLOTS)
			continue;
		ck_assert_int_eq(
			rf_ring_drain_each(&consumer, never_called, NULL, &nr),
			-EPROTO);
	}
}
END_TEST

START_TEST(entry_changed_under_the_callback_stays_as_it_was_copied)
{
	struct meddler m = { .set_last = UINT32_MAX - 1, .scribbles = true };
	uint32_t nr;

	start_at(0);
	push_number(0);
	ck_assert_int_eq(rf_ring_drain_each(&consumer, meddle, &m, &nr), 0);
	ck_assert_uint_eq(m.calls, 1);
}
END_TEST

#define STRESS 100000u

static void *push_all(void *unused)
{
	uint64_t i;

	(void)unused;
	for (i = 0; i < STRESS; i++) {
		const struct rf_ring_entry entry = make_entry(i);

		while (rf_ring_push(&page, &entry) == -ENOSPC)
			sched_yield();
	}
	return NULL;
}

static void expect_next(void *ctx, const struct rf_ring_entry *entry)
{
	uint64_t *next = ctx;
	const struct rf_ring_entry want = make_entry(*next);

	ck_assert_uint_eq(number_of(entry), *next);
	ck_assert_mem_eq(entry, &want, sizeof(want));
	(*next)++;
}

START_TEST(two_threads_keep_order_and_lose_nothing)
{
	pthread_t producer;
	uint64_t next = 0;

	start_at(77);
	ck_assert_int_eq(pthread_create(&producer, NULL, push_all, NULL), 0);
	while (next < STRESS) {
		uint32_t nr;

		ck_assert_int_eq(
			rf_ring_drain_each(&consumer, expect_next, &next, &nr),
			0);
		if (nr == 0)
			sched_yield();
	}
	ck_assert_int_eq(pthread_join(producer, NULL), 0);
	ck_assert_uint_eq(next, STRESS);
	ck_assert(!rf_ring_has_entries(&consumer));
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		empty_ring_gives_nothing,
		entries_arrive_whole_and_in_order,
		full_ring_refuses_and_keeps_what_it_has,
		ring_wraps_behind_slot_169,
		many_rounds_lose_nothing,
		small_caller_array_is_filled_and_no_more,
		last_out_of_range_is_named_and_nothing_is_consumed,
		last_out_of_range_calls_nobody_back,
		taking_over_a_ring_judges_both_indices,
		taking_over_continues_where_the_ring_stands,
		first_in_the_page_is_not_believed,
		producer_refuses_indices_out_of_range_and_writes_nothing,
		entries_pushed_while_draining_wait_for_the_next_pass,
		endless_producer_ends_after_one_ring,
		last_moved_while_draining_does_not_move_the_pass,
		entry_changed_under_the_callback_stays_as_it_was_copied,
		two_threads_keep_order_and_lose_nothing,
	};

	return unit_run("ring", tests, RF_ARRAY_LEN(tests));
}
