/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * vm.c - the virtual machine as KVM knows it: memory, interrupts, processors
 *
 * Side:    vmm, main thread.
 * Owns:    RF_FD_VM, RF_FD_VCPUS and the mappings of struct kvm_run.
 * Callers: main.c before the filter; serve.c for vm_explain().
 * Needs:   after the filter: ioctl(KVM_SET_SREGS, KVM_SET_REGS) on the first
 *          vCPU, ioctl(KVM_GET_REGS) on any.
 * Never:   passes a VM or vCPU descriptor on: they work in this process only.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <ringfence/fence.h>
#include <ringfence/log.h>

#include "vmm/cpuid.h"
#include "vmm/vm.h"

/* Three pages and one that Intel processors need to run real mode; both in the
 * hole below 4 GiB, where neither memory nor devices are. */
#define VM_TSS_GPA 0xfffbd000ul
#define VM_IDENTITY_MAP_GPA 0xfffbc000ull
#define VM_PAGE_BYTES 4096u

static int complain(const char *step)
{
	int err = errno;

	rf_log("/dev/kvm: %s: %s", step, strerrorname_np(err));
	return -err;
}

static int place(int fd, int to, const char *step)
{
	int rc;

	if (fd < 0)
		return complain(step);
	rc = rf_fd_move(fd, to);
	if (rc < 0)
		rf_log("/dev/kvm: %s: descriptor %d: %s", step, to,
		       strerrorname_np(-rc));
	return rc;
}

static int check_version(int kvm_fd)
{
	int version = ioctl(kvm_fd, KVM_GET_API_VERSION, 0);

	if (version < 0)
		return complain("KVM_GET_API_VERSION");
	if (version == KVM_API_VERSION)
		return 0;
	rf_log("/dev/kvm: API version %d, need %d", version, KVM_API_VERSION);
	return -ENOTSUP;
}

static int check_extensions(int vm_fd)
{
	static const struct {
		long nr;
		const char *name;
	} needed[] = {
		{ KVM_CAP_IRQCHIP, "KVM_CAP_IRQCHIP" },
		{ KVM_CAP_USER_MEMORY, "KVM_CAP_USER_MEMORY" },
		{ KVM_CAP_SET_TSS_ADDR, "KVM_CAP_SET_TSS_ADDR" },
		{ KVM_CAP_IRQFD, "KVM_CAP_IRQFD" },
		{ KVM_CAP_EXT_CPUID, "KVM_CAP_EXT_CPUID" },
	};
	size_t i;

	for (i = 0; i < RF_ARRAY_LEN(needed); i++) {
		if (ioctl(vm_fd, KVM_CHECK_EXTENSION, needed[i].nr) > 0)
			continue;
		rf_log("/dev/kvm: this host's KVM lacks %s", needed[i].name);
		return -ENOTSUP;
	}
	return 0;
}

/* CPUID does not tell the guest of them (cpuid.c), and old AMD ones are there
 * untold. A KVM that has no such switch, or no counters, says no. */
static void switch_off_counters(int vm_fd)
{
	const struct kvm_enable_cap off = {
		.cap = KVM_CAP_PMU_CAPABILITY,
		.args = { KVM_PMU_CAP_DISABLE },
	};

	(void)ioctl(vm_fd, KVM_ENABLE_CAP, &off);
}

static int add_memory(int vm_fd, const struct memory *mem)
{
	uint32_t i;

	for (i = 0; i < mem->nr_regions; i++) {
		struct kvm_userspace_memory_region slot = {
			.slot = i,
			.guest_phys_addr = mem->regions[i].gpa,
			.memory_size = mem->regions[i].bytes,
			.userspace_addr = (uintptr_t)mem->base +
					  mem->regions[i].offset,
		};

		if (ioctl(vm_fd, KVM_SET_USER_MEMORY_REGION, &slot) < 0)
			return complain("KVM_SET_USER_MEMORY_REGION");
	}
	return 0;
}

