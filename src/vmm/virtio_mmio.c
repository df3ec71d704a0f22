/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * virtio_mmio.c - virtio-mmio version 2 registers in front of a lying driver
 *
 * Side:    vmm. Each access is a guest's; the device sees only what passed.
 * Owns:    the state behind the registers: who may do what when. What a guest
 *          reads is regpage.c's, and how interrupts stay right is told there;
 *          the registers of queues are mmio_queue.c's.
 * Callers: src/vmm and other monitors, through <ringfence/virtio_mmio.h>, with
 *          the device's lock held.
 * Never:   prints, allocates, locks, makes a system call.
 */
#include <errno.h>
#include <string.h>

#include "vmm/mmio_queue.h"
#include "vmm/regpage.h"

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
	      "virtio 1.2, 4.2.2: registers are little endian");

#define QUEUE_NUM_MAX 32768u /* virtio 1.2, 2.7 */

#define STATUS_DRIVERS                                               \
	(RF_VIRTIO_STATUS_ACKNOWLEDGE | RF_VIRTIO_STATUS_DRIVER |    \
	 RF_VIRTIO_STATUS_DRIVER_OK | RF_VIRTIO_STATUS_FEATURES_OK | \
	 RF_VIRTIO_STATUS_FAILED)

void mmio_refuse(struct rf_virtio_mmio *m, const char *why)
{
	m->refusals++;
	m->refused = why;
}

static bool has_status(const struct rf_virtio_mmio *m, uint32_t bits)
{
	return (m->status & bits) == bits;
}

/* Everything a driver can have set, back to the state after init. */
static void clear(struct rf_virtio_mmio *m)
{
	uint16_t i;

	m->driver_features = 0;
	m->device_features_sel = 0;
	m->driver_features_sel = 0;
	m->queue_sel = 0;
	m->status = 0;
	m->interrupt_status = 0;
	m->took_unknown = false;
	m->device_used = false;
	m->config_moved = false;
	m->resetting = false;
	m->stopping = 0;
	for (i = 0; i < m->nr_queues; i++)
		mmio_queue_clear(&m->queues[i]);
	regpage_show_selected(m);
	/* Last: a driver that reads 0 finds all of it so. */
	regpage_show_status(m);
}

static bool is_valid_params(const struct rf_virtio_mmio_params *p)
{
	const struct rf_virtio_mmio_ops *ops = p->ops;

	if (!p->page || !ops || !ops->driver_ok || !ops->reset ||
	    !ops->notify || !ops->interrupt)
		return false;
	if (!ops->queue_stop != !ops->queue_start)
		return false;
	if (!(p->features & MMIO_F_VERSION_1))
		return false;
	if (p->nr_queues == 0 || p->nr_queues > RF_VIRTIO_MMIO_QUEUES_MAX)
		return false;
	if (!mmio_is_power_of_two(p->queue_num_max) ||
	    p->queue_num_max > QUEUE_NUM_MAX)
		return false;
	return p->config_bytes <= RF_VIRTIO_MMIO_CONFIG_MAX;
}

static uint64_t offer(const struct rf_virtio_mmio_params *p)
{
	uint64_t features = p->features & ~MMIO_F_VHOST_USER;

	if (!p->ops->queue_stop)
		features &= ~MMIO_F_RING_RESET;
	return features;
}

int rf_virtio_mmio_init(struct rf_virtio_mmio *m,
			const struct rf_virtio_mmio_params *p)
{
	uint16_t i;

	if (!is_valid_params(p))
		return -EINVAL;
	*m = (struct rf_virtio_mmio){
		.page = p->page,
		.ops = p->ops,
		.ctx = p->ctx,
		.device_features = offer(p),
		.config_bytes = p->config_bytes,
		.nr_queues = p->nr_queues,
	};
	for (i = 0; i < m->nr_queues; i++)
		m->queues[i].num_max = p->queue_num_max;
	regpage_init(p);
	clear(m);
	return 0;
}

bool rf_virtio_mmio_is_running(const struct rf_virtio_mmio *m)
{
	return has_status(m, RF_VIRTIO_STATUS_DRIVER_OK) &&
	       !has_status(m, RF_VIRTIO_STATUS_NEEDS_RESET);
}

/* A driver that has not set DRIVER_OK is sent no interrupt: 4.2.3. */
static void interrupt_config(struct rf_virtio_mmio *m)
{
	if (!has_status(m, RF_VIRTIO_STATUS_DRIVER_OK))
		return;
	m->interrupt_status |= RF_VIRTIO_INTERRUPT_CONFIG;
	/* Before the interrupt that makes the guest look. */
	regpage_show_status(m);
	m->ops->interrupt(m->ctx);
}

void rf_virtio_mmio_needs_reset(struct rf_virtio_mmio *m)
{
	if (has_status(m, RF_VIRTIO_STATUS_NEEDS_RESET))
		return;
	m->status |= RF_VIRTIO_STATUS_NEEDS_RESET;
	regpage_show_status(m);
	interrupt_config(m);
}

