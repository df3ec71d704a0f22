/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * bus.c - where a guest's access to a port or a register goes
 *
 * Side:    vmm, vCPU threads. Address, length and value are the guest's.
 * Owns:    nothing.
 * Callers: vcpu.c, standin.c.
 * Needs:   what doorbell.c, vdev.c, serial.c and work.c need on vCPU threads.
 * Never:   logs an access: the guest can make millions.
 */
#include <string.h>

#include "vmm/bus.h"
#include "vmm/debugport.h"

static void count_stray(struct vmm *vmm)
{
	atomic_fetch_add_explicit(&vmm->stray, 1, memory_order_relaxed);
}

/* The device whose page holds all of the access, or NULL. */
static struct vdev *find(struct vmm *vmm, uint64_t gpa, uint32_t len,
			 uint32_t *offset)
{
	uint64_t index;

	if (gpa < VDEV_MMIO_GPA)
		return NULL;
	index = (gpa - VDEV_MMIO_GPA) / RF_VIRTIO_MMIO_BYTES;
	*offset = (uint32_t)((gpa - VDEV_MMIO_GPA) % RF_VIRTIO_MMIO_BYTES);
	if (index >= vmm->nr_devices || len > RF_VIRTIO_MMIO_BYTES - *offset)
		return NULL;
	return &vmm->devices[index];
}

void bus_mmio_read(struct vmm *vmm, uint64_t gpa, void *data, uint32_t len)
{
	uint32_t offset = 0;
	struct vdev *d = find(vmm, gpa, len, &offset);

	if (d) {
		RF_REPORT_ADD(vmm->report, exits_register, 1);
		vdev_read(d, offset, data, len);
		return;
	}
	memset(data, 0xff, len);
	count_stray(vmm);
}

/* Notify writes that reach a register are counted where they end. */
static void count_write(struct vmm *vmm, uint32_t offset)
{
	if (offset == RF_VIRTIO_MMIO_NOTIFY)
		return;
	RF_REPORT_ADD(vmm->report, exits_register, 1);
	if (offset == RF_VIRTIO_MMIO_ACKNOWLEDGE)
		RF_REPORT_ADD(vmm->report, exits_ack, 1);
}

void bus_mmio_write(struct vmm *vmm, uint32_t slot, uint64_t gpa,
		    const void *data, uint32_t len)
{
	uint32_t offset = 0;
	struct vdev *d;

	/* A notify write that no doorbell took in the kernel: the ring was
	 * full, nobody drains it, or the doorbell is of the kind that exits. */
	if (rf_doorbell_set_write(vmm->doorbells, gpa, data, len)) {
		RF_REPORT_ADD(vmm->report, exits_notify, 1);
		return;
	}
	d = find(vmm, gpa, len, &offset);
	if (!d) {
		count_stray(vmm);
		return;
	}
	count_write(vmm, offset);
	if (!vdev_is_heavy(offset, len)) {
		vdev_write(d, offset, data, len);
		return;
	}
	/* Fails only if main cannot be woken; then nothing runs any more. */
	if (work_write(&vmm->work, slot, d->index, offset, data, len) < 0)
		count_stray(vmm);
}

void bus_port_read(struct vmm *vmm, uint16_t port, void *data, uint32_t len)
{
	uint8_t *bytes = data;
	uint32_t i;

	for (i = 0; i < len; i++) {
		uint32_t reg = port + i - SERIAL_PORT;

		if (reg < SERIAL_PORTS) {
			bytes[i] = serial_read(&vmm->serial, reg);
			continue;
		}
		if (power_read(&vmm->power, port + i, &bytes[i]))
			continue;
		bytes[i] = 0xff;
		count_stray(vmm);
	}
}

static _Noreturn void end_guest(struct vmm *vmm, uint32_t slot, uint32_t status)
{
	work_end(&vmm->work, slot, WORK_ENDED, status);
	work_park(&vmm->work, slot);
}

static void write_byte(struct vmm *vmm, uint32_t slot, uint32_t port,
		       uint8_t byte)
{
	uint32_t reg = port - SERIAL_PORT;

	if (reg < SERIAL_PORTS) {
		serial_write(&vmm->serial, reg, byte);
		return;
	}
	switch (power_write(&vmm->power, port, byte)) {
	case POWER_OFF:
	case POWER_RESET:
		end_guest(vmm, slot, 0);
	case POWER_TAKEN:
		return;
	case POWER_NOT_MINE:
	default:
		count_stray(vmm);
		return;
	}
}

void bus_port_write(struct vmm *vmm, uint32_t slot, uint16_t port,
		    const void *data, uint32_t len)
{
	const uint8_t *bytes = data;
	uint32_t value = 0;
	uint32_t i;

	memcpy(&value, data, len < sizeof(value) ? len : sizeof(value));
	switch (debugport_write(vmm->report, port, len, value)) {
	case DEBUGPORT_ENDED:
		end_guest(vmm, slot, value);
	case DEBUGPORT_COUNTED:
		return;
	case DEBUGPORT_NOT_MINE:
	default:
		for (i = 0; i < len; i++)
			write_byte(vmm, slot, port + i, bytes[i]);
		return;
	}
}
