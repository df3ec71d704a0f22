/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * transport.h - a virtio-mmio version 2 device, seen by its driver
 *          (virtio 1.2, 4.2.2 and 3.1.1)
 *
 * In order of use:
 *   transport_probe()            what is there?
 *   transport_begin()            reset, ACKNOWLEDGE, DRIVER
 *   transport_offered(), transport_take_features()   FEATURES_OK
 *   transport_queue_size(), transport_queue_start()  per queue
 *   transport_driver_ok()
 *   transport_queue_reset(), transport_queue_start()   a queue anew, while the rest runs
 * Whatever goes wrong ends the guest with a line that names the device.
 */
#ifndef RINGFENCE_DRIVER_TRANSPORT_H
#define RINGFENCE_DRIVER_TRANSPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "driver/platform.h"

enum transport_register {
	TRANSPORT_MAGIC = 0x000,
	TRANSPORT_VERSION = 0x004,
	TRANSPORT_DEVICE_ID = 0x008,
	TRANSPORT_DEVICE_FEATURES = 0x010,
	TRANSPORT_DEVICE_FEATURES_SEL = 0x014,
	TRANSPORT_DRIVER_FEATURES = 0x020,
	TRANSPORT_DRIVER_FEATURES_SEL = 0x024,
	TRANSPORT_QUEUE_SEL = 0x030,
	TRANSPORT_QUEUE_NUM_MAX = 0x034,
	TRANSPORT_QUEUE_NUM = 0x038,
	TRANSPORT_QUEUE_READY = 0x044,
	TRANSPORT_QUEUE_NOTIFY = 0x050,
	TRANSPORT_INTERRUPT_STATUS = 0x060,
	TRANSPORT_INTERRUPT_ACK = 0x064,
	TRANSPORT_STATUS = 0x070,
	TRANSPORT_QUEUE_DESC = 0x080,
	TRANSPORT_QUEUE_DRIVER = 0x090,
	TRANSPORT_QUEUE_DEVICE = 0x0a0,
	TRANSPORT_QUEUE_RESET = 0x0c0,
	TRANSPORT_CONFIG_GENERATION = 0x0fc,
	TRANSPORT_CONFIG = 0x100,
};
#define TRANSPORT_MAGIC_VALUE 0x74726976u /* "virt" */
#define TRANSPORT_LEN_MIN 0x200u

enum {
	TRANSPORT_INTERRUPT_USED_BIT = 1,
	TRANSPORT_INTERRUPT_CONFIG_BIT = 2,
};

enum transport_status {
	TRANSPORT_STATUS_ACKNOWLEDGE = 1,
	TRANSPORT_STATUS_DRIVER = 2,
	TRANSPORT_STATUS_DRIVER_OK = 4,
	TRANSPORT_STATUS_FEATURES_OK = 8,
	TRANSPORT_STATUS_NEEDS_RESET = 64,
	TRANSPORT_STATUS_FAILED = 128,
};

struct transport {
	const char *name; /* for lines: "disk0" */
	uint32_t base;
	uint64_t patience; /* TSC cycles to wait for an answer */
	uint32_t notified; /* notify writes so far */
};

/* Where a queue's three areas are. */
struct transport_areas {
	uint64_t desc;
	uint64_t driver;
	uint64_t device;
};

/* The device id, 0 for none. Not virtio-mmio version 2: the end. */
uint32_t transport_probe(uint32_t base);

void transport_begin(const struct transport *dev);
uint64_t transport_offered(const struct transport *dev);
void transport_take_features(const struct transport *dev, uint64_t taken);

/* The most entries that queue `index` may have; it is not in use. */
uint32_t transport_queue_size_max(const struct transport *dev, uint32_t index);
void transport_queue_start(const struct transport *dev, uint32_t index,
			   uint32_t size, const struct transport_areas *areas);
/* Needs RING_RESET. Returns when the device no longer touches the queue. */
void transport_queue_reset(const struct transport *dev, uint32_t index);
void transport_driver_ok(const struct transport *dev);

/* Until the device says that it has done so, or patience ends. */
void transport_reset(const struct transport *dev);

void transport_notify(struct transport *dev, uint32_t value);

uint32_t transport_config(const struct transport *dev, uint32_t offset,
			  uint32_t len);
void transport_config_write8(const struct transport *dev, uint32_t offset,
			     uint8_t value);
/* 64 bits of configuration that belong together. */
uint64_t transport_config64(const struct transport *dev, uint32_t offset);

static inline uint32_t transport_read(const struct transport *dev,
				      enum transport_register reg)
{
	return platform_read(dev->base + (uint32_t)reg, 4);
}

static inline void transport_write(const struct transport *dev,
				   enum transport_register reg, uint32_t value)
{
	platform_write(dev->base + (uint32_t)reg, 4, value);
}

#endif
