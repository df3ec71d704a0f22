/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * report.h - what a fenced process tells its launcher: one shared page
 *
 * The launcher makes a sealed memfd of one page for each process and passes it
 * as RF_FD_REPORT; the process maps it, closes the descriptor, and from then on
 * only stores to memory: reporting costs no system call and works from inside
 * any filter. The launcher reads it at any time, also after the process was
 * killed. The reader believes nothing: these are plain counters for people.
 * Stores are relaxed atomics; each field has one writing process.
 */
#ifndef RINGFENCE_REPORT_H
#define RINGFENCE_REPORT_H

#include <assert.h>
#include <stdatomic.h>

#include <ringfence/base.h>

#define RF_REPORT_BYTES 4096u

struct rf_report {
	/* CLOCK_MONOTONIC, ns; 0: not yet. */
	_Atomic uint64_t main_ns;   /* first line of main() */
	_Atomic uint64_t fenced_ns; /* first filter loaded */
	_Atomic uint64_t sealed_ns; /* second filter about to load */
	/* Device processes. */
	_Atomic uint64_t ring_entries;	/* drained from the ring */
	_Atomic uint64_t wakeups;	/* returns from epoll_wait with work */
	_Atomic uint64_t kicks;		/* queue eventfds taken */
	_Atomic uint64_t foreign;	/* ring entries outside of our zone */
	_Atomic uint64_t requests;	/* chains served */
	_Atomic uint64_t bytes_read;	/* from the backing file */
	_Atomic uint64_t bytes_written; /* to the backing file */
	_Atomic uint64_t interrupts;	/* call eventfds written */
	_Atomic uint64_t resets;	/* DEVICE_NEEDS_RESET set */
	/* The vCPU process. */
	_Atomic uint64_t exits;		 /* returns from KVM_RUN */
	_Atomic uint64_t exits_mmio;	 /* of them register accesses */
	_Atomic uint64_t exits_notify;	 /* of them notify writes */
	_Atomic uint64_t exits_register; /* of them all other registers */
	_Atomic uint64_t exits_ack;	 /* of those acknowledgements */
	/* exits_mmio when a driver last set DRIVER_OK: what came before was
	 * set-up. */
	_Atomic uint64_t exits_setup;
	_Atomic uint64_t rescans;	/* notify writes kept as a spare bell */
	_Atomic uint64_t doorbell_kind; /* enum rf_doorbell_kind + 1 */
	/* How the guest reads registers: 1 by exits, 2 by page. */
	_Atomic uint64_t register_pages;
	_Atomic uint64_t guest_status; /* 1 + status at the debug-exit port */
	_Atomic uint64_t notified; /* the guest's count of its notify writes,
					 * told at the debug ports */
	_Atomic uint64_t compared_bytes; /* the guest's word, debug ports */
	/* KVM's own count of exits for register accesses, set at the guest's end;
	 * 0 on hosts that do not tell. */
	_Atomic uint64_t kvm_exits_mmio;
	/* Device processes: looking at memory before sleeping. */
	_Atomic uint64_t polled_hits;	 /* found something in time */
	_Atomic uint64_t polled_misses;	 /* found nothing, slept */
	_Atomic uint64_t polled_ns;	 /* spent on it */
	_Atomic uint64_t flushes_failed; /* the backing may have lost writes */
	_Atomic uint64_t mapped_reads;	 /* copied from a mapping, no call */
};
static_assert(sizeof(struct rf_report) <= RF_REPORT_BYTES, "one page");

/* Add or set without a lock; report may be NULL: then nothing happens. */
#define RF_REPORT_ADD(report, field, n)                                  \
	do {                                                             \
		if (report)                                              \
			atomic_fetch_add_explicit(&(report)->field, (n), \
						  memory_order_relaxed); \
	} while (0)
/* Add where one thread alone writes the field: as RF_REPORT_ADD, and as cheap as
 * a plain addition. */
#define RF_REPORT_COUNT(report, field, n)                                    \
	do {                                                                 \
		if (report)                                                  \
			atomic_store_explicit(                               \
				&(report)->field,                            \
				atomic_load_explicit(&(report)->field,       \
						     memory_order_relaxed) + \
					(n),                                 \
				memory_order_relaxed);                       \
	} while (0)
#define RF_REPORT_SET(report, field, v)                              \
	do {                                                         \
		if (report)                                          \
			atomic_store_explicit(&(report)->field, (v), \
					      memory_order_relaxed); \
	} while (0)

/* Map the page behind `fd` (taken: it is closed on success and failure alike).
 * -EPERM: its sender could shrink it. */
RF_MUST_CHECK int rf_report_map(int fd, struct rf_report **out);

#endif
