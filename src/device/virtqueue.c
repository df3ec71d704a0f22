/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * virtqueue.c - walk a split virtqueue that the guest is free to corrupt
 *
 * Side:    device. No privilege left; every byte of the rings is hostile.
 * Owns:    the shadow indices. The mapping belongs to guestmem.c.
 * Callers: devices/, through <ringfence/device.h>; device.c starts and ends.
 * Never:   reads a shared field twice, allocates, logs.
 *
 * Who waits for whom. Two questions are asked across the rings, each by one
 * side storing what it wants and then looking, while the other side stores
 * news and then looks at what is wanted:
 *
 *   driver                            device
 *   D1 avail.idx = n                  V1 avail_event (or flags) = "notify me"
 *   D2 full fence                     V2 full fence
 *   D3 reads avail_event: notify?     V3 reads avail.idx: anything new?
 *
 * Without V2 the store V1 may still sit in the store buffer when V3 reads the
 * old idx; the driver, having published D1, reads the old avail_event in D3 and
 * stays silent: both sleep and the request waits for ever. With both fences at
 * least one side sees the other's store. The same picture with the roles
 * changed decides interrupts: the device stores used.idx, fences, reads
 * used_event (virtio 1.2, 2.7.7.1 and 2.7.10).
 *
 * Plain publication needs less: avail.idx is loaded with acquire before the
 * entries and descriptors it covers, used.idx is stored with release after the
 * element and the data (2.7.13.3, 2.7.8.2).
 *
 * Needs: nothing; all of it is memory.
 */
#include "device/virtqueue.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>

enum {
	AVAIL_F_NO_INTERRUPT = 1, /* virtio 1.2, 2.7.7 */
	USED_F_NO_NOTIFY = 1,	  /* virtio 1.2, 2.7.10 */
};

static uint16_t load16(const uint16_t *shared_le)
{
	return le16toh(__atomic_load_n(shared_le, __ATOMIC_RELAXED));
}

static void store16(uint16_t *shared_le, uint16_t value)
{
	__atomic_store_n(shared_le, htole16(value), __ATOMIC_RELAXED);
}

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

/* Behind the last element of the used ring (2.7.8). */
static uint16_t *avail_event(const struct rf_virtqueue *vq)
{
	return (uint16_t *)&vq->used->ring[vq->size];
}

/* Behind the last element of the available ring (2.7.6). */
static const uint16_t *used_event(const struct rf_virtqueue *vq)
{
	return &vq->avail->ring_le[vq->size];
}

void virtqueue_init(struct rf_virtqueue *vq, uint16_t index,
		    const struct guestmem *mem, struct iovec *iov)
{
	*vq = (struct rf_virtqueue){ .mem = mem, .iov = iov, .index = index };
}

int virtqueue_remap(struct rf_virtqueue *vq,
		    const struct virtqueue_layout *layout)
{
	const uint64_t n = layout->size;
	const struct chain_desc *desc;
	struct virtqueue_avail *avail;
	struct virtqueue_used *used;

	if (n == 0 || (n & (n - 1)) != 0)
		return -EINVAL;
	/* Alignments: virtio 1.2, 2.7. Lengths with the event field. */
	desc = guestmem_ring(vq->mem, layout->desc_user_addr, 16 * n, 16);
	avail = guestmem_ring(vq->mem, layout->avail_user_addr, 6 + 2 * n, 2);
	used = guestmem_ring(vq->mem, layout->used_user_addr, 6 + 8 * n, 4);
	if (!desc || !avail || !used)
		return -EINVAL;
	vq->size = layout->size;
	vq->desc = desc;
	vq->avail = avail;
	vq->used = used;
	return 0;
}

/* Ask for notifications of anything beyond what was taken. */
static void arm(struct rf_virtqueue *vq)
{
	if (vq->event_idx)
		store16(avail_event(vq), vq->next_avail);
	else
		store16(&vq->used->flags_le, 0);
	vq->armed = true;
	full_fence(); /* V2 */
}

/* With event index an avail_event left behind is silence enough. */
static void disarm(struct rf_virtqueue *vq)
{
	if (!vq->event_idx)
		store16(&vq->used->flags_le, USED_F_NO_NOTIFY);
	vq->armed = false;
}

int virtqueue_start(struct rf_virtqueue *vq,
		    const struct virtqueue_layout *layout, uint16_t base,
		    bool event_idx, bool indirect)
{
	int err = virtqueue_remap(vq, layout);

	if (err)
		return err;
	vq->event_idx = event_idx;
	vq->indirect = indirect;
	vq->next_avail = base;
	/* A queue that another process served before goes on where that one
	 * stopped: only the ring still knows where. Any value is harmless. */
	vq->next_used = load16(&vq->used->idx_le);
	vq->decided_used = vq->next_used;
	vq->decided = false;
	vq->armed = false;
	vq->nr_inflight = 0;
	vq->budget = 0;
	vq->nr_served = 0;
	vq->why = NULL;
	vq->broken = false;
	vq->running = true;
	return 0;
}

