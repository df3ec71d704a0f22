/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * report.h - what the processes of a VM counted, as JSON
 */
#ifndef RINGFENCE_LAUNCHER_REPORT_H
#define RINGFENCE_LAUNCHER_REPORT_H

#include "launcher/vm.h"

/* One object, one line, by write(2): works inside the launcher's filter. */
void report_write(const struct vm *vm, int fd);

/* From exec to sealed; 0 if the process did not get that far, or says
 * nonsense. */
uint64_t report_startup_ns(const struct vm_process *proc);

#endif
