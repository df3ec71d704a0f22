/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * supervise.c - watch over the processes of a VM, and end them all
 *
 * One loop over a few descriptors: a signalfd (children, and people who want us
 * to end), the socket to the vCPU process, and the one that people ask for other
 * limits at (control.c). Ending goes in two steps: the
 * vCPU process is killed, so that the guest is still; devices see the end of
 * file, finish what they have in hand and leave. Who has not left by then is
 * killed. Should the launcher itself be killed, the kernel ends its children
 * (PTRACE_O_EXITKILL, PR_SET_PDEATHSIG; see src/fence), and the next launcher
 * removes the empty cgroups.
 *
 * When a device is lost and the guest runs on without it, the vCPU process has
 * to know when the guest's memory is safe from it (src/vmm/vdev.c). That it was
 * reaped is not enough: what a process did by itself is over then (one that the
 * disk holds in the kernel is not reaped before that is over), but not what an
 * io_uring does for it. Its reads into pinned pages go on without it: measured
 * with O_DIRECT on a slow disk, such a read landed 3.5 s after waitid(). So
 * each device has a lifeline: the end for reading of a pipe, in the table of
 * files of its io_uring, which the kernel closes behind the last request.
 * Without an io_uring the process itself had it, or nobody. We hold the other
 * end and write nothing; POLLERR says that there is no reader any more.
 *
 *   reaped, then POLLERR  =>  DEVICE_DEAD
 *
 * Side:    launcher. From vm_confine() on inside policy `launcher`.
 * Owns:    the phases of struct vm.
 * Callers: run.c; launch.c when a start fails.
 * Never:   waits for a child in any other way than poll, nor believes a message
 *          of the vCPU process more than its type and range.
 * Needs:   poll (nfds == 3 + SETTINGS_DISKS_MAX);
 *          read (VM_FD_SIGNALS);
 *          recvfrom, sendto (VM_FD_CONTROL; launch_proto.c);
 *          wait4, ptrace (rf_fence_reap);
 *          pidfd_send_signal (VM_FD_PIDFDS..+31, SIGKILL, info NULL, flags 0);
 *          unlinkat (VM_FD_CGROUP, VM_FD_CGROUP_PARENT; AT_REMOVEDIR);
 *          recvfrom, sendto (VM_FD_REQUESTS), unlinkat (VM_FD_REQUESTS_DIR);
 *          write (standard output, standard error, VM_FD_REPORT);
 *          close (VM_FD_CONTROL, VM_FD_SIGNALS, VM_FD_CGROUP,
 *          VM_FD_CGROUP_PARENT, VM_FD_LIFELINES..+21, VM_FD_PIDFDS..+31);
 *          clock_gettime (where the vdso cannot);
 *          ioctl (standard input, TCSETS; terminal.c);
 *          exit_group.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/launch_proto.h"
#include "launcher/say.h"
#include "launcher/syscalls.h"
#include "launcher/vm.h"

#define SECONDS 1000000000ull
#define START_NS (30 * SECONDS) /* until READY */
#define LEAVE_NS (2 * SECONDS)	/* for devices to finish, and to notice */
#define REAP_NS (10 * SECONDS)	/* for the kernel to end what we killed */
#define MESSAGES_PER_TURN 8
#define LAST_WORDS 8 /* times as many, of a vCPU process that died */

static void kill_process(const struct vm_process *proc)
{
	if (proc->alive)
		(void)syscall(SYS_pidfd_send_signal, proc->pidfd, SIGKILL, NULL,
			      0);
}

static void kill_all(struct vm *vm)
{
	uint32_t i;

	for (i = 0; i < vm->nr; i++)
		kill_process(&vm->procs[i]);
	vm->killed = true;
	vm->deadline_ns = rf_clock_ns() + REAP_NS;
}

/* First step of the end. Called again, or with no vCPU process to begin with,
 * it is the second. */
static void begin_stop(struct vm *vm)
{
	/* Nothing it says matters any more, and its end would wake us. */
	rf_fd_close(&vm->control);
	if (vm->phase == VM_STOPPING || !vm->procs[0].pid) {
		vm->phase = VM_STOPPING;
		kill_all(vm);
		return;
	}
	vm->phase = VM_STOPPING;
	vm->deadline_ns = rf_clock_ns() + LEAVE_NS;
	kill_process(&vm->procs[0]);
}

static bool is_anyone_alive(const struct vm *vm)
{
	uint32_t i;

	for (i = 0; i < vm->nr; i++) {
		if (vm->procs[i].alive)
			return true;
	}
	return false;
}

static struct vm_process *find_process(struct vm *vm, pid_t pid)
{
	uint32_t i;

