/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * blk_rig.h - a real ringfence-blk in its fence, and a driver for it
 *
 * The rig is launcher, front-end and driver in one: it spawns the program
 * through rf_fence_spawn(), shakes hands through rf_frontend_*() or raw
 * messages, and makes requests in guest memory it shares. rig_end() waits for
 * the program's end and fails if a filter killed it.
 */
#ifndef TESTS_BLK_RIG_H
#define TESTS_BLK_RIG_H

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <ringfence/fence.h>
#include <ringfence/limits.h>
#include <ringfence/report.h>
#include <ringfence/ring.h>
#include <ringfence/vhost_user.h>

#include "base/memfd.h"
#include "unit/unit.h"
#include "vring.h"

#define RIG_ZONE UINT64_C(0xd0000050)
#define RIG_QUEUE_SIZE 64u
#define RIG_WAIT_MS 10000
#define RIG_UID 64123 /* nobody in particular */

#define RIG_HEADER VRING_DATA
#define RIG_STATUS (VRING_DATA + 0x20)
#define RIG_TABLE (VRING_DATA + 0x100)
#define RIG_BUF (VRING_DATA + 0x1000)

#define RIG_F_VERSION_1 (UINT64_C(1) << 32)
#define RIG_F_EVENT_IDX (UINT64_C(1) << 29)
#define RIG_F_INDIRECT (UINT64_C(1) << 28)
#define RIG_F_FLUSH (UINT64_C(1) << 9)

enum {
	RIG_IN,
	RIG_OUT,
	RIG_FLUSH = 4,
	RIG_GET_ID = 8,
	RIG_DISCARD = 11,
	RIG_ZEROES = 13
};
enum { RIG_OK, RIG_IOERR, RIG_UNSUPP, RIG_NO_ANSWER = 255 };

struct rig {
	struct rf_fence_child child;
	int log; /* our end of its log */
	struct rf_report *report;
	struct rf_frontend *fe;
	int sock; /* ours, for raw messages; -1 with a front-end */
	int ram_fd;
	uint8_t *ram;
	struct vring v;
	int kick, call, err;
	int ring_fd, wake;
	struct rf_ring_page *ring;
	bool by_ring;		  /* how rig_kick() rings */
	struct rf_limits *limits; /* with "--limits" among the arguments */
};

/* Arguments for every program of the rig, and whether its image is opened anew
 * with O_DIRECT: a suite is run over with other ones. */
#define RIG_ARGS_MAX 4
static const char *rig_args[RIG_ARGS_MAX];
static bool rig_is_direct;

/* For what also runs outside of a test, where check's own words end it all. */
#define RIG_MUST(condition)                                            \
	do {                                                           \
		if (!(condition)) {                                    \
			(void)fprintf(stderr, "%s:%d: %s\n", __FILE__, \
				      __LINE__, #condition);           \
			abort();                                       \
		}                                                      \
	} while (0)

static inline int rig_eventfd(void)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	ck_assert_int_ge(fd, 0);
	return fd;
}

static inline void *rig_memfd(const char *name, uint64_t bytes, int *fd)
{
	void *map;

	RIG_MUST(memfd_new(name, bytes, fd) == 0);
	map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, *fd, 0);
	RIG_MUST(map != MAP_FAILED);
	return map;
}

/* The same image, past the page cache. One that is to be refused stays as it
 * is. */
static inline int rig_direct_image(int image)
{
	int flags = fcntl(image, F_GETFL);
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", image);
	return open(path, (flags & (O_ACCMODE | O_APPEND)) | O_NONBLOCK |
				  O_DIRECT | O_CLOEXEC);
}

/* Those of the suite, then those of the test. Freed by rig_try_spawn. */
static inline bool rig_make_args(char **argv, const char *const *extra)
{
	bool has_limits = false;
	size_t i, n = 1;

	for (i = 0; i < RIG_ARGS_MAX && rig_args[i]; i++)
		argv[n++] = strdup(rig_args[i]);
	for (i = 0; extra && extra[i]; i++) {
		has_limits |= strcmp(extra[i], "--limits") == 0;
		argv[n++] = strdup(extra[i]);
	}
	return has_limits;
}

