/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * test_virtio_mmio.c - a driver's every disorder: src/vmm/virtio_mmio.c
 *
 * What is about queues is in test_mmio_queue.c, what is about a guest that
 * reads the page by itself in test_regpage.c.
 */
#include "unit/mmio_driver.h"

START_TEST(fresh_registers_read_as_the_specification_says)
{
	struct device d;
	uint32_t offset;

	setup(&d);
	ck_assert_uint_eq(get(&d, MAGIC), 0x74726976);
	ck_assert_uint_eq(get(&d, VERSION), 2);
	ck_assert_uint_eq(get(&d, DEVICE_ID), 2);
	ck_assert_uint_eq(get(&d, VENDOR_ID), 0x5246);
	ck_assert_uint_eq(get(&d, DEVICE_FEATURES), (uint32_t)OFFERED);
	ck_assert_uint_eq(get(&d, QUEUE_NUM_MAX), 256);
	ck_assert_uint_eq(get(&d, SHM_LEN_LOW), UINT32_MAX);
	ck_assert_uint_eq(get(&d, SHM_LEN_HIGH), UINT32_MAX);
	for (offset = 0x020; offset < 0x0b0; offset += 4)
		if (offset != QUEUE_NUM_MAX)
			ck_assert_uint_eq(get(&d, offset), 0);
	ck_assert_uint_eq(get(&d, QUEUE_RESET), 0);
	ck_assert_uint_eq(get(&d, GENERATION), 0);
	ck_assert_uint_eq(d.m.refusals, 0);
}
END_TEST

START_TEST(page_holds_what_reads_return)
{
	struct device d;
	uint32_t offset, value;

	setup(&d);
	run(&d);
	rf_virtio_mmio_needs_reset(&d.m);
	for (offset = 0; offset < RF_VIRTIO_MMIO_BYTES; offset += 4) {
		memcpy(&value, (uint8_t *)&d.page + offset, 4);
		ck_assert_uint_eq(get(&d, offset), value);
	}
}
END_TEST

/* Whoever else can write the page gains nothing by it. */
START_TEST(page_is_not_believed)
{
	struct device d;

	setup(&d);
	memset(&d.page, 0xff, sizeof(d.page));
	assert_refused(&d, QUEUE_NOTIFY, 0);
	ck_assert(!rf_virtio_mmio_is_running(&d.m));
	put(&d, STATUS, 0);
	ck_assert_int_eq(d.resets, 0);
	run(&d);
	ck_assert_int_eq(d.started, 1);
	ck_assert_uint_eq(d.features, BIT(32) | BIT(9));
}
END_TEST

START_TEST(selectors_choose_features)
{
	struct device d;

	setup(&d);
	put(&d, DEVICE_FEATURES_SEL, 1);
	ck_assert_uint_eq(get(&d, DEVICE_FEATURES), (uint32_t)(OFFERED >> 32));
	put(&d, DEVICE_FEATURES_SEL, 2);
	ck_assert_uint_eq(get(&d, DEVICE_FEATURES), 0);
	put(&d, DEVICE_FEATURES_SEL, UINT32_MAX);
	ck_assert_uint_eq(get(&d, DEVICE_FEATURES), 0);
	put(&d, DEVICE_FEATURES_SEL, 0);
	ck_assert_uint_eq(get(&d, DEVICE_FEATURES), (uint32_t)OFFERED);
}
END_TEST

START_TEST(features_that_nobody_can_serve_are_not_offered)
{
	struct rf_virtio_mmio_ops partial = ops;
	struct device d;
	struct rf_virtio_mmio_params p = params(&d);

	setup_with(&d, BIT(30) | BIT(34) | BIT(40));
	ck_assert_uint_eq(d.m.device_features, OFFERED | BIT(34) | BIT(40));
	/* Nobody here could stop a queue alone. */
	partial.queue_stop = NULL;
	partial.queue_start = NULL;
	p.ops = &partial;
	p.features |= BIT(34) | BIT(40);
	ck_assert_int_eq(rf_virtio_mmio_init(&d.m, &p), 0);
	ck_assert_uint_eq(d.m.device_features, OFFERED | BIT(34));
}
END_TEST

