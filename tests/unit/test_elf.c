/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * test_elf.c - kernels, and files that only look like one
 */
#include <errno.h>
#include <stddef.h>

#include "unit/pvh_kernel.h"
#include "unit/unit.h"
#include "vmm/elf.h"
#include "vmm/memmap.h"

static const uint8_t code[] = { 0xf4, 1, 2, 3, 4, 5, 6, 7 };
static uint8_t file[PVH_KERNEL_BYTES];
static struct memory mem;

static void setup(void)
{
	ck_assert_int_eq(memory_new(4 << 20, -1, &mem), 0);
	pvh_kernel_make64(file, code, sizeof(code));
}

static int load(uint64_t bytes, struct elf_image *image, const char **why)
{
	rf_autofd fd = pvh_kernel_file(file, bytes);

	*why = NULL;
	return elf_load(fd, bytes, &mem, image, why);
}

/* The file is refused with this error and a reason, and nothing of it has
 * reached guest memory. */
static void expect(int error)
{
	struct elf_image image = { .entry = 77 };
	static const uint8_t zeroes[sizeof(code)];
	uint8_t found[sizeof(code)];
	const char *why;

	ck_assert_int_eq(load(PVH_KERNEL_BYTES, &image, &why), error);
	ck_assert_ptr_nonnull(why);
	ck_assert_uint_eq(image.entry, 77);
	ck_assert_int_eq(
		memory_read(&mem, PVH_KERNEL_GPA, found, sizeof(found)), 0);
	ck_assert_mem_eq(found, zeroes, sizeof(found));
	memory_free(&mem);
}

static Elf64_Ehdr *header(void)
{
	return (Elf64_Ehdr *)(void *)file;
}

static Elf64_Phdr *segment(uint32_t i)
{
	return (Elf64_Phdr *)(void *)(file + PVH_KERNEL_PHOFF) + i;
}

static struct pvh_note *note(void)
{
	return (struct pvh_note *)(void *)(file + PVH_KERNEL_NOTE);
}

static void expect_loaded(void)
{
	struct elf_image image;
	uint8_t found[sizeof(code)];
	const char *why;

	ck_assert_int_eq(load(PVH_KERNEL_BYTES, &image, &why), 0);
	ck_assert_ptr_null(why);
	ck_assert_uint_eq(image.entry, PVH_KERNEL_GPA);
	ck_assert(!image.is_linux64);
	ck_assert_uint_eq(image.nr_segments, 1);
	ck_assert_uint_eq(image.end, PVH_KERNEL_GPA + sizeof(code) + 64);
	ck_assert_int_eq(
		memory_read(&mem, PVH_KERNEL_GPA, found, sizeof(found)), 0);
	ck_assert_mem_eq(found, code, sizeof(code));
	memory_free(&mem);
}

START_TEST(a_64_bit_kernel_is_loaded)
{
	setup();
	expect_loaded();
}
END_TEST

START_TEST(a_32_bit_kernel_is_loaded)
{
	setup();
	pvh_kernel_make32(file, code, sizeof(code));
	expect_loaded();
}
END_TEST

START_TEST(an_entry_of_8_bytes_is_understood)
{
	const uint64_t entry = PVH_KERNEL_GPA;

	setup();
	note()->header.n_descsz = 8;
	memcpy(&note()->entry, &entry, sizeof(entry));
	segment(1)->p_filesz = sizeof(Elf64_Nhdr) + 4 + 8;
	expect_loaded();
}
END_TEST

START_TEST(other_notes_are_passed_over)
{
	struct pvh_note other = pvh_note();

	setup();
	other.owner[0] = 'Y';
	memcpy(file + PVH_KERNEL_NOTE, &other, sizeof(other));
	other = pvh_note();
	memcpy(file + PVH_KERNEL_NOTE + sizeof(other), &other, sizeof(other));
	segment(1)->p_filesz = 2 * sizeof(other);
	expect_loaded();
}
END_TEST

START_TEST(an_empty_segment_is_not_looked_at)
{
	setup();
	header()->e_phnum = 3;
	*segment(2) = (Elf64_Phdr){ .p_type = PT_LOAD,
				    .p_offset = UINT64_MAX,
				    .p_paddr = UINT64_MAX };
	/* The third header lies where the note was. */
	memcpy(file + 0x200, &(struct pvh_note){ 0 }, sizeof(struct pvh_note));
	*(struct pvh_note *)(void *)(file + 0x200) = pvh_note();
	segment(1)->p_offset = 0x200;
	expect_loaded();
}
END_TEST

