/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * mmio_driver.h - a device that takes notes, and the steps of a driver to it
 *
 * Registers are named by number here, as virtio 1.2, 4.2.2 has them, so that a
 * field that moved in the header is found.
 */
#ifndef TESTS_MMIO_DRIVER_H
#define TESTS_MMIO_DRIVER_H

#include <errno.h>
#include <string.h>

#include <ringfence/virtio_mmio.h>

#include "unit/unit.h"

#define BIT(nr) (UINT64_C(1) << (nr))
#define OFFERED (BIT(32) | BIT(38) | BIT(9) | BIT(5))

enum {
	MAGIC = 0x000,
	VERSION = 0x004,
	DEVICE_ID = 0x008,
	VENDOR_ID = 0x00c,
	DEVICE_FEATURES = 0x010,
	DEVICE_FEATURES_SEL = 0x014,
	DRIVER_FEATURES = 0x020,
	DRIVER_FEATURES_SEL = 0x024,
	QUEUE_SEL = 0x030,
	QUEUE_NUM_MAX = 0x034,
	QUEUE_NUM = 0x038,
	QUEUE_READY = 0x044,
	QUEUE_NOTIFY = 0x050,
	INTERRUPT_STATUS = 0x060,
	INTERRUPT_ACK = 0x064,
	STATUS = 0x070,
	DESC_LOW = 0x080,
	DESC_HIGH = 0x084,
	DRIVER_LOW = 0x090,
	DRIVER_HIGH = 0x094,
	DEVICE_LOW = 0x0a0,
	DEVICE_HIGH = 0x0a4,
	SHM_SEL = 0x0ac,
	SHM_LEN_LOW = 0x0b0,
	SHM_LEN_HIGH = 0x0b4,
	QUEUE_RESET = 0x0c0,
	GENERATION = 0x0fc,
	CONFIG = 0x100,
};

enum {
	ACK = 1,
	DRIVER = 2,
	OK = 4,
	FEATURES_OK = 8,
	BROKEN = 64,
	FAILED = 128
};

struct device {
	struct rf_virtio_mmio m;
	struct rf_virtio_mmio_page page;
	int started, resets, notifies, config_writes, interrupts;
	uint64_t features;
	uint32_t notified;
	uint32_t config_offset, config_len;
	uint8_t config_first;	  /* byte that was written */
	uint32_t status_at_reset; /* what the page showed during the reset */
	uint32_t interrupt_status_at_start;
	uint32_t interrupt_status_at_interrupt;
	int answer;	/* of driver_ok, queue_start and config_write */
	int end_unsure; /* answer of reset and queue_stop */
	int queue_stops, queue_starts;
	uint16_t queue;		/* the last of either */
	uint32_t reset_at_stop; /* what the page showed meanwhile */
};

extern const struct rf_virtio_mmio_ops ops;
extern const uint8_t config[13];

/* What setup() takes. */
struct rf_virtio_mmio_params params(struct device *d);
void setup(struct device *d);
/* The same, with these features on offer beside OFFERED. */
void setup_with(struct device *d, uint64_t features);

uint32_t get(struct device *d, uint32_t offset);
void put(struct device *d, uint32_t offset, uint32_t value);
/* Did the write have no effect but the count? */
void assert_refused(struct device *d, uint32_t offset, uint32_t value);

void choose_features(struct device *d, uint64_t features);
void set_up_queue(struct device *d, uint32_t queue, uint32_t num);
/* To DRIVER_OK, with queues 0 and 2. */
void run(struct device *d);

#endif
