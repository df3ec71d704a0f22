/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * options.c - command lines, read strictly
 *
 * Side:    launcher, before anything is opened or started.
 * Owns:    the flags of `run`.
 * Callers: the commands.
 * Never:   takes half of a word for the whole.
 */
#include <errno.h>
#include <string.h>

#include "base/number.h"
#include "launcher/config.h"
#include "launcher/options.h"

const char options_run_help[] =
	"usage: ringfence run --disk PATH[,WORD...] [options]\n"
	"       ringfence run --kernel FILE [--initrd FILE] [options]\n"
	"\n"
	"Start a microVM whose vCPUs and disks live in fenced processes of "
	"their own,\nand watch over them until the guest ends.\n"
	"\n"
	"  --disk PATH[,WORD...]\n"
	"                       a disk image or block device. Repeat for more: "
	"each gets\n"
	"                       a process and a ring. Words about it:\n"
	"                         ro          never written\n"
	"                         direct      past the host's page cache\n"
	"                         io=ENGINE   auto (default), uring, sync\n"
	"                         map-mib=N   map so much of it to read what "
	"the page\n"
	"                                     cache has (1024), 0 nothing\n"
	"                         queues=N    1 to 8, default one a vCPU\n"
	"                         poll-us=N   look for so long before "
	"sleeping, 0 never;\n"
	"                                     auto (default) learns it\n"
	"                         iops=N, bandwidth=SIZE\n"
	"                                     at most so much a second; "
	"`ringfence\n"
	"                                     limit` changes it later\n"
	"                         iops-burst=N, bandwidth-burst=SIZE\n"
	"                                     and so much at once after a "
	"rest\n"
	"                         serial=TEXT what the guest reads as its "
	"name\n"
	"                         without=NAME+NAME\n"
	"                                     features not offered: "
	"ring_packed, ...\n"
	"  --kernel FILE        a Linux bzImage or vmlinux, any ELF with a PVH "
	"note, or\n"
	"                       `builtin` (default): the small guest that "
	"tests its disks\n"
	"  --initrd FILE        an initramfs for that kernel\n"
	"  --memory SIZE        default 128M\n"
	"  --cpus N             1 to 32, default 1\n"
	"  --console            standard input is the guest's serial port: a "
	"pipe or file\n"
	"                       until its end. A terminal is, without asking, "
	"if there is\n"
	"                       a kernel to read it: in raw mode, Ctrl-A x "
	"ends "
	"the VM,\n"
	"                       Ctrl-A a sends Ctrl-A\n"
	"  --append TEXT        more for the kernel's command line, behind "
	"what tells it of\n"
	"                       its disks\n"
	"  --accel KIND         auto (default), kvm, or none: a stand-in plays "
	"the built-in\n"
	"                       guest without KVM\n"
	"  --doorbell KIND      auto (default: best that works), coalesced2, "
	"ioeventfd,\n"
	"                       coalesced, exit; `ringfence probe` tells which "
	"work here\n"
	"  --registers HOW      auto (default: page where that works), page: "
	"the "
	"guest reads\n"
	"                       device registers without an exit; exit: the "
	"vCPU process\n"
	"                       answers\n"
	"  --on-device-death W  end (default): the guest ends with status 1, "
	"for devices\n"
	"                       cannot be restarted yet; keep: it runs on, "
	"and a reset\n"
	"                       of that device waits until it touches no "
	"memory "
	"more\n"
	"  --config FILE        the same as JSON, and how the fences are "
	"built\n"
	"  --help-config        what may stand in that file\n"
	"  --who                show who is who once everything stands\n"
	"  --report FILE        write all counters there at the end, as JSON\n"
	"  --control PATH       a socket for `ringfence limit`, gone at the "
	"end\n"
	"  --help\n"
	"\n"
	"Exit status: what the guest wrote to its debug-exit port (8 bits to "
	"port 0xf4),\n0 if it powered off or asked for a reset, and after "
	"Ctrl-A x; 1: we failed or a\nprocess died; 2: wrong usage; 128 + n: "
	"ended by signal n.\n";

