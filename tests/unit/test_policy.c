/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * test_policy.c - the filters do what their tables say, call by call
 *
 * Two judges are held against each other: the rules (rf_policy_match), which
 * people read, and the BPF, which the kernel runs; here a small interpreter
 * runs it. Arguments are taken at and beside every boundary of every rule.
 *
 * Side:    test.
 * Owns:    the interpreter.
 * Callers: ctest.
 * Never:   uses a result of policyc but the finished tables.
 */
#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <ringfence/policy.h>

#include "unit/unit.h"

#define NR_MAX 600
#define X32_BIT 0x40000000
#define VALUES_MAX 256u

static const struct rf_policy *const policies[] = {
	&rf_policy_blk, &rf_policy_blk_sealed, &rf_policy_blk_uring,
	&rf_policy_vmm, &rf_policy_vcpu,       &rf_policy_launcher,
};

static uint32_t load_word(const struct seccomp_data *data, uint32_t offset)
{
	uint32_t word;

	ck_assert_uint_le(offset, sizeof(*data) - sizeof(word));
	ck_assert_uint_eq(offset % sizeof(word), 0);
	memcpy(&word, (const uint8_t *)data + offset, sizeof(word));
	return word;
}

static bool jumps(const struct sock_filter *f, uint32_t acc)
{
	switch (BPF_OP(f->code)) {
	case BPF_JEQ:
		return acc == f->k;
	case BPF_JGT:
		return acc > f->k;
	case BPF_JGE:
		return acc >= f->k;
	case BPF_JSET:
		return acc & f->k;
	default:
		ck_abort_msg("jump 0x%x", f->code);
	}
}

/* The verdict of the filter, as the kernel would reach it. */
static uint32_t interpret(const struct rf_policy *p,
			  const struct seccomp_data *data)
{
	uint32_t scratch[BPF_MEMWORDS] = { 0 };
	uint32_t acc = 0;
	size_t pc;

	for (pc = 0; pc < p->filter_len; pc++) {
		const struct sock_filter *f = &p->filter[pc];

		switch (BPF_CLASS(f->code)) {
		case BPF_LD:
			if (BPF_MODE(f->code) == BPF_ABS)
				acc = load_word(data, f->k);
			else if (BPF_MODE(f->code) == BPF_MEM)
				acc = scratch[f->k % BPF_MEMWORDS];
			else
				acc = f->k;
			break;
		case BPF_ST:
			scratch[f->k % BPF_MEMWORDS] = acc;
			break;
		case BPF_ALU:
			ck_assert_int_eq(f->code, BPF_ALU | BPF_AND | BPF_K);
			acc &= f->k;
			break;
		case BPF_JMP:
			if (BPF_OP(f->code) == BPF_JA)
				pc += f->k;
			else
				pc += jumps(f, acc) ? f->jt : f->jf;
			break;
		case BPF_RET:
			return f->k;
		default:
			ck_abort_msg("instruction 0x%x", f->code);
		}
	}
	ck_abort_msg("%s: ran off its end", p->name);
}

static uint32_t verdict(const struct rf_policy *p, uint32_t arch, int nr,
			const uint64_t args[6])
{
	struct seccomp_data data = { .nr = nr, .arch = arch };
	int i;

	for (i = 0; i < 6; i++)
		data.args[i] = args[i];
	return interpret(p, &data);
}

static unsigned nr_compared;

static void compare(const struct rf_policy *p, int nr, const uint64_t args[6])
{
	bool allowed = rf_policy_match(p, nr, args) >= 0;
	uint32_t want = allowed ? SECCOMP_RET_ALLOW : SECCOMP_RET_KILL_PROCESS;
	uint32_t got = verdict(p, AUDIT_ARCH_X86_64, nr, args);

	nr_compared++;
	if (got != want)
		ck_abort_msg("%s: %d(0x%llx, 0x%llx, 0x%llx, 0x%llx): filter "
			     "0x%x, table 0x%x",
			     p->name, nr, (unsigned long long)args[0],
			     (unsigned long long)args[1],
			     (unsigned long long)args[2],
			     (unsigned long long)args[3], got, want);
}

struct values {
	uint64_t v[VALUES_MAX];
	unsigned nr;
};

