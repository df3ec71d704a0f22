/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * names.c - every name a policy may use, and no other
 *
 * Side:    build time only.
 * Owns:    closed tables, their values taken from the kernel's own headers.
 * Callers: value.c, parse.c, policyc.c.
 * Never:   knows a number of its own where a header has it.
 */
#include <elf.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <linux/futex.h>
#include <linux/io_uring.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>

#include <ringfence/fence.h>
#include <ringfence/kvm_coalesced2.h>

#include "launcher/vm.h"
#include "policyc.h"

struct constant {
	const char *name;
	uint64_t value;
};

/* An int that is negative reaches the kernel sign-extended. The name is taken
 * before it is replaced by its value. */
#define C(name)                         \
	{                               \
#name, (uint64_t)(name) \
	}

/* clang-format off */
static const struct constant constants[] = {
	/* places of descriptors */
	C(RF_FD_CONSOLE_IN), C(RF_FD_CONSOLE), C(RF_FD_LOG), C(RF_FD_CONTROL), C(RF_FD_REPORT),
	C(RF_FD_BACKING), C(RF_FD_EPOLL), C(RF_FD_RING), C(RF_FD_WAKE),
	C(RF_FD_TIMER), C(RF_FD_KERNEL), C(RF_FD_VM), C(RF_FD_INITRD),
	C(RF_FD_URING), C(RF_FD_LIMITS), C(RF_FD_DEVICES),
	C(RF_FD_KICKS), C(RF_FD_CALLS), C(RF_FD_ERRS), C(RF_FD_VCPUS),
	C(RF_FD_STATS),
	C(RF_FD_LIMIT), C(VM_FD_CONTROL), C(VM_FD_SIGNALS), C(VM_FD_REPORT),
	C(VM_FD_CGROUP_PARENT), C(VM_FD_CGROUP), C(VM_FD_PIDFDS),
	C(VM_FD_REQUESTS), C(VM_FD_REQUESTS_DIR),
	/* memory */
	C(PROT_NONE), C(PROT_READ), C(PROT_WRITE), C(PROT_EXEC), C(MAP_SHARED),
	C(MAP_PRIVATE), C(MAP_ANONYMOUS), C(MAP_FIXED), C(MAP_NORESERVE),
	C(MAP_STACK), C(MADV_DONTFORK), C(MADV_DONTDUMP), C(MADV_DONTNEED),
	C(MADV_FREE),
	/* files */
	C(AT_FDCWD), C(AT_REMOVEDIR), C(AT_EMPTY_PATH), C(AT_SYMLINK_NOFOLLOW),
	C(O_RDONLY), C(O_WRONLY), C(O_RDWR), C(O_CLOEXEC), C(O_NONBLOCK),
	C(F_GETFD), C(F_SETFD), C(F_GETFL), C(F_SETFL), C(F_GET_SEALS),
	C(F_ADD_SEALS), C(F_DUPFD_CLOEXEC), C(FD_CLOEXEC), C(SEEK_SET),
	C(SEEK_CUR), C(SEEK_END), C(FALLOC_FL_KEEP_SIZE),
	C(FALLOC_FL_PUNCH_HOLE), C(FALLOC_FL_ZERO_RANGE), C(BLKDISCARD),
	C(BLKZEROOUT), C(BLKGETSIZE64), C(RWF_NOWAIT), C(IORING_ENTER_GETEVENTS),
	/* events, sockets, time */
	C(EPOLL_CLOEXEC), C(EPOLL_CTL_ADD), C(EPOLL_CTL_DEL), C(EPOLL_CTL_MOD),
	C(EFD_CLOEXEC), C(EFD_NONBLOCK), C(TFD_CLOEXEC), C(TFD_NONBLOCK),
	C(CLOCK_MONOTONIC), C(CLOCK_REALTIME), C(MSG_NOSIGNAL), C(MSG_DONTWAIT),
	C(MSG_CMSG_CLOEXEC), C(MSG_WAITALL), C(MSG_PEEK), C(MSG_TRUNC),
	C(SOL_SOCKET), C(SO_RCVTIMEO), C(SO_SNDTIMEO), C(FUTEX_WAIT_PRIVATE),
	C(FUTEX_WAKE_PRIVATE), C(FUTEX_WAIT_BITSET_PRIVATE),
	/* processes and signals */
	C(SIGKILL), C(SIGTERM), C(SIGINT), C(SIGCHLD), C(SIGSTOP), C(SIG_BLOCK),
	C(SIG_UNBLOCK), C(SIG_SETMASK), C(WNOHANG), C(WEXITED), C(WNOWAIT),
	C(__WALL), C(PTRACE_CONT), C(PTRACE_LISTEN), C(PTRACE_GETEVENTMSG),
	C(PTRACE_GETREGSET), C(PTRACE_GET_SYSCALL_INFO), C(NT_PRSTATUS),
	C(PR_SET_NAME),
	C(SECCOMP_SET_MODE_FILTER),
	/* KVM */
	C(TCSETS), C(KVM_RUN), C(KVM_SET_REGS), C(KVM_GET_REGS),
	C(KVM_SET_SREGS),
	C(KVM_GET_SREGS), C(KVM_IRQFD), C(KVM_IOEVENTFD), C(KVM_IRQ_LINE),
	C(KVM_REGISTER_COALESCED_MMIO), C(KVM_UNREGISTER_COALESCED_MMIO),
	C(KVM_CREATE_COALESCED_MMIO_BUFFER), C(KVM_REGISTER_COALESCED_MMIO2),
	C(KVM_UNREGISTER_COALESCED_MMIO2), C(KVM_CHECK_EXTENSION),
	C(KVM_SET_USER_MEMORY_REGION),
};
/* clang-format on */
#undef C

