/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * limits.c - the page in which a device finds what it may do at most
 *
 * Side:    both: the launcher that says, the device that looks.
 * Owns:    nothing; mappings live as long as their process.
 * Callers: src/launcher and main() of devices, through <ringfence/limits.h>.
 * Never:   lets the device have a way to write: the page is mapped writable
 *          once, by the launcher, and sealed against ever being so again.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <ringfence/limits.h>

#include "base/memfd.h"

/* Linux 5.1; not in all C libraries' headers. */
#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif

int rf_limits_new(int *fd, struct rf_limits **out)
{
	rf_autofd page = memfd_create("limits",
				      MFD_CLOEXEC | MFD_ALLOW_SEALING);
	void *map;
	int err;

	if (page < 0 || ftruncate(page, RF_LIMITS_BYTES) < 0)
		return -errno;
	map = mmap(NULL, RF_LIMITS_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED,
		   page, 0);
	if (map == MAP_FAILED)
		return -errno;
	/* In this order: ours is the last mapping that can be written. */
	if (fcntl(page, F_ADD_SEALS,
		  F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE |
			  F_SEAL_SEAL) < 0) {
		err = -errno;
		(void)munmap(map, RF_LIMITS_BYTES);
		return err;
	}
	*fd = rf_fd_take(&page);
	*out = map;
	return 0;
}

int rf_limits_map(int fd, const struct rf_limits **out)
{
	void *map;
	int err = memfd_map(fd, RF_LIMITS_BYTES, PROT_READ, &map);

	if (!err)
		*out = map;
	return err;
}
