/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * bucket.c - token buckets
 *
 * Side:    device. The limits come from the launcher, which is believed; what
 *          is taken follows the guest's requests, which are not.
 * Owns:    nothing; the buckets are the device's.
 * Callers: devices/, through <ringfence/bucket.h>. One thread.
 * Never:   overflows, whatever the rates: all is capped to what 62 bits hold,
 *          and multiplied in 128.
 *
 * What is not yet a whole token is kept as a fraction of one, so that nothing
 * is lost or won however often a bucket is looked at.
 */
#include <ringfence/bucket.h>

#define NS_PER_S UINT64_C(1000000000)
/* 2^62 tokens are no limit anybody could feel. */
#define TOKENS_MAX (UINT64_C(1) << 62)
/* A device's timer ticks in milliseconds, and comes late at times: a burst
 * below what passes until then would make the rate a lie. */
#define TICKS_PER_S 250u
#define REST_PER_S 10u

__extension__ typedef unsigned __int128 wide;

static uint64_t min64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t real_burst(uint64_t rate, uint64_t burst)
{
	uint64_t least = rate / TICKS_PER_S;

	if (burst == 0)
		burst = rate / REST_PER_S;
	if (burst < least)
		burst = least;
	return burst ? min64(burst, TOKENS_MAX) : 1;
}

static void refill(struct rf_bucket *b, uint64_t now_ns)
{
	uint64_t elapsed = now_ns > b->last_ns ? now_ns - b->last_ns : 0;
	wide billionths = (wide)elapsed * b->rate + b->billionths;
	/* Unsigned: the burst less a debt, each within 2^62. */
	uint64_t room = b->burst - (uint64_t)b->level;

	b->last_ns += elapsed;
	if (billionths / NS_PER_S >= room) {
		b->level = (int64_t)b->burst;
		b->billionths = 0;
		return;
	}
	b->level += (int64_t)(billionths / NS_PER_S);
	b->billionths = (uint32_t)(billionths % NS_PER_S);
}

/* A new limit begins with a full bucket; a changed one keeps what there is, so
 * that a debt is not forgiven by touching the page. */
static void adopt(struct rf_bucket *b, uint64_t rate, uint64_t burst,
		  uint64_t now_ns)
{
	if (b->rate == 0) {
		b->level = (int64_t)burst;
		b->billionths = 0;
		b->last_ns = now_ns;
	} else {
		refill(b, now_ns);
		if (b->level > (int64_t)burst)
			b->level = (int64_t)burst;
	}
	b->rate = rate;
	b->burst = burst;
}

uint64_t rf_bucket_wait_ns(struct rf_bucket *b, uint64_t rate, uint64_t burst,
			   uint64_t now_ns)
{
	wide wait;

	if (rate == 0) {
		b->rate = 0;
		return 0;
	}
	rate = min64(rate, TOKENS_MAX);
	burst = real_burst(rate, burst);
	if (rate != b->rate || burst != b->burst)
		adopt(b, rate, burst, now_ns);
	else
		refill(b, now_ns);
	if (b->level > 0)
		return 0;
	wait = (wide)(1 - b->level) * NS_PER_S - b->billionths;
	wait = (wait + rate - 1) / rate;
	return wait > UINT64_MAX ? UINT64_MAX : (uint64_t)wait;
}

void rf_bucket_take(struct rf_bucket *b, uint64_t amount)
{
	if (b->rate == 0)
		return;
	/* A debt has a bottom as well: 2^62. */
	amount = min64(amount, TOKENS_MAX);
	if (b->level < (int64_t)amount - (int64_t)TOKENS_MAX)
		b->level = -(int64_t)TOKENS_MAX;
	else
		b->level -= (int64_t)amount;
}

bool rf_limits_is_set(const struct rf_limits *limits)
{
	return limits && (atomic_load_explicit(&limits->ops_per_s,
					       memory_order_relaxed) ||
			  atomic_load_explicit(&limits->bytes_per_s,
					       memory_order_relaxed));
}

uint64_t rf_limiter_wait_ns(struct rf_limiter *limiter,
			    const struct rf_limits *limits, uint64_t now_ns)
{
	uint64_t ops, bytes;

	if (!limits) {
		limiter->ops.rate = 0;
		limiter->bytes.rate = 0;
		return 0;
	}
	ops = rf_bucket_wait_ns(
		&limiter->ops,
		atomic_load_explicit(&limits->ops_per_s, memory_order_relaxed),
		atomic_load_explicit(&limits->ops_burst, memory_order_relaxed),
		now_ns);
	bytes = rf_bucket_wait_ns(&limiter->bytes,
				  atomic_load_explicit(&limits->bytes_per_s,
						       memory_order_relaxed),
				  atomic_load_explicit(&limits->bytes_burst,
						       memory_order_relaxed),
				  now_ns);
	return min64(ops > bytes ? ops : bytes, RF_LIMITER_WAIT_MAX_NS);
}

void rf_limiter_take(struct rf_limiter *limiter, uint64_t bytes)
{
	rf_bucket_take(&limiter->ops, 1);
	rf_bucket_take(&limiter->bytes, bytes);
}
