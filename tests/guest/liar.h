/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * liar.h - a disk that lies in one way at a time, and a monitor around it
 *
 * Side:    host, tests only. The guest's hostile twin: nothing of the library
 *          but the layout of the registers is used, so that guest and library
 *          cannot share a mistake. In order of use:
 *   liar_new()    a disk, its lie yet to be chosen
 *   liar_boot()   the built-in guest on /dev/kvm with this disk, to its end
 *   liar_free()
 */
#ifndef GUEST_LIAR_H
#define GUEST_LIAR_H

#include <pthread.h>

#include <ringfence/base.h>
#include <ringfence/virtio_mmio.h>

enum liar_lie {
	LIAR_HONEST,
	/* while it boots */
	LIAR_START_MAGIC,
	LIAR_START_NO_RAM,
	/* while it looks at the device */
	LIAR_NO_VERSION_1,
	LIAR_FEATURES_REFUSED,
	LIAR_GENERATION_RUNS,
	LIAR_EMPTY,
	LIAR_QUEUE_IN_USE,
	LIAR_QUEUE_NOT_READY,
	LIAR_QUEUE_RESET_STICKS,
	LIAR_QUEUE_RESET_IN_USE,
	LIAR_QUEUE_RESET_FORGETS, /* goes on at its old place */
	LIAR_WRITEBACK_STUCK,
	LIAR_RESET_STICKS,
	LIAR_RESET_READS_ON, /* a read lands a little later */
	LIAR_DRIVER_OK_DROPPED,
	/* of one request, the `nth` */
	LIAR_NO_ANSWER,
	LIAR_GIVES_UP,
	LIAR_HEAD_BEYOND,
	LIAR_HEAD_NOT_OUT,
	LIAR_LEN_LONG,
	LIAR_LEN_ZERO,
	LIAR_WRAP_WRONG,
	LIAR_OUT_OF_ORDER, /* after the one that follows it */
	LIAR_STATUS_WRONG,
	LIAR_STATUS_UNTOUCHED,
	/* of every request */
	LIAR_NO_INTERRUPT,
	LIAR_ACCEPTS_ANYTHING,
	LIAR_WRITE_MISPLACED,
	LIAR_WRITE_PIECES_MERGED,
	LIAR_WRITE_FORGOTTEN,
	LIAR_WRITE_BACKWARDS, /* reads the disk into the driver's data */
	LIAR_READ_BIT_FLIPPED,
	LIAR_ZEROES_FORGOTTEN,
	LIAR_DISCARD_WIDE,
	LIAR_PIECES_SHUFFLED, /* of long chains */
	/* of the reset it must ask for */
	LIAR_HEAD_SWALLOWED,
	LIAR_NO_CONFIG_INTERRUPT,
};

#define LIAR_TEXT_BYTES 8192u
#define LIAR_QUEUES_MAX 8u
#define LIAR_CHAIN_MAX 64u

struct liar_desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags;
};

struct liar_queue {
	uint32_t num;
	bool ready;
	uint64_t desc;
	uint64_t driver;
	uint64_t device;
	uint16_t next_avail;
	uint16_t next_used;
	bool avail_wrap;
	bool used_wrap;
	uint16_t last_desc; /* split, in-order: of the chain before */
};

struct liar_request {
	struct liar_desc chain[LIAR_CHAIN_MAX];
	uint32_t nr;
	uint16_t id;
	uint16_t nr_slots; /* of the ring */
	uint32_t len;	   /* written, status and all */
	bool is_nth;
	bool is_lie; /* no driver may hand this over */
};

struct liar {
	struct rf_virtio_mmio_page page;
	pthread_mutex_t lock; /* vCPU and disk thread: all of this */
	enum liar_lie lie;
	uint32_t nth;
	uint64_t features;
	uint32_t queue_max;
	uint64_t capacity;
	bool batches;	/* in-order: of what is done at once tell the last */
	uint8_t *image; /* capacity sectors */
	uint8_t *mem;	/* the guest's, from address 0 */
	uint64_t mem_bytes;
	int interrupt; /* eventfd */
	uint64_t driver_features;
	struct liar_queue queues[LIAR_QUEUES_MAX];
	struct liar_request held; /* if nr */
	uint8_t *last_read;	  /* where in the guest's memory; or NULL */
	uint32_t nr_requests;
	uint32_t nr_notified;
	uint32_t nr_exceeded; /* more or longer pieces than we take */
	uint32_t nr_queue_resets;
	uint32_t nr_indirect;
	uint32_t queues_used;	 /* a bit each */
	const char *broken_rule; /* what the driver did wrong first */
	/* what the guest said */
	uint32_t told_notified;
	uint32_t told_compared;
	size_t text_len;
	char text[LIAR_TEXT_BYTES];
};

