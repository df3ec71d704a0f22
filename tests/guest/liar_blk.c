/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * liar_blk.c - the registers of a disk that lies, and that knows the driver's
 *              duties
 *
 * Side:    host, tests only.
 * Owns:    struct liar, but for the guest's memory.
 * Callers: liar_vm.c, liar_ring.c, liar_disk.c, with the lock held; tests.
 * Never:   believes the guest further than a test can afford: an address
 *          outside of memory is a broken rule, not a crash.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "liar.h"

#define REG(field) offsetof(struct rf_virtio_mmio_page, field)

enum {
	SECTOR = 512,
	STATUS_DRIVER = 2,
	STATUS_DRIVER_OK = 4,
	STATUS_FEATURES_OK = 8,
	STATUS_NEEDS_RESET = 64,
};

void liar_set_config(struct liar *l, enum liar_config field, uint32_t len,
		     uint32_t value)
{
	memcpy(l->page.config + field, &value, len);
}

/* Limits that matter to nobody, until a test has its own. */
static void fill_config(struct liar *l)
{
	liar_set_config(l, LIAR_CONFIG_CAPACITY, 4, (uint32_t)l->capacity);
	liar_set_config(l, LIAR_CONFIG_SIZE_MAX, 4, 1 << 20);
	liar_set_config(l, LIAR_CONFIG_SEG_MAX, 4, 62);
	liar_set_config(l, LIAR_CONFIG_BLK_SIZE, 4, SECTOR);
	liar_set_config(l, LIAR_CONFIG_PHYSICAL_EXP, 1, 3);
	liar_set_config(l, LIAR_CONFIG_MIN_IO, 2, 1);
	liar_set_config(l, LIAR_CONFIG_WRITEBACK, 1, 1);
	liar_set_config(l, LIAR_CONFIG_NUM_QUEUES, 2, 1);
	liar_set_config(l, LIAR_CONFIG_DISCARD_SECTORS, 4, 1024);
	liar_set_config(l, LIAR_CONFIG_DISCARD_RANGES, 4, 2);
	liar_set_config(l, LIAR_CONFIG_DISCARD_ALIGNMENT, 4, 1);
	liar_set_config(l, LIAR_CONFIG_ZEROES_SECTORS, 4, 1024);
	liar_set_config(l, LIAR_CONFIG_ZEROES_RANGES, 4, 1);
	liar_set_config(l, LIAR_CONFIG_ZEROES_UNMAP, 1, 1);
}

struct liar *liar_new(void)
{
	struct liar *l = calloc(1, sizeof(*l));
	uint32_t i;

	if (!l)
		return NULL;
	l->capacity = 2048;
	l->image = calloc(l->capacity, SECTOR);
	if (!l->image) {
		free(l);
		return NULL;
	}
	l->features = LIAR_F_FLUSH | LIAR_F_WRITE_ZEROES |
		      LIAR_F_INDIRECT_DESC | LIAR_F_EVENT_IDX |
		      LIAR_F_VERSION_1;
	l->queue_max = 256;
	l->nth = 20;
	l->interrupt = -1;
	fill_config(l);
	for (i = 0; i < LIAR_QUEUES_MAX; i++)
		liar_queue_clear(&l->queues[i]);
	pthread_mutex_init(&l->lock, NULL);
	return l;
}

void liar_free(struct liar *l)
{
	if (!l)
		return;
	pthread_mutex_destroy(&l->lock);
	free(l->image);
	free(l);
}

void liar_broken(struct liar *l, const char *rule)
{
	if (!l->broken_rule)
		l->broken_rule = rule;
}

void liar_rule(struct liar *l, bool kept, const char *text)
{
	if (!kept)
		liar_broken(l, text);
}

void *liar_at(struct liar *l, uint64_t gpa, uint64_t len)
{
	static uint8_t nowhere[1 << 20];

	if (gpa <= l->mem_bytes && len <= l->mem_bytes - gpa)
		return l->mem + gpa;
	liar_broken(l, "an address outside of memory");
	return len <= sizeof(nowhere) ? nowhere : NULL;
}

bool liar_agreed(const struct liar *l, uint64_t feature)
{
	return l->driver_features & feature;
}

void liar_interrupt(struct liar *l, uint32_t bit)
{
	uint64_t one = 1;

	l->page.interrupt_status |= bit;
	if (l->lie == LIAR_NO_INTERRUPT)
		return;
	if (write(l->interrupt, &one, sizeof(one)) != sizeof(one))
		liar_broken(l, "the interrupt's eventfd is full");
}

void liar_give_up(struct liar *l)
{
	l->page.status |= STATUS_NEEDS_RESET;
	if (l->lie != LIAR_NO_CONFIG_INTERRUPT)
		liar_interrupt(l, 2);
}

/* --- status and features ------------------------------------------------ */

