/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * test_policyc.c - the compiler of policies, as the build runs it
 *
 * Side:    test, outside of any fence.
 * Owns:    a scratch directory, removed at the end.
 * Callers: ctest.
 * Never:   looks into the compiler: it gives it files and reads its words.
 */
#include <fcntl.h>
#include <spawn.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <ringfence/policy.h>

#include "unit/unit.h"

static char dir[] = "/tmp/test_policyc.XXXXXX";

static const char *path_of(const char *name)
{
	static char paths[4][128];
	static unsigned next;
	char *path = paths[next++ % RF_ARRAY_LEN(paths)];

	(void)snprintf(path, sizeof(paths[0]), "%s/%s", dir, name);
	return path;
}

static void write_file(const char *name, const char *text)
{
	FILE *file = fopen(path_of(name), "we");

	ck_assert_ptr_nonnull(file);
	ck_assert_int_ge(fputs(text, file), 0);
	ck_assert_int_eq(fclose(file), 0);
}

static const char *read_file(const char *name)
{
	static char text[65536];
	FILE *file = fopen(path_of(name), "re");
	size_t len;

	if (!file)
		return NULL;
	len = fread(text, 1, sizeof(text) - 1, file);
	ck_assert_int_eq(fclose(file), 0);
	text[len] = '\0';
	return text;
}

