/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * config.c - what the driver is told of the disk, and the one byte it may set
 *
 * Side:    device.
 * Owns:    config space and the cache mode.
 * Callers: main.c; the runtime.
 * Never:   lets a write that was called complete become less than that: going
 *          over to write-through makes stable what came before.
 *
 * virtio 1.2, 5.2.5. The cache mode:
 *   FLUSH not negotiated               write-through
 *   FLUSH                              write-back
 *   FLUSH and CONFIG_WCE               as the driver last wrote to `writeback`,
 *                                      1 to begin with
 *   CONFIG_WCE without FLUSH           write-through, and so it stays: the
 *                                      field begins with 0 (5.2.5.2)
 */
#include <endian.h>
#include <errno.h>
#include <string.h>

#include "blk.h"

/* log2 of how many blocks there are in one of the backing's. */
static uint8_t block_exponent(const struct blk_image *image)
{
	uint8_t exponent = 0;

	while ((image->block_bytes << exponent) < image->physical_bytes)
		exponent++;
	return exponent;
}

static void fill_topology(struct blk_config *c, const struct blk_image *image)
{
	c->blk_size_le = htole32(image->block_bytes);
	c->physical_block_exp = block_exponent(image);
	c->alignment_offset = 0;
	/* Less than that is read, changed and written by somebody. */
	c->min_io_size_le = htole16((uint16_t)(1u << c->physical_block_exp));
	c->opt_io_size_le = 0; /* nothing better than any other */
}

static void fill_ranges(struct blk_config *c, const struct blk_image *image)
{
	uint32_t align = image->physical_bytes / SECTOR_BYTES;

	c->max_discard_sectors_le = htole32(BLK_DISCARD_SECTORS);
	c->max_discard_seg_le = htole32(BLK_DISCARD_SEGMENTS);
	c->discard_sector_alignment_le = htole32(align);
	c->max_write_zeroes_sectors_le = htole32(BLK_ZEROES_SECTORS);
	c->max_write_zeroes_seg_le = htole32(BLK_ZEROES_SEGMENTS);
	c->write_zeroes_may_unmap = 1;
}

void blk_config_init(struct blk *blk)
{
	struct blk_config *c = &blk->config;

	blk->offered = F_SIZE_MAX | F_SEG_MAX | F_BLK_SIZE | F_TOPOLOGY |
		       F_FLUSH;
	c->capacity_le = htole64(blk->image.nr_sectors);
	c->size_max_le = htole32(BLK_SIZE_MAX);
	c->seg_max_le = htole32(BLK_SEG_MAX);
	c->num_queues_le = htole16(blk->nr_queues);
	fill_topology(c, &blk->image);
	if (blk->nr_queues > 1)
		blk->offered |= F_MQ;
	if (blk->image.read_only) {
		blk->offered |= F_RO;
	} else {
		blk->offered |= F_CONFIG_WCE | F_DISCARD | F_WRITE_ZEROES;
		fill_ranges(c, &blk->image);
	}
	blk_config_reset(blk);
}

/* Until the driver says otherwise it does not flush. */
void blk_config_reset(struct blk *blk)
{
	blk->features = 0;
	blk->write_through = true;
	blk->config.writeback = 1;
}

void blk_config_read(void *state, uint32_t offset, void *buf, uint32_t len)
{
	const struct blk *blk = state;

	memcpy(buf, (const uint8_t *)&blk->config + offset, len);
}

void blk_set_features(void *state, uint64_t features)
{
	struct blk *blk = state;

	blk->features = features;
	blk->write_through = !(features & F_FLUSH);
	if (features & F_CONFIG_WCE)
		blk->config.writeback = !blk->write_through;
}

int blk_config_write(void *state, uint32_t offset, const void *buf,
		     uint32_t len)
{
	struct blk *blk = state;
	uint8_t value;

	if (offset != offsetof(struct blk_config, writeback) ||
	    len != sizeof(value) || !(blk->features & F_CONFIG_WCE))
		return -EPROTO;
	memcpy(&value, buf, sizeof(value));
	if (value > 1)
		return -EPROTO;
	if (!(blk->features & F_FLUSH))
		return 0;
	blk->config.writeback = value;
	if (!value && !blk->write_through)
		blk_sync_all(blk);
	blk->write_through = !value;
	return 0;
}
