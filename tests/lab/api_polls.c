/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * api_polls.c - chapter 4: who is told of entries, and when
 */
#include <poll.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "lab/api.h"

#define WAITERS 3u
#define ROUNDS 1000u

static struct api_vm vm;
static struct api_ring ring;

static void a_buffer_never_mapped_is_not_readable(void)
{
	api_vm_open(&vm);
	api_ring_open(&vm, &ring);
	CHECK(!api_is_readable(ring.fd, 0));
	CHECK(!api_is_readable(ring.fd, 20));
	api_ring_map(&ring);
	CHECK(!api_is_readable(ring.fd, 0));
}

static void readable_is_exactly_first_unlike_last(void)
{
	struct pollfd p;

	api_vm_open(&vm);
	api_ring_ready(&vm, &ring);
	CHECK(!api_is_readable(ring.fd, 0));
	CHECK(api_write(&vm, API_GPA, 1, 4) == API_RINGED);
	CHECK(api_write(&vm, API_GPA, 2, 4) == API_RINGED);
	CHECK(api_is_readable(ring.fd, 0));
	/* A level: asking takes nothing away. */
	CHECK(api_is_readable(ring.fd, 0));
	api_expect(ring.page, API_GPA, 1);
	CHECK(api_is_readable(ring.fd, 0));
	api_expect(ring.page, API_GPA, 2);
	CHECK(!api_is_readable(ring.fd, 0));
	p = (struct pollfd){ .fd = ring.fd, .events = (short)~0 };
	CHECK(MUST(poll(&p, 1, 0)) == 0, "events %#x", p.revents);
}

static void readable_without_a_mapping_too(void)
{
	api_vm_open(&vm);
	api_ring_ready(&vm, &ring);
	CHECK(api_write(&vm, API_GPA, 1, 4) == API_RINGED);
	api_ring_unmap(&ring);
	CHECK(api_is_readable(ring.fd, 0));
	api_ring_map(&ring);
	api_expect(ring.page, API_GPA, 1);
	CHECK(!api_is_readable(ring.fd, 0));
}

static void readable_when_the_vm_has_ended_too(void)
{
	api_vm_open(&vm);
	api_ring_ready(&vm, &ring);
	CHECK(api_write(&vm, API_GPA, 1, 4) == API_RINGED);
	api_vm_close(&vm);
	CHECK(api_is_readable(ring.fd, 0));
	api_expect(ring.page, API_GPA, 1);
	CHECK(!api_is_readable(ring.fd, 0));
}

/* The device: sleeps, takes what is there, answers with the last value. */
static void answer_each(int sock)
{
	struct rf_ring_page *page;
	struct rf_ring_entry e;
	uint64_t count;
	uint32_t i;
	int fd, wake;

	(void)api_hear(sock, &fd);
	(void)api_hear(sock, &wake);
	page = api_map(fd);
	api_tell(sock, 0, -1);
	for (i = 0; i < ROUNDS; i++) {
		CHECK(api_is_woken(wake), "round %u: asleep", i);
		if (api_kind == API_USER)
			MUST(read(wake, &count, sizeof(count)));
		CHECK(api_pop(page, &e));
		api_expect_nothing(page);
		api_tell(sock, api_value(&e), -1);
	}
}

static void no_wakeup_is_lost_in_a_thousand(void)
{
	struct api_peer device;
	uint32_t i;

	api_peer_start(&device, answer_each);
	api_vm_open(&vm);
	api_ring_open(&vm, &ring);
	api_tell(device.sock, 0, ring.fd);
	api_tell(device.sock, 0, ring.wake);
	(void)api_hear(device.sock, NULL);
	api_register(&vm, &ring, API_GPA, 4);
	for (i = 0; i < ROUNDS; i++) {
		CHECK(api_write(&vm, API_GPA, (uint64_t)i * API_STEP, 4) ==
		      API_RINGED);
		CHECK(api_hear(device.sock, NULL) == i * API_STEP);
	}
	api_peer_end(&device);
}

static void wait_once(int sock)
{
	int fd;

	(void)api_hear(sock, &fd);
	api_tell(sock, 0, -1);
	CHECK(api_is_woken(fd), "still asleep");
}

