/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * stress_tools.c - chance, children, and what they leave behind
 */
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lab/stress.h"

#define VMS "/sys/kernel/debug/kvm"
#define GONE_S 30u

struct stress_shared *stress;

void stress_did_many(enum stress_act act, uint64_t nr)
{
	atomic_fetch_add(&stress->acts[act], nr);
}

void stress_did(enum stress_act act)
{
	stress_did_many(act, 1);
}

bool stress_is_over(void)
{
	return atomic_load(&stress->stop);
}

/* A counter, well stirred: each state differs, so do their successors. */
static uint64_t next_state(struct stress_dice *dice)
{
	uint64_t z;

	dice->state += 0x9e3779b97f4a7c15ull;
	z = dice->state;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

uint32_t stress_roll(struct stress_dice *dice, uint32_t sides)
{
	return (uint32_t)((next_state(dice) >> 32) * sides >> 32);
}

struct stress_dice stress_split(struct stress_dice *dice)
{
	return (struct stress_dice){ .state = next_state(dice) };
}

void stress_doze(struct stress_dice *dice, uint32_t max_us)
{
	(void)usleep(stress_roll(dice, max_us));
}

void stress_shuffle(struct stress_dice *dice, uint32_t *order, uint32_t nr)
{
	uint32_t i, j;

	for (i = 0; i < nr; i++) {
		j = stress_roll(dice, i + 1);
		order[i] = order[j];
		order[j] = i;
	}
}

pid_t stress_fork(void)
{
	const pid_t parent = getpid();
	const pid_t pid = (pid_t)MUST(fork());

	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(0);
	}
	return pid;
}

void stress_hurry(bool is_killer)
{
	MUST(setpriority(PRIO_PROCESS, 0, is_killer ? -10 : 0));
}

void stress_check_status(int status)
{
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
		return;
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0,
	      "a child ended with status %#x", (unsigned int)status);
}

void stress_kill(pid_t pid)
{
	int status;

	if (!pid)
		return;
	MUST(kill(pid, SIGKILL));
	MUST(waitpid(pid, &status, 0));
	stress_check_status(status);
}

void stress_reap_all(void)
{
	int status;

	while (waitpid(-1, &status, 0) > 0)
		stress_check_status(status);
	CHECK(errno == ECHILD, "%s", strerrorname_np(errno));
}

/* One file of a task: what the kernel tells of it, if it does. */
static void show_file(const char *task, const char *name)
{
	char path[64];
	char text[1024];
	size_t len;
	FILE *file;

	(void)snprintf(path, sizeof(path), "/proc/%.20s/%s", task, name);
	file = fopen(path, "re");
	len = file ? fread(text, 1, sizeof(text) - 1, file) : 0;
	text[len] = '\0';
	if (file)
		(void)fclose(file);
	printf("%s%s", text, len && text[len - 1] == '\n' ? "" : "\n");
}

static void show_process(const char *pid)
{
	const struct dirent *entry;
	char task[48];
	char path[48];
	DIR *dir;

	(void)snprintf(path, sizeof(path), "/proc/%.20s/task", pid);
	dir = opendir(path);
	while (dir && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		(void)snprintf(task, sizeof(task), "%.20s", entry->d_name);
		show_file(task, "stat");
		show_file(task, "syscall");
		show_file(task, "stack");
	}
	if (dir)
		closedir(dir);
}

void stress_show_processes(void)
{
	char path[64];
	char pid[32];
	FILE *file;

	(void)snprintf(path, sizeof(path), "%s/cgroup.procs", stress->cgroup);
	file = fopen(path, "re");
	while (file && fgets(pid, sizeof(pid), file)) {
		pid[strcspn(pid, "\n")] = '\0';
		show_process(pid);
	}
	if (file)
		(void)fclose(file);
}

static uint32_t count_entries(const char *path, const char *prefix)
{
	const struct dirent *entry;
	uint32_t nr = 0;
	DIR *dir = opendir(path);

	CHECK(dir, "%s: %s", path, strerror(errno));
	while ((entry = readdir(dir)))
		nr += strncmp(entry->d_name, prefix, strlen(prefix)) == 0;
	closedir(dir);
	return nr;
}

uint32_t stress_open_fds(void)
{
	return count_entries("/proc/self/fd", "");
}

/* KVM has a directory PID-FD for each; statistics beside them have no minus. */
static uint32_t count_vms(pid_t pid)
{
	const struct dirent *entry;
	char prefix[32];
	uint32_t nr = 0;
	DIR *dir;

	if (pid) {
		(void)snprintf(prefix, sizeof(prefix), "%d-", pid);
		return count_entries(VMS, prefix);
	}
	dir = opendir(VMS);
	CHECK(dir, VMS ": %s", strerror(errno));
	while ((entry = readdir(dir)))
		nr += entry->d_name[0] >= '1' && entry->d_name[0] <= '9' &&
		      strchr(entry->d_name, '-');
	closedir(dir);
	return nr;
}

void stress_wait_no_vm(pid_t pid)
{
	const uint64_t until = rf_clock_ns() + GONE_S * 1000000000ull;
	uint32_t nr;

	/* Who removes zones holds the VM while he does. */
	while ((nr = count_vms(pid)) > 0) {
		CHECK(rf_clock_ns() < until, "%u VMs are left", nr);
		(void)usleep(2000);
	}
}
