/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * test_chain.c - twin of src/device/chain.c
 */
#include "unit/unit.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "device/chain.h"
#include "unit/ram.h"

#define SIZE 8u
#define TABLE (VRING_DATA) /* an indirect table */
#define BUF (VRING_DATA + 0x10000)

static struct ram ram;
static struct guestmem mem;
static struct vring v;
static struct chain_source src;
static struct iovec iov[RF_CHAIN_IOV_MAX];
static struct rf_chain chain;
static const char *why;

static void begin(void)
{
	ram_new(&ram);
	ck_assert_int_eq(guestmem_set_table(&mem, ram.table, ram.fds, 2, false),
			 0);
	vring_init(&v, ram.low, SIZE);
	src = (struct chain_source){
		.mem = &mem,
		.table = guestmem_ring(&mem, VRING_DESC, UINT64_C(16) * SIZE,
				       16),
		.size = SIZE,
		.indirect = true,
	};
	chain.iov = iov;
	why = NULL;
}

static void end(void)
{
	guestmem_clear(&mem);
	ram_free(&ram);
}

static int collect(uint16_t head)
{
	return chain_collect(&src, head, &chain, &why);
}

/* The chain at descriptor 0 is refused, and for this reason. */
#define EXPECT_LIE(reason)                                  \
	do {                                                \
		ck_assert_int_eq(collect(0), -EPROTO);      \
		ck_assert_ptr_nonnull(strstr(why, reason)); \
	} while (0)

static struct vring_desc *indirect(void)
{
	return vring_at(&v, TABLE);
}

static void set_indirect(uint16_t i, uint64_t gpa, uint32_t len, uint16_t flags,
			 uint16_t next)
{
	indirect()[i] = (struct vring_desc){ gpa, len, flags, next };
}

START_TEST(a_direct_chain_is_gathered_in_order)
{
	begin();
	vring_desc(&v, 5, BUF, 16, VRING_NEXT, 2);
	vring_desc(&v, 2, BUF + 100, 512, VRING_NEXT | VRING_WRITE, 7);
	vring_desc(&v, 7, BUF + 900, 1, VRING_WRITE, 99);
	ck_assert_int_eq(collect(5), 0);
	ck_assert_uint_eq(chain.head, 5);
	ck_assert_uint_eq(chain.nr_readable, 1);
	ck_assert_uint_eq(chain.nr_writable, 2);
	ck_assert_uint_eq(chain.readable_bytes, 16);
	ck_assert_uint_eq(chain.writable_bytes, 513);
	ck_assert_uint_eq(iov[0].iov_len, 16);
	ck_assert_uint_eq(iov[2].iov_len, 1);
	*(char *)iov[2].iov_base = 42;
	ck_assert_int_eq(*(char *)vring_at(&v, BUF + 900), 42);
	end();
}
END_TEST

START_TEST(a_head_or_next_beyond_the_queue_is_refused)
{
	begin();
	ck_assert_int_eq(collect(SIZE), -EPROTO);
	ck_assert_int_eq(collect(0xffff), -EPROTO);
	vring_desc(&v, 0, BUF, 16, VRING_NEXT, SIZE);
	EXPECT_LIE("beyond the queue");
	vring_desc(&v, 0, BUF, 16, VRING_NEXT, 0xffff);
	EXPECT_LIE("beyond the queue");
	end();
}
END_TEST

START_TEST(a_loop_ends_at_the_size_of_the_queue)
{
	uint16_t i;

	begin();
	vring_desc(&v, 0, BUF, 16, VRING_NEXT, 0);
	EXPECT_LIE("longer than the queue");
	for (i = 0; i < SIZE; i++)
		vring_desc(&v, i, BUF, 16, VRING_NEXT, (i + 1) % SIZE);
	EXPECT_LIE("longer than the queue");
	/* As long as the queue and no loop: fine. */
	vring_desc(&v, SIZE - 1, BUF, 16, 0, 0);
	ck_assert_int_eq(collect(0), 0);
	ck_assert_uint_eq(chain.nr_readable, SIZE);
	end();
}
END_TEST

START_TEST(readable_behind_writable_is_refused)
{
	begin();
	vring_desc(&v, 0, BUF, 16, VRING_NEXT | VRING_WRITE, 1);
	vring_desc(&v, 1, BUF, 16, 0, 0);
	EXPECT_LIE("readable descriptor behind");
	end();
}
END_TEST

START_TEST(buffers_outside_of_memory_are_refused)
{
	static const struct {
		uint64_t gpa;
		uint32_t len;
	} bad[] = {
		{ 0, 16 },
		{ VRING_GPA - 1, 2 },
		{ RAM_HIGH_GPA + RAM_HIGH_BYTES - 1, 2 },
		{ UINT64_MAX, 1 },
		{ UINT64_MAX - 3, 8 },
		{ VRING_GPA, UINT32_MAX },
	};
	size_t i;

	begin();
	for (i = 0; i < RF_ARRAY_LEN(bad); i++) {
		vring_desc(&v, 0, bad[i].gpa, bad[i].len, 0, 0);
		EXPECT_LIE("outside of guest memory");
	}
	end();
}
END_TEST

