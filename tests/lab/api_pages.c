/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * api_pages.c - chapter 3: the page, its indices, and who sees it
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "lab/api.h"

#define MANY 20000u
#define BURST 100u /* fits in the ring */

static struct api_vm vm;
static struct api_ring ring;
static const uint32_t bad_indices[] = { RF_RING_SLOTS, RF_RING_SLOTS + 1,
					0x80000000, 0xffffffff };

static void a_new_page_is_all_zero(void)
{
	static const struct rf_ring_page zero;

	api_vm_open(&vm);
	api_ring_open(&vm, &ring);
	api_ring_map(&ring);
	CHECK(memcmp(ring.page, &zero, sizeof(zero)) == 0);
}

static void a_ring_takes_169_and_the_next_exits(void)
{
	uint32_t i;

	api_vm_open(&vm);
	api_ring_ready(&vm, &ring);
	CHECK(api_write_many(&vm, API_GPA, 0, RF_RING_USABLE, NULL, NULL) == 0);
	CHECK(api_write_many(&vm, API_GPA, 0, 10, NULL, NULL) == 10);
	CHECK(ring.page->first == 0 && ring.page->last == RF_RING_USABLE);
	for (i = 0; i < RF_RING_USABLE; i++)
		api_expect(ring.page, API_GPA, i * API_STEP);
	api_expect_nothing(ring.page);
}

static void a_slot_given_back_is_used_at_once(void)
{
	uint32_t i;

	api_vm_open(&vm);
	api_ring_ready(&vm, &ring);
	CHECK(api_write_many(&vm, API_GPA, 0, RF_RING_USABLE, NULL, NULL) == 0);
	for (i = 0; i < 2 * RF_RING_SLOTS; i++) {
		api_expect(ring.page, API_GPA, i * API_STEP);
		CHECK(api_write(&vm, API_GPA,
				((uint64_t)RF_RING_USABLE + i) * API_STEP,
				4) == API_RINGED);
		CHECK(api_write(&vm, API_GPA, 0xffff0000, 4) == API_EXITED);
	}
}

static void the_ring_goes_round_in_order(void)
{
	uint32_t i, j;

	api_vm_open(&vm);
	api_ring_ready(&vm, &ring);
	for (i = 0; i < 20; i++) {
		CHECK(api_write_many(&vm, API_GPA, i * BURST * API_STEP, BURST,
				     NULL, NULL) == 0);
		for (j = 0; j < BURST; j++)
			api_expect(ring.page, API_GPA,
				   (i * BURST + j) * API_STEP);
		api_expect_nothing(ring.page);
	}
}

static void poison(uint32_t first, uint32_t last)
{
	__atomic_store_n(&ring.page->first, first, __ATOMIC_RELEASE);
	__atomic_store_n(&ring.page->last, last, __ATOMIC_RELEASE);
}

static void an_index_out_of_range_makes_writes_exit(void)
{
	static struct rf_ring_page before;
	uint32_t i;

	api_vm_open(&vm);
	api_ring_ready(&vm, &ring);
	for (i = 0; i < 2 * RF_ARRAY_LEN(bad_indices); i++) {
		uint32_t bad = bad_indices[i / 2];

		poison(i % 2 ? bad : 3, i % 2 ? 3 : bad);
		before = *ring.page;
		CHECK(api_write(&vm, API_GPA, 0x10000, 4) == API_EXITED,
		      "index %#x", bad);
		CHECK(memcmp(&before, ring.page, sizeof(before)) == 0,
		      "index %#x: the page has changed", bad);
	}
	poison(5, 5);
	CHECK(api_write(&vm, API_GPA, 0x20000, 4) == API_RINGED);
	api_expect(ring.page, API_GPA, 0x20000);
}

static void two_mappings_are_the_same_page(void)
{
	struct rf_ring_page *other;

	api_vm_open(&vm);
	api_ring_ready(&vm, &ring);
	CHECK(api_write(&vm, API_GPA, 0x10000, 4) == API_RINGED);
	other = api_map(ring.fd);
	CHECK(api_write(&vm, API_GPA, 0x20000, 4) == API_RINGED);
	api_expect(other, API_GPA, 0x10000);
	api_expect(ring.page, API_GPA, 0x20000);
	api_expect_nothing(other);
}