enum {
	OPT_DISK = 1,
	OPT_KERNEL,
	OPT_INITRD,
	OPT_MEMORY,
	OPT_CPUS,
	OPT_APPEND,
	OPT_CONSOLE,
	OPT_ACCEL,
	OPT_DOORBELL,
	OPT_REGISTERS,
	OPT_DEVICE_DEATH,
	OPT_CONFIG,
	OPT_HELP_CONFIG,
	OPT_WHO,
	OPT_REPORT,
	OPT_CONTROL,
	OPT_HELP,
};

static const struct option_spec run_specs[] = {
	{ "--disk", true, OPT_DISK },
	{ "--kernel", true, OPT_KERNEL },
	{ "--initrd", true, OPT_INITRD },
	{ "--memory", true, OPT_MEMORY },
	{ "--cpus", true, OPT_CPUS },
	{ "--append", true, OPT_APPEND },
	{ "--console", false, OPT_CONSOLE },
	{ "--accel", true, OPT_ACCEL },
	{ "--doorbell", true, OPT_DOORBELL },
	{ "--registers", true, OPT_REGISTERS },
	{ "--on-device-death", true, OPT_DEVICE_DEATH },
	{ "--config", true, OPT_CONFIG },
	{ "--help-config", false, OPT_HELP_CONFIG },
	{ "--who", false, OPT_WHO },
	{ "--report", true, OPT_REPORT },
	{ "--control", true, OPT_CONTROL },
	{ "--help", false, OPT_HELP },
};

static int unknown_option(const char *word, size_t len,
			  const struct option_spec *specs, size_t nr,
			  struct complaint *c)
{
	const char *names[32];
	const char *nearest;
	char name[40];
	size_t i;

	if (len >= sizeof(name))
		len = sizeof(name) - 1;
	memcpy(name, word, len);
	name[len] = '\0';
	for (i = 0; i < nr && i < RF_ARRAY_LEN(names); i++)
		names[i] = specs[i].name;
	nearest = say_nearest(name, names, i);
	if (nearest)
		return complain(c, "unknown option %s; did you mean %s?", name,
				nearest);
	return complain(c, "unknown option %s; --help lists them", name);
}

static const struct option_spec *find_option(const char *word, size_t len,
					     const struct option_spec *specs,
					     size_t nr)
{
	size_t i;

	for (i = 0; i < nr; i++) {
		if (strlen(specs[i].name) == len &&
		    memcmp(specs[i].name, word, len) == 0)
			return &specs[i];
	}
	return NULL;
}

int options_next(int argc, char *const *argv, int *at,
		 const struct option_spec *specs, size_t nr, struct option *out,
		 struct complaint *c)
{
	const struct option_spec *spec;
	const char *word;
	size_t len;

	if (*at >= argc)
		return 0;
	word = argv[(*at)++];
	if (word[0] != '-' || word[1] == '\0') {
		*out = (struct option){ .id = 0, .value = word };
		return 1;
	}
	len = strcspn(word, "=");
	spec = find_option(word, len, specs, nr);
	if (!spec)
		return unknown_option(word, len, specs, nr, c);
	*out = (struct option){ .id = spec->id, .value = "" };
	if (!spec->has_value)
		return word[len] ? complain(c, "%s takes no value", spec->name)
				 : 1;
	if (word[len])
		out->value = word + len + 1;
	else if (*at < argc)
		out->value = argv[(*at)++];
	else
		return complain(c, "%s needs a value", spec->name);
	return 1;
}

/* PATH, and words about it behind commas. */
static int read_disk(struct settings *s, const char *value, struct complaint *c)
{
	const size_t len = strcspn(value, ",");
	const char *rest = value + len;
	char path[PATH_MAX];
	char word[128];
	int err;

	if (len >= sizeof(path))
		return complain(c,
				"--disk: the path is %zu bytes long, at "
				"most %zu fit",
				len, sizeof(path) - 1);
	memcpy(path, value, len);
	path[len] = '\0';
	err = settings_add_disk(s, "--disk", path, c);
	while (!err && *rest == ',') {
		size_t word_len = strcspn(++rest, ",");

		if (word_len >= sizeof(word))
			word_len = sizeof(word) - 1;
		memcpy(word, rest, word_len);
		word[word_len] = '\0';
		rest += strcspn(rest, ",");
		err = disk_word(&s->disks[s->nr_disks - 1], "--disk", word, c);
	}
	return err;
}

