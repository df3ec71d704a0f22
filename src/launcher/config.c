/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * config.c - a configuration file, read strictly
 *
 * Side:    launcher, before anything is opened or started.
 * Owns:    the keys. Values and their bounds belong to settings.c.
 * Callers: options.c.
 * Never:   skips what it does not know: a misspelt limit would be no limit.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/number.h"
#include "launcher/config.h"

#define PATH_BYTES 160

/* One value on its way into the settings, and where it stands. */
struct item {
	const char *file;
	const char *path; /* "jailer.cgroup" */
	const json_t *value;
	struct settings *s;
	struct complaint *c;
	size_t index; /* in the array it stands in */
};

struct key {
	const char *name;
	json_type type;
	int (*read)(const struct item *it);
};

static const char *type_name(json_type type)
{
	static const char *const names[] = {
		[JSON_OBJECT] = "an object",   [JSON_ARRAY] = "an array",
		[JSON_STRING] = "a string",    [JSON_INTEGER] = "an integer",
		[JSON_REAL] = "a real number", [JSON_TRUE] = "true",
		[JSON_FALSE] = "false",	       [JSON_NULL] = "null",
	};

	/* A key that wants JSON_TRUE takes either. */
	return names[type];
}

static bool has_type(const json_t *value, json_type type)
{
	if (type == JSON_TRUE)
		return json_is_boolean(value);
	return json_typeof(value) == type;
}

static int check_type(const struct item *it, json_type type)
{
	if (has_type(it->value, type))
		return 0;
	return complain(it->c, "%s: %s: is %s, must be %s", it->file, it->path,
			type_name(json_typeof(it->value)),
			type == JSON_TRUE ? "true or false" : type_name(type));
}

/* "file: path", the form settings.c puts before its complaints. */
static const char *where(const struct item *it, char *buf, size_t cap)
{
	(void)snprintf(buf, cap, "%s: %s", it->file, it->path);
	return buf;
}

static int unknown_key(const struct item *it, const char *name,
		       const struct key *keys, size_t nr)
{
	const char *names[16];
	const char *nearest;
	size_t i;

	for (i = 0; i < nr && i < RF_ARRAY_LEN(names); i++)
		names[i] = keys[i].name;
	nearest = say_nearest(name, names, i);
	return complain(it->c, "%s: %s%s%.40s: unknown key%s%s%s", it->file,
			it->path, it->path[0] ? "." : "", name,
			nearest ? "; did you mean \"" : "",
			nearest ? nearest : "", nearest ? "\"?" : "");
}

static const struct key *find_key(const char *name, const struct key *keys,
				  size_t nr)
{
	size_t i;

	for (i = 0; i < nr; i++) {
		if (strcmp(keys[i].name, name) == 0)
			return &keys[i];
	}
	return NULL;
}

/* Each member of an object through the table of its keys. */
static int read_object(const struct item *it, const struct key *keys, size_t nr)
{
	char path[PATH_BYTES];
	const char *name;
	json_t *value;
	int err;

	err = check_type(it, JSON_OBJECT);
	if (err)
		return err;
	/* jansson's iterators want a json_t they could change; they do not. */
	json_object_foreach((json_t *)(uintptr_t)it->value, name, value)
	{
		const struct key *key = find_key(name, keys, nr);
		struct item member = { it->file, path, value, it->s, it->c, 0 };

		if (!key)
			return unknown_key(it, name, keys, nr);
		(void)snprintf(path, sizeof(path), "%s%s%s", it->path,
			       it->path[0] ? "." : "", name);
		err = check_type(&member, key->type);
		if (err)
			return err;
		err = key->read(&member);
		if (err)
			return err;
	}
	return 0;
}

static int read_text(const struct item *it, char *out, size_t cap)
{
	char at[PATH_BYTES + 64];

	return settings_text(out, cap, where(it, at, sizeof(at)),
			     json_string_value(it->value), it->c);
}

static int read_integer(const struct item *it, uint64_t min, uint64_t max,
			uint64_t *out)
{
	const json_int_t value = json_integer_value(it->value);

	if (value < 0 || (uint64_t)value < min || (uint64_t)value > max)
		return complain(it->c,
				"%s: %s: %" JSON_INTEGER_FORMAT
				" is not within %" PRIu64 " and %" PRIu64,
				it->file, it->path, value, min, max);
	*out = (uint64_t)value;
	return 0;
}

