/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * chain.h - one descriptor chain, judged and translated
 *
 * chain_collect() follows the descriptors of a split queue's head and fills a
 * struct rf_chain with pieces of guest memory. packed.c walks by itself and
 * gathers with chain_begin() and chain_add(). No state of its own.
 */
#ifndef DEVICE_CHAIN_H
#define DEVICE_CHAIN_H

#include <assert.h>

#include <ringfence/device.h>

#include "device/guestmem.h"

/* virtio 1.2, 2.7.5 */
struct chain_desc {
	uint64_t addr_le;
	uint32_t len_le;
	uint16_t flags_le;
	uint16_t next_le;
};
static_assert(sizeof(struct chain_desc) == 16, "virtio 1.2, 2.7.5");
static_assert(offsetof(struct chain_desc, flags_le) == 12, "virtio 1.2, 2.7.5");

enum {
	CHAIN_DESC_F_NEXT = 1,
	CHAIN_DESC_F_WRITE = 2,
	CHAIN_DESC_F_INDIRECT = 4,
};

/* A chain that is being gathered; the caller walks its descriptors. */
struct chain_walk {
	const struct guestmem *mem;
	struct rf_chain *out;
	uint32_t nr_max;  /* descriptors a chain may have: the queue's size */
	uint32_t nr_seen; /* of them */
	const char *why;  /* after -EPROTO: a static clause */
};

/* Empty `out`; iov has room for RF_CHAIN_IOV_MAX. */
void chain_begin(struct chain_walk *w, struct iovec *iov);

/* One more buffer. -EPROTO. */
RF_MUST_CHECK int chain_add(struct chain_walk *w, uint64_t gpa,
			    uint32_t len_bytes, bool writable);

/* An indirect table, of whichever format: its elements are 16 bytes. -EPROTO:
 * its length, or it is not in guest memory. */
struct chain_table {
	uint64_t gpa;
	const uint8_t *host; /* NULL: not in one piece */
};
RF_MUST_CHECK int chain_open_table(struct chain_walk *w, uint64_t gpa,
				   uint32_t len_bytes, struct chain_table *out);
/* Copy its element `i`, which must be below its length: the only look. */
RF_MUST_CHECK int chain_read_table(struct chain_walk *w,
				   const struct chain_table *table, uint32_t i,
				   void *out, uint32_t len_bytes);

/* Always -EPROTO. */
int chain_lie(struct chain_walk *w, const char *why);

/* A chain of a split queue. */
struct chain_source {
	const struct guestmem *mem;
	const struct chain_desc *table; /* the queue's, in guest memory */
	uint16_t size;			/* descriptors in it */
	bool indirect;			/* VIRTIO_F_INDIRECT_DESC negotiated */
};

/* Fill `out`; its iov must have room for RF_CHAIN_IOV_MAX. -EPROTO: the driver
 * lied; `why` gets a static clause that says how. */
RF_MUST_CHECK int chain_collect(const struct chain_source *src, uint16_t head,
				struct rf_chain *out, const char **why);

#endif
