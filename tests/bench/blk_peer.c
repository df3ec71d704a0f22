/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * blk_peer.c - a back-end that the comparison started, and its disk
 *
 * The disk has no name: the back-end opens it by way of our own descriptor in
 * /proc, so that nothing is left whatever becomes of us.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bench/bench.h"
#include "bench/blk_peer.h"

#define NS_PER_MS 1000000L
#define START_MS 10000u
#define STOP_MS 5000u
#define STEP_MS 5u
#define ARGS_MAX 24u
/* The kernel caches a file in pieces as large as it was written or read ahead
 * in, and a small write into a large piece costs several times as much: in
 * small ones all back-ends meet the same. */
#define CHUNK 4096u

static const char *const names[] = {
	[BLK_PEER_OURS] = "ringfence-blk",
	[BLK_PEER_OURS_POLLING] = "ours, polls",
	[BLK_PEER_OURS_NO_POLLING] = "ours, never polls",
	[BLK_PEER_QSD] = "qsd",
	[BLK_PEER_QSD_IOTHREAD] = "qsd, iothread",
	[BLK_PEER_QSD_NO_POLLING] = "qsd, never polls",
};
static_assert(RF_ARRAY_LEN(names) == BLK_PEER_NR_KINDS, "one name each");

const char *blk_peer_name(enum blk_peer_kind kind)
{
	return names[kind];
}

static int complain(const char *what, int err)
{
	(void)fprintf(stderr, "ringfence-bench: %s: %s\n", what,
		      strerror(-err));
	return err;
}

static void nap_ms(uint32_t ms)
{
	const struct timespec nap = { .tv_nsec = ms * NS_PER_MS };

	(void)clock_nanosleep(CLOCK_MONOTONIC, 0, &nap, NULL);
}

/* Something that no file system stores as a hole or in less room. */
static void make_up(uint64_t *words, size_t nr, uint64_t seed)
{
	size_t i;

	for (i = 0; i < nr; i++)
		words[i] = (seed = seed * UINT64_C(6364136223846793005) +
				   UINT64_C(1442695040888963407));
}

static ssize_t next_chunk(int from, uint64_t *chunk, uint64_t at)
{
	if (from >= 0)
		return pread(from, chunk, CHUNK, (off_t)at);
	make_up(chunk, CHUNK / sizeof(*chunk), at);
	return CHUNK;
}

static int fill(int disk, int from, uint64_t bytes)
{
	uint64_t chunk[CHUNK / sizeof(uint64_t)];
	uint64_t at = 0;
	int err = 0;

	while (!err && at < bytes) {
		ssize_t n = next_chunk(from, chunk, at);

		if (n <= 0) {
			err = n < 0 ? -errno : 0;
			break;
		}
		if ((uint64_t)n > bytes - at)
			n = (ssize_t)(bytes - at);
		if (pwrite(disk, chunk, (size_t)n, (off_t)at) != n)
			err = -ENOSPC;
		at += (uint64_t)n;
	}
	return err;
}