/* It races with whoever uses that memory by now: that is the lie. */
__attribute__((no_sanitize("thread"))) static void *read_on(void *where)
{
	(void)usleep(100000);
	*(uint8_t *)where ^= 0xff;
	return NULL;
}

static void reset(struct liar *l)
{
	pthread_t thread;
	uint32_t i;

	if (l->lie == LIAR_RESET_READS_ON && l->last_read &&
	    pthread_create(&thread, NULL, read_on, l->last_read) == 0)
		(void)pthread_detach(thread);
	l->last_read = NULL;
	memset(&l->page, 0, offsetof(struct rf_virtio_mmio_page, config));
	l->driver_features = 0;
	l->held.nr = 0;
	for (i = 0; i < LIAR_QUEUES_MAX; i++)
		liar_queue_clear(&l->queues[i]);
	if (l->lie == LIAR_RESET_STICKS)
		l->page.status = STATUS_NEEDS_RESET;
	if (l->lie == LIAR_QUEUE_IN_USE)
		l->queues[0].ready = true;
}

static void write_status(struct liar *l, uint32_t value)
{
	uint32_t old = l->page.status;

	if (!value) {
		reset(l);
		return;
	}
	liar_rule(l, !(old & ~value & ~(uint32_t)STATUS_NEEDS_RESET),
		  "a status bit was cleared");
	liar_rule(l, !(value & STATUS_FEATURES_OK) || old & STATUS_DRIVER,
		  "FEATURES_OK before DRIVER");
	liar_rule(l, !(value & STATUS_DRIVER_OK) || old & STATUS_FEATURES_OK,
		  "DRIVER_OK before FEATURES_OK");
	liar_rule(l,
		  !(value & STATUS_FEATURES_OK) ||
			  liar_agreed(l, LIAR_F_VERSION_1),
		  "VERSION_1 was not taken");
	if (l->lie == LIAR_FEATURES_REFUSED)
		value &= ~(uint32_t)STATUS_FEATURES_OK;
	if (l->lie == LIAR_DRIVER_OK_DROPPED)
		value &= ~(uint32_t)STATUS_DRIVER_OK;
	l->page.status = value | (old & STATUS_NEEDS_RESET);
}

static void write_features(struct liar *l, uint32_t value)
{
	uint32_t shift = l->page.driver_features_sel ? 32 : 0;

	liar_rule(l, !(l->page.status & STATUS_FEATURES_OK),
		  "features after FEATURES_OK");
	liar_rule(l, !(value & ~(l->features >> shift)),
		  "a feature not offered");
	l->driver_features &= ~((uint64_t)UINT32_MAX << shift);
	l->driver_features |= (uint64_t)value << shift;
}

/* --- queues ------------------------------------------------------------- */

static struct liar_queue *selected(struct liar *l)
{
	if (l->page.queue_sel < LIAR_QUEUES_MAX)
		return &l->queues[l->page.queue_sel];
	liar_broken(l, "a queue beyond all queues");
	return &l->queues[0];
}

static void write_ready(struct liar *l, uint32_t value)
{
	struct liar_queue *q = selected(l);
	bool packed = liar_agreed(l, LIAR_F_RING_PACKED);

	q->num = l->page.queue_num;
	q->desc = l->page.queue_desc_low;
	q->driver = l->page.queue_driver_low;
	q->device = l->page.queue_device_low;
	liar_rule(l, l->page.status & STATUS_FEATURES_OK,
		  "a queue before FEATURES_OK");
	liar_rule(l,
		  q->num && !(q->num & (q->num - 1)) && q->num <= l->queue_max,
		  "a queue of odd size");
	liar_rule(l,
		  !(q->desc % 16) && !(q->driver % (packed ? 4 : 2)) &&
			  !(q->device % 4),
		  "a ring out of line");
	if (l->lie != LIAR_QUEUE_NOT_READY)
		q->ready = value;
}

/* All of it at once: the guest never sees 1, unless we lie. */
static void write_queue_reset(struct liar *l, uint32_t value)
{
	struct liar_queue *q = selected(l);
	uint16_t next_avail = q->next_avail;

	liar_rule(l,
		  liar_agreed(l, LIAR_F_RING_RESET) && value == 1 && q->ready,
		  "a queue reset that may not be");
	l->nr_queue_resets++;
	liar_queue_clear(q);
	l->held.nr = 0;
	if (l->lie == LIAR_QUEUE_RESET_STICKS)
		l->page.queue_reset = 1;
	if (l->lie == LIAR_QUEUE_RESET_IN_USE)
		q->ready = true;
	if (l->lie == LIAR_QUEUE_RESET_FORGETS)
		q->next_avail = next_avail;
}

