/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * peer.h - the other end of a socket, free to send whatever it likes
 *
 * Callers: the unit twins of src/wire.
 */
#ifndef TESTS_PEER_H
#define TESTS_PEER_H

#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <ringfence/vhost_user.h>

#define PEER_FDS_MAX 253 /* what one sendmsg can carry */
#define PEER_HEADER_BYTES sizeof(struct rf_vhost_user_header)

static inline void peer_pair(int sv[2])
{
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv),
			 0);
}

static inline int peer_open_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int nr = 0;

	ck_assert_ptr_nonnull(dir);
	while (readdir(dir))
		nr++;
	closedir(dir);
	return nr;
}

static inline int peer_memfd(void)
{
	int fd = memfd_create("peer", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	ck_assert_int_ge(fd, 0);
	return fd;
}

/* Send raw bytes with `nr` copies of a descriptor. Returns what sendmsg says:
 * also called in threads that must not assert. */
static inline ssize_t peer_put(int sock, void *bytes, size_t len, int fd,
			       size_t nr)
{
	union {
		char bytes[CMSG_SPACE(PEER_FDS_MAX * sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec iov = { .iov_base = bytes, .iov_len = len };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *c;
	size_t i;

	memset(&control, 0, sizeof(control));
	if (nr) {
		mh.msg_control = control.bytes;
		mh.msg_controllen = CMSG_SPACE(nr * sizeof(int));
		c = CMSG_FIRSTHDR(&mh);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(nr * sizeof(int));
		for (i = 0; i < nr; i++)
			memcpy(CMSG_DATA(c) + i * sizeof(int), &fd, sizeof(fd));
	}
	return sendmsg(sock, &mh, MSG_NOSIGNAL);
}

/* A message as bytes. Returns its length. */
static inline size_t peer_flatten(const struct rf_vhost_user_msg *msg,
				  uint8_t *out)
{
	memcpy(out, &msg->header, PEER_HEADER_BYTES);
	memcpy(out + PEER_HEADER_BYTES, &msg->payload, msg->header.size);
	return PEER_HEADER_BYTES + msg->header.size;
}

static inline void peer_timeout(int sock, int ms)
{
	struct timeval t = { .tv_sec = ms / 1000,
			     .tv_usec = ms % 1000 * 1000L };

	ck_assert_int_eq(
		setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t)), 0);
}

#endif
