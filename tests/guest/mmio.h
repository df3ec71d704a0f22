/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * mmio.h - a virtio-mmio version 2 device, seen by its driver
 *          (virtio 1.2, 4.2.2 and 3.1.1)
 *
 * In order of use:
 *   mmio_probe()            what is there?
 *   mmio_begin()            reset, ACKNOWLEDGE, DRIVER
 *   mmio_select_features()  FEATURES_OK
 *   mmio_queue_start()      per queue
 *   mmio_driver_ok()
 * Whatever goes wrong ends the guest with a line that names the device.
 */
#ifndef GUEST_MMIO_H
#define GUEST_MMIO_H

#include <stdbool.h>
#include <stdint.h>

#include "queue.h"

enum mmio_register {
	MMIO_MAGIC = 0x000,
	MMIO_VERSION = 0x004,
	MMIO_DEVICE_ID = 0x008,
	MMIO_DEVICE_FEATURES = 0x010,
	MMIO_DEVICE_FEATURES_SEL = 0x014,
	MMIO_DRIVER_FEATURES = 0x020,
	MMIO_DRIVER_FEATURES_SEL = 0x024,
	MMIO_QUEUE_SEL = 0x030,
	MMIO_QUEUE_NUM_MAX = 0x034,
	MMIO_QUEUE_NUM = 0x038,
	MMIO_QUEUE_READY = 0x044,
	MMIO_QUEUE_NOTIFY = 0x050,
	MMIO_INTERRUPT_STATUS = 0x060,
	MMIO_INTERRUPT_ACK = 0x064,
	MMIO_STATUS = 0x070,
	MMIO_QUEUE_DESC = 0x080,
	MMIO_QUEUE_DRIVER = 0x090,
	MMIO_QUEUE_DEVICE = 0x0a0,
	MMIO_CONFIG_GENERATION = 0x0fc,
	MMIO_CONFIG = 0x100,
};
#define MMIO_MAGIC_VALUE 0x74726976u /* "virt" */
#define MMIO_LEN_MIN 0x200u

enum {
	MMIO_INTERRUPT_USED_BIT = 1,
	MMIO_INTERRUPT_CONFIG_BIT = 2,
};

enum mmio_status {
	MMIO_STATUS_ACKNOWLEDGE = 1,
	MMIO_STATUS_DRIVER = 2,
	MMIO_STATUS_DRIVER_OK = 4,
	MMIO_STATUS_FEATURES_OK = 8,
	MMIO_STATUS_NEEDS_RESET = 64,
	MMIO_STATUS_FAILED = 128,
};

#define MMIO_F_INDIRECT_DESC (1ull << 28)
#define MMIO_F_EVENT_IDX (1ull << 29)
#define MMIO_F_VERSION_1 (1ull << 32)

struct mmio {
	const char *name; /* for lines: "disk0" */
	uint32_t base;
	uint64_t patience; /* TSC cycles to wait for an answer */
	uint32_t notified; /* notify writes so far */
};

/* The device id, 0 for none. Not virtio-mmio version 2: the end. */
uint32_t mmio_probe(uint32_t base);

void mmio_begin(const struct mmio *dev);

/* Of what the device offers take what `wanted` names, VERSION_1 above all. */
uint64_t mmio_select_features(const struct mmio *dev, uint64_t wanted);

/* Queue `index` is `q`, as large as both sides can have it. */
void mmio_queue_start(const struct mmio *dev, uint32_t index, struct queue *q,
		      bool event_idx);
void mmio_driver_ok(const struct mmio *dev);

/* Until the device says that it has done so, or patience ends. */
void mmio_reset(const struct mmio *dev);

void mmio_notify(struct mmio *dev, uint32_t queue);

/* 64 bits of configuration that belong together. */
uint64_t mmio_config64(const struct mmio *dev, uint32_t offset);

static inline uint32_t mmio_read(const struct mmio *dev, enum mmio_register reg)
{
	return *(volatile uint32_t *)(dev->base + reg);
}

static inline void mmio_write(const struct mmio *dev, enum mmio_register reg,
			      uint32_t value)
{
	*(volatile uint32_t *)(dev->base + reg) = value;
}

#endif
