/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * who.h - who is who: what each process of a VM is and holds, from /proc
 */
#ifndef RINGFENCE_LAUNCHER_WHO_H
#define RINGFENCE_LAUNCHER_WHO_H

#include "launcher/vm.h"

/* Write it to `fd`. What /proc does not tell this user shows as "?". */
void who_show(const struct vm *vm, int fd);

/* One process into `t`; `is_self` compares namespaces with nobody's. */
void who_describe(struct text *t, const char *name, pid_t pid, bool is_self);

#endif
