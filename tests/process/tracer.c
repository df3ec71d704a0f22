/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * tracer.c - watch programs make their calls, and which rule allows each
 *
 * A thread's policies are known by what it loads: at each seccomp() that
 * succeeds the filter is read from its memory and compared with the tables.
 * Filters stack, so a call is counted for each policy that it has to pass.
 *
 * Side:    test.
 * Owns:    the table of threads.
 * Callers: test_policy_coverage.c.
 * Never:   lets a thread run whose policies are not known yet.
 */
#include <errno.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "process/tracer.h"

#define THREADS_MAX 512u
#define SYSCALL_STOP (SIGTRAP | 0x80)

const struct rf_policy *const tracer_policies[TRACER_POLICIES] = {
	&rf_policy_blk, &rf_policy_blk_sealed, &rf_policy_blk_uring,
	&rf_policy_vmm, &rf_policy_vcpu,       &rf_policy_launcher,
};

struct thread {
	pid_t tid;	   /* 0: free */
	unsigned policies; /* one bit each */
	unsigned loading;  /* the policy that seccomp() is loading */
	bool is_announced; /* its policies are known */
	bool is_waiting;   /* stopped until they are */
};

static struct thread threads[THREADS_MAX];

static struct thread *get_thread(pid_t tid)
{
	struct thread *free_slot = NULL;
	size_t i;

	for (i = 0; i < THREADS_MAX; i++) {
		if (threads[i].tid == tid)
			return &threads[i];
		if (!threads[i].tid && !free_slot)
			free_slot = &threads[i];
	}
	if (free_slot)
		*free_slot = (struct thread){ .tid = tid };
	return free_slot;
}

static bool read_memory(pid_t tid, uint64_t from, void *to, size_t bytes)
{
	size_t i;

	for (i = 0; i < bytes; i += sizeof(long)) {
		size_t here = bytes - i < sizeof(long) ? bytes - i
						       : sizeof(long);
		long word;

		errno = 0;
		word = ptrace(PTRACE_PEEKDATA, tid, (void *)(from + i), NULL);
		if (errno)
			return false;
		memcpy((char *)to + i, &word, here);
	}
	return true;
}

/* The bit of the policy whose filter lies there; 0 for any other filter. */
static unsigned identify(pid_t tid, uint64_t prog_address)
{
	static struct sock_filter filter[BPF_MAXINSNS];
	struct sock_fprog prog;
	unsigned i;

	if (!read_memory(tid, prog_address, &prog, sizeof(prog)) ||
	    !read_memory(tid, (uintptr_t)prog.filter, filter,
			 prog.len * sizeof(filter[0])))
		return 0;
	for (i = 0; i < TRACER_POLICIES; i++)
		if (prog.len == tracer_policies[i]->filter_len &&
		    !memcmp(filter, tracer_policies[i]->filter,
			    prog.len * sizeof(filter[0])))
			return 1u << i;
	return 0;
}

static void count_call(struct tracer *tr, const struct thread *t, int nr,
		       const uint64_t args[6])
{
	bool passes = true;
	unsigned i;

	for (i = 0; i < TRACER_POLICIES; i++) {
		int rule;

		if (!(t->policies & 1u << i))
			continue;
		rule = rf_policy_match(tracer_policies[i], nr, args);
		if (rule >= 0)
			tr->hits[i][rule]++;
		else
			passes = false;
	}
	if (!passes)
		tr->refused++;
}

static void look_at_call(struct tracer *tr, struct thread *t)
{
	struct __ptrace_syscall_info info;
	uint64_t args[6];

	if (ptrace(PTRACE_GET_SYSCALL_INFO, t->tid, (void *)sizeof(info),
		   &info) <= 0)
		return;
	if (info.op == PTRACE_SYSCALL_INFO_ENTRY) {
		memcpy(args, info.entry.args, sizeof(args));
		count_call(tr, t, (int)info.entry.nr, args);
		t->loading = 0;
		if (info.entry.nr == SYS_seccomp &&
		    args[0] == SECCOMP_SET_MODE_FILTER)
			t->loading = identify(t->tid, args[2]);
	} else if (info.op == PTRACE_SYSCALL_INFO_EXIT) {
		if (info.exit.rval == 0)
			t->policies |= t->loading;
		t->loading = 0;
	}
}

