/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * bucket.h - hold a device to its limits
 *
 * In a device's ops->queue, before each pop:
 *   rf_limiter_wait_ns()   0: go on. Else take nothing now: rf_device_timer()
 *                          with that, rf_device_ring() when it has passed
 *   rf_limiter_take()      what the request that was popped weighs
 * What weighs more than there is goes through and leaves a debt that those
 * after it wait for, so no request is too large and the rate still holds.
 *
 * A zeroed struct is ready for use: full. No system call, no allocation.
 */
#ifndef RINGFENCE_BUCKET_H
#define RINGFENCE_BUCKET_H

#include <ringfence/limits.h>

struct rf_bucket {
	int64_t level; /* tokens; below 0: debt */
	uint64_t rate; /* what the level was filled up for; 0: no limit */
	uint64_t burst;
	uint64_t last_ns;    /* the level holds for this moment */
	uint32_t billionths; /* of the next token */
};

struct rf_limiter {
	struct rf_bucket ops;
	struct rf_bucket bytes;
};

/* A device looks at its limits again after so long at the latest, so that one
 * that was raised is not waited for. */
#define RF_LIMITER_WAIT_MAX_NS UINT64_C(100000000)

/* How long until the next request may be taken; 0: now. At most
 * RF_LIMITER_WAIT_MAX_NS. `limits` may be NULL: no limit. */
uint64_t rf_limiter_wait_ns(struct rf_limiter *limiter,
			    const struct rf_limits *limits, uint64_t now_ns);

/* One request of so many bytes. */
void rf_limiter_take(struct rf_limiter *limiter, uint64_t bytes);

/* Is there a limit at all? Cheap: tells whether the time is needed. */
bool rf_limits_is_set(const struct rf_limits *limits);

/* The two halves for one kind of token: `now_ns` never goes back. */
uint64_t rf_bucket_wait_ns(struct rf_bucket *bucket, uint64_t rate,
			   uint64_t burst, uint64_t now_ns);
void rf_bucket_take(struct rf_bucket *bucket, uint64_t amount);

#endif
