/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * test_say.c - twin of src/launcher/say.c
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "launcher/say.h"
#include "unit/unit.h"

static struct text t;

static const char *text(void)
{
	t.bytes[t.len] = '\0';
	return t.bytes;
}

START_TEST(text_is_cut_at_its_end_and_never_beyond)
{
	int i;

	t.len = 0;
	for (i = 0; i < TEXT_BYTES; i++)
		text_add(&t, "%s", "abcdefghij");
	ck_assert_uint_eq(t.len, TEXT_BYTES - 1);
	text_add(&t, "x");
	text_pad(&t, 5ul * TEXT_BYTES);
	ck_assert_uint_eq(t.len, TEXT_BYTES - 1);
}
END_TEST

START_TEST(json_strings_are_escaped)
{
	t.len = 0;
	text_add_json(&t, "a\"b\\c\n\x7f\xc3");
	ck_assert_str_eq(text(), "\"a\\\"b\\\\c\\u000a\\u007f\\u00c3\"");
}
END_TEST

START_TEST(plain_text_drives_no_terminal)
{
	t.len = 0;
	text_add_plain(&t, "a\x1b[2Jb\nc\x80");
	ck_assert_str_eq(text(), "a?[2Jb?c?");
}
END_TEST

START_TEST(padding_counts_from_the_last_newline)
{
	t.len = 0;
	text_add(&t, "longer than four\nab");
	text_pad(&t, 4);
	text_add(&t, "c");
	ck_assert_str_eq(text(), "longer than four\nab  c");
	text_pad(&t, 2);
	ck_assert_str_eq(text(), "longer than four\nab  c");
}
END_TEST

START_TEST(text_leaves_whole_by_its_descriptor)
{
	char got[64];
	int fds[2];

	ck_assert_int_eq(pipe(fds), 0);
	t.len = 0;
	text_add(&t, "hello %d", 5);
	text_write(&t, fds[1]);
	ck_assert_uint_eq(t.len, 0);
	ck_assert_int_eq(read(fds[0], got, sizeof(got)), 7);
	ck_assert_int_eq(memcmp(got, "hello 5", 7), 0);
	/* A descriptor that is none: no end of the program, errno kept. */
	errno = ENOTTY;
	text_add(&t, "x");
	text_write(&t, -1);
	ck_assert_int_eq(errno, ENOTTY);
	(void)close(fds[0]);
	(void)close(fds[1]);
}
END_TEST

START_TEST(a_sentence_is_one_line_and_cut)
{
	char longer[3000];
	char got[4096];
	int fds[2];
	int saved;
	ssize_t n;

	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	ck_assert_int_eq(pipe(fds), 0);
	saved = dup(STDERR_FILENO);
	ck_assert_int_ge(dup2(fds[1], STDERR_FILENO), 0);
	say("%s", longer);
	ck_assert_int_ge(dup2(saved, STDERR_FILENO), 0);
	n = read(fds[0], got, sizeof(got));
	ck_assert_int_eq(n, 1023);
	ck_assert_int_eq(memcmp(got, "ringfence: xx", 13), 0);
	ck_assert_int_eq(got[n - 1], '\n');
	ck_assert_ptr_eq(memchr(got, '\0', (size_t)n), NULL);
}
END_TEST

START_TEST(a_complaint_is_cut_and_an_error)
{
	struct complaint c = { "" };
	char longer[3000];

	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	ck_assert_int_eq(complain(&c, "%s", longer), -EINVAL);
	ck_assert_uint_eq(strlen(c.text), sizeof(c.text) - 1);
}
END_TEST

START_TEST(the_nearest_word_is_found_or_none)
{
	static const char *const names[] = { "run", "demo", "probe", "policy" };

	ck_assert_str_eq(say_nearest("rnu", names, 4), "run");
	ck_assert_str_eq(say_nearest("polcy", names, 4), "policy");
	ck_assert_ptr_null(say_nearest("frobnicate", names, 4));
	ck_assert_ptr_null(say_nearest("", names, 4));
	ck_assert_ptr_null(say_nearest("x", names, 4));
	ck_assert_ptr_null(say_nearest("a word that is much longer than any "
				       "of the names could be",
				       names, 4));
	ck_assert_ptr_null(say_nearest("run", names, 0));
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		text_is_cut_at_its_end_and_never_beyond,
		json_strings_are_escaped,
		plain_text_drives_no_terminal,
		padding_counts_from_the_last_newline,
		text_leaves_whole_by_its_descriptor,
		a_sentence_is_one_line_and_cut,
		a_complaint_is_cut_and_an_error,
		the_nearest_word_is_found_or_none,
	};

	return unit_run("say", tests, RF_ARRAY_LEN(tests));
}
