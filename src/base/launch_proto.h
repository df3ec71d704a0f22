/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * launch_proto.h - the few words between launcher and vCPU process
 *
 * Over the SOCK_SEQPACKET socket at RF_FD_CONTROL of ringfence-vmm: a message
 * is a packet, both ends on the same machine and built together. In order:
 *
 *   vmm      PREPARED     memory, VM, vCPUs, filters: start the devices now
 *   vmm      READY        devices connected and sealed; waiting
 *   launcher GO           run the vCPUs
 *   vmm      DEVICE_GONE  a device process is no partner any more: it closed
 *                         its socket, lied or hung (once each, at any time)
 *   launcher DEVICE_DEAD  it has ended, and what it had asked the kernel for is
 *                         over: guest memory is safe from it (once each, also
 *                         of one that nobody called gone, at any time)
 *   vmm      ENDED        the guest left; the vmm exits 0 behind it
 *
 * The end of file says that the other side is gone. The launcher believes the
 * vCPU process nothing: a message of another length, type or range is -EPROTO.
 */
#ifndef RINGFENCE_BASE_LAUNCH_PROTO_H
#define RINGFENCE_BASE_LAUNCH_PROTO_H

#include <assert.h>

#include <ringfence/base.h>

enum launch_type {
	LAUNCH_READY = 1, /* value: enum rf_doorbell_kind in use */
	LAUNCH_GO = 2,	  /* value: 0 */
	LAUNCH_ENDED = 3, /* value: status at the debug-exit port, 0..255 */
	LAUNCH_DEVICE_GONE = 4, /* value: index of the device */
	LAUNCH_PREPARED = 5,	/* value: 0 */
	LAUNCH_DEVICE_DEAD = 6, /* value: index of the device */
};

struct launch_msg {
	uint32_t type; /* enum launch_type */
	uint32_t value;
};
static_assert(sizeof(struct launch_msg) == 8, "launch protocol");
static_assert(offsetof(struct launch_msg, value) == 4, "launch protocol");

/* One packet; waits or not as the socket is set. -EINVAL: not a message of the
 * table above. -EAGAIN: the other side does not read. -EPIPE: it is gone. */
RF_MUST_CHECK int launch_send(int fd, enum launch_type type, uint32_t value);

/* Take one packet. -EAGAIN: none there (socket set not to wait). -EPIPE: the
 * other side is gone. -EPROTO: what came is not a message of the table above;
 * `out` is untouched, descriptors that came with it are closed. */
RF_MUST_CHECK int launch_recv(int fd, struct launch_msg *out);

#endif
