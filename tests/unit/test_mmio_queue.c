/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * test_mmio_queue.c - queues set up in every wrong way: src/vmm/mmio_queue.c
 */
#include "unit/mmio_driver.h"

static const uint32_t queue_registers[] = {
	QUEUE_NUM,  QUEUE_READY, DESC_LOW,   DESC_HIGH,
	DRIVER_LOW, DRIVER_HIGH, DEVICE_LOW, DEVICE_HIGH,
};

START_TEST(queues_are_set_up_between_features_ok_and_driver_ok_only)
{
	struct device d;
	size_t i;

	setup(&d);
	for (i = 0; i < RF_ARRAY_LEN(queue_registers); i++)
		assert_refused(&d, queue_registers[i], 0);
	put(&d, STATUS, ACK | DRIVER);
	for (i = 0; i < RF_ARRAY_LEN(queue_registers); i++)
		assert_refused(&d, queue_registers[i], 16);
	put(&d, STATUS, 0);
	run(&d);
	put(&d, QUEUE_SEL, 1); /* one that is not ready */
	for (i = 0; i < RF_ARRAY_LEN(queue_registers); i++)
		assert_refused(&d, queue_registers[i], 16);
}
END_TEST

START_TEST(queue_that_is_ready_is_frozen_until_it_is_not)
{
	struct device d;
	size_t i;

	setup(&d);
	choose_features(&d, BIT(32));
	set_up_queue(&d, 1, 64);
	ck_assert_uint_eq(get(&d, QUEUE_READY), 1);
	for (i = 0; i < RF_ARRAY_LEN(queue_registers); i++)
		if (queue_registers[i] != QUEUE_READY)
			assert_refused(&d, queue_registers[i], 16);
	assert_refused(&d, QUEUE_READY, 2);
	put(&d, QUEUE_READY, 0);
	ck_assert_uint_eq(get(&d, QUEUE_READY), 0);
	put(&d, QUEUE_NUM, 32);
	ck_assert_uint_eq(d.m.queues[1].num, 32);
}
END_TEST

START_TEST(queue_that_is_not_there_is_not_set_up)
{
	static const uint32_t none[] = { 3, 32, 0x10000, UINT32_MAX };
	struct device d;
	size_t i, j;

	setup(&d);
	choose_features(&d, BIT(32));
	for (i = 0; i < RF_ARRAY_LEN(none); i++) {
		put(&d, QUEUE_SEL, none[i]);
		ck_assert_uint_eq(get(&d, QUEUE_NUM_MAX), 0);
		ck_assert_uint_eq(get(&d, QUEUE_READY), 0);
		for (j = 0; j < RF_ARRAY_LEN(queue_registers); j++)
			assert_refused(&d, queue_registers[j], 1);
	}
	put(&d, QUEUE_SEL, 2);
	ck_assert_uint_eq(get(&d, QUEUE_NUM_MAX), 256);
}
END_TEST

START_TEST(queue_size_is_a_power_of_two_within_bounds)
{
	struct device d;
	uint32_t num;

	setup(&d);
	choose_features(&d, BIT(32));
	for (num = 0; num < 600; num++) {
		if (num && num <= 256 && !(num & (num - 1)))
			put(&d, QUEUE_NUM, num);
		else
			assert_refused(&d, QUEUE_NUM, num);
	}
	assert_refused(&d, QUEUE_NUM, 0x80000000);
	assert_refused(&d, QUEUE_NUM, 0x10000);
	ck_assert_uint_eq(d.m.queues[0].num, 256);
}
END_TEST

START_TEST(queue_without_size_or_alignment_does_not_become_ready)
{
	static const struct {
		uint32_t reg, value;
	} bad[] = {
		{ DESC_LOW, 0x10008 },
		{ DESC_LOW, 1 },
		{ DRIVER_LOW, 0x20001 },
		{ DEVICE_LOW, 0x30002 },
	};
	struct device d;
	size_t i;

	setup(&d);
	choose_features(&d, BIT(32));
	assert_refused(&d, QUEUE_READY, 1);
	for (i = 0; i < RF_ARRAY_LEN(bad); i++) {
		set_up_queue(&d, 0, 256);
		put(&d, QUEUE_READY, 0);
		put(&d, bad[i].reg, bad[i].value);
		assert_refused(&d, QUEUE_READY, 1);
	}
}
END_TEST

