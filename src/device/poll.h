/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * poll.h - how long it is worth to look before sleeping
 *
 * In order of use:
 *   poll_init()
 *   poll_budget()   out of work: look for so long, then sleep
 *   poll_found()    work again, after so long
 *   poll_served()   so many requests are done by now
 * No clock of its own: the caller tells what time it is.
 */
#ifndef DEVICE_POLL_H
#define DEVICE_POLL_H

#include <ringfence/base.h>

#include "device/trial.h"

/* What is waited for: what a driver does next, while nothing is under way; the
 * device's own completions, while something is. */
enum poll_kind { POLL_DRIVER, POLL_DEVICE, POLL_NR_KINDS };

/* What looking learned of gaps of one kind. */
struct poll_gaps {
	uint64_t budget_ns;
	uint64_t long_gap_ns; /* the longest of late that was met awake */
};

struct poll_state {
	struct poll_gaps gaps[POLL_NR_KINDS];
	struct trial trial; /* the other way: to look */
	bool pinned;
};

/* A driver that stays away for longer has paused. */
#define POLL_IDLE_NS UINT64_C(1000000)

/* `poll_us` as in struct rf_device_params. -EINVAL: more than
 * RF_DEVICE_POLL_MAX_US. */
RF_MUST_CHECK int poll_init(struct poll_state *p, uint32_t poll_us);

static inline uint64_t poll_budget(const struct poll_state *p,
				   enum poll_kind kind)
{
	return p->trial.other ? p->gaps[kind].budget_ns : 0;
}

/* There was nothing to do for `gap_ns`; `slept`: looking did not find its end,
 * sleeping did. */
void poll_found(struct poll_state *p, enum poll_kind kind, uint64_t gap_ns,
		bool slept);

/* At `now` there is work; `requests` were done before, in all. */
void poll_served(struct poll_state *p, uint64_t now, uint64_t requests);

#endif
