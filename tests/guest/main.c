/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * main.c - from the boot loader's note to the debug-exit port
 *
 * Side:    inside the virtual machine.
 * Owns:    the order of steps, the disks, the end.
 * Callers: entry.S.
 * Never:   returns.
 */
#include <stdarg.h>

#include "console.h"
#include "cpu.h"
#include "disk.h"
#include "guest.h"
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

#define VIRTIO_ID_BLOCK 2u

/* guest.ld */
extern const char guest_image_start[], guest_image_end[];

static struct guest_options options;
static struct disk disks[GUEST_DEVICES_MAX];
static uint32_t nr_disks;

static __attribute__((noreturn)) void leave(enum guest_status status)
{
	uint32_t i;

	for (i = 0; i < nr_disks; i++) {
		cpu_out32(CPU_PORT_NOTIFIED, disks[i].mmio.notified);
		cpu_out32(CPU_PORT_COMPARED, disks[i].compared_bytes);
	}
	cpu_out8(CPU_PORT_EXIT, (uint8_t)status);
	for (;;)
		__asm__ volatile("cli; hlt" : : : "memory");
}

void guest_fail(enum guest_status status, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	console_line(fmt, args);
	va_end(args);
	leave(status);
}

void guest_exception(uint32_t vector, uint32_t error, uint32_t eip)
{
	guest_fail(GUEST_EXCEPTION, "exception %u, error 0x%x, at 0x%x", vector,
		   error, eip);
}

/* --- start -------------------------------------------------------------- */

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

static void read_cmdline(const char *text)
{
	const char *bad = cmdline_parse(text, &options);
	uint32_t len = 0;

	if (!bad)
		return;
	while (bad[len] > ' ')
		len++;
	guest_fail(GUEST_BAD_CMDLINE,
		   "command line: \"%.*s\" is not understood", (int)len, bad);
}

static void say_disk(const struct disk *disk)
{
	const char *mode = disk_is_read_only(disk) ? ", read-only" : "";

	if (disk->by_irq)
		say("%s: %llu sectors, irq %u%s", disk->name, disk->capacity,
		    disk->irq, mode);
	else
		say("%s: %llu sectors, polled%s", disk->name, disk->capacity,
		    mode);
}

static void open_device(const struct guest_device *dev)
{
	struct disk *disk = &disks[nr_disks];
	uint32_t id;

	if (dev->len_bytes < MMIO_LEN_MIN)
		guest_fail(GUEST_BAD_DEVICE, "device at 0x%x: only %u bytes",
			   dev->base, dev->len_bytes);
	id = mmio_probe(dev->base);
	if (id != VIRTIO_ID_BLOCK) {
		say("device at 0x%x: virtio id %u is not a disk, passed over",
		    dev->base, id);
		return;
	}
	disk_open(disk, nr_disks, dev, options.mode != GUEST_MODE_POLL,
		  options.timeout_s);
	nr_disks++;
	if (disk->by_irq)
		irq_route(disk->index, dev->irq, disk_interrupt, disk);
	disk_start(disk);
	say_disk(disk);
}

static void open_devices(void)
{
	uint32_t i;

	for (i = 0; i < options.nr_devices; i++)
		open_device(&options.devices[i]);
	if (!nr_disks)
		guest_fail(GUEST_NO_DISK, "no disk among %u devices",
			   options.nr_devices);
}

/* --- modes -------------------------------------------------------------- */

/* All disks have their round in flight at once; each step is done on all
 * before the next begins. */
static void write_round(uint32_t round)
{
	struct disk *disk;

	for (disk = disks; disk < disks + nr_disks; disk++)
		if (!disk_is_read_only(disk))
			disk_write_round(disk, round);
	for (disk = disks; disk < disks + nr_disks; disk++) {
		if (disk_is_read_only(disk))
			continue;
		disk_finish(disk);
		say("%s: wrote %u KiB in %u requests (round %u)", disk->name,
		    disk->round_bytes / 1024, disk->nr_round, round + 1);
		disk_flush(disk);
	}
}

static void read_round(uint32_t round)
{
	struct disk *disk;

	for (disk = disks; disk < disks + nr_disks; disk++)
		disk_read_round(disk, round);
	for (disk = disks; disk < disks + nr_disks; disk++)
		disk_finish(disk);
}

static void compare(void)
{
	struct disk *disk;
	uint32_t round;

	for (disk = disks; disk < disks + nr_disks; disk++) {
		disk_say_id(disk);
		disk_check_refusals(disk);
		if (!disk_is_read_only(disk))
			disk_check_zeroes(disk);
	}
	for (round = 0; round < options.rounds; round++) {
		write_round(round);
		read_round(round);
		for (disk = disks; disk < disks + nr_disks; disk++) {
			if (!disk_is_read_only(disk)) {
				disk_compare_round(disk, round);
				continue;
			}
			disk_keep(disk);
			disk_read_round(disk, round);
			disk_finish(disk);
			disk_compare_kept(disk, round);
		}
	}
	for (disk = disks; disk < disks + nr_disks; disk++)
		say("%s: all compared (%u bytes)%s", disk->name,
		    disk->compared_bytes,
		    disk_is_read_only(disk) ? ", twice the same" : "");
	say("all compared");
}

static void run_idle(void)
{
	say("idle");
	for (;;)
		cpu_sleep();
}

static void run_doorbell(void)
{
	disk_ring(&disks[0], options.writes);
	say("%s: rang %u times", disks[0].name, options.writes);
}

static void run_lie(void)
{
	disk_lie(&disks[0]);
	say("%s: device asked for a reset", disks[0].name);
	compare();
	say("%s: device asked for a reset, and serves again", disks[0].name);
}

static void run(void)
{
	if (options.mode == GUEST_MODE_IRQ || options.mode == GUEST_MODE_LIE)
		irq_tick_start();
	switch (options.mode) {
	case GUEST_MODE_IDLE:
		run_idle();
		break;
	case GUEST_MODE_DOORBELL:
		run_doorbell();
		break;
	case GUEST_MODE_LIE:
		run_lie();
		break;
	default:
		compare();
		break;
	}
}

void guest_main(uint32_t start_info_paddr)
{
	const char *cmdline;

	console_init();
	irq_init();
	cmdline = check_start_info((const struct start_info *)start_info_paddr);
	read_cmdline(cmdline);
	say("guest: %u devices, %s, %u rounds", options.nr_devices,
	    cmdline_mode_name(options.mode), options.rounds);
	open_devices();
	run();
	leave(GUEST_OK);
}
