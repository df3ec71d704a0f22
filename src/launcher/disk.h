/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * disk.h - what can be said of one disk, by flag or by file
 */
#ifndef RINGFENCE_LAUNCHER_DISK_H
#define RINGFENCE_LAUNCHER_DISK_H

#include <limits.h>

#include <ringfence/limits.h>

#include "launcher/say.h"

#define DISK_SERIAL_BYTES 20u /* virtio 1.2, 5.2.6: GET_ID */
#define DISK_QUEUES_MAX 8u    /* as the vCPU process has eventfds for */
#define DISK_MAP_DEFAULT (-1)
#define DISK_MAP_MAX_MIB 65536u /* as the device takes */
#define DISK_POLL_AUTO (-1)
#define DISK_POLL_MAX_US 1000000u

enum disk_io {
	DISK_IO_AUTO,
	DISK_IO_URING,
	DISK_IO_SYNC,
};

struct disk {
	char path[PATH_MAX];
	char serial[DISK_SERIAL_BYTES + 1];
	bool read_only;
	bool direct; /* past the page cache */
	enum disk_io io;
	uint32_t queues; /* 0: one a vCPU */
	int map_mib;	 /* or DISK_MAP_DEFAULT */
	int poll_us;	 /* or DISK_POLL_AUTO */
	struct rf_rates limits;
	char without[96]; /* features not offered; the device knows the names */
	int fd; /* an image that is open already (the demo's); -1: by path */
};

/* One word, "name" or "name=value": ro, rw, direct, io=, map-mib=, queues=,
 * poll-us=, iops=, iops-burst=, bandwidth=, bandwidth-burst=, serial=, without=.
 * `where` names the option or key in the complaint. */
RF_MUST_CHECK int disk_word(struct disk *disk, const char *where,
			    const char *word, struct complaint *c);

/* "auto", "uring", "sync". */
const char *disk_io_name(enum disk_io io);

#endif
