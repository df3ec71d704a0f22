/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * api_vm.c - rings and the guest that writes into them, for either producer
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lab/api.h"

/* Programs of one write, by length; then the end. */
static const struct {
	uint32_t len;
	uint8_t code[16];
} stores[] = {
	{ 1, { 0x88, 0x03, 0xe6, 0xf4, 0xf4 } },       /* mov [ebx], al  */
	{ 2, { 0x66, 0x89, 0x03, 0xe6, 0xf4, 0xf4 } }, /* mov [ebx], ax  */
	{ 4, { 0x89, 0x03, 0xe6, 0xf4, 0xf4 } },       /* mov [ebx], eax */
	/* movq mm0, [esi]; movq [ebx], mm0 */
	{ 8, { 0x0f, 0x6f, 0x06, 0x0f, 0x7f, 0x03, 0xe6, 0xf4, 0xf4 } },
}, outs[] = {
	{ 1, { 0xee, 0xe6, 0xf4, 0xf4 } },	 /* out dx, al  */
	{ 2, { 0x66, 0xef, 0xe6, 0xf4, 0xf4 } }, /* out dx, ax  */
	{ 4, { 0xef, 0xe6, 0xf4, 0xf4 } },	 /* out dx, eax */
};

#define GUEST_DATA 0x2000u /* where the 8 bytes come from */
#define WAKE_MS 20000

void api_vm_open(struct api_vm *vm)
{
	const char *step;
	int err;

	*vm = (struct api_vm){ .set = NULL };
	err = tiny_vm_new(&vm->tiny, &step);
	CHECK(!err, "%s: %s", step, strerror(-err));
	if (api_kind == API_USER) {
		err = rf_doorbell_set_new(RF_DOORBELL_EXIT, vm->tiny.vm, NULL,
					  &vm->set);
		CHECK(!err, "rf_doorbell_set_new: %s", strerror(-err));
	}
}

void api_vm_close(struct api_vm *vm)
{
	rf_doorbell_set_free(vm->set);
	tiny_vm_free(&vm->tiny);
	vm->set = NULL;
}

void api_ring_open(struct api_vm *vm, struct api_ring *ring)
{
	struct rf_doorbell_fds fds;
	int err;

	*ring = (struct api_ring){ .page = NULL };
	if (api_kind == API_KERNEL) {
		ring->fd = (int)MUST(ioctl(
			vm->tiny.vm, KVM_CREATE_COALESCED_MMIO_BUFFER, 0));
		ring->wake = ring->fd;
		return;
	}
	err = rf_doorbell_open(vm->set, 1, &ring->bell);
	CHECK(!err, "rf_doorbell_open: %s", strerror(-err));
	rf_doorbell_fds(ring->bell, &fds);
	ring->fd = fds.ring;
	ring->wake = fds.wake;
	vm->bell = ring->bell;
}

struct rf_ring_page *api_map(int fd)
{
	void *map = mmap(NULL, RF_RING_BYTES, PROT_READ | PROT_WRITE,
			 MAP_SHARED, fd, 0);

	CHECK(map != MAP_FAILED, "mmap: %s", strerror(errno));
	return map;
}

void api_unmap(struct rf_ring_page *page)
{
	MUST(munmap(page, RF_RING_BYTES));
}

void api_ring_map(struct api_ring *ring)
{
	ring->page = api_map(ring->fd);
}

void api_ring_unmap(struct api_ring *ring)
{
	api_unmap(ring->page);
	ring->page = NULL;
}

void api_ring_close(struct api_ring *ring)
{
	if (ring->page)
		api_ring_unmap(ring);
	if (ring->bell)
		rf_doorbell_close(ring->bell);
	else if (ring->fd >= 0)
		MUST(close(ring->fd));
	ring->bell = NULL;
	ring->fd = -1;
}

void api_ring_ready(struct api_vm *vm, struct api_ring *ring)
{
	api_ring_open(vm, ring);
	api_ring_map(ring);
	api_register(vm, ring, API_GPA, 4);
}

int api_zone(int vm_fd, unsigned long request, int fd, uint64_t addr,
	     uint32_t size, uint32_t pio)
{
	struct kvm_coalesced_mmio_zone2 zone = {
		.addr = addr,
		.size = size,
		.pio = pio,
		.buffer_fd = fd,
		.tail_pad = 0xa5a5a5a5, /* nobody looks at it */
	};

	return ioctl(vm_fd, request, &zone);
}

