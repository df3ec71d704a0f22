/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * backend.c - vhost-user, the half that is told
 *
 * Side:    device. The front-end is a vCPU process that a guest may own.
 * Owns:    what the front-end said of the device: features, status.
 * Callers: loop.c, when the control socket is readable.
 * Never:   keeps a descriptor whose message it refused; takes any after SEAL.
 *
 * Three kinds of wrong, told apart by whose word it was:
 *   the guest's (ring addresses, sizes, features): the front-end only carries
 *     it. Answered "no"; if no answer was wanted, the device breaks and waits
 *     for its reset.
 *   the front-end's, in a form we could not serve (memory not sealed, a ring
 *     that is none): answered "no"; if no answer was wanted, the end.
 *   the front-end's lie about the protocol itself (wrong size, a queue we do
 *     not have, a feature not offered): -EPROTO, the end.
 *
 * Needs (until SEAL): recvmsg(RF_FD_CONTROL, MSG_CMSG_CLOEXEC|MSG_WAITALL),
 *   seccomp(SECCOMP_SET_MODE_FILTER), clock_gettime on hosts whose clock the
 *   vdso cannot read; what backend_queue.c, guestmem.c and bells.c need.
 * Needs (sealed): recvfrom(RF_FD_CONTROL, MSG_WAITALL), sendto(RF_FD_CONTROL,
 *   MSG_NOSIGNAL), both without an address.
 */
#include <errno.h>
#include <string.h>

#include "device/backend.h"

enum answer {
	ANSWER_IF_ASKED, /* u64 where REPLY_ACK and NEED_REPLY say so */
	ANSWER_ALWAYS,	 /* u64 */
	ANSWER_DATA,	 /* the handler's payload */
};

#define NO_FEATURE (-1)

struct handler {
	uint32_t request;
	int feature; /* protocol feature that must be negotiated */
	enum answer answer;
	bool guests_word; /* what it refuses was the guest's doing */
	bool until_seal;  /* brings descriptors, which end with SEAL */
	/* 0; for ANSWER_DATA the message is then the answer, size and payload.
	 * -EPROTO: a lie, the end. Any other error: "no". */
	int (*fn)(struct rf_device *dev, struct rf_vhost_user_msg *msg);
};

static bool has_protocol(const struct rf_device *dev, int bit)
{
	return dev->protocol_features >> bit & 1;
}

static uint64_t offered_features(const struct rf_device *dev)
{
	const uint64_t own = VIRTQUEUE_F_INDIRECT_DESC | VIRTQUEUE_F_EVENT_IDX |
			     VIRTQUEUE_F_RING_PACKED | VIRTQUEUE_F_IN_ORDER |
			     RUNTIME_F_NOTIFICATION_DATA | RUNTIME_F_RING_RESET;

	return dev->ops->features | (own & ~dev->without) |
	       RUNTIME_F_VERSION_1 | RUNTIME_F_PROTOCOL;
}

static uint64_t offered_protocol(const struct rf_device *dev)
{
	uint64_t bits = UINT64_C(1) << VHOST_USER_PROTOCOL_F_MQ |
			UINT64_C(1) << VHOST_USER_PROTOCOL_F_REPLY_ACK |
			UINT64_C(1) << VHOST_USER_PROTOCOL_F_CONFIG |
			UINT64_C(1) << VHOST_USER_PROTOCOL_F_RESET_DEVICE |
			UINT64_C(1) << VHOST_USER_PROTOCOL_F_STATUS |
			UINT64_C(1) << VHOST_USER_PROTOCOL_F_COALESCED_RING;

	if (dev->ops->sealed)
		bits |= UINT64_C(1) << VHOST_USER_PROTOCOL_F_SEAL;
	return bits;
}

static bool is_any_running(const struct rf_device *dev)
{
	uint16_t q;

	for (q = 0; q < dev->ops->nr_queues; q++)
		if (dev->vqs[q].running)
			return true;
	return false;
}

