/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * blk_load.c - keep a block device busy in one way for a while, and count
 *
 * Each slot is submitted anew as soon as it is done, so that `depth` requests
 * are always under way. To verify, each sector that is written names itself and
 * how often its block was written before; no block has two requests under way
 * then, for their order would be anybody's guess.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <x86intrin.h>

#include "bench/bench.h"
#include "bench/blk_load.h"

#define SECTOR BLK_CLIENT_SECTOR
#define WAIT_MS 5000
#define NS_PER_US 1000u
/* A block that is free is found in few tries: few are under way. */
#define TRIES_MAX 1000u

static const char *const names[] = {
	[BLK_PATTERN_READ] = "read",
	[BLK_PATTERN_WRITE] = "write",
	[BLK_PATTERN_RANDREAD] = "randread",
	[BLK_PATTERN_RANDWRITE] = "randwrite",
	[BLK_PATTERN_RANDRW] = "randrw",
};
static_assert(RF_ARRAY_LEN(names) == BLK_NR_PATTERNS, "one name each");

const char *blk_pattern_name(enum blk_pattern pattern)
{
	return pattern < BLK_NR_PATTERNS ? names[pattern] : NULL;
}

int blk_pattern_from_name(const char *name, enum blk_pattern *out)
{
	size_t i;

	for (i = 0; i < RF_ARRAY_LEN(names); i++) {
		if (strcmp(name, names[i]) != 0)
			continue;
		*out = (enum blk_pattern)i;
		return 0;
	}
	return -EINVAL;
}

bool blk_pattern_writes(enum blk_pattern pattern)
{
	return pattern == BLK_PATTERN_WRITE ||
	       pattern == BLK_PATTERN_RANDWRITE ||
	       pattern == BLK_PATTERN_RANDRW;
}

struct run {
	struct blk_client *c;
	const struct blk_load *load;
	struct blk_result *out;
	uint64_t nr_blocks;
	uint64_t next_block; /* in order */
	uint64_t random;
	uint64_t end_ticks;
	uint32_t *versions; /* verify: of each block, 0: unknown */
	bool *is_busy;	    /* verify */
};

/* What a sector holds when it is verified. */
struct stamp {
	uint64_t sector;
	uint64_t version;
	uint64_t filler[(SECTOR - 16) / 8];
};
static_assert(sizeof(struct stamp) == SECTOR, "one sector");

/* xorshift64*: good enough to spread blocks, and a few instructions. */
static uint64_t next_random(struct run *r)
{
	r->random ^= r->random >> 12;
	r->random ^= r->random << 25;
	r->random ^= r->random >> 27;
	return r->random * UINT64_C(0x2545f4914f6cdd1d);
}

static bool is_random(enum blk_pattern pattern)
{
	return pattern >= BLK_PATTERN_RANDREAD;
}

static uint64_t candidate(struct run *r)
{
	/* The high half of the product: no division, no bias to speak of. */
	if (is_random(r->load->pattern))
		return (uint64_t)(((unsigned __int128)next_random(r) *
				   r->nr_blocks) >>
				  64);
	if (r->next_block >= r->nr_blocks)
		r->next_block = 0;
	return r->next_block++;
}

static uint64_t choose_block(struct run *r)
{
	uint64_t block = candidate(r);
	uint32_t i;

	for (i = 0; r->is_busy && r->is_busy[block] && i < TRIES_MAX; i++)
		block = candidate(r);
	return block;
}

static enum blk_request_type choose_type(struct run *r)
{
	switch (r->load->pattern) {
	case BLK_PATTERN_WRITE:
	case BLK_PATTERN_RANDWRITE:
		return BLK_WRITE;
	case BLK_PATTERN_RANDRW:
		return next_random(r) >> 63 ? BLK_WRITE : BLK_READ;
	default:
		return BLK_READ;
	}
}

static void fill_stamp(struct stamp *s, uint64_t sector, uint64_t version)
{
	uint64_t mixed = (sector ^ version << 40) *
			 UINT64_C(0x9e3779b97f4a7c15);
	size_t i;

	s->sector = sector;
	s->version = version;
	for (i = 0; i < RF_ARRAY_LEN(s->filler); i++)
		s->filler[i] = mixed += UINT64_C(0x632be59bd9b4e019);
}

static void fill_block(uint8_t *data, uint64_t sector, uint32_t bytes,
		       uint64_t version)
{
	struct stamp s;
	uint32_t at;

	for (at = 0; at < bytes; at += SECTOR) {
		fill_stamp(&s, sector + at / SECTOR, version);
		memcpy(data + at, &s, sizeof(s));
	}
}

static bool is_block(const uint8_t *data, uint64_t sector, uint32_t bytes,
		     uint64_t version)
{
	struct stamp s;
	uint32_t at;

	for (at = 0; at < bytes; at += SECTOR) {
		fill_stamp(&s, sector + at / SECTOR, version);
		if (memcmp(data + at, &s, sizeof(s)) != 0)
			return false;
	}
	return true;
}

static void submit(struct run *r, uint16_t queue, uint16_t slot)
{
	const uint32_t bytes = r->load->block_bytes;
	const uint64_t block = choose_block(r);
	const uint64_t sector = block * (bytes / SECTOR);
	const enum blk_request_type type = choose_type(r);
	uint8_t *data = blk_client_data(r->c, queue, slot);

	blk_client_slot(r->c, queue, slot)->tag = block;
	if (r->is_busy) {
		r->is_busy[block] = true;
		if (type == BLK_WRITE)
			fill_block(data, sector, bytes, ++r->versions[block]);
		else
			memset(data, 0xa5, bytes);
	}
	blk_client_submit(r->c, queue, slot, type, sector, bytes);
}

