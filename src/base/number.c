/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * number.c - numbers from command lines and configuration, read strictly
 *
 * Side:    every program, before it touches anything else.
 * Owns:    nothing.
 * Callers: main() of the programs, src/launcher's configuration.
 * Never:   guesses: strtoull takes " -1" for 2^64 - 1.
 */
#include <errno.h>

#include "base/number.h"

/* Reads digits at `text`; `*end` is the first byte behind them. */
static int parse_digits(const char *text, uint64_t *out, const char **end)
{
	uint64_t value = 0;
	const char *p = text;

	if (*p == '0' && p[1] >= '0' && p[1] <= '9')
		return -EINVAL;
	for (; *p >= '0' && *p <= '9'; p++) {
		uint64_t digit = (uint64_t)(*p - '0');

		if (value > (UINT64_MAX - digit) / 10)
			return -ERANGE;
		value = value * 10 + digit;
	}
	if (p == text)
		return -EINVAL;
	*out = value;
	*end = p;
	return 0;
}

/* Something too large that is not a number to its end either is -EINVAL: the
 * form is judged before the size. */
static bool is_all_digits(const char *text)
{
	while (*text >= '0' && *text <= '9')
		text++;
	return *text == '\0';
}

int number_parse(const char *text, uint64_t min, uint64_t max, uint64_t *out)
{
	const char *end;
	uint64_t value;
	int err;

	if (!text || !is_all_digits(text))
		return -EINVAL;
	err = parse_digits(text, &value, &end);
	if (err)
		return err;
	if (value < min || value > max)
		return -ERANGE;
	*out = value;
	return 0;
}

/* Shift for a unit; -1: there is no such unit. */
static int unit_shift(char unit)
{
	switch (unit) {
	case '\0':
		return 0;
	case 'K':
	case 'k':
		return 10;
	case 'M':
	case 'm':
		return 20;
	case 'G':
	case 'g':
		return 30;
	case 'T':
	case 't':
		return 40;
	default:
		return -1;
	}
}

int number_parse_size(const char *text, uint64_t *out)
{
	const char *end = text;
	uint64_t value;
	int shift;
	int err;

	if (!text)
		return -EINVAL;
	while (*end >= '0' && *end <= '9')
		end++;
	shift = unit_shift(*end);
	if (shift < 0 || (*end != '\0' && end[1] != '\0'))
		return -EINVAL;
	err = parse_digits(text, &value, &end);
	if (err)
		return err;
	if (value > UINT64_MAX >> shift)
		return -ERANGE;
	*out = value << shift;
	return 0;
}