static int read_kernel(const struct item *it)
{
	return read_text(it, it->s->kernel, sizeof(it->s->kernel));
}

static int read_initrd(const struct item *it)
{
	return read_text(it, it->s->initrd, sizeof(it->s->initrd));
}

static int read_memory(const struct item *it)
{
	char at[PATH_BYTES + 64];

	return settings_memory(it->s, where(it, at, sizeof(at)),
			       json_string_value(it->value), it->c);
}

static int read_cpus(const struct item *it)
{
	uint64_t cpus = 0;
	int err;

	err = read_integer(it, 1, SETTINGS_CPUS_MAX, &cpus);
	if (!err)
		it->s->cpus = (uint32_t)cpus;
	return err;
}

static int read_accel(const struct item *it)
{
	char at[PATH_BYTES + 64];

	return settings_accel(it->s, where(it, at, sizeof(at)),
			      json_string_value(it->value), it->c);
}

static int read_doorbell(const struct item *it)
{
	char at[PATH_BYTES + 64];

	return settings_doorbell(it->s, where(it, at, sizeof(at)),
				 json_string_value(it->value), it->c);
}

static int read_append(const struct item *it)
{
	return read_text(it, it->s->append, sizeof(it->s->append));
}

static int read_console(const struct item *it)
{
	it->s->console = json_is_true(it->value);
	return 0;
}

static int read_device_death(const struct item *it)
{
	char at[PATH_BYTES + 64];

	return settings_device_death(it->s, where(it, at, sizeof(at)),
				     json_string_value(it->value), it->c);
}

/* The disk being read is the one behind the last of the settings'. */
static struct settings_disk *this_disk(const struct item *it)
{
	return &it->s->disks[it->s->nr_disks];
}

static int read_disk_path(const struct item *it)
{
	return read_text(it, this_disk(it)->path, sizeof(this_disk(it)->path));
}

static int read_disk_ro(const struct item *it)
{
	this_disk(it)->read_only = json_is_true(it->value);
	return 0;
}

static int read_disk_serial(const struct item *it)
{
	return read_text(it, this_disk(it)->serial,
			 sizeof(this_disk(it)->serial));
}

static int read_disk(const struct item *it)
{
	static const struct key keys[] = {
		{ "path", JSON_STRING, read_disk_path },
		{ "read_only", JSON_TRUE, read_disk_ro },
		{ "serial", JSON_STRING, read_disk_serial },
	};
	int err;

	err = read_object(it, keys, RF_ARRAY_LEN(keys));
	if (err)
		return err;
	if (!this_disk(it)->path[0])
		return complain(it->c, "%s: %s: has no \"path\"", it->file,
				it->path);
	it->s->nr_disks++;
	return 0;
}

/* Each element of an array, with its place in its path. */
static int read_array(const struct item *it, size_t max,
		      int (*read)(const struct item *it))
{
	const size_t nr = json_array_size(it->value);
	char path[PATH_BYTES];
	size_t i;
	int err;

	if (nr > max)
		return complain(it->c,
				"%s: %s: has %zu elements, at most %zu "
				"are possible",
				it->file, it->path, nr, max);
	for (i = 0; i < nr; i++) {
		struct item element = {
			it->file, path,	 json_array_get(it->value, i),
			it->s,	  it->c, i
		};

		(void)snprintf(path, sizeof(path), "%s[%zu]", it->path, i);
		err = read(&element);
		if (err)
			return err;
	}
	return 0;
}

static int read_disks(const struct item *it)
{
	return read_array(it, SETTINGS_DISKS_MAX, read_disk);
}

/* (uid_t)-1 means "no change" to the kernel: no id to run under. Id 0 would
 * give a fenced process the host's root in all but capabilities. */
static int read_id(const struct item *it, uint32_t *out)
{
	uint64_t id = 0;
	int err;

	err = read_integer(it, 1, UINT32_MAX - 1, &id);
	if (!err)
		*out = (uint32_t)id;
	return err;
}

