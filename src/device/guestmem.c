/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * guestmem.c - map guest memory, translate addresses that cannot be believed
 *
 * Side:    device. The table comes from the front-end, the addresses from the
 *          guest; both are hostile.
 * Owns:    the mappings. The descriptors stay the message's.
 * Callers: backend.c (table), split.c, packed.c and chain.c (addresses).
 * Never:   adds where it can subtract, keeps a descriptor, maps executable.
 *
 * Needs (until SEAL): fcntl(F_GET_SEALS), newfstatat (fstat),
 *   mmap(PROT_READ|PROT_WRITE, MAP_SHARED), madvise(MADV_DONTFORK), munmap.
 * Needs (sealed): nothing.
 */
#include "device/guestmem.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAGE_BYTES 4096u

/* [start, start + len) neither is empty nor runs past the top. */
static bool is_range(uint64_t start, uint64_t len)
{
	return len != 0 && len - 1 <= UINT64_MAX - start;
}

static bool overlaps(uint64_t a, uint64_t a_len, uint64_t b, uint64_t b_len)
{
	return a < b ? b - a < a_len : a - b < b_len;
}

static bool is_valid_region(const struct rf_vhost_user_region *r)
{
	return is_range(r->guest_phys_addr, r->memory_size) &&
	       is_range(r->user_addr, r->memory_size) &&
	       r->memory_size <= PTRDIFF_MAX && r->mmap_offset <= INT64_MAX &&
	       r->mmap_offset % PAGE_BYTES == 0 &&
	       /* Rings are aligned by the guest's address and read through
		* ours: the two must agree within a page. */
	       r->guest_phys_addr % PAGE_BYTES == 0 &&
	       r->user_addr % PAGE_BYTES == 0;
}

static bool is_valid_table(const struct rf_vhost_user_region *table,
			   uint32_t nr)
{
	uint32_t i, j;

	if (nr == 0 || nr > RF_VHOST_USER_REGIONS_MAX)
		return false;
	for (i = 0; i < nr; i++) {
		const struct rf_vhost_user_region *a = &table[i];

		if (!is_valid_region(a))
			return false;
		for (j = 0; j < i; j++) {
			const struct rf_vhost_user_region *b = &table[j];

			if (overlaps(a->guest_phys_addr, a->memory_size,
				     b->guest_phys_addr, b->memory_size) ||
			    overlaps(a->user_addr, a->memory_size, b->user_addr,
				     b->memory_size))
				return false;
		}
	}
	return true;
}

/* The file must hold every byte of the region now, and its seal says that it
 * always will: a touch beyond the end would be SIGBUS. */
static int check_file(const struct rf_vhost_user_region *r, int fd,
		      bool allow_unsealed)
{
	struct stat st;
	int err;

	err = rf_vhost_user_check_seals(fd);
	if (err && !allow_unsealed)
		return err;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (st.st_size < 0 || r->mmap_offset > (uint64_t)st.st_size ||
	    r->memory_size > (uint64_t)st.st_size - r->mmap_offset)
		return -EPROTO;
	return 0;
}

static int map_region(struct guestmem_region *out,
		      const struct rf_vhost_user_region *r, int fd,
		      bool allow_unsealed)
{
	void *map;
	int err;

	err = check_file(r, fd, allow_unsealed);
	if (err)
		return err;
	map = mmap(NULL, r->memory_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
		   (off_t)r->mmap_offset);
	if (map == MAP_FAILED)
		return -errno;
	if (madvise(map, r->memory_size, MADV_DONTFORK) < 0) {
		err = -errno;
		munmap(map, r->memory_size);
		return err;
	}
	*out = (struct guestmem_region){
		.gpa = r->guest_phys_addr,
		.user_addr = r->user_addr,
		.size_bytes = r->memory_size,
		.host = map,
	};
	return 0;
}

