/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * frontend.c - the monitor's half of vhost-user: one question, one answer
 *
 * Side:    the vCPU process. The back-end is hostile: every answer is judged,
 *          and none may bring a descriptor.
 * Owns:    the socket, and what was negotiated over it.
 * Callers: src/vmm, monitors, through <ringfence/vhost_user.h>. One thread.
 * Never:   has two questions under way, goes on with a stream that once lied
 *          or stalled, calls anything but sendmsg and recvmsg after new.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "wire/vhost_user.h"

#define BIT(nr) (UINT64_C(1) << (nr))
#define NS_PER_MS UINT64_C(1000000)
#define CONFIG_HEADER offsetof(struct rf_vhost_user_config, data)
#define MEM_TABLE_HEADER offsetof(struct rf_vhost_user_mem_table, regions)

/* virtio 1.2, 6: a queue's base then has two halves. */
#define F_RING_PACKED BIT(34)

/* Of what a back-end offers we take these. */
#define PROTOCOL_FEATURES                            \
	(BIT(VHOST_USER_PROTOCOL_F_MQ) |             \
	 BIT(VHOST_USER_PROTOCOL_F_REPLY_ACK) |      \
	 BIT(VHOST_USER_PROTOCOL_F_CONFIG) |         \
	 BIT(VHOST_USER_PROTOCOL_F_RESET_DEVICE) |   \
	 BIT(VHOST_USER_PROTOCOL_F_STATUS) |         \
	 BIT(VHOST_USER_PROTOCOL_F_COALESCED_RING) | \
	 BIT(VHOST_USER_PROTOCOL_F_SEAL))

struct rf_frontend {
	int sock;
	int dead; /* the error that every further call gives, or 0 */
	uint64_t features;
	uint64_t protocol_features; /* negotiated */
	bool packed;		    /* so are the driver's queues */
};

static int set_timeouts(int sock)
{
	struct timeval t = { .tv_sec = RF_FRONTEND_TIMEOUT_MS / 1000,
			     .tv_usec = RF_FRONTEND_TIMEOUT_MS % 1000 * 1000L };

	if (setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t)) < 0 ||
	    setsockopt(sock, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof(t)) < 0)
		return -errno;
	return 0;
}

int rf_frontend_new(int sock, struct rf_frontend **out)
{
	struct rf_frontend *fe;
	int rc;

	fe = calloc(1, sizeof(*fe));
	if (!fe) {
		rf_fd_close(&sock);
		return -ENOMEM;
	}
	fe->sock = sock;
	rc = set_timeouts(sock);
	if (rc < 0)
		goto fail;
	*out = fe;
	return 0;

fail:
	rf_frontend_free(fe);
	return rc;
}

void rf_frontend_free(struct rf_frontend *fe)
{
	if (!fe)
		return;
	rf_fd_close(&fe->sock);
	free(fe);
}

uint64_t rf_frontend_features(const struct rf_frontend *fe)
{
	return fe->features & ~BIT(VHOST_USER_F_PROTOCOL_FEATURES);
}

bool rf_frontend_has(const struct rf_frontend *fe,
		     enum vhost_user_protocol_feature bit)
{
	return fe->protocol_features & BIT(bit);
}

static struct rf_vhost_user_msg question(uint32_t request, uint32_t size)
{
	return (struct rf_vhost_user_msg){
		.header = { .request = request,
			    .flags = VHOST_USER_VERSION_1,
			    .size = size },
	};
}

static int die(struct rf_frontend *fe, int error)
{
	fe->dead = error;
	return error;
}

static int post(struct rf_frontend *fe, const struct rf_vhost_user_msg *msg)
{
	int rc;

	if (fe->dead)
		return fe->dead;
	rc = rf_vhost_user_send(fe->sock, msg);
	if (rc == -EAGAIN)
		rc = -ETIMEDOUT;
	/* Any other error (a descriptor that is none, say) means that nothing
	 * left, and the stream is as good as before. */
	if (rc == -ETIMEDOUT || rc == -EPIPE || rc == -EPROTO)
		return die(fe, rc);
	return rc;
}

