/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * test_queue_model.c - virtqueues of both formats against a simple model
 *
 * A driver and a device do random steps: make a chain available, take one, give
 * one back, decide about an interrupt, arm and look, stop and start again. The
 * model is two lists: what is available, in the order it was made so, and what
 * is to appear as used, in the order it must. Each step is held against it:
 *   what is popped is the oldest available one, with the buffers it was made of
 *   what the driver takes is what was pushed, in that order (or, IN_ORDER, in
 *     the order of the pops)
 *   a driver that asked to be told of the next used one is told when it comes
 *   a device that asked to be rung before it slept has missed nothing
 * A failure names the seed.
 */
#include "unit/unit.h"

#include <errno.h>
#include <string.h>

#include "device/virtqueue.h"
#include "pring.h"
#include "unit/ram.h"

#define QUEUE_MAX 16u
#define STEPS 4000u
#define BUFS_MAX 3u

struct list {
	uint16_t ids[64];
	uint32_t nr;
};

static struct ram ram;
static struct guestmem mem;
static struct rf_virtqueue vq;
static struct iovec iov[RF_CHAIN_IOV_MAX];
static struct virtqueue_slot slots[QUEUE_MAX];

static struct {
	uint32_t seed, first_seed;
	uint64_t features;
	uint16_t size;
	struct vring v;
	struct pring p;
	uint16_t nr_free; /* descriptors of the split ring */
	uint16_t next_id; /* where to look for a free one */
	uint16_t nr_descs[QUEUE_MAX + 1];
	struct pring_buf bufs[QUEUE_MAX][BUFS_MAX];
	uint16_t nr_bufs[QUEUE_MAX];
	bool in_use[QUEUE_MAX];

	struct list available; /* made so, not popped */
	struct list popped;    /* not pushed */
	struct list order;     /* IN_ORDER: popped, not to be seen yet */
	bool done[QUEUE_MAX];
	struct list used; /* to be taken by the driver, in this order */
	uint32_t len[QUEUE_MAX];

	bool wants_next; /* the driver asked to be told of the next one */
	bool told;
	bool asleep; /* the device armed and found nothing */
} m;

static uint32_t rnd(uint32_t below)
{
	m.seed = m.seed * 1103515245 + 12345;
	return (m.seed >> 16) % below;
}

static bool has(uint64_t feature)
{
	return m.features & feature;
}

static bool is_packed(void)
{
	return has(VIRTQUEUE_F_RING_PACKED);
}

#define CHECK(what) ck_assert_msg(what, "seed %u: %s", m.first_seed, #what)

static void append(struct list *l, uint16_t id)
{
	CHECK(l->nr < RF_ARRAY_LEN(l->ids));
	l->ids[l->nr++] = id;
}

static uint16_t take_at(struct list *l, uint32_t at)
{
	uint16_t id = l->ids[at];

	l->nr--;
	memmove(&l->ids[at], &l->ids[at + 1], (l->nr - at) * sizeof(l->ids[0]));
	return id;
}

/* Where the buffers of a chain lie says whose they are. */
static void make_bufs(uint16_t id, uint16_t nr)
{
	bool writable = false;
	uint16_t i;

	m.nr_bufs[id] = nr;
	for (i = 0; i < nr; i++) {
		writable |= rnd(2);
		m.bufs[id][i] = (struct pring_buf){
			VRING_DATA + UINT64_C(0x1000) * id + UINT64_C(256) * i,
			1 + rnd(200),
			writable ? VRING_WRITE : 0,
		};
	}
}

#define TABLES (VRING_DATA + 0x20000)

static struct pring_buf make_table(uint16_t id)
{
	uint64_t gpa = TABLES + UINT64_C(64) * id;
	uint16_t i, nr = m.nr_bufs[id];

	for (i = 0; i < nr; i++) {
		const struct pring_buf *b = &m.bufs[id][i];
		struct pring_desc d = { b->addr, b->len, 0, b->flags };
		struct vring_desc s = {
			b->addr, b->len,
			(uint16_t)(b->flags | (i + 1 < nr ? VRING_NEXT : 0)),
			(uint16_t)(i + 1)
		};
		uint8_t *at = ram.low + (gpa - VRING_GPA) + sizeof(d) * i;

		memcpy(at, is_packed() ? (void *)&d : (void *)&s, 16);
	}
	return (struct pring_buf){ gpa, 16u * nr, VRING_INDIRECT };
}