static bool write_notify(struct liar *l, uint32_t value)
{
	uint32_t index = value;
	struct liar_queue *q;

	if (liar_agreed(l, LIAR_F_NOTIFICATION_DATA))
		index &= UINT16_MAX;
	l->nr_notified++;
	liar_rule(l, l->page.status & STATUS_DRIVER_OK,
		  "a notify before DRIVER_OK");
	if (index >= LIAR_QUEUES_MAX || !l->queues[index].ready) {
		liar_broken(l, "a notify of another queue");
		return false;
	}
	q = &l->queues[index];
	liar_rule(l, index == value || value >> 16 == liar_ring_end(l, q),
		  "a notify with another place than the last one");
	l->queues_used |= 1u << index;
	return true;
}

/* --- accesses ----------------------------------------------------------- */

static bool write_config(struct liar *l, uint32_t field, uint32_t len,
			 uint32_t value)
{
	liar_rule(l,
		  field == LIAR_CONFIG_WRITEBACK && len == 1 && value <= 1 &&
			  liar_agreed(l, LIAR_F_CONFIG_WCE),
		  "a write to configuration that takes none");
	if (l->lie != LIAR_WRITEBACK_STUCK)
		liar_set_config(l, LIAR_CONFIG_WRITEBACK, 1, value);
	return false;
}

static bool write_plain(struct liar *l, uint32_t offset, uint32_t value)
{
	static const uint16_t plain[] = {
		REG(device_features_sel), REG(driver_features_sel),
		REG(queue_sel),		  REG(queue_num),
		REG(queue_desc_low),	  REG(queue_desc_high),
		REG(queue_driver_low),	  REG(queue_driver_high),
		REG(queue_device_low),	  REG(queue_device_high),
	};
	size_t i;

	for (i = 0; i < RF_ARRAY_LEN(plain); i++) {
		if (offset == plain[i]) {
			memcpy((uint8_t *)&l->page + offset, &value, 4);
			return false;
		}
	}
	liar_broken(l, "a write to a register that takes none");
	return false;
}

bool liar_register_write(struct liar *l, uint32_t offset, uint32_t len,
			 uint32_t value)
{
	if (offset >= RF_VIRTIO_MMIO_CONFIG)
		return write_config(l, offset - RF_VIRTIO_MMIO_CONFIG, len,
				    value);
	liar_rule(l, len == 4, "a register written in part");
	switch (offset) {
	case REG(status):
		write_status(l, value);
		return false;
	case REG(driver_features):
		write_features(l, value);
		return false;
	case REG(queue_ready):
		write_ready(l, value);
		return false;
	case REG(queue_reset):
		write_queue_reset(l, value);
		return false;
	case REG(interrupt_ack):
		liar_rule(l, !(value & ~l->page.interrupt_status),
			  "an interrupt acknowledged that was not there");
		l->page.interrupt_status &= ~value;
		return false;
	case REG(queue_notify):
		return write_notify(l, value);
	default:
		return write_plain(l, offset, value);
	}
}

static uint32_t read_generation(struct liar *l)
{
	if (l->lie == LIAR_GENERATION_RUNS)
		l->page.config_generation++;
	return l->page.config_generation;
}

/* Each field by its own width alone: 4.2.2.2. */
static uint32_t read_config(struct liar *l, uint32_t field, uint32_t len)
{
	uint32_t value = 0;
	uint32_t width = 4;

	if (field == LIAR_CONFIG_PHYSICAL_EXP ||
	    field == LIAR_CONFIG_ALIGNMENT || field == LIAR_CONFIG_WRITEBACK ||
	    field == LIAR_CONFIG_ZEROES_UNMAP)
		width = 1;
	if (field == LIAR_CONFIG_MIN_IO || field == LIAR_CONFIG_NUM_QUEUES)
		width = 2;
	if (len != width || field >= LIAR_CONFIG_BYTES) {
		liar_broken(l, "configuration read in odd pieces");
		return 0;
	}
	if (l->lie == LIAR_EMPTY && field < LIAR_CONFIG_SIZE_MAX)
		return 0;
	memcpy(&value, l->page.config + field, len);
	return value;
}

uint32_t liar_register_read(struct liar *l, uint32_t offset, uint32_t len)
{
	uint64_t features = l->features;

	if (offset >= RF_VIRTIO_MMIO_CONFIG)
		return read_config(l, offset - RF_VIRTIO_MMIO_CONFIG, len);
	liar_rule(l, len == 4, "a register read in part");
	if (l->lie == LIAR_NO_VERSION_1)
		features &= ~LIAR_F_VERSION_1;
	switch (offset) {
	case REG(magic_value):
		return 0x74726976;
	case REG(version):
	case REG(device_id):
		return 2;
	case REG(device_features):
		return (uint32_t)(features >>
				  (l->page.device_features_sel ? 32 : 0));
	case REG(queue_num_max):
		return l->queue_max;
	case REG(queue_ready):
		return selected(l)->ready;
	case REG(queue_reset):
		return l->page.queue_reset;
	case REG(interrupt_status):
		return l->page.interrupt_status;
	case REG(status):
		return l->page.status;
	case REG(config_generation):
		return read_generation(l);
	default:
		liar_broken(l, "a read of a register that has nothing to say");
		return 0;
	}
}
