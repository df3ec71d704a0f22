/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * test_vhost_user.c - messages in, lies out: src/wire/vhost_user.c
 */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <time.h>

#include "unit/peer.h"
#include "unit/unit.h"
#include "wire/vhost_user.h"

#define PAYLOAD_MAX sizeof(((struct rf_vhost_user_msg *)0)->payload)
#define WIRE_MAX (PEER_HEADER_BYTES + PAYLOAD_MAX)

static struct rf_vhost_user_msg sample(uint32_t size)
{
	struct rf_vhost_user_msg msg = {
		.header = { .request = VHOST_USER_SET_MEM_TABLE,
			    .flags = VHOST_USER_VERSION_1,
			    .size = size },
	};
	uint32_t i;

	for (i = 0; i < size && i < PAYLOAD_MAX; i++)
		msg.payload.bytes[i] = (uint8_t)(i * 7 + 1);
	return msg;
}

static void sleep_ms(long ms)
{
	struct timespec t = { .tv_nsec = ms * 1000000 };

	nanosleep(&t, NULL);
}

START_TEST(message_arrives_with_payload_and_descriptors)
{
	struct rf_vhost_user_msg in, out = sample(40);
	int sv[2], before, i;

	peer_pair(sv);
	out.nr_fds = 2;
	out.fds[0] = peer_memfd();
	out.fds[1] = peer_memfd();
	before = peer_open_fds();
	ck_assert_int_eq(rf_vhost_user_send(sv[0], &out), 0);
	memset(&in, 0xff, sizeof(in));
	ck_assert_int_eq(rf_vhost_user_recv(sv[1], &in), 0);

	ck_assert_mem_eq(&in.header, &out.header, sizeof(in.header));
	ck_assert_mem_eq(&in.payload, &out.payload, 40);
	for (i = 40; i < (int)PAYLOAD_MAX; i++)
		ck_assert_uint_eq(in.payload.bytes[i], 0);
	ck_assert_uint_eq(in.nr_fds, 2);
	for (i = 0; i < 2; i++)
		ck_assert_int_eq(fcntl(in.fds[i], F_GETFD), FD_CLOEXEC);
	ck_assert_int_eq(peer_open_fds(), before + 2);
	rf_vhost_user_msg_close(&in);
	ck_assert_int_eq(peer_open_fds(), before);
}
END_TEST

START_TEST(as_many_descriptors_as_fit_arrive_and_one_more_is_refused)
{
	static const size_t counts[] = { 0, 1, 7, 8, 9, 10, 64, PEER_FDS_MAX };
	uint8_t wire[WIRE_MAX];
	struct rf_vhost_user_msg in, out = sample(8);
	size_t len = peer_flatten(&out, wire), i;
	int sv[2], fd, before;

	fd = peer_memfd();
	for (i = 0; i < RF_ARRAY_LEN(counts); i++) {
		peer_pair(sv);
		before = peer_open_fds();
		ck_assert_int_eq(peer_put(sv[0], wire, len, fd, counts[i]),
				 (ssize_t)len);
		if (counts[i] <= RF_VHOST_USER_FDS_MAX) {
			ck_assert_int_eq(rf_vhost_user_recv(sv[1], &in), 0);
			ck_assert_uint_eq(in.nr_fds, counts[i]);
			rf_vhost_user_msg_close(&in);
		} else {
			ck_assert_int_eq(rf_vhost_user_recv(sv[1], &in),
					 -EPROTO);
			ck_assert_uint_eq(in.nr_fds, 0);
		}
		ck_assert_int_eq(peer_open_fds(), before);
		close(sv[0]);
		close(sv[1]);
	}
}
END_TEST

/* The kernel then cuts the control data short. */
START_TEST(descriptors_that_find_no_free_number_are_refused_and_closed)
{
	struct rlimit limit;
	struct rf_vhost_user_msg in, out = sample(8);
	uint8_t wire[WIRE_MAX];
	size_t len = peer_flatten(&out, wire);
	int sv[2], fd, before;

	peer_pair(sv);
	fd = peer_memfd();
	before = peer_open_fds();
	ck_assert_int_eq(peer_put(sv[0], wire, len, fd, 8), (ssize_t)len);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = (rlim_t)fd + 4; /* three numbers are left */
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	ck_assert_int_eq(rf_vhost_user_recv(sv[1], &in), -EPROTO);
	ck_assert_int_eq(peer_open_fds(), before);
}
END_TEST

