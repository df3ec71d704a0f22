/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * poll.h - how long it is worth to look before sleeping
 *
 * In order of use:
 *   poll_init()
 *   poll_budget()   out of work: look for so long, then sleep
 *   poll_found()    work again, after so long
 * No clock of its own: the caller tells what time it is.
 */
#ifndef DEVICE_POLL_H
#define DEVICE_POLL_H

#include <ringfence/base.h>

/* Reaches: for what a driver does next; for what a device has under way, which
 * is worth it where that takes no longer than to be woken. */
#define POLL_DRIVER_NS UINT64_C(100000)
#define POLL_DEVICE_NS UINT64_C(20000)

struct poll_state {
	uint64_t budget_ns;
	uint64_t reach_ns;
	uint64_t long_gap_ns; /* the longest of late that was met awake */
	int64_t balance_ns;   /* what looking earned, less what it took */
	uint32_t rest;	      /* gaps that nobody looks at */
	uint32_t next_rest;
	bool pinned;
};

/* Gaps met awake by looking at most `reach_ns` at a time. `poll_us` as in
 * struct rf_device_params. -EINVAL: more than RF_DEVICE_POLL_MAX_US. */
RF_MUST_CHECK int poll_init(struct poll_state *p, uint32_t poll_us,
			    uint64_t reach_ns);

static inline uint64_t poll_budget(const struct poll_state *p)
{
	return p->budget_ns;
}

/* There was nothing to do for `gap_ns`; `slept`: looking did not find its end,
 * sleeping did. */
void poll_found(struct poll_state *p, uint64_t gap_ns, bool slept);

#endif
