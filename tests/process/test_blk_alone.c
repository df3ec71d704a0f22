/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * test_blk_alone.c - ringfence-blk at a socket of its own, and who comes to it
 *
 * The front-end is the bench's client, which checks what it reads, or one that
 * lies, dies or says nothing. After each of those the next one must be served.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <ringfence/control.h>

#include "bench/bench.h"
#include "bench/blk_load.h"
#include "process/slow_disk.h"
#include "unit/unit.h"

#define IMAGE_BYTES (UINT64_C(2) << 20)
#define WAIT_MS 10000
#define STEP_MS 10

/* For what also runs outside of a test, where check's own words end it all. */
#define MUST(condition)                                                \
	do {                                                           \
		if (!(condition)) {                                    \
			(void)fprintf(stderr, "%s:%d: %s\n", __FILE__, \
				      __LINE__, #condition);           \
			abort();                                       \
		}                                                      \
	} while (0)

struct server {
	char dir[32];
	char socket[64];
	char image[64];
	char log[64];
	char control[64]; /* only with the arguments of use_control() */
	pid_t pid;
};

/* 2 MiB, sector n filled with n's low byte. */
static void make_image(const char *path)
{
	rf_autofd fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	uint8_t sector[BLK_CLIENT_SECTOR];
	uint64_t at;

	MUST(fd >= 0);
	for (at = 0; at < IMAGE_BYTES; at += sizeof(sector)) {
		memset(sector, (int)(at / sizeof(sector)), sizeof(sector));
		MUST(pwrite(fd, sector, sizeof(sector), (off_t)at) ==
		     (ssize_t)sizeof(sector));
	}
}

static void make_place(struct server *s)
{
	*s = (struct server){ .dir = "/tmp/rf-alone-XXXXXX" };
	MUST(mkdtemp(s->dir));
	(void)snprintf(s->socket, sizeof(s->socket), "%s/blk.sock", s->dir);
	(void)snprintf(s->image, sizeof(s->image), "%s/image", s->dir);
	(void)snprintf(s->log, sizeof(s->log), "%s/log", s->dir);
	(void)snprintf(s->control, sizeof(s->control), "%s/control", s->dir);
	make_image(s->image);
}

static void drop_place(const struct server *s)
{
	(void)unlink(s->socket);
	(void)unlink(s->control);
	(void)unlink(s->image);
	(void)unlink(s->log);
	MUST(rmdir(s->dir) == 0);
}

/* Extra arguments end with NULL. */
static void run(struct server *s, const char *const *extra)
{
	const char *args[16] = { "ringfence-blk", "--socket", s->socket,
				 "--image", s->image };
	size_t i;

	for (i = 0; extra && extra[i]; i++)
		args[5 + i] = extra[i];
	s->pid = fork();
	MUST(s->pid >= 0);
	if (s->pid == 0) {
		int log = open(s->log, O_WRONLY | O_CREAT | O_APPEND, 0600);

		(void)dup2(log, STDERR_FILENO);
		(void)execv(RF_TEST_BIN_DIR "/ringfence-blk",
			    (char *const *)(uintptr_t)args);
		_exit(127);
	}
}

static int try_connect(const struct server *s)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	rf_autofd sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	memcpy(addr.sun_path, s->socket, strlen(s->socket));
	if (sock < 0 || connect(sock, (struct sockaddr *)&addr, sizeof(addr)))
		return -1;
	return rf_fd_take(&sock);
}

static const char *log_of(const struct server *s)
{
	static char text[16384];
	rf_autofd fd = open(s->log, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);

	text[n > 0 ? n : 0] = '\0';
	return text;
}

static bool has_logged(const struct server *s, const char *part)
{
	int ms;

	for (ms = 0; ms < WAIT_MS; ms += STEP_MS) {
		if (strstr(log_of(s), part))
			return true;
		(void)poll(NULL, 0, STEP_MS);
	}
	return false;
}

#define ASSERT_LOGGED(s, part)                                              \
	ck_assert_msg(has_logged(s, part), "not logged: %s\nbut: %s", part, \
		      log_of(s))

static void start(struct server *s, const char *const *extra)
{
	make_place(s);
	run(s, extra);
	ASSERT_LOGGED(s, "serves");
}

/* Its exit status; -1: it does not end, and is killed. */
static int status_of(struct server *s)
{
	int status = 0;
	int ms;

	for (ms = 0; ms < WAIT_MS; ms += STEP_MS) {
		if (waitpid(s->pid, &status, WNOHANG) == s->pid)
			return WIFEXITED(status) ? WEXITSTATUS(status) : -2;
		(void)poll(NULL, 0, STEP_MS);
	}
	(void)kill(s->pid, SIGKILL);
	(void)waitpid(s->pid, &status, 0);
	return -1;
}

static void end(struct server *s)
{
	ck_assert_int_eq(kill(s->pid, SIGTERM), 0);
	ck_assert_int_eq(status_of(s), 0);
	ck_assert_int_eq(access(s->socket, F_OK), -1);
	drop_place(s);
}

