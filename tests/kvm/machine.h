/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * machine.h - a ringfence-vmm and its disks, started as the launcher does it
 *
 * Real programs in real fences; the test is the launcher. Everything they say
 * is kept, everything they leave is taken away by machine_stop().
 */
#ifndef TESTS_MACHINE_H
#define TESTS_MACHINE_H

#include <sys/types.h>

#include <ringfence/base.h>
#include <ringfence/fence.h>
#include <ringfence/report.h>

#define MACHINE_DISKS_MAX 3u
#define MACHINE_TEXT_BYTES 16384u

struct machine_text {
	int fd;
	size_t used;
	char text[MACHINE_TEXT_BYTES];
};

struct machine_process {
	pid_t pid;
	bool ended;
	struct rf_fence_end end;
};

struct machine_params {
	const char *accel;     /* "kvm" or "none" */
	const char *doorbell;  /* NULL: "auto" */
	const char *registers; /* NULL: "auto" */
	const char *memory;    /* NULL: 16 MiB */
	const char *cpus;      /* NULL: "1" */
	const char *cmdline;   /* NULL: none */
	int kernel;	       /* borrowed; -1: none */
	int initrd;	       /* borrowed; 0: none */
	const char *input;     /* "stream" or "terminal"; NULL: none */
	int console_in;	       /* borrowed; if input */
	uint32_t nr_disks;
	bool read_only;
};

struct machine {
	struct machine_text console;
	struct machine_text log;
	int control;
	struct rf_report *report;
	struct machine_process vmm;
	struct machine_process disks[MACHINE_DISKS_MAX];
	struct rf_report *disk_reports[MACHINE_DISKS_MAX];
	int images[MACHINE_DISKS_MAX]; /* memfds of MACHINE_DISK_BYTES */
	uint32_t nr_disks;
	bool ready;
	uint32_t doorbell_kind; /* told with READY */
	bool ended;
	uint32_t status; /* told with ENDED */
	uint32_t gone;	 /* devices, a bit each */
};

#define MACHINE_DISK_BYTES (1u << 20)

/* Asserts that all of it starts. */
void machine_start(struct machine *m, const struct machine_params *p);
/* Take what comes until `done` is set, the vmm ended, or 60 s passed: then
 * false. */
bool machine_wait(struct machine *m, const bool *done);
void machine_go(struct machine *m);
/* Start, GO, and wait for the end of the vmm. */
void machine_run(struct machine *m, const struct machine_params *p);
void machine_stop(struct machine *m);

bool machine_said(const struct machine_text *t, const char *what);

#endif
