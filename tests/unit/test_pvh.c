/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * test_pvh.c - what a kernel is told at its entry
 */
#include <errno.h>
#include <string.h>

#include "unit/unit.h"
#include "vmm/pvh.h"

static struct pvh_start_info info;
static struct memmap_entry map[8];

static struct boot_info boot;

static void write_and_read(struct memory *mem, uint64_t bytes)
{
	boot = (struct boot_info){ .cmdline = "a=b c", .rsdp_gpa = 0xe0000 };
	ck_assert_int_eq(memory_new(bytes, -1, mem), 0);
	ck_assert_int_eq(pvh_write(mem, &boot), 0);
	ck_assert_int_eq(
		memory_read(mem, PVH_START_INFO_GPA, &info, sizeof(info)), 0);
	ck_assert_uint_le(info.memmap_entries, RF_ARRAY_LEN(map));
	ck_assert_int_eq(memory_read(mem, info.memmap_paddr, map,
				     info.memmap_entries * sizeof(map[0])),
			 0);
}

/* What is in it, test_memmap.c knows. */
static void check_map(const struct memory *mem)
{
	struct memmap_entry told[MEMMAP_ENTRIES_MAX];
	uint32_t nr = memmap_fill(mem, told);

	ck_assert_uint_eq(info.memmap_entries, nr);
	ck_assert_mem_eq(map, told, nr * sizeof(map[0]));
}

START_TEST(the_kernel_finds_its_command_line_and_memory)
{
	struct memory mem;
	char cmdline[6];

	write_and_read(&mem, 8 << 20);
	ck_assert_uint_eq(info.magic, PVH_MAGIC);
	ck_assert_uint_eq(info.version, 1);
	ck_assert_uint_eq(info.nr_modules, 0);
	ck_assert_uint_eq(info.modlist_paddr, 0);
	ck_assert_uint_eq(info.rsdp_paddr, 0xe0000);
	ck_assert_int_eq(memory_read(&mem, info.cmdline_paddr, cmdline, 6), 0);
	ck_assert_str_eq(cmdline, "a=b c");
	ck_assert_uint_eq(info.memmap_entries, 3);
	ck_assert_uint_eq(map[1].type, MEMMAP_RESERVED);
	ck_assert_uint_eq(map[2].addr, MEMMAP_LOAD_MIN);
	check_map(&mem);
	memory_free(&mem);
}
END_TEST

START_TEST(memory_behind_the_hole_is_told_too)
{
	struct memory mem;

	write_and_read(&mem, MEMORY_HOLE_START + (1 << 20));
	ck_assert_uint_eq(info.memmap_entries, 4);
	ck_assert_uint_eq(map[3].addr, MEMORY_HIGH_START);
	ck_assert_uint_eq(map[3].bytes, 1 << 20);
	check_map(&mem);
	memory_free(&mem);
}
END_TEST

START_TEST(a_command_line_fits_or_is_refused)
{
	char text[BOOT_CMDLINE_BYTES + 1];
	struct memory mem;

	ck_assert_int_eq(memory_new(8 << 20, -1, &mem), 0);
	memset(text, 'x', sizeof(text));
	boot = (struct boot_info){ .cmdline = text };
	text[BOOT_CMDLINE_BYTES - 1] = '\0';
	ck_assert_int_eq(pvh_write(&mem, &boot), 0);
	text[BOOT_CMDLINE_BYTES - 1] = 'x';
	text[BOOT_CMDLINE_BYTES] = '\0';
	ck_assert_int_eq(pvh_write(&mem, &boot), -EINVAL);
	memory_free(&mem);
}
END_TEST

START_TEST(an_initramfs_is_the_one_module)
{
	struct pvh_module module;
	struct memory mem;

	boot = (struct boot_info){ .cmdline = "",
				   .initrd_gpa = 0x300000,
				   .initrd_bytes = 12345 };
	ck_assert_int_eq(memory_new(8 << 20, -1, &mem), 0);
	ck_assert_int_eq(pvh_write(&mem, &boot), 0);
	ck_assert_int_eq(
		memory_read(&mem, PVH_START_INFO_GPA, &info, sizeof(info)), 0);
	ck_assert_uint_eq(info.nr_modules, 1);
	ck_assert_int_eq(
		memory_read(&mem, info.modlist_paddr, &module, sizeof(module)),
		0);
	ck_assert_uint_eq(module.paddr, 0x300000);
	ck_assert_uint_eq(module.bytes, 12345);
	ck_assert_uint_eq(module.cmdline_paddr, 0);
	memory_free(&mem);
}
END_TEST

START_TEST(nothing_of_it_reaches_where_kernels_are_loaded)
{
	ck_assert_uint_le(BOOT_GDT_GPA + 32, PVH_START_INFO_GPA);
	ck_assert_uint_le(PVH_MODULES_GPA + sizeof(struct pvh_module),
			  PVH_MEMMAP_GPA);
	ck_assert_uint_le(PVH_MEMMAP_GPA + sizeof(map), BOOT_CMDLINE_GPA);
	ck_assert_uint_le(BOOT_CMDLINE_GPA + BOOT_CMDLINE_BYTES,
			  MEMMAP_LOW_RAM_END);
	ck_assert_uint_le(MEMMAP_LOW_RAM_END, MEMMAP_LOAD_MIN);
}
END_TEST

START_TEST(it_is_entered_in_32_bit_mode)
{
	struct kvm_sregs sregs;
	struct kvm_regs regs;
	struct memory mem;
	uint64_t d;

	ck_assert_int_eq(memory_new(8 << 20, -1, &mem), 0);
	boot = (struct boot_info){ .cmdline = "" };
	ck_assert_int_eq(pvh_write(&mem, &boot), 0);
	memset(&sregs, 0xff, sizeof(sregs));
	pvh_sregs(&sregs);
	ck_assert_uint_eq(sregs.cs.l, 0);
	ck_assert_uint_eq(sregs.cs.db, 1);
	/* Its table is of the same mode. */
	ck_assert_int_eq(
		memory_read(&mem, sregs.gdt.base + sregs.cs.selector, &d, 8),
		0);
	ck_assert_uint_eq(d >> 53 & 3, 2);
	ck_assert_uint_eq(sregs.cr0 & 0x80000001u, 1); /* no paging */
	ck_assert_uint_eq(sregs.cr4, 0);
	ck_assert_uint_eq(sregs.efer, 0);
	memset(&regs, 0xff, sizeof(regs));
	pvh_regs(&regs, 0x123456);
	ck_assert_uint_eq(regs.rip, 0x123456);
	ck_assert_uint_eq(regs.rbx, PVH_START_INFO_GPA);
	ck_assert_uint_eq(regs.rflags, 2);
	ck_assert_uint_eq(regs.rax, 0);
	memory_free(&mem);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		the_kernel_finds_its_command_line_and_memory,
		memory_behind_the_hole_is_told_too,
		a_command_line_fits_or_is_refused,
		an_initramfs_is_the_one_module,
		nothing_of_it_reaches_where_kernels_are_loaded,
		it_is_entered_in_32_bit_mode,
	};

	return unit_run("pvh", tests, RF_ARRAY_LEN(tests));
}