static void writes_are_taken_until_the_last_mapping_goes(void)
{
	struct rf_ring_page *other;
	uint32_t i;

	api_vm_open(&vm);
	api_ring_ready(&vm, &ring);
	/* In either order. */
	for (i = 0; i < 2; i++) {
		other = api_map(ring.fd);
		api_unmap(i ? other : ring.page);
		ring.page = i ? ring.page : other;
		CHECK(api_write(&vm, API_GPA, 1, 4) == API_RINGED);
	}
	api_ring_unmap(&ring);
	CHECK(api_write(&vm, API_GPA, 2, 4) == API_EXITED);
	CHECK(api_write(&vm, API_GPA, 3, 4) == API_EXITED);
}

static void entries_wait_for_the_next_to_map(void)
{
	api_vm_open(&vm);
	api_ring_ready(&vm, &ring);
	CHECK(api_write(&vm, API_GPA, 1, 4) == API_RINGED);
	CHECK(api_write(&vm, API_GPA, 2, 4) == API_RINGED);
	CHECK(api_write(&vm, API_GPA, 3, 4) == API_RINGED);
	api_expect(ring.page, API_GPA, 1);
	api_ring_unmap(&ring);
	CHECK(api_write(&vm, API_GPA, 4, 4) == API_EXITED);
	/* No new registration. */
	api_ring_map(&ring);
	CHECK(api_write(&vm, API_GPA, 5, 4) == API_RINGED);
	api_expect(ring.page, API_GPA, 2);
	api_expect(ring.page, API_GPA, 3);
	api_expect(ring.page, API_GPA, 5);
	api_expect_nothing(ring.page);
}

static void an_unmapped_ring_can_be_registered_again(void)
{
	api_vm_open(&vm);
	api_ring_ready(&vm, &ring);
	api_unregister(&vm, &ring, API_GPA, 4);
	api_ring_unmap(&ring);
	api_register(&vm, &ring, API_GPA, 4);
	CHECK(api_write(&vm, API_GPA, 1, 4) == API_EXITED);
	api_ring_map(&ring);
	CHECK(api_write(&vm, API_GPA, 2, 4) == API_RINGED);
	api_expect(ring.page, API_GPA, 2);
}

static void who_maps_alone_finds_indices_in_range(void)
{
	uint32_t i;

	api_vm_open(&vm);
	api_ring_ready(&vm, &ring);
	for (i = 0; i < 2 * RF_ARRAY_LEN(bad_indices); i++) {
		uint32_t bad = bad_indices[i / 2];

		poison(i % 2 ? bad : 3, i % 2 ? 3 : bad);
		api_ring_unmap(&ring);
		api_ring_map(&ring);
		CHECK(ring.page->first == 0 && ring.page->last == 0,
		      "index %#x: first %u, last %u", bad, ring.page->first,
		      ring.page->last);
		CHECK(api_write(&vm, API_GPA, i, 4) == API_RINGED);
		api_expect(ring.page, API_GPA, i);
	}
}

static void who_maps_beside_another_changes_nothing(void)
{
	struct rf_ring_page *other;

	api_vm_open(&vm);
	api_ring_ready(&vm, &ring);
	poison(7, 0xffffffff);
	other = api_map(ring.fd);
	CHECK(other->first == 7 && other->last == 0xffffffff);
	/* Nor does one who maps alone, where there is nothing to repair. */
	poison(7, 3);
	api_unmap(other);
	api_ring_unmap(&ring);
	api_ring_map(&ring);
	CHECK(ring.page->first == 7 && ring.page->last == 3);
}

static void a_mapping_may_move(void)
{
	void *to, *moved;

	api_vm_open(&vm);
	api_ring_ready(&vm, &ring);
	CHECK(api_write(&vm, API_GPA, 1, 4) == API_RINGED);
	to = mmap(NULL, RF_RING_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS,
		  -1, 0);
	moved = mremap(ring.page, RF_RING_BYTES, RF_RING_BYTES,
		       MREMAP_MAYMOVE | MREMAP_FIXED, to);
	CHECK(moved == to, "mremap: %s", strerrorname_np(errno));
	ring.page = moved;
	CHECK(api_write(&vm, API_GPA, 2, 4) == API_RINGED);
	api_expect(ring.page, API_GPA, 1);
	api_expect(ring.page, API_GPA, 2);
	api_ring_unmap(&ring);
	CHECK(api_write(&vm, API_GPA, 3, 4) == API_EXITED);
}

static void a_page_dropped_from_the_tables_comes_back_the_same(void)
{
	api_vm_open(&vm);
	api_ring_ready(&vm, &ring);
	CHECK(api_write(&vm, API_GPA, 1, 4) == API_RINGED);
	MUST(madvise(ring.page, RF_RING_BYTES, MADV_DONTNEED));
	CHECK(api_write(&vm, API_GPA, 2, 4) == API_RINGED);
	api_expect(ring.page, API_GPA, 1);
	api_expect(ring.page, API_GPA, 2);
}