/* Start the program on `image`. Extra arguments end with NULL. Returns what
 * rf_fence_spawn says. */
static inline int rig_try_spawn(struct rig *r, int image,
				const char *const *extra, const char **step)
{
	char name[] = "ringfence-blk";
	char *argv[20] = { name };
	struct rf_fence_spawn spawn = {
		.name = "blk[0]",
		.argv = argv,
		.uid = geteuid() == 0 ? RIG_UID : geteuid(),
		.gid = geteuid() == 0 ? RIG_UID : getegid(),
		.namespaces = RF_FENCE_NAMESPACES,
		.cgroup_fd = -1,
		.trace = true,
	};
	int sv[2], log[2], report, limits = -1, direct = -1, err;
	size_t i;

	if (rig_make_args(argv, extra))
		RIG_MUST(rf_limits_new(&limits, &r->limits) == 0);
	if (rig_is_direct)
		direct = rig_direct_image(image);
	RIG_MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv) == 0);
	RIG_MUST(pipe2(log, O_CLOEXEC) == 0);
	r->report = rig_memfd("report", RF_REPORT_BYTES, &report);
	spawn.exe_fd = open(RF_TEST_BIN_DIR "/ringfence-blk",
			    O_RDONLY | O_CLOEXEC);
	RIG_MUST(spawn.exe_fd >= 0);
	spawn.fds[0] = (struct rf_fence_fd){ log[1], RF_FD_LOG };
	spawn.fds[1] = (struct rf_fence_fd){ sv[1], RF_FD_CONTROL };
	spawn.fds[2] = (struct rf_fence_fd){ report, RF_FD_REPORT };
	spawn.fds[3] = (struct rf_fence_fd){ direct >= 0 ? direct : image,
					     RF_FD_BACKING };
	spawn.fds[4] = (struct rf_fence_fd){ limits, RF_FD_LIMITS };
	spawn.nr_fds = limits >= 0 ? 5 : 4;
	err = rf_fence_spawn(&spawn, &r->child, step);
	close(spawn.exe_fd);
	close(report);
	close(log[1]);
	close(sv[1]);
	rf_fd_close(&limits);
	rf_fd_close(&direct);
	for (i = 1; argv[i]; i++)
		free(argv[i]);
	r->log = log[0];
	r->sock = sv[0];
	return err;
}

/* The program with guest memory and eventfds, and nothing said to it yet. */
static inline void rig_spawn(struct rig *r, int image, const char *const *extra)
{
	const char *step;
	int err;

	*r = (struct rig){ .ring_fd = -1, .wake = -1 };
	err = rig_try_spawn(r, image, extra, &step);
	ck_assert_msg(err == 0, "spawn: %s: %s", step ? step : "?",
		      strerror(-err));
	r->ram = rig_memfd("ram", VRING_RAM_BYTES, &r->ram_fd);
	/* As a guest would: pages that exist. */
	memset(r->ram, 0, VRING_RAM_BYTES);
	vring_init(&r->v, r->ram, RIG_QUEUE_SIZE);
	r->kick = rig_eventfd();
	r->call = rig_eventfd();
	r->err = rig_eventfd();
}

static inline struct rf_vhost_user_region rig_region(void)
{
	return (struct rf_vhost_user_region){
		.guest_phys_addr = VRING_GPA,
		.memory_size = VRING_RAM_BYTES,
		.user_addr = VRING_GPA,
	};
}

static inline void rig_negotiate(struct rig *r)
{
	ck_assert_int_eq(rf_frontend_new(r->sock, &r->fe), 0);
	r->sock = -1;
	ck_assert_int_eq(rf_frontend_negotiate(r->fe), 0);
}