static void add_value(struct values *s, uint64_t value)
{
	unsigned i;

	for (i = 0; i < s->nr; i++)
		if (s->v[i] == value)
			return;
	ck_assert_uint_lt(s->nr, VALUES_MAX);
	s->v[s->nr++] = value;
}

/* At and beside the boundary, in the low and in the high half: an argument that
 * differs in the half the kernel ignores must not pass for equal. */
static void add_boundary(struct values *s, const struct rf_policy_cond *c)
{
	int bit;

	add_value(s, c->value);
	add_value(s, c->value + 1);
	add_value(s, c->value - 1);
	add_value(s, c->value | UINT64_C(1) << 32);
	add_value(s, c->value | UINT64_C(1) << 63);
	add_value(s, c->value & UINT32_MAX);
	add_value(s, ~c->value);
	if (c->op != RF_POLICY_MASKED_EQ)
		return;
	for (bit = 0; bit < 64; bit += bit < 12 ? 1 : 17)
		add_value(s, c->value ^ UINT64_C(1) << bit);
	add_value(s, c->value | ~c->mask);
}

static void collect(const struct rf_policy *p, int nr, struct values sets[6])
{
	unsigned i, j;

	for (i = 0; i < 6; i++) {
		sets[i].nr = 0;
		add_value(&sets[i], 0);
		add_value(&sets[i], UINT64_MAX);
		add_value(&sets[i], UINT32_MAX);
	}
	for (i = 0; i < p->nr_rules; i++)
		for (j = 0; p->rules[i].nr == nr && j < p->rules[i].nr_conds;
		     j++)
			add_boundary(&sets[p->rules[i].conds[j].arg],
				     &p->rules[i].conds[j]);
}

/* Arguments that the rule allows. */
static void satisfy(const struct rf_policy_rule *rule, uint64_t args[6])
{
	unsigned i;

	for (i = 0; i < 6; i++)
		args[i] = UINT64_C(0x5a5a00005a5a);
	for (i = 0; i < rule->nr_conds; i++)
		args[rule->conds[i].arg] = rule->conds[i].value;
}

/* One argument, and two at once, away from what the rule allows. */
static void vary(const struct rf_policy *p, int nr, const uint64_t base[6],
		 const struct values sets[6])
{
	unsigned a, b, i, j;
	uint64_t args[6];

	for (a = 0; a < 6; a++)
		for (i = 0; i < sets[a].nr; i++) {
			memcpy(args, base, sizeof(args));
			args[a] = sets[a].v[i];
			compare(p, nr, args);
			for (b = a + 1; b < 6; b++)
				for (j = 0; j < sets[b].nr; j++) {
					uint64_t saved = args[b];

					args[b] = sets[b].v[j];
					compare(p, nr, args);
					args[b] = saved;
				}
		}
}

static void hold_against(const struct rf_policy *p, int nr)
{
	static struct values sets[6];
	uint64_t args[6] = { 0 };
	unsigned i;

	collect(p, nr, sets);
	compare(p, nr, args);
	vary(p, nr, args, sets);
	for (i = 0; i < p->nr_rules; i++) {
		if (p->rules[i].nr != nr)
			continue;
		satisfy(&p->rules[i], args);
		ck_assert_int_ge(rf_policy_match(p, nr, args), 0);
		compare(p, nr, args);
		vary(p, nr, args, sets);
	}
}

START_TEST(filter_and_table_agree_on_every_call)
{
	int nr;

	for (nr = 0; nr <= NR_MAX; nr++)
		hold_against(policies[_i], nr);
	hold_against(policies[_i], -1);
	hold_against(policies[_i], INT32_MAX);
	/* Proof that something was compared. */
	ck_assert_uint_gt(nr_compared, 10 * (uintmax_t)NR_MAX);
}
END_TEST

