/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * test_number.c - a number is digits, all of them, and fits
 */
#include <errno.h>

#include "base/number.h"
#include "unit/unit.h"

struct row {
	const char *text;
	int err;
	uint64_t value;
};

START_TEST(numbers_are_read_strictly)
{
	static const struct row rows[] = {
		{ "0", 0, 0 },
		{ "7", 0, 7 },
		{ "18446744073709551615", 0, UINT64_MAX },
		{ "18446744073709551614", 0, UINT64_MAX - 1 },
		{ "18446744073709551616", -ERANGE, 0 },
		{ "18446744073709551620", -ERANGE, 0 },
		{ "28446744073709551615", -ERANGE, 0 },
		{ "99999999999999999999999", -ERANGE, 0 },
		{ "99999999999999999999999x", -EINVAL, 0 },
		{ "", -EINVAL, 0 },
		{ NULL, -EINVAL, 0 },
		{ "-1", -EINVAL, 0 },
		{ "+1", -EINVAL, 0 },
		{ " 1", -EINVAL, 0 },
		{ "1 ", -EINVAL, 0 },
		{ "1\n", -EINVAL, 0 },
		{ "0x10", -EINVAL, 0 },
		{ "010", -EINVAL, 0 },
		{ "00", -EINVAL, 0 },
		{ "1.5", -EINVAL, 0 },
		{ "1e3", -EINVAL, 0 },
		{ "1K", -EINVAL, 0 },
		{ "one", -EINVAL, 0 },
	};
	size_t i;

	for (i = 0; i < RF_ARRAY_LEN(rows); i++) {
		uint64_t out = 12345;
		int err = number_parse(rows[i].text, 0, UINT64_MAX, &out);

		ck_assert_msg(err == rows[i].err, "\"%s\" gave %d",
			      rows[i].text, err);
		ck_assert_uint_eq(out, err ? 12345 : rows[i].value);
	}
}
END_TEST

START_TEST(bounds_are_part_of_what_is_allowed)
{
	uint64_t out = 12345;

	ck_assert_int_eq(number_parse("0", 1, 32, &out), -ERANGE);
	ck_assert_int_eq(number_parse("33", 1, 32, &out), -ERANGE);
	ck_assert_uint_eq(out, 12345);
	ck_assert_int_eq(number_parse("1", 1, 32, &out), 0);
	ck_assert_uint_eq(out, 1);
	ck_assert_int_eq(number_parse("32", 1, 32, &out), 0);
	ck_assert_uint_eq(out, 32);
}
END_TEST

START_TEST(sizes_take_one_unit)
{
	static const struct row rows[] = {
		{ "0", 0, 0 },
		{ "4096", 0, 4096 },
		{ "1K", 0, 1024 },
		{ "1k", 0, 1024 },
		{ "128M", 0, 134217728 },
		{ "128m", 0, 134217728 },
		{ "3G", 0, 3221225472 },
		{ "3g", 0, 3221225472 },
		{ "2T", 0, 2199023255552 },
		{ "2t", 0, 2199023255552 },
		{ "18446744073709551615", 0, UINT64_MAX },
		{ "16777215T", 0, 16777215ull << 40 },
		{ "16777216T", -ERANGE, 0 },
		{ "18014398509481983K", 0, 18014398509481983ull << 10 },
		{ "18014398509481984K", -ERANGE, 0 },
		{ "99999999999999999999K", -ERANGE, 0 },
		{ "K", -EINVAL, 0 },
		{ "", -EINVAL, 0 },
		{ NULL, -EINVAL, 0 },
		{ "1KB", -EINVAL, 0 },
		{ "1KiB", -EINVAL, 0 },
		{ "1MM", -EINVAL, 0 },
		{ "1 M", -EINVAL, 0 },
		{ "M1", -EINVAL, 0 },
		{ "-1M", -EINVAL, 0 },
		{ "01M", -EINVAL, 0 },
		{ "1P", -EINVAL, 0 },
		{ "1.5G", -EINVAL, 0 },
	};
	size_t i;

	for (i = 0; i < RF_ARRAY_LEN(rows); i++) {
		uint64_t out = 12345;
		int err = number_parse_size(rows[i].text, &out);

		ck_assert_msg(err == rows[i].err, "\"%s\" gave %d",
			      rows[i].text, err);
		ck_assert_uint_eq(out, err ? 12345 : rows[i].value);
	}
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		numbers_are_read_strictly,
		bounds_are_part_of_what_is_allowed,
		sizes_take_one_unit,
	};

	return unit_run("number", tests, RF_ARRAY_LEN(tests));
}
