/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * options.c - the command line of ringfence-vmm, written by the launcher
 *
 * Side:    vmm, before the fence.
 * Owns:    nothing.
 * Callers: main.c.
 * Never:   guesses: what is not understood is refused, by name.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <ringfence/fence.h>

#include "base/number.h"
#include "vmm/memory.h"
#include "vmm/options.h"

static const char options_text[] =
	"usage: ringfence-vmm --memory BYTES --cpus N --accel kvm|none\n"
	"                     --doorbell auto|coalesced2|ioeventfd|coalesced|"
	"exit\n"
	"                     --devices N [--registers auto|page|exit]\n"
	"                     [--root DIR] [--cmdline TEXT]\n"
	"                     [--initrd yes|no] [--input "
	"none|stream|terminal]\n"
	"       ringfence-vmm --help | --version\n"
	"\n"
	"The vCPU process of one microVM. `ringfence run` starts it and passes "
	"the\n"
	"descriptors it needs (input 0, console 1, log 2, launcher 3, report "
	"4, "
	"/dev/kvm "
	"5,\n"
	"kernel 10, initramfs 12, device sockets from 16); it cannot be used "
	"by "
	"hand.\n";

const char *options_usage(void)
{
	return options_text;
}

struct parser {
	struct options *out;
	char *why;
	uint32_t seen;
};

typedef int option_fn(struct parser *p, const char *name, const char *value);

static int refuse(struct parser *p, const char *name, const char *value,
		  const char *wants)
{
	snprintf(p->why, OPTIONS_WHY_BYTES, "%s: \"%.40s\" is not %s", name,
		 value, wants);
	return -EINVAL;
}

static int take_memory(struct parser *p, const char *name, const char *value)
{
	uint64_t n;

	if (number_parse(value, MEMORY_BYTES_MIN, MEMORY_BYTES_MAX, &n) < 0 ||
	    n % 4096 != 0)
		return refuse(p, name, value,
			      "a multiple of 4096 from 2 MiB to 1 TiB");
	p->out->memory_bytes = n;
	return 0;
}

static int take_cpus(struct parser *p, const char *name, const char *value)
{
	uint64_t n;

	if (number_parse(value, 1, OPTIONS_CPUS_MAX, &n) < 0)
		return refuse(p, name, value, "a number from 1 to 32");
	p->out->nr_cpus = (uint32_t)n;
	return 0;
}

static int take_devices(struct parser *p, const char *name, const char *value)
{
	uint64_t n;

	if (number_parse(value, 0, RF_FENCE_DEVICES_MAX, &n) < 0)
		return refuse(p, name, value, "a number from 0 to 16");
	p->out->nr_devices = (uint32_t)n;
	return 0;
}

static int take_accel(struct parser *p, const char *name, const char *value)
{
	if (strcmp(value, "kvm") != 0 && strcmp(value, "none") != 0)
		return refuse(p, name, value, "kvm or none");
	p->out->kvm = strcmp(value, "kvm") == 0;
	return 0;
}

static int take_doorbell(struct parser *p, const char *name, const char *value)
{
	p->out->any_doorbell = strcmp(value, "auto") == 0;
	if (p->out->any_doorbell)
		return 0;
	if (rf_doorbell_kind_from_name(value, &p->out->doorbell) < 0)
		return refuse(p, name, value,
			      "auto, coalesced2, ioeventfd, coalesced or exit");
	return 0;
}

static int take_registers(struct parser *p, const char *name, const char *value)
{
	static const char *const modes[] = {
		[OPTIONS_REGISTERS_AUTO] = "auto",
		[OPTIONS_REGISTERS_PAGE] = "page",
		[OPTIONS_REGISTERS_EXIT] = "exit",
	};
	uint32_t i;

	for (i = 0; i < RF_ARRAY_LEN(modes); i++) {
		if (strcmp(value, modes[i]) != 0)
			continue;
		p->out->registers = (enum options_registers)i;
		return 0;
	}
	return refuse(p, name, value, "auto, page or exit");
}

static int take_root(struct parser *p, const char *name, const char *value)
{
	if (value[0] != '/')
		return refuse(p, name, value, "an absolute path");
	p->out->root = value;
	return 0;
}

