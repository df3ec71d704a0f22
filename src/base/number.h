/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * number.h - numbers from command lines and configuration, read strictly
 *
 * Digits 0-9 from the first byte to the last: no sign, blank, base prefix or
 * leading zero (which other readers take for octal).
 */
#ifndef RINGFENCE_BASE_NUMBER_H
#define RINGFENCE_BASE_NUMBER_H

#include <ringfence/base.h>

/* -EINVAL: not a number. -ERANGE: one, but not within [min, max]. */
RF_MUST_CHECK int number_parse(const char *text, uint64_t min, uint64_t max,
			       uint64_t *out);

/* Bytes: a number and at most one of K, M, G, T behind it, in either case,
 * for powers of 1024. -EINVAL: not such a thing. -ERANGE: beyond 64 bits. */
RF_MUST_CHECK int number_parse_size(const char *text, uint64_t *out);

#endif
