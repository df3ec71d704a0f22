/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * test_doorbell_ioeventfd.c - one eventfd a queue, attached all or none
 */
#include <errno.h>

#include <linux/kvm.h>

#include <ringfence/doorbell.h>

#include "unit/fake_kvm.h"
#include "unit/unit.h"

#define GPA 0xd0000050u
#define QUEUES 3

static struct rf_doorbell_set *set;
static struct rf_doorbell *bell;
static struct rf_doorbell_fds fds;

static void start(void)
{
	fake_kvm_start();
	ck_assert_int_eq(rf_doorbell_set_new(RF_DOORBELL_IOEVENTFD, fake.vm_fd,
					     NULL, &set),
			 0);
	ck_assert_int_eq(rf_doorbell_open(set, QUEUES, &bell), 0);
	rf_doorbell_fds(bell, &fds);
}

static uint64_t taken(int fd)
{
	uint64_t count = 0;
	int err = rf_eventfd_take(fd, &count);

	ck_assert(err == 0 || err == -EAGAIN);
	return count;
}

START_TEST(each_queue_has_its_bell_and_there_is_no_ring)
{
	uint32_t i;

	start();
	ck_assert_int_eq(fds.ring, -1);
	ck_assert_int_eq(fds.wake, -1);
	ck_assert_int_eq(rf_doorbell_register(bell, GPA, 4), 0);
	ck_assert_uint_eq(fake.nr_bells, QUEUES);
	for (i = 0; i < QUEUES; i++) {
		uint32_t k;

		ck_assert(!fake_kvm_write(GPA, i, 4));
		for (k = 0; k < QUEUES; k++)
			ck_assert_uint_eq(taken(fds.kicks[k]), k == i);
	}
	ck_assert_int_eq(rf_doorbell_unregister(bell), 0);
	ck_assert_uint_eq(fake.nr_bells, 0);
	ck_assert(fake_kvm_write(GPA, 0, 4));
	rf_doorbell_set_free(set);
}
END_TEST

START_TEST(queues_that_the_device_lacks_have_no_bell)
{
	struct rf_doorbell_counts c;
	int before;

	start();
	before = fake_kvm_count_fds();
	ck_assert_int_eq(rf_doorbell_use(bell, 0), -EINVAL);
	ck_assert_int_eq(rf_doorbell_use(bell, QUEUES + 1), -EINVAL);
	ck_assert_int_eq(rf_doorbell_use(bell, 1), 0);
	ck_assert_int_eq(rf_doorbell_register(bell, GPA, 4), 0);
	ck_assert_uint_eq(fake.nr_bells, 1);
	ck_assert_int_eq(rf_doorbell_use(bell, 2), -EBUSY);
	ck_assert(fake_kvm_write(GPA, 1, 4));
	ck_assert(rf_doorbell_set_write(set, GPA, &(uint32_t){ 1 }, 4));
	rf_doorbell_counts(bell, &c);
	ck_assert_uint_eq(c.ignored, 1);
	ck_assert_int_eq(rf_doorbell_unregister(bell), 0);
	ck_assert_uint_eq(fake.nr_bells, 0);
	/* More again: as many as there are eventfds. */
	ck_assert_int_eq(rf_doorbell_use(bell, QUEUES), 0);
	ck_assert_int_eq(rf_doorbell_register(bell, GPA, 4), 0);
	ck_assert_uint_eq(fake.nr_bells, QUEUES);
	ck_assert_int_eq(rf_doorbell_unregister(bell), 0);
	ck_assert_int_eq(rf_doorbell_use(bell, 1), 0);
	rf_doorbell_close(bell);
	ck_assert_int_eq(fake_kvm_count_fds(), before - QUEUES);
	rf_doorbell_set_free(set);
}
END_TEST

