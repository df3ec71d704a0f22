/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * test_guestmem.c - twin of src/device/guestmem.c
 */
#include "unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/memfd.h"
#include "device/guestmem.h"

#define MIB UINT64_C(0x100000)

static int new_file(uint64_t bytes)
{
	int fd;

	ck_assert_int_eq(memfd_new("ram", bytes, &fd), 0);
	return fd;
}

static struct rf_vhost_user_region region(uint64_t gpa, uint64_t bytes,
					  uint64_t user, uint64_t offset)
{
	return (struct rf_vhost_user_region){
		.guest_phys_addr = gpa,
		.memory_size = bytes,
		.user_addr = user,
		.mmap_offset = offset,
	};
}

static int set(struct guestmem *mem, const struct rf_vhost_user_region *table,
	       uint32_t nr, uint64_t file_bytes)
{
	int fds[RF_VHOST_USER_REGIONS_MAX];
	uint32_t i;
	int err;

	for (i = 0; i < nr; i++)
		fds[i] = new_file(file_bytes);
	err = guestmem_set_table(mem, table, fds, nr, false);
	for (i = 0; i < nr; i++)
		close(fds[i]);
	return err;
}

static int set_one(struct rf_vhost_user_region r)
{
	struct guestmem mem = { .nr_regions = 0 };
	int err = set(&mem, &r, 1, MIB);

	guestmem_clear(&mem);
	return err;
}

START_TEST(memory_is_shared_with_the_file)
{
	struct rf_vhost_user_region r = region(0x40000000, MIB - 0x1000,
					       0x7f0000000000, 0x1000);
	struct guestmem mem = { .nr_regions = 0 };
	struct iovec iov;
	uint32_t nr;
	int fd = new_file(MIB);
	char c = 'x';

	ck_assert_int_eq(guestmem_set_table(&mem, &r, &fd, 1, false), 0);
	ck_assert_int_eq(pwrite(fd, &c, 1, 0x1234), 1);
	ck_assert_int_eq(guestmem_translate(&mem, 0x40000234, 4, &iov, 1, &nr),
			 0);
	ck_assert_uint_eq(nr, 1);
	ck_assert_uint_eq(iov.iov_len, 4);
	ck_assert_int_eq(*(char *)iov.iov_base, 'x');
	guestmem_clear(&mem);
	ck_assert_int_eq(guestmem_translate(&mem, 0x40000234, 4, &iov, 1, &nr),
			 -ERANGE);
	close(fd);
}
END_TEST

START_TEST(addresses_are_held_against_every_edge)
{
	struct rf_vhost_user_region r = region(MIB, MIB, 8 * MIB, 0);
	struct guestmem mem = { .nr_regions = 0 };
	struct iovec iov;
	uint32_t nr = 77;

	ck_assert_int_eq(set(&mem, &r, 1, MIB), 0);
#define TRANSLATE(gpa, len) guestmem_translate(&mem, gpa, len, &iov, 1, &nr)
	ck_assert_int_eq(TRANSLATE(MIB - 1, 1), -ERANGE);
	ck_assert_int_eq(TRANSLATE(MIB - 1, 2), -ERANGE);
	ck_assert_int_eq(TRANSLATE(2 * MIB, 1), -ERANGE);
	ck_assert_int_eq(TRANSLATE(2 * MIB - 1, 2), -ERANGE);
	ck_assert_int_eq(TRANSLATE(MIB, MIB + 1), -ERANGE);
	ck_assert_int_eq(TRANSLATE(MIB, UINT64_MAX), -ERANGE);
	ck_assert_int_eq(TRANSLATE(UINT64_MAX, 1), -ERANGE);
	ck_assert_int_eq(TRANSLATE(UINT64_MAX, UINT64_MAX), -ERANGE);
	ck_assert_uint_eq(nr, 77);
	ck_assert_int_eq(TRANSLATE(2 * MIB - 1, 1), 0);
	ck_assert_int_eq(TRANSLATE(MIB, MIB), 0);
	ck_assert_uint_eq(iov.iov_len, MIB);
	/* Nothing is nowhere: no address to be judged. */
	ck_assert_int_eq(TRANSLATE(0, 0), 0);
	ck_assert_uint_eq(nr, 0);
#undef TRANSLATE
	guestmem_clear(&mem);
}
END_TEST

