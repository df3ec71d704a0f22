/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * bench_exits.c - what an I/O costs in exits to userspace
 *
 * For each kind of doorbell and each way to read registers the built-in guest
 * is run twice, with few rounds of I/O and with many. What the longer run has
 * more of belongs to the I/O alone: the guest's boot, its look at the device
 * and its end are the same in both. Counted are the exits that touch the
 * device, register accesses and notify writes, by the vCPU process's own
 * counters and, to hold them against, by KVM's statistics of the vCPUs; lines that the guest prints at its serial port are not among them.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <ringfence/doorbell.h>

#include "bench/bench.h"

#define DISK_BYTES (8 << 20)
#define REPORT_MAX 65536u

static const char *const register_names[] = { "page", "exit" };

/* What one run left in its report. */
struct counts {
	uint64_t exits;	 /* register accesses and notify writes */
	uint64_t setup;	 /* of them, before the driver was there for good */
	uint64_t notify; /* of them */
	uint64_t acks;
	uint64_t kvm; /* all register accesses, by KVM's count; 0: not told */
	uint64_t requests;
	uint64_t doorbells; /* the guest's count */
	uint64_t interrupts;
};

struct setting {
	enum rf_doorbell_kind kind;
	const char *registers; /* NULL: as it comes */
	uint64_t rounds[2];    /* few, many */
	bool json;
};

struct place {
	char dir[32];
	char disk[64];
	char report[64];
	char launcher[PATH_MAX];
};

/* The number behind `"key":` in the part about one process. The report is our
 * own launcher's: this is no parser. */
static bool find_count(const char *text, const char *process, const char *key,
		       uint64_t *out)
{
	char pattern[64];
	const char *at;

	(void)snprintf(pattern, sizeof(pattern), "\"name\":\"%s\"", process);
	at = strstr(text, pattern);
	(void)snprintf(pattern, sizeof(pattern), "\"%s\":", key);
	at = at ? strstr(at, pattern) : NULL;
	if (!at)
		return false;
	*out = strtoull(at + strlen(pattern), NULL, 10);
	return true;
}

static bool read_report(const char *path, struct counts *out)
{
	static char text[REPORT_MAX];
	rf_autofd fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (n <= 0)
		return false;
	text[n] = '\0';
	/* Launchers that do not tell acknowledgements apart leave them at 0. */
	out->acks = 0;
	(void)find_count(text, "vmm", "exits_ack", &out->acks);
	out->kvm = 0;
	(void)find_count(text, "vmm", "kvm_exits_mmio", &out->kvm);
	return find_count(text, "vmm", "exits_setup", &out->setup) &&
	       find_count(text, "vmm", "exits_mmio", &out->exits) &&
	       find_count(text, "vmm", "exits_notify", &out->notify) &&
	       find_count(text, "vmm", "notified", &out->doorbells) &&
	       find_count(text, "blk[0]", "requests", &out->requests) &&
	       find_count(text, "blk[0]", "interrupts", &out->interrupts);
}

static _Noreturn void become_launcher(const struct place *p,
				      const struct setting *s, uint64_t rounds)
{
	char append[32];
	const char *args[20] = { "ringfence", "run",   "--kernel", "builtin",
				 "--disk",    p->disk, "--report", p->report,
				 "--accel",   "kvm",   "--append", append,
				 "--doorbell" };
	uint32_t n = 13;
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	(void)prctl(PR_SET_PDEATHSIG, SIGTERM);
	(void)snprintf(append, sizeof(append), "rf.rounds=%llu",
		       (unsigned long long)rounds);
	args[n++] = rf_doorbell_kind_name(s->kind);
	if (s->registers) {
		args[n++] = "--registers";
		args[n++] = s->registers;
	}
	args[n] = NULL;
	(void)dup2(null, STDIN_FILENO);
	(void)dup2(null, STDOUT_FILENO);
	(void)execv(p->launcher, (char *const *)(uintptr_t)args);
	_exit(127);
}

/* A new one each time: the last run's io_uring may hold the old one, and with
 * it its lock, for a while after its process is gone. */
static bool make_disk(const char *path)
{
	rf_autofd fd = -1;

	(void)unlink(path);
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	return fd >= 0 && ftruncate(fd, DISK_BYTES) == 0;
}

static bool run(const struct place *p, const struct setting *s, uint64_t rounds,
		struct counts *out)
{
	int status = -1;
	pid_t pid;

	(void)unlink(p->report);
	if (!make_disk(p->disk))
		return false;
	pid = fork();
	if (pid == 0)
		become_launcher(p, s, rounds);
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0)
		return false;
	return read_report(p->report, out);
}

/* How many of them come together is chance: a run that is longer by little may
 * even have fewer interrupts. */
static double more(uint64_t many, uint64_t few)
{
	return (double)many - (double)few;
}

static void show(const struct setting *s, const struct counts *few,
		 const struct counts *many, bool first)
{
	const double requests = (double)(many->requests - few->requests);
	const char *kind = rf_doorbell_kind_name(s->kind);
	const char *registers = s->registers ? s->registers : "auto";
	const double exits = more(many->exits - many->setup,
				  few->exits - few->setup);
	const double notify = more(many->notify, few->notify);
	const double acks = more(many->acks, few->acks);
	const double bells = more(many->doorbells, few->doorbells);
	const double kvm = many->kvm ? more(many->kvm - many->setup,
					    few->kvm - few->setup)
				     : 0;
	const double calls = more(many->interrupts, few->interrupts);

	if (s->json)
		(void)printf("%s{\"doorbell\":\"%s\",\"registers\":\"%s\","
			     "\"requests\":%.0f,\"exits_per_request\":%.4f,"
			     "\"kvm_exits_per_request\":%.4f,"
			     "\"notify_exits_per_request\":%.4f,"
			     "\"ack_exits_per_request\":%.4f,"
			     "\"doorbells_per_request\":%.4f,"
			     "\"interrupts_per_request\":%.4f}",
			     first ? "" : ",\n", kind, registers, requests,
			     exits / requests, kvm / requests,
			     notify / requests, acks / requests,
			     bells / requests, calls / requests);
	else
		(void)printf("%-11s %-9s %9.0f %9.3f %9.3f %9.3f %9.3f %9.3f "
			     "%9.3f\n",
			     kind, registers, requests, exits / requests,
			     kvm / requests, notify / requests, acks / requests,
			     bells / requests, calls / requests);
	(void)fflush(stdout);
}

