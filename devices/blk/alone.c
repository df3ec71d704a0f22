/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * alone.c - ringfence-blk as a back-end for any vhost-user-blk front-end
 *
 * Side:    launcher, of one device: the user's power, and no byte that came
 *          over a connection.
 * Owns:    the sockets in the file system, the image's lock, the page of
 *          limits.
 * Callers: main.c, if there is a --socket.
 * Never:   reads or writes a connection; serves anything itself.
 *
 * Each connection gets a process of its own: this program once more, started
 * inside a fence with the connection as its control socket. It is an ordinary
 * device process, and as strictly fenced as one before SEAL, a message that
 * stock front-ends do not have; one that sends it gets the last filter as well.
 * Whatever a front-end or its guest does to that process, the next connection
 * gets a new one. The image is opened and locked once: its descriptor is the
 * same for all of them, and one is served at a time: the next waits in the
 * kernel's queue until the one before hangs up, even if that says nothing. Only
 * a failed flush ends it all.
 *
 * A process that was killed is not the end of what its io_uring does for it: on
 * a slow disk its writes reach the image seconds later, and its reads the memory
 * of the front-end. The next connection, which may write the same sectors, waits
 * for that as well: each process has a lifeline, as the launcher's have
 * (src/launcher/supervise.c).
 *
 *   hung up or killed -> reaped -> POLLERR on the lifeline -> the next
 *
 * If we end before the last of those, the image stays locked until then, for the
 * io_uring has its open file.
 *
 * Limits that change go round the processes that serve. In stages:
 *   1. before the sockets are made: a page of limits, sealed, of which this
 *      process has the only writable mapping that there will ever be;
 *   2. with --control, a datagram socket that its owner alone may send to: who
 *      can, could as well kill or trace us. It stays here, in the process that
 *      reads no connection;
 *   3. each serving process maps the page read-only before its fence closes,
 *      and looks at it in every pass: no socket, no call and no policy line
 *      that it would not have without;
 *   4. a request is one datagram of fixed size, copied, judged, and stored to
 *      the page (<ringfence/control.h>, as the launcher does it). What was set
 *      holds for the connections that follow, too.
 * This process cannot have a filter as the launcher has: with each connection
 * it makes namespaces and starts a program.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <ringfence/control.h>
#include <ringfence/fence.h>
#include <ringfence/limits.h>
#include <ringfence/log.h>
#include <ringfence/report.h>
#include <ringfence/socket.h>
#include <ringfence/trim.h>

#include "alone.h"

#define SECTOR_BYTES 512u
/* Time to finish what is under way before it is killed. */
#define LEAVE_MS 2000
/* After an accept or a start that failed for want of something. */
#define PAUSE_MS 200
/* The kernel takes an io_uring apart behind its process, in milliseconds if
 * nothing is under way. What takes longer is told. */
#define LAST_IO_MS 1000
/* Requests at a time: whoever floods us must not keep us from the rest. */
#define REQUESTS_PER_TURN 8

/* How long to wait for the image, and between looks. */
#define LOCK_MS 1000
#define LOCK_STEP_MS 20

struct alone {
	struct alone_options o;
	/* Descriptors, -1: none. */
	int exe;
	int disk;
	struct rf_socket listener;
	struct rf_socket requests; /* --control */
	int signals;
	int limits_fd;
	struct rf_limits *limits; /* of that page */
	/* The one that serves. */
	pid_t pid; /* 0: nobody */
	int pidfd;
	int connection;
	int lifeline; /* the end that is for writing, which nobody does */
	struct rf_report *report;
	uint64_t nr_connections;
	bool is_waiting_told; /* for what the last one left under way */
	bool is_ending;
	bool has_lost; /* writes: see take_loss() */
};

static int refuse(const char *what, const char *why, int err)
{
	rf_log("%s: %s%s%s", what, why, why[0] ? ": " : "", strerror(-err));
	return err;
}

static void pause_ms(int ms)
{
	(void)poll(NULL, 0, ms);
}

/* A lock of the open file description: the serving processes have the same. If
 * an earlier one of us was killed, its child may still be on its way out. */
