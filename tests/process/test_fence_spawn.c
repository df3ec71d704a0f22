/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * test_fence_spawn.c - starts that fail leave nothing; ends are told right
 *
 * Side:    test, outside of the fence.
 * Owns:    what it starts; launchers of its own, which it kills.
 * Callers: ctest; skipped where no fence can be built.
 * Never:   kills what it has not started.
 */
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "process/fence_rig.h"
#include "unit/unit.h"

static int count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int nr = 0;

	ck_assert_ptr_nonnull(dir);
	while (readdir(dir))
		nr++;
	closedir(dir);
	return nr;
}

/* This spawn fails so, in this step, and leaves no child and no descriptor. */
static void refused(struct rig *rig, int error, const char *want_step)
{
	const struct rf_fence_child untouched = { .pid = -7, .pidfd = -7 };
	const char *step = NULL;
	int before = count_fds();
	struct rf_fence_end end;
	int ret;

	rig->child = untouched;
	ret = rf_fence_spawn(&rig->spawn, &rig->child, &step);
	ck_assert_msg(ret == error, "%s: %s", step, strerror(-ret));
	ck_assert_str_eq(step, want_step);
	ck_assert_int_eq(rig->child.pid, -7);
	ck_assert_int_eq(rig->child.pidfd, -7);
	ck_assert_int_eq(count_fds(), before);
	ck_assert_int_eq(rf_fence_reap(&end), -ECHILD);
	/* Without the place for the name of the step as well. */
	ck_assert_int_eq(rf_fence_spawn(&rig->spawn, &rig->child, NULL), error);
	ck_assert_int_eq(rf_fence_reap(&end), -ECHILD);
}

START_TEST(arguments_of_no_sense_are_refused)
{
	static char *const nothing[] = { NULL };
	struct rig rig;

	rig_init(&rig, "blk", "nothing", NULL);
	rig.spawn.exe_fd = -1;
	refused(&rig, -EINVAL, "arguments");
	rig_init(&rig, "blk", "nothing", NULL);
	rig.spawn.argv = NULL;
	refused(&rig, -EINVAL, "arguments");
	rig.spawn.argv = nothing;
	refused(&rig, -EINVAL, "arguments");
	rig_init(&rig, "blk", "nothing", NULL);
	rig.spawn.nr_fds = RF_FENCE_FDS_MAX + 1;
	refused(&rig, -EINVAL, "arguments");
	rig_init(&rig, "blk", "nothing", NULL);
	rig.spawn.nr_rlimits = RF_FENCE_RLIMITS_MAX + 1;
	refused(&rig, -EINVAL, "arguments");
	rig_init(&rig, "blk", "nothing", NULL);
	rig.spawn.namespaces |= CLONE_VM;
	refused(&rig, -EINVAL, "arguments");
}
END_TEST

START_TEST(places_that_collide_or_do_not_exist_are_refused)
{
	struct rig rig;

	rig_init(&rig, "blk", "nothing", NULL);
	rig.spawn.fds[1].to = rig.spawn.fds[0].to;
	refused(&rig, -EINVAL, "arguments");
	rig.spawn.fds[1].to = -1;
	refused(&rig, -EINVAL, "arguments");
	rig.spawn.fds[1].to = RF_FD_LIMIT;
	refused(&rig, -EINVAL, "arguments");
	rig.spawn.fds[1].to = RF_FD_CONTROL;
	rig.spawn.fds[1].from = -1;
	refused(&rig, -EINVAL, "arguments");
}
END_TEST

START_TEST(descriptor_that_is_not_open_fails_in_its_step)
{
	struct rig rig;

	rig_init(&rig, "blk", "nothing", NULL);
	rig.spawn.fds[1].from = 999;
	refused(&rig, -EBADF, "descriptors");
	rig_init(&rig, "blk", "nothing", NULL);
	rig.spawn.exe_fd = 999;
	refused(&rig, -EBADF, "descriptors");
}
END_TEST

START_TEST(file_that_is_no_program_fails_in_exec)
{
	struct rig rig;

	rig_init(&rig, "blk", "nothing", NULL);
	rig.spawn.exe_fd = open("/etc/passwd", O_RDONLY | O_CLOEXEC);
	refused(&rig, -EACCES, "execveat");
	rig.spawn.exe_fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	refused(&rig, -EACCES, "execveat");
	rig.spawn.trace = false;
	refused(&rig, -EACCES, "execveat");
}
END_TEST

START_TEST(limit_that_does_not_exist_fails_in_its_step)
{
	struct rig rig;

	rig_init(&rig, "blk", "nothing", NULL);
	rig.spawn.rlimits[0].resource = 999;
	rig.spawn.nr_rlimits = 1;
	refused(&rig, -EINVAL, "setrlimit");
}
END_TEST

START_TEST(cgroup_that_is_none_fails_before_anything_runs)
{
	struct rig rig;

	rig_init(&rig, "blk", "nothing", NULL);
	rig.spawn.cgroup_fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	refused(&rig, -EBADF, "clone3");
}
END_TEST

