/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * slow_disk.c - cgroup v2's io.max, or v1's throttle
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <ringfence/base.h>

#include "process/slow_disk.h"

#define GROUP "ringfence-test-slow"

static const struct place {
	const char *group; /* a directory made here */
	const char *limit;
	const char *key; /* before the bytes a second */
} places[] = {
	{ "/sys/fs/cgroup/" GROUP, "io.max", "rbps=" },
	{ "/sys/fs/cgroup/blkio/" GROUP, "blkio.throttle.read_bps_device", "" },
};

static bool put(const char *group, const char *file, const char *text)
{
	char path[256];
	rf_autofd fd = -1;

	(void)snprintf(path, sizeof(path), "%s/%s", group, file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	return fd >= 0 &&
	       write(fd, text, strlen(text)) == (ssize_t)strlen(text);
}

static bool make_at(const struct place *at, dev_t disk)
{
	char text[64];

	if (mkdir(at->group, 0755) < 0 && errno != EEXIST)
		return false;
	(void)snprintf(text, sizeof(text), "%u:%u %s%u", major(disk),
		       minor(disk), at->key, SLOW_DISK_BYTES_A_S);
	if (put(at->group, at->limit, text))
		return true;
	(void)rmdir(at->group);
	return false;
}

bool slow_disk_make(struct slow_disk *out, const char *path)
{
	struct stat st;
	size_t i;

	if (stat(path, &st) < 0)
		return false;
	for (i = 0; i < RF_ARRAY_LEN(places); i++)
		if (make_at(&places[i], st.st_dev)) {
			out->group = places[i].group;
			return true;
		}
	return false;
}

bool slow_disk_add(const struct slow_disk *slow, pid_t pid)
{
	char text[16];

	(void)snprintf(text, sizeof(text), "%d", (int)pid);
	return put(slow->group, "cgroup.procs", text);
}

void slow_disk_drop(const struct slow_disk *slow)
{
	(void)rmdir(slow->group);
}

void slow_disk_tell(const char *test)
{
	static const char path[] = "/tmp";
	struct slow_disk slow;

	if (slow_disk_make(&slow, path))
		slow_disk_drop(&slow);
	else
		printf("skipped: %s, a slow disk: needs root and a cgroup that "
		       "limits the disk of %s\n",
		       test, path);
	(void)fflush(stdout);
}
