/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * bench_doorbell.c - a guest's notify write, kind by kind
 *
 * Two processes: this one has the VM and runs its vCPU; another, forked before
 * the VM exists and given the descriptors over a socket, is the device.
 *
 * Throughput: the guest writes the doorbell N times in a loop of five
 * instructions; time from its first instruction to its last, divided by N. The
 * row "memory" is the same loop writing to RAM: what the loop costs by itself.
 *
 * Latency: the guest reads its time stamp counter into shared memory, writes
 * the doorbell, and waits in memory for the device's ack; the device reads the
 * counter first thing in its callback. The guest's counter is made equal to the
 * host's (KVM_VCPU_TSC_OFFSET 0), or, where KVM cannot, the difference is taken
 * off. Between an ack and the next ring the guest spins for PACE_US, so that
 * the device has gone to sleep.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "base/memfd.h"
#include "bench/bench.h"
#include "bench/consumer.h"
#include "kvm/tiny_vm.h"

#define PACE_US 100u
#define DRAIN_NS 1000000 /* `coalesced`: the timer's period */
#define ARRIVAL_NS 10000000000ull
#define DEADLINE_S 300u
/* Values count in the high half; the low half is queue 0. */
#define STEP 0x10000u

/* One time stamp a round; the offsets are those of struct consumer_mailbox,
 * which esi points to. ebx: doorbell, ecx: rounds, edi: value. */
static const uint8_t latency_loop[] = {
	0x0f, 0x31,	  /* 0: rdtsc            */
	0x89, 0x06,	  /* 2: mov [esi], eax   */
	0x89, 0x56, 0x04, /* 4: mov [esi+4], edx */
	0x89, 0x3b,	  /* 7: mov [ebx], edi   */
	0x39, 0x4e, 0x08, /* 9: cmp [esi+8], ecx */
	0x75, 0xfb,	  /* 12: jne 9           */
	0x0f, 0x31,	  /* 14: rdtsc           */
	0x89, 0xc5,	  /* 16: mov ebp, eax    */
	0x0f, 0x31,	  /* 18: rdtsc           */
	0x29, 0xe8,	  /* 20: sub eax, ebp    */
	0x3b, 0x46, 0x0c, /* 22: cmp eax,[esi+12] */
	0x72, 0xf7,	  /* 25: jb 18           */
	0x49,		  /* 27: dec ecx         */
	0x75, 0xe2,	  /* 28: jnz 0           */
	0xe6, 0xf4,	  /* 30: out 0xf4, al    */
	0xf4,		  /* 32: hlt             */
};

struct options {
	uint64_t writes;
	uint64_t rounds;
	int kind; /* -1: all */
	bool json;
};

struct row {
	const char *name;
	uint64_t writes;
	uint64_t exits;
	uint64_t ns_per_write;
	uint64_t wakeups;
	uint64_t entries;
	uint64_t kicks;
	uint64_t median_ns;
	uint64_t p99_ns;
	bool is_bare; /* no device behind it */
};

/* A vCPU, real or a stand-in, and its doorbell. */
struct side {
	bool has_vm;
	struct tiny_vm vm;
	struct rf_doorbell_set *set;
	struct rf_doorbell *bell;
	struct consumer device;
	struct consumer_mailbox *mailbox;
	int memory;
	uint64_t exits;
	uint32_t value;	    /* next to write; the device checks that it grows */
	uint64_t tsc_ahead; /* guest's counter minus ours */
	/* The timer of `coalesced`. */
	pthread_t timer;
	bool has_timer;
	_Atomic bool timer_ends;
};

static uint64_t ticks_per_us;

static int complain(const char *what, int err)
{
	(void)fprintf(stderr, "ringfence-bench: %s: %s\n", what,
		      strerror(-err));
	return err;
}

