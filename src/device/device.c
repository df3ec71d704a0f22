/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * device.c - the life of a device: made, started, broken, reset, freed
 *
 * Side:    device, after rf_fence_enter().
 * Owns:    struct rf_device, one anonymous mapping made in rf_device_new():
 *          all the memory this process will ever have for itself.
 * Callers: main() of devices/; backend.c, bells.c and loop.c of this room.
 * Never:   allocates later on, ends the process.
 *
 * A guest that lies breaks its device, not the process: the device shows
 * DEVICE_NEEDS_RESET in its status, rings the err eventfd of the queue, serves
 * nothing, and is as new after the reset (virtio 1.2, 2.1.2).
 *
 * Needs (until SEAL): mmap(PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS),
 *   munmap, epoll_create1(EPOLL_CLOEXEC), dup3, close, epoll_ctl; with a timer:
 *   timerfd_create.
 * Needs (sealed): write(64..95, 8), write(96..127, 8), write(RF_FD_LOG); with
 *   a timer: timerfd_settime(RF_FD_TIMER).
 */
#include <errno.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/timerfd.h>
#include <time.h>

#include "device/runtime.h"

static bool is_valid_ops(const struct rf_device_ops *ops)
{
	uint16_t size = ops->queue_size_max;

	return ops->name && ops->queue && ops->nr_queues > 0 &&
	       ops->nr_queues <= RF_FD_PLACES && size > 0 &&
	       (size & (size - 1)) == 0 &&
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

static int open_timer(struct rf_device *dev)
{
	int err, fd;

	if (!dev->ops->timer)
		return 0;
	fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (fd < 0)
		return -errno;
	err = rf_fd_move(fd, RF_FD_TIMER);
	if (err)
		return err;
	dev->has_timer = true;
	return loop_watch(RF_FD_TIMER, LOOP_TIMER, false);
}

int rf_device_new(const struct rf_device_params *params, struct rf_device **out)
{
	const struct rf_device_ops *ops = params->ops;
	struct rf_device *dev;
	size_t bytes;
	uint16_t q;
	int err;

	if (!is_valid_ops(ops))
		return -EINVAL;
	bytes = sizeof(*dev) +
		(size_t)ops->nr_queues * RF_CHAIN_IOV_MAX * sizeof(dev->iov[0]);
	/* Not malloc: the allocator would bring system calls of its own. */
	dev = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (dev == MAP_FAILED)
		return -errno;
	dev->map_bytes = bytes;
	dev->ops = ops;
	dev->state = params->state;
	dev->sock = params->sock;
	dev->report = params->report;
	dev->allow_unsealed = params->allow_unsealed;
	for (q = 0; q < ops->nr_queues; q++)
		virtqueue_init(&dev->vqs[q], q, &dev->mem,
			       &dev->iov[(size_t)q * RF_CHAIN_IOV_MAX]);
	err = open_epoll(dev);
	if (!err)
		err = open_timer(dev);
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
	if (dev->has_timer)
		rf_fd_close(&(int){ RF_FD_TIMER });
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

int rf_device_timer(struct rf_device *dev, uint64_t ns)
{
	struct itimerspec when = {
		.it_value = { .tv_sec = (time_t)(ns / 1000000000u),
			      .tv_nsec = (long)(ns % 1000000000u) },
	};

	if (!dev->has_timer)
		return -EINVAL;
	if (timerfd_settime(RF_FD_TIMER, 0, &when, NULL) < 0)
		return -errno;
	return 0;
}

void device_ring(struct rf_device *dev, uint32_t mask)
{
	dev->pending |= mask;
}

void device_break(struct rf_device *dev, uint16_t queue)
{
	if (dev->broken)
		return;
	/* The bit first: whoever the eventfd wakes asks for the status. */
	dev->broken = true;
	dev->pending = 0;
	RF_REPORT_ADD(dev->report, resets, 1);
	if (dev->queues[queue].has_err &&
	    rf_eventfd_signal(RF_FD_ERRS + queue) < 0)
		rf_log("queue %u: err eventfd does not take a write", queue);
}

void device_reset(struct rf_device *dev)
{
	uint16_t q;

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
	err = virtqueue_start(vq, &rq->layout, rq->base,
			      dev->features & RUNTIME_F_EVENT_IDX,
			      dev->features & RUNTIME_F_INDIRECT_DESC);
	if (err)
		return err;
	/* Whatever was rung before now is found by looking once. */
	device_ring(dev, UINT32_C(1) << queue);
	return 0;
}

static void interrupt(struct rf_device *dev, uint16_t queue)
{
	static struct rf_log_limit limit;

	if (!dev->queues[queue].has_call)
		return;
	if (rf_eventfd_signal(RF_FD_CALLS + queue) < 0)
		rf_log_limited(&limit, 4,
			       "queue %u: call eventfd does not take a write",
			       queue);
	else
		RF_REPORT_ADD(dev->report, interrupts, 1);
}

static void serve_queue(struct rf_device *dev, uint16_t queue)
{
	static struct rf_log_limit limit;
	struct rf_virtqueue *vq = &dev->vqs[queue];
	int err;

	if (!vq->running || dev->broken)
		return;
	virtqueue_begin(vq);
	err = dev->ops->queue(dev->state, vq);
	RF_REPORT_ADD(dev->report, requests, vq->nr_served);
	/* Also for what was done before a lie. */
	if (virtqueue_end(vq))
		interrupt(dev, queue);
	if (err) {
		rf_log_limited(&limit, 4,
			       "queue %u: %s: device needs reset (%d)", queue,
			       vq->why ? vq->why : "refused by the device",
			       err);
		vq->broken = true;
		device_break(dev, queue);
	} else if (virtqueue_is_unfinished(vq)) {
		device_ring(dev, UINT32_C(1) << queue);
	}
}

void device_serve(struct rf_device *dev)
{
	uint32_t mask = dev->pending;
	uint16_t q;

	dev->pending = 0;
	for (q = 0; q < dev->ops->nr_queues; q++)
		if (mask & (UINT32_C(1) << q))
			serve_queue(dev, q);
}
