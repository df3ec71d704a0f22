/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * test_trim.c - constants go and come back, what was written stays
 *
 * Linked with src/served.ld; as test_trim_plain without, where nothing goes.
 */
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <ringfence/trim.h>

#include "unit/unit.h"

#define PAGE_BYTES UINT64_C(4096)
#define TABLE_BYTES (1u << 20)
#define TABLE_KIB (TABLE_BYTES / 1024)

/* Many pages of the program's file, which hold something. */
static const uint8_t table[TABLE_BYTES] = { [0] = 1, [TABLE_BYTES - 1] = 2 };

static char written[PAGE_BYTES] = "written";
static char zeroes[PAGE_BYTES];

struct mapping {
	uintptr_t start;
	uintptr_t end;
	long rss_kib;
};

/* The mapping around an address. */
static struct mapping mapping_of(const void *at)
{
	struct mapping m = { .rss_kib = -1 };
	FILE *f = fopen("/proc/self/smaps", "re");
	char line[512];

	ck_assert_ptr_nonnull(f);
	while (m.rss_kib < 0 && fgets(line, sizeof(line), f)) {
		char *rest;
		uintptr_t start = strtoull(line, &rest, 16);

		if (*rest == '-' && rest > line) {
			m.start = start;
			m.end = strtoull(rest + 1, NULL, 16);
		} else if ((uintptr_t)at >= m.start && (uintptr_t)at < m.end &&
			   strncmp(line, "Rss:", 4) == 0) {
			m.rss_kib = strtol(line + 4, NULL, 10);
		}
	}
	(void)fclose(f);
	ck_assert_int_ge(m.rss_kib, 0);
	return m;
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
	ck_assert_int_ge(mapping_of(table).rss_kib, TABLE_KIB);
	rf_trim();
	/* What reading that takes may lie beside it. */
	ck_assert_int_lt(mapping_of(table).rss_kib, TABLE_KIB / 2);
	ck_assert_uint_eq(sum_table(), 3);
	ck_assert_int_ge(mapping_of(table).rss_kib, TABLE_KIB);
}
END_TEST

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
	rf_trim();
	ck_assert_int_ge(mapping_of(table).rss_kib, TABLE_KIB);
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
