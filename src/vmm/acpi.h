/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * acpi.h - the machine as its ACPI tables describe it
 *
 * From ACPI_GPA on, in the BIOS area that the memory map calls reserved: RSDP,
 * XSDT, FADT, MADT, DSDT, FACS. Tables and not the older MP table, because only
 * they can say how to power off and to reset, and that there is no keyboard
 * controller, no clock chip and no PCI to be looked for.
 */
#ifndef RINGFENCE_VMM_ACPI_H
#define RINGFENCE_VMM_ACPI_H

#include <ringfence/base.h>

#include "vmm/memory.h"

#define ACPI_GPA 0xe0000u /* the RSDP, where kernels look for it */
#define ACPI_BYTES 4096u
#define ACPI_CPUS_MAX 32u

/* ACPI's own events, of which there are none. Devices have the interrupts 5 to
 * 20, so this is a line of its own. */
#define ACPI_SCI 23u

/* A virtio-mmio device that the guest finds here and nowhere else. */
struct acpi_device {
	uint32_t gpa;
	uint32_t bytes;
	uint32_t gsi;
};
#define ACPI_DEVICES_MAX 16u

/* -EINVAL: more processors than ACPI_CPUS_MAX, or none; more devices than
 * ACPI_DEVICES_MAX. */
RF_MUST_CHECK int acpi_write(const struct memory *mem, uint32_t nr_cpus,
			     const struct acpi_device *devices,
			     uint32_t nr_devices);

#endif
