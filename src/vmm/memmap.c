/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * memmap.c - where memory is, as a kernel is told at its entry
 *
 * Side:    vmm.
 * Owns:    nothing.
 * Callers: pvh.c, linux64.c.
 * Never:   tells of the hole below 4 GiB: what is not in the list is no memory.
 */
#include "vmm/memmap.h"

uint32_t memmap_fill(const struct memory *mem,
		     struct memmap_entry map[MEMMAP_ENTRIES_MAX])
{
	const struct memory_region *low = &mem->regions[0];
	uint32_t n = 0;

	map[n++] = (struct memmap_entry){ 0, MEMMAP_LOW_RAM_END, MEMMAP_RAM,
					  0 };
	map[n++] = (struct memmap_entry){ MEMMAP_LOW_RAM_END,
					  MEMMAP_LOAD_MIN - MEMMAP_LOW_RAM_END,
					  MEMMAP_RESERVED, 0 };
	map[n++] = (struct memmap_entry){ MEMMAP_LOAD_MIN,
					  low->bytes - MEMMAP_LOAD_MIN,
					  MEMMAP_RAM, 0 };
	if (mem->nr_regions > 1)
		map[n++] = (struct memmap_entry){ mem->regions[1].gpa,
						  mem->regions[1].bytes,
						  MEMMAP_RAM, 0 };
	return n;
}
