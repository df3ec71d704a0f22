/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * disk.c - drive a virtio block device: start it, ask it, wait for it
 *
 * Side:    inside the virtual machine.
 * Owns:    the requests in flight and what each is to be answered with.
 * Callers: main.c, steps.c; disk_interrupt() from irq.c.
 * Never:   looks at the used ring while it waits for an interrupt that has not
 *          come: a monitor that loses interrupts would go unnoticed.
 */
#include "cpu.h"
#include "disk.h"
#include "request.h"

/* Every instruction may cost a microsecond: the device's status, which costs an
 * exit, is looked at once in this many looks at the used ring. */
enum { POLL_LOOKS_A_STATUS = 4096 };

/* Cycles a second, of the fastest TSC there is. Slower ones make a timeout
 * longer, which harms nothing: it only ends what would never end. */
#define TSC_HZ_MAX 4000000000ull

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

struct disk_request *request_new(struct disk *disk, uint32_t type,
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

void request_submit(struct disk *disk, struct disk_request *req,
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
