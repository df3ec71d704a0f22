/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * test_registers.c - the library's registers as a page of a real guest
 *
 * A monitor of a few lines: the registers in a read-only memory slot, an
 * eventfd for the common acknowledgement, and every write that exits handed to
 * rf_virtio_mmio_write(). A few bytes of code read, write and tell by registers
 * what they found.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <ringfence/virtio_mmio.h>

#include "kvm/tiny_vm.h"
#include "unit/unit.h"

#define GPA 0xd0000000u
#define RUN_TOO_LONG 1000000u

static struct tiny_vm vm;
static struct rf_virtio_mmio regs;
static struct rf_virtio_mmio_page page __attribute__((aligned(4096)));
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int acks = -1;
static uint32_t writes; /* that exited */
static uint32_t interrupts;

static int on_driver_ok(void *ctx, uint64_t features)
{
	(void)ctx;
	(void)features;
	return 0;
}

static int on_reset(void *ctx)
{
	(void)ctx;
	return 0;
}

static void on_notify(void *ctx, uint32_t value)
{
	(void)ctx;
	(void)value;
}

static void on_interrupt(void *ctx)
{
	(void)ctx;
	interrupts++;
}

static const struct rf_virtio_mmio_ops ops = {
	.driver_ok = on_driver_ok,
	.reset = on_reset,
	.notify = on_notify,
	.interrupt = on_interrupt,
};

static void make_registers(void)
{
	static const uint32_t first[4] = { 0, 0, 0, 0 };
	const struct rf_virtio_mmio_params p = {
		.page = &page,
		.ops = &ops,
		.device_id = 2,
		.features = UINT64_C(1) << 32 | 1,
		.nr_queues = 2,
		.queue_num_max = 128,
		.config = first,
		.config_bytes = sizeof(first),
	};

	ck_assert_int_eq(rf_virtio_mmio_init(&regs, &p), 0);
}

static void start(void)
{
	struct kvm_userspace_memory_region slot = {
		.slot = 1,
		.flags = KVM_MEM_READONLY,
		.guest_phys_addr = GPA,
		.memory_size = sizeof(page),
		.userspace_addr = (uintptr_t)&page,
	};
	struct kvm_ioeventfd ack = {
		.datamatch = RF_VIRTIO_INTERRUPT_USED,
		.addr = GPA + RF_VIRTIO_MMIO_ACKNOWLEDGE,
		.len = 4,
		.flags = KVM_IOEVENTFD_FLAG_DATAMATCH,
	};
	const char *step = NULL;

	ck_assert_msg(tiny_vm_new(&vm, &step) == 0, "%s", step);
	make_registers();
	acks = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	ack.fd = acks;
	ck_assert_int_eq(ioctl(vm.vm, KVM_SET_USER_MEMORY_REGION, &slot), 0);
	ck_assert_int_eq(ioctl(vm.vm, KVM_IOEVENTFD, &ack), 0);
}

static void finish(void)
{
	tiny_vm_free(&vm);
	close(acks);
}

/* A read that exits is TINY_VM_LOST: none may. */
static struct kvm_regs run_code(const uint8_t *code, size_t len,
				const struct tiny_vm_regs *in)
{
	const struct kvm_run *run = vm.run;
	enum tiny_vm_exit why;
	struct kvm_regs out;
	uint32_t steps = 0;

	tiny_vm_load(&vm, code, len, in);
	while ((why = tiny_vm_step(&vm)) != TINY_VM_END) {
		ck_assert_uint_lt(steps++, RUN_TOO_LONG);
		if (why == TINY_VM_AGAIN)
			continue;
		ck_assert_msg(why == TINY_VM_WRITE, "exit %u at 0x%llx",
			      run->exit_reason,
			      (unsigned long long)run->mmio.phys_addr);
		ck_assert_uint_ge(run->mmio.phys_addr, GPA);
		writes++;
		pthread_mutex_lock(&lock);
		rf_virtio_mmio_write(&regs,
				     (uint32_t)(run->mmio.phys_addr - GPA),
				     run->mmio.data, run->mmio.len);
		pthread_mutex_unlock(&lock);
	}
	ck_assert_int_eq(ioctl(vm.vcpu, KVM_GET_REGS, &out), 0);
	return out;
}

