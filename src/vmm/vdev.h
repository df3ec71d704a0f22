/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * vdev.h - one virtio-mmio device of the guest and the process that is it
 *
 * In order of use; main thread unless it says otherwise:
 *   vdev_prepare()     before the filter: descriptors, interrupts, doorbell
 *   vdev_connect()     after it: vhost-user up to the registered doorbell
 *   vdev_seal()        the device needs nothing new any more
 *   vdev_read(), vdev_is_heavy(), vdev_write()   the guest's accesses
 *   vdev_error(), vdev_lost(), vdev_bury(), vdev_dead()   bad news
 *
 * The registers are guarded by one lock. A vCPU thread holds it for accesses
 * that end in this process; those that need the device process are "heavy", go
 * through work.c and happen on the main thread: no thread ever waits for main
 * with the lock held.
 */
#ifndef RINGFENCE_VMM_VDEV_H
#define RINGFENCE_VMM_VDEV_H

#include <pthread.h>

#include <ringfence/base.h>
#include <ringfence/doorbell.h>
#include <ringfence/fence.h>
#include <ringfence/report.h>
#include <ringfence/vhost_user.h>
#include <ringfence/virtio_mmio.h>

#include "vmm/memory.h"
#include "vmm/vm.h"

#define VDEV_MMIO_GPA 0xd0000000ull
#define VDEV_GSI 5u
/* Every device is a disk today; vhost-user does not say what a device is. */
#define VDEV_VIRTIO_ID 2u
#define VDEV_VENDOR_ID 0x46524e47u
/* Eventfds are made before anybody can say how many queues there are. */
#define VDEV_QUEUES_MAX 8u
/* At most; a device that takes fewer entries is asked for fewer. */
#define VDEV_QUEUE_SIZE 256u

/* virtio 1.2, 6: features that mean something to the monitor itself. */
#define VDEV_RING_PACKED (1ull << 34)
#define VDEV_NOTIFICATION_DATA (1ull << 38)

struct vdev {
	/* First, for its alignment. The guest may be reading it, and whatever
	 * else were in these 4096 bytes. */
	struct rf_virtio_mmio_page page __attribute__((aligned(4096)));
	pthread_mutex_t lock; /* guards regs and page */
	struct rf_virtio_mmio regs;

	uint32_t index;
	bool kvm;
	struct rf_report *report; /* borrowed; may be NULL */
	int sock;		  /* RF_FD_DEVICES + index; the frontend's */
	int calls[VDEV_QUEUES_MAX];
	int errs[VDEV_QUEUES_MAX];
	int config_event;	      /* pulses the line: configuration */
	int ack_event;		      /* where acknowledgements are dropped */
	struct rf_doorbell *doorbell; /* the set's */
	struct rf_doorbell_fds fds;
	bool has_ring; /* and the device drains it */
	uint16_t nr_queues;

	/* Main thread only. */
	struct rf_frontend *frontend; /* NULL once buried */
	uint32_t started;	      /* queues, a bit each */
	int lost;		      /* 0, or why it is no partner any more */
	bool dead;		      /* the launcher says so: it is no more */
	uint32_t config_bytes;
	bool config_written; /* by the driver, since it was last read */
};

struct vdev_params {
	uint32_t index;
	const struct vm *vm; /* NULL: no KVM */
	bool register_pages; /* the guest reads registers itself */
	struct rf_doorbell_set *doorbells;
	struct rf_report *report;
};

uint64_t vdev_gpa(uint32_t index);

/* These say themselves what failed. */
RF_MUST_CHECK int vdev_prepare(struct vdev *d, const struct vdev_params *p);
RF_MUST_CHECK int vdev_connect(struct vdev *d, const struct memory *mem);
RF_MUST_CHECK int vdev_seal(struct vdev *d);

/* Any thread. `len` is 1..8, and offset + len within the page. */
void vdev_read(struct vdev *d, uint32_t offset, void *data, uint32_t len);
/* Would this write talk to the device process? */
bool vdev_is_heavy(uint32_t offset, uint32_t len);
/* Any thread; a heavy one: the main thread. */
void vdev_write(struct vdev *d, uint32_t offset, const void *data,
		uint32_t len);

/* Does a reset that the guest asked for wait for the end of the process? Then
 * the vCPU that wrote waits, too, until vdev_dead(). Main thread. */
bool vdev_is_unsettled(struct vdev *d);

/* The device met a lie of the guest's and said so on this queue. */
void vdev_error(struct vdev *d, uint32_t queue);
/* Its socket says that it is gone, or that it talks out of turn. */
void vdev_lost(struct vdev *d, int why);
/* If it was lost (in whatever call): close it, set DEVICE_NEEDS_RESET, and
 * return true, once. */
bool vdev_bury(struct vdev *d);
/* It touches guest memory no more, whatever it was up to; a buried one. */
void vdev_dead(struct vdev *d);

/* Between vdev.c and vdev_setup.c. The first logs, and returns `rc`. */
int vdev_complain(const struct vdev *d, const char *step, int rc);
bool vdev_is_sealed(const struct vdev *d);
RF_MUST_CHECK int vdev_share_queue_events(struct vdev *d, uint16_t queue);
RF_MUST_CHECK int vdev_share_events(struct vdev *d);
extern const struct rf_virtio_mmio_ops vdev_ops;

#endif
