/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * test_vhost_user_check.c - which requests pass: src/wire/vhost_user_check.c
 *
 * Each accepted form is listed here once more, by hand, and everything around
 * it is tried: every payload size and every number of descriptors.
 */
#include <errno.h>

#include <ringfence/vhost_user.h>

#include "unit/unit.h"

#define PAYLOAD_MAX sizeof(((struct rf_vhost_user_msg *)0)->payload)

/* The forms without a rule of their own: one size, one number of fds. */
static const struct {
	uint32_t request;
	uint32_t size;
} plain[] = {
	{ 1, 0 },	   /* GET_FEATURES */
	{ 2, 8 },	   /* SET_FEATURES */
	{ 3, 0 },	   /* SET_OWNER */
	{ 4, 0 },	   /* RESET_OWNER */
	{ 8, 8 },	   /* SET_VRING_NUM */
	{ 9, 40 },	   /* SET_VRING_ADDR */
	{ 10, 8 },	   /* SET_VRING_BASE */
	{ 11, 8 },	   /* GET_VRING_BASE */
	{ 15, 0 },	   /* GET_PROTOCOL_FEATURES */
	{ 16, 8 },	   /* SET_PROTOCOL_FEATURES */
	{ 17, 0 },	   /* GET_QUEUE_NUM */
	{ 18, 8 },	   /* SET_VRING_ENABLE */
	{ 34, 0 },	   /* RESET_DEVICE */
	{ 39, 8 },	   /* SET_STATUS */
	{ 40, 0 },	   /* GET_STATUS */
	{ 0x52460002, 0 }, /* SEAL */
};

static struct rf_vhost_user_msg request(uint32_t nr, uint32_t size,
					uint32_t nr_fds)
{
	struct rf_vhost_user_msg msg = {
		.header = { .request = nr, .flags = 1, .size = size },
		.nr_fds = nr_fds,
	};

	return msg;
}

/* Of all sizes and numbers of descriptors only the given pass. */
static void assert_only(struct rf_vhost_user_msg msg, uint32_t size,
			uint32_t nr_fds)
{
	uint32_t s, n;

	for (s = 0; s <= PAYLOAD_MAX; s++) {
		for (n = 0; n <= RF_VHOST_USER_FDS_MAX; n++) {
			msg.header.size = s;
			msg.nr_fds = n;
			ck_assert_int_eq(rf_vhost_user_check(&msg),
					 s == size && n == nr_fds ? 0
								  : -EPROTO);
		}
	}
}

START_TEST(plain_requests_pass_in_their_one_form_only)
{
	size_t i;

	for (i = 0; i < RF_ARRAY_LEN(plain); i++)
		assert_only(request(plain[i].request, 0, 0), plain[i].size, 0);
}
END_TEST

START_TEST(requests_that_are_not_listed_are_not_supported)
{
	/* LOG_BASE, LOG_FD, unassigned numbers, ours plus one. */
	static const uint32_t unknown[] = { 0,		6,	   7,
					    13 + 256,	19,	   31,
					    100,	41,	   0x52460000,
					    0x52460003, UINT32_MAX };
	struct rf_vhost_user_msg msg;
	size_t i;

	for (i = 0; i < RF_ARRAY_LEN(unknown); i++) {
		msg = request(unknown[i], 0, 0);
		ck_assert_int_eq(rf_vhost_user_check(&msg), -ENOTSUP);
		msg = request(unknown[i], 16, 1);
		ck_assert_int_eq(rf_vhost_user_check(&msg), -ENOTSUP);
	}
}
END_TEST

START_TEST(answers_are_not_requests)
{
	struct rf_vhost_user_msg msg = request(1, 0, 0);

	msg.header.flags = VHOST_USER_VERSION_1 | VHOST_USER_REPLY_MASK;
	ck_assert_int_eq(rf_vhost_user_check(&msg), -EPROTO);
	msg.header.flags = VHOST_USER_VERSION_1 | VHOST_USER_NEED_REPLY_MASK;
	ck_assert_int_eq(rf_vhost_user_check(&msg), 0);
}
END_TEST

START_TEST(memory_table_has_as_many_bytes_and_descriptors_as_regions)
{
	struct rf_vhost_user_msg msg = request(5, 0, 0);
	uint32_t nr;

	for (nr = 1; nr <= RF_VHOST_USER_REGIONS_MAX; nr++) {
		msg.payload.mem.nr_regions = nr;
		assert_only(msg, 8 + 32 * nr, nr);
	}
}
END_TEST

START_TEST(memory_table_of_none_or_too_many_regions_is_refused)
{
	static const uint32_t counts[] = { 0, 9, 0x08000001, UINT32_MAX };
	struct rf_vhost_user_msg msg;
	uint32_t size, fds;
	size_t i;

	for (i = 0; i < RF_ARRAY_LEN(counts); i++) {
		for (size = 0; size <= PAYLOAD_MAX; size++) {
			for (fds = 0; fds <= RF_VHOST_USER_FDS_MAX; fds++) {
				msg = request(5, size, fds);
				msg.payload.mem.nr_regions = counts[i];
				ck_assert_int_eq(rf_vhost_user_check(&msg),
						 -EPROTO);
			}
		}
	}
}
END_TEST

