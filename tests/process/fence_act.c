/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * fence_act.c - cross the real fence, then do one thing named in argv
 *
 *   fence_act POLICY ACT      POLICY: none blk blk.sealed blk.uring vmm vcpu
 *                             launcher
 *
 * Side:    test, inside of a fence: started by rf_fence_spawn() with
 *          descriptors 2 (log) and 3 (a socket to the test).
 * Owns:    nothing.
 * Callers: tests/process/test_fence_*.c.
 * Never:   reports an act as done that was not: after the act it leaves with
 *          ACT_LIVED, and only then.
 */
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <ringfence/fence.h>
#include <ringfence/log.h>

#include "process/fence_act.h"

static const struct {
	const char *name;
	const struct rf_policy *policy;
} policies[] = {
	{ "none", NULL },
	{ "blk", &rf_policy_blk },
	{ "blk.sealed", &rf_policy_blk_sealed },
	{ "blk.uring", &rf_policy_blk_uring },
	{ "vmm", &rf_policy_vmm },
	{ "vcpu", &rf_policy_vcpu },
	{ "launcher", &rf_policy_launcher },
};

/* Set by a thread that got past its act; a futex word. */
static _Atomic uint32_t lived;

/* Where a program that may neither open nor see anything would look. */
static char proc_path[] = "/proc/self/status";

static long call_i386(int nr)
{
	long ret;

	__asm__ volatile("int $0x80"
			 : "=a"(ret)
			 : "a"((long)nr)
			 : "memory", "r8", "r9", "r10", "r11");
	return ret;
}

/* Straight to the kernel: what is tried is the call, not the C library. */
static void do_call(const struct act *act)
{
	uint64_t a[6];
	int i;

	for (i = 0; i < 6; i++)
		a[i] = act->args[i] == ACT_PATH ? (uintptr_t)proc_path
						: act->args[i];
	if (act->nr & ACT_I386)
		(void)call_i386(act->nr & ~ACT_I386);
	else
		(void)syscall(act->nr, a[0], a[1], a[2], a[3], a[4], a[5]);
}

static void tell(const char *text)
{
	if (send(RF_FD_CONTROL, text, strlen(text), MSG_NOSIGNAL) < 0)
		_exit(ACT_BROKEN);
}

/* Until the test says so or goes away. Both calls are in policy blk. */
static void stay(void)
{
	char byte = '!';

	(void)send(RF_FD_CONTROL, &byte, 1, MSG_NOSIGNAL);
	if (recv(RF_FD_CONTROL, &byte, 1, MSG_WAITALL) < 0)
		_exit(ACT_BROKEN);
}

/* What only the process itself can tell. Without a filter. */
static void look_around(void)
{
	char text[512];
	const char *env = environ && *environ ? *environ : "none";
	struct stat root = { .st_mode = 0 };
	bool can_list = opendir("/") != NULL;

	(void)stat("/", &root);
	(void)snprintf(text, sizeof(text),
		       "pid %d ppid %d dumpable %d securebits %x env %s cwd %s "
		       "mode %o list %d write %d uid %d gid %d groups %d",
		       getpid(), getppid(), prctl(PR_GET_DUMPABLE),
		       (unsigned)prctl(PR_GET_SECUREBITS), env,
		       getcwd((char[64]){ 0 }, 64), root.st_mode, can_list,
		       open("/x", O_CREAT | O_RDWR | O_CLOEXEC, 0600) >= 0,
		       (int)getuid(), (int)getgid(), getgroups(0, NULL));
	tell(text);
}

static void nothing(void)
{
}

/* A sanitizer would handle faults in the program's place, and guards even the
 * C library's way to undo that. */
static void leave_faults_to_the_kernel(void)
{
	const unsigned long as_default[4] = { 0 };

	(void)syscall(SYS_rt_sigaction, SIGSEGV, as_default, NULL, 8);
}

/* Before the fence: what exec left open. Sanitizers open nothing either. */
static void count_early(void)
{
	char text[64] = "";
	size_t used = 0;
	int fd;

	for (fd = 0; fd < RF_FD_LIMIT; fd++)
		if (fcntl(fd, F_GETFD) >= 0 && used < sizeof(text))
			used += (size_t)snprintf(
				text + used, sizeof(text) - used, "%d ", fd);
	tell(text);
}

