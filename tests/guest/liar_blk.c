/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * liar_blk.c - the disk that lies, and that knows the driver's duties
 *
 * Side:    host, tests only.
 * Owns:    struct liar, but for the guest's memory.
 * Callers: liar_vm.c, with the lock held.
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
	CHAIN_MAX = 32,
	DESC_NEXT = 1,
	DESC_WRITE = 2,
	DESC_INDIRECT = 4,
	STATUS_DRIVER = 2,
	STATUS_DRIVER_OK = 4,
	STATUS_FEATURES_OK = 8,
	STATUS_NEEDS_RESET = 64,
	BLK_IN = 0,
	BLK_OUT = 1,
	BLK_FLUSH = 4,
	BLK_GET_ID = 8,
	BLK_WRITE_ZEROES = 13,
	BLK_OK = 0,
	BLK_IOERR = 1,
	BLK_UNSUPP = 2,
};

struct desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags;
	uint16_t next;
};

struct request {
	struct desc chain[CHAIN_MAX];
	uint32_t nr;
	uint16_t head;
	uint32_t type;
	uint64_t sector;
	uint64_t data_bytes;
	bool is_nth;
};

struct liar *liar_new(void)
{
	struct liar *l = calloc(1, sizeof(*l));

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

static void broken(struct liar *l, const char *rule)
{
	if (!l->broken_rule)
		l->broken_rule = rule;
}

static void rule(struct liar *l, bool kept, const char *text)
{
	if (!kept)
		broken(l, text);
}

/* Guest memory; where there is none, a place that does no harm. */
static void *at(struct liar *l, uint64_t gpa, uint64_t len)
{
	static uint8_t nowhere[1 << 20];

	if (gpa <= l->mem_bytes && len <= l->mem_bytes - gpa)
		return l->mem + gpa;
	broken(l, "an address outside of memory");
	return len <= sizeof(nowhere) ? nowhere : NULL;
}

/* --- registers ---------------------------------------------------------- */

static void interrupt(struct liar *l, uint32_t bit)
{
	uint64_t one = 1;

	l->page.interrupt_status |= bit;
	if (l->lie == LIAR_NO_INTERRUPT)
		return;
	if (write(l->interrupt, &one, sizeof(one)) != sizeof(one))
		broken(l, "the interrupt's eventfd is full");
}

static void give_up(struct liar *l)
{
	l->page.status |= STATUS_NEEDS_RESET;
	if (l->lie != LIAR_NO_CONFIG_INTERRUPT)
		interrupt(l, 2);
}

static void reset(struct liar *l)
{
	memset(&l->page, 0, sizeof(l->page));
	l->driver_features = 0;
	l->next_avail = 0;
	l->next_used = 0;
	if (l->lie == LIAR_RESET_STICKS)
		l->page.status = STATUS_NEEDS_RESET;
	if (l->lie == LIAR_QUEUE_IN_USE)
		l->page.queue_ready = 1;
}

static void write_status(struct liar *l, uint32_t value)
{
	uint32_t old = l->page.status;

	if (!value) {
		reset(l);
		return;
	}
	rule(l, !(old & ~value & ~(uint32_t)STATUS_NEEDS_RESET),
	     "a status bit was cleared");
	rule(l, !(value & STATUS_FEATURES_OK) || old & STATUS_DRIVER,
	     "FEATURES_OK before DRIVER");
	rule(l, !(value & STATUS_DRIVER_OK) || old & STATUS_FEATURES_OK,
	     "DRIVER_OK before FEATURES_OK");
	rule(l,
	     !(value & STATUS_FEATURES_OK) ||
		     l->driver_features & LIAR_F_VERSION_1,
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

	rule(l, !(l->page.status & STATUS_FEATURES_OK),
	     "features after FEATURES_OK");
	rule(l, !(value & ~(l->features >> shift)), "a feature not offered");
	l->driver_features &= ~((uint64_t)UINT32_MAX << shift);
	l->driver_features |= (uint64_t)value << shift;
}

static void write_ready(struct liar *l, uint32_t value)
{
	uint32_t num = l->page.queue_num;

	rule(l, l->page.status & STATUS_FEATURES_OK,
	     "a queue before FEATURES_OK");
	rule(l, num && !(num & (num - 1)) && num <= l->queue_max,
	     "a queue of odd size");
	rule(l,
	     !(l->page.queue_desc_low % 16) &&
		     !(l->page.queue_driver_low % 2) &&
		     !(l->page.queue_device_low % 4),
	     "a ring out of line");
	if (l->lie != LIAR_QUEUE_NOT_READY)
		l->page.queue_ready = value;
}

static bool write_notify(struct liar *l, uint32_t value)
{
	l->nr_notified++;
	rule(l, l->page.status & STATUS_DRIVER_OK, "a notify before DRIVER_OK");
	rule(l, value == 0, "a notify of another queue");
	return true;
}

bool liar_register_write(struct liar *l, uint32_t offset, uint32_t value)
{
	static const uint16_t plain[] = {
		REG(device_features_sel), REG(driver_features_sel),
		REG(queue_sel),		  REG(queue_num),
		REG(queue_desc_low),	  REG(queue_desc_high),
		REG(queue_driver_low),	  REG(queue_driver_high),
		REG(queue_device_low),	  REG(queue_device_high),
	};
	size_t i;

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
	case REG(interrupt_ack):
		rule(l, !(value & ~l->page.interrupt_status),
		     "an interrupt acknowledged that was not there");
		l->page.interrupt_status &= ~value;
		return false;
	case REG(queue_notify):
		return write_notify(l, value);
	default:
		break;
	}
	for (i = 0; i < RF_ARRAY_LEN(plain); i++) {
		if (offset == plain[i]) {
			memcpy((uint8_t *)&l->page + offset, &value, 4);
			return false;
		}
	}
	broken(l, "a write to a register that takes none");
	return false;
}

static uint32_t read_generation(struct liar *l)
{
	if (l->lie == LIAR_GENERATION_RUNS)
		l->page.config_generation++;
	return l->page.config_generation;
}

uint32_t liar_register_read(struct liar *l, uint32_t offset)
{
	uint64_t features = l->features;
	uint64_t capacity = l->lie == LIAR_EMPTY ? 0 : l->capacity;

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
		return l->page.queue_sel ? 0 : l->queue_max;
	case REG(queue_ready):
		return l->page.queue_ready;
	case REG(interrupt_status):
		return l->page.interrupt_status;
	case REG(status):
		return l->page.status;
	case REG(config_generation):
		return read_generation(l);
	case REG(config):
		return (uint32_t)capacity;
	case REG(config) + 4:
		return (uint32_t)(capacity >> 32);
	default:
		broken(l, "a read of a register that has nothing to say");
		return 0;
	}
}

