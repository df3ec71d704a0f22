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

struct poll_state {
	uint64_t budget_ns;
	bool pinned;
};

/* `poll_us` as in struct rf_device_params. -EINVAL: more than
 * RF_DEVICE_POLL_MAX_US. */
RF_MUST_CHECK int poll_init(struct poll_state *p, uint32_t poll_us);

static inline uint64_t poll_budget(const struct poll_state *p)
{
	return p->budget_ns;
}

/* There was nothing to do for `gap_ns`; `slept`: looking did not find its end,
 * sleeping did. */
void poll_found(struct poll_state *p, uint64_t gap_ns, bool slept);

#endif
