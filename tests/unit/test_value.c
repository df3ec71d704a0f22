/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * test_value.c - twin of seccomp/tool/value.c: conditions that mean one thing,
 * and those that mean none
 */
#include "unit/policyc_rig.h"

static struct policyc_rule rule;

static void new_rule(const char *syscall)
{
	memset(&rule, 0, sizeof(rule));
	rule.at = (struct policyc_at){ "x.policy", 7 };
	(void)snprintf(rule.syscall, sizeof(rule.syscall), "%s", syscall);
}

static void read_text(void *arg)
{
	policyc_conditions(&rule, arg);
}

static const char *fails(const char *syscall, const char *text)
{
	new_rule(syscall);
	return rig_try(read_text, (void *)(uintptr_t)text);
}

static const struct {
	const char *syscall, *text;
	struct rf_policy_cond cond;
} good[] = {
	{ "close", "fd == 3", { 0, RF_POLICY_EQ, 0, 3 } },
	{ "close", "fd==3", { 0, RF_POLICY_EQ, 0, 3 } },
	{ "close", "  fd \t== RF_FD_CONTROL ", { 0, RF_POLICY_EQ, 0, 3 } },
	{ "read", "count <= 0x10", { 2, RF_POLICY_LE, 0, 16 } },
	/* Decimal: nobody means octal. */
	{ "read", "count <= 010", { 2, RF_POLICY_LE, 0, 10 } },
	{ "mmap", "prot & PROT_EXEC == 0", { 2, RF_POLICY_MASKED_EQ, 4, 0 } },
	{ "mmap",
	  "prot & ~(PROT_READ | PROT_WRITE) == 0",
	  { 2, RF_POLICY_MASKED_EQ, ~UINT64_C(3), 0 } },
	{ "mmap",
	  "prot & 7 == PROT_READ|PROT_WRITE",
	  { 2, RF_POLICY_MASKED_EQ, 7, 3 } },
	{ "mmap", "prot & ~~4 == 4", { 2, RF_POLICY_MASKED_EQ, 4, 4 } },
	/* A mask of all bits is a comparison. */
	{ "mmap", "prot & ~0 == 5", { 2, RF_POLICY_EQ, 0, 5 } },
	{ "close",
	  "fd in RF_FD_KICKS",
	  { 0, RF_POLICY_MASKED_EQ, ~UINT64_C(31), 32 } },
	{ "close", "fd in 8..15", { 0, RF_POLICY_MASKED_EQ, ~UINT64_C(7), 8 } },
	{ "close", "fd in 5..5", { 0, RF_POLICY_MASKED_EQ, UINT64_MAX, 5 } },
	{ "openat", "dirfd == AT_FDCWD", { 0, RF_POLICY_EQ, 0, -100 } },
};

START_TEST(a_condition_is_read_as_it_is_meant)
{
	size_t i;

	for (i = 0; i < RF_ARRAY_LEN(good); i++) {
		const struct rf_policy_cond *want = &good[i].cond;
		const struct rf_policy_cond *got = &rule.conds[0];

		ck_assert_str_eq(fails(good[i].syscall, good[i].text), "");
		policyc_conditions(&rule, good[i].text);
		ck_assert_uint_eq(rule.nr_conds, 1);
		ck_assert_msg(got->arg == want->arg && got->op == want->op &&
				      got->value == want->value &&
				      (got->op != RF_POLICY_MASKED_EQ ||
				       got->mask == want->mask),
			      "%s: arg %u op %d mask 0x%llx value 0x%llx",
			      good[i].text, got->arg, (int)got->op,
			      (unsigned long long)got->mask,
			      (unsigned long long)got->value);
	}
}
END_TEST

START_TEST(six_arguments_are_as_many_as_there_are)
{
	static const char six[] = "arg0 == 0, arg1 == 1, arg2 == 2, "
				  "arg3 == 3, arg4 == 4, arg5 == 5";
	unsigned i;

	ck_assert_str_eq(fails("futex", six), "");
	policyc_conditions(&rule, six);
	ck_assert_uint_eq(rule.nr_conds, 6);
	for (i = 0; i < 6; i++) {
		ck_assert_uint_eq(rule.conds[i].arg, i);
		ck_assert_uint_eq(rule.conds[i].value, i);
	}
	rig_says(fails("futex", "arg0 == 0, arg1 == 1, arg2 == 2, arg3 == 3, "
				"arg4 == 4, arg5 == 5, arg6 == 6"),
		 "has no argument 'arg6'");
}
END_TEST

