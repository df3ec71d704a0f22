/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * stats.h - what KVM itself has counted of our vCPUs
 *
 * KVM API, 4.133 (KVM_GET_STATS_FD): a descriptor for each vCPU, from which its
 * counters are read; where they are is told by the same file, once, before the
 * filter. Hosts without it (before Linux 5.14) have none of this.
 */
#ifndef RINGFENCE_VMM_STATS_H
#define RINGFENCE_VMM_STATS_H

#include <sys/types.h>

#include <ringfence/report.h>

#define STATS_NAME_BYTES_MAX 128u

struct stats {
	uint32_t nr; /* vCPUs, at RF_FD_STATS + i; 0: none to be had */
	off_t mmio_exits;
};

/* Before the filter, with vCPUs at RF_FD_VCPUS + 0 .. nr - 1. */
void stats_open(struct stats *stats, uint32_t nr);

/* Sum up into the report: kvm_exits_mmio. Any time later. */
void stats_sum(const struct stats *stats, struct rf_report *report);

#endif