uint16_t virtqueue_stop(struct rf_virtqueue *vq)
{
	vq->running = false;
	vq->broken = false;
	return vq->next_avail;
}

void virtqueue_begin(struct rf_virtqueue *vq)
{
	vq->budget = VIRTQUEUE_PASS_MAX;
	vq->nr_served = 0;
}

bool virtqueue_is_unfinished(const struct rf_virtqueue *vq)
{
	return vq->running && !vq->broken && vq->budget == 0;
}

uint16_t rf_virtqueue_index(const struct rf_virtqueue *vq)
{
	return vq->index;
}

static int lie(struct rf_virtqueue *vq, const char *why)
{
	vq->broken = true;
	vq->why = why;
	return -EPROTO;
}

/* Entries that wait: 0, or -EPROTO if there are more than the ring holds. */
static int count_waiting(struct rf_virtqueue *vq, uint16_t *out)
{
	uint16_t idx = le16toh(
		__atomic_load_n(&vq->avail->idx_le, __ATOMIC_ACQUIRE));

	*out = idx - vq->next_avail;
	if (*out > vq->size)
		return lie(vq, "available index jumped");
	return 0;
}

/* -EAGAIN only after having armed and looked once more: V1, V2, V3. */
static int wait_for_head(struct rf_virtqueue *vq)
{
	uint16_t waiting;
	int err = count_waiting(vq, &waiting);

	if (err || waiting > 0)
		return err;
	if (vq->armed)
		return -EAGAIN;
	arm(vq);
	err = count_waiting(vq, &waiting);
	if (err)
		return err;
	return waiting > 0 ? 0 : -EAGAIN;
}

int rf_virtqueue_pop(struct rf_virtqueue *vq, struct rf_chain *chain)
{
	struct chain_source src = {
		.mem = vq->mem,
		.table = vq->desc,
		.size = vq->size,
		.indirect = vq->indirect,
	};
	struct rf_chain found = { .iov = vq->iov };
	uint16_t head;
	int err;

	if (vq->broken)
		return -EPROTO;
	if (!vq->running || vq->budget == 0)
		return -EAGAIN;
	err = wait_for_head(vq);
	if (err)
		return err;
	if (vq->armed)
		disarm(vq);
	/* The ring cannot hold more than its size: some head is there twice. */
	if (vq->nr_inflight == vq->size)
		return lie(vq, "more chains made available than descriptors");
	head = load16(&vq->avail->ring_le[vq->next_avail & (vq->size - 1)]);
	err = chain_collect(&src, head, &found, &vq->why);
	if (err)
		return lie(vq, vq->why);
	vq->next_avail++;
	vq->nr_inflight++;
	vq->budget--;
	*chain = found;
	return 0;
}

void rf_virtqueue_push(struct rf_virtqueue *vq, uint16_t head,
		       uint32_t written_bytes)
{
	struct virtqueue_used_elem *elem;

	/* A slow device may finish what a reset has taken away from it. */
	if (!vq->running)
		return;
	assert(vq->nr_inflight > 0);
	elem = &vq->used->ring[vq->next_used & (vq->size - 1)];
	__atomic_store_n(&elem->id_le, htole32(head), __ATOMIC_RELAXED);
	__atomic_store_n(&elem->len_le, htole32(written_bytes),
			 __ATOMIC_RELAXED);
	vq->next_used++;
	__atomic_store_n(&vq->used->idx_le, htole16(vq->next_used),
			 __ATOMIC_RELEASE);
	vq->nr_inflight--;
	vq->nr_served++;
}

/* The driver's used_event lies among the entries of this batch: the formula of
 * virtio 1.2, 2.7.7.2, modulo 2^16. */
static bool is_passed(uint16_t event, uint16_t now, uint16_t before)
{
	return (uint16_t)(now - event - 1) < (uint16_t)(now - before);
}

bool virtqueue_end(struct rf_virtqueue *vq)
{
	uint16_t before = vq->decided_used;
	bool first = !vq->decided;

	if (!vq->running || vq->next_used == before)
		return false;
	vq->decided_used = vq->next_used;
	vq->decided = true;
	full_fence(); /* used.idx is out before the driver's wish is read */
	if (!vq->event_idx)
		return !(load16(&vq->avail->flags_le) & AVAIL_F_NO_INTERRUPT);
	return first ||
	       is_passed(load16(used_event(vq)), vq->next_used, before);
}
