/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * who.c - who is who: what each process of a VM is and holds, from /proc
 *
 * Side:    launcher, before its own filter.
 * Owns:    nothing.
 * Callers: run.c, between READY and GO; demo.c.
 * Never:   shows what the launcher believes it made: all of this is read back
 *          from the kernel.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/number.h"
#include "launcher/who.h"

#define TARGET_BYTES 96u

/* The value of "Key:\t..." in a status file, up to the end of its line. */
static bool find_field(const char *status, const char *key, char *out,
		       size_t cap)
{
	const size_t len = strlen(key);
	const char *line = status;

	while (line && *line) {
		if (strncmp(line, key, len) == 0 && line[len] == ':') {
			line += len + 1;
			line += strspn(line, " \t");
			(void)snprintf(out, cap, "%.*s",
				       (int)strcspn(line, "\n"), line);
			return true;
		}
		line = strchr(line, '\n');
		line += line != NULL;
	}
	(void)snprintf(out, cap, "?");
	return false;
}

static bool read_file(const char *path, char *out, size_t cap)
{
	rf_autofd fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	out[0] = '\0';
	if (fd < 0)
		return false;
	n = read(fd, out, cap - 1);
	if (n < 0)
		return false;
	out[n] = '\0';
	return true;
}

/* Namespaces that are not ours, by name. */
static void add_namespaces(struct text *t, pid_t pid)
{
	static const char *const names[] = { "user", "mnt", "pid",   "net",
					     "ipc",  "uts", "cgroup" };
	char path[64];
	char ours[64];
	char theirs[64];
	unsigned nr = 0;
	unsigned unknown = 0;
	size_t i;

	text_add(t, "own namespaces");
	for (i = 0; i < RF_ARRAY_LEN(names); i++) {
		ssize_t a;
		ssize_t b;

		(void)snprintf(path, sizeof(path), "/proc/self/ns/%s",
			       names[i]);
		a = readlink(path, ours, sizeof(ours));
		(void)snprintf(path, sizeof(path), "/proc/%d/ns/%s", pid,
			       names[i]);
		b = readlink(path, theirs, sizeof(theirs));
		if (a < 0 || b < 0) {
			unknown++;
			continue;
		}
		if (a == b && memcmp(ours, theirs, (size_t)a) == 0)
			continue;
		text_add(t, " %s", names[i]);
		nr++;
	}
	if (unknown)
		text_add(t, " (%u not readable)", unknown);
	else if (!nr)
		text_add(t, " none");
}

/* The bounding set is told apart: a plain account has one, and no power. */
static void add_capabilities(struct text *t, const char *status)
{
	static const char *const sets[] = { "CapEff", "CapPrm", "CapInh",
					    "CapAmb", "CapBnd" };
	const size_t bounding = RF_ARRAY_LEN(sets) - 1;
	uint64_t held = 0, bound = 0;
	char value[32];
	size_t i;

	for (i = 0; i < RF_ARRAY_LEN(sets); i++) {
		if (!find_field(status, sets[i], value, sizeof(value))) {
			text_add(t, "capabilities ?");
			return;
		}
		if (i == bounding)
			bound = strtoull(value, NULL, 16);
		else
			held |= strtoull(value, NULL, 16);
	}
	if (held)
		text_add(t, "capabilities %" PRIx64, held);
	else
		text_add(t, "capabilities none%s",
			 bound ? ", bounding set not empty" : "");
}

/* Of a directory's entry: a pid or a descriptor; -1 for "." and "..". */
static int number_of(const char *name)
{
	uint64_t number;

	return number_parse(name, 0, INT32_MAX, &number) < 0 ? -1 : (int)number;
}

/* Filters stack up; a thread may have more of them than its process's first. */
static void add_threads(struct text *t, pid_t pid)
{
	char path[64];
	char status[4096];
	char name[32];
	char filters[16];
	const struct dirent *entry;
	unsigned nr = 0;
	DIR *dir;

	(void)snprintf(path, sizeof(path), "/proc/%d/task", pid);
	dir = opendir(path);
	if (!dir)
		return;
	while ((entry = readdir(dir))) {
		if (number_of(entry->d_name) < 0 ||
		    number_of(entry->d_name) == pid)
			continue;
		(void)snprintf(path, sizeof(path), "/proc/%d/task/%.16s/status",
			       pid, entry->d_name);
		if (!read_file(path, status, sizeof(status)))
			continue;
		(void)find_field(status, "Name", name, sizeof(name));
		(void)find_field(status, "Seccomp_filters", filters,
				 sizeof(filters));
		text_add(t, "%s", nr++ ? ", " : "    threads: ");
		text_add_plain(t, name);
		text_add(t, " (filters %s)", filters);
	}
	(void)closedir(dir);
	if (nr)
		text_add(t, "\n");
}

