/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * test_queue.c - twin of queue.c, ring_split.c, ring_packed.c: what is handed
 *                over, and what is believed of what comes back
 *
 * The device here reads and writes the shared memory by the specification's
 * own words and takes nothing from the driver but that memory. Each test runs
 * for both formats.
 */
#include <string.h>

#include "unit/unit.h"

#include "driver/queue.h"

#define SIZE 8u
#define GPA 0x10000u

static struct queue_memory mem;
static struct queue queue;
static struct queue_format format;

/* The device's own places. */
static struct {
	uint16_t next_avail;
	uint16_t next_used;
	bool avail_wrap;
	bool used_wrap;
} device;

static void start(bool packed, bool event_idx, bool in_order)
{
	format = (struct queue_format){ packed, event_idx, in_order };
	memset(&mem, 0xa5, sizeof(mem));
	queue_init(&queue, &mem, SIZE, &format);
	memset(&device, 0, sizeof(device));
	device.avail_wrap = true;
	device.used_wrap = true;
}

static bool hand_over(uint32_t nr_out, uint32_t nr_in, uint16_t token)
{
	struct queue_piece pieces[QUEUE_CHAIN_MAX];
	uint32_t i;

	for (i = 0; i < nr_out + nr_in; i++)
		pieces[i] = (struct queue_piece){ .gpa = GPA + i,
						  .len = 100 + i };
	return queue_add(&queue, pieces, nr_out, nr_in, NULL, 0, token);
}

/* --- the device ---------------------------------------------------------- */

struct chain {
	uint32_t nr_out;
	uint32_t nr_in;
	uint32_t id;
	uint32_t slots;
};

static void count_piece(struct chain *c, uint64_t addr, uint32_t len,
			uint16_t flags)
{
	uint32_t i = c->nr_out + c->nr_in;

	ck_assert_uint_eq(addr, GPA + i);
	ck_assert_uint_eq(len, 100 + i);
	if (flags & QUEUE_DESC_WRITE_BIT) {
		c->nr_in++;
	} else {
		ck_assert_uint_eq(c->nr_in, 0);
		c->nr_out++;
	}
}

static void step(uint16_t *at, bool *wrap, uint32_t nr)
{
	for (; nr; nr--)
		if (++*at == SIZE) {
			*at = 0;
			*wrap = !*wrap;
		}
}

static bool split_pop(struct chain *c)
{
	uint32_t i;

	if (mem.avail.idx == device.next_avail)
		return false;
	i = mem.avail.ring[device.next_avail++ % SIZE];
	c->id = i;
	c->slots = 1;
	for (;;) {
		ck_assert_uint_lt(i, SIZE);
		count_piece(c, mem.ring[i].split.addr, mem.ring[i].split.len,
			    mem.ring[i].split.flags);
		if (!(mem.ring[i].split.flags & QUEUE_DESC_NEXT_BIT))
			return true;
		ck_assert_uint_lt(c->nr_out + c->nr_in, SIZE);
		i = mem.ring[i].split.next;
	}
}

static bool is_available(uint16_t flags)
{
	return !!(flags & QUEUE_DESC_AVAIL_BIT) == device.avail_wrap &&
	       !!(flags & QUEUE_DESC_USED_BIT) != device.avail_wrap;
}

static bool packed_pop(struct chain *c)
{
	uint16_t flags = mem.ring[device.next_avail].packed.flags;

	if (!is_available(flags))
		return false;
	do {
		const union queue_desc *d = &mem.ring[device.next_avail];

		flags = d->packed.flags;
		ck_assert(is_available(flags));
		c->id = d->packed.id;
		c->slots++;
		count_piece(c, d->packed.addr, d->packed.len, flags);
		step(&device.next_avail, &device.avail_wrap, 1);
	} while (flags & QUEUE_DESC_NEXT_BIT);
	return true;
}

static bool pop(struct chain *c)
{
	*c = (struct chain){ .id = 0 };
	return format.packed ? packed_pop(c) : split_pop(c);
}

static struct chain must_pop(void)
{
	struct chain c;

	ck_assert(pop(&c));
	return c;
}

/* Give back one, or all that take up `slots` by naming the last one. */
static void give_back(uint32_t id, uint32_t len, uint32_t slots)
{
	union queue_desc *d = &mem.ring[device.next_used % SIZE];

	if (!format.packed) {
		mem.used.ring[device.next_used % SIZE] =
			(struct queue_used_elem){ id, len };
		device.next_used = (uint16_t)(device.next_used + slots);
		mem.used.idx = device.next_used;
		return;
	}
	d->packed.id = (uint16_t)id;
	d->packed.len = len;
	d->packed.flags = device.used_wrap
				  ? QUEUE_DESC_AVAIL_BIT | QUEUE_DESC_USED_BIT
				  : 0;
	step(&device.next_used, &device.used_wrap, slots);
}