static int add_chips(int vm_fd)
{
	const uint64_t identity_map = VM_IDENTITY_MAP_GPA;
	/* The speaker port reads as a timer there; nobody hears it. */
	const struct kvm_pit_config pit = { .flags = KVM_PIT_SPEAKER_DUMMY };

	if (ioctl(vm_fd, KVM_SET_IDENTITY_MAP_ADDR, &identity_map) < 0)
		return complain("KVM_SET_IDENTITY_MAP_ADDR");
	if (ioctl(vm_fd, KVM_SET_TSS_ADDR, VM_TSS_GPA) < 0)
		return complain("KVM_SET_TSS_ADDR");
	/* Before the first vCPU: each gets its local APIC from this. */
	if (ioctl(vm_fd, KVM_CREATE_IRQCHIP, 0) < 0)
		return complain("KVM_CREATE_IRQCHIP");
	if (ioctl(vm_fd, KVM_CREATE_PIT2, &pit) < 0)
		return complain("KVM_CREATE_PIT2");
	return 0;
}

int vm_new(int kvm_fd, const struct memory *mem, struct vm *out)
{
	struct vm vm = { .fd = RF_FD_VM };
	int rc;

	rc = check_version(kvm_fd);
	if (rc < 0)
		return rc;
	rc = place(ioctl(kvm_fd, KVM_CREATE_VM, 0), vm.fd, "KVM_CREATE_VM");
	if (rc < 0)
		return rc;
	rc = check_extensions(vm.fd);
	/* Before the first vCPU, or it says no. */
	switch_off_counters(vm.fd);
	if (rc == 0)
		rc = add_memory(vm.fd, mem);
	if (rc == 0)
		rc = add_chips(vm.fd);
	if (rc < 0) {
		rf_fd_close(&vm.fd);
		return rc;
	}
	*out = vm;
	return 0;
}

/* What firmware does, before a kernel is entered: memory is cached unless page
 * tables say otherwise, and string instructions are fast. A processor that has
 * no such register does without. */
static void set_msrs(int vcpu_fd)
{
	static const struct kvm_msr_entry msrs[] = {
		{ .index = 0x2ff, .data = 0x806 }, /* MTRRs on, write-back */
		{ .index = 0x1a0, .data = 0x1 },   /* IA32_MISC_ENABLE */
	};
	union {
		struct kvm_msrs head;
		uint8_t room[sizeof(struct kvm_msrs) + sizeof(msrs[0])];
	} one;
	uint32_t i;

	for (i = 0; i < RF_ARRAY_LEN(msrs); i++) {
		memset(&one, 0, sizeof(one));
		one.head.nmsrs = 1;
		memcpy(one.head.entries, &msrs[i], sizeof(msrs[i]));
		(void)ioctl(vcpu_fd, KVM_SET_MSRS, &one);
	}
}

static int add_vcpu(struct vm *vm, uint32_t id, struct kvm_cpuid2 *cpuid)
{
	int fd = RF_FD_VCPUS + (int)id;
	void *run;
	int rc;

	rc = place(ioctl(vm->fd, KVM_CREATE_VCPU, (unsigned long)id), fd,
		   "KVM_CREATE_VCPU");
	if (rc < 0)
		return rc;
	run = mmap(NULL, vm->run_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
		   0);
	if (run == MAP_FAILED)
		return complain("mapping of a vCPU");
	vm->runs[id] = run;
	cpuid_personalize(cpuid, id);
	if (ioctl(fd, KVM_SET_CPUID2, cpuid) < 0)
		return complain("KVM_SET_CPUID2");
	set_msrs(fd);
	return 0;
}

/* KVM's page of coalesced writes is behind struct kvm_run; how many pages
 * behind is what the extension check answers. */
static void find_legacy(struct vm *vm)
{
	int page = ioctl(vm->fd, KVM_CHECK_EXTENSION,
			 (long)KVM_CAP_COALESCED_MMIO);

	if (page <= 0 || vm->run_bytes / VM_PAGE_BYTES <= (size_t)page)
		return;
	vm->legacy = (struct rf_ring_page *)((uint8_t *)vm->runs[0] +
					     (size_t)page * VM_PAGE_BYTES);
}

