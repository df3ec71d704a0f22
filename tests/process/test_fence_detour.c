/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * test_fence_detour.c - the same fence for a launcher inside a chroot
 *
 * Side:    test, outside of the fence, as root inside a chroot of its own: the
 *          host's root mounted a second time, in a private mount namespace, so
 *          that the same programs are there and yet it is a chroot.
 * Owns:    that mount namespace; it ends with each test's process.
 * Callers: ctest; skipped without root.
 * Never:   mounts anything where the host could see it.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "process/fence_rig.h"
#include "unit/unit.h"

/* A directory that is everywhere and that nothing here needs. */
#define CHROOT "/mnt"

static void enter_chroot(void)
{
	ck_assert_int_eq(unshare(CLONE_NEWNS), 0);
	ck_assert_int_eq(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	ck_assert_int_eq(mount("/", CHROOT, NULL, MS_BIND | MS_REC, NULL), 0);
	ck_assert_int_eq(chroot(CHROOT), 0);
	ck_assert_int_eq(chdir("/"), 0);
}

static bool can_make_user_namespace(void)
{
	pid_t pid = fork();
	int status;

	if (pid == 0)
		_exit(unshare(CLONE_NEWUSER) ? 1 : 0);
	if (waitpid(pid, &status, 0) != pid)
		return false;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static ino_t namespace_of(const char *who, const char *which)
{
	char path[64];
	struct stat st;

	(void)snprintf(path, sizeof(path), "/proc/%s/ns/%s", who, which);
	ck_assert_int_eq(stat(path, &st), 0);
	return st.st_ino;
}

static void assert_own_namespaces(pid_t pid)
{
	static const char *const all[] = { "user", "mnt", "pid",   "net",
					   "ipc",  "uts", "cgroup" };
	char who[16];
	size_t i;

	(void)snprintf(who, sizeof(who), "%d", (int)pid);
	for (i = 0; i < RF_ARRAY_LEN(all); i++)
		ck_assert_msg(namespace_of(who, all[i]) !=
				      namespace_of("self", all[i]),
			      "shares %s", all[i]);
}

START_TEST(fence_is_whole_from_inside_a_chroot)
{
	struct rf_fence_end end;
	char text[512];
	struct rig rig;

	enter_chroot();
	ck_assert(!can_make_user_namespace());
	rig_init(&rig, "blk", "stay", NULL);
	rig_start(&rig);
	rig_await(&rig);
	assert_own_namespaces(rig.child.pid);
	rig_proc(&rig, "uid_map", text, sizeof(text));
	ck_assert_ptr_nonnull(strstr(text, "1380400000"));
	/* One line: the empty root, and nothing of the host under it. */
	rig_proc(&rig, "mountinfo", text, sizeof(text));
	ck_assert_ptr_nonnull(strstr(text, " / / ro"));
	ck_assert_ptr_eq(strchr(text, '\n'), strrchr(text, '\n'));
	rig_release(&rig);
	rig_end(&rig, &end);
	ck_assert(end.exited);
	ck_assert_int_eq(end.status, ACT_LIVED);
}
END_TEST

START_TEST(forbidden_call_is_named_from_inside_a_chroot)
{
	struct rf_fence_end end;

	enter_chroot();
	rig_run("blk.sealed", "socket", &end);
	ck_assert(end.filter_killed && end.call_known);
	ck_assert_int_eq(end.call_nr, SYS_socket);
	/* The process in between left nothing to wait for. */
	ck_assert_int_eq(rf_fence_reap(&end), -ECHILD);
}
END_TEST

/* The path means the directory that the launcher sees under it. */
START_TEST(root_directory_is_the_one_inside_the_chroot)
{
	struct rf_fence_end end;
	struct stat there, here;
	struct rig rig;
	char path[64];

	enter_chroot();
	ck_assert_int_eq(mount("only-in-here", "/srv", "tmpfs", 0, NULL), 0);
	ck_assert_int_eq(mkdir("/srv/root", 0755), 0);
	ck_assert_int_eq(stat("/srv/root", &here), 0);
	rig_init(&rig, "blk", "stay", "/srv/root");
	rig_start(&rig);
	rig_await(&rig);
	(void)snprintf(path, sizeof(path), "/proc/%d/root", (int)rig.child.pid);
	ck_assert_int_eq(stat(path, &there), 0);
	ck_assert_uint_eq(there.st_ino, here.st_ino);
	ck_assert_uint_eq(there.st_dev, here.st_dev);
	rig_release(&rig);
	rig_end(&rig, &end);
	ck_assert(end.exited);
	ck_assert_int_eq(end.status, ACT_LIVED);
}
END_TEST

START_TEST(failure_of_the_detour_is_told_and_leaves_nothing)
{
	const char *step = NULL;
	struct rf_fence_end end;
	struct rig rig;

	enter_chroot();
	rig_init(&rig, "blk", "nothing", NULL);
	rig.spawn.cgroup_fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_eq(rf_fence_spawn(&rig.spawn, &rig.child, &step), -EBADF);
	ck_assert_str_eq(step, "clone3");
	ck_assert_int_eq(rf_fence_reap(&end), -ECHILD);
}
END_TEST

static const char *why_not(void)
{
	if (geteuid() != 0)
		return "chroot needs root";
	if (access("/proc/self/ns/mnt", F_OK))
		return "/proc is not mounted";
	if (!can_make_user_namespace())
		return "no user namespaces here, or a chroot already";
	return rig_why_not();
}

int main(void)
{
	const TTest *const tests[] = {
		fence_is_whole_from_inside_a_chroot,
		forbidden_call_is_named_from_inside_a_chroot,
		root_directory_is_the_one_inside_the_chroot,
		failure_of_the_detour_is_told_and_leaves_nothing,
	};
	const char *why = why_not();

	if (why)
		return unit_skip("fence_detour", why);
	return unit_run("fence_detour", tests, RF_ARRAY_LEN(tests));
}