/* The guest's counter becomes ours, or we learn by how much it is ahead. */
static void align_clocks(struct side *s)
{
	const uint64_t zero = 0;
	struct kvm_device_attr attr = {
		.group = KVM_VCPU_TSC_CTRL,
		.attr = KVM_VCPU_TSC_OFFSET,
		.addr = (uint64_t)(uintptr_t)&zero,
	};
	union {
		struct kvm_msrs head;
		uint8_t bytes[sizeof(struct kvm_msrs) +
			      sizeof(struct kvm_msr_entry)];
	} msrs = { .bytes = { 0 } };
	uint64_t before;

	s->tsc_ahead = 0;
	if (ioctl(s->vm.vcpu, KVM_SET_DEVICE_ATTR, &attr) == 0)
		return;
	msrs.head.nmsrs = 1;
	msrs.head.entries[0].index = 0x10;
	before = bench_ticks();
	if (ioctl(s->vm.vcpu, KVM_GET_MSRS, &msrs) == 1)
		s->tsc_ahead = msrs.head.entries[0].data -
			       (before + (bench_ticks() - before) / 2);
}

static void *drain_now_and_then(void *arg)
{
	const struct timespec nap = { .tv_nsec = DRAIN_NS };
	struct side *s = arg;

	while (!s->timer_ends) {
		(void)clock_nanosleep(CLOCK_MONOTONIC, 0, &nap, NULL);
		(void)rf_doorbell_set_drain(s->set);
	}
	return NULL;
}

static int open_vm(struct side *s)
{
	const char *step;
	int err = tiny_vm_new(&s->vm, &step);

	if (err)
		return complain(step, err);
	align_clocks(s);
	s->memory = s->vm.memory_fd;
	s->mailbox = (void *)(s->vm.memory + CONSUMER_MAILBOX);
	return 0;
}

/* The stand-in has guest memory and nothing else. */
static int open_standin(struct side *s)
{
	uint8_t *map;
	int err = memfd_new("standin", TINY_VM_BYTES, &s->memory);

	if (err)
		return complain("memory", err);
	map = mmap(NULL, TINY_VM_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED,
		   s->memory, 0);
	if (map == MAP_FAILED)
		return complain("memory", -errno);
	s->vm.memory = map;
	s->mailbox = (void *)(map + CONSUMER_MAILBOX);
	return 0;
}

static int open_doorbell(struct side *s, enum rf_doorbell_kind kind)
{
	struct rf_ring_page *legacy = kind == RF_DOORBELL_COALESCED
					      ? s->vm.legacy
					      : NULL;
	struct rf_doorbell_fds fds;
	int err;

	err = rf_doorbell_set_new(kind, s->has_vm ? s->vm.vm : -1, legacy,
				  &s->set);
	if (err)
		return complain("doorbell set", err);
	err = rf_doorbell_open(s->set, 1, &s->bell);
	if (err)
		return complain("doorbell", err);
	rf_doorbell_fds(s->bell, &fds);
	err = consumer_hand_over(&s->device, &fds, s->memory);
	if (err)
		return complain("device process", err);
	err = rf_doorbell_register(s->bell, TINY_VM_DOORBELL, 4);
	return err ? complain("zone", err) : 0;
}

static int open_side(struct side *s, enum rf_doorbell_kind kind, bool has_vm)
{
	int err;

	*s = (struct side){ .has_vm = has_vm, .memory = -1 };
	s->vm = (struct tiny_vm){
		.kvm = -1, .vm = -1, .vcpu = -1, .memory_fd = -1
	};
	err = consumer_start(&s->device);
	if (err)
		return complain("device process", err);
	err = has_vm ? open_vm(s) : open_standin(s);
	if (!err)
		err = open_doorbell(s, kind);
	if (err || kind != RF_DOORBELL_COALESCED)
		return err;
	err = -pthread_create(&s->timer, NULL, drain_now_and_then, s);
	s->has_timer = !err;
	return err ? complain("timer", err) : 0;
}

static int close_side(struct side *s)
{
	int err;

	if (s->has_timer) {
		s->timer_ends = true;
		(void)pthread_join(s->timer, NULL);
	}
	err = consumer_stop(&s->device);
	rf_doorbell_set_free(s->set);
	if (!s->has_vm)
		rf_fd_close(&s->memory);
	tiny_vm_free(&s->vm);
	return err ? complain("device process", err) : 0;
}

