/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * syscalls.c - names for the numbers that a filter killed for
 *
 * Side:    launcher; works inside its filter.
 * Owns:    the table, made at build time from the C library's headers.
 * Callers: supervise.c, policy.c.
 * Never:   invents a name for a number of another table.
 */
#include <stdio.h>

#include "launcher/syscalls.h"

static const char *const names[] = {
#include "syscall_names.inc"
};

const char *syscalls_name(int nr)
{
	nr &= ~SYSCALLS_X32_BIT;
	if (nr < 0 || (size_t)nr >= RF_ARRAY_LEN(names))
		return NULL;
	return names[nr];
}

void syscalls_describe(int nr, bool is_i386, char *out, size_t cap)
{
	const bool is_x32 = (nr & SYSCALLS_X32_BIT) && nr > 0;
	const char *name = is_i386 ? NULL : syscalls_name(nr);

	if (is_i386)
		(void)snprintf(out, cap, "i386 syscall %d", nr);
	else if (is_x32)
		(void)snprintf(out, cap, "syscall %d (x32: %s)",
			       nr & ~SYSCALLS_X32_BIT, name ? name : "unknown");
	else
		(void)snprintf(out, cap, "syscall %d (%s)", nr,
			       name ? name : "unknown");
}
