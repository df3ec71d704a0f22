/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * alone_options.c - the arguments of ringfence-blk --socket
 *
 * Side:    launcher, of one device, before anything is opened or made.
 * Owns:    the options that only a program without a launcher has. All others
 *          are passed on to the serving process, and are options.c's.
 * Callers: main.c, alone.c.
 * Never:   opens the socket or the image.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <ringfence/socket.h>

#include "alone.h"
#include "options.h"

/* Ids of the serving process where we may give it any: as the launcher's, a
 * range that no distribution hands out. */
#define IDS_BASE 0x52460000u
#define IDS_RANGE 65536u

const char alone_usage[] =
	"   or: ringfence-blk --socket PATH --image FILE [OPTION...]\n"
	"Serve the image at a socket of its own to any vhost-user-blk "
	"front-end, one\nconnection after another, each by a fenced process "
	"of its own; the\nnext waits until the one before hangs up. With\n"
	"  --socket PATH             listen there (mode 0600); what is left of "
	"an\n"
	"                            earlier one is replaced\n"
	"  --image FILE              regular file or block device\n"
	"  --direct                  past the page cache (O_DIRECT)\n"
	"  --ops N[,BURST]           operations a second at most, and at once\n"
	"  --bytes N[,BURST]         bytes a second at most, and at once\n"
	"  --control PATH            a socket (mode 0600) for `ringfence "
	"limit`,\n"
	"                            which changes both while this runs\n"
	"  --uid N, --gid N          host ids of the serving processes (root "
	"only)\n"
	"and with all options above but --index and --limits. SIGTERM and "
	"SIGINT end it.\n";

bool alone_is_wanted(int argc, char **argv)
{
	int i;

	for (i = 1; i < argc; i++)
		if (strcmp(argv[i], "--socket") == 0)
			return true;
	return false;
}

/* Are all ids of the range ours to give? In a container they may not be. */
static bool has_mapped(const char *path)
{
	bool found = false;
	char line[128];
	FILE *f = fopen(path, "re");

	while (f && !found && fgets(line, sizeof(line), f)) {
		char *at = line;
		uint64_t inside = strtoull(at, &at, 10);
		uint64_t nr;

		(void)strtoull(at, &at, 10); /* outside */
		nr = strtoull(at, &at, 10);
		found = IDS_BASE >= inside &&
			IDS_BASE + UINT64_C(1) * IDS_RANGE - inside <= nr;
	}
	if (f)
		(void)fclose(f);
	return found;
}

/* As root the process that serves becomes somebody whom nobody else is. */
static void choose_ids(struct alone_options *o)
{
	o->uid = geteuid();
	o->gid = getegid();
	if (o->uid != 0 || !has_mapped("/proc/self/uid_map") ||
	    !has_mapped("/proc/self/gid_map"))
		return;
	o->uid = IDS_BASE + (uint32_t)getpid() % IDS_RANGE;
	o->gid = o->uid;
}

/* Digits only, up to a comma or the end. */
static uint64_t take_number(const char *arg, const char **text, uint64_t max)
{
	char *end;
	uint64_t n;

	if (**text < '0' || **text > '9')
		options_die("needs a number", arg);
	errno = 0;
	n = strtoull(*text, &end, 10);
	if (errno || n > max || (*end && *end != ','))
		options_die("needs a number that is not as large", arg);
	*text = end;
	return n;
}

static void parse_rate(const char *arg, const char *text, uint64_t *rate,
		       uint64_t *burst)
{
	if (!text)
		options_die("needs N or N,BURST", arg);
	*rate = take_number(arg, &text, RF_RATE_MAX);
	*burst = 0;
	if (*text == '\0')
		return;
	text++; /* the comma */
	*burst = take_number(arg, &text, RF_RATE_MAX);
	if (*text)
		options_die("needs N or N,BURST", arg);
}

static uint32_t parse_id(const char *arg, const char *text)
{
	uint32_t id;

	if (!text)
		options_die("needs a number", arg);
	if (geteuid() != 0)
		options_die("only root can give others' ids", arg);
	id = (uint32_t)take_number(arg, &text, UINT32_MAX - 1);
	if (*text)
		options_die("needs a number", arg);
	return id;
}

static void pass_on(struct alone_options *o, char *arg)
{
	if (o->nr_args == ALONE_ARGS_MAX)
		options_die("too many arguments", arg);
	o->args[o->nr_args++] = arg;
	o->args[o->nr_args] = NULL;
}

/* Is it ours? All of ours have a value. */
static bool take_option(struct alone_options *o, const char *arg, char *value)
{
	if (strcmp(arg, "--socket") == 0)
		o->socket = value;
	else if (strcmp(arg, "--image") == 0)
		o->image = value;
	else if (strcmp(arg, "--control") == 0)
		o->control = value;
	else if (strcmp(arg, "--ops") == 0)
		parse_rate(arg, value, &o->limits.ops_per_s,
			   &o->limits.ops_burst);
	else if (strcmp(arg, "--bytes") == 0)
		parse_rate(arg, value, &o->limits.bytes_per_s,
			   &o->limits.bytes_burst);
	else if (strcmp(arg, "--uid") == 0)
		o->uid = parse_id(arg, value);
	else if (strcmp(arg, "--gid") == 0)
		o->gid = parse_id(arg, value);
	else
		return false;
	if (!value)
		options_die("needs something behind it", arg);
	return true;
}

static void check_name(const char *socket)
{
	if (strlen(socket) >= RF_SOCKET_PATH_BYTES)
		options_die("is too long for the name of a socket", socket);
}

void alone_options_parse(int argc, char **argv, struct alone_options *o)
{
	static char index_option[] = "--index";
	static char limits_option[] = "--limits";
	int i;

	*o = (struct alone_options){ .index = "0" };
	choose_ids(o);
	pass_on(o, argv[0] ? argv[0] : index_option);
	for (i = 1; i < argc; i++) {
		if (take_option(o, argv[i], argv[i + 1])) {
			i++;
			continue;
		}
		if (strcmp(argv[i], index_option) == 0 ||
		    strcmp(argv[i], limits_option) == 0)
			options_die("is not for use with --socket", argv[i]);
		o->read_only |= strcmp(argv[i], "--read-only") == 0;
		o->direct |= strcmp(argv[i], "--direct") == 0;
		pass_on(o, argv[i]);
	}
	if (!o->socket || !o->image)
		options_die("needs the other one", "--socket and --image");
	check_name(o->socket);
	if (o->control)
		check_name(o->control);
	if (o->control && strcmp(o->control, o->socket) == 0)
		options_die("is the name of two sockets", o->control);
	o->has_limits = o->limits.ops_per_s || o->limits.bytes_per_s ||
			o->control;
	if (o->has_limits)
		pass_on(o, limits_option);
	pass_on(o, index_option);
	pass_on(o, o->index);
}
