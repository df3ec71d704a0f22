/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * test_backend.c - twin of src/device/backend.c: messages, answered or refused
 */
#include "unit/unit.h"

#include "unit/device_rig.h"

static struct rig r;

START_TEST(what_is_offered_is_what_the_device_and_the_runtime_can)
{
	uint16_t nr;

	rig_new(&r, rig_ops());
	rig_connect(&r);
	ck_assert_uint_eq(rf_frontend_features(r.fe),
			  RIG_FEATURE | RIG_VERSION_1 | UINT64_C(3) << 28 |
				  UINT64_C(3) << 34 | UINT64_C(5) << 38);
	ck_assert(rf_frontend_has(r.fe, VHOST_USER_PROTOCOL_F_CONFIG));
	ck_assert(rf_frontend_has(r.fe, VHOST_USER_PROTOCOL_F_STATUS));
	ck_assert(rf_frontend_has(r.fe, VHOST_USER_PROTOCOL_F_RESET_DEVICE));
	ck_assert(rf_frontend_has(r.fe, VHOST_USER_PROTOCOL_F_COALESCED_RING));
	/* No last filter, so nothing to seal with. */
	ck_assert(!rf_frontend_has(r.fe, VHOST_USER_PROTOCOL_F_SEAL));
	ck_assert_int_eq(rf_frontend_seal(r.fe), -ENOTSUP);
	ck_assert_int_eq(rf_frontend_queue_num(r.fe, &nr), 0);
	ck_assert_uint_eq(nr, RIG_QUEUES);
	ck_assert_int_eq(rig_end(&r), 0);
}
END_TEST

START_TEST(what_is_to_be_left_out_is_neither_offered_nor_taken)
{
	const uint64_t packed = UINT64_C(1) << 34;
	const uint64_t all = UINT64_MAX & ~RIG_VERSION_1;

	rig_new_params(&r, rig_ops(),
		       (struct rf_device_params){ .without = packed });
	rig_connect(&r);
	ck_assert_uint_eq(rf_frontend_features(r.fe),
			  RIG_FEATURE | RIG_VERSION_1 | UINT64_C(3) << 28 |
				  UINT64_C(1) << 35 | UINT64_C(5) << 38);
	ck_assert_int_eq(rf_frontend_set_features(r.fe, RIG_VERSION_1 | packed),
			 -EREMOTEIO);
	ck_assert_int_eq(rig_end(&r), 0);
	/* The device's own features are its ops' to leave out. */
	rig_new_params(&r, rig_ops(),
		       (struct rf_device_params){ .without = all });
	rig_connect(&r);
	ck_assert_uint_eq(rf_frontend_features(r.fe),
			  RIG_FEATURE | RIG_VERSION_1);
	ck_assert_int_eq(rig_end(&r), 0);
}
END_TEST

START_TEST(features_reach_the_device_and_unoffered_ones_do_not)
{
	rig_new(&r, rig_ops());
	rig_connect(&r);
	ck_assert_int_eq(rf_frontend_set_features(r.fe, RIG_VERSION_1 | 2),
			 -EREMOTEIO);
	ck_assert_uint_eq(atomic_load(&r.features), 0);
	ck_assert_int_eq(
		rf_frontend_set_features(r.fe, RIG_VERSION_1 | RIG_FEATURE), 0);
	ck_assert_uint_eq(atomic_load(&r.features),
			  RIG_VERSION_1 | RIG_FEATURE);
	ck_assert_int_eq(rig_end(&r), 0);
}
END_TEST

START_TEST(config_space_is_read_and_written_within_its_bounds)
{
	char buf[16];

	rig_new(&r, rig_ops());
	rig_connect(&r);
	ck_assert_int_eq(rf_frontend_get_config(r.fe, 2, buf, 4), 0);
	ck_assert_mem_eq(buf, "nfig", 4);
	memset(buf, 'x', sizeof(buf));
	ck_assert_int_eq(rf_frontend_get_config(r.fe, 6, buf, 8), 0);
	ck_assert_mem_eq(buf, "!\0\0\0\0\0\0\0", 8);
	ck_assert_int_eq(rf_frontend_get_config(r.fe, 200, buf, 8), 0);
	ck_assert_mem_eq(buf, "\0\0\0\0\0\0\0\0", 8);
	ck_assert_int_lt(rf_frontend_get_config(r.fe, 250, buf, 8), 0);
	ck_assert_int_lt(rf_frontend_get_config(r.fe, UINT32_MAX, buf, 8), 0);
	ck_assert_int_eq(rf_frontend_set_config(r.fe, 0, "C", 1), 0);
	ck_assert_int_eq(rf_frontend_get_config(r.fe, 0, buf, 8), 0);
	ck_assert_mem_eq(buf, "Config!", 8);
	ck_assert_int_eq(rf_frontend_set_config(r.fe, 6, "abc", 3), -EREMOTEIO);
	ck_assert_int_eq(rf_frontend_set_config(r.fe, 9, "a", 1), -EREMOTEIO);
	ck_assert_int_eq(rf_frontend_set_config(r.fe, UINT32_MAX, "ab", 2),
			 -EREMOTEIO);
	/* The device's own no; it is not the end. */
	ck_assert_int_eq(rf_frontend_set_config(r.fe, 7, "a", 1), -EREMOTEIO);
	ck_assert_int_eq(rf_frontend_get_config(r.fe, 0, buf, 8), 0);
	ck_assert_mem_eq(buf, "Config!", 8);
	ck_assert_int_eq(rig_end(&r), 0);
}
END_TEST