/* "socket:[123]" says no more than "socket"; files keep their name. */
static void shorten(char *target)
{
	static const char deleted[] = " (deleted)";
	size_t len = strlen(target);

	if (strncmp(target, "anon_inode:", 11) == 0) {
		memmove(target, target + 11, len - 10);
		len -= 11;
		if (target[0] == '[' && len > 2) {
			memmove(target, target + 1, len - 2);
			target[len - 2] = '\0';
		}
	} else if (strncmp(target, "socket:[", 8) == 0) {
		target[6] = '\0';
	} else if (strncmp(target, "pipe:[", 6) == 0) {
		target[4] = '\0';
	} else if (len > sizeof(deleted) &&
		   strcmp(target + len - sizeof(deleted) + 1, deleted) == 0 &&
		   strncmp(target, "/memfd:", 7) == 0) {
		target[len - sizeof(deleted) + 1] = '\0';
	}
}

/* A run of numbers with one target. */
struct run {
	int first;
	int last;
	char target[TARGET_BYTES];
};

static void flush_run(struct text *t, struct run *r, unsigned *nr)
{
	if (r->first < 0)
		return;
	text_add(t, "%s%d", (*nr)++ ? ", " : "    descriptors: ", r->first);
	if (r->last != r->first)
		text_add(t, "-%d", r->last);
	text_add(t, " ");
	text_add_plain(t, r->target);
	r->first = -1;
}

static int by_number(const void *a, const void *b)
{
	const int x = *(const int *)a;
	const int y = *(const int *)b;

	return (x > y) - (x < y);
}

static size_t list_fds(pid_t pid, int *out, size_t cap)
{
	char path[64];
	const struct dirent *entry;
	size_t nr = 0;
	DIR *dir;

	(void)snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	dir = opendir(path);
	if (!dir)
		return SIZE_MAX;
	while (nr < cap && (entry = readdir(dir))) {
		if (number_of(entry->d_name) >= 0)
			out[nr++] = number_of(entry->d_name);
	}
	(void)closedir(dir);
	qsort(out, nr, sizeof(*out), by_number);
	return nr;
}

static void add_descriptors(struct text *t, pid_t pid)
{
	struct run r = { .first = -1 };
	char path[64];
	char target[PATH_MAX];
	int fds[1024];
	unsigned shown = 0;
	size_t nr;
	size_t i;
	ssize_t len;

	nr = list_fds(pid, fds, RF_ARRAY_LEN(fds));
	if (nr == SIZE_MAX) {
		text_add(t, "    descriptors: ? (not readable for this "
			    "user)\n");
		return;
	}
	for (i = 0; i < nr; i++) {
		(void)snprintf(path, sizeof(path), "/proc/%d/fd/%d", pid,
			       fds[i]);
		len = readlink(path, target, sizeof(target) - 1);
		target[len < 0 ? 0 : len] = '\0';
		shorten(target);
		target[TARGET_BYTES - 1] = '\0';
		if (r.first >= 0 && fds[i] == r.last + 1 &&
		    strcmp(target, r.target) == 0) {
			r.last = fds[i];
			continue;
		}
		flush_run(t, &r, &shown);
		r.first = r.last = fds[i];
		memcpy(r.target, target, strlen(target) + 1);
	}
	flush_run(t, &r, &shown);
	text_add(t, "\n");
}

void who_describe(struct text *t, const char *name, pid_t pid, bool is_self)
{
	char path[64];
	char status[4096];
	char field[64];
	size_t start = t->len;

	(void)snprintf(path, sizeof(path), "/proc/%d/status", pid);
	if (!read_file(path, status, sizeof(status))) {
		text_add(t, "  %s pid %d: gone\n", name, pid);
		return;
	}
	text_add(t, "  %s", name);
	while (t->len - start < 12)
		text_add(t, " ");
	text_add(t, "pid %d, uid ", pid);
	(void)find_field(status, "Uid", field, sizeof(field));
	/* Real, effective, saved and file-system ids; the first says it all
	 * unless they differ. */
	text_add(t, "%.*s", (int)strcspn(field, "\t"), field);
	(void)find_field(status, "Seccomp_filters", field, sizeof(field));
	text_add(t, ", filters %s, ", field);
	add_capabilities(t, status);
	if (!is_self) {
		text_add(t, ", ");
		add_namespaces(t, pid);
	}
	text_add(t, "\n");
	if (is_self)
		return;
	add_threads(t, pid);
	add_descriptors(t, pid);
}

void who_show(const struct vm *vm, int fd)
{
	static struct text t;
	uint32_t i;

	t.len = 0;
	text_add(&t, "who is who\n");
	who_describe(&t, "ringfence", getpid(), true);
	for (i = 0; i < vm->nr; i++) {
		who_describe(&t, vm->procs[i].name, vm->procs[i].pid, false);
		text_write(&t, fd);
	}
}
