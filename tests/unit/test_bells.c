/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * test_bells.c - twin of src/device/bells.c: the ring, and rings that lie
 */
#include "unit/unit.h"

#include <ringfence/ring.h>

#include "unit/device_rig.h"

static struct rig r;
static struct rf_ring_page *ring;
static int ring_fd, wake;

static void new_ring(void)
{
	ck_assert_int_eq(memfd_new("ring", RF_RING_BYTES, &ring_fd), 0);
	ring_fd = rig_high(ring_fd);
	ring = (struct rf_ring_page *)(void *)ram_map(ring_fd, RF_RING_BYTES);
	wake = rig_eventfd();
}

static int hand_over(enum vhost_user_ring_format format)
{
	return rf_frontend_set_ring(r.fe, ring_fd, wake, RIG_ZONE, 4, format);
}

static void begin(enum vhost_user_ring_format format)
{
	rig_new(&r, rig_ops());
	rig_connect(&r);
	new_ring();
	ck_assert_int_eq(hand_over(format), 0);
	rig_drive(&r);
}

static void end(void)
{
	ck_assert_int_eq(rig_end(&r), 0);
	munmap(ring, RF_RING_BYTES);
	close(ring_fd);
	close(wake);
}

static void push(uint64_t gpa, uint32_t value, uint32_t len, uint32_t pio)
{
	struct rf_ring_entry e = { .phys_addr = gpa, .len = len, .pio = pio };

	memcpy(e.data, &value, sizeof(value));
	ck_assert_int_eq(rf_ring_push(ring, &e), 0);
}

static void ring_bell(void)
{
	ck_assert_int_eq(rf_eventfd_signal(wake), 0);
}

START_TEST(a_doorbell_in_the_ring_is_served)
{
	uint32_t i;

	begin(VHOST_USER_RING_QUEUE_INDEX);
	for (i = 0; i < 1000; i++) {
		rig_offer(&r, (uint8_t)i);
		push(RIG_ZONE, 0, 4, 0);
		ring_bell();
		rig_expect_answer(&r, (uint8_t)(i + 1));
	}
	ck_assert_uint_eq(atomic_load(&r.report.ring_entries), 1000);
	ck_assert_uint_eq(atomic_load(&r.report.kicks), 0);
	end();
}
END_TEST

START_TEST(many_entries_are_one_look_at_each_queue)
{
	uint32_t i;

	begin(VHOST_USER_RING_QUEUE_INDEX);
	rig_expect_served(&r);
	rig_settle(&r);
	i = atomic_load(&r.nr_queue_calls);
	rig_offer(&r, 9);
	for (uint32_t n = 0; n < RF_RING_USABLE; n++)
		push(RIG_ZONE, 0, 4, 0);
	ring_bell();
	rig_expect_answer(&r, 10);
	(void)rig_status(&r);
	/* The loop may have looked while the ring was being filled; a full
	 * ring still costs far fewer looks than entries. */
	ck_assert_uint_lt(atomic_load(&r.nr_queue_calls), i + 20);
	ck_assert_uint_eq(atomic_load(&r.report.ring_entries), RF_RING_USABLE);
	end();
}
END_TEST

START_TEST(notification_data_names_the_queue_in_its_lower_half)
{
	begin(VHOST_USER_RING_NOTIFICATION_DATA);
	rig_offer(&r, 1);
	push(RIG_ZONE, 0xabcd0000, 4, 0);
	ring_bell();
	rig_expect_answer(&r, 2);
	end();
}
END_TEST

#define F_NOTIFICATION_DATA (UINT64_C(1) << 38)

static void drive_with(uint64_t features)
{
	struct rf_frontend_queue q = { .size = RIG_SIZE,
				       .desc_addr = VRING_DESC,
				       .avail_addr = VRING_AVAIL,
				       .used_addr = VRING_USED };

	vring_init(&r.v, r.ram.low, RIG_SIZE);
	ck_assert_int_eq(
		rf_frontend_set_features(r.fe, RIG_VERSION_1 | features), 0);
	ck_assert_int_eq(rf_frontend_queue_start(r.fe, &q), 0);
	ck_assert_int_eq(rf_frontend_set_status(r.fe, 0x0f), 0);
}

static void begin_with_data(void)
{
	rig_new(&r, rig_ops());
	rig_connect(&r);
	new_ring();
	ck_assert_int_eq(hand_over(VHOST_USER_RING_QUEUE_INDEX), 0);
	drive_with(F_NOTIFICATION_DATA);
	rig_settle(&r);
}

