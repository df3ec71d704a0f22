/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * main.c - ringfence-blk: one disk image as a virtio block device
 *
 * Side:    device. Believes neither guest nor front-end.
 * Owns:    the image at RF_FD_BACKING, a regular file or a block device.
 * Callers: started by the launcher, inside a fence; see <ringfence/fence.h>.
 *          With --socket it is a launcher of its own, alone.c.
 * Never:   reads a byte from outside before the fence.
 *
 * Needs: RF_FD_LOG, RF_FD_CONTROL, RF_FD_REPORT (until mapped), RF_FD_BACKING,
 *   RF_FD_LIMITS (until mapped, before the fence), RF_FD_LIFELINE (the same,
 *   and then only RF_FD_URING's); makes RF_FD_URING.
 * Needs (until SEAL): the runtime's.
 * Needs (sealed), beside the runtime's, with --io sync:
 *   preadv2, pwritev2, fdatasync, fallocate(RF_FD_BACKING)  engine_sync.c
 *   or with --io uring:
 *   io_uring_enter(RF_FD_URING)                             engine_uring.c
 *   preadv2, pwritev2(RF_FD_BACKING)                        engine_uring.c
 *   and both: write(RF_FD_LOG), exit_group.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "alone.h"
#include "blk.h"
#include "options.h"

static const struct rf_device_ops blk_ops = {
	.name = "rf-blk",
	.virtio_id = VIRTIO_ID_BLOCK,
	.queue_size_max = BLK_QUEUE_SIZE,
	.config_bytes = CONFIG_BYTES,
	.config_read = blk_config_read,
	.config_write = blk_config_write,
	.set_features = blk_set_features,
	.queue = blk_queue,
	.reset = blk_reset,
	.timer = blk_timer,
	.event_fd = -1,
	.sealed = &rf_policy_blk_sealed,
};

static void use_uring(struct rf_device_ops *ops)
{
	ops->submit = blk_uring_submit;
	ops->has_completions = blk_uring_has_completions;
	ops->complete = blk_uring_complete;
	ops->quiesce = blk_uring_quiesce;
	ops->event_fd = RF_FD_URING;
	ops->sealed = &rf_policy_blk_uring;
}

/* Past the page cache there is nothing to gain, and only this engine asks what
 * is in it. */
static void map_image(const struct blk *blk, uint32_t mib)
{
	int err = blk->image.is_direct ? 0 : blk_map_init(&blk->image, mib);

	if (err)
		rf_log("image: cannot be mapped (%d): each read is a system "
		       "call",
		       err);
}

static int choose_engine(struct blk *blk, const struct blk_options *o)
{
	/* A launcher gives us one, who starts us alone does not. */
	int lifeline = fcntl(RF_FD_LIFELINE, F_GETFD) < 0 ? -1 : RF_FD_LIFELINE;
	int err = -ENOTSUP;

	blk->engine = &blk_engine_sync;
	if (o->io == BLK_IO_SYNC)
		return 0;
	err = blk_uring_init(blk->image.is_direct, lifeline);
	if (!err) {
		blk->engine = &blk_engine_uring;
		map_image(blk, o->map_mib);
		return 0;
	}
	if (o->io == BLK_IO_URING) {
		rf_log("io_uring: not to be had here (%d)", err);
		return err;
	}
	rf_log("io_uring: not to be had here (%d): each request is a system "
	       "call",
	       err);
	return 0;
}

/* All that needs calls which no filter has a line for. */
static int prepare(struct blk *blk, const struct blk_options *o)
{
	int err = blk_image_measure(&blk->image, o->read_only, o->direct);

	if (!err && o->has_limits) {
		err = rf_limits_map(RF_FD_LIMITS, &blk->limits);
		if (err)
			rf_log("page of limits: cannot be mapped (%d)", err);
	}
	if (!err)
		err = choose_engine(blk, o);
	if (err)
		return err;
	blk->nr_queues = o->nr_queues;
	memcpy(blk->serial, o->serial, strlen(o->serial));
	blk_config_init(blk);
	return 0;
}

static void enter_fence(const struct blk *blk, const char *root)
{
	static const int keep[] = { RF_FD_LOG, RF_FD_CONTROL, RF_FD_REPORT,
				    RF_FD_BACKING, RF_FD_URING };
	struct rf_fence fence = {
		.root = root,
		.keep = keep,
		.nr_keep = RF_ARRAY_LEN(keep),
		.policy = &rf_policy_blk,
	};

	if (blk->engine != &blk_engine_uring)
		fence.nr_keep--;
	rf_fence_enter(&fence);
}

static int serve(struct blk *blk, const struct blk_options *o)
{
	struct rf_device_ops ops = blk_ops;
	struct rf_device_params params = {
		.ops = &ops,
		.state = blk,
		.sock = RF_FD_CONTROL,
		.report = blk->report,
		.allow_unsealed = o->allow_unsealed,
		.poll_us = o->poll_us,
		.without = o->without,
	};
	int err;

	ops.nr_queues = blk->nr_queues;
	ops.features = blk->offered & ~o->without;
	if (blk->engine == &blk_engine_uring)
		use_uring(&ops);
	err = rf_device_new(&params, &blk->dev);
	if (err)
		return err;
	/* Sealed, we may not unmap: the end of the process frees it all. */
	return rf_device_run(blk->dev);
}

static void check_options(int argc, char **argv)
{
	struct blk_options o;

	blk_options_parse(argc, argv, &o);
}

static _Noreturn void leave(int err)
{
	if (err)
		rf_log("ends (%d)", err);
	/* Not exit(): handlers and stdio belong to the time before SEAL. */
	_exit(err ? 1 : 0);
}

int main(int argc, char **argv)
{
	static struct blk blk;
	uint64_t main_ns = rf_clock_ns();
	struct blk_options o;
	int err;

	if (alone_is_wanted(argc, argv)) {
		rf_log_name("rf-blk", -1);
		return alone_main(argc, argv, check_options);
	}
	blk_options_parse(argc, argv, &o);
	rf_log_name("rf-blk", o.index);
	err = prepare(&blk, &o);
	if (err)
		leave(err);
	enter_fence(&blk, o.root);
	err = rf_report_map(RF_FD_REPORT, &blk.report);
	if (err) {
		rf_log("report page: cannot be mapped (%d)", err);
		leave(err);
	}
	RF_REPORT_SET(blk.report, main_ns, main_ns);
	RF_REPORT_SET(blk.report, fenced_ns, rf_clock_ns());
	leave(serve(&blk, &o));
}