START_TEST(driver_that_keeps_the_order_reaches_the_device)
{
	struct device d;

	setup(&d);
	run(&d);
	ck_assert_uint_eq(d.m.refusals, 0);
	ck_assert_uint_eq(get(&d, STATUS), 15);
	ck_assert_int_eq(d.started, 1);
	ck_assert_uint_eq(d.features, BIT(32) | BIT(9));
	ck_assert(rf_virtio_mmio_is_running(&d.m));
	ck_assert(d.m.queues[0].ready);
	ck_assert(!d.m.queues[1].ready);
	ck_assert_uint_eq(d.m.queues[0].num, 128);
	ck_assert_uint_eq(d.m.queues[0].desc, 0x100010000);
	ck_assert_uint_eq(d.m.queues[0].driver, 0x200020002);
	ck_assert_uint_eq(d.m.queues[0].device, 0x300030004);
	put(&d, QUEUE_NOTIFY, 2);
	ck_assert_int_eq(d.notifies, 1);
	ck_assert_uint_eq(d.notified, 2);
}
END_TEST

START_TEST(status_bits_out_of_order_are_refused)
{
	static const uint32_t first[] = {
		DRIVER,
		FEATURES_OK,
		OK,
		ACK | FEATURES_OK,
		ACK | OK,
		DRIVER | OK,
		DRIVER | FEATURES_OK,
		ACK | DRIVER | OK,
		ACK | DRIVER | FEATURES_OK | OK,
		16,
		32,
		256,
		ACK | 0x80000000,
		UINT32_MAX,
	};
	struct device d;
	size_t i;

	setup(&d);
	for (i = 0; i < RF_ARRAY_LEN(first); i++)
		assert_refused(&d, STATUS, first[i]);
	put(&d, STATUS, ACK | DRIVER); /* in one write is in order */
	ck_assert_uint_eq(get(&d, STATUS), ACK | DRIVER);
	ck_assert_int_eq(d.started, 0);
}
END_TEST

START_TEST(status_bits_are_not_taken_back)
{
	struct device d;

	setup(&d);
	run(&d);
	assert_refused(&d, STATUS, ACK);
	assert_refused(&d, STATUS, ACK | DRIVER | FEATURES_OK);
	assert_refused(&d, STATUS, BROKEN);
	put(&d, STATUS, 15);
	ck_assert_int_eq(d.started, 1);
	ck_assert_uint_eq(get(&d, STATUS), 15);
}
END_TEST

START_TEST(driver_cannot_set_needs_reset)
{
	struct device d;

	setup(&d);
	put(&d, STATUS, ACK | BROKEN);
	ck_assert_uint_eq(get(&d, STATUS), ACK);
}
END_TEST

static void assert_features_refused(uint64_t features)
{
	struct device d;

	setup(&d);
	choose_features(&d, features);
	ck_assert_uint_eq(get(&d, STATUS), ACK | DRIVER);
	assert_refused(&d, STATUS, ACK | DRIVER | OK);
	assert_refused(&d, STATUS, ACK | DRIVER | FEATURES_OK | OK);
	assert_refused(&d, QUEUE_NUM, 128);
	/* It may think again. */
	choose_features(&d, BIT(32));
	ck_assert_uint_eq(get(&d, STATUS), ACK | DRIVER | FEATURES_OK);
}

START_TEST(features_that_are_not_on_offer_are_not_accepted)
{
	uint32_t bit;

	assert_features_refused(0);
	assert_features_refused(BIT(9));
	assert_features_refused(UINT64_MAX);
	for (bit = 0; bit < 64; bit++)
		if (!(OFFERED & BIT(bit)))
			assert_features_refused(BIT(32) | BIT(bit));
}
END_TEST

