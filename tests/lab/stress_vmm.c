/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * stress_vmm.c - the process of a microVM: everything its VM can do, at once
 *
 * One thread for each vCPU, which writes (stress_vcpu.c); one that moves zones about under it;
 * one that makes and closes buffers; one that forks.
 */
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lab/stress.h"

#define REGISTER KVM_REGISTER_COALESCED_MMIO2
#define UNREGISTER KVM_UNREGISTER_COALESCED_MMIO2
#define NR_WORKERS 3u

struct vmm {
	struct stress_book *book;
	struct tiny_vm tiny;
	int rings[STRESS_RINGS];
	int other_vm;
};

struct thread {
	pthread_t id;
	struct vmm *vmm;
	struct stress_dice dice;
	struct stress_vcpu vcpu; /* of those that have one */
};

/* Our parent sees to it that this comes, and whether it does. */
static bool is_over(const struct thread *t)
{
	return atomic_load(&t->vmm->book->over);
}

static int zone(const struct vmm *vmm, unsigned long request, int fd,
		const struct stress_zone *z)
{
	return api_zone(vmm->tiny.vm, request, fd, z->addr, z->size, z->pio);
}

static void *be_vcpu(void *ctx)
{
	struct thread *t = ctx;

	while (!is_over(t))
		stress_vcpu_write(t->vmm->book, &t->vcpu, &t->dice);
	return NULL;
}

/* The zones. */

static int home_of(const struct vmm *vmm, uint32_t stream)
{
	return vmm->rings[stream % STRESS_CONSUMED];
}

static void register_home(const struct vmm *vmm, uint32_t stream)
{
	const struct stress_zone z = stress_zone_of(vmm->book, stream);

	MUST(zone(vmm, REGISTER, home_of(vmm, stream), &z));
	stress_did(ACT_REGISTER);
}

static void flip(struct thread *t, uint32_t stream, bool doubled)
{
	const struct stress_zone z = stress_zone_of(t->vmm->book, stream);

	if (doubled) {
		register_home(t->vmm, stream);
		stress_did(ACT_DUPLICATE);
	}
	/* One call takes both. */
	MUST(zone(t->vmm, UNREGISTER, home_of(t->vmm, stream), &z));
	stress_did(ACT_UNREGISTER);
	stress_doze(&t->dice, 1000);
	register_home(t->vmm, stream);
}

/* A ring takes what is meant for others, too; who asks for the zone of a
 * neighbour to be unregistered, gets nothing. */
static void overlap(struct thread *t, uint32_t stream)
{
	const struct stress_zone all = stress_zone_of_all(t->vmm->book);
	const struct stress_zone z = stress_zone_of(t->vmm->book, stream);
	const int fd = t->vmm->rings[stress_roll(&t->dice, STRESS_CONSUMED)];

	MUST(zone(t->vmm, REGISTER, fd, &all));
	stress_doze(&t->dice, 3000);
	if (fd != home_of(t->vmm, stream))
		MUST(zone(t->vmm, UNREGISTER, fd, &z));
	MUST(zone(t->vmm, UNREGISTER, fd, &all));
	stress_did(ACT_OVERLAP);
}

static void register_wrongly(struct thread *t, uint32_t stream)
{
	const struct stress_zone z = stress_zone_of(t->vmm->book, stream);
	const int fd = home_of(t->vmm, stream);
	const int vm = t->vmm->tiny.vm;

	switch (stress_roll(&t->dice, 6)) {
	case 0:
		MUST_FAIL(api_zone(vm, REGISTER, -1, z.addr, 4, z.pio), EBADF);
		break;
	case 1:
		MUST_FAIL(api_zone(vm, REGISTER, vm, z.addr, 4, z.pio), EINVAL);
		break;
	case 2:
		MUST_FAIL(api_zone(vm, REGISTER, fd, z.addr, 0, z.pio), EINVAL);
		break;
	case 3:
		MUST_FAIL(api_zone(vm, REGISTER, fd, ~0ull - 3, 8, 0), EINVAL);
		break;
	case 4:
		MUST_FAIL(api_zone(vm, UNREGISTER, fd, z.addr, 4, 2), EINVAL);
		break;
	default:
		MUST_FAIL(api_zone(t->vmm->other_vm, REGISTER, fd, z.addr, 4,
				   z.pio),
			  EINVAL);
	}
	stress_did(ACT_ZONE_REFUSED);
}

