/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * virtqueue.h - one virtqueue of either format, the runtime's half
 *
 * In order of use:
 *   virtqueue_init()     once, when the process starts
 *   virtqueue_start()    the driver made a queue
 *   virtqueue_begin()    before each call of the device's queue handler
 *   virtqueue_end()      at the end of a pass: is an interrupt due?
 *   virtqueue_arm()      before sleeping, and then virtqueue_has_work()
 *   virtqueue_stop()     the front-end wants it back, or a reset
 * The device calls rf_virtqueue_pop() within its queue handler and
 * rf_virtqueue_push() whenever it is done.
 *
 *   virtqueue.c   what the formats share: which chains are under way, order
 *   split.c       virtio 1.2, 2.7
 *   packed.c      virtio 1.2, 2.8
 */
#ifndef DEVICE_VIRTQUEUE_H
#define DEVICE_VIRTQUEUE_H

#include <ringfence/device.h>

#include "device/chain.h"
#include "device/guestmem.h"

/* virtio 1.2, 6: the features that change how a queue is served. */
#define VIRTQUEUE_F_INDIRECT_DESC (UINT64_C(1) << 28)
#define VIRTQUEUE_F_EVENT_IDX (UINT64_C(1) << 29)
#define VIRTQUEUE_F_RING_PACKED (UINT64_C(1) << 34)
#define VIRTQUEUE_F_IN_ORDER (UINT64_C(1) << 35)

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

/* virtio 1.2, 2.8.13 */
struct virtqueue_packed_desc {
	uint64_t addr_le;
	uint32_t len_le;
	uint16_t id_le;
	uint16_t flags_le;
};
static_assert(sizeof(struct virtqueue_packed_desc) == 16, "virtio 1.2, 2.8.13");

/* A place in a packed ring. */
struct virtqueue_place {
	uint16_t index; /* below the size */
	bool wrap;	/* 2.8.1 */
};

/* A chain that was popped and is not in the used ring yet, by its head (split)
 * or buffer id (packed). Ours alone. */
struct virtqueue_slot {
	uint32_t written_bytes; /* where `done`: held back for its turn */
	uint16_t nr_descs;	/* it takes in the ring; 0: not under way */
	uint16_t order;		/* IN_ORDER: the n-th popped, n mod size */
	bool done;
};

struct rf_virtqueue {
	/* For the life of the process. */
	const struct guestmem *mem;
	struct iovec *iov; /* RF_CHAIN_IOV_MAX of them */
	struct virtqueue_slot *slots;
	uint16_t slots_max;
	uint16_t index;

	/* Between start and stop. */
	bool running;
	bool broken; /* the driver lied: nothing until the next start */
	bool packed;
	bool event_idx;
	bool indirect;
	bool in_order;
	bool decided;  /* there was an interrupt decision */
	bool armed;    /* the driver was asked to notify */
	bool dry;      /* the last pop found nothing */
	bool held;     /* the device left chains there and wants to be rung */
	uint16_t size; /* descriptors; of a split one a power of two */

	union {
		struct {
			const struct chain_desc *desc;
			struct virtqueue_avail *avail;
			struct virtqueue_used *used;
			uint16_t next_avail;
			uint16_t known_avail; /* the index last heard of */
			uint16_t next_used;
		} split;
		struct {
			struct virtqueue_packed_desc *desc;
			const uint32_t *driver_event_le;
			uint32_t *device_event_le;
			struct virtqueue_place next_avail;
			struct virtqueue_place next_used;
			uint32_t nr_descs; /* of chains under way */
		} ring;
	};

	uint32_t nr_inflight;  /* popped and not yet in the used ring */
	uint16_t order_in;     /* IN_ORDER: next place for a popped one */
	uint16_t order_out;    /* the oldest of them */
	uint32_t nr_undecided; /* places of the used ring since the last
				* interrupt decision */

	/* Since virtqueue_begin(). */
	uint32_t budget; /* chains this pass may still take */

	uint32_t nr_served; /* since it was last asked for: device.c */

	const char *why; /* after -EPROTO: the lie, a static clause */
};

/* Where its three parts lie: descriptors, available and used ring; or the
 * descriptor ring and the driver's and the device's event suppression. */
struct virtqueue_layout {
	uint64_t desc_user_addr;
	uint64_t avail_user_addr;
	uint64_t used_user_addr;
	uint16_t size;
};

