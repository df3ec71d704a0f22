/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * tiny_vm.h - a VM of one vCPU, 64 KiB and a few bytes of code
 *
 * For tests and benches that need a real write from a real guest and nothing
 * else: 32-bit protected mode, flat segments, no paging, no interrupts.
 * Parameters go in and come out by registers.
 */
#ifndef TESTS_TINY_VM_H
#define TESTS_TINY_VM_H

#include <linux/kvm.h>

#include <ringfence/base.h>
#include <ringfence/ring.h>

#define TINY_VM_BYTES 0x10000u
#define TINY_VM_CODE 0x1000u /* where code is loaded and starts */
#define TINY_VM_DOORBELL 0xd0000050u
#define TINY_VM_END_PORT 0xf4u /* an 8-bit write ends the program */

struct tiny_vm {
	int kvm;
	int vm;
	int vcpu;
	int memory_fd;
	uint8_t *memory;
	struct kvm_run *run;
	size_t run_bytes;
	struct rf_ring_page *legacy; /* NULL: KVM has no coalesced ring */
};

/* -errno of the step that failed, its name in `step` (static text). */
RF_MUST_CHECK int tiny_vm_new(struct tiny_vm *vm, const char **step);
/* Accepts one that is half-built. */
void tiny_vm_free(struct tiny_vm *vm);

/* Registers a program starts with; the rest is 0. */
struct tiny_vm_regs {
	uint32_t eax, ebx, ecx, edx, esi, edi, ebp;
};
void tiny_vm_load(struct tiny_vm *vm, const void *code, size_t len,
		  const struct tiny_vm_regs *regs);

/* ecx times: store (eax & esi) at [ebx], add edi to eax. Then the end. */
extern const uint8_t tiny_vm_ring_loop[];
extern const size_t tiny_vm_ring_loop_len;

/* Run until the next exit. */
enum tiny_vm_exit {
	TINY_VM_END,   /* the program wrote to its end port */
	TINY_VM_WRITE, /* run->mmio is a write */
	TINY_VM_AGAIN, /* a signal came */
	TINY_VM_LOST,  /* anything else: run->exit_reason tells */
};
enum tiny_vm_exit tiny_vm_step(struct tiny_vm *vm);

#endif
