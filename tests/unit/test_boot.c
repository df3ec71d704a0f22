/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * test_boot.c - registers and table say the same, in either mode
 */
#include <errno.h>
#include <string.h>

#include "unit/unit.h"
#include "vmm/boot.h"
#include "vmm/memmap.h"

static struct memory mem;
static uint64_t gdt[BOOT_GDT_ENTRIES];

static void write_and_read(bool is_64)
{
	ck_assert_int_eq(memory_new(4 << 20, -1, &mem), 0);
	ck_assert_int_eq(boot_write_gdt(&mem, is_64), 0);
	ck_assert_int_eq(memory_read(&mem, BOOT_GDT_GPA, gdt, sizeof(gdt)), 0);
	memory_free(&mem);
}

/* As the processor reads them, SDM volume 3, 3.4.5. */
START_TEST(the_table_is_flat)
{
	write_and_read(true);
	ck_assert_uint_eq(gdt[0], 0);
	ck_assert_uint_eq(gdt[1], 0);
	ck_assert_uint_eq(gdt[2], 0x00af9b000000ffffull);
	ck_assert_uint_eq(gdt[3], 0x00cf93000000ffffull);
	ck_assert_uint_eq(gdt[4], 0x00008b0000000067ull);
	ck_assert_uint_eq(gdt[5], 0);
	write_and_read(false);
	ck_assert_uint_eq(gdt[0], 0);
	ck_assert_uint_eq(gdt[2], 0x00cf9b000000ffffull);
	ck_assert_uint_eq(gdt[3], 0x00cf93000000ffffull);
	ck_assert_uint_eq(gdt[4], 0x00008b0000000067ull);
}
END_TEST

static uint32_t base_of(uint64_t d)
{
	return (uint32_t)(d >> 16 & 0xffffff) | (uint32_t)(d >> 56) << 24;
}

static uint32_t limit_of(uint64_t d)
{
	uint32_t limit = (uint32_t)(d & 0xffff) | (uint32_t)(d >> 48 & 0xf)
							  << 16;

	return d >> 55 & 1 ? limit << 12 | 0xfff : limit;
}

static void check_segment(struct kvm_segment s)
{
	uint64_t d;

	ck_assert_uint_eq(s.selector % 8, 0);
	ck_assert_uint_lt(s.selector / 8, BOOT_GDT_ENTRIES);
	d = gdt[s.selector / 8];
	ck_assert_uint_eq(base_of(d), s.base);
	ck_assert_uint_eq(limit_of(d), s.limit);
	ck_assert_uint_eq(d >> 40 & 0xf, s.type);
	ck_assert_uint_eq(d >> 44 & 1, s.s);
	ck_assert_uint_eq(d >> 45 & 3, s.dpl);
	ck_assert_uint_eq(d >> 47 & 1, s.present);
	ck_assert_uint_eq(d >> 53 & 1, s.l);
	ck_assert_uint_eq(d >> 54 & 1, s.db);
	ck_assert_uint_eq(d >> 55 & 1, s.g);
	ck_assert_uint_eq(s.unusable, 0);
}

static void check_all(bool is_64)
{
	struct kvm_sregs sregs;

	write_and_read(is_64);
	memset(&sregs, 0xff, sizeof(sregs));
	boot_segments(&sregs, is_64);
	check_segment(sregs.cs);
	check_segment(sregs.ds);
	check_segment(sregs.es);
	check_segment(sregs.fs);
	check_segment(sregs.gs);
	check_segment(sregs.ss);
	check_segment(sregs.tr);
	ck_assert_uint_eq(sregs.cs.selector, 0x10);
	ck_assert_uint_eq(sregs.ds.selector, 0x18);
	ck_assert_uint_eq(sregs.cs.l, is_64);
	/* Both at once is no mode at all. */
	ck_assert_uint_eq(sregs.cs.db, !is_64);
	ck_assert_uint_eq(sregs.gdt.base, BOOT_GDT_GPA);
	ck_assert_uint_eq(sregs.gdt.limit, sizeof(gdt) - 1);
	ck_assert_uint_eq(sregs.idt.base, 0);
	ck_assert_uint_eq(sregs.idt.limit, 0);
}

START_TEST(registers_and_table_say_the_same)
{
	check_all(true);
	check_all(false);
}
END_TEST

START_TEST(memory_without_a_place_for_it_is_told)
{
	ck_assert_int_eq(memory_new(4 << 20, -1, &mem), 0);
	mem.regions[0].bytes = BOOT_GDT_GPA + sizeof(gdt) - 1;
	ck_assert_int_eq(boot_write_gdt(&mem, true), -ERANGE);
	mem.regions[0].bytes = 4 << 20;
	memory_free(&mem);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		the_table_is_flat,
		registers_and_table_say_the_same,
		memory_without_a_place_for_it_is_told,
	};

	return unit_run("boot", tests, RF_ARRAY_LEN(tests));
}
