/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * features.c - virtio features that the driver knows, by bit and by name
 *
 * Side:    inside the virtual machine, the stand-in for it, and tests.
 * Owns:    the names.
 * Callers: cmdline.c, disk.c.
 */
#include "driver/features.h"

const struct feature features[FEATURES_NR] = {
	{ "size_max", FEATURE_SIZE_MAX },
	{ "seg_max", FEATURE_SEG_MAX },
	{ "ro", FEATURE_RO },
	{ "blk_size", FEATURE_BLK_SIZE },
	{ "flush", FEATURE_FLUSH },
	{ "topology", FEATURE_TOPOLOGY },
	{ "config_wce", FEATURE_CONFIG_WCE },
	{ "mq", FEATURE_MQ },
	{ "discard", FEATURE_DISCARD },
	{ "write_zeroes", FEATURE_WRITE_ZEROES },
	{ "indirect_desc", FEATURE_INDIRECT_DESC },
	{ "event_idx", FEATURE_EVENT_IDX },
	{ "version_1", FEATURE_VERSION_1 },
	{ "ring_packed", FEATURE_RING_PACKED },
	{ "in_order", FEATURE_IN_ORDER },
	{ "notification_data", FEATURE_NOTIFICATION_DATA },
	{ "ring_reset", FEATURE_RING_RESET },
};

uint64_t features_known(void)
{
	uint64_t known = 0;
	uint32_t i;

	for (i = 0; i < FEATURES_NR; i++)
		known |= features[i].mask;
	return known;
}
