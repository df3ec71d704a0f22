/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * images.h - every file a run needs, open and judged before anything starts
 */
#ifndef RINGFENCE_LAUNCHER_IMAGES_H
#define RINGFENCE_LAUNCHER_IMAGES_H

#include <sys/types.h>

#include "launcher/settings.h"

struct images {
	int kvm;     /* -1: the stand-in */
	int kernel;  /* sealed memfd of the built-in guest, or a file */
	int initrd;  /* -1: none */
	int vmm_exe; /* ringfence-vmm, beside us */
	int blk_exe; /* ringfence-blk, beside us */
	int report;  /* --report, or -1 */
	int disks[SETTINGS_DISKS_MAX];
	uint32_t nr_disks;
	bool stands_in; /* accel auto found no KVM: `why_no_kvm` says why */
	char why_no_kvm[160];
};

/* Open them all. -EINVAL with the reason; nothing is left open then. */
RF_MUST_CHECK int images_open(const struct settings *s, struct images *out,
			      struct complaint *c);
void images_close(struct images *im);

/* A disk image: regular file or block device of 512 bytes or more, and locked
 * so that another launcher can neither write what we read nor read what we
 * write. The descriptor is owned. */
RF_MUST_CHECK int images_open_disk(const struct disk *disk, int *out,
				   struct complaint *c);

/* /dev/kvm, open, with the API version all kernels have had since 2007. */
RF_MUST_CHECK int images_open_kvm(int *out, char *why, size_t cap);
/* Can its guests read device registers without an exit? */
bool images_has_register_pages(int kvm);

/* A program of ours, from the directory this one was started from. */
RF_MUST_CHECK int images_open_program(const char *name, int *out,
				      struct complaint *c);

#endif
