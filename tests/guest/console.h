/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * console.h - the part of the console that only main.c's guest_fail() needs
 */
#ifndef GUEST_CONSOLE_H
#define GUEST_CONSOLE_H

#include <stdarg.h>

void console_line(const char *fmt, va_list args);

#endif
