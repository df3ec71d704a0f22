/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * pvh.c - what a PVH kernel finds when it is entered
 *
 * Side:    vmm.
 * Owns:    nothing; the guest may overwrite all of it once it runs.
 * Callers: kernel.c, when the kernel is loaded.
 * Never:   reads back what it wrote.
 */
#include <errno.h>
#include <string.h>

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

int pvh_write(const struct memory *mem, const struct boot_info *boot)
{
	struct memmap_entry map[MEMMAP_ENTRIES_MAX];
	struct pvh_start_info info = {
		.magic = PVH_MAGIC,
		.version = 1,
		.cmdline_paddr = BOOT_CMDLINE_GPA,
		.rsdp_paddr = boot->rsdp_gpa,
		.memmap_paddr = PVH_MEMMAP_GPA,
	};
	const struct pvh_module initrd = { .paddr = boot->initrd_gpa,
					   .bytes = boot->initrd_bytes };
	size_t len = strlen(boot->cmdline);
	int rc;

	if (len >= BOOT_CMDLINE_BYTES)
		return -EINVAL;
	if (boot->initrd_bytes) {
		info.nr_modules = 1;
		info.modlist_paddr = PVH_MODULES_GPA;
	}
	info.memmap_entries = memmap_fill(mem, map);
	rc = memory_write(mem, BOOT_GDT_GPA, pvh_gdt, sizeof(pvh_gdt));
	if (rc == 0)
		rc = memory_write(mem, PVH_MEMMAP_GPA, map,
				  info.memmap_entries * sizeof(map[0]));
	if (rc == 0)
		rc = memory_write(mem, PVH_MODULES_GPA, &initrd,
				  sizeof(initrd));
	if (rc == 0)
		rc = memory_write(mem, BOOT_CMDLINE_GPA, boot->cmdline,
				  len + 1);
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
	sregs->gdt = (struct kvm_dtable){ .base = BOOT_GDT_GPA,
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
