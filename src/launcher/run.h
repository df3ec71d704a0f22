/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * run.h - the commands of ringfence, one function each
 *
 * argv[0] is the word behind the command's name. Each returns an exit status.
 */
#ifndef RINGFENCE_LAUNCHER_RUN_H
#define RINGFENCE_LAUNCHER_RUN_H

#include "launcher/vm.h"

int cmd_run(int argc, char *const *argv);
int cmd_demo(int argc, char *const *argv);
int cmd_probe(int argc, char *const *argv);
int cmd_policy(int argc, char *const *argv);
int cmd_limit(int argc, char *const *argv);
int cmd_bench(int argc, char *const *argv);

/* One VM from its settings to its end, with the descriptors in `im`, which are
 * taken. Afterwards this process is inside the launcher's filter. `vm` is for
 * reading what became of it. */
int run_vm(struct vm *vm, const struct settings *s, struct images *im);

#endif
