/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * policyc.h - what the parts of the policy compiler know of each other
 *
 * Side:    build time only. No line of this is in any program of ours.
 * Owns:    nothing; one run compiles one policy and ends.
 * Callers: seccomp/tool alone.
 * Never:   guesses. What it does not know is an error with file and line.
 */
#ifndef SECCOMP_TOOL_POLICYC_H
#define SECCOMP_TOOL_POLICYC_H

#include <stdio.h>

#include <ringfence/policy.h>

#define POLICYC_RULES_MAX 256u
#define POLICYC_FILES_MAX 16u
#define POLICYC_LINE_BYTES 512u
#define POLICYC_NAME_BYTES 64u
#define POLICYC_ROOM(member) sizeof(((struct rf_policy_rule *)0)->member)

/* Where a message belongs. */
struct policyc_at {
	const char *file; /* as named on the command line or found from there */
	int line;	  /* 0: the file as a whole */
};

struct policyc_rule {
	struct policyc_at at;
	bool conditional; /* came by include-if */
	/* As much as has room in a row of the table. */
	char syscall[POLICYC_ROOM(syscall)];
	int nr;
	char text[POLICYC_ROOM(text)];
	char why[POLICYC_ROOM(why)];
	char file[POLICYC_ROOM(file)];
	unsigned nr_conds;
	struct rf_policy_cond conds[RF_POLICY_CONDS_MAX];
};

struct policyc {
	char name[POLICYC_NAME_BYTES]; /* "blk.sealed" */
	const char *defines[8];	       /* -D, for include-if */
	unsigned nr_defines;
	char *files[POLICYC_FILES_MAX]; /* every one read, the first is ours */
	unsigned nr_files;
	struct policyc_at default_at; /* line 0: none yet */
	struct policyc_at limit_at;
	unsigned limit; /* of distinct syscalls; 0: none given */
	struct policyc_rule rules[POLICYC_RULES_MAX]; /* sorted by syscall */
	unsigned nr_rules;
	unsigned in_conditional; /* depth of include-if we are in */
};

/* Say "file:line: message" and end the run with status 1. */
_Noreturn void policyc_fail(struct policyc_at at, const char *fmt, ...)
	RF_PRINTF(2, 3);

/* parse.c: read the policy and what it includes into `p`. */
void policyc_parse(struct policyc *p, const char *path);
/* Distinct syscalls among the rules; without those of include-if if told so. */
unsigned policyc_nr_syscalls(const struct policyc *p, bool with_conditional);

/* value.c: the conditions after the colon. */
void policyc_conditions(struct policyc_rule *rule, const char *text);

/* names.c: the closed tables. */
bool policyc_is_define(const char *name);
/* Number of the argument `arg` of `syscall`, or -1. */
int policyc_argument(const char *syscall, const char *arg);
bool policyc_constant(const char *name, uint64_t *out);
/* "RF_FD_KICKS" is 32 places from 32 on. */
bool policyc_range(const char *name, uint64_t *base, uint64_t *count);

/* emit.c: rules to BPF to C, and the files read to a depfile. */
void policyc_emit(const struct policyc *p, const char *out_path);
void policyc_depfile(const struct policyc *p, const char *out_path,
		     const char *dep_path);

#endif
