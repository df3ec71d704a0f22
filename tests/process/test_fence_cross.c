/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * test_fence_cross.c - what a process still has and is after the crossing
 *
 * Read by the parent from /proc/PID wherever it can be, for a process may be
 * wrong about itself; the rest is its own word, from behind a fence that has no
 * filter yet.
 *
 * Side:    test, outside of the fence.
 * Owns:    one child at a time, and a scratch directory.
 * Callers: ctest; skipped where no fence can be built.
 * Never:   looks only at what was asked for: lists are compared whole.
 */
#include <dirent.h>
#include <errno.h>
#include <grp.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "process/fence_rig.h"
#include "unit/unit.h"

#define SECUREBITS "securebits ef "

/* Every other test of this file is run by root and by a plain account. */
static bool maybe_become_nobody(int i)
{
	return !i || geteuid() != 0 || rig_become_nobody();
}

static void start_staying(struct rig *rig, const char *policy)
{
	rig_init(rig, policy, "stay", NULL);
	rig_start(rig);
	rig_await(rig);
}

static void finish(struct rig *rig)
{
	struct rf_fence_end end;

	rig_release(rig);
	rig_end(rig, &end);
	ck_assert_msg(end.exited && end.status == ACT_LIVED,
		      "exited %d status %d", end.exited, end.status);
}

/* The value of "Key:\tvalue\n" in /proc/PID/status. */
static const char *status_of(const struct rig *rig, const char *key)
{
	static char text[8192];
	char line[64];
	char *at;

	rig_proc(rig, "status", text, sizeof(text));
	(void)snprintf(line, sizeof(line), "\n%s:\t", key);
	at = strstr(text, line);
	ck_assert_msg(at != NULL, "no %s in status", key);
	at += strlen(line);
	at[strcspn(at, "\n")] = '\0';
	return at;
}

static void path_in_proc(const struct rig *rig, const char *file, char *path,
			 size_t size)
{
	(void)snprintf(path, size, "/proc/%d/%s", (int)rig->child.pid, file);
}

static void list(const char *path, char *out, size_t size)
{
	const struct dirent *entry;
	bool seen[256] = { false };
	DIR *dir = opendir(path);
	size_t used = 0;
	long fd;

	ck_assert_msg(dir != NULL, "%s: %s", path, strerror(errno));
	out[0] = '\0';
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		fd = strtol(entry->d_name, NULL, 10);
		ck_assert(fd >= 0 && fd < 256);
		seen[fd] = true;
	}
	closedir(dir);
	for (fd = 0; fd < 256; fd++)
		if (seen[fd])
			used += (size_t)snprintf(out + used, size - used,
						 "%ld ", fd);
}

START_TEST(only_named_descriptors_survive)
{
	struct rig rig;
	char path[64], fds[256];
	int extra[3];
	size_t i;

	if (!maybe_become_nobody(_i))
		return;
	/* Not close-on-exec, low and high, as a careless caller leaves them. */
	extra[0] = open("/dev/null", O_RDONLY);
	extra[1] = fcntl(extra[0], F_DUPFD, 70);
	extra[2] = fcntl(extra[0], F_DUPFD, 900);
	rig_init(&rig, "blk", "stay", NULL);
	/* One goes to a place where another comes from. */
	rig.spawn.fds[2] = (struct rf_fence_fd){ extra[0], 70 };
	rig.spawn.fds[3] = (struct rf_fence_fd){ extra[1], extra[0] };
	rig.spawn.nr_fds = 4;
	rig_start(&rig);
	rig_await(&rig);
	path_in_proc(&rig, "fd", path, sizeof(path));
	list(path, fds, sizeof(fds));
	ck_assert_str_eq(fds, "2 3 ");
	for (i = 0; i < RF_ARRAY_LEN(extra); i++)
		close(extra[i]);
	finish(&rig);
}
END_TEST

