/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * api_zones.c - chapter 2: which writes a zone takes, and which it leaves
 */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "lab/api.h"

#define REGISTER KVM_REGISTER_COALESCED_MMIO2
#define UNREGISTER KVM_UNREGISTER_COALESCED_MMIO2
#define PORT 0x510u
/* More than KVM lets one VM have on a bus. */
#define MANY 2000u

static struct api_vm vm;
static struct api_ring ring;

static void an_entry_tells_address_length_and_value(void)
{
	/* Queue 0, for the producer that looks at it. */
	const uint64_t value = 0x1122334455660000ull;
	const uint32_t lens[] = { 1, 2, 4, 8 };
	struct rf_ring_entry e;
	size_t i;

	api_vm_open(&vm);
	for (i = 0; i < RF_ARRAY_LEN(lens); i++) {
		api_ring_open(&vm, &ring);
		api_ring_map(&ring);
		api_register(&vm, &ring, API_GPA, lens[i]);
		CHECK(api_write(&vm, API_GPA, value, lens[i]) == API_RINGED);
		CHECK(api_pop(ring.page, &e));
		CHECK(e.phys_addr == API_GPA && e.len == lens[i] && e.pio == 0,
		      "%u bytes at %#llx, pio %u", e.len,
		      (unsigned long long)e.phys_addr, e.pio);
		CHECK(memcmp(e.data, &value, lens[i]) == 0,
		      "another value of %u bytes", lens[i]);
		api_expect_nothing(ring.page);
		api_ring_close(&ring);
	}
}

static void writes_beside_a_zone_exit(void)
{
	api_vm_open(&vm);
	api_ring_ready(&vm, &ring);
	CHECK(api_write(&vm, API_GPA - 4, 1, 4) == API_EXITED);
	CHECK(api_write(&vm, API_GPA + 4, 1, 4) == API_EXITED);
	CHECK(api_write(&vm, API_GPA - 1, 1, 1) == API_EXITED);
	CHECK(api_write(&vm, API_GPA + 4, 1, 1) == API_EXITED);
	api_expect_nothing(ring.page);
}

static void writes_across_an_edge_exit(void)
{
	api_vm_open(&vm);
	api_ring_ready(&vm, &ring);
	CHECK(api_write(&vm, API_GPA + 2, 1, 4) == API_EXITED);
	CHECK(api_write(&vm, API_GPA - 2, 1, 4) == API_EXITED);
	CHECK(api_write(&vm, API_GPA, 1, 8) == API_EXITED);
	CHECK(api_write(&vm, API_GPA - 4, 1, 8) == API_EXITED);
	api_expect_nothing(ring.page);
}

static void narrow_writes_inside_a_zone_are_taken(void)
{
	struct rf_ring_entry e;

	api_vm_open(&vm);
	api_ring_ready(&vm, &ring);
	CHECK(api_write(&vm, API_GPA + 3, 0x77, 1) == API_RINGED);
	CHECK(api_write(&vm, API_GPA + 2, 0x8899, 2) == API_RINGED);
	CHECK(api_pop(ring.page, &e));
	CHECK(e.phys_addr == API_GPA + 3 && e.len == 1 && e.data[0] == 0x77);
	CHECK(api_pop(ring.page, &e));
	CHECK(e.phys_addr == API_GPA + 2 && e.len == 2 && e.data[0] == 0x99 &&
	      e.data[1] == 0x88);
}

static void zones_of_one_ring_are_told_apart_by_address(void)
{
	api_vm_open(&vm);
	api_ring_ready(&vm, &ring);
	api_register(&vm, &ring, API_GPA + 0x1000, 0x1000);
	CHECK(api_write(&vm, API_GPA + 0x1ffc, 1, 4) == API_RINGED);
	CHECK(api_write(&vm, API_GPA, 2, 4) == API_RINGED);
	CHECK(api_write(&vm, API_GPA + 0x1000, 3, 4) == API_RINGED);
	CHECK(api_write(&vm, API_GPA + 0x2000, 4, 4) == API_EXITED);
	api_expect(ring.page, API_GPA + 0x1ffc, 1);
	api_expect(ring.page, API_GPA, 2);
	api_expect(ring.page, API_GPA + 0x1000, 3);
	api_expect_nothing(ring.page);
}

