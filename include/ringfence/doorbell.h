/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * doorbell.h - four ways for a guest's notify write to reach a device process
 *
 * Side: the vCPU process. One rf_doorbell_set per VM, one rf_doorbell per
 * device in it. In order of use:
 *   rf_doorbell_set_new()      one kind for the whole VM
 *   rf_doorbell_open()         per device
 *   rf_doorbell_fds()          pass these to the device process
 *   rf_doorbell_use()          fewer queues than it was opened for
 *   rf_doorbell_register()     after the device has mapped the ring
 *   rf_doorbell_set_write()    a notify write that exited after all
 *   rf_doorbell_set_drain()    after each exit, and by timer (`coalesced`)
 *   rf_doorbell_unregister(), rf_doorbell_close(), rf_doorbell_set_free()
 */
#ifndef RINGFENCE_DOORBELL_H
#define RINGFENCE_DOORBELL_H

#include <ringfence/base.h>
#include <ringfence/ring.h>

#define RF_DOORBELL_QUEUES_MAX 32u

/* Best first. */
enum rf_doorbell_kind {
	RF_DOORBELL_COALESCED2,
	RF_DOORBELL_IOEVENTFD,
	RF_DOORBELL_COALESCED,
	RF_DOORBELL_EXIT,
	RF_DOORBELL_NR_KINDS
};

/* "coalesced2", "ioeventfd", "coalesced", "exit"; NULL for any other value. */
const char *rf_doorbell_kind_name(enum rf_doorbell_kind kind);
/* -EINVAL: no such name. */
RF_MUST_CHECK int rf_doorbell_kind_from_name(const char *name,
					     enum rf_doorbell_kind *out);

#define RF_DOORBELL_WHY_BYTES 160u

/* What a host offers. works[kind], and where false, why: one clause that names
 * the step that failed and the remedy if there is one. */
struct rf_doorbell_offer {
	bool works[RF_DOORBELL_NR_KINDS];
	char why[RF_DOORBELL_NR_KINDS][RF_DOORBELL_WHY_BYTES];
};

/* Find out by doing, on a VM of the caller's (see rf_doorbell_probe_host):
 * a buffer is created, mapped, seen zeroed, registered and undone again, an
 * eventfd is registered and undone, and so on. vm_fd -1 means no KVM: only
 * `exit` works. Leaves nothing behind. */
void rf_doorbell_probe(int vm_fd, struct rf_doorbell_offer *out);

/* One kind of them. Trying a kind costs milliseconds, because KVM waits for its
 * readers at each change of a zone: a monitor that starts a VM asks for what it
 * will use. False: the reason, empty otherwise, is in why_not. */
bool rf_doorbell_probe_kind(int vm_fd, enum rf_doorbell_kind kind,
			    char why_not[RF_DOORBELL_WHY_BYTES]);

/* The same with a VM of its own from an open /dev/kvm. Returns -errno when no
 * VM can be made; `out` is then filled as for vm_fd -1, with the reason. */
int rf_doorbell_probe_host(int kvm_fd, struct rf_doorbell_offer *out);

struct rf_doorbell_set;
struct rf_doorbell;

/* kind: one of the above, must work (rf_doorbell_probe). vm_fd: borrowed for
 * the set's life; -1 for `exit` without KVM. legacy: for `coalesced`, the page
 * at KVM_COALESCED_MMIO_PAGE_OFFSET of one vCPU's mapping, borrowed for the
 * set's life; NULL otherwise. */
RF_MUST_CHECK int rf_doorbell_set_new(enum rf_doorbell_kind kind, int vm_fd,
				      struct rf_ring_page *legacy,
				      struct rf_doorbell_set **out);
/* Closes what is left open in it. NULL is fine. */
void rf_doorbell_set_free(struct rf_doorbell_set *set);
enum rf_doorbell_kind rf_doorbell_set_kind(const struct rf_doorbell_set *set);

/* nr_queues eventfds are made for every kind: with a ring they are the spare
 * bells, "look at queue n again". -ENOSPC: RF_DOORBELL_QUEUES_MAX or the
 * set's table (RF_DOORBELLS_MAX). Owned by the set; close earlier with
 * rf_doorbell_close. */
#define RF_DOORBELLS_MAX 32u
RF_MUST_CHECK int rf_doorbell_open(struct rf_doorbell_set *set,
				   uint16_t nr_queues,
				   struct rf_doorbell **out);
void rf_doorbell_close(struct rf_doorbell *db);

/* All borrowed until the doorbell is closed. The device that gets them must, at
 * each wakeup, take the wake eventfd first (an edge-triggered epoll takes it by
 * reporting it) and drain the ring then: the other way round an entry can fall
 * in between and nobody wakes for it (told in src/ring/doorbell.c). One pass
 * after each take is enough. */
struct rf_doorbell_fds {
	int ring; /* buffer fd or memfd; -1: this kind has no ring */
	int wake; /* eventfd for a ring filled by userspace, or -1
				 * where poll on `ring` itself wakes */
	uint16_t nr_kicks;
	const int *kicks; /* one eventfd a queue */
};
void rf_doorbell_fds(const struct rf_doorbell *db, struct rf_doorbell_fds *out);

/* It has this many queues, not as many as it was opened for: writes that name
 * others are ignored, and are not worth a zone in KVM. -EINVAL: 0, or more than
 * it was opened for. -EBUSY: it is registered. */
RF_MUST_CHECK int rf_doorbell_use(struct rf_doorbell *db, uint16_t nr_queues);

/* Writes of `len` bytes (4; 1, 2 and 8 are taken too) at guest address gpa ring
 * this doorbell. One zone a doorbell. -ENOBUFS with coalesced2: nobody mapped
 * the buffer yet. -EEXIST: the zone overlaps one in this set, or this one is
 * registered. -EINVAL: another length, or the zone wraps. Unregister: writes
 * that were coalesced before it still reach the device; -EINVAL: it is not
 * registered. Not from a vCPU thread. */
RF_MUST_CHECK int rf_doorbell_register(struct rf_doorbell *db, uint64_t gpa,
				       uint32_t len);
RF_MUST_CHECK int rf_doorbell_unregister(struct rf_doorbell *db);

/* What became of writes; counters only ever grow. Any thread. */
struct rf_doorbell_counts {
	uint64_t exits;	  /* writes that came through set_write */
	uint64_t pushed;  /* entries this process put in the ring */
	uint64_t rescans; /* kept as "look at queue n": ring full or gone */
	uint64_t ignored; /* no such queue */
};
void rf_doorbell_counts(const struct rf_doorbell *db,
			struct rf_doorbell_counts *out);

/* A write that exited. Any vCPU thread, inside its last filter: takes the set's
 * lock (futex), signals eventfds (write), and does nothing else that the
 * kernel would see. data: len bytes (1..8) as the guest wrote them. Returns
 * true if gpa lies in a registered zone of this set: the write is then in a
 * ring or kept as a spare bell, never dropped, unless it names no queue or
 * reaches beyond the zone (counted as ignored). */
bool rf_doorbell_set_write(struct rf_doorbell_set *set, uint64_t gpa,
			   const void *data, uint32_t len);

/* `coalesced`: move what the per-VM ring holds to the devices' rings, wake each
 * device once. Other kinds: nothing. Any thread, inside its last filter, as
 * set_write; an empty ring costs two loads. Returns entries moved. The set is
 * the only consumer of the VM's legacy ring: port I/O and zones that are not in
 * the set are discarded. */
uint32_t rf_doorbell_set_drain(struct rf_doorbell_set *set);

#endif
