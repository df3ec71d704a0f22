/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * fd.c - descriptors that close themselves, and eventfds
 *
 * Side:    every side, before and after the fence.
 * Owns:    nothing; what is passed as taken is closed here.
 * Callers: everyone, through <ringfence/base.h>.
 * Never:   retries close, blocks on a non-blocking eventfd, allocates.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <ringfence/base.h>

void rf_fd_close(int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		close(*fd);
	*fd = -1;
	errno = saved;
}

void rf_fd_cleanup(int *fd)
{
	rf_fd_close(fd);
}

int rf_fd_take(int *fd)
{
	int taken = *fd;

	*fd = -1;
	return taken;
}

int rf_fd_move(int fd, int to)
{
	rf_autofd from = fd;

	if (fd < 0 || to < 0)
		return -EBADF;
	if (fd == to) {
		/* dup3 refuses equal numbers, but close-on-exec is part of
		 * the promise. */
		if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
			return -errno;
		(void)rf_fd_take(&from);
		return 0;
	}
	if (dup3(fd, to, O_CLOEXEC) < 0)
		return -errno;
	return 0;
}

int rf_eventfd_signal(int fd)
{
	const uint64_t one = 1;
	ssize_t n;

	do
		n = write(fd, &one, sizeof(one));
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN ? 0 : -errno;
	/* An eventfd takes eight bytes or none: this is something else. */
	return n == sizeof(one) ? 0 : -EPROTO;
}

int rf_eventfd_take(int fd, uint64_t *out)
{
	uint64_t count;
	ssize_t n;

	do
		n = read(fd, &count, sizeof(count));
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	if (n != sizeof(count))
		return -EPROTO;
	*out = count;
	return 0;
}
