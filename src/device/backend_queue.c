/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * backend_queue.c - vhost-user messages about guest memory and queues
 *
 * Side:    device. The front-end is a vCPU process that a guest may own.
 * Owns:    struct runtime_queue: what the front-end said of each queue, and the
 *          descriptors at the places of kicks, calls and errs.
 * Callers: backend.c, through its table.
 * Never:   changes a queue that runs; keeps a descriptor of a message that it
 *          refused.
 *
 * A queue starts when its size, addresses and doorbell are known and it is
 * enabled. Our own front-end hands over all descriptors once, before SEAL, and
 * starts queues by SET_VRING_ENABLE; a stock one may instead send its kick
 * last. Both messages therefore try to start it.
 *
 * Needs (until SEAL): dup3, close, epoll_ctl(RF_FD_EPOLL, ADD and DEL), and what
 *   guestmem.c needs. Not the fcntl(F_SETFD) of rf_fd_move(): a message brings
 *   at most two descriptors that are kept, and they arrive at numbers which the
 *   fence left free and no place is.
 */
#include <errno.h>

#include "device/backend.h"

/* Queues that run must find their rings in the new memory, or stop. */
static void remap_queues(struct rf_device *dev)
{
	uint16_t q;

	for (q = 0; q < dev->ops->nr_queues; q++) {
		struct rf_virtqueue *vq = &dev->vqs[q];

		if (!vq->running)
			continue;
		if (virtqueue_remap(vq, &dev->queues[q].layout) == 0)
			continue;
		rf_log("queue %u: its rings are not in the new memory table",
		       q);
		(void)virtqueue_stop(vq);
		device_break(dev, q);
	}
}

int backend_set_mem_table(struct rf_device *dev, struct rf_vhost_user_msg *msg)
{
	const struct rf_vhost_user_mem_table *table = &msg->payload.mem;
	uint16_t q;
	int err;

	/* Requests under way hold addresses in the old mappings. */
	pass_quiesce(dev);
	for (q = 0; q < dev->ops->nr_queues; q++)
		if (dev->vqs[q].running && dev->vqs[q].nr_inflight > 0)
			return -EBUSY;
	err = guestmem_set_table(&dev->mem, table->regions, msg->fds,
				 table->nr_regions, dev->allow_unsealed);
	if (err == -EPERM)
		rf_log("memory could shrink under us: no F_SEAL_SHRINK "
		       "(--allow-unsealed-memory takes it)");
	if (!err)
		remap_queues(dev);
	return err;
}

/* Formats differ in which sizes and bases there are; a front-end that says them
 * before the features is told at the start (virtqueue.c). */
static bool is_packed(const struct rf_device *dev)
{
	return dev->features & VIRTQUEUE_F_RING_PACKED;
}

/* The queue a message speaks of, while nothing about it may change. */
static int find_idle_queue(struct rf_device *dev, uint32_t index,
			   struct runtime_queue **out)
{
	if (index >= dev->ops->nr_queues)
		return -EPROTO;
	if (dev->vqs[index].running)
		return -EBUSY;
	*out = &dev->queues[index];
	return 0;
}

int backend_queue_set_num(struct rf_device *dev, struct rf_vhost_user_msg *msg)
{
	uint32_t num = msg->payload.state.num;
	struct runtime_queue *rq;
	int err = find_idle_queue(dev, msg->payload.state.index, &rq);

	if (err)
		return err;
	if (num == 0 || num > dev->ops->queue_size_max ||
	    (!is_packed(dev) && (num & (num - 1)) != 0))
		return -EINVAL;
	rq->layout.size = (uint16_t)num;
	rq->has_num = true;
	return 0;
}

int backend_queue_set_addr(struct rf_device *dev, struct rf_vhost_user_msg *msg)
{
	const struct rf_vhost_user_vring_addr *addr = &msg->payload.addr;
	struct runtime_queue *rq;
	int err = find_idle_queue(dev, addr->index, &rq);

	if (err)
		return err;
	/* The one flag there is asks for a dirty log; none was offered. */
	if (addr->flags)
		return -EINVAL;
	rq->layout.desc_user_addr = addr->desc_user_addr;
	rq->layout.avail_user_addr = addr->avail_user_addr;
	rq->layout.used_user_addr = addr->used_user_addr;
	rq->has_addr = true;
	return 0;
}

