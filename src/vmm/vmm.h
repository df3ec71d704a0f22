/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * vmm.h - the whole of the vCPU process in one struct
 *
 * There is one, in main.c, and it is of fixed size: after the filters are
 * loaded nothing is allocated.
 */
#ifndef RINGFENCE_VMM_VMM_H
#define RINGFENCE_VMM_VMM_H

#include <pthread.h>
#include <stdatomic.h>

#include <ringfence/doorbell.h>
#include <ringfence/fence.h>
#include <ringfence/report.h>

#include "vmm/boot.h"
#include "vmm/input.h"
#include "vmm/latch.h"
#include "vmm/memory.h"
#include "vmm/power.h"
#include "vmm/serial.h"
#include "vmm/stats.h"
#include "vmm/vdev.h"
#include "vmm/vm.h"
#include "vmm/work.h"

struct vmm;

struct vcpu {
	struct vmm *vmm;
	uint32_t index; /* and its slot in work */
	pthread_t thread;
	struct latch fenced; /* its filter is loaded */
	struct latch go;     /* run */
};

struct vmm {
	struct vdev devices[RF_FENCE_DEVICES_MAX];
	uint32_t nr_devices;
	struct vcpu vcpus[VM_VCPUS_MAX];
	uint32_t nr_vcpus;
	bool kvm;
	bool register_pages; /* the guest reads registers without an exit */
	struct vm vm;	     /* if kvm */
	struct stats stats;
	struct memory memory;
	struct rf_doorbell_set *doorbells;
	struct serial serial;
	struct input input;
	struct power power;
	struct work work;
	struct rf_report *report;
	bool running; /* main thread: GO was received */
	/* Accesses that reached nothing; for the line at the end. */
	_Atomic uint64_t stray;
	/* The stand-in's: grows whenever it got somewhere. */
	_Atomic uint64_t progress;
	char cmdline[BOOT_CMDLINE_BYTES];
};

#endif
