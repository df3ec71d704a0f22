/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * machine.c - a ringfence-vmm and its disks, started as the launcher does it
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/launch_proto.h"
#include "base/memfd.h"
#include "kvm/machine.h"

#define MACHINE_WAIT_NS 60000000000ull
#define MACHINE_UID 1380319000u

static void text_pipe(struct machine_text *t, int *end)
{
	int fds[2];

	ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
	ck_assert_int_eq(fcntl(fds[0], F_SETFL, O_NONBLOCK), 0);
	t->fd = fds[0];
	*end = fds[1];
}

/* Carriage returns are for terminals. */
static void text_add(struct machine_text *t, const char *from, size_t len)
{
	size_t i;

	for (i = 0; i < len && t->used < sizeof(t->text) - 1; i++)
		if (from[i] != '\r')
			t->text[t->used++] = from[i];
	t->text[t->used] = '\0';
}

static void text_take(struct machine_text *t)
{
	char buf[1024];
	ssize_t n;

	while ((n = read(t->fd, buf, sizeof(buf))) > 0)
		text_add(t, buf, (size_t)n);
}

bool machine_said(const struct machine_text *t, const char *what)
{
	return strstr(t->text, what) != NULL;
}

static int report_page(struct rf_report **out)
{
	int fd = -1;

	ck_assert_int_eq(memfd_new("report", RF_REPORT_BYTES, &fd), 0);
	ck_assert_int_eq(rf_report_map(fcntl(fd, F_DUPFD_CLOEXEC, 0), out), 0);
	return fd;
}

static void give(struct rf_fence_spawn *s, int from, int to)
{
	s->fds[s->nr_fds++] = (struct rf_fence_fd){ from, to };
}

static void spawn(struct rf_fence_spawn *s, const char *program,
		  const char *const *argv, uint32_t nr,
		  struct machine_process *out)
{
	struct rf_fence_child child;
	const char *step = NULL;
	char path[256];
	int rc;

	snprintf(path, sizeof(path), "%s/%s", RF_TEST_BIN_DIR, program);
	s->name = program;
	s->exe_fd = open(path, O_RDONLY | O_CLOEXEC);
	ck_assert_msg(s->exe_fd >= 0, "%s: %s", path, strerror(errno));
	s->argv = (char *const *)(uintptr_t)argv;
	s->uid = geteuid() == 0 ? MACHINE_UID + nr : geteuid();
	s->gid = geteuid() == 0 ? MACHINE_UID + nr : getegid();
	s->namespaces = RF_FENCE_NAMESPACES;
	s->cgroup_fd = -1;
	s->trace = true;
	rc = rf_fence_spawn(s, &child, &step);
	ck_assert_msg(rc == 0, "%s: %s: %s", program, step ? step : "?",
		      strerror(-rc));
	close(s->exe_fd);
	close(child.pidfd);
	*out = (struct machine_process){ .pid = child.pid };
}

