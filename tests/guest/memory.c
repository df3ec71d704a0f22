/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * memory.c - the functions a compiler calls of its own accord
 *
 * Side:    inside the virtual machine.
 * Callers: code that gcc or clang made of an assignment.
 * Never:   loops in C, which a compiler may turn into a call of the very
 *          function that it stands in.
 */
#include <stddef.h>

void *memcpy(void *restrict to, const void *restrict from, size_t len);
void *memset(void *to, int byte, size_t len);

void *memcpy(void *restrict to, const void *restrict from, size_t len)
{
	void *at = to;

	__asm__ volatile("rep movsb"
			 : "+D"(at), "+S"(from), "+c"(len)
			 :
			 : "memory");
	return to;
}

void *memset(void *to, int byte, size_t len)
{
	void *at = to;

	__asm__ volatile("rep stosb"
			 : "+D"(at), "+c"(len)
			 : "a"(byte)
			 : "memory");
	return to;
}
