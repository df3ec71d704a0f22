/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * test_doorbell.c - the set: names, limits, zones, what a vCPU thread may do
 *
 * With the kind `exit`, which needs no KVM; the other kinds have twins of their
 * own.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <ringfence/doorbell.h>

#include "unit/fake_kvm.h"
#include "unit/unit.h"

#define GPA 0xd0000050u

static struct rf_doorbell_set *set;
static struct rf_doorbell *bell;
static struct rf_doorbell_fds fds;
static struct rf_ring_page *page;
static struct rf_ring_consumer consumer;

static void open_exit(uint16_t nr_queues)
{
	ck_assert_int_eq(rf_doorbell_set_new(RF_DOORBELL_EXIT, -1, NULL, &set),
			 0);
	ck_assert_int_eq(rf_doorbell_open(set, nr_queues, &bell), 0);
	ck_assert_int_eq(rf_doorbell_register(bell, GPA, 4), 0);
	rf_doorbell_fds(bell, &fds);
	page = mmap(NULL, RF_RING_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED,
		    fds.ring, 0);
	ck_assert_ptr_ne(page, MAP_FAILED);
	ck_assert_int_eq(rf_ring_consumer_init(&consumer, page), 0);
}

static bool write_value(uint64_t gpa, uint64_t value, uint32_t len)
{
	return rf_doorbell_set_write(set, gpa, &value, len);
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

START_TEST(kinds_have_names_both_ways)
{
	static const char *const names[] = { "coalesced2", "ioeventfd",
					     "coalesced", "exit" };
	enum rf_doorbell_kind kind;
	unsigned int i;

	ck_assert_uint_eq(RF_ARRAY_LEN(names), RF_DOORBELL_NR_KINDS);
	for (i = 0; i < RF_DOORBELL_NR_KINDS; i++) {
		ck_assert_str_eq(
			rf_doorbell_kind_name((enum rf_doorbell_kind)i),
			names[i]);
		ck_assert_int_eq(rf_doorbell_kind_from_name(names[i], &kind),
				 0);
		ck_assert_uint_eq(kind, i);
	}
	ck_assert_ptr_null(rf_doorbell_kind_name(RF_DOORBELL_NR_KINDS));
	ck_assert_ptr_null(rf_doorbell_kind_name((enum rf_doorbell_kind) - 1));
	ck_assert_int_eq(rf_doorbell_kind_from_name("auto", &kind), -EINVAL);
	ck_assert_int_eq(rf_doorbell_kind_from_name("exi", &kind), -EINVAL);
	ck_assert_int_eq(rf_doorbell_kind_from_name("exits", &kind), -EINVAL);
	ck_assert_int_eq(rf_doorbell_kind_from_name("", &kind), -EINVAL);
}
END_TEST

START_TEST(set_refuses_what_its_kind_cannot_use)
{
	struct rf_ring_page legacy = { .first = 170 };

	ck_assert_int_eq(
		rf_doorbell_set_new(RF_DOORBELL_NR_KINDS, -1, NULL, &set),
		-EINVAL);
	ck_assert_int_eq(
		rf_doorbell_set_new(RF_DOORBELL_IOEVENTFD, -1, NULL, &set),
		-EINVAL);
	ck_assert_int_eq(
		rf_doorbell_set_new(RF_DOORBELL_COALESCED2, -1, NULL, &set),
		-EINVAL);
	ck_assert_int_eq(
		rf_doorbell_set_new(RF_DOORBELL_COALESCED, 0, NULL, &set),
		-EINVAL);
	ck_assert_int_eq(
		rf_doorbell_set_new(RF_DOORBELL_EXIT, -1, &legacy, &set),
		-EINVAL);
	ck_assert_int_eq(
		rf_doorbell_set_new(RF_DOORBELL_COALESCED, 0, &legacy, &set),
		-EPROTO);
	ck_assert_ptr_null(set);
	rf_doorbell_set_free(NULL);
}
END_TEST

START_TEST(doorbells_and_queues_have_limits_and_nothing_is_left)
{
	struct rf_doorbell *all[RF_DOORBELLS_MAX];
	struct rf_doorbell *extra = NULL;
	int before = fake_kvm_count_fds();
	unsigned int i;

	ck_assert_int_eq(rf_doorbell_set_new(RF_DOORBELL_EXIT, -1, NULL, &set),
			 0);
	ck_assert_int_eq(rf_doorbell_open(set, 0, &extra), -EINVAL);
	ck_assert_int_eq(
		rf_doorbell_open(set, RF_DOORBELL_QUEUES_MAX + 1, &extra),
		-ENOSPC);
	ck_assert_int_eq(fake_kvm_count_fds(), before);
	for (i = 0; i < RF_DOORBELLS_MAX; i++)
		ck_assert_int_eq(rf_doorbell_open(set, 1, &all[i]), 0);
	ck_assert_int_eq(rf_doorbell_open(set, 1, &extra), -ENOSPC);
	ck_assert_ptr_null(extra);
	rf_doorbell_close(all[3]);
	ck_assert_int_eq(rf_doorbell_open(set, RF_DOORBELL_QUEUES_MAX, &extra),
			 0);
	rf_doorbell_set_free(set);
	ck_assert_int_eq(fake_kvm_count_fds(), before);
}
END_TEST

START_TEST(no_descriptors_left_is_an_error_and_leaves_nothing)
{
	const struct rlimit few = { 64, 64 };
	struct rf_doorbell *out = NULL;
	int hogs[64] = { 0 };
	int before;
	int nr = 0;
	int spare;

	ck_assert_int_eq(rf_doorbell_set_new(RF_DOORBELL_EXIT, -1, NULL, &set),
			 0);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
	before = fake_kvm_count_fds();
	/* Room for none to three of: two kicks, ring, wake. */
	for (spare = 0; spare < 4; spare++) {
		int i;

		while ((hogs[nr] = dup(STDOUT_FILENO)) >= 0)
			nr++;
		for (i = 0; i < spare; i++)
			close(hogs[--nr]);
		ck_assert_int_eq(rf_doorbell_open(set, 2, &out), -EMFILE);
		ck_assert_ptr_null(out);
	}
	while (nr > 0)
		close(hogs[--nr]);
	ck_assert_int_eq(fake_kvm_count_fds(), before);
	ck_assert_int_eq(rf_doorbell_open(set, 2, &out), 0);
}
END_TEST

START_TEST(zones_do_not_overlap_or_wrap)
{
	static const struct {
		uint64_t gpa;
		uint32_t len;
		int err;
	} rows[] = {
		{ GPA, 4, -EEXIST },	    { GPA + 3, 1, -EEXIST },
		{ GPA - 3, 4, -EEXIST },    { GPA - 4, 8, -EEXIST },
		{ GPA + 2, 8, -EEXIST },    { GPA + 8, 0, -EINVAL },
		{ GPA + 8, 3, -EINVAL },    { GPA + 8, 16, -EINVAL },
		{ UINT64_MAX, 4, -EINVAL }, { UINT64_MAX - 2, 4, -EINVAL },
		{ GPA - 4, 4, 0 },	    { GPA + 4, 4, 0 },
		{ UINT64_MAX - 8, 8, 0 },
	};
	struct rf_doorbell *other;
	size_t i;

	open_exit(1);
	for (i = 0; i < RF_ARRAY_LEN(rows); i++) {
		ck_assert_int_eq(rf_doorbell_open(set, 1, &other), 0);
		ck_assert_int_eq(
			rf_doorbell_register(other, rows[i].gpa, rows[i].len),
			rows[i].err);
		rf_doorbell_close(other);
	}
	ck_assert_int_eq(rf_doorbell_register(bell, GPA + 64, 4), -EEXIST);
	ck_assert_int_eq(rf_doorbell_unregister(bell), 0);
	ck_assert_int_eq(rf_doorbell_unregister(bell), -EINVAL);
	ck_assert(!write_value(GPA, 0, 4));
	ck_assert_int_eq(rf_doorbell_register(bell, GPA + 64, 4), 0);
	ck_assert(write_value(GPA + 64, 0, 4));
	rf_doorbell_set_free(set);
}
END_TEST

START_TEST(writes_reach_their_own_device_only)
{
	struct rf_doorbell *other;
	struct rf_doorbell_fds other_fds;

	open_exit(1);
	ck_assert_int_eq(rf_doorbell_open(set, 1, &other), 0);
	ck_assert_int_eq(rf_doorbell_register(other, GPA + 4, 4), 0);
	rf_doorbell_fds(other, &other_fds);
	ck_assert(write_value(GPA, 0, 4));
	ck_assert_uint_eq(taken(fds.wake), 1);
	ck_assert_uint_eq(taken(other_fds.wake), 0);
	ck_assert(write_value(GPA + 4, 0, 4));
	ck_assert_uint_eq(taken(fds.wake), 0);
	ck_assert_uint_eq(taken(other_fds.wake), 1);
	ck_assert(!write_value(GPA - 1, 0, 4));
	ck_assert(!write_value(GPA + 8, 0, 4));
	ck_assert_uint_eq(counts().exits, 1);
	ck_assert_uint_eq(rf_doorbell_set_drain(set), 0);
	rf_doorbell_set_free(set);
}
END_TEST

START_TEST(writes_of_odd_length_cannot_reach_beyond_the_zone)
{
	static const struct {
		uint32_t offset;
		uint32_t len;
		bool pushed;
	} rows[] = {
		{ 0, 4, true },
		{ 0, 1, true },
		{ 3, 1, true },
		{ 2, 2, true },
		{ 0, 0, false },
		{ 0, 5, false },
		{ 0, 8, false },
		{ 3, 2, false },
		{ 1, 4, false },
		{ 0, 9, false },
		{ 0, 0x80000000u, false },
		{ 3, 0xffffffffu, false },
	};
	size_t i;

	open_exit(1);
	for (i = 0; i < RF_ARRAY_LEN(rows); i++) {
		const uint64_t before = counts().pushed;

		ck_assert(write_value(GPA + rows[i].offset, 0, rows[i].len));
		ck_assert_uint_eq(counts().pushed - before, rows[i].pushed);
		ck_assert_uint_eq(counts().pushed + counts().ignored, i + 1);
	}
	rf_doorbell_set_free(set);
}
END_TEST

#ifndef RF_SANITIZED	   /* whose runtime makes calls of its own */
#define STRICT_WRITES 510u /* fills the ring three times */

/* The last filter of a vCPU thread knows a handful of calls. Strict mode knows
 * four: read, write, exit, sigreturn. Any other ends the thread. */
static void *write_in_strict_mode(void *arg)
{
	bool *is_done = arg;
	const uint32_t queue = 0;
	unsigned int i;

	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) < 0)
		return NULL;
	for (i = 0; i < STRICT_WRITES; i++)
		(void)rf_doorbell_set_write(set, GPA, &queue, sizeof(queue));
	(void)rf_doorbell_set_drain(set);
	*is_done = true;
	/* Not by return: pthread_exit unmaps. */
	syscall(SYS_exit, 0);
	return NULL;
}

