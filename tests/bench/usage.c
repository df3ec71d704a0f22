/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * usage.c - what a process and all of its children cost
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/number.h"
#include "bench/usage.h"

#define NS_PER_S UINT64_C(1000000000)

/* Append the children that /proc names for one thread. */
static void add_children(struct usage_tree *tree, pid_t pid, const char *tid)
{
	char path[96];
	char *child = NULL;
	size_t cap = 0;
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%d/task/%.20s/children",
		       (int)pid, tid);
	f = fopen(path, "re");
	if (!f)
		return;
	/* Each has a blank behind it. */
	while (tree->nr < USAGE_PIDS_MAX && getdelim(&child, &cap, ' ', f) > 0)
		tree->pids[tree->nr++] = (pid_t)strtol(child, NULL, 10);
	free(child);
	(void)fclose(f);
}

/* Call fn for each thread's name under /proc/PID/task. */
static int each_thread(struct usage_tree *tree, pid_t pid,
		       void (*fn)(struct usage_tree *tree, pid_t pid,
				  const char *tid))
{
	const struct dirent *entry;
	char path[64];
	DIR *dir;

	(void)snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	dir = opendir(path);
	if (!dir)
		return -ESRCH;
	while ((entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			fn(tree, pid, entry->d_name);
	(void)closedir(dir);
	return 0;
}

int usage_find(pid_t root, struct usage_tree *out)
{
	uint32_t i;

	*out = (struct usage_tree){ .nr = 1, .pids = { root } };
	for (i = 0; i < out->nr; i++)
		if (each_thread(out, out->pids[i], add_children) && i == 0)
			return -ESRCH;
	return 0;
}

int usage_cpu_ns(const struct usage_tree *tree, uint64_t *out)
{
	uint64_t sum = 0;
	uint32_t i;

	for (i = 0; i < tree->nr; i++) {
		struct timespec ts;
		clockid_t clock;
		int err = clock_getcpuclockid(tree->pids[i], &clock);

		if (err)
			return -err;
		if (clock_gettime(clock, &ts))
			return -errno;
		sum += (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
	}
	*out = sum;
	return 0;
}

/* A line "Name:   123 kB" of smaps_rollup. */
static bool take_kib(const char *line, const char *name, uint64_t *bytes)
{
	const size_t len = strlen(name);

	if (strncmp(line, name, len) != 0 || line[len] != ':')
		return false;
	*bytes = strtoull(line + len + 1, NULL, 10) * 1024;
	return true;
}

/* The pages of a program that was just built are dirty in the page cache, and
 * would count as its own: not what it costs. */
static void flush_program(pid_t pid)
{
	rf_autofd fd = -1;
	char path[32];

	(void)snprintf(path, sizeof(path), "/proc/%d/exe", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0)
		(void)fdatasync(fd);
}

static int add_memory(pid_t pid, struct usage_memory *sum)
{
	uint64_t dirty = 0, pss = 0, shared = 0;
	char line[256];
	FILE *f;

	flush_program(pid);
	(void)snprintf(line, sizeof(line), "/proc/%d/smaps_rollup", (int)pid);
	f = fopen(line, "re");
	if (!f)
		return -errno;
	while (fgets(line, sizeof(line), f)) {
		(void)(take_kib(line, "Private_Dirty", &dirty) ||
		       take_kib(line, "Pss", &pss) ||
		       take_kib(line, "Pss_Shmem", &shared));
	}
	(void)fclose(f);
	sum->private_dirty += dirty;
	sum->pss += pss > shared ? pss - shared : 0;
	return 0;
}

int usage_memory(const struct usage_tree *tree, struct usage_memory *out)
{
	struct usage_memory sum = { 0 };
	uint32_t i;

	for (i = 0; i < tree->nr; i++) {
		int err = add_memory(tree->pids[i], &sum);

		if (err)
			return err;
	}
	*out = sum;
	return 0;
}

/* A thread may have ended since its name was read: no harm. */
static void list_thread(struct usage_tree *tree, pid_t pid, const char *tid)
{
	uint64_t number;

	(void)pid;
	if (tree->nr < USAGE_PIDS_MAX &&
	    !number_parse(tid, 1, INT32_MAX, &number))
		tree->pids[tree->nr++] = (pid_t)number;
}

int usage_pin(const struct usage_tree *tree, uint32_t cpu)
{
	cpu_set_t set;
	uint32_t i, j;

	if (cpu >= CPU_SETSIZE)
		return -EINVAL;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	for (i = 0; i < tree->nr; i++) {
		struct usage_tree threads = { .nr = 0 };
		int err = each_thread(&threads, tree->pids[i], list_thread);

		for (j = 0; !err && j < threads.nr; j++)
			if (sched_setaffinity(threads.pids[j], sizeof(set),
					      &set) &&
			    errno != ESRCH)
				return -errno;
	}
	return 0;
}