/* For 256 descriptors: 4096, 518 and 2054 bytes. The last address there is may
 * be used, the first that is not may not. */
START_TEST(queue_that_wraps_around_does_not_become_ready)
{
	static const struct {
		uint32_t low, high, fits, wraps;
	} areas[] = {
		{ DESC_LOW, DESC_HIGH, 0xfffff000, 0xfffff010 },
		{ DRIVER_LOW, DRIVER_HIGH, 0xfffffdfa, 0xfffffdfc },
		{ DEVICE_LOW, DEVICE_HIGH, 0xfffff7f8, 0xfffff7fc },
	};
	struct device d;
	size_t i;

	for (i = 0; i < RF_ARRAY_LEN(areas); i++) {
		setup(&d);
		choose_features(&d, BIT(32));
		set_up_queue(&d, 0, 256);
		put(&d, QUEUE_READY, 0);
		put(&d, areas[i].high, UINT32_MAX);
		put(&d, areas[i].low, areas[i].wraps);
		assert_refused(&d, QUEUE_READY, 1);
		put(&d, areas[i].low, areas[i].fits);
		put(&d, QUEUE_READY, 1);
		ck_assert_uint_eq(get(&d, QUEUE_READY), 1);
	}
}
END_TEST

/* Areas of packed queues: descriptors, and two of 4 bytes. */
START_TEST(packed_queue_has_small_areas)
{
	static const struct {
		uint32_t reg, value;
	} bad[] = {
		{ DESC_LOW, 0x10008 },
		{ DRIVER_LOW, 0x20002 }, /* would do for a split one */
		{ DRIVER_LOW, 0x20001 },
		{ DEVICE_LOW, 0x30002 },
	};
	static const uint32_t areas[] = { DRIVER_LOW, DEVICE_LOW };
	struct device d;
	size_t i;

	setup_with(&d, BIT(34));
	choose_features(&d, BIT(32) | BIT(34));
	for (i = 0; i < RF_ARRAY_LEN(bad); i++) {
		set_up_queue(&d, 0, 256);
		put(&d, QUEUE_READY, 0);
		put(&d, DRIVER_LOW, 0x20004);
		put(&d, bad[i].reg, bad[i].value);
		assert_refused(&d, QUEUE_READY, 1);
	}
	/* The last four bytes there are. */
	put(&d, DESC_LOW, 0x10000);
	put(&d, DRIVER_LOW, 0x20004);
	put(&d, DEVICE_LOW, 0x30004);
	for (i = 0; i < RF_ARRAY_LEN(areas); i++) {
		put(&d, areas[i] + 4, UINT32_MAX);
		put(&d, areas[i], 0xfffffffc);
	}
	put(&d, QUEUE_READY, 1);
	ck_assert_uint_eq(get(&d, QUEUE_READY), 1);
	put(&d, QUEUE_READY, 0);
	put(&d, DESC_HIGH, UINT32_MAX);
	put(&d, DESC_LOW, 0xfffff010);
	assert_refused(&d, QUEUE_READY, 1);
}
END_TEST

START_TEST(packed_queue_is_of_any_size)
{
	struct device d;
	uint32_t num;

	setup_with(&d, BIT(34));
	choose_features(&d, BIT(32) | BIT(34));
	for (num = 0; num < 300; num++) {
		if (num == 0 || num > 256)
			assert_refused(&d, QUEUE_NUM, num);
		else
			put(&d, QUEUE_NUM, num);
	}
	ck_assert_uint_eq(d.m.queues[0].num, 256);
	put(&d, STATUS, 0);
	choose_features(&d, BIT(32));
	assert_refused(&d, QUEUE_NUM, 3);
}
END_TEST

/* RING_RESET: to DRIVER_OK with queues 0 and 2. */
static void run_with_reset(struct device *d)
{
	setup_with(d, BIT(40));
	choose_features(d, BIT(32) | BIT(40));
	set_up_queue(d, 0, 128);
	set_up_queue(d, 2, 256);
	put(d, STATUS, 15);
	ck_assert_uint_eq(d->m.refusals, 0);
}

