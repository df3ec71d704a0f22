/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * control.c - a running VM's socket: what may be changed while it runs
 *
 * A request goes from `ringfence limit` to the launcher, which stores the new
 * limits in the page that the device reads; no message reaches the device:
 *
 *   ringfence limit          launcher               device
 *   request ---------------> recvfrom, judge
 *                            stores to the page --> next pass: loads it
 *           <--------------- the limits as they
 *                            are now
 *
 * Side:    launcher; control_serve() and control_close() inside its filter.
 * Owns:    the socket and its name in the file system.
 * Callers: run.c, supervise.c, limit.c.
 * Never:   waits for who asked; an answer that finds no room is dropped.
 * Needs:   recvfrom, sendto (VM_FD_REQUESTS); unlinkat (VM_FD_REQUESTS_DIR,
 *          flags 0); close.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include <ringfence/limits.h>

#include "launcher/control.h"

#define ANSWER_S 5

static int name_it(const char *path, struct sockaddr_un *out,
		   struct complaint *c)
{
	const size_t len = strlen(path);

	*out = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (len == 0 || len >= sizeof(out->sun_path))
		return complain(c,
				"--control %s: a socket's path has 1 to %zu "
				"bytes",
				path, sizeof(out->sun_path) - 1);
	memcpy(out->sun_path, path, len + 1);
	return 0;
}

/* Whoever was killed left its name behind; nobody answers there. */
static bool is_stale(const struct sockaddr_un *name)
{
	rf_autofd fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct stat st;

	return lstat(name->sun_path, &st) == 0 && S_ISSOCK(st.st_mode) &&
	       fd >= 0 &&
	       connect(fd, (const struct sockaddr *)name, sizeof(*name)) < 0 &&
	       errno == ECONNREFUSED;
}

static int bind_to(int fd, const struct sockaddr_un *name, struct complaint *c)
{
	const struct sockaddr *sa = (const struct sockaddr *)name;
	int err;

	/* Nobody but us, from its first moment on. */
	if (fchmod(fd, 0600) < 0)
		return complain(c, "--control %s: %s", name->sun_path,
				strerror(errno));
	if (bind(fd, sa, sizeof(*name)) == 0)
		return 0;
	err = errno;
	if (err == EADDRINUSE && is_stale(name) &&
	    unlink(name->sun_path) == 0 && bind(fd, sa, sizeof(*name)) == 0)
		return 0;
	if (err == EADDRINUSE)
		return complain(c,
				"--control %s: is there already and in use; "
				"take another path",
				name->sun_path);
	return complain(c, "--control %s: %s", name->sun_path, strerror(err));
}

/* The directory stays open: in the filter nothing can be opened, and the name
 * must go in the end. */
static int open_dir(struct control *ctl, const char *path, struct complaint *c)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;
	char dir[sizeof(ctl->name)] = ".";

	if (slash == path)
		(void)snprintf(dir, sizeof(dir), "/");
	else if (slash)
		(void)snprintf(dir, sizeof(dir), "%.*s", (int)(slash - path),
			       path);
	(void)snprintf(ctl->name, sizeof(ctl->name), "%s", name);
	ctl->dir = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (ctl->dir < 0)
		return complain(c, "--control %s: %s", path, strerror(errno));
	return 0;
}

int control_open(struct control *ctl, const char *path, struct complaint *c)
{
	rf_autofd fd = -1;
	struct sockaddr_un name;
	int err;

	*ctl = (struct control){ .sock = -1, .dir = -1 };
	err = name_it(path, &name, c);
	if (!err)
		err = open_dir(ctl, path, c);
	if (err)
		return err;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		err = complain(c, "--control: no socket: %s", strerror(errno));
	else
		err = bind_to(fd, &name, c);
	if (err) {
		rf_fd_close(&ctl->dir);
		return err;
	}
	ctl->sock = rf_fd_take(&fd);
	return 0;
}

void control_close(struct control *ctl)
{
	if (ctl->sock < 0)
		return;
	(void)unlinkat(ctl->dir, ctl->name, 0);
	rf_fd_close(&ctl->sock);
	rf_fd_close(&ctl->dir);
}

