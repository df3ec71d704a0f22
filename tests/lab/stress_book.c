/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * stress_book.c - which writes were found, where, and in what order
 */
#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>

#include "lab/stress.h"

#define GPA_BASE 0xd0000000u
#define GPA_ROUND 0x10000u
#define GPA_STREAM 0x100u
#define PORT_BASE 0x2000u
#define PORT_ROUND 0x200u
#define PORT_STREAM 0x40u
#define ROUNDS 16u
#define WRITE_BYTES 4u

#define STREAM_SHIFT 28u
#define CPU_SHIFT 24u
#define NUMBER_MASK 0xffffffu

struct stress_book *stress_book_new(uint32_t round)
{
	struct stress_book *book = mmap(
		NULL, sizeof(*book), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	CHECK(book != MAP_FAILED, "%s", strerror(errno));
	book->round = round;
	return book;
}

void stress_book_free(struct stress_book *book)
{
	MUST(munmap(book, sizeof(*book)));
}

struct stress_zone stress_zone_of(const struct stress_book *book,
				  uint32_t stream)
{
	const uint32_t round = book->round % ROUNDS;
	struct stress_zone zone = { .size = STRESS_CPUS_MAX * WRITE_BYTES };

	if (stream >= STRESS_PORTS_FIRST && stream < STRESS_STREAMS) {
		zone.pio = 1;
		zone.addr = PORT_BASE + (uint64_t)round * PORT_ROUND +
			    (uint64_t)(stream - STRESS_PORTS_FIRST) *
				    PORT_STREAM;
	} else {
		zone.addr = GPA_BASE + (uint64_t)round * GPA_ROUND +
			    (uint64_t)stream * GPA_STREAM;
	}
	return zone;
}

struct stress_zone stress_zone_of_all(const struct stress_book *book)
{
	struct stress_zone zone = stress_zone_of(book, 0);

	zone.size = STRESS_PORTS_FIRST * GPA_STREAM;
	return zone;
}

uint64_t stress_addr_of(const struct stress_book *book, uint32_t stream,
			uint32_t cpu)
{
	return stress_zone_of(book, stream).addr + (uint64_t)cpu * WRITE_BYTES;
}

uint32_t stress_value(uint32_t stream, uint32_t cpu, uint32_t number)
{
	return stream << STREAM_SHIFT | cpu << CPU_SHIFT | number;
}

struct who {
	uint32_t stream;
	uint32_t cpu;
	uint32_t number;
};

static struct who who_is(uint32_t value)
{
	const struct who who = {
		.stream = value >> STREAM_SHIFT,
		.cpu = value >> CPU_SHIFT & (STRESS_CPUS_MAX - 1),
		.number = value & NUMBER_MASK,
	};

	CHECK(who.stream < STRESS_STREAMS && who.cpu < stress->cpus &&
		      who.number < STRESS_NUMBERS &&
		      value == stress_value(who.stream, who.cpu, who.number),
	      "nobody wrote %#x", value);
	return who;
}

static bool is_found(const struct stress_book *book, const struct who *who)
{
	return atomic_load(
		       &book->found[who->stream][who->cpu][who->number / 64]) >>
		       who->number % 64 &
	       1;
}

/* The number goes up, and nobody found it before. */
static void note(struct stress_book *book, struct stress_log *log,
		 const struct who *who)
{
	const uint64_t bit = 1ull << who->number % 64;
	uint32_t *next = &log->next[who->stream][who->cpu];

	CHECK(who->number >= *next, "stream %u, vCPU %u: write %u after %u",
	      who->stream, who->cpu, who->number, *next - 1);
	CHECK(!(atomic_fetch_or(
			&book->found[who->stream][who->cpu][who->number / 64],
			bit) &
		bit),
	      "stream %u, vCPU %u: write %u found twice", who->stream, who->cpu,
	      who->number);
	*next = who->number + 1;
}

void stress_note_exit(struct stress_book *book, uint32_t cpu, uint32_t value)
{
	const struct who who = who_is(value);

	CHECK(who.cpu == cpu, "vCPU %u exits for vCPU %u", cpu, who.cpu);
	note(book, &book->exits[cpu], &who);
}

/* The entry is what its writer wrote where he wrote it. */
static struct who who_wrote(const struct stress_book *book,
			    const struct rf_ring_entry *e)
{
	const struct who who = who_is(api_value(e));

	CHECK(e->len == WRITE_BYTES &&
		      e->pio == stress_zone_of(book, who.stream).pio &&
		      e->phys_addr == stress_addr_of(book, who.stream, who.cpu),
	      "round %u: %#x is %u bytes at %#llx, pio %u", book->round,
	      api_value(e), e->len, (unsigned long long)e->phys_addr, e->pio);
	return who;
}

static bool is_empty(const struct rf_ring_page *page)
{
	stress_look(page);
	return api_waiting(page) == 0;
}

static void advance(struct rf_ring_page *page)
{
	__atomic_store_n(&page->first, (page->first + 1) % RF_RING_SLOTS,
			 __ATOMIC_RELEASE);
}

/* Somebody else's turn, where to be killed matters most. */
static void yield_at(const struct who *who, uint32_t rest)
{
	if (who->number % 32 == rest)
		(void)sched_yield();
}

uint32_t stress_drain(struct stress_book *book, struct stress_log *log,
		      struct rf_ring_page *page, uint32_t most)
{
	struct who who;
	uint32_t nr;

