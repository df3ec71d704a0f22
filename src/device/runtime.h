/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * runtime.h - the state of a device process, shared by the files of this room
 *
 *   device.c          makes it, breaks and resets the device
 *   pass.c            serves what there is: one round of the device's callbacks
 *   loop.c            waits and decides what is to be looked at
 *   poll.c            how long it is worth to look before sleeping
 *   trial.c           which of two ways gets more done
 *   bells.c           the ring of doorbell writes
 *   backend.c         vhost-user messages; backend_queue.c those of queues
 * One thread does everything; nothing is allocated after rf_device_new().
 */
#ifndef DEVICE_RUNTIME_H
#define DEVICE_RUNTIME_H

#include <ringfence/device.h>
#include <ringfence/fence.h>
#include <ringfence/log.h>
#include <ringfence/ring.h>

#include "device/guestmem.h"
#include "device/poll.h"
#include "device/virtqueue.h"

/* virtio 1.2, 6, beside those of virtqueue.h */
#define RUNTIME_F_VERSION_1 (UINT64_C(1) << 32)
#define RUNTIME_F_NOTIFICATION_DATA (UINT64_C(1) << 38)
#define RUNTIME_F_RING_RESET (UINT64_C(1) << 40)
#define RUNTIME_F_PROTOCOL (UINT64_C(1) << VHOST_USER_F_PROTOCOL_FEATURES)

/* virtio 1.2, 2.1 */
#define RUNTIME_STATUS_NEEDS_RESET 0x40u

/* What the front-end has said of a queue so far. */
struct runtime_queue {
	struct virtqueue_layout layout;
	uint32_t base;
	bool has_num;
	bool has_addr;
	bool enabled;
	/* Descriptors at their places; they outlive resets. */
	bool has_kick;
	bool has_call;
	bool has_err;
};

/* Out of work: since when, waiting for what, and did we give up looking? */
struct runtime_idle {
	bool is_idle;
	bool slept;
	uint64_t since_ns;
	enum poll_kind kind;
};

struct runtime_bells {
	struct rf_ring_page *page; /* NULL: no ring */
	struct rf_ring_consumer consumer;
	bool has_wake;
	bool broken;   /* an index was out of range: off until reset */
	bool flushing; /* see bells_flush() */
	uint64_t zone_gpa;
	uint32_t format;     /* enum vhost_user_ring_format */
	uint32_t rung;	     /* queues named, while draining */
	uint32_t nr_foreign; /* entries passed over, while draining */
};

struct rf_device {
	const struct rf_device_ops *ops;
	void *state;
	int sock;
	struct rf_report *report;
	bool allow_unsealed;
	uint64_t without; /* features not offered */

	struct guestmem mem;
	struct runtime_bells bells;

	/* vhost-user. */
	uint64_t features; /* acknowledged, bit 30 included */
	uint64_t protocol_features;
	uint8_t status; /* as the front-end wrote it */
	bool broken;	/* DEVICE_NEEDS_RESET */
	bool sealed;

	uint32_t pending;   /* queues to look at */
	uint64_t timer_ns;  /* when ops->timer is due; 0: not */
	uint64_t looked_ns; /* when epoll was asked last; 0: just now */
	struct runtime_idle idle;
	struct poll_state poll;
	struct trial share; /* of a queue in a pass; the other way: short */
	bool share_matters; /* a pass took as many as a short one may */
	uint64_t nr_served; /* requests, by all queues */
	bool has_epoll;

	size_t map_bytes; /* of this and what follows it */
	struct runtime_queue queues[RF_FD_PLACES];
	struct rf_virtqueue vqs[RF_FD_PLACES];
	/* Follow: RF_CHAIN_IOV_MAX iovecs a queue, queue_size_max slots a
	 * queue. Only what is used of it is ever touched. */
};

/* device.c */

/* The guest (or the other end of the ring) lied: DEVICE_NEEDS_RESET, and the
 * err eventfd of `queue` says so. The caller has logged why. */
void device_break(struct rf_device *dev, uint16_t queue);

/* Status 0 or RESET_DEVICE: forget queues and features; memory, ring and
 * descriptors stay. */
void device_reset(struct rf_device *dev);

/* Start a queue for which everything is there; 0 also if something is still
 * missing. -EINVAL: what is there cannot be. */
RF_MUST_CHECK int device_start_queue(struct rf_device *dev, uint16_t queue);

/* Stop it, if it runs, when nothing of it is under way any more; its base
 * follows. */
void device_stop_queue(struct rf_device *dev, uint16_t queue);

/* pass.c */

/* Name the queues in `pending` from now on. */
void pass_ring(struct rf_device *dev, uint32_t mask);

/* Memory only: is there something for a pass to do? Queues that have something
 * are in `pending` then. */
bool pass_has_work(struct rf_device *dev);

/* The ring, completions, the queues in `pending`, submit, interrupts. */
void pass_run(struct rf_device *dev);

/* There is work at `now`: may passes be long? */
void pass_tune(struct rf_device *dev, uint64_t now);

/* Wait until nothing is under way, and tell the driver of it. */
void pass_quiesce(struct rf_device *dev);

/* Interrupts that are due. */
void pass_interrupt(struct rf_device *dev);

/* bells.c */

/* Map a ring and listen to it. Both descriptors are taken, even on failure;
 * wake -1: the ring is polled itself. -EPERM: memory that could shrink;
 * -EINVAL: not a ring; -EBUSY: there is one already; -EPROTO: it is not empty
 * or its indices are out of range. */
RF_MUST_CHECK int bells_set(struct rf_device *dev, int ring, int wake,
			    const struct rf_vhost_user_ring *desc);
void bells_clear(struct rf_device *dev);

/* Take what is in the ring. */
void bells_drain(struct rf_device *dev);
/* Take it without believing what came with it: a queue is about to stop, and
 * an index told before that must not be used after its next start. */
void bells_flush(struct rf_device *dev);
bool bells_are_waiting(const struct rf_device *dev);

/* After a reset a ring that was broken is looked at again. */
void bells_reset(struct rf_device *dev);

/* loop.c */

/* Tags of what epoll watches; kicks are LOOP_KICKS + queue. */
enum {
	LOOP_CONTROL = 1,
	LOOP_RING = 2,
	LOOP_COMPLETIONS = 3,
	LOOP_KICKS = 32,
};

/* Watch `fd` (edge: EPOLLET, see loop.c), or no longer. */
RF_MUST_CHECK int loop_watch(int fd, uint32_t tag, bool edge);
void loop_forget(int fd);

/* Wait and serve until the front-end closes (0) or lies (-EPROTO). */
RF_MUST_CHECK int loop_run(struct rf_device *dev);

/* backend.c */

/* Take one message and answer it. -EPIPE: the front-end closed. -EPROTO: it
 * lied, the cause is logged. */
RF_MUST_CHECK int backend_handle(struct rf_device *dev);

#endif
