/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * base.h - the few words every other header uses
 *
 * Errors. A fallible function returns 0 or a negative errno and is
 * RF_MUST_CHECK; results leave by a last `out` parameter, written only on
 * success. The closed set of errors the library itself makes (a refusing
 * kernel's errno is passed through unchanged):
 *
 *   -EPROTO      the guest or the peer lied; its device is broken until reset
 *   -EINVAL      an argument is not of the form this header asks for
 *   -ENOTSUP     this host or this peer does not offer that
 *   -ENOMEM      no memory
 *   -ENOSPC      a fixed table or a ring is full
 *   -EAGAIN      nothing there now
 *   -EPIPE       the peer has closed its end
 *   -ERANGE      an address or length lies outside of what was granted
 *   -EPERM       the other side did not seal what it must seal
 *
 * Threading, unless a function says otherwise: an object belongs to one thread
 * at a time.
 */
#ifndef RINGFENCE_BASE_H
#define RINGFENCE_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RF_MUST_CHECK __attribute__((warn_unused_result))
#define RF_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define RF_ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* A descriptor that closes itself when it leaves scope; -1 is empty. */
#define rf_autofd __attribute__((cleanup(rf_fd_cleanup))) int

void rf_fd_cleanup(int *fd);

/* Hand a descriptor on: returns it and leaves -1 behind, so that an rf_autofd
 * no longer closes it. */
int rf_fd_take(int *fd);

/* Close and set to -1; -1 is left alone. Never retried: Linux frees the number
 * even on EINTR. errno is preserved. */
void rf_fd_close(int *fd);

/* Move `fd` to the number `to` (dup3 with O_CLOEXEC, then close the old one).
 * `fd` is taken, even on failure. */
RF_MUST_CHECK int rf_fd_move(int fd, int to);

/* Add one to an eventfd. An eventfd that is full is already signalled, so
 * EAGAIN is no error here. */
RF_MUST_CHECK int rf_eventfd_signal(int fd);

/* Take what an eventfd holds. -EAGAIN when it holds nothing. */
RF_MUST_CHECK int rf_eventfd_take(int fd, uint64_t *out);

/* CLOCK_MONOTONIC in nanoseconds, through the vdso: no system call on hosts
 * whose clock source the vdso can read. */
uint64_t rf_clock_ns(void);

#endif