static int read_cpus(struct settings *s, const char *value, struct complaint *c)
{
	uint64_t cpus;

	if (number_parse(value, 1, SETTINGS_CPUS_MAX, &cpus) < 0)
		return complain(c,
				"--cpus: \"%s\" is not a number within 1 "
				"and %u",
				value, SETTINGS_CPUS_MAX);
	s->cpus = (uint32_t)cpus;
	return 0;
}

static int apply(struct settings *s, const struct option *o,
		 struct complaint *c)
{
	switch (o->id) {
	case OPT_DISK:
		return read_disk(s, o->value, c);
	case OPT_KERNEL:
		return settings_text(s->kernel, sizeof(s->kernel), "--kernel",
				     o->value, c);
	case OPT_INITRD:
		return settings_text(s->initrd, sizeof(s->initrd), "--initrd",
				     o->value, c);
	case OPT_MEMORY:
		return settings_memory(s, "--memory", o->value, c);
	case OPT_CPUS:
		return read_cpus(s, o->value, c);
	case OPT_APPEND:
		return settings_text(s->append, sizeof(s->append), "--append",
				     o->value, c);
	case OPT_ACCEL:
		return settings_accel(s, "--accel", o->value, c);
	case OPT_DOORBELL:
		return settings_doorbell(s, "--doorbell", o->value, c);
	case OPT_REGISTERS:
		return settings_registers(s, "--registers", o->value, c);
	case OPT_DEVICE_DEATH:
		return settings_device_death(s, "--on-device-death", o->value,
					     c);
	case OPT_CONSOLE:
		s->console = true;
		return 0;
	case OPT_WHO:
		s->who = true;
		return 0;
	case OPT_REPORT:
		return settings_text(s->report, sizeof(s->report), "--report",
				     o->value, c);
	case OPT_CONTROL:
		return settings_text(s->control, sizeof(s->control),
				     "--control", o->value, c);
	default:
		return complain(c,
				"\"%.40s\" is no option; a disk is named "
				"with --disk",
				o->value);
	}
}

/* First pass: forms, help, and which file. */
static int scan(int argc, char *const *argv, const char **config,
		enum options_run *out, bool *has_disks, struct complaint *c)
{
	struct option o = { 0, "" };
	int at = 0;
	int ret;

	*out = OPTIONS_RUN;
	*config = NULL;
	*has_disks = false;
	while ((ret = options_next(argc, argv, &at, run_specs,
				   RF_ARRAY_LEN(run_specs), &o, c)) > 0) {
		if (o.id == OPT_HELP)
			*out = OPTIONS_RUN_HELP;
		if (o.id == OPT_HELP_CONFIG)
			*out = OPTIONS_RUN_HELP_CONFIG;
		if (o.id == OPT_DISK)
			*has_disks = true;
		if (o.id == OPT_CONFIG && *config)
			return complain(c, "--config is there twice");
		if (o.id == OPT_CONFIG)
			*config = o.value;
	}
	return ret;
}

int options_run(int argc, char *const *argv, struct settings *s,
		enum options_run *out, struct complaint *c)
{
	const char *config;
	struct option o = { 0, "" };
	bool has_disks;
	int at = 0;
	int ret;

	settings_defaults(s);
	ret = scan(argc, argv, &config, out, &has_disks, c);
	if (ret < 0 || *out != OPTIONS_RUN)
		return ret;
	if (config) {
		ret = config_read(config, s, c);
		if (ret < 0)
			return ret;
	}
	if (has_disks) {
		memset(s->disks, 0, sizeof(s->disks));
		s->nr_disks = 0;
	}
	while ((ret = options_next(argc, argv, &at, run_specs,
				   RF_ARRAY_LEN(run_specs), &o, c)) > 0) {
		if (o.id == OPT_CONFIG)
			continue;
		ret = apply(s, &o, c);
		if (ret < 0)
			return ret;
	}
	return ret < 0 ? ret : settings_check(s, c);
}
