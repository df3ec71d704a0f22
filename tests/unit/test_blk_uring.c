/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * test_blk_uring.c - what the ring of a block device can be made to do by
 * somebody who has taken the process over: nothing but its four operations on
 * its one file; its lifeline is none to speak through
 *
 * The engine's source is part of this file: the ring is its own, and there is
 * no other way to it. Each test stands where the sealed process does: the ring
 * enabled, the last filter loaded.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/* NOLINTNEXTLINE(bugprone-suspicious-include) */
#include "../../devices/blk/engine_uring.c"

#include "unit/unit.h"

static uint32_t nr_continued;

/* What the engine calls, which but for the first no test here comes to. */
struct rf_log_limit blk_log_limit;

void blk_request_continue(struct blk *blk, struct blk_request *rq,
			  int64_t result)
{
	(void)blk;
	(void)rq;
	(void)result;
	nr_continued++;
}

void blk_sync_submit(struct blk *blk)
{
	(void)blk;
}

void blk_sync_done(struct blk *blk, int64_t result)
{
	(void)blk;
	(void)result;
	abort();
}

void blk_queue_wake(struct blk *blk)
{
	(void)blk;
}

static char page[4096];
static struct iovec vec = { page, sizeof(page) };

static int lifeline[2];

/* The image at its place, and a secret beside it. */
static void set_up(void)
{
	/* Most real file systems know RWF_NOWAIT, tmpfs does not. */
	int image, other;

	/* First, for it may stand where another belongs. */
	ck_assert_int_eq(rf_fd_move(rf_fd_take(&lifeline[0]), RF_FD_LIFELINE),
			 0);
	image = open("/var/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	other = memfd_create("other", MFD_CLOEXEC);
	ck_assert_int_ge(image, 0);
	ck_assert_int_ge(other, 0);
	ck_assert_int_eq(ftruncate(image, 1 << 20), 0);
	ck_assert_int_eq(rf_fd_move(other, RF_FD_LIMITS), 0);
	ck_assert_int_eq(rf_fd_move(image, RF_FD_BACKING), 0);
	ck_assert_int_eq(blk_uring_init(false, RF_FD_LIFELINE), 0);
	/* As the fence does. */
	(void)close(RF_FD_LIFELINE);
}

static int result_of(void)
{
	struct io_uring_cqe *cqe;
	int result;

	/* All of it with the one call that the filter lets pass. */
	if (io_uring_submit_and_wait(&u.ring, 1) < 0 ||
	    io_uring_peek_cqe(&u.ring, &cqe))
		return -ENOMSG;
	result = cqe->res;
	io_uring_cqe_seen(&u.ring, cqe);
	return result;
}

static void prep_nop(struct io_uring_sqe *sqe)
{
	io_uring_prep_nop(sqe);
	sqe->flags |= IOSQE_FIXED_FILE;
}

static void prep_open(struct io_uring_sqe *sqe)
{
	io_uring_prep_openat(sqe, AT_FDCWD, "/etc/passwd", O_RDONLY, 0);
	sqe->flags |= IOSQE_FIXED_FILE;
}

static void prep_socket(struct io_uring_sqe *sqe)
{
	io_uring_prep_rw(IORING_OP_SOCKET, sqe, 1, NULL, 0, 1);
	sqe->flags |= IOSQE_FIXED_FILE;
}

static void prep_other_file(struct io_uring_sqe *sqe)
{
	io_uring_prep_readv(sqe, RF_FD_LIMITS, &vec, 1, 0);
}

static void prep_image_as_descriptor(struct io_uring_sqe *sqe)
{
	io_uring_prep_readv(sqe, RF_FD_BACKING, &vec, 1, 0);
}

static void prep_linked(struct io_uring_sqe *sqe)
{
	io_uring_prep_readv(sqe, FILE_INDEX, &vec, 1, 0);
	sqe->flags |= IOSQE_FIXED_FILE | IOSQE_ASYNC;
}

static void prep_update_files(struct io_uring_sqe *sqe)
{
	static int fds[1] = { RF_FD_LIMITS };

	io_uring_prep_files_update(sqe, fds, 1, 0);
	sqe->flags |= IOSQE_FIXED_FILE;
}

static void prep_cancel(struct io_uring_sqe *sqe)
{
	io_uring_prep_cancel64(sqe, 1, 0);
	sqe->flags |= IOSQE_FIXED_FILE;
}

static void prep_no_such_index(struct io_uring_sqe *sqe)
{
	io_uring_prep_readv(sqe, 2, &vec, 1, 0);
	sqe->flags |= IOSQE_FIXED_FILE;
}

static void prep_write_lifeline(struct io_uring_sqe *sqe)
{
	io_uring_prep_writev(sqe, 1, &vec, 1, 0);
	sqe->flags |= IOSQE_FIXED_FILE;
}

static void prep_punch_lifeline(struct io_uring_sqe *sqe)
{
	io_uring_prep_fallocate(sqe, 1, 0, 0, 4096);
	sqe->flags |= IOSQE_FIXED_FILE;
}

static void prep_read(struct io_uring_sqe *sqe)
{
	io_uring_prep_readv(sqe, FILE_INDEX, &vec, 1, 0);
	sqe->flags |= IOSQE_FIXED_FILE;
}

static void prep_write(struct io_uring_sqe *sqe)
{
	io_uring_prep_writev(sqe, FILE_INDEX, &vec, 1, 0);
	sqe->flags |= IOSQE_FIXED_FILE;
}

static void prep_fsync(struct io_uring_sqe *sqe)
{
	io_uring_prep_fsync(sqe, FILE_INDEX, IORING_FSYNC_DATASYNC);
	sqe->flags |= IOSQE_FIXED_FILE;
}

static void prep_punch(struct io_uring_sqe *sqe)
{
	io_uring_prep_fallocate(sqe, FILE_INDEX,
				FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
				4096);
	sqe->flags |= IOSQE_FIXED_FILE;
}

static const struct {
	const char *name;
	void (*prep)(struct io_uring_sqe *sqe);
	int want;
} entries[] = {
	{ "nop", prep_nop, -EACCES },
	{ "open", prep_open, -EACCES },
	{ "socket", prep_socket, -EACCES },
	{ "another file", prep_other_file, -EACCES },
	{ "the image's descriptor", prep_image_as_descriptor, -EACCES },
	{ "another flag", prep_linked, -EACCES },
	{ "another fixed file", prep_update_files, -EACCES },
	{ "cancel", prep_cancel, -EACCES },
	{ "an index that is none", prep_no_such_index, -EBADF },
	{ "a byte for the launcher", prep_write_lifeline, -EBADF },
	{ "room for some", prep_punch_lifeline, -EBADF },
	{ "read", prep_read, 4096 },
	{ "write", prep_write, 4096 },
	{ "flush", prep_fsync, 0 },
	{ "hole", prep_punch, 0 },
};

static void seal(void)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    rf_policy_load(&rf_policy_blk_uring))
		_exit(99);
}

