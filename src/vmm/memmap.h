/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * memmap.h - where memory is, as a kernel is told at its entry
 *
 * The same list for PVH and, entry by entry, for Linux's zero page: both use
 * the numbers of BIOS call e820 for the types.
 */
#ifndef RINGFENCE_VMM_MEMMAP_H
#define RINGFENCE_VMM_MEMMAP_H

#include <assert.h>

#include <ringfence/base.h>

#include "vmm/memory.h"

/* Below it: what a kernel finds at its entry (boot.h). */
#define MEMMAP_LOW_RAM_END 0x9fc00u
/* Kernels and what goes with them are loaded from here on. Between the two a
 * PC has its video memory and ROMs, and we have the ACPI tables. */
#define MEMMAP_LOAD_MIN 0x100000ull
#define MEMMAP_ENTRIES_MAX 4u

enum memmap_type { MEMMAP_RAM = 1, MEMMAP_RESERVED = 2 };

/* Laid out as in Xen's public arch-x86/hvm/start_info.h. */
struct memmap_entry {
	uint64_t addr;
	uint64_t bytes;
	uint32_t type; /* enum memmap_type */
	uint32_t reserved;
};
static_assert(sizeof(struct memmap_entry) == 24, "start_info.h");

/* Sorted, without overlaps. Returns how many there are. */
uint32_t memmap_fill(const struct memory *mem,
		     struct memmap_entry map[MEMMAP_ENTRIES_MAX]);

#endif
