/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * test_vm.c - twin of src/vmm/vm.c: a real VM, and a KVM that refuses any step
 *
 * In front of the real ioctl(2) stands one that can fail a request or answer
 * it with a number of the test's.
 */
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <ringfence/log.h>

#include "unit/places.h"
#include "unit/unit.h"
#include "vmm/vm.h"

int __wrap_ioctl(int fd, unsigned long request, ...);
int __real_ioctl(int fd, unsigned long request, ...);

static struct {
	unsigned long request; /* 0: none */
	long arg;	       /* of KVM_CHECK_EXTENSION */
	int answer;	       /* -1: with EIO */
} lie;

int __wrap_ioctl(int fd, unsigned long request, ...)
{
	va_list ap;
	long arg;

	va_start(ap, request);
	arg = va_arg(ap, long);
	va_end(ap);
	if (request != lie.request || (lie.arg && arg != lie.arg))
		return __real_ioctl(fd, request, arg);
	errno = EIO;
	return lie.answer;
}

static int kvm;
static struct memory mem;
static struct vm vm;
static int log_fd;
static char text[4096];

static void setup(void)
{
	kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	ck_assert_int_ge(kvm, 0);
	memset(&lie, 0, sizeof(lie));
	ck_assert_int_eq(memory_new(4 << 20, -1, &mem), 0);
	log_fd = memfd_create("log", MFD_CLOEXEC);
	ck_assert_int_eq(dup2(log_fd, RF_FD_LOG), RF_FD_LOG);
}

static const char *logged(void)
{
	ssize_t n = pread(log_fd, text, sizeof(text) - 1, 0);

	ck_assert_int_ge(n, 0);
	text[n] = '\0';
	return text;
}

static void is_logged(const char *what)
{
	ck_assert_msg(strstr(logged(), what) != NULL, "not \"%s\" in: %s", what,
		      text);
}

static bool is_kvm_fd(int fd, const char *kind)
{
	char link[64] = "", path[32];

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return readlink(path, link, sizeof(link) - 1) > 0 &&
	       strstr(link, kind) != NULL;
}

static int enter(uint64_t entry)
{
	const struct kernel kernel = { .protocol = KERNEL_PVH, .entry = entry };

	return vm_enter(&vm, &kernel);
}

/* mov $42, %al; out %al, $0xf4 */
static const uint8_t program[] = { 0xb0, 42, 0xe6, 0xf4 };

START_TEST(the_first_processor_runs_where_it_is_put)
{
	struct kvm_run *run;

	setup();
	ck_assert_int_eq(vm_new(kvm, &mem, &vm), 0);
	ck_assert(is_kvm_fd(RF_FD_VM, "kvm-vm"));
	ck_assert_int_eq(vm_add_vcpus(&vm, kvm, 1), 0);
	ck_assert(is_kvm_fd(RF_FD_VCPUS, "kvm-vcpu"));
	ck_assert_uint_eq(vm.nr_vcpus, 1);
	ck_assert_int_eq(memory_write(&mem, 0x100000, program, sizeof(program)),
			 0);
	ck_assert_int_eq(enter(0x100000), 0);
	run = vm.runs[0];
	while (__real_ioctl(RF_FD_VCPUS, KVM_RUN, 0) < 0)
		ck_assert_int_eq(errno, EINTR);
	ck_assert_uint_eq(run->exit_reason, KVM_EXIT_IO);
	ck_assert_uint_eq(run->io.port, 0xf4);
	ck_assert_uint_eq(*((uint8_t *)run + run->io.data_offset), 42);
	ck_assert_str_eq(logged(), "");
}
END_TEST

static const struct kvm_cpuid_entry2 *leaf(const struct kvm_cpuid2 *c,
					   uint32_t function)
{
	uint32_t i;

	for (i = 0; i < c->nent; i++)
		if (c->entries[i].function == function)
			return &c->entries[i];
	return NULL;
}

START_TEST(each_processor_knows_its_own_number)
{
	static uint64_t room[1 + 256 * sizeof(struct kvm_cpuid_entry2) / 8];
	struct kvm_cpuid2 *cpuid = (struct kvm_cpuid2 *)room;
	const struct kvm_cpuid_entry2 *e;
	uint32_t i;

	setup();
	ck_assert_int_eq(vm_new(kvm, &mem, &vm), 0);
	ck_assert_int_eq(vm_add_vcpus(&vm, kvm, 3), 0);
	for (i = 0; i < 3; i++) {
		cpuid->nent = 256;
		ck_assert_int_eq(__real_ioctl(RF_FD_VCPUS + (int)i,
					      KVM_GET_CPUID2, cpuid),
				 0);
		e = leaf(cpuid, 1);
		ck_assert_ptr_nonnull(e);
		ck_assert_uint_eq(e->ebx >> 24, i);
		ck_assert_uint_eq(e->ebx >> 16 & 0xff, 4);
		ck_assert_uint_eq(e->ecx >> 31, 1); /* a hypervisor */
		e = leaf(cpuid, 0xb);
		if (e)
			ck_assert_uint_eq(e->edx, i);
	}
}
END_TEST