static void start_disk(struct machine *m, const struct machine_params *p,
		       uint32_t i, int log, int *sock)
{
	struct rf_fence_spawn s = { .nr_fds = 0 };
	const char *argv[] = { "ringfence-blk", "--index", "0", NULL, NULL };
	char index[] = { (char)('0' + i), '\0' };
	int report = report_page(&m->disk_reports[i]);
	int pair[2];

	argv[2] = index;
	if (p->read_only)
		argv[3] = "--read-only";
	ck_assert_int_eq(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	m->images[i] = memfd_create("disk", MFD_CLOEXEC);
	ck_assert_int_eq(ftruncate(m->images[i], MACHINE_DISK_BYTES), 0);
	give(&s, log, RF_FD_LOG);
	give(&s, pair[1], RF_FD_CONTROL);
	give(&s, report, RF_FD_REPORT);
	give(&s, m->images[i], RF_FD_BACKING);
	spawn(&s, "ringfence-blk", argv, 1 + i, &m->disks[i]);
	close(report);
	close(pair[1]);
	*sock = pair[0];
}

static void start_vmm(struct machine *m, const struct machine_params *p,
		      int console, int log, const int *socks)
{
	struct rf_fence_spawn s = { .nr_fds = 0 };
	char devices[] = { (char)('0' + p->nr_disks), '\0' };
	const char *argv[] = { "ringfence-vmm",
			       "--memory",
			       p->memory ? p->memory : "16777216",
			       "--cpus",
			       p->cpus ? p->cpus : "1",
			       "--accel",
			       p->accel,
			       "--doorbell",
			       p->doorbell ? p->doorbell : "auto",
			       "--registers",
			       p->registers ? p->registers : "auto",
			       "--devices",
			       devices,
			       "--cmdline",
			       p->cmdline ? p->cmdline : "",
			       "--initrd",
			       p->initrd ? "yes" : "no",
			       "--input",
			       p->input ? p->input : "none",
			       NULL };
	int report = report_page(&m->report);
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	int pair[2];
	uint32_t i;

	ck_assert_int_eq(
		socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	ck_assert_int_eq(fcntl(pair[0], F_SETFL, O_NONBLOCK), 0);
	m->control = pair[0];
	give(&s, console, RF_FD_CONSOLE);
	give(&s, log, RF_FD_LOG);
	give(&s, pair[1], RF_FD_CONTROL);
	give(&s, report, RF_FD_REPORT);
	if (strcmp(p->accel, "kvm") == 0) {
		give(&s, kvm, RF_FD_BACKING);
		give(&s, p->kernel, RF_FD_KERNEL);
	}
	if (p->input)
		give(&s, p->console_in, RF_FD_CONSOLE_IN);
	if (p->initrd)
		give(&s, p->initrd, RF_FD_INITRD);
	for (i = 0; i < p->nr_disks; i++)
		give(&s, socks[i], RF_FD_DEVICES + (int)i);
	spawn(&s, "ringfence-vmm", argv, 0, &m->vmm);
	rf_fd_close(&kvm);
	close(report);
	close(pair[1]);
}

void machine_start(struct machine *m, const struct machine_params *p)
{
	int socks[MACHINE_DISKS_MAX];
	int console, log;
	uint32_t i;

	memset(m, 0, sizeof(*m));
	ck_assert_uint_le(p->nr_disks, MACHINE_DISKS_MAX);
	m->nr_disks = p->nr_disks;
	text_pipe(&m->console, &console);
	text_pipe(&m->log, &log);
	for (i = 0; i < p->nr_disks; i++)
		start_disk(m, p, i, log, &socks[i]);
	start_vmm(m, p, console, log, socks);
	for (i = 0; i < p->nr_disks; i++)
		close(socks[i]);
	close(console);
	close(log);
}

/* Where a failing test looks first. */
static void note_kill(struct machine *m, const struct rf_fence_end *end)
{
	char line[128];
	int n = snprintf(line, sizeof(line),
			 "test: %s thread \"%s\" killed by its filter: call "
			 "%d\n",
			 end->pid == m->vmm.pid ? "vmm" : "disk", end->thread,
			 end->call_nr);

	if (n > 0 && (size_t)n < sizeof(line))
		text_add(&m->log, line, (size_t)n);
}

static void take_end(struct machine *m, const struct rf_fence_end *end)
{
	uint32_t i;

	if (end->pid == m->vmm.pid) {
		m->vmm.ended = true;
		m->vmm.end = *end;
	}
	for (i = 0; i < m->nr_disks; i++)
		if (end->pid == m->disks[i].pid) {
			m->disks[i].ended = true;
			m->disks[i].end = *end;
			/* Its image is memory: no I/O outlives it. */
			(void)!launch_send(m->control, LAUNCH_DEVICE_DEAD, i);
		}
	if (end->filter_killed)
		note_kill(m, end);
}

static void take_message(struct machine *m)
{
	struct launch_msg msg;

	while (launch_recv(m->control, &msg) == 0) {
		switch (msg.type) {
		case LAUNCH_PREPARED:
			break; /* the devices are there already */
		case LAUNCH_READY:
			m->ready = true;
			m->doorbell_kind = msg.value;
			break;
		case LAUNCH_ENDED:
			m->ended = true;
			m->status = msg.value;
			break;
		case LAUNCH_DEVICE_GONE:
			m->gone |= 1u << msg.value;
			break;
		default:
			ck_abort_msg("the vmm sent type %u", msg.type);
		}
	}
}

static void take_all(struct machine *m)
{
	struct rf_fence_end end;

	while (rf_fence_reap(&end) == 0)
		take_end(m, &end);
	text_take(&m->console);
	text_take(&m->log);
	take_message(m);
}

bool machine_wait(struct machine *m, const bool *done)
{
	const uint64_t until = rf_clock_ns() + MACHINE_WAIT_NS;
	bool over;

	/* Traced children stand still until they are reaped: look often. */
	do {
		struct pollfd wait = { .fd = m->control, .events = POLLIN };

		(void)poll(&wait, 1, 1);
		over = m->vmm.ended;
		take_all(m);
	} while (!*done && !over && rf_clock_ns() < until);
	return *done;
}

void machine_go(struct machine *m)
{
	bool ready = machine_wait(m, &m->ready);

	ck_assert_msg(ready, "never ready; log:\n%s", m->log.text);
	ck_assert_int_eq(launch_send(m->control, LAUNCH_GO, 0), 0);
}

void machine_run(struct machine *m, const struct machine_params *p)
{
	bool over;

	machine_start(m, p);
	machine_go(m);
	over = machine_wait(m, &m->vmm.ended);
	ck_assert_msg(over, "never ended; console:\n%s\nlog:\n%s",
		      m->console.text, m->log.text);
}

static bool all_ended(const struct machine *m)
{
	uint32_t i;

	for (i = 0; i < m->nr_disks; i++)
		if (!m->disks[i].ended)
			return false;
	return m->vmm.ended;
}

void machine_stop(struct machine *m)
{
	const uint64_t until = rf_clock_ns() + MACHINE_WAIT_NS;
	uint32_t i;

	if (!m->vmm.ended)
		kill(m->vmm.pid, SIGKILL);
	/* A disk ends by itself when the vmm has closed its socket. */
	while (!all_ended(m) && rf_clock_ns() < until) {
		take_all(m);
		usleep(1000);
	}
	ck_assert(all_ended(m));
	rf_fd_close(&m->control);
	rf_fd_close(&m->console.fd);
	rf_fd_close(&m->log.fd);
	munmap(m->report, RF_REPORT_BYTES);
	for (i = 0; i < m->nr_disks; i++) {
		rf_fd_close(&m->images[i]);
		munmap(m->disk_reports[i], RF_REPORT_BYTES);
	}
}
