/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * test_vdev.c - a device of the guest, and back-ends of every character
 *
 * The back-end is a thread that answers by the script of the test. Without KVM:
 * interrupts are eventfds that the test reads.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "unit/places.h"
#include "unit/unit.h"
#include "vmm/vdev.h"

#define BIT(nr) (1ull << (nr))
#define REG(field) ((uint32_t)offsetof(struct rf_virtio_mmio_page, field))

#define PROTOCOL_ALL                                 \
	(BIT(VHOST_USER_PROTOCOL_F_MQ) |             \
	 BIT(VHOST_USER_PROTOCOL_F_REPLY_ACK) |      \
	 BIT(VHOST_USER_PROTOCOL_F_CONFIG) |         \
	 BIT(VHOST_USER_PROTOCOL_F_RESET_DEVICE) |   \
	 BIT(VHOST_USER_PROTOCOL_F_STATUS) |         \
	 BIT(VHOST_USER_PROTOCOL_F_COALESCED_RING) | \
	 BIT(VHOST_USER_PROTOCOL_F_SEAL))
#define PROTOCOL_STOCK                          \
	(BIT(VHOST_USER_PROTOCOL_F_REPLY_ACK) | \
	 BIT(VHOST_USER_PROTOCOL_F_CONFIG))

static struct backend {
	int sock;
	/* The script. */
	uint64_t features;
	uint64_t protocol;
	uint64_t nr_queues;
	uint32_t config_bytes;
	uint32_t refuse;   /* answer "no" to this request */
	uint32_t close_at; /* hang up at this request */
	uint32_t hang_at;  /* never answer this one, nor any other */
	/* What came; read after the join, or after an answer. */
	uint32_t count[64];
	uint64_t last_status;
	uint64_t acked;
	struct rf_vhost_user_vring_addr addr;
	uint32_t base;
	uint32_t size_max; /* refuses larger queues */
	uint8_t first;	   /* of its configuration, as it was written */
} backend;

static struct vdev dev;
static struct memory mem;
static struct rf_doorbell_set *doorbells;
static pthread_t thread;

static void answer_u64(struct rf_vhost_user_msg *msg, uint64_t value)
{
	msg->payload.u64 = value;
	if (rf_vhost_user_reply(backend.sock, msg, 8) < 0)
		backend.close_at = msg->header.request;
}

static void answer_config(struct rf_vhost_user_msg *msg)
{
	struct rf_vhost_user_config *c = &msg->payload.config;

	/* The protocol's way to say no: a reply without a payload. */
	if (c->size > backend.config_bytes) {
		(void)!rf_vhost_user_reply(backend.sock, msg, 0);
		return;
	}
	memset(c->data, 0x5a, c->size);
	c->data[0] = backend.first;
	(void)!rf_vhost_user_reply(backend.sock, msg, 12 + c->size);
}

static void note(const struct rf_vhost_user_msg *msg)
{
	uint32_t request = msg->header.request;

	if (request < RF_ARRAY_LEN(backend.count))
		__atomic_fetch_add(&backend.count[request], 1,
				   __ATOMIC_SEQ_CST);
	if (request == VHOST_USER_SET_STATUS)
		backend.last_status = msg->payload.u64;
	if (request == VHOST_USER_SET_FEATURES)
		backend.acked = msg->payload.u64;
	if (request == VHOST_USER_SET_VRING_ADDR)
		backend.addr = msg->payload.addr;
	if (request == VHOST_USER_SET_VRING_BASE)
		backend.base = msg->payload.state.num;
	if (request == VHOST_USER_SET_CONFIG)
		backend.first = msg->payload.config.data[0];
	if (request == VHOST_USER_RESET_DEVICE)
		backend.first = 0x5a;
}

