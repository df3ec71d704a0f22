/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * bells.c - the ring that doorbell writes arrive in
 *
 * Side:    device. KVM or the vCPU process fills the ring; its indices, and
 *          the entries a guest caused, are hostile.
 * Owns:    the mapping of the ring; the descriptors at RF_FD_RING, RF_FD_WAKE.
 * Callers: backend.c (set), loop.c (drain), device.c (reset).
 * Never:   believes an index, an address or a queue number in the ring.
 *
 * Why edge-triggered. The ring's descriptor says "readable" as long as
 * first != last. If `last` is nonsense that never ends, and a sealed process
 * cannot tell epoll to look away. With EPOLLET each wakeup is told once:
 *
 *   producer                       loop
 *   P1 entry, then last            C1 epoll_wait takes the edge
 *   P2 wakes whoever polls         C2 drain looks at last
 *
 * An entry whose P1 comes before C2 is drained. One whose P1 comes later has
 * its P2 later still, so that edge is not taken yet and C1 will not sleep.
 * That holds for KVM and for the eventfd of a ring filled by userspace, which
 * signals behind each batch whatever the ring looked like (doorbell.c); the
 * eventfd is never read, because each write to it is an edge. The loop looks
 * at the ring before it sleeps as well, which only saves the sleep between P1
 * and P2.
 *
 * Needs (until SEAL): newfstatat, fcntl(F_GET_SEALS), mmap(PROT_READ|
 *   PROT_WRITE, MAP_SHARED) of RF_RING_BYTES, madvise(MADV_DONTFORK), munmap,
 *   dup3, close, epoll_ctl(RF_FD_EPOLL, ADD).
 * Needs (sealed): write(RF_FD_LOG).
 */
#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "device/runtime.h"

/* QueueNotify is one 32-bit register (virtio 1.2, 4.2.2). */
#define ZONE_BYTES 4u

/* A memfd has a size and seals; a KVM buffer is an anonymous inode, which has
 * no file type at all. Nothing else can be a ring. */
static int check_ring_fd(const struct rf_device *dev, int fd)
{
	struct stat st;
	int err;

	if (fstat(fd, &st) < 0)
		return -errno;
	if ((st.st_mode & S_IFMT) == 0)
		return 0;
	if (!S_ISREG(st.st_mode) || st.st_size < (off_t)RF_RING_BYTES)
		return -EINVAL;
	err = rf_vhost_user_check_seals(fd);
	return dev->allow_unsealed ? 0 : err;
}

static int map_ring(struct runtime_bells *b, int fd)
{
	struct rf_ring_page *page;
	int err;

	page = mmap(NULL, RF_RING_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
		    0);
	if (page == MAP_FAILED)
		return -errno;
	/* A child that inherited the mapping would be a second owner, and in
	 * the posted kernels a use after free. */
	err = madvise(page, RF_RING_BYTES, MADV_DONTFORK) < 0 ? -errno : 0;
	if (!err)
		err = rf_ring_consumer_init(&b->consumer, page);
	/* The zone is not registered yet, so nobody can have written. */
	if (!err && rf_ring_has_entries(&b->consumer))
		err = -EPROTO;
	if (err) {
		munmap(page, RF_RING_BYTES);
		return err;
	}
	b->page = page;
	return 0;
}

/* Move both to their places. They arrived at the lowest free numbers, so one
 * may stand where the other belongs. */
static int place(int ring, int wake)
{
	int err = 0;

	if (wake == RF_FD_RING) {
		err = rf_fd_move(wake, RF_FD_WAKE);
		wake = -1;
	}
	if (err) {
		rf_fd_close(&ring);
		return err;
	}
	err = rf_fd_move(ring, RF_FD_RING);
	if (err) {
		rf_fd_close(&wake);
		return err;
	}
	return wake >= 0 ? rf_fd_move(wake, RF_FD_WAKE) : 0;
}

