/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * vhost_user.c - cut a byte stream into messages without believing the sender
 *
 * Side:    both. The peer is hostile: a guest's monitor to a device, a device
 *          to a monitor.
 * Owns:    nothing; descriptors that came belong to the message.
 * Callers: the device runtime, frontend.c, through <ringfence/vhost_user.h>.
 * Never:   reads past one message, keeps a descriptor of a message it refused.
 *
 * Calls on the socket: recvmsg and sendmsg where descriptors may travel, recv
 * and send where none may. A filter cannot look into a msghdr, so a process
 * that is allowed recvmsg can be sent descriptors whatever its own code asks
 * for; one that is only allowed recvfrom with no address cannot.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>

#include "wire/vhost_user.h"

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
	      "vhost-user is spoken in the byte order of the host");

#define HEADER_BYTES sizeof(struct rf_vhost_user_header)
#define KNOWN_FLAGS                                        \
	(VHOST_USER_VERSION_MASK | VHOST_USER_REPLY_MASK | \
	 VHOST_USER_NEED_REPLY_MASK)

/* Room for as many descriptors as a message may have and no more: of those that
 * do not fit the kernel installs none and says MSG_CTRUNC, so a flood of them
 * never takes up numbers in this process. */
union control {
	char bytes[CMSG_SPACE(RF_VHOST_USER_FDS_MAX * sizeof(int))];
	struct cmsghdr align;
};

struct reader {
	int sock;
	uint64_t deadline_ns; /* 0: none */
	bool plain;	      /* descriptors vanish in the kernel, unseen */
	bool dropped;	      /* not plain: some did, and that is a lie */
};

/* WAITALL: a peer that dribbles costs us no system call a byte, and the
 * socket's timeout covers the whole of it. */
static ssize_t receive_some(const struct reader *r, struct msghdr *mh)
{
	if (r->plain)
		return recv(r->sock, mh->msg_iov->iov_base,
			    mh->msg_iov->iov_len, MSG_WAITALL);
	return recvmsg(r->sock, mh, MSG_CMSG_CLOEXEC | MSG_WAITALL);
}

/* One call that brought something. `control` NULL: descriptors that come with
 * these bytes are thrown away by the kernel. Returns the bytes, or -errno;
 * -EPIPE at the end of the stream. */
static ssize_t receive(struct reader *r, void *buf, size_t len,
		       union control *control, struct msghdr *mh)
{
	struct iovec iov = { .iov_base = buf, .iov_len = len };
	ssize_t n;
	int err;

	do {
		*mh = (struct msghdr){ .msg_iov = &iov, .msg_iovlen = 1 };
		if (control) {
			mh->msg_control = control->bytes;
			mh->msg_controllen = sizeof(control->bytes);
		}
		n = receive_some(r, mh);
		err = errno;
	} while (n < 0 && err == EINTR);
	/* Closing a socket with unread bytes in it resets the peer. */
	if (n == 0 || (n < 0 && err == ECONNRESET))
		return -EPIPE;
	if (n < 0)
		return -err;
	if (mh->msg_flags & MSG_CTRUNC)
		r->dropped = true;
	return n;
}

/* What is still missing of a message that began. */
static int receive_rest(struct reader *r, void *buf, size_t len)
{
	uint8_t *at = buf;
	struct msghdr mh;
	ssize_t n;

	while (len > 0) {
		if (r->deadline_ns && rf_clock_ns() > r->deadline_ns)
			return -EPROTO;
		n = receive(r, at, len, NULL, &mh);
		if (n == -EPIPE || n == -EAGAIN)
			return -EPROTO; /* closed or stalled in the middle */
		if (n < 0)
			return (int)n;
		at += n;
		len -= (size_t)n;
	}
	return 0;
}