/* In a process of its own, and the wait status of that. The ring belongs to
 * the task that enabled it, so it is made there. */
static int in_child(void (*act)(int), int arg)
{
	pid_t pid;
	int status;

	(void)fflush(stdout);
	ck_assert_int_eq(pipe2(lifeline, O_CLOEXEC), 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		set_up();
		seal();
		act(arg);
		_exit(0);
	}
	close(lifeline[0]);
	close(lifeline[1]);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	return status;
}

static void try_entry(int i)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&u.ring);

	if (!sqe)
		_exit(98);
	entries[i].prep(sqe);
	_exit(result_of() == entries[i].want ? 0 : 1);
}

START_TEST(the_ring_does_its_four_operations_on_its_one_file)
{
	int i, status;

	for (i = 0; i < (int)RF_ARRAY_LEN(entries); i++) {
		status = in_child(try_entry, i);
		ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0,
			      "%s: 0x%x", entries[i].name, (unsigned)status);
	}
}
END_TEST

/* That a request under way holds it as well takes a disk that hangs:
 * tests/process/test_hung_disk.c. */
START_TEST(the_ring_keeps_the_lifeline_until_its_end)
{
	struct pollfd line;
	pid_t pid;
	int status;

	ck_assert_int_eq(pipe2(lifeline, O_CLOEXEC), 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		set_up();
		seal();
		/* No call that the filter lets pass closes it. */
		for (;;)
			(void)rf_clock_ns();
	}
	rf_fd_close(&lifeline[0]);
	line = (struct pollfd){ .fd = lifeline[1] };
	ck_assert_int_eq(poll(&line, 1, 300), 0);
	ck_assert_int_eq(kill(pid, SIGKILL), 0);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	ck_assert_int_eq(poll(&line, 1, 20000), 1);
	ck_assert_int_eq(line.revents, POLLERR);
}
END_TEST

/* 0 bytes without waiting: on some kernels that only means that it would have
 * had to wait. */