/* Split: every id has room for a chain of its own where the size allows it. */
static void offer_split(uint16_t id, const struct pring_buf *bufs, uint16_t nr)
{
	uint16_t i;

	for (i = 0; i < nr; i++)
		vring_desc(&m.v, (uint16_t)(id + i), bufs[i].addr, bufs[i].len,
			   (uint16_t)(bufs[i].flags |
				      (i + 1 < nr ? VRING_NEXT : 0)),
			   (uint16_t)(id + i + 1));
	vring_offer(&m.v, id);
}

static bool is_free(uint16_t id, uint16_t nr)
{
	uint16_t i;

	if (is_packed())
		return !m.in_use[id] && m.p.nr_free >= nr;
	for (i = 0; i < nr; i++)
		if (id + i >= m.size || m.in_use[id + i])
			return false;
	return true;
}

static void mark(uint16_t id, bool in_use)
{
	uint16_t i, nr = is_packed() ? 1 : m.nr_descs[id];

	for (i = 0; i < nr; i++)
		m.in_use[id + i] = in_use;
}

static void offer(void)
{
	uint16_t id = (uint16_t)rnd(m.size);
	uint16_t nr = (uint16_t)(1 + rnd(BUFS_MAX));
	bool indirect = has(VIRTQUEUE_F_INDIRECT_DESC) && rnd(2);
	struct pring_buf way;

	if (nr > m.size)
		nr = m.size;
	if (!is_free(id, indirect ? 1 : nr))
		return;
	make_bufs(id, nr);
	if (indirect)
		way = make_table(id);
	m.nr_descs[id] = indirect ? 1 : nr;
	mark(id, true);
	if (is_packed())
		pring_offer(&m.p, id, indirect ? &way : m.bufs[id],
			    m.nr_descs[id]);
	else
		offer_split(id, indirect ? &way : m.bufs[id], m.nr_descs[id]);
	append(&m.available, id);
	if (!is_packed() && rnd(2))
		virtqueue_hint(&vq, m.v.next_avail);
}

static void pop(void)
{
	struct rf_chain chain;
	uint16_t id, i;
	int err;

	virtqueue_begin(&vq, VIRTQUEUE_PASS_MAX);
	CHECK(virtqueue_has_work(&vq) == (m.available.nr > 0));
	err = rf_virtqueue_pop(&vq, &chain);
	CHECK(err == (m.available.nr ? 0 : -EAGAIN));
	if (err)
		return;
	m.asleep = false;
	id = take_at(&m.available, 0);
	CHECK(chain.head == id);
	CHECK(chain.nr_readable + chain.nr_writable == m.nr_bufs[id]);
	for (i = 0; i < m.nr_bufs[id]; i++) {
		const struct pring_buf *b = &m.bufs[id][i];

		CHECK(chain.iov[i].iov_len == b->len);
		CHECK((uint8_t *)chain.iov[i].iov_base ==
		      mem.regions[0].host + (b->addr - VRING_GPA));
		CHECK((i >= chain.nr_readable) == (b->flags == VRING_WRITE));
	}
	append(&m.popped, id);
	append(&m.order, id);
	m.done[id] = false;
}

static void push(void)
{
	uint16_t id;
	uint32_t i;

	if (m.popped.nr == 0)
		return;
	id = take_at(&m.popped, rnd(m.popped.nr));
	m.len[id] = rnd(2) * rnd(1000);
	rf_virtqueue_push(&vq, id, m.len[id]);
	m.done[id] = true;
	if (!has(VIRTQUEUE_F_IN_ORDER)) {
		append(&m.used, id);
		for (i = 0; m.order.ids[i] != id; i++)
			;
		(void)take_at(&m.order, i);
	}
	while (has(VIRTQUEUE_F_IN_ORDER) && m.order.nr > 0 &&
	       m.done[m.order.ids[0]])
		append(&m.used, take_at(&m.order, 0));
}

static void decide(void)
{
	m.told |= virtqueue_end(&vq);
	/* Asked for, there, decided: told. */
	if (m.wants_next && m.used.nr > 0)
		CHECK(m.told);
}

