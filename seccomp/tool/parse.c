/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * parse.c - the lines of a policy and of what it includes
 *
 * Side:    build time only.
 * Owns:    the order and the uniqueness of rules.
 * Callers: policyc.c.
 * Never:   lets a line through that it does not understand whole.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <seccomp.h>

#include "policyc.h"

static void read_file(struct policyc *p, char *path, struct policyc_at from,
		      unsigned depth);

static char *trim(char *s)
{
	size_t len;

	s += strspn(s, " \t");
	len = strlen(s);
	while (len && strchr(" \t\r\n", s[len - 1]))
		s[--len] = '\0';
	return s;
}

/* The next word of a line, cut out; *rest is what follows it. */
static char *take_word(char *line, char **rest)
{
	size_t len = strcspn(line, " \t");

	*rest = line + len;
	if (**rest)
		*(*rest)++ = '\0';
	*rest = trim(*rest);
	return line;
}

static bool is_defined(const struct policyc *p, const char *name)
{
	unsigned i;

	for (i = 0; i < p->nr_defines; i++)
		if (!strcmp(p->defines[i], name))
			return true;
	return false;
}

static void parse_default(struct policyc *p, struct policyc_at at, char *what,
			  unsigned depth)
{
	if (depth)
		policyc_fail(at, "a file that is included cannot have a "
				 "default");
	if (p->default_at.line)
		policyc_fail(at, "second default; the first is at %s:%d",
			     p->default_at.file, p->default_at.line);
	if (strcmp(what, "kill-process") != 0)
		policyc_fail(at,
			     "unknown default '%s': kill-process is the "
			     "only one there is",
			     what);
	p->default_at = at;
}

static void parse_limit(struct policyc *p, struct policyc_at at, char *what,
			unsigned depth)
{
	char *end;
	unsigned long limit;

	if (depth || p->limit_at.line)
		policyc_fail(at, "at-most belongs once into the policy itself");
	limit = strtoul(what, &end, 10);
	if (*end || end == what || !limit || limit > POLICYC_RULES_MAX)
		policyc_fail(at, "at-most wants a number of syscalls, not '%s'",
			     what);
	p->limit = (unsigned)limit;
	p->limit_at = at;
}

static void parse_include(struct policyc *p, struct policyc_at at,
			  const char *what, unsigned depth)
{
	const char *slash = strrchr(at.file, '/');
	int dir_len = slash ? (int)(slash - at.file) + 1 : 0;
	char *path;

	if (!*what || strchr(what, '/') || strpbrk(what, " \t"))
		policyc_fail(at,
			     "include wants the name of one file beside "
			     "this one, not '%s'",
			     what);
	if (asprintf(&path, "%.*s%s", dir_len, at.file, what) < 0)
		policyc_fail(at, "out of memory");
	read_file(p, path, at, depth + 1);
}

static void parse_include_if(struct policyc *p, struct policyc_at at,
			     char *what, unsigned depth)
{
	char *file;
	const char *cond = take_word(what, &file);

	if (!policyc_is_define(cond))
		policyc_fail(at, "unknown condition '%s'", cond);
	if (!*file)
		policyc_fail(at, "include-if wants a condition and a file");
	if (!is_defined(p, cond))
		return;
	p->in_conditional++;
	parse_include(p, at, file, depth);
	p->in_conditional--;
}

static bool is_cond_implied(const struct rf_policy_cond *have,
			    const struct rf_policy_cond *want)
{
	uint64_t mask = have->op == RF_POLICY_EQ ? UINT64_MAX : have->mask;

	if (have->arg != want->arg)
		return false;
	if (have->op == RF_POLICY_LE)
		return want->op == RF_POLICY_LE && have->value <= want->value;
	/* `have` fixes the bits of `mask` to `value`. */
	if (want->op == RF_POLICY_LE)
		return have->op == RF_POLICY_EQ && have->value <= want->value;
	if (want->op == RF_POLICY_EQ)
		return mask == UINT64_MAX && have->value == want->value;
	return !(want->mask & ~mask) &&
	       (have->value & want->mask) == want->value;
}

