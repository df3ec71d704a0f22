/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * trim.h - give back the memory that only the start needed
 *
 *   set everything up
 *   rf_trim();
 *   serve, or wait for something that takes long
 */
#ifndef RINGFENCE_TRIM_H
#define RINGFENCE_TRIM_H

/* Give the pages of the program's code and constants back to the kernel, all of
 * them. What is used again comes from the page cache, at a fault for 64 KiB or a
 * large folio; in a program that was linked with src/served.ld a fault among
 * what is named there brings nothing else with it, so that the process stays
 * small. In other programs nothing happens. Nothing is ever lost, but for what a
 * debugger has written into the code.
 *
 * Needs madvise(MADV_DONTNEED) and madvise(MADV_DONTDUMP), which no filter of
 * ours has; refused otherwise, the memory stays. rf_fence_enter() does this
 * right before it loads its filter. From any thread. */
void rf_trim(void);

#endif
