/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * virtio_mmio.h - the register file of one virtio-mmio version 2 device
 *
 * virtio 1.2, 4.2.2. Side: the vCPU process (or any monitor). The registers
 * live in one page-sized struct laid out as the guest sees it, and that page
 * holds at every moment what a 32-bit read of each register returns, so that
 * the page itself can be given to the guest to read (read-only: KVM then makes
 * no exit of a read, and still one of every write). Registers the guest may
 * only write hold 0 there; their values are kept outside of the page.
 * src/vmm/regpage.c tells why such a guest misses nothing.
 * In order of use:
 *   rf_virtio_mmio_init()             once, over a page of the caller's
 *   rf_virtio_mmio_read(), _write()   for each access that exited
 *   rf_virtio_mmio_needs_reset()      the device met a lie or died
 *   rf_virtio_mmio_config_changed()   the device has a new configuration
 *   rf_virtio_mmio_settled()          a reset that had to wait is over
 *
 * Threading: none of it locks. The caller holds one lock per device around
 * each call; the callbacks run inside rf_virtio_mmio_write() (`interrupt` in
 * the last two calls as well), so with that lock held. A callback that waits
 * for another thread therefore must not wait for one that may be waiting for
 * this lock: let that thread try the lock, or leave the waiter a note.
 * Callbacks call none of these functions.
 *
 * The guest is not believed: an access that is of the wrong width, out of
 * order or out of range changes nothing and reads as 0. It is counted, with
 * the reason, in `refusals` and `refused`; nothing here prints, because the
 * thread that takes the exit may have no right to.
 */
#ifndef RINGFENCE_VIRTIO_MMIO_H
#define RINGFENCE_VIRTIO_MMIO_H

#include <assert.h>

#include <ringfence/base.h>

#define RF_VIRTIO_MMIO_BYTES 4096u
#define RF_VIRTIO_MMIO_NOTIFY 0x050u	  /* QueueNotify */
#define RF_VIRTIO_MMIO_ACKNOWLEDGE 0x064u /* InterruptACK */
#define RF_VIRTIO_MMIO_CONFIG 0x100u
#define RF_VIRTIO_MMIO_QUEUES_MAX 32u

/* virtio 1.2, table 4.1 */
struct rf_virtio_mmio_page {
	uint32_t magic_value;	      /* 000 r  "virt" */
	uint32_t version;	      /* 004 r  2 */
	uint32_t device_id;	      /* 008 r */
	uint32_t vendor_id;	      /* 00c r */
	uint32_t device_features;     /* 010 r  by sel */
	uint32_t device_features_sel; /* 014 w */
	uint32_t pad_018[2];
	uint32_t driver_features;     /* 020 w  by sel */
	uint32_t driver_features_sel; /* 024 w */
	uint32_t pad_028[2];
	uint32_t queue_sel;	/* 030 w */
	uint32_t queue_num_max; /* 034 r  by sel */
	uint32_t queue_num;	/* 038 w  by sel */
	uint32_t pad_03c[2];
	uint32_t queue_ready; /* 044 rw by sel */
	uint32_t pad_048[2];
	uint32_t queue_notify; /* 050 w */
	uint32_t pad_054[3];
	uint32_t interrupt_status; /* 060 r */
	uint32_t interrupt_ack;	   /* 064 w */
	uint32_t pad_068[2];
	uint32_t status; /* 070 rw */
	uint32_t pad_074[3];
	uint32_t queue_desc_low;  /* 080 w  by sel */
	uint32_t queue_desc_high; /* 084 */
	uint32_t pad_088[2];
	uint32_t queue_driver_low;  /* 090 */
	uint32_t queue_driver_high; /* 094 */
	uint32_t pad_098[2];
	uint32_t queue_device_low;  /* 0a0 */
	uint32_t queue_device_high; /* 0a4 */
	uint32_t pad_0a8;
	uint32_t shm_sel;	/* 0ac w */
	uint32_t shm_len_low;	/* 0b0 r  -1: no such region */
	uint32_t shm_len_high;	/* 0b4 */
	uint32_t shm_base_low;	/* 0b8 */
	uint32_t shm_base_high; /* 0bc */
	uint32_t queue_reset;	/* 0c0 rw */
	uint32_t pad_0c4[14];
	uint32_t config_generation; /* 0fc r */
	uint8_t config[RF_VIRTIO_MMIO_BYTES - RF_VIRTIO_MMIO_CONFIG];
};
static_assert(sizeof(struct rf_virtio_mmio_page) == RF_VIRTIO_MMIO_BYTES,
	      "virtio 1.2, 4.2.2");
