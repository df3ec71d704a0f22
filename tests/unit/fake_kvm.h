/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * fake_kvm.h - as much of KVM as a doorbell can see, in one process
 *
 * ioctl and poll are wrapped at link time (-Wl,--wrap=ioctl -Wl,--wrap=poll);
 * calls on descriptors that are not the model's go to the kernel. The model
 * carries the buffer API too, which no stock kernel has, and each request can
 * be told to fail. Its rings are filled by code of its own, so that a mistake
 * in ring.c does not cancel itself out. Not a substitute for tests/kvm: a model
 * knows what its writer knew.
 */
#ifndef TESTS_FAKE_KVM_H
#define TESTS_FAKE_KVM_H

#include <ringfence/ring.h>

/* What KVM_CREATE_COALESCED_MMIO_BUFFER does here. */
enum fake_create {
	FAKE_CREATE_BUFFER,   /* what the API says */
	FAKE_CREATE_ZERO,     /* another ioctl, that answers 0 for success */
	FAKE_CREATE_NUMBERS,  /* another one, that counts up from 900 */
	FAKE_CREATE_UNMAPPED, /* descriptors that do not map */
	FAKE_CREATE_DIRTY,    /* buffers that are not zeroed */
	FAKE_CREATE_READABLE, /* buffers that are always readable */
};

struct fake_kvm {
	int kvm_fd; /* answers as /dev/kvm */
	int vm_fd;  /* answers as a VM */
	bool has_coalesced2;
	bool has_ioeventfd;
	bool has_coalesced;
	bool needs_map; /* ENOBUFS until fake_kvm_map() */
	enum fake_create create;
	unsigned long fail_request; /* fails once; 0: none */
	unsigned int fail_skip;	    /* let that many pass first */
	int fail_errno;
	struct rf_ring_page *legacy;
	unsigned int nr_bells; /* attached now */
	unsigned int nr_zones; /* legacy and buffer zones now */
};
extern struct fake_kvm fake;

/* Start with everything on offer. */
void fake_kvm_start(void);

/* What the device process does with a buffer fd. */
struct rf_ring_page *fake_kvm_map(int buffer_fd);

/* Somebody else's eventfd. */
struct kvm_ioeventfd;
void fake_kvm_attach(const struct kvm_ioeventfd *bell);

/* The guest writes. True: it exits, and the vCPU process has to take it. */
bool fake_kvm_write(uint64_t gpa, uint64_t value, uint32_t len);

/* Open descriptors of this process, for "nothing is left". */
int fake_kvm_count_fds(void);

#endif
