/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * request.c - one request, from its chain to its status
 *
 * Side:    device. The chain is the guest's word: copied once, judged, and
 *          never looked at again. Buffers were translated by the runtime and
 *          stay where they are until the request is given back.
 * Owns:    the slots of requests.
 * Callers: queue.c begins requests, the engines continue them, sync.c and
 *          ranges.c finish them.
 * Never:   touches the image outside of [0, capacity); reads back what it has
 *          put into guest memory.
 *
 * virtio 1.2, 5.2.6. A request is a chain: a 16-byte header, data, and as the
 * last writable byte the status; how the driver cuts that into descriptors is
 * its own affair (2.7.4.2). A chain too short for header and status is a lie.
 * Everything else that is wrong with a request gets a status.
 */
#include <endian.h>
#include <errno.h>

#include "blk.h"

struct rf_log_limit blk_log_limit;

static struct blk_request slots[BLK_SLOTS];
static union blk_area areas[BLK_SLOTS];

bool blk_request_has_room(const struct blk *blk)
{
	return (blk->free_slots || blk->nr_slots_touched < BLK_SLOTS) &&
	       blk_bounce_has_room(blk);
}

static struct blk_request *take_slot(struct blk *blk)
{
	struct blk_request *rq = blk->free_slots;

	if (rq)
		blk->free_slots = rq->next;
	else
		rq = &slots[blk->nr_slots_touched++];
	return rq;
}

static void free_slot(struct blk *blk, struct blk_request *rq)
{
	blk_bounce_release(rq);
	rq->next = blk->free_slots;
	blk->free_slots = rq;
}

union blk_area *blk_request_area(const struct blk_request *rq)
{
	return &areas[rq - slots];
}

bool blk_is_in_range(const struct blk *blk, uint64_t sector,
		     uint64_t nr_sectors)
{
	return sector <= blk->image.nr_sectors &&
	       nr_sectors <= blk->image.nr_sectors - sector;
}

/* Data of a read or write: whole sectors, all of them on the disk. */
static bool is_valid_extent(const struct blk *blk, uint64_t sector,
			    uint64_t bytes)
{
	return bytes % SECTOR_BYTES == 0 && bytes <= BLK_REQUEST_BYTES_MAX &&
	       blk_is_in_range(blk, sector, bytes >> SECTOR_SHIFT);
}

void blk_request_finish(struct blk *blk, struct blk_request *rq, uint8_t status)
{
	*(volatile uint8_t *)rq->status = status;
	if (status == S_OK && rq->type == T_IN)
		RF_REPORT_COUNT(blk->report, bytes_read, rq->in_bytes);
	/* The length counts from the first byte on without a gap (2.7.8.2): the
	 * status is in it only if all before it was written. */
	if (rq->in_done == rq->in_bytes)
		rq->in_done++;
	rf_virtqueue_push(rq->vq, rq->head, (uint32_t)rq->in_done);
	free_slot(blk, rq);
}

/* Without a cache that the driver flushes, a write that is completed has to be
 * stable (5.2.6.2). */
void blk_request_settle(struct blk *blk, struct blk_request *rq)
{
	/* It may wait for long, and others for its buffer. */
	blk_bounce_release(rq);
	if (blk->write_through)
		blk_sync_join(blk, rq);
	else
		blk_request_finish(blk, rq, S_OK);
}

/* What is left is the next step. */
static void prepare_data(struct blk *blk, struct blk_request *rq)
{
	if (rq->bounce) {
		blk_bounce_prepare(blk, rq);
		return;
	}
	rq->step_iov = rq->iov;
	rq->step_nr_iov = rq->nr_iov;
	rq->step_start = rq->start + rq->done;
	rq->step_bytes = rq->bytes - rq->done;
}

/* Step over bytes that are done. */
static void consume(struct blk_request *rq, uint64_t bytes)
{
	rq->done += bytes;
	while (rq->nr_iov && bytes >= rq->iov->iov_len) {
		bytes -= rq->iov->iov_len;
		rq->iov++;
		rq->nr_iov--;
	}
	if (rq->nr_iov && bytes) {
		rq->iov->iov_base = (uint8_t *)rq->iov->iov_base + bytes;
		rq->iov->iov_len -= bytes;
	}
}

