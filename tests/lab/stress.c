/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * stress.c - everything KVM_CAP_COALESCED_MMIO2 allows, at once, for a while
 *
 *   stress [--seconds N] [--cpus N] [--seed N] [--help]
 *
 * For the lab (tests/lab/run), whose kernel says what it did not like. Here it
 * is checked that each write is found once and in order, that VMs, descriptors
 * and memory are gone in the end, and that all of it happened often enough: a
 * stress that did not stress has failed. Exits with 0 or 1. stress.h has the
 * parts.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lab/stress.h"

#define NR_WORLDS 2u
#define NR_LIVES 1u
#define PROGRESS_S 15u
/* Times as long it goes on until everything happened often enough. */
#define PATIENCE 3u
/* From the word that it is over to the last process's end. */
#define END_S 120u
#define CGROUPS "/sys/fs/cgroup"
/* A page lost with each buffer is more than that in any run. */
#define LEFT_KIB_MAX 256u
#define LEFT_WAIT_MS 20000u

/* What happens at least so often in 10 seconds, on the debug kernel, too. */
static const struct {
	const char *name;
	uint32_t least;
} acts[NR_ACTS] = {
	[ACT_ROUND] = { "microVMs, every write accounted for", 1 },
	[ACT_KILL_VMM] = { "  of these killed, the rest ended", 0 },
	[ACT_OUTLIVED] = { "  outlived by those who had its buffers", 1 },
	[ACT_LIFE] = { "brief VMs, all parts closed at once", 1 },
	[ACT_LIFE_KILLED] = { "brief VMs, killed", 1 },
	[ACT_WRITE] = { "writes to memory", 500 },
	[ACT_OUT] = { "writes to ports", 100 },
	[ACT_RINGED] = { "  of both found in a ring", 500 },
	[ACT_EXITED] = { "  of both exited", 20 },
	[ACT_MAP] = { "mappings", 100 },
	[ACT_MAP_REFUSED] = { "  refused", 10 },
	[ACT_MOVE] = { "  moved", 10 },
	[ACT_MOVE_REFUSED] = { "  growth or copy refused", 10 },
	[ACT_PROTECT] = { "  protection changed, or refused", 10 },
	[ACT_ZAP] = { "  dropped from the tables", 10 },
	[ACT_FORK] = { "forks while mapped, not inherited", 2 },
	[ACT_FORK_MAPPED] = { "forks while mapped, inherited", 2 },
	[ACT_EXEC] = { "  followed by exec", 1 },
	[ACT_KILL_CONSUMER] = { "consumers killed and replaced", 3 },
	[ACT_RESUME] = { "  in the middle of an entry", 0 },
	[ACT_KILL_CHILD] = { "other holders of buffers killed", 3 },
	[ACT_FLIGHT] = { "descriptors in flight, received", 3 },
	[ACT_FLIGHT_LOST] = { "descriptors lost in flight", 3 },
	[ACT_DUP] = { "duplicates, mapped and closed", 3 },
	[ACT_PIN] = { "pages held by a pipe", 3 },
	[ACT_PIN_OUTLIVED] = { "pages that outlived buffer and VM", 1 },
	[ACT_REGISTER] = { "zones registered", 20 },
	[ACT_UNREGISTER] = { "zones unregistered", 4 },
	[ACT_DUPLICATE] = { "zones registered twice", 1 },
	[ACT_OVERLAP] = { "zones over all others", 1 },
	[ACT_ZONE_REFUSED] = { "zones refused", 1 },
	[ACT_BUFFER] = { "buffers that came and went", 5 },
	[ACT_CLOSE_UNDER_FIRE] = { "buffers closed under fire", 1 },
	[ACT_POLL] = { "woken in poll", 3 },
	[ACT_LEVEL] = { "woken in epoll, level", 3 },
	[ACT_EDGE] = { "woken in epoll, edge", 3 },
	[ACT_GARBAGE] = { "bursts of garbage in a ring", 20 },
	[ACT_REPAIRED] = { "rings found in order after that", 5 },
};

struct wish {
	uint32_t seconds;
	uint32_t cpus;
	uint64_t seed;
};

static int why_fd = -1;

/* The number behind a name in a text of such lines. */
static uint64_t number_of(const char *text, const char *name)
{
	const char *at = strstr(text, name);
	const uint64_t number = at ? strtoull(at + strlen(name), NULL, 10)
				   : UINT64_MAX;

	CHECK(number != UINT64_MAX, "no \"%s\"", name);
	return number;
}

/* Buffers, their pages and their zones are charged to the cgroup of whoever
 * made them. */
static uint64_t kernel_kib(void)
{
	static char text[16384];
	char path[96];
	ssize_t n;
	int fd;

	(void)snprintf(path, sizeof(path), "%s/memory.stat", stress->cgroup);
	fd = (int)MUST(open(path, O_RDONLY | O_CLOEXEC));
	n = MUST(read(fd, text, sizeof(text) - 1));
	(void)close(fd);
	text[n] = '\0';
	return (number_of(text, "\nkernel ") -
		number_of(text, "\nslab_reclaimable ")) /
	       1024;
}

