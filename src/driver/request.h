/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * request.h - one request to a disk (virtio 1.2, 5.2.6), between request.c,
 *             which asks and waits, and those who know what for
 *
 * In order of use: request_new(), request_out(), request_in(), a change of
 * what is wanted, request_submit().
 */
#ifndef RINGFENCE_DRIVER_REQUEST_H
#define RINGFENCE_DRIVER_REQUEST_H

#include "driver/disk.h"

enum disk_type {
	DISK_IN = 0,
	DISK_OUT = 1,
	DISK_FLUSH = 4,
	DISK_GET_ID = 8,
	DISK_DISCARD = 11,
	DISK_WRITE_ZEROES = 13,
	DISK_UNKNOWN = 0x7e,
};

enum {
	DISK_S_OK = 0,
	DISK_S_IOERR = 1,
	DISK_S_UNSUPP = 2,
	DISK_S_UNTOUCHED = 0xee,
};

enum { DISK_RANGE_UNMAP_BIT = 1 };

/* A free one, with its header; waits for it if need be. */
struct disk_request *request_new(struct disk *disk, uint32_t type,
				 uint64_t sector);

/* Data for the device to read or, after that, to write; in more pieces than
 * one where size_max says so. */
void request_out(struct disk *disk, struct disk_request *req, const void *data,
		 uint32_t len);
void request_in(struct disk *disk, struct disk_request *req, const void *data,
		uint32_t len);
/* One piece, however long. */
void request_in_whole(struct disk *disk, struct disk_request *req,
		      const void *data, uint32_t len);

/* Ranges are the data: for DISCARD and WRITE_ZEROES. */
void request_ranges(struct disk *disk, struct disk_request *req,
		    const struct disk_range *ranges, uint32_t nr);

/* Hand it over. What the device is to answer must be known beforehand: OK, if
 * want_status was not changed. */
void request_submit(struct disk *disk, struct disk_request *req);

#endif
