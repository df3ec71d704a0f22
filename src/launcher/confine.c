/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * confine.c - the launcher gives up what it needs no more
 *
 * Between READY and GO: images, programs and /dev/kvm are with the processes
 * that need them, and what is left to do is to watch and to end. So that the
 * launcher's own policy can name descriptors, each goes to its place.
 *
 * Side:    launcher, on its way into policy `launcher`.
 * Owns:    the moves to enum vm_fd_place.
 * Callers: run.c.
 * Never:   lets a guest run that it could not confine itself for.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <ringfence/policy.h>

#include "launcher/vm.h"

/* To its place by way of a high number, for the place may be another's. */
static int lift(int *fd)
{
	int high;

	if (*fd < 0)
		return 0;
	high = fcntl(*fd, F_DUPFD_CLOEXEC, 64);
	if (high < 0)
		return -errno;
	(void)close(*fd);
	*fd = high;
	return 0;
}

static int lower(int *fd, int to)
{
	int err;

	if (*fd < 0)
		return 0;
	err = rf_fd_move(rf_fd_take(fd), to);
	if (!err)
		*fd = to;
	return err;
}

/* Descriptors to the places the policy names; all others are closed, whoever
 * we have them from. */
static int settle(struct vm *vm)
{
	struct {
		int *fd;
		int to;
	} moves[7 + 2 * VM_PROCESSES_MAX] = {
		{ &vm->control, VM_FD_CONTROL },
		{ &vm->signals, VM_FD_SIGNALS },
		{ &vm->report, VM_FD_REPORT },
		{ &vm->cgroup.parent, VM_FD_CGROUP_PARENT },
		{ &vm->cgroup.dir, VM_FD_CGROUP },
		{ &vm->requests.sock, VM_FD_REQUESTS },
		{ &vm->requests.dir, VM_FD_REQUESTS_DIR },
	};
	uint32_t i;
	int err = 0;

	for (i = 0; i < VM_PROCESSES_MAX; i++) {
		moves[7 + i].fd = &vm->procs[i].pidfd;
		moves[7 + i].to = VM_FD_PIDFDS + (int)i;
		moves[7 + VM_PROCESSES_MAX + i].fd = &vm->procs[i].lifeline;
		moves[7 + VM_PROCESSES_MAX + i].to = VM_FD_LIFELINES + (int)i;
	}
	for (i = 0; !err && i < RF_ARRAY_LEN(moves); i++)
		err = lift(moves[i].fd);
	if (!err && close_range(3, 63, 0) < 0)
		err = -errno;
	for (i = 0; !err && i < RF_ARRAY_LEN(moves); i++)
		err = lower(moves[i].fd, moves[i].to);
	if (!err && close_range(64, ~0u, 0) < 0)
		err = -errno;
	return err;
}

bool vm_confine(struct vm *vm)
{
	int err;

	/* Now that all threads have their names, and /proc can be read. */
	rf_fence_learn_threads();
	err = settle(vm);
	if (!err && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		err = -errno;
	if (!err)
		err = rf_policy_load(&rf_policy_launcher);
	if (!err)
		return true;
	say("the launcher's own filter could not be loaded: %s",
	    strerror(-err));
	vm->failed = true;
	vm_stop(vm);
	return false;
}
