/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * vcpu.h - the threads that are the guest's processors
 */
#ifndef RINGFENCE_VMM_VCPU_H
#define RINGFENCE_VMM_VCPU_H

#include "vmm/vmm.h"

/* Start vCPU `index`; returns when its filter is loaded and it is parked.
 * Without KVM the first one's thread is the stand-in's. */
RF_MUST_CHECK int vcpu_start(struct vmm *vmm, uint32_t index);

/* Let it run. It never ends by itself: what stops it is handed to main. */
void vcpu_go(struct vcpu *vcpu);

#endif
