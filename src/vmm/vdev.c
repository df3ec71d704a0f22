/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * vdev.c - one virtio-mmio device of the guest and the process that is it
 *
 * The guest and the device are both hostile. What the guest writes is judged
 * by the register file; addresses of queues go through untouched, because the
 * device judges them against the memory it was given, in which addresses are
 * the guest's own (user address == guest physical address: nothing about where
 * things lie in this process leaks). What the device answers is judged by the
 * front-end.
 *
 * A driver that reads Status 0 after a reset has its memory to itself. Mostly
 * the device says so: it has answered that it stopped. One that does not answer
 * may be stopped, or may wait for its disk, with a read of the guest's under way
 * that lands in guest memory whenever it goes on:
 *
 *      device            we                      driver       if we went on
 *      read begins
 *      (hangs)                                   Status := 0
 *                        no answer in 5 s: lost
 *                        Status: 0               goes on, gives
 *                                                the page to others
 *      read ends in the page, which is others'
 *
 * Closing our end of its socket stops it no more than our asking did. Its end
 * does, and of that only its parent can be sure, so the launcher is asked for
 * it. The registers meanwhile stay as they are, with DEVICE_NEEDS_RESET:
 *
 *      device            we                      launcher     driver
 *                                                             Status := 0
 *                        lost; Status |= 0x40
 *                        DEVICE_GONE ----------> kills it     (its vCPU waits,
 *      dies                                      reaps it     others read the
 *                                                             old Status|0x40)
 *                        Status: 0 <------------ DEVICE_DEAD  goes on
 *
 * "Dead" is more than reaped: supervise.c tells what. DEVICE_DEAD may come
 * before we notice anything, and is remembered: a reset after it is over at
 * once, and so is every later one. Without the launcher (it died) it never
 * comes, and neither is there a guest any more: serve.c ends us. Should the
 * process not die, since it waits in the kernel for a disk that hangs, the
 * reset is not over before the disk is. The same for QueueReset, which reads 1
 * meanwhile.
 *
 * Why the vCPU waits, and does not poll: Linux's virtio-mmio driver (vm_reset)
 * writes 0, reads nothing back and goes on. Held up is that vCPU alone, as by a
 * disk's register that is slow to answer; no lock is held, so the others read
 * and write what they like, and a driver that polls on another one sees 0 when
 * it is true.
 *
 * Side:    vmm; see vdev.h for which thread.
 * Owns:    the registers, call, err and configuration eventfds, the front-end,
 *          all of which vdev_setup.c makes.
 * Callers: main.c, bus.c, serve.c.
 * Needs:   main thread, after the filter: sendto, sendmsg and recvfrom on the
 *          device's socket, read on err eventfds, write on kick and
 *          configuration eventfds, futex; vCPU threads: write on eventfds,
 *          futex.
 * Never:   waits for the device on a vCPU thread, ends the guest because a
 *          device is gone.
 */
#include <errno.h>
#include <string.h>

#include <ringfence/log.h>

#include "vmm/vdev.h"

enum {
	VDEV_STATUS_AGREED = RF_VIRTIO_STATUS_ACKNOWLEDGE |
			     RF_VIRTIO_STATUS_DRIVER |
			     RF_VIRTIO_STATUS_FEATURES_OK,
	VDEV_STATUS_RUNNING = VDEV_STATUS_AGREED | RF_VIRTIO_STATUS_DRIVER_OK,
};

uint64_t vdev_gpa(uint32_t index)
{
	return VDEV_MMIO_GPA + (uint64_t)index * RF_VIRTIO_MMIO_BYTES;
}

int vdev_complain(const struct vdev *d, const char *step, int rc)
{
	rf_log("device %u: %s: %s", d->index, step, strerrorname_np(-rc));
	return rc;
}

/* -EREMOTEIO and the like are the device's word about this driver; the others
 * mean that it is no partner any more. Returns rc. */
static int judge(struct vdev *d, const char *step, int rc)
{
	if (rc == 0)
		return 0;
	vdev_complain(d, step, rc);
	if (rc == -EPIPE || rc == -EPROTO || rc == -ETIMEDOUT)
		vdev_lost(d, rc);
	return rc;
}

/* Not offered is no failure: status is for those who want to know. */
static int tell_status(struct vdev *d, uint8_t status)
{
	int rc = rf_frontend_set_status(d->frontend, status);

	return rc == -ENOTSUP ? 0 : judge(d, "SET_STATUS", rc);
}

