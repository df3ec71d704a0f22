/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * pvh.c - what a PVH kernel finds when it is entered
 *
 * Side:    vmm.
 * Owns:    nothing; the guest may overwrite all of it once it runs.
 * Callers: main.c: memory and sregs before the filter, regs when the entry
 *          point is known.
 * Never:   reads back what it wrote.
 */
#include <errno.h>
#include <string.h>

#include "vmm/elf.h"
#include "vmm/pvh.h"

/* Intel SDM volume 3, 3.4.5: type 0xb code, execute/read, accessed; 0x3 data,
 * read/write, accessed; 0xb system: 32-bit task, busy. */
enum { PVH_TYPE_CODE = 0xb, PVH_TYPE_DATA = 0x3, PVH_TYPE_TASK = 0xb };
enum { PVH_CR0_PE = 1u << 0, PVH_CR0_ET = 1u << 4 };
enum { PVH_SEL_CODE = 0x08, PVH_SEL_DATA = 0x10, PVH_SEL_TASK = 0x18 };

/* The same descriptors as in pvh_sregs: a guest that reloads a selector before
 * it has a table of its own must find what it already has. */
static const uint64_t pvh_gdt[4] = {
	0, 0x00cf9b000000ffffull, /* code: base 0, 4 GiB, 32-bit */
	0x00cf93000000ffffull,	  /* data: the same */
	0x00008b0000000067ull,	  /* task: base 0, 0x67, busy */
};

static uint32_t fill_memmap(const struct memory *mem,
			    struct pvh_memmap_entry *map)
{
	const struct memory_region *low = &mem->regions[0];
	uint32_t n = 0;

	map[n++] = (struct pvh_memmap_entry){ 0, PVH_LOW_RAM_END,
					      PVH_MEMORY_RAM, 0 };
	/* Where a PC has its video memory and ROMs. */
	map[n++] = (struct pvh_memmap_entry){ PVH_LOW_RAM_END,
					      ELF_LOAD_MIN - PVH_LOW_RAM_END,
					      PVH_MEMORY_RESERVED, 0 };
	map[n++] = (struct pvh_memmap_entry){ ELF_LOAD_MIN,
					      low->bytes - ELF_LOAD_MIN,
					      PVH_MEMORY_RAM, 0 };
	if (mem->nr_regions > 1)
		map[n++] = (struct pvh_memmap_entry){ mem->regions[1].gpa,
						      mem->regions[1].bytes,
						      PVH_MEMORY_RAM, 0 };
	return n;
}

int pvh_write(const struct memory *mem, const char *cmdline)
{
	struct pvh_memmap_entry map[4];
	struct pvh_start_info info = {
		.magic = PVH_MAGIC,
		.version = 1,
		.cmdline_paddr = PVH_CMDLINE_GPA,
		.memmap_paddr = PVH_MEMMAP_GPA,
	};
	size_t len = strlen(cmdline);
	int rc;

	if (len >= PVH_CMDLINE_BYTES)
		return -EINVAL;
	info.memmap_entries = fill_memmap(mem, map);
	rc = memory_write(mem, PVH_GDT_GPA, pvh_gdt, sizeof(pvh_gdt));
	if (rc == 0)
		rc = memory_write(mem, PVH_MEMMAP_GPA, map,
				  info.memmap_entries * sizeof(map[0]));
	if (rc == 0)
		rc = memory_write(mem, PVH_CMDLINE_GPA, cmdline, len + 1);
	if (rc == 0)
		rc = memory_write(mem, PVH_START_INFO_GPA, &info, sizeof(info));
	return rc;
}

static struct kvm_segment flat(uint16_t selector, uint8_t type)
{
	return (struct kvm_segment){
		.limit = 0xffffffff,
		.selector = selector,
		.type = type,
		.present = 1,
		.db = 1,
		.s = 1,
		.g = 1,
	};
}

void pvh_sregs(struct kvm_sregs *sregs)
{
	const struct kvm_segment data = flat(PVH_SEL_DATA, PVH_TYPE_DATA);

	sregs->cs = flat(PVH_SEL_CODE, PVH_TYPE_CODE);
	sregs->ds = data;
	sregs->es = data;
	sregs->fs = data;
	sregs->gs = data;
	sregs->ss = data;
	sregs->tr = (struct kvm_segment){
		.limit = 0x67,
		.selector = PVH_SEL_TASK,
		.type = PVH_TYPE_TASK,
		.present = 1,
	};
	sregs->gdt = (struct kvm_dtable){ .base = PVH_GDT_GPA,
					  .limit = sizeof(pvh_gdt) - 1 };
	sregs->idt = (struct kvm_dtable){ 0 };
	sregs->cr0 = PVH_CR0_PE | PVH_CR0_ET;
	sregs->cr3 = 0;
	sregs->cr4 = 0;
	sregs->efer = 0;
}

void pvh_regs(struct kvm_regs *regs, uint32_t entry)
{
	*regs = (struct kvm_regs){
		.rip = entry,
		.rbx = PVH_START_INFO_GPA,
		.rflags = 2, /* bit 1 always reads as one */
	};
}
