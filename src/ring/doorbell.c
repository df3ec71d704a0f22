/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * doorbell.c - the set of doorbells of a VM, whatever their kind
 *
 * Side:    the vCPU process.
 * Owns:    buffer fds, memfds, eventfds, our mappings of rings, zone table.
 * Callers: src/vmm (or any monitor), through <ringfence/doorbell.h>; the kinds,
 *          through doorbell_kind.h.
 * Never:   drops a write to a queue that exists. In set_write and set_drain,
 *          which run in vCPU threads: never allocates, maps, opens or waits for
 *          the device; the system calls are write (eventfd) and, for the lock
 *          when two threads meet, futex.
 *
 * One lock for the set. Everything under it is short, and a write that got here
 * has paid for a trip through userspace already.
 *
 * No wakeup is lost. The consumer sleeps on the wake eventfd, and must TAKE the
 * eventfd FIRST and DRAIN THEN. We push first and signal then. A push can fall:
 *
 *   before the take       the entry is in the ring, the drain finds it;
 *   between take and      the drain finds it, the signal that follows causes
 *   the drain's look      one idle round: harmless;
 *   after that look       the signal comes after the take, so it is still there
 *                         when the consumer goes to sleep: it does not sleep.
 *
 * Draining first and taking then would lose an entry pushed in between. With an
 * edge-triggered epoll the report is the take: each signal makes a new edge,
 * whether or not anybody reads the eventfd.
 *
 * We signal once for each batch (one write that exited, or one drain of the
 * legacy ring), not only when a ring goes from empty to not empty: `first` is
 * stored at the end of a drain, so a ring whose entries have all been looked at
 * still shows as not empty. A push in that moment must signal, or the consumer
 * would have to look once more behind a full barrier, and a correct producer
 * would hang on the care of every consumer. An eventfd adds signals up, so a
 * busy consumer is not woken more often; what is left to save is one write(2)
 * beside a userspace exit that costs several times as much.
 *
 * A ring that is full, or whose indices the device has made nonsense of, turns
 * the write into a signal on the queue's own eventfd. The device looks at the
 * whole queue then, so it does not matter that the value is gone, nor in which
 * order it sees the two.
 *
 * The eventfds do not block us. O_NONBLOCK belongs to the open file and so is
 * shared with the device, but a device that hears the guest is sealed and has
 * no fcntl nor ioctl to clear it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>

#include "base/memfd.h"
#include "ring/doorbell_kind.h"

static const struct doorbell_kind *const kinds[] = {
	[RF_DOORBELL_COALESCED2] = &doorbell_coalesced2,
	[RF_DOORBELL_IOEVENTFD] = &doorbell_ioeventfd,
	[RF_DOORBELL_COALESCED] = &doorbell_coalesced,
	[RF_DOORBELL_EXIT] = &doorbell_exit,
};
static_assert(RF_ARRAY_LEN(kinds) == RF_DOORBELL_NR_KINDS, "closed table");

static bool is_valid_kind(enum rf_doorbell_kind kind)
{
	return (unsigned int)kind < RF_DOORBELL_NR_KINDS;
}

const char *rf_doorbell_kind_name(enum rf_doorbell_kind kind)
{
	return is_valid_kind(kind) ? kinds[kind]->name : NULL;
}

int rf_doorbell_kind_from_name(const char *name, enum rf_doorbell_kind *out)
{
	unsigned int i;

	for (i = 0; i < RF_DOORBELL_NR_KINDS; i++) {
		if (strcmp(name, kinds[i]->name) == 0) {
			*out = (enum rf_doorbell_kind)i;
			return 0;
		}
	}
	return -EINVAL;
}

static void count(uint64_t *counter)
{
	__atomic_fetch_add(counter, 1, __ATOMIC_RELAXED);
}

int rf_doorbell_set_new(enum rf_doorbell_kind kind, int vm_fd,
			struct rf_ring_page *legacy,
			struct rf_doorbell_set **out)
{
	struct rf_doorbell_set *set;
	int err;