static void each_ring_has_its_own_zones(void)
{
	struct api_ring other;

	api_vm_open(&vm);
	api_ring_ready(&vm, &ring);
	api_ring_open(&vm, &other);
	api_ring_map(&other);
	api_register(&vm, &other, API_GPA + 4, 4);
	CHECK(api_write(&vm, API_GPA, 1, 4) == API_RINGED);
	CHECK(api_write(&vm, API_GPA + 4, 2, 4) == API_RINGED);
	api_expect(ring.page, API_GPA, 1);
	api_expect(other.page, API_GPA + 4, 2);
	/* Closed as a whole, the neighbour does not notice. */
	api_ring_close(&other);
	CHECK(api_write(&vm, API_GPA + 4, 3, 4) == API_EXITED);
	CHECK(api_write(&vm, API_GPA, 4, 4) == API_RINGED);
	api_expect(ring.page, API_GPA, 4);
}

static void after_unregister_writes_exit_and_entries_stay(void)
{
	api_vm_open(&vm);
	api_ring_ready(&vm, &ring);
	CHECK(api_write(&vm, API_GPA, 0x10000, 4) == API_RINGED);
	api_unregister(&vm, &ring, API_GPA, 4);
	CHECK(api_write(&vm, API_GPA, 0x20000, 4) == API_EXITED);
	api_expect(ring.page, API_GPA, 0x10000);
	api_expect_nothing(ring.page);
	api_register(&vm, &ring, API_GPA, 4);
	CHECK(api_write(&vm, API_GPA, 0x30000, 4) == API_RINGED);
	api_expect(ring.page, API_GPA, 0x30000);
}

static void unregister_takes_the_very_zone(void)
{
	int fd;

	api_vm_open(&vm);
	api_ring_ready(&vm, &ring);
	fd = ring.fd;
	MUST(api_zone(vm.tiny.vm, UNREGISTER, fd, API_GPA, 2, 0));
	MUST(api_zone(vm.tiny.vm, UNREGISTER, fd, API_GPA, 8, 0));
	MUST(api_zone(vm.tiny.vm, UNREGISTER, fd, API_GPA + 1, 1, 0));
	MUST(api_zone(vm.tiny.vm, UNREGISTER, fd, API_GPA + 8, 4, 0));
	MUST(api_zone(vm.tiny.vm, UNREGISTER, fd, API_GPA, 4, 1));
	CHECK(api_write(&vm, API_GPA, 1, 4) == API_RINGED);
	MUST(api_zone(vm.tiny.vm, UNREGISTER, fd, API_GPA, 4, 0));
	CHECK(api_write(&vm, API_GPA, 2, 4) == API_EXITED);
	/* It is gone already: no error, as with the older call. */
	MUST(api_zone(vm.tiny.vm, UNREGISTER, fd, API_GPA, 4, 0));
}

static void unregister_leaves_the_same_zone_of_another_ring(void)
{
	struct api_ring other;

	api_vm_open(&vm);
	api_ring_ready(&vm, &ring);
	api_ring_ready(&vm, &other);
	api_unregister(&vm, &other, API_GPA, 4);
	CHECK(api_write(&vm, API_GPA, 1, 4) == API_RINGED);
	api_expect(ring.page, API_GPA, 1);
	api_expect_nothing(other.page);
	/* A ring without zones takes none of its neighbour's with it. */
	api_unregister(&vm, &other, API_GPA, 4);
	CHECK(api_write(&vm, API_GPA, 2, 4) == API_RINGED);
	api_expect(ring.page, API_GPA, 2);
}

