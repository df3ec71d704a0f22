/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * irq.c - 8259s off, one IOAPIC, the local APIC and its timer
 *
 * Side:    inside the virtual machine.
 * Owns:    the IDT, the interrupt controllers.
 * Callers: main.c; entry.S calls irq_entry().
 * Never:   nests: handlers run with interrupts off.
 */
#include "cpu.h"
#include "driver/guest.h"
#include "entry.h"
#include "irq.h"

enum {
	PIC_MASTER_MASK = 0x21,
	PIC_SLAVE_MASK = 0xa1,
};

/* Where they are on every PC that has not moved them. */
#define IOAPIC_BASE 0xfec00000u
#define IOAPIC_SELECT (IOAPIC_BASE + 0x00)
#define IOAPIC_WINDOW (IOAPIC_BASE + 0x10)
enum {
	IOAPIC_VERSION = 1,
	IOAPIC_REDIRECTION = 0x10,
	IOAPIC_MASKED_BIT = 1 << 16,
};

#define LAPIC_BASE 0xfee00000u
#define LAPIC_ID (LAPIC_BASE + 0x020)
#define LAPIC_TPR (LAPIC_BASE + 0x080)
#define LAPIC_EOI (LAPIC_BASE + 0x0b0)
#define LAPIC_SPURIOUS (LAPIC_BASE + 0x0f0)
#define LAPIC_LVT_TIMER (LAPIC_BASE + 0x320)
#define LAPIC_LVT_LINT0 (LAPIC_BASE + 0x350)
#define LAPIC_TIMER_COUNT (LAPIC_BASE + 0x380)
#define LAPIC_TIMER_DIVIDE (LAPIC_BASE + 0x3e0)
enum {
	LAPIC_ENABLE_BIT = 1 << 8,
	LAPIC_MASKED_BIT = 1 << 16,
	LAPIC_DIVIDE_BY_1 = 0xb,
};

/* How long a tick is hardly matters, for time is told by the TSC: 0.13 s where
 * the timer counts nanoseconds, as virtual ones do, a second or so on metal. */
#define LAPIC_TICK_COUNT 0x08000000u

enum {
	VECTOR_FIRST = 0x30,
	VECTOR_SPURIOUS = 0xff, /* old APICs force the low bits to ones */
	VECTOR_NR = 256,
};

struct idt_gate {
	uint16_t offset_low;
	uint16_t selector;
	uint16_t type;
	uint16_t offset_high;
};
_Static_assert(sizeof(struct idt_gate) == 8, "32-bit gate");
#define IDT_INTERRUPT_GATE 0x8e00u
#define CODE_SELECTOR 0x08u

/* entry.S */
extern const uint32_t exception_stubs[32];
extern const uint32_t interrupt_stubs[IRQ_NR];

static struct idt_gate idt[VECTOR_NR] __attribute__((aligned(8)));

static struct {
	irq_handler *handler;
	void *ctx;
} routes[IRQ_DEVICES];

static void set_gate(uint32_t vector, uint32_t stub)
{
	idt[vector] = (struct idt_gate){
		.offset_low = (uint16_t)stub,
		.selector = CODE_SELECTOR,
		.type = IDT_INTERRUPT_GATE,
		.offset_high = (uint16_t)(stub >> 16),
	};
}

static uint32_t ioapic_read(uint32_t reg)
{
	cpu_write32(IOAPIC_SELECT, reg);
	return cpu_read32(IOAPIC_WINDOW);
}

static void ioapic_write(uint32_t reg, uint32_t value)
{
	cpu_write32(IOAPIC_SELECT, reg);
	cpu_write32(IOAPIC_WINDOW, value);
}

static uint32_t ioapic_inputs(void)
{
	return (ioapic_read(IOAPIC_VERSION) >> 16 & 0xff) + 1;
}

void irq_init(void)
{
	uint32_t i;

	for (i = 0; i < GUEST_ARRAY_LEN(exception_stubs); i++)
		set_gate(i, exception_stubs[i]);
	for (i = 0; i < IRQ_SPURIOUS; i++)
		set_gate(VECTOR_FIRST + i, interrupt_stubs[i]);
	set_gate(VECTOR_SPURIOUS, interrupt_stubs[IRQ_SPURIOUS]);
	cpu_load_idt(idt, sizeof(idt));

	/* First of all: their vectors, at reset, are those of exceptions. */
	cpu_out8(PIC_MASTER_MASK, 0xff);
	cpu_out8(PIC_SLAVE_MASK, 0xff);

	cpu_write32(LAPIC_LVT_LINT0, LAPIC_MASKED_BIT);
	cpu_write32(LAPIC_LVT_TIMER, LAPIC_MASKED_BIT);
	cpu_write32(LAPIC_TPR, 0);
	cpu_write32(LAPIC_SPURIOUS, LAPIC_ENABLE_BIT | VECTOR_SPURIOUS);
}

void irq_route(uint32_t number, uint32_t gsi, irq_handler *handler, void *ctx)
{
	uint32_t reg = IOAPIC_REDIRECTION + gsi * 2;
	uint32_t inputs = ioapic_inputs();

	if (gsi >= inputs)
		guest_fail(GUEST_NO_ROUTE,
			   "interrupt %u: the ioapic has %u inputs", gsi,
			   inputs);
	routes[number].handler = handler;
	routes[number].ctx = ctx;
	/* Physical destination, fixed, edge, active high. Masked while the
	 * halves do not belong together. */
	ioapic_write(reg, IOAPIC_MASKED_BIT);
	ioapic_write(reg + 1, cpu_read32(LAPIC_ID) & 0xff000000u);
	ioapic_write(reg, VECTOR_FIRST + number);
}

/* One tick at a time: where nobody told KVM what the processor can do, it takes
 * a periodic timer for one that fires once. */
static void start_tick(void)
{
	cpu_write32(LAPIC_TIMER_COUNT, LAPIC_TICK_COUNT);
}

void irq_tick_start(void)
{
	static bool is_started;

	if (is_started)
		return;
	is_started = true;
	cpu_write32(LAPIC_TIMER_DIVIDE, LAPIC_DIVIDE_BY_1);
	cpu_write32(LAPIC_LVT_TIMER, VECTOR_FIRST + IRQ_TICK);
	start_tick();
}

void irq_entry(uint32_t number)
{
	/* A spurious interrupt is not in service: nothing to end. */
	if (number == IRQ_SPURIOUS)
		return;
	if (number < IRQ_DEVICES && routes[number].handler)
		routes[number].handler(routes[number].ctx);
	if (number == IRQ_TICK)
		start_tick();
	cpu_write32(LAPIC_EOI, 0);
}
