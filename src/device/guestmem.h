/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * guestmem.h - guest memory as a device process sees it
 *
 * In order of use:
 *   guestmem_set_table()   with each SET_MEM_TABLE, before SEAL
 *   guestmem_ring()        where a ring lies; guestmem_translate() a buffer
 *   guestmem_clear()
 * One thread. Nothing here allocates memory of the process's own.
 */
#ifndef DEVICE_GUESTMEM_H
#define DEVICE_GUESTMEM_H

#include <sys/uio.h>

#include <ringfence/vhost_user.h>

struct guestmem_region {
	uint64_t gpa;
	uint64_t user_addr; /* the front-end's name for the same bytes */
	uint64_t size_bytes;
	uint8_t *host;
};

struct guestmem {
	uint32_t nr_regions;
	struct guestmem_region regions[RF_VHOST_USER_REGIONS_MAX];
};

/* Map the regions of a table and only then let go of the old ones: on failure
 * `mem` is as it was. `fds` are borrowed, one a region; the mappings outlive
 * them. allow_unsealed: take memory whose sender could shrink it (SIGBUS).
 *   -EPROTO   the table wraps, overlaps, reaches beyond a file, is empty or
 *             not aligned to pages in the file
 *   -EPERM    no F_SEAL_SHRINK
 *   -errno    fstat or mmap refused */
RF_MUST_CHECK int guestmem_set_table(struct guestmem *mem,
				     const struct rf_vhost_user_region *table,
				     const int *fds, uint32_t nr,
				     bool allow_unsealed);

void guestmem_clear(struct guestmem *mem);

/* [gpa, gpa + len) as iovecs: one, or several where the range runs on into an
 * adjacent region. len 0 gives none. Writes their number to `nr`; on failure
 * that is left alone, `out` is not.
 *   -ERANGE   part of it is not guest memory
 *   -ENOSPC   more than `max` pieces */
RF_MUST_CHECK int guestmem_translate(const struct guestmem *mem, uint64_t gpa,
				     uint64_t len_bytes, struct iovec *out,
				     uint32_t max, uint32_t *nr);

/* Copy out of guest memory, once: the caller judges the copy. -ERANGE. */
RF_MUST_CHECK int guestmem_read(const struct guestmem *mem, uint64_t gpa,
				void *buf, uint32_t len_bytes);

/* [gpa, gpa + len) if it lies whole within one region, else NULL. */
const uint8_t *guestmem_at(const struct guestmem *mem, uint64_t gpa,
			   uint32_t len_bytes);

/* A ring part at a front-end's address, whole within one region and aligned,
 * or NULL. */
void *guestmem_ring(const struct guestmem *mem, uint64_t user_addr,
		    uint64_t len_bytes, uint32_t align);

#endif