/* Own every descriptor that was installed before anything is judged. */
static void collect_fds(struct msghdr *mh, struct rf_vhost_user_msg *msg)
{
	struct cmsghdr *c;
	size_t nr, i;
	int fd;

	for (c = CMSG_FIRSTHDR(mh); c; c = CMSG_NXTHDR(mh, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		nr = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (i = 0; i < nr; i++) {
			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
			if (msg->nr_fds < RF_VHOST_USER_FDS_MAX)
				msg->fds[msg->nr_fds++] = fd;
			else
				rf_fd_close(&fd);
		}
	}
}

static bool is_valid_header(const struct rf_vhost_user_header *h)
{
	if ((h->flags & VHOST_USER_VERSION_MASK) != VHOST_USER_VERSION_1)
		return false;
	if (h->flags & ~(uint32_t)KNOWN_FLAGS)
		return false;
	return h->size <= sizeof(((struct rf_vhost_user_msg *)0)->payload);
}

/* Header, then payload. `control` only for the first bytes: descriptors have
 * no business with any later ones. */
static int receive_message(struct reader *r, struct rf_vhost_user_msg *msg,
			   union control *control)
{
	uint8_t *header = (uint8_t *)&msg->header;
	struct msghdr mh;
	ssize_t n;
	int rc;

	memset(msg, 0, sizeof(*msg));
	n = receive(r, header, HEADER_BYTES, control, &mh);
	if (n < 0)
		return (int)n;
	if (control)
		collect_fds(&mh, msg);
	rc = receive_rest(r, header + n, HEADER_BYTES - (size_t)n);
	if (rc < 0)
		return rc;
	if (!is_valid_header(&msg->header))
		return -EPROTO;
	return receive_rest(r, &msg->payload, msg->header.size);
}

int rf_vhost_user_recv(int sock, struct rf_vhost_user_msg *msg)
{
	struct reader r = { .sock = sock };
	union control control;
	int rc;

	rc = receive_message(&r, msg, &control);
	if (rc == 0 && r.dropped)
		rc = -EPROTO; /* too many, or not with the header */
	if (rc < 0)
		rf_vhost_user_msg_close(msg);
	return rc;
}

int vhost_user_recv_plain_until(int sock, struct rf_vhost_user_msg *msg,
				uint64_t deadline_ns)
{
	struct reader r = { .sock = sock,
			    .deadline_ns = deadline_ns,
			    .plain = true };

	return receive_message(&r, msg, NULL);
}

int rf_vhost_user_recv_plain(int sock, struct rf_vhost_user_msg *msg)
{
	return vhost_user_recv_plain_until(sock, msg, 0);
}

static void attach_fds(struct msghdr *mh, union control *control,
		       const struct rf_vhost_user_msg *msg)
{
	size_t bytes = msg->nr_fds * sizeof(int);
	struct cmsghdr *c;

	if (bytes == 0)
		return;
	memset(control, 0, sizeof(*control)); /* padding travels too */
	mh->msg_control = control->bytes;
	mh->msg_controllen = CMSG_SPACE(bytes);
	c = CMSG_FIRSTHDR(mh);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(bytes);
	memcpy(CMSG_DATA(c), msg->fds, bytes);
}

static ssize_t transmit(int sock, uint8_t *buf, size_t len,
			const struct rf_vhost_user_msg *fds_of)
{
	struct iovec iov = { .iov_base = buf, .iov_len = len };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };
	union control control;
	ssize_t n;
	int err;

	if (fds_of)
		attach_fds(&mh, &control, fds_of);
	do {
		n = mh.msg_control ? sendmsg(sock, &mh, MSG_NOSIGNAL)
				   : send(sock, buf, len, MSG_NOSIGNAL);
		err = errno;
	} while (n < 0 && err == EINTR);
	if (n < 0)
		return err == ECONNRESET ? -EPIPE : -err;
	return n;
}

int rf_vhost_user_send(int sock, const struct rf_vhost_user_msg *msg)
{
	uint8_t wire[HEADER_BYTES + sizeof(msg->payload)];
	size_t len = HEADER_BYTES, sent;
	ssize_t n;

	if (msg->header.size > sizeof(msg->payload) ||
	    msg->nr_fds > RF_VHOST_USER_FDS_MAX)
		return -EINVAL;
	memcpy(wire, &msg->header, HEADER_BYTES);
	memcpy(wire + HEADER_BYTES, &msg->payload, msg->header.size);
	len += msg->header.size;

	n = transmit(sock, wire, len, msg);
	if (n < 0)
		return (int)n;
	/* The descriptors went with the first byte. */
	for (sent = (size_t)n; sent < len; sent += (size_t)n) {
		n = transmit(sock, wire + sent, len - sent, NULL);
		if (n == -EPIPE)
			return -EPIPE;
		if (n <= 0)
			return -EPROTO; /* half a message is out */
	}
	return 0;
}

int rf_vhost_user_reply(int sock, struct rf_vhost_user_msg *msg, uint32_t size)
{
	struct rf_vhost_user_msg answer = {
		.header = { .request = msg->header.request,
			    .flags = VHOST_USER_VERSION_1 |
				     VHOST_USER_REPLY_MASK,
			    .size = size },
		.payload = msg->payload,
	};

	return rf_vhost_user_send(sock, &answer);
}

void rf_vhost_user_msg_close(struct rf_vhost_user_msg *msg)
{
	uint32_t i;

	for (i = 0; i < msg->nr_fds && i < RF_VHOST_USER_FDS_MAX; i++)
		rf_fd_close(&msg->fds[i]);
	msg->nr_fds = 0;
}

int rf_vhost_user_take_fd(struct rf_vhost_user_msg *msg, uint32_t i)
{
	if (i >= msg->nr_fds || i >= RF_VHOST_USER_FDS_MAX)
		return -1;
	return rf_fd_take(&msg->fds[i]);
}

int rf_vhost_user_check_seals(int fd)
{
	int seals = fcntl(fd, F_GET_SEALS);

	if (seals < 0)
		/* EINVAL: a file that cannot be sealed at all. */
		return errno == EINVAL ? -EPERM : -errno;
	return seals & F_SEAL_SHRINK ? 0 : -EPERM;
}