static void fail_data(struct blk *blk, struct blk_request *rq, int err)
{
	rf_log_limited(&blk_log_limit, 8,
		       "%s of %llu bytes at sector %llu failed (%d)",
		       rq->type == T_IN ? "read" : "write",
		       (unsigned long long)rq->bytes,
		       (unsigned long long)(rq->start >> SECTOR_SHIFT), err);
	blk_request_finish(blk, rq, S_IOERR);
}

/* Is there another step? If not, the request is out of our hands. */
static bool advance_data(struct blk *blk, struct blk_request *rq,
			 int64_t result)
{
	int err = 0;

	if (result == -EINTR)
		return true;
	if (result <= 0 || (uint64_t)result > rq->step_bytes)
		/* 0: somebody has shortened the image. */
		err = result < 0 ? (int)result : -EIO;
	else if (rq->bounce)
		err = blk_bounce_advance(blk, rq, (uint64_t)result);
	else
		consume(rq, (uint64_t)result);
	if (rq->type == T_IN)
		rq->in_done = rq->done;
	if (err) {
		fail_data(blk, rq, err);
		return false;
	}
	if (rq->done < rq->bytes) {
		prepare_data(blk, rq);
		return true;
	}
	if (rq->type == T_IN) {
		blk_request_finish(blk, rq, S_OK);
		return false;
	}
	RF_REPORT_COUNT(blk->report, bytes_written, rq->bytes);
	blk_request_settle(blk, rq);
	return false;
}

static bool advance(struct blk *blk, struct blk_request *rq, int64_t result)
{
	if (rq->type == T_IN || rq->type == T_OUT)
		return advance_data(blk, rq, result);
	return blk_ranges_advance(blk, rq, result);
}

/* Until a step is under way or the request is done. */
static void run(struct blk *blk, struct blk_request *rq)
{
	int64_t result;

	do {
		result = blk->engine->start(blk, rq);
		if (result == BLK_UNDER_WAY)
			return;
	} while (advance(blk, rq, result));
}

void blk_request_continue(struct blk *blk, struct blk_request *rq,
			  int64_t result)
{
	if (advance(blk, rq, result))
		run(blk, rq);
}

/* The part of the chain that holds data, as iovecs of our own. */
static int copy_iov(struct blk_request *rq, const struct iovec *iov,
		    uint32_t nr, uint64_t offset)
{
	struct iovec *to = rq->few;
	int n = rf_iov_slice(iov, nr, offset, rq->bytes, to, BLK_FEW_IOV);

	if (n == -ENOSPC) {
		to = blk_request_area(rq)->iov;
		n = rf_iov_slice(iov, nr, offset, rq->bytes, to,
				 RF_CHAIN_IOV_MAX);
	}
	if (n < 0)
		return n;
	rq->iov = to;
	rq->nr_iov = (uint32_t)n;
	return 0;
}

/* All but the first step. */
static uint8_t take_data(struct blk *blk, struct blk_request *rq,
			 const struct iovec *iov, uint32_t nr, uint64_t offset)
{
	if (rq->bytes == 0)
		return S_OK;
	if (copy_iov(rq, iov, nr, offset))
		return S_IOERR;
	blk->pass_bytes += rq->bytes;
	if (blk_bounce_is_needed(blk, rq))
		blk_bounce_take(rq);
	return BLK_GO;
}

static uint8_t begin_in(struct blk *blk, struct blk_request *rq,
			const struct rf_chain *c, uint64_t out_bytes)
{
	uint8_t status;

	(void)out_bytes;
	if (!is_valid_extent(blk, rq->start, rq->in_bytes))
		return S_IOERR;
	rq->start <<= SECTOR_SHIFT;
	rq->bytes = rq->in_bytes;
	rq->step = BLK_READ;
	status = take_data(blk, rq, c->iov + c->nr_readable, c->nr_writable, 0);
	if (status == BLK_GO)
		prepare_data(blk, rq);
	return status;
}

static bool is_whole_blocks(const struct blk *blk, const struct blk_request *rq)
{
	return (rq->start | rq->bytes) % blk->image.block_bytes == 0;
}