/* Run what is loaded to its end, as a vCPU process does. */
static int run_vcpu(struct side *s)
{
	for (;;) {
		const struct kvm_run *run = s->vm.run;

		switch (tiny_vm_step(&s->vm)) {
		case TINY_VM_END:
			(void)rf_doorbell_set_drain(s->set);
			return 0;
		case TINY_VM_AGAIN:
			break;
		case TINY_VM_WRITE:
			s->exits++;
			if (!rf_doorbell_set_write(s->set, run->mmio.phys_addr,
						   run->mmio.data,
						   run->mmio.len))
				return complain("a write of nobody", -EPROTO);
			(void)rf_doorbell_set_drain(s->set);
			break;
		default:
			(void)fprintf(stderr,
				      "ringfence-bench: the vCPU left with "
				      "reason %u\n",
				      run->exit_reason);
			return -EIO;
		}
	}
}

static void write_once(struct side *s, uint32_t value)
{
	s->exits++;
	(void)rf_doorbell_set_write(s->set, TINY_VM_DOORBELL, &value,
				    sizeof(value));
}

static int write_many(struct side *s, uint32_t nr, uint32_t step)
{
	const struct tiny_vm_regs regs = { .eax = s->value,
					   .ebx = TINY_VM_DOORBELL,
					   .ecx = nr,
					   .esi = 0xffffffff,
					   .edi = step };
	const uint32_t from = s->value;
	uint32_t i;

	s->value += nr * step;
	if (s->has_vm) {
		tiny_vm_load(&s->vm, tiny_vm_ring_loop, tiny_vm_ring_loop_len,
			     &regs);
		return run_vcpu(s);
	}
	for (i = 0; i < nr; i++)
		write_once(s, from + i * step);
	return 0;
}

static uint64_t arrived(const struct side *s)
{
	return s->device.shared->entries + s->device.shared->kicks;
}

static int await_arrival(const struct side *s, uint64_t nr)
{
	const uint64_t deadline = rf_clock_ns() + ARRIVAL_NS;
	const struct timespec nap = { .tv_nsec = 50000 };

	while (arrived(s) != nr) {
		if (rf_clock_ns() > deadline)
			return complain("writes that did not arrive",
					-ETIMEDOUT);
		(void)clock_nanosleep(CLOCK_MONOTONIC, 0, &nap, NULL);
	}
	return 0;
}

static int measure_throughput(struct side *s, uint32_t nr, struct row *row)
{
	const uint32_t warm_up = nr / 10 + 1;
	const uint32_t step = row->name[0] == 'i' ? 0 : STEP;
	const struct consumer_shared *shared = s->device.shared;
	uint64_t ns;
	int err;

	err = write_many(s, warm_up, step);
	if (!err)
		err = await_arrival(s, warm_up);
	if (err)
		return err;
	s->exits = 0;
	row->wakeups = shared->wakeups;
	row->entries = shared->entries;
	row->kicks = shared->kicks;
	ns = rf_clock_ns();
	err = write_many(s, nr, step);
	ns = rf_clock_ns() - ns;
	if (!err)
		err = await_arrival(s, (uint64_t)warm_up + nr);
	row->writes = nr;
	row->exits = s->exits;
	row->ns_per_write = ns / nr;
	row->wakeups = shared->wakeups - row->wakeups;
	row->entries = shared->entries - row->entries;
	row->kicks = shared->kicks - row->kicks;
	return err;
}

static void pace_standin(struct side *s, uint32_t round)
{
	uint64_t from;

	__atomic_store_n(&s->mailbox->rung_at, bench_ticks(), __ATOMIC_RELAXED);
	write_once(s, s->value);
	while (__atomic_load_n(&s->mailbox->ack, __ATOMIC_ACQUIRE) != round)
		;
	from = bench_ticks();
	while (bench_ticks() - from < s->mailbox->pace)
		;
}

