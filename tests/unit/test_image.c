/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * test_image.c - bytes of a file that may be anything and may change
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "unit/unit.h"
#include "vmm/image.h"

static const char text[] = "0123456789";
#define LEN 10u

static const char *why;
static char buf[16];

static int make_file(void)
{
	int fd = memfd_create("image", MFD_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(pwrite(fd, text, LEN, 0), LEN);
	why = NULL;
	memset(buf, 0, sizeof(buf));
	return fd;
}

START_TEST(every_piece_of_it_can_be_read)
{
	rf_autofd fd = make_file();
	uint64_t at, len;

	for (at = 0; at <= LEN; at++) {
		for (len = 0; len <= LEN - at; len++) {
			memset(buf, 0, sizeof(buf));
			ck_assert_int_eq(
				image_read(fd, LEN, at, buf, len, &why), 0);
			ck_assert_mem_eq(buf, text + at, len);
			ck_assert_int_eq(buf[len], 0);
		}
	}
	ck_assert_ptr_null(why);
}
END_TEST

START_TEST(what_is_not_all_in_it_is_refused_unread)
{
	static const struct {
		uint64_t at;
		size_t len;
	} pieces[] = {
		{ 0, LEN + 1 },	       { 1, LEN },	    { LEN, 1 },
		{ LEN + 1, 0 },	       { UINT64_MAX, 0 },   { UINT64_MAX, 1 },
		{ UINT64_MAX - 3, 8 }, { 4, UINT64_MAX },   { 0, UINT64_MAX },
		{ 1, UINT64_MAX - 1 }, { LEN, UINT64_MAX },
	};
	rf_autofd fd = make_file();
	size_t i;

	for (i = 0; i < RF_ARRAY_LEN(pieces); i++) {
		why = NULL;
		ck_assert_int_eq(image_read(fd, LEN, pieces[i].at, buf,
					    pieces[i].len, &why),
				 -EPROTO);
		ck_assert_ptr_nonnull(why);
		ck_assert_int_eq(buf[0], 0);
	}
}
END_TEST

START_TEST(a_size_that_no_file_has_is_refused)
{
	rf_autofd fd = make_file();

	ck_assert_int_eq(image_read(fd, INT64_MAX, 0, buf, 4, &why), 0);
	ck_assert_int_eq(image_read(fd, INT64_MAX + 1ull, 0, buf, 4, &why),
			 -EPROTO);
	ck_assert_ptr_nonnull(strstr(why, "impossible"));
	ck_assert_int_eq(
		image_read(fd, UINT64_MAX, UINT64_MAX - 4, buf, 4, &why),
		-EPROTO);
}
END_TEST

START_TEST(a_file_that_became_shorter_is_told)
{
	rf_autofd fd = make_file();

	ck_assert_int_eq(ftruncate(fd, 4), 0);
	ck_assert_int_eq(image_read(fd, LEN, 0, buf, LEN, &why), -EPROTO);
	ck_assert_ptr_nonnull(strstr(why, "shorter"));
	why = NULL;
	ck_assert_int_eq(image_read(fd, LEN, 6, buf, 2, &why), -EPROTO);
	ck_assert_ptr_nonnull(why);
}
END_TEST

START_TEST(what_cannot_be_read_is_told)
{
	rf_autofd dir = open("/", O_RDONLY | O_CLOEXEC | O_DIRECTORY);

	why = NULL;
	ck_assert_int_eq(image_read(-1, LEN, 0, buf, 1, &why), -EBADF);
	ck_assert_ptr_nonnull(why);
	why = NULL;
	ck_assert_int_eq(image_read(dir, LEN, 0, buf, 1, &why), -EISDIR);
	ck_assert_ptr_nonnull(why);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		every_piece_of_it_can_be_read,
		what_is_not_all_in_it_is_refused_unread,
		a_size_that_no_file_has_is_refused,
		a_file_that_became_shorter_is_told,
		what_cannot_be_read_is_told,
	};

	return unit_run("image", tests, RF_ARRAY_LEN(tests));
}
