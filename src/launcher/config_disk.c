/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * config_disk.c - the section "disks" of a configuration file
 *
 * Side:    launcher, before anything is opened or started.
 * Owns:    the keys of a disk. Values and their bounds belong to disk.c.
 * Callers: config.c.
 * Never:   skips what it does not know.
 */
#include <stdio.h>

#include "launcher/config_item.h"

/* The disk being read is the one behind the last of the settings'. */
static struct disk *this_disk(const struct config_item *it)
{
	return &it->s->disks[it->s->nr_disks];
}

/* What the flag says as "name=value", so that both have the same bounds. */
static int read_word(const struct config_item *it, const char *name,
		     const char *value)
{
	char at[CONFIG_PATH_BYTES + 64];
	char word[128];

	(void)snprintf(at, sizeof(at), "%s: %s", it->file, it->path);
	if (snprintf(word, sizeof(word), "%s=%s", name, value) >=
	    (int)sizeof(word))
		return complain(it->c, "%s: is too long", at);
	return disk_word(this_disk(it), at, word, it->c);
}

static int read_number(const struct config_item *it, const char *name)
{
	char value[24];

	(void)snprintf(value, sizeof(value), "%" JSON_INTEGER_FORMAT,
		       json_integer_value(it->value));
	return read_word(it, name, value);
}

static int read_path(const struct config_item *it)
{
	return config_read_text(it, this_disk(it)->path,
				sizeof(this_disk(it)->path));
}

static int read_ro(const struct config_item *it)
{
	this_disk(it)->read_only = json_is_true(it->value);
	return 0;
}

static int read_direct(const struct config_item *it)
{
	this_disk(it)->direct = json_is_true(it->value);
	return 0;
}

static int read_serial(const struct config_item *it)
{
	return config_read_text(it, this_disk(it)->serial,
				sizeof(this_disk(it)->serial));
}

static int read_io(const struct config_item *it)
{
	return read_word(it, "io", json_string_value(it->value));
}

static int read_without(const struct config_item *it)
{
	return read_word(it, "without", json_string_value(it->value));
}

static int read_queues(const struct config_item *it)
{
	return read_number(it, "queues");
}

static int read_map(const struct config_item *it)
{
	return read_number(it, "map-mib");
}

/* A number alone: leaving it out is auto. */
static int read_poll(const struct config_item *it)
{
	return read_number(it, "poll-us");
}

static int read_iops(const struct config_item *it)
{
	return read_number(it, "iops");
}

static int read_iops_burst(const struct config_item *it)
{
	return read_number(it, "iops-burst");
}

static int read_bandwidth(const struct config_item *it)
{
	return read_word(it, "bandwidth", json_string_value(it->value));
}

static int read_bandwidth_burst(const struct config_item *it)
{
	return read_word(it, "bandwidth-burst", json_string_value(it->value));
}

static int read_limits(const struct config_item *it)
{
	static const struct config_key keys[] = {
		{ "iops", JSON_INTEGER, read_iops },
		{ "iops_burst", JSON_INTEGER, read_iops_burst },
		{ "bandwidth", JSON_STRING, read_bandwidth },
		{ "bandwidth_burst", JSON_STRING, read_bandwidth_burst },
	};

	return config_read_object(it, keys, RF_ARRAY_LEN(keys));
}

static int read_disk(const struct config_item *it)
{
	static const struct config_key keys[] = {
		{ "path", JSON_STRING, read_path },
		{ "read_only", JSON_TRUE, read_ro },
		{ "serial", JSON_STRING, read_serial },
		{ "io", JSON_STRING, read_io },
		{ "direct", JSON_TRUE, read_direct },
		{ "map_mib", JSON_INTEGER, read_map },
		{ "queues", JSON_INTEGER, read_queues },
		{ "poll_us", JSON_INTEGER, read_poll },
		{ "limits", JSON_OBJECT, read_limits },
		{ "without", JSON_STRING, read_without },
	};
	int err;

	err = config_read_object(it, keys, RF_ARRAY_LEN(keys));
	if (err)
		return err;
	if (!this_disk(it)->path[0])
		return complain(it->c, "%s: %s: has no \"path\"", it->file,
				it->path);
	it->s->nr_disks++;
	return 0;
}

int config_read_disks(const struct config_item *it)
{
	return config_read_array(it, SETTINGS_DISKS_MAX, read_disk);
}
