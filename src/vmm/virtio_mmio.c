/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * virtio_mmio.c - virtio-mmio version 2 registers in front of a lying driver
 *
 * Side:    vmm. Each access is a guest's; the device sees only what passed.
 * Owns:    the state behind the registers. The page is the caller's and is
 *          written here, never believed: the guest, or whoever shares its
 *          memory, may come to see it.
 * Callers: src/vmm and other monitors, through <ringfence/virtio_mmio.h>, with
 *          the device's lock held.
 * Never:   prints, allocates, locks, makes a system call.
 *
 * InterruptStatus. Used-buffer interrupts go from the device process to the
 * interrupt controller without passing here, so bit 0 cannot follow them:
 *
 *      device             guest, vCPU 0          here
 *      used += 1, irq
 *                         reads status: 1
 *      used += 1, irq
 *                         ACK 1 (exits)          clears bit 0
 *                         second irq: reads 0,
 *                         "not mine": lost
 *
 * An acknowledgement cannot tell which of the two it means, so bit 0 stays 1
 * while DRIVER_OK is set; at worst the driver looks at its rings once too
 * often. Bit 1 is set and cleared here, both under the lock. An ACK that was on
 * its way when a second change came clears that one's bit too: the driver,
 * which acknowledges before it looks, then reads the newer configuration.
 */
#include <errno.h>
#include <string.h>

#include <ringfence/virtio_mmio.h>

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
	      "virtio 1.2, 4.2.2: registers are little endian");

#define BIT(nr) (UINT64_C(1) << (nr))

/* virtio 1.2, 6 */
#define F_VERSION_1 BIT(32)
#define F_RING_PACKED BIT(34)
#define F_NOTIFICATION_DATA BIT(38)
#define F_RING_RESET BIT(40)
/* Not virtio's: vhost-user uses this one of the reserved bits for itself. */
#define F_VHOST_USER BIT(30)

#define QUEUE_NUM_MAX 32768u /* virtio 1.2, 2.7 */

#define STATUS_DRIVERS                                               \
	(RF_VIRTIO_STATUS_ACKNOWLEDGE | RF_VIRTIO_STATUS_DRIVER |    \
	 RF_VIRTIO_STATUS_DRIVER_OK | RF_VIRTIO_STATUS_FEATURES_OK | \
	 RF_VIRTIO_STATUS_FAILED)
#define STATUS_BROKEN (RF_VIRTIO_STATUS_NEEDS_RESET | RF_VIRTIO_STATUS_FAILED)

static void refuse(struct rf_virtio_mmio *m, const char *why)
{
	m->refusals++;
	m->refused = why;
}

/* A vCPU may be reading the register at this moment: one store, whole. */
static void show(uint32_t *reg, uint32_t value)
{
	__atomic_store_n(reg, value, __ATOMIC_RELEASE);
}

static bool has_status(const struct rf_virtio_mmio *m, uint32_t bits)
{
	return (m->status & bits) == bits;
}

static void show_status(struct rf_virtio_mmio *m)
{
	show(&m->page->status, m->status);
	show(&m->page->interrupt_status, m->interrupt_status);
}

/* Registers whose content depends on a selector. */
static void show_selected(struct rf_virtio_mmio *m)
{
	struct rf_virtio_mmio_queue none = { .num_max = 0 };
	const struct rf_virtio_mmio_queue *q = &none;
	uint64_t features = 0;

	if (m->device_features_sel < 2)
		features = m->device_features >> (32 * m->device_features_sel);
	if (m->queue_sel < m->nr_queues)
		q = &m->queues[m->queue_sel];
	show(&m->page->device_features, (uint32_t)features);
	show(&m->page->queue_num_max, q->num_max);
	show(&m->page->queue_ready, q->ready);
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
	for (i = 0; i < m->nr_queues; i++)
		m->queues[i] = (struct rf_virtio_mmio_queue){
			.num_max = m->queues[i].num_max,
		};
	show_status(m);
	show_selected(m);
}

static bool is_power_of_two(uint32_t n)
{
	return n != 0 && (n & (n - 1)) == 0;
}

static bool is_valid_params(const struct rf_virtio_mmio_params *p)
{
	const struct rf_virtio_mmio_ops *ops = p->ops;

	if (!p->page || !ops || !ops->driver_ok || !ops->reset ||
	    !ops->notify || !ops->interrupt)
		return false;
	if (!(p->features & F_VERSION_1))
		return false;
	if (p->nr_queues == 0 || p->nr_queues > RF_VIRTIO_MMIO_QUEUES_MAX)
		return false;
	if (!is_power_of_two(p->queue_num_max) ||
	    p->queue_num_max > QUEUE_NUM_MAX)
		return false;
	return p->config_bytes <= RF_VIRTIO_MMIO_CONFIG_MAX;
}

