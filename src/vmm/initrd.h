/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * initrd.h - the initramfs: where it goes in guest memory, and into it
 */
#ifndef RINGFENCE_VMM_INITRD_H
#define RINGFENCE_VMM_INITRD_H

#include <ringfence/base.h>

#include "vmm/memory.h"

#define INITRD_WHY_BYTES 160u

struct initrd_room {
	uint64_t start; /* behind the kernel */
	uint64_t last;	/* the last address it may occupy */
};

/* As high as it goes below the hole, on a page of its own: a kernel grows from
 * below. -ERANGE: there is no such place; `left` then gets the bytes that are
 * there. */
RF_MUST_CHECK int initrd_place(const struct memory *mem,
			       const struct initrd_room *room, uint64_t bytes,
			       uint64_t *gpa, uint64_t *left);

/* Place and read the file of `bytes` behind fd. On failure `why` holds a
 * clause. */
RF_MUST_CHECK int initrd_load(int fd, uint64_t bytes, const struct memory *mem,
			      const struct initrd_room *room, uint64_t *gpa,
			      char why[INITRD_WHY_BYTES]);

#endif