static void mapping_over_it_counts_as_unmapping(void)
{
	void *over;

	api_vm_open(&vm);
	api_ring_ready(&vm, &ring);
	over = mmap(ring.page, RF_RING_BYTES, PROT_READ,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	CHECK(over == ring.page);
	CHECK(api_write(&vm, API_GPA, 1, 4) == API_EXITED);
}

/* A pipe holds the page itself, not a copy: it must still be ours when buffer
 * and VM are gone, and nobody else's. */
static void a_pinned_page_outlives_the_buffer(void)
{
	static struct rf_ring_page seen;
	struct iovec iov;
	int fds[2];

	api_vm_open(&vm);
	api_ring_ready(&vm, &ring);
	CHECK(api_write(&vm, API_GPA, 0x5a5a5a5a, 4) == API_RINGED);
	MUST(pipe(fds));
	iov = (struct iovec){ ring.page, RF_RING_BYTES };
	CHECK(MUST(vmsplice(fds[1], &iov, 1, 0)) == RF_RING_BYTES);
	api_ring_close(&ring);
	api_vm_close(&vm);
	CHECK(MUST(read(fds[0], &seen, sizeof(seen))) == sizeof(seen));
	CHECK(seen.first == 0 && seen.last == 1);
	CHECK(api_value(&seen.entries[0]) == 0x5a5a5a5a);
}

/* The device: gets two descriptors, takes entries, checks that none is missing,
 * and says so after each burst. */
static void drain_many(int sock)
{
	struct rf_ring_page *page;
	struct rf_ring_entry e;
	uint32_t next = 0;
	uint64_t count;
	int fd, wake;

	(void)api_hear(sock, &fd);
	(void)api_hear(sock, &wake);
	page = api_map(fd);
	api_tell(sock, 0, -1);
	while (next < MANY) {
		CHECK(api_is_readable(wake, -1));
		if (api_kind == API_USER)
			MUST(read(wake, &count, sizeof(count)));
		while (api_pop(page, &e)) {
			CHECK(api_value(&e) == next * API_STEP,
			      "value %#x, %#x expected", api_value(&e),
			      next * API_STEP);
			if (++next % BURST == 0)
				api_tell(sock, next, -1);
		}
	}
	api_expect_nothing(page);
}

static void twenty_thousand_reach_another_process_without_an_exit(void)
{
	struct api_peer device;
	uint32_t i;

	api_peer_start(&device, drain_many);
	api_vm_open(&vm);
	api_ring_open(&vm, &ring);
	api_tell(device.sock, 0, ring.fd);
	api_tell(device.sock, 0, ring.wake);
	(void)api_hear(device.sock, NULL);
	/* This process never maps it. */
	api_register(&vm, &ring, API_GPA, 4);
	for (i = 0; i < MANY; i += BURST) {
		CHECK(api_write_many(&vm, API_GPA, i * API_STEP, BURST, NULL,
				     NULL) == 0);
		CHECK(api_hear(device.sock, NULL) == i + BURST);
	}
	api_peer_end(&device);
}

static const struct api_case cases[] = {
	CASE(API_BOTH, a_new_page_is_all_zero),
	CASE(API_BOTH, a_ring_takes_169_and_the_next_exits),
	CASE(API_BOTH, a_slot_given_back_is_used_at_once),
	CASE(API_BOTH, the_ring_goes_round_in_order),
	CASE(API_BOTH, an_index_out_of_range_makes_writes_exit),
	CASE(API_BOTH, two_mappings_are_the_same_page),
	CASE(API_KERNEL, writes_are_taken_until_the_last_mapping_goes),
	CASE(API_KERNEL, entries_wait_for_the_next_to_map),
	CASE(API_KERNEL, an_unmapped_ring_can_be_registered_again),
	CASE(API_KERNEL, who_maps_alone_finds_indices_in_range),
	CASE(API_BOTH, who_maps_beside_another_changes_nothing),
	CASE(API_KERNEL, a_mapping_may_move),
	CASE(API_BOTH, a_page_dropped_from_the_tables_comes_back_the_same),
	CASE(API_KERNEL, mapping_over_it_counts_as_unmapping),
	CASE(API_KERNEL, a_pinned_page_outlives_the_buffer),
	CASE(API_BOTH, twenty_thousand_reach_another_process_without_an_exit),
};

const struct api_chapter api_pages = { cases, RF_ARRAY_LEN(cases) };
