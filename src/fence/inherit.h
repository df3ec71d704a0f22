/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * inherit.h - everything that survives the crossing, each with its reason
 *
 * Side:    fence. Filled in by the launcher, used up by the child before exec.
 * Owns:    nothing: all pointers are borrowed until exec.
 * Callers: spawn.c fills it in, child.c acts on it, and on it alone.
 * Never:   grows a field without a reason beside it.
 *
 * What survives and is no field: niceness, CPU affinity and the OOM score,
 * because whoever starts the launcher sets them for the whole VM.
 */
#ifndef FENCE_INHERIT_H
#define FENCE_INHERIT_H

#include <ringfence/fence.h>

/* Told to the started program, so that rf_fence_enter() never takes the host's
 * mount namespace for its own: "RF_FENCE_NAMESPACES=7e020000". */
#define INHERIT_NAMESPACES "RF_FENCE_NAMESPACES"
#define INHERIT_ENV_MAX 6u

struct inherit {
	/* The program. Close-on-exec, so it is gone when the program runs. */
	int exe_fd;
	/* Its arguments: made by the launcher, no guest byte among them. */
	char *const *argv;
	/* INHERIT_NAMESPACES and, in builds for sanitizers, their options.
	 * Nothing of the launcher's environment: it may hold secrets. */
	char *envp[INHERIT_ENV_MAX];
	/* Descriptors, at the places filters name. The reasons are those at
	 * enum rf_fd_place. All others are closed. */
	const struct rf_fence_fd *fds;
	uint32_t nr_fds;
	/* Who it is: inside of a user namespace always 0, mapped to the host's
	 * uid and gid of this process. */
	uid_t uid;
	gid_t gid;
	/* The namespaces made for it, which decide what else it can do. */
	uint32_t namespaces;
	/* Started by root. Only then can the process be somebody else, and
	 * drop supplementary groups: a plain account may not shed a group,
	 * since groups can also deny. */
	bool has_power;
	/* Resource limits: no core file of guest memory, no more descriptors
	 * than the places reach, and what the jailer adds. */
	const struct rf_fence_rlimit *rlimits;
	uint32_t nr_rlimits;
	/* The way back to the launcher until exec, close-on-exec. */
	int parent;
};

/* The steps of the child half, for messages. */
enum inherit_step {
	INHERIT_STEP_SIGNALS,
	INHERIT_STEP_SESSION,
	INHERIT_STEP_PERSONALITY,
	INHERIT_STEP_LIMITS,
	INHERIT_STEP_DESCRIPTORS,
	INHERIT_STEP_IDENTITY,
	INHERIT_STEP_CAPABILITIES,
	INHERIT_STEP_PARENT,
	INHERIT_STEP_EXEC,
	INHERIT_NR_STEPS
};

struct inherit_failure {
	uint32_t step; /* enum inherit_step */
	int32_t error; /* -errno */
};

/* The child half. Wants to be told to go on by one byte from `parent`; ends in
 * execveat, or in a struct inherit_failure sent there and _exit. Calls nothing
 * that takes a lock: other threads' locks were copied as they were. */
_Noreturn void inherit_run(struct inherit *in);

const char *inherit_step_name(uint32_t step);

#endif