static const struct blk_client_params plain = {
	.nr_queues = 1,
	.queue_size = 64,
	.block_bytes = 4096,
	.depth = 16,
	.event_idx = true,
	.indirect = true,
};

static void open_client(const struct server *s, struct blk_client *c,
			struct blk_client_params params)
{
	const char *step;
	int err;

	params.path = s->socket;
	err = blk_client_new(c, &params, &step);
	ck_assert_msg(err == 0, "%s: %s\n%s", step ? step : "", strerror(-err),
		      log_of(s));
}

/* Requests of both kinds, and everything read is what was written. */
static void use(const struct server *s, struct blk_client_params params)
{
	struct blk_load load = {
		.pattern = BLK_PATTERN_RANDRW,
		.block_bytes = params.block_bytes,
		.depth = params.depth,
		.duration_ns = 30000000,
		.verify = true,
		.seed = 7,
		.ticks_per_us = bench_ticks_per_us(),
	};
	static struct blk_result result;
	struct usage_tree tree;
	struct blk_client c;

	open_client(s, &c, params);
	ck_assert_int_eq(usage_find(c.backend, &tree), 0);
	ck_assert_int_eq(blk_load_run(&c, &load, &tree, &result), 0);
	blk_client_free(&c);
	ck_assert_uint_gt(result.requests, 16);
	ck_assert_uint_gt(result.verified, 0);
	ck_assert_uint_eq(result.wrong, 0);
	ck_assert_uint_eq(result.failed, 0);
	ck_assert_uint_gt(result.backend_cpu_ns, 0);
	ck_assert_uint_ge(histogram_percentile(&result.latency, 990),
			  histogram_percentile(&result.latency, 500));
}

/* The process that serves; it has to be there. */
static pid_t serving(const struct server *s)
{
	struct usage_tree tree = { .nr = 0 };
	int ms;

	for (ms = 0; ms < WAIT_MS; ms += STEP_MS) {
		ck_assert_int_eq(usage_find(s->pid, &tree), 0);
		if (tree.nr == 2)
			return tree.pids[1];
		(void)poll(NULL, 0, STEP_MS);
	}
	ck_abort_msg("%u processes", tree.nr);
	return 0;
}

START_TEST(one_connection_after_another_is_served)
{
	struct server s;

	start(&s, NULL);
	use(&s, plain);
	use(&s, plain);
	ASSERT_LOGGED(&s, "[1] has ended");
	end(&s);
}
END_TEST

START_TEST(every_shape_of_ring_carries_the_data)
{
	struct blk_client_params p = plain;
	struct server s;
	int i;

	start(&s, NULL);
	for (i = 0; i < 8; i++) {
		p.packed = i & 1;
		p.event_idx = i & 2;
		p.indirect = i & 4;
		use(&s, p);
	}
	end(&s);
}
END_TEST

START_TEST(several_queues_carry_the_data)
{
	static const char *const extra[] = { "--queues", "4", NULL };
	struct blk_client_params p = plain;
	struct server s;

	p.nr_queues = 4;
	start(&s, extra);
	use(&s, p);
	end(&s);
}
END_TEST

START_TEST(a_front_end_that_seals_is_served)
{
	struct blk_client_params p = plain;
	struct server s;

	p.seal = true;
	start(&s, NULL);
	use(&s, p);
	end(&s);
}
END_TEST

static void read_sector(struct blk_client *c, uint64_t sector)
{
	uint8_t status = 0xff;

	ck_assert_int_eq(blk_client_one(c, BLK_READ, sector, 512, &status), 0);
	ck_assert_uint_eq(status, 0);
	ck_assert_uint_eq(*blk_client_data(c, 0, 0), (uint8_t)sector);
}

START_TEST(a_read_only_image_is_read_and_not_written)
{
	static const char *const extra[] = { "--read-only", NULL };
	uint8_t status = 0;
	struct blk_client c;
	struct server s;

	make_place(&s);
	ck_assert_int_eq(chmod(s.image, 0400), 0);
	run(&s, extra);
	ASSERT_LOGGED(&s, "serves");
	open_client(&s, &c, plain);
	ck_assert_uint_eq(c.nr_sectors, IMAGE_BYTES / 512);
	read_sector(&c, 5);
	ck_assert_int_eq(blk_client_one(&c, BLK_WRITE, 5, 512, &status), 0);
	ck_assert_uint_ne(status, 0);
	blk_client_free(&c);
	end(&s);
}
END_TEST

