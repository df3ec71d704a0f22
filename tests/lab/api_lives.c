/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * api_lives.c - chapter 5: who outlives whom
 */
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lab/api.h"

#define REGISTER KVM_REGISTER_COALESCED_MMIO2
#define MANY_ZONES 2000u
#define GO 1u

static struct api_vm vm;
static struct api_ring ring;

static bool is_room_for_a_zone(const struct api_ring *other)
{
	int rc = api_zone(vm.tiny.vm, REGISTER, other->fd, API_GPA - 0x1000, 4,
			  0);

	CHECK(rc == 0 || errno == ENOSPC, "%s", strerrorname_np(errno));
	return rc == 0;
}

/* As many zones as the VM can have, all in `ring`. */
static void take_all_zones(void)
{
	uint32_t nr = 1;

	api_ring_ready(&vm, &ring);
	while (nr < MANY_ZONES && api_zone(vm.tiny.vm, REGISTER, ring.fd,
					   API_GPA + 0x1000 * nr, 4, 0) == 0)
		nr++;
	CHECK(nr < MANY_ZONES, "no end of zones");
}

static void a_mapping_keeps_the_zones_without_a_descriptor(void)
{
	struct api_ring other;

	api_vm_open(&vm);
	api_ring_open(&vm, &other);
	api_ring_map(&other);
	take_all_zones();
	MUST(close(ring.fd));
	CHECK(api_write(&vm, API_GPA, 1, 4) == API_RINGED);
	api_expect(ring.page, API_GPA, 1);
	CHECK(!is_room_for_a_zone(&other));
	api_ring_unmap(&ring);
	CHECK(api_write(&vm, API_GPA, 2, 4) == API_EXITED);
	CHECK(is_room_for_a_zone(&other), "zones are left");
}

static void a_duplicate_keeps_the_zones(void)
{
	int again;

	api_vm_open(&vm);
	api_ring_ready(&vm, &ring);
	again = (int)MUST(dup(ring.fd));
	api_ring_close(&ring);
	CHECK(api_write(&vm, API_GPA, 1, 4) == API_EXITED);
	ring.page = api_map(again);
	CHECK(api_write(&vm, API_GPA, 2, 4) == API_RINGED);
	api_expect(ring.page, API_GPA, 2);
	/* The duplicate names the same buffer. */
	MUST(api_zone(vm.tiny.vm, KVM_UNREGISTER_COALESCED_MMIO2, again,
		      API_GPA, 4, 0));
	CHECK(api_write(&vm, API_GPA, 3, 4) == API_EXITED);
}

static void a_descriptor_in_flight_counts_as_open(void)
{
	int pair[2];
	int fd;

	api_vm_open(&vm);
	api_ring_ready(&vm, &ring);
	CHECK(api_write(&vm, API_GPA, 1, 4) == API_RINGED);
	MUST(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair));
	api_tell(pair[0], 0, ring.fd);
	api_ring_close(&ring);
	CHECK(api_write(&vm, API_GPA, 2, 4) == API_EXITED);
	(void)api_hear(pair[1], &fd);
	ring.page = api_map(fd);
	CHECK(api_write(&vm, API_GPA, 3, 4) == API_RINGED);
	api_expect(ring.page, API_GPA, 1);
	api_expect(ring.page, API_GPA, 3);
}

/* The socket that carries the descriptor is itself in flight, in itself: only
 * the garbage collection of sockets can close it. */
static void a_descriptor_lost_in_flight_is_closed(void)
{
	struct api_ring other;
	int pair[2];
	uint32_t i;

	api_vm_open(&vm);
	api_ring_open(&vm, &other);
	api_ring_map(&other);
	take_all_zones();
	MUST(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair));
	api_tell(pair[0], 0, ring.fd);
	api_tell(pair[0], 0, pair[1]);
	api_tell(pair[1], 0, pair[0]);
	close(pair[0]);
	close(pair[1]);
	api_ring_close(&ring);
	for (i = 0; i < 1000 && !is_room_for_a_zone(&other); i++) {
		/* Closing any such socket starts the collection. */
		MUST(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair));
		close(pair[0]);
		close(pair[1]);
		usleep(10000);
	}
	CHECK(i < 1000, "zones are left");
}

