/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * queue.c - what both formats of a virtqueue have in common for its driver
 *
 * Side:    inside the virtual machine, and the stand-in for it.
 * Owns:    struct queue: which buffers are out, and in which order.
 * Callers: disk.c, request.c.
 * Never:   reads back what it wrote for the device.
 *
 * Free heads are taken first in, first out. If the device gives buffers back in
 * order, so are they taken, from 0 up and round: what a driver that agreed to
 * in-order must do with the descriptors of a split ring (virtio 1.2, 2.7.5).
 */
#include "driver/ring.h"
#include "driver/words.h"

void queue_init(struct queue *q, struct queue_memory *mem, uint16_t size,
		const struct queue_format *format)
{
	uint16_t i;

	words_fill(mem, 0, sizeof(*mem) / 4);
	q->mem = mem;
	q->format = *format;
	q->size = size;
	q->nr_free = size;
	q->next_avail = 0;
	q->next_used = 0;
	q->avail_wrap = true;
	q->used_wrap = true;
	q->nr_added = 0;
	for (i = 0; i < size; i++) {
		q->next[i] = (uint16_t)(i + 1);
		q->token[i] = QUEUE_NO_TOKEN;
	}
	q->first_free = 0;
	q->last_free = (uint16_t)(size - 1);
	q->nr_links = size;
	q->order_first = 0;
	q->nr_order = 0;
	q->batch = 0;
}

uint16_t ring_pop_free(struct queue *q)
{
	uint16_t i = q->first_free;

	q->first_free = q->next[i];
	q->nr_links--;
	return i;
}

/* An id, or a chain of a split ring: all its members, which `next` still
 * links. */
static void free_buffer(struct queue *q, uint16_t id)
{
	uint16_t nr = q->format.packed ? 1 : q->nr_desc[id];
	uint16_t last = id;
	uint16_t i;

	for (i = 1; i < nr; i++)
		last = q->next[last];
	if (q->nr_links)
		q->next[q->last_free] = id;
	else
		q->first_free = id;
	q->last_free = last;
	q->nr_links = (uint16_t)(q->nr_links + nr);
	q->nr_free = (uint16_t)(q->nr_free + q->nr_desc[id]);
	q->token[id] = QUEUE_NO_TOKEN;
}

static uint16_t place_in_order(const struct queue *q, uint16_t nth)
{
	return (uint16_t)((q->order_first + nth) & (q->size - 1));
}

bool queue_add(struct queue *q, const struct queue_piece *pieces,
	       uint32_t nr_out, uint32_t nr_in, union queue_desc *table,
	       uint64_t table_gpa, uint16_t token)
{
	struct ring_chain chain = { .pieces = pieces,
				    .nr_out = nr_out,
				    .nr = nr_out + nr_in };
	struct queue_piece whole = { .gpa = table_gpa,
				     .len = chain.nr * sizeof(*table) };
	uint16_t id;

	if ((table ? 1 : chain.nr) > q->nr_free)
		return false;
	if (table) {
		if (q->format.packed)
			ring_packed_fill_table(table, &chain);
		else
			ring_split_fill_table(table, &chain);
		chain = (struct ring_chain){ .pieces = &whole,
					     .nr_out = 1,
					     .nr = 1,
					     .flags = QUEUE_DESC_INDIRECT_BIT };
	}
	id = q->format.packed ? ring_packed_add(q, &chain)
			      : ring_split_add(q, &chain);
	q->token[id] = token;
	q->nr_desc[id] = (uint16_t)chain.nr;
	q->nr_free = (uint16_t)(q->nr_free - chain.nr);
	if (q->format.in_order)
		q->order[place_in_order(q, q->nr_order++)] = id;
	return true;
}

void queue_add_lie(struct queue *q)
{
	if (q->format.packed)
		ring_packed_add_lie(q);
	else
		ring_split_add_lie(q);
}

bool queue_must_notify(struct queue *q)
{
	bool must = q->format.packed ? ring_packed_must_notify(q)
				     : ring_split_must_notify(q);

	q->nr_added = 0;
	return must;
}

uint16_t queue_next_avail(const struct queue *q)
{
	if (q->format.packed && q->avail_wrap)
		return q->next_avail | 1u << 15;
	return q->next_avail;
}

void queue_arm(struct queue *q)
{
	if (q->format.packed)
		ring_packed_arm(q);
	else
		ring_split_arm(q);
}

void queue_disarm(struct queue *q)
{
	if (q->format.packed)
		ring_packed_disarm(q);
	else
		ring_split_disarm(q);
}

bool queue_has_used(const struct queue *q)
{
	if (q->batch)
		return true;
	return q->format.packed ? ring_packed_has_used(q)
				: ring_split_has_used(q);
}

/* How many buffers are given back when `id` is, the oldest first. */
static uint16_t count_batch(const struct queue *q, uint16_t id)
{
	uint16_t nr = 0;

	while (q->order[place_in_order(q, nr++)] != id)
		;
	return nr;
}

static enum queue_take judge(struct queue *q, const struct ring_used *used)
{
	if (used->id >= q->size || q->token[used->id] == QUEUE_NO_TOKEN)
		return QUEUE_TAKE_UNKNOWN;
	q->batch = 1;
	q->batch_len = used->len;
	if (!q->format.in_order)
		return QUEUE_TAKE_ONE;
	q->batch = count_batch(q, (uint16_t)used->id);
	if (q->batch == 1 || q->format.packed ||
	    ring_split_may_skip(q, q->batch))
		return QUEUE_TAKE_ONE;
	q->batch = 0;
	return QUEUE_TAKE_OUT_OF_ORDER;
}

static void take_one(struct queue *q, uint16_t id, struct queue_taken *out)
{
	q->batch--;
	out->id = id;
	out->token = q->token[id];
	out->has_len = q->batch == 0;
	out->len = q->batch_len;
	if (q->format.packed)
		ring_packed_advance(q, q->nr_desc[id]);
	else
		ring_split_advance(q);
	free_buffer(q, id);
}

enum queue_take queue_take(struct queue *q, struct queue_taken *out)
{
	struct ring_used used = { .id = 0 };
	enum queue_take take;

	if (!queue_has_used(q))
		return QUEUE_TAKE_NONE;
	if (!q->batch) {
		used = q->format.packed ? ring_packed_peek(q)
					: ring_split_peek(q);
		out->id = used.id;
		take = judge(q, &used);
		if (take != QUEUE_TAKE_ONE)
			return take;
	}
	if (q->format.in_order) {
		used.id = q->order[q->order_first];
		q->order_first = place_in_order(q, 1);
		q->nr_order--;
	}
	take_one(q, (uint16_t)used.id, out);
	return QUEUE_TAKE_ONE;
}