static int lock_image(const struct alone *a)
{
	struct flock lock = {
		.l_type = a->o.read_only ? F_RDLCK : F_WRLCK,
		.l_whence = SEEK_SET,
	};
	int ms;

	for (ms = 0; ms < LOCK_MS; ms += LOCK_STEP_MS) {
		if (fcntl(a->disk, F_OFD_SETLK, &lock) == 0)
			return 0;
		if (errno != EAGAIN && errno != EACCES)
			return refuse(a->o.image, "cannot be locked", -errno);
		pause_ms(LOCK_STEP_MS);
	}
	return refuse(a->o.image, "another process holds it", -EBUSY);
}

static int open_image(struct alone *a)
{
	/* O_EXCL: the kernel then refuses a block device that is mounted.
	 * O_NONBLOCK: somebody's FIFO must not hold us up. */
	const int flags = O_CLOEXEC | O_NOCTTY | O_NONBLOCK |
			  (a->o.read_only ? O_RDONLY : O_RDWR | O_EXCL);
	struct stat st;
	uint64_t bytes;

	a->disk = open(a->o.image, flags);
	if (a->disk < 0 || fstat(a->disk, &st) < 0)
		return refuse(a->o.image, "", -errno);
	if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode)) {
		rf_log("%s: is neither a regular file nor a block device",
		       a->o.image);
		return -EINVAL;
	}
	bytes = (uint64_t)st.st_size;
	if (S_ISBLK(st.st_mode) && ioctl(a->disk, BLKGETSIZE64, &bytes) < 0)
		return refuse(a->o.image, "has no size", -errno);
	if (bytes < SECTOR_BYTES) {
		rf_log("%s: is smaller than one sector of 512 bytes",
		       a->o.image);
		return -EINVAL;
	}
	if (fcntl(a->disk, F_SETFL, a->o.direct ? O_DIRECT : 0) < 0)
		return refuse(a->o.image, "cannot be used past the page cache",
			      -errno);
	return lock_image(a);
}

static int bind_at(const char *path, int type, struct rf_socket *out)
{
	int err = rf_socket_bind(path, type, out);

	if (!err)
		return 0;
	if (err == -EADDRINUSE)
		rf_log("%s: another process listens there", path);
	else if (err == -EEXIST)
		rf_log("%s: is there and no socket; it stays", path);
	else
		return refuse(path, "cannot listen there", err);
	return err;
}

static int open_sockets(struct alone *a)
{
	int err = a->o.control ? bind_at(a->o.control, SOCK_DGRAM, &a->requests)
			       : 0;

	if (!err)
		err = bind_at(a->o.socket, SOCK_STREAM, &a->listener);
	if (!err && listen(a->listener.sock, SOMAXCONN) < 0)
		err = refuse(a->o.socket, "cannot listen there", -errno);
	return err;
}

/* The name stays if somebody has put another one there meanwhile. */
static void close_socket(struct rf_socket *s)
{
	if (rf_socket_has_name(s))
		rf_socket_close(s);
}

/* From here on signals are read, not delivered: no handler, no race. */
static int take_signals(struct alone *a)
{
	sigset_t set;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGINT);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGHUP);
	(void)sigaddset(&set, SIGCHLD);
	/* Ignored, as our own parent may have left it, children would be
	 * reaped for us. */
	(void)signal(SIGCHLD, SIG_DFL);
	(void)signal(SIGPIPE, SIG_IGN);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return refuse("signals", "", -errno);
	a->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return a->signals < 0 ? refuse("signals", "", -errno) : 0;
}

static int make_limits(struct alone *a)
{
	int err;

	if (!a->o.has_limits)
		return 0;
	err = rf_limits_new(&a->limits_fd, &a->limits);
	if (err)
		return refuse("page of limits", "", err);
	rf_limits_set(a->limits, &a->o.limits, RF_LIMIT_ALL);
	return 0;
}

static int make_report(struct alone *a, int *out)
{
	rf_autofd fd = memfd_create("report", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int copy;
	int err;

	if (fd < 0 || ftruncate(fd, RF_REPORT_BYTES) < 0 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) <
		    0)
		return -errno;
	copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	err = copy < 0 ? -errno : rf_report_map(copy, &a->report);
	if (!err)
		*out = rf_fd_take(&fd);
	return err;
}

static void drop_report(struct alone *a)
{
	if (a->report)
		(void)munmap(a->report, RF_REPORT_BYTES);
	a->report = NULL;
}

static int make_lifeline(int *its, int *ours)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	*its = ends[0];
	*ours = ends[1];
	return 0;
}

