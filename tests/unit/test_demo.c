/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * test_demo.c - twin of src/launcher/demo.c: a run says ok only if every number
 * adds up
 *
 * In the place of run_vm() stands a run that leaves what the test says: counts,
 * an image and a status, from the forked launcher as the real one would.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "driver/plan.h"
#include "launcher/host.h"
#include "launcher/run.h"
#include "launcher/scratch.h"
#include "unit/unit.h"

#define BYTES (2u << 20)
#define ROUNDS 2u

/* The run that is played. */
static struct {
	uint64_t doorbells, entries, kicks, foreign, exits, compared;
	uint64_t exits_mmio;
	enum settings_registers registers;
	bool spoil_image;
	bool no_device_report;
	int status;
	int die_by;
	int refuse; /* images_open() fails */
} play;

static struct rf_report pages[2];
static struct host played_host;

void __wrap_host_look(struct host *out);
int __wrap_images_open(const struct settings *s, struct images *im,
		       struct complaint *c);
int __wrap_run_vm(struct vm *vm, const struct settings *s, struct images *im);

void __wrap_host_look(struct host *out)
{
	*out = played_host;
}

int __wrap_images_open(const struct settings *s, struct images *im,
		       struct complaint *c)
{
	(void)s;
	memset(im, 0, sizeof(*im));
	if (play.refuse)
		return complain(c, "no image today");
	return 0;
}

static void write_image(int fd)
{
	struct plan_extent extents[PLAN_EXTENTS_MAX];
	uint32_t words[PLAN_SECTOR_WORDS];
	uint32_t round, nr, i, j;

	for (round = 0; round < ROUNDS; round++) {
		nr = plan_round(BYTES / PLAN_SECTOR_BYTES, round, extents);
		for (i = 0; i < nr; i++)
			for (j = 0; j < extents[i].nr_sectors; j++) {
				uint64_t sector = extents[i].sector + j;

				plan_fill(words, plan_seed(sector, round, 0));
				(void)!pwrite(fd, words, sizeof(words),
					      (off_t)(sector * sizeof(words)));
			}
	}
	if (play.spoil_image)
		(void)!pwrite(fd, "x", 1, 12345);
}

int __wrap_run_vm(struct vm *vm, const struct settings *s, struct images *im)
{
	(void)im;
	if (play.die_by)
		(void)raise(play.die_by);
	write_image(s->disks[0].fd);
	vm->nr = 2;
	vm->doorbell = (uint32_t)s->doorbell;
	vm->procs[0].report = &pages[0];
	vm->procs[1].report = play.no_device_report ? NULL : &pages[1];
	pages[0].notified = play.doorbells;
	pages[0].compared_bytes = play.compared;
	pages[0].exits_notify = play.exits;
	pages[0].exits_setup = 30;
	pages[0].exits_mmio = play.exits_mmio;
	pages[1].requests = 40;
	if (s->registers != play.registers)
		play.status = 9;
	pages[1].ring_entries = play.entries;
	pages[1].kicks = play.kicks;
	pages[1].foreign = play.foreign;
	vm->end_ns = 5000000;
	return play.status;
}

/* A good run by the kinds with a ring but `exit`. */
static void setup(enum rf_doorbell_kind kind)
{
	uint32_t i;

	memset(&play, 0, sizeof(play));
	play.doorbells = 100;
	play.entries = 90;
	play.kicks = 5;
	play.compared = scratch_compared_bytes(BYTES, ROUNDS);
	if (kind == RF_DOORBELL_EXIT)
		play.exits = 100;
	if (kind == RF_DOORBELL_IOEVENTFD)
		play.entries = 0;
	memset(&played_host, 0, sizeof(played_host));
	played_host.kvm.there = true;
	for (i = 0; i < RF_DOORBELL_NR_KINDS; i++)
		memcpy(played_host.doorbells.why[i], "absent", 7);
	played_host.doorbells.works[kind] = true;
}

static char said[8192];

