/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * virtqueue.h - one split virtqueue, the runtime's half
 *
 * In order of use:
 *   virtqueue_init()     once, when the process starts
 *   virtqueue_start()    the driver made a queue
 *   virtqueue_begin()    before each call of the device's queue handler,
 *   virtqueue_end()      and after it: is an interrupt due?
 *   virtqueue_stop()     the front-end wants it back, or a reset
 * Between begin and end the device calls rf_virtqueue_pop() and _push().
 */
#ifndef DEVICE_VIRTQUEUE_H
#define DEVICE_VIRTQUEUE_H

#include <ringfence/device.h>

#include "device/chain.h"
#include "device/guestmem.h"

/* virtio 1.2, 2.7.6 and 2.7.8; the ring follows the two fields, and one more
 * 16-bit field, used_event or avail_event, follows the ring. */
struct virtqueue_avail {
	uint16_t flags_le;
	uint16_t idx_le;
	uint16_t ring_le[];
};

struct virtqueue_used_elem {
	uint32_t id_le;
	uint32_t len_le;
};
static_assert(sizeof(struct virtqueue_used_elem) == 8, "virtio 1.2, 2.7.8");

struct virtqueue_used {
	uint16_t flags_le;
	uint16_t idx_le;
	struct virtqueue_used_elem ring[];
};

struct rf_virtqueue {
	/* For the life of the process. */
	const struct guestmem *mem;
	struct iovec *iov; /* RF_CHAIN_IOV_MAX of them */
	uint16_t index;

	/* Between start and stop. */
	bool running;
	bool broken; /* the driver lied: nothing until the next start */
	bool event_idx;
	bool indirect;
	uint16_t size; /* descriptors; a power of two */
	const struct chain_desc *desc;
	struct virtqueue_avail *avail;
	struct virtqueue_used *used;

	/* Ours alone; the guest's copies are never read back. */
	uint16_t next_avail;   /* the next entry of the available ring */
	uint16_t next_used;    /* the next entry of the used ring */
	uint16_t decided_used; /* next_used at the last interrupt decision */
	bool decided;	       /* there was one */
	bool armed;	       /* the driver was asked to notify */
	uint32_t nr_inflight;  /* popped and not yet pushed */

	/* Between begin and end. */
	uint32_t budget; /* chains this pass may still take */
	uint32_t nr_served;

	const char *why; /* after -EPROTO: the lie, a static clause */
};

struct virtqueue_layout {
	uint64_t desc_user_addr;
	uint64_t avail_user_addr;
	uint64_t used_user_addr;
	uint16_t size;
};

/* Everything is borrowed for the life of the process. */
void virtqueue_init(struct rf_virtqueue *vq, uint16_t index,
		    const struct guestmem *mem, struct iovec *iov);

/* Start with `base` as the next available index. -EINVAL: size no power of
 * two, or a ring part not within one region or not aligned. */
RF_MUST_CHECK int virtqueue_start(struct rf_virtqueue *vq,
				  const struct virtqueue_layout *layout,
				  uint16_t base, bool event_idx, bool indirect);

/* Find the rings again after guest memory was mapped anew. Same errors. */
RF_MUST_CHECK int virtqueue_remap(struct rf_virtqueue *vq,
				  const struct virtqueue_layout *layout);

/* Returns the next available index. */
uint16_t virtqueue_stop(struct rf_virtqueue *vq);

/* Chains that one pass serves at most, so that the control socket is never
 * kept waiting by a guest that adds as fast as we take. */
#define VIRTQUEUE_PASS_MAX 64u

void virtqueue_begin(struct rf_virtqueue *vq);

/* True: the driver wants an interrupt for what was pushed since the last
 * decision. */
RF_MUST_CHECK bool virtqueue_end(struct rf_virtqueue *vq);

/* The pass ended because its share was used up: there may be more. */
bool virtqueue_is_unfinished(const struct rf_virtqueue *vq);

#endif
