/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * demo.c - `ringfence demo`: the built-in guest, once by each kind of doorbell
 *
 * Each run is a forked launcher of its own, for a launcher's filter cannot be
 * taken off again; it leaves what it counted in memory shared with us. We then
 * read the image ourselves: that the guest is content is one witness, what the
 * host's file holds another.
 *
 * Side:    launcher.
 * Owns:    the scratch disks, the table and its verdicts.
 * Callers: main.c.
 * Never:   says ok for a run whose numbers do not add up.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "launcher/host.h"
#include "launcher/options.h"
#include "launcher/report.h"
#include "launcher/run.h"
#include "launcher/scratch.h"

#define DISK_BYTES (2u << 20)
#define ROUNDS 2u

static const char demo_help[] =
	"usage: ringfence demo [--accel auto|kvm|none] [--registers "
	"auto|page|exit]\n"
	"\n"
	"Run the built-in guest once by each kind of doorbell that works here, "
	"its scratch\ndisk served by a process in a fence of its own. Show who "
	"is who, what the guest\nsays, and at the end a table. Exit status 0 "
	"only if every run is ok.\n"
	"\n"
	"  doorbells  notify writes as the guest counted them\n"
	"  entries    of them, taken from the ring by the device process\n"
	"  kicks      eventfds taken by the device process\n"
	"  exits      notify writes that left the kernel for the vCPU process\n"
	"  exits/io   register accesses and notify writes that did, since the "
	"driver\n"
	"             started, for each request\n"
	"  compared   bytes the guest read back and found as written\n"
	"  time       from go to the guest's end\n"
	"  start-up   from exec to sealed, vCPU process and block device\n";

enum { OPT_ACCEL = 1, OPT_REGISTERS, OPT_HELP };

static const struct option_spec specs[] = {
	{ "--accel", true, OPT_ACCEL },
	{ "--registers", true, OPT_REGISTERS },
	{ "--help", false, OPT_HELP },
};

/* The ring kinds first, then the one without. */
static const enum rf_doorbell_kind order[] = {
	RF_DOORBELL_COALESCED2,
	RF_DOORBELL_COALESCED,
	RF_DOORBELL_EXIT,
	RF_DOORBELL_IOEVENTFD,
};
static_assert(RF_ARRAY_LEN(order) == RF_DOORBELL_NR_KINDS, "every kind");

/* What a run leaves behind, in memory shared with it. */
struct result {
	bool filled;
	int status;
	enum rf_doorbell_kind kind;
	uint64_t doorbells;
	uint64_t entries;
	uint64_t kicks;
	uint64_t foreign;
	uint64_t exits_notify;
	uint64_t exits_mmio;
	uint64_t exits_setup;
	uint64_t compared;
	uint64_t requests;
	uint64_t run_ns;
	uint64_t vmm_ns;
	uint64_t blk_ns;
};

/* One line of the table. */
struct row {
	const char *kind;
	bool ran;
	bool ok;
	struct result r;
	char verdict[200];
};

static void fill_result(struct result *r, const struct vm *vm, int status)
{
	const struct vm_process *vmm = &vm->procs[0];
	const struct vm_process *blk = &vm->procs[1];

	r->status = status;
	r->kind = (enum rf_doorbell_kind)vm->doorbell;
	r->doorbells = VM_REPORT(vmm, notified);
	r->compared = VM_REPORT(vmm, compared_bytes);
	r->exits_notify = VM_REPORT(vmm, exits_notify);
	r->exits_mmio = VM_REPORT(vmm, exits_mmio);
	r->exits_setup = VM_REPORT(vmm, exits_setup);
	r->entries = VM_REPORT(blk, ring_entries);
	r->kicks = VM_REPORT(blk, kicks);
	r->foreign = VM_REPORT(blk, foreign);
	r->requests = VM_REPORT(blk, requests);
	r->run_ns = vm->end_ns - vm->go_ns;
	r->vmm_ns = report_startup_ns(vm, 0);
	r->blk_ns = report_startup_ns(vm, 1);
	r->filled = true;
}

/* What the command line said, the same for every kind. */
struct wish {
	enum settings_accel accel;
	enum settings_registers registers;
};

static int fill_settings(struct settings *s, const struct wish *wish,
			 enum rf_doorbell_kind kind, int disk,
			 struct complaint *c)
{
	int err;