/* Nobody is left in it; what is still charged is lost. */
static void check_memory(uint64_t peak_kib)
{
	uint64_t left_kib = kernel_kib();
	uint32_t ms;

	for (ms = 0; left_kib > LEFT_KIB_MAX && ms < LEFT_WAIT_MS; ms += 100) {
		(void)usleep(100000);
		left_kib = kernel_kib();
	}
	printf("kernel memory: %llu KiB at most, %llu KiB in the end\n",
	       (unsigned long long)peak_kib, (unsigned long long)left_kib);
	CHECK(left_kib <= LEFT_KIB_MAX);
	CHECK(peak_kib > LEFT_KIB_MAX, "that is not what was used");
}

static void make_cgroup(void)
{
	(void)snprintf(stress->cgroup, sizeof(stress->cgroup),
		       CGROUPS "/stress-%d", getpid());
	CHECK(mkdir(stress->cgroup, 0755) == 0, "%s: %s", stress->cgroup,
	      strerror(errno));
	CHECK(kernel_kib() <= LEFT_KIB_MAX);
}

/* Into a file of the cgroup. */
static bool tell_cgroup(const char *name, const char *word)
{
	char path[96];
	bool is_told;
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s", stress->cgroup, name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	is_told = write(fd, word, strlen(word)) > 0;
	(void)close(fd);
	return is_told;
}

static void start_all(const struct wish *wish)
{
	struct stress_dice dice = { .state = wish->seed };
	uint32_t i;

	for (i = 0; i < NR_WORLDS + NR_LIVES; i++) {
		const struct stress_dice theirs = stress_split(&dice);

		if (stress_fork())
			continue;
		CHECK(tell_cgroup("cgroup.procs", "0"), "%s", strerror(errno));
		/* Neighbours' rounds have other addresses. */
		if (i < NR_WORLDS)
			stress_world(i * 8, theirs);
		stress_lives(theirs);
	}
}

static uint64_t count_of(enum stress_act act)
{
	return atomic_load(&stress->acts[act]);
}

static void say_progress(uint64_t seconds)
{
	printf("%4llu s: %llu microVMs, %llu brief VMs, %llu writes, %llu "
	       "mappings, %llu forks, %llu kills\n",
	       (unsigned long long)seconds,
	       (unsigned long long)count_of(ACT_ROUND),
	       (unsigned long long)(count_of(ACT_LIFE) +
				    count_of(ACT_LIFE_KILLED)),
	       (unsigned long long)(count_of(ACT_WRITE) + count_of(ACT_OUT)),
	       (unsigned long long)count_of(ACT_MAP),
	       (unsigned long long)(count_of(ACT_FORK) +
				    count_of(ACT_FORK_MAPPED)),
	       (unsigned long long)(count_of(ACT_KILL_VMM) +
				    count_of(ACT_LIFE_KILLED) +
				    count_of(ACT_KILL_CONSUMER) +
				    count_of(ACT_KILL_CHILD)));
}

/* True: somebody found something. Says what. */
static bool is_complaint(int wait_ms)
{
	struct pollfd p = { .fd = why_fd, .events = POLLIN };
	char why[API_WHY_BYTES + 1];
	ssize_t n;

	if (poll(&p, 1, wait_ms) <= 0)
		return false;
	n = read(why_fd, why, sizeof(why) - 1);
	if (n <= 0)
		return false;
	why[n] = '\0';
	printf("not ok: %s", why);
	return true;
}

static uint64_t least_of(uint32_t act, uint32_t seconds)
{
	return acts[act].least * (uint64_t)seconds / 10;
}

static bool is_enough(uint32_t seconds)
{
	uint32_t i;

	for (i = 0; i < NR_ACTS; i++)
		if (count_of(i) < least_of(i, seconds))
			return false;
	return true;
}

/* A machine that has other work to do is given more time: what did not happen
 * then, never does. */
static bool watch(uint32_t seconds, uint64_t *peak_kib)
{
	const uint64_t start = rf_clock_ns();
	uint64_t said = 0;
	uint64_t now = 0;
	uint64_t kib;

	while (now < seconds ||
	       (now < (uint64_t)seconds * PATIENCE && !is_enough(seconds))) {
		if (is_complaint(200))
			return false;
		kib = kernel_kib();
		if (kib > *peak_kib)
			*peak_kib = kib;
		now = (rf_clock_ns() - start) / 1000000000;
		if (now >= said + PROGRESS_S) {
			said = now;
			say_progress(now);
		}
	}
	return true;
}

