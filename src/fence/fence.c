/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * fence.c - the crossing, stage by stage
 *
 * Side:    fence: begins with power over namespaces of its own, ends without.
 * Owns:    the order.
 * Callers: main() of each fenced program, before anything else.
 * Never:   goes on with less fence than asked for. Reads no byte from outside.
 *
 * A process crosses once, in an order that never needs back what was given up.
 * For each stage: what it must remove, and what it must not yet, because a
 * later stage needs it.
 *
 * In the launcher (spawn.c):
 *
 *  1 clone     Into new user, mount, pid, net, ipc, uts and cgroup namespaces
 *              at once, and into the cgroup with its limits: there is no moment
 *              at which the process runs outside of them.
 *              Must not yet lose the descriptors it will be given. From inside
 *              a chroot the kernel makes no user namespace: root then goes
 *              round by way of detour.c.
 *  2 maps      uid and gid 0 of the namespace become one uid and gid of the
 *              host, and no other exists. Written by the launcher, while the
 *              child waits: the child could not name a uid that is not its own.
 *  3 seize     ptrace, to learn of forbidden calls (reap.c). Before exec, so
 *              that the program makes not one call unseen; after the maps, for
 *              a dying launcher then takes the child along (EXITKILL).
 *
 * In the child, until exec (child.c):
 *
 *  4 signals, session, personality, umask
 *              Must remove what is inherited silently over exec: ignored and
 *              blocked signals, the terminal's signals, ADDR_NO_RANDOMIZE.
 *  5 descriptors
 *              Those granted go to their places (enum rf_fd_place), all others
 *              are closed. Must not yet close the program's own and the way
 *              back to the launcher: exec does that.
 *  6 limits    No core dump of guest memory; descriptors up to the places; what
 *              the jailer adds. After the descriptors: more may be open before.
 *  7 identity  Supplementary groups (if started by root), gid, uid.
 *  8 capabilities, first half
 *              The bounding set shrinks to CAP_SYS_ADMIN, for stage 11 mounts
 *              and pivots, and CAP_SETPCAP, for stage 14 clears the bounding
 *              set and locks the securebits. Both reach no further than the
 *              process's own namespaces, if there is a user namespace.
 *  9 parent    Die with the launcher, also if ptrace was refused. After 7, which
 *              would clear it.
 * 10 exec      The launcher's memory is gone. A new program starts with a new
 *              layout, a new stack canary, an empty environment.
 *
 * In the program, rf_fence_enter() below:
 *
 * 11 root      pivot_root into an empty directory that cannot be written, or
 *              into one that was named, read-only. Must not yet lose
 *              CAP_SYS_ADMIN (before 14) nor need any file afterwards: static
 *              programs have none to load.
 * 12 descriptors
 *              Whatever a C library or a sanitizer opened since 10. Must keep
 *              those named, and the log.
 * 13 no_new_privs
 *              No exec could ever give privileges; also the kernel's condition
 *              for 16 and 17 without capabilities.
 * 14 capabilities, second half
 *              Bounding set, ambient, inheritable, permitted, effective: none
 *              kept. Securebits locked: uid 0 of the namespace means nothing.
 *              Must come before 17: capset and prctl are on no list.
 * 15 not dumpable
 *              No ptrace, no /proc/PID/mem for others of the same uid. After
 *              11 and 14, which change what the kernel thinks of it.
 * 16 Landlock  Where the kernel has it: no file, no TCP port, no abstract
 *              socket, no signal to outside, even if 11 or 17 were flawed.
 *              Before 17: its calls are on no list.
 * 17 filter    The first seccomp policy: what the program needs until it is
 *              set up. It must still let seccomp() through, for 18. With policy
 *              NULL the program loads one for each thread itself, before it
 *              reads its first byte from outside. Right before it the pages of
 *              the program that only the stages until here needed are given
 *              back (trim.c): that takes a madvise that is on no list.
 *
 * And rf_fence_seal():
 *
 * 18 seal      The second policy, when nothing new is needed: it cannot map,
 *              open, make or receive anything any more.
 *
 * A jailer may leave namespaces out. Without a user namespace (root only) the
 * stages are the same, with the host's capabilities until 14. Without a mount
 * namespace stage 11 is left out: it would pivot the host; 16 and 17 then stand
 * alone before the files.
 */
#include <errno.h>
#include <linux/securebits.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <ringfence/fence.h>
#include <ringfence/log.h>
#include <ringfence/trim.h>

