/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * blk_options.c - what `ringfence-bench blk` was asked for
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/number.h"
#include "bench/bench.h"
#include "bench/blk_options.h"

#define BLOCK_MAX (1u << 20)
#define DEPTH_MAX 256u
#define MS_MAX 3600000u
#define ROUNDS_MAX 101u

enum {
	O_SOCKET = 1,
	O_DIR,
	O_IMAGE,
	O_QSD,
	O_OURS,
	O_SIZE,
	O_MEMORY,
	O_PATTERNS,
	O_BLOCKS,
	O_DEPTHS,
	O_CACHE,
	O_MS,
	O_ROUNDS,
	O_QUEUES,
	O_QUEUE_SIZE,
	O_PACKED,
	O_NO_EVENT_IDX,
	O_NO_INDIRECT,
	O_SEAL,
	O_VERIFY,
	O_CLIENT_POLL,
	O_BACKEND_POLL,
	O_CPUS,
	O_SPAN,
	O_JSON,
	O_PLOT,
	O_HELP,
};

static const struct option options[] = {
	{ "socket", required_argument, NULL, O_SOCKET },
	{ "dir", required_argument, NULL, O_DIR },
	{ "image", required_argument, NULL, O_IMAGE },
	{ "qsd", required_argument, NULL, O_QSD },
	{ "ours", required_argument, NULL, O_OURS },
	{ "size", required_argument, NULL, O_SIZE },
	{ "memory", no_argument, NULL, O_MEMORY },
	{ "pattern", required_argument, NULL, O_PATTERNS },
	{ "block", required_argument, NULL, O_BLOCKS },
	{ "depth", required_argument, NULL, O_DEPTHS },
	{ "cache", required_argument, NULL, O_CACHE },
	{ "ms", required_argument, NULL, O_MS },
	{ "rounds", required_argument, NULL, O_ROUNDS },
	{ "queues", required_argument, NULL, O_QUEUES },
	{ "queue-size", required_argument, NULL, O_QUEUE_SIZE },
	{ "packed", no_argument, NULL, O_PACKED },
	{ "no-event-idx", no_argument, NULL, O_NO_EVENT_IDX },
	{ "no-indirect", no_argument, NULL, O_NO_INDIRECT },
	{ "seal", no_argument, NULL, O_SEAL },
	{ "verify", no_argument, NULL, O_VERIFY },
	{ "client-poll", no_argument, NULL, O_CLIENT_POLL },
	{ "backend-poll", no_argument, NULL, O_BACKEND_POLL },
	{ "cpus", required_argument, NULL, O_CPUS },
	{ "span", required_argument, NULL, O_SPAN },
	{ "json", required_argument, NULL, O_JSON },
	{ "plot", required_argument, NULL, O_PLOT },
	{ "help", no_argument, NULL, O_HELP },
	{ 0 },
};

static const char help[] =
	"usage: ringfence-bench blk --socket PATH [OPTION...]\n"
	"       ringfence-bench blk [OPTION...]\n"
	"The first drives any vhost-user-blk back-end; a write pattern writes "
	"over its\ndisk. The second compares: ringfence-blk and "
	"qemu-storage-daemon (package\nqemu-system-common), each on a copy of "
	"one file, round about, medians.\n"
	"  --pattern LIST     of read, write, randread, randwrite, randrw\n"
	"  --block LIST       bytes a request (4K)\n"
	"  --depth LIST       requests under way, in each queue\n"
	"  --ms N             of each measurement (1000)\n"
	"  --rounds N         the median of so many is shown (5)\n"
	"  --queues N         virtqueues (1)\n"
	"  --queue-size N     descriptors, a power of two (256)\n"
	"  --packed           packed virtqueues\n"
	"  --no-event-idx     do without that feature\n"
	"  --no-indirect      three descriptors a request in the ring itself\n"
	"  --seal             send SEAL, ringfence's own extension\n"
	"  --verify           write known contents first, check each read\n"
	"  --client-poll      look for completions all the time, never sleep\n"
	"  --cpus A,B         the client on processor A, the back-end on B\n"
	"  --span BYTES       use only the beginning of the disk\n"
	"  --json FILE        for programs (- for standard output)\n"
	"The comparison also takes\n"
	"  --cache LIST       of buffered, direct (both)\n"
	"  --backend-poll     both once more, polling always and never\n"
	"  --memory           only what memory they use, connected and idle\n"
	"  --dir DIR          where the two disks lie (/var/tmp)\n"
	"  --size BYTES       of each disk (256M)\n"
	"  --image FILE       what both disks hold (made up)\n"
	"  --ours PROGRAM     ringfence-blk (the one beside this program)\n"
	"  --qsd PROGRAM      qemu-storage-daemon; \"none\": only ours\n"
	"  --plot FILE        draw it as SVG (by gnuplot, package "
	"gnuplot-nox)\n"
	"Columns: requests and MiB a second; latency from the request in the "
	"ring to its\ncompletion seen, median, 99th and 99.9th percentile; "
	"processor seconds that all\nthreads of the back-end used for a "
	"million requests.\n";