/* Numbers that name no zone, and the older call beside ours. */
static void touch_neighbours(struct thread *t, uint32_t stream)
{
	const struct stress_zone z = stress_zone_of(t->vmm->book, stream);
	struct kvm_coalesced_mmio_zone old = {
		.addr = z.addr + 0x8000,
		.size = 4,
		.pio = z.pio,
	};
	const int fd = home_of(t->vmm, stream);
	const int vm = t->vmm->tiny.vm;

	MUST(api_zone(vm, UNREGISTER, fd, z.addr, z.size - 1, z.pio));
	MUST(api_zone(vm, UNREGISTER, fd, z.addr + 4, z.size, z.pio));
	MUST(api_zone(vm, UNREGISTER, fd, z.addr, z.size, !z.pio));
	MUST(ioctl(vm, KVM_REGISTER_COALESCED_MMIO, &old));
	MUST(ioctl(vm, KVM_UNREGISTER_COALESCED_MMIO, &old));
	stress_did(ACT_UNREGISTER);
}

static void *move_zones(void *ctx)
{
	struct thread *t = ctx;
	uint32_t stream;

	while (!is_over(t)) {
		stream = stress_roll(&t->dice, STRESS_STREAMS);
		switch (stress_roll(&t->dice, 6)) {
		case 0:
			overlap(t, stream);
			break;
		case 1:
			register_wrongly(t, stream);
			break;
		case 2:
			touch_neighbours(t, stream);
			break;
		case 3:
			flip(t, stream, true);
			break;
		default:
			flip(t, stream, false);
		}
		stress_doze(&t->dice, 2000);
	}
	return NULL;
}

/* The buffers. */

static int new_buffer(const struct vmm *vmm, struct rf_ring_page **page)
{
	const struct stress_zone z = stress_zone_of(vmm->book, STRESS_WILD);
	const int fd = (int)MUST(
		ioctl(vmm->tiny.vm, KVM_CREATE_COALESCED_MMIO_BUFFER, 0));

	MUST_FAIL(zone(vmm, REGISTER, fd, &z), ENOBUFS);
	*page = stress_map(fd);
	return fd;
}

/* Its zone is unregistered first: no entry comes after that, none is lost. */
static void take_part(struct thread *t)
{
	struct stress_book *book = t->vmm->book;
	const struct stress_zone z = stress_zone_of(
		book, STRESS_SHARED_FIRST + stress_roll(&t->dice, 2));
	uint32_t times = stress_roll(&t->dice, 20);
	struct rf_ring_page *page;
	const int fd = new_buffer(t->vmm, &page);

	MUST(zone(t->vmm, REGISTER, fd, &z));
	while (times-- > 0) {
		stress_doze(&t->dice, 1000);
		(void)stress_drain(book, &book->brief, page, UINT32_MAX);
	}
	MUST(zone(t->vmm, UNREGISTER, fd, &z));
	(void)stress_drain(book, &book->brief, page, UINT32_MAX);
	CHECK(!api_is_readable(fd, 0));
	MUST(close(fd));
	api_unmap(page);
	stress_did(ACT_BUFFER);
}

/* Gone, with zones, between two writes of which nobody keeps account. */
static void close_under_fire(struct thread *t)
{
	struct stress_zone z = stress_zone_of(t->vmm->book, STRESS_WILD);
	const bool is_unmapped_first = stress_roll(&t->dice, 2);
	uint32_t nr = stress_roll(&t->dice, 4);
	struct rf_ring_page *page;
	const int fd = new_buffer(t->vmm, &page);

	do
		MUST(zone(t->vmm, REGISTER, fd, &z));
	while (nr-- > 0);
	z = stress_zone_of(t->vmm->book, STRESS_PORTS_FIRST);
	z.addr += 0x20; /* a free one */
	MUST(zone(t->vmm, REGISTER, fd, &z));
	stress_doze(&t->dice, 2000);
	stress_look(page);
	if (is_unmapped_first)
		api_unmap(page);
	MUST(close(fd));
	if (!is_unmapped_first) {
		stress_doze(&t->dice, 500);
		api_unmap(page);
	}
	stress_did(ACT_CLOSE_UNDER_FIRE);
}