static void a_child_does_not_inherit_the_mapping(void)
{
	struct api_peer child;
	int pair[2];

	api_vm_open(&vm);
	api_ring_ready(&vm, &ring);
	MUST(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair));
	child.sock = pair[0];
	child.pid = api_fork();
	if (child.pid == 0) {
		MUST_FAIL(msync(ring.page, RF_RING_BYTES, MS_ASYNC), ENOMEM);
		api_tell(pair[1], 0, -1);
		pause();
	}
	close(pair[1]);
	(void)api_hear(child.sock, NULL);
	CHECK(api_write(&vm, API_GPA, 1, 4) == API_RINGED);
	/* That it lives does not count. */
	api_ring_unmap(&ring);
	CHECK(api_write(&vm, API_GPA, 2, 4) == API_EXITED);
	api_peer_kill(&child);
	CHECK(api_write(&vm, API_GPA, 3, 4) == API_EXITED);
}

static void a_child_inherits_the_mapping_if_asked_to(void)
{
	struct api_peer child;
	int pair[2];

	api_vm_open(&vm);
	api_ring_ready(&vm, &ring);
	MUST(madvise(ring.page, RF_RING_BYTES, MADV_DOFORK));
	MUST(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair));
	child.sock = pair[0];
	child.pid = api_fork();
	if (child.pid == 0) {
		(void)api_hear(pair[1], NULL);
		api_expect(ring.page, API_GPA, 1);
		api_expect(ring.page, API_GPA, 2);
		_exit(0);
	}
	close(pair[1]);
	CHECK(api_write(&vm, API_GPA, 1, 4) == API_RINGED);
	api_ring_unmap(&ring);
	CHECK(api_write(&vm, API_GPA, 2, 4) == API_RINGED);
	api_tell(child.sock, GO, -1);
	api_peer_end(&child);
	CHECK(api_write(&vm, API_GPA, 3, 4) == API_EXITED);
}

/* A device process: takes `word` entries for each word it hears, or none and
 * sleeps in poll for ever. */
static void be_a_device(int sock)
{
	struct rf_ring_page *page;
	struct rf_ring_entry e;
	struct pollfd p = { .events = POLLIN };
	uint32_t nr;
	int fd;

	(void)api_hear(sock, &fd);
	page = api_map(fd);
	p.fd = fd;
	api_tell(sock, 0, -1);
	for (nr = api_hear(sock, NULL); nr; nr = api_hear(sock, NULL)) {
		while (nr--) {
			CHECK(api_pop(page, &e));
			api_tell(sock, api_value(&e), -1);
		}
	}
	api_tell(sock, 0, -1);
	while (api_pop(page, &e))
		;
	for (;;)
		(void)poll(&p, 1, -1);
}

static void give_ring_to(struct api_peer *device)
{
	api_tell(device->sock, 0, ring.fd);
	(void)api_hear(device->sock, NULL);
}

static void a_successor_finds_what_the_dead_device_left(void)
{
	struct api_peer first, second;

	api_peer_start(&first, be_a_device);
	api_peer_start(&second, be_a_device);
	api_vm_open(&vm);
	api_ring_open(&vm, &ring);
	give_ring_to(&first);
	api_register(&vm, &ring, API_GPA, 4);
	CHECK(api_write(&vm, API_GPA, 1, 4) == API_RINGED);
	CHECK(api_write(&vm, API_GPA, 2, 4) == API_RINGED);
	CHECK(api_write(&vm, API_GPA, 3, 4) == API_RINGED);
	api_tell(first.sock, 1, -1);
	CHECK(api_hear(first.sock, NULL) == 1);
	api_peer_kill(&first);
	CHECK(api_write(&vm, API_GPA, 4, 4) == API_EXITED);
	CHECK(api_is_readable(ring.fd, 0));
	/* Same descriptor, same zones. */
	give_ring_to(&second);
	CHECK(api_write(&vm, API_GPA, 5, 4) == API_RINGED);
	api_tell(second.sock, 3, -1);
	CHECK(api_hear(second.sock, NULL) == 2);
	CHECK(api_hear(second.sock, NULL) == 3);
	CHECK(api_hear(second.sock, NULL) == 5);
	CHECK(!api_is_readable(ring.fd, 0));
	api_peer_kill(&second);
}