static bool complain(const char *option, const char *text, const char *wanted)
{
	(void)fprintf(stderr, "ringfence-bench: %s %s: %s, please\n", option,
		      text, wanted);
	return false;
}

static bool take_size(const char *option, const char *text, uint64_t min,
		      uint64_t max, uint64_t *out)
{
	if (!number_parse_size(text, out) && *out >= min && *out <= max &&
	    *out % BLK_CLIENT_SECTOR == 0)
		return true;
	return complain(option, text, "a size in whole sectors of 512 bytes");
}

/* Call fn for each part between commas. */
static bool each_part(char *list, struct blk_options *o,
		      bool (*fn)(const char *part, struct blk_options *o))
{
	char *rest = NULL;
	const char *part;

	for (part = strtok_r(list, ",", &rest); part;
	     part = strtok_r(NULL, ",", &rest))
		if (!fn(part, o))
			return false;
	return true;
}

static bool add_pattern(const char *part, struct blk_options *o)
{
	if (o->nr_patterns < BLK_LIST_MAX &&
	    !blk_pattern_from_name(part, &o->patterns[o->nr_patterns])) {
		o->nr_patterns++;
		return true;
	}
	return complain("--pattern", part,
			"read, write, randread, randwrite or randrw");
}

static bool add_block(const char *part, struct blk_options *o)
{
	uint64_t bytes;

	if (o->nr_blocks == BLK_LIST_MAX)
		return complain("--block", part, "fewer of them");
	if (!take_size("--block", part, BLK_CLIENT_SECTOR, BLOCK_MAX, &bytes))
		return false;
	o->blocks[o->nr_blocks++] = (uint32_t)bytes;
	return true;
}

static bool add_depth(const char *part, struct blk_options *o)
{
	uint64_t depth;

	if (o->nr_depths == BLK_LIST_MAX)
		return complain("--depth", part, "fewer of them");
	if (!bench_number("--depth", part, 1, DEPTH_MAX, &depth))
		return false;
	o->depths[o->nr_depths++] = (uint16_t)depth;
	return true;
}

static bool add_cache(const char *part, struct blk_options *o)
{
	if (strcmp(part, "buffered") == 0)
		o->caches[0] = true;
	else if (strcmp(part, "direct") == 0)
		o->caches[1] = true;
	else
		return complain("--cache", part, "buffered or direct");
	return true;
}

static bool take_cpus(char *text, struct blk_options *o)
{
	char *comma = strchr(text, ',');
	uint64_t cpus[2];

	if (!comma)
		return complain("--cpus", text, "two numbers and a comma");
	*comma = '\0';
	if (!bench_number("--cpus", text, 0, 1023, &cpus[0]) ||
	    !bench_number("--cpus", comma + 1, 0, 1023, &cpus[1]))
		return false;
	o->client_cpu = (int)cpus[0];
	o->backend_cpu = (int)cpus[1];
	return true;
}

static bool take_queue_size(const char *text, struct blk_options *o)
{
	uint64_t n;

	if (!bench_number("--queue-size", text, 4, BLK_QUEUE_SIZE_MAX, &n))
		return false;
	if (n & (n - 1))
		return complain("--queue-size", text, "a power of two");
	o->queue_size = (uint16_t)n;
	return true;
}