static void add_fd(struct rf_fence_spawn *spawn, int from, int to)
{
	spawn->fds[spawn->nr_fds++] = (struct rf_fence_fd){ from, to };
}

static int spawn_server(struct alone *a, int connection, const char **step)
{
	struct rf_fence_spawn spawn = {
		.name = "rf-blk",
		.exe_fd = a->exe,
		.argv = a->o.args,
		.uid = a->o.uid,
		.gid = a->o.gid,
		.namespaces = RF_FENCE_NAMESPACES,
		.cgroup_fd = -1,
		.trace = true,
	};
	rf_autofd report = -1;
	rf_autofd lifeline = -1;
	rf_autofd its_lifeline = -1;
	struct rf_fence_child child;
	int err;

	*step = "lifeline";
	err = make_lifeline(&its_lifeline, &lifeline);
	if (err)
		return err;
	*step = "report page";
	err = make_report(a, &report);
	if (err)
		return err;
	(void)snprintf(a->o.index, sizeof(a->o.index), "%u",
		       (unsigned int)(a->nr_connections % 100));
	add_fd(&spawn, STDERR_FILENO, RF_FD_LOG);
	add_fd(&spawn, connection, RF_FD_CONTROL);
	add_fd(&spawn, report, RF_FD_REPORT);
	add_fd(&spawn, a->disk, RF_FD_BACKING);
	add_fd(&spawn, its_lifeline, RF_FD_LIFELINE);
	if (a->o.has_limits)
		add_fd(&spawn, a->limits_fd, RF_FD_LIMITS);
	err = rf_fence_spawn(&spawn, &child, step);
	if (err)
		return err;
	a->pid = child.pid;
	a->pidfd = child.pidfd;
	a->lifeline = rf_fd_take(&lifeline);
	return 0;
}

/* Our copy of the connection is for hanging up when we are to end, and is
 * closed with the process that serves it. */
static void serve_next(struct alone *a)
{
	rf_autofd connection = accept4(a->listener.sock, NULL, NULL,
				       SOCK_CLOEXEC);
	const char *step = NULL;
	int err;

	if (connection < 0) {
		/* Out of descriptors or memory, say; it may pass. */
		if (errno != EAGAIN && errno != ECONNABORTED)
			pause_ms(PAUSE_MS);
		return;
	}
	err = spawn_server(a, connection, &step);
	a->nr_connections++;
	if (err) {
		rf_log("a connection is dropped: %s: %s%s",
		       step ? step : "start", strerror(-err),
		       err == -EPERM || err == -ENOSPC
			       ? "; may this account make user namespaces?"
			       : "");
		drop_report(a);
		pause_ms(PAUSE_MS);
		return;
	}
	a->connection = rf_fd_take(&connection);
}

static void tell_end(const struct alone *a, const struct rf_fence_end *end)
{
	const struct rf_report *r = a->report;

	if (end->filter_killed && end->call_known)
		rf_log("[%s] was killed by its filter for system call %d%s",
		       a->o.index, end->call_nr,
		       end->call_i386 ? " of i386" : "");
	else if (end->filter_killed)
		rf_log("[%s] was killed by its filter", a->o.index);
	else if (!end->exited)
		rf_log("[%s] was killed by signal %d (%s)", a->o.index,
		       end->status, strsignal(end->status));
	else if (end->status)
		rf_log("[%s] gave up (status %d)", a->o.index, end->status);
	rf_log("[%s] has ended: %llu requests, %llu bytes read, %llu written",
	       a->o.index, (unsigned long long)r->requests,
	       (unsigned long long)r->bytes_read,
	       (unsigned long long)r->bytes_written);
}

/* After a failed flush the kernel takes the lost pages for clean, and the next
 * process would flush with success what is not there (sync.c). Believed, for
 * whoever could lie about it could write anything to the image as well. */
static void take_loss(struct alone *a)
{
	if (!a->report->flushes_failed)
		return;
	rf_log("%s: a flush failed, writes may be lost: not served any more "
	       "until this is started anew",
	       a->o.image);
	a->has_lost = true;
	a->is_ending = true;
}

static void take_ends(struct alone *a)
{
	struct rf_fence_end end;

	while (rf_fence_reap(&end) == 0) {
		if (end.pid != a->pid || !a->report)
			continue;
		tell_end(a, &end);
		take_loss(a);
		drop_report(a);
		rf_fd_close(&a->pidfd);
		rf_fd_close(&a->connection);
		a->pid = 0;
	}
}

