/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * kernel.c - a kernel image of any kind we know, loaded
 *
 * Side:    vmm, behind the filter.
 * Owns:    the choice between the kinds.
 * Callers: main.c, once.
 * Needs:   pread64 on RF_FD_KERNEL.
 * Never:   tries a second kind on a file that the first one refused: each kind
 *          is told apart by its magic number alone.
 */
#include <elf.h>
#include <errno.h>
#include <string.h>

#include "vmm/elf.h"
#include "vmm/image.h"
#include "vmm/kernel.h"
#include "vmm/linux64.h"
#include "vmm/pvh.h"

static int load_elf(int fd, uint64_t file_bytes, const struct memory *mem,
		    struct kernel *out, const char **why)
{
	struct elf_image image;
	int rc;

	rc = elf_load(fd, file_bytes, mem, &image, why);
	if (rc < 0)
		return rc;
	*out = (struct kernel){
		.protocol = image.is_linux64 ? KERNEL_LINUX64 : KERNEL_PVH,
		.entry = image.entry,
		.end = image.end,
		.cmdline_max = KERNEL_CMDLINE_MAX,
		.initrd_max = UINT32_MAX,
	};
	return 0;
}

static int load_bzimage(int fd, uint64_t file_bytes, const struct memory *mem,
			struct kernel *out, const char **why)
{
	struct bzimage image;
	int rc;

	rc = bzimage_load(fd, file_bytes, mem, &image, why);
	if (rc < 0)
		return rc;
	*out = (struct kernel){
		.protocol = KERNEL_LINUX64,
		.entry = image.entry,
		.end = image.end,
		.cmdline_max = image.cmdline_max,
		.initrd_max = image.initrd_max,
		.has_header = true,
		.header = image.header,
	};
	return 0;
}

/* Is `magic` there? A file too short for it has it not. */
static int has_magic(int fd, uint64_t file_bytes, uint64_t at,
		     const void *magic, size_t len, bool *out, const char **why)
{
	uint8_t found[8] = { 0 };
	int rc;

	*out = false;
	if (at > file_bytes || len > file_bytes - at || len > sizeof(found))
		return 0;
	rc = image_read(fd, file_bytes, at, found, len, why);
	if (rc == 0)
		*out = memcmp(found, magic, len) == 0;
	return rc;
}

int kernel_load(int fd, uint64_t file_bytes, const struct memory *mem,
		struct kernel *out, const char **why)
{
	static const uint8_t hdrs[] = { 'H', 'd', 'r', 'S' };
	bool is_elf = false;
	bool is_bzimage = false;
	int rc;

	*why = NULL;
	if (file_bytes == 0) {
		*why = "the file is empty";
		return -EPROTO;
	}
	rc = has_magic(fd, file_bytes, 0, ELFMAG, SELFMAG, &is_elf, why);
	if (rc == 0)
		rc = has_magic(fd, file_bytes, BZIMAGE_MAGIC_AT, hdrs,
			       sizeof(hdrs), &is_bzimage, why);
	if (rc < 0)
		return rc;
	if (is_elf)
		return load_elf(fd, file_bytes, mem, out, why);
	if (is_bzimage)
		return load_bzimage(fd, file_bytes, mem, out, why);
	*why = "it is neither an ELF file (vmlinux, or any with a PVH note) "
	       "nor a bzImage (\"HdrS\" at byte 514)";
	return -EPROTO;
}

int kernel_tell(const struct kernel *k, const struct memory *mem,
		const struct boot_info *info)
{
	if (k->protocol == KERNEL_PVH)
		return pvh_write(mem, info);
	return linux64_write(mem, k->has_header ? &k->header : NULL, info);
}

void kernel_registers(const struct kernel *k, struct kvm_sregs *sregs,
		      struct kvm_regs *regs)
{
	if (k->protocol == KERNEL_PVH) {
		pvh_sregs(sregs);
		pvh_regs(regs, (uint32_t)k->entry);
		return;
	}
	linux64_sregs(sregs);
	linux64_regs(regs, k->entry);
}
