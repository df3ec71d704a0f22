/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * test_frontend.c - one question, one answer, no belief: src/wire/frontend.c
 *
 * The back-end is a thread that answers as the protocol says, but for the one
 * lie it was told to tell.
 */
#include <pthread.h>
#include <stdatomic.h>

#include "unit/peer.h"
#include "unit/unit.h"

#define BIT(nr) (UINT64_C(1) << (nr))
#define ALL_PROTOCOL                                 \
	(BIT(VHOST_USER_PROTOCOL_F_MQ) |             \
	 BIT(VHOST_USER_PROTOCOL_F_REPLY_ACK) |      \
	 BIT(VHOST_USER_PROTOCOL_F_CONFIG) |         \
	 BIT(VHOST_USER_PROTOCOL_F_RESET_DEVICE) |   \
	 BIT(VHOST_USER_PROTOCOL_F_STATUS) |         \
	 BIT(VHOST_USER_PROTOCOL_F_COALESCED_RING) | \
	 BIT(VHOST_USER_PROTOCOL_F_SEAL))
#define FEATURES (BIT(32) | BIT(9) | BIT(VHOST_USER_F_PROTOCOL_FEATURES))
#define SEEN_MAX 72u

enum lie {
	HONEST,
	LIE_NO,		   /* answers "no" */
	LIE_REQUEST,	   /* answers another question */
	LIE_NO_REPLY_FLAG, /* */
	LIE_NEED_REPLY,	   /* asks back in its answer */
	LIE_VERSION,	   /* */
	LIE_SHORT,	   /* payload one byte short */
	LIE_LONG,	   /* payload one byte long */
	LIE_HUGE,	   /* payload longer than any message */
	LIE_FD,		   /* a descriptor with the answer */
	LIE_FDS,	   /* as many as the socket carries */
	LIE_FLOOD,	   /* every byte with a descriptor */
	LIE_CLOSE,	   /* instead of an answer */
	LIE_HALF,	   /* closes in the middle of it */
	LIE_SILENT,	   /* no answer */
	LIE_STALL,	   /* half an answer */
	LIE_VALUE,	   /* a number that cannot be */
	LIE_ECHO,	   /* another queue's, another offset's answer */
};

struct backend {
	int sock;
	uint64_t features;
	uint64_t protocol;
	enum lie lie;
	uint32_t lie_at; /* request */
	int fd;		 /* what a lie sends along */
	uint32_t nr_seen;
	struct rf_vhost_user_msg seen[SEEN_MAX]; /* read after the join */
	pthread_t thread;
};

struct fixture {
	struct backend be;
	struct rf_frontend *fe;
	int fe_sock; /* another name of its socket, to shorten the wait */
};

/* Payload size of an honest answer, or -1: none is due. */
static int answer(struct backend *be, struct rf_vhost_user_msg *msg)
{
	switch (msg->header.request) {
	case VHOST_USER_GET_FEATURES:
		msg->payload.u64 = be->features;
		return 8;
	case VHOST_USER_GET_PROTOCOL_FEATURES:
		msg->payload.u64 = be->protocol;
		return 8;
	case VHOST_USER_GET_QUEUE_NUM:
		msg->payload.u64 = 4;
		return 8;
	case VHOST_USER_GET_STATUS:
		msg->payload.u64 = 0x4f;
		return 8;
	case VHOST_USER_GET_VRING_BASE:
		msg->payload.state.num = 0x1234;
		return 8;
	case VHOST_USER_GET_CONFIG:
		memset(msg->payload.config.data, 0xc5,
		       msg->payload.config.size);
		return 12 + (int)msg->payload.config.size;
	default:
		break;
	}
	msg->payload.u64 = 0;
	return msg->header.flags & VHOST_USER_NEED_REPLY_MASK ? 8 : -1;
}