START_TEST(a_buffer_across_two_regions_becomes_two_pieces)
{
	begin();
	vring_desc(&v, 0, RAM_HIGH_GPA - 4, 8, VRING_WRITE, 0);
	ck_assert_int_eq(collect(0), 0);
	ck_assert_uint_eq(chain.nr_writable, 2);
	ck_assert_uint_eq(chain.writable_bytes, 8);
	ck_assert_uint_eq(rf_chain_write(&chain, 0, "abcdefgh", 8), 8);
	ck_assert_mem_eq(ram.low + VRING_RAM_BYTES - 4, "abcd", 4);
	ck_assert_mem_eq(ram.high, "efgh", 4);
	end();
}
END_TEST

START_TEST(empty_descriptors_are_stepped_over)
{
	begin();
	vring_desc(&v, 0, UINT64_MAX, 0, VRING_NEXT, 1);
	vring_desc(&v, 1, BUF, 4, VRING_NEXT, 2);
	vring_desc(&v, 2, 0, 0, VRING_WRITE, 0);
	ck_assert_int_eq(collect(0), 0);
	ck_assert_uint_eq(chain.nr_readable, 1);
	ck_assert_uint_eq(chain.nr_writable, 0);
	ck_assert_uint_eq(chain.readable_bytes, 4);
	end();
}
END_TEST

START_TEST(an_indirect_table_is_followed)
{
	begin();
	vring_desc(&v, 0, BUF, 16, VRING_NEXT, 1);
	/* The write flag of the way to a table means nothing (2.7.5.3.2). */
	vring_desc(&v, 1, TABLE, 3 * 16, VRING_INDIRECT | VRING_WRITE, 0);
	set_indirect(0, BUF + 16, 16, VRING_NEXT, 2);
	set_indirect(2, BUF + 64, 64, VRING_WRITE, 0);
	ck_assert_int_eq(collect(0), 0);
	ck_assert_uint_eq(chain.nr_readable, 2);
	ck_assert_uint_eq(chain.readable_bytes, 32);
	ck_assert_uint_eq(chain.nr_writable, 1);
	end();
}
END_TEST

START_TEST(an_indirect_chain_may_be_as_long_as_the_queue_and_no_longer)
{
	uint16_t i;

	begin();
	for (i = 0; i < SIZE; i++)
		set_indirect(i, BUF, 16, VRING_NEXT, i + 1);
	set_indirect(SIZE - 1, BUF, 16, 0, 0);
	set_indirect(SIZE, BUF, 16, 0, 0);
	vring_desc(&v, 0, TABLE, (SIZE + 1) * 16, VRING_INDIRECT, 0);
	ck_assert_int_eq(collect(0), 0);
	ck_assert_uint_eq(chain.nr_readable, SIZE);
	set_indirect(SIZE - 1, BUF, 16, VRING_NEXT, SIZE);
	EXPECT_LIE("longer than the queue");
	/* A loop in the table. */
	set_indirect(1, BUF, 16, VRING_NEXT, 0);
	EXPECT_LIE("longer than the queue");
	/* One descriptor of the queue before it counts as well. */
	set_indirect(1, BUF, 16, VRING_NEXT, 2);
	set_indirect(SIZE - 1, BUF, 16, 0, 0);
	vring_desc(&v, 1, TABLE, (SIZE + 1) * 16, VRING_INDIRECT, 0);
	vring_desc(&v, 0, BUF, 16, VRING_NEXT, 1);
	EXPECT_LIE("longer than the queue");
	end();
}
END_TEST

START_TEST(bad_indirect_tables_are_refused)
{
	begin();
	set_indirect(0, BUF, 16, 0, 0);
	vring_desc(&v, 0, TABLE, 0, VRING_INDIRECT, 0);
	EXPECT_LIE("bad length");
	vring_desc(&v, 0, TABLE, 15, VRING_INDIRECT, 0);
	EXPECT_LIE("bad length");
	vring_desc(&v, 0, TABLE, 17, VRING_INDIRECT, 0);
	EXPECT_LIE("bad length");
	vring_desc(&v, 0, TABLE, 16, VRING_INDIRECT | VRING_NEXT, 1);
	EXPECT_LIE("with a next one");
	vring_desc(&v, 0, VRING_GPA - 16, 32, VRING_INDIRECT, 0);
	EXPECT_LIE("table outside");
	vring_desc(&v, 0, UINT64_MAX - 7, 16, VRING_INDIRECT, 0);
	EXPECT_LIE("table outside");
	vring_desc(&v, 0, TABLE, 16, VRING_INDIRECT, 0);
	set_indirect(0, BUF, 16, VRING_NEXT, 1);
	EXPECT_LIE("beyond the indirect table");
	set_indirect(0, TABLE, 16, VRING_INDIRECT, 0);
	EXPECT_LIE("within another");
	set_indirect(0, BUF, 16, 0, 0);
	ck_assert_int_eq(collect(0), 0);
	src.indirect = false;
	EXPECT_LIE("not negotiated");
	end();
}
END_TEST