static int read_ids(const struct item *it, struct settings_ids *out)
{
	const struct {
		const char *name;
		uint32_t *id;
	} members[] = { { "uid", &out->uid }, { "gid", &out->gid } };
	char path[PATH_BYTES];
	size_t i;
	int err;

	err = check_type(it, JSON_OBJECT);
	if (err)
		return err;
	for (i = 0; i < RF_ARRAY_LEN(members); i++) {
		struct item member = {
			it->file,
			path,
			json_object_get(it->value, members[i].name),
			it->s,
			it->c,
			0
		};

		(void)snprintf(path, sizeof(path), "%s.%s", it->path,
			       members[i].name);
		if (!member.value)
			return complain(it->c, "%s: %s: is missing", it->file,
					path);
		err = check_type(&member, JSON_INTEGER);
		if (!err)
			err = read_id(&member, members[i].id);
		if (err)
			return err;
	}
	if (json_object_size(it->value) != RF_ARRAY_LEN(members))
		return complain(it->c,
				"%s: %s: holds an unknown key; it has uid and "
				"gid, no others",
				it->file, it->path);
	out->given = true;
	return 0;
}

static int read_ids_base(const struct item *it)
{
	uint64_t base = 0;
	int err;

	err = read_integer(it, 1, UINT32_MAX - 1 - RF_FENCE_DEVICES_MAX, &base);
	if (err)
		return err;
	it->s->jailer.ids_base = (uint32_t)base;
	it->s->jailer.has_ids_base = true;
	return 0;
}

static int read_ids_vmm(const struct item *it)
{
	return read_ids(it, &it->s->jailer.vmm);
}

static int read_ids_device(const struct item *it)
{
	return read_ids(it, &it->s->jailer.devices[it->index]);
}

static int read_ids_devices(const struct item *it)
{
	return read_array(it, SETTINGS_DISKS_MAX, read_ids_device);
}

static int read_jailer_ids(const struct item *it)
{
	static const struct key keys[] = {
		{ "base", JSON_INTEGER, read_ids_base },
		{ "vmm", JSON_OBJECT, read_ids_vmm },
		{ "devices", JSON_ARRAY, read_ids_devices },
	};

	return read_object(it, keys, RF_ARRAY_LEN(keys));
}

/* A relative path below the mount of cgroup2: nothing that climbs out. */
static int read_cgroup_path(const struct item *it)
{
	char *out = it->s->jailer.cgroup;
	const char *p;
	int err;

	err = read_text(it, out, sizeof(it->s->jailer.cgroup));
	if (err)
		return err;
	for (p = out; p; p = strchr(p, '/')) {
		p += *p == '/';
		if (strncmp(p, "..", 2) == 0 && (p[2] == '/' || !p[2]))
			return complain(it->c,
					"%s: %s: \"%s\" has a \"..\" in it",
					it->file, it->path, out);
	}
	return 0;
}

static int set_limit(const struct item *it, unsigned limit, uint64_t value)
{
	struct settings_limit *l = &it->s->jailer.limits[limit];

	(void)snprintf(l->value, sizeof(l->value), "%" PRIu64, value);
	return 0;
}

static int read_limit_size(const struct item *it, unsigned limit)
{
	const char *text = json_string_value(it->value);
	uint64_t bytes;

	if (strcmp(text, "max") == 0) {
		memcpy(it->s->jailer.limits[limit].value, "max", 4);
		return 0;
	}
	if (number_parse_size(text, &bytes) < 0)
		return complain(it->c,
				"%s: %s: \"%s\" is not a size; write a number "
				"with K, M or G behind it, or max",
				it->file, it->path, text);
	return set_limit(it, limit, bytes);
}

static int read_memory_max(const struct item *it)
{
	return read_limit_size(it, SETTINGS_LIMIT_MEMORY_MAX);
}

static int read_memory_high(const struct item *it)
{
	return read_limit_size(it, SETTINGS_LIMIT_MEMORY_HIGH);
}

static int read_swap_max(const struct item *it)
{
	return read_limit_size(it, SETTINGS_LIMIT_SWAP_MAX);
}

