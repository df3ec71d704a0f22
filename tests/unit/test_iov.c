/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * test_iov.c - twin of src/device/iov.c
 */
#include "unit/unit.h"

#include <errno.h>
#include <string.h>

#include <ringfence/device.h>

static char a[3] = { 'a', 'b', 'c' };
static char b[1] = { 'd' };
static char c[4] = { 'e', 'f', 'g', 'h' };

static struct iovec pieces[] = {
	{ a, sizeof(a) },
	{ b, sizeof(b) },
	{ c, sizeof(c) },
};

static struct rf_chain chain_of(uint32_t nr_readable, uint32_t nr_writable)
{
	return (struct rf_chain){
		.iov = pieces,
		.nr_readable = nr_readable,
		.nr_writable = nr_writable,
	};
}

START_TEST(reading_crosses_pieces_and_ends_with_the_last)
{
	struct rf_chain chain = chain_of(3, 0);
	char buf[16] = { 0 };

	ck_assert_uint_eq(rf_chain_read(&chain, 0, buf, 8), 8);
	ck_assert_mem_eq(buf, "abcdefgh", 8);
	ck_assert_uint_eq(rf_chain_read(&chain, 2, buf, 3), 3);
	ck_assert_mem_eq(buf, "cde", 3);
	ck_assert_uint_eq(rf_chain_read(&chain, 6, buf, 16), 2);
	ck_assert_mem_eq(buf, "gh", 2);
	ck_assert_uint_eq(rf_chain_read(&chain, 8, buf, 1), 0);
	ck_assert_uint_eq(rf_chain_read(&chain, SIZE_MAX, buf, 1), 0);
	ck_assert_uint_eq(rf_chain_read(&chain, 0, buf, 0), 0);
}
END_TEST

START_TEST(readable_and_writable_parts_are_apart)
{
	struct rf_chain chain = chain_of(1, 1);
	char buf[8] = { 0 };

	ck_assert_uint_eq(rf_chain_read(&chain, 0, buf, 8), 3);
	ck_assert_uint_eq(rf_chain_write(&chain, 0, "XYZ", 3), 1);
	ck_assert_int_eq(b[0], 'X');
	ck_assert_int_eq(c[0], 'e');
	ck_assert_int_eq(a[0], 'a');
	ck_assert_uint_eq(rf_chain_write(&chain, 1, "Y", 1), 0);
	ck_assert_uint_eq(rf_chain_write(&chain, 0, "Y", 0), 0);
	ck_assert_int_eq(b[0], 'X');
}
END_TEST

START_TEST(a_slice_has_the_bytes_asked_for)
{
	struct iovec out[3];

	ck_assert_int_eq(rf_iov_slice(pieces, 3, 2, 3, out, 3), 3);
	ck_assert_ptr_eq(out[0].iov_base, a + 2);
	ck_assert_uint_eq(out[0].iov_len, 1);
	ck_assert_uint_eq(out[1].iov_len, 1);
	ck_assert_ptr_eq(out[2].iov_base, c);
	ck_assert_uint_eq(out[2].iov_len, 1);
	ck_assert_int_eq(rf_iov_slice(pieces, 3, 3, 1, out, 3), 1);
	ck_assert_ptr_eq(out[0].iov_base, b);
	ck_assert_int_eq(rf_iov_slice(pieces, 3, 0, 8, out, 3), 3);
	ck_assert_int_eq(rf_iov_slice(pieces, 3, 8, 0, out, 3), 0);
	ck_assert_int_eq(rf_iov_slice(pieces, 3, 4, 0, out, 3), 0);
}
END_TEST

START_TEST(a_slice_beyond_the_end_is_refused)
{
	struct iovec out[3];

	ck_assert_int_eq(rf_iov_slice(pieces, 3, 0, 9, out, 3), -ERANGE);
	ck_assert_int_eq(rf_iov_slice(pieces, 3, 8, 1, out, 3), -ERANGE);
	ck_assert_int_eq(rf_iov_slice(pieces, 3, 9, 0, out, 3), -ERANGE);
	ck_assert_int_eq(rf_iov_slice(pieces, 3, UINT64_MAX, 1, out, 3),
			 -ERANGE);
	ck_assert_int_eq(rf_iov_slice(pieces, 3, 1, UINT64_MAX, out, 3),
			 -ERANGE);
	ck_assert_int_eq(rf_iov_slice(pieces, 3, 0, 8, out, 2), -ENOSPC);
	ck_assert_int_eq(rf_iov_slice(pieces, 0, 0, 1, out, 3), -ERANGE);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		reading_crosses_pieces_and_ends_with_the_last,
		readable_and_writable_parts_are_apart,
		a_slice_has_the_bytes_asked_for,
		a_slice_beyond_the_end_is_refused,
	};

	return unit_run("iov", tests, RF_ARRAY_LEN(tests));
}
