/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * disk.c - drive a virtio block device, and believe nothing it says
 *
 * Side:    inside the virtual machine.
 * Owns:    the requests in flight and what each is to be answered with.
 * Callers: main.c; disk_interrupt() from irq.c.
 * Never:   looks at the used ring while it waits for an interrupt that has not
 *          come: a monitor that loses interrupts would go unnoticed.
 */
#include "cpu.h"
#include "disk.h"

enum disk_type {
	DISK_IN = 0,
	DISK_OUT = 1,
	DISK_FLUSH = 4,
	DISK_GET_ID = 8,
	DISK_WRITE_ZEROES = 13,
	DISK_UNKNOWN = 0x7e,
};

enum {
	DISK_S_OK = 0,
	DISK_S_IOERR = 1,
	DISK_S_UNSUPP = 2,
	DISK_S_UNTOUCHED = 0xee,
};

#define DISK_F_RO (1ull << 5)
#define DISK_F_FLUSH (1ull << 9)
#define DISK_F_WRITE_ZEROES (1ull << 14)

/* Every instruction may cost a microsecond: the device's status, which costs an
 * exit, is looked at once in this many looks at the used ring. */
enum { POLL_LOOKS_A_STATUS = 4096 };

/* Cycles a second, of the fastest TSC there is. Slower ones make a timeout
 * longer, which harms nothing: it only ends what would never end. */
#define TSC_HZ_MAX 4000000000ull

#define POISON 0xa5a5a5a5u

static uint32_t arena[GUEST_DEVICES_MAX][2]
		     [PLAN_SECTORS_MAX * PLAN_SECTOR_WORDS];

static void make_name(char *name, uint32_t index)
{
	static const char stem[] = "disk";
	uint32_t i;

	for (i = 0; stem[i]; i++)
		*name++ = stem[i];
	if (index >= 10)
		*name++ = (char)('0' + index / 10);
	*name++ = (char)('0' + index % 10);
	*name = '\0';
}

void disk_open(struct disk *disk, uint32_t index,
	       const struct guest_device *dev, bool by_irq, uint32_t timeout_s)
{
	make_name(disk->name, index);
	disk->index = index;
	disk->irq = dev->irq;
	disk->by_irq = by_irq;
	disk->mmio.name = disk->name;
	disk->mmio.base = dev->base;
	disk->mmio.patience = timeout_s * TSC_HZ_MAX;
	disk->written = arena[index][0];
	disk->found = arena[index][1];
}

void disk_start(struct disk *disk)
{
	const struct mmio *mmio = &disk->mmio;
	uint32_t i;

	mmio_begin(mmio);
	disk->features = mmio_select_features(
		mmio, DISK_F_RO | DISK_F_FLUSH | DISK_F_WRITE_ZEROES |
			      MMIO_F_INDIRECT_DESC | MMIO_F_EVENT_IDX);
	disk->capacity = mmio_config64(mmio, 0);
	if (!disk->capacity)
		guest_fail(GUEST_BAD_DEVICE, "%s: holds nothing", disk->name);
	mmio_queue_start(mmio, 0, &disk->queue,
			 disk->features & MMIO_F_EVENT_IDX);
	queue_disarm(&disk->queue);
	for (i = 0; i < DISK_REQUESTS_MAX; i++)
		disk->requests[i].busy = false;
	disk->nr_busy = 0;
	disk->config_changes_seen = disk->config_changes;
	mmio_driver_ok(mmio);
}

bool disk_is_read_only(const struct disk *disk)
{
	return disk->features & DISK_F_RO;
}

/* Acknowledged before anything is looked at: what comes later raises a new
 * interrupt. */
void disk_interrupt(void *ctx)
{
	struct disk *disk = ctx;
	uint32_t status = mmio_read(&disk->mmio, MMIO_INTERRUPT_STATUS);

	mmio_write(&disk->mmio, MMIO_INTERRUPT_ACK, status);
	if (status & MMIO_INTERRUPT_USED_BIT)
		disk->irqs++;
	if (status & MMIO_INTERRUPT_CONFIG_BIT)
		disk->config_changes++;
}

/* --- waiting ------------------------------------------------------------ */

static bool asks_for_reset(const struct disk *disk)
{
	return mmio_read(&disk->mmio, MMIO_STATUS) & MMIO_STATUS_NEEDS_RESET;
}

static void stop_if_broken(const struct disk *disk)
{
	if (asks_for_reset(disk))
		guest_fail(GUEST_NEEDS_RESET,
			   "%s: DEVICE_NEEDS_RESET: the device gave up",
			   disk->name);
}

