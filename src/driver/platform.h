/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * platform.h - what the driver needs of whatever it runs on
 *
 * Two answer: tests/guest/main.c inside the virtual machine, and
 * src/vmm/standin.c in place of it. One thread of each.
 */
#ifndef RINGFENCE_DRIVER_PLATFORM_H
#define RINGFENCE_DRIVER_PLATFORM_H

#include <stdarg.h>

#include "driver/guest.h"

struct disk_memory;

/* A register; `len` is 1, 2 or 4. */
uint32_t platform_read(uint64_t gpa, uint32_t len);
void platform_write(uint64_t gpa, uint32_t len, uint32_t value);
/* The same 32 bits many times over, as fast as it goes. */
void platform_write_often(uint64_t gpa, uint32_t value, uint32_t times);

/* Memory that the device of disk `index` may reach; NULL: not enough. It
 * changes under us, so nothing is kept in it that we go by. */
struct disk_memory *platform_memory(uint32_t index);
/* Where the device finds what lies in there. */
uint64_t platform_gpa(uint32_t index, const void *where);

/* Interrupts of disk `index` call `handler`, inside of platform_sleep() alone.
 * Each that came since the last sleep ends the next one. */
typedef void platform_handler(void *ctx);
void platform_route(uint32_t index, const struct guest_device *dev,
		    platform_handler *handler, void *ctx);
/* Until an interrupt of this disk; it may also end for no reason. */
void platform_sleep(uint32_t index);

/* A line; knows %s, %.*s, %u, %x and %llu. */
__attribute__((format(printf, 1, 0))) void platform_say(const char *fmt,
							va_list args);
/* Add to the totals that the monitor keeps. */
void platform_count(uint32_t notified, uint32_t compared_bytes);
__attribute__((noreturn)) void platform_end(enum guest_status status);
__attribute__((noreturn)) void platform_idle(void);

#endif
