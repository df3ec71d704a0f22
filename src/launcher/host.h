/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * host.h - what this host offers, found out by trying it
 */
#ifndef RINGFENCE_LAUNCHER_HOST_H
#define RINGFENCE_LAUNCHER_HOST_H

#include <ringfence/doorbell.h>

/* There or not, and a clause: details if it is, the reason if not. */
struct host_thing {
	bool there;
	char text[200];
};

struct host {
	struct host_thing kvm;
	struct rf_doorbell_offer doorbells;
	struct host_thing registers; /* read without an exit */
	struct host_thing fence;     /* all namespaces, around a real process */
	struct host_thing ptrace;    /* of that process */
	struct host_thing seccomp;   /* filters that kill the process */
	struct host_thing landlock;
	struct host_thing cgroup;
	struct host_thing ids; /* a uid for each process */
};

/* Starts one short process in a fence, makes and drops one VM; leaves nothing
 * behind. */
void host_look(struct host *out);

#endif
