/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * test_input.c - keys and streams on their way to the serial port
 *
 * Descriptors are at their real places: the test's standard input is a pipe or
 * file of its own, and RF_FD_EPOLL an epoll instance.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <ringfence/fence.h>

#include "unit/unit.h"
#include "vmm/input.h"

#define TOKEN 0x1234500000000ull

static struct serial port;
static struct input input;
static int in; /* our end */
static int room;

static void setup_on(int fd, enum input_kind kind)
{
	int epoll = epoll_create1(EPOLL_CLOEXEC);

	ck_assert_int_eq(dup2(epoll, RF_FD_EPOLL), RF_FD_EPOLL);
	ck_assert_int_eq(dup2(fd, RF_FD_CONSOLE_IN), RF_FD_CONSOLE_IN);
	room = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	serial_init(&port, -1, -1, room);
	ck_assert_int_eq(input_init(&input, kind, &port, TOKEN), 0);
	(void)input_look(&input);
}

static void setup(enum input_kind kind)
{
	int fds[2];

	ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
	/* Clear of the places that the test takes. */
	in = fcntl(fds[1], F_DUPFD_CLOEXEC, 100);
	close(fds[1]);
	setup_on(fds[0], kind);
	close(fds[0]);
}

static void type(const void *bytes, size_t len)
{
	ck_assert_int_eq(write(in, bytes, len), (ssize_t)len);
}

/* One turn of main's loop. */
static bool turn(void)
{
	struct epoll_event ev;
	int n = epoll_wait(RF_FD_EPOLL, &ev, 1, 0);
	uint64_t count;

	ck_assert_int_ge(n, 0);
	if (n > 0) {
		ck_assert_uint_eq(ev.data.u64, TOKEN);
		return input_ready(&input);
	}
	(void)!rf_eventfd_take(room, &count);
	return input_look(&input);
}

static void expect_read(const char *text)
{
	for (; *text; text++) {
		ck_assert_uint_eq(serial_read(&port, 5) & 1, 1);
		ck_assert_uint_eq(serial_read(&port, 0), (uint8_t)*text);
	}
	ck_assert_uint_eq(serial_read(&port, 5) & 1, 0);
}

START_TEST(keys_arrive)
{
	setup(INPUT_TERMINAL);
	ck_assert(!turn());
	type("ls\r", 3);
	ck_assert(!turn());
	expect_read("ls\r");
	type("\x03", 1); /* Ctrl-C is the guest's */
	ck_assert(!turn());
	expect_read("\x03");
}
END_TEST

START_TEST(the_escape_ends_it_or_sends_itself)
{
	setup(INPUT_TERMINAL);
	type("a\x01"
	     "ab\x01\x01"
	     "c\x01zd\x01",
	     11);
	ck_assert(!turn());
	expect_read("a\x01"
		    "b\x01"
		    "cd");
	/* Across two readings. */
	type("x", 1);
	ck_assert(turn());
	type("x", 1);
	ck_assert(!turn());
	expect_read("x");
}
END_TEST

START_TEST(the_escape_works_while_the_guest_does_not_read)
{
	char many[5 * SERIAL_QUEUE_BYTES];
	uint32_t i;

	setup(INPUT_TERMINAL);
	memset(many, 'm', sizeof(many));
	type(many, sizeof(many));
	type("\x01x", 2);
	for (i = 0; i < 5; i++)
		ck_assert(!turn());
	ck_assert(turn());
}
END_TEST

/* All of it, in order, at the speed of the guest; the escape is a byte. */
static void expect_stream(const uint8_t *bytes, uint32_t nr)
{
	uint32_t got = 0;
	uint32_t turns;

	for (turns = 0; turns < nr && got < nr; turns++) {
		ck_assert(!turn());
		/* A slow reader: sometimes all, sometimes a few. */
		while (got < nr && serial_read(&port, 5) & 1) {
			ck_assert_uint_eq(serial_read(&port, 0), bytes[got]);
			if (got++ % 7 == 3 && turns % 2)
				break;
		}
	}
	ck_assert_uint_eq(got, nr);
}

