/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * poll.c - how long it is worth to look before sleeping
 *
 * Side:    device. A guest decides when requests come, and so how long we look;
 *          it cannot make that longer than the reach at a time.
 * Owns:    the budget.
 * Callers: loop.c.
 * Never:   looks at a clock.
 *
 * Being woken costs several microseconds on both sides, looking costs a
 * processor. What pays is to look where the next event usually comes soon, and
 * for no longer than it usually takes:
 *
 *   found while looking          right: twice as long as such gaps are of late
 *   found asleep, within reach   it was too short: double it
 *   found asleep, later          looking was for nothing: halve it
 *   found asleep, much later     the guest was idle: none
 *
 * So the gaps of an idle guest cost nothing, a driver with one request at a
 * time is met awake after a few of them, and one that comes now early, now late
 * pays at most as much looking as it has early ones.
 *
 * A driver on our own processor does not come because we look: it waits until
 * we sleep, and each gap is then a little longer than whatever we waited.
 * Doubling would go on for ever, and each request take as long as the reach. So
 * there is a balance: a gap that was met awake earns what a wakeup costs, one
 * that was not takes away what was spent. Deep in debt looking has a rest, each
 * time for twice as many gaps, and then is tried anew. An end that is found
 * only long after the budget was used up is not met awake either: somebody else
 * had our processor meanwhile.
 */
#include "device/poll.h"

#include <errno.h>

#include <ringfence/device.h>

#define START_NS UINT64_C(10000)
#define IDLE_NS UINT64_C(1000000)

#define WAKEUP_NS INT64_C(10000)
#define BALANCE_MAX_NS INT64_C(200000)
#define REST_MIN 64u
#define REST_MAX 8192u

/* A longer gap counts at once, the memory of it fades in so many others. */
#define FADE 16u

int poll_init(struct poll_state *p, uint32_t poll_us, uint64_t reach_ns)
{
	if (poll_us != RF_DEVICE_POLL_AUTO && poll_us > RF_DEVICE_POLL_MAX_US)
		return -EINVAL;
	*p = (struct poll_state){
		.pinned = poll_us != RF_DEVICE_POLL_AUTO,
		.reach_ns = reach_ns,
		.next_rest = REST_MIN,
	};
	if (p->pinned)
		p->budget_ns = UINT64_C(1000) * poll_us;
	return 0;
}

static void set_budget(struct poll_state *p, uint64_t ns)
{
	if (ns < START_NS)
		ns = START_NS;
	p->budget_ns = ns < p->reach_ns ? ns : p->reach_ns;
}

static void hit(struct poll_state *p, uint64_t gap_ns)
{
	p->long_gap_ns -= p->long_gap_ns / FADE;
	if (gap_ns > p->long_gap_ns)
		p->long_gap_ns = gap_ns;
	set_budget(p, 2 * p->long_gap_ns);
	p->balance_ns += WAKEUP_NS;
	if (p->balance_ns < BALANCE_MAX_NS)
		return;
	p->balance_ns = BALANCE_MAX_NS;
	p->next_rest = REST_MIN;
}

static void rest(struct poll_state *p)
{
	p->budget_ns = 0;
	p->balance_ns = 0;
	p->rest = p->next_rest;
	if (p->next_rest < REST_MAX)
		p->next_rest *= 2;
}

static void miss(struct poll_state *p, uint64_t gap_ns)
{
	p->balance_ns -= (int64_t)p->budget_ns;
	if (p->balance_ns < -BALANCE_MAX_NS) {
		rest(p);
	} else if (gap_ns <= p->reach_ns) {
		p->long_gap_ns = p->budget_ns;
		set_budget(p, 2 * p->budget_ns);
	} else if (gap_ns <= IDLE_NS && p->budget_ns >= 2 * START_NS) {
		p->budget_ns /= 2;
	} else {
		p->budget_ns = 0;
	}
}

/* Nobody looked. */
static void consider(struct poll_state *p, uint64_t gap_ns)
{
	if (p->rest > 0) {
		p->rest--;
	} else if (gap_ns <= p->reach_ns) {
		p->long_gap_ns = 0;
		set_budget(p, START_NS);
	}
}

void poll_found(struct poll_state *p, uint64_t gap_ns, bool slept)
{
	if (p->pinned)
		return;
	if (p->budget_ns == 0)
		consider(p, gap_ns);
	else if (!slept && gap_ns <= 2 * p->budget_ns)
		hit(p, gap_ns);
	else
		miss(p, gap_ns);
}