static int take_cmdline(struct parser *p, const char *name, const char *value)
{
	(void)name;
	p->out->cmdline = value;
	return 0;
}

static int take_initrd(struct parser *p, const char *name, const char *value)
{
	if (strcmp(value, "yes") != 0 && strcmp(value, "no") != 0)
		return refuse(p, name, value, "yes or no");
	p->out->initrd = strcmp(value, "yes") == 0;
	return 0;
}

static int take_input(struct parser *p, const char *name, const char *value)
{
	static const char *const kinds[] = {
		[INPUT_NONE] = "none",
		[INPUT_STREAM] = "stream",
		[INPUT_TERMINAL] = "terminal",
	};
	uint32_t i;

	for (i = 0; i < RF_ARRAY_LEN(kinds); i++) {
		if (strcmp(value, kinds[i]) != 0)
			continue;
		p->out->input = (enum input_kind)i;
		return 0;
	}
	return refuse(p, name, value, "none, stream or terminal");
}

static const struct {
	const char *name;
	option_fn *take;
	bool required;
} options_table[] = {
	{ "--memory", take_memory, true },
	{ "--cpus", take_cpus, true },
	{ "--accel", take_accel, true },
	{ "--doorbell", take_doorbell, true },
	{ "--devices", take_devices, true },
	{ "--registers", take_registers, false },
	{ "--root", take_root, false },
	{ "--cmdline", take_cmdline, false },
	{ "--initrd", take_initrd, false },
	{ "--input", take_input, false },
};

static int take_one(struct parser *p, const char *name, const char *value)
{
	size_t i;

	for (i = 0; i < RF_ARRAY_LEN(options_table); i++) {
		if (strcmp(name, options_table[i].name) != 0)
			continue;
		if (p->seen & 1u << i) {
			snprintf(p->why, OPTIONS_WHY_BYTES,
				 "%s was given twice", name);
			return -EINVAL;
		}
		p->seen |= 1u << i;
		if (!value) {
			snprintf(p->why, OPTIONS_WHY_BYTES, "%s needs a value",
				 name);
			return -EINVAL;
		}
		return options_table[i].take(p, name, value);
	}
	snprintf(p->why, OPTIONS_WHY_BYTES, "unknown option \"%.40s\"", name);
	return -EINVAL;
}

static int check_whole(struct parser *p)
{
	size_t i;

	for (i = 0; i < RF_ARRAY_LEN(options_table); i++) {
		if (!options_table[i].required || p->seen & 1u << i)
			continue;
		snprintf(p->why, OPTIONS_WHY_BYTES, "%s is missing",
			 options_table[i].name);
		return -EINVAL;
	}
	if (p->out->initrd && !p->out->kvm) {
		snprintf(p->why, OPTIONS_WHY_BYTES,
			 "--accel none knows no --initrd");
		return -EINVAL;
	}
	if (p->out->kvm)
		return 0;
	if (!p->out->any_doorbell && p->out->doorbell != RF_DOORBELL_EXIT) {
		snprintf(p->why, OPTIONS_WHY_BYTES,
			 "--accel none knows only --doorbell exit or auto");
		return -EINVAL;
	}
	if (p->out->registers == OPTIONS_REGISTERS_PAGE) {
		snprintf(p->why, OPTIONS_WHY_BYTES,
			 "--accel none knows only --registers exit or auto");
		return -EINVAL;
	}
	return 0;
}

int options_parse(int argc, char *const *argv, struct options *out,
		  char why[OPTIONS_WHY_BYTES])
{
	struct options o = { .cmdline = "" };
	struct parser p = { .out = &o, .why = why };
	int i;
	int rc;

	for (i = 1; i < argc; i += 2) {
		if (strcmp(argv[i], "--help") == 0) {
			*out = (struct options){ .help = true };
			return 0;
		}
		if (strcmp(argv[i], "--version") == 0) {
			*out = (struct options){ .version = true };
			return 0;
		}
		rc = take_one(&p, argv[i], i + 1 < argc ? argv[i + 1] : NULL);
		if (rc < 0)
			return rc;
	}
	rc = check_whole(&p);
	if (rc == 0)
		*out = o;
	return rc;
}
