/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * stress.h - the parts of the stress, and what they share
 *
 *   stress.c           the program: starts, watches, counts, judges
 *   stress_world.c     a nursery: one microVM after the other, and the children
 *                      that consume, map, hold, poll and are killed meanwhile
 *   stress_vmm.c       the microVM's process: zones, buffers, forks
 *   stress_vcpu.c      its vCPUs, which write
 *   stress_consumer.c  the children that take entries
 *   stress_zoo.c       the children that take none
 *   stress_lives.c     VMs whose parts end all at once, by close or SIGKILL
 *   stress_book.c      which writes were found, where, and in what order
 *
 * Streams. A write's value says who it is: stream (an address), vCPU, number.
 * Each is found exactly once: in a ring, or where it exited to; in each ring the
 * numbers of a stream and a vCPU go up. All of that is held in one book that
 * each process of a round has mapped and that survives each of them.
 *
 * Words of api.h are used. A CHECK() that fails ends its process and, by what it
 * says, the program.
 */
#ifndef TESTS_LAB_STRESS_H
#define TESTS_LAB_STRESS_H

#include <stdatomic.h>

#include "lab/api.h"

#define STRESS_CPUS_MAX 8u
/* Of each vCPU to each stream in one round; further ones are not sent. */
#define STRESS_NUMBERS (1u << 20)

/* 0..3 and 6..7 are of rings that live as long as the round; 4 and 5, too, but
 * buffers that come and go take part of their writes. */
enum {
	STRESS_SHARED_FIRST = 4,
	STRESS_PORTS_FIRST = 6,
	STRESS_STREAMS = 8,
	STRESS_WILD = 15, /* writes nobody accounts for */
};

/* Rings of a round: those that are consumed, and one full of garbage. */
enum { STRESS_CONSUMED = 4, STRESS_GARBAGE = 4, STRESS_RINGS };

/* What can happen; stress.c has its words. */
enum stress_act {
	ACT_ROUND,
	ACT_KILL_VMM,
	ACT_OUTLIVED,
	ACT_LIFE,
	ACT_LIFE_KILLED,
	ACT_WRITE,
	ACT_OUT,
	ACT_RINGED,
	ACT_EXITED,
	ACT_MAP,
	ACT_MAP_REFUSED,
	ACT_MOVE,
	ACT_MOVE_REFUSED,
	ACT_PROTECT,
	ACT_ZAP,
	ACT_FORK,
	ACT_FORK_MAPPED,
	ACT_EXEC,
	ACT_KILL_CONSUMER,
	ACT_RESUME,
	ACT_KILL_CHILD,
	ACT_FLIGHT,
	ACT_FLIGHT_LOST,
	ACT_DUP,
	ACT_PIN,
	ACT_PIN_OUTLIVED,
	ACT_REGISTER,
	ACT_UNREGISTER,
	ACT_DUPLICATE,
	ACT_OVERLAP,
	ACT_ZONE_REFUSED,
	ACT_BUFFER,
	ACT_CLOSE_UNDER_FIRE,
	ACT_POLL,
	ACT_LEVEL,
	ACT_EDGE,
	ACT_GARBAGE,
	ACT_REPAIRED,
	NR_ACTS
};

struct stress_shared {
	atomic_bool stop;
	_Atomic uint64_t acts[NR_ACTS];
	uint32_t cpus;
	char cgroup[48]; /* of all but the first process */
};

extern struct stress_shared *stress;

void stress_did(enum stress_act act);
void stress_did_many(enum stress_act act, uint64_t nr);
bool stress_is_over(void);

/* A source of chance. What it yields is given by the seed, when it is not. */
struct stress_dice {
	uint64_t state;
};

/* 0 .. sides-1 */
uint32_t stress_roll(struct stress_dice *dice, uint32_t sides);
/* For a child or thread of its own. */
struct stress_dice stress_split(struct stress_dice *dice);
/* Sleep for less than so long. */
void stress_doze(struct stress_dice *dice, uint32_t max_us);
/* 0 .. nr-1 in some order. */
void stress_shuffle(struct stress_dice *dice, uint32_t *order, uint32_t nr);

