/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * consumer.h - a process in the place of the device, for the doorbell bench
 *
 * In order of use, by the vCPU process:
 *   consumer_start()   fork, before there is a VM it could inherit
 *   consumer_hand_over()   descriptors over SCM_RIGHTS; waits for the map
 *   ... counters and samples in the shared struct ...
 *   consumer_stop()
 */
#ifndef TESTS_BENCH_CONSUMER_H
#define TESTS_BENCH_CONSUMER_H

#include <stdatomic.h>
#include <sys/types.h>

#include <ringfence/doorbell.h>

#define CONSUMER_SAMPLES_MAX 100000u

/* Where guest and device meet in the latency run, in guest memory. */
#define CONSUMER_MAILBOX 0x8000u
struct consumer_mailbox {
	uint64_t rung_at; /* guest's time stamp, before the doorbell */
	uint32_t ack;	  /* rounds left, as the device sees it */
	uint32_t pace;	  /* ticks between an ack and the next ring */
};
static_assert(sizeof(struct consumer_mailbox) == 16, "known to guest code");

struct consumer_shared {
	/* Counts since the process started. */
	_Atomic uint64_t wakeups;  /* returns of poll with work */
	_Atomic uint64_t entries;  /* out of the ring */
	_Atomic uint64_t kicks;	   /* signals on the queue's eventfd */
	_Atomic uint64_t disorder; /* values that came too late */
	/* Latency: set by the vCPU process while nothing runs. */
	_Atomic uint32_t rounds_left; /* 0: only count */
	_Atomic uint32_t nr_samples;
	uint64_t samples[CONSUMER_SAMPLES_MAX]; /* ticks */
};

struct consumer {
	pid_t pid;
	int sock;
	struct consumer_shared *shared;
};

/* -errno. */
RF_MUST_CHECK int consumer_start(struct consumer *c);
/* Pass what the doorbell has and the guest's memory (all borrowed); returns
 * when the device has mapped them. -EPIPE: it gave up. */
RF_MUST_CHECK int consumer_hand_over(struct consumer *c,
				     const struct rf_doorbell_fds *fds,
				     int memory);
/* Ends it. -EPROTO: it was not content with what it saw. */
RF_MUST_CHECK int consumer_stop(struct consumer *c);

#endif
