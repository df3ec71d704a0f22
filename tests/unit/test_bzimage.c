/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * test_bzimage.c - packed kernels, and files that only look like one
 */
#include <errno.h>

#include "unit/linux_kernel.h"
#include "unit/unit.h"
#include "vmm/bzimage.h"
#include "vmm/memmap.h"

#define MEMORY (4u << 20)

static const uint8_t code[] = { 0xf4, 1, 2, 3, 4, 5, 6, 7 };
static uint8_t file[LINUX_KERNEL_BYTES];
static struct memory mem;
static struct bzimage image;
static const char *why;

static void setup(void)
{
	ck_assert_int_eq(memory_new(MEMORY, -1, &mem), 0);
	linux_kernel_make(file, code, sizeof(code));
}

static struct setup_header *h(void)
{
	return linux_kernel_header(file);
}

static int load(uint64_t bytes)
{
	rf_autofd fd = linux_kernel_file(file, bytes);

	why = NULL;
	return bzimage_load(fd, bytes, &mem, &image, &why);
}

/* Refused with a reason, and nothing of it has reached guest memory. */
static void expect(int error)
{
	static const uint8_t zeroes[MEMORY];

	image.entry = 77;
	ck_assert_int_eq(load(LINUX_KERNEL_BYTES), error);
	ck_assert_ptr_nonnull(why);
	ck_assert_uint_eq(image.entry, 77);
	ck_assert_mem_eq(mem.base, zeroes, MEMORY);
}

static void expect_loaded(uint64_t gpa)
{
	const uint64_t len = LINUX_KERNEL_BYTES - LINUX_KERNEL_START;
	int rc = load(LINUX_KERNEL_BYTES);

	ck_assert_msg(rc == 0, "%d: %s", rc, why);
	ck_assert_ptr_null(why);
	ck_assert_uint_eq(image.entry, gpa + 0x200);
	ck_assert_uint_eq(image.end, gpa + h()->init_size);
	ck_assert_mem_eq(mem.base + gpa, file + LINUX_KERNEL_START, len);
}

START_TEST(a_kernel_goes_where_it_likes_best)
{
	setup();
	expect_loaded(LINUX_KERNEL_GPA);
	ck_assert_uint_eq(image.cmdline_max, 255);
	ck_assert_uint_eq(image.initrd_max, 0x7fffffff);
	ck_assert_mem_eq(&image.header, h(), sizeof(image.header));
	memory_free(&mem);
}
END_TEST

START_TEST(a_kernel_that_can_be_moved_is)
{
	setup();
	h()->pref_address = 0x200001;
	h()->kernel_alignment = 0x1000;
	expect_loaded(0x201000);
	h()->kernel_alignment = 0x100000;
	expect_loaded(0x300000);
	h()->pref_address = 0x1000;
	expect_loaded(MEMMAP_LOAD_MIN);
	h()->kernel_alignment = 0x200000;
	expect_loaded(0x200000);
	memory_free(&mem);
}
END_TEST

/* It would unpack itself at pref_address all the same. */
START_TEST(a_kernel_is_never_moved_down)
{
	static const uint64_t places[] = {
		MEMORY - LINUX_KERNEL_INIT_BYTES + 1,
		MEMORY,
		MEMORY_HIGH_START,
		/* Rounding these up wraps. */
		UINT64_MAX - 0xfff,
		UINT64_MAX,
	};
	size_t i;

	setup();
	h()->kernel_alignment = 0x1000;
	for (i = 0; i < RF_ARRAY_LEN(places); i++) {
		h()->pref_address = places[i];
		expect(-ERANGE);
		ck_assert_ptr_nonnull(strstr(why, "give it more"));
	}
	memory_free(&mem);
}
END_TEST

START_TEST(a_kernel_that_cannot_be_moved_stays_or_is_refused)
{
	setup();
	h()->relocatable_kernel = 0;
	expect_loaded(LINUX_KERNEL_GPA);
	memory_free(&mem);
	setup();
	h()->relocatable_kernel = 0;
	h()->pref_address = 0x1000000;
	expect(-ERANGE);
	h()->pref_address = 0x1000;
	expect(-ERANGE);
	ck_assert_ptr_nonnull(strstr(why, "below 1 MiB"));
	memory_free(&mem);
}
END_TEST