/* Fork a child that goes with us, even if we are gone when it looks. */
pid_t stress_fork(void);
/* Who kills must not wait for his turn among those he wants to kill. */
void stress_hurry(bool is_killer);
/* Killed, or ended by itself and content; anything else is a failure. */
void stress_check_status(int status);
/* Kill and reap it; 0 is nobody. */
void stress_kill(pid_t pid);
/* As subreaper: every child, own or adopted. */
void stress_reap_all(void);
uint32_t stress_open_fds(void);
/* For whoever wants to know where those are that do not end. */
void stress_show_processes(void);
/* Wait until KVM knows of no VM that this process made (0: anybody). */
void stress_wait_no_vm(pid_t pid);

/* What was taken from one ring, by whoever consumes it. One at a time. */
struct stress_log {
	/* Slot + 1 of an entry that is being noted; then the dead consumer
	 * either noted it or not, and the next one looks. */
	_Atomic uint32_t taking;
	/* Entries wait and nobody told the consumer; he lives until somebody
	 * does, or until it is certain that nobody will. */
	atomic_bool is_late;
	uint32_t next[STRESS_STREAMS][STRESS_CPUS_MAX];
};

struct stress_book {
	uint32_t round; /* its addresses differ from those of its neighbours */
	atomic_bool over;
	struct stress_log rings[STRESS_CONSUMED];
	struct stress_log brief; /* of buffers that come and go */
	/* Of exits; one a vCPU. */
	struct stress_log exits[STRESS_CPUS_MAX];
	uint32_t sent[STRESS_STREAMS][STRESS_CPUS_MAX];
	_Atomic uint64_t
		found[STRESS_STREAMS][STRESS_CPUS_MAX][STRESS_NUMBERS / 64];
};

struct stress_book *stress_book_new(uint32_t round);
void stress_book_free(struct stress_book *book);

struct stress_zone {
	uint64_t addr;
	uint32_t size;
	uint32_t pio;
};

/* All vCPUs' addresses of a stream; those of all streams in memory. */
struct stress_zone stress_zone_of(const struct stress_book *book,
				  uint32_t stream);
struct stress_zone stress_zone_of_all(const struct stress_book *book);
/* The one of this vCPU. */
uint64_t stress_addr_of(const struct stress_book *book, uint32_t stream,
			uint32_t cpu);
uint32_t stress_value(uint32_t stream, uint32_t cpu, uint32_t number);

/* Note a write that was found. In a ring, it was at that address. */
void stress_note_exit(struct stress_book *book, uint32_t cpu, uint32_t value);
/* Take what is in a ring, so many at most, and note it; returns how many. */
uint32_t stress_drain(struct stress_book *book, struct stress_log *log,
		      struct rf_ring_page *page, uint32_t most);
/* What somebody before us was about to take when he was killed. */
void stress_resume(struct stress_book *book, struct stress_log *log,
		   struct rf_ring_page *page);
/* Everything that was sent has been found; if the guest was killed, everything
 * up to the last that was. */
void stress_verify(const struct stress_book *book, bool killed);

/* A child's task. */
struct stress_job {
	struct stress_book *book;
	uint32_t ring;
	int fd;
	struct stress_dice dice;
};

_Noreturn void stress_consume(struct stress_job *job);
_Noreturn void stress_scribble(struct stress_job *job);
/* Any of the others. */
_Noreturn void stress_zoo(struct stress_job *job);
/* Map; sure of the result. */
struct rf_ring_page *stress_map(int fd);
/* The indices of a ring that is written to as agreed. */
void stress_look(const struct rf_ring_page *page);
/* Fork while it is mapped, with or without the mapping. */
void stress_fork_mapped(struct stress_dice *dice, struct rf_ring_page *page);

struct stress_vcpu {
	uint32_t cpu;
	int fd;
	struct kvm_run *run;
	const uint8_t *memory;
};

/* Once: two vCPUs share the memory, and one may be running. */
void stress_vcpu_load(const struct tiny_vm *tiny);
/* The first is there; the others become like it. */
void stress_vcpu_add(const struct tiny_vm *tiny, uint32_t cpu,
		     struct stress_vcpu *v);
/* A burst to some stream, down to the last write, and a rest. */
void stress_vcpu_write(struct stress_book *book, const struct stress_vcpu *v,
		       struct stress_dice *dice);

/* The microVM's process: sends the rings, then goes on until the book's over. */
_Noreturn void stress_vmm(struct stress_book *book, int sock,
			  struct stress_dice dice);
/* Until it is time to stop. */
_Noreturn void stress_world(uint32_t nr, struct stress_dice dice);
_Noreturn void stress_lives(struct stress_dice dice);

#endif
