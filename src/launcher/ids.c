/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * ids.c - which host uid and gid a fenced process gets
 *
 * Side:    launcher.
 * Owns:    the default range, SETTINGS_IDS_BASE and 65536 ids from there.
 * Callers: launch.c.
 * Never:   gives two processes of one launcher the same default id: what may
 *          not signal or trace its neighbour must not share its uid.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "launcher/ids.h"

#define IDS_LAST (SETTINGS_IDS_BASE + IDS_PER_LAUNCHER * IDS_LAUNCHERS - 1)
static_assert(1 + SETTINGS_DISKS_MAX <= IDS_PER_LAUNCHER, "one id each");

/* The next of the kernel's numbers, which fit 32 bits. */
static bool take_number(const char **at, uint64_t *out)
{
	char *end;

	*out = strtoull(*at, &end, 10);
	if (end == *at)
		return false;
	*at = end;
	return true;
}

bool ids_map_holds(const char *map, uint32_t first, uint32_t last)
{
	uint64_t inside;
	uint64_t outside;
	uint64_t nr;

	while (take_number(&map, &inside) && take_number(&map, &outside) &&
	       take_number(&map, &nr)) {
		if (first >= inside && last - inside < nr)
			return true;
	}
	return false;
}

/* In a container, root's ids may end at 65535. */
static bool has_mapped(const char *path, uint32_t first, uint32_t last)
{
	rf_autofd fd = open(path, O_RDONLY | O_CLOEXEC);
	char map[4096];
	ssize_t n;

	if (fd < 0)
		return false;
	n = read(fd, map, sizeof(map) - 1);
	if (n < 0)
		return false;
	map[n] = '\0';
	return ids_map_holds(map, first, last);
}

void ids_look(struct ids_host *out)
{
	out->uid = geteuid();
	out->gid = getegid();
	out->pid = getpid();
	out->may_change =
		out->uid == 0 &&
		has_mapped("/proc/self/uid_map", SETTINGS_IDS_BASE, IDS_LAST) &&
		has_mapped("/proc/self/gid_map", SETTINGS_IDS_BASE, IDS_LAST);
}

int ids_choose(const struct settings_jailer *j, const struct ids_host *host,
	       uint32_t process, uid_t *uid, gid_t *gid, struct complaint *c)
{
	const struct settings_ids *own = process == 0
						 ? &j->vmm
						 : &j->devices[process - 1];
	uint32_t base = SETTINGS_IDS_BASE +
			(uint32_t)host->pid % IDS_LAUNCHERS * IDS_PER_LAUNCHER;

	if ((own->given || j->has_ids_base) && host->uid != 0)
		return complain(c, "jailer.ids: only root can give processes "
				   "ids of their own; leave it out");
	if (own->given) {
		*uid = own->uid;
		*gid = own->gid;
		return 0;
	}
	if (j->has_ids_base)
		base = j->ids_base;
	else if (!host->may_change) {
		*uid = host->uid;
		*gid = host->gid;
		return 0;
	}
	*uid = base + process;
	*gid = base + process;
	return 0;
}
