/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * test_doorbell.c - each kind of doorbell, rung by a guest
 *
 * Kinds that this host lacks are skipped one by one, by name; without /dev/kvm
 * the whole program is.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <ringfence/doorbell.h>

#include "kvm/tiny_vm.h"
#include "unit/unit.h"

#define QUEUES 4u
#define WRITES 1000u
/* Values count in their high half: as an index, the low half is queue 0. */
#define STEP 0x10000u
#define OTHER_DOORBELL (TINY_VM_DOORBELL + 0x1000u)

static struct rf_doorbell_offer offer;

struct device {
	struct rf_doorbell *bell;
	struct rf_doorbell_fds fds;
	struct rf_ring_page *page; /* NULL: this kind has no ring */
	struct rf_ring_consumer consumer;
	uint32_t next; /* least value that may come next from the ring */
	uint64_t entries;
	uint64_t kicks;
};

static struct tiny_vm vm;
static struct rf_doorbell_set *set;
static uint64_t exits;	 /* writes that left the kernel */
static uint64_t foreign; /* of them not the set's */

static void start(enum rf_doorbell_kind kind)
{
	const char *step;
	int err = tiny_vm_new(&vm, &step);

	ck_assert_msg(!err, "%s: %s", step, strerror(-err));
	ck_assert_int_eq(
		rf_doorbell_set_new(
			kind, vm.vm,
			kind == RF_DOORBELL_COALESCED ? vm.legacy : NULL, &set),
		0);
	exits = 0;
	foreign = 0;
}

static void stop(void)
{
	rf_doorbell_set_free(set);
	tiny_vm_free(&vm);
}

static void map_ring(struct device *d)
{
	void *map;

	if (d->fds.ring < 0)
		return;
	map = mmap(NULL, RF_RING_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED,
		   d->fds.ring, 0);
	ck_assert_ptr_ne(map, MAP_FAILED);
	d->page = map;
	ck_assert_int_eq(rf_ring_consumer_init(&d->consumer, d->page), 0);
}

static void add_device(struct device *d, uint64_t gpa)
{
	*d = (struct device){ .next = 0 };
	ck_assert_int_eq(rf_doorbell_open(set, QUEUES, &d->bell), 0);
	rf_doorbell_fds(d->bell, &d->fds);
	map_ring(d);
	ck_assert_int_eq(rf_doorbell_register(d->bell, gpa, 4), 0);
}

static void take_entry(void *ctx, const struct rf_ring_entry *entry)
{
	struct device *d = ctx;
	uint32_t value;

	memcpy(&value, entry->data, sizeof(value));
	ck_assert_uint_eq(entry->len, 4);
	ck_assert_uint_eq(value % STEP, 0);
	ck_assert_uint_ge(value, d->next);
	d->next = value + STEP;
	d->entries++;
}

static void serve(struct device *d)
{
	uint64_t count;
	uint32_t nr;
	uint32_t i;

	if (d->fds.wake >= 0)
		(void)!rf_eventfd_take(d->fds.wake, &count);
	if (d->page)
		ck_assert_int_eq(
			rf_ring_drain_each(&d->consumer, take_entry, d, &nr),
			0);
	for (i = 0; i < QUEUES; i++)
		if (!rf_eventfd_take(d->fds.kicks[i], &count))
			d->kicks += count;
}

static bool has_ring(enum rf_doorbell_kind kind)
{
	return kind != RF_DOORBELL_IOEVENTFD;
}

/* Run the ring loop; a device that is given is served after each exit. */
static void write_values(uint32_t gpa, const struct tiny_vm_regs *loop,
			 struct device *d)
{
	struct tiny_vm_regs regs = *loop;
	enum tiny_vm_exit exit;

