/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * scratch.c - the demo's disk: a file without a name, and what must be on it
 *
 * Side:    launcher.
 * Owns:    nothing. The pattern belongs to the guest (src/driver/plan.h), and
 *          is computed here once more, from the image and not by the guest.
 * Callers: demo.c.
 * Never:   leaves a file behind, even if killed.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "driver/plan.h"
#include "launcher/scratch.h"

#define DISK 0 /* of the guest's disks, the demo has one */

int scratch_open(uint64_t bytes, int *out, const char **where,
		 struct complaint *c)
{
	rf_autofd fd = open("/var/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	*where = "a file without a name in /var/tmp";
	if (fd < 0) {
		fd = memfd_create("scratch", MFD_CLOEXEC);
		*where = "memory, for /var/tmp takes no file without a name";
	}
	if (fd < 0)
		return complain(c, "no scratch disk: %s", strerror(errno));
	if (ftruncate(fd, (off_t)bytes) < 0)
		return complain(c, "no scratch disk of %llu bytes: %s",
				(unsigned long long)bytes, strerror(errno));
	*out = rf_fd_take(&fd);
	return 0;
}

uint64_t scratch_compared_bytes(uint64_t bytes, uint32_t rounds)
{
	struct plan_extent extents[PLAN_EXTENTS_MAX];
	uint64_t sectors = 0;
	uint32_t round;
	uint32_t nr;
	uint32_t i;

	for (round = 0; round < rounds; round++) {
		nr = plan_round(bytes / PLAN_SECTOR_BYTES, round, extents);
		for (i = 0; i < nr; i++)
			sectors += extents[i].nr_sectors;
	}
	return sectors * PLAN_SECTOR_BYTES;
}

static bool is_in(const struct plan_extent *extents, uint32_t nr,
		  uint64_t sector)
{
	uint32_t i;

	for (i = 0; i < nr; i++) {
		if (sector >= extents[i].sector &&
		    sector - extents[i].sector < extents[i].nr_sectors)
			return true;
	}
	return false;
}

/* The round that wrote the sector last, or -1. */
static int last_round(uint64_t capacity, uint32_t rounds, uint64_t sector)
{
	struct plan_extent extents[PLAN_EXTENTS_MAX];
	uint32_t round = rounds;

	while (round-- > 0) {
		uint32_t nr = plan_round(capacity, round, extents);

		if (is_in(extents, nr, sector))
			return (int)round;
	}
	return -1;
}

/* All of the image: where the guest wrote nothing there must be nothing. */
int scratch_check(int fd, uint32_t rounds, struct complaint *c)
{
	uint32_t want[PLAN_SECTOR_WORDS];
	uint32_t have[PLAN_SECTOR_WORDS];
	struct stat st;
	uint64_t capacity;
	uint64_t sector;
	int round;

	if (fstat(fd, &st) < 0)
		return complain(c, "the image: %s", strerror(errno));
	capacity = (uint64_t)st.st_size / PLAN_SECTOR_BYTES;
	for (sector = 0; sector < capacity; sector++) {
		off_t at = (off_t)(sector * PLAN_SECTOR_BYTES);

		if (pread(fd, have, sizeof(have), at) != sizeof(have))
			return complain(c, "sector %llu cannot be read",
					(unsigned long long)sector);
		memset(want, 0, sizeof(want));
		round = last_round(capacity, rounds, sector);
		if (round >= 0)
			plan_fill(want,
				  plan_seed(sector, (uint32_t)round, DISK));
		if (memcmp(want, have, sizeof(want)) != 0)
			return complain(c, "sector %llu is not as written",
					(unsigned long long)sector);
	}
	return 0;
}