static int recv_header(uint32_t flags, uint32_t size)
{
	struct rf_vhost_user_msg in, out = sample(8);
	uint8_t wire[PEER_HEADER_BYTES + 8];
	int sv[2], fd, before, rc;

	peer_flatten(&out, wire);
	out.header.flags = flags;
	out.header.size = size;
	memcpy(wire, &out.header, PEER_HEADER_BYTES);
	peer_pair(sv);
	fd = peer_memfd();
	before = peer_open_fds();
	ck_assert_int_eq(peer_put(sv[0], wire, sizeof(wire), fd, 1),
			 (ssize_t)sizeof(wire));
	rc = rf_vhost_user_recv(sv[1], &in);
	if (rc == 0)
		rf_vhost_user_msg_close(&in);
	ck_assert_uint_eq(in.nr_fds, 0);
	ck_assert_int_eq(peer_open_fds(), before);
	close(fd);
	close(sv[0]);
	close(sv[1]);
	return rc;
}

START_TEST(versions_and_flags_that_we_do_not_know_are_refused)
{
	uint32_t version, bit;

	for (version = 0; version < 4; version++)
		ck_assert_int_eq(recv_header(version, 8),
				 version == 1 ? 0 : -EPROTO);
	for (bit = 2; bit < 32; bit++)
		ck_assert_int_eq(recv_header(1 | UINT32_C(1) << bit, 8),
				 bit < 4 ? 0 : -EPROTO);
}
END_TEST

START_TEST(payload_longer_than_any_message_is_refused_unread)
{
	ck_assert_int_eq(recv_header(1, PAYLOAD_MAX + 1), -EPROTO);
	ck_assert_int_eq(recv_header(1, UINT32_MAX), -EPROTO);
	ck_assert_int_eq(recv_header(1, 0x80000000), -EPROTO);
	ck_assert_int_eq(recv_header(1, UINT32_MAX - 11), -EPROTO);
}
END_TEST

START_TEST(longest_payload_arrives)
{
	struct rf_vhost_user_msg in, out = sample(PAYLOAD_MAX);
	int sv[2];

	peer_pair(sv);
	ck_assert_int_eq(rf_vhost_user_send(sv[0], &out), 0);
	ck_assert_int_eq(rf_vhost_user_recv(sv[1], &in), 0);
	ck_assert_mem_eq(&in.payload, &out.payload, PAYLOAD_MAX);
}
END_TEST

START_TEST(peer_that_closes_at_any_byte_is_refused_and_nothing_leaks)
{
	struct rf_vhost_user_msg in, out = sample(40);
	uint8_t wire[WIRE_MAX];
	size_t len = peer_flatten(&out, wire), cut;
	int sv[2], fd, before, rc;

	fd = peer_memfd();
	for (cut = 0; cut < len; cut++) {
		peer_pair(sv);
		if (cut)
			ck_assert_int_eq(peer_put(sv[0], wire, cut, fd, 3),
					 (ssize_t)cut);
		close(sv[0]);
		before = peer_open_fds();
		rc = rf_vhost_user_recv(sv[1], &in);
		ck_assert_int_eq(rc, cut ? -EPROTO : -EPIPE);
		ck_assert_uint_eq(in.nr_fds, 0);
		ck_assert_int_eq(peer_open_fds(), before);
		close(sv[1]);
	}
}
END_TEST

/* A peer that closes with unread bytes resets the connection. */
START_TEST(reset_by_the_peer_reads_as_closed)
{
	struct rf_vhost_user_msg in, out = sample(8);
	int sv[2];

	peer_pair(sv);
	ck_assert_int_eq(rf_vhost_user_send(sv[1], &out), 0);
	close(sv[0]);
	ck_assert_int_eq(rf_vhost_user_recv(sv[1], &in), -EPIPE);
}
END_TEST

struct dribble {
	int sock;
	uint8_t wire[WIRE_MAX];
	size_t len;
	long ms;
};

static void *dribble(void *arg)
{
	struct dribble *d = arg;
	size_t i;

	for (i = 0; i < d->len; i++) {
		if (peer_put(d->sock, d->wire + i, 1, -1, 0) != 1)
			break;
		if (d->ms)
			sleep_ms(d->ms);
	}
	return NULL;
}

