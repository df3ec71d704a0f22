/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * trial.c - which of two ways gets more done
 *
 * Side:    device. A guest decides when requests come, and so which way wins; it
 *          cannot make us do anything but one of the two.
 * Owns:    the way.
 * Callers: poll.c; pass.c.
 * Never:   looks at a clock.
 *
 * What is best for throughput depends on where driver and device run, whom the
 * scheduler puts where, what it costs to wake another processor: nothing that a
 * fenced process may ask, and nothing that its own waiting tells, for each way
 * changes what there is to wait for. What tells is how much gets done. So both
 * ways are tried, a span each in turn, for a disk that is quick now may be slow
 * in a moment:
 *
 *   first | other | first | other | first | other
 *
 * The other way stays if at the end of each pair it has got more done: a little
 * more, for near a tie the first way is the cheaper one, and half as much more
 * again as the part of a processor that it took. Otherwise the trial is over,
 * since the scheduler may need long to find back to where it was before. Either
 * way the winner has a rest, twice as long each time it wins again, and then
 * both are tried anew. A trial that a pause ended leaves things as they were.
 */
#include "device/trial.h"

#include <string.h>

/* A span is over when it has both. */
#define SPAN_REQUESTS 32u
#define SPAN_NS UINT64_C(1000000)
#define PAIRS 3u

/* Spoilt by an accident, a trial costs no more than the shortest rest; the
 * longest is how long a change can go unnoticed. */
#define REST_MIN_NS UINT64_C(50000000)
#define REST_MAX_NS UINT64_C(1600000000)

/* What the other way has to get done, of what the first does, before its
 * cost. */
#define WORTH_PERCENT 105u

static uint64_t percent(uint64_t part, uint64_t whole)
{
	return whole ? 100 * part / whole : 0;
}

static uint64_t requests_per_s(const struct trial_span *s)
{
	return s->ns ? s->requests * UINT64_C(1000000000) / s->ns : 0;
}

static void begin_span(struct trial *t, uint64_t now, uint64_t requests)
{
	t->begin = (struct trial_span){ .requests = requests, .ns = now };
}

static void begin(struct trial *t, uint64_t now, uint64_t requests)
{
	t->is_on = true;
	t->other = false;
	t->pairs = 0;
	memset(t->sums, 0, sizeof(t->sums));
	t->cost_ns = 0;
	begin_span(t, now, requests);
}

static void settle(struct trial *t, uint64_t now, bool other)
{
	if (t->rest_ns == 0 || t->other_won != other)
		t->rest_ns = REST_MIN_NS;
	else if (t->rest_ns < REST_MAX_NS)
		t->rest_ns *= 2;
	t->other_won = other;
	t->other = other;
	t->is_on = false;
	t->rest_until_ns = now + t->rest_ns;
}

static void end_pair(struct trial *t, uint64_t now)
{
	uint64_t done = percent(requests_per_s(&t->sums[true]),
				requests_per_s(&t->sums[false]));
	uint64_t cost = percent(t->cost_ns, t->sums[true].ns) / 2;

	t->pairs++;
	if (done < WORTH_PERCENT + cost)
		settle(t, now, false);
	else if (t->pairs == PAIRS)
		settle(t, now, true);
}

static void end_span(struct trial *t, uint64_t now, uint64_t requests)
{
	bool was_other = t->other;
	struct trial_span *sum = &t->sums[was_other];

	sum->requests += requests - t->begin.requests;
	sum->ns += now - t->begin.ns;
	t->other = !was_other;
	begin_span(t, now, requests);
	if (was_other)
		end_pair(t, now);
}

void trial_void(struct trial *t, uint64_t now)
{
	if (!t->is_on)
		return;
	t->is_on = false;
	t->other = t->other_won;
	t->rest_until_ns = now + REST_MIN_NS;
}

void trial_step(struct trial *t, uint64_t now, uint64_t requests)
{
	if (now < t->rest_until_ns)
		return;
	if (!t->is_on)
		begin(t, now, requests);
	else if (requests - t->begin.requests >= SPAN_REQUESTS &&
		 now - t->begin.ns >= SPAN_NS)
		end_span(t, now, requests);
}
