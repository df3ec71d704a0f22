/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * policy.h - classic BPF in words, for `ringfence policy --bpf`
 */
#ifndef RINGFENCE_LAUNCHER_POLICY_H
#define RINGFENCE_LAUNCHER_POLICY_H

#include <linux/filter.h>

#include <ringfence/base.h>

/* Instruction number `at` of a filter; jumps show their targets' numbers. */
void policy_disassemble(const struct sock_filter *in, unsigned at, char *out,
			size_t cap);

/* What a filter returns: "allow", "kill-process", ... */
const char *policy_verdict(uint32_t k);

#endif
