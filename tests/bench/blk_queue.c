/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * blk_queue.c - the driver's half of a virtqueue of three-part requests
 *
 * virtio 1.2, 2.7 and 2.8. Little endian, as the machines this runs on.
 */
#include <errno.h>
#include <string.h>

#include "bench/blk_queue.h"

enum {
	DESC_NEXT = 1,
	DESC_WRITE = 2,
	DESC_INDIRECT = 4,
	DESC_AVAIL = 1 << 7,
	DESC_USED = 1 << 15,
};

/* Event suppression of a packed ring: two words, offset and flags. */
enum { EVENT_OFF = 0, EVENT_FLAGS = 1 };
enum { EVENT_ENABLE = 0, EVENT_DISABLE = 1, EVENT_DESC = 2 };

/* Rings of split queues: flags, index, entries, event index. */
enum { RING_FLAGS = 0, RING_IDX = 1, RING_ENTRIES = 2 };
enum { RING_NO_NOTIFY = 1 };

#define USED_WORDS 4u /* id and len, 32 bits each */

static uint16_t load(const uint16_t *at)
{
	return __atomic_load_n(at, __ATOMIC_ACQUIRE);
}

static void store(uint16_t *at, uint16_t value)
{
	__atomic_store_n(at, value, __ATOMIC_RELEASE);
}

/* Not a fence proper, of which the thread sanitizer knows nothing: a locked
 * read-modify-write orders as much and costs the same. */
static void full_fence(void)
{
	static uint32_t nothing;

	(void)__atomic_fetch_add(&nothing, 0, __ATOMIC_SEQ_CST);
}

static uint64_t page_up(uint64_t bytes)
{
	return (bytes + 4095) & ~UINT64_C(4095);
}

static uint64_t desc_bytes(uint16_t size)
{
	return page_up(size * sizeof(struct blk_desc));
}

static uint64_t ring_bytes(uint16_t size)
{
	return page_up((RING_ENTRIES + (uint64_t)USED_WORDS * size + 1) *
		       sizeof(uint16_t));
}

static uint64_t tables_bytes(uint16_t size)
{
	return page_up((uint64_t)BLK_QUEUE_PARTS * size *
		       sizeof(struct blk_desc));
}

uint64_t blk_queue_bytes(uint16_t size)
{
	return desc_bytes(size) + 2 * ring_bytes(size) + tables_bytes(size);
}

void blk_queue_init(struct blk_queue *q, uint16_t size, void *memory,
		    uint64_t gpa)
{
	uint8_t *at = memory;

	q->size = size;
	q->slots = q->indirect ? size : (uint16_t)(size / BLK_QUEUE_PARTS);
	q->desc = (void *)at;
	q->desc_gpa = gpa;
	at += desc_bytes(size);
	q->driver = (void *)at;
	q->driver_gpa = gpa + desc_bytes(size);
	at += ring_bytes(size);
	q->device = (void *)at;
	q->device_gpa = q->driver_gpa + ring_bytes(size);
	at += ring_bytes(size);
	q->tables = (void *)at;
	q->tables_gpa = q->device_gpa + ring_bytes(size);
	q->next_avail = 0;
	q->published = 0;
	q->next_used = 0;
	q->avail_wrap = true;
	q->used_wrap = true;
	q->has_first = false;
	blk_queue_disarm(q);
}

/* Where a slot's own table begins, in descriptors. */
static size_t table_of(uint16_t slot)
{
	return (size_t)BLK_QUEUE_PARTS * slot;
}

/* The parts of a request as descriptors, chained by index from `at` on where
 * that is wanted. Returns how many. */
static uint16_t fill_parts(struct blk_desc out[BLK_QUEUE_PARTS],
			   const struct blk_queue_request *rq)
{
	uint16_t n = 0;

	out[n++] = (struct blk_desc){ .addr = rq->header,
				      .len = rq->header_bytes,
				      .flags = DESC_NEXT };
	if (rq->data_bytes)
		out[n++] = (struct blk_desc){
			.addr = rq->data,
			.len = rq->data_bytes,
			.flags = DESC_NEXT |
				 (rq->device_writes ? DESC_WRITE : 0),
		};
	out[n++] = (struct blk_desc){ .addr = rq->status,
				      .len = 1,
				      .flags = DESC_WRITE };
	return n;
}