START_TEST(vcpu_thread_needs_nothing_but_write)
{
	bool is_done = false;
	pthread_t vcpu;

	open_exit(1);
	ck_assert_int_eq(
		pthread_create(&vcpu, NULL, write_in_strict_mode, &is_done), 0);
	ck_assert_int_eq(pthread_join(vcpu, NULL), 0);
	ck_assert(is_done);
	ck_assert_uint_eq(counts().exits, STRICT_WRITES);
	rf_doorbell_set_free(set);
}
END_TEST
#endif

#define WRITERS 2
#define WRITES 20000u
#define ALL_WRITES 40000u
static_assert(WRITERS * WRITES == ALL_WRITES, "each does its share");

static void *write_many(void *arg)
{
	const uint32_t *who = arg;
	uint32_t i;

	for (i = 0; i < WRITES; i++) {
		const uint32_t value[2] = { *who << 24 | i, 0 };

		while (!rf_doorbell_set_write(set, GPA, value, 8))
			;
	}
	return NULL;
}

struct tally {
	uint32_t next[WRITERS];
	uint64_t entries;
};

/* Values that found the ring full are missing; order never breaks. */
static void check_order(void *ctx, const struct rf_ring_entry *entry)
{
	struct tally *tally = ctx;
	uint32_t value;
	uint32_t who;

	memcpy(&value, entry->data, sizeof(value));
	who = value >> 24;
	ck_assert_uint_lt(who, WRITERS);
	value &= 0xffffff;
	ck_assert_uint_ge(value, tally->next[who]);
	tally->next[who] = value + 1;
	tally->entries++;
}

