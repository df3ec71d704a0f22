/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * debugport.c - three ports through which a guest talks to its tests
 *
 * Side:    vmm, vCPU threads.
 * Owns:    nothing.
 * Callers: bus.c.
 * Never:   ends anything itself; the caller hands that to the main thread.
 */
#include "vmm/debugport.h"

enum debugport_verdict debugport_write(struct rf_report *report, uint16_t port,
				       uint32_t len, uint32_t value)
{
	if (port == DEBUGPORT_EXIT && len == 1)
		return DEBUGPORT_ENDED;
	if (port == DEBUGPORT_NOTIFIED && len == 4) {
		RF_REPORT_ADD(report, notified, value);
		return DEBUGPORT_COUNTED;
	}
	if (port == DEBUGPORT_COMPARED && len == 4) {
		RF_REPORT_ADD(report, compared_bytes, value);
		return DEBUGPORT_COUNTED;
	}
	return DEBUGPORT_NOT_MINE;
}
