/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * drive.c - what is done to the disks, in which order, and how it ends
 *
 * Side:    inside the virtual machine, and the stand-in for it.
 * Owns:    the disks, the options, the end.
 * Callers: the platform, once.
 * Never:   returns.
 */
#include <stdarg.h>

#include "driver/disk.h"
#include "driver/guest.h"
#include "driver/transport.h"
#include "driver/platform.h"

#define VIRTIO_ID_BLOCK 2u

static struct guest_options options;
static struct disk disks[GUEST_DEVICES_MAX];
static uint32_t nr_disks;

/* --- lines and the end -------------------------------------------------- */

void say(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	platform_say(fmt, args);
	va_end(args);
}

static __attribute__((noreturn)) void leave(enum guest_status status)
{
	uint32_t i;

	for (i = 0; i < nr_disks; i++)
		platform_count(disks[i].transport.notified,
			       disks[i].compared_bytes);
	platform_end(status);
}

void guest_fail(enum guest_status status, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	platform_say(fmt, args);
	va_end(args);
	leave(status);
}

/* --- start -------------------------------------------------------------- */

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

static void open_device(const struct guest_device *dev)
{
	struct disk *disk = &disks[nr_disks];
	uint32_t id;

	if (dev->len_bytes < TRANSPORT_LEN_MIN)
		guest_fail(GUEST_BAD_DEVICE, "device at 0x%x: only %u bytes",
			   dev->base, dev->len_bytes);
	id = transport_probe(dev->base);
	if (id != VIRTIO_ID_BLOCK) {
		say("device at 0x%x: virtio id %u is not a disk, passed over",
		    dev->base, id);
		return;
	}
	disk_open(disk, nr_disks, dev, &options);
	nr_disks++;
	disk_start(disk);
	disk_say(disk);
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
		if (!disk_has(disk, FEATURE_RO))
			disk_write_round(disk, round);
	for (disk = disks; disk < disks + nr_disks; disk++) {
		if (disk_has(disk, FEATURE_RO))
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

static void compare_round(struct disk *disk, uint32_t round)
{
	if (!disk_has(disk, FEATURE_RO)) {
		disk_compare_round(disk, round);
	} else {
		disk_keep(disk);
		disk_read_round(disk, round);
		disk_finish(disk);
		disk_compare_kept(disk, round);
	}
	if (!round)
		disk_check_pieces(disk, round);
}

/* What touches registers is tried here, not in the rounds, and the disk then
 * started anew: what exits from there on, only I/O has caused. */
static void check(struct disk *disk)
{
	disk_say_id(disk);
	disk_check_refusals(disk);
	if (!disk_has(disk, FEATURE_RO)) {
		disk_check_cache(disk);
		disk_check_zeroes(disk);
		disk_check_discard(disk);
	}
	disk_check_queue_reset(disk);
	disk_start(disk);
	disk->compared_bytes = 0;
}

static void compare(void)
{
	struct disk *disk;
	uint32_t round;

	for (disk = disks; disk < disks + nr_disks; disk++)
		check(disk);
	for (round = 0; round < options.rounds; round++) {
		write_round(round);
		read_round(round);
		for (disk = disks; disk < disks + nr_disks; disk++)
			compare_round(disk, round);
	}
	for (disk = disks; disk < disks + nr_disks; disk++)
		say("%s: all compared (%u bytes)%s", disk->name,
		    disk->compared_bytes,
		    disk_has(disk, FEATURE_RO) ? ", twice the same" : "");
	say("all compared");
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

static void run_reset(void)
{
	uint32_t round;

	for (round = 0; round < options.rounds; round++)
		disk_check_reset(&disks[0], round);
	compare();
}

void drive(const char *cmdline)
{
	read_cmdline(cmdline);
	say("guest: %u devices, %s, %u rounds", options.nr_devices,
	    cmdline_mode_name(options.mode), options.rounds);
	open_devices();
	switch (options.mode) {
	case GUEST_MODE_IDLE:
		say("idle");
		platform_idle();
	case GUEST_MODE_DOORBELL:
		run_doorbell();
		break;
	case GUEST_MODE_LIE:
		run_lie();
		break;
	case GUEST_MODE_RESET:
		run_reset();
		break;
	default:
		compare();
		break;
	}
	leave(GUEST_OK);
}
