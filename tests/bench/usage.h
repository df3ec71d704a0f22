/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * usage.h - what a process and all of its children cost
 *
 * All threads count, those that have ended and the kernel's workers for
 * io_uring among them. A process that ends between two readings takes its
 * share along: read while all of them live.
 */
#ifndef TESTS_BENCH_USAGE_H
#define TESTS_BENCH_USAGE_H

#include <sys/types.h>

#include <ringfence/base.h>

#define USAGE_PIDS_MAX 64u

struct usage_tree {
	uint32_t nr;
	pid_t pids[USAGE_PIDS_MAX];
};

/* The process and its descendants as they are now. -ESRCH: it is gone. */
RF_MUST_CHECK int usage_find(pid_t root, struct usage_tree *out);

/* Processor time of them so far. -errno: one of them is gone. */
RF_MUST_CHECK int usage_cpu_ns(const struct usage_tree *tree, uint64_t *out);

struct usage_memory {
	uint64_t private_dirty; /* bytes */
	uint64_t pss;		/* without shared memory, which is the guest's:
				 * how much of it is mapped is not the
				 * back-end's doing */
};

/* -EACCES where another's smaps may not be read. */
RF_MUST_CHECK int usage_memory(const struct usage_tree *tree,
			       struct usage_memory *out);

/* Keep all threads of them on one processor. */
RF_MUST_CHECK int usage_pin(const struct usage_tree *tree, uint32_t cpu);

#endif