START_TEST(features_beyond_the_64th_are_not_accepted)
{
	struct device d;

	setup(&d);
	put(&d, STATUS, ACK | DRIVER);
	put(&d, DRIVER_FEATURES_SEL, 2);
	put(&d, DRIVER_FEATURES, 0);
	put(&d, DRIVER_FEATURES_SEL, 3);
	put(&d, DRIVER_FEATURES, 1);
	choose_features(&d, BIT(32));
	ck_assert_uint_eq(get(&d, STATUS), ACK | DRIVER);
	put(&d, STATUS, 0);
	choose_features(&d, BIT(32));
	ck_assert_uint_eq(get(&d, STATUS), ACK | DRIVER | FEATURES_OK);
}
END_TEST

START_TEST(features_are_chosen_between_driver_and_features_ok_only)
{
	struct device d;

	setup(&d);
	assert_refused(&d, DRIVER_FEATURES, 1);
	put(&d, STATUS, ACK);
	assert_refused(&d, DRIVER_FEATURES, 1);
	choose_features(&d, BIT(32));
	assert_refused(&d, DRIVER_FEATURES, 0);
	put(&d, DRIVER_FEATURES_SEL, 5);
	assert_refused(&d, DRIVER_FEATURES, 1);
}
END_TEST

START_TEST(notify_reaches_running_queues_only)
{
	struct device d;

	setup(&d);
	assert_refused(&d, QUEUE_NOTIFY, 0);
	run(&d);
	assert_refused(&d, QUEUE_NOTIFY, 1); /* not ready */
	assert_refused(&d, QUEUE_NOTIFY, 3);
	assert_refused(&d, QUEUE_NOTIFY, 32);
	assert_refused(&d, QUEUE_NOTIFY, 0x10000); /* no data negotiated */
	assert_refused(&d, QUEUE_NOTIFY, UINT32_MAX);
	rf_virtio_mmio_needs_reset(&d.m);
	assert_refused(&d, QUEUE_NOTIFY, 0);
	ck_assert_int_eq(d.notifies, 0);
}
END_TEST

START_TEST(notify_with_data_keeps_its_whole_value)
{
	struct device d;

	setup(&d);
	choose_features(&d, BIT(32) | BIT(38));
	set_up_queue(&d, 2, 64);
	put(&d, STATUS, 15);
	put(&d, QUEUE_NOTIFY, 0xabcd0002);
	ck_assert_uint_eq(d.notified, 0xabcd0002);
	assert_refused(&d, QUEUE_NOTIFY, 0xabcd0003);
}
END_TEST

START_TEST(device_that_refuses_to_start_needs_a_reset)
{
	struct device d;

	setup(&d);
	d.answer = -EPROTO;
	run(&d);
	ck_assert_uint_eq(get(&d, STATUS), 15 | BROKEN);
	ck_assert_uint_eq(get(&d, INTERRUPT_STATUS), 3);
	ck_assert_int_eq(d.interrupts, 1);
	ck_assert(!rf_virtio_mmio_is_running(&d.m));
	assert_refused(&d, QUEUE_NOTIFY, 0);
	d.answer = 0;
	put(&d, STATUS, 0);
	ck_assert_int_eq(d.resets, 1);
	run(&d);
	ck_assert_int_eq(d.started, 2);
	ck_assert(rf_virtio_mmio_is_running(&d.m));
}
END_TEST

START_TEST(needs_reset_is_told_once_and_lasts_until_the_reset)
{
	struct device d;

	setup(&d);
	run(&d);
	rf_virtio_mmio_needs_reset(&d.m);
	rf_virtio_mmio_needs_reset(&d.m);
	ck_assert_int_eq(d.interrupts, 1);
	ck_assert_uint_eq(d.interrupt_status_at_interrupt, 3);
	assert_refused(&d, CONFIG, 1);
	put(&d, STATUS, 15 | BROKEN);
	put(&d, STATUS, 15); /* the bit is not the driver's to clear */
	ck_assert_uint_eq(get(&d, STATUS), 15 | BROKEN);
	put(&d, STATUS, 0);
	ck_assert_uint_eq(get(&d, STATUS), 0);
}
END_TEST

