/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * doorbell_coalesced.c - KVM fills the VM's one legacy ring; we carry it on
 *
 * Side:    the vCPU process. The legacy ring lies in the mapping of a vCPU fd,
 *          and a device that had that fd would have the vCPU: so the entries
 *          are moved here, after each exit and by a timer, into a ring of each
 *          device's own.
 * Owns:    the consuming end of the legacy ring (set->legacy).
 * Callers: doorbell.c, with the set's lock held: one consumer at a time.
 * Never:   puts a write that exited before writes that were coalesced earlier.
 */
#include <errno.h>
#include <sys/ioctl.h>

#include <linux/kvm.h>

#include "ring/doorbell_kind.h"

static int zone_ioctl(const struct rf_doorbell *db, unsigned long request)
{
	struct kvm_coalesced_mmio_zone zone = {
		.addr = db->gpa,
		.size = db->len,
	};

	return ioctl(db->set->vm_fd, request, &zone) < 0 ? -errno : 0;
}

static int add_zone(struct rf_doorbell *db)
{
	return zone_ioctl(db, KVM_REGISTER_COALESCED_MMIO);
}

static int remove_zone(struct rf_doorbell *db)
{
	return zone_ioctl(db, KVM_UNREGISTER_COALESCED_MMIO);
}

static void move_entry(void *ctx, const struct rf_ring_entry *entry)
{
	struct rf_doorbell *db;

	if (entry->pio)
		return;
	db = doorbell_find(ctx, entry->phys_addr);
	if (db)
		doorbell_push(db, entry);
}

static uint32_t move_entries(struct rf_doorbell_set *set)
{
	uint32_t moved;
	uint32_t i;

	/* Indices out of range: KVM then lets every write exit, so nothing is
	 * in the ring for us. */
	if (rf_ring_drain_each(&set->legacy, move_entry, set, &moved))
		return 0;
	if (moved == 0)
		return 0;
	for (i = 0; i < RF_DOORBELLS_MAX; i++)
		doorbell_wake_due(&set->doorbells[i]);
	return moved;
}

static void write_behind(struct rf_doorbell *db,
			 const struct rf_ring_entry *entry)
{
	/* It exited because the legacy ring was full, most likely. */
	(void)move_entries(db->set);
	doorbell_push(db, entry);
	doorbell_wake_due(db);
}

const struct doorbell_kind doorbell_coalesced = {
	.name = "coalesced",
	.open = doorbell_open_memfd_ring,
	.attach = add_zone,
	.detach = remove_zone,
	.write = write_behind,
	.drain = move_entries,
};