void rf_virtio_mmio_config_changed(struct rf_virtio_mmio *m, const void *config)
{
	regpage_show_config(m, config);
	/* No driver has read any of it before it said that it is there. */
	m->config_moved = m->status != 0 &&
			  !has_status(m, RF_VIRTIO_STATUS_DRIVER_OK);
	interrupt_config(m);
}

void mmio_wait_for_device(struct rf_virtio_mmio *m)
{
	/* No interrupt: the driver that waits needs none to tell it. */
	m->status |= RF_VIRTIO_STATUS_NEEDS_RESET;
	regpage_show_status(m);
}

static void reset(struct rf_virtio_mmio *m)
{
	if (m->device_used && m->ops->reset(m->ctx) != 0) {
		m->resetting = true;
		mmio_wait_for_device(m);
		return;
	}
	clear(m);
}

bool rf_virtio_mmio_is_unsettled(const struct rf_virtio_mmio *m)
{
	return m->resetting || m->stopping;
}

void rf_virtio_mmio_settled(struct rf_virtio_mmio *m)
{
	if (m->resetting)
		clear(m);
	else if (m->stopping)
		mmio_queues_stopped(m);
}

static bool is_acceptable_features(const struct rf_virtio_mmio *m)
{
	return !(m->driver_features & ~m->device_features) &&
	       !m->took_unknown && (m->driver_features & MMIO_F_VERSION_1);
}

/* Why these bits cannot be added now, or NULL: virtio 1.2, 3.1.1. */
static const char *judge_status(const struct rf_virtio_mmio *m, uint32_t value,
				uint32_t added)
{
	uint32_t next = m->status | added;

	if (value & ~(uint32_t)(STATUS_DRIVERS | RF_VIRTIO_STATUS_NEEDS_RESET))
		return "status: unknown bits";
	if (m->status & STATUS_DRIVERS & ~value)
		return "status: a bit was taken back without a reset";
	if (added == RF_VIRTIO_STATUS_FAILED || added == 0)
		return NULL;
	if (m->status & MMIO_STATUS_BROKEN)
		return "status: the device waits for a reset";
	if (next & RF_VIRTIO_STATUS_DRIVER &&
	    !(next & RF_VIRTIO_STATUS_ACKNOWLEDGE))
		return "status: DRIVER before ACKNOWLEDGE";
	if (next & RF_VIRTIO_STATUS_FEATURES_OK &&
	    !(next & RF_VIRTIO_STATUS_DRIVER))
		return "status: FEATURES_OK before DRIVER";
	/* Not in one write: the driver must first see whether we kept it. */
	if (added & RF_VIRTIO_STATUS_DRIVER_OK &&
	    !has_status(m, RF_VIRTIO_STATUS_FEATURES_OK))
		return "status: DRIVER_OK before FEATURES_OK";
	return NULL;
}

static void start(struct rf_virtio_mmio *m)
{
	/* Shown first: the device's interrupts may come, on another vCPU,
	 * before driver_ok returns. */
	m->status |= RF_VIRTIO_STATUS_DRIVER_OK;
	m->interrupt_status |= RF_VIRTIO_INTERRUPT_USED;
	regpage_show_status(m);
	m->device_used = true;
	if (m->ops->driver_ok(m->ctx, m->driver_features) != 0)
		rf_virtio_mmio_needs_reset(m);
	if (m->config_moved)
		interrupt_config(m);
	m->config_moved = false;
}

static void write_status(struct rf_virtio_mmio *m, uint32_t value)
{
	uint32_t added = value & STATUS_DRIVERS & ~m->status;
	const char *why;

	if (value == 0) {
		reset(m);
		return;
	}
	why = judge_status(m, value, added);
	if (why) {
		mmio_refuse(m, why);
		return;
	}
	if (added & RF_VIRTIO_STATUS_FEATURES_OK &&
	    !is_acceptable_features(m)) {
		mmio_refuse(m,
			    "status: FEATURES_OK with features not on offer");
		added &= ~(uint32_t)RF_VIRTIO_STATUS_FEATURES_OK;
	}
	m->status |= added & ~(uint32_t)RF_VIRTIO_STATUS_DRIVER_OK;
	regpage_show_status(m);
	if (added & RF_VIRTIO_STATUS_DRIVER_OK)
		start(m);
}

static void write_device_features_sel(struct rf_virtio_mmio *m, uint32_t value)
{
	m->device_features_sel = value;
	regpage_show_selected(m);
}

static void write_driver_features_sel(struct rf_virtio_mmio *m, uint32_t value)
{
	m->driver_features_sel = value;
}

