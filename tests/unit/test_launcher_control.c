/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * test_launcher_control.c - twin of src/launcher/control.c: its end and the
 * asker's, and the sentences of both
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <ringfence/control.h>

#include "launcher/control.h"
#include "unit/unit.h"

static char dir[] = "/tmp/test_control.XXXXXX";
static char path[64];
static struct rf_socket ctl;
static struct complaint c;
static struct rf_limits first, third;
static struct rf_limits *const pages[] = { &first, NULL, &third };

static void setup(void)
{
	(void)snprintf(dir, sizeof(dir), "/tmp/test_control.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	(void)snprintf(path, sizeof(path), "%s/vm", dir);
	memset(&first, 0, sizeof(first));
	memset(&third, 0, sizeof(third));
	ck_assert_msg(control_open(&ctl, path, &c) == 0, "%s", c.text);
}

static void teardown(void)
{
	rf_socket_close(&ctl);
	ck_assert_int_eq(access(path, F_OK), -1);
	ck_assert_int_eq(rmdir(dir), 0);
}

/* The launcher's turn, played until the asker has its answer. */
static void *serve(void *nothing)
{
	(void)nothing;
	while (!rf_control_serve(ctl.sock, pages, RF_ARRAY_LEN(pages)))
		usleep(1000);
	return NULL;
}

static int ask(struct rf_control_msg *msg)
{
	pthread_t thread;
	int err;

	c.text[0] = '\0';
	ck_assert_int_eq(pthread_create(&thread, NULL, serve, NULL), 0);
	err = control_ask(path, msg, &c);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	return err;
}

START_TEST(what_is_asked_is_done_and_told)
{
	struct rf_control_msg msg = { .op = RF_CONTROL_SET_LIMITS,
				      .disk = 2,
				      .fields = RF_LIMIT_OPS,
				      .limits = { 11, 12, 13, 14 } };

	third.bytes_per_s = 6;
	ck_assert_msg(ask(&msg) == 0, "%s", c.text);
	ck_assert_uint_eq(third.ops_per_s, 11);
	ck_assert_uint_eq(msg.limits.ops_per_s, 11);
	ck_assert_uint_eq(msg.limits.bytes_per_s, 6);
}
END_TEST

START_TEST(a_disk_that_is_not_there_is_named)
{
	static const uint32_t disks[] = { 1, 3, UINT32_MAX };
	size_t i;

	for (i = 0; i < RF_ARRAY_LEN(disks); i++) {
		struct rf_control_msg msg = { .op = RF_CONTROL_SET_LIMITS,
					      .disk = disks[i],
					      .fields = RF_LIMIT_ALL };

		ck_assert_int_eq(ask(&msg), -EINVAL);
		ck_assert_msg(strstr(c.text, "there is no disk") != NULL, "%s",
			      c.text);
	}
}
END_TEST

START_TEST(what_is_no_request_is_refused)
{
	struct rf_control_msg bad_op = { .op = 3 };
	struct rf_control_msg bad_field = { .op = RF_CONTROL_SET_LIMITS,
					    .fields = 16 };
	struct rf_control_msg bad_rate = { .op = RF_CONTROL_SET_LIMITS,
					   .fields = RF_LIMIT_OPS,
					   .limits = { RF_RATE_MAX + 1, 0, 0,
						       0 } };

	ck_assert_int_eq(ask(&bad_op), -EINVAL);
	ck_assert_int_eq(ask(&bad_field), -EINVAL);
	ck_assert_int_eq(ask(&bad_rate), -EINVAL);
	ck_assert_uint_eq(first.ops_per_s, 0);
}
END_TEST

START_TEST(a_living_one_is_left_alone_and_a_dead_one_replaced)
{
	struct rf_socket second;

	ck_assert_int_eq(control_open(&second, path, &c), -EINVAL);
	ck_assert_msg(strstr(c.text, "listens there") != NULL, "%s", c.text);
	ck_assert_int_eq(access(path, F_OK), 0);
	/* Killed: the name stays behind. */
	rf_fd_close(&ctl.sock);
	ck_assert_msg(control_open(&second, path, &c) == 0, "%s", c.text);
	rf_fd_close(&ctl.dir);
	ctl = second;
}
END_TEST

START_TEST(a_file_of_somebody_elses_stays)
{
	struct rf_socket second;
	char file[80];
	int fd;

	(void)snprintf(file, sizeof(file), "%s/file", dir);
	fd = open(file, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(control_open(&second, file, &c), -EINVAL);
	ck_assert_int_eq(access(file, F_OK), 0);
	close(fd);
	unlink(file);
}
END_TEST

START_TEST(paths_that_cannot_be_are_named)
{
	struct rf_control_msg msg = { .op = RF_CONTROL_GET_LIMITS };
	struct rf_socket second;
	char longest[200];

	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	ck_assert_int_eq(control_open(&second, longest, &c), -EINVAL);
	ck_assert_msg(strstr(c.text, "1 to 107 bytes") != NULL, "%s", c.text);
	ck_assert_int_eq(control_open(&second, "/no/such/dir/x", &c), -EINVAL);
	ck_assert_int_eq(control_ask("/no/such/socket", &msg, &c), -EINVAL);
	ck_assert_msg(strstr(c.text, "nobody listens there") != NULL, "%s",
		      c.text);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		what_is_asked_is_done_and_told,
		a_disk_that_is_not_there_is_named,
		what_is_no_request_is_refused,
		a_living_one_is_left_alone_and_a_dead_one_replaced,
		a_file_of_somebody_elses_stays,
		paths_that_cannot_be_are_named,
	};
	Suite *suite = suite_create("control");
	TCase *tcase = tcase_create("control");
	SRunner *runner;
	size_t i;
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	for (i = 0; i < RF_ARRAY_LEN(tests); i++)
		tcase_add_test(tcase, tests[i]);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