START_TEST(plain_account_cannot_be_somebody_else)
{
	struct rig rig;

	if (geteuid() == 0 && !rig_become_nobody())
		return;
	rig_init(&rig, "blk", "nothing", NULL);
	rig.spawn.uid += 1;
	refused(&rig, -EPERM, "uid_map");
	rig_init(&rig, "blk", "nothing", NULL);
	rig.spawn.gid += 1;
	refused(&rig, -EPERM, "gid_map");
}
END_TEST

/* Where this directory is, is the host's business; 0 if there is none. */
static bool make_cgroup(char *path, size_t size)
{
	static const char *const roots[] = { "/sys/fs/cgroup",
					     "/sys/fs/cgroup/unified" };
	char probe[128];
	size_t i;

	for (i = 0; i < RF_ARRAY_LEN(roots); i++) {
		(void)snprintf(probe, sizeof(probe), "%s/cgroup.procs",
			       roots[i]);
		if (access(probe, W_OK))
			continue;
		(void)snprintf(path, size, "%s/test-fence-%d", roots[i],
			       (int)getpid());
		if (!mkdir(path, 0755))
			return true;
	}
	return false;
}

START_TEST(process_is_born_into_its_cgroup)
{
	char path[128], text[512];
	struct rf_fence_end end;
	struct rig rig;

	if (!make_cgroup(path, sizeof(path)))
		return;
	rig_init(&rig, "blk", "stay", NULL);
	rig.spawn.cgroup_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	rig_start(&rig);
	rig_await(&rig);
	rig_proc(&rig, "cgroup", text, sizeof(text));
	rig_release(&rig);
	rig_end(&rig, &end);
	close(rig.spawn.cgroup_fd);
	ck_assert_int_eq(rmdir(path), 0);
	ck_assert_msg(strstr(text, strrchr(path, '/')) != NULL, "%s", text);
	ck_assert_int_eq(end.status, ACT_LIVED);
}
END_TEST

START_TEST(exit_status_is_told)
{
	struct rf_fence_end end;

	rig_run("blk", "nothing", &end);
	ck_assert(end.exited && !end.filter_killed && !end.call_known);
	ck_assert_int_eq(end.status, ACT_LIVED);
	ck_assert_int_eq(rf_fence_reap(&end), -ECHILD);
}
END_TEST

/* Traced, and first of its pid namespace, it would run into the same fault for
 * ever. */
START_TEST(crash_is_told_as_its_signal_traced_or_not)
{
	const bool traced = _i & 1, aborts = _i & 2;
	struct rf_fence_end end;
	struct rig rig;

	rig_init(&rig, "none", aborts ? "abort" : "crash", NULL);
	rig.spawn.trace = traced;
	rig_start(&rig);
	rig_end(&rig, &end);
	ck_assert(!end.exited && !end.filter_killed);
	/* SIGABRT is a plain signal, which the first process of a namespace is
	 * spared; then abort() runs into a fault on purpose. */
	ck_assert_int_eq(end.status, aborts && traced ? SIGABRT : SIGSEGV);
}
END_TEST

START_TEST(kill_from_outside_is_told_as_that)
{
	struct rf_fence_end end;
	struct rig rig;

	rig_init(&rig, "blk", "stay", NULL);
	rig_start(&rig);
	rig_await(&rig);
	ck_assert_int_eq((int)syscall(SYS_pidfd_send_signal, rig.child.pidfd,
				      SIGKILL, NULL, 0),
			 0);
	rig_end(&rig, &end);
	ck_assert(!end.exited && !end.filter_killed);
	ck_assert_int_eq(end.status, SIGKILL);
}
END_TEST

START_TEST(death_by_filter_untraced_lacks_only_the_call)
{
	struct rf_fence_end end;
	struct rig rig;

	rig_init(&rig, "blk", "socket", NULL);
	rig.spawn.trace = false;
	rig_start(&rig);
	ck_assert(!rig.child.traced);
	rig_end(&rig, &end);
	ck_assert(end.filter_killed && !end.call_known);
	ck_assert_int_eq(end.status, SIGSYS);
}
END_TEST

/* As on a host where something else traces us. */
START_TEST(tracing_that_is_refused_is_no_failure)
{
	struct rf_fence_end end;
	struct rig rig;

	if (geteuid() == 0 && !rig_become_nobody())
		return;
	rig_init(&rig, "blk", "socket", NULL);
	/* Not dumpable, its child cannot be attached to without privilege
	 * over it; with a user namespace of its child's a parent has that. */
	rig_start(&rig);
	rig_end(&rig, &end);
	ck_assert(end.filter_killed);
	ck_assert_int_eq(end.call_known, rig.child.traced);
}
END_TEST

START_TEST(thread_that_made_the_call_is_named)
{
	struct rf_fence_end end;
	struct rig rig;

	rig_init(&rig, "none", "stay-in-thread", NULL);
	rig_start(&rig);
	rig_await(&rig);
	rf_fence_learn_threads();
	rig_release(&rig);
	rig_end(&rig, &end);
	ck_assert(end.filter_killed && end.call_known);
	ck_assert_int_eq(end.call_nr, SYS_socket);
	ck_assert_int_ne(end.tid, end.pid);
	ck_assert_str_eq(end.thread, "the-culprit");
}
END_TEST