START_TEST(config_has_as_many_bytes_as_it_says)
{
	static const uint32_t sizes[] = { 1, 4, 60, 255, 256 };
	static const uint32_t bad[] = { 0, 257, UINT32_MAX, UINT32_MAX - 11 };
	struct rf_vhost_user_msg msg;
	uint32_t nr, size;
	size_t i;

	for (nr = 24; nr <= 25; nr++) {
		for (i = 0; i < RF_ARRAY_LEN(sizes); i++) {
			msg = request(nr, 0, 0);
			msg.payload.config.size = sizes[i];
			assert_only(msg, 12 + sizes[i], 0);
		}
		for (i = 0; i < RF_ARRAY_LEN(bad); i++) {
			for (size = 0; size <= PAYLOAD_MAX; size++) {
				msg = request(nr, size, 0);
				msg.payload.config.size = bad[i];
				ck_assert_int_eq(rf_vhost_user_check(&msg),
						 -EPROTO);
			}
		}
	}
}
END_TEST

START_TEST(queue_eventfds_come_exactly_when_announced)
{
	struct rf_vhost_user_msg msg;
	uint32_t nr, bit;

	for (nr = 12; nr <= 14; nr++) {
		msg = request(nr, 0, 0);
		msg.payload.u64 = 255;
		assert_only(msg, 8, 1);
		msg.payload.u64 = 0x100 | 3;
		assert_only(msg, 8, 0);
		for (bit = 9; bit < 64; bit++) {
			msg = request(nr, 8, 1);
			msg.payload.u64 = UINT64_C(1) << bit;
			ck_assert_int_eq(rf_vhost_user_check(&msg), -EPROTO);
		}
	}
}
END_TEST

START_TEST(status_is_one_byte)
{
	struct rf_vhost_user_msg msg = request(39, 8, 0);

	msg.payload.u64 = 255;
	ck_assert_int_eq(rf_vhost_user_check(&msg), 0);
	msg.payload.u64 = 256;
	ck_assert_int_eq(rf_vhost_user_check(&msg), -EPROTO);
	msg.payload.u64 = UINT64_MAX;
	ck_assert_int_eq(rf_vhost_user_check(&msg), -EPROTO);
}
END_TEST

static struct rf_vhost_user_msg ring_request(void)
{
	struct rf_vhost_user_msg msg = request(0x52460001, 24, 1);

	msg.payload.ring.addr = 0xd0000050;
	msg.payload.ring.len = 4;
	return msg;
}

START_TEST(ring_comes_with_its_wake_eventfd_exactly_when_announced)
{
	struct rf_vhost_user_msg msg = ring_request();

	assert_only(msg, 24, 1);
	msg.payload.ring.flags = VHOST_USER_RING_F_WAKE;
	msg.payload.ring.format = VHOST_USER_RING_NOTIFICATION_DATA;
	assert_only(msg, 24, 2);
}
END_TEST

START_TEST(ring_of_unknown_flags_format_or_padding_is_refused)
{
	struct rf_vhost_user_msg msg;
	uint32_t bit;

	for (bit = 1; bit < 32; bit++) {
		msg = ring_request();
		msg.payload.ring.flags = UINT32_C(1) << bit;
		ck_assert_int_eq(rf_vhost_user_check(&msg), -EPROTO);
		msg = ring_request();
		msg.payload.ring.format = UINT32_C(1) << bit;
		ck_assert_int_eq(rf_vhost_user_check(&msg), -EPROTO);
		msg = ring_request();
		msg.payload.ring.padding = UINT32_C(1) << bit;
		ck_assert_int_eq(rf_vhost_user_check(&msg), -EPROTO);
	}
}
END_TEST

START_TEST(zone_that_is_empty_or_wraps_is_refused)
{
	struct rf_vhost_user_msg msg = ring_request();

	msg.payload.ring.len = 0;
	ck_assert_int_eq(rf_vhost_user_check(&msg), -EPROTO);
	msg.payload.ring.addr = UINT64_MAX - 3;
	msg.payload.ring.len = 4;
	ck_assert_int_eq(rf_vhost_user_check(&msg), 0);
	msg.payload.ring.len = 5;
	ck_assert_int_eq(rf_vhost_user_check(&msg), -EPROTO);
	msg.payload.ring.addr = UINT64_MAX;
	msg.payload.ring.len = UINT32_MAX;
	ck_assert_int_eq(rf_vhost_user_check(&msg), -EPROTO);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		plain_requests_pass_in_their_one_form_only,
		requests_that_are_not_listed_are_not_supported,
		answers_are_not_requests,
		memory_table_has_as_many_bytes_and_descriptors_as_regions,
		memory_table_of_none_or_too_many_regions_is_refused,
		config_has_as_many_bytes_as_it_says,
		queue_eventfds_come_exactly_when_announced,
		status_is_one_byte,
		ring_comes_with_its_wake_eventfd_exactly_when_announced,
		ring_of_unknown_flags_format_or_padding_is_refused,
		zone_that_is_empty_or_wraps_is_refused,
	};

	return unit_run("vhost_user_check", tests, RF_ARRAY_LEN(tests));
}
