/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * serial.h - a 16550 that only speaks
 *
 * Enough of one for a driver to find it and write to it, by polling or by the
 * "transmitter empty" interrupt. It never receives. Bytes leave a line at a
 * time; serial_flush_stale() takes care of what has no newline.
 *
 * Any thread; each call takes the port's own lock.
 */
#ifndef RINGFENCE_VMM_SERIAL_H
#define RINGFENCE_VMM_SERIAL_H

#include <pthread.h>

#include <ringfence/base.h>

#define SERIAL_PORT 0x3f8u
#define SERIAL_PORTS 8u
#define SERIAL_IRQ 4u
#define SERIAL_LINE_BYTES 256u

struct serial {
	pthread_mutex_t lock;
	int out_fd;    /* borrowed */
	int irq_event; /* borrowed; an irqfd, or -1 */
	uint8_t ier;
	uint8_t fcr;
	uint8_t lcr;
	uint8_t mcr;
	uint8_t scratch;
	uint8_t divisor[2];
	bool empty_pending; /* "transmitter empty" not yet acknowledged */
	bool stale;	    /* nothing came since the last look */
	uint32_t used;
	uint8_t line[SERIAL_LINE_BYTES];
};

void serial_init(struct serial *s, int out_fd, int irq_event);
/* reg: 0..7 */
void serial_write(struct serial *s, uint32_t reg, uint8_t value);
uint8_t serial_read(struct serial *s, uint32_t reg);

/* Now and then: write out what has been waiting since the last such call. */
void serial_flush_stale(struct serial *s);
/* Write out everything. */
void serial_flush(struct serial *s);

#endif