static void falsify(struct backend *be, struct rf_vhost_user_msg *msg)
{
	switch (be->lie) {
	case LIE_NO:
		if (msg->header.request == VHOST_USER_GET_CONFIG)
			msg->header.size = 0;
		else
			msg->payload.u64 = 1;
		break;
	case LIE_REQUEST:
		msg->header.request++;
		break;
	case LIE_NO_REPLY_FLAG:
		msg->header.flags = VHOST_USER_VERSION_1;
		break;
	case LIE_NEED_REPLY:
		msg->header.flags |= VHOST_USER_NEED_REPLY_MASK;
		break;
	case LIE_VERSION:
		msg->header.flags = 2 | VHOST_USER_REPLY_MASK;
		break;
	case LIE_SHORT:
		msg->header.size--;
		break;
	case LIE_LONG:
		msg->header.size++;
		break;
	case LIE_VALUE:
		msg->payload.u64 |= UINT64_C(0x7f000000) << 32;
		if (msg->header.request == VHOST_USER_GET_CONFIG)
			msg->payload.config.size++;
		break;
	case LIE_ECHO:
		msg->payload.state.index ^= 1;
		break;
	default:
		break;
	}
}

/* Tell it. False: the conversation is over. */
static bool say(struct backend *be, struct rf_vhost_user_msg *msg)
{
	uint8_t wire[1024] = { 0 };
	size_t len = peer_flatten(msg, wire), i;
	uint32_t huge = UINT32_MAX;

	switch (be->lie) {
	case LIE_CLOSE:
		return false;
	case LIE_SILENT:
		return true;
	case LIE_HALF:
		peer_put(be->sock, wire, len / 2, -1, 0);
		return false;
	case LIE_STALL:
		return peer_put(be->sock, wire, len / 2, -1, 0) > 0;
	case LIE_HUGE:
		memcpy(wire + 8, &huge, sizeof(huge));
		return peer_put(be->sock, wire, sizeof(wire), -1, 0) > 0;
	case LIE_FD:
		return peer_put(be->sock, wire, len, be->fd, 1) > 0;
	case LIE_FDS:
		return peer_put(be->sock, wire, len, be->fd, PEER_FDS_MAX) > 0;
	case LIE_FLOOD:
		for (i = 0; i < len; i++)
			if (peer_put(be->sock, wire + i, 1, be->fd, 8) < 0)
				return false;
		return true;
	default:
		return peer_put(be->sock, wire, len, -1, 0) > 0;
	}
}

static void *serve(void *arg)
{
	struct backend *be = arg;
	enum lie lie = be->lie;
	struct rf_vhost_user_msg msg;
	int size;

	while (rf_vhost_user_recv(be->sock, &msg) == 0) {
		if (rf_vhost_user_check(&msg) < 0 || be->nr_seen == SEEN_MAX)
			break; /* the test sees a question too few */
		be->seen[be->nr_seen++] = msg;
		rf_vhost_user_msg_close(&msg);
		size = answer(be, &msg);
		if (size < 0)
			continue;
		msg.header.size = (uint32_t)size;
		msg.header.flags = VHOST_USER_VERSION_1 | VHOST_USER_REPLY_MASK;
		be->lie = msg.header.request == be->lie_at ? lie : HONEST;
		falsify(be, &msg);
		if (!say(be, &msg))
			break;
	}
	rf_vhost_user_msg_close(&msg);
	close(be->sock);
	return NULL;
}

static void begin(struct fixture *f, uint64_t features, uint64_t protocol,
		  enum lie lie, uint32_t lie_at)
{
	int sv[2];

	memset(f, 0, sizeof(*f));
	peer_pair(sv);
	f->be.sock = sv[1];
	f->be.features = features;
	f->be.protocol = protocol;
	f->be.lie = lie;
	f->be.lie_at = lie_at;
	f->be.fd = peer_memfd();
	f->fe_sock = dup(sv[0]);
	ck_assert_int_ge(f->fe_sock, 0);
	ck_assert_int_eq(rf_frontend_new(sv[0], &f->fe), 0);
	ck_assert_int_eq(pthread_create(&f->be.thread, NULL, serve, &f->be), 0);
}

static void end(struct fixture *f)
{
	shutdown(f->fe_sock, SHUT_RDWR);
	close(f->fe_sock);
	rf_frontend_free(f->fe);
	pthread_join(f->be.thread, NULL);
	close(f->be.fd);
}

static void begin_negotiated(struct fixture *f, enum lie lie, uint32_t lie_at)
{
	begin(f, FEATURES, ALL_PROTOCOL, lie, lie_at);
	ck_assert_int_eq(rf_frontend_negotiate(f->fe), 0);
	/* Long enough for honest answers on a busy machine. */
	if (lie == LIE_SILENT || lie == LIE_STALL)
		peer_timeout(f->fe_sock, 200);
}

