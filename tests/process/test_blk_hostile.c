/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * test_blk_hostile.c - a real ringfence-blk among guests, rings and front-ends
 * that lie
 *
 * Guests: the device breaks, says so, and serves again after the reset.
 * Front-ends: the program ends with a line, never by a signal.
 */
#include "process/blk_rig.h"

#include <stdio.h>

#define SECTORS 64u
#define NEEDS_RESET 0x40u

static uint8_t status_of(struct rig *r)
{
	uint8_t status;

	ck_assert_int_eq(rf_frontend_get_status(r->fe, &status), 0);
	return status;
}

static bool is_signalled(int fd, int ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	uint64_t count;

	if (poll(&p, 1, ms) != 1)
		return false;
	ck_assert_int_eq(rf_eventfd_take(fd, &count), 0);
	return true;
}

/* It broke: said in the status, rung at err, and nothing is served. */
static void expect_broken(struct rig *r)
{
	ck_assert(is_signalled(r->err, RIG_WAIT_MS));
	ck_assert_uint_eq(status_of(r), 0x0f | NEEDS_RESET);
	rig_kick(r);
	/* An answer means that the kick has been seen as well. */
	ck_assert_uint_eq(status_of(r), 0x0f | NEEDS_RESET);
}

static void expect_served(struct rig *r)
{
	ck_assert_uint_eq(rig_io(r, RIG_IN, 4, 0, 512, NULL), RIG_OK);
	ck_assert(rig_is_filled(rig_buf(r), 512, 5));
	ck_assert_uint_eq(status_of(r), 0x0f);
}

static void reset_and_drive(struct rig *r)
{
	ck_assert_int_eq(rf_frontend_reset(r->fe), 0);
	ck_assert_uint_eq(status_of(r), 0);
	rig_drive(r, RIG_F_FLUSH);
	expect_served(r);
}

static void lie_loop(struct rig *r)
{
	rig_make(r, RIG_IN, 0, 0, 512);
	vring_desc(&r->v, 1, RIG_BUF, 512, VRING_NEXT, 0);
	vring_offer(&r->v, 0);
}

static void lie_head(struct rig *r)
{
	vring_offer(&r->v, RIG_QUEUE_SIZE);
}

static void lie_index(struct rig *r)
{
	vring_set_avail_idx(&r->v, (uint16_t)(r->v.next_avail + 0x4000));
}

static void lie_address(struct rig *r)
{
	rig_make(r, RIG_IN, 0, 0, 512);
	vring_desc(&r->v, 1, UINT64_MAX - 100, 512, VRING_NEXT | VRING_WRITE,
		   2);
	vring_offer(&r->v, 0);
}

static void lie_order(struct rig *r)
{
	rig_make(r, RIG_OUT, 0, 512, 0);
	vring_desc(&r->v, 1, RIG_BUF, 512, VRING_NEXT | VRING_WRITE, 2);
	vring_desc(&r->v, 2, RIG_STATUS, 1, 0, 0);
	vring_offer(&r->v, 0);
}

static void lie_no_status(struct rig *r)
{
	vring_desc(&r->v, 0, RIG_HEADER, 16, 0, 0);
	vring_offer(&r->v, 0);
}

static void lie_short_header(struct rig *r)
{
	vring_desc(&r->v, 0, RIG_HEADER, 15, VRING_NEXT, 1);
	vring_desc(&r->v, 1, RIG_STATUS, 1, VRING_WRITE, 0);
	vring_offer(&r->v, 0);
}

static void lie_empty(struct rig *r)
{
	vring_desc(&r->v, 0, RIG_HEADER, 0, 0, 0);
	vring_offer(&r->v, 0);
}

static void lie_indirect(struct rig *r)
{
	rig_make(r, RIG_IN, 0, 0, 512);
	vring_desc(&r->v, 5, VRING_DESC, 48, VRING_INDIRECT, 0);
	vring_offer(&r->v, 5);
}