/* What it prints goes to `said`. */
static int demo(const char *a, const char *b)
{
	const char *argv[] = { a, b, NULL };
	int out = memfd_create("out", MFD_CLOEXEC);
	ssize_t n;
	int ret;

	ck_assert_int_ge(out, 0);
	(void)fflush(stdout);
	ck_assert_int_eq(dup2(out, STDOUT_FILENO), STDOUT_FILENO);
	ck_assert_int_eq(dup2(out, STDERR_FILENO), STDERR_FILENO);
	ret = cmd_demo(!!a + !!b, (char *const *)(uintptr_t)argv);
	(void)fflush(stdout);
	n = pread(out, said, sizeof(said) - 1, 0);
	ck_assert_int_ge(n, 0);
	said[n] = '\0';
	(void)close(out);
	return ret;
}

static bool has_said(const char *what)
{
	return strstr(said, what) != NULL;
}

static void is_judged(const char *verdict)
{
	ck_assert_int_eq(demo(NULL, NULL), SAY_FAILED);
	ck_assert_msg(has_said(verdict), "not \"%s\" in: %s", verdict, said);
	ck_assert_msg(!has_said("  ok\n"), "%s", said);
}

START_TEST(a_run_that_adds_up_is_ok_by_every_kind)
{
	int kind;

	for (kind = 0; kind < RF_DOORBELL_NR_KINDS; kind++) {
		setup((enum rf_doorbell_kind)kind);
		ck_assert_msg(demo(NULL, NULL) == SAY_OK, "%s", said);
		ck_assert_msg(has_said("  ok\n"), "%s", said);
		/* The others are named with their reason, and no failure. */
		ck_assert(has_said("not here: absent"));
		ck_assert(has_said("ms"));
	}
}
END_TEST

START_TEST(bells_may_be_left_in_the_ring_but_not_be_found)
{
	setup(RF_DOORBELL_COALESCED2);
	play.entries = 1;
	play.kicks = 0;
	ck_assert_int_eq(demo(NULL, NULL), SAY_OK);
	play.entries = 100;
	ck_assert_int_eq(demo(NULL, NULL), SAY_OK);
	play.kicks = 1;
	is_judged("100 doorbells, but 100 entries and 1 kicks");
	play.kicks = 0;
	play.entries = 101;
	is_judged("100 doorbells, but 101 entries and 0 kicks");
	/* A sum that wraps to what was rung. */
	play.entries = UINT64_MAX;
	play.kicks = 51;
	is_judged("51 kicks");
}
END_TEST

START_TEST(bells_must_come_the_way_they_are_said_to)
{
	setup(RF_DOORBELL_COALESCED2);
	play.entries = 0;
	play.kicks = 90;
	is_judged("0 entries and 90 kicks");
	setup(RF_DOORBELL_COALESCED);
	play.entries = 0;
	is_judged("0 entries");
	setup(RF_DOORBELL_IOEVENTFD);
	play.entries = 90;
	play.kicks = 0;
	is_judged("90 entries and 0 kicks");
	setup(RF_DOORBELL_COALESCED2);
	play.doorbells = play.entries = play.kicks = 0;
	is_judged("0 doorbells");
	setup(RF_DOORBELL_EXIT);
	play.exits = 99;
	is_judged("100 doorbells, but 99 exits");
	play.exits = 101;
	is_judged("100 doorbells, but 101 exits");
}
END_TEST

START_TEST(entries_of_another_zone_are_no_ok)
{
	setup(RF_DOORBELL_COALESCED2);
	play.foreign = 1;
	is_judged("1 entries of another zone");
}
END_TEST

START_TEST(the_guests_word_is_not_enough)
{
	setup(RF_DOORBELL_EXIT);
	play.spoil_image = true;
	is_judged("sector 24 ");
	play.spoil_image = false;
	play.compared--;
	is_judged("bytes, fewer than");
}
END_TEST