static struct queue_taken must_take(void)
{
	struct queue_taken t = { .id = 0 };

	ck_assert_int_eq(queue_take(&queue, &t), QUEUE_TAKE_ONE);
	return t;
}

static void takes_nothing(void)
{
	struct queue_taken t = { .id = 0 };

	ck_assert(!queue_has_used(&queue));
	ck_assert_int_eq(queue_take(&queue, &t), QUEUE_TAKE_NONE);
}

/* --- tests --------------------------------------------------------------- */

#define BOTH_FORMATS(i) ((i)&1)

START_TEST(chains_arrive_as_they_were_handed_over)
{
	struct chain c;

	start(BOTH_FORMATS(_i), false, false);
	ck_assert(!pop(&c));
	ck_assert(hand_over(1, 1, 7));
	ck_assert(hand_over(3, 0, 8));
	ck_assert(hand_over(0, 3, 9));
	c = must_pop();
	ck_assert_uint_eq(c.nr_out, 1);
	ck_assert_uint_eq(c.nr_in, 1);
	c = must_pop();
	ck_assert_uint_eq(c.nr_out, 3);
	ck_assert_uint_eq(c.nr_in, 0);
	c = must_pop();
	ck_assert_uint_eq(c.nr_out, 0);
	ck_assert_uint_eq(c.nr_in, 3);
	ck_assert(!pop(&c));
}
END_TEST

START_TEST(a_full_ring_takes_no_more_until_something_came_back)
{
	struct chain c;

	start(BOTH_FORMATS(_i), false, false);
	ck_assert(hand_over(2, 3, 1));
	ck_assert(!hand_over(2, 2, 2));
	ck_assert(hand_over(2, 1, 2));
	ck_assert(!hand_over(1, 0, 3));
	c = must_pop();
	give_back(c.id, 0, c.slots);
	ck_assert(!hand_over(1, 0, 3));
	ck_assert_uint_eq(must_take().token, 1);
	ck_assert(hand_over(1, 4, 3));
	ck_assert(!hand_over(1, 0, 4));
	ck_assert_uint_eq(must_pop().nr_out, 2);
	c = must_pop();
	ck_assert_uint_eq(c.nr_in, 4);
}
END_TEST

/* Many laps, chains of all lengths, answers in any order. */
START_TEST(laps_lose_nothing)
{
	uint32_t ids[SIZE], slots[SIZE], tokens[SIZE];
	uint32_t nr = 0, i, round, pick, seed = 1;
	uint16_t token = 0;
	struct chain c;

	start(BOTH_FORMATS(_i), false, false);
	for (round = 0; round < 5000; round++) {
		seed = seed * 1103515245u + 12345u;
		while (hand_over(1 + (seed >> 16) % 2, (seed >> 20) % 3,
				 token % 1000)) {
			c = must_pop();
			ids[nr] = c.id;
			slots[nr] = c.slots;
			tokens[nr++] = token++ % 1000;
			seed = seed * 1103515245u + 12345u;
		}
		ck_assert_uint_gt(nr, 0);
		pick = (seed >> 16) % nr;
		give_back(ids[pick], round, slots[pick]);
		{
			struct queue_taken t = must_take();

			ck_assert_uint_eq(t.token, tokens[pick]);
			ck_assert(t.has_len);
			ck_assert_uint_eq(t.len, round);
		}
		takes_nothing();
		nr--;
		for (i = pick; i < nr; i++) {
			ids[i] = ids[i + 1];
			slots[i] = slots[i + 1];
			tokens[i] = tokens[i + 1];
		}
	}
}
END_TEST

