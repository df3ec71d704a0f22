/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * cgroup.c - a cgroup of version 2 for each process of a run
 *
 * Side:    launcher.
 * Owns:    ringfence-PID below the operator's cgroup, and nothing above it.
 * Callers: launch.c, supervise.c.
 * Never:   changes the operator's cgroup: which controllers reach us is said
 *          there, and a limit that they do not reach is an error, not a hope.
 * Needs:   unlinkat on the places of the two directories.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/number.h"
#include "launcher/cgroup.h"

#define NAME_PREFIX "ringfence-"
#define DIRECTORY (O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW)

/* mountinfo writes blanks and backslashes as \ooo. */
static bool unescape(const char *from, size_t len, char *out, size_t cap)
{
	size_t used = 0;
	size_t i;

	for (i = 0; i < len; i++) {
		char byte = from[i];

		if (byte == '\\' && len - i > 3) {
			byte = (char)((from[i + 1] - '0') * 64 +
				      (from[i + 2] - '0') * 8 +
				      (from[i + 3] - '0'));
			i += 3;
		}
		if (used + 1 >= cap)
			return false;
		out[used++] = byte;
	}
	out[used] = '\0';
	return true;
}

/* proc(5): ID PARENT MAJOR:MINOR ROOT MOUNTPOINT OPTIONS... - TYPE ... */
bool cgroup_mount_of(const char *line, char *out, size_t cap)
{
	const char *type = strstr(line, " - ");
	const char *field = line;
	int i;

	if (!type || strncmp(type + 3, "cgroup2 ", 8) != 0)
		return false;
	for (i = 0; i < 4; i++) {
		field = strchr(field, ' ');
		if (!field || field >= type)
			return false;
		field++;
	}
	return unescape(field, strcspn(field, " "), out, cap);
}

bool cgroup_find_mount(char *out, size_t cap)
{
	FILE *f = fopen("/proc/self/mountinfo", "re");
	char *line = NULL;
	size_t room = 0;
	bool found = false;

	if (!f)
		return false;
	while (!found && getline(&line, &room, f) > 0)
		found = cgroup_mount_of(line, out, cap);
	free(line);
	(void)fclose(f);
	return found;
}

/* Directories of a cgroup are its children; rmdir of one that has processes
 * or children of its own is refused by the kernel. */
static void sweep_children(int parent, const char *name)
{
	rf_autofd fd = openat(parent, name, DIRECTORY);
	const struct dirent *entry;
	DIR *dir;
	int copy;

	if (fd < 0)
		return;
	copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	dir = copy < 0 ? NULL : fdopendir(copy);
	if (!dir) {
		rf_fd_close(&copy);
		return;
	}
	while ((entry = readdir(dir))) {
		if (entry->d_type == DT_DIR && entry->d_name[0] != '.')
			(void)unlinkat(fd, entry->d_name, AT_REMOVEDIR);
	}
	(void)closedir(dir);
}

static bool is_of_the_dead(const char *name)
{
	uint64_t pid;

	if (strncmp(name, NAME_PREFIX, sizeof(NAME_PREFIX) - 1) != 0)
		return false;
	if (number_parse(name + sizeof(NAME_PREFIX) - 1, 1, INT32_MAX, &pid) <
	    0)
		return false;
	return kill((pid_t)pid, 0) < 0 && errno == ESRCH;
}

void cgroup_sweep(int parent)
{
	const int copy = openat(parent, ".", DIRECTORY);
	const struct dirent *entry;
	DIR *dir;

	if (copy < 0)
		return;
	dir = fdopendir(copy);
	if (!dir) {
		(void)close(copy);
		return;
	}
	while ((entry = readdir(dir))) {
		if (!is_of_the_dead(entry->d_name))
			continue;
		sweep_children(parent, entry->d_name);
		(void)unlinkat(parent, entry->d_name, AT_REMOVEDIR);
	}
	(void)closedir(dir);
}

