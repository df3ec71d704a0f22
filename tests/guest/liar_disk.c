/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * liar_disk.c - what a lying disk does with a request
 *
 * Side:    host, tests only.
 * Owns:    the image.
 * Callers: liar_ring.c, with the lock held.
 * Never:   touches memory that is not the guest's, whatever the guest says.
 */
#include <string.h>

#include "liar.h"

enum {
	SECTOR = 512,
	DESC_WRITE = 2,
	BLK_IN = 0,
	BLK_OUT = 1,
	BLK_FLUSH = 4,
	BLK_GET_ID = 8,
	BLK_DISCARD = 11,
	BLK_WRITE_ZEROES = 13,
	BLK_OK = 0,
	BLK_IOERR = 1,
	BLK_UNSUPP = 2,
	RANGE_BYTES = 16,
	LONG_CHAIN = 16,
};

struct job {
	const struct liar_request *r;
	uint32_t type;
	uint64_t sector;
	uint64_t bytes; /* of data */
};

static uint32_t config32(const struct liar *l, enum liar_config field)
{
	uint32_t value;

	memcpy(&value, l->page.config + field, sizeof(value));
	return value;
}

/* A piece of data; in another order if that is the lie. */
static const struct liar_desc *piece(const struct liar *l, const struct job *j,
				     uint32_t i)
{
	const struct liar_request *r = j->r;

	if (l->lie == LIAR_PIECES_SHUFFLED && r->nr > LONG_CHAIN)
		return &r->chain[r->nr - 1 - i];
	return &r->chain[i];
}

static uint32_t copy(struct liar *l, const struct job *j, uint8_t *disk,
		     bool to_disk)
{
	uint64_t gpa = j->r->chain[1].addr;
	uint32_t done = 0;
	uint32_t i;

	for (i = 1; i + 1 < j->r->nr; i++) {
		const struct liar_desc *d = piece(l, j, i);
		uint8_t *mem;

		if (l->lie != LIAR_WRITE_PIECES_MERGED || !to_disk)
			gpa = d->addr;
		mem = liar_at(l, gpa, d->len);
		if (to_disk)
			memcpy(disk + done, mem, d->len);
		else
			memcpy(mem, disk + done, d->len);
		done += d->len;
		gpa += d->len;
	}
	return done;
}

static bool is_too_much(struct liar *l, const struct job *j)
{
	bool much = liar_agreed(l, LIAR_F_SEG_MAX) &&
		    j->r->nr - 2 > config32(l, LIAR_CONFIG_SEG_MAX);
	uint32_t i;

	for (i = 1; i + 1 < j->r->nr; i++)
		if (liar_agreed(l, LIAR_F_SIZE_MAX) &&
		    j->r->chain[i].len > config32(l, LIAR_CONFIG_SIZE_MAX))
			much = true;
	l->nr_exceeded += much;
	return much;
}

static uint32_t read_or_write(struct liar *l, const struct job *j,
			      uint8_t *status)
{
	uint64_t sectors = j->bytes / SECTOR;
	bool write = j->type == BLK_OUT;
	uint32_t done;
	uint8_t *disk;

	if (is_too_much(l, j)) {
		*status = BLK_IOERR;
		return 0;
	}
	if (j->bytes % SECTOR || j->sector > l->capacity ||
	    sectors > l->capacity - j->sector ||
	    (write && l->features & LIAR_F_RO)) {
		*status = l->lie == LIAR_ACCEPTS_ANYTHING ? BLK_OK : BLK_IOERR;
		return 0;
	}
	disk = l->image + j->sector * SECTOR;
	if (write && l->lie == LIAR_WRITE_FORGOTTEN)
		return 0;
	if (write && l->lie == LIAR_WRITE_BACKWARDS) {
		copy(l, j, disk, false);
		return 0;
	}
	if (write && l->lie == LIAR_WRITE_MISPLACED && sectors == 1 &&
	    j->sector && j->sector + 1 < l->capacity)
		disk += SECTOR;
	if (!write)
		l->last_read = liar_at(l, j->r->chain[1].addr, 1);
	done = copy(l, j, disk, write);
	if (!write && l->lie == LIAR_READ_BIT_FLIPPED && sectors == 8)
		*(uint8_t *)liar_at(l, j->r->chain[2].addr, 1) ^= 1;
	return write ? 0 : done;
}

