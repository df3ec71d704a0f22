/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * liar_ring.c - the rings of a disk that lies, split and packed, seen by the
 *               device
 *
 * Side:    host, tests only.
 * Owns:    struct liar_queue.
 * Callers: liar_vm.c and liar_blk.c, with the lock held.
 * Never:   shares a line with the driver that it is to measure.
 */
#include <string.h>
#include <unistd.h>

#include "liar.h"

enum {
	DESC_NEXT = 1,
	DESC_WRITE = 2,
	DESC_INDIRECT = 4,
	DESC_AVAIL = 1 << 7,
	DESC_USED = 1 << 15,
	EVENT_ENABLE = 0,
	EVENT_DISABLE = 1,
	EVENT_DESC = 2,
	STATUS_DRIVER_OK = 4,
	STATUS_NEEDS_RESET = 64,
	HOLD_US = 50000,
};

/* Both formats as they lie in memory. */
struct split_desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags;
	uint16_t next;
};

struct packed_desc {
	uint64_t addr;
	uint32_t len;
	uint16_t id;
	uint16_t flags;
};

void liar_queue_clear(struct liar_queue *q)
{
	*q = (struct liar_queue){ .avail_wrap = true,
				  .used_wrap = true,
				  .last_desc = UINT16_MAX };
}

static uint16_t load16(struct liar *l, uint64_t gpa)
{
	return __atomic_load_n((uint16_t *)liar_at(l, gpa, 2),
			       __ATOMIC_SEQ_CST);
}

static void store16(struct liar *l, uint64_t gpa, uint16_t value)
{
	__atomic_store_n((uint16_t *)liar_at(l, gpa, 2), value,
			 __ATOMIC_SEQ_CST);
}

static void add_desc(struct liar *l, struct liar_request *r, uint64_t addr,
		     uint32_t len, uint16_t flags)
{
	if (r->nr == LIAR_CHAIN_MAX) {
		liar_broken(l, "a chain longer than its ring");
		return;
	}
	liar_rule(l,
		  !r->nr || flags & DESC_WRITE ||
			  !(r->chain[r->nr - 1].flags & DESC_WRITE),
		  "a readable piece after a writable one");
	r->chain[r->nr++] = (struct liar_desc){ addr, len, flags };
}

static void check_indirect(struct liar *l, uint16_t flags, uint32_t len)
{
	l->nr_indirect++;
	liar_rule(l,
		  liar_agreed(l, LIAR_F_INDIRECT_DESC) &&
			  !(flags & DESC_NEXT) && len,
		  "an indirect table that may not be there");
}

/* --- split -------------------------------------------------------------- */

static struct split_desc split_desc(struct liar *l, uint64_t table, uint32_t i)
{
	struct split_desc d;

	memcpy(&d, liar_at(l, table + i * sizeof(d), sizeof(d)), sizeof(d));
	return d;
}

static void split_chain(struct liar *l, struct liar_request *r, uint64_t table,
			uint32_t size, uint32_t i)
{
	struct split_desc d;

	do {
		if (i >= size || r->nr == size) {
			liar_broken(l, "a chain that leaves its table");
			return;
		}
		d = split_desc(l, table, i);
		add_desc(l, r, d.addr, d.len, d.flags);
		i = d.next;
	} while (d.flags & DESC_NEXT);
}

/* In order, from 0 up and round: 2.7.5. */
static void check_places(struct liar *l, struct liar_queue *q, uint16_t head)
{
	uint16_t at = (uint16_t)((q->last_desc + 1u) % q->num);
	struct split_desc d;

	liar_rule(l, head == at, "a descriptor out of order");
	for (d = split_desc(l, q->desc, head); d.flags & DESC_NEXT;
	     d = split_desc(l, q->desc, at)) {
		at = (uint16_t)((at + 1u) % q->num);
		if (d.next != at) {
			liar_broken(l, "a descriptor out of order");
			break;
		}
	}
	q->last_desc = at;
}

static bool split_has(struct liar *l, const struct liar_queue *q)
{
	return load16(l, q->driver + 2) != q->next_avail;
}

static void split_pop(struct liar *l, struct liar_queue *q,
		      struct liar_request *r)
{
	uint64_t place = q->driver + 4 + 2ull * (q->next_avail % q->num);
	struct split_desc d;

	r->id = load16(l, place);
	r->nr_slots = 1;
	q->next_avail++;
	if (r->id >= q->num) {
		r->is_lie = true;
		return;
	}
	if (liar_agreed(l, LIAR_F_IN_ORDER))
		check_places(l, q, r->id);
	d = split_desc(l, q->desc, r->id);
	if (d.flags & DESC_INDIRECT) {
		check_indirect(l, d.flags, d.len);
		split_chain(l, r, d.addr, d.len / sizeof(d), 0);
	} else {
		split_chain(l, r, q->desc, q->num, r->id);
	}
}