static int write_file(int dir, const char *file, const char *value)
{
	rf_autofd fd = openat(dir, file, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (write(fd, value, strlen(value)) < 0)
		return -errno;
	return 0;
}

/* Is `word` one of the blank-separated words of dir/cgroup.controllers? */
static bool has_controller(int dir, const char *word, size_t len)
{
	rf_autofd fd = openat(dir, "cgroup.controllers", O_RDONLY | O_CLOEXEC);
	char list[512];
	const char *at;
	ssize_t n;

	n = fd < 0 ? -1 : read(fd, list, sizeof(list) - 1);
	if (n < 0)
		return false;
	list[n] = '\0';
	for (at = list; *at; at += strspn(at, " \n")) {
		size_t here = strcspn(at, " \n");

		if (here == len && memcmp(at, word, len) == 0)
			return true;
		at += here;
	}
	return false;
}

/* Pass on to our children what the limits of this run need. */
static int enable_controllers(const struct cgroup *cg,
			      const struct settings_jailer *j,
			      struct complaint *c)
{
	uint32_t i;
	int err;

	for (i = 0; i < SETTINGS_NR_LIMITS; i++) {
		const char *file = j->limits[i].file;
		const size_t len = strcspn(file, ".");
		char word[16];

		if (!j->limits[i].value[0])
			continue;
		if (!has_controller(cg->dir, file, len))
			return complain(c,
					"%s: controller %.*s not enabled in "
					"%s/cgroup.subtree_control; write "
					"+%.*s there",
					file, (int)len, file, cg->path,
					(int)len, file);
		(void)snprintf(word, sizeof(word), "+%.*s", (int)len, file);
		err = write_file(cg->dir, "cgroup.subtree_control", word);
		if (err)
			return complain(c, "%s: %s/%s: %s", file, cg->path,
					cg->name, strerror(-err));
	}
	return 0;
}

/* The path may be said with or without the mount point before it. */
static int open_parent(const struct settings_jailer *j, struct cgroup *cg,
		       struct complaint *c)
{
	char mount[PATH_MAX];
	const char *path = j->cgroup;
	size_t len;
	int n;

	if (!cgroup_find_mount(mount, sizeof(mount)))
		return complain(c, "jailer.cgroup.path: cgroup2 is not mounted "
				   "on this host; mount it, or leave the "
				   "section out");
	len = strlen(mount);
	if (strncmp(path, mount, len) == 0 && path[len] == '/')
		path += len;
	path += strspn(path, "/");
	n = snprintf(cg->path, sizeof(cg->path), "%s/%s", mount, path);
	if (n < 0 || (size_t)n >= sizeof(cg->path))
		return complain(c, "jailer.cgroup.path: is too long");
	cg->parent = open(cg->path, DIRECTORY);
	if (cg->parent < 0)
		return complain(c, "jailer.cgroup.path: %s: %s%s", cg->path,
				strerror(errno),
				errno == ENOENT ? "; make it with mkdir first"
						: "");
	return 0;
}

int cgroup_open(const struct settings_jailer *j, struct cgroup *out,
		struct complaint *c)
{
	struct cgroup cg = { .parent = -1, .dir = -1 };
	int err;

	if (!j->cgroup[0]) {
		*out = cg;
		return 0;
	}
	err = open_parent(j, &cg, c);
	if (err)
		return err;
	cgroup_sweep(cg.parent);
	(void)snprintf(cg.name, sizeof(cg.name), NAME_PREFIX "%d", getpid());
	if (mkdirat(cg.parent, cg.name, 0755) < 0 && errno != EEXIST) {
		err = complain(c, "%s: no cgroup can be made here: %s", cg.path,
			       strerror(errno));
		rf_fd_close(&cg.parent);
		return err;
	}
	cg.dir = openat(cg.parent, cg.name, DIRECTORY);
	if (cg.dir < 0)
		err = complain(c, "%s/%s: %s", cg.path, cg.name,
			       strerror(errno));
	else
		err = enable_controllers(&cg, j, c);
	if (err) {
		(void)cgroup_remove(&cg);
		cgroup_close(&cg);
		return err;
	}
	*out = cg;
	return 0;
}

int cgroup_make(struct cgroup *cg, const struct settings_jailer *j,
		const char *name, int *out, struct complaint *c)
{
	rf_autofd fd = -1;
	uint32_t i;
	int err;

	if (cg->dir < 0) {
		*out = -1;
		return 0;
	}
	if (mkdirat(cg->dir, name, 0755) < 0 && errno != EEXIST)
		return complain(c, "%s/%s/%s: %s", cg->path, cg->name, name,
				strerror(errno));
	(void)snprintf(cg->made[cg->nr_made], sizeof(cg->made[0]), "%s", name);
	cg->nr_made++;
	fd = openat(cg->dir, name, DIRECTORY);
	if (fd < 0)
		return complain(c, "%s/%s/%s: %s", cg->path, cg->name, name,
				strerror(errno));
	for (i = 0; i < SETTINGS_NR_LIMITS; i++) {
		if (!j->limits[i].value[0])
			continue;
		err = write_file(fd, j->limits[i].file, j->limits[i].value);
		if (err)
			return complain(c, "jailer.cgroup.%s: %s/%s/%s/%s: %s",
					j->limits[i].key, cg->path, cg->name,
					name, j->limits[i].file,
					strerror(-err));
	}
	*out = rf_fd_take(&fd);
	return 0;
}

bool cgroup_remove(struct cgroup *cg)
{
	uint32_t i;

	if (cg->parent < 0)
		return true;
	for (i = 0; i < cg->nr_made; i++)
		(void)unlinkat(cg->dir, cg->made[i], AT_REMOVEDIR);
	if (unlinkat(cg->parent, cg->name, AT_REMOVEDIR) < 0 && errno != ENOENT)
		return false;
	return true;
}

void cgroup_close(struct cgroup *cg)
{
	rf_fd_close(&cg->dir);
	rf_fd_close(&cg->parent);
}
