/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * reap.c - how children end, and which call their filter killed them for
 *
 * Side:    fence, in the launcher. Registers of a dying process are numbers to
 *          print, nothing to act on.
 * Owns:    wait4() and the resuming of traced threads.
 * Callers: src/launcher/, on SIGCHLD; spawn.c until exec.
 * Never:   waits, allocates, or opens a file (but in rf_fence_learn_threads):
 *          the launcher's own filter is loaded.
 *
 * Why by ptrace. A filter that kills (SECCOMP_RET_KILL_PROCESS) is the only
 * kind whose verdict needs nobody: the call never runs, whatever becomes of
 * the launcher. RET_USER_NOTIF and RET_TRACE turn into ENOSYS when the
 * launcher dies, so the process lives on past a forbidden call; RET_TRAP hands
 * control to a handler inside the process that may have been taken over. So
 * the filters kill, and the launcher looks at the dying: with
 * PTRACE_O_TRACEEXIT each thread stops once more on its way out, its registers
 * still there. The kernel rolls the result register of the thread that made the
 * call back to the number of the call, so of all threads that die with
 * SIGSYS that is the one with rax == orig_rax. And PTRACE_O_EXITKILL ends the
 * children with the launcher.
 *
 * The number is a hint for people, no evidence: a process with several threads
 * may arrange for another of them to look the same.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <ringfence/fence.h>

#include "fence/traced.h"

static int event_of(int status)
{
	return (int)((unsigned)status >> 16);
}

/* Not by the code segment: 64-bit code can make 32-bit calls (int 0x80). The
 * kernel still knows, for the thread has not left its call. */
static bool is_i386_call(pid_t tid)
{
	struct __ptrace_syscall_info info = { 0 };

	return ptrace(PTRACE_GET_SYSCALL_INFO, tid, (void *)sizeof(info),
		      &info) > 0 &&
	       info.arch == AUDIT_ARCH_I386;
}

static void note_call(struct traced *t)
{
	struct user_regs_struct regs = { 0 };
	struct iovec iov = { .iov_base = &regs, .iov_len = sizeof(regs) };

	if (ptrace(PTRACE_GETREGSET, t->tid, (void *)NT_PRSTATUS, &iov))
		return;
	/* Negative: stopped outside of any call. */
	if (regs.rax != regs.orig_rax || (long long)regs.orig_rax < 0)
		return;
	t->made_call = true;
	t->call_nr = (int)regs.orig_rax;
	t->call_i386 = is_i386_call(t->tid);
}

static void note_exit(pid_t tid)
{
	struct traced *t = traced_get(tid, 0);
	unsigned long message = 0;

	if (!t || ptrace(PTRACE_GETEVENTMSG, tid, NULL, &message))
		return;
	if (WIFSIGNALED((int)message) && WTERMSIG((int)message) == SIGSYS)
		note_call(t);
}

static void note_clone(pid_t tid)
{
	const struct traced *parent = traced_get(tid, 0);
	unsigned long message = 0;

	if (ptrace(PTRACE_GETEVENTMSG, tid, NULL, &message))
		return;
	(void)traced_get((pid_t)message, parent ? parent->tgid : 0);
}

static bool is_fault(int sig)
{
	return sig == SIGSEGV || sig == SIGBUS || sig == SIGILL ||
	       sig == SIGFPE || sig == SIGTRAP || sig == SIGABRT;
}

/* The first process of a pid namespace is spared by signals it does not
 * handle, and of a traced one the kernel does not lift that for faults: it
 * would run into the same fault for ever. So a fault is delivered once, for
 * a handler if there is one, and the second time it is death. */
static int signal_to_deliver(pid_t tid, int sig)
{
	struct traced *t = traced_get(tid, 0);

	if (!t || !is_fault(sig))
		return sig;
	if (t->fault == sig) {
		t->died_of = sig;
		return SIGKILL;
	}
	t->fault = sig;
	return sig;
}

static bool is_stop(int sig)
{
	return sig == SIGSTOP || sig == SIGTSTP || sig == SIGTTIN ||
	       sig == SIGTTOU;
}

/* A failing request means that the thread was killed while it stood here; its
 * end is on the way. */
static void resume(pid_t tid, int status)
{
	int event = event_of(status);
	long deliver = 0;

	if (event == PTRACE_EVENT_EXIT)
		note_exit(tid);
	else if (event == PTRACE_EVENT_CLONE)
		note_clone(tid);
	else if (event == PTRACE_EVENT_STOP)
		(void)traced_get(tid, 0); /* perhaps a new thread's first */
	else if (!event)
		deliver = signal_to_deliver(tid, WSTOPSIG(status));
	if (event == PTRACE_EVENT_STOP && is_stop(WSTOPSIG(status)))
		(void)ptrace(PTRACE_LISTEN, tid, NULL, NULL);
	else
		(void)ptrace(PTRACE_CONT, tid, NULL, (void *)deliver);
}

static void fill_end(struct rf_fence_end *end, pid_t pid, int status)
{
	const struct traced *leader = traced_find(pid);
	const struct traced *culprit = traced_culprit(pid);

	memset(end, 0, sizeof(*end));
	end->pid = pid;
	end->exited = WIFEXITED(status);
	end->status = end->exited ? WEXITSTATUS(status) : WTERMSIG(status);
	end->filter_killed = !end->exited && end->status == SIGSYS;
	/* We only carried out what the fault meant. */
	if (leader && leader->died_of && !end->exited && end->status == SIGKILL)
		end->status = leader->died_of;
	if (!end->filter_killed || !leader || !culprit)
		return;
	end->call_known = true;
	end->call_nr = culprit->call_nr;
	end->call_i386 = culprit->call_i386;
	end->tid = culprit->tid;
	memcpy(end->thread, culprit->name, sizeof(end->thread));
}

/* True if what ended was a process; threads end without a word. */
static bool take_end(struct rf_fence_end *end, pid_t tid, int status)
{
	struct traced *t = traced_find(tid);

	if (t && t->tgid != tid) {
		/* What it did is told when its process ends. */
		traced_end_thread(t);
		return false;
	}
	fill_end(end, tid, status);
	traced_forget(tid);
	return true;
}

int rf_fence_reap(struct rf_fence_end *end)
{
	int status;
	pid_t tid;

	for (;;) {
		tid = waitpid(-1, &status, WNOHANG | __WALL);
		if (tid < 0 && errno == EINTR)
			continue;
		if (tid < 0)
			return -errno;
		if (tid == 0)
			return -EAGAIN;
		if (WIFSTOPPED(status))
			resume(tid, status);
		else if (take_end(end, tid, status))
			return 0;
	}
}

static void learn_name(struct traced *t)
{
	rf_autofd fd = -1;
	char path[32];
	ssize_t n;

	(void)snprintf(path, sizeof(path), "/proc/%d/comm", (int)t->tid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	n = read(fd, t->name, sizeof(t->name) - 1);
	/* Ends in a newline, which a name of full length leaves no room for. */
	if (n > 0 && t->name[n - 1] == '\n')
		n--;
	t->name[n > 0 ? n : 0] = '\0';
}

void rf_fence_learn_threads(void)
{
	struct traced *t;
	size_t at = 0;

	while ((t = traced_next(&at)))
		learn_name(t);
}

bool traced_pump(pid_t pid)
{
	int status;
	pid_t ret = waitpid(pid, &status, WNOHANG | __WALL);

	if (ret < 0)
		return errno == ECHILD;
	if (ret == 0)
		return false;
	if (!WIFSTOPPED(status))
		return true;
	resume(pid, status);
	return false;
}