START_TEST(what_was_not_out_is_not_taken)
{
	static const uint32_t beyond[] = { SIZE, SIZE + 1, 0x7fff, 0xffff };
	struct queue_taken t;
	struct chain c;
	size_t i;

	for (i = 0; i < RF_ARRAY_LEN(beyond); i++) {
		start(BOTH_FORMATS(_i), false, _i & 2);
		ck_assert(hand_over(1, 1, 1));
		give_back(beyond[i], 0, 1);
		ck_assert_int_eq(queue_take(&queue, &t), QUEUE_TAKE_UNKNOWN);
		ck_assert_uint_eq(t.id, beyond[i]);
	}
	/* Twice, and one that is free. */
	start(BOTH_FORMATS(_i), false, _i & 2);
	ck_assert(hand_over(1, 0, 1));
	ck_assert(hand_over(1, 0, 2));
	c = must_pop();
	give_back(c.id, 0, c.slots);
	give_back(c.id, 0, c.slots);
	must_take();
	ck_assert_int_eq(queue_take(&queue, &t), QUEUE_TAKE_UNKNOWN);
	start(BOTH_FORMATS(_i), false, _i & 2);
	ck_assert(hand_over(1, 0, 1));
	give_back(5, 0, 1);
	ck_assert_int_eq(queue_take(&queue, &t), QUEUE_TAKE_UNKNOWN);
}
END_TEST

START_TEST(a_head_of_many_bits_is_no_head)
{
	struct queue_taken t;

	start(false, false, false);
	ck_assert(hand_over(1, 1, 1));
	give_back(0x10000, 0, 1);
	ck_assert_int_eq(queue_take(&queue, &t), QUEUE_TAKE_UNKNOWN);
}
END_TEST

START_TEST(bits_of_the_wrong_lap_are_nothing)
{
	static const uint16_t flags[] = { 0, QUEUE_DESC_AVAIL_BIT,
					  QUEUE_DESC_USED_BIT };
	size_t i;

	for (i = 0; i < RF_ARRAY_LEN(flags); i++) {
		start(true, false, false);
		ck_assert(hand_over(1, 1, 1));
		mem.ring[0].packed.flags = flags[i];
		takes_nothing();
	}
}
END_TEST

/* --- in order ------------------------------------------------------------ */

START_TEST(in_order_one_by_one)
{
	uint32_t round;
	struct chain c;

	start(BOTH_FORMATS(_i), false, true);
	for (round = 0; round < 100; round++) {
		ck_assert(hand_over(1 + round % 3, 1, (uint16_t)round));
		c = must_pop();
		give_back(c.id, round, c.slots);
		ck_assert_uint_eq(must_take().token, round);
	}
}
END_TEST

START_TEST(in_order_descriptors_follow_each_other)
{
	uint32_t round, expected = 0;
	struct chain c;

	start(false, false, true);
	for (round = 0; round < 100; round++) {
		ck_assert(hand_over(1 + round % 3, 1, 0));
		c = must_pop();
		ck_assert_uint_eq(c.id, expected);
		expected = (expected + c.nr_out + c.nr_in) % SIZE;
		give_back(c.id, 0, 1);
		must_take();
	}
}
END_TEST

START_TEST(in_order_a_batch_is_told_by_its_last)
{
	struct queue_taken t;
	struct chain c[3];
	uint32_t round, i;

	start(BOTH_FORMATS(_i), false, true);
	for (round = 0; round < 20; round++) {
		uint32_t slots = 0;

		for (i = 0; i < 3; i++) {
			ck_assert(hand_over(1, i % 2, (uint16_t)i));
			c[i] = must_pop();
			slots += c[i].slots;
		}
		give_back(c[2].id, 77, slots);
		for (i = 0; i < 3; i++) {
			ck_assert(queue_has_used(&queue));
			t = must_take();
			ck_assert_uint_eq(t.token, i);
			ck_assert(t.has_len == (i == 2));
		}
		ck_assert_uint_eq(t.len, 77);
		takes_nothing();
	}
}
END_TEST

START_TEST(in_order_a_later_one_alone_is_refused)
{
	struct queue_taken t;
	struct chain c;

	start(false, false, true);
	ck_assert(hand_over(1, 1, 1));
	ck_assert(hand_over(1, 1, 2));
	must_pop();
	c = must_pop();
	give_back(c.id, 0, 1);
	ck_assert_int_eq(queue_take(&queue, &t), QUEUE_TAKE_OUT_OF_ORDER);
	ck_assert_uint_eq(t.id, c.id);
}
END_TEST

/* --- notifications ------------------------------------------------------- */

/* Ask to be told when the place `ahead` of where the device is gets its
 * descriptor. */
static void ask_for(uint32_t ahead)
{
	uint16_t at = device.next_avail;
	bool wrap = device.avail_wrap;

	if (!format.packed) {
		memcpy(&mem.used.ring[SIZE],
		       &(uint16_t){ (uint16_t)(at + ahead) }, 2);
		return;
	}
	step(&at, &wrap, ahead);
	mem.device_event = at | (wrap ? 0x8000u : 0) | 2u << 16;
}

