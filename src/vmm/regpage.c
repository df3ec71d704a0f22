/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * regpage.c - what a guest finds when it reads the registers of a device
 *
 * The page is read in one of two ways. By register exits: each read comes here
 * under the device's lock. By page: it is a read-only memory slot of the guest,
 * and a vCPU loads from it whenever it likes, in the middle of anything that
 * happens here. The page is the same and nothing here knows the difference, so
 * everything is written for the second way. Writes exit in both, take the lock,
 * and the vCPU that wrote goes on when the page shows the consequence. (A vCPU
 * that writes a selector and reads what it selects therefore always finds it;
 * two vCPUs at one device need a lock of the guest's anyway.)
 *
 * Three sides take part in an interrupt. The device process puts a buffer into
 * the used ring and pulses the line, past us. We, the vCPU process, under the
 * lock, change the configuration or a status and pulse the same line. The
 * driver, in its handler, reads InterruptStatus, writes to InterruptACK what it
 * read, and then looks at what the bits named.
 *
 * Bit 0, used buffers. The device's pulses pass us by, so if an acknowledgement
 * cleared the bit, nobody would set it again:
 *
 *      device             driver                 page, if ACK cleared bit 0
 *      used += 1, pulse
 *                         reads status: 1
 *                         ACK 1                  status: 0
 *                         looks at the ring
 *      used += 1, pulse
 *                         reads status: 0,
 *                         "not mine": lost
 *
 * Nor would it help if the device set the bit in shared memory: an ACK that is
 * on its way while a second pulse sets the bit would clear that one's.
 * (An acknowledgement cannot tell which pulse it means.) So bit 0 is 1 from just
 * before the device is started until the device has stopped, whatever is
 * acknowledged; at worst a driver looks at its rings once too often. With that
 * an ACK of 1 means nothing, and so it may go anywhere and arrive at any time:
 *
 *   registers by page   KVM drops it into an eventfd that nobody reads, whatever
 *                       the kind of doorbell: no exit
 *   registers by exits  it comes here, and changes nothing
 *
 * It is kept out of every ring, where it would only take the place of
 * notifications.
 *
 * Bit 1, configuration. Set and cleared here alone, under the lock. An ACK that
 * contains bit 1 (2 or 3) matches no eventfd and exits, by page and by exits
 * and with every kind of doorbell, and the bit is cleared before the vCPU goes
 * on. The order here is: new configuration; bit 1; pulse. So:
 *
 *      we                       driver
 *      config A, bit 1, pulse
 *                               reads status: 3
 *      config B, bit 1, pulse
 *                               ACK 3: clears the bit, of A and of B
 *                               reads configuration: B
 *                               2nd pulse: reads status: 1, looks at the rings
 *
 * The change of B was acknowledged unseen, but read: whoever acknowledges first
 * and looks then misses nothing, since what is stored before the bit is cleared
 * is there to be read after. If B comes behind the ACK, its bit is set anew and
 * its pulse finds it. A pulse that finds bit 1 not yet shown there is none: the
 * bit is stored before the pulse is sent. A pulse of the device's own may find
 * bit 1 early, before ours: the driver then reads the configuration, and once
 * more nothing at our pulse (status 1). (A driver that looks first and then
 * acknowledges can lose B, here as with any device.)
 *
 * DEVICE_NEEDS_RESET goes the same way: Status, bit 1, pulse.
 *
 * The generation moves twice in a change, before the first byte and behind the
 * last. A driver reads generation, fields, generation, until both are equal:
 *
 *   it began before the change, ended in or behind it    unequal: again
 *   it began in it, ended behind it                      unequal: again
 *   it was wholly within it                              equal, and what it has
 *      may be half old, half new. Bit 1 and the pulse are still to come, and it
 *      reads again. If it has not set DRIVER_OK yet it is sent no interrupt
 *      (virtio 1.2, 4.2.3), so the change is remembered and told right after
 *      DRIVER_OK.
 *
 * Fields of up to 32 bits are never seen in halves: the configuration is stored
 * in aligned words.
 *
 * Start and end. Bit 0 is shown, then DRIVER_OK, then the device is started: an
 * interrupt may come before it answers. At a reset the device is stopped first
 * and the page cleared then: a pulse that is on its way finds 0, and a driver
 * that reads Status 0 has its memory to itself. QueueReset reads 1 until the
 * device has stopped the queue. What if nobody can tell that it has, vdev.c
 * says: then both go on reading what they did, with DEVICE_NEEDS_RESET in
 * Status, and no lock is held meanwhile.
 *
 * Side:    vmm. The page is only written here, in whole words: nobody decides by
 *          what it says.
 * Owns:    nothing; the page is the caller's.
 * Callers: virtio_mmio.c, mmio_queue.c.
 * Never:   waits for a reader, or knows whether there is one.
 */
#include <string.h>

#include "vmm/regpage.h"

/* A vCPU may be reading the register at this moment: one store, whole, and not
 * before the stores that precede it. */
static void show(uint32_t *reg, uint32_t value)
{
	__atomic_store_n(reg, value, __ATOMIC_RELEASE);
}

void regpage_show_status(const struct rf_virtio_mmio *m)
{
	show(&m->page->interrupt_status, m->interrupt_status);
	show(&m->page->status, m->status);
}

static bool is_stopping(const struct rf_virtio_mmio *m, uint32_t queue)
{
	return queue < m->nr_queues && m->stopping & UINT32_C(1) << queue;
}

void regpage_show_selected(const struct rf_virtio_mmio *m)
{
	struct rf_virtio_mmio_queue none = { .num_max = 0 };
	const struct rf_virtio_mmio_queue *q = &none;
	uint64_t features = 0;

	if (m->device_features_sel < 2)
		features = m->device_features >> (32 * m->device_features_sel);
	if (m->queue_sel < m->nr_queues)
		q = &m->queues[m->queue_sel];
	show(&m->page->device_features, (uint32_t)features);
	show(&m->page->queue_num_max, q->num_max);
	show(&m->page->queue_ready, q->ready);
	/* Both read 0 once a reset is over, this one last: 4.2.2.1. */
	show(&m->page->queue_reset, is_stopping(m, m->queue_sel));
}

/* A word of the configuration space as it is shown; what is behind its end is
 * 0. */
static void store_word(const struct rf_virtio_mmio *m, uint32_t offset,
		       const uint8_t *from)
{
	uint32_t *words = (uint32_t *)(void *)m->page->config;
	uint32_t left = m->config_bytes - offset;
	uint32_t word = 0;

	memcpy(&word, from, left < sizeof(word) ? left : sizeof(word));
	show(&words[offset / sizeof(word)], word);
}

void regpage_show_config(struct rf_virtio_mmio *m, const void *config)
{
	const uint8_t *bytes = config;
	uint32_t offset;

	show(&m->page->config_generation, ++m->config_generation);
	/* Each word is stored with what precedes it: no byte of the new one is
	 * seen with the old generation. */
	for (offset = 0; offset < m->config_bytes; offset += sizeof(uint32_t))
		store_word(m, offset, bytes + offset);
	show(&m->page->config_generation, ++m->config_generation);
}

void regpage_put_config(const struct rf_virtio_mmio *m, uint32_t offset,
			const void *data, uint32_t len)
{
	/* The driver wrote them itself and is waiting: nobody is misled by
	 * halves. */
	memcpy(m->page->config + offset, data, len);
}

void regpage_init(const struct rf_virtio_mmio_params *p)
{
	struct rf_virtio_mmio_page *page = p->page;

	memset(page, 0, sizeof(*page));
	page->magic_value = RF_VIRTIO_MMIO_MAGIC;
	page->version = RF_VIRTIO_MMIO_VERSION;
	page->device_id = p->device_id;
	page->vendor_id = p->vendor_id;
	/* No shared memory region, whichever is selected: 4.2.2. */
	page->shm_len_low = UINT32_MAX;
	page->shm_len_high = UINT32_MAX;
	page->shm_base_low = UINT32_MAX;
	page->shm_base_high = UINT32_MAX;
	if (p->config)
		memcpy(page->config, p->config, p->config_bytes);
}
