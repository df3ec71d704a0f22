/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * request.c - ask a disk and wait for its answer
 *
 * Side:    inside the virtual machine, and the stand-in for it.
 * Owns:    the requests in flight and what each is to be answered with.
 * Callers: rounds.c, checks.c, drive.c.
 * Never:   looks at the used ring while it waits for an interrupt that has not
 *          come: a monitor that loses interrupts would go unnoticed.
 */
#include "driver/disk.h"
#include "driver/request.h"
#include "driver/words.h"

/* Every instruction may cost a microsecond: the device's status, which may cost
 * an exit, is looked at once in this many looks at the used ring. */
enum { POLL_LOOKS_A_STATUS = 4096 };

/* --- waiting ------------------------------------------------------------ */

static bool asks_for_reset(const struct disk *disk)
{
	return transport_read(&disk->transport, TRANSPORT_STATUS) &
	       TRANSPORT_STATUS_NEEDS_RESET;
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
	return words_cycles() - start > disk->transport.patience;
}

static bool has_used(const struct disk *disk)
{
	uint16_t i;

	for (i = 0; i < disk->nr_queues; i++)
		if (queue_has_used(&disk->queues[i]))
			return true;
	return false;
}

static __attribute__((noreturn)) void give_up(const struct disk *disk)
{
	uint32_t i = 0;

	stop_if_broken(disk);
	if (has_used(disk))
		guest_fail(GUEST_LOST_INTERRUPT,
			   "%s: answered, but interrupt %u did not come",
			   disk->name, disk->irq);
	while (i < DISK_REQUESTS_MAX - 1 && !disk->requests[i].busy)
		i++;
	guest_fail(GUEST_TIMEOUT,
		   "%s: no answer to request type %u sector %llu on queue %u",
		   disk->name, disk->requests[i].type,
		   (unsigned long long)disk->requests[i].sector,
		   disk->requests[i].queue);
}

static void wait_by_looking(const struct disk *disk)
{
	uint64_t start = words_cycles();
	uint32_t looks = 0;

	while (!has_used(disk)) {
		if (!(++looks % POLL_LOOKS_A_STATUS))
			stop_if_broken(disk);
		if (is_late(disk, start))
			give_up(disk);
		words_relax();
	}
}

/* An entry that is there when the interrupt is asked for may bring none. For
 * any later one it must come. Handlers run inside platform_sleep() alone, so
 * the counters stand still between the look at them and the sleep. */
static void wait_by_interrupt(struct disk *disk)
{
	uint64_t start = words_cycles();
	uint16_t i;

	for (i = 0; i < disk->nr_queues; i++)
		queue_arm(&disk->queues[i]);
	disk->irqs_seen = disk->irqs;
	if (has_used(disk))
		return;
	for (;;) {
		if (disk->irqs != disk->irqs_seen) {
			disk->irqs_seen = disk->irqs;
			if (has_used(disk))
				return;
		}
		if (disk->config_changes != disk->config_changes_seen) {
			disk->config_changes_seen = disk->config_changes;
			stop_if_broken(disk);
		}
		if (is_late(disk, start))
			give_up(disk);
		platform_sleep(disk->index);
	}
}

/* --- answers ------------------------------------------------------------ */

static void check_status(const struct disk *disk,
			 const struct disk_request *req, uint32_t status)
{
	if (status == req->want_status ||
	    (req->may_fail && status == DISK_S_IOERR))
		return;
	guest_fail(GUEST_BAD_STATUS,
		   "%s: request type %u sector %llu: status %u, not %u",
		   disk->name, req->type, (unsigned long long)req->sector,
		   status, req->want_status);
}

/* The length counts bytes written without a gap from the first on (virtio 1.2,
 * 2.7.8.2): of a refused read it may be anything down to nothing, though its
 * status was written. */
static void check_len(const struct disk *disk, const struct disk_request *req,
		      uint32_t len)
{
	if (len <= req->max_len && (!req->want_len || len == req->want_len))
		return;
	guest_fail(GUEST_BAD_USED,
		   "%s: request type %u sector %llu: used length %u, not %u",
		   disk->name, req->type, (unsigned long long)req->sector, len,
		   req->want_len ? req->want_len : req->max_len);
}

