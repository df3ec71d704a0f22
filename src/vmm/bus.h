/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * bus.h - where a guest's access to a port or a register goes
 *
 * The same for a vCPU's exits and for the stand-in, which makes such accesses
 * in C. Any vCPU thread; `slot` is its number in work.c. `len` is 1, 2, 4 or 8.
 * Reads of what nobody answers give all ones; such writes are ignored.
 */
#ifndef RINGFENCE_VMM_BUS_H
#define RINGFENCE_VMM_BUS_H

#include "vmm/vmm.h"

void bus_mmio_read(struct vmm *vmm, uint64_t gpa, void *data, uint32_t len);
void bus_mmio_write(struct vmm *vmm, uint32_t slot, uint64_t gpa,
		    const void *data, uint32_t len);
void bus_port_read(struct vmm *vmm, uint16_t port, void *data, uint32_t len);
/* Does not return from a write that ends the guest. */
void bus_port_write(struct vmm *vmm, uint32_t slot, uint16_t port,
		    const void *data, uint32_t len);

#endif