	if (!is_valid_kind(kind))
		return -EINVAL;
	if (kind != RF_DOORBELL_EXIT && vm_fd < 0)
		return -EINVAL;
	if ((kind == RF_DOORBELL_COALESCED) != (legacy != NULL))
		return -EINVAL;
	set = calloc(1, sizeof(*set));
	if (!set)
		return -ENOMEM;
	set->kind = kind;
	set->ops = kinds[kind];
	set->vm_fd = vm_fd;
	if (legacy) {
		err = rf_ring_consumer_init(&set->legacy, legacy);
		if (err)
			goto fail;
	}
	err = -pthread_mutex_init(&set->lock, NULL);
	if (err)
		goto fail;
	*out = set;
	return 0;
fail:
	free(set);
	return err;
}

void rf_doorbell_set_free(struct rf_doorbell_set *set)
{
	uint32_t i;

	if (!set)
		return;
	for (i = 0; i < RF_DOORBELLS_MAX; i++)
		if (set->doorbells[i].is_open)
			rf_doorbell_close(&set->doorbells[i]);
	(void)pthread_mutex_destroy(&set->lock);
	free(set);
}

enum rf_doorbell_kind rf_doorbell_set_kind(const struct rf_doorbell_set *set)
{
	return set->kind;
}

static void release(struct rf_doorbell *db)
{
	uint16_t i;

	for (i = 0; i < db->nr_kicks; i++)
		rf_fd_close(&db->kicks[i]);
	rf_fd_close(&db->ring);
	rf_fd_close(&db->wake);
	if (db->page)
		(void)munmap(db->page, RF_RING_BYTES);
	db->page = NULL;
	db->is_open = false;
}

static int make_eventfd(int *out)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	if (fd < 0)
		return -errno;
	*out = fd;
	return 0;
}

static int make_kicks(struct rf_doorbell *db)
{
	uint16_t i;
	int err;

	for (i = 0; i < db->nr_kicks; i++) {
		err = make_eventfd(&db->kicks[i]);
		if (err)
			return err;
	}
	return 0;
}

static int open_locked(struct rf_doorbell_set *set, uint16_t nr_queues,
		       struct rf_doorbell **out)
{
	struct rf_doorbell *db = set->doorbells;
	int err;

	while (db < set->doorbells + RF_DOORBELLS_MAX && db->is_open)
		db++;
	if (db == set->doorbells + RF_DOORBELLS_MAX)
		return -ENOSPC;
	*db = (struct rf_doorbell){
		.set = set,
		.nr_queues = nr_queues,
		.nr_kicks = nr_queues,
		.ring = -1,
		.wake = -1,
	};
	memset(db->kicks, 0xff, sizeof(db->kicks)); /* all -1 */
	err = make_kicks(db);
	if (!err && set->ops->open)
		err = set->ops->open(db);
	if (err) {
		release(db);
		return err;
	}
	db->is_open = true;
	*out = db;
	return 0;
}

int rf_doorbell_open(struct rf_doorbell_set *set, uint16_t nr_queues,
		     struct rf_doorbell **out)
{
	int err;

	if (nr_queues == 0)
		return -EINVAL;
	if (nr_queues > RF_DOORBELL_QUEUES_MAX)
		return -ENOSPC;
	(void)pthread_mutex_lock(&set->lock);
	err = open_locked(set, nr_queues, out);
	(void)pthread_mutex_unlock(&set->lock);
	return err;
}

int rf_doorbell_use(struct rf_doorbell *db, uint16_t nr_queues)
{
	int err = 0;

	(void)pthread_mutex_lock(&db->set->lock);
	if (db->is_registered)
		err = -EBUSY;
	else if (nr_queues == 0 || nr_queues > db->nr_kicks)
		err = -EINVAL;
	else
		db->nr_queues = nr_queues;
	(void)pthread_mutex_unlock(&db->set->lock);
	return err;
}

