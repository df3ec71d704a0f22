/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * bzimage.h - load a packed Linux kernel with a 64-bit entry
 *
 * The file, as Linux's Documentation/arch/x86/boot.rst has it:
 *
 *   0x000  boot sector; at 0x1f1 the setup header
 *   0x200  real-mode code, not used: setup_sects sectors with the header's
 *   ...    the kernel that unpacks itself, entered 0x200 bytes behind its start
 */
#ifndef RINGFENCE_VMM_BZIMAGE_H
#define RINGFENCE_VMM_BZIMAGE_H

#include <asm/bootparam.h>
#include <assert.h>

#include <ringfence/base.h>

#include "vmm/memory.h"

#define BZIMAGE_HEADER 0x1f1u
#define BZIMAGE_MAGIC_AT 0x202u
#define BZIMAGE_MAGIC 0x53726448u /* "HdrS" */
#define BZIMAGE_VERSION_MIN 0x020cu
#define BZIMAGE_ENTRY_64 0x200u

static_assert(offsetof(struct setup_header, jump) == 0x200 - BZIMAGE_HEADER,
	      "boot.rst");
static_assert(offsetof(struct setup_header, header) ==
		      BZIMAGE_MAGIC_AT - BZIMAGE_HEADER,
	      "boot.rst");
static_assert(offsetof(struct setup_header, init_size) ==
		      0x260 - BZIMAGE_HEADER,
	      "boot.rst");

struct bzimage {
	uint64_t entry;	      /* physical, 64-bit mode */
	uint64_t end;	      /* behind the memory it needs to unpack itself */
	uint32_t cmdline_max; /* bytes without the NUL */
	uint32_t initrd_max;  /* the last address an initramfs may occupy */
	/* For the zero page. The file's, for the kernel to read back what it
	 * said itself: nothing here decides by it any more. */
	struct setup_header header;
};

/* Load the file of `file_bytes` behind fd. Everything is judged before the
 * first byte is copied. Errors and `why` as those of elf_load(). */
RF_MUST_CHECK int bzimage_load(int fd, uint64_t file_bytes,
			       const struct memory *mem, struct bzimage *out,
			       const char **why);

#endif
