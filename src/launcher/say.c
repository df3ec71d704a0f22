/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * say.c - the launcher's words: sentences for people, text for terminals
 *
 * Side:    launcher.
 * Owns:    nothing.
 * Callers: every room of src/launcher.
 * Never:   allocates, or uses a stdio stream.
 * Needs:   write (standard output and error).
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "launcher/say.h"

int complain(struct complaint *c, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(c->text, sizeof(c->text), fmt, ap);
	va_end(ap);
	return -EINVAL;
}

/* Finishes short writes. Errors end it: there is nobody to tell. */
static void write_all(int fd, const char *bytes, size_t len)
{
	ssize_t n;

	while (len > 0) {
		n = write(fd, bytes, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return;
		bytes += n;
		len -= (size_t)n;
	}
}

void say(const char *fmt, ...)
{
	static const char prefix[] = "ringfence: ";
	const int saved = errno;
	char line[1024];
	size_t len = sizeof(prefix) - 1;
	va_list ap;
	int n;

	memcpy(line, prefix, len);
	va_start(ap, fmt);
	n = vsnprintf(line + len, sizeof(line) - len - 1, fmt, ap);
	va_end(ap);
	if (n > 0)
		len += (size_t)n < sizeof(line) - len - 1
			       ? (size_t)n
			       : sizeof(line) - len - 2;
	line[len++] = '\n';
	write_all(STDERR_FILENO, line, len);
	errno = saved;
}

void text_add(struct text *t, const char *fmt, ...)
{
	size_t room = sizeof(t->bytes) - t->len;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(t->bytes + t->len, room, fmt, ap);
	va_end(ap);
	if (n > 0)
		t->len += (size_t)n < room ? (size_t)n : room - 1;
}

void text_add_plain(struct text *t, const char *bytes)
{
	for (; *bytes; bytes++) {
		bool plain = *bytes >= ' ' && *bytes <= '~';

		text_add(t, "%c", plain ? *bytes : '?');
	}
}

void text_add_json(struct text *t, const char *bytes)
{
	text_add(t, "\"");
	for (; *bytes; bytes++) {
		const unsigned char b = (unsigned char)*bytes;

		if (b == '"' || b == '\\')
			text_add(t, "\\%c", b);
		else if (b < ' ' || b > '~')
			text_add(t, "\\u%04x", b);
		else
			text_add(t, "%c", b);
	}
	text_add(t, "\"");
}

void text_pad(struct text *t, size_t column)
{
	size_t start = t->len;

	while (start > 0 && t->bytes[start - 1] != '\n')
		start--;
	while (t->len - start < column && t->len < sizeof(t->bytes) - 1)
		t->bytes[t->len++] = ' ';
}

void text_write(struct text *t, int fd)
{
	const int saved = errno;

	write_all(fd, t->bytes, t->len);
	t->len = 0;
	errno = saved;
}

#define NEAREST_BYTES 32u

/* Levenshtein distance of two short words; a long one is nobody's neighbour. */
static size_t distance(const char *a, const char *b)
{
	size_t row[NEAREST_BYTES + 1];
	const size_t la = strlen(a);
	const size_t lb = strlen(b);
	size_t i;
	size_t j;

	if (la > NEAREST_BYTES || lb > NEAREST_BYTES)
		return NEAREST_BYTES;
	for (j = 0; j <= lb; j++)
		row[j] = j;
	for (i = 1; i <= la; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (j = 1; j <= lb; j++) {
			size_t best = diagonal + (a[i - 1] != b[j - 1]);

			diagonal = row[j];
			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			row[j] = best;
		}
	}
	return row[lb];
}

const char *say_nearest(const char *word, const char *const *names, size_t nr)
{
	const char *nearest = NULL;
	size_t best = 3; /* two slips of the finger are still a likeness */
	size_t i;

	for (i = 0; i < nr; i++) {
		size_t d = distance(word, names[i]);

		if (d < best && d < strlen(names[i])) {
			best = d;
			nearest = names[i];
		}
	}
	return nearest;
}