static void write_driver_features(struct rf_virtio_mmio *m, uint32_t value)
{
	uint32_t shift = 32 * (m->driver_features_sel & 1);

	if (!has_status(m, RF_VIRTIO_STATUS_DRIVER) ||
	    has_status(m, RF_VIRTIO_STATUS_FEATURES_OK)) {
		mmio_refuse(m, "features: not the time to choose them");
		return;
	}
	if (m->driver_features_sel > 1) {
		m->took_unknown |= value != 0;
		return;
	}
	m->driver_features &= ~((uint64_t)UINT32_MAX << shift);
	m->driver_features |= (uint64_t)value << shift;
}

static void write_queue_notify(struct rf_virtio_mmio *m, uint32_t value)
{
	uint32_t index = value;

	if (!rf_virtio_mmio_is_running(m)) {
		mmio_refuse(m, "notify: the device does not run");
		return;
	}
	/* virtio 1.2, 2.9: the upper half is then a ring index. */
	if (m->driver_features & MMIO_F_NOTIFICATION_DATA)
		index = value & UINT16_MAX;
	if (index >= m->nr_queues || !m->queues[index].ready) {
		mmio_refuse(m, "notify: no such queue");
		return;
	}
	m->ops->notify(m->ctx, value);
}

static void write_interrupt_ack(struct rf_virtio_mmio *m, uint32_t value)
{
	/* Never bit 0; the reason is at the top of regpage.c. */
	m->interrupt_status &= ~(value & RF_VIRTIO_INTERRUPT_CONFIG);
	regpage_show_status(m);
}

static void write_shm_sel(struct rf_virtio_mmio *m, uint32_t value)
{
	(void)m; /* no region, whichever is selected */
	(void)value;
}

#define REG(name) (offsetof(struct rf_virtio_mmio_page, name) / 4)

/* What a write does; empty: not for writing. (Areas are not in it.) */
static void (*const writers[RF_VIRTIO_MMIO_CONFIG / 4])(struct rf_virtio_mmio *,
							uint32_t) = {
	[REG(device_features_sel)] = write_device_features_sel,
	[REG(driver_features)] = write_driver_features,
	[REG(driver_features_sel)] = write_driver_features_sel,
	[REG(queue_sel)] = mmio_queue_select,
	[REG(queue_num)] = mmio_queue_num,
	[REG(queue_ready)] = mmio_queue_ready,
	[REG(queue_notify)] = write_queue_notify,
	[REG(interrupt_ack)] = write_interrupt_ack,
	[REG(status)] = write_status,
	[REG(shm_sel)] = write_shm_sel,
	[REG(queue_reset)] = mmio_queue_reset,
};

static bool is_register_access(uint32_t offset, uint32_t len)
{
	return offset < RF_VIRTIO_MMIO_CONFIG && offset % 4 == 0 && len == 4;
}

/* All of it within the first `bytes` of configuration space. */
static bool is_config_access(uint32_t offset, uint32_t len, uint32_t bytes)
{
	if (offset < RF_VIRTIO_MMIO_CONFIG || len > 8 ||
	    !mmio_is_power_of_two(len))
		return false;
	offset -= RF_VIRTIO_MMIO_CONFIG;
	return offset <= bytes && len <= bytes - offset;
}

void rf_virtio_mmio_read(struct rf_virtio_mmio *m, uint32_t offset, void *data,
			 uint32_t len)
{
	const uint8_t *bytes = (const uint8_t *)m->page;

	memset(data, 0, len);
	if (is_register_access(offset, len) ||
	    is_config_access(offset, len, RF_VIRTIO_MMIO_CONFIG_MAX))
		memcpy(data, bytes + offset, len);
	else
		mmio_refuse(m, "read: no register that wide there");
}

static void write_config(struct rf_virtio_mmio *m, uint32_t offset,
			 const void *data, uint32_t len)
{
	if (!has_status(m, RF_VIRTIO_STATUS_FEATURES_OK) ||
	    m->status & MMIO_STATUS_BROKEN) {
		mmio_refuse(m, "config: not the time to write it");
		return;
	}
	if (!m->ops->config_write) {
		mmio_refuse(m, "config: the device has nothing to be written");
		return;
	}
	m->device_used = true;
	if (m->ops->config_write(m->ctx, offset, data, len) != 0)
		mmio_refuse(m, "config: the device refused the write");
	else
		regpage_put_config(m, offset, data, len);
}

void rf_virtio_mmio_write(struct rf_virtio_mmio *m, uint32_t offset,
			  const void *data, uint32_t len)
{
	uint32_t value;

	if (is_config_access(offset, len, m->config_bytes)) {
		write_config(m, offset - RF_VIRTIO_MMIO_CONFIG, data, len);
		return;
	}
	if (!is_register_access(offset, len)) {
		mmio_refuse(m, "write: no register that wide there");
		return;
	}
	memcpy(&value, data, sizeof(value));
	if (mmio_queue_is_area(offset))
		mmio_queue_area(m, offset, value);
	else if (writers[offset / 4])
		writers[offset / 4](m, value);
	else
		mmio_refuse(m, "write: the register is not for writing");
}
