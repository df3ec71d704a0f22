/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * config.h - a configuration file, read strictly
 *
 * The same things as the flags, and how the fences are built. config_example
 * is a complete one. Nothing is guessed: an unknown or doubled key, a value of
 * another type or out of its range is refused with the key's path
 * ("disks[1].path"); what is no JSON at all, with line and column.
 */
#ifndef RINGFENCE_LAUNCHER_CONFIG_H
#define RINGFENCE_LAUNCHER_CONFIG_H

#include "launcher/settings.h"

#define CONFIG_BYTES_MAX (1u << 20)

/* What `ringfence run --help-config` prints. */
extern const char config_help[];
extern const char config_example[];

/* Apply a file to `s`. -EINVAL, with the reason in `c`; `s` is then not to be
 * used. */
RF_MUST_CHECK int config_read(const char *path, struct settings *s,
			      struct complaint *c);

/* The same for a text in memory; `name` stands for it in complaints. */
RF_MUST_CHECK int config_parse(const char *name, const char *text, size_t len,
			       struct settings *s, struct complaint *c);

#endif
