/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * settings.c - everything a run can be told, by flags or by a file
 *
 * Side:    launcher, before anything is opened or started.
 * Owns:    the words and bounds that flags and file share.
 * Callers: options.c, config.c, demo.c.
 * Never:   opens a file, takes a default for something it could not read.
 */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "base/number.h"
#include "launcher/settings.h"

static const struct {
	const char *name;
	uint32_t flag;
} namespaces[] = {
	{ "user", CLONE_NEWUSER },     { "mount", CLONE_NEWNS },
	{ "pid", CLONE_NEWPID },       { "net", CLONE_NEWNET },
	{ "ipc", CLONE_NEWIPC },       { "uts", CLONE_NEWUTS },
	{ "cgroup", CLONE_NEWCGROUP },
};

static const struct {
	const char *name;
	int resource;
} rlimits[] = {
	{ "as", RLIMIT_AS },	     { "core", RLIMIT_CORE },
	{ "cpu", RLIMIT_CPU },	     { "data", RLIMIT_DATA },
	{ "fsize", RLIMIT_FSIZE },   { "memlock", RLIMIT_MEMLOCK },
	{ "nofile", RLIMIT_NOFILE }, { "nproc", RLIMIT_NPROC },
};
static_assert(RF_ARRAY_LEN(rlimits) <= RF_FENCE_RLIMITS_MAX,
	      "a configuration may set each of them");

static const struct settings_limit limits[SETTINGS_NR_LIMITS] = {
	[SETTINGS_LIMIT_MEMORY_MAX] = { "memory.max", "memory_max", "" },
	[SETTINGS_LIMIT_MEMORY_HIGH] = { "memory.high", "memory_high", "" },
	[SETTINGS_LIMIT_SWAP_MAX] = { "memory.swap.max", "memory_swap_max",
				      "" },
	[SETTINGS_LIMIT_CPU_MAX] = { "cpu.max", "cpu_max", "" },
	[SETTINGS_LIMIT_CPU_WEIGHT] = { "cpu.weight", "cpu_weight", "" },
	[SETTINGS_LIMIT_PIDS_MAX] = { "pids.max", "pids_max", "" },
};

static const struct disk no_disk = { .map_mib = DISK_MAP_DEFAULT,
				     .poll_us = DISK_POLL_AUTO,
				     .fd = -1 };

void settings_defaults(struct settings *s)
{
	uint32_t i;

	memset(s, 0, sizeof(*s));
	memcpy(s->kernel, SETTINGS_BUILTIN, sizeof(SETTINGS_BUILTIN));
	s->memory_bytes = 128ull << 20;
	s->cpus = 1;
	s->accel = SETTINGS_ACCEL_AUTO;
	s->doorbell = SETTINGS_DOORBELL_AUTO;
	s->jailer.namespaces = RF_FENCE_NAMESPACES;
	memcpy(s->jailer.limits, limits, sizeof(limits));
	for (i = 0; i < SETTINGS_DISKS_MAX; i++)
		s->disks[i] = no_disk;
}

int settings_memory(struct settings *s, const char *where, const char *text,
		    struct complaint *c)
{
	uint64_t bytes;

	if (number_parse_size(text, &bytes) < 0)
		return complain(c,
				"%s: \"%s\" is not a size; write a number with "
				"K, M or G behind it, such as 128M",
				where, text);
	if (bytes < SETTINGS_MEMORY_MIN || bytes > SETTINGS_MEMORY_MAX)
		return complain(c, "%s: %s is not within 2M and 1024G", where,
				text);
	if (bytes % 4096 != 0)
		return complain(c, "%s: %s is not a multiple of 4K", where,
				text);
	s->memory_bytes = bytes;
	return 0;
}

const char *settings_accel_name(enum settings_accel accel)
{
	static const char *const names[] = {
		[SETTINGS_ACCEL_AUTO] = "auto",
		[SETTINGS_ACCEL_KVM] = "kvm",
		[SETTINGS_ACCEL_NONE] = "none",
	};

	return names[accel];
}

int settings_accel(struct settings *s, const char *where, const char *text,
		   struct complaint *c)
{
	int i;

	for (i = SETTINGS_ACCEL_AUTO; i <= SETTINGS_ACCEL_NONE; i++) {
		if (strcmp(text, settings_accel_name(i)) == 0) {
			s->accel = i;
			return 0;
		}
	}
	return complain(c, "%s: \"%s\" is none of auto, kvm, none", where,
			text);
}

const char *settings_doorbell_name(int doorbell)
{
	const char *name = NULL;

	if (doorbell >= 0)
		name = rf_doorbell_kind_name((enum rf_doorbell_kind)doorbell);
	return name ? name : "auto";
}

int settings_doorbell(struct settings *s, const char *where, const char *text,
		      struct complaint *c)
{
	enum rf_doorbell_kind kind;

	if (strcmp(text, "auto") == 0) {
		s->doorbell = SETTINGS_DOORBELL_AUTO;
		return 0;
	}
	if (rf_doorbell_kind_from_name(text, &kind) < 0)
		return complain(c,
				"%s: \"%s\" is none of auto, coalesced2, "
				"ioeventfd, coalesced, exit",
				where, text);
	s->doorbell = (int)kind;
	return 0;
}

