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

/* The same as plain numbers, each at most RF_RATE_MAX. */
struct rf_rates {
	uint64_t ops_per_s;
	uint64_t ops_burst;
	uint64_t bytes_per_s;
	uint64_t bytes_burst;
};
#define RF_RATE_MAX (UINT64_C(1) << 50) /* far beyond any disk */

/* Which of the four. */
enum {
	RF_LIMIT_OPS = 1,
	RF_LIMIT_OPS_BURST = 2,
	RF_LIMIT_BYTES = 4,
	RF_LIMIT_BYTES_BURST = 8,
	RF_LIMIT_ALL = 15,
};

/* The launcher's half: a sealed page of zeroes, owned, and its mapping. */
RF_MUST_CHECK int rf_limits_new(int *fd, struct rf_limits **out);

/* Store those of `fields`, or load all. No system call. */
void rf_limits_set(struct rf_limits *page, const struct rf_rates *rates,
		   uint32_t fields);
void rf_limits_get(const struct rf_limits *page, struct rf_rates *out);

/* The device's half: map the page behind `fd` (taken: it is closed on success
 * and failure alike). -EPERM: its sender could shrink it. */
RF_MUST_CHECK int rf_limits_map(int fd, const struct rf_limits **out);

#endif
