/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * test_policy_coverage.c - a rule that nothing ever needed is a fault
 *
 * Real programs and the tests that drive them are run under a tracer that
 * counts for each call the rule that allows it. A rule with no call at the end
 * fails the test: it is wider than what the sources do, or no test shows why it
 * stands there.
 *
 * A launcher that is traced cannot trace its children, so its own ptrace rules
 * are seen in runs in which only the launcher is watched.
 *
 * Side:    test, outside of every fence.
 * Owns:    a scratch directory.
 * Callers: ctest. Skipped in builds for sanitizers, whose policies are wider.
 * Never:   calls a rule exercised because a table says that it could be.
 */
#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "launcher/control.h"
#include "process/fence_rig.h"
#include "process/tracer.h"
#include "unit/unit.h"

#define WORDS_MAX 16u

static char dir[] = "/tmp/test_policy_coverage.XXXXXX";

static void hijack_device(pid_t launcher);
static void stop_device(pid_t launcher);
static void kill_device(pid_t launcher);
static void ask_for_limits(pid_t launcher);

/* The first word is a program of the build; "@x" is the file x of the scratch
 * directory. */
struct scenario {
	const char *words[WORDS_MAX];
	void (*meddle)(pid_t root);
	const char *says; /* part of its output, at least so */
	bool launcher_alone;
	bool needs_kvm;
};

#define RUN "bin/ringfence", "run", "--disk", "@disk"

static const struct scenario scenarios[] = {
	/* Every kind of doorbell, with interrupts. */
	{ .words = { "bin/ringfence", "demo" } },
	{ .words = { RUN, "--append", "rf.mode=poll", "--report", "@report" } },
	{ .words = { RUN, "--accel", "none" } },
	{ .words = { RUN, "--on-device-death", "keep", "--append",
		     "rf.rounds=500" },
	  .meddle = kill_device },
	/* Other limits while it runs; the name of the socket goes at the end. */
	{ .words = { RUN, "--control", "@socket", "--append", "rf.rounds=500" },
	  .meddle = ask_for_limits },
	/* Front-ends and guests that lie, stop, reset, never seal. */
	{ .words = { "tests/test_blk" } },
	{ .words = { "tests/test_blk_hostile" } },
	{ .words = { "tests/test_standin" } },
	{ .words = { "tests/test_vmm" }, .needs_kvm = true },
	/* The launcher as the tracer of its children. */
	{ .words = { RUN, "--append", "rf.rounds=500" },
	  .launcher_alone = true,
	  .meddle = hijack_device,
	  .says = "killed by its filter: syscall 41 (socket)\n" },
	{ .words = { RUN, "--append", "rf.rounds=500" },
	  .launcher_alone = true,
	  .meddle = stop_device },
};

/* One act of fence_act.h, and why a program of ours may not do it here. */
struct act_of {
	const char *policy;
	const char *act;
	const char *why;
};

/* What this host, this C library or this moment may not bring about, done by a
 * process behind the policy in question. */
static const struct act_of by_hand[] = {
	{ "blk", "clock", "the vdso reads this host's clock" },
	{ "vmm", "clock", "the vdso reads this host's clock" },
	{ "launcher", "clock", "the vdso reads this host's clock" },
	{ "blk.sealed", "clock", "the vdso reads this host's clock" },
	{ "blk.uring", "clock", "the vdso reads this host's clock" },
	{ "blk", "fstat", "glibc 2.39 and later" },
	{ "blk", "newfstatat", "glibc before 2.39" },
	{ "vmm", "kvm-stats", "needs Linux 5.14" },
	{ "vmm", "kvm-coalesced2", "needs a kernel with that API" },
	{ "vmm", "futex-wait", "needs two threads to meet" },
	{ "vcpu", "futex-wait", "needs two threads to meet" },
	{ "launcher", "terminal", "needs a terminal" },
	{ "launcher", "remove-cgroup", "needs cgroup v2 and rights there" },
	{ "launcher", "remove-cgroup-above", "needs cgroup v2, rights there" },
};

