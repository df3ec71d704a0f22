/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * engine_uring.c - what cannot block is done at once, what could on a ring
 *
 * Side:    device. The ring is made in main() before the fence, while nothing
 *          from outside was read yet; no filter of ours lets a process make or
 *          change one. It starts disabled, learns which four operations it may
 *          ever be asked for, and that on its fixed files, and is enabled: the
 *          image, and the end for reading of a pipe that stays empty, whose
 *          closing tells the launcher that the ring's last request is over
 *          (src/launcher/supervise.c). Whoever takes this process over finds a
 *          ring that can do to the image what the process may do anyhow, and
 *          nothing else.
 * Owns:    the io_uring at RF_FD_URING.
 * Callers: main.c; request.c and sync.c through the table of engines; the
 *          runtime.
 * Never:   registers anything once it is enabled; has more under way than the
 *          completion queue holds.
 *
 * Measured, single-threaded, 4 KiB in the page cache: pread 1.5-2 us, pwrite
 * 2-2.5 us; the same read on a ring in batches of 32 1.7 us, but the write 5.8
 * us, for it is handed to another thread. So the ring is for what would block:
 *
 *   reads, page cache     what was there before, from a mapping (map.c); else
 *                         preadv2(RWF_NOWAIT); what is not there, on the ring
 *   writes, page cache    pwritev2(RWF_NOWAIT) where the file system knows
 *                         that; else plain, with an eye on the clock: after one
 *                         that blocked (dirty pages are throttled, the disk is
 *                         behind) all go to the ring for a while
 *   O_DIRECT              on the ring, a pass at a time
 *   flush, holes, zeroes  on the ring
 *
 * Needs (sealed): io_uring_enter(RF_FD_URING), preadv2(RF_FD_BACKING),
 *   pwritev2(RF_FD_BACKING), clock_gettime where the vdso does not do.
 */
#include <errno.h>
#include <liburing.h>
#include <linux/falloc.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "blk.h"

/* Twice as many completions: all slots and a flush have room. */
#define ENTRIES BLK_SLOTS
/* Workers that the kernel may start for us, of either kind. */
#define WORKERS_MAX 8u

/* A call that takes so long has waited for a disk, and for so long after it
 * the ring is used. The scheduler takes less from us at a time. */
#define BLOCKED_NS UINT64_C(5000000)
#define AVOID_NS UINT64_C(50000000)

/* The one fixed file that is used. The kernel closes the table of them when no
 * request is under way any more, the lifeline with it. */
#define FILE_INDEX 0

static struct {
	struct io_uring ring;
	bool direct;
	/* The file system does not know RWF_NOWAIT. */
	bool read_plain;
	bool write_plain;
	uint64_t avoid_until_ns;
	uint32_t nr_queued;    /* in the ring, the kernel not told yet */
	uint32_t nr_under_way; /* with the queued ones */
	uint32_t nr_extents;   /* of them, those that punch or zero */
} u;

/* Best first: no interrupt of this thread for a completion that it will see
 * when it next looks, and no locks against other threads. Kernels before 6.0
 * and 5.19 know less. (Not DEFER_TASKRUN: completions that wait for us to ask do
 * not make the ring readable, and epoll would sleep on.) */
static const unsigned setup_flags[] = {
	IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_COOP_TASKRUN |
		IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_SUBMIT_ALL,
	IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG |
		IORING_SETUP_SUBMIT_ALL,
	0,
};

static int make_ring(void)
{
	int err = -EINVAL;
	size_t i;

	for (i = 0; i < RF_ARRAY_LEN(setup_flags) && err == -EINVAL; i++)
		err = io_uring_queue_init(ENTRIES, &u.ring,
					  setup_flags[i] |
						  IORING_SETUP_R_DISABLED);
	return err;
}

/* liburing 2.3 as a shared library lacks two of these. */
static int tell_ring(unsigned opcode, const void *arg, unsigned nr)
{
	return syscall(SYS_io_uring_register, u.ring.ring_fd, opcode, arg, nr) <
			       0
		       ? -errno
		       : 0;
}

