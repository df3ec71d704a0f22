/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * queue.h - the driver's side of a virtqueue, split or packed
 *           (virtio 1.2, 2.7 and 2.8)
 *
 * In order of use:
 *   queue_init()              empty, its memory ready for the transport
 *   queue_add()               a chain, then queue_must_notify()
 *   queue_arm()               before sleeping, then queue_has_used()
 *   queue_take()              what the device gave back
 *
 * What both sides share is in struct queue_memory, and the device is not
 * believed: what we go by is in struct queue.
 */
#ifndef RINGFENCE_DRIVER_QUEUE_H
#define RINGFENCE_DRIVER_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define QUEUE_SIZE_MAX 64u
#define QUEUE_SIZE_MIN 8u /* the longest direct chain of an ordinary request */
#define QUEUE_CHAIN_MAX QUEUE_SIZE_MAX

enum {
	QUEUE_DESC_NEXT_BIT = 1,
	QUEUE_DESC_WRITE_BIT = 2,
	QUEUE_DESC_INDIRECT_BIT = 4,
	QUEUE_DESC_AVAIL_BIT = 1 << 7, /* these two: packed alone */
	QUEUE_DESC_USED_BIT = 1 << 15,
};

/* The last two fields mean something else in each format. */
union queue_desc {
	struct {
		uint64_t addr;
		uint32_t len;
	};
	struct {
		uint64_t addr;
		uint32_t len;
		uint16_t flags;
		uint16_t next;
	} split;
	struct {
		uint64_t addr;
		uint32_t len;
		uint16_t id;
		uint16_t flags;
	} packed;
};
_Static_assert(sizeof(union queue_desc) == 16, "virtio 1.2, 2.7.5, 2.8.13");

/* used_event, and avail_event below, follow the last ring entry in use, so
 * they stand here for the largest ring only; ring_split.c finds them by size. */
struct queue_avail {
	uint16_t flags;
	uint16_t idx;
	uint16_t ring[QUEUE_SIZE_MAX];
	uint16_t used_event;
};
_Static_assert(sizeof(struct queue_avail) == 6 + 2 * QUEUE_SIZE_MAX,
	       "virtio 1.2, 2.7.6");

struct queue_used_elem {
	uint32_t id;
	uint32_t len;
};

struct queue_used {
	uint16_t flags;
	uint16_t idx;
	struct queue_used_elem ring[QUEUE_SIZE_MAX];
	uint16_t avail_event;
	uint16_t padding;
};
_Static_assert(sizeof(struct queue_used) == 8 + 8 * QUEUE_SIZE_MAX,
	       "virtio 1.2, 2.7.8");

struct queue_memory {
	union queue_desc ring[QUEUE_SIZE_MAX] __attribute__((aligned(16)));
	union {
		struct queue_avail avail;
		uint32_t driver_event;
	} __attribute__((aligned(4)));
	union {
		struct queue_used used;
		uint32_t device_event;
	} __attribute__((aligned(4)));
};

struct queue_format {
	bool packed;
	bool event_idx;
	bool in_order;
};

struct queue {
	struct queue_memory *mem;
	struct queue_format format;
	uint16_t size;
	uint16_t nr_free; /* descriptors */
	/* Split: free-running indices. Packed: places in the ring. */
	uint16_t next_avail;
	uint16_t next_used;
	bool avail_wrap;
	bool used_wrap;
	uint16_t nr_added; /* since queue_must_notify() was asked */
	/* By head (split) or id (packed). */
	uint16_t token[QUEUE_SIZE_MAX]; /* QUEUE_NO_TOKEN: not out */
	uint16_t nr_desc[QUEUE_SIZE_MAX];
	/* Free heads or ids, first in, first out; the members of a chain. */
	uint16_t next[QUEUE_SIZE_MAX];
	uint16_t first_free;
	uint16_t last_free;
	uint16_t nr_links; /* in that list */
	/* In-order: what is out, oldest first, and how much of it the device
	 * has given back that we have not taken. */
	uint16_t order[QUEUE_SIZE_MAX];
	uint16_t order_first;
	uint16_t nr_order;
	uint16_t batch;
	uint32_t batch_len;
};

#define QUEUE_NO_TOKEN 0xffffu

struct queue_piece {
	uint64_t gpa;
	uint32_t len;
};

/* Forget everything; `size` is a power of two up to QUEUE_SIZE_MAX. */
void queue_init(struct queue *q, struct queue_memory *mem, uint16_t size,
		const struct queue_format *format);

/* Hand over a chain: nr_out pieces for the device to read, then nr_in to
 * write; together at most QUEUE_CHAIN_MAX. `table`, if not NULL, holds them and
 * the ring only points to it, at table_gpa. False: no room now. */
bool queue_add(struct queue *q, const struct queue_piece *pieces,
	       uint32_t nr_out, uint32_t nr_in, union queue_desc *table,
	       uint64_t table_gpa, uint16_t token);

/* Hand over what no driver may: split, a head that does not exist; packed, an
 * indirect table that is no whole number of descriptors. */
void queue_add_lie(struct queue *q);

/* Does the device want to be told of what was added since this was asked? */
bool queue_must_notify(struct queue *q);

/* NOTIFICATION_DATA: bits 16-31 of what is written (virtio 1.2, 2.9). */
uint16_t queue_next_avail(const struct queue *q);

/* Ask for an interrupt with the next used buffer, or for none. One that came
 * before the asking brings none: look again with queue_has_used(). */
void queue_arm(struct queue *q);
void queue_disarm(struct queue *q);

bool queue_has_used(const struct queue *q);

struct queue_taken {
	uint32_t id; /* head or buffer id */
	uint16_t token;
	bool has_len; /* else the device skipped it, as in-order allows */
	uint32_t len;
};

enum queue_take {
	QUEUE_TAKE_NONE,
	QUEUE_TAKE_ONE,
	QUEUE_TAKE_UNKNOWN,	 /* the device gave back what it has not got */
	QUEUE_TAKE_OUT_OF_ORDER, /* in-order was agreed, and this is not */
};

/* id is set unless there is nothing, the rest with QUEUE_TAKE_ONE. */
enum queue_take queue_take(struct queue *q, struct queue_taken *out);

#endif
