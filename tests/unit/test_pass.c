/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * test_pass.c - twin of src/device/pass.c: a device whose answers come later
 *
 * The device takes requests in `queue`, sends them off in `submit`, and they
 * are done when the test says so: `nr_done` of them, the last ones first.
 */
#include "unit/unit.h"

#include <stdlib.h>

#include "device/runtime.h"
#include "pring.h"
#include "unit/device_rig.h"

#define DEPTH 8u /* requests that the device takes at a time */
#define F_PACKED (UINT64_C(1) << 34)
#define F_IN_ORDER (UINT64_C(1) << 35)

static struct rig r;

struct under_way {
	struct rf_virtqueue *vq;
	uint16_t head;
	uint8_t *status; /* where its answer goes */
};

/* All but the first four are the device thread's alone. */
static struct {
	_Atomic uint32_t may_finish;
	_Atomic uint32_t nr_taken;
	_Atomic uint32_t nr_quiesced;
	_Atomic bool drives; /* plays the driver too: offer_when_idle() */
	uint32_t depth;
	uint32_t nr;
	uint32_t nr_sent;
	bool lied;
	uint32_t nr_looks;
	struct under_way all[DEPTH];
	int event;
} slow;

static int slow_queue(void *state, struct rf_virtqueue *vq)
{
	struct rf_chain chain;
	int err = 0;

	(void)state;
	atomic_fetch_add(&r.nr_queue_calls, 1);
	while (slow.nr < slow.depth) {
		err = rf_virtqueue_pop(vq, &chain);
		if (err)
			break;
		if (chain.nr_writable != 1)
			return -EPROTO;
		slow.all[slow.nr++] = (struct under_way){
			vq, chain.head, chain.iov[chain.nr_readable].iov_base
		};
		atomic_fetch_add(&slow.nr_taken, 1);
	}
	return err == -EAGAIN ? 0 : err;
}

static void slow_submit(void *state)
{
	(void)state;
	slow.nr_sent = slow.nr;
}

/* A driver that comes as soon as the device has looked twice and found nothing:
 * asleep if it sleeps then, awake if it goes on looking. */
static void offer_when_idle(void)
{
	if (slow.nr > 0 || ++slow.nr_looks != 2)
		return;
	vring_desc(&r.v, 0, RIG_IN, 1, VRING_WRITE, 0);
	vring_offer(&r.v, 0);
	if (rf_eventfd_signal(r.kick))
		abort();
}

static bool slow_has(void *state)
{
	(void)state;
	if (atomic_load(&slow.drives))
		offer_when_idle();
	return slow.nr_sent > 0 && atomic_load(&slow.may_finish) > 0;
}

static void finish_last(void)
{
	struct under_way *u = &slow.all[--slow.nr];

	slow.nr_sent = slow.nr;
	slow.nr_looks = 0;
	*u->status = 0x77;
	rf_virtqueue_push(u->vq, u->head, 1);
	rf_device_ring(r.dev, rf_virtqueue_index(u->vq));
}

static void slow_complete(void *state)
{
	uint64_t count;

	/* Empty where memory told of it first. */
	if (rf_eventfd_take(slow.event, &count) == -EBADF)
		abort();
	while (slow_has(state)) {
		atomic_fetch_sub(&slow.may_finish, 1);
		finish_last();
	}
}

static void slow_quiesce(void *state)
{
	(void)state;
	/* Whatever was taken was sent off before. */
	slow.lied |= slow.nr_sent != slow.nr;
	while (slow.nr > 0)
		finish_last();
	atomic_fetch_add(&slow.nr_quiesced, 1);
}

static void begin(uint32_t depth, uint32_t poll_us)
{
	struct rf_device_ops ops = rig_ops();

	memset(&slow, 0, sizeof(slow));
	slow.depth = depth;
	slow.event = rig_eventfd();
	ops.queue = slow_queue;
	ops.submit = slow_submit;
	ops.has_completions = slow_has;
	ops.complete = slow_complete;
	ops.quiesce = slow_quiesce;
	ops.event_fd = slow.event;
	rig_new_polling(&r, ops, poll_us);
	rig_connect(&r);
}