/* In a process of its own: submit, and go on until somebody kills it. */
static pid_t start_busy(const struct server *s, int *ready)
{
	struct blk_load load = {
		.pattern = BLK_PATTERN_RANDWRITE,
		.block_bytes = 4096,
		.depth = 16,
		.duration_ns = UINT64_C(60000000000),
		.ticks_per_us = bench_ticks_per_us(),
	};
	static struct blk_result result;
	struct usage_tree tree = { .nr = 0 };
	struct blk_client c;
	int ends[2];
	pid_t pid;

	ck_assert_int_eq(pipe(ends), 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		/* Not our parent's connections: they end when it says so. */
		MUST(dup2(ends[1], 3) == 3 && close_range(4, ~0u, 0) == 0);
		open_client(s, &c, plain);
		(void)!write(3, "r", 1);
		_exit(blk_load_run(&c, &load, &tree, &result) ? 1 : 0);
	}
	close(ends[1]);
	*ready = ends[0];
	return pid;
}

START_TEST(a_front_end_that_dies_amid_requests_harms_nobody)
{
	struct server s;
	int i;

	start(&s, NULL);
	for (i = 0; i < 3; i++) {
		char byte;
		int ready;
		pid_t pid = start_busy(&s, &ready);

		ck_assert_int_eq(read(ready, &byte, 1), 1);
		(void)poll(NULL, 0, 20);
		ck_assert_int_eq(kill(pid, SIGKILL), 0);
		ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
		close(ready);
	}
	use(&s, plain);
	end(&s);
}
END_TEST

START_TEST(a_serving_process_that_is_killed_is_replaced)
{
	struct blk_client c;
	struct server s;

	start(&s, NULL);
	open_client(&s, &c, plain);
	ck_assert_int_eq(kill(serving(&s), SIGKILL), 0);
	ck_assert_int_eq(blk_client_wait(&c, WAIT_MS), -EPIPE);
	blk_client_free(&c);
	ASSERT_LOGGED(&s, "[0] was killed by signal 9");
	use(&s, plain);
	end(&s);
}
END_TEST

#define LATE 2u /* reads that are under way when their process is killed */
#define UNREAD 0xee

/* Until its reads take their time. */
static void wait_until_slow(struct blk_client *c)
{
	uint64_t start;
	int i;

	for (i = 0; i < 100; i++) {
		start = rf_clock_ns();
		read_sector(c, 64);
		if (rf_clock_ns() - start > 100000000)
			return;
	}
	ck_abort_msg("the limit does not hold");
}

static unsigned count_landed(struct blk_client *c)
{
	unsigned landed = 0;
	uint16_t i;

	for (i = 0; i < LATE; i++)
		landed += *blk_client_data(c, 0, i) != UNREAD;
	return landed;
}

/* What an io_uring does for a process is not over when that is dead. */
START_TEST(the_next_waits_for_what_a_killed_process_left_under_way)
{
	static const char *const extra[] = { "--direct", "--io", "uring",
					     NULL };
	struct blk_client first, next;
	struct slow_disk slow;
	struct server s;
	uint16_t i;
	pid_t pid;

	if (!slow_disk_make(&slow, "/tmp"))
		return;
	start(&s, extra);
	open_client(&s, &first, plain);
	pid = serving(&s);
	ck_assert(slow_disk_add(&slow, pid));
	wait_until_slow(&first);
	for (i = 0; i < LATE; i++) {
		memset(blk_client_data(&first, 0, i), UNREAD, 512);
		blk_client_submit(&first, 0, i, BLK_READ, i, 4096);
	}
	ck_assert_int_eq(blk_client_flush(&first, 0), 0);
	(void)poll(NULL, 0, 200);
	ck_assert_int_eq(kill(pid, SIGKILL), 0);
	ASSERT_LOGGED(&s, "[0] was killed by signal 9");
	ck_assert_uint_lt(count_landed(&first), LATE);
	open_client(&s, &next, plain);
	ck_assert_uint_eq(count_landed(&first), LATE);
	read_sector(&next, 9);
	ASSERT_LOGGED(&s, "[0] what it had under way is not over yet");
	blk_client_free(&next);
	blk_client_free(&first);
	slow_disk_drop(&slow);
	end(&s);
}
END_TEST

/* What is sent in place of messages. */
static void send_junk(const struct server *s, const void *junk, size_t len)
{
	rf_autofd sock = try_connect(s);
	char answer[64];
	struct pollfd p = { .fd = sock, .events = POLLIN };

	ck_assert_int_ge(sock, 0);
	if (len)
		ck_assert_int_eq(send(sock, junk, len, MSG_NOSIGNAL),
				 (ssize_t)len);
	/* It hangs up on a lie; a word that is not finished it waits for. */
	if (poll(&p, 1, 500) == 1)
		(void)!recv(sock, answer, sizeof(answer), MSG_DONTWAIT);
}