static int restrict_ring(void)
{
	const struct io_uring_restriction only[] = {
		{ .opcode = IORING_RESTRICTION_SQE_OP,
		  .sqe_op = IORING_OP_READV },
		{ .opcode = IORING_RESTRICTION_SQE_OP,
		  .sqe_op = IORING_OP_WRITEV },
		{ .opcode = IORING_RESTRICTION_SQE_OP,
		  .sqe_op = IORING_OP_FSYNC },
		{ .opcode = IORING_RESTRICTION_SQE_OP,
		  .sqe_op = IORING_OP_FALLOCATE },
		/* Allowed and required: this flag and no other. */
		{ .opcode = IORING_RESTRICTION_SQE_FLAGS_ALLOWED,
		  .sqe_flags = IOSQE_FIXED_FILE },
		{ .opcode = IORING_RESTRICTION_SQE_FLAGS_REQUIRED,
		  .sqe_flags = IOSQE_FIXED_FILE },
	};

	return tell_ring(IORING_REGISTER_RESTRICTIONS, only,
			 RF_ARRAY_LEN(only));
}

static int equip_ring(int lifeline)
{
	/* Gets the old values. */
	unsigned workers[2] = { WORKERS_MAX, WORKERS_MAX };
	const int files[] = { RF_FD_BACKING, lifeline };
	int err = tell_ring(IORING_REGISTER_FILES, files, lifeline < 0 ? 1 : 2);

	if (err)
		return err;
	/* Kernels before 5.15 have no such bound: theirs is RLIMIT_NPROC. */
	err = tell_ring(IORING_REGISTER_IOWQ_MAX_WORKERS, workers, 2);
	if (err && err != -EINVAL)
		return err;
	err = restrict_ring();
	if (err)
		return err;
	return tell_ring(IORING_REGISTER_ENABLE_RINGS, NULL, 0);
}

int blk_uring_init(bool direct, int lifeline)
{
	int err = make_ring();

	if (err)
		return err;
	err = equip_ring(lifeline);
	if (err) {
		io_uring_queue_exit(&u.ring);
		return err;
	}
	err = rf_fd_move(u.ring.ring_fd, RF_FD_URING);
	if (err)
		return err;
	u.ring.ring_fd = RF_FD_URING;
	u.ring.enter_ring_fd = RF_FD_URING;
	u.direct = direct;
	return 0;
}

/* Nothing can be promised any more about what is under way, and to answer
 * would be a lie about the disk. */
static _Noreturn void give_up(int err)
{
	rf_log("io_uring_enter failed (%d)", err);
	_exit(1);
}

/* Tell the kernel what is queued. A kernel short of memory is asked again: what
 * is queued was taken from the driver and has no other way. */
static void tell_kernel(void)
{
	while (u.nr_queued > 0) {
		int n = io_uring_submit(&u.ring);

		if (n < 0 && n != -EINTR && n != -EAGAIN && n != -EBUSY)
			give_up(n);
		if (n > 0)
			u.nr_queued -= (uint32_t)n < u.nr_queued ? (uint32_t)n
								 : u.nr_queued;
	}
}

static struct io_uring_sqe *get_entry(void)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&u.ring);

	if (!sqe) {
		tell_kernel();
		sqe = io_uring_get_sqe(&u.ring);
	}
	if (!sqe)
		give_up(-EBUSY);
	u.nr_queued++;
	u.nr_under_way++;
	return sqe;
}

/* NULL is the flush: it belongs to no request. */
static int64_t mark(struct io_uring_sqe *sqe, struct blk_request *rq)
{
	sqe->flags |= IOSQE_FIXED_FILE;
	io_uring_sqe_set_data(sqe, rq);
	return BLK_UNDER_WAY;
}

static bool changes_extents(const struct blk_request *rq)
{
	return rq->step == BLK_PUNCH || rq->step == BLK_ZERO;
}

static int64_t queue_step(struct blk_request *rq)
{
	struct io_uring_sqe *sqe = get_entry();

	u.nr_extents += changes_extents(rq);
	switch (rq->step) {
	case BLK_READ:
		io_uring_prep_readv(sqe, FILE_INDEX, rq->step_iov,
				    rq->step_nr_iov, rq->step_start);
		break;
	case BLK_WRITE:
		io_uring_prep_writev(sqe, FILE_INDEX, rq->step_iov,
				     rq->step_nr_iov, rq->step_start);
		break;
	case BLK_PUNCH:
		io_uring_prep_fallocate(
			sqe, FILE_INDEX,
			FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			(off_t)rq->step_start, (off_t)rq->step_bytes);
		break;
	case BLK_ZERO:
		io_uring_prep_fallocate(
			sqe, FILE_INDEX,
			FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE,
			(off_t)rq->step_start, (off_t)rq->step_bytes);
		break;
	}
	return mark(sqe, rq);
}