static const struct {
	unsigned long request;
	long arg;
	int answer;
	int rc;
	const char *line;
} refusals[] = {
	{ KVM_GET_API_VERSION, 0, -1, -EIO, "KVM_GET_API_VERSION: EIO" },
	{ KVM_GET_API_VERSION, 0, 11, -ENOTSUP, "API version 11, need 12" },
	{ KVM_CREATE_VM, 0, -1, -EIO, "KVM_CREATE_VM: EIO" },
	{ KVM_CHECK_EXTENSION, KVM_CAP_IRQCHIP, 0, -ENOTSUP,
	  "lacks KVM_CAP_IRQCHIP" },
	{ KVM_CHECK_EXTENSION, KVM_CAP_USER_MEMORY, -1, -ENOTSUP,
	  "lacks KVM_CAP_USER_MEMORY" },
	{ KVM_CHECK_EXTENSION, KVM_CAP_IRQFD, 0, -ENOTSUP,
	  "lacks KVM_CAP_IRQFD" },
	{ KVM_SET_USER_MEMORY_REGION, 0, -1, -EIO,
	  "KVM_SET_USER_MEMORY_REGION: EIO" },
	{ KVM_SET_IDENTITY_MAP_ADDR, 0, -1, -EIO, "IDENTITY_MAP_ADDR: EIO" },
	{ KVM_SET_TSS_ADDR, 0, -1, -EIO, "KVM_SET_TSS_ADDR: EIO" },
	{ KVM_CREATE_IRQCHIP, 0, -1, -EIO, "KVM_CREATE_IRQCHIP: EIO" },
	{ KVM_CREATE_PIT2, 0, -1, -EIO, "KVM_CREATE_PIT2: EIO" },
};

START_TEST(a_vm_that_is_refused_is_named_and_leaves_nothing)
{
	struct vm untouched;
	size_t i;

	for (i = 0; i < RF_ARRAY_LEN(refusals); i++) {
		setup();
		memset(&vm, 0x55, sizeof(vm));
		untouched = vm;
		lie.request = refusals[i].request;
		lie.arg = refusals[i].arg;
		lie.answer = refusals[i].answer;
		ck_assert_int_eq(vm_new(kvm, &mem, &vm), refusals[i].rc);
		is_logged(refusals[i].line);
		ck_assert(!is_kvm_fd(RF_FD_VM, "kvm-vm"));
		ck_assert_mem_eq(&vm, &untouched, sizeof(vm));
		memory_free(&mem);
	}
}
END_TEST

static const struct {
	unsigned long request;
	int answer;
	int rc;
	const char *line;
} shortages[] = {
	{ KVM_GET_VCPU_MMAP_SIZE, -1, -EIO, "KVM_GET_VCPU_MMAP_SIZE: EIO" },
	{ KVM_GET_VCPU_MMAP_SIZE, 100, -ENOTSUP, "100 bytes, too few" },
	{ KVM_GET_SUPPORTED_CPUID, -1, -EIO, "KVM_GET_SUPPORTED_CPUID: EIO" },
	{ KVM_CREATE_VCPU, -1, -EIO, "KVM_CREATE_VCPU: EIO" },
	{ KVM_SET_CPUID2, -1, -EIO, "KVM_SET_CPUID2: EIO" },
	{ KVM_GET_SREGS, -1, -EIO, "KVM_GET_SREGS: EIO" },
};

START_TEST(processors_that_are_refused_are_named)
{
	size_t i;

	for (i = 0; i < RF_ARRAY_LEN(shortages); i++) {
		setup();
		ck_assert_int_eq(vm_new(kvm, &mem, &vm), 0);
		lie.request = shortages[i].request;
		lie.answer = shortages[i].answer;
		ck_assert_int_eq(vm_add_vcpus(&vm, kvm, 1), shortages[i].rc);
		is_logged(shortages[i].line);
	}
}
END_TEST

START_TEST(what_is_no_kvm_is_refused)
{
	setup();
	ck_assert_int_eq(vm_new(open("/dev/null", O_RDWR), &mem, &vm), -ENOTTY);
	is_logged("/dev/kvm: KVM_GET_API_VERSION: ENOTTY");
	ck_assert_int_eq(vm_new(-1, &mem, &vm), -EBADF);
	/* Memory of which KVM sees that it overlaps. */
	mem.regions[1] = mem.regions[0];
	mem.nr_regions = 2;
	ck_assert_int_lt(vm_new(kvm, &mem, &vm), 0);
	is_logged("KVM_SET_USER_MEMORY_REGION: ");
	ck_assert(!is_kvm_fd(RF_FD_VM, "kvm-vm"));
}
END_TEST

