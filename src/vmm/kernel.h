/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * kernel.h - a kernel image of any kind we know, loaded
 */
#ifndef RINGFENCE_VMM_KERNEL_H
#define RINGFENCE_VMM_KERNEL_H

#include <linux/kvm.h>

#include <ringfence/base.h>

#include "vmm/boot.h"
#include "vmm/bzimage.h"
#include "vmm/memory.h"

/* What Linux takes if the image does not say (COMMAND_LINE_SIZE - 1). */
#define KERNEL_CMDLINE_MAX 2047u

enum kernel_protocol {
	KERNEL_PVH,	/* pvh.c: an ELF file with the note */
	KERNEL_LINUX64, /* linux64.c: vmlinux without it, or a bzImage */
};

struct kernel {
	enum kernel_protocol protocol;
	uint64_t entry;
	uint64_t end;	      /* behind the memory it wants for itself */
	uint32_t cmdline_max; /* bytes without the NUL */
	uint64_t initrd_max;  /* the last address an initramfs may occupy */
	bool has_header;      /* a bzImage's */
	struct setup_header header;
};

/* Load the file of `file_bytes` behind fd. -EPROTO: it is no kernel.
 * -ERANGE: it does not fit the guest's memory. `why` then, and with other
 * errors (the read failed), gets a static clause. */
RF_MUST_CHECK int kernel_load(int fd, uint64_t file_bytes,
			      const struct memory *mem, struct kernel *out,
			      const char **why);

/* Write what it is told at its entry. */
RF_MUST_CHECK int kernel_tell(const struct kernel *k, const struct memory *mem,
			      const struct boot_info *info);

/* How the first vCPU enters it. `sregs` comes as KVM has it. */
void kernel_registers(const struct kernel *k, struct kvm_sregs *sregs,
		      struct kvm_regs *regs);

#endif