START_TEST(after_a_hostile_connection_the_next_is_served)
{
	/* GET_FEATURES of a version that is none; a payload without end; a
	 * request that nobody knows. */
	static const uint32_t version[] = { 1, 3, 0 };
	static const uint32_t endless[] = { 5, 1, UINT32_MAX };
	static const uint32_t unknown[] = { 0xffffffff, 9, 0 };
	static const uint32_t cut[] = { 5, 1, 8, 1 };
	uint8_t noise[4096];
	struct server s;
	size_t i;

	for (i = 0; i < sizeof(noise); i++)
		noise[i] = (uint8_t)(i * 197 + i / 3);
	start(&s, NULL);
	send_junk(&s, noise, sizeof(noise));
	send_junk(&s, NULL, 0);
	send_junk(&s, version, sizeof(version));
	send_junk(&s, endless, sizeof(endless));
	send_junk(&s, unknown, sizeof(unknown));
	send_junk(&s, cut, sizeof(cut));
	use(&s, plain);
	ASSERT_LOGGED(&s, "gave up (status 1)");
	ASSERT_LOGGED(&s, "[6] has ended");
	end(&s);
}
END_TEST

START_TEST(a_ring_full_of_lies_ends_with_its_connection)
{
	struct blk_client c;
	struct server s;

	start(&s, NULL);
	open_client(&s, &c, plain);
	blk_client_submit(&c, 0, 0, BLK_READ, 0, 512);
	/* The table it names lies nowhere. */
	c.queues[0].desc[0].addr = UINT64_C(0xdead00000000);
	ck_assert_int_eq(blk_client_flush(&c, 0), 0);
	ck_assert_int_eq(blk_client_wait(&c, 300), -ETIMEDOUT);
	blk_client_free(&c);
	use(&s, plain);
	end(&s);
}
END_TEST

START_TEST(the_next_connection_waits_for_its_turn)
{
	struct blk_client c;
	struct server s;
	char byte;
	int ready;
	pid_t pid;

	start(&s, NULL);
	open_client(&s, &c, plain);
	pid = start_busy(&s, &ready);
	(void)poll(NULL, 0, 200);
	ck_assert_int_eq(fcntl(ready, F_SETFL, O_NONBLOCK), 0);
	ck_assert_int_eq(read(ready, &byte, 1), -1);
	read_sector(&c, 9);
	blk_client_free(&c);
	ck_assert_int_eq(fcntl(ready, F_SETFL, 0), 0);
	ck_assert_int_eq(read(ready, &byte, 1), 1);
	ck_assert_int_eq(kill(pid, SIGKILL), 0);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	close(ready);
	end(&s);
}
END_TEST

START_TEST(it_ends_in_order_while_somebody_is_served)
{
	static const int signals[] = { SIGTERM, SIGINT, SIGHUP };
	struct blk_client c;
	struct server s;
	pid_t child;
	size_t i;

	for (i = 0; i < RF_ARRAY_LEN(signals); i++) {
		start(&s, NULL);
		open_client(&s, &c, plain);
		child = serving(&s);
		ck_assert_int_eq(kill(s.pid, signals[i]), 0);
		ck_assert_int_eq(status_of(&s), 0);
		ck_assert_int_eq(access(s.socket, F_OK), -1);
		ck_assert_int_eq(kill(child, 0), -1);
		ck_assert_int_eq(errno, ESRCH);
		ck_assert_int_eq(blk_client_wait(&c, WAIT_MS), -EPIPE);
		blk_client_free(&c);
		drop_place(&s);
	}
}
END_TEST

START_TEST(its_death_ends_the_one_that_serves)
{
	struct blk_client c;
	struct server s;

	start(&s, NULL);
	open_client(&s, &c, plain);
	(void)serving(&s);
	ck_assert_int_eq(kill(s.pid, SIGKILL), 0);
	ck_assert_int_eq(status_of(&s), -2);
	ck_assert_int_eq(blk_client_wait(&c, WAIT_MS), -EPIPE);
	blk_client_free(&c);
	/* What it left in the file system is replaced. */
	ck_assert_int_eq(access(s.socket, F_OK), 0);
	(void)unlink(s.log);
	run(&s, NULL);
	ASSERT_LOGGED(&s, "serves");
	use(&s, plain);
	end(&s);
}
END_TEST

START_TEST(the_socket_is_its_owners_alone)
{
	struct server s;
	struct stat st;

	start(&s, NULL);
	ck_assert_int_eq(lstat(s.socket, &st), 0);
	ck_assert(S_ISSOCK(st.st_mode));
	ck_assert_uint_eq(st.st_mode & 0777, 0600);
	end(&s);
}
END_TEST

/* A second one, at the same place: its words, and that it changed nothing. */
static void run_second(const struct server *first, const char *image,
		       const char *words)
{
	struct server s = *first;

	(void)snprintf(s.log, sizeof(s.log), "%s/second", first->dir);
	(void)snprintf(s.image, sizeof(s.image), "%s", image);
	run(&s, NULL);
	ck_assert_int_eq(status_of(&s), 1);
	ASSERT_LOGGED(&s, words);
	(void)unlink(s.log);
}

