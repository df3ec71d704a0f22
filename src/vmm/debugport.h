/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * debugport.h - three ports through which a guest talks to its tests
 *
 *   0xf4  8 bits   end the guest; the value is the exit status of the run
 *   0xf8  32 bits  add to the count of notify writes the guest made
 *   0xfc  32 bits  add to the count of bytes the guest compared
 *
 * The counts are the guest's word and go to the report page as such.
 */
#ifndef RINGFENCE_VMM_DEBUGPORT_H
#define RINGFENCE_VMM_DEBUGPORT_H

#include <ringfence/base.h>
#include <ringfence/report.h>

#define DEBUGPORT_EXIT 0xf4u
#define DEBUGPORT_NOTIFIED 0xf8u
#define DEBUGPORT_COMPARED 0xfcu

enum debugport_verdict {
	DEBUGPORT_NOT_MINE, /* another port, or not of the width above */
	DEBUGPORT_COUNTED,
	DEBUGPORT_ENDED, /* the value is the status */
};

enum debugport_verdict debugport_write(struct rf_report *report, uint16_t port,
				       uint32_t len, uint32_t value);

#endif