START_TEST(the_device_is_told_when_it_asked)
{
	uint32_t round, ahead;
	struct chain c;

	start(BOTH_FORMATS(_i), true, false);
	for (round = 0; round < 200; round++) {
		ahead = round % 4;
		ask_for(ahead);
		for (uint32_t i = 0; i < 4; i++) {
			ck_assert(hand_over(1, 0, 0));
			ck_assert_msg(queue_must_notify(&queue) == (i == ahead),
				      "round %u, %u ahead, at %u", round, ahead,
				      i);
		}
		while (pop(&c))
			give_back(c.id, 0, c.slots);
		while (queue_has_used(&queue))
			must_take();
	}
}
END_TEST

START_TEST(several_at_once_are_told_if_one_was_asked_for)
{
	uint32_t ahead;

	for (ahead = 0; ahead < 6; ahead++) {
		start(BOTH_FORMATS(_i), true, false);
		ask_for(ahead);
		ck_assert(hand_over(1, 0, 0));
		ck_assert(hand_over(1, 0, 0));
		ck_assert(hand_over(1, 0, 0));
		ck_assert(queue_must_notify(&queue) == (ahead < 3));
		/* Asked again of nothing. */
		ck_assert(!queue_must_notify(&queue));
	}
}
END_TEST

START_TEST(without_event_index_a_flag_decides)
{
	start(BOTH_FORMATS(_i), false, false);
	ck_assert(hand_over(1, 0, 0));
	ck_assert(queue_must_notify(&queue));
	if (format.packed)
		mem.device_event = 1u << 16;
	else
		mem.used.flags = 1;
	ck_assert(hand_over(1, 0, 0));
	ck_assert(!queue_must_notify(&queue));
}
END_TEST

START_TEST(the_next_place_is_told_with_its_lap)
{
	uint32_t round;
	struct chain c;

	start(BOTH_FORMATS(_i), false, false);
	for (round = 0; round < 100; round++) {
		if (format.packed)
			ck_assert_uint_eq(
				queue_next_avail(&queue),
				(round % SIZE) |
					(round / SIZE % 2 ? 0 : 0x8000));
		else
			ck_assert_uint_eq(queue_next_avail(&queue), round);
		ck_assert(hand_over(1, 0, 0));
		c = must_pop();
		give_back(c.id, 0, c.slots);
		must_take();
	}
}
END_TEST

START_TEST(interrupts_are_asked_for_at_the_next_place)
{
	uint32_t round;
	struct chain c;
	uint16_t event;

	start(BOTH_FORMATS(_i), true, false);
	for (round = 0; round < 100; round++) {
		queue_arm(&queue);
		if (format.packed)
			ck_assert_uint_eq(
				mem.driver_event,
				(round % SIZE) |
					(round / SIZE % 2 ? 0 : 0x8000) |
					2u << 16);
		memcpy(&event, &mem.avail.ring[SIZE], 2);
		if (!format.packed)
			ck_assert_uint_eq(event, round);
		queue_disarm(&queue);
		memcpy(&event, &mem.avail.ring[SIZE], 2);
		if (format.packed)
			ck_assert_uint_eq(mem.driver_event >> 16, 1);
		else
			ck_assert_uint_gt((uint16_t)(event - round), SIZE);
		ck_assert(hand_over(1, 0, 0));
		c = must_pop();
		give_back(c.id, 0, c.slots);
		must_take();
	}
}
END_TEST

START_TEST(without_event_index_a_flag_asks)
{
	start(BOTH_FORMATS(_i), false, false);
	queue_disarm(&queue);
	ck_assert_uint_eq(
		format.packed ? mem.driver_event >> 16 : mem.avail.flags, 1);
	queue_arm(&queue);
	ck_assert_uint_eq(
		format.packed ? mem.driver_event >> 16 : mem.avail.flags, 0);
}
END_TEST

/* --- tables and lies ----------------------------------------------------- */