static int add_vcpus(struct vm *vm, uint32_t nr, struct kvm_cpuid2 *cpuid)
{
	const bool tsc_deadline = ioctl(vm->fd, KVM_CHECK_EXTENSION,
					(long)KVM_CAP_TSC_DEADLINE_TIMER) > 0;
	uint32_t i;
	int rc;

	rc = cpuid_fit(cpuid, nr, tsc_deadline);
	if (rc < 0) {
		rf_log("/dev/kvm: its CPUID has too many leaves");
		return rc;
	}
	for (i = 0; i < nr; i++) {
		rc = add_vcpu(vm, i, cpuid);
		if (rc < 0)
			return rc;
	}
	vm->nr_vcpus = nr;
	find_legacy(vm);
	/* The others wait in KVM for the first one's start-up interrupt. What
	 * KVM made of the first one is the base of what its kernel wants. */
	if (ioctl(RF_FD_VCPUS, KVM_GET_SREGS, &vm->sregs) < 0)
		return complain("KVM_GET_SREGS");
	return 0;
}

int vm_add_vcpus(struct vm *vm, int kvm_fd, uint32_t nr)
{
	struct kvm_cpuid2 *cpuid;
	int bytes;
	int rc;

	bytes = ioctl(kvm_fd, KVM_GET_VCPU_MMAP_SIZE, 0);
	if (bytes < 0)
		return complain("KVM_GET_VCPU_MMAP_SIZE");
	if ((size_t)bytes < sizeof(struct kvm_run)) {
		rf_log("/dev/kvm: KVM_GET_VCPU_MMAP_SIZE: %d bytes, too few",
		       bytes);
		return -ENOTSUP;
	}
	vm->run_bytes = (size_t)bytes;
	cpuid = calloc(1, sizeof(*cpuid) + CPUID_ENTRIES_MAX *
						   sizeof(cpuid->entries[0]));
	if (!cpuid)
		return -ENOMEM;
	cpuid->nent = CPUID_ENTRIES_MAX;
	if (ioctl(kvm_fd, KVM_GET_SUPPORTED_CPUID, cpuid) < 0)
		rc = complain("KVM_GET_SUPPORTED_CPUID");
	else
		rc = add_vcpus(vm, nr, cpuid);
	free(cpuid);
	return rc;
}

int vm_irqfd(const struct vm *vm, int event_fd, uint32_t gsi)
{
	const struct kvm_irqfd irqfd = { .fd = (uint32_t)event_fd, .gsi = gsi };

	if (ioctl(vm->fd, KVM_IRQFD, &irqfd) < 0)
		return complain("KVM_IRQFD");
	return 0;
}

bool vm_has_register_pages(const struct vm *vm, const char **why)
{
	static const struct {
		long nr;
		const char *name;
	} needed[] = {
		{ KVM_CAP_READONLY_MEM, "KVM_CAP_READONLY_MEM" },
		{ KVM_CAP_IOEVENTFD, "KVM_CAP_IOEVENTFD" },
	};
	size_t i;

	for (i = 0; i < RF_ARRAY_LEN(needed); i++) {
		*why = needed[i].name;
		if (ioctl(vm->fd, KVM_CHECK_EXTENSION, needed[i].nr) <= 0)
			return false;
	}
	return true;
}

int vm_add_register_page(const struct vm *vm, uint32_t nr, uint64_t gpa,
			 const void *page)
{
	const struct kvm_userspace_memory_region slot = {
		.slot = MEMORY_REGIONS_MAX + nr,
		.flags = KVM_MEM_READONLY,
		.guest_phys_addr = gpa,
		.memory_size = VM_PAGE_BYTES,
		.userspace_addr = (uintptr_t)page,
	};

	if (ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &slot) < 0)
		return complain("KVM_SET_USER_MEMORY_REGION of registers");
	return 0;
}

