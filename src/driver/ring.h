/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * ring.h - what ring_split.c and ring_packed.c each do for queue.c
 *
 * Never: is used by anybody but queue.c.
 */
#ifndef RINGFENCE_DRIVER_RING_H
#define RINGFENCE_DRIVER_RING_H

#include "driver/queue.h"

struct ring_chain {
	const struct queue_piece *pieces;
	uint32_t nr_out;
	uint32_t nr;
	uint16_t flags; /* of each piece, beside WRITE and NEXT */
};

struct ring_used {
	uint32_t id;
	uint32_t len;
};

/* queue.c, for both: the next free head or id, out of nr_free. */
uint16_t ring_pop_free(struct queue *q);

/* Shared fields are read and written through these alone, each once. What is
 * handed over is stored, and the other side's wish loaded, sequentially
 * consistent: each side stores, then loads what the other stores (virtio 1.2,
 * 2.7.13.4.1, 2.8.21.3.1); on this processor that costs one locked exchange. */
static inline uint16_t ring_load16(const uint16_t *p)
{
	return __atomic_load_n(p, __ATOMIC_SEQ_CST);
}

static inline void ring_store16(uint16_t *p, uint16_t value)
{
	__atomic_store_n(p, value, __ATOMIC_SEQ_CST);
}

/* Returns the head or id of the chain, which is published. */
uint16_t ring_split_add(struct queue *q, const struct ring_chain *chain);
uint16_t ring_packed_add(struct queue *q, const struct ring_chain *chain);

/* An indirect table of `nr` pieces. */
void ring_split_fill_table(union queue_desc *table,
			   const struct ring_chain *chain);
void ring_packed_fill_table(union queue_desc *table,
			    const struct ring_chain *chain);

void ring_split_add_lie(struct queue *q);
void ring_packed_add_lie(struct queue *q);
bool ring_split_must_notify(const struct queue *q);
bool ring_packed_must_notify(const struct queue *q);
void ring_split_arm(struct queue *q);
void ring_packed_arm(struct queue *q);
void ring_split_disarm(struct queue *q);
void ring_packed_disarm(struct queue *q);
bool ring_split_has_used(const struct queue *q);
bool ring_packed_has_used(const struct queue *q);

/* The entry at next_used; there is one. */
struct ring_used ring_split_peek(const struct queue *q);
struct ring_used ring_packed_peek(const struct queue *q);

/* Could the device have given back `nr` buffers at once, by telling of the last
 * one alone? */
bool ring_split_may_skip(const struct queue *q, uint16_t nr);

/* Step over a buffer of `nr_desc` descriptors. */
void ring_split_advance(struct queue *q);
void ring_packed_advance(struct queue *q, uint16_t nr_desc);

#endif