static void take_signal(struct alone *a)
{
	struct signalfd_siginfo info;

	while (read(a->signals, &info, sizeof(info)) == sizeof(info))
		if (info.ssi_signo != SIGCHLD)
			a->is_ending = true;
	take_ends(a);
}

/* Hang up, so that it finishes what is under way; then no longer politely. */
static void end_server(struct alone *a)
{
	const uint64_t deadline = rf_clock_ns() + LEAVE_MS * UINT64_C(1000000);
	struct pollfd p = { .fd = a->signals, .events = POLLIN };

	if (a->pid)
		(void)shutdown(a->connection, SHUT_RDWR);
	while (a->pid && rf_clock_ns() < deadline) {
		(void)poll(&p, 1, LEAVE_MS / 10);
		take_signal(a);
	}
	if (!a->pid)
		return;
	rf_log("[%s] does not leave and is killed", a->o.index);
	(void)syscall(SYS_pidfd_send_signal, a->pidfd, SIGKILL, NULL, 0);
	while (a->pid) {
		(void)poll(&p, 1, LEAVE_MS / 10);
		take_signal(a);
	}
}

static void take_requests(struct alone *a)
{
	int i;

	for (i = 0; i < REQUESTS_PER_TURN; i++)
		if (!rf_control_serve(a->requests.sock, &a->limits, 1))
			return;
}

/* Whoever serves has one, and so may its last I/O. */
static bool is_waiting(const struct alone *a)
{
	return !a->pid && a->lifeline >= 0;
}

static void tell_waiting(struct alone *a)
{
	if (!is_waiting(a) || a->is_waiting_told)
		return;
	rf_log("[%s] what it had under way is not over yet; the next "
	       "connection "
	       "waits for that",
	       a->o.index);
	a->is_waiting_told = true;
}

static void take_lifeline(struct alone *a)
{
	rf_fd_close(&a->lifeline);
	a->is_waiting_told = false;
}

static void serve(struct alone *a)
{
	struct pollfd p[] = {
		{ .fd = a->signals, .events = POLLIN },
		{ .fd = a->listener.sock, .events = POLLIN },
		{ .fd = a->requests.sock, .events = POLLIN },
		{ .fd = a->lifeline },
	};
	int n;

	while (!a->is_ending) {
		/* The next one waits until this one is done. */
		p[1].fd = a->lifeline < 0 ? a->listener.sock : -1;
		p[1].revents = 0;
		p[3].fd = is_waiting(a) ? a->lifeline : -1;
		p[3].revents = 0;
		/* Between two connections there may be days. */
		rf_trim();
		n = poll(p, RF_ARRAY_LEN(p),
			 is_waiting(a) && !a->is_waiting_told ? LAST_IO_MS
							      : -1);
		if (n < 0 && errno != EINTR)
			break;
		if (n == 0)
			tell_waiting(a);
		take_signal(a);
		if (p[2].revents)
			take_requests(a);
		if (p[3].revents & POLLERR)
			take_lifeline(a);
		if (!a->is_ending && p[1].revents)
			serve_next(a);
	}
	end_server(a);
}

static int prepare(struct alone *a)
{
	int err;

	a->exe = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	if (a->exe < 0)
		return refuse("/proc/self/exe", "", -errno);
	err = open_image(a);
	if (!err)
		err = make_limits(a);
	if (!err)
		err = take_signals(a);
	if (!err)
		err = open_sockets(a);
	return err;
}

int alone_main(int argc, char **argv, void (*check)(int argc, char **argv))
{
	struct alone a = { .exe = -1,
			   .disk = -1,
			   .listener = { .sock = -1 },
			   .requests = { .sock = -1 },
			   .signals = -1,
			   .limits_fd = -1,
			   .pidfd = -1,
			   .connection = -1,
			   .lifeline = -1 };
	int err;

	alone_options_parse(argc, argv, &a.o);
	check(a.o.nr_args, a.o.args);
	err = prepare(&a);
	if (!err) {
		rf_log("%s: serves %s", a.o.socket, a.o.image);
		serve(&a);
	}
	close_socket(&a.listener);
	close_socket(&a.requests);
	return err || a.has_lost ? 1 : 0;
}