START_TEST(device_that_breaks_early_is_not_started)
{
	struct device d;

	setup(&d);
	choose_features(&d, BIT(32));
	rf_virtio_mmio_needs_reset(&d.m);
	ck_assert_int_eq(d.interrupts, 0); /* no driver to be told */
	assert_refused(&d, QUEUE_NUM, 64);
	assert_refused(&d, STATUS, 15);
	ck_assert_int_eq(d.started, 0);
	put(&d, STATUS, 0);
	run(&d);
	ck_assert_int_eq(d.started, 1);
}
END_TEST

START_TEST(driver_that_failed_starts_nothing_without_a_reset)
{
	struct device d;

	setup(&d);
	choose_features(&d, BIT(32));
	put(&d, STATUS, 11 | FAILED);
	ck_assert_uint_eq(get(&d, STATUS), 11 | FAILED);
	assert_refused(&d, STATUS, 15 | FAILED);
	assert_refused(&d, QUEUE_NUM, 64);
	assert_refused(&d, CONFIG, 1);
	ck_assert_int_eq(d.started, 0);
}
END_TEST

START_TEST(reset_clears_everything_the_driver_did)
{
	struct device d, fresh;

	setup(&fresh);
	setup(&d);
	run(&d);
	put(&d, QUEUE_SEL, 7);
	put(&d, DEVICE_FEATURES_SEL, 1);
	rf_virtio_mmio_needs_reset(&d.m);
	put(&d, STATUS, 0);
	ck_assert_int_eq(d.resets, 1);
	ck_assert_uint_eq(d.status_at_reset, 15 | BROKEN);
	ck_assert_mem_eq(&d.page, &fresh.page, sizeof(d.page));
	fresh.m.page = &d.page;
	fresh.m.ctx = &d;
	ck_assert_mem_eq(&d.m, &fresh.m, sizeof(d.m));
}
END_TEST

/* Read by page and by exit alike. */
static void expect_status(struct device *d, uint32_t status)
{
	ck_assert_uint_eq(d->page.status, status);
	ck_assert_uint_eq(get(d, STATUS), status);
}

START_TEST(reset_that_nobody_is_sure_of_leaves_status_as_it_was)
{
	struct device d;

	setup(&d);
	run(&d);
	d.end_unsure = -EINPROGRESS;
	put(&d, STATUS, 0);
	ck_assert_int_eq(d.resets, 1);
	expect_status(&d, 15 | BROKEN);
	ck_assert(rf_virtio_mmio_is_unsettled(&d.m));
	/* The driver waits already. */
	ck_assert_int_eq(d.interrupts, 0);
	/* Nothing that the driver does meanwhile gets it further. */
	put(&d, STATUS, 0);
	expect_status(&d, 15 | BROKEN);
	assert_refused(&d, QUEUE_NOTIFY, 0);
	assert_refused(&d, QUEUE_READY, 0);
	assert_refused(&d, QUEUE_RESET, 1);
	assert_refused(&d, CONFIG, 1);
	rf_virtio_mmio_needs_reset(&d.m);
	ck_assert_int_eq(d.interrupts, 0);
	put(&d, STATUS, 15 | FAILED);
	ck_assert_uint_ne(get(&d, STATUS), 0);
	ck_assert(d.m.queues[0].ready);
	rf_virtio_mmio_settled(&d.m);
	expect_status(&d, 0);
	ck_assert(!rf_virtio_mmio_is_unsettled(&d.m));
	ck_assert(!d.m.queues[0].ready);
	ck_assert_uint_eq(get(&d, INTERRUPT_STATUS), 0);
	/* It is as good as new. */
	d.end_unsure = 0;
	run(&d);
	expect_status(&d, 15);
	put(&d, STATUS, 0);
	expect_status(&d, 0);
}
END_TEST