static const struct {
	const char *syscall, *text, *why;
} bad[] = {
	{ "close", "", "a name is missing" },
	{ "close", "== 3", "a name is missing" },
	{ "close", "fd", "wants ==, <=, & or in" },
	{ "close", "fd = 3", "wants ==, <=, & or in" },
	{ "close", "fd >= 3", "wants ==, <=, & or in" },
	{ "close", "fd < 3", "wants ==, <=, & or in" },
	{ "close", "fd != 3", "wants ==, <=, & or in" },
	{ "close", "fd inRF_FD_KICKS", "wants ==, <=, & or in" },
	{ "close", "count == 3", "close has no argument 'count'" },
	{ "close", "fd == 3, fd == 4", "'fd' is judged twice" },
	/* By its other name it is the same argument. */
	{ "close", "fd == 3, arg0 == 4", "'arg0' is judged twice" },
	{ "close", "fd == 3,", "a name is missing" },
	{ "close", "fd == 3 fd == 4", "'fd == 4' is too much" },
	{ "close", "fd == 3)", "')' is too much" },
	{ "close", "fd == (3", "')' is missing" },
	{ "close", "fd == ()", "a name is missing" },
	{ "close", "fd == 3 |", "a name is missing" },
	{ "close", "fd == -1", "a name is missing" },
	{ "close", "fd == 3x", "'3x' is no number" },
	{ "close", "fd == 0x", "'0x' is no number" },
	{ "close", "fd == 0X10", "is no number" },
	{ "close", "fd == 1234567890123456789", "is no number" },
	{ "close", "fd == 0x10000000000000000", "is no number" },
	{ "close", "fd == NO_SUCH", "unknown constant 'NO_SUCH'" },
	{ "mmap", "prot & 4", "'==' is missing" },
	{ "mmap", "prot & 4 <= 4", "'==' is missing" },
	{ "mmap", "prot & 0 == 0", "always true" },
	{ "mmap", "prot & 4 == 2", "never true" },
	{ "mmap", "prot & 4 == 6", "never true" },
	{ "close", "fd in RF_FD_LOG", "unknown range 'RF_FD_LOG'" },
	{ "close", "fd in 8", "a range is FIRST..LAST" },
	{ "close", "fd in 8.15", "a range is FIRST..LAST" },
	{ "close", "fd in 8..14", "power of two" },
	{ "close", "fd in 4..11", "power of two" },
	{ "close", "fd in 15..8", "power of two" },
	{ "close", "fd in 0..0xffffffffffffffff", "power of two" }, /* all */
	{ "close", "fd in 8..7", "power of two" }, /* none at all */
};

START_TEST(conditions_that_mean_nothing_are_refused_with_their_line)
{
	size_t i;

	for (i = 0; i < RF_ARRAY_LEN(bad); i++) {
		const char *said = fails(bad[i].syscall, bad[i].text);

		ck_assert_msg(strncmp(said, "x.policy:7: ", 12) == 0,
			      "%s: \"%s\"", bad[i].text, said);
		rig_says(said, bad[i].why);
	}
}
END_TEST

START_TEST(names_are_taken_up_to_their_room)
{
	char text[POLICYC_NAME_BYTES + 16];

	memset(text, 'a', sizeof(text));
	memcpy(text + POLICYC_NAME_BYTES - 1, " == 1", 6);
	rig_says(fails("close", text), "has no argument");
	memset(text, 'a', sizeof(text));
	memcpy(text + POLICYC_NAME_BYTES, " == 1", 6);
	rig_says(fails("close", text), "a name is missing before 'aaaa");
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		a_condition_is_read_as_it_is_meant,
		six_arguments_are_as_many_as_there_are,
		conditions_that_mean_nothing_are_refused_with_their_line,
		names_are_taken_up_to_their_room,
	};

	return unit_run("value", tests, RF_ARRAY_LEN(tests));
}
