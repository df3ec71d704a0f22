/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * tiny_vm.c - a VM of one vCPU, 64 KiB and a few bytes of code
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/memfd.h"
#include "kvm/tiny_vm.h"

const uint8_t tiny_vm_ring_loop[] = {
	0x89, 0xc2, /* 0: mov edx, eax   */
	0x21, 0xf2, /* 2: and edx, esi   */
	0x89, 0x13, /* 4: mov [ebx], edx */
	0x01, 0xf8, /* 6: add eax, edi   */
	0x49,	    /* 8: dec ecx        */
	0x75, 0xf5, /* 9: jnz 0          */
	0xe6, 0xf4, /* 11: out 0xf4, al  */
	0xf4,	    /* 13: hlt           */
};
const size_t tiny_vm_ring_loop_len = sizeof(tiny_vm_ring_loop);

static int open_vm(struct tiny_vm *vm, const char **step)
{
	*step = "open /dev/kvm";
	vm->kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (vm->kvm < 0)
		return -errno;
	*step = "KVM_CREATE_VM";
	vm->vm = ioctl(vm->kvm, KVM_CREATE_VM, 0);
	if (vm->vm < 0)
		return -errno;
	/* Older Intel wants it for protected mode without paging; who does
	 * not need it does not mind. */
	(void)ioctl(vm->vm, KVM_SET_TSS_ADDR, 0xfffbd000ul);
	return 0;
}

static int add_memory(struct tiny_vm *vm, const char **step)
{
	struct kvm_userspace_memory_region region = {
		.memory_size = TINY_VM_BYTES,
	};
	void *map;
	int err;

	*step = "guest memory";
	err = memfd_new("tiny-vm", TINY_VM_BYTES, &vm->memory_fd);
	if (err)
		return err;
	map = mmap(NULL, TINY_VM_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED,
		   vm->memory_fd, 0);
	if (map == MAP_FAILED)
		return -errno;
	vm->memory = map;
	*step = "KVM_SET_USER_MEMORY_REGION";
	region.userspace_addr = (uint64_t)(uintptr_t)map;
	return ioctl(vm->vm, KVM_SET_USER_MEMORY_REGION, &region) < 0 ? -errno
								      : 0;
}

static int add_vcpu(struct tiny_vm *vm, const char **step)
{
	int at = ioctl(vm->vm, KVM_CHECK_EXTENSION, KVM_CAP_COALESCED_MMIO);
	int bytes = ioctl(vm->kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	void *map;

	*step = "KVM_CREATE_VCPU";
	vm->vcpu = ioctl(vm->vm, KVM_CREATE_VCPU, 0);
	if (vm->vcpu < 0)
		return -errno;
	*step = "mapping the vCPU";
	if (bytes <= 0)
		return -EINVAL;
	map = mmap(NULL, (size_t)bytes, PROT_READ | PROT_WRITE, MAP_SHARED,
		   vm->vcpu, 0);
	if (map == MAP_FAILED)
		return -errno;
	vm->run = map;
	vm->run_bytes = (size_t)bytes;
	if (at > 0)
		vm->legacy = (void *)((uint8_t *)map +
				      (size_t)at * RF_RING_BYTES);
	return 0;
}

static int enter_flat_mode(struct tiny_vm *vm, const char **step)
{
	struct kvm_segment flat = {
		.limit = 0xffffffff,
		.present = 1,
		.s = 1,
		.db = 1,
		.g = 1,
	};
	struct kvm_sregs sregs;

	*step = "KVM_GET_SREGS";
	if (ioctl(vm->vcpu, KVM_GET_SREGS, &sregs) < 0)
		return -errno;
	flat.selector = 0x08;
	flat.type = 0xb;
	sregs.cs = flat;
	flat.selector = 0x10;
	flat.type = 0x3;
	sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = flat;
	sregs.cr0 |= 1; /* PE */
	*step = "KVM_SET_SREGS";
	return ioctl(vm->vcpu, KVM_SET_SREGS, &sregs) < 0 ? -errno : 0;
}

int tiny_vm_new(struct tiny_vm *vm, const char **step)
{
	int err;

	*vm = (struct tiny_vm){
		.kvm = -1, .vm = -1, .vcpu = -1, .memory_fd = -1
	};
	err = open_vm(vm, step);
	if (!err)
		err = add_memory(vm, step);
	if (!err)
		err = add_vcpu(vm, step);
	if (!err)
		err = enter_flat_mode(vm, step);
	if (err)
		tiny_vm_free(vm);
	return err;
}

void tiny_vm_free(struct tiny_vm *vm)
{
	if (vm->run)
		(void)munmap(vm->run, vm->run_bytes);
	if (vm->memory)
		(void)munmap(vm->memory, TINY_VM_BYTES);
	rf_fd_close(&vm->vcpu);
	rf_fd_close(&vm->vm);
	rf_fd_close(&vm->kvm);
	rf_fd_close(&vm->memory_fd);
	vm->run = NULL;
	vm->memory = NULL;
	vm->legacy = NULL;
}

void tiny_vm_load(struct tiny_vm *vm, const void *code, size_t len,
		  const struct tiny_vm_regs *regs)
{
	struct kvm_regs kvm_regs = {
		.rip = TINY_VM_CODE,
		.rflags = 2,
		.rsp = TINY_VM_BYTES,
		.rax = regs->eax,
		.rbx = regs->ebx,
		.rcx = regs->ecx,
		.rdx = regs->edx,
		.rsi = regs->esi,
		.rdi = regs->edi,
		.rbp = regs->ebp,
	};

	/* The last exit is still to be completed, which moves the instruction
	 * pointer: let KVM do that before we set it. */
	vm->run->immediate_exit = 1;
	(void)ioctl(vm->vcpu, KVM_RUN, 0);
	vm->run->immediate_exit = 0;
	memcpy(vm->memory + TINY_VM_CODE, code, len);
	/* What fails here shows at once: the program does not run. */
	(void)ioctl(vm->vcpu, KVM_SET_REGS, &kvm_regs);
}

enum tiny_vm_exit tiny_vm_step(struct tiny_vm *vm)
{
	const struct kvm_run *run = vm->run;

	if (ioctl(vm->vcpu, KVM_RUN, 0) < 0)
		return errno == EINTR || errno == EAGAIN ? TINY_VM_AGAIN
							 : TINY_VM_LOST;
	if (run->exit_reason == KVM_EXIT_MMIO && run->mmio.is_write)
		return TINY_VM_WRITE;
	if (run->exit_reason == KVM_EXIT_IO && run->io.port == TINY_VM_END_PORT)
		return TINY_VM_END;
	return TINY_VM_LOST;
}
