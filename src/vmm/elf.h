/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * elf.h - load an x86 kernel: an ELF file that says where PVH enters it, or a
 *         64-bit Linux
 *
 * 32-bit and 64-bit files for i386 and x86-64. Segments go to their physical
 * addresses, which must lie at or above MEMMAP_LOAD_MIN: below it stands what
 * the kernel is told at its entry.
 */
#ifndef RINGFENCE_VMM_ELF_H
#define RINGFENCE_VMM_ELF_H

#include <ringfence/base.h>

#include "vmm/memory.h"

#define ELF_SEGMENTS_MAX 64u
#define ELF_NOTES_MAX 256u

struct elf_image {
	uint64_t entry; /* physical, below 4 GiB */
	/* No PVH note: it is entered in 64-bit mode, see linux64.h. */
	bool is_linux64;
	uint32_t nr_segments; /* loaded */
	uint64_t end;	      /* behind the last byte loaded */
};

/* Load the file of `file_bytes` behind fd. Everything is judged before the
 * first byte is copied. -EPROTO: not such a file. -ERANGE: it does not fit the
 * guest's memory. `why` then gets a static clause that says what is wrong with
 * the file; with other errors (the read failed) too. */
RF_MUST_CHECK int elf_load(int fd, uint64_t file_bytes,
			   const struct memory *mem, struct elf_image *out,
			   const char **why);

#endif