static void fill_page(const struct rf_virtio_mmio_params *p)
{
	struct rf_virtio_mmio_page *page = p->page;

	memset(page, 0, sizeof(*page));
	page->magic_value = RF_VIRTIO_MMIO_MAGIC;
	page->version = RF_VIRTIO_MMIO_VERSION;
	page->device_id = p->device_id;
	page->vendor_id = p->vendor_id;
	/* No shared memory region, whichever is selected: 4.2.2. */
	page->shm_len_low = UINT32_MAX;
	page->shm_len_high = UINT32_MAX;
	page->shm_base_low = UINT32_MAX;
	page->shm_base_high = UINT32_MAX;
	if (p->config)
		memcpy(page->config, p->config, p->config_bytes);
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
		.device_features = p->features & ~(F_RING_PACKED |
						   F_RING_RESET | F_VHOST_USER),
		.config_bytes = p->config_bytes,
		.nr_queues = p->nr_queues,
	};
	for (i = 0; i < m->nr_queues; i++)
		m->queues[i].num_max = p->queue_num_max;
	fill_page(p);
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
	show_status(m); /* before the interrupt that makes the guest look */
	m->ops->interrupt(m->ctx);
}

void rf_virtio_mmio_needs_reset(struct rf_virtio_mmio *m)
{
	if (has_status(m, RF_VIRTIO_STATUS_NEEDS_RESET))
		return;
	m->status |= RF_VIRTIO_STATUS_NEEDS_RESET;
	show_status(m);
	interrupt_config(m);
}

void rf_virtio_mmio_config_changed(struct rf_virtio_mmio *m, const void *config)
{
	/* The generation moves before and after, so that a driver that reads
	 * the page itself, across the change, sees two different ones. One that
	 * reads wholly within it is told by the interrupt to read again. */
	show(&m->page->config_generation, ++m->config_generation);
	memcpy(m->page->config, config, m->config_bytes);
	show(&m->page->config_generation, ++m->config_generation);
	interrupt_config(m);
}

static void reset(struct rf_virtio_mmio *m)
{
	if (m->device_used)
		m->ops->reset(m->ctx);
	clear(m);
}

static bool is_acceptable_features(const struct rf_virtio_mmio *m)
{
	return !(m->driver_features & ~m->device_features) &&
	       !m->took_unknown && (m->driver_features & F_VERSION_1);
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
	if (m->status & STATUS_BROKEN)
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
	show_status(m);
	m->device_used = true;
	if (m->ops->driver_ok(m->ctx, m->driver_features) != 0)
		rf_virtio_mmio_needs_reset(m);
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
		refuse(m, why);
		return;
	}
	if (added & RF_VIRTIO_STATUS_FEATURES_OK &&
	    !is_acceptable_features(m)) {
		refuse(m, "status: FEATURES_OK with features not on offer");
		added &= ~(uint32_t)RF_VIRTIO_STATUS_FEATURES_OK;
	}
	m->status |= added & ~(uint32_t)RF_VIRTIO_STATUS_DRIVER_OK;
	show_status(m);
	if (added & RF_VIRTIO_STATUS_DRIVER_OK)
		start(m);
}

static void write_device_features_sel(struct rf_virtio_mmio *m, uint32_t value)
{
	m->device_features_sel = value;
	show_selected(m);
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
		refuse(m, "features: not the time to choose them");
		return;
	}
	if (m->driver_features_sel > 1) {
		m->took_unknown |= value != 0;
		return;
	}
	m->driver_features &= ~((uint64_t)UINT32_MAX << shift);
	m->driver_features |= (uint64_t)value << shift;
}

static void write_queue_sel(struct rf_virtio_mmio *m, uint32_t value)
{
	m->queue_sel = value;
	show_selected(m);
}

/* The selected queue, if this is the time to set queues up; else NULL, and the
 * refusal is noted. */
static struct rf_virtio_mmio_queue *selected_queue(struct rf_virtio_mmio *m)
{
	const char *why = NULL;

	if (m->queue_sel >= m->nr_queues)
		why = "queue: no such queue";
	else if (!has_status(m, RF_VIRTIO_STATUS_FEATURES_OK))
		why = "queue: set up before FEATURES_OK";
	else if (m->status & (RF_VIRTIO_STATUS_DRIVER_OK | STATUS_BROKEN))
		why = "queue: changed after DRIVER_OK";
	if (!why)
		return &m->queues[m->queue_sel];
	refuse(m, why);
	return NULL;
}

static struct rf_virtio_mmio_queue *changeable_queue(struct rf_virtio_mmio *m)
{
	struct rf_virtio_mmio_queue *q = selected_queue(m);

	if (q && q->ready) {
		refuse(m, "queue: changed while ready");
		return NULL;
	}
	return q;
}

static void write_queue_num(struct rf_virtio_mmio *m, uint32_t value)
{
	struct rf_virtio_mmio_queue *q = changeable_queue(m);

	if (!q)
		return;
	if (!is_power_of_two(value) || value > q->num_max) {
		refuse(m, "queue: size out of range or no power of two");
		return;
	}
	q->num = value;
}

