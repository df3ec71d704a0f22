/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * limit.c - `ringfence limit`: show or change a disk's limits while it runs
 *
 * Side:    launcher's program, without a VM: it asks who has one, or a
 *          ringfence-blk alone, which it cannot tell apart.
 * Owns:    the flags of `limit`.
 * Callers: main.c.
 * Never:   changes what was not named.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/number.h"
#include "launcher/control.h"
#include "launcher/options.h"
#include "launcher/run.h"

static const char limit_help[] =
	"usage: ringfence limit --control PATH [--disk N] [--iops N] "
	"[--bandwidth SIZE]\n"
	"                       [--iops-burst N] [--bandwidth-burst SIZE]\n"
	"\n"
	"Change what a disk of a running VM, or of a ringfence-blk alone, may "
	"do at\nmost, and show what holds now. Without a limit it only "
	"shows.\n"
	"\n"
	"  --control PATH          as that was started with\n"
	"  --disk N                counted from 0, which is the default\n"
	"  --iops N                operations a second; 0: no limit\n"
	"  --bandwidth SIZE        bytes a second, such as 100M; 0: no limit\n"
	"  --iops-burst N          at once after a rest; 0: a tenth of a "
	"second's\n"
	"  --bandwidth-burst SIZE  the same in bytes\n"
	"  --help\n"
	"\n"
	"Exit status: 0; 1: nobody there, or no such disk; 2: wrong usage.\n";

enum {
	OPT_CONTROL = 1,
	OPT_DISK,
	OPT_IOPS,
	OPT_IOPS_BURST,
	OPT_BANDWIDTH,
	OPT_BANDWIDTH_BURST,
	OPT_HELP,
};

static const struct option_spec specs[] = {
	{ "--control", true, OPT_CONTROL },
	{ "--disk", true, OPT_DISK },
	{ "--iops", true, OPT_IOPS },
	{ "--iops-burst", true, OPT_IOPS_BURST },
	{ "--bandwidth", true, OPT_BANDWIDTH },
	{ "--bandwidth-burst", true, OPT_BANDWIDTH_BURST },
	{ "--help", false, OPT_HELP },
};

struct request {
	const char *path;
	bool help;
	struct rf_control_msg msg;
	struct disk disk; /* its limits */
};

/* The word that says the same of a disk, and its bit. */
static const struct {
	const char *word;
	int id;
	uint32_t field;
} limits[] = {
	{ "iops", OPT_IOPS, RF_LIMIT_OPS },
	{ "iops-burst", OPT_IOPS_BURST, RF_LIMIT_OPS_BURST },
	{ "bandwidth", OPT_BANDWIDTH, RF_LIMIT_BYTES },
	{ "bandwidth-burst", OPT_BANDWIDTH_BURST, RF_LIMIT_BYTES_BURST },
};

static int apply_limit(struct request *rq, const struct option *o,
		       struct complaint *c)
{
	char word[64];
	size_t i;

	for (i = 0; i < RF_ARRAY_LEN(limits); i++) {
		if (limits[i].id != o->id)
			continue;
		if (strlen(o->value) > 32)
			return complain(c, "--%s: \"%.40s...\" is no limit",
					limits[i].word, o->value);
		(void)snprintf(word, sizeof(word), "%s=%s", limits[i].word,
			       o->value);
		rq->msg.fields |= limits[i].field;
		rq->msg.op = RF_CONTROL_SET_LIMITS;
		return disk_word(&rq->disk, "limit", word, c);
	}
	return complain(c, "\"%.40s\" is no option; see --help", o->value);
}

static int apply(struct request *rq, const struct option *o,
		 struct complaint *c)
{
	uint64_t nr;

	switch (o->id) {
	case OPT_HELP:
		rq->help = true;
		return 0;
	case OPT_CONTROL:
		rq->path = o->value;
		return 0;
	case OPT_DISK:
		if (number_parse(o->value, 0, SETTINGS_DISKS_MAX - 1, &nr) < 0)
			return complain(c,
					"--disk: \"%s\" is not a number within "
					"0 and %u",
					o->value, SETTINGS_DISKS_MAX - 1);
		rq->msg.disk = (uint32_t)nr;
		return 0;
	default:
		return apply_limit(rq, o, c);
	}
}

static int read_request(int argc, char *const *argv, struct request *rq,
			struct complaint *c)
{
	struct option o = { 0, "" };
	int at = 0;
	int ret;

	while ((ret = options_next(argc, argv, &at, specs, RF_ARRAY_LEN(specs),
				   &o, c)) > 0) {
		ret = apply(rq, &o, c);
		if (ret < 0)
			return ret;
	}
	if (ret < 0 || rq->help)
		return ret;
	if (!rq->path)
		return complain(c, "--control PATH is missing: of which VM?");
	rq->msg.limits = rq->disk.limits;
	return 0;
}

static void show_rate(const char *what, uint64_t rate, uint64_t burst)
{
	if (rate == 0)
		(void)printf("%-10s no limit\n", what);
	else if (burst == 0)
		(void)printf("%-10s %" PRIu64 " a second\n", what, rate);
	else
		(void)printf("%-10s %" PRIu64 " a second, %" PRIu64
			     " at once\n",
			     what, rate, burst);
}

int cmd_limit(int argc, char *const *argv)
{
	static struct request rq = { .msg = { .op = RF_CONTROL_GET_LIMITS } };
	struct complaint c = { "" };

	if (read_request(argc, argv, &rq, &c) < 0) {
		say("limit: %s", c.text);
		return SAY_USAGE;
	}
	if (rq.help) {
		(void)fputs(limit_help, stdout);
		return SAY_OK;
	}
	if (control_ask(rq.path, &rq.msg, &c) < 0) {
		say("limit: %s", c.text);
		return SAY_FAILED;
	}
	show_rate("operations", rq.msg.limits.ops_per_s,
		  rq.msg.limits.ops_burst);
	show_rate("bytes", rq.msg.limits.bytes_per_s,
		  rq.msg.limits.bytes_burst);
	return SAY_OK;
}
