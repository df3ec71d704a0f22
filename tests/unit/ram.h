/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * ram.h - guest memory of two regions for the twins of src/device
 *
 * The first region is VRING_RAM_BYTES at VRING_GPA, the second, RAM_HIGH_BYTES,
 * follows it directly but is mapped elsewhere; user addresses are guest
 * addresses.
 */
#ifndef TESTS_UNIT_RAM_H
#define TESTS_UNIT_RAM_H

#include <sys/mman.h>
#include <unistd.h>

#include "base/memfd.h"
#include "device/guestmem.h"
#include "unit/unit.h"
#include "vring.h"

#define RAM_HIGH_GPA (VRING_GPA + VRING_RAM_BYTES)
#define RAM_HIGH_BYTES UINT64_C(0x10000)

struct ram {
	int fds[2];
	uint8_t *low; /* our own mapping of the first region */
	uint8_t *high;
	struct rf_vhost_user_region table[2];
};

static inline uint8_t *ram_map(int fd, uint64_t bytes)
{
	void *map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
			 0);

	ck_assert_ptr_ne(map, MAP_FAILED);
	return map;
}

static inline void ram_new(struct ram *ram)
{
	*ram = (struct ram){
		.table = { { .guest_phys_addr = VRING_GPA,
			     .memory_size = VRING_RAM_BYTES,
			     .user_addr = VRING_GPA },
			   { .guest_phys_addr = RAM_HIGH_GPA,
			     .memory_size = RAM_HIGH_BYTES,
			     .user_addr = RAM_HIGH_GPA } },
	};
	ck_assert_int_eq(memfd_new("low", VRING_RAM_BYTES, &ram->fds[0]), 0);
	ck_assert_int_eq(memfd_new("high", RAM_HIGH_BYTES, &ram->fds[1]), 0);
	ram->low = ram_map(ram->fds[0], VRING_RAM_BYTES);
	ram->high = ram_map(ram->fds[1], RAM_HIGH_BYTES);
}

static inline void ram_free(struct ram *ram)
{
	munmap(ram->low, VRING_RAM_BYTES);
	munmap(ram->high, RAM_HIGH_BYTES);
	close(ram->fds[0]);
	close(ram->fds[1]);
}

#endif
