/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * vdev_setup.c - from nothing to a device that is connected and sealed
 *
 * What needs the kernel's power comes before the filter (vdev_prepare), what
 * hears the device's first word after it. The guest does not run yet.
 *
 * Side:    vmm, main thread.
 * Owns:    the order in which a device process is given what it needs.
 * Callers: main.c; vdev.c, for devices that forget their eventfds.
 * Needs:   after the filter: sendmsg, sendto and recvfrom on the device's
 *          socket, and what rf_doorbell_register() needs.
 * Never:   offers the guest a feature that this process would have to do
 *          something for and does not.
 */
#include <errno.h>
#include <sys/eventfd.h>

#include <ringfence/log.h>

#include "vmm/vdev.h"

#define BIT(nr) (1ull << (nr))

/* virtio 1.2, 6 */
#define VDEV_VERSION_1 BIT(32)
#define VDEV_IN_ORDER BIT(35)
#define VDEV_RING_RESET BIT(40)

/* What we offer of what the device offers: device types' own bits, indirect
 * descriptors, event index, and these. Left out are those that this monitor
 * would have to do something for (access platform, ...). NOTIFICATION_DATA goes
 * through where the doorbell keeps what was written. */
#define VDEV_FEATURES                                         \
	((BIT(24) - 1) | BIT(28) | BIT(29) | VDEV_VERSION_1 | \
	 VDEV_RING_PACKED | VDEV_IN_ORDER | VDEV_RING_RESET)

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
			return vdev_complain(d, "eventfd", -errno);
	}
	if (!d->kvm) {
		d->config_event = d->calls[0];
		return 0;
	}
	d->config_event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (d->config_event < 0)
		return vdev_complain(d, "eventfd", -errno);
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
		return vdev_complain(d, "eventfd", -errno);
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
		return vdev_complain(d, "doorbell", rc);
	rf_doorbell_fds(d->doorbell, &d->fds);
	rc = rf_frontend_new(d->sock, &d->frontend);
	if (rc < 0)
		return vdev_complain(d, "its socket", rc);
	return 0;
}

static int agree(struct vdev *d)
{
	uint16_t nr;
	int rc;

	rc = rf_frontend_negotiate(d->frontend);
	if (rc < 0)
		return vdev_complain(d, "vhost-user negotiation", rc);
	if (!(rf_frontend_features(d->frontend) & VDEV_VERSION_1)) {
		rf_log("device %u: does not offer VERSION_1", d->index);
		return -ENOTSUP;
	}
	rc = rf_frontend_queue_num(d->frontend, &nr);
	if (rc < 0)
		return vdev_complain(d, "number of queues", rc);
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
	return rc < 0 ? vdev_complain(d, "guest memory", rc) : 0;
}

int vdev_share_queue_events(struct vdev *d, uint16_t q)
{
	int rc;

	rc = rf_frontend_set_kick(d->frontend, q, d->fds.kicks[q]);
	if (rc == 0)
		rc = rf_frontend_set_call(d->frontend, q, d->calls[q]);
	if (rc == 0)
		rc = rf_frontend_set_err(d->frontend, q, d->errs[q]);
	return rc;
}

int vdev_share_events(struct vdev *d)
{
	uint16_t q;
	int rc = 0;

	for (q = 0; q < d->nr_queues && rc == 0; q++)
		rc = vdev_share_queue_events(d, q);
	return rc < 0 ? vdev_complain(d, "eventfds", rc) : 0;
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
			return vdev_complain(d, "SET_COALESCED_RING", rc);
	}
	rc = rf_doorbell_use(d->doorbell, d->nr_queues);
	if (rc < 0)
		return vdev_complain(d, "doorbell", rc);
	/* Only now: KVM refuses a buffer that nobody mapped. */
	rc = rf_doorbell_register(d->doorbell, gpa, 4);
	return rc < 0 ? vdev_complain(d, "doorbell registration", rc) : 0;
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
	return rc < 0 ? vdev_complain(d, "configuration space", rc) : 0;
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
	return rc < 0 ? vdev_complain(d, "queue size", rc) : 0;
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
	return rc < 0 ? vdev_complain(d, "registers", rc) : 0;
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
		rc = vdev_share_events(d);
	if (rc == 0)
		rc = share_doorbell(d);
	return rc;
}

bool vdev_is_sealed(const struct vdev *d)
{
	return rf_frontend_has(d->frontend, VHOST_USER_PROTOCOL_F_SEAL);
}

int vdev_seal(struct vdev *d)
{
	int rc;

	if (!vdev_is_sealed(d)) {
		rf_log("device %u: cannot seal itself; it keeps whatever power "
		       "it has",
		       d->index);
		return 0;
	}
	rc = rf_frontend_seal(d->frontend);
	return rc < 0 ? vdev_complain(d, "SEAL", rc) : 0;
}
