/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * root.c - replace the root directory, and forget the old one
 *
 * Side:    fence, in the started program, inside its own mount namespace.
 * Owns:    the mounts of that namespace.
 * Callers: fence.c, first stage.
 * Never:   runs in the host's mount namespace: fence.c sees to that.
 */
#include <errno.h>
#include <stddef.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fence/stages.h"

/* A directory that is sure to be there; what it shows is hidden a moment
 * later for good, so nothing of it is needed. */
#define MOUNT_POINT "/proc"

/* Flags that a mount got outside of our user namespace are locked: a remount
 * has to repeat them or is refused. */
static unsigned long locked_flags(const char *path)
{
	static const struct {
		unsigned long statvfs;
		unsigned long mount;
	} map[] = {
		{ ST_NOATIME, MS_NOATIME },
		{ ST_NODIRATIME, MS_NODIRATIME },
		{ ST_RELATIME, MS_RELATIME },
	};
	unsigned long flags = 0;
	struct statvfs st;
	size_t i;

	if (statvfs(path, &st))
		return 0;
	for (i = 0; i < RF_ARRAY_LEN(map); i++)
		if (st.f_flag & map[i].statvfs)
			flags |= map[i].mount;
	return flags;
}

static int mount_empty(void)
{
	/* One inode, the directory itself. */
	if (mount("ringfence", MOUNT_POINT, "tmpfs",
		  MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC,
		  "size=4k,nr_inodes=1,mode=0555"))
		return -errno;
	return 0;
}

static int mount_directory(const char *dir)
{
	const unsigned long flags = MS_RDONLY | MS_NOSUID | MS_NODEV |
				    MS_NOEXEC;

	/* Not recursive: what is mounted below is not part of it. */
	if (mount(dir, MOUNT_POINT, NULL, MS_BIND, NULL))
		return -errno;
	/* A bind mount takes its flags in a second step only. */
	if (mount(NULL, MOUNT_POINT, NULL,
		  MS_REMOUNT | MS_BIND | flags | locked_flags(MOUNT_POINT),
		  NULL))
		return -errno;
	return 0;
}

int root_replace(const char *dir)
{
	int ret;

	/* Nothing we mount may show outside, and pivot_root refuses shared
	 * mounts. */
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return -errno;
	ret = dir ? mount_directory(dir) : mount_empty();
	if (ret)
		return ret;
	if (chdir(MOUNT_POINT))
		return -errno;
	/* New root and old root are stacked on one another at "."; taking the
	 * upper one away leaves no path to it. */
	if (syscall(SYS_pivot_root, ".", "."))
		return -errno;
	if (umount2(".", MNT_DETACH))
		return -errno;
	return chdir("/") ? -errno : 0;
}
