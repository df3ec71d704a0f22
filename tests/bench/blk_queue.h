/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * blk_queue.h - the driver's half of a virtqueue of three-part requests
 *
 * Split or packed; with event index or without; each request as a table of its
 * own (indirect) or as three descriptors in the ring. A request is named by its
 * slot: slot n uses the n-th table, or descriptors 3n to 3n + 2. In order:
 *   blk_queue_init()
 *   blk_queue_offer()     as many as there are
 *   blk_queue_publish()   show them; says whether the device wants a kick
 *   blk_queue_take()      what is done, until there is nothing
 *   blk_queue_arm()       before sleeping; says whether something came after all
 *   blk_queue_disarm()    after it
 */
#ifndef TESTS_BENCH_BLK_QUEUE_H
#define TESTS_BENCH_BLK_QUEUE_H

#include <ringfence/base.h>

#define BLK_QUEUE_PARTS 3u
#define BLK_QUEUE_SIZE_MAX 1024u

/* The three parts: guest addresses and lengths. */
struct blk_queue_request {
	uint64_t header;
	uint64_t data;
	uint64_t status;
	uint32_t header_bytes;
	uint32_t data_bytes; /* 0: there is no second part */
	bool device_writes;  /* the data part */
};

struct blk_desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags; /* packed: the id comes first */
	uint16_t next;
};

struct blk_queue {
	bool packed;
	bool event_idx;
	bool indirect;
	uint16_t size;
	uint16_t slots; /* requests that fit */
	/* Memory, and where the device finds it. */
	struct blk_desc *desc;
	uint16_t *driver;	 /* available ring, or event structure */
	uint16_t *device;	 /* used ring, or event structure */
	struct blk_desc *tables; /* BLK_QUEUE_PARTS for each slot */
	uint64_t desc_gpa;
	uint64_t driver_gpa;
	uint64_t device_gpa;
	uint64_t tables_gpa;
	/* Ours. */
	uint16_t next_avail;
	uint16_t published; /* next_avail at the last publish */
	uint16_t next_used;
	bool avail_wrap;
	bool used_wrap;
	/* Packed: the first descriptor of what is offered is made valid last. */
	uint16_t first;
	uint16_t first_flags;
	bool has_first;
	uint8_t parts[BLK_QUEUE_SIZE_MAX]; /* ring entries of each slot */
};

/* Bytes of memory that a queue needs, page aligned. */
uint64_t blk_queue_bytes(uint16_t size);

/* Lay it out in zeroed memory at `gpa`, seen by us at `memory`. Set packed,
 * event_idx and indirect before. */
void blk_queue_init(struct blk_queue *q, uint16_t size, void *memory,
		    uint64_t gpa);

/* The slot must be free; false: no room in the ring (not with indirect). */
void blk_queue_offer(struct blk_queue *q, uint16_t slot,
		     const struct blk_queue_request *rq);
bool blk_queue_publish(struct blk_queue *q);

/* The next one done. -EAGAIN: none. -EPROTO: what the device says was done is
 * none of ours. */
RF_MUST_CHECK int blk_queue_take(struct blk_queue *q, uint16_t *slot,
				 uint32_t *len);
bool blk_queue_arm(struct blk_queue *q);
void blk_queue_disarm(struct blk_queue *q);

#endif
