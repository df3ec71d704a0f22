/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * memory.c - guest RAM: one sealed memfd, seen by the guest in two pieces
 *
 * Side:    vmm. The bytes are the guest's and every device's, and hostile.
 * Owns:    the memfd and the mapping.
 * Callers: main.c makes it; elf.c and pvh.c fill it; standin.c plays guest.
 * Needs:   after the filter: pread64 on the kernel image.
 * Never:   adds a length to an address, maps executable.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/memfd.h"
#include "vmm/memory.h"

/* pread64 takes no more than this at once (0x7ffff000); stay well below. */
#define MEMORY_PREAD_MAX (1u << 30)

static void lay_out(struct memory *mem, uint64_t bytes)
{
	uint64_t low = bytes;

	if (low > MEMORY_HOLE_START)
		low = MEMORY_HOLE_START;
	mem->regions[0] = (struct memory_region){ .gpa = 0, .bytes = low };
	mem->nr_regions = 1;
	if (low == bytes)
		return;
	mem->regions[1] = (struct memory_region){
		.gpa = MEMORY_HIGH_START,
		.bytes = bytes - low,
		.offset = low,
	};
	mem->nr_regions = 2;
}

int memory_new(uint64_t bytes, int place, struct memory *out)
{
	struct memory mem = { .bytes = bytes, .fd = -1 };
	void *base;
	int rc;

	if (bytes < MEMORY_BYTES_MIN || bytes > MEMORY_BYTES_MAX ||
	    bytes % 4096 != 0)
		return -EINVAL;
	rc = memfd_new("guest-memory", bytes, &mem.fd);
	if (rc < 0)
		return rc;
	if (place >= 0) {
		rc = rf_fd_move(mem.fd, place);
		if (rc < 0)
			return rc;
		mem.fd = place;
	}
	base = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_NORESERVE, mem.fd, 0);
	if (base == MAP_FAILED) {
		rc = -errno;
		rf_fd_close(&mem.fd);
		return rc;
	}
	mem.base = base;
	lay_out(&mem, bytes);
	*out = mem;
	return 0;
}

void memory_free(struct memory *mem)
{
	if (mem->base)
		munmap(mem->base, mem->bytes);
	mem->base = NULL;
	rf_fd_close(&mem->fd);
}

int memory_at(const struct memory *mem, uint64_t gpa, uint64_t len,
	      uint8_t **out)
{
	uint32_t i;

	for (i = 0; i < mem->nr_regions; i++) {
		const struct memory_region *r = &mem->regions[i];

		if (gpa < r->gpa || gpa - r->gpa > r->bytes)
			continue;
		if (len > r->bytes - (gpa - r->gpa))
			continue;
		*out = mem->base + r->offset + (gpa - r->gpa);
		return 0;
	}
	return -ERANGE;
}

int memory_write(const struct memory *mem, uint64_t gpa, const void *src,
		 uint64_t len)
{
	uint8_t *at = NULL;
	int rc;

	rc = memory_at(mem, gpa, len, &at);
	if (rc < 0)
		return rc;
	memcpy(at, src, len);
	return 0;
}

int memory_read(const struct memory *mem, uint64_t gpa, void *dst, uint64_t len)
{
	uint8_t *at = NULL;
	int rc;

	rc = memory_at(mem, gpa, len, &at);
	if (rc < 0)
		return rc;
	memcpy(dst, at, len);
	return 0;
}

int memory_pread(const struct memory *mem, uint64_t gpa, int fd,
		 uint64_t offset, uint64_t len)
{
	uint8_t *at = NULL;
	int rc;

	rc = memory_at(mem, gpa, len, &at);
	if (rc < 0)
		return rc;
	if (offset > INT64_MAX || len > INT64_MAX - offset)
		return -EPROTO;
	while (len > 0) {
		size_t want = len < MEMORY_PREAD_MAX ? len : MEMORY_PREAD_MAX;
		ssize_t n = pread(fd, at, want, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -EPROTO;
		at += n;
		offset += (uint64_t)n;
		len -= (uint64_t)n;
	}
	return 0;
}
