/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * input.h - what comes in on RF_FD_CONSOLE_IN, to the guest's serial port
 *
 * A stream (a pipe, a file) is passed on byte by byte until its end, no faster
 * than the guest takes it, and from the moment its driver listens. From a
 * terminal, in raw mode, keys are taken at once, for one of them is the way
 * out: what a guest that does not read has no room for is lost, and
 *
 *   Ctrl-A x   ends the VM, with status 0
 *   Ctrl-A a   sends Ctrl-A
 *   Ctrl-A ?   says so
 */
#ifndef RINGFENCE_VMM_INPUT_H
#define RINGFENCE_VMM_INPUT_H

#include <ringfence/base.h>

#include "vmm/serial.h"

enum input_kind { INPUT_NONE, INPUT_STREAM, INPUT_TERMINAL };

struct input {
	struct serial *serial; /* borrowed */
	enum input_kind kind;
	uint64_t token;	   /* of its events at RF_FD_EPOLL */
	bool is_polled;	   /* else it is a file, which is always ready */
	bool is_armed;	   /* the next event will be told */
	bool ended;	   /* nothing more comes */
	bool after_escape; /* Ctrl-A was the last key */
};

/* Before the filter; RF_FD_EPOLL is there. Nothing is read before the first
 * input_look(). */
RF_MUST_CHECK int input_init(struct input *c, enum input_kind kind,
			     struct serial *serial, uint64_t token);

/* An event came: it can be read. True: end the VM. */
bool input_ready(struct input *c);

/* The guest may have made room, or time has passed. True: end the VM. */
bool input_look(struct input *c);

#endif
