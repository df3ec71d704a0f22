/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * initrd.c - the initramfs: where it goes in guest memory, and into it
 *
 * Side:    vmm, behind the filter. Nobody here looks at its bytes.
 * Owns:    nothing.
 * Callers: main.c, once.
 * Needs:   pread64 on RF_FD_INITRD.
 * Never:   lets it share a byte with the kernel.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "vmm/initrd.h"
#include "vmm/memmap.h"

#define INITRD_PAGE 4096u

/* [*start, *end) is what it may have; it starts with a page. */
static void bound(const struct memory *mem, const struct initrd_room *room,
		  uint64_t *start, uint64_t *end)
{
	*start = room->start > MEMMAP_LOAD_MIN ? room->start : MEMMAP_LOAD_MIN;
	*end = mem->regions[0].bytes;
	if (room->last < *end)
		*end = room->last + 1;
	/* First the comparison: beyond it, rounding up could wrap. */
	if (*start <= *end)
		*start = (*start + INITRD_PAGE - 1) &
			 ~(uint64_t)(INITRD_PAGE - 1);
	if (*start > *end)
		*start = *end;
}

int initrd_place(const struct memory *mem, const struct initrd_room *room,
		 uint64_t bytes, uint64_t *gpa, uint64_t *left)
{
	uint64_t start, end;

	bound(mem, room, &start, &end);
	*left = end - start;
	if (bytes > *left)
		return -ERANGE;
	*gpa = (end - bytes) & ~(uint64_t)(INITRD_PAGE - 1);
	return 0;
}

int initrd_load(int fd, uint64_t bytes, const struct memory *mem,
		const struct initrd_room *room, uint64_t *gpa,
		char why[INITRD_WHY_BYTES])
{
	uint64_t left = 0;
	uint64_t at = 0;
	int rc;

	if (bytes == 0) {
		(void)snprintf(why, INITRD_WHY_BYTES, "it is empty");
		return -EINVAL;
	}
	rc = initrd_place(mem, room, bytes, &at, &left);
	if (rc < 0) {
		(void)snprintf(why, INITRD_WHY_BYTES,
			       "it has %" PRIu64 " bytes, and behind the "
			       "kernel %" PRIu64 " bytes are left for it: "
			       "give the guest more memory",
			       bytes, left);
		return rc;
	}
	rc = memory_pread(mem, at, fd, 0, bytes);
	if (rc < 0) {
		(void)snprintf(why, INITRD_WHY_BYTES, "%s",
			       rc == -EPROTO
				       ? "it became shorter while it was read"
				       : "it cannot be read");
		return rc;
	}
	*gpa = at;
	return 0;
}
