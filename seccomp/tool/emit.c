/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * emit.c - rules to BPF by libseccomp, and both to C
 *
 * Side:    build time only.
 * Owns:    the text of the generated files.
 * Callers: policyc.c.
 * Never:   writes before the filter is complete.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <seccomp.h>

#include "policyc.h"

/* From this many syscalls on, a search tree beats a list. */
#define TREE_FROM_SYSCALLS 16u

struct program {
	struct sock_filter *insns;
	size_t nr;
};

static _Noreturn void fail_file(const char *path, int error)
{
	struct policyc_at at = { .file = path };

	policyc_fail(at, "%s", strerror(error));
}

static FILE *open_output(const char *path)
{
	FILE *out = fopen(path, "we");

	if (out)
		return out;
	fail_file(path, errno);
}

static void close_output(FILE *out, const char *path)
{
	bool failed = ferror(out);

	if (fclose(out) || failed)
		fail_file(path, EIO);
}

static struct scmp_arg_cmp compare(const struct rf_policy_cond *cond)
{
	struct scmp_arg_cmp cmp = { .arg = cond->arg };

	cmp.datum_a = cond->value;
	switch (cond->op) {
	case RF_POLICY_EQ:
		cmp.op = SCMP_CMP_EQ;
		break;
	case RF_POLICY_LE:
		cmp.op = SCMP_CMP_LE;
		break;
	default:
		cmp.op = SCMP_CMP_MASKED_EQ;
		cmp.datum_a = cond->mask;
		cmp.datum_b = cond->value;
		break;
	}
	return cmp;
}

static void add_rule(scmp_filter_ctx ctx, const struct policyc_rule *rule)
{
	struct scmp_arg_cmp args[RF_POLICY_CONDS_MAX];
	unsigned i;
	int ret;

	for (i = 0; i < rule->nr_conds; i++)
		args[i] = compare(&rule->conds[i]);
	ret = seccomp_rule_add_exact_array(ctx, SCMP_ACT_ALLOW, rule->nr,
					   rule->nr_conds, args);
	if (ret < 0)
		policyc_fail(rule->at, "libseccomp refuses the rule: %s",
			     strerror(-ret));
}

/* One architecture only: a call made as i386 is of the wrong one, and x32
 * numbers are outside of this one; libseccomp sends both to the "bad
 * architecture" action, which by default would kill one thread only. */
static scmp_filter_ctx make_filter(const struct policyc *p)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_KILL_PROCESS);
	uint32_t optimize = policyc_nr_syscalls(p, true) >= TREE_FROM_SYSCALLS
				    ? 2
				    : 1;
	unsigned i;

	if (!ctx)
		policyc_fail(p->default_at, "out of memory");
	if (seccomp_arch_native() != SCMP_ARCH_X86_64)
		policyc_fail(p->default_at, "policies are for x86-64 only");
	if (seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH,
			     SCMP_ACT_KILL_PROCESS) ||
	    seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, optimize))
		policyc_fail(p->default_at, "libseccomp 2.5 or later is "
					    "needed");
	for (i = 0; i < p->nr_rules; i++)
		add_rule(ctx, &p->rules[i]);
	return ctx;
}

static struct program compile(const struct policyc *p)
{
	scmp_filter_ctx ctx = make_filter(p);
	int fd = memfd_create("bpf", MFD_CLOEXEC);
	struct program prog;
	struct stat st;
	int ret;

	if (fd < 0)
		fail_file("memfd", errno);
	ret = seccomp_export_bpf(ctx, fd);
	if (ret < 0)
		policyc_fail(p->default_at, "libseccomp cannot compile it: %s",
			     strerror(-ret));
	seccomp_release(ctx);
	if (fstat(fd, &st) || st.st_size <= 0 ||
	    st.st_size > BPF_MAXINSNS * (off_t)sizeof(*prog.insns) ||
	    st.st_size % (off_t)sizeof(*prog.insns))
		policyc_fail(p->default_at, "the filter has an odd size");
	prog.nr = (size_t)st.st_size / sizeof(*prog.insns);
	prog.insns = malloc((size_t)st.st_size);
	if (!prog.insns)
		fail_file("memory", errno);
	if (pread(fd, prog.insns, (size_t)st.st_size, 0) != st.st_size)
		fail_file("memfd", EIO);
	close(fd);
	return prog;
}