START_TEST(failure_half_way_undoes_the_first_half)
{
	unsigned int skip;

	start();
	for (skip = 0; skip < QUEUES; skip++) {
		fake.fail_request = KVM_IOEVENTFD;
		fake.fail_skip = skip;
		fake.fail_errno = ENOSPC;
		ck_assert_int_eq(rf_doorbell_register(bell, GPA, 4), -ENOSPC);
		ck_assert_uint_eq(fake.nr_bells, 0);
		ck_assert(!rf_doorbell_set_write(set, GPA, "\0\0\0\0", 4));
		ck_assert_int_eq(rf_doorbell_unregister(bell), -EINVAL);
	}
	rf_doorbell_set_free(set);
}
END_TEST

START_TEST(bell_that_is_taken_already_undoes_the_others)
{
	struct kvm_ioeventfd squatter = {
		.datamatch = QUEUES - 1,
		.addr = GPA,
		.len = 4,
		.flags = KVM_IOEVENTFD_FLAG_DATAMATCH,
	};

	start();
	squatter.fd = fake.vm_fd;
	fake_kvm_attach(&squatter);
	ck_assert_int_eq(rf_doorbell_register(bell, GPA, 4), -EEXIST);
	ck_assert_uint_eq(fake.nr_bells, 1);
	ck_assert(fake_kvm_write(GPA, 0, 4));
	rf_doorbell_set_free(set);
}
END_TEST

START_TEST(write_that_matches_no_bell_rings_by_its_low_half)
{
	static const struct {
		uint32_t value;
		int queue; /* -1: ignored */
	} rows[] = {
		{ 0xabcd0001, 1 },  { 0x00010002, 2 },	{ QUEUES, -1 },
		{ 0x00010003, -1 }, { 0xffffffff, -1 },
	};
	struct rf_doorbell_counts c;
	size_t i;

	start();
	ck_assert_int_eq(rf_doorbell_register(bell, GPA, 4), 0);
	for (i = 0; i < RF_ARRAY_LEN(rows); i++) {
		int k;

		ck_assert(fake_kvm_write(GPA, rows[i].value, 4));
		ck_assert(rf_doorbell_set_write(set, GPA, &rows[i].value, 4));
		for (k = 0; k < QUEUES; k++)
			ck_assert_uint_eq(taken(fds.kicks[k]),
					  k == rows[i].queue);
	}
	/* Inside the zone but not at the register: no index in there. */
	ck_assert(rf_doorbell_set_write(set, GPA + 2, "\0\0", 2));
	rf_doorbell_counts(bell, &c);
	ck_assert_uint_eq(c.exits, 6);
	ck_assert_uint_eq(c.rescans, 2);
	ck_assert_uint_eq(c.ignored, 4);
	ck_assert_uint_eq(c.pushed, 0);
	rf_doorbell_set_free(set);
}
END_TEST

START_TEST(close_detaches_and_frees_the_place)
{
	int before;

	start();
	before = fake_kvm_count_fds();
	ck_assert_int_eq(rf_doorbell_register(bell, GPA, 4), 0);
	rf_doorbell_close(bell);
	ck_assert_uint_eq(fake.nr_bells, 0);
	ck_assert_int_eq(fake_kvm_count_fds(), before - QUEUES);
	ck_assert_int_eq(rf_doorbell_open(set, 1, &bell), 0);
	ck_assert_int_eq(rf_doorbell_register(bell, GPA, 4), 0);
	ck_assert_uint_eq(fake.nr_bells, 1);
	rf_doorbell_set_free(set);
	ck_assert_uint_eq(fake.nr_bells, 0);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		each_queue_has_its_bell_and_there_is_no_ring,
		queues_that_the_device_lacks_have_no_bell,
		failure_half_way_undoes_the_first_half,
		bell_that_is_taken_already_undoes_the_others,
		write_that_matches_no_bell_rings_by_its_low_half,
		close_detaches_and_frees_the_place,
	};

	return unit_run("doorbell_ioeventfd", tests, RF_ARRAY_LEN(tests));
}
