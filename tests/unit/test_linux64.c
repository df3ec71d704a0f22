/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * test_linux64.c - what Linux is told at its 64-bit entry
 */
#include <errno.h>
#include <string.h>

#include "unit/unit.h"
#include "vmm/linux64.h"
#include "vmm/memmap.h"

static struct memory mem;
static struct boot_params zero;

static int write_all(const struct setup_header *header,
		     const struct boot_info *info)
{
	int rc = linux64_write(&mem, header, info);

	if (rc == 0)
		ck_assert_int_eq(memory_read(&mem, LINUX64_ZERO_PAGE_GPA, &zero,
					     sizeof(zero)),
				 0);
	return rc;
}

START_TEST(the_zero_page_says_what_is_where)
{
	const struct boot_info info = { .cmdline = "a=b c",
					.rsdp_gpa = 0xe0000,
					.initrd_gpa = 0x700000,
					.initrd_bytes = 4321 };
	char cmdline[6];

	ck_assert_int_eq(memory_new(8 << 20, -1, &mem), 0);
	ck_assert_int_eq(write_all(NULL, &info), 0);
	ck_assert_uint_eq(zero.hdr.boot_flag, 0xaa55);
	ck_assert_uint_eq(zero.hdr.header, 0x53726448);
	ck_assert_uint_eq(zero.hdr.type_of_loader, 0xff);
	ck_assert_uint_eq(zero.hdr.ramdisk_image, 0x700000);
	ck_assert_uint_eq(zero.hdr.ramdisk_size, 4321);
	ck_assert_uint_eq(zero.acpi_rsdp_addr, 0xe0000);
	ck_assert_uint_eq(zero.sentinel, 0);
	ck_assert_int_eq(memory_read(&mem, zero.hdr.cmd_line_ptr, cmdline, 6),
			 0);
	ck_assert_str_eq(cmdline, "a=b c");
	ck_assert_uint_eq(zero.e820_entries, 3);
	ck_assert_uint_eq(zero.e820_table[0].addr, 0);
	ck_assert_uint_eq(zero.e820_table[1].type, MEMMAP_RESERVED);
	ck_assert_uint_eq(zero.e820_table[2].addr, MEMMAP_LOAD_MIN);
	ck_assert_uint_eq(zero.e820_table[2].size, 7 << 20);
	memory_free(&mem);
}
END_TEST

START_TEST(memory_behind_the_hole_is_told_too)
{
	const struct boot_info info = { .cmdline = "" };

	ck_assert_int_eq(memory_new(MEMORY_HOLE_START + (1 << 20), -1, &mem),
			 0);
	ck_assert_int_eq(write_all(NULL, &info), 0);
	ck_assert_uint_eq(zero.e820_entries, 4);
	ck_assert_uint_eq(zero.e820_table[3].addr, MEMORY_HIGH_START);
	ck_assert_uint_eq(zero.e820_table[3].size, 1 << 20);
	memory_free(&mem);
}
END_TEST

START_TEST(what_the_file_points_at_is_not_passed_on)
{
	const struct boot_info info = { .cmdline = "" };
	struct setup_header header;

	memset(&header, 0xee, sizeof(header));
	header.init_size = 0x1234;
	ck_assert_int_eq(memory_new(8 << 20, -1, &mem), 0);
	ck_assert_int_eq(write_all(&header, &info), 0);
	ck_assert_uint_eq(zero.hdr.setup_data, 0);
	ck_assert_uint_eq(zero.hdr.hardware_subarch, 0);
	ck_assert_uint_eq(zero.hdr.hardware_subarch_data, 0);
	ck_assert_uint_eq(zero.hdr.ramdisk_image, 0);
	ck_assert_uint_eq(zero.hdr.ramdisk_size, 0);
	ck_assert_uint_eq(zero.hdr.heap_end_ptr, 0);
	ck_assert_uint_eq(zero.hdr.loadflags, LOADED_HIGH);
	ck_assert_uint_eq(zero.hdr.cmd_line_ptr, BOOT_CMDLINE_GPA);
	ck_assert_uint_eq(zero.ext_ramdisk_size, 0);
	/* The rest is the kernel's own word to itself. */
	ck_assert_uint_eq(zero.hdr.init_size, 0x1234);
	memory_free(&mem);
}
END_TEST