START_TEST(a_socket_that_somebody_listens_at_is_left_alone)
{
	char other[80];
	struct server s;

	start(&s, NULL);
	(void)snprintf(other, sizeof(other), "%s/other", s.dir);
	make_image(other);
	run_second(&s, s.image, "another process holds it");
	run_second(&s, other, "another process listens there");
	(void)unlink(other);
	use(&s, plain);
	end(&s);
}
END_TEST

START_TEST(a_file_that_is_no_socket_stays)
{
	struct server s;
	struct stat st;

	make_place(&s);
	make_image(s.socket);
	run(&s, NULL);
	ck_assert_int_eq(status_of(&s), 1);
	ASSERT_LOGGED(&s, "no socket; it stays");
	ck_assert_int_eq(lstat(s.socket, &st), 0);
	ck_assert(S_ISREG(st.st_mode));
	drop_place(&s);
}
END_TEST

START_TEST(images_that_cannot_be_served_are_refused)
{
	struct server s;
	char path[80];

	make_place(&s);
	(void)snprintf(path, sizeof(path), "%s/none", s.dir);
	run_second(&s, path, "No such file");
	run_second(&s, "/dev/null", "neither a regular file");
	run_second(&s, s.dir, "directory");
	ck_assert_int_eq(truncate(s.image, 511), 0);
	run_second(&s, s.image, "smaller than one sector");
	ck_assert_int_eq(access(s.socket, F_OK), -1);
	drop_place(&s);
}
END_TEST

START_TEST(wrong_arguments_end_it_before_anything_is_made)
{
	static const char *const wrong[][4] = {
		{ "--nonsense", NULL },
		{ "--index", "3", NULL },
		{ "--limits", NULL },
		{ "--ops", "many", NULL },
		{ "--ops", "5,", NULL },
		{ "--bytes", "5,6,7", NULL },
		{ "--bytes", NULL },
		{ "--serial", "longer than twenty characters", NULL },
		{ "--queues", "0", NULL },
		{ "--socket", NULL },
		{ "--image", NULL },
		{ "--control", NULL },
		{ "--ops", "1125899906842625", NULL },
	};
	struct server s;
	size_t i;

	make_place(&s);
	for (i = 0; i < RF_ARRAY_LEN(wrong); i++) {
		run(&s, wrong[i]);
		ck_assert_msg(status_of(&s) == 2, "%s", wrong[i][0]);
		ck_assert_int_eq(access(s.socket, F_OK), -1);
	}
	drop_place(&s);
}
END_TEST

START_TEST(a_rate_is_held)
{
	static const char *const extra[] = { "--ops", "200,10", NULL };
	struct blk_client c;
	struct server s;
	uint64_t ns;
	int i;

	start(&s, extra);
	open_client(&s, &c, plain);
	ns = rf_clock_ns();
	for (i = 0; i < 60; i++)
		read_sector(&c, (uint64_t)i);
	ns = rf_clock_ns() - ns;
	blk_client_free(&c);
	/* 10 at once, 50 at 5 ms each, less what a clock tick may give. */
	ck_assert_uint_gt(ns, UINT64_C(150000000));
	end(&s);
}
END_TEST

/* With its control socket, and a rate if there is one. */
static void start_control(struct server *s, const char *ops)
{
	const char *extra[] = { "--control", NULL, ops ? "--ops" : NULL, ops,
				NULL };

	make_place(s);
	extra[1] = s->control;
	run(s, extra);
	ASSERT_LOGGED(s, "serves");
}

/* `ringfence limit`, as people use it: its words go to a pipe. */
static pid_t start_limit(const struct server *s, const char *what,
			 const char *value, int *words)
{
	const char *args[] = { "ringfence", "limit", "--control", s->control,
			       what,	    value,   NULL };
	int ends[2];
	pid_t pid;

	ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		(void)dup2(ends[1], STDOUT_FILENO);
		(void)dup2(ends[1], STDERR_FILENO);
		(void)execv(RF_TEST_BIN_DIR "/ringfence",
			    (char *const *)(uintptr_t)args);
		_exit(127);
	}
	close(ends[1]);
	*words = ends[0];
	return pid;
}