static void read_behind_the_end(int nobody)
{
	static struct blk blk;
	struct blk_request rq = {
		.step = BLK_READ,
		.step_iov = &vec,
		.step_nr_iov = 1,
		.step_start = 1 << 20,
		.step_bytes = sizeof(page),
	};

	(void)nobody;
	/* Where the file system cannot say, 0 is the end. */
	if (start(&blk, &rq) != BLK_UNDER_WAY)
		_exit(u.read_plain ? 0 : 1);
	_exit(result_of() == 0 ? 0 : 2);
}

START_TEST(nothing_read_at_once_is_asked_of_the_ring)
{
	int status = in_child(read_behind_the_end, 0);

	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}
END_TEST

#ifndef RF_SANITIZED
static void try_register(int opcode)
{
	int fd = RF_FD_LIMITS;

	(void)syscall(SYS_io_uring_register, RF_FD_URING, opcode, &fd, 1);
}

static void try_setup(int entries_wanted)
{
	struct io_uring_params params = { .flags = 0 };

	(void)syscall(SYS_io_uring_setup, entries_wanted, &params);
}

START_TEST(nothing_is_registered_and_no_ring_is_made_any_more)
{
	static const int opcodes[] = { IORING_REGISTER_FILES_UPDATE,
				       IORING_REGISTER_BUFFERS,
				       IORING_UNREGISTER_FILES,
				       IORING_REGISTER_RESTRICTIONS };
	int i, status;

	for (i = 0; i < (int)RF_ARRAY_LEN(opcodes); i++) {
		status = in_child(try_register, opcodes[i]);
		ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
	}
	status = in_child(try_setup, 1);
	ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
}
END_TEST
#endif

/* Even without the filter: the kernel's own restriction of the ring. */
START_TEST(the_kernel_registers_nothing_more_by_itself)
{
	int fd = RF_FD_LIMITS;
	int status;
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		set_up();
		_exit(syscall(SYS_io_uring_register, RF_FD_URING,
			      IORING_REGISTER_BUFFERS, &fd, 1) < 0 &&
				      errno == EACCES
			      ? 0
			      : 1);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
}
END_TEST

static const char *why_not(void)
{
	struct io_uring_params params = { .flags = IORING_SETUP_R_DISABLED };
	long fd = syscall(SYS_io_uring_setup, 1, &params);

	if (fd < 0)
		return "no io_uring here";
	close((int)fd);
	return NULL;
}

static bool is_read_by_mapping(struct blk *blk)
{
	struct blk_request read = { .step = BLK_READ,
				    .step_iov = &vec,
				    .step_nr_iov = 1,
				    .step_bytes = sizeof(page) };
	const uint64_t before = atomic_load(&blk->report->mapped_reads);

	blk_map_found(&read);
	ck_assert_int_eq(start(blk, &read), sizeof(page));
	return atomic_load(&blk->report->mapped_reads) != before;
}

/* A page fault waits for a discard that is under way, a call does not. */
START_TEST(no_mapping_is_read_while_holes_are_punched)
{
	const struct blk_image image = { .nr_sectors = 2048 };
	struct rf_report report = { .mapped_reads = 0 };
	struct blk blk = { .report = &report };
	struct blk_request punch = { .step = BLK_PUNCH,
				     .step_start = 8192,
				     .step_bytes = 4096 };

	set_up();
	ck_assert_int_eq(pwrite(RF_FD_BACKING, page, sizeof(page), 0),
			 sizeof(page));
	ck_assert_int_eq(blk_map_init(&image, 1024), 0);
	ck_assert(is_read_by_mapping(&blk));
	ck_assert_int_eq(start(&blk, &punch), BLK_UNDER_WAY);
	ck_assert(!is_read_by_mapping(&blk));
	/* The kernel had no memory for it: once more. */
	handle(&blk, &punch, -EAGAIN);
	ck_assert(!is_read_by_mapping(&blk));
	handle(&blk, &punch, 0);
	ck_assert_uint_eq(nr_continued, 1);
	ck_assert(is_read_by_mapping(&blk));
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		the_ring_does_its_four_operations_on_its_one_file,
		nothing_read_at_once_is_asked_of_the_ring,
		the_ring_keeps_the_lifeline_until_its_end,
#ifndef RF_SANITIZED
		nothing_is_registered_and_no_ring_is_made_any_more,
#endif
		the_kernel_registers_nothing_more_by_itself,
		no_mapping_is_read_while_holes_are_punched,
	};
	const char *why = why_not();

	if (why)
		return unit_skip("blk_uring", why);
	return unit_run("blk_uring", tests, RF_ARRAY_LEN(tests));
}
