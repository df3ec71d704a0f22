/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * test_supervise.c - twin of src/launcher/supervise.c: every end is told for
 * what it was, and no vCPU process keeps its launcher from its work
 *
 * Processes, deaths and time are played: a kill makes the end that the kernel
 * would report, and where the launcher would sleep, the test's own `idle` acts
 * or the clock is put forward. Sockets and messages are real.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/launch_proto.h"
#include "launcher/control.h"
#include "launcher/vm.h"
#include "unit/unit.h"

#define SECOND UINT64_C(1000000000)
#define DEVICES 2u
#define PROCS (1 + DEVICES)
#define PID(i) (100 + (pid_t)(i))
#define PIDFD(i) (500 + (int)(i)) /* not open: only the played kernel knows */
#define ENDS_MAX 16u

static struct vm vm;
static int vmm_end; /* the vCPU process's end of the socket */
static int people;  /* where signals come from */
static int said_fd;
static char said[4096];

static struct {
	uint64_t now;
	struct rf_fence_end ends[ENDS_MAX];
	unsigned nr_ends, taken;
	bool killed[PROCS];
	bool immortal;
	/* Devices leave when the vCPU process is gone. */
	bool devices_follow;
	unsigned receives, most_receives; /* in one turn */
	unsigned turns;
} play;

/* What happens when nothing does; false: nothing more will. */
static bool (*idle)(unsigned nth);
static unsigned nr_idle;

int __wrap_rf_fence_reap(struct rf_fence_end *end);
uint64_t __wrap_rf_clock_ns(void);
int __wrap_poll(struct pollfd *fds, nfds_t nr, int timeout);
int __real_poll(struct pollfd *fds, nfds_t nr, int timeout);
long __wrap_syscall(long nr, ...);
int __wrap_launch_recv(int fd, struct launch_msg *out);
int __real_launch_recv(int fd, struct launch_msg *out);

static void die(uint32_t i, bool exited, int status)
{
	ck_assert_uint_lt(play.nr_ends, ENDS_MAX);
	play.ends[play.nr_ends++] = (struct rf_fence_end){
		.pid = PID(i),
		.exited = exited,
		.status = status,
	};
}

static void leave_all(void)
{
	uint32_t i;

	for (i = 1; i < PROCS; i++)
		if (vm.procs[i].alive)
			die(i, true, 0);
}

int __wrap_rf_fence_reap(struct rf_fence_end *end)
{
	if (play.taken == play.nr_ends)
		return -EAGAIN;
	*end = play.ends[play.taken++];
	if (end->pid == PID(0) && play.devices_follow)
		leave_all();
	return 0;
}

uint64_t __wrap_rf_clock_ns(void)
{
	return play.now;
}

/* Of syscall(2) the room uses one. */
long __wrap_syscall(long nr, ...)
{
	va_list ap;
	int fd, sig;

	va_start(ap, nr);
	fd = va_arg(ap, int);
	sig = va_arg(ap, int);
	va_end(ap);
	ck_assert_int_eq(nr, SYS_pidfd_send_signal);
	ck_assert_int_eq(sig, SIGKILL);
	ck_assert_int_ge(fd, PIDFD(0));
	ck_assert_int_lt(fd, PIDFD(PROCS));
	if (!play.killed[fd - PIDFD(0)] && !play.immortal)
		die((uint32_t)(fd - PIDFD(0)), false, SIGKILL);
	play.killed[fd - PIDFD(0)] = true;
	return 0;
}

int __wrap_launch_recv(int fd, struct launch_msg *out)
{
	if (++play.receives > play.most_receives)
		play.most_receives = play.receives;
	return __real_launch_recv(fd, out);
}

int __wrap_poll(struct pollfd *fds, nfds_t nr, int timeout)
{
	int n = __real_poll(fds, nr, 0);

	ck_assert_msg(++play.turns < 10000, "it turns for ever");
	play.receives = 0;
	if (n || play.taken < play.nr_ends)
		return n;
	if (idle && idle(nr_idle++))
		return 0;
	ck_assert_msg(timeout >= 0, "it waits for ever");
	play.now += (uint64_t)timeout * 1000000;
	return 0;
}