static void answer(struct rf_vhost_user_msg *msg)
{
	bool wanted = msg->header.flags & VHOST_USER_NEED_REPLY_MASK;

	switch (msg->header.request) {
	case VHOST_USER_GET_FEATURES:
		answer_u64(msg, backend.features | BIT(30));
		return;
	case VHOST_USER_GET_PROTOCOL_FEATURES:
		answer_u64(msg, backend.protocol);
		return;
	case VHOST_USER_GET_QUEUE_NUM:
		answer_u64(msg, backend.nr_queues);
		return;
	case VHOST_USER_GET_CONFIG:
		answer_config(msg);
		return;
	case VHOST_USER_GET_VRING_BASE:
		(void)!rf_vhost_user_reply(backend.sock, msg, 8);
		return;
	case VHOST_USER_SET_COALESCED_RING:
	case VHOST_USER_SEAL:
		wanted = true;
		break;
	default:
		break;
	}
	if (msg->header.request == VHOST_USER_SET_VRING_NUM &&
	    msg->payload.state.num > backend.size_max)
		answer_u64(msg, 1);
	else if (wanted)
		answer_u64(msg, msg->header.request == backend.refuse);
}

static void *serve(void *arg)
{
	struct rf_vhost_user_msg msg;

	while (rf_vhost_user_recv(backend.sock, &msg) == 0) {
		rf_vhost_user_msg_close(&msg);
		note(&msg);
		if (msg.header.request == backend.close_at)
			break;
		msg.nr_fds = 0;
		if (backend.hang_at && msg.header.request == backend.hang_at)
			continue;
		answer(&msg);
	}
	rf_fd_close(&backend.sock);
	return arg;
}

