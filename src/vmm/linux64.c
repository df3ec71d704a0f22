/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * linux64.c - what Linux finds when it is entered in 64-bit mode
 *
 * Side:    vmm.
 * Owns:    nothing; the guest may overwrite all of it once it runs.
 * Callers: main.c, when the kernel is loaded.
 * Never:   reads back what it wrote; hands the kernel a pointer that its file
 *          brought along.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "vmm/bzimage.h"
#include "vmm/linux64.h"
#include "vmm/memmap.h"

#define LINUX64_PAGE 4096u
#define LINUX64_LARGE_PAGE 0x200000ull

/* Intel SDM volume 3, 4.5: present, writable; 2 MiB */
enum { LINUX64_PTE_TABLE = 0x3, LINUX64_PTE_LARGE = 0x83 };
enum { LINUX64_CR0 = 0x80000031u }; /* PG, NE, ET, PE */
enum { LINUX64_CR4_PAE = 0x20 };
enum { LINUX64_EFER_LME = 0x100, LINUX64_EFER_LMA = 0x400 };

/* boot.rst, type_of_loader: a loader without a number of its own. */
#define LINUX64_LOADER 0xffu
#define LINUX64_VID_NORMAL 0xffffu

static_assert(sizeof(struct boot_params) == LINUX64_PAGE, "boot.rst");
static_assert(offsetof(struct boot_params, acpi_rsdp_addr) == 0x70,
	      "zero-page.rst");
static_assert(offsetof(struct boot_params, hdr) == BZIMAGE_HEADER,
	      "zero-page.rst");
static_assert(offsetof(struct boot_params, e820_table) == 0x2d0,
	      "zero-page.rst");

static int write_tables(const struct memory *mem)
{
	const uint64_t page = LINUX64_PAGE;
	const uint64_t upper = LINUX64_TABLES_GPA + page;
	const uint64_t lower = upper + page;
	uint64_t table[LINUX64_PAGE / 8];
	uint32_t i, j;
	int rc;

	memset(table, 0, sizeof(table));
	table[0] = upper | LINUX64_PTE_TABLE;
	rc = memory_write(mem, LINUX64_TABLES_GPA, table, sizeof(table));
	for (i = 0; i < LINUX64_NR_TABLES - 2; i++)
		table[i] = (lower + i * page) | LINUX64_PTE_TABLE;
	if (rc == 0)
		rc = memory_write(mem, upper, table, sizeof(table));
	for (i = 0; i < LINUX64_NR_TABLES - 2 && rc == 0; i++) {
		for (j = 0; j < RF_ARRAY_LEN(table); j++)
			table[j] = (i * RF_ARRAY_LEN(table) + j) *
					   LINUX64_LARGE_PAGE |
				   LINUX64_PTE_LARGE;
		rc = memory_write(mem, lower + i * page, table, sizeof(table));
	}
	return rc;
}

/* What boot.rst has the loader fill in, and nothing of the file's that points
 * anywhere. */
static void fill_header(struct setup_header *h, const struct boot_info *info)
{
	h->boot_flag = 0xaa55;
	h->header = BZIMAGE_MAGIC;
	h->type_of_loader = LINUX64_LOADER;
	h->ext_loader_type = 0;
	h->ext_loader_ver = 0;
	h->loadflags = LOADED_HIGH;
	h->vid_mode = LINUX64_VID_NORMAL;
	h->heap_end_ptr = 0;
	h->setup_data = 0;
	h->hardware_subarch = X86_SUBARCH_PC;
	h->hardware_subarch_data = 0;
	h->cmd_line_ptr = BOOT_CMDLINE_GPA;
	h->ramdisk_image = (uint32_t)info->initrd_gpa;
	h->ramdisk_size = (uint32_t)info->initrd_bytes;
	if (info->initrd_bytes == 0)
		h->ramdisk_image = 0;
}

static void fill_e820(const struct memory *mem, struct boot_params *zero)
{
	struct memmap_entry map[MEMMAP_ENTRIES_MAX];
	uint32_t nr = memmap_fill(mem, map);
	uint32_t i;

	static_assert(MEMMAP_ENTRIES_MAX <= E820_MAX_ENTRIES_ZEROPAGE,
		      "the zero page has room");
	for (i = 0; i < nr; i++)
		zero->e820_table[i] = (struct boot_e820_entry){ map[i].addr,
								map[i].bytes,
								map[i].type };
	zero->e820_entries = (uint8_t)nr;
}

int linux64_write(const struct memory *mem, const struct setup_header *header,
		  const struct boot_info *info)
{
	const size_t len = strlen(info->cmdline);
	struct boot_params zero;
	int rc;

	if (len >= BOOT_CMDLINE_BYTES || info->initrd_bytes > UINT32_MAX ||
	    info->initrd_gpa > UINT32_MAX - info->initrd_bytes)
		return -EINVAL;
	memset(&zero, 0, sizeof(zero));
	if (header)
		zero.hdr = *header;
	else
		zero.hdr.version = BZIMAGE_VERSION_MIN;
	fill_header(&zero.hdr, info);
	fill_e820(mem, &zero);
	zero.acpi_rsdp_addr = info->rsdp_gpa;
	rc = boot_write_gdt(mem, true);
	if (rc == 0)
		rc = write_tables(mem);
	if (rc == 0)
		rc = memory_write(mem, BOOT_CMDLINE_GPA, info->cmdline,
				  len + 1);
	if (rc == 0)
		rc = memory_write(mem, LINUX64_ZERO_PAGE_GPA, &zero,
				  sizeof(zero));
	return rc;
}

void linux64_sregs(struct kvm_sregs *sregs)
{
	boot_segments(sregs, true);
	sregs->cr0 = LINUX64_CR0;
	sregs->cr3 = LINUX64_TABLES_GPA;
	sregs->cr4 = LINUX64_CR4_PAE;
	sregs->efer = LINUX64_EFER_LME | LINUX64_EFER_LMA;
}

void linux64_regs(struct kvm_regs *regs, uint64_t entry)
{
	*regs = (struct kvm_regs){
		.rip = entry,
		.rsi = LINUX64_ZERO_PAGE_GPA,
		.rflags = 2, /* bit 1 always reads as one */
	};
}
