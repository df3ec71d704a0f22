/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * standin.c - a guest's driver in C, for hosts without KVM
 *
 * What it replaces is the processor and nothing else: every register access
 * goes through bus.c as a vCPU's would, the queues and the data lie in guest
 * memory, the disk is the same process behind the same fence. It says and
 * writes what the built-in guest says and writes; the plan and the words of the
 * command line are that guest's own files.
 *
 * Side:    vmm, in place of a vCPU thread and behind the same filter.
 * Owns:    guest memory from STANDIN_GPA on.
 * Callers: vcpu.c.
 * Needs:   what bus.c needs, and read on call eventfds.
 * Never:   takes a short cut past the registers.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <ringfence/log.h>

#include "guest/guest.h"
#include "guest/plan.h"
#include "vmm/bus.h"
#include "vmm/debugport.h"
#include "vmm/standin.h"

#define STANDIN_GPA 0x100000ull
#define STANDIN_DISK_BYTES 0x40000ull
#define STANDIN_QUEUE_SIZE 64u
#define STANDIN_REQUESTS (STANDIN_QUEUE_SIZE / 3)
static_assert(STANDIN_REQUESTS >= PLAN_EXTENTS_MAX, "a round at once");
#define STANDIN_LOOKS_A_STATUS 4096u

enum { BLK_IN = 0, BLK_OUT = 1, BLK_FLUSH = 4 };
#define BLK_F_RO (1u << 5)
#define BLK_F_FLUSH (1u << 9)
#define BLK_VERSION_1_HIGH 1u /* bit 32 */
#define BLK_S_UNTOUCHED 0xee

enum { DESC_F_NEXT = 1, DESC_F_WRITE = 2 };
enum { AVAIL_F_NO_INTERRUPT = 1, USED_F_NO_NOTIFY = 1 };

/* virtio 1.2, 2.7 and 5.2.6; in guest memory, shared with the device. */
struct desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags;
	uint16_t next;
};

struct used_entry {
	uint32_t id;
	uint32_t len;
};

struct request {
	uint32_t type;
	uint32_t reserved;
	uint64_t sector;
	uint8_t status;
	uint8_t pad[7];
};

struct disk_memory {
	struct desc desc[STANDIN_QUEUE_SIZE];
	uint16_t avail_flags;
	uint16_t avail_idx;
	uint16_t avail_ring[STANDIN_QUEUE_SIZE];
	uint32_t pad;
	uint16_t used_flags;
	uint16_t used_idx;
	struct used_entry used_ring[STANDIN_QUEUE_SIZE];
	struct request requests[STANDIN_REQUESTS];
	uint32_t written[PLAN_SECTORS_MAX * PLAN_SECTOR_WORDS];
	uint32_t found[PLAN_SECTORS_MAX * PLAN_SECTOR_WORDS];
};
static_assert(sizeof(struct disk_memory) <= STANDIN_DISK_BYTES, "its room");
static_assert(offsetof(struct disk_memory, avail_flags) % 2 == 0, "2.7");
static_assert(offsetof(struct disk_memory, used_flags) % 4 == 0, "2.7");

struct disk {
	struct standin *s;
	uint32_t index;
	uint64_t gpa; /* of its memory */
	struct disk_memory *mem;
	uint64_t capacity;
	bool read_only;
	bool can_flush;
	uint16_t added;
	uint16_t taken;
	uint32_t nr_requests; /* in the batch being built */
	uint32_t notified;
	uint32_t compared_bytes;
};

static struct standin {
	struct vmm *vmm;
	uint32_t slot;
	bool by_irq;
	uint32_t nr_disks;
	struct disk disks[RF_FENCE_DEVICES_MAX];
	struct guest_options options;
} standin;

static void RF_PRINTF(2, 0)
	say_args(struct standin *s, const char *fmt, va_list args)
{
	char line[160];
	int i;
	int n = vsnprintf(line, sizeof(line) - 2, fmt, args);

	if (n < 0)
		return;
	if (n > (int)sizeof(line) - 3)
		n = (int)sizeof(line) - 3;
	line[n++] = '\r';
	line[n++] = '\n';
	for (i = 0; i < n; i++)
		bus_port_write(s->vmm, s->slot, SERIAL_PORT, &line[i], 1);
}