static bool is_late(const struct disk *disk, uint64_t start)
{
	return cpu_tsc() - start > disk->mmio.patience;
}

static __attribute__((noreturn)) void give_up(const struct disk *disk)
{
	uint32_t i = 0;

	stop_if_broken(disk);
	if (queue_has_used(&disk->queue))
		guest_fail(GUEST_LOST_INTERRUPT,
			   "%s: answered, but interrupt %u did not come",
			   disk->name, disk->irq);
	while (i < DISK_REQUESTS_MAX - 1 && !disk->requests[i].busy)
		i++;
	guest_fail(GUEST_TIMEOUT,
		   "%s: no answer to request type %u sector %llu", disk->name,
		   disk->requests[i].header.type,
		   disk->requests[i].header.sector);
}

static void wait_by_looking(const struct disk *disk)
{
	uint64_t start = cpu_tsc();
	uint32_t looks = 0;

	while (!queue_has_used(&disk->queue)) {
		if (!(++looks % POLL_LOOKS_A_STATUS))
			stop_if_broken(disk);
		if (is_late(disk, start))
			give_up(disk);
		cpu_relax();
	}
}

/* An entry that is there when the interrupt is asked for may bring none. For
 * any later one it must come. Handlers run inside cpu_sleep() alone, so the
 * counters stand still between the look at them and the sleep. */
static void wait_by_interrupt(struct disk *disk)
{
	uint64_t start = cpu_tsc();

	queue_arm(&disk->queue);
	disk->irqs_seen = disk->irqs;
	if (queue_has_used(&disk->queue))
		return;
	for (;;) {
		if (disk->irqs != disk->irqs_seen) {
			disk->irqs_seen = disk->irqs;
			if (queue_has_used(&disk->queue))
				return;
		}
		if (disk->config_changes != disk->config_changes_seen) {
			disk->config_changes_seen = disk->config_changes;
			stop_if_broken(disk);
		}
		if (is_late(disk, start))
			give_up(disk);
		cpu_sleep();
	}
}

/* --- requests ----------------------------------------------------------- */

static void check_answer(const struct disk *disk,
			 const struct disk_request *req, uint32_t len)
{
	if (req->status != req->want_status)
		guest_fail(GUEST_BAD_STATUS,
			   "%s: request type %u sector %llu: status %u, not %u",
			   disk->name, req->header.type, req->header.sector,
			   req->status, req->want_status);
	/* The length counts bytes written without a gap from the first on
	 * (virtio 1.2, 2.7.8.2): of a refused read it may be anything down to
	 * nothing, though its status was written. */
	if (len > req->max_len || (req->want_len && len != req->want_len))
		guest_fail(GUEST_BAD_USED,
			   "%s: request type %u sector %llu: used length %u, "
			   "not %u",
			   disk->name, req->header.type, req->header.sector,
			   len, req->want_len ? req->want_len : req->max_len);
}

static void collect(struct disk *disk)
{
	enum queue_take take;
	uint32_t head, len;
	uint16_t token;

	while ((take = queue_take(&disk->queue, &head, &token, &len)) ==
	       QUEUE_TAKE_ONE) {
		check_answer(disk, &disk->requests[token], len);
		disk->requests[token].busy = false;
		disk->nr_busy--;
	}
	if (take == QUEUE_TAKE_UNKNOWN)
		guest_fail(GUEST_BAD_USED,
			   "%s: head %u given back, but it was not out",
			   disk->name, head);
}

static void wait_for_some(struct disk *disk)
{
	if (disk->by_irq)
		wait_by_interrupt(disk);
	else
		wait_by_looking(disk);
	collect(disk);
}

void disk_finish(struct disk *disk)
{
	collect(disk);
	while (disk->nr_busy)
		wait_for_some(disk);
}

static struct disk_request *new_request(struct disk *disk, uint32_t type,
					uint64_t sector, uint32_t want_status)
{
	struct disk_request *req;
	uint32_t i = 0;

	while (disk->nr_busy == DISK_REQUESTS_MAX)
		wait_for_some(disk);
	while (disk->requests[i].busy)
		i++;
	req = &disk->requests[i];
	req->header.type = type;
	req->header.reserved = 0;
	req->header.sector = sector;
	req->status = DISK_S_UNTOUCHED;
	req->want_status = (uint8_t)want_status;
	return req;
}

