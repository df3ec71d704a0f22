/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * traced.h - what the launcher remembers of the threads it traces
 *
 * Side:    fence, in the launcher.
 * Owns:    one fixed table per process: no allocation while a guest runs.
 * Callers: spawn.c, reap.c. One thread, the tracer.
 * Never:   believes the order of events: a thread may be seen before the event
 *          that announces it.
 */
#ifndef FENCE_TRACED_H
#define FENCE_TRACED_H

#include <sys/types.h>

#include <ringfence/fence.h>

#define TRACED_MAX 256u

struct traced {
	pid_t tid;   /* 0: free slot */
	pid_t tgid;  /* 0: a thread whose process is not known yet */
	int fault;   /* a fatal signal it was given already */
	int died_of; /* the same one again: we killed it */
	bool made_call;
	bool call_i386;
	int call_nr;
	char name[16];
};

/* The slot of a thread, or NULL. */
struct traced *traced_find(pid_t tid);
/* The same, made if needed: `tgid` 0 if unknown. NULL when the table is full:
 * then the report will lack the call. */
struct traced *traced_get(pid_t tid, pid_t tgid);
/* A process of ours. False: the table is full. */
bool traced_add(pid_t pid);
/* A process and its threads are gone, and with it what was strayed. */
void traced_forget(pid_t pid);
/* A thread is gone, its process perhaps not: forgotten, unless it made the call
 * that its process is dying of. */
void traced_end_thread(struct traced *t);
/* The thread of `pid` that made the forbidden call, or NULL. */
const struct traced *traced_culprit(pid_t pid);

/* The tids in the table, one after the other; NULL after the last. `at` counts
 * from 0. */
struct traced *traced_next(size_t *at);

/* reap.c: resume `pid` if it stopped. True if it is gone: its end has been
 * taken from the kernel then. */
bool traced_pump(pid_t pid);

#endif
