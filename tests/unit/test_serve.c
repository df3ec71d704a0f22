/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * test_serve.c - twin of src/vmm/serve.c: a launcher that talks out of turn,
 * devices that vanish, and vCPUs that hand over their end
 *
 * The loop runs in the test's own process at the real places; launcher, device
 * and vCPU are other threads' or the test's own ends of the real descriptors.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/launch_proto.h"
#include "unit/places.h"
#include "unit/unit.h"
#include "vmm/serve.h"

static struct vmm vmm;
static struct rf_report report;
static int launcher;
static int device;
static int console;
static int log_fd;
static bool no_waiting; /* every wait is over at once */

int __wrap_epoll_wait(int fd, struct epoll_event *events, int nr, int timeout);
int __real_epoll_wait(int fd, struct epoll_event *events, int nr, int timeout);

int __wrap_epoll_wait(int fd, struct epoll_event *events, int nr, int timeout)
{
	return __real_epoll_wait(fd, events, nr, no_waiting ? 0 : timeout);
}

static int refuse_start(void *ctx, uint64_t features)
{
	(void)ctx;
	(void)features;
	return -EIO;
}

static int stop_at_once(void *ctx)
{
	(void)ctx;
	return 0;
}

static void do_nothing(void *ctx)
{
	(void)ctx;
}

static void ignore(void *ctx, uint32_t value)
{
	(void)ctx;
	(void)value;
}

static const struct rf_virtio_mmio_ops no_ops = {
	.driver_ok = refuse_start,
	.reset = stop_at_once,
	.notify = ignore,
	.interrupt = do_nothing,
};

/* One device whose front-end is there and was never talked to. */
static void add_device(void)
{
	struct vdev_params p = { .doorbells = vmm.doorbells };
	const struct rf_virtio_mmio_params regs = {
		.page = &vmm.devices[0].page,
		.ops = &no_ops,
		.features = 1ull << 32,
		.nr_queues = 1,
		.queue_num_max = 16,
	};
	int pair[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	ck_assert_int_eq(rf_fd_move(pair[0], RF_FD_DEVICES), 0);
	device = pair[1];
	ck_assert_int_eq(vdev_prepare(&vmm.devices[0], &p), 0);
	ck_assert_int_eq(rf_virtio_mmio_init(&vmm.devices[0].regs, &regs), 0);
	vmm.nr_devices = 1;
}

static void setup_with(bool with_device, enum input_kind input)
{
	int fds[2];

	rf_doorbell_set_free(vmm.doorbells);
	memset(&vmm, 0, sizeof(vmm));
	vmm.report = &report;
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds), 0);
	ck_assert_int_eq(rf_fd_move(fds[0], RF_FD_CONTROL), 0);
	launcher = fds[1];
	ck_assert_int_eq(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
	console = fds[0];
	serial_init(&vmm.serial, fds[1], -1, -1);
	ck_assert_int_eq(
		rf_doorbell_set_new(RF_DOORBELL_EXIT, -1, NULL, &vmm.doorbells),
		0);
	if (with_device)
		add_device();
	vmm.nr_vcpus = 1;
	vmm.vcpus[0].vmm = &vmm;
	ck_assert_int_eq(serve_prepare(&vmm, input), 0);
	ck_assert_int_eq(work_init(&vmm.work, RF_FD_WAKE, 1), 0);
	log_fd = memfd_create("log", MFD_CLOEXEC);
	ck_assert_int_eq(dup2(log_fd, RF_FD_LOG), RF_FD_LOG);
}

static void setup(bool with_device)
{
	setup_with(with_device, INPUT_NONE);
}

static void is_logged(const char *what)
{
	char text[4096];
	ssize_t n = pread(log_fd, text, sizeof(text) - 1, 0);

	ck_assert_int_ge(n, 0);
	text[n] = '\0';
	ck_assert_msg(strstr(text, what) != NULL, "not \"%s\" in: %s", what,
		      text);
}

static void tell(enum launch_type type)
{
	ck_assert_int_eq(launch_send(launcher, type, 0), 0);
}

static void is_told(enum launch_type type, uint32_t value)
{
	struct pollfd in = { .fd = launcher, .events = POLLIN };
	struct launch_msg msg = { 0, 0 };

	ck_assert_int_eq(poll(&in, 1, 20000), 1);
	ck_assert_int_eq(launch_recv(launcher, &msg), 0);
	ck_assert_uint_eq(msg.type, type);
	ck_assert_uint_eq(msg.value, value);
}

