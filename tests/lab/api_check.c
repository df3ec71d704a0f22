/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * api_check.c - what a program does that does not find what must be
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lab/api.h"

enum api_kind api_kind = API_KERNEL;

int api_why_fd = -1;

void api_fail(const char *file, int line, const char *what, const char *fmt,
	      ...)
{
	const char *base = strrchr(file, '/');
	char why[API_WHY_BYTES];
	va_list args;
	int n;

	n = snprintf(why, sizeof(why), "%s:%d: %.120s:", base ? base + 1 : file,
		     line, what);
	va_start(args, fmt);
	(void)vsnprintf(why + n, sizeof(why) - (size_t)n, fmt, args);
	va_end(args);
	n = (int)strlen(why);
	why[n] = '\n'; /* what vsnprintf ended */
	(void)!write(api_why_fd, why, (size_t)n + 1);
	_exit(1);
}

long api_must(long value, const char *call, const char *file, int line)
{
	if (value < 0)
		api_fail(file, line, call, " %s", strerror(errno));
	return value;
}

void api_must_fail(long value, int err, const char *call, const char *file,
		   int line)
{
	int got = errno;

	if (value >= 0)
		api_fail(file, line, call, " works, should be %s",
			 strerrorname_np(err));
	if (got != err)
		api_fail(file, line, call, " %s, should be %s",
			 strerrorname_np(got), strerrorname_np(err));
}