/* Ask, and replace the question in `msg` by its answer. */
static int ask(struct rf_frontend *fe, struct rf_vhost_user_msg *msg)
{
	uint32_t request = msg->header.request;
	uint64_t deadline_ns;
	int rc;

	rc = post(fe, msg);
	if (rc < 0)
		return rc;
	deadline_ns = rf_clock_ns() + RF_FRONTEND_TIMEOUT_MS * NS_PER_MS;
	rc = vhost_user_recv_plain_until(fe->sock, msg, deadline_ns);
	if (rc == -EAGAIN)
		rc = -ETIMEDOUT;
	if (rc < 0)
		return die(fe, rc);
	if (msg->header.request != request ||
	    msg->header.flags != (VHOST_USER_VERSION_1 | VHOST_USER_REPLY_MASK))
		return die(fe, -EPROTO);
	return 0;
}

/* Ask for a single number. */
static int ask_u64(struct rf_frontend *fe, struct rf_vhost_user_msg *msg,
		   uint64_t *out)
{
	int rc = ask(fe, msg);

	if (rc < 0)
		return rc;
	if (msg->header.size != sizeof(msg->payload.u64))
		return die(fe, -EPROTO);
	*out = msg->payload.u64;
	return 0;
}

/* Demand, and have it acknowledged. */
static int demand(struct rf_frontend *fe, struct rf_vhost_user_msg *msg)
{
	uint64_t failed = 0;
	int rc;

	/* Without REPLY_ACK nobody would answer. */
	if (!fe->dead && !rf_frontend_has(fe, VHOST_USER_PROTOCOL_F_REPLY_ACK))
		return -ENOTSUP;
	msg->header.flags |= VHOST_USER_NEED_REPLY_MASK;
	rc = ask_u64(fe, msg, &failed);
	if (rc < 0)
		return rc;
	return failed ? -EREMOTEIO : 0;
}

static int demand_u64(struct rf_frontend *fe, uint32_t request, uint64_t value)
{
	struct rf_vhost_user_msg msg = question(request, sizeof(uint64_t));

	msg.payload.u64 = value;
	return demand(fe, &msg);
}

static int demand_state(struct rf_frontend *fe, uint32_t request,
			uint32_t queue, uint32_t num)
{
	struct rf_vhost_user_msg msg = question(
		request, sizeof(struct rf_vhost_user_vring_state));

	msg.payload.state.index = queue;
	msg.payload.state.num = num;
	return demand(fe, &msg);
}

int rf_frontend_negotiate(struct rf_frontend *fe)
{
	struct rf_vhost_user_msg msg;
	uint64_t features, protocol;
	int rc;

	/* Before REPLY_ACK is agreed on, a demand has no answer. */
	msg = question(VHOST_USER_SET_OWNER, 0);
	rc = post(fe, &msg);
	if (rc < 0)
		return rc;
	msg = question(VHOST_USER_GET_FEATURES, 0);
	rc = ask_u64(fe, &msg, &features);
	if (rc < 0)
		return rc;
	if (!(features & BIT(VHOST_USER_F_PROTOCOL_FEATURES)))
		return -ENOTSUP;
	msg = question(VHOST_USER_GET_PROTOCOL_FEATURES, 0);
	rc = ask_u64(fe, &msg, &protocol);
	if (rc < 0)
		return rc;
	protocol &= PROTOCOL_FEATURES;
	if (!(protocol & BIT(VHOST_USER_PROTOCOL_F_REPLY_ACK)))
		return -ENOTSUP;
	msg = question(VHOST_USER_SET_PROTOCOL_FEATURES, sizeof(protocol));
	msg.payload.u64 = protocol;
	rc = post(fe, &msg);
	if (rc < 0)
		return rc;
	fe->features = features;
	fe->protocol_features = protocol;
	return 0;
}

int rf_frontend_queue_num(struct rf_frontend *fe, uint16_t *out)
{
	struct rf_vhost_user_msg msg = question(VHOST_USER_GET_QUEUE_NUM, 0);
	uint64_t nr = 1;
	int rc = 0;

	if (fe->dead)
		return fe->dead;
	if (rf_frontend_has(fe, VHOST_USER_PROTOCOL_F_MQ))
		rc = ask_u64(fe, &msg, &nr);
	if (rc < 0)
		return rc;
	if (nr == 0 || nr > UINT16_MAX)
		return die(fe, -EPROTO);
	*out = (uint16_t)nr;
	return 0;
}

/* Errors of every call that needs a feature, before it sends anything. */
static int need(const struct rf_frontend *fe,
		enum vhost_user_protocol_feature bit)
{
	if (fe->dead)
		return fe->dead;
	return rf_frontend_has(fe, bit) ? 0 : -ENOTSUP;
}

