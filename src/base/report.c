/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * report.c - map the page a fenced process reports into
 *
 * Side:    both: the launcher that reads, the fenced process that writes.
 * Owns:    nothing; the mapping lives as long as its process.
 * Callers: main() of every fenced program and src/launcher, through
 *          <ringfence/report.h>.
 * Never:   maps what could shrink: a store beyond the end would be SIGBUS.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <ringfence/report.h>

int rf_report_map(int fd, struct rf_report **out)
{
	rf_autofd page = fd;
	struct stat st;
	int seals;
	void *map;

	seals = fcntl(page, F_GET_SEALS);
	if (seals < 0)
		/* EINVAL: a file that cannot be sealed at all. */
		return errno == EINVAL ? -EPERM : -errno;
	if (!(seals & F_SEAL_SHRINK))
		return -EPERM;
	if (fstat(page, &st) < 0)
		return -errno;
	if (st.st_size < (off_t)RF_REPORT_BYTES)
		return -ERANGE;
	map = mmap(NULL, RF_REPORT_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED,
		   page, 0);
	if (map == MAP_FAILED)
		return -errno;
	*out = map;
	return 0;
}
