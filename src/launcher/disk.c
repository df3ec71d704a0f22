/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * disk.c - what can be said of one disk, by flag or by file
 *
 * Side:    launcher, before anything is opened or started.
 * Owns:    the words and bounds that --disk, the configuration file and
 *          `ringfence limit` share.
 * Callers: options.c, config_disk.c, limit.c.
 * Never:   opens anything.
 */
#include <string.h>

#include "base/number.h"
#include "launcher/disk.h"

static const char *const io_names[] = {
	[DISK_IO_AUTO] = "auto",
	[DISK_IO_URING] = "uring",
	[DISK_IO_SYNC] = "sync",
};

const char *disk_io_name(enum disk_io io)
{
	return io_names[io];
}

static int read_flag(bool *out, bool to, const char *where, const char *name,
		     const char *value, struct complaint *c)
{
	if (value)
		return complain(c, "%s: %s takes no value", where, name);
	*out = to;
	return 0;
}

static int read_io(struct disk *disk, const char *where, const char *value,
		   struct complaint *c)
{
	size_t i;

	for (i = 0; i < RF_ARRAY_LEN(io_names); i++) {
		if (strcmp(value, io_names[i]) == 0) {
			disk->io = (enum disk_io)i;
			return 0;
		}
	}
	return complain(c, "%s: io: \"%s\" is none of auto, uring, sync", where,
			value);
}

static int read_queues(struct disk *disk, const char *where, const char *value,
		       struct complaint *c)
{
	uint64_t nr;

	if (number_parse(value, 1, DISK_QUEUES_MAX, &nr) < 0)
		return complain(c,
				"%s: queues: \"%s\" is not a number within 1 "
				"and %u",
				where, value, DISK_QUEUES_MAX);
	disk->queues = (uint32_t)nr;
	return 0;
}

static int read_map(struct disk *disk, const char *where, const char *value,
		    struct complaint *c)
{
	uint64_t mib;

	if (number_parse(value, 0, DISK_MAP_MAX_MIB, &mib) < 0)
		return complain(c,
				"%s: map-mib: \"%s\" is not a number of MiB up "
				"to %u",
				where, value, DISK_MAP_MAX_MIB);
	disk->map_mib = (int)mib;
	return 0;
}

static int read_poll(struct disk *disk, const char *where, const char *value,
		     struct complaint *c)
{
	uint64_t us;

	if (strcmp(value, "auto") == 0) {
		disk->poll_us = DISK_POLL_AUTO;
		return 0;
	}
	if (number_parse(value, 0, DISK_POLL_MAX_US, &us) < 0)
		return complain(c,
				"%s: poll-us: \"%s\" is neither auto nor a "
				"number of microseconds up to %u",
				where, value, DISK_POLL_MAX_US);
	disk->poll_us = (int)us;
	return 0;
}

static int read_ops(uint64_t *out, const char *where, const char *name,
		    const char *value, struct complaint *c)
{
	if (number_parse(value, 0, RF_RATE_MAX, out) < 0)
		return complain(c,
				"%s: %s: \"%s\" is not a number of operations; "
				"0 is no limit",
				where, name, value);
	return 0;
}

static int read_bytes(uint64_t *out, const char *where, const char *name,
		      const char *value, struct complaint *c)
{
	uint64_t bytes;

	if (number_parse_size(value, &bytes) < 0 || bytes > RF_RATE_MAX)
		return complain(c,
				"%s: %s: \"%s\" is not a size; write a number "
				"with K, M or G behind it, such as 100M; 0 is "
				"no limit",
				where, name, value);
	*out = bytes;
	return 0;
}

static int read_serial(struct disk *disk, const char *where, const char *value,
		       struct complaint *c)
{
	const size_t len = strlen(value);

	if (len == 0 || len > DISK_SERIAL_BYTES)
		return complain(c,
				"%s: serial: \"%s\" has %zu characters; 1 to "
				"%u are possible",
				where, value, len, DISK_SERIAL_BYTES);
	memcpy(disk->serial, value, len + 1);
	return 0;
}

/* The names are the device's to judge. */
static int read_without(struct disk *disk, const char *where, const char *value,
			struct complaint *c)
{
	static const char chars[] = "abcdefghijklmnopqrstuvwxyz0123456789_+";
	const size_t len = strlen(value);

	if (len == 0 || len >= sizeof(disk->without) ||
	    strspn(value, chars) != len)
		return complain(
			c,
			"%s: without: \"%s\" is no list of features; "
			"write their names with + between them, such as "
			"ring_packed+event_idx",
			where, value);
	memcpy(disk->without, value, len + 1);
	return 0;
}

static const char *const value_words[] = {
	"io",	"map-mib",    "queues",	   "poll-us",	      "serial",
	"iops", "iops-burst", "bandwidth", "bandwidth-burst", "without",
};

static int read_value(struct disk *disk, const char *where, const char *name,
		      const char *value, struct complaint *c)
{
	if (strcmp(name, "io") == 0)
		return read_io(disk, where, value, c);
	if (strcmp(name, "queues") == 0)
		return read_queues(disk, where, value, c);
	if (strcmp(name, "map-mib") == 0)
		return read_map(disk, where, value, c);
	if (strcmp(name, "poll-us") == 0)
		return read_poll(disk, where, value, c);
	if (strcmp(name, "serial") == 0)
		return read_serial(disk, where, value, c);
	if (strcmp(name, "without") == 0)
		return read_without(disk, where, value, c);
	if (strcmp(name, "iops") == 0)
		return read_ops(&disk->limits.ops_per_s, where, name, value, c);
	if (strcmp(name, "iops-burst") == 0)
		return read_ops(&disk->limits.ops_burst, where, name, value, c);
	if (strcmp(name, "bandwidth") == 0)
		return read_bytes(&disk->limits.bytes_per_s, where, name, value,
				  c);
	return read_bytes(&disk->limits.bytes_burst, where, name, value, c);
}

static bool takes_value(const char *name)
{
	size_t i;

	for (i = 0; i < RF_ARRAY_LEN(value_words); i++) {
		if (strcmp(name, value_words[i]) == 0)
			return true;
	}
	return false;
}

int disk_word(struct disk *disk, const char *where, const char *word,
	      struct complaint *c)
{
	const char *value = strchr(word, '=');
	const size_t len = value ? (size_t)(value - word) : strlen(word);
	char name[24];

	if (value)
		value++;
	if (len < sizeof(name)) {
		memcpy(name, word, len);
		name[len] = '\0';
		if (strcmp(name, "ro") == 0)
			return read_flag(&disk->read_only, true, where, name,
					 value, c);
		if (strcmp(name, "rw") == 0)
			return read_flag(&disk->read_only, false, where, name,
					 value, c);
		if (strcmp(name, "direct") == 0)
			return read_flag(&disk->direct, true, where, name,
					 value, c);
		if (takes_value(name))
			return value ? read_value(disk, where, name, value, c)
				     : complain(c,
						"%s: %s takes a value: %s=...",
						where, name, name);
	}
	return complain(
		c,
		"%s: \"%s\" is none of ro, rw, direct, io=, map-mib=, queues=, "
		"poll-us=, serial=, without=, iops=, iops-burst=, bandwidth=, "
		"bandwidth-burst=; a path with a comma goes into a "
		"configuration file",
		where, word);
}