static int64_t call(const struct blk_request *rq, int flags)
{
	off_t at = (off_t)rq->step_start;
	int nr = (int)rq->step_nr_iov;
	ssize_t n;

	if (rq->step == BLK_READ)
		n = preadv2(RF_FD_BACKING, rq->step_iov, nr, at, flags);
	else
		n = pwritev2(RF_FD_BACKING, rq->step_iov, nr, at, flags);
	return n < 0 ? -errno : n;
}

/* It may block, and nobody can say before: see what came of it. */
static int64_t call_watched(struct blk_request *rq)
{
	uint64_t before = rf_clock_ns();
	uint64_t after;
	int64_t n;

	if (before < u.avoid_until_ns)
		return queue_step(rq);
	n = call(rq, 0);
	after = rf_clock_ns();
	if (after - before > BLOCKED_NS)
		u.avoid_until_ns = after + AVOID_NS;
	return n;
}

static int64_t start(struct blk *blk, struct blk_request *rq)
{
	bool *is_plain = rq->step == BLK_READ ? &u.read_plain : &u.write_plain;
	int64_t n;

	if (u.direct || changes_extents(rq))
		return queue_step(rq);
	/* A page fault would wait until extents are what they will be. */
	if (rq->step == BLK_READ && u.nr_extents == 0 && blk_map_read(rq)) {
		RF_REPORT_COUNT(blk->report, mapped_reads, 1);
		return (int64_t)rq->step_bytes;
	}
	if (*is_plain)
		return call_watched(rq);
	n = call(rq, RWF_NOWAIT);
	/* Linux 5.9 and 5.10 also say 0 where they would have to wait; whether
	 * it is the end of the file the ring will tell. */
	if (n == -EAGAIN || n == 0)
		return queue_step(rq);
	if (rq->step == BLK_READ && n == (int64_t)rq->step_bytes)
		blk_map_found(rq);
	if (n != -EOPNOTSUPP)
		return n;
	*is_plain = true;
	return call_watched(rq);
}

static int64_t sync_image(struct blk *blk)
{
	struct io_uring_sqe *sqe = get_entry();

	(void)blk;
	io_uring_prep_fsync(sqe, FILE_INDEX, IORING_FSYNC_DATASYNC);
	return mark(sqe, NULL);
}

bool blk_uring_has_completions(void *state)
{
	unsigned flags = __atomic_load_n(u.ring.sq.kflags, __ATOMIC_RELAXED);

	(void)state;
	return io_uring_cq_ready(&u.ring) > 0 ||
	       flags & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW);
}

static void handle(struct blk *blk, struct blk_request *rq, int result)
{
	u.nr_under_way--;
	if (rq)
		u.nr_extents -= changes_extents(rq);
	if (rq && result == -EAGAIN)
		/* Not a word for the driver: the ring can wait. */
		(void)queue_step(rq);
	else if (rq)
		blk_request_continue(blk, rq, result);
	else
		blk_sync_done(blk, result);
}

static void take_completions(struct blk *blk)
{
	struct io_uring_cqe *cqe;

	/* Which asks the kernel if there is something only it can see. */
	while (io_uring_peek_cqe(&u.ring, &cqe) == 0) {
		struct blk_request *rq = io_uring_cqe_get_data(cqe);
		int result = cqe->res;

		/* First, for the next step may queue and tell. */
		io_uring_cqe_seen(&u.ring, cqe);
		handle(blk, rq, result);
	}
}

void blk_uring_complete(void *state)
{
	struct blk *blk = state;

	take_completions(blk);
	blk_queue_wake(blk);
}

void blk_uring_submit(void *state)
{
	struct blk *blk = state;

	blk_sync_submit(blk);
	tell_kernel();
}

static void drain(struct blk *blk)
{
	for (;;) {
		int n;

		blk_uring_submit(blk);
		if (u.nr_under_way == 0)
			return;
		n = io_uring_submit_and_wait(&u.ring, 1);
		if (n < 0 && n != -EINTR && n != -EAGAIN && n != -EBUSY)
			give_up(n);
		take_completions(blk);
	}
}

void blk_uring_quiesce(void *state)
{
	drain(state);
}

const struct blk_engine blk_engine_uring = {
	.name = "uring",
	.start = start,
	.sync = sync_image,
	.drain = drain,
};
