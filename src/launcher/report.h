/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * report.h - what the processes of a VM counted, as JSON
 */
#ifndef RINGFENCE_LAUNCHER_REPORT_H
#define RINGFENCE_LAUNCHER_REPORT_H

#include "launcher/vm.h"

/* One object, one line, by write(2): works inside the launcher's filter. */
void report_write(const struct vm *vm, int fd);

/* How the guest read registers: "page" or "exit". */
const char *report_registers(const struct vm *vm);

/* Register accesses and notify writes that left the kernel since a driver
 * started, for each request served. False: the counters make no sense of it. */
bool report_exits_per_request(uint64_t exits, uint64_t setup, uint64_t requests,
			      double *out);

/* Start-up of process `index`: from exec to its last filter. 0 if it did not get that far, or says nonsense. */
uint64_t report_startup_ns(const struct vm *vm, uint32_t index);

#endif