START_TEST(an_index_may_come_with_the_bell)
{
	uint32_t i;

	begin_with_data();
	for (i = 0; i < 1000; i++) {
		rig_offer(&r, (uint8_t)i);
		/* One that is old by then among them. */
		push(RIG_ZONE, (uint32_t)(r.v.next_avail - i % 3) << 16, 4, 0);
		ring_bell();
		rig_expect_answer(&r, (uint8_t)(i + 1));
	}
	ck_assert_uint_eq(rig_status(&r), 0x0f);
	end();
}
END_TEST

/* It is believed for as long as the one in the ring does not say otherwise. */
START_TEST(an_index_with_the_bell_that_is_ahead_of_the_ring_is_a_lie)
{
	begin_with_data();
	rig_offer(&r, 1);
	vring_set_avail_idx(&r.v, 0);
	push(RIG_ZONE, 1 << 16, 4, 0);
	ring_bell();
	ck_assert(rig_is_signalled(r.err, RIG_WAIT_MS));
	ck_assert_uint_eq(rig_status(&r), 0x0f | 0x40);
	/* Told by the bell alone, and served. */
	ck_assert_uint_eq(vring_used_idx(&r.v), 1);
	end();
}
END_TEST

/* An index that was told before the queue was taken away says nothing about the
 * one that starts in its place. */
START_TEST(an_index_told_before_a_reset_is_forgotten)
{
	uint32_t base;
	int i;

	begin_with_data();
	for (i = 0; i < 50; i++) {
		rig_settle(&r);
		push(RIG_ZONE, 20 << 16, 4, 0);
		if (i % 2)
			ck_assert_int_eq(rf_frontend_queue_stop(r.fe, 0, &base),
					 0);
		ck_assert_int_eq(rf_frontend_reset(r.fe), 0);
		drive_with(F_NOTIFICATION_DATA);
		rig_offer(&r, 1);
		push(RIG_ZONE, 1 << 16, 4, 0);
		ring_bell();
		rig_expect_answer(&r, 2);
		ck_assert_uint_eq(rig_status(&r), 0x0f);
	}
	end();
}
END_TEST

/* Not negotiated, the upper half is part of the queue's number. */
START_TEST(without_notification_data_the_value_is_the_queue)
{
	uint32_t nr_calls;

	begin(VHOST_USER_RING_QUEUE_INDEX);
	rig_settle(&r);
	nr_calls = atomic_load(&r.nr_queue_calls);
	push(RIG_ZONE, 1 << 16, 4, 0);
	ring_bell();
	rig_settle(&r);
	ck_assert_uint_eq(atomic_load(&r.report.ring_entries), 1);
	ck_assert_uint_eq(atomic_load(&r.nr_queue_calls), nr_calls);
	end();
}
END_TEST

START_TEST(entries_that_are_not_ours_are_counted)
{
	uint32_t nr_calls;

	begin(VHOST_USER_RING_QUEUE_INDEX);
	rig_expect_served(&r);
	rig_settle(&r);
	nr_calls = atomic_load(&r.nr_queue_calls);
	push(RIG_ZONE + 4, 0, 4, 0);
	push(RIG_ZONE, 0, 4, 1); /* a port */
	push(RIG_ZONE, 0, 1, 0);
	push(RIG_ZONE, 0, 0, 0);
	push(RIG_ZONE, 0, UINT32_MAX, 0);
	push(UINT64_MAX, 0, 4, 0);
	push(RIG_ZONE, RIG_QUEUES, 4, 0);
	push(RIG_ZONE, 0x80000000, 4, 0);
	ring_bell();
	rig_settle(&r);
	ck_assert_uint_eq(atomic_load(&r.report.foreign), 6);
	ck_assert_uint_eq(atomic_load(&r.nr_queue_calls), nr_calls);
	rig_offer(&r, 1);
	push(RIG_ZONE, 0, 4, 0);
	ring_bell();
	rig_expect_answer(&r, 2);
	end();
}
END_TEST

START_TEST(a_bad_index_breaks_the_device_and_the_reset_mends_it)
{
	static const uint32_t bad[] = { RF_RING_SLOTS, 0x80000000, UINT32_MAX };
	uint32_t good;
	size_t i;

	begin(VHOST_USER_RING_QUEUE_INDEX);
	for (i = 0; i < RF_ARRAY_LEN(bad); i++) {
		good = ring->last;
		__atomic_store_n(&ring->last, bad[i], __ATOMIC_RELEASE);
		ring_bell();
		ck_assert(rig_is_signalled(r.err, RIG_WAIT_MS));
		ck_assert_uint_eq(rig_status(&r), 0x0f | 0x40);
		__atomic_store_n(&ring->last, good, __ATOMIC_RELEASE);
		ck_assert_int_eq(rf_frontend_reset(r.fe), 0);
		rig_drive(&r);
		rig_offer(&r, 1);
		push(RIG_ZONE, 0, 4, 0);
		ring_bell();
		rig_expect_answer(&r, 2);
	}
	end();
}
END_TEST