/* The fence closes what is left once more, so this is seen before. */
START_TEST(not_one_descriptor_too_many_reaches_the_program)
{
	struct rf_fence_end end;
	char text[64];
	struct rig rig;
	int extra;

	if (!maybe_become_nobody(_i))
		return;
	extra = open("/dev/null", O_RDONLY);
	ck_assert_int_ge(fcntl(extra, F_DUPFD, 500), 500);
	rig_init(&rig, "none", "count-early", NULL);
	rig_start(&rig);
	rig_read(&rig, text, sizeof(text));
	rig_end(&rig, &end);
	ck_assert_str_eq(text, "2 3 ");
}
END_TEST

START_TEST(no_capability_survives)
{
	static const char *const sets[] = { "CapInh", "CapPrm", "CapEff",
					    "CapBnd", "CapAmb" };
	struct rig rig;
	size_t i;

	if (!maybe_become_nobody(_i))
		return;
	start_staying(&rig, "blk");
	for (i = 0; i < RF_ARRAY_LEN(sets); i++)
		ck_assert_str_eq(status_of(&rig, sets[i]), "0000000000000000");
	finish(&rig);
}
END_TEST

START_TEST(identity_is_the_one_asked_for_and_no_group_more)
{
	struct rig rig;
	char want[64];
	bool root;

	if (!maybe_become_nobody(_i))
		return;
	root = geteuid() == 0;
	if (root)
		ck_assert_int_eq(setgroups(1, &(gid_t){ 4 }), 0);
	start_staying(&rig, "blk");
	(void)snprintf(want, sizeof(want), "%1$u\t%1$u\t%1$u\t%1$u",
		       rig.spawn.uid);
	ck_assert_str_eq(status_of(&rig, "Uid"), want);
	(void)snprintf(want, sizeof(want), "%1$u\t%1$u\t%1$u\t%1$u",
		       rig.spawn.gid);
	ck_assert_str_eq(status_of(&rig, "Gid"), want);
	if (root)
		ck_assert_str_eq(status_of(&rig, "Groups"), " ");
	finish(&rig);
}
END_TEST

START_TEST(filters_are_loaded_one_and_then_two)
{
	struct rig rig;

	if (!maybe_become_nobody(_i))
		return;
	start_staying(&rig, "blk");
	ck_assert_str_eq(status_of(&rig, "Seccomp"), "2");
	ck_assert_str_eq(status_of(&rig, "Seccomp_filters"), "1");
	ck_assert_str_eq(status_of(&rig, "NoNewPrivs"), "1");
	finish(&rig);
	start_staying(&rig, "blk.sealed");
	ck_assert_str_eq(status_of(&rig, "Seccomp_filters"), "2");
	finish(&rig);
}
END_TEST

START_TEST(signals_are_as_new_but_for_broken_pipes)
{
	struct rig rig;
	sigset_t block;

	if (!maybe_become_nobody(_i))
		return;
	sigemptyset(&block);
	sigaddset(&block, SIGTERM);
	sigaddset(&block, SIGUSR1);
	ck_assert_int_eq(sigprocmask(SIG_BLOCK, &block, NULL), 0);
	(void)signal(SIGHUP, SIG_IGN);
	(void)signal(SIGQUIT, SIG_IGN);
	start_staying(&rig, "blk");
	ck_assert_str_eq(status_of(&rig, "SigBlk"), "0000000000000000");
	ck_assert_str_eq(status_of(&rig, "SigIgn"), "0000000000001000");
#ifndef RF_SANITIZED
	ck_assert_str_eq(status_of(&rig, "SigCgt"), "0000000000000000");
#endif
	finish(&rig);
}
END_TEST

START_TEST(every_namespace_is_its_own)
{
	static const char *const names[] = { "user", "mnt", "pid",   "net",
					     "ipc",  "uts", "cgroup" };
	char path[64], theirs[64], ours[64];
	struct rig rig;
	ssize_t n;
	size_t i;

	if (!maybe_become_nobody(_i))
		return;
	start_staying(&rig, "blk");
	for (i = 0; i < RF_ARRAY_LEN(names); i++) {
		(void)snprintf(path, sizeof(path), "/proc/%d/ns/%s",
			       (int)rig.child.pid, names[i]);
		n = readlink(path, theirs, sizeof(theirs) - 1);
		ck_assert_msg(n > 0, "%s: %s", path, strerror(errno));
		theirs[n] = '\0';
		(void)snprintf(path, sizeof(path), "/proc/self/ns/%s",
			       names[i]);
		n = readlink(path, ours, sizeof(ours) - 1);
		ck_assert_int_gt(n, 0);
		ours[n] = '\0';
		ck_assert_str_ne(theirs, ours);
	}
	finish(&rig);
}
END_TEST