static void setup(enum vm_phase phase)
{
	int fds[2];
	uint32_t i;

	memset(&vm, 0, sizeof(vm));
	memset(&play, 0, sizeof(play));
	play.now = SECOND;
	play.devices_follow = true;
	idle = NULL;
	nr_idle = 0;
	vm.nr = PROCS;
	for (i = 0; i < PROCS; i++) {
		vm.procs[i].pid = PID(i);
		vm.procs[i].pidfd = PIDFD(i);
		vm.procs[i].lifeline = -1;
		vm.procs[i].alive = true;
		vm.procs[i].traced = true;
		(void)snprintf(vm.procs[i].name, sizeof(vm.procs[i].name),
			       i ? "blk[%u]" : "vmm", i - 1);
	}
	ck_assert_int_eq(
		socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, fds), 0);
	vm.control = fds[0];
	vmm_end = fds[1];
	ck_assert_int_eq(pipe2(fds, O_NONBLOCK), 0);
	vm.signals = fds[0];
	people = fds[1];
	vm.report = -1;
	vm.cgroup.parent = -1;
	vm.cgroup.dir = -1;
	vm.requests.sock = -1;
	vm.requests.dir = -1;
	vm.phase = phase;
	vm.prepared = phase != VM_STARTING;
	vm.ready = phase != VM_STARTING;
	said_fd = memfd_create("said", MFD_CLOEXEC);
	ck_assert_int_eq(dup2(said_fd, STDERR_FILENO), STDERR_FILENO);
}

static const char *what_was_said(void)
{
	ssize_t n = pread(said_fd, said, sizeof(said) - 1, 0);

	ck_assert_int_ge(n, 0);
	said[n] = '\0';
	return said;
}

static void is_said(const char *what)
{
	ck_assert_msg(strstr(what_was_said(), what) != NULL,
		      "not \"%s\" in: %s", what, said);
}

static void nothing_is_said(void)
{
	ck_assert_str_eq(what_was_said(), "");
}

static void all_are_gone(void)
{
	uint32_t i;

	for (i = 0; i < PROCS; i++) {
		ck_assert(!vm.procs[i].alive);
		ck_assert_int_eq(vm.procs[i].pidfd, -1);
	}
	ck_assert_int_eq(vm.control, -1);
	ck_assert_int_eq(vm.signals, -1);
}

static void tell(enum launch_type type, uint32_t value)
{
	ck_assert_int_eq(launch_send(vmm_end, type, value), 0);
}

static void send_signal(int nr)
{
	const struct signalfd_siginfo info = { .ssi_signo = (uint32_t)nr };

	ck_assert_int_eq(write(people, &info, sizeof(info)), sizeof(info));
}

static bool end_guest(unsigned nth)
{
	if (nth == 0)
		tell(LAUNCH_ENDED, 5);
	else if (nth == 1)
		die(0, true, 0);
	return nth < 2;
}

START_TEST(a_guest_that_ends_is_no_death)
{
	struct launch_msg msg;

	setup(VM_STARTING);
	tell(LAUNCH_PREPARED, 0);
	ck_assert(vm_await_prepared(&vm));
	ck_assert(!vm.ready);
	tell(LAUNCH_READY, RF_DOORBELL_EXIT);
	ck_assert(vm_await(&vm));
	ck_assert_uint_eq(vm.doorbell, RF_DOORBELL_EXIT);
	idle = end_guest;
	vm_run(&vm);
	ck_assert_int_eq(__real_launch_recv(vmm_end, &msg), 0);
	ck_assert_uint_eq(msg.type, LAUNCH_GO);
	ck_assert_int_eq(vm_status(&vm), 5);
	nothing_is_said();
	all_are_gone();
}
END_TEST

