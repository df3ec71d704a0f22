/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * irq.h - interrupts: what came, for whom, and a tick that ends every sleep
 *
 * In order of use:
 *   irq_init()         tables, controllers quiet
 *   irq_route()        a line to a handler, edge triggered, open
 *   irq_tick_start()   from here on no sleep is longer than a tick; once
 *   cpu_sleep()        handlers run inside of it and nowhere else
 */
#ifndef GUEST_IRQ_H
#define GUEST_IRQ_H

#include <stdint.h>

enum {
	IRQ_DEVICES = 16, /* one number for each device we can drive */
	IRQ_TICK = 16,
	IRQ_SPURIOUS = 17,
	IRQ_NR = 18, /* stubs in entry.S */
};

typedef void irq_handler(void *ctx);

void irq_init(void);

/* Global system interrupt `gsi` calls `handler`. */
void irq_route(uint32_t number, uint32_t gsi, irq_handler *handler, void *ctx);

void irq_tick_start(void);

#endif
