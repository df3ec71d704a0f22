/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * launch_proto.c - the few words between launcher and vCPU process
 *
 * Side:    both ends.
 * Owns:    nothing; the socket is the caller's.
 * Callers: src/launcher, src/vmm.
 * Never:   takes a descriptor: without room for control data the kernel drops
 *          what a broken vCPU process might send along.
 */
#include <errno.h>
#include <sys/socket.h>

#include <ringfence/doorbell.h>
#include <ringfence/fence.h>

#include "base/launch_proto.h"

static bool is_valid_message(const struct launch_msg *msg)
{
	switch (msg->type) {
	case LAUNCH_READY:
		return msg->value < RF_DOORBELL_NR_KINDS;
	case LAUNCH_GO:
	case LAUNCH_PREPARED:
		return msg->value == 0;
	case LAUNCH_ENDED:
		return msg->value <= UINT8_MAX;
	case LAUNCH_DEVICE_GONE:
	case LAUNCH_DEVICE_DEAD:
		return msg->value < RF_FENCE_DEVICES_MAX;
	default:
		return false;
	}
}

/* A reset by a peer that died with unread data is a peer that is gone. */
static int peer_error(int err)
{
	return err == ECONNRESET ? -EPIPE : -err;
}

int launch_send(int fd, enum launch_type type, uint32_t value)
{
	const struct launch_msg msg = { .type = type, .value = value };
	ssize_t n;

	if (!is_valid_message(&msg))
		return -EINVAL;
	do
		n = send(fd, &msg, sizeof(msg), MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return peer_error(errno);
	return n == sizeof(msg) ? 0 : -EPROTO;
}

int launch_recv(int fd, struct launch_msg *out)
{
	struct launch_msg msg;
	ssize_t n;

	do
		/* MSG_TRUNC: tell the length of the packet, not of our room. */
		n = recv(fd, &msg, sizeof(msg), MSG_TRUNC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return peer_error(errno);
	if (n == 0)
		return -EPIPE;
	if (n != sizeof(msg) || !is_valid_message(&msg))
		return -EPROTO;
	*out = msg;
	return 0;
}
