/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * poll.c - how long it is worth to look before sleeping
 *
 * Side:    device. A guest decides when requests come, and so how long we look;
 *          it cannot make that longer than REACH_NS at a time.
 * Owns:    the budget.
 * Callers: loop.c.
 * Never:   looks at a clock.
 *
 * Being woken costs several microseconds on both sides, looking costs a
 * processor. What pays is to look where the next request usually comes soon,
 * and for no longer than it usually takes:
 *
 *   found while looking          the budget is right: it stays
 *   found asleep, within reach   it was too short: double it
 *   found asleep, later          looking was for nothing: halve it
 *   found asleep, much later     the guest was idle: none
 *
 * So the gaps of an idle guest cost nothing, a driver with one request at a
 * time is met awake after a few of them, and one that comes now early, now late
 * pays at most as much looking as it has early ones.
 */
#include "device/poll.h"

#include <errno.h>

#include <ringfence/device.h>

#define START_NS UINT64_C(10000)
#define REACH_NS UINT64_C(100000)
#define IDLE_NS UINT64_C(1000000)

int poll_init(struct poll_state *p, uint32_t poll_us)
{
	if (poll_us != RF_DEVICE_POLL_AUTO && poll_us > RF_DEVICE_POLL_MAX_US)
		return -EINVAL;
	p->pinned = poll_us != RF_DEVICE_POLL_AUTO;
	p->budget_ns = p->pinned ? UINT64_C(1000) * poll_us : 0;
	return 0;
}

static void grow(struct poll_state *p)
{
	p->budget_ns = p->budget_ns < START_NS ? START_NS : 2 * p->budget_ns;
	if (p->budget_ns > REACH_NS)
		p->budget_ns = REACH_NS;
}

static void shrink(struct poll_state *p)
{
	p->budget_ns /= 2;
	if (p->budget_ns < START_NS)
		p->budget_ns = 0;
}

void poll_found(struct poll_state *p, uint64_t gap_ns, bool slept)
{
	if (p->pinned || !slept)
		return;
	if (gap_ns <= REACH_NS)
		grow(p);
	else if (gap_ns <= IDLE_NS)
		shrink(p);
	else
		p->budget_ns = 0;
}
