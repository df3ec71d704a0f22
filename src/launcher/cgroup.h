/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * cgroup.h - a cgroup of version 2 for each process of a run
 *
 * PATH/ringfence-PID/NAME below the mount of cgroup2: PATH is the operator's
 * and stays as it is, the rest is ours and goes at the end. In order:
 * cgroup_open(), cgroup_make() for each process, cgroup_remove() when all of
 * them are gone, cgroup_close().
 */
#ifndef RINGFENCE_LAUNCHER_CGROUP_H
#define RINGFENCE_LAUNCHER_CGROUP_H

#include "launcher/settings.h"

#define CGROUP_NAME_BYTES 24u

struct cgroup {
	int parent; /* PATH, or -1: no cgroups in this run */
	int dir;    /* PATH/ringfence-PID */
	char name[CGROUP_NAME_BYTES];
	char path[PATH_MAX]; /* for complaints */
	char made[1 + SETTINGS_DISKS_MAX][CGROUP_NAME_BYTES];
	uint32_t nr_made;
};

/* No path in `j`: an empty one, on which the others do nothing. Removes what
 * launchers that are no more have left in PATH. */
RF_MUST_CHECK int cgroup_open(const struct settings_jailer *j,
			      struct cgroup *out, struct complaint *c);

/* The directory of a new cgroup with the limits set; owned; -1 where the run
 * has none. */
RF_MUST_CHECK int cgroup_make(struct cgroup *cg,
			      const struct settings_jailer *j, const char *name,
			      int *out, struct complaint *c);

/* Only unlinkat on the two directories: works inside the filter. False: a
 * cgroup is still there, for a process lives in it. */
bool cgroup_remove(struct cgroup *cg);
void cgroup_close(struct cgroup *cg);

/* Where a line of mountinfo mounts cgroup2; false: it does not. */
bool cgroup_mount_of(const char *line, char *out, size_t cap);

/* Where it is mounted on this host; false: nowhere. */
bool cgroup_find_mount(char *out, size_t cap);

/* Remove the empty ringfence-PID directories of processes that are gone. */
void cgroup_sweep(int parent);

#endif
