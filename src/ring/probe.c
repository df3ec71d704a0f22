/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * probe.c - find out what kinds of doorbell a host has, by using each once
 *
 * Side:    the launcher (`probe`, on a VM of its own) and the vCPU process
 *          (on the VM it will run), before any guest code runs.
 * Owns:    what it makes, until the function that made it returns.
 * Callers: through <ringfence/doorbell.h>.
 * Never:   believes a capability number, leaves a descriptor, mapping or zone.
 *
 * Each try_*() is a list of steps. The first that fails writes the reason into
 * a struct why and ends the list; what was made before it cleans itself up.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <ringfence/doorbell.h>
#include <ringfence/kvm_coalesced2.h>

#include "base/memfd.h"

/* Far from anything: the last page of 52 bits, where no guest has memory and
 * no monitor has devices. */
#define PROBE_GPA 0x000ffffffffff000u
#define PROBE_LEN 4u

struct why {
	char *text; /* RF_DOORBELL_WHY_BYTES */
};

/* Always false, so that a step can end its list with it. */
static RF_PRINTF(2, 3) bool because(struct why why, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(why.text, RF_DOORBELL_WHY_BYTES, fmt, args);
	va_end(args);
	return false;
}

/* "EPERM": the same in every language, and what people search for. */
static const char *error_name(int err)
{
	const char *name = strerrorname_np(err);

	return name ? name : "unknown error";
}

static bool has_capability(int vm_fd, long capability)
{
	return ioctl(vm_fd, KVM_CHECK_EXTENSION, capability) > 0;
}

static void unmap_page(struct rf_ring_page **page)
{
	if (*page)
		(void)munmap(*page, RF_RING_BYTES);
}
#define autopage __attribute__((cleanup(unmap_page))) struct rf_ring_page *

/* NULL with errno set. */
static struct rf_ring_page *map_page(int fd, off_t offset)
{
	void *map = mmap(NULL, RF_RING_BYTES, PROT_READ | PROT_WRITE,
			 MAP_SHARED, fd, offset);

	return map == MAP_FAILED ? NULL : map;
}

static bool is_zeroed(const struct rf_ring_page *page)
{
	static const uint8_t zeroes[RF_RING_BYTES];

	return memcmp(page, zeroes, sizeof(zeroes)) == 0;
}

/* coalesced2 */

/* A kernel where the number means something else may answer success, 0 for
 * example, which is no descriptor of ours to use or to close. Two buffers have
 * two numbers, both open, and neither is the VM's. */
static bool make_buffers(int vm_fd, struct why why, int fds[2])
{
	int i;

	for (i = 0; i < 2; i++) {
		fds[i] = ioctl(vm_fd, KVM_CREATE_COALESCED_MMIO_BUFFER, 0);
		if (fds[i] < 0) {
			int err = errno;

			if (i == 1 && fcntl(fds[0], F_GETFD) >= 0)
				close(fds[0]);
			return because(why,
				       "KVM_CREATE_COALESCED_MMIO_BUFFER: %s; "
				       "needs a kernel with the buffer API",
				       error_name(err));
		}
	}
	if (fds[0] == fds[1] || fcntl(fds[0], F_GETFD) < 0 ||
	    fcntl(fds[1], F_GETFD) < 0)
		return because(why,
			       "ioctl %#x is something else on this "
			       "kernel (it made no descriptors)",
			       (unsigned int)KVM_COALESCED_MMIO2_NR);
	return true;
}

static bool is_readable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 0) == 1 && (p.revents & POLLIN);
}

static bool use_zone2(int vm_fd, int buffer, struct why why)
{
	struct kvm_coalesced_mmio_zone2 zone = {
		.addr = PROBE_GPA,
		.size = PROBE_LEN,
		.buffer_fd = buffer,
	};

	if (ioctl(vm_fd, KVM_REGISTER_COALESCED_MMIO2, &zone) < 0)
		return because(why, "KVM_REGISTER_COALESCED_MMIO2: %s",
			       error_name(errno));
	if (ioctl(vm_fd, KVM_UNREGISTER_COALESCED_MMIO2, &zone) < 0)
		return because(why, "KVM_UNREGISTER_COALESCED_MMIO2: %s",
			       error_name(errno));
	return true;
}