START_TEST(the_old_ring_is_found_inside_the_mapping_or_not_at_all)
{
	static const int pages[] = { 0, -1, 1000000, 3 };
	size_t i;

	for (i = 0; i < RF_ARRAY_LEN(pages); i++) {
		setup();
		ck_assert_int_eq(vm_new(kvm, &mem, &vm), 0);
		lie.request = KVM_CHECK_EXTENSION;
		lie.arg = KVM_CAP_COALESCED_MMIO;
		lie.answer = pages[i];
		ck_assert_int_eq(vm_add_vcpus(&vm, kvm, 1), 0);
		if (pages[i] > 0 && (size_t)pages[i] < vm.run_bytes / 4096)
			ck_assert_ptr_eq((uint8_t *)vm.legacy,
					 (uint8_t *)vm.runs[0] +
						 (size_t)pages[i] * 4096);
		else
			ck_assert_ptr_null(vm.legacy);
	}
}
END_TEST

START_TEST(only_eventfds_become_interrupts)
{
	int event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	setup();
	ck_assert_int_eq(vm_new(kvm, &mem, &vm), 0);
	ck_assert_int_eq(vm_irqfd(&vm, event, 5), 0);
	/* Each only once, and nothing that is none. */
	ck_assert_int_eq(vm_irqfd(&vm, event, 5), -EBUSY);
	ck_assert_int_eq(vm_irqfd(&vm, -1, 5), -EBADF);
	ck_assert_int_eq(vm_irqfd(&vm, kvm, 5), -EINVAL);
	is_logged("KVM_IRQFD: EBUSY");
}
END_TEST

/* Reads by the page, writes as exits, and the swallowed one as neither. */
START_TEST(a_page_of_registers_is_read_but_not_written)
{
	static const uint8_t code[] = {
		0xbb, 0x00, 0x00, 0x00, 0xd0, /* mov $0xd0000000, %ebx */
		0x8b, 0x03,		      /* mov (%ebx), %eax */
		0xff, 0xc0,		      /* inc %eax */
		0xc7, 0x43, 0x64, 0x01, 0x00, 0x00, 0x00, /* movl 1, 0x64() */
		0x89, 0x43, 0x64,			  /* mov %eax, 0x64() */
	};
	static uint32_t page[1024] __attribute__((aligned(4096)));
	int event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	const char *why = NULL;
	uint64_t count = 0;

	setup();
	page[0] = 0x1234;
	ck_assert_int_eq(vm_new(kvm, &mem, &vm), 0);
	ck_assert(vm_has_register_pages(&vm, &why));
	ck_assert_int_eq(vm_add_vcpus(&vm, kvm, 1), 0);
	ck_assert_int_eq(vm_add_register_page(&vm, 3, 0xd0000000, page), 0);
	ck_assert_int_eq(vm_swallow(&vm, event, 0xd0000064, 1), 0);
	ck_assert_int_eq(memory_write(&mem, 0x100000, code, sizeof(code)), 0);
	ck_assert_int_eq(enter(0x100000), 0);
	while (__real_ioctl(RF_FD_VCPUS, KVM_RUN, 0) < 0)
		ck_assert_int_eq(errno, EINTR);
	ck_assert_uint_eq(vm.runs[0]->exit_reason, KVM_EXIT_MMIO);
	ck_assert(vm.runs[0]->mmio.is_write);
	ck_assert_uint_eq(vm.runs[0]->mmio.phys_addr, 0xd0000064);
	ck_assert_uint_eq(vm.runs[0]->mmio.data[0], 0x35);
	ck_assert_int_eq(rf_eventfd_take(event, &count), 0);
	ck_assert_uint_eq(count, 1);
	ck_assert_uint_eq(page[0x64 / 4], 0);
}
END_TEST

START_TEST(a_kvm_without_pages_of_registers_is_told_apart)
{
	static const struct {
		long cap;
		const char *name;
	} caps[] = {
		{ KVM_CAP_READONLY_MEM, "KVM_CAP_READONLY_MEM" },
		{ KVM_CAP_IOEVENTFD, "KVM_CAP_IOEVENTFD" },
	};
	static uint32_t page[1024] __attribute__((aligned(4096)));
	const char *why = NULL;
	size_t i;

	setup();
	ck_assert_int_eq(vm_new(kvm, &mem, &vm), 0);
	lie.request = KVM_CHECK_EXTENSION;
	for (i = 0; i < RF_ARRAY_LEN(caps); i++) {
		lie.arg = caps[i].cap;
		ck_assert(!vm_has_register_pages(&vm, &why));
		ck_assert_str_eq(why, caps[i].name);
	}
	lie.arg = 0;
	lie.answer = -1;
	lie.request = KVM_SET_USER_MEMORY_REGION;
	ck_assert_int_eq(vm_add_register_page(&vm, 0, 0xd0000000, page), -EIO);
	is_logged("KVM_SET_USER_MEMORY_REGION of registers: EIO");
	ck_assert_int_eq(vm_swallow(&vm, kvm, 0xd0000064, 1), -EINVAL);
	is_logged("KVM_IOEVENTFD: EINVAL");
	/* In the way of the guest's memory. */
	lie.request = 0;
	ck_assert_int_eq(vm_add_register_page(&vm, 0, 0, page), -EEXIST);
}
END_TEST

