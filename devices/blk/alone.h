/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * alone.h - ringfence-blk as a back-end for any vhost-user-blk front-end
 *
 *   alone_options.c  its arguments
 *   alone.c          the sockets, and a process for each connection
 */
#ifndef DEVICES_BLK_ALONE_H
#define DEVICES_BLK_ALONE_H

#include <sys/types.h>

#include <ringfence/limits.h>

#define ALONE_ARGS_MAX 32

struct alone_options {
	const char *socket;
	const char *control; /* NULL: none */
	const char *image;
	bool read_only;
	bool direct;
	bool has_limits; /* or may get some */
	struct rf_rates limits;
	/* Of the serving process. */
	uid_t uid;
	gid_t gid;
	char *args[ALONE_ARGS_MAX + 1]; /* NULL behind the last */
	int nr_args;
	char index[4]; /* args has it: written anew for each connection */
};

/* What `--help` says of it. */
extern const char alone_usage[];

/* Is this command line, by its `--socket`, one for alone_main()? */
bool alone_is_wanted(int argc, char **argv);

/* Wrong ones end the process with 2 and a sentence. `out` points into itself. */
void alone_options_parse(int argc, char **argv, struct alone_options *out);

/* Serve one connection after another until SIGTERM or SIGINT; the process's exit
 * status. What the command line has for the device is given to `check`, which
 * ends the process with a sentence if it is wrong, and then, with each
 * connection, to the process that serves it. */
RF_MUST_CHECK int alone_main(int argc, char **argv,
			     void (*check)(int argc, char **argv));

#endif