static const struct act_of by_hand_without_kvm[] = {
	{ "vmm", "kernel-image", "needs a guest" },
	{ "vmm", "console-in", "needs a guest" },
	{ "vmm", "console-ask", "needs a guest" },
	{ "vmm", "initramfs", "needs a guest" },
	{ "vmm", "kvm-set-sregs", "needs a guest" },
	{ "vmm", "kvm-set-regs", "needs a guest" },
	{ "vmm", "kvm-get-regs", "needs a guest" },
	{ "vmm", "kvm-ioeventfd", "needs a guest" },
	{ "vmm", "kvm-coalesced", "needs a guest" },
	{ "vmm", "timer", "needs a guest" },
	{ "vmm", "tick", "needs a guest" },
	{ "vmm", "console", "needs a guest that stops in a line" },
	{ "vcpu", "kvm-run", "needs a guest" },
};

static const char *resolve(const char *word)
{
	static char paths[WORDS_MAX][128];
	static unsigned next;
	char *path;

	if (word[0] != '@')
		return word;
	path = paths[next++ % WORDS_MAX];
	(void)snprintf(path, sizeof(paths[0]), "%s/%s", dir, word + 1);
	return path;
}

static void start_program(const void *arg)
{
	const struct scenario *s = arg;
	const char *words[WORDS_MAX + 1] = { NULL };
	char program[512];
	size_t i;
	int out;

	words[0] = program;
	for (i = 1; s->words[i]; i++)
		words[i] = resolve(s->words[i]);
	(void)snprintf(program, sizeof(program), "%s/%s", RF_TEST_BUILD_DIR,
		       s->words[0]);
	/* Their lines are for people; ours is the verdict. */
	out = open(resolve("@out"), O_CREAT | O_APPEND | O_WRONLY | O_CLOEXEC,
		   0600);
	if (out < 0 || dup2(out, STDOUT_FILENO) < 0 ||
	    dup2(out, STDERR_FILENO) < 0)
		return;
	execv(program, (char *const *)(uintptr_t)words);
}

static void start_act(const void *arg)
{
	const struct act_of *a = arg;
	struct rf_fence_end end;
	struct rig rig;

	rig_init(&rig, a->policy, a->act, NULL);
	rig.spawn.trace = false;
	if (rf_fence_spawn(&rig.spawn, &rig.child, NULL))
		_exit(1);
	while (rf_fence_reap(&end) == -EAGAIN)
		(void)usleep(1000);
	_exit(end.status);
}

static bool read_status(long pid, char *text, size_t size)
{
	char path[64];
	FILE *file;
	size_t n;

	(void)snprintf(path, sizeof(path), "/proc/%ld/status", pid);
	file = fopen(path, "re");
	if (!file)
		return false;
	n = fread(text, 1, size - 1, file);
	(void)fclose(file);
	text[n] = '\0';
	return n > 0;
}

static bool is_device_of(pid_t launcher, long pid)
{
	char text[4096], parent[32];

	(void)snprintf(parent, sizeof(parent), "\nPPid:\t%d\n", (int)launcher);
	return pid > 0 && read_status(pid, text, sizeof(text)) &&
	       strstr(text, "Name:\tringfence-blk\n") && strstr(text, parent);
}

/* The device process of a launcher that has its own filter already, so that
 * the guest runs. */
static pid_t find_device(pid_t launcher)
{
	const struct dirent *entry;
	char text[4096];
	pid_t found = 0;
	DIR *proc;

	if (!read_status(launcher, text, sizeof(text)) ||
	    !strstr(text, "Seccomp:\t2"))
		return 0;
	proc = opendir("/proc");
	while (proc && !found && (entry = readdir(proc))) {
		long pid = strtol(entry->d_name, NULL, 10);

		if (is_device_of(launcher, pid))
			found = (pid_t)pid;
	}
	if (proc)
		closedir(proc);
	return found;
}

