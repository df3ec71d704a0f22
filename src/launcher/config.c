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

#include "launcher/config.h"
#include "launcher/config_item.h"

const char *config_type_name(json_type type)
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

int config_check_type(const struct config_item *it, json_type type)
{
	if (has_type(it->value, type))
		return 0;
	return complain(it->c, "%s: %s: is %s, must be %s", it->file, it->path,
			config_type_name(json_typeof(it->value)),
			type == JSON_TRUE ? "true or false"
					  : config_type_name(type));
}

/* "file: path", the form settings.c puts before its complaints. */
static const char *where(const struct config_item *it, char *buf, size_t cap)
{
	(void)snprintf(buf, cap, "%s: %s", it->file, it->path);
	return buf;
}

static int unknown_key(const struct config_item *it, const char *name,
		       const struct config_key *keys, size_t nr)
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

static const struct config_key *
find_key(const char *name, const struct config_key *keys, size_t nr)
{
	size_t i;

	for (i = 0; i < nr; i++) {
		if (strcmp(keys[i].name, name) == 0)
			return &keys[i];
	}
	return NULL;
}

/* Each member of an object through the table of its keys. */
int config_read_object(const struct config_item *it,
		       const struct config_key *keys, size_t nr)
{
	char path[CONFIG_PATH_BYTES];
	const char *name;
	json_t *value;
	int err;

	err = config_check_type(it, JSON_OBJECT);
	if (err)
		return err;
	/* jansson's iterators want a json_t they could change; they do not. */
	json_object_foreach((json_t *)(uintptr_t)it->value, name, value)
	{
		const struct config_key *key = find_key(name, keys, nr);
		struct config_item member = { it->file, path,  value,
					      it->s,	it->c, 0 };

		if (!key)
			return unknown_key(it, name, keys, nr);
		(void)snprintf(path, sizeof(path), "%s%s%s", it->path,
			       it->path[0] ? "." : "", name);
		err = config_check_type(&member, key->type);
		if (err)
			return err;
		err = key->read(&member);
		if (err)
			return err;
	}
	return 0;
}

int config_read_text(const struct config_item *it, char *out, size_t cap)
{
	char at[CONFIG_PATH_BYTES + 64];

	return settings_text(out, cap, where(it, at, sizeof(at)),
			     json_string_value(it->value), it->c);
}

int config_read_integer(const struct config_item *it, uint64_t min,
			uint64_t max, uint64_t *out)
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

static int read_kernel(const struct config_item *it)
{
	return config_read_text(it, it->s->kernel, sizeof(it->s->kernel));
}

static int read_initrd(const struct config_item *it)
{
	return config_read_text(it, it->s->initrd, sizeof(it->s->initrd));
}

static int read_memory(const struct config_item *it)
{
	char at[CONFIG_PATH_BYTES + 64];

	return settings_memory(it->s, where(it, at, sizeof(at)),
			       json_string_value(it->value), it->c);
}

static int read_cpus(const struct config_item *it)
{
	uint64_t cpus = 0;
	int err;

	err = config_read_integer(it, 1, SETTINGS_CPUS_MAX, &cpus);
	if (!err)
		it->s->cpus = (uint32_t)cpus;
	return err;
}

static int read_accel(const struct config_item *it)
{
	char at[CONFIG_PATH_BYTES + 64];

	return settings_accel(it->s, where(it, at, sizeof(at)),
			      json_string_value(it->value), it->c);
}

static int read_doorbell(const struct config_item *it)
{
	char at[CONFIG_PATH_BYTES + 64];

	return settings_doorbell(it->s, where(it, at, sizeof(at)),
				 json_string_value(it->value), it->c);
}

static int read_registers(const struct config_item *it)
{
	char at[CONFIG_PATH_BYTES + 64];

	return settings_registers(it->s, where(it, at, sizeof(at)),
				  json_string_value(it->value), it->c);
}

static int read_append(const struct config_item *it)
{
	return config_read_text(it, it->s->append, sizeof(it->s->append));
}

static int read_console(const struct config_item *it)
{
	it->s->console = json_is_true(it->value);
	return 0;
}

static int read_device_death(const struct config_item *it)
{
	char at[CONFIG_PATH_BYTES + 64];

	return settings_device_death(it->s, where(it, at, sizeof(at)),
				     json_string_value(it->value), it->c);
}

/* Each element of an array, with its place in its path. */
int config_read_array(const struct config_item *it, size_t max,
		      int (*read)(const struct config_item *it))
{
	const size_t nr = json_array_size(it->value);
	char path[CONFIG_PATH_BYTES];
	size_t i;
	int err;

	if (nr > max)
		return complain(it->c,
				"%s: %s: has %zu elements, at most %zu "
				"are possible",
				it->file, it->path, nr, max);
	for (i = 0; i < nr; i++) {
		struct config_item element = {
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

static int read_top(const struct config_item *it)
{
	static const struct config_key keys[] = {
		{ "kernel", JSON_STRING, read_kernel },
		{ "initrd", JSON_STRING, read_initrd },
		{ "memory", JSON_STRING, read_memory },
		{ "cpus", JSON_INTEGER, read_cpus },
		{ "accel", JSON_STRING, read_accel },
		{ "doorbell", JSON_STRING, read_doorbell },
		{ "registers", JSON_STRING, read_registers },
		{ "append", JSON_STRING, read_append },
		{ "console", JSON_TRUE, read_console },
		{ "on_device_death", JSON_STRING, read_device_death },
		{ "disks", JSON_ARRAY, config_read_disks },
		{ "jailer", JSON_OBJECT, config_read_jailer },
	};

	if (!json_is_object(it->value))
		return complain(it->c, "%s: is %s, must be an object", it->file,
				config_type_name(json_typeof(it->value)));
	return config_read_object(it, keys, RF_ARRAY_LEN(keys));
}

int config_parse(const char *name, const char *text, size_t len,
		 struct settings *s, struct complaint *c)
{
	struct config_item top = { name, "", NULL, s, c, 0 };
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