/* Every call, with the request that its answer hangs on. */
static int call_get_config(struct rf_frontend *fe)
{
	uint8_t buf[60];

	return rf_frontend_get_config(fe, 4, buf, sizeof(buf));
}

static int call_set_config(struct rf_frontend *fe)
{
	return rf_frontend_set_config(fe, 32, "x", 1);
}

static int call_queue_num(struct rf_frontend *fe)
{
	uint16_t nr;

	return rf_frontend_queue_num(fe, &nr);
}

static int call_set_mem_table(struct rf_frontend *fe)
{
	struct rf_vhost_user_region regions[2] = {
		{ .guest_phys_addr = 0, .memory_size = 4096 },
		{ .guest_phys_addr = 1 << 20, .memory_size = 8192 },
	};
	rf_autofd fd = peer_memfd();
	int fds[2] = { fd, fd };

	return rf_frontend_set_mem_table(fe, regions, fds, 2);
}

static int call_set_kick(struct rf_frontend *fe)
{
	return rf_frontend_set_kick(fe, 3, STDERR_FILENO);
}

static int call_set_call(struct rf_frontend *fe)
{
	return rf_frontend_set_call(fe, 2, STDERR_FILENO);
}

static int call_set_err(struct rf_frontend *fe)
{
	return rf_frontend_set_err(fe, 1, STDERR_FILENO);
}

static int call_set_ring(struct rf_frontend *fe)
{
	return rf_frontend_set_ring(fe, STDERR_FILENO, STDERR_FILENO,
				    0xd0000050, 4, VHOST_USER_RING_QUEUE_INDEX);
}

static int call_seal(struct rf_frontend *fe)
{
	return rf_frontend_seal(fe);
}

static int call_set_features(struct rf_frontend *fe)
{
	return rf_frontend_set_features(fe, BIT(32));
}

static int call_queue_start(struct rf_frontend *fe)
{
	struct rf_frontend_queue q = { .index = 1,
				       .size = 128,
				       .base = 7,
				       .desc_addr = 0x1000,
				       .avail_addr = 0x2000,
				       .used_addr = 0x3000 };

	return rf_frontend_queue_start(fe, &q);
}

static int call_queue_stop(struct rf_frontend *fe)
{
	uint32_t base;

	return rf_frontend_queue_stop(fe, 1, &base);
}

static int call_queue_size(struct rf_frontend *fe)
{
	return rf_frontend_queue_size(fe, 1, 256);
}

static int call_set_status(struct rf_frontend *fe)
{
	return rf_frontend_set_status(fe, 15);
}

static int call_get_status(struct rf_frontend *fe)
{
	uint8_t status;

	return rf_frontend_get_status(fe, &status);
}

static int call_reset(struct rf_frontend *fe)
{
	return rf_frontend_reset(fe);
}

/* How much of an answer the call could find wrong in it. */
enum {
	MAY_REFUSE = 1, /* there is a "no" */
	HAS_RANGE = 2,	/* LIE_VALUE is out of range */
	HAS_ECHO = 4,	/* the answer repeats the question */
};

static const struct {
	int (*call)(struct rf_frontend *fe);
	uint32_t request;
	unsigned int can;
} calls[] = {
	{ call_queue_num, VHOST_USER_GET_QUEUE_NUM, HAS_RANGE },
	{ call_get_config, VHOST_USER_GET_CONFIG,
	  MAY_REFUSE | HAS_RANGE | HAS_ECHO },
	{ call_set_config, VHOST_USER_SET_CONFIG, MAY_REFUSE },
	{ call_set_mem_table, VHOST_USER_SET_MEM_TABLE, MAY_REFUSE },
	{ call_set_kick, VHOST_USER_SET_VRING_KICK, MAY_REFUSE },
	{ call_set_call, VHOST_USER_SET_VRING_CALL, MAY_REFUSE },
	{ call_set_err, VHOST_USER_SET_VRING_ERR, MAY_REFUSE },
	{ call_set_ring, VHOST_USER_SET_COALESCED_RING, MAY_REFUSE },
	{ call_seal, VHOST_USER_SEAL, MAY_REFUSE },
	{ call_set_features, VHOST_USER_SET_FEATURES, MAY_REFUSE },
	{ call_queue_size, VHOST_USER_SET_VRING_NUM, MAY_REFUSE },
	{ call_queue_start, VHOST_USER_SET_VRING_NUM, MAY_REFUSE },
	{ call_queue_start, VHOST_USER_SET_VRING_BASE, MAY_REFUSE },
	{ call_queue_start, VHOST_USER_SET_VRING_ADDR, MAY_REFUSE },
	{ call_queue_start, VHOST_USER_SET_VRING_ENABLE, MAY_REFUSE },
	{ call_queue_stop, VHOST_USER_GET_VRING_BASE, HAS_RANGE | HAS_ECHO },
	{ call_set_status, VHOST_USER_SET_STATUS, MAY_REFUSE },
	{ call_get_status, VHOST_USER_GET_STATUS, HAS_RANGE },
	{ call_reset, VHOST_USER_RESET_DEVICE, MAY_REFUSE },
};

