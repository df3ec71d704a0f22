/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * mmio_queue.h - the registers with which a driver sets its queues up
 *
 * For virtio_mmio.c alone, with the device's lock held. Each function is what a
 * write to one register does.
 */
#ifndef RINGFENCE_VMM_MMIO_QUEUE_H
#define RINGFENCE_VMM_MMIO_QUEUE_H

#include <ringfence/virtio_mmio.h>

/* virtio 1.2, 6 */
#define MMIO_F(nr) (UINT64_C(1) << (nr))
#define MMIO_F_VERSION_1 MMIO_F(32)
#define MMIO_F_RING_PACKED MMIO_F(34)
#define MMIO_F_NOTIFICATION_DATA MMIO_F(38)
#define MMIO_F_RING_RESET MMIO_F(40)
/* Not virtio's: vhost-user uses this one of the reserved bits for itself. */
#define MMIO_F_VHOST_USER MMIO_F(30)

#define MMIO_STATUS_BROKEN \
	(RF_VIRTIO_STATUS_NEEDS_RESET | RF_VIRTIO_STATUS_FAILED)

static inline bool mmio_is_power_of_two(uint32_t n)
{
	return n != 0 && (n & (n - 1)) == 0;
}

/* Count an access that had no effect. `why` is a static string. */
void mmio_refuse(struct rf_virtio_mmio *m, const char *why);

/* A reset is not over: DEVICE_NEEDS_RESET keeps every other write out. */
void mmio_wait_for_device(struct rf_virtio_mmio *m);

/* Back to what it is after a reset. */
void mmio_queue_clear(struct rf_virtio_mmio_queue *q);

void mmio_queue_select(struct rf_virtio_mmio *m, uint32_t value);
void mmio_queue_num(struct rf_virtio_mmio *m, uint32_t value);
void mmio_queue_ready(struct rf_virtio_mmio *m, uint32_t value);
void mmio_queue_reset(struct rf_virtio_mmio *m, uint32_t value);
/* All that are stopping have stopped. */
void mmio_queues_stopped(struct rf_virtio_mmio *m);

/* Is the register half of an address of a queue? */
bool mmio_queue_is_area(uint32_t offset);
void mmio_queue_area(struct rf_virtio_mmio *m, uint32_t offset, uint32_t value);

#endif
