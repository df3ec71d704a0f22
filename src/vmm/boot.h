/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * boot.h - what every kernel is told at its entry, and where that stands
 *
 * All of it lies below 640 KiB, where nothing is loaded:
 *
 *   0x00500  a GDT                        boot.c
 *   0x06000  struct pvh_start_info        pvh.c
 *   0x06040  struct pvh_module            pvh.c
 *   0x07000  the memory map               pvh.c
 *   0x08000  the zero page                linux64.c
 *   0x09000  page tables, six pages       linux64.c
 *   0x20000  the kernel command line
 *
 * The ACPI tables stand from 0xe0000 on, see acpi.h.
 */
#ifndef RINGFENCE_VMM_BOOT_H
#define RINGFENCE_VMM_BOOT_H

#include <linux/kvm.h>

#include <ringfence/base.h>

#include "vmm/memory.h"

#define BOOT_GDT_GPA 0x500u
#define BOOT_GDT_ENTRIES 6u
#define BOOT_CMDLINE_GPA 0x20000u
#define BOOT_CMDLINE_BYTES 4096u /* with its NUL; kernels may take less */

struct boot_info {
	const char *cmdline;
	uint64_t rsdp_gpa;   /* 0: no ACPI tables */
	uint64_t initrd_gpa; /* if initrd_bytes */
	uint64_t initrd_bytes;
};

/* The table of flat segments, for 64-bit or 32-bit mode. */
RF_MUST_CHECK int boot_write_gdt(const struct memory *mem, bool is_64);
/* All segment and table registers but the LDT's, which stays empty as KVM made
 * it: the same segments. */
void boot_segments(struct kvm_sregs *sregs, bool is_64);

#endif
