/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * traced.c - the table of traced threads
 *
 * Side:    fence, in the launcher.
 * Owns:    the table.
 * Callers: spawn.c, reap.c. One thread, the tracer.
 * Never:   makes a system call.
 */
#include <string.h>

#include "fence/traced.h"

static struct traced table[TRACED_MAX];

struct traced *traced_find(pid_t tid)
{
	size_t i;

	for (i = 0; i < TRACED_MAX; i++)
		if (tid && table[i].tid == tid)
			return &table[i];
	return NULL;
}

struct traced *traced_get(pid_t tid, pid_t tgid)
{
	struct traced *t = traced_find(tid);
	size_t i;

	for (i = 0; !t && i < TRACED_MAX; i++)
		if (!table[i].tid) {
			t = &table[i];
			t->tid = tid;
		}
	if (t && tgid)
		t->tgid = tgid;
	return t;
}

bool traced_add(pid_t pid)
{
	/* A number can come back: what was known of it is of another. */
	traced_forget(pid);
	return traced_get(pid, pid);
}

/* A stray would keep its number for ever, and the end of a later process of
 * that number be taken for the end of a thread. */
static bool is_of(const struct traced *t, pid_t pid)
{
	return t->tid == pid || t->tgid == pid || (!t->tgid && t->made_call);
}

void traced_forget(pid_t pid)
{
	size_t i;

	for (i = 0; i < TRACED_MAX; i++)
		if (is_of(&table[i], pid))
			memset(&table[i], 0, sizeof(table[i]));
}

struct traced *traced_next(size_t *at)
{
	while (*at < TRACED_MAX) {
		struct traced *t = &table[(*at)++];

		if (t->tid)
			return t;
	}
	return NULL;
}

void traced_end_thread(struct traced *t)
{
	if (!t->made_call)
		memset(t, 0, sizeof(*t));
}

const struct traced *traced_culprit(pid_t pid)
{
	const struct traced *stray = NULL;
	size_t i;

	for (i = 0; i < TRACED_MAX; i++) {
		const struct traced *t = &table[i];

		if (!t->tid || !t->made_call)
			continue;
		if (t->tgid == pid)
			return t;
		/* Killed so early that the thread that made it could no longer
		 * tell us of it. */
		if (!t->tgid)
			stray = t;
	}
	return stray;
}
