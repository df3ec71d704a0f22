/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * api_errors.c - chapter 1: what is refused, and with which error
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "lab/api.h"

#define REGISTER KVM_REGISTER_COALESCED_MMIO2
#define UNREGISTER KVM_UNREGISTER_COALESCED_MMIO2

static struct api_vm vm;
static struct api_ring ring;

static void the_capability_is_announced(void)
{
	api_vm_open(&vm);
	CHECK(ioctl(vm.tiny.kvm, KVM_CHECK_EXTENSION,
		    KVM_CAP_COALESCED_MMIO2) == 1);
	CHECK(ioctl(vm.tiny.vm, KVM_CHECK_EXTENSION, KVM_CAP_COALESCED_MMIO2) ==
	      1);
}

static void a_buffer_is_a_descriptor_that_exec_closes(void)
{
	struct api_ring other;

	api_vm_open(&vm);
	api_ring_open(&vm, &ring);
	api_ring_open(&vm, &other);
	CHECK(ring.fd != other.fd);
	CHECK(MUST(fcntl(ring.fd, F_GETFD)) == FD_CLOEXEC);
	CHECK((MUST(fcntl(ring.fd, F_GETFL)) & O_ACCMODE) == O_RDWR);
}

static void it_cannot_be_read_written_or_opened_again(void)
{
	char path[64];
	char byte = 0;

	api_vm_open(&vm);
	api_ring_open(&vm, &ring);
	MUST_FAIL(read(ring.fd, &byte, 1), EINVAL);
	MUST_FAIL(write(ring.fd, &byte, 1), EINVAL);
	MUST_FAIL(lseek(ring.fd, 0, SEEK_SET), ESPIPE);
	MUST_FAIL(ftruncate(ring.fd, 4096), EINVAL);
	MUST_FAIL(ioctl(ring.fd, KVM_CREATE_COALESCED_MMIO_BUFFER, 0), ENOTTY);
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", ring.fd);
	MUST_FAIL(open(path, O_RDWR), ENXIO);
}

static void no_descriptor_left_is_EMFILE(void)
{
	struct rlimit limit = { .rlim_cur = 3, .rlim_max = 3 };

	api_vm_open(&vm);
	MUST(setrlimit(RLIMIT_NOFILE, &limit));
	MUST_FAIL(ioctl(vm.tiny.vm, KVM_CREATE_COALESCED_MMIO_BUFFER, 0),
		  EMFILE);
}

static void to_register_before_any_mmap_is_ENOBUFS(void)
{
	api_vm_open(&vm);
	api_ring_open(&vm, &ring);
	MUST_FAIL(api_zone(vm.tiny.vm, REGISTER, ring.fd, API_GPA, 4, 0),
		  ENOBUFS);
	/* A refused mmap() is none. */
	CHECK(mmap(NULL, RF_RING_BYTES, PROT_READ, MAP_SHARED, ring.fd, 0) ==
	      MAP_FAILED);
	MUST_FAIL(api_zone(vm.tiny.vm, REGISTER, ring.fd, API_GPA, 4, 0),
		  ENOBUFS);
	api_ring_map(&ring);
	api_register(&vm, &ring, API_GPA, 4);
	CHECK(api_write(&vm, API_GPA, 1, 4) == API_RINGED);
}

static void a_descriptor_that_is_not_open_is_EBADF(void)
{
	api_vm_open(&vm);
	MUST_FAIL(api_zone(vm.tiny.vm, REGISTER, -1, API_GPA, 4, 0), EBADF);
	MUST_FAIL(api_zone(vm.tiny.vm, UNREGISTER, -1, API_GPA, 4, 0), EBADF);
	api_ring_ready(&vm, &ring);
	MUST(close(ring.fd));
	MUST_FAIL(api_zone(vm.tiny.vm, REGISTER, ring.fd, API_GPA, 4, 0),
		  EBADF);
	MUST_FAIL(api_zone(vm.tiny.vm, REGISTER, 1 << 30, API_GPA, 4, 0),
		  EBADF);
}

