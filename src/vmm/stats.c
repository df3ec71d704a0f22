/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * stats.c - what KVM itself has counted of our vCPUs
 *
 * Our own counter of exits is as good as the line that counts; KVM's is the
 * other one to hold it against. Both are shown by `ringfence bench exits`.
 *
 * Side:    vmm, main thread. The kernel's files are believed.
 * Owns:    RF_FD_STATS.
 * Callers: main.c opens, serve.c sums up when the guest has ended.
 * Needs:   after the filter: pread64 of 8 bytes on RF_FD_STATS.
 * Never:   is missed: without it the counters stay 0 and nothing is said.
 */
#include <linux/kvm.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <ringfence/fence.h>

#include "vmm/stats.h"

struct layout {
	struct kvm_stats_header header;
	size_t desc_bytes; /* a descriptor and its name */
};

static bool read_layout(int fd, struct layout *out)
{
	struct kvm_stats_header *h = &out->header;

	if (pread(fd, h, sizeof(*h), 0) != (ssize_t)sizeof(*h))
		return false;
	out->desc_bytes = sizeof(struct kvm_stats_desc) + h->name_size;
	return h->name_size > 0 && h->name_size <= STATS_NAME_BYTES_MAX;
}

/* Where the counter of this name is; -1: there is none of 64 bits. */
static off_t find(int fd, const struct layout *l, const char *name)
{
	char bytes[sizeof(struct kvm_stats_desc) + STATS_NAME_BYTES_MAX + 1];
	struct kvm_stats_desc desc;
	uint32_t i;

	for (i = 0; i < l->header.num_desc; i++) {
		off_t at = (off_t)(l->header.desc_offset + i * l->desc_bytes);

		memset(bytes, 0, sizeof(bytes));
		if (pread(fd, bytes, l->desc_bytes, at) !=
		    (ssize_t)l->desc_bytes)
			return -1;
		memcpy(&desc, bytes, sizeof(desc));
		if (strcmp(bytes + sizeof(desc), name) != 0)
			continue;
		/* In 64-bit words; more than one is a histogram. */
		if (desc.size != 1)
			return -1;
		return (off_t)l->header.data_offset + desc.offset;
	}
	return -1;
}

static bool open_one(uint32_t i)
{
	int fd = ioctl(RF_FD_VCPUS + (int)i, KVM_GET_STATS_FD, NULL);

	return fd >= 0 && rf_fd_move(fd, RF_FD_STATS + (int)i) == 0;
}

static void close_all(uint32_t nr)
{
	while (nr > 0)
		rf_fd_close(&(int){ RF_FD_STATS + (int)--nr });
}

void stats_open(struct stats *stats, uint32_t nr)
{
	struct layout layout;
	uint32_t i;

	*stats = (struct stats){ .nr = 0 };
	for (i = 0; i < nr; i++) {
		if (!open_one(i)) {
			close_all(i);
			return;
		}
	}
	/* All vCPUs of a kernel have the same. */
	if (read_layout(RF_FD_STATS, &layout)) {
		stats->mmio_exits = find(RF_FD_STATS, &layout, "mmio_exits");
		if (stats->mmio_exits >= 0) {
			stats->nr = nr;
			return;
		}
	}
	close_all(nr);
}

void stats_sum(const struct stats *stats, struct rf_report *report)
{
	uint64_t sum = 0;
	uint64_t one;
	uint32_t i;

	for (i = 0; i < stats->nr; i++) {
		if (pread(RF_FD_STATS + (int)i, &one, sizeof(one),
			  stats->mmio_exits) != (ssize_t)sizeof(one))
			return;
		sum += one;
	}
	if (stats->nr > 0)
		RF_REPORT_SET(report, kvm_exits_mmio, sum);
}