START_TEST(what_zero_stands_for_is_known)
{
	setup();
	h()->cmdline_size = 0;
	h()->setup_sects = 0; /* four: the code begins at 0xa00 then */
	h()->syssize = (LINUX_KERNEL_BYTES - 0xa00) / 16;
	ck_assert_int_eq(load(LINUX_KERNEL_BYTES), 0);
	ck_assert_uint_eq(image.cmdline_max, 255);
	ck_assert_mem_eq(mem.base + LINUX_KERNEL_GPA, file + 0xa00,
			 LINUX_KERNEL_BYTES - 0xa00);
	memory_free(&mem);
}
END_TEST

START_TEST(what_stands_behind_the_kernel_is_not_loaded)
{
	setup();
	h()->syssize -= 2;
	file[LINUX_KERNEL_BYTES - 32] = 0x55;
	ck_assert_int_eq(load(LINUX_KERNEL_BYTES), 0);
	ck_assert_uint_eq(mem.base[LINUX_KERNEL_GPA + LINUX_KERNEL_BYTES -
				   LINUX_KERNEL_START - 32],
			  0);
	memory_free(&mem);
}
END_TEST

START_TEST(the_last_paragraph_need_not_be_full)
{
	setup();
	ck_assert_int_eq(load(LINUX_KERNEL_BYTES - 15), 0);
	ck_assert_int_eq(load(LINUX_KERNEL_BYTES - 16), -EPROTO);
	memory_free(&mem);
}
END_TEST

START_TEST(a_header_that_ends_early_brings_nothing_behind_its_end)
{
	setup();
	h()->jump = 0x62eb; /* 0x264: up to init_size */
	h()->handover_offset = 0xdead;
	expect_loaded(LINUX_KERNEL_GPA);
	ck_assert_uint_eq(image.header.handover_offset, 0);
	memory_free(&mem);
	setup();
	h()->jump = 0x61eb;
	expect(-EPROTO);
	memory_free(&mem);
}
END_TEST

START_TEST(every_shorter_file_is_refused)
{
	uint64_t len;

	setup();
	for (len = 0; len <= LINUX_KERNEL_BYTES - 16; len++) {
		ck_assert_int_eq(load(len), -EPROTO);
		ck_assert_ptr_nonnull(why);
	}
	memory_free(&mem);
}
END_TEST

START_TEST(a_file_that_became_shorter_is_refused)
{
	static const uint64_t sizes[] = { LINUX_KERNEL_BYTES - 1,
					  LINUX_KERNEL_START, 0x200, 0 };
	size_t i;

	setup();
	for (i = 0; i < RF_ARRAY_LEN(sizes); i++) {
		rf_autofd fd = linux_kernel_file(file, sizes[i]);

		why = NULL;
		ck_assert_int_eq(bzimage_load(fd, LINUX_KERNEL_BYTES, &mem,
					      &image, &why),
				 -EPROTO);
		ck_assert_ptr_nonnull(why);
	}
	why = NULL;
	ck_assert_int_eq(
		bzimage_load(-1, LINUX_KERNEL_BYTES, &mem, &image, &why),
		-EBADF);
	ck_assert_ptr_nonnull(why);
	ck_assert_int_eq(bzimage_load(-1, UINT64_MAX, &mem, &image, &why),
			 -EPROTO);
	memory_free(&mem);
}
END_TEST

