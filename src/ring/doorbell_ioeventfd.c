/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * doorbell_ioeventfd.c - KVM signals one eventfd for each queue index
 *
 * Side:    the vCPU process.
 * Owns:    nothing beyond what doorbell.c closes; KVM holds references of its
 *          own to the eventfds while they are attached.
 * Callers: doorbell.c.
 * Never:   sees a value that matched. A write that exits named no queue, or
 *          carries more than the index (VIRTIO_F_NOTIFICATION_DATA): the
 *          queue's eventfd is then signalled from here.
 */
#include <errno.h>
#include <sys/ioctl.h>

#include <linux/kvm.h>

#include "ring/doorbell_kind.h"

static int match_ioctl(const struct rf_doorbell *db, uint16_t queue,
		       uint32_t flags)
{
	struct kvm_ioeventfd bell = {
		.datamatch = queue,
		.addr = db->gpa,
		.len = db->len,
		.fd = db->kicks[queue],
		.flags = KVM_IOEVENTFD_FLAG_DATAMATCH | flags,
	};

	return ioctl(db->set->vm_fd, KVM_IOEVENTFD, &bell) < 0 ? -errno : 0;
}

/* Detach queues [0, nr), all of them even when one fails. */
static int detach_first(struct rf_doorbell *db, uint16_t nr)
{
	uint16_t i;
	int first_err = 0;

	for (i = 0; i < nr; i++) {
		int err = match_ioctl(db, i, KVM_IOEVENTFD_FLAG_DEASSIGN);

		if (err && !first_err)
			first_err = err;
	}
	return first_err;
}

static int attach_all(struct rf_doorbell *db)
{
	uint16_t i;

	for (i = 0; i < db->nr_queues; i++) {
		int err = match_ioctl(db, i, 0);

		if (err) {
			(void)detach_first(db, i);
			return err;
		}
	}
	return 0;
}

static int detach_all(struct rf_doorbell *db)
{
	return detach_first(db, db->nr_queues);
}

const struct doorbell_kind doorbell_ioeventfd = {
	.name = "ioeventfd",
	.attach = attach_all,
	.detach = detach_all,
	.write = doorbell_kick,
};
