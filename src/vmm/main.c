/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * main.c - the vCPU process from its first line to the running guest
 *
 * The order, and why:
 *
 *   1  read the arguments            the launcher's word, nobody else's
 *   2  cross the fence               no filter yet: what follows makes things
 *   3  map the report page
 *   4  guest memory, VM, vCPUs       every descriptor this process will ever
 *      eventfds, doorbells, sockets  have is made here, at its fixed place;
 *      timer, epoll                  all memory is allocated
 *   5  start the vCPU threads        each loads `vcpu` and parks
 *   6  load `vmm` on this thread     from here on nothing new can be made
 *   7  PREPARED                      the launcher starts the devices, which so
 *                                    never wait for KVM
 *      read the kernel image         the first bytes from outside
 *   8  talk to the devices           hostile answers, judged in src/wire
 *      doorbells are registered once the device has mapped its ring
 *   9  seal the devices
 *  10  READY, wait for GO            the launcher loads its own filter between
 *  11  run; serve until the end
 *
 * 4 reads no outside byte, 7 and 8 create nothing: a liar on any side finds a
 * process that can no longer open, map executable, fork or connect.
 *
 * Side:    vmm, main thread.
 * Owns:    the struct vmm.
 * Needs:   after the filter: pread64 and close on RF_FD_KERNEL; the rest is
 *          named in serve.c, vdev.c, vm.c. clock_gettime where the vdso cannot
 *          answer (rf_clock_ns() of the report and of frontend.c's timeouts).
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <ringfence/log.h>
#include <ringfence/policy.h>

#include "base/launch_proto.h"
#include "vmm/elf.h"
#include "vmm/options.h"
#include "vmm/serve.h"
#include "vmm/vcpu.h"
#include "vmm/vmm.h"

/* Filters tell eventfds by their numbers: 256 and up. */
#define MAIN_EVENTFD_MIN 256

enum { MAIN_STATUS_FAILED = 1, MAIN_STATUS_USAGE = 2 };

static struct vmm the_vmm;

static int complain(const char *step, int rc)
{
	rf_log("%s: %s", step, strerrorname_np(-rc));
	return rc;
}

/* 2 */
static void cross(const struct options *o)
{
	int keep[6 + RF_FENCE_DEVICES_MAX] = { RF_FD_CONSOLE, RF_FD_LOG,
					       RF_FD_CONTROL, RF_FD_REPORT };
	struct rf_fence fence = { .root = o->root, .keep = keep, .nr_keep = 4 };
	uint32_t i;

	if (o->kvm) {
		keep[fence.nr_keep++] = RF_FD_BACKING;
		keep[fence.nr_keep++] = RF_FD_KERNEL;
	}
	for (i = 0; i < o->nr_devices; i++)
		keep[fence.nr_keep++] = RF_FD_DEVICES + (int)i;
	rf_fence_enter(&fence);
}

/* A console or launcher that went away is an error of write or send, not the
 * end of this process. */
static int ignore_broken_pipes(void)
{
	const struct sigaction ignore = { .sa_handler = SIG_IGN };

	return sigaction(SIGPIPE, &ignore, NULL) < 0 ? -errno : 0;
}

/* Occupy every free number below MAIN_EVENTFD_MIN, so that eventfds made by
 * other rooms land above; closed again once they are there. */
static int occupy_low_fds(bool *occupied)
{
	int fd;

	memset(occupied, 0, MAIN_EVENTFD_MIN);
	for (;;) {
		fd = fcntl(RF_FD_LOG, F_DUPFD_CLOEXEC, 0);
		if (fd < 0)
			return complain("descriptors (RLIMIT_NOFILE must be "
					"512 or more)",
					-errno);
		if (fd >= MAIN_EVENTFD_MIN)
			break;
		occupied[fd] = true;
	}
	close(fd);
	return 0;
}

static void release_low_fds(const bool *occupied)
{
	int fd;

	for (fd = 0; fd < MAIN_EVENTFD_MIN; fd++)
		if (occupied[fd])
			close(fd);
}

/* 4: the machine */
static int make_vm(struct vmm *vmm, const struct options *o)
{
	int rc;

	rc = memory_new(o->memory_bytes, RF_FD_RING, &vmm->memory);
	if (rc < 0)
		return complain("guest memory", rc);
	if (!vmm->kvm)
		return 0;
	rc = vm_new(RF_FD_BACKING, &vmm->memory, &vmm->vm);
	if (rc == 0)
		rc = vm_add_vcpus(&vmm->vm, RF_FD_BACKING, o->nr_cpus);
	/* It has done its work: whoever owns us later makes no second VM. */
	if (rc == 0)
		close(RF_FD_BACKING);
	return rc;
}

/* Kinds are tried one by one, best first: trying one costs milliseconds. */
static int choose_doorbell(const struct vmm *vmm, const struct options *o,
			   enum rf_doorbell_kind *out)
{
	const int vm_fd = vmm->kvm ? vmm->vm.fd : -1;
	char why_not[RF_DOORBELL_WHY_BYTES];
	uint32_t kind;

	for (kind = 0; kind < RF_DOORBELL_NR_KINDS; kind++) {
		if (!o->any_doorbell && kind != o->doorbell)
			continue;
		*out = (enum rf_doorbell_kind)kind;
		if (rf_doorbell_probe_kind(vm_fd, *out, why_not))
			return 0;
		if (!o->any_doorbell)
			rf_log("doorbell %s does not work here: %s",
			       rf_doorbell_kind_name(*out), why_not);
	}
	if (o->any_doorbell)
		rf_log("no kind of doorbell works here");
	return -ENOTSUP;
}

static int make_doorbells(struct vmm *vmm, const struct options *o)
{
	enum rf_doorbell_kind kind = RF_DOORBELL_EXIT;
	int rc;

	rc = choose_doorbell(vmm, o, &kind);
	if (rc < 0)
		return rc;
	rc = rf_doorbell_set_new(kind, vmm->kvm ? vmm->vm.fd : -1,
				 kind == RF_DOORBELL_COALESCED ? vmm->vm.legacy
							       : NULL,
				 &vmm->doorbells);
	if (rc < 0)
		return complain("doorbells", rc);
	RF_REPORT_SET(vmm->report, doorbell_kind, (uint64_t)kind + 1);
	return 0;
}

static int make_serial(struct vmm *vmm)
{
	int irq = -1;
	int rc = 0;

	if (vmm->kvm) {
		irq = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (irq < 0)
			return complain("eventfd", -errno);
		rc = vm_irqfd(&vmm->vm, irq, SERIAL_IRQ);
	}
	serial_init(&vmm->serial, RF_FD_CONSOLE, irq);
	return rc;
}

/* 4: what goes with it; everything made in here is numbered 256 and up. */
static int make_devices(struct vmm *vmm, const struct options *o)
{
	struct vdev_params p = { .vm = vmm->kvm ? &vmm->vm : NULL,
				 .report = vmm->report };
	uint32_t i;
	int rc;

	rc = make_doorbells(vmm, o);
	if (rc == 0)
		rc = make_serial(vmm);
	p.doorbells = vmm->doorbells;
	for (i = 0; i < o->nr_devices && rc == 0; i++) {
		p.index = i;
		rc = vdev_prepare(&vmm->devices[i], &p);
	}
	if (rc == 0)
		vmm->nr_devices = o->nr_devices;
	return rc;
}

static int make_cmdline(struct vmm *vmm, const struct options *o)
{
	size_t used = 0;
	uint32_t i;
	int n;

	for (i = 0; i < o->nr_devices; i++) {
		n = snprintf(vmm->cmdline + used, sizeof(vmm->cmdline) - used,
			     "virtio_mmio.device=4K@0x%llx:%u ",
			     (unsigned long long)vdev_gpa(i), VDEV_GSI + i);
		used += (size_t)n;
	}
	n = snprintf(vmm->cmdline + used, sizeof(vmm->cmdline) - used, "%s",
		     o->cmdline);
	if (n < 0 || (size_t)n >= sizeof(vmm->cmdline) - used) {
		rf_log("the kernel command line is longer than %u bytes",
		       PVH_CMDLINE_BYTES - 1);
		return -EINVAL;
	}
	return 0;
}

static int make_everything(struct vmm *vmm, const struct options *o)
{
	bool occupied[MAIN_EVENTFD_MIN];
	int rc;

	rc = make_cmdline(vmm, o);
	if (rc == 0)
		rc = make_vm(vmm, o);
	if (rc < 0)
		return rc;
	rc = occupy_low_fds(occupied);
	if (rc == 0)
		rc = make_devices(vmm, o);
	release_low_fds(occupied);
	if (rc == 0)
		rc = serve_prepare(vmm);
	if (rc == 0)
		rc = work_init(&vmm->work, RF_FD_WAKE, o->nr_cpus);
	return rc;
}

/* 5, 6 */
static int load_filters(struct vmm *vmm, const struct options *o)
{
	uint32_t i;
	int rc = 0;

	/* One stand-in, however many processors were asked for. */
	vmm->nr_vcpus = vmm->kvm ? o->nr_cpus : 1;
	for (i = 0; i < vmm->nr_vcpus && rc == 0; i++)
		rc = vcpu_start(vmm, i);
	if (rc < 0)
		return complain("vCPU threads", rc);
	rc = rf_policy_load(&rf_policy_vmm);
	if (rc < 0)
		return complain("filter", rc);
	RF_REPORT_SET(vmm->report, fenced_ns, rf_clock_ns());
	return 0;
}

/* 7 */
static int tell_prepared(void)
{
	int rc = launch_send(RF_FD_CONTROL, LAUNCH_PREPARED, 0);

	return rc < 0 ? complain("the launcher", rc) : 0;
}

/* Its size, while asking is still allowed. No byte of it is read. */
static int size_kernel(bool kvm, uint64_t *bytes)
{
	struct stat st;

	*bytes = 0;
	if (!kvm)
		return 0;
	if (fstat(RF_FD_KERNEL, &st) < 0)
		return complain("kernel", -errno);
	if (!S_ISREG(st.st_mode)) {
		rf_log("kernel: it is not a regular file");
		return -EINVAL;
	}
	*bytes = (uint64_t)st.st_size;
	return 0;
}

/* 7 */
static int load_kernel(struct vmm *vmm, uint64_t bytes)
{
	struct elf_image image;
	const char *why = NULL;
	int rc;

	if (!vmm->kvm)
		return 0;
	rc = elf_load(RF_FD_KERNEL, bytes, &vmm->memory, &image, &why);
	close(RF_FD_KERNEL);
	if (rc < 0) {
		rf_log("kernel: %s (%s)", why, strerrorname_np(-rc));
		return rc;
	}
	rc = pvh_write(&vmm->memory, vmm->cmdline);
	if (rc < 0)
		return complain("boot structures", rc);
	return vm_enter_at(&vmm->vm, image.entry);
}

/* 8, 9 */
static int connect_devices(struct vmm *vmm)
{
	uint32_t i;
	int rc = 0;

	for (i = 0; i < vmm->nr_devices && rc == 0; i++)
		rc = vdev_connect(&vmm->devices[i], &vmm->memory);
	for (i = 0; i < vmm->nr_devices && rc == 0; i++)
		rc = vdev_seal(&vmm->devices[i]);
	return rc;
}

static int start(struct vmm *vmm, const struct options *o, uint64_t main_ns)
{
	uint64_t kernel_bytes = 0;
	int rc;

	rc = ignore_broken_pipes();
	if (rc == 0)
		rc = rf_report_map(RF_FD_REPORT, &vmm->report);
	if (rc < 0)
		return complain("report page", rc);
	RF_REPORT_SET(vmm->report, main_ns, main_ns);
	vmm->kvm = o->kvm;
	rc = size_kernel(o->kvm, &kernel_bytes);
	if (rc == 0)
		rc = make_everything(vmm, o);
	if (rc == 0)
		rc = load_filters(vmm, o);
	if (rc == 0)
		rc = tell_prepared();
	if (rc == 0)
		rc = load_kernel(vmm, kernel_bytes);
	if (rc == 0)
		rc = connect_devices(vmm);
	if (rc == 0)
		RF_REPORT_SET(vmm->report, sealed_ns, rf_clock_ns());
	return rc;
}

int main(int argc, char **argv)
{
	const uint64_t main_ns = rf_clock_ns();
	char why[OPTIONS_WHY_BYTES];
	struct options o;

	rf_log_name("rf-vmm", -1);
	if (options_parse(argc, argv, &o, why) < 0) {
		rf_log("%s; see ringfence-vmm --help", why);
		return MAIN_STATUS_USAGE;
	}
	if (o.help || o.version) {
		fputs(o.help ? options_usage()
			     : "ringfence-vmm " RF_VERSION "\n",
		      stdout);
		return EXIT_SUCCESS;
	}
	cross(&o);
	if (start(&the_vmm, &o, main_ns) < 0)
		_exit(MAIN_STATUS_FAILED);
	/* Not exit(): its handlers know nothing of filters, and the vCPU
	 * threads are still there. */
	_exit(serve_run(&the_vmm));
}
