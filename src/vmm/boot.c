/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * boot.c - the segments that a kernel is entered with, and a table of the same
 *
 * Side:    vmm.
 * Owns:    nothing; the guest may overwrite the table once it runs.
 * Callers: pvh.c, linux64.c.
 * Never:   lets table and registers differ: a guest that reloads a selector
 *          before it has a table of its own must find what it already has.
 */
#include "vmm/boot.h"

/* Intel SDM volume 3, 3.4.5: code, execute/read, accessed; data, read/write,
 * accessed; system: task, busy, 32-bit or 64-bit as the mode is. */
enum { BOOT_TYPE_CODE = 0xb, BOOT_TYPE_DATA = 0x3, BOOT_TYPE_TASK = 0xb };
/* Linux's __BOOT_CS, __BOOT_DS and __BOOT_TSS, which boot.rst wants; PVH leaves
 * the numbers open. */
enum {
	BOOT_SEL_CODE = 0x10,
	BOOT_SEL_DATA = 0x18,
	BOOT_SEL_TASK = 0x20,
};
#define BOOT_FLAT_LIMIT 0xffffffffu
/* The smallest there may be; nothing ever switches to it. */
#define BOOT_TASK_LIMIT 0x67u

static struct kvm_segment flat(uint16_t selector, uint8_t type)
{
	return (struct kvm_segment){
		.limit = BOOT_FLAT_LIMIT,
		.selector = selector,
		.type = type,
		.present = 1,
		.db = 1,
		.s = 1,
		.g = 1,
	};
}

static struct kvm_segment code(bool is_64)
{
	struct kvm_segment segment = flat(BOOT_SEL_CODE, BOOT_TYPE_CODE);

	segment.l = is_64;
	segment.db = !is_64;
	return segment;
}

static struct kvm_segment task(void)
{
	return (struct kvm_segment){
		.limit = BOOT_TASK_LIMIT,
		.selector = BOOT_SEL_TASK,
		.type = BOOT_TYPE_TASK,
		.present = 1,
	};
}

/* SDM figure 3-8, for a base of 0. */
static uint64_t describe(struct kvm_segment s)
{
	const uint64_t limit = s.g ? s.limit >> 12 : s.limit;

	return (limit & 0xffff) | (uint64_t)s.type << 40 | (uint64_t)s.s << 44 |
	       (uint64_t)s.present << 47 | (limit >> 16 & 0xf) << 48 |
	       (uint64_t)s.l << 53 | (uint64_t)s.db << 54 | (uint64_t)s.g << 55;
}

int boot_write_gdt(const struct memory *mem, bool is_64)
{
	const uint64_t gdt[BOOT_GDT_ENTRIES] = {
		[BOOT_SEL_CODE / 8] = describe(code(is_64)),
		[BOOT_SEL_DATA /
			8] = describe(flat(BOOT_SEL_DATA, BOOT_TYPE_DATA)),
		/* A 64-bit task has two: the upper half of its base is 0. */
		[BOOT_SEL_TASK / 8] = describe(task()),
	};

	return memory_write(mem, BOOT_GDT_GPA, gdt, sizeof(gdt));
}

void boot_segments(struct kvm_sregs *sregs, bool is_64)
{
	const struct kvm_segment data = flat(BOOT_SEL_DATA, BOOT_TYPE_DATA);

	sregs->cs = code(is_64);
	sregs->ds = data;
	sregs->es = data;
	sregs->fs = data;
	sregs->gs = data;
	sregs->ss = data;
	sregs->tr = task();
	sregs->gdt = (struct kvm_dtable){
		.base = BOOT_GDT_GPA,
		.limit = BOOT_GDT_ENTRIES * sizeof(uint64_t) - 1,
	};
	/* No table of interrupts: none may come before the kernel has one. */
	sregs->idt = (struct kvm_dtable){ 0 };
}