static void start_dribble(struct dribble *d, pthread_t *thread,
			  const struct rf_vhost_user_msg *msg, int sock,
			  long ms)
{
	sigset_t all, before;

	d->sock = sock;
	d->len = peer_flatten(msg, d->wire);
	d->ms = ms;
	/* Inherited: signals are for the main thread from the first moment. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	ck_assert_int_eq(pthread_create(thread, NULL, dribble, d), 0);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
}

START_TEST(message_sent_byte_by_byte_is_put_together)
{
	struct rf_vhost_user_msg in, out = sample(PAYLOAD_MAX);
	struct dribble d;
	pthread_t thread;
	int sv[2];

	peer_pair(sv);
	start_dribble(&d, &thread, &out, sv[0], 0);
	ck_assert_int_eq(rf_vhost_user_recv(sv[1], &in), 0);
	ck_assert_mem_eq(&in.payload, &out.payload, PAYLOAD_MAX);
	pthread_join(thread, NULL);
}
END_TEST

static volatile sig_atomic_t nr_signals;

static void count_signal(int nr)
{
	(void)nr;
	nr_signals = nr_signals + 1;
}

START_TEST(signals_do_not_tear_a_message)
{
	/* Without SA_RESTART, so that recvmsg returns EINTR or short. */
	struct sigaction action = { .sa_handler = count_signal };
	struct itimerval often = { { 0, 1000 }, { 0, 1000 } };
	struct itimerval never = { { 0, 0 }, { 0, 0 } };
	struct rf_vhost_user_msg in, out = sample(40);
	struct dribble d;
	pthread_t thread;
	int sv[2];

	peer_pair(sv);
	ck_assert_int_eq(sigaction(SIGALRM, &action, NULL), 0);
	ck_assert_int_eq(setitimer(ITIMER_REAL, &often, NULL), 0);
	start_dribble(&d, &thread, &out, sv[0], 3);
	ck_assert_int_eq(rf_vhost_user_recv(sv[1], &in), 0);
	ck_assert_int_eq(setitimer(ITIMER_REAL, &never, NULL), 0);
	pthread_join(thread, NULL);
	ck_assert_mem_eq(&in.payload, &out.payload, 40);
	ck_assert_int_gt(nr_signals, 0);
}
END_TEST

START_TEST(descriptors_with_payload_bytes_are_refused_and_closed)
{
	struct rf_vhost_user_msg in, out = sample(8);
	uint8_t wire[WIRE_MAX];
	size_t len = peer_flatten(&out, wire);
	size_t head = PEER_HEADER_BYTES;
	int sv[2], fd, before;

	peer_pair(sv);
	fd = peer_memfd();
	before = peer_open_fds();
	ck_assert_int_eq(peer_put(sv[0], wire, head, fd, 1), (ssize_t)head);
	ck_assert_int_eq(peer_put(sv[0], wire + head, len - head, fd, 1),
			 (ssize_t)(len - head));
	ck_assert_int_eq(rf_vhost_user_recv(sv[1], &in), -EPROTO);
	ck_assert_uint_eq(in.nr_fds, 0);
	ck_assert_int_eq(peer_open_fds(), before);
}
END_TEST

START_TEST(descriptors_with_every_byte_of_the_header_are_refused)
{
	struct rf_vhost_user_msg in, out = sample(0);
	uint8_t wire[WIRE_MAX];
	size_t len = peer_flatten(&out, wire), i;
	int sv[2], fd, before;

	peer_pair(sv);
	fd = peer_memfd();
	before = peer_open_fds();
	for (i = 0; i < len; i++)
		ck_assert_int_eq(peer_put(sv[0], wire + i, 1, fd, 8), 1);
	ck_assert_int_eq(rf_vhost_user_recv(sv[1], &in), -EPROTO);
	ck_assert_int_eq(peer_open_fds(), before);
}
END_TEST

