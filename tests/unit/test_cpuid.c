/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * test_cpuid.c - processors are numbered anew, whatever the host's are like
 */
#include <errno.h>
#include <string.h>

#include "unit/unit.h"
#include "vmm/cpuid.h"

static union {
	struct kvm_cpuid2 head;
	uint8_t room[sizeof(struct kvm_cpuid2) +
		     (CPUID_ENTRIES_MAX + 4) * sizeof(struct kvm_cpuid_entry2)];
} list;

static struct kvm_cpuid_entry2 *add(uint32_t function, uint32_t index)
{
	struct kvm_cpuid_entry2 *e = &list.head.entries[list.head.nent++];

	*e = (struct kvm_cpuid_entry2){ .function = function, .index = index };
	return e;
}

static struct kvm_cpuid_entry2 *get(uint32_t function, uint32_t index)
{
	uint32_t i;

	for (i = 0; i < list.head.nent; i++)
		if (list.head.entries[i].function == function &&
		    list.head.entries[i].index == index)
			return &list.head.entries[i];
	return NULL;
}

static void fill(struct kvm_cpuid_entry2 *e)
{
	e->eax = UINT32_MAX;
	e->ebx = UINT32_MAX;
	e->ecx = UINT32_MAX;
	e->edx = UINT32_MAX;
}

/* A host with sixteen processors, two threads a core, and all leaves. */
static void make_host(bool amd, bool invariant)
{
	struct kvm_cpuid_entry2 *e;
	uint32_t i;

	memset(&list, 0, sizeof(list));
	e = add(0, 0);
	e->eax = 0x1f;
	e->ebx = amd ? 0x68747541 : 0x756e6547;
	e = add(1, 0);
	e->ebx = 0x0710abcd;
	e->ecx = 0x01008024; /* the deadline timer; PDCM, VMX, debug store */
	e->edx = 0x10200001;
	for (i = 0; i < 4; i++) {
		e = add(4, i);
		e->eax = 0xfc1fc000u | (i < 3 ? i + 1 : 4) << 5 |
			 (i < 3 ? 1u : 0u);
		e->ebx = 0x12345678;
	}
	add(7, 0)->edx = 0xffffffff;
	add(7, 1)->edx = 0xffffffff;
	fill(add(0xa, 0));
	fill(add(0x1c, 0));
	add(0xb, 0)->ebx = 2;
	add(0xb, 1)->ebx = 16;
	add(0x1f, 0)->ebx = 2;
	add(0x40000000, 0)->ebx = 0x4b4d564b;
	add(0x80000001, 0)->ecx = 0xffffffff;
	add(0x80000007, 0)->edx = invariant ? 0x100 : 0;
	add(0x80000008, 0)->ecx = 0x700f;
	add(0x8000001d, 0)->eax = 0x3fffc061 + (1u << 14);
	e = add(0x8000001e, 0);
	e->eax = 77;
	e->ecx = 0x303;
	fill(add(0x8000000a, 0));
	fill(add(0x8000001f, 0));
	fill(add(0x80000022, 0));
	add(0x80000026, 0)->ebx = 2;
}

