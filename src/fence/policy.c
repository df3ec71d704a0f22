/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * policy.c - load a compiled policy, or ask it about one call
 *
 * Side:    every one: it is the last thing that each fence needs.
 * Owns:    nothing; tables are constants made at build time.
 * Callers: fence.c, the vmm's threads, the launcher, tests.
 * Never:   changes a filter, or makes one.
 */
#include <errno.h>
#include <linux/seccomp.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <ringfence/policy.h>

int rf_policy_load(const struct rf_policy *policy)
{
	/* The kernel's struct lacks a const; it only reads. */
	union {
		const struct sock_filter *ours;
		struct sock_filter *kernels;
	} filter = { .ours = policy->filter };
	struct sock_fprog prog = {
		.len = policy->filter_len,
		.filter = filter.kernels,
	};

	/* No flags: a filter that a thread shares with others (TSYNC) would
	 * undo that the vCPU threads have one of their own. */
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog))
		return -errno;
	return 0;
}

static bool holds(const struct rf_policy_cond *cond, const uint64_t args[6])
{
	uint64_t arg = args[cond->arg];

	switch (cond->op) {
	case RF_POLICY_EQ:
		return arg == cond->value;
	case RF_POLICY_MASKED_EQ:
		return (arg & cond->mask) == cond->value;
	case RF_POLICY_LE:
		return arg <= cond->value;
	default:
		return false;
	}
}

static bool allows(const struct rf_policy_rule *rule, const uint64_t args[6])
{
	unsigned i;

	for (i = 0; i < rule->nr_conds; i++)
		if (!holds(&rule->conds[i], args))
			return false;
	return true;
}

int rf_policy_match(const struct rf_policy *policy, int nr,
		    const uint64_t args[6])
{
	int i;

	for (i = 0; i < policy->nr_rules; i++)
		if (policy->rules[i].nr == nr &&
		    allows(&policy->rules[i], args))
			return i;
	return -1;
}