/* --- requests ----------------------------------------------------------- */

static uint32_t copy(struct liar *l, const struct request *r, uint8_t *disk,
		     bool to_disk)
{
	uint32_t done = 0;
	uint64_t gpa = r->chain[1].addr;
	uint32_t i;

	for (i = 1; i + 1 < r->nr; i++) {
		uint8_t *mem;

		if (l->lie != LIAR_WRITE_PIECES_MERGED || !to_disk)
			gpa = r->chain[i].addr;
		mem = at(l, gpa, r->chain[i].len);
		if (to_disk)
			memcpy(disk + done, mem, r->chain[i].len);
		else
			memcpy(mem, disk + done, r->chain[i].len);
		done += r->chain[i].len;
		gpa += r->chain[i].len;
	}
	return done;
}

static uint32_t read_or_write(struct liar *l, const struct request *r,
			      uint8_t *status)
{
	uint64_t sectors = r->data_bytes / SECTOR;
	uint8_t *disk;
	bool write = r->type == BLK_OUT;
	uint32_t done;

	if (r->data_bytes % SECTOR || r->sector > l->capacity ||
	    sectors > l->capacity - r->sector ||
	    (write && l->features & LIAR_F_RO)) {
		*status = l->lie == LIAR_ACCEPTS_ANYTHING ? BLK_OK : BLK_IOERR;
		return 0;
	}
	disk = l->image + r->sector * SECTOR;
	if (write && l->lie == LIAR_WRITE_FORGOTTEN)
		return 0;
	if (write && l->lie == LIAR_WRITE_BACKWARDS) {
		copy(l, r, disk, false);
		return 0;
	}
	if (write && l->lie == LIAR_WRITE_MISPLACED && sectors == 1 &&
	    r->sector && r->sector + 1 < l->capacity)
		disk += SECTOR;
	done = copy(l, r, disk, write);
	if (!write && l->lie == LIAR_READ_BIT_FLIPPED && sectors == 8)
		*(uint8_t *)at(l, r->chain[2].addr, 1) ^= 1;
	return write ? 0 : done;
}