/* Everything that needs a descriptor. */
static inline void rig_hand_over(struct rig *r)
{
	struct rf_vhost_user_region region = rig_region();

	rig_negotiate(r);
	ck_assert_int_eq(
		rf_frontend_set_mem_table(r->fe, &region, &r->ram_fd, 1), 0);
	ck_assert_int_eq(rf_frontend_set_kick(r->fe, 0, r->kick), 0);
	ck_assert_int_eq(rf_frontend_set_call(r->fe, 0, r->call), 0);
	ck_assert_int_eq(rf_frontend_set_err(r->fe, 0, r->err), 0);
}

static inline void rig_add_ring(struct rig *r)
{
	r->ring = rig_memfd("ring", RF_RING_BYTES, &r->ring_fd);
	r->wake = rig_eventfd();
	ck_assert_int_eq(rf_frontend_set_ring(r->fe, r->ring_fd, r->wake,
					      RIG_ZONE, 4,
					      VHOST_USER_RING_QUEUE_INDEX),
			 0);
	r->by_ring = true;
}

/* What the driver does: features, queue, status. */
static inline int rig_try_drive(struct rig *r, uint64_t features,
				struct rf_frontend_queue q)
{
	int err = rf_frontend_set_features(r->fe, features);

	if (!err)
		err = rf_frontend_queue_start(r->fe, &q);
	if (!err)
		err = rf_frontend_set_status(r->fe, 0x0f);
	return err;
}

static inline struct rf_frontend_queue rig_queue(void)
{
	return (struct rf_frontend_queue){
		.size = RIG_QUEUE_SIZE,
		.desc_addr = VRING_DESC,
		.avail_addr = VRING_AVAIL,
		.used_addr = VRING_USED,
	};
}

static inline void rig_drive(struct rig *r, uint64_t features)
{
	vring_init(&r->v, r->ram, RIG_QUEUE_SIZE);
	ck_assert_int_eq(
		rig_try_drive(r, features | RIG_F_VERSION_1, rig_queue()), 0);
}

/* From nothing to a sealed device with a driver. */
static inline void rig_start(struct rig *r, int image, const char *const *extra)
{
	rig_spawn(r, image, extra);
	rig_hand_over(r);
	ck_assert_int_eq(rf_frontend_seal(r->fe), 0);
	rig_drive(r, RIG_F_FLUSH);
}

static inline void rig_push(struct rig *r, uint64_t gpa, uint32_t value,
			    uint32_t len)
{
	struct rf_ring_entry e = { .phys_addr = gpa, .len = len };

	memcpy(e.data, &value, sizeof(value));
	ck_assert_int_eq(rf_ring_push(r->ring, &e), 0);
}

static inline void rig_kick(struct rig *r)
{
	if (r->by_ring)
		rig_push(r, RIG_ZONE, 0, 4);
	ck_assert_int_eq(rf_eventfd_signal(r->by_ring ? r->wake : r->kick), 0);
}

/* Make the chain of a request: header, data of both kinds, status. */
static inline void rig_make(struct rig *r, uint32_t type, uint64_t sector,
			    uint32_t out_len, uint32_t in_len)
{
	uint8_t *header = vring_at(&r->v, RIG_HEADER);
	uint16_t n = 1;

	memset(header, 0, 16);
	memcpy(header, &type, sizeof(type));
	memcpy(header + 8, &sector, sizeof(sector));
	*(uint8_t *)vring_at(&r->v, RIG_STATUS) = RIG_NO_ANSWER;
	vring_desc(&r->v, 0, RIG_HEADER, 16, VRING_NEXT, 1);
	if (out_len) {
		vring_desc(&r->v, n, RIG_BUF, out_len, VRING_NEXT, n + 1);
		n++;
	}
	if (in_len) {
		vring_desc(&r->v, n, RIG_BUF, in_len, VRING_NEXT | VRING_WRITE,
			   n + 1);
		n++;
	}
	vring_desc(&r->v, n, RIG_STATUS, 1, VRING_WRITE, 0);
}

