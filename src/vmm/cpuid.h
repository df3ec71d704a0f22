/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * cpuid.h - what the guest's processors say of themselves
 *
 * What the host's processor and its KVM can do is passed on, but for what a
 * guest in a fence has no business with: a hypervisor of its own, performance
 * counters, encrypted memory. How many processors there are, how they are
 * numbered and what they share is not the host's, and is told anew: one
 * package, one thread a core.
 */
#ifndef RINGFENCE_VMM_CPUID_H
#define RINGFENCE_VMM_CPUID_H

#include <linux/kvm.h>

#include <ringfence/base.h>

#define CPUID_ENTRIES_MAX 256u

/* What all of `nr` processors have alike. `tsc_deadline`: KVM emulates that
 * timer. `cpuid` has room for CPUID_ENTRIES_MAX entries. -ENOSPC: they do not
 * suffice. */
RF_MUST_CHECK int cpuid_fit(struct kvm_cpuid2 *cpuid, uint32_t nr,
			    bool tsc_deadline);

/* What only processor `id` has. */
void cpuid_personalize(struct kvm_cpuid2 *cpuid, uint32_t id);

#endif