static void *make_buffers(void *ctx)
{
	struct thread *t = ctx;

	while (!is_over(t)) {
		if (stress_roll(&t->dice, 2))
			take_part(t);
		else
			close_under_fire(t);
	}
	return NULL;
}

/* Children that have the VM and all its rings. */
static void *fork_all(void *ctx)
{
	struct thread *t = ctx;
	struct rf_ring_page *page;

	while (!is_over(t)) {
		page = stress_map(
			t->vmm->rings[stress_roll(&t->dice, STRESS_CONSUMED)]);
		stress_fork_mapped(&t->dice, page);
		api_unmap(page);
		stress_doze(&t->dice, 20000);
	}
	return NULL;
}

/* Its life. */

static void open_rings(struct vmm *vmm)
{
	const struct stress_zone z = stress_zone_of(vmm->book, STRESS_WILD);
	struct rf_ring_page *page;
	uint32_t i;

	for (i = 0; i < STRESS_RINGS; i++) {
		vmm->rings[i] = new_buffer(vmm, &page);
		api_unmap(page);
	}
	for (i = 0; i < STRESS_STREAMS; i++)
		register_home(vmm, i);
	MUST(zone(vmm, REGISTER, vmm->rings[STRESS_GARBAGE], &z));
}

static void open_all(struct vmm *vmm)
{
	const char *step;
	const int err = tiny_vm_new(&vmm->tiny, &step);

	CHECK(!err, "%s: %s", step, strerror(-err));
	vmm->other_vm = (int)MUST(ioctl(vmm->tiny.kvm, KVM_CREATE_VM, 0));
	stress_vcpu_load(&vmm->tiny);
	open_rings(vmm);
}

static void start(struct thread *t, void *(*fn)(void *))
{
	int err = pthread_create(&t->id, NULL, fn, t);

	CHECK(!err, "pthread_create: %s", strerror(err));
}

static void run_threads(struct vmm *vmm, struct stress_dice *dice)
{
	static void *(*const workers[NR_WORKERS])(void *) = {
		move_zones,
		make_buffers,
		fork_all,
	};
	struct thread threads[STRESS_CPUS_MAX + NR_WORKERS];
	const uint32_t nr = stress->cpus + NR_WORKERS;
	uint32_t i;

	/* All vCPUs are there before the first of them runs. */
	for (i = 0; i < nr; i++) {
		threads[i] = (struct thread){
			.vmm = vmm,
			.dice = stress_split(dice),
		};
		if (i < stress->cpus)
			stress_vcpu_add(&vmm->tiny, i, &threads[i].vcpu);
	}
	for (i = 0; i < nr; i++)
		start(&threads[i],
		      i < stress->cpus ? be_vcpu : workers[i - stress->cpus]);
	for (i = 0; i < nr; i++)
		CHECK(pthread_join(threads[i].id, NULL) == 0);
}

_Noreturn void stress_vmm(struct stress_book *book, int sock,
			  struct stress_dice dice)
{
	static struct vmm vmm;
	uint32_t order[STRESS_RINGS];
	uint32_t i;

	vmm.book = book;
	open_all(&vmm);
	for (i = 0; i < STRESS_RINGS; i++)
		api_tell(sock, i, vmm.rings[i]);
	run_threads(&vmm, &dice);
	/* Or all at once, by the end of the process. */
	if (stress_roll(&dice, 2)) {
		stress_shuffle(&dice, order, STRESS_RINGS);
		for (i = 0; i < STRESS_RINGS; i++)
			MUST(close(vmm.rings[order[i]]));
		tiny_vm_free(&vmm.tiny);
	}
	_exit(0);
}
