/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * test_doorbell_exit.c - a ring we fill ourselves, for a device that may lie
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <ringfence/doorbell.h>

#include "unit/unit.h"

#define GPA 0xd0000050u
#define QUEUES 3

static struct rf_doorbell_set *set;
static struct rf_doorbell *bell;
static struct rf_doorbell_fds fds;
static struct rf_ring_page *page; /* the device's view */
static struct rf_ring_consumer consumer;

static void start(void)
{
	ck_assert_int_eq(rf_doorbell_set_new(RF_DOORBELL_EXIT, -1, NULL, &set),
			 0);
	ck_assert_int_eq(rf_doorbell_open(set, QUEUES, &bell), 0);
	ck_assert_int_eq(rf_doorbell_register(bell, GPA, 4), 0);
	rf_doorbell_fds(bell, &fds);
	page = mmap(NULL, RF_RING_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED,
		    fds.ring, 0);
	ck_assert_ptr_ne(page, MAP_FAILED);
	ck_assert_int_eq(rf_ring_consumer_init(&consumer, page), 0);
}

static void ring_queue(uint32_t value)
{
	ck_assert(rf_doorbell_set_write(set, GPA, &value, sizeof(value)));
}

static uint64_t taken(int fd)
{
	uint64_t count = 0;
	int err = rf_eventfd_take(fd, &count);

	ck_assert(err == 0 || err == -EAGAIN);
	return count;
}

static struct rf_doorbell_counts counts(void)
{
	struct rf_doorbell_counts c;

	rf_doorbell_counts(bell, &c);
	return c;
}

START_TEST(ring_memory_is_sealed_and_the_wake_never_blocks)
{
	const int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;

	start();
	ck_assert_int_eq(fcntl(fds.ring, F_GET_SEALS) & seals, seals);
	ck_assert_int_ne(fcntl(fds.wake, F_GETFL) & O_NONBLOCK, 0);
	ck_assert_uint_eq(fds.nr_kicks, QUEUES);
	ck_assert_int_ne(fcntl(fds.kicks[QUEUES - 1], F_GETFL) & O_NONBLOCK, 0);
	rf_doorbell_set_free(set);
}
END_TEST

START_TEST(write_arrives_with_its_value)
{
	struct rf_ring_entry entry;
	const uint32_t value = 0x12340002;
	uint32_t nr;

	start();
	ring_queue(value);
	ck_assert_uint_eq(taken(fds.wake), 1);
	ck_assert_int_eq(rf_ring_drain(&consumer, &entry, 1, &nr), 0);
	ck_assert_uint_eq(nr, 1);
	ck_assert_uint_eq(entry.phys_addr, GPA);
	ck_assert_uint_eq(entry.len, 4);
	ck_assert_uint_eq(entry.pio, 0);
	ck_assert_mem_eq(entry.data, &value, sizeof(value));
	ck_assert_mem_eq(entry.data + 4, "\0\0\0\0", 4);
	ck_assert_uint_eq(taken(fds.kicks[2]), 0);
	rf_doorbell_set_free(set);
}
END_TEST

START_TEST(value_that_names_no_queue_is_for_the_device_to_judge)
{
	start();
	ring_queue(0xffffffff);
	ck_assert_uint_eq(counts().pushed, 1);
	ck_assert_uint_eq(counts().ignored, 0);
	rf_doorbell_set_free(set);
}
END_TEST

START_TEST(full_ring_becomes_a_spare_bell_of_the_right_queue)
{
	uint32_t i;

	start();
	for (i = 0; i < RF_RING_USABLE; i++)
		ring_queue(0);
	ck_assert_uint_eq(counts().rescans, 0);
	ring_queue(1);
	ring_queue(0x77770002); /* with notification data above the index */
	ring_queue(2);
	ck_assert_uint_eq(taken(fds.kicks[0]), 0);
	ck_assert_uint_eq(taken(fds.kicks[1]), 1);
	ck_assert_uint_eq(taken(fds.kicks[2]), 2);
	ring_queue(QUEUES);
	ring_queue(0xffff);
	ck_assert_uint_eq(counts().rescans, 3);
	ck_assert_uint_eq(counts().ignored, 2);
	ck_assert_uint_eq(counts().pushed, RF_RING_USABLE);
	ck_assert_uint_eq(counts().exits, RF_RING_USABLE + 5);
	rf_doorbell_set_free(set);
}
END_TEST

START_TEST(device_that_scribbles_on_the_indices_gets_spare_bells)
{
	static const uint32_t bad[] = { 170, 0x80000000, 0xffffffff };
	size_t i;

	start();
	for (i = 0; i < RF_ARRAY_LEN(bad); i++) {
		page->first = bad[i];
		ring_queue(1);
		ck_assert_uint_eq(taken(fds.kicks[1]), 1);
		page->first = 0;
		page->last = bad[i];
		ring_queue(1);
		ck_assert_uint_eq(taken(fds.kicks[1]), 1);
		page->last = 0;
	}
	ck_assert_uint_eq(counts().pushed, 0);
	/* A first that claims "full" for ever, then one that owns up. */
	page->first = 1;
	ring_queue(0);
	ck_assert_uint_eq(taken(fds.kicks[0]), 1);
	page->first = 0;
	ring_queue(0);
	ck_assert_uint_eq(counts().pushed, 1);
	rf_doorbell_set_free(set);
}
END_TEST

START_TEST(device_that_never_takes_a_bell_stops_nobody)
{
	const uint64_t most = UINT64_MAX - 1;
	unsigned int i;

	start();
	ck_assert_int_eq(write(fds.wake, &most, sizeof(most)), 8);
	ck_assert_int_eq(write(fds.kicks[0], &most, sizeof(most)), 8);
	for (i = 0; i < 340; i++)
		ring_queue(0);
	ck_assert_uint_eq(counts().pushed + counts().rescans, 340);
	rf_doorbell_set_free(set);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		ring_memory_is_sealed_and_the_wake_never_blocks,
		write_arrives_with_its_value,
		value_that_names_no_queue_is_for_the_device_to_judge,
		full_ring_becomes_a_spare_bell_of_the_right_queue,
		device_that_scribbles_on_the_indices_gets_spare_bells,
		device_that_never_takes_a_bell_stops_nobody,
	};

	return unit_run("doorbell_exit", tests, RF_ARRAY_LEN(tests));
}
