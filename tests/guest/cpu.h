/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * cpu.h - the instructions that C has no words for
 *
 * Side:    inside the virtual machine.
 * Never:   uses an instruction that a hypervisor's emulator may lack: no fence
 *          instructions (a locked addition is one), no SSE.
 */
#ifndef GUEST_CPU_H
#define GUEST_CPU_H

#include <stdbool.h>
#include <stdint.h>

/* Ports of the monitor; the first is QEMU's isa-debug-exit as well. */
enum cpu_port {
	CPU_PORT_EXIT = 0xf4,	  /* 8 bits: end with this status */
	CPU_PORT_NOTIFIED = 0xf8, /* 32 bits, added up: notify writes */
	CPU_PORT_COMPARED = 0xfc, /* 32 bits, added up: bytes compared */
	CPU_PORT_SERIAL = 0x3f8,
};

static inline void cpu_out8(uint16_t port, uint8_t value)
{
	__asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static inline void cpu_out32(uint16_t port, uint32_t value)
{
	__asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port));
}

static inline uint8_t cpu_in8(uint16_t port)
{
	uint8_t value;

	__asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

static inline uint32_t cpu_read32(uint32_t paddr)
{
	return *(volatile uint32_t *)paddr;
}

static inline void cpu_write32(uint32_t paddr, uint32_t value)
{
	*(volatile uint32_t *)paddr = value;
}

/* The processor keeps loads and stores in order, but for a store before a
 * load: the compiler must be told in either case. */
static inline void cpu_order(void)
{
	__asm__ volatile("" : : : "memory");
}

static inline void cpu_order_store_load(void)
{
	__asm__ volatile("lock; addl $0, (%%esp)" : : : "memory", "cc");
}

static inline uint64_t cpu_tsc(void)
{
	uint64_t value;

	__asm__ volatile("rdtsc" : "=A"(value));
	return value;
}

static inline void cpu_relax(void)
{
	__asm__ volatile("pause" : : : "memory");
}

/* Sleep until an interrupt was handled. Interrupts are on here and nowhere
 * else. The one before `hlt` cannot slip in: sti holds interrupts off until the
 * instruction after it has begun. What was decided with interrupts off, that
 * there is nothing to do, is therefore still true when the processor sleeps.
 * One interrupt is taken, for the entry code leaves them off. */
static inline void cpu_sleep(void)
{
	__asm__ volatile("sti; hlt; cli" : : : "memory", "cc");
}

static inline void cpu_load_idt(const void *idt, uint16_t bytes)
{
	struct __attribute__((packed)) {
		uint16_t limit;
		const void *base;
	} pointer = { (uint16_t)(bytes - 1), idt };

	__asm__ volatile("lidt %0" : : "m"(pointer));
}

static inline void cpu_fill(uint32_t *to, uint32_t word, uint32_t nr_words)
{
	__asm__ volatile("rep stosl"
			 : "+D"(to), "+c"(nr_words)
			 : "a"(word)
			 : "memory");
}

/* The number of words that are equal from the start. */
static inline uint32_t cpu_equal_words(const uint32_t *a, const uint32_t *b,
				       uint32_t nr_words)
{
	uint32_t left = nr_words;
	bool differ = false;

	if (nr_words)
		__asm__ volatile("repe cmpsl"
				 : "+S"(a), "+D"(b), "+c"(left),
				   "=@ccnz"(differ)
				 :
				 : "memory");
	return nr_words - left - (differ ? 1 : 0);
}

#endif
