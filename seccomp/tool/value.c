/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * value.c - the conditions of a rule: "fd in RF_FD_KICKS, count <= 8"
 *
 * Side:    build time only.
 * Owns:    the small expressions: constants, numbers, ~, |, parentheses.
 * Callers: parse.c.
 * Never:   accepts a condition that is always true or never.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "policyc.h"

struct reader {
	struct policyc_at at;
	const char *next;
};

static uint64_t read_or(struct reader *r);

static void skip_space(struct reader *r)
{
	while (*r->next == ' ' || *r->next == '\t')
		r->next++;
}

/* Take `token` if it comes next. */
static bool take(struct reader *r, const char *token)
{
	skip_space(r);
	if (strncmp(r->next, token, strlen(token)) != 0)
		return false;
	r->next += strlen(token);
	return true;
}

static void read_name(struct reader *r, char *name, size_t size)
{
	size_t len = 0;

	skip_space(r);
	while (isalnum((unsigned char)r->next[len]) || r->next[len] == '_')
		len++;
	if (!len || len >= size)
		policyc_fail(r->at, "a name is missing before '%.16s'",
			     r->next);
	memcpy(name, r->next, len);
	name[len] = '\0';
	r->next += len;
}

static uint64_t read_number(struct reader *r)
{
	char name[POLICYC_NAME_BYTES];
	unsigned long long number;
	char *end;

	read_name(r, name, sizeof(name));
	/* No octal: nobody expects it here. */
	number = strtoull(name, &end, !strncmp(name, "0x", 2) ? 16 : 10);
	if (*end || strlen(name) > 18)
		policyc_fail(r->at, "'%s' is no number", name);
	return number;
}

static uint64_t read_unary(struct reader *r)
{
	char name[POLICYC_NAME_BYTES];
	uint64_t value;

	if (take(r, "~"))
		return ~read_unary(r);
	if (take(r, "(")) {
		value = read_or(r);
		if (!take(r, ")"))
			policyc_fail(r->at, "')' is missing before '%.16s'",
				     r->next);
		return value;
	}
	skip_space(r);
	if (isdigit((unsigned char)*r->next))
		return read_number(r);
	read_name(r, name, sizeof(name));
	if (!policyc_constant(name, &value))
		policyc_fail(r->at, "unknown constant '%s'", name);
	return value;
}

static uint64_t read_or(struct reader *r)
{
	uint64_t value = read_unary(r);

	while (take(r, "|"))
		value |= read_unary(r);
	return value;
}

/* A range is one masked comparison, so it must be a power of two long and
 * begin at a multiple of that: libseccomp judges an argument once a rule. */
static void read_range(struct reader *r, struct rf_policy_cond *cond)
{
	uint64_t base, count;
	char name[POLICYC_NAME_BYTES];

	skip_space(r);
	if (isdigit((unsigned char)*r->next)) {
		base = read_number(r);
		if (!take(r, ".."))
			policyc_fail(r->at, "a range is FIRST..LAST");
		count = read_number(r) - base + 1;
	} else {
		read_name(r, name, sizeof(name));
		if (!policyc_range(name, &base, &count))
			policyc_fail(r->at, "unknown range '%s'", name);
	}
	if (!count || (count & (count - 1)) || (base & (count - 1)))
		policyc_fail(r->at, "a range is a power of two long and starts "
				    "at a multiple of its length");
	cond->op = RF_POLICY_MASKED_EQ;
	cond->mask = ~(count - 1);
	cond->value = base;
}

static void read_masked(struct reader *r, struct rf_policy_cond *cond)
{
	cond->op = RF_POLICY_MASKED_EQ;
	cond->mask = read_or(r);
	if (!take(r, "=="))
		policyc_fail(r->at, "'==' is missing before '%.16s'", r->next);
	cond->value = read_or(r);
	if (!cond->mask)
		policyc_fail(r->at, "a mask of 0 is always true");
	if (cond->value & ~cond->mask)
		policyc_fail(r->at, "the mask hides bits of the value: never "
				    "true");
	if (cond->mask == UINT64_MAX) {
		cond->op = RF_POLICY_EQ;
		cond->mask = 0;
	}
}

static void read_condition(struct reader *r, struct policyc_rule *rule)
{
	struct rf_policy_cond *cond = &rule->conds[rule->nr_conds];
	char name[POLICYC_NAME_BYTES];
	unsigned i;
	int arg;

	read_name(r, name, sizeof(name));
	arg = policyc_argument(rule->syscall, name);
	if (arg < 0)
		policyc_fail(r->at, "%s has no argument '%s'", rule->syscall,
			     name);
	for (i = 0; i < rule->nr_conds; i++)
		if (rule->conds[i].arg == arg)
			policyc_fail(r->at, "'%s' is judged twice in one rule",
				     name);
	cond->arg = (uint8_t)arg;
	if (take(r, "==")) {
		cond->op = RF_POLICY_EQ;
		cond->value = read_or(r);
	} else if (take(r, "<=")) {
		cond->op = RF_POLICY_LE;
		cond->value = read_or(r);
	} else if (take(r, "&")) {
		read_masked(r, cond);
	} else if (take(r, "in ")) {
		read_range(r, cond);
	} else {
		policyc_fail(r->at, "'%s' wants ==, <=, & or in, not '%.16s'",
			     name, r->next);
	}
	/* Six arguments, each once: the array cannot run over. */
	rule->nr_conds++;
}

void policyc_conditions(struct policyc_rule *rule, const char *text)
{
	struct reader r = { .at = rule->at, .next = text };

	do
		read_condition(&r, rule);
	while (take(&r, ","));
	skip_space(&r);
	if (*r.next)
		policyc_fail(r.at, "'%.16s' is too much", r.next);
}
