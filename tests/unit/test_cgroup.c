/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * test_cgroup.c - twin of src/launcher/cgroup.c
 *
 * rmdir knows no difference between cgroups and plain directories, so the
 * sweep is tried on the latter; the rest on a real cgroup2 where there is one
 * that we may write to.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "launcher/cgroup.h"
#include "unit/unit.h"

static struct settings s;
static struct complaint c;

START_TEST(a_line_of_mountinfo_is_read)
{
	char out[64];

	ck_assert(cgroup_mount_of("41 31 0:38 / /sys/fs/cgroup/unified "
				  "rw,relatime - cgroup2 cgroup2 rw",
				  out, sizeof(out)));
	ck_assert_str_eq(out, "/sys/fs/cgroup/unified");
	/* Optional fields before the dash, blanks in the path. */
	ck_assert(cgroup_mount_of("41 31 0:38 / /a\\040b\\134c rw shared:9 "
				  "master:1 - cgroup2 none rw\n",
				  out, sizeof(out)));
	ck_assert_str_eq(out, "/a b\\c");
}
END_TEST

START_TEST(other_lines_are_not)
{
	char out[16];

	ck_assert(!cgroup_mount_of("", out, sizeof(out)));
	ck_assert(!cgroup_mount_of(" - cgroup2 ", out, sizeof(out)));
	ck_assert(!cgroup_mount_of("1 2 3 - cgroup2 x", out, sizeof(out)));
	ck_assert(!cgroup_mount_of("32 31 0:29 / /c rw - cgroup cgroup rw,cpu",
				   out, sizeof(out)));
	/* A directory that is called like the type. */
	ck_assert(!cgroup_mount_of("1 2 0:3 / /cgroup2 rw - tmpfs x rw", out,
				   sizeof(out)));
	ck_assert(!cgroup_mount_of("1 2 0:3 / /longer/than/it/fits rw - "
				   "cgroup2 x rw",
				   out, sizeof(out)));
}
END_TEST

