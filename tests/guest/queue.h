/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * queue.h - the driver's side of a split virtqueue (virtio 1.2, 2.7)
 *
 * In order of use:
 *   queue_init()              empty, addresses for the transport
 *   queue_add()               a chain, then queue_must_notify()
 *   queue_arm()               before sleeping, then queue_has_used()
 *   queue_take()              what the device gave back
 */
#ifndef GUEST_QUEUE_H
#define GUEST_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

#define QUEUE_SIZE_MAX 64u
#define QUEUE_SIZE_MIN 8u /* the longest direct chain, see disk.c */
#define QUEUE_CHAIN_MAX 8u

enum {
	QUEUE_DESC_NEXT_BIT = 1,
	QUEUE_DESC_WRITE_BIT = 2,
	QUEUE_DESC_INDIRECT_BIT = 4,
};

struct queue_desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags;
	uint16_t next;
};
_Static_assert(sizeof(struct queue_desc) == 16, "virtio 1.2, 2.7.5");

/* used_event, and avail_event below, follow the last ring entry in use, so
 * they stand here for the largest ring only; queue.c finds them by size. */
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

struct queue {
	struct queue_desc desc[QUEUE_SIZE_MAX] __attribute__((aligned(16)));
	struct queue_avail avail __attribute__((aligned(4)));
	struct queue_used used __attribute__((aligned(4)));
	/* The rest is ours alone. */
	uint16_t token[QUEUE_SIZE_MAX]; /* by head; QUEUE_NO_TOKEN: not out */
	uint16_t size;
	uint16_t nr_free;
	uint16_t first_free; /* linked by desc.next */
	uint16_t next_avail;
	uint16_t next_used;
	bool event_idx;
};

#define QUEUE_NO_TOKEN 0xffffu

struct queue_piece {
	const void *data;
	uint32_t len;
};

/* Forget everything; `size` is a power of two up to QUEUE_SIZE_MAX. */
void queue_init(struct queue *q, uint16_t size, bool event_idx);

/* Hand over a chain: nr_out pieces for the device to read, then nr_in to
 * write; together at most QUEUE_CHAIN_MAX. `table`, if not NULL, holds them and
 * the ring only points to it. False: no room now. */
bool queue_add(struct queue *q, const struct queue_piece *pieces,
	       uint32_t nr_out, uint32_t nr_in, struct queue_desc *table,
	       uint16_t token);

/* Hand over a head that does not exist. */
void queue_add_lie(struct queue *q);

/* Chains were added since `since` (a copy of next_avail): does the device want
 * to be told? */
bool queue_must_notify(const struct queue *q, uint16_t since);

/* Ask for an interrupt with the next used entry, or for none. An entry that
 * came before the asking brings none: look again with queue_has_used(). */
void queue_arm(struct queue *q);
void queue_disarm(struct queue *q);

bool queue_has_used(const struct queue *q);

enum queue_take { QUEUE_TAKE_NONE, QUEUE_TAKE_ONE, QUEUE_TAKE_UNKNOWN };

/* QUEUE_TAKE_UNKNOWN: the device gave back a head, in *head, that it has not
 * got. */
enum queue_take queue_take(struct queue *q, uint32_t *head, uint16_t *token,
			   uint32_t *len);

#endif