START_TEST(where_nothing_waits_nothing_is_settled)
{
	struct rf_virtio_mmio before;
	struct device d;

	setup(&d);
	run(&d);
	before = d.m;
	rf_virtio_mmio_settled(&d.m);
	ck_assert_mem_eq(&d.m, &before, sizeof(before));
	expect_status(&d, 15);
}
END_TEST

START_TEST(device_that_was_never_used_is_not_reset)
{
	struct device d;

	setup(&d);
	put(&d, STATUS, 0);
	choose_features(&d, BIT(32));
	put(&d, STATUS, 0);
	ck_assert_int_eq(d.resets, 0);
	choose_features(&d, BIT(32));
	rf_virtio_mmio_write(&d.m, CONFIG, "x", 1);
	put(&d, STATUS, 0);
	ck_assert_int_eq(d.resets, 1);
	put(&d, STATUS, 0);
	ck_assert_int_eq(d.resets, 1);
}
END_TEST

START_TEST(used_buffer_bit_stays_while_the_driver_runs)
{
	struct device d;

	setup(&d);
	ck_assert_uint_eq(get(&d, INTERRUPT_STATUS), 0);
	run(&d);
	ck_assert_uint_eq(d.interrupt_status_at_start, 1);
	put(&d, INTERRUPT_ACK, 1);
	put(&d, INTERRUPT_ACK, UINT32_MAX);
	ck_assert_uint_eq(get(&d, INTERRUPT_STATUS), 1);
	put(&d, STATUS, 0);
	ck_assert_uint_eq(get(&d, INTERRUPT_STATUS), 0);
}
END_TEST

START_TEST(configuration_change_is_told_until_acknowledged)
{
	static const uint8_t changed[13] = { 99, 98 };
	struct device d;
	uint32_t generation;

	setup(&d);
	generation = get(&d, GENERATION);
	rf_virtio_mmio_config_changed(&d.m, changed);
	ck_assert_int_eq(d.interrupts, 0); /* no driver yet */
	ck_assert_uint_ne(get(&d, GENERATION), generation);
	ck_assert_uint_eq(get(&d, CONFIG), 99 | 98 << 8);
	ck_assert_uint_eq(get(&d, INTERRUPT_STATUS), 0);

	run(&d);
	generation = get(&d, GENERATION);
	rf_virtio_mmio_config_changed(&d.m, config);
	ck_assert_uint_ne(get(&d, GENERATION), generation);
	ck_assert_int_eq(d.interrupts, 1);
	ck_assert_uint_eq(d.interrupt_status_at_interrupt, 3);
	put(&d, INTERRUPT_ACK, 1);
	ck_assert_uint_eq(get(&d, INTERRUPT_STATUS), 3);
	put(&d, INTERRUPT_ACK, 2);
	ck_assert_uint_eq(get(&d, INTERRUPT_STATUS), 1);
}
END_TEST

START_TEST(configuration_is_read_at_any_width)
{
	struct device d;
	uint64_t value;

	setup(&d);
	rf_virtio_mmio_read(&d.m, CONFIG, &value, 8);
	ck_assert_mem_eq(&value, config, 8);
	rf_virtio_mmio_read(&d.m, CONFIG + 3, &value, 2);
	ck_assert_mem_eq(&value, config + 3, 2);
	rf_virtio_mmio_read(&d.m, CONFIG + 12, &value, 1);
	ck_assert_mem_eq(&value, config + 12, 1);
	rf_virtio_mmio_read(&d.m, CONFIG + 12, &value, 8);
	ck_assert_uint_eq(value, 13); /* zeroes beyond it */
	rf_virtio_mmio_read(&d.m, 0xff8, &value, 8);
	ck_assert_uint_eq(value, 0);
	ck_assert_uint_eq(d.m.refusals, 0);
}
END_TEST

