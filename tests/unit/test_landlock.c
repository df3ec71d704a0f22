/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * test_landlock.c - twin of src/fence/landlock.c: what each kernel can refuse is
 * asked of it, and this one refuses it
 *
 * Kernels of other ages are played by a syscall(2) of ours; the rest is real,
 * in a child, since it cannot be taken off again.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fence/stages.h"
#include "unit/unit.h"

#define NR_CREATE 444
#define NR_RESTRICT 446
#define RULESET 900 /* descriptor that the played kernel gives */

/* The kernel that is played: answers, and what was asked. */
static struct {
	bool on;
	long abi;
	int abi_errno, create_errno, restrict_errno;
	uint64_t fs, net, scoped;
	size_t size;
	unsigned creates, restricts;
} fake;

long __wrap_syscall(long nr, ...);
long __real_syscall(long nr, ...);

static long answer(long value, int err)
{
	if (!err)
		return value;
	errno = err;
	return -1;
}

static long fake_create(const uint64_t *set, size_t size, long flags)
{
	if (flags == 1 && !set && !size)
		return answer(fake.abi, fake.abi_errno);
	ck_assert_int_eq(flags, 0);
	fake.creates++;
	fake.size = size;
	fake.fs = set[0];
	fake.net = set[1];
	fake.scoped = set[2];
	if (fake.create_errno)
		return answer(0, fake.create_errno);
	/* A real one, so that it can be closed. */
	return fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, RULESET);
}

long __wrap_syscall(long nr, ...)
{
	long a[4];
	va_list ap;
	size_t i;

	va_start(ap, nr);
	for (i = 0; i < RF_ARRAY_LEN(a); i++)
		a[i] = va_arg(ap, long);
	va_end(ap);
	if (!fake.on)
		return __real_syscall(nr, a[0], a[1], a[2], a[3]);
	if (nr == NR_CREATE)
		return fake_create((const uint64_t *)a[0], (size_t)a[1], a[2]);
	ck_assert_int_eq(nr, NR_RESTRICT);
	ck_assert_int_eq((int)a[0], RULESET);
	ck_assert_int_eq(a[1], 0);
	fake.restricts++;
	return answer(0, fake.restrict_errno);
}

static void play(long abi)
{
	memset(&fake, 0, sizeof(fake));
	fake.on = true;
	fake.abi = abi;
	ck_assert_int_eq(dup2(open("/dev/null", O_RDONLY), STDIN_FILENO),
			 STDIN_FILENO);
}

START_TEST(each_kernel_is_asked_for_all_it_knows)
{
	/* From the history of <linux/landlock.h>: REFER came with ABI 2,
	 * TRUNCATE with 3, ports with 4, IOCTL_DEV with 5, scopes with 6. */
	static const struct {
		long abi;
		uint64_t fs, net, scoped;
	} kernels[] = {
		{ 1, 0x1fff, 0, 0 }, { 2, 0x3fff, 0, 0 },  { 3, 0x7fff, 0, 0 },
		{ 4, 0x7fff, 3, 0 }, { 5, 0xffff, 3, 0 },  { 6, 0xffff, 3, 3 },
		{ 7, 0xffff, 3, 3 }, { 99, 0xffff, 3, 3 },
	};
	size_t i;

	for (i = 0; i < RF_ARRAY_LEN(kernels); i++) {
		play(kernels[i].abi);
		ck_assert_int_eq(landlock_refuse_all(), 0);
		ck_assert_uint_eq(fake.size, 24);
		ck_assert_uint_eq(fake.fs, kernels[i].fs);
		ck_assert_uint_eq(fake.net, kernels[i].net);
		ck_assert_uint_eq(fake.scoped, kernels[i].scoped);
		ck_assert_uint_eq(fake.restricts, 1);
		/* The ruleset is in force; its descriptor is not left. */
		ck_assert_int_eq(fcntl(RULESET, F_GETFD), -1);
	}
}
END_TEST

START_TEST(a_kernel_without_it_is_no_failure)
{
	play(0);
	ck_assert_int_eq(landlock_refuse_all(), 0);
	ck_assert_uint_eq(fake.creates, 0);
	fake.abi_errno = ENOSYS;
	ck_assert_int_eq(landlock_refuse_all(), 0);
	fake.abi_errno = EOPNOTSUPP;
	ck_assert_int_eq(landlock_refuse_all(), 0);
	ck_assert_uint_eq(fake.creates + fake.restricts, 0);
}
END_TEST