int backend_queue_set_base(struct rf_device *dev, struct rf_vhost_user_msg *msg)
{
	struct runtime_queue *rq;
	int err = find_idle_queue(dev, msg->payload.state.index, &rq);

	if (err)
		return err;
	if (!is_packed(dev) && msg->payload.state.num > UINT16_MAX)
		return -EINVAL;
	rq->base = msg->payload.state.num;
	return 0;
}

int backend_queue_get_base(struct rf_device *dev, struct rf_vhost_user_msg *msg)
{
	uint32_t index = msg->payload.state.index;
	struct runtime_queue *rq;

	if (index >= dev->ops->nr_queues)
		return -EPROTO;
	rq = &dev->queues[index];
	device_stop_queue(dev, (uint16_t)index);
	/* Where the rings lie must be said anew, descriptors need not. */
	rq->has_addr = false;
	msg->payload.state.num = rq->base;
	msg->header.size = sizeof(msg->payload.state);
	return 0;
}

int backend_queue_set_enable(struct rf_device *dev,
			     struct rf_vhost_user_msg *msg)
{
	uint32_t index = msg->payload.state.index;
	struct runtime_queue *rq;

	if (index >= dev->ops->nr_queues)
		return -EPROTO;
	rq = &dev->queues[index];
	rq->enabled = msg->payload.state.num != 0;
	if (rq->enabled)
		return device_start_queue(dev, (uint16_t)index);
	device_stop_queue(dev, (uint16_t)index);
	return 0;
}

/* Put the descriptor of a message at its place, instead of the one there, if
 * any; *has follows. Without a descriptor (NOFD) the place becomes empty. */
static int place_fd(struct rf_vhost_user_msg *msg, int place, bool *has)
{
	int err;

	if (*has) {
		*has = false;
		rf_fd_close(&(int){ place });
	}
	if (msg->nr_fds == 0)
		return 0;
	err = rf_fd_move(rf_vhost_user_take_fd(msg, 0), place);
	*has = !err;
	return err;
}

/* The queue of a SET_VRING_KICK, _CALL or _ERR. */
static int find_fd_queue(struct rf_device *dev,
			 const struct rf_vhost_user_msg *msg, uint16_t *out)
{
	uint64_t index = msg->payload.u64 & VHOST_USER_VRING_IDX_MASK;

	if (index >= dev->ops->nr_queues)
		return -EPROTO;
	*out = (uint16_t)index;
	return 0;
}

int backend_queue_set_kick(struct rf_device *dev, struct rf_vhost_user_msg *msg)
{
	struct runtime_queue *rq;
	uint16_t q;
	int err = find_fd_queue(dev, msg, &q);

	if (err)
		return err;
	rq = &dev->queues[q];
	/* Without a kick the queue would have to be polled; only a ring makes
	 * that unnecessary. */
	if (msg->nr_fds == 0 && !dev->bells.page)
		return -ENOTSUP;
	if (rq->has_kick)
		loop_forget(RF_FD_KICKS + q);
	err = place_fd(msg, RF_FD_KICKS + q, &rq->has_kick);
	if (!err && rq->has_kick)
		err = loop_watch(RF_FD_KICKS + q, LOOP_KICKS + q, true);
	if (err) {
		rf_log("queue %u: kick cannot be used (%d)", q, err);
		return err;
	}
	return device_start_queue(dev, q);
}

int backend_queue_set_call(struct rf_device *dev, struct rf_vhost_user_msg *msg)
{
	uint16_t q;
	int err = find_fd_queue(dev, msg, &q);

	if (err)
		return err;
	err = place_fd(msg, RF_FD_CALLS + q, &dev->queues[q].has_call);
	/* An interrupt may have been due while there was nowhere to put it; one
	 * too many does no harm. */
	if (!err && dev->queues[q].has_call && dev->vqs[q].running)
		err = rf_eventfd_signal(RF_FD_CALLS + q);
	return err;
}

int backend_queue_set_err(struct rf_device *dev, struct rf_vhost_user_msg *msg)
{
	uint16_t q;
	int err = find_fd_queue(dev, msg, &q);

	if (err)
		return err;
	return place_fd(msg, RF_FD_ERRS + q, &dev->queues[q].has_err);
}
