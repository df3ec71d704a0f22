/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * fence_act.h - the acts that are tried inside of a fence
 *
 * Side:    test, both sides of the fence.
 * Owns:    the table of acts.
 * Callers: fence_act.c, test_fence_*.c, test_policy_coverage.c.
 * Never:   holds an act that could do harm if a filter let it through.
 */
#ifndef TESTS_FENCE_ACT_H
#define TESTS_FENCE_ACT_H

#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <linux/futex.h>
#include <linux/io_uring.h>
#include <linux/kvm.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>

#include <ringfence/fence.h>
#include <ringfence/kvm_coalesced2.h>

enum {
	ACT_LIVED = 42,	 /* exit status: done, and not killed for it */
	ACT_BROKEN = 43, /* the test itself does not work */
};

/* Stands for the address of "/proc/self/status". */
#define ACT_PATH UINT64_C(0xfeedfacecafe)
#define ACT_X32 0x40000000
/* Ours: made by int 0x80, with a number of i386. */
#define ACT_I386 0x20000000
#define ACT_NEW_NAMESPACES 0x7e020000 /* RF_FENCE_NAMESPACES */

/* Policies that let the act pass; all others kill for it. */
enum {
	IN_BLK = 1,
	IN_SEALED = 2,
	IN_VMM = 4,
	IN_VCPU = 8,
	IN_LAUNCHER = 16,
	IN_URING = 32,
	IN_DEVICE = IN_BLK | IN_SEALED | IN_URING,
};

struct act {
	const char *name;
	uint64_t args[6];
	int nr;
	unsigned allowed; /* IN_* */
};

#define NEVER(act_name, act_nr, ...)                                        \
	{                                                                   \
		.name = (act_name), .nr = (act_nr), .args = { __VA_ARGS__ } \
	}
#define PASSES(act_name, in, act_nr, ...)                                    \
	{                                                                    \
		.name = (act_name), .nr = (act_nr), .args = { __VA_ARGS__ }, \
		.allowed = (in)                                              \
	}

