/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * launch.c - start the processes of one VM, each in a fence of its own
 *
 * Side:    launcher, with all its power.
 * Owns:    the plan: which process gets which descriptor at which place.
 * Callers: run.c, demo.c.
 * Never:   passes on a descriptor that the process does not need.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/memfd.h"
#include "launcher/ids.h"
#include "launcher/vm.h"

/* Sockets between the vCPU process and its devices, while both ends are
 * ours. */
struct wires {
	int vmm[SETTINGS_DISKS_MAX];
	int device[SETTINGS_DISKS_MAX];
	int control;
};

/* Ours are copies: the other end must see the end of file when the vCPU process
 * is gone, and not only when we are. */
static void close_vmm_wires(struct wires *w)
{
	uint32_t i;

	for (i = 0; i < SETTINGS_DISKS_MAX; i++)
		rf_fd_close(&w->vmm[i]);
	rf_fd_close(&w->control);
}

static void close_device_wires(struct wires *w)
{
	uint32_t i;

	for (i = 0; i < SETTINGS_DISKS_MAX; i++)
		rf_fd_close(&w->device[i]);
}

static int make_wires(struct wires *w, struct vm *vm, uint32_t nr_disks,
		      struct complaint *c)
{
	int pair[2];
	uint32_t i;

	for (i = 0; i < nr_disks; i++) {
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) <
		    0)
			return complain(c, "no socket for blk[%u]: %s", i,
					strerror(errno));
		w->vmm[i] = pair[0];
		w->device[i] = pair[1];
	}
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return complain(c, "no socket for vmm: %s", strerror(errno));
	vm->control = pair[0];
	w->control = pair[1];
	/* Ours alone: the flag belongs to one end. */
	if (fcntl(vm->control, F_SETFL, O_NONBLOCK) < 0)
		return complain(c, "socket for vmm: %s", strerror(errno));
	return 0;
}

/* From here on signals are read, not delivered: no handler, no race. All that
 * would end us and can come from outside: we end in order, and leave the
 * terminal as it was. */
static int take_signals(struct vm *vm, struct complaint *c)
{
	static const int taken[] = { SIGINT,	SIGTERM, SIGHUP,  SIGQUIT,
				     SIGALRM,	SIGUSR1, SIGUSR2, SIGXCPU,
				     SIGVTALRM, SIGPROF, SIGPWR,  SIGCHLD };
	sigset_t set;
	size_t i;

	(void)sigemptyset(&set);
	for (i = 0; i < RF_ARRAY_LEN(taken); i++)
		(void)sigaddset(&set, taken[i]);
	/* Who runs us may have left SIGCHLD ignored: children would be reaped
	 * for us, and we would wait for them for ever. */
	(void)signal(SIGCHLD, SIG_DFL);
	(void)signal(SIGPIPE, SIG_IGN);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return complain(c, "signals: %s", strerror(errno));
	vm->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (vm->signals < 0)
		return complain(c, "signalfd: %s", strerror(errno));
	return 0;
}

static void add_fd(struct rf_fence_spawn *spawn, int from, int to)
{
	spawn->fds[spawn->nr_fds++] = (struct rf_fence_fd){ from, to };
}

static const char *spawn_remedy(const char *step, int err)
{
	if (strncmp(step, "clone", 5) != 0)
		return "";
	if (err == -EPERM || err == -ENOSPC)
		return "; may this account make user namespaces? See sysctl "
		       "user.max_user_namespaces and "
		       "kernel.unprivileged_userns_clone";
	if (err == -EACCES)
		return "; may this account put processes into that cgroup?";
	return "";
}

/* The guest's memory is a file as well, for RLIMIT_FSIZE: that one limits the
 * devices, whose files are the images. */
static void fill_rlimits(const struct settings_jailer *j, uint32_t index,
			 struct rf_fence_spawn *spawn)
{
	uint32_t i;

	for (i = 0; i < j->nr_rlimits; i++) {
		if (index == 0 && j->rlimits[i].resource == RLIMIT_FSIZE)
			continue;
		spawn->rlimits[spawn->nr_rlimits++] = j->rlimits[i];
	}
}

/* What all processes have alike: ids, limits, cgroup, log, report. */
static int fill_common(struct vm *vm, const struct settings *s, uint32_t index,
		       struct rf_fence_spawn *spawn, int *cgroup,
		       struct complaint *c)
{
	char name[CGROUP_NAME_BYTES];
	struct ids_host host;
	int err;

	ids_look(&host);
	err = ids_choose(&s->jailer, &host, index, &spawn->uid, &spawn->gid, c);
	if (err)
		return err;
	spawn->name = vm->procs[index].name;
	spawn->namespaces = s->jailer.namespaces;
	fill_rlimits(&s->jailer, index, spawn);
	spawn->trace = true;
	add_fd(spawn, STDERR_FILENO, RF_FD_LOG);
	if (index == 0)
		(void)snprintf(name, sizeof(name), "vmm");
	else
		(void)snprintf(name, sizeof(name), "blk-%u", index - 1);
	return cgroup_make(&vm->cgroup, &s->jailer, name, cgroup, c);
}

