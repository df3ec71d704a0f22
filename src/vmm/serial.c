/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * serial.c - a 16550: lines out, keys in
 *
 * Side:    vmm, vCPU threads; main flushes and brings what was typed.
 * Owns:    the line being collected, and the queue of what came.
 * Callers: bus.c for the guest, standin.c, serve.c, input.c.
 * Needs:   write on RF_FD_CONSOLE, RF_FD_WAKE and the interrupt's eventfd;
 *          futex.
 * Never:   fails towards the guest: a console nobody can write to any more
 *          loses lines, not the guest. A console that is merely slow holds the
 *          vCPU back.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "vmm/serial.h"

enum {
	SERIAL_DATA = 0,
	SERIAL_IER = 1,
	SERIAL_IIR_FCR = 2,
	SERIAL_LCR = 3,
	SERIAL_MCR = 4,
	SERIAL_LSR = 5,
	SERIAL_MSR = 6,
	SERIAL_SCRATCH = 7,
};

enum {
	SERIAL_IER_MASK = 0x0f,
	SERIAL_IER_DATA = 0x01,
	SERIAL_IER_EMPTY = 0x02,
	SERIAL_IIR_NONE = 0x01,
	SERIAL_IIR_EMPTY = 0x02,
	SERIAL_IIR_DATA = 0x04,
	SERIAL_IIR_FIFO = 0xc0,
	SERIAL_FCR_ENABLE = 0x01,
	SERIAL_FCR_CLEAR_QUEUE = 0x02,
	SERIAL_LCR_DIVISOR = 0x80,
	SERIAL_MCR_MASK = 0x1f,
	SERIAL_MCR_LOOP = 0x10,
	SERIAL_LSR_DATA = 0x01,
	SERIAL_LSR_EMPTY = 0x60, /* both holding and shift register */
	SERIAL_MSR_THERE = 0xb0, /* carrier, data set ready, clear to send */
};

void serial_init(struct serial *s, int out_fd, int irq_event, int room_event)
{
	memset(s, 0, sizeof(*s));
	pthread_mutex_init(&s->lock, NULL);
	s->out_fd = out_fd;
	s->irq_event = irq_event;
	s->room_event = room_event;
	s->divisor[0] = 1; /* 115200 */
	s->lcr = 0x03;	   /* 8N1 */
}

static void flush_line(struct serial *s)
{
	const uint8_t *from = s->line;
	uint32_t left = s->used;

	while (left > 0) {
		ssize_t n = write(s->out_fd, from, left);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		from += n;
		left -= (uint32_t)n;
	}
	s->used = 0;
}

static void transmit(struct serial *s, uint8_t byte)
{
	s->line[s->used++] = byte;
	s->stale = false;
	if (byte == '\n' || s->used == sizeof(s->line))
		flush_line(s);
}

/* One edge. What it is about, the driver reads from IIR until that says that
 * there is nothing: an edge too many does no harm. */
static void interrupt(struct serial *s)
{
	if (s->irq_event >= 0 && rf_eventfd_signal(s->irq_event) < 0)
		s->irq_event = -1; /* not an eventfd: nothing to hope for */
}

/* The register is empty again at once, and the driver may want to hear it. */
static void raise_empty(struct serial *s)
{
	if (!(s->ier & SERIAL_IER_EMPTY))
		return;
	s->empty_pending = true;
	interrupt(s);
}

static void raise_data(struct serial *s)
{
	if (s->nr_waiting > 0 && s->ier & SERIAL_IER_DATA)
		interrupt(s);
}

static void enqueue(struct serial *s, uint8_t byte)
{
	const uint32_t at = (s->first + s->nr_waiting) % SERIAL_QUEUE_BYTES;

	s->queue[at] = byte;
	s->nr_waiting++;
}

/* In loopback the line from outside is cut. */
static uint32_t count_room(const struct serial *s)
{
	if (s->mcr & SERIAL_MCR_LOOP)
		return 0;
	if (s->holds_back && !(s->ier & SERIAL_IER_DATA))
		return 0;
	return SERIAL_QUEUE_BYTES - s->nr_waiting;
}

/* Main sleeps over a queue that was full: until it is empty, not at each byte,
 * for every waking costs the guest a write and main a turn. */
static void tell_room(struct serial *s)
{
	if (!s->wants_room || count_room(s) < SERIAL_QUEUE_BYTES)
		return;
	s->wants_room = false;
	if (s->room_event >= 0 && rf_eventfd_signal(s->room_event) < 0)
		s->room_event = -1;
}

/* An empty queue reads as zero. */
static uint8_t dequeue(struct serial *s)
{
	uint8_t byte;

	if (s->nr_waiting == 0)
		return 0;
	byte = s->queue[s->first];
	s->first = (s->first + 1) % SERIAL_QUEUE_BYTES;
	s->nr_waiting--;
	tell_room(s);
	return byte;
}

static void write_data(struct serial *s, uint8_t value)
{
	if (s->lcr & SERIAL_LCR_DIVISOR) {
		s->divisor[0] = value;
		return;
	}
	/* In loopback it comes back, and one too many is lost as on a wire. */
	if (!(s->mcr & SERIAL_MCR_LOOP))
		transmit(s, value);
	else if (s->nr_waiting < SERIAL_QUEUE_BYTES)
		enqueue(s, value);
	if (s->mcr & SERIAL_MCR_LOOP)
		raise_data(s);
	raise_empty(s);
}

