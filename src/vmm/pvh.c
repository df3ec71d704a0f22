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

enum { PVH_CR0_PE = 1u << 0, PVH_CR0_ET = 1u << 4 };

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
	rc = boot_write_gdt(mem, false);
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

void pvh_sregs(struct kvm_sregs *sregs)
{
	boot_segments(sregs, false);
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