static void end(void)
{
	ck_assert_int_eq(rig_end(&r), 0);
	ck_assert(!slow.lied);
	close(slow.event);
}

static void let_finish(uint32_t nr)
{
	atomic_fetch_add(&slow.may_finish, nr);
	ck_assert_int_eq(rf_eventfd_signal(slow.event), 0);
}

static void drive(uint64_t features)
{
	struct rf_frontend_queue q = { .size = RIG_SIZE,
				       .base = features & F_PACKED ? PRING_BASE
								   : 0,
				       .desc_addr = VRING_DESC,
				       .avail_addr = VRING_AVAIL,
				       .used_addr = VRING_USED };

	ck_assert_int_eq(
		rf_frontend_set_features(r.fe, RIG_VERSION_1 | features), 0);
	ck_assert_int_eq(rf_frontend_queue_start(r.fe, &q), 0);
}

static void offer(uint16_t nr)
{
	uint16_t i;

	for (i = 0; i < nr; i++) {
		uint16_t head = r.v.next_avail & (RIG_SIZE - 1);

		vring_desc(&r.v, head, RIG_IN + head, 1, VRING_WRITE, 0);
		vring_offer(&r.v, head);
	}
	ck_assert_int_eq(rf_eventfd_signal(r.kick), 0);
}

static void expect_answers(uint16_t nr)
{
	struct vring_used used;

	while (nr--) {
		ck_assert(vring_wait(&r.v, r.call, RIG_WAIT_MS, &used));
		ck_assert_uint_eq(used.len, 1);
	}
	ck_assert(!vring_take(&r.v, &used));
}

START_TEST(answers_come_when_they_are_done)
{
	static const uint32_t polls[] = { 0, 100000 };
	size_t i;

	for (i = 0; i < RF_ARRAY_LEN(polls); i++) {
		begin(DEPTH, polls[i]);
		rig_drive(&r);
		offer(3);
		rig_settle(&r);
		ck_assert_uint_eq(atomic_load(&slow.nr_taken), 3);
		ck_assert_uint_eq(vring_used_idx(&r.v), 0);
		let_finish(1);
		expect_answers(1);
		let_finish(2);
		expect_answers(2);
		ck_assert_uint_eq(atomic_load(&r.report.requests), 3);
		end();
	}
}
END_TEST

/* One interrupt for what was done at once, also when it was asked for apart. */
START_TEST(one_interrupt_tells_of_what_is_done_at_once)
{
	uint64_t count;

	begin(DEPTH, 0);
	rig_drive(&r);
	offer(1);
	rig_settle(&r);
	offer(4);
	rig_settle(&r);
	let_finish(5);
	rig_settle(&r);
	ck_assert_uint_eq(vring_used_idx(&r.v), 5);
	ck_assert_uint_eq(atomic_load(&r.report.interrupts), 1);
	ck_assert_int_eq(rf_eventfd_take(r.call, &count), -EAGAIN);
	end();
}
END_TEST

/* A device that is full takes no more, is not asked in a loop, and goes on when
 * it wants to. */
START_TEST(a_full_device_is_left_alone_until_it_rings)
{
	uint32_t nr_calls;

	begin(2, 0);
	rig_drive(&r);
	offer(7);
	rig_settle(&r);
	ck_assert_uint_eq(atomic_load(&slow.nr_taken), 2);
	nr_calls = atomic_load(&r.nr_queue_calls);
	(void)poll(NULL, 0, 50);
	ck_assert_uint_eq(atomic_load(&r.nr_queue_calls), nr_calls);
	/* Nor is the driver to ring meanwhile. */
	ck_assert_uint_eq(vring_used_flags(&r.v), 1);
	let_finish(1);
	expect_answers(1);
	rig_settle(&r);
	ck_assert_uint_eq(atomic_load(&slow.nr_taken), 3);
	let_finish(6);
	expect_answers(6);
	rig_settle(&r);
	ck_assert_uint_eq(vring_used_flags(&r.v), 0);
	end();
}
END_TEST

