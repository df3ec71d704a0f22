/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * rogue.c - a ringfence-vmm or ringfence-blk that has been taken over
 *
 * Started by the real launcher from a directory where it has the name of
 * either; what it does is said by --cmdline or --serial, which the launcher
 * passes on unread.
 *
 * Side:    test, inside of the fence.
 * Owns:    nothing.
 * Callers: tests/process/test_launcher_rogue.c, by way of `ringfence run`.
 * Never:   ends by itself, unless that is the wrong it does.
 */
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <ringfence/doorbell.h>
#include <ringfence/fence.h>

#include "base/launch_proto.h"

static void tell(enum launch_type type, uint32_t value)
{
	const struct launch_msg msg = { .type = type, .value = value };

	(void)send(RF_FD_CONTROL, &msg, sizeof(msg), MSG_NOSIGNAL);
}

static void await_go(void)
{
	struct launch_msg msg;

	(void)recv(RF_FD_CONTROL, &msg, sizeof(msg), 0);
}

static void be_ready(void)
{
	tell(LAUNCH_PREPARED, 0);
	tell(LAUNCH_READY, RF_DOORBELL_EXIT);
	await_go();
}

static void ask_for_a_socket(const struct rf_policy *policy)
{
	if (rf_policy_load(policy) == 0)
		(void)syscall(SYS_socket, AF_INET, SOCK_STREAM, 0);
}

static void *in_a_thread(void *policy)
{
	(void)pthread_setname_np(pthread_self(), "vcpu-rogue");
	tell(LAUNCH_PREPARED, 0);
	tell(LAUNCH_READY, RF_DOORBELL_EXIT);
	await_go();
	ask_for_a_socket(policy);
	return NULL;
}

static void act_as_vmm(const char *act)
{
	pthread_t thread;

	if (strcmp(act, "garbage") == 0)
		(void)send(RF_FD_CONTROL, "xyz", 3, MSG_NOSIGNAL);
	else if (strcmp(act, "early-end") == 0)
		tell(LAUNCH_ENDED, 0);
	else if (strcmp(act, "ready-twice") == 0)
		tell(LAUNCH_PREPARED, 0), tell(LAUNCH_READY, 0),
			tell(LAUNCH_READY, 0);
	else if (strcmp(act, "ready-unprepared") == 0)
		tell(LAUNCH_READY, 0);
	else if (strcmp(act, "prepared-twice") == 0)
		tell(LAUNCH_PREPARED, 0), tell(LAUNCH_PREPARED, 0);
	else if (strcmp(act, "mute") == 0)
		(void)close(RF_FD_CONTROL);
	else if (strcmp(act, "socket") == 0)
		ask_for_a_socket(&rf_policy_vmm);
	else if (strcmp(act, "thread") == 0)
		(void)pthread_create(&thread, NULL, in_a_thread,
				     (void *)(uintptr_t)&rf_policy_vcpu);
	else if (strcmp(act, "status-3") == 0)
		_exit(3);
	else if (strcmp(act, "status-0") == 0)
		be_ready(), _exit(0);
	else if (strcmp(act, "no-device") == 0)
		be_ready(), tell(LAUNCH_DEVICE_GONE, 15);
	else if (strcmp(act, "slander") == 0)
		be_ready(), tell(LAUNCH_DEVICE_GONE, 0);
	else if (strcmp(act, "running-mute") == 0)
		be_ready(), (void)close(RF_FD_CONTROL);
	else if (strcmp(act, "never-leaves") == 0)
		be_ready(), tell(LAUNCH_ENDED, 7);
	else if (strcmp(act, "flood") == 0)
		for (be_ready();;)
			tell(LAUNCH_DEVICE_GONE, 0);
}

static void act_as_blk(const char *act)
{
	if (strcmp(act, "socket") == 0)
		ask_for_a_socket(&rf_policy_blk);
	else if (strcmp(act, "status-3") == 0)
		_exit(3);
	else if (strcmp(act, "status-0") == 0)
		_exit(0);
}

int main(int argc, char **argv)
{
	static const int keep[] = { RF_FD_LOG, RF_FD_CONTROL, RF_FD_REPORT,
				    RF_FD_BACKING, RF_FD_DEVICES };
	const struct rf_fence fence = { .keep = keep,
					.nr_keep = RF_ARRAY_LEN(keep) };
	const char *act = "";
	int i;

	for (i = 1; i + 1 < argc; i++) {
		if (strcmp(argv[i], "--cmdline") == 0 ||
		    strcmp(argv[i], "--serial") == 0)
			act = argv[i + 1];
	}
	rf_fence_enter(&fence);
	if (strstr(argv[0], "vmm"))
		act_as_vmm(act);
	else
		act_as_blk(act);
	for (;;)
		(void)pause();
}