/* One that has it and does not give it is: never go on with less fence. */
START_TEST(a_kernel_that_refuses_is_a_failure)
{
	play(3);
	fake.create_errno = ENOMEM;
	ck_assert_int_eq(landlock_refuse_all(), -ENOMEM);
	ck_assert_uint_eq(fake.restricts, 0);
	fake.create_errno = 0;
	fake.restrict_errno = EPERM;
	ck_assert_int_eq(landlock_refuse_all(), -EPERM);
	ck_assert_int_eq(fcntl(RULESET, F_GETFD), -1);
}
END_TEST

static long real_abi(void)
{
	return __real_syscall(NR_CREATE, 0L, 0L, 1L);
}

/* Its exit status is that of `fn`, in a child. */
static int in_child(int (*fn)(void))
{
	int status = 0;
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (pid == 0)
		_exit(fn());
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_msg(WIFEXITED(status), "status 0x%x", status);
	return WEXITSTATUS(status);
}

static bool is_refused(long ret, int err)
{
	return ret < 0 && errno == err;
}

#define OR_EXIT(nr, ok)            \
	do {                       \
		if (!(ok))         \
			return nr; \
	} while (0)

static int touch_files(void)
{
	int before = open("/dev/zero", O_RDONLY);
	char byte = 1;

	OR_EXIT(1, prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	OR_EXIT(2, landlock_refuse_all() == 0);
	OR_EXIT(3, is_refused(open("/dev/zero", O_RDONLY), EACCES));
	OR_EXIT(4, is_refused(open("/", O_RDONLY | O_DIRECTORY), EACCES));
	OR_EXIT(5, is_refused(open("/tmp", O_TMPFILE | O_RDWR, 0600), EACCES));
	OR_EXIT(6, is_refused(mkdir("/tmp/ringfence-no", 0700), EACCES));
	OR_EXIT(7, is_refused(execl("/bin/true", "true", NULL), EACCES));
	/* What was open before keeps its rights. */
	OR_EXIT(8, read(before, &byte, 1) == 1 && byte == 0);
	return 0;
}

static int touch_ports(void)
{
	struct sockaddr_in any = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int sock = socket(AF_INET, SOCK_STREAM, 0);

	OR_EXIT(1, prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	OR_EXIT(2, landlock_refuse_all() == 0);
	if (sock < 0)
		return 0; /* a host without a network has nothing to refuse */
	OR_EXIT(3, is_refused(bind(sock, (struct sockaddr *)&any, sizeof(any)),
			      EACCES));
	any.sin_port = htons(9);
	OR_EXIT(4,
		is_refused(connect(sock, (struct sockaddr *)&any, sizeof(any)),
			   EACCES));
	return 0;
}

static int touch_processes(void)
{
	OR_EXIT(1, prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	OR_EXIT(2, landlock_refuse_all() == 0);
	OR_EXIT(3, is_refused(kill(getppid(), 0), EPERM));
	OR_EXIT(4, kill(getpid(), 0) == 0);
	return 0;
}

START_TEST(files_ports_and_processes_are_out_of_reach)
{
	const long abi = real_abi();

	if (abi < 1) {
		printf("skipped: landlock: %s\n", strerror(errno));
		return;
	}
	ck_assert_int_eq(in_child(touch_files), 0);
	if (abi >= 4)
		ck_assert_int_eq(in_child(touch_ports), 0);
	if (abi >= 6)
		ck_assert_int_eq(in_child(touch_processes), 0);
}
END_TEST

/* The order of fence.c: after no_new_privs. A plain account without is refused
 * by the kernel, and that must come out. */
static int lock_too_early(void)
{
	OR_EXIT(1, geteuid() != 0 || setresuid(65534, 65534, 65534) == 0);
	return landlock_refuse_all() == -EPERM ? 0 : 2;
}

START_TEST(without_no_new_privs_it_fails_and_says_so)
{
	if (real_abi() >= 1)
		ck_assert_int_eq(in_child(lock_too_early), 0);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		each_kernel_is_asked_for_all_it_knows,
		a_kernel_without_it_is_no_failure,
		a_kernel_that_refuses_is_a_failure,
		files_ports_and_processes_are_out_of_reach,
		without_no_new_privs_it_fails_and_says_so,
	};

	return unit_run("landlock", tests, RF_ARRAY_LEN(tests));
}