/* The page the process will report into; `fd` is for the process. */
static int make_report(struct vm_process *proc, int *fd, struct complaint *c)
{
	int copy = -1;
	int err;

	err = memfd_new("report", RF_REPORT_BYTES, fd);
	if (!err) {
		copy = fcntl(*fd, F_DUPFD_CLOEXEC, 3);
		err = copy < 0 ? -errno : rf_report_map(copy, &proc->report);
	}
	if (err)
		return complain(c, "%s: no report page: %s", proc->name,
				strerror(-err));
	return 0;
}

static int spawn_process(struct vm *vm, const struct settings *s,
			 uint32_t index, struct rf_fence_spawn *spawn,
			 struct complaint *c)
{
	struct vm_process *proc = &vm->procs[index];
	rf_autofd report = -1;
	rf_autofd cgroup = -1;
	struct rf_fence_child child;
	const char *step = "start";
	int err;

	err = fill_common(vm, s, index, spawn, &cgroup, c);
	if (err)
		return err;
	spawn->cgroup_fd = cgroup;
	err = make_report(proc, &report, c);
	if (err)
		return err;
	add_fd(spawn, report, RF_FD_REPORT);
	err = rf_fence_spawn(spawn, &child, &step);
	if (err)
		return complain(c, "%s: could not be started: %s: %s%s",
				proc->name, step, strerror(-err),
				spawn_remedy(step, err));
	proc->pid = child.pid;
	proc->pidfd = child.pidfd;
	proc->exec_ns = child.exec_ns;
	proc->traced = child.traced;
	proc->uid = spawn->uid;
	proc->alive = true;
	return 0;
}

/* A list of arguments being built; strings are borrowed. execve does not
 * change them, whatever its prototype says. */
struct arguments {
	const char *words[48];
	uint32_t nr;
};

static void add_word(struct arguments *a, const char *word)
{
	a->words[a->nr++] = word;
	a->words[a->nr] = NULL;
}

static void add_pair(struct arguments *a, const char *name, const char *value)
{
	add_word(a, name);
	add_word(a, value);
}

static char *const *argv_of(const struct arguments *a)
{
	return (char *const *)(uintptr_t)a->words;
}

/* The page of what the device may do at most; `fd` is for the device. */
static int make_limits(struct vm_process *proc, const struct disk *disk,
		       int *fd, struct complaint *c)
{
	int err = rf_limits_new(fd, &proc->limits);

	if (err)
		return complain(c, "%s: no page of limits: %s", proc->name,
				strerror(-err));
	rf_limits_set(proc->limits, &disk->limits, RF_LIMIT_ALL);
	return 0;
}

/* Ours is the end for writing, which nobody ever does: the device gets none
 * with which it could say anything. `end` is for the device. */
static int make_lifeline(struct vm_process *proc, int *end, struct complaint *c)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return complain(c, "%s: no lifeline: %s", proc->name,
				strerror(errno));
	*end = fds[0];
	proc->lifeline = fds[1];
	return 0;
}

static bool is_limited(const struct disk *disk)
{
	return disk->limits.ops_per_s || disk->limits.bytes_per_s;
}

/* Numbers as words, for as long as the arguments are needed. */
struct device_words {
	char index[16];
	char queues[16];
	char map_mib[16];
	char poll_us[16];
};

static void add_device_words(struct arguments *a, const struct settings *s,
			     uint32_t i, struct device_words *w)
{
	const struct disk *disk = &s->disks[i];
	uint32_t queues = disk->queues;

	if (queues == 0)
		queues = s->cpus < DISK_QUEUES_MAX ? s->cpus : DISK_QUEUES_MAX;
	(void)snprintf(w->index, sizeof(w->index), "%u", i);
	(void)snprintf(w->queues, sizeof(w->queues), "%u", queues);
	(void)snprintf(w->map_mib, sizeof(w->map_mib), "%d", disk->map_mib);
	(void)snprintf(w->poll_us, sizeof(w->poll_us), "%d", disk->poll_us);
	add_word(a, "ringfence-blk");
	add_pair(a, "--index", w->index);
	if (disk->read_only)
		add_word(a, "--read-only");
	if (disk->serial[0])
		add_pair(a, "--serial", disk->serial);
	if (disk->direct)
		add_word(a, "--direct");
	if (disk->io != DISK_IO_AUTO)
		add_pair(a, "--io", disk_io_name(disk->io));
	if (queues > 1)
		add_pair(a, "--queues", w->queues);
	if (disk->map_mib != DISK_MAP_DEFAULT)
		add_pair(a, "--map-mib", w->map_mib);
	if (disk->poll_us != DISK_POLL_AUTO)
		add_pair(a, "--poll-us", w->poll_us);
	if (disk->without[0])
		add_pair(a, "--without", disk->without);
	if (s->control[0] || is_limited(disk))
		add_word(a, "--limits");
	if (s->jailer.root[0])
		add_pair(a, "--root", s->jailer.root);
}