/* Its exit status; `part` has to be among its words. */
static int end_limit(pid_t pid, int words, const char *part)
{
	char text[2048] = "";
	size_t len = 0;
	int status = 0;
	ssize_t n;

	while ((n = read(words, text + len, sizeof(text) - 1 - len)) > 0)
		len += (size_t)n;
	text[len] = '\0';
	close(words);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_msg(strstr(text, part) != NULL, "%s: %s", part, text);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int limit(const struct server *s, const char *what, const char *value,
		 const char *part)
{
	int words;
	pid_t pid = start_limit(s, what, value, &words);

	return end_limit(pid, words, part);
}

/* Reads of so many bytes one after the other: how many a second. */
static uint64_t rate_of(struct blk_client *c, uint32_t bytes, uint64_t ms)
{
	const uint64_t begin = rf_clock_ns();
	uint8_t status = 0xff;
	uint64_t nr = 0;
	uint64_t ns = 0;

	for (; ns < ms * 1000000; ns = rf_clock_ns() - begin, nr++) {
		ck_assert_int_eq(blk_client_one(c, BLK_READ, 0, bytes, &status),
				 0);
		ck_assert_uint_eq(status, 0);
	}
	return nr * UINT64_C(1000000000) / ns;
}

/* Another limit while requests go on, and the rate some time later: what the
 * bucket held, and 100 ms until a waiting device looks, have passed by then. */
static uint64_t rate_after(const struct server *s, struct blk_client *c,
			   const char *ops, const char *part)
{
	int words;
	pid_t pid = start_limit(s, "--iops", ops, &words);

	(void)rate_of(c, 512, 400);
	ck_assert_int_eq(end_limit(pid, words, part), 0);
	(void)rate_of(c, 512, 150);
	return rate_of(c, 512, 500);
}

START_TEST(the_rate_follows_its_limit_up_and_down)
{
	struct blk_client c;
	struct server s;
	uint64_t rate;

	start_control(&s, "50");
	open_client(&s, &c, plain);
	(void)rate_of(&c, 512, 150);
	rate = rate_of(&c, 512, 500);
	ck_assert_msg(rate >= 10 && rate <= 80, "50: %" PRIu64, rate);
	rate = rate_after(&s, &c, "400", "operations 400 a second\n");
	ck_assert_msg(rate >= 100 && rate <= 600, "400: %" PRIu64, rate);
	rate = rate_after(&s, &c, "0", "operations no limit\n");
	ck_assert_msg(rate >= 700, "none: %" PRIu64, rate);
	rate = rate_after(&s, &c, "50", "operations 50 a second\n");
	ck_assert_msg(rate >= 10 && rate <= 80, "50 again: %" PRIu64, rate);
	blk_client_free(&c);
	/* It holds for the next connection, too. */
	open_client(&s, &c, plain);
	(void)rate_of(&c, 512, 150);
	rate = rate_of(&c, 512, 500);
	ck_assert_msg(rate >= 10 && rate <= 80, "50, the next: %" PRIu64, rate);
	blk_client_free(&c);
	end(&s);
	ck_assert_int_eq(access(s.control, F_OK), -1);
}
END_TEST

START_TEST(one_without_limits_is_given_some)
{
	struct blk_client c;
	struct server s;
	uint64_t rate;

	start_control(&s, NULL);
	/* While nobody is connected. */
	ck_assert_int_eq(limit(&s, NULL, NULL, "bytes      no limit"), 0);
	ck_assert_int_eq(limit(&s, "--iops-burst", "7", "operations no limit"),
			 0);
	open_client(&s, &c, plain);
	ck_assert_uint_ge(rate_of(&c, 4096, 200), 300);
	ck_assert_int_eq(
		limit(&s, "--bandwidth", "400K", "bytes      409600 a second"),
		0);
	(void)rate_of(&c, 4096, 300);
	rate = rate_of(&c, 4096, 500);
	ck_assert_msg(rate >= 20 && rate <= 150, "100: %" PRIu64, rate);
	blk_client_free(&c);
	end(&s);
}
END_TEST

/* A descriptor to its control socket, with a name to be answered at. */
static int reach_control(const struct server *s)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	ck_assert_int_eq(
		bind(fd, (struct sockaddr *)&name, sizeof(name.sun_family)), 0);
	memcpy(name.sun_path, s->control, strlen(s->control));
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&name, sizeof(name)),
			 0);
	return fd;
}

static void await_answer(int fd, struct rf_control_msg *msg)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	ck_assert_int_eq(poll(&p, 1, WAIT_MS), 1);
	ck_assert_int_eq(recv(fd, msg, sizeof(*msg), 0), sizeof(*msg));
}