START_TEST(every_call_works_and_leaks_nothing)
{
	struct fixture f;
	int before, round;
	size_t i;

	before = peer_open_fds();
	begin_negotiated(&f, HONEST, 0);
	for (round = 0; round < 2; round++)
		for (i = 0; i < RF_ARRAY_LEN(calls); i++)
			ck_assert_int_eq(calls[i].call(f.fe), 0);
	end(&f);
	ck_assert_int_eq(peer_open_fds(), before);
}
END_TEST

/* The right error, the same again ever after, and no descriptor stays. */
static void assert_lie_is_caught(size_t i, enum lie lie, int error)
{
	struct fixture f;
	int before;
	size_t later;

	before = peer_open_fds();
	begin_negotiated(&f, lie, calls[i].request);
	ck_assert_int_eq(calls[i].call(f.fe), error);
	for (later = 0; later < RF_ARRAY_LEN(calls); later++)
		ck_assert_int_eq(calls[later].call(f.fe), error);
	end(&f);
	/* Nothing went out after the lie. */
	ck_assert_uint_eq(f.be.seen[f.be.nr_seen - 1].header.request,
			  calls[i].request);
	ck_assert_int_eq(peer_open_fds(), before);
}

START_TEST(every_lie_in_every_answer_is_caught)
{
	size_t i;
	int lie;

	for (i = 0; i < RF_ARRAY_LEN(calls); i++) {
		for (lie = LIE_REQUEST; lie < LIE_FD; lie++)
			assert_lie_is_caught(i, (enum lie)lie, -EPROTO);
		assert_lie_is_caught(i, LIE_CLOSE, -EPIPE);
		assert_lie_is_caught(i, LIE_HALF, -EPROTO);
		if (calls[i].can & HAS_RANGE)
			assert_lie_is_caught(i, LIE_VALUE, -EPROTO);
		if (calls[i].can & HAS_ECHO)
			assert_lie_is_caught(i, LIE_ECHO, -EPROTO);
	}
}
END_TEST

START_TEST(silence_ends_in_a_timeout_and_a_stall_in_a_refusal)
{
	size_t i;

	for (i = 0; i < RF_ARRAY_LEN(calls); i++) {
		assert_lie_is_caught(i, LIE_SILENT, -ETIMEDOUT);
		assert_lie_is_caught(i, LIE_STALL, -EPROTO);
	}
}
END_TEST

START_TEST(timeout_is_set_when_the_front_end_is_made)
{
	struct rf_frontend *fe;
	struct timeval t;
	socklen_t len = sizeof(t);
	int sv[2];

	peer_pair(sv);
	ck_assert_int_eq(rf_frontend_new(sv[0], &fe), 0);
	ck_assert_int_eq(getsockopt(sv[0], SOL_SOCKET, SO_RCVTIMEO, &t, &len),
			 0);
	ck_assert_int_eq(t.tv_sec * 1000 + t.tv_usec / 1000,
			 RF_FRONTEND_TIMEOUT_MS);
	ck_assert_int_eq(getsockopt(sv[0], SOL_SOCKET, SO_SNDTIMEO, &t, &len),
			 0);
	ck_assert_int_eq(t.tv_sec * 1000 + t.tv_usec / 1000,
			 RF_FRONTEND_TIMEOUT_MS);
	rf_frontend_free(fe);
	rf_frontend_free(NULL);
}
END_TEST

