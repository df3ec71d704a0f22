/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * blk_peer.h - a back-end that the comparison started, and its disk
 */
#ifndef TESTS_BENCH_BLK_PEER_H
#define TESTS_BENCH_BLK_PEER_H

#include <sys/types.h>

#include "bench/blk_options.h"

#define BLK_PEER_PATH 96u

enum blk_peer_kind {
	BLK_PEER_OURS,
	BLK_PEER_OURS_POLLING,
	BLK_PEER_OURS_NO_POLLING,
	BLK_PEER_QSD,	       /* one thread for everything */
	BLK_PEER_QSD_IOTHREAD, /* one for the queue */
	BLK_PEER_QSD_NO_POLLING, /* and it never polls, which is not its default */
	BLK_PEER_NR_KINDS
};

struct blk_peer {
	enum blk_peer_kind kind;
	pid_t pid; /* 0: does not run */
	int disk;  /* its image, -1: none; nameless, but for socket's sake */
	char socket[BLK_PEER_PATH];
};

const char *blk_peer_name(enum blk_peer_kind kind);

/* Make its disk in `dir`, known content in all of it. -errno, and a sentence
 * said why; the same for start. */
RF_MUST_CHECK int blk_peer_new(struct blk_peer *p, enum blk_peer_kind kind,
			       const struct blk_options *o, const char *dir);
/* Run it; returns when it accepts connections. */
RF_MUST_CHECK int blk_peer_start(struct blk_peer *p,
				 const struct blk_options *o, bool direct);
/* Have all of the disk in the page cache, and dirty if it will be written: the
 * kernel may have dropped or written some of it since, which would be measured
 * instead. Only where it runs by way of the cache. */
RF_MUST_CHECK int blk_peer_settle(const struct blk_peer *p, bool dirty);
void blk_peer_stop(struct blk_peer *p);
void blk_peer_free(struct blk_peer *p);

#endif