	settings_defaults(s);
	s->accel = wish->accel;
	s->registers = wish->registers;
	s->doorbell = (int)kind;
	s->who = true;
	s->memory_bytes = 32u << 20;
	(void)snprintf(s->append, sizeof(s->append), "rf.rounds=%u", ROUNDS);
	err = settings_add_disk(s, "demo", "the scratch disk", c);
	s->disks[0].fd = disk;
	return err;
}

/* In the forked child. Our death ends it like a signal to itself would. */
static int run_one(const struct wish *wish, enum rf_doorbell_kind kind,
		   int disk, pid_t parent, struct result *r)
{
	static struct settings s;
	static struct vm vm;
	struct images im;
	struct complaint c = { "" };
	int status;

	if (prctl(PR_SET_PDEATHSIG, SIGTERM) < 0 || getppid() != parent)
		return SAY_FAILED;
	if (fill_settings(&s, wish, kind, disk, &c) < 0 ||
	    settings_check(&s, &c) < 0 || images_open(&s, &im, &c) < 0) {
		say("demo: %s", c.text);
		return SAY_FAILED;
	}
	status = run_vm(&vm, &s, &im);
	fill_result(r, &vm, status);
	return status;
}

/* Signals for us are passed on, and the child ends in order. Returns the
 * signal that ended us, or 0. */
static int wait_for(pid_t pid, int *wstatus, const sigset_t *set)
{
	int signal = 0;
	int got;

	for (;;) {
		if (waitpid(pid, wstatus, WNOHANG) == pid)
			return signal;
		got = sigwaitinfo(set, NULL);
		if (got > 0 && got != SIGCHLD) {
			signal = got;
			(void)kill(pid, SIGTERM);
		}
	}
}

/* Do the bells that the guest rang add up with those that arrived? The device
 * may leave some in the ring when the guest ends, never find more. */
static bool adds_up(const struct result *r, struct complaint *c)
{
	const bool has_ring = r->kind != RF_DOORBELL_IOEVENTFD;

	if (r->foreign) {
		(void)complain(c, "%" PRIu64 " entries of another zone",
			       r->foreign);
		return false;
	}
	/* Counters are what a process that may lie left us: no sum of them,
	 * which could wrap. */
	if (r->entries > r->doorbells || r->kicks > r->doorbells - r->entries ||
	    (has_ring ? r->entries : r->kicks) == 0) {
		(void)complain(c,
			       "%" PRIu64 " doorbells, but %" PRIu64
			       " entries and %" PRIu64 " kicks",
			       r->doorbells, r->entries, r->kicks);
		return false;
	}
	if (r->kind == RF_DOORBELL_EXIT && r->exits_notify != r->doorbells) {
		(void)complain(c,
			       "%" PRIu64 " doorbells, but %" PRIu64 " exits",
			       r->doorbells, r->exits_notify);
		return false;
	}
	return true;
}

static void judge(struct row *row, int wstatus, int disk)
{
	const struct result *r = &row->r;
	struct complaint c = { "" };
	const uint64_t want = scratch_compared_bytes(DISK_BYTES, ROUNDS);

	row->ok = false;
	(void)complain(&c, "ok");
	if (!WIFEXITED(wstatus))
		(void)complain(&c, "launcher killed by signal %d",
			       WTERMSIG(wstatus));
	else if (!r->filled)
		(void)complain(&c, "did not start");
	else if (r->status != 0)
		(void)complain(&c, "status %d", r->status);
	else if (r->compared < want)
		(void)complain(
			&c, "compared %" PRIu64 " bytes, fewer than %" PRIu64,
			r->compared, want);
	else if (scratch_check(disk, ROUNDS, &c) == 0 && adds_up(r, &c))
		row->ok = true;
	(void)snprintf(row->verdict, sizeof(row->verdict), "%.190s",
		       row->ok ? "ok" : c.text);
}

static struct result *share_result(void)
{
	void *map = mmap(NULL, sizeof(struct result), PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	return map == MAP_FAILED ? NULL : map;
}

/* One kind, from fork to verdict. Returns the signal that ended us, or 0. */
static int run_kind(struct row *row, const struct wish *wish,
		    enum rf_doorbell_kind kind, const sigset_t *set)
{
	struct result *shared = share_result();
	const pid_t us = getpid();
	struct complaint c = { "" };
	const char *where;
	rf_autofd disk = -1;
	int wstatus = 0;
	int signal = 0;
	pid_t pid;