/* Aligned, and all of it has addresses. Whether there is memory behind them the
 * device finds out, which maps it: virtio 1.2, 2.7. */
static bool is_valid_area(uint64_t addr, uint64_t align, uint64_t bytes)
{
	return addr % align == 0 && bytes - 1 <= UINT64_MAX - addr;
}

static bool is_valid_queue(const struct rf_virtio_mmio_queue *q)
{
	uint64_t num = q->num;

	return num != 0 && is_valid_area(q->desc, 16, 16 * num) &&
	       is_valid_area(q->driver, 2, 6 + 2 * num) &&
	       is_valid_area(q->device, 4, 6 + 8 * num);
}

static void write_queue_ready(struct rf_virtio_mmio *m, uint32_t value)
{
	struct rf_virtio_mmio_queue *q = selected_queue(m);

	if (!q)
		return;
	if (value > 1) {
		refuse(m, "queue: QueueReady takes 0 or 1");
		return;
	}
	if (value == 1 && !is_valid_queue(q)) {
		refuse(m, "queue: ready without valid size and addresses");
		return;
	}
	q->ready = value == 1;
	show_selected(m);
}

/* Which of a queue's addresses the register at `offset` is a half of, or NULL.
 * The high half follows the low one. */
static uint64_t *find_area(struct rf_virtio_mmio_queue *q, uint32_t offset)
{
	switch (offset & ~4u) {
	case offsetof(struct rf_virtio_mmio_page, queue_desc_low):
		return &q->desc;
	case offsetof(struct rf_virtio_mmio_page, queue_driver_low):
		return &q->driver;
	case offsetof(struct rf_virtio_mmio_page, queue_device_low):
		return &q->device;
	default:
		return NULL;
	}
}

static bool is_area(uint32_t offset)
{
	struct rf_virtio_mmio_queue any;

	return find_area(&any, offset) != NULL;
}

static void write_area(struct rf_virtio_mmio *m, uint32_t offset,
		       uint32_t value)
{
	struct rf_virtio_mmio_queue *q = changeable_queue(m);
	uint64_t *addr;

	if (!q)
		return;
	addr = find_area(q, offset);
	if (offset & 4)
		*addr = (*addr & UINT32_MAX) | (uint64_t)value << 32;
	else
		*addr = (*addr & ~(uint64_t)UINT32_MAX) | value;
}

static void write_queue_notify(struct rf_virtio_mmio *m, uint32_t value)
{
	uint32_t index = value;

	if (!rf_virtio_mmio_is_running(m)) {
		refuse(m, "notify: the device does not run");
		return;
	}
	/* virtio 1.2, 2.9: the upper half is then a ring index. */
	if (m->driver_features & F_NOTIFICATION_DATA)
		index = value & UINT16_MAX;
	if (index >= m->nr_queues || !m->queues[index].ready) {
		refuse(m, "notify: no such queue");
		return;
	}
	m->ops->notify(m->ctx, value);
}

static void write_interrupt_ack(struct rf_virtio_mmio *m, uint32_t value)
{
	/* Never bit 0; the reason is at the top of this file. */
	m->interrupt_status &= ~(value & RF_VIRTIO_INTERRUPT_CONFIG);
	show_status(m);
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
	[REG(queue_sel)] = write_queue_sel,
	[REG(queue_num)] = write_queue_num,
	[REG(queue_ready)] = write_queue_ready,
	[REG(queue_notify)] = write_queue_notify,
	[REG(interrupt_ack)] = write_interrupt_ack,
	[REG(status)] = write_status,
	[REG(shm_sel)] = write_shm_sel,
};

static bool is_register_access(uint32_t offset, uint32_t len)
{
	return offset < RF_VIRTIO_MMIO_CONFIG && offset % 4 == 0 && len == 4;
}

/* All of it within the first `bytes` of configuration space. */
static bool is_config_access(uint32_t offset, uint32_t len, uint32_t bytes)
{
	if (offset < RF_VIRTIO_MMIO_CONFIG || len > 8 || !is_power_of_two(len))
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
		refuse(m, "read: no register that wide there");
}

static void write_config(struct rf_virtio_mmio *m, uint32_t offset,
			 const void *data, uint32_t len)
{
	if (!has_status(m, RF_VIRTIO_STATUS_FEATURES_OK) ||
	    m->status & STATUS_BROKEN) {
		refuse(m, "config: not the time to write it");
		return;
	}
	if (!m->ops->config_write) {
		refuse(m, "config: the device has nothing to be written");
		return;
	}
	m->device_used = true;
	if (m->ops->config_write(m->ctx, offset, data, len) != 0)
		refuse(m, "config: the device refused the write");
	else
		memcpy(m->page->config + offset, data, len);
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
		refuse(m, "write: no register that wide there");
		return;
	}
	memcpy(&value, data, sizeof(value));
	if (is_area(offset))
		write_area(m, offset, value);
	else if (writers[offset / 4])
		writers[offset / 4](m, value);
	else
		refuse(m, "write: the register is not for writing");
}
