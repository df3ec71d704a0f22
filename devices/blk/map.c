/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * map.c - reads of what the page cache is known to have, without a call
 *
 * Side:    device. The guest says where to read, and so which pages we get to
 *          know and to map; request.c has checked that they are of the image.
 * Owns:    the mapping of the image's beginning, read-only, made before the
 *          fence; what is known of its pages; the handler of SIGBUS.
 * Callers: engine_uring.c; main.c makes it.
 * Never:   reads a page that no RWF_NOWAIT read has found in the page cache
 *          before, or one that is not whole.
 *
 * Of a read of 4 KiB by preadv2 less than half is the copy. The rest is the way
 * into the kernel and to the page, which a mapping spares us. It has three
 * dangers of its own:
 *
 *   The page is not there. Then the copy is a page fault, and the loop stands
 *   still for a disk. So a page is read here only if it is known: a read with
 *   RWF_NOWAIT has found it. Since then the kernel may have dropped it. That is
 *   told by the clock: the pages of a copy that took long are not known any more,
 *   and where more than one in 64 does, none is, nor gets known for a while. Who
 *   was off the processor took long as well, but has only to ask once more.
 *
 *   The file was made shorter. Then the copy is a SIGBUS. The handler leaves the
 *   copy by siglongjmp(), which is no system call, and there is no mapping any
 *   more; preadv2 will say what is wrong. (What is left of the page that the
 *   file now ends in reads as zeroes.) A SIGBUS of another's making, such as
 *   guest memory that was not sealed, is fatal as it was without us: the handler
 *   is gone with its first call and touches the address again.
 *
 *   It costs memory: a page of page table for each 2 MiB of the image, 1/512 of
 *   what is mapped at most, however the guest reads. And pages of the page cache
 *   count as ours wherever resident memory is counted, though the kernel may drop
 *   them as before. So what is mapped is bounded (--map-mib).
 *
 * Needs: nothing once the fence is closed; all of it is memory.
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "blk.h"

#define PAGE_SHIFT 12u
#define PAGE_BYTES (UINT64_C(1) << PAGE_SHIFT)
#define PAGES_MAX ((uint64_t)BLK_MAP_MIB_MAX << (20 - PAGE_SHIFT))
#define WORD_BITS 64u

/* Larger reads have less to gain: the copy is most of them. */
#define READ_MAX (UINT64_C(1) << 16)

/* Several times what so large a copy takes with all its page faults, less than a
 * disk. Each such copy weighs as much as so many that were quick; at so many the
 * page cache is being emptied. */
#define SLOW_NS UINT64_C(50000)
#define SLOW_WEIGHT 64u
#define SLOW_MAX 256u
/* And then nothing gets known for a while: so long a loop that stood still a few
 * times does not again. */
#define REST_NS UINT64_C(1000000000)

static struct {
	const uint8_t *at; /* NULL: nothing is mapped */
	uint64_t bytes;	   /* whole pages */
	uint32_t slow;
	uint64_t rest_until_ns;		       /* 0: no rest */
	uint64_t known[PAGES_MAX / WORD_BITS]; /* a bit each page */
} m;

static sigjmp_buf lost;
static volatile sig_atomic_t is_copying;

static void on_sigbus(int sig, siginfo_t *info, void *context)
{
	const volatile uint8_t *at = info->si_addr;

	(void)sig;
	(void)context;
	if (is_copying && info->si_code > 0 && at >= m.at &&
	    at < m.at + m.bytes)
		siglongjmp(lost, 1);
	(void)*at;
	__builtin_trap();
}

/* Guest memory needs it more, and comes later. */
static bool is_address_space_limited(void)
{
	struct rlimit as;

	return getrlimit(RLIMIT_AS, &as) < 0 || as.rlim_cur != RLIM_INFINITY;
}

