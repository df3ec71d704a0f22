/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * console.c - lines on the first serial port
 *
 * Side:    inside the virtual machine.
 * Owns:    the 16550's transmit side.
 * Callers: main.c, for the driver's say() and guest_fail().
 * Never:   buffers: the last line before a crash is the one that is wanted.
 */
#include <stdarg.h>
#include <stdbool.h>

#include "console.h"
#include "cpu.h"

enum {
	UART_IER = 1,
	UART_FCR = 2,
	UART_LCR = 3,
	UART_LSR = 5,
	UART_LCR_8N1 = 0x03,
	UART_LCR_DIVISOR_BIT = 0x80,
	UART_FCR_ENABLE_AND_CLEAR = 0x07,
	UART_LSR_EMPTY_BIT = 0x20,
	UART_FIFO_BYTES = 16,
	/* A serial port that is not there, or stuck, must not hold us up. */
	UART_PATIENCE = 100000,
};

/* Characters that fit before the line status is looked at again: each look is
 * an exit to the monitor. */
static uint32_t room;

void console_init(void)
{
	cpu_out8(CPU_PORT_SERIAL + UART_IER, 0);
	cpu_out8(CPU_PORT_SERIAL + UART_LCR,
		 UART_LCR_DIVISOR_BIT | UART_LCR_8N1);
	cpu_out8(CPU_PORT_SERIAL, 1); /* 115200 */
	cpu_out8(CPU_PORT_SERIAL + 1, 0);
	cpu_out8(CPU_PORT_SERIAL + UART_LCR, UART_LCR_8N1);
	cpu_out8(CPU_PORT_SERIAL + UART_FCR, UART_FCR_ENABLE_AND_CLEAR);
	room = 0;
}

static void put_char(char c)
{
	uint32_t i;

	if (!room) {
		for (i = 0; i < UART_PATIENCE; i++)
			if (cpu_in8(CPU_PORT_SERIAL + UART_LSR) &
			    UART_LSR_EMPTY_BIT)
				break;
		room = UART_FIFO_BYTES;
	}
	cpu_out8(CPU_PORT_SERIAL, (uint8_t)c);
	room--;
}

static void put_text(const char *text, uint32_t max)
{
	while (max-- && *text)
		put_char(*text++);
}

/* 64 by 32 bits is all that the processor divides, and there is no library:
 * the upper half first, its remainder then heads the lower half. */
static uint32_t divide_by_10(uint64_t *value)
{
	uint32_t high = (uint32_t)(*value >> 32), low = (uint32_t)*value;
	uint32_t rest = high % 10;

	high /= 10;
	__asm__("divl %2" : "+a"(low), "+d"(rest) : "r"(10u) : "cc");
	*value = (uint64_t)high << 32 | low;
	return rest;
}

static void put_decimal(uint64_t value)
{
	char digits[20];
	uint32_t nr = 0;

	do {
		digits[nr++] = (char)('0' + divide_by_10(&value));
	} while (value);
	while (nr)
		put_char(digits[--nr]);
}

static void put_hex(uint32_t value)
{
	uint32_t shift = 32;

	do {
		shift -= 4;
	} while (shift && !(value >> shift));
	for (;; shift -= 4) {
		put_char("0123456789abcdef"[value >> shift & 15]);
		if (!shift)
			return;
	}
}

/* If *fmt goes on with `with`, step over it. */
static bool skip(const char **fmt, const char *with)
{
	const char *at = *fmt;

	while (*with)
		if (*at++ != *with++)
			return false;
	*fmt = at;
	return true;
}

void console_line(const char *fmt, va_list args)
{
	uint32_t max;

	while (*fmt) {
		if (skip(&fmt, "%s")) {
			put_text(va_arg(args, const char *), UINT32_MAX);
		} else if (skip(&fmt, "%.*s")) {
			max = va_arg(args, unsigned int);
			put_text(va_arg(args, const char *), max);
		} else if (skip(&fmt, "%u")) {
			put_decimal(va_arg(args, unsigned int));
		} else if (skip(&fmt, "%llu")) {
			put_decimal(va_arg(args, unsigned long long));
		} else if (skip(&fmt, "%x")) {
			put_hex(va_arg(args, unsigned int));
		} else {
			put_char(*fmt++);
		}
	}
	put_text("\r\n", 2);
}