/* A consumer as the header asks for: sleep, take, drain once. A wakeup that
 * gets lost shows as a poll that times out. */
static void consume_until(struct tally *tally, uint64_t total)
{
	for (;;) {
		struct pollfd p = { .fd = fds.wake, .events = POLLIN };
		struct rf_doorbell_counts c = counts();
		uint32_t nr;

		if (c.pushed + c.rescans + c.ignored == total &&
		    tally->entries == c.pushed)
			return;
		ck_assert_int_eq(poll(&p, 1, 20000), 1);
		(void)taken(fds.wake);
		ck_assert_int_eq(
			rf_ring_drain_each(&consumer, check_order, tally, &nr),
			0);
	}
}

START_TEST(no_wakeup_is_lost_between_threads)
{
	static const uint32_t who[WRITERS] = { 0, 1 };
	pthread_t threads[WRITERS];
	struct tally tally = { .entries = 0 };
	unsigned int i;

	open_exit(1);
	ck_assert_int_eq(rf_doorbell_unregister(bell), 0);
	ck_assert_int_eq(rf_doorbell_register(bell, GPA, 8), 0);
	for (i = 0; i < WRITERS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, write_many,
						(void *)(uintptr_t)&who[i]),
				 0);
	consume_until(&tally, ALL_WRITES);
	for (i = 0; i < WRITERS; i++)
		ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
	ck_assert_uint_eq(counts().exits, ALL_WRITES);
	ck_assert_uint_eq(tally.entries + counts().rescans + counts().ignored,
			  ALL_WRITES);
	ck_assert_uint_gt(tally.entries, 0);
	rf_doorbell_set_free(set);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		kinds_have_names_both_ways,
		set_refuses_what_its_kind_cannot_use,
		doorbells_and_queues_have_limits_and_nothing_is_left,
		no_descriptors_left_is_an_error_and_leaves_nothing,
		zones_do_not_overlap_or_wrap,
		writes_reach_their_own_device_only,
		writes_of_odd_length_cannot_reach_beyond_the_zone,
#ifndef RF_SANITIZED
		vcpu_thread_needs_nothing_but_write,
#endif
		no_wakeup_is_lost_between_threads,
	};

	return unit_run("doorbell", tests, RF_ARRAY_LEN(tests));
}