START_TEST(bad_requests_change_nothing_and_disturb_nobody)
{
	static const struct rf_control_msg bad[] = {
		{ .magic = RF_CONTROL_MAGIC, .op = 7 },
		{ .magic = RF_CONTROL_MAGIC,
		  .op = RF_CONTROL_SET_LIMITS,
		  .disk = 1,
		  .fields = RF_LIMIT_ALL },
		{ .magic = RF_CONTROL_MAGIC,
		  .op = RF_CONTROL_SET_LIMITS,
		  .fields = RF_LIMIT_ALL,
		  .limits = { UINT64_MAX, 0, 0, 0 } },
		{ .magic = RF_CONTROL_MAGIC,
		  .op = RF_CONTROL_SET_LIMITS,
		  .fields = UINT32_MAX },
	};
	struct rf_control_msg msg = { .magic = RF_CONTROL_MAGIC,
				      .op = RF_CONTROL_SET_LIMITS,
				      .fields = RF_LIMIT_ALL,
				      .limits = { 1, 1, 1, 1 } };
	uint8_t noise[4096];
	struct blk_client c;
	struct server s;
	size_t i;
	int fd;

	memset(noise, 0x52, sizeof(noise));
	start_control(&s, "4000");
	open_client(&s, &c, plain);
	fd = reach_control(&s);
	for (i = 0; i < RF_ARRAY_LEN(bad); i++) {
		struct rf_control_msg answer = { .error = 0 };

		ck_assert_int_gt(send(fd, &bad[i], sizeof(bad[i]), 0), 0);
		await_answer(fd, &answer);
		ck_assert_int_lt(answer.error, 0);
	}
	/* Cut, too long, and none of ours: no answer. */
	ck_assert_int_gt(send(fd, &msg, sizeof(msg) - 1, 0), 0);
	ck_assert_int_gt(send(fd, noise, sizeof(noise), 0), 0);
	ck_assert_int_gt(send(fd, noise, sizeof(msg), 0), 0);
	ck_assert_int_eq(send(fd, noise, 0, 0), 0);
	ck_assert_int_eq(limit(&s, "--disk", "1", "there is no disk 1"), 1);
	read_sector(&c, 3);
	blk_client_free(&c);
	/* All of that has been read by now, and this is still what holds. */
	msg = (struct rf_control_msg){ .magic = RF_CONTROL_MAGIC,
				       .op = RF_CONTROL_GET_LIMITS };
	ck_assert_int_gt(send(fd, &msg, sizeof(msg), 0), 0);
	await_answer(fd, &msg);
	ck_assert_int_eq(msg.error, 0);
	ck_assert_uint_eq(msg.limits.ops_per_s, 4000);
	ck_assert_uint_eq(msg.limits.bytes_per_s, 0);
	close(fd);
	end(&s);
}
END_TEST

/* Requests without end, whose answers nobody reads. */
START_TEST(a_flood_of_requests_holds_up_neither_clients_nor_the_end)
{
	struct rf_control_msg msg = { .magic = RF_CONTROL_MAGIC,
				      .op = RF_CONTROL_GET_LIMITS };
	struct server s;
	pid_t pid;
	int fd;

	start_control(&s, NULL);
	fd = reach_control(&s);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		while (send(fd, &msg, sizeof(msg), 0) > 0)
			;
		_exit(0);
	}
	use(&s, plain);
	use(&s, plain);
	end(&s);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	close(fd);
}
END_TEST

/* What /proc says of the process that serves, a line at a time. */
static bool has_line(pid_t pid, const char *file, const char *part,
		     const char *and_part)
{
	char path[64];
	char line[512];
	bool found = false;
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%d/%s", pid, file);
	f = fopen(path, "re");
	while (f && !found && fgets(line, sizeof(line), f))
		found = strstr(line, part) && strstr(line, and_part);
	if (f)
		(void)fclose(f);
	return found;
}

static unsigned int count_sockets(pid_t pid)
{
	unsigned int nr = 0;
	char path[64];
	char to[64];
	ssize_t n;
	int fd;

	for (fd = 0; fd < 1024; fd++) {
		(void)snprintf(path, sizeof(path), "/proc/%d/fd/%d", pid, fd);
		n = readlink(path, to, sizeof(to) - 1);
		to[n > 0 ? n : 0] = '\0';
		nr += strncmp(to, "socket:", 7) == 0;
	}
	return nr;
}

/* With limits that change it holds nothing more than without: no other socket
 * than its connection, and a page that it can only read. */
START_TEST(the_one_that_serves_has_no_part_in_the_change)
{
	struct blk_client c;
	struct server s;
	pid_t pid;

	start_control(&s, "4000");
	open_client(&s, &c, plain);
	pid = serving(&s);
	ck_assert_int_eq(limit(&s, "--iops", "5000", "5000 a second"), 0);
	read_sector(&c, 3);
	/* Others' maps are root's to read. */
	if (geteuid() == 0) {
		ck_assert_uint_eq(count_sockets(pid), 1);
		ck_assert(has_line(pid, "maps", "r--s", "memfd:limits"));
		ck_assert(!has_line(pid, "maps", "rw-s", "memfd:limits"));
		ck_assert(has_line(s.pid, "maps", "rw-s", "memfd:limits"));
	}
	blk_client_free(&c);
	end(&s);
}
END_TEST

START_TEST(a_control_socket_left_by_a_killed_one_is_replaced)
{
	const char *extra[] = { "--control", NULL, NULL };
	struct server s;
	struct stat st;

	start_control(&s, "60");
	extra[1] = s.control;
	ck_assert_int_eq(lstat(s.control, &st), 0);
	ck_assert(S_ISSOCK(st.st_mode));
	ck_assert_uint_eq(st.st_mode & 0777, 0600);
	ck_assert_int_eq(kill(s.pid, SIGKILL), 0);
	ck_assert_int_eq(status_of(&s), -2);
	ck_assert_int_eq(access(s.control, F_OK), 0);
	ck_assert_int_eq(limit(&s, NULL, NULL, "nobody listens there"), 1);
	(void)unlink(s.log);
	run(&s, extra);
	ASSERT_LOGGED(&s, "serves");
	/* Its own limits, not those of the one before. */
	ck_assert_int_eq(limit(&s, NULL, NULL, "operations no limit"), 0);
	use(&s, plain);
	end(&s);
	ck_assert_int_eq(access(s.control, F_OK), -1);
}
END_TEST

