/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * mmio_driver.c - a device that takes notes, and the steps of a driver to it
 */
#include "unit/mmio_driver.h"

static int on_driver_ok(void *ctx, uint64_t features)
{
	struct device *d = ctx;

	d->started++;
	d->features = features;
	d->interrupt_status_at_start = d->page.interrupt_status;
	return d->answer;
}

static int on_reset(void *ctx)
{
	struct device *d = ctx;

	d->resets++;
	d->status_at_reset = d->page.status;
	return d->end_unsure;
}

static void on_notify(void *ctx, uint32_t value)
{
	struct device *d = ctx;

	d->notifies++;
	d->notified = value;
}

static int on_config_write(void *ctx, uint32_t offset, const void *data,
			   uint32_t len)
{
	struct device *d = ctx;

	d->config_writes++;
	d->config_offset = offset;
	d->config_len = len;
	memcpy(&d->config_first, data, 1);
	return d->answer;
}

static void on_interrupt(void *ctx)
{
	struct device *d = ctx;

	d->interrupts++;
	d->interrupt_status_at_interrupt = d->page.interrupt_status;
}

static int on_queue_stop(void *ctx, uint16_t queue)
{
	struct device *d = ctx;

	d->queue_stops++;
	d->queue = queue;
	d->reset_at_stop = d->page.queue_reset;
	return d->end_unsure;
}

static int on_queue_start(void *ctx, uint16_t queue)
{
	struct device *d = ctx;

	d->queue_starts++;
	d->queue = queue;
	return d->answer;
}

const struct rf_virtio_mmio_ops ops = {
	.driver_ok = on_driver_ok,
	.reset = on_reset,
	.queue_stop = on_queue_stop,
	.queue_start = on_queue_start,
	.notify = on_notify,
	.config_write = on_config_write,
	.interrupt = on_interrupt,
};

const uint8_t config[13] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13 };

struct rf_virtio_mmio_params params(struct device *d)
{
	return (struct rf_virtio_mmio_params){
		.page = &d->page,
		.ops = &ops,
		.ctx = d,
		.device_id = 2,
		.vendor_id = 0x5246,
		.features = OFFERED,
		.nr_queues = 3,
		.queue_num_max = 256,
		.config = config,
		.config_bytes = sizeof(config),
	};
}

void setup_with(struct device *d, uint64_t features)
{
	struct rf_virtio_mmio_params p = params(d);

	p.features |= features;
	memset(d, 0, sizeof(*d));
	memset(&d->page, 0xee, sizeof(d->page));
	ck_assert_int_eq(rf_virtio_mmio_init(&d->m, &p), 0);
}

void setup(struct device *d)
{
	setup_with(d, 0);
}

uint32_t get(struct device *d, uint32_t offset)
{
	uint32_t value = 0xdeadbeef;

	rf_virtio_mmio_read(&d->m, offset, &value, 4);
	return value;
}

void put(struct device *d, uint32_t offset, uint32_t value)
{
	rf_virtio_mmio_write(&d->m, offset, &value, 4);
}

void assert_refused(struct device *d, uint32_t offset, uint32_t value)
{
	struct rf_virtio_mmio before = d->m;
	struct rf_virtio_mmio_page page = d->page;

	put(d, offset, value);
	ck_assert_uint_eq(d->m.refusals, before.refusals + 1);
	ck_assert_ptr_nonnull(d->m.refused);
	before.refusals = d->m.refusals;
	before.refused = d->m.refused;
	ck_assert_mem_eq(&d->m, &before, sizeof(before));
	ck_assert_mem_eq(&d->page, &page, sizeof(page));
}

void choose_features(struct device *d, uint64_t features)
{
	put(d, STATUS, ACK);
	put(d, STATUS, ACK | DRIVER);
	put(d, DRIVER_FEATURES_SEL, 0);
	put(d, DRIVER_FEATURES, (uint32_t)features);
	put(d, DRIVER_FEATURES_SEL, 1);
	put(d, DRIVER_FEATURES, (uint32_t)(features >> 32));
	put(d, STATUS, ACK | DRIVER | FEATURES_OK);
}

void set_up_queue(struct device *d, uint32_t queue, uint32_t num)
{
	put(d, QUEUE_SEL, queue);
	put(d, QUEUE_NUM, num);
	put(d, DESC_LOW, 0x10000);
	put(d, DESC_HIGH, 1);
	put(d, DRIVER_LOW, 0x20002);
	put(d, DRIVER_HIGH, 2);
	put(d, DEVICE_LOW, 0x30004);
	put(d, DEVICE_HIGH, 3);
	put(d, QUEUE_READY, 1);
}

void run(struct device *d)
{
	choose_features(d, BIT(32) | BIT(9));
	set_up_queue(d, 0, 128);
	set_up_queue(d, 2, 256);
	put(d, STATUS, ACK | DRIVER | FEATURES_OK | OK);
}
