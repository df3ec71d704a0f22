/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * test_root.c - twin of src/fence/root.c: a new root, and no way back
 *
 * Each test works in a child with a mount namespace of its own; what it finds
 * is its exit status. Descriptors of /proc/self that were opened before show
 * the child's mounts when no path leads there any more.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fence/stages.h"
#include "unit/unit.h"

#define OR_EXIT(nr, ok)            \
	do {                       \
		if (!(ok))         \
			return nr; \
	} while (0)

static char dir[] = "/tmp/ringfence-root-XXXXXX";

static bool write_file(const char *path, const char *text)
{
	rf_autofd fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	const ssize_t len = (ssize_t)strlen(text);

	return fd >= 0 && write(fd, text, (size_t)len) == len;
}

/* As root a mount namespace is enough; others need a user namespace around it,
 * in which the map makes them root. */
static bool enter_namespace(void)
{
	char map[64];
	const uid_t uid = geteuid();
	const gid_t gid = getegid();

	if (uid == 0)
		return unshare(CLONE_NEWNS) == 0;
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS))
		return false;
	(void)snprintf(map, sizeof(map), "0 %u 1", uid);
	if (!write_file("/proc/self/uid_map", map) ||
	    !write_file("/proc/self/setgroups", "deny"))
		return false;
	(void)snprintf(map, sizeof(map), "0 %u 1", gid);
	return write_file("/proc/self/gid_map", map);
}

static int in_child(int (*fn)(void))
{
	int status = 0;
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (pid == 0)
		_exit(enter_namespace() ? fn() : 255);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_msg(WIFEXITED(status), "status 0x%x", status);
	return WEXITSTATUS(status);
}

/* Entries of "/", without "." and "..". */
static int count_entries(void)
{
	DIR *root = opendir("/");
	const struct dirent *e;
	int nr = 0;

	if (!root)
		return -1;
	while ((e = readdir(root)))
		nr += strcmp(e->d_name, ".") != 0 &&
		      strcmp(e->d_name, "..") != 0;
	closedir(root);
	return nr;
}

static int count_mounts(int proc_self)
{
	rf_autofd fd = openat(proc_self, "mountinfo", O_RDONLY);
	char text[4096];
	ssize_t n, i;
	int nr = 0;

	if (fd < 0)
		return -1;
	while ((n = read(fd, text, sizeof(text))) > 0)
		for (i = 0; i < n; i++)
			nr += text[i] == '\n';
	return nr;
}

static bool is_refused(long ret, int err)
{
	return ret < 0 && errno == err;
}

static bool has_flags(void)
{
	const unsigned long want = ST_RDONLY | ST_NOSUID | ST_NODEV | ST_NOEXEC;
	struct statvfs st;

	return statvfs("/", &st) == 0 && (st.f_flag & want) == want;
}

static bool is_dot_dot_root(void)
{
	struct stat up, root;

	return stat("/..", &up) == 0 && stat("/", &root) == 0 &&
	       up.st_ino == root.st_ino && up.st_dev == root.st_dev;
}

static int look_at_empty(void)
{
	int self = open("/proc/self", O_PATH | O_DIRECTORY);
	char cwd[16] = "";

	OR_EXIT(1, count_entries() > 0);
	OR_EXIT(2, root_replace(NULL) == 0);
	OR_EXIT(3, count_entries() == 0);
	OR_EXIT(4, has_flags());
	OR_EXIT(5, is_refused(mkdir("/x", 0700), EROFS));
	OR_EXIT(6, is_refused(open("/x", O_CREAT | O_RDWR, 0600), EROFS));
	OR_EXIT(7, is_refused(open("/proc/self", O_PATH), ENOENT));
	OR_EXIT(8, is_dot_dot_root());
	OR_EXIT(9, getcwd(cwd, sizeof(cwd)) && strcmp(cwd, "/") == 0);
	/* The old root and everything on it is gone, not only covered. */
	OR_EXIT(10, count_mounts(self) == 1);
	return 0;
}

START_TEST(without_a_directory_the_root_is_empty_and_read_only)
{
	ck_assert_int_eq(in_child(look_at_empty), 0);
}
END_TEST

/* A remount to read-write is what somebody with power left would try: no other
 * file fits in even then. */
static int fill_it(void)
{
	OR_EXIT(1, root_replace(NULL) == 0);
	OR_EXIT(2, mount(NULL, "/", NULL, MS_REMOUNT, NULL) == 0);
	OR_EXIT(3, is_refused(mkdir("/x", 0700), ENOSPC));
	return 0;
}

START_TEST(the_empty_root_has_no_room)
{
	ck_assert_int_eq(in_child(fill_it), 0);
}
END_TEST

static int look_at_directory(void)
{
	int self = open("/proc/self", O_PATH | O_DIRECTORY);
	char text[8] = "";
	int fd;

	OR_EXIT(1, root_replace(dir) == 0);
	OR_EXIT(2, count_entries() == 2);
	fd = open("/file", O_RDONLY);
	OR_EXIT(3, read(fd, text, sizeof(text)) == 5);
	OR_EXIT(4, strcmp(text, "hello") == 0);
	OR_EXIT(5, has_flags());
	OR_EXIT(6, is_refused(open("/file", O_RDWR), EROFS));
	OR_EXIT(7, is_refused(unlink("/file"), EROFS));
	OR_EXIT(8, is_refused(execl("/file", "file", NULL), EACCES));
	OR_EXIT(9, is_dot_dot_root());
	OR_EXIT(10, count_mounts(self) == 1);
	return 0;
}