	for (i = 0; i < vm->nr; i++) {
		if (vm->procs[i].alive && vm->procs[i].pid == pid)
			return &vm->procs[i];
	}
	return NULL;
}

/* "killed by its filter: syscall 41 (socket), thread blk" and the like. */
static void describe_end(const struct vm_process *proc,
			 const struct rf_fence_end *end, struct text *t)
{
	char call[64];
	const char *name;

	if (end->filter_killed && end->call_known) {
		syscalls_describe(end->call_nr, end->call_i386, call,
				  sizeof(call));
		text_add(t, "killed by its filter: %s", call);
		if (end->tid != end->pid) {
			text_add(t, ", thread %d ", end->tid);
			text_add_plain(t, end->thread);
		}
	} else if (end->filter_killed) {
		text_add(t, "killed by its filter; which call is not known%s",
			 proc->traced ? ""
				      : ", for this host did not let us trace");
	} else if (end->exited && end->status == RF_FENCE_EXIT_STATUS) {
		text_add(t,
			 "its fence could not be closed; see its line above");
	} else if (end->exited) {
		text_add(t, "ended with status %d%s", end->status,
			 end->status ? "; see its lines above"
				     : ", though nobody asked it to");
	} else {
		name = sigabbrev_np(end->status);
		text_add(t, "killed by signal %d (SIG%s)", end->status,
			 name ? name : "?");
	}
}

/* What is no death by mischance: leaving when the guest has ended, or when we
 * are ending everything. A filter that killed is always worth its line, and so
 * is a crash, for it may be the cause of an end that was noticed first. */
static bool is_expected(const struct vm *vm, const struct rf_fence_end *end)
{
	if (end->filter_killed)
		return false;
	if (vm->phase != VM_STOPPING)
		return vm->ended && end->exited && end->status == 0;
	if (vm->signal) /* of a terminal: it may have reached all of us */
		return true;
	return end->exited ? end->status == 0 : end->status == SIGKILL;
}

/* A device leaves with status 0 when the vCPU process closed its socket: most
 * likely that one is dying, and its end says why. Only if it lives on is this
 * a matter of the device. */
static bool is_following(const struct vm *vm, const struct vm_process *proc,
			 const struct rf_fence_end *end)
{
	return proc != &vm->procs[0] && end->exited && end->status == 0 &&
	       vm->procs[0].alive && vm->phase != VM_STOPPING;
}

/* A process is lost: the end of the VM, unless it is a device and the settings
 * say otherwise. */
static void fail(struct vm *vm, const struct vm_process *proc)
{
	if (proc != &vm->procs[0] && vm->phase == VM_RUNNING &&
	    vm->keep_on_device_death) {
		say("%s: the guest runs on without it", proc->name);
		return;
	}
	vm->failed = true;
	if (vm->phase != VM_STOPPING)
		begin_stop(vm);
}

static void take_signals(struct vm *vm)
{
	struct signalfd_siginfo info;

	while (read(vm->signals, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGCHLD)
			continue; /* the caller reaps in any case */
		if (!vm->signal)
			vm->signal = (int)info.ssi_signo;
		begin_stop(vm);
	}
}

/* A device that closed its socket mostly has died, and SIGCHLD says more. One
 * that lives on serves nobody: its end is made sure of, a little later. */
static void take_device_gone(struct vm *vm, struct vm_process *proc)
{
	if (!proc->alive)
		return;
	proc->gone = true;
	if (!vm->deadline_ns)
		vm->deadline_ns = rf_clock_ns() + LEAVE_NS;
}

/* Types and ranges are judged already; is it the time for it? */
static bool is_timely(const struct vm *vm, const struct launch_msg *msg)
{
	switch (msg->type) {
	case LAUNCH_PREPARED:
		return !vm->prepared;
	case LAUNCH_READY:
		return vm->prepared && !vm->ready;
	case LAUNCH_ENDED:
		return vm->phase != VM_STARTING && !vm->ended;
	case LAUNCH_DEVICE_GONE:
		return 1 + msg->value < vm->nr;
	default:
		return false;
	}
}

static void take_message(struct vm *vm, const struct launch_msg *msg)
{
	switch (msg->type) {
	case LAUNCH_PREPARED:
		vm->prepared = true;
		return;
	case LAUNCH_READY:
		vm->ready = true;
		vm->doorbell = msg->value;
		return;
	case LAUNCH_ENDED:
		vm->ended = true;
		vm->guest_status = msg->value;
		vm->end_ns = rf_clock_ns();
		/* It leaves by itself, as do the devices; should one not, it
		 * is made to. */
		vm->deadline_ns = vm->end_ns + LEAVE_NS;
		return;
	default:
		take_device_gone(vm, &vm->procs[1 + msg->value]);
	}
}

