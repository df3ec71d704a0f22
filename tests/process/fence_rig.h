/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * fence_rig.h - start fence_act in a real fence and see how it ends
 *
 * Side:    test, outside of the fence.
 * Owns:    what it starts: rig_end() waits for it.
 * Callers: tests/process/test_fence_*.c.
 * Never:   waits without a limit.
 */
#ifndef TESTS_FENCE_RIG_H
#define TESTS_FENCE_RIG_H

#include <check.h>

#include <ringfence/fence.h>

#include "process/fence_act.h"

/* A uid of the host that is nobody's. */
#define RIG_UID 1380400000u
#define RIG_NOBODY 65534u

struct rig {
	struct rf_fence_spawn spawn;
	char *argv[5];
	int sock; /* our end of descriptor 3 */
	struct rf_fence_child child;
};

/* A test, done `times` times with _i from 0 on. */
struct rig_test {
	const TTest *test;
	int times;
};

/* The rest of main(): run them, or skip all for the reason `why`. */
int rig_main(const char *name, const char *why, const struct rig_test *tests,
	     size_t nr, double limit_s);

/* NULL, or why no fence can be built here. */
const char *rig_why_not(void);

/* Fill in a spawn of "fence_act POLICY ACT [ROOT]": all namespaces, traced, a
 * uid of its own if we are root. */
void rig_init(struct rig *rig, const char *policy, const char *act,
	      const char *root);

/* Spawn it; fails the test if that fails. */
void rig_start(struct rig *rig);

/* Until it says that it is there. */
void rig_await(struct rig *rig);

/* Let it go on. */
void rig_release(struct rig *rig);

/* Wait for its end, and take its socket and pidfd away. */
void rig_end(struct rig *rig, struct rf_fence_end *end);

/* All of it. */
void rig_run(const char *policy, const char *act, struct rf_fence_end *end);

/* What it sent, without waiting longer than a test may. */
void rig_read(struct rig *rig, char *text, size_t size);

/* Become a plain account for the rest of this test process. False, with a line
 * that says so: such an account can build no fence here, skip the case. */
RF_MUST_CHECK bool rig_become_nobody(void);

/* Root, and inside a chroot: no user namespace but by the detour. Prints that
 * the case is skipped. */
bool rig_is_chrooted(void);

/* Text of /proc/PID/FILE. */
void rig_proc(const struct rig *rig, const char *file, char *text, size_t size);

/* For this policy: the number and arguments of `act`, judged by the table. */
void rig_try(const struct rf_policy *policy, unsigned in,
	     const struct act *act);

#endif