static void verify(struct run *r, uint16_t queue, uint16_t slot,
		   const struct blk_client_slot *s)
{
	r->is_busy[s->tag] = false;
	if (s->type != BLK_READ)
		return;
	if (is_block(blk_client_data(r->c, queue, slot), s->sector, s->bytes,
		     r->versions[s->tag]))
		r->out->verified++;
	else
		r->out->wrong++;
}

static void account(struct run *r, const struct blk_client_slot *s,
		    uint8_t status, uint64_t now)
{
	r->out->requests++;
	r->out->bytes += s->bytes;
	if (status != 0)
		r->out->failed++;
	histogram_add(&r->out->latency,
		      (now - s->ticks) * NS_PER_US / r->load->ticks_per_us);
}

/* Take what is done on a queue, submit it anew while there is time; how many.
 * A batch is done when we see it, so it has one time. */
static int turn(struct run *r, uint16_t queue)
{
	const uint64_t now = bench_ticks();
	uint8_t status;
	uint16_t slot;
	int n = 0;
	int err;

	while (!(err = blk_client_reap(r->c, queue, &slot, &status))) {
		const struct blk_client_slot *s = blk_client_slot(r->c, queue,
								  slot);

		account(r, s, status, now);
		if (r->is_busy)
			verify(r, queue, slot, s);
		if (now < r->end_ticks)
			submit(r, queue, slot);
		n++;
	}
	if (err != -EAGAIN)
		return err;
	err = n > 0 ? blk_client_flush(r->c, queue) : 0;
	return err ? err : n;
}

static int drive(struct run *r)
{
	uint16_t q;
	int err = 0;

	while (r->c->in_flight > 0 && !err) {
		int done = 0;

		for (q = 0; q < r->c->nr_queues; q++) {
			int n = turn(r, q);

			if (n < 0)
				return n;
			done += n;
		}
		if (done > 0 || r->c->in_flight == 0)
			continue;
		if (r->load->client_poll && bench_ticks() < r->end_ticks)
			_mm_pause();
		else
			err = blk_client_wait(r->c, WAIT_MS);
	}
	return err;
}

static int start(struct run *r)
{
	uint16_t q, slot;
	int err = 0;

	for (q = 0; !err && q < r->c->nr_queues; q++) {
		for (slot = 0; slot < r->load->depth; slot++)
			submit(r, q, slot);
		err = blk_client_flush(r->c, q);
	}
	return err;
}

/* Every block gets its first version. */
static int prepare(struct run *r)
{
	const uint32_t bytes = r->load->block_bytes;
	uint8_t status = 0;
	uint64_t block;
	int err = 0;

	r->versions = calloc(r->nr_blocks, sizeof(*r->versions));
	r->is_busy = calloc(r->nr_blocks, sizeof(*r->is_busy));
	if (!r->versions || !r->is_busy)
		return -ENOMEM;
	for (block = 0; !err && block < r->nr_blocks; block++) {
		const uint64_t sector = block * (bytes / SECTOR);

		fill_block(blk_client_data(r->c, 0, 0), sector, bytes, 1);
		r->versions[block] = 1;
		err = blk_client_one(r->c, BLK_WRITE, sector, bytes, &status);
		if (!err && status != 0)
			err = -EIO;
	}
	return err;
}

static int measure(struct run *r, const struct usage_tree *backend)
{
	const uint64_t kicks = r->c->nr_kicks;
	const uint64_t sleeps = r->c->nr_sleeps;
	const uint64_t begin = rf_clock_ns();
	uint64_t cpu = 0, cpu_end = 0;
	int err = usage_cpu_ns(backend, &cpu);

	r->end_ticks = bench_ticks() +
		       r->load->duration_ns * r->load->ticks_per_us / NS_PER_US;
	if (!err)
		err = start(r);
	if (!err)
		err = drive(r);
	r->out->ns = rf_clock_ns() - begin;
	if (!err)
		err = usage_cpu_ns(backend, &cpu_end);
	r->out->backend_cpu_ns = cpu_end > cpu ? cpu_end - cpu : 0;
	r->out->kicks = r->c->nr_kicks - kicks;
	r->out->sleeps = r->c->nr_sleeps - sleeps;
	return err;
}

int blk_load_run(struct blk_client *c, const struct blk_load *load,
		 const struct usage_tree *backend, struct blk_result *out)
{
	struct run r = {
		.c = c, .load = load, .out = out, .random = load->seed | 1
	};
	uint64_t span = c->nr_sectors * SECTOR;
	int err = 0;

	memset(out, 0, sizeof(*out));
	if (load->span_bytes && load->span_bytes < span)
		span = load->span_bytes;
	r.nr_blocks = span / load->block_bytes;
	/* Twice as many blocks as requests: one that is free is soon found. */
	if (load->depth > c->depth || load->block_bytes > c->block_bytes ||
	    r.nr_blocks < UINT64_C(2) * load->depth * c->nr_queues)
		return -EINVAL;
	if (load->verify)
		err = prepare(&r);
	if (!err)
		err = measure(&r, backend);
	free(r.versions);
	free(r.is_busy);
	return err;
}