START_TEST(what_is_no_socket_is_taken_and_refused)
{
	struct rf_frontend *fe = NULL;
	int fd = peer_memfd(), before = peer_open_fds();

	ck_assert_int_eq(rf_frontend_new(fd, &fe), -ENOTSOCK);
	ck_assert_ptr_null(fe);
	ck_assert_int_eq(peer_open_fds(), before - 1);
	ck_assert_int_eq(rf_frontend_new(-1, &fe), -EBADF);
}
END_TEST

START_TEST(a_no_is_an_answer_and_the_talk_goes_on)
{
	struct fixture f;
	size_t i;

	for (i = 0; i < RF_ARRAY_LEN(calls); i++) {
		if (!(calls[i].can & MAY_REFUSE))
			continue;
		begin_negotiated(&f, LIE_NO, calls[i].request);
		ck_assert_int_eq(calls[i].call(f.fe), -EREMOTEIO);
		ck_assert_int_eq(call_get_status(f.fe), 0);
		end(&f);
	}
}
END_TEST

/* Answers are read by a call that cannot take descriptors: those that come are
 * gone, and the answer counts. */
START_TEST(descriptors_with_an_answer_are_never_installed)
{
	struct fixture f;
	size_t i;
	int lie, before = peer_open_fds();

	for (i = 0; i < RF_ARRAY_LEN(calls); i++) {
		for (lie = LIE_FD; lie <= LIE_FLOOD; lie++) {
			int open_fds;

			begin_negotiated(&f, (enum lie)lie, calls[i].request);
			open_fds = peer_open_fds();
			ck_assert_int_eq(calls[i].call(f.fe), 0);
			ck_assert_int_eq(peer_open_fds(), open_fds);
			end(&f);
			ck_assert_int_eq(peer_open_fds(), before);
		}
	}
}
END_TEST

START_TEST(lies_in_negotiation_are_caught)
{
	static const uint32_t at[] = { VHOST_USER_GET_FEATURES,
				       VHOST_USER_GET_PROTOCOL_FEATURES };
	struct fixture f;
	size_t i;
	int lie;

	for (i = 0; i < RF_ARRAY_LEN(at); i++) {
		for (lie = LIE_REQUEST; lie < LIE_FD; lie++) {
			begin(&f, FEATURES, ALL_PROTOCOL, (enum lie)lie, at[i]);
			ck_assert_int_eq(rf_frontend_negotiate(f.fe), -EPROTO);
			ck_assert_int_eq(call_seal(f.fe), -EPROTO);
			end(&f);
		}
	}
}
END_TEST

START_TEST(negotiation_takes_what_both_sides_know)
{
	uint64_t strange = BIT(5) | BIT(20) | BIT(50) | BIT(63);
	struct fixture f;
	struct rf_vhost_user_msg *last;

	begin(&f, FEATURES, ALL_PROTOCOL | strange, HONEST, 0);
	ck_assert_int_eq(rf_frontend_negotiate(f.fe), 0);
	ck_assert_uint_eq(rf_frontend_features(f.fe), BIT(32) | BIT(9));
	ck_assert(rf_frontend_has(f.fe, VHOST_USER_PROTOCOL_F_SEAL));
	ck_assert(!rf_frontend_has(f.fe, (enum vhost_user_protocol_feature)5));
	ck_assert_int_eq(call_get_status(f.fe), 0);
	end(&f);
	ck_assert_uint_eq(f.be.nr_seen, 5);
	last = &f.be.seen[3];
	ck_assert_uint_eq(last->header.request,
			  VHOST_USER_SET_PROTOCOL_FEATURES);
	ck_assert_uint_eq(last->payload.u64, ALL_PROTOCOL);
}
END_TEST

START_TEST(back_end_without_acknowledgements_is_not_supported)
{
	uint64_t no_ack = ALL_PROTOCOL & ~BIT(VHOST_USER_PROTOCOL_F_REPLY_ACK);
	struct fixture f;

	begin(&f, FEATURES, no_ack, HONEST, 0);
	ck_assert_int_eq(rf_frontend_negotiate(f.fe), -ENOTSUP);
	ck_assert_int_eq(call_set_mem_table(f.fe), -ENOTSUP);
	end(&f);
	begin(&f, BIT(32), ALL_PROTOCOL, HONEST, 0);
	ck_assert_int_eq(rf_frontend_negotiate(f.fe), -ENOTSUP);
	end(&f);
}
END_TEST

