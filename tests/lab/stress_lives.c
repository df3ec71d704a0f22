/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * stress_lives.c - VMs whose parts end all at once
 *
 * A child makes a VM and buffers with zones, then closes all of it in several
 * threads while the vCPU writes and zones come and go; or is killed meanwhile,
 * or before it has finished to make it. Its parent has some of the buffers by
 * then, or left them in flight.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lab/stress.h"

#define BUFFERS_MAX 6u
#define GPA 0xd0000000u
#define PORT 0x2000u
#define MAGIC 0x5afe5afe5afe5afeull
#define MAGIC_SLOT 169u
#define KILL_US_MAX 60000u
#define WAIT_US_MAX 1000u

struct buffer {
	int fd;
	struct rf_ring_page *page; /* NULL: not mapped */
};

struct life {
	struct tiny_vm tiny;
	struct buffer buffers[BUFFERS_MAX];
	uint32_t nr;
	int sock;
	int pin[2]; /* a pipe with the page of the first that is mapped */
	bool is_pinned;
	struct stress_dice dice;
};

/* Each thread its own; all of one life. */
struct part {
	pthread_t id;
	struct life *life;
	struct stress_dice dice;
};

/* To memory, or to a port. */
static int any_zone(struct stress_dice *dice, int vm, unsigned long request,
		    int fd)
{
	if (stress_roll(dice, 3) == 0)
		return api_zone(vm, request, fd, PORT + stress_roll(dice, 4), 4,
				1);
	return api_zone(vm, request, fd, GPA + 4 * stress_roll(dice, 4),
			4 << stress_roll(dice, 3), 0);
}

static void pin(struct life *l, struct rf_ring_page *page)
{
	const struct iovec iov = { page, RF_RING_BYTES };

	/* The last slot: the ring is not filled that far in one life. */
	page->entries[MAGIC_SLOT].phys_addr = MAGIC;
	CHECK(MUST(vmsplice(l->pin[1], &iov, 1, 0)) == RF_RING_BYTES);
	l->is_pinned = true;
}

/* Its page is still the same, and nobody else's, whatever has gone. */
static void check_pin(const struct life *l)
{
	static struct rf_ring_page seen;

	if (!l->is_pinned)
		return;
	CHECK(MUST(read(l->pin[0], &seen, sizeof(seen))) == sizeof(seen));
	stress_look(&seen);
	CHECK(seen.entries[MAGIC_SLOT].phys_addr == MAGIC);
	stress_did(ACT_PIN_OUTLIVED);
}

static void make_buffer(struct life *l, struct buffer *b)
{
	const int vm = l->tiny.vm;
	uint32_t nr;

	b->fd = (int)MUST(ioctl(vm, KVM_CREATE_COALESCED_MMIO_BUFFER, 0));
	if (stress_roll(&l->dice, 3) == 0) {
		MUST_FAIL(any_zone(&l->dice, vm, KVM_REGISTER_COALESCED_MMIO2,
				   b->fd),
			  ENOBUFS);
	} else {
		b->page = stress_map(b->fd);
		for (nr = stress_roll(&l->dice, 4); nr > 0; nr--) {
			MUST(any_zone(&l->dice, vm,
				      KVM_REGISTER_COALESCED_MMIO2, b->fd));
			stress_did(ACT_REGISTER);
		}
		if (!l->is_pinned)
			pin(l, b->page);
	}
	if (stress_roll(&l->dice, 3) == 0)
		api_tell(l->sock, 0, b->fd);
}

/* Until somebody closes the vCPU. */
static void *write_on(void *ctx)
{
	const struct tiny_vm_regs regs = {
		.ebx = GPA, .ecx = 20, .esi = ~0u, .edi = 1
	};
	struct part *p = ctx;
	struct tiny_vm *tiny = &p->life->tiny;
	uint32_t bursts = stress_roll(&p->dice, 6);
	enum tiny_vm_exit exit = TINY_VM_END;

	while (bursts-- > 0 && exit != TINY_VM_LOST) {
		tiny_vm_load(tiny, tiny_vm_ring_loop, tiny_vm_ring_loop_len,
			     &regs);
		do
			exit = tiny_vm_step(tiny);
		while (exit != TINY_VM_END && exit != TINY_VM_LOST);
	}
	return NULL;
}

static void close_buffer(struct stress_dice *dice, struct buffer *b)
{
	const bool is_unmapped_first = stress_roll(dice, 2);

	if (b->page && is_unmapped_first)
		api_unmap(b->page);
	MUST(close(b->fd));
	/* Or with the process. */
	if (b->page && !is_unmapped_first && stress_roll(dice, 2))
		api_unmap(b->page);
	stress_did(ACT_BUFFER);
}

static void *close_buffers(void *ctx)
{
	struct part *p = ctx;
	uint32_t order[BUFFERS_MAX];
	uint32_t i;

	stress_shuffle(&p->dice, order, p->life->nr);
	for (i = 0; i < p->life->nr; i++) {
		stress_doze(&p->dice, WAIT_US_MAX);
		close_buffer(&p->dice, &p->life->buffers[order[i]]);
	}
	return NULL;
}

