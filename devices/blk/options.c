/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * options.c - the arguments of ringfence-blk
 *
 * Side:    before the fence. Arguments come from the launcher, or from who
 *          started the program by hand.
 * Owns:    nothing.
 * Callers: main.c.
 * Never:   takes an argument that is not understood whole.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ringfence/device.h>

#include "alone.h"
#include "blk.h"
#include "options.h"

static const char usage[] =
	"usage: ringfence-blk [--read-only] [--serial TEXT] [--index N]\n"
	"                     [--io auto|uring|sync] [--direct] [--queues N]\n"
	"                     [--map-mib N] [--poll-us N|auto] [--limits]\n"
	"                     [--without NAME+...] [--root DIR]\n"
	"                     [--allow-unsealed-memory]\n"
	"Serve the disk image at descriptor 5 to the vhost-user front-end at\n"
	"descriptor 3. Started by ringfence, which puts the descriptors "
	"there.\n"
	"  --read-only               the driver may not write\n"
	"  --serial TEXT             what the driver reads as the disk's "
	"name,\n"
	"                            at most 20 printable characters\n"
	"  --index N                 number of this device in log lines, "
	"0..99\n"
	"  --io auto|uring|sync      io_uring for what would block, or a "
	"system\n"
	"                            call for each request; auto: io_uring "
	"where\n"
	"                            the host lets us\n"
	"  --direct                  the image is open for O_DIRECT\n"
	"  --map-mib N               of the image, may be mapped to read what "
	"the\n"
	"                            page cache has (1024; 0: none of it; "
	"65536\n"
	"                            at most); page tables take 1/512 of "
	"that\n"
	"  --queues N                1..8, default 1\n"
	"  --poll-us N|auto          look for requests so long before "
	"sleeping\n"
	"  --limits                  descriptor 14 is a page of limits\n"
	"  --without NAME+NAME...    features not to be offered, as virtio "
	"names\n"
	"                            them: event_idx, ring_packed, discard, "
	"...\n"
	"  --root DIR                root directory inside of the fence "
	"instead\n"
	"                            of an empty one\n"
	"  --allow-unsealed-memory   take guest memory that its owner could\n"
	"                            shrink, which would kill this process\n"
	"  --help, --version         say so and leave\n";

void options_die(const char *what, const char *arg)
{
	(void)fprintf(stderr, "ringfence-blk: %s: %s (see --help)\n", arg,
		      what);
	exit(2);
}

/* At most seven digits: no overflow. */
static uint32_t parse_number(const char *arg, const char *text, uint32_t min,
			     uint32_t max, const char *what)
{
	unsigned long n;

	if (!text || strlen(text) < 1 || strlen(text) > 7 ||
	    strspn(text, "0123456789") != strlen(text))
		options_die(what, arg);
	n = strtoul(text, NULL, 10);
	if (n < min || n > max)
		options_die(what, arg);
	return (uint32_t)n;
}

static const char *parse_serial(const char *arg, const char *text)
{
	size_t i;

	if (!text || strlen(text) > SERIAL_BYTES)
		options_die("needs a text of at most 20 characters", arg);
	for (i = 0; text[i]; i++)
		if (text[i] < ' ' || text[i] > '~')
			options_die("is not printable ASCII", arg);
	return text;
}

static enum blk_io parse_io(const char *arg, const char *text)
{
	static const char *const names[] = {
		[BLK_IO_AUTO] = "auto",
		[BLK_IO_URING] = "uring",
		[BLK_IO_SYNC] = "sync",
	};
	unsigned int i;

	for (i = 0; text && i < RF_ARRAY_LEN(names); i++)
		if (strcmp(text, names[i]) == 0)
			return (enum blk_io)i;
	options_die("needs auto, uring or sync", arg);
}

static uint32_t parse_poll(const char *arg, const char *text)
{
	if (text && strcmp(text, "auto") == 0)
		return RF_DEVICE_POLL_AUTO;
	return parse_number(arg, text, 0, RF_DEVICE_POLL_MAX_US,
			    "needs microseconds up to 1000000, or auto");
}

static uint64_t parse_without(const char *arg, const char *text)
{
	uint64_t mask;

	if (!text || !blk_features_parse(text, &mask))
		options_die("needs names of features, such as "
			    "ring_packed+event_idx",
			    arg);
	return mask;
}

static const char *parse_root(const char *arg, const char *text)
{
	if (!text)
		options_die("needs a directory", arg);
	return text;
}

/* Options that stand alone. */
static bool take_flag(struct blk_options *o, const char *arg)
{
	const struct {
		const char *name;
		bool *flag;
	} flags[] = {
		{ "--read-only", &o->read_only },
		{ "--allow-unsealed-memory", &o->allow_unsealed },
		{ "--direct", &o->direct },
		{ "--limits", &o->has_limits },
	};
	size_t i;

	for (i = 0; i < RF_ARRAY_LEN(flags); i++)
		if (strcmp(arg, flags[i].name) == 0) {
			*flags[i].flag = true;
			return true;
		}
	return false;
}

/* Options with a value, which may be missing: NULL. */
static void take_value(struct blk_options *o, const char *arg, const char *text)
{
	if (strcmp(arg, "--serial") == 0)
		o->serial = parse_serial(arg, text);
	else if (strcmp(arg, "--index") == 0)
		o->index = (int)parse_number(arg, text, 0, 99,
					     "needs a number from 0 to 99");
	else if (strcmp(arg, "--io") == 0)
		o->io = parse_io(arg, text);
	else if (strcmp(arg, "--queues") == 0)
		o->nr_queues = (uint16_t)parse_number(
			arg, text, 1, BLK_QUEUES_MAX,
			"needs a number from 1 to 8");
	else if (strcmp(arg, "--map-mib") == 0)
		o->map_mib = parse_number(arg, text, 0, BLK_MAP_MIB_MAX,
					  "needs MiB up to 65536");
	else if (strcmp(arg, "--poll-us") == 0)
		o->poll_us = parse_poll(arg, text);
	else if (strcmp(arg, "--without") == 0)
		o->without = parse_without(arg, text);
	else if (strcmp(arg, "--root") == 0)
		o->root = parse_root(arg, text);
	else
		options_die("is not an option", arg);
}

void blk_options_parse(int argc, char **argv, struct blk_options *out)
{
	struct blk_options o = {
		.serial = "ringfence",
		.index = -1,
		.nr_queues = 1,
		.map_mib = BLK_MAP_MIB_DEFAULT,
		.poll_us = RF_DEVICE_POLL_AUTO,
	};
	int i;

	for (i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--help") == 0) {
			(void)fputs(usage, stdout);
			(void)fputs(alone_usage, stdout);
			exit(0);
		}
		if (strcmp(argv[i], "--version") == 0) {
			(void)puts("ringfence-blk " RF_VERSION);
			exit(0);
		}
		if (take_flag(&o, argv[i]))
			continue;
		take_value(&o, argv[i], argv[i + 1]);
		i++;
	}
	*out = o;
}
