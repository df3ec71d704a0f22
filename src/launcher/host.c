/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * host.c - what this host offers, found out by trying it
 *
 * Side:    launcher, with all its power.
 * Owns:    nothing.
 * Callers: probe.c, demo.c.
 * Never:   concludes from a version: kernels are configured, and sandboxes lie
 *          around them.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <ringfence/fence.h>

#include "launcher/cgroup.h"
#include "launcher/host.h"
#include "launcher/ids.h"
#include "launcher/images.h"

static void tell(struct host_thing *thing, bool there, const char *fmt, ...)
	RF_PRINTF(3, 4);

static void tell(struct host_thing *thing, bool there, const char *fmt, ...)
{
	va_list ap;

	thing->there = there;
	va_start(ap, fmt);
	(void)vsnprintf(thing->text, sizeof(thing->text), fmt, ap);
	va_end(ap);
}

static void look_at_kvm(struct host *h)
{
	rf_autofd fd = -1;
	char why[160];

	if (images_open_kvm(&fd, why, sizeof(why)) < 0) {
		tell(&h->kvm, false, "%s", why);
		tell(&h->registers, false, "needs KVM");
		rf_doorbell_probe(-1, &h->doorbells);
		return;
	}
	if (rf_doorbell_probe_host(fd, &h->doorbells) < 0)
		tell(&h->kvm, false, "/dev/kvm opens, but makes no VM");
	else
		tell(&h->kvm, true, "/dev/kvm makes VMs");
	if (images_has_register_pages(fd))
		tell(&h->registers, true,
		     "guests read device registers without an exit");
	else
		tell(&h->registers, false,
		     "this KVM has no read-only memory or no ioeventfd");
}

/* Until the one child has ended. A process that only prints its version is
 * given five seconds. */
static bool wait_for(pid_t pid, struct rf_fence_end *end)
{
	const struct timespec pause = { .tv_nsec = 2000000 };
	const uint64_t deadline = rf_clock_ns() + 5000000000ull;
	int err;

	while (rf_clock_ns() < deadline) {
		err = rf_fence_reap(end);
		if (err == 0 && end->pid == pid)
			return true;
		if (err == -ECHILD)
			return false;
		(void)nanosleep(&pause, NULL);
	}
	return false;
}

/* Ourselves, in a fence, saying our version to nobody. */
static int spawn_self(int exe, int null, struct rf_fence_child *child,
		      const char **step)
{
	static const char *const argv[] = { "ringfence", "version", NULL };
	struct rf_fence_spawn spawn = {
		.name = "probe",
		.exe_fd = exe,
		.argv = (char *const *)(uintptr_t)argv,
		.fds = { { null, STDOUT_FILENO }, { null, STDERR_FILENO } },
		.nr_fds = 2,
		.uid = geteuid(),
		.gid = getegid(),
		.namespaces = RF_FENCE_NAMESPACES,
		.cgroup_fd = -1,
		.trace = true,
	};

	return rf_fence_spawn(&spawn, child, step);
}

static void look_at_fence(struct host *h)
{
	rf_autofd exe = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	rf_autofd null = open("/dev/null", O_RDWR | O_CLOEXEC);
	struct rf_fence_child child;
	struct rf_fence_end end;
	const char *step = "/proc/self/exe or /dev/null";
	int err = -ENOENT;

	if (exe >= 0 && null >= 0)
		err = spawn_self(exe, null, &child, &step);
	if (err) {
		tell(&h->fence, false,
		     "%s: %s; see sysctl user.max_user_namespaces", step,
		     strerror(-err));
		tell(&h->ptrace, false, "no fenced process to try it on");
		return;
	}
	if (!wait_for(child.pid, &end) || !end.exited || end.status != 0)
		tell(&h->fence, false, "a process in it does not run");
	else
		tell(&h->fence, true,
		     "user, mount, pid, net, ipc, uts, cgroup");
	if (child.traced)
		tell(&h->ptrace, true,
		     "a call that a filter kills for is named");
	else
		tell(&h->ptrace, false,
		     "somebody traces us, or a security module forbids it; "
		     "filters kill all the same, the report lacks the call");
	rf_fd_close(&child.pidfd);
}

static void look_at_seccomp(struct host *h)
{
	uint32_t action = SECCOMP_RET_KILL_PROCESS;

	if (syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0)
		tell(&h->seccomp, true, "filters that kill the process");
	else
		tell(&h->seccomp, false, "%s; Linux 4.14 or later is needed",
		     strerror(errno));
}

static void look_at_landlock(struct host *h)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0,
			   LANDLOCK_CREATE_RULESET_VERSION);

	if (abi > 0)
		tell(&h->landlock, true, "ABI %ld", abi);
	else
		tell(&h->landlock, false,
		     "%s; fences do without (an empty root is left)",
		     abi == 0 ? "ABI 0" : strerror(errno));
}

static void look_at_cgroup(struct host *h)
{
	char mount[PATH_MAX];
	char path[PATH_MAX + 32];
	char list[160];
	rf_autofd fd = -1;
	ssize_t n;

	if (!cgroup_find_mount(mount, sizeof(mount))) {
		tell(&h->cgroup, false,
		     "cgroup2 is not mounted; jailer.cgroup cannot be used");
		return;
	}
	(void)snprintf(path, sizeof(path), "%s/cgroup.controllers", mount);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? 0 : read(fd, list, sizeof(list) - 1);
	list[n > 0 ? n : 0] = '\0';
	list[strcspn(list, "\n")] = '\0';
	tell(&h->cgroup, true, "%.100s, controllers: %.80s", mount,
	     list[0] ? list : "none, so no limits");
}

static void look_at_ids(struct host *h)
{
	struct ids_host ids;

	ids_look(&ids);
	if (ids.may_change)
		tell(&h->ids, true, "from %u on", SETTINGS_IDS_BASE);
	else if (ids.uid == 0)
		tell(&h->ids, false,
		     "ids from %u on are not mapped here; all processes run "
		     "under uid 0",
		     SETTINGS_IDS_BASE);
	else
		tell(&h->ids, false,
		     "only root can; all processes run under uid %u", ids.uid);
}

void host_look(struct host *out)
{
	memset(out, 0, sizeof(*out));
	look_at_kvm(out);
	look_at_fence(out);
	look_at_seccomp(out);
	look_at_landlock(out);
	look_at_cgroup(out);
	look_at_ids(out);
}