static bool read_call(pid_t pid, long *nr, unsigned long *pc)
{
	char path[64], text[256];
	const char *last;
	FILE *file;

	(void)snprintf(path, sizeof(path), "/proc/%d/syscall", (int)pid);
	file = fopen(path, "re");
	if (!file)
		return false;
	if (!fgets(text, sizeof(text), file))
		text[0] = '\0';
	(void)fclose(file);
	last = strrchr(text, ' ');
	if (!last || text[0] < '0' || text[0] > '9')
		return false;
	*nr = strtol(text, NULL, 10);
	*pc = strtoul(last, NULL, 16);
	return true;
}

static bool is_meddled;

/* As an attacker who has taken a sealed device over: where it comes back from
 * epoll_wait, it now asks for a socket. */
static void hijack_device(pid_t launcher)
{
	/* mov $41, %eax; syscall */
	static const uint8_t code[] = { 0xb8, 41, 0, 0, 0, 0x0f, 0x05 };
	pid_t pid = is_meddled ? 0 : find_device(launcher);
	unsigned long pc;
	char path[64];
	long nr;
	int fd;

	if (!pid || !read_call(pid, &nr, &pc) || nr != SYS_epoll_wait)
		return;
	(void)snprintf(path, sizeof(path), "/proc/%d/mem", (int)pid);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return;
	is_meddled = pwrite(fd, code, sizeof(code), (off_t)pc) ==
		     (ssize_t)sizeof(code);
	close(fd);
}

/* Stop it, and let the launcher see that; then let it go on. A launcher that
 * polls is interrupted by any signal, and the kernel takes the call up again.
 * Enough then: the guest would go on for long. */
static void stop_device(pid_t launcher)
{
	static uint64_t next_ns;
	static unsigned steps;
	static pid_t stopped;
	uint64_t now = rf_clock_ns();

	if (is_meddled || now < next_ns)
		return;
	next_ns = now + UINT64_C(20000000);
	if (!stopped) {
		stopped = find_device(launcher);
		if (stopped)
			(void)kill(stopped, SIGSTOP);
		return;
	}
	(void)kill(launcher, SIGWINCH);
	is_meddled = ++steps == 15;
	if (is_meddled) {
		(void)kill(stopped, SIGCONT);
		(void)kill(launcher, SIGTERM);
	}
}

static void kill_device(pid_t launcher)
{
	pid_t pid = is_meddled ? 0 : find_device(launcher);

	if (!pid)
		return;
	is_meddled = true;
	(void)kill(pid, SIGKILL);
}

/* A request, and its answer some time later: who is watched must not be waited
 * for. */
static void ask_for_limits(pid_t launcher)
{
	static int sock = -1;
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	struct rf_control_msg msg = { .magic = RF_CONTROL_MAGIC,
				      .op = RF_CONTROL_SET_LIMITS,
				      .fields = RF_LIMIT_ALL };

	if (is_meddled || !find_device(launcher))
		return;
	if (sock >= 0) {
		is_meddled = recv(sock, &msg, sizeof(msg), MSG_DONTWAIT) ==
				     sizeof(msg) &&
			     msg.error == 0;
		/* Enough; watched, the guest would go on for minutes. */
		if (is_meddled)
			(void)kill(launcher, SIGTERM);
		return;
	}
	sock = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(
		bind(sock, (struct sockaddr *)&name, sizeof(name.sun_family)),
		0);
	(void)snprintf(name.sun_path, sizeof(name.sun_path), "%s",
		       resolve("@socket"));
	ck_assert_int_eq(sendto(sock, &msg, sizeof(msg), 0,
				(struct sockaddr *)&name, sizeof(name)),
			 sizeof(msg));
}

static struct tracer tracer;

