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
 * begin. What does say is how much gets done. So both are tried, a span each in
 * turn, for a disk that is quick now may be slow in a moment:
 *
 *   sleeps | looks | sleeps | looks | sleeps | looks
 *
 * Looking stays if at the end of each pair it has got more done: a little more,
 * for near a tie nobody should look, and half as much more again as the part of
 * a processor that it took. Otherwise the trial is over, since looking can keep
 * driver and device on two processors for long after. Either way the winner has
 * a rest, twice as long each time it wins again, and then both are tried anew. A
 * trial in which the guest pauses, or no gap is worth a look any more, says
 * nothing.
 */
#include "device/poll.h"

#include <errno.h>
#include <string.h>

#include <ringfence/device.h>

#define START_NS UINT64_C(10000)
#define IDLE_NS UINT64_C(1000000)

/* A longer gap counts at once, the memory of it fades in so many others. */
#define FADE 16u

#define SPAN_REQUESTS 32u
#define SPAN_NS UINT64_C(1000000)
#define PAIRS 3u
#define REST_MIN_NS UINT64_C(50000000)
#define REST_MAX_NS UINT64_C(1600000000)

/* What looking has to get done, of what sleeping does, before its cost. */
#define WORTH_PERCENT 105u

enum { LOOKING, SLEEPING };

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
	} else if (gap_ns <= IDLE_NS && g->budget_ns >= 2 * START_NS) {
		g->budget_ns /= 2;
	} else {
		g->budget_ns = 0;
	}
}

void poll_found(struct poll_state *p, enum poll_kind kind, uint64_t gap_ns,
		bool slept)
{
	struct poll_gaps *g = &p->gaps[kind];

	if (kind == POLL_DRIVER && gap_ns > IDLE_NS)
		p->is_trying = false;
	if (p->pinned || p->sleeps)
		return;
	p->looked_ns += gap_ns < g->budget_ns ? gap_ns : g->budget_ns;
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

static void begin_span(struct poll_state *p, uint64_t now, uint64_t requests)
{
	p->begin = (struct poll_span){ .requests = requests, .ns = now };
}

static uint64_t percent(uint64_t part, uint64_t whole)
{
	return whole ? 100 * part / whole : 0;
}

static uint64_t requests_per_s(struct poll_span s)
{
	return s.ns ? s.requests * UINT64_C(1000000000) / s.ns : 0;
}

static void settle(struct poll_state *p, uint64_t now, bool sleeps)
{
	if (p->rest_ns == 0 || p->winner_sleeps != sleeps)
		p->rest_ns = REST_MIN_NS;
	else if (p->rest_ns < REST_MAX_NS)
		p->rest_ns *= 2;
	p->winner_sleeps = sleeps;
	p->sleeps = sleeps;
	p->is_trying = false;
	p->rest_until_ns = now + p->rest_ns;
}

static void end_pair(struct poll_state *p, uint64_t now)
{
	struct poll_span looking = p->sums[LOOKING];
	struct poll_span sleeping = p->sums[SLEEPING];
	uint64_t done = percent(requests_per_s(looking),
				requests_per_s(sleeping));
	uint64_t cost = percent(p->looked_ns, looking.ns) / 2;

	p->pairs++;
	if (done < WORTH_PERCENT + cost)
		settle(p, now, true);
	else if (p->pairs == PAIRS)
		settle(p, now, false);
}

static void end_span(struct poll_state *p, uint64_t now, uint64_t requests)
{
	struct poll_span *sum = &p->sums[p->sleeps ? SLEEPING : LOOKING];
	bool is_pair = !p->sleeps;

	sum->requests += requests - p->begin.requests;
	sum->ns += now - p->begin.ns;
	p->sleeps = !p->sleeps;
	begin_span(p, now, requests);
	if (is_pair)
		end_pair(p, now);
}

static void begin_trial(struct poll_state *p, uint64_t now, uint64_t requests)
{
	p->is_trying = true;
	p->pairs = 0;
	memset(p->sums, 0, sizeof(p->sums));
	p->sleeps = true;
	p->looked_ns = 0;
	begin_span(p, now, requests);
}

void poll_served(struct poll_state *p, uint64_t now, uint64_t requests)
{
	if (p->pinned || now < p->rest_until_ns)
		return;
	if (!has_budget(p))
		p->is_trying = false;
	else if (!p->is_trying)
		begin_trial(p, now, requests);
	else if (requests - p->begin.requests >= SPAN_REQUESTS &&
		 now - p->begin.ns >= SPAN_NS)
		end_span(p, now, requests);
}
