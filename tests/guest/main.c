/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * main.c - from the boot loader's note to the driver, and what it runs on
 *
 * The program is a 32-bit ELF with a PVH entry and without paging: addresses in
 * it are guest physical addresses.
 *
 * Side:    inside the virtual machine.
 * Owns:    the boot protocol, the memory that devices reach, the ports.
 * Callers: entry.S; the driver, by platform.h.
 * Never:   returns, needs an interrupt return (the entry code says why).
 */
#include "console.h"
#include "cpu.h"
#include "driver/disk.h"
#include "driver/platform.h"
#include "driver/words.h"
#include "entry.h"
#include "irq.h"

/* The PVH boot protocol's start information, version 1, and memory map. */
struct start_info {
	uint32_t magic;
	uint32_t version;
	uint32_t flags;
	uint32_t nr_modules;
	uint64_t modules_paddr;
	uint64_t cmdline_paddr;
	uint64_t rsdp_paddr;
	uint64_t memmap_paddr; /* this and below: from version 1 on */
	uint32_t memmap_entries;
	uint32_t reserved;
};
_Static_assert(sizeof(struct start_info) == 56, "PVH start information");
#define START_INFO_MAGIC 0x336ec578u

struct memmap_entry {
	uint64_t addr;
	uint64_t size;
	uint32_t type;
	uint32_t reserved;
};
_Static_assert(sizeof(struct memmap_entry) == 24, "PVH memory map");
#define MEMMAP_RAM 1u

/* guest.ld */
extern const char guest_image_start[], guest_image_end[];

static struct disk_memory arena[GUEST_DEVICES_MAX];

/* --- the platform ------------------------------------------------------- */

uint32_t platform_read(uint64_t gpa, uint32_t len)
{
	uint32_t paddr = (uint32_t)gpa;

	if (len == 4)
		return cpu_read32(paddr);
	return len == 2 ? *(volatile uint16_t *)paddr
			: *(volatile uint8_t *)paddr;
}

void platform_write(uint64_t gpa, uint32_t len, uint32_t value)
{
	uint32_t paddr = (uint32_t)gpa;

	if (len == 4)
		cpu_write32(paddr, value);
	else if (len == 2)
		*(volatile uint16_t *)paddr = (uint16_t)value;
	else
		*(volatile uint8_t *)paddr = (uint8_t)value;
}

/* Three instructions a write. */
void platform_write_often(uint64_t gpa, uint32_t value, uint32_t times)
{
	uint32_t paddr = (uint32_t)gpa;

	for (; times; times--)
		cpu_write32(paddr, value);
}

struct disk_memory *platform_memory(uint32_t index)
{
	return &arena[index];
}

uint64_t platform_gpa(uint32_t index, const void *where)
{
	(void)index;
	return (uint32_t)where;
}

void platform_route(uint32_t index, const struct guest_device *dev,
		    platform_handler *handler, void *ctx)
{
	irq_route(index, dev->irq, handler, ctx);
}

/* The tick ends it at the latest; without it nobody could time out. */
void platform_sleep(uint32_t index)
{
	(void)index;
	irq_tick_start();
	cpu_sleep();
}

void platform_say(const char *fmt, va_list args)
{
	console_line(fmt, args);
}

void platform_count(uint32_t notified, uint32_t compared_bytes)
{
	cpu_out32(CPU_PORT_NOTIFIED, notified);
	cpu_out32(CPU_PORT_COMPARED, compared_bytes);
}

void platform_end(enum guest_status status)
{
	cpu_out8(CPU_PORT_EXIT, (uint8_t)status);
	for (;;)
		__asm__ volatile("cli; hlt" : : : "memory");
}

void platform_idle(void)
{
	for (;;)
		cpu_sleep();
}

/* --- start -------------------------------------------------------------- */

void guest_exception(uint32_t vector, uint32_t error, uint32_t eip)
{
	guest_fail(GUEST_EXCEPTION, "exception %u, error 0x%x, at 0x%x", vector,
		   error, eip);
}

static bool is_ram(const struct start_info *info, uint64_t from, uint64_t to)
{
	const struct memmap_entry *map =
		(const struct memmap_entry *)(uint32_t)info->memmap_paddr;
	uint32_t i;

	for (i = 0; i < info->memmap_entries; i++)
		if (map[i].type == MEMMAP_RAM && map[i].addr <= from &&
		    to - map[i].addr <= map[i].size)
			return true;
	return false;
}

static const char *check_start_info(const struct start_info *info)
{
	uint64_t from = (uint32_t)guest_image_start;
	uint64_t to = (uint32_t)guest_image_end;

	if (info->magic != START_INFO_MAGIC)
		guest_fail(GUEST_NO_BOOT, "start information: magic 0x%x",
			   info->magic);
	if (info->version && info->memmap_paddr && !is_ram(info, from, to))
		guest_fail(GUEST_NO_BOOT,
			   "memory map: 0x%x to 0x%x, where we are, is no RAM",
			   (uint32_t)from, (uint32_t)to);
	return info->cmdline_paddr ? (const char *)(uint32_t)info->cmdline_paddr
				   : "";
}

void guest_main(uint32_t start_info_paddr)
{
	console_init();
	irq_init();
	drive(check_start_info((const struct start_info *)start_info_paddr));
}
