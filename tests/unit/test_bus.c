/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * test_bus.c - twin of src/vmm/bus.c: every access reaches one place or none
 *
 * The devices are notes of what reached them; doorbells, serial port, debug
 * ports and the hand-over to main are the real ones.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "unit/unit.h"
#include "vmm/bus.h"

#define DEVICES 3u
#define PAGE ((uint64_t)RF_VIRTIO_MMIO_BYTES)
#define BEHIND (VDEV_MMIO_GPA + DEVICES * PAGE)
#define HEAVY 0x70u /* Status */
#define LIGHT 0x24u

static struct vmm vmm;
static struct rf_report report;
static int console;

static struct {
	uint32_t reads, writes, handed;
	uint32_t device, offset, len, slot;
	uint64_t value;
	int hand_over_fails;
} seen;

void __wrap_vdev_read(struct vdev *d, uint32_t offset, void *data,
		      uint32_t len);
void __wrap_vdev_write(struct vdev *d, uint32_t offset, const void *data,
		       uint32_t len);
int __wrap_work_write(struct work *w, uint32_t slot, uint32_t device,
		      uint32_t offset, const void *data, uint32_t len);

void __wrap_vdev_read(struct vdev *d, uint32_t offset, void *data, uint32_t len)
{
	seen.reads++;
	seen.device = d->index;
	seen.offset = offset;
	seen.len = len;
	memset(data, 0x5a, len);
}

static void note(uint32_t device, uint32_t offset, const void *data,
		 uint32_t len)
{
	seen.device = device;
	seen.offset = offset;
	seen.len = len;
	seen.value = 0;
	memcpy(&seen.value, data, len);
}

void __wrap_vdev_write(struct vdev *d, uint32_t offset, const void *data,
		       uint32_t len)
{
	seen.writes++;
	note(d->index, offset, data, len);
}

int __wrap_work_write(struct work *w, uint32_t slot, uint32_t device,
		      uint32_t offset, const void *data, uint32_t len)
{
	ck_assert_ptr_eq(w, &vmm.work);
	seen.handed++;
	seen.slot = slot;
	note(device, offset, data, len);
	return seen.hand_over_fails;
}

static void setup(void)
{
	struct rf_doorbell *doorbell;
	int fds[2];
	uint32_t i;

	memset(&vmm, 0, sizeof(vmm));
	memset(&seen, 0, sizeof(seen));
	vmm.nr_devices = DEVICES;
	for (i = 0; i < RF_ARRAY_LEN(vmm.devices); i++)
		vmm.devices[i].index = i;
	vmm.report = &report;
	ck_assert_int_eq(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
	console = fds[0];
	serial_init(&vmm.serial, fds[1], -1, -1);
	ck_assert_int_eq(
		work_init(&vmm.work, eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), 2),
		0);
	ck_assert_int_eq(
		rf_doorbell_set_new(RF_DOORBELL_EXIT, -1, NULL, &vmm.doorbells),
		0);
	ck_assert_int_eq(rf_doorbell_open(vmm.doorbells, 4, &doorbell), 0);
	ck_assert_int_eq(
		rf_doorbell_register(doorbell,
				     vdev_gpa(1) + RF_VIRTIO_MMIO_NOTIFY, 4),
		0);
}

static void finish(void)
{
	rf_doorbell_set_free(vmm.doorbells);
	(void)close(vmm.work.event_fd);
	(void)close(vmm.serial.out_fd);
	(void)close(console);
}

START_TEST(an_access_reaches_the_device_of_its_page)
{
	uint32_t value = 0x11223344;
	uint32_t i;

	setup();
	for (i = 0; i < DEVICES; i++) {
		bus_mmio_write(&vmm, 1, vdev_gpa(i) + LIGHT, &value, 4);
		ck_assert_uint_eq(seen.writes, i + 1);
		ck_assert_uint_eq(seen.device, i);
		ck_assert_uint_eq(seen.offset, LIGHT);
		ck_assert_uint_eq(seen.value, 0x11223344);
		bus_mmio_read(&vmm, vdev_gpa(i) + 0xffc, &value, 4);
		ck_assert_uint_eq(seen.device, i);
		ck_assert_uint_eq(seen.offset, 0xffc);
		ck_assert_uint_eq(value, 0x5a5a5a5a);
		value = 0x11223344;
	}
	ck_assert_uint_eq(seen.handed, 0);
	ck_assert_uint_eq(vmm.stray, 0);
	finish();
}
END_TEST