START_TEST(each_lie_breaks_the_device_until_its_reset)
{
	static void (*const lies[])(struct rig * r) = {
		lie_loop,    lie_head,	   lie_index,
		lie_address, lie_order,	   lie_no_status,
		lie_empty,   lie_indirect, lie_short_header,
	};
	int image = rig_image(NULL, SECTORS);
	struct rig r;
	size_t i;

	rig_start(&r, image, NULL);
	expect_served(&r);
	for (i = 0; i < RF_ARRAY_LEN(lies); i++) {
		lies[i](&r);
		rig_kick(&r);
		expect_broken(&r);
		ck_assert_uint_eq(vring_used_idx(&r.v), r.v.next_used);
		reset_and_drive(&r);
	}
	ck_assert_uint_eq(atomic_load(&r.report->resets), RF_ARRAY_LEN(lies));
	/* Status 0 is a reset too. */
	lie_loop(&r);
	rig_kick(&r);
	expect_broken(&r);
	ck_assert_int_eq(rf_frontend_set_status(r.fe, 0), 0);
	rig_drive(&r, RIG_F_FLUSH);
	expect_served(&r);
	rig_end(&r);
	RIG_ASSERT_LOGGED(&r, "available index jumped");
	close(image);
}
END_TEST

START_TEST(what_was_served_before_a_lie_is_given_back)
{
	int image = rig_image(NULL, SECTORS);
	struct vring_used used;
	struct rig r;

	rig_start(&r, image, NULL);
	rig_make(&r, RIG_IN, 6, 0, 512);
	vring_offer(&r.v, 0);
	vring_offer(&r.v, RIG_QUEUE_SIZE + 9);
	rig_kick(&r);
	expect_broken(&r);
	ck_assert(vring_take(&r.v, &used));
	ck_assert_uint_eq(used.len, 513);
	ck_assert(rig_is_filled(rig_buf(&r), 512, 7));
	reset_and_drive(&r);
	rig_end(&r);
	close(image);
}
END_TEST

START_TEST(guest_words_are_refused_and_the_program_lives)
{
	int image = rig_image(NULL, SECTORS);
	struct rf_frontend_queue q;
	struct rig r;

	rig_spawn(&r, image, NULL);
	rig_hand_over(&r);
	ck_assert_int_eq(rf_frontend_seal(r.fe), 0);
#define REFUSED(features, field, value)                                       \
	do {                                                                  \
		q = rig_queue();                                              \
		q.field = value;                                              \
		ck_assert_int_eq(rig_try_drive(&r, features, q), -EREMOTEIO); \
		ck_assert_int_eq(rf_frontend_reset(r.fe), 0);                 \
	} while (0)
	REFUSED(RIG_F_VERSION_1, size, 0);
	REFUSED(RIG_F_VERSION_1, size, 3);
	REFUSED(RIG_F_VERSION_1, size, 512);
	REFUSED(RIG_F_VERSION_1, desc_addr, VRING_DESC + 8);
	REFUSED(RIG_F_VERSION_1, desc_addr, 0);
	REFUSED(RIG_F_VERSION_1, avail_addr, VRING_GPA + VRING_RAM_BYTES - 4);
	REFUSED(RIG_F_VERSION_1, avail_addr, VRING_AVAIL + 1);
	REFUSED(RIG_F_VERSION_1, used_addr, UINT64_MAX - 3);
	REFUSED(RIG_F_VERSION_1, used_addr, VRING_USED + 2);
	/* No VERSION_1; features nobody offered. */
	REFUSED(RIG_F_FLUSH, size, RIG_QUEUE_SIZE);
	REFUSED(RIG_F_VERSION_1 | 1, size, RIG_QUEUE_SIZE);
#undef REFUSED
	rig_drive(&r, RIG_F_FLUSH);
	expect_served(&r);
	/* A queue that runs cannot be changed. */
	q = rig_queue();
	ck_assert_int_eq(rf_frontend_queue_start(r.fe, &q), -EREMOTEIO);
	ck_assert_int_eq(rf_frontend_set_features(r.fe, RIG_F_VERSION_1),
			 -EREMOTEIO);
	expect_served(&r);
	rig_end(&r);
	close(image);
}
END_TEST

