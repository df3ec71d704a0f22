/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * vhost_user.h - what of the framing only the other wire rooms use
 *
 * Side:    both.
 * Callers: src/wire/.
 */
#ifndef WIRE_VHOST_USER_H
#define WIRE_VHOST_USER_H

#include <ringfence/vhost_user.h>

/* rf_vhost_user_recv_plain() that gives up (-EPROTO) on a message that began
 * and is not whole at deadline_ns of rf_clock_ns(). The socket's own timeout
 * starts anew with each byte that dribbles in; this one does not. Noticed when
 * the socket's timeout passes or more bytes come, so at most one such timeout
 * late. 0: no deadline. */
RF_MUST_CHECK int vhost_user_recv_plain_until(int sock,
					      struct rf_vhost_user_msg *msg,
					      uint64_t deadline_ns);

#endif
