/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * test_regpage.c - a guest that reads the page by itself: src/vmm/regpage.c
 *
 * The guest is a thread that reads at any moment, as a vCPU would; the other
 * side changes what it reads.
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "unit/mmio_driver.h"

#define CHANGES 200000u

/* A vCPU's load. */
static uint32_t load(struct device *d, uint32_t offset)
{
	const uint8_t *at = (const uint8_t *)&d->page + offset;

	return __atomic_load_n((const uint32_t *)(const void *)at,
			       __ATOMIC_ACQUIRE);
}

START_TEST(page_shows_what_was_selected_when_the_write_is_over)
{
	struct device d;
	uint32_t i;

	setup(&d);
	for (i = 0; i < 2; i++) {
		put(&d, DEVICE_FEATURES_SEL, i);
		ck_assert_uint_eq(load(&d, DEVICE_FEATURES),
				  (uint32_t)(OFFERED >> (32 * i)));
	}
	choose_features(&d, BIT(32));
	set_up_queue(&d, 1, 16);
	for (i = 0; i < 4; i++) {
		put(&d, QUEUE_SEL, i);
		ck_assert_uint_eq(load(&d, QUEUE_NUM_MAX), i < 3 ? 256 : 0);
		ck_assert_uint_eq(load(&d, QUEUE_READY), i == 1);
	}
	put(&d, SHM_SEL, 1);
	ck_assert_uint_eq(load(&d, SHM_LEN_LOW), UINT32_MAX);
}
END_TEST

/* Whatever the driver wrote, what it may only write reads as 0. */
START_TEST(registers_for_writing_show_nothing)
{
	static const uint32_t written[] = {
		DEVICE_FEATURES_SEL, DRIVER_FEATURES, DRIVER_FEATURES_SEL,
		QUEUE_SEL,	     QUEUE_NUM,	      QUEUE_NOTIFY,
		INTERRUPT_ACK,	     DESC_LOW,	      DESC_HIGH,
		DRIVER_LOW,	     DRIVER_HIGH,     DEVICE_LOW,
		DEVICE_HIGH,	     SHM_SEL,
	};
	struct device d;
	size_t i;

	setup(&d);
	run(&d);
	put(&d, DEVICE_FEATURES_SEL, 1);
	put(&d, QUEUE_NOTIFY, 2);
	put(&d, INTERRUPT_ACK, 3);
	for (i = 0; i < RF_ARRAY_LEN(written); i++)
		ck_assert_uint_eq(load(&d, written[i]), 0);
}
END_TEST

START_TEST(acknowledgements_by_either_way_do_the_same)
{
	struct device d;

	setup(&d);
	run(&d);
	/* 1 reaches us only where registers are read by exits. */
	put(&d, INTERRUPT_ACK, 1);
	ck_assert_uint_eq(load(&d, INTERRUPT_STATUS), 1);
	rf_virtio_mmio_config_changed(&d.m, config);
	put(&d, INTERRUPT_ACK, 1);
	ck_assert_uint_eq(load(&d, INTERRUPT_STATUS), 3);
	put(&d, INTERRUPT_ACK, 3);
	ck_assert_uint_eq(load(&d, INTERRUPT_STATUS), 1);
	rf_virtio_mmio_config_changed(&d.m, config);
	put(&d, INTERRUPT_ACK, 2);
	ck_assert_uint_eq(load(&d, INTERRUPT_STATUS), 1);
	rf_virtio_mmio_config_changed(&d.m, config);
	put(&d, INTERRUPT_ACK, 0xfffffffc);
	ck_assert_uint_eq(load(&d, INTERRUPT_STATUS), 3);
	put(&d, STATUS, 0);
	ck_assert_uint_eq(load(&d, INTERRUPT_STATUS), 0);
}
END_TEST

/* Two changes, one acknowledgement: the bit is gone, the newest is there. */
START_TEST(one_acknowledgement_of_two_changes_hides_none)
{
	static const uint8_t second[13] = { 42 };
	struct device d;

	setup(&d);
	run(&d);
	rf_virtio_mmio_config_changed(&d.m, config);
	ck_assert_uint_eq(load(&d, INTERRUPT_STATUS), 3);
	rf_virtio_mmio_config_changed(&d.m, second);
	ck_assert_int_eq(d.interrupts, 2);
	put(&d, INTERRUPT_ACK, 3);
	ck_assert_uint_eq(load(&d, CONFIG), 42);
	ck_assert_uint_eq(load(&d, INTERRUPT_STATUS), 1);
	/* Behind the acknowledgement, it is told anew. */
	rf_virtio_mmio_config_changed(&d.m, config);
	ck_assert_int_eq(d.interrupts, 3);
	ck_assert_uint_eq(load(&d, INTERRUPT_STATUS), 3);
}
END_TEST

