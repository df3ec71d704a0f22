/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * disk.h - one virtio block device and what is done to it
 *
 * In order of use:
 *   disk_start()            initialise; again after a reset
 *   disk_write_round()      hand over a round's writes, several at a time
 *   disk_finish()           until all are answered
 *   disk_flush(), disk_read_round(), disk_compare_round()
 * Several disks may each have a round in flight. Whatever goes wrong ends the
 * guest with a line that names the disk.
 */
#ifndef GUEST_DISK_H
#define GUEST_DISK_H

#include "guest.h"
#include "mmio.h"
#include "plan.h"
#include "queue.h"

#define DISK_REQUESTS_MAX 32u
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

struct disk_request {
	struct queue_desc table[QUEUE_CHAIN_MAX] __attribute__((aligned(16)));
	struct disk_header header;
	struct disk_range range;
	uint8_t status; /* the device's answer */
	uint8_t want_status;
	bool busy;
	uint32_t want_len; /* bytes the device says it wrote; 0: any */
	uint32_t max_len;
};

struct disk {
	struct queue queue;
	struct disk_request requests[DISK_REQUESTS_MAX];
	struct mmio mmio;
	char name[8];
	uint32_t index;
	uint32_t irq;
	bool by_irq; /* else by looking at the used ring */
	uint64_t features;
	uint64_t capacity; /* sectors */
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
	       const struct guest_device *dev, bool by_irq, uint32_t timeout_s);
/* From reset to DRIVER_OK. */
void disk_start(struct disk *disk);
bool disk_is_read_only(const struct disk *disk);

void disk_say_id(struct disk *disk);

/* What it must not do, it must refuse. */
void disk_check_refusals(struct disk *disk);

/* Where WRITE_ZEROES is offered: zeroes reach a sector that held others. */
void disk_check_zeroes(struct disk *disk);

void disk_write_round(struct disk *disk, uint32_t round);
void disk_flush(struct disk *disk);
void disk_read_round(struct disk *disk, uint32_t round);
void disk_finish(struct disk *disk);
void disk_compare_round(struct disk *disk, uint32_t round);

/* A read-only disk has no pattern of ours: what the last two disk_read_round()
 * found must be the same. disk_keep() puts the first one aside. */
void disk_keep(struct disk *disk);
void disk_compare_kept(struct disk *disk, uint32_t round);

/* Notify writes with nothing in the queue. */
void disk_ring(struct disk *disk, uint32_t writes);

/* A chain that begins nowhere: see the device ask for its reset, do that. */
void disk_lie(struct disk *disk);

/* The interrupt handler; ctx is the disk. */
void disk_interrupt(void *ctx);

#endif