/* "MICROSECONDS PERIOD" or "max PERIOD", as the kernel writes it. */
static int read_cpu_max(const struct item *it)
{
	struct settings_limit *l =
		&it->s->jailer.limits[SETTINGS_LIMIT_CPU_MAX];
	char quota[24];
	char period[24];
	uint64_t n;
	int used = 0;

	if (sscanf(json_string_value(it->value), "%23[0-9max] %23[0-9]%n",
		   quota, period, &used) != 2 ||
	    json_string_value(it->value)[used] != '\0' ||
	    (strcmp(quota, "max") != 0 &&
	     number_parse(quota, 1000, UINT32_MAX, &n) < 0) ||
	    number_parse(period, 1000, 1000000, &n) < 0)
		return complain(it->c,
				"%s: %s: \"%s\" is not \"QUOTA PERIOD\" in "
				"microseconds, such as \"50000 100000\"",
				it->file, it->path,
				json_string_value(it->value));
	(void)snprintf(l->value, sizeof(l->value), "%s %s", quota, period);
	return 0;
}

static int read_cpu_weight(const struct item *it)
{
	uint64_t weight = 0;
	int err;

	err = read_integer(it, 1, 10000, &weight);
	if (err)
		return err;
	return set_limit(it, SETTINGS_LIMIT_CPU_WEIGHT, weight);
}

static int read_pids_max(const struct item *it)
{
	uint64_t pids = 0;
	int err;

	err = read_integer(it, 1, 4194304, &pids);
	if (err)
		return err;
	return set_limit(it, SETTINGS_LIMIT_PIDS_MAX, pids);
}

static int read_cgroup(const struct item *it)
{
	static const struct key keys[] = {
		{ "path", JSON_STRING, read_cgroup_path },
		{ "memory_max", JSON_STRING, read_memory_max },
		{ "memory_high", JSON_STRING, read_memory_high },
		{ "memory_swap_max", JSON_STRING, read_swap_max },
		{ "cpu_max", JSON_STRING, read_cpu_max },
		{ "cpu_weight", JSON_INTEGER, read_cpu_weight },
		{ "pids_max", JSON_INTEGER, read_pids_max },
	};

	return read_object(it, keys, RF_ARRAY_LEN(keys));
}

static int read_rlimit_value(const struct item *it, rlim_t *out)
{
	uint64_t value = 0;

	if (json_is_integer(it->value)) {
		int err = read_integer(it, 0, INT64_MAX, &value);

		if (!err)
			*out = value;
		return err;
	}
	if (!json_is_string(it->value))
		return complain(it->c,
				"%s: %s: is %s, must be an integer or a size "
				"such as \"64M\"",
				it->file, it->path,
				type_name(json_typeof(it->value)));
	if (number_parse_size(json_string_value(it->value), &value) < 0)
		return complain(it->c, "%s: %s: \"%s\" is not a size", it->file,
				it->path, json_string_value(it->value));
	*out = value;
	return 0;
}

static int read_rlimits(const struct item *it)
{
	struct settings_jailer *j = &it->s->jailer;
	char path[PATH_BYTES];
	const char *name;
	json_t *value;
	int err;

	json_object_foreach((json_t *)(uintptr_t)it->value, name, value)
	{
		struct item member = { it->file, path, value, it->s, it->c, 0 };
		struct rf_fence_rlimit *out = &j->rlimits[j->nr_rlimits];

		(void)snprintf(path, sizeof(path), "%s.%.40s", it->path, name);
		out->resource = settings_rlimit(name);
		if (out->resource < 0)
			return complain(it->c,
					"%s: %s: unknown limit; there are as, "
					"core, cpu, data, fsize, memlock, "
					"nofile and nproc",
					it->file, path);
		err = read_rlimit_value(&member, &out->value);
		if (err)
			return err;
		/* Keys are unique, and there are no more than fit. */
		j->nr_rlimits++;
	}
	return 0;
}

static int read_root(const struct item *it)
{
	int err;

	err = read_text(it, it->s->jailer.root, sizeof(it->s->jailer.root));
	if (err)
		return err;
	if (it->s->jailer.root[0] != '/')
		return complain(it->c, "%s: %s: \"%s\" does not begin with /",
				it->file, it->path, it->s->jailer.root);
	return 0;
}

