/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * pvh_kernel.h - the smallest kernels there are: one segment, one note
 *
 *   0x000  header
 *   0x040  program headers: load, note
 *   0x0c0  the note
 *   0x100  code, loaded to PVH_KERNEL_GPA and entered there
 *
 * In a buffer, so that a test can spoil any byte before it becomes a file.
 */
#ifndef TESTS_PVH_KERNEL_H
#define TESTS_PVH_KERNEL_H

#include <check.h>
#include <elf.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <ringfence/base.h>

#define PVH_KERNEL_GPA 0x100000u
#define PVH_KERNEL_PHOFF 0x40u
#define PVH_KERNEL_NOTE 0xc0u
#define PVH_KERNEL_CODE 0x100u
#define PVH_KERNEL_BYTES 4096u

struct pvh_note {
	Elf32_Nhdr header;
	char owner[4];
	uint32_t entry;
};

static inline struct pvh_note pvh_note(void)
{
	return (struct pvh_note){
		.header = { .n_namesz = 4, .n_descsz = 4, .n_type = 18 },
		.owner = "Xen",
		.entry = PVH_KERNEL_GPA,
	};
}

static inline void pvh_kernel_put(uint8_t *file, size_t at, const void *from,
				  size_t len)
{
	ck_assert_uint_le(at + len, PVH_KERNEL_BYTES);
	memcpy(file + at, from, len);
}

static inline void pvh_kernel_make32(uint8_t *file, const void *code,
				     size_t len)
{
	const struct pvh_note note = pvh_note();
	const Elf32_Ehdr header = {
		.e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS32, ELFDATA2LSB,
			     EV_CURRENT },
		.e_type = ET_EXEC,
		.e_machine = EM_386,
		.e_version = EV_CURRENT,
		.e_phoff = PVH_KERNEL_PHOFF,
		.e_ehsize = sizeof(header),
		.e_phentsize = sizeof(Elf32_Phdr),
		.e_phnum = 2,
	};
	const Elf32_Phdr segments[2] = {
		{ .p_type = PT_LOAD,
		  .p_offset = PVH_KERNEL_CODE,
		  .p_vaddr = PVH_KERNEL_GPA,
		  .p_paddr = PVH_KERNEL_GPA,
		  .p_filesz = (uint32_t)len,
		  .p_memsz = (uint32_t)len + 64 },
		{ .p_type = PT_NOTE,
		  .p_offset = PVH_KERNEL_NOTE,
		  .p_filesz = sizeof(note),
		  .p_memsz = sizeof(note),
		  .p_align = 4 },
	};

	memset(file, 0, PVH_KERNEL_BYTES);
	pvh_kernel_put(file, 0, &header, sizeof(header));
	pvh_kernel_put(file, PVH_KERNEL_PHOFF, segments, sizeof(segments));
	pvh_kernel_put(file, PVH_KERNEL_NOTE, &note, sizeof(note));
	pvh_kernel_put(file, PVH_KERNEL_CODE, code, len);
}

static inline void pvh_kernel_make64(uint8_t *file, const void *code,
				     size_t len)
{
	const struct pvh_note note = pvh_note();
	const Elf64_Ehdr header = {
		.e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB,
			     EV_CURRENT },
		.e_type = ET_EXEC,
		.e_machine = EM_X86_64,
		.e_version = EV_CURRENT,
		.e_phoff = PVH_KERNEL_PHOFF,
		.e_ehsize = sizeof(header),
		.e_phentsize = sizeof(Elf64_Phdr),
		.e_phnum = 2,
	};
	const Elf64_Phdr segments[2] = {
		{ .p_type = PT_LOAD,
		  .p_offset = PVH_KERNEL_CODE,
		  .p_paddr = PVH_KERNEL_GPA,
		  .p_filesz = len,
		  .p_memsz = len + 64 },
		{ .p_type = PT_NOTE,
		  .p_offset = PVH_KERNEL_NOTE,
		  .p_filesz = sizeof(note),
		  .p_memsz = sizeof(note),
		  .p_align = 4 },
	};

	memset(file, 0, PVH_KERNEL_BYTES);
	pvh_kernel_put(file, 0, &header, sizeof(header));
	pvh_kernel_put(file, PVH_KERNEL_PHOFF, segments, sizeof(segments));
	pvh_kernel_put(file, PVH_KERNEL_NOTE, &note, sizeof(note));
	pvh_kernel_put(file, PVH_KERNEL_CODE, code, len);
}

/* The first `len` bytes as a file; the descriptor is the caller's. */
static inline int pvh_kernel_file(const uint8_t *file, size_t len)
{
	int fd = memfd_create("kernel", MFD_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(pwrite(fd, file, len, 0), (ssize_t)len);
	return fd;
}

#endif