static uint8_t one_range(struct liar *l, const struct job *j,
			 const uint8_t *range)
{
	uint32_t nr, flags;
	uint64_t sector;

	memcpy(&sector, range, 8);
	memcpy(&nr, range + 8, 4);
	memcpy(&flags, range + 12, 4);
	if (flags > (j->type == BLK_WRITE_ZEROES ? 1u : 0u))
		return BLK_UNSUPP;
	if (sector > l->capacity || nr > l->capacity - sector)
		return BLK_IOERR;
	if (l->lie == LIAR_ZEROES_FORGOTTEN)
		return BLK_OK;
	if (l->lie == LIAR_DISCARD_WIDE && j->type == BLK_DISCARD && sector) {
		sector--;
		nr++;
	}
	memset(l->image + sector * SECTOR, 0, (size_t)nr * SECTOR);
	return BLK_OK;
}

static uint8_t ranges(struct liar *l, const struct job *j)
{
	const uint8_t *at = liar_at(l, j->r->chain[1].addr, j->bytes);
	uint8_t status = BLK_OK;
	uint64_t i;

	liar_rule(l, j->r->nr == 3 && j->bytes && !(j->bytes % RANGE_BYTES),
		  "ranges in odd pieces");
	for (i = 0; i < j->bytes / RANGE_BYTES && status == BLK_OK; i++)
		status = one_range(l, j, at + i * RANGE_BYTES);
	return status;
}

/* Bytes written for the driver, the status not among them. */
static uint32_t perform(struct liar *l, const struct job *j, uint8_t *status)
{
	static const char id[20] = "liar";

	*status = BLK_OK;
	switch (j->type) {
	case BLK_IN:
	case BLK_OUT:
		return read_or_write(l, j, status);
	case BLK_FLUSH:
		return 0;
	case BLK_GET_ID:
		memcpy(liar_at(l, j->r->chain[1].addr, sizeof(id)), id,
		       sizeof(id));
		return sizeof(id);
	case BLK_DISCARD:
	case BLK_WRITE_ZEROES:
		*status = ranges(l, j);
		return 0;
	default:
		*status = BLK_UNSUPP;
		return 0;
	}
}

bool liar_perform(struct liar *l, struct liar_request *r)
{
	const struct liar_desc *last = &r->chain[r->nr - 1];
	struct job j = { .r = r };
	const uint8_t *header;
	uint8_t status;
	uint32_t i;

	if (r->nr < 2) {
		liar_broken(l, "a request without header or status");
		return false;
	}
	liar_rule(l,
		  r->chain[0].len == 16 && last->len == 1 &&
			  last->flags & DESC_WRITE,
		  "a request without header or status");
	header = liar_at(l, r->chain[0].addr, 16);
	memcpy(&j.type, header, 4);
	memcpy(&j.sector, header + 8, 8);
	for (i = 1; i + 1 < r->nr; i++)
		j.bytes += r->chain[i].len;
	r->is_nth = ++l->nr_requests == l->nth;
	if (r->is_nth && l->lie == LIAR_NO_ANSWER)
		return false;
	if (r->is_nth && l->lie == LIAR_GIVES_UP) {
		liar_give_up(l);
		return false;
	}
	r->len = perform(l, &j, &status) + 1;
	if (r->is_nth && l->lie == LIAR_STATUS_WRONG)
		status = BLK_IOERR;
	if (!r->is_nth || l->lie != LIAR_STATUS_UNTOUCHED)
		*(uint8_t *)liar_at(l, last->addr, 1) = status;
	return true;
}
