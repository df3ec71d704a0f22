/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * slow_disk.h - a cgroup whose processes read the disk beyond measure slowly
 *
 * The limit holds for what is begun when the kernel has taken it to heart, which
 * is a moment after slow_disk_add(). It is that of block I/O: what comes out of
 * the page cache is as fast as ever, and holes are read without a disk.
 */
#ifndef TESTS_PROCESS_SLOW_DISK_H
#define TESTS_PROCESS_SLOW_DISK_H

#include <stdbool.h>
#include <sys/types.h>

#define SLOW_DISK_BYTES_A_S 3000u

struct slow_disk {
	const char *group; /* a directory, ours */
};

/* For the disk that has the file `path`. False: not here. */
bool slow_disk_make(struct slow_disk *out, const char *path);
bool slow_disk_add(const struct slow_disk *slow, pid_t pid);
/* Nobody is in it any more. */
void slow_disk_drop(const struct slow_disk *slow);

/* A line that says "skipped" and why, where there is none for /tmp. */
void slow_disk_tell(const char *test);

#endif
