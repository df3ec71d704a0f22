/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * linux_kernel.h - a file of the shape of a bzImage, with our own code in it
 *
 *   0x000  boot sector with the setup header, one more sector of "real mode"
 *   0x400  protected-mode part; 64-bit code at 0x600, its entry
 *
 * In a buffer, so that a test can spoil any byte before it becomes a file.
 */
#ifndef TESTS_LINUX_KERNEL_H
#define TESTS_LINUX_KERNEL_H

#include <asm/bootparam.h>
#include <check.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <ringfence/base.h>

#define LINUX_KERNEL_HEADER 0x1f1u
#define LINUX_KERNEL_START 0x400u
#define LINUX_KERNEL_CODE 0x600u
#define LINUX_KERNEL_BYTES 4096u
#define LINUX_KERNEL_GPA 0x200000u
#define LINUX_KERNEL_INIT_BYTES 0x10000u

static inline struct setup_header *linux_kernel_header(uint8_t *file)
{
	return (struct setup_header *)(void *)(file + LINUX_KERNEL_HEADER);
}

static inline void linux_kernel_make(uint8_t *file, const void *code,
				     size_t len)
{
	const struct setup_header h = {
		.setup_sects = 1,
		.syssize = (LINUX_KERNEL_BYTES - LINUX_KERNEL_START) / 16,
		.boot_flag = 0xaa55,
		/* jmp to 0x26c: the header ends there */
		.jump = 0x6aeb,
		.header = 0x53726448,
		.version = 0x020f,
		.loadflags = LOADED_HIGH,
		.initrd_addr_max = 0x7fffffff,
		.kernel_alignment = 0x200000,
		.relocatable_kernel = 1,
		.xloadflags = XLF_KERNEL_64,
		.cmdline_size = 255,
		/* What a loader must not pass on. */
		.setup_data = 0x123456,
		.pref_address = LINUX_KERNEL_GPA,
		.init_size = LINUX_KERNEL_INIT_BYTES,
	};

	ck_assert_uint_le(len, LINUX_KERNEL_BYTES - LINUX_KERNEL_CODE);
	memset(file, 0, LINUX_KERNEL_BYTES);
	memcpy(file + LINUX_KERNEL_HEADER, &h, sizeof(h));
	memcpy(file + LINUX_KERNEL_CODE, code, len);
}

/* The first `len` bytes as a file; the descriptor is the caller's. */
static inline int linux_kernel_file(const uint8_t *file, size_t len)
{
	int fd = memfd_create("bzImage", MFD_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(pwrite(fd, file, len, 0), (ssize_t)len);
	return fd;
}

#endif
