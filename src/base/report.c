/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * report.c - map the page a fenced process reports into
 *
 * Side:    both: the launcher that reads, the fenced process that writes.
 * Owns:    nothing; the mapping lives as long as its process.
 * Callers: main() of every fenced program and src/launcher, through
 *          <ringfence/report.h>.
 * Never:   maps what could shrink; memfd.c sees to it.
 */
#include <sys/mman.h>

#include <ringfence/report.h>

#include "base/memfd.h"

int rf_report_map(int fd, struct rf_report **out)
{
	void *map;
	int err = memfd_map(fd, RF_REPORT_BYTES, PROT_READ | PROT_WRITE, &map);

	if (!err)
		*out = map;
	return err;
}