static void take_lie(struct vm *vm, const char *what)
{
	say("vmm (pid %d): %s on its socket; ending", vm->procs[0].pid, what);
	vm->failed = true;
	begin_stop(vm);
}

/* A few at a time: whoever floods us must not keep us from our signals. */
static void take_messages(struct vm *vm)
{
	struct launch_msg msg;
	int err = 0;
	int i;

	if (vm->control < 0 || vm->phase == VM_STOPPING)
		return;
	for (i = 0; i < MESSAGES_PER_TURN; i++) {
		err = launch_recv(vm->control, &msg);
		if (err)
			break;
		if (!is_timely(vm, &msg)) {
			take_lie(vm, "a message out of its order");
			return;
		}
		take_message(vm, &msg);
	}
	if (err == -EPIPE) {
		/* It is ending, and SIGCHLD will say how; or see is_mute(). */
		rf_fd_close(&vm->control);
		if (!vm->ended && vm->phase != VM_STOPPING)
			vm->deadline_ns = rf_clock_ns() + LEAVE_NS;
	} else if (err && err != -EAGAIN) {
		take_lie(vm, "no message of ours");
	}
}

static void take_end(struct vm *vm, const struct rf_fence_end *end)
{
	struct vm_process *proc = find_process(vm, end->pid);
	static struct text t;
	int i;

	if (!proc)
		return;
	/* What it said before it died counts: that the guest had ended, say. */
	for (i = 0; proc == &vm->procs[0] && i < LAST_WORDS; i++)
		take_messages(vm);
	proc->alive = false;
	rf_fd_close(&proc->pidfd);
	if (is_expected(vm, end)) {
		/* The devices follow the vCPU process by themselves. */
		if (proc == &vm->procs[0] && vm->phase != VM_STOPPING)
			begin_stop(vm);
		return;
	}
	if (is_following(vm, proc, end)) {
		proc->left = true;
		if (!vm->deadline_ns || vm->phase == VM_STARTING)
			vm->deadline_ns = rf_clock_ns() + LEAVE_NS;
		return;
	}
	t.len = 0;
	describe_end(proc, end, &t);
	say("%s (pid %d): %.*s", proc->name, proc->pid, (int)t.len, t.bytes);
	fail(vm, proc);
}

static void reap(struct vm *vm)
{
	struct rf_fence_end end;

	while (rf_fence_reap(&end) == 0)
		take_end(vm, &end);
}

/* Devices that left while the vCPU process did not, see is_following(), and
 * such as closed their sockets and did not leave. False: there are none. */
static bool take_strays(struct vm *vm)
{
	bool any = false;
	uint32_t i;

	for (i = 1; i < vm->nr; i++) {
		struct vm_process *proc = &vm->procs[i];

		if (proc->left) {
			say("%s (pid %d): ended by itself", proc->name,
			    proc->pid);
			fail(vm, proc);
		} else if (proc->gone && proc->alive) {
			say("%s (pid %d): serves nobody any more", proc->name,
			    proc->pid);
			kill_process(proc); /* and its end is taken as any */
		} else {
			continue;
		}
		proc->left = false;
		proc->gone = false;
		any = true;
	}
	return any;
}

/* Without its socket it cannot be told to go or say that the guest ended. */
static bool is_mute(const struct vm *vm)
{
	return vm->control < 0 && !vm->ended && vm->phase != VM_STOPPING;
}

static void take_deadline(struct vm *vm)
{
	if (vm->phase == VM_STOPPING || vm->ended) {
		begin_stop(vm);
		return;
	}
	vm->deadline_ns = 0;
	if (is_mute(vm))
		say("vmm (pid %d): closed its socket, but lives on; ending",
		    vm->procs[0].pid);
	else if (take_strays(vm) || vm->phase == VM_RUNNING)
		return;
	else
		say("vmm (pid %d): not ready after %llu seconds; ending",
		    vm->procs[0].pid, START_NS / SECONDS);
	vm->failed = true;
	begin_stop(vm);
}

/* A few at a time, as of messages. */
static void take_requests(struct vm *vm)
{
	struct rf_limits *pages[SETTINGS_DISKS_MAX];
	uint32_t i;

	for (i = 1; i < vm->nr; i++)
		pages[i - 1] = vm->procs[i].limits;
	for (i = 0; i < MESSAGES_PER_TURN; i++)
		if (!rf_control_serve(vm->requests.sock, pages, vm->nr - 1))
			return;
}