START_TEST(an_access_beside_the_pages_reaches_nobody)
{
	static const struct {
		uint64_t gpa;
		uint32_t len;
	} beside[] = {
		{ 0, 4 },
		{ VDEV_MMIO_GPA - 1, 1 },
		{ VDEV_MMIO_GPA - 4, 8 }, /* begins before */
		{ BEHIND, 1 },
		{ BEHIND - 1, 2 }, /* reaches behind the last */
		{ BEHIND - 7, 8 },
		{ VDEV_MMIO_GPA + PAGE - 2, 4 }, /* of two devices */
		{ VDEV_MMIO_GPA + RF_FENCE_DEVICES_MAX * PAGE, 4 },
		/* A page number that a 32-bit index would take for 0. */
		{ VDEV_MMIO_GPA + (PAGE << 32), 4 },
		{ VDEV_MMIO_GPA | 1ull << 63, 4 },
		{ UINT64_MAX - 7, 8 },
		{ UINT64_MAX, 8 },
	};
	uint64_t value;
	size_t i;

	setup();
	for (i = 0; i < RF_ARRAY_LEN(beside); i++) {
		value = 0;
		bus_mmio_read(&vmm, beside[i].gpa, &value, beside[i].len);
		ck_assert_uint_eq(value,
				  UINT64_MAX >> (64 - 8 * beside[i].len));
		bus_mmio_write(&vmm, 0, beside[i].gpa, &value, beside[i].len);
		ck_assert_uint_eq(vmm.stray, 2 * (i + 1));
	}
	ck_assert_uint_eq(seen.reads + seen.writes + seen.handed, 0);
	finish();
}
END_TEST

START_TEST(a_write_that_needs_the_device_is_handed_to_main)
{
	const uint32_t value = 3;

	setup();
	bus_mmio_write(&vmm, 1, vdev_gpa(2) + HEAVY, &value, 4);
	ck_assert_uint_eq(seen.handed, 1);
	ck_assert_uint_eq(seen.writes, 0);
	ck_assert_uint_eq(seen.slot, 1);
	ck_assert_uint_eq(seen.device, 2);
	ck_assert_uint_eq(seen.offset, HEAVY);
	ck_assert_uint_eq(seen.len, 4);
	ck_assert_uint_eq(seen.value, 3);
	ck_assert_uint_eq(vmm.stray, 0);
	/* Reading it needs nobody. */
	bus_mmio_read(&vmm, vdev_gpa(2) + HEAVY, &(uint32_t){ 0 }, 4);
	ck_assert_uint_eq(seen.handed, 1);
	seen.hand_over_fails = -EPIPE;
	bus_mmio_write(&vmm, 1, vdev_gpa(2) + HEAVY, &value, 4);
	ck_assert_uint_eq(vmm.stray, 1);
	finish();
}
END_TEST

/* Notify writes are none of them. */
START_TEST(registers_that_exit_are_counted)
{
	const uint32_t value = 1;
	uint32_t read;

	setup();
	memset(&report, 0, sizeof(report));
	bus_mmio_read(&vmm, vdev_gpa(0) + LIGHT, &read, 4);
	bus_mmio_write(&vmm, 0, vdev_gpa(0) + LIGHT, &value, 4);
	bus_mmio_write(&vmm, 0, vdev_gpa(0) + HEAVY, &value, 4);
	ck_assert_uint_eq(report.exits_register, 3);
	ck_assert_uint_eq(report.exits_ack, 0);
	bus_mmio_write(&vmm, 0, vdev_gpa(2) + 0x64, &value, 4);
	ck_assert_uint_eq(report.exits_register, 4);
	ck_assert_uint_eq(report.exits_ack, 1);
	/* By the doorbell, by none, and beside every device. */
	bus_mmio_write(&vmm, 0, vdev_gpa(1) + RF_VIRTIO_MMIO_NOTIFY, &value, 4);
	bus_mmio_write(&vmm, 0, vdev_gpa(0) + RF_VIRTIO_MMIO_NOTIFY, &value, 4);
	bus_mmio_read(&vmm, BEHIND, &read, 4);
	bus_mmio_write(&vmm, 0, BEHIND + 0x64, &value, 4);
	ck_assert_uint_eq(report.exits_register, 4);
	ck_assert_uint_eq(report.exits_ack, 1);
	ck_assert_uint_eq(report.exits_notify, 1);
	finish();
}
END_TEST