START_TEST(what_does_not_fit_is_refused)
{
	static char text[BOOT_CMDLINE_BYTES + 1];
	struct boot_info info = { .cmdline = text };

	memset(text, 'x', BOOT_CMDLINE_BYTES);
	ck_assert_int_eq(memory_new(8 << 20, -1, &mem), 0);
	ck_assert_int_eq(write_all(NULL, &info), -EINVAL);
	text[BOOT_CMDLINE_BYTES - 1] = '\0';
	ck_assert_int_eq(write_all(NULL, &info), 0);
	info.initrd_gpa = 0x100000;
	info.initrd_bytes = 0x100000000ull;
	ck_assert_int_eq(write_all(NULL, &info), -EINVAL);
	info.initrd_gpa = 0x100000000ull;
	info.initrd_bytes = 1;
	ck_assert_int_eq(write_all(NULL, &info), -EINVAL);
	info.initrd_gpa = UINT64_MAX;
	ck_assert_int_eq(write_all(NULL, &info), -EINVAL);
	memory_free(&mem);
}
END_TEST

static uint64_t entry_of(uint64_t table, uint64_t index)
{
	uint64_t entry;

	ck_assert_int_eq(
		memory_read(&mem, (table & ~0xfffull) + index * 8, &entry, 8),
		0);
	return entry;
}

/* As the processor walks them, SDM volume 3, 4.5. */
START_TEST(the_lowest_4_gib_are_mapped_one_to_one)
{
	const struct boot_info info = { .cmdline = "" };
	struct kvm_sregs sregs;
	uint64_t at, e;

	memset(&sregs, 0, sizeof(sregs));
	linux64_sregs(&sregs);
	ck_assert_int_eq(memory_new(8 << 20, -1, &mem), 0);
	ck_assert_int_eq(write_all(NULL, &info), 0);
	for (at = 0; at < LINUX64_MAPPED_BYTES; at += 0x200000) {
		e = entry_of(sregs.cr3, at >> 39 & 511);
		ck_assert_uint_eq(e & 0xfff, 3);
		e = entry_of(e, at >> 30 & 511);
		ck_assert_uint_eq(e & 0xfff, 3);
		e = entry_of(e, at >> 21 & 511);
		ck_assert_uint_eq(e, at | 0x83);
	}
	ck_assert_uint_eq(entry_of(sregs.cr3, 1), 0);
	ck_assert_uint_eq(
		entry_of(entry_of(sregs.cr3, 0), LINUX64_MAPPED_BYTES >> 30),
		0);
	memory_free(&mem);
}
END_TEST

START_TEST(nothing_of_it_overlaps)
{
	ck_assert_uint_le(BOOT_GDT_GPA + 48, LINUX64_ZERO_PAGE_GPA);
	ck_assert_uint_le(LINUX64_ZERO_PAGE_GPA + 4096, LINUX64_TABLES_GPA);
	ck_assert_uint_le(LINUX64_TABLES_GPA + LINUX64_NR_TABLES * 4096,
			  BOOT_CMDLINE_GPA);
	ck_assert_uint_le(BOOT_CMDLINE_GPA + BOOT_CMDLINE_BYTES,
			  MEMMAP_LOW_RAM_END);
}
END_TEST

START_TEST(it_is_entered_in_64_bit_mode)
{
	const struct boot_info info = { .cmdline = "" };
	struct kvm_sregs sregs;
	struct kvm_regs regs;
	uint64_t d;

	ck_assert_int_eq(memory_new(8 << 20, -1, &mem), 0);
	ck_assert_int_eq(write_all(NULL, &info), 0);
	memset(&sregs, 0xff, sizeof(sregs));
	linux64_sregs(&sregs);
	ck_assert_uint_eq(sregs.cs.selector, 0x10);
	ck_assert_uint_eq(sregs.ds.selector, 0x18);
	ck_assert_uint_eq(sregs.cs.l, 1);
	/* Its table is of the same mode. */
	ck_assert_int_eq(
		memory_read(&mem, sregs.gdt.base + sregs.cs.selector, &d, 8),
		0);
	ck_assert_uint_eq(d >> 53 & 3, 1);
	ck_assert_uint_eq(sregs.cr0 & 0x80000001u, 0x80000001u);
	ck_assert_uint_eq(sregs.cr4, 0x20);
	ck_assert_uint_eq(sregs.efer, 0x500);
	memset(&regs, 0xff, sizeof(regs));
	linux64_regs(&regs, 0x123456789);
	ck_assert_uint_eq(regs.rip, 0x123456789);
	ck_assert_uint_eq(regs.rsi, LINUX64_ZERO_PAGE_GPA);
	ck_assert_uint_eq(regs.rflags, 2);
	memory_free(&mem);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		the_zero_page_says_what_is_where,
		memory_behind_the_hole_is_told_too,
		what_the_file_points_at_is_not_passed_on,
		what_does_not_fit_is_refused,
		the_lowest_4_gib_are_mapped_one_to_one,
		nothing_of_it_overlaps,
		it_is_entered_in_64_bit_mode,
	};

	return unit_run("linux64", tests, RF_ARRAY_LEN(tests));
}
