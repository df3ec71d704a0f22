/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * fence_rig.c - start fence_act in a real fence and see how it ends
 *
 * Side:    test, outside of the fence.
 * Owns:    one child at a time.
 * Callers: tests/process/test_fence_*.c.
 * Never:   waits without a limit.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "process/fence_rig.h"
#include "unit/unit.h"

#define RIG_LIMIT_NS UINT64_C(20000000000)
#define RIG_LIMIT_MS 20000

/* Opened once, before any test becomes a plain account: the way there may lead
 * through a directory that is root's alone. */
static int open_act(void)
{
	static int act = -1;

	if (act < 0)
		act = open(RF_TEST_FENCE_ACT, O_RDONLY | O_CLOEXEC);
	return fcntl(act, F_DUPFD_CLOEXEC, 0);
}

/* No ck_assert: also used where no test runs yet. */
static bool set_up(struct rig *rig, const char *policy, const char *act,
		   const char *root)
{
	int pair[2] = { -1, -1 };

	memset(rig, 0, sizeof(*rig));
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return false;
	rig->sock = pair[0];
	rig->argv[0] = (char *)(uintptr_t) "fence_act";
	rig->argv[1] = (char *)(uintptr_t)policy;
	rig->argv[2] = (char *)(uintptr_t)act;
	rig->argv[3] = (char *)(uintptr_t)root;
	rig->spawn = (struct rf_fence_spawn){
		.name = "act",
		.exe_fd = open_act(),
		.argv = rig->argv,
		.fds = { { STDERR_FILENO, RF_FD_LOG },
			 { pair[1], RF_FD_CONTROL } },
		.nr_fds = 2,
		.uid = geteuid() ? geteuid() : RIG_UID,
		.gid = geteuid() ? getegid() : RIG_UID + 1,
		.namespaces = RF_FENCE_NAMESPACES,
		.cgroup_fd = -1,
		.trace = true,
	};
	return rig->spawn.exe_fd >= 0;
}

void rig_init(struct rig *rig, const char *policy, const char *act,
	      const char *root)
{
	ck_assert(set_up(rig, policy, act, root));
}

const char *rig_why_not(void)
{
	static char why[128];
	struct rf_fence_end end;
	const char *step = "";
	struct rig rig;
	int ret;

	if (!set_up(&rig, "none", "nothing", NULL))
		return NULL; /* a fault that the tests will tell */
	ret = rf_fence_spawn(&rig.spawn, &rig.child, &step);
	close(rig.sock);
	close(rig.spawn.exe_fd);
	close(rig.spawn.fds[1].from);
	if (ret) {
		(void)snprintf(why, sizeof(why), "%s: %s", step,
			       strerror(-ret));
		return ret == -EPERM || ret == -ENOSPC ? why : NULL;
	}
	while (rf_fence_reap(&end) == -EAGAIN)
		(void)usleep(1000);
	close(rig.child.pidfd);
	return NULL;
}

void rig_start(struct rig *rig)
{
	const char *step = NULL;
	int ret = rf_fence_spawn(&rig->spawn, &rig->child, &step);

	ck_assert_msg(!ret, "%s: %s", step, strerror(-ret));
	ck_assert_ptr_null(step);
	close(rig->spawn.exe_fd);
	close(rig->spawn.fds[1].from);
}

/* A traced child stands still at each event until it is reaped. */
static bool is_ready(struct rig *rig, struct rf_fence_end *end)
{
	struct pollfd ready = { .fd = rig->sock, .events = POLLIN };
	uint64_t limit = rf_clock_ns() + RIG_LIMIT_NS;

	while (rf_clock_ns() < limit) {
		if (poll(&ready, 1, 1) > 0 && ready.revents & POLLIN)
			return true;
		if (!rf_fence_reap(end))
			return false;
	}
	ck_abort_msg("fence_act says nothing");
}

void rig_read(struct rig *rig, char *text, size_t size)
{
	struct rf_fence_end end;
	ssize_t n = 0;

	if (!is_ready(rig, &end))
		ck_abort_msg("ended with %d", end.status);
	n = recv(rig->sock, text, size - 1, MSG_DONTWAIT);
	ck_assert_int_ge(n, 0);
	text[n] = '\0';
}

void rig_await(struct rig *rig)
{
	char text[8];

	rig_read(rig, text, sizeof(text));
	ck_assert_str_eq(text, "!");
}

