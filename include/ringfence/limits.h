/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * limits.h - what a device may use at most, said while it runs: one shared page
 *
 * The launcher makes a memfd of one page for each device, maps it writable,
 * seals it against shrinking and against any further writable mapping, and
 * passes it as RF_FD_LIMITS. The device maps it read-only and looks at it again
 * in every pass: changing a limit costs no message and no system call of the
 * device's. The writer is the launcher, which the device believes; each field
 * is one atomic and makes sense whatever the others are at that moment.
 */
#ifndef RINGFENCE_LIMITS_H
#define RINGFENCE_LIMITS_H

#include <assert.h>
#include <stdatomic.h>

#include <ringfence/base.h>

#define RF_LIMITS_BYTES 4096u

/* A rate of 0 is no limit. The burst is what may be used at once after a rest;
 * 0: as much as a tenth of a second's. */
struct rf_limits {
	_Atomic uint64_t ops_per_s;
	_Atomic uint64_t ops_burst;
	_Atomic uint64_t bytes_per_s;
	_Atomic uint64_t bytes_burst;
};
static_assert(sizeof(struct rf_limits) <= RF_LIMITS_BYTES, "one page");

/* The launcher's half: a sealed page of zeroes, owned, and its mapping. */
RF_MUST_CHECK int rf_limits_new(int *fd, struct rf_limits **out);

/* The device's half: map the page behind `fd` (taken: it is closed on success
 * and failure alike). -EPERM: its sender could shrink it. */
RF_MUST_CHECK int rf_limits_map(int fd, const struct rf_limits **out);

#endif