START_TEST(root_is_empty_read_only_and_not_the_hosts)
{
	struct statvfs vfs;
	struct stat theirs, ours;
	char path[64], mounts[4096], names[64];
	struct rig rig;

	if (!maybe_become_nobody(_i))
		return;
	start_staying(&rig, "blk");
	path_in_proc(&rig, "root/", path, sizeof(path));
	ck_assert_int_eq(stat(path, &theirs), 0);
	ck_assert_int_eq(stat("/", &ours), 0);
	ck_assert(theirs.st_dev != ours.st_dev);
	ck_assert_int_eq(statvfs(path, &vfs), 0);
	ck_assert_uint_eq(
		vfs.f_flag & (ST_RDONLY | ST_NOSUID | ST_NODEV | ST_NOEXEC),
		ST_RDONLY | ST_NOSUID | ST_NODEV | ST_NOEXEC);
	list(path, names, sizeof(names));
	ck_assert_str_eq(names, "");
	/* And nothing is mounted but it. */
	rig_proc(&rig, "mountinfo", mounts, sizeof(mounts));
	ck_assert_ptr_nonnull(strchr(mounts, '\n'));
	ck_assert_str_eq(strchr(mounts, '\n'), "\n");
	path_in_proc(&rig, "cwd/", path, sizeof(path));
	ck_assert_int_eq(stat(path, &ours), 0);
	ck_assert_uint_eq(ours.st_ino, theirs.st_ino);
	finish(&rig);
}
END_TEST

START_TEST(limits_allow_no_core_and_no_descriptor_beyond_the_places)
{
	char limits[4096];
	struct rig rig;

	if (!maybe_become_nobody(_i))
		return;
	rig_init(&rig, "blk", "stay", NULL);
	rig.spawn.rlimits[0] = (struct rf_fence_rlimit){ RLIMIT_FSIZE, 123456 };
	rig.spawn.nr_rlimits = 1;
	rig_start(&rig);
	rig_await(&rig);
	rig_proc(&rig, "limits", limits, sizeof(limits));
	ck_assert_ptr_nonnull(
		strstr(limits, "Max core file size        0                    "
			       "0 "));
	ck_assert_ptr_nonnull(
		strstr(limits, "Max open files            1024                 "
			       "1024 "));
	ck_assert_ptr_nonnull(
		strstr(limits, "Max file size             123456               "
			       "123456 "));
	finish(&rig);
}
END_TEST

START_TEST(process_leads_a_session_of_its_own)
{
	struct rig rig;

	if (!maybe_become_nobody(_i))
		return;
	start_staying(&rig, "blk");
	ck_assert_int_eq(getsid(rig.child.pid), rig.child.pid);
	ck_assert_str_eq(status_of(&rig, "Umask"), "0077");
	finish(&rig);
}
END_TEST

#ifndef RF_SANITIZED
START_TEST(personality_of_the_launcher_is_not_inherited)
{
	char text[64];
	struct rig rig;

	if (!maybe_become_nobody(_i))
		return;
	ck_assert_int_ge(personality(ADDR_NO_RANDOMIZE | READ_IMPLIES_EXEC), 0);
	start_staying(&rig, "blk");
	rig_proc(&rig, "personality", text, sizeof(text));
	ck_assert_str_eq(text, "00000000\n");
	finish(&rig);
}
END_TEST
#endif

/* Landlock refuses even to list the empty root; without it that works. */
static const char *listing(void)
{
	const long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, 1);

	return abi >= 1 ? "list 0 " : "list 1 ";
}

