/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * vm.h - the virtual machine as KVM knows it: memory, interrupts, processors
 *
 * Everything is made before the filter; afterwards only vm_enter() and
 * vm_explain() ask KVM anything from the main thread, and the vCPU threads
 * only run.
 */
#ifndef RINGFENCE_VMM_VM_H
#define RINGFENCE_VMM_VM_H

#include <linux/kvm.h>

#include <ringfence/base.h>
#include <ringfence/ring.h>

#include "vmm/kernel.h"
#include "vmm/memory.h"

#define VM_VCPUS_MAX 32u

struct vm {
	int fd; /* RF_FD_VM */
	uint32_t nr_vcpus;
	size_t run_bytes;
	struct kvm_run *runs[VM_VCPUS_MAX]; /* fds: RF_FD_VCPUS + i */
	struct rf_ring_page *legacy;	    /* in runs[0]; NULL: none */
	struct kvm_sregs sregs;		    /* of the first, as KVM made it */
};

/* With an interrupt controller, a timer and the guest's memory. Says itself
 * which step failed. `mem` must outlive it. */
RF_MUST_CHECK int vm_new(int kvm_fd, const struct memory *mem, struct vm *out);

/* Its processors, the first one ready to enter at vm_enter(). After this
 * kvm_fd is needed no more. */
RF_MUST_CHECK int vm_add_vcpus(struct vm *vm, int kvm_fd, uint32_t nr);

/* Signals on `event_fd` pulse the global interrupt `gsi`. Several eventfds may
 * share one. */
RF_MUST_CHECK int vm_irqfd(const struct vm *vm, int event_fd, uint32_t gsi);

/* Can this KVM let a guest read the registers of its devices without an exit,
 * and drop what it acknowledges? If not, `why` is the part that is missing (a
 * static string). */
bool vm_has_register_pages(const struct vm *vm, const char **why);

/* Let the guest read `page` at `gpa`; its writes there still exit, or match
 * eventfds and zones. `page`: RF_VIRTIO_MMIO_BYTES, aligned to that, nothing
 * else in it, there for the VM's life. Each with a `nr` of its own, from 0. */
RF_MUST_CHECK int vm_add_register_page(const struct vm *vm, uint32_t nr,
				       uint64_t gpa, const void *page);

/* 32-bit writes of `value` at `gpa` go into an eventfd and nowhere else. */
RF_MUST_CHECK int vm_swallow(const struct vm *vm, int event_fd, uint64_t gpa,
			     uint32_t value);

/* Put the first vCPU at the kernel's entry point, in the state it wants. */
RF_MUST_CHECK int vm_enter(const struct vm *vm, const struct kernel *kernel);

/* One line that says why vCPU `index` stopped. Its thread must be parked. */
void vm_explain(const struct vm *vm, uint32_t index);

#endif