START_TEST(back_end_that_knows_no_extension_is_never_asked_for_one)
{
	struct fixture f;
	uint16_t nr = 0;
	uint32_t seen;

	begin(&f, FEATURES, BIT(VHOST_USER_PROTOCOL_F_REPLY_ACK), HONEST, 0);
	ck_assert_int_eq(rf_frontend_negotiate(f.fe), 0);
	ck_assert(!rf_frontend_has(f.fe, VHOST_USER_PROTOCOL_F_SEAL));
	ck_assert(!rf_frontend_has(f.fe, VHOST_USER_PROTOCOL_F_COALESCED_RING));
	ck_assert_int_eq(call_set_ring(f.fe), -ENOTSUP);
	ck_assert_int_eq(call_seal(f.fe), -ENOTSUP);
	ck_assert_int_eq(call_get_config(f.fe), -ENOTSUP);
	ck_assert_int_eq(call_set_config(f.fe), -ENOTSUP);
	ck_assert_int_eq(call_set_status(f.fe), -ENOTSUP);
	ck_assert_int_eq(call_get_status(f.fe), -ENOTSUP);
	ck_assert_int_eq(call_reset(f.fe), -ENOTSUP);
	ck_assert_int_eq(rf_frontend_queue_num(f.fe, &nr), 0);
	ck_assert_uint_eq(nr, 1);
	ck_assert_int_eq(call_queue_start(f.fe), 0);
	end(&f);
	seen = f.be.nr_seen;
	ck_assert_uint_eq(seen, 4 + 4);
}
END_TEST

START_TEST(reset_falls_back_on_the_status)
{
	struct fixture f;
	struct rf_vhost_user_msg *last;

	begin(&f, FEATURES,
	      BIT(VHOST_USER_PROTOCOL_F_REPLY_ACK) |
		      BIT(VHOST_USER_PROTOCOL_F_STATUS),
	      HONEST, 0);
	ck_assert_int_eq(rf_frontend_negotiate(f.fe), 0);
	ck_assert_int_eq(call_reset(f.fe), 0);
	end(&f);
	last = &f.be.seen[f.be.nr_seen - 1];
	ck_assert_uint_eq(last->header.request, VHOST_USER_SET_STATUS);
	ck_assert_uint_eq(last->payload.u64, 0);
}
END_TEST

START_TEST(arguments_that_no_message_can_carry_are_not_sent)
{
	struct rf_vhost_user_region regions[9];
	int fds[9] = { 0 };
	struct fixture f;
	uint8_t buf[300];

	memset(regions, 0, sizeof(regions));
	begin_negotiated(&f, HONEST, 0);
	ck_assert_int_eq(rf_frontend_get_config(f.fe, 0, buf, 0), -EINVAL);
	ck_assert_int_eq(rf_frontend_get_config(f.fe, 0, buf, 257), -EINVAL);
	ck_assert_int_eq(rf_frontend_set_config(f.fe, 0, buf, UINT32_MAX),
			 -EINVAL);
	ck_assert_int_eq(rf_frontend_set_mem_table(f.fe, regions, fds, 0),
			 -EINVAL);
	ck_assert_int_eq(rf_frontend_set_mem_table(f.fe, regions, fds, 9),
			 -EINVAL);
	ck_assert_int_eq(rf_frontend_set_kick(f.fe, 256, 0), -EINVAL);
	ck_assert_int_eq(rf_frontend_set_kick(f.fe, 0, -1), -EINVAL);
	ck_assert_int_eq(rf_frontend_set_ring(f.fe, -1, -1, 0, 4,
					      VHOST_USER_RING_QUEUE_INDEX),
			 -EINVAL);
	ck_assert_int_eq(rf_frontend_set_ring(f.fe, 0, -1, 0, 0,
					      VHOST_USER_RING_QUEUE_INDEX),
			 -EINVAL);
	/* A number that is no descriptor: the kernel refuses to send it. */
	ck_assert_int_eq(rf_frontend_set_call(f.fe, 0, 9999), -EBADF);
	ck_assert_int_eq(call_get_status(f.fe), 0);
	end(&f);
	ck_assert_uint_eq(f.be.nr_seen, 5);
}
END_TEST

/* A second half of the base is a lie before the driver took packed queues, and
 * again when it did no longer. */