START_TEST(allowed_arguments_die_as_x32_and_as_i386)
{
	const struct rf_policy *p = policies[_i];
	uint64_t args[6] = { 0 };
	unsigned i;
	int nr;

	for (i = 0; i < p->nr_rules; i++) {
		satisfy(&p->rules[i], args);
		nr = p->rules[i].nr;
		ck_assert_uint_eq(verdict(p, AUDIT_ARCH_X86_64, nr, args),
				  SECCOMP_RET_ALLOW);
		ck_assert_uint_eq(
			verdict(p, AUDIT_ARCH_X86_64, nr | X32_BIT, args),
			SECCOMP_RET_KILL_PROCESS);
		ck_assert_uint_eq(verdict(p, AUDIT_ARCH_I386, nr, args),
				  SECCOMP_RET_KILL_PROCESS);
		ck_assert_int_eq(rf_policy_match(p, nr | X32_BIT, args), -1);
	}
	for (nr = 0; nr <= NR_MAX; nr++)
		ck_assert_uint_eq(verdict(p, AUDIT_ARCH_I386, nr, args),
				  SECCOMP_RET_KILL_PROCESS);
	ck_assert_uint_eq(verdict(p, AUDIT_ARCH_AARCH64, SYS_write, args),
			  SECCOMP_RET_KILL_PROCESS);
}
END_TEST

START_TEST(tables_are_sorted_counted_and_explained)
{
	const struct rf_policy *p = policies[_i];
	unsigned i, distinct = 0;

	for (i = 0; i < p->nr_rules; i++) {
		const struct rf_policy_rule *r = &p->rules[i];

		if (i)
			ck_assert_int_le(strcmp(r[-1].syscall, r->syscall), 0);
		distinct += !i || r[-1].nr != r->nr;
		ck_assert_uint_gt(strlen(r->why), 0);
		ck_assert_int_gt(r->line, 0);
		ck_assert_int_eq(r->nr_conds == 0, r->text[0] == '\0');
	}
	ck_assert_uint_eq(distinct, p->nr_syscalls);
}
END_TEST

/* Whatever its other arguments are, none of them appears in any policy but
 * the launcher's own ptrace, and a ring that was made before. */
START_TEST(calls_that_make_or_reach_things_are_in_no_policy)
{
	static const int never[] = {
		SYS_open,
		SYS_openat,
		SYS_openat2,
		SYS_creat,
		SYS_socket,
		SYS_connect,
		SYS_socketpair,
		SYS_bind,
		SYS_accept4,
		SYS_fork,
		SYS_vfork,
		SYS_clone,
		SYS_clone3,
		SYS_execve,
		SYS_execveat,
		SYS_kill,
		SYS_tkill,
		SYS_tgkill,
		SYS_unshare,
		SYS_setns,
		SYS_mount,
		SYS_umount2,
		SYS_pivot_root,
		SYS_chroot,
		SYS_bpf,
		SYS_userfaultfd,
		SYS_io_uring_setup,
		SYS_io_uring_register,
		SYS_process_vm_readv,
		SYS_process_vm_writev,
		SYS_pidfd_open,
		SYS_pidfd_getfd,
		SYS_memfd_create,
		SYS_keyctl,
		SYS_add_key,
		SYS_perf_event_open,
		SYS_capset,
		SYS_setuid,
		SYS_setresuid,
		SYS_personality,
		SYS_init_module,
		SYS_kexec_load,
		SYS_mremap,
		SYS_pkey_mprotect,
	};
	const struct rf_policy *p = policies[_i];
	unsigned i, j;

	for (i = 0; i < p->nr_rules; i++) {
#ifdef RF_SANITIZED
		if (!strcmp(p->rules[i].file, "sanitizer.policy"))
			continue;
#endif
		for (j = 0; j < RF_ARRAY_LEN(never); j++)
			ck_assert_int_ne(p->rules[i].nr, never[j]);
		ck_assert(p->rules[i].nr != SYS_ptrace ||
			  p == &rf_policy_launcher);
		ck_assert(p->rules[i].nr != SYS_io_uring_enter ||
			  p == &rf_policy_blk || p == &rf_policy_blk_uring);
	}
}
END_TEST

START_TEST(nothing_is_ever_mapped_executable)
{
	const struct rf_policy *p = policies[_i];
	uint64_t args[6];
	unsigned i;

	for (i = 0; i < p->nr_rules; i++) {
		if (p->rules[i].nr != SYS_mmap &&
		    p->rules[i].nr != SYS_mprotect)
			continue;
		satisfy(&p->rules[i], args);
		args[2] |= PROT_EXEC;
		ck_assert_int_eq(rf_policy_match(p, p->rules[i].nr, args), -1);
		args[2] = PROT_EXEC;
		ck_assert_int_eq(rf_policy_match(p, p->rules[i].nr, args), -1);
	}
}
END_TEST

