/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * test_hung_disk.c - a guest resets a disk that does not answer
 *
 * The process is stopped, or waits for a disk that is slow beyond measure. The
 * guest has reads there, resets, and from the moment its reset is over it looks
 * whether they still land in its memory. All of it is real: launcher, vCPU
 * process, fences, and the built-in guest or its stand-in.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "driver/guest.h"
#include "process/launcher_rig.h"
#include "process/slow_disk.h"
#include "unit/unit.h"

#define RESET " --append rf.mode=reset"
#define KEEP " --on-device-death keep"
#define ABOUT "disk0: about to be reset, round 1"
#define DONE "disk0: was reset, round 1"

static struct rig rig;

static bool is_there(pid_t pid)
{
	return kill(pid, 0) == 0;
}

static pid_t stop_disk(void)
{
	pid_t disk;

	rig_await(&rig, ABOUT);
	disk = rig_child(&rig, "ringfence-blk");
	ck_assert_int_eq(kill(disk, SIGSTOP), 0);
	ck_assert(!rig_says(&rig, DONE));
	return disk;
}

static void keep(const char *how)
{
	char line[256];
	pid_t disk;
	int status;

	rig_setup();
	(void)snprintf(line, sizeof(line), "run --disk DISK" RESET KEEP " %s",
		       how);
	rig_start(&rig, line);
	disk = stop_disk();
	rig_await(&rig, DONE);
	/* The guest took its reset for done just now. */
	ck_assert_msg(!is_there(disk), "%s: the process lives:\n%s", how,
		      rig.text);
	status = rig_end(&rig);
	/* The driver goes on, and finds that nobody is there. */
	ck_assert_msg(status == GUEST_BAD_DEVICE, "%s: status %d:\n%s", how,
		      status, rig.text);
	ck_assert(rig_says(&rig, "the reset waits for its end"));
	ck_assert(rig_says(&rig, "serves nobody any more"));
	ck_assert(rig_says(&rig, "blk[0]: the guest runs on without it"));
	ck_assert(rig_says(&rig, "after DRIVER_OK"));
	rig_teardown();
}

START_TEST(a_stand_in_resets_it_when_it_is_dead)
{
	keep("--accel none");
}
END_TEST

START_TEST(a_guest_resets_it_when_it_is_dead)
{
	if (!rig_has_kvm())
		return;
	keep("--registers page");
	keep("--registers exit");
}
END_TEST

static void end(const char *how)
{
	char line[256];
	pid_t disk;

	rig_setup();
	(void)snprintf(line, sizeof(line), "run --disk DISK" RESET " %s", how);
	rig_start(&rig, line);
	disk = stop_disk();
	ck_assert_int_eq(rig_end(&rig), 1);
	ck_assert(!is_there(disk));
	ck_assert_msg(!rig_says(&rig, DONE), "%s", rig.text);
	ck_assert(rig_says(&rig, "serves nobody any more"));
	rig_teardown();
}

START_TEST(where_all_ends_with_it_the_reset_never_does)
{
	end("--accel none");
	if (rig_has_kvm())
		end("");
}
END_TEST

START_TEST(a_disk_that_answers_is_reset_under_its_reads)
{
	rig_setup();
	ck_assert_int_eq(rig_run(&rig, "run --disk DISK" RESET), 0);
	ck_assert(rig_says(&rig, "disk0: was reset, round 2"));
	ck_assert(rig_says(&rig, "all compared"));
	rig_teardown();
}
END_TEST

/* --- a slow disk -------------------------------------------------------- */

/* Holes are read without a disk. */
static void fill_disk(void)
{
	int fd = open(rig_path("disk"), O_WRONLY | O_CLOEXEC);
	static char bytes[65536];

	memset(bytes, 0x33, sizeof(bytes));
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, bytes, sizeof(bytes)), sizeof(bytes));
	ck_assert_int_eq(fsync(fd), 0);
	(void)close(fd);
}

/* The round that the guest is in. */
static unsigned last_round(void)
{
	static const char about[] = "disk0: about to be reset, round ";
	const char *at = rig.text;
	unsigned nr = 0;

	while ((at = strstr(at, about))) {
		at += strlen(about);
		nr++;
	}
	return nr;
}

/* There are more rounds than one to meet the limit in. The reads of the guest,
 * 32 KiB, then take eleven seconds. */
static void be_slow(const char *io, bool outlives)
{
	struct slow_disk slow;
	char text[256];
	char done[64];
	pid_t disk;
	int status;

	rig_setup();
	fill_disk();
	if (!slow_disk_make(&slow, rig_path("disk"))) {
		rig_teardown();
		return;
	}
	(void)snprintf(text, sizeof(text),
		       "run --disk DISK,direct,io=%s --config DIR/vm.json", io);
	rig_write("vm.json", "{\"accel\": \"none\", "
			     "\"on_device_death\": \"keep\", "
			     "\"append\": \"rf.mode=reset rf.timeout=40 "
			     "rf.rounds=9\"}");
	rig_start(&rig, text);
	rig_await(&rig, ABOUT);
	disk = rig_child(&rig, "ringfence-blk");
	ck_assert(slow_disk_add(&slow, disk));
	rig_await(&rig, "serves nobody any more");
	(void)snprintf(done, sizeof(done), "disk0: was reset, round %u",
		       last_round());
	if (outlives) {
		/* The process is gone, what it asked for is not. */
		ck_assert(rig_is_gone(disk));
		ck_assert_msg(!rig_says(&rig, done), "%s", rig.text);
	}
	rig_await(&rig, done);
	ck_assert(!is_there(disk));
	/* Not GUEST_NO_RESET: nothing has landed since. */
	status = rig_end(&rig);
	ck_assert_msg(status == GUEST_BAD_DEVICE, "%s: status %d:\n%s", io,
		      status, rig.text);
	slow_disk_drop(&slow);
	rig_teardown();
}

START_TEST(reads_that_outlive_the_process_are_waited_for)
{
	be_slow("uring", true);
}
END_TEST

/* There the process outlives its being killed. */
START_TEST(reads_that_hold_the_process_are_waited_for)
{
	be_slow("sync", false);
}
END_TEST

/* What is not tested here; said by nobody else, for each test runs in a process
 * of its own. */
static void say_what_is_left_out(void)
{
	slow_disk_tell("hung_disk");
	if (!rig_has_kvm())
		printf("skipped: hung_disk, a guest: needs /dev/kvm\n");
	(void)fflush(stdout);
}

int main(void)
{
	const TTest *const tests[] = {
		a_disk_that_answers_is_reset_under_its_reads,
		a_stand_in_resets_it_when_it_is_dead,
		a_guest_resets_it_when_it_is_dead,
		where_all_ends_with_it_the_reset_never_does,
		reads_that_outlive_the_process_are_waited_for,
		reads_that_hold_the_process_are_waited_for,
	};
	const char *why = rig_why_not();

	if (why)
		return unit_skip("hung_disk", why);
	say_what_is_left_out();
	return unit_run("hung_disk", tests, RF_ARRAY_LEN(tests));
}