/* Offer the chain at descriptor `head`, ring, wait; its status. */
static inline uint8_t rig_go(struct rig *r, uint16_t head, uint32_t *used_len)
{
	struct vring_used used = { 0, 0 };
	bool answered;

	vring_offer(&r->v, head);
	rig_kick(r);
	answered = vring_wait(&r->v, r->call, RIG_WAIT_MS, &used);
	if (used_len)
		*used_len = used.len;
	if (!answered)
		return RIG_NO_ANSWER;
	ck_assert_uint_eq(used.id, head);
	return *(uint8_t *)vring_at(&r->v, RIG_STATUS);
}

static inline uint8_t rig_io(struct rig *r, uint32_t type, uint64_t sector,
			     uint32_t out_len, uint32_t in_len,
			     uint32_t *used_len)
{
	rig_make(r, type, sector, out_len, in_len);
	return rig_go(r, 0, used_len);
}

static inline uint8_t *rig_buf(struct rig *r)
{
	return vring_at(&r->v, RIG_BUF);
}

/* Wait for its end, however it came about. */
static inline struct rf_fence_end rig_wait_end(struct rig *r)
{
	struct rf_fence_end end = { .pid = 0 };
	struct pollfd p = { .fd = r->child.pidfd, .events = POLLIN };
	int i, err;

	for (i = 0; i < RIG_WAIT_MS / 10; i++) {
		err = rf_fence_reap(&end);
		if (err == 0 && end.pid == r->child.pid)
			return end;
		(void)poll(&p, 1, 10);
	}
	RIG_MUST(!"the program does not end");
	return end;
}

/* Its exit status; a filter must not have killed it. */
static inline int rig_exit_status(struct rig *r)
{
	struct rf_fence_end end = rig_wait_end(r);

	ck_assert_msg(!end.filter_killed, "killed by its filter in call %d",
		      end.call_known ? end.call_nr : -1);
	ck_assert_msg(end.exited, "killed by signal %d", end.status);
	return end.status;
}

/* What it logged; call after its end. */
static inline const char *rig_log(struct rig *r)
{
	static char text[8192];
	ssize_t n, len = 0;

	while (len < (ssize_t)sizeof(text) - 1 &&
	       (n = read(r->log, text + len, sizeof(text) - 1 - (size_t)len)) >
		       0)
		len += n;
	text[len] = '\0';
	return text;
}

#define RIG_ASSERT_LOGGED(r, part)                    \
	do {                                          \
		const char *log_text = rig_log(r);    \
		ck_assert_msg(strstr(log_text, part), \
			      "not logged: %s\n"      \
			      "but: %s",              \
			      part, log_text);        \
	} while (0)

/* Close our ends; it must then leave by itself, content. */
static inline void rig_end(struct rig *r)
{
	rf_frontend_free(r->fe);
	r->fe = NULL;
	if (r->sock >= 0)
		rf_fd_close(&r->sock);
	ck_assert_int_eq(rig_exit_status(r), 0);
}

/* A file of `sectors`, each byte telling its sector. On disk where `dir` says
 * so, or a memfd. */
static inline int rig_image(const char *dir, uint32_t sectors)
{
	char path[64];
	uint8_t sector[512];
	uint32_t i;
	int fd;

	if (dir) {
		(void)snprintf(path, sizeof(path), "%s/rf-blk-XXXXXX", dir);
		fd = mkostemp(path, O_CLOEXEC);
		ck_assert_int_ge(fd, 0);
		unlink(path);
	} else {
		fd = memfd_create("image", MFD_CLOEXEC);
		ck_assert_int_ge(fd, 0);
	}
	for (i = 0; i < sectors; i++) {
		memset(sector, (int)(i + 1), sizeof(sector));
		ck_assert_int_eq(pwrite(fd, sector, 512, (off_t)i * 512), 512);
	}
	return fd;
}

