/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * vhost_user.h - vhost-user messages with descriptors, and two extensions
 *
 * Names and numbers are those of the vhost-user protocol specification. Side:
 * both. The framing is the same for either end: lengths are checked before
 * they are used, at most RF_VHOST_USER_FDS_MAX descriptors a message, every
 * descriptor closed on every error path.
 *
 * Two protocol extensions of ours, each negotiated by a protocol feature bit
 * like any other, and silent towards peers that do not know them:
 *
 * VHOST_USER_PROTOCOL_F_COALESCED_RING (bit 48)
 *   SET_COALESCED_RING, front-end to back-end, with one or two descriptors:
 *   the ring (one page: a KVM buffer fd, or a memfd sealed against shrinking)
 *   and, if VHOST_USER_RING_F_WAKE is set in `flags`, an eventfd that is
 *   signalled when the front-end has filled the ring (a KVM buffer fd is
 *   polled itself). The back-end maps the page read-write, marks it not to be
 *   inherited, checks that it is empty, and answers (a reply is always sent,
 *   whether REPLY_ACK was negotiated or not): payload u64, 0 for success. Only
 *   after that answer does the front-end register the zone [addr, addr + len):
 *   KVM refuses to register a buffer that nobody mapped. Entries outside of
 *   the zone are counted and passed over. `format` says what the written value
 *   means: a queue index (virtio 1.2, 4.2.2 QueueNotify), or with
 *   NOTIFICATION_DATA the structure of virtio 1.2, 2.9.
 *   The queue eventfds (SET_VRING_KICK) go on working beside the ring: the
 *   front-end rings them for writes the ring could not take.
 *
 * VHOST_USER_PROTOCOL_F_SEAL (bit 49)
 *   SEAL, front-end to back-end, no payload, no descriptors; always answered
 *   with u64 0, after the back-end has loaded its last filter. From then on the
 *   back-end cannot map, open or receive descriptors. A message with
 *   descriptors is refused and they are closed by the kernel. Messages without
 *   descriptors work as before, so a guest may reset and negotiate for ever.
 */
#ifndef RINGFENCE_VHOST_USER_H
#define RINGFENCE_VHOST_USER_H

#include <assert.h>

#include <ringfence/base.h>

enum vhost_user_request {
	VHOST_USER_GET_FEATURES = 1,
	VHOST_USER_SET_FEATURES = 2,
	VHOST_USER_SET_OWNER = 3,
	VHOST_USER_RESET_OWNER = 4,
	VHOST_USER_SET_MEM_TABLE = 5,
	VHOST_USER_SET_LOG_BASE = 6,
	VHOST_USER_SET_LOG_FD = 7,
	VHOST_USER_SET_VRING_NUM = 8,
	VHOST_USER_SET_VRING_ADDR = 9,
	VHOST_USER_SET_VRING_BASE = 10,
	VHOST_USER_GET_VRING_BASE = 11,
	VHOST_USER_SET_VRING_KICK = 12,
	VHOST_USER_SET_VRING_CALL = 13,
	VHOST_USER_SET_VRING_ERR = 14,
	VHOST_USER_GET_PROTOCOL_FEATURES = 15,
	VHOST_USER_SET_PROTOCOL_FEATURES = 16,
	VHOST_USER_GET_QUEUE_NUM = 17,
	VHOST_USER_SET_VRING_ENABLE = 18,
	VHOST_USER_GET_CONFIG = 24,
	VHOST_USER_SET_CONFIG = 25,
	VHOST_USER_RESET_DEVICE = 34,
	VHOST_USER_SET_STATUS = 39,
	VHOST_USER_GET_STATUS = 40,
	VHOST_USER_SET_COALESCED_RING = 0x52460001,
	VHOST_USER_SEAL = 0x52460002,
};

enum vhost_user_protocol_feature {
	VHOST_USER_PROTOCOL_F_MQ = 0,
	VHOST_USER_PROTOCOL_F_REPLY_ACK = 3,
	VHOST_USER_PROTOCOL_F_CONFIG = 9,
	VHOST_USER_PROTOCOL_F_RESET_DEVICE = 13,
	VHOST_USER_PROTOCOL_F_STATUS = 16,
	VHOST_USER_PROTOCOL_F_COALESCED_RING = 48,
	VHOST_USER_PROTOCOL_F_SEAL = 49,
};