#define OUT_0XF4 0xe6, 0xf4
#define MOV_EAX_FROM(reg) 0x8b, 0x83, reg, 0, 0, 0    /* mov eax, [ebx + reg] */
#define MOV_TO_FROM_ECX(reg) 0x89, 0x8b, reg, 0, 0, 0 /* mov [ebx+reg], ecx */

START_TEST(every_register_is_read_without_an_exit)
{
	/* again: add eax, [esi]; add esi, 4; dec ecx; jnz again */
	static const uint8_t code[] = {
		0x03, 0x06, 0x83, 0xc6, 0x04, 0x49, 0x75, 0xf8, OUT_0XF4,
	};
	const struct tiny_vm_regs in = { .esi = GPA, .ecx = 1024 };
	uint32_t sum = 0;
	uint32_t i;

	start();
	for (i = 0; i < 1024; i++)
		sum += ((const uint32_t *)(const void *)&page)[i];
	ck_assert_uint_eq((uint32_t)run_code(code, sizeof(code), &in).rax, sum);
	ck_assert_uint_eq(writes, 0);
	finish();
}
END_TEST

/* mov [ebx + 0x14], ecx; mov eax, [ebx + 0x10]; and the queue's the same way */
START_TEST(what_a_selector_selects_is_there_for_the_next_read)
{
	static const uint8_t features[] = {
		MOV_TO_FROM_ECX(0x14),
		MOV_EAX_FROM(0x10),
		OUT_0XF4,
	};
	static const uint8_t queue[] = {
		MOV_TO_FROM_ECX(0x30),
		MOV_EAX_FROM(0x34),
		OUT_0XF4,
	};
	struct tiny_vm_regs in = { .ebx = GPA };
	uint32_t i;

	start();
	for (i = 0; i < 8; i++) {
		in.ecx = i % 4;
		ck_assert_uint_eq(
			(uint32_t)run_code(features, sizeof(features), &in).rax,
			i % 4 < 2);
		ck_assert_uint_eq(
			(uint32_t)run_code(queue, sizeof(queue), &in).rax,
			i % 4 < 2 ? 128 : 0);
	}
	ck_assert_uint_eq(writes, 16);
	finish();
}
END_TEST

static uint64_t swallowed(void)
{
	uint64_t count = 0;

	return rf_eventfd_take(acks, &count) == 0 ? count : 0;
}

START_TEST(acknowledging_used_buffers_exits_never)
{
	/* mov [ebx + 0x64], ecx; mov eax, [ebx + 0x60] */
	static const uint8_t code[] = {
		MOV_TO_FROM_ECX(0x64),
		MOV_EAX_FROM(0x60),
		OUT_0XF4,
	};
	static const struct {
		uint32_t ack, left;
		bool exits;
	} cases[] = {
		{ 1, 3, false }, { 0, 3, true },	  { 3, 1, true },
		{ 2, 1, true },	 { 0x80000001, 3, true }, { 0x101, 3, true },
	};
	struct tiny_vm_regs in = { .ebx = GPA };
	size_t i;

	start();
	regs.status = 15;
	for (i = 0; i < RF_ARRAY_LEN(cases); i++) {
		static const uint32_t changed[4];

		/* Both bits, as after a change. */
		regs.interrupt_status = RF_VIRTIO_INTERRUPT_USED;
		rf_virtio_mmio_config_changed(&regs, changed);
		writes = 0;
		ck_assert_uint_eq(interrupts, i + 1);
		in.ecx = cases[i].ack;
		ck_assert_uint_eq(
			(uint32_t)run_code(code, sizeof(code), &in).rax,
			cases[i].left);
		ck_assert_uint_eq(writes, cases[i].exits);
		ck_assert_uint_eq(swallowed(), !cases[i].exits);
	}
	finish();
}
END_TEST

/* Half of it, and a byte of it, are other writes. */
START_TEST(acknowledging_at_another_width_exits)
{
	static const uint8_t word[] = { 0x66, 0x89, 0x4b, 0x64, OUT_0XF4 };
	static const uint8_t byte[] = { 0x88, 0x4b, 0x64, OUT_0XF4 };
	const struct tiny_vm_regs in = { .ebx = GPA, .ecx = 1 };

	start();
	(void)run_code(word, sizeof(word), &in);
	(void)run_code(byte, sizeof(byte), &in);
	ck_assert_uint_eq(writes, 2);
	ck_assert_uint_eq(regs.refusals, 2);
	ck_assert_uint_eq(swallowed(), 0);
	finish();
}
END_TEST