struct range {
	const char *name;
	uint64_t base;
	uint64_t count;
};

static const struct range ranges[] = {
	{ "RF_FD_DEVICES", RF_FD_DEVICES, RF_FENCE_DEVICES_MAX },
	{ "RF_FD_KICKS", RF_FD_KICKS, RF_FD_PLACES },
	{ "RF_FD_CALLS", RF_FD_CALLS, RF_FD_PLACES },
	{ "RF_FD_ERRS", RF_FD_ERRS, RF_FD_PLACES },
	{ "RF_FD_VCPUS", RF_FD_VCPUS, RF_FD_PLACES },
	{ "RF_FD_STATS", RF_FD_STATS, RF_FD_PLACES },
};

/* The arguments as the manual pages call them, where a policy of ours judges
 * one. Any syscall also has arg0 to arg5. */
struct signature {
	const char *syscall;
	const char *args[6];
};

static const struct signature signatures[] = {
	{ "clock_nanosleep", { "clockid", "flags" } },
	{ "clock_gettime", { "clockid", "tp" } },
	{ "clone3", { "args", "size" } },
	{ "close", { "fd" } },
	{ "close_range", { "first", "last", "flags" } },
	{ "dup", { "oldfd" } },
	{ "dup3", { "oldfd", "newfd", "flags" } },
	{ "epoll_create1", { "flags" } },
	{ "epoll_ctl", { "epfd", "op", "fd", "event" } },
	{ "epoll_pwait", { "epfd", "events", "maxevents", "timeout" } },
	{ "epoll_wait", { "epfd", "events", "maxevents", "timeout" } },
	{ "eventfd2", { "initval", "flags" } },
	{ "exit", { "status" } },
	{ "exit_group", { "status" } },
	{ "fallocate", { "fd", "mode", "offset", "len" } },
	{ "fcntl", { "fd", "cmd", "arg" } },
	{ "fdatasync", { "fd" } },
	{ "flock", { "fd", "operation" } },
	{ "fstat", { "fd", "statbuf" } },
	{ "fsync", { "fd" } },
	{ "ftruncate", { "fd", "length" } },
	{ "futex", { "uaddr", "op", "val", "timeout", "uaddr2", "val3" } },
	{ "getdents64", { "fd", "dirp", "count" } },
	{ "io_uring_enter",
	  { "fd", "to_submit", "min_complete", "flags", "sig", "size" } },
	{ "ioctl", { "fd", "request", "argp" } },
	{ "kill", { "pid", "sig" } },
	{ "lseek", { "fd", "offset", "whence" } },
	{ "madvise", { "addr", "length", "advice" } },
	{ "membarrier", { "cmd", "flags" } },
	{ "mmap", { "addr", "length", "prot", "flags", "fd", "offset" } },
	{ "mprotect", { "addr", "len", "prot" } },
	{ "mremap", { "old_addr", "old_size", "new_size", "flags" } },
	{ "munmap", { "addr", "length" } },
	{ "newfstatat", { "dirfd", "path", "statbuf", "flags" } },
	{ "openat", { "dirfd", "path", "flags", "mode" } },
	{ "pidfd_send_signal", { "pidfd", "sig", "info", "flags" } },
	{ "poll", { "fds", "nfds", "timeout" } },
	{ "ppoll", { "fds", "nfds", "timeout", "sigmask", "size" } },
	{ "prctl", { "option", "a1", "a2", "a3", "a4" } },
	{ "pread64", { "fd", "buf", "count", "offset" } },
	{ "preadv", { "fd", "iov", "iovcnt", "pos_l", "pos_h" } },
	{ "preadv2", { "fd", "iov", "iovcnt", "pos_l", "pos_h", "flags" } },
	{ "prlimit64", { "pid", "resource", "new", "old" } },
	{ "ptrace", { "request", "pid", "addr", "data" } },
	{ "pwrite64", { "fd", "buf", "count", "offset" } },
	{ "pwritev", { "fd", "iov", "iovcnt", "pos_l", "pos_h" } },
	{ "pwritev2", { "fd", "iov", "iovcnt", "pos_l", "pos_h", "flags" } },
	{ "read", { "fd", "buf", "count" } },
	{ "readv", { "fd", "iov", "iovcnt" } },
	{ "recvfrom", { "fd", "buf", "len", "flags", "addr", "addrlen" } },
	{ "recvmsg", { "fd", "msg", "flags" } },
	{ "rt_sigaction", { "signum", "act", "oldact", "size" } },
	{ "rt_sigprocmask", { "how", "set", "oldset", "size" } },
	{ "sched_getaffinity", { "pid", "size", "mask" } },
	{ "seccomp", { "operation", "flags", "args" } },
	{ "sendmsg", { "fd", "msg", "flags" } },
	{ "sendto", { "fd", "buf", "len", "flags", "addr", "addrlen" } },
	{ "setsockopt", { "fd", "level", "optname" } },
	{ "shutdown", { "fd", "how" } },
	{ "sigaltstack", { "ss", "old_ss" } },
	{ "tgkill", { "tgid", "tid", "sig" } },
	{ "timerfd_create", { "clockid", "flags" } },
	{ "timerfd_settime", { "fd", "flags", "new", "old" } },
	{ "unlinkat", { "dirfd", "path", "flags" } },
	{ "wait4", { "pid", "wstatus", "options", "rusage" } },
	{ "waitid", { "idtype", "id", "infop", "options" } },
	{ "write", { "fd", "buf", "count" } },
	{ "writev", { "fd", "iov", "iovcnt" } },
};