static const struct {
	uint32_t proc;
	struct rf_fence_end end;
	bool untraced;
	const char *line;
} deaths[] = {
	{ 1,
	  { .status = SIGSYS,
	    .filter_killed = true,
	    .call_known = true,
	    .call_nr = SYS_socket,
	    .tid = 101 },
	  false,
	  "blk[0] (pid 101): killed by its filter: syscall 41 (socket)\n" },
	/* Its name is its own word. */
	{ 0,
	  { .status = SIGSYS,
	    .filter_killed = true,
	    .call_known = true,
	    .call_nr = SYS_open,
	    .tid = 105,
	    .thread = "a\x1b[2J\n\xff" },
	  false,
	  "vmm (pid 100): killed by its filter: syscall 2 (open), thread 105 "
	  "a?[2J??\n" },
	{ 0,
	  { .status = SIGSYS,
	    .filter_killed = true,
	    .call_known = true,
	    .call_nr = 359,
	    .call_i386 = true,
	    .tid = 100 },
	  false,
	  "killed by its filter: i386 syscall 359\n" },
	{ 0,
	  { .status = SIGSYS,
	    .filter_killed = true,
	    .call_known = true,
	    .call_nr = 0x40000000 | SYS_socket,
	    .tid = 100 },
	  false,
	  "killed by its filter: syscall 41 (x32: socket)\n" },
	{ 2,
	  { .status = SIGSYS, .filter_killed = true },
	  true,
	  "blk[1] (pid 102): killed by its filter; which call is not known, "
	  "for this host did not let us trace\n" },
	{ 2,
	  { .status = SIGSYS, .filter_killed = true },
	  false,
	  "which call is not known\n" },
	{ 1,
	  { .exited = true, .status = RF_FENCE_EXIT_STATUS },
	  false,
	  "its fence could not be closed; see its line above\n" },
	{ 1,
	  { .exited = true, .status = 3 },
	  false,
	  "ended with status 3; see its lines above\n" },
	{ 0,
	  { .exited = true, .status = 0 },
	  false,
	  "ended with status 0, though nobody asked it to\n" },
	{ 0, { .status = SIGSEGV }, false, "killed by signal 11 (SIGSEGV)\n" },
	{ 0, { .status = 40 }, false, "killed by signal 40 (SIG?)\n" },
	{ 1, { .status = SIGKILL }, false, "killed by signal 9 (SIGKILL)\n" },
};

START_TEST(every_death_is_told_for_what_it_was)
{
	size_t i;

	for (i = 0; i < RF_ARRAY_LEN(deaths); i++) {
		setup(VM_RUNNING);
		vm.procs[deaths[i].proc].traced = !deaths[i].untraced;
		play.ends[0] = deaths[i].end;
		play.ends[0].pid = PID(deaths[i].proc);
		play.nr_ends = 1;
		vm_run(&vm);
		is_said(deaths[i].line);
		/* One line: the others were asked to go. */
		ck_assert_ptr_eq(strchr(said, '\n'), strrchr(said, '\n'));
		ck_assert_int_eq(vm_status(&vm), SAY_FAILED);
		all_are_gone();
	}
}
END_TEST

START_TEST(a_child_that_is_none_of_ours_is_passed_over)
{
	setup(VM_RUNNING);
	die(77, false, SIGSEGV);
	idle = end_guest;
	vm_run(&vm);
	nothing_is_said();
	ck_assert_int_eq(vm_status(&vm), 5);
}
END_TEST

START_TEST(a_guest_may_outlive_its_device_if_told_so)
{
	setup(VM_RUNNING);
	vm.keep_on_device_death = true;
	die(1, false, SIGSEGV);
	idle = end_guest;
	vm_run(&vm);
	is_said("blk[0] (pid 101): killed by signal 11");
	is_said("blk[0]: the guest runs on without it");
	ck_assert_int_eq(vm_status(&vm), 5);
	/* Not its vCPU process, though. */
	setup(VM_RUNNING);
	vm.keep_on_device_death = true;
	die(0, false, SIGSEGV);
	vm_run(&vm);
	is_said("vmm (pid 100): killed by signal 11");
	ck_assert_ptr_null(strstr(said, "runs on"));
	ck_assert_int_eq(vm_status(&vm), SAY_FAILED);
	all_are_gone();
}
END_TEST