/* Whatever takes the queue away waits for what is under way. */
START_TEST(nothing_is_under_way_when_a_queue_ends)
{
	uint32_t base;

	begin(DEPTH, 0);
	rig_drive(&r);
	offer(4);
	rig_settle(&r);
	ck_assert_int_eq(rf_frontend_queue_stop(r.fe, 0, &base), 0);
	ck_assert_uint_eq(base, 4);
	expect_answers(4);
	ck_assert_uint_ge(atomic_load(&slow.nr_quiesced), 1);
	/* Memory. */
	rig_drive(&r);
	offer(3);
	rig_settle(&r);
	ck_assert_int_eq(
		rf_frontend_set_mem_table(r.fe, r.ram.table, r.ram.fds, 2), 0);
	expect_answers(3);
	/* It goes on in the new mapping. */
	offer(1);
	let_finish(1);
	expect_answers(1);
	/* A reset. */
	offer(2);
	rig_settle(&r);
	ck_assert_int_eq(rf_frontend_reset(r.fe), 0);
	expect_answers(2);
	end();
}
END_TEST

START_TEST(a_lie_comes_after_the_answers_to_what_came_before_it)
{
	begin(DEPTH, 0);
	rig_drive(&r);
	offer(2);
	rig_settle(&r);
	vring_offer(&r.v, RIG_SIZE);
	ck_assert_int_eq(rf_eventfd_signal(r.kick), 0);
	ck_assert(rig_is_signalled(r.err, RIG_WAIT_MS));
	ck_assert_uint_eq(vring_used_idx(&r.v), 2);
	expect_answers(2);
	ck_assert_int_eq(rf_frontend_reset(r.fe), 0);
	end();
}
END_TEST

START_TEST(a_head_that_is_under_way_is_a_lie)
{
	begin(DEPTH, 0);
	rig_drive(&r);
	offer(1);
	rig_settle(&r);
	vring_offer(&r.v, 0);
	ck_assert_int_eq(rf_eventfd_signal(r.kick), 0);
	ck_assert(rig_is_signalled(r.err, RIG_WAIT_MS));
	ck_assert_uint_eq(rig_status(&r), 0x0f | 0x40);
	expect_answers(1);
	end();
}
END_TEST

START_TEST(in_order_answers_come_as_they_were_asked_for)
{
	struct vring_used used;
	uint32_t i;

	begin(DEPTH, 0);
	vring_init(&r.v, r.ram.low, RIG_SIZE);
	drive(F_IN_ORDER);
	offer(4);
	rig_settle(&r);
	/* The device does the last one first. */
	let_finish(3);
	rig_settle(&r);
	ck_assert_uint_eq(vring_used_idx(&r.v), 0);
	ck_assert_uint_eq(atomic_load(&r.report.interrupts), 0);
	let_finish(1);
	for (i = 0; i < 4; i++) {
		ck_assert(vring_wait(&r.v, r.call, RIG_WAIT_MS, &used));
		ck_assert_uint_eq(used.id, i);
	}
	end();
}
END_TEST

