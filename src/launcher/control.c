/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * control.c - the socket for other limits, in sentences, and who asks there
 *
 * Side:    launcher: control_open() before its filter; control_ask() is of
 *          `ringfence limit`, another process.
 * Owns:    nothing.
 * Callers: launch.c, limit.c.
 * Never:   waits for an answer longer than ANSWER_S.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include "launcher/control.h"

#define ANSWER_S 5

static int is_too_long(const char *path, struct complaint *c)
{
	return complain(c, "--control %s: a socket's path has 1 to %u bytes",
			path, RF_SOCKET_PATH_BYTES - 1);
}

int control_open(struct rf_socket *requests, const char *path,
		 struct complaint *c)
{
	int err = rf_socket_bind(path, SOCK_DGRAM, requests);

	switch (err) {
	case 0:
		return 0;
	case -EINVAL:
		return is_too_long(path, c);
	case -EADDRINUSE:
		return complain(c,
				"--control %s: another process listens there; "
				"take another path",
				path);
	case -EEXIST:
		return complain(c,
				"--control %s: is there and no socket; it "
				"stays; take another path",
				path);
	default:
		return complain(c, "--control %s: %s", path, strerror(-err));
	}
}

static int ask_failed(const char *path, int err, struct complaint *c)
{
	switch (err) {
	case ENOENT:
	case ECONNREFUSED:
		return complain(c,
				"%s: nobody listens there; were ringfence or "
				"ringfence-blk started with `--control %s`?",
				path, path);
	case EAGAIN:
		return complain(c, "%s: no answer within %d seconds", path,
				ANSWER_S);
	default:
		return complain(c, "%s: %s", path, strerror(err));
	}
}

int control_ask(const char *path, struct rf_control_msg *msg,
		struct complaint *c)
{
	rf_autofd fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	const struct timeval wait = { .tv_sec = ANSWER_S };
	/* A name of the kernel's choice, for the answer. */
	const struct sockaddr_un any = { .sun_family = AF_UNIX };
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	const size_t len = strlen(path);

	if (len == 0 || len >= sizeof(name.sun_path))
		return is_too_long(path, c);
	memcpy(name.sun_path, path, len + 1);
	msg->magic = RF_CONTROL_MAGIC;
	if (fd < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait)) < 0 ||
	    bind(fd, (const struct sockaddr *)&any, sizeof(any.sun_family)) <
		    0 ||
	    connect(fd, (const struct sockaddr *)&name, sizeof(name)) < 0 ||
	    send(fd, msg, sizeof(*msg), MSG_NOSIGNAL) < 0)
		return ask_failed(path, errno, c);
	/* Connected: only its answers arrive. */
	if (recv(fd, msg, sizeof(*msg), 0) != sizeof(*msg))
		return ask_failed(path, errno, c);
	if (msg->error == -ENODEV)
		return complain(c, "%s: there is no disk %u", path, msg->disk);
	if (msg->error)
		return complain(c, "%s: refused: %s", path,
				strerror(-msg->error));
	return 0;
}