static void a_descriptor_of_another_kind_is_EINVAL(void)
{
	int fds[3];
	size_t i;

	api_vm_open(&vm);
	fds[0] = (int)MUST(eventfd(0, 0));
	fds[1] = vm.tiny.vm;
	fds[2] = vm.tiny.memory_fd;
	for (i = 0; i < RF_ARRAY_LEN(fds); i++) {
		MUST_FAIL(api_zone(vm.tiny.vm, REGISTER, fds[i], API_GPA, 4, 0),
			  EINVAL);
		MUST_FAIL(
			api_zone(vm.tiny.vm, UNREGISTER, fds[i], API_GPA, 4, 0),
			EINVAL);
	}
}

static void a_buffer_of_another_vm_is_EINVAL(void)
{
	struct api_vm other;

	api_vm_open(&vm);
	api_vm_open(&other);
	api_ring_ready(&vm, &ring);
	MUST_FAIL(api_zone(other.tiny.vm, REGISTER, ring.fd, API_GPA, 4, 0),
		  EINVAL);
	MUST_FAIL(api_zone(other.tiny.vm, UNREGISTER, ring.fd, API_GPA, 4, 0),
		  EINVAL);
	CHECK(api_write(&other, API_GPA, 1, 4) == API_EXITED);
	CHECK(api_write(&vm, API_GPA, 2, 4) == API_RINGED);
}

static void a_buffer_of_a_vm_that_ended_is_EINVAL_in_the_next(void)
{
	uint32_t i;

	api_vm_open(&vm);
	api_ring_ready(&vm, &ring);
	/* One of them may well lie where the first one lay. */
	for (i = 0; i < 5; i++) {
		api_vm_close(&vm);
		api_vm_open(&vm);
		MUST_FAIL(
			api_zone(vm.tiny.vm, REGISTER, ring.fd, API_GPA, 4, 0),
			EINVAL);
		CHECK(api_write(&vm, API_GPA, i, 4) == API_EXITED);
	}
	api_expect_nothing(ring.page);
}

static void pio_is_0_or_1(void)
{
	api_vm_open(&vm);
	api_ring_open(&vm, &ring);
	api_ring_map(&ring);
	MUST_FAIL(api_zone(vm.tiny.vm, REGISTER, ring.fd, 0x80, 1, 2), EINVAL);
	MUST_FAIL(api_zone(vm.tiny.vm, REGISTER, ring.fd, 0x80, 1, ~0u),
		  EINVAL);
	MUST_FAIL(api_zone(vm.tiny.vm, UNREGISTER, ring.fd, 0x80, 1, 2),
		  EINVAL);
}

static void a_zone_that_no_write_can_hit_is_EINVAL(void)
{
	api_vm_open(&vm);
	api_ring_open(&vm, &ring);
	api_ring_map(&ring);
	MUST_FAIL(api_zone(vm.tiny.vm, REGISTER, ring.fd, API_GPA, 0, 0),
		  EINVAL);
	MUST_FAIL(api_zone(vm.tiny.vm, REGISTER, ring.fd, ~0ull - 2, 4, 0),
		  EINVAL);
	MUST_FAIL(api_zone(vm.tiny.vm, REGISTER, ring.fd, API_GPA, 1u << 31, 0),
		  EINVAL);
}

static void an_argument_that_cannot_be_read_is_EFAULT(void)
{
	void *hole;

	api_vm_open(&vm);
	hole = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(hole != MAP_FAILED);
	MUST_FAIL(ioctl(vm.tiny.vm, REGISTER, hole), EFAULT);
	MUST_FAIL(ioctl(vm.tiny.vm, UNREGISTER, hole), EFAULT);
}

/* KVM's rule for all ioctls of a VM; it is why the process that has the ring
 * cannot register anything. */
