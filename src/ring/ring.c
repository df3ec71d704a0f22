/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * ring.c - the one-page ring, both ends, believing the other end nothing
 *
 * Side:    device (consumer), vCPU process (producer for `exit` and
 *          `coalesced`, consumer of KVM's own legacy ring).
 * Owns:    nothing; the page and the consumer are the caller's.
 * Callers: src/device, src/ring/doorbell*.c, through <ringfence/ring.h>.
 * Never:   reads a shared index twice, keeps one it has not judged, loops on
 *          a bound the other side can raise.
 *
 * Memory order. Each index has one writer. The producer fills a slot, then
 * stores `last` with release; the consumer loads `last` with acquire, so that
 * it sees the slot. The consumer copies the slot, then stores `first` with
 * release; the producer loads `first` with acquire, so that it does not fill a
 * slot that is still being copied. KVM does the same with its barriers.
 *
 * Indices are only ever stored as slot numbers below RF_RING_SLOTS, wrapped by
 * hand: 170 divides no power of two, so a free-running counter taken modulo
 * 170 would jump where it overflows.
 */
#include <errno.h>

#include <ringfence/ring.h>

static bool is_valid_index(uint32_t index)
{
	return index < RF_RING_SLOTS;
}

/* Both are valid, so nothing overflows. */
static uint32_t advance(uint32_t index, uint32_t by)
{
	index += by;
	return index < RF_RING_SLOTS ? index : index - RF_RING_SLOTS;
}

static uint32_t distance(uint32_t first, uint32_t last)
{
	return last >= first ? last - first : last + RF_RING_SLOTS - first;
}

/* Out of memory that changes under us, once: the fence keeps a compiler from
 * reading the shared slot again where we mean our copy. */
static struct rf_ring_entry copy_entry(const struct rf_ring_entry *shared)
{
	struct rf_ring_entry copy = *shared;

	__atomic_signal_fence(__ATOMIC_ACQ_REL);
	return copy;
}

static int blame(struct rf_ring_consumer *c, const char *name, uint32_t index)
{
	c->bad_name = name;
	c->bad_index = index;
	return -EPROTO;
}

int rf_ring_consumer_init(struct rf_ring_consumer *c, struct rf_ring_page *page)
{
	uint32_t first = __atomic_load_n(&page->first, __ATOMIC_RELAXED);
	uint32_t last = __atomic_load_n(&page->last, __ATOMIC_ACQUIRE);

	*c = (struct rf_ring_consumer){ .page = page };
	if (!is_valid_index(first))
		return blame(c, "first", first);
	if (!is_valid_index(last))
		return blame(c, "last", last);
	c->first = first;
	return 0;
}

bool rf_ring_has_entries(const struct rf_ring_consumer *c)
{
	/* A `last` that is out of range counts: draining will name it. */
	return __atomic_load_n(&c->page->last, __ATOMIC_ACQUIRE) != c->first;
}

/* How many slots are ours to read now; at most RF_RING_USABLE. */
static int count_entries(struct rf_ring_consumer *c, uint32_t *nr)
{
	uint32_t last = __atomic_load_n(&c->page->last, __ATOMIC_ACQUIRE);

	if (!is_valid_index(last))
		return blame(c, "last", last);
	*nr = distance(c->first, last);
	return 0;
}

static void give_back(struct rf_ring_consumer *c, uint32_t nr)
{
	if (nr == 0)
		return;
	c->first = advance(c->first, nr);
	__atomic_store_n(&c->page->first, c->first, __ATOMIC_RELEASE);
}

int rf_ring_drain(struct rf_ring_consumer *c, struct rf_ring_entry *entries,
		  uint32_t cap, uint32_t *nr)
{
	uint32_t waiting;
	uint32_t i;
	int err;

	err = count_entries(c, &waiting);
	if (err)
		return err;
	if (waiting > cap)
		waiting = cap;
	for (i = 0; i < waiting; i++)
		entries[i] = copy_entry(
			&c->page->entries[advance(c->first, i)]);
	give_back(c, waiting);
	*nr = waiting;
	return 0;
}

int rf_ring_drain_each(struct rf_ring_consumer *c, rf_ring_fn *fn, void *ctx,
		       uint32_t *nr)
{
	uint32_t waiting;
	uint32_t i;
	int err;

	err = count_entries(c, &waiting);
	if (err)
		return err;
	for (i = 0; i < waiting; i++) {
		const struct rf_ring_entry entry = copy_entry(
			&c->page->entries[advance(c->first, i)]);

		fn(ctx, &entry);
	}
	give_back(c, waiting);
	*nr = waiting;
	return 0;
}

int rf_ring_push(struct rf_ring_page *page, const struct rf_ring_entry *entry)
{
	/* Ours, but it lies in a page the other side can write: judged too. */
	uint32_t last = __atomic_load_n(&page->last, __ATOMIC_RELAXED);
	uint32_t first = __atomic_load_n(&page->first, __ATOMIC_ACQUIRE);
	uint32_t next;

	if (!is_valid_index(last) || !is_valid_index(first))
		return -EPROTO;
	next = advance(last, 1);
	if (next == first)
		return -ENOSPC;
	page->entries[last] = *entry;
	__atomic_store_n(&page->last, next, __ATOMIC_RELEASE);
	return 0;
}
