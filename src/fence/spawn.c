/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * spawn.c - the launcher's half of the crossing
 *
 * Side:    fence, in the launcher, with its power.
 * Owns:    the child until it is handed to the caller.
 * Callers: src/launcher/, tests. The thread that spawns is the one that must
 *          reap: the kernel knows a tracer by its thread.
 * Never:   leaves a process, a descriptor or a namespace behind on failure.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <ringfence/fence.h>

#include "fence/detour.h"
#include "fence/inherit.h"
#include "fence/traced.h"

/* How often to look for a traced child that stopped on its way to exec. */
#define STALL_MS 20

static_assert(RF_FENCE_NAMESPACES ==
		      (CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID |
		       CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS |
		       CLONE_NEWCGROUP),
	      "all that a process can be born into, but for time");

static bool is_valid_place(const struct rf_fence_spawn *spawn, uint32_t i)
{
	const struct rf_fence_fd *fd = &spawn->fds[i];
	uint32_t j;

	if (fd->from < 0 || fd->to < 0 || fd->to >= RF_FD_LIMIT)
		return false;
	for (j = 0; j < i; j++)
		if (spawn->fds[j].to == fd->to)
			return false;
	return true;
}

static bool is_valid_spawn(const struct rf_fence_spawn *spawn)
{
	uint32_t i;

	if (spawn->exe_fd < 0 || !spawn->argv || !spawn->argv[0] ||
	    spawn->nr_fds > RF_FENCE_FDS_MAX ||
	    spawn->nr_rlimits > RF_FENCE_RLIMITS_MAX ||
	    spawn->namespaces & ~RF_FENCE_NAMESPACES)
		return false;
	for (i = 0; i < spawn->nr_fds; i++)
		if (!is_valid_place(spawn, i))
			return false;
	return true;
}