static void zero_range(struct liar *l, const struct request *r)
{
	const uint8_t *range = at(l, r->chain[1].addr, 16);
	uint64_t sector;
	uint32_t nr;

	memcpy(&sector, range, 8);
	memcpy(&nr, range + 8, 4);
	if (l->lie == LIAR_ZEROES_FORGOTTEN)
		return;
	if (sector < l->capacity && nr <= l->capacity - sector)
		memset(l->image + sector * SECTOR, 0, (size_t)nr * SECTOR);
	else
		broken(l, "zeroes beyond the end");
}

/* Bytes written for the driver, the status not among them. */
static uint32_t perform(struct liar *l, const struct request *r,
			uint8_t *status)
{
	*status = BLK_OK;
	switch (r->type) {
	case BLK_IN:
	case BLK_OUT:
		return read_or_write(l, r, status);
	case BLK_FLUSH:
		return 0;
	case BLK_GET_ID:
		memcpy(at(l, r->chain[1].addr, 20),
		       "liar\0\0\0\0\0\0\0\0\0\0\0"
		       "\0\0\0\0",
		       20);
		return 20;
	case BLK_WRITE_ZEROES:
		zero_range(l, r);
		return 0;
	default:
		*status = BLK_UNSUPP;
		return 0;
	}
}

static void read_chain(struct liar *l, struct request *r)
{
	uint64_t table = l->page.queue_desc_low;
	uint32_t size = l->page.queue_num, i = r->head;
	struct desc d;

	memcpy(&d, at(l, table + i * sizeof(d), sizeof(d)), sizeof(d));
	if (d.flags & DESC_INDIRECT) {
		rule(l,
		     l->driver_features & LIAR_F_INDIRECT_DESC &&
			     !(d.flags & DESC_NEXT),
		     "an indirect table that may not be there");
		table = d.addr;
		size = d.len / sizeof(d);
		i = 0;
	}
	for (r->nr = 0; r->nr < CHAIN_MAX;) {
		if (i >= size) {
			broken(l, "a descriptor beyond its table");
			return;
		}
		memcpy(&d, at(l, table + i * sizeof(d), sizeof(d)), sizeof(d));
		rule(l,
		     !r->nr || d.flags & DESC_WRITE ||
			     !(r->chain[r->nr - 1].flags & DESC_WRITE),
		     "a readable piece after a writable one");
		r->chain[r->nr++] = d;
		if (!(d.flags & DESC_NEXT))
			return;
		i = d.next;
	}
	broken(l, "a chain without end");
}

static void read_request(struct liar *l, struct request *r)
{
	const uint8_t *header;
	uint32_t i;

	read_chain(l, r);
	rule(l,
	     r->nr >= 2 && r->chain[0].len == 16 &&
		     r->chain[r->nr - 1].len == 1 &&
		     r->chain[r->nr - 1].flags & DESC_WRITE,
	     "a request without header or status");
	header = at(l, r->chain[0].addr, 16);
	memcpy(&r->type, header, 4);
	memcpy(&r->sector, header + 8, 8);
	r->data_bytes = 0;
	for (i = 1; i + 1 < r->nr; i++)
		r->data_bytes += r->chain[i].len;
	r->is_nth = ++l->nr_requests == l->nth;
}

