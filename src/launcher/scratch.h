/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * scratch.h - the demo's disk: a file without a name, and what must be on it
 */
#ifndef RINGFENCE_LAUNCHER_SCRATCH_H
#define RINGFENCE_LAUNCHER_SCRATCH_H

#include "launcher/say.h"

/* `bytes` of zeroes in a file that has no name, so that nothing can be left
 * of it; `out` is owned, `where` says where it lives. */
RF_MUST_CHECK int scratch_open(uint64_t bytes, int *out, const char **where,
			       struct complaint *c);

/* Does the image hold what the built-in guest wrote to its disk 0 in `rounds`
 * rounds? -EINVAL with the first sector that does not. */
RF_MUST_CHECK int scratch_check(int fd, uint32_t rounds, struct complaint *c);

/* Bytes that a guest compares in `rounds` rounds on a disk of that size. */
uint64_t scratch_compared_bytes(uint64_t bytes, uint32_t rounds);

#endif