/* Everything is borrowed for the life of the process; `slots_max` slots bound
 * the size of a queue. */
void virtqueue_init(struct rf_virtqueue *vq, uint16_t index,
		    const struct guestmem *mem, struct iovec *iov,
		    struct virtqueue_slot *slots, uint16_t slots_max);

/* Start where `base` says: of a split queue the next available index; of a
 * packed one as the vhost-user specification has it, bits 0 to 14 the next
 * available descriptor and 15 its wrap counter, 16 to 31 the same for the next
 * used one. -EINVAL: size, base, or a ring part not within one region or not
 * aligned. */
RF_MUST_CHECK int virtqueue_start(struct rf_virtqueue *vq,
				  const struct virtqueue_layout *layout,
				  uint32_t base, uint64_t features);

/* Find the rings again after guest memory was mapped anew. Same errors. */
RF_MUST_CHECK int virtqueue_remap(struct rf_virtqueue *vq,
				  const struct virtqueue_layout *layout);

/* Returns what `base` would have it go on here. */
uint32_t virtqueue_stop(struct rf_virtqueue *vq);

/* Chains that one pass serves at most, so that the control socket is never
 * kept waiting by a guest that adds as fast as we take. */
#define VIRTQUEUE_PASS_MAX 16u

/* A pass may serve `share` chains. */
void virtqueue_begin(struct rf_virtqueue *vq, uint32_t share);

/* The pass ended because its share was used up: there may be more. */
bool virtqueue_is_unfinished(const struct rf_virtqueue *vq);

/* True: the driver wants an interrupt for what was pushed since the last
 * decision. */
RF_MUST_CHECK bool virtqueue_end(struct rf_virtqueue *vq);

/* One load: would a pop find something, and is the device to have it? A lie
 * counts, the pop will name it. */
bool virtqueue_has_work(const struct rf_virtqueue *vq);

/* Ask for a notification of whatever comes next. What came before that is the
 * caller's to find, with virtqueue_has_work(). The next pop takes it back. */
void virtqueue_arm(struct rf_virtqueue *vq);

/* A notification carried this in its upper half (VIRTIO_F_NOTIFICATION_DATA):
 * of a split queue the available index. Only ever less to load: an index that
 * is old or makes no sense is passed over. */
void virtqueue_hint(struct rf_virtqueue *vq, uint16_t upper);

/* What only the formats know; for virtqueue.c. */
RF_MUST_CHECK int split_map(struct rf_virtqueue *vq,
			    const struct virtqueue_layout *layout);
RF_MUST_CHECK int split_start(struct rf_virtqueue *vq, uint32_t base);
uint32_t split_base(const struct rf_virtqueue *vq);
RF_MUST_CHECK int split_pop(struct rf_virtqueue *vq, struct rf_chain *chain);
void split_put(struct rf_virtqueue *vq, uint16_t id, uint32_t written_bytes);
bool split_has_chain(const struct rf_virtqueue *vq);
void split_notify_on(struct rf_virtqueue *vq);
void split_notify_off(struct rf_virtqueue *vq);
bool split_wants_interrupt(const struct rf_virtqueue *vq);

RF_MUST_CHECK int packed_map(struct rf_virtqueue *vq,
			     const struct virtqueue_layout *layout);
RF_MUST_CHECK int packed_start(struct rf_virtqueue *vq, uint32_t base);
uint32_t packed_base(const struct rf_virtqueue *vq);
RF_MUST_CHECK int packed_pop(struct rf_virtqueue *vq, struct rf_chain *chain);
void packed_put(struct rf_virtqueue *vq, uint16_t id, uint16_t nr_descs,
		uint32_t written_bytes);
bool packed_has_chain(const struct rf_virtqueue *vq);
void packed_notify_on(struct rf_virtqueue *vq);
void packed_notify_off(struct rf_virtqueue *vq);
bool packed_wants_interrupt(const struct rf_virtqueue *vq);

/* A lie: the queue is broken. Returns -EPROTO. */
int virtqueue_lie(struct rf_virtqueue *vq, const char *why);

/* A chain with this head or id may be taken: it is below the size and not
 * under way already. -EPROTO. */
RF_MUST_CHECK int virtqueue_check_id(struct rf_virtqueue *vq, uint16_t id);

/* It was taken. */
void virtqueue_note_taken(struct rf_virtqueue *vq, uint16_t id,
			  uint16_t nr_descs);

#endif