static bool measure(const struct place *p, const struct setting *s, bool first)
{
	struct counts few = { 0 }, many = { 0 };

	if (!run(p, s, s->rounds[0], &few) || !run(p, s, s->rounds[1], &many) ||
	    many.requests <= few.requests) {
		(void)fprintf(stderr,
			      "ringfence-bench: %s, registers %s: the guest "
			      "did not run to its end\n",
			      rf_doorbell_kind_name(s->kind),
			      s->registers ? s->registers : "auto");
		return false;
	}
	show(s, &few, &many, first);
	return true;
}

static int measure_all(const struct place *p, struct setting *s,
		       const struct rf_doorbell_offer *offer, bool as_it_comes)
{
	bool first = true;
	size_t kind, i;

	if (s->json)
		(void)printf("{\"bench\":\"exits\",\"rows\":[");
	else
		(void)printf("%-11s %-9s %9s %9s %9s %9s %9s %9s %9s\n",
			     "doorbell", "registers", "requests", "exits",
			     "by KVM", "of notify", "of ack", "doorbells",
			     "interrupts");
	(void)fflush(stdout);
	for (kind = 0; kind < RF_DOORBELL_NR_KINDS; kind++) {
		for (i = 0; i < RF_ARRAY_LEN(register_names); i++) {
			if (!offer->works[kind] || (as_it_comes && i))
				continue;
			s->kind = (enum rf_doorbell_kind)kind;
			s->registers = as_it_comes ? NULL : register_names[i];
			if (!measure(p, s, first))
				return EXIT_FAILURE;
			first = false;
		}
	}
	if (s->json)
		(void)printf("]}\n");
	return EXIT_SUCCESS;
}

static bool make_place(struct place *p)
{
	ssize_t n = readlink("/proc/self/exe", p->launcher,
			     sizeof(p->launcher) - sizeof("ringfence"));
	char *slash;

	(void)snprintf(p->dir, sizeof(p->dir), "/tmp/ringfence-bench-XXXXXX");
	if (n < 0 || !mkdtemp(p->dir))
		return false;
	p->launcher[n] = '\0';
	slash = strrchr(p->launcher, '/');
	memcpy(slash + 1, "ringfence", sizeof("ringfence"));
	(void)snprintf(p->disk, sizeof(p->disk), "%s/disk", p->dir);
	(void)snprintf(p->report, sizeof(p->report), "%s/report", p->dir);
	return true;
}

static void drop_place(const struct place *p)
{
	(void)unlink(p->disk);
	(void)unlink(p->report);
	(void)rmdir(p->dir);
}

static int run_all(struct setting *s, bool as_it_comes)
{
	static struct place place;
	struct rf_doorbell_offer offer;
	rf_autofd kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	int status = EXIT_FAILURE;

	if (kvm < 0 || rf_doorbell_probe_host(kvm, &offer)) {
		(void)printf("skipped: bench.exits: no /dev/kvm that makes "
			     "VMs\n");
		return BENCH_SKIPPED;
	}
	if (make_place(&place))
		status = measure_all(&place, s, &offer, as_it_comes);
	else
		(void)fprintf(stderr, "ringfence-bench: %s: %s\n", place.dir,
			      strerror(errno));
	drop_place(&place);
	return status;
}

static const char help[] =
	"usage: ringfence-bench exits [--few N] [--many N] [--registers-auto] "
	"[--json]\n"
	"  --few N, --many N  rounds of I/O of the built-in guest in the two "
	"runs whose\n"
	"                     difference is shown (2 and 8)\n"
	"  --registers-auto   leave the way registers are read to ringfence\n"
	"  --json             for programs\n"
	"Columns, each for one request of the guest: exits to userspace that "
	"touch the\ndevice, by our count and by KVM's own (0 where it does not "
	"tell); of them notify\nwrites and interrupt acknowledgements; "
	"doorbells the guest wrote; interrupts it\ngot.\n";

int bench_exits(int argc, char **argv)
{
	static const struct option options[] = {
		{ "few", required_argument, NULL, 'f' },
		{ "many", required_argument, NULL, 'm' },
		{ "registers-auto", no_argument, NULL, 'r' },
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	struct setting s = { .rounds = { 2, 8 } };
	bool as_it_comes = false;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'h') {
			(void)fputs(help, stdout);
			return EXIT_SUCCESS;
		}
		if (c == 'r')
			as_it_comes = true;
		else if (c == 'j')
			s.json = true;
		else if (c == '?' ||
			 !bench_number(c == 'f' ? "--few" : "--many", optarg, 1,
				       1000, &s.rounds[c == 'm']))
			return BENCH_MISUSE;
	}
	if (optind != argc || s.rounds[0] >= s.rounds[1]) {
		(void)fputs(help, stderr);
		return BENCH_MISUSE;
	}
	return run_all(&s, as_it_comes);
}