static int start_queue(struct vdev *d, uint16_t q)
{
	const struct rf_virtio_mmio_queue *from = &d->regs.queues[q];
	const bool packed = d->regs.driver_features & VDEV_RING_PACKED;
	const struct rf_frontend_queue queue = {
		.index = q,
		.size = (uint16_t)from->num,
		.base = packed ? RF_FRONTEND_BASE_PACKED
			       : RF_FRONTEND_BASE_SPLIT,
		.desc_addr = from->desc,
		.avail_addr = from->driver,
		.used_addr = from->device,
	};
	int rc;

	rc = rf_frontend_queue_start(d->frontend, &queue);
	if (rc == 0)
		d->started |= 1u << q;
	return judge(d, "queue start", rc);
}

static int start_queues(struct vdev *d)
{
	uint16_t q;
	int rc = 0;

	/* Without SEAL a back-end forgets eventfds when a queue stops. */
	if (!vdev_is_sealed(d))
		rc = judge(d, "eventfds", vdev_share_events(d));
	for (q = 0; q < d->nr_queues && rc == 0; q++)
		if (d->regs.queues[q].ready)
			rc = start_queue(d, q);
	return rc;
}

/* What exits from now on is for I/O. */
static void count_setup(struct vdev *d)
{
	if (d->report)
		RF_REPORT_SET(d->report, exits_setup,
			      atomic_load_explicit(&d->report->exits_mmio,
						   memory_order_relaxed));
}

static int on_driver_ok(void *ctx, uint64_t features)
{
	struct vdev *d = ctx;
	int rc;

	if (d->lost)
		return d->lost;
	count_setup(d);
	rc = judge(d, "SET_FEATURES",
		   rf_frontend_set_features(d->frontend, features));
	if (rc == 0)
		rc = tell_status(d, VDEV_STATUS_AGREED);
	if (rc == 0)
		rc = start_queues(d);
	if (rc == 0)
		rc = tell_status(d, VDEV_STATUS_RUNNING);
	return rc;
}

static void stop_queue(struct vdev *d, uint16_t q)
{
	uint32_t base;
	int rc;

	if (!d->lost && d->started & 1u << q) {
		rc = rf_frontend_queue_stop(d->frontend, q, &base);
		/* Whatever the error: it did not say that it has stopped. */
		if (judge(d, "queue stop", rc) < 0)
			vdev_lost(d, rc);
	}
	d->started &= ~(1u << q);
}

/* What a reset comes to: 0, or it waits for vdev_dead(). */
static int settle(const struct vdev *d)
{
	if (!d->lost || d->dead)
		return 0;
	if (!rf_virtio_mmio_is_unsettled(&d->regs))
		rf_log("device %u: the guest resets it and it does not answer; "
		       "the reset waits for its end",
		       d->index);
	return -EINPROGRESS;
}

static int on_reset(void *ctx)
{
	struct vdev *d = ctx;
	uint16_t q;
	int rc = 0;

	rf_log_refill();
	for (q = 0; q < d->nr_queues; q++)
		stop_queue(d, q);
	if (!d->lost) {
		rc = rf_frontend_reset(d->frontend);
		if (rc != -ENOTSUP)
			(void)judge(d, "reset", rc);
	}
	return settle(d);
}

static int on_queue_stop(void *ctx, uint16_t q)
{
	struct vdev *d = ctx;

	stop_queue(d, q);
	return settle(d);
}

static int on_queue_start(void *ctx, uint16_t q)
{
	struct vdev *d = ctx;
	int rc = d->lost;

	if (rc == 0 && !vdev_is_sealed(d))
		rc = judge(d, "eventfds", vdev_share_queue_events(d, q));
	return rc == 0 ? start_queue(d, q) : rc;
}

static void on_notify(void *ctx, uint32_t value)
{
	struct vdev *d = ctx;
	uint32_t q = value;

	RF_REPORT_ADD(d->report, exits_notify, 1);
	if (d->regs.driver_features & VDEV_NOTIFICATION_DATA)
		q &= UINT16_MAX;
	if (q < d->nr_queues && rf_eventfd_signal(d->fds.kicks[q]) < 0)
		rf_log("device %u: kick %u cannot be rung", d->index, q);
}

static int on_config_write(void *ctx, uint32_t offset, const void *data,
			   uint32_t len)
{
	struct vdev *d = ctx;

	if (d->lost)
		return d->lost;
	d->config_written = true;
	return judge(d, "SET_CONFIG",
		     rf_frontend_set_config(d->frontend, offset, data, len));
}

static void on_interrupt(void *ctx)
{
	struct vdev *d = ctx;

	if (rf_eventfd_signal(d->config_event) < 0)
		rf_log("device %u: its interrupt cannot be raised", d->index);
}