int bells_set(struct rf_device *dev, int ring, int wake,
	      const struct rf_vhost_user_ring *desc)
{
	struct runtime_bells *b = &dev->bells;
	rf_autofd ring_fd = ring;
	rf_autofd wake_fd = wake;
	int err;

	if (b->page)
		return -EBUSY;
	if (desc->len != ZONE_BYTES || desc->addr % ZONE_BYTES != 0 ||
	    desc->format > VHOST_USER_RING_NOTIFICATION_DATA)
		return -EINVAL;
	err = check_ring_fd(dev, ring);
	if (err)
		return err;
	err = map_ring(b, ring);
	if (err)
		return err;
	b->has_wake = wake >= 0;
	err = place(rf_fd_take(&ring_fd), rf_fd_take(&wake_fd));
	if (!err)
		err = loop_watch(b->has_wake ? RF_FD_WAKE : RF_FD_RING,
				 LOOP_RING, true);
	if (err) {
		bells_clear(dev);
		/* A file that cannot be polled is no ring without a wake. */
		return err == -EPERM ? -EINVAL : err;
	}
	b->zone_gpa = desc->addr;
	b->format = desc->format;
	b->broken = false;
	return 0;
}

void bells_clear(struct rf_device *dev)
{
	struct runtime_bells *b = &dev->bells;

	if (!b->page)
		return;
	munmap(b->page, RF_RING_BYTES);
	b->page = NULL;
	rf_fd_close(&(int){ RF_FD_RING });
	if (b->has_wake)
		rf_fd_close(&(int){ RF_FD_WAKE });
}

/* One entry, a copy: which queue does it name? */
static void take_entry(void *ctx, const struct rf_ring_entry *entry)
{
	struct rf_device *dev = ctx;
	struct runtime_bells *b = &dev->bells;
	bool has_data = dev->features & RUNTIME_F_NOTIFICATION_DATA;
	uint16_t upper = 0;
	uint32_t value;

	if (entry->pio || entry->phys_addr != b->zone_gpa ||
	    entry->len != ZONE_BYTES) {
		b->nr_foreign++;
		return;
	}
	memcpy(&value, entry->data, sizeof(value));
	value = le32toh(value);
	/* virtio 1.2, 2.9: the queue is the lower half. */
	if (has_data || b->format == VHOST_USER_RING_NOTIFICATION_DATA) {
		upper = (uint16_t)(value >> 16);
		value &= 0xffff;
	}
	if (value >= dev->ops->nr_queues)
		return;
	b->rung |= UINT32_C(1) << value;
	if (has_data && !b->flushing)
		virtqueue_hint(&dev->vqs[value], upper);
}

bool bells_are_waiting(const struct rf_device *dev)
{
	const struct runtime_bells *b = &dev->bells;

	return b->page && !b->broken && rf_ring_has_entries(&b->consumer);
}

void bells_drain(struct rf_device *dev)
{
	struct runtime_bells *b = &dev->bells;
	uint32_t nr = 0;
	int err;

	if (!bells_are_waiting(dev))
		return;
	b->rung = 0;
	b->nr_foreign = 0;
	err = rf_ring_drain_each(&b->consumer, take_entry, dev, &nr);
	if (err) {
		b->broken = true;
		rf_log("ring: %s is %u, out of range: no longer read "
		       "(-EPROTO)",
		       b->consumer.bad_name, b->consumer.bad_index);
		device_break(dev, 0);
		return;
	}
	RF_REPORT_COUNT(dev->report, ring_entries, nr);
	RF_REPORT_COUNT(dev->report, foreign, b->nr_foreign);
	pass_ring(dev, b->rung);
}

void bells_flush(struct rf_device *dev)
{
	dev->bells.flushing = true;
	bells_drain(dev);
	dev->bells.flushing = false;
}

void bells_reset(struct rf_device *dev)
{
	struct runtime_bells *b = &dev->bells;

	if (!b->page || !b->broken)
		return;
	/* If it is still bad nothing is lost: writes that a ring refuses come
	 * as kicks. */
	if (rf_ring_consumer_init(&b->consumer, b->page)) {
		rf_log("ring: %s is still %u: doorbells come as kicks only",
		       b->consumer.bad_name, b->consumer.bad_index);
		return;
	}
	b->broken = false;
}