	regs.ebx = gpa;
	tiny_vm_load(&vm, tiny_vm_ring_loop, tiny_vm_ring_loop_len, &regs);
	while ((exit = tiny_vm_step(&vm)) != TINY_VM_END) {
		const struct kvm_run *run = vm.run;

		if (exit == TINY_VM_AGAIN)
			continue;
		ck_assert_msg(exit == TINY_VM_WRITE, "exit %u",
			      run->exit_reason);
		exits++;
		ck_assert_uint_eq(run->mmio.phys_addr, gpa);
		if (!rf_doorbell_set_write(set, run->mmio.phys_addr,
					   run->mmio.data, run->mmio.len))
			foreign++;
		if (d)
			serve(d);
	}
	(void)rf_doorbell_set_drain(set);
	if (d)
		serve(d);
}

/* nr writes that count from `from`, in whatever way this kind can carry. */
static void run_guest(uint32_t gpa, uint32_t from, uint32_t nr,
		      struct device *d)
{
	const struct tiny_vm_regs counted = {
		.eax = from * STEP, .ecx = nr, .esi = 0xffffffff, .edi = STEP
	};
	const struct tiny_vm_regs indexed = {
		.eax = from, .ecx = nr, .esi = QUEUES - 1, .edi = 1
	};

	write_values(gpa,
		     has_ring(rf_doorbell_set_kind(set)) ? &counted : &indexed,
		     d);
}

/* nr times the same value. */
static void repeat_value(uint32_t value, uint32_t nr, struct device *d)
{
	const struct tiny_vm_regs same = { .eax = value,
					   .ecx = nr,
					   .esi = 0xffffffff };

	write_values(TINY_VM_DOORBELL, &same, d);
}

/* At most that many of nr writes may exit. */
static uint64_t exits_allowed(enum rf_doorbell_kind kind, uint64_t nr)
{
	switch (kind) {
	case RF_DOORBELL_EXIT:
		return nr;
	case RF_DOORBELL_IOEVENTFD:
		return 0;
	default:
		return (nr + RF_RING_USABLE - 1) / RF_RING_USABLE;
	}
}

/* Which kinds a loop test runs: its index is the kind. */
static bool is_skipped(int kind)
{
	return !offer.works[kind];
}

START_TEST(every_write_arrives_in_order_and_few_exit)
{
	const enum rf_doorbell_kind kind = (enum rf_doorbell_kind)_i;
	struct device d;

	if (is_skipped(_i))
		return;
	start(kind);
	add_device(&d, TINY_VM_DOORBELL);
	run_guest(TINY_VM_DOORBELL, 0, WRITES, &d);
	ck_assert_uint_eq(foreign, 0);
	ck_assert_uint_le(exits, exits_allowed(kind, WRITES));
	if (kind == RF_DOORBELL_EXIT)
		ck_assert_uint_eq(exits, WRITES);
	/* Entries and, for writes the ring had no room for, kicks. A device
	 * that is only served between exits has no room for the one that
	 * exited because the ring was full. */
	ck_assert_uint_eq(d.entries + d.kicks, WRITES);
	if (has_ring(kind))
		ck_assert_uint_le(d.kicks, exits);
	if (kind == RF_DOORBELL_EXIT)
		ck_assert_uint_eq(d.kicks, 0);
	printf("%s: %u writes, %u exits\n", rf_doorbell_kind_name(kind), WRITES,
	       (unsigned int)exits);
	stop();
}
END_TEST

START_TEST(writes_after_unregister_exit_and_reach_no_device)
{
	const enum rf_doorbell_kind kind = (enum rf_doorbell_kind)_i;
	struct device d;

	if (is_skipped(_i))
		return;
	start(kind);
	add_device(&d, TINY_VM_DOORBELL);
	run_guest(TINY_VM_DOORBELL, 0, 1, &d);
	ck_assert_uint_eq(d.entries + d.kicks, 1);
	exits = 0;
	ck_assert_int_eq(rf_doorbell_unregister(d.bell), 0);
	run_guest(TINY_VM_DOORBELL, 0, 50, &d);
	ck_assert_uint_eq(exits, 50);
	ck_assert_uint_eq(foreign, 50);
	ck_assert_uint_eq(d.entries + d.kicks, 1);
	/* And back again. */
	ck_assert_int_eq(rf_doorbell_register(d.bell, TINY_VM_DOORBELL, 4), 0);
	run_guest(TINY_VM_DOORBELL, 1, 1, &d);
	ck_assert_uint_eq(d.entries + d.kicks, 2);
	stop();
}
END_TEST

