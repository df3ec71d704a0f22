/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * landlock.c - refuse every file, port and outside process, where the kernel can
 *
 * Side:    fence, in the started program, after capabilities are gone.
 * Owns:    nothing.
 * Callers: fence.c.
 * Never:   fails for want of a newer kernel: it is the second wall, behind the
 *          empty root and the filter.
 *
 * The ruleset has no rule, so what it handles is refused. Descriptors opened
 * before keep their rights. The numbers are written out, because the headers
 * we build with are older than kernels we run on.
 */
#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <ringfence/base.h>

#include "fence/stages.h"

#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_restrict_self 446
#endif
#define LANDLOCK_CREATE_VERSION 1u
#define LANDLOCK_NET_BOTH 0x3u	  /* bind, connect: since ABI 4 */
#define LANDLOCK_SCOPED_BOTH 0x3u /* abstract sockets, signals: since ABI 6 */

/* Layout of the kernel's; it takes a longer one if what it does not know is
 * zero. */
struct ruleset {
	uint64_t fs;
	uint64_t net;
	uint64_t scoped;
};
static_assert(sizeof(struct ruleset) == 24, "landlock ABI 6");

/* Rights over files that exist with each ABI, counted from bit 0. */
static unsigned fs_rights(long abi)
{
	static const unsigned rights[] = { 0, 13, 14, 15, 15, 16 };

	return abi < (long)RF_ARRAY_LEN(rights)
		       ? rights[abi]
		       : rights[RF_ARRAY_LEN(rights) - 1];
}

int landlock_refuse_all(void)
{
	struct ruleset set = { 0 };
	rf_autofd fd = -1;
	long abi;

	abi = syscall(SYS_landlock_create_ruleset, NULL, 0,
		      LANDLOCK_CREATE_VERSION);
	if (abi < 1)
		return 0; /* not built in, or switched off */
	set.fs = (UINT64_C(1) << fs_rights(abi)) - 1;
	if (abi >= 4)
		set.net = LANDLOCK_NET_BOTH;
	if (abi >= 6)
		set.scoped = LANDLOCK_SCOPED_BOTH;
	fd = (int)syscall(SYS_landlock_create_ruleset, &set, sizeof(set), 0);
	if (fd < 0)
		return -errno;
	return syscall(SYS_landlock_restrict_self, fd, 0) ? -errno : 0;
}