static int ring_paced(struct side *s, uint32_t rounds)
{
	const struct tiny_vm_regs regs = { .ebx = TINY_VM_DOORBELL,
					   .ecx = rounds,
					   .esi = CONSUMER_MAILBOX,
					   .edi = s->value };
	uint32_t i;

	s->mailbox->ack = 0;
	s->mailbox->pace = (uint32_t)(PACE_US * ticks_per_us);
	s->device.shared->nr_samples = 0;
	s->device.shared->rounds_left = rounds;
	if (s->has_vm) {
		tiny_vm_load(&s->vm, latency_loop, sizeof(latency_loop), &regs);
		return run_vcpu(s);
	}
	for (i = rounds; i > 0; i--)
		pace_standin(s, i);
	return 0;
}

static int measure_latency(struct side *s, uint32_t rounds, struct row *row)
{
	struct consumer_shared *shared = s->device.shared;
	uint32_t i;
	int err;

	err = ring_paced(s, rounds / 10 + 1);
	if (!err)
		err = ring_paced(s, rounds);
	if (err)
		return err;
	if (shared->nr_samples != rounds)
		return complain("samples that were not taken", -EPROTO);
	for (i = 0; i < rounds; i++)
		shared->samples[i] = (shared->samples[i] + s->tsc_ahead) *
				     1000 / ticks_per_us;
	row->median_ns = bench_percentile(shared->samples, rounds, 50);
	row->p99_ns = bench_percentile(shared->samples, rounds, 99);
	return 0;
}

static int measure_kind(enum rf_doorbell_kind kind, bool has_vm,
			const struct options *o, struct row *row)
{
	struct side side;
	int err;

	*row = (struct row){ .name = rf_doorbell_kind_name(kind) };
	err = open_side(&side, kind, has_vm);
	if (!err)
		err = measure_throughput(&side, (uint32_t)o->writes, row);
	if (!err)
		err = measure_latency(&side, (uint32_t)o->rounds, row);
	if (close_side(&side) && !err)
		err = -EPROTO;
	return err;
}

/* The loop alone, on memory. */
static int measure_memory(const struct options *o, struct row *row)
{
	struct tiny_vm_regs regs = { .ebx = CONSUMER_MAILBOX,
				     .ecx = (uint32_t)o->writes / 10 + 1,
				     .esi = 0xffffffff,
				     .edi = STEP };
	struct tiny_vm vm;
	enum tiny_vm_exit exit;
	const char *step;
	uint64_t ns = 0;
	int pass;
	int err = tiny_vm_new(&vm, &step);

	if (err)
		return complain(step, err);
	for (pass = 0; pass < 2; pass++) {
		tiny_vm_load(&vm, tiny_vm_ring_loop, tiny_vm_ring_loop_len,
			     &regs);
		ns = rf_clock_ns();
		do
			exit = tiny_vm_step(&vm);
		while (exit == TINY_VM_AGAIN);
		ns = rf_clock_ns() - ns;
		if (exit != TINY_VM_END)
			err = -EIO;
		regs.ecx = (uint32_t)o->writes;
	}
	*row = (struct row){ .name = "memory",
			     .writes = o->writes,
			     .ns_per_write = ns / o->writes,
			     .is_bare = true };
	tiny_vm_free(&vm);
	return err ? complain("the loop alone", err) : 0;
}

static double per(uint64_t a, uint64_t b)
{
	return b ? (double)a / (double)b : 0;
}

static void print_text(const struct row *r)
{
	(void)printf("%-11s %8llu %8llu %10llu", r->name,
		     (unsigned long long)r->writes,
		     (unsigned long long)r->exits,
		     (unsigned long long)r->ns_per_write);
	if (r->is_bare) {
		(void)printf(" %8s %8s %8s %8s %10s %10s\n", "-", "-", "-", "-",
			     "-", "-");
		return;
	}
	(void)printf(" %8llu %8llu %8llu %8.1f %10llu %10llu\n",
		     (unsigned long long)r->wakeups,
		     (unsigned long long)r->entries,
		     (unsigned long long)r->kicks,
		     per(r->entries + r->kicks, r->wakeups),
		     (unsigned long long)r->median_ns,
		     (unsigned long long)r->p99_ns);
}