START_TEST(stop_and_start_go_on_where_they_were)
{
	int image = rig_image(NULL, SECTORS);
	struct rf_frontend_queue q = rig_queue();
	struct rig r;
	uint32_t i;

	rig_start(&r, image, NULL);
	for (i = 0; i < 5; i++) {
		expect_served(&r);
		ck_assert_int_eq(rf_frontend_queue_stop(r.fe, 0, &q.base), 0);
		ck_assert_uint_eq(q.base, i + 1);
		/* The interrupt may have come later than what it tells. */
		(void)is_signalled(r.call, 0);
		/* Rung while nobody serves. */
		rig_make(&r, RIG_IN, 4, 0, 512);
		rig_kick(&r);
		ck_assert(!is_signalled(r.call, 20));
		ck_assert_int_eq(rf_frontend_queue_start(r.fe, &q), 0);
	}
	ck_assert_int_eq(rf_frontend_queue_stop(r.fe, 0, &q.base), 0);
	rig_make(&r, RIG_IN, 9, 0, 512);
	vring_offer(&r.v, 0);
	ck_assert_int_eq(rf_frontend_queue_start(r.fe, &q), 0);
	/* Nobody rings at all. */
	ck_assert(vring_wait(&r.v, r.call, RIG_WAIT_MS,
			     &(struct vring_used){ 0, 0 }));
	ck_assert(rig_is_filled(rig_buf(&r), 512, 10));
	rig_end(&r);
	close(image);
}
END_TEST

static void start_with_ring(struct rig *r, int image)
{
	rig_spawn(r, image, NULL);
	rig_hand_over(r);
	rig_add_ring(r);
	ck_assert_int_eq(rf_frontend_seal(r->fe), 0);
	rig_drive(r, RIG_F_FLUSH);
}

START_TEST(doorbells_come_through_the_ring)
{
	int image = rig_image(NULL, SECTORS);
	struct rig r;
	uint32_t i;

	start_with_ring(&r, image);
	/* More than once around. */
	for (i = 0; i < 500; i++)
		expect_served(&r);
	ck_assert_uint_eq(atomic_load(&r.report->ring_entries), 500);
	ck_assert_uint_eq(atomic_load(&r.report->kicks), 0);
	ck_assert_uint_eq(r.ring->first, r.ring->last);
	/* The spare bell beside it. */
	r.by_ring = false;
	expect_served(&r);
	/* Whoever was looking at memory hears it later. */
	for (i = 0; i < 1000 && !atomic_load(&r.report->kicks); i++)
		(void)usleep(1000);
	ck_assert_uint_eq(atomic_load(&r.report->kicks), 1);
	/* And through a reset, with no descriptor anew. */
	r.by_ring = true;
	reset_and_drive(&r);
	rig_end(&r);
	close(image);
}
END_TEST

START_TEST(entries_of_others_are_counted_and_passed_over)
{
	int image = rig_image(NULL, SECTORS);
	struct rig r;
	uint64_t before;

	start_with_ring(&r, image);
	expect_served(&r);
	before = atomic_load(&r.report->ring_entries);
	rig_push(&r, RIG_ZONE + 4, 0, 4);
	rig_push(&r, RIG_ZONE - 4, 0, 4);
	rig_push(&r, RIG_ZONE + 0x1000, 0, 4);
	rig_push(&r, RIG_ZONE, 0, 2); /* too short for QueueNotify */
	rig_push(&r, RIG_ZONE, 0, 8);
	/* In the zone, but no such queue: nothing to be done. */
	rig_push(&r, RIG_ZONE, 1, 4);
	rig_push(&r, RIG_ZONE, 31, 4);
	rig_push(&r, RIG_ZONE, 32, 4);
	rig_push(&r, RIG_ZONE, 0xffffffff, 4);
	expect_served(&r);
	ck_assert_uint_eq(atomic_load(&r.report->foreign), 5);
	ck_assert_uint_eq(atomic_load(&r.report->ring_entries), before + 10);
	rig_end(&r);
	close(image);
}
END_TEST