bool policyc_is_define(const char *name)
{
	return !strcmp(name, "SANITIZED");
}

int policyc_argument(const char *syscall, const char *arg)
{
	size_t i;
	int n;

	if (!strncmp(arg, "arg", 3) && arg[3] >= '0' && arg[3] <= '5' &&
	    !arg[4])
		return arg[3] - '0';
	for (i = 0; i < RF_ARRAY_LEN(signatures); i++) {
		if (strcmp(signatures[i].syscall, syscall) != 0)
			continue;
		for (n = 0; n < 6 && signatures[i].args[n]; n++)
			if (!strcmp(signatures[i].args[n], arg))
				return n;
	}
	return -1;
}

bool policyc_constant(const char *name, uint64_t *out)
{
	size_t i;

	for (i = 0; i < RF_ARRAY_LEN(constants); i++)
		if (!strcmp(constants[i].name, name)) {
			*out = constants[i].value;
			return true;
		}
	return false;
}

bool policyc_range(const char *name, uint64_t *base, uint64_t *count)
{
	size_t i;

	for (i = 0; i < RF_ARRAY_LEN(ranges); i++)
		if (!strcmp(ranges[i].name, name)) {
			*base = ranges[i].base;
			*count = ranges[i].count;
			return true;
		}
	return false;
}