const struct rf_virtio_mmio_ops vdev_ops = {
	.driver_ok = on_driver_ok,
	.reset = on_reset,
	.queue_stop = on_queue_stop,
	.queue_start = on_queue_start,
	.notify = on_notify,
	.config_write = on_config_write,
	.interrupt = on_interrupt,
};

void vdev_read(struct vdev *d, uint32_t offset, void *data, uint32_t len)
{
	pthread_mutex_lock(&d->lock);
	rf_virtio_mmio_read(&d->regs, offset, data, len);
	pthread_mutex_unlock(&d->lock);
}

static bool overlaps(uint32_t offset, uint32_t len, size_t reg)
{
	return offset < reg + 4 && offset + len > reg;
}

/* Those after which the register file may call driver_ok, reset, queue_stop,
 * queue_start or config_write. Any overlap counts, so that an odd access is
 * never light. */
bool vdev_is_heavy(uint32_t offset, uint32_t len)
{
	static const size_t heavy[] = {
		offsetof(struct rf_virtio_mmio_page, queue_ready),
		offsetof(struct rf_virtio_mmio_page, status),
		offsetof(struct rf_virtio_mmio_page, queue_reset),
	};
	size_t i;

	for (i = 0; i < RF_ARRAY_LEN(heavy); i++)
		if (overlaps(offset, len, heavy[i]))
			return true;
	return offset + len > RF_VIRTIO_MMIO_CONFIG;
}

static void write_locked(struct vdev *d, uint32_t offset, const void *data,
			 uint32_t len)
{
	static struct rf_log_limit limit;
	uint64_t refusals = d->regs.refusals;

	rf_virtio_mmio_write(&d->regs, offset, data, len);
	if (d->regs.refusals != refusals)
		rf_log_limited(&limit, 8,
			       "device %u: write of %u bytes at register "
			       "0x%03x ignored: %s",
			       d->index, len, offset, d->regs.refused);
}

/* A reset takes back what the driver wrote there, in the device; so it must in
 * the registers, before the driver goes on. */
static void refresh_config(struct vdev *d)
{
	uint8_t config[RF_VHOST_USER_CONFIG_MAX] = { 0 };
	int rc;

	d->config_written = false;
	rc = judge(d, "configuration space",
		   rf_frontend_get_config(d->frontend, 0, config,
					  d->config_bytes));
	if (rc == 0)
		rf_virtio_mmio_config_changed(&d->regs, config);
}

void vdev_write(struct vdev *d, uint32_t offset, const void *data, uint32_t len)
{
	pthread_mutex_lock(&d->lock);
	write_locked(d, offset, data, len);
	/* Only a heavy write resets, so this is the main thread. */
	if (vdev_is_heavy(offset, len) && d->config_written &&
	    d->regs.status == 0 && !d->lost)
		refresh_config(d);
	pthread_mutex_unlock(&d->lock);
}

bool vdev_is_unsettled(struct vdev *d)
{
	bool unsettled;

	pthread_mutex_lock(&d->lock);
	unsettled = rf_virtio_mmio_is_unsettled(&d->regs);
	pthread_mutex_unlock(&d->lock);
	return unsettled;
}

void vdev_error(struct vdev *d, uint32_t queue)
{
	static struct rf_log_limit limit;
	uint64_t count;

	if (rf_eventfd_take(d->errs[queue], &count) < 0)
		return;
	rf_log_limited(&limit, 8,
		       "device %u: queue %u is broken; the driver is asked for "
		       "a reset",
		       d->index, queue);
	pthread_mutex_lock(&d->lock);
	rf_virtio_mmio_needs_reset(&d->regs);
	pthread_mutex_unlock(&d->lock);
}

void vdev_lost(struct vdev *d, int why)
{
	if (!d->lost)
		d->lost = why;
}

bool vdev_bury(struct vdev *d)
{
	if (!d->lost || !d->frontend)
		return false;
	rf_frontend_free(d->frontend);
	d->frontend = NULL;
	rf_log("device %u: gone (%s); its driver is asked for a reset, its "
	       "notify writes are kept",
	       d->index, strerrorname_np(-d->lost));
	pthread_mutex_lock(&d->lock);
	rf_virtio_mmio_needs_reset(&d->regs);
	pthread_mutex_unlock(&d->lock);
	return true;
}

void vdev_dead(struct vdev *d)
{
	d->dead = true;
	pthread_mutex_lock(&d->lock);
	rf_virtio_mmio_settled(&d->regs);
	pthread_mutex_unlock(&d->lock);
}