static void put_used(struct liar *l, const struct request *r, uint32_t len)
{
	uint32_t size = l->page.queue_num;
	uint8_t *used = at(l, l->page.queue_device_low, 6 + 8ull * size);
	uint32_t id = r->head;
	uint8_t *elem = used + 4 + 8ull * (l->next_used % size);

	if (r->is_nth && l->lie == LIAR_HEAD_BEYOND)
		id = size;
	if (r->is_nth && l->lie == LIAR_HEAD_NOT_OUT)
		id = (id + size - 1) % size;
	if (r->is_nth && l->lie == LIAR_LEN_LONG)
		len += 1;
	if (r->is_nth && l->lie == LIAR_LEN_ZERO)
		len = 0;
	memcpy(elem, &id, 4);
	memcpy(elem + 4, &len, 4);
	l->next_used++;
	__atomic_store_n((uint16_t *)(void *)(used + 2), l->next_used,
			 __ATOMIC_RELEASE);
}

static void serve_one(struct liar *l, uint16_t head)
{
	struct request r = { .head = head };
	uint8_t status;
	uint32_t len;

	read_request(l, &r);
	if (r.nr < 2)
		return;
	if (r.is_nth && l->lie == LIAR_NO_ANSWER)
		return;
	if (r.is_nth && l->lie == LIAR_GIVES_UP) {
		give_up(l);
		return;
	}
	len = perform(l, &r, &status) + 1;
	if (r.is_nth && l->lie == LIAR_STATUS_WRONG)
		status = BLK_IOERR;
	if (!r.is_nth || l->lie != LIAR_STATUS_UNTOUCHED)
		*(uint8_t *)at(l, r.chain[r.nr - 1].addr, 1) = status;
	put_used(l, &r, len);
}

static uint16_t load16(struct liar *l, uint64_t gpa)
{
	return __atomic_load_n((uint16_t *)at(l, gpa, 2), __ATOMIC_SEQ_CST);
}

static bool wants_interrupt(struct liar *l, uint16_t old)
{
	uint64_t avail = l->page.queue_driver_low;
	uint16_t event;

	if (l->next_used == old)
		return false;
	if (!(l->driver_features & LIAR_F_EVENT_IDX))
		return !(load16(l, avail) & 1);
	event = load16(l, avail + 4 + 2ull * l->page.queue_num);
	return (uint16_t)(l->next_used - event - 1) <
	       (uint16_t)(l->next_used - old);
}

/* All there is; with the event index also what comes while it asks to be told
 * of more. */
static void serve_avail(struct liar *l)
{
	uint64_t avail = l->page.queue_driver_low;
	uint32_t size = l->page.queue_num;
	uint64_t event = l->page.queue_device_low + 4 + 8ull * size;
	uint16_t head;

	while (l->next_avail != load16(l, avail + 2) &&
	       !(l->page.status & STATUS_NEEDS_RESET)) {
		head = load16(l, avail + 4 + 2ull * (l->next_avail % size));
		l->next_avail++;
		if (l->driver_features & LIAR_F_EVENT_IDX)
			__atomic_store_n((uint16_t *)at(l, event, 2),
					 l->next_avail, __ATOMIC_SEQ_CST);
		if (head < size)
			serve_one(l, head);
		else if (l->lie != LIAR_HEAD_SWALLOWED)
			give_up(l);
	}
}

void liar_serve(struct liar *l)
{
	uint16_t old = l->next_used;

	if (!l->page.queue_ready || !(l->page.status & STATUS_DRIVER_OK))
		return;
	serve_avail(l);
	if (wants_interrupt(l, old))
		interrupt(l, 1);
}
