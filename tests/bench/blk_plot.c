/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * blk_plot.c - the comparison as a picture, drawn by gnuplot
 */
#include <errno.h>

#include "bench/blk_show.h"

int blk_plot(const struct blk_table *t, const char *path)
{
	(void)t;
	(void)path;
	return -ENOENT;
}