#define LIAR_F_SIZE_MAX (UINT64_C(1) << 1)
#define LIAR_F_SEG_MAX (UINT64_C(1) << 2)
#define LIAR_F_RO (UINT64_C(1) << 5)
#define LIAR_F_BLK_SIZE (UINT64_C(1) << 6)
#define LIAR_F_FLUSH (UINT64_C(1) << 9)
#define LIAR_F_TOPOLOGY (UINT64_C(1) << 10)
#define LIAR_F_CONFIG_WCE (UINT64_C(1) << 11)
#define LIAR_F_MQ (UINT64_C(1) << 12)
#define LIAR_F_DISCARD (UINT64_C(1) << 13)
#define LIAR_F_WRITE_ZEROES (UINT64_C(1) << 14)
#define LIAR_F_INDIRECT_DESC (UINT64_C(1) << 28)
#define LIAR_F_EVENT_IDX (UINT64_C(1) << 29)
#define LIAR_F_VERSION_1 (UINT64_C(1) << 32)
#define LIAR_F_RING_PACKED (UINT64_C(1) << 34)
#define LIAR_F_IN_ORDER (UINT64_C(1) << 35)
#define LIAR_F_NOTIFICATION_DATA (UINT64_C(1) << 38)
#define LIAR_F_RING_RESET (UINT64_C(1) << 40)
#define LIAR_F_ALL                                                           \
	(LIAR_F_SIZE_MAX | LIAR_F_SEG_MAX | LIAR_F_BLK_SIZE | LIAR_F_FLUSH | \
	 LIAR_F_TOPOLOGY | LIAR_F_CONFIG_WCE | LIAR_F_MQ | LIAR_F_DISCARD |  \
	 LIAR_F_WRITE_ZEROES | LIAR_F_INDIRECT_DESC | LIAR_F_EVENT_IDX |     \
	 LIAR_F_VERSION_1 | LIAR_F_RING_PACKED | LIAR_F_IN_ORDER |           \
	 LIAR_F_NOTIFICATION_DATA | LIAR_F_RING_RESET)

/* virtio 1.2, 5.2.4, where the guest finds it */
enum liar_config {
	LIAR_CONFIG_CAPACITY = 0,
	LIAR_CONFIG_SIZE_MAX = 8,
	LIAR_CONFIG_SEG_MAX = 12,
	LIAR_CONFIG_BLK_SIZE = 20,
	LIAR_CONFIG_PHYSICAL_EXP = 24,
	LIAR_CONFIG_ALIGNMENT = 25,
	LIAR_CONFIG_MIN_IO = 26,
	LIAR_CONFIG_OPT_IO = 28,
	LIAR_CONFIG_WRITEBACK = 32,
	LIAR_CONFIG_NUM_QUEUES = 34,
	LIAR_CONFIG_DISCARD_SECTORS = 36,
	LIAR_CONFIG_DISCARD_RANGES = 40,
	LIAR_CONFIG_DISCARD_ALIGNMENT = 44,
	LIAR_CONFIG_ZEROES_SECTORS = 48,
	LIAR_CONFIG_ZEROES_RANGES = 52,
	LIAR_CONFIG_ZEROES_UNMAP = 56,
	LIAR_CONFIG_BYTES = 60,
};

/* What a disk of before these features had: FLUSH, WRITE_ZEROES, indirect
 * descriptors and event index; queues up to 256, 1 MiB of zeroes. NULL: no
 * memory. */
struct liar *liar_new(void);
void liar_free(struct liar *l);
void liar_set_config(struct liar *l, enum liar_config field, uint32_t len,
		     uint32_t value);

/* The guest's status; -errno: no /dev/kvm, or it cannot do what this needs;
 * -EPROTO: the guest did what no monitor knows, and a line says what. */
RF_MUST_CHECK int liar_boot(struct liar *l, const char *append);

/* liar_blk.c, for liar_vm.c, with the lock held. */
uint32_t liar_register_read(struct liar *l, uint32_t offset, uint32_t len);
/* True: a queue wants to be served. */
bool liar_register_write(struct liar *l, uint32_t offset, uint32_t len,
			 uint32_t value);

/* liar_ring.c, with the lock held */
void liar_serve(struct liar *l);
void liar_queue_clear(struct liar_queue *q);
/* NOTIFICATION_DATA: what the upper half of a notification must be. */
uint32_t liar_ring_end(struct liar *l, const struct liar_queue *q);

/* liar_disk.c, for liar_ring.c: do it, and fill in `len`. False: no answer. */
bool liar_perform(struct liar *l, struct liar_request *r);

/* liar_blk.c, for the others */
void liar_broken(struct liar *l, const char *rule);
void liar_rule(struct liar *l, bool kept, const char *text);
/* Guest memory; where there is none, a place that does no harm. */
void *liar_at(struct liar *l, uint64_t gpa, uint64_t len);
void liar_interrupt(struct liar *l, uint32_t bit);
void liar_give_up(struct liar *l);
bool liar_agreed(const struct liar *l, uint64_t feature);

#endif
