/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * test_who.c - twin of src/launcher/who.c, on children it knows everything of
 */
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "launcher/who.h"
#include "unit/unit.h"

static struct text t;

static const char *describe(pid_t pid, bool is_self)
{
	t.len = 0;
	who_describe(&t, "child", pid, is_self);
	t.bytes[t.len] = '\0';
	return t.bytes;
}

/* A child that holds what `prepare` leaves it and waits to be killed. */
static pid_t make_child(void (*prepare)(void))
{
	char byte;
	int fds[2];
	pid_t pid;

	ck_assert_int_eq(pipe(fds), 0);
	pid = fork();
	if (pid == 0) {
		(void)dup2(fds[1], 200);
		(void)close_range(0, 199, 0);
		(void)close_range(201, ~0u, 0);
		prepare();
		if (write(200, "x", 1) != 1)
			_exit(1);
		(void)close(200);
		for (;;)
			(void)pause();
	}
	(void)close(fds[1]);
	ck_assert_int_eq(read(fds[0], &byte, 1), 1);
	(void)close(fds[0]);
	/* Closed right after the byte: give it a moment. */
	(void)usleep(20000);
	return pid;
}

static void end_child(pid_t pid)
{
	ck_assert_int_eq(kill(pid, SIGKILL), 0);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
}

static void hold_some(void)
{
	int fd = open("/dev/null", O_RDONLY);
	int i;

	(void)dup2(fd, 3);
	(void)close(fd);
	for (i = 10; i < 14; i++) {
		fd = eventfd(0, 0);
		(void)dup2(fd, i);
		if (fd != i)
			(void)close(fd);
	}
}

START_TEST(descriptors_are_shown_in_runs)
{
	pid_t pid = make_child(hold_some);
	const char *text = describe(pid, false);

	ck_assert_msg(
		strstr(text, "descriptors: 3 /dev/null, 10-13 eventfd\n") !=
			NULL,
		"%s", text);
	ck_assert_ptr_nonnull(strstr(text, "own namespaces none"));
	ck_assert_ptr_nonnull(strstr(text, "filters 0"));
	end_child(pid);
}
END_TEST

static void hold_escape(void)
{
	(void)open("/tmp/test_who\x1b[2J", O_CREAT | O_RDONLY, 0600);
	(void)unlink("/tmp/test_who\x1b[2J");
}

START_TEST(names_of_files_drive_no_terminal)
{
	pid_t pid = make_child(hold_escape);
	const char *text = describe(pid, false);

	ck_assert_ptr_null(strchr(text, '\x1b'));
	ck_assert_msg(strstr(text, "/tmp/test_who?[2J") != NULL, "%s", text);
	end_child(pid);
}
END_TEST

START_TEST(a_process_that_is_gone_is_said_to_be)
{
	pid_t pid = make_child(hold_some);

	end_child(pid);
	ck_assert_ptr_nonnull(strstr(describe(pid, false), "gone"));
}
END_TEST

START_TEST(ourselves_are_not_compared_with_ourselves)
{
	const char *text = describe(getpid(), true);

	ck_assert_ptr_null(strstr(text, "namespaces"));
	ck_assert_ptr_null(strstr(text, "descriptors"));
	ck_assert_ptr_nonnull(strstr(text, "uid "));
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		descriptors_are_shown_in_runs,
		names_of_files_drive_no_terminal,
		a_process_that_is_gone_is_said_to_be,
		ourselves_are_not_compared_with_ourselves,
	};

	return unit_run("who", tests, RF_ARRAY_LEN(tests));
}