static char state_of(const struct rig *rig)
{
	char text[512];
	const char *after;

	rig_proc(rig, "stat", text, sizeof(text));
	after = strrchr(text, ')');
	ck_assert_ptr_nonnull(after);
	return after[2];
}

static bool is_stopped(const struct rig *rig)
{
	char state = state_of(rig);

	return state == 't' || state == 'T';
}

START_TEST(stopped_process_stays_stopped_until_continued)
{
	struct rf_fence_end end;
	struct rig rig;
	int i;

	rig_init(&rig, "blk", "stay", NULL);
	rig_start(&rig);
	rig_await(&rig);
	ck_assert_int_eq(kill(rig.child.pid, SIGSTOP), 0);
	/* The signal is passed on, the stop it causes is left alone. */
	for (i = 0; i < 100; i++) {
		ck_assert_int_eq(rf_fence_reap(&end), -EAGAIN);
		(void)usleep(1000);
	}
	ck_assert(is_stopped(&rig));
	rig_release(&rig);
	for (i = 0; i < 20; i++) {
		ck_assert_int_eq(rf_fence_reap(&end), -EAGAIN);
		(void)usleep(1000);
	}
	ck_assert(is_stopped(&rig));
	ck_assert_int_eq(kill(rig.child.pid, SIGCONT), 0);
	rig_end(&rig, &end);
	ck_assert(end.exited);
	ck_assert_int_eq(end.status, ACT_LIVED);
}
END_TEST

START_TEST(children_that_were_not_spawned_are_reaped_too)
{
	struct rf_fence_end end;
	pid_t pid = fork();
	int ret;

	ck_assert_int_ge(pid, 0);
	if (!pid)
		_exit(9);
	while ((ret = rf_fence_reap(&end)) == -EAGAIN)
		(void)usleep(200);
	ck_assert_int_eq(ret, 0);
	ck_assert_int_eq(end.pid, pid);
	ck_assert(end.exited);
	ck_assert_int_eq(end.status, 9);
}
END_TEST

/* A launcher of its own process: spawns, says the pid, waits to be killed. */
static _Noreturn void be_launcher(struct rig *rig, int out)
{
	struct rf_fence_end end;

	rig_start(rig);
	rig_await(rig);
	if (write(out, &rig->child.pid, sizeof(pid_t)) != sizeof(pid_t))
		_exit(1);
	for (;;) {
		if (!rf_fence_reap(&end))
			_exit(1);
		(void)usleep(1000);
	}
}

/* The child is ours once its parent is gone, so that its end is seen. */
START_TEST(death_of_the_launcher_is_death_of_the_child)
{
	int fds[2], status;
	pid_t launcher, child;
	struct rig rig;

	if (_i & 2 && geteuid() == 0 && !rig_become_nobody())
		return;
	/* Ours too, so that the child does not leave for want of a peer. */
	rig_init(&rig, "blk", "stay", NULL);
	rig.spawn.trace = _i & 1;
	ck_assert_int_eq(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), 0);
	ck_assert_int_eq(pipe(fds), 0);
	launcher = fork();
	ck_assert_int_ge(launcher, 0);
	if (!launcher)
		be_launcher(&rig, fds[1]);
	ck_assert_int_eq(read(fds[0], &child, sizeof(child)), sizeof(child));
	ck_assert_int_eq(kill(launcher, SIGKILL), 0);
	ck_assert_int_eq(waitpid(launcher, &status, 0), launcher);
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert(WIFSIGNALED(status));
	ck_assert_int_eq(WTERMSIG(status), SIGKILL);
	close(fds[0]);
	close(fds[1]);
}
END_TEST

int main(void)
{
	const struct rig_test tests[] = {
		{ arguments_of_no_sense_are_refused, 1 },
		{ places_that_collide_or_do_not_exist_are_refused, 1 },
		{ descriptor_that_is_not_open_fails_in_its_step, 1 },
		{ file_that_is_no_program_fails_in_exec, 1 },
		{ limit_that_does_not_exist_fails_in_its_step, 1 },
		{ cgroup_that_is_none_fails_before_anything_runs, 1 },
		{ plain_account_cannot_be_somebody_else, 1 },
		{ process_is_born_into_its_cgroup, 1 },
		{ exit_status_is_told, 1 },
		{ kill_from_outside_is_told_as_that, 1 },
		{ death_by_filter_untraced_lacks_only_the_call, 1 },
		{ tracing_that_is_refused_is_no_failure, 1 },
		{ thread_that_made_the_call_is_named, 1 },
		{ stopped_process_stays_stopped_until_continued, 1 },
		{ children_that_were_not_spawned_are_reaped_too, 1 },
		{ crash_is_told_as_its_signal_traced_or_not, 4 },
		{ death_of_the_launcher_is_death_of_the_child, 4 },
	};

	return rig_main("fence_spawn", rig_why_not(), tests,
			RF_ARRAY_LEN(tests), 60);
}