static int make_disk(struct blk_peer *p, const struct blk_options *o)
{
	rf_autofd from = -1;
	int err;

	p->disk = open(o->dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (p->disk < 0)
		return complain(o->dir, -errno);
	if (o->image) {
		from = open(o->image, O_RDONLY | O_CLOEXEC);
		if (from < 0)
			return complain(o->image, -errno);
	}
	/* Not sparse, and known to the file system before it is measured. */
	err = ftruncate(p->disk, (off_t)o->size_bytes) ? -errno : 0;
	if (!err)
		err = fill(p->disk, from, o->size_bytes);
	if (!err && fsync(p->disk))
		err = -errno;
	return err ? complain("a disk", err) : 0;
}

int blk_peer_new(struct blk_peer *p, enum blk_peer_kind kind,
		 const struct blk_options *o, const char *dir)
{
	int len;

	*p = (struct blk_peer){ .kind = kind, .disk = -1 };
	len = snprintf(p->socket, sizeof(p->socket), "%s/%u.sock", dir,
		       (unsigned int)kind);
	if (len < 0 || (size_t)len >= sizeof(p->socket))
		return complain(dir, -ENAMETOOLONG);
	return make_disk(p, o);
}

/* The program beside this one. */
static bool find_ours(char path[PATH_MAX])
{
	static const char name[] = "ringfence-blk";
	ssize_t n = readlink("/proc/self/exe", path, PATH_MAX - 1);
	char *slash;

	if (n < 0)
		return false;
	path[n] = '\0';
	slash = strrchr(path, '/');
	if (!slash || (size_t)(slash + 1 - path) + sizeof(name) > PATH_MAX)
		return false;
	memcpy(slash + 1, name, sizeof(name));
	return true;
}

/* Returns only on failure. */
static void run_ours(const struct blk_peer *p, const struct blk_options *o,
		     bool direct, char *disk)
{
	char path[PATH_MAX];
	char queues[16];
	const char *args[ARGS_MAX] = { "ringfence-blk", "--socket", p->socket,
				       "--image",	disk,	    "--queues",
				       queues };
	uint32_t n = 7;

	(void)snprintf(queues, sizeof(queues), "%u", o->nr_queues);
	if (direct)
		args[n++] = "--direct";
	if (p->kind != BLK_PEER_OURS) {
		args[n++] = "--poll-us";
		args[n++] = p->kind == BLK_PEER_OURS_POLLING ? "1000" : "0";
	}
	args[n] = NULL;
	if (o->ours)
		(void)execvp(o->ours, (char *const *)(uintptr_t)args);
	else if (find_ours(path))
		(void)execv(path, (char *const *)(uintptr_t)args);
}

static void run_qsd(const struct blk_peer *p, const struct blk_options *o,
		    bool direct, const char *disk)
{
	char blockdev[256], export[256];
	const char *args[ARGS_MAX] = { o->qsd };
	const bool iothread = p->kind != BLK_PEER_QSD;
	uint32_t n = 1;

	(void)snprintf(blockdev, sizeof(blockdev),
		       "driver=file,node-name=disk,filename=%s,aio=io_uring,"
		       "cache.direct=%s,discard=unmap",
		       disk, direct ? "on" : "off");
	(void)snprintf(
		export, sizeof(export),
		"type=vhost-user-blk,id=export,node-name=disk,"
		"addr.type=unix,addr.path=%s,writable=on,num-queues=%u%s",
		p->socket, o->nr_queues, iothread ? ",iothread=worker" : "");
	if (iothread) {
		args[n++] = "--object";
		args[n++] = p->kind == BLK_PEER_QSD_NO_POLLING
				    ? "iothread,id=worker,poll-max-ns=0"
				    : "iothread,id=worker";
	}
	args[n++] = "--blockdev";
	args[n++] = blockdev;
	args[n++] = "--export";
	args[n++] = export;
	args[n] = NULL;
	(void)execvp(o->qsd, (char *const *)(uintptr_t)args);
}

static void pin_self(int cpu)
{
	cpu_set_t set;

	if (cpu < 0)
		return;
	CPU_ZERO(&set);
	CPU_SET((unsigned int)cpu, &set);
	(void)sched_setaffinity(0, sizeof(set), &set);
}

static _Noreturn void run(const struct blk_peer *p, const struct blk_options *o,
			  bool direct, pid_t parent)
{
	char disk[64];

	(void)prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		_exit(1);
	(void)snprintf(disk, sizeof(disk), "/proc/%d/fd/%d", (int)parent,
		       p->disk);
	pin_self(o->backend_cpu);
	if (p->kind < BLK_PEER_QSD)
		run_ours(p, o, direct, disk);
	else
		run_qsd(p, o, direct, disk);
	(void)complain(names[p->kind], -errno);
	_exit(127);
}

static bool accepts(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	rf_autofd sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	memcpy(addr.sun_path, path, strlen(path));
	return sock >= 0 &&
	       connect(sock, (struct sockaddr *)&addr, sizeof(addr)) == 0;
}

int blk_peer_start(struct blk_peer *p, const struct blk_options *o, bool direct)
{
	const pid_t parent = getpid();
	uint32_t ms;
	int status;

	(void)unlink(p->socket);
	p->pid = fork();
	if (p->pid == 0)
		run(p, o, direct, parent);
	if (p->pid < 0) {
		p->pid = 0;
		return complain("fork", -errno);
	}
	for (ms = 0; ms < START_MS; ms += STEP_MS) {
		if (accepts(p->socket))
			return 0;
		if (waitpid(p->pid, &status, WNOHANG) == p->pid) {
			p->pid = 0;
			return complain(names[p->kind], -ECHILD);
		}
		nap_ms(STEP_MS);
	}
	return complain(names[p->kind], -ETIMEDOUT);
}

int blk_peer_settle(const struct blk_peer *p, bool dirty)
{
	uint8_t chunk[CHUNK];
	ssize_t n = 1;
	off_t at;
	int err;

	/* No reading ahead. */
	err = -posix_fadvise(p->disk, 0, 0, POSIX_FADV_RANDOM);
	for (at = 0; !err && n > 0; at += n) {
		n = pread(p->disk, chunk, CHUNK, at);
		if (n < 0 || (n > 0 && dirty &&
			      pwrite(p->disk, chunk, (size_t)n, at) != n))
			err = errno ? -errno : -EIO;
	}
	return err ? complain("a disk", err) : 0;
}

void blk_peer_stop(struct blk_peer *p)
{
	uint32_t ms;
	int status;

	if (p->pid == 0)
		return;
	(void)kill(p->pid, SIGTERM);
	for (ms = 0; ms < STOP_MS; ms += STEP_MS) {
		if (waitpid(p->pid, &status, WNOHANG) == p->pid)
			break;
		nap_ms(STEP_MS);
	}
	if (ms >= STOP_MS) {
		(void)kill(p->pid, SIGKILL);
		(void)waitpid(p->pid, &status, 0);
	}
	p->pid = 0;
	(void)unlink(p->socket);
}

void blk_peer_free(struct blk_peer *p)
{
	blk_peer_stop(p);
	rf_fd_close(&p->disk);
}