static void one_write_wakes_all_who_wait(void)
{
	struct api_peer waiters[WAITERS];
	uint32_t i;

	for (i = 0; i < WAITERS; i++)
		api_peer_start(&waiters[i], wait_once);
	api_vm_open(&vm);
	api_ring_ready(&vm, &ring);
	for (i = 0; i < WAITERS; i++) {
		api_tell(waiters[i].sock, 0, ring.fd);
		(void)api_hear(waiters[i].sock, NULL);
	}
	usleep(100000); /* most likely all sleep: the contract holds anyway */
	CHECK(api_write(&vm, API_GPA, 1, 4) == API_RINGED);
	for (i = 0; i < WAITERS; i++)
		api_peer_end(&waiters[i]);
}

static int watch(int fd, uint32_t events)
{
	struct epoll_event ev = { .events = events };
	int epoll = (int)MUST(epoll_create1(EPOLL_CLOEXEC));

	MUST(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &ev));
	return epoll;
}

static bool reports(int epoll)
{
	struct epoll_event ev;

	return MUST(epoll_wait(epoll, &ev, 1, 0)) == 1;
}

static void epoll_by_level_reports_until_drained(void)
{
	int epoll;

	api_vm_open(&vm);
	api_ring_ready(&vm, &ring);
	epoll = watch(ring.fd, EPOLLIN);
	CHECK(!reports(epoll));
	CHECK(api_write(&vm, API_GPA, 1, 4) == API_RINGED);
	CHECK(reports(epoll));
	CHECK(reports(epoll));
	api_expect(ring.page, API_GPA, 1);
	CHECK(!reports(epoll));
}

static void epoll_by_edge_reports_each_write_once(void)
{
	int epoll;

	api_vm_open(&vm);
	api_ring_ready(&vm, &ring);
	epoll = watch(ring.wake, EPOLLIN | EPOLLET);
	CHECK(!reports(epoll));
	CHECK(api_write(&vm, API_GPA, 0x10000, 4) == API_RINGED);
	CHECK(reports(epoll));
	CHECK(!reports(epoll));
	/* Another one, though the first is still there. */
	CHECK(api_write(&vm, API_GPA, 0x20000, 4) == API_RINGED);
	CHECK(reports(epoll));
	CHECK(!reports(epoll));
	api_expect(ring.page, API_GPA, 0x10000);
	api_expect(ring.page, API_GPA, 0x20000);
	CHECK(!reports(epoll));
	CHECK(api_write(&vm, API_GPA, 0x30000, 4) == API_RINGED);
	CHECK(reports(epoll));
}

static void epoll_by_edge_reports_what_was_there_before(void)
{
	api_vm_open(&vm);
	api_ring_ready(&vm, &ring);
	CHECK(api_write(&vm, API_GPA, 1, 4) == API_RINGED);
	CHECK(reports(watch(ring.wake, EPOLLIN | EPOLLET)));
}

static void an_epoll_outlives_the_buffer_in_it(void)
{
	int epoll;

	api_vm_open(&vm);
	api_ring_ready(&vm, &ring);
	epoll = watch(ring.fd, EPOLLIN);
	CHECK(api_write(&vm, API_GPA, 1, 4) == API_RINGED);
	api_ring_close(&ring);
	CHECK(!reports(epoll));
	CHECK(api_write(&vm, API_GPA, 2, 4) == API_EXITED);
	CHECK(!reports(epoll));
}

static const struct api_case cases[] = {
	CASE(API_KERNEL, a_buffer_never_mapped_is_not_readable),
	CASE(API_KERNEL, readable_is_exactly_first_unlike_last),
	CASE(API_KERNEL, readable_without_a_mapping_too),
	CASE(API_KERNEL, readable_when_the_vm_has_ended_too),
	CASE(API_BOTH, no_wakeup_is_lost_in_a_thousand),
	CASE(API_KERNEL, one_write_wakes_all_who_wait),
	CASE(API_KERNEL, epoll_by_level_reports_until_drained),
	CASE(API_BOTH, epoll_by_edge_reports_each_write_once),
	CASE(API_BOTH, epoll_by_edge_reports_what_was_there_before),
	CASE(API_KERNEL, an_epoll_outlives_the_buffer_in_it),
};

const struct api_chapter api_polls = { cases, RF_ARRAY_LEN(cases) };
