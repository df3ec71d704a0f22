/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * places.h - keep the places of a vCPU process free of the test's own files
 *
 * Callers: main() of twins whose source puts descriptors at fixed numbers,
 * before anything else opens one.
 */
#ifndef TESTS_PLACES_H
#define TESTS_PLACES_H

#include <fcntl.h>

#include <ringfence/fence.h>

/* Take all numbers below `end` that are free. */
static inline void places_take(int end)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	while (fd >= 0 && fd < end - 1);
}

#endif
