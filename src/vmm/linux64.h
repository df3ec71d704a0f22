/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * linux64.h - what Linux finds when it is entered in 64-bit mode
 *
 * Linux's Documentation/arch/x86/boot.rst, "64-bit boot protocol": long mode,
 * flat segments, paging on, the zero page's address in rsi. The lowest 4 GiB
 * are mapped one to one.
 */
#ifndef RINGFENCE_VMM_LINUX64_H
#define RINGFENCE_VMM_LINUX64_H

#include <asm/bootparam.h>
#include <linux/kvm.h>

#include <ringfence/base.h>

#include "vmm/boot.h"
#include "vmm/memory.h"

#define LINUX64_ZERO_PAGE_GPA 0x8000u
#define LINUX64_TABLES_GPA 0x9000u /* one of 512 GiB, one of 1 GiB, four */
#define LINUX64_NR_TABLES 6u
#define LINUX64_MAPPED_BYTES 0x100000000ull

/* Write all of it into guest memory. `header` is that of a bzImage, or NULL for
 * a kernel that has none (vmlinux). -EINVAL: the command line is longer than
 * BOOT_CMDLINE_BYTES - 1, or the initramfs lies beyond 4 GiB. */
RF_MUST_CHECK int linux64_write(const struct memory *mem,
				const struct setup_header *header,
				const struct boot_info *info);

/* The state of the first vCPU. */
void linux64_sregs(struct kvm_sregs *sregs);
void linux64_regs(struct kvm_regs *regs, uint64_t entry);

#endif