void api_register(struct api_vm *vm, struct api_ring *ring, uint64_t gpa,
		  uint32_t size)
{
	int err;

	if (api_kind == API_KERNEL) {
		MUST(api_zone(vm->tiny.vm, KVM_REGISTER_COALESCED_MMIO2,
			      ring->fd, gpa, size, 0));
		return;
	}
	err = rf_doorbell_register(ring->bell, gpa, size);
	CHECK(!err, "rf_doorbell_register: %s", strerror(-err));
}

void api_unregister(struct api_vm *vm, struct api_ring *ring, uint64_t gpa,
		    uint32_t size)
{
	int err;

	if (api_kind == API_KERNEL) {
		MUST(api_zone(vm->tiny.vm, KVM_UNREGISTER_COALESCED_MMIO2,
			      ring->fd, gpa, size, 0));
		return;
	}
	err = rf_doorbell_unregister(ring->bell);
	CHECK(!err, "rf_doorbell_unregister: %s", strerror(-err));
}

/* A write that left the kernel: for one producer that is its fate, for the
 * other one the way to the ring. */
static enum api_fate fate_of_exit(struct api_vm *vm)
{
	const struct kvm_run *run = vm->tiny.run;
	struct rf_doorbell_counts before, after;

	if (api_kind == API_KERNEL)
		return API_EXITED;
	rf_doorbell_counts(vm->bell, &before);
	(void)rf_doorbell_set_write(vm->set, run->mmio.phys_addr,
				    run->mmio.data, run->mmio.len);
	rf_doorbell_counts(vm->bell, &after);
	return after.pushed > before.pushed ? API_RINGED : API_EXITED;
}

static void check_exit(const struct kvm_run *run, uint32_t gpa, uint64_t value,
		       uint32_t len)
{
	CHECK(run->mmio.phys_addr == gpa && run->mmio.len == len,
	      "the write that exited is %u bytes at %#llx", run->mmio.len,
	      (unsigned long long)run->mmio.phys_addr);
	CHECK(memcmp(run->mmio.data, &value, len) == 0,
	      "the write that exited has another value");
}

enum api_fate api_write(struct api_vm *vm, uint32_t gpa, uint64_t value,
			uint32_t len)
{
	struct tiny_vm *tiny = &vm->tiny;
	enum api_fate fate = API_RINGED;
	enum tiny_vm_exit exit;
	size_t i = 0;

	while (stores[i].len != len)
		i++;
	memcpy(tiny->memory + GUEST_DATA, &value, sizeof(value));
	tiny_vm_load(tiny, stores[i].code, sizeof(stores[i].code),
		     &(struct tiny_vm_regs){ .eax = (uint32_t)value,
					     .ebx = gpa,
					     .esi = GUEST_DATA });
	while ((exit = tiny_vm_step(tiny)) != TINY_VM_END) {
		CHECK(exit != TINY_VM_LOST, "exit reason %u",
		      tiny->run->exit_reason);
		if (exit != TINY_VM_WRITE)
			continue;
		check_exit(tiny->run, gpa, value, len);
		fate = fate_of_exit(vm);
	}
	return fate;
}

enum api_fate api_out(struct api_vm *vm, uint16_t port, uint32_t value,
		      uint32_t len)
{
	struct tiny_vm *tiny = &vm->tiny;
	enum api_fate fate = API_RINGED;
	size_t i = 0;

	while (outs[i].len != len)
		i++;
	tiny_vm_load(tiny, outs[i].code, sizeof(outs[i].code),
		     &(struct tiny_vm_regs){ .eax = value, .edx = port });
	while (tiny_vm_step(tiny) != TINY_VM_END) {
		CHECK(tiny->run->exit_reason == KVM_EXIT_IO &&
			      tiny->run->io.port == port,
		      "exit reason %u", tiny->run->exit_reason);
		fate = API_EXITED;
	}
	return fate;
}

uint32_t api_write_many(struct api_vm *vm, uint32_t gpa, uint32_t from,
			uint32_t nr, api_exited_fn *exited, void *ctx)
{
	struct tiny_vm *tiny = &vm->tiny;
	const struct tiny_vm_regs regs = {
		.eax = from,
		.ebx = gpa,
		.ecx = nr,
		.esi = 0xffffffff,
		.edi = API_STEP,
	};
	enum tiny_vm_exit exit;
	uint32_t nr_exited = 0;
	uint32_t value;

	tiny_vm_load(tiny, tiny_vm_ring_loop, tiny_vm_ring_loop_len, &regs);
	while ((exit = tiny_vm_step(tiny)) != TINY_VM_END) {
		CHECK(exit != TINY_VM_LOST, "exit reason %u",
		      tiny->run->exit_reason);
		if (exit != TINY_VM_WRITE || fate_of_exit(vm) == API_RINGED)
			continue;
		nr_exited++;
		memcpy(&value, tiny->run->mmio.data, sizeof(value));
		if (exited)
			exited(ctx, value);
	}
	return nr_exited;
}

