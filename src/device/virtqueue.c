/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * virtqueue.c - what both formats of virtqueues have in common
 *
 * Side:    device. No privilege left; what the driver says is hostile.
 * Owns:    the slots: which chains are under way, and in which order they came.
 * Callers: devices/, through <ringfence/device.h>; device.c and loop.c start,
 *          end, arm.
 * Never:   believes a head twice, allocates, logs.
 *
 * Who waits for whom. Two questions are asked across the rings, each by one
 * side storing what it wants and then looking, while the other side stores
 * news and then looks at what is wanted:
 *
 *   driver                            device
 *   D1 makes a chain available        V1 says "notify me": virtqueue_arm()
 *   D2 full fence                     V2 full fence
 *   D3 reads the wish: notify?        V3 looks: virtqueue_has_work()
 *
 * Without V2 the store V1 may still sit in the store buffer when V3 looks and
 * finds nothing; the driver, having published D1, reads the old wish in D3 and
 * stays silent: both sleep and the request waits for ever. With both fences at
 * least one side sees the other's store. The same picture with the roles
 * changed decides interrupts: the device puts into the used ring, fences, reads
 * the driver's wish (virtio 1.2, 2.7.7.1, 2.7.10 and 2.8.10). All orders of
 * these steps are tried in tests/model/suppress.pml.
 *
 * Between two sleeps the wish is taken back by the first pop, and stays so
 * while the loop polls: a driver that finds us awake notifies nobody.
 *
 * Needs: nothing; all of it is memory.
 */
#include "device/virtqueue.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

/* The thread sanitizer knows no fences and gcc says so with an error; a locked
 * read-modify-write is as full a barrier on the machines we run on. */
#if defined(__SANITIZE_THREAD__)
static void full_fence(void)
{
	static uint32_t nothing;

	(void)__atomic_fetch_add(&nothing, 0, __ATOMIC_SEQ_CST);
}
#else
static void full_fence(void)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}
#endif

void virtqueue_init(struct rf_virtqueue *vq, uint16_t index,
		    const struct guestmem *mem, struct iovec *iov,
		    struct virtqueue_slot *slots, uint16_t slots_max)
{
	*vq = (struct rf_virtqueue){
		.mem = mem,
		.iov = iov,
		.slots = slots,
		.slots_max = slots_max,
		.index = index,
	};
}

int virtqueue_remap(struct rf_virtqueue *vq,
		    const struct virtqueue_layout *layout)
{
	if (layout->size == 0 || layout->size > vq->slots_max)
		return -EINVAL;
	return vq->packed ? packed_map(vq, layout) : split_map(vq, layout);
}

static void disarm(struct rf_virtqueue *vq)
{
	if (vq->packed)
		packed_notify_off(vq);
	else
		split_notify_off(vq);
	vq->armed = false;
}

int virtqueue_start(struct rf_virtqueue *vq,
		    const struct virtqueue_layout *layout, uint32_t base,
		    uint64_t features)
{
	int err;

	vq->packed = features & VIRTQUEUE_F_RING_PACKED;
	err = virtqueue_remap(vq, layout);
	if (err)
		return err;
	vq->size = layout->size;
	err = vq->packed ? packed_start(vq, base) : split_start(vq, base);
	if (err)
		return err;
	memset(vq->slots, 0, vq->size * sizeof(vq->slots[0]));
	vq->event_idx = features & VIRTQUEUE_F_EVENT_IDX;
	vq->indirect = features & VIRTQUEUE_F_INDIRECT_DESC;
	vq->in_order = features & VIRTQUEUE_F_IN_ORDER;
	vq->decided = false;
	vq->dry = false;
	vq->held = false;
	vq->nr_inflight = 0;
	vq->order_in = 0;
	vq->order_out = 0;
	vq->nr_undecided = 0;
	vq->budget = 0;
	vq->nr_served = 0;
	vq->why = NULL;
	vq->broken = false;
	vq->running = true;
	/* A driver notifies until it is told otherwise. */
	disarm(vq);
	return 0;
}

uint32_t virtqueue_stop(struct rf_virtqueue *vq)
{
	vq->running = false;
	vq->broken = false;
	return vq->packed ? packed_base(vq) : split_base(vq);
}

void virtqueue_begin(struct rf_virtqueue *vq, uint32_t share)
{
	vq->budget = share;
	vq->dry = false;
	vq->held = false;
}

bool virtqueue_is_unfinished(const struct rf_virtqueue *vq)
{
	return vq->running && !vq->broken && vq->budget == 0;
}

uint16_t rf_virtqueue_index(const struct rf_virtqueue *vq)
{
	return vq->index;
}

