/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * request.h - one request to a disk (virtio 1.2, 5.2.6), between disk.c, which
 *             asks and waits, and steps.c, which knows what for
 */
#ifndef GUEST_REQUEST_H
#define GUEST_REQUEST_H

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

/* A free one; waits for it if need be. What the device is to answer must be
 * known beforehand. */
struct disk_request *request_new(struct disk *disk, uint32_t type,
				 uint64_t sector, uint32_t want_status);

/* Hand it over. pieces[0] and the last one are left for the header and the
 * status; nr_out and nr_in count them. */
void request_submit(struct disk *disk, struct disk_request *req,
		    struct queue_piece *pieces, uint32_t nr_out,
		    uint32_t nr_in);

#endif
