/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * test_reap.c - twin of src/fence/reap.c: children die in every way, and how is
 * told
 *
 * Real children, real filters, real ptrace, but no fence around: that is what
 * tests/process/test_fence_spawn.c is for.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fence/traced.h"
#include "unit/unit.h"

#define LIMIT_NS UINT64_C(20000000000)
#define NAME "a-name-too-long-for-it"

/* A child is held at this pipe until it is traced and told to go on. */
static int gate[2];

static pid_t start(void (*fn)(void), bool trace)
{
	const long options = PTRACE_O_TRACEEXIT | PTRACE_O_TRACECLONE |
			     PTRACE_O_EXITKILL;
	char byte;
	pid_t pid;

	ck_assert_int_eq(pipe(gate), 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		(void)close(gate[1]);
		(void)!read(gate[0], &byte, 1);
		fn();
		_exit(99);
	}
	(void)close(gate[0]);
	if (trace) {
		ck_assert_int_eq(ptrace(PTRACE_SEIZE, pid, NULL,
					(void *)(uintptr_t)options),
				 0);
		ck_assert(traced_add(pid));
	}
	return pid;
}

static void release(void)
{
	(void)close(gate[1]);
}

static void reap(pid_t pid, struct rf_fence_end *end)
{
	const uint64_t limit = rf_clock_ns() + LIMIT_NS;
	int ret;

	memset(end, 0xff, sizeof(*end));
	while ((ret = rf_fence_reap(end)) == -EAGAIN) {
		ck_assert_msg(rf_clock_ns() < limit, "it does not end");
		(void)usleep(200);
	}
	ck_assert_int_eq(ret, 0);
	ck_assert_int_eq(end->pid, pid);
}

static void run(void (*fn)(void), bool trace, struct rf_fence_end *end)
{
	pid_t pid = start(fn, trace);

	release();
	reap(pid, end);
	/* And nothing of it is left. */
	ck_assert_ptr_null(traced_find(pid));
	ck_assert_int_eq(rf_fence_reap(end), -ECHILD);
}

/* Kill for this call, by either table, allow all others. */
static void forbid(unsigned nr)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog prog = { RF_ARRAY_LEN(code), code };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog))
		_exit(98);
}

static void leave_with_7(void)
{
	_exit(7);
}

static void kill_oneself(void)
{
	(void)kill(getpid(), SIGKILL);
}

START_TEST(without_children_there_is_nothing_to_take)
{
	struct rf_fence_end end;

	ck_assert_int_eq(rf_fence_reap(&end), -ECHILD);
}
END_TEST

START_TEST(a_child_that_lives_is_not_waited_for)
{
	struct rf_fence_end end;
	pid_t pid = start(leave_with_7, false);

	ck_assert_int_eq(rf_fence_reap(&end), -EAGAIN);
	release();
	reap(pid, &end);
	ck_assert(end.exited);
}
END_TEST

START_TEST(statuses_and_signals_are_told_apart)
{
	struct rf_fence_end end;
	int traced;

	for (traced = 0; traced <= 1; traced++) {
		run(leave_with_7, traced, &end);
		ck_assert(end.exited && !end.filter_killed && !end.call_known);
		ck_assert_int_eq(end.status, 7);
		run(kill_oneself, traced, &end);
		ck_assert(!end.exited && !end.filter_killed && !end.call_known);
		ck_assert_int_eq(end.status, SIGKILL);
	}
}
END_TEST

static void call_forbidden(void)
{
	forbid(SYS_sync);
	(void)syscall(SYS_sync);
}

START_TEST(a_forbidden_call_is_named_if_traced)
{
	struct rf_fence_end end;

	run(call_forbidden, true, &end);
	ck_assert(!end.exited && end.filter_killed && end.call_known);
	ck_assert_int_eq(end.status, SIGSYS);
	ck_assert_int_eq(end.call_nr, SYS_sync);
	ck_assert(!end.call_i386);
	ck_assert_int_eq(end.tid, end.pid);
	run(call_forbidden, false, &end);
	ck_assert(!end.exited && end.filter_killed && !end.call_known);
	ck_assert_int_eq(end.status, SIGSYS);
}
END_TEST

