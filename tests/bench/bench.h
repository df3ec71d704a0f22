/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * bench.h - what the subcommands of ringfence-bench share
 */
#ifndef TESTS_BENCH_H
#define TESTS_BENCH_H

#include <ringfence/base.h>

#define BENCH_MISUSE 2
#define BENCH_SKIPPED 77

/* Each returns the program's exit status. */
int bench_ring(int argc, char **argv);
int bench_doorbell(int argc, char **argv);
int bench_blk(int argc, char **argv);
int bench_exits(int argc, char **argv);

/* Sorts samples; the value that `percent` of them do not exceed. 0 if there
 * are none. */
uint64_t bench_percentile(uint64_t *samples, size_t nr, unsigned int percent);

/* The time stamp counter, in order with loads and stores around it. */
uint64_t bench_ticks(void);

/* Ticks in 1000 ns, measured against the monotonic clock for 50 ms. */
uint64_t bench_ticks_per_us(void);

/* "--writes 5": a sentence on stderr and false if it is not within bounds. */
bool bench_number(const char *option, const char *text, uint64_t min,
		  uint64_t max, uint64_t *out);

#endif