START_TEST(messages_in_one_stream_are_cut_apart)
{
	struct rf_vhost_user_msg in, out = sample(8);
	uint8_t wire[3 * WIRE_MAX];
	size_t len = 0, last;
	int sv[2], fd, i;

	peer_pair(sv);
	fd = peer_memfd();
	len += peer_flatten(&out, wire + len);
	out = sample(0);
	len += peer_flatten(&out, wire + len);
	ck_assert_int_eq(peer_put(sv[0], wire, len, -1, 0), (ssize_t)len);
	out = sample(40);
	last = peer_flatten(&out, wire);
	ck_assert_int_eq(peer_put(sv[0], wire, last, fd, 1), (ssize_t)last);

	for (i = 0; i < 2; i++) {
		ck_assert_int_eq(rf_vhost_user_recv(sv[1], &in), 0);
		ck_assert_uint_eq(in.header.size, i == 0 ? 8 : 0);
		ck_assert_uint_eq(in.nr_fds, 0);
	}
	ck_assert_int_eq(rf_vhost_user_recv(sv[1], &in), 0);
	ck_assert_uint_eq(in.header.size, 40);
	ck_assert_uint_eq(in.nr_fds, 1);
}
END_TEST

START_TEST(waiting_ends_when_the_socket_says_so)
{
	struct rf_vhost_user_msg in, out = sample(8);
	uint8_t wire[WIRE_MAX];
	size_t len = peer_flatten(&out, wire);
	int sv[2];

	peer_pair(sv);
	peer_timeout(sv[1], 30);
	ck_assert_int_eq(rf_vhost_user_recv(sv[1], &in), -EAGAIN);
	ck_assert_int_eq(fcntl(sv[1], F_SETFL, O_NONBLOCK), 0);
	ck_assert_int_eq(rf_vhost_user_recv(sv[1], &in), -EAGAIN);
	ck_assert_int_eq(peer_put(sv[0], wire, len, -1, 0), (ssize_t)len);
	ck_assert_int_eq(rf_vhost_user_recv(sv[1], &in), 0);
}
END_TEST

START_TEST(peer_that_stalls_in_a_message_is_refused_at_any_byte)
{
	struct rf_vhost_user_msg in, out = sample(8);
	uint8_t wire[WIRE_MAX];
	size_t len = peer_flatten(&out, wire), cut;
	int sv[2], fd, before;

	fd = peer_memfd();
	for (cut = 1; cut < len; cut++) {
		peer_pair(sv);
		peer_timeout(sv[1], 2);
		before = peer_open_fds();
		ck_assert_int_eq(peer_put(sv[0], wire, cut, fd, 1),
				 (ssize_t)cut);
		ck_assert_int_eq(rf_vhost_user_recv(sv[1], &in), -EPROTO);
		ck_assert_int_eq(peer_open_fds(), before);
		close(sv[0]);
		close(sv[1]);
	}
}
END_TEST

START_TEST(dribbling_peer_does_not_outlast_the_deadline)
{
	struct rf_vhost_user_msg in, out = sample(PAYLOAD_MAX);
	struct dribble d;
	pthread_t thread;
	uint64_t start_ns;
	int sv[2];

	peer_pair(sv);
	peer_timeout(sv[1], 20);
	start_dribble(&d, &thread, &out, sv[0], 15); /* 4 s in all */
	start_ns = rf_clock_ns();
	ck_assert_int_eq(
		vhost_user_recv_plain_until(sv[1], &in, start_ns + 100000000),
		-EPROTO);
	ck_assert_uint_lt(rf_clock_ns() - start_ns, 2000000000);
	close(sv[1]); /* ends the thread as well */
	pthread_join(thread, NULL);
}
END_TEST

START_TEST(plain_receive_installs_no_descriptor_and_goes_on)
{
	struct rf_vhost_user_msg in, out = sample(40);
	uint8_t wire[WIRE_MAX];
	size_t len = peer_flatten(&out, wire), i;
	int sv[2], fd, before;

	peer_pair(sv);
	fd = peer_memfd();
	before = peer_open_fds();
	/* With the header, with each byte, and with none. */
	ck_assert_int_eq(peer_put(sv[0], wire, len, fd, 8), (ssize_t)len);
	for (i = 0; i < len; i++)
		ck_assert_int_eq(peer_put(sv[0], wire + i, 1, fd, 8), 1);
	ck_assert_int_eq(peer_put(sv[0], wire, len, -1, 0), (ssize_t)len);
	for (i = 0; i < 3; i++) {
		ck_assert_int_eq(rf_vhost_user_recv_plain(sv[1], &in), 0);
		ck_assert_uint_eq(in.header.request, out.header.request);
		ck_assert_mem_eq(&in.payload, &out.payload, 40);
		ck_assert_uint_eq(in.nr_fds, 0);
		ck_assert_int_eq(peer_open_fds(), before);
	}
	out.header.flags = 0;
	peer_flatten(&out, wire);
	ck_assert_int_eq(peer_put(sv[0], wire, len, fd, 1), (ssize_t)len);
	ck_assert_int_eq(rf_vhost_user_recv_plain(sv[1], &in), -EPROTO);
}
END_TEST