static void offer_split(struct blk_queue *q, uint16_t slot,
			const struct blk_queue_request *rq)
{
	uint16_t head = q->indirect ? slot : (uint16_t)(slot * BLK_QUEUE_PARTS);
	uint16_t from = q->indirect ? 0 : head;
	struct blk_desc *table = q->indirect ? q->tables + table_of(slot)
					     : q->desc + head;
	uint16_t n = fill_parts(table, rq);
	uint16_t i;

	for (i = 0; i + 1 < n; i++)
		table[i].next = (uint16_t)(from + i + 1);
	if (q->indirect)
		q->desc[head] = (struct blk_desc){
			.addr = q->tables_gpa + table_of(slot) * sizeof(*table),
			.len = n * (uint32_t)sizeof(*table),
			.flags = DESC_INDIRECT,
		};
	q->driver[RING_ENTRIES + (q->next_avail & (q->size - 1))] = head;
	q->next_avail++;
}

/* One entry of a packed ring. Its flags make it valid: those of the first one
 * since publish wait until then. */
static void put_packed(struct blk_queue *q, struct blk_desc d, uint16_t id)
{
	struct blk_desc *at = &q->desc[q->next_avail];
	uint16_t flags = (uint16_t)(d.flags |
				    (q->avail_wrap ? DESC_AVAIL : DESC_USED));

	at->addr = d.addr;
	at->len = d.len;
	/* Here the id, and then the flags, trade places with a split one's. */
	__atomic_store_n(&at->flags, id, __ATOMIC_RELAXED);
	if (q->has_first) {
		store(&at->next, flags);
	} else {
		q->has_first = true;
		q->first = q->next_avail;
		q->first_flags = flags;
	}
	if (++q->next_avail == q->size) {
		q->next_avail = 0;
		q->avail_wrap = !q->avail_wrap;
	}
}

static void offer_packed(struct blk_queue *q, uint16_t slot,
			 const struct blk_queue_request *rq)
{
	struct blk_desc parts[BLK_QUEUE_PARTS];
	struct blk_desc *table = q->tables + table_of(slot);
	uint16_t n = fill_parts(parts, rq);
	uint16_t i;

	q->parts[slot] = q->indirect ? 1 : (uint8_t)n;
	for (i = 0; !q->indirect && i < n; i++)
		put_packed(q, parts[i], slot);
	if (!q->indirect)
		return;
	/* A table of a packed queue has no chain: its order is the order. */
	for (i = 0; i < n; i++)
		table[i] = (struct blk_desc){
			.addr = parts[i].addr,
			.len = parts[i].len,
			.next = parts[i].flags & DESC_WRITE,
		};
	put_packed(
		q,
		(struct blk_desc){
			.addr = q->tables_gpa + table_of(slot) * sizeof(*table),
			.len = n * (uint32_t)sizeof(*table),
			.flags = DESC_INDIRECT,
		},
		slot);
}

void blk_queue_offer(struct blk_queue *q, uint16_t slot,
		     const struct blk_queue_request *rq)
{
	if (q->packed)
		offer_packed(q, slot, rq);
	else
		offer_split(q, slot, rq);
}

/* virtio 1.2, 2.7.10: is `event` among what was added? */
static bool is_passed(uint16_t event, uint16_t now, uint16_t before)
{
	return (uint16_t)(now - event - 1) < (uint16_t)(now - before);
}

static bool publish_split(struct blk_queue *q)
{
	const uint16_t before = q->published;

	store(&q->driver[RING_IDX], q->next_avail);
	q->published = q->next_avail;
	/* The device must see the index before we see what it asks for. */
	full_fence();
	if (!q->event_idx)
		return !(load(&q->device[RING_FLAGS]) & RING_NO_NOTIFY);
	return is_passed(load(&q->device[RING_ENTRIES + USED_WORDS * q->size]),
			 q->next_avail, before);
}