START_TEST(configuration_is_written_within_its_bounds_only)
{
	static const uint8_t data[8] = { 50, 51, 52, 53, 54, 55, 56, 57 };
	static const struct {
		uint32_t offset, len;
	} bad[] = {
		{ 13, 1 },
		{ 12, 2 },
		{ 10, 4 },
		{ 6, 8 },
		{ 0, 3 },
		{ 0, 0 },
		{ 0, 5 },
		{ 0, 16 },
		{ 0xeff, 1 },
		{ 0xf00, 1 },
		{ UINT32_MAX - 0x100, 1 },
		{ UINT32_MAX - 0x103, 8 },
	};
	struct device d;
	size_t i;

	setup(&d);
	rf_virtio_mmio_write(&d.m, CONFIG, data, 1); /* too early */
	ck_assert_int_eq(d.config_writes, 0);
	choose_features(&d, BIT(32));
	for (i = 0; i < RF_ARRAY_LEN(bad); i++) {
		rf_virtio_mmio_write(&d.m, CONFIG + bad[i].offset, data,
				     bad[i].len);
		ck_assert_uint_eq(d.m.refusals, i + 2);
	}
	ck_assert_int_eq(d.config_writes, 0);
	ck_assert_mem_eq(d.page.config, config, sizeof(config));
	rf_virtio_mmio_write(&d.m, CONFIG + 5, data, 8);
	ck_assert_int_eq(d.config_writes, 1);
	ck_assert_uint_eq(d.config_offset, 5);
	ck_assert_uint_eq(d.config_len, 8);
	ck_assert_uint_eq(d.config_first, 50);
	ck_assert_mem_eq(d.page.config + 5, data, 8);
	ck_assert_mem_eq(d.page.config, config, 5);
}
END_TEST

START_TEST(configuration_write_that_the_device_refuses_is_not_shown)
{
	struct rf_virtio_mmio_ops read_only = ops;
	struct device d;

	read_only.config_write = NULL;
	setup(&d);
	choose_features(&d, BIT(32));
	d.answer = -EPROTO;
	rf_virtio_mmio_write(&d.m, CONFIG, "xyz", 1);
	ck_assert_int_eq(d.config_writes, 1);
	ck_assert_uint_eq(d.m.refusals, 1);
	ck_assert_mem_eq(d.page.config, config, sizeof(config));
	d.m.ops = &read_only;
	rf_virtio_mmio_write(&d.m, CONFIG, "xyz", 1);
	ck_assert_uint_eq(d.m.refusals, 2);
	ck_assert_mem_eq(d.page.config, config, sizeof(config));
}
END_TEST

START_TEST(reads_of_odd_width_or_place_are_zero)
{
	static const uint32_t lens[] = { 0, 1, 2, 3, 5, 7, 8, 16 };
	struct device d;
	uint8_t data[16], zero[16] = { 0 };
	uint32_t offset;
	size_t i;

	setup(&d);
	for (offset = 0; offset < CONFIG; offset++) {
		for (i = 0; i < RF_ARRAY_LEN(lens); i++) {
			memset(data, 0xaa, sizeof(data));
			rf_virtio_mmio_read(&d.m, offset, data, lens[i]);
			ck_assert_mem_eq(data, zero, lens[i]);
		}
		if (offset % 4)
			ck_assert_uint_eq(get(&d, offset), 0);
	}
	/* In configuration space it is the width alone that can be odd. */
	for (i = 0; i < RF_ARRAY_LEN(lens); i++) {
		if (lens[i] == 1 || lens[i] == 2 || lens[i] == 8)
			continue;
		memset(data, 0xaa, sizeof(data));
		rf_virtio_mmio_read(&d.m, CONFIG, data, lens[i]);
		ck_assert_mem_eq(data, zero, lens[i]);
	}
	ck_assert_uint_eq(get(&d, RF_VIRTIO_MMIO_BYTES), 0);
	ck_assert_uint_eq(get(&d, RF_VIRTIO_MMIO_BYTES - 3), 0);
	ck_assert_uint_eq(get(&d, UINT32_MAX - 1), 0);
	ck_assert_uint_eq(get(&d, UINT32_MAX - 3), 0);
}
END_TEST