static int config_question(struct rf_frontend *fe, uint32_t request,
			   uint32_t offset, uint32_t len,
			   struct rf_vhost_user_msg *msg)
{
	int rc = need(fe, VHOST_USER_PROTOCOL_F_CONFIG);

	if (rc < 0)
		return rc;
	if (len == 0 || len > RF_VHOST_USER_CONFIG_MAX)
		return -EINVAL;
	*msg = question(request, (uint32_t)CONFIG_HEADER + len);
	msg->payload.config.offset = offset;
	msg->payload.config.size = len;
	return 0;
}

int rf_frontend_get_config(struct rf_frontend *fe, uint32_t offset, void *buf,
			   uint32_t len)
{
	struct rf_vhost_user_msg msg;
	int rc;

	rc = config_question(fe, VHOST_USER_GET_CONFIG, offset, len, &msg);
	if (rc < 0)
		return rc;
	rc = ask(fe, &msg);
	if (rc < 0)
		return rc;
	if (msg.header.size == 0)
		return -EREMOTEIO; /* the protocol's "no" to this one */
	if (msg.header.size != CONFIG_HEADER + len ||
	    msg.payload.config.offset != offset ||
	    msg.payload.config.size != len)
		return die(fe, -EPROTO);
	memcpy(buf, msg.payload.config.data, len);
	return 0;
}

int rf_frontend_set_config(struct rf_frontend *fe, uint32_t offset,
			   const void *buf, uint32_t len)
{
	struct rf_vhost_user_msg msg;
	int rc;

	rc = config_question(fe, VHOST_USER_SET_CONFIG, offset, len, &msg);
	if (rc < 0)
		return rc;
	memcpy(msg.payload.config.data, buf, len);
	return demand(fe, &msg);
}

int rf_frontend_set_mem_table(struct rf_frontend *fe,
			      const struct rf_vhost_user_region *regions,
			      const int *fds, uint32_t nr)
{
	struct rf_vhost_user_msg msg;
	size_t bytes = nr * sizeof(*regions);

	if (nr == 0 || nr > RF_VHOST_USER_REGIONS_MAX)
		return -EINVAL;
	msg = question(VHOST_USER_SET_MEM_TABLE,
		       (uint32_t)(MEM_TABLE_HEADER + bytes));
	msg.payload.mem.nr_regions = nr;
	memcpy(msg.payload.mem.regions, regions, bytes);
	memcpy(msg.fds, fds, nr * sizeof(*fds));
	msg.nr_fds = nr;
	return demand(fe, &msg);
}

static int hand_over_eventfd(struct rf_frontend *fe, uint32_t request,
			     uint16_t queue, int fd)
{
	struct rf_vhost_user_msg msg = question(request, sizeof(uint64_t));

	if (queue > VHOST_USER_VRING_IDX_MASK || fd < 0)
		return -EINVAL;
	msg.payload.u64 = queue;
	msg.fds[0] = fd;
	msg.nr_fds = 1;
	return demand(fe, &msg);
}

int rf_frontend_set_kick(struct rf_frontend *fe, uint16_t queue, int fd)
{
	return hand_over_eventfd(fe, VHOST_USER_SET_VRING_KICK, queue, fd);
}

int rf_frontend_set_call(struct rf_frontend *fe, uint16_t queue, int fd)
{
	return hand_over_eventfd(fe, VHOST_USER_SET_VRING_CALL, queue, fd);
}

int rf_frontend_set_err(struct rf_frontend *fe, uint16_t queue, int fd)
{
	return hand_over_eventfd(fe, VHOST_USER_SET_VRING_ERR, queue, fd);
}

int rf_frontend_set_ring(struct rf_frontend *fe, int ring, int wake,
			 uint64_t gpa, uint32_t len,
			 enum vhost_user_ring_format format)
{
	struct rf_vhost_user_msg msg = question(
		VHOST_USER_SET_COALESCED_RING,
		sizeof(struct rf_vhost_user_ring));
	int rc = need(fe, VHOST_USER_PROTOCOL_F_COALESCED_RING);

