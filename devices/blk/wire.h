/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * wire.h - what a virtio block device and its driver say to each other
 *
 * Side:    device. virtio 1.2, 5.2; nothing here is ours to choose.
 * Owns:    nothing.
 * Callers: the files of this directory.
 * Never:   holds a limit of our own: those are in blk.h.
 */
#ifndef BLK_WIRE_H
#define BLK_WIRE_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#define VIRTIO_ID_BLOCK 2
#define SECTOR_BYTES 512u
#define SECTOR_SHIFT 9
#define SERIAL_BYTES 20u

/* 5.2.3 */
#define F_SIZE_MAX (UINT64_C(1) << 1)
#define F_SEG_MAX (UINT64_C(1) << 2)
#define F_RO (UINT64_C(1) << 5)
#define F_BLK_SIZE (UINT64_C(1) << 6)
#define F_FLUSH (UINT64_C(1) << 9)
#define F_TOPOLOGY (UINT64_C(1) << 10)
#define F_CONFIG_WCE (UINT64_C(1) << 11)
#define F_MQ (UINT64_C(1) << 12)
#define F_DISCARD (UINT64_C(1) << 13)
#define F_WRITE_ZEROES (UINT64_C(1) << 14)

/* 5.2.6 */
enum {
	T_IN = 0,
	T_OUT = 1,
	T_FLUSH = 4,
	T_GET_ID = 8,
	T_DISCARD = 11,
	T_WRITE_ZEROES = 13,
};

enum {
	S_OK = 0,
	S_IOERR = 1,
	S_UNSUPP = 2,
};

enum { SEGMENT_F_UNMAP = 1 };

struct blk_header {
	uint32_t type_le;
	uint32_t reserved_le;
	uint64_t sector_le;
};
static_assert(sizeof(struct blk_header) == 16, "virtio 1.2, 5.2.6");

struct blk_segment {
	uint64_t sector_le;
	uint32_t nr_sectors_le;
	uint32_t flags_le;
};
static_assert(sizeof(struct blk_segment) == 16, "virtio 1.2, 5.2.6");

struct blk_config {
	uint64_t capacity_le; /* sectors */
	uint32_t size_max_le;
	uint32_t seg_max_le;
	uint16_t cylinders_le;
	uint8_t heads;
	uint8_t sectors;
	uint32_t blk_size_le;
	uint8_t physical_block_exp;
	uint8_t alignment_offset;
	uint16_t min_io_size_le; /* in blocks of blk_size, as the next */
	uint32_t opt_io_size_le;
	uint8_t writeback;
	uint8_t unused0;
	uint16_t num_queues_le;
	uint32_t max_discard_sectors_le;
	uint32_t max_discard_seg_le;
	uint32_t discard_sector_alignment_le;
	uint32_t max_write_zeroes_sectors_le;
	uint32_t max_write_zeroes_seg_le;
	uint8_t write_zeroes_may_unmap;
	uint8_t unused1[3];
	/* Struct padding; config space ends before it. */
	uint32_t pad;
};
static_assert(offsetof(struct blk_config, blk_size_le) == 20, "5.2.4");
static_assert(offsetof(struct blk_config, physical_block_exp) == 24, "5.2.4");
static_assert(offsetof(struct blk_config, opt_io_size_le) == 28, "5.2.4");
static_assert(offsetof(struct blk_config, writeback) == 32, "5.2.4");
static_assert(offsetof(struct blk_config, num_queues_le) == 34, "5.2.4");
static_assert(offsetof(struct blk_config, max_discard_sectors_le) == 36,
	      "5.2.4");
static_assert(offsetof(struct blk_config, write_zeroes_may_unmap) == 56,
	      "5.2.4");
static_assert(sizeof(struct blk_config) == 64, "5.2.4 and padding");
#define CONFIG_BYTES offsetof(struct blk_config, pad)

#endif