START_TEST(base_of_a_packed_queue_has_two_halves)
{
	const uint64_t packed = BIT(32) | BIT(34);
	struct fixture f;
	uint32_t base = 0;

	begin_negotiated(&f, LIE_VALUE, VHOST_USER_GET_VRING_BASE);
	ck_assert_int_eq(rf_frontend_set_features(f.fe, packed), 0);
	ck_assert_int_eq(rf_frontend_queue_stop(f.fe, 1, &base), 0);
	ck_assert_uint_eq(base, 0x7f001234);
	ck_assert_int_eq(rf_frontend_set_features(f.fe, BIT(32)), 0);
	ck_assert_int_eq(rf_frontend_queue_stop(f.fe, 1, &base), -EPROTO);
	ck_assert_uint_eq(base, 0x7f001234);
	end(&f);
}
END_TEST

START_TEST(questions_say_what_was_asked_for)
{
	struct fixture f;
	uint8_t buf[60], status = 0;
	uint32_t base = 0;
	uint16_t nr = 0;
	struct rf_vhost_user_msg *m;
	size_t i;

	begin_negotiated(&f, HONEST, 0);
	ck_assert_int_eq(rf_frontend_get_config(f.fe, 4, buf, sizeof(buf)), 0);
	for (i = 0; i < sizeof(buf); i++)
		ck_assert_uint_eq(buf[i], 0xc5);
	ck_assert_int_eq(rf_frontend_get_status(f.fe, &status), 0);
	ck_assert_uint_eq(status, 0x4f);
	ck_assert_int_eq(rf_frontend_queue_num(f.fe, &nr), 0);
	ck_assert_uint_eq(nr, 4);
	ck_assert_int_eq(rf_frontend_queue_stop(f.fe, 1, &base), 0);
	ck_assert_uint_eq(base, 0x1234);
	ck_assert_int_eq(call_set_features(f.fe), 0);
	ck_assert_int_eq(call_set_mem_table(f.fe), 0);
	ck_assert_int_eq(call_set_ring(f.fe), 0);
	ck_assert_int_eq(call_queue_start(f.fe), 0);
	end(&f);

	m = &f.be.seen[8];
	ck_assert_uint_eq(m->header.request, VHOST_USER_SET_FEATURES);
	ck_assert_uint_eq(m->payload.u64, BIT(32) | BIT(30));
	m++;
	ck_assert_uint_eq(m->payload.mem.nr_regions, 2);
	ck_assert_uint_eq(m->payload.mem.regions[1].memory_size, 8192);
	m++;
	ck_assert_uint_eq(m->payload.ring.addr, 0xd0000050);
	ck_assert_uint_eq(m->payload.ring.flags, VHOST_USER_RING_F_WAKE);
	m++;
	ck_assert_uint_eq(m->header.request, VHOST_USER_SET_VRING_NUM);
	ck_assert_uint_eq(m->payload.state.num, 128);
	m++;
	ck_assert_uint_eq(m->header.request, VHOST_USER_SET_VRING_BASE);
	ck_assert_uint_eq(m->payload.state.num, 7);
	m++;
	ck_assert_uint_eq(m->payload.addr.index, 1);
	ck_assert_uint_eq(m->payload.addr.desc_user_addr, 0x1000);
	ck_assert_uint_eq(m->payload.addr.avail_user_addr, 0x2000);
	ck_assert_uint_eq(m->payload.addr.used_user_addr, 0x3000);
	m++;
	ck_assert_uint_eq(m->header.request, VHOST_USER_SET_VRING_ENABLE);
	ck_assert_uint_eq(m->payload.state.num, 1);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		every_call_works_and_leaks_nothing,
		every_lie_in_every_answer_is_caught,
		descriptors_with_an_answer_are_never_installed,
		silence_ends_in_a_timeout_and_a_stall_in_a_refusal,
		timeout_is_set_when_the_front_end_is_made,
		what_is_no_socket_is_taken_and_refused,
		a_no_is_an_answer_and_the_talk_goes_on,
		lies_in_negotiation_are_caught,
		negotiation_takes_what_both_sides_know,
		back_end_without_acknowledgements_is_not_supported,
		back_end_that_knows_no_extension_is_never_asked_for_one,
		reset_falls_back_on_the_status,
		arguments_that_no_message_can_carry_are_not_sent,
		base_of_a_packed_queue_has_two_halves,
		questions_say_what_was_asked_for,
	};

	return unit_run("frontend", tests, RF_ARRAY_LEN(tests));
}
