/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * trim.c - the pages of the program that only its start needed
 *
 * Side:    every one.
 * Owns:    nothing.
 * Callers: fence.c, and who waits for long, through <ringfence/trim.h>.
 * Never:   touches memory that can be written: only code and constants, which
 *          are in the program's file.
 *
 * The kernel maps up to 16 pages of the page cache at once, around the one that
 * was asked for; where the file system has large folios, all of one (Linux
 * 6.18). Two things keep a process small after a trim: what it still uses lies
 * together (src/served.ld), and is a mapping of its own, for the kernel does not
 * look around beyond a mapping. MADV_DONTDUMP makes it one: mappings that differ
 * in that are not joined, and code and constants are in no core dump anyhow.
 */
#include <link.h>
#include <stdint.h>
#include <sys/mman.h>

#include <ringfence/base.h>
#include <ringfence/trim.h>

#define PAGE_BYTES UINT64_C(4096)
/* The linker makes two or three. */
#define RANGES_MAX 8u

/* The linker's, where it was given src/served.ld; elsewhere NULL. */
extern const char rf_served_text[] __attribute__((weak));
extern const char rf_served_text_end[] __attribute__((weak));
extern const char rf_served_rodata[] __attribute__((weak));
extern const char rf_served_rodata_end[] __attribute__((weak));
/* Any linker's: the beginning of the program's file. */
/* NOLINTNEXTLINE(bugprone-reserved-identifier,cert-dcl*) */
extern const ElfW(Ehdr) __ehdr_start __attribute__((weak));

struct trim_range {
	const char *start;
	const char *end;
};

/* Whole pages. Refused, the memory stays: nothing to tell anybody. */
static void advise(struct trim_range range, int advice)
{
	const size_t before = (uintptr_t)range.start % PAGE_BYTES;
	/* The call lacks a const; neither advice writes. */
	union {
		const char *ours;
		void *kernels;
	} start = { .ours = range.start - before };
	size_t bytes = (size_t)(range.end - start.ours);

	bytes = (bytes + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1);
	if (madvise(start.kernels, bytes, advice) < 0)
		return;
}

/* Where in memory is the beginning of the file, if its addresses were true? */
static const char *find_zero(const ElfW(Phdr) * ph, unsigned nr)
{
	const char *elf = (const char *)&__ehdr_start;
	unsigned i;

	for (i = 0; i < nr; i++)
		if (ph[i].p_type == PT_LOAD && ph[i].p_offset == 0)
			return elf - ph[i].p_vaddr;
	return NULL;
}

/* What was loaded of the file, and cannot be written. */
static unsigned find_ranges(struct trim_range out[RANGES_MAX])
{
	const ElfW(Phdr) *ph = (const void *)((const char *)&__ehdr_start +
					      __ehdr_start.e_phoff);
	const unsigned nr_ph = __ehdr_start.e_phnum;
	const char *zero = find_zero(ph, nr_ph);
	unsigned i, nr = 0;

	for (i = 0; zero && i < nr_ph && nr < RANGES_MAX; i++) {
		const char *start = zero + ph[i].p_vaddr;

		if (ph[i].p_type == PT_LOAD && !(ph[i].p_flags & PF_W))
			out[nr++] = (struct trim_range){
				start, start + ph[i].p_memsz
			};
	}
	return nr;
}

void rf_trim(void)
{
	struct trim_range ranges[RANGES_MAX];
	unsigned i, nr;

	if (!rf_served_text || !rf_served_rodata)
		return;
	advise((struct trim_range){ rf_served_text, rf_served_text_end },
	       MADV_DONTDUMP);
	advise((struct trim_range){ rf_served_rodata, rf_served_rodata_end },
	       MADV_DONTDUMP);
	/* All are found before the first goes: the headers are in one. */
	nr = find_ranges(ranges);
	for (i = 0; i < nr; i++)
		advise(ranges[i], MADV_DONTNEED);
}
