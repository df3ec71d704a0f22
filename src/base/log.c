/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * log.c - one line, one write
 *
 * Side:    every side, before and after the fence.
 * Owns:    the name of this process and the epoch of all limits.
 * Callers: devices/, src/vmm and src/fence, through <ringfence/log.h>.
 * Never:   allocates, changes errno, passes on a byte that is not printable.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <ringfence/fence.h> /* RF_FD_LOG, the place and nothing else */
#include <ringfence/log.h>

#define LOG_NAME_BYTES 16
/* Name, brackets around an int, colon, space. */
#define LOG_PREFIX_BYTES (LOG_NAME_BYTES + 16)

static char prefix[LOG_PREFIX_BYTES] = "ringfence: ";
static uint32_t epoch;

void rf_log_name(const char *name, int index)
{
	char cut[LOG_NAME_BYTES];
	size_t len = strnlen(name, sizeof(cut) - 1);

	memcpy(cut, name, len);
	cut[len] = '\0';
	if (index < 0)
		(void)snprintf(prefix, sizeof(prefix), "%s: ", cut);
	else
		(void)snprintf(prefix, sizeof(prefix), "%s[%d]: ", cut, index);
}

static void make_printable(char *line, size_t len)
{
	size_t i;

	/* Not isprint(): that asks the locale. */
	for (i = 0; i < len; i++)
		if (line[i] < ' ' || line[i] > '~')
			line[i] = '?';
}

static RF_PRINTF(1, 0) void write_line(const char *fmt, va_list args)
{
	static const char cut[] = "...";
	char line[RF_LOG_LINE_BYTES];
	size_t start = strlen(prefix);
	/* One byte stays free for the newline, which takes the place of the
	 * terminator. */
	size_t room = sizeof(line) - start;
	size_t len;
	int n;

	memcpy(line, prefix, start);
	n = vsnprintf(line + start, room, fmt, args);
	if (n < 0)
		return;
	len = start + (size_t)n;
	if ((size_t)n >= room) {
		len = sizeof(line) - 1;
		memcpy(line + len - strlen(cut), cut, strlen(cut));
	}
	make_printable(line, len);
	line[len++] = '\n';
	/* Whole or not at all: a pipe takes this much in one piece, and nobody
	 * is left to tell when the log itself is gone. */
	if (write(RF_FD_LOG, line, len) < 0)
		return;
}

void rf_log(const char *fmt, ...)
{
	int saved = errno;
	va_list args;

	va_start(args, fmt);
	write_line(fmt, args);
	va_end(args);
	errno = saved;
}

/* Counts one use. Two threads that meet here may let through a line more or
 * less around a refill; the count stays bounded, which is the point. */
static uint32_t count_use(struct rf_log_limit *limit, uint32_t burst)
{
	uint32_t now = __atomic_load_n(&epoch, __ATOMIC_RELAXED);

	if (__atomic_exchange_n(&limit->epoch, now, __ATOMIC_RELAXED) != now)
		__atomic_store_n(&limit->used, 0, __ATOMIC_RELAXED);
	/* Looked at before adding, so that a guest cannot wrap it. */
	if (__atomic_load_n(&limit->used, __ATOMIC_RELAXED) > burst)
		return UINT32_MAX;
	return __atomic_fetch_add(&limit->used, 1, __ATOMIC_RELAXED);
}

void rf_log_limited(struct rf_log_limit *limit, uint32_t burst, const char *fmt,
		    ...)
{
	uint32_t used = count_use(limit, burst);
	int saved = errno;
	va_list args;

	if (used < burst) {
		va_start(args, fmt);
		write_line(fmt, args);
		va_end(args);
	} else if (used == burst) {
		rf_log("more lines like the last %u are held back until the "
		       "next reset",
		       burst);
	}
	errno = saved;
}

void rf_log_refill(void)
{
	__atomic_fetch_add(&epoch, 1, __ATOMIC_RELAXED);
}
