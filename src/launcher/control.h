/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * control.h - a running VM's socket: what may be changed while it runs
 *
 * A datagram socket at a path of the user's, so that the permissions of the
 * directory and of the file (0600) say who may use it, and so that answering
 * takes no connection. One request, one answer, both of fixed size.
 */
#ifndef RINGFENCE_LAUNCHER_CONTROL_H
#define RINGFENCE_LAUNCHER_CONTROL_H

#include <assert.h>
#include <sys/un.h>

#include "launcher/disk.h"

#define CONTROL_MAGIC 0x4c434652u /* "RFCL" */

enum control_op {
	CONTROL_GET_LIMITS = 1,
	CONTROL_SET_LIMITS = 2,
};

/* Which of the four limits a SET_LIMITS changes. */
enum {
	CONTROL_OPS = 1,
	CONTROL_OPS_BURST = 2,
	CONTROL_BYTES = 4,
	CONTROL_BYTES_BURST = 8,
	CONTROL_ALL = 15,
};

struct control_msg {
	uint32_t magic;
	uint32_t op;	 /* enum control_op; the answer repeats it */
	uint32_t disk;	 /* counted from 0 */
	uint32_t fields; /* CONTROL_OPS, ... */
	struct disk_limits limits;
	int32_t error; /* of an answer: 0 or -errno; limits are those now */
	uint32_t padding;
};
static_assert(sizeof(struct control_msg) == 56, "both ends");

struct control {
	int sock; /* -1: none */
	int dir;  /* O_PATH: where the socket's name is removed from */
	char name[sizeof(((struct sockaddr_un *)0)->sun_path)];
};

/* Make the socket at `path`. A socket there that nobody listens to is taken
 * over; anything else is left alone and an error. */
RF_MUST_CHECK int control_open(struct control *ctl, const char *path,
			       struct complaint *c);
/* Remove the name and close. Inside the launcher's filter, too. */
void control_close(struct control *ctl);

/* What a VM's disk has as limits: device i's page, or NULL. */
struct rf_limits;

/* Take one request and answer it, without waiting. False: there was none. */
bool control_serve(struct control *ctl, struct rf_limits *const *pages,
		   uint32_t nr);

/* The other end: send `msg`, wait for the answer, at most 5 seconds. */
RF_MUST_CHECK int control_ask(const char *path, struct control_msg *msg,
			      struct complaint *c);

/* Of a device's page. */
void control_set(struct rf_limits *page, const struct disk_limits *limits,
		 uint32_t fields);

#endif
