/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * blk.h - the state of a block device process, shared by the files of this room
 *
 *   main.c          the program: everything before and around the fence
 *   options.c       its arguments
 *   image.c         what the image is and what it asks for, before the fence
 *   config.c        features and config space
 *   queue.c         takes from the queues: turns, room, limits
 *   request.c       one request from its chain to its status
 *   ranges.c        of them discard and write zeroes
 *   bounce.c        of them what O_DIRECT cannot do in the guest's own memory
 *   sync.c          flushes, many at a time
 *   engine_sync.c   how a step is done: in a system call of its own,
 *   engine_uring.c  or there where it cannot block, else through io_uring
 *   map.c           of that, reads of pages known to be there: no call at all
 *
 * A request is a series of steps, each one call upon the image. The engine
 * does a step at once or later; request.c decides on the next. One thread does
 * everything, nothing is allocated once the program runs.
 */
#ifndef BLK_BLK_H
#define BLK_BLK_H

#include <ringfence/bucket.h>
#include <ringfence/device.h>
#include <ringfence/fence.h>
#include <ringfence/log.h>

#include "wire.h"

#define BLK_QUEUE_SIZE 256u
#define BLK_QUEUES_MAX 8u

/* Told to the driver; a request of more bytes than these two allow together is
 * refused, for it would keep the loop busy for long. */
#define BLK_SEG_MAX (BLK_QUEUE_SIZE - 2) /* less header and status */
#define BLK_SIZE_MAX (1u << 18)
#define BLK_REQUEST_BYTES_MAX ((uint64_t)BLK_SEG_MAX * BLK_SIZE_MAX)

/* A pass ends with the request that makes it so many: a fraction of a millisecond
 * from the page cache. The largest request alone is more, and goes alone. */
#define BLK_PASS_BYTES (UINT64_C(1) << 20)

/* Zeroes may have to be written: 16 MiB, while a discard is quick. */
#define BLK_DISCARD_SEGMENTS 16u
#define BLK_DISCARD_SECTORS (1u << 22)
#define BLK_ZEROES_SEGMENTS 1u
#define BLK_ZEROES_SECTORS (1u << 15)
static_assert(BLK_ZEROES_SEGMENTS <= BLK_DISCARD_SEGMENTS,
	      "one array for both");

/* Requests that can be under way at a time. */
#define BLK_SLOTS 256u
#define BLK_FEW_IOV 8u

/* What image.c found out. */
struct blk_image {
	uint64_t nr_sectors;
	uint32_t block_bytes;  /* O_DIRECT: of offsets and lengths, else 512 */
	uint32_t memory_align; /* O_DIRECT: of buffers, else 1 */
	uint32_t physical_bytes; /* what the backing writes in one piece */
	bool is_direct;
	bool read_only;
};

enum blk_step {
	BLK_READ,
	BLK_WRITE,
	BLK_PUNCH,
	BLK_ZERO,
};

struct blk_range {
	uint64_t start; /* bytes */
	uint64_t bytes;
	bool unmap;
};

struct blk_request {
	struct blk_request *next; /* free, or waiting for a flush */
	struct rf_virtqueue *vq;
	uint8_t *status; /* in guest memory */
	uint32_t type;
	uint16_t head;
	uint64_t in_bytes; /* writable, before the status */
	uint64_t in_done;  /* of them written, from the first on */

	/* Where on the image, and how much of it is done. */
	uint64_t start;
	uint64_t bytes;
	uint64_t done;
	/* The guest's buffers for what is not done yet. */
	struct iovec *iov;
	uint32_t nr_iov;

	/* The step that is to be done or under way. */
	enum blk_step step;
	const struct iovec *step_iov;
	uint32_t step_nr_iov;
	uint64_t step_start;
	uint64_t step_bytes;

	/* ranges.c */
	uint32_t nr_ranges;
	uint32_t range_at;
	/* bounce.c */
	uint8_t *bounce;
	struct iovec bounce_iov;

	struct iovec few[BLK_FEW_IOV];
};

/* What a request needs in room if it is not a common one. Touched only then. */
union blk_area {
	struct iovec iov[RF_CHAIN_IOV_MAX];
	struct blk_range ranges[BLK_DISCARD_SEGMENTS];
};

struct blk_group {
	struct blk_request *first;
	struct blk_request **last; /* NULL: empty */
};

struct blk;

/* What a step results in: bytes or 0, -errno, or that it is under way. */
#define BLK_UNDER_WAY INT64_MIN

struct blk_engine {
	const char *name;
	/* Do the step of a request; if under way, blk_request_continue() gets
	 * the result. */
	int64_t (*start)(struct blk *blk, struct blk_request *rq);
	/* fdatasync; if under way, blk_sync_done() gets the result. */
	int64_t (*sync)(struct blk *blk);
	/* Wait until nothing is under way. NULL: nothing ever is. */
	void (*drain)(struct blk *blk);
};

struct blk {
	struct rf_device *dev;
	struct rf_report *report;
	struct blk_image image;
	const struct blk_engine *engine;

	/* config.c */
	struct blk_config config;
	uint64_t features; /* negotiated */
	uint64_t offered;
	uint16_t nr_queues;
	bool write_through;	   /* the driver will not flush */
	char serial[SERIAL_BYTES]; /* NUL-padded, not terminated if full */

