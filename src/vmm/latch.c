/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * latch.c - wait until somebody says go, with exactly two futex operations
 *
 * Side:    vmm, both kinds of thread.
 * Owns:    nothing.
 * Callers: work.c, vcpu.c, main.c.
 * Needs:   futex(FUTEX_WAIT_PRIVATE), futex(FUTEX_WAKE_PRIVATE).
 */
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "vmm/latch.h"

void latch_post(struct latch *l)
{
	atomic_fetch_add_explicit(&l->count, 1, memory_order_release);
	syscall(SYS_futex, &l->count, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

void latch_wait(struct latch *l)
{
	/* The kernel looks at the word again before it sleeps: a post between
	 * our look and its look makes it return at once. */
	while (atomic_load_explicit(&l->count, memory_order_acquire) == 0)
		syscall(SYS_futex, &l->count, FUTEX_WAIT_PRIVATE, 0, NULL, NULL,
			0);
	atomic_fetch_sub_explicit(&l->count, 1, memory_order_acquire);
}
