/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * standin.h - a guest's driver in C, for hosts without KVM
 */
#ifndef RINGFENCE_VMM_STANDIN_H
#define RINGFENCE_VMM_STANDIN_H

#include "vmm/vmm.h"

/* Drive the disks as the built-in guest does and leave through the debug-exit
 * port: does not return then. Returns if the process cannot go on. */
void standin_run(struct vmm *vmm, uint32_t slot);

#endif
