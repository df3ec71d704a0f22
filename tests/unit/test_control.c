/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * test_control.c - twin of src/base/control.c: requests as they should be, and
 * all that somebody may send in their place
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <ringfence/control.h>

#include "unit/unit.h"

static int ours; /* who is asked */
static int theirs;
static struct rf_limits first, third;
static struct rf_limits *const pages[] = { &first, NULL, &third };

static void make_pair(void)
{
	int fds[2];

	ck_assert_int_eq(
		socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, fds), 0);
	ours = fds[0];
	theirs = fds[1];
}

static void drop_pair(void)
{
	close(ours);
	close(theirs);
}

static bool serve(void)
{
	return rf_control_serve(ours, pages, RF_ARRAY_LEN(pages));
}

/* Nothing of it has been stored anywhere. */
static void nothing_is_set(void)
{
	static const struct rf_limits none;

	ck_assert_mem_eq(&first, &none, sizeof(none));
	ck_assert_mem_eq(&third, &none, sizeof(none));
}

/* Ask, be answered, and nothing else. */
static int32_t ask(struct rf_control_msg *msg)
{
	char more;

	msg->magic = RF_CONTROL_MAGIC;
	ck_assert_int_eq(send(theirs, msg, sizeof(*msg), 0), sizeof(*msg));
	ck_assert(serve());
	ck_assert_int_eq(recv(theirs, msg, sizeof(*msg), 0), sizeof(*msg));
	ck_assert_int_eq(recv(theirs, &more, 1, 0), -1);
	ck_assert_uint_eq(msg->magic, RF_CONTROL_MAGIC);
	return msg->error;
}

START_TEST(named_limits_are_set_and_others_kept)
{
	struct rf_control_msg msg = {
		.op = RF_CONTROL_SET_LIMITS,
		.disk = 2,
		.fields = RF_LIMIT_OPS | RF_LIMIT_BYTES_BURST,
		.limits = { 11, 12, 13, RF_RATE_MAX },
	};

	make_pair();
	third.ops_burst = 5;
	third.bytes_per_s = 6;
	ck_assert_int_eq(ask(&msg), 0);
	ck_assert_uint_eq(third.ops_per_s, 11);
	ck_assert_uint_eq(third.ops_burst, 5);
	ck_assert_uint_eq(third.bytes_per_s, 6);
	ck_assert_uint_eq(third.bytes_burst, RF_RATE_MAX);
	ck_assert_uint_eq(first.ops_per_s, 0);
	/* The answer is what holds now. */
	ck_assert_uint_eq(msg.op, RF_CONTROL_SET_LIMITS);
	ck_assert_uint_eq(msg.limits.ops_per_s, 11);
	ck_assert_uint_eq(msg.limits.ops_burst, 5);
	drop_pair();
}
END_TEST

START_TEST(looking_changes_nothing)
{
	struct rf_control_msg msg = { .op = RF_CONTROL_GET_LIMITS,
				      .fields = RF_LIMIT_ALL,
				      .limits = { 1, 1, 1, 1 } };

	make_pair();
	ck_assert_int_eq(ask(&msg), 0);
	ck_assert_uint_eq(msg.limits.bytes_per_s, 0);
	nothing_is_set();
	drop_pair();
}
END_TEST

START_TEST(what_is_no_request_is_refused)
{
	static const struct {
		struct rf_control_msg msg;
		int32_t error;
	} bad[] = {
		{ { .op = 0 }, -ENOTSUP },
		{ { .op = 3 }, -ENOTSUP },
		{ { .op = UINT32_MAX }, -ENOTSUP },
		{ { .op = RF_CONTROL_SET_LIMITS, .disk = 1 }, -ENODEV },
		{ { .op = RF_CONTROL_SET_LIMITS, .disk = 3 }, -ENODEV },
		{ { .op = RF_CONTROL_GET_LIMITS, .disk = UINT32_MAX },
		  -ENODEV },
		{ { .op = RF_CONTROL_SET_LIMITS, .fields = 16 }, -EINVAL },
		{ { .op = RF_CONTROL_SET_LIMITS,
		    .fields = RF_LIMIT_ALL | 1u << 31 },
		  -EINVAL },
		/* Whether or not it would be stored. */
		{ { .op = RF_CONTROL_SET_LIMITS,
		    .fields = RF_LIMIT_BYTES,
		    .limits = { .ops_per_s = RF_RATE_MAX + 1 } },
		  -EINVAL },
		{ { .op = RF_CONTROL_SET_LIMITS,
		    .fields = RF_LIMIT_ALL,
		    .limits = { .bytes_burst = UINT64_MAX } },
		  -EINVAL },
	};
	size_t i;

	make_pair();
	for (i = 0; i < RF_ARRAY_LEN(bad); i++) {
		struct rf_control_msg msg = bad[i].msg;

		ck_assert_msg(ask(&msg) == bad[i].error, "%zu: %d", i,
			      msg.error);
	}
	nothing_is_set();
	drop_pair();
}
END_TEST

