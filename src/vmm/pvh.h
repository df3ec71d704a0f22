/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * pvh.h - what a PVH kernel finds when it is entered
 *
 * All of it lies below 1 MiB, where elf.c lets nothing be loaded:
 *
 *   0x00500  GDT: null, code, data, task
 *   0x06000  struct pvh_start_info; ebx points here
 *   0x07000  the memory map
 *   0x20000  the kernel command line
 */
#ifndef RINGFENCE_VMM_PVH_H
#define RINGFENCE_VMM_PVH_H

#include <assert.h>

#include <linux/kvm.h>

#include <ringfence/base.h>

#include "vmm/memory.h"

#define PVH_GDT_GPA 0x500u
#define PVH_START_INFO_GPA 0x6000u
#define PVH_MEMMAP_GPA 0x7000u
#define PVH_CMDLINE_GPA 0x20000u
#define PVH_CMDLINE_BYTES 2048u /* with its NUL; Linux takes no more */
#define PVH_LOW_RAM_END 0x9fc00u
#define PVH_MAGIC 0x336ec578u

enum pvh_memory_type { PVH_MEMORY_RAM = 1, PVH_MEMORY_RESERVED = 2 };

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

struct pvh_memmap_entry {
	uint64_t addr;
	uint64_t bytes;
	uint32_t type; /* enum pvh_memory_type */
	uint32_t reserved;
};
static_assert(sizeof(struct pvh_memmap_entry) == 24, "start_info.h");

/* Write all of it into guest memory. -EINVAL: the command line is longer than
 * PVH_CMDLINE_BYTES - 1. */
RF_MUST_CHECK int pvh_write(const struct memory *mem, const char *cmdline);

/* The state of the first vCPU: 32-bit protected mode, flat, paging off. */
void pvh_sregs(struct kvm_sregs *sregs);
void pvh_regs(struct kvm_regs *regs, uint32_t entry);

#endif