static void zones_that_overlap_record_a_write_once(void)
{
	struct api_ring other;

	api_vm_open(&vm);
	api_ring_ready(&vm, &ring);
	api_ring_open(&vm, &other);
	api_ring_map(&other);
	api_register(&vm, &other, API_GPA - 0x50, 0x1000);
	CHECK(api_write(&vm, API_GPA, 1, 4) == API_RINGED);
	CHECK(api_waiting(ring.page) + api_waiting(other.page) == 1);
	/* Beyond the small one there is only the large one. */
	CHECK(api_write(&vm, API_GPA + 4, 2, 4) == API_RINGED);
	CHECK(api_waiting(ring.page) + api_waiting(other.page) == 2);
	CHECK(api_waiting(other.page) >= 1);
}

static void where_one_ring_is_full_an_overlapping_one_takes_over(void)
{
	struct api_ring other;

	api_vm_open(&vm);
	api_ring_ready(&vm, &ring);
	api_ring_ready(&vm, &other);
	CHECK(api_write_many(&vm, API_GPA, 0, 2 * RF_RING_USABLE, NULL, NULL) ==
	      0);
	CHECK(api_waiting(ring.page) == RF_RING_USABLE);
	CHECK(api_waiting(other.page) == RF_RING_USABLE);
	CHECK(api_write(&vm, API_GPA, 1, 4) == API_EXITED);
}

static void a_zone_registered_twice_goes_at_once(void)
{
	api_vm_open(&vm);
	api_ring_ready(&vm, &ring);
	api_register(&vm, &ring, API_GPA, 4);
	CHECK(api_write(&vm, API_GPA, 1, 4) == API_RINGED);
	api_expect(ring.page, API_GPA, 1);
	api_expect_nothing(ring.page);
	api_unregister(&vm, &ring, API_GPA, 4);
	CHECK(api_write(&vm, API_GPA, 2, 4) == API_EXITED);
}

static void port_zones_take_port_writes_only(void)
{
	const uint32_t lens[] = { 1, 2, 4 };
	const uint32_t value = 0x44332211;
	struct rf_ring_entry e;
	size_t i;

	api_vm_open(&vm);
	api_ring_open(&vm, &ring);
	api_ring_map(&ring);
	MUST(api_zone(vm.tiny.vm, REGISTER, ring.fd, PORT, 4, 1));
	for (i = 0; i < RF_ARRAY_LEN(lens); i++) {
		CHECK(api_out(&vm, PORT, value, lens[i]) == API_RINGED);
		CHECK(api_pop(ring.page, &e));
		CHECK(e.phys_addr == PORT && e.len == lens[i] && e.pio == 1,
		      "%u bytes at %#llx, pio %u", e.len,
		      (unsigned long long)e.phys_addr, e.pio);
		CHECK(memcmp(e.data, &value, lens[i]) == 0);
	}
	CHECK(api_out(&vm, PORT + 4, value, 4) == API_EXITED);
	CHECK(api_out(&vm, PORT + 2, value, 4) == API_EXITED);
	MUST(api_zone(vm.tiny.vm, UNREGISTER, ring.fd, PORT, 4, 0));
	CHECK(api_out(&vm, PORT, 1, 4) == API_RINGED);
	MUST(api_zone(vm.tiny.vm, UNREGISTER, ring.fd, PORT, 4, 1));
	CHECK(api_out(&vm, PORT, 2, 4) == API_EXITED);
}

static void ports_and_memory_share_a_ring_in_order(void)
{
	struct rf_ring_entry e;

	api_vm_open(&vm);
	api_ring_ready(&vm, &ring);
	MUST(api_zone(vm.tiny.vm, REGISTER, ring.fd, PORT, 4, 1));
	CHECK(api_write(&vm, API_GPA, 1, 4) == API_RINGED);
	CHECK(api_out(&vm, PORT, 2, 4) == API_RINGED);
	CHECK(api_write(&vm, API_GPA, 3, 4) == API_RINGED);
	api_expect(ring.page, API_GPA, 1);
	CHECK(api_pop(ring.page, &e) && e.pio == 1 && api_value(&e) == 2);
	api_expect(ring.page, API_GPA, 3);
	/* Both kinds go with the descriptor. */
	api_ring_close(&ring);
	CHECK(api_write(&vm, API_GPA, 4, 4) == API_EXITED);
	CHECK(api_out(&vm, PORT, 5, 4) == API_EXITED);
}

