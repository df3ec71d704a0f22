/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * test_fd.c - descriptors close once, move whole, eventfds never block
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "unit/unit.h"

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

static int make_eventfd(unsigned int count, int flags)
{
	int fd = eventfd(count, EFD_CLOEXEC | flags);

	ck_assert_int_ge(fd, 0);
	return fd;
}

START_TEST(autofd_closes_itself_and_take_disarms_it)
{
	int kept;
	int lost;

	{
		rf_autofd a = make_eventfd(0, 0);
		rf_autofd b = make_eventfd(0, 0);
		rf_autofd none = -1;

		(void)none;
		lost = a;
		kept = rf_fd_take(&b);
		ck_assert_int_eq(b, -1);
	}
	ck_assert(!is_open(lost));
	ck_assert(is_open(kept));
	close(kept);
}
END_TEST

START_TEST(close_empties_and_keeps_errno)
{
	int fd = make_eventfd(0, 0);
	int number = fd;

	rf_fd_close(&fd);
	ck_assert_int_eq(fd, -1);
	ck_assert(!is_open(number));
	errno = EXDEV;
	rf_fd_close(&fd);
	fd = number; /* a number that is closed already */
	rf_fd_close(&fd);
	ck_assert_int_eq(errno, EXDEV);
}
END_TEST

START_TEST(moved_descriptor_is_at_its_place_and_nowhere_else)
{
	int fd = make_eventfd(5, EFD_NONBLOCK);
	uint64_t count;

	ck_assert_int_eq(rf_fd_move(fd, 200), 0);
	ck_assert(!is_open(fd));
	ck_assert_int_eq(fcntl(200, F_GETFD), FD_CLOEXEC);
	ck_assert_int_eq(rf_eventfd_take(200, &count), 0);
	ck_assert_uint_eq(count, 5);
	close(200);
}
END_TEST

START_TEST(move_onto_itself_keeps_it_and_closes_it_on_exec)
{
	int fd = eventfd(0, 0);

	ck_assert_int_eq(rf_fd_move(fd, fd), 0);
	ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
	close(fd);
}
END_TEST

START_TEST(failed_move_still_takes_the_descriptor)
{
	int fd = make_eventfd(0, 0);

	ck_assert_int_eq(rf_fd_move(fd, -1), -EBADF);
	ck_assert(!is_open(fd));
	fd = make_eventfd(0, 0);
	ck_assert_int_eq(rf_fd_move(fd, 1 << 30), -EBADF);
	ck_assert(!is_open(fd));
	ck_assert_int_eq(rf_fd_move(-1, 100), -EBADF);
	ck_assert_int_eq(rf_fd_move(fd, 100), -EBADF);
	ck_assert_int_eq(rf_fd_move(fd, fd), -EBADF);
}
END_TEST

START_TEST(eventfd_adds_signals_up)
{
	rf_autofd fd = make_eventfd(0, EFD_NONBLOCK);
	uint64_t count = 99;

	ck_assert_int_eq(rf_eventfd_take(fd, &count), -EAGAIN);
	ck_assert_uint_eq(count, 99);
	ck_assert_int_eq(rf_eventfd_signal(fd), 0);
	ck_assert_int_eq(rf_eventfd_signal(fd), 0);
	ck_assert_int_eq(rf_eventfd_take(fd, &count), 0);
	ck_assert_uint_eq(count, 2);
}
END_TEST

START_TEST(full_eventfd_is_signalled_already)
{
	rf_autofd fd = make_eventfd(0, EFD_NONBLOCK);
	const uint64_t most = UINT64_MAX - 1;

	ck_assert_int_eq(write(fd, &most, sizeof(most)), sizeof(most));
	ck_assert_int_eq(rf_eventfd_signal(fd), 0);
}
END_TEST

START_TEST(what_is_no_eventfd_is_an_error)
{
	int fds[2];
	uint64_t count = 99;

	ck_assert_int_eq(rf_eventfd_signal(-1), -EBADF);
	ck_assert_int_eq(rf_eventfd_take(-1, &count), -EBADF);
	ck_assert_int_eq(pipe(fds), 0);
	ck_assert_int_eq(rf_eventfd_signal(fds[0]), -EBADF);
	/* A pipe with fewer bytes than an eventfd gives, then none at all. */
	ck_assert_int_eq(write(fds[1], "abc", 3), 3);
	ck_assert_int_eq(rf_eventfd_take(fds[0], &count), -EPROTO);
	close(fds[1]);
	ck_assert_int_eq(rf_eventfd_take(fds[0], &count), -EPROTO);
	ck_assert_uint_eq(count, 99);
	close(fds[0]);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		autofd_closes_itself_and_take_disarms_it,
		close_empties_and_keeps_errno,
		moved_descriptor_is_at_its_place_and_nowhere_else,
		move_onto_itself_keeps_it_and_closes_it_on_exec,
		failed_move_still_takes_the_descriptor,
		eventfd_adds_signals_up,
		full_eventfd_is_signalled_already,
		what_is_no_eventfd_is_an_error,
	};

	return unit_run("fd", tests, RF_ARRAY_LEN(tests));
}
