/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * config_item.h - one value of a configuration on its way into the settings
 *
 * Between config.c, which knows JSON's shapes and the machine's keys,
 * config_disk.c, which knows a disk's, and config_jailer.c. All return 0 or -EINVAL with the
 * item's path in its complaint.
 */
#ifndef RINGFENCE_LAUNCHER_CONFIG_ITEM_H
#define RINGFENCE_LAUNCHER_CONFIG_ITEM_H

#include <jansson.h>

#include "launcher/settings.h"

#define CONFIG_PATH_BYTES 160

/* One value on its way into the settings, and where it stands. */
struct config_item {
	const char *file;
	const char *path; /* "jailer.cgroup" */
	const json_t *value;
	struct settings *s;
	struct complaint *c;
	size_t index; /* in the array it stands in */
};

struct config_key {
	const char *name;
	json_type type;
	int (*read)(const struct config_item *it);
};

/* "a string", "an integer", ... */
const char *config_type_name(json_type type);

RF_MUST_CHECK int config_check_type(const struct config_item *it,
				    json_type type);

/* Each member of an object through the table of its keys. */
RF_MUST_CHECK int config_read_object(const struct config_item *it,
				     const struct config_key *keys, size_t nr);

/* Each element of an array of at most `max`. */
RF_MUST_CHECK int config_read_array(const struct config_item *it, size_t max,
				    int (*read)(const struct config_item *it));

/* A string that is neither empty nor too long for `out`. */
RF_MUST_CHECK int config_read_text(const struct config_item *it, char *out,
				   size_t cap);

RF_MUST_CHECK int config_read_integer(const struct config_item *it,
				      uint64_t min, uint64_t max,
				      uint64_t *out);

/* The section "disks". */
RF_MUST_CHECK int config_read_disks(const struct config_item *it);

/* The section "jailer". */
RF_MUST_CHECK int config_read_jailer(const struct config_item *it);

#endif
