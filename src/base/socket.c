/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * socket.c - a socket with a name in the file system, and only one owner
 *
 * A name outlives its process if that is killed, and must not keep the next
 * one out. To take it over is to look, to remove and to bind, and between any
 * two of those another may do the same:
 *
 *   first            second
 *   nobody answers   nobody answers
 *   removes, binds
 *                    removes the first one's, binds: the first one is deaf
 *
 * So whoever removes a name holds a lock of its directory from the look on. A
 * name that is new needs none: bind() either makes it or fails, and from then
 * on a look finds its socket, whether or not it listens yet.
 *
 * Side:    launchers: ringfence, and ringfence-blk --socket.
 * Owns:    nothing; the caller has the struct.
 * Callers: through <ringfence/socket.h>.
 * Never:   removes what answers, or what is no socket.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <ringfence/socket.h>

#define LOCK_MS 1000
#define LOCK_STEP_MS 10

static_assert(sizeof(((struct sockaddr_un *)0)->sun_path) ==
		      RF_SOCKET_PATH_BYTES,
	      "unix(7)");

/* Where it is, split: "dir" and, in out->name, the rest. */
static int open_dir(struct rf_socket *out, const char *path)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;
	char dir[RF_SOCKET_PATH_BYTES] = ".";

	if (slash)
		(void)snprintf(dir, sizeof(dir), "%.*s",
			       slash == path ? 1 : (int)(slash - path), path);
	(void)snprintf(out->name, sizeof(out->name), "%s", name);
	out->dir = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return out->dir < 0 ? -errno : 0;
}

/* Does anybody have a socket there? Asked with a type that nobody of ours
 * listens with, so that whoever is there hears nothing of it: the kernel looks
 * for the socket first (ECONNREFUSED), and at its type then (EPROTOTYPE). */
static bool is_answered(const struct sockaddr_un *name)
{
	rf_autofd fd = socket(AF_UNIX,
			      SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	return fd < 0 ||
	       connect(fd, (const struct sockaddr *)name, sizeof(*name)) == 0 ||
	       errno != ECONNREFUSED;
}

/* 0: dead, to be removed. */
static int judge(const struct sockaddr_un *name)
{
	struct stat st;

	if (lstat(name->sun_path, &st) < 0)
		return -errno;
	if (!S_ISSOCK(st.st_mode))
		return -EEXIST;
	return is_answered(name) ? -EADDRINUSE : 0;
}

/* By path, for O_PATH descriptors cannot be locked. */
static int lock_dir(const struct rf_socket *s, int *out)
{
	rf_autofd fd = openat(s->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int ms;

	if (fd < 0)
		return -errno;
	for (ms = 0; ms < LOCK_MS; ms += LOCK_STEP_MS) {
		if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
			*out = rf_fd_take(&fd);
			return 0;
		}
		if (errno != EWOULDBLOCK)
			return -errno;
		(void)poll(NULL, 0, LOCK_STEP_MS);
	}
	return -EBUSY;
}

static int bind_to(const struct rf_socket *s, const struct sockaddr_un *name)
{
	return bind(s->sock, (const struct sockaddr *)name, sizeof(*name)) < 0
		       ? -errno
		       : 0;
}

/* The lock goes with its descriptor, when the name is ours. */
static int take_over(const struct rf_socket *s, const struct sockaddr_un *name)
{
	rf_autofd lock = -1;
	int err = judge(name);

	if (!err)
		err = lock_dir(s, &lock);
	/* Now that nobody else removes it. */
	if (!err)
		err = judge(name);
	if (!err && unlinkat(s->dir, s->name, 0) < 0)
		err = -errno;
	/* Gone between two looks: whoever had it ended just now. */
	if (err == -ENOENT)
		err = 0;
	return err ? err : bind_to(s, name);
}

static int note_name(struct rf_socket *s)
{
	struct stat st;

	if (fstatat(s->dir, s->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	s->dev = st.st_dev;
	s->ino = st.st_ino;
	return 0;
}

static int make(const struct sockaddr_un *name, int type, struct rf_socket *s)
{
	int err = open_dir(s, name->sun_path);

	if (err)
		return err;
	s->sock = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	/* The name gets the mode that the socket has. */
	if (s->sock < 0 || fchmod(s->sock, 0600) < 0)
		return -errno;
	err = bind_to(s, name);
	if (err == -EADDRINUSE)
		err = take_over(s, name);
	return err ? err : note_name(s);
}

int rf_socket_bind(const char *path, int type, struct rf_socket *out)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	struct rf_socket s = { .sock = -1, .dir = -1 };
	const size_t len = strlen(path);
	int err;

	if (len == 0 || len >= sizeof(name.sun_path))
		return -EINVAL;
	memcpy(name.sun_path, path, len + 1);
	err = make(&name, type, &s);
	if (err) {
		rf_fd_close(&s.sock);
		rf_fd_close(&s.dir);
		return err;
	}
	*out = s;
	return 0;
}

bool rf_socket_has_name(const struct rf_socket *socket)
{
	struct stat st;

	return socket->sock >= 0 &&
	       fstatat(socket->dir, socket->name, &st, AT_SYMLINK_NOFOLLOW) ==
		       0 &&
	       st.st_dev == socket->dev && st.st_ino == socket->ino;
}

void rf_socket_close(struct rf_socket *socket)
{
	if (socket->sock < 0)
		return;
	(void)unlinkat(socket->dir, socket->name, 0);
	rf_fd_close(&socket->sock);
	rf_fd_close(&socket->dir);
}