START_TEST(neighbours_of_the_zone_stay_untouched)
{
	const enum rf_doorbell_kind kind = (enum rf_doorbell_kind)_i;
	struct device d;

	if (is_skipped(_i))
		return;
	start(kind);
	add_device(&d, TINY_VM_DOORBELL);
	run_guest(TINY_VM_DOORBELL - 4, 0, 10, &d);
	run_guest(TINY_VM_DOORBELL + 4, 0, 10, &d);
	ck_assert_uint_eq(exits, 20);
	ck_assert_uint_eq(foreign, 20);
	/* Half in, half out: KVM does not coalesce it, nor do we. */
	run_guest(TINY_VM_DOORBELL - 2, 0, 1, &d);
	run_guest(TINY_VM_DOORBELL + 2, 0, 1, &d);
	ck_assert_uint_eq(exits, 22);
	ck_assert_uint_eq(d.entries + d.kicks, 0);
	stop();
}
END_TEST

START_TEST(two_devices_of_one_vm_get_their_own)
{
	const enum rf_doorbell_kind kind = (enum rf_doorbell_kind)_i;
	struct device a;
	struct device b;

	if (is_skipped(_i))
		return;
	start(kind);
	add_device(&a, TINY_VM_DOORBELL);
	add_device(&b, OTHER_DOORBELL);
	run_guest(TINY_VM_DOORBELL, 0, 3, NULL);
	run_guest(OTHER_DOORBELL, 0, 2, NULL);
	serve(&a);
	serve(&b);
	ck_assert_uint_eq(a.entries + a.kicks, 3);
	ck_assert_uint_eq(b.entries + b.kicks, 2);
	ck_assert_int_eq(rf_doorbell_unregister(a.bell), 0);
	run_guest(OTHER_DOORBELL, 2, 2, &b);
	ck_assert_uint_eq(b.entries + b.kicks, 4);
	ck_assert_uint_eq(foreign, 0);
	stop();
}
END_TEST

START_TEST(device_that_sleeps_finds_its_bells_rung)
{
	const enum rf_doorbell_kind kind = (enum rf_doorbell_kind)_i;
	struct rf_doorbell_counts counts;
	struct device d;
	uint32_t i;

	if (is_skipped(_i))
		return;
	start(kind);
	add_device(&d, TINY_VM_DOORBELL);
	/* Always queue 2, more often than two rings hold, nobody drains. */
	for (i = 0; i < 400; i++)
		repeat_value(2, 1, NULL);
	rf_doorbell_counts(d.bell, &counts);
	ck_assert_uint_eq(counts.ignored, 0);
	if (has_ring(kind)) {
		ck_assert_uint_eq(counts.rescans, 400 - RF_RING_USABLE);
		ck_assert_uint_eq(
			rf_ring_push(d.page, &(struct rf_ring_entry){ 0 }),
			-ENOSPC);
	}
	stop();
}
END_TEST

START_TEST(value_beyond_the_queue_index_is_not_lost)
{
	struct rf_doorbell_counts counts;
	struct device d;

	if (is_skipped(RF_DOORBELL_IOEVENTFD))
		return;
	start(RF_DOORBELL_IOEVENTFD);
	add_device(&d, TINY_VM_DOORBELL);
	/* VIRTIO_F_NOTIFICATION_DATA: no eventfd matches these. */
	repeat_value(0x00050001, 2, &d);
	ck_assert_uint_eq(exits, 2);
	ck_assert_uint_eq(d.kicks, 2);
	repeat_value(QUEUES, 1, &d);
	rf_doorbell_counts(d.bell, &counts);
	ck_assert_uint_eq(counts.ignored, 1);
	stop();
}
END_TEST

