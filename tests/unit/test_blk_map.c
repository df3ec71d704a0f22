/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * test_blk_map.c - twin of devices/blk/map.c: what is read from a mapping, and
 * what is not
 *
 * The source is part of this file, with a clock that only the test moves.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <ringfence/base.h>

#include "unit/unit.h"

static uint64_t now_ns, copy_takes_ns;

/* Two looks at it a copy. */
static uint64_t test_clock_ns(void)
{
	return now_ns += copy_takes_ns;
}

#define rf_clock_ns test_clock_ns
/* NOLINTNEXTLINE(bugprone-suspicious-include) */
#include "../../devices/blk/map.c"
#undef rf_clock_ns

#define PAGE UINT64_C(4096)
#define NR_PAGES 603u /* more than a word or two of what is known */

static uint8_t out[2 * READ_MAX];
static struct iovec vec[3];
static struct blk_request rq;

static uint8_t byte_at(uint64_t at)
{
	return (uint8_t)(at / 512 * 31 + at % 512 + 1);
}

static void write_image(uint64_t from, uint64_t to)
{
	uint8_t block[512];
	uint64_t at;

	for (at = from; at < to; at += sizeof(block)) {
		size_t i;

		for (i = 0; i < sizeof(block); i++)
			block[i] = byte_at(at + i);
		ck_assert_int_eq(
			pwrite(RF_FD_BACKING, block, sizeof(block), (off_t)at),
			sizeof(block));
	}
}

/* `tail` bytes more than whole pages. */
static void set_up(uint32_t mib, uint32_t tail)
{
	const struct blk_image image = {
		.nr_sectors = (NR_PAGES * PAGE + tail) / SECTOR_BYTES,
	};
	char name[] = "/var/tmp/test_blk_map.XXXXXX";
	int fd = mkstemp(name);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(unlink(name), 0);
	ck_assert_int_eq(rf_fd_move(fd, RF_FD_BACKING), 0);
	write_image(0, NR_PAGES * PAGE + tail);
	copy_takes_ns = 1000;
	ck_assert_int_eq(blk_map_init(&image, mib), 0);
}

static struct blk_request *step(uint64_t start, uint64_t bytes)
{
	memset(out, 0xee, sizeof(out));
	vec[0] = (struct iovec){ out, bytes };
	rq = (struct blk_request){ .step = BLK_READ,
				   .step_start = start,
				   .step_bytes = bytes,
				   .step_iov = vec,
				   .step_nr_iov = 1 };
	return &rq;
}

static void found(uint64_t start, uint64_t bytes)
{
	blk_map_found(step(start, bytes));
}

static bool is_read(uint64_t start, uint64_t bytes)
{
	uint64_t i;

	if (!blk_map_read(step(start, bytes)))
		return false;
	for (i = 0; i < bytes; i++)
		ck_assert_uint_eq(out[i], byte_at(start + i));
	ck_assert_uint_eq(out[bytes], 0xee);
	return true;
}

START_TEST(what_was_found_is_read)
{
	uint32_t i;

	set_up(1024, 0);
	for (i = 0; i < NR_PAGES; i++)
		ck_assert(!is_read(i * PAGE, PAGE));
	for (i = 0; i < NR_PAGES; i += 3)
		found(i * PAGE, PAGE);
	for (i = 0; i < NR_PAGES; i++)
		ck_assert_int_eq(is_read(i * PAGE, PAGE), i % 3 == 0);
	/* Any sectors of it. */
	ck_assert(is_read(63 * PAGE + 512, 1024));
	ck_assert(!is_read(63 * PAGE + 512, PAGE));
}
END_TEST

START_TEST(parts_of_pages_do_not_make_them_known)
{
	set_up(1024, 0);
	found(512, PAGE - 512);
	found(PAGE, PAGE - 512);
	found(2 * PAGE + 512, 2 * PAGE - 512);
	ck_assert(!is_read(512, 512));
	ck_assert(!is_read(PAGE, 512));
	ck_assert(!is_read(2 * PAGE + 512, 512));
	ck_assert(is_read(3 * PAGE, PAGE));
}
END_TEST

