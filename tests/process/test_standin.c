/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * test_standin.c - the vCPU process without KVM: same devices, same fences
 *
 * Runs everywhere. The registers, the queues, the sockets, the disk process and
 * every filter are the real ones; only the processor is missing.
 */
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <ringfence/doorbell.h>

#include "driver/guest.h"
#include "driver/plan.h"
#include "kvm/machine.h"
#include "unit/unit.h"

static struct machine machine;

static void run(const char *cmdline, uint32_t nr_disks, bool read_only)
{
	const struct machine_params p = {
		.accel = "none",
		.cmdline = cmdline,
		.kernel = -1,
		.nr_disks = nr_disks,
		.read_only = read_only,
	};

	machine_run(&machine, &p);
	ck_assert_msg(machine.ended, "console:\n%s\nlog:\n%s",
		      machine.console.text, machine.log.text);
	ck_assert(machine.vmm.end.exited);
	ck_assert_int_eq(machine.vmm.end.status, 0);
	ck_assert(machine_said(&machine.log, "a stand-in drives the devices"));
	ck_assert_uint_eq(machine.doorbell_kind, RF_DOORBELL_EXIT);
}

static void expect_compared(const char *lines)
{
	ck_assert_msg(machine.status == GUEST_OK, "console:\n%s\nlog:\n%s",
		      machine.console.text, machine.log.text);
	ck_assert_msg(machine_said(&machine.console, lines), "console:\n%s",
		      machine.console.text);
	ck_assert(machine_said(&machine.console, "\nall compared\n"));
	ck_assert_uint_gt(machine.report->compared_bytes, 0);
	ck_assert_uint_gt(machine.report->notified, 0);
	/* Each notify write was taken in by the doorbell, none by KVM. */
	ck_assert_uint_eq(machine.report->exits_notify,
			  machine.report->notified);
	ck_assert_uint_eq(machine.report->exits, 0);
}

/* What the last round says stands in the image. */
static void check_image(uint32_t disk, uint32_t round)
{
	struct plan_extent extents[PLAN_EXTENTS_MAX];
	uint32_t want[PLAN_SECTOR_WORDS], found[PLAN_SECTOR_WORDS];
	uint32_t nr = plan_round(MACHINE_DISK_BYTES / 512, round, extents);
	uint32_t i, k;

	for (i = 0; i < nr; i++)
		for (k = 0; k < extents[i].nr_sectors; k++) {
			uint64_t sector = extents[i].sector + k;

			plan_fill(want, plan_seed(sector, round, disk));
			ck_assert_int_eq(pread(machine.images[disk], found,
					       sizeof(found),
					       (off_t)(sector * 512)),
					 sizeof(found));
			ck_assert_mem_eq(found, want, sizeof(want));
		}
}

START_TEST(a_disk_is_compared_through_interrupts)
{
	run("rf.rounds=2", 1, false);
	expect_compared("disk0: 2048 sectors, irq 5\n");
	ck_assert(machine_said(&machine.console, "disk0: flushed\n"));
	check_image(0, 1);
	machine_stop(&machine);
}
END_TEST

START_TEST(three_disks_are_compared_by_polling)
{
	run("rf.mode=poll rf.rounds=1", 3, false);
	expect_compared("disk2: 2048 sectors, polled\n");
	check_image(0, 0);
	check_image(1, 0);
	check_image(2, 0);
	machine_stop(&machine);
}
END_TEST

START_TEST(a_read_only_disk_is_read_twice)
{
	run("rf.rounds=1", 1, true);
	expect_compared("twice the same\n");
	machine_stop(&machine);
}
END_TEST

START_TEST(a_lie_ends_in_a_reset_and_service)
{
	run("rf.mode=lie rf.rounds=1", 1, false);
	expect_compared("disk0: device asked for a reset, and serves again\n");
	ck_assert(machine_said(&machine.log, "queue 0 is broken"));
	machine_stop(&machine);
}
END_TEST

START_TEST(more_doorbells_than_the_ring_holds_are_all_counted)
{
	run("rf.mode=doorbell rf.writes=5000", 1, false);
	ck_assert_uint_eq(machine.status, GUEST_OK);
	ck_assert_uint_eq(machine.report->notified, 5000);
	ck_assert_uint_eq(machine.report->exits_notify, 5000);
	machine_stop(&machine);
}
END_TEST