static void RF_PRINTF(2, 3) tell(struct standin *s, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	say_args(s, fmt, args);
	va_end(args);
}

static _Noreturn void leave(struct standin *s, uint8_t status)
{
	uint32_t i;

	for (i = 0; i < s->nr_disks; i++) {
		bus_port_write(s->vmm, s->slot, DEBUGPORT_NOTIFIED,
			       &s->disks[i].notified, 4);
		bus_port_write(s->vmm, s->slot, DEBUGPORT_COMPARED,
			       &s->disks[i].compared_bytes, 4);
	}
	bus_port_write(s->vmm, s->slot, DEBUGPORT_EXIT, &status, 1);
	work_park(&s->vmm->work, s->slot);
}

static _Noreturn void RF_PRINTF(3, 4)
	fail(struct standin *s, enum guest_status status, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	say_args(s, fmt, args);
	va_end(args);
	leave(s, (uint8_t)status);
}

static uint32_t reg_read(const struct disk *d, uint32_t offset)
{
	uint32_t value;

	bus_mmio_read(d->s->vmm, vdev_gpa(d->index) + offset, &value, 4);
	return value;
}

static void reg_write(const struct disk *d, uint32_t offset, uint32_t value)
{
	bus_mmio_write(d->s->vmm, d->s->slot, vdev_gpa(d->index) + offset,
		       &value, 4);
}

#define REG(field) ((uint32_t)offsetof(struct rf_virtio_mmio_page, field))

static void reg_write64(const struct disk *d, uint32_t low, uint64_t value)
{
	reg_write(d, low, (uint32_t)value);
	reg_write(d, low + 4, (uint32_t)(value >> 32));
}

static uint64_t gpa_of(const struct disk *d, const void *p)
{
	return d->gpa +
	       (uint64_t)((const uint8_t *)p - (const uint8_t *)d->mem);
}

/* virtio 1.2, 3.1.1 */
static void agree(struct disk *d)
{
	const uint32_t ready = RF_VIRTIO_STATUS_ACKNOWLEDGE |
			       RF_VIRTIO_STATUS_DRIVER;
	uint32_t features;

	reg_write(d, REG(status), 0);
	reg_write(d, REG(status), RF_VIRTIO_STATUS_ACKNOWLEDGE);
	reg_write(d, REG(status), ready);
	reg_write(d, REG(device_features_sel), 0);
	features = reg_read(d, REG(device_features)) & (BLK_F_RO | BLK_F_FLUSH);
	d->read_only = features & BLK_F_RO;
	d->can_flush = features & BLK_F_FLUSH;
	reg_write(d, REG(driver_features_sel), 0);
	reg_write(d, REG(driver_features), features);
	reg_write(d, REG(driver_features_sel), 1);
	reg_write(d, REG(driver_features), BLK_VERSION_1_HIGH);
	reg_write(d, REG(status), ready | RF_VIRTIO_STATUS_FEATURES_OK);
	if (!(reg_read(d, REG(status)) & RF_VIRTIO_STATUS_FEATURES_OK))
		fail(d->s, GUEST_NO_FEATURES, "disk%u: features refused",
		     d->index);
}

static void set_queue(struct disk *d)
{
	reg_write(d, REG(queue_sel), 0);
	if (reg_read(d, REG(queue_ready)) ||
	    reg_read(d, REG(queue_num_max)) < STANDIN_QUEUE_SIZE)
		fail(d->s, GUEST_NO_QUEUE, "disk%u: no queue of %u", d->index,
		     STANDIN_QUEUE_SIZE);
	memset(d->mem, 0, sizeof(*d->mem));
	d->added = 0;
	d->taken = 0;
	d->nr_requests = 0;
	if (!d->s->by_irq)
		d->mem->avail_flags = AVAIL_F_NO_INTERRUPT;
	reg_write(d, REG(queue_num), STANDIN_QUEUE_SIZE);
	reg_write64(d, REG(queue_desc_low), gpa_of(d, d->mem->desc));
	reg_write64(d, REG(queue_driver_low), gpa_of(d, &d->mem->avail_flags));
	reg_write64(d, REG(queue_device_low), gpa_of(d, &d->mem->used_flags));
	reg_write(d, REG(queue_ready), 1);
}