int vm_swallow(const struct vm *vm, int event_fd, uint64_t gpa, uint32_t value)
{
	const struct kvm_ioeventfd bell = {
		.datamatch = value,
		.addr = gpa,
		.len = sizeof(value),
		.fd = event_fd,
		.flags = KVM_IOEVENTFD_FLAG_DATAMATCH,
	};

	if (ioctl(vm->fd, KVM_IOEVENTFD, &bell) < 0)
		return complain("KVM_IOEVENTFD");
	return 0;
}

int vm_enter(const struct vm *vm, const struct kernel *kernel)
{
	struct kvm_sregs sregs = vm->sregs;
	struct kvm_regs regs;

	kernel_registers(kernel, &sregs, &regs);
	if (ioctl(RF_FD_VCPUS, KVM_SET_SREGS, &sregs) < 0)
		return complain("KVM_SET_SREGS");
	if (ioctl(RF_FD_VCPUS, KVM_SET_REGS, &regs) < 0)
		return complain("KVM_SET_REGS");
	return 0;
}

static void hex(const uint8_t *bytes, uint32_t nr, char *out)
{
	static const char digits[] = "0123456789abcdef";
	uint32_t i;

	for (i = 0; i < nr; i++) {
		*out++ = ' ';
		*out++ = digits[bytes[i] >> 4];
		*out++ = digits[bytes[i] & 0xf];
	}
	*out = '\0';
}

static void explain_emulation(const struct kvm_run *run, uint32_t index,
			      unsigned long long rip)
{
	char text[3 * sizeof(run->emulation_failure.insn_bytes) + 1] = "";
	uint32_t nr = run->emulation_failure.insn_size;
	bool known =
		run->emulation_failure.ndata > 0 &&
		run->emulation_failure.flags &
			KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES;

	if (nr > sizeof(run->emulation_failure.insn_bytes))
		nr = sizeof(run->emulation_failure.insn_bytes);
	if (known)
		hex(run->emulation_failure.insn_bytes, nr, text);
	rf_log("vcpu%u: KVM cannot emulate the instruction at 0x%llx: bytes%s",
	       index, rip, known ? text : " unknown");
}

void vm_explain(const struct vm *vm, uint32_t index)
{
	const struct kvm_run *run = vm->runs[index];
	struct kvm_regs regs = { 0 };
	unsigned long long rip;

	if (ioctl(RF_FD_VCPUS + (int)index, KVM_GET_REGS, &regs) < 0)
		regs.rip = UINT64_MAX;
	rip = regs.rip;
	switch (run->exit_reason) {
	case KVM_EXIT_SHUTDOWN:
		/* No address: on AMD, KVM has reset the vCPU by now, and its
		 * registers are those of any processor at power-on. */
		rf_log("vcpu%u: the guest shut its processor down (triple "
		       "fault)",
		       index);
		break;
	case KVM_EXIT_INTERNAL_ERROR:
		if (run->internal.suberror == KVM_INTERNAL_ERROR_EMULATION)
			explain_emulation(run, index, rip);
		else
			rf_log("vcpu%u: KVM internal error %u at 0x%llx", index,
			       run->internal.suberror, rip);
		break;
	case KVM_EXIT_FAIL_ENTRY:
		rf_log("vcpu%u: the processor refused to enter the guest at "
		       "0x%llx: reason 0x%llx",
		       index, rip,
		       (unsigned long long)
			       run->fail_entry.hardware_entry_failure_reason);
		break;
	case KVM_EXIT_SYSTEM_EVENT:
		rf_log("vcpu%u: the guest asked for system event %u at 0x%llx",
		       index, run->system_event.type, rip);
		break;
	default:
		rf_log("vcpu%u: KVM_RUN returned for reason %u at 0x%llx, "
		       "which is not known here",
		       index, run->exit_reason, rip);
		break;
	}
}