START_TEST(queue_is_reset_by_itself_and_set_up_anew)
{
	struct device d;

	run_with_reset(&d);
	put(&d, QUEUE_SEL, 2);
	put(&d, QUEUE_RESET, 1);
	ck_assert_int_eq(d.queue_stops, 1);
	ck_assert_uint_eq(d.queue, 2);
	ck_assert_uint_eq(d.reset_at_stop, 1);
	ck_assert_uint_eq(get(&d, QUEUE_RESET), 0);
	ck_assert_uint_eq(get(&d, QUEUE_READY), 0);
	ck_assert_uint_eq(get(&d, STATUS), 15);
	ck_assert_uint_eq(d.m.queues[2].num, 0);
	ck_assert_uint_eq(d.m.queues[2].num_max, 256);
	ck_assert_uint_eq(d.m.queues[2].desc, 0);
	/* Nobody is rung for it, the other one is served. */
	assert_refused(&d, QUEUE_NOTIFY, 2);
	put(&d, QUEUE_NOTIFY, 0);
	ck_assert_int_eq(d.notifies, 1);
	/* Another size, and it runs. */
	assert_refused(&d, QUEUE_READY, 1);
	set_up_queue(&d, 2, 64);
	ck_assert_int_eq(d.queue_starts, 1);
	ck_assert_uint_eq(d.queue, 2);
	ck_assert_uint_eq(d.m.queues[2].num, 64);
	put(&d, QUEUE_NOTIFY, 2);
	ck_assert_int_eq(d.notifies, 2);
	/* It is frozen again, until the next time. */
	assert_refused(&d, QUEUE_READY, 0);
	assert_refused(&d, QUEUE_NUM, 64);
	assert_refused(&d, DESC_LOW, 0);
	put(&d, QUEUE_RESET, 1);
	ck_assert_int_eq(d.queue_stops, 2);
	/* A reset of all of it starts nothing by itself. */
	put(&d, STATUS, 0);
	ck_assert_int_eq(d.resets, 1);
	choose_features(&d, BIT(32) | BIT(40));
	set_up_queue(&d, 2, 64);
	ck_assert_int_eq(d.queue_starts, 1);
}
END_TEST

START_TEST(queue_reset_that_nobody_is_sure_of_reads_1)
{
	struct device d;

	run_with_reset(&d);
	d.end_unsure = -EINPROGRESS;
	put(&d, QUEUE_SEL, 2);
	put(&d, QUEUE_RESET, 1);
	ck_assert_int_eq(d.queue_stops, 1);
	ck_assert(rf_virtio_mmio_is_unsettled(&d.m));
	ck_assert_uint_eq(get(&d, QUEUE_RESET), 1);
	ck_assert_uint_eq(get(&d, QUEUE_READY), 1);
	ck_assert_uint_eq(get(&d, STATUS), 15 | BROKEN);
	/* It is that queue's affair, whichever is selected. */
	put(&d, QUEUE_SEL, 0);
	ck_assert_uint_eq(get(&d, QUEUE_RESET), 0);
	assert_refused(&d, QUEUE_RESET, 1);
	put(&d, QUEUE_SEL, UINT32_MAX);
	ck_assert_uint_eq(get(&d, QUEUE_RESET), 0);
	put(&d, QUEUE_SEL, 2);
	ck_assert_uint_eq(get(&d, QUEUE_RESET), 1);
	assert_refused(&d, QUEUE_RESET, 1);
	assert_refused(&d, QUEUE_NUM, 16);
	rf_virtio_mmio_settled(&d.m);
	ck_assert(!rf_virtio_mmio_is_unsettled(&d.m));
	ck_assert_uint_eq(get(&d, QUEUE_RESET), 0);
	ck_assert_uint_eq(get(&d, QUEUE_READY), 0);
	ck_assert(d.m.queues[0].ready);
	ck_assert_uint_eq(get(&d, STATUS), 15 | BROKEN);
	assert_refused(&d, QUEUE_NUM, 16);
}
END_TEST

