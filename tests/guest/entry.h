/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * entry.h - what the assembly of entry.S calls
 */
#ifndef GUEST_ENTRY_H
#define GUEST_ENTRY_H

#include <stdint.h>

/* main.c */
__attribute__((noreturn)) void guest_main(uint32_t start_info_paddr);
__attribute__((noreturn)) void guest_exception(uint32_t vector, uint32_t error,
					       uint32_t eip);
/* irq.c */
void irq_entry(uint32_t number);

#endif
