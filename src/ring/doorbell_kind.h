/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * doorbell_kind.h - what a kind of doorbell is made of
 *
 * Side: the vCPU process; src/ring only. A kind is one table of functions in a
 * file of its own. doorbell.c owns the objects, the lock and the zone table and
 * calls into the kind with the set's lock held.
 */
#ifndef RINGFENCE_RING_DOORBELL_KIND_H
#define RINGFENCE_RING_DOORBELL_KIND_H

#include <pthread.h>

#include <ringfence/doorbell.h>

struct rf_doorbell {
	struct rf_doorbell_set *set;
	bool is_open;
	bool is_registered;
	bool wake_due;	    /* pushed to, not signalled yet */
	uint16_t nr_queues; /* that it is used for */
	uint16_t nr_kicks;  /* that there are eventfds for */
	uint32_t len;
	uint64_t gpa;
	int ring;
	int wake;
	struct rf_ring_page *page; /* our mapping where we are the producer */
	int kicks[RF_DOORBELL_QUEUES_MAX];
	struct rf_doorbell_counts counts; /* relaxed atomics */
};

struct doorbell_kind {
	const char *name;

	/* Make db->ring and what belongs to it. What was made when it fails is
	 * undone by doorbell.c. NULL: this kind has no ring. */
	int (*open)(struct rf_doorbell *db);

	/* Tell KVM about db->gpa and db->len. All or nothing. NULL: KVM has no
	 * part in it. */
	int (*attach)(struct rf_doorbell *db);
	int (*detach)(struct rf_doorbell *db);

	/* Put a write that exited where the device finds it. */
	void (*write)(struct rf_doorbell *db,
		      const struct rf_ring_entry *entry);

	/* Collect what lies in a ring of the whole VM. NULL: no such ring. */
	uint32_t (*drain)(struct rf_doorbell_set *set);
};

struct rf_doorbell_set {
	enum rf_doorbell_kind kind;
	const struct doorbell_kind *ops;
	int vm_fd;			/* borrowed */
	struct rf_ring_consumer legacy; /* page NULL but for `coalesced` */
	pthread_mutex_t lock;
	struct rf_doorbell doorbells[RF_DOORBELLS_MAX];
};

extern const struct doorbell_kind doorbell_coalesced2;
extern const struct doorbell_kind doorbell_ioeventfd;
extern const struct doorbell_kind doorbell_coalesced;
extern const struct doorbell_kind doorbell_exit;

/* For the kinds; all with the lock held. */

/* The registered doorbell whose zone holds gpa, or NULL. */
struct rf_doorbell *doorbell_find(struct rf_doorbell_set *set, uint64_t gpa);

/* A memfd ring and its wake eventfd: open() of the kinds where we produce. */
int doorbell_open_memfd_ring(struct rf_doorbell *db);

/* Append to the memfd ring, or ring the queue's spare bell. Marks the wake as
 * due; doorbell_wake_due() then signals once for many. */
void doorbell_push(struct rf_doorbell *db, const struct rf_ring_entry *entry);
void doorbell_wake_due(struct rf_doorbell *db);

/* "Look at queue n again": n is in the entry's value. */
void doorbell_kick(struct rf_doorbell *db, const struct rf_ring_entry *entry);

#endif
