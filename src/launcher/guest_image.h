/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * guest_image.h - the built-in guest: a whole 32-bit PVH ELF file
 *
 * From tests/guest, by the object library guest_image. Its command line and
 * its exit statuses are told in src/driver/guest.h.
 */
#ifndef RF_LAUNCHER_GUEST_IMAGE_H
#define RF_LAUNCHER_GUEST_IMAGE_H

#include <stddef.h>

extern const unsigned char rf_guest_elf[];
extern const size_t rf_guest_elf_bytes;

#endif
