/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * device_rig.h - a small device in a thread of this process, and its front-end
 *
 * For the twins of src/device that need the whole runtime. The device answers
 * a request by writing its first readable byte plus one into every writable
 * byte. Descriptors of the test live above RIG_FDS, because the runtime owns
 * the places of enum rf_fd_place.
 */
#ifndef TESTS_DEVICE_RIG_H
#define TESTS_DEVICE_RIG_H

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <ringfence/device.h>
#include <ringfence/fence.h>
#include <ringfence/vhost_user.h>

#include "unit/ram.h"

#define RIG_FDS 200
#define RIG_QUEUES 3u
#define RIG_SIZE 64u
#define RIG_WAIT_MS 10000
#define RIG_ZONE UINT64_C(0xd0000050)
#define RIG_FEATURE UINT64_C(1)
#define RIG_VERSION_1 (UINT64_C(1) << 32)
#define RIG_OUT VRING_DATA
#define RIG_IN (VRING_DATA + 0x1000)

struct rig {
	struct rf_device *dev;
	struct rf_device_ops ops;
	struct rf_report report;
	pthread_t thread;
	int result; /* of rf_device_run */
	int sock;   /* ours, for raw messages; rf_frontend has a copy */
	int dev_sock;
	struct rf_frontend *fe;
	struct ram ram;
	struct vring v;
	int kick, call, err;

	/* What the device was told; read after a reply or after rig_end. */
	_Atomic uint64_t features;
	uint8_t config[8]; /* the device thread's alone */
	_Atomic uint32_t nr_resets;
	_Atomic uint32_t nr_timers;
	_Atomic uint32_t nr_queue_calls;
	/* Serve, then offer the same again: a driver of the device's own. */
	_Atomic(struct vring *) endless;
};

static inline int rig_high(int fd)
{
	int high = fcntl(fd, F_DUPFD_CLOEXEC, RIG_FDS);

	ck_assert_int_ge(high, RIG_FDS);
	close(fd);
	return high;
}

static inline int rig_eventfd(void)
{
	return rig_high(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
}

static inline void rig_config_read(void *state, uint32_t offset, void *buf,
				   uint32_t len)
{
	struct rig *r = state;

	memcpy(buf, r->config + offset, len);
}

static inline int rig_config_write(void *state, uint32_t offset,
				   const void *buf, uint32_t len)
{
	struct rig *r = state;

	if (offset == 7)
		return -EPROTO;
	memcpy(r->config + offset, buf, len);
	return 0;
}

static inline void rig_set_features(void *state, uint64_t features)
{
	atomic_store(&((struct rig *)state)->features, features);
}

static inline void rig_reset(void *state)
{
	atomic_fetch_add(&((struct rig *)state)->nr_resets, 1);
}

static inline void rig_timer(void *state)
{
	struct rig *r = state;

	/* Twice: the first one asks for the second. */
	if (atomic_fetch_add(&r->nr_timers, 1) == 0)
		rf_device_timer(r->dev, 1000000);
}

static inline int rig_serve(void *state, struct rf_virtqueue *vq)
{
	struct rig *r = state;
	struct vring *endless = atomic_load(&r->endless);
	struct rf_chain chain;
	uint8_t buf[64];
	int err;

	atomic_fetch_add(&r->nr_queue_calls, 1);
	while ((err = rf_virtqueue_pop(vq, &chain)) == 0) {
		uint8_t byte = 0;
		size_t done = 0, n;

		if (rf_chain_read(&chain, 0, &byte, 1) != 1)
			return -EPROTO;
		memset(buf, byte + 1, sizeof(buf));
		while ((n = rf_chain_write(&chain, done, buf, sizeof(buf))))
			done += n;
		rf_virtqueue_push(vq, chain.head, (uint32_t)done);
		if (endless)
			vring_offer(endless, chain.head);
	}
	return err == -EAGAIN ? 0 : err;
}

static inline struct rf_device_ops rig_ops(void)
{
	return (struct rf_device_ops){
		.name = "rig",
		.virtio_id = 42,
		.nr_queues = RIG_QUEUES,
		.queue_size_max = 256,
		.features = RIG_FEATURE,
		.config_bytes = 8,
		.config_read = rig_config_read,
		.config_write = rig_config_write,
		.set_features = rig_set_features,
		.queue = rig_serve,
		.reset = rig_reset,
	};
}

static inline void *rig_run(void *arg)
{
	struct rig *r = arg;

	r->result = rf_device_run(r->dev);
	/* As the end of a process would. */
	shutdown(r->dev_sock, SHUT_RDWR);
	return NULL;
}

/* Device made and running; nothing said to it yet. */
static inline void rig_new_params(struct rig *r, struct rf_device_ops ops,
				  struct rf_device_params params)
{
	int sv[2];

	memset(r, 0, sizeof(*r));
	memcpy(r->config, "config!", 8);
	r->ops = ops;
	params.ops = &r->ops;
	params.state = r;
	params.report = &r->report;
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv),
			 0);
	r->sock = rig_high(sv[0]);
	params.sock = r->dev_sock = rig_high(sv[1]);
	ram_new(&r->ram);
	r->ram.fds[0] = rig_high(r->ram.fds[0]);
	r->ram.fds[1] = rig_high(r->ram.fds[1]);
	r->kick = rig_eventfd();
	r->call = rig_eventfd();
	r->err = rig_eventfd();
	ck_assert_int_eq(rf_device_new(&params, &r->dev), 0);
	ck_assert_int_eq(pthread_create(&r->thread, NULL, rig_run, r), 0);
}