/* pieces[0] and the last one are left for the header and the status. */
static void submit(struct disk *disk, struct disk_request *req,
		   struct queue_piece *pieces, uint32_t nr_out, uint32_t nr_in)
{
	struct queue *q = &disk->queue;
	uint16_t token = (uint16_t)(req - disk->requests);
	struct queue_desc *table = NULL;
	uint16_t since;
	uint32_t i;

	pieces[0].data = &req->header;
	pieces[0].len = sizeof(req->header);
	pieces[nr_out + nr_in - 1].data = &req->status;
	pieces[nr_out + nr_in - 1].len = sizeof(req->status);
	req->max_len = 0;
	for (i = nr_out; i < nr_out + nr_in; i++)
		req->max_len += pieces[i].len;
	req->want_len = req->want_status == DISK_S_OK ? req->max_len : 0;
	/* Both forms get their share. */
	if (disk->features & MMIO_F_INDIRECT_DESC && disk->nr_requests & 1)
		table = req->table;

	req->busy = true;
	disk->nr_busy++;
	disk->nr_requests++;
	disk->nr_round++;
	since = q->next_avail;
	while (!queue_add(q, pieces, nr_out, nr_in, table, token))
		wait_for_some(disk);
	if (queue_must_notify(q, since))
		mmio_notify(&disk->mmio, 0);
}

/* Data is handed over in odd pieces, where it has two halves to be cut. Written
 * data lies in memory with its halves exchanged, read data does not, and the
 * cuts differ: a device that takes the pieces for one long one, or their
 * lengths wrong, puts data where it does not belong. */
static bool is_exchanged(uint32_t nr_sectors)
{
	return !(nr_sectors & 1);
}

static uint32_t cut(struct queue_piece *out, const uint8_t *data,
		    uint32_t first, uint32_t second, uint32_t bytes)
{
	uint32_t nr = 0;

	out[nr++] = (struct queue_piece){ data, first };
	if (second)
		out[nr++] = (struct queue_piece){ data + first, second };
	out[nr++] = (struct queue_piece){ data + first + second,
					  bytes - first - second };
	return nr;
}

static uint32_t cut_data(struct queue_piece *out, const uint32_t *words,
			 uint32_t nr_sectors, bool write)
{
	const uint8_t *data = (const uint8_t *)words;
	uint32_t half = nr_sectors * PLAN_SECTOR_BYTES / 2;
	uint32_t nr;

	if (!is_exchanged(nr_sectors)) {
		out[0].data = data;
		out[0].len = half * 2;
		return 1;
	}
	if (write) {
		nr = cut(out, data + half, 1, half / 2 + 2, half);
		return nr + cut(out + nr, data, half - 3, 2, half);
	}
	nr = cut(out, data, half - 9, 0, half);
	return nr + cut(out + nr, data + half, 7, 0, half);
}

static void submit_data(struct disk *disk, bool write, uint64_t sector,
			const uint32_t *words, uint32_t nr_sectors)
{
	struct queue_piece pieces[QUEUE_CHAIN_MAX];
	struct disk_request *req;
	uint32_t nr;

	req = new_request(disk, write ? DISK_OUT : DISK_IN, sector, DISK_S_OK);
	nr = cut_data(pieces + 1, words, nr_sectors, write);
	disk->round_bytes += nr_sectors * PLAN_SECTOR_BYTES;
	if (write)
		submit(disk, req, pieces, 1 + nr, 1);
	else
		submit(disk, req, pieces, 1, nr + 1);
}

/* --- steps -------------------------------------------------------------- */

static void fill_extent(const struct disk *disk,
			const struct plan_extent *extent, uint32_t round,
			uint32_t *words)
{
	uint32_t nr = extent->nr_sectors;
	uint32_t at = is_exchanged(nr) ? nr / 2 : 0;
	uint32_t i;

	for (i = 0; i < nr; i++) {
		plan_fill(words + at * PLAN_SECTOR_WORDS,
			  plan_seed(extent->sector + i, round, disk->index));
		if (++at == nr)
			at = 0;
	}
}

void disk_write_round(struct disk *disk, uint32_t round)
{
	struct plan_extent extents[PLAN_EXTENTS_MAX];
	uint32_t nr = plan_round(disk->capacity, round, extents);
	uint32_t *words = disk->written;
	uint32_t i;

	disk->nr_round = 0;
	disk->round_bytes = 0;
	for (i = 0; i < nr; i++) {
		fill_extent(disk, &extents[i], round, words);
		submit_data(disk, true, extents[i].sector, words,
			    extents[i].nr_sectors);
		words += extents[i].nr_sectors * PLAN_SECTOR_WORDS;
	}
}