START_TEST(a_ring_with_a_bad_index_is_left_until_the_reset)
{
	static const uint32_t bad[] = { 170, 0x80000000, 0xffffffff };
	int image = rig_image(NULL, SECTORS);
	uint64_t wakeups;
	uint32_t good;
	struct rig r;
	size_t i;

	start_with_ring(&r, image);
	for (i = 0; i < RF_ARRAY_LEN(bad); i++) {
		expect_served(&r);
		good = r.ring->last;
		__atomic_store_n(&r.ring->last, bad[i], __ATOMIC_RELEASE);
		ck_assert_int_eq(rf_eventfd_signal(r.wake), 0);
		ck_assert(is_signalled(r.err, RIG_WAIT_MS));
		ck_assert_uint_eq(status_of(&r), 0x0f | NEEDS_RESET);
		/* Not awake over it for ever. */
		wakeups = atomic_load(&r.report->wakeups);
		(void)poll(NULL, 0, 50);
		ck_assert_uint_le(atomic_load(&r.report->wakeups), wakeups + 2);
		/* Reset, and still bad: kicks alone serve. */
		ck_assert_int_eq(rf_frontend_reset(r.fe), 0);
		rig_drive(&r, RIG_F_FLUSH);
		r.by_ring = false;
		expect_served(&r);
		/* Mended, and reset again. */
		__atomic_store_n(&r.ring->last, good, __ATOMIC_RELEASE);
		r.by_ring = true;
		reset_and_drive(&r);
	}
	rig_end(&r);
	RIG_ASSERT_LOGGED(&r, "last is 2147483648, out of range");
	close(image);
}
END_TEST

START_TEST(after_seal_no_descriptor_is_taken)
{
	int image = rig_image(NULL, SECTORS);
	struct rf_vhost_user_region region = rig_region();
	int other = rig_eventfd(), ring_fd;
	void *ring = rig_memfd("ring", RF_RING_BYTES, &ring_fd);
	struct rig r;

	rig_start(&r, image, NULL);
	expect_served(&r);
	ck_assert_int_eq(rf_frontend_set_kick(r.fe, 0, other), -EREMOTEIO);
	ck_assert_int_eq(rf_frontend_set_call(r.fe, 0, other), -EREMOTEIO);
	ck_assert_int_eq(rf_frontend_set_err(r.fe, 0, other), -EREMOTEIO);
	ck_assert_int_eq(rf_frontend_set_mem_table(r.fe, &region, &r.ram_fd, 1),
			 -EREMOTEIO);
	ck_assert_int_eq(rf_frontend_set_ring(r.fe, ring_fd, other, RIG_ZONE, 4,
					      VHOST_USER_RING_QUEUE_INDEX),
			 -EREMOTEIO);
	/* The old ones still work, through resets for ever. */
	expect_served(&r);
	reset_and_drive(&r);
	/* Sealing twice changes nothing. */
	ck_assert_int_eq(rf_frontend_seal(r.fe), 0);
	reset_and_drive(&r);
	rig_end(&r);
	munmap(ring, RF_RING_BYTES);
	close(other);
	close(image);
}
END_TEST

