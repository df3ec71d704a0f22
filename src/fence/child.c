/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * child.c - from clone to exec: shed what the launcher's process had
 *
 * Side:    fence, in the child. It still has power over its own namespaces.
 * Owns:    the descriptor table from here on.
 * Callers: spawn.c.
 * Never:   allocates, logs, takes a lock, or goes on after a step failed.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/close_range.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fence/inherit.h"

/* Enough for the places named in enum rf_fd_place and eventfds beside them. */
#define NOFILE_DEFAULT ((rlim_t)RF_FD_LIMIT)

static const char *const step_names[] = {
	[INHERIT_STEP_SIGNALS] = "signals",
	[INHERIT_STEP_SESSION] = "setsid",
	[INHERIT_STEP_PERSONALITY] = "personality",
	[INHERIT_STEP_LIMITS] = "setrlimit",
	[INHERIT_STEP_DESCRIPTORS] = "descriptors",
	[INHERIT_STEP_IDENTITY] = "setresuid",
	[INHERIT_STEP_CAPABILITIES] = "capabilities",
	[INHERIT_STEP_PARENT] = "parent",
	[INHERIT_STEP_EXEC] = "execveat",
};
static_assert(RF_ARRAY_LEN(step_names) == INHERIT_NR_STEPS, "a name each");

const char *inherit_step_name(uint32_t step)
{
	return step < INHERIT_NR_STEPS ? step_names[step] : "clone3";
}

static _Noreturn void fail(const struct inherit *in, enum inherit_step step,
			   int error)
{
	struct inherit_failure failure = { .step = step, .error = error };

	/* If nobody listens the launcher is gone, and so are we. */
	(void)!send(in->parent, &failure, sizeof(failure), MSG_NOSIGNAL);
	_exit(RF_FENCE_EXIT_STATUS);
}

/* Handlers end at exec, but ignored and blocked signals would stay so. */
static int reset_signals(void)
{
	sigset_t none;
	int sig;

	for (sig = 1; sig < NSIG; sig++)
		(void)signal(sig,
			     SIG_DFL); /* some refuse: theirs cannot change */
	sigemptyset(&none);
	return sigprocmask(SIG_SETMASK, &none, NULL) ? -errno : 0;
}

/* An inherited ADDR_NO_RANDOMIZE or READ_IMPLIES_EXEC would weaken the program
 * behind its back. Builds for sanitizers may depend on the former. */
static int reset_personality(void)
{
#ifndef RF_SANITIZED
	if (personality(PER_LINUX) < 0)
		return -errno;
#endif
	return 0;
}

static int set_limit(int resource, rlim_t value)
{
	struct rlimit limit;

	if (getrlimit(resource, &limit))
		return -errno;
	/* Never raise: that would need a capability on the host. */
	if (limit.rlim_max != RLIM_INFINITY && value > limit.rlim_max)
		value = limit.rlim_max;
	limit.rlim_cur = value;
	limit.rlim_max = value;
	return setrlimit(resource, &limit) ? -errno : 0;
}

static int set_limits(const struct inherit *in)
{
	uint32_t i;
	int ret;

	ret = set_limit(RLIMIT_CORE, 0);
	if (!ret)
		ret = set_limit(RLIMIT_NOFILE, NOFILE_DEFAULT);
	for (i = 0; !ret && i < in->nr_rlimits; i++)
		ret = set_limit(in->rlimits[i].resource, in->rlimits[i].value);
	return ret;
}

static int highest_place(const struct inherit *in)
{
	int highest = 0;
	uint32_t i;

	for (i = 0; i < in->nr_fds; i++)
		if (in->fds[i].to > highest)
			highest = in->fds[i].to;
	return highest;
}

static bool is_place(const struct inherit *in, int fd)
{
	uint32_t i;

	for (i = 0; i < in->nr_fds; i++)
		if (in->fds[i].to == fd)
			return true;
	return false;
}

static int lift(int *fd, int above)
{
	int high = fcntl(*fd, F_DUPFD_CLOEXEC, above);

	if (high < 0)
		return -errno;
	*fd = high;
	return 0;
}

/* First everything goes above the places, then down to them: so no place is
 * overwritten while it is still somebody's source. */