/* Also what close does first, when the answer matters to nobody any more. */
static int unregister_locked(struct rf_doorbell *db)
{
	const struct doorbell_kind *ops = db->set->ops;
	int err;

	if (!db->is_registered)
		return -EINVAL;
	if (ops->detach) {
		err = ops->detach(db);
		if (err)
			return err;
	}
	/* What was coalesced until now still belongs to this device: collected
	 * before the zone leaves the table. */
	if (ops->drain)
		(void)ops->drain(db->set);
	db->is_registered = false;
	return 0;
}

void rf_doorbell_close(struct rf_doorbell *db)
{
	struct rf_doorbell_set *set = db->set;

	(void)pthread_mutex_lock(&set->lock);
	if (db->is_registered && unregister_locked(db))
		/* KVM keeps its own reference to what it writes to; the zone
		 * is out of our table either way. */
		db->is_registered = false;
	release(db);
	(void)pthread_mutex_unlock(&set->lock);
}

void rf_doorbell_fds(const struct rf_doorbell *db, struct rf_doorbell_fds *out)
{
	*out = (struct rf_doorbell_fds){
		.ring = db->ring,
		.wake = db->wake,
		.nr_kicks = db->nr_kicks,
		.kicks = db->kicks,
	};
}

/* What a guest can write at once, and what KVM_IOEVENTFD takes. */
static bool is_valid_zone(uint64_t gpa, uint32_t len)
{
	if (len != 1 && len != 2 && len != 4 && len != 8)
		return false;
	return gpa <= UINT64_MAX - len;
}

static bool is_overlap(const struct rf_doorbell *db, uint64_t gpa, uint32_t len)
{
	if (gpa >= db->gpa)
		return gpa - db->gpa < db->len;
	return db->gpa - gpa < len;
}

static bool has_overlap(const struct rf_doorbell_set *set, uint64_t gpa,
			uint32_t len)
{
	uint32_t i;

	for (i = 0; i < RF_DOORBELLS_MAX; i++)
		if (set->doorbells[i].is_registered &&
		    is_overlap(&set->doorbells[i], gpa, len))
			return true;
	return false;
}

static int register_locked(struct rf_doorbell *db, uint64_t gpa, uint32_t len)
{
	int err;

	if (db->is_registered || has_overlap(db->set, gpa, len))
		return -EEXIST;
	db->gpa = gpa;
	db->len = len;
	if (db->set->ops->attach) {
		/* Under the lock: a write that exits from the new zone waits
		 * for it and then finds the zone in the table. */
		err = db->set->ops->attach(db);
		if (err)
			return err;
	}
	db->is_registered = true;
	return 0;
}

int rf_doorbell_register(struct rf_doorbell *db, uint64_t gpa, uint32_t len)
{
	int err;

	if (!is_valid_zone(gpa, len))
		return -EINVAL;
	(void)pthread_mutex_lock(&db->set->lock);
	err = register_locked(db, gpa, len);
	(void)pthread_mutex_unlock(&db->set->lock);
	return err;
}

int rf_doorbell_unregister(struct rf_doorbell *db)
{
	int err;

	(void)pthread_mutex_lock(&db->set->lock);
	err = unregister_locked(db);
	(void)pthread_mutex_unlock(&db->set->lock);
	return err;
}

void rf_doorbell_counts(const struct rf_doorbell *db,
			struct rf_doorbell_counts *out)
{
	const struct rf_doorbell_counts *c = &db->counts;

	out->exits = __atomic_load_n(&c->exits, __ATOMIC_RELAXED);
	out->pushed = __atomic_load_n(&c->pushed, __ATOMIC_RELAXED);
	out->rescans = __atomic_load_n(&c->rescans, __ATOMIC_RELAXED);
	out->ignored = __atomic_load_n(&c->ignored, __ATOMIC_RELAXED);
}

