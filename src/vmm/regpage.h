/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * regpage.h - what a guest finds when it reads the registers of a device
 *
 * For virtio_mmio.c and mmio_queue.c alone, with the device's lock held.
 */
#ifndef RINGFENCE_VMM_REGPAGE_H
#define RINGFENCE_VMM_REGPAGE_H

#include <ringfence/virtio_mmio.h>

/* The registers that never change, and the first configuration. */
void regpage_init(const struct rf_virtio_mmio_params *p);

/* Each of these makes the page say what `m` says: */
/* Status and InterruptStatus. */
void regpage_show_status(const struct rf_virtio_mmio *m);
/* What depends on a selector; QueueReset is 1 while the device is at it. */
void regpage_show_selected(const struct rf_virtio_mmio *m);

/* A configuration of m->config_bytes, and the generation that goes with it. */
void regpage_show_config(struct rf_virtio_mmio *m, const void *config);
/* The driver's own bytes of it, within config_bytes. */
void regpage_put_config(const struct rf_virtio_mmio *m, uint32_t offset,
			const void *data, uint32_t len);

#endif
