/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * words.h - many words at the price of one instruction, and the clock
 *
 * Side:    inside the virtual machine, and the stand-in for it.
 * Never:   uses an instruction that a hypervisor's emulator may lack.
 */
#ifndef RINGFENCE_DRIVER_WORDS_H
#define RINGFENCE_DRIVER_WORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline void words_fill(void *to, uint32_t word, size_t nr_words)
{
	__asm__ volatile("rep stosl"
			 : "+D"(to), "+c"(nr_words)
			 : "a"(word)
			 : "memory");
}

/* The number of words that are equal from the start. */
static inline uint32_t words_equal(const uint32_t *a, const uint32_t *b,
				   size_t nr_words)
{
	size_t left = nr_words;
	bool differ = false;

	if (nr_words)
		__asm__ volatile("repe cmpsl"
				 : "+S"(a), "+D"(b), "+c"(left),
				   "=@ccnz"(differ)
				 :
				 : "memory");
	return (uint32_t)(nr_words - left - (differ ? 1 : 0));
}

static inline uint64_t words_cycles(void)
{
	return __builtin_ia32_rdtsc();
}

static inline void words_relax(void)
{
	__builtin_ia32_pause();
}

#endif
