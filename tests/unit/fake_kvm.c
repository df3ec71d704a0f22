/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * fake_kvm.c - as much of KVM as a doorbell can see, in one process
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <ringfence/kvm_coalesced2.h>

#include "unit/fake_kvm.h"

#define TABLE 64u
#define PAGE_OFFSET 2
#define VCPU_BYTES 12288 /* run, PIO data, ring */

int __real_ioctl(int fd, unsigned long request, ...);
int __wrap_ioctl(int fd, unsigned long request, ...);
int __real_poll(struct pollfd *fds, nfds_t nr, int timeout);
int __wrap_poll(struct pollfd *fds, nfds_t nr, int timeout);

struct zone {
	uint64_t addr;
	struct rf_ring_page **ring;
	uint32_t size;
	bool used;
};

struct buffer {
	struct rf_ring_page *page; /* the kernel's own mapping */
	int fd;
	bool used;
	bool is_mapped;
};

struct fake_kvm fake;
static struct kvm_ioeventfd bells[TABLE];
static struct zone zones[TABLE];
static struct buffer buffers[TABLE];

void fake_kvm_start(void)
{
	fake = (struct fake_kvm){
		.kvm_fd = eventfd(0, EFD_CLOEXEC),
		.vm_fd = eventfd(0, EFD_CLOEXEC),
		.has_coalesced2 = true,
		.has_ioeventfd = true,
		.has_coalesced = true,
	};
	fake.legacy = mmap(NULL, RF_RING_BYTES, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memset(bells, 0, sizeof(bells));
	memset(zones, 0, sizeof(zones));
	memset(buffers, 0, sizeof(buffers));
}

int fake_kvm_count_fds(void)
{
	int nr = 0;
	int fd;

	for (fd = 0; fd < 1024; fd++)
		nr += fcntl(fd, F_GETFD) >= 0;
	return nr;
}

static struct buffer *find_buffer(int fd)
{
	unsigned int i;

	for (i = 0; i < TABLE; i++)
		if (buffers[i].used && buffers[i].fd == fd)
			return &buffers[i];
	return NULL;
}

struct rf_ring_page *fake_kvm_map(int buffer_fd)
{
	struct buffer *buffer = find_buffer(buffer_fd);
	void *map;

	if (!buffer)
		abort();
	map = mmap(NULL, RF_RING_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED,
		   buffer_fd, 0);
	if (map == MAP_FAILED)
		abort();
	buffer->is_mapped = true;
	return map;
}

static int fail(int err)
{
	errno = err;
	return -1;
}

static int make_buffer(void)
{
	static int next_number;
	struct buffer *b = buffers;
	int fd;

	switch (fake.create) {
	case FAKE_CREATE_ZERO:
		return 0;
	case FAKE_CREATE_NUMBERS:
		return 900 + next_number++;
	case FAKE_CREATE_UNMAPPED:
		return eventfd(0, EFD_CLOEXEC);
	default:
		break;
	}
	/* A number that was closed and comes again is a new buffer. */
	fd = memfd_create("fake-buffer", MFD_CLOEXEC);
	if (fd < 0 || ftruncate(fd, RF_RING_BYTES) < 0)
		abort();
	while (b->used && b->fd != fd)
		b++;
	*b = (struct buffer){ .used = true, .fd = fd };
	b->page = mmap(NULL, RF_RING_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED,
		       fd, 0);
	if (fake.create == FAKE_CREATE_DIRTY)
		b->page->entries[169].data[7] = 1;
	return fd;
}

static int add_zone(uint64_t addr, uint32_t size, struct rf_ring_page **ring)
{
	struct zone *zone = zones;

	while (zone->used)
		zone++;
	*zone = (struct zone){ addr, ring, size, true };
	fake.nr_zones++;
	return 0;
}

static int remove_zone(uint64_t addr, uint32_t size, struct rf_ring_page **ring)
{
	unsigned int i;

	for (i = 0; i < TABLE; i++) {
		if (zones[i].used && zones[i].addr == addr &&
		    zones[i].size == size && zones[i].ring == ring) {
			zones[i].used = false;
			fake.nr_zones--;
		}
	}
	return 0; /* KVM says so too when there was none */
}

static int change_zone2(const struct kvm_coalesced_mmio_zone2 *zone, bool add)
{
	struct buffer *buffer = find_buffer(zone->buffer_fd);

	if (!buffer)
		return fail(zone->buffer_fd < 0 ? EBADF : EINVAL);
	if (add && fake.needs_map && !buffer->is_mapped)
		return fail(ENOBUFS);
	return add ? add_zone(zone->addr, zone->size, &buffer->page)
		   : remove_zone(zone->addr, zone->size, &buffer->page);
}

static bool is_same_bell(const struct kvm_ioeventfd *a,
			 const struct kvm_ioeventfd *b)
{
	return a->addr == b->addr && a->len == b->len &&
	       a->datamatch == b->datamatch;
}

static int change_bell(const struct kvm_ioeventfd *bell)
{
	unsigned int i;

	if (!(bell->flags & KVM_IOEVENTFD_FLAG_DATAMATCH))
		return fail(EINVAL);
	for (i = 0; i < TABLE; i++)
		if (bells[i].flags && is_same_bell(&bells[i], bell))
			break;
	if (bell->flags & KVM_IOEVENTFD_FLAG_DEASSIGN) {
		if (i == TABLE || bells[i].fd != bell->fd)
			return fail(ENOENT);
		bells[i].flags = 0;
		fake.nr_bells--;
		return 0;
	}
	if (i != TABLE)
		return fail(EEXIST);
	for (i = 0; bells[i].flags; i++)
		;
	bells[i] = *bell;
	fake.nr_bells++;
	return 0;
}

void fake_kvm_attach(const struct kvm_ioeventfd *bell)
{
	if (change_bell(bell) < 0)
		abort();
}

static int check_extension(unsigned long capability)
{
	switch (capability) {
	case KVM_CAP_COALESCED_MMIO2:
		return fake.has_coalesced2;
	case KVM_CAP_IOEVENTFD:
		return fake.has_ioeventfd;
	case KVM_CAP_COALESCED_MMIO:
		return fake.has_coalesced ? PAGE_OFFSET : 0;
	default:
		return 0;
	}
}

static int make_vcpu(void)
{
	int fd = memfd_create("fake-vcpu", MFD_CLOEXEC);

	if (fd < 0 || ftruncate(fd, VCPU_BYTES) < 0)
		abort();
	return fd;
}

static int answer(unsigned long request, void *arg)
{
	const struct kvm_coalesced_mmio_zone *zone = arg;

	switch (request) {
	case KVM_CHECK_EXTENSION:
		return check_extension((unsigned long)arg);
	case KVM_CREATE_VM:
		return fcntl(fake.vm_fd, F_DUPFD_CLOEXEC, 0);
	case KVM_CREATE_VCPU:
		return make_vcpu();
	case KVM_GET_VCPU_MMAP_SIZE:
		return VCPU_BYTES;
	case KVM_CREATE_COALESCED_MMIO_BUFFER:
		return make_buffer();
	case KVM_REGISTER_COALESCED_MMIO2:
		return change_zone2(arg, true);
	case KVM_UNREGISTER_COALESCED_MMIO2:
		return change_zone2(arg, false);
	case KVM_REGISTER_COALESCED_MMIO:
		return add_zone(zone->addr, zone->size, &fake.legacy);
	case KVM_UNREGISTER_COALESCED_MMIO:
		return remove_zone(zone->addr, zone->size, &fake.legacy);
	case KVM_IOEVENTFD:
		return change_bell(arg);
	default:
		return fail(ENOTTY);
	}
}

static bool is_ours(unsigned long request)
{
	return _IOC_TYPE(request) == KVMIO;
}

int __wrap_ioctl(int fd, unsigned long request, ...)
{
	va_list args;
	void *arg;

	va_start(args, request);
	arg = va_arg(args, void *);
	va_end(args);
	if (!is_ours(request))
		return __real_ioctl(fd, request, arg);
	if (request == fake.fail_request) {
		if (fake.fail_skip == 0) {
			fake.fail_request = 0;
			return fail(fake.fail_errno);
		}
		fake.fail_skip--;
	}
	return answer(request, arg);
}

int __wrap_poll(struct pollfd *fds, nfds_t nr, int timeout)
{
	const struct buffer *buffer = nr == 1 ? find_buffer(fds->fd) : NULL;

	if (!buffer)
		return __real_poll(fds, nr, timeout);
	fds->revents = 0;
	if (fake.create == FAKE_CREATE_READABLE ||
	    buffer->page->first != buffer->page->last)
		fds->revents = POLLIN;
	return fds->revents != 0;
}

/* KVM's own producer: 170 slots, one always empty. */
static bool append(struct rf_ring_page *ring, uint64_t gpa, uint64_t value,
		   uint32_t len)
{
	uint32_t first = __atomic_load_n(&ring->first, __ATOMIC_ACQUIRE);
	uint32_t last = ring->last;

	if (last >= 170 || (last + 1) % 170 == first)
		return false;
	ring->entries[last] = (struct rf_ring_entry){ .phys_addr = gpa,
						      .len = len };
	memcpy(ring->entries[last].data, &value, len);
	__atomic_store_n(&ring->last, (last + 1) % 170, __ATOMIC_RELEASE);
	return true;
}

bool fake_kvm_write(uint64_t gpa, uint64_t value, uint32_t len)
{
	const uint64_t one = 1;
	unsigned int i;

	for (i = 0; i < TABLE; i++) {
		if (bells[i].flags && bells[i].addr == gpa &&
		    bells[i].len == len && bells[i].datamatch == value) {
			if (write(bells[i].fd, &one, sizeof(one)) < 0)
				abort();
			return false;
		}
	}
	for (i = 0; i < TABLE; i++)
		if (zones[i].used && gpa >= zones[i].addr &&
		    gpa + len <= zones[i].addr + zones[i].size)
			return !append(*zones[i].ring, gpa, value, len);
	return true;
}