START_TEST(nothing_a_guest_writes_reaches_the_page)
{
	/* again: mov [esi], ecx; add esi, 4; dec ecx; jnz again */
	static const uint8_t code[] = {
		0x89, 0x0e, 0x83, 0xc6, 0x04, 0x49, 0x75, 0xf8, OUT_0XF4,
	};
	const struct tiny_vm_regs in = { .esi = GPA, .ecx = 1024 };
	struct rf_virtio_mmio_page fresh;

	start();
	(void)run_code(code, sizeof(code), &in);
	ck_assert_uint_ge(writes, 1023);
	/* A reset takes back what was in order among it. */
	rf_virtio_mmio_write(&regs, 0x70, "\0\0\0\0", 4);
	fresh = page;
	make_registers();
	ck_assert_mem_eq(&page, &fresh, sizeof(page));
	finish();
}
END_TEST

static atomic_bool stop_changing;
static _Atomic uint32_t changes;

static void *change_config(void *arg)
{
	uint32_t fields[4];
	uint32_t n = 0;

	while (!atomic_load(&stop_changing)) {
		n++;
		fields[0] = fields[1] = fields[2] = fields[3] = n;
		pthread_mutex_lock(&lock);
		rf_virtio_mmio_config_changed(&regs, fields);
		pthread_mutex_unlock(&lock);
		atomic_fetch_add(&changes, 1);
		usleep(20);
	}
	return arg;
}

/* The guest reads generation, first and last field, generation, ecx times. It
 * counts in edi halves that two equal generations did not betray and that no
 * interrupt would make good (the generation is even), in ebp all the rest. */
START_TEST(a_change_is_seen_whole_or_seen_to_be_under_way)
{
	static const uint8_t code[] = {
		0x8b,	  0x83, 0xfc,
		0x00,	  0x00, 0x00, /* 0: mov eax,[ebx+0xfc] */
		0x8b,	  0x93, 0x00,
		0x01,	  0x00, 0x00, /* mov edx,[ebx+0x100] */
		0x8b,	  0xb3, 0x0c,
		0x01,	  0x00, 0x00, /* mov esi,[ebx+0x10c] */
		0x3b,	  0x83, 0xfc,
		0x00,	  0x00, 0x00, /* cmp eax,[ebx+0xfc] */
		0x75,	  0x0b,	      /* jne next */
		0x39,	  0xf2,	      /* cmp edx, esi */
		0x74,	  0x06,	      /* je whole */
		0xa8,	  0x01,	      /* test al, 1 */
		0x75,	  0x03,	      /* jne next */
		0x47,		      /* inc edi */
		0x90,		      /* nop */
		0x45,		      /* whole: inc ebp */
		0x49,		      /* next: dec ecx */
		0x75,	  0xd8,	      /* jnz 0 */
		OUT_0XF4,
	};
	const struct tiny_vm_regs in = { .ebx = GPA, .ecx = 20000 };
	struct kvm_regs out;
	pthread_t thread;

	start();
	ck_assert_int_eq(pthread_create(&thread, NULL, change_config, NULL), 0);
	/* As long as it takes for both to have run: processors may be few. */
	do {
		out = run_code(code, sizeof(code), &in);
		ck_assert_uint_eq((uint32_t)out.rdi, 0);
		ck_assert_uint_gt((uint32_t)out.rbp, 0);
	} while (atomic_load(&changes) < 100);
	atomic_store(&stop_changing, true);
	pthread_join(thread, NULL);
	ck_assert_uint_eq(writes, 0);
	finish();
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		every_register_is_read_without_an_exit,
		what_a_selector_selects_is_there_for_the_next_read,
		acknowledging_used_buffers_exits_never,
		acknowledging_at_another_width_exits,
		nothing_a_guest_writes_reaches_the_page,
		a_change_is_seen_whole_or_seen_to_be_under_way,
	};
	rf_autofd kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);

	if (kvm < 0)
		return unit_skip("kvm_registers", "no access to /dev/kvm");
	if (ioctl(kvm, KVM_CHECK_EXTENSION, KVM_CAP_READONLY_MEM) <= 0)
		return unit_skip("kvm_registers", "no KVM_CAP_READONLY_MEM");
	return unit_run("kvm_registers", tests, RF_ARRAY_LEN(tests));
}
