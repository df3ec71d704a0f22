/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * mmio.c - the registers of a virtio-mmio device, in the order of the
 *          specification
 *
 * Side:    inside the virtual machine.
 * Owns:    the device's registers.
 * Callers: main.c, disk.c.
 * Never:   takes a step for done: each answer the specification promises is
 *          read back.
 */
#include "cpu.h"
#include "guest.h"
#include "mmio.h"

enum { CONFIG_TRIES = 100 };

uint32_t mmio_probe(uint32_t base)
{
	uint32_t magic = cpu_read32(base + MMIO_MAGIC);
	uint32_t version = cpu_read32(base + MMIO_VERSION);

	if (magic != MMIO_MAGIC_VALUE)
		guest_fail(GUEST_BAD_DEVICE,
			   "device at 0x%x: magic 0x%x is not virtio-mmio",
			   base, magic);
	if (version != 2)
		guest_fail(GUEST_BAD_DEVICE,
			   "device at 0x%x: version %u, not 2", base, version);
	return cpu_read32(base + MMIO_DEVICE_ID);
}

static void add_status(const struct mmio *dev, uint32_t bits)
{
	mmio_write(dev, MMIO_STATUS, mmio_read(dev, MMIO_STATUS) | bits);
}

void mmio_reset(const struct mmio *dev)
{
	uint64_t start = cpu_tsc();

	mmio_write(dev, MMIO_STATUS, 0);
	while (mmio_read(dev, MMIO_STATUS)) {
		if (cpu_tsc() - start > dev->patience)
			guest_fail(GUEST_NO_RESET,
				   "%s: reset, but the status stays 0x%x",
				   dev->name, mmio_read(dev, MMIO_STATUS));
	}
}

void mmio_begin(const struct mmio *dev)
{
	mmio_reset(dev);
	add_status(dev, MMIO_STATUS_ACKNOWLEDGE);
	add_status(dev, MMIO_STATUS_DRIVER);
}

uint64_t mmio_select_features(const struct mmio *dev, uint64_t wanted)
{
	uint64_t features;

	mmio_write(dev, MMIO_DEVICE_FEATURES_SEL, 1);
	features = (uint64_t)mmio_read(dev, MMIO_DEVICE_FEATURES) << 32;
	mmio_write(dev, MMIO_DEVICE_FEATURES_SEL, 0);
	features |= mmio_read(dev, MMIO_DEVICE_FEATURES);
	if (!(features & MMIO_F_VERSION_1))
		guest_fail(GUEST_NO_FEATURES, "%s: does not offer VERSION_1",
			   dev->name);

	features &= wanted | MMIO_F_VERSION_1;
	mmio_write(dev, MMIO_DRIVER_FEATURES_SEL, 1);
	mmio_write(dev, MMIO_DRIVER_FEATURES, (uint32_t)(features >> 32));
	mmio_write(dev, MMIO_DRIVER_FEATURES_SEL, 0);
	mmio_write(dev, MMIO_DRIVER_FEATURES, (uint32_t)features);
	add_status(dev, MMIO_STATUS_FEATURES_OK);
	if (!(mmio_read(dev, MMIO_STATUS) & MMIO_STATUS_FEATURES_OK))
		guest_fail(GUEST_NO_FEATURES, "%s: refused features 0x%x 0x%x",
			   dev->name, (uint32_t)(features >> 32),
			   (uint32_t)features);
	return features;
}

static void write_address(const struct mmio *dev, enum mmio_register reg,
			  const void *where)
{
	mmio_write(dev, reg, (uint32_t)where);
	*(volatile uint32_t *)(dev->base + reg + 4) = 0;
}

void mmio_queue_start(const struct mmio *dev, uint32_t index, struct queue *q,
		      bool event_idx)
{
	uint16_t size = QUEUE_SIZE_MAX;
	uint32_t max;

	mmio_write(dev, MMIO_QUEUE_SEL, index);
	max = mmio_read(dev, MMIO_QUEUE_NUM_MAX);
	if (max < QUEUE_SIZE_MIN || mmio_read(dev, MMIO_QUEUE_READY))
		guest_fail(GUEST_NO_QUEUE, "%s: queue %u: %u entries%s",
			   dev->name, index, max,
			   max < QUEUE_SIZE_MIN ? "" : ", in use after reset");
	while (size > max)
		size >>= 1;
	queue_init(q, size, event_idx);
	mmio_write(dev, MMIO_QUEUE_NUM, size);
	write_address(dev, MMIO_QUEUE_DESC, q->desc);
	write_address(dev, MMIO_QUEUE_DRIVER, &q->avail);
	write_address(dev, MMIO_QUEUE_DEVICE, &q->used);
	mmio_write(dev, MMIO_QUEUE_READY, 1);
	if (mmio_read(dev, MMIO_QUEUE_READY) != 1)
		guest_fail(GUEST_NO_QUEUE, "%s: queue %u does not get ready",
			   dev->name, index);
}

void mmio_driver_ok(const struct mmio *dev)
{
	uint32_t status;

	add_status(dev, MMIO_STATUS_DRIVER_OK);
	status = mmio_read(dev, MMIO_STATUS);
	if (status & MMIO_STATUS_NEEDS_RESET ||
	    !(status & MMIO_STATUS_DRIVER_OK))
		guest_fail(GUEST_BAD_DEVICE, "%s: status 0x%x after DRIVER_OK",
			   dev->name, status);
}

void mmio_notify(struct mmio *dev, uint32_t queue)
{
	cpu_order();
	mmio_write(dev, MMIO_QUEUE_NOTIFY, queue);
	dev->notified++;
}

uint64_t mmio_config64(const struct mmio *dev, uint32_t offset)
{
	uint32_t reg = dev->base + MMIO_CONFIG + offset;
	uint32_t before, tries;
	uint64_t value;

	for (tries = 0; tries < CONFIG_TRIES; tries++) {
		before = mmio_read(dev, MMIO_CONFIG_GENERATION);
		value = cpu_read32(reg);
		value |= (uint64_t)cpu_read32(reg + 4) << 32;
		if (mmio_read(dev, MMIO_CONFIG_GENERATION) == before)
			return value;
	}
	guest_fail(GUEST_BAD_DEVICE, "%s: its configuration never rests",
		   dev->name);
}