struct rf_doorbell *doorbell_find(struct rf_doorbell_set *set, uint64_t gpa)
{
	uint32_t i;

	for (i = 0; i < RF_DOORBELLS_MAX; i++) {
		struct rf_doorbell *db = &set->doorbells[i];

		if (db->is_registered && gpa >= db->gpa &&
		    gpa - db->gpa < db->len)
			return db;
	}
	return NULL;
}

int doorbell_open_memfd_ring(struct rf_doorbell *db)
{
	void *map;
	int err;

	err = memfd_new("ringfence-ring", RF_RING_BYTES, &db->ring);
	if (err)
		return err;
	map = mmap(NULL, RF_RING_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED,
		   db->ring, 0);
	if (map == MAP_FAILED)
		return -errno;
	db->page = map;
	/* A child of ours has no business in it. */
	if (madvise(map, RF_RING_BYTES, MADV_DONTFORK) < 0)
		return -errno;
	return make_eventfd(&db->wake);
}

void doorbell_kick(struct rf_doorbell *db, const struct rf_ring_entry *entry)
{
	/* Little endian, as the guest is. virtio 1.2, 4.2.3.3: the queue index
	 * is the low half, with VIRTIO_F_NOTIFICATION_DATA too. */
	unsigned int queue = entry->data[0] | (unsigned int)entry->data[1] << 8;

	if (entry->phys_addr != db->gpa || queue >= db->nr_queues) {
		count(&db->counts.ignored);
		return;
	}
	count(&db->counts.rescans);
	/* A write to our own eventfd; it can fail only if it is none. */
	(void)!rf_eventfd_signal(db->kicks[queue]);
}

void doorbell_push(struct rf_doorbell *db, const struct rf_ring_entry *entry)
{
	if (rf_ring_push(db->page, entry)) {
		doorbell_kick(db, entry);
		return;
	}
	count(&db->counts.pushed);
	db->wake_due = true;
}

void doorbell_wake_due(struct rf_doorbell *db)
{
	if (!db->wake_due)
		return;
	db->wake_due = false;
	(void)!rf_eventfd_signal(db->wake);
}

static void write_locked(struct rf_doorbell *db, uint64_t gpa, const void *data,
			 uint32_t len)
{
	struct rf_ring_entry entry = { .phys_addr = gpa, .len = len };

	count(&db->counts.exits);
	/* KVM would not put it in the ring either if it reached beyond the
	 * zone. */
	if (len == 0 || len > db->len - (gpa - db->gpa)) {
		count(&db->counts.ignored);
		return;
	}
	memcpy(entry.data, data, len);
	db->set->ops->write(db, &entry);
}

bool rf_doorbell_set_write(struct rf_doorbell_set *set, uint64_t gpa,
			   const void *data, uint32_t len)
{
	struct rf_doorbell *db;

	(void)pthread_mutex_lock(&set->lock);
	db = doorbell_find(set, gpa);
	if (db)
		write_locked(db, gpa, data, len);
	(void)pthread_mutex_unlock(&set->lock);
	return db != NULL;
}

/* As the page says. Another thread may be half-way through a drain: then it has
 * not stored `first` yet and we wait for it at the lock, to no purpose but to
 * no harm. */
static bool is_drained(const struct rf_doorbell_set *set)
{
	const struct rf_ring_page *page = set->legacy.page;

	return __atomic_load_n(&page->first, __ATOMIC_ACQUIRE) ==
	       __atomic_load_n(&page->last, __ATOMIC_ACQUIRE);
}

uint32_t rf_doorbell_set_drain(struct rf_doorbell_set *set)
{
	uint32_t moved;

	/* Called after every exit, so the common answer takes no lock. */
	if (!set->ops->drain || is_drained(set))
		return 0;
	(void)pthread_mutex_lock(&set->lock);
	moved = set->ops->drain(set);
	(void)pthread_mutex_unlock(&set->lock);
	return moved;
}