/* Bit of GET/SET_FEATURES that says protocol features exist. */
enum { VHOST_USER_F_PROTOCOL_FEATURES = 30 };

/* struct rf_vhost_user_header.flags */
enum {
	VHOST_USER_VERSION_MASK = 0x3,
	VHOST_USER_VERSION_1 = 0x1,
	VHOST_USER_REPLY_MASK = 0x4,
	VHOST_USER_NEED_REPLY_MASK = 0x8,
};

/* SET_VRING_KICK, _CALL, _ERR: u64 = index | NOFD */
enum {
	VHOST_USER_VRING_IDX_MASK = 0xff,
	VHOST_USER_VRING_NOFD_MASK = 0x100,
};

#define RF_VHOST_USER_FDS_MAX 8u
#define RF_VHOST_USER_REGIONS_MAX 8u
#define RF_VHOST_USER_CONFIG_MAX 256u

struct rf_vhost_user_header {
	uint32_t request;
	uint32_t flags;
	uint32_t size; /* of the payload, bytes */
};
static_assert(sizeof(struct rf_vhost_user_header) == 12, "vhost-user header");

struct rf_vhost_user_vring_state {
	uint32_t index;
	uint32_t num;
};

struct rf_vhost_user_vring_addr {
	uint32_t index;
	uint32_t flags;
	uint64_t desc_user_addr;
	uint64_t used_user_addr;
	uint64_t avail_user_addr;
	uint64_t log_guest_addr;
};
static_assert(sizeof(struct rf_vhost_user_vring_addr) == 40, "vhost-user");

struct rf_vhost_user_region {
	uint64_t guest_phys_addr;
	uint64_t memory_size;
	uint64_t user_addr;
	uint64_t mmap_offset;
};

struct rf_vhost_user_mem_table {
	uint32_t nr_regions;
	uint32_t padding;
	struct rf_vhost_user_region regions[RF_VHOST_USER_REGIONS_MAX];
};
static_assert(sizeof(struct rf_vhost_user_mem_table) == 8 + 8 * 32,
	      "vhost-user");

struct rf_vhost_user_config {
	uint32_t offset;
	uint32_t size;
	uint32_t flags;
	uint8_t data[RF_VHOST_USER_CONFIG_MAX];
};
static_assert(sizeof(struct rf_vhost_user_config) == 12 + 256, "vhost-user");

enum vhost_user_ring_format {
	VHOST_USER_RING_QUEUE_INDEX = 0,
	VHOST_USER_RING_NOTIFICATION_DATA = 1,
};
enum { VHOST_USER_RING_F_WAKE = 1 };

struct rf_vhost_user_ring {
	uint64_t addr;	 /* guest physical address of the zone */
	uint32_t len;	 /* of the zone, bytes */
	uint32_t format; /* enum vhost_user_ring_format */
	uint32_t flags;	 /* VHOST_USER_RING_F_WAKE */
	uint32_t padding;
};
static_assert(sizeof(struct rf_vhost_user_ring) == 24, "ours");

struct rf_vhost_user_msg {
	struct rf_vhost_user_header header;
	union {
		uint64_t u64;
		struct rf_vhost_user_vring_state state;
		struct rf_vhost_user_vring_addr addr;
		struct rf_vhost_user_mem_table mem;
		struct rf_vhost_user_config config;
		struct rf_vhost_user_ring ring;
		uint8_t bytes[sizeof(struct rf_vhost_user_mem_table) + 16];
	} payload;
	uint32_t nr_fds;
	int fds[RF_VHOST_USER_FDS_MAX]; /* owned by the message */
};

