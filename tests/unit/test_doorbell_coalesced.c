/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * test_doorbell_coalesced.c - from the VM's one ring to each device's own
 */
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>

#include <linux/kvm.h>

#include <ringfence/doorbell.h>

#include "unit/fake_kvm.h"
#include "unit/unit.h"

#define GPA(i) (0xd0000050u + (i)*0x1000u)
#define BELLS 2

static struct rf_doorbell_set *set;
static struct rf_doorbell *bells[BELLS];
static struct rf_doorbell_fds fds[BELLS];
static struct rf_ring_consumer consumers[BELLS];

static void start(void)
{
	unsigned int i;

	fake_kvm_start();
	ck_assert_int_eq(rf_doorbell_set_new(RF_DOORBELL_COALESCED, fake.vm_fd,
					     fake.legacy, &set),
			 0);
	for (i = 0; i < BELLS; i++) {
		void *map;

		ck_assert_int_eq(rf_doorbell_open(set, 2, &bells[i]), 0);
		ck_assert_int_eq(rf_doorbell_register(bells[i], GPA(i), 4), 0);
		rf_doorbell_fds(bells[i], &fds[i]);
		map = mmap(NULL, RF_RING_BYTES, PROT_READ | PROT_WRITE,
			   MAP_SHARED, fds[i].ring, 0);
		ck_assert_ptr_ne(map, MAP_FAILED);
		ck_assert_int_eq(rf_ring_consumer_init(&consumers[i], map), 0);
	}
}

static uint64_t taken(int fd)
{
	uint64_t count = 0;
	int err = rf_eventfd_take(fd, &count);

	ck_assert(err == 0 || err == -EAGAIN);
	return count;
}

/* The whole way of a write that the model may or may not take. */
static void guest_writes(unsigned int i, uint32_t value)
{
	if (fake_kvm_write(GPA(i), value, 4))
		ck_assert(rf_doorbell_set_write(set, GPA(i), &value, 4));
}

static void expect_values(unsigned int i, uint32_t from, uint32_t nr)
{
	struct rf_ring_entry out[RF_RING_SLOTS];
	uint32_t got;
	uint32_t k;

	ck_assert_int_eq(rf_ring_drain(&consumers[i], out, RF_RING_SLOTS, &got),
			 0);
	ck_assert_uint_eq(got, nr);
	for (k = 0; k < nr; k++) {
		uint32_t value;

		memcpy(&value, out[k].data, sizeof(value));
		ck_assert_uint_eq(value, from + k);
		ck_assert_uint_eq(out[k].phys_addr, GPA(i));
	}
}

START_TEST(drain_sorts_entries_by_device_and_wakes_each_once)
{
	uint32_t k;

	start();
	ck_assert_uint_eq(rf_doorbell_set_drain(set), 0);
	for (k = 0; k < 10; k++) {
		guest_writes(0, k);
		guest_writes(1, 100 + k);
	}
	ck_assert_uint_eq(taken(fds[0].wake), 0);
	ck_assert_uint_eq(rf_doorbell_set_drain(set), 20);
	ck_assert_uint_eq(taken(fds[0].wake), 1);
	ck_assert_uint_eq(taken(fds[1].wake), 1);
	expect_values(0, 0, 10);
	expect_values(1, 100, 10);
	ck_assert_uint_eq(rf_doorbell_set_drain(set), 0);
	ck_assert_uint_eq(taken(fds[0].wake), 0);
	guest_writes(1, 5);
	ck_assert_uint_eq(rf_doorbell_set_drain(set), 1);
	ck_assert_uint_eq(taken(fds[0].wake), 0);
	ck_assert_uint_eq(taken(fds[1].wake), 1);
	rf_doorbell_set_free(set);
}
END_TEST

START_TEST(write_that_found_the_legacy_ring_full_stays_behind_its_elders)
{
	struct rf_doorbell_counts c;
	uint32_t k;

	start();
	/* 160 for one device and 9 for the other fill it. */
	for (k = 0; k < 160; k++)
		guest_writes(0, k);
	for (k = 0; k < 9; k++)
		guest_writes(1, k);
	ck_assert_uint_eq(taken(fds[0].wake) + taken(fds[1].wake), 0);
	guest_writes(0, 160);
	rf_doorbell_counts(bells[0], &c);
	ck_assert_uint_eq(c.exits, 1);
	ck_assert_uint_eq(c.pushed, 161);
	ck_assert_uint_gt(taken(fds[0].wake), 0);
	ck_assert_uint_gt(taken(fds[1].wake), 0);
	expect_values(0, 0, 161);
	expect_values(1, 0, 9);
	rf_doorbell_set_free(set);
}
END_TEST

START_TEST(device_that_does_not_drain_gets_its_spare_bell)
{
	struct rf_doorbell_counts c;
	uint32_t k;

	start();
	for (k = 0; k < RF_RING_USABLE + 30; k++) {
		guest_writes(0, 1);
		if (k % 50 == 49)
			rf_doorbell_set_drain(set);
	}
	rf_doorbell_set_drain(set);
	rf_doorbell_counts(bells[0], &c);
	ck_assert_uint_eq(c.pushed, RF_RING_USABLE);
	ck_assert_uint_eq(c.rescans, 30);
	ck_assert_uint_eq(taken(fds[0].kicks[1]), 30);
	ck_assert_uint_eq(taken(fds[0].kicks[0]), 0);
	/* The other device is not held up. */
	guest_writes(1, 3);
	ck_assert_uint_eq(rf_doorbell_set_drain(set), 1);
	expect_values(1, 3, 1);
	rf_doorbell_set_free(set);
}
END_TEST