START_TEST(buffer_nobody_mapped_is_not_registered)
{
	struct rf_doorbell *bell;

	if (is_skipped(RF_DOORBELL_COALESCED2))
		return;
	start(RF_DOORBELL_COALESCED2);
	ck_assert_int_eq(rf_doorbell_open(set, 1, &bell), 0);
	ck_assert_int_eq(rf_doorbell_register(bell, TINY_VM_DOORBELL, 4),
			 -ENOBUFS);
	stop();
}
END_TEST

static int count_fds(void)
{
	int nr = 0;
	int fd;

	for (fd = 0; fd < 256; fd++)
		nr += fcntl(fd, F_GETFD) >= 0;
	return nr;
}

START_TEST(probing_leaves_nothing_behind)
{
	struct rf_doorbell_offer again;
	const char *step;
	int before;
	int kvm;
	int i;

	ck_assert_int_eq(tiny_vm_new(&vm, &step), 0);
	kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	ck_assert_int_ge(kvm, 0);
	before = count_fds();
	for (i = 0; i < 20; i++) {
		ck_assert_int_eq(rf_doorbell_probe_host(kvm, &again), 0);
		ck_assert_mem_eq(again.works, offer.works, sizeof(offer.works));
		rf_doorbell_probe(vm.vm, &again);
		ck_assert_mem_eq(again.works, offer.works, sizeof(offer.works));
	}
	ck_assert_int_eq(count_fds(), before);
	close(kvm);
	tiny_vm_free(&vm);
}
END_TEST

START_TEST(what_is_no_kvm_offers_exit_and_a_reason)
{
	struct rf_doorbell_offer none;
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	ck_assert_int_eq(rf_doorbell_probe_host(null, &none), -ENOTTY);
	ck_assert(none.works[RF_DOORBELL_EXIT]);
	ck_assert(!none.works[RF_DOORBELL_IOEVENTFD]);
	ck_assert_ptr_nonnull(
		strstr(none.why[RF_DOORBELL_IOEVENTFD], "ENOTTY"));
	close(null);
}
END_TEST

static void tell_offer(void)
{
	int i;

	for (i = 0; i < RF_DOORBELL_NR_KINDS; i++) {
		const char *name = rf_doorbell_kind_name(
			(enum rf_doorbell_kind)i);

		if (offer.works[i])
			printf("offered: %s\n", name);
		else
			printf("skipped: kvm.doorbell.%s: %s\n", name,
			       offer.why[i]);
	}
}

int main(void)
{
	Suite *suite = suite_create("kvm doorbell");
	TCase *each = tcase_create("each kind");
	TCase *once = tcase_create("once");
	SRunner *runner;
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	int failed;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (kvm < 0)
		return unit_skip("kvm.doorbell", "no access to /dev/kvm");
	if (rf_doorbell_probe_host(kvm, &offer))
		return unit_skip("kvm.doorbell",
				 offer.why[RF_DOORBELL_IOEVENTFD]);
	close(kvm);
	tell_offer();
	tcase_set_timeout(each, 60);
	tcase_set_timeout(once, 60);
	tcase_add_loop_test(each, every_write_arrives_in_order_and_few_exit, 0,
			    RF_DOORBELL_NR_KINDS);
	tcase_add_loop_test(each,
			    writes_after_unregister_exit_and_reach_no_device, 0,
			    RF_DOORBELL_NR_KINDS);
	tcase_add_loop_test(each, neighbours_of_the_zone_stay_untouched, 0,
			    RF_DOORBELL_NR_KINDS);
	tcase_add_loop_test(each, two_devices_of_one_vm_get_their_own, 0,
			    RF_DOORBELL_NR_KINDS);
	tcase_add_loop_test(each, device_that_sleeps_finds_its_bells_rung, 0,
			    RF_DOORBELL_NR_KINDS);
	tcase_add_test(once, value_beyond_the_queue_index_is_not_lost);
	tcase_add_test(once, buffer_nobody_mapped_is_not_registered);
	tcase_add_test(once, probing_leaves_nothing_behind);
	tcase_add_test(once, what_is_no_kvm_offers_exit_and_a_reason);
	suite_add_tcase(suite, each);
	suite_add_tcase(suite, once);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