static int write_proc(pid_t pid, const char *file, const char *text)
{
	rf_autofd fd = -1;
	char path[64];
	size_t len = strlen(text);

	(void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	/* These files take one write whole or not at all. */
	if (write(fd, text, len) != (ssize_t)len)
		return -errno;
	return 0;
}

static int write_maps(const struct rf_fence_spawn *spawn, pid_t pid,
		      bool has_power, const char **step)
{
	char map[32];
	int ret;

	if (!(spawn->namespaces & CLONE_NEWUSER))
		return 0;
	*step = "uid_map";
	(void)snprintf(map, sizeof(map), "0 %u 1", spawn->uid);
	ret = write_proc(pid, "uid_map", map);
	if (ret)
		return ret;
	/* The kernel's condition for a plain account's gid_map. */
	*step = "setgroups";
	ret = has_power ? 0 : write_proc(pid, "setgroups", "deny");
	if (ret)
		return ret;
	*step = "gid_map";
	(void)snprintf(map, sizeof(map), "0 %u 1", spawn->gid);
	return write_proc(pid, "gid_map", map);
}

/* Like fork, in new namespaces. Straight to the kernel, for glibc has no call
 * for it; the child keeps to what inherit_run() may do. */
static pid_t clone_child(const struct rf_fence_spawn *spawn, int *pidfd)
{
	struct clone_args args = {
		.flags = spawn->namespaces | CLONE_PIDFD,
		.pidfd = (uintptr_t)pidfd,
		.exit_signal = SIGCHLD,
	};
	pid_t pid;

	if (spawn->cgroup_fd >= 0) {
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = (uint64_t)spawn->cgroup_fd;
	}
	pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
	if (pid >= 0)
		return pid;
	/* Inside a chroot, or really not allowed: the way round tells. */
	if (errno != EPERM || geteuid() != 0 ||
	    !(spawn->namespaces & CLONE_NEWUSER))
		return -errno;
	return detour_clone(&args, pidfd);
}

/* Kill it and wait for it: nothing is left. */
static void put_down(pid_t pid, int *pidfd)
{
	int status;

	/* By pidfd: if it has gone already, the number may be another's. */
	(void)syscall(SYS_pidfd_send_signal, *pidfd, SIGKILL, NULL, 0);
	while (waitpid(pid, &status, __WALL) >= 0 || errno == EINTR) {
		if (WIFEXITED(status) || WIFSIGNALED(status))
			break;
		/* Traced, it stops once more on its way out. */
		(void)ptrace(PTRACE_CONT, pid, NULL, NULL);
	}
	traced_forget(pid);
	rf_fd_close(pidfd);
}

/* Wait for exec, which closes the child's end, or for its word of failure. A
 * traced child may stop meanwhile, because of a signal or its death, and would
 * wait for us as we for it. */
static int wait_for_exec(int sock, pid_t pid, const char **step)
{
	struct pollfd ready = { .fd = sock, .events = POLLIN };
	struct inherit_failure failure;
	bool gone = false;
	ssize_t n;
	int ret;

	do {
		ret = poll(&ready, 1, STALL_MS);
		if (ret < 0 && errno != EINTR)
			return -errno;
		gone = ret <= 0 && traced_pump(pid);
	} while (ret <= 0 && !gone);
	n = recv(sock, &failure, sizeof(failure), MSG_DONTWAIT);
	if (gone && n <= 0)
		return -ECHILD;
	if (n == 0)
		return 0;
	*step = n == (ssize_t)sizeof(failure) ? inherit_step_name(failure.step)
					      : "clone3";
	return n == (ssize_t)sizeof(failure) && failure.error < 0
		       ? failure.error
		       : -EPROTO;
}

/* Without ptrace the fence is as strong, only the report poorer: somebody may
 * be tracing us, or a security module may forbid it. */
static bool seize(pid_t pid)
{
	const long options = PTRACE_O_EXITKILL | PTRACE_O_TRACEEXIT |
			     PTRACE_O_TRACECLONE;

	return traced_add(pid) &&
	       !ptrace(PTRACE_SEIZE, pid, NULL, (void *)options);
}

static int lead_to_exec(const struct rf_fence_spawn *spawn, int sock,
			bool has_power, struct rf_fence_child *child,
			const char **step)
{
	int ret;

	ret = write_maps(spawn, child->pid, has_power, step);
	if (ret)
		return ret;
	child->traced = spawn->trace && seize(child->pid);
	if (!child->traced)
		traced_forget(child->pid);
	child->exec_ns = rf_clock_ns();
	*step = "clone3";
	if (send(sock, "", 1, MSG_NOSIGNAL) != 1)
		return -errno;
	return wait_for_exec(sock, child->pid, step);
}

/* An empty environment but for what the child half of the fence needs, and in
 * builds for sanitizers their options: inside of the fence a leak check could
 * not stop the process's other threads. */
static void make_environment(struct inherit *in, char *namespaces, size_t size)
{
	uint32_t n = 0;

	(void)snprintf(namespaces, size, INHERIT_NAMESPACES "=%x",
		       in->namespaces);
	in->envp[n++] = namespaces;
#ifdef RF_SANITIZED
	{
		static char asan[] = "ASAN_OPTIONS=detect_leaks=0";
		static char lsan[] = "LSAN_OPTIONS=detect_leaks=0";

		in->envp[n++] = asan;
		in->envp[n++] = lsan;
	}
#endif
	in->envp[n] = NULL;
}

static int spawn_child(const struct rf_fence_spawn *spawn,
		       struct rf_fence_child *child, const char **step)
{
	char namespaces[sizeof(INHERIT_NAMESPACES) + 16];
	rf_autofd ours = -1, theirs = -1;
	struct inherit in = {
		.exe_fd = spawn->exe_fd,
		.argv = spawn->argv,
		.fds = spawn->fds,
		.nr_fds = spawn->nr_fds,
		.uid = spawn->uid,
		.gid = spawn->gid,
		.namespaces = spawn->namespaces,
		.has_power = geteuid() == 0,
		.rlimits = spawn->rlimits,
		.nr_rlimits = spawn->nr_rlimits,
	};
	int pair[2];
	int ret;

	*step = "socketpair";
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return -errno;
	ours = pair[0];
	theirs = pair[1];
	*step = "clone3";
	child->pid = clone_child(spawn, &child->pidfd);
	if (child->pid < 0)
		return child->pid;
	if (!child->pid) {
		/* Only the launcher's end, so that its death is noticed. */
		close(ours);
		in.parent = theirs;
		make_environment(&in, namespaces, sizeof(namespaces));
		inherit_run(&in);
	}
	rf_fd_close(&theirs);
	ret = lead_to_exec(spawn, ours, in.has_power, child, step);
	if (ret)
		put_down(child->pid, &child->pidfd);
	return ret;
}

int rf_fence_spawn(const struct rf_fence_spawn *spawn,
		   struct rf_fence_child *out, const char **step)
{
	struct rf_fence_child child = { .pidfd = -1 };
	const char *ignored;
	int ret;

	if (!step)
		step = &ignored;
	*step = "arguments";
	if (!is_valid_spawn(spawn))
		return -EINVAL;
	ret = spawn_child(spawn, &child, step);
	if (ret)
		return ret;
	*step = NULL;
	*out = child;
	return 0;
}
