/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * guest.h - the built-in guest: what it says, how it ends, how it is asked
 *
 * Side:    inside the virtual machine (tests/guest), and the stand-in for it
 *          where there is no KVM (src/vmm/standin.c). Everything here believes
 *          only what the specifications promise and checks the rest: it is the
 *          other end that our monitor and our devices are measured against.
 * Owns:    the exit statuses, the command line's words, the console's lines.
 * Callers: every file of the driver; tests, for the statuses.
 * Never:   needs a library, a floating-point register, or more memory than the
 *          platform gave.
 *
 * It runs on hardware, under QEMU and where a hypervisor emulates each
 * instruction at a microsecond, so that instructions, not bytes, are what it
 * saves.
 *
 * Command line, all words optional, unknown words passed over:
 *   virtio_mmio.device=SIZE@BASE:IRQ[:ID]   a register file, as Linux has it
 *   rf.device=SIZE@BASE:IRQ   the same, of which Linux learns elsewhere
 *   rf.mode=irq        compare through interrupts (without this word too)
 *   rf.mode=poll       compare by looking at the used ring; no interrupts
 *   rf.mode=idle       start the disks, then halt for ever
 *   rf.mode=doorbell   rf.writes=N notify writes to the first disk
 *   rf.mode=lie        break the first disk's queue, see it ask for a reset,
 *                      reset it, then as irq
 *   rf.mode=reset      rf.rounds=N resets of the first disk under its reads,
 *                      see that none is done afterwards, then as irq
 *   rf.features=LIST   +NAME: the device must offer it; -NAME: leave it. Names
 *                      as in features.c, commas between them. What is offered
 *                      and known is taken otherwise.
 *   rf.queues=N        use N queues; all that are offered otherwise
 *   rf.rounds=N        rounds of writing and comparing (2)
 *   rf.timeout=N       seconds to wait for an answer (10)
 */
#ifndef RINGFENCE_DRIVER_GUEST_H
#define RINGFENCE_DRIVER_GUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GUEST_ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* How the guest ends: written to the debug-exit port, after a line that says
 * what happened. From 10 on, so that none is taken for a status of the program
 * that started it, and below 64, because QEMU doubles them. */
enum guest_status {
	GUEST_OK = 0,
	GUEST_NO_BOOT = 10,	   /* not started as PVH prescribes */
	GUEST_BAD_CMDLINE = 11,	   /* one of our words is malformed */
	GUEST_NO_DISK = 12,	   /* no virtio-mmio block device found */
	GUEST_NO_ROUTE = 13,	   /* the IOAPIC has no such input */
	GUEST_BAD_DEVICE = 14,	   /* registers or configuration: nonsense */
	GUEST_NO_FEATURES = 15,	   /* VERSION_1 missing or selection refused */
	GUEST_NO_QUEUE = 16,	   /* queue missing, in use or too short */
	GUEST_TIMEOUT = 17,	   /* a request was not answered */
	GUEST_LOST_INTERRUPT = 18, /* answered, but no interrupt came */
	GUEST_NEEDS_RESET = 19,	   /* the device set DEVICE_NEEDS_RESET */
	GUEST_BAD_USED = 20,	   /* unknown buffer, wrong length or order */
	GUEST_BAD_STATUS = 21,	   /* a request ended with another status */
	GUEST_MISCOMPARE = 22,	   /* the disk holds other data than written */
	/* No reset was asked for, none was done, or the disk went on. */
	GUEST_NO_RESET = 23,
	GUEST_EXCEPTION = 24,	/* the processor objected */
	GUEST_NOT_OFFERED = 25, /* rf.features or rf.queues asks for more */
};

enum guest_mode {
	GUEST_MODE_IRQ,
	GUEST_MODE_POLL,
	GUEST_MODE_IDLE,
	GUEST_MODE_DOORBELL,
	GUEST_MODE_LIE,
	GUEST_MODE_RESET,
	GUEST_NR_MODES
};

#define GUEST_DEVICES_MAX 16u
#define GUEST_QUEUES_MAX 8u
#define GUEST_ROUNDS_MAX 1000000u
#define GUEST_TIMEOUT_MAX_S 3600u

struct guest_device {
	uint32_t base; /* physical address */
	uint32_t len_bytes;
	uint32_t irq; /* global system interrupt: IOAPIC input */
};

struct guest_options {
	enum guest_mode mode;
	uint32_t rounds;
	uint32_t writes;
	uint32_t timeout_s;
	uint32_t queues;	 /* 0: as many as there are */
	uint64_t needs_features; /* offered, or the end */
	uint64_t shuns_features;
	uint32_t nr_devices;
	struct guest_device devices[GUEST_DEVICES_MAX];
};

/* cmdline.c: NULL if all is well, else the first word that is not; it ends at
 * a blank or at the text's end. `out` is written in either case. */
const char *cmdline_parse(const char *text, struct guest_options *out);
const char *cmdline_mode_name(enum guest_mode mode);

/* drive.c: all of what the command line asks for, to the end. */
__attribute__((noreturn)) void drive(const char *cmdline);

/* drive.c: a line on the console; knows %s, %.*s, %u, %x and %llu. */
__attribute__((format(printf, 1, 2))) void say(const char *fmt, ...);
/* The same line, the counters, and the end. */
__attribute__((noreturn, format(printf, 2, 3))) void
guest_fail(enum guest_status status, const char *fmt, ...);

#endif
