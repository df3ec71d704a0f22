/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * memfd.h - memory to be shared with a process that does not believe us
 *
 * Sealed F_SEAL_SHRINK, F_SEAL_GROW and F_SEAL_SEAL, so that whoever maps it
 * knows that no later ftruncate turns its loads into SIGBUS.
 */
#ifndef RINGFENCE_BASE_MEMFD_H
#define RINGFENCE_BASE_MEMFD_H

#include <ringfence/base.h>

/* A zeroed, close-on-exec memfd of `bytes`; `name` shows in /proc only. The
 * descriptor is owned. -EINVAL: bytes is 0. */
RF_MUST_CHECK int memfd_new(const char *name, uint64_t bytes, int *out);

/* Map the first `bytes` of somebody else's, shared; `prot` as of mmap(2). The
 * descriptor is taken: closed on success and failure alike. -EPERM: its sender
 * could shrink it; -ERANGE: it is shorter. */
RF_MUST_CHECK int memfd_map(int fd, size_t bytes, int prot, void **out);

#endif
