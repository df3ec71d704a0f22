/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * control.c - other limits for a device that runs: the end that is asked
 *
 * Side:    launchers: ringfence, inside of its filter, and ringfence-blk
 *          --socket. Who asks may open the socket, and is believed as far as
 *          that: a request is a copy of fixed size that is judged whole.
 * Owns:    nothing.
 * Callers: through <ringfence/control.h>.
 * Never:   waits for who asked; an answer that finds no room is dropped.
 * Needs:   recvfrom (MSG_TRUNC), sendto (MSG_NOSIGNAL|MSG_DONTWAIT).
 */
#include <errno.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <ringfence/control.h>

static bool are_valid(const struct rf_rates *r)
{
	return r->ops_per_s <= RF_RATE_MAX && r->ops_burst <= RF_RATE_MAX &&
	       r->bytes_per_s <= RF_RATE_MAX && r->bytes_burst <= RF_RATE_MAX;
}

static int judge(const struct rf_control_msg *msg,
		 struct rf_limits *const *pages, uint32_t nr)
{
	if (msg->op != RF_CONTROL_GET_LIMITS &&
	    msg->op != RF_CONTROL_SET_LIMITS)
		return -ENOTSUP;
	if (msg->disk >= nr || !pages[msg->disk])
		return -ENODEV;
	if (msg->fields & ~(uint32_t)RF_LIMIT_ALL || !are_valid(&msg->limits))
		return -EINVAL;
	return 0;
}

static void answer(struct rf_control_msg *msg, struct rf_limits *const *pages,
		   uint32_t nr)
{
	msg->error = judge(msg, pages, nr);
	if (msg->error)
		return;
	if (msg->op == RF_CONTROL_SET_LIMITS)
		rf_limits_set(pages[msg->disk], &msg->limits, msg->fields);
	rf_limits_get(pages[msg->disk], &msg->limits);
}

bool rf_control_serve(int sock, struct rf_limits *const *pages, uint32_t nr)
{
	struct sockaddr_un from;
	socklen_t from_len = sizeof(from);
	struct rf_control_msg msg;
	ssize_t n;

	n = recvfrom(sock, &msg, sizeof(msg), MSG_TRUNC,
		     (struct sockaddr *)&from, &from_len);
	if (n < 0)
		return false;
	/* Of another form: not one of ours, and no answer would be read. */
	if (n != sizeof(msg) || msg.magic != RF_CONTROL_MAGIC)
		return true;
	answer(&msg, pages, nr);
	(void)sendto(sock, &msg, sizeof(msg), MSG_NOSIGNAL | MSG_DONTWAIT,
		     (const struct sockaddr *)&from, from_len);
	return true;
}