static void nothing_more_is_told(void)
{
	ck_assert_int_eq(recv(launcher, &(char){ 0 }, 1, MSG_DONTWAIT), -1);
}

START_TEST(everything_stands_at_its_place)
{
	struct itimerspec timer;

	setup(false);
	ck_assert_int_eq(timerfd_gettime(RF_FD_TIMER, &timer), 0);
	/* Only `coalesced` needs it to run. */
	ck_assert_int_eq(timer.it_interval.tv_nsec, 0);
	ck_assert_int_eq(rf_eventfd_signal(RF_FD_WAKE), 0);
	ck_assert_int_eq(__real_epoll_wait(RF_FD_EPOLL,
					   (struct epoll_event[4]){ 0 }, 4, 0),
			 1);
	(void)close(RF_FD_CONTROL);
	ck_assert_int_eq(serve_prepare(&vmm, INPUT_NONE), -EBADF);
}
END_TEST

/* A vCPU that waits for its go, says a half line and leaves with 37. */
static void *leave(void *arg)
{
	latch_wait(&vmm.vcpus[0].go);
	serial_write(&vmm.serial, 0, 'x');
	work_end(&vmm.work, 0, WORK_ENDED, 37);
	return arg;
}

START_TEST(a_guest_runs_after_go_and_its_end_is_told)
{
	pthread_t vcpu;
	char byte = 0;

	setup(false);
	ck_assert_int_eq(pthread_create(&vcpu, NULL, leave, NULL), 0);
	tell(LAUNCH_GO);
	ck_assert_int_eq(serve_run(&vmm), 0);
	ck_assert(vmm.running);
	is_told(LAUNCH_READY, RF_DOORBELL_EXIT);
	is_told(LAUNCH_ENDED, 37);
	nothing_more_is_told();
	ck_assert_uint_eq(report.guest_status, 38);
	ck_assert_int_eq(read(console, &byte, 1), 1);
	ck_assert_int_eq(byte, 'x');
	ck_assert_int_eq(pthread_join(vcpu, NULL), 0);
}
END_TEST

/* Typed before GO, it waits until there is something to end. */
START_TEST(the_escape_on_a_terminal_ends_the_guest)
{
	int fds[2];

	ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
	ck_assert_int_eq(dup2(fds[0], RF_FD_CONSOLE_IN), RF_FD_CONSOLE_IN);
	ck_assert_int_eq(write(fds[1], "k\x01x", 3), 3);
	setup_with(false, INPUT_TERMINAL);
	tell(LAUNCH_GO);
	ck_assert_int_eq(serve_run(&vmm), 0);
	ck_assert(vmm.running);
	is_told(LAUNCH_READY, RF_DOORBELL_EXIT);
	is_told(LAUNCH_ENDED, 0);
	nothing_more_is_told();
	ck_assert_uint_eq(serial_read(&vmm.serial, 0), 'k');
}
END_TEST

START_TEST(a_processor_that_stopped_is_no_end_of_a_guest)
{
	setup(false);
	work_end(&vmm.work, 0, WORK_STOPPED, 0);
	ck_assert_int_eq(serve_run(&vmm), 1);
	is_told(LAUNCH_READY, RF_DOORBELL_EXIT);
	nothing_more_is_told();
}
END_TEST

START_TEST(without_its_launcher_it_ends)
{
	setup(false);
	ck_assert_int_eq(shutdown(launcher, SHUT_WR), 0);
	ck_assert_int_eq(serve_run(&vmm), 1);
	is_logged("the launcher is gone");
	/* From the start. */
	setup(false);
	(void)close(launcher);
	ck_assert_int_eq(serve_run(&vmm), 1);
	is_logged("the launcher: EPIPE");
	ck_assert(!vmm.running);
}
END_TEST

START_TEST(a_launcher_that_makes_no_sense_is_left)
{
	static const struct launch_msg odd[] = {
		{ LAUNCH_READY, 0 }, { LAUNCH_ENDED, 0 },
		{ LAUNCH_GO, 1 },    { 0, 0 },
		{ 99, 0 },
	};
	size_t i;

	for (i = 0; i <= RF_ARRAY_LEN(odd); i++) {
		setup(false);
		if (i < RF_ARRAY_LEN(odd))
			ck_assert_int_eq(
				send(launcher, &odd[i], sizeof(odd[i]), 0),
				sizeof(odd[i]));
		else /* half a message */
			ck_assert_int_eq(send(launcher, &odd[0], 4, 0), 4);
		ck_assert_int_eq(serve_run(&vmm), 1);
		is_logged("makes no sense here");
		ck_assert(!vmm.running);
		ck_assert_uint_eq(vmm.vcpus[0].go.count, 0);
	}
	/* Going twice is no sense either, and starts nothing twice. */
	setup(false);
	tell(LAUNCH_GO);
	tell(LAUNCH_GO);
	ck_assert_int_eq(serve_run(&vmm), 1);
	is_logged("makes no sense here");
	ck_assert_uint_eq(vmm.vcpus[0].go.count, 1);
}
END_TEST

