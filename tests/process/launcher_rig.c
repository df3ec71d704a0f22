/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * launcher_rig.c - start the real `ringfence`, watch it, see what it leaves
 *
 * Side:    test.
 * Owns:    the scratch directory.
 * Callers: tests/process/test_launcher*.c.
 * Never:   waits without a limit.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/wait.h>
#include <unistd.h>

#include <ringfence/base.h>

#include "process/launcher_rig.h"

#define PROGRAM RF_TEST_BIN_DIR "/ringfence"
#define LIMIT_S 20
#define WORDS_MAX 48
#define NOBODY 65534

static char dir[64];

const char *rig_path(const char *name)
{
	static char paths[8][256];
	static unsigned next;
	char *path = paths[next++ % RF_ARRAY_LEN(paths)];

	(void)snprintf(path, sizeof(paths[0]), "%s/%s", dir, name);
	return path;
}

void rig_write(const char *name, const char *text)
{
	FILE *f = fopen(rig_path(name), "we");

	ck_assert_ptr_nonnull(f);
	ck_assert_int_ge(fputs(text, f), 0);
	ck_assert_int_eq(fclose(f), 0);
}

void rig_copy(const char *from, const char *name)
{
	int in = open(from, O_RDONLY | O_CLOEXEC);
	int out = open(rig_path(name), O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
	ssize_t n;

	ck_assert_msg(in >= 0 && out >= 0, "%s: %s", from, strerror(errno));
	do {
		n = sendfile(out, in, NULL, 1 << 20);
		ck_assert_int_ge(n, 0);
	} while (n > 0);
	(void)close(in);
	(void)close(out);
}

void rig_setup(void)
{
	int fd;

	memcpy(dir, "/tmp/test_launcher.XXXXXX", 26);
	ck_assert_ptr_nonnull(mkdtemp(dir));
	fd = open(rig_path("disk"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ftruncate(fd, 2 << 20), 0);
	(void)close(fd);
	/* What a killed launcher leaves comes to us, and can be seen to end. */
	ck_assert_int_eq(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
}

void rig_teardown(void)
{
	static const char *const names[] = { "disk",	      "vm.json",
					     "report.json",   "ringfence",
					     "ringfence-vmm", "ringfence-blk" };
	size_t i;

	for (i = 0; i < RF_ARRAY_LEN(names); i++)
		(void)unlink(rig_path(names[i]));
	/* Anything that the program left in it makes this fail. */
	ck_assert_int_eq(rmdir(dir), 0);
}

static void split(const char *line, char *copy, size_t cap, char **argv)
{
	static char words[WORDS_MAX][256];
	char *word;
	int argc = 0;

	(void)snprintf(copy, cap, "%s", line);
	argv[argc++] = words[0];
	(void)snprintf(words[0], sizeof(words[0]), "%s", PROGRAM);
	for (word = strtok(copy, " "); word && argc < WORDS_MAX;
	     word = strtok(NULL, " ")) {
		if (strncmp(word, "DISK", 4) == 0)
			(void)snprintf(words[argc], sizeof(words[0]),
				       "%s/disk%s", dir, word + 4);
		else if (strncmp(word, "DIR/", 4) == 0)
			(void)snprintf(words[argc], sizeof(words[0]), "%s/%s",
				       dir, word + 4);
		else
			(void)snprintf(words[argc], sizeof(words[0]), "%s",
				       word);
		argv[argc] = words[argc];
		argc++;
	}
	argv[argc] = NULL;
}

static bool become_plain(const char *program)
{
	if (geteuid() == 0 && (setgid(NOBODY) < 0 || setuid(NOBODY) < 0))
		return false;
	return access(program, X_OK) == 0;
}

void rig_start(struct rig *rig, const char *line)
{
	char copy[2048];
	char *argv[WORDS_MAX + 1];
	const char *program = rig->program ? rig->program : PROGRAM;
	sigset_t all;
	sigset_t old;
	int fds[2];

	split(line, copy, sizeof(copy), argv);
	/* The child must not meet a signal while it still has check's handlers,
	 * which would end the test. */
	(void)sigfillset(&all);
	(void)sigprocmask(SIG_BLOCK, &all, &old);
	ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
	rig->len = 0;
	rig->text[0] = '\0';
	rig->pid = fork();
	if (rig->pid == 0) {
		(void)signal(SIGINT, SIG_DFL);
		(void)signal(SIGTERM, SIG_DFL);
		(void)sigprocmask(SIG_SETMASK, &old, NULL);
		(void)dup2(fds[1], STDOUT_FILENO);
		(void)dup2(fds[1], STDERR_FILENO);
		if (rig->plain && !become_plain(program))
			_exit(RIG_NO_WAY);
		(void)execv(program, argv);
		_exit(99);
	}
	(void)sigprocmask(SIG_SETMASK, &old, NULL);
	ck_assert_int_gt(rig->pid, 0);
	(void)close(fds[1]);
	rig->fd = fds[0];
}

/* False at the end of what it says. */
static bool read_some(struct rig *rig, uint64_t deadline_ns)
{
	struct pollfd ready = { .fd = rig->fd, .events = POLLIN };
	uint64_t now = rf_clock_ns();
	ssize_t n;

	if (now >= deadline_ns ||
	    poll(&ready, 1, (int)((deadline_ns - now) / 1000000 + 1)) == 0) {
		(void)kill(rig->pid, SIGKILL);
		ck_abort_msg("nothing more was said, after:\n%s", rig->text);
	}
	n = read(rig->fd, rig->text + rig->len,
		 sizeof(rig->text) - 1 - rig->len);
	if (n <= 0)
		return false;
	rig->len += (size_t)n;
	rig->text[rig->len] = '\0';
	return true;
}

bool rig_says(const struct rig *rig, const char *says)
{
	return strstr(rig->text, says) != NULL;
}

void rig_await(struct rig *rig, const char *says)
{
	const uint64_t deadline = rf_clock_ns() + LIMIT_S * 1000000000ull;

	while (!rig_says(rig, says)) {
		if (!read_some(rig, deadline))
			ck_abort_msg("ended without \"%s\", after:\n%s", says,
				     rig->text);
	}
}

int rig_end(struct rig *rig)
{
	const uint64_t deadline = rf_clock_ns() +
				  3ull * LIMIT_S * 1000000000ull;
	int status;

	while (read_some(rig, deadline))
		;
	(void)close(rig->fd);
	ck_assert_int_eq(waitpid(rig->pid, &status, 0), rig->pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

int rig_run(struct rig *rig, const char *line)
{
	rig_start(rig, line);
	return rig_end(rig);
}

size_t rig_children(const struct rig *rig, pid_t *out, size_t cap)
{
	char path[64];
	char text[1024];
	char *at = text;
	char *end;
	size_t nr = 0;
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%d/task/%d/children",
		       rig->pid, rig->pid);
	f = fopen(path, "re");
	ck_assert_ptr_nonnull(f);
	if (!fgets(text, sizeof(text), f))
		text[0] = '\0';
	(void)fclose(f);
	while (nr < cap) {
		long pid = strtol(at, &end, 10);

		if (end == at)
			break;
		out[nr++] = (pid_t)pid;
		at = end;
	}
	return nr;
}

pid_t rig_child(const struct rig *rig, const char *name)
{
	pid_t kids[RIG_KIDS_MAX];
	size_t nr = rig_children(rig, kids, RIG_KIDS_MAX);
	char path[64];
	char comm[32];
	size_t i;

	for (i = 0; i < nr; i++) {
		FILE *f;

		(void)snprintf(path, sizeof(path), "/proc/%d/comm", kids[i]);
		f = fopen(path, "re");
		if (!f)
			continue;
		if (!fgets(comm, sizeof(comm), f))
			comm[0] = '\0';
		(void)fclose(f);
		comm[strcspn(comm, "\n")] = '\0';
		if (strcmp(comm, name) == 0)
			return kids[i];
	}
	ck_abort_msg("no child %s, after:\n%s", name, rig->text);
	return -1;
}

bool rig_is_gone(pid_t pid)
{
	int i;

	for (i = 0; i < 200; i++) {
		(void)waitpid(pid, NULL, WNOHANG | __WALL);
		if (kill(pid, 0) < 0 && errno == ESRCH)
			return true;
		(void)usleep(10000);
	}
	return false;
}

size_t rig_mounts(void)
{
	FILE *f = fopen("/proc/self/mountinfo", "re");
	size_t nr = 0;
	int c;

	ck_assert_ptr_nonnull(f);
	while ((c = fgetc(f)) != EOF)
		nr += c == '\n';
	(void)fclose(f);
	return nr;
}

/* Outside of any test, so without check's assertions. */
static size_t read_probe(char *text, size_t cap)
{
	size_t len = 0;
	ssize_t n = 1;
	int fds[2];
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return 0;
	pid = fork();
	if (pid == 0) {
		(void)dup2(fds[1], STDOUT_FILENO);
		(void)execl(PROGRAM, PROGRAM, "probe", (char *)NULL);
		_exit(99);
	}
	(void)close(fds[1]);
	while (n > 0 && len < cap - 1) {
		n = read(fds[0], text + len, cap - 1 - len);
		len += n > 0 ? (size_t)n : 0;
	}
	(void)close(fds[0]);
	(void)waitpid(pid, NULL, 0);
	text[len] = '\0';
	return len;
}

const char *rig_why_not(void)
{
	static char text[4096];
	const char *line;

	if (read_probe(text, sizeof(text)) == 0)
		return "`ringfence probe` does not run";
	line = strstr(text, "\nnamespaces ");
	if (line && strstr(line, " yes ") == strpbrk(line + 12, "yn") - 1)
		return NULL;
	return "no namespaces for a fence here";
}

bool rig_has_kvm(void)
{
	return access("/dev/kvm", R_OK | W_OK) == 0;
}