int virtqueue_lie(struct rf_virtqueue *vq, const char *why)
{
	vq->broken = true;
	vq->why = why;
	return -EPROTO;
}

bool virtqueue_has_work(const struct rf_virtqueue *vq)
{
	if (!vq->running || vq->broken || vq->held)
		return false;
	return vq->packed ? packed_has_chain(vq) : split_has_chain(vq);
}

void virtqueue_arm(struct rf_virtqueue *vq)
{
	if (!vq->running || vq->broken || vq->held || vq->armed)
		return;
	if (vq->packed)
		packed_notify_on(vq);
	else
		split_notify_on(vq);
	vq->armed = true;
	full_fence(); /* V2 */
}

void virtqueue_hint(struct rf_virtqueue *vq, uint16_t upper)
{
	uint16_t ahead;

	/* In a packed ring it names a place whose descriptor has to be read
	 * anyway, and that says by itself whether it is available. */
	if (!vq->running || vq->packed)
		return;
	ahead = upper - vq->split.next_avail;
	if (ahead <= vq->size &&
	    ahead > (uint16_t)(vq->split.known_avail - vq->split.next_avail))
		vq->split.known_avail = upper;
}

int virtqueue_check_id(struct rf_virtqueue *vq, uint16_t id)
{
	if (id >= vq->size)
		return virtqueue_lie(vq, "head or id beyond the queue");
	if (vq->slots[id].nr_descs)
		return virtqueue_lie(vq, "chain made available while it is "
					 "under way");
	return 0;
}

static uint16_t next_order(const struct rf_virtqueue *vq, uint16_t order)
{
	return order + 1 == vq->size ? 0 : order + 1;
}

void virtqueue_note_taken(struct rf_virtqueue *vq, uint16_t id,
			  uint16_t nr_descs)
{
	vq->slots[id].nr_descs = nr_descs;
	vq->slots[id].done = false;
	if (vq->in_order) {
		vq->slots[vq->order_in].order = id;
		vq->order_in = next_order(vq, vq->order_in);
	}
	vq->nr_inflight++;
	vq->budget--;
}

int rf_virtqueue_pop(struct rf_virtqueue *vq, struct rf_chain *chain)
{
	int err;

	if (vq->broken)
		return -EPROTO;
	if (!vq->running || vq->budget == 0)
		return -EAGAIN;
	err = vq->packed ? packed_pop(vq, chain) : split_pop(vq, chain);
	vq->dry = err == -EAGAIN;
	if (!err && vq->armed)
		disarm(vq);
	return err;
}

static void put(struct rf_virtqueue *vq, uint16_t id, uint32_t written_bytes)
{
	uint16_t nr_descs = vq->slots[id].nr_descs;

	if (vq->packed)
		packed_put(vq, id, nr_descs, written_bytes);
	else
		split_put(vq, id, written_bytes);
	vq->nr_undecided += vq->packed ? nr_descs : 1;
	vq->slots[id].nr_descs = 0;
	vq->nr_inflight--;
	vq->nr_served++;
}

/* VIRTIO_F_IN_ORDER (virtio 1.2, 2.7.9): what is done early waits for those
 * that were popped before it. */
static void put_in_order(struct rf_virtqueue *vq, uint16_t id,
			 uint32_t written_bytes)
{
	vq->slots[id].done = true;
	vq->slots[id].written_bytes = written_bytes;
	while (vq->nr_inflight > 0) {
		uint16_t oldest = vq->slots[vq->order_out].order;

		if (!vq->slots[oldest].done)
			return;
		vq->slots[oldest].done = false;
		put(vq, oldest, vq->slots[oldest].written_bytes);
		vq->order_out = next_order(vq, vq->order_out);
	}
}

void rf_virtqueue_push(struct rf_virtqueue *vq, uint16_t head,
		       uint32_t written_bytes)
{
	/* A slow device may finish what a reset has taken away from it. */
	if (!vq->running)
		return;
	assert(head < vq->size && vq->slots[head].nr_descs > 0 &&
	       !vq->slots[head].done);
	if (vq->in_order)
		put_in_order(vq, head, written_bytes);
	else
		put(vq, head, written_bytes);
}

bool virtqueue_end(struct rf_virtqueue *vq)
{
	bool wanted;

	if (!vq->running || vq->nr_undecided == 0)
		return false;
	full_fence(); /* the used ring is out before the wish is read */
	wanted = vq->packed ? packed_wants_interrupt(vq)
			    : split_wants_interrupt(vq);
	vq->nr_undecided = 0;
	vq->decided = true;
	return wanted;
}