bool api_pop(struct rf_ring_page *page, struct rf_ring_entry *out)
{
	uint32_t last = __atomic_load_n(&page->last, __ATOMIC_ACQUIRE);
	uint32_t first = page->first;

	CHECK(first < RF_RING_SLOTS && last < RF_RING_SLOTS,
	      "first is %u, last is %u", first, last);
	if (first == last)
		return false;
	*out = page->entries[first];
	__atomic_store_n(&page->first, (first + 1) % RF_RING_SLOTS,
			 __ATOMIC_RELEASE);
	return true;
}

uint32_t api_value(const struct rf_ring_entry *entry)
{
	uint32_t value;

	memcpy(&value, entry->data, sizeof(value));
	return value;
}

void api_expect(struct rf_ring_page *page, uint64_t gpa, uint32_t value)
{
	struct rf_ring_entry e;

	CHECK(api_pop(page, &e), "nothing in the ring, %#x expected", value);
	CHECK(e.phys_addr == gpa && e.len == 4 && e.pio == 0,
	      "%u bytes at %#llx, pio %u", e.len,
	      (unsigned long long)e.phys_addr, e.pio);
	CHECK(api_value(&e) == value, "value %#x, %#x expected", api_value(&e),
	      value);
}

void api_expect_nothing(struct rf_ring_page *page)
{
	CHECK(api_waiting(page) == 0, "%u entries too many", api_waiting(page));
}

uint32_t api_waiting(const struct rf_ring_page *page)
{
	uint32_t last = __atomic_load_n(&page->last, __ATOMIC_ACQUIRE);
	uint32_t first = __atomic_load_n(&page->first, __ATOMIC_RELAXED);

	return (last + RF_RING_SLOTS - first) % RF_RING_SLOTS;
}

bool api_is_readable(int fd, int wait_ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return MUST(poll(&p, 1, wait_ms)) == 1 && p.revents == POLLIN;
}

bool api_is_woken(int fd)
{
	const uint64_t start = rf_clock_ns();

	return api_is_readable(fd, WAKE_MS) &&
	       rf_clock_ns() - start < WAKE_MS * 1000000ull / 2;
}

pid_t api_fork(void)
{
	pid_t pid = (pid_t)MUST(fork());

	if (pid == 0)
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	return pid;
}

void api_peer_start(struct api_peer *peer, void (*run)(int sock))
{
	int pair[2];

	MUST(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair));
	peer->pid = api_fork();
	if (peer->pid == 0) {
		close(pair[0]);
		run(pair[1]);
		_exit(0);
	}
	close(pair[1]);
	peer->sock = pair[0];
}

union control {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(sizeof(int))];
};

void api_tell(int sock, uint32_t word, int fd)
{
	union control control = { .bytes = { 0 } };
	struct iovec iov = { .iov_base = &word, .iov_len = sizeof(word) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *c;

	if (fd >= 0) {
		msg.msg_control = control.bytes;
		msg.msg_controllen = sizeof(control.bytes);
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	}
	MUST(sendmsg(sock, &msg, MSG_NOSIGNAL));
}

uint32_t api_hear(int sock, int *fd)
{
	union control control = { .bytes = { 0 } };
	uint32_t word = 0;
	struct iovec iov = { .iov_base = &word, .iov_len = sizeof(word) };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes),
	};
	struct cmsghdr *c;
	long n = MUST(recvmsg(sock, &msg, MSG_CMSG_CLOEXEC));

	CHECK(n == sizeof(word), "the other process is gone");
	c = CMSG_FIRSTHDR(&msg);
	CHECK(!fd == !c, "a descriptor too many, or none");
	if (fd)
		memcpy(fd, CMSG_DATA(c), sizeof(*fd));
	return word;
}

void api_peer_end(struct api_peer *peer)
{
	int status;

	MUST(waitpid(peer->pid, &status, 0));
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0,
	      "the other process ended with status %#x", (unsigned int)status);
	close(peer->sock);
}

void api_peer_kill(struct api_peer *peer)
{
	MUST(kill(peer->pid, SIGKILL));
	MUST(waitpid(peer->pid, NULL, 0));
	close(peer->sock);
}
