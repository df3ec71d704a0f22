/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * socket.h - a socket with a name in the file system, and only one owner
 *
 *   rf_socket_bind()      before any filter
 *   listen() or recvfrom() on .sock
 *   rf_socket_has_name()  is the name still ours?
 *   rf_socket_close()     name and descriptors gone
 */
#ifndef RINGFENCE_SOCKET_H
#define RINGFENCE_SOCKET_H

#include <sys/types.h>

#include <ringfence/base.h>

#define RF_SOCKET_PATH_BYTES 108u /* its NUL among them */

struct rf_socket {
	int sock;  /* -1: none */
	int dir;   /* O_PATH: where the name is removed from */
	dev_t dev; /* of the name, as we made it */
	ino_t ino;
	char name[RF_SOCKET_PATH_BYTES]; /* inside of dir */
};

/* A socket of `type` (SOCK_STREAM, ...), close-on-exec and nonblocking, bound
 * to `path` and, from its first moment on, for its owner alone (0600). A name
 * that a killed process has left is taken over, under a lock of its directory,
 * so that of several at once exactly one gets it. On failure nothing is left.
 *   -EINVAL      the path does not have 1 to 107 bytes
 *   -EADDRINUSE  somebody has a socket there
 *   -EEXIST      something else is there, and stays
 *   -EBUSY       left behind, but somebody keeps a lock of that directory
 * Waits for that lock, for a second at most; else for nobody. */
RF_MUST_CHECK int rf_socket_bind(const char *path, int type,
				 struct rf_socket *out);

/* Is what stands at the path what rf_socket_bind() made, or has somebody
 * removed it, and perhaps put his own there? */
bool rf_socket_has_name(const struct rf_socket *socket);

/* Remove the name and close; one that is closed (-1) is left alone. Makes
 * unlinkat(dir, ..., 0) and close, so that a filter can name both. */
void rf_socket_close(struct rf_socket *socket);

#endif