	if (rc < 0)
		return rc;
	if (ring < 0 || len == 0)
		return -EINVAL;
	msg.payload.ring = (struct rf_vhost_user_ring){
		.addr = gpa,
		.len = len,
		.format = format,
		.flags = wake >= 0 ? VHOST_USER_RING_F_WAKE : 0,
	};
	msg.fds[msg.nr_fds++] = ring;
	if (wake >= 0)
		msg.fds[msg.nr_fds++] = wake;
	return demand(fe, &msg);
}

int rf_frontend_seal(struct rf_frontend *fe)
{
	struct rf_vhost_user_msg msg = question(VHOST_USER_SEAL, 0);
	int rc = need(fe, VHOST_USER_PROTOCOL_F_SEAL);

	return rc < 0 ? rc : demand(fe, &msg);
}

int rf_frontend_set_features(struct rf_frontend *fe, uint64_t features)
{
	int rc;

	/* With bit 30 rings start out disabled, which queue_start counts on. */
	rc = demand_u64(fe, VHOST_USER_SET_FEATURES,
			features | BIT(VHOST_USER_F_PROTOCOL_FEATURES));
	if (rc == 0)
		fe->packed = features & F_RING_PACKED;
	return rc;
}

static int demand_addr(struct rf_frontend *fe,
		       const struct rf_frontend_queue *q)
{
	struct rf_vhost_user_msg msg = question(
		VHOST_USER_SET_VRING_ADDR,
		sizeof(struct rf_vhost_user_vring_addr));

	msg.payload.addr = (struct rf_vhost_user_vring_addr){
		.index = q->index,
		.desc_user_addr = q->desc_addr,
		.used_user_addr = q->used_addr,
		.avail_user_addr = q->avail_addr,
	};
	return demand(fe, &msg);
}

int rf_frontend_queue_start(struct rf_frontend *fe,
			    const struct rf_frontend_queue *q)
{
	uint16_t i = q->index;
	int rc;

	rc = demand_state(fe, VHOST_USER_SET_VRING_NUM, i, q->size);
	if (rc == 0)
		rc = demand_state(fe, VHOST_USER_SET_VRING_BASE, i, q->base);
	if (rc == 0)
		rc = demand_addr(fe, q);
	if (rc == 0)
		rc = demand_state(fe, VHOST_USER_SET_VRING_ENABLE, i, 1);
	return rc;
}

int rf_frontend_queue_size(struct rf_frontend *fe, uint16_t queue,
			   uint16_t size)
{
	return demand_state(fe, VHOST_USER_SET_VRING_NUM, queue, size);
}

int rf_frontend_queue_stop(struct rf_frontend *fe, uint16_t queue,
			   uint32_t *base)
{
	struct rf_vhost_user_msg msg = question(
		VHOST_USER_GET_VRING_BASE,
		sizeof(struct rf_vhost_user_vring_state));
	int rc;

	msg.payload.state.index = queue;
	rc = ask(fe, &msg);
	if (rc < 0)
		return rc;
	if (msg.header.size != sizeof(msg.payload.state) ||
	    msg.payload.state.index != queue ||
	    (msg.payload.state.num > UINT16_MAX && !fe->packed))
		return die(fe, -EPROTO);
	*base = msg.payload.state.num;
	return 0;
}

int rf_frontend_set_status(struct rf_frontend *fe, uint8_t status)
{
	int rc = need(fe, VHOST_USER_PROTOCOL_F_STATUS);

	if (rc < 0)
		return rc;
	return demand_u64(fe, VHOST_USER_SET_STATUS, status);
}

int rf_frontend_get_status(struct rf_frontend *fe, uint8_t *out)
{
	struct rf_vhost_user_msg msg = question(VHOST_USER_GET_STATUS, 0);
	uint64_t status = 0;
	int rc = need(fe, VHOST_USER_PROTOCOL_F_STATUS);

	if (rc == 0)
		rc = ask_u64(fe, &msg, &status);
	if (rc < 0)
		return rc;
	if (status > UINT8_MAX)
		return die(fe, -EPROTO);
	*out = (uint8_t)status;
	return 0;
}

int rf_frontend_reset(struct rf_frontend *fe)
{
	struct rf_vhost_user_msg msg = question(VHOST_USER_RESET_DEVICE, 0);
	int rc = need(fe, VHOST_USER_PROTOCOL_F_RESET_DEVICE);

	if (rc == -ENOTSUP)
		return rf_frontend_set_status(fe, 0);
	return rc < 0 ? rc : demand(fe, &msg);
}
