/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * test_control.c - twin of src/launcher/control.c
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <ringfence/limits.h>

#include "launcher/control.h"
#include "unit/unit.h"

static char dir[] = "/tmp/test_control.XXXXXX";
static char path[64];
static struct control ctl;
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
	control_close(&ctl);
	ck_assert_int_eq(access(path, F_OK), -1);
	ck_assert_int_eq(rmdir(dir), 0);
}

/* The launcher's turn, played until the asker has its answer. */
static void *serve(void *nothing)
{
	(void)nothing;
	while (!control_serve(&ctl, pages, RF_ARRAY_LEN(pages)))
		usleep(1000);
	return NULL;
}

static int ask(struct control_msg *msg)
{
	pthread_t thread;
	int err;

	c.text[0] = '\0';
	ck_assert_int_eq(pthread_create(&thread, NULL, serve, NULL), 0);
	err = control_ask(path, msg, &c);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	return err;
}

START_TEST(named_limits_are_set_and_others_kept)
{
	struct control_msg msg = {
		.op = CONTROL_SET_LIMITS,
		.disk = 2,
		.fields = CONTROL_OPS | CONTROL_BYTES_BURST,
		.limits = { 11, 12, 13, 14 },
	};

	third.ops_burst = 5;
	third.bytes_per_s = 6;
	ck_assert_msg(ask(&msg) == 0, "%s", c.text);
	ck_assert_uint_eq(third.ops_per_s, 11);
	ck_assert_uint_eq(third.ops_burst, 5);
	ck_assert_uint_eq(third.bytes_per_s, 6);
	ck_assert_uint_eq(third.bytes_burst, 14);
	ck_assert_uint_eq(first.ops_per_s, 0);
	/* The answer is what holds now. */
	ck_assert_uint_eq(msg.limits.ops_per_s, 11);
	ck_assert_uint_eq(msg.limits.ops_burst, 5);
}
END_TEST

START_TEST(looking_changes_nothing)
{
	struct control_msg msg = { .op = CONTROL_GET_LIMITS,
				   .fields = CONTROL_ALL,
				   .limits = { 1, 1, 1, 1 } };

	first.bytes_per_s = 77;
	ck_assert_int_eq(ask(&msg), 0);
	ck_assert_uint_eq(msg.limits.bytes_per_s, 77);
	ck_assert_uint_eq(first.ops_per_s, 0);
}
END_TEST

START_TEST(a_disk_that_is_not_there_is_named)
{
	static const uint32_t disks[] = { 1, 3, UINT32_MAX };
	size_t i;

	for (i = 0; i < RF_ARRAY_LEN(disks); i++) {
		struct control_msg msg = { .op = CONTROL_SET_LIMITS,
					   .disk = disks[i],
					   .fields = CONTROL_ALL };

		ck_assert_int_eq(ask(&msg), -EINVAL);
		ck_assert_msg(strstr(c.text, "has no disk") != NULL, "%s",
			      c.text);
	}
}
END_TEST

START_TEST(what_is_no_request_is_refused)
{
	struct control_msg bad_op = { .op = 3 };
	struct control_msg bad_field = { .op = CONTROL_SET_LIMITS,
					 .fields = 16 };
	struct control_msg bad_rate = { .op = CONTROL_SET_LIMITS,
					.fields = CONTROL_OPS,
					.limits = { DISK_RATE_MAX + 1, 0, 0,
						    0 } };

	ck_assert_int_eq(ask(&bad_op), -EINVAL);
	ck_assert_int_eq(ask(&bad_field), -EINVAL);
	ck_assert_int_eq(ask(&bad_rate), -EINVAL);
	ck_assert_uint_eq(first.ops_per_s, 0);
}
END_TEST

/* Short, long, without our mark: taken from the queue, never answered. */
START_TEST(noise_is_passed_over)
{
	struct control_msg msg = { .magic = CONTROL_MAGIC,
				   .op = CONTROL_SET_LIMITS,
				   .fields = CONTROL_ALL,
				   .limits = { 1, 1, 1, 1 } };
	char noise[sizeof(msg) + 1];
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int i;

	memcpy(name.sun_path, path, strlen(path) + 1);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&name, sizeof(name)),
			 0);
	memset(noise, 0, sizeof(noise));
	memcpy(noise, &msg, sizeof(msg));
	ck_assert_int_gt(send(fd, noise, sizeof(noise), 0), 0);
	ck_assert_int_gt(send(fd, noise, sizeof(msg) - 1, 0), 0);
	ck_assert_int_ge(send(fd, noise, 0, 0), 0);
	noise[0] ^= 1;
	ck_assert_int_gt(send(fd, noise, sizeof(msg), 0), 0);
	for (i = 0; i < 4; i++)
		ck_assert(control_serve(&ctl, pages, RF_ARRAY_LEN(pages)));
	ck_assert(!control_serve(&ctl, pages, RF_ARRAY_LEN(pages)));
	ck_assert_uint_eq(first.ops_per_s, 0);
	close(fd);
}
END_TEST

/* A request without an address to answer to is done; nobody waits. */
START_TEST(an_asker_without_a_name_does_no_harm)
{
	struct control_msg msg = { .magic = CONTROL_MAGIC,
				   .op = CONTROL_SET_LIMITS,
				   .fields = CONTROL_OPS,
				   .limits = { 4, 0, 0, 0 } };
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	memcpy(name.sun_path, path, strlen(path) + 1);
	ck_assert_int_gt(sendto(fd, &msg, sizeof(msg), 0,
				(struct sockaddr *)&name, sizeof(name)),
			 0);
	ck_assert(control_serve(&ctl, pages, RF_ARRAY_LEN(pages)));
	ck_assert_uint_eq(first.ops_per_s, 4);
	close(fd);
}
END_TEST

START_TEST(only_its_owner_may_use_it)
{
	struct stat st;

	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert(S_ISSOCK(st.st_mode));
	ck_assert_uint_eq(st.st_mode & 0777, 0600);
}
END_TEST

START_TEST(a_living_one_is_left_alone_and_a_dead_one_replaced)
{
	struct control second;

	ck_assert_int_eq(control_open(&second, path, &c), -EINVAL);
	ck_assert_msg(strstr(c.text, "in use") != NULL, "%s", c.text);
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
	struct control second;
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
	struct control_msg msg = { .op = CONTROL_GET_LIMITS };
	struct control second;
	char longest[200];

	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	ck_assert_int_eq(control_open(&second, longest, &c), -EINVAL);
	ck_assert_msg(strstr(c.text, "1 to 107 bytes") != NULL, "%s", c.text);
	ck_assert_int_eq(control_open(&second, "/no/such/dir/x", &c), -EINVAL);
	ck_assert_int_eq(control_ask("/no/such/socket", &msg, &c), -EINVAL);
	ck_assert_msg(strstr(c.text, "no VM listens there") != NULL, "%s",
		      c.text);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		named_limits_are_set_and_others_kept,
		looking_changes_nothing,
		a_disk_that_is_not_there_is_named,
		what_is_no_request_is_refused,
		noise_is_passed_over,
		an_asker_without_a_name_does_no_harm,
		only_its_owner_may_use_it,
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
