/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * device.h - make a device process out of a struct rf_device_ops
 *
 * Side: device. A device's main() is, in order:
 *   rf_fence_enter()    cross; first filter
 *   rf_device_new()     epoll, socket, tables; allocates all it ever will
 *   rf_device_run()     vhost-user until SEAL, then serve; returns at the end
 *   rf_device_free()
 * One thread does everything.
 */
#ifndef RINGFENCE_DEVICE_H
#define RINGFENCE_DEVICE_H

#include <sys/uio.h>

#include <ringfence/base.h>
#include <ringfence/policy.h>
#include <ringfence/report.h>

struct rf_device;
struct rf_virtqueue;

/* One request as the driver made it: descriptors of a chain, translated. The
 * memory behind the iovecs is the guest's and changes under us: copy what must
 * be judged. Driver-readable elements come first (virtio 1.2, 2.7.4.2). */
#define RF_CHAIN_IOV_MAX 1024u

struct rf_chain {
	uint16_t head;
	uint32_t nr_readable; /* iov[0 .. nr_readable) */
	uint32_t nr_writable; /* iov[nr_readable .. +nr_writable) */
	uint64_t readable_bytes;
	uint64_t writable_bytes;
	struct iovec *iov; /* borrowed until the next pop */
};

/* Next available chain. Only within ops->queue. -EAGAIN: none for now, or this
 * pass has had its share of chains; the runtime asks the driver to notify before
 * it sleeps and looks once more after that, so that none is missed. -EPROTO: the
 * driver lied; the queue is broken until reset, and `chain` is undefined. */
RF_MUST_CHECK int rf_virtqueue_pop(struct rf_virtqueue *vq,
				   struct rf_chain *chain);

/* Give a chain back with the bytes that were written into it, counted from the
 * first writable one on without a gap (virtio 1.2, 2.7.8.2). From any callback,
 * in any order; where IN_ORDER was negotiated the runtime holds it back until
 * those before it are there. The runtime decides on interrupts at the end of
 * the pass; how many chains of a queue a pass takes, 4 or 16, it finds out by
 * what gets more done. */
void rf_virtqueue_push(struct rf_virtqueue *vq, uint16_t head,
		       uint32_t written_bytes);

uint16_t rf_virtqueue_index(const struct rf_virtqueue *vq);

/* Copy between a chain's iovecs and a flat buffer, `offset` bytes in, the
 * readable and the writable part each counted from 0. Returns bytes copied,
 * fewer than asked where the chain ends. */
size_t rf_chain_read(const struct rf_chain *chain, size_t offset, void *buf,
		     size_t len);
size_t rf_chain_write(const struct rf_chain *chain, size_t offset,
		      const void *buf, size_t len);

/* Part of an iovec array as another one: [offset, offset + len) of `iov`.
 * Returns the number of elements, -ERANGE if it reaches beyond the end,
 * -ENOSPC if `out` is too short. */
RF_MUST_CHECK int rf_iov_slice(const struct iovec *iov, uint32_t nr,
			       uint64_t offset, uint64_t len, struct iovec *out,
			       uint32_t out_max);

/* What a device type is. Every callback runs on the one thread, inside
 * rf_device_run(). A pass of the loop is, in this order: messages, the ring,
 * `complete` if there is something, `queue` for each queue that was rung,
 * `submit`, and then the interrupts that are due.
 *
 * A device that is done with a request before `queue` returns needs `queue`
 * alone. One with requests under way has submit, has_completions, complete,
 * quiesce and event_fd as well, all of them. */
struct rf_device_ops {
	const char *name;   /* "rf-blk" */
	uint32_t virtio_id; /* virtio 1.2, 5 */
	uint16_t nr_queues;
	uint16_t queue_size_max; /* power of two */
	uint64_t features;	 /* offered, beside what the runtime adds:
				 * VERSION_1, EVENT_IDX, INDIRECT_DESC,
				 * RING_PACKED, IN_ORDER, NOTIFICATION_DATA,
				 * RING_RESET */
	uint32_t config_bytes;

	/* Config space; offset and len are within config_bytes. */
	void (*config_read)(void *state, uint32_t offset, void *buf,
			    uint32_t len);
	/* NULL: the driver may write nothing. -EPROTO: refused. */
	int (*config_write)(void *state, uint32_t offset, const void *buf,
			    uint32_t len);

	/* The driver settled on these. */
	void (*set_features)(void *state, uint64_t features);

	/* Take what waits in the queue, until pop says -EAGAIN or the device
	 * wants no more for now (rf_device_ring() when it does); then 0.
	 * Whatever is popped is pushed, now or from a later callback, in any
	 * order. -EPROTO: the guest lied; the runtime sets DEVICE_NEEDS_RESET
	 * and keeps away from the queues until the reset. */
	int (*queue)(void *state, struct rf_virtqueue *vq);

	/* End of a pass: send off what `queue` has gathered. */
	void (*submit)(void *state);

	/* Memory only, no system call: is something done? Asked all the time
	 * while the loop polls. */
	bool (*has_completions)(void *state);

	/* Push what is done. event_fd was readable, or has_completions said
	 * so. */
	void (*complete)(void *state);

	/* Return when nothing is under way any more and all of it is pushed:
	 * a queue is about to stop, or memory to change. */
	void (*quiesce)(void *state);

	int event_fd; /* readable when `complete` has work; level-triggered;
		       * looked at only if has_completions is set */

	/* Back to the state after new; nothing is under way. May be NULL. */
	void (*reset)(void *state);

	/* The time set by rf_device_timer passed. May be NULL. */
	void (*timer)(void *state);

	/* Loaded at SEAL; NULL: SEAL is not offered. */
	const struct rf_policy *sealed;
};

struct rf_device_params {
	const struct rf_device_ops *ops;
	void *state;		  /* passed back to every op; borrowed */
	int sock;		  /* RF_FD_CONTROL; borrowed */
	struct rf_report *report; /* may be NULL */
	bool allow_unsealed;	  /* take memory that could shrink under us */
	/* Features of the runtime's own that are not offered, for drivers that
	 * are better without; VERSION_1 is always. */
	uint64_t without;
	/* Before sleeping, look at ring and queues for so long:
	 * RF_DEVICE_POLL_AUTO learns it, and whether more gets done by looking
	 * at all; 0 never polls, anything else is pinned. Microseconds. */
	uint32_t poll_us;
};
#define RF_DEVICE_POLL_AUTO UINT32_MAX
#define RF_DEVICE_POLL_MAX_US 1000000u

/* One mapping of memory, and epoll at its place (enum rf_fd_place; what was open
 * there is closed); nothing is made later on. -EINVAL: ops are not such a device; -errno: the kernel refused. */
RF_MUST_CHECK int rf_device_new(const struct rf_device_params *params,
				struct rf_device **out);
void rf_device_free(struct rf_device *dev);

/* Serve until the front-end closes: then 0. -EPROTO: the front-end lied, and a
 * line said how; leave. A sealed process must not free what it has: it may not
 * unmap, and its end frees all of it. */
RF_MUST_CHECK int rf_device_run(struct rf_device *dev);

/* Call ops->timer once, at least `ns` from now, rounded up to milliseconds (0
 * disarms). A new time replaces the old one. */
void rf_device_timer(struct rf_device *dev, uint64_t ns);

/* Call ops->queue for this queue in the next pass, whether the driver rings or
 * not. */
void rf_device_ring(struct rf_device *dev, uint16_t queue);

#endif