/* Its process is reaped, and now its lifeline says that its I/O is over. */
static void take_dead(struct vm *vm, uint32_t device)
{
	struct vm_process *proc = &vm->procs[1 + device];
	int err;

	rf_fd_close(&proc->lifeline);
	if (vm->control < 0 || vm->phase == VM_STOPPING)
		return;
	err = launch_send(vm->control, LAUNCH_DEVICE_DEAD, device);
	if (!err || err == -EPIPE)
		return;
	/* A guest would wait for ever. */
	say("vmm: cannot be told that %s is dead (%s)", proc->name,
	    strerrorname_np(-err));
	vm->failed = true;
	begin_stop(vm);
}

/* What a device that lives does with it is its own affair. */
static int lifeline_of(const struct vm *vm, uint32_t device)
{
	const struct vm_process *proc = &vm->procs[1 + device];

	return 1 + device < vm->nr && !proc->alive ? proc->lifeline : -1;
}

static int timeout_ms(const struct vm *vm)
{
	uint64_t now = rf_clock_ns();

	if (!vm->deadline_ns)
		return -1;
	if (now >= vm->deadline_ns)
		return 0;
	return (int)((vm->deadline_ns - now) / 1000000 + 1);
}

/* One turn of the loop. Signals before messages: that somebody asked us to end
 * must be known before the deaths that the same Ctrl-C caused are judged. */
static void turn(struct vm *vm)
{
	struct pollfd fds[3 + SETTINGS_DISKS_MAX] = {
		{ .fd = vm->signals, .events = POLLIN },
		{ .fd = vm->control, .events = POLLIN },
		{ .fd = vm->requests.sock, .events = POLLIN },
	};
	uint32_t i;
	int n;

	for (i = 0; i < SETTINGS_DISKS_MAX; i++)
		fds[3 + i].fd = lifeline_of(vm, i);
	n = poll(fds, RF_ARRAY_LEN(fds), timeout_ms(vm));
	if (n < 0)
		return; /* EINTR: the next turn looks again */
	if (fds[0].revents)
		take_signals(vm);
	/* Before the deaths: a guest that ended is no death. */
	take_messages(vm);
	reap(vm);
	for (i = 0; i < SETTINGS_DISKS_MAX; i++)
		if (fds[3 + i].revents)
			take_dead(vm, i);
	if (fds[2].revents)
		take_requests(vm);
	/* Once all are killed there is nothing left to do about it: then
	 * wait_for_all() gives up. */
	if (!vm->killed && vm->deadline_ns && rf_clock_ns() >= vm->deadline_ns)
		take_deadline(vm);
}

/* Until nobody is alive, or until what was killed will not die. */
static void wait_for_all(struct vm *vm)
{
	while (is_anyone_alive(vm)) {
		if (vm->killed && rf_clock_ns() >= vm->deadline_ns) {
			if (vm->stuck)
				return; /* said already */
			vm->stuck = true;
			say("a killed process is still there; it waits in the "
			    "kernel, and ends with that");
			return;
		}
		turn(vm);
	}
}

static bool await(struct vm *vm, const bool *what)
{
	vm->deadline_ns = rf_clock_ns() + START_NS;
	while (!*what && vm->phase == VM_STARTING)
		turn(vm);
	if (vm->phase == VM_STARTING) {
		vm->deadline_ns = 0;
		return true;
	}
	vm_stop(vm);
	return false;
}

bool vm_await_prepared(struct vm *vm)
{
	return await(vm, &vm->prepared);
}

bool vm_await(struct vm *vm)
{
	return await(vm, &vm->ready);
}

void vm_run(struct vm *vm)
{
	int err;

	vm->phase = VM_RUNNING;
	vm->go_ns = rf_clock_ns();
	err = launch_send(vm->control, LAUNCH_GO, 0);
	if (err && err != -EPIPE) {
		say("vmm: cannot be told to go (%s)", strerrorname_np(-err));
		vm->failed = true;
		begin_stop(vm);
	}
	wait_for_all(vm);
	if (!vm->end_ns)
		vm->end_ns = rf_clock_ns();
	vm_stop(vm);
}

void vm_stop(struct vm *vm)
{
	uint32_t i;

	if (is_anyone_alive(vm)) {
		if (vm->phase != VM_STOPPING)
			begin_stop(vm);
		wait_for_all(vm);
	}
	if (!cgroup_remove(&vm->cgroup))
		say("%s/%s: a process lives in this cgroup; it stays",
		    vm->cgroup.path, vm->cgroup.name);
	cgroup_close(&vm->cgroup);
	rf_socket_close(&vm->requests);
	for (i = 0; i < vm->nr; i++)
		rf_fd_close(&vm->procs[i].lifeline);
	rf_fd_close(&vm->control);
	rf_fd_close(&vm->signals);
}

int vm_status(const struct vm *vm)
{
	if (vm->signal)
		return 128 + vm->signal;
	if (vm->failed || !vm->ended)
		return SAY_FAILED;
	return (int)vm->guest_status;
}