/* Short, long, without our mark: taken from the queue, never answered. */
START_TEST(noise_is_passed_over)
{
	const struct rf_control_msg msg = { .magic = RF_CONTROL_MAGIC,
					    .op = RF_CONTROL_SET_LIMITS,
					    .fields = RF_LIMIT_ALL,
					    .limits = { 1, 1, 1, 1 } };
	char noise[sizeof(msg) + 1] = { 0 };
	int i;

	make_pair();
	memcpy(noise, &msg, sizeof(msg));
	ck_assert_int_gt(send(theirs, noise, sizeof(noise), 0), 0);
	ck_assert_int_gt(send(theirs, noise, sizeof(msg) - 1, 0), 0);
	ck_assert_int_ge(send(theirs, noise, 0, 0), 0);
	noise[0] ^= 1;
	ck_assert_int_gt(send(theirs, noise, sizeof(msg), 0), 0);
	for (i = 0; i < 4; i++)
		ck_assert(serve());
	ck_assert(!serve());
	ck_assert_int_eq(recv(theirs, noise, 1, 0), -1);
	nothing_is_set();
	drop_pair();
}
END_TEST

/* Descriptors sent along are not taken: the kernel closes them. */
START_TEST(descriptors_sent_along_are_not_received)
{
	struct rf_control_msg msg = { .magic = RF_CONTROL_MAGIC,
				      .op = RF_CONTROL_GET_LIMITS };
	struct iovec iov = { &msg, sizeof(msg) };
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} along = { .bytes = { 0 } };
	struct msghdr hdr = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = along.bytes,
			      .msg_controllen = sizeof(along.bytes) };
	struct cmsghdr *head = CMSG_FIRSTHDR(&hdr);
	int ends[2];
	int next;
	char byte;

	make_pair();
	ck_assert_int_eq(pipe(ends), 0);
	head->cmsg_level = SOL_SOCKET;
	head->cmsg_type = SCM_RIGHTS;
	head->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(head), &ends[1], sizeof(int));
	ck_assert_int_eq(sendmsg(theirs, &hdr, 0), sizeof(msg));
	close(ends[1]);
	next = ends[1];
	ck_assert(serve());
	/* The pipe has lost its only writer. */
	ck_assert_int_eq(read(ends[0], &byte, 1), 0);
	ck_assert_int_eq(fcntl(next, F_GETFD), -1);
	close(ends[0]);
	drop_pair();
}
END_TEST

/* A request without an address to answer to is done; nobody waits. */
START_TEST(an_asker_without_a_name_does_no_harm)
{
	struct rf_control_msg msg = { .magic = RF_CONTROL_MAGIC,
				      .op = RF_CONTROL_SET_LIMITS,
				      .fields = RF_LIMIT_OPS,
				      .limits = { 4, 0, 0, 0 } };

	make_pair();
	ck_assert_int_gt(send(theirs, &msg, sizeof(msg), 0), 0);
	close(theirs);
	ck_assert(serve());
	ck_assert_uint_eq(first.ops_per_s, 4);
	ck_assert(!serve());
	close(ours);
}
END_TEST

/* Who never reads his answers loses them, and holds nobody up. */
START_TEST(answers_that_find_no_room_are_dropped)
{
	struct rf_control_msg msg = { .magic = RF_CONTROL_MAGIC,
				      .op = RF_CONTROL_GET_LIMITS };
	int i;

	make_pair();
	for (i = 0; i < 2000; i++) {
		ck_assert_int_gt(send(theirs, &msg, sizeof(msg), 0), 0);
		ck_assert(serve());
	}
	drop_pair();
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		named_limits_are_set_and_others_kept,
		looking_changes_nothing,
		what_is_no_request_is_refused,
		noise_is_passed_over,
		descriptors_sent_along_are_not_received,
		an_asker_without_a_name_does_no_harm,
		answers_that_find_no_room_are_dropped,
	};

	return unit_run("control", tests, RF_ARRAY_LEN(tests));
}
