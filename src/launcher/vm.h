/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * vm.h - one running VM as its launcher sees it: processes, no guest byte
 *
 * In order:
 *   vm_start()      launch.c     spawn the vCPU process, then the devices
 *   vm_await()      supervise.c  until everything stands and is sealed
 *   vm_confine()    confine.c    give up what is no longer needed; filter
 *   vm_run()        supervise.c  GO, watch, end
 *   vm_stop()       supervise.c  whatever stands, down; safe at any time
 *   vm_status()                  what to exit with
 */
#ifndef RINGFENCE_LAUNCHER_VM_H
#define RINGFENCE_LAUNCHER_VM_H

#include <ringfence/fence.h>
#include <ringfence/limits.h>
#include <ringfence/report.h>

#include "launcher/cgroup.h"
#include "launcher/control.h"
#include "launcher/images.h"
#include "launcher/settings.h"
#include "launcher/terminal.h"

#define VM_PROCESSES_MAX (1 + SETTINGS_DISKS_MAX)

/* Where descriptors live once the launcher is confined; its policy names
 * them. */
enum vm_fd_place {
	VM_FD_CONTROL = 3,	 /* to the vCPU process */
	VM_FD_SIGNALS = 4,	 /* signalfd */
	VM_FD_REPORT = 5,	 /* --report */
	VM_FD_CGROUP_PARENT = 6, /* where our cgroup is removed from */
	VM_FD_CGROUP = 7,	 /* where the processes' are removed from */
	VM_FD_REQUESTS = 8,	 /* --control */
	VM_FD_REQUESTS_DIR = 9,	 /* where its name is removed from */
	VM_FD_LIFELINES = 10, /* 10..31: whether a device's last I/O is over */
	VM_FD_PIDFDS = 32,    /* 32..63: to kill, and nothing else */
};
static_assert(VM_PROCESSES_MAX <= 22, "VM_FD_LIFELINES, VM_FD_PIDFDS");

enum vm_phase {
	VM_STARTING,
	VM_RUNNING,
	VM_STOPPING,
};

struct vm_process {
	char name[16]; /* "vmm", "blk[0]" */
	pid_t pid;
	int pidfd;
	int lifeline; /* a device's; POLLERR: see supervise.c. -1: none */
	uid_t uid;
	bool alive;
	bool traced;
	bool left; /* a device that ended by itself with status 0 */
	bool gone; /* a device that closed its socket to the vCPU process */
	uint64_t exec_ns;
	struct rf_report *report;
	struct rf_limits *limits; /* a device's; NULL: the vCPU process */
};

/* Process 0 is the vCPU process, 1 + i is device i. */
struct vm {
	struct vm_process procs[VM_PROCESSES_MAX];
	uint32_t nr;
	int control;
	int signals;
	int report; /* descriptor of --report, or -1 */
	struct rf_socket requests;
	struct cgroup cgroup;
	enum vm_phase phase;
	bool stands_in; /* no KVM: the vCPU process plays the guest */
	bool keep_on_device_death;
	enum terminal_input input; /* what standard input is to the guest */
	bool prepared;		   /* the vCPU process can be connected to */
	bool ready;
	uint32_t doorbell; /* enum rf_doorbell_kind, once ready */
	bool ended;
	uint32_t guest_status; /* once ended */
	bool failed;	       /* our status is 1, whatever the guest said */
	int signal;	       /* that asked us to end, or 0 */
	bool killed;	       /* all of them, not only the vCPU process */
	bool stuck;	       /* one of the killed will not die */
	uint64_t deadline_ns;  /* of this phase; 0: none */
	uint64_t go_ns;
	uint64_t end_ns;
};

/* Spawn the vCPU process, and once it is prepared the devices: they find a
 * partner at once, and where no VM can be made none of them is started. `im` is
 * borrowed. -EINVAL with the reason, -ECANCELED if it has been said already;
 * whatever was started is gone again. */
RF_MUST_CHECK int vm_start(struct vm *vm, const struct settings *s,
			   const struct images *im, struct complaint *c);

/* True: PREPARED came. False: it will not; all that stood is down, and said. */
RF_MUST_CHECK bool vm_await_prepared(struct vm *vm);

/* True: READY came. False: it will not; everything is down and said. */
RF_MUST_CHECK bool vm_await(struct vm *vm);

/* Close and move descriptors, then load policy `launcher`. False: it could
 * not; everything is down and said. */
RF_MUST_CHECK bool vm_confine(struct vm *vm);

/* Send GO and stay until every process has ended. */
void vm_run(struct vm *vm);

/* End whatever runs and take it all away: processes, cgroups. */
void vm_stop(struct vm *vm);

int vm_status(const struct vm *vm);

/* One reading of a report's field. */
#define VM_REPORT(proc, field)                                         \
	((proc)->report ? atomic_load_explicit(&(proc)->report->field, \
					       memory_order_relaxed)   \
			: 0)

#endif
