/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * fence.h - start a program inside a fence of its own
 *
 * Two halves of one crossing; the numbered stages and their reasons are told
 * in src/fence/fence.c. The parent half, with power, from one thread only (the
 * kernel knows a tracer, and the parent whose death ends the child, by its
 * thread):
 *   rf_fence_spawn()   namespaces, uid map, limits, cgroup, exec
 *   rf_fence_reap()    on every SIGCHLD, until it says -EAGAIN
 * The child half, first thing in the started program's main():
 *   rf_fence_enter()   root, descriptors, capabilities, first filter
 *   rf_fence_seal()    second and last filter, when nothing new is needed
 */
#ifndef RINGFENCE_FENCE_H
#define RINGFENCE_FENCE_H

#include <sys/resource.h>
#include <sys/types.h>

#include <ringfence/base.h>
#include <ringfence/policy.h>

/* Where descriptors live inside a fence, so that filters can name them.
 * (src/fence/inherit.h gives each one's reason.) */
enum rf_fd_place {
	/* vmm: the guest's serial port, in; if anything comes in there */
	RF_FD_CONSOLE_IN = 0,
	RF_FD_CONSOLE = 1, /* vmm: the guest's serial port, out */
	RF_FD_LOG = 2,	   /* log lines */
	RF_FD_CONTROL = 3, /* device: vhost-user; vmm: the launcher */
	RF_FD_REPORT = 4,  /* report page, until it is mapped */
	RF_FD_BACKING = 5, /* device: its one backing file; vmm: /dev/kvm */
	RF_FD_EPOLL = 6,   /* event loop */
	RF_FD_RING = 7,	   /* device: the buffer fd; vmm: guest memory */
	RF_FD_WAKE = 8,	   /* device: ring's eventfd; vmm: work for main */
	RF_FD_TIMER = 9,   /* timerfd */
	RF_FD_KERNEL = 10, /* vmm: kernel image; read, then closed */
	RF_FD_VM = 11,	   /* vmm: the VM */
	RF_FD_INITRD = 12, /* vmm: initramfs; read, then closed */
	RF_FD_URING = 13,  /* device: its io_uring, set up before the fence */
	RF_FD_LIMITS = 14, /* device: page of limits, until it is mapped */
	/* device: a pipe that nobody writes to; its io_uring keeps it open as
	 * long as there is I/O, also when the process is gone */
	RF_FD_LIFELINE = 15,
	RF_FD_DEVICES = 16, /* vmm: vhost-user sockets, 16..31 */
	RF_FD_KICKS = 32,   /* queue eventfds (device), 32..63 */
	RF_FD_CALLS = 64,   /* interrupt eventfds (device), 64..95 */
	RF_FD_ERRS = 96,    /* error eventfds (device), 96..127 */
	RF_FD_VCPUS = 128,  /* vmm: vCPU fds, 128..159 */
	RF_FD_STATS = 160,  /* vmm: what KVM counts of each, 160..191 */
	RF_FD_LIMIT = 1024  /* vmm: everything above is for eventfds */
};
#define RF_FD_PLACES 32u /* in each of the ranges of queues */
#define RF_FENCE_DEVICES_MAX 16u

struct rf_fence_fd {
	int from; /* borrowed */
	int to;	  /* enum rf_fd_place */
};

struct rf_fence_rlimit {
	int resource; /* RLIMIT_* */
	rlim_t value; /* both soft and hard */
};

#define RF_FENCE_FDS_MAX 32u
#define RF_FENCE_RLIMITS_MAX 8u

struct rf_fence_spawn {
	const char *name; /* for messages: "blk[0]" */
	int exe_fd;	  /* program, open for reading; borrowed */
	char *const *argv;
	struct rf_fence_fd fds[RF_FENCE_FDS_MAX];
	uint32_t nr_fds;
	uid_t uid; /* host uid and gid of the process; need power to
				 * be other than our own */
	gid_t gid;
	uint32_t namespaces; /* CLONE_NEW* to make; RF_FENCE_NAMESPACES */
	int cgroup_fd;	     /* directory of a v2 cgroup to start in, or -1 */
	struct rf_fence_rlimit rlimits[RF_FENCE_RLIMITS_MAX];
	uint32_t nr_rlimits;
	bool trace; /* ptrace it, to learn which call a filter killed;
				 * see reap.c */
};

/* All of them: user, mount, pid, net, ipc, uts, cgroup. */
#define RF_FENCE_NAMESPACES                                                    \
	(0x10000000u | 0x00020000u | 0x20000000u | 0x40000000u | 0x08000000u | \
	 0x04000000u | 0x02000000u)

struct rf_fence_child {
	pid_t pid;
	int pidfd;	  /* owned */
	uint64_t exec_ns; /* rf_clock_ns() when exec was allowed */
	bool traced;	  /* ptrace was granted */
};

/* Start it and wait for its exec. On failure nothing is left; `step`, if not
 * NULL, gets a static string naming the step that failed ("uid_map",
 * "execveat", ...; NULL on success). -EINVAL: "arguments" are not as above.
 * Takes no signal handler, wait status or descriptor of other children. */
RF_MUST_CHECK int rf_fence_spawn(const struct rf_fence_spawn *spawn,
				 struct rf_fence_child *out, const char **step);

/* How a child ended. */
struct rf_fence_end {
	pid_t pid;
	bool exited;	    /* by itself, with `status` */
	int status;	    /* exit status, or the signal that killed it */
	bool filter_killed; /* SIGSYS from its filter */
	bool call_known;    /* traced: the next three hold */
	int call_nr;	    /* as in the register, x32 bit included */
	bool call_i386;
	pid_t tid;	 /* the thread, in the launcher's pid namespace */
	char thread[16]; /* its name, if it could be read */
};

/* Take what has happened to children, without waiting: resumes traced ones
 * that merely stopped. Returns 0 and fills `end` when a child has ended (any
 * child of this process, not only spawned ones), -EAGAIN when none has now,
 * -ECHILD when none is left. Call it when SIGCHLD came, until it says -EAGAIN:
 * a traced process stands still at every thread it makes and at every signal
 * until then. Makes no call but wait4 and ptrace. */
RF_MUST_CHECK int rf_fence_reap(struct rf_fence_end *end);

/* Read the names of all traced threads from /proc, for `thread` above. Call it
 * when the programs have made and named their threads and before the launcher's
 * own filter, which opens nothing: rf_fence_reap() never reads /proc. */
void rf_fence_learn_threads(void);

/* The program's own half. */
struct rf_fence {
	const char *root; /* directory to be the root, read-only; NULL: an
				 * empty one */
	const int *keep;  /* descriptors that survive, sorted */
	uint32_t nr_keep;
	const struct rf_policy *policy; /* first filter; NULL: none yet, then
					 * rf_policy_load must follow */
};

/* Cross. Never returns half-way: a stage that fails says which on RF_FD_LOG
 * and ends the process with RF_FENCE_EXIT_STATUS. The process must have one
 * thread only, and must have been started by rf_fence_spawn(). */
#define RF_FENCE_EXIT_STATUS 70
void rf_fence_enter(const struct rf_fence *fence);

/* Load the last filter, or end the process. */
void rf_fence_seal(const struct rf_policy *policy);

#endif
