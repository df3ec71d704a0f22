/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * device.c - the life of a device: made, started, broken, reset, freed
 *
 * Side:    device, after rf_fence_enter().
 * Owns:    struct rf_device, one anonymous mapping made in rf_device_new():
 *          all the memory this process will ever have for itself.
 * Callers: main() of devices/; the other files of this room.
 * Never:   allocates later on, ends the process.
 *
 * A guest that lies breaks its device, not the process: the device shows
 * DEVICE_NEEDS_RESET in its status, rings the err eventfd of the queue, serves
 * nothing, and is as new after the reset (virtio 1.2, 2.1.2).
 *
 * Needs (until SEAL): mmap(PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS),
 *   munmap, epoll_create1(EPOLL_CLOEXEC), dup3, close, epoll_ctl.
 * Needs (sealed): write(96..127, 8), write(RF_FD_LOG).
 */
#include <errno.h>
#include <sys/epoll.h>
#include <sys/mman.h>

#include "device/runtime.h"

static bool is_valid_ops(const struct rf_device_ops *ops)
{
	uint16_t size = ops->queue_size_max;
	bool is_slow = ops->has_completions;

	return (bool)ops->submit == is_slow && (bool)ops->complete == is_slow &&
	       (bool)ops->quiesce == is_slow && ops->name && ops->queue &&
	       ops->nr_queues > 0 && ops->nr_queues <= RF_FD_PLACES &&
	       size > 0 && (size & (size - 1)) == 0 &&
	       ops->config_bytes <= RF_VHOST_USER_CONFIG_MAX &&
	       (ops->config_bytes == 0 || ops->config_read);
}

static int open_epoll(struct rf_device *dev)
{
	int err, fd = epoll_create1(EPOLL_CLOEXEC);

	if (fd < 0)
		return -errno;
	err = rf_fd_move(fd, RF_FD_EPOLL);
	if (err)
		return err;
	dev->has_epoll = true;
	return loop_watch(dev->sock, LOOP_CONTROL, false);
}

static size_t align_up(size_t bytes)
{
	return (bytes + 63) & ~(size_t)63;
}

static size_t iov_offset(void)
{
	return align_up(sizeof(struct rf_device));
}

static size_t slots_offset(const struct rf_device_ops *ops)
{
	return iov_offset() +
	       (size_t)ops->nr_queues * RF_CHAIN_IOV_MAX * sizeof(struct iovec);
}

static size_t map_bytes(const struct rf_device_ops *ops)
{
	return slots_offset(ops) + (size_t)ops->nr_queues *
					   ops->queue_size_max *
					   sizeof(struct virtqueue_slot);
}

static void init_queues(struct rf_device *dev)
{
	const struct rf_device_ops *ops = dev->ops;
	uint8_t *base = (uint8_t *)dev;
	struct iovec *iov = (void *)(base + iov_offset());
	struct virtqueue_slot *slots = (void *)(base + slots_offset(ops));
	uint16_t q;

	for (q = 0; q < ops->nr_queues; q++)
		virtqueue_init(&dev->vqs[q], q, &dev->mem,
			       &iov[(size_t)q * RF_CHAIN_IOV_MAX],
			       &slots[(size_t)q * ops->queue_size_max],
			       ops->queue_size_max);
}

/* What rf_device_free() takes apart again. */
static int open_all(struct rf_device *dev)
{
	int err = open_epoll(dev);

	if (!err && dev->ops->has_completions)
		err = loop_watch(dev->ops->event_fd, LOOP_COMPLETIONS, false);
	return err;
}