static const struct {
	enum vm_phase phase;
	struct launch_msg msgs[2];
	const char *line;
} lies[] = {
	{ VM_STARTING, { { LAUNCH_ENDED, 0 } }, "out of its order" },
	{ VM_STARTING, { { LAUNCH_READY, 0 } }, "out of its order" },
	{ VM_STARTING,
	  { { LAUNCH_PREPARED, 0 }, { LAUNCH_PREPARED, 0 } },
	  "out of its order" },
	{ VM_RUNNING, { { LAUNCH_PREPARED, 0 } }, "out of its order" },
	{ VM_STARTING, { { LAUNCH_PREPARED, 1 } }, "no message of ours" },
	{ VM_STARTING, { { LAUNCH_GO, 0 } }, "out of its order" },
	{ VM_RUNNING, { { LAUNCH_DEVICE_DEAD, 0 } }, "out of its order" },
	{ VM_STARTING, { { LAUNCH_DEVICE_GONE, 2 } }, "out of its order" },
	{ VM_STARTING, { { LAUNCH_DEVICE_GONE, 15 } }, "out of its order" },
	{ VM_RUNNING, { { LAUNCH_READY, 0 } }, "out of its order" },
	{ VM_RUNNING,
	  { { LAUNCH_ENDED, 0 }, { LAUNCH_ENDED, 0 } },
	  "out of its order" },
	{ VM_RUNNING, { { LAUNCH_ENDED, 256 } }, "no message of ours" },
	{ VM_RUNNING, { { LAUNCH_DEVICE_GONE, 16 } }, "no message of ours" },
	{ VM_RUNNING,
	  { { LAUNCH_DEVICE_GONE, UINT32_MAX } },
	  "no message of ours" },
	{ VM_STARTING,
	  { { LAUNCH_READY, RF_DOORBELL_NR_KINDS } },
	  "no message of ours" },
	{ VM_RUNNING, { { 0, 0 } }, "no message of ours" },
};

static void start_or_run(void)
{
	if (vm.phase == VM_STARTING)
		ck_assert(!vm_await(&vm));
	else
		vm_run(&vm);
}

START_TEST(messages_that_are_none_or_come_too_early_end_it)
{
	size_t i, j;

	for (i = 0; i < RF_ARRAY_LEN(lies); i++) {
		setup(lies[i].phase);
		for (j = 0; j < 2 && (j == 0 || lies[i].msgs[j].type); j++)
			ck_assert_int_eq(send(vmm_end, &lies[i].msgs[j],
					      sizeof(struct launch_msg), 0),
					 sizeof(struct launch_msg));
		start_or_run();
		is_said("vmm (pid 100): ");
		is_said(lies[i].line);
		ck_assert(play.killed[0]);
		ck_assert_int_eq(vm_status(&vm), SAY_FAILED);
		all_are_gone();
	}
}
END_TEST

START_TEST(messages_of_another_length_end_it)
{
	const uint32_t words[3] = { LAUNCH_ENDED, 0, 0 };
	size_t len;

	for (len = 1; len <= sizeof(words); len++) {
		if (len == sizeof(struct launch_msg))
			continue;
		setup(VM_RUNNING);
		ck_assert_int_eq(send(vmm_end, words, len, 0), (ssize_t)len);
		vm_run(&vm);
		is_said("no message of ours");
		ck_assert_int_eq(vm_status(&vm), SAY_FAILED);
	}
}
END_TEST

static bool flood(unsigned nth)
{
	unsigned i;

	if (nth)
		return false;
	for (i = 0; i < 50; i++)
		tell(LAUNCH_DEVICE_GONE, 0);
	send_signal(SIGTERM);
	return true;
}

START_TEST(a_flood_of_messages_does_not_hide_a_signal)
{
	setup(VM_RUNNING);
	idle = flood;
	vm_run(&vm);
	ck_assert_int_eq(vm_status(&vm), 128 + SIGTERM);
	ck_assert_uint_le(play.most_receives, 8);
	nothing_is_said();
	all_are_gone();
}
END_TEST

