/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * probe.c - `ringfence probe`: what this host offers, and why not the rest
 *
 * Side:    launcher.
 * Owns:    the two forms it is shown in.
 * Callers: main.c.
 * Never:   fails because something is not there: that is its answer.
 */
#include <stdio.h>

#include "launcher/host.h"
#include "launcher/options.h"
#include "launcher/run.h"

static const char probe_help[] =
	"usage: ringfence probe [--json]\n"
	"\n"
	"Try out what this host offers for fenced microVMs: the kinds of "
	"doorbell and what\nthe fences are made of. For what is missing, say "
	"why.\n"
	"\n"
	"  --json   for programs\n";

enum { OPT_JSON = 1, OPT_HELP };

static const struct option_spec specs[] = {
	{ "--json", false, OPT_JSON },
	{ "--help", false, OPT_HELP },
};

/* Everything but the doorbells, in the order shown. */
static const struct {
	const char *name; /* for people */
	const char *key;  /* in JSON */
	size_t offset;
} things[] = {
	{ "kvm", "kvm", offsetof(struct host, kvm) },
	{ "register page", "register_page", offsetof(struct host, registers) },
	{ "namespaces", "namespaces", offsetof(struct host, fence) },
	{ "seccomp", "seccomp", offsetof(struct host, seccomp) },
	{ "naming killed calls", "ptrace", offsetof(struct host, ptrace) },
	{ "landlock", "landlock", offsetof(struct host, landlock) },
	{ "cgroup2", "cgroup2", offsetof(struct host, cgroup) },
	{ "uid per process", "ids", offsetof(struct host, ids) },
};

static const struct host_thing *thing_of(const struct host *h, size_t i)
{
	const char *base = (const char *)h;

	return (const void *)(base + things[i].offset);
}

static void print_line(const char *name, bool there, const char *text)
{
	(void)printf("%-21s %-4s %s\n", name, there ? "yes" : "no", text);
}

static void print_text(const struct host *h)
{
	char name[40];
	size_t i;
	int kind;

	for (i = 0; i < RF_ARRAY_LEN(things); i++)
		print_line(things[i].name, thing_of(h, i)->there,
			   thing_of(h, i)->text);
	for (kind = 0; kind < RF_DOORBELL_NR_KINDS; kind++) {
		(void)snprintf(name, sizeof(name), "doorbell %s",
			       rf_doorbell_kind_name(kind));
		print_line(name, h->doorbells.works[kind],
			   h->doorbells.works[kind] ? ""
						    : h->doorbells.why[kind]);
	}
}

static void print_object(const char *key, bool there, const char *text)
{
	static struct text t;

	t.len = 0;
	text_add_json(&t, key);
	text_add(&t, ":{\"there\":%s,\"%s\":", there ? "true" : "false",
		 there ? "detail" : "why");
	text_add_json(&t, text);
	text_add(&t, "}");
	(void)fwrite(t.bytes, 1, t.len, stdout);
}

static void print_json(const struct host *h)
{
	size_t i;
	int kind;

	(void)printf("{");
	for (i = 0; i < RF_ARRAY_LEN(things); i++) {
		print_object(things[i].key, thing_of(h, i)->there,
			     thing_of(h, i)->text);
		(void)printf(",\n");
	}
	(void)printf("\"doorbells\":{");
	for (kind = 0; kind < RF_DOORBELL_NR_KINDS; kind++) {
		(void)printf("%s\n", kind ? "," : "");
		print_object(
			rf_doorbell_kind_name(kind), h->doorbells.works[kind],
			h->doorbells.works[kind] ? "" : h->doorbells.why[kind]);
	}
	(void)printf("}}\n");
}

int cmd_probe(int argc, char *const *argv)
{
	static struct host h;
	bool json = false;
	struct complaint c = { "" };
	struct option o = { 0, "" };
	int at = 0;
	int ret;

	while ((ret = options_next(argc, argv, &at, specs, RF_ARRAY_LEN(specs),
				   &o, &c)) > 0) {
		if (o.id == OPT_HELP) {
			(void)fputs(probe_help, stdout);
			return SAY_OK;
		}
		if (o.id == 0) {
			ret = complain(&c, "takes no \"%.40s\"", o.value);
			break;
		}
		json = true;
	}
	if (ret < 0) {
		say("probe: %s", c.text);
		return SAY_USAGE;
	}
	host_look(&h);
	json ? print_json(&h) : print_text(&h);
	return SAY_OK;
}
