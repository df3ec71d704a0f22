/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * packed.c - a packed virtqueue that the guest is free to corrupt
 *
 * Side:    device. Every byte of the ring is hostile, and half of it is
 *          overwritten by the driver while we look.
 * Owns:    the places of the next available and the next used descriptor. The
 *          mapping belongs to guestmem.c.
 * Callers: virtqueue.c.
 * Never:   judges a descriptor that it does not hold a copy of, follows more of
 *          them than the queue has.
 *
 * One ring for both directions (virtio 1.2, 2.8). A descriptor is available
 * when its AVAIL bit is our wrap counter and its USED bit is not, and used when
 * both are. The driver writes the flags of a chain's first descriptor last, so
 * they are loaded with acquire and all others of the chain after that; the
 * bits of those others mean nothing (2.8.21). A chain lies in consecutive
 * places, ends at the first one without NEXT, and the last one's id names it.
 *
 * A used element goes to the place next_used, which is one that the driver had
 * made available before, and next_used steps over as many places as the chain
 * had. What the driver puts there meanwhile only ever hurts the driver.
 */
#include <endian.h>
#include <errno.h>
#include <string.h>

#include "device/virtqueue.h"

enum {
	DESC_F_NEXT = 1,
	DESC_F_WRITE = 2,
	DESC_F_INDIRECT = 4,
	DESC_F_AVAIL = 1 << 7,
	DESC_F_USED = 1 << 15,
};

/* virtio 1.2, 2.8.14: 16 bits of place, then the flags. */
enum {
	EVENT_ENABLE = 0,
	EVENT_DISABLE = 1,
	EVENT_DESC = 2,
	EVENT_FLAGS_MASK = 3,
};
#define EVENT_FLAGS_SHIFT 16
#define PLACE_INDEX_MASK 0x7fffu
#define PLACE_WRAP_SHIFT 15
#define BASE_USED_SHIFT 16

static uint32_t pack_place(struct virtqueue_place at)
{
	return at.index | (uint32_t)at.wrap << PLACE_WRAP_SHIFT;
}

static struct virtqueue_place unpack_place(uint32_t value)
{
	return (struct virtqueue_place){
		.index = value & PLACE_INDEX_MASK,
		.wrap = value >> PLACE_WRAP_SHIFT & 1,
	};
}

/* `by` is at most the size. */
static struct virtqueue_place step(const struct rf_virtqueue *vq,
				   struct virtqueue_place at, uint32_t by)
{
	uint32_t index = at.index + by;

	if (index < vq->size)
		return (struct virtqueue_place){ (uint16_t)index, at.wrap };
	return (struct virtqueue_place){ (uint16_t)(index - vq->size),
					 !at.wrap };
}

int packed_map(struct rf_virtqueue *vq, const struct virtqueue_layout *layout)
{
	struct virtqueue_packed_desc *desc;
	const uint32_t *driver;
	uint32_t *device;

	/* virtio 1.2, 2.8.10.1: any size up to 2^15. */
	if (layout->size > PLACE_INDEX_MASK + 1)
		return -EINVAL;
	desc = guestmem_ring(vq->mem, layout->desc_user_addr,
			     UINT64_C(16) * layout->size, 16);
	driver = guestmem_ring(vq->mem, layout->avail_user_addr, 4, 4);
	device = guestmem_ring(vq->mem, layout->used_user_addr, 4, 4);
	if (!desc || !driver || !device)
		return -EINVAL;
	vq->ring.desc = desc;
	vq->ring.driver_event_le = driver;
	vq->ring.device_event_le = device;
	return 0;
}

int packed_start(struct rf_virtqueue *vq, uint32_t base)
{
	struct virtqueue_place avail = unpack_place(base);
	struct virtqueue_place used = unpack_place(base >> BASE_USED_SHIFT);

	if (avail.index >= vq->size || used.index >= vq->size)
		return -EINVAL;
	vq->ring.next_avail = avail;
	vq->ring.next_used = used;
	vq->ring.nr_descs = 0;
	return 0;
}

