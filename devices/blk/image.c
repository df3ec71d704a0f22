/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * image.c - what the image is, and what it asks of those who use it
 *
 * Side:    device, before the fence: so no filter needs a line for it. Nothing
 *          in the image is looked at.
 * Owns:    nothing.
 * Callers: main.c.
 * Never:   takes an image that is not open for what we are to do with it.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "blk.h"

#define PHYSICAL_MAX 65536u
#define DIRECT_MAX 4096u /* of what bounce.c's buffers are aligned to */

/* Not for appending either: pwritev would then ignore its offset. */
static int check_mode(struct blk_image *image)
{
	int flags = fcntl(RF_FD_BACKING, F_GETFL);
	int mode = flags & O_ACCMODE;

	if (flags < 0)
		return -errno;
	if (flags & O_APPEND || mode == O_WRONLY ||
	    (mode == O_RDONLY && !image->read_only)) {
		rf_log("image: not open for %s",
		       image->read_only ? "reading" : "reading and writing");
		return -EINVAL;
	}
	image->is_direct = flags & O_DIRECT;
	return 0;
}

static bool is_power_of_two(uint64_t n)
{
	return n && !(n & (n - 1));
}

static uint32_t physical_block(const struct stat *st)
{
	unsigned int bytes = 0;

	if (!S_ISBLK(st->st_mode))
		bytes = (unsigned int)st->st_blksize;
	else if (ioctl(RF_FD_BACKING, BLKPBSZGET, &bytes) < 0)
		bytes = 0;
	/* A file system may say anything; ours to tell the driver is less. */
	if (bytes > PHYSICAL_MAX)
		bytes = PHYSICAL_MAX;
	return is_power_of_two(bytes) && bytes >= SECTOR_BYTES ? bytes
							       : SECTOR_BYTES;
}

/* Where the kernel cannot say: what a disk asks for; and of a file, what a read
 * of one sector brings to light. Both alignments are then that of a block. */
static int probe_alignment(const struct stat *st, struct blk_image *image)
{
	static uint8_t block[DIRECT_MAX] __attribute__((aligned(DIRECT_MAX)));
	int bytes = SECTOR_BYTES;

	if (S_ISBLK(st->st_mode)) {
		if (ioctl(RF_FD_BACKING, BLKSSZGET, &bytes) < 0)
			return -errno;
	} else if (pread(RF_FD_BACKING, block, SECTOR_BYTES, 0) < 0) {
		if (errno != EINVAL)
			return -errno;
		bytes = DIRECT_MAX;
	}
	image->block_bytes = (uint32_t)bytes;
	image->memory_align = (uint32_t)bytes;
	return 0;
}

static int find_alignment(const struct stat *st, struct blk_image *image)
{
	struct statx stx = { .stx_mask = 0 };
	int err = 0;

	image->block_bytes = SECTOR_BYTES;
	image->memory_align = 1;
	if (!image->is_direct)
		return 0;
	if (statx(RF_FD_BACKING, "", AT_EMPTY_PATH, STATX_DIOALIGN, &stx) < 0 ||
	    !(stx.stx_mask & STATX_DIOALIGN)) {
		err = probe_alignment(st, image);
	} else {
		image->block_bytes = stx.stx_dio_offset_align;
		image->memory_align = stx.stx_dio_mem_align;
	}
	/* tmpfs takes any; a sector is still a sector. */
	if (!err && image->block_bytes < SECTOR_BYTES && image->block_bytes)
		image->block_bytes = SECTOR_BYTES;
	if (!err && (!is_power_of_two(image->block_bytes) ||
		     !is_power_of_two(image->memory_align) ||
		     image->block_bytes > DIRECT_MAX ||
		     image->memory_align > DIRECT_MAX))
		err = -EINVAL;
	if (err)
		rf_log("image: no direct access to this file (%d)", err);
	return err;
}

static int measure(const struct stat *st, uint64_t *bytes)
{
	if (S_ISREG(st->st_mode)) {
		*bytes = (uint64_t)st->st_size;
		return 0;
	}
	if (!S_ISBLK(st->st_mode)) {
		rf_log("image: neither a regular file nor a block device");
		return -EINVAL;
	}
	return ioctl(RF_FD_BACKING, BLKGETSIZE64, bytes) < 0 ? -errno : 0;
}

int blk_image_measure(struct blk_image *image, bool read_only, bool direct)
{
	uint64_t bytes;
	struct stat st;
	int err;

	image->read_only = read_only;
	err = check_mode(image);
	if (err)
		return err;
	if (fstat(RF_FD_BACKING, &st) < 0)
		return -errno;
	err = measure(&st, &bytes);
	if (!err && direct && !image->is_direct) {
		rf_log("image: not open for direct access");
		err = -EINVAL;
	}
	if (!err)
		err = find_alignment(&st, image);
	if (err)
		return err;
	image->physical_bytes = physical_block(&st);
	if (image->physical_bytes < image->block_bytes)
		image->physical_bytes = image->block_bytes;
	/* Nor could a part of a block be written without making it whole. */
	if (bytes % image->block_bytes != 0)
		rf_log("image: its last %llu bytes are no whole %s and not "
		       "shown to the guest",
		       (unsigned long long)(bytes % image->block_bytes),
		       image->block_bytes == SECTOR_BYTES ? "sector" : "block");
	image->nr_sectors = bytes / image->block_bytes *
			    (image->block_bytes / SECTOR_BYTES);
	return 0;
}