START_TEST(each_has_its_number_and_all_are_one_package)
{
	static const uint32_t bits[] = { 0, 0, 1, 2, 2, 3, 3, 3, 3 };
	uint32_t nr, id;

	for (nr = 1; nr <= 8; nr++) {
		make_host(false, true);
		ck_assert_int_eq(cpuid_fit(&list.head, nr, true), 0);
		for (id = 0; id < nr; id++) {
			cpuid_personalize(&list.head, id);
			ck_assert_uint_eq(get(1, 0)->ebx >> 24, id);
			ck_assert_uint_eq(get(1, 0)->ebx >> 16 & 0xff,
					  1u << bits[nr]);
			ck_assert_uint_eq(get(1, 0)->ebx & 0xffff, 0xabcd);
			ck_assert_uint_eq(get(0xb, 0)->edx, id);
			ck_assert_uint_eq(get(0xb, 1)->edx, id);
			ck_assert_uint_eq(get(0xb, 2)->edx, id);
		}
		ck_assert_uint_eq(get(1, 0)->edx >> 28 & 1, nr > 1);
		ck_assert_uint_eq(get(1, 0)->edx & 1, 1);
		/* One thread a core, the cores behind `bits` of the id. */
		ck_assert_uint_eq(get(0xb, 0)->eax, 0);
		ck_assert_uint_eq(get(0xb, 0)->ebx, 1);
		ck_assert_uint_eq(get(0xb, 0)->ecx, 0x100);
		ck_assert_uint_eq(get(0xb, 1)->eax, bits[nr]);
		ck_assert_uint_eq(get(0xb, 1)->ebx, nr);
		ck_assert_uint_eq(get(0xb, 1)->ecx, 0x201);
		ck_assert_uint_eq(get(0xb, 2)->ebx, 0);
		ck_assert_uint_eq(get(0xb, 2)->ecx, 2);
		ck_assert_uint_eq(get(0xb, 1)->flags,
				  KVM_CPUID_FLAG_SIGNIFCANT_INDEX);
		ck_assert_ptr_null(get(0xb, 3));
	}
}
END_TEST

START_TEST(of_the_hosts_topology_nothing_is_left)
{
	make_host(true, true);
	ck_assert_int_eq(cpuid_fit(&list.head, 4, true), 0);
	ck_assert_ptr_null(get(0x1f, 0));
	ck_assert_ptr_null(get(0x80000026, 0));
	cpuid_personalize(&list.head, 3);
	ck_assert_uint_eq(get(0x8000001e, 0)->eax, 3);
	ck_assert_uint_eq(get(0x8000001e, 0)->ebx, 3);
	ck_assert_uint_eq(get(0x8000001e, 0)->ecx, 0);
	ck_assert_uint_eq(get(0x80000008, 0)->ecx, 0x2003);
	ck_assert_uint_eq(get(0x80000001, 0)->ecx & 3, 3);
	make_host(true, true);
	ck_assert_int_eq(cpuid_fit(&list.head, 1, true), 0);
	ck_assert_uint_eq(get(0x80000001, 0)->ecx & 3, 1);
	ck_assert_uint_eq(get(0x80000008, 0)->ecx, 0);
	make_host(false, true);
	ck_assert_int_eq(cpuid_fit(&list.head, 4, true), 0);
	ck_assert_uint_eq(get(0x80000008, 0)->ecx, 0);
	ck_assert_uint_eq(get(0x80000001, 0)->ecx & 3, 1);
}
END_TEST

START_TEST(the_last_cache_alone_is_shared)
{
	make_host(false, true);
	ck_assert_int_eq(cpuid_fit(&list.head, 6, true), 0);
	ck_assert_uint_eq(get(4, 0)->eax, 0x21 | 7u << 26);
	ck_assert_uint_eq(get(4, 1)->eax, 0x41 | 7u << 26);
	ck_assert_uint_eq(get(4, 2)->eax, 0x61 | 7u << 14 | 7u << 26);
	ck_assert_uint_eq(get(4, 2)->ebx, 0x12345678);
	/* Type 0 is the end of the list, and stays as it is. */
	ck_assert_uint_eq(get(4, 3)->eax, 0xfc1fc080);
	ck_assert_uint_eq(get(0x8000001d, 0)->eax & 0x3fff, 0x0061);
	ck_assert_uint_eq(get(0x8000001d, 0)->eax >> 14, 7);
}
END_TEST