START_TEST(every_shorter_file_is_refused_or_unharmed)
{
	struct elf_image image;
	const char *why;
	uint64_t len;
	int rc;

	setup();
	for (len = 0; len < PVH_KERNEL_CODE + sizeof(code); len++) {
		rc = load(len, &image, &why);
		ck_assert_int_eq(rc, -EPROTO);
		ck_assert_ptr_nonnull(why);
	}
	ck_assert_int_eq(load(len, &image, &why), 0);
	memory_free(&mem);
}
END_TEST

START_TEST(a_file_that_became_shorter_is_refused)
{
	static const uint64_t sizes[] = { PVH_KERNEL_CODE, 20, 0 };
	struct elf_image image;
	const char *why;
	size_t i;

	setup();
	for (i = 0; i < RF_ARRAY_LEN(sizes); i++) {
		rf_autofd fd = pvh_kernel_file(file, sizes[i]);

		why = NULL;
		ck_assert_int_eq(
			elf_load(fd, PVH_KERNEL_BYTES, &mem, &image, &why),
			-EPROTO);
		ck_assert_ptr_nonnull(why);
	}
	memory_free(&mem);
}
END_TEST

START_TEST(every_flipped_bit_of_the_headers_is_survived)
{
	struct elf_image image;
	const char *why;
	uint32_t bit;
	int rc;

	setup();
	for (bit = 0; bit < PVH_KERNEL_CODE * 8; bit++) {
		file[bit / 8] ^= (uint8_t)(1u << bit % 8);
		rc = load(PVH_KERNEL_BYTES, &image, &why);
		ck_assert(rc == 0 || rc == -EPROTO || rc == -ERANGE);
		file[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	memory_free(&mem);
}
END_TEST

/* One lie a row: a field, its value, the answer. */
static const struct {
	size_t at;
	uint64_t value;
	uint32_t len;
	int error;
} lies[] = {
#define HEADER(field, value, error)                                \
	{                                                          \
		offsetof(Elf64_Ehdr, field), value,                \
			sizeof(((Elf64_Ehdr *)NULL)->field), error \
	}
#define LOAD(field, value, error)                                      \
	{                                                              \
		PVH_KERNEL_PHOFF + offsetof(Elf64_Phdr, field), value, \
			sizeof(((Elf64_Phdr *)NULL)->field), error     \
	}
#define NOTE_SEGMENT(field, value, error)                                 \
	{                                                                 \
		PVH_KERNEL_PHOFF + sizeof(Elf64_Phdr) +                   \
			offsetof(Elf64_Phdr, field),                      \
			value, sizeof(((Elf64_Phdr *)NULL)->field), error \
	}
#define NOTE(field, value, error)                                          \
	{                                                                  \
		PVH_KERNEL_NOTE + offsetof(struct pvh_note, field), value, \
			sizeof(((struct pvh_note *)NULL)->field), error    \
	}
	HEADER(e_type, ET_REL, -EPROTO),
	HEADER(e_machine, EM_AARCH64, -EPROTO),
	HEADER(e_phoff, PVH_KERNEL_BYTES - 1, -EPROTO),
	HEADER(e_phoff, UINT64_MAX, -EPROTO),
	HEADER(e_phoff, UINT64_MAX - 100, -EPROTO),
	HEADER(e_phentsize, sizeof(Elf64_Phdr) + 1, -EPROTO),
	HEADER(e_phentsize, sizeof(Elf32_Phdr), -EPROTO),
	HEADER(e_phentsize, 0, -EPROTO),
	HEADER(e_phnum, 0, -EPROTO),
	HEADER(e_phnum, 1, -EPROTO), /* the note is not seen then */
	HEADER(e_phnum, ELF_SEGMENTS_MAX + 1, -EPROTO),
	HEADER(e_phnum, UINT16_MAX, -EPROTO),
	LOAD(p_offset, PVH_KERNEL_BYTES, -EPROTO),
	LOAD(p_offset, UINT64_MAX, -EPROTO),
	LOAD(p_offset, UINT64_MAX - 4, -EPROTO),
	LOAD(p_filesz, PVH_KERNEL_BYTES, -EPROTO),
	LOAD(p_filesz, UINT64_MAX, -EPROTO),
	LOAD(p_memsz, sizeof(code) - 1, -EPROTO),
	LOAD(p_memsz, 4 << 20, -ERANGE),
	LOAD(p_memsz, UINT64_MAX, -ERANGE),
	LOAD(p_memsz, 0, -EPROTO), /* nothing to load */
	LOAD(p_paddr, 0, -ERANGE),
	LOAD(p_paddr, MEMMAP_LOAD_MIN - 1, -ERANGE),
	LOAD(p_paddr, 4 << 20, -ERANGE),
	LOAD(p_paddr, (4 << 20) - 8, -ERANGE),
	LOAD(p_paddr, MEMORY_HOLE_START, -ERANGE),
	LOAD(p_paddr, MEMORY_HIGH_START, -ERANGE),
	LOAD(p_paddr, UINT64_MAX, -ERANGE),
	LOAD(p_paddr, UINT64_MAX - sizeof(code), -ERANGE),
	LOAD(p_paddr, PVH_KERNEL_GPA + 1, -EPROTO), /* entry outside */
	NOTE_SEGMENT(p_offset, PVH_KERNEL_BYTES, -EPROTO),
	NOTE_SEGMENT(p_offset, UINT64_MAX, -EPROTO),
	NOTE_SEGMENT(p_filesz, UINT64_MAX, -EPROTO),
	NOTE_SEGMENT(p_filesz, sizeof(Elf64_Nhdr) - 1, -EPROTO),
	NOTE_SEGMENT(p_filesz, sizeof(struct pvh_note) - 1, -EPROTO),
	NOTE_SEGMENT(p_filesz, 0, -EPROTO), /* no note in it */
	NOTE(header.n_namesz, UINT32_MAX, -EPROTO),
	NOTE(header.n_namesz, 8, -EPROTO),
	NOTE(header.n_descsz, UINT32_MAX, -EPROTO),
	NOTE(header.n_descsz, 8, -EPROTO),
	NOTE(header.n_descsz, 2, -EPROTO),
	NOTE(header.n_descsz, 0, -EPROTO),
	NOTE(header.n_type, 17, -EPROTO),
	NOTE(owner, 0x006e6559, -EPROTO),
	NOTE(entry, 0, -EPROTO),
	NOTE(entry, PVH_KERNEL_GPA - 1, -EPROTO),
	NOTE(entry, PVH_KERNEL_GPA + sizeof(code) + 64, -EPROTO),
	NOTE(entry, UINT32_MAX, -EPROTO),
};

START_TEST(one_lie_is_enough)
{
	setup();
	memcpy(file + lies[_i].at, &lies[_i].value, lies[_i].len);
	expect(lies[_i].error);
}
END_TEST

START_TEST(an_entry_beyond_4_gib_is_refused)
{
	const uint64_t entry = MEMORY_HIGH_START + PVH_KERNEL_GPA;

	setup();
	note()->header.n_descsz = 8;
	memcpy(&note()->entry, &entry, sizeof(entry));
	segment(1)->p_filesz = sizeof(Elf64_Nhdr) + 4 + 8;
	expect(-EPROTO);
	/* Even where the kernel is: a 32-bit entry cannot be there. */
	ck_assert_int_eq(memory_new(MEMORY_HIGH_START, -1, &mem), 0);
	segment(0)->p_paddr = entry;
	expect(-EPROTO);
}
END_TEST

/* What is no kernel is told so, and not to bring more memory. */
START_TEST(a_program_is_no_kernel_wherever_it_lies)
{
	static const uint64_t places[] = { 0, 0x8048000, MEMORY_HIGH_START };
	struct elf_image image;
	const char *why;
	size_t i;

	setup();
	header()->e_phnum = 1;
	for (i = 0; i < RF_ARRAY_LEN(places); i++) {
		segment(0)->p_paddr = places[i];
		segment(0)->p_vaddr = places[i];
		header()->e_entry = places[i];
		ck_assert_int_eq(load(PVH_KERNEL_BYTES, &image, &why), -EPROTO);
		ck_assert_ptr_nonnull(strstr(why, "no PVH entry note"));
	}
	memory_free(&mem);
}
END_TEST

START_TEST(overlapping_segments_are_refused)
{
	setup();
	*(struct pvh_note *)(void *)(file + 0x200) = pvh_note();
	header()->e_phnum = 3;
	segment(1)->p_offset = 0x200;
	*segment(2) = *segment(0);
	segment(2)->p_paddr += sizeof(code) + 63;
	expect(-EPROTO);
}
END_TEST

START_TEST(more_notes_than_anybody_has_are_refused)
{
	struct pvh_note other = pvh_note();
	static uint8_t big[PVH_KERNEL_BYTES + 300 * sizeof(other)];
	rf_autofd fd = -1;
	struct elf_image image;
	const char *why;
	uint32_t i;

	setup();
	other.header.n_type = 1;
	segment(1)->p_offset = PVH_KERNEL_BYTES;
	segment(1)->p_filesz = 300 * sizeof(other);
	memcpy(big, file, sizeof(file));
	for (i = 0; i < 300; i++)
		memcpy(big + PVH_KERNEL_BYTES + i * sizeof(other), &other,
		       sizeof(other));
	fd = pvh_kernel_file(big, sizeof(big));
	ck_assert_int_eq(elf_load(fd, sizeof(big), &mem, &image, &why),
			 -EPROTO);
	ck_assert_ptr_nonnull(strstr(why, "256"));
	memory_free(&mem);
}
END_TEST

/* As the header of a vmlinux has it: entered at a physical address, linked to
 * run in the upper half, and without a note. */
static void make_linux(void)
{
	setup();
	header()->e_entry = PVH_KERNEL_GPA + 4;
	segment(0)->p_vaddr = 0xffffffff81000000ull;
	header()->e_phnum = 1;
}

START_TEST(a_linux_without_the_note_is_entered_in_64_bit_mode)
{
	struct elf_image image;
	const char *why;

	make_linux();
	ck_assert_int_eq(load(PVH_KERNEL_BYTES, &image, &why), 0);
	ck_assert(image.is_linux64);
	ck_assert_uint_eq(image.entry, PVH_KERNEL_GPA + 4);
	memory_free(&mem);
}
END_TEST

START_TEST(the_note_wins_over_the_header)
{
	make_linux();
	header()->e_phnum = 2;
	expect_loaded();
}
END_TEST

START_TEST(a_program_is_no_linux)
{
	make_linux();
	segment(0)->p_vaddr = PVH_KERNEL_GPA;
	expect(-EPROTO);
	make_linux();
	header()->e_machine = EM_386;
	expect(-EPROTO);
	make_linux();
	header()->e_entry = PVH_KERNEL_GPA - 1;
	expect(-EPROTO);
	make_linux();
	header()->e_entry = PVH_KERNEL_GPA + sizeof(code) + 64;
	expect(-EPROTO);
	make_linux();
	header()->e_entry = segment(0)->p_vaddr;
	expect(-EPROTO);
}
END_TEST

START_TEST(what_cannot_be_read_gives_the_reason_of_the_kernel)
{
	struct elf_image image;
	const char *why = NULL;

	setup();
	ck_assert_int_eq(elf_load(-1, PVH_KERNEL_BYTES, &mem, &image, &why),
			 -EBADF);
	ck_assert_ptr_nonnull(why);
	memory_free(&mem);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("elf");
	TCase *tcase = tcase_create("elf");
	SRunner *runner;
	int failed;

	tcase_add_test(tcase, a_64_bit_kernel_is_loaded);
	tcase_add_test(tcase, a_32_bit_kernel_is_loaded);
	tcase_add_test(tcase, an_entry_of_8_bytes_is_understood);
	tcase_add_test(tcase, other_notes_are_passed_over);
	tcase_add_test(tcase, an_empty_segment_is_not_looked_at);
	tcase_add_test(tcase, every_shorter_file_is_refused_or_unharmed);
	tcase_add_test(tcase, a_file_that_became_shorter_is_refused);
	tcase_add_test(tcase, every_flipped_bit_of_the_headers_is_survived);
	tcase_add_loop_test(tcase, one_lie_is_enough, 0, RF_ARRAY_LEN(lies));
	tcase_add_test(tcase, an_entry_beyond_4_gib_is_refused);
	tcase_add_test(tcase, a_program_is_no_kernel_wherever_it_lies);
	tcase_add_test(tcase, overlapping_segments_are_refused);
	tcase_add_test(tcase, more_notes_than_anybody_has_are_refused);
	tcase_add_test(tcase,
		       a_linux_without_the_note_is_entered_in_64_bit_mode);
	tcase_add_test(tcase, the_note_wins_over_the_header);
	tcase_add_test(tcase, a_program_is_no_linux);
	tcase_add_test(tcase,
		       what_cannot_be_read_gives_the_reason_of_the_kernel);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
