/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * test_terminal.c - the real `ringfence run` on a terminal, and the terminal
 *                   afterwards
 *
 * The launcher's standard input is a pseudo terminal that is its controlling
 * one; what it and the guest say comes through a pipe.
 *
 * Side:    test.
 * Owns:    one launcher at a time, and a file that is its kernel.
 * Callers: ctest; skipped without /dev/kvm.
 * Never:   waits without a limit.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "unit/pvh_kernel.h"
#include "unit/unit.h"

#define WAIT_NS 20000000000ull

static char kernel[32];
static bool no_kernel; /* what make_kernel() makes is none */
static pid_t pid;
static int terminal; /* our end */
static int out;
static char text[65536];
static size_t used;

/* Listens, says "!" and then back what it hears, until that is a 'q'. */
static const uint8_t echo[] = {
	0x66, 0xba, 0xf9, 0x03, /* mov dx, 0x3f9 */
	0xb0, 0x01, 0xee,	/* IER: data */
	0x66, 0xba, 0xf8, 0x03, /* mov dx, 0x3f8 */
	0xb0, '!',  0xee,	/* '!' */
	0xb0, '\n', 0xee,	/* a line */
	0x66, 0xba, 0xfd, 0x03, /* again: mov dx, 0x3fd */
	0xec,			/* in al, dx */
	0xa8, 0x01,		/* test al, 1 */
	0x74, 0xf7,		/* jz again */
	0x66, 0xba, 0xf8, 0x03, /* mov dx, 0x3f8 */
	0xec, 0xee,		/* in al, dx; out dx, al */
	0x3c, 'q',		/* cmp al, 'q' */
	0x75, 0xed,		/* jne again */
	0xb0, 11,   0xe6, 0xf4, /* end, status 11 */
};

static void make_kernel(void)
{
	static uint8_t file[PVH_KERNEL_BYTES];
	int fd;

	memcpy(kernel, "/tmp/test_terminal.XXXXXX", 26);
	fd = mkostemp(kernel, O_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	pvh_kernel_make32(file, echo, sizeof(echo));
	if (no_kernel)
		memset(file, 'x', 4);
	ck_assert_int_eq(write(fd, file, sizeof(file)), sizeof(file));
	close(fd);
}

static void run(int in, int say, bool controlling, const char *console)
{
	(void)setsid();
	if (controlling)
		(void)ioctl(in, TIOCSCTTY, 0);
	(void)dup2(in, STDIN_FILENO);
	(void)dup2(say, STDOUT_FILENO);
	(void)dup2(say, STDERR_FILENO);
	(void)execl(RF_TEST_BIN_DIR "/ringfence", "ringfence", "run",
		    "--kernel", kernel, "--memory", "16M", console, NULL);
	_exit(99);
}

static void start(int in, bool controlling, const char *console)
{
	int fds[2];

	used = 0;
	make_kernel();
	ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0)
		run(in, fds[1], controlling, console);
	close(fds[1]);
	out = fds[0];
}

static void start_on_terminal(void)
{
	int slave;

	terminal = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	ck_assert_int_ge(terminal, 0);
	ck_assert_int_eq(grantpt(terminal), 0);
	ck_assert_int_eq(unlockpt(terminal), 0);
	slave = open(ptsname(terminal), O_RDWR | O_NOCTTY | O_CLOEXEC);
	ck_assert_int_ge(slave, 0);
	start(slave, true, NULL);
	close(slave);
}

static void take(void)
{
	struct pollfd wait = { .fd = out, .events = POLLIN };
	ssize_t n;

	if (poll(&wait, 1, 10) <= 0)
		return;
	n = read(out, text + used, sizeof(text) - 1 - used);
	if (n > 0)
		used += (size_t)n;
	text[used] = '\0';
}

static void await(const char *what)
{
	const uint64_t until = rf_clock_ns() + WAIT_NS;

	text[used] = '\0';
	while (!strstr(text, what) && rf_clock_ns() < until)
		take();
	ck_assert_msg(strstr(text, what) != NULL, "never \"%s\":\n%s", what,
		      text);
}

static struct termios look(void)
{
	struct termios t;

	ck_assert_int_eq(tcgetattr(terminal, &t), 0);
	return t;
}

static void type(const char *keys, size_t len)
{
	ck_assert_int_eq(write(terminal, keys, len), (ssize_t)len);
}

/* It ends with this status, and the terminal is as before. */
static void expect_end(int status, const struct termios *before)
{
	const uint64_t until = rf_clock_ns() + WAIT_NS;
	struct termios after;
	int found = 0;
	pid_t ended;

	do {
		take();
		ended = waitpid(pid, &found, WNOHANG);
	} while (ended == 0 && rf_clock_ns() < until);
	take();
	(void)unlink(kernel);
	ck_assert_msg(ended == pid, "it never ended:\n%s", text);
	ck_assert_msg(WIFEXITED(found) && WEXITSTATUS(found) == status,
		      "0x%x, not %d:\n%s", found, status, text);
	close(out);
	if (!before)
		return;
	after = look();
	ck_assert_uint_eq(after.c_iflag, before->c_iflag);
	ck_assert_uint_eq(after.c_oflag, before->c_oflag);
	ck_assert_uint_eq(after.c_cflag, before->c_cflag);
	ck_assert_uint_eq(after.c_lflag, before->c_lflag);
	ck_assert_mem_eq(after.c_cc, before->c_cc, sizeof(after.c_cc));
	close(terminal);
}