/* Not meant to find a certain fault, but any: whatever comes, the answer is a
 * message or a refusal, and no descriptor stays. */
START_TEST(garbage_is_refused_and_nothing_leaks)
{
	uint64_t state = 0x9e3779b97f4a7c15;
	struct rf_vhost_user_msg in, out;
	uint8_t wire[WIRE_MAX + 64];
	int sv[2], fd, before, round, rc, whole = 0;
	size_t i, len;

	fd = peer_memfd();
	for (round = 0; round < 3000; round++) {
		for (i = 0; i < sizeof(wire); i++) {
			state ^= state << 13;
			state ^= state >> 7;
			state ^= state << 17;
			wire[i] = (uint8_t)(state >> 24);
		}
		if (round % 2) { /* a header that is nearly right */
			out = sample((uint32_t)(state % 300));
			memcpy(wire, &out.header, PEER_HEADER_BYTES);
		}
		len = 1 + (size_t)(state >> 32) % (sizeof(wire) - 1);
		peer_pair(sv);
		before = peer_open_fds();
		ck_assert_int_eq(
			peer_put(sv[0], wire, len, fd, (state >> 16) % 12),
			(ssize_t)len);
		shutdown(sv[0], SHUT_WR);
		do {
			rc = rf_vhost_user_recv(sv[1], &in);
			whole += rc == 0;
			rf_vhost_user_msg_close(&in);
		} while (rc == 0);
		ck_assert(rc == -EPROTO || rc == -EPIPE);
		ck_assert_int_eq(peer_open_fds(), before);
		close(sv[0]);
		close(sv[1]);
	}
	ck_assert_int_gt(whole, 100);
	ck_assert_int_lt(whole, 1500);
}
END_TEST

START_TEST(sending_to_a_closed_peer_is_an_error_and_no_signal)
{
	struct rf_vhost_user_msg out = sample(8);
	int sv[2];

	peer_pair(sv);
	close(sv[1]);
	ck_assert_int_eq(rf_vhost_user_send(sv[0], &out), -EPIPE);
}
END_TEST

START_TEST(message_that_cannot_be_is_not_sent)
{
	struct rf_vhost_user_msg in, out = sample(8);
	int sv[2];

	peer_pair(sv);
	peer_timeout(sv[1], 1);
	out.header.size = PAYLOAD_MAX + 1;
	ck_assert_int_eq(rf_vhost_user_send(sv[0], &out), -EINVAL);
	out.header.size = UINT32_MAX;
	ck_assert_int_eq(rf_vhost_user_send(sv[0], &out), -EINVAL);
	out = sample(8);
	out.nr_fds = RF_VHOST_USER_FDS_MAX + 1;
	ck_assert_int_eq(rf_vhost_user_send(sv[0], &out), -EINVAL);
	out.nr_fds = 1;
	out.fds[0] = -1;
	ck_assert_int_eq(rf_vhost_user_send(sv[0], &out), -EBADF);
	ck_assert_int_eq(rf_vhost_user_recv(sv[1], &in), -EAGAIN);
}
END_TEST

START_TEST(full_socket_takes_whole_messages_or_none)
{
	struct rf_vhost_user_msg in, out = sample(PAYLOAD_MAX);
	int sv[2], sent = 0, received = 0, rc;

	peer_pair(sv);
	ck_assert_int_eq(fcntl(sv[0], F_SETFL, O_NONBLOCK), 0);
	ck_assert_int_eq(fcntl(sv[1], F_SETFL, O_NONBLOCK), 0);
	while ((rc = rf_vhost_user_send(sv[0], &out)) == 0)
		sent++;
	ck_assert_int_eq(rc, -EAGAIN);
	while ((rc = rf_vhost_user_recv(sv[1], &in)) == 0) {
		ck_assert_mem_eq(&in.payload, &out.payload, PAYLOAD_MAX);
		received++;
	}
	ck_assert_int_eq(rc, -EAGAIN);
	ck_assert_int_eq(received, sent);
	ck_assert_int_gt(sent, 10);
}
END_TEST

