/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * control.h - other limits for a device that runs, asked for over a socket
 *
 * A datagram socket with a name (<ringfence/socket.h>), so that the permissions
 * of the directory and of the file say who may use it, and so that answering
 * takes no connection. One request, one answer, both of fixed size, in the
 * host's byte order. `ringfence limit` is the other end. Whoever started the
 * device serves it and writes to the page of limits; the device has neither
 * socket nor message:
 *
 *   ringfence limit        who started it           device
 *   request -------------> rf_control_serve():
 *                          judges, stores to
 *                          the page ---------------> next pass: loads it
 *           <------------- the limits as they
 *                          are now
 */
#ifndef RINGFENCE_CONTROL_H
#define RINGFENCE_CONTROL_H

#include <assert.h>

#include <ringfence/limits.h>

#define RF_CONTROL_MAGIC 0x4c434652u /* "RFCL" */

enum rf_control_op {
	RF_CONTROL_GET_LIMITS = 1,
	RF_CONTROL_SET_LIMITS = 2,
};

struct rf_control_msg {
	uint32_t magic;
	uint32_t op;	 /* enum rf_control_op; the answer repeats it */
	uint32_t disk;	 /* counted from 0 */
	uint32_t fields; /* which a SET_LIMITS changes: RF_LIMIT_OPS, ... */
	struct rf_rates limits;
	int32_t error; /* of an answer: 0 or -errno; limits are those now */
	uint32_t padding;
};
static_assert(sizeof(struct rf_control_msg) == 56, "both ends");

/* Take one request from `sock`, nonblocking, and answer it. `pages[i]` are the
 * limits of disk i, NULL: it has none. False: there was no request. Waits for
 * nobody: an answer that finds no room is dropped. Makes recvfrom and sendto
 * on `sock`, and no other call. */
bool rf_control_serve(int sock, struct rf_limits *const *pages, uint32_t nr);

#endif
