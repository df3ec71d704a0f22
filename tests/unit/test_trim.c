/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * test_trim.c - constants go and come back, what was written stays
 *
 * Linked with src/served.ld; as test_trim_plain without, where nothing goes.
 */
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <ringfence/trim.h>

#include "unit/unit.h"

#define PAGE_BYTES UINT64_C(4096)
#define TABLE_BYTES (1u << 20)
#define TABLE_PAGES (TABLE_BYTES / PAGE_BYTES)
/* Of an entry of /proc/self/pagemap (admin-guide/mm/pagemap.rst). */
#define PAGEMAP_PRESENT (UINT64_C(1) << 63)

/* Many pages of the program's file, which hold something. */
_Alignas(PAGE_BYTES) static const uint8_t table[TABLE_BYTES] = {
	[0] = 1, [TABLE_BYTES - 1] = 2
};

static char written[PAGE_BYTES] = "written";
static char zeroes[PAGE_BYTES];

/* How many pages of the table are in this process's page table? From the page
 * table itself: to read a text about it takes constants, and with one of them
 * the kernel may map the table again, for it maps what is around: the whole of a
 * large folio, where the file system has them.
 */
static unsigned table_pages(bool trim)
{
	uint64_t entries[TABLE_PAGES];
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	unsigned i, nr = 0;
	ssize_t n;

	ck_assert_int_ge(fd, 0);
	if (trim)
		rf_trim();
	n = pread(fd, entries, sizeof(entries),
		  (off_t)((uintptr_t)table / PAGE_BYTES * sizeof(entries[0])));
	(void)close(fd);
	ck_assert_int_eq(n, sizeof(entries));
	for (i = 0; i < TABLE_PAGES; i++)
		nr += (entries[i] & PAGEMAP_PRESENT) != 0;
	return nr;
}

static unsigned sum_table(void)
{
	const volatile uint8_t *p = table;
	unsigned sum = 0;
	size_t i;

	for (i = 0; i < TABLE_BYTES; i++)
		sum += p[i];
	return sum;
}

#ifdef RF_TEST_SERVED
START_TEST(constants_go_and_come_back)
{
	ck_assert_uint_eq(sum_table(), 3);
	ck_assert_uint_eq(table_pages(false), TABLE_PAGES);
	ck_assert_uint_eq(table_pages(true), 0);
	ck_assert_uint_eq(sum_table(), 3);
	ck_assert_uint_eq(table_pages(false), TABLE_PAGES);
}
END_TEST

struct mapping {
	uintptr_t start;
	uintptr_t end;
};

/* The mapping around an address. */
static struct mapping mapping_of(const void *at)
{
	struct mapping m = { 0 };
	FILE *f = fopen("/proc/self/maps", "re");
	char line[512];

	ck_assert_ptr_nonnull(f);
	while (m.end <= (uintptr_t)at && fgets(line, sizeof(line), f)) {
		char *rest;

		m.start = strtoull(line, &rest, 16);
		ck_assert_int_eq(*rest, '-');
		m.end = strtoull(rest + 1, NULL, 16);
	}
	(void)fclose(f);
	ck_assert_uint_ge((uintptr_t)at, m.start);
	ck_assert_uint_lt((uintptr_t)at, m.end);
	return m;
}

START_TEST(what_is_served_is_a_mapping_of_its_own)
{
	extern const char rf_served_text[], rf_served_text_end[];
	struct mapping m;

	rf_trim();
	m = mapping_of(rf_served_text);
	ck_assert_uint_eq(m.start,
			  (uintptr_t)rf_served_text & ~(PAGE_BYTES - 1));
	ck_assert_uint_ge(m.end, (uintptr_t)rf_served_text_end);
	ck_assert_uint_lt(m.end - (uintptr_t)rf_served_text_end, PAGE_BYTES);
	/* It was one of those. */
	ck_assert_uint_ge((uintptr_t)&rf_trim, (uintptr_t)rf_served_text);
	ck_assert_uint_lt((uintptr_t)&rf_trim, (uintptr_t)rf_served_text_end);
}
END_TEST
#else
START_TEST(without_the_layout_nothing_goes)
{
	ck_assert_uint_eq(sum_table(), 3);
	ck_assert_uint_eq(table_pages(true), TABLE_PAGES);
}
END_TEST
#endif

START_TEST(what_was_written_stays)
{
	char stack[4 * PAGE_BYTES];
	char *heap = malloc(sizeof(stack));
	size_t i;

	ck_assert_ptr_nonnull(heap);
	memset(stack, 's', sizeof(stack));
	memset(heap, 'h', sizeof(stack));
	(void)snprintf(written, sizeof(written), "by %ld", (long)getpid());
	zeroes[PAGE_BYTES - 1] = 'z';
	rf_trim();
	rf_trim();
	for (i = 0; i < sizeof(stack); i++)
		ck_assert(stack[i] == 's' && heap[i] == 'h');
	ck_assert_int_eq(strtol(written + 3, NULL, 10), getpid());
	ck_assert_int_eq(zeroes[PAGE_BYTES - 1], 'z');
	free(heap);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
#ifdef RF_TEST_SERVED
		constants_go_and_come_back,
		what_is_served_is_a_mapping_of_its_own,
#else
		without_the_layout_nothing_goes,
#endif
		what_was_written_stays,
	};

	return unit_run("trim", tests, RF_ARRAY_LEN(tests));
}