static void read_capacity(struct disk *d)
{
	uint32_t generation;

	do {
		generation = reg_read(d, REG(config_generation));
		d->capacity = reg_read(d, REG(config));
		d->capacity |= (uint64_t)reg_read(d, REG(config) + 4) << 32;
	} while (generation != reg_read(d, REG(config_generation)));
	if (d->capacity == 0)
		fail(d->s, GUEST_BAD_DEVICE, "disk%u: holds nothing", d->index);
}

static void start_disk(struct disk *d)
{
	agree(d);
	read_capacity(d);
	set_queue(d);
	reg_write(d, REG(status),
		  reg_read(d, REG(status)) | RF_VIRTIO_STATUS_DRIVER_OK);
}

static void stop_if_broken(const struct disk *d)
{
	if (reg_read(d, REG(status)) & RF_VIRTIO_STATUS_NEEDS_RESET)
		fail(d->s, GUEST_NEEDS_RESET,
		     "disk%u: DEVICE_NEEDS_RESET: the device gave up",
		     d->index);
}

/* The line of the device: whatever it was raised for. */
static void take_interrupt(const struct disk *d)
{
	uint64_t count;

	if (rf_eventfd_take(d->s->vmm->devices[d->index].calls[0], &count) < 0)
		fail(d->s, GUEST_LOST_INTERRUPT,
		     "disk%u: its interrupt cannot be waited for", d->index);
	reg_write(d, REG(interrupt_ack), reg_read(d, REG(interrupt_status)));
}

static bool has_used(const struct disk *d)
{
	return __atomic_load_n(&d->mem->used_idx, __ATOMIC_ACQUIRE) != d->taken;
}

static void wait_for_used(const struct disk *d)
{
	uint32_t looks = 0;

	while (!has_used(d)) {
		if (d->s->by_irq) {
			take_interrupt(d);
			stop_if_broken(d);
		} else if (++looks % STANDIN_LOOKS_A_STATUS == 0) {
			stop_if_broken(d);
		}
	}
}

/* The device may have asked for silence; it looks at our index once more after
 * taking that back. Both sides store, then load what the other stores: all four
 * must be sequentially consistent (virtio 1.2, 2.7.13.4.1). */
static void publish(struct disk *d)
{
	__atomic_store_n(&d->mem->avail_idx, d->added, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&d->mem->used_flags, __ATOMIC_SEQ_CST) &
	    USED_F_NO_NOTIFY)
		return;
	reg_write(d, REG(queue_notify), 0);
	d->notified++;
}

static void link_desc(struct disk *d, uint32_t at, const void *data,
		      uint32_t len, uint16_t flags)
{
	d->mem->desc[at] = (struct desc){
		.addr = gpa_of(d, data),
		.len = len,
		.flags = flags,
		.next = (uint16_t)(at + 1),
	};
}

/* Three descriptors a request, or two without data; request n has its own. */
static void add_request(struct disk *d, uint32_t type, uint64_t sector,
			const void *data, uint32_t len)
{
	const uint32_t n = d->nr_requests++;
	struct request *r = &d->mem->requests[n];
	uint32_t at = n * 3;

	*r = (struct request){ .type = type,
			       .sector = sector,
			       .status = BLK_S_UNTOUCHED };
	link_desc(d, at++, r, 16, DESC_F_NEXT);
	if (len > 0)
		link_desc(d, at++, data, len,
			  DESC_F_NEXT | (type == BLK_IN ? DESC_F_WRITE : 0));
	link_desc(d, at, &r->status, 1, DESC_F_WRITE);
	d->mem->avail_ring[d->added++ % STANDIN_QUEUE_SIZE] = (uint16_t)(n * 3);
	publish(d);
}