static_assert(offsetof(struct rf_virtio_mmio_page, status) == 0x070, "4.2.2");
static_assert(offsetof(struct rf_virtio_mmio_page, queue_notify) == 0x050,
	      "4.2.2");
static_assert(offsetof(struct rf_virtio_mmio_page, shm_sel) == 0x0ac, "4.2.2");
static_assert(offsetof(struct rf_virtio_mmio_page, config_generation) == 0x0fc,
	      "4.2.2");

/* Status, virtio 1.2, 2.1 */
enum {
	RF_VIRTIO_STATUS_ACKNOWLEDGE = 1,
	RF_VIRTIO_STATUS_DRIVER = 2,
	RF_VIRTIO_STATUS_DRIVER_OK = 4,
	RF_VIRTIO_STATUS_FEATURES_OK = 8,
	RF_VIRTIO_STATUS_NEEDS_RESET = 64,
	RF_VIRTIO_STATUS_FAILED = 128,
};

/* InterruptStatus and InterruptACK, virtio 1.2, 4.2.2 */
enum {
	RF_VIRTIO_INTERRUPT_USED = 1,
	RF_VIRTIO_INTERRUPT_CONFIG = 2,
};

#define RF_VIRTIO_MMIO_MAGIC 0x74726976u /* "virt" */
#define RF_VIRTIO_MMIO_VERSION 2u
#define RF_VIRTIO_MMIO_CONFIG_MAX (RF_VIRTIO_MMIO_BYTES - RF_VIRTIO_MMIO_CONFIG)

/* What needs the device. ctx is that of the params. */
struct rf_virtio_mmio_ops {
	/* The driver set DRIVER_OK with `features`; its queues are in
	 * rf_virtio_mmio.queues, those with `ready` are to be served. Nonzero:
	 * the device refused, the guest then sees DEVICE_NEEDS_RESET. */
	int (*driver_ok)(void *ctx, uint64_t features);

	/* Status was written 0 after driver_ok or config_write had been called.
	 * 0: the device no longer touches guest memory and raises no interrupt;
	 * the registers are cleared after that. Nonzero: nobody can be sure yet
	 * (it does not answer, and its process may still live). The registers
	 * stay as they are but for DEVICE_NEEDS_RESET, Status above all, until
	 * rf_virtio_mmio_settled() says so. Drivers that do not read Status back
	 * rely on the write itself: let the vCPU that made it wait as long. */
	int (*reset)(void *ctx);

	/* QueueReset was written 1, with RING_RESET, for a queue that is served.
	 * 0: the device no longer touches it; the queue's registers are cleared
	 * after that. Nonzero: as for reset, and QueueReset reads 1. */
	int (*queue_stop)(void *ctx, uint16_t queue);

	/* That queue was set up anew and is to be served again. Nonzero: as for
	 * driver_ok. RING_RESET is offered only if both of these are there. */
	int (*queue_start)(void *ctx, uint16_t queue);

	/* A QueueNotify that came as a register access, of a running device and
	 * of a queue it has. With NOTIFICATION_DATA the queue is the low half
	 * of the value. */
	void (*notify)(void *ctx, uint32_t value);

	/* The driver wrote `len` (1, 2, 4 or 8) bytes within config_bytes; only
	 * after FEATURES_OK. 0: taken, the page shows them from now on. NULL or
	 * nonzero: refused. */
	int (*config_write)(void *ctx, uint32_t offset, const void *data,
			    uint32_t len);

	/* Raise the line: configuration change. */
	void (*interrupt)(void *ctx);
};

struct rf_virtio_mmio_queue {
	uint32_t num_max;
	uint32_t num;	 /* <= num_max, a power of two unless the queues are
				 * packed; 0: not set yet */
	bool ready;	 /* then num and the addresses are valid and frozen */
	bool was_reset;	 /* by itself: may be set up while the driver runs */
	uint64_t desc;	 /* guest physical, 16-byte aligned */
	uint64_t driver; /* available ring, 2-byte aligned; packed: the driver's
				 * event suppression, 4-byte aligned */
	uint64_t device; /* used ring or the device's event suppression, 4-byte
				 * aligned */
};