static void take(void)
{
	struct vring_used used;
	bool found;
	uint16_t id;

	decide();
	found = is_packed() ? pring_take(&m.p, &used) : vring_take(&m.v, &used);
	CHECK(found == (m.used.nr > 0));
	if (!found)
		return;
	id = take_at(&m.used, 0);
	CHECK(used.id == id);
	CHECK(used.len == m.len[id]);
	mark(id, false);
	m.wants_next = false;
}

/* The driver's arming: wishes, looks, and sleeps if nothing is there. */
static void driver_sleep(void)
{
	if (is_packed())
		pring_set_event(&m.p, m.p.next_used, m.p.used_wrap,
				has(VIRTQUEUE_F_EVENT_IDX) ? PRING_DESC
							   : PRING_ENABLE);
	else if (has(VIRTQUEUE_F_EVENT_IDX))
		vring_set_used_event(&m.v, m.v.next_used);
	else
		m.v.avail[0] = 0;
	m.told = false;
	m.wants_next = m.used.nr == 0;
}

static void driver_wakes(void)
{
	m.wants_next = false;
	if (is_packed())
		pring_set_event(&m.p, 0, false, PRING_DISABLE);
	else if (!has(VIRTQUEUE_F_EVENT_IDX))
		m.v.avail[0] = 1;
}

static void device_sleep(void)
{
	decide();
	virtqueue_arm(&vq);
	CHECK(virtqueue_has_work(&vq) == (m.available.nr > 0));
}

static const struct virtqueue_layout *layout(void)
{
	static struct virtqueue_layout l;

	l = (struct virtqueue_layout){ VRING_DESC, VRING_AVAIL, VRING_USED,
				       m.size };
	return &l;
}

/* Only when nothing is under way, as the runtime sees to. */
static void restart(void)
{
	uint32_t base;

	while (m.popped.nr > 0)
		push();
	decide();
	base = virtqueue_stop(&vq);
	CHECK(virtqueue_start(&vq, layout(), base, m.features) == 0);
	m.wants_next = false;
}

static void step(void)
{
	static void (*const steps[])(void) = {
		offer, offer, offer,  offer,	    pop,	  pop,
		pop,   push,  push,   push,	    take,	  take,
		take,  take,  decide, driver_sleep, driver_wakes, device_sleep,
	};

	if (rnd(200) == 0)
		restart();
	else
		steps[rnd(RF_ARRAY_LEN(steps))]();
}

static void run(uint32_t seed)
{
	static const uint64_t choice[] = { VIRTQUEUE_F_INDIRECT_DESC,
					   VIRTQUEUE_F_EVENT_IDX,
					   VIRTQUEUE_F_IN_ORDER };
	uint32_t i, base = 0;

	memset(&m, 0, sizeof(m));
	m.seed = m.first_seed = seed;
	m.features = seed & 1 ? VIRTQUEUE_F_RING_PACKED : 0;
	for (i = 0; i < RF_ARRAY_LEN(choice); i++)
		m.features |= rnd(2) ? choice[i] : 0;
	m.size = (uint16_t)(is_packed() ? 1 + rnd(QUEUE_MAX) : 1u << rnd(5));
	if (is_packed()) {
		pring_init(&m.p, ram.low, m.size);
		base = PRING_BASE;
	} else {
		vring_init(&m.v, ram.low, m.size);
		m.v.next_avail = m.v.next_used = (uint16_t)(0u - rnd(99));
		m.v.avail[1] = m.v.used[1] = m.v.next_avail;
		base = m.v.next_avail;
	}
	virtqueue_init(&vq, 0, &mem, iov, slots, QUEUE_MAX);
	CHECK(virtqueue_start(&vq, layout(), base, m.features) == 0);
	for (i = 0; i < STEPS; i++)
		step();
}

START_TEST(any_order_of_steps_is_as_the_model_says)
{
	uint32_t seed;

	ram_new(&ram);
	ck_assert_int_eq(guestmem_set_table(&mem, ram.table, ram.fds, 2, false),
			 0);
	for (seed = 1; seed <= 400; seed++)
		run(seed);
	guestmem_clear(&mem);
	ram_free(&ram);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		any_order_of_steps_is_as_the_model_says,
	};

	return unit_run("queue_model", tests, RF_ARRAY_LEN(tests));
}