const char *settings_registers_name(enum settings_registers registers)
{
	static const char *const names[] = {
		[SETTINGS_REGISTERS_AUTO] = "auto",
		[SETTINGS_REGISTERS_PAGE] = "page",
		[SETTINGS_REGISTERS_EXIT] = "exit",
	};

	return names[registers];
}

int settings_registers(struct settings *s, const char *where, const char *text,
		       struct complaint *c)
{
	int i;

	for (i = SETTINGS_REGISTERS_AUTO; i <= SETTINGS_REGISTERS_EXIT; i++) {
		if (strcmp(text, settings_registers_name(i)) == 0) {
			s->registers = i;
			return 0;
		}
	}
	return complain(c, "%s: \"%s\" is none of auto, page, exit", where,
			text);
}

int settings_device_death(struct settings *s, const char *where,
			  const char *text, struct complaint *c)
{
	if (strcmp(text, "end") == 0)
		s->keep_on_device_death = false;
	else if (strcmp(text, "keep") == 0)
		s->keep_on_device_death = true;
	else
		return complain(c, "%s: \"%s\" is none of end, keep", where,
				text);
	return 0;
}

int settings_text(char *out, size_t cap, const char *where, const char *text,
		  struct complaint *c)
{
	const size_t len = strlen(text);

	if (len == 0)
		return complain(c, "%s: is empty", where);
	if (len >= cap)
		return complain(c, "%s: is %zu bytes long, at most %zu fit",
				where, len, cap - 1);
	memcpy(out, text, len + 1);
	return 0;
}

int settings_add_disk(struct settings *s, const char *where, const char *path,
		      struct complaint *c)
{
	struct disk *disk;
	int err;

	if (s->nr_disks == SETTINGS_DISKS_MAX)
		return complain(c, "%s: more than %u disks", where,
				SETTINGS_DISKS_MAX);
	disk = &s->disks[s->nr_disks];
	*disk = no_disk;
	err = settings_text(disk->path, sizeof(disk->path), where, path, c);
	if (err)
		return err;
	s->nr_disks++;
	return 0;
}

uint32_t settings_namespace(const char *name)
{
	size_t i;

	for (i = 0; i < RF_ARRAY_LEN(namespaces); i++) {
		if (strcmp(name, namespaces[i].name) == 0)
			return namespaces[i].flag;
	}
	return 0;
}

int settings_rlimit(const char *name)
{
	size_t i;

	for (i = 0; i < RF_ARRAY_LEN(rlimits); i++) {
		if (strcmp(name, rlimits[i].name) == 0)
			return rlimits[i].resource;
	}
	return -1;
}

static int check_device_ids(const struct settings *s, struct complaint *c)
{
	uint32_t i;

	for (i = s->nr_disks; i < SETTINGS_DISKS_MAX; i++) {
		if (s->jailer.devices[i].given)
			return complain(c,
					"jailer.ids.devices[%u]: there is no "
					"disk %u; %u are configured",
					i, i, s->nr_disks);
	}
	return 0;
}

static int check_limits(const struct settings *s, struct complaint *c)
{
	uint32_t i;

	if (s->jailer.cgroup[0])
		return 0;
	for (i = 0; i < SETTINGS_NR_LIMITS; i++) {
		if (s->jailer.limits[i].value[0])
			return complain(c,
					"jailer.cgroup.%s: a limit without a "
					"cgroup; name one with "
					"jailer.cgroup.path",
					s->jailer.limits[i].key);
	}
	return 0;
}

int settings_check(const struct settings *s, struct complaint *c)
{
	const bool is_builtin = strcmp(s->kernel, SETTINGS_BUILTIN) == 0;
	int err;

	if (s->initrd[0] && is_builtin)
		return complain(c, "the built-in guest takes no initramfs; "
				   "name a kernel with --kernel FILE");
	/* A kernel may live in its initramfs alone. */
	if (s->nr_disks == 0 && is_builtin)
		return complain(c, "no disk: name one with --disk PATH or "
				   "under \"disks\"");
	if (s->accel == SETTINGS_ACCEL_NONE &&
	    s->doorbell != SETTINGS_DOORBELL_AUTO &&
	    s->doorbell != RF_DOORBELL_EXIT)
		return complain(c,
				"doorbell %s needs KVM, and accel is none; "
				"take exit or auto",
				settings_doorbell_name(s->doorbell));
	if (s->accel == SETTINGS_ACCEL_NONE &&
	    s->registers == SETTINGS_REGISTERS_PAGE)
		return complain(c, "registers page needs KVM, and accel is "
				   "none; take exit or auto");
	if (s->accel == SETTINGS_ACCEL_NONE && !is_builtin)
		return complain(c, "accel none runs no kernel, it only plays "
				   "the built-in guest; leave --kernel out");
	err = check_device_ids(s, c);
	if (err)
		return err;
	return check_limits(s, c);
}