/* Receive one whole message from a SOCK_STREAM socket, blocking or with a
 * timeout (SO_RCVTIMEO); waits for the rest of a message once it began. The
 * payload beyond header.size is zeroed. Descriptors are close-on-exec and must
 * have come with the header's bytes. Which flags and sizes suit the request is
 * rf_vhost_user_check()'s to say. Only recvmsg(2) is called.
 *   -EAGAIN   nothing there (non-blocking), or the socket's timeout passed
 *   -EPIPE    the peer closed between messages
 *   -EPROTO   bad version or unknown flags, payload too large, peer closed or
 *             stalled (as -EAGAIN, but mid-message), too many descriptors,
 *             control data truncated; the stream cannot be trusted any more:
 *             close it
 * On failure every descriptor that came is closed and `msg` holds none. */
RF_MUST_CHECK int rf_vhost_user_recv(int sock, struct rf_vhost_user_msg *msg);

/* The same where descriptors are never wanted (a sealed device; a front-end
 * reading answers): the kernel throws away those that come, none is ever
 * installed in this process.
 * Uses recv, not recvmsg, so that a filter can tell the two apart: a filter
 * cannot look into a msghdr, and whoever may call recvmsg may be given
 * descriptors. The price is that nobody learns that some were thrown away. */
RF_MUST_CHECK int rf_vhost_user_recv_plain(int sock,
					   struct rf_vhost_user_msg *msg);

/* Judge a received request by the one table of requests: payload size, number
 * of descriptors, and what one message alone can prove of its fields (regions
 * against size, NOFD against descriptors, and so on). Indices and addresses
 * are for the runtime to judge. Every request but the ones listed as enum
 * vhost_user_request, and the LOG ones among those, are -ENOTSUP: answer "no".
 * -EPROTO: the request is known and of the wrong form, or not a request. */
RF_MUST_CHECK int rf_vhost_user_check(const struct rf_vhost_user_msg *msg);

/* Send it with its descriptors, which stay the caller's. Short writes are
 * finished. Never raises SIGPIPE. Only sendmsg(2) is called.
 *   -EINVAL   header.size or nr_fds beyond what a message can hold
 *   -EAGAIN   no room (non-blocking), or the socket's timeout passed; nothing
 *             was sent
 *   -EPIPE    the peer has closed
 *   -EPROTO   the peer stopped reading mid-message: close the stream */
RF_MUST_CHECK int rf_vhost_user_send(int sock,
				     const struct rf_vhost_user_msg *msg);

/* Answer `req`: same request, version and reply flags, `size` bytes of the
 * payload already in it, no descriptors. */
RF_MUST_CHECK int rf_vhost_user_reply(int sock, struct rf_vhost_user_msg *msg,
				      uint32_t size);

/* Close the descriptors that are still in it (taken ones are -1). */
void rf_vhost_user_msg_close(struct rf_vhost_user_msg *msg);

/* Take descriptor i out of the message; owned. -1 if there is none. */
int rf_vhost_user_take_fd(struct rf_vhost_user_msg *msg, uint32_t i);

/* Shared memory that its sender could shrink under us ends in SIGBUS. 0 if fd
 * carries F_SEAL_SHRINK; -EPERM if not; -errno where seals are unknown (a
 * regular file: -EPERM too). */
RF_MUST_CHECK int rf_vhost_user_check_seals(int fd);

/*
 * Front-end: the half a monitor uses. Every call is one message with its
 * answer (REPLY_ACK is required of the back-end). Errors of all:
 *   -EPIPE, -EPROTO   the back-end is gone or lies: close, replace
 *   -ETIMEDOUT        no answer within RF_FRONTEND_TIMEOUT_MS; close, replace
 *   -EREMOTEIO        the back-end answered "no"
 *   -ENOTSUP          the back-end did not offer the feature this needs
 *   -EINVAL           an argument no message can carry; nothing was sent
 * After one of the first three no call sends anything any more: each gives the
 * same error again, so that a late answer is never taken for a later
 * question's. Descriptors that a back-end sends are never installed here.
 * After rf_frontend_new() only sendmsg(2) and recvmsg(2) are called.
 */
#define RF_FRONTEND_TIMEOUT_MS 5000

struct rf_frontend;

/* `sock` (SOCK_STREAM, blocking) is taken, even on failure; its timeouts are
 * set here. */