void disk_read_round(struct disk *disk, uint32_t round)
{
	struct plan_extent extents[PLAN_EXTENTS_MAX];
	uint32_t nr = plan_round(disk->capacity, round, extents);
	uint32_t *words = disk->found;
	uint32_t i;

	disk->nr_round = 0;
	disk->round_bytes = 0;
	for (i = 0; i < nr; i++) {
		/* Poison, lest data of the last round be taken for this. */
		cpu_fill(words, POISON + round,
			 extents[i].nr_sectors * PLAN_SECTOR_WORDS);
		submit_data(disk, false, extents[i].sector, words,
			    extents[i].nr_sectors);
		words += extents[i].nr_sectors * PLAN_SECTOR_WORDS;
	}
}

void disk_flush(struct disk *disk)
{
	struct queue_piece pieces[2];
	struct disk_request *req;

	if (!(disk->features & DISK_F_FLUSH)) {
		say("%s: writes through, nothing to flush", disk->name);
		return;
	}
	req = new_request(disk, DISK_FLUSH, 0, DISK_S_OK);
	submit(disk, req, pieces, 1, 1);
	disk_finish(disk);
	say("%s: flushed", disk->name);
}

static void compare_words(struct disk *disk, uint64_t sector,
			  const uint32_t *want, const uint32_t *found,
			  uint32_t nr_words)
{
	uint32_t equal = cpu_equal_words(want, found, nr_words);

	if (equal != nr_words)
		guest_fail(GUEST_MISCOMPARE,
			   "%s: sector %llu word %u: 0x%x, not 0x%x",
			   disk->name, sector + equal / PLAN_SECTOR_WORDS,
			   equal % PLAN_SECTOR_WORDS, found[equal],
			   want[equal]);
	disk->compared_bytes += nr_words * 4;
}

/* What was written may have been overwritten in memory by the device and read
 * back as faithfully: the first word of each sector is known without it. */
static void compare_seeds(const struct disk *disk,
			  const struct plan_extent *extent, uint32_t round,
			  const uint32_t *found)
{
	uint32_t i, seed;

	for (i = 0; i < extent->nr_sectors; i++) {
		seed = plan_seed(extent->sector + i, round, disk->index);
		if (found[i * PLAN_SECTOR_WORDS] != seed)
			guest_fail(GUEST_MISCOMPARE,
				   "%s: sector %llu begins 0x%x, not 0x%x",
				   disk->name, extent->sector + i,
				   found[i * PLAN_SECTOR_WORDS], seed);
	}
}

static void compare_extent(struct disk *disk, const struct plan_extent *extent,
			   const uint32_t *want, const uint32_t *found)
{
	uint32_t nr = extent->nr_sectors * PLAN_SECTOR_WORDS;

	if (!is_exchanged(extent->nr_sectors)) {
		compare_words(disk, extent->sector, want, found, nr);
		return;
	}
	compare_words(disk, extent->sector, want + nr / 2, found, nr / 2);
	compare_words(disk, extent->sector + extent->nr_sectors / 2, want,
		      found + nr / 2, nr / 2);
}

void disk_compare_round(struct disk *disk, uint32_t round)
{
	struct plan_extent extents[PLAN_EXTENTS_MAX];
	uint32_t nr = plan_round(disk->capacity, round, extents);
	uint32_t at = 0;
	uint32_t i;

	for (i = 0; i < nr; i++) {
		compare_seeds(disk, &extents[i], round, disk->found + at);
		compare_extent(disk, &extents[i], disk->written + at,
			       disk->found + at);
		at += extents[i].nr_sectors * PLAN_SECTOR_WORDS;
	}
}

void disk_keep(struct disk *disk)
{
	uint32_t *found = disk->found;

	disk->found = disk->written;
	disk->written = found;
}

void disk_compare_kept(struct disk *disk, uint32_t round)
{
	struct plan_extent extents[PLAN_EXTENTS_MAX];
	uint32_t nr = plan_round(disk->capacity, round, extents);
	uint32_t at = 0;
	uint32_t i;

	for (i = 0; i < nr; i++) {
		compare_words(disk, extents[i].sector, disk->written + at,
			      disk->found + at,
			      extents[i].nr_sectors * PLAN_SECTOR_WORDS);
		at += extents[i].nr_sectors * PLAN_SECTOR_WORDS;
	}
}

