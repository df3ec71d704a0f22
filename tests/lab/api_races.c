/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * api_races.c - chapter 6: all of it at once
 *
 * Wherever a write can be counted it must be found exactly once: in the ring,
 * or at the exit.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lab/api.h"

#define WRITES 10000u
#define ROUNDS 100u
#define GO 1u
#define GPA_OTHER (API_GPA + 0x1000)

static struct api_vm vm;
static struct api_ring ring;
static atomic_bool stop;

static pthread_t start(void *(*fn)(void *), void *ctx)
{
	pthread_t thread;
	int err = pthread_create(&thread, NULL, fn, ctx);

	CHECK(!err, "pthread_create: %s", strerror(err));
	return thread;
}

static void finish(pthread_t thread)
{
	atomic_store(&stop, true);
	CHECK(pthread_join(thread, NULL) == 0);
}

/* How often each value was found. */
struct count {
	uint8_t found[2 * WRITES];
	uint32_t nr;
};

static void count_value(void *ctx, uint32_t value)
{
	struct count *c = ctx;
	uint32_t at = value / API_STEP;

	CHECK(value % API_STEP == 0, "value %#x", value);
	CHECK(at < RF_ARRAY_LEN(c->found), "value %#x", value);
	/* That CHECK() does not return is not seen here: */
	/* cppcheck-suppress arrayIndexOutOfBoundsCond */
	CHECK(!c->found[at], "write %u found twice", at);
	c->found[at] = 1;
	c->nr++;
}

static void count_ring(struct count *c, struct rf_ring_page *page)
{
	struct rf_ring_entry e;

	while (api_pop(page, &e))
		count_value(c, api_value(&e));
}

static void *scribble(void *ctx)
{
	uint32_t *words = ctx;
	uint32_t seed = 1;
	uint32_t i;

	while (!atomic_load(&stop))
		for (i = 0; i < RF_RING_BYTES / 4; i++) {
			seed = seed * 1664525 + 1013904223;
			/* Indices often in range, or nothing much happens. */
			__atomic_store_n(&words[seed % 8 ? i % 2 : i],
					 seed % 3 ? seed >> 24 : seed,
					 __ATOMIC_RELAXED);
		}
	return NULL;
}

static void garbage_in_the_page_harms_nobody(void)
{
	pthread_t scribbler;

	api_vm_open(&vm);
	api_ring_ready(&vm, &ring);
	scribbler = start(scribble, ring.page);
	(void)api_write_many(&vm, API_GPA, 0, WRITES, NULL, NULL);
	finish(scribbler);
	ring.page->first = 0;
	ring.page->last = 0;
	CHECK(api_write(&vm, API_GPA, 0x10000, 4) == API_RINGED);
	api_expect(ring.page, API_GPA, 0x10000);
}

static struct count drained;

static void *drain(void *ctx)
{
	while (!atomic_load(&stop))
		count_ring(&drained, ring.page);
	return ctx;
}

static void a_guest_that_is_faster_loses_nothing(void)
{
	static struct count exited;
	pthread_t thread;
	uint32_t i;

	api_vm_open(&vm);
	api_ring_ready(&vm, &ring);
	thread = start(drain, NULL);
	(void)api_write_many(&vm, API_GPA, 0, WRITES, count_value, &exited);
	finish(thread);
	count_ring(&drained, ring.page);
	for (i = 0; i < WRITES; i++)
		CHECK(drained.found[i] + exited.found[i] == 1, "write %u", i);
	CHECK(drained.nr > 0);
}

/* Registered and unregistered all the time, a write is found here or there. */
static void *flip_zone(void *ctx)
{
	while (!atomic_load(&stop)) {
		api_register(&vm, &ring, API_GPA, 4);
		count_ring(&drained, ring.page);
		api_unregister(&vm, &ring, API_GPA, 4);
		count_ring(&drained, ring.page);
	}
	return ctx;
}

static void zones_come_and_go_and_nothing_is_lost(void)
{
	static struct count exited;
	pthread_t thread;
	uint32_t i;

	api_vm_open(&vm);
	api_ring_open(&vm, &ring);
	api_ring_map(&ring);
	thread = start(flip_zone, NULL);
	(void)api_write_many(&vm, API_GPA, 0, WRITES, count_value, &exited);
	finish(thread);
	count_ring(&drained, ring.page);
	for (i = 0; i < WRITES; i++)
		CHECK(drained.found[i] + exited.found[i] == 1, "write %u", i);
}

/* Another process maps, takes what is there, and unmaps. */
static void flip_mapping(int sock)
{
	struct rf_ring_page *page;
	int fd;

	(void)api_hear(sock, &fd);
	api_unmap(api_map(fd));
	api_tell(sock, 0, -1);
	while (!api_is_readable(sock, 0)) {
		page = api_map(fd);
		count_ring(&drained, page);
		api_unmap(page);
	}
	(void)api_hear(sock, NULL);
	page = api_map(fd);
	count_ring(&drained, page);
	api_tell(sock, drained.nr, -1);
}

static void mappings_come_and_go_and_nothing_is_lost(void)
{
	struct api_peer mapper;
	uint32_t exited;

	api_peer_start(&mapper, flip_mapping);
	api_vm_open(&vm);
	api_ring_open(&vm, &ring);
	api_tell(mapper.sock, 0, ring.fd);
	(void)api_hear(mapper.sock, NULL);
	api_register(&vm, &ring, API_GPA, 4);
	exited = api_write_many(&vm, API_GPA, 0, WRITES, NULL, NULL);
	api_tell(mapper.sock, GO, -1);
	CHECK(exited + api_hear(mapper.sock, NULL) == WRITES);
	api_peer_end(&mapper);
}

