/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * test_device.c - twin of src/device/device.c: made, broken, reset, freed
 */
#include "unit/unit.h"

#include <dirent.h>

#include "device/virtqueue.h"
#include "unit/device_rig.h"

static struct rig r;

/* A device that answers later; the rest of it is test_pass.c's. */
static void slow_call(void *state)
{
	(void)state;
}

static bool slow_has_none(void *state)
{
	(void)state;
	return false;
}

static struct rf_device_ops slow_ops(int event_fd)
{
	struct rf_device_ops ops = rig_ops();

	ops.submit = slow_call;
	ops.has_completions = slow_has_none;
	ops.complete = slow_call;
	ops.quiesce = slow_call;
	ops.event_fd = event_fd;
	return ops;
}

static int open_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int n = 0;

	ck_assert_ptr_nonnull(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

START_TEST(a_life_leaves_no_descriptor_behind)
{
	struct rf_device_ops ops = rig_ops();
	int before = open_fds();

	ops.timer = rig_timer;
	rig_start(&r, ops);
	rig_expect_served(&r);
	ck_assert_int_eq(rig_end(&r), 0);
	ck_assert_int_eq(open_fds(), before);
}
END_TEST

START_TEST(ops_that_make_no_device_are_refused)
{
	const struct rf_device_ops good = rig_ops();
	struct rf_device_ops ops;
	struct rf_device_params params = { .ops = &ops, .sock = -1 };
	struct rf_device *dev = NULL;

#define REFUSED(field, value)                                            \
	do {                                                             \
		ops = good;                                              \
		ops.field = value;                                       \
		ck_assert_int_eq(rf_device_new(&params, &dev), -EINVAL); \
	} while (0)
	REFUSED(name, NULL);
	REFUSED(queue, NULL);
	REFUSED(nr_queues, 0);
	REFUSED(nr_queues, RF_FD_PLACES + 1);
	REFUSED(queue_size_max, 0);
	REFUSED(queue_size_max, 48);
	REFUSED(config_bytes, RF_VHOST_USER_CONFIG_MAX + 1);
	REFUSED(config_read, NULL);
#undef REFUSED
	/* Half-built: no socket to listen to. */
	ops = good;
	ck_assert_int_eq(rf_device_new(&params, &dev), -EBADF);
	ck_assert_int_lt(fcntl(RF_FD_EPOLL, F_GETFD), 0);
	ck_assert_ptr_null(dev);
	rf_device_free(NULL);
}
END_TEST

START_TEST(a_lie_is_told_by_status_and_err_and_ends_with_the_reset)
{
	uint32_t calls;

	rig_start(&r, rig_ops());
	rig_expect_served(&r);
	vring_offer(&r.v, RIG_SIZE); /* no such head */
	ck_assert_int_eq(rf_eventfd_signal(r.kick), 0);
	ck_assert(rig_is_signalled(r.err, RIG_WAIT_MS));
	/* Whoever the eventfd wakes finds the bit. */
	ck_assert_uint_eq(rig_status(&r), 0x0f | 0x40);
	/* Told once; nothing is served. */
	calls = atomic_load(&r.nr_queue_calls);
	ck_assert_int_eq(rf_eventfd_signal(r.kick), 0);
	ck_assert_uint_eq(rig_status(&r), 0x0f | 0x40);
	ck_assert_uint_eq(atomic_load(&r.nr_queue_calls), calls);
	ck_assert(!rig_is_signalled(r.err, 0));
	/* The front-end cannot take the bit back but by a reset. */
	ck_assert_int_eq(rf_frontend_set_status(r.fe, 0x0f), 0);
	ck_assert_uint_eq(rig_status(&r), 0x0f | 0x40);
	ck_assert_int_eq(rf_frontend_reset(r.fe), 0);
	ck_assert_uint_eq(rig_status(&r), 0);
	ck_assert_uint_eq(atomic_load(&r.nr_resets), 1);
	rig_drive(&r);
	rig_expect_served(&r);
	ck_assert_uint_eq(atomic_load(&r.report.resets), 1);
	ck_assert_int_eq(rig_end(&r), 0);
}
END_TEST

/* The device's own refusal of a request is a lie met as well. */
START_TEST(a_request_the_device_refuses_breaks_it)
{
	rig_start(&r, rig_ops());
	vring_desc(&r.v, 0, RIG_IN, 1, VRING_WRITE, 0);
	vring_offer(&r.v, 0);
	ck_assert_int_eq(rf_eventfd_signal(r.kick), 0);
	ck_assert(rig_is_signalled(r.err, RIG_WAIT_MS));
	ck_assert_int_eq(rig_end(&r), 0);
}
END_TEST

START_TEST(one_interrupt_tells_of_a_batch)
{
	uint64_t count;
	uint16_t i;

	rig_start(&r, rig_ops());
	rig_offer(&r, 1);
	for (i = 1; i < VIRTQUEUE_PASS_MAX; i++)
		vring_offer(&r.v, 0);
	ck_assert_int_eq(rf_eventfd_signal(r.kick), 0);
	(void)rig_status(&r); /* handled first, so: once more */
	(void)rig_status(&r);
	ck_assert_uint_eq(vring_used_idx(&r.v), VIRTQUEUE_PASS_MAX);
	ck_assert_int_eq(rf_eventfd_take(r.call, &count), 0);
	ck_assert_uint_eq(count, 1);
	ck_assert_uint_eq(atomic_load(&r.report.requests), VIRTQUEUE_PASS_MAX);
	ck_assert_uint_eq(atomic_load(&r.report.interrupts), 1);
	/* And none where the driver wants none. */
	r.v.avail[0] = 1;
	rig_offer(&r, 1);
	ck_assert_int_eq(rf_eventfd_signal(r.kick), 0);
	(void)rig_status(&r);
	(void)rig_status(&r);
	ck_assert_uint_eq(vring_used_idx(&r.v), VIRTQUEUE_PASS_MAX + 1);
	ck_assert_int_eq(rf_eventfd_take(r.call, &count), -EAGAIN);
	ck_assert_int_eq(rig_end(&r), 0);
}
END_TEST

/* So that the driver does its part while we do the rest. */
START_TEST(a_long_batch_is_told_of_in_parts)
{
	const uint16_t nr = 2 * VIRTQUEUE_PASS_MAX + 1;
	uint64_t count;
	uint16_t i;

	rig_start(&r, rig_ops());
	rig_offer(&r, 1);
	for (i = 1; i < nr; i++)
		vring_offer(&r.v, 0);
	ck_assert_int_eq(rf_eventfd_signal(r.kick), 0);
	while (vring_used_idx(&r.v) != nr)
		(void)rig_status(&r);
	(void)rig_status(&r);
	ck_assert_int_eq(rf_eventfd_take(r.call, &count), 0);
	ck_assert_uint_eq(count, 3);
	ck_assert_int_eq(rig_end(&r), 0);
}
END_TEST

START_TEST(a_queue_is_looked_at_when_it_starts)
{
	struct rf_frontend_queue q = { .size = RIG_SIZE,
				       .desc_addr = VRING_DESC,
				       .avail_addr = VRING_AVAIL,
				       .used_addr = VRING_USED };

	rig_new(&r, rig_ops());
	rig_connect(&r);
	vring_init(&r.v, r.ram.low, RIG_SIZE);
	rig_offer(&r, 6);
	ck_assert_int_eq(rf_frontend_set_features(r.fe, RIG_VERSION_1), 0);
	ck_assert_int_eq(rf_frontend_queue_start(r.fe, &q), 0);
	rig_expect_answer(&r, 7);
	ck_assert_uint_eq(atomic_load(&r.report.kicks), 0);
	ck_assert_int_eq(rig_end(&r), 0);
}
END_TEST

/* All of what a device with requests under way needs, or none of it. */
START_TEST(a_device_that_answers_later_has_all_it_needs)
{
	const struct rf_device_ops good = slow_ops(0);
	struct rf_device_ops ops;
	struct rf_device_params params = { .ops = &ops, .sock = -1 };
	struct rf_device *dev = NULL;

#define REFUSED(field)                                                   \
	do {                                                             \
		ops = good;                                              \
		ops.field = NULL;                                        \
		ck_assert_int_eq(rf_device_new(&params, &dev), -EINVAL); \
	} while (0)
	REFUSED(submit);
	REFUSED(has_completions);
	REFUSED(complete);
	REFUSED(quiesce);
#undef REFUSED
	ops = good;
	params.poll_us = RF_DEVICE_POLL_MAX_US + 1;
	ck_assert_int_eq(rf_device_new(&params, &dev), -EINVAL);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		a_life_leaves_no_descriptor_behind,
		ops_that_make_no_device_are_refused,
		a_lie_is_told_by_status_and_err_and_ends_with_the_reset,
		a_request_the_device_refuses_breaks_it,
		one_interrupt_tells_of_a_batch,
		a_long_batch_is_told_of_in_parts,
		a_queue_is_looked_at_when_it_starts,
		a_device_that_answers_later_has_all_it_needs,
	};

	return unit_run("device", tests, RF_ARRAY_LEN(tests));
}