static void a_device_may_die_asleep_twenty_times(void)
{
	struct api_peer devices[20];
	uint32_t i;

	for (i = 0; i < RF_ARRAY_LEN(devices); i++)
		api_peer_start(&devices[i], be_a_device);
	api_vm_open(&vm);
	api_ring_open(&vm, &ring);
	for (i = 0; i < RF_ARRAY_LEN(devices); i++) {
		give_ring_to(&devices[i]);
		if (i == 0)
			api_register(&vm, &ring, API_GPA, 4);
		api_tell(devices[i].sock, 0, -1);
		(void)api_hear(devices[i].sock, NULL);
		CHECK(api_write(&vm, API_GPA, i, 4) == API_RINGED);
		api_peer_kill(&devices[i]);
		CHECK(api_write(&vm, API_GPA, i, 4) == API_EXITED);
	}
}

static void a_device_outlives_the_vm(void)
{
	struct api_peer device;

	api_peer_start(&device, be_a_device);
	api_vm_open(&vm);
	api_ring_open(&vm, &ring);
	give_ring_to(&device);
	api_register(&vm, &ring, API_GPA, 4);
	CHECK(api_write(&vm, API_GPA, 7, 4) == API_RINGED);
	CHECK(api_write(&vm, API_GPA, 8, 4) == API_RINGED);
	api_vm_close(&vm);
	api_tell(device.sock, 2, -1);
	CHECK(api_hear(device.sock, NULL) == 7);
	CHECK(api_hear(device.sock, NULL) == 8);
	api_peer_kill(&device);
	/* What is left is a page nobody writes to. */
	CHECK(!api_is_readable(ring.fd, 0));
	api_ring_map(&ring);
	api_expect_nothing(ring.page);
	api_ring_close(&ring);
}

/* A vCPU process that makes everything, writes twice, and is killed. */
static void be_a_vmm(int sock)
{
	api_vm_open(&vm);
	api_ring_open(&vm, &ring);
	api_tell(sock, 0, ring.fd);
	(void)api_hear(sock, NULL);
	api_register(&vm, &ring, API_GPA, 4);
	CHECK(api_write(&vm, API_GPA, 1, 4) == API_RINGED);
	CHECK(api_write(&vm, API_GPA, 2, 4) == API_RINGED);
	api_tell(sock, 0, -1);
	pause();
}

static void a_device_outlives_the_vcpu_process(void)
{
	struct rf_ring_page *page;
	struct api_peer vmm;
	int fd;

	api_peer_start(&vmm, be_a_vmm);
	(void)api_hear(vmm.sock, &fd);
	page = api_map(fd);
	api_tell(vmm.sock, GO, -1);
	(void)api_hear(vmm.sock, NULL);
	api_peer_kill(&vmm);
	CHECK(api_is_readable(fd, 0));
	api_expect(page, API_GPA, 1);
	api_expect(page, API_GPA, 2);
	api_unmap(page);
	page = api_map(fd);
	api_expect_nothing(page);
	MUST(close(fd));
	api_unmap(page);
}

