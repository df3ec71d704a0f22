/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * blk_compare.c - ringfence-blk against qemu-storage-daemon, in one run
 *
 * Of each cell every back-end is measured once before any is measured again,
 * so that what the machine does meanwhile meets all of them. Each has a copy of
 * the same disk, all of it cached for the buffered cells, and dirty before it
 * is written. The buffered cells come first, because a file that is read past
 * the page cache is out of it for a while.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench/blk_compare.h"
#include "bench/blk_peer.h"

struct contest {
	const struct blk_options *o;
	struct blk_table *t;
	char dir[32];
	uint32_t nr_peers;
	struct blk_peer peers[BLK_PEERS_MAX];
	struct blk_sample samples[BLK_PEERS_MAX][BLK_ROUNDS_MAX];
};

static int add_peer(struct contest *k, enum blk_peer_kind kind)
{
	const uint32_t i = k->nr_peers;
	int err = blk_peer_new(&k->peers[i], kind, k->o, k->dir);

	if (err) {
		blk_peer_free(&k->peers[i]);
		return err;
	}
	k->nr_peers++;
	k->t->nr_peers = k->nr_peers;
	k->t->peers[i] = blk_peer_name(kind);
	k->t->is_rival[i] = kind >= BLK_PEER_QSD;
	return 0;
}

static int add_peers(struct contest *k)
{
	const bool has_rivals = strcmp(k->o->qsd, "none") != 0;
	int err = add_peer(k, BLK_PEER_OURS);

	if (!err && k->o->backend_polls)
		err = add_peer(k, BLK_PEER_OURS_POLLING);
	if (!err && k->o->backend_polls)
		err = add_peer(k, BLK_PEER_OURS_NO_POLLING);
	if (!err && has_rivals)
		err = add_peer(k, BLK_PEER_QSD);
	if (!err && has_rivals)
		err = add_peer(k, BLK_PEER_QSD_IOTHREAD);
	if (!err && has_rivals && k->o->backend_polls)
		err = add_peer(k, BLK_PEER_QSD_NO_POLLING);
	return err;
}

static void stop_all(struct contest *k)
{
	uint32_t i;

	for (i = 0; i < k->nr_peers; i++)
		blk_peer_stop(&k->peers[i]);
}

static int start_all(struct contest *k, bool direct)
{
	uint32_t i;
	int err = 0;

	for (i = 0; !err && i < k->nr_peers; i++) {
		/* Nothing of the cache is to be written meanwhile. */
		if (fsync(k->peers[i].disk))
			return -errno;
		/* A direct write has to take its pages out of the cache first,
		 * and to wait for others that do: not what is asked here, and
		 * more for whoever comes first. */
		if (direct)
			err = -posix_fadvise(k->peers[i].disk, 0, 0,
					     POSIX_FADV_DONTNEED);
		if (!err)
			err = blk_peer_start(&k->peers[i], k->o, direct);
	}
	return err;
}

static int measure_once(struct contest *k, uint32_t cell, uint32_t round)
{
	uint32_t i;
	int err = 0;

	for (i = 0; !err && i < k->nr_peers; i++) {
		/* Another one begins each round. */
		const uint32_t who = (i + round) % k->nr_peers;

		const struct blk_cell *c = &k->t->cells[cell];

		if (!c->direct)
			err = blk_peer_settle(&k->peers[who],
					      blk_pattern_writes(c->pattern));
		if (!err)
			err = blk_measure(k->o, k->peers[who].socket, c, round,
					  &k->samples[who][round]);
	}
	return err;
}

static int measure_cell(struct contest *k, uint32_t cell)
{
	uint32_t round, i;
	int err = 0;

	for (round = 0; !err && round < k->o->rounds; round++)
		err = measure_once(k, cell, round);
	for (i = 0; !err && i < k->nr_peers; i++)
		blk_sample_median(k->samples[i], k->o->rounds,
				  &k->t->medians[cell][i]);
	return err;
}

static int measure_memory(struct contest *k)
{
	uint32_t i;
	int err = 0;

	/* One at a time: two of a kind would share what one has for itself. */
	for (i = 0; !err && i < k->nr_peers; i++) {
		err = blk_peer_start(&k->peers[i], k->o, false);
		if (!err)
			err = blk_measure_memory(k->o, k->peers[i].socket,
						 &k->t->memory[i]);
		blk_peer_stop(&k->peers[i]);
	}
	k->t->has_memory = !err;
	return err;
}

/* The cells of one cache, with back-ends that were started for it. */
static int measure_cells(struct contest *k, bool direct, bool *has_heading)
{
	uint32_t cell;
	int err = start_all(k, direct);

	for (cell = 0; !err && cell < k->t->nr_cells; cell++) {
		if (k->t->cells[cell].direct != direct)
			continue;
		err = measure_cell(k, cell);
		if (err)
			break;
		if (!*has_heading)
			blk_show_heading(k->t);
		*has_heading = true;
		blk_show_cell(k->t, cell);
	}
	stop_all(k);
	return err;
}

static int measure(struct contest *k)
{
	bool has_heading = false;
	int err = add_peers(k);

	if (!err)
		err = measure_memory(k);
	if (k->o->memory)
		k->t->nr_cells = 0;
	if (!err && k->t->nr_cells && k->o->caches[0])
		err = measure_cells(k, false, &has_heading);
	if (!err && k->t->nr_cells && k->o->caches[1])
		err = measure_cells(k, true, &has_heading);
	if (!err)
		blk_show_memory(k->t);
	return err;
}

int blk_compare(const struct blk_options *o, struct blk_table *t)
{
	static struct contest contest;
	uint32_t i;
	int err;

	contest = (struct contest){
		.o = o,
		.t = t,
		.dir = "/tmp/ringfence-bench-XXXXXX",
	};
	t->has_cache = true;
	if (!mkdtemp(contest.dir)) {
		err = -errno;
		(void)fprintf(stderr, "ringfence-bench: %s: %s\n", contest.dir,
			      strerror(-err));
		return err;
	}
	err = measure(&contest);
	for (i = 0; i < contest.nr_peers; i++)
		blk_peer_free(&contest.peers[i]);
	(void)rmdir(contest.dir);
	return err;
}
