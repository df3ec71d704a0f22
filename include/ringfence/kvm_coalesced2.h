/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * kvm_coalesced2.h - numbers of the coalesced-MMIO buffer API, in one place
 *
 * No stock kernel has this API, so <linux/kvm.h> does not either. The numbers
 * are those of its last posting; capability 239 has since been given to
 * something else, and other patches want 0xd6, so a kernel that answers to a
 * number proves nothing: rf_doorbell_probe() finds out by doing. People who
 * carry the API under other numbers define these when they build.
 */
#ifndef RINGFENCE_KVM_COALESCED2_H
#define RINGFENCE_KVM_COALESCED2_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/kvm.h>

#ifndef KVM_CAP_COALESCED_MMIO2
#define KVM_CAP_COALESCED_MMIO2 239
#endif
#ifndef KVM_COALESCED_MMIO2_NR
#define KVM_COALESCED_MMIO2_NR 0xd6
#endif

/* KVM API 4.145. The kernel's copy has an int for the fd; same layout. */
struct kvm_coalesced_mmio_zone2 {
	uint64_t addr;
	uint32_t size;
	union {
		uint32_t pad;
		uint32_t pio;
	};
	int32_t buffer_fd;
	uint32_t tail_pad;
};
static_assert(sizeof(struct kvm_coalesced_mmio_zone2) == 24, "KVM API 4.145");
static_assert(offsetof(struct kvm_coalesced_mmio_zone2, buffer_fd) == 16,
	      "KVM API 4.145");

#ifndef KVM_CREATE_COALESCED_MMIO_BUFFER
#define KVM_CREATE_COALESCED_MMIO_BUFFER _IO(KVMIO, KVM_COALESCED_MMIO2_NR)
#define KVM_REGISTER_COALESCED_MMIO2 \
	_IOW(KVMIO, KVM_COALESCED_MMIO2_NR + 1, struct kvm_coalesced_mmio_zone2)
#define KVM_UNREGISTER_COALESCED_MMIO2 \
	_IOW(KVMIO, KVM_COALESCED_MMIO2_NR + 2, struct kvm_coalesced_mmio_zone2)
#endif

#endif