/* The descriptor ends with a process that has no business with the VM. */
static void the_last_close_may_be_another_process(void)
{
	struct api_peer device;
	struct api_ring other;

	api_peer_start(&device, be_a_device);
	api_vm_open(&vm);
	api_ring_open(&vm, &other);
	api_ring_map(&other);
	take_all_zones();
	give_ring_to(&device);
	api_ring_close(&ring);
	CHECK(!is_room_for_a_zone(&other));
	CHECK(api_write(&vm, API_GPA, 9, 4) == API_RINGED);
	api_tell(device.sock, 1, -1);
	CHECK(api_hear(device.sock, NULL) == 9);
	api_peer_kill(&device);
	CHECK(is_room_for_a_zone(&other), "zones are left");
	CHECK(api_write(&vm, API_GPA, 10, 4) == API_EXITED);
}

#define DEBUGFS "/sys/kernel/debug"

/* VMs that this process made, as KVM lists them. */
static uint32_t vms_alive(void)
{
	struct dirent *entry;
	char prefix[32];
	uint32_t nr = 0;
	DIR *dir = opendir(DEBUGFS "/kvm");

	CHECK(dir, DEBUGFS "/kvm: %s", strerror(errno));
	(void)snprintf(prefix, sizeof(prefix), "%d-", getpid());
	while ((entry = readdir(dir)))
		nr += strncmp(entry->d_name, prefix, strlen(prefix)) == 0;
	closedir(dir);
	return nr;
}

static void a_buffer_does_not_keep_its_vm(void)
{
	struct api_peer device;

	api_peer_start(&device, be_a_device);
	/* Mounted for this process alone. */
	MUST(unshare(CLONE_NEWNS));
	MUST(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL));
	/* The same once more in the same place is EBUSY: it is there. */
	CHECK(mount("debugfs", DEBUGFS, "debugfs", 0, NULL) == 0 ||
		      errno == EBUSY,
	      "%s", strerror(errno));
	api_vm_open(&vm);
	api_ring_open(&vm, &ring);
	give_ring_to(&device);
	api_register(&vm, &ring, API_GPA, 4);
	api_register(&vm, &ring, API_GPA + 4, 4);
	CHECK(vms_alive() == 1);
	api_vm_close(&vm);
	CHECK(vms_alive() == 0, "the VM is still there");
	api_peer_kill(&device);
}

static void buffers_may_outlive_their_vm_by_the_hundred(void)
{
	static struct api_ring rings[300];
	uint32_t i;

	api_vm_open(&vm);
	for (i = 0; i < RF_ARRAY_LEN(rings); i++) {
		api_ring_open(&vm, &rings[i]);
		if (i % 3)
			api_ring_map(&rings[i]);
		if (i % 3 == 2 && i < 30)
			api_register(&vm, &rings[i], API_GPA + 8 * i, 4);
	}
	/* Some go before, the others after. */
	for (i = 0; i < RF_ARRAY_LEN(rings) / 2; i++)
		api_ring_close(&rings[i * 2ul]);
	api_vm_close(&vm);
	for (i = 0; i < RF_ARRAY_LEN(rings) / 2; i++)
		api_ring_close(&rings[2 * i + 1]);
}

static const struct api_case cases[] = {
	CASE(API_KERNEL, a_mapping_keeps_the_zones_without_a_descriptor),
	CASE(API_KERNEL, a_duplicate_keeps_the_zones),
	CASE(API_KERNEL, a_descriptor_in_flight_counts_as_open),
	CASE(API_KERNEL, a_descriptor_lost_in_flight_is_closed),
	CASE(API_KERNEL, a_child_does_not_inherit_the_mapping),
	CASE(API_KERNEL, a_child_inherits_the_mapping_if_asked_to),
	CASE(API_KERNEL, a_successor_finds_what_the_dead_device_left),
	CASE(API_KERNEL, a_device_may_die_asleep_twenty_times),
	CASE(API_KERNEL, a_device_outlives_the_vm),
	CASE(API_KERNEL, a_device_outlives_the_vcpu_process),
	CASE(API_KERNEL, the_last_close_may_be_another_process),
	CASE(API_KERNEL, a_buffer_does_not_keep_its_vm),
	CASE(API_KERNEL, buffers_may_outlive_their_vm_by_the_hundred),
};

const struct api_chapter api_lives = { cases, RF_ARRAY_LEN(cases) };