uint32_t packed_base(const struct rf_virtqueue *vq)
{
	return pack_place(vq->ring.next_avail) | pack_place(vq->ring.next_used)
							 << BASE_USED_SHIFT;
}

static bool is_available(uint16_t flags, bool wrap)
{
	bool avail = flags & DESC_F_AVAIL;
	bool used = flags & DESC_F_USED;

	return avail == wrap && used != wrap;
}

bool packed_has_chain(const struct rf_virtqueue *vq)
{
	const uint16_t *flags_le =
		&vq->ring.desc[vq->ring.next_avail.index].flags_le;

	return is_available(
		le16toh(__atomic_load_n(flags_le, __ATOMIC_RELAXED)),
		vq->ring.next_avail.wrap);
}

/* One 32-bit store: the driver reads place and flags together. */
static void store_event(struct rf_virtqueue *vq, uint32_t place, uint32_t flags)
{
	__atomic_store_n(vq->ring.device_event_le,
			 htole32(place | flags << EVENT_FLAGS_SHIFT),
			 __ATOMIC_RELAXED);
}

void packed_notify_on(struct rf_virtqueue *vq)
{
	if (vq->event_idx)
		store_event(vq, pack_place(vq->ring.next_avail), EVENT_DESC);
	else
		store_event(vq, 0, EVENT_ENABLE);
}

void packed_notify_off(struct rf_virtqueue *vq)
{
	store_event(vq, 0, EVENT_DISABLE);
}

/* A copy, which is the only look. */
static void copy_desc(struct virtqueue_packed_desc *out,
		      const struct virtqueue_packed_desc *shared)
{
	memcpy(out, shared, sizeof(*out));
	__asm__ volatile("" ::: "memory");
}

/* The elements of a table are buffers in a row; of their flags only WRITE means
 * anything, their id does not (2.8.7). */
static int walk_table(struct chain_walk *w,
		      const struct virtqueue_packed_desc *table)
{
	uint32_t len_bytes = le32toh(table->len_le);
	uint32_t i, nr = len_bytes / sizeof(*table);
	struct chain_table src;
	int err;

	err = chain_open_table(w, le64toh(table->addr_le), len_bytes, &src);
	for (i = 0; i < nr && !err; i++) {
		struct virtqueue_packed_desc d;

		err = chain_read_table(w, &src, i, &d, sizeof(d));
		if (!err)
			err = chain_add(w, le64toh(d.addr_le),
					le32toh(d.len_le),
					le16toh(d.flags_le) & DESC_F_WRITE);
	}
	return err;
}

static int add_desc(struct rf_virtqueue *vq, struct chain_walk *w,
		    const struct virtqueue_packed_desc *d, bool is_first)
{
	uint16_t flags = le16toh(d->flags_le);

	if (!(flags & DESC_F_INDIRECT))
		return chain_add(w, le64toh(d->addr_le), le32toh(d->len_le),
				 flags & DESC_F_WRITE);
	if (!vq->indirect)
		return chain_lie(w, "indirect descriptor, not negotiated");
	/* 2.8.8: a table stands alone. */
	if (!is_first || flags & DESC_F_NEXT)
		return chain_lie(w, "indirect descriptor within a chain");
	return walk_table(w, d);
}

/* From `d`, the copy of the first descriptor, to the last, which stays in
 * `d`. */
static int walk_ring(struct rf_virtqueue *vq, struct chain_walk *w,
		     struct virtqueue_packed_desc *d, uint32_t *nr_descs)
{
	struct virtqueue_place at = vq->ring.next_avail;
	uint32_t nr = 1;
	int err;