static bool exists(int dir, const char *name)
{
	struct stat st;

	return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* A number that was a process and is none any more. */
static pid_t dead_pid(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	return pid;
}

static const char *below(const char *name, const char *rest)
{
	static char path[128];

	(void)snprintf(path, sizeof(path), "%s%s", name, rest);
	return path;
}

static void make_below(const char *name, const char *rest)
{
	ck_assert_int_eq(mkdir(below(name, rest), 0755), 0);
}

static void remove_below(const char *name, const char *rest)
{
	ck_assert_int_eq(rmdir(below(name, rest)), 0);
}

START_TEST(only_what_the_dead_left_empty_is_swept)
{
	char root[] = "/tmp/test_cgroup.XXXXXX";
	char dead[64];
	char full[64];
	char alive[64];
	int dir;

	ck_assert_ptr_nonnull(mkdtemp(root));
	dir = open(root, O_RDONLY | O_DIRECTORY);
	(void)snprintf(dead, sizeof(dead), "ringfence-%d", dead_pid());
	(void)snprintf(full, sizeof(full), "ringfence-%d", dead_pid());
	(void)snprintf(alive, sizeof(alive), "ringfence-%d", getpid());
	ck_assert_int_eq(mkdirat(dir, dead, 0755), 0);
	ck_assert_int_eq(chdir(root), 0);
	make_below(dead, "/vmm");
	ck_assert_int_eq(mkdir(full, 0755), 0);
	make_below(full, "/vmm");
	make_below(full, "/vmm/x");
	ck_assert_int_eq(mkdir(alive, 0755), 0);
	ck_assert_int_eq(mkdir("ringfence-1x", 0755), 0);
	ck_assert_int_eq(mkdir("other-1", 0755), 0);
	cgroup_sweep(dir);
	ck_assert(!exists(dir, dead));
	ck_assert(exists(dir, full));
	ck_assert(exists(dir, alive));
	ck_assert(exists(dir, "ringfence-1x"));
	ck_assert(exists(dir, "other-1"));
	remove_below(full, "/vmm/x");
	remove_below(full, "/vmm");
	ck_assert_int_eq(rmdir(full), 0);
	ck_assert_int_eq(rmdir(alive), 0);
	ck_assert_int_eq(rmdir("ringfence-1x"), 0);
	ck_assert_int_eq(rmdir("other-1"), 0);
	ck_assert_int_eq(chdir("/"), 0);
	ck_assert_int_eq(rmdir(root), 0);
	(void)close(dir);
}
END_TEST

START_TEST(without_a_path_nothing_is_made)
{
	struct cgroup cg;
	int fd = 5;

	settings_defaults(&s);
	ck_assert_int_eq(cgroup_open(&s.jailer, &cg, &c), 0);
	ck_assert_int_eq(cgroup_make(&cg, &s.jailer, "vmm", &fd, &c), 0);
	ck_assert_int_eq(fd, -1);
	ck_assert(cgroup_remove(&cg));
	cgroup_close(&cg);
}
END_TEST

/* NULL, or why the real thing cannot be tried. */
static const char *why_no_cgroup(char *path, size_t cap)
{
	char mount[PATH_MAX - 64];

	if (!cgroup_find_mount(mount, sizeof(mount)))
		return "cgroup2 is not mounted";
	(void)snprintf(path, cap, "%s/test-cgroup-%d", mount, getpid());
	if (mkdir(path, 0755) < 0)
		return "no cgroup can be made under cgroup2's mount";
	return NULL;
}

START_TEST(real_cgroups_come_and_go)
{
	char path[PATH_MAX];
	const char *why = why_no_cgroup(path, sizeof(path));
	struct cgroup cg;
	char ours[64];
	int dir;
	int fd;

	if (why) {
		printf("skipped: cgroup: %s\n", why);
		return;
	}
	settings_defaults(&s);
	/* With the mount point in it, as people copy it. */
	(void)snprintf(s.jailer.cgroup, sizeof(s.jailer.cgroup), "%s", path);
	ck_assert_msg(cgroup_open(&s.jailer, &cg, &c) == 0, "%s", c.text);
	ck_assert_msg(cgroup_make(&cg, &s.jailer, "vmm", &fd, &c) == 0, "%s",
		      c.text);
	ck_assert(exists(fd, "cgroup.procs"));
	dir = open(path, O_RDONLY | O_DIRECTORY);
	(void)snprintf(ours, sizeof(ours), "ringfence-%d/vmm", getpid());
	ck_assert(exists(dir, ours));
	ck_assert(cgroup_remove(&cg));
	*strchr(ours, '/') = '\0';
	ck_assert(!exists(dir, ours));
	cgroup_close(&cg);
	(void)close(fd);
	(void)close(dir);
	ck_assert_int_eq(rmdir(path), 0);
}
END_TEST

START_TEST(a_cgroup_with_a_process_in_it_is_not_removed)
{
	char path[PATH_MAX];
	const char *why = why_no_cgroup(path, sizeof(path));
	struct cgroup cg;
	rf_autofd procs = -1;
	char text[16];
	pid_t pid;
	int fd;

	if (why) {
		printf("skipped: cgroup: %s\n", why);
		return;
	}
	settings_defaults(&s);
	(void)snprintf(s.jailer.cgroup, sizeof(s.jailer.cgroup), "%s", path);
	ck_assert_int_eq(cgroup_open(&s.jailer, &cg, &c), 0);
	ck_assert_int_eq(cgroup_make(&cg, &s.jailer, "vmm", &fd, &c), 0);
	pid = fork();
	if (pid == 0) {
		(void)pause();
		_exit(0);
	}
	procs = openat(fd, "cgroup.procs", O_WRONLY);
	(void)snprintf(text, sizeof(text), "%d", pid);
	ck_assert_int_gt(write(procs, text, strlen(text)), 0);
	ck_assert(!cgroup_remove(&cg));
	ck_assert_int_eq(kill(pid, SIGKILL), 0);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	ck_assert(cgroup_remove(&cg));
	cgroup_close(&cg);
	(void)close(fd);
	ck_assert_int_eq(rmdir(path), 0);
}
END_TEST

START_TEST(a_limit_that_cannot_hold_is_refused_and_nothing_stays)
{
	char path[PATH_MAX];
	const char *why = why_no_cgroup(path, sizeof(path));
	struct cgroup cg;

	if (why) {
		printf("skipped: cgroup: %s\n", why);
		return;
	}
	settings_defaults(&s);
	(void)snprintf(s.jailer.cgroup, sizeof(s.jailer.cgroup), "%s", path);
	memcpy(s.jailer.limits[SETTINGS_LIMIT_MEMORY_MAX].value, "1048576", 8);
	/* A fresh cgroup passes no controller on. */
	ck_assert_int_eq(cgroup_open(&s.jailer, &cg, &c), -EINVAL);
	ck_assert_msg(strstr(c.text, "memory.max: controller memory not "
				     "enabled in") != NULL,
		      "%s", c.text);
	ck_assert_ptr_nonnull(strstr(c.text, "cgroup.subtree_control"));
	ck_assert_int_eq(rmdir(path), 0);
}
END_TEST

START_TEST(a_path_that_is_not_there_is_named)
{
	struct cgroup cg;
	char mount[PATH_MAX];

	if (!cgroup_find_mount(mount, sizeof(mount)))
		return;
	settings_defaults(&s);
	memcpy(s.jailer.cgroup, "no/such/group", 14);
	ck_assert_int_eq(cgroup_open(&s.jailer, &cg, &c), -EINVAL);
	ck_assert_ptr_nonnull(strstr(c.text, "no/such/group"));
	ck_assert_ptr_nonnull(strstr(c.text, "mkdir"));
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		a_line_of_mountinfo_is_read,
		other_lines_are_not,
		only_what_the_dead_left_empty_is_swept,
		without_a_path_nothing_is_made,
		real_cgroups_come_and_go,
		a_cgroup_with_a_process_in_it_is_not_removed,
		a_limit_that_cannot_hold_is_refused_and_nothing_stays,
		a_path_that_is_not_there_is_named,
	};

	return unit_run("cgroup", tests, RF_ARRAY_LEN(tests));
}
