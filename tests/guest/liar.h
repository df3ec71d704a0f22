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
	LIAR_RESET_STICKS,
	LIAR_DRIVER_OK_DROPPED,
	/* of one request, the `nth` */
	LIAR_NO_ANSWER,
	LIAR_GIVES_UP,
	LIAR_HEAD_BEYOND,
	LIAR_HEAD_NOT_OUT,
	LIAR_LEN_LONG,
	LIAR_LEN_ZERO,
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
	/* of the reset it must ask for */
	LIAR_HEAD_SWALLOWED,
	LIAR_NO_CONFIG_INTERRUPT,
};

#define LIAR_TEXT_BYTES 8192u

struct liar {
	struct rf_virtio_mmio_page page;
	pthread_mutex_t lock; /* vCPU and disk thread: all of this */
	enum liar_lie lie;
	uint32_t nth;
	uint64_t features;
	uint32_t queue_max;
	uint64_t capacity;
	uint8_t *image; /* capacity sectors */
	uint8_t *mem;	/* the guest's, from address 0 */
	uint64_t mem_bytes;
	int interrupt; /* eventfd */
	uint64_t driver_features;
	uint16_t next_avail;
	uint16_t next_used;
	uint32_t nr_requests;
	uint32_t nr_notified;
	const char *broken_rule; /* what the driver did wrong first */
	/* what the guest said */
	uint32_t told_notified;
	uint32_t told_compared;
	size_t text_len;
	char text[LIAR_TEXT_BYTES];
};

#define LIAR_F_RO (UINT64_C(1) << 5)
#define LIAR_F_FLUSH (UINT64_C(1) << 9)
#define LIAR_F_WRITE_ZEROES (UINT64_C(1) << 14)
#define LIAR_F_INDIRECT_DESC (UINT64_C(1) << 28)
#define LIAR_F_EVENT_IDX (UINT64_C(1) << 29)
#define LIAR_F_VERSION_1 (UINT64_C(1) << 32)

/* All features but RO, queues up to 256, 1 MiB of zeroes. NULL: no memory. */
struct liar *liar_new(void);
void liar_free(struct liar *l);

/* The guest's status; -errno: no /dev/kvm, or it cannot do what this needs;
 * -EPROTO: the guest did what no monitor knows, and a line says what. */
RF_MUST_CHECK int liar_boot(struct liar *l, const char *append);

/* liar_blk.c, for liar_vm.c, with the lock held. */
uint32_t liar_register_read(struct liar *l, uint32_t offset);
/* True: the queue wants to be served. */
bool liar_register_write(struct liar *l, uint32_t offset, uint32_t value);
void liar_serve(struct liar *l);

#endif
