/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * detour.c - make the child although the launcher runs inside a chroot
 *
 * Side:    fence, in the launcher, with the host's power.
 * Owns:    the process in between, until it has ended.
 * Callers: spawn.c, when clone3 said EPERM to root.
 * Never:   changes the launcher itself.
 *
 * The kernel makes no user namespace for a process whose root is not that of
 * its mount namespace: the new owner could leave the chroot. Root may make the
 * two the same, though not for the launcher itself, which keeps what it has. So
 * a process in between makes a mount namespace in which what the chroot shows
 * is all there is, and makes the child in there:
 *
 *   launcher            in between                     child
 *   fork  ------------> own mount namespace, private
 *                       enters it once more by setns,
 *                       which resets the root directory
 *                       pivot_root back into the
 *                       directory that was the chroot
 *                       clone3, CLONE_PARENT --------> child of the launcher
 *   reads its pid <---- writes the pid, ends           stages 2, 3, 4, ...
 *
 * With CLONE_PARENT the launcher is the one that waits for it, traces it, and
 * is followed in death, as ever. Paths mean the same files to all three.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fence/detour.h"

/* A directory that every host has; what it shows is gone a moment later. */
#define MOUNT_POINT "/proc"

/* Root and namespace become one again: where the host's root was, a copy of
 * all that the chroot showed. */
static int pivot_into(int root)
{
	rf_autofd tree = -1;

	tree = open_tree(root, "",
			 OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH |
				 AT_RECURSIVE);
	if (tree < 0)
		return -errno;
	if (move_mount(tree, "", AT_FDCWD, MOUNT_POINT,
		       MOVE_MOUNT_F_EMPTY_PATH))
		return -errno;
	if (chdir(MOUNT_POINT) || syscall(SYS_pivot_root, ".", "."))
		return -errno;
	/* The host's root lies on top of ours now. */
	if (umount2(".", MNT_DETACH))
		return -errno;
	return chdir("/") ? -errno : 0;
}

static int leave_chroot(void)
{
	rf_autofd self = -1;
	rf_autofd root = -1;

	if (unshare(CLONE_NEWNS))
		return -errno;
	root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return -errno;
	self = (int)syscall(SYS_pidfd_open, getpid(), 0);
	if (self < 0 || setns(self, CLONE_NEWNS))
		return -errno;
	/* Before anything is mounted: nothing of it may show on the host. */
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return -errno;
	return pivot_into(root);
}

/* Returns 0 in the child alone. */
static void go_between(const struct clone_args *wanted, int out)
{
	struct clone_args args = *wanted;
	int32_t told;

	args.flags = (args.flags & ~(uint64_t)CLONE_PIDFD) | CLONE_PARENT;
	args.pidfd = 0;
	args.exit_signal = 0; /* that of the launcher's children */
	told = leave_chroot();
	if (!told) {
		told = (int32_t)syscall(SYS_clone3, &args, sizeof(args));
		if (told == 0)
			return;
		if (told < 0)
			told = -errno;
	}
	if (write(out, &told, sizeof(told)) != sizeof(told))
		_exit(1);
	_exit(0);
}

static int wait_for(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, __WALL) < 0)
		if (errno != EINTR)
			return -errno;
	return 0;
}

/* Nobody but us reaps it, so the number is still its own. */
static pid_t adopt(pid_t pid, int *pidfd)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);
	int err = errno;

	if (fd < 0) {
		(void)kill(pid, SIGKILL);
		(void)wait_for(pid);
		return -err;
	}
	*pidfd = fd;
	return pid;
}

pid_t detour_clone(const struct clone_args *args, int *pidfd)
{
	/* Not SIGCHLD: its end is nobody's business but ours. */
	struct clone_args plain = { .exit_signal = 0 };
	rf_autofd in = -1, out = -1;
	int pair[2];
	int32_t told;
	pid_t between;
	ssize_t n;

	if (pipe2(pair, O_CLOEXEC))
		return -errno;
	in = pair[0];
	out = pair[1];
	between = (pid_t)syscall(SYS_clone3, &plain, sizeof(plain));
	if (between < 0)
		return -errno;
	if (between == 0) {
		go_between(args, out);
		return 0;
	}
	rf_fd_close(&out);
	n = read(in, &told, sizeof(told));
	(void)wait_for(between);
	if (n != sizeof(told) || told == 0)
		return -EPERM;
	return told < 0 ? told : adopt(told, pidfd);
}