/* A packed queue through the whole of it, and its base there and back. */
START_TEST(a_packed_queue_goes_on_where_it_was_stopped)
{
	struct rf_frontend_queue q = { .size = 5,
				       .base = PRING_BASE,
				       .desc_addr = VRING_DESC,
				       .avail_addr = VRING_AVAIL,
				       .used_addr = VRING_USED };
	struct pring_buf buf = { RIG_IN, 1, VRING_WRITE };
	struct vring_used used;
	struct pring p;
	uint16_t i, n;

	begin(DEPTH, 0);
	pring_init(&p, r.ram.low, 5);
	ck_assert_int_eq(
		rf_frontend_set_features(r.fe, RIG_VERSION_1 | F_PACKED), 0);
	ck_assert_int_eq(rf_frontend_queue_start(r.fe, &q), 0);
	for (i = 0; i < 12; i++) {
		for (n = 0; n < 3; n++)
			pring_offer(&p, n, &buf, 1);
		ck_assert_int_eq(rf_eventfd_signal(r.kick), 0);
		rig_settle(&r);
		ck_assert(!pring_has_used(&p));
		/* Stopped with all three under way. */
		ck_assert_int_eq(rf_frontend_queue_stop(r.fe, 0, &q.base), 0);
		for (n = 0; n < 3; n++) {
			ck_assert(pring_take(&p, &used));
			ck_assert_uint_eq(used.id, 2u - n);
		}
		ck_assert_uint_eq(q.base & 0xffff,
				  p.next_avail | (uint32_t)p.avail_wrap << 15);
		ck_assert_uint_eq(q.base >> 16, q.base & 0xffff);
		ck_assert_int_eq(rf_frontend_queue_start(r.fe, &q), 0);
	}
	/* A base that lies outside of the ring is the guest's word. */
	ck_assert_int_eq(rf_frontend_queue_stop(r.fe, 0, &q.base), 0);
	q.base = 5;
	ck_assert_int_eq(rf_frontend_queue_start(r.fe, &q), -EREMOTEIO);
	end();
}
END_TEST

/* How long the device takes says nothing of when the driver comes: after its
 * slow answers the quick driver is met awake all the same. */
START_TEST(a_slow_device_does_not_unlearn_a_quick_driver)
{
	uint32_t i;

	begin(DEPTH, RF_DEVICE_POLL_AUTO);
	rig_drive(&r);
	offer(1);
	while (atomic_load(&slow.nr_taken) < 1)
		(void)poll(NULL, 0, 1);
	atomic_store(&slow.drives, true);
	for (i = 1; i < 1000 && !atomic_load(&r.report.polled_hits); i++) {
		while (atomic_load(&slow.nr_taken) < i)
			(void)poll(NULL, 0, 1);
		(void)poll(NULL, 0, 2);
		let_finish(1);
	}
	ck_assert_uint_gt(atomic_load(&r.report.polled_hits), 0);
	end();
}
END_TEST

static int serve_shortly(void *state, struct rf_virtqueue *vq)
{
	r.dev->share = (struct trial){ .other = true,
				       .rest_until_ns = UINT64_MAX };
	return rig_serve(state, vq);
}

/* So that a driver on another processor works while we do. */
START_TEST(short_passes_tell_early)
{
	struct rf_device_ops ops = rig_ops();
	uint64_t count;
	uint16_t i;

	ops.queue = serve_shortly;
	rig_start(&r, ops);
	rig_expect_served(&r);
	rig_settle(&r);
	rig_offer(&r, 1);
	for (i = 1; i < VIRTQUEUE_PASS_MAX; i++)
		vring_offer(&r.v, 0);
	ck_assert_int_eq(rf_eventfd_signal(r.kick), 0);
	while (vring_used_idx(&r.v) != VIRTQUEUE_PASS_MAX + 1)
		(void)rig_status(&r);
	(void)rig_status(&r);
	ck_assert_int_eq(rf_eventfd_take(r.call, &count), 0);
	ck_assert_uint_eq(count, VIRTQUEUE_PASS_MAX / 4);
	ck_assert_int_eq(rig_end(&r), 0);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		answers_come_when_they_are_done,
		one_interrupt_tells_of_what_is_done_at_once,
		a_full_device_is_left_alone_until_it_rings,
		nothing_is_under_way_when_a_queue_ends,
		a_lie_comes_after_the_answers_to_what_came_before_it,
		a_head_that_is_under_way_is_a_lie,
		in_order_answers_come_as_they_were_asked_for,
		a_packed_queue_goes_on_where_it_was_stopped,
		a_slow_device_does_not_unlearn_a_quick_driver,
		short_passes_tell_early,
	};

	return unit_run("pass", tests, RF_ARRAY_LEN(tests));
}