static void prepare(void)
{
	struct vdev_params p = { .index = 0 };
	int pair[2];

	dev = (struct vdev){ .index = 0 };
	/* The socket first: the number it moves to may be free. */
	ck_assert_int_eq(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	ck_assert_int_eq(rf_fd_move(pair[0], RF_FD_DEVICES), 0);
	ck_assert_int_eq(memory_new(4 << 20, -1, &mem), 0);
	backend = (struct backend){
		.sock = pair[1],
		.features = UINT64_MAX,
		.protocol = PROTOCOL_ALL,
		.nr_queues = 2,
		.config_bytes = 60,
		.size_max = 1024,
		.first = 0x5a,
	};
	ck_assert_int_eq(
		rf_doorbell_set_new(RF_DOORBELL_EXIT, -1, NULL, &doorbells), 0);
	p.doorbells = doorbells;
	ck_assert_int_eq(vdev_prepare(&dev, &p), 0);
}

static int connect_it(void)
{
	ck_assert_int_eq(pthread_create(&thread, NULL, serve, NULL), 0);
	return vdev_connect(&dev, &mem);
}

static void finish(void)
{
	rf_frontend_free(dev.frontend);
	pthread_join(thread, NULL);
	rf_doorbell_set_free(doorbells);
	memory_free(&mem);
}

static uint32_t get(uint32_t offset)
{
	uint32_t value;

	vdev_read(&dev, offset, &value, 4);
	return value;
}

static void put(uint32_t offset, uint32_t value)
{
	vdev_write(&dev, offset, &value, 4);
}

static void set_up_queue(uint32_t num)
{
	put(REG(queue_sel), 0);
	put(REG(queue_num), num);
	put(REG(queue_desc_low), 0x10000);
	put(REG(queue_driver_low), 0x11000);
	put(REG(queue_device_low), 0x12000);
	put(REG(queue_ready), 1);
}

static void drive_with(uint64_t features)
{
	put(REG(status), 0);
	put(REG(status), 1);
	put(REG(status), 3);
	put(REG(driver_features_sel), 0);
	put(REG(driver_features), (uint32_t)features);
	put(REG(driver_features_sel), 1);
	put(REG(driver_features), (uint32_t)(features >> 32));
	put(REG(status), 11);
	set_up_queue(16);
	put(REG(status), 15);
}

static void drive(void)
{
	drive_with(BIT(32)); /* VERSION_1 */
}

static bool needs_reset(void)
{
	return get(REG(status)) & RF_VIRTIO_STATUS_NEEDS_RESET;
}

START_TEST(a_driver_starts_and_resets_the_device)
{
	prepare();
	ck_assert_int_eq(connect_it(), 0);
	ck_assert_int_eq(vdev_seal(&dev), 0);
	ck_assert_uint_eq(dev.nr_queues, 2);
	ck_assert_uint_eq(backend.count[VHOST_USER_SET_VRING_KICK], 2);
	drive();
	ck_assert_uint_eq(get(REG(status)), 15);
	ck_assert_uint_eq(backend.acked & ~BIT(30), BIT(32));
	ck_assert_uint_eq(backend.last_status, 15);
	/* A back-end sees the guest's addresses, never ours. */
	ck_assert_uint_eq(backend.addr.desc_user_addr, 0x10000);
	ck_assert_uint_eq(backend.addr.avail_user_addr, 0x11000);
	ck_assert_uint_eq(backend.addr.used_user_addr, 0x12000);
	/* Of two queues one was made ready. */
	ck_assert_uint_eq(backend.count[VHOST_USER_SET_VRING_ENABLE], 1);
	put(REG(status), 0);
	ck_assert_uint_eq(backend.count[VHOST_USER_GET_VRING_BASE], 1);
	ck_assert_uint_eq(backend.count[VHOST_USER_RESET_DEVICE], 1);
	ck_assert_uint_eq(get(REG(status)), 0);
	drive();
	ck_assert_uint_eq(get(REG(status)), 15);
	/* Sealed: no descriptor was sent a second time. */
	ck_assert_uint_eq(backend.count[VHOST_USER_SET_VRING_KICK], 2);
	finish();
}
END_TEST

START_TEST(what_we_would_have_to_do_something_for_is_not_offered)
{
	uint64_t offered;

	prepare();
	ck_assert_int_eq(connect_it(), 0);
	offered = get(REG(device_features));
	put(REG(device_features_sel), 1);
	offered |= (uint64_t)get(REG(device_features)) << 32;
	/* Among it packed, in order, notification data, ring reset. */
	ck_assert_uint_eq(offered, (BIT(24) - 1) | BIT(28) | BIT(29) | BIT(32) |
					   BIT(34) | BIT(35) | BIT(38) |
					   BIT(40));
	finish();
}
END_TEST

START_TEST(a_stock_back_end_is_served_by_eventfds)
{
	uint64_t count = 0;

	prepare();
	backend.protocol = PROTOCOL_STOCK;
	backend.config_bytes = 8;
	ck_assert_int_eq(connect_it(), 0);
	ck_assert_int_eq(vdev_seal(&dev), 0);
	ck_assert_uint_eq(dev.nr_queues, 1);
	ck_assert_uint_eq(get(REG(config)), 0x5a5a5a5a);
	ck_assert_uint_eq(get(REG(config) + 8), 0);
	drive();
	ck_assert_uint_eq(get(REG(status)), 15);
	/* It forgets eventfds when a queue stops, so they were sent again. */
	ck_assert_uint_eq(backend.count[VHOST_USER_SET_VRING_KICK], 2);
	/* No doorbell is registered: the write reaches the registers. */
	ck_assert(!rf_doorbell_set_write(doorbells,
					 vdev_gpa(0) + RF_VIRTIO_MMIO_NOTIFY,
					 &(uint32_t){ 0 }, 4));
	put(REG(queue_notify), 0);
	ck_assert_int_eq(rf_eventfd_take(dev.fds.kicks[0], &count), 0);
	ck_assert_uint_eq(count, 1);
	put(REG(queue_notify), 1); /* has no such queue */
	put(REG(queue_notify), UINT32_MAX);
	ck_assert_int_eq(rf_eventfd_take(dev.fds.kicks[1], &count), -EAGAIN);
	put(REG(status), 0);
	ck_assert_uint_eq(get(REG(status)), 0);
	finish();
}
END_TEST

START_TEST(values_are_not_promised_where_no_ring_keeps_them)
{
	uint64_t count = 0;

	prepare();
	backend.protocol = PROTOCOL_ALL &
			   ~BIT(VHOST_USER_PROTOCOL_F_COALESCED_RING);
	ck_assert_int_eq(connect_it(), 0);
	put(REG(device_features_sel), 1);
	ck_assert_uint_eq(get(REG(device_features)) & 1u << (38 - 32), 0);
	finish();
	/* Where it is promised and the write comes here, the low half counts:
	 * the ring may be refused after all. */
	prepare();
	ck_assert_int_eq(connect_it(), 0);
	drive_with(BIT(32) | BIT(38));
	put(REG(queue_notify), 0xabcd0000);
	ck_assert_int_eq(rf_eventfd_take(dev.fds.kicks[0], &count), 0);
	ck_assert_uint_eq(count, 1);
	finish();
}
END_TEST

START_TEST(a_queue_has_the_size_that_the_back_end_takes)
{
	static const struct {
		uint32_t takes, shows;
	} sizes[] = {
		{ 1024, 256 }, { 256, 256 }, { 255, 128 }, { 64, 64 }, { 1, 1 },
	};
	size_t i;

	for (i = 0; i < RF_ARRAY_LEN(sizes); i++) {
		prepare();
		backend.size_max = sizes[i].takes;
		ck_assert_int_eq(connect_it(), 0);
		ck_assert_uint_eq(get(REG(queue_num_max)), sizes[i].shows);
		finish();
	}
}
END_TEST

START_TEST(packed_queues_start_with_their_wrap_counters)
{
	prepare();
	ck_assert_int_eq(connect_it(), 0);
	drive_with(BIT(32) | BIT(34));
	ck_assert_uint_eq(get(REG(status)), 15);
	ck_assert_uint_eq(backend.acked & ~BIT(30), BIT(32) | BIT(34));
	ck_assert_uint_eq(backend.base, 0x80008000);
	drive();
	ck_assert_uint_eq(backend.base, 0);
	finish();
}
END_TEST

START_TEST(a_queue_stops_and_starts_by_itself)
{
	prepare();
	ck_assert_int_eq(connect_it(), 0);
	drive_with(BIT(32) | BIT(40));
	put(REG(queue_reset), 1);
	ck_assert_uint_eq(backend.count[VHOST_USER_GET_VRING_BASE], 1);
	ck_assert_uint_eq(backend.count[VHOST_USER_RESET_DEVICE], 0);
	ck_assert_uint_eq(get(REG(queue_reset)), 0);
	ck_assert_uint_eq(get(REG(queue_ready)), 0);
	set_up_queue(8);
	ck_assert_uint_eq(get(REG(queue_ready)), 1);
	ck_assert_uint_eq(backend.count[VHOST_USER_SET_VRING_ENABLE], 2);
	ck_assert_uint_eq(get(REG(status)), 15);
	/* Stopped or not, a reset of all finds each queue once. */
	put(REG(queue_reset), 1);
	put(REG(status), 0);
	ck_assert_uint_eq(backend.count[VHOST_USER_GET_VRING_BASE], 2);
	/* Sealed, so no descriptor was sent a second time. */
	ck_assert_uint_eq(backend.count[VHOST_USER_SET_VRING_KICK], 2);
	finish();
}
END_TEST

START_TEST(a_stock_back_end_gets_its_eventfds_with_the_queue)
{
	prepare();
	backend.protocol = PROTOCOL_STOCK;
	ck_assert_int_eq(connect_it(), 0);
	drive_with(BIT(32) | BIT(40));
	ck_assert_uint_eq(backend.count[VHOST_USER_SET_VRING_KICK], 2);
	put(REG(queue_reset), 1);
	set_up_queue(8);
	ck_assert_uint_eq(backend.count[VHOST_USER_SET_VRING_KICK], 3);
	ck_assert_uint_eq(backend.count[VHOST_USER_SET_VRING_CALL], 3);
	ck_assert_uint_eq(backend.count[VHOST_USER_SET_VRING_ERR], 3);
	ck_assert_uint_eq(get(REG(status)), 15);
	finish();
}
END_TEST

START_TEST(a_back_end_that_hangs_up_at_a_queue_reset_is_buried)
{
	prepare();
	backend.close_at = VHOST_USER_GET_VRING_BASE;
	ck_assert_int_eq(connect_it(), 0);
	drive_with(BIT(32) | BIT(40));
	put(REG(queue_reset), 1);
	/* It closed its socket; its process may live. */
	ck_assert_uint_eq(get(REG(queue_reset)), 1);
	ck_assert(vdev_is_unsettled(&dev));
	ck_assert(vdev_bury(&dev));
	ck_assert(needs_reset());
	vdev_dead(&dev);
	ck_assert(!vdev_is_unsettled(&dev));
	ck_assert_uint_eq(get(REG(queue_reset)), 0);
	ck_assert(needs_reset());
	set_up_queue(8);
	ck_assert_uint_eq(get(REG(queue_ready)), 0);
	finish();
}
END_TEST

/* Five seconds each, for that is how long an answer is waited for. */
START_TEST(a_reset_waits_for_the_end_of_a_back_end_that_hangs)
{
	static const uint32_t hangs[] = { VHOST_USER_GET_VRING_BASE,
					  VHOST_USER_RESET_DEVICE };
	size_t i;

	for (i = 0; i < RF_ARRAY_LEN(hangs); i++) {
		prepare();
		ck_assert_int_eq(connect_it(), 0);
		drive();
		backend.hang_at = hangs[i];
		put(REG(status), 0);
		ck_assert_uint_eq(get(REG(status)), 15 | 64);
		ck_assert_uint_eq(dev.page.status, 15 | 64);
		ck_assert_int_eq(dev.lost, -ETIMEDOUT);
		ck_assert(vdev_bury(&dev));
		/* As often as it likes. */
		put(REG(status), 0);
		ck_assert_uint_eq(get(REG(status)), 15 | 64);
		ck_assert(vdev_is_unsettled(&dev));
		vdev_dead(&dev);
		ck_assert(!vdev_is_unsettled(&dev));
		ck_assert_uint_eq(get(REG(status)), 0);
		/* From now on that is known. */
		drive();
		ck_assert(needs_reset());
		put(REG(status), 0);
		ck_assert_uint_eq(get(REG(status)), 0);
		finish();
	}
}
END_TEST

/* The launcher heard of it first. */
START_TEST(a_reset_of_a_dead_device_waits_for_nothing)
{
	prepare();
	ck_assert_int_eq(connect_it(), 0);
	drive();
	vdev_lost(&dev, -EPIPE);
	ck_assert(vdev_bury(&dev));
	vdev_dead(&dev);
	ck_assert_uint_eq(get(REG(status)), 15 | 64);
	put(REG(status), 0);
	ck_assert_uint_eq(get(REG(status)), 0);
	ck_assert(!vdev_is_unsettled(&dev));
	finish();
}
END_TEST

START_TEST(a_queue_that_is_refused_anew_asks_for_a_reset)
{
	prepare();
	ck_assert_int_eq(connect_it(), 0);
	drive_with(BIT(32) | BIT(40));
	put(REG(queue_reset), 1);
	backend.refuse = VHOST_USER_SET_VRING_ADDR;
	set_up_queue(8);
	ck_assert(needs_reset());
	finish();
}
END_TEST

START_TEST(eight_queues_are_all_there_is)
{
	prepare();
	backend.nr_queues = 9;
	ck_assert_int_eq(connect_it(), 0);
	ck_assert_uint_eq(dev.nr_queues, 8);
	put(REG(queue_sel), 7);
	ck_assert_uint_eq(get(REG(queue_num_max)), 256);
	put(REG(queue_sel), 8);
	ck_assert_uint_eq(get(REG(queue_num_max)), 0);
	finish();
}
END_TEST

/* What a driver wrote there is gone with the reset, in the device. */
START_TEST(a_reset_shows_the_configuration_of_the_device)
{
	const uint8_t mine = 0x77;
	uint32_t generation;

	prepare();
	ck_assert_int_eq(connect_it(), 0);
	drive();
	vdev_write(&dev, REG(config), &mine, 1);
	ck_assert_uint_eq(get(REG(config)), 0x5a5a5a77);
	ck_assert_uint_eq(backend.first, 0x77);
	generation = get(REG(config_generation));
	put(REG(status), 0);
	ck_assert_uint_eq(get(REG(config)), 0x5a5a5a5a);
	ck_assert_uint_ne(get(REG(config_generation)), generation);
	/* Nothing was written since: nothing is asked. */
	generation = backend.count[VHOST_USER_GET_CONFIG];
	drive();
	put(REG(status), 0);
	ck_assert_uint_eq(backend.count[VHOST_USER_GET_CONFIG], generation);
	finish();
}
END_TEST

START_TEST(configuration_is_as_large_as_the_back_end_says)
{
	prepare();
	ck_assert_int_eq(connect_it(), 0);
	/* 72 bytes were refused, 60 given. */
	ck_assert_uint_eq(backend.count[VHOST_USER_GET_CONFIG], 2);
	ck_assert_uint_eq(get(REG(config) + 56), 0x5a5a5a5a);
	ck_assert_uint_eq(get(REG(config) + 60), 0);
	finish();
}
END_TEST

static const struct {
	uint64_t features, protocol, nr_queues;
	uint32_t close_at, refuse;
	int rc;
} unfit[] = {
	{ ~BIT(32), PROTOCOL_ALL, 1, 0, 0, -ENOTSUP },
	{ UINT64_MAX, 0, 1, 0, 0, -ENOTSUP },
	{ UINT64_MAX, PROTOCOL_ALL, 0, 0, 0, -EPROTO },
	{ UINT64_MAX, PROTOCOL_ALL, 1, VHOST_USER_GET_FEATURES, 0, -EPIPE },
	{ UINT64_MAX, PROTOCOL_ALL, 1, VHOST_USER_GET_CONFIG, 0, -EPIPE },
	{ UINT64_MAX, PROTOCOL_ALL, 1, VHOST_USER_SET_MEM_TABLE, 0, -EPIPE },
	{ UINT64_MAX, PROTOCOL_ALL, 1, 0, VHOST_USER_SET_MEM_TABLE,
	  -EREMOTEIO },
	{ UINT64_MAX, PROTOCOL_ALL, 1, 0, VHOST_USER_SET_VRING_NUM,
	  -EREMOTEIO },
	{ UINT64_MAX, PROTOCOL_ALL, 1, VHOST_USER_SET_VRING_NUM, 0, -EPIPE },
	{ UINT64_MAX, PROTOCOL_ALL, 1, 0, VHOST_USER_SET_VRING_KICK,
	  -EREMOTEIO },
	{ UINT64_MAX, PROTOCOL_ALL, 1, 0, VHOST_USER_SET_VRING_ERR,
	  -EREMOTEIO },
	{ UINT64_MAX, PROTOCOL_ALL, 1, 0, VHOST_USER_SET_COALESCED_RING,
	  -EREMOTEIO },
	{ UINT64_MAX, PROTOCOL_ALL, 1, VHOST_USER_SET_COALESCED_RING, 0,
	  -EPIPE },
};

START_TEST(back_ends_that_cannot_serve_are_refused)
{
	prepare();
	backend.features = unfit[_i].features;
	backend.protocol = unfit[_i].protocol;
	backend.nr_queues = unfit[_i].nr_queues;
	backend.close_at = unfit[_i].close_at;
	backend.refuse = unfit[_i].refuse;
	ck_assert_int_eq(connect_it(), unfit[_i].rc);
	finish();
}
END_TEST

START_TEST(a_refused_start_asks_the_driver_for_a_reset)
{
	prepare();
	backend.refuse = VHOST_USER_SET_VRING_ADDR;
	ck_assert_int_eq(connect_it(), 0);
	drive();
	ck_assert(needs_reset());
	ck_assert(!vdev_bury(&dev)); /* it said no; it is not gone */
	put(REG(status), 0);
	backend.refuse = 0;
	drive();
	ck_assert_uint_eq(get(REG(status)), 15);
	finish();
}
END_TEST

START_TEST(a_back_end_that_hangs_up_is_buried_once)
{
	uint64_t count;

	prepare();
	backend.close_at = VHOST_USER_SET_VRING_ENABLE;
	ck_assert_int_eq(connect_it(), 0);
	drive();
	ck_assert(needs_reset());
	ck_assert(vdev_bury(&dev));
	ck_assert(!vdev_bury(&dev));
	ck_assert_int_eq(fcntl(RF_FD_DEVICES, F_GETFD), -1);
	/* The driver may go on trying for ever. */
	vdev_dead(&dev);
	put(REG(status), 0);
	drive();
	ck_assert(needs_reset());
	put(REG(status), 0);
	put(REG(config), 1);
	ck_assert(!vdev_bury(&dev));
	/* Notify writes are kept. */
	ck_assert(rf_doorbell_set_write(doorbells,
					vdev_gpa(0) + RF_VIRTIO_MMIO_NOTIFY,
					&(uint32_t){ 0 }, 4));
	ck_assert_int_eq(rf_eventfd_take(dev.fds.wake, &count), 0);
	finish();
}
END_TEST

START_TEST(a_broken_queue_interrupts_the_driver)
{
	struct pollfd line;
	uint64_t count;

	prepare();
	ck_assert_int_eq(connect_it(), 0);
	drive();
	line = (struct pollfd){ .fd = dev.config_event, .events = POLLIN };
	vdev_error(&dev, 0); /* nothing came: nothing happens */
	ck_assert(!needs_reset());
	ck_assert_int_eq(poll(&line, 1, 0), 0);
	ck_assert_int_eq(rf_eventfd_signal(dev.errs[0]), 0);
	vdev_error(&dev, 0);
	ck_assert(needs_reset());
	ck_assert_int_eq(poll(&line, 1, 0), 1);
	ck_assert_int_eq(rf_eventfd_take(dev.config_event, &count), 0);
	ck_assert(get(REG(interrupt_status)) & RF_VIRTIO_INTERRUPT_CONFIG);
	put(REG(status), 0);
	ck_assert(!needs_reset());
	finish();
}
END_TEST

START_TEST(whatever_touches_status_or_configuration_is_heavy)
{
	static const struct {
		uint32_t offset, len;
		bool heavy;
	} cases[] = {
		{ 0x44, 4, true },  { 0xc0, 4, true },	{ 0xc3, 1, true },
		{ 0x41, 4, true },  { 0x48, 4, false }, { 0xc4, 4, false },
		{ 0x70, 4, true },  { 0x70, 1, true },	{ 0x73, 1, true },
		{ 0x6d, 4, true },  { 0x6c, 8, true },	{ 0x74, 4, false },
		{ 0x6c, 4, false }, { 0x50, 4, false }, { 0x64, 4, false },
		{ 0xfc, 4, false }, { 0xfd, 4, true },	{ 0x100, 1, true },
		{ 0x100, 8, true }, { 0xffc, 4, true }, { 0xfff, 1, true },
		{ 0x00, 8, false }, { 0x30, 4, false },
	};
	size_t i;

	for (i = 0; i < RF_ARRAY_LEN(cases); i++)
		ck_assert_msg(vdev_is_heavy(cases[i].offset, cases[i].len) ==
				      cases[i].heavy,
			      "0x%x, %u", cases[i].offset, cases[i].len);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		a_driver_starts_and_resets_the_device,
		what_we_would_have_to_do_something_for_is_not_offered,
		a_stock_back_end_is_served_by_eventfds,
		values_are_not_promised_where_no_ring_keeps_them,
		a_queue_has_the_size_that_the_back_end_takes,
		packed_queues_start_with_their_wrap_counters,
		a_queue_stops_and_starts_by_itself,
		a_stock_back_end_gets_its_eventfds_with_the_queue,
		a_back_end_that_hangs_up_at_a_queue_reset_is_buried,
		a_reset_waits_for_the_end_of_a_back_end_that_hangs,
		a_reset_of_a_dead_device_waits_for_nothing,
		a_queue_that_is_refused_anew_asks_for_a_reset,
		eight_queues_are_all_there_is,
		a_reset_shows_the_configuration_of_the_device,
		configuration_is_as_large_as_the_back_end_says,
		a_refused_start_asks_the_driver_for_a_reset,
		a_back_end_that_hangs_up_is_buried_once,
		a_broken_queue_interrupts_the_driver,
		whatever_touches_status_or_configuration_is_heavy,
	};
	Suite *suite = suite_create("vdev_unfit");
	TCase *tcase = tcase_create("unfit");
	SRunner *runner;
	int failed;

	places_take(RF_FD_DEVICES + 1);
	tcase_add_loop_test(tcase, back_ends_that_cannot_serve_are_refused, 0,
			    RF_ARRAY_LEN(unfit));
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	if (unit_run("vdev", tests, RF_ARRAY_LEN(tests)) != EXIT_SUCCESS)
		failed++;
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