int blk_map_init(const struct blk_image *image, uint32_t mib)
{
	const struct sigaction bus = {
		.sa_sigaction = on_sigbus,
		/* Once: what comes after that is fatal. */
		.sa_flags = (int)(SA_SIGINFO | SA_RESETHAND),
	};
	uint64_t bytes = image->nr_sectors << SECTOR_SHIFT;
	void *at;

	if (bytes > (uint64_t)mib << 20)
		bytes = (uint64_t)mib << 20;
	bytes &= ~(PAGE_BYTES - 1);
	if (bytes == 0 || is_address_space_limited())
		return 0;
	at = mmap(NULL, bytes, PROT_READ, MAP_SHARED, RF_FD_BACKING, 0);
	if (at == MAP_FAILED)
		return -errno;
	/* If a page is gone after all, that one is enough to wait for. */
	(void)madvise(at, bytes, MADV_RANDOM);
	(void)madvise(at, bytes, MADV_DONTDUMP);
	if (sigaction(SIGBUS, &bus, NULL) < 0) {
		int err = -errno;

		(void)munmap(at, bytes);
		return err;
	}
	m.at = at;
	m.bytes = bytes;
	return 0;
}

static bool is_known(uint64_t page)
{
	return m.known[page / WORD_BITS] >> page % WORD_BITS & 1;
}

static void set_known(uint64_t page, bool known)
{
	uint64_t bit = UINT64_C(1) << page % WORD_BITS;

	if (known)
		m.known[page / WORD_BITS] |= bit;
	else
		m.known[page / WORD_BITS] &= ~bit;
}

static uint64_t end_of(const struct blk_request *rq)
{
	return rq->step_start + rq->step_bytes;
}

static bool is_mapped(const struct blk_request *rq)
{
	return m.at && end_of(rq) <= m.bytes;
}

static bool is_all_known(const struct blk_request *rq)
{
	uint64_t page = rq->step_start >> PAGE_SHIFT;

	for (; page << PAGE_SHIFT < end_of(rq); page++)
		if (!is_known(page))
			return false;
	return true;
}

static bool is_resting(void)
{
	if (m.rest_until_ns && rf_clock_ns() >= m.rest_until_ns)
		m.rest_until_ns = 0;
	return m.rest_until_ns != 0;
}

void blk_map_found(const struct blk_request *rq)
{
	uint64_t page = (rq->step_start + PAGE_BYTES - 1) >> PAGE_SHIFT;

	if (!is_mapped(rq) || is_resting())
		return;
	for (; (page + 1) << PAGE_SHIFT <= end_of(rq); page++)
		set_known(page, true);
}

static void forget_all(void)
{
	uint64_t nr_words = (m.bytes >> PAGE_SHIFT) / WORD_BITS + 1;

	if (nr_words > RF_ARRAY_LEN(m.known))
		nr_words = RF_ARRAY_LEN(m.known);
	memset(m.known, 0, nr_words * sizeof(m.known[0]));
	m.slow = 0;
}

static void judge(const struct blk_request *rq, uint64_t took_ns, uint64_t now)
{
	uint64_t page = rq->step_start >> PAGE_SHIFT;

	if (took_ns < SLOW_NS) {
		m.slow -= m.slow > 0;
		return;
	}
	for (; page << PAGE_SHIFT < end_of(rq); page++)
		set_known(page, false);
	m.slow += SLOW_WEIGHT;
	if (m.slow < SLOW_MAX)
		return;
	forget_all();
	m.rest_until_ns = now + REST_NS;
}

static void copy(const struct blk_request *rq)
{
	const uint8_t *from = m.at + rq->step_start;
	uint32_t i;

	for (i = 0; i < rq->step_nr_iov; i++) {
		memcpy(rq->step_iov[i].iov_base, from, rq->step_iov[i].iov_len);
		from += rq->step_iov[i].iov_len;
	}
}

bool blk_map_read(const struct blk_request *rq)
{
	uint64_t before, after;

	if (!is_mapped(rq) || rq->step_bytes > READ_MAX || !is_all_known(rq))
		return false;
	if (sigsetjmp(lost, 0)) {
		is_copying = false;
		rf_log("image: a mapped page cannot be read, the file may be "
		       "shorter than it was: not read by mapping any more");
		m.at = NULL;
		return false;
	}
	before = rf_clock_ns();
	is_copying = true;
	__asm__ volatile("" ::: "memory");
	copy(rq);
	__asm__ volatile("" ::: "memory");
	is_copying = false;
	after = rf_clock_ns();
	judge(rq, after - before, after);
	return true;
}
