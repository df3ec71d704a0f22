/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * ring_packed.c - the driver's side of a packed virtqueue (virtio 1.2, 2.8)
 *
 * Side:    inside the virtual machine, and the stand-in for it.
 * Owns:    the ring's descriptors until their head is made available, the
 *          driver's event suppression.
 * Callers: queue.c.
 * Never:   reads back what it wrote for the device; takes a descriptor for used
 *          unless both its bits are as the lap has them.
 */
#include "driver/ring.h"

/* Event suppression, read and written as one word: offset in bits 0 to 14, wrap
 * in 15, flags in 16 and 17 (2.8.14). */
enum {
	EVENT_ENABLE = 0,
	EVENT_DISABLE = 1,
	EVENT_DESC = 2,
	EVENT_FLAGS_SHIFT = 16,
};
#define EVENT_WRAP_BIT 0x8000u
#define BOTH_BITS (QUEUE_DESC_AVAIL_BIT | QUEUE_DESC_USED_BIT)

static uint16_t available_bits(bool wrap)
{
	return wrap ? QUEUE_DESC_AVAIL_BIT : QUEUE_DESC_USED_BIT;
}

/* All but the flags. */
static uint16_t fill(union queue_desc *desc, const struct ring_chain *chain,
		     uint32_t i, uint16_t id)
{
	uint16_t flags = chain->flags;

	desc->packed.addr = chain->pieces[i].gpa;
	desc->packed.len = chain->pieces[i].len;
	desc->packed.id = id;
	if (i >= chain->nr_out)
		flags |= QUEUE_DESC_WRITE_BIT;
	return flags;
}

/* A table ends where its length says; NEXT and id mean nothing in it. */
void ring_packed_fill_table(union queue_desc *table,
			    const struct ring_chain *chain)
{
	uint32_t i;

	for (i = 0; i < chain->nr; i++)
		table[i].packed.flags = fill(&table[i], chain, i, 0);
}

static void step(const struct queue *q, uint16_t *place, bool *wrap,
		 uint16_t nr)
{
	*place = (uint16_t)(*place + nr);
	if (*place < q->size)
		return;
	*place = (uint16_t)(*place - q->size);
	*wrap = !*wrap;
}

/* The head's flags last: with them the device may take all of it. */
uint16_t ring_packed_add(struct queue *q, const struct ring_chain *chain)
{
	uint16_t id = ring_pop_free(q);
	uint16_t *head_flags = &q->mem->ring[q->next_avail].packed.flags;
	uint16_t first = 0;
	uint16_t flags;
	uint32_t i;

	for (i = 0; i < chain->nr; i++) {
		union queue_desc *desc = &q->mem->ring[q->next_avail];

		flags = fill(desc, chain, i, id) |
			available_bits(q->avail_wrap);
		if (i + 1 < chain->nr)
			flags |= QUEUE_DESC_NEXT_BIT;
		if (i)
			desc->packed.flags = flags;
		else
			first = flags;
		step(q, &q->next_avail, &q->avail_wrap, 1);
	}
	q->nr_added = (uint16_t)(q->nr_added + chain->nr);
	ring_store16(head_flags, first);
	return id;
}

void ring_packed_add_lie(struct queue *q)
{
	union queue_desc *desc = &q->mem->ring[q->next_avail];

	desc->packed.addr = 0;
	desc->packed.len = sizeof(*desc) * 3 / 2;
	desc->packed.id = 0;
	ring_store16(&desc->packed.flags,
		     available_bits(q->avail_wrap) | QUEUE_DESC_INDIRECT_BIT);
	step(q, &q->next_avail, &q->avail_wrap, 1);
	q->nr_added++;
}

bool ring_packed_must_notify(const struct queue *q)
{
	uint32_t word = __atomic_load_n(&q->mem->device_event,
					__ATOMIC_SEQ_CST);
	uint32_t flags = word >> EVENT_FLAGS_SHIFT & 3;
	uint16_t event = (uint16_t)(word & (EVENT_WRAP_BIT - 1));

	if (flags != EVENT_DESC)
		return flags != EVENT_DISABLE;
	/* A place of the other lap is one lap back. */
	if (!(word & EVENT_WRAP_BIT) != !q->avail_wrap)
		event = (uint16_t)(event - q->size);
	return (uint16_t)(q->next_avail - event - 1) < q->nr_added;
}

static void store_event(struct queue *q, uint32_t flags)
{
	uint32_t word = q->next_used | flags << EVENT_FLAGS_SHIFT;

	if (q->used_wrap)
		word |= EVENT_WRAP_BIT;
	__atomic_store_n(&q->mem->driver_event, word, __ATOMIC_SEQ_CST);
}

void ring_packed_arm(struct queue *q)
{
	store_event(q, q->format.event_idx ? EVENT_DESC : EVENT_ENABLE);
}

void ring_packed_disarm(struct queue *q)
{
	store_event(q, EVENT_DISABLE);
}

bool ring_packed_has_used(const struct queue *q)
{
	uint16_t flags = ring_load16(&q->mem->ring[q->next_used].packed.flags);

	return (flags & BOTH_BITS) == (q->used_wrap ? BOTH_BITS : 0);
}

struct ring_used ring_packed_peek(const struct queue *q)
{
	const volatile union queue_desc *desc = &q->mem->ring[q->next_used];

	return (struct ring_used){ .id = desc->packed.id,
				   .len = desc->packed.len };
}

void ring_packed_advance(struct queue *q, uint16_t nr_desc)
{
	step(q, &q->next_used, &q->used_wrap, nr_desc);
}