static void *watch_device_go(void *arg)
{
	is_told(LAUNCH_READY, RF_DOORBELL_EXIT);
	is_told(LAUNCH_DEVICE_GONE, 0);
	(void)usleep(20000);
	nothing_more_is_told();
	tell(LAUNCH_GO);
	return arg;
}

static void lose_device(void)
{
	pthread_t threads[2];

	ck_assert_int_eq(
		pthread_create(&threads[0], NULL, watch_device_go, NULL), 0);
	ck_assert_int_eq(pthread_create(&threads[1], NULL, leave, NULL), 0);
	ck_assert_int_eq(serve_run(&vmm), 0);
	ck_assert_int_eq(pthread_join(threads[0], NULL), 0);
	ck_assert_int_eq(pthread_join(threads[1], NULL), 0);
	is_told(LAUNCH_ENDED, 37);
	/* Nor does anything of it wake the loop any more. */
	ck_assert_int_eq(__real_epoll_wait(RF_FD_EPOLL,
					   (struct epoll_event[4]){ 0 }, 4, 0),
			 0);
	ck_assert_ptr_null(vmm.devices[0].frontend);
	ck_assert_uint_eq(vmm.devices[0].page.status,
			  RF_VIRTIO_STATUS_NEEDS_RESET);
	ck_assert_int_eq(fcntl(RF_FD_DEVICES, F_GETFD), -1);
}

START_TEST(a_device_that_vanishes_is_told_once_and_the_guest_goes_on)
{
	setup(true);
	/* Somebody holds a copy of our end: epoll would go on about it. */
	ck_assert_int_ge(dup(RF_FD_DEVICES), 0);
	(void)close(device);
	lose_device();
}
END_TEST

START_TEST(a_device_that_talks_out_of_turn_is_left)
{
	setup(true);
	ck_assert_int_eq(write(device, "hello", 5), 5);
	lose_device();
}
END_TEST

/* A reset of a device that has been started and does not answer. */
static int never_stop(void *ctx)
{
	return ((struct vdev *)ctx)->dead ? 0 : -EINPROGRESS;
}

static int start_at_once(void *ctx, uint64_t features)
{
	(void)ctx;
	(void)features;
	return 0;
}

static const struct rf_virtio_mmio_ops hung_ops = {
	.driver_ok = start_at_once,
	.reset = never_stop,
	.notify = ignore,
	.interrupt = do_nothing,
};

static _Atomic int resets; /* that the guest takes for done */

static void write_status(uint32_t value)
{
	ck_assert_int_eq(work_write(&vmm.work, 0, 0, 0x70, &value, 4), 0);
}

static void *reset_it(void *arg)
{
	const uint32_t one = 1, version_1 = 1;
	struct vdev *d = &vmm.devices[0];

	latch_wait(&vmm.vcpus[0].go);
	write_status(1);
	write_status(3);
	vdev_write(d, 0x24, &one, 4);
	vdev_write(d, 0x20, &version_1, 4);
	write_status(11);
	write_status(15);
	ck_assert_uint_eq(d->page.status, 15);
	write_status(0);
	resets++;
	ck_assert_uint_eq(d->page.status, 0);
	work_end(&vmm.work, 0, WORK_ENDED, 37);
	return arg;
}

static void setup_hung(pthread_t *vcpu)
{
	setup(true);
	vmm.devices[0].regs.ops = &hung_ops;
	vmm.devices[0].regs.ctx = &vmm.devices[0];
	resets = 0;
	ck_assert_int_eq(pthread_create(vcpu, NULL, reset_it, NULL), 0);
	tell(LAUNCH_GO);
}

static void *tell_dead_late(void *arg)
{
	uint32_t status;

	is_told(LAUNCH_READY, RF_DOORBELL_EXIT);
	(void)usleep(300000);
	/* The others may look, by page or by exit. */
	vdev_read(&vmm.devices[0], 0x70, &status, 4);
	ck_assert_uint_eq(status, 15 | RF_VIRTIO_STATUS_NEEDS_RESET);
	ck_assert_uint_eq(vmm.devices[0].page.status, status);
	ck_assert_int_eq(resets, 0);
	ck_assert_int_eq(launch_send(launcher, LAUNCH_DEVICE_DEAD, 0), 0);
	return arg;
}