/* A table whose next pointers lead out of memory in the middle: only what is
 * followed is judged. */
START_TEST(an_indirect_table_may_run_into_the_next_region)
{
	begin();
	vring_desc(&v, 0, RAM_HIGH_GPA - 24, 48, VRING_INDIRECT, 0);
	memcpy(ram.low + VRING_RAM_BYTES - 24,
	       &(struct vring_desc){ BUF, 4, VRING_NEXT, 1 }, 16);
	memcpy(ram.low + VRING_RAM_BYTES - 8, &(uint64_t){ BUF + 4 }, 8);
	memcpy(ram.high, &(uint64_t){ 4 }, 8);
	ck_assert_int_eq(collect(0), 0);
	ck_assert_uint_eq(chain.readable_bytes, 8);
	end();
}
END_TEST

START_TEST(more_bytes_than_any_chain_may_have_are_refused)
{
	struct rf_vhost_user_region big = { .guest_phys_addr = 0,
					    .memory_size = UINT64_C(4) << 30,
					    .user_addr = 0 };
	struct guestmem large = { .nr_regions = 0 };
	int fd;

	begin();
	/* Sparse: none of it is touched. */
	ck_assert_int_eq(memfd_new("big", big.memory_size, &fd), 0);
	ck_assert_int_eq(guestmem_set_table(&large, &big, &fd, 1, false), 0);
	src.mem = &large;
	vring_desc(&v, 0, 0, 0x80000000, VRING_NEXT, 1);
	vring_desc(&v, 1, 0, 0x80000000, 0, 0);
	ck_assert_int_eq(collect(0), 0);
	ck_assert_uint_eq(chain.readable_bytes, UINT64_C(1) << 32);
	vring_desc(&v, 1, 0, 0x80000000, VRING_NEXT, 2);
	vring_desc(&v, 2, 0, 1, VRING_WRITE, 0);
	EXPECT_LIE("2^32");
	guestmem_clear(&large);
	close(fd);
	end();
}
END_TEST

/* Another process rewrites the descriptors as fast as it can, between two
 * sound values and two bad ones: whatever is seen, no piece lies outside. */
static void rewrite_for_ever(void)
{
	volatile struct vring_desc *d = &v.desc[0];

	for (;;) {
		d->addr = BUF;
		d->len = 64;
		d->addr = UINT64_MAX - 8;
		d->len = 0xffffffff;
		d->flags = VRING_NEXT | VRING_INDIRECT;
		d->flags = VRING_INDIRECT;
		d->flags = VRING_NEXT;
		d->flags = 0;
	}
}

static bool is_inside(const struct iovec *piece)
{
	uint64_t left;
	const uint8_t *base = piece->iov_base;
	uint32_t i;

	for (i = 0; i < mem.nr_regions; i++) {
		const struct guestmem_region *r = &mem.regions[i];

		if (base < r->host || base >= r->host + r->size_bytes)
			continue;
		left = r->size_bytes - (uint64_t)(base - r->host);
		return piece->iov_len <= left;
	}
	return false;
}

START_TEST(descriptors_changed_under_us_never_lead_outside)
{
	uint32_t i, j, good = 0;
	pid_t pid;

	begin();
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0)
		rewrite_for_ever();
	/* Sound values must have been among those seen. */
	for (i = 0; i < 200000 || good < 100; i++) {
		if (collect(0))
			continue;
		good++;
		for (j = 0; j < chain.nr_readable + chain.nr_writable; j++)
			ck_assert(is_inside(&iov[j]));
	}
	kill(pid, SIGKILL);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	end();
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		a_direct_chain_is_gathered_in_order,
		a_head_or_next_beyond_the_queue_is_refused,
		a_loop_ends_at_the_size_of_the_queue,
		readable_behind_writable_is_refused,
		buffers_outside_of_memory_are_refused,
		a_buffer_across_two_regions_becomes_two_pieces,
		empty_descriptors_are_stepped_over,
		an_indirect_table_is_followed,
		an_indirect_chain_may_be_as_long_as_the_queue_and_no_longer,
		bad_indirect_tables_are_refused,
		an_indirect_table_may_run_into_the_next_region,
		more_bytes_than_any_chain_may_have_are_refused,
		descriptors_changed_under_us_never_lead_outside,
	};

	return unit_run("chain", tests, RF_ARRAY_LEN(tests));
}