START_TEST(no_turn_takes_more_than_a_few_messages)
{
	unsigned i;

	setup(VM_RUNNING);
	for (i = 0; i < 50; i++)
		tell(LAUNCH_DEVICE_GONE, 0);
	tell(LAUNCH_ENDED, 3);
	vm_run(&vm);
	ck_assert_uint_eq(play.most_receives, 8);
	ck_assert_int_eq(vm_status(&vm), 3);
}
END_TEST

/* It said that the guest had ended, behind much else, and left at once. */
START_TEST(last_words_count)
{
	unsigned i;

	setup(VM_RUNNING);
	for (i = 0; i < 20; i++)
		tell(LAUNCH_DEVICE_GONE, 1);
	tell(LAUNCH_ENDED, 9);
	(void)close(vmm_end);
	die(0, true, 0);
	vm_run(&vm);
	nothing_is_said();
	ck_assert_int_eq(vm_status(&vm), 9);
	all_are_gone();
}
END_TEST

START_TEST(a_signal_ends_the_guest_first_and_leaves_devices_time)
{
	setup(VM_RUNNING);
	send_signal(SIGINT);
	vm_run(&vm);
	ck_assert(play.killed[0]);
	ck_assert(!play.killed[1] && !play.killed[2]);
	ck_assert_int_eq(vm_status(&vm), 128 + SIGINT);
	nothing_is_said();
	all_are_gone();
}
END_TEST

START_TEST(devices_that_do_not_leave_are_killed_in_the_end)
{
	setup(VM_RUNNING);
	play.devices_follow = false;
	send_signal(SIGTERM);
	vm_run(&vm);
	ck_assert(play.killed[0] && play.killed[1] && play.killed[2]);
	ck_assert_uint_ge(play.now, 3 * SECOND);
	ck_assert_uint_lt(play.now, 4 * SECOND);
	nothing_is_said();
	all_are_gone();
}
END_TEST

START_TEST(a_second_signal_kills_all_at_once)
{
	setup(VM_RUNNING);
	play.devices_follow = false;
	send_signal(SIGTERM);
	send_signal(SIGINT);
	vm_run(&vm);
	ck_assert(play.killed[1] && play.killed[2]);
	ck_assert_uint_eq(play.now, SECOND);
	/* The first is the one that counts. */
	ck_assert_int_eq(vm_status(&vm), 128 + SIGTERM);
}
END_TEST

START_TEST(one_that_never_gets_ready_is_given_up)
{
	setup(VM_STARTING);
	ck_assert(!vm_await(&vm));
	is_said("vmm (pid 100): not ready after 30 seconds; ending\n");
	ck_assert_int_eq(vm_status(&vm), SAY_FAILED);
	ck_assert_uint_ge(play.now, 31 * SECOND);
	all_are_gone();
}
END_TEST

START_TEST(one_that_will_not_die_is_not_waited_for_for_ever)
{
	setup(VM_RUNNING);
	play.immortal = true;
	send_signal(SIGTERM);
	vm_run(&vm);
	is_said("a killed process is still there");
	ck_assert_ptr_eq(strchr(said, '\n'), strrchr(said, '\n'));
	ck_assert_uint_ge(play.now, 12 * SECOND);
	ck_assert_int_eq(vm_status(&vm), 128 + SIGTERM);
}
END_TEST

START_TEST(one_that_closes_its_socket_and_lives_is_ended)
{
	setup(VM_RUNNING);
	(void)close(vmm_end);
	vm_run(&vm);
	is_said("vmm (pid 100): closed its socket, but lives on; ending\n");
	ck_assert_int_eq(vm_status(&vm), SAY_FAILED);
	ck_assert(play.killed[0]);
	all_are_gone();
}
END_TEST

START_TEST(a_device_that_serves_nobody_is_ended)
{
	setup(VM_RUNNING);
	tell(LAUNCH_DEVICE_GONE, 1);
	vm_run(&vm);
	is_said("blk[1] (pid 102): serves nobody any more\n");
	ck_assert(play.killed[2]);
	ck_assert_int_eq(vm_status(&vm), SAY_FAILED);
	all_are_gone();
}
END_TEST

