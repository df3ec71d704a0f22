/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * power.c - how a guest switches its machine off, or asks for a reset
 *
 * Side:    vmm, vCPU threads.
 * Owns:    nothing.
 * Callers: bus.c.
 * Never:   ends anything itself; the caller hands that to the main thread.
 */
#include "vmm/power.h"

/* ACPI 6.5, 4.8.3.2.1: bit 0 SCI_EN, bits 10-12 SLP_TYP, bit 13 SLP_EN; the
 * latter two in the second byte. */
enum {
	POWER_SCI_EN = 0x01,
	POWER_SLP_TYP_SHIFT = 2,
	POWER_SLP_TYP_MASK = 0x07,
	POWER_SLP_EN = 0x20,
};

static enum power_verdict write_control(struct power *p, uint32_t byte,
					uint8_t value)
{
	const uint8_t type = value >> POWER_SLP_TYP_SHIFT & POWER_SLP_TYP_MASK;

	/* SLP_EN reads as zero. */
	atomic_store_explicit(&p->control[byte],
			      byte ? value & (uint8_t)~POWER_SLP_EN : value,
			      memory_order_relaxed);
	if (byte == 1 && value & POWER_SLP_EN && type == POWER_OFF_TYPE)
		return POWER_OFF;
	return POWER_TAKEN;
}

enum power_verdict power_write(struct power *p, uint32_t port, uint8_t value)
{
	switch (port) {
	case POWER_EVENT_PORT: /* status: writing ones clears what is 0 */
	case POWER_EVENT_PORT + 1:
		return POWER_TAKEN;
	case POWER_EVENT_PORT + 2:
	case POWER_EVENT_PORT + 3:
		atomic_store_explicit(&p->enable[port - POWER_EVENT_PORT - 2],
				      value, memory_order_relaxed);
		return POWER_TAKEN;
	case POWER_CONTROL_PORT:
	case POWER_CONTROL_PORT + 1:
		return write_control(p, port - POWER_CONTROL_PORT, value);
	case POWER_RESET_PORT:
		return value == POWER_RESET_VALUE ? POWER_RESET : POWER_TAKEN;
	default:
		return POWER_NOT_MINE;
	}
}

bool power_read(struct power *p, uint32_t port, uint8_t *out)
{
	switch (port) {
	case POWER_EVENT_PORT:
	case POWER_EVENT_PORT + 1:
		*out = 0;
		return true;
	case POWER_EVENT_PORT + 2:
	case POWER_EVENT_PORT + 3:
		*out = atomic_load_explicit(
			&p->enable[port - POWER_EVENT_PORT - 2],
			memory_order_relaxed);
		return true;
	case POWER_CONTROL_PORT:
		/* There is no other mode than ACPI's. */
		*out = POWER_SCI_EN |
		       atomic_load_explicit(&p->control[0],
					    memory_order_relaxed);
		return true;
	case POWER_CONTROL_PORT + 1:
		*out = atomic_load_explicit(&p->control[1],
					    memory_order_relaxed);
		return true;
	case POWER_RESET_PORT:
		/* Ready for a command: who waits for that, waits not long. */
		*out = 0;
		return true;
	default:
		return false;
	}
}