START_TEST(a_first_that_others_write_is_not_believed)
{
	begin(VHOST_USER_RING_QUEUE_INDEX);
	rig_settle(&r);
	__atomic_store_n(&ring->first, 100, __ATOMIC_RELEASE);
	/* The device's own idea of `first` is 0, and so is last: nothing. */
	ring_bell();
	rig_settle(&r);
	ck_assert_uint_eq(atomic_load(&r.report.ring_entries), 0);
	rig_offer(&r, 1);
	__atomic_store_n(&ring->first, 0, __ATOMIC_RELEASE);
	push(RIG_ZONE, 0, 4, 0);
	ring_bell();
	rig_expect_answer(&r, 2);
	end();
}
END_TEST

/* A producer that pushes at random moments and rings after each entry: if a
 * wakeup could be lost between drain and sleep, one request would wait for
 * ever. */
START_TEST(no_bell_is_lost_between_drain_and_sleep)
{
	uint32_t i;

	begin(VHOST_USER_RING_QUEUE_INDEX);
	for (i = 0; i < 5000; i++) {
		volatile uint32_t pause = i % 97 * 13;

		push(RIG_ZONE + 4, 0, 4, 0); /* wakes it for nothing */
		ring_bell();
		while (pause)
			pause--;
		rig_offer(&r, (uint8_t)i);
		push(RIG_ZONE, 0, 4, 0);
		ring_bell();
		rig_expect_answer(&r, (uint8_t)(i + 1));
	}
	end();
}
END_TEST

START_TEST(what_is_no_ring_is_refused)
{
	int fd;

	rig_new(&r, rig_ops());
	rig_connect(&r);
	new_ring();
#define SET(fd, wake_fd, gpa, len, format) \
	rf_frontend_set_ring(r.fe, fd, wake_fd, gpa, len, format)
	ck_assert_int_eq(SET(wake, wake, RIG_ZONE, 4, 0), -EREMOTEIO);
	ck_assert_int_eq(SET(ring_fd, -1, RIG_ZONE, 4, 0), -EREMOTEIO);
	ck_assert_int_eq(SET(ring_fd, ring_fd, RIG_ZONE, 4, 0), -EREMOTEIO);
	ck_assert_int_eq(SET(ring_fd, wake, RIG_ZONE, 2, 0), -EREMOTEIO);
	ck_assert_int_eq(SET(ring_fd, wake, RIG_ZONE, 5, 0), -EREMOTEIO);
	ck_assert_int_eq(SET(ring_fd, wake, RIG_ZONE + 2, 4, 0), -EREMOTEIO);
	fd = rig_high(memfd_create("loose", MFD_CLOEXEC | MFD_ALLOW_SEALING));
	ck_assert_int_eq(ftruncate(fd, RF_RING_BYTES), 0);
	ck_assert_int_eq(SET(fd, wake, RIG_ZONE, 4, 0), -EREMOTEIO);
	close(fd);
	ck_assert_int_eq(memfd_new("small", RF_RING_BYTES - 1, &fd), 0);
	ck_assert_int_eq(SET(fd, wake, RIG_ZONE, 4, 0), -EREMOTEIO);
	close(fd);
#undef SET
	/* After all of these a true one is still taken, and only one. */
	ck_assert_int_eq(hand_over(VHOST_USER_RING_QUEUE_INDEX), 0);
	ck_assert_int_eq(hand_over(VHOST_USER_RING_QUEUE_INDEX), -EREMOTEIO);
	rig_drive(&r);
	rig_offer(&r, 1);
	push(RIG_ZONE, 0, 4, 0);
	ring_bell();
	rig_expect_answer(&r, 2);
	end();
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		a_doorbell_in_the_ring_is_served,
		many_entries_are_one_look_at_each_queue,
		notification_data_names_the_queue_in_its_lower_half,
		an_index_may_come_with_the_bell,
		an_index_with_the_bell_that_is_ahead_of_the_ring_is_a_lie,
		an_index_told_before_a_reset_is_forgotten,
		without_notification_data_the_value_is_the_queue,
		entries_that_are_not_ours_are_counted,
		a_bad_index_breaks_the_device_and_the_reset_mends_it,
		a_first_that_others_write_is_not_believed,
		no_bell_is_lost_between_drain_and_sleep,
		what_is_no_ring_is_refused,
	};

	return unit_run("bells", tests, RF_ARRAY_LEN(tests));
}
