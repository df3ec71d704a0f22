/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * coalesced_mmio2.h - what the rest of KVM calls of coalesced_mmio2.c
 *
 * Side:    host kernel, all of KVM.
 * Callers: virt/kvm/kvm_main.c, one line each.
 */
#ifndef __KVM_COALESCED_MMIO2_H__
#define __KVM_COALESCED_MMIO2_H__

#include <linux/types.h>

struct kvm;
struct module;

#ifdef CONFIG_KVM_MMIO

/* @module: the one that files of a VM keep loaded. Before /dev/kvm is there. */
void kvm_coalesced_mmio2_init(struct module *module);

/* The VM ioctls of KVM_CAP_COALESCED_MMIO2. The caller holds the VM's file. */
int kvm_coalesced_mmio2_ioctl(struct kvm *kvm, unsigned int ioctl,
			      void __user *argp);

/* Once per VM, after its last reference went and before its memory goes. */
void kvm_coalesced_mmio2_vm_gone(struct kvm *kvm);

#else

static inline void kvm_coalesced_mmio2_init(struct module *module) { }
static inline void kvm_coalesced_mmio2_vm_gone(struct kvm *kvm) { }

#endif

#endif
