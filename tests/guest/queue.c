/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * queue.c - the driver's side of a split virtqueue
 *
 * Side:    inside the virtual machine.
 * Owns:    descriptors, available ring; reads the used ring once an entry.
 * Callers: disk.c.
 * Never:   reads back what it wrote into the descriptors of a chain that the
 *          device has, but for `next`: the device has no business there, and
 *          if it writes there all the same, the free list is checked by size.
 */
#include "cpu.h"
#include "queue.h"

enum {
	AVAIL_NO_INTERRUPT = 1,
	USED_NO_NOTIFY = 1,
};

static uint16_t load16(const uint16_t *p)
{
	return *(const volatile uint16_t *)p;
}

static void store16(uint16_t *p, uint16_t value)
{
	*(volatile uint16_t *)p = value;
}

static uint16_t *used_event(struct queue *q)
{
	return &q->avail.ring[0] + q->size;
}

static const uint16_t *avail_event(const struct queue *q)
{
	return (const uint16_t *)(const void *)(q->used.ring + q->size);
}

void queue_init(struct queue *q, uint16_t size, bool event_idx)
{
	uint16_t i;

	cpu_fill((uint32_t *)(void *)q, 0, sizeof(*q) / 4);
	for (i = 0; i < size; i++) {
		q->desc[i].next = (uint16_t)(i + 1);
		q->token[i] = QUEUE_NO_TOKEN;
	}
	q->size = size;
	q->nr_free = size;
	q->event_idx = event_idx;
}

static void fill_desc(struct queue_desc *desc, const struct queue_piece *piece,
		      bool writable)
{
	desc->addr = (uint32_t)piece->data;
	desc->len = piece->len;
	desc->flags = writable ? QUEUE_DESC_WRITE_BIT : 0;
}

static void fill_table(struct queue_desc *table,
		       const struct queue_piece *pieces, uint32_t nr_out,
		       uint32_t nr)
{
	uint32_t i;

	for (i = 0; i < nr; i++) {
		fill_desc(&table[i], &pieces[i], i >= nr_out);
		table[i].next = (uint16_t)(i + 1);
		if (i + 1 < nr)
			table[i].flags |= QUEUE_DESC_NEXT_BIT;
	}
}

static void fill_chain(struct queue *q, const struct queue_piece *pieces,
		       uint32_t nr_out, uint32_t nr)
{
	struct queue_desc *desc = 0;
	uint32_t i;

	for (i = 0; i < nr; i++) {
		desc = &q->desc[q->first_free];
		fill_desc(desc, &pieces[i], i >= nr_out);
		desc->flags |= QUEUE_DESC_NEXT_BIT;
		q->first_free = desc->next;
	}
	if (desc)
		desc->flags &= (uint16_t)~QUEUE_DESC_NEXT_BIT;
	q->nr_free = (uint16_t)(q->nr_free - nr);
}

static void publish(struct queue *q, uint16_t head)
{
	store16(&q->avail.ring[q->next_avail & (q->size - 1)], head);
	cpu_order();
	q->next_avail++;
	store16(&q->avail.idx, q->next_avail);
}

bool queue_add(struct queue *q, const struct queue_piece *pieces,
	       uint32_t nr_out, uint32_t nr_in, struct queue_desc *table,
	       uint16_t token)
{
	uint32_t nr = nr_out + nr_in;
	uint16_t head = q->first_free;
	struct queue_piece whole;

	if ((table ? 1 : nr) > q->nr_free)
		return false;
	if (table) {
		fill_table(table, pieces, nr_out, nr);
		whole.data = table;
		whole.len = nr * sizeof(*table);
		fill_chain(q, &whole, 1, 1);
		q->desc[head].flags = QUEUE_DESC_INDIRECT_BIT;
	} else {
		fill_chain(q, pieces, nr_out, nr);
	}
	q->token[head] = token;
	publish(q, head);
	return true;
}

void queue_add_lie(struct queue *q)
{
	publish(q, (uint16_t)(q->size + 5));
}

bool queue_must_notify(const struct queue *q, uint16_t since)
{
	uint16_t event;

	/* The index must be seen before the device's wish is read, or both
	 * sides wait for each other. */
	cpu_order_store_load();
	if (!q->event_idx)
		return !(load16(&q->used.flags) & USED_NO_NOTIFY);
	event = load16(avail_event(q));
	return (uint16_t)(q->next_avail - event - 1) <
	       (uint16_t)(q->next_avail - since);
}

void queue_arm(struct queue *q)
{
	if (q->event_idx)
		store16(used_event(q), q->next_used);
	else
		store16(&q->avail.flags, 0);
	cpu_order_store_load();
}

void queue_disarm(struct queue *q)
{
	/* As far away as an index can be: nothing between here and there is
	 * ever in flight. */
	if (q->event_idx)
		store16(used_event(q), (uint16_t)(q->next_used + 0x8000));
	else
		store16(&q->avail.flags, AVAIL_NO_INTERRUPT);
}

bool queue_has_used(const struct queue *q)
{
	return load16(&q->used.idx) != q->next_used;
}

static void free_chain(struct queue *q, uint16_t head)
{
	uint16_t last = head;
	uint16_t nr = 1;

	while (q->desc[last].flags & QUEUE_DESC_NEXT_BIT && nr < q->size) {
		last = q->desc[last].next & (q->size - 1);
		nr++;
	}
	q->desc[last].next = q->first_free;
	q->first_free = head;
	q->nr_free = (uint16_t)(q->nr_free + nr);
}

enum queue_take queue_take(struct queue *q, uint32_t *head, uint16_t *token,
			   uint32_t *len)
{
	const volatile struct queue_used_elem *elem;

	if (!queue_has_used(q))
		return QUEUE_TAKE_NONE;
	cpu_order();
	elem = &q->used.ring[q->next_used & (q->size - 1)];
	*head = elem->id;
	*len = elem->len;
	if (*head >= q->size || q->token[*head] == QUEUE_NO_TOKEN)
		return QUEUE_TAKE_UNKNOWN;
	*token = q->token[*head];
	q->token[*head] = QUEUE_NO_TOKEN;
	free_chain(q, (uint16_t)*head);
	q->next_used++;
	return QUEUE_TAKE_ONE;
}
