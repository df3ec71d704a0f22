/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * stress_world.c - one microVM after the other, and those that have its rings
 *
 * This process outlives the microVM's. It has the rings' descriptors and never
 * the VM's: so that the VM must be gone when its process is, whatever is still
 * held here. It starts children, kills them wherever they are, and has in the
 * end what nobody took.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lab/stress.h"

#define NR_ZOO 4u
#define ROUND_MS_MIN 500u
#define ROUND_MS_MAX 5000u
#define PAUSE_US_MAX 20000u

struct world {
	struct stress_dice dice;
	struct stress_book *book;
	pid_t vmm;
	int rings[STRESS_RINGS];
	pid_t takers
		[STRESS_RINGS]; /* one a ring, or it would be two who take */
	pid_t zoo[NR_ZOO];
};

static void start_vmm(struct world *w)
{
	const struct stress_dice dice = stress_split(&w->dice);
	int pair[2];
	uint32_t i;

	MUST(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair));
	w->vmm = stress_fork();
	if (w->vmm == 0) {
		stress_hurry(false);
		MUST(close(pair[0]));
		stress_vmm(w->book, pair[1], dice);
	}
	MUST(close(pair[1]));
	for (i = 0; i < STRESS_RINGS; i++)
		CHECK(api_hear(pair[0], &w->rings[i]) == i);
	MUST(close(pair[0]));
}

static pid_t start_child(struct world *w, uint32_t ring,
			 void (*run)(struct stress_job *))
{
	struct stress_job job = {
		.book = w->book,
		.ring = ring,
		.fd = w->rings[ring],
		.dice = stress_split(&w->dice),
	};
	const pid_t pid = stress_fork();

	if (pid == 0) {
		stress_hurry(false);
		run(&job);
	}
	return pid;
}

static void start_taker(struct world *w, uint32_t ring)
{
	w->takers[ring] = start_child(w, ring,
				      ring == STRESS_GARBAGE ? stress_scribble
							     : stress_consume);
}

static bool is_late(const struct world *w, uint32_t ring)
{
	return ring < STRESS_CONSUMED &&
	       atomic_load(&w->book->rings[ring].is_late);
}

static void replace_taker(struct world *w)
{
	const uint32_t ring = stress_roll(&w->dice, STRESS_RINGS);

	if (is_late(w, ring))
		return;
	stress_kill(w->takers[ring]);
	w->takers[ring] = 0;
	stress_did(ACT_KILL_CONSUMER);
	/* The ring fills meanwhile. */
	stress_doze(&w->dice, 2000);
	start_taker(w, ring);
}

static void replace_one_of_zoo(struct world *w)
{
	pid_t *slot = &w->zoo[stress_roll(&w->dice, NR_ZOO)];

	if (*slot) {
		stress_kill(*slot);
		stress_did(ACT_KILL_CHILD);
	}
	/* Nobody but its taker touches the one full of garbage. */
	*slot = start_child(w, stress_roll(&w->dice, STRESS_CONSUMED),
			    stress_zoo);
}

static bool is_vmm_gone(struct world *w)
{
	int status;

	if (MUST(waitpid(w->vmm, &status, WNOHANG)) == 0)
		return false;
	stress_check_status(status);
	return true;
}

static void live(struct world *w)
{
	const uint64_t until =
		rf_clock_ns() +
		1000000ull *
			(ROUND_MS_MIN +
			 stress_roll(&w->dice, ROUND_MS_MAX - ROUND_MS_MIN));
	uint32_t i;

	for (i = 0; i < STRESS_RINGS; i++)
		start_taker(w, i);
	while (rf_clock_ns() < until && !stress_is_over()) {
		CHECK(!is_vmm_gone(w), "the VM's process has ended");
		if (stress_roll(&w->dice, 3))
			replace_one_of_zoo(w);
		else
			replace_taker(w);
		stress_doze(&w->dice, PAUSE_US_MAX);
	}
}

/* While children that have its rings go on. */
static void end_vmm(struct world *w, bool killed)
{
	const pid_t pid = w->vmm;
	int status;

	if (killed)
		MUST(kill(pid, SIGKILL));
	else
		atomic_store(&w->book->over, true);
	MUST(waitpid(pid, &status, 0));
	stress_check_status(status);
	CHECK(WIFEXITED(status) == !killed, "status %#x", (unsigned int)status);
	if (killed)
		stress_did(ACT_KILL_VMM);
	/* Children of its own had the VM for a moment; KVM names it after it. */
	stress_wait_no_vm(pid);
	stress_did(ACT_OUTLIVED);
	stress_doze(&w->dice, PAUSE_US_MAX);
}

static void end_children(struct world *w)
{
	uint32_t i;

	for (i = 0; i < STRESS_RINGS; i++) {
		while (is_late(w, i))
			(void)usleep(10000);
		stress_kill(w->takers[i]);
	}
	for (i = 0; i < NR_ZOO; i++)
		stress_kill(w->zoo[i]);
	memset(w->zoo, 0, sizeof(w->zoo));
	/* And theirs. */
	stress_reap_all();
}

/* The VM is gone, so is everybody; the entries are still there. */
static void take_the_rest(struct world *w)
{
	struct rf_ring_page *page;
	uint32_t i;

	for (i = 0; i < STRESS_CONSUMED; i++) {
		page = stress_map(w->rings[i]);
		stress_resume(w->book, &w->book->rings[i], page);
		(void)stress_drain(w->book, &w->book->rings[i], page,
				   UINT32_MAX);
		CHECK(!api_is_readable(w->rings[i], 0));
		api_unmap(page);
	}
	for (i = 0; i < STRESS_RINGS; i++)
		MUST(close(w->rings[i]));
}

static void play_round(struct world *w, uint32_t round)
{
	const bool killed = stress_roll(&w->dice, 2);

	w->book = stress_book_new(round);
	start_vmm(w);
	live(w);
	end_vmm(w, killed);
	end_children(w);
	take_the_rest(w);
	stress_verify(w->book, killed);
	stress_book_free(w->book);
	stress_did(ACT_ROUND);
}

_Noreturn void stress_world(uint32_t nr, struct stress_dice dice)
{
	static struct world world;
	uint32_t round = nr;
	uint32_t fds, fds_after;

	(void)prctl(PR_SET_CHILD_SUBREAPER, 1);
	stress_hurry(true);
	world.dice = dice;
	while (!stress_is_over()) {
		fds = stress_open_fds();
		play_round(&world, round++);
		fds_after = stress_open_fds();
		CHECK(fds_after == fds, "%u descriptors, %u before", fds_after,
		      fds);
	}
	_exit(0);
}