static void call_x32(void)
{
	forbid(0x40000000 | SYS_sync);
	(void)syscall(0x40000000 | SYS_sync);
}

START_TEST(a_call_by_the_x32_table_keeps_its_bit)
{
	struct rf_fence_end end;

	run(call_x32, true, &end);
	ck_assert(end.filter_killed && end.call_known && !end.call_i386);
	ck_assert_int_eq(end.call_nr, 0x40000000 | SYS_sync);
}
END_TEST

static void call_i386(void)
{
	long ret = 36; /* sync */

	forbid(36);
	__asm__ volatile("int $0x80" : "+a"(ret) : : "memory");
}

/* 64-bit code can make them too. */
START_TEST(a_call_by_the_i386_table_is_told_as_that)
{
	struct rf_fence_end end;

	run(call_i386, true, &end);
	if (end.status == SIGSEGV)
		return; /* a kernel without that door */
	ck_assert(end.filter_killed && end.call_known && end.call_i386);
	ck_assert_int_eq(end.call_nr, 36);
}
END_TEST

static void send_sigsys(void)
{
	(void)syscall(SYS_tgkill, getpid(), gettid(), SIGSYS);
}

/* No filter killed: the call that was being made is not the culprit. */
START_TEST(a_signal_that_looks_like_a_filter_names_no_call)
{
	struct rf_fence_end end;

	run(send_sigsys, true, &end);
	ck_assert(!end.exited);
	ck_assert_int_eq(end.status, SIGSYS);
	ck_assert(!end.call_known);
}
END_TEST

static int hand_off[2];

static void *call_in_thread(void *arg)
{
	char byte;

	(void)prctl(PR_SET_NAME, NAME);
	(void)!write(hand_off[1], "", 1);
	/* Until the names have been read. */
	while (getppid() != 1 && read(gate[0], &byte, 1) > 0)
		;
	(void)syscall(SYS_sync);
	return arg;
}

static void call_beside_others(void)
{
	pthread_t thread;

	forbid(SYS_sync);
	if (pthread_create(&thread, NULL, call_in_thread, NULL))
		_exit(97);
	for (;;)
		(void)pause();
}

START_TEST(of_many_threads_the_one_that_called_is_named)
{
	const uint64_t limit = rf_clock_ns() + LIMIT_NS;
	struct rf_fence_end end;
	pid_t pid;
	char byte;

	ck_assert_int_eq(pipe2(hand_off, O_NONBLOCK), 0);
	pid = start(call_beside_others, true);
	/* One byte lets main go, the end of file the thread. */
	ck_assert_int_eq(write(gate[1], "", 1), 1);
	while (read(hand_off[0], &byte, 1) != 1) {
		ck_assert_int_eq(rf_fence_reap(&end), -EAGAIN);
		ck_assert(rf_clock_ns() < limit);
		(void)usleep(200);
	}
	rf_fence_learn_threads();
	release();
	reap(pid, &end);
	ck_assert(end.filter_killed && end.call_known);
	ck_assert_int_eq(end.call_nr, SYS_sync);
	ck_assert_int_ne(end.tid, end.pid);
	ck_assert_str_eq(end.thread, "a-name-too-long");
}
END_TEST

/* For ever, if nobody steps in. */
static void come_back(int sig)
{
	(void)sig;
}

static void fault_again_and_again(void)
{
	const struct sigaction act = { .sa_handler = come_back };

	(void)sigaction(SIGILL, &act, NULL);
	__asm__ volatile("ud2");
}

START_TEST(a_fault_that_is_handled_by_nothing_ends_it_as_that_fault)
{
	struct rf_fence_end end;

	run(fault_again_and_again, true, &end);
	ck_assert(!end.exited && !end.filter_killed);
	ck_assert_int_eq(end.status, SIGILL);
}
END_TEST