START_TEST(a_queue_cannot_change_while_it_runs)
{
	struct rf_frontend_queue q = { .size = RIG_SIZE,
				       .desc_addr = VRING_DESC,
				       .avail_addr = VRING_AVAIL,
				       .used_addr = VRING_USED };

	rig_start(&r, rig_ops());
	ck_assert_int_eq(rf_frontend_queue_start(r.fe, &q), -EREMOTEIO);
	ck_assert_int_eq(rf_frontend_set_features(r.fe, RIG_VERSION_1 | 1),
			 -EREMOTEIO);
	rig_expect_served(&r);
	ck_assert_int_eq(rf_frontend_queue_stop(r.fe, 0, &q.base), 0);
	ck_assert_uint_eq(q.base, 1);
	ck_assert_int_eq(rf_frontend_queue_start(r.fe, &q), 0);
	rig_expect_served(&r);
	ck_assert_int_eq(rig_end(&r), 0);
}
END_TEST

START_TEST(each_queue_has_its_own_descriptors)
{
	struct rf_frontend_queue q = { .index = 2,
				       .size = RIG_SIZE,
				       .desc_addr = VRING_DESC,
				       .avail_addr = VRING_AVAIL,
				       .used_addr = VRING_USED };

	rig_new(&r, rig_ops());
	rig_connect(&r);
	vring_init(&r.v, r.ram.low, RIG_SIZE);
	ck_assert_int_eq(rf_frontend_set_features(r.fe, RIG_VERSION_1), 0);
	/* Queue 2 has no doorbell yet, so it does not start. */
	ck_assert_int_eq(rf_frontend_queue_start(r.fe, &q), 0);
	rig_offer(&r, 1);
	ck_assert_int_eq(rf_eventfd_signal(r.kick), 0);
	ck_assert(!rig_is_signalled(r.call, 50));
	ck_assert_int_eq(rf_frontend_set_call(r.fe, 2, r.call), 0);
	/* The kick was the last thing missing. */
	ck_assert_int_eq(rf_frontend_set_kick(r.fe, 2, r.kick), 0);
	rig_expect_answer(&r, 2);
	ck_assert_int_eq(rig_end(&r), 0);
}
END_TEST

/* A new kick in the place of the old one: the old one no longer wakes, though
 * the front-end still holds its open file. */
START_TEST(a_replaced_kick_is_forgotten)
{
	int other = rig_eventfd();
	uint64_t kicks;

	rig_start(&r, rig_ops());
	ck_assert_int_eq(rf_frontend_set_kick(r.fe, 0, other), 0);
	rig_settle(&r);
	kicks = atomic_load(&r.report.kicks);
	ck_assert_int_eq(rf_eventfd_signal(r.kick), 0);
	rig_settle(&r);
	ck_assert_uint_eq(atomic_load(&r.report.kicks), kicks);
	ck_assert_int_eq(rf_eventfd_signal(other), 0);
	rig_settle(&r);
	ck_assert_uint_eq(atomic_load(&r.report.kicks), kicks + 1);
	rig_offer(&r, 1);
	ck_assert_int_eq(rf_eventfd_signal(other), 0);
	rig_expect_answer(&r, 2);
	close(other);
	ck_assert_int_eq(rig_end(&r), 0);
}
END_TEST

START_TEST(resets_keep_memory_and_descriptors)
{
	int i;

	rig_start(&r, rig_ops());
	for (i = 0; i < 20; i++) {
		rig_expect_served(&r);
		if (i % 2)
			ck_assert_int_eq(rf_frontend_reset(r.fe), 0);
		else
			ck_assert_int_eq(rf_frontend_set_status(r.fe, 0), 0);
		/* Stopped: nothing is served. */
		ck_assert_int_eq(rf_eventfd_signal(r.kick), 0);
		ck_assert_uint_eq(rig_status(&r), 0);
		rig_drive(&r);
	}
	ck_assert_uint_eq(atomic_load(&r.nr_resets), 20);
	ck_assert_int_eq(rig_end(&r), 0);
}
END_TEST

