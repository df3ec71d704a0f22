/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * ring_latency.h - from a doorbell to the device's callback, by polling
 */
#ifndef TESTS_BENCH_RING_LATENCY_H
#define TESTS_BENCH_RING_LATENCY_H

#include "bench/histogram.h"

/* One process writes an entry into the ring, as KVM does for a guest; another
 * one, a device that polls, drains it and is called back. Each is alone on a
 * processor of its own, if there are two: `pinned` says so. The next doorbell
 * waits for the callback before it. In ns. -errno. */
RF_MUST_CHECK int ring_latency(uint64_t doorbells, struct histogram *out,
			       bool *pinned);

#endif