START_TEST(a_second_one_at_the_same_control_socket_is_refused)
{
	const char *extra[] = { "--control", NULL, NULL };
	struct server other;
	struct server s;

	start_control(&s, "60");
	make_place(&other);
	extra[1] = s.control;
	run(&other, extra);
	ck_assert_int_eq(status_of(&other), 1);
	ASSERT_LOGGED(&other, "another process listens there");
	ck_assert_int_eq(access(other.socket, F_OK), -1);
	drop_place(&other);
	ck_assert_int_eq(limit(&s, NULL, NULL, "operations 60 a second"), 0);
	end(&s);
}
END_TEST

#define AT_ONCE 6

/* Each with an image of its own, so that the image's lock does not decide. */
START_TEST(of_several_at_one_dead_socket_one_serves)
{
	struct server s[AT_ONCE];
	unsigned int nr = 0;
	size_t first = 0;
	size_t i;

	start(&s[0], NULL);
	ck_assert_int_eq(kill(s[0].pid, SIGKILL), 0);
	ck_assert_int_eq(status_of(&s[0]), -2);
	ck_assert_int_eq(unlink(s[0].log), 0);
	for (i = 1; i < AT_ONCE; i++) {
		make_place(&s[i]);
		memcpy(s[i].socket, s[0].socket, sizeof(s[0].socket));
	}
	for (i = 0; i < AT_ONCE; i++)
		run(&s[i], NULL);
	for (i = 0; i < AT_ONCE; i++) {
		ASSERT_LOGGED(&s[i], "s"); /* its one sentence */
		if (strstr(log_of(&s[i]), "another process listens there")) {
			ck_assert_int_eq(status_of(&s[i]), 1);
			continue;
		}
		ASSERT_LOGGED(&s[i], "serves");
		first = i;
		nr++;
	}
	ck_assert_uint_eq(nr, 1);
	use(&s[first], plain);
	ASSERT_LOGGED(&s[first], "[0] has ended");
	ck_assert_int_eq(kill(s[first].pid, SIGTERM), 0);
	ck_assert_int_eq(status_of(&s[first]), 0);
	ck_assert_int_eq(access(s[0].socket, F_OK), -1);
	for (i = 0; i < AT_ONCE; i++)
		drop_place(&s[i]);
}
END_TEST

/* Skip where the machine lets nobody make namespaces. */
static const char *why_not(void)
{
	const char *why = NULL;
	struct server s;
	int sock;

	make_place(&s);
	run(&s, NULL);
	if (!has_logged(&s, "serves"))
		why = "it does not start";
	sock = try_connect(&s);
	(void)poll(NULL, 0, 200);
	if (strstr(log_of(&s), "user namespaces"))
		why = "no fence here: user namespaces are not allowed";
	if (sock >= 0)
		close(sock);
	(void)kill(s.pid, SIGTERM);
	(void)status_of(&s);
	drop_place(&s);
	return why;
}

int main(void)
{
	const TTest *const tests[] = {
		one_connection_after_another_is_served,
		every_shape_of_ring_carries_the_data,
		several_queues_carry_the_data,
		a_front_end_that_seals_is_served,
		a_read_only_image_is_read_and_not_written,
		a_front_end_that_dies_amid_requests_harms_nobody,
		a_serving_process_that_is_killed_is_replaced,
		the_next_waits_for_what_a_killed_process_left_under_way,
		after_a_hostile_connection_the_next_is_served,
		a_ring_full_of_lies_ends_with_its_connection,
		the_next_connection_waits_for_its_turn,
		it_ends_in_order_while_somebody_is_served,
		its_death_ends_the_one_that_serves,
		the_socket_is_its_owners_alone,
		a_socket_that_somebody_listens_at_is_left_alone,
		a_file_that_is_no_socket_stays,
		images_that_cannot_be_served_are_refused,
		wrong_arguments_end_it_before_anything_is_made,
		a_rate_is_held,
		the_rate_follows_its_limit_up_and_down,
		one_without_limits_is_given_some,
		bad_requests_change_nothing_and_disturb_nobody,
		a_flood_of_requests_holds_up_neither_clients_nor_the_end,
		the_one_that_serves_has_no_part_in_the_change,
		a_control_socket_left_by_a_killed_one_is_replaced,
		a_second_one_at_the_same_control_socket_is_refused,
		of_several_at_one_dead_socket_one_serves,
	};
	const char *why;

	(void)signal(SIGPIPE, SIG_IGN);
	why = why_not();
	if (why)
		return unit_skip("blk_alone", why);
	slow_disk_tell("blk_alone");
	return unit_run("blk_alone", tests, RF_ARRAY_LEN(tests));
}