/* Descriptors may be closed under us, and their numbers mean something else. */
static void check_late(int rc)
{
	CHECK(rc >= 0 || errno == EBADF || errno == EINVAL ||
		      errno == ENOBUFS || errno == ENOTTY,
	      "%s", strerrorname_np(errno));
}

static void *change_zones(void *ctx)
{
	struct part *p = ctx;
	const struct life *l = p->life;
	uint32_t times = stress_roll(&p->dice, 12);
	int fd;

	while (times-- > 0) {
		fd = l->buffers[stress_roll(&p->dice, l->nr)].fd;
		check_late(any_zone(&p->dice, l->tiny.vm,
				    stress_roll(&p->dice, 2)
					    ? KVM_REGISTER_COALESCED_MMIO2
					    : KVM_UNREGISTER_COALESCED_MMIO2,
				    fd));
		/* The process's end closes it. */
		if (stress_roll(&p->dice, 4) == 0)
			check_late(ioctl(l->tiny.vm,
					 KVM_CREATE_COALESCED_MMIO_BUFFER, 0));
	}
	return NULL;
}

static void *close_vm(void *ctx)
{
	struct part *p = ctx;

	stress_doze(&p->dice, WAIT_US_MAX);
	MUST(close(p->life->tiny.vm));
	stress_doze(&p->dice, WAIT_US_MAX);
	MUST(close(p->life->tiny.vcpu));
	return NULL;
}

static void end_all_at_once(struct life *l)
{
	static void *(*const fns[])(void *) = {
		write_on,
		change_zones,
		close_buffers,
		close_vm,
	};
	struct part parts[RF_ARRAY_LEN(fns)];
	uint32_t order[RF_ARRAY_LEN(fns)];
	uint32_t i;

	stress_shuffle(&l->dice, order, RF_ARRAY_LEN(fns));
	for (i = 0; i < RF_ARRAY_LEN(fns); i++) {
		parts[i].life = l;
		parts[i].dice = stress_split(&l->dice);
		CHECK(pthread_create(&parts[i].id, NULL, fns[order[i]],
				     &parts[i]) == 0);
	}
	for (i = 0; i < RF_ARRAY_LEN(fns); i++)
		CHECK(pthread_join(parts[i].id, NULL) == 0);
}

static _Noreturn void live(int sock, struct stress_dice dice)
{
	struct life l = { .sock = sock, .dice = dice };
	const char *step;
	uint32_t i;
	int err = tiny_vm_new(&l.tiny, &step);

	CHECK(!err, "%s: %s", step, strerror(-err));
	MUST(pipe2(l.pin, O_CLOEXEC));
	l.nr = 1 + stress_roll(&l.dice, BUFFERS_MAX);
	for (i = 0; i < l.nr; i++)
		make_buffer(&l, &l.buffers[i]);
	end_all_at_once(&l);
	/* A mapping of a vCPU holds it, too. */
	MUST(munmap(l.tiny.run, l.tiny.run_bytes));
	check_pin(&l);
	stress_did(ACT_LIFE);
	_exit(0);
}

/* What came of the buffers that were sent, or none. */
static int take_one(int sock)
{
	struct pollfd p = { .fd = sock, .events = POLLIN };
	int fd;

	if (MUST(poll(&p, 1, 0)) == 0 || !(p.revents & POLLIN))
		return -1;
	(void)api_hear(sock, &fd);
	return fd;
}

/* With a VM that is gone, or is about to. */
static void use_after_all(int fd)
{
	struct rf_ring_page *page = stress_map(fd);
	struct rf_ring_entry e;

	while (api_pop(page, &e))
		CHECK(e.phys_addr < GPA + 0x40 && e.len == 4,
		      "%u bytes at %#llx", e.len,
		      (unsigned long long)e.phys_addr);
	MUST(close(fd));
	api_unmap(page);
}

/* The other ends of the socket go with the processes; who hears of nothing more
 * than its end gets no descriptor. */
static void start_and_end_one(struct stress_dice *dice)
{
	const struct stress_dice theirs = stress_split(dice);
	const bool killed = stress_roll(dice, 2);
	int pair[2];
	int status;
	pid_t pid;
	int fd;

	MUST(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair));
	pid = stress_fork();
	if (pid == 0) {
		stress_hurry(false);
		MUST(close(pair[0]));
		live(pair[1], theirs);
	}
	if (killed) {
		stress_doze(dice, KILL_US_MAX);
		MUST(kill(pid, SIGKILL));
	}
	MUST(waitpid(pid, &status, 0));
	stress_check_status(status);
	if (killed && WIFSIGNALED(status))
		stress_did(ACT_LIFE_KILLED);
	fd = take_one(pair[0]);
	MUST(close(pair[0]));
	MUST(close(pair[1]));
	/* The VM is, though some of its buffers are not. */
	stress_wait_no_vm(pid);
	if (fd >= 0)
		use_after_all(fd);
}

_Noreturn void stress_lives(struct stress_dice dice)
{
	uint32_t fds = stress_open_fds();
	uint32_t fds_after;

	stress_hurry(true);
	while (!stress_is_over()) {
		start_and_end_one(&dice);
		fds_after = stress_open_fds();
		CHECK(fds_after == fds, "%u descriptors, %u before", fds_after,
		      fds);
	}
	_exit(0);
}
