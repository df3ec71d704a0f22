/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * pring.h - the driver's half of a packed virtqueue, for tests
 *
 * Memory is laid out as in vring.h: descriptors at VRING_DESC, the driver's
 * event suppression at VRING_AVAIL, the device's at VRING_USED. A driver that
 * lies writes p->desc[] itself.
 */
#ifndef TESTS_PRING_H
#define TESTS_PRING_H

#include "vring.h"

#define PRING_SIZE_MAX 256
#define PRING_BASE UINT32_C(0x80008000) /* both at 0, both wraps 1 */

enum { PRING_AVAIL = 1 << 7, PRING_USED = 1 << 15 };
enum { PRING_ENABLE = 0, PRING_DISABLE = 1, PRING_DESC = 2 };

struct pring_desc {
	uint64_t addr;
	uint32_t len;
	uint16_t id;
	uint16_t flags;
};

struct pring_buf {
	uint64_t addr;
	uint32_t len;
	uint16_t flags; /* VRING_WRITE, VRING_INDIRECT */
};

struct pring {
	uint8_t *ram;
	uint16_t size;
	struct pring_desc *desc;
	uint32_t *driver_event;
	uint32_t *device_event;
	uint16_t next_avail;
	bool avail_wrap;
	uint16_t next_used;
	bool used_wrap;
	uint16_t nr_free;
	uint16_t nr_descs[PRING_SIZE_MAX]; /* by id */
};

static inline void pring_init_at(struct pring *p, void *ram, uint16_t size,
				 uint16_t index, bool wrap)
{
	*p = (struct pring){
		.ram = ram,
		.size = size,
		.next_avail = index,
		.avail_wrap = wrap,
		.next_used = index,
		.used_wrap = wrap,
		.nr_free = size,
	};
	memset(ram, 0, VRING_DATA - VRING_GPA);
	p->desc = (void *)p->ram;
	p->driver_event = (void *)(p->ram + (VRING_AVAIL - VRING_GPA));
	p->device_event = (void *)(p->ram + (VRING_USED - VRING_GPA));
	/* As a ring looks that came here: all used in this lap, or the last. */
	for (uint16_t i = 0; i < size; i++)
		p->desc[i].flags = (i < index) == wrap
					   ? PRING_AVAIL | PRING_USED
					   : 0;
}

static inline void pring_init(struct pring *p, void *ram, uint16_t size)
{
	pring_init_at(p, ram, size, 0, true);
}

static inline void pring_step(const struct pring *p, uint16_t *index,
			      bool *wrap, uint16_t by)
{
	*index += by;
	if (*index >= p->size) {
		*index -= p->size;
		*wrap = !*wrap;
	}
}

/* Flags that say "available" at a place of this lap. */
static inline uint16_t pring_avail_flags(bool wrap)
{
	return wrap ? PRING_AVAIL : PRING_USED;
}

/* All but the first one's flags, then those. */
static inline void pring_offer(struct pring *p, uint16_t id,
			       const struct pring_buf *bufs, uint16_t nr)
{
	struct pring_desc *first = &p->desc[p->next_avail];
	uint16_t first_flags = 0;

	for (uint16_t i = 0; i < nr; i++) {
		struct pring_desc *d = &p->desc[p->next_avail];
		uint16_t flags = bufs[i].flags | (i + 1 < nr ? VRING_NEXT : 0) |
				 pring_avail_flags(p->avail_wrap);

		__atomic_store_n(&d->addr, bufs[i].addr, __ATOMIC_RELAXED);
		__atomic_store_n(&d->len, bufs[i].len, __ATOMIC_RELAXED);
		__atomic_store_n(&d->id, id, __ATOMIC_RELAXED);
		if (d == first)
			first_flags = flags;
		else
			__atomic_store_n(&d->flags, flags, __ATOMIC_RELAXED);
		pring_step(p, &p->next_avail, &p->avail_wrap, 1);
	}
	p->nr_descs[id] = nr;
	p->nr_free -= nr;
	__atomic_store_n(&first->flags, first_flags, __ATOMIC_RELEASE);
}

static inline bool pring_has_used(const struct pring *p)
{
	uint16_t flags = __atomic_load_n(&p->desc[p->next_used].flags,
					 __ATOMIC_ACQUIRE);

	return !(flags & PRING_AVAIL) == !p->used_wrap &&
	       !(flags & PRING_USED) == !p->used_wrap;
}

static inline bool pring_take(struct pring *p, struct vring_used *out)
{
	const struct pring_desc *d = &p->desc[p->next_used];

	if (!pring_has_used(p))
		return false;
	out->id = d->id;
	out->len = d->len;
	p->nr_free += p->nr_descs[out->id];
	pring_step(p, &p->next_used, &p->used_wrap, p->nr_descs[out->id]);
	return true;
}

static inline void pring_set_event(struct pring *p, uint16_t index, bool wrap,
				   uint32_t flags)
{
	__atomic_store_n(p->driver_event,
			 index | (uint32_t)wrap << 15 | flags << 16,
			 __ATOMIC_RELAXED);
}

static inline uint32_t pring_device_event(const struct pring *p)
{
	return __atomic_load_n(p->device_event, __ATOMIC_RELAXED);
}

#endif