static bool is_said(const char *line)
{
	static char text[1 << 20];
	FILE *file = fopen(resolve("@out"), "re");
	size_t n = file ? fread(text, 1, sizeof(text) - 1, file) : 0;

	if (file)
		(void)fclose(file);
	text[n] = '\0';
	return strstr(text, line) != NULL;
}

static bool has_kvm(void)
{
	return !access("/dev/kvm", R_OK | W_OK);
}

static void act(const struct act_of *a)
{
	int status = tracer_run(&tracer, start_act, a);

	printf("%s %s: by hand: %s\n", a->policy, a->act, a->why);
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == ACT_LIVED,
		      "%s %s: 0x%x", a->policy, a->act, status);
}

static void play(const struct scenario *s)
{
	int status;

	if (s->needs_kvm && !has_kvm())
		return;
	is_meddled = false;
	tracer.follow = !s->launcher_alone;
	tracer.meddle = s->meddle;
	status = tracer_run(&tracer, start_program, s);
	tracer.meddle = NULL;
	ck_assert_msg(status >= 0, "%s: %s", s->words[0], strerror(-status));
	printf("%s %s: status 0x%x\n", strrchr(s->words[0], '/') + 1,
	       s->words[1] ? s->words[1] : "", status);
	ck_assert_msg(!s->says || is_said(s->says), "nobody said: %s", s->says);
	ck_assert_msg(!s->meddle || is_meddled, "%s: never got its chance",
		      s->words[1]);
}

static void report_unused(unsigned *unused)
{
	unsigned i, j;

	for (i = 0; i < TRACER_POLICIES; i++)
		for (j = 0; j < tracer_policies[i]->nr_rules; j++) {
			const struct rf_policy_rule *r =
				&tracer_policies[i]->rules[j];

			if (tracer.hits[i][j])
				continue;
			(*unused)++;
			printf("%s:%d: in %s nothing ever needed: %s%s%s\n",
			       r->file, r->line, tracer_policies[i]->name,
			       r->syscall, r->text[0] ? ": " : "", r->text);
		}
}

START_TEST(every_rule_is_needed_by_something)
{
	unsigned unused = 0;
	size_t i;

	for (i = 0; i < RF_ARRAY_LEN(scenarios); i++)
		play(&scenarios[i]);
	tracer.follow = true;
	for (i = 0; i < RF_ARRAY_LEN(by_hand); i++)
		act(&by_hand[i]);
	for (i = 0; !has_kvm() && i < RF_ARRAY_LEN(by_hand_without_kvm); i++)
		act(&by_hand_without_kvm[i]);
	report_unused(&unused);
	ck_assert_uint_eq(unused, 0);
}
END_TEST

static void make_scratch(void)
{
	int fd = open(resolve("@disk"), O_CREAT | O_RDWR | O_CLOEXEC, 0600);

	if (fd < 0 || ftruncate(fd, 2 << 20))
		exit(EXIT_FAILURE);
	close(fd);
}

static void remove_scratch(void)
{
	(void)unlink(resolve("@disk"));
	(void)unlink(resolve("@report"));
	(void)unlink(resolve("@out"));
	(void)rmdir(dir);
}

static void leave(const void *arg)
{
	_exit(arg ? 1 : 0);
}

/* Where nobody may trace anybody there is nothing to see. */
static const char *why_not(void)
{
	int status;

#ifdef RF_SANITIZED
	return "policies of a build for sanitizers are wider";
#endif
	status = tracer_run(&tracer, leave, NULL);
	if (status == -EPERM || status == -EACCES)
		return "this host does not let us trace";
	return rig_why_not();
}

int main(void)
{
	const struct rig_test tests[] = {
		{ every_rule_is_needed_by_something, 1 },
	};
	int status;

	if (!mkdtemp(dir))
		return EXIT_FAILURE;
	make_scratch();
	/* Lines are written at once: processes that are forked have none to
	 * write again. */
	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	status = rig_main("policy_coverage", why_not(), tests,
			  RF_ARRAY_LEN(tests), 280);
	remove_scratch();
	return status;
}