/* Read by the caller as it likes (holding the lock); written only by the calls
 * below. */
struct rf_virtio_mmio {
	struct rf_virtio_mmio_page *page; /* borrowed */
	const struct rf_virtio_mmio_ops *ops;
	void *ctx;
	uint64_t device_features; /* offered to the driver */
	uint64_t driver_features; /* what it took; final with FEATURES_OK */
	uint32_t device_features_sel;
	uint32_t driver_features_sel;
	uint32_t queue_sel;
	uint32_t status;	   /* RF_VIRTIO_STATUS_* */
	uint32_t interrupt_status; /* RF_VIRTIO_INTERRUPT_* */
	uint32_t config_generation;
	uint32_t config_bytes;
	uint16_t nr_queues;
	bool took_unknown; /* driver acknowledged bits beyond the 64th */
	bool device_used;  /* driver_ok or config_write was called */
	bool config_moved; /* while the driver was on its way to DRIVER_OK */
	bool resetting;	   /* Status was written 0, and that is not over */
	uint32_t stopping; /* queues whose QueueReset is not over, a bit each */
	struct rf_virtio_mmio_queue queues[RF_VIRTIO_MMIO_QUEUES_MAX];

	uint64_t refusals;   /* accesses that had no effect; only grows */
	const char *refused; /* the last one's reason, a static string */
};

struct rf_virtio_mmio_params {
	/* Memory of the caller's (page aligned if the guest is to map it),
	 * borrowed for the life of the registers; its old content is wiped. It
	 * is only ever shown to the guest: nothing is decided by what it says. */
	struct rf_virtio_mmio_page *page;
	const struct rf_virtio_mmio_ops *ops; /* borrowed, same life */
	void *ctx;
	uint32_t device_id; /* virtio 1.2, 5 */
	uint32_t vendor_id;
	/* What the device offers, VERSION_1 among it. Taken out here: bit 30,
	 * which means something to vhost-user only, and RING_RESET where ops
	 * cannot do it. */
	uint64_t features;
	uint16_t nr_queues;	/* 1..RF_VIRTIO_MMIO_QUEUES_MAX */
	uint32_t queue_num_max; /* power of two, <= 32768; every queue's */
	const void *config;	/* copied; NULL: zeroes */
	uint32_t config_bytes;	/* <= RF_VIRTIO_MMIO_CONFIG_MAX */
};

/* -EINVAL: a parameter is not as said above, or a callback is missing other
 * than config_write or queue_stop and queue_start. */
RF_MUST_CHECK int rf_virtio_mmio_init(struct rf_virtio_mmio *m,
				      const struct rf_virtio_mmio_params *p);

/* The guest read `len` bytes at `offset` into the page; `data` gets them, all
 * of it zero if there is nothing to be read that way. Any offset and length.
 * (A guest that has the page itself reads at any width what stands there.) */
void rf_virtio_mmio_read(struct rf_virtio_mmio *m, uint32_t offset, void *data,
			 uint32_t len);

/* The guest wrote. Any offset and length. */
void rf_virtio_mmio_write(struct rf_virtio_mmio *m, uint32_t offset,
			  const void *data, uint32_t len);

/* Set DEVICE_NEEDS_RESET; if the driver is there (DRIVER_OK), also tell it by a
 * configuration change interrupt. Nothing if the bit is set already. */
void rf_virtio_mmio_needs_reset(struct rf_virtio_mmio *m);

/* Show config_bytes of new configuration, copied; with a driver there, raise
 * the interrupt. With one that has begun and not yet set DRIVER_OK the interrupt
 * waits for that. */
void rf_virtio_mmio_config_changed(struct rf_virtio_mmio *m,
				   const void *config);

/* Is a reset, of the device or of a queue, waiting for that call? */
bool rf_virtio_mmio_is_unsettled(const struct rf_virtio_mmio *m);

/* The device touches nothing of the guest's any more, nor ever will before the
 * next driver_ok: complete what waited for it. Nothing if nothing did. */
void rf_virtio_mmio_settled(struct rf_virtio_mmio *m);

/* DRIVER_OK is set and DEVICE_NEEDS_RESET is not. */
bool rf_virtio_mmio_is_running(const struct rf_virtio_mmio *m);

#endif