START_TEST(every_flipped_bit_of_the_header_is_survived)
{
	uint32_t bit;
	int rc;

	setup();
	for (bit = LINUX_KERNEL_HEADER * 8; bit < 0x290 * 8; bit++) {
		file[bit / 8] ^= (uint8_t)(1u << bit % 8);
		rc = load(LINUX_KERNEL_BYTES);
		ck_assert(rc == 0 || rc == -EPROTO || rc == -ERANGE);
		if (rc == 0) {
			ck_assert_uint_ge(image.entry, MEMMAP_LOAD_MIN + 0x200);
			ck_assert_uint_le(image.end, MEMORY);
		}
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
#define LIE(field, value, error)                                             \
	{                                                                    \
		LINUX_KERNEL_HEADER + offsetof(struct setup_header, field),  \
			value, sizeof(((struct setup_header *)NULL)->field), \
			error                                                \
	}
	LIE(boot_flag, 0, -EPROTO),
	LIE(header, 0, -EPROTO),
	LIE(version, 0x020b, -EPROTO),
	LIE(version, 0, -EPROTO),
	LIE(jump, 0x00eb, -EPROTO),
	LIE(loadflags, 0, -EPROTO),
	LIE(xloadflags, 0, -EPROTO),
	LIE(xloadflags, 0xfffe, -EPROTO),
	LIE(setup_sects, 7, -EPROTO),
	LIE(setup_sects, 0, -EPROTO),
	LIE(setup_sects, 0xff, -EPROTO),
	LIE(syssize, 0, -EPROTO),
	LIE(syssize, 0x20, -EPROTO), /* ends at its entry */
	LIE(syssize, LINUX_KERNEL_BYTES / 16, -EPROTO),
	LIE(syssize, UINT32_MAX, -EPROTO),
	LIE(init_size, 0, -EPROTO),
	LIE(init_size, LINUX_KERNEL_BYTES - LINUX_KERNEL_START - 1, -EPROTO),
	LIE(init_size, MEMORY, -ERANGE),
	LIE(init_size, UINT32_MAX, -ERANGE),
	LIE(kernel_alignment, 0, -EPROTO),
	LIE(kernel_alignment, 3, -EPROTO),
	LIE(kernel_alignment, 0x80000000u, -EPROTO),
};

START_TEST(one_lie_is_enough)
{
	setup();
	memcpy(file + lies[_i].at, &lies[_i].value, lies[_i].len);
	expect(lies[_i].error);
	memory_free(&mem);
}
END_TEST

START_TEST(a_place_too_small_or_beyond_is_never_taken)
{
	static const uint64_t places[] = {
		MEMORY - LINUX_KERNEL_INIT_BYTES + 1,
		MEMORY,
		MEMORY + 1,
		MEMORY_HIGH_START,
		UINT64_MAX - LINUX_KERNEL_INIT_BYTES,
		UINT64_MAX,
		MEMMAP_LOAD_MIN - 1,
		0,
	};
	size_t i;

	setup();
	for (i = 0; i < RF_ARRAY_LEN(places); i++) {
		h()->relocatable_kernel = 0;
		h()->pref_address = places[i];
		expect(-ERANGE);
	}
	h()->pref_address = MEMORY - LINUX_KERNEL_INIT_BYTES;
	expect_loaded(MEMORY - LINUX_KERNEL_INIT_BYTES);
	memory_free(&mem);
	/* Memory is there, but page tables at the entry are not. */
	setup();
	memory_free(&mem);
	ck_assert_int_eq(memory_new(MEMORY_HIGH_START, -1, &mem), 0);
	h()->relocatable_kernel = 0;
	h()->pref_address = MEMORY_HIGH_START;
	ck_assert_int_eq(load(LINUX_KERNEL_BYTES), -ERANGE);
	memory_free(&mem);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		a_kernel_goes_where_it_likes_best,
		a_kernel_that_can_be_moved_is,
		a_kernel_is_never_moved_down,
		a_kernel_that_cannot_be_moved_stays_or_is_refused,
		what_zero_stands_for_is_known,
		what_stands_behind_the_kernel_is_not_loaded,
		the_last_paragraph_need_not_be_full,
		a_header_that_ends_early_brings_nothing_behind_its_end,
		every_shorter_file_is_refused,
		a_file_that_became_shorter_is_refused,
		every_flipped_bit_of_the_header_is_survived,
		a_place_too_small_or_beyond_is_never_taken,
	};
	Suite *suite = suite_create("bzimage");
	TCase *tcase = tcase_create("bzimage");
	SRunner *runner;
	size_t i;
	int failed;

	for (i = 0; i < RF_ARRAY_LEN(tests); i++)
		tcase_add_test(tcase, tests[i]);
	tcase_add_loop_test(tcase, one_lie_is_enough, 0, RF_ARRAY_LEN(lies));
	tcase_set_timeout(tcase, 60);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
