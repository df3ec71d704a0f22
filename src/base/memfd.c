/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * memfd.c - memory to be shared with a process that does not believe us
 *
 * Side:    any process that makes such memory, before its last filter.
 * Owns:    nothing.
 * Callers: src/ring (rings filled by userspace), src/vmm (guest memory),
 *          src/launcher (report pages).
 * Never:   hands out a descriptor that is not sealed yet.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
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
