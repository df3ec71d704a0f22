/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * stages.h - the stages of rf_fence_enter() that fill a file of their own
 *
 * Side:    fence, in the started program.
 * Owns:    nothing.
 * Callers: fence.c.
 * Never:   used out of the order that fence.c gives.
 */
#ifndef FENCE_STAGES_H
#define FENCE_STAGES_H

#include <ringfence/base.h>

/* root.c: make `dir`, read-only, the root; NULL: an empty directory. */
RF_MUST_CHECK int root_replace(const char *dir);

/* landlock.c: 0 also where the kernel has no Landlock. */
RF_MUST_CHECK int landlock_refuse_all(void);

#endif