static bool use_buffer(int vm_fd, int buffer, struct why why)
{
	autopage page = map_page(buffer, 0);

	if (!page)
		return because(why,
			       "mapping the buffer: %s; capability %d "
			       "means something else on this kernel",
			       error_name(errno), KVM_CAP_COALESCED_MMIO2);
	if (!is_zeroed(page))
		return because(why, "the buffer is not an empty ring");
	if (is_readable(buffer))
		return because(why, "poll says an empty buffer is readable");
	return use_zone2(vm_fd, buffer, why);
}

static bool try_coalesced2(int vm_fd, struct why why)
{
	int fds[2] = { -1, -1 };
	bool works;

	if (!has_capability(vm_fd, KVM_CAP_COALESCED_MMIO2))
		return because(why,
			       "no capability %d; needs a kernel with the "
			       "coalesced MMIO buffer API",
			       KVM_CAP_COALESCED_MMIO2);
	if (!make_buffers(vm_fd, why, fds))
		return false;
	works = use_buffer(vm_fd, fds[0], why);
	close(fds[1]);
	close(fds[0]);
	return works;
}

/* ioeventfd */

static bool try_ioeventfd(int vm_fd, struct why why)
{
	struct kvm_ioeventfd bell = {
		.addr = PROBE_GPA,
		.len = PROBE_LEN,
		.flags = KVM_IOEVENTFD_FLAG_DATAMATCH,
	};
	rf_autofd event = -1;

	if (!has_capability(vm_fd, KVM_CAP_IOEVENTFD))
		return because(why, "no KVM_CAP_IOEVENTFD; needs a kernel with "
				    "CONFIG_HAVE_KVM_EVENTFD");
	event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (event < 0)
		return because(why, "eventfd: %s; raise RLIMIT_NOFILE",
			       error_name(errno));
	bell.fd = event;
	if (ioctl(vm_fd, KVM_IOEVENTFD, &bell) < 0)
		return because(why, "KVM_IOEVENTFD: %s", error_name(errno));
	bell.flags |= KVM_IOEVENTFD_FLAG_DEASSIGN;
	if (ioctl(vm_fd, KVM_IOEVENTFD, &bell) < 0)
		return because(why, "KVM_IOEVENTFD (deassign): %s",
			       error_name(errno));
	return true;
}

/* coalesced */

static bool try_coalesced(int vm_fd, struct why why)
{
	struct kvm_coalesced_mmio_zone zone = { .addr = PROBE_GPA,
						.size = PROBE_LEN };

	if (!has_capability(vm_fd, KVM_CAP_COALESCED_MMIO))
		return because(why, "no KVM_CAP_COALESCED_MMIO; needs a kernel "
				    "with CONFIG_KVM_MMIO");
	if (ioctl(vm_fd, KVM_REGISTER_COALESCED_MMIO, &zone) < 0)
		return because(why, "KVM_REGISTER_COALESCED_MMIO: %s",
			       error_name(errno));
	if (ioctl(vm_fd, KVM_UNREGISTER_COALESCED_MMIO, &zone) < 0)
		return because(why, "KVM_UNREGISTER_COALESCED_MMIO: %s",
			       error_name(errno));
	return true;
}

/* The ring itself lies in a vCPU's mapping. Only on a VM of our own: a vCPU,
 * once made, stays. */
static bool see_legacy_ring(int kvm_fd, int vm_fd, struct why why)
{
	int at = ioctl(vm_fd, KVM_CHECK_EXTENSION, KVM_CAP_COALESCED_MMIO);
	rf_autofd vcpu = ioctl(vm_fd, KVM_CREATE_VCPU, 0);
	autopage page = NULL;

	if (vcpu < 0)
		return because(why, "KVM_CREATE_VCPU: %s", error_name(errno));
	if (ioctl(kvm_fd, KVM_GET_VCPU_MMAP_SIZE, 0) <
	    (at + 1) * (int)RF_RING_BYTES)
		return because(why, "the vCPU's mapping has no ring page");
	page = map_page(vcpu, (off_t)at * RF_RING_BYTES);
	if (!page)
		return because(why, "mapping the vCPU's ring page: %s",
			       error_name(errno));
	if (!is_zeroed(page))
		return because(why, "the vCPU's ring page is not empty");
	return true;
}

