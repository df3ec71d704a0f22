/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * control.h - the socket for other limits, in sentences: <ringfence/control.h>
 */
#ifndef RINGFENCE_LAUNCHER_CONTROL_H
#define RINGFENCE_LAUNCHER_CONTROL_H

#include <ringfence/control.h>
#include <ringfence/socket.h>

#include "launcher/say.h"

/* Make the socket at `path`. A socket there that nobody listens to is taken
 * over; anything else is left alone and an error. */
RF_MUST_CHECK int control_open(struct rf_socket *requests, const char *path,
			       struct complaint *c);

/* The other end: send `msg`, wait for the answer, at most 5 seconds. */
RF_MUST_CHECK int control_ask(const char *path, struct rf_control_msg *msg,
			      struct complaint *c);

#endif
