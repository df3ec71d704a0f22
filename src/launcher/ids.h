/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * ids.h - which host uid and gid a fenced process gets
 */
#ifndef RINGFENCE_LAUNCHER_IDS_H
#define RINGFENCE_LAUNCHER_IDS_H

#include "launcher/settings.h"

#define IDS_PER_LAUNCHER 64u
#define IDS_LAUNCHERS 1024u

/* What decides, so that a test can play any host. */
struct ids_host {
	uid_t uid; /* effective */
	gid_t gid;
	pid_t pid;
	bool may_change; /* root, and all of our default ids are mapped */
};

void ids_look(struct ids_host *out);

/* Process 0 is the vCPU process, 1 + i is device i. -EINVAL: the
 * configuration asks for ids that only root can give. */
RF_MUST_CHECK int ids_choose(const struct settings_jailer *j,
			     const struct ids_host *host, uint32_t process,
			     uid_t *uid, gid_t *gid, struct complaint *c);

/* Does a uid_map (the text of /proc/PID/uid_map) hold all of [first, last]? */
bool ids_map_holds(const char *map, uint32_t first, uint32_t last);

#endif
