/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * features.h - virtio features that the driver knows, by bit and by name
 */
#ifndef RINGFENCE_DRIVER_FEATURES_H
#define RINGFENCE_DRIVER_FEATURES_H

#include <stdint.h>

/* virtio 1.2, 5.2.3 */
#define FEATURE_SIZE_MAX (1ull << 1)
#define FEATURE_SEG_MAX (1ull << 2)
#define FEATURE_RO (1ull << 5)
#define FEATURE_BLK_SIZE (1ull << 6)
#define FEATURE_FLUSH (1ull << 9)
#define FEATURE_TOPOLOGY (1ull << 10)
#define FEATURE_CONFIG_WCE (1ull << 11)
#define FEATURE_MQ (1ull << 12)
#define FEATURE_DISCARD (1ull << 13)
#define FEATURE_WRITE_ZEROES (1ull << 14)
/* 6 */
#define FEATURE_INDIRECT_DESC (1ull << 28)
#define FEATURE_EVENT_IDX (1ull << 29)
#define FEATURE_VERSION_1 (1ull << 32)
#define FEATURE_RING_PACKED (1ull << 34)
#define FEATURE_IN_ORDER (1ull << 35)
#define FEATURE_NOTIFICATION_DATA (1ull << 38)
#define FEATURE_RING_RESET (1ull << 40)

struct feature {
	const char *name; /* the specification's, without prefix, lower case */
	uint64_t mask;
};

#define FEATURES_NR 17u
extern const struct feature features[FEATURES_NR];

/* All of them. */
uint64_t features_known(void);

#endif