START_TEST(change_before_driver_ok_is_told_after_it)
{
	struct device d;

	setup(&d);
	put(&d, STATUS, ACK);
	rf_virtio_mmio_config_changed(&d.m, config);
	ck_assert_int_eq(d.interrupts, 0);
	ck_assert_uint_eq(load(&d, INTERRUPT_STATUS), 0);
	run(&d);
	ck_assert_int_eq(d.interrupts, 1);
	ck_assert_uint_eq(d.interrupt_status_at_interrupt, 3);
	put(&d, INTERRUPT_ACK, 3);
	ck_assert_uint_eq(load(&d, INTERRUPT_STATUS), 1);
	/* Told once, and not to the next driver. */
	put(&d, STATUS, 0);
	run(&d);
	ck_assert_int_eq(d.interrupts, 1);
	put(&d, STATUS, 0);
	put(&d, STATUS, ACK);
	rf_virtio_mmio_config_changed(&d.m, config);
	put(&d, STATUS, 0);
	run(&d);
	ck_assert_int_eq(d.interrupts, 1);
	/* Before there was a driver, nobody has read anything. */
	put(&d, STATUS, 0);
	rf_virtio_mmio_config_changed(&d.m, config);
	run(&d);
	ck_assert_int_eq(d.interrupts, 1);
}
END_TEST

START_TEST(configuration_behind_its_end_reads_as_zero)
{
	static const uint8_t ones[16] = {
		255, 255, 255, 255, 255, 255, 255, 255,
		255, 255, 255, 255, 255, 255, 255, 255,
	};
	struct device d;

	setup(&d);
	rf_virtio_mmio_config_changed(&d.m, ones); /* 13 bytes of it */
	ck_assert_uint_eq(load(&d, CONFIG + 8), UINT32_MAX);
	ck_assert_uint_eq(load(&d, CONFIG + 12), 255);
	ck_assert_uint_eq(load(&d, CONFIG + 16), 0);
}
END_TEST

/* --- a guest that reads while it changes -------------------------------- */

struct reader {
	struct device *d;
	atomic_bool stop;
	uint32_t torn_fields; /* a 32-bit field in halves: never */
	uint32_t across;      /* halves of a change between equal, even
				* generations: never */
	uint32_t within;      /* halves that the interrupt makes good */
	uint32_t whole;
	_Atomic uint32_t reads; /* of equal generations */
};

static bool is_field_whole(uint32_t field)
{
	return (field & 0xff) * 0x01010101u == field;
}

static void *read_config(void *arg)
{
	struct reader *r = arg;

	while (!atomic_load(&r->stop)) {
		uint32_t before = load(r->d, GENERATION);
		uint32_t first = load(r->d, CONFIG);
		uint32_t last = load(r->d, CONFIG + 8);

		if (!is_field_whole(first) || !is_field_whole(last))
			r->torn_fields++;
		if (load(r->d, GENERATION) != before)
			continue;
		r->reads++;
		if (first == last)
			r->whole++;
		else if (before % 2)
			r->within++;
		else
			r->across++;
	}
	return NULL;
}

START_TEST(no_reader_of_equal_generations_spans_a_change)
{
	struct device d;
	struct reader r = { .d = &d };
	uint8_t changed[13] = { 0 };
	pthread_t thread;
	uint32_t i;

	setup(&d);
	rf_virtio_mmio_config_changed(&d.m, changed);
	ck_assert_int_eq(pthread_create(&thread, NULL, read_config, &r), 0);
	/* On until it has seen some: the reader may get its first turn late. */
	for (i = 0; i < CHANGES || r.reads == 0; i++) {
		memset(changed, (int)i, sizeof(changed));
		rf_virtio_mmio_config_changed(&d.m, changed);
		if (i >= CHANGES)
			sched_yield();
	}
	atomic_store(&r.stop, true);
	pthread_join(thread, NULL);
	ck_assert_uint_eq(r.torn_fields, 0);
	ck_assert_uint_eq(r.across, 0);
	ck_assert_uint_gt(r.whole + r.within, 0);
	ck_assert_uint_eq(load(&d, GENERATION) / 2, i + 1);
}
END_TEST

/* Odd while a driver starts the device, even while one resets it. */
static _Atomic uint32_t reset_step;

static void *watch_reset(void *arg)
{
	struct reader *r = arg;

	for (;;) {
		bool last = atomic_load(&r->stop);
		uint32_t step = atomic_load(&reset_step);
		uint32_t status = load(r->d, STATUS);
		uint32_t left = load(r->d, INTERRUPT_STATUS);

		if (step % 2 == 0 && status == 0 &&
		    atomic_load(&reset_step) == step)
			*(left ? &r->across : &r->whole) += 1;
		if (last)
			return NULL;
	}
}

/* Whoever reads it finds nothing of what was before. */
START_TEST(status_0_is_the_last_thing_a_reset_shows)
{
	struct device d;
	struct reader r = { .d = &d };
	pthread_t thread;
	uint32_t i;

	setup(&d);
	ck_assert_int_eq(pthread_create(&thread, NULL, watch_reset, &r), 0);
	for (i = 0; i < 20000; i++) {
		atomic_fetch_add(&reset_step, 1);
		run(&d);
		atomic_fetch_add(&reset_step, 1);
		put(&d, STATUS, 0);
	}
	atomic_store(&r.stop, true);
	pthread_join(thread, NULL);
	ck_assert_uint_eq(r.across, 0);
	ck_assert_uint_gt(r.whole, 0);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		page_shows_what_was_selected_when_the_write_is_over,
		registers_for_writing_show_nothing,
		acknowledgements_by_either_way_do_the_same,
		one_acknowledgement_of_two_changes_hides_none,
		change_before_driver_ok_is_told_after_it,
		configuration_behind_its_end_reads_as_zero,
		no_reader_of_equal_generations_spans_a_change,
		status_0_is_the_last_thing_a_reset_shows,
	};

	return unit_run("regpage", tests, RF_ARRAY_LEN(tests));
}
