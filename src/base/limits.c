/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * limits.c - the page in which a device finds what it may do at most
 *
 * Side:    both: the launcher that says, the device that looks.
 * Owns:    nothing; mappings live as long as their process.
 * Callers: src/launcher and main() of devices, through <ringfence/limits.h>.
 * Never:   lets the device have a way to write: the page is mapped writable
 *          once, by the launcher, and sealed against ever being so again.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <ringfence/limits.h>

#include "base/memfd.h"

/* Linux 5.1; not in all C libraries' headers. */
#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif

int rf_limits_new(int *fd, struct rf_limits **out)
{
	rf_autofd page = memfd_create("limits",
				      MFD_CLOEXEC | MFD_ALLOW_SEALING);
	void *map;
	int err;

	if (page < 0 || ftruncate(page, RF_LIMITS_BYTES) < 0)
		return -errno;
	map = mmap(NULL, RF_LIMITS_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED,
		   page, 0);
	if (map == MAP_FAILED)
		return -errno;
	/* In this order: ours is the last mapping that can be written. */
	if (fcntl(page, F_ADD_SEALS,
		  F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE |
			  F_SEAL_SEAL) < 0) {
		err = -errno;
		(void)munmap(map, RF_LIMITS_BYTES);
		return err;
	}
	*fd = rf_fd_take(&page);
	*out = map;
	return 0;
}

static void set_one(_Atomic uint64_t *field, uint64_t value)
{
	atomic_store_explicit(field, value, memory_order_relaxed);
}

void rf_limits_set(struct rf_limits *page, const struct rf_rates *rates,
		   uint32_t fields)
{
	if (fields & RF_LIMIT_OPS)
		set_one(&page->ops_per_s, rates->ops_per_s);
	if (fields & RF_LIMIT_OPS_BURST)
		set_one(&page->ops_burst, rates->ops_burst);
	if (fields & RF_LIMIT_BYTES)
		set_one(&page->bytes_per_s, rates->bytes_per_s);
	if (fields & RF_LIMIT_BYTES_BURST)
		set_one(&page->bytes_burst, rates->bytes_burst);
}

static uint64_t get_one(const _Atomic uint64_t *field)
{
	return atomic_load_explicit(field, memory_order_relaxed);
}

void rf_limits_get(const struct rf_limits *page, struct rf_rates *out)
{
	*out = (struct rf_rates){
		.ops_per_s = get_one(&page->ops_per_s),
		.ops_burst = get_one(&page->ops_burst),
		.bytes_per_s = get_one(&page->bytes_per_s),
		.bytes_burst = get_one(&page->bytes_burst),
	};
}

int rf_limits_map(int fd, const struct rf_limits **out)
{
	void *map;
	int err = memfd_map(fd, RF_LIMITS_BYTES, PROT_READ, &map);

	if (!err)
		*out = map;
	return err;
}