START_TEST(a_deadline_in_ticks_needs_ticks_that_are_alike)
{
	make_host(false, true);
	ck_assert_int_eq(cpuid_fit(&list.head, 1, true), 0);
	ck_assert_uint_eq(get(1, 0)->ecx, 0x81000000);
	make_host(false, true);
	ck_assert_int_eq(cpuid_fit(&list.head, 1, false), 0);
	ck_assert_uint_eq(get(1, 0)->ecx, 0x80000000);
	make_host(false, false);
	ck_assert_int_eq(cpuid_fit(&list.head, 1, true), 0);
	ck_assert_uint_eq(get(1, 0)->ecx, 0x80000000);
}
END_TEST

static bool is_empty(uint32_t function)
{
	const struct kvm_cpuid_entry2 *e = get(function, 0);

	ck_assert_ptr_nonnull(e);
	return !e->eax && !e->ebx && !e->ecx && !e->edx;
}

START_TEST(what_a_guest_has_no_business_with_is_withheld)
{
	make_host(true, true);
	ck_assert_int_eq(cpuid_fit(&list.head, 1, true), 0);
	/* A hypervisor of its own: VMX, SVM. */
	ck_assert_uint_eq(get(1, 0)->ecx & 1u << 5, 0);
	ck_assert_uint_eq(get(0x80000001, 0)->ecx & 1u << 2, 0);
	ck_assert(is_empty(0x8000000a));
	/* Counters and records of branches. */
	ck_assert(is_empty(0xa));
	ck_assert(is_empty(0x1c));
	ck_assert(is_empty(0x80000022));
	ck_assert_uint_eq(get(1, 0)->ecx & (1u << 15 | 1u << 2), 0);
	ck_assert_uint_eq(get(1, 0)->edx & 1u << 21, 0);
	ck_assert_uint_eq(get(7, 0)->edx, ~(1u << 19));
	ck_assert_uint_eq(get(7, 1)->edx, UINT32_MAX);
	/* Encrypted memory. */
	ck_assert(is_empty(0x8000001f));
	/* And nothing else of that leaf: one processor, so no CmpLegacy. */
	ck_assert_uint_eq(
		get(0x80000001, 0)->ecx,
		~(1u << 1 | 1u << 2 | 1u << 23 | 1u << 24 | 1u << 28));
}
END_TEST

START_TEST(what_kvm_says_of_itself_stays)
{
	make_host(false, true);
	ck_assert_int_eq(cpuid_fit(&list.head, 2, true), 0);
	ck_assert_uint_eq(get(0x40000000, 0)->ebx, 0x4b4d564b);
}
END_TEST

START_TEST(odd_hosts_are_survived)
{
	memset(&list, 0, sizeof(list));
	ck_assert_int_eq(cpuid_fit(&list.head, 8, true), 0);
	cpuid_personalize(&list.head, 7);
	ck_assert_uint_eq(list.head.nent, 0);
	/* Too old for leaf 0xb. */
	add(0, 0)->eax = 0xa;
	ck_assert_int_eq(cpuid_fit(&list.head, 8, true), 0);
	ck_assert_uint_eq(list.head.nent, 1);
	/* No room for what must be said. */
	memset(&list, 0, sizeof(list));
	add(0, 0)->eax = 0xb;
	while (list.head.nent < CPUID_ENTRIES_MAX - 2)
		add(2, 0);
	ck_assert_int_eq(cpuid_fit(&list.head, 8, true), -ENOSPC);
	list.head.nent--;
	ck_assert_int_eq(cpuid_fit(&list.head, 8, true), 0);
	ck_assert_uint_eq(list.head.nent, CPUID_ENTRIES_MAX);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		each_has_its_number_and_all_are_one_package,
		of_the_hosts_topology_nothing_is_left,
		the_last_cache_alone_is_shared,
		a_deadline_in_ticks_needs_ticks_that_are_alike,
		what_a_guest_has_no_business_with_is_withheld,
		what_kvm_says_of_itself_stays,
		odd_hosts_are_survived,
	};

	return unit_run("cpuid", tests, RF_ARRAY_LEN(tests));
}
