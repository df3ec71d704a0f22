/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * bzimage.c - load a packed Linux kernel with a 64-bit entry
 *
 * Side:    vmm, behind the filter. The file is somebody's download: hostile.
 * Owns:    nothing.
 * Callers: kernel.c, once.
 * Needs:   pread64 on RF_FD_KERNEL.
 * Never:   reads the header twice (the file may change), allocates, runs or
 *          loads the real-mode part.
 */
#include <errno.h>
#include <string.h>

#include "vmm/bzimage.h"
#include "vmm/image.h"
#include "vmm/memmap.h"

#define BZIMAGE_BOOT_FLAG 0xaa55u
#define BZIMAGE_SECTOR 512u
#define BZIMAGE_SETUP_SECTS_OLD 4u /* what 0 stands for */
#define BZIMAGE_CMDLINE_OLD 255u   /* the same */
#define BZIMAGE_PARAGRAPH 16u	   /* syssize counts these */
#define BZIMAGE_ALIGN_MAX (1u << 30)

struct loader {
	int fd;
	uint64_t file_bytes;
	const struct memory *mem;
	const char *why;
	struct setup_header h;
	uint64_t start; /* of the protected-mode part, in the file */
	uint64_t bytes; /* of it */
	uint64_t load;	/* where it goes */
};

static int refuse(struct loader *l, int rc, const char *why)
{
	l->why = why;
	return rc;
}

/* The second byte of the jump over the header says where the header ends. What
 * an older header does not have is no more ours to read than code would be. */
static int read_header(struct loader *l)
{
	const size_t needed = offsetof(struct setup_header, handover_offset);
	size_t has;
	int rc;

	rc = image_read(l->fd, l->file_bytes, BZIMAGE_HEADER, &l->h,
			sizeof(l->h), &l->why);
	if (rc < 0)
		return rc;
	if (l->h.boot_flag != BZIMAGE_BOOT_FLAG || l->h.header != BZIMAGE_MAGIC)
		return refuse(l, -EPROTO, "it is not a bzImage");
	if (l->h.version < BZIMAGE_VERSION_MIN)
		return refuse(l, -EPROTO,
			      "it is a bzImage of boot protocol 2.11 or "
			      "older; 2.12 (Linux 3.8) or newer is needed");
	has = BZIMAGE_MAGIC_AT + (l->h.jump >> 8) - BZIMAGE_HEADER;
	if (has < needed)
		return refuse(l, -EPROTO,
			      "its setup header is shorter than its version "
			      "says");
	if (has < sizeof(l->h))
		memset((uint8_t *)&l->h + has, 0, sizeof(l->h) - has);
	return 0;
}

static bool is_power_of_two(uint32_t n)
{
	return n != 0 && (n & (n - 1)) == 0;
}

static int judge_header(struct loader *l)
{
	if (!(l->h.loadflags & LOADED_HIGH))
		return refuse(l, -EPROTO,
			      "it is a zImage, for memory below 640 KiB");
	if (!(l->h.xloadflags & XLF_KERNEL_64))
		return refuse(l, -EPROTO,
			      "it is a bzImage without a 64-bit entry; is it "
			      "of a 32-bit kernel?");
	if (!is_power_of_two(l->h.kernel_alignment) ||
	    l->h.kernel_alignment > BZIMAGE_ALIGN_MAX)
		return refuse(l, -EPROTO,
			      "its alignment is not a power of two up to "
			      "1 GiB");
	return 0;
}

/* The end of the file may hold a signature; and some tools count the last
 * paragraph as full although it is not. */
static int find_code(struct loader *l)
{
	uint64_t sects = l->h.setup_sects;
	uint64_t said = (uint64_t)l->h.syssize * BZIMAGE_PARAGRAPH;
	uint64_t left;

	if (sects == 0)
		sects = BZIMAGE_SETUP_SECTS_OLD;
	l->start = (sects + 1) * BZIMAGE_SECTOR;
	if (l->start > l->file_bytes)
		return refuse(l, -EPROTO,
			      "the file ends within its setup part: was it "
			      "copied whole?");
	left = l->file_bytes - l->start;
	if (said > left && said - left >= BZIMAGE_PARAGRAPH)
		return refuse(l, -EPROTO,
			      "the file ends before its kernel does: was it "
			      "copied whole?");
	l->bytes = said < left ? said : left;
	if (l->bytes <= BZIMAGE_ENTRY_64)
		return refuse(l, -EPROTO,
			      "its kernel ends before its 64-bit entry");
	if (l->bytes > l->h.init_size)
		return refuse(l, -EPROTO,
			      "it is larger than the memory it says it "
			      "needs");
	return 0;
}

/* All of what it unpacks itself in, and below the hole: page tables at its
 * entry reach no further. */
static bool fits(const struct loader *l, uint64_t gpa)
{
	const uint64_t low = l->mem->regions[0].bytes;

	return gpa >= MEMMAP_LOAD_MIN && gpa <= low &&
	       l->h.init_size <= low - gpa;
}

/* Where it likes best, else, if it can be moved, at the next place that its
 * alignment allows. Never lower: boot.rst has a kernel that was loaded below
 * pref_address unpack itself at pref_address all the same. */
static int find_place(struct loader *l)
{
	const uint64_t align = l->h.kernel_alignment;

	l->load = l->h.pref_address;
	if (l->h.relocatable_kernel) {
		if (l->load < MEMMAP_LOAD_MIN)
			l->load = MEMMAP_LOAD_MIN;
		/* Rounding up may wrap: to 0, which fits nowhere. */
		l->load = (l->load + align - 1) & ~(align - 1);
	}
	if (fits(l, l->load))
		return 0;
	if (!l->h.relocatable_kernel && l->load < MEMMAP_LOAD_MIN)
		return refuse(l, -ERANGE,
			      "it wants to lie below 1 MiB, where the boot "
			      "structures are");
	return refuse(l, -ERANGE,
		      "it does not fit the guest's memory: give it more");
}

static void describe(const struct loader *l, struct bzimage *out)
{
	*out = (struct bzimage){
		.entry = l->load + BZIMAGE_ENTRY_64,
		.end = l->load + l->h.init_size,
		.cmdline_max = l->h.cmdline_size ? l->h.cmdline_size
						 : BZIMAGE_CMDLINE_OLD,
		.initrd_max = l->h.initrd_addr_max,
		.header = l->h,
	};
}

int bzimage_load(int fd, uint64_t file_bytes, const struct memory *mem,
		 struct bzimage *out, const char **why)
{
	struct loader l = { .fd = fd, .file_bytes = file_bytes, .mem = mem };
	int rc;

	rc = read_header(&l);
	if (rc == 0)
		rc = judge_header(&l);
	if (rc == 0)
		rc = find_code(&l);
	if (rc == 0)
		rc = find_place(&l);
	if (rc == 0) {
		rc = memory_pread(mem, l.load, fd, l.start, l.bytes);
		if (rc < 0)
			l.why = "its kernel cannot be read";
	}
	*why = l.why;
	if (rc == 0)
		describe(&l, out);
	return rc;
}
