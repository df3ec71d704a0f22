/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * doorbell_coalesced2.c - KVM fills a ring that the device maps and polls
 *
 * Side:    the vCPU process, which creates the buffer and never maps it: in the
 *          posted API the page lives and dies with its one mapping, and that
 *          is the device's.
 * Owns:    nothing beyond what doorbell.c closes.
 * Callers: doorbell.c.
 * Never:   sees an entry. A write that exits found the ring full, or no device.
 */
#include <errno.h>
#include <sys/ioctl.h>

#include <ringfence/kvm_coalesced2.h>

#include "ring/doorbell_kind.h"

static int create_buffer(struct rf_doorbell *db)
{
	int fd = ioctl(db->set->vm_fd, KVM_CREATE_COALESCED_MMIO_BUFFER, 0);

	if (fd < 0)
		return -errno;
	db->ring = fd;
	return 0;
}

static int zone_ioctl(const struct rf_doorbell *db, unsigned long request)
{
	struct kvm_coalesced_mmio_zone2 zone = {
		.addr = db->gpa,
		.size = db->len,
		.buffer_fd = db->ring,
	};

	return ioctl(db->set->vm_fd, request, &zone) < 0 ? -errno : 0;
}

static int add_zone(struct rf_doorbell *db)
{
	return zone_ioctl(db, KVM_REGISTER_COALESCED_MMIO2);
}

static int remove_zone(struct rf_doorbell *db)
{
	return zone_ioctl(db, KVM_UNREGISTER_COALESCED_MMIO2);
}

const struct doorbell_kind doorbell_coalesced2 = {
	.name = "coalesced2",
	.open = create_buffer,
	.attach = add_zone,
	.detach = remove_zone,
	.write = doorbell_kick,
};