/* clang-format off */
static const struct act acts[] = {
	/* Reaching for what is outside. */
	NEVER("open", SYS_open, ACT_PATH, O_RDONLY),
	NEVER("openat", SYS_openat, AT_FDCWD, ACT_PATH, O_RDONLY),
	NEVER("read-proc", SYS_readlink, ACT_PATH, 0, 0),
	NEVER("socket", SYS_socket, AF_UNIX, SOCK_STREAM, 0),
	NEVER("socket-inet", SYS_socket, AF_INET, SOCK_STREAM, 0),
	NEVER("socketpair", SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, 0),
	NEVER("connect", SYS_connect, RF_FD_CONTROL, 0, 0),
	NEVER("ptrace", SYS_ptrace, PTRACE_TRACEME, 0, 0, 0),
	NEVER("ptrace-seize", SYS_ptrace, PTRACE_SEIZE, 1, 0, 0),
	NEVER("kill-stranger", SYS_kill, 1, 0),
	NEVER("tgkill", SYS_tgkill, 1, 1, 0),
	NEVER("pidfd-open", SYS_pidfd_open, 1, 0),
	NEVER("process-vm-readv", SYS_process_vm_readv, 1, 0, 0, 0, 0, 0),
	NEVER("mount", SYS_mount, ACT_PATH, ACT_PATH, 0, 0, 0),
	NEVER("chroot", SYS_chroot, ACT_PATH),
	/* Making things. */
	NEVER("fork", SYS_fork, 0),
	NEVER("clone-namespaces", SYS_clone, ACT_NEW_NAMESPACES, 0, 0, 0, 0),
	NEVER("clone-thread", SYS_clone, 0, 0, 0, 0, 0),
	NEVER("clone3", SYS_clone3, 0, 0),
	NEVER("unshare", SYS_unshare, 0),
	NEVER("setns", SYS_setns, RF_FD_CONTROL, 0),
	NEVER("exec", SYS_execve, ACT_PATH, 0, 0),
	NEVER("execveat", SYS_execveat, RF_FD_CONTROL, ACT_PATH, 0, 0, 0),
	NEVER("io-uring-setup", SYS_io_uring_setup, 1, 0),
	NEVER("bpf", SYS_bpf, 0, 0, 0),
	NEVER("userfaultfd", SYS_userfaultfd, 0),
	NEVER("memfd", SYS_memfd_create, ACT_PATH, 0),
	NEVER("eventfd", SYS_eventfd2, 0, 0),
	NEVER("setuid", SYS_setuid, 0),
	NEVER("capset", SYS_capset, 0, 0),
	NEVER("prctl", SYS_prctl, PR_SET_DUMPABLE, 1, 0, 0, 0),
	/* Memory that could be run. */
	NEVER("mmap-exec", SYS_mmap, 0, 4096, PROT_READ | PROT_EXEC,
		MAP_PRIVATE | MAP_ANONYMOUS, UINT64_MAX, 0),
	NEVER("mmap-write-exec", SYS_mmap, 0, 4096,
		PROT_READ | PROT_WRITE | PROT_EXEC,
		MAP_PRIVATE | MAP_ANONYMOUS, UINT64_MAX, 0),
	NEVER("mprotect-exec", SYS_mprotect, 0, 4096, PROT_READ | PROT_EXEC),
	NEVER("pkey-mprotect-exec", SYS_pkey_mprotect, 0, 4096,
		PROT_READ | PROT_EXEC, UINT64_MAX),
	/* The right call with the wrong argument. */
	NEVER("read-elsewhere", SYS_read, 200, 0, 8),
	NEVER("read-socket", SYS_read, RF_FD_CONTROL, 0, 8),
	NEVER("write-elsewhere", SYS_write, 200, 0, 8),
	/* There the launcher has its report file. */
	PASSES("write-image", IN_LAUNCHER, SYS_write, RF_FD_BACKING, 0, 8),
	NEVER("recvmsg-elsewhere", SYS_recvmsg, 200, 0, 0),
	NEVER("sendmsg-signal", SYS_sendmsg, RF_FD_CONTROL, 0, 0),
	NEVER("preadv-elsewhere", SYS_preadv, RF_FD_CONTROL, 0, 0, 0, 0),
	NEVER("fallocate-grow", SYS_fallocate, RF_FD_BACKING, 0, 0, 4096),
	NEVER("fallocate-collapse", SYS_fallocate, RF_FD_BACKING,
		FALLOC_FL_COLLAPSE_RANGE, 0, 4096),
	NEVER("ioctl-terminal", SYS_ioctl, RF_FD_LOG, 0x5412 /* TIOCSTI */, 0),
	NEVER("ioctl-other-fd", SYS_ioctl, RF_FD_LOG, BLKDISCARD, 0),
	NEVER("kvm-create-vm", SYS_ioctl, RF_FD_BACKING, KVM_CREATE_VM, 0),
	NEVER("epoll-elsewhere", SYS_epoll_wait, 200, 0, 1, 0),
	NEVER("futex-requeue", SYS_futex, 0, FUTEX_CMP_REQUEUE, 0, 0, 0, 0),
	NEVER("wait-elsewhere", SYS_wait4, 1, 0, WNOHANG, 0),
	NEVER("pidfd-term", SYS_pidfd_send_signal, 32, SIGTERM, 0, 0),
	NEVER("seccomp-flags", SYS_seccomp, SECCOMP_SET_MODE_FILTER,
		SECCOMP_FILTER_FLAG_TSYNC, 0),
	/* Other doors to the same kernel. */
	NEVER("x32-write", SYS_write | ACT_X32, RF_FD_LOG, 0, 0),
	NEVER("x32-exit", SYS_exit_group | ACT_X32, ACT_LIVED),
	NEVER("i386-getpid", ACT_I386 | 20, 0),
	NEVER("i386-exit", ACT_I386 | 252, 0),
	NEVER("no-such-call", 1000, 0),
	/* What passes. A descriptor that is not there is an error, not a forbidden act. */
	PASSES("write-log",
		IN_DEVICE | IN_VMM | IN_VCPU | IN_LAUNCHER, SYS_write, RF_FD_LOG, 0, 0),
	PASSES("close", IN_BLK | IN_VMM | IN_LAUNCHER, SYS_close, 200),
	PASSES("map", IN_BLK, SYS_mmap, 0, 4096, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS, UINT64_MAX, 0),
	PASSES("unmap", IN_BLK, SYS_munmap, 0, 4096),
	PASSES("clock", IN_DEVICE | IN_VMM | IN_LAUNCHER, SYS_clock_gettime,
		CLOCK_MONOTONIC, 0),
	PASSES("fstat", IN_BLK, SYS_fstat, 200, 0),
	PASSES("newfstatat", IN_BLK, SYS_newfstatat, 200, ACT_PATH, 0,
		AT_EMPTY_PATH),
	PASSES("seccomp", IN_BLK, SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, 0),
	PASSES("epoll-wait", IN_DEVICE | IN_VMM, SYS_epoll_wait,
		RF_FD_EPOLL, 0, 1, 0),
	NEVER("kick", SYS_read, RF_FD_KICKS, 0, 8),
	PASSES("call", IN_DEVICE, SYS_write, RF_FD_CALLS, 0, 8),
	PASSES("call-of-the-last-queue", IN_DEVICE, SYS_write,
		RF_FD_CALLS + RF_FD_PLACES - 1, 0, 8),
	PASSES("error", IN_DEVICE, SYS_write, RF_FD_ERRS, 0, 8),
	NEVER("preadv", SYS_preadv, RF_FD_BACKING, 0, 0, 0, 0),
	NEVER("pwritev", SYS_pwritev, RF_FD_BACKING, 0, 0, 0, 0),
	PASSES("preadv2", IN_DEVICE, SYS_preadv2, RF_FD_BACKING, 0, 0, 0, 0, 0),
	PASSES("pwritev2", IN_DEVICE, SYS_pwritev2, RF_FD_BACKING, 0, 0, 0, 0,
		0),
	PASSES("preadv2-nowait", IN_BLK | IN_URING, SYS_preadv2, RF_FD_BACKING,
		0, 0, 0, 0, RWF_NOWAIT),
	PASSES("pwritev2-nowait", IN_BLK | IN_URING, SYS_pwritev2,
		RF_FD_BACKING, 0, 0, 0, 0, RWF_NOWAIT),
	NEVER("pwritev2-append", SYS_pwritev2, RF_FD_BACKING, 0, 0, 0, 0,
		RWF_APPEND),
	NEVER("preadv2-elsewhere", SYS_preadv2, RF_FD_CONTROL, 0, 0, 0, 0, 0),
	PASSES("uring", IN_BLK | IN_URING, SYS_io_uring_enter, RF_FD_URING, 0,
		0, IORING_ENTER_GETEVENTS, 0, 8),
	NEVER("uring-elsewhere", SYS_io_uring_enter, 200, 0, 0, 0, 0, 8),
	NEVER("uring-wake-a-thread", SYS_io_uring_enter, RF_FD_URING, 0, 0,
		IORING_ENTER_SQ_WAKEUP, 0, 8),
	NEVER("uring-signal-mask", SYS_io_uring_enter, RF_FD_URING, 0, 0,
		IORING_ENTER_GETEVENTS, ACT_PATH, 8),
	NEVER("uring-register", SYS_io_uring_register, RF_FD_URING, 0, 0, 0),
	PASSES("fdatasync", IN_BLK | IN_SEALED, SYS_fdatasync, RF_FD_BACKING),
	PASSES("punch", IN_BLK | IN_SEALED, SYS_fallocate, RF_FD_BACKING,
		FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 0),
	PASSES("zero", IN_BLK | IN_SEALED, SYS_fallocate, RF_FD_BACKING,
		FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, 0, 0),
	NEVER("size", SYS_ioctl, RF_FD_BACKING, BLKGETSIZE64, 0),
	NEVER("discard", SYS_ioctl, RF_FD_BACKING, BLKDISCARD, 0),
	NEVER("zeroout", SYS_ioctl, RF_FD_BACKING, BLKZEROOUT, 0),
	PASSES("kvm-stats", IN_VMM, SYS_pread64, RF_FD_STATS, 0, 8, 0),
	PASSES("kvm-run", IN_VCPU, SYS_ioctl, RF_FD_VCPUS, KVM_RUN, 0),
	PASSES("kvm-set-sregs", IN_VMM, SYS_ioctl, RF_FD_VCPUS, KVM_SET_SREGS,
		0),
	PASSES("kvm-set-regs", IN_VMM, SYS_ioctl, RF_FD_VCPUS, KVM_SET_REGS, 0),
	PASSES("kvm-get-regs", IN_VMM, SYS_ioctl, RF_FD_VCPUS, KVM_GET_REGS, 0),
	PASSES("kvm-coalesced", IN_VMM, SYS_ioctl, RF_FD_VM,
		KVM_REGISTER_COALESCED_MMIO, 0),
	PASSES("kvm-coalesced2", IN_VMM, SYS_ioctl, RF_FD_VM,
		KVM_REGISTER_COALESCED_MMIO2, 0),
	PASSES("timer", IN_VMM, SYS_timerfd_settime, RF_FD_TIMER, 0, 0, 0),
	PASSES("tick", IN_VMM, SYS_read, RF_FD_TIMER, 0, 8),
	PASSES("kvm-ioeventfd", IN_VMM, SYS_ioctl, RF_FD_VM, KVM_IOEVENTFD, 0),
	PASSES("bell", IN_VMM | IN_VCPU, SYS_write, 512, 0, 8),
	PASSES("last-bell", IN_VMM | IN_VCPU, SYS_write, RF_FD_LIMIT - 1, 0, 8),
	PASSES("interrupt", IN_VMM | IN_VCPU, SYS_read, 600, 0, 8),
	NEVER("bell-below", SYS_write, 511, 0, 8),
	NEVER("bell-above", SYS_write, RF_FD_LIMIT, 0, 8),
	PASSES("wake-main", IN_VCPU, SYS_write, RF_FD_WAKE, 0, 8),
	PASSES("console", IN_VMM | IN_VCPU, SYS_write, RF_FD_CONSOLE, 0, 0),
	PASSES("kernel-image", IN_VMM, SYS_pread64, RF_FD_KERNEL, 0, 0, 0),
	PASSES("console-in", IN_VMM, SYS_read, RF_FD_CONSOLE_IN, 0, 8),
	PASSES("console-ask", IN_VMM, SYS_epoll_ctl, RF_FD_EPOLL, EPOLL_CTL_MOD,
		0, 0),
	PASSES("initramfs", IN_VMM, SYS_pread64, RF_FD_INITRD, 0, 0, 0),
	PASSES("futex-wake", IN_VMM | IN_VCPU, SYS_futex, 0,
		FUTEX_WAKE_PRIVATE, 1),
	PASSES("futex-wait", IN_VMM | IN_VCPU, SYS_futex, 0, FUTEX_WAIT_PRIVATE,
		1, 0),
	PASSES("remove-cgroup", IN_LAUNCHER, SYS_unlinkat, 7, ACT_PATH,
		AT_REMOVEDIR),
	PASSES("remove-cgroup-above", IN_LAUNCHER, SYS_unlinkat, 6, ACT_PATH,
		AT_REMOVEDIR),
	PASSES("terminal", IN_LAUNCHER, SYS_ioctl, 0, TCSETS, 0),
	NEVER("terminal-type", SYS_ioctl, 0, TIOCSTI, 0),
	NEVER("remove-file", SYS_unlinkat, 7, ACT_PATH, 0),
	NEVER("write-out", SYS_write, 0, 0, 8),
	PASSES("reap", IN_LAUNCHER, SYS_wait4, UINT64_MAX, 0, WNOHANG | __WALL,
		0),
	PASSES("trace-continue", IN_LAUNCHER, SYS_ptrace, PTRACE_CONT, 1, 0, 0),
	PASSES("pidfd-kill", IN_LAUNCHER, SYS_pidfd_send_signal, 32, SIGKILL,
		0, 0),
	PASSES("poll", IN_LAUNCHER, SYS_poll, 0, 19, 0),
	PASSES("restart", IN_LAUNCHER, SYS_restart_syscall, 0),
};
/* clang-format on */
#undef NEVER
#undef PASSES

#endif
