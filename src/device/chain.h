/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * chain.h - one descriptor chain, judged and translated
 *
 * chain_collect() follows the descriptors of a head and fills a struct
 * rf_chain with pieces of guest memory. No state of its own: what it needs to
 * know of the queue is in struct chain_source.
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
