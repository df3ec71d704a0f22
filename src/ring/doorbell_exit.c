/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * doorbell_exit.c - each write exits and we fill the ring ourselves
 *
 * Side:    the vCPU process.
 * Owns:    nothing beyond what doorbell.c closes.
 * Callers: doorbell.c.
 * Never:   needs KVM: this is the kind that works everywhere, and what the
 *          stand-in for the vCPU uses.
 */
#include "ring/doorbell_kind.h"

static void push_and_wake(struct rf_doorbell *db,
			  const struct rf_ring_entry *entry)
{
	doorbell_push(db, entry);
	doorbell_wake_due(db);
}

const struct doorbell_kind doorbell_exit = {
	.name = "exit",
	.open = doorbell_open_memfd_ring,
	.write = push_and_wake,
};
