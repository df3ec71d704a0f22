/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * split.c - a split virtqueue that the guest is free to corrupt
 *
 * Side:    device. Every byte of the rings is hostile.
 * Owns:    the shadow indices; the guest's copies are never read back. The
 *          mapping belongs to guestmem.c.
 * Callers: virtqueue.c.
 * Never:   reads a shared field twice where both reads count.
 *
 * Publication: avail.idx is loaded with acquire before the entries and
 * descriptors it covers, used.idx is stored with release after the element and
 * the data (virtio 1.2, 2.7.13.3, 2.7.8.2). The index is loaded once for all
 * the chains it covers, and not at all where the notification carried it: the
 * driver published its entries before it notified, and the ring that brought
 * the value was read with acquire (bells.c).
 */
#include <endian.h>
#include <errno.h>

#include "device/virtqueue.h"

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

static uint16_t load_avail_idx(const struct rf_virtqueue *vq)
{
	return le16toh(
		__atomic_load_n(&vq->split.avail->idx_le, __ATOMIC_ACQUIRE));
}

/* Behind the last element of the used ring (2.7.8). */
static uint16_t *avail_event(const struct rf_virtqueue *vq)
{
	return (uint16_t *)&vq->split.used->ring[vq->size];
}

/* Behind the last element of the available ring (2.7.6). */
static const uint16_t *used_event(const struct rf_virtqueue *vq)
{
	return &vq->split.avail->ring_le[vq->size];
}

int split_map(struct rf_virtqueue *vq, const struct virtqueue_layout *layout)
{
	const uint64_t n = layout->size;
	const struct chain_desc *desc;
	struct virtqueue_avail *avail;
	struct virtqueue_used *used;

	if ((n & (n - 1)) != 0)
		return -EINVAL;
	/* Alignments: virtio 1.2, 2.7. Lengths with the event field. */
	desc = guestmem_ring(vq->mem, layout->desc_user_addr, 16 * n, 16);
	avail = guestmem_ring(vq->mem, layout->avail_user_addr, 6 + 2 * n, 2);
	used = guestmem_ring(vq->mem, layout->used_user_addr, 6 + 8 * n, 4);
	if (!desc || !avail || !used)
		return -EINVAL;
	vq->split.desc = desc;
	vq->split.avail = avail;
	vq->split.used = used;
	return 0;
}

int split_start(struct rf_virtqueue *vq, uint32_t base)
{
	if (base > UINT16_MAX)
		return -EINVAL;
	vq->split.next_avail = (uint16_t)base;
	vq->split.known_avail = (uint16_t)base;
	/* A queue that another process served before goes on where that one
	 * stopped: only the ring still knows where. Any value is harmless. */
	vq->split.next_used = load16(&vq->split.used->idx_le);
	return 0;
}

uint32_t split_base(const struct rf_virtqueue *vq)
{
	return vq->split.next_avail;
}

bool split_has_chain(const struct rf_virtqueue *vq)
{
	return vq->split.known_avail != vq->split.next_avail ||
	       load_avail_idx(vq) != vq->split.next_avail;
}

/* Ask for notifications of anything beyond what was taken. */
void split_notify_on(struct rf_virtqueue *vq)
{
	if (vq->event_idx)
		store16(avail_event(vq), vq->split.next_avail);
	else
		store16(&vq->split.used->flags_le, 0);
}

/* With event index an avail_event left behind is silence enough. */
void split_notify_off(struct rf_virtqueue *vq)
{
	if (!vq->event_idx)
		store16(&vq->split.used->flags_le, USED_F_NO_NOTIFY);
}

/* 0: there is an entry at next_avail. */
static int find_entry(struct rf_virtqueue *vq)
{
	uint16_t idx;

	if (vq->split.known_avail != vq->split.next_avail)
		return 0;
	idx = load_avail_idx(vq);
	if (idx == vq->split.next_avail)
		return -EAGAIN;
	if ((uint16_t)(idx - vq->split.next_avail) > vq->size)
		return virtqueue_lie(vq, "available index jumped");
	vq->split.known_avail = idx;
	return 0;
}

int split_pop(struct rf_virtqueue *vq, struct rf_chain *chain)
{
	const struct chain_source src = {
		.mem = vq->mem,
		.table = vq->split.desc,
		.size = vq->size,
		.indirect = vq->indirect,
	};
	uint16_t head;
	int err;

	err = find_entry(vq);
	if (err)
		return err;
	head = load16(&vq->split.avail->ring_le[vq->split.next_avail &
						(vq->size - 1)]);
	err = virtqueue_check_id(vq, head);
	if (err)
		return err;
	chain->iov = vq->iov;
	err = chain_collect(&src, head, chain, &vq->why);
	if (err)
		return virtqueue_lie(vq, vq->why);
	vq->split.next_avail++;
	virtqueue_note_taken(vq, head, 1);
	return 0;
}

void split_put(struct rf_virtqueue *vq, uint16_t id, uint32_t written_bytes)
{
	struct virtqueue_used_elem *elem =
		&vq->split.used->ring[vq->split.next_used & (vq->size - 1)];

	__atomic_store_n(&elem->id_le, htole32(id), __ATOMIC_RELAXED);
	__atomic_store_n(&elem->len_le, htole32(written_bytes),
			 __ATOMIC_RELAXED);
	vq->split.next_used++;
	__atomic_store_n(&vq->split.used->idx_le, htole16(vq->split.next_used),
			 __ATOMIC_RELEASE);
}

/* With event index: used_event lies among the entries of this batch, modulo
 * 2^16 (virtio 1.2, 2.7.7.2). */
bool split_wants_interrupt(const struct rf_virtqueue *vq)
{
	uint16_t before = vq->split.next_used - vq->nr_undecided;

	if (!vq->event_idx)
		return !(load16(&vq->split.avail->flags_le) &
			 AVAIL_F_NO_INTERRUPT);
	/* Nobody knows what the one who served it before has told. */
	return !vq->decided ||
	       (uint16_t)(load16(used_event(vq)) - before) < vq->nr_undecided;
}