static int read_namespace(const struct item *it)
{
	uint32_t flag;
	int err;

	err = check_type(it, JSON_STRING);
	if (err)
		return err;
	flag = settings_namespace(json_string_value(it->value));
	if (!flag)
		return complain(it->c,
				"%s: %s: \"%s\" is none of user, mount, pid, "
				"net, ipc, uts, cgroup",
				it->file, it->path,
				json_string_value(it->value));
	if (it->s->jailer.namespaces & flag)
		return complain(it->c, "%s: %s: \"%s\" is there twice",
				it->file, it->path,
				json_string_value(it->value));
	it->s->jailer.namespaces |= flag;
	return 0;
}

/* The list replaces the default. Without these two there is no fence to speak
 * of: capabilities are dropped in one, the root is changed in the other. */
static int read_namespaces(const struct item *it)
{
	const uint32_t musts = settings_namespace("user") |
			       settings_namespace("mount");
	int err;

	it->s->jailer.namespaces = 0;
	err = read_array(it, 7, read_namespace);
	if (err)
		return err;
	if ((it->s->jailer.namespaces & musts) != musts)
		return complain(it->c,
				"%s: %s: \"user\" and \"mount\" cannot be left "
				"out",
				it->file, it->path);
	return 0;
}

static int read_jailer(const struct item *it)
{
	static const struct key keys[] = {
		{ "ids", JSON_OBJECT, read_jailer_ids },
		{ "cgroup", JSON_OBJECT, read_cgroup },
		{ "rlimits", JSON_OBJECT, read_rlimits },
		{ "root", JSON_STRING, read_root },
		{ "namespaces", JSON_ARRAY, read_namespaces },
	};

	return read_object(it, keys, RF_ARRAY_LEN(keys));
}

static int read_top(const struct item *it)
{
	static const struct key keys[] = {
		{ "kernel", JSON_STRING, read_kernel },
		{ "initrd", JSON_STRING, read_initrd },
		{ "memory", JSON_STRING, read_memory },
		{ "cpus", JSON_INTEGER, read_cpus },
		{ "accel", JSON_STRING, read_accel },
		{ "doorbell", JSON_STRING, read_doorbell },
		{ "append", JSON_STRING, read_append },
		{ "console", JSON_TRUE, read_console },
		{ "on_device_death", JSON_STRING, read_device_death },
		{ "disks", JSON_ARRAY, read_disks },
		{ "jailer", JSON_OBJECT, read_jailer },
	};

	if (!json_is_object(it->value))
		return complain(it->c, "%s: is %s, must be an object", it->file,
				type_name(json_typeof(it->value)));
	return read_object(it, keys, RF_ARRAY_LEN(keys));
}

int config_parse(const char *name, const char *text, size_t len,
		 struct settings *s, struct complaint *c)
{
	struct item top = { name, "", NULL, s, c, 0 };
	json_error_t error;
	json_t *root;
	int err;

	root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &error);
	if (!root)
		return complain(c, "%s:%d:%d: %s", name, error.line,
				error.column, error.text);
	top.value = root;
	err = read_top(&top);
	json_decref(root);
	return err;
}

/* At most one byte more than allowed, so that "too large" can be told. */
static int read_file(const char *path, char **out, size_t *len,
		     struct complaint *c)
{
	rf_autofd fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;
	size_t used = 0;
	char *text;
	ssize_t n;

	if (fd < 0)
		return complain(c, "%s: %s", path, strerror(errno));
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return complain(c, "%s: is not a regular file", path);
	if (st.st_size > (off_t)CONFIG_BYTES_MAX)
		return complain(c, "%s: is larger than 1 MiB", path);
	text = malloc(CONFIG_BYTES_MAX);
	if (!text)
		return complain(c, "%s: no memory to read it", path);
	do {
		n = read(fd, text + used, CONFIG_BYTES_MAX - used);
		if (n > 0)
			used += (size_t)n;
	} while (n > 0 && used < CONFIG_BYTES_MAX);
	if (n < 0) {
		free(text);
		return complain(c, "%s: cannot be read", path);
	}
	*out = text;
	*len = used;
	return 0;
}

int config_read(const char *path, struct settings *s, struct complaint *c)
{
	char *text = NULL;
	size_t len = 0;
	int err;

	err = read_file(path, &text, &len, c);
	if (err)
		return err;
	err = config_parse(path, text, len, s, c);
	free(text);
	return err;
}
