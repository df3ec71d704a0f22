/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * serial.h - a 16550: lines out, keys in
 *
 * Enough of one for a driver to find it, to write to it and to read from it, by
 * polling or by interrupts. Bytes leave a line at a time; serial_flush_stale()
 * takes care of what has no newline. Bytes come in by serial_receive() and wait
 * in a queue; when the guest has emptied it, `room_event` is signalled.
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
#define SERIAL_QUEUE_BYTES 64u

struct serial {
	pthread_mutex_t lock;
	int out_fd;	/* borrowed */
	int irq_event;	/* borrowed; an irqfd, or -1 */
	int room_event; /* borrowed; an eventfd, or -1 */
	uint8_t ier;
	uint8_t fcr;
	uint8_t lcr;
	uint8_t mcr;
	uint8_t scratch;
	uint8_t divisor[2];
	bool empty_pending; /* "transmitter empty" not yet acknowledged */
	bool stale;	    /* nothing came since the last look */
	bool wants_room;    /* somebody waits until the queue takes more */
	/* Takes nothing before a driver wants to hear of it: drivers empty the
	 * queue when they begin. Set by who brings a stream that cannot be
	 * typed again. */
	bool holds_back;
	uint32_t used;
	uint8_t line[SERIAL_LINE_BYTES];
	uint32_t first; /* of the queue: what the guest reads next */
	uint32_t nr_waiting;
	uint8_t queue[SERIAL_QUEUE_BYTES];
};

void serial_init(struct serial *s, int out_fd, int irq_event, int room_event);
/* reg: 0..7 */
void serial_write(struct serial *s, uint32_t reg, uint8_t value);
uint8_t serial_read(struct serial *s, uint32_t reg);

/* How many bytes the queue takes now. If none, room_event says when that has
 * changed. */
uint32_t serial_room(struct serial *s);
/* Bytes for the guest. Returns how many of them it took. */
uint32_t serial_receive(struct serial *s, const uint8_t *bytes, uint32_t nr);

/* Now and then: write out what has been waiting since the last such call. */
void serial_flush_stale(struct serial *s);
/* Write out everything. */
void serial_flush(struct serial *s);

#endif
