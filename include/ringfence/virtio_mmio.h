/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * virtio_mmio.h - the register file of one virtio-mmio version 2 device
 *
 * virtio 1.2, 4.2.2. Side: the vCPU process (or any monitor). The registers
 * live in one page-sized struct laid out as the guest sees it, so that the page
 * itself could be given to the guest to read. Behaviour is in
 * src/vmm/virtio_mmio.c; what needs the device is a callback.
 */
#ifndef RINGFENCE_VIRTIO_MMIO_H
#define RINGFENCE_VIRTIO_MMIO_H

#include <assert.h>

#include <ringfence/base.h>

#define RF_VIRTIO_MMIO_BYTES 4096u
#define RF_VIRTIO_MMIO_NOTIFY 0x050u /* QueueNotify */
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

#endif
