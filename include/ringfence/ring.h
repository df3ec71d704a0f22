/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * ring.h - the one-page ring that KVM fills and a device process drains
 *
 * Layout: struct kvm_coalesced_mmio_ring of the KVM API (sections 4.116 and
 * 4.144 of the kernel's Documentation/virt/kvm/api.rst), restated here with
 * fixed widths, because the macro in <linux/kvm.h> depends on PAGE_SIZE.
 * 170 slots, 169 usable: one is always empty, so first == last means empty.
 *
 * In order of use, consumer side:
 *   rf_ring_consumer_init()   once, after mapping the page
 *   rf_ring_drain()           whenever poll says so, or when spinning
 * Producer side (the `exit` doorbell and tests; KVM is the producer elsewhere):
 *   rf_ring_push()
 *
 * One consumer. One producer at a time (the caller holds a lock).
 *
 * Sleeping. poll on a KVM buffer fd is level-triggered and needs no care. Where
 * an eventfd wakes the consumer: take the eventfd first, drain then; what is
 * pushed behind that drain's look signals again (src/ring/doorbell.c has the
 * interleavings). Whoever sleeps on anything else, or spins and then sleeps,
 * must look with rf_ring_has_entries() once more after arming the sleep.
 */
#ifndef RINGFENCE_RING_H
#define RINGFENCE_RING_H

#include <assert.h>

#include <ringfence/base.h>

#define RF_RING_BYTES 4096u
#define RF_RING_SLOTS 170u
#define RF_RING_USABLE (RF_RING_SLOTS - 1)

struct rf_ring_entry {
	uint64_t phys_addr; /* guest physical address, or port if pio */
	uint32_t len;	    /* bytes written, 1..8 */
	uint32_t pio;	    /* 1: port I/O */
	uint8_t data[8];    /* little endian on x86, as the guest wrote it */
};
static_assert(sizeof(struct rf_ring_entry) == 24, "KVM API 4.144");
static_assert(offsetof(struct rf_ring_entry, len) == 8, "KVM API 4.144");
static_assert(offsetof(struct rf_ring_entry, pio) == 12, "KVM API 4.144");
static_assert(offsetof(struct rf_ring_entry, data) == 16, "KVM API 4.144");

struct rf_ring_page {
	uint32_t first; /* consumer's */
	uint32_t last;	/* producer's */
	struct rf_ring_entry entries[RF_RING_SLOTS];
	uint8_t pad[8];
};
static_assert(sizeof(struct rf_ring_page) == RF_RING_BYTES, "one page");
static_assert(offsetof(struct rf_ring_page, entries) == 8, "KVM API 4.144");

/* The consumer's own view. `first` is kept here and only ever written to the
 * page: what the other side puts there is not believed. */
struct rf_ring_consumer {
	struct rf_ring_page *page; /* borrowed for the consumer's life */
	uint32_t first;
	uint32_t bad_index;   /* after -EPROTO: the index found out of range */
	const char *bad_name; /* after -EPROTO: "first" or "last" */
};

/* Take over a ring where it stands. -EPROTO: `first` or `last` out of range;
 * bad_index and bad_name say which. */
RF_MUST_CHECK int rf_ring_consumer_init(struct rf_ring_consumer *c,
					struct rf_ring_page *page);

/* True if an entry waits: one acquire load, no system call. */
bool rf_ring_has_entries(const struct rf_ring_consumer *c);

/* Copy out at most `cap` entries in one pass: one acquire load of `last`, one
 * release store of `first`. Whatever the producer does meanwhile, no more than
 * RF_RING_USABLE entries come from one call. Writes the number copied, which
 * may be 0, to `nr`. -EPROTO: `last` out of range; nothing was consumed. */
RF_MUST_CHECK int rf_ring_drain(struct rf_ring_consumer *c,
				struct rf_ring_entry *entries, uint32_t cap,
				uint32_t *nr);

/* The same into a callback, entry by entry, each a copy. `first` is stored
 * once, after the last callback: an entry is given back when it was served. */
typedef void rf_ring_fn(void *ctx, const struct rf_ring_entry *entry);
RF_MUST_CHECK int rf_ring_drain_each(struct rf_ring_consumer *c, rf_ring_fn *fn,
				     void *ctx, uint32_t *nr);

/* Append with the kernel's semantics. -ENOSPC: full (one slot stays empty).
 * -EPROTO: an index in the page is out of range; nothing was written. */
RF_MUST_CHECK int rf_ring_push(struct rf_ring_page *page,
			       const struct rf_ring_entry *entry);

#endif
