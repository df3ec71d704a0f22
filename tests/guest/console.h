/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * console.h - lines on the first serial port
 */
#ifndef GUEST_CONSOLE_H
#define GUEST_CONSOLE_H

#include <stdarg.h>

void console_init(void);
/* Knows %s, %.*s, %u, %x and %llu. */
void console_line(const char *fmt, va_list args);

#endif
