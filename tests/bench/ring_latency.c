/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * ring_latency.c - from a doorbell to the device's callback, by polling
 *
 * Both time stamps are of the one counter that all processors share. A doorbell
 * comes some time after the callback before it, so that the device has looked
 * in vain for a while, as one that waits has.
 */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <x86intrin.h>

#include <ringfence/ring.h>

#include "bench/bench.h"
#include "bench/ring_latency.h"

#define PAUSE_NS 2000u
/* Where there is but one processor, or somebody else has the other one. */
#define SPINS_BEFORE_YIELD 20000u
/* Not counted: caches, page tables, frequency. */
#define WARM_UP 1000u

struct shared {
	struct rf_ring_page page;
	_Alignas(64) _Atomic uint64_t called; /* callbacks so far */
	_Alignas(64) uint64_t ticks_per_us;
	struct histogram latency;
};

struct device {
	struct shared *shared;
	bool is_wrong;
};

static void relax(uint32_t *spins)
{
	if (++*spins % SPINS_BEFORE_YIELD == 0)
		(void)sched_yield();
	else
		_mm_pause();
}

static void on_entry(void *ctx, const struct rf_ring_entry *entry)
{
	const uint64_t now = bench_ticks();
	struct device *d = ctx;
	struct shared *s = d->shared;
	const uint64_t called = s->called + 1;
	uint64_t rung;

	memcpy(&rung, entry->data, sizeof(rung));
	if (entry->phys_addr != called || rung > now)
		d->is_wrong = true;
	if (called > WARM_UP)
		histogram_add(&s->latency,
			      (now - rung) * 1000 / s->ticks_per_us);
	s->called = called;
}

static _Noreturn void be_device(struct shared *s, uint64_t doorbells,
				pid_t parent)
{
	struct device d = { .shared = s };
	struct rf_ring_consumer consumer;
	uint32_t spins = 0;
	uint32_t nr;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent || rf_ring_consumer_init(&consumer, &s->page))
		_exit(1);
	while (s->called < doorbells && !d.is_wrong) {
		if (!rf_ring_has_entries(&consumer)) {
			relax(&spins);
			continue;
		}
		if (rf_ring_drain_each(&consumer, on_entry, &d, &nr))
			_exit(1);
	}
	_exit(d.is_wrong);
}

static bool ring_once(struct shared *s, uint64_t number)
{
	struct rf_ring_entry entry = { .phys_addr = number, .len = 8 };
	const uint64_t ticks = bench_ticks();

	memcpy(entry.data, &ticks, sizeof(ticks));
	return rf_ring_push(&s->page, &entry) == 0;
}

/* It stays to be waited for. */
static bool has_ended(pid_t pid)
{
	siginfo_t info = { .si_pid = 0 };

	return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) ||
	       info.si_pid == pid;
}

/* False: the device is gone. */
static bool ring_all(struct shared *s, uint64_t doorbells, pid_t device)
{
	const uint64_t pause = PAUSE_NS * s->ticks_per_us / 1000;
	uint32_t spins = 0;
	uint64_t i;

	for (i = 1; i <= doorbells; i++) {
		const uint64_t until = bench_ticks() + pause;

		while (bench_ticks() < until)
			_mm_pause();
		if (!ring_once(s, i))
			return false;
		while (s->called < i) {
			relax(&spins);
			if (spins % (SPINS_BEFORE_YIELD * 64) == 0 &&
			    has_ended(device))
				return false;
		}
	}
	return true;
}

/* The nth processor that we may use. */
static bool choose_cpu(const cpu_set_t *allowed, int nth, cpu_set_t *out)
{
	size_t cpu;

	for (cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, allowed) || nth-- > 0)
			continue;
		CPU_ZERO(out);
		CPU_SET(cpu, out);
		return true;
	}
	return false;
}

static int measure(struct shared *s, uint64_t doorbells, bool *pinned)
{
	const pid_t parent = getpid();
	cpu_set_t allowed, ours, theirs;
	bool is_right;
	int status = 1;
	pid_t pid;

	if (sched_getaffinity(0, sizeof(allowed), &allowed))
		return -errno;
	*pinned = choose_cpu(&allowed, 0, &ours) &&
		  choose_cpu(&allowed, 1, &theirs) &&
		  sched_setaffinity(0, sizeof(ours), &ours) == 0;
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0) {
		if (*pinned)
			(void)sched_setaffinity(0, sizeof(theirs), &theirs);
		be_device(s, doorbells, parent);
	}
	is_right = ring_all(s, doorbells, pid);
	if (!is_right)
		(void)kill(pid, SIGKILL);
	(void)waitpid(pid, &status, 0);
	(void)sched_setaffinity(0, sizeof(allowed), &allowed);
	return is_right && status == 0 ? 0 : -EPROTO;
}

int ring_latency(uint64_t doorbells, struct histogram *out, bool *pinned)
{
	struct shared *s;
	int err;

	s = mmap(NULL, sizeof(*s), PROT_READ | PROT_WRITE,
		 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (s == MAP_FAILED)
		return -errno;
	s->ticks_per_us = bench_ticks_per_us();
	err = measure(s, doorbells + WARM_UP, pinned);
	if (!err)
		*out = s->latency;
	(void)munmap(s, sizeof(*s));
	return err;
}
