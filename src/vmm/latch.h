/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * latch.h - wait until somebody says go, with exactly two futex operations
 *
 * A semaphore of glibc would do as well, but which futex operations it uses
 * changes with its version, and the filter of a vCPU thread names them.
 */
#ifndef RINGFENCE_VMM_LATCH_H
#define RINGFENCE_VMM_LATCH_H

#include <stdatomic.h>

#include <ringfence/base.h>

/* Zeroed: closed. */
struct latch {
	_Atomic uint32_t count;
};

/* Let one waiter through, now or later. Any thread. */
void latch_post(struct latch *l);

/* Take one post; sleeps until there is one. One thread at a time. */
void latch_wait(struct latch *l);

#endif