static void split_put(struct liar *l, struct liar_queue *q, uint32_t id,
		      uint32_t len, uint16_t nr_slots)
{
	uint64_t elem = q->device + 4 + 8ull * (q->next_used % q->num);

	memcpy(liar_at(l, elem, 4), &id, 4);
	memcpy(liar_at(l, elem + 4, 4), &len, 4);
	q->next_used = (uint16_t)(q->next_used + nr_slots);
	store16(l, q->device + 2, q->next_used);
}

static void split_ask(struct liar *l, const struct liar_queue *q, bool ask)
{
	if (!liar_agreed(l, LIAR_F_EVENT_IDX))
		store16(l, q->device, !ask);
	else if (ask)
		store16(l, q->device + 4 + 8ull * q->num, q->next_avail);
}

static bool split_wants_interrupt(struct liar *l, const struct liar_queue *q,
				  uint16_t nr)
{
	uint16_t event;

	if (!liar_agreed(l, LIAR_F_EVENT_IDX))
		return !(load16(l, q->driver) & 1);
	event = load16(l, q->driver + 4 + 2ull * q->num);
	return (uint16_t)(q->next_used - event - 1) < nr;
}

/* --- packed ------------------------------------------------------------- */

static struct packed_desc packed_desc(struct liar *l, uint64_t table,
				      uint32_t i)
{
	struct packed_desc d;

	memcpy(&d, liar_at(l, table + i * sizeof(d), sizeof(d)), sizeof(d));
	return d;
}

static bool packed_is_available(struct liar *l, const struct liar_queue *q,
				uint16_t at, bool wrap)
{
	uint16_t flags = load16(l, q->desc + 16ull * at + 14);

	return !(flags & DESC_AVAIL) == !wrap && !(flags & DESC_USED) == wrap;
}

static void step(const struct liar_queue *q, uint16_t *at, bool *wrap,
		 uint32_t nr)
{
	for (; nr; nr--) {
		if (++*at != q->num)
			continue;
		*at = 0;
		*wrap = !*wrap;
	}
}

static void packed_table(struct liar *l, struct liar_request *r,
			 const struct packed_desc *whole)
{
	uint32_t i;

	if (whole->len % sizeof(*whole)) {
		r->is_lie = true;
		return;
	}
	check_indirect(l, whole->flags, whole->len);
	for (i = 0; i < whole->len / sizeof(*whole); i++) {
		struct packed_desc d = packed_desc(l, whole->addr, i);

		liar_rule(l, !(d.flags & DESC_INDIRECT), "a table in a table");
		add_desc(l, r, d.addr, d.len, d.flags);
	}
}

static void packed_pop(struct liar *l, struct liar_queue *q,
		       struct liar_request *r)
{
	struct packed_desc d;

	do {
		liar_rule(
			l,
			packed_is_available(l, q, q->next_avail, q->avail_wrap),
			"a chain that is not all there");
		d = packed_desc(l, q->desc, q->next_avail);
		liar_rule(l, !r->nr_slots || d.id == r->id,
			  "a chain of two ids");
		r->id = d.id;
		r->nr_slots++;
		step(q, &q->next_avail, &q->avail_wrap, 1);
		if (d.flags & DESC_INDIRECT)
			packed_table(l, r, &d);
		else
			add_desc(l, r, d.addr, d.len, d.flags);
	} while (d.flags & DESC_NEXT && r->nr_slots < q->num);
	liar_rule(l, !(d.flags & DESC_NEXT), "a chain without end");
}

static void packed_put(struct liar *l, struct liar_queue *q, uint32_t id,
		       uint32_t len, uint16_t nr_slots, bool wrong_lap)
{
	struct packed_desc d = { .len = len, .id = (uint16_t)id };
	uint64_t place = q->desc + 16ull * q->next_used;
	bool bits = q->used_wrap != wrong_lap;

	memcpy(liar_at(l, place + 8, 6), &d.len, 6);
	store16(l, place + 14,
		(uint16_t)((bits ? DESC_AVAIL | DESC_USED : 0) |
			   (len ? DESC_WRITE : 0)));
	step(q, &q->next_used, &q->used_wrap, nr_slots);
}

static void packed_ask(struct liar *l, const struct liar_queue *q, bool ask)
{
	uint16_t flags = EVENT_DISABLE;

	if (ask)
		flags = liar_agreed(l, LIAR_F_EVENT_IDX) ? EVENT_DESC
							 : EVENT_ENABLE;
	if (flags == EVENT_DESC)
		store16(l, q->device,
			(uint16_t)(q->next_avail |
				   (q->avail_wrap ? 0x8000 : 0)));
	store16(l, q->device + 2, flags);
}

/* Did the used place pass the one that the driver waits for? */
static bool packed_wants_interrupt(struct liar *l, const struct liar_queue *q,
				   uint16_t nr)
{
	uint16_t flags = load16(l, q->driver + 2);
	uint16_t event = load16(l, q->driver);
	uint16_t at = event & 0x7fff;
	bool wrap = event & 0x8000;
	uint32_t behind = 0;

	liar_rule(l, flags <= EVENT_DESC, "event flags that mean nothing");
	if (flags != EVENT_DESC)
		return flags == EVENT_ENABLE;
	liar_rule(l, liar_agreed(l, LIAR_F_EVENT_IDX) && at < q->num,
		  "an event place that is none");
	/* From there on to where we are now, if that is within what was just
	 * given back. */
	while ((at != q->next_used || wrap != q->used_wrap) &&
	       behind <= q->num) {
		step(q, &at, &wrap, 1);
		behind++;
	}
	return behind && behind <= nr;
}