/* Options with a number or a list behind them. */
static bool take_value(int c, char *text, struct blk_options *o)
{
	uint64_t n = 0;
	bool good;

	switch (c) {
	case O_SIZE:
		return take_size("--size", text, 1 << 20, INT64_MAX,
				 &o->size_bytes);
	case O_SPAN:
		return take_size("--span", text, 1 << 16, INT64_MAX,
				 &o->span_bytes);
	case O_PATTERNS:
		return each_part(text, o, add_pattern);
	case O_BLOCKS:
		return each_part(text, o, add_block);
	case O_DEPTHS:
		return each_part(text, o, add_depth);
	case O_CACHE:
		return each_part(text, o, add_cache);
	case O_CPUS:
		return take_cpus(text, o);
	case O_QUEUE_SIZE:
		return take_queue_size(text, o);
	case O_MS:
		return bench_number("--ms", text, 1, MS_MAX, &o->ms);
	case O_ROUNDS:
		good = bench_number("--rounds", text, 1, ROUNDS_MAX, &n);
		o->rounds = (uint32_t)n;
		return good;
	default:
		good = bench_number("--queues", text, 1, BLK_CLIENT_QUEUES_MAX,
				    &n);
		o->nr_queues = (uint16_t)n;
		return good;
	}
}

/* Options that are said, or name something. */
static bool take_word(int c, const char *text, struct blk_options *o)
{
	switch (c) {
	case O_SOCKET:
		o->socket = text;
		return true;
	case O_DIR:
		o->dir = text;
		return true;
	case O_IMAGE:
		o->image = text;
		return true;
	case O_QSD:
		o->qsd = text;
		return true;
	case O_OURS:
		o->ours = text;
		return true;
	case O_JSON:
		o->json = text;
		return true;
	case O_PLOT:
		o->plot = text;
		return true;
	case O_MEMORY:
		o->memory = true;
		return true;
	case O_PACKED:
		o->packed = true;
		return true;
	case O_NO_EVENT_IDX:
		o->event_idx = false;
		return true;
	case O_NO_INDIRECT:
		o->indirect = false;
		return true;
	case O_SEAL:
		o->seal = true;
		return true;
	case O_VERIFY:
		o->verify = true;
		return true;
	case O_CLIENT_POLL:
		o->client_poll = true;
		return true;
	case O_BACKEND_POLL:
		o->backend_polls = true;
		return true;
	default:
		return false;
	}
}

/* What was not said. */
static void fill_in(struct blk_options *o)
{
	static const enum blk_pattern patterns[] = { BLK_PATTERN_RANDREAD,
						     BLK_PATTERN_RANDWRITE,
						     BLK_PATTERN_READ };

	if (o->nr_patterns == 0) {
		/* Nobody's disk is written over by default. */
		o->nr_patterns = o->socket ? 1 : RF_ARRAY_LEN(patterns);
		memcpy(o->patterns, patterns, sizeof(patterns));
	}
	if (o->nr_blocks == 0)
		o->blocks[o->nr_blocks++] = 4096;
	if (o->nr_depths == 0) {
		o->depths[o->nr_depths++] = 1;
		o->depths[o->nr_depths++] = 32;
	}
	if (!o->caches[0] && !o->caches[1]) {
		o->caches[0] = true;
		o->caches[1] = true;
	}
}

/* What does not go together. */
static int judge(const struct blk_options *o)
{
	const uint32_t each = o->indirect ? 1 : BLK_QUEUE_PARTS;
	uint32_t i;

	for (i = 0; i < o->nr_depths; i++) {
		if (o->depths[i] * each <= o->queue_size)
			continue;
		(void)fprintf(stderr,
			      "ringfence-bench: --depth %u: does not fit into "
			      "a queue of %u\n",
			      o->depths[i], o->queue_size);
		return BENCH_MISUSE;
	}
	if (o->socket && (o->plot || o->memory || o->backend_polls)) {
		(void)fprintf(stderr, "ringfence-bench: --plot, --memory and "
				      "--backend-poll are for the comparison, "
				      "which makes its own sockets\n");
		return BENCH_MISUSE;
	}
	return 0;
}

int blk_options_parse(int argc, char **argv, struct blk_options *out)
{
	struct blk_options o = {
		.dir = "/var/tmp",
		.qsd = "qemu-storage-daemon",
		.size_bytes = UINT64_C(256) << 20,
		.ms = 1000,
		.rounds = 5,
		.nr_queues = 1,
		.queue_size = 256,
		.event_idx = true,
		.indirect = true,
		.client_cpu = -1,
		.backend_cpu = -1,
	};
	bool good = true;
	int c;

	while (good && (c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == O_HELP) {
			(void)fputs(help, stdout);
			return 1;
		}
		if (c == '?')
			return BENCH_MISUSE;
		if (!take_word(c, optarg, &o))
			good = take_value(c, optarg, &o);
	}
	if (!good)
		return BENCH_MISUSE;
	if (optind != argc) {
		(void)fputs(help, stderr);
		return BENCH_MISUSE;
	}
	fill_in(&o);
	*out = o;
	return judge(out);
}