START_TEST(a_stream_arrives_whole)
{
	uint8_t bytes[1000];
	uint32_t i;

	for (i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * 7);
	setup(INPUT_STREAM);
	type(bytes, sizeof(bytes));
	rf_fd_close(&in);
	/* Nobody listens yet: nothing is taken, and nothing turns. */
	ck_assert(!turn());
	ck_assert(!turn());
	ck_assert_uint_eq(serial_read(&port, 5) & 1, 0);
	serial_write(&port, 1, 1);
	expect_stream(bytes, sizeof(bytes));
	for (i = 0; i < 3; i++)
		ck_assert(!turn());
	ck_assert(input.ended);
	ck_assert_int_eq(
		epoll_wait(RF_FD_EPOLL, &(struct epoll_event){ 0 }, 1, 0), 0);
}
END_TEST

START_TEST(a_file_arrives_whole)
{
	uint8_t bytes[1000];
	uint32_t i;
	int fd = memfd_create("input", MFD_CLOEXEC);

	for (i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * 11);
	ck_assert_int_eq(pwrite(fd, bytes, sizeof(bytes), 0), sizeof(bytes));
	setup_on(fd, INPUT_STREAM);
	ck_assert(!input.is_polled);
	serial_write(&port, 1, 1);
	expect_stream(bytes, sizeof(bytes));
	ck_assert(!turn());
	ck_assert(input.ended);
}
END_TEST

START_TEST(a_stream_without_end_does_not_hold_main)
{
	int fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);

	setup_on(fd, INPUT_STREAM);
	serial_write(&port, 1, 1);
	ck_assert(!turn());
	ck_assert_uint_eq(port.nr_waiting, SERIAL_QUEUE_BYTES);
	ck_assert(!input.ended);
	close(fd);
}
END_TEST

/* Between our question and its answer the guest fills its own queue. */
START_TEST(a_guest_that_fills_its_queue_loses_none_of_the_stream)
{
	uint32_t i;

	setup(INPUT_STREAM);
	serial_write(&port, 1, 1);
	ck_assert(!turn());
	ck_assert(input.is_armed);
	serial_write(&port, 4, 0x10);
	for (i = 0; i < SERIAL_QUEUE_BYTES; i++)
		serial_write(&port, 0, 'L');
	serial_write(&port, 4, 0);
	type("xy", 2);
	ck_assert(!turn());
	ck_assert(!input.ended);
	for (i = 0; i < SERIAL_QUEUE_BYTES; i++)
		ck_assert_uint_eq(serial_read(&port, 0), 'L');
	ck_assert_uint_eq(serial_read(&port, 5) & 1, 0);
	ck_assert(!turn());
	ck_assert(!turn());
	expect_read("xy");
}
END_TEST

START_TEST(an_end_at_once_is_the_end)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	setup_on(fd, INPUT_STREAM);
	serial_write(&port, 1, 1);
	ck_assert(!turn());
	ck_assert(input.ended);
	close(fd);
	setup(INPUT_TERMINAL);
	rf_fd_close(&in);
	ck_assert(!turn());
	ck_assert(input.ended);
	ck_assert(!turn());
}
END_TEST

START_TEST(without_input_nothing_is_asked_or_read)
{
	struct serial mute;

	serial_init(&mute, -1, -1, -1);
	setup(INPUT_TERMINAL);
	type("x", 1);
	ck_assert_int_eq(input_init(&input, INPUT_NONE, &mute, TOKEN), 0);
	ck_assert(!input_look(&input));
	ck_assert(!input_ready(&input));
	ck_assert_uint_eq(mute.nr_waiting, 0);
}
END_TEST

START_TEST(what_cannot_be_watched_is_told)
{
	setup(INPUT_TERMINAL);
	close(RF_FD_CONSOLE_IN);
	ck_assert_int_eq(input_init(&input, INPUT_TERMINAL, &port, TOKEN),
			 -EBADF);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		keys_arrive,
		the_escape_ends_it_or_sends_itself,
		the_escape_works_while_the_guest_does_not_read,
		a_stream_arrives_whole,
		a_file_arrives_whole,
		a_stream_without_end_does_not_hold_main,
		a_guest_that_fills_its_queue_loses_none_of_the_stream,
		an_end_at_once_is_the_end,
		without_input_nothing_is_asked_or_read,
		what_cannot_be_watched_is_told,
	};

	return unit_run("input", tests, RF_ARRAY_LEN(tests));
}