/* Up to the guest's first word; returns the terminal as it was. */
static struct termios begin(void)
{
	struct termios before, now;

	start_on_terminal();
	before = look();
	await("!");
	now = look();
	ck_assert(before.c_lflag & ICANON);
	ck_assert(!(now.c_lflag & (ICANON | ECHO | ISIG)));
	ck_assert_uint_eq(now.c_oflag, before.c_oflag);
	return before;
}

START_TEST(keys_reach_the_guest_and_its_end_restores_the_terminal)
{
	struct termios before = begin();

	type("hi", 2);
	await("hi");
	type("\r\x03\x1a", 3); /* as they are: no signal, no newline */
	await("hi\r\x03\x1a");
	type("q", 1);
	expect_end(11, &before);
}
END_TEST

START_TEST(the_escape_ends_it)
{
	struct termios before = begin();

	type("\x01?", 2);
	await("Ctrl-A x ends");
	type("\x01"
	     "a",
	     2);
	await("\x01");
	type("\x01x", 2);
	expect_end(0, &before);
}
END_TEST

START_TEST(signals_end_it_in_order)
{
	static const int signals[] = { SIGTERM, SIGINT,	 SIGHUP,
				       SIGQUIT, SIGUSR1, SIGALRM };
	size_t i;

	for (i = 0; i < RF_ARRAY_LEN(signals); i++) {
		struct termios before = begin();

		ck_assert_int_eq(kill(pid, signals[i]), 0);
		expect_end(128 + signals[i], &before);
	}
}
END_TEST

static pid_t first_child(void)
{
	char path[64];
	char line[64] = "";
	FILE *file;

	(void)snprintf(path, sizeof(path), "/proc/%d/task/%d/children",
		       (int)pid, (int)pid);
	file = fopen(path, "re");
	ck_assert_ptr_nonnull(file);
	ck_assert_ptr_nonnull(fgets(line, sizeof(line), file));
	(void)fclose(file);
	return (pid_t)strtol(line, NULL, 10);
}

START_TEST(the_death_of_the_vcpu_process_restores_it_too)
{
	struct termios before = begin();

	ck_assert_int_eq(kill(first_child(), SIGKILL), 0);
	expect_end(1, &before);
	ck_assert_ptr_nonnull(strstr(text, "killed by signal 9"));
}
END_TEST

START_TEST(a_refused_kernel_leaves_the_terminal_alone)
{
	struct termios before;

	no_kernel = true;
	start_on_terminal();
	before = look();
	expect_end(1, &before);
	ck_assert_ptr_nonnull(strstr(text, "kernel: it is neither"));
}
END_TEST

START_TEST(a_pipe_is_heard_if_asked_for)
{
	int fds[2];

	ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
	ck_assert_int_eq(write(fds[1], "pipe, q", 7), 7);
	close(fds[1]);
	start(fds[0], false, "--console");
	close(fds[0]);
	await("!\npipe, q");
	expect_end(11, NULL);
}
END_TEST

START_TEST(a_pipe_is_left_alone_if_not)
{
	char byte;
	int fds[2];

	ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
	ck_assert_int_eq(write(fds[1], "q", 1), 1);
	close(fds[1]);
	start(fds[0], false, NULL);
	await("!");
	ck_assert_int_eq(kill(pid, SIGTERM), 0);
	expect_end(128 + SIGTERM, NULL);
	ck_assert_int_eq(read(fds[0], &byte, 1), 1);
	close(fds[0]);
}
END_TEST

/* A bare root may have no devpts. */
static bool has_terminals(void)
{
	rf_autofd fd = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);

	return fd >= 0;
}

int main(void)
{
	/* Those that need no terminal first. */
	const TTest *const tests[] = {
		a_pipe_is_heard_if_asked_for,
		a_pipe_is_left_alone_if_not,
		keys_reach_the_guest_and_its_end_restores_the_terminal,
		the_escape_ends_it,
		signals_end_it_in_order,
		the_death_of_the_vcpu_process_restores_it_too,
		a_refused_kernel_leaves_the_terminal_alone,
	};
	size_t nr = RF_ARRAY_LEN(tests);

	if (access("/dev/kvm", R_OK | W_OK) < 0)
		return unit_skip("terminal", "no access to /dev/kvm");
	if (!has_terminals()) {
		printf("skipped: terminal: no pseudo-terminals here: mount "
		       "devpts at /dev/pts\n");
		nr = 2;
	}
	return unit_run("terminal", tests, nr);
}