/* True if whatever `a` allows, `b` allows too. */
static bool is_covered(const struct policyc_rule *a,
		       const struct policyc_rule *b)
{
	unsigned i, j;

	for (i = 0; i < b->nr_conds; i++) {
		for (j = 0; j < a->nr_conds; j++)
			if (is_cond_implied(&a->conds[j], &b->conds[i]))
				break;
		if (j == a->nr_conds)
			return false;
	}
	return true;
}

static void drop_rule(struct policyc *p, unsigned i)
{
	memmove(&p->rules[i], &p->rules[i + 1],
		(p->nr_rules - i - 1) * sizeof(p->rules[0]));
	p->nr_rules--;
}

/* A rule that changes nothing would make the table lie about what is needed,
 * and no test could tell whether it is. Only what a build of another kind adds
 * (include-if) may be wider than what stands there already, or narrower: then
 * the wider one stays. True if `rule` is to be kept. */
static bool is_needed(struct policyc *p, const struct policyc_rule *rule)
{
	unsigned i = 0;

	while (i < p->nr_rules) {
		const struct policyc_rule *other = &p->rules[i];
		bool covered = other->nr == rule->nr && is_covered(rule, other);
		bool covers = other->nr == rule->nr && is_covered(other, rule);

		if ((covered || covers) && !rule->conditional &&
		    !other->conditional)
			policyc_fail(rule->at,
				     "duplicate rule: %s:%d has this %s, or "
				     "one is a case of the other",
				     other->at.file, other->at.line,
				     rule->syscall);
		if (covered)
			return false;
		if (covers)
			drop_rule(p, i);
		else
			i++;
	}
	return true;
}

/* In the order of names; rules of one syscall stay as they were written. */
static void insert_rule(struct policyc *p, const struct policyc_rule *rule)
{
	unsigned at = p->nr_rules;

	while (at && strcmp(p->rules[at - 1].syscall, rule->syscall) > 0)
		at--;
	memmove(&p->rules[at + 1], &p->rules[at],
		(p->nr_rules - at) * sizeof(p->rules[0]));
	p->rules[at] = *rule;
	p->nr_rules++;
}

static void copy_text(struct policyc_at at, char *to, size_t size,
		      const char *from)
{
	if (strlen(from) >= size)
		policyc_fail(at, "'%.20s...' is too long", from);
	memcpy(to, from, strlen(from) + 1);
}

static void parse_rule(struct policyc *p, struct policyc_at at, char *line,
		       const char *why)
{
	struct policyc_rule parsed = { .at = at };
	struct policyc_rule *rule = &parsed;
	const char *slash = strrchr(at.file, '/');
	char *colon = strchr(line, ':');
	char *text = NULL;

	if (colon) {
		*colon = '\0';
		text = trim(colon + 1);
		line = trim(line);
	}
	if (strpbrk(line, " \t") || !*line)
		policyc_fail(at, "'%s' is no statement and no syscall", line);
	if (p->nr_rules == POLICYC_RULES_MAX)
		policyc_fail(at, "more than %u rules", POLICYC_RULES_MAX);
	rule->conditional = p->in_conditional > 0;
	copy_text(at, rule->syscall, sizeof(rule->syscall), line);
	rule->nr = seccomp_syscall_resolve_name_arch(SCMP_ARCH_X86_64, line);
	/* Below zero are names of other architectures' syscalls. */
	if (rule->nr < 0)
		policyc_fail(at, "unknown syscall '%s'", line);
	if (!*why)
		policyc_fail(at, "no caller: say after '#' who needs %s", line);
	copy_text(at, rule->why, sizeof(rule->why), why);
	copy_text(at, rule->file, sizeof(rule->file),
		  slash ? slash + 1 : at.file);
	if (text && !*text)
		policyc_fail(at, "no condition after the colon");
	if (text) {
		copy_text(at, rule->text, sizeof(rule->text), text);
		policyc_conditions(rule, text);
	}
	if (is_needed(p, rule))
		insert_rule(p, rule);
}

