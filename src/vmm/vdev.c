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
 * Side:    vmm; see vdev.h for which thread.
 * Owns:    the registers, call, err and configuration eventfds, the front-end.
 * Callers: main.c, bus.c, serve.c.
 * Needs:   main thread, after the filter: sendmsg and recvmsg on the device's
 *          socket, read on err eventfds, write on kick and configuration
 *          eventfds, futex, and what rf_doorbell_register() needs; vCPU
 *          threads: write on eventfds, futex.
 * Never:   waits for the device on a vCPU thread, ends the guest because a
 *          device is gone.
 */
#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>

#include <ringfence/log.h>

#include "vmm/vdev.h"

#define BIT(nr) (1ull << (nr))

/* virtio 1.2, 6 */
#define VDEV_VERSION_1 BIT(32)
#define VDEV_RING_PACKED BIT(34)
#define VDEV_IN_ORDER BIT(35)
#define VDEV_NOTIFICATION_DATA BIT(38)
#define VDEV_RING_RESET BIT(40)

/* What we offer of what the device offers: device types' own bits, indirect
 * descriptors, event index, and these. Left out are those that this monitor
 * would have to do something for (access platform, ...). NOTIFICATION_DATA goes
 * through where the doorbell keeps what was written. */
#define VDEV_FEATURES                                         \
	((BIT(24) - 1) | BIT(28) | BIT(29) | VDEV_VERSION_1 | \
	 VDEV_RING_PACKED | VDEV_IN_ORDER | VDEV_RING_RESET)

enum {
	VDEV_STATUS_AGREED = RF_VIRTIO_STATUS_ACKNOWLEDGE |
			     RF_VIRTIO_STATUS_DRIVER |
			     RF_VIRTIO_STATUS_FEATURES_OK,
	VDEV_STATUS_RUNNING = VDEV_STATUS_AGREED | RF_VIRTIO_STATUS_DRIVER_OK,
};

static const struct rf_virtio_mmio_ops vdev_ops;

uint64_t vdev_gpa(uint32_t index)
{
	return VDEV_MMIO_GPA + (uint64_t)index * RF_VIRTIO_MMIO_BYTES;
}

static int complain(const struct vdev *d, const char *step, int rc)
{
	rf_log("device %u: %s: %s", d->index, step, strerrorname_np(-rc));
	return rc;
}

/* Call eventfds are read by nobody but KVM, or by the stand-in, which sleeps on
 * one. They are one line, so without KVM one descriptor does for all. */
static int make_call(struct vdev *d, uint32_t queue)
{
	if (!d->kvm && queue > 0)
		return d->calls[0];
	return eventfd(0, EFD_CLOEXEC | (d->kvm ? EFD_NONBLOCK : 0));
}

