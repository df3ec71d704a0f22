/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * launcher_rig.h - start the real `ringfence`, watch it, see what it leaves
 *
 * Side:    test.
 * Owns:    what it starts: rig_end() or rig_run() waits for it.
 * Callers: tests/process/test_launcher*.c.
 * Never:   waits without a limit.
 */
#ifndef TESTS_LAUNCHER_RIG_H
#define TESTS_LAUNCHER_RIG_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define RIG_OUTPUT_BYTES 65536
#define RIG_KIDS_MAX 20

struct rig {
	pid_t pid;
	const char *program; /* NULL: the real one where it was built */
	bool plain; /* start it under a plain account, if we are root */
	int fd;	    /* its standard output and error, one after the other */
	char text[RIG_OUTPUT_BYTES];
	size_t len;
};

/* A scratch directory with a disk of 2 MiB in it, for the whole test. */
void rig_setup(void);
void rig_teardown(void);
/* "DIR/name"; a few of them at a time. */
const char *rig_path(const char *name);
void rig_write(const char *name, const char *text);

/* `line` is split at blanks; "DISK" stands for the scratch disk's path and
 * "DIR/..." for the directory's. */
void rig_start(struct rig *rig, const char *line);
/* Read on until `says` has been said; fails the test after 20 seconds. */
void rig_await(struct rig *rig, const char *says);
/* Not even started: a plain account has no way to the program. */
#define RIG_NO_WAY 98
/* Read to the end. Returns the exit status, or -signal. */
int rig_end(struct rig *rig);
/* All of it. */
int rig_run(struct rig *rig, const char *line);

bool rig_says(const struct rig *rig, const char *says);

/* A copy of a program under another name; "DIR/..." as above. */
void rig_copy(const char *from, const char *name);

/* Children of the launcher by name ("ringfence-blk"); fails without one. */
pid_t rig_child(const struct rig *rig, const char *name);
/* All of them, to be looked for afterwards. */
size_t rig_children(const struct rig *rig, pid_t *out, size_t cap);
/* Gone, within a second: not there, or a zombie of nobody's. */
bool rig_is_gone(pid_t pid);

/* How many mounts this host's namespace has. */
size_t rig_mounts(void);

/* NULL, or why no VM can be fenced here. */
const char *rig_why_not(void);
bool rig_has_kvm(void);

#endif