static volatile sig_atomic_t nr_handled;

static void count(int sig)
{
	(void)sig;
	nr_handled++;
}

static void handle_signals(void)
{
	const struct sigaction act = { .sa_handler = count };
	int i;

	(void)sigaction(SIGUSR1, &act, NULL);
	for (i = 0; i < 5; i++)
		(void)raise(SIGUSR1);
	_exit(nr_handled);
}

START_TEST(signals_that_are_handled_are_delivered_each_time)
{
	struct rf_fence_end end;

	run(handle_signals, true, &end);
	ck_assert(end.exited);
	ck_assert_int_eq(end.status, 5);
}
END_TEST

static void stop_oneself(void)
{
	(void)raise(SIGSTOP);
	_exit(3);
}

static char state_of(pid_t pid)
{
	char path[32], text[256];
	const char *paren;
	FILE *file;
	size_t n;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	file = fopen(path, "re");
	ck_assert_ptr_nonnull(file);
	n = fread(text, 1, sizeof(text) - 1, file);
	(void)fclose(file);
	text[n] = '\0';
	paren = strrchr(text, ')');
	ck_assert_ptr_nonnull(paren);
	return paren[2];
}

START_TEST(a_stop_lasts_until_it_is_continued)
{
	struct rf_fence_end end;
	pid_t pid = start(stop_oneself, true);
	int i;

	release();
	for (i = 0; i < 250; i++) {
		ck_assert_int_eq(rf_fence_reap(&end), -EAGAIN);
		(void)usleep(200);
	}
	ck_assert_int_eq(state_of(pid), 't');
	ck_assert_int_eq(kill(pid, SIGCONT), 0);
	reap(pid, &end);
	ck_assert(end.exited);
	ck_assert_int_eq(end.status, 3);
}
END_TEST

START_TEST(pumping_one_child_leaves_the_others_ends)
{
	const uint64_t limit = rf_clock_ns() + LIMIT_NS;
	struct rf_fence_end end;
	pid_t other = start(leave_with_7, false);
	pid_t pid;

	release();
	pid = start(kill_oneself, true);
	ck_assert(!traced_pump(pid));
	release();
	while (!traced_pump(pid)) {
#ifdef RF_SANITIZED
		/* A runtime may have made a thread, which stands still, too. */
		size_t at = 0;
		const struct traced *t;

		while ((t = traced_next(&at)))
			if (t->tid != pid)
				(void)traced_pump(t->tid);
#endif
		ck_assert(rf_clock_ns() < limit);
		(void)usleep(200);
	}
	ck_assert(traced_pump(pid)); /* no child any more: gone, too */
	reap(other, &end);
	ck_assert_int_eq(end.status, 7);
}
END_TEST

static const char *why_not(void)
{
	int status;
	pid_t pid = fork();
	long ret;

	if (pid == 0)
		for (;;)
			(void)pause();
	ret = ptrace(PTRACE_SEIZE, pid, NULL, NULL);
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, &status, __WALL);
	return ret ? "ptrace is refused here" : NULL;
}

int main(void)
{
	const TTest *const tests[] = {
		without_children_there_is_nothing_to_take,
		a_child_that_lives_is_not_waited_for,
		statuses_and_signals_are_told_apart,
		a_forbidden_call_is_named_if_traced,
		a_call_by_the_x32_table_keeps_its_bit,
		a_call_by_the_i386_table_is_told_as_that,
		a_signal_that_looks_like_a_filter_names_no_call,
		of_many_threads_the_one_that_called_is_named,
		a_fault_that_is_handled_by_nothing_ends_it_as_that_fault,
		signals_that_are_handled_are_delivered_each_time,
		a_stop_lasts_until_it_is_continued,
		pumping_one_child_leaves_the_others_ends,
	};
	const char *why = why_not();

	if (why)
		return unit_skip("reap", why);
	return unit_run("reap", tests, RF_ARRAY_LEN(tests));
}