static void write_ier(struct serial *s, uint8_t value)
{
	const uint8_t was = s->ier;

	if (s->lcr & SERIAL_LCR_DIVISOR) {
		s->divisor[1] = value;
		return;
	}
	s->ier = value & SERIAL_IER_MASK;
	if (!(was & SERIAL_IER_EMPTY))
		raise_empty(s);
	if (!(was & SERIAL_IER_DATA))
		raise_data(s);
	tell_room(s);
	if (!(s->ier & SERIAL_IER_EMPTY))
		s->empty_pending = false;
}

static void write_fcr(struct serial *s, uint8_t value)
{
	/* Switching the queues on or off empties them as well. */
	if (value & SERIAL_FCR_CLEAR_QUEUE ||
	    (value ^ s->fcr) & SERIAL_FCR_ENABLE) {
		s->nr_waiting = 0;
		tell_room(s);
	}
	s->fcr = value;
}

void serial_write(struct serial *s, uint32_t reg, uint8_t value)
{
	pthread_mutex_lock(&s->lock);
	switch (reg) {
	case SERIAL_DATA:
		write_data(s, value);
		break;
	case SERIAL_IER:
		write_ier(s, value);
		break;
	case SERIAL_IIR_FCR:
		write_fcr(s, value);
		break;
	case SERIAL_LCR:
		s->lcr = value;
		break;
	case SERIAL_MCR:
		s->mcr = value & SERIAL_MCR_MASK;
		tell_room(s);
		break;
	case SERIAL_SCRATCH:
		s->scratch = value;
		break;
	default: /* LSR and MSR are read-only */
		break;
	}
	pthread_mutex_unlock(&s->lock);
}

static uint8_t read_iir(struct serial *s)
{
	uint8_t value = s->fcr & SERIAL_FCR_ENABLE ? SERIAL_IIR_FIFO : 0;

	/* Data first; reading it is what acknowledges it. */
	if (s->nr_waiting > 0 && s->ier & SERIAL_IER_DATA)
		return value | SERIAL_IIR_DATA;
	if (!s->empty_pending)
		return value | SERIAL_IIR_NONE;
	s->empty_pending = false; /* reading acknowledges this cause */
	return value | SERIAL_IIR_EMPTY;
}

/* In loopback the four outputs are wired to the four inputs: drivers find out
 * by that whether a port is there. */
static uint8_t read_msr(const struct serial *s)
{
	if (!(s->mcr & SERIAL_MCR_LOOP))
		return SERIAL_MSR_THERE;
	return (uint8_t)((s->mcr & 0x02) << 3 | (s->mcr & 0x01) << 5 |
			 (s->mcr & 0x04) << 4 | (s->mcr & 0x08) << 4);
}

static uint8_t read_locked(struct serial *s, uint32_t reg)
{
	bool divisor = s->lcr & SERIAL_LCR_DIVISOR;

	switch (reg) {
	case SERIAL_DATA:
		return divisor ? s->divisor[0] : dequeue(s);
	case SERIAL_IER:
		return divisor ? s->divisor[1] : s->ier;
	case SERIAL_IIR_FCR:
		return read_iir(s);
	case SERIAL_LCR:
		return s->lcr;
	case SERIAL_MCR:
		return s->mcr;
	case SERIAL_LSR:
		return SERIAL_LSR_EMPTY |
		       (s->nr_waiting > 0 ? SERIAL_LSR_DATA : 0);
	case SERIAL_MSR:
		return read_msr(s);
	case SERIAL_SCRATCH:
		return s->scratch;
	default:
		return 0xff;
	}
}

uint8_t serial_read(struct serial *s, uint32_t reg)
{
	uint8_t value;

	pthread_mutex_lock(&s->lock);
	value = read_locked(s, reg);
	pthread_mutex_unlock(&s->lock);
	return value;
}

uint32_t serial_room(struct serial *s)
{
	uint32_t room;

	pthread_mutex_lock(&s->lock);
	room = count_room(s);
	s->wants_room = room == 0;
	pthread_mutex_unlock(&s->lock);
	return room;
}

uint32_t serial_receive(struct serial *s, const uint8_t *bytes, uint32_t nr)
{
	uint32_t taken = 0;

	pthread_mutex_lock(&s->lock);
	while (taken < nr && s->nr_waiting < SERIAL_QUEUE_BYTES)
		enqueue(s, bytes[taken++]);
	if (taken > 0)
		raise_data(s);
	pthread_mutex_unlock(&s->lock);
	return taken;
}

void serial_flush_stale(struct serial *s)
{
	/* A vCPU that holds the lock is at work here: not stale then. */
	if (pthread_mutex_trylock(&s->lock) != 0)
		return;
	if (s->stale && s->used > 0)
		flush_line(s);
	s->stale = true;
	pthread_mutex_unlock(&s->lock);
}

void serial_flush(struct serial *s)
{
	pthread_mutex_lock(&s->lock);
	flush_line(s);
	pthread_mutex_unlock(&s->lock);
}