START_TEST(device_reset_waits_for_the_same_as_its_queues)
{
	struct device d;

	run_with_reset(&d);
	d.end_unsure = -EINPROGRESS;
	put(&d, QUEUE_SEL, 2);
	put(&d, QUEUE_RESET, 1);
	put(&d, STATUS, 0);
	ck_assert_uint_eq(get(&d, STATUS), 15 | BROKEN);
	ck_assert_uint_eq(get(&d, QUEUE_RESET), 1);
	rf_virtio_mmio_settled(&d.m);
	ck_assert_uint_eq(get(&d, STATUS), 0);
	put(&d, QUEUE_SEL, 2);
	ck_assert_uint_eq(get(&d, QUEUE_RESET), 0);
	ck_assert(!rf_virtio_mmio_is_unsettled(&d.m));
}
END_TEST

START_TEST(queue_reset_out_of_turn_is_refused)
{
	struct device d;

	setup_with(&d, BIT(40));
	assert_refused(&d, QUEUE_RESET, 1);
	choose_features(&d, BIT(32)); /* without the feature */
	set_up_queue(&d, 0, 128);
	put(&d, STATUS, 15);
	assert_refused(&d, QUEUE_RESET, 1);
	run_with_reset(&d);
	put(&d, QUEUE_SEL, 0);
	assert_refused(&d, QUEUE_RESET, 0);
	assert_refused(&d, QUEUE_RESET, 2);
	assert_refused(&d, QUEUE_RESET, UINT32_MAX);
	put(&d, QUEUE_SEL, 1); /* was never ready */
	assert_refused(&d, QUEUE_RESET, 1);
	assert_refused(&d, QUEUE_NUM, 16);
	put(&d, QUEUE_SEL, 3); /* is not there */
	assert_refused(&d, QUEUE_RESET, 1);
	put(&d, QUEUE_SEL, UINT32_MAX);
	assert_refused(&d, QUEUE_RESET, 1);
	put(&d, QUEUE_SEL, 0);
	put(&d, QUEUE_RESET, 1);
	assert_refused(&d, QUEUE_RESET, 1); /* twice */
	put(&d, QUEUE_SEL, 2);
	rf_virtio_mmio_needs_reset(&d.m);
	assert_refused(&d, QUEUE_RESET, 1);
	put(&d, QUEUE_SEL, 0);
	assert_refused(&d, QUEUE_NUM, 16);
	run_with_reset(&d);
	put(&d, STATUS, 15 | FAILED);
	assert_refused(&d, QUEUE_RESET, 1);
	ck_assert_int_eq(d.queue_stops, 0);
}
END_TEST

START_TEST(queue_that_does_not_start_again_needs_a_reset)
{
	struct device d;

	run_with_reset(&d);
	put(&d, QUEUE_SEL, 0);
	put(&d, QUEUE_RESET, 1);
	d.answer = -EPROTO;
	set_up_queue(&d, 0, 128);
	ck_assert_int_eq(d.queue_starts, 1);
	ck_assert_uint_eq(get(&d, STATUS), 15 | BROKEN);
	ck_assert_uint_eq(get(&d, INTERRUPT_STATUS), 3);
	ck_assert_int_eq(d.interrupts, 1);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		queues_are_set_up_between_features_ok_and_driver_ok_only,
		queue_that_is_ready_is_frozen_until_it_is_not,
		queue_that_is_not_there_is_not_set_up,
		queue_size_is_a_power_of_two_within_bounds,
		queue_without_size_or_alignment_does_not_become_ready,
		queue_that_wraps_around_does_not_become_ready,
		packed_queue_has_small_areas,
		packed_queue_is_of_any_size,
		queue_is_reset_by_itself_and_set_up_anew,
		queue_reset_that_nobody_is_sure_of_reads_1,
		device_reset_waits_for_the_same_as_its_queues,
		queue_reset_out_of_turn_is_refused,
		queue_that_does_not_start_again_needs_a_reset,
	};

	return unit_run("mmio_queue", tests, RF_ARRAY_LEN(tests));
}