static void print_json(const struct row *r, bool is_first)
{
	(void)printf("%s{\"kind\":\"%s\",\"writes\":%llu,\"exits\":%llu,"
		     "\"ns_per_write\":%llu",
		     is_first ? "" : ",", r->name,
		     (unsigned long long)r->writes,
		     (unsigned long long)r->exits,
		     (unsigned long long)r->ns_per_write);
	if (!r->is_bare)
		(void)printf(",\"wakeups\":%llu,\"entries\":%llu,"
			     "\"kicks\":%llu,\"arrived_per_wakeup\":%.1f,"
			     "\"median_ns\":%llu,\"p99_ns\":%llu",
			     (unsigned long long)r->wakeups,
			     (unsigned long long)r->entries,
			     (unsigned long long)r->kicks,
			     per(r->entries + r->kicks, r->wakeups),
			     (unsigned long long)r->median_ns,
			     (unsigned long long)r->p99_ns);
	(void)printf("}");
}

static void print_head(const struct options *o, bool has_vm)
{
	if (o->json) {
		(void)printf("{\"bench\":\"doorbell\",\"vcpu\":\"%s\","
			     "\"rounds\":%llu,\"rows\":[",
			     has_vm ? "kvm" : "stand-in",
			     (unsigned long long)o->rounds);
		return;
	}
	if (!has_vm)
		(void)printf("no KVM: this process stands in for the vCPU, and "
			     "only the kind exit works\n");
	(void)printf("%-11s %8s %8s %10s %8s %8s %8s %8s %10s %10s\n", "kind",
		     "writes", "exits", "ns/write", "wakeups", "entries",
		     "kicks", "/wakeup", "median ns", "p99 ns");
}

/* The kinds that are not there, at the end of either form. */
static void print_foot(const struct options *o,
		       const struct rf_doorbell_offer *offer)
{
	bool is_first = true;
	int i;

	if (o->json)
		(void)printf("],\"missing\":{");
	for (i = 0; i < RF_DOORBELL_NR_KINDS; i++) {
		const char *name = rf_doorbell_kind_name(
			(enum rf_doorbell_kind)i);

		if (offer->works[i])
			continue;
		if (o->json)
			(void)printf("%s\"%s\":\"%s\"", is_first ? "" : ",",
				     name, offer->why[i]);
		else
			(void)printf("%-11s not here: %s\n", name,
				     offer->why[i]);
		is_first = false;
	}
	if (o->json)
		(void)printf("}}\n");
}

static void print_row(const struct options *o, const struct row *row,
		      bool is_first)
{
	if (o->json)
		print_json(row, is_first);
	else
		print_text(row);
	(void)fflush(stdout);
}

static int run_all(const struct options *o, bool has_vm,
		   const struct rf_doorbell_offer *offer)
{
	bool is_first = true;
	struct row row;
	int i;

	print_head(o, has_vm);
	(void)fflush(stdout); /* before any fork */
	if (has_vm && o->kind < 0) {
		if (measure_memory(o, &row))
			return EXIT_FAILURE;
		print_row(o, &row, is_first);
		is_first = false;
	}
	for (i = 0; i < RF_DOORBELL_NR_KINDS; i++) {
		if (!offer->works[i] || (o->kind >= 0 && o->kind != i))
			continue;
		if (measure_kind((enum rf_doorbell_kind)i, has_vm, o, &row))
			return EXIT_FAILURE;
		print_row(o, &row, is_first);
		is_first = false;
	}
	print_foot(o, offer);
	return EXIT_SUCCESS;
}