/* Raw messages: what no honest front-end says. The loop ends with -EPROTO. */
static void send_raw(uint32_t request, const void *payload, uint32_t size,
		     int fd)
{
	struct rf_vhost_user_msg msg = {
		.header = { request, VHOST_USER_VERSION_1, size },
		.nr_fds = fd >= 0,
		.fds = { fd },
	};

	memcpy(msg.payload.bytes, payload, size);
	ck_assert_int_eq(rf_vhost_user_send(r.sock, &msg), 0);
}

static int result_of(uint32_t request, const void *payload, uint32_t size,
		     bool with_fd)
{
	rig_new(&r, rig_ops());
	send_raw(request, payload, size, with_fd ? r.call : -1);
	ck_assert_int_eq(shutdown(r.sock, SHUT_WR), 0);
	return rig_end(&r);
}

START_TEST(lies_of_the_front_end_end_it)
{
	const struct rf_vhost_user_vring_state beyond = { RIG_QUEUES, 8 };
	const struct rf_vhost_user_vring_state huge = { UINT32_MAX, 8 };
	const struct rf_vhost_user_vring_addr addr = { .index = RIG_QUEUES };
	const uint64_t bit63 = UINT64_C(1) << 63;
	const uint64_t queue = RIG_QUEUES;
	const uint64_t status = 1;

#define LIE(request, payload, with_fd)                               \
	ck_assert_int_eq(result_of(VHOST_USER_##request, &(payload), \
				   sizeof(payload), with_fd),        \
			 -EPROTO)
	LIE(SET_VRING_NUM, beyond, false);
	LIE(SET_VRING_BASE, beyond, false);
	LIE(GET_VRING_BASE, beyond, false);
	LIE(SET_VRING_ENABLE, beyond, false);
	LIE(SET_VRING_NUM, huge, false);
	LIE(GET_VRING_BASE, huge, false);
	LIE(SET_VRING_ADDR, addr, false);
	LIE(SET_VRING_KICK, queue, true);
	LIE(SET_VRING_CALL, queue, true);
	LIE(SET_VRING_ERR, queue, true);
	LIE(SET_PROTOCOL_FEATURES, bit63, false);
	/* Known, but not negotiated. */
	LIE(SET_STATUS, status, false);
#undef LIE
	ck_assert_int_eq(result_of(VHOST_USER_SEAL, "", 0, false), -EPROTO);
	ck_assert_int_eq(result_of(VHOST_USER_GET_STATUS, "", 0, false),
			 -EPROTO);
	ck_assert_int_eq(result_of(VHOST_USER_GET_QUEUE_NUM, "", 0, false),
			 -EPROTO);
	ck_assert_int_eq(result_of(VHOST_USER_SET_OWNER, "", 0, true), -EPROTO);
	ck_assert_int_eq(result_of(99, "", 0, false), -EPROTO);
	ck_assert_int_eq(result_of(0, "", 0, false), -EPROTO);
	/* The measure: an honest one. */
	ck_assert_int_eq(result_of(VHOST_USER_SET_OWNER, "", 0, false), 0);
}
END_TEST

/* A guest's word that nobody wants an answer to: the device breaks. */
START_TEST(a_guests_word_without_answer_breaks_the_device)
{
	const struct rf_vhost_user_vring_state bad = { 0, 3 };

	rig_start(&r, rig_ops());
	ck_assert_int_eq(rf_frontend_reset(r.fe), 0);
	send_raw(VHOST_USER_SET_VRING_NUM, &bad, sizeof(bad), -1);
	ck_assert(rig_is_signalled(r.err, RIG_WAIT_MS));
	ck_assert_uint_eq(rig_status(&r), 0x40);
	ck_assert_int_eq(rf_frontend_reset(r.fe), 0);
	rig_drive(&r);
	rig_expect_served(&r);
	ck_assert_int_eq(rig_end(&r), 0);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		what_is_offered_is_what_the_device_and_the_runtime_can,
		what_is_to_be_left_out_is_neither_offered_nor_taken,
		features_reach_the_device_and_unoffered_ones_do_not,
		config_space_is_read_and_written_within_its_bounds,
		a_queue_cannot_change_while_it_runs,
		each_queue_has_its_own_descriptors,
		a_replaced_kick_is_forgotten,
		resets_keep_memory_and_descriptors,
		lies_of_the_front_end_end_it,
		a_guests_word_without_answer_breaks_the_device,
	};

	return unit_run("backend", tests, RF_ARRAY_LEN(tests));
}