static void parse_line(struct policyc *p, struct policyc_at at, char *line,
		       unsigned depth)
{
	char *hash = strchr(line, '#');
	const char *why = "";
	char *rest;

	if (hash) {
		*hash = '\0';
		why = trim(hash + 1);
	}
	line = trim(line);
	if (!*line)
		return;
	rest = line + strcspn(line, " \t:");
	if (*rest != ':' && *trim(rest) && *trim(rest) != ':') {
		const char *word = take_word(line, &rest);

		if (!strcmp(word, "default"))
			parse_default(p, at, rest, depth);
		else if (!strcmp(word, "at-most"))
			parse_limit(p, at, rest, depth);
		else if (!strcmp(word, "include"))
			parse_include(p, at, rest, depth);
		else if (!strcmp(word, "include-if"))
			parse_include_if(p, at, rest, depth);
		else
			policyc_fail(at, "unknown statement '%s %s'", word,
				     rest);
		return;
	}
	parse_rule(p, at, line, why);
}

static void read_lines(struct policyc *p, FILE *file, const char *path,
		       unsigned depth)
{
	struct policyc_at at = { .file = path };
	char line[POLICYC_LINE_BYTES];

	while (fgets(line, sizeof(line), file)) {
		at.line++;
		if (!strchr(line, '\n') && !feof(file))
			policyc_fail(at, "line longer than %zu bytes",
				     sizeof(line) - 2);
		parse_line(p, at, line, depth);
	}
	if (ferror(file))
		policyc_fail(at, "%s", strerror(EIO));
}

static FILE *open_policy(const char *path, struct policyc_at from)
{
	FILE *file = fopen(path, "re");

	if (file)
		return file;
	policyc_fail(from, "%s: %s", path, strerror(errno));
}

/* `path` is taken: it lives as long as the rules that name it. */
static void read_file(struct policyc *p, char *path, struct policyc_at from,
		      unsigned depth)
{
	unsigned i;
	FILE *file;

	/* Twice is a loop, or every rule a duplicate: either way wrong. */
	for (i = 0; i < p->nr_files; i++)
		if (!strcmp(p->files[i], path))
			policyc_fail(from,
				     "%s is included again: a loop, or "
				     "one time too many",
				     path);
	if (p->nr_files == POLICYC_FILES_MAX)
		policyc_fail(from, "more than %u files", POLICYC_FILES_MAX);
	file = open_policy(path, from);
	p->files[p->nr_files++] = path;
	read_lines(p, file, path, depth);
	(void)fclose(file);
}

unsigned policyc_nr_syscalls(const struct policyc *p, bool with_conditional)
{
	unsigned i, j, nr = 0;

	for (i = 0; i < p->nr_rules; i++) {
		if (p->rules[i].conditional && !with_conditional)
			continue;
		for (j = 0; j < i; j++)
			if (p->rules[j].nr == p->rules[i].nr)
				break;
		if (j == i)
			nr++;
	}
	return nr;
}

void policyc_parse(struct policyc *p, const char *path)
{
	struct policyc_at at = { .file = path };
	char *copy = strdup(path);
	unsigned nr;

	if (!copy)
		policyc_fail(at, "out of memory");
	read_file(p, copy, at, 0);
	if (!p->default_at.line)
		policyc_fail(at, "no default: it is no policy to load, only "
				 "one to include");
	if (!p->nr_rules)
		policyc_fail(at, "no rule: the process could not even end");
	nr = policyc_nr_syscalls(p, false);
	if (p->limit && nr > p->limit)
		policyc_fail(p->limit_at, "%u syscalls, at most %u allowed", nr,
			     p->limit);
}