static int get_features(struct rf_device *dev, struct rf_vhost_user_msg *msg)
{
	msg->payload.u64 = offered_features(dev);
	msg->header.size = sizeof(msg->payload.u64);
	return 0;
}

static int set_features(struct rf_device *dev, struct rf_vhost_user_msg *msg)
{
	uint64_t features = msg->payload.u64;

	if (features & ~offered_features(dev))
		return -EINVAL;
	if (features == dev->features)
		return 0;
	if (is_any_running(dev))
		return -EBUSY;
	dev->features = features;
	if (dev->ops->set_features)
		dev->ops->set_features(dev->state,
				       features & ~RUNTIME_F_PROTOCOL);
	return 0;
}

static int get_protocol(struct rf_device *dev, struct rf_vhost_user_msg *msg)
{
	msg->payload.u64 = offered_protocol(dev);
	msg->header.size = sizeof(msg->payload.u64);
	return 0;
}

static int set_protocol(struct rf_device *dev, struct rf_vhost_user_msg *msg)
{
	if (msg->payload.u64 & ~offered_protocol(dev))
		return -EPROTO;
	dev->protocol_features = msg->payload.u64;
	return 0;
}

static int get_queue_num(struct rf_device *dev, struct rf_vhost_user_msg *msg)
{
	msg->payload.u64 = dev->ops->nr_queues;
	msg->header.size = sizeof(msg->payload.u64);
	return 0;
}

static int set_owner(struct rf_device *dev, struct rf_vhost_user_msg *msg)
{
	(void)dev; /* who owns us is not ours to judge */
	(void)msg;
	return 0;
}

/* Bytes beyond the device's own config space read as zero: front-ends ask for
 * the whole of a structure that has grown with the years. */
static int get_config(struct rf_device *dev, struct rf_vhost_user_msg *msg)
{
	struct rf_vhost_user_config *config = &msg->payload.config;
	const uint32_t max = dev->ops->config_bytes;
	uint32_t len = config->size;

	/* The protocol's way of saying no: no payload. */
	msg->header.size = 0;
	if (config->offset > RF_VHOST_USER_CONFIG_MAX ||
	    len > RF_VHOST_USER_CONFIG_MAX - config->offset)
		return 0;
	memset(config->data, 0, len);
	msg->header.size = offsetof(struct rf_vhost_user_config, data) + len;
	if (config->offset >= max)
		return 0;
	if (len > max - config->offset)
		len = max - config->offset;
	if (len > 0)
		dev->ops->config_read(dev->state, config->offset, config->data,
				      len);
	return 0;
}

static int set_config(struct rf_device *dev, struct rf_vhost_user_msg *msg)
{
	const struct rf_vhost_user_config *config = &msg->payload.config;
	const uint32_t max = dev->ops->config_bytes;

	if (config->offset > max || config->size > max - config->offset)
		return -EINVAL;
	if (!dev->ops->config_write)
		return -ENOTSUP;
	/* Refused by the device is the guest's doing, not the end. */
	return dev->ops->config_write(dev->state, config->offset, config->data,
				      config->size)
		       ? -EINVAL
		       : 0;
}

static int reset_device(struct rf_device *dev, struct rf_vhost_user_msg *msg)
{
	(void)msg;
	device_reset(dev);
	return 0;
}

static int set_status(struct rf_device *dev, struct rf_vhost_user_msg *msg)
{
	if (msg->payload.u64 > UINT8_MAX)
		return -EPROTO;
	if (msg->payload.u64 == 0)
		device_reset(dev);
	/* NEEDS_RESET is ours to say. */
	dev->status = msg->payload.u64 & ~RUNTIME_STATUS_NEEDS_RESET &
		      UINT8_MAX;
	return 0;
}

static int get_status(struct rf_device *dev, struct rf_vhost_user_msg *msg)
{
	msg->payload.u64 = dev->status |
			   (dev->broken ? RUNTIME_STATUS_NEEDS_RESET : 0);
	msg->header.size = sizeof(msg->payload.u64);
	return 0;
}