static void take_used(struct disk *d, uint64_t *seen)
{
	const struct used_entry *u =
		&d->mem->used_ring[d->taken % STANDIN_QUEUE_SIZE];
	uint32_t id = __atomic_load_n(&u->id, __ATOMIC_RELAXED);
	uint32_t n = id / 3;

	if (id % 3 != 0 || n >= d->nr_requests || *seen & 1ull << n)
		fail(d->s, GUEST_BAD_USED,
		     "disk%u: head %u given back, but it was not out", d->index,
		     id);
	*seen |= 1ull << n;
	d->taken++;
	if (d->mem->requests[n].status != 0)
		fail(d->s, GUEST_BAD_STATUS, "disk%u: request %u: status %u",
		     d->index, n, d->mem->requests[n].status);
	atomic_fetch_add_explicit(&d->s->vmm->progress, 1,
				  memory_order_relaxed);
}

/* Until everything of the batch has come back. */
static void finish(struct disk *d)
{
	uint64_t seen = 0;

	while (d->taken != d->added) {
		wait_for_used(d);
		take_used(d, &seen);
	}
	d->nr_requests = 0;
}

static void fill(struct disk *d, uint64_t sector, uint32_t nr, uint32_t round,
		 uint32_t *words)
{
	uint32_t i;

	for (i = 0; i < nr; i++)
		plan_fill(words + (size_t)i * PLAN_SECTOR_WORDS,
			  plan_seed(sector + i, round, d->index));
}

static void write_round(struct disk *d, uint32_t round)
{
	struct plan_extent e[PLAN_EXTENTS_MAX];
	uint32_t nr = plan_round(d->capacity, round, e);
	uint32_t *words = d->mem->written;
	uint32_t bytes = 0;
	uint32_t i;

	for (i = 0; i < nr; i++) {
		uint32_t len = e[i].nr_sectors * PLAN_SECTOR_BYTES;

		fill(d, e[i].sector, e[i].nr_sectors, round, words);
		add_request(d, BLK_OUT, e[i].sector, words, len);
		words += len / 4;
		bytes += len;
	}
	finish(d);
	tell(d->s, "disk%u: wrote %u KiB in %u requests (round %u)", d->index,
	     bytes / 1024, nr, round + 1);
}

static void flush(struct disk *d)
{
	if (!d->can_flush)
		return;
	add_request(d, BLK_FLUSH, 0, NULL, 0);
	finish(d);
	tell(d->s, "disk%u: flushed", d->index);
}

/* Returns the number of words read. */
static uint32_t read_round(struct disk *d, uint32_t round)
{
	struct plan_extent e[PLAN_EXTENTS_MAX];
	uint32_t nr = plan_round(d->capacity, round, e);
	uint32_t at = 0;
	uint32_t i;

	memset(d->mem->found, 0xa5, sizeof(d->mem->found));
	for (i = 0; i < nr; i++) {
		add_request(d, BLK_IN, e[i].sector, d->mem->found + at,
			    e[i].nr_sectors * PLAN_SECTOR_BYTES);
		at += e[i].nr_sectors * PLAN_SECTOR_WORDS;
	}
	finish(d);
	return at;
}

/* What is wanted is made anew: the device could have written into the memory
 * that it read from. */
static void expect_round(struct disk *d, uint32_t round)
{
	struct plan_extent e[PLAN_EXTENTS_MAX];
	uint32_t nr = plan_round(d->capacity, round, e);
	uint32_t *words = d->mem->written;
	uint32_t i;

	for (i = 0; i < nr; i++) {
		fill(d, e[i].sector, e[i].nr_sectors, round, words);
		words += (size_t)e[i].nr_sectors * PLAN_SECTOR_WORDS;
	}
}

static void compare_words(struct disk *d, uint32_t nr)
{
	uint32_t i;

	for (i = 0; i < nr; i++)
		if (d->mem->found[i] != d->mem->written[i])
			fail(d->s, GUEST_MISCOMPARE,
			     "disk%u: word %u: 0x%x, not 0x%x", d->index, i,
			     d->mem->found[i], d->mem->written[i]);
	d->compared_bytes += nr * 4;
}

static void one_round(struct disk *d, uint32_t round)
{
	if (!d->read_only) {
		write_round(d, round);
		flush(d);
		expect_round(d, round);
	} else {
		read_round(d, round);
		memcpy(d->mem->written, d->mem->found, sizeof(d->mem->found));
	}
	compare_words(d, read_round(d, round));
}

