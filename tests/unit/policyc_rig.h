/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * policyc_rig.h - what the parts of the policy compiler fail with
 *
 * Callers: the unit twins of seccomp/tool, one a program. policyc_fail() ends
 * the run, as that of policyc.c does; so what may fail runs in a child.
 */
#ifndef TESTS_POLICYC_RIG_H
#define TESTS_POLICYC_RIG_H

#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "seccomp/tool/policyc.h"
#include "unit/unit.h"

#define RIG_FAILED 42

/* Shared with the child. */
static char *rig_message;

void policyc_fail(struct policyc_at at, const char *fmt, ...)
{
	va_list ap;
	int n = snprintf(rig_message, 512, "%s:%d: ", at.file, at.line);

	va_start(ap, fmt);
	(void)vsnprintf(rig_message + n, 512 - (size_t)n, fmt, ap);
	va_end(ap);
	_exit(RIG_FAILED);
}

/* What `fn` fails with, or "" if it returns. */
static inline const char *rig_try(void (*fn)(void *), void *arg)
{
	int status = 0;
	pid_t pid;

	if (!rig_message) {
		void *map = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
				 MAP_SHARED | MAP_ANONYMOUS, -1, 0);

		ck_assert_ptr_ne(map, MAP_FAILED);
		rig_message = map;
	}
	rig_message[0] = '\0';
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		fn(arg);
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_msg(WIFEXITED(status), "status 0x%x", status);
	ck_assert_int_eq(WEXITSTATUS(status), rig_message[0] ? RIG_FAILED : 0);
	return rig_message;
}

static inline void rig_says(const char *message, const char *what)
{
	ck_assert_msg(strstr(message, what) != NULL, "not \"%s\" in \"%s\"",
		      what, message);
}

#endif
