/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * ring_split.c - the driver's side of a split virtqueue (virtio 1.2, 2.7)
 *
 * Side:    inside the virtual machine, and the stand-in for it.
 * Owns:    descriptors, available ring; reads the used ring once an entry.
 * Callers: queue.c.
 * Never:   reads back what it wrote for the device.
 */
#include "driver/ring.h"

enum {
	AVAIL_NO_INTERRUPT = 1,
	USED_NO_NOTIFY = 1,
};

static uint16_t *used_event(const struct queue *q)
{
	return &q->mem->avail.ring[0] + q->size;
}

static const uint16_t *avail_event(const struct queue *q)
{
	return (const uint16_t *)(const void *)(q->mem->used.ring + q->size);
}

static void fill(union queue_desc *desc, const struct ring_chain *chain,
		 uint32_t i, uint16_t next)
{
	uint16_t flags = chain->flags;

	if (i >= chain->nr_out)
		flags |= QUEUE_DESC_WRITE_BIT;
	if (i + 1 < chain->nr)
		flags |= QUEUE_DESC_NEXT_BIT;
	desc->split.addr = chain->pieces[i].gpa;
	desc->split.len = chain->pieces[i].len;
	desc->split.flags = flags;
	desc->split.next = next;
}

void ring_split_fill_table(union queue_desc *table,
			   const struct ring_chain *chain)
{
	uint32_t i;

	for (i = 0; i < chain->nr; i++)
		fill(&table[i], chain, i, (uint16_t)(i + 1));
}

static void publish(struct queue *q, uint16_t head)
{
	ring_store16(&q->mem->avail.ring[q->next_avail & (q->size - 1)], head);
	q->next_avail++;
	q->nr_added++;
	ring_store16(&q->mem->avail.idx, q->next_avail);
}

uint16_t ring_split_add(struct queue *q, const struct ring_chain *chain)
{
	uint16_t head = q->first_free;
	uint16_t at;
	uint32_t i;

	for (i = 0; i < chain->nr; i++) {
		at = ring_pop_free(q);
		/* The last one too points to the one that is free next: in
		 * order, that is the one after it, as it must be. */
		fill(&q->mem->ring[at], chain, i, q->next[at] & (q->size - 1));
	}
	publish(q, head);
	return head;
}

void ring_split_add_lie(struct queue *q)
{
	publish(q, (uint16_t)(q->size + 5));
}

bool ring_split_must_notify(const struct queue *q)
{
	uint16_t event;

	if (!q->format.event_idx)
		return !(ring_load16(&q->mem->used.flags) & USED_NO_NOTIFY);
	event = ring_load16(avail_event(q));
	return (uint16_t)(q->next_avail - event - 1) < q->nr_added;
}

void ring_split_arm(struct queue *q)
{
	if (q->format.event_idx)
		ring_store16(used_event(q), q->next_used);
	else
		ring_store16(&q->mem->avail.flags, 0);
}

void ring_split_disarm(struct queue *q)
{
	/* As far away as an index can be: nothing between here and there is
	 * ever in flight. */
	if (q->format.event_idx)
		ring_store16(used_event(q), (uint16_t)(q->next_used + 0x8000));
	else
		ring_store16(&q->mem->avail.flags, AVAIL_NO_INTERRUPT);
}

bool ring_split_has_used(const struct queue *q)
{
	return ring_load16(&q->mem->used.idx) != q->next_used;
}

struct ring_used ring_split_peek(const struct queue *q)
{
	const volatile struct queue_used_elem *elem =
		&q->mem->used.ring[q->next_used & (q->size - 1)];

	return (struct ring_used){ .id = elem->id, .len = elem->len };
}

bool ring_split_may_skip(const struct queue *q, uint16_t nr)
{
	return (uint16_t)(ring_load16(&q->mem->used.idx) - q->next_used) >= nr;
}

void ring_split_advance(struct queue *q)
{
	q->next_used++;
}