/* False: somebody did not come to an end, or not to a good one. */
static bool wait_for_all(void)
{
	const uint64_t until = rf_clock_ns() + END_S * 1000000000ull;
	bool is_good = true;
	int status = 0;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) >= 0) {
		if (pid > 0 && status != 0)
			is_good = false;
		if (pid > 0)
			continue;
		if (is_complaint(50))
			return false;
		if (rf_clock_ns() > until) {
			printf("not ok: it does not end\n");
			stress_show_processes();
			return false;
		}
	}
	if (is_complaint(0))
		return false;
	if (!is_good)
		printf("not ok: a process ended with status %#x\n",
		       (unsigned int)status);
	return is_good;
}

/* Each of our processes follows its parent; orphans come to us. */
static void end_cgroup(void)
{
	uint32_t i;

	(void)tell_cgroup("cgroup.kill", "1");
	while (waitpid(-1, NULL, 0) > 0)
		;
	for (i = 0; i < 1000 && rmdir(stress->cgroup) < 0 && errno == EBUSY;
	     i++)
		(void)usleep(10000);
}

static void print_table(uint32_t seconds)
{
	uint64_t least;
	uint32_t i;

	printf("\n%-42s %12s %10s\n", "what happened", "times", "at least");
	for (i = 0; i < NR_ACTS; i++) {
		least = least_of(i, seconds);
		printf("%-42s %12llu %10llu%s\n", acts[i].name,
		       (unsigned long long)count_of(i),
		       (unsigned long long)least,
		       count_of(i) < least ? " NOT" : "");
	}
}

static bool run(const struct wish *wish)
{
	uint64_t peak_kib = 0;
	bool is_good;

	start_all(wish);
	/* Nobody reads to us what we say ourselves. */
	api_why_fd = STDOUT_FILENO;
	is_good = watch(wish->seconds, &peak_kib);
	atomic_store(&stress->stop, true);
	if (!is_good || !wait_for_all())
		return false;
	stress_wait_no_vm(0);
	check_memory(peak_kib);
	print_table(wish->seconds);
	is_good = is_enough(wish->seconds);
	if (!is_good)
		printf("not ok: not everything happened often enough\n");
	return is_good;
}

static void set_up(const struct wish *wish)
{
	int fds[2];
	int kvm;

	stress = mmap(NULL, sizeof(*stress), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	api_why_fd = STDOUT_FILENO;
	CHECK(stress != MAP_FAILED, "%s", strerror(errno));
	stress->cpus = wish->cpus;
	kvm = (int)MUST(open("/dev/kvm", O_RDWR | O_CLOEXEC));
	CHECK(ioctl(kvm, KVM_CHECK_EXTENSION, KVM_CAP_COALESCED_MMIO2) == 1);
	MUST(close(kvm));
	stress_wait_no_vm(0);
	make_cgroup();
	MUST(pipe2(fds, O_CLOEXEC));
	why_fd = fds[0];
	api_why_fd = fds[1];
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1);
}

static int usage(FILE *to)
{
	(void)fprintf(to, "usage: stress [--seconds N] [--cpus N] [--seed N]\n"
			  "  --seconds N  how long (30)\n"
			  "  --cpus N     vCPUs of each microVM, 1 to 8 (2)\n"
			  "  --seed N     of chance (the time)\n"
			  "As root, on a kernel that has the API, where no "
			  "other VM runs.\n");
	return to == stdout ? 0 : 2;
}

static bool read_number(const char *text, uint64_t min, uint64_t max,
			uint64_t *out)
{
	char *end;

	if (!text || *text < '0' || *text > '9')
		return false;
	errno = 0;
	*out = strtoull(text, &end, 10);
	return !errno && !*end && *out >= min && *out <= max;
}

static bool read_wish(int argc, char **argv, struct wish *wish)
{
	uint64_t n;
	int i;

	for (i = 1; i < argc; i += 2) {
		const char *value = i + 1 < argc ? argv[i + 1] : NULL;

		if (strcmp(argv[i], "--seconds") == 0 &&
		    read_number(value, 1, 1000000, &n))
			wish->seconds = (uint32_t)n;
		else if (strcmp(argv[i], "--cpus") == 0 &&
			 read_number(value, 1, STRESS_CPUS_MAX, &n))
			wish->cpus = (uint32_t)n;
		else if (strcmp(argv[i], "--seed") == 0 &&
			 read_number(value, 0, UINT64_MAX, &n))
			wish->seed = n;
		else
			return false;
	}
	return true;
}

int main(int argc, char **argv)
{
	struct wish wish = { .seconds = 30, .cpus = 2 };
	bool is_good;

	wish.seed = rf_clock_ns();
	if (argc == 2 && strcmp(argv[1], "--help") == 0)
		return usage(stdout);
	if (!read_wish(argc, argv, &wish))
		return usage(stderr);
	setvbuf(stdout, NULL, _IONBF, 0);
	set_up(&wish);
	printf("stress: %u s, %u microVMs of %u vCPUs at a time, seed %llu\n",
	       wish.seconds, NR_WORLDS, wish.cpus,
	       (unsigned long long)wish.seed);
	is_good = run(&wish);
	end_cgroup();
	printf("%s\n", is_good ? "ok" : "not ok");
	return is_good ? 0 : 1;
}