START_TEST(rings_that_are_none_are_refused)
{
	int image = rig_image(NULL, SECTORS);
	struct rf_ring_page *page;
	int fd, loose, small, wake;
	struct rig r;

	rig_spawn(&r, image, NULL);
	rig_hand_over(&r);
	wake = rig_eventfd();
	page = rig_memfd("ring", RF_RING_BYTES, &fd);
	loose = memfd_create("loose", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	ck_assert_int_eq(ftruncate(loose, RF_RING_BYTES), 0);
	ck_assert_int_eq(memfd_new("small", 100, &small), 0);
#define RING(ring, wake_fd, gpa, len)                       \
	rf_frontend_set_ring(r.fe, ring, wake_fd, gpa, len, \
			     VHOST_USER_RING_QUEUE_INDEX)
	ck_assert_int_eq(RING(loose, wake, RIG_ZONE, 4), -EREMOTEIO);
	ck_assert_int_eq(RING(small, wake, RIG_ZONE, 4), -EREMOTEIO);
	ck_assert_int_eq(RING(wake, wake, RIG_ZONE, 4), -EREMOTEIO);
	ck_assert_int_eq(RING(r.log, wake, RIG_ZONE, 4), -EREMOTEIO);
	/* A memfd cannot be polled: it needs a wake. */
	ck_assert_int_eq(RING(fd, -1, RIG_ZONE, 4), -EREMOTEIO);
	ck_assert_int_eq(RING(fd, wake, RIG_ZONE, 8), -EREMOTEIO);
	ck_assert_int_eq(RING(fd, wake, RIG_ZONE + 1, 4), -EREMOTEIO);
	/* Still whole, and takes a true one. */
	ck_assert_int_eq(RING(fd, wake, RIG_ZONE, 4), 0);
	/* Only one. */
	ck_assert_int_eq(RING(fd, wake, RIG_ZONE, 4), -EREMOTEIO);
	r.ring = page;
	r.wake = wake;
	r.by_ring = true;
	ck_assert_int_eq(rf_frontend_seal(r.fe), 0);
	rig_drive(&r, RIG_F_FLUSH);
	expect_served(&r);
	rig_end(&r);
	close(image);
#undef RING
}
END_TEST

START_TEST(a_ring_that_is_not_empty_ends_the_program)
{
	int image = rig_image(NULL, SECTORS);
	struct rf_vhost_user_msg msg = {
		.header = { VHOST_USER_SET_COALESCED_RING, VHOST_USER_VERSION_1,
			    sizeof(struct rf_vhost_user_ring) },
		.payload.ring = { .addr = RIG_ZONE,
				  .len = 4,
				  .flags = VHOST_USER_RING_F_WAKE },
		.nr_fds = 2,
	};
	struct rf_ring_page *page;
	struct rig r;
	int sock;

	rig_spawn(&r, image, NULL);
	sock = dup(r.sock);
	rig_hand_over(&r);
	page = rig_memfd("ring", RF_RING_BYTES, &msg.fds[0]);
	msg.fds[1] = rig_eventfd();
	page->last = 1;
	ck_assert_int_eq(rf_vhost_user_send(sock, &msg), 0);
	ck_assert_int_eq(rig_exit_status(&r), 1);
	RIG_ASSERT_LOGGED(&r, "the front-end lied in request");
	rf_frontend_free(r.fe);
	close(sock);
	close(image);
}
END_TEST

START_TEST(memory_that_could_shrink_is_refused_unless_allowed)
{
	static const char *const allow[] = { "--allow-unsealed-memory", NULL };
	int image = rig_image(NULL, SECTORS);
	struct rf_vhost_user_region region = rig_region();
	struct rig r;
	int loose;

	loose = memfd_create("loose", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	ck_assert_int_eq(ftruncate(loose, VRING_RAM_BYTES), 0);
	rig_spawn(&r, image, NULL);
	rig_negotiate(&r);
	ck_assert_int_eq(rf_frontend_set_mem_table(r.fe, &region, &loose, 1),
			 -EREMOTEIO);
	rig_end(&r);
	RIG_ASSERT_LOGGED(&r, "no F_SEAL_SHRINK");

	rig_spawn(&r, image, allow);
	rig_negotiate(&r);
	ck_assert_int_eq(rf_frontend_set_mem_table(r.fe, &region, &loose, 1),
			 0);
	rig_end(&r);
	close(loose);
	close(image);
}
END_TEST

START_TEST(memory_may_be_replaced_before_seal)
{
	int image = rig_image(NULL, SECTORS);
	struct rf_vhost_user_region region = rig_region();
	uint8_t *ram;
	struct rig r;
	int fd;

	rig_spawn(&r, image, NULL);
	rig_hand_over(&r);
	rig_drive(&r, RIG_F_FLUSH);
	expect_served(&r);
	/* The same guest in new memory, while the queue runs. */
	ram = rig_memfd("ram", VRING_RAM_BYTES, &fd);
	memcpy(ram, r.ram, VRING_RAM_BYTES);
	ck_assert_int_eq(rf_frontend_set_mem_table(r.fe, &region, &fd, 1), 0);
	r.v.ram = ram;
	r.v.desc = vring_at(&r.v, VRING_DESC);
	r.v.avail = vring_at(&r.v, VRING_AVAIL);
	r.v.used = vring_at(&r.v, VRING_USED);
	ck_assert_int_eq(rf_frontend_seal(r.fe), 0);
	expect_served(&r);
	rig_end(&r);
	close(image);
}
END_TEST

START_TEST(memory_without_the_rings_breaks_the_device)
{
	int image = rig_image(NULL, SECTORS);
	struct rf_vhost_user_region region = rig_region();
	struct rig r;

	rig_spawn(&r, image, NULL);
	rig_hand_over(&r);
	rig_drive(&r, RIG_F_FLUSH);
	expect_served(&r);
	region.guest_phys_addr += VRING_RAM_BYTES;
	region.user_addr += VRING_RAM_BYTES;
	ck_assert_int_eq(rf_frontend_set_mem_table(r.fe, &region, &r.ram_fd, 1),
			 0);
	ck_assert(is_signalled(r.err, RIG_WAIT_MS));
	ck_assert_uint_eq(status_of(&r), 0x0f | NEEDS_RESET);
	region = rig_region();
	ck_assert_int_eq(rf_frontend_set_mem_table(r.fe, &region, &r.ram_fd, 1),
			 0);
	reset_and_drive(&r);
	rig_end(&r);
	close(image);
}
END_TEST

/*
 * Raw messages.
 */
static void put(struct rig *r, uint32_t request, const void *payload,
		uint32_t size, int fd)
{
	struct rf_vhost_user_msg msg = {
		.header = { request, VHOST_USER_VERSION_1, size },
		.nr_fds = fd >= 0,
		.fds = { fd },
	};

	memcpy(msg.payload.bytes, payload, size);
	ck_assert_int_eq(rf_vhost_user_send(r->sock, &msg), 0);
}

static void put_u64(struct rig *r, uint32_t request, uint64_t value, int fd)
{
	put(r, request, &value, sizeof(value), fd);
}

static void put_state(struct rig *r, uint32_t request, uint32_t index,
		      uint32_t num)
{
	struct rf_vhost_user_vring_state s = { index, num };

	put(r, request, &s, sizeof(s), -1);
}

static uint64_t ask_u64(struct rig *r, uint32_t request)
{
	struct rf_vhost_user_msg msg;

	put(r, request, "", 0, -1);
	ck_assert_int_eq(rf_vhost_user_recv(r->sock, &msg), 0);
	ck_assert_uint_eq(msg.header.request, request);
	ck_assert_uint_eq(msg.header.size, 8);
	return msg.payload.u64;
}

static void put_memory(struct rig *r)
{
	struct rf_vhost_user_mem_table t = { .nr_regions = 1,
					     .regions = { rig_region() } };

	put(r, VHOST_USER_SET_MEM_TABLE, &t, 8 + 32, r->ram_fd);
}

static void put_addr(struct rig *r)
{
	struct rf_vhost_user_vring_addr a = { .desc_user_addr = VRING_DESC,
					      .used_user_addr = VRING_USED,
					      .avail_user_addr = VRING_AVAIL };

	put(r, VHOST_USER_SET_VRING_ADDR, &a, sizeof(a), -1);
}

/* As an old front-end does it: no protocol features, no answers, no enable, no
 * seal; the kick comes last and starts the queue. */
START_TEST(a_front_end_without_protocol_features_is_served)
{
	int image = rig_image(NULL, SECTORS);
	uint32_t round;
	struct rig r;

	rig_spawn(&r, image, NULL);
	put(&r, VHOST_USER_SET_OWNER, "", 0, -1);
	ck_assert(ask_u64(&r, VHOST_USER_GET_FEATURES) & RIG_F_VERSION_1);
	put_u64(&r, VHOST_USER_SET_FEATURES, RIG_F_VERSION_1, -1);
	put_memory(&r);
	for (round = 0; round < 3; round++) {
		struct rf_vhost_user_msg msg;

		put_state(&r, VHOST_USER_SET_VRING_NUM, 0, RIG_QUEUE_SIZE);
		put_state(&r, VHOST_USER_SET_VRING_BASE, 0, round);
		put_addr(&r);
		put_u64(&r, VHOST_USER_SET_VRING_KICK, 0, r.kick);
		put_u64(&r, VHOST_USER_SET_VRING_CALL, 0, r.call);
		ck_assert_uint_eq(rig_io(&r, RIG_IN, 4, 0, 512, NULL), RIG_OK);
		ck_assert(rig_is_filled(rig_buf(&r), 512, 5));
		put_state(&r, VHOST_USER_GET_VRING_BASE, 0, 0);
		ck_assert_int_eq(rf_vhost_user_recv(r.sock, &msg), 0);
		ck_assert_uint_eq(msg.payload.state.num, round + 1);
	}
	rig_end(&r);
	close(image);
}
END_TEST

/* Without answers a guest's lie cannot be refused: the device breaks. */
START_TEST(a_bad_queue_without_answers_breaks_the_device)
{
	int image = rig_image(NULL, SECTORS);
	struct rig r;

	rig_spawn(&r, image, NULL);
	(void)ask_u64(&r, VHOST_USER_GET_FEATURES);
	(void)ask_u64(&r, VHOST_USER_GET_PROTOCOL_FEATURES);
	put_u64(&r, VHOST_USER_SET_PROTOCOL_FEATURES,
		1 << VHOST_USER_PROTOCOL_F_STATUS, -1);
	put_u64(&r, VHOST_USER_SET_VRING_ERR, 0, r.err);
	put_state(&r, VHOST_USER_SET_VRING_NUM, 0, 77);
	ck_assert(is_signalled(r.err, RIG_WAIT_MS));
	ck_assert_uint_eq(ask_u64(&r, VHOST_USER_GET_STATUS), NEEDS_RESET);
	put_u64(&r, VHOST_USER_SET_STATUS, 0, -1);
	ck_assert_uint_eq(ask_u64(&r, VHOST_USER_GET_STATUS), 0);
	rig_end(&r);
	close(image);
}
END_TEST

/* The rest of what a front-end must not say: each ends a program. */
static void say_queue_beyond(struct rig *r)
{
	put_state(r, VHOST_USER_SET_VRING_NUM, 1, 64);
}

static void say_kick_beyond(struct rig *r)
{
	put_u64(r, VHOST_USER_SET_VRING_KICK, 255, r->kick);
}

static void say_call_beyond(struct rig *r)
{
	put_u64(r, VHOST_USER_SET_VRING_CALL, 32, r->call);
}

static void say_short_payload(struct rig *r)
{
	put(r, VHOST_USER_SET_FEATURES, "1234", 4, -1);
}

static void say_descriptor_for_nothing(struct rig *r)
{
	put(r, VHOST_USER_SET_OWNER, "", 0, r->kick);
}

static void say_unoffered_protocol(struct rig *r)
{
	put_u64(r, VHOST_USER_SET_PROTOCOL_FEATURES, UINT64_C(1) << 60, -1);
}

static void say_unnegotiated(struct rig *r)
{
	put(r, VHOST_USER_SEAL, "", 0, -1);
}

static void say_nothing_known(struct rig *r)
{
	put(r, 12345, "", 0, -1);
}

static void say_memory_that_wraps(struct rig *r)
{
	struct rf_vhost_user_mem_table t = { .nr_regions = 1,
					     .regions = { rig_region() } };

	t.regions[0].guest_phys_addr = UINT64_MAX - 0xfff;
	put(r, VHOST_USER_SET_MEM_TABLE, &t, 8 + 32, r->ram_fd);
}

static void say_garbage(struct rig *r)
{
	ck_assert_int_eq(write(r->sock, "GET / HTTP/1.1\r\n\r\n", 18), 18);
}

START_TEST(a_lie_of_the_front_end_ends_the_program_with_a_line)
{
	static void (*const lies[])(struct rig * r) = {
		say_queue_beyond,	say_kick_beyond,
		say_call_beyond,	say_short_payload,
		say_unoffered_protocol, say_descriptor_for_nothing,
		say_unnegotiated,	say_nothing_known,
		say_memory_that_wraps,	say_garbage,
	};
	int image = rig_image(NULL, SECTORS);
	struct rig r;
	size_t i;

	for (i = 0; i < RF_ARRAY_LEN(lies); i++) {
		rig_spawn(&r, image, NULL);
		lies[i](&r);
		ck_assert_int_eq(rig_exit_status(&r), 1);
		RIG_ASSERT_LOGGED(&r, "rf-blk: ");
	}
	close(image);
}
END_TEST

/* Kicks are edges and never read: one that is always readable wakes once. */
START_TEST(a_kick_that_is_no_eventfd_keeps_nobody_awake)
{
	int image = rig_image(NULL, SECTORS);
	uint64_t wakeups;
	struct rig r;
	int p[2];

	rig_spawn(&r, image, NULL);
	ck_assert_int_eq(pipe2(p, O_CLOEXEC), 0);
	ck_assert_int_eq(write(p[1], "x", 1), 1);
	put_u64(&r, VHOST_USER_SET_VRING_KICK, 0, p[0]);
	(void)ask_u64(&r, VHOST_USER_GET_FEATURES);
	wakeups = atomic_load(&r.report->wakeups);
	(void)usleep(50000);
	ck_assert_uint_le(atomic_load(&r.report->wakeups), wakeups + 1);
	close(p[0]);
	close(p[1]);
	rig_end(&r);
	close(image);
}
END_TEST

/* A stream that ends mid-message is a lie, one that ends between is an end. */
START_TEST(half_a_message_ends_the_program)
{
	int image = rig_image(NULL, SECTORS);
	struct rig r;

	rig_spawn(&r, image, NULL);
	ck_assert_int_eq(write(r.sock, "\1\0\0\0\1", 5), 5);
	rf_fd_close(&r.sock);
	ck_assert_int_eq(rig_exit_status(&r), 1);
	rig_spawn(&r, image, NULL);
	rig_end(&r);
	close(image);
}
END_TEST

/* Sealed, and the front-end writes nonsense: still an orderly end. */
START_TEST(a_sealed_program_ends_in_order)
{
	int image = rig_image(NULL, SECTORS);
	struct rig r;
	int sock;

	rig_spawn(&r, image, NULL);
	sock = dup(r.sock);
	rig_hand_over(&r);
	ck_assert_int_eq(rf_frontend_seal(r.fe), 0);
	rig_drive(&r, RIG_F_FLUSH);
	expect_served(&r);
	ck_assert_int_eq(write(sock, "GET / HTTP/1.1\r\n\r\n", 18), 18);
	ck_assert_int_eq(rig_exit_status(&r), 1);
	RIG_ASSERT_LOGGED(&r, "the front-end lied");
	rf_frontend_free(r.fe);
	close(sock);
	close(image);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		each_lie_breaks_the_device_until_its_reset,
		what_was_served_before_a_lie_is_given_back,
		guest_words_are_refused_and_the_program_lives,
		stop_and_start_go_on_where_they_were,
		doorbells_come_through_the_ring,
		entries_of_others_are_counted_and_passed_over,
		a_ring_with_a_bad_index_is_left_until_the_reset,
		after_seal_no_descriptor_is_taken,
		rings_that_are_none_are_refused,
		a_ring_that_is_not_empty_ends_the_program,
		memory_that_could_shrink_is_refused_unless_allowed,
		memory_may_be_replaced_before_seal,
		memory_without_the_rings_breaks_the_device,
		a_front_end_without_protocol_features_is_served,
		a_bad_queue_without_answers_breaks_the_device,
		a_lie_of_the_front_end_ends_the_program_with_a_line,
		a_kick_that_is_no_eventfd_keeps_nobody_awake,
		half_a_message_ends_the_program,
		a_sealed_program_ends_in_order,
	};

	return rig_run("blk_hostile", tests, RF_ARRAY_LEN(tests));
}
