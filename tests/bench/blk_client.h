/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * blk_client.h - a vhost-user front-end with a block driver in it
 *
 * In place of a virtual machine: guest memory, its rings and its driver in one
 * thread, so that any vhost-user-blk back-end can be measured or tested.
 *   blk_client_new()
 *   blk_client_submit()   into a free slot
 *   blk_client_flush()    show them to the back-end
 *   blk_client_reap()     what is done
 *   blk_client_wait()     until there is something
 *   blk_client_free()
 */
#ifndef TESTS_BENCH_BLK_CLIENT_H
#define TESTS_BENCH_BLK_CLIENT_H

#include <sys/types.h>

#include <ringfence/vhost_user.h>

#include "bench/blk_queue.h"

#define BLK_CLIENT_QUEUES_MAX 16u
#define BLK_CLIENT_SECTOR 512u

/* virtio 1.2, 5.2.6 */
enum blk_request_type {
	BLK_READ = 0,
	BLK_WRITE = 1,
	BLK_FLUSH = 4,
	BLK_GET_ID = 8,
};

struct blk_client_params {
	const char *path; /* of the back-end's socket */
	uint16_t nr_queues;
	uint16_t queue_size;  /* power of two */
	uint32_t block_bytes; /* largest data part, multiple of 512 */
	uint16_t depth;	      /* slots a queue */
	bool packed;	      /* these where the back-end offers them; */
	bool event_idx;	      /* -ENOTSUP where it does not */
	bool indirect;
	bool seal; /* SEAL, which is our own extension */
};

struct blk_client_slot {
	bool is_busy;
	enum blk_request_type type;
	uint64_t sector;
	uint32_t bytes;
	uint64_t ticks; /* when it was submitted */
	uint64_t tag;	/* the caller's */
};

struct blk_client {
	struct rf_frontend *fe;
	int sock;      /* the front-end's; borrowed */
	pid_t backend; /* who listens at the other end */
	uint64_t features;
	uint64_t nr_sectors;
	uint16_t nr_queues;
	uint16_t depth;
	uint32_t block_bytes;
	uint8_t *memory;
	uint64_t memory_bytes;
	int memory_fd;
	int epoll;
	int call;
	int kicks[BLK_CLIENT_QUEUES_MAX];
	struct blk_queue queues[BLK_CLIENT_QUEUES_MAX];
	struct blk_client_slot *slots; /* depth for each queue */
	uint32_t in_flight;
	uint64_t nr_kicks;
	uint64_t nr_sleeps;
};

/* Connect, negotiate, start the queues. -errno; `step` names what failed. */
RF_MUST_CHECK int blk_client_new(struct blk_client *c,
				 const struct blk_client_params *params,
				 const char **step);
/* Stop the queues and hang up; a half-made one as well. */
void blk_client_free(struct blk_client *c);

struct blk_client_slot *blk_client_slot(struct blk_client *c, uint16_t queue,
					uint16_t slot);
/* The data part, block_bytes of it. */
uint8_t *blk_client_data(struct blk_client *c, uint16_t queue, uint16_t slot);

void blk_client_submit(struct blk_client *c, uint16_t queue, uint16_t slot,
		       enum blk_request_type type, uint64_t sector,
		       uint32_t bytes);
RF_MUST_CHECK int blk_client_flush(struct blk_client *c, uint16_t queue);

/* One request that is done, no longer busy; its virtio status in *status.
 * -EAGAIN: none. -EPROTO: nonsense. */
RF_MUST_CHECK int blk_client_reap(struct blk_client *c, uint16_t queue,
				  uint16_t *slot, uint8_t *status);

/* Sleep until an interrupt. -EPIPE: the back-end has hung up. -ETIMEDOUT: not
 * a word for `ms`. */
RF_MUST_CHECK int blk_client_wait(struct blk_client *c, int ms);

/* One request from submit to its end, on queue 0, slot 0, nothing else being
 * under way; its status. */
RF_MUST_CHECK int blk_client_one(struct blk_client *c,
				 enum blk_request_type type, uint64_t sector,
				 uint32_t bytes, uint8_t *status);

#endif