	row->ran = true;
	if (!shared || scratch_open(DISK_BYTES, &disk, &where, &c) < 0) {
		(void)snprintf(row->verdict, sizeof(row->verdict), "%.190s",
			       shared ? c.text : strerror(errno));
		return 0;
	}
	(void)printf("\n== doorbell %s; scratch disk: %s\n", row->kind, where);
	(void)fflush(stdout);
	pid = fork();
	if (pid == 0)
		_exit(run_one(wish, kind, disk, us, shared));
	if (pid > 0) {
		signal = wait_for(pid, &wstatus, set);
		row->r = *shared;
		judge(row, wstatus, disk);
	} else {
		(void)snprintf(row->verdict, sizeof(row->verdict),
			       "fork: %.150s", strerror(errno));
	}
	(void)munmap(shared, sizeof(*shared));
	return signal;
}

static double ms(uint64_t ns)
{
	return (double)ns / 1e6;
}

static const char *per_request(const struct result *r, char text[16])
{
	double value;

	(void)snprintf(text, 16, "?");
	if (report_exits_per_request(r->exits_mmio, r->exits_setup, r->requests,
				     &value))
		(void)snprintf(text, 16, "%.2f", value);
	return text;
}

static void print_table(const struct row *rows, size_t nr)
{
	char exits[16];
	size_t i;

	(void)printf("\n%-11s %9s %8s %6s %6s %9s %8s %10s %17s  %s\n", "kind",
		     "doorbells", "entries", "kicks", "exits", "compared",
		     "exits/io", "time", "start-up vmm, blk", "verdict");
	for (i = 0; i < nr; i++) {
		const struct result *r = &rows[i].r;

		if (!rows[i].ran) {
			(void)printf("%-11s not here: %s\n", rows[i].kind,
				     rows[i].verdict);
			continue;
		}
		(void)printf("%-11s %9" PRIu64 " %8" PRIu64 " %6" PRIu64
			     " %6" PRIu64 " %9" PRIu64
			     " %8s %7.1f ms %6.1f, %5.1f ms  %s\n",
			     rows[i].kind, r->doorbells, r->entries, r->kicks,
			     r->exits_notify, r->compared,
			     per_request(r, exits), ms(r->run_ns),
			     ms(r->vmm_ns), ms(r->blk_ns), rows[i].verdict);
	}
}

static int run_all(const struct wish *wish)
{
	static struct host host;
	static struct row rows[RF_DOORBELL_NR_KINDS];
	bool all_ok = true;
	int signal = 0;
	sigset_t set;
	size_t i;

	host_look(&host);
	if (wish->accel == SETTINGS_ACCEL_KVM && !host.kvm.there) {
		say("demo: %s; or say --accel none", host.kvm.text);
		return SAY_FAILED;
	}
	if (wish->accel == SETTINGS_ACCEL_NONE)
		rf_doorbell_probe(-1, &host.doorbells);
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGCHLD);
	(void)sigaddset(&set, SIGINT);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGHUP);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	for (i = 0; i < RF_ARRAY_LEN(order) && !signal; i++) {
		struct row *row = &rows[i];

		row->kind = rf_doorbell_kind_name(order[i]);
		if (host.doorbells.works[order[i]]) {
			signal = run_kind(row, wish, order[i], &set);
			all_ok = all_ok && row->ok;
			continue;
		}
		(void)snprintf(row->verdict, sizeof(row->verdict), "%s",
			       host.doorbells.why[order[i]]);
		(void)printf("\n== doorbell %s: not here: %s\n", row->kind,
			     row->verdict);
	}
	print_table(rows, i);
	if (signal)
		return 128 + signal;
	return all_ok ? SAY_OK : SAY_FAILED;
}

int cmd_demo(int argc, char *const *argv)
{
	static struct settings s;
	struct complaint c = { "" };
	struct option o = { 0, "" };
	int at = 0;
	int ret;

	settings_defaults(&s);
	while ((ret = options_next(argc, argv, &at, specs, RF_ARRAY_LEN(specs),
				   &o, &c)) > 0) {
		if (o.id == OPT_HELP) {
			(void)fputs(demo_help, stdout);
			return SAY_OK;
		}
		if (o.id == OPT_ACCEL)
			ret = settings_accel(&s, "--accel", o.value, &c);
		else if (o.id == OPT_REGISTERS)
			ret = settings_registers(&s, "--registers", o.value,
						 &c);
		else
			ret = complain(&c, "takes no \"%.40s\"", o.value);
		if (ret < 0)
			break;
	}
	if (ret < 0) {
		say("demo: %s", c.text);
		return SAY_USAGE;
	}
	return run_all(&(struct wish){ s.accel, s.registers });
}