START_TEST(a_table_holds_what_the_ring_points_to)
{
	const struct queue_piece pieces[3] = { { .gpa = GPA, .len = 100 },
					       { .gpa = GPA + 1, .len = 101 },
					       { .gpa = GPA + 2, .len = 102 } };
	union queue_desc table[3];
	struct chain c = { .id = 0 };
	uint32_t i;

	start(BOTH_FORMATS(_i), false, false);
	memset(table, 0xff, sizeof(table));
	ck_assert(queue_add(&queue, pieces, 1, 2, table, 0x4000, 3));
	ck_assert_uint_eq(mem.ring[0].addr, 0x4000);
	ck_assert_uint_eq(mem.ring[0].len, sizeof(table));
	ck_assert_uint_eq(format.packed ? mem.ring[0].packed.flags
					: mem.ring[0].split.flags,
			  QUEUE_DESC_INDIRECT_BIT |
				  (format.packed ? QUEUE_DESC_AVAIL_BIT : 0));
	for (i = 0; i < 3; i++) {
		uint16_t flags = format.packed ? table[i].packed.flags
					       : table[i].split.flags;

		count_piece(&c, table[i].addr, table[i].len, flags);
		/* A packed table's length is all that ends it. */
		ck_assert(!!(flags & QUEUE_DESC_NEXT_BIT) ==
			  (!format.packed && i < 2));
	}
	ck_assert_uint_eq(c.nr_in, 2);
	/* One slot only. */
	ck_assert(hand_over(3, 4, 4));
	ck_assert(!hand_over(1, 0, 5));
}
END_TEST

START_TEST(a_lie_is_one)
{
	start(BOTH_FORMATS(_i), false, false);
	queue_add_lie(&queue);
	if (format.packed) {
		ck_assert(is_available(mem.ring[0].packed.flags));
		ck_assert(mem.ring[0].packed.flags & QUEUE_DESC_INDIRECT_BIT);
		ck_assert_uint_ne(mem.ring[0].len % sizeof(mem.ring[0]), 0);
	} else {
		ck_assert_uint_eq(mem.avail.idx, 1);
		ck_assert_uint_ge(mem.avail.ring[0], SIZE);
	}
}
END_TEST

/* The device may write where it has no business: what we go by is not there. */
START_TEST(scribbles_change_nothing_that_we_go_by)
{
	struct chain c[3];
	uint32_t i;

	start(BOTH_FORMATS(_i), false, false);
	for (i = 0; i < 3; i++) {
		ck_assert(hand_over(1, 1, (uint16_t)i));
		c[i] = must_pop();
	}
	memset(mem.ring, 0xff, sizeof(mem.ring));
	memset(&mem.avail, 0xff, sizeof(mem.avail));
	if (format.packed) /* no bit of them may look used */
		for (i = 0; i < SIZE; i++)
			mem.ring[i].packed.flags = QUEUE_DESC_AVAIL_BIT;
	for (i = 0; i < 3; i++) {
		give_back(c[i].id, 0, c[i].slots);
		ck_assert_uint_eq(must_take().token, i);
	}
	ck_assert_uint_eq(queue.nr_free, SIZE);
	ck_assert(hand_over(4, 4, 9));
	c[0] = must_pop();
	ck_assert_uint_eq(c[0].nr_out, 4);
	ck_assert_uint_eq(c[0].nr_in, 4);
}
END_TEST

int main(void)
{
	const struct {
		const TTest *test;
		int from, to; /* bit 0: packed; bit 1: in order */
	} tests[] = {
		{ chains_arrive_as_they_were_handed_over, 0, 2 },
		{ a_full_ring_takes_no_more_until_something_came_back, 0, 2 },
		{ laps_lose_nothing, 0, 2 },
		{ what_was_not_out_is_not_taken, 0, 4 },
		{ a_head_of_many_bits_is_no_head, 0, 1 },
		{ bits_of_the_wrong_lap_are_nothing, 1, 2 },
		{ in_order_one_by_one, 0, 2 },
		{ in_order_descriptors_follow_each_other, 0, 1 },
		{ in_order_a_batch_is_told_by_its_last, 0, 2 },
		{ in_order_a_later_one_alone_is_refused, 0, 1 },
		{ the_device_is_told_when_it_asked, 0, 2 },
		{ several_at_once_are_told_if_one_was_asked_for, 0, 2 },
		{ without_event_index_a_flag_decides, 0, 2 },
		{ the_next_place_is_told_with_its_lap, 0, 2 },
		{ interrupts_are_asked_for_at_the_next_place, 0, 2 },
		{ without_event_index_a_flag_asks, 0, 2 },
		{ a_table_holds_what_the_ring_points_to, 0, 2 },
		{ a_lie_is_one, 0, 2 },
		{ scribbles_change_nothing_that_we_go_by, 0, 2 },
	};
	Suite *suite = suite_create("queue");
	TCase *tcase = tcase_create("queue");
	SRunner *runner;
	size_t i;
	int failed;

	for (i = 0; i < RF_ARRAY_LEN(tests); i++)
		tcase_add_loop_test(tcase, tests[i].test, tests[i].from,
				    tests[i].to);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