void disk_say_id(struct disk *disk)
{
	struct queue_piece pieces[3];
	struct disk_request *req;
	char *id = (char *)disk->found;
	uint32_t i;

	cpu_fill(disk->found, 0, DISK_ID_BYTES / 4);
	req = new_request(disk, DISK_GET_ID, 0, DISK_S_OK);
	pieces[1].data = id;
	pieces[1].len = DISK_ID_BYTES;
	submit(disk, req, pieces, 1, 2);
	/* A shorter name may be told in fewer bytes. */
	req->want_len = 0;
	disk_finish(disk);
	for (i = 0; i < DISK_ID_BYTES && id[i]; i++)
		if (id[i] < ' ' || id[i] > '~')
			id[i] = '?';
	say("%s: its name is \"%.*s\"", disk->name, (int)DISK_ID_BYTES, id);
}

static void expect(struct disk *disk, uint32_t type, uint64_t sector,
		   uint32_t bytes, uint32_t status)
{
	struct queue_piece pieces[3];
	struct disk_request *req;

	req = new_request(disk, type, sector, status);
	pieces[1].data = disk->found;
	pieces[1].len = bytes;
	if (type == DISK_OUT)
		submit(disk, req, pieces, 2, 1);
	else
		submit(disk, req, pieces, 1, 2);
}

void disk_check_refusals(struct disk *disk)
{
	expect(disk, DISK_IN, disk->capacity, 512, DISK_S_IOERR);
	expect(disk, DISK_IN, disk->capacity - 1, 1024, DISK_S_IOERR);
	expect(disk, DISK_IN, UINT64_MAX, 512, DISK_S_IOERR);
	expect(disk, DISK_IN, UINT64_MAX >> 9, 1024, DISK_S_IOERR);
	expect(disk, DISK_OUT, disk->capacity, 512, DISK_S_IOERR);
	expect(disk, DISK_IN, 0, 511, DISK_S_IOERR);
	expect(disk, DISK_UNKNOWN, 0, 512, DISK_S_UNSUPP);
	if (disk_is_read_only(disk))
		expect(disk, DISK_OUT, 0, 512, DISK_S_IOERR);
	disk_finish(disk);
	say("%s: refused what lies beyond its end, odd lengths%s and what it "
	    "does not know",
	    disk->name, disk_is_read_only(disk) ? ", a write" : "");
}

/* In the place of the last sector, which every round writes. */
void disk_check_zeroes(struct disk *disk)
{
	struct queue_piece pieces[3];
	struct disk_request *req;
	uint64_t sector = disk->capacity - 1;

	if (!(disk->features & DISK_F_WRITE_ZEROES))
		return;
	cpu_fill(disk->written, POISON, PLAN_SECTOR_WORDS);
	submit_data(disk, true, sector, disk->written, 1);
	disk_finish(disk);
	req = new_request(disk, DISK_WRITE_ZEROES, 0, DISK_S_OK);
	req->range = (struct disk_range){ .sector = sector, .nr_sectors = 1 };
	pieces[1].data = &req->range;
	pieces[1].len = sizeof(req->range);
	submit(disk, req, pieces, 2, 1);
	disk_finish(disk);
	submit_data(disk, false, sector, disk->found, 1);
	cpu_fill(disk->written, 0, PLAN_SECTOR_WORDS);
	disk_finish(disk);
	compare_words(disk, sector, disk->written, disk->found,
		      PLAN_SECTOR_WORDS);
	say("%s: zeroed a sector without sending it zeroes", disk->name);
}

void disk_ring(struct disk *disk, uint32_t writes)
{
	uint32_t reg = disk->mmio.base + MMIO_QUEUE_NOTIFY;
	uint32_t left;

	/* Three instructions a write. */
	for (left = writes; left; left--)
		cpu_write32(reg, 0);
	disk->mmio.notified += writes;
}

void disk_lie(struct disk *disk)
{
	uint32_t before = disk->config_changes;
	uint64_t start = cpu_tsc();

	queue_add_lie(&disk->queue);
	mmio_notify(&disk->mmio, 0);
	while (disk->config_changes == before || !asks_for_reset(disk)) {
		if (is_late(disk, start) && asks_for_reset(disk))
			guest_fail(GUEST_LOST_INTERRUPT,
				   "%s: asks for a reset, but interrupt %u "
				   "did not come",
				   disk->name, disk->irq);
		if (is_late(disk, start))
			guest_fail(GUEST_NO_RESET,
				   "%s: took a head that does not exist",
				   disk->name);
		cpu_sleep();
	}
	disk_start(disk);
}