static int place_descriptors(struct inherit *in)
{
	int above = highest_place(in) + 1;
	int lifted[RF_FENCE_FDS_MAX];
	uint32_t i;
	int fd, ret;

	ret = lift(&in->parent, above);
	if (!ret)
		ret = lift(&in->exe_fd, above);
	for (i = 0; !ret && i < in->nr_fds; i++) {
		lifted[i] = in->fds[i].from;
		ret = lift(&lifted[i], above);
	}
	for (i = 0; !ret && i < in->nr_fds; i++)
		if (dup2(lifted[i], in->fds[i].to) < 0)
			ret = -errno;
	if (ret)
		return ret;
	for (fd = 0; fd < above; fd++)
		if (!is_place(in, fd))
			close(fd);
	if (close_range((unsigned)above, ~0u, CLOSE_RANGE_CLOEXEC))
		return -errno;
	return 0;
}

/* Without a user namespace the uid is changed on the host, and the capability
 * to finish the crossing has to be carried over the change and over exec. */
static int keep_for_enter(void)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	const uint32_t kept = 1u << CAP_SYS_ADMIN | 1u << CAP_SETPCAP;
	struct __user_cap_data_struct data[2] = {
		{ .effective = kept, .permitted = kept, .inheritable = kept },
	};

	if (syscall(SYS_capset, &header, data))
		return -errno;
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_SYS_ADMIN, 0, 0) ||
	    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_SETPCAP, 0, 0))
		return -errno;
	return 0;
}

static int become(const struct inherit *in)
{
	bool own_ns = in->namespaces & CLONE_NEWUSER;
	uid_t uid = own_ns ? 0 : in->uid;
	gid_t gid = own_ns ? 0 : in->gid;

	if (!own_ns && getuid() == uid && getgid() == gid)
		return 0;
	if (!own_ns && prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0))
		return -errno;
	/* Straight to the kernel: glibc would tell "all threads", and this
	 * process has but a copy of its parent's list of them. */
	if (in->has_power && syscall(SYS_setgroups, 0, NULL))
		return -errno;
	if (syscall(SYS_setresgid, gid, gid, gid) ||
	    syscall(SYS_setresuid, uid, uid, uid))
		return -errno;
	return 0;
}

/* What the program may have between exec and the end of rf_fence_enter(), at
 * most: CAP_SYS_ADMIN to mount and pivot, CAP_SETPCAP to drop the rest of the
 * bounding set and to lock the securebits. */
static int drop_capabilities(const struct inherit *in)
{
	bool own_ns = in->namespaces & CLONE_NEWUSER;
	cap_value_t cap;
	int ret;

	/* A plain account without a namespace has none to begin with. */
	if (!own_ns && !in->has_power)
		return 0;
	if (!own_ns) {
		ret = keep_for_enter();
		if (ret)
			return ret;
	}
	for (cap = 0; CAP_IS_SUPPORTED(cap); cap++)
		if (cap != CAP_SYS_ADMIN && cap != CAP_SETPCAP &&
		    cap_drop_bound(cap))
			return -errno;
	return 0;
}

/* The signal is for the death of the thread that called rf_fence_spawn(). It is
 * asked for after the last change of identity, which would clear it, and the
 * launcher may have died before: then its end of the socket is closed. */
static int follow_parent(const struct inherit *in)
{
	struct pollfd poll_parent = { .fd = in->parent };

	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0))
		return -errno;
	if (poll(&poll_parent, 1, 0) < 0)
		return -errno;
	return poll_parent.revents & (POLLHUP | POLLERR) ? -EPIPE : 0;
}

/* Until the launcher has written the maps and attached itself. */
static int wait_for_parent(const struct inherit *in)
{
	char go;
	ssize_t n;

	do
		n = recv(in->parent, &go, 1, 0);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	return n == 1 ? 0 : -EPIPE;
}

static void step(const struct inherit *in, enum inherit_step which, int ret)
{
	if (ret)
		fail(in, which, ret);
}

_Noreturn void inherit_run(struct inherit *in)
{
	step(in, INHERIT_STEP_SIGNALS, reset_signals());
	/* Ctrl-C is for the launcher, which then ends us in order. */
	step(in, INHERIT_STEP_SESSION, setsid() < 0 ? -errno : 0);
	step(in, INHERIT_STEP_PERSONALITY, reset_personality());
	umask(077);
	step(in, INHERIT_STEP_PARENT, wait_for_parent(in));
	/* Before the limits: there may be more open now than they allow. */
	step(in, INHERIT_STEP_DESCRIPTORS, place_descriptors(in));
	step(in, INHERIT_STEP_LIMITS, set_limits(in));
	step(in, INHERIT_STEP_IDENTITY, become(in));
	step(in, INHERIT_STEP_CAPABILITIES, drop_capabilities(in));
	step(in, INHERIT_STEP_PARENT, follow_parent(in));
	(void)execveat(in->exe_fd, "", in->argv, in->envp, AT_EMPTY_PATH);
	fail(in, INHERIT_STEP_EXEC, -errno);
}