static void collect_queue(struct disk *disk, uint16_t index)
{
	struct queue_taken taken = { .id = 0 };
	struct disk_request *req;
	enum queue_take take;

	while ((take = queue_take(&disk->queues[index], &taken)) ==
	       QUEUE_TAKE_ONE) {
		req = &disk->requests[taken.token];
		check_status(disk, req,
			     *(volatile uint8_t *)&disk->mem->slots[taken.token]
				      .status);
		if (taken.has_len)
			check_len(disk, req, taken.len);
		req->busy = false;
		disk->nr_busy--;
	}
	if (take == QUEUE_TAKE_UNKNOWN)
		guest_fail(GUEST_BAD_USED,
			   "%s: head %u given back, but it was not out",
			   disk->name, taken.id);
	if (take == QUEUE_TAKE_OUT_OF_ORDER)
		guest_fail(GUEST_BAD_USED,
			   "%s: head %u given back before its elders",
			   disk->name, taken.id);
}

static void collect(struct disk *disk)
{
	uint16_t i;

	for (i = 0; i < disk->nr_queues; i++)
		collect_queue(disk, i);
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

/* --- requests ----------------------------------------------------------- */

static uint32_t number_of(const struct disk *disk,
			  const struct disk_request *req)
{
	return (uint32_t)(req - disk->requests);
}

static void add_piece(const struct disk *disk, struct disk_request *req,
		      const void *data, uint32_t len)
{
	uint32_t nr = req->nr_out + req->nr_in;

	/* The last place is the status's. */
	if (nr + 1 >= QUEUE_CHAIN_MAX)
		guest_fail(GUEST_BAD_DEVICE,
			   "%s: pieces of %u bytes are too small for us",
			   disk->name, disk->limits.size_max);
	req->pieces[nr] = (struct queue_piece){
		.gpa = platform_gpa(disk->index, data),
		.len = len,
	};
}

static uint32_t next_len(const struct disk *disk, uint32_t len)
{
	uint32_t max = disk->limits.size_max;

	return max && max < len ? max : len;
}

void request_out(struct disk *disk, struct disk_request *req, const void *data,
		 uint32_t len)
{
	const uint8_t *at = data;
	uint32_t now;

	for (; len; len -= now, at += now) {
		now = next_len(disk, len);
		add_piece(disk, req, at, now);
		req->nr_out++;
	}
}

void request_in_whole(struct disk *disk, struct disk_request *req,
		      const void *data, uint32_t len)
{
	add_piece(disk, req, data, len);
	req->nr_in++;
	req->max_len += len;
}

void request_in(struct disk *disk, struct disk_request *req, const void *data,
		uint32_t len)
{
	const uint8_t *at = data;
	uint32_t now;

	for (; len; len -= now, at += now) {
		now = next_len(disk, len);
		request_in_whole(disk, req, at, now);
	}
}

void request_ranges(struct disk *disk, struct disk_request *req,
		    const struct disk_range *ranges, uint32_t nr)
{
	struct disk_slot *slot = &disk->mem->slots[number_of(disk, req)];
	uint32_t i;

	for (i = 0; i < nr; i++)
		slot->ranges[i] = ranges[i];
	request_out(disk, req, slot->ranges, nr * sizeof(*ranges));
}

struct disk_request *request_new(struct disk *disk, uint32_t type,
				 uint64_t sector)
{
	struct disk_header *header;
	struct disk_request *req;
	uint32_t i = 0;

	while (disk->nr_busy == DISK_REQUESTS_MAX)
		wait_for_some(disk);
	while (disk->requests[i].busy)
		i++;
	req = &disk->requests[i];
	header = &disk->mem->slots[i].header;
	header->type = type;
	header->reserved = 0;
	header->sector = sector;
	req->type = type;
	req->sector = sector;
	req->nr_out = 0;
	req->nr_in = 0;
	req->want_status = DISK_S_OK;
	req->may_fail = false;
	req->want_len = UINT32_MAX; /* not yet known */
	req->max_len = 0;
	request_out(disk, req, header, sizeof(*header));
	return req;
}

static void notify(struct disk *disk, uint16_t index)
{
	struct queue *q = &disk->queues[index];
	uint32_t value = index;

	if (!queue_must_notify(q))
		return;
	if (disk_has(disk, FEATURE_NOTIFICATION_DATA))
		value |= (uint32_t)queue_next_avail(q) << 16;
	transport_notify(&disk->transport, value);
}

static bool post(struct disk *disk, struct disk_request *req)
{
	struct disk_slot *slot = &disk->mem->slots[number_of(disk, req)];

	slot->status = DISK_S_UNTOUCHED;
	if (!queue_add(&disk->queues[req->queue], req->pieces, req->nr_out,
		       req->nr_in, req->indirect ? slot->table : NULL,
		       platform_gpa(disk->index, slot->table),
		       (uint16_t)number_of(disk, req)))
		return false;
	notify(disk, req->queue);
	return true;
}

void request_submit(struct disk *disk, struct disk_request *req)
{
	uint32_t number = number_of(disk, req);

	req->pieces[req->nr_out + req->nr_in] = (struct queue_piece){
		.gpa = platform_gpa(disk->index,
				    &disk->mem->slots[number].status),
		.len = 1,
	};
	req->nr_in++;
	req->max_len++;
	if (req->want_len == UINT32_MAX)
		req->want_len = req->want_status == DISK_S_OK && !req->may_fail
					? req->max_len
					: 0;
	/* Both forms get their share, and all queues. */
	req->indirect = disk_has(disk, FEATURE_INDIRECT_DESC) &&
			disk->nr_requests & 1;
	req->queue = disk->turn;
	if (++disk->turn == disk->nr_queues)
		disk->turn = 0;
	req->busy = true;
	disk->nr_busy++;
	disk->nr_requests++;
	disk->nr_round++;
	while (!post(disk, req))
		wait_for_some(disk);
}

/* --- what is not asked every day ---------------------------------------- */

void disk_reset_queue(struct disk *disk, uint16_t index)
{
	uint32_t i, again = 0;

	transport_queue_reset(&disk->transport, index);
	/* What it answered before it stopped is answered. */
	collect_queue(disk, index);
	disk_queue_start(disk, index);
	for (i = 0; i < DISK_REQUESTS_MAX; i++) {
		if (!disk->requests[i].busy || disk->requests[i].queue != index)
			continue;
		if (!post(disk, &disk->requests[i]))
			guest_fail(GUEST_NO_QUEUE,
				   "%s: queue %u: shorter after its reset",
				   disk->name, index);
		again++;
	}
	say("%s: queue %u reset under way, %u requests asked again", disk->name,
	    index, again);
}

void disk_ring(struct disk *disk, uint32_t writes)
{
	uint32_t value = 0;

	if (disk_has(disk, FEATURE_NOTIFICATION_DATA))
		value = (uint32_t)queue_next_avail(&disk->queues[0]) << 16;
	platform_write_often(disk->transport.base + TRANSPORT_QUEUE_NOTIFY,
			     value, writes);
	disk->transport.notified += writes;
}

void disk_lie(struct disk *disk)
{
	uint32_t before = disk->config_changes;
	uint64_t start = words_cycles();
	uint32_t value = 0;

	queue_add_lie(&disk->queues[0]);
	if (disk_has(disk, FEATURE_NOTIFICATION_DATA))
		value = (uint32_t)queue_next_avail(&disk->queues[0]) << 16;
	transport_notify(&disk->transport, value);
	while (disk->config_changes == before || !asks_for_reset(disk)) {
		if (is_late(disk, start) && asks_for_reset(disk))
			guest_fail(GUEST_LOST_INTERRUPT,
				   "%s: asks for a reset, but interrupt %u "
				   "did not come",
				   disk->name, disk->irq);
		if (is_late(disk, start))
			guest_fail(GUEST_NO_RESET,
				   "%s: took what no driver may hand over",
				   disk->name);
		platform_sleep(disk->index);
	}
	disk_start(disk);
}