static int make_events(struct vdev *d)
{
	uint32_t i;

	for (i = 0; i < VDEV_QUEUES_MAX; i++) {
		d->calls[i] = make_call(d, i);
		d->errs[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (d->calls[i] < 0 || d->errs[i] < 0)
			return complain(d, "eventfd", -errno);
	}
	if (!d->kvm) {
		d->config_event = d->calls[0];
		return 0;
	}
	d->config_event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (d->config_event < 0)
		return complain(d, "eventfd", -errno);
	return 0;
}

static int wire_interrupts(struct vdev *d, const struct vm *vm)
{
	uint32_t i;
	int rc;

	if (!vm)
		return 0;
	for (i = 0; i < VDEV_QUEUES_MAX; i++) {
		rc = vm_irqfd(vm, d->calls[i], VDEV_GSI + d->index);
		if (rc < 0)
			return rc;
	}
	return vm_irqfd(vm, d->config_event, VDEV_GSI + d->index);
}

/* Reads need us no more, and neither does the common acknowledgement, of a
 * used buffer and nothing else, which means nothing: see regpage.c. Nobody
 * reads this eventfd; when it is full it stays full. */
static int share_registers(struct vdev *d, const struct vdev_params *p)
{
	const uint64_t gpa = vdev_gpa(d->index);
	int rc;

	d->ack_event = -1;
	if (!p->register_pages)
		return 0;
	d->ack_event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (d->ack_event < 0)
		return complain(d, "eventfd", -errno);
	rc = vm_add_register_page(p->vm, d->index, gpa, &d->page);
	if (rc < 0)
		return rc;
	return vm_swallow(p->vm, d->ack_event, gpa + RF_VIRTIO_MMIO_ACKNOWLEDGE,
			  RF_VIRTIO_INTERRUPT_USED);
}

int vdev_prepare(struct vdev *d, const struct vdev_params *p)
{
	int rc;

	d->index = p->index;
	d->kvm = p->vm;
	d->report = p->report;
	d->sock = RF_FD_DEVICES + (int)p->index;
	pthread_mutex_init(&d->lock, NULL);
	rc = make_events(d);
	if (rc == 0)
		rc = wire_interrupts(d, p->vm);
	if (rc == 0)
		rc = share_registers(d, p);
	if (rc < 0)
		return rc;
	rc = rf_doorbell_open(p->doorbells, VDEV_QUEUES_MAX, &d->doorbell);
	if (rc < 0)
		return complain(d, "doorbell", rc);
	rf_doorbell_fds(d->doorbell, &d->fds);
	rc = rf_frontend_new(d->sock, &d->frontend);
	if (rc < 0)
		return complain(d, "its socket", rc);
	return 0;
}

static int agree(struct vdev *d)
{
	uint16_t nr;
	int rc;

	rc = rf_frontend_negotiate(d->frontend);
	if (rc < 0)
		return complain(d, "vhost-user negotiation", rc);
	if (!(rf_frontend_features(d->frontend) & VDEV_VERSION_1)) {
		rf_log("device %u: does not offer VERSION_1", d->index);
		return -ENOTSUP;
	}
	rc = rf_frontend_queue_num(d->frontend, &nr);
	if (rc < 0)
		return complain(d, "number of queues", rc);
	if (nr == 0) {
		rf_log("device %u: has no queues", d->index);
		return -EPROTO;
	}
	d->nr_queues = nr < VDEV_QUEUES_MAX ? nr : VDEV_QUEUES_MAX;
	d->has_ring = d->fds.ring >= 0 &&
		      rf_frontend_has(d->frontend,
				      VHOST_USER_PROTOCOL_F_COALESCED_RING);
	return 0;
}

static int share_memory(struct vdev *d, const struct memory *mem)
{
	struct rf_vhost_user_region regions[MEMORY_REGIONS_MAX];
	int fds[MEMORY_REGIONS_MAX];
	uint32_t i;
	int rc;

	for (i = 0; i < mem->nr_regions; i++) {
		regions[i] = (struct rf_vhost_user_region){
			.guest_phys_addr = mem->regions[i].gpa,
			.memory_size = mem->regions[i].bytes,
			.user_addr = mem->regions[i].gpa,
			.mmap_offset = mem->regions[i].offset,
		};
		fds[i] = mem->fd;
	}
	rc = rf_frontend_set_mem_table(d->frontend, regions, fds,
				       mem->nr_regions);
	return rc < 0 ? complain(d, "guest memory", rc) : 0;
}

static int share_queue_events(struct vdev *d, uint16_t q)
{
	int rc;

	rc = rf_frontend_set_kick(d->frontend, q, d->fds.kicks[q]);
	if (rc == 0)
		rc = rf_frontend_set_call(d->frontend, q, d->calls[q]);
	if (rc == 0)
		rc = rf_frontend_set_err(d->frontend, q, d->errs[q]);
	return rc;
}

static int share_events(struct vdev *d)
{
	uint16_t q;
	int rc = 0;

	for (q = 0; q < d->nr_queues && rc == 0; q++)
		rc = share_queue_events(d, q);
	return rc < 0 ? complain(d, "eventfds", rc) : 0;
}

/* A back-end that knows no ring is still served: its notify writes exit, reach
 * the register file and leave on the queue's eventfd. */
static int share_doorbell(struct vdev *d)
{
	const uint64_t gpa = vdev_gpa(d->index) + RF_VIRTIO_MMIO_NOTIFY;
	int rc;

	if (d->fds.ring >= 0 && !d->has_ring) {
		rf_log("device %u: knows no ring; its notify writes exit to "
		       "this process",
		       d->index);
		return 0;
	}
	/* What a written value means follows the features a driver takes. */
	if (d->has_ring) {
		rc = rf_frontend_set_ring(d->frontend, d->fds.ring, d->fds.wake,
					  gpa, 4, VHOST_USER_RING_QUEUE_INDEX);
		if (rc < 0)
			return complain(d, "SET_COALESCED_RING", rc);
	}
	rc = rf_doorbell_use(d->doorbell, d->nr_queues);
	if (rc < 0)
		return complain(d, "doorbell", rc);
	/* Only now: KVM refuses a buffer that nobody mapped. */
	rc = rf_doorbell_register(d->doorbell, gpa, 4);
	return rc < 0 ? complain(d, "doorbell registration", rc) : 0;
}

/* Sizes of configuration space that block devices have: virtio 1.2 with secure
 * erase, 1.1, without write zeroes, nothing but the capacity. vhost-user has no
 * way to ask; a back-end says no to more than it has. */
static int read_config(struct vdev *d, uint8_t *config, uint32_t *len)
{
	static const uint32_t sizes[] = { 72, 60, 36, 8 };
	size_t i;
	int rc = -ENOTSUP;

	*len = 0;
	if (!rf_frontend_has(d->frontend, VHOST_USER_PROTOCOL_F_CONFIG))
		return 0;
	for (i = 0; i < RF_ARRAY_LEN(sizes); i++) {
		rc = rf_frontend_get_config(d->frontend, 0, config, sizes[i]);
		if (rc == 0)
			*len = sizes[i];
		if (rc != -EREMOTEIO)
			break;
	}
	return rc < 0 ? complain(d, "configuration space", rc) : 0;
}

/* How many entries its queues may have; vhost-user has no way to ask but to
 * try. */
static int find_queue_size(struct vdev *d, uint32_t *out)
{
	uint32_t size;
	int rc = -EREMOTEIO;

	for (size = VDEV_QUEUE_SIZE; size > 0 && rc == -EREMOTEIO; size /= 2) {
		rc = rf_frontend_queue_size(d->frontend, 0, (uint16_t)size);
		if (rc == 0)
			*out = size;
	}
	return rc < 0 ? complain(d, "queue size", rc) : 0;
}

static uint64_t features_of(const struct vdev *d)
{
	uint64_t offered = VDEV_FEATURES;

	if (d->has_ring)
		offered |= VDEV_NOTIFICATION_DATA;
	return rf_frontend_features(d->frontend) & offered;
}

static int make_registers(struct vdev *d)
{
	uint8_t config[RF_VHOST_USER_CONFIG_MAX] = { 0 };
	struct rf_virtio_mmio_params params = {
		.page = &d->page,
		.ops = &vdev_ops,
		.ctx = d,
		.device_id = VDEV_VIRTIO_ID,
		.vendor_id = VDEV_VENDOR_ID,
		.features = features_of(d),
		.nr_queues = d->nr_queues,
		.config = config,
	};
	int rc;

	rc = read_config(d, config, &d->config_bytes);
	if (rc == 0)
		rc = find_queue_size(d, &params.queue_num_max);
	if (rc < 0)
		return rc;
	params.config_bytes = d->config_bytes;
	rc = rf_virtio_mmio_init(&d->regs, &params);
	return rc < 0 ? complain(d, "registers", rc) : 0;
}

int vdev_connect(struct vdev *d, const struct memory *mem)
{
	int rc;

	rc = agree(d);
	if (rc == 0)
		rc = make_registers(d);
	if (rc == 0)
		rc = share_memory(d, mem);
	if (rc == 0)
		rc = share_events(d);
	if (rc == 0)
		rc = share_doorbell(d);
	return rc;
}

static bool is_sealed(const struct vdev *d)
{
	return rf_frontend_has(d->frontend, VHOST_USER_PROTOCOL_F_SEAL);
}

int vdev_seal(struct vdev *d)
{
	int rc;

	if (!is_sealed(d)) {
		rf_log("device %u: cannot seal itself; it keeps whatever power "
		       "it has",
		       d->index);
		return 0;
	}
	rc = rf_frontend_seal(d->frontend);
	return rc < 0 ? complain(d, "SEAL", rc) : 0;
}

/* -EREMOTEIO and the like are the device's word about this driver; the others
 * mean that it is no partner any more. Returns rc. */
static int judge(struct vdev *d, const char *step, int rc)
{
	if (rc == 0)
		return 0;
	complain(d, step, rc);
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
	if (!is_sealed(d))
		rc = judge(d, "eventfds", share_events(d));
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

	if (!d->lost && d->started & 1u << q)
		(void)judge(d, "queue stop",
			    rf_frontend_queue_stop(d->frontend, q, &base));
	d->started &= ~(1u << q);
}

static void on_reset(void *ctx)
{
	struct vdev *d = ctx;
	uint16_t q;
	int rc = 0;

	rf_log_refill();
	for (q = 0; q < d->nr_queues; q++)
		stop_queue(d, q);
	if (d->lost)
		return;
	rc = rf_frontend_reset(d->frontend);
	if (rc != -ENOTSUP)
		(void)judge(d, "reset", rc);
}

/* A lost device touches nothing any more, or is the launcher's to end. */
static void on_queue_stop(void *ctx, uint16_t q)
{
	stop_queue(ctx, q);
}

static int on_queue_start(void *ctx, uint16_t q)
{
	struct vdev *d = ctx;
	int rc = d->lost;

	if (rc == 0 && !is_sealed(d))
		rc = judge(d, "eventfds", share_queue_events(d, q));
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

static const struct rf_virtio_mmio_ops vdev_ops = {
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