START_TEST(it_sees_itself_alone_without_environment_and_power)
{
	struct rf_fence_end end;
	char text[512];
	struct rig rig;

	if (!maybe_become_nobody(_i))
		return;
	ck_assert_int_eq(setenv("SECRET", "of the launcher", 1), 0);
	rig_init(&rig, "none", "look", NULL);
	rig_start(&rig);
	rig_read(&rig, text, sizeof(text));
	ck_assert_msg(!strncmp(text,
			       "pid 1 ppid 0 dumpable 0 " SECUREBITS
			       "env none cwd / mode 40555 ",
			       strlen("pid 1 ppid 0 dumpable 0 " SECUREBITS
				      "env none cwd / mode 40555 ")),
		      "%s", text);
	ck_assert_ptr_nonnull(strstr(text, listing()));
	ck_assert_ptr_nonnull(strstr(text, "write 0 uid 0 gid 0"));
	rig_end(&rig, &end);
	ck_assert_int_eq(end.status, ACT_LIVED);
}
END_TEST

START_TEST(named_root_is_read_only_and_that_alone)
{
	char dir[] = "/tmp/test_fence_cross.XXXXXX";
	char path[128], mounts[4096];
	struct rf_fence_end end;
	struct statvfs vfs;
	struct rig rig;

	if (!maybe_become_nobody(_i))
		return;
	ck_assert_ptr_nonnull(mkdtemp(dir));
	ck_assert_int_eq(chmod(dir, 0755), 0);
	(void)snprintf(path, sizeof(path), "%s/seven", dir);
	ck_assert_int_eq(mkdir(path, 0755), 0);
	rig_init(&rig, "blk", "stay", dir);
	rig_start(&rig);
	rig_await(&rig);
	path_in_proc(&rig, "root/seven", path, sizeof(path));
	ck_assert_int_eq(access(path, F_OK), 0);
	ck_assert_int_eq(statvfs(path, &vfs), 0);
	ck_assert_uint_eq(
		vfs.f_flag & (ST_RDONLY | ST_NOSUID | ST_NODEV | ST_NOEXEC),
		ST_RDONLY | ST_NOSUID | ST_NODEV | ST_NOEXEC);
	rig_proc(&rig, "mountinfo", mounts, sizeof(mounts));
	ck_assert_str_eq(strchr(mounts, '\n'), "\n");
	rig_release(&rig);
	rig_end(&rig, &end);
	(void)snprintf(path, sizeof(path), "%s/seven", dir);
	ck_assert_int_eq(rmdir(path), 0);
	ck_assert_int_eq(rmdir(dir), 0);
	ck_assert_int_eq(end.status, ACT_LIVED);
}
END_TEST

START_TEST(host_sees_no_mount_of_it)
{
	char before[65536], after[65536];
	struct rig rig;
	ssize_t n;
	int fd;

	fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
	n = pread(fd, before, sizeof(before) - 1, 0);
	ck_assert_int_gt(n, 0);
	before[n] = '\0';
	close(fd);
	start_staying(&rig, "blk");
	fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
	n = pread(fd, after, sizeof(after) - 1, 0);
	ck_assert_int_gt(n, 0);
	after[n] = '\0';
	close(fd);
	ck_assert_str_eq(before, after);
	finish(&rig);
}
END_TEST

static const uint32_t left_out[] = {
	CLONE_NEWUSER,	     CLONE_NEWNS,
	CLONE_NEWPID,	     CLONE_NEWNET,
	CLONE_NEWIPC,	     CLONE_NEWUTS,
	CLONE_NEWCGROUP,     CLONE_NEWNS | CLONE_NEWPID,
	RF_FENCE_NAMESPACES,
};
#define NR_LEFT_OUT ((int)RF_ARRAY_LEN(left_out))

