/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * image.h - bytes of a kernel image, which may be anything and may change
 */
#ifndef RINGFENCE_VMM_IMAGE_H
#define RINGFENCE_VMM_IMAGE_H

#include <ringfence/base.h>

/* All of [offset, offset + len) of a file of `file_bytes`. -EPROTO: that is not
 * in it (any more), else the error of the read; `why` then gets a static
 * clause. */
RF_MUST_CHECK int image_read(int fd, uint64_t file_bytes, uint64_t offset,
			     void *buf, size_t len, const char **why);

#endif