	for (nr = 0; nr < most && !is_empty(page); nr++) {
		/* Killed anywhere in here, we have a successor who resumes. */
		atomic_store(&log->taking, page->first + 1);
		who = who_wrote(book, &page->entries[page->first]);
		yield_at(&who, 0);
		note(book, log, &who);
		yield_at(&who, 16);
		advance(page);
		atomic_store(&log->taking, 0);
	}
	stress_did_many(ACT_RINGED, nr);
	return nr;
}

void stress_resume(struct stress_book *book, struct stress_log *log,
		   struct rf_ring_page *page)
{
	const uint32_t taking = atomic_load(&log->taking);
	struct who who;

	/* Moved on already: it was noted and given back. */
	if (taking && taking - 1 == page->first) {
		CHECK(!is_empty(page));
		who = who_wrote(book, &page->entries[page->first]);
		if (is_found(book, &who))
			log->next[who.stream][who.cpu] = who.number + 1;
		else
			note(book, log, &who);
		advance(page);
		stress_did(ACT_RESUME);
	}
	atomic_store(&log->taking, 0);
}

/* Numbers up to the last that was found, that were not. */
static uint32_t count_holes(const struct stress_book *book, uint32_t stream,
			    uint32_t cpu, uint32_t *nr)
{
	struct who who = { .stream = stream, .cpu = cpu };
	uint32_t holes = 0;
	uint32_t open = 0;

	*nr = 0;
	while (who.number < STRESS_NUMBERS) {
		if (who.number % 64 == 0 &&
		    !atomic_load(&book->found[stream][cpu][who.number / 64])) {
			open += 64;
			who.number += 64;
			continue;
		}
		if (is_found(book, &who)) {
			holes += open;
			open = 0;
			*nr = who.number + 1;
		} else {
			open++;
		}
		who.number++;
	}
	return holes;
}

void stress_verify(const struct stress_book *book, bool killed)
{
	uint32_t stream, cpu, holes, nr;

	for (stream = 0; stream < STRESS_STREAMS; stream++) {
		/* With the guest's process went, in its memory, what it had
		 * taken from a buffer of its own: a ring of it, at most. */
		const bool is_shared = stream >= STRESS_SHARED_FIRST &&
				       stream < STRESS_PORTS_FIRST;
		const uint32_t most = killed && is_shared ? RF_RING_USABLE : 0;

		for (cpu = 0; cpu < stress->cpus; cpu++) {
			holes = count_holes(book, stream, cpu, &nr);
			CHECK(holes <= most,
			      "stream %u, vCPU %u: %u of %u lost", stream, cpu,
			      holes, nr);
			CHECK(killed || nr == book->sent[stream][cpu],
			      "stream %u, vCPU %u: %u sent, %u found", stream,
			      cpu, book->sent[stream][cpu], nr);
		}
	}
}