START_TEST(a_buffer_may_span_adjacent_regions)
{
	struct rf_vhost_user_region r[3] = {
		region(3 * MIB, MIB, 0x30000000, 0),
		region(MIB, MIB, 0x50000000, 0),
		region(2 * MIB, MIB, 0x10000000, 0),
	};
	struct guestmem mem = { .nr_regions = 0 };
	struct iovec iov[3], scratch[3];
	uint8_t buf[4] = { 1, 2, 3, 4 };
	uint32_t nr;

	ck_assert_int_eq(set(&mem, r, 3, MIB), 0);
	ck_assert_int_eq(
		guestmem_translate(&mem, 2 * MIB - 1, MIB + 2, iov, 3, &nr), 0);
	ck_assert_uint_eq(nr, 3);
	ck_assert_uint_eq(iov[0].iov_len, 1);
	ck_assert_uint_eq(iov[1].iov_len, MIB);
	ck_assert_uint_eq(iov[2].iov_len, 1);
	ck_assert_int_eq(
		guestmem_translate(&mem, 2 * MIB - 1, MIB + 2, scratch, 2, &nr),
		-ENOSPC);
	ck_assert_int_eq(
		guestmem_translate(&mem, 4 * MIB - 1, 2, scratch, 3, &nr),
		-ERANGE);

	*(uint8_t *)iov[0].iov_base = 9;
	*(uint8_t *)iov[1].iov_base = 8;
	ck_assert_int_eq(guestmem_read(&mem, 2 * MIB - 1, buf, 2), 0);
	ck_assert_int_eq(buf[0], 9);
	ck_assert_int_eq(buf[1], 8);
	ck_assert_int_eq(buf[2], 3);
	ck_assert_int_eq(guestmem_read(&mem, 4 * MIB - 1, buf, 2), -ERANGE);
	/* A ring part may not. */
	ck_assert_ptr_null(guestmem_ring(&mem, 0x50000000 + MIB - 16, 32, 16));
	guestmem_clear(&mem);
}
END_TEST

START_TEST(a_region_may_end_at_the_very_top)
{
	struct rf_vhost_user_region r[2] = {
		region(UINT64_MAX - MIB + 1, MIB, UINT64_MAX - MIB + 1, 0),
		region(0, MIB, 0, 0),
	};
	struct guestmem mem = { .nr_regions = 0 };
	struct iovec iov[2];
	uint32_t nr;

	ck_assert_int_eq(set(&mem, r, 2, MIB), 0);
	ck_assert_int_eq(guestmem_translate(&mem, UINT64_MAX, 1, iov, 2, &nr),
			 0);
	ck_assert_int_eq(guestmem_translate(&mem, UINT64_MAX, 2, iov, 2, &nr),
			 -ERANGE);
	ck_assert_ptr_nonnull(
		guestmem_ring(&mem, UINT64_MAX - MIB + 1, MIB, 16));
	ck_assert_ptr_null(
		guestmem_ring(&mem, UINT64_MAX - MIB + 1, MIB + 1, 16));
	guestmem_clear(&mem);
}
END_TEST

START_TEST(a_ring_part_is_whole_and_aligned)
{
	struct rf_vhost_user_region r = region(MIB, MIB, 0x50000000, 0);
	struct guestmem mem = { .nr_regions = 0 };

	ck_assert_int_eq(set(&mem, &r, 1, MIB), 0);
	ck_assert_ptr_nonnull(guestmem_ring(&mem, 0x50000000, MIB, 16));
	ck_assert_ptr_null(guestmem_ring(&mem, 0x50000000, MIB + 1, 16));
	ck_assert_ptr_null(guestmem_ring(&mem, 0x50000008, 16, 16));
	ck_assert_ptr_nonnull(guestmem_ring(&mem, 0x50000008, 16, 4));
	ck_assert_ptr_null(guestmem_ring(&mem, 0x50000000 + MIB, 16, 16));
	ck_assert_ptr_null(guestmem_ring(&mem, 0x50000000 - 16, 16, 16));
	ck_assert_ptr_null(guestmem_ring(&mem, 0x50000000, UINT64_MAX, 16));
	/* The guest's own address is not the front-end's. */
	ck_assert_ptr_null(guestmem_ring(&mem, MIB, 16, 16));
	guestmem_clear(&mem);
}
END_TEST

