/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * syscalls.h - names for the numbers that a filter killed for
 */
#ifndef RINGFENCE_LAUNCHER_SYSCALLS_H
#define RINGFENCE_LAUNCHER_SYSCALLS_H

#include <ringfence/base.h>

/* Set in the number of a call made through the x32 table. */
#define SYSCALLS_X32_BIT 0x40000000

/* The x86-64 name; NULL: these headers know none. Numbers of the i386 table
 * are other calls and have no name here. */
const char *syscalls_name(int nr);

/* "syscall 41 (socket)", "syscall 41 (x32: socket)", "i386 syscall 359". */
void syscalls_describe(int nr, bool is_i386, char *out, size_t cap);

#endif
