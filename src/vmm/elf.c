/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * elf.c - load an x86 kernel: an ELF file that says where PVH enters it, or a
 *         64-bit Linux
 *
 * Side:    vmm, behind the filter. The file is somebody's download: hostile.
 * Owns:    nothing.
 * Callers: kernel.c, once.
 * Needs:   pread64 on RF_FD_KERNEL.
 * Never:   reads a header twice (the file may change), allocates, trusts
 *          section headers (it does not look at them at all).
 */
#include <elf.h>
#include <errno.h>
#include <string.h>

#include "vmm/elf.h"
#include "vmm/image.h"
#include "vmm/memmap.h"

/* Xen's public elfnote.h: 32-bit physical entry point. */
#define ELF_NOTE_PHYS32_ENTRY 18u
#define ELF_NOTE_OWNER "Xen"

/* Both classes of file, as one. */
struct segment {
	uint32_t type;
	uint64_t offset;
	uint64_t vaddr;
	uint64_t paddr;
	uint64_t file_bytes;
	uint64_t mem_bytes;
	uint64_t align;
};

struct loader {
	int fd;
	uint64_t file_bytes;
	const struct memory *mem;
	const char *why;
	bool is_64;
	uint16_t machine;
	uint64_t entry; /* the header's */
	uint64_t phoff;
	uint32_t nr;
	struct segment segments[ELF_SEGMENTS_MAX];
};

static int refuse(struct loader *l, int rc, const char *why)
{
	l->why = why;
	return rc;
}

static int read_at(struct loader *l, uint64_t offset, void *buf, size_t len)
{
	return image_read(l->fd, l->file_bytes, offset, buf, len, &l->why);
}

static bool is_valid_ident(const unsigned char *ident)
{
	return memcmp(ident, ELFMAG, SELFMAG) == 0 &&
	       ident[EI_DATA] == ELFDATA2LSB &&
	       ident[EI_VERSION] == EV_CURRENT &&
	       (ident[EI_CLASS] == ELFCLASS32 || ident[EI_CLASS] == ELFCLASS64);
}

/* The fields of the header that matter, whichever its class. */
static int judge_header(struct loader *l, uint16_t type, uint16_t machine,
			uint32_t phentsize, uint32_t phnum)
{
	uint32_t want = l->is_64 ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr);

	if (machine != EM_386 && machine != EM_X86_64)
		return refuse(l, -EPROTO, "it is not for x86");
	if (type != ET_EXEC && type != ET_DYN)
		return refuse(l, -EPROTO,
			      "it is neither an executable nor a "
			      "shared object");
	if (phentsize != want)
		return refuse(l, -EPROTO,
			      "its program headers are of an "
			      "unknown size");
	if (phnum == 0 || phnum > ELF_SEGMENTS_MAX)
		return refuse(l, -EPROTO,
			      "it has no program headers, or more "
			      "than 64");
	l->machine = machine;
	l->nr = phnum;
	return 0;
}

static int read_header(struct loader *l)
{
	union {
		unsigned char ident[EI_NIDENT];
		Elf32_Ehdr e32;
		Elf64_Ehdr e64;
	} h;
	int rc;

	memset(&h, 0, sizeof(h));
	rc = read_at(l, 0, h.ident, sizeof(h.ident));
	if (rc < 0)
		return rc;
	if (!is_valid_ident(h.ident))
		return refuse(l, -EPROTO, "it is not a little-endian ELF file");
	l->is_64 = h.ident[EI_CLASS] == ELFCLASS64;
	/* The identification was judged: leave that copy as it is and fetch
	 * only what stands behind it. */
	rc = read_at(l, EI_NIDENT, (uint8_t *)&h + EI_NIDENT,
		     (l->is_64 ? sizeof(h.e64) : sizeof(h.e32)) - EI_NIDENT);
	if (rc < 0)
		return rc;
	if (l->is_64) {
		l->phoff = h.e64.e_phoff;
		l->entry = h.e64.e_entry;
		return judge_header(l, h.e64.e_type, h.e64.e_machine,
				    h.e64.e_phentsize, h.e64.e_phnum);
	}
	l->phoff = h.e32.e_phoff;
	return judge_header(l, h.e32.e_type, h.e32.e_machine, h.e32.e_phentsize,
			    h.e32.e_phnum);
}

