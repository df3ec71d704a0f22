/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * blk_compare.h - ringfence-blk against qemu-storage-daemon, in one run
 */
#ifndef TESTS_BENCH_BLK_COMPARE_H
#define TESTS_BENCH_BLK_COMPARE_H

#include "bench/blk_show.h"

/* Start them, measure every cell of the table round about, show it, end them
 * and remove their disks. -errno, and a sentence said why. */
RF_MUST_CHECK int blk_compare(const struct blk_options *o, struct blk_table *t);

#endif
