/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * vring.h - the driver's half of a split virtqueue, for tests
 *
 * Guest memory is any buffer; guest addresses are offsets into it plus
 * VRING_GPA. Where the rings lie in it is fixed:
 *   +0x0000 descriptors   +0x2000 available   +0x3000 used   +0x8000 data
 * A driver that lies writes d->desc[] and d->avail[] itself.
 */
#ifndef TESTS_VRING_H
#define TESTS_VRING_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#define VRING_GPA UINT64_C(0x100000)
#define VRING_RAM_BYTES (UINT64_C(4) << 20)
#define VRING_DESC (VRING_GPA)
#define VRING_AVAIL (VRING_GPA + 0x2000)
#define VRING_USED (VRING_GPA + 0x3000)
#define VRING_DATA (VRING_GPA + 0x8000)

enum { VRING_NEXT = 1, VRING_WRITE = 2, VRING_INDIRECT = 4 };

struct vring_desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags;
	uint16_t next;
};

struct vring_used {
	uint32_t id;
	uint32_t len;
};

struct vring {
	uint8_t *ram;
	uint16_t size;
	struct vring_desc *desc;
	uint16_t *avail; /* flags, idx, ring[], used_event */
	uint16_t *used;	 /* flags, idx, then elements, avail_event */
	uint16_t next_avail;
	uint16_t next_used;
};

static inline void *vring_at(const struct vring *v, uint64_t gpa)
{
	return v->ram + (gpa - VRING_GPA);
}

static inline void vring_init(struct vring *v, void *ram, uint16_t size)
{
	*v = (struct vring){ .ram = ram, .size = size };
	v->desc = vring_at(v, VRING_DESC);
	v->avail = vring_at(v, VRING_AVAIL);
	v->used = vring_at(v, VRING_USED);
	memset(ram, 0, VRING_DATA - VRING_GPA);
}

static inline void vring_desc(struct vring *v, uint16_t i, uint64_t gpa,
			      uint32_t len, uint16_t flags, uint16_t next)
{
	v->desc[i] = (struct vring_desc){ gpa, len, flags, next };
}

static inline void vring_set_avail_idx(struct vring *v, uint16_t idx)
{
	v->next_avail = idx;
	__atomic_store_n(&v->avail[1], idx, __ATOMIC_RELEASE);
}

static inline void vring_offer(struct vring *v, uint16_t head)
{
	__atomic_store_n(&v->avail[2 + (v->next_avail & (v->size - 1))], head,
			 __ATOMIC_RELAXED);
	vring_set_avail_idx(v, (uint16_t)(v->next_avail + 1));
}

static inline uint16_t vring_used_idx(const struct vring *v)
{
	return __atomic_load_n(&v->used[1], __ATOMIC_ACQUIRE);
}

static inline uint16_t vring_used_flags(const struct vring *v)
{
	return __atomic_load_n(&v->used[0], __ATOMIC_RELAXED);
}

static inline uint16_t vring_avail_event(const struct vring *v)
{
	return __atomic_load_n(&v->used[2 + 4 * v->size], __ATOMIC_RELAXED);
}

static inline void vring_set_used_event(struct vring *v, uint16_t event)
{
	__atomic_store_n(&v->avail[2 + v->size], event, __ATOMIC_RELAXED);
}

/* The next used element, if there is one. */
static inline bool vring_take(struct vring *v, struct vring_used *out)
{
	uint16_t slot = v->next_used & (v->size - 1);

	if (vring_used_idx(v) == v->next_used)
		return false;
	memcpy(out, &v->used[2 + 4 * slot], sizeof(*out));
	v->next_used++;
	return true;
}

/* The same, waiting for an interrupt at most `ms`. */
static inline bool vring_wait(struct vring *v, int call_fd, int ms,
			      struct vring_used *out)
{
	struct pollfd p = { .fd = call_fd, .events = POLLIN };

	while (!vring_take(v, out)) {
		uint64_t count;

		if (poll(&p, 1, ms) != 1)
			return vring_take(v, out);
		if (read(call_fd, &count, sizeof(count)) != sizeof(count))
			return false;
	}
	return true;
}

#endif
