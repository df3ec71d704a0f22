/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * test_probe.c - a kind works when it was used, not when a number says so
 */
#include <errno.h>
#include <string.h>

#include <ringfence/doorbell.h>
#include <ringfence/kvm_coalesced2.h>

#include "unit/fake_kvm.h"
#include "unit/unit.h"

static struct rf_doorbell_offer offer;
static int fds_before;

static void start(void)
{
	fake_kvm_start();
	fds_before = fake_kvm_count_fds();
}

/* After each probe: nothing left, and a reason exactly where it fails. */
static void expect_clean(void)
{
	int kind;

	ck_assert_int_eq(fake_kvm_count_fds(), fds_before);
	ck_assert_uint_eq(fake.nr_zones, 0);
	ck_assert_uint_eq(fake.nr_bells, 0);
	for (kind = 0; kind < RF_DOORBELL_NR_KINDS; kind++)
		ck_assert_msg(offer.works[kind] == (offer.why[kind][0] == '\0'),
			      "kind %d: \"%s\"", kind, offer.why[kind]);
}

static void expect_why(enum rf_doorbell_kind kind, const char *part)
{
	expect_clean();
	ck_assert(!offer.works[kind]);
	ck_assert_msg(strstr(offer.why[kind], part), "\"%s\" lacks \"%s\"",
		      offer.why[kind], part);
}

START_TEST(everything_on_offer_works)
{
	int kind;

	start();
	rf_doorbell_probe(fake.vm_fd, &offer);
	expect_clean();
	for (kind = 0; kind < RF_DOORBELL_NR_KINDS; kind++)
		ck_assert_int_eq(offer.works[kind], true);
	ck_assert_int_eq(rf_doorbell_probe_host(fake.kvm_fd, &offer), 0);
	expect_clean();
	ck_assert(offer.works[RF_DOORBELL_COALESCED]);
}
END_TEST

START_TEST(without_a_vm_only_exit_works)
{
	start();
	memset(&offer, 0xff, sizeof(offer));
	rf_doorbell_probe(-1, &offer);
	expect_clean();
	ck_assert(offer.works[RF_DOORBELL_EXIT]);
	expect_why(RF_DOORBELL_COALESCED2, "/dev/kvm");
	expect_why(RF_DOORBELL_IOEVENTFD, "/dev/kvm");
	expect_why(RF_DOORBELL_COALESCED, "/dev/kvm");
}
END_TEST

START_TEST(host_that_makes_no_vm_says_why)
{
	start();
	fake.fail_request = KVM_CREATE_VM;
	fake.fail_errno = EPERM;
	ck_assert_int_eq(rf_doorbell_probe_host(fake.kvm_fd, &offer), -EPERM);
	expect_why(RF_DOORBELL_IOEVENTFD, "KVM_CREATE_VM: EPERM");
	ck_assert(offer.works[RF_DOORBELL_EXIT]);
}
END_TEST

START_TEST(missing_capabilities_are_named)
{
	start();
	fake.has_coalesced2 = false;
	fake.has_ioeventfd = false;
	fake.has_coalesced = false;
	rf_doorbell_probe(fake.vm_fd, &offer);
	expect_why(RF_DOORBELL_COALESCED2, "no capability 239");
	expect_why(RF_DOORBELL_IOEVENTFD, "KVM_CAP_IOEVENTFD");
	expect_why(RF_DOORBELL_COALESCED, "KVM_CAP_COALESCED_MMIO");
}
END_TEST

