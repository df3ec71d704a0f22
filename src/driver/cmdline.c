/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * cmdline.c - read the words of the kernel command line that are ours
 *
 * Side:    inside the virtual machine, and the stand-in for it.
 * Owns:    nothing; reads the text where it lies.
 * Callers: drive.c.
 * Never:   guesses: a word of ours that does not parse to its last character
 *          is an error, because a test that runs something else than it was
 *          told to proves nothing.
 */
#include "driver/features.h"
#include "driver/guest.h"

static const char *const mode_names[] = {
	[GUEST_MODE_IRQ] = "irq",   [GUEST_MODE_POLL] = "poll",
	[GUEST_MODE_IDLE] = "idle", [GUEST_MODE_DOORBELL] = "doorbell",
	[GUEST_MODE_LIE] = "lie",   [GUEST_MODE_RESET] = "reset",
};
_Static_assert(GUEST_ARRAY_LEN(mode_names) == GUEST_NR_MODES, "one each");

const char *cmdline_mode_name(enum guest_mode mode)
{
	return mode_names[mode];
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n';
}

static bool is_end(char c)
{
	return c == '\0' || is_blank(c);
}

/* If the text begins with `prefix`, step over it. */
static bool skip(const char **text, const char *prefix)
{
	const char *t = *text;

	while (*prefix && *t == *prefix) {
		t++;
		prefix++;
	}
	if (*prefix)
		return false;
	*text = t;
	return true;
}

static int digit_value(char c, uint32_t base)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (base == 16 && c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (base == 16 && c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* Decimal, or hexadecimal after 0x. At least one digit, at most 32 bits. */
static bool read_number(const char **text, uint32_t *out)
{
	uint32_t base = skip(text, "0x") ? 16 : 10;
	uint32_t value = 0;
	bool any = false;
	int digit;

	while ((digit = digit_value(**text, base)) >= 0) {
		if (value > (UINT32_MAX - (uint32_t)digit) / base)
			return false;
		value = value * base + (uint32_t)digit;
		(*text)++;
		any = true;
	}
	*out = value;
	return any;
}

static bool read_size(const char **text, uint32_t *out)
{
	uint32_t shift = 0;

	if (!read_number(text, out))
		return false;
	if (skip(text, "K") || skip(text, "k"))
		shift = 10;
	else if (skip(text, "M") || skip(text, "m"))
		shift = 20;
	if (*out > UINT32_MAX >> shift)
		return false;
	*out <<= shift;
	return *out > 0;
}

/* A whole value from `min` to `max`. */
static bool read_value(const char *text, uint32_t min, uint32_t max,
		       uint32_t *out)
{
	uint32_t value;

	if (!read_number(&text, &value) || !is_end(*text))
		return false;
	if (value < min || value > max)
		return false;
	*out = value;
	return true;
}

static bool read_mode(const char *text, enum guest_mode *out)
{
	const char *rest;
	int i;

	for (i = 0; i < GUEST_NR_MODES; i++) {
		rest = text;
		if (skip(&rest, mode_names[i]) && is_end(*rest)) {
			*out = (enum guest_mode)i;
			return true;
		}
	}
	return false;
}

/* SIZE@BASE:IRQ[:ID], the form of Linux. ID is a Linux device number; it means
 * nothing here. */
static bool read_device(const char *text, struct guest_options *out)
{
	struct guest_device dev;
	uint32_t id;

	if (out->nr_devices == GUEST_DEVICES_MAX)
		return false;
	if (!read_size(&text, &dev.len_bytes) || !skip(&text, "@") ||
	    !read_number(&text, &dev.base) || !skip(&text, ":") ||
	    !read_number(&text, &dev.irq))
		return false;
	if (skip(&text, ":") && !read_number(&text, &id))
		return false;
	if (!is_end(*text) || dev.base & 3 ||
	    dev.len_bytes - 1 > UINT32_MAX - dev.base)
		return false;
	out->devices[out->nr_devices++] = dev;
	return true;
}

/* One of a list: +NAME or -NAME, up to a comma or the word's end. */
static bool read_feature(const char **text, struct guest_options *out)
{
	const bool need = **text == '+';
	const char *rest;
	uint32_t i;

	if (!need && **text != '-')
		return false;
	for (i = 0; i < FEATURES_NR; i++) {
		rest = *text + 1;
		if (!skip(&rest, features[i].name) ||
		    (*rest != ',' && !is_end(*rest)))
			continue;
		*text = rest;
		out->needs_features &= ~features[i].mask;
		out->shuns_features &= ~features[i].mask;
		if (need)
			out->needs_features |= features[i].mask;
		else
			out->shuns_features |= features[i].mask;
		return true;
	}
	return false;
}

static bool read_features(const char *text, struct guest_options *out)
{
	do {
		if (!read_feature(&text, out))
			return false;
	} while (skip(&text, ","));
	/* Without it there is no driver here. */
	return is_end(*text) && !(out->shuns_features & FEATURE_VERSION_1);
}

static bool read_word(const char *word, struct guest_options *out)
{
	if (skip(&word, "virtio_mmio.device=") || skip(&word, "rf.device="))
		return read_device(word, out);
	if (skip(&word, "rf.mode="))
		return read_mode(word, &out->mode);
	if (skip(&word, "rf.features="))
		return read_features(word, out);
	if (skip(&word, "rf.queues="))
		return read_value(word, 1, GUEST_QUEUES_MAX, &out->queues);
	if (skip(&word, "rf.rounds="))
		return read_value(word, 1, GUEST_ROUNDS_MAX, &out->rounds);
	if (skip(&word, "rf.writes="))
		return read_value(word, 0, UINT32_MAX, &out->writes);
	if (skip(&word, "rf.timeout="))
		return read_value(word, 1, GUEST_TIMEOUT_MAX_S,
				  &out->timeout_s);
	/* Ours by its prefix, and misspelt. */
	return !skip(&word, "rf.");
}

const char *cmdline_parse(const char *text, struct guest_options *out)
{
	*out = (struct guest_options){
		.mode = GUEST_MODE_IRQ,
		.rounds = 2,
		.writes = 1000,
		.timeout_s = 10,
	};
	for (;;) {
		while (is_blank(*text))
			text++;
		if (!*text)
			return NULL;
		if (!read_word(text, out))
			return text;
		while (!is_end(*text))
			text++;
	}
}