	for (;;) {
		err = add_desc(vq, w, d, nr == 1);
		if (err)
			return err;
		if (!(le16toh(d->flags_le) & DESC_F_NEXT))
			break;
		/* chain_add() ends a chain of more; this one counts places. */
		if (nr == vq->size - vq->ring.nr_descs)
			return chain_lie(w, "more descriptors made available "
					    "than the queue has");
		nr++;
		at = step(vq, at, 1);
		copy_desc(d, &vq->ring.desc[at.index]);
	}
	*nr_descs = nr;
	return 0;
}

int packed_pop(struct rf_virtqueue *vq, struct rf_chain *chain)
{
	const struct virtqueue_packed_desc *first =
		&vq->ring.desc[vq->ring.next_avail.index];
	struct chain_walk w = { .mem = vq->mem,
				.out = chain,
				.nr_max = vq->size };
	struct virtqueue_packed_desc d;
	uint32_t nr_descs = 0;
	uint16_t flags, id;
	int err;

	flags = le16toh(__atomic_load_n(&first->flags_le, __ATOMIC_ACQUIRE));
	if (!is_available(flags, vq->ring.next_avail.wrap))
		return -EAGAIN;
	if (vq->ring.nr_descs == vq->size)
		return virtqueue_lie(vq, "more descriptors made available "
					 "than the queue has");
	copy_desc(&d, first);
	/* What was judged is what is used. */
	d.flags_le = htole16(flags);
	chain_begin(&w, vq->iov);
	err = walk_ring(vq, &w, &d, &nr_descs);
	if (err)
		return virtqueue_lie(vq, w.why);
	id = le16toh(d.id_le);
	err = virtqueue_check_id(vq, id);
	if (err)
		return err;
	chain->head = id;
	vq->ring.next_avail = step(vq, vq->ring.next_avail, nr_descs);
	vq->ring.nr_descs += nr_descs;
	virtqueue_note_taken(vq, id, (uint16_t)nr_descs);
	return 0;
}

void packed_put(struct rf_virtqueue *vq, uint16_t id, uint16_t nr_descs,
		uint32_t written_bytes)
{
	struct virtqueue_place at = vq->ring.next_used;
	struct virtqueue_packed_desc *d = &vq->ring.desc[at.index];
	uint16_t flags = (at.wrap ? DESC_F_AVAIL | DESC_F_USED : 0) |
			 (written_bytes ? DESC_F_WRITE : 0);

	__atomic_store_n(&d->id_le, htole16(id), __ATOMIC_RELAXED);
	__atomic_store_n(&d->len_le, htole32(written_bytes), __ATOMIC_RELAXED);
	/* Last: from here on the place is the driver's (2.8.21.2). */
	__atomic_store_n(&d->flags_le, htole16(flags), __ATOMIC_RELEASE);
	vq->ring.next_used = step(vq, at, nr_descs);
	vq->ring.nr_descs -= nr_descs;
}

/* The place the driver named lies among those that were filled since the last
 * decision. They end at next_used; counting back from there is done with the
 * size added, once more where the wrap counters differ. */
static bool is_passed(const struct rf_virtqueue *vq, uint32_t place)
{
	struct virtqueue_place event = unpack_place(place);
	struct virtqueue_place now = vq->ring.next_used;
	int32_t back = (int32_t)now.index - event.index;

	if (vq->nr_undecided >= vq->size)
		return true; /* all places are */
	if (event.wrap != now.wrap)
		back += vq->size;
	return back > 0 && (uint32_t)back <= vq->nr_undecided;
}

bool packed_wants_interrupt(const struct rf_virtqueue *vq)
{
	uint32_t event = le32toh(
		__atomic_load_n(vq->ring.driver_event_le, __ATOMIC_RELAXED));
	uint32_t flags = event >> EVENT_FLAGS_SHIFT & EVENT_FLAGS_MASK;

	if (flags == EVENT_DISABLE)
		return false;
	/* Nobody knows what the one who served it before has told; and a flag
	 * that means nothing asks for too much rather than too little. */
	if (flags != EVENT_DESC || !vq->event_idx || !vq->decided)
		return true;
	return is_passed(vq, event & UINT16_MAX);
}
