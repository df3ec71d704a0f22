/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * standin.c - the built-in guest's driver, on hosts without KVM
 *
 * What it replaces is the processor and nothing else: every register access
 * goes through bus.c as a vCPU's would, the queues and the data lie in guest
 * memory, the disk is the same process behind the same fence. The driver is the
 * built-in guest's own, file by file; this is what it runs on.
 *
 * Side:    vmm, in place of a vCPU thread and behind the same filter.
 * Owns:    guest memory from STANDIN_GPA on.
 * Callers: vcpu.c; the driver, by platform.h.
 * Needs:   what bus.c needs, and read on call eventfds.
 * Never:   takes a short cut past the registers, keeps in guest memory what it
 *          goes by.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <ringfence/log.h>

#include "driver/disk.h"
#include "driver/platform.h"
#include "vmm/bus.h"
#include "vmm/debugport.h"
#include "vmm/standin.h"

#define STANDIN_GPA 0x100000ull
#define STANDIN_DISK_BYTES 0x40000ull
static_assert(sizeof(struct disk_memory) <= STANDIN_DISK_BYTES, "its room");
static_assert(GUEST_DEVICES_MAX <= RF_FENCE_DEVICES_MAX, "one vdev each");

/* What a disk's line is, and who listens. */
struct route {
	uint32_t device;
	platform_handler *handler;
	void *ctx;
};

/* The driver is one of a kind, and so is this. */
static struct standin {
	struct vmm *vmm;
	uint32_t slot;
	struct route routes[GUEST_DEVICES_MAX];
	uint8_t *memory[GUEST_DEVICES_MAX];
} standin;

/* serve.c ends a stand-in that gets nowhere. */
static void count_progress(void)
{
	atomic_fetch_add_explicit(&standin.vmm->progress, 1,
				  memory_order_relaxed);
}

uint32_t platform_read(uint64_t gpa, uint32_t len)
{
	uint32_t value = 0;

	bus_mmio_read(standin.vmm, gpa, &value, len);
	return value;
}

void platform_write(uint64_t gpa, uint32_t len, uint32_t value)
{
	count_progress();
	bus_mmio_write(standin.vmm, standin.slot, gpa, &value, len);
}

void platform_write_often(uint64_t gpa, uint32_t value, uint32_t times)
{
	for (; times; times--)
		platform_write(gpa, 4, value);
}

struct disk_memory *platform_memory(uint32_t index)
{
	const uint64_t gpa = STANDIN_GPA + index * STANDIN_DISK_BYTES;
	uint8_t *mem;

	if (memory_at(&standin.vmm->memory, gpa, STANDIN_DISK_BYTES, &mem) < 0)
		return NULL;
	standin.memory[index] = mem;
	return (struct disk_memory *)(void *)mem;
}

uint64_t platform_gpa(uint32_t index, const void *where)
{
	return STANDIN_GPA + index * STANDIN_DISK_BYTES +
	       (uint64_t)((const uint8_t *)where - standin.memory[index]);
}

/* The line's number is the device's, and its call eventfds are the line. */
void platform_route(uint32_t index, const struct guest_device *dev,
		    platform_handler *handler, void *ctx)
{
	const uint32_t device = dev->irq - VDEV_GSI;

	if (device >= standin.vmm->nr_devices)
		guest_fail(GUEST_NO_ROUTE, "interrupt %u: no device has it",
			   dev->irq);
	standin.routes[index] = (struct route){ device, handler, ctx };
}

void platform_sleep(uint32_t index)
{
	const struct route *r = &standin.routes[index];
	uint64_t count;

	if (rf_eventfd_take(standin.vmm->devices[r->device].calls[0], &count) <
	    0)
		guest_fail(GUEST_LOST_INTERRUPT,
			   "device %u: its interrupt cannot be waited for",
			   r->device);
	r->handler(r->ctx);
}

void platform_say(const char *fmt, va_list args)
{
	char line[512];
	int i;
	int n = vsnprintf(line, sizeof(line) - 2, fmt, args);

	if (n < 0)
		return;
	if (n > (int)sizeof(line) - 3)
		n = (int)sizeof(line) - 3;
	line[n++] = '\r';
	line[n++] = '\n';
	for (i = 0; i < n; i++)
		bus_port_write(standin.vmm, standin.slot, SERIAL_PORT, &line[i],
			       1);
}

void platform_count(uint32_t notified, uint32_t compared_bytes)
{
	bus_port_write(standin.vmm, standin.slot, DEBUGPORT_NOTIFIED, &notified,
		       sizeof(notified));
	bus_port_write(standin.vmm, standin.slot, DEBUGPORT_COMPARED,
		       &compared_bytes, sizeof(compared_bytes));
}

void platform_end(enum guest_status status)
{
	const uint8_t byte = (uint8_t)status;

	bus_port_write(standin.vmm, standin.slot, DEBUGPORT_EXIT, &byte, 1);
	work_park(&standin.vmm->work, standin.slot);
}

void platform_idle(void)
{
	atomic_store_explicit(&standin.vmm->progress, UINT64_MAX,
			      memory_order_relaxed);
	work_park(&standin.vmm->work, standin.slot);
}

void standin_run(struct vmm *vmm, uint32_t slot)
{
	standin.vmm = vmm;
	standin.slot = slot;
	rf_log("no KVM: a stand-in drives the devices in place of a guest");
	drive(vmm->cmdline);
}
