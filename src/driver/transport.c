/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * transport.c - the registers of a virtio-mmio device, in the order of the
 *          specification
 *
 * Side:    inside the virtual machine, and the stand-in for it.
 * Owns:    the device's registers.
 * Callers: drive.c, disk.c, request.c, steps.c.
 * Never:   takes a step for done: each answer the specification promises is
 *          read back.
 */
#include "driver/guest.h"
#include "driver/features.h"
#include "driver/transport.h"
#include "driver/words.h"

enum { CONFIG_TRIES = 100 };

uint32_t transport_probe(uint32_t base)
{
	struct transport dev = { .base = base };
	uint32_t magic = transport_read(&dev, TRANSPORT_MAGIC);
	uint32_t version = transport_read(&dev, TRANSPORT_VERSION);

	if (magic != TRANSPORT_MAGIC_VALUE)
		guest_fail(GUEST_BAD_DEVICE,
			   "device at 0x%x: magic 0x%x is not virtio-mmio",
			   base, magic);
	if (version != 2)
		guest_fail(GUEST_BAD_DEVICE,
			   "device at 0x%x: version %u, not 2", base, version);
	return transport_read(&dev, TRANSPORT_DEVICE_ID);
}

static void add_status(const struct transport *dev, uint32_t bits)
{
	transport_write(dev, TRANSPORT_STATUS,
			transport_read(dev, TRANSPORT_STATUS) | bits);
}

static bool is_late(const struct transport *dev, uint64_t start)
{
	return words_cycles() - start > dev->patience;
}

void transport_reset(const struct transport *dev)
{
	uint64_t start = words_cycles();
	uint32_t status;

	transport_write(dev, TRANSPORT_STATUS, 0);
	while ((status = transport_read(dev, TRANSPORT_STATUS)))
		if (is_late(dev, start))
			guest_fail(GUEST_NO_RESET,
				   "%s: reset, but the status stays 0x%x",
				   dev->name, status);
}

void transport_begin(const struct transport *dev)
{
	transport_reset(dev);
	add_status(dev, TRANSPORT_STATUS_ACKNOWLEDGE);
	add_status(dev, TRANSPORT_STATUS_DRIVER);
}

uint64_t transport_offered(const struct transport *dev)
{
	uint64_t offered;

	transport_write(dev, TRANSPORT_DEVICE_FEATURES_SEL, 1);
	offered = (uint64_t)transport_read(dev, TRANSPORT_DEVICE_FEATURES)
		  << 32;
	transport_write(dev, TRANSPORT_DEVICE_FEATURES_SEL, 0);
	offered |= transport_read(dev, TRANSPORT_DEVICE_FEATURES);
	if (!(offered & FEATURE_VERSION_1))
		guest_fail(GUEST_NO_FEATURES, "%s: does not offer VERSION_1",
			   dev->name);
	return offered;
}

void transport_take_features(const struct transport *dev, uint64_t taken)
{
	transport_write(dev, TRANSPORT_DRIVER_FEATURES_SEL, 1);
	transport_write(dev, TRANSPORT_DRIVER_FEATURES,
			(uint32_t)(taken >> 32));
	transport_write(dev, TRANSPORT_DRIVER_FEATURES_SEL, 0);
	transport_write(dev, TRANSPORT_DRIVER_FEATURES, (uint32_t)taken);
	add_status(dev, TRANSPORT_STATUS_FEATURES_OK);
	if (!(transport_read(dev, TRANSPORT_STATUS) &
	      TRANSPORT_STATUS_FEATURES_OK))
		guest_fail(GUEST_NO_FEATURES, "%s: refused features 0x%x 0x%x",
			   dev->name, (uint32_t)(taken >> 32), (uint32_t)taken);
}

static void write_address(const struct transport *dev, uint32_t reg,
			  uint64_t gpa)
{
	platform_write(dev->base + reg, 4, (uint32_t)gpa);
	platform_write(dev->base + reg + 4, 4, (uint32_t)(gpa >> 32));
}

uint32_t transport_queue_size_max(const struct transport *dev, uint32_t index)
{
	transport_write(dev, TRANSPORT_QUEUE_SEL, index);
	if (transport_read(dev, TRANSPORT_QUEUE_READY))
		guest_fail(GUEST_NO_QUEUE, "%s: queue %u: in use after reset",
			   dev->name, index);
	return transport_read(dev, TRANSPORT_QUEUE_NUM_MAX);
}

void transport_queue_start(const struct transport *dev, uint32_t index,
			   uint32_t size, const struct transport_areas *areas)
{
	transport_write(dev, TRANSPORT_QUEUE_SEL, index);
	transport_write(dev, TRANSPORT_QUEUE_NUM, size);
	write_address(dev, TRANSPORT_QUEUE_DESC, areas->desc);
	write_address(dev, TRANSPORT_QUEUE_DRIVER, areas->driver);
	write_address(dev, TRANSPORT_QUEUE_DEVICE, areas->device);
	transport_write(dev, TRANSPORT_QUEUE_READY, 1);
	if (transport_read(dev, TRANSPORT_QUEUE_READY) != 1)
		guest_fail(GUEST_NO_QUEUE, "%s: queue %u does not get ready",
			   dev->name, index);
}

/* virtio 1.2, 2.6.1 */
void transport_queue_reset(const struct transport *dev, uint32_t index)
{
	uint64_t start = words_cycles();

	transport_write(dev, TRANSPORT_QUEUE_SEL, index);
	transport_write(dev, TRANSPORT_QUEUE_RESET, 1);
	while (transport_read(dev, TRANSPORT_QUEUE_RESET))
		if (is_late(dev, start))
			guest_fail(GUEST_NO_RESET,
				   "%s: queue %u: its reset does not end",
				   dev->name, index);
	if (transport_read(dev, TRANSPORT_QUEUE_READY))
		guest_fail(GUEST_NO_RESET,
			   "%s: queue %u: reset, and still in use", dev->name,
			   index);
}

void transport_driver_ok(const struct transport *dev)
{
	uint32_t status;

	add_status(dev, TRANSPORT_STATUS_DRIVER_OK);
	status = transport_read(dev, TRANSPORT_STATUS);
	if (status & TRANSPORT_STATUS_NEEDS_RESET ||
	    !(status & TRANSPORT_STATUS_DRIVER_OK))
		guest_fail(GUEST_BAD_DEVICE, "%s: status 0x%x after DRIVER_OK",
			   dev->name, status);
}

void transport_notify(struct transport *dev, uint32_t value)
{
	transport_write(dev, TRANSPORT_QUEUE_NOTIFY, value);
	dev->notified++;
}

uint32_t transport_config(const struct transport *dev, uint32_t offset,
			  uint32_t len)
{
	return platform_read(dev->base + TRANSPORT_CONFIG + offset, len);
}

void transport_config_write8(const struct transport *dev, uint32_t offset,
			     uint8_t value)
{
	platform_write(dev->base + TRANSPORT_CONFIG + offset, 1, value);
}

uint64_t transport_config64(const struct transport *dev, uint32_t offset)
{
	uint32_t before, tries;
	uint64_t value;

	for (tries = 0; tries < CONFIG_TRIES; tries++) {
		before = transport_read(dev, TRANSPORT_CONFIG_GENERATION);
		value = transport_config(dev, offset, 4);
		value |= (uint64_t)transport_config(dev, offset + 4, 4) << 32;
		if (transport_read(dev, TRANSPORT_CONFIG_GENERATION) == before)
			return value;
	}
	guest_fail(GUEST_BAD_DEVICE, "%s: its configuration never rests",
		   dev->name);
}
