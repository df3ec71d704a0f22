/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * config_jailer.c - the section "jailer" of a configuration file
 *
 * Side:    launcher, before anything is opened or started.
 * Owns:    the keys of ids, cgroup, rlimits, root and namespaces.
 * Callers: config.c; its twin tests this file as well.
 * Never:   skips what it does not know: a misspelt limit would be no limit.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/number.h"
#include "launcher/config_item.h"

/* (uid_t)-1 means "no change" to the kernel: no id to run under. Id 0 would
 * give a fenced process the host's root in all but capabilities. */
static int read_id(const struct config_item *it, uint32_t *out)
{
	uint64_t id = 0;
	int err;

	err = config_read_integer(it, 1, UINT32_MAX - 1, &id);
	if (!err)
		*out = (uint32_t)id;
	return err;
}

static int read_ids(const struct config_item *it, struct settings_ids *out)
{
	const struct {
		const char *name;
		uint32_t *id;
	} members[] = { { "uid", &out->uid }, { "gid", &out->gid } };
	char path[CONFIG_PATH_BYTES];
	size_t i;
	int err;

	err = config_check_type(it, JSON_OBJECT);
	if (err)
		return err;
	for (i = 0; i < RF_ARRAY_LEN(members); i++) {
		struct config_item member = {
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
		err = config_check_type(&member, JSON_INTEGER);
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

static int read_ids_base(const struct config_item *it)
{
	uint64_t base = 0;
	int err;

	err = config_read_integer(it, 1, UINT32_MAX - 1 - RF_FENCE_DEVICES_MAX,
				  &base);
	if (err)
		return err;
	it->s->jailer.ids_base = (uint32_t)base;
	it->s->jailer.has_ids_base = true;
	return 0;
}

static int read_ids_vmm(const struct config_item *it)
{
	return read_ids(it, &it->s->jailer.vmm);
}

static int read_ids_device(const struct config_item *it)
{
	return read_ids(it, &it->s->jailer.devices[it->index]);
}

static int read_ids_devices(const struct config_item *it)
{
	return config_read_array(it, SETTINGS_DISKS_MAX, read_ids_device);
}

static int read_jailer_ids(const struct config_item *it)
{
	static const struct config_key keys[] = {
		{ "base", JSON_INTEGER, read_ids_base },
		{ "vmm", JSON_OBJECT, read_ids_vmm },
		{ "devices", JSON_ARRAY, read_ids_devices },
	};

	return config_read_object(it, keys, RF_ARRAY_LEN(keys));
}

/* A relative path below the mount of cgroup2: nothing that climbs out. */
static int read_cgroup_path(const struct config_item *it)
{
	char *out = it->s->jailer.cgroup;
	const char *p;
	int err;

	err = config_read_text(it, out, sizeof(it->s->jailer.cgroup));
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

static int set_limit(const struct config_item *it, unsigned limit,
		     uint64_t value)
{
	struct settings_limit *l = &it->s->jailer.limits[limit];

	(void)snprintf(l->value, sizeof(l->value), "%" PRIu64, value);
	return 0;
}

static int read_limit_size(const struct config_item *it, unsigned limit)
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

static int read_memory_max(const struct config_item *it)
{
	return read_limit_size(it, SETTINGS_LIMIT_MEMORY_MAX);
}

static int read_memory_high(const struct config_item *it)
{
	return read_limit_size(it, SETTINGS_LIMIT_MEMORY_HIGH);
}

static int read_swap_max(const struct config_item *it)
{
	return read_limit_size(it, SETTINGS_LIMIT_SWAP_MAX);
}

/* "MICROSECONDS PERIOD" or "max PERIOD", as the kernel writes it. */
static int read_cpu_max(const struct config_item *it)
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

static int read_cpu_weight(const struct config_item *it)
{
	uint64_t weight = 0;
	int err;

	err = config_read_integer(it, 1, 10000, &weight);
	if (err)
		return err;
	return set_limit(it, SETTINGS_LIMIT_CPU_WEIGHT, weight);
}

static int read_pids_max(const struct config_item *it)
{
	uint64_t pids = 0;
	int err;

	err = config_read_integer(it, 1, 4194304, &pids);
	if (err)
		return err;
	return set_limit(it, SETTINGS_LIMIT_PIDS_MAX, pids);
}

static int read_cgroup(const struct config_item *it)
{
	static const struct config_key keys[] = {
		{ "path", JSON_STRING, read_cgroup_path },
		{ "memory_max", JSON_STRING, read_memory_max },
		{ "memory_high", JSON_STRING, read_memory_high },
		{ "memory_swap_max", JSON_STRING, read_swap_max },
		{ "cpu_max", JSON_STRING, read_cpu_max },
		{ "cpu_weight", JSON_INTEGER, read_cpu_weight },
		{ "pids_max", JSON_INTEGER, read_pids_max },
	};

	return config_read_object(it, keys, RF_ARRAY_LEN(keys));
}

static int read_rlimit_value(const struct config_item *it, rlim_t *out)
{
	uint64_t value = 0;

	if (json_is_integer(it->value)) {
		int err = config_read_integer(it, 0, INT64_MAX, &value);

		if (!err)
			*out = value;
		return err;
	}
	if (!json_is_string(it->value))
		return complain(it->c,
				"%s: %s: is %s, must be an integer or a size "
				"such as \"64M\"",
				it->file, it->path,
				config_type_name(json_typeof(it->value)));
	if (number_parse_size(json_string_value(it->value), &value) < 0)
		return complain(it->c, "%s: %s: \"%s\" is not a size", it->file,
				it->path, json_string_value(it->value));
	*out = value;
	return 0;
}

static int read_rlimits(const struct config_item *it)
{
	struct settings_jailer *j = &it->s->jailer;
	char path[CONFIG_PATH_BYTES];
	const char *name;
	json_t *value;
	int err;

	json_object_foreach((json_t *)(uintptr_t)it->value, name, value)
	{
		struct config_item member = { it->file, path,  value,
					      it->s,	it->c, 0 };
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

static int read_root(const struct config_item *it)
{
	int err;

	err = config_read_text(it, it->s->jailer.root,
			       sizeof(it->s->jailer.root));
	if (err)
		return err;
	if (it->s->jailer.root[0] != '/')
		return complain(it->c, "%s: %s: \"%s\" does not begin with /",
				it->file, it->path, it->s->jailer.root);
	return 0;
}

static int read_namespace(const struct config_item *it)
{
	uint32_t flag;
	int err;

	err = config_check_type(it, JSON_STRING);
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
static int read_namespaces(const struct config_item *it)
{
	const uint32_t musts = settings_namespace("user") |
			       settings_namespace("mount");
	int err;

	it->s->jailer.namespaces = 0;
	err = config_read_array(it, 7, read_namespace);
	if (err)
		return err;
	if ((it->s->jailer.namespaces & musts) != musts)
		return complain(it->c,
				"%s: %s: \"user\" and \"mount\" cannot be left "
				"out",
				it->file, it->path);
	return 0;
}

int config_read_jailer(const struct config_item *it)
{
	static const struct config_key keys[] = {
		{ "ids", JSON_OBJECT, read_jailer_ids },
		{ "cgroup", JSON_OBJECT, read_cgroup },
		{ "rlimits", JSON_OBJECT, read_rlimits },
		{ "root", JSON_STRING, read_root },
		{ "namespaces", JSON_ARRAY, read_namespaces },
	};

	return config_read_object(it, keys, RF_ARRAY_LEN(keys));
}