START_TEST(a_notify_write_goes_to_the_doorbell_alone)
{
	const uint32_t queue = 2;

	setup();
	report.exits_notify = 0;
	bus_mmio_write(&vmm, 0, vdev_gpa(1) + RF_VIRTIO_MMIO_NOTIFY, &queue, 4);
	ck_assert_uint_eq(report.exits_notify, 1);
	ck_assert_uint_eq(seen.writes + seen.handed, 0);
	/* A device whose doorbell is not registered gets it as a register. */
	bus_mmio_write(&vmm, 0, vdev_gpa(0) + RF_VIRTIO_MMIO_NOTIFY, &queue, 4);
	ck_assert_uint_eq(report.exits_notify, 1);
	ck_assert_uint_eq(seen.writes, 1);
	ck_assert_uint_eq(seen.device, 0);
	/* And reading is not ringing. */
	bus_mmio_read(&vmm, vdev_gpa(1) + RF_VIRTIO_MMIO_NOTIFY,
		      &(uint32_t){ 0 }, 4);
	ck_assert_uint_eq(report.exits_notify, 1);
	ck_assert_uint_eq(vmm.stray, 0);
	finish();
}
END_TEST

static void console_is(const char *want)
{
	char text[32] = "";
	ssize_t n = read(console, text, sizeof(text) - 1);

	ck_assert_int_eq(n, (ssize_t)strlen(want));
	ck_assert_str_eq(text, want);
}

START_TEST(bytes_for_the_serial_port_come_out)
{
	setup();
	bus_port_write(&vmm, 0, SERIAL_PORT, "h", 1);
	bus_port_write(&vmm, 0, SERIAL_PORT, "i", 1);
	bus_port_write(&vmm, 0, SERIAL_PORT, "\n", 1);
	console_is("hi\n");
	ck_assert_uint_eq(vmm.stray, 0);
	finish();
}
END_TEST

START_TEST(wide_accesses_to_ports_are_bytes_of_neighbours)
{
	const uint8_t two[2] = { 'x', 0 };
	uint8_t bytes[4] = { 0 };

	setup();
	/* Behind the data register lies the interrupt enable register. */
	bus_port_write(&vmm, 0, SERIAL_PORT, two, 2);
	ck_assert_uint_eq(vmm.serial.used, 1);
	/* The first byte is nobody's, the second the data register. */
	bus_port_write(&vmm, 0, SERIAL_PORT - 1, "ab", 2);
	ck_assert_uint_eq(vmm.stray, 1);
	ck_assert_uint_eq(vmm.serial.used, 2);
	ck_assert_uint_eq(vmm.serial.line[1], 'b');
	/* The scratch register is the last; three bytes reach behind it. */
	bus_port_write(&vmm, 0, SERIAL_PORT + 7, "\x42", 1);
	bus_port_read(&vmm, SERIAL_PORT + 7, bytes, 4);
	ck_assert_uint_eq(bytes[0], 0x42);
	ck_assert_uint_eq(bytes[1] & bytes[2] & bytes[3], 0xff);
	ck_assert_uint_eq(vmm.stray, 4);
	finish();
}
END_TEST

START_TEST(ports_of_nobody_read_as_ones_and_swallow_writes)
{
	static const uint16_t ports[] = {
		0,     0x60,  0xf3, SERIAL_PORT - 1, SERIAL_PORT + SERIAL_PORTS,
		0xcf8, 0xffff
	};
	uint8_t byte;
	size_t i;

	setup();
	for (i = 0; i < RF_ARRAY_LEN(ports); i++) {
		byte = 0;
		bus_port_read(&vmm, ports[i], &byte, 1);
		ck_assert_uint_eq(byte, 0xff);
		bus_port_write(&vmm, 0, ports[i], "x", 1);
		ck_assert_uint_eq(vmm.stray, 2 * (i + 1));
	}
	/* Four bytes from the last port on do not come round to port 0, nor
	 * from there to the serial port. */
	bus_port_write(&vmm, 0, 0xffff, "abcd", 4);
	bus_port_read(&vmm, 0xffff, (uint8_t[4]){ 0 }, 4);
	ck_assert_uint_eq(vmm.serial.used, 0);
	ck_assert_uint_eq(vmm.stray, 2 * RF_ARRAY_LEN(ports) + 8);
	finish();
}
END_TEST

