/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * alone.h - ringfence-blk as a back-end for any vhost-user-blk front-end
 */
#ifndef DEVICES_BLK_ALONE_H
#define DEVICES_BLK_ALONE_H

#include <ringfence/base.h>

/* What `--help` says of it. */
extern const char alone_usage[];

/* Is this command line, by its `--socket`, one for alone_main()? */
bool alone_is_wanted(int argc, char **argv);

/* Serve one connection after another until SIGTERM or SIGINT; the process's exit
 * status. What the command line has for the device is given to `check`, which
 * ends the process with a sentence if it is wrong, and then, with each
 * connection, to the process that serves it. */
RF_MUST_CHECK int alone_main(int argc, char **argv,
			     void (*check)(int argc, char **argv));

#endif
