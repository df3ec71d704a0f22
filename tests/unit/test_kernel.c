/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * test_kernel.c - each kind of image is known by its magic number alone
 */
#include <errno.h>

#include "unit/linux_kernel.h"
#include "unit/pvh_kernel.h"
#include "unit/unit.h"
#include "vmm/kernel.h"

static const uint8_t code[] = { 0xf4 };
static uint8_t file[PVH_KERNEL_BYTES];
static struct memory mem;
static struct kernel kernel;
static const char *why;

static_assert(sizeof(file) == LINUX_KERNEL_BYTES, "either fits");

static int load(uint64_t bytes)
{
	rf_autofd fd = pvh_kernel_file(file, bytes);

	return kernel_load(fd, bytes, &mem, &kernel, &why);
}

START_TEST(a_pvh_kernel_is_entered_in_32_bit_mode)
{
	struct kvm_sregs sregs = { 0 };
	struct kvm_regs regs;

	ck_assert_int_eq(memory_new(4 << 20, -1, &mem), 0);
	pvh_kernel_make64(file, code, sizeof(code));
	ck_assert_int_eq(load(sizeof(file)), 0);
	ck_assert_int_eq(kernel.protocol, KERNEL_PVH);
	ck_assert(!kernel.has_header);
	ck_assert_uint_eq(kernel.cmdline_max, KERNEL_CMDLINE_MAX);
	kernel_registers(&kernel, &sregs, &regs);
	ck_assert_uint_eq(sregs.efer, 0);
	ck_assert_uint_eq(regs.rip, PVH_KERNEL_GPA);
	memory_free(&mem);
}
END_TEST

START_TEST(a_bzimage_is_entered_in_64_bit_mode)
{
	struct kvm_sregs sregs = { 0 };
	struct kvm_regs regs;

	ck_assert_int_eq(memory_new(4 << 20, -1, &mem), 0);
	linux_kernel_make(file, code, sizeof(code));
	ck_assert_int_eq(load(sizeof(file)), 0);
	ck_assert_int_eq(kernel.protocol, KERNEL_LINUX64);
	ck_assert(kernel.has_header);
	ck_assert_uint_eq(kernel.cmdline_max, 255);
	ck_assert_uint_eq(kernel.initrd_max, 0x7fffffff);
	kernel_registers(&kernel, &sregs, &regs);
	ck_assert_uint_eq(sregs.efer, 0x500);
	ck_assert_uint_eq(regs.rip, LINUX_KERNEL_GPA + 0x200);
	memory_free(&mem);
}
END_TEST

START_TEST(a_vmlinux_without_a_note_is_entered_in_64_bit_mode)
{
	Elf64_Ehdr *header = (Elf64_Ehdr *)(void *)file;
	Elf64_Phdr *segment = (Elf64_Phdr *)(void *)(file + PVH_KERNEL_PHOFF);

	ck_assert_int_eq(memory_new(4 << 20, -1, &mem), 0);
	pvh_kernel_make64(file, code, sizeof(code));
	header->e_phnum = 1;
	header->e_entry = PVH_KERNEL_GPA;
	segment->p_vaddr = 0xffffffff81000000ull;
	ck_assert_int_eq(load(sizeof(file)), 0);
	ck_assert_int_eq(kernel.protocol, KERNEL_LINUX64);
	ck_assert(!kernel.has_header);
	ck_assert_uint_eq(kernel.entry, PVH_KERNEL_GPA);
	memory_free(&mem);
}
END_TEST

START_TEST(what_is_none_is_told_what_was_looked_for)
{
	uint64_t len;

	ck_assert_int_eq(memory_new(4 << 20, -1, &mem), 0);
	memset(file, 'x', sizeof(file));
	ck_assert_int_eq(load(0), -EPROTO);
	ck_assert_ptr_nonnull(strstr(why, "empty"));
	for (len = 1; len < 1024; len++) {
		ck_assert_int_eq(load(len), -EPROTO);
		ck_assert_ptr_nonnull(strstr(why, "PVH note"));
		ck_assert_ptr_nonnull(strstr(why, "bzImage"));
	}
	ck_assert_int_eq(kernel_load(-1, 4096, &mem, &kernel, &why), -EBADF);
	ck_assert_ptr_nonnull(why);
	memory_free(&mem);
}
END_TEST

START_TEST(a_file_that_claims_to_be_both_is_judged_as_the_first)
{
	ck_assert_int_eq(memory_new(4 << 20, -1, &mem), 0);
	linux_kernel_make(file, code, sizeof(code));
	file[EI_MAG0] = ELFMAG0;
	file[EI_MAG1] = ELFMAG1;
	file[EI_MAG2] = ELFMAG2;
	file[EI_MAG3] = ELFMAG3;
	ck_assert_int_eq(load(sizeof(file)), -EPROTO);
	ck_assert_ptr_nonnull(strstr(why, "ELF"));
	memory_free(&mem);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		a_pvh_kernel_is_entered_in_32_bit_mode,
		a_bzimage_is_entered_in_64_bit_mode,
		a_vmlinux_without_a_note_is_entered_in_64_bit_mode,
		what_is_none_is_told_what_was_looked_for,
		a_file_that_claims_to_be_both_is_judged_as_the_first,
	};

	return unit_run("kernel", tests, RF_ARRAY_LEN(tests));
}
