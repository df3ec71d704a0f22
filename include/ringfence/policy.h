/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * policy.h - seccomp policies as the tables that really get loaded
 *
 * seccomp/NAME.policy becomes, at build time and by libseccomp, one
 * `const struct rf_policy` inside the programs: a classic BPF program and the
 * rules it was made from. No parser and no compiler runs inside the fence.
 * The names of the objects: blk -> rf_policy_blk, blk.sealed ->
 * rf_policy_blk_sealed.
 */
#ifndef RINGFENCE_POLICY_H
#define RINGFENCE_POLICY_H

#include <linux/filter.h>

#include <ringfence/base.h>

enum rf_policy_op {
	RF_POLICY_EQ,	     /* arg == value */
	RF_POLICY_MASKED_EQ, /* (arg & mask) == value */
	RF_POLICY_LE,	     /* arg <= value, unsigned */
};

struct rf_policy_cond {
	uint8_t arg; /* 0..5 */
	uint8_t op;  /* enum rf_policy_op */
	uint64_t mask;
	uint64_t value;
};

#define RF_POLICY_CONDS_MAX 6u

/* A call is allowed if all conditions of any of its rules hold. Arrays and no
 * pointers: these would be relocated, and so be memory of each process's own,
 * in programs that never read a rule. */
struct rf_policy_rule {
	char syscall[32]; /* "pread64" */
	int nr;		  /* x86-64 number */
	char text[120];	  /* conditions as written, "" for none */
	char why[88];	  /* the caller the policy names */
	char file[32];	  /* "blk.sealed.policy" */
	int line;
	uint8_t nr_conds;
	struct rf_policy_cond conds[RF_POLICY_CONDS_MAX];
};

struct rf_policy {
	const char *name;
	const struct sock_filter *filter;
	uint16_t filter_len;		    /* instructions */
	const struct rf_policy_rule *rules; /* sorted by syscall name */
	uint16_t nr_rules;
	uint16_t nr_syscalls; /* distinct */
};

extern const struct rf_policy rf_policy_blk;
extern const struct rf_policy rf_policy_blk_sealed;
extern const struct rf_policy rf_policy_blk_uring;
extern const struct rf_policy rf_policy_vmm;
extern const struct rf_policy rf_policy_vcpu;
extern const struct rf_policy rf_policy_launcher;

/* Load on top of what is loaded, for the calling thread alone; no_new_privs
 * must be set (rf_fence_enter has). Cannot be undone. */
RF_MUST_CHECK int rf_policy_load(const struct rf_policy *policy);

/* Does the table allow this call? Evaluates the rules, not the BPF: tests hold
 * the two against each other. Returns the rule's index or -1. */
int rf_policy_match(const struct rf_policy *policy, int nr,
		    const uint64_t args[6]);

#endif