static inline bool rig_is_filled(const uint8_t *p, size_t len, uint8_t byte)
{
	size_t i;

	for (i = 0; i < len; i++)
		if (p[i] != byte)
			return false;
	return true;
}

/* Skip where the machine lets nobody make namespaces. */
static inline const char *rig_why_not(void)
{
	static char why[128];
	const char *step;
	struct rig r = { .ring_fd = -1 };
	int image = memfd_create("image", MFD_CLOEXEC);
	int err;

	err = rig_try_spawn(&r, image, NULL, &step);
	close(image);
	close(r.sock);
	if (err == -EPERM || err == -ENOSPC || err == -EACCES) {
		(void)snprintf(why, sizeof(why), "no fence here: %s: %s", step,
			       strerror(-err));
		return why;
	}
	if (err == 0)
		(void)rig_wait_end(&r);
	return NULL;
}

struct rig_way {
	const char *name;
	const char *args[RIG_ARGS_MAX];
	bool is_direct;
};

static const struct rig_way rig_ways[] = {
	{ "sync", { "--io", "sync" }, false },
	{ "uring", { "--io", "uring" }, false },
	{ "sync, direct", { "--io", "sync", "--direct" }, true },
	{ "uring, direct", { "--io", "uring", "--direct" }, true },
};

static inline void rig_set_way(const struct rig_way *way)
{
	memcpy(rig_args, way->args, sizeof(rig_args));
	rig_is_direct = way->is_direct;
}

/* A plain file where tests have theirs, or -1; outside of a test. */
static inline int rig_plain_image(const char *dir)
{
	char path[64];
	int fd;

	if (!dir) {
		fd = memfd_create("image", MFD_CLOEXEC);
	} else {
		(void)snprintf(path, sizeof(path), "%s/rf-blk-XXXXXX", dir);
		fd = mkostemp(path, O_CLOEXEC);
		(void)unlink(path);
	}
	RIG_MUST(fd >= 0 && ftruncate(fd, 4096) == 0);
	return fd;
}

/* Why this way cannot be gone here, or NULL: images are on disk and in memory,
 * and both have to be there for O_DIRECT. */
static inline const char *rig_why_not_way(const struct rig_way *way)
{
	const char *const dirs[] = { "/tmp", NULL };
	struct rig r = { .ring_fd = -1 };
	const char *step, *why = NULL;
	int image, direct;
	size_t i;

	for (i = 0; way->is_direct && i < RF_ARRAY_LEN(dirs); i++) {
		image = rig_plain_image(dirs[i]);
		direct = rig_direct_image(image);
		close(image);
		if (direct < 0)
			return "no O_DIRECT in a file system here";
		close(direct);
	}
	rig_set_way(way);
	image = rig_plain_image(NULL);
	RIG_MUST(rig_try_spawn(&r, image, NULL, &step) == 0);
	close(image);
	close(r.sock);
	if (rig_wait_end(&r).status != 0)
		why = "no io_uring here";
	close(r.log);
	return why;
}

/* The suite in each way that can be gone here. */
static inline int rig_run(const char *name, const TTest *const *tests,
			  size_t nr)
{
	const char *why = rig_why_not();
	int status = EXIT_SUCCESS;
	size_t i;

	if (why)
		return unit_skip(name, why);
	for (i = 0; i < RF_ARRAY_LEN(rig_ways); i++) {
		why = rig_why_not_way(&rig_ways[i]);
		if (why) {
			printf("skipped: %s, %s: %s\n", name, rig_ways[i].name,
			       why);
			continue;
		}
		printf("%s, %s\n", name, rig_ways[i].name);
		(void)fflush(stdout);
		rig_set_way(&rig_ways[i]);
		if (unit_run(name, tests, nr) != EXIT_SUCCESS)
			status = EXIT_FAILURE;
	}
	return status;
}

#endif
