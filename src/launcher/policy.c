/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * policy.c - `ringfence policy`: what the filters of our processes allow
 *
 * Side:    launcher.
 * Owns:    nothing: it prints the very tables that the programs load.
 * Callers: main.c.
 * Never:   reads a policy file: what is printed is what is loaded.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <ringfence/policy.h>

#include "launcher/options.h"
#include "launcher/policy.h"
#include "launcher/run.h"

static const struct {
	const struct rf_policy *policy;
	const char *who;
} policies[] = {
	{ &rf_policy_blk, "block device process, until it is sealed" },
	{ &rf_policy_blk_sealed, "the same once sealed, on top of blk" },
	{ &rf_policy_blk_uring, "instead of that one, with an io_uring" },
	{ &rf_policy_vmm, "vCPU process, its main thread" },
	{ &rf_policy_vcpu, "vCPU process, each vCPU thread" },
	{ &rf_policy_launcher, "launcher, while the guest runs" },
};

static const char policy_help[] =
	"usage: ringfence policy [NAME] [--json | --bpf]\n"
	"\n"
	"Show the system calls that a process may make: one a line, with the "
	"conditions on\nits arguments and the function that needs it. All "
	"others end the process before\nthey run. Without NAME: list the "
	"policies.\n"
	"\n"
	"  --json   for programs\n"
	"  --bpf    the instructions that the kernel runs\n";

enum { OPT_JSON = 1, OPT_BPF, OPT_HELP };

static const struct option_spec specs[] = {
	{ "--json", false, OPT_JSON },
	{ "--bpf", false, OPT_BPF },
	{ "--help", false, OPT_HELP },
};

static bool is_sanitizer_rule(const struct rf_policy_rule *rule)
{
	return strncmp(rule->file, "sanitizer.", 10) == 0;
}

static unsigned count_sanitizer_rules(const struct rf_policy *p)
{
	unsigned nr = 0;
	unsigned i;

	for (i = 0; i < p->nr_rules; i++)
		nr += is_sanitizer_rule(&p->rules[i]);
	return nr;
}

static void print_list(void)
{
	size_t i;

	for (i = 0; i < RF_ARRAY_LEN(policies); i++) {
		const struct rf_policy *p = policies[i].policy;

		(void)printf("%-12s %3u syscalls, %3u rules, %3u "
			     "instructions   %s\n",
			     p->name, p->nr_syscalls, p->nr_rules,
			     p->filter_len, policies[i].who);
	}
}

/* Rules of one call are neighbours, and any of them allows it. */
static unsigned same_call(const struct rf_policy *p, unsigned first)
{
	unsigned last = first + 1;

	while (last < p->nr_rules && p->rules[last].nr == p->rules[first].nr)
		last++;
	return last;
}

static void print_call(const struct rf_policy *p, unsigned first, unsigned last)
{
	unsigned i;

	(void)printf("%s", p->rules[first].syscall);
	for (i = first; i < last; i++)
		(void)printf("%s%s", i == first ? ": " : "  or  ",
			     p->rules[i].text[0] ? p->rules[i].text
						 : "any arguments");
	for (i = first; i < last; i++) {
		if (i > first &&
		    strcmp(p->rules[i].why, p->rules[i - 1].why) == 0)
			continue;
		(void)printf("%s%s", i == first ? "   # " : "; ",
			     p->rules[i].why);
	}
	(void)printf("\n");
}

static void print_policy(const struct rf_policy *p)
{
	unsigned first;
	unsigned last;

	(void)printf("# %s: %u syscalls; every other one, and every call of "
		     "another architecture's\n# table, ends the process\n",
		     p->name, p->nr_syscalls);
	if (count_sanitizer_rules(p))
		(void)printf("# built for sanitizers: %u rules more than the "
			     "real thing\n",
			     count_sanitizer_rules(p));
	for (first = 0; first < p->nr_rules; first = last) {
		last = same_call(p, first);
		print_call(p, first, last);
	}
}

static void print_json_string(const char *bytes)
{
	static struct text t;

	t.len = 0;
	text_add_json(&t, bytes);
	(void)fwrite(t.bytes, 1, t.len, stdout);
}

static void print_json(const struct rf_policy *p)
{
	unsigned i;

	(void)printf("{\"name\":\"%s\",\"default\":\"kill-process\","
		     "\"syscalls\":%u,\"instructions\":%u,\"rules\":[",
		     p->name, p->nr_syscalls, p->filter_len);
	for (i = 0; i < p->nr_rules; i++) {
		const struct rf_policy_rule *rule = &p->rules[i];

		(void)printf("%s\n{\"syscall\":\"%s\",\"nr\":%d,\"if\":",
			     i ? "," : "", rule->syscall, rule->nr);
		print_json_string(rule->text);
		(void)printf(",\"why\":");
		print_json_string(rule->why);
		(void)printf(",\"file\":");
		print_json_string(rule->file);
		(void)printf(",\"line\":%d}", rule->line);
	}
	(void)printf("]}\n");
}

