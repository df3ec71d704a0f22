/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * test_serial.c - a serial port as drivers look at it
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "unit/unit.h"
#include "vmm/serial.h"

static struct serial port;
static int out; /* what the guest said comes from here */
static int irq;
static int room;

static void setup(void)
{
	int fds[2];

	ck_assert_int_eq(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
	irq = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	ck_assert_int_ge(irq, 0);
	out = fds[0];
	room = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	ck_assert_int_ge(room, 0);
	serial_init(&port, fds[1], irq, room);
}

static void print(const char *text)
{
	for (; *text; text++)
		serial_write(&port, 0, (uint8_t)*text);
}

static void expect_out(const char *text)
{
	char found[1024] = { 0 };
	ssize_t n = read(out, found, sizeof(found) - 1);

	if (n < 0)
		ck_assert_int_eq(errno, EAGAIN);
	ck_assert_str_eq(found, text);
}

static uint64_t take_count(int fd)
{
	uint64_t count = 0;

	return rf_eventfd_take(fd, &count) == 0 ? count : 0;
}

static uint64_t interrupts(void)
{
	return take_count(irq);
}

START_TEST(a_line_leaves_when_it_ends)
{
	setup();
	print("half");
	expect_out("");
	print(" and half\nnext");
	expect_out("half and half\n");
	serial_flush(&port);
	expect_out("next");
	serial_flush(&port);
	expect_out("");
}
END_TEST

START_TEST(a_line_longer_than_the_buffer_loses_nothing)
{
	char text[SERIAL_LINE_BYTES + 11];

	setup();
	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	print(text);
	serial_flush(&port);
	expect_out(text);
}
END_TEST

START_TEST(half_a_line_leaves_at_the_second_look)
{
	setup();
	print("a");
	serial_flush_stale(&port);
	expect_out("");
	print("b");
	serial_flush_stale(&port);
	expect_out("");
	serial_flush_stale(&port);
	expect_out("ab");
}
END_TEST

START_TEST(the_transmitter_is_always_empty)
{
	setup();
	ck_assert_uint_eq(serial_read(&port, 5), 0x60);
	serial_write(&port, 0, 'x');
	ck_assert_uint_eq(serial_read(&port, 5), 0x60);
	/* Read-only registers swallow writes. */
	serial_write(&port, 5, 0);
	serial_write(&port, 6, 0);
	ck_assert_uint_eq(serial_read(&port, 5), 0x60);
	ck_assert_uint_eq(serial_read(&port, 6), 0xb0);
	ck_assert_uint_eq(serial_read(&port, 0), 0);
}
END_TEST

START_TEST(a_driver_that_probes_finds_a_16550)
{
	uint8_t i;

	setup();
	serial_write(&port, 1, 0x0f);
	ck_assert_uint_eq(serial_read(&port, 1), 0x0f);
	serial_write(&port, 1, 0xff);
	ck_assert_uint_eq(serial_read(&port, 1), 0x0f);
	serial_write(&port, 1, 0);
	serial_write(&port, 7, 0xa5);
	ck_assert_uint_eq(serial_read(&port, 7), 0xa5);
	serial_write(&port, 2, 1);
	ck_assert_uint_eq(serial_read(&port, 2) & 0xc0, 0xc0);
	serial_write(&port, 2, 0);
	ck_assert_uint_eq(serial_read(&port, 2) & 0xc0, 0);
	/* DTR, RTS, OUT1, OUT2 to DSR, CTS, RI, DCD. */
	for (i = 0; i < 16; i++) {
		uint8_t want = (uint8_t)((i & 1) << 5 | (i & 2) << 3 |
					 (i & 4) << 4 | (i & 8) << 4);

		serial_write(&port, 4, 0x10 | i);
		ck_assert_uint_eq(serial_read(&port, 6), want);
	}
	serial_write(&port, 0, 'x'); /* into the loop, not out */
	serial_flush(&port);
	expect_out("");
}
END_TEST

START_TEST(the_divisor_hides_data_and_interrupts)
{
	setup();
	serial_write(&port, 3, 0x83);
	serial_write(&port, 0, 0x34);
	serial_write(&port, 1, 0x12);
	ck_assert_uint_eq(serial_read(&port, 0), 0x34);
	ck_assert_uint_eq(serial_read(&port, 1), 0x12);
	serial_write(&port, 3, 0x03);
	ck_assert_uint_eq(serial_read(&port, 1), 0);
	serial_flush(&port);
	expect_out("");
	ck_assert_uint_eq(interrupts(), 0);
}
END_TEST

START_TEST(who_wants_to_hear_that_it_is_empty_does)
{
	setup();
	serial_write(&port, 0, 'a');
	ck_assert_uint_eq(interrupts(), 0);
	ck_assert_uint_eq(serial_read(&port, 2), 1);
	/* Switched on while it is empty: once, at once. */
	serial_write(&port, 1, 2);
	ck_assert_uint_eq(interrupts(), 1);
	ck_assert_uint_eq(serial_read(&port, 2), 2);
	ck_assert_uint_eq(serial_read(&port, 2), 1);
	serial_write(&port, 1, 2);
	ck_assert_uint_eq(interrupts(), 0);
	serial_write(&port, 0, 'b');
	ck_assert_uint_eq(interrupts(), 1);
	/* Switched off: nothing is pending any more. */
	serial_write(&port, 1, 0);
	ck_assert_uint_eq(serial_read(&port, 2), 1);
}
END_TEST

START_TEST(a_console_that_is_gone_does_not_stop_the_guest)
{
	setup();
	ck_assert(signal(SIGPIPE, SIG_IGN) != SIG_ERR);
	close(out);
	print("nobody hears this\n");
	print("nor this\n");
	ck_assert_uint_eq(port.used, 0);
	close(irq);
	serial_write(&port, 1, 2); /* an interrupt line that is none */
	ck_assert_uint_eq(serial_read(&port, 2), 2);
}
END_TEST

static uint32_t type(const char *text)
{
	return serial_receive(&port, (const uint8_t *)text,
			      (uint32_t)strlen(text));
}

START_TEST(what_is_typed_can_be_read_in_order)
{
	setup();
	ck_assert_uint_eq(type("ab"), 2);
	ck_assert_uint_eq(serial_read(&port, 5), 0x61);
	ck_assert_uint_eq(serial_read(&port, 0), 'a');
	ck_assert_uint_eq(serial_read(&port, 5), 0x61);
	ck_assert_uint_eq(serial_read(&port, 0), 'b');
	ck_assert_uint_eq(serial_read(&port, 5), 0x60);
	ck_assert_uint_eq(serial_read(&port, 0), 0);
	ck_assert_uint_eq(interrupts(), 0);
}
END_TEST

START_TEST(who_wants_to_hear_of_data_does)
{
	setup();
	serial_write(&port, 1, 1);
	ck_assert_uint_eq(interrupts(), 0);
	ck_assert_uint_eq(type("ab"), 2);
	ck_assert_uint_eq(interrupts(), 1);
	/* Until all of it is read, and before anything else. */
	serial_write(&port, 1, 3);
	ck_assert_uint_eq(serial_read(&port, 2), 4);
	(void)serial_read(&port, 0);
	ck_assert_uint_eq(serial_read(&port, 2), 4);
	(void)serial_read(&port, 0);
	ck_assert_uint_eq(serial_read(&port, 2), 2);
	ck_assert_uint_eq(serial_read(&port, 2), 1);
	(void)interrupts();
	/* Switched on while there is something: at once. */
	serial_write(&port, 1, 0);
	ck_assert_uint_eq(type("c"), 1);
	ck_assert_uint_eq(interrupts(), 0);
	ck_assert_uint_eq(serial_read(&port, 2), 1);
	serial_write(&port, 1, 1);
	ck_assert_uint_eq(interrupts(), 1);
	ck_assert_uint_eq(serial_read(&port, 2), 4);
}
END_TEST

START_TEST(a_full_queue_takes_no_more_and_says_when_it_does)
{
	uint8_t bytes[SERIAL_QUEUE_BYTES + 1];
	uint32_t i, round;

	setup();
	for (round = 0; round < 3; round++) {
		for (i = 0; i < sizeof(bytes); i++)
			bytes[i] = (uint8_t)(round + i);
		ck_assert_uint_eq(serial_room(&port), SERIAL_QUEUE_BYTES);
		ck_assert_uint_eq(serial_receive(&port, bytes, 10), 10);
		ck_assert_uint_eq(
			serial_receive(&port, bytes + 10, sizeof(bytes) - 10),
			SERIAL_QUEUE_BYTES - 10);
		ck_assert_uint_eq(type("x"), 0);
		ck_assert_uint_eq(serial_room(&port), 0);
		for (i = 0; i < SERIAL_QUEUE_BYTES; i++) {
			ck_assert_uint_eq(take_count(room), 0);
			ck_assert_uint_eq(serial_read(&port, 0), bytes[i]);
		}
		ck_assert_uint_eq(take_count(room), 1);
		(void)serial_read(&port, 0);
		ck_assert_uint_eq(take_count(room), 0);
	}
}
END_TEST

START_TEST(a_driver_can_empty_the_queue)
{
	setup();
	serial_write(&port, 2, 1);
	(void)type("abc");
	serial_write(&port, 2, 1); /* nothing new */
	ck_assert_uint_eq(serial_read(&port, 0), 'a');
	serial_write(&port, 2, 3);
	ck_assert_uint_eq(serial_read(&port, 5), 0x60);
	(void)type("abc");
	serial_write(&port, 2, 0);
	ck_assert_uint_eq(serial_read(&port, 5), 0x60);
}
END_TEST

START_TEST(in_loopback_only_what_is_sent_comes_back)
{
	setup();
	serial_write(&port, 1, 1);
	serial_write(&port, 4, 0x10);
	ck_assert_uint_eq(serial_room(&port), 0);
	serial_write(&port, 0, 'z');
	ck_assert_uint_eq(interrupts(), 1);
	ck_assert_uint_eq(serial_read(&port, 0), 'z');
	ck_assert_uint_eq(take_count(room), 0);
	serial_write(&port, 4, 0x0b);
	ck_assert_uint_eq(take_count(room), 1);
	ck_assert_uint_eq(serial_room(&port), SERIAL_QUEUE_BYTES);
}
END_TEST

START_TEST(loopback_for_ever_overflows_nothing)
{
	uint32_t i;

	setup();
	serial_write(&port, 4, 0x10);
	for (i = 0; i < 10 * SERIAL_QUEUE_BYTES; i++)
		serial_write(&port, 0, (uint8_t)i);
	for (i = 0; i < SERIAL_QUEUE_BYTES; i++)
		ck_assert_uint_eq(serial_read(&port, 0), i);
	ck_assert_uint_eq(serial_read(&port, 5), 0x60);
}
END_TEST

START_TEST(a_stream_waits_until_somebody_listens)
{
	setup();
	port.holds_back = true;
	ck_assert_uint_eq(serial_room(&port), 0);
	serial_write(&port, 2, 7);
	ck_assert_uint_eq(take_count(room), 0);
	serial_write(&port, 1, 1);
	ck_assert_uint_eq(take_count(room), 1);
	ck_assert_uint_eq(serial_room(&port), SERIAL_QUEUE_BYTES);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		a_line_leaves_when_it_ends,
		a_line_longer_than_the_buffer_loses_nothing,
		half_a_line_leaves_at_the_second_look,
		the_transmitter_is_always_empty,
		a_driver_that_probes_finds_a_16550,
		the_divisor_hides_data_and_interrupts,
		who_wants_to_hear_that_it_is_empty_does,
		a_console_that_is_gone_does_not_stop_the_guest,
		what_is_typed_can_be_read_in_order,
		who_wants_to_hear_of_data_does,
		a_full_queue_takes_no_more_and_says_when_it_does,
		a_driver_can_empty_the_queue,
		in_loopback_only_what_is_sent_comes_back,
		loopback_for_ever_overflows_nothing,
		a_stream_waits_until_somebody_listens,
	};

	return unit_run("serial", tests, RF_ARRAY_LEN(tests));
}
