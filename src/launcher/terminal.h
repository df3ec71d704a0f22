/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * terminal.h - standard input as the guest's console: raw while the guest runs
 *
 * Ctrl-C, Ctrl-Z and the rest are then keys for the guest. The way out is told
 * in vmm/input.h: Ctrl-A x. Signals sent by others end the VM in order, and
 * the terminal is as before; only after SIGKILL `stty sane` is needed.
 */
#ifndef RINGFENCE_LAUNCHER_TERMINAL_H
#define RINGFENCE_LAUNCHER_TERMINAL_H

#include "launcher/settings.h"

enum terminal_input {
	TERMINAL_NONE,	 /* the guest hears nothing */
	TERMINAL_STREAM, /* a pipe or file, until its end */
	TERMINAL_KEYS,	 /* a terminal that is ours */
};

/* What standard input is to this run. */
enum terminal_input terminal_choose(const struct settings *s);

/* "none", "stream", "terminal": as ringfence-vmm wants it said. */
const char *terminal_input_name(enum terminal_input input);

/* Switch the terminal to raw mode, remembering how it was. Output stays as it
 * is, so that lines of ours still begin at the left. False: it could not. */
RF_MUST_CHECK bool terminal_raw(void);

/* As it was before terminal_raw(); nothing if that was not called. Inside the
 * launcher's filter, too. */
void terminal_restore(void);

#endif