START_TEST(a_vcpu_that_resets_what_hangs_waits_for_its_death)
{
	pthread_t threads[2];

	setup_hung(&threads[0]);
	ck_assert_int_eq(
		pthread_create(&threads[1], NULL, tell_dead_late, NULL), 0);
	ck_assert_int_eq(serve_run(&vmm), 0);
	ck_assert_int_eq(pthread_join(threads[0], NULL), 0);
	ck_assert_int_eq(pthread_join(threads[1], NULL), 0);
	ck_assert_int_eq(resets, 1);
	/* Nobody had noticed: it is buried with that. */
	is_told(LAUNCH_DEVICE_GONE, 0);
	is_told(LAUNCH_ENDED, 37);
	ck_assert_ptr_null(vmm.devices[0].frontend);
}
END_TEST

static void *leave_it_alone(void *arg)
{
	is_told(LAUNCH_READY, RF_DOORBELL_EXIT);
	(void)usleep(100000);
	(void)close(launcher);
	return arg;
}

START_TEST(a_vcpu_that_waits_does_not_outlive_the_launcher)
{
	pthread_t threads[2];

	setup_hung(&threads[0]);
	ck_assert_int_eq(
		pthread_create(&threads[1], NULL, leave_it_alone, NULL), 0);
	ck_assert_int_eq(serve_run(&vmm), 1);
	ck_assert_int_eq(pthread_join(threads[1], NULL), 0);
	ck_assert_int_eq(resets, 0);
	ck_assert_uint_eq(vmm.devices[0].page.status, 15 | 64);
	(void)pthread_detach(threads[0]);
}
END_TEST

START_TEST(nobody_dies_who_is_not_there)
{
	setup(true);
	ck_assert_int_eq(launch_send(launcher, LAUNCH_DEVICE_DEAD, 1), 0);
	ck_assert_int_eq(serve_run(&vmm), 1);
	is_logged("makes no sense here");
}
END_TEST

START_TEST(nobody_dies_twice)
{
	setup(true);
	/* Before GO as well. */
	ck_assert_int_eq(launch_send(launcher, LAUNCH_DEVICE_DEAD, 0), 0);
	ck_assert_int_eq(launch_send(launcher, LAUNCH_DEVICE_DEAD, 0), 0);
	ck_assert_int_eq(serve_run(&vmm), 1);
	is_told(LAUNCH_READY, RF_DOORBELL_EXIT);
	is_told(LAUNCH_DEVICE_GONE, 0);
	is_logged("makes no sense here");
}
END_TEST

/* 75 ticks without an interrupt. */
START_TEST(a_stand_in_that_gets_nowhere_is_ended)
{
	setup(false);
	no_waiting = true;
	tell(LAUNCH_GO);
	ck_assert_int_eq(serve_run(&vmm), 1);
	is_logged("stand-in: no interrupt came for 15 s");
}
END_TEST

static void *leave_late(void *arg)
{
	latch_wait(&vmm.vcpus[0].go);
	(void)usleep(200000);
	work_end(&vmm.work, 0, WORK_ENDED, 0);
	return arg;
}

START_TEST(a_guest_of_kvms_may_idle)
{
	pthread_t vcpu;

	setup(false);
	no_waiting = true;
	vmm.kvm = true;
	ck_assert_int_eq(pthread_create(&vcpu, NULL, leave_late, NULL), 0);
	tell(LAUNCH_GO);
	ck_assert_int_eq(serve_run(&vmm), 0);
	ck_assert_int_eq(pthread_join(vcpu, NULL), 0);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		everything_stands_at_its_place,
		a_guest_runs_after_go_and_its_end_is_told,
		the_escape_on_a_terminal_ends_the_guest,
		a_processor_that_stopped_is_no_end_of_a_guest,
		without_its_launcher_it_ends,
		a_launcher_that_makes_no_sense_is_left,
		a_device_that_vanishes_is_told_once_and_the_guest_goes_on,
		a_device_that_talks_out_of_turn_is_left,
		a_vcpu_that_resets_what_hangs_waits_for_its_death,
		a_vcpu_that_waits_does_not_outlive_the_launcher,
		nobody_dies_who_is_not_there,
		nobody_dies_twice,
		a_stand_in_that_gets_nowhere_is_ended,
		a_guest_of_kvms_may_idle,
	};

	places_take(RF_FD_DEVICES + 1);
	return unit_run("serve", tests, RF_ARRAY_LEN(tests));
}
