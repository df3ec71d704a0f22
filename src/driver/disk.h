/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * disk.h - one virtio block device and what is done to it
 *
 * In order of use:
 *   disk_open()             whose registers, whose memory
 *   disk_start()            initialise; again after a reset
 *   disk_write_round()      hand over a round's writes, several at a time
 *   disk_finish()           until all are answered
 *   disk_flush(), disk_read_round(), disk_compare_round()
 * Several disks may each have a round in flight. Whatever goes wrong ends the
 * guest with a line that names the disk.
 */
#ifndef RINGFENCE_DRIVER_DISK_H
#define RINGFENCE_DRIVER_DISK_H

#include "driver/features.h"
#include "driver/guest.h"
#include "driver/transport.h"
#include "driver/plan.h"
#include "driver/queue.h"

#define DISK_REQUESTS_MAX 32u
#define DISK_RANGES_MAX 2u
#define DISK_ID_BYTES 20u

struct disk_range {
	uint64_t sector;
	uint32_t nr_sectors;
	uint32_t flags;
};
_Static_assert(sizeof(struct disk_range) == 16, "virtio 1.2, 5.2.6");

struct disk_header {
	uint32_t type;
	uint32_t reserved;
	uint64_t sector;
};
_Static_assert(sizeof(struct disk_header) == 16, "virtio 1.2, 5.2.6");

/* What the device reads and writes of a request. */
struct disk_slot {
	union queue_desc table[QUEUE_CHAIN_MAX] __attribute__((aligned(16)));
	struct disk_header header;
	struct disk_range ranges[DISK_RANGES_MAX];
	uint8_t status; /* the device's answer */
	uint8_t padding[15];
};

/* All that a disk's process may reach, or should. */
struct disk_memory {
	struct queue_memory queues[GUEST_QUEUES_MAX];
	struct disk_slot slots[DISK_REQUESTS_MAX];
	uint32_t words[2][PLAN_SECTORS_MAX * PLAN_SECTOR_WORDS];
};

/* What we go by. */
struct disk_request {
	struct queue_piece pieces[QUEUE_CHAIN_MAX];
	uint32_t nr_out;
	uint32_t nr_in;
	uint32_t type;
	uint64_t sector;
	uint16_t queue;
	uint8_t want_status;
	bool may_fail; /* refusing it is fine as well */
	bool indirect;
	bool busy;
	uint32_t want_len; /* bytes the device says it wrote; 0: any */
	uint32_t max_len;
};

/* From configuration space; 0 where the feature was not taken. */
struct disk_limits {
	uint32_t size_max;
	uint32_t seg_max;
	uint32_t discard_sectors;
	uint32_t discard_ranges;
	uint32_t zeroes_sectors;
	bool zeroes_unmap;
};

struct disk {
	struct queue queues[GUEST_QUEUES_MAX];
	struct disk_request requests[DISK_REQUESTS_MAX];
	struct disk_memory *mem;
	struct transport transport;
	const struct guest_options *options;
	char name[8];
	uint32_t index;
	uint32_t irq;
	bool by_irq; /* else by looking at the used ring */
	uint64_t features;
	uint64_t capacity; /* sectors */
	struct disk_limits limits;
	uint16_t nr_queues;
	uint16_t turn; /* the queue of the next request */
	uint32_t nr_busy;
	uint32_t nr_requests; /* ever */
	uint32_t nr_round;    /* in this round */
	uint32_t round_bytes;
	uint32_t irqs; /* counted by the handler */
	uint32_t irqs_seen;
	uint32_t config_changes; /* counted by the handler */
	uint32_t config_changes_seen;
	uint32_t compared_bytes;
	uint32_t *written; /* PLAN_SECTORS_MAX sectors each */
	uint32_t *found;
};

/* `disk` is zeroed; takes the device of `dev`, which is a disk. */
void disk_open(struct disk *disk, uint32_t index,
	       const struct guest_device *dev,
	       const struct guest_options *options);
/* From reset to DRIVER_OK. */
void disk_start(struct disk *disk);
void disk_say(const struct disk *disk);
bool disk_has(const struct disk *disk, uint64_t feature);

/* A queue that was never in use, or was reset. */
void disk_queue_start(struct disk *disk, uint16_t index);

/* checks.c: what it must do, and what it must not */
void disk_say_id(struct disk *disk);
void disk_check_refusals(struct disk *disk);
void disk_check_cache(struct disk *disk);
void disk_check_zeroes(struct disk *disk);
void disk_check_discard(struct disk *disk);
/* Where RING_RESET was agreed: a queue is taken away from under its requests,
 * and nothing gets lost. */
void disk_check_queue_reset(struct disk *disk);
/* It is reset under its reads, and started anew; what it reads into our memory
 * once it said that the reset is over is found. */
void disk_check_reset(struct disk *disk, uint32_t round);
/* A round was written: its biggest extent, read in as many pieces as can be. */
void disk_check_pieces(struct disk *disk, uint32_t round);

/* rounds.c */
void disk_write_round(struct disk *disk, uint32_t round);
void disk_flush(struct disk *disk);
void disk_read_round(struct disk *disk, uint32_t round);
void disk_compare_round(struct disk *disk, uint32_t round);

/* A read-only disk has no pattern of ours: what the last two disk_read_round()
 * found must be the same. disk_keep() puts the first one aside. */
void disk_keep(struct disk *disk);
void disk_compare_kept(struct disk *disk, uint32_t round);

/* request.c: all that was handed over is answered. */
void disk_finish(struct disk *disk);
/* Take a queue away from under its requests, set it up anew, and hand over
 * again what was not answered. */
void disk_reset_queue(struct disk *disk, uint16_t index);

/* Notify writes with nothing in the queue. */
void disk_ring(struct disk *disk, uint32_t writes);

/* Break the rules of the ring: see the device ask for its reset, do that. */
void disk_lie(struct disk *disk);

#endif
