/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * settings.h - everything a run can be told, by flags or by a file
 *
 * Plain values with their bounds; nothing in here is open or started. In
 * order: settings_defaults(), config_read() for --config, the flags, and
 * settings_check() for what only the whole can tell.
 */
#ifndef RINGFENCE_LAUNCHER_SETTINGS_H
#define RINGFENCE_LAUNCHER_SETTINGS_H

#include <limits.h>

#include <ringfence/doorbell.h>
#include <ringfence/fence.h>

#include "launcher/disk.h"
#include "launcher/say.h"

#define SETTINGS_DISKS_MAX RF_FENCE_DEVICES_MAX
#define SETTINGS_CPUS_MAX RF_FD_PLACES
#define SETTINGS_MEMORY_MIN (2ull << 20)
#define SETTINGS_MEMORY_MAX (1ull << 40)
/* All that fits one argument of a program (the kernel's MAX_ARG_STRLEN): which
 * kernel takes how much is the vCPU process's to say, with both numbers. */
#define SETTINGS_APPEND_BYTES 131072u
#define SETTINGS_DOORBELL_AUTO (-1)
#define SETTINGS_BUILTIN "builtin"

/* Host ids 0x52460000 and up, sixty-four in a row for each launcher, unless
 * the configuration names others. Ids of people and services end far below,
 * and what newuidmap hands out on a Debian host begins at 100000. */
#define SETTINGS_IDS_BASE 0x52460000u

enum settings_accel {
	SETTINGS_ACCEL_AUTO,
	SETTINGS_ACCEL_KVM,
	SETTINGS_ACCEL_NONE,
};

/* How a guest's reads of device registers are answered. */
enum settings_registers {
	SETTINGS_REGISTERS_AUTO,
	SETTINGS_REGISTERS_PAGE, /* by KVM, from a page: no exit */
	SETTINGS_REGISTERS_EXIT, /* by the vCPU process */
};

struct settings_ids {
	bool given;
	uid_t uid;
	gid_t gid;
};

/* One file of a cgroup and what is written there. */
struct settings_limit {
	const char *file; /* "memory.max" */
	const char *key;  /* "memory_max", as the configuration says it */
	char value[64];	  /* "": not set */
};

enum {
	SETTINGS_LIMIT_MEMORY_MAX,
	SETTINGS_LIMIT_MEMORY_HIGH,
	SETTINGS_LIMIT_SWAP_MAX,
	SETTINGS_LIMIT_CPU_MAX,
	SETTINGS_LIMIT_CPU_WEIGHT,
	SETTINGS_LIMIT_PIDS_MAX,
	SETTINGS_NR_LIMITS
};

struct settings_jailer {
	bool has_ids_base;
	uint32_t ids_base;
	struct settings_ids vmm;
	struct settings_ids devices[SETTINGS_DISKS_MAX];
	char cgroup[PATH_MAX]; /* "": no cgroup */
	struct settings_limit limits[SETTINGS_NR_LIMITS];
	struct rf_fence_rlimit rlimits[RF_FENCE_RLIMITS_MAX];
	uint32_t nr_rlimits;
	char root[PATH_MAX]; /* "": an empty one */
	uint32_t namespaces;
};

struct settings {
	char kernel[PATH_MAX]; /* or SETTINGS_BUILTIN */
	char initrd[PATH_MAX]; /* "": none */
	uint64_t memory_bytes;
	uint32_t cpus;
	enum settings_accel accel;
	int doorbell; /* enum rf_doorbell_kind, or SETTINGS_DOORBELL_AUTO */
	enum settings_registers registers;
	char append[SETTINGS_APPEND_BYTES];
	char report[PATH_MAX];	/* "": none */
	char control[PATH_MAX]; /* "": none */
	bool who;
	bool console; /* standard input is the guest's, whatever it is */
	bool keep_on_device_death;
	struct disk disks[SETTINGS_DISKS_MAX];
	uint32_t nr_disks;
	struct settings_jailer jailer;
};

void settings_defaults(struct settings *s);

/* Words to values. `where` names the option or key in the complaint. */
RF_MUST_CHECK int settings_memory(struct settings *s, const char *where,
				  const char *text, struct complaint *c);
RF_MUST_CHECK int settings_accel(struct settings *s, const char *where,
				 const char *text, struct complaint *c);
RF_MUST_CHECK int settings_doorbell(struct settings *s, const char *where,
				    const char *text, struct complaint *c);
RF_MUST_CHECK int settings_registers(struct settings *s, const char *where,
				     const char *text, struct complaint *c);
RF_MUST_CHECK int settings_device_death(struct settings *s, const char *where,
					const char *text, struct complaint *c);
/* Copies `text`; an empty one, or one that does not fit, is refused. */
RF_MUST_CHECK int settings_text(char *out, size_t cap, const char *where,
				const char *text, struct complaint *c);
/* One more disk with that path, and nothing else said of it. */
RF_MUST_CHECK int settings_add_disk(struct settings *s, const char *where,
				    const char *path, struct complaint *c);

/* CLONE_NEW* of "user", "mount", ...; 0 if there is no such name. */
uint32_t settings_namespace(const char *name);
/* RLIMIT_* of "nofile", ...; -1 if there is no such name. */
int settings_rlimit(const char *name);
/* "auto", "kvm", "none". */
const char *settings_accel_name(enum settings_accel accel);
/* "auto" or the kind's name. */
const char *settings_doorbell_name(int doorbell);
/* "auto", "page", "exit". */
const char *settings_registers_name(enum settings_registers registers);

/* What only the whole can tell. */
RF_MUST_CHECK int settings_check(const struct settings *s, struct complaint *c);

#endif