/* A new thread or process has its maker's filters. */
static void announce(const struct thread *maker)
{
	unsigned long tid = 0;
	struct thread *t;

	if (ptrace(PTRACE_GETEVENTMSG, maker->tid, NULL, &tid))
		return;
	t = get_thread((pid_t)tid);
	if (!t)
		return;
	t->policies = maker->policies;
	t->is_announced = true;
	if (t->is_waiting)
		(void)ptrace(PTRACE_SYSCALL, t->tid, NULL, NULL);
	t->is_waiting = false;
}

static bool is_stop(int sig)
{
	return sig == SIGSTOP || sig == SIGTSTP || sig == SIGTTIN ||
	       sig == SIGTTOU;
}

static void look_at_stop(struct tracer *tr, struct thread *t, int status)
{
	int event = (int)((unsigned)status >> 16);
	int sig = WSTOPSIG(status);
	long deliver = 0;

	if (!t->is_announced) {
		t->is_waiting = true;
		return;
	}
	if (sig == SYSCALL_STOP)
		look_at_call(tr, t);
	else if (event == PTRACE_EVENT_FORK || event == PTRACE_EVENT_VFORK ||
		 event == PTRACE_EVENT_CLONE)
		announce(t);
	else if (!event)
		deliver = sig;
	if (event == PTRACE_EVENT_STOP && is_stop(sig))
		(void)ptrace(PTRACE_LISTEN, t->tid, NULL, NULL);
	else
		(void)ptrace(PTRACE_SYSCALL, t->tid, NULL, (void *)deliver);
}

/* Until something has happened, or a moment has passed. */
static void wait_a_moment(void)
{
	const struct timespec moment = { .tv_nsec = 5000000 };
	sigset_t child;

	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	(void)sigtimedwait(&child, NULL, &moment);
}

static int watch(struct tracer *tr, pid_t root)
{
	int status, result = -ECHILD;
	struct thread *t;
	pid_t tid;

	for (;;) {
		tid = waitpid(-1, &status, WNOHANG | __WALL);
		if (tid < 0)
			return errno == ECHILD ? result : -errno;
		if (tid == 0) {
			if (tr->meddle)
				tr->meddle(root);
			wait_a_moment();
			continue;
		}
		t = get_thread(tid);
		if (!t)
			return -ENOSPC;
		if (WIFSTOPPED(status)) {
			look_at_stop(tr, t, status);
			continue;
		}
		if (tid == root)
			result = status;
		t->tid = 0;
	}
}

static _Noreturn void begin(int go, void (*start)(const void *arg),
			    const void *arg)
{
	sigset_t none;
	char byte;

	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	if (read(go, &byte, 1) != 1)
		_exit(1);
	close(go);
	start(arg);
	_exit(1);
}

static int seize(const struct tracer *tr, pid_t pid)
{
	long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL;
	struct thread *t = get_thread(pid);

	if (tr->follow)
		options |= PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK |
			   PTRACE_O_TRACECLONE;
	if (!t)
		return -ENOSPC;
	t->is_announced = true;
	/* Interrupted, it stops, and can be told to stop at each call. */
	if (ptrace(PTRACE_SEIZE, pid, NULL, (void *)options) ||
	    ptrace(PTRACE_INTERRUPT, pid, NULL, NULL))
		return -errno;
	return 0;
}

int tracer_run(struct tracer *tracer, void (*start)(const void *arg),
	       const void *arg)
{
	sigset_t child, before;
	int go[2], ret;
	pid_t pid;

	if (pipe(go))
		return -errno;
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	(void)sigprocmask(SIG_BLOCK, &child, &before);
	pid = fork();
	if (pid == 0) {
		close(go[1]);
		begin(go[0], start, arg);
	}
	ret = pid < 0 ? -errno : seize(tracer, pid);
	if (!ret && write(go[1], "", 1) != 1)
		ret = -errno;
	close(go[0]);
	close(go[1]);
	if (!ret)
		ret = watch(tracer, pid);
	(void)sigprocmask(SIG_SETMASK, &before, NULL);
	return ret;
}
