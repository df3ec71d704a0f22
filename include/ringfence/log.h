/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * log.h - lines for the person woken at night
 *
 *   rf-blk[2]: queue 0: head 17: request type 9 unknown (-EPROTO)
 *
 * A line is built in a buffer on the stack (RF_LOG_LINE_BYTES at most, longer
 * ones are cut and end in "...") and leaves by one write(2) to RF_FD_LOG, a
 * descriptor that was opened before the fence. No allocation, no locale, no
 * stdio stream. Bytes that are not printable ASCII become '?', so a guest that
 * gets a string into a line cannot drive a terminal.
 *
 * Anything a guest can trigger goes through rf_log_limited(): at most `burst`
 * lines from one site until rf_log_refill() (called by the device when it is
 * reset), then one line that says that more were held back.
 */
#ifndef RINGFENCE_LOG_H
#define RINGFENCE_LOG_H

#include <ringfence/base.h>

#define RF_LOG_LINE_BYTES 256

/* Name this process in its lines: "rf-blk", 2 gives "rf-blk[2]: ". Index -1
 * leaves the brackets out. `name` is copied (15 bytes at most). Call before
 * other threads exist. Default: "ringfence". */
void rf_log_name(const char *name, int index);

/* One line, without its newline. Never fails: a log that cannot be written is
 * not worth the guest. errno is preserved. */
void rf_log(const char *fmt, ...) RF_PRINTF(1, 2);

/* Per site: static struct rf_log_limit limit; */
struct rf_log_limit {
	uint32_t used;
	uint32_t epoch;
};

void rf_log_limited(struct rf_log_limit *limit, uint32_t burst, const char *fmt,
		    ...) RF_PRINTF(3, 4);

/* Every limit starts anew. */
void rf_log_refill(void);

#endif