START_TEST(a_device_that_leaves_alone_is_told_a_little_later)
{
	setup(VM_RUNNING);
	die(1, true, 0);
	vm_run(&vm);
	is_said("blk[0] (pid 101): ended by itself\n");
	ck_assert_uint_ge(play.now, 3 * SECOND);
	ck_assert_int_eq(vm_status(&vm), SAY_FAILED);
	/* Not if it followed a vCPU process: then that one's end says why. */
	setup(VM_RUNNING);
	die(1, true, 0);
	die(0, false, SIGSEGV);
	vm_run(&vm);
	is_said("vmm (pid 100): killed by signal 11 (SIGSEGV)\n");
	ck_assert_ptr_null(strstr(said, "by itself"));
	all_are_gone();
}
END_TEST

static int lifelines[DEVICES]; /* the devices' ends */

static void setup_lifelines(void)
{
	uint32_t i;
	int fds[2];

	setup(VM_RUNNING);
	vm.keep_on_device_death = true;
	for (i = 0; i < DEVICES; i++) {
		ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
		lifelines[i] = fds[0];
		vm.procs[1 + i].lifeline = fds[1];
	}
}

/* What the vCPU process hears: GO, then these deaths, then no more. */
static void hears(uint32_t dead)
{
	struct launch_msg msg;
	uint32_t heard = 0;

	ck_assert_int_eq(__real_launch_recv(vmm_end, &msg), 0);
	ck_assert_uint_eq(msg.type, LAUNCH_GO);
	while (__real_launch_recv(vmm_end, &msg) == 0) {
		ck_assert_uint_eq(msg.type, LAUNCH_DEVICE_DEAD);
		ck_assert_uint_eq(heard & 1u << msg.value, 0);
		heard |= 1u << msg.value;
	}
	ck_assert_uint_eq(heard, dead);
}

static bool let_last_io_end(unsigned nth)
{
	struct launch_msg msg;

	switch (nth) {
	case 0:
		die(2, false, SIGSEGV);
		return true;
	case 1: /* reaped; not over */
		ck_assert(!vm.procs[2].alive);
		ck_assert_int_eq(__real_launch_recv(vmm_end, &msg), 0);
		ck_assert_uint_eq(msg.type, LAUNCH_GO);
		ck_assert_int_eq(__real_launch_recv(vmm_end, &msg), -EAGAIN);
		rf_fd_close(&lifelines[1]);
		return true;
	case 2:
		ck_assert_int_eq(__real_launch_recv(vmm_end, &msg), 0);
		ck_assert_uint_eq(msg.type, LAUNCH_DEVICE_DEAD);
		ck_assert_uint_eq(msg.value, 1);
		/* Alive: what it does with its lifeline is of no account. */
		rf_fd_close(&lifelines[0]);
		tell(LAUNCH_ENDED, 5);
		return true;
	case 3:
		die(0, true, 0);
		return true;
	default:
		return false;
	}
}

START_TEST(a_device_is_dead_when_its_last_io_is_over)
{
	struct launch_msg msg;

	setup_lifelines();
	idle = let_last_io_end;
	vm_run(&vm);
	ck_assert_int_eq(__real_launch_recv(vmm_end, &msg), -EPIPE);
	ck_assert_int_eq(vm_status(&vm), 5);
	ck_assert_int_eq(vm.procs[1].lifeline, -1);
	ck_assert_int_eq(vm.procs[2].lifeline, -1);
	all_are_gone();
}
END_TEST

static bool hang(unsigned nth)
{
	switch (nth) {
	case 0:
		/* It has none open, as one without an io_uring. */
		rf_fd_close(&lifelines[0]);
		tell(LAUNCH_DEVICE_GONE, 0);
		return true;
	case 1: /* its time is not up */
		ck_assert(!play.killed[1]);
		return false;
	case 2: /* killed, reaped, told */
		ck_assert(play.killed[1]);
		tell(LAUNCH_ENDED, 5);
		return true;
	case 3:
		die(0, true, 0);
		return true;
	default:
		return false;
	}
}