static void crash(void)
{
	leave_faults_to_the_kernel();
	__asm__ volatile("movl $1, 8" : : : "memory");
}

static void give_up(void)
{
	leave_faults_to_the_kernel();
	abort();
}

static void *thread_stays(void *arg)
{
	(void)prctl(PR_SET_NAME, "the-culprit");
	if (rf_policy_load(&rf_policy_blk))
		_exit(ACT_BROKEN);
	stay();
	syscall(SYS_socket, AF_UNIX, SOCK_STREAM, 0);
	return arg;
}

/* A thread that is killed only when told, so that its name can be read. */
static void stay_in_thread(void)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, thread_stays, NULL))
		_exit(ACT_BROKEN);
	pthread_join(thread, NULL);
}

static const struct {
	const char *name;
	void (*act)(void);
} specials[] = {
	{ "nothing", nothing },	 { "stay", stay },
	{ "look", look_around }, { "crash", crash },
	{ "abort", give_up },	 { "stay-in-thread", stay_in_thread },
};

static void do_act(const char *name)
{
	size_t i;

	for (i = 0; i < RF_ARRAY_LEN(specials); i++)
		if (!strcmp(specials[i].name, name)) {
			specials[i].act();
			return;
		}
	for (i = 0; i < RF_ARRAY_LEN(acts); i++)
		if (!strcmp(acts[i].name, name)) {
			do_call(&acts[i]);
			return;
		}
	rf_log("fence_act: no act '%s'", name);
	_exit(ACT_BROKEN);
}

/* As in ringfence-vmm: a thread loads the filter, the first thread has none
 * here. The thread may not end the process, nor itself. */
static void *thread_acts(void *arg)
{
	if (rf_policy_load(&rf_policy_vcpu))
		_exit(ACT_BROKEN);
	do_act(arg);
	atomic_store(&lived, 1);
	for (;;) {
		syscall(SYS_futex, &lived, FUTEX_WAKE_PRIVATE, 1, NULL);
		syscall(SYS_futex, &lived, FUTEX_WAIT_PRIVATE, 1, NULL);
	}
	return NULL;
}

static void act_in_thread(char *name)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, thread_acts, name))
		_exit(ACT_BROKEN);
	while (!atomic_load(&lived))
		syscall(SYS_futex, &lived, FUTEX_WAIT_PRIVATE, 0, NULL);
}

static bool is_sealed(const struct rf_policy *policy)
{
	return policy == &rf_policy_blk_sealed ||
	       policy == &rf_policy_blk_uring;
}

static void act_behind(const struct rf_policy *policy, char *name)
{
	if (policy == &rf_policy_vcpu) {
		act_in_thread(name);
		return;
	}
	if (is_sealed(policy))
		rf_fence_seal(policy);
	else if (policy && policy != &rf_policy_blk && rf_policy_load(policy))
		_exit(ACT_BROKEN);
	do_act(name);
}

static const struct rf_policy *find_policy(const char *name)
{
	size_t i;

	for (i = 0; i < RF_ARRAY_LEN(policies); i++)
		if (!strcmp(policies[i].name, name))
			return policies[i].policy;
	_exit(ACT_BROKEN);
}

int main(int argc, char **argv)
{
	static const int keep[] = { RF_FD_LOG, RF_FD_CONTROL };
	static const int unsorted[] = { RF_FD_CONTROL, RF_FD_LOG };
	const struct rf_policy *policy;
	struct rf_fence fence = { .keep = keep, .nr_keep = 2 };

	if (argc < 3)
		return ACT_BROKEN;
	policy = find_policy(argv[1]);
	if (policy == &rf_policy_blk || is_sealed(policy))
		fence.policy = &rf_policy_blk;
	if (argc > 3)
		fence.root = argv[3];
	if (!strcmp(argv[2], "unsorted"))
		fence.keep = unsorted;
	if (!strcmp(argv[2], "count-early"))
		count_early();
	rf_log_name("act", -1);
	rf_fence_enter(&fence);
	act_behind(policy, argv[2]);
	_exit(ACT_LIVED);
}