static bool find_offer(struct rf_doorbell_offer *offer)
{
	rf_autofd kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);

	if (kvm < 0) {
		rf_doorbell_probe(-1, offer);
		return false;
	}
	return rf_doorbell_probe_host(kvm, offer) == 0;
}

static void give_up(int signal)
{
	static const char text[] =
		"ringfence-bench: no end in sight: a doorbell was lost\n";

	(void)signal;
	if (write(STDERR_FILENO, text, sizeof(text) - 1) < 0)
		_exit(EXIT_FAILURE);
	_exit(EXIT_FAILURE);
}

static const char help[] =
	"usage: ringfence-bench doorbell [--writes N] [--rounds N] [--kind K]\n"
	"                                [--json]\n"
	"  --writes N  notify writes in the throughput run (default 20000)\n"
	"  --rounds N  rings in the latency run, 100 us apart (default 2000)\n"
	"  --kind K    coalesced2, ioeventfd, coalesced or exit; default: "
	"each\n"
	"              that works here\n"
	"  --json      for programs\n"
	"\n"
	"A guest writes, a process that got the descriptors over a socket\n"
	"receives. Columns: writes; exits to userspace among them; ns a "
	"write,\n"
	"the guest's loop included (row memory: the same loop on RAM); "
	"returns\n"
	"of poll in the device process; ring entries; signals on the queue's\n"
	"eventfd (with a ring: writes it had no room for); arrivals a wakeup;\n"
	"median and 99th percentile from the guest's write to the device's\n"
	"callback. For the last two the guest reads its time stamp counter, "
	"and\n"
	"the device its own: the guest's is made equal to the host's with the\n"
	"vCPU attribute KVM_VCPU_TSC_OFFSET = 0; where KVM lacks that, the\n"
	"difference is measured through the guest's MSR 0x10 and taken off.\n"
	"coalesced has a timer that collects every ms: its latency is that.\n"
	"Each run is preceded by one of a tenth of its size that does not "
	"count.\n";

static int parse(int argc, char **argv, struct options *o)
{
	static const struct option options[] = {
		{ "writes", required_argument, NULL, 'w' },
		{ "rounds", required_argument, NULL, 'r' },
		{ "kind", required_argument, NULL, 'k' },
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	enum rf_doorbell_kind kind;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'w':
			if (!bench_number("--writes", optarg, 1, 10000000,
					  &o->writes))
				return BENCH_MISUSE;
			break;
		case 'r':
			if (!bench_number("--rounds", optarg, 1,
					  CONSUMER_SAMPLES_MAX, &o->rounds))
				return BENCH_MISUSE;
			break;
		case 'k':
			if (rf_doorbell_kind_from_name(optarg, &kind)) {
				(void)fputs(help, stderr);
				return BENCH_MISUSE;
			}
			o->kind = (int)kind;
			break;
		case 'j':
			o->json = true;
			break;
		case 'h':
			(void)fputs(help, stdout);
			exit(EXIT_SUCCESS);
		default:
			(void)fputs(help, stderr);
			return BENCH_MISUSE;
		}
	}
	if (optind == argc)
		return 0;
	(void)fputs(help, stderr);
	return BENCH_MISUSE;
}

int bench_doorbell(int argc, char **argv)
{
	struct options o = { .writes = 20000, .rounds = 2000, .kind = -1 };
	struct rf_doorbell_offer offer;
	bool has_vm;
	int status = parse(argc, argv, &o);

	if (status)
		return status;
	has_vm = find_offer(&offer);
	if (o.kind >= 0 && !offer.works[o.kind]) {
		(void)fprintf(
			stderr, "ringfence-bench: %s does not work here: %s\n",
			rf_doorbell_kind_name((enum rf_doorbell_kind)o.kind),
			offer.why[o.kind]);
		return EXIT_FAILURE;
	}
	/* A guest that waits for an ack never exits; nothing else would end
	 * it. */
	(void)signal(SIGALRM, give_up);
	(void)alarm(DEADLINE_S);
	ticks_per_us = bench_ticks_per_us();
	return run_all(&o, has_vm, &offer);
}