static int set_ring(struct rf_device *dev, struct rf_vhost_user_msg *msg)
{
	const struct rf_vhost_user_ring *ring = &msg->payload.ring;
	bool has_wake = ring->flags & VHOST_USER_RING_F_WAKE;
	int ring_fd, wake_fd, err;

	/* Their number was held against the flag by rf_vhost_user_check(). */
	ring_fd = rf_vhost_user_take_fd(msg, 0);
	wake_fd = has_wake ? rf_vhost_user_take_fd(msg, 1) : -1;
	err = bells_set(dev, ring_fd, wake_fd, ring);
	if (err)
		rf_log("ring refused (%d)", err);
	return err;
}

static int seal(struct rf_device *dev, struct rf_vhost_user_msg *msg)
{
	(void)msg;
	if (dev->sealed)
		return 0;
	/* Before: the clock may need a call that the filter refuses. */
	RF_REPORT_SET(dev->report, sealed_ns, rf_clock_ns());
	rf_fence_seal(dev->ops->sealed);
	dev->sealed = true;
	return 0;
}

#define F(name) VHOST_USER_PROTOCOL_F_##name

static const struct handler handlers[] = {
	{ VHOST_USER_GET_FEATURES, NO_FEATURE, ANSWER_DATA, false, false,
	  get_features },
	{ VHOST_USER_SET_FEATURES, NO_FEATURE, ANSWER_IF_ASKED, true, false,
	  set_features },
	{ VHOST_USER_SET_OWNER, NO_FEATURE, ANSWER_IF_ASKED, false, false,
	  set_owner },
	{ VHOST_USER_SET_MEM_TABLE, NO_FEATURE, ANSWER_IF_ASKED, false, true,
	  backend_set_mem_table },
	{ VHOST_USER_SET_VRING_NUM, NO_FEATURE, ANSWER_IF_ASKED, true, false,
	  backend_queue_set_num },
	{ VHOST_USER_SET_VRING_ADDR, NO_FEATURE, ANSWER_IF_ASKED, true, false,
	  backend_queue_set_addr },
	{ VHOST_USER_SET_VRING_BASE, NO_FEATURE, ANSWER_IF_ASKED, true, false,
	  backend_queue_set_base },
	{ VHOST_USER_GET_VRING_BASE, NO_FEATURE, ANSWER_DATA, false, false,
	  backend_queue_get_base },
	{ VHOST_USER_SET_VRING_KICK, NO_FEATURE, ANSWER_IF_ASKED, false, true,
	  backend_queue_set_kick },
	{ VHOST_USER_SET_VRING_CALL, NO_FEATURE, ANSWER_IF_ASKED, false, true,
	  backend_queue_set_call },
	{ VHOST_USER_SET_VRING_ERR, NO_FEATURE, ANSWER_IF_ASKED, false, true,
	  backend_queue_set_err },
	{ VHOST_USER_GET_PROTOCOL_FEATURES, NO_FEATURE, ANSWER_DATA, false,
	  false, get_protocol },
	{ VHOST_USER_SET_PROTOCOL_FEATURES, NO_FEATURE, ANSWER_IF_ASKED, false,
	  false, set_protocol },
	{ VHOST_USER_GET_QUEUE_NUM, F(MQ), ANSWER_DATA, false, false,
	  get_queue_num },
	{ VHOST_USER_SET_VRING_ENABLE, NO_FEATURE, ANSWER_IF_ASKED, true, false,
	  backend_queue_set_enable },
	{ VHOST_USER_GET_CONFIG, F(CONFIG), ANSWER_DATA, false, false,
	  get_config },
	{ VHOST_USER_SET_CONFIG, F(CONFIG), ANSWER_IF_ASKED, true, false,
	  set_config },
	{ VHOST_USER_RESET_DEVICE, F(RESET_DEVICE), ANSWER_IF_ASKED, false,
	  false, reset_device },
	{ VHOST_USER_SET_STATUS, F(STATUS), ANSWER_IF_ASKED, true, false,
	  set_status },
	{ VHOST_USER_GET_STATUS, F(STATUS), ANSWER_DATA, false, false,
	  get_status },
	{ VHOST_USER_SET_COALESCED_RING, F(COALESCED_RING), ANSWER_ALWAYS,
	  false, true, set_ring },
	{ VHOST_USER_SEAL, F(SEAL), ANSWER_ALWAYS, false, false, seal },
};

