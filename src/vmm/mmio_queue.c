/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * mmio_queue.c - the registers with which a driver sets its queues up
 *
 * A queue is set up between FEATURES_OK and DRIVER_OK, is frozen while it is
 * ready, and is frozen for good once the driver runs. The one way back without
 * a reset of the whole device is QueueReset (virtio 1.2, 2.6.1): that queue
 * alone is stopped, cleared, set up anew and started by QueueReady.
 *
 * Side:    vmm.
 * Owns:    struct rf_virtio_mmio_queue.
 * Callers: virtio_mmio.c.
 * Never:   adds to an address, lets a queue become ready that the device could
 *          not make sense of.
 */
#include "vmm/mmio_queue.h"
#include "vmm/regpage.h"

static bool is_packed(const struct rf_virtio_mmio *m)
{
	return m->driver_features & MMIO_F_RING_PACKED;
}

void mmio_queue_clear(struct rf_virtio_mmio_queue *q)
{
	*q = (struct rf_virtio_mmio_queue){ .num_max = q->num_max };
}

void mmio_queue_select(struct rf_virtio_mmio *m, uint32_t value)
{
	m->queue_sel = value;
	regpage_show_selected(m);
}

static const char *judge_time(const struct rf_virtio_mmio *m,
			      const struct rf_virtio_mmio_queue *q)
{
	if (!(m->status & RF_VIRTIO_STATUS_FEATURES_OK))
		return "queue: set up before FEATURES_OK";
	if (m->status & MMIO_STATUS_BROKEN)
		return "queue: the device waits for a reset";
	if (m->status & RF_VIRTIO_STATUS_DRIVER_OK && !q->was_reset)
		return "queue: changed after DRIVER_OK";
	return NULL;
}

/* The selected queue, if this is the time to set it up; else NULL, and the
 * refusal is noted. */
static struct rf_virtio_mmio_queue *selected_queue(struct rf_virtio_mmio *m)
{
	struct rf_virtio_mmio_queue *q;
	const char *why;

	if (m->queue_sel >= m->nr_queues) {
		mmio_refuse(m, "queue: no such queue");
		return NULL;
	}
	q = &m->queues[m->queue_sel];
	why = judge_time(m, q);
	if (!why)
		return q;
	mmio_refuse(m, why);
	return NULL;
}

static struct rf_virtio_mmio_queue *changeable_queue(struct rf_virtio_mmio *m)
{
	struct rf_virtio_mmio_queue *q = selected_queue(m);

	if (q && q->ready) {
		mmio_refuse(m, "queue: changed while ready");
		return NULL;
	}
	return q;
}

void mmio_queue_num(struct rf_virtio_mmio *m, uint32_t value)
{
	struct rf_virtio_mmio_queue *q = changeable_queue(m);

	if (!q)
		return;
	/* Of packed queues any size will do: virtio 1.2, 2.8. */
	if (value == 0 || value > q->num_max ||
	    (!is_packed(m) && !mmio_is_power_of_two(value))) {
		mmio_refuse(m, "queue: size out of range or no power of two");
		return;
	}
	q->num = value;
}

/* Aligned, and all of it has addresses. Whether there is memory behind them the
 * device finds out, which maps it: virtio 1.2, 2.7 and 2.8.10.1. */
static bool is_valid_area(uint64_t addr, uint64_t align, uint64_t bytes)
{
	return addr % align == 0 && bytes - 1 <= UINT64_MAX - addr;
}

static bool is_valid_queue(const struct rf_virtio_mmio_queue *q, bool packed)
{
	uint64_t num = q->num;

	if (num == 0 || !is_valid_area(q->desc, 16, 16 * num))
		return false;
	if (packed)
		return is_valid_area(q->driver, 4, 4) &&
		       is_valid_area(q->device, 4, 4);
	return is_valid_area(q->driver, 2, 6 + 2 * num) &&
	       is_valid_area(q->device, 4, 6 + 8 * num);
}

/* Of a queue that was reset by itself; the device's other queues run. */
static void restart(struct rf_virtio_mmio *m, struct rf_virtio_mmio_queue *q)
{
	q->was_reset = false;
	if (m->ops->queue_start(m->ctx, (uint16_t)m->queue_sel) != 0)
		rf_virtio_mmio_needs_reset(m);
}

void mmio_queue_ready(struct rf_virtio_mmio *m, uint32_t value)
{
	struct rf_virtio_mmio_queue *q = selected_queue(m);

	if (!q)
		return;
	if (value > 1) {
		mmio_refuse(m, "queue: QueueReady takes 0 or 1");
		return;
	}
	if (value == 1 && !is_valid_queue(q, is_packed(m))) {
		mmio_refuse(m, "queue: ready without valid size and addresses");
		return;
	}
	q->ready = value == 1;
	regpage_show_selected(m);
	if (q->ready && q->was_reset)
		restart(m, q);
}

static const char *judge_reset(const struct rf_virtio_mmio *m, uint32_t value)
{
	if (!(m->driver_features & MMIO_F_RING_RESET))
		return "queue: QueueReset without RING_RESET";
	if (value != 1)
		return "queue: QueueReset takes 1";
	if (!rf_virtio_mmio_is_running(m) ||
	    m->status & RF_VIRTIO_STATUS_FAILED)
		return "queue: reset while the device does not run";
	if (m->queue_sel >= m->nr_queues || !m->queues[m->queue_sel].ready)
		return "queue: reset of one that is not ready";
	return NULL;
}

void mmio_queue_reset(struct rf_virtio_mmio *m, uint32_t value)
{
	const char *why = judge_reset(m, value);

	if (why) {
		mmio_refuse(m, why);
		return;
	}
	m->stopping |= UINT32_C(1) << m->queue_sel;
	regpage_show_selected(m);
	if (m->ops->queue_stop(m->ctx, (uint16_t)m->queue_sel) == 0)
		mmio_queues_stopped(m);
	else
		mmio_wait_for_device(m);
}

void mmio_queues_stopped(struct rf_virtio_mmio *m)
{
	uint16_t i;

	for (i = 0; i < m->nr_queues; i++) {
		if (!(m->stopping & UINT32_C(1) << i))
			continue;
		mmio_queue_clear(&m->queues[i]);
		m->queues[i].was_reset = true;
	}
	m->stopping = 0;
	regpage_show_selected(m);
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

bool mmio_queue_is_area(uint32_t offset)
{
	struct rf_virtio_mmio_queue any;

	return find_area(&any, offset) != NULL;
}

void mmio_queue_area(struct rf_virtio_mmio *m, uint32_t offset, uint32_t value)
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