int guestmem_set_table(struct guestmem *mem,
		       const struct rf_vhost_user_region *table, const int *fds,
		       uint32_t nr, bool allow_unsealed)
{
	struct guestmem fresh = { .nr_regions = 0 };
	uint32_t i;
	int err;

	if (!is_valid_table(table, nr))
		return -EPROTO;
	for (i = 0; i < nr; i++) {
		err = map_region(&fresh.regions[i], &table[i], fds[i],
				 allow_unsealed);
		if (err) {
			guestmem_clear(&fresh);
			return err;
		}
		fresh.nr_regions = i + 1;
	}
	guestmem_clear(mem);
	*mem = fresh;
	return 0;
}

void guestmem_clear(struct guestmem *mem)
{
	uint32_t i;

	for (i = 0; i < mem->nr_regions; i++)
		munmap(mem->regions[i].host, mem->regions[i].size_bytes);
	mem->nr_regions = 0;
}

static const struct guestmem_region *find_region(const struct guestmem *mem,
						 uint64_t gpa)
{
	uint32_t i;

	for (i = 0; i < mem->nr_regions; i++) {
		const struct guestmem_region *r = &mem->regions[i];

		if (gpa >= r->gpa && gpa - r->gpa < r->size_bytes)
			return r;
	}
	return NULL;
}

const uint8_t *guestmem_at(const struct guestmem *mem, uint64_t gpa,
			   uint32_t len_bytes)
{
	const struct guestmem_region *r = find_region(mem, gpa);

	if (!r || len_bytes > r->size_bytes - (gpa - r->gpa))
		return NULL;
	return r->host + (gpa - r->gpa);
}

int guestmem_translate(const struct guestmem *mem, uint64_t gpa,
		       uint64_t len_bytes, struct iovec *out, uint32_t max,
		       uint32_t *nr)
{
	uint32_t n = 0;

	/* Each turn uses up a whole region's rest, so there are at most
	 * nr_regions of them. */
	while (len_bytes > 0) {
		const struct guestmem_region *r = find_region(mem, gpa);
		uint64_t here;

		if (!r)
			return -ERANGE;
		if (n == max)
			return -ENOSPC;
		here = r->size_bytes - (gpa - r->gpa);
		if (here > len_bytes)
			here = len_bytes;
		out[n].iov_base = r->host + (gpa - r->gpa);
		out[n].iov_len = here;
		n++;
		len_bytes -= here;
		gpa += here;
		/* A region may end at the very top: nothing follows it. */
		if (gpa == 0 && len_bytes > 0)
			return -ERANGE;
	}
	*nr = n;
	return 0;
}

int guestmem_read(const struct guestmem *mem, uint64_t gpa, void *buf,
		  uint32_t len_bytes)
{
	struct iovec iov[RF_VHOST_USER_REGIONS_MAX];
	uint8_t *to = buf;
	uint32_t nr, i;
	int err;

	err = guestmem_translate(mem, gpa, len_bytes, iov, RF_ARRAY_LEN(iov),
				 &nr);
	if (err)
		return err;
	for (i = 0; i < nr; i++) {
		memcpy(to, iov[i].iov_base, iov[i].iov_len);
		to += iov[i].iov_len;
	}
	/* No second look: what the compiler knows of this memory ends here. */
	__asm__ volatile("" ::: "memory");
	return 0;
}

void *guestmem_ring(const struct guestmem *mem, uint64_t user_addr,
		    uint64_t len_bytes, uint32_t align)
{
	uint32_t i;

	if (user_addr % align != 0)
		return NULL;
	for (i = 0; i < mem->nr_regions; i++) {
		const struct guestmem_region *r = &mem->regions[i];
		uint64_t offset = user_addr - r->user_addr;

		if (user_addr >= r->user_addr && offset <= r->size_bytes &&
		    len_bytes <= r->size_bytes - offset)
			return r->host + offset;
	}
	return NULL;
}
