/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * poll.c - how long it is worth to look before sleeping
 *
 * Side:    device. A guest decides when requests come, and so how long we look;
 *          it cannot make that longer than the reach at a time.
 * Owns:    the budgets, and whether they are used at all.
 * Callers: loop.c.
 * Never:   looks at a clock.
 *
 * Being woken costs several microseconds on both sides, looking costs a
 * processor. Two questions, then.
 *
 * How long? Where the next event usually comes soon, and for no longer than it
 * usually takes:
 *
 *   found while looking          right: twice as long as such gaps are of late
 *   found asleep, within reach   it was too short: double it
 *   found asleep, later          looking was for nothing: halve it
 *   found asleep, much later     the guest was idle: none
 *
 * So the gaps of an idle guest cost nothing, and a driver with one request at a
 * time is met awake after a few of them. An end that is found only long after
 * the budget was used up is not met awake: somebody else had our processor
 * meanwhile.
 *
 * At all? The gaps do not say, for looking changes them. A driver on our own
 * processor does not come because we look: it waits until we sleep. One that
 * may run on any processor is woken on an idle one, which takes long, where it
 * would have had ours at once: the gaps that it would then have spared us never
 * begin. What does say is how much gets done, so sleeping and looking are tried
 * in turn (trial.c), and looking has to be worth the processor it takes. A guest
 * that pauses puts an end to the trial, and so does one whose gaps are not worth
 * a look any more.
 */
#include "device/poll.h"

#include <errno.h>

#include <ringfence/device.h>

#define START_NS UINT64_C(10000)

/* A longer gap counts at once, the memory of it fades in so many others. */
#define FADE 16u

/* Looking for a device's completions is worth it where they take no longer than
 * to be woken. */
static const uint64_t reach_ns[POLL_NR_KINDS] = {
	[POLL_DRIVER] = 100000,
	[POLL_DEVICE] = 20000,
};

int poll_init(struct poll_state *p, uint32_t poll_us)
{
	size_t i;

	if (poll_us != RF_DEVICE_POLL_AUTO && poll_us > RF_DEVICE_POLL_MAX_US)
		return -EINVAL;
	*p = (struct poll_state){
		.pinned = poll_us != RF_DEVICE_POLL_AUTO,
		.trial = { .other = true, .other_won = true },
	};
	for (i = 0; p->pinned && i < POLL_NR_KINDS; i++)
		p->gaps[i].budget_ns = UINT64_C(1000) * poll_us;
	return 0;
}

static uint64_t bounded(enum poll_kind kind, uint64_t ns)
{
	if (ns < START_NS)
		return START_NS;
	return ns < reach_ns[kind] ? ns : reach_ns[kind];
}

static void hit(struct poll_gaps *g, enum poll_kind kind, uint64_t gap_ns)
{
	g->long_gap_ns -= g->long_gap_ns / FADE;
	if (gap_ns > g->long_gap_ns)
		g->long_gap_ns = gap_ns;
	g->budget_ns = bounded(kind, 2 * g->long_gap_ns);
}

static void miss(struct poll_gaps *g, enum poll_kind kind, uint64_t gap_ns)
{
	if (gap_ns <= reach_ns[kind]) {
		g->long_gap_ns = g->budget_ns;
		g->budget_ns = bounded(kind, 2 * g->budget_ns);
	} else if (gap_ns <= POLL_IDLE_NS && g->budget_ns >= 2 * START_NS) {
		g->budget_ns /= 2;
	} else {
		g->budget_ns = 0;
	}
}

void poll_found(struct poll_state *p, enum poll_kind kind, uint64_t gap_ns,
		bool slept)
{
	struct poll_gaps *g = &p->gaps[kind];

	if (p->pinned || !p->trial.other)
		return;
	p->trial.cost_ns += gap_ns < g->budget_ns ? gap_ns : g->budget_ns;
	if (g->budget_ns && !slept && gap_ns <= 2 * g->budget_ns)
		hit(g, kind, gap_ns);
	else
		miss(g, kind, gap_ns);
}

static bool has_budget(const struct poll_state *p)
{
	size_t i;

	for (i = 0; i < POLL_NR_KINDS; i++)
		if (p->gaps[i].budget_ns)
			return true;
	return false;
}

void poll_served(struct poll_state *p, uint64_t now, uint64_t requests)
{
	if (p->pinned)
		return;
	if (has_budget(p)) {
		trial_step(&p->trial, now, requests);
		return;
	}
	/* Looking costs nothing then, and is how gaps are learned of. */
	trial_void(&p->trial, now);
	p->trial.other = true;
}