START_TEST(several_pages_into_several_buffers)
{
	uint64_t i;

	set_up(1024, 0);
	found(62 * PAGE, 4 * PAGE);
	vec[0] = (struct iovec){ out, 0 };
	(void)step(62 * PAGE + 512, 3 * PAGE);
	vec[0] = (struct iovec){ out, 512 };
	vec[1] = (struct iovec){ out + 1024, PAGE };
	vec[2] = (struct iovec){ out + 1024 + PAGE, 2 * PAGE - 512 };
	rq.step_nr_iov = 3;
	ck_assert(blk_map_read(&rq));
	for (i = 0; i < 512; i++)
		ck_assert_uint_eq(out[i], byte_at(62 * PAGE + 512 + i));
	ck_assert_uint_eq(out[512], 0xee);
	for (i = 0; i < 3 * PAGE - 512; i++)
		ck_assert_uint_eq(out[1024 + i], byte_at(62 * PAGE + 1024 + i));
}
END_TEST

/* Of large reads the copy is most. They make pages known all the same. */
START_TEST(large_reads_are_left_to_others)
{
	set_up(1024, 0);
	found(0, READ_MAX + PAGE);
	ck_assert(!is_read(0, READ_MAX + PAGE));
	ck_assert(is_read(0, READ_MAX));
	ck_assert(is_read(READ_MAX, PAGE));
}
END_TEST

START_TEST(what_lies_beyond_is_not_mapped)
{
	set_up(1, 0);
	ck_assert_uint_eq(m.bytes, 1 << 20);
	found((1 << 20) - PAGE, PAGE);
	found(1 << 20, PAGE);
	found((1 << 20) - PAGE, 2 * PAGE);
	ck_assert(is_read((1 << 20) - PAGE, PAGE));
	ck_assert(!is_read(1 << 20, PAGE));
	ck_assert(!is_read((1 << 20) - PAGE, 2 * PAGE));
}
END_TEST

START_TEST(nothing_is_mapped_where_nothing_is_to_be)
{
	set_up(0, 0);
	ck_assert_ptr_null(m.at);
	found(0, PAGE);
	ck_assert(!is_read(0, PAGE));
}
END_TEST

/* The last sectors of an image are no whole page. */
START_TEST(a_tail_is_left_to_others)
{
	set_up(1024, 1536);
	found((NR_PAGES - 1) * PAGE, PAGE + 1536);
	found(NR_PAGES * PAGE, 1536);
	ck_assert(!is_read(NR_PAGES * PAGE, 512));
}
END_TEST

START_TEST(writes_and_holes_are_seen)
{
	uint32_t i;

	set_up(1024, 0);
	found(0, 2 * PAGE);
	ck_assert(is_read(0, 2 * PAGE));
	ck_assert_int_eq(pwrite(RF_FD_BACKING, "new", 3, 100), 3);
	ck_assert(blk_map_read(step(0, 512)));
	ck_assert_mem_eq(out + 100, "new", 3);
	if (fallocate(RF_FD_BACKING, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		      0, PAGE) < 0)
		ck_assert_int_eq(errno, EOPNOTSUPP);
	else {
		ck_assert(blk_map_read(step(0, PAGE)));
		for (i = 0; i < PAGE; i++)
			ck_assert_uint_eq(out[i], 0);
	}
	ck_assert(is_read(PAGE, PAGE));
}
END_TEST

/* It had to wait for a disk: that page has to be found anew, and with a few
 * more like it all of them. */
START_TEST(a_slow_copy_makes_pages_unknown)
{
	uint32_t i;

	set_up(1024, 0);
	found(0, NR_PAGES * PAGE);
	copy_takes_ns = SLOW_NS;
	ck_assert(is_read(5 * PAGE, PAGE));
	copy_takes_ns = SLOW_NS - 1;
	ck_assert(!is_read(5 * PAGE, PAGE));
	ck_assert(is_read(4 * PAGE, PAGE));
	ck_assert(is_read(6 * PAGE, PAGE));
	copy_takes_ns = SLOW_NS;
	for (i = 10; i < 14; i++)
		ck_assert(is_read(i * PAGE, PAGE));
	copy_takes_ns = 1000;
	for (i = 0; i < NR_PAGES; i++)
		ck_assert(!is_read(i * PAGE, PAGE));
	/* For a while nothing gets known. */
	found(0, 2 * PAGE);
	ck_assert(!is_read(0, PAGE));
	now_ns += REST_NS;
	/* And it begins anew: one alone is that page's affair. */
	found(0, 2 * PAGE);
	copy_takes_ns = SLOW_NS;
	ck_assert(is_read(0, PAGE));
	copy_takes_ns = 1000;
	ck_assert(is_read(PAGE, PAGE));
}
END_TEST

