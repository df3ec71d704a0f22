/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * vhost_user_check.c - the table of requests and the form each must have
 *
 * Side:    device, and whoever else receives requests.
 * Owns:    nothing; judges a copy that no longer changes.
 * Callers: the device runtime, before it looks at a payload.
 * Never:   judges what one message alone cannot prove: queue indices, guest
 *          addresses and the order of requests are the runtime's.
 */
#include <errno.h>

#include <ringfence/vhost_user.h>

struct shape {
	uint32_t request;
	uint16_t payload_min;
	uint16_t payload_max;
	uint8_t fds_min;
	uint8_t fds_max;
	/* Payload size and number of descriptors fit already. NULL: that is
	 * all there is to ask. */
	bool (*is_valid)(const struct rf_vhost_user_msg *msg);
};

#define MEM_TABLE_HEADER offsetof(struct rf_vhost_user_mem_table, regions)
#define CONFIG_HEADER offsetof(struct rf_vhost_user_config, data)

static bool is_valid_mem_table(const struct rf_vhost_user_msg *msg)
{
	uint32_t nr = msg->payload.mem.nr_regions;

	if (nr == 0 || nr > RF_VHOST_USER_REGIONS_MAX || nr != msg->nr_fds)
		return false;
	return msg->header.size ==
	       MEM_TABLE_HEADER + nr * sizeof(struct rf_vhost_user_region);
}

static bool is_valid_config(const struct rf_vhost_user_msg *msg)
{
	const struct rf_vhost_user_config *config = &msg->payload.config;

	if (config->size == 0 || config->size > RF_VHOST_USER_CONFIG_MAX)
		return false;
	return msg->header.size == CONFIG_HEADER + config->size;
}

/* u64: index, and whether a descriptor came. */
static bool is_valid_vring_fd(const struct rf_vhost_user_msg *msg)
{
	uint64_t known = VHOST_USER_VRING_IDX_MASK | VHOST_USER_VRING_NOFD_MASK;
	bool no_fd = msg->payload.u64 & VHOST_USER_VRING_NOFD_MASK;

	if (msg->payload.u64 & ~known)
		return false;
	return msg->nr_fds == (no_fd ? 0u : 1u);
}

static bool is_valid_status(const struct rf_vhost_user_msg *msg)
{
	return msg->payload.u64 <= UINT8_MAX;
}

static bool is_valid_ring(const struct rf_vhost_user_msg *msg)
{
	const struct rf_vhost_user_ring *ring = &msg->payload.ring;
	bool wake = ring->flags & VHOST_USER_RING_F_WAKE;

	if (ring->flags & ~(uint32_t)VHOST_USER_RING_F_WAKE || ring->padding)
		return false;
	if (ring->format != VHOST_USER_RING_QUEUE_INDEX &&
	    ring->format != VHOST_USER_RING_NOTIFICATION_DATA)
		return false;
	/* The last byte of the zone must have an address. */
	if (ring->len == 0 || ring->len - 1 > UINT64_MAX - ring->addr)
		return false;
	return msg->nr_fds == (wake ? 2u : 1u);
}

enum {
	U64 = sizeof(uint64_t),
	STATE = sizeof(struct rf_vhost_user_vring_state),
	ADDR = sizeof(struct rf_vhost_user_vring_addr),
	MEM_MIN = MEM_TABLE_HEADER + sizeof(struct rf_vhost_user_region),
	MEM_MAX = sizeof(struct rf_vhost_user_mem_table),
	CONF_MIN = CONFIG_HEADER + 1,
	CONF_MAX = sizeof(struct rf_vhost_user_config),
	RING = sizeof(struct rf_vhost_user_ring),
	FDS = RF_VHOST_USER_FDS_MAX,
};

/* Closed: what is not here is answered "no", whatever it carries. */
static const struct shape shapes[] = {
	{ VHOST_USER_GET_FEATURES, 0, 0, 0, 0, NULL },
	{ VHOST_USER_SET_FEATURES, U64, U64, 0, 0, NULL },
	{ VHOST_USER_SET_OWNER, 0, 0, 0, 0, NULL },
	{ VHOST_USER_RESET_OWNER, 0, 0, 0, 0, NULL },
	{ VHOST_USER_SET_MEM_TABLE, MEM_MIN, MEM_MAX, 1, FDS,
	  is_valid_mem_table },
	{ VHOST_USER_SET_VRING_NUM, STATE, STATE, 0, 0, NULL },
	{ VHOST_USER_SET_VRING_ADDR, ADDR, ADDR, 0, 0, NULL },
	{ VHOST_USER_SET_VRING_BASE, STATE, STATE, 0, 0, NULL },
	{ VHOST_USER_GET_VRING_BASE, STATE, STATE, 0, 0, NULL },
	{ VHOST_USER_SET_VRING_KICK, U64, U64, 0, 1, is_valid_vring_fd },
	{ VHOST_USER_SET_VRING_CALL, U64, U64, 0, 1, is_valid_vring_fd },
	{ VHOST_USER_SET_VRING_ERR, U64, U64, 0, 1, is_valid_vring_fd },
	{ VHOST_USER_GET_PROTOCOL_FEATURES, 0, 0, 0, 0, NULL },
	{ VHOST_USER_SET_PROTOCOL_FEATURES, U64, U64, 0, 0, NULL },
	{ VHOST_USER_GET_QUEUE_NUM, 0, 0, 0, 0, NULL },
	{ VHOST_USER_SET_VRING_ENABLE, STATE, STATE, 0, 0, NULL },
	{ VHOST_USER_GET_CONFIG, CONF_MIN, CONF_MAX, 0, 0, is_valid_config },
	{ VHOST_USER_SET_CONFIG, CONF_MIN, CONF_MAX, 0, 0, is_valid_config },
	{ VHOST_USER_RESET_DEVICE, 0, 0, 0, 0, NULL },
	{ VHOST_USER_SET_STATUS, U64, U64, 0, 0, is_valid_status },
	{ VHOST_USER_GET_STATUS, 0, 0, 0, 0, NULL },
	{ VHOST_USER_SET_COALESCED_RING, RING, RING, 1, 2, is_valid_ring },
	{ VHOST_USER_SEAL, 0, 0, 0, 0, NULL },
};

static const struct shape *find_shape(uint32_t request)
{
	size_t i;

	for (i = 0; i < RF_ARRAY_LEN(shapes); i++) {
		if (shapes[i].request == request)
			return &shapes[i];
	}
	return NULL;
}

int rf_vhost_user_check(const struct rf_vhost_user_msg *msg)
{
	const struct shape *shape;
	uint32_t size = msg->header.size;

	if (msg->header.flags & VHOST_USER_REPLY_MASK)
		return -EPROTO; /* an answer nobody waits for */
	shape = find_shape(msg->header.request);
	if (!shape)
		return -ENOTSUP;
	if (size < shape->payload_min || size > shape->payload_max)
		return -EPROTO;
	if (msg->nr_fds < shape->fds_min || msg->nr_fds > shape->fds_max)
		return -EPROTO;
	if (shape->is_valid && !shape->is_valid(msg))
		return -EPROTO;
	return 0;
}
