/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * serve.h - the main thread's loop: launcher, devices, and what vCPUs hand over
 */
#ifndef RINGFENCE_VMM_SERVE_H
#define RINGFENCE_VMM_SERVE_H

#include "vmm/vmm.h"

/* Before the filter: RF_FD_EPOLL, RF_FD_WAKE and RF_FD_TIMER, watching the
 * launcher and the devices. */
RF_MUST_CHECK int serve_prepare(struct vmm *vmm, enum input_kind input);

/* Say READY, wait for GO, run. Returns the exit status of the process: 0 when
 * the guest ended and the launcher was told so. */
int serve_run(struct vmm *vmm);

#endif
