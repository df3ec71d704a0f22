/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * memfd.c - memory to be shared with a process that does not believe us
 *
 * Side:    any process that makes such memory, before its last filter.
 * Owns:    nothing.
 * Callers: src/ring (rings filled by userspace), src/vmm (guest memory),
 *          src/launcher (report pages); report.c and limits.c map.
 * Never:   hands out a descriptor that is not sealed yet, maps what could
 *          shrink: an access beyond the end would be SIGBUS.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memfd.h"

int memfd_new(const char *name, uint64_t bytes, int *out)
{
	rf_autofd fd = -1;

	if (bytes == 0 || bytes > INT64_MAX)
		return -EINVAL;
	fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return -errno;
	if (ftruncate(fd, (off_t)bytes) < 0)
		return -errno;
	if (fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) <
	    0)
		return -errno;
	*out = rf_fd_take(&fd);
	return 0;
}

int memfd_map(int fd, size_t bytes, int prot, void **out)
{
	rf_autofd file = fd;
	struct stat st;
	int seals;
	void *map;

	seals = fcntl(file, F_GET_SEALS);
	if (seals < 0)
		/* EINVAL: a file that cannot be sealed at all. */
		return errno == EINVAL ? -EPERM : -errno;
	if (!(seals & F_SEAL_SHRINK))
		return -EPERM;
	if (fstat(file, &st) < 0)
		return -errno;
	if (st.st_size < (off_t)bytes)
		return -ERANGE;
	map = mmap(NULL, bytes, prot, MAP_SHARED, file, 0);
	if (map == MAP_FAILED)
		return -errno;
	*out = map;
	return 0;
}