RF_MUST_CHECK int rf_frontend_new(int sock, struct rf_frontend **out);
void rf_frontend_free(struct rf_frontend *fe);

/* SET_OWNER, GET_FEATURES, protocol features; of these all that the back-end
 * offers and this header names. -ENOTSUP: no REPLY_ACK. Afterwards: */
RF_MUST_CHECK int rf_frontend_negotiate(struct rf_frontend *fe);
/* Virtio features offered (bit 30, which is vhost-user's own, taken out). */
uint64_t rf_frontend_features(const struct rf_frontend *fe);
bool rf_frontend_has(const struct rf_frontend *fe,
		     enum vhost_user_protocol_feature bit);
/* 1 where the back-end has no MQ. */
RF_MUST_CHECK int rf_frontend_queue_num(struct rf_frontend *fe, uint16_t *out);
RF_MUST_CHECK int rf_frontend_get_config(struct rf_frontend *fe,
					 uint32_t offset, void *buf,
					 uint32_t len);
RF_MUST_CHECK int rf_frontend_set_config(struct rf_frontend *fe,
					 uint32_t offset, const void *buf,
					 uint32_t len);

/* Descriptors are borrowed by all of these. A back-end without SEAL may close
 * its copies of kick, call and err at queue_stop: set them anew before the
 * next queue_start then. */
RF_MUST_CHECK int
rf_frontend_set_mem_table(struct rf_frontend *fe,
			  const struct rf_vhost_user_region *regions,
			  const int *fds, uint32_t nr);
RF_MUST_CHECK int rf_frontend_set_kick(struct rf_frontend *fe, uint16_t queue,
				       int fd);
RF_MUST_CHECK int rf_frontend_set_call(struct rf_frontend *fe, uint16_t queue,
				       int fd);
RF_MUST_CHECK int rf_frontend_set_err(struct rf_frontend *fe, uint16_t queue,
				      int fd);
/* wake -1: the ring is polled itself. */
RF_MUST_CHECK int rf_frontend_set_ring(struct rf_frontend *fe, int ring,
				       int wake, uint64_t gpa, uint32_t len,
				       enum vhost_user_ring_format format);
RF_MUST_CHECK int rf_frontend_seal(struct rf_frontend *fe);

/* What a driver does at run time: plain messages only. Addresses are user
 * addresses of the memory table. */
RF_MUST_CHECK int rf_frontend_set_features(struct rf_frontend *fe,
					   uint64_t features);
struct rf_frontend_queue {
	uint16_t index;
	uint16_t size; /* descriptors */
	uint32_t base; /* where it goes on, as queue_stop gave it */
	uint64_t desc_addr;
	uint64_t avail_addr;
	uint64_t used_addr;
};
RF_MUST_CHECK int rf_frontend_queue_start(struct rf_frontend *fe,
					  const struct rf_frontend_queue *q);
/* A queue that begins: a split one at its first entry, a packed one there, too,
 * with both wrap counters at 1 (virtio 1.2, 2.8.1). */
#define RF_FRONTEND_BASE_SPLIT 0u
#define RF_FRONTEND_BASE_PACKED 0x80008000u
/* Returns when the back-end no longer touches the queue. `base`: of a split
 * queue the next available index; of a packed one that of the next available
 * descriptor (bits 0 to 14) and of the next used one (16 to 30), each with its
 * wrap counter above it. */
RF_MUST_CHECK int rf_frontend_queue_stop(struct rf_frontend *fe, uint16_t queue,
					 uint32_t *base);
/* Would the back-end take a queue of this size? -EREMOTEIO: it would not. Only
 * while the queue is stopped. */
RF_MUST_CHECK int rf_frontend_queue_size(struct rf_frontend *fe, uint16_t queue,
					 uint16_t size);
RF_MUST_CHECK int rf_frontend_set_status(struct rf_frontend *fe,
					 uint8_t status);
RF_MUST_CHECK int rf_frontend_get_status(struct rf_frontend *fe, uint8_t *out);
/* RESET_DEVICE, or status 0 where the back-end only knows that. */
RF_MUST_CHECK int rf_frontend_reset(struct rf_frontend *fe);

#endif
