/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * trial.h - which of two ways gets more done
 *
 * In order of use:
 *   a zeroed struct   the first way, until there is a step
 *   trial_step()      with each piece of work; `other` says which way to go
 *   trial_void()      the work paused: what was seen says nothing
 * No clock of its own: the caller tells what time it is.
 */
#ifndef DEVICE_TRIAL_H
#define DEVICE_TRIAL_H

#include <ringfence/base.h>

struct trial_span {
	uint64_t requests;
	uint64_t ns;
};

struct trial {
	bool other; /* in use now: the other way, not the first */
	bool is_on; /* both are being tried */
	bool other_won;
	uint32_t pairs;
	struct trial_span begin;   /* of the span under way, in totals */
	struct trial_span sums[2]; /* of the spans so far, by `other` */
	uint64_t cost_ns;	   /* the user's: what the other way took of a
				    * processor, since the trial began */
	uint64_t rest_until_ns;
	uint64_t rest_ns;
};

/* At `now`, when `requests` were done in all. Begins a trial unless one is on
 * or the rest after the last one is not over. */
void trial_step(struct trial *t, uint64_t now, uint64_t requests);

/* If a trial is on, back to the way that won the last one, for a while. */
void trial_void(struct trial *t, uint64_t now);

#endif