static int read_segment(struct loader *l, uint64_t offset, struct segment *s)
{
	Elf32_Phdr p32;
	Elf64_Phdr p64;
	int rc;

	if (l->is_64) {
		rc = read_at(l, offset, &p64, sizeof(p64));
		if (rc < 0)
			return rc;
		*s = (struct segment){ p64.p_type,  p64.p_offset, p64.p_vaddr,
				       p64.p_paddr, p64.p_filesz, p64.p_memsz,
				       p64.p_align };
		return 0;
	}
	rc = read_at(l, offset, &p32, sizeof(p32));
	if (rc < 0)
		return rc;
	*s = (struct segment){ p32.p_type,  p32.p_offset, p32.p_vaddr,
			       p32.p_paddr, p32.p_filesz, p32.p_memsz,
			       p32.p_align };
	return 0;
}

static int read_segments(struct loader *l)
{
	const uint64_t size = l->is_64 ? sizeof(Elf64_Phdr)
				       : sizeof(Elf32_Phdr);
	uint32_t i;
	int rc;

	if (l->phoff > l->file_bytes || l->nr * size > l->file_bytes - l->phoff)
		return refuse(l, -EPROTO,
			      "its program headers reach beyond "
			      "the end of the file");
	for (i = 0; i < l->nr; i++) {
		rc = read_segment(l, l->phoff + i * size, &l->segments[i]);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static bool is_loaded(const struct segment *s)
{
	return s->type == PT_LOAD && s->mem_bytes > 0;
}

/* Both lie in guest memory: their ends cannot wrap. */
static bool overlap(const struct segment *a, const struct segment *b)
{
	return a->paddr < b->paddr + b->mem_bytes &&
	       b->paddr < a->paddr + a->mem_bytes;
}

static int judge_segment(struct loader *l, const struct segment *s)
{
	uint8_t *at;

	if (s->offset > l->file_bytes ||
	    s->file_bytes > l->file_bytes - s->offset)
		return refuse(l, -EPROTO,
			      "a segment reaches beyond the end "
			      "of the file");
	if (s->file_bytes > s->mem_bytes)
		return refuse(l, -EPROTO,
			      "a segment is larger in the file "
			      "than in memory");
	if (s->paddr < MEMMAP_LOAD_MIN)
		return refuse(l, -ERANGE,
			      "a segment wants to lie below 1 MiB, "
			      "where the boot structures are");
	if (memory_at(l->mem, s->paddr, s->mem_bytes, &at) < 0)
		return refuse(l, -ERANGE,
			      "a segment does not fit the guest's "
			      "memory: give it more");
	return 0;
}

/* Bytes beyond the file's part of a segment need no clearing: guest memory is
 * fresh, and that no two segments share any is judged here. */
static int judge_segments(struct loader *l, struct elf_image *image)
{
	uint32_t i, j;
	int rc;

	for (i = 0; i < l->nr; i++) {
		const struct segment *s = &l->segments[i];

		if (!is_loaded(s))
			continue;
		rc = judge_segment(l, s);
		if (rc < 0)
			return rc;
		for (j = 0; j < i; j++)
			if (is_loaded(&l->segments[j]) &&
			    overlap(s, &l->segments[j]))
				return refuse(l, -EPROTO,
					      "two segments overlap");
		image->nr_segments++;
		if (s->paddr + s->mem_bytes > image->end)
			image->end = s->paddr + s->mem_bytes;
	}
	if (image->nr_segments == 0)
		return refuse(l, -EPROTO, "it has nothing to load");
	return 0;
}

static uint64_t padded(uint32_t len, uint64_t align)
{
	return (len + align - 1) & ~(align - 1);
}

/* One note at `offset`, `left` bytes before the end of its segment. Writes the
 * note's length to `len`, and the entry point if it is the note. */
static int read_note(struct loader *l, uint64_t offset, uint64_t left,
		     uint64_t align, uint64_t *len, uint64_t *entry,
		     bool *found)
{
	char owner[sizeof(ELF_NOTE_OWNER)] = { 0 };
	Elf32_Nhdr n; /* the same in both classes */
	uint64_t name_bytes, desc_bytes;
	int rc;

	if (left < sizeof(n))
		return refuse(l, -EPROTO, "a note is cut short");
	rc = read_at(l, offset, &n, sizeof(n));
	if (rc < 0)
		return rc;
	name_bytes = padded(n.n_namesz, align);
	desc_bytes = padded(n.n_descsz, align);
	left -= sizeof(n);
	/* The last note may leave out its padding. */
	if (name_bytes > left || n.n_descsz > left - name_bytes)
		return refuse(l, -EPROTO,
			      "a note is larger than what holds "
			      "it");
	*len = sizeof(n) + name_bytes + desc_bytes;
	if (n.n_type != ELF_NOTE_PHYS32_ENTRY || n.n_namesz != sizeof(owner))
		return 0;
	rc = read_at(l, offset + sizeof(n), owner, sizeof(owner));
	if (rc < 0 || memcmp(owner, ELF_NOTE_OWNER, sizeof(owner)) != 0)
		return rc;
	if (n.n_descsz != 4 && n.n_descsz != 8)
		return refuse(l, -EPROTO,
			      "its PVH note holds neither 4 nor 8 "
			      "bytes");
	*entry = 0;
	*found = true;
	return read_at(l, offset + sizeof(n) + name_bytes, entry, n.n_descsz);
}

static int search_notes(struct loader *l, const struct segment *s,
			uint32_t *budget, uint64_t *entry, bool *found)
{
	/* gABI: notes are padded to 4 bytes, in 64-bit files to 8 if the
	 * segment says so. */
	const uint64_t align = s->align == 8 ? 8 : 4;
	uint64_t offset = s->offset;
	uint64_t left = s->file_bytes;
	uint64_t len = 0;
	int rc;

	if (s->offset > l->file_bytes || left > l->file_bytes - s->offset)
		return refuse(l, -EPROTO,
			      "a note reaches beyond the end of "
			      "the file");
	while (left > 0 && !*found) {
		if ((*budget)-- == 0)
			return refuse(l, -EPROTO, "it has more than 256 notes");
		rc = read_note(l, offset, left, align, &len, entry, found);
		if (rc < 0)
			return rc;
		if (len > left)
			len = left;
		offset += len;
		left -= len;
	}
	return 0;
}

/* The loaded segment that has this physical address, or NULL. */
static const struct segment *find_loaded(const struct loader *l, uint64_t addr)
{
	uint32_t i;

	for (i = 0; i < l->nr; i++) {
		const struct segment *s = &l->segments[i];

		if (is_loaded(s) && addr >= s->paddr &&
		    addr - s->paddr < s->mem_bytes)
			return s;
	}
	return NULL;
}

/* A 64-bit Linux without the note is entered where its header says, which is a
 * physical address although it runs in the upper half. Programs, which are ELF
 * files as well, run in the lower half. */
static bool is_linux64(const struct loader *l)
{
	const struct segment *s = find_loaded(l, l->entry);

	return l->is_64 && l->machine == EM_X86_64 && s &&
	       l->entry <= UINT32_MAX && s->vaddr >> 63;
}

static int find_entry(struct loader *l, struct elf_image *image)
{
	uint32_t budget = ELF_NOTES_MAX;
	uint64_t entry = 0;
	bool found = false;
	uint32_t i;
	int rc;

	for (i = 0; i < l->nr && !found; i++) {
		if (l->segments[i].type != PT_NOTE)
			continue;
		rc = search_notes(l, &l->segments[i], &budget, &entry, &found);
		if (rc < 0)
			return rc;
	}
	if (!found && is_linux64(l)) {
		image->entry = l->entry;
		image->is_linux64 = true;
		return 0;
	}
	if (!found)
		return refuse(l, -EPROTO,
			      "it is an ELF file, but has no PVH entry note "
			      "(XEN_ELFNOTE_PHYS32_ENTRY; a Linux kernel with "
			      "CONFIG_PVH=y has) and is no 64-bit vmlinux");
	image->entry = entry;
	return 0;
}

static int judge_entry(struct loader *l, const struct elf_image *image)
{
	if (image->entry > UINT32_MAX || !find_loaded(l, image->entry))
		return refuse(l, -EPROTO,
			      "its entry point is not in what it loads");
	return 0;
}

static int copy_segments(struct loader *l)
{
	uint32_t i;
	int rc;

	for (i = 0; i < l->nr; i++) {
		const struct segment *s = &l->segments[i];

		if (!is_loaded(s))
			continue;
		rc = memory_pread(l->mem, s->paddr, l->fd, s->offset,
				  s->file_bytes);
		if (rc < 0)
			return refuse(l, rc, "a segment cannot be read");
	}
	return 0;
}

int elf_load(int fd, uint64_t file_bytes, const struct memory *mem,
	     struct elf_image *out, const char **why)
{
	struct loader l = { .fd = fd, .file_bytes = file_bytes, .mem = mem };
	struct elf_image image = { 0 };
	int rc;

	rc = read_header(&l);
	if (rc == 0)
		rc = read_segments(&l);
	/* First whether it is a kernel at all: a program that would not fit is
	 * not to be told to bring more memory. */
	if (rc == 0)
		rc = find_entry(&l, &image);
	if (rc == 0)
		rc = judge_segments(&l, &image);
	if (rc == 0)
		rc = judge_entry(&l, &image);
	if (rc == 0)
		rc = copy_segments(&l);
	*why = l.why;
	if (rc == 0)
		*out = image;
	return rc;
}