static inline void rig_new_polling(struct rig *r, struct rf_device_ops ops,
				   uint32_t poll_us)
{
	rig_new_params(r, ops, (struct rf_device_params){ .poll_us = poll_us });
}

static inline void rig_new(struct rig *r, struct rf_device_ops ops)
{
	rig_new_polling(r, ops, 0);
}

static inline void rig_connect(struct rig *r)
{
	int copy = fcntl(r->sock, F_DUPFD_CLOEXEC, RIG_FDS);

	ck_assert_int_eq(rf_frontend_new(copy, &r->fe), 0);
	ck_assert_int_eq(rf_frontend_negotiate(r->fe), 0);
	ck_assert_int_eq(
		rf_frontend_set_mem_table(r->fe, r->ram.table, r->ram.fds, 2),
		0);
	ck_assert_int_eq(rf_frontend_set_kick(r->fe, 0, r->kick), 0);
	ck_assert_int_eq(rf_frontend_set_call(r->fe, 0, r->call), 0);
	ck_assert_int_eq(rf_frontend_set_err(r->fe, 0, r->err), 0);
}

static inline void rig_drive(struct rig *r)
{
	struct rf_frontend_queue q = { .size = RIG_SIZE,
				       .desc_addr = VRING_DESC,
				       .avail_addr = VRING_AVAIL,
				       .used_addr = VRING_USED };

	vring_init(&r->v, r->ram.low, RIG_SIZE);
	ck_assert_int_eq(rf_frontend_set_features(r->fe, RIG_VERSION_1), 0);
	ck_assert_int_eq(rf_frontend_queue_start(r->fe, &q), 0);
	ck_assert_int_eq(rf_frontend_set_status(r->fe, 0x0f), 0);
}

static inline void rig_start(struct rig *r, struct rf_device_ops ops)
{
	rig_new(r, ops);
	rig_connect(r);
	rig_drive(r);
}

static inline void rig_offer(struct rig *r, uint8_t byte)
{
	*(uint8_t *)vring_at(&r->v, RIG_OUT) = byte;
	*(uint8_t *)vring_at(&r->v, RIG_IN) = 0;
	vring_desc(&r->v, 0, RIG_OUT, 1, VRING_NEXT, 1);
	vring_desc(&r->v, 1, RIG_IN, 1, VRING_WRITE, 0);
	vring_offer(&r->v, 0);
}

static inline void rig_expect_answer(struct rig *r, uint8_t byte)
{
	struct vring_used used = { 0, 0 };

	ck_assert(vring_wait(&r->v, r->call, RIG_WAIT_MS, &used));
	ck_assert_uint_eq(used.len, 1);
	ck_assert_uint_eq(*(uint8_t *)vring_at(&r->v, RIG_IN), byte);
}

static inline void rig_expect_served(struct rig *r)
{
	rig_offer(r, 41);
	ck_assert_int_eq(rf_eventfd_signal(r->kick), 0);
	rig_expect_answer(r, 42);
}

static inline bool rig_is_signalled(int fd, int ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	uint64_t count;

	return poll(&p, 1, ms) == 1 && rf_eventfd_take(fd, &count) == 0;
}

static inline uint8_t rig_status(struct rig *r)
{
	uint8_t status;

	ck_assert_int_eq(rf_frontend_get_status(r->fe, &status), 0);
	return status;
}

/* Wait until what was rung before is over and done, its interrupt too, which
 * comes after what it tells. */
static inline void rig_settle(struct rig *r)
{
	(void)rig_status(r);
	(void)rig_status(r);
	(void)rig_is_signalled(r->call, 0);
}

/* Close our end; what rf_device_run returned. */
static inline int rig_end(struct rig *r)
{
	rf_frontend_free(r->fe);
	shutdown(r->sock, SHUT_RDWR);
	ck_assert_int_eq(pthread_join(r->thread, NULL), 0);
	rf_device_free(r->dev);
	close(r->sock);
	close(r->dev_sock);
	close(r->kick);
	close(r->call);
	close(r->err);
	ram_free(&r->ram);
	return r->result;
}

#endif