static uint8_t patch_blocks(struct blk *blk, struct blk_request *rq)
{
	int err = blk_bounce_patch(blk, rq);

	if (err) {
		fail_data(blk, rq, err);
	} else {
		RF_REPORT_COUNT(blk->report, bytes_written, rq->bytes);
		blk_request_settle(blk, rq);
	}
	return BLK_HANDED_ON;
}

static uint8_t begin_out(struct blk *blk, struct blk_request *rq,
			 const struct rf_chain *c, uint64_t out_bytes)
{
	uint8_t status;

	if (blk->image.read_only || !is_valid_extent(blk, rq->start, out_bytes))
		return S_IOERR;
	rq->start <<= SECTOR_SHIFT;
	rq->bytes = out_bytes;
	rq->step = BLK_WRITE;
	status = take_data(blk, rq, c->iov, c->nr_readable,
			   sizeof(struct blk_header));
	if (status != BLK_GO)
		return status;
	if (!is_whole_blocks(blk, rq))
		return patch_blocks(blk, rq);
	prepare_data(blk, rq);
	return BLK_GO;
}

static uint8_t begin_flush(struct blk *blk, struct blk_request *rq,
			   const struct rf_chain *c, uint64_t out_bytes)
{
	(void)c;
	(void)out_bytes;
	blk_sync_join(blk, rq);
	return BLK_HANDED_ON;
}

static uint8_t begin_get_id(struct blk *blk, struct blk_request *rq,
			    const struct rf_chain *c, uint64_t out_bytes)
{
	uint64_t len = rq->in_bytes < SERIAL_BYTES ? rq->in_bytes
						   : SERIAL_BYTES;

	(void)out_bytes;
	rq->in_done = rf_chain_write(c, 0, blk->serial, len);
	return S_OK;
}

static const struct {
	uint32_t type;
	uint8_t (*begin)(struct blk *blk, struct blk_request *rq,
			 const struct rf_chain *c, uint64_t out_bytes);
} types[] = {
	{ T_IN, begin_in },
	{ T_OUT, begin_out },
	{ T_FLUSH, begin_flush },
	{ T_GET_ID, begin_get_id },
	{ T_DISCARD, blk_ranges_begin },
	{ T_WRITE_ZEROES, blk_ranges_begin },
};

static uint8_t dispatch(struct blk *blk, struct blk_request *rq,
			const struct rf_chain *c, uint64_t out_bytes)
{
	size_t i;

	for (i = 0; i < RF_ARRAY_LEN(types); i++)
		if (types[i].type == rq->type)
			return types[i].begin(blk, rq, c, out_bytes);
	return S_UNSUPP;
}

/* Copy the header, find the status. -EPROTO: the chain has no room for them. */
static int read_chain(const struct rf_chain *c, struct blk_header *header,
		      struct iovec *status)
{
	if (c->readable_bytes < sizeof(*header) || c->writable_bytes < 1)
		return -EPROTO;
	if (rf_chain_read(c, 0, header, sizeof(*header)) != sizeof(*header))
		return -EPROTO;
	if (rf_iov_slice(c->iov + c->nr_readable, c->nr_writable,
			 c->writable_bytes - 1, 1, status, 1) != 1)
		return -EPROTO;
	return 0;
}

int blk_request_begin(struct blk *blk, struct rf_virtqueue *vq,
		      const struct rf_chain *chain)
{
	struct blk_request *rq;
	struct blk_header header;
	struct iovec last;
	uint8_t status;
	int err;

	err = read_chain(chain, &header, &last);
	if (err) {
		rf_log_limited(&blk_log_limit, 8,
			       "queue %u: head %u: too short for a request "
			       "(-EPROTO)",
			       rf_virtqueue_index(vq), chain->head);
		return err;
	}
	rq = take_slot(blk);
	/* All but `few`, which is filled in where it is used. */
	rq->vq = vq;
	rq->head = chain->head;
	rq->status = last.iov_base;
	rq->type = le32toh(header.type_le);
	rq->start = le64toh(header.sector_le);
	rq->in_bytes = chain->writable_bytes - 1;
	rq->in_done = 0;
	rq->done = 0;
	rq->bounce = NULL;
	status = dispatch(blk, rq, chain,
			  chain->readable_bytes - sizeof(header));
	if (status == BLK_GO)
		run(blk, rq);
	else if (status != BLK_HANDED_ON)
		blk_request_finish(blk, rq, status);
	return 0;
}
