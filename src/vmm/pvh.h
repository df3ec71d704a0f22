/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * pvh.h - what a PVH kernel finds when it is entered
 *
 * Where all of it stands is told in boot.h.
 */
#ifndef RINGFENCE_VMM_PVH_H
#define RINGFENCE_VMM_PVH_H

#include <assert.h>

#include <linux/kvm.h>

#include <ringfence/base.h>

#include "vmm/boot.h"
#include "vmm/memmap.h"
#include "vmm/memory.h"

#define PVH_START_INFO_GPA 0x6000u
#define PVH_MODULES_GPA 0x6040u
#define PVH_MEMMAP_GPA 0x7000u
#define PVH_MAGIC 0x336ec578u

/* Xen's public arch-x86/hvm/start_info.h, version 1 */
struct pvh_start_info {
	uint32_t magic;
	uint32_t version;
	uint32_t flags;
	uint32_t nr_modules;
	uint64_t modlist_paddr;
	uint64_t cmdline_paddr;
	uint64_t rsdp_paddr;
	uint64_t memmap_paddr;
	uint32_t memmap_entries;
	uint32_t reserved;
};
static_assert(sizeof(struct pvh_start_info) == 56, "start_info.h");
static_assert(offsetof(struct pvh_start_info, memmap_paddr) == 40,
	      "start_info.h");

struct pvh_module {
	uint64_t paddr;
	uint64_t bytes;
	uint64_t cmdline_paddr;
	uint64_t reserved;
};
static_assert(sizeof(struct pvh_module) == 32, "start_info.h");
static_assert(PVH_START_INFO_GPA + sizeof(struct pvh_start_info) <=
		      PVH_MODULES_GPA,
	      "boot.h");

/* Write all of it into guest memory. -EINVAL: the command line is longer than
 * BOOT_CMDLINE_BYTES - 1. */
RF_MUST_CHECK int pvh_write(const struct memory *mem,
			    const struct boot_info *boot);

/* The state of the first vCPU: 32-bit protected mode, flat, paging off. */
void pvh_sregs(struct kvm_sregs *sregs);
void pvh_regs(struct kvm_regs *regs, uint32_t entry);

#endif