START_TEST(counts_of_the_guest_reach_the_report)
{
	const uint32_t nine = 9;

	setup();
	memset(&report, 0, sizeof(report));
	bus_port_write(&vmm, 0, 0xf8, &nine, 4);
	bus_port_write(&vmm, 0, 0xfc, &nine, 4);
	ck_assert_uint_eq(report.notified, 9);
	ck_assert_uint_eq(report.compared_bytes, 9);
	ck_assert_uint_eq(vmm.stray, 0);
	/* Of another width they are ports of nobody. */
	bus_port_write(&vmm, 0, 0xf8, &nine, 2);
	ck_assert_uint_eq(report.notified, 9);
	ck_assert_uint_eq(vmm.stray, 2);
	finish();
}
END_TEST

static _Atomic bool came_back;

/* What ends a guest, and the status that is told. */
static const struct {
	uint16_t port;
	uint16_t value;
	uint32_t bytes;
	uint32_t status;
} ends[] = {
	{ 0xf4, 37, 1, 37 },
	{ 0x604, 5 << 10 | 1 << 13, 2, 0 }, /* power off */
	{ 0x64, 0xfe, 1, 0 },		    /* reset */
};

static void *leave(void *arg)
{
	const uint32_t *which = arg;

	bus_port_write(&vmm, 1, ends[*which].port, &ends[*which].value,
		       ends[*which].bytes);
	came_back = true;
	return NULL;
}

static bool take_end(void *ctx, uint32_t slot, const struct work_item *item)
{
	ck_assert_uint_eq(slot, 1);
	ck_assert_int_eq(item->kind, WORK_ENDED);
	*(uint32_t *)ctx = item->status;
	return true;
}

/* Main's answer to the post must not let the thread go on. */
START_TEST(the_write_that_ends_the_guest_does_not_return)
{
	struct pollfd bell;
	static uint32_t which;
	uint32_t status = 99;
	pthread_t thread;

	which = (uint32_t)_i;

	setup();
	bell = (struct pollfd){ .fd = vmm.work.event_fd, .events = POLLIN };
	ck_assert_int_eq(pthread_create(&thread, NULL, leave, &which), 0);
	ck_assert_int_eq(poll(&bell, 1, 20000), 1);
	ck_assert_uint_eq(work_serve(&vmm.work, take_end, &status), 1);
	ck_assert_uint_eq(status, ends[which].status);
	(void)usleep(50000);
	ck_assert(!came_back);
	ck_assert_uint_eq(vmm.stray, 0);
	(void)pthread_detach(thread);
}
END_TEST

START_TEST(registers_of_acpi_are_read_a_word_at_a_time)
{
	const uint8_t enable[] = { 0x21, 0x03 };
	uint8_t word[4] = { 0 };

	setup();
	bus_port_write(&vmm, 0, 0x602, enable, 2);
	bus_port_read(&vmm, 0x600, word, 4);
	ck_assert_mem_eq(word, "\0\0\x21\x03", 4);
	bus_port_read(&vmm, 0x604, word, 2);
	ck_assert_uint_eq(word[0], 1);
	ck_assert_uint_eq(vmm.stray, 0);
	finish();
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		an_access_reaches_the_device_of_its_page,
		an_access_beside_the_pages_reaches_nobody,
		a_write_that_needs_the_device_is_handed_to_main,
		registers_that_exit_are_counted,
		a_notify_write_goes_to_the_doorbell_alone,
		bytes_for_the_serial_port_come_out,
		wide_accesses_to_ports_are_bytes_of_neighbours,
		ports_of_nobody_read_as_ones_and_swallow_writes,
		counts_of_the_guest_reach_the_report,
		registers_of_acpi_are_read_a_word_at_a_time,
	};
	Suite *suite = suite_create("bus");
	TCase *tcase = tcase_create("bus");
	SRunner *runner;
	size_t i;
	int failed;

	tcase_set_timeout(tcase, 60);
	for (i = 0; i < RF_ARRAY_LEN(tests); i++)
		tcase_add_test(tcase, tests[i]);
	tcase_add_loop_test(tcase,
			    the_write_that_ends_the_guest_does_not_return, 0,
			    RF_ARRAY_LEN(ends));
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