static bool publish_packed(struct blk_queue *q)
{
	const uint16_t before = q->published;
	uint16_t flags, off, event;

	store(&q->desc[q->first].next, q->first_flags);
	q->has_first = false;
	q->published = q->next_avail;
	full_fence();
	flags = load(&q->device[EVENT_FLAGS]);
	if (flags != EVENT_DESC)
		return flags != EVENT_DISABLE;
	off = load(&q->device[EVENT_OFF]);
	event = off & 0x7fff;
	/* As if the ring had no end: what lies in the other round is behind. */
	if ((off >> 15 & 1) != q->avail_wrap)
		event = (uint16_t)(event - q->size);
	return is_passed(event, q->next_avail,
			 before > q->next_avail ? (uint16_t)(before - q->size)
						: before);
}

bool blk_queue_publish(struct blk_queue *q)
{
	if (q->packed)
		return q->has_first && publish_packed(q);
	return q->next_avail != q->published && publish_split(q);
}

static bool has_used(const struct blk_queue *q)
{
	uint16_t flags;

	if (!q->packed)
		return load(&q->device[RING_IDX]) != q->next_used;
	flags = load(&q->desc[q->next_used].next);
	return !!(flags & DESC_AVAIL) == q->used_wrap &&
	       !!(flags & DESC_USED) == q->used_wrap;
}

static int take_split(struct blk_queue *q, uint16_t *slot, uint32_t *len)
{
	const uint16_t at = q->next_used & (q->size - 1);
	uint32_t used[2];

	memcpy(used, &q->device[RING_ENTRIES + USED_WORDS * at], sizeof(used));
	q->next_used++;
	if (!q->indirect && used[0] % BLK_QUEUE_PARTS)
		return -EPROTO;
	used[0] /= q->indirect ? 1 : BLK_QUEUE_PARTS;
	if (used[0] >= q->slots)
		return -EPROTO;
	*slot = (uint16_t)used[0];
	*len = used[1];
	return 0;
}

static int take_packed(struct blk_queue *q, uint16_t *slot, uint32_t *len)
{
	const struct blk_desc *at = &q->desc[q->next_used];
	const uint16_t id = __atomic_load_n(&at->flags, __ATOMIC_RELAXED);

	if (id >= q->slots)
		return -EPROTO;
	*slot = id;
	*len = at->len;
	q->next_used = (uint16_t)(q->next_used + q->parts[id]);
	if (q->next_used >= q->size) {
		q->next_used = (uint16_t)(q->next_used - q->size);
		q->used_wrap = !q->used_wrap;
	}
	return 0;
}

int blk_queue_take(struct blk_queue *q, uint16_t *slot, uint32_t *len)
{
	if (!has_used(q))
		return -EAGAIN;
	return q->packed ? take_packed(q, slot, len) : take_split(q, slot, len);
}

bool blk_queue_arm(struct blk_queue *q)
{
	if (q->packed && q->event_idx) {
		store(&q->driver[EVENT_OFF],
		      (uint16_t)(q->next_used | q->used_wrap << 15));
		store(&q->driver[EVENT_FLAGS], EVENT_DESC);
	} else if (q->packed) {
		store(&q->driver[EVENT_FLAGS], EVENT_ENABLE);
	} else if (q->event_idx) {
		store(&q->driver[RING_ENTRIES + q->size], q->next_used);
	} else {
		store(&q->driver[RING_FLAGS], 0);
	}
	full_fence();
	return has_used(q);
}

void blk_queue_disarm(struct blk_queue *q)
{
	if (q->packed)
		store(&q->driver[EVENT_FLAGS], EVENT_DISABLE);
	else if (q->event_idx)
		/* As far behind as can be: not reached before the next arm. */
		store(&q->driver[RING_ENTRIES + q->size],
		      (uint16_t)(q->next_used - 1));
	else
		store(&q->driver[RING_FLAGS], RING_NO_NOTIFY);
}