static void explain(const struct kvm_run *said, const char *line)
{
	*vm.runs[0] = *said;
	ck_assert_int_eq(ftruncate(log_fd, 0), 0);
	ck_assert_int_eq((int)lseek(log_fd, 0, SEEK_SET), 0);
	vm_explain(&vm, 0);
	is_logged(line);
	ck_assert_ptr_eq(strchr(text, '\n'), strrchr(text, '\n'));
}

START_TEST(why_a_processor_stopped_is_one_line)
{
	static struct kvm_run run;

	setup();
	ck_assert_int_eq(vm_new(kvm, &mem, &vm), 0);
	ck_assert_int_eq(vm_add_vcpus(&vm, kvm, 1), 0);
	ck_assert_int_eq(enter(0x123450), 0);
	run.exit_reason = KVM_EXIT_SHUTDOWN;
	/* Whatever its registers say by then: that need not be where. */
	explain(&run, "shut its processor down (triple fault)\n");
	ck_assert_ptr_null(strstr(text, "0x"));
	run.exit_reason = KVM_EXIT_FAIL_ENTRY;
	run.fail_entry.hardware_entry_failure_reason = 0x80000021;
	explain(&run, "refused to enter the guest at 0x123450: reason "
		      "0x80000021");
	run.exit_reason = KVM_EXIT_SYSTEM_EVENT;
	run.system_event.type = 2;
	explain(&run, "system event 2 at 0x123450");
	run.exit_reason = 4711;
	explain(&run, "reason 4711 at 0x123450, which is not known here");
	run.exit_reason = KVM_EXIT_INTERNAL_ERROR;
	run.internal.suberror = 3;
	explain(&run, "KVM internal error 3 at 0x123450");
	run.internal.suberror = KVM_INTERNAL_ERROR_EMULATION;
	run.emulation_failure.ndata = 0;
	explain(&run, "bytes unknown");
	run.emulation_failure.ndata = 3;
	run.emulation_failure.flags =
		KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES;
	run.emulation_failure.insn_size = 2;
	memcpy(run.emulation_failure.insn_bytes, "\x0f\xa0", 2);
	explain(&run, "at 0x123450: bytes 0f a0\n");
	/* A length beyond the array is cut. */
	run.emulation_failure.insn_size = 255;
	memset(run.emulation_failure.insn_bytes, 0x90, 15);
	explain(&run, "90 90 90 90 90 90 90 90 90 90 90 90 90 90 90\n");
	/* Without its registers there is no address to name. */
	lie.request = KVM_GET_REGS;
	lie.answer = -1;
	run.exit_reason = 4711;
	explain(&run, "0xffffffffffffffff");
}
END_TEST

START_TEST(an_entry_that_is_refused_is_told)
{
	setup();
	ck_assert_int_eq(vm_new(kvm, &mem, &vm), 0);
	ck_assert_int_eq(vm_add_vcpus(&vm, kvm, 1), 0);
	lie.request = KVM_SET_REGS;
	lie.answer = -1;
	ck_assert_int_eq(enter(0x100000), -EIO);
	is_logged("KVM_SET_REGS: EIO");
	lie.request = KVM_SET_SREGS;
	ck_assert_int_eq(enter(0x100000), -EIO);
	is_logged("KVM_SET_SREGS: EIO");
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		the_first_processor_runs_where_it_is_put,
		each_processor_knows_its_own_number,
		a_vm_that_is_refused_is_named_and_leaves_nothing,
		processors_that_are_refused_are_named,
		what_is_no_kvm_is_refused,
		the_old_ring_is_found_inside_the_mapping_or_not_at_all,
		only_eventfds_become_interrupts,
		a_page_of_registers_is_read_but_not_written,
		a_kvm_without_pages_of_registers_is_told_apart,
		why_a_processor_stopped_is_one_line,
		an_entry_that_is_refused_is_told,
	};
	int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);

	if (fd < 0 || ioctl(fd, KVM_CREATE_VM, 0) < 0)
		return unit_skip("vm", strerror(errno));
	places_take(RF_FD_DEVICES);
	return unit_run("vm", tests, RF_ARRAY_LEN(tests));
}
