/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * options.h - the command line of ringfence-vmm, written by the launcher
 */
#ifndef RINGFENCE_VMM_OPTIONS_H
#define RINGFENCE_VMM_OPTIONS_H

#include <ringfence/base.h>
#include <ringfence/doorbell.h>

#include "vmm/input.h"

#define OPTIONS_CPUS_MAX 32u

/* How a guest's reads of registers are answered. */
enum options_registers {
	OPTIONS_REGISTERS_AUTO, /* PAGE where that works */
	OPTIONS_REGISTERS_PAGE, /* by KVM, from a page */
	OPTIONS_REGISTERS_EXIT, /* by this process */
};

struct options {
	uint64_t memory_bytes;
	uint32_t nr_cpus;
	uint32_t nr_devices;
	bool kvm;
	bool initrd;	       /* at RF_FD_INITRD */
	enum input_kind input; /* at RF_FD_CONSOLE_IN */
	bool any_doorbell;     /* "auto" */
	enum rf_doorbell_kind doorbell;
	enum options_registers registers;
	const char *root;    /* NULL: an empty one */
	const char *cmdline; /* "" if none was given */
	bool help;
	bool version;
};

#define OPTIONS_WHY_BYTES 160

/* -EINVAL: `why` holds a sentence without its full stop. Strings in `out` are
 * those of argv. */
RF_MUST_CHECK int options_parse(int argc, char *const *argv,
				struct options *out,
				char why[OPTIONS_WHY_BYTES]);
const char *options_usage(void);

#endif