/* Whole lives of buffers, under the hands of a guest that writes to them. */
static void *make_and_close(void *ctx)
{
	uint32_t *nr = ctx;
	struct api_ring brief;

	while (!atomic_load(&stop)) {
		api_ring_open(&vm, &brief);
		api_ring_map(&brief);
		api_register(&vm, &brief, API_GPA, 4);
		api_register(&vm, &brief, GPA_OTHER, 4);
		if (*nr % 2)
			api_ring_unmap(&brief);
		api_ring_close(&brief);
		(*nr)++;
	}
	return NULL;
}

static void buffers_come_and_go_under_a_writing_guest(void)
{
	uint32_t nr = 0;
	pthread_t thread;

	api_vm_open(&vm);
	thread = start(make_and_close, &nr);
	(void)api_write_many(&vm, API_GPA, 0, WRITES, NULL, NULL);
	finish(thread);
	CHECK(nr > 0);
	CHECK(api_write(&vm, API_GPA, 1, 4) == API_EXITED);
	CHECK(api_write(&vm, GPA_OTHER, 1, 4) == API_EXITED);
}

/* Closes each ring it hears of, without waiting for anybody. */
static void close_what_comes(int sock)
{
	struct rf_ring_page *page;
	uint32_t i;
	int fd;

	for (i = 0; i < ROUNDS; i++) {
		(void)api_hear(sock, &fd);
		page = api_map(fd);
		api_tell(sock, 0, -1);
		(void)api_hear(sock, NULL);
		api_unmap(page);
		MUST(close(fd));
	}
}

static void vm_and_buffer_may_end_at_the_same_time(void)
{
	struct api_peer device;
	uint32_t i;

	api_peer_start(&device, close_what_comes);
	for (i = 0; i < ROUNDS; i++) {
		api_vm_open(&vm);
		api_ring_open(&vm, &ring);
		api_tell(device.sock, 0, ring.fd);
		(void)api_hear(device.sock, NULL);
		api_register(&vm, &ring, API_GPA, 4);
		api_register(&vm, &ring, GPA_OTHER, 4);
		CHECK(api_write(&vm, API_GPA, i, 4) == API_RINGED);
		api_ring_close(&ring);
		api_tell(device.sock, GO, -1);
		/* A little later each time, to meet it everywhere. */
		usleep(i * 20);
		api_vm_close(&vm);
	}
	api_peer_end(&device);
}

static void *map_first(void *ctx)
{
	struct rf_ring_page **page = ctx;

	while (!atomic_load(&stop))
		;
	*page = api_map(ring.fd);
	return NULL;
}

static void two_who_map_first_get_the_same_page(void)
{
	struct rf_ring_page *other;
	pthread_t thread;
	uint32_t i;

	api_vm_open(&vm);
	for (i = 0; i < ROUNDS; i++) {
		api_ring_open(&vm, &ring);
		atomic_store(&stop, false);
		thread = start(map_first, &other);
		atomic_store(&stop, true);
		api_ring_map(&ring);
		CHECK(pthread_join(thread, NULL) == 0);
		ring.page->entries[7].phys_addr = i + 1;
		CHECK(other->entries[7].phys_addr == i + 1);
		api_unmap(other);
		api_ring_close(&ring);
	}
}

/* The same VM's second vCPU, flat like the first. */
static struct api_vm second_vcpu(void)
{
	struct api_vm second = vm;
	struct kvm_sregs sregs;

	MUST(ioctl(vm.tiny.vcpu, KVM_GET_SREGS, &sregs));
	second.tiny.vcpu = (int)MUST(ioctl(vm.tiny.vm, KVM_CREATE_VCPU, 1));
	second.tiny.run = mmap(NULL, second.tiny.run_bytes,
			       PROT_READ | PROT_WRITE, MAP_SHARED,
			       second.tiny.vcpu, 0);
	CHECK(second.tiny.run != MAP_FAILED);
	MUST(ioctl(second.tiny.vcpu, KVM_SET_SREGS, &sregs));
	return second;
}

static struct count exited_second;

static void *write_more(void *ctx)
{
	(void)api_write_many(ctx, API_GPA, WRITES * API_STEP, WRITES,
			     count_value, &exited_second);
	return NULL;
}

static void two_vcpus_write_to_one_ring(void)
{
	static struct count exited;
	struct api_vm second;
	pthread_t writer, drainer;
	uint32_t i;

	api_vm_open(&vm);
	api_ring_ready(&vm, &ring);
	second = second_vcpu();
	drainer = start(drain, NULL);
	writer = start(write_more, &second);
	(void)api_write_many(&vm, API_GPA, 0, WRITES, count_value, &exited);
	CHECK(pthread_join(writer, NULL) == 0);
	finish(drainer);
	count_ring(&drained, ring.page);
	for (i = 0; i < 2 * WRITES; i++)
		CHECK(drained.found[i] + exited.found[i] +
				      exited_second.found[i] ==
			      1,
		      "write %u", i);
}

static const struct api_case cases[] = {
	CASE(API_BOTH, garbage_in_the_page_harms_nobody),
	CASE(API_BOTH, a_guest_that_is_faster_loses_nothing),
	CASE(API_KERNEL, zones_come_and_go_and_nothing_is_lost),
	CASE(API_KERNEL, mappings_come_and_go_and_nothing_is_lost),
	CASE(API_KERNEL, buffers_come_and_go_under_a_writing_guest),
	CASE(API_KERNEL, vm_and_buffer_may_end_at_the_same_time),
	CASE(API_KERNEL, two_who_map_first_get_the_same_page),
	CASE(API_KERNEL, two_vcpus_write_to_one_ring),
};

const struct api_chapter api_races = { cases, RF_ARRAY_LEN(cases) };