START_TEST(writes_of_odd_width_or_place_are_refused)
{
	static const uint32_t lens[] = { 0, 1, 2, 3, 5, 8, 16 };
	uint8_t data[16];
	struct device d;
	uint32_t offset;
	size_t i;

	setup(&d);
	memset(data, 1, sizeof(data));
	for (offset = 0; offset < CONFIG; offset++) {
		for (i = 0; i < RF_ARRAY_LEN(lens); i++)
			rf_virtio_mmio_write(&d.m, offset, data, lens[i]);
		if (offset % 4)
			assert_refused(&d, offset, 1);
	}
	assert_refused(&d, RF_VIRTIO_MMIO_BYTES, 1);
	assert_refused(&d, UINT32_MAX - 3, 1);
	assert_refused(&d, UINT32_MAX, 1);
	ck_assert_uint_eq(get(&d, STATUS), 0);
}
END_TEST

START_TEST(registers_that_are_only_read_are_not_written)
{
	static const uint32_t writable[] = {
		DEVICE_FEATURES_SEL,
		DRIVER_FEATURES_SEL,
		QUEUE_SEL,
		INTERRUPT_ACK,
		SHM_SEL,
	};
	struct device d;
	uint32_t offset;
	size_t i;
	bool skip;

	setup(&d);
	for (offset = 0; offset < CONFIG; offset += 4) {
		for (i = 0, skip = false; i < RF_ARRAY_LEN(writable); i++)
			skip |= offset == writable[i];
		if (!skip) /* all others refuse this at this time */
			assert_refused(&d, offset, 2);
	}
}
END_TEST

/* Likely enough to be right that random drivers get somewhere. */
static uint32_t random_value(const struct device *d, uint32_t offset,
			     uint32_t value)
{
	static const uint32_t status[] = { ACK, ACK | DRIVER, 11, 15 };

	switch (offset) {
	case STATUS:
		return value % 16 ? status[value / 16 % 4] : 0;
	case DRIVER_FEATURES_SEL:
		return value % 16 ? value / 16 % 2 : value;
	case DRIVER_FEATURES:
		return value % 64 ? d->m.driver_features_sel == 1 : value;
	case QUEUE_SEL:
		return value % 5;
	case QUEUE_NUM:
		return value % 4 ? 1u << value % 12 : value;
	case QUEUE_READY:
		return value % 8 != 0;
	default:
		return value % 8 ? value & ~15u : value;
	}
}

static uint32_t assert_ready_queues_are_valid(const struct device *d)
{
	const struct rf_virtio_mmio_queue *q;
	uint32_t nr = 0;

	for (q = d->m.queues; q < d->m.queues + 3; q++) {
		if (!q->ready)
			continue;
		nr++;
		ck_assert_uint_le(q->num, 256);
		ck_assert_uint_gt(q->num, 0);
		ck_assert_uint_eq(q->num & (q->num - 1), 0);
		ck_assert_uint_eq(q->desc % 16, 0);
		ck_assert_uint_eq(q->driver % 2, 0);
		ck_assert_uint_eq(q->device % 4, 0);
	}
	return nr;
}

/* Whatever is written in whatever order, the device is told of valid queues
 * and of features on offer. */
START_TEST(random_writes_never_start_a_bad_queue)
{
	uint64_t state = 0x2545f4914f6cdd1d;
	struct device d;
	uint32_t offset, i, nr_ready = 0;
	int before;

	setup(&d);
	for (i = 0; i < 400000; i++) {
		state ^= state << 13;
		state ^= state >> 7;
		state ^= state << 17;
		offset = (uint32_t)(state >> 8) % 0x104 & ~3u;
		before = d.started;
		put(&d, offset,
		    random_value(&d, offset, (uint32_t)(state >> 32)));
		if (d.started == before)
			continue;
		ck_assert_uint_eq(d.features & ~OFFERED, 0);
		nr_ready += assert_ready_queues_are_valid(&d);
	}
	ck_assert_int_gt(d.started, 10);
	ck_assert_uint_gt(nr_ready, 10);
}
END_TEST

