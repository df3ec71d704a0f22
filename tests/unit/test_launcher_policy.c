/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * test_launcher_policy.c - twin of src/launcher/policy.c: BPF in words
 */
#include <string.h>

#include <ringfence/policy.h>

#include "launcher/policy.h"
#include "unit/unit.h"

static const char *words(struct sock_filter in, unsigned at)
{
	static char out[96];

	policy_disassemble(&in, at, out, sizeof(out));
	return out;
}

START_TEST(instructions_are_told_with_their_targets)
{
	ck_assert_str_eq(
		words((struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 4),
		      0),
		"load data[4]");
	ck_assert_str_eq(words((struct sock_filter)BPF_JUMP(
				       BPF_JMP | BPF_JEQ | BPF_K, 0x29, 0, 7),
			       10),
			 "if == 0x29 go to 11 else 18");
	ck_assert_str_eq(
		words((struct sock_filter)BPF_STMT(BPF_JMP | BPF_JA, 3), 5),
		"go to 9");
	ck_assert_str_eq(
		words((struct sock_filter)BPF_STMT(BPF_RET | BPF_K, 0x7fff0000),
		      0),
		"return allow");
	ck_assert_str_eq(
		words((struct sock_filter)BPF_STMT(BPF_RET | BPF_K, 0x80000000),
		      0),
		"return kill-process");
}
END_TEST

START_TEST(an_instruction_we_do_not_know_is_shown_as_numbers)
{
	ck_assert_str_eq(words((struct sock_filter){ 0xffff, 1, 2, 3 }, 0),
			 "code 0xffff, jt 1, jf 2, k 0x3");
	ck_assert_str_eq(policy_verdict(0x7ffc0000), "something else");
}
END_TEST

START_TEST(every_instruction_of_our_policies_has_words)
{
	static const struct rf_policy *const all[] = {
		&rf_policy_blk, &rf_policy_blk_sealed, &rf_policy_blk_uring,
		&rf_policy_vmm, &rf_policy_vcpu,       &rf_policy_launcher,
	};
	size_t i;
	unsigned j;

	for (i = 0; i < RF_ARRAY_LEN(all); i++) {
		ck_assert_uint_gt(all[i]->filter_len, 0);
		for (j = 0; j < all[i]->filter_len; j++)
			ck_assert_ptr_null(
				strstr(words(all[i]->filter[j], j), "code"));
	}
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		instructions_are_told_with_their_targets,
		an_instruction_we_do_not_know_is_shown_as_numbers,
		every_instruction_of_our_policies_has_words,
	};

	return unit_run("launcher_policy", tests, RF_ARRAY_LEN(tests));
}
