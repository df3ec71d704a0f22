/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * test_parse.c - twin of seccomp/tool/parse.c: lines that are understood whole,
 * and no rule that another one makes idle
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "unit/policyc_rig.h"

#define HEAD "default kill-process\n"

static char dir[32];
static char path[64];
static struct policyc policy;

static void write_as(const char *name, const char *text, size_t len)
{
	char file[64];
	int fd;

	(void)snprintf(file, sizeof(file), "%s/%s", dir, name);
	fd = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, len), (ssize_t)len);
	(void)close(fd);
}

static void put(const char *name, const char *text)
{
	write_as(name, text, strlen(text));
}

static void forget(void)
{
	unsigned i;

	for (i = 0; i < policy.nr_files; i++)
		free(policy.files[i]);
	memset(&policy, 0, sizeof(policy));
}

static void setup(void)
{
	forget();
	(void)snprintf(dir, sizeof(dir), "/tmp/ringfence-parse-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	(void)snprintf(path, sizeof(path), "%s/p.policy", dir);
}

static void finish(void)
{
	static const char *const names[] = { "p.policy", "a.policy",
					     "b.policy" };
	char file[64];
	size_t i;

	for (i = 0; i < RF_ARRAY_LEN(names); i++) {
		(void)snprintf(file, sizeof(file), "%s/%s", dir, names[i]);
		(void)unlink(file);
	}
	(void)rmdir(dir);
	forget();
}

static void parse_it(void *arg)
{
	policyc_parse(arg, path);
}

static const char *fails(const char *text)
{
	put("p.policy", text);
	return rig_try(parse_it, &policy);
}

static void parses(const char *text)
{
	ck_assert_str_eq(fails(text), "");
	parse_it(&policy);
}

START_TEST(rules_are_sorted_by_call_and_else_as_written)
{
	setup();
	parses(HEAD "write: fd == 2  # log\n"
		    "\n"
		    "  # a line that only says something\n"
		    "close # all: of them\r\n"
		    "\twrite: fd == 1\t# console\n"
		    "futex# no blank");
	ck_assert_uint_eq(policy.nr_rules, 4);
	ck_assert_str_eq(policy.rules[0].syscall, "close");
	ck_assert_str_eq(policy.rules[0].why, "all: of them");
	ck_assert_int_eq(policy.rules[0].nr, SYS_close);
	ck_assert_uint_eq(policy.rules[0].nr_conds, 0);
	ck_assert_str_eq(policy.rules[1].syscall, "futex");
	ck_assert_str_eq(policy.rules[2].text, "fd == 2");
	ck_assert_str_eq(policy.rules[3].text, "fd == 1");
	ck_assert_int_eq(policy.rules[3].at.line, 6);
	ck_assert_uint_eq(policyc_nr_syscalls(&policy, true), 3);
	finish();
}
END_TEST

static const struct {
	const char *text;
	int line;
	const char *why;
} bad[] = {
	{ "", 0, "no default" },
	{ "close # x\n", 0, "no default" },
	{ HEAD, 0, "no rule" },
	{ HEAD HEAD "close # x\n", 2, "second default" },
	{ "default allow\n", 1, "unknown default 'allow'" },
	{ "default kill-process now\n", 1, "unknown default" },
	{ HEAD "close\n", 2, "no caller" },
	{ HEAD "close #\n", 2, "no caller" },
	{ HEAD "close # \t \n", 2, "no caller" },
	{ HEAD "close: # x\n", 2, "no condition after the colon" },
	{ HEAD ": fd == 1 # x\n", 2, "no statement and no syscall" },
	{ HEAD "clsoe # x\n", 2, "unknown syscall 'clsoe'" },
	/* Known to the library, but a number of another architecture. */
	{ HEAD "socketcall # x\n", 2, "unknown syscall 'socketcall'" },
	{ HEAD "Default close # x\n", 2, "unknown statement" },
	{ HEAD "allow close # x\n", 2, "unknown statement 'allow close'" },
	{ HEAD "close fd == 1 # x\n", 2, "unknown statement" },
	{ HEAD "close: fd == 1: # x\n", 2, "is too much" },
	{ HEAD "at-most\n", 2, "unknown syscall" },
	{ HEAD "at-most 0\n", 2, "at-most wants a number" },
	{ HEAD "at-most -1\n", 2, "at-most wants a number" },
	{ HEAD "at-most 257\n", 2, "at-most wants a number" },
	{ HEAD "at-most 5x\n", 2, "at-most wants a number" },
	{ HEAD "at-most 99999999999999999999\n", 2, "at-most wants a number" },
	{ HEAD "at-most 5\nat-most 6\n", 3, "at-most belongs once" },
	{ HEAD "at-most 1\nread # x\nwrite # x\n", 2, "2 syscalls, at most 1" },
	{ HEAD "include nowhere.policy\n", 2, "No such file" },
	{ HEAD "include ../a.policy\n", 2, "one file beside" },
	{ HEAD "include /etc/passwd\n", 2, "one file beside" },
	{ HEAD "include a.policy b.policy\n", 2, "one file beside" },
	{ HEAD "include p.policy\n", 2, "included again" },
	{ HEAD "include-if SANITIZED\n", 2, "wants a condition and a file" },
	{ HEAD "include-if DEBUG a.policy\n", 2, "unknown condition 'DEBUG'" },
};

START_TEST(lines_that_are_not_understood_whole_are_refused)
{
	char place[32];
	size_t i;

	setup();
	for (i = 0; i < RF_ARRAY_LEN(bad); i++) {
		const char *said = fails(bad[i].text);

		(void)snprintf(place, sizeof(place),
			       "p.policy:%d: ", bad[i].line);
		rig_says(said, place);
		rig_says(said, bad[i].why);
	}
	finish();
}
END_TEST

static const struct {
	const char *first, *second;
} idle[] = {
	{ "close # x", "close # y" },
	{ "close # x", "close: fd == 3 # y" },
	{ "close: fd == 3 # x", "close # y" },
	{ "close: fd == 3 # x", "close: arg0 == 3 # y" },
	{ "close: fd <= 9 # x", "close: fd == 9 # y" },
	{ "close: fd <= 9 # x", "close: fd <= 8 # y" },
	{ "close: fd <= 9 # x", "close: fd <= 9 # y" },
	{ "close: fd in RF_FD_KICKS # x", "close: fd == 63 # y" },
	{ "close: fd in 32..63 # x", "close: fd in 40..47 # y" },
	{ "mmap: prot & 4 == 0 # x", "mmap: prot & 6 == 0 # y" },
	{ "mmap: prot & 4 == 0 # x", "mmap: prot == 3 # y" },
	{ "mmap: prot == 1 # x", "mmap: prot == 1, fd == 5 # y" },
};

static const struct {
	const char *first, *second;
} useful[] = {
	{ "close: fd == 3 # x", "close: fd == 4 # y" },
	{ "close: fd <= 9 # x", "close: fd == 10 # y" },
	{ "close: fd in RF_FD_KICKS # x", "close: fd == 64 # y" },
	{ "close: fd in 32..63 # x", "close: fd in 64..127 # y" },
	/* They overlap, but neither is a case of the other. */
	{ "close: fd <= 40 # x", "close: fd in RF_FD_KICKS # y" },
	{ "mmap: prot & 4 == 0 # x", "mmap: prot & 4 == 4 # y" },
	{ "mmap: prot & 4 == 0 # x", "mmap: prot & 2 == 0 # y" },
	{ "mmap: prot == 1 # x", "mmap: fd == 1 # y" },
	{ "mmap: prot == 1, fd == 5 # x", "mmap: prot == 1, fd == 6 # y" },
	{ "close # x", "dup # y" },
};

static void two_rules(char text[512], const char *first, const char *second)
{
	(void)snprintf(text, 512, HEAD "%s\n%s\n", first, second);
}

START_TEST(a_rule_that_another_makes_idle_is_refused)
{
	char text[512];
	size_t i;

	setup();
	for (i = 0; i < RF_ARRAY_LEN(idle); i++) {
		two_rules(text, idle[i].first, idle[i].second);
		rig_says(fails(text), "p.policy:3: duplicate rule: ");
		/* In either order. */
		two_rules(text, idle[i].second, idle[i].first);
		rig_says(fails(text), "p.policy:3: duplicate rule: ");
	}
	for (i = 0; i < RF_ARRAY_LEN(useful); i++) {
		two_rules(text, useful[i].first, useful[i].second);
		ck_assert_str_eq(fails(text), "");
		two_rules(text, useful[i].second, useful[i].first);
		ck_assert_str_eq(fails(text), "");
	}
	finish();
}
END_TEST

START_TEST(what_is_included_counts_as_written)
{
	setup();
	put("a.policy", "include b.policy\nread # a\n");
	put("b.policy", "write # b\n");
	parses(HEAD "include a.policy\nclose # p\n");
	ck_assert_uint_eq(policy.nr_rules, 3);
	ck_assert_uint_eq(policy.nr_files, 3);
	ck_assert_ptr_nonnull(strstr(policy.rules[2].at.file, "/b.policy"));
	ck_assert_int_eq(policy.rules[2].at.line, 1);
	forget();
	put("b.policy", "include a.policy\n");
	rig_says(fails(HEAD "include a.policy\n"), "b.policy:1: ");
	rig_says(rig_message, "a loop");
	put("a.policy", HEAD);
	rig_says(fails(HEAD "include a.policy\n"), "a.policy:1: a file that "
						   "is included cannot");
	put("a.policy", "at-most 3\n");
	rig_says(fails(HEAD "include a.policy\n"), "a.policy:1: at-most "
						   "belongs once");
	put("a.policy", "close # a\n");
	rig_says(fails(HEAD "include a.policy\nclose # p\n"),
		 "p.policy:3: duplicate");
	finish();
}
END_TEST

START_TEST(rules_of_another_build_come_only_with_it)
{
	static const char text[] = HEAD "at-most 2\n"
					"close: fd == 3 # p\n"
					"read # p\n"
					"include-if SANITIZED a.policy\n";

	setup();
	put("a.policy", "close # a\nread: fd == 1 # a\nfutex # a\n");
	parses(text);
	ck_assert_uint_eq(policy.nr_rules, 2);
	finish();
	setup();
	policy.defines[policy.nr_defines++] = "SANITIZED";
	put("a.policy", "close # a\nread: fd == 1 # a\nfutex # a\n");
	parses(text);
	/* Of two the wider stays, and they do not count for at-most. */
	ck_assert_uint_eq(policy.nr_rules, 3);
	ck_assert_str_eq(policy.rules[0].syscall, "close");
	ck_assert_uint_eq(policy.rules[0].nr_conds, 0);
	ck_assert(policy.rules[0].conditional);
	ck_assert_str_eq(policy.rules[2].syscall, "read");
	ck_assert_uint_eq(policy.rules[2].nr_conds, 0);
	ck_assert(!policy.rules[2].conditional);
	ck_assert_uint_eq(policyc_nr_syscalls(&policy, true), 3);
	ck_assert_uint_eq(policyc_nr_syscalls(&policy, false), 1);
	finish();
}
END_TEST

START_TEST(lines_names_and_rules_are_taken_up_to_their_room)
{
	static char text[65536];
	static char fill[POLICYC_LINE_BYTES + 1];
	size_t len;
	unsigned i;

	setup();
	/* A comment that fills the line, and one byte more. */
	memset(fill, 'x', sizeof(fill) - 1);
	(void)snprintf(text, sizeof(text), "close # x\n# %.508s\n%s", fill,
		       HEAD);
	ck_assert_str_eq(fails(text), "");
	(void)snprintf(text, sizeof(text), "# %.509s\n%s", fill, HEAD);
	rig_says(fails(text), "p.policy:1: line longer than 510 bytes");
	memset(text, 'c', 100);
	memcpy(text + 100, " # x\n", 6);
	rig_says(fails(text), "is too long");
	len = (size_t)snprintf(text, sizeof(text), "%s", HEAD);
	for (i = 0; i <= POLICYC_RULES_MAX; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len,
					"close: fd == %u # x\n", 1000 + i);
	rig_says(fails(text), "p.policy:258: more than 256 rules");
	finish();
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		rules_are_sorted_by_call_and_else_as_written,
		lines_that_are_not_understood_whole_are_refused,
		a_rule_that_another_makes_idle_is_refused,
		what_is_included_counts_as_written,
		rules_of_another_build_come_only_with_it,
		lines_names_and_rules_are_taken_up_to_their_room,
	};

	return unit_run("parse", tests, RF_ARRAY_LEN(tests));
}