START_TEST(a_device_that_hangs_is_killed_and_its_death_told)
{
	setup_lifelines();
	idle = hang;
	vm_run(&vm);
	is_said("blk[0] (pid 101): serves nobody any more\n");
	is_said("blk[0]: the guest runs on without it\n");
	ck_assert_uint_ge(play.now, 3 * SECOND);
	hears(1);
	ck_assert_int_eq(vm_status(&vm), 5);
	all_are_gone();
}
END_TEST

/* Whose VM ends with it, hears nothing: Status is never 0 there. */
START_TEST(no_death_is_told_where_all_ends)
{
	setup_lifelines();
	vm.keep_on_device_death = false;
	rf_fd_close(&lifelines[0]);
	tell(LAUNCH_DEVICE_GONE, 0);
	vm_run(&vm);
	ck_assert(play.killed[0] && play.killed[1]);
	hears(0);
	ck_assert_int_eq(vm_status(&vm), SAY_FAILED);
	all_are_gone();
}
END_TEST

static bool fill_socket(unsigned nth)
{
	if (nth)
		return false;
	while (launch_send(vm.control, LAUNCH_GO, 0) == 0)
		;
	rf_fd_close(&lifelines[0]);
	die(1, false, SIGSEGV);
	return true;
}

START_TEST(who_does_not_hear_of_a_death_is_ended)
{
	setup_lifelines();
	idle = fill_socket;
	vm_run(&vm);
	is_said("vmm: cannot be told that blk[0] is dead (EAGAIN)\n");
	ck_assert_int_eq(vm_status(&vm), SAY_FAILED);
	all_are_gone();
}
END_TEST

/* A page of limits, changed by a request while the guest runs; a flood of them
 * does not keep the loop from its signals. */
START_TEST(requests_are_served_between_other_things)
{
	static struct rf_limits page;
	struct rf_control_msg msg = { .magic = RF_CONTROL_MAGIC,
				      .op = RF_CONTROL_SET_LIMITS,
				      .fields = RF_LIMIT_OPS,
				      .limits = { 42, 0, 0, 0 } };
	int fds[2];
	int i;

	setup(VM_RUNNING);
	vm.procs[1].limits = &page;
	ck_assert_int_eq(
		socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, fds), 0);
	vm.requests.sock = fds[0];
	for (i = 0; i < 10; i++)
		ck_assert_int_gt(send(fds[1], &msg, sizeof(msg), 0), 0);
	idle = end_guest;
	vm_run(&vm);
	ck_assert_uint_eq(page.ops_per_s, 42);
	ck_assert_int_eq(vm.requests.sock, -1);
	close(fds[1]);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		a_guest_that_ends_is_no_death,
		every_death_is_told_for_what_it_was,
		a_child_that_is_none_of_ours_is_passed_over,
		a_guest_may_outlive_its_device_if_told_so,
		messages_that_are_none_or_come_too_early_end_it,
		messages_of_another_length_end_it,
		a_flood_of_messages_does_not_hide_a_signal,
		no_turn_takes_more_than_a_few_messages,
		last_words_count,
		a_signal_ends_the_guest_first_and_leaves_devices_time,
		devices_that_do_not_leave_are_killed_in_the_end,
		a_second_signal_kills_all_at_once,
		one_that_never_gets_ready_is_given_up,
		one_that_will_not_die_is_not_waited_for_for_ever,
		one_that_closes_its_socket_and_lives_is_ended,
		a_device_that_serves_nobody_is_ended,
		a_device_that_leaves_alone_is_told_a_little_later,
		a_device_is_dead_when_its_last_io_is_over,
		a_device_that_hangs_is_killed_and_its_death_told,
		no_death_is_told_where_all_ends,
		who_does_not_hear_of_a_death_is_ended,
		requests_are_served_between_other_things,
	};

	return unit_run("supervise", tests, RF_ARRAY_LEN(tests));
}
