/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * test_launch_proto.c - six messages, each of one length, and nothing else
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <ringfence/doorbell.h>
#include <ringfence/fence.h>

#include "base/launch_proto.h"
#include "unit/unit.h"

static int ours;
static int theirs;

static void connect_both(int flags)
{
	int fds[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | flags, 0, fds),
			 0);
	ours = fds[0];
	theirs = fds[1];
}

static void send_raw(const void *bytes, size_t len)
{
	ck_assert_int_eq(send(theirs, bytes, len, 0), (ssize_t)len);
}

START_TEST(each_message_arrives_as_it_was_sent)
{
	static const struct launch_msg good[] = {
		{ LAUNCH_READY, RF_DOORBELL_EXIT },
		{ LAUNCH_READY, 0 },
		{ LAUNCH_GO, 0 },
		{ LAUNCH_PREPARED, 0 },
		{ LAUNCH_ENDED, 0 },
		{ LAUNCH_ENDED, 255 },
		{ LAUNCH_DEVICE_GONE, RF_FENCE_DEVICES_MAX - 1 },
		{ LAUNCH_DEVICE_DEAD, 0 },
		{ LAUNCH_DEVICE_DEAD, RF_FENCE_DEVICES_MAX - 1 },
	};
	size_t i;

	connect_both(0);
	for (i = 0; i < RF_ARRAY_LEN(good); i++) {
		struct launch_msg msg = { 0 };

		ck_assert_int_eq(
			launch_send(theirs, good[i].type, good[i].value), 0);
		ck_assert_int_eq(launch_recv(ours, &msg), 0);
		ck_assert_mem_eq(&msg, &good[i], sizeof(msg));
	}
}
END_TEST

START_TEST(messages_out_of_the_table_are_neither_sent_nor_taken)
{
	static const struct launch_msg bad[] = {
		{ 0, 0 },
		{ LAUNCH_READY, RF_DOORBELL_NR_KINDS },
		{ LAUNCH_READY, UINT32_MAX },
		{ LAUNCH_GO, 1 },
		{ LAUNCH_PREPARED, 1 },
		{ LAUNCH_ENDED, 256 },
		{ LAUNCH_DEVICE_GONE, RF_FENCE_DEVICES_MAX },
		{ LAUNCH_DEVICE_DEAD, RF_FENCE_DEVICES_MAX },
		{ LAUNCH_DEVICE_DEAD + 1, 0 },
		{ UINT32_MAX, 0 },
	};
	size_t i;

	connect_both(SOCK_NONBLOCK);
	for (i = 0; i < RF_ARRAY_LEN(bad); i++) {
		struct launch_msg msg = { 77, 78 };

		ck_assert_int_eq(launch_send(theirs, bad[i].type, bad[i].value),
				 -EINVAL);
		ck_assert_int_eq(launch_recv(ours, &msg), -EAGAIN);
		send_raw(&bad[i], sizeof(bad[i]));
		ck_assert_int_eq(launch_recv(ours, &msg), -EPROTO);
		ck_assert_uint_eq(msg.type, 77);
		ck_assert_uint_eq(msg.value, 78);
	}
}
END_TEST

START_TEST(other_lengths_are_refused_and_do_not_shift_the_next)
{
	const struct launch_msg go = { LAUNCH_GO, 0 };
	uint8_t bytes[64] = { 0 };
	struct launch_msg msg;
	size_t len;

	connect_both(SOCK_NONBLOCK);
	memcpy(bytes, &go, sizeof(go));
	for (len = 1; len <= sizeof(bytes); len++) {
		if (len == sizeof(go))
			continue;
		send_raw(bytes, len);
		send_raw(bytes, sizeof(go));
		ck_assert_int_eq(launch_recv(ours, &msg), -EPROTO);
		ck_assert_int_eq(launch_recv(ours, &msg), 0);
		ck_assert_uint_eq(msg.type, LAUNCH_GO);
	}
}
END_TEST

static int count_fds(void)
{
	int nr = 0;
	int fd;

	for (fd = 0; fd < 256; fd++)
		nr += fcntl(fd, F_GETFD) >= 0;
	return nr;
}

START_TEST(descriptors_sent_along_do_not_get_in)
{
	struct launch_msg msg = { LAUNCH_GO, 0 };
	struct iovec iov = { &msg, sizeof(msg) };
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { .bytes = { 0 } };
	struct msghdr hdr = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control.bytes,
			      .msg_controllen = sizeof(control.bytes) };
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&hdr);
	int before;

	connect_both(0);
	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cmsg), &theirs, sizeof(int));
	ck_assert_int_eq(sendmsg(theirs, &hdr, 0), sizeof(msg));
	before = count_fds();
	ck_assert_int_eq(launch_recv(ours, &msg), 0);
	ck_assert_int_eq(count_fds(), before);
}
END_TEST

START_TEST(peer_that_is_gone_is_a_broken_pipe_and_no_signal)
{
	struct launch_msg msg;

	connect_both(0);
	close(theirs);
	ck_assert_int_eq(launch_recv(ours, &msg), -EPIPE);
	ck_assert_int_eq(launch_send(ours, LAUNCH_GO, 0), -EPIPE);
	/* Gone with our message unread: the kernel says reset then. */
	connect_both(0);
	ck_assert_int_eq(launch_send(ours, LAUNCH_GO, 0), 0);
	close(theirs);
	ck_assert_int_eq(launch_recv(ours, &msg), -EPIPE);
}
END_TEST

START_TEST(peer_that_does_not_read_is_not_waited_for)
{
	int err;

	connect_both(SOCK_NONBLOCK);
	do
		err = launch_send(ours, LAUNCH_GO, 0);
	while (!err);
	ck_assert_int_eq(err, -EAGAIN);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		each_message_arrives_as_it_was_sent,
		messages_out_of_the_table_are_neither_sent_nor_taken,
		other_lengths_are_refused_and_do_not_shift_the_next,
		descriptors_sent_along_do_not_get_in,
		peer_that_is_gone_is_a_broken_pipe_and_no_signal,
		peer_that_does_not_read_is_not_waited_for,
	};

	return unit_run("launch_proto", tests, RF_ARRAY_LEN(tests));
}