/* --- both --------------------------------------------------------------- */

static bool is_packed(const struct liar *l)
{
	return liar_agreed(l, LIAR_F_RING_PACKED);
}

uint32_t liar_ring_end(struct liar *l, const struct liar_queue *q)
{
	uint16_t at = q->next_avail;
	bool wrap = q->avail_wrap;
	uint32_t nr;

	if (!is_packed(l))
		return load16(l, q->driver + 2);
	for (nr = 0; nr < q->num && packed_is_available(l, q, at, wrap); nr++)
		step(q, &at, &wrap, 1);
	return at | (wrap ? 0x8000u : 0);
}

static void put(struct liar *l, struct liar_queue *q,
		const struct liar_request *r, uint16_t nr_slots)
{
	uint32_t id = r->id, len = r->len;
	bool wrong_lap = r->is_nth && l->lie == LIAR_WRAP_WRONG;

	if (r->is_nth && l->lie == LIAR_HEAD_BEYOND)
		id = q->num;
	if (r->is_nth && l->lie == LIAR_HEAD_NOT_OUT)
		id = (id + q->num - 1) % q->num;
	if (r->is_nth && l->lie == LIAR_LEN_LONG)
		len += 1;
	if (r->is_nth && l->lie == LIAR_LEN_ZERO)
		len = 0;
	if (is_packed(l))
		packed_put(l, q, id, len, nr_slots, wrong_lap);
	else
		split_put(l, q, id, len, nr_slots);
}

static void hold(struct liar *l)
{
	pthread_mutex_unlock(&l->lock);
	usleep(HOLD_US);
	pthread_mutex_lock(&l->lock);
}

/* One, and all the slots of those before it that were not told of. Returns the
 * slots. */
static uint16_t answer(struct liar *l, struct liar_queue *q,
		       struct liar_request *r, uint16_t before, bool is_last)
{
	uint16_t nr = (uint16_t)(before + r->nr_slots);

	if (r->is_nth && l->lie == LIAR_OUT_OF_ORDER) {
		l->held = *r;
		return 0;
	}
	if (l->batches && !is_last)
		return 0;
	put(l, q, r, nr);
	if (l->held.nr) {
		/* The driver looks meanwhile. */
		hold(l);
		put(l, q, &l->held, l->held.nr_slots);
		nr = (uint16_t)(nr + l->held.nr_slots);
		l->held.nr = 0;
	}
	return nr;
}

static bool has_more(struct liar *l, const struct liar_queue *q)
{
	return is_packed(l)
		       ? packed_is_available(l, q, q->next_avail, q->avail_wrap)
		       : split_has(l, q);
}

static void ask(struct liar *l, const struct liar_queue *q, bool wanted)
{
	if (is_packed(l))
		packed_ask(l, q, wanted);
	else
		split_ask(l, q, wanted);
}

/* All there is. Returns how many slots were given back. */
static uint16_t serve_available(struct liar *l, struct liar_queue *q)
{
	uint16_t given = 0, before = 0, now;

	while (has_more(l, q) && !(l->page.status & STATUS_NEEDS_RESET)) {
		struct liar_request r = { .nr = 0 };

		if (is_packed(l))
			packed_pop(l, q, &r);
		else
			split_pop(l, q, &r);
		if (r.is_lie) {
			if (l->lie != LIAR_HEAD_SWALLOWED)
				liar_give_up(l);
			continue;
		}
		if (!liar_perform(l, &r))
			continue;
		now = answer(l, q, &r, before, !has_more(l, q));
		before = now || !l->batches ? 0
					    : (uint16_t)(before + r.nr_slots);
		given = (uint16_t)(given + now);
	}
	return given;
}

/* Notifications are unwanted meanwhile; one more look after asking for them. */
static void serve_queue(struct liar *l, struct liar_queue *q)
{
	uint16_t nr = 0;

	/* Not before the driver sleeps: it looks once more before it does. */
	if (l->lie == LIAR_NO_INTERRUPT && has_more(l, q))
		hold(l);
	do {
		ask(l, q, false);
		nr = (uint16_t)(nr + serve_available(l, q));
		ask(l, q, true);
	} while (has_more(l, q) && !(l->page.status & STATUS_NEEDS_RESET));
	if (nr && (is_packed(l) ? packed_wants_interrupt(l, q, nr)
				: split_wants_interrupt(l, q, nr)))
		liar_interrupt(l, 1);
}

void liar_serve(struct liar *l)
{
	uint32_t i;

	if (!(l->page.status & STATUS_DRIVER_OK))
		return;
	for (i = 0; i < LIAR_QUEUES_MAX; i++)
		if (l->queues[i].ready)
			serve_queue(l, &l->queues[i]);
}