static void the_older_call_keeps_its_zones_and_we_ours(void)
{
	struct kvm_coalesced_mmio_zone old = { .addr = API_GPA + 4, .size = 4 };

	api_vm_open(&vm);
	api_ring_ready(&vm, &ring);
	MUST(ioctl(vm.tiny.vm, KVM_REGISTER_COALESCED_MMIO, &old));
	CHECK(api_write(&vm, API_GPA + 4, 1, 4) == API_RINGED);
	api_expect_nothing(ring.page);
	CHECK(api_waiting(vm.tiny.legacy) == 1);
	/* It takes each older zone around an address, and none of ours. */
	old.addr = API_GPA;
	MUST(ioctl(vm.tiny.vm, KVM_UNREGISTER_COALESCED_MMIO, &old));
	CHECK(api_write(&vm, API_GPA, 2, 4) == API_RINGED);
	api_expect(ring.page, API_GPA, 2);
	MUST(api_zone(vm.tiny.vm, UNREGISTER, ring.fd, API_GPA + 4, 4, 0));
	CHECK(api_write(&vm, API_GPA + 4, 3, 4) == API_RINGED);
	CHECK(api_waiting(vm.tiny.legacy) == 2);
}

static uint32_t fill_with_zones(void)
{
	uint32_t nr = 0;

	api_ring_open(&vm, &ring);
	api_ring_map(&ring);
	while (nr < MANY && api_zone(vm.tiny.vm, REGISTER, ring.fd,
				     API_GPA + 0x1000 * nr, 4, 0) == 0)
		nr++;
	CHECK(nr < MANY, "no end of zones");
	CHECK(errno == ENOSPC, "%s", strerrorname_np(errno));
	return nr;
}

/* Whether a zone is left behind shows in how many there is room for. */
static void closing_takes_every_zone_along(void)
{
	uint32_t nr;

	api_vm_open(&vm);
	nr = fill_with_zones();
	CHECK(api_write(&vm, API_GPA + 0x1000 * (nr - 1), 1, 4) == API_RINGED);
	CHECK(api_write(&vm, API_GPA + 0x1000 * nr, 1, 4) == API_EXITED);
	api_ring_close(&ring);
	CHECK(api_write(&vm, API_GPA, 1, 4) == API_EXITED);
	CHECK(fill_with_zones() == nr, "zones are left");
}

static const struct api_case cases[] = {
	CASE(API_BOTH, an_entry_tells_address_length_and_value),
	CASE(API_BOTH, writes_beside_a_zone_exit),
	CASE(API_BOTH, writes_across_an_edge_exit),
	CASE(API_KERNEL, narrow_writes_inside_a_zone_are_taken),
	CASE(API_KERNEL, zones_of_one_ring_are_told_apart_by_address),
	CASE(API_KERNEL, each_ring_has_its_own_zones),
	CASE(API_BOTH, after_unregister_writes_exit_and_entries_stay),
	CASE(API_KERNEL, unregister_takes_the_very_zone),
	CASE(API_KERNEL, unregister_leaves_the_same_zone_of_another_ring),
	CASE(API_KERNEL, zones_that_overlap_record_a_write_once),
	CASE(API_KERNEL, where_one_ring_is_full_an_overlapping_one_takes_over),
	CASE(API_KERNEL, a_zone_registered_twice_goes_at_once),
	CASE(API_KERNEL, port_zones_take_port_writes_only),
	CASE(API_KERNEL, ports_and_memory_share_a_ring_in_order),
	CASE(API_KERNEL, the_older_call_keeps_its_zones_and_we_ours),
	CASE(API_KERNEL, closing_takes_every_zone_along),
};

const struct api_chapter api_zones = { cases, RF_ARRAY_LEN(cases) };