void rig_release(struct rig *rig)
{
	ck_assert_int_eq(send(rig->sock, ".", 1, MSG_NOSIGNAL), 1);
}

void rig_end(struct rig *rig, struct rf_fence_end *end)
{
	uint64_t limit = rf_clock_ns() + RIG_LIMIT_NS;
	int ret;

	while ((ret = rf_fence_reap(end)) == -EAGAIN) {
		ck_assert_msg(rf_clock_ns() < limit, "it does not end");
		(void)usleep(200);
	}
	ck_assert_int_eq(ret, 0);
	ck_assert_int_eq(end->pid, rig->child.pid);
	close(rig->sock);
	close(rig->child.pidfd);
}

void rig_run(const char *policy, const char *act, struct rf_fence_end *end)
{
	struct rig rig;

	rig_init(&rig, policy, act, NULL);
	rig_start(&rig);
	rig_end(&rig, end);
}

/* Dumpable again: or the /proc files of our own children would be root's. */
bool rig_become_nobody(void)
{
	const char *why;

	ck_assert_int_eq(setresgid(RIG_NOBODY, RIG_NOBODY, RIG_NOBODY), 0);
	ck_assert_int_eq(setresuid(RIG_NOBODY, RIG_NOBODY, RIG_NOBODY), 0);
	ck_assert_int_eq(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0), 0);
	why = rig_why_not();
	if (why)
		printf("skipped: as a plain account: %s (inside a chroot only "
		       "root can build a fence)\n",
		       why);
	return !why;
}

bool rig_is_chrooted(void)
{
	int status = 0;
	pid_t pid;

	if (geteuid() != 0)
		return false;
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0)
		_exit(unshare(CLONE_NEWUSER) ? 1 : 0);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	if (status == 0)
		return false;
	printf("skipped: no user namespace of its own: we are inside a "
	       "chroot\n");
	return true;
}

void rig_proc(const struct rig *rig, const char *file, char *text, size_t size)
{
	char path[64];
	ssize_t n;
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)rig->child.pid,
		       file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	ck_assert_msg(fd >= 0, "%s: %s", path, strerror(errno));
	n = read(fd, text, size - 1);
	ck_assert_int_ge(n, 0);
	text[n] = '\0';
	close(fd);
}

static bool is_allowed(const struct rf_policy *policy, unsigned in,
		       const struct act *act)
{
	bool listed = rf_policy_match(policy, act->nr, act->args) >= 0;

#ifdef RF_SANITIZED
	/* Such a build allows its runtime more. */
	if (listed)
		return true;
#endif
	/* What the test expects is written by hand; the table must agree. */
	ck_assert_msg(listed == ((act->allowed & in) != 0),
		      "%s: %s: the table "
		      "says otherwise",
		      policy->name, act->name);
	return listed;
}

void rig_try(const struct rf_policy *policy, unsigned in, const struct act *act)
{
	const bool is_i386 = act->nr & ACT_I386;
	struct rf_fence_end end;

	rig_run(policy->name, act->name, &end);
	if (is_allowed(policy, in, act)) {
		ck_assert_msg(end.exited && end.status == ACT_LIVED,
			      "%s: %s: status %d", policy->name, act->name,
			      end.status);
		return;
	}
	/* A kernel without 32-bit emulation has no such door at all. */
	if (is_i386 && !end.exited && end.status == SIGSEGV)
		return;
	ck_assert_msg(!end.exited && end.status == SIGSYS && end.filter_killed,
		      "%s: %s: exited %d status %d", policy->name, act->name,
		      end.exited, end.status);
	ck_assert_msg(end.call_known, "%s: %s: call unknown", policy->name,
		      act->name);
	ck_assert_int_eq(end.call_nr, act->nr & ~ACT_I386);
	ck_assert_int_eq(end.call_i386, is_i386);
}

int rig_main(const char *name, const char *why, const struct rig_test *tests,
	     size_t nr, double limit_s)
{
	SRunner *runner;
	Suite *suite;
	TCase *tcase;
	size_t i;
	int failed;

	if (why)
		return unit_skip(name, why);
	suite = suite_create(name);
	tcase = tcase_create(name);
	tcase_set_timeout(tcase, limit_s);
	for (i = 0; i < nr; i++)
		tcase_add_loop_test(tcase, tests[i].test, 0, tests[i].times);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
