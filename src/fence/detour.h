/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * detour.h - clone3 for a launcher inside a chroot
 *
 * Side:    fence, in the launcher.
 * Owns:    nothing.
 * Callers: spawn.c.
 * Never:   used without root's power.
 */
#ifndef FENCE_DETOUR_H
#define FENCE_DETOUR_H

#include <linux/sched.h>
#include <sys/types.h>

#include <ringfence/base.h>

/* As clone3(args): 0 in the child; in the launcher its pid, and its pidfd in
 * *pidfd, or -errno. */
RF_MUST_CHECK pid_t detour_clone(const struct clone_args *args, int *pidfd);

#endif