/* What a jailer leaves out stays as it is outside; what remains still holds. */
START_TEST(namespaces_left_out_leave_the_rest_of_the_fence)
{
	char uid[64];
	struct rig rig;

	/* Without root only what has a user namespace can be made. */
	if (geteuid() && left_out[_i] & CLONE_NEWUSER)
		return;
	/* Nor pivot in a chroot; but a user namespace takes us out of it. */
	if (left_out[_i] & CLONE_NEWUSER && rig_is_chrooted())
		return;
	rig_init(&rig, "blk.sealed", "stay", NULL);
	rig.spawn.namespaces &= ~left_out[_i];
	rig_start(&rig);
	rig_await(&rig);
	ck_assert_str_eq(status_of(&rig, "CapPrm"), "0000000000000000");
	ck_assert_str_eq(status_of(&rig, "CapBnd"), "0000000000000000");
	ck_assert_str_eq(status_of(&rig, "CapAmb"), "0000000000000000");
	ck_assert_str_eq(status_of(&rig, "Seccomp_filters"), "2");
	(void)snprintf(uid, sizeof(uid), "%1$u\t%1$u\t%1$u\t%1$u",
		       rig.spawn.uid);
	ck_assert_str_eq(status_of(&rig, "Uid"), uid);
	finish(&rig);
}
END_TEST

static void expect_refusal(struct rig *rig)
{
	struct rf_fence_end end;

	rig_start(rig);
	rig_end(rig, &end);
	ck_assert(end.exited);
	ck_assert_int_eq(end.status, RF_FENCE_EXIT_STATUS);
}

START_TEST(half_a_fence_is_the_end)
{
	struct rig rig;

	/* A root that is not there; none where no mount namespace is; a list of
	 * descriptors that would keep the wrong ones. */
	rig_init(&rig, "blk", "stay", "/nowhere/at/all");
	expect_refusal(&rig);
	rig_init(&rig, "blk", "stay", "/");
	rig.spawn.namespaces &= ~(uint32_t)CLONE_NEWNS;
	expect_refusal(&rig);
	rig_init(&rig, "blk", "unsorted", NULL);
	expect_refusal(&rig);
}
END_TEST

/* It would pivot the host. */
START_TEST(program_started_by_hand_does_not_cross)
{
	char *argv[] = { (char[]){ "fence_act" }, (char[]){ "blk" },
			 (char[]){ "nothing" }, NULL };
	char *env[] = { NULL, NULL };
	static char bad[][64] = { "RF_FENCE_NAMESPACES=",
				  "RF_FENCE_NAMESPACES=everything",
				  "RF_FENCE_NAMESPACES=ffffffff",
				  "RF_FENCE_NAMESPACES=100000000020000" };
	size_t i;
	int status;
	pid_t pid;

	for (i = 0; i <= RF_ARRAY_LEN(bad); i++) {
		env[0] = i ? bad[i - 1] : NULL;
		pid = fork();
		ck_assert_int_ge(pid, 0);
		if (!pid) {
			execve(RF_TEST_FENCE_ACT, argv, env);
			_exit(ACT_BROKEN);
		}
		ck_assert_int_eq(waitpid(pid, &status, 0), pid);
		ck_assert(WIFEXITED(status));
		ck_assert_int_eq(WEXITSTATUS(status), RF_FENCE_EXIT_STATUS);
	}
}
END_TEST

int main(void)
{
	const struct rig_test tests[] = {
		{ only_named_descriptors_survive, 2 },
		{ not_one_descriptor_too_many_reaches_the_program, 2 },
		{ no_capability_survives, 2 },
		{ identity_is_the_one_asked_for_and_no_group_more, 2 },
		{ filters_are_loaded_one_and_then_two, 2 },
		{ signals_are_as_new_but_for_broken_pipes, 2 },
		{ every_namespace_is_its_own, 2 },
		{ root_is_empty_read_only_and_not_the_hosts, 2 },
		{ limits_allow_no_core_and_no_descriptor_beyond_the_places, 2 },
		{ process_leads_a_session_of_its_own, 2 },
#ifndef RF_SANITIZED
		{ personality_of_the_launcher_is_not_inherited, 2 },
#endif
		{ it_sees_itself_alone_without_environment_and_power, 2 },
		{ named_root_is_read_only_and_that_alone, 2 },
		{ host_sees_no_mount_of_it, 1 },
		{ namespaces_left_out_leave_the_rest_of_the_fence,
		  NR_LEFT_OUT },
		{ half_a_fence_is_the_end, 1 },
		{ program_started_by_hand_does_not_cross, 1 },
	};

	return rig_main("fence_cross", rig_why_not(), tests,
			RF_ARRAY_LEN(tests), 60);
}
