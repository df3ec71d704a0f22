/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * test_launcher_rogue.c - the launcher over processes that were taken over
 *
 * The real `ringfence` in a directory where ringfence-vmm or ringfence-blk is
 * rogue.c. Whatever that one does: the launcher says what it was, ends with
 * the right status and in time, and leaves nothing.
 */
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "process/launcher_rig.h"
#include "unit/unit.h"

#define BUILT RF_TEST_BIN_DIR

static struct rig rig;

/* `rogue` takes the place of one of the two. */
static void setup(const char *rogue)
{
	static const char *const names[] = { "ringfence", "ringfence-vmm",
					     "ringfence-blk" };
	static char program[256];
	char from[512];
	size_t i;

	rig_setup();
	for (i = 0; i < RF_ARRAY_LEN(names); i++) {
		(void)snprintf(from, sizeof(from), "%s/%s", BUILT, names[i]);
		rig_copy(strcmp(names[i], rogue) == 0 ? RF_TEST_ROGUE : from,
			 names[i]);
	}
	(void)snprintf(program, sizeof(program), "%s", rig_path("ringfence"));
	rig = (struct rig){ .program = program };
}

static void vmm_does(const char *act, int status, const char *says)
{
	char line[128];
	int got;

	setup("ringfence-vmm");
	(void)snprintf(line, sizeof(line),
		       "run --disk DISK --accel none --append %s", act);
	got = rig_run(&rig, line);
	ck_assert_msg(got == status, "%s: status %d, not %d:\n%s", act, got,
		      status, rig.text);
	ck_assert_msg(rig_says(&rig, says), "%s: lacks %s:\n%s", act, says,
		      rig.text);
	rig_teardown();
}

START_TEST(a_call_that_a_filter_kills_for_is_named)
{
	vmm_does("socket", 1, "killed by its filter: syscall 41 (socket)\n");
}
END_TEST

START_TEST(the_thread_that_made_it_is_named_too)
{
	vmm_does("thread", 1,
		 "killed by its filter: syscall 41 (socket), "
		 "thread ");
	ck_assert_msg(rig_says(&rig, "vmm (pid "), "%s", rig.text);
}
END_TEST

START_TEST(messages_that_are_none_end_it)
{
	vmm_does("garbage", 1, "no message of ours on its socket");
	vmm_does("no-device", 1, "a message out of its order");
	vmm_does("early-end", 1, "a message out of its order");
	vmm_does("ready-twice", 1, "a message out of its order");
	vmm_does("ready-unprepared", 1, "a message out of its order");
	vmm_does("prepared-twice", 1, "a message out of its order");
}
END_TEST

START_TEST(a_socket_that_is_closed_is_noticed)
{
	vmm_does("mute", 1, "closed its socket, but lives on");
	vmm_does("running-mute", 1, "closed its socket, but lives on");
}
END_TEST

START_TEST(an_end_without_a_word_is_a_failure)
{
	uint64_t start = rf_clock_ns();

	vmm_does("status-3", 1, "vmm (pid ");
	/* Its device saw the end of file and left: nothing was waited for. */
	ck_assert_uint_lt(rf_clock_ns() - start, 1500000000);
	ck_assert(rig_says(&rig, "ended with status 3"));
	vmm_does("status-0", 1, "ended with status 0, though nobody asked");
}
END_TEST

START_TEST(who_ended_but_does_not_leave_is_made_to)
{
	vmm_does("never-leaves", 7, "");
	ck_assert_msg(!rig_says(&rig, "killed"), "%s", rig.text);
}
END_TEST

/* The device is alive, and the vCPU process says that it is not. */
START_TEST(a_slandered_device_is_ended_with_the_guest)
{
	vmm_does("slander", 1, "blk[0] (pid ");
	ck_assert_msg(rig_says(&rig, "serves nobody any more"), "%s", rig.text);
}
END_TEST

START_TEST(a_flood_of_messages_does_not_drown_a_signal)
{
	setup("ringfence-vmm");
	rig_start(&rig, "run --disk DISK --accel none --append flood --who "
			"--on-device-death keep");
	rig_await(&rig, "blk[0] ");
	(void)usleep(300000);
	ck_assert_int_eq(kill(rig.pid, SIGTERM), 0);
	ck_assert_int_eq(rig_end(&rig), 128 + SIGTERM);
	rig_teardown();
}
END_TEST

static void blk_does(const char *act, const char *says)
{
	char config[256];

	setup("ringfence-blk");
	(void)snprintf(config, sizeof(config),
		       "{\"accel\": \"none\", \"disks\": [{\"path\": \"%s\", "
		       "\"serial\": \"%s\"}]}",
		       rig_path("disk"), act);
	rig_write("vm.json", config);
	ck_assert_int_eq(rig_run(&rig, "run --config DIR/vm.json"), 1);
	ck_assert_msg(rig_says(&rig, says), "%s: lacks %s:\n%s", act, says,
		      rig.text);
	rig_teardown();
}

START_TEST(a_device_that_dies_on_its_way_is_named)
{
	blk_does("socket", "killed by its filter: syscall 41 (socket)");
	blk_does("status-3", "blk[0] (pid ");
	ck_assert_msg(rig_says(&rig, "ended with status 3"), "%s", rig.text);
	blk_does("status-0", "vmm (pid ");
}
END_TEST

/* Accepts the connection, never answers. */
START_TEST(a_device_that_says_nothing_does_not_hold_us_up_for_ever)
{
	blk_does("nothing", "vmm (pid ");
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		a_call_that_a_filter_kills_for_is_named,
		the_thread_that_made_it_is_named_too,
		messages_that_are_none_end_it,
		a_socket_that_is_closed_is_noticed,
		an_end_without_a_word_is_a_failure,
		who_ended_but_does_not_leave_is_made_to,
		a_slandered_device_is_ended_with_the_guest,
		a_flood_of_messages_does_not_drown_a_signal,
		a_device_that_dies_on_its_way_is_named,
		a_device_that_says_nothing_does_not_hold_us_up_for_ever,
	};
	const char *why = rig_why_not();

	if (why)
		return unit_skip("launcher_rogue", why);
	return unit_run("launcher_rogue", tests, RF_ARRAY_LEN(tests));
}
