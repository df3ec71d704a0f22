/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * memory.h - guest RAM: one sealed memfd, seen by the guest in two pieces
 *
 * RAM stands at guest address 0 up to MEMORY_HOLE_START; what does not fit goes
 * on at MEMORY_HIGH_START. Between the two lie the device registers, the
 * interrupt controllers and what KVM needs for itself.
 */
#ifndef RINGFENCE_VMM_MEMORY_H
#define RINGFENCE_VMM_MEMORY_H

#include <ringfence/base.h>

#define MEMORY_HOLE_START 0xc0000000ull
#define MEMORY_HIGH_START 0x100000000ull
#define MEMORY_BYTES_MIN 0x200000ull
#define MEMORY_BYTES_MAX 0x10000000000ull
#define MEMORY_REGIONS_MAX 2u

struct memory_region {
	uint64_t gpa;
	uint64_t bytes;
	uint64_t offset; /* into the memfd, and from base */
};

struct memory {
	uint8_t *base;
	uint64_t bytes;
	int fd; /* owned */
	uint32_t nr_regions;
	struct memory_region regions[MEMORY_REGIONS_MAX];
};

/* Make it, with the descriptor at the number `place` (-1: wherever). `bytes`
 * is a multiple of 4096 within MEMORY_BYTES_MIN..MAX, else -EINVAL. */
RF_MUST_CHECK int memory_new(uint64_t bytes, int place, struct memory *out);
void memory_free(struct memory *mem);

/* Where [gpa, gpa + len) is. -ERANGE: not all of it lies in one region. The
 * bytes are the guest's: they change while we look. */
RF_MUST_CHECK int memory_at(const struct memory *mem, uint64_t gpa,
			    uint64_t len, uint8_t **out);

/* Copy in and out; -ERANGE as above, and then nothing was copied. */
RF_MUST_CHECK int memory_write(const struct memory *mem, uint64_t gpa,
			       const void *src, uint64_t len);
RF_MUST_CHECK int memory_read(const struct memory *mem, uint64_t gpa, void *dst,
			      uint64_t len);

/* Fill from a file. -ERANGE as above. -EPROTO: the file ends before that. */
RF_MUST_CHECK int memory_pread(const struct memory *mem, uint64_t gpa, int fd,
			       uint64_t offset, uint64_t len);

#endif
