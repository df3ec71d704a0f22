/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * test_doorbell_coalesced2.c - a buffer fd that only the device maps
 */
#include <errno.h>
#include <string.h>

#include <ringfence/doorbell.h>
#include <ringfence/kvm_coalesced2.h>

#include "unit/fake_kvm.h"
#include "unit/unit.h"

#define GPA 0xd0000050u

static struct rf_doorbell_set *set;
static struct rf_doorbell *bell;
static struct rf_doorbell_fds fds;

static void start(void)
{
	fake_kvm_start();
	fake.needs_map = true;
	ck_assert_int_eq(rf_doorbell_set_new(RF_DOORBELL_COALESCED2, fake.vm_fd,
					     NULL, &set),
			 0);
	ck_assert_int_eq(rf_doorbell_open(set, 2, &bell), 0);
	rf_doorbell_fds(bell, &fds);
}

static uint64_t taken(int fd)
{
	uint64_t count = 0;
	int err = rf_eventfd_take(fd, &count);

	ck_assert(err == 0 || err == -EAGAIN);
	return count;
}

START_TEST(register_waits_for_the_device_to_map)
{
	start();
	ck_assert_int_ge(fds.ring, 0);
	ck_assert_int_eq(fds.wake, -1);
	ck_assert_int_eq(rf_doorbell_register(bell, GPA, 4), -ENOBUFS);
	ck_assert(!rf_doorbell_set_write(set, GPA, "\0\0\0\0", 4));
	(void)fake_kvm_map(fds.ring);
	ck_assert_int_eq(rf_doorbell_register(bell, GPA, 4), 0);
	rf_doorbell_set_free(set);
	ck_assert_uint_eq(fake.nr_zones, 0);
}
END_TEST

START_TEST(writes_go_to_the_device_with_their_value)
{
	struct rf_ring_consumer consumer;
	struct rf_ring_entry entry;
	struct rf_ring_page *page;
	uint32_t value;
	uint32_t nr;

	start();
	page = fake_kvm_map(fds.ring);
	ck_assert_int_eq(rf_ring_consumer_init(&consumer, page), 0);
	ck_assert_int_eq(rf_doorbell_register(bell, GPA, 4), 0);
	ck_assert(!fake_kvm_write(GPA, 0x12340001, 4));
	ck_assert_uint_eq(rf_doorbell_set_drain(set), 0);
	ck_assert_int_eq(rf_ring_drain(&consumer, &entry, 1, &nr), 0);
	ck_assert_uint_eq(nr, 1);
	memcpy(&value, entry.data, sizeof(value));
	ck_assert_uint_eq(value, 0x12340001);
	/* Neighbours of the zone are somebody else's. */
	ck_assert(fake_kvm_write(GPA - 4, 0, 4));
	ck_assert(fake_kvm_write(GPA + 4, 0, 4));
	rf_doorbell_set_free(set);
}
END_TEST

START_TEST(write_that_finds_no_room_becomes_a_spare_bell)
{
	static const uint32_t bad[] = { 170, 0x80000000, 0xffffffff };
	struct rf_ring_page *page;
	const uint32_t queue = 1;
	uint32_t i;

	start();
	page = fake_kvm_map(fds.ring);
	ck_assert_int_eq(rf_doorbell_register(bell, GPA, 4), 0);
	for (i = 0; i < RF_RING_USABLE; i++)
		ck_assert(!fake_kvm_write(GPA, 0, 4));
	ck_assert(fake_kvm_write(GPA, queue, 4));
	ck_assert(rf_doorbell_set_write(set, GPA, &queue, 4));
	ck_assert_uint_eq(taken(fds.kicks[1]), 1);
	for (i = 0; i < RF_ARRAY_LEN(bad); i++) {
		page->last = bad[i];
		ck_assert(fake_kvm_write(GPA, queue, 4));
		ck_assert(rf_doorbell_set_write(set, GPA, &queue, 4));
		ck_assert_uint_eq(taken(fds.kicks[1]), 1);
	}
	rf_doorbell_set_free(set);
}
END_TEST

START_TEST(kernel_without_the_api_says_so_and_nothing_is_left)
{
	struct rf_doorbell *other = NULL;
	int before;

	start();
	before = fake_kvm_count_fds();
	fake.fail_request = KVM_CREATE_COALESCED_MMIO_BUFFER;
	fake.fail_errno = ENOTTY;
	ck_assert_int_eq(rf_doorbell_open(set, 2, &other), -ENOTTY);
	ck_assert_ptr_null(other);
	ck_assert_int_eq(fake_kvm_count_fds(), before);
	rf_doorbell_set_free(set);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		register_waits_for_the_device_to_map,
		writes_go_to_the_device_with_their_value,
		write_that_finds_no_room_becomes_a_spare_bell,
		kernel_without_the_api_says_so_and_nothing_is_left,
	};

	return unit_run("doorbell_coalesced2", tests, RF_ARRAY_LEN(tests));
}
