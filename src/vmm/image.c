/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * image.c - bytes of a kernel image, which may be anything and may change
 *
 * Side:    vmm, behind the filter.
 * Owns:    nothing.
 * Callers: kernel.c, elf.c, bzimage.c.
 * Needs:   pread64 on RF_FD_KERNEL.
 * Never:   returns fewer bytes than were asked for.
 */
#include <errno.h>
#include <unistd.h>

#include "vmm/image.h"

int image_read(int fd, uint64_t file_bytes, uint64_t offset, void *buf,
	       size_t len, const char **why)
{
	uint8_t *to = buf;

	/* Beyond it an offset is negative. */
	if (file_bytes > INT64_MAX) {
		*why = "its size is impossible";
		return -EPROTO;
	}
	if (offset > file_bytes || len > file_bytes - offset) {
		*why = "a header reaches beyond the end of the file";
		return -EPROTO;
	}
	while (len > 0) {
		ssize_t n = pread(fd, to, len, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			int rc = -errno;

			*why = "it cannot be read";
			return rc;
		}
		if (n == 0) {
			*why = "it became shorter while it was read";
			return -EPROTO;
		}
		to += n;
		offset += (uint64_t)n;
		len -= (size_t)n;
	}
	return 0;
}