START_TEST(regions_that_wrap_or_lie_outside_their_file_are_refused)
{
	const uint64_t top = UINT64_MAX - 0xfff;

	ck_assert_int_eq(set_one(region(MIB, MIB, 0, 0)), 0);
	ck_assert_int_eq(set_one(region(MIB, 0, 0, 0)), -EPROTO);
	ck_assert_int_eq(set_one(region(top, MIB, 0, 0)), -EPROTO);
	ck_assert_int_eq(set_one(region(0, MIB, top, 0)), -EPROTO);
	ck_assert_int_eq(set_one(region(0, MIB + 1, 0, 0)), -EPROTO);
	ck_assert_int_eq(set_one(region(0, MIB, 0, 0x1000)), -EPROTO);
	ck_assert_int_eq(set_one(region(0, 0x1000, 0, MIB)), -EPROTO);
	ck_assert_int_eq(set_one(region(0, 0x1000, 0, top)), -EPROTO);
	ck_assert_int_eq(set_one(region(0, UINT64_MAX, 0, 0)), -EPROTO);
	ck_assert_int_eq(set_one(region(0, 0x1000, 0, 0x800)), -EPROTO);
	ck_assert_int_eq(set_one(region(0x10, 0x1000, 0, 0)), -EPROTO);
	ck_assert_int_eq(set_one(region(0, 0x1000, 0x10, 0)), -EPROTO);
}
END_TEST

START_TEST(overlapping_regions_are_refused)
{
	struct rf_vhost_user_region r[2] = {
		region(MIB, MIB, MIB, 0),
		region(2 * MIB - 0x1000, MIB, 8 * MIB, 0),
	};
	struct guestmem mem = { .nr_regions = 0 };

	ck_assert_int_eq(set(&mem, r, 2, MIB), -EPROTO);
	r[1].guest_phys_addr = 2 * MIB;
	ck_assert_int_eq(set(&mem, r, 2, MIB), 0);
	guestmem_clear(&mem);
	r[1].user_addr = 0;
	r[1].memory_size = MIB;
	r[0].user_addr = MIB - 0x1000;
	ck_assert_int_eq(set(&mem, r, 2, MIB), -EPROTO);
	ck_assert_int_eq(set(&mem, r, 0, MIB), -EPROTO);
}
END_TEST

START_TEST(memory_that_could_shrink_is_refused_unless_allowed)
{
	struct rf_vhost_user_region r = region(0, MIB, 0, 0);
	struct guestmem mem = { .nr_regions = 0 };
	int fd = memfd_create("loose", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ftruncate(fd, MIB), 0);
	ck_assert_int_eq(guestmem_set_table(&mem, &r, &fd, 1, false), -EPERM);
	ck_assert_uint_eq(mem.nr_regions, 0);
	ck_assert_int_eq(guestmem_set_table(&mem, &r, &fd, 1, true), 0);
	guestmem_clear(&mem);
	close(fd);
}
END_TEST

START_TEST(a_table_that_fails_leaves_the_old_one)
{
	struct rf_vhost_user_region old = region(MIB, MIB, MIB, 0);
	struct rf_vhost_user_region bad[2] = {
		region(4 * MIB, MIB, 4 * MIB, 0),
		region(8 * MIB, MIB, 8 * MIB, 0),
	};
	struct guestmem mem = { .nr_regions = 0 };
	struct iovec iov;
	uint32_t nr;
	int fds[2] = { new_file(MIB), open("/dev/null", O_RDWR | O_CLOEXEC) };

	ck_assert_int_eq(set(&mem, &old, 1, MIB), 0);
	/* The second region fails after the first was mapped. */
	ck_assert_int_lt(guestmem_set_table(&mem, bad, fds, 2, true), 0);
	ck_assert_int_eq(guestmem_translate(&mem, MIB, MIB, &iov, 1, &nr), 0);
	memset(iov.iov_base, 1, MIB);
	ck_assert_int_eq(guestmem_translate(&mem, 4 * MIB, 1, &iov, 1, &nr),
			 -ERANGE);
	close(fds[0]);
	close(fds[1]);
	guestmem_clear(&mem);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		memory_is_shared_with_the_file,
		addresses_are_held_against_every_edge,
		a_buffer_may_span_adjacent_regions,
		a_region_may_end_at_the_very_top,
		a_ring_part_is_whole_and_aligned,
		regions_that_wrap_or_lie_outside_their_file_are_refused,
		overlapping_regions_are_refused,
		memory_that_could_shrink_is_refused_unless_allowed,
		a_table_that_fails_leaves_the_old_one,
	};

	return unit_run("guestmem", tests, RF_ARRAY_LEN(tests));
}