START_TEST(unregister_delivers_what_came_before_it)
{
	start();
	guest_writes(0, 7);
	ck_assert_int_eq(rf_doorbell_unregister(bells[0]), 0);
	ck_assert_uint_eq(fake.nr_zones, BELLS - 1);
	ck_assert_uint_eq(taken(fds[0].wake), 1);
	expect_values(0, 7, 1);
	ck_assert(fake_kvm_write(GPA(0), 8, 4));
	ck_assert(!rf_doorbell_set_write(set, GPA(0), "\0\0\0\0", 4));
	/* The neighbour goes on. */
	guest_writes(1, 9);
	ck_assert_uint_eq(rf_doorbell_set_drain(set), 1);
	expect_values(1, 9, 1);
	rf_doorbell_set_free(set);
	ck_assert_uint_eq(fake.nr_zones, 0);
}
END_TEST

START_TEST(port_and_stray_entries_are_discarded)
{
	start();
	guest_writes(0, 1);
	fake.legacy->entries[0].pio = 1;
	guest_writes(0, 1);
	fake.legacy->entries[1].phys_addr = GPA(0) + 4;
	guest_writes(0, 2);
	ck_assert_uint_eq(rf_doorbell_set_drain(set), 3);
	expect_values(0, 2, 1);
	rf_doorbell_set_free(set);
}
END_TEST

START_TEST(nonsense_in_the_legacy_ring_moves_nothing_and_ends)
{
	static const uint32_t bad[] = { 170, 0x80000000, 0xffffffff };
	size_t i;

	start();
	for (i = 0; i < RF_ARRAY_LEN(bad); i++) {
		fake.legacy->last = bad[i];
		ck_assert_uint_eq(rf_doorbell_set_drain(set), 0);
		/* KVM lets each write exit then. */
		guest_writes(0, 4);
		expect_values(0, 4, 1);
	}
	rf_doorbell_set_free(set);
}
END_TEST

START_TEST(refusal_by_the_kernel_registers_nothing)
{
	struct rf_doorbell *other;

	start();
	ck_assert_int_eq(rf_doorbell_open(set, 1, &other), 0);
	fake.fail_request = KVM_REGISTER_COALESCED_MMIO;
	fake.fail_errno = ENOSPC;
	ck_assert_int_eq(rf_doorbell_register(other, GPA(7), 4), -ENOSPC);
	ck_assert(!rf_doorbell_set_write(set, GPA(7), "\0\0\0\0", 4));
	fake.fail_request = KVM_UNREGISTER_COALESCED_MMIO;
	fake.fail_errno = ENOMEM;
	ck_assert_int_eq(rf_doorbell_unregister(bells[0]), -ENOMEM);
	guest_writes(0, 1);
	ck_assert_uint_eq(rf_doorbell_set_drain(set), 1);
	rf_doorbell_set_free(set);
}
END_TEST

#define STRESS 60000u /* fits the high half */

static void *vcpu(void *arg)
{
	bool *is_done = arg;
	uint32_t i;

	for (i = 0; i < STRESS; i++)
		guest_writes(0, i << 16); /* low half: queue 0 */
	__atomic_store_n(is_done, true, __ATOMIC_RELEASE);
	return NULL;
}

static void *timer(void *arg)
{
	const bool *is_done = arg;

	while (!__atomic_load_n(is_done, __ATOMIC_ACQUIRE))
		rf_doorbell_set_drain(set);
	return NULL;
}

static void expect_greater(void *ctx, const struct rf_ring_entry *entry)
{
	uint32_t *least = ctx;
	uint32_t value;

	memcpy(&value, entry->data, sizeof(value));
	ck_assert_uint_ge(value, *least);
	*least = value + 1;
}

START_TEST(vcpu_and_timer_drain_at_once_and_keep_order)
{
	struct rf_doorbell_counts c;
	pthread_t threads[2];
	bool is_done = false;
	uint64_t entries = 0;
	uint32_t least = 0;
	uint32_t nr;

	start();
	ck_assert_int_eq(pthread_create(&threads[0], NULL, vcpu, &is_done), 0);
	ck_assert_int_eq(pthread_create(&threads[1], NULL, timer, &is_done), 0);
	do {
		ck_assert_int_eq(rf_ring_drain_each(&consumers[0],
						    expect_greater, &least,
						    &nr),
				 0);
		entries += nr;
	} while (!__atomic_load_n(&is_done, __ATOMIC_ACQUIRE));
	ck_assert_int_eq(pthread_join(threads[0], NULL), 0);
	ck_assert_int_eq(pthread_join(threads[1], NULL), 0);
	do {
		/* At most a device's ring and the VM's are left. */
		(void)rf_doorbell_set_drain(set);
		ck_assert_int_eq(rf_ring_drain_each(&consumers[0],
						    expect_greater, &least,
						    &nr),
				 0);
		entries += nr;
	} while (nr);
	rf_doorbell_counts(bells[0], &c);
	ck_assert_uint_eq(entries, c.pushed);
	ck_assert_uint_eq(c.pushed + c.rescans, STRESS);
	ck_assert_uint_eq(c.ignored, 0);
	rf_doorbell_set_free(set);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		drain_sorts_entries_by_device_and_wakes_each_once,
		write_that_found_the_legacy_ring_full_stays_behind_its_elders,
		device_that_does_not_drain_gets_its_spare_bell,
		unregister_delivers_what_came_before_it,
		port_and_stray_entries_are_discarded,
		nonsense_in_the_legacy_ring_moves_nothing_and_ends,
		refusal_by_the_kernel_registers_nothing,
		vcpu_and_timer_drain_at_once_and_keep_order,
	};

	return unit_run("doorbell_coalesced", tests, RF_ARRAY_LEN(tests));
}