START_TEST(each_refused_request_is_named_and_undone)
{
	static const struct {
		unsigned long request;
		unsigned int skip;
		enum rf_doorbell_kind kind;
		const char *part;
	} rows[] = {
		{ KVM_CREATE_COALESCED_MMIO_BUFFER, 0, RF_DOORBELL_COALESCED2,
		  "KVM_CREATE_COALESCED_MMIO_BUFFER: ENOTTY" },
		{ KVM_CREATE_COALESCED_MMIO_BUFFER, 1, RF_DOORBELL_COALESCED2,
		  "KVM_CREATE_COALESCED_MMIO_BUFFER: ENOTTY" },
		{ KVM_REGISTER_COALESCED_MMIO2, 0, RF_DOORBELL_COALESCED2,
		  "KVM_REGISTER_COALESCED_MMIO2: ENOTTY" },
		{ KVM_IOEVENTFD, 0, RF_DOORBELL_IOEVENTFD,
		  "KVM_IOEVENTFD: ENOTTY" },
		{ KVM_REGISTER_COALESCED_MMIO, 0, RF_DOORBELL_COALESCED,
		  "KVM_REGISTER_COALESCED_MMIO: ENOTTY" },
		{ KVM_CREATE_VCPU, 0, RF_DOORBELL_COALESCED,
		  "KVM_CREATE_VCPU: ENOTTY" },
		{ KVM_GET_VCPU_MMAP_SIZE, 0, RF_DOORBELL_COALESCED,
		  "no ring page" },
	};
	size_t i;

	for (i = 0; i < RF_ARRAY_LEN(rows); i++) {
		start();
		fake.fail_request = rows[i].request;
		fake.fail_skip = rows[i].skip;
		fake.fail_errno = ENOTTY;
		ck_assert_int_eq(rf_doorbell_probe_host(fake.kvm_fd, &offer),
				 0);
		expect_why(rows[i].kind, rows[i].part);
	}
}
END_TEST

START_TEST(number_that_means_something_else_is_seen_through)
{
	static const struct {
		enum fake_create create;
		const char *part;
	} rows[] = {
		{ FAKE_CREATE_ZERO, "something else" },
		{ FAKE_CREATE_NUMBERS, "something else" },
		{ FAKE_CREATE_UNMAPPED, "mapping the buffer" },
		{ FAKE_CREATE_DIRTY, "not an empty ring" },
		{ FAKE_CREATE_READABLE, "readable" },
	};
	size_t i;

	for (i = 0; i < RF_ARRAY_LEN(rows); i++) {
		start();
		fake.create = rows[i].create;
		rf_doorbell_probe(fake.vm_fd, &offer);
		expect_why(RF_DOORBELL_COALESCED2, rows[i].part);
		/* And the next kind is there to be taken. */
		ck_assert(offer.works[RF_DOORBELL_IOEVENTFD]);
	}
}
END_TEST

/* What it does not ask for may fail and nobody notices. */
START_TEST(one_kind_is_tried_alone)
{
	char why[RF_DOORBELL_WHY_BYTES] = "left over";

	start();
	fake.fail_request = KVM_IOEVENTFD;
	fake.fail_errno = EPERM;
	ck_assert(
		rf_doorbell_probe_kind(fake.vm_fd, RF_DOORBELL_COALESCED, why));
	ck_assert_str_eq(why, "");
	ck_assert(!rf_doorbell_probe_kind(fake.vm_fd, RF_DOORBELL_IOEVENTFD,
					  why));
	ck_assert_ptr_nonnull(strstr(why, "EPERM"));
	ck_assert(!rf_doorbell_probe_kind(-1, RF_DOORBELL_COALESCED2, why));
	ck_assert_ptr_nonnull(strstr(why, "/dev/kvm"));
	ck_assert(rf_doorbell_probe_kind(-1, RF_DOORBELL_EXIT, why));
	ck_assert(
		!rf_doorbell_probe_kind(fake.vm_fd, RF_DOORBELL_NR_KINDS, why));
	ck_assert_ptr_nonnull(strstr(why, "no such kind"));
	ck_assert_int_eq(fake_kvm_count_fds(), fds_before);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		everything_on_offer_works,
		without_a_vm_only_exit_works,
		host_that_makes_no_vm_says_why,
		missing_capabilities_are_named,
		each_refused_request_is_named_and_undone,
		number_that_means_something_else_is_seen_through,
		one_kind_is_tried_alone,
	};

	return unit_run("probe", tests, RF_ARRAY_LEN(tests));
}