static void set_one(_Atomic uint64_t *field, uint64_t value)
{
	atomic_store_explicit(field, value, memory_order_relaxed);
}

static uint64_t get_one(_Atomic uint64_t *field)
{
	return atomic_load_explicit(field, memory_order_relaxed);
}

void control_set(struct rf_limits *page, const struct disk_limits *limits,
		 uint32_t fields)
{
	if (fields & CONTROL_OPS)
		set_one(&page->ops_per_s, limits->ops_per_s);
	if (fields & CONTROL_OPS_BURST)
		set_one(&page->ops_burst, limits->ops_burst);
	if (fields & CONTROL_BYTES)
		set_one(&page->bytes_per_s, limits->bytes_per_s);
	if (fields & CONTROL_BYTES_BURST)
		set_one(&page->bytes_burst, limits->bytes_burst);
}

static bool are_valid_limits(const struct disk_limits *l)
{
	return l->ops_per_s <= DISK_RATE_MAX && l->ops_burst <= DISK_RATE_MAX &&
	       l->bytes_per_s <= DISK_RATE_MAX &&
	       l->bytes_burst <= DISK_RATE_MAX;
}

static int judge(const struct control_msg *msg, uint32_t nr)
{
	if (msg->op != CONTROL_GET_LIMITS && msg->op != CONTROL_SET_LIMITS)
		return -ENOTSUP;
	if (msg->disk >= nr)
		return -ENODEV;
	if (msg->fields & ~(uint32_t)CONTROL_ALL ||
	    !are_valid_limits(&msg->limits))
		return -EINVAL;
	return 0;
}

static void answer(struct control_msg *msg, struct rf_limits *const *pages,
		   uint32_t nr)
{
	struct rf_limits *page;

	msg->error = judge(msg, nr);
	if (!msg->error && !pages[msg->disk])
		msg->error = -ENODEV;
	if (msg->error)
		return;
	page = pages[msg->disk];
	if (msg->op == CONTROL_SET_LIMITS)
		control_set(page, &msg->limits, msg->fields);
	msg->limits = (struct disk_limits){
		.ops_per_s = get_one(&page->ops_per_s),
		.ops_burst = get_one(&page->ops_burst),
		.bytes_per_s = get_one(&page->bytes_per_s),
		.bytes_burst = get_one(&page->bytes_burst),
	};
}

bool control_serve(struct control *ctl, struct rf_limits *const *pages,
		   uint32_t nr)
{
	struct sockaddr_un from;
	socklen_t from_len = sizeof(from);
	struct control_msg msg;
	ssize_t n;

	n = recvfrom(ctl->sock, &msg, sizeof(msg), MSG_TRUNC,
		     (struct sockaddr *)&from, &from_len);
	if (n < 0)
		return false;
	/* Of another form: not one of ours, and no answer would be read. */
	if (n != sizeof(msg) || msg.magic != CONTROL_MAGIC)
		return true;
	answer(&msg, pages, nr);
	(void)sendto(ctl->sock, &msg, sizeof(msg), MSG_NOSIGNAL | MSG_DONTWAIT,
		     (const struct sockaddr *)&from, from_len);
	return true;
}

static int ask_failed(const char *path, int err, struct complaint *c)
{
	switch (err) {
	case ENOENT:
	case ECONNREFUSED:
		return complain(c,
				"%s: no VM listens there; it runs with "
				"`--control %s`?",
				path, path);
	case EAGAIN:
		return complain(c, "%s: no answer within %d seconds", path,
				ANSWER_S);
	default:
		return complain(c, "%s: %s", path, strerror(err));
	}
}

int control_ask(const char *path, struct control_msg *msg, struct complaint *c)
{
	rf_autofd fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	const struct timeval wait = { .tv_sec = ANSWER_S };
	/* A name of the kernel's choice, for the answer. */
	const struct sockaddr_un any = { .sun_family = AF_UNIX };
	struct sockaddr_un name;
	int err;

	err = name_it(path, &name, c);
	if (err)
		return err;
	msg->magic = CONTROL_MAGIC;
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
		return complain(c, "%s: that VM has no disk %u", path,
				msg->disk);
	if (msg->error)
		return complain(c, "%s: refused: %s", path,
				strerror(-msg->error));
	return 0;
}