static void compare(struct standin *s)
{
	uint32_t i, round;

	for (round = 0; round < s->options.rounds; round++)
		for (i = 0; i < s->nr_disks; i++)
			one_round(&s->disks[i], round);
	for (i = 0; i < s->nr_disks; i++)
		tell(s, "disk%u: all compared (%u bytes)%s", i,
		     s->disks[i].compared_bytes,
		     s->disks[i].read_only ? ", twice the same" : "");
	tell(s, "all compared");
}

static void ring_only(struct standin *s)
{
	struct disk *d = &s->disks[0];
	uint32_t i;

	for (i = 0; i < s->options.writes; i++)
		reg_write(d, REG(queue_notify), 0);
	d->notified += s->options.writes;
	tell(s, "disk0: rang %u times", s->options.writes);
}

static void lie(struct standin *s)
{
	struct disk *d = &s->disks[0];

	d->mem->avail_ring[d->added++ % STANDIN_QUEUE_SIZE] = UINT16_MAX;
	publish(d);
	/* serve.c ends this if it never comes. */
	while (!(reg_read(d, REG(status)) & RF_VIRTIO_STATUS_NEEDS_RESET))
		take_interrupt(d);
	tell(s, "disk0: device asked for a reset");
	start_disk(d);
	compare(s);
	tell(s, "disk0: device asked for a reset, and serves again");
}

static void idle(struct standin *s)
{
	tell(s, "idle");
	atomic_store_explicit(&s->vmm->progress, UINT64_MAX,
			      memory_order_relaxed);
	work_park(&s->vmm->work, s->slot);
}

static void open_disk(struct standin *s, uint32_t index)
{
	struct disk *d = &s->disks[index];
	uint8_t *mem = NULL;

	d->s = s;
	d->index = index;
	d->gpa = STANDIN_GPA + index * STANDIN_DISK_BYTES;
	if (memory_at(&s->vmm->memory, d->gpa, STANDIN_DISK_BYTES, &mem) < 0)
		fail(s, GUEST_NO_DISK, "disk%u: too little memory", index);
	d->mem = (struct disk_memory *)(void *)mem;
	if (reg_read(d, REG(magic_value)) != RF_VIRTIO_MMIO_MAGIC ||
	    reg_read(d, REG(version)) != RF_VIRTIO_MMIO_VERSION)
		fail(s, GUEST_BAD_DEVICE, "disk%u: no virtio-mmio registers",
		     index);
	s->nr_disks++;
	start_disk(d);
	if (s->by_irq)
		tell(s, "disk%u: %llu sectors, irq %u%s", index,
		     (unsigned long long)d->capacity, VDEV_GSI + index,
		     d->read_only ? ", read-only" : "");
	else
		tell(s, "disk%u: %llu sectors, polled%s", index,
		     (unsigned long long)d->capacity,
		     d->read_only ? ", read-only" : "");
}

static void run(struct standin *s)
{
	switch (s->options.mode) {
	case GUEST_MODE_IDLE:
		idle(s);
		break;
	case GUEST_MODE_DOORBELL:
		ring_only(s);
		break;
	case GUEST_MODE_LIE:
		lie(s);
		break;
	default:
		compare(s);
		break;
	}
}

void standin_run(struct vmm *vmm, uint32_t slot)
{
	struct standin *s = &standin;
	uint32_t i;

	s->vmm = vmm;
	s->slot = slot;
	rf_log("no KVM: a stand-in drives the devices in place of a guest");
	if (cmdline_parse(vmm->cmdline, &s->options))
		fail(s, GUEST_BAD_CMDLINE, "command line: not understood");
	s->by_irq = s->options.mode != GUEST_MODE_POLL;
	tell(s, "guest: %u devices, %s, %u rounds", vmm->nr_devices,
	     cmdline_mode_name(s->options.mode), s->options.rounds);
	for (i = 0; i < vmm->nr_devices; i++)
		open_disk(s, i);
	if (s->nr_disks == 0)
		fail(s, GUEST_NO_DISK, "no disk among 0 devices");
	run(s);
	leave(s, GUEST_OK);
}