static void put_string(FILE *out, const char *s)
{
	fputc('"', out);
	for (; *s; s++) {
		if (*s == '"' || *s == '\\')
			fputc('\\', out);
		/* No control characters, no trigraphs. */
		fputc(*s == '?' || (unsigned char)*s < ' ' ? ' ' : *s, out);
	}
	fputc('"', out);
}

static void put_rule(FILE *out, const struct policyc_rule *rule)
{
	unsigned i;

	fputs("\t{ .syscall = ", out);
	put_string(out, rule->syscall);
	fprintf(out, ", .nr = %d,\n\t  .text = ", rule->nr);
	put_string(out, rule->text);
	fputs(",\n\t  .why = ", out);
	put_string(out, rule->why);
	fputs(",\n\t  .file = ", out);
	put_string(out, rule->file);
	fprintf(out, ", .line = %d, .nr_conds = %u", rule->at.line,
		rule->nr_conds);
	if (rule->nr_conds)
		fputs(",\n\t  .conds = {\n", out);
	for (i = 0; i < rule->nr_conds; i++) {
		const struct rf_policy_cond *c = &rule->conds[i];

		fprintf(out, "\t\t{ %u, %u, 0x%llxull, 0x%llxull },\n", c->arg,
			c->op, (unsigned long long)c->mask,
			(unsigned long long)c->value);
	}
	fputs(rule->nr_conds ? "\t  } },\n" : " },\n", out);
}

static void put_rules(FILE *out, const struct policyc *p)
{
	unsigned i;

	fputs("static const struct rf_policy_rule rules[] = {\n", out);
	for (i = 0; i < p->nr_rules; i++)
		put_rule(out, &p->rules[i]);
	fputs("};\n\n", out);
}

static void put_filter(FILE *out, const struct program *prog)
{
	size_t i;

	fputs("static const struct sock_filter filter[] = {\n", out);
	for (i = 0; i < prog->nr; i++)
		fprintf(out, "\t{ 0x%02x, %u, %u, 0x%08x },\n",
			prog->insns[i].code, prog->insns[i].jt,
			prog->insns[i].jf, prog->insns[i].k);
	fputs("};\n\n", out);
}

static void put_policy(FILE *out, const struct policyc *p,
		       const struct program *prog)
{
	char symbol[POLICYC_NAME_BYTES];
	size_t i;

	for (i = 0; i < sizeof(symbol); i++)
		symbol[i] = p->name[i] == '.' ? '_' : p->name[i];
	fprintf(out,
		"const struct rf_policy rf_policy_%s = {\n"
		"\t.name = \"%s\",\n\t.filter = filter,\n"
		"\t.filter_len = %zu,\n\t.rules = rules,\n"
		"\t.nr_rules = %u,\n\t.nr_syscalls = %u,\n};\n",
		symbol, p->name, prog->nr, p->nr_rules,
		policyc_nr_syscalls(p, true));
}

void policyc_emit(const struct policyc *p, const char *out_path)
{
	struct program prog = compile(p);
	FILE *out = open_output(out_path);

	fprintf(out,
		"/* Made by policyc from %s.policy; do not edit. */\n"
		"#include <ringfence/policy.h>\n\n",
		p->name);
	put_rules(out, p);
	put_filter(out, &prog);
	put_policy(out, p, &prog);
	free(prog.insns);
	close_output(out, out_path);
}

void policyc_depfile(const struct policyc *p, const char *out_path,
		     const char *dep_path)
{
	FILE *out = open_output(dep_path);
	unsigned i;

	fprintf(out, "%s:", out_path);
	for (i = 0; i < p->nr_files; i++)
		fprintf(out, " %s", p->files[i]);
	fputc('\n', out);
	close_output(out, dep_path);
}
