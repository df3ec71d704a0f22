/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * options.h - command lines, read strictly
 *
 * `--name value` and `--name=value`, no abbreviations, no order. Each command
 * describes its options in one table.
 */
#ifndef RINGFENCE_LAUNCHER_OPTIONS_H
#define RINGFENCE_LAUNCHER_OPTIONS_H

#include "launcher/settings.h"

struct option_spec {
	const char *name; /* "--disk" */
	bool has_value;
	int id; /* the caller's, > 0 */
};

struct option {
	int id; /* 0: a word that is no option */
	const char *value;
};

/* Take the next of argv[*at..argc). Returns 1 with `out` filled, 0 at the end,
 * -EINVAL with the reason. `--` ends the options. */
RF_MUST_CHECK int options_next(int argc, char *const *argv, int *at,
			       const struct option_spec *specs, size_t nr,
			       struct option *out, struct complaint *c);

/* What the arguments of `run` ask for. */
enum options_run {
	OPTIONS_RUN,
	OPTIONS_RUN_HELP,
	OPTIONS_RUN_HELP_CONFIG,
};

/* `argv[0]` is the word behind "run". Reads the file of --config as well. */
RF_MUST_CHECK int options_run(int argc, char *const *argv, struct settings *s,
			      enum options_run *out, struct complaint *c);

extern const char options_run_help[];

#endif
