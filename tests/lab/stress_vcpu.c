/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * stress_vcpu.c - the writes, and those of them that exit
 */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "lab/stress.h"

#define BURST_MAX 200u

/* ecx times: eax to [ebx], or where esi is set to port dx; add edi to eax. */
static const uint8_t writes[] = {
	0x85, 0xf6, /*  0: test esi, esi */
	0x75, 0x09, /*  2: jnz 13        */
	0x89, 0x03, /*  4: mov [ebx], eax */
	0x01, 0xf8, /*  6: add eax, edi  */
	0x49,	    /*  8: dec ecx       */
	0x75, 0xf9, /*  9: jnz 4         */
	0xeb, 0x06, /* 11: jmp 19        */
	0xef,	    /* 13: out dx, eax   */
	0x01, 0xf8, /* 14: add eax, edi  */
	0x49,	    /* 16: dec ecx       */
	0x75, 0xfa, /* 17: jnz 13        */
	0xe6, 0xf4, /* 19: out 0xf4, al  */
	0xf4,	    /* 21: hlt           */
};

void stress_vcpu_load(const struct tiny_vm *tiny)
{
	memcpy(tiny->memory + TINY_VM_CODE, writes, sizeof(writes));
}

void stress_vcpu_add(const struct tiny_vm *tiny, uint32_t cpu,
		     struct stress_vcpu *v)
{
	struct kvm_sregs sregs;

	*v = (struct stress_vcpu){ cpu, tiny->vcpu, tiny->run, tiny->memory };
	if (cpu == 0)
		return;
	MUST(ioctl(tiny->vcpu, KVM_GET_SREGS, &sregs));
	v->fd = (int)MUST(ioctl(tiny->vm, KVM_CREATE_VCPU, (unsigned long)cpu));
	v->run = mmap(NULL, tiny->run_bytes, PROT_READ | PROT_WRITE, MAP_SHARED,
		      v->fd, 0);
	CHECK(v->run != MAP_FAILED, "%s", strerror(errno));
	MUST(ioctl(v->fd, KVM_SET_SREGS, &sregs));
}

static void start_burst(const struct stress_book *book,
			const struct stress_vcpu *v, uint32_t stream,
			uint32_t from, uint32_t nr)
{
	const bool is_out = stress_zone_of(book, stream).pio;
	const uint64_t addr = stress_addr_of(book, stream, v->cpu);
	const struct kvm_regs regs = {
		.rip = TINY_VM_CODE,
		.rflags = 2,
		.rax = stress_value(stream, v->cpu, from),
		.rbx = addr,
		.rcx = nr,
		.rdx = addr,
		.rsi = is_out,
		.rdi = 1,
	};

	/* As in tiny_vm_load(): the last exit is completed first. */
	v->run->immediate_exit = 1;
	MUST_FAIL(ioctl(v->fd, KVM_RUN, 0), EINTR);
	v->run->immediate_exit = 0;
	MUST(ioctl(v->fd, KVM_SET_REGS, &regs));
}

/* No write: where the guest is then, and whether its program is what it was. */
static void check_write(const struct stress_vcpu *v)
{
	const struct kvm_run *run = v->run;
	struct kvm_regs regs;

	if (run->exit_reason == KVM_EXIT_MMIO && run->mmio.is_write &&
	    run->mmio.len == sizeof(uint32_t))
		return;
	MUST(ioctl(v->fd, KVM_GET_REGS, &regs));
	CHECK(false, "exit %u, eip %#llx, eax %#llx, ecx %llu, program %s",
	      run->exit_reason, regs.rip, regs.rax, regs.rcx,
	      memcmp(v->memory + TINY_VM_CODE, writes, sizeof(writes)) == 0
		      ? "intact"
		      : "changed");
}

/* The value of a write that exited; false: the burst is over. */
static bool run_to_write(const struct stress_vcpu *v, uint64_t *addr,
			 uint32_t *value)
{
	const struct kvm_run *run = v->run;

	while (ioctl(v->fd, KVM_RUN, 0) < 0)
		CHECK(errno == EINTR || errno == EAGAIN, "%s", strerror(errno));
	if (run->exit_reason == KVM_EXIT_IO) {
		if (run->io.port == TINY_VM_END_PORT)
			return false;
		CHECK(run->io.size == sizeof(*value) && run->io.count == 1);
		*addr = run->io.port;
		memcpy(value, (const uint8_t *)run + run->io.data_offset,
		       sizeof(*value));
		return true;
	}
	check_write(v);
	*addr = run->mmio.phys_addr;
	memcpy(value, run->mmio.data, sizeof(*value));
	return true;
}

static void write_burst(struct stress_book *book, const struct stress_vcpu *v,
			uint32_t stream, uint32_t from, uint32_t nr)
{
	const uint64_t to = stress_addr_of(book, stream, v->cpu);
	uint32_t exited = 0;
	uint64_t addr;
	uint32_t value;

	start_burst(book, v, stream, from, nr);
	while (run_to_write(v, &addr, &value)) {
		CHECK(addr == to && value >> 28 == stream,
		      "%#x exits at %#llx, sent to %#llx", value,
		      (unsigned long long)addr, (unsigned long long)to);
		exited++;
		if (stream != STRESS_WILD)
			stress_note_exit(book, v->cpu, value);
	}
	if (stream != STRESS_WILD)
		stress_did_many(ACT_EXITED, exited);
	stress_did_many(stress_zone_of(book, stream).pio ? ACT_OUT : ACT_WRITE,
			nr);
}

void stress_vcpu_write(struct stress_book *book, const struct stress_vcpu *v,
		       struct stress_dice *dice)
{
	const uint32_t nr = 1 + stress_roll(dice, BURST_MAX);
	const uint32_t stream = stress_roll(dice, STRESS_STREAMS + 1);
	uint32_t *sent;

	if (stream == STRESS_STREAMS) {
		write_burst(book, v, STRESS_WILD, 0, nr);
		return;
	}
	sent = &book->sent[stream][v->cpu];
	if (*sent + nr <= STRESS_NUMBERS) {
		write_burst(book, v, stream, *sent, nr);
		*sent += nr;
	}
	/* Others have a turn; now and then the rings become empty. */
	stress_doze(dice, 4000);
}