/* exit */

static bool use_ring(struct rf_ring_page *page, struct why why)
{
	const struct rf_ring_entry in = { .phys_addr = PROBE_GPA,
					  .len = PROBE_LEN };
	struct rf_ring_consumer consumer;
	struct rf_ring_entry out;
	uint32_t nr;

	if (!is_zeroed(page) || rf_ring_consumer_init(&consumer, page) ||
	    rf_ring_push(page, &in) || rf_ring_drain(&consumer, &out, 1, &nr) ||
	    nr != 1 || memcmp(&in, &out, sizeof(in)) != 0)
		return because(why, "an entry did not come back from the ring");
	return true;
}

static bool try_exit(struct why why)
{
	rf_autofd event = -1;
	rf_autofd ring = -1;
	autopage page = NULL;
	int err;

	err = memfd_new("ringfence-probe", RF_RING_BYTES, &ring);
	if (err)
		return because(why, "sealed memfd: %s", error_name(-err));
	page = map_page(ring, 0);
	if (!page)
		return because(why, "mapping a memfd: %s", error_name(errno));
	event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (event < 0)
		return because(why, "eventfd: %s; raise RLIMIT_NOFILE",
			       error_name(errno));
	return use_ring(page, why);
}

static struct why why_of(struct rf_doorbell_offer *out,
			 enum rf_doorbell_kind kind)
{
	return (struct why){ out->why[kind] };
}

static void offer_exit_only(struct rf_doorbell_offer *out, const char *reason)
{
	int kind;

	memset(out, 0, sizeof(*out));
	for (kind = 0; kind < RF_DOORBELL_NR_KINDS; kind++)
		if (kind != RF_DOORBELL_EXIT)
			(void)because(why_of(out, (enum rf_doorbell_kind)kind),
				      "%s", reason);
	out->works[RF_DOORBELL_EXIT] = try_exit(why_of(out, RF_DOORBELL_EXIT));
}

bool rf_doorbell_probe_kind(int vm_fd, enum rf_doorbell_kind kind,
			    char why_not[RF_DOORBELL_WHY_BYTES])
{
	struct why why = { why_not };

	why_not[0] = '\0';
	if (kind != RF_DOORBELL_EXIT && vm_fd < 0)
		return because(why, "no VM; needs access to /dev/kvm");
	switch (kind) {
	case RF_DOORBELL_COALESCED2:
		return try_coalesced2(vm_fd, why);
	case RF_DOORBELL_IOEVENTFD:
		return try_ioeventfd(vm_fd, why);
	case RF_DOORBELL_COALESCED:
		return try_coalesced(vm_fd, why);
	case RF_DOORBELL_EXIT:
		return try_exit(why);
	case RF_DOORBELL_NR_KINDS:
	default:
		return because(why, "there is no such kind");
	}
}

void rf_doorbell_probe(int vm_fd, struct rf_doorbell_offer *out)
{
	int kind;

	memset(out, 0, sizeof(*out));
	for (kind = 0; kind < RF_DOORBELL_NR_KINDS; kind++)
		out->works[kind] = rf_doorbell_probe_kind(
			vm_fd, (enum rf_doorbell_kind)kind, out->why[kind]);
}

int rf_doorbell_probe_host(int kvm_fd, struct rf_doorbell_offer *out)
{
	rf_autofd vm = ioctl(kvm_fd, KVM_CREATE_VM, 0);
	char reason[RF_DOORBELL_WHY_BYTES];
	int err;

	if (vm < 0) {
		err = errno;
		(void)snprintf(reason, sizeof(reason),
			       "KVM_CREATE_VM: %s; needs access to /dev/kvm",
			       error_name(err));
		offer_exit_only(out, reason);
		return -err;
	}
	/* KVM_CREATE_VM has no flag for it. */
	(void)fcntl(vm, F_SETFD, FD_CLOEXEC);
	rf_doorbell_probe(vm, out);
	if (out->works[RF_DOORBELL_COALESCED])
		out->works[RF_DOORBELL_COALESCED] = see_legacy_ring(
			kvm_fd, vm, why_of(out, RF_DOORBELL_COALESCED));
	return 0;
}