START_TEST(a_run_that_fails_is_told_how)
{
	setup(RF_DOORBELL_EXIT);
	play.status = 3;
	is_judged("status 3");
	setup(RF_DOORBELL_EXIT);
	play.die_by = SIGKILL;
	is_judged("launcher killed by signal 9");
	setup(RF_DOORBELL_EXIT);
	play.refuse = true;
	is_judged("did not start");
	ck_assert(has_said("no image today"));
	setup(RF_DOORBELL_COALESCED2);
	play.no_device_report = true;
	is_judged("0 entries and 0 kicks");
}
END_TEST

/* Good runs before and behind it must not hide it. */
START_TEST(one_bad_run_fails_all)
{
	setup(RF_DOORBELL_COALESCED2);
	/* In the middle. No exits: wrong for this one, right for the others. */
	played_host.doorbells.works[RF_DOORBELL_EXIT] = true;
	played_host.doorbells.works[RF_DOORBELL_IOEVENTFD] = true;
	ck_assert_int_eq(demo(NULL, NULL), SAY_FAILED);
	ck_assert_msg(has_said("  ok\n"), "%s", said);
	ck_assert(has_said("100 doorbells, but 0 exits"));
}
END_TEST

START_TEST(without_kvm_only_exit_is_left)
{
	setup(RF_DOORBELL_COALESCED2);
	play.exits = 100;
	ck_assert_msg(demo("--accel", "none") == SAY_OK, "%s", said);
	ck_assert(has_said("== doorbell exit;"));
	ck_assert(has_said("== doorbell coalesced2: not here"));
	memcpy(played_host.kvm.text, "no such door", 13);
	played_host.kvm.there = false;
	ck_assert_int_eq(demo("--accel", "kvm"), SAY_FAILED);
	ck_assert(has_said("no such door"));
	ck_assert(!has_said("== doorbell"));
}
END_TEST

START_TEST(wrong_words_start_nothing)
{
	static const char *const wrong[][2] = {
		{ "--accel", "fast" }, { "--accel", NULL },  { "--speed", "9" },
		{ "exit", NULL },      { "--accel=", NULL },
	};
	size_t i;

	setup(RF_DOORBELL_EXIT);
	for (i = 0; i < RF_ARRAY_LEN(wrong); i++) {
		ck_assert_int_eq(demo(wrong[i][0], wrong[i][1]), SAY_USAGE);
		ck_assert(has_said("ringfence: demo: "));
		ck_assert(!has_said("== doorbell"));
	}
	ck_assert_int_eq(demo("--help", NULL), SAY_OK);
	ck_assert(has_said("usage: ringfence demo"));
}
END_TEST

START_TEST(exits_are_shown_for_each_request)
{
	setup(RF_DOORBELL_COALESCED2);
	play.exits_mmio = 50; /* 30 of them before the driver ran */
	ck_assert_int_eq(demo(NULL, NULL), 0);
	ck_assert(has_said("exits/io"));
	ck_assert(has_said(" 0.50 "));
	setup(RF_DOORBELL_COALESCED2);
	play.exits_mmio = 29; /* nonsense */
	ck_assert_int_eq(demo(NULL, NULL), 0);
	ck_assert(has_said(" ? "));
}
END_TEST

START_TEST(registers_are_read_as_it_was_told)
{
	setup(RF_DOORBELL_COALESCED2);
	ck_assert_int_eq(demo("--registers", "pages"), SAY_USAGE);
	ck_assert_int_eq(demo("--registers", "exit"), SAY_FAILED);
	play.registers = SETTINGS_REGISTERS_EXIT;
	ck_assert_int_eq(demo("--registers", "exit"), 0);
	ck_assert_int_eq(demo(NULL, NULL), SAY_FAILED);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		a_run_that_adds_up_is_ok_by_every_kind,
		bells_may_be_left_in_the_ring_but_not_be_found,
		bells_must_come_the_way_they_are_said_to,
		entries_of_another_zone_are_no_ok,
		the_guests_word_is_not_enough,
		a_run_that_fails_is_told_how,
		one_bad_run_fails_all,
		without_kvm_only_exit_is_left,
		wrong_words_start_nothing,
		exits_are_shown_for_each_request,
		registers_are_read_as_it_was_told,
	};

	return unit_run("demo", tests, RF_ARRAY_LEN(tests));
}