static void calls_from_another_process_are_EIO(void)
{
	pid_t pid;
	struct api_peer peer = { .sock = -1 };

	api_vm_open(&vm);
	api_ring_open(&vm, &ring);
	api_ring_map(&ring);
	pid = api_fork();
	if (pid == 0) {
		MUST_FAIL(
			ioctl(vm.tiny.vm, KVM_CREATE_COALESCED_MMIO_BUFFER, 0),
			EIO);
		MUST_FAIL(
			api_zone(vm.tiny.vm, REGISTER, ring.fd, API_GPA, 4, 0),
			EIO);
		_exit(0);
	}
	peer.pid = pid;
	api_peer_end(&peer);
}

static void refuse(size_t bytes, int prot, int flags, off_t offset)
{
	errno = 0;
	CHECK(mmap(NULL, bytes, prot, flags, ring.fd, offset) == MAP_FAILED,
	      "%zu bytes, protection %#x, flags %#x, offset %lld: mapped",
	      bytes, (unsigned int)prot, (unsigned int)flags,
	      (long long)offset);
	CHECK(errno == EINVAL, "%s", strerrorname_np(errno));
}

static void a_mapping_is_one_page_shared_readable_and_writable(void)
{
	const int rw = PROT_READ | PROT_WRITE;

	api_vm_open(&vm);
	api_ring_open(&vm, &ring);
	refuse((size_t)2 * RF_RING_BYTES, rw, MAP_SHARED, 0);
	refuse(RF_RING_BYTES, rw, MAP_SHARED, RF_RING_BYTES);
	refuse(RF_RING_BYTES, rw, MAP_PRIVATE, 0);
	refuse(RF_RING_BYTES, PROT_READ, MAP_SHARED, 0);
	refuse(RF_RING_BYTES, PROT_READ, MAP_PRIVATE, 0);
	refuse(RF_RING_BYTES, PROT_WRITE, MAP_SHARED, 0);
	refuse(RF_RING_BYTES, PROT_NONE, MAP_SHARED, 0);
	refuse(RF_RING_BYTES, rw | PROT_EXEC, MAP_SHARED, 0);
	refuse(0, rw, MAP_SHARED, 0);
	api_ring_map(&ring);
}

static void a_mapping_neither_grows_nor_is_executed(void)
{
	api_vm_open(&vm);
	api_ring_open(&vm, &ring);
	api_ring_map(&ring);
	CHECK(mremap(ring.page, RF_RING_BYTES, (size_t)2 * RF_RING_BYTES,
		     MREMAP_MAYMOVE) == MAP_FAILED);
	CHECK(mremap(ring.page, 0, RF_RING_BYTES, MREMAP_MAYMOVE) ==
	      MAP_FAILED);
	MUST_FAIL(mprotect(ring.page, RF_RING_BYTES, PROT_READ | PROT_EXEC),
		  EACCES);
}

static const struct api_case cases[] = {
	CASE(API_KERNEL, the_capability_is_announced),
	CASE(API_KERNEL, a_buffer_is_a_descriptor_that_exec_closes),
	CASE(API_KERNEL, it_cannot_be_read_written_or_opened_again),
	CASE(API_KERNEL, no_descriptor_left_is_EMFILE),
	CASE(API_KERNEL, to_register_before_any_mmap_is_ENOBUFS),
	CASE(API_KERNEL, a_descriptor_that_is_not_open_is_EBADF),
	CASE(API_KERNEL, a_descriptor_of_another_kind_is_EINVAL),
	CASE(API_KERNEL, a_buffer_of_another_vm_is_EINVAL),
	CASE(API_KERNEL, a_buffer_of_a_vm_that_ended_is_EINVAL_in_the_next),
	CASE(API_KERNEL, pio_is_0_or_1),
	CASE(API_KERNEL, a_zone_that_no_write_can_hit_is_EINVAL),
	CASE(API_KERNEL, an_argument_that_cannot_be_read_is_EFAULT),
	CASE(API_KERNEL, calls_from_another_process_are_EIO),
	CASE(API_KERNEL, a_mapping_is_one_page_shared_readable_and_writable),
	CASE(API_KERNEL, a_mapping_neither_grows_nor_is_executed),
};

const struct api_chapter api_errors = { cases, RF_ARRAY_LEN(cases) };