static void check_sealed(const struct rf_policy *sealed)
{
	uint64_t args[6];
	unsigned i;

	for (i = 0; i < sealed->nr_rules; i++) {
		const struct rf_policy_rule *r = &sealed->rules[i];

		satisfy(r, args);
		ck_assert_msg(rf_policy_match(&rf_policy_blk, r->nr, args) >= 0,
			      "%s: %s", r->syscall, r->text);
	}
	/* Nor can it load another filter, which could only be a mistake. */
	memset(args, 0, sizeof(args));
	args[0] = SECCOMP_SET_MODE_FILTER;
	ck_assert_int_lt(rf_policy_match(sealed, SYS_seccomp, args), 0);
	ck_assert_int_ge(rf_policy_match(&rf_policy_blk, SYS_seccomp, args), 0);
}

START_TEST(sealed_device_keeps_only_what_it_had)
{
	check_sealed(&rf_policy_blk_sealed);
	check_sealed(&rf_policy_blk_uring);
}
END_TEST

#ifndef RF_SANITIZED
START_TEST(sealed_device_and_vcpu_have_at_most_twelve_calls)
{
	ck_assert_uint_le(rf_policy_blk_sealed.nr_syscalls, 12);
	ck_assert_uint_le(rf_policy_blk_uring.nr_syscalls, 12);
	ck_assert_uint_le(rf_policy_vcpu.nr_syscalls, 12);
}
END_TEST
#endif

/* Raw, so that nothing but the filter stands between. */
static int end_of_child(const struct rf_policy *p, long nr)
{
	int status;
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (!pid) {
		if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || rf_policy_load(p))
			_exit(3);
		syscall(nr, 0);
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	return status;
}

START_TEST(loaded_policy_kills_the_process_and_not_only_the_call)
{
	int status = end_of_child(&rf_policy_blk, SYS_getppid);

	ck_assert(WIFSIGNALED(status));
	ck_assert_int_eq(WTERMSIG(status), SIGSYS);
	status = end_of_child(&rf_policy_blk, SYS_close);
	ck_assert(WIFEXITED(status));
	ck_assert_int_eq(WEXITSTATUS(status), 0);
}
END_TEST

START_TEST(unloadable_policy_is_an_error_of_the_kernel)
{
	static const struct sock_filter nonsense[] = { { 0xffff, 0, 0, 0 } };
	static const struct rf_policy p = { .name = "nonsense",
					    .filter = nonsense,
					    .filter_len = 1 };

	ck_assert_int_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
	ck_assert_int_eq(rf_policy_load(&p), -EINVAL);
}
END_TEST

int main(void)
{
	static const int nr_policies = (int)RF_ARRAY_LEN(policies);
	TCase *tcase = tcase_create("policy");
	Suite *suite = suite_create("policy");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tcase, 60);
	tcase_add_loop_test(tcase, filter_and_table_agree_on_every_call, 0,
			    nr_policies);
	tcase_add_loop_test(tcase, allowed_arguments_die_as_x32_and_as_i386, 0,
			    nr_policies);
	tcase_add_loop_test(tcase, tables_are_sorted_counted_and_explained, 0,
			    nr_policies);
	tcase_add_loop_test(tcase,
			    calls_that_make_or_reach_things_are_in_no_policy, 0,
			    nr_policies);
	tcase_add_loop_test(tcase, nothing_is_ever_mapped_executable, 0,
			    nr_policies);
	tcase_add_test(tcase, sealed_device_keeps_only_what_it_had);
#ifndef RF_SANITIZED
	tcase_add_test(tcase, sealed_device_and_vcpu_have_at_most_twelve_calls);
#endif
	tcase_add_test(tcase,
		       loaded_policy_kills_the_process_and_not_only_the_call);
	tcase_add_test(tcase, unloadable_policy_is_an_error_of_the_kernel);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