int rf_device_new(const struct rf_device_params *params, struct rf_device **out)
{
	const struct rf_device_ops *ops = params->ops;
	struct poll_state poll;
	struct rf_device *dev;
	int err;

	if (!is_valid_ops(ops) || poll_init(&poll, params->poll_us))
		return -EINVAL;
	/* Not malloc: the allocator would bring system calls of its own. */
	dev = mmap(NULL, map_bytes(ops), PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (dev == MAP_FAILED)
		return -errno;
	dev->map_bytes = map_bytes(ops);
	dev->ops = ops;
	dev->state = params->state;
	dev->sock = params->sock;
	dev->report = params->report;
	dev->allow_unsealed = params->allow_unsealed;
	dev->without = params->without;
	dev->poll = poll;
	init_queues(dev);
	err = open_all(dev);
	if (err) {
		rf_device_free(dev);
		return err;
	}
	*out = dev;
	return 0;
}

void rf_device_free(struct rf_device *dev)
{
	uint16_t q;

	if (!dev)
		return;
	for (q = 0; q < dev->ops->nr_queues; q++) {
		const struct runtime_queue *rq = &dev->queues[q];

		if (rq->has_kick)
			rf_fd_close(&(int){ RF_FD_KICKS + q });
		if (rq->has_call)
			rf_fd_close(&(int){ RF_FD_CALLS + q });
		if (rq->has_err)
			rf_fd_close(&(int){ RF_FD_ERRS + q });
	}
	if (dev->has_epoll)
		rf_fd_close(&(int){ RF_FD_EPOLL });
	bells_clear(dev);
	guestmem_clear(&dev->mem);
	munmap(dev, dev->map_bytes);
}

int rf_device_run(struct rf_device *dev)
{
	return loop_run(dev);
}

void device_break(struct rf_device *dev, uint16_t queue)
{
	if (dev->broken)
		return;
	/* What was asked for before the lie is answered. */
	pass_quiesce(dev);
	/* The bit first: whoever the eventfd wakes asks for the status. */
	dev->broken = true;
	dev->pending = 0;
	RF_REPORT_COUNT(dev->report, resets, 1);
	if (dev->queues[queue].has_err &&
	    rf_eventfd_signal(RF_FD_ERRS + queue) < 0)
		rf_log("queue %u: err eventfd does not take a write", queue);
}

void device_reset(struct rf_device *dev)
{
	uint16_t q;

	bells_flush(dev);
	pass_quiesce(dev);
	for (q = 0; q < dev->ops->nr_queues; q++) {
		struct runtime_queue *rq = &dev->queues[q];

		(void)virtqueue_stop(&dev->vqs[q]);
		*rq = (struct runtime_queue){
			.has_kick = rq->has_kick,
			.has_call = rq->has_call,
			.has_err = rq->has_err,
		};
	}
	dev->features = 0;
	dev->status = 0;
	dev->broken = false;
	dev->pending = 0;
	bells_reset(dev);
	rf_log_refill();
	if (dev->ops->reset)
		dev->ops->reset(dev->state);
}

int device_start_queue(struct rf_device *dev, uint16_t queue)
{
	struct runtime_queue *rq = &dev->queues[queue];
	struct rf_virtqueue *vq = &dev->vqs[queue];
	int err;

	/* Without bit 30 nobody will ever send SET_VRING_ENABLE. */
	if (!rq->enabled && (dev->features & RUNTIME_F_PROTOCOL))
		return 0;
	if (vq->running || !rq->has_num || !rq->has_addr ||
	    !(rq->has_kick || dev->bells.page))
		return 0;
	if (!(dev->features & RUNTIME_F_VERSION_1))
		return -EINVAL;
	err = virtqueue_start(vq, &rq->layout, rq->base, dev->features);
	if (err)
		return err;
	/* Whatever was rung before now is found by looking once. */
	pass_ring(dev, UINT32_C(1) << queue);
	return 0;
}

void device_stop_queue(struct rf_device *dev, uint16_t queue)
{
	struct rf_virtqueue *vq = &dev->vqs[queue];

	if (!vq->running)
		return;
	bells_flush(dev);
	pass_quiesce(dev);
	dev->queues[queue].base = virtqueue_stop(vq);
}