	/* queue.c */
	const struct rf_limits *limits;
	struct rf_limiter limiter;
	uint32_t waiting; /* queues that were not emptied */
	uint16_t turn;	  /* the one that may go before them */
	uint32_t next_turn;
	bool is_out_of_room;
	uint64_t pass_bytes; /* what this pass has begun of this queue */

	/* sync.c */
	struct blk_group sync_waiting;
	struct blk_group sync_current;
	bool sync_under_way;
	bool sync_failed;

	/* Free slots, the last used first, so that few pages are touched. */
	struct blk_request *free_slots;
	uint32_t nr_slots_touched;
};

/* image.c: judge the image behind RF_FD_BACKING. `direct`: it must have been
 * opened with O_DIRECT. The cause of a failure is logged. */
RF_MUST_CHECK int blk_image_measure(struct blk_image *image, bool read_only,
				    bool direct);

/* config.c */
void blk_config_init(struct blk *blk);
void blk_config_read(void *state, uint32_t offset, void *buf, uint32_t len);
int blk_config_write(void *state, uint32_t offset, const void *buf,
		     uint32_t len);
void blk_set_features(void *state, uint64_t features);
void blk_config_reset(struct blk *blk);

/* queue.c: the runtime's callbacks. */
int blk_queue(void *state, struct rf_virtqueue *vq);
void blk_timer(void *state);
void blk_reset(void *state);
/* There is room again: let a queue that waits for it go on. */
void blk_queue_wake(struct blk *blk);

/* request.c: begin a request. There must be room for it. -EPROTO: the chain is
 * no request. */
bool blk_request_has_room(const struct blk *blk);
RF_MUST_CHECK int blk_request_begin(struct blk *blk, struct rf_virtqueue *vq,
				    const struct rf_chain *chain);
void blk_request_continue(struct blk *blk, struct blk_request *rq,
			  int64_t result);
/* The last thing that happens to a request: its status, and back to the
 * driver. */
void blk_request_finish(struct blk *blk, struct blk_request *rq,
			uint8_t status);
/* Changed the image and is done with that: to be stable first? */
void blk_request_settle(struct blk *blk, struct blk_request *rq);
/* Its place beside the others; see union blk_area. */
union blk_area *blk_request_area(const struct blk_request *rq);
bool blk_is_in_range(const struct blk *blk, uint64_t sector,
		     uint64_t nr_sectors);
/* Lines that a guest can bring about, all of one budget. */
extern struct rf_log_limit blk_log_limit;

/* What the beginning of a request gives beside its status: the first step is
 * prepared; somebody else will finish it. */
#define BLK_GO 0xffu
#define BLK_HANDED_ON 0xfeu

/* ranges.c: advance: is there another step? If not, the request is handed
 * on. */
uint8_t blk_ranges_begin(struct blk *blk, struct blk_request *rq,
			 const struct rf_chain *chain, uint64_t out_bytes);
bool blk_ranges_advance(struct blk *blk, struct blk_request *rq,
			int64_t result);

/* bounce.c */
bool blk_bounce_has_room(const struct blk *blk);
/* Must this request go through a buffer of ours? */
bool blk_bounce_is_needed(const struct blk *blk, const struct blk_request *rq);
/* Prepare the next step of such a request. */
void blk_bounce_take(struct blk_request *rq);
void blk_bounce_prepare(struct blk *blk, struct blk_request *rq);
/* The step brought `result` > 0 bytes. -EIO: not enough to go on. */
RF_MUST_CHECK int blk_bounce_advance(struct blk *blk, struct blk_request *rq,
				     uint64_t result);
void blk_bounce_release(struct blk_request *rq);
/* Write what does not begin and end with a block, while nothing else is under
 * way: the guest's bytes, or zeroes if it asked for those. */
RF_MUST_CHECK int blk_bounce_patch(struct blk *blk, struct blk_request *rq);

/* sync.c */
void blk_sync_join(struct blk *blk, struct blk_request *rq);
void blk_sync_submit(struct blk *blk);
void blk_sync_done(struct blk *blk, int64_t result);
/* Make all that is complete stable, now. */
void blk_sync_all(struct blk *blk);

/* engine_sync.c */
extern const struct blk_engine blk_engine_sync;

/* engine_uring.c. Set up before the fence, at RF_FD_URING. It keeps `lifeline`
 * open (borrowed; -1: none) until its last request is over, also when the
 * process is gone. -errno: not to be had here; nothing is left open. */
extern const struct blk_engine blk_engine_uring;
RF_MUST_CHECK int blk_uring_init(bool direct, int lifeline);
void blk_uring_submit(void *state);
bool blk_uring_has_completions(void *state);
void blk_uring_complete(void *state);
void blk_uring_quiesce(void *state);

/* map.c. At most this much of an image is mapped; page tables and our own
 * knowledge of it take 1/512 and 1/32768 of that. */
#define BLK_MAP_MIB_MAX 65536u
#define BLK_MAP_MIB_DEFAULT 1024u

/* Map the first `mib` of the image, before the fence. 0 also where there is
 * nothing to map, or RLIMIT_AS is set; -errno: it cannot be, which is no
 * harm. */
RF_MUST_CHECK int blk_map_init(const struct blk_image *image, uint32_t mib);
/* A read with RWF_NOWAIT has found the whole step in the page cache. */
void blk_map_found(const struct blk_request *rq);
/* Do the step if it is known to be there. False: it is not done. */
bool blk_map_read(const struct blk_request *rq);

#endif