static void print_json_list(void)
{
	size_t i;

	(void)printf("[");
	for (i = 0; i < RF_ARRAY_LEN(policies); i++) {
		(void)printf("%s\n{\"name\":\"%s\",\"syscalls\":%u,"
			     "\"rules\":%u,\"instructions\":%u}",
			     i ? "," : "", policies[i].policy->name,
			     policies[i].policy->nr_syscalls,
			     policies[i].policy->nr_rules,
			     policies[i].policy->filter_len);
	}
	(void)printf("\n]\n");
}

/* The instructions that libseccomp makes; others as numbers. */
void policy_disassemble(const struct sock_filter *in, unsigned at, char *out,
			size_t cap)
{
	const unsigned yes = at + 1 + in->jt;
	const unsigned no = at + 1 + in->jf;
	const char *jump = NULL;

	switch (in->code) {
	case BPF_LD | BPF_W | BPF_ABS:
		(void)snprintf(out, cap, "load data[%u]", in->k);
		return;
	case BPF_ALU | BPF_AND | BPF_K:
		(void)snprintf(out, cap, "and 0x%x", in->k);
		return;
	case BPF_JMP | BPF_JA:
		(void)snprintf(out, cap, "go to %u", at + 1 + in->k);
		return;
	case BPF_RET | BPF_K:
		(void)snprintf(out, cap, "return %s", policy_verdict(in->k));
		return;
	case BPF_JMP | BPF_JEQ | BPF_K:
		jump = "==";
		break;
	case BPF_JMP | BPF_JGE | BPF_K:
		jump = ">=";
		break;
	case BPF_JMP | BPF_JGT | BPF_K:
		jump = ">";
		break;
	case BPF_JMP | BPF_JSET | BPF_K:
		jump = "has";
		break;
	default:
		break;
	}
	if (jump)
		(void)snprintf(out, cap, "if %s 0x%x go to %u else %u", jump,
			       in->k, yes, no);
	else
		(void)snprintf(out, cap, "code 0x%x, jt %u, jf %u, k 0x%x",
			       in->code, in->jt, in->jf, in->k);
}

const char *policy_verdict(uint32_t k)
{
	switch (k) {
	case 0x7fff0000u:
		return "allow";
	case 0x80000000u:
		return "kill-process";
	case 0x00000000u:
		return "kill-thread";
	default:
		return "something else";
	}
}

static void print_bpf(const struct rf_policy *p)
{
	char line[96];
	unsigned i;

	for (i = 0; i < p->filter_len; i++) {
		policy_disassemble(&p->filter[i], i, line, sizeof(line));
		(void)printf("%4u  %s\n", i, line);
	}
}

static const struct rf_policy *find_policy(const char *name,
					   struct complaint *c)
{
	const char *names[RF_ARRAY_LEN(policies)];
	const char *nearest;
	size_t i;

	for (i = 0; i < RF_ARRAY_LEN(policies); i++) {
		names[i] = policies[i].policy->name;
		if (strcmp(name, names[i]) == 0)
			return policies[i].policy;
	}
	nearest = say_nearest(name, names, RF_ARRAY_LEN(names));
	(void)complain(c, "no policy \"%.40s\"; %s%s", name,
		       nearest ? "did you mean "
			       : "`ringfence policy` lists them",
		       nearest ? nearest : "");
	return NULL;
}

static int read_arguments(int argc, char *const *argv, const char **name,
			  int *form, struct complaint *c)
{
	struct option o = { 0, "" };
	int at = 0;
	int ret;

	*name = NULL;
	*form = 0;
	while ((ret = options_next(argc, argv, &at, specs, RF_ARRAY_LEN(specs),
				   &o, c)) > 0) {
		if (o.id == 0 && *name)
			return complain(c, "one NAME at a time");
		if (o.id == 0)
			*name = o.value;
		else if (*form && *form != o.id && o.id != OPT_HELP)
			return complain(c, "--json or --bpf, not both");
		else
			*form = o.id;
	}
	if (ret == 0 && *form == OPT_BPF && !*name)
		return complain(c, "--bpf needs a NAME");
	return ret;
}

int cmd_policy(int argc, char *const *argv)
{
	const struct rf_policy *p = NULL;
	struct complaint c = { "" };
	const char *name;
	int form;

	if (read_arguments(argc, argv, &name, &form, &c) < 0) {
		say("policy: %s", c.text);
		return SAY_USAGE;
	}
	if (form == OPT_HELP) {
		(void)fputs(policy_help, stdout);
		return SAY_OK;
	}
	if (name) {
		p = find_policy(name, &c);
		if (!p) {
			say("policy: %s", c.text);
			return SAY_USAGE;
		}
	}
	if (form == OPT_JSON)
		p ? print_json(p) : print_json_list();
	else if (form == OPT_BPF && p)
		print_bpf(p);
	else
		p ? print_policy(p) : print_list();
	return SAY_OK;
}
