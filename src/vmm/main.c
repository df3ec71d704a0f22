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
 *      read kernel and initramfs     the first bytes from outside
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
 * Needs:   after the filter: pread64 and close on RF_FD_KERNEL and
 *          RF_FD_INITRD; the rest is named in serve.c, vdev.c, vm.c.
 *          clock_gettime where the vdso cannot
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
#include "vmm/acpi.h"
#include "vmm/initrd.h"
#include "vmm/kernel.h"
#include "vmm/options.h"
#include "vmm/serve.h"
#include "vmm/vcpu.h"
#include "vmm/vmm.h"

/* Filters tell eventfds by their numbers: 512 and up. */
#define MAIN_EVENTFD_MIN 512

enum { MAIN_STATUS_FAILED = 1, MAIN_STATUS_USAGE = 2 };

/* What is read in step 7; sizes are asked for in step 4. */
struct outside {
	uint64_t kernel_bytes;
	uint64_t initrd_bytes; /* 0: none */
};

static struct vmm the_vmm;

static int complain(const char *step, int rc)
{
	rf_log("%s: %s", step, strerrorname_np(-rc));
	return rc;
}

/* 2 */
static void cross(const struct options *o)
{
	static const int always[] = { RF_FD_CONSOLE, RF_FD_LOG, RF_FD_CONTROL,
				      RF_FD_REPORT };
	int keep[8 + RF_FENCE_DEVICES_MAX];
	struct rf_fence fence = { .root = o->root, .keep = keep };
	uint32_t i;

	if (o->input != INPUT_NONE)
		keep[fence.nr_keep++] = RF_FD_CONSOLE_IN;
	for (i = 0; i < RF_ARRAY_LEN(always); i++)
		keep[fence.nr_keep++] = always[i];
	if (o->kvm) {
		keep[fence.nr_keep++] = RF_FD_BACKING;
		keep[fence.nr_keep++] = RF_FD_KERNEL;
	}
	if (o->initrd)
		keep[fence.nr_keep++] = RF_FD_INITRD;
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
					"1024 or more)",
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
	if (rc == 0)
		stats_open(&vmm->stats, o->nr_cpus);
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

static int choose_registers(struct vmm *vmm, const struct options *o)
{
	const char *why = NULL;

	if (vmm->kvm && o->registers != OPTIONS_REGISTERS_EXIT)
		vmm->register_pages = vm_has_register_pages(&vmm->vm, &why);
	if (o->registers == OPTIONS_REGISTERS_PAGE && !vmm->register_pages) {
		rf_log("registers page do not work here: this host's KVM lacks "
		       "%s",
		       why);
		return -ENOTSUP;
	}
	RF_REPORT_SET(vmm->report, register_pages,
		      1 + (uint64_t)vmm->register_pages);
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
	serial_init(&vmm->serial, RF_FD_CONSOLE, irq, RF_FD_WAKE);
	return rc;
}

/* 4: what goes with it; everything made in here is numbered 512 and up. */
static int make_devices(struct vmm *vmm, const struct options *o)
{
	struct vdev_params p = { .vm = vmm->kvm ? &vmm->vm : NULL,
				 .report = vmm->report };
	uint32_t i;
	int rc;

	rc = make_doorbells(vmm, o);
	if (rc == 0)
		rc = choose_registers(vmm, o);
	if (rc == 0)
		rc = make_serial(vmm);
	p.doorbells = vmm->doorbells;
	p.register_pages = vmm->register_pages;
	for (i = 0; i < o->nr_devices && rc == 0; i++) {
		p.index = i;
		rc = vdev_prepare(&vmm->devices[i], &p);
	}
	if (rc == 0)
		vmm->nr_devices = o->nr_devices;
	return rc;
}

static int refuse_cmdline(size_t len, size_t max)
{
	rf_log("the kernel command line is %zu bytes long; this kernel takes "
	       "at most %zu: say less with --append",
	       len, max);
	return -EINVAL;
}

/* Linux gives a device of its command line an interrupt only up to 15. Where
 * there are more it finds all of them in an ACPI table: none twice, and the
 * first of them first. The built-in guest reads no tables and knows another word
 * for the same. */
static bool are_in_tables(uint32_t nr_devices)
{
	return VDEV_GSI + nr_devices > 16;
}

static int write_acpi(const struct vmm *vmm)
{
	const uint32_t nr = are_in_tables(vmm->nr_devices) ? vmm->nr_devices
							   : 0;
	struct acpi_device devices[ACPI_DEVICES_MAX];
	uint32_t i;

	static_assert(ACPI_DEVICES_MAX >= RF_FENCE_DEVICES_MAX, "all of them");
	for (i = 0; i < nr; i++)
		devices[i] = (struct acpi_device){
			.gpa = (uint32_t)vdev_gpa(i),
			.bytes = RF_VIRTIO_MMIO_BYTES,
			.gsi = VDEV_GSI + i,
		};
	return acpi_write(&vmm->memory, vmm->nr_vcpus, devices, nr);
}

static int make_cmdline(struct vmm *vmm, const struct options *o)
{
	const char *word = are_in_tables(o->nr_devices) ? "rf.device"
							: "virtio_mmio.device";
	const size_t cap = sizeof(vmm->cmdline);
	size_t used = 0;
	uint32_t i;

	for (i = 0; i < o->nr_devices; i++)
		used += (size_t)snprintf(
			vmm->cmdline + used, cap - used, "%s=4K@0x%llx:%u ",
			word, (unsigned long long)vdev_gpa(i), VDEV_GSI + i);
	/* What no kernel takes need not wait for the kernel's own limit. */
	if (strlen(o->cmdline) >= cap - used)
		return refuse_cmdline(used + strlen(o->cmdline), cap - 1);
	memcpy(vmm->cmdline + used, o->cmdline, strlen(o->cmdline) + 1);
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
		rc = serve_prepare(vmm, o->input);
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
static int size_file(int fd, const char *name, uint64_t *bytes)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return complain(name, -errno);
	if (!S_ISREG(st.st_mode)) {
		rf_log("%s: it is not a regular file", name);
		return -EINVAL;
	}
	*bytes = (uint64_t)st.st_size;
	return 0;
}

/* 4: what comes from outside */
static int size_files(const struct options *o, struct outside *out)
{
	int rc = 0;

	if (o->kvm)
		rc = size_file(RF_FD_KERNEL, "kernel", &out->kernel_bytes);
	if (rc == 0 && o->initrd)
		rc = size_file(RF_FD_INITRD, "initramfs", &out->initrd_bytes);
	/* "None" is no file, not an empty one. */
	if (rc == 0 && o->initrd && out->initrd_bytes == 0) {
		rf_log("initramfs: it is empty");
		rc = -EINVAL;
	}
	return rc;
}

static int load_initrd(struct vmm *vmm, const struct kernel *kernel,
		       struct boot_info *info)
{
	const struct initrd_room room = { .start = kernel->end,
					  .last = kernel->initrd_max };
	char why[INITRD_WHY_BYTES];
	int rc;

	if (info->initrd_bytes == 0)
		return 0;
	rc = initrd_load(RF_FD_INITRD, info->initrd_bytes, &vmm->memory, &room,
			 &info->initrd_gpa, why);
	close(RF_FD_INITRD);
	if (rc < 0)
		rf_log("initramfs: %s", why);
	return rc;
}

/* 7 */
static int load_kernel(struct vmm *vmm, const struct outside *outside)
{
	struct boot_info info = { .cmdline = vmm->cmdline,
				  .rsdp_gpa = ACPI_GPA,
				  .initrd_bytes = outside->initrd_bytes };
	const char *why = NULL;
	struct kernel kernel;
	int rc;

	if (!vmm->kvm)
		return 0;
	rc = kernel_load(RF_FD_KERNEL, outside->kernel_bytes, &vmm->memory,
			 &kernel, &why);
	close(RF_FD_KERNEL);
	if (rc < 0) {
		rf_log("kernel: %s (%s)", why, strerrorname_np(-rc));
		return rc;
	}
	if (strlen(vmm->cmdline) > kernel.cmdline_max)
		return refuse_cmdline(strlen(vmm->cmdline), kernel.cmdline_max);
	rc = load_initrd(vmm, &kernel, &info);
	if (rc < 0)
		return rc;
	rc = write_acpi(vmm);
	if (rc == 0)
		rc = kernel_tell(&kernel, &vmm->memory, &info);
	if (rc < 0)
		return complain("boot structures", rc);
	return vm_enter(&vmm->vm, &kernel);
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
	struct outside outside = { 0 };
	int rc;

	rc = ignore_broken_pipes();
	if (rc == 0)
		rc = rf_report_map(RF_FD_REPORT, &vmm->report);
	if (rc < 0)
		return complain("report page", rc);
	RF_REPORT_SET(vmm->report, main_ns, main_ns);
	vmm->kvm = o->kvm;
	rc = size_files(o, &outside);
	if (rc == 0)
		rc = make_everything(vmm, o);
	if (rc == 0)
		rc = load_filters(vmm, o);
	if (rc == 0)
		rc = tell_prepared();
	if (rc == 0)
		rc = load_kernel(vmm, &outside);
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