#include "fence/inherit.h"
#include "fence/stages.h"

/* keep-caps is left out: it must be off, and its lock alone keeps it off. */
#define SECUREBITS                                              \
	((SECURE_ALL_BITS & ~issecure_mask(SECURE_KEEP_CAPS)) | \
	 SECURE_ALL_LOCKS)

static _Noreturn void fail(const char *stage, int error)
{
	rf_log("fence: %s: %s", stage, strerror(-error));
	_exit(RF_FENCE_EXIT_STATUS);
}

/* What the launcher says it made for us. A program started by hand would be in
 * the host's namespaces, and must not pivot there. */
static int read_namespaces(uint32_t *out)
{
	const char *text = getenv(INHERIT_NAMESPACES);
	unsigned long value;
	char *end;

	if (!text || !*text)
		return -EINVAL;
	errno = 0;
	value = strtoul(text, &end, 16);
	if (errno || *end || (value & ~(unsigned long)RF_FENCE_NAMESPACES))
		return -EINVAL;
	*out = (uint32_t)value;
	return 0;
}

static int replace_root(const struct rf_fence *fence, uint32_t namespaces)
{
	if (namespaces & CLONE_NEWNS)
		return root_replace(fence->root);
	return fence->root ? -ENOTSUP : 0;
}

/* Between the kept ones, which are sorted, and after the last. */
static int close_others(const struct rf_fence *fence)
{
	unsigned next = 0;
	uint32_t i;

	for (i = 0; i < fence->nr_keep; i++) {
		unsigned keep = (unsigned)fence->keep[i];

		if (fence->keep[i] < 0 || keep < next)
			return -EINVAL;
		if (keep > next && close_range(next, keep - 1, 0))
			return -errno;
		next = keep + 1;
	}
	return close_range(next, ~0u, 0) ? -errno : 0;
}

static int drop_bounding_set(void)
{
	cap_value_t cap;

	for (cap = 0; CAP_IS_SUPPORTED(cap); cap++)
		if (cap_drop_bound(cap))
			return -errno;
	return 0;
}

static int drop_capabilities(void)
{
	cap_t none = cap_init();
	cap_flag_value_t has_setpcap = CAP_CLEAR;
	cap_t have = cap_get_proc();
	int ret = 0;

	if (!none || !have ||
	    cap_get_flag(have, CAP_SETPCAP, CAP_EFFECTIVE, &has_setpcap))
		ret = -ENOMEM;
	/* A plain account without a user namespace never had any. */
	if (!ret && has_setpcap == CAP_SET)
		ret = drop_bounding_set();
	if (!ret && has_setpcap == CAP_SET && cap_set_secbits(SECUREBITS))
		ret = -errno;
	if (!ret && (cap_reset_ambient() || cap_set_proc(none)))
		ret = -errno;
	cap_free(none);
	cap_free(have);
	return ret;
}

/* Believe the kernel, not ourselves. */
static int check_no_capabilities(void)
{
	cap_t have = cap_get_proc();
	cap_t none = cap_init();
	int ret = have && none && !cap_compare(have, none) ? 0 : -EPERM;

	cap_free(have);
	cap_free(none);
	return ret;
}

static void stage(const char *name, int ret)
{
	if (ret)
		fail(name, ret);
}

void rf_fence_enter(const struct rf_fence *fence)
{
	uint32_t namespaces = 0;

	/* A reader of our lines who leaves must not end the guest. */
	stage("signals", signal(SIGPIPE, SIG_IGN) == SIG_ERR ? -errno : 0);
	stage("not started by a launcher", read_namespaces(&namespaces));
	stage("environment", clearenv() ? -ENOMEM : 0);
	stage("root directory", replace_root(fence, namespaces));
	stage("descriptors", close_others(fence));
	stage("no_new_privs",
	      prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ? -errno : 0);
	stage("capabilities", drop_capabilities());
	stage("capabilities left", check_no_capabilities());
	stage("dumpable", prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) ? -errno : 0);
	stage("landlock", landlock_refuse_all());
	/* Last before the filter, which will not allow it. */
	rf_trim();
	if (fence->policy)
		stage(fence->policy->name, rf_policy_load(fence->policy));
}

void rf_fence_seal(const struct rf_policy *policy)
{
	int ret = rf_policy_load(policy);

	if (ret)
		fail(policy->name, ret);
}
