/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * work.h - what a vCPU thread may not do itself, handed to the main thread
 *
 * A register write that needs the device process (Status, config space) is a
 * conversation on a socket that a vCPU thread's filter forbids. The thread
 * posts it in the one slot it has, rings an eventfd and sleeps until the main
 * thread has done it. No lock of a device is held meanwhile, so main may take
 * any.
 *
 *   vCPU thread:  work_write(), work_end()
 *   main thread:  work_serve() when the eventfd says so, and work_answer()
 *                 for what could not be done at once
 */
#ifndef RINGFENCE_VMM_WORK_H
#define RINGFENCE_VMM_WORK_H

#include <stdatomic.h>

#include <ringfence/base.h>

#include "vmm/latch.h"

#define WORK_SLOTS_MAX 32u

enum work_kind {
	WORK_WRITE,   /* a register write: device, offset, data, len */
	WORK_ENDED,   /* the guest left: status */
	WORK_STOPPED, /* this vCPU cannot go on; the cause is in its slot */
};

struct work_item {
	enum work_kind kind;
	uint32_t device;
	uint32_t offset;
	uint32_t len; /* 1..8 */
	uint8_t data[8];
	uint32_t status;
};

struct work_slot {
	_Atomic bool posted;
	struct work_item item;
	struct latch done;
};

struct work {
	int event_fd; /* borrowed; non-blocking */
	uint32_t nr_slots;
	struct work_slot slots[WORK_SLOTS_MAX];
};

/* -EINVAL: nr_slots is 0 or beyond WORK_SLOTS_MAX. */
RF_MUST_CHECK int work_init(struct work *w, int event_fd, uint32_t nr_slots);

/* Returns when main has done it. slot: the calling thread's own number.
 * -EINVAL: len is 0 or beyond 8. */
RF_MUST_CHECK int work_write(struct work *w, uint32_t slot, uint32_t device,
			     uint32_t offset, const void *data, uint32_t len);

/* Tell main that this thread is through (WORK_ENDED or WORK_STOPPED). Main
 * answers, if at all, by ending the process. */
void work_end(struct work *w, uint32_t slot, enum work_kind kind,
	      uint32_t status);

/* Sleep for ever, by futex alone. */
_Noreturn void work_park(struct work *w, uint32_t slot);

/* Do what is posted: fn gets a copy of each. False: it is not done yet, and the
 * thread sleeps until work_answer(). Returns how many there were. */
typedef bool work_fn(void *ctx, uint32_t slot, const struct work_item *item);
uint32_t work_serve(struct work *w, work_fn *fn, void *ctx);

/* It is done now. Once for each false. */
void work_answer(struct work *w, uint32_t slot);

#endif
