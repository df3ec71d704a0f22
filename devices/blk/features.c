/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * features.c - features by name, for those that a driver is better not offered
 *
 * Side:    before the fence. Names come from who started the program.
 * Owns:    the names: those of virtio 1.2 in lower case, without prefix.
 * Callers: options.c.
 * Never:   takes a name that is not known: what was meant would be offered.
 */
#include <string.h>

#include "blk.h"
#include "options.h"

/* virtio 1.2, 6: the runtime's. */
#define BIT(nr) (UINT64_C(1) << (nr))

static const struct {
	const char *name;
	uint64_t mask;
} names[] = {
	{ "size_max", F_SIZE_MAX },
	{ "seg_max", F_SEG_MAX },
	{ "blk_size", F_BLK_SIZE },
	/* Without flushes there is no cache mode to choose. */
	{ "flush", F_FLUSH | F_CONFIG_WCE },
	{ "topology", F_TOPOLOGY },
	{ "config_wce", F_CONFIG_WCE },
	{ "mq", F_MQ },
	{ "discard", F_DISCARD },
	{ "write_zeroes", F_WRITE_ZEROES },
	{ "indirect_desc", BIT(28) },
	{ "event_idx", BIT(29) },
	{ "ring_packed", BIT(34) },
	{ "in_order", BIT(35) },
	{ "notification_data", BIT(38) },
	{ "ring_reset", BIT(40) },
};

static uint64_t find(const char *name, size_t len)
{
	size_t i;

	for (i = 0; i < RF_ARRAY_LEN(names); i++)
		if (strlen(names[i].name) == len &&
		    memcmp(names[i].name, name, len) == 0)
			return names[i].mask;
	return 0;
}

bool blk_features_parse(const char *text, uint64_t *out)
{
	uint64_t mask = 0;

	for (;;) {
		const size_t len = strcspn(text, "+");
		const uint64_t one = find(text, len);

		if (!one)
			return false;
		mask |= one;
		if (text[len] == '\0')
			break;
		text += len + 1;
	}
	*out = mask;
	return true;
}
