/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * say.h - the launcher's words: sentences for people, text for terminals
 */
#ifndef RINGFENCE_LAUNCHER_SAY_H
#define RINGFENCE_LAUNCHER_SAY_H

#include <ringfence/base.h>

/* Exit statuses of the program. A guest's own status is passed through. */
enum { SAY_OK = 0, SAY_FAILED = 1, SAY_USAGE = 2 };

/* What is wrong with what somebody asked for: one sentence that names the
 * thing and the remedy. */
struct complaint {
	char text[768];
};

/* Fill it and return -EINVAL, so that a check reads `return complain(...)`. */
int complain(struct complaint *c, const char *fmt, ...) RF_PRINTF(2, 3);

/* "ringfence: ..." on standard error, one write(2), cut at 1 KiB. Works inside
 * the launcher's filter. */
void say(const char *fmt, ...) RF_PRINTF(1, 2);

/* Text in a fixed buffer that leaves by one write(2): no allocation, so that
 * it works inside the filter, and no stdio, so that it keeps its place between
 * what other processes write to the same terminal. */
#define TEXT_BYTES 16384

struct text {
	size_t len;
	char bytes[TEXT_BYTES];
};

/* Append; what does not fit is cut. */
void text_add(struct text *t, const char *fmt, ...) RF_PRINTF(2, 3);
/* The same with control characters and bytes outside of ASCII as '?'. */
void text_add_plain(struct text *t, const char *bytes);
/* A JSON string with its quotes. */
void text_add_json(struct text *t, const char *bytes);
/* Pad with blanks to `column`, counted from the last newline. */
void text_pad(struct text *t, size_t column);
/* Write it all and empty it; a terminal that is gone is nobody's error. */
void text_write(struct text *t, int fd);

/* The name among names[0..nr) that somebody may have meant, or NULL. */
const char *say_nearest(const char *word, const char *const *names, size_t nr);

#endif
