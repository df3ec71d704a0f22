/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * test_host.c - twin of src/launcher/host.c: what is there is said to be there,
 * and what fails is said with its reason
 *
 * host_look() starts its own program as "ringfence version" in a fence; here
 * that is this test. Fences that fail are played in front of the real ones.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <ringfence/fence.h>

#include "launcher/host.h"
#include "unit/unit.h"

int __wrap_rf_fence_spawn(const struct rf_fence_spawn *spawn,
			  struct rf_fence_child *out, const char **step);
int __real_rf_fence_spawn(const struct rf_fence_spawn *spawn,
			  struct rf_fence_child *out, const char **step);

int __wrap_images_open_kvm(int *out, char *why, size_t cap);
int __real_images_open_kvm(int *out, char *why, size_t cap);

static struct {
	bool no_kvm;
	int fail_with;
	bool untraced;
	const char *word; /* in the place of "version" */
	struct rf_fence_spawn seen;
	bool spawned;
} play;

static struct host host;

int __wrap_rf_fence_spawn(const struct rf_fence_spawn *spawn,
			  struct rf_fence_child *out, const char **step)
{
	const char *argv[] = { "ringfence", play.word, NULL };
	struct rf_fence_spawn changed = *spawn;

	play.seen = *spawn;
	play.spawned = true;
	if (play.fail_with) {
		*step = "clone";
		return play.fail_with;
	}
	if (play.word)
		changed.argv = (char *const *)(uintptr_t)argv;
	if (play.untraced)
		changed.trace = false;
	return __real_rf_fence_spawn(&changed, out, step);
}

int __wrap_images_open_kvm(int *out, char *why, size_t cap)
{
	if (!play.no_kvm)
		return __real_images_open_kvm(out, why, cap);
	(void)snprintf(why, cap, "no such door");
	return -ENOENT;
}

static int count_fds(void)
{
	int nr = 0;
	int fd;

	for (fd = 0; fd < 1024; fd++)
		nr += fcntl(fd, F_GETFD) >= 0;
	return nr;
}

/* Whatever it finds, nothing is left: no child, no descriptor. */
static void look(void)
{
	const int before = count_fds();

	memset(&host, 0xff, sizeof(host));
	host_look(&host);
	ck_assert_int_eq(count_fds(), before);
	ck_assert_int_eq(waitpid(-1, NULL, WNOHANG | __WALL), -1);
	ck_assert_int_eq(errno, ECHILD);
}

static void is_told(const struct host_thing *thing)
{
	ck_assert_ptr_nonnull(memchr(thing->text, '\0', sizeof(thing->text)));
	ck_assert_uint_gt(strlen(thing->text), 0);
}

START_TEST(every_thing_has_its_clause)
{
	look();
	is_told(&host.kvm);
	is_told(&host.fence);
	is_told(&host.ptrace);
	is_told(&host.seccomp);
	is_told(&host.landlock);
	is_told(&host.cgroup);
	is_told(&host.ids);
}
END_TEST

START_TEST(it_agrees_with_who_asks_the_kernel_alone)
{
	uint32_t action = SECCOMP_RET_KILL_PROCESS;
	char abi_text[32];
	long abi;
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);

	look();
	if (kvm < 0)
		ck_assert(!host.kvm.there);
	if (host.kvm.there)
		ck_assert_int_ge(kvm, 0);
	/* This kind needs nothing but a monitor. */
	ck_assert(host.doorbells.works[RF_DOORBELL_EXIT]);
	if (!host.kvm.there)
		ck_assert(!host.doorbells.works[RF_DOORBELL_IOEVENTFD]);
	ck_assert(host.seccomp.there ==
		  (syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) ==
		   0));
	abi = syscall(444, NULL, 0, 1);
	ck_assert(host.landlock.there == (abi > 0));
	(void)snprintf(abi_text, sizeof(abi_text), "ABI %ld", abi);
	if (abi > 0)
		ck_assert_str_eq(host.landlock.text, abi_text);
	if (kvm >= 0)
		(void)close(kvm);
}
END_TEST

START_TEST(without_kvm_there_is_the_reason_and_one_kind)
{
	uint32_t i;

	play.no_kvm = true;
	look();
	ck_assert(!host.kvm.there);
	ck_assert_str_eq(host.kvm.text, "no such door");
	for (i = 0; i < RF_DOORBELL_NR_KINDS; i++)
		ck_assert(host.doorbells.works[i] == (i == RF_DOORBELL_EXIT));
}
END_TEST

START_TEST(a_real_process_is_tried_in_the_whole_fence)
{
	look();
	ck_assert(play.spawned);
	ck_assert_uint_eq(play.seen.namespaces, RF_FENCE_NAMESPACES);
	ck_assert(play.seen.trace);
	/* Two descriptors, both to nowhere: it says nothing to nobody. */
	ck_assert_uint_eq(play.seen.nr_fds, 2);
	if (host.fence.there)
		ck_assert_ptr_nonnull(strstr(host.fence.text, "cgroup"));
}
END_TEST

START_TEST(a_fence_that_cannot_be_built_is_told_with_its_step)
{
	play.fail_with = -ENOSPC;
	look();
	ck_assert(!host.fence.there && !host.ptrace.there);
	ck_assert_ptr_nonnull(strstr(host.fence.text, "clone: No space"));
	ck_assert_ptr_nonnull(strstr(host.fence.text, "max_user_namespaces"));
}
END_TEST

START_TEST(a_process_that_does_not_run_is_no_fence)
{
	play.word = "fail";
	look();
	ck_assert(!host.fence.there);
	play.word = "crash";
	look();
	ck_assert(!host.fence.there);
}
END_TEST

START_TEST(a_fence_without_ptrace_is_a_fence)
{
	bool there;

	look();
	there = host.fence.there;
	play.untraced = true;
	look();
	ck_assert(host.fence.there == there);
	ck_assert(!host.ptrace.there);
}
END_TEST

static int play_ringfence(const char *word)
{
	if (strcmp(word, "version") == 0)
		return 0;
	if (strcmp(word, "crash") == 0)
		abort();
	return 3;
}

int main(int argc, char **argv)
{
	const TTest *const tests[] = {
		every_thing_has_its_clause,
		it_agrees_with_who_asks_the_kernel_alone,
		without_kvm_there_is_the_reason_and_one_kind,
		a_real_process_is_tried_in_the_whole_fence,
		a_fence_that_cannot_be_built_is_told_with_its_step,
		a_process_that_does_not_run_is_no_fence,
		a_fence_without_ptrace_is_a_fence,
	};

	if (argc == 2 && strcmp(argv[0], "ringfence") == 0)
		return play_ringfence(argv[1]);
	return unit_run("host", tests, RF_ARRAY_LEN(tests));
}