START_TEST(words_that_are_not_understood_end_it)
{
	run("rf.mode=nonsense", 1, false);
	ck_assert_uint_eq(machine.status, GUEST_BAD_CMDLINE);
	machine_stop(&machine);
	run("", 0, false);
	ck_assert_uint_eq(machine.status, GUEST_NO_DISK);
	machine_stop(&machine);
}
END_TEST

START_TEST(a_disk_that_dies_is_told_to_driver_and_launcher)
{
	const struct machine_params p = {
		.accel = "none",
		.cmdline = "rf.rounds=1000000",
		.kernel = -1,
		.nr_disks = 1,
	};

	machine_start(&machine, &p);
	machine_go(&machine);
	usleep(20000);
	ck_assert_int_eq(kill(machine.disks[0].pid, SIGKILL), 0);
	ck_assert(machine_wait(&machine, &machine.vmm.ended));
	ck_assert_uint_eq(machine.gone, 1);
	ck_assert(machine.ended);
	ck_assert_uint_eq(machine.status, GUEST_NEEDS_RESET);
	machine_stop(&machine);
}
END_TEST

/* How many threads /proc shows, and how many of them say this of themselves. */
static void count_threads(pid_t pid, const char *line, int *all, int *saying)
{
	char path[300], text[4096];
	struct dirent *entry;
	DIR *dir;
	FILE *f;

	*all = 0;
	*saying = 0;
	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	dir = opendir(path);
	ck_assert_ptr_nonnull(dir);
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/proc/%d/task/%s/status",
			 (int)pid, entry->d_name);
		f = fopen(path, "re");
		ck_assert_ptr_nonnull(f);
		text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
		fclose(f);
		(*all)++;
		*saying += strstr(text, line) != NULL;
	}
	closedir(dir);
}

/* All of ours, that is: a sanitizer may have one of its own, which it started
 * before main(). */
static void expect_threads(pid_t pid, int nr, const char *line)
{
	int all, saying;

	count_threads(pid, line, &all, &saying);
#ifdef RF_SANITIZED
	ck_assert_int_ge(all, nr);
	ck_assert_msg(saying >= nr, "%d of %d: %s", saying, all, line);
#else
	ck_assert_int_eq(all, nr);
	ck_assert_msg(saying == nr, "%d of %d: %s", saying, all, line);
#endif
}

START_TEST(when_it_is_ready_every_thread_is_behind_its_filter)
{
	static const char *const lines[] = {
		"\nSeccomp:\t2\n",
		"\nNoNewPrivs:\t1\n",
		"\nCapEff:\t0000000000000000\n",
		"\nCapBnd:\t0000000000000000\n",
	};
	const struct machine_params p = {
		.accel = "none",
		.kernel = -1,
		.nr_disks = 1,
	};
	size_t i;

	machine_start(&machine, &p);
	ck_assert(machine_wait(&machine, &machine.ready));
	for (i = 0; i < RF_ARRAY_LEN(lines); i++) {
		expect_threads(machine.vmm.pid, 2, lines[i]);
		expect_threads(machine.disks[0].pid, 1, lines[i]);
	}
	machine_stop(&machine);
}
END_TEST

START_TEST(an_idle_one_waits_until_its_launcher_goes)
{
	const struct machine_params p = {
		.accel = "none",
		.cmdline = "rf.mode=idle",
		.kernel = -1,
		.nr_disks = 1,
	};

	machine_start(&machine, &p);
	machine_go(&machine);
	while (!machine_said(&machine.console, "idle\n")) {
		bool once = true;

		(void)machine_wait(&machine, &once);
		ck_assert(!machine.vmm.ended);
	}
	rf_fd_close(&machine.control);
	ck_assert(machine_wait(&machine, &machine.vmm.ended));
	ck_assert_int_eq(machine.vmm.end.status, 1);
	machine_stop(&machine);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		a_disk_is_compared_through_interrupts,
		three_disks_are_compared_by_polling,
		a_read_only_disk_is_read_twice,
		a_lie_ends_in_a_reset_and_service,
		more_doorbells_than_the_ring_holds_are_all_counted,
		words_that_are_not_understood_end_it,
		a_disk_that_dies_is_told_to_driver_and_launcher,
		when_it_is_ready_every_thread_is_behind_its_filter,
		an_idle_one_waits_until_its_launcher_goes,
	};

	return unit_run("standin", tests, RF_ARRAY_LEN(tests));
}