/* Its exit status; what it said is in the file "err". */
static int run(char *const argv[])
{
	posix_spawn_file_actions_t files;
	int status;
	pid_t pid;

	ck_assert_int_eq(posix_spawn_file_actions_init(&files), 0);
	ck_assert_int_eq(posix_spawn_file_actions_addopen(
				 &files, 2, path_of("err"),
				 O_WRONLY | O_CREAT | O_TRUNC, 0600),
			 0);
	ck_assert_int_eq(
		posix_spawn(&pid, RF_TEST_POLICYC, &files, NULL, argv, environ),
		0);
	posix_spawn_file_actions_destroy(&files);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int compile(const char *name, bool sanitized)
{
	char *argv[] = { (char[]){ "policyc" },
			 (char[]){ "-o" },
			 strdup(path_of("out.c")),
			 (char[]){ "-d" },
			 strdup(path_of("out.d")),
			 strdup(path_of(name)),
			 NULL,
			 NULL };
	char define[] = "-DSANITIZED";
	int status;

	if (sanitized)
		argv[6] = define;
	(void)unlink(path_of("out.c"));
	(void)unlink(path_of("out.d"));
	status = run(argv);
	free(argv[2]);
	free(argv[4]);
	free(argv[5]);
	return status;
}

/* The compiler refuses `text` at this line of this file with these words, and
 * leaves no output that a build could go on with. */
static void refused_in(const char *file, int line, const char *words)
{
	char place[160];
	const char *said;

	ck_assert_int_eq(compile("t.policy", false), 1);
	(void)snprintf(place, sizeof(place), "%s:%d: ", path_of(file), line);
	said = read_file("err");
	ck_assert_msg(!strncmp(said, place, strlen(place)),
		      "'%s' does not begin with '%s'", said, place);
	ck_assert_msg(strstr(said, words) != NULL, "'%s' lacks '%s'", said,
		      words);
	ck_assert_ptr_null(read_file("out.c"));
}

static void refused(const char *text, int line, const char *words)
{
	write_file("t.policy", text);
	refused_in("t.policy", line, words);
}

static const char *accepted(const char *text)
{
	write_file("t.policy", text);
	if (compile("t.policy", false))
		ck_abort_msg("refused: %s", read_file("err"));
	return read_file("out.c");
}

#define HEAD "default kill-process\n"

START_TEST(rule_becomes_a_row_with_text_caller_and_line)
{
	const char *c = accepted(HEAD "# a remark\n\n"
				      "read: fd == 3, count <= 8 # x.c: y()\n");

	ck_assert_ptr_nonnull(strstr(c, "rf_policy_t = {"));
	ck_assert_ptr_nonnull(strstr(c, ".syscall = \"read\", .nr = 0"));
	ck_assert_ptr_nonnull(strstr(c, ".text = \"fd == 3, count <= 8\""));
	ck_assert_ptr_nonnull(strstr(c, ".why = \"x.c: y()\""));
	ck_assert_ptr_nonnull(strstr(c, ".file = \"t.policy\", .line = 4"));
	ck_assert_ptr_nonnull(strstr(c, "{ 0, 0, 0x0ull, 0x3ull }"));
	ck_assert_ptr_nonnull(strstr(c, "{ 2, 2, 0x0ull, 0x8ull }"));
	ck_assert_ptr_nonnull(strstr(c, ".nr_syscalls = 1"));
}
END_TEST

START_TEST(dots_of_a_name_become_underscores)
{
	const char *c;

	write_file("a.b.policy", HEAD "close # x.c\n");
	ck_assert_int_eq(compile("a.b.policy", false), 0);
	c = read_file("out.c");
	ck_assert_ptr_nonnull(strstr(c, "rf_policy_a_b = {"));
	ck_assert_ptr_nonnull(strstr(c, ".name = \"a.b\""));
}
END_TEST

START_TEST(rules_are_sorted_by_syscall_and_alternatives_counted_once)
{
	const char *c = accepted(HEAD "write: fd == 1 # a\n"
				      "close # b\n"
				      "write: fd == 2 # c\n");

	ck_assert_ptr_nonnull(strstr(c, ".nr_rules = 3"));
	ck_assert_ptr_nonnull(strstr(c, ".nr_syscalls = 2"));
	ck_assert(strstr(c, "\"close\"") < strstr(c, "fd == 1"));
	ck_assert(strstr(c, "fd == 1") < strstr(c, "fd == 2"));
}
END_TEST

START_TEST(masks_ranges_and_parentheses_have_their_values)
{
	const char *c = accepted(HEAD
				 "mmap: prot & ~(PROT_READ|PROT_WRITE) == 0, "
				 "flags == (MAP_SHARED | 0x10) # a\n"
				 "read: fd in RF_FD_KICKS # b\n"
				 "pread64: fd in 256..511 # c\n"
				 "lseek: arg0 & ~0 == 7 # d\n");

	ck_assert_ptr_nonnull(
		strstr(c, "{ 2, 1, 0xfffffffffffffffcull, 0x0ull }"));
	ck_assert_ptr_nonnull(strstr(c, "{ 3, 0, 0x0ull, 0x11ull }"));
	ck_assert_ptr_nonnull(
		strstr(c, "{ 0, 1, 0xffffffffffffffe0ull, 0x20ull }"));
	ck_assert_ptr_nonnull(
		strstr(c, "{ 0, 1, 0xffffffffffffff00ull, 0x100ull }"));
	/* A mask of all bits is equality. */
	ck_assert_ptr_nonnull(strstr(c, "{ 0, 0, 0x0ull, 0x7ull }"));
}
END_TEST

START_TEST(include_brings_rules_of_a_file_beside)
{
	const char *c;

	write_file("inc.policy", "close # from inc\n");
	c = accepted(HEAD "include inc.policy\nread # a\n");
	ck_assert_ptr_nonnull(strstr(c, ".file = \"inc.policy\", .line = 1"));
	c = read_file("out.d");
	ck_assert_ptr_nonnull(strstr(c, "/t.policy"));
	ck_assert_ptr_nonnull(strstr(c, "/inc.policy"));
}
END_TEST

START_TEST(conditional_include_is_read_only_in_its_build)
{
	write_file("inc.policy", "munmap # from inc\n");
	write_file("t.policy",
		   HEAD "include-if SANITIZED inc.policy\nread # a\n");
	ck_assert_int_eq(compile("t.policy", false), 0);
	ck_assert_ptr_null(strstr(read_file("out.c"), "munmap"));
	ck_assert_int_eq(compile("t.policy", true), 0);
	ck_assert_ptr_nonnull(strstr(read_file("out.c"), "munmap"));
}
END_TEST

START_TEST(wider_rule_of_a_conditional_include_takes_the_narrower_in)
{
	const char *c;

	write_file("inc.policy", "read # wide\nwrite: fd == 2 # narrow\n");
	write_file("t.policy", HEAD "at-most 2\n"
				    "read: fd == 3 # before\n"
				    "include-if SANITIZED inc.policy\n"
				    "write # after\n"
				    "read: fd == 4 # after\n");
	ck_assert_int_eq(compile("t.policy", true), 0);
	c = read_file("out.c");
	ck_assert_ptr_nonnull(strstr(c, "\"wide\""));
	ck_assert_ptr_null(strstr(c, "before"));
	ck_assert_ptr_null(strstr(c, "narrow"));
	ck_assert_ptr_nonnull(strstr(c, ".nr_rules = 2"));
}
END_TEST

START_TEST(what_a_conditional_include_adds_does_not_count_as_ours)
{
	write_file("inc.policy", "munmap # a\nbrk # b\n");
	write_file("t.policy", HEAD "at-most 1\n"
				    "include-if SANITIZED inc.policy\n"
				    "read # a\n");
	ck_assert_int_eq(compile("t.policy", true), 0);
	refused(HEAD "at-most 1\ninclude inc.policy\n", 2,
		"2 syscalls, at most 1");
}
END_TEST

START_TEST(policy_without_a_default_is_refused)
{
	refused("read # a\n", 0, "no default");
}
END_TEST

START_TEST(second_default_is_refused)
{
	refused(HEAD "read # a\ndefault kill-process\n", 3, "second default");
}
END_TEST

START_TEST(default_in_an_included_file_is_refused)
{
	write_file("inc.policy", "read # a\ndefault kill-process\n");
	write_file("t.policy", "include inc.policy\n");
	refused_in("inc.policy", 2, "cannot have a default");
}
END_TEST

START_TEST(any_other_default_is_refused)
{
	refused("default allow\nread # a\n", 1, "unknown default 'allow'");
	refused("default kill\nread # a\n", 1, "unknown default 'kill'");
}
END_TEST

START_TEST(policy_without_a_rule_is_refused)
{
	refused(HEAD, 0, "no rule");
}
END_TEST

START_TEST(unknown_syscall_is_refused)
{
	refused(HEAD "raed # a\n", 2, "unknown syscall 'raed'");
	refused(HEAD "read2: fd == 1 # a\n", 2, "unknown syscall 'read2'");
	/* Known to libseccomp, but of other architectures. */
	refused(HEAD "socketcall # a\n", 2, "unknown syscall 'socketcall'");
	refused(HEAD "mmap2 # a\n", 2, "unknown syscall 'mmap2'");
}
END_TEST

START_TEST(rule_without_its_caller_is_refused)
{
	refused(HEAD "read\n", 2, "no caller");
	refused(HEAD "read #   \n", 2, "no caller");
	refused(HEAD "read: fd == 3\n", 2, "no caller");
}
END_TEST

START_TEST(unknown_constant_is_refused)
{
	refused(HEAD "read: fd == RF_FD_IMAGE # a\n", 2,
		"unknown constant 'RF_FD_IMAGE'");
	refused(HEAD "read: fd == rf_fd_log # a\n", 2, "unknown constant");
}
END_TEST

START_TEST(unknown_argument_is_refused)
{
	refused(HEAD "read: file == 3 # a\n", 2, "read has no argument 'file'");
	refused(HEAD "read: arg6 == 3 # a\n", 2, "read has no argument 'arg6'");
	refused(HEAD "read: arg10 == 3 # a\n", 2, "has no argument 'arg10'");
	/* A name of another syscall's argument. */
	refused(HEAD "read: prot == 3 # a\n", 2, "has no argument 'prot'");
}
END_TEST

START_TEST(same_rule_twice_is_refused)
{
	refused(HEAD "read # a\nread # b\n", 3, "duplicate rule");
	refused(HEAD "read: fd == 3 # a\nwrite # w\nread: fd == 3 # b\n", 4,
		"duplicate rule");
	refused(HEAD "read: fd == 3, count == 8 # a\n"
		     "read: count == 8, fd == 0x3 # b\n",
		3, "duplicate rule");
}
END_TEST

START_TEST(rule_that_another_covers_is_refused)
{
	refused(HEAD "read # a\nread: fd == 3 # b\n", 3, "duplicate rule");
	refused(HEAD "read: fd == 3 # a\nread # b\n", 3, "duplicate rule");
	refused(HEAD "read: fd == 3 # a\nread: fd == 3, count == 8 # b\n", 3,
		"duplicate rule");
	refused(HEAD "read: fd in RF_FD_KICKS # a\nread: fd == 40 # b\n", 3,
		"duplicate rule");
	refused(HEAD "read: count <= 8 # a\nread: count == 8 # b\n", 3,
		"duplicate rule");
	refused(HEAD "read: count <= 4 # a\nread: count <= 8 # b\n", 3,
		"duplicate rule");
	refused(HEAD "read: fd & 3 == 3 # a\nread: fd & 7 == 7 # b\n", 3,
		"duplicate rule");
}
END_TEST

START_TEST(rules_that_only_overlap_are_alternatives)
{
	(void)accepted(HEAD "read: fd == 3 # a\nread: count == 8 # b\n");
	(void)accepted(HEAD "read: fd in RF_FD_KICKS # a\n"
			    "read: fd == 64 # b\n");
	(void)accepted(HEAD "read: fd & 3 == 3 # a\nread: fd & 6 == 6 # b\n");
	(void)accepted(HEAD "read: count <= 8 # a\nread: count == 9 # b\n");
}
END_TEST

START_TEST(argument_judged_twice_in_a_rule_is_refused)
{
	refused(HEAD "read: fd == 3, fd == 4 # a\n", 2, "judged twice");
	refused(HEAD "read: fd == 3, arg0 <= 4 # a\n", 2, "judged twice");
}
END_TEST

START_TEST(condition_that_is_always_or_never_true_is_refused)
{
	refused(HEAD "read: fd & 0 == 0 # a\n", 2, "always true");
	refused(HEAD "read: fd & 4 == 3 # a\n", 2, "never true");
}
END_TEST

START_TEST(range_that_is_no_single_mask_is_refused)
{
	refused(HEAD "read: fd in 1..4 # a\n", 2, "power of two");
	refused(HEAD "read: fd in 32..64 # a\n", 2, "power of two");
	refused(HEAD "read: fd in 8..7 # a\n", 2, "power of two");
	refused(HEAD "read: fd in 9..2 # a\n", 2, "power of two");
	refused(HEAD "read: fd in 32 # a\n", 2, "FIRST..LAST");
	refused(HEAD "read: fd in RF_FD_LOG # a\n", 2, "unknown range");
}
END_TEST

START_TEST(broken_condition_is_refused)
{
	refused(HEAD "read: # a\n", 2, "no condition");
	refused(HEAD "read: fd # a\n", 2, "wants ==");
	refused(HEAD "read: fd = 3 # a\n", 2, "wants ==");
	refused(HEAD "read: fd >= 3 # a\n", 2, "wants ==");
	refused(HEAD "read: fd == # a\n", 2, "name is missing");
	refused(HEAD "read: fd == 3, # a\n", 2, "name is missing");
	refused(HEAD "read: fd == 3 4 # a\n", 2, "too much");
	refused(HEAD "read: fd == (3 # a\n", 2, "')' is missing");
	refused(HEAD "read: fd & 3 # a\n", 2, "'==' is missing");
	refused(HEAD "read: == 3 # a\n", 2, "name is missing");
	refused(HEAD "read: fd == -1 # a\n", 2, "name is missing");
	refused(HEAD "read: fd == 3 || 4 # a\n", 2, "name is missing");
}
END_TEST

START_TEST(broken_number_is_refused)
{
	refused(HEAD "read: fd == 3x # a\n", 2, "'3x' is no number");
	refused(HEAD "read: fd == 0x # a\n", 2, "is no number");
	refused(HEAD "read: fd == 0xfg # a\n", 2, "is no number");
	refused(HEAD "read: fd == 99999999999999999999 # a\n", 2,
		"is no number");
	refused(HEAD "read: fd == 0x11112222333344445 # a\n", 2,
		"is no number");
}
END_TEST

START_TEST(unknown_statement_is_refused)
{
	refused(HEAD "allow read # a\n", 2, "unknown statement 'allow read'");
	refused(HEAD "read fd == 3 # a\n", 2, "unknown statement");
	refused(HEAD ": fd == 3 # a\n", 2, "no statement and no syscall");
}
END_TEST

START_TEST(include_of_a_missing_file_names_who_wants_it)
{
	(void)unlink(path_of("inc.policy"));
	refused(HEAD "read # a\ninclude inc.policy\n", 3, "No such file");
}
END_TEST

START_TEST(include_outside_of_the_folder_is_refused)
{
	refused(HEAD "include ../inc.policy\n", 2, "beside this one");
	refused(HEAD "include a b\n", 2, "beside this one");
	refused(HEAD "include-if SANITIZED\n", 2, "a condition and a file");
}
END_TEST

START_TEST(loop_of_includes_is_refused)
{
	write_file("inc.policy", "read # a\ninclude t.policy\n");
	write_file("t.policy", HEAD "include inc.policy\n");
	refused_in("inc.policy", 2, "a loop");
	write_file("inc.policy", "include inc.policy\n");
	refused_in("inc.policy", 1, "a loop");
}
END_TEST

START_TEST(unknown_condition_of_an_include_is_refused)
{
	write_file("inc.policy", "read # a\n");
	refused(HEAD "include-if SANITISED inc.policy\n", 2,
		"unknown condition 'SANITISED'");
}
END_TEST

START_TEST(policy_that_outgrew_its_limit_is_refused)
{
	refused(HEAD "at-most 1\nread # a\nclose # b\n", 2,
		"2 syscalls, at most 1 allowed");
	(void)accepted(HEAD "at-most 1\nread: fd == 1 # a\n"
			    "read: fd == 2 # b\n");
	refused(HEAD "at-most none\nread # a\n", 2, "wants a number");
	refused(HEAD "at-most 0\nread # a\n", 2, "wants a number");
	refused(HEAD "at-most 2\nat-most 3\nread # a\n", 3, "once");
}
END_TEST

START_TEST(caller_has_the_room_of_its_row_and_no_more)
{
	char line[256];
	const int room = (int)sizeof(((struct rf_policy_rule *)0)->why) - 1;

	(void)snprintf(line, sizeof(line), HEAD "close # %.*d\n", room + 1, 0);
	refused(line, 2, "is too long");
	(void)snprintf(line, sizeof(line), HEAD "close # %.*d\n", room, 0);
	(void)accepted(line);
}
END_TEST

START_TEST(line_that_is_too_long_is_refused)
{
	char text[2048];
	int n = snprintf(text, sizeof(text), HEAD "read # %0900d\n", 1);

	ck_assert_int_lt(n, (int)sizeof(text));
	refused(text, 2, "line longer than");
}
END_TEST

START_TEST(file_of_another_name_is_refused)
{
	char *argv[] = { (char[]){ "policyc" }, (char[]){ "-o" },
			 strdup(path_of("out.c")), strdup(path_of("t.txt")),
			 NULL };

	write_file("t.txt", HEAD "read # a\n");
	ck_assert_int_eq(run(argv), 1);
	ck_assert_ptr_nonnull(strstr(read_file("err"), "called NAME.policy"));
	free(argv[2]);
	free(argv[3]);
}
END_TEST

START_TEST(wrong_use_exits_2)
{
	char *argv[] = { (char[]){ "policyc" }, NULL };

	ck_assert_int_eq(run(argv), 2);
	ck_assert_ptr_nonnull(strstr(read_file("err"), "usage:"));
}
END_TEST

static void remove_scratch(void)
{
	static const char *const names[] = { "t.policy",   "inc.policy",
					     "a.b.policy", "t.txt",
					     "err",	   "out.c",
					     "out.d" };
	size_t i;

	for (i = 0; i < RF_ARRAY_LEN(names); i++)
		(void)unlink(path_of(names[i]));
	(void)rmdir(dir);
}

int main(void)
{
	const TTest *const tests[] = {
		rule_becomes_a_row_with_text_caller_and_line,
		dots_of_a_name_become_underscores,
		rules_are_sorted_by_syscall_and_alternatives_counted_once,
		masks_ranges_and_parentheses_have_their_values,
		include_brings_rules_of_a_file_beside,
		conditional_include_is_read_only_in_its_build,
		wider_rule_of_a_conditional_include_takes_the_narrower_in,
		what_a_conditional_include_adds_does_not_count_as_ours,
		policy_without_a_default_is_refused,
		second_default_is_refused,
		default_in_an_included_file_is_refused,
		any_other_default_is_refused,
		policy_without_a_rule_is_refused,
		unknown_syscall_is_refused,
		rule_without_its_caller_is_refused,
		unknown_constant_is_refused,
		unknown_argument_is_refused,
		same_rule_twice_is_refused,
		rule_that_another_covers_is_refused,
		rules_that_only_overlap_are_alternatives,
		argument_judged_twice_in_a_rule_is_refused,
		condition_that_is_always_or_never_true_is_refused,
		range_that_is_no_single_mask_is_refused,
		broken_condition_is_refused,
		broken_number_is_refused,
		unknown_statement_is_refused,
		include_of_a_missing_file_names_who_wants_it,
		include_outside_of_the_folder_is_refused,
		loop_of_includes_is_refused,
		unknown_condition_of_an_include_is_refused,
		policy_that_outgrew_its_limit_is_refused,
		caller_has_the_room_of_its_row_and_no_more,
		line_that_is_too_long_is_refused,
		file_of_another_name_is_refused,
		wrong_use_exits_2,
	};
	int status;

	if (!mkdtemp(dir))
		return EXIT_FAILURE;
	status = unit_run("policyc", tests, RF_ARRAY_LEN(tests));
	remove_scratch();
	return status;
}
