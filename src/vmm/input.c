/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * input.c - what comes in on RF_FD_CONSOLE_IN, to the guest's serial port
 *
 * The descriptor is the launcher's own standard input, shared with whoever
 * started it: nothing of it may be changed here, O_NONBLOCK neither. So it is
 * read only when epoll says that it is ready, and epoll is asked once for each
 * reading (EPOLLONESHOT): a guest that takes nothing costs nothing.
 *
 * Side:    vmm, main thread.
 * Owns:    the state of the escape.
 * Callers: serve.c.
 * Needs:   read on RF_FD_CONSOLE_IN; epoll_ctl(MOD).
 * Never:   reads what it has no room for, unless a terminal's.
 */
#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <ringfence/fence.h>
#include <ringfence/log.h>

#include "vmm/input.h"

#define INPUT_ESCAPE 0x01 /* Ctrl-A */
/* Readings in a row of a file that never ends. */
#define INPUT_READS_MAX 16

static int ask(struct input *c, int op)
{
	/* Added without a question; that a pipe's other end is gone may be told
	 * all the same, once. */
	const uint32_t question = op == EPOLL_CTL_MOD ? EPOLLIN : 0;
	struct epoll_event ev = { .events = question | EPOLLONESHOT,
				  .data.u64 = c->token };

	return epoll_ctl(RF_FD_EPOLL, op, RF_FD_CONSOLE_IN, &ev) < 0 ? -errno
								     : 0;
}

int input_init(struct input *c, enum input_kind kind, struct serial *serial,
	       uint64_t token)
{
	int rc;

	*c = (struct input){ .serial = serial,
			     .kind = kind,
			     .token = token,
			     .ended = kind == INPUT_NONE };
	if (kind == INPUT_NONE)
		return 0;
	serial->holds_back = kind == INPUT_STREAM;
	rc = ask(c, EPOLL_CTL_ADD);
	c->is_polled = rc == 0;
	/* Files and /dev/null: there is nothing to wait for. */
	return rc == -EPERM ? 0 : rc;
}

/* At most `max` bytes; 0: none now, or none ever again. */
static uint32_t take(struct input *c, uint8_t *buf, uint32_t max)
{
	ssize_t n = read(RF_FD_CONSOLE_IN, buf, max);

	if (n > 0)
		return (uint32_t)n;
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return 0;
	c->ended = true;
	return 0;
}

static void arm(struct input *c)
{
	if (c->ended || !c->is_polled || c->is_armed)
		return;
	c->is_armed = ask(c, EPOLL_CTL_MOD) == 0;
}

/* One key behind Ctrl-A. */
static bool act(struct input *c, uint8_t key)
{
	static const uint8_t escape = INPUT_ESCAPE;

	c->after_escape = false;
	switch (key) {
	case 'x':
		return true;
	case 'a':
	case INPUT_ESCAPE:
		(void)serial_receive(c->serial, &escape, 1);
		return false;
	default:
		rf_log("Ctrl-A x ends the VM, Ctrl-A a sends Ctrl-A");
		return false;
	}
}

static bool take_keys(struct input *c)
{
	uint8_t keys[SERIAL_QUEUE_BYTES];
	uint32_t nr = take(c, keys, sizeof(keys));
	uint32_t i;

	for (i = 0; i < nr; i++) {
		if (c->after_escape) {
			if (act(c, keys[i]))
				return true;
		} else if (keys[i] == INPUT_ESCAPE) {
			c->after_escape = true;
		} else {
			(void)serial_receive(c->serial, &keys[i], 1);
		}
	}
	return false;
}

/* Nobody else puts anything into the queue but a guest in loopback; what that
 * one displaces is lost to it, not to us. */
static void take_stream(struct input *c)
{
	uint8_t bytes[SERIAL_QUEUE_BYTES];
	uint32_t room = serial_room(c->serial);
	uint32_t nr;

	if (room == 0)
		return;
	nr = take(c, bytes, room);
	(void)serial_receive(c->serial, bytes, nr);
}

bool input_ready(struct input *c)
{
	bool end = false;

	/* Not asked for: the guest does not run yet. */
	if (!c->is_armed)
		return false;
	c->is_armed = false;
	if (c->ended)
		return false;
	if (c->kind == INPUT_TERMINAL)
		end = take_keys(c);
	else
		take_stream(c);
	if (c->kind == INPUT_TERMINAL || serial_room(c->serial) > 0)
		arm(c);
	return end;
}

bool input_look(struct input *c)
{
	uint32_t i;

	if (c->ended || c->is_armed)
		return false;
	if (c->is_polled) {
		if (c->kind == INPUT_TERMINAL || serial_room(c->serial) > 0)
			arm(c);
		return false;
	}
	for (i = 0; i < INPUT_READS_MAX && !c->ended; i++) {
		if (serial_room(c->serial) == 0)
			return false;
		take_stream(c);
	}
	return false;
}
