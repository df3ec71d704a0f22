/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * power.h - how a guest switches its machine off, or asks for a reset
 *
 *   0x600  ACPI PM1 status, 16 bits: no event ever happens; enable, 16 bits
 *   0x604  ACPI PM1 control, 16 bits: with SLP_EN and the type of \_S5: off
 *   0x064  the keyboard controller's command port; of it there is only 0xfe,
 *          "pulse the reset line". The ACPI reset register is the same.
 *
 * A reset ends the VM: whoever wants it back starts it anew, with fresh
 * processes.
 */
#ifndef RINGFENCE_VMM_POWER_H
#define RINGFENCE_VMM_POWER_H

#include <stdatomic.h>

#include <ringfence/base.h>

#define POWER_EVENT_PORT 0x600u
#define POWER_EVENT_BYTES 4u
#define POWER_CONTROL_PORT 0x604u
#define POWER_CONTROL_BYTES 2u
#define POWER_RESET_PORT 0x64u
#define POWER_RESET_VALUE 0xfeu
#define POWER_OFF_TYPE 5u

enum power_verdict {
	POWER_NOT_MINE, /* another port */
	POWER_TAKEN,
	POWER_OFF,
	POWER_RESET,
};

struct power {
	_Atomic uint8_t enable[2];
	_Atomic uint8_t control[2];
};

/* One byte of a register. Any vCPU thread. A wide access to the last ports
 * reaches beyond the 64 KiB there are, and nobody. */
enum power_verdict power_write(struct power *p, uint32_t port, uint8_t value);
/* False: another port. */
bool power_read(struct power *p, uint32_t port, uint8_t *out);

#endif