/* One in many is somebody else who had the processor. */
START_TEST(now_and_then_a_slow_copy_is_forgiven)
{
	uint32_t i, n;

	set_up(1024, 0);
	found(0, NR_PAGES * PAGE);
	for (n = 0; n < 20; n++) {
		copy_takes_ns = SLOW_NS;
		ck_assert(is_read(n * PAGE, PAGE));
		copy_takes_ns = 1000;
		for (i = 0; i < 70; i++)
			ck_assert(is_read((100 + i) * PAGE, PAGE));
	}
	ck_assert(is_read((NR_PAGES - 1) * PAGE, PAGE));
}
END_TEST

START_TEST(a_shorter_file_ends_the_mapping)
{
	set_up(1024, 0);
	found(0, NR_PAGES * PAGE);
	ck_assert(is_read(20 * PAGE, PAGE));
	ck_assert_int_eq(ftruncate(RF_FD_BACKING, 20 * PAGE), 0);
	ck_assert(!blk_map_read(step(20 * PAGE, PAGE)));
	/* Not even what is still there: once is enough. */
	ck_assert(!blk_map_read(step(0, PAGE)));
	ck_assert_ptr_null(m.at);
	found(0, PAGE);
	ck_assert(!blk_map_read(step(0, PAGE)));
}
END_TEST

/* Guest memory that was not sealed, and has shrunk. */
static void touch_what_is_gone(void)
{
	int fd = memfd_create("guest", MFD_CLOEXEC);
	uint8_t *at;

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ftruncate(fd, PAGE), 0);
	at = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ck_assert_ptr_ne(at, MAP_FAILED);
	ck_assert_int_eq(ftruncate(fd, 0), 0);
	(void)step(0, PAGE);
	vec[0].iov_base = at;
	(void)blk_map_read(&rq);
}

static void assert_death_by_sigbus(pid_t pid)
{
	int status;

	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	/* They say what they think of it, and leave. */
	ck_assert(!WIFEXITED(status) || WEXITSTATUS(status) != 0);
#else
	ck_assert(WIFSIGNALED(status));
	ck_assert_int_eq(WTERMSIG(status), SIGBUS);
#endif
}

static void expect_death_by_sigbus(void (*before)(void))
{
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		before();
		touch_what_is_gone();
		_exit(0);
	}
	assert_death_by_sigbus(pid);
}

static void nothing_before(void)
{
}

static void a_shorter_file_before(void)
{
	ck_assert_int_eq(ftruncate(RF_FD_BACKING, 20 * PAGE), 0);
	ck_assert(!blk_map_read(step(20 * PAGE, PAGE)));
	ck_assert_int_eq(ftruncate(RF_FD_BACKING, NR_PAGES * PAGE), 0);
	m.at = mmap(NULL, m.bytes, PROT_READ, MAP_SHARED, RF_FD_BACKING, 0);
	ck_assert_ptr_ne(m.at, MAP_FAILED);
}

/* Such as word of a page whose memory is bad, while nobody reads it. */
START_TEST(a_sigbus_while_nothing_is_copied_is_fatal)
{
	pid_t pid;

	set_up(1024, 0);
	found(0, NR_PAGES * PAGE);
	ck_assert(is_read(0, PAGE));
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		if (ftruncate(RF_FD_BACKING, 0) == 0)
			(void)*(const volatile uint8_t *)m.at;
		_exit(0);
	}
	assert_death_by_sigbus(pid);
}
END_TEST

START_TEST(a_sigbus_of_anothers_making_is_fatal)
{
	set_up(1024, 0);
	found(0, NR_PAGES * PAGE);
	expect_death_by_sigbus(nothing_before);
	expect_death_by_sigbus(a_shorter_file_before);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		what_was_found_is_read,
		parts_of_pages_do_not_make_them_known,
		several_pages_into_several_buffers,
		large_reads_are_left_to_others,
		what_lies_beyond_is_not_mapped,
		nothing_is_mapped_where_nothing_is_to_be,
		a_tail_is_left_to_others,
		writes_and_holes_are_seen,
		a_slow_copy_makes_pages_unknown,
		now_and_then_a_slow_copy_is_forgiven,
		a_shorter_file_ends_the_mapping,
		a_sigbus_while_nothing_is_copied_is_fatal,
		a_sigbus_of_anothers_making_is_fatal,
	};

	return unit_run("blk_map", tests, RF_ARRAY_LEN(tests));
}