START_TEST(parameters_out_of_bounds_are_refused)
{
	struct rf_virtio_mmio_ops partial = ops;
	struct rf_virtio_mmio_params p;
	struct device d;

#define ASSERT_INVALID(change)                                            \
	do {                                                              \
		p = params(&d);                                           \
		change;                                                   \
		ck_assert_int_eq(rf_virtio_mmio_init(&d.m, &p), -EINVAL); \
	} while (0)
	ASSERT_INVALID(p.page = NULL);
	ASSERT_INVALID(p.ops = NULL);
	ASSERT_INVALID(p.features &= ~BIT(32));
	ASSERT_INVALID(p.nr_queues = 0);
	ASSERT_INVALID(p.nr_queues = 33);
	ASSERT_INVALID(p.queue_num_max = 0);
	ASSERT_INVALID(p.queue_num_max = 3);
	ASSERT_INVALID(p.queue_num_max = 65536);
	ASSERT_INVALID(p.config_bytes = 0xf01);
	ASSERT_INVALID(p.config_bytes = UINT32_MAX);
	partial.driver_ok = NULL;
	ASSERT_INVALID(p.ops = &partial);
	partial = ops;
	partial.reset = NULL;
	ASSERT_INVALID(p.ops = &partial);
	partial = ops;
	partial.notify = NULL;
	ASSERT_INVALID(p.ops = &partial);
	partial = ops;
	partial.interrupt = NULL;
	ASSERT_INVALID(p.ops = &partial);
	partial = ops;
	partial.queue_stop = NULL;
	ASSERT_INVALID(p.ops = &partial);
	partial = ops;
	partial.queue_start = NULL;
	ASSERT_INVALID(p.ops = &partial);
#undef ASSERT_INVALID
	p = params(&d);
	p.nr_queues = 32;
	p.queue_num_max = 32768;
	p.config = NULL;
	p.config_bytes = 0xf00;
	ck_assert_int_eq(rf_virtio_mmio_init(&d.m, &p), 0);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		fresh_registers_read_as_the_specification_says,
		page_holds_what_reads_return,
		page_is_not_believed,
		selectors_choose_features,
		features_that_nobody_can_serve_are_not_offered,
		driver_that_keeps_the_order_reaches_the_device,
		status_bits_out_of_order_are_refused,
		status_bits_are_not_taken_back,
		driver_cannot_set_needs_reset,
		features_that_are_not_on_offer_are_not_accepted,
		features_beyond_the_64th_are_not_accepted,
		features_are_chosen_between_driver_and_features_ok_only,
		notify_reaches_running_queues_only,
		notify_with_data_keeps_its_whole_value,
		device_that_refuses_to_start_needs_a_reset,
		needs_reset_is_told_once_and_lasts_until_the_reset,
		device_that_breaks_early_is_not_started,
		driver_that_failed_starts_nothing_without_a_reset,
		reset_clears_everything_the_driver_did,
		reset_that_nobody_is_sure_of_leaves_status_as_it_was,
		where_nothing_waits_nothing_is_settled,
		device_that_was_never_used_is_not_reset,
		used_buffer_bit_stays_while_the_driver_runs,
		configuration_change_is_told_until_acknowledged,
		configuration_is_read_at_any_width,
		configuration_is_written_within_its_bounds_only,
		configuration_write_that_the_device_refuses_is_not_shown,
		reads_of_odd_width_or_place_are_zero,
		writes_of_odd_width_or_place_are_refused,
		registers_that_are_only_read_are_not_written,
		random_writes_never_start_a_bad_queue,
		parameters_out_of_bounds_are_refused,
	};

	return unit_run("virtio_mmio", tests, RF_ARRAY_LEN(tests));
}