#undef F

static const struct handler *find_handler(uint32_t request)
{
	size_t i;

	for (i = 0; i < RF_ARRAY_LEN(handlers); i++)
		if (handlers[i].request == request)
			return &handlers[i];
	return NULL;
}

static bool is_answer_wanted(const struct rf_device *dev,
			     const struct handler *h,
			     const struct rf_vhost_user_msg *msg)
{
	if (h && h->answer == ANSWER_ALWAYS)
		return true;
	return has_protocol(dev, VHOST_USER_PROTOCOL_F_REPLY_ACK) &&
	       (msg->header.flags & VHOST_USER_NEED_REPLY_MASK);
}

static int answer(struct rf_device *dev, struct rf_vhost_user_msg *msg,
		  bool yes)
{
	msg->payload.u64 = yes ? 0 : 1;
	return rf_vhost_user_reply(dev->sock, msg, sizeof(msg->payload.u64));
}

/* What could not be done is said, or has consequences. */
static int refuse(struct rf_device *dev, const struct handler *h,
		  struct rf_vhost_user_msg *msg, int why)
{
	static struct rf_log_limit limit;

	/* A guest's word: at most `burst` lines between two resets. */
	rf_log_limited(&limit, 8, "vhost-user request %u refused (%d)",
		       msg->header.request, why);
	if (is_answer_wanted(dev, h, msg))
		return answer(dev, msg, false);
	if (h && h->guests_word) {
		device_break(dev, 0);
		return 0;
	}
	return -EPROTO;
}

/* Judge, then act, then answer. */
static int dispatch(struct rf_device *dev, struct rf_vhost_user_msg *msg)
{
	const struct handler *h = find_handler(msg->header.request);
	bool wanted = is_answer_wanted(dev, h, msg);
	int err;

	if (dev->sealed && h && h->until_seal)
		return refuse(dev, h, msg, -EPERM);
	err = rf_vhost_user_check(msg);
	if (err == -EPROTO)
		return err;
	if (err || !h)
		return refuse(dev, h, msg, err ? err : -ENOTSUP);
	if (h->feature != NO_FEATURE && !has_protocol(dev, h->feature))
		return -EPROTO;
	err = h->fn(dev, msg);
	if (err == -EPROTO)
		return err;
	if (err)
		return refuse(dev, h, msg, err);
	if (h->answer == ANSWER_DATA)
		return rf_vhost_user_reply(dev->sock, msg, msg->header.size);
	return wanted ? answer(dev, msg, true) : 0;
}

static int receive(struct rf_device *dev, struct rf_vhost_user_msg *msg)
{
	return dev->sealed ? rf_vhost_user_recv_plain(dev->sock, msg)
			   : rf_vhost_user_recv(dev->sock, msg);
}

int backend_handle(struct rf_device *dev)
{
	struct rf_vhost_user_msg msg = { .nr_fds = 0 };
	int err = receive(dev, &msg);

	if (err == -EAGAIN)
		return 0;
	if (!err) {
		err = dispatch(dev, &msg);
		rf_vhost_user_msg_close(&msg);
	}
	if (err == -EPROTO)
		rf_log("vhost-user: the front-end lied in request %u, %u bytes "
		       "of payload (-EPROTO)",
		       msg.header.request, msg.header.size);
	return err;
}