START_TEST(reply_names_its_request_and_carries_no_descriptor)
{
	struct rf_vhost_user_msg in, req = sample(40);
	int sv[2];

	peer_pair(sv);
	req.header.flags |= VHOST_USER_NEED_REPLY_MASK;
	req.fds[0] = peer_memfd();
	req.nr_fds = 1;
	req.payload.u64 = 42;
	ck_assert_int_eq(rf_vhost_user_reply(sv[0], &req, 8), 0);
	ck_assert_int_eq(rf_vhost_user_recv(sv[1], &in), 0);
	ck_assert_uint_eq(in.header.request, req.header.request);
	ck_assert_uint_eq(in.header.flags,
			  VHOST_USER_VERSION_1 | VHOST_USER_REPLY_MASK);
	ck_assert_uint_eq(in.header.size, 8);
	ck_assert_uint_eq(in.payload.u64, 42);
	ck_assert_uint_eq(in.nr_fds, 0);
	ck_assert_uint_eq(req.nr_fds, 1); /* still the message's */
	ck_assert_int_eq(rf_vhost_user_reply(sv[0], &req, PAYLOAD_MAX + 1),
			 -EINVAL);
}
END_TEST

START_TEST(taken_descriptor_outlives_its_message)
{
	struct rf_vhost_user_msg msg = sample(0);
	int fd = peer_memfd(), other = peer_memfd();

	msg.fds[0] = fd;
	msg.fds[1] = other;
	msg.nr_fds = 2;
	ck_assert_int_eq(rf_vhost_user_take_fd(&msg, 2), -1);
	ck_assert_int_eq(rf_vhost_user_take_fd(&msg, UINT32_MAX), -1);
	ck_assert_int_eq(rf_vhost_user_take_fd(&msg, 0), fd);
	ck_assert_int_eq(rf_vhost_user_take_fd(&msg, 0), -1);
	rf_vhost_user_msg_close(&msg);
	rf_vhost_user_msg_close(&msg);
	ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
	ck_assert_int_eq(fcntl(other, F_GETFD), -1);
}
END_TEST

START_TEST(only_memory_sealed_against_shrinking_passes)
{
	int fd = peer_memfd(), file, bad;

	ck_assert_int_eq(rf_vhost_user_check_seals(fd), -EPERM);
	ck_assert_int_eq(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW), 0);
	ck_assert_int_eq(rf_vhost_user_check_seals(fd), -EPERM);
	ck_assert_int_eq(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK), 0);
	ck_assert_int_eq(rf_vhost_user_check_seals(fd), 0);
	file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	ck_assert_int_ge(file, 0);
	ck_assert_int_eq(rf_vhost_user_check_seals(file), -EPERM);
	bad = file;
	close(file);
	ck_assert_int_eq(rf_vhost_user_check_seals(bad), -EBADF);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		message_arrives_with_payload_and_descriptors,
		as_many_descriptors_as_fit_arrive_and_one_more_is_refused,
		descriptors_that_find_no_free_number_are_refused_and_closed,
		versions_and_flags_that_we_do_not_know_are_refused,
		payload_longer_than_any_message_is_refused_unread,
		longest_payload_arrives,
		peer_that_closes_at_any_byte_is_refused_and_nothing_leaks,
		reset_by_the_peer_reads_as_closed,
		message_sent_byte_by_byte_is_put_together,
		signals_do_not_tear_a_message,
		descriptors_with_payload_bytes_are_refused_and_closed,
		descriptors_with_every_byte_of_the_header_are_refused,
		messages_in_one_stream_are_cut_apart,
		waiting_ends_when_the_socket_says_so,
		peer_that_stalls_in_a_message_is_refused_at_any_byte,
		dribbling_peer_does_not_outlast_the_deadline,
		plain_receive_installs_no_descriptor_and_goes_on,
		garbage_is_refused_and_nothing_leaks,
		sending_to_a_closed_peer_is_an_error_and_no_signal,
		message_that_cannot_be_is_not_sent,
		full_socket_takes_whole_messages_or_none,
		reply_names_its_request_and_carries_no_descriptor,
		taken_descriptor_outlives_its_message,
		only_memory_sealed_against_shrinking_passes,
	};

	return unit_run("vhost_user", tests, RF_ARRAY_LEN(tests));
}
