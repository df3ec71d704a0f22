/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * cpu.h - the instructions that C has no words for
 *
 * Side:    inside the virtual machine.
 * Never:   uses an instruction that a hypervisor's emulator may lack.
 */
#ifndef GUEST_CPU_H
#define GUEST_CPU_H

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

#endif