static int spawn_device(struct vm *vm, const struct settings *s,
			const struct images *im, const struct wires *w,
			uint32_t i, struct complaint *c)
{
	struct rf_fence_spawn spawn = { .exe_fd = im->blk_exe };
	struct arguments a = { .nr = 0 };
	struct device_words words;
	rf_autofd limits = -1;
	rf_autofd lifeline = -1;
	int err;

	err = make_limits(&vm->procs[1 + i], &s->disks[i], &limits, c);
	if (!err)
		err = make_lifeline(&vm->procs[1 + i], &lifeline, c);
	if (err)
		return err;
	add_device_words(&a, s, i, &words);
	spawn.argv = argv_of(&a);
	add_fd(&spawn, w->device[i], RF_FD_CONTROL);
	add_fd(&spawn, im->disks[i], RF_FD_BACKING);
	add_fd(&spawn, limits, RF_FD_LIMITS);
	add_fd(&spawn, lifeline, RF_FD_LIFELINE);
	return spawn_process(vm, s, 1 + i, &spawn, c);
}

static int spawn_vmm(struct vm *vm, const struct settings *s,
		     const struct images *im, const struct wires *w,
		     struct complaint *c)
{
	struct rf_fence_spawn spawn = { .exe_fd = im->vmm_exe };
	struct arguments a = { .nr = 0 };
	char memory[24];
	char cpus[16];
	char devices[16];
	uint32_t i;

	(void)snprintf(memory, sizeof(memory), "%" PRIu64, s->memory_bytes);
	(void)snprintf(cpus, sizeof(cpus), "%u", s->cpus);
	(void)snprintf(devices, sizeof(devices), "%u", im->nr_disks);
	add_word(&a, "ringfence-vmm");
	add_pair(&a, "--memory", memory);
	add_pair(&a, "--cpus", cpus);
	add_pair(&a, "--accel", im->kvm < 0 ? "none" : "kvm");
	add_pair(&a, "--doorbell", settings_doorbell_name(s->doorbell));
	add_pair(&a, "--registers", settings_registers_name(s->registers));
	add_pair(&a, "--devices", devices);
	if (im->initrd >= 0)
		add_pair(&a, "--initrd", "yes");
	if (s->append[0])
		add_pair(&a, "--cmdline", s->append);
	if (s->jailer.root[0])
		add_pair(&a, "--root", s->jailer.root);
	if (vm->input != TERMINAL_NONE) {
		add_pair(&a, "--input", terminal_input_name(vm->input));
		add_fd(&spawn, STDIN_FILENO, RF_FD_CONSOLE_IN);
	}
	spawn.argv = argv_of(&a);
	add_fd(&spawn, STDOUT_FILENO, RF_FD_CONSOLE);
	add_fd(&spawn, w->control, RF_FD_CONTROL);
	if (im->kvm >= 0)
		add_fd(&spawn, im->kvm, RF_FD_BACKING);
	add_fd(&spawn, im->kernel, RF_FD_KERNEL);
	if (im->initrd >= 0)
		add_fd(&spawn, im->initrd, RF_FD_INITRD);
	for (i = 0; i < im->nr_disks; i++)
		add_fd(&spawn, w->vmm[i], RF_FD_DEVICES + (int)i);
	return spawn_process(vm, s, 0, &spawn, c);
}

static void init(struct vm *vm, const struct settings *s,
		 const struct images *im)
{
	uint32_t i;

	*vm = (struct vm){ .control = -1,
			   .signals = -1,
			   .report = -1,
			   .nr = 1 + im->nr_disks,
			   .cgroup = { .parent = -1, .dir = -1 },
			   .requests = { .sock = -1, .dir = -1 },
			   .stands_in = im->kvm < 0,
			   .keep_on_device_death = s->keep_on_device_death,
			   .input = terminal_choose(s) };
	for (i = 0; i < VM_PROCESSES_MAX; i++) {
		struct vm_process *proc = &vm->procs[i];

		proc->pidfd = -1;
		proc->lifeline = -1;
		if (i == 0)
			(void)snprintf(proc->name, sizeof(proc->name), "vmm");
		else
			(void)snprintf(proc->name, sizeof(proc->name),
				       "blk[%u]", i - 1);
	}
}

int vm_start(struct vm *vm, const struct settings *s, const struct images *im,
	     struct complaint *c)
{
	struct wires w;
	uint32_t i;
	int err;

	memset(&w, -1, sizeof(w));
	init(vm, s, im);
	err = take_signals(vm, c);
	if (!err)
		err = cgroup_open(&s->jailer, &vm->cgroup, c);
	if (!err && s->control[0])
		err = control_open(&vm->requests, s->control, c);
	if (!err)
		err = make_wires(&w, vm, im->nr_disks, c);
	if (!err)
		err = spawn_vmm(vm, s, im, &w, c);
	close_vmm_wires(&w);
	if (!err && !vm_await_prepared(vm))
		err = -ECANCELED;
	for (i = 0; !err && i < im->nr_disks; i++)
		err = spawn_device(vm, s, im, &w, i, c);
	close_device_wires(&w);
	if (err)
		vm_stop(vm);
	return err;
}
