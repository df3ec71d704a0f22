/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * tracer.h - watch programs make their calls, and which rule allows each
 *
 * Side:    test.
 * Owns:    the processes it traces; they end with it.
 * Callers: test_policy_coverage.c.
 * Never:   changes a call: it looks.
 */
#ifndef TESTS_TRACER_H
#define TESTS_TRACER_H

#include <sys/types.h>

#include <ringfence/policy.h>

#define TRACER_POLICIES 6u
#define TRACER_RULES_MAX 128u

extern const struct rf_policy *const tracer_policies[TRACER_POLICIES];

struct tracer {
	/* How often each rule of each policy allowed a call. */
	unsigned long hits[TRACER_POLICIES][TRACER_RULES_MAX];
	/* Calls that no rule allowed: made by tests on purpose, or a fault. */
	unsigned long refused;
	/* Called now and then while the program runs; may be NULL. */
	void (*meddle)(pid_t root);
	/* Trace what the program starts as well? */
	bool follow;
};

/* Run `start(arg)` in a process of its own, which must not return, until it
 * and all that it started have ended. The wait status of the first process, or
 * -errno. */
int tracer_run(struct tracer *tracer, void (*start)(const void *arg),
	       const void *arg);

#endif
