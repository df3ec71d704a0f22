/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * options.h - the arguments of ringfence-blk
 */
#ifndef BLK_OPTIONS_H
#define BLK_OPTIONS_H

#include <ringfence/base.h>

enum blk_io {
	BLK_IO_AUTO,
	BLK_IO_URING,
	BLK_IO_SYNC,
};

struct blk_options {
	bool read_only;
	bool allow_unsealed;
	bool direct;
	bool has_limits;
	enum blk_io io;
	uint16_t nr_queues;
	uint32_t map_mib;
	uint32_t poll_us;
	const char *serial;
	const char *root;
	int index;
	uint64_t without; /* features that are not offered */
};

/* "NAME+NAME...", to a mask. False: one of them is none of ours. */
RF_MUST_CHECK bool blk_features_parse(const char *text, uint64_t *out);

/* "ringfence-blk: `arg`: `what`", and the end with status 2. */
_Noreturn void options_die(const char *what, const char *arg);

/* Wrong ones end the process with 2 and a sentence; --help and --version with
 * 0. */
void blk_options_parse(int argc, char **argv, struct blk_options *out);

#endif