START_TEST(a_named_directory_is_the_root_and_read_only)
{
	ck_assert_int_eq(in_child(look_at_directory), 0);
}
END_TEST

/* What is mounted below the directory is somebody else's. */
static int mount_below(void)
{
	char below[sizeof(dir) + 8];

	(void)snprintf(below, sizeof(below), "%s/below", dir);
	OR_EXIT(1, mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
	OR_EXIT(2, mount("none", below, "tmpfs", 0, NULL) == 0);
	(void)snprintf(below, sizeof(below), "%s/below/x", dir);
	OR_EXIT(3, mkdir(below, 0700) == 0);
	OR_EXIT(4, root_replace(dir) == 0);
	OR_EXIT(5, is_refused(access("/below/x", F_OK), ENOENT));
	OR_EXIT(6, is_refused(mkdir("/below/y", 0700), EROFS));
	return 0;
}

START_TEST(mounts_below_the_directory_stay_outside)
{
	ck_assert_int_eq(in_child(mount_below), 0);
}
END_TEST

static int refuse_nonsense(void)
{
	char path[sizeof(dir) + 8];

	OR_EXIT(1, root_replace("/nowhere/at/all") == -ENOENT);
	OR_EXIT(2, root_replace("") == -EINVAL);
	(void)snprintf(path, sizeof(path), "%s/file", dir);
	/* A file cannot be put over a directory. */
	OR_EXIT(3, root_replace(path) == -ENOTDIR);
	/* Nothing was replaced on the way. */
	OR_EXIT(4, access(path, F_OK) == 0);
	OR_EXIT(5, access("/proc/self", F_OK) == 0);
	return 0;
}

START_TEST(a_directory_that_is_none_is_refused)
{
	ck_assert_int_eq(in_child(refuse_nonsense), 0);
}
END_TEST

/* As most hosts have them: what is mounted would show in the namespace they
 * are shared with, and pivot_root refuses them. */
static int share_mounts(void)
{
	OR_EXIT(1, mount(NULL, "/", NULL, MS_REC | MS_SHARED, NULL) == 0);
	OR_EXIT(2, root_replace(NULL) == 0);
	OR_EXIT(3, count_entries() == 0);
	return 0;
}

START_TEST(mounts_that_were_shared_are_no_hindrance)
{
	ck_assert_int_eq(in_child(share_mounts), 0);
}
END_TEST

/* Without power over mounts every stage fails, and none is passed over. */
static int try_powerless(void)
{
	int ret;

	OR_EXIT(1, geteuid() != 0 || setresuid(65534, 65534, 65534) == 0);
	ret = root_replace(NULL);
	OR_EXIT(2, ret == -EPERM || ret == -EACCES);
	OR_EXIT(3, access("/proc/self", F_OK) == 0);
	return 0;
}

START_TEST(without_power_it_fails_and_says_so)
{
	if (geteuid() == 0)
		ck_assert_int_eq(in_child(try_powerless), 0);
}
END_TEST

static int look_at_host(void)
{
	return root_replace(NULL) == 0 ? 0 : 1;
}

START_TEST(outside_nothing_changes)
{
	int self = open("/proc/self", O_PATH | O_DIRECTORY);
	int before = count_mounts(self);

	ck_assert_int_gt(before, 0);
	ck_assert_int_eq(in_child(look_at_host), 0);
	ck_assert_int_eq(count_mounts(self), before);
	ck_assert_int_gt(count_entries(), 0);
	(void)close(self);
}
END_TEST

static int do_nothing(void)
{
	return 0;
}

/* NULL, or why it cannot be tried here. pivot_root wants "/" to be a mount. */
static const char *why_not(void)
{
	int status = 0;
	pid_t pid;

	if (unit_is_chrooted())
		return "we are inside a chroot";
	pid = fork();
	if (pid == 0)
		_exit(enter_namespace() ? do_nothing() : 255);
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0)
		return "no mount namespace of one's own";
	return NULL;
}

static bool make_directory(void)
{
	char path[sizeof(dir) + 8];

	if (!mkdtemp(dir))
		return false;
	(void)snprintf(path, sizeof(path), "%s/file", dir);
	if (!write_file(path, "hello") || chmod(path, 0700))
		return false;
	(void)snprintf(path, sizeof(path), "%s/below", dir);
	return mkdir(path, 0700) == 0;
}

static void remove_directory(void)
{
	char path[sizeof(dir) + 8];

	(void)snprintf(path, sizeof(path), "%s/file", dir);
	(void)unlink(path);
	(void)snprintf(path, sizeof(path), "%s/below", dir);
	(void)rmdir(path);
	(void)rmdir(dir);
}

int main(void)
{
	const TTest *const tests[] = {
		without_a_directory_the_root_is_empty_and_read_only,
		the_empty_root_has_no_room,
		a_named_directory_is_the_root_and_read_only,
		mounts_below_the_directory_stay_outside,
		a_directory_that_is_none_is_refused,
		mounts_that_were_shared_are_no_hindrance,
		without_power_it_fails_and_says_so,
		outside_nothing_changes,
	};
	const char *why = why_not();
	int ret;

	if (why)
		return unit_skip("root", why);
	if (!make_directory()) {
		perror(dir);
		return EXIT_FAILURE;
	}
	ret = unit_run("root", tests, RF_ARRAY_LEN(tests));
	remove_directory();
	return ret;
}
