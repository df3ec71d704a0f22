/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * test_names.c - twin of seccomp/tool/names.c: closed tables, and numbers that
 * are the kernel's
 */
#include <seccomp.h>
#include <string.h>

#include "seccomp/tool/policyc.h"
#include "unit/unit.h"

/* By heart, from the kernel's ABI, not from the headers the table is made of. */
START_TEST(constants_have_the_kernels_values)
{
	static const struct {
		const char *name;
		uint64_t value;
	} known[] = {
		{ "PROT_EXEC", 4 },
		{ "MAP_ANONYMOUS", 0x20 },
		{ "O_CLOEXEC", 02000000 },
		{ "F_ADD_SEALS", 1033 },
		{ "MSG_NOSIGNAL", 0x4000 },
		{ "FUTEX_WAIT_PRIVATE", 128 },
		{ "FUTEX_WAKE_PRIVATE", 129 },
		{ "SIGKILL", 9 },
		{ "SIG_SETMASK", 2 },
		{ "PTRACE_GETREGSET", 0x4204 },
		{ "KVM_RUN", 0xae80 },
		{ "KVM_IRQFD", 0x4020ae76 },
		{ "BLKDISCARD", 0x1277 },
		{ "RF_FD_KICKS", 32 },
		{ "RF_FD_VCPUS", 128 },
		{ "VM_FD_PIDFDS", 32 },
		/* Negative, and so sign-extended in the register. */
		{ "AT_FDCWD", UINT64_MAX - 99 },
		/* Not: an enumeration's sign bit would reach the mask. */
		{ "__WALL", 0x40000000 },
	};
	uint64_t value;
	size_t i;

	for (i = 0; i < RF_ARRAY_LEN(known); i++) {
		value = 0;
		ck_assert_msg(policyc_constant(known[i].name, &value), "%s",
			      known[i].name);
		ck_assert_msg(value == known[i].value, "%s: 0x%llx",
			      known[i].name, (unsigned long long)value);
	}
}
END_TEST

START_TEST(names_that_are_none_are_unknown)
{
	static const char *const none[] = { "",		 "PROT_",  "PROT_EXECX",
					    "prot_exec", "RF_FD",  " KVM_RUN",
					    "KVM_RUN ",	 "SIGSEGV" };
	uint64_t value = 7, count = 7;
	size_t i;

	for (i = 0; i < RF_ARRAY_LEN(none); i++) {
		ck_assert(!policyc_constant(none[i], &value));
		ck_assert(!policyc_range(none[i], &value, &count));
		ck_assert(!policyc_is_define(none[i]));
	}
	ck_assert(value == 7 && count == 7);
	/* A constant is no range by itself. */
	ck_assert(!policyc_range("RF_FD_LOG", &value, &count));
	ck_assert(policyc_is_define("SANITIZED"));
	ck_assert(!policyc_is_define("SANITIZED "));
}
END_TEST

/* Each must be one masked comparison, and none may reach into the next. */
START_TEST(ranges_are_powers_of_two_and_apart)
{
	static const char *const names[] = { "RF_FD_DEVICES", "RF_FD_KICKS",
					     "RF_FD_CALLS", "RF_FD_ERRS",
					     "RF_FD_VCPUS" };
	uint64_t base, count, end = 0;
	size_t i;

	for (i = 0; i < RF_ARRAY_LEN(names); i++) {
		ck_assert(policyc_range(names[i], &base, &count));
		ck_assert_uint_gt(count, 0);
		ck_assert_uint_eq(count & (count - 1), 0);
		ck_assert_uint_eq(base & (count - 1), 0);
		ck_assert_uint_ge(base, end);
		end = base + count;
	}
	ck_assert_uint_le(end, 1024);
}
END_TEST

START_TEST(arguments_have_the_registers_place)
{
	static const struct {
		const char *syscall, *arg;
		int n;
	} known[] = {
		{ "mmap", "prot", 2 },
		{ "mmap", "fd", 4 },
		{ "ioctl", "request", 1 },
		{ "epoll_ctl", "fd", 2 },
		{ "futex", "op", 1 },
		{ "fcntl", "cmd", 1 },
		{ "sendto", "addrlen", 5 },
		{ "openat", "flags", 2 },
		{ "madvise", "advice", 2 },
		{ "close", "fd", 0 },
		{ "pwrite64", "offset", 3 },
		{ "ptrace", "request", 0 },
		{ "sync", "arg0", 0 },
		{ "no_such_call", "arg5", 5 },
		{ "mmap", "arg4", 4 },
		{ "close", "count", -1 },
		{ "sync", "fd", -1 },
		{ "mmap", "arg6", -1 },
		{ "mmap", "arg", -1 },
		{ "mmap", "arg00", -1 },
		{ "mmap", "", -1 },
		{ "mma", "fd", -1 },
		{ "clock_gettime", "fd", -1 },
	};
	size_t i;

	for (i = 0; i < RF_ARRAY_LEN(known); i++)
		ck_assert_msg(policyc_argument(known[i].syscall,
					       known[i].arg) == known[i].n,
			      "%s: %s", known[i].syscall, known[i].arg);
}
END_TEST

/* A typing error in the table would make a name nobody can use. */
START_TEST(every_call_with_names_is_a_call)
{
	/* Those our policies judge. */
	static const char *const calls[] = {
		"clone3",
		"close_range",
		"epoll_pwait",
		"eventfd2",
		"fallocate",
		"newfstatat",
		"pidfd_send_signal",
		"prlimit64",
		"rt_sigprocmask",
		"timerfd_settime",
		"unlinkat",
		"wait4",
	};
	static const char *const first[] = {
		"args",	 "first", "epfd", "initval", "fd",    "dirfd",
		"pidfd", "pid",	  "how",  "fd",	     "dirfd", "pid",
	};
	size_t i;

	for (i = 0; i < RF_ARRAY_LEN(calls); i++) {
		ck_assert_int_ge(seccomp_syscall_resolve_name(calls[i]), 0);
		ck_assert_msg(policyc_argument(calls[i], first[i]) == 0, "%s",
			      calls[i]);
	}
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		constants_have_the_kernels_values,
		names_that_are_none_are_unknown,
		ranges_are_powers_of_two_and_apart,
		arguments_have_the_registers_place,
		every_call_with_names_is_a_call,
	};

	return unit_run("names", tests, RF_ARRAY_LEN(tests));
}
