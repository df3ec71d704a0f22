/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * init.c - process 1 of the lab: run a list of programs, tell how each ended
 *
 * Side:    test; alone in a kernel of its own, under QEMU.
 * Owns:    the machine: it mounts, runs, kills what is left over, powers off.
 * Callers: the lab's kernel, from the initramfs that tests/lab/boot.sh packs.
 * Never:   judges. It says what happened; tests/lab/run has the kernel's log
 *          beside it and decides.
 *
 * /lab/list holds the programs, each string ended by a NUL: name, seconds,
 * number of words, words. Three virtio-serial ports lead out of the machine:
 *
 *   vport0p1  results: "begin NAME", then "end NAME exit|signal|timeout|left
 *             NUMBER MILLISECONDS BYTES BYTES", at the end "done"; the bytes
 *             are its part of the other two
 *   vport0p2  what the programs write to standard output
 *   vport0p3  the same for standard error
 *
 * The programs write to pipes and we carry on what comes: a port blocks, can
 * be opened once and is not what a program takes for its output.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LIST_BYTES_MAX (1 << 20)
#define WORDS_MAX 64
#define PORT_WAIT_MS 20000
#define LEFTOVER_WAIT_MS 3000
#define LEAK_FILE "/sys/kernel/debug/kmemleak"
/* An object younger than this is not yet looked at by the kernel's scan. */
#define LEAK_AGE_S 6

enum port { PORT_RESULTS, PORT_OUT, PORT_ERR, NR_PORTS };

struct program {
	const char *name;
	uint64_t seconds;
	char *words[WORDS_MAX + 1];
};

/* One stream of the running program: a pipe's end and where it leads. */
struct stream {
	int from;
	enum port to;
};

static int ports[NR_PORTS] = { -1, -1, -1 };
static uint64_t told[NR_PORTS]; /* bytes, since the program was begun */
static int kmsg = -1;

static void write_all(int fd, const char *bytes, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, bytes, len);

		if (n < 0 && errno != EINTR)
			return;
		if (n > 0) {
			bytes += n;
			len -= (size_t)n;
		}
	}
}

/* One write a line: a line is a record in the kernel's log. */
static void say(int fd, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void say(int fd, const char *format, ...)
{
	char line[512];
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	if (n < 0)
		return;
	if ((size_t)n >= sizeof(line))
		n = (int)sizeof(line) - 1;
	write_all(fd, line, (size_t)n);
}

static void tell(enum port port, const char *bytes, size_t len)
{
	write_all(ports[port], bytes, len);
	told[port] += len;
}

static uint64_t now_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void sleep_ms(long ms)
{
	const struct timespec t = { ms / 1000, ms % 1000 * 1000000 };

	(void)nanosleep(&t, NULL);
}

static void mount_at(const char *type, const char *path, const char *options)
{
	(void)mkdir(path, 0755);
	if (mount(type, path, type, 0, options) < 0 && errno != EBUSY)
		say(kmsg >= 0 ? kmsg : 2, "lab: mount %s: %s\n", path,
		    strerror(errno));
}

/* A controller that is not enabled in the root reaches nobody below it. */
static void enable_controllers(void)
{
	static const char *const all[] = { "+memory", "+pids", "+cpu", "+io",
					   "+cpuset" };
	int fd = open("/sys/fs/cgroup/cgroup.subtree_control",
		      O_WRONLY | O_CLOEXEC);
	size_t i;

	for (i = 0; fd >= 0 && i < sizeof(all) / sizeof(all[0]); i++)
		if (write(fd, all[i], strlen(all[i])) < 0)
			say(kmsg, "lab: cgroup %s: %s\n", all[i],
			    strerror(errno));
	if (fd >= 0)
		(void)close(fd);
}

/*
 * pivot_root(2) refuses to leave the initramfs itself, and every fence begins
 * by leaving its root. The same files bound over it are a root like any other.
 */
static void leave_rootfs(void)
{
	(void)mkdir("/mnt", 0755);
	if (mount("/", "/mnt", NULL, MS_BIND, NULL) < 0 || chdir("/mnt") < 0 ||
	    mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0 ||
	    chdir("/") < 0)
		say(2, "lab: the root cannot be moved: %s\n", strerror(errno));
}

static void mount_all(void)
{
	mount_at("devtmpfs", "/dev", NULL);
	kmsg = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);
	mount_at("proc", "/proc", NULL);
	mount_at("sysfs", "/sys", NULL);
	/* Nothing over /tmp: the program to run may have come from there. */
	(void)chmod("/tmp", 01777);
	mount_at("devpts", "/dev/pts", NULL);
	(void)mkdir("/dev/shm", 01777);
	mount_at("tmpfs", "/dev/shm", "mode=1777");
	mount_at("debugfs", "/sys/kernel/debug", NULL);
	mount_at("cgroup2", "/sys/fs/cgroup", NULL);
	/* Where machines of both versions have the second; a test looks there. */
	(void)mkdir("/sys/fs/cgroup/unified", 0755);
	enable_controllers();
}

/* The device appears a moment after its driver. */
static bool open_ports(void)
{
	const uint64_t until = now_ms() + PORT_WAIT_MS;
	int i = 0;

	while (i < NR_PORTS) {
		char path[32];

		(void)snprintf(path, sizeof(path), "/dev/vport0p%d", i + 1);
		ports[i] = open(path, O_WRONLY | O_CLOEXEC);
		if (ports[i] >= 0) {
			i++;
			continue;
		}
		if (now_ms() > until) {
			say(kmsg, "lab: %s: %s\n", path, strerror(errno));
			return false;
		}
		sleep_ms(20);
	}
	return true;
}

/* No guest on processor 0: QEMU's emulation of the others spoils it there, see
 * boot_run() in boot.sh. */
static void leave_first_processor(void)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	if (sched_getaffinity(0, sizeof(set), &set) < 0)
		return;
	CPU_CLR(0, &set);
	if (sched_setaffinity(0, sizeof(set), &set) < 0)
		say(2, "lab: processor 0 is shared: %s\n", strerror(errno));
}

/* In the child. Signals are as a program finds them under a shell. */
static void become(const struct program *p, int out, int err)
{
	sigset_t none;
	int null = open("/dev/null", O_RDONLY);

	(void)setsid();
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)signal(SIGPIPE, SIG_DFL);
	(void)dup2(null, 0);
	(void)dup2(out, 1);
	(void)dup2(err, 2);
	(void)close_range(3, ~0u, 0);
	leave_first_processor();
	if (chdir("/tmp") == 0)
		(void)execv(p->words[0], p->words);
	say(2, "lab: %s: %s\n", p->words[0], strerror(errno));
	_exit(127);
}

/* Carry on what there is now. False: the stream has ended. */
static bool carry(const struct stream *s)
{
	char bytes[16384];
	ssize_t n;

	for (;;) {
		n = read(s->from, bytes, sizeof(bytes));
		if (n > 0)
			tell(s->to, bytes, (size_t)n);
		else if (n == 0)
			return false;
		else if (errno != EINTR)
			return errno == EAGAIN;
	}
}

/* Wait for anything: the child, its output, or a while. Strangers that were
 * left to us are reaped on the way. */
static bool wait_a_little(pid_t pid, struct stream s[2], int *status)
{
	struct pollfd fds[2] = { { s[0].from, POLLIN, 0 },
				 { s[1].from, POLLIN, 0 } };
	pid_t got;
	int i;

	/* 20 ms: also what the end of a program is late at most. */
	(void)poll(fds, 2, 20);
	for (i = 0; i < 2; i++)
		if (s[i].from >= 0 && !carry(&s[i])) {
			(void)close(s[i].from);
			s[i].from = -1;
		}
	while ((got = waitpid(-1, status, WNOHANG)) > 0)
		if (got == pid)
			return true;
	return false;
}

/* proc(5), stat: numbered from 1; the second, in brackets, may hold blanks. */
static const char *stat_field(const char *after_name, int nr)
{
	int i;

	for (i = 3; i < nr && *after_name; i++)
		after_name += 1 + strcspn(after_name + 1, " ");
	return *after_name ? after_name + 1 : after_name;
}

/* Kernel threads and zombies have no memory. */
static bool is_left_over(pid_t pid, char *name, size_t cap)
{
	char path[40];
	char text[512];
	const char *memory;
	char *bracket;
	ssize_t n;
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (fd >= 0)
		(void)close(fd);
	if (n <= 0)
		return false;
	text[n] = '\0';
	bracket = strrchr(text, ')');
	if (!bracket)
		return false;
	*bracket = '\0';
	(void)snprintf(name, cap, "%s", strchr(text, '(') + 1);
	memory = stat_field(bracket + 1, 23);
	return *memory >= '1' && *memory <= '9';
}

/* What lives beside us; its name if something does. */
static bool find_left_over(char *name, size_t cap)
{
	const struct dirent *entry;
	DIR *dir = opendir("/proc");
	bool found = false;

	while (dir && !found && (entry = readdir(dir))) {
		const long pid = strtol(entry->d_name, NULL, 10);

		found = pid > 1 && is_left_over((pid_t)pid, name, cap);
	}
	if (dir)
		(void)closedir(dir);
	return found;
}

static void tell_left_over(const char *program, const char *name)
{
	char line[128];
	int n = snprintf(line, sizeof(line),
			 "lab: %.40s left the process %.40s behind\n", program,
			 name);

	tell(PORT_ERR, line, (size_t)n);
}

/* A program ends with all that it started. What is still there after a while
 * is named, and goes. */
static bool clear_left_overs(const char *program, struct stream s[2])
{
	const uint64_t until = now_ms() + LEFTOVER_WAIT_MS;
	bool found = false;
	char name[64];
	int status;

	while (find_left_over(name, sizeof(name))) {
		if (now_ms() > until) {
			if (!found)
				tell_left_over(program, name);
			found = true;
			(void)kill(-1, SIGKILL);
		}
		(void)wait_a_little(-1, s, &status);
	}
	while (waitpid(-1, &status, WNOHANG) > 0)
		;
	return found;
}

static void tell_begin(const char *name)
{
	told[PORT_OUT] = 0;
	told[PORT_ERR] = 0;
	say(kmsg, "lab: begin %s\n", name);
	say(ports[PORT_RESULTS], "begin %s\n", name);
}

static void tell_end(const char *name, const char *how, int number, uint64_t ms)
{
	say(kmsg, "lab: end %s\n", name);
	say(ports[PORT_RESULTS], "end %s %s %d %llu %llu %llu\n", name, how,
	    number, (unsigned long long)ms, (unsigned long long)told[PORT_OUT],
	    (unsigned long long)told[PORT_ERR]);
}

static void tell_status(const struct program *p, bool late, bool left,
			int status, uint64_t ms)
{
	const int number = WEXITSTATUS(status);

	if (late)
		tell_end(p->name, "timeout", 0, ms);
	else if (WIFSIGNALED(status))
		tell_end(p->name, "signal", WTERMSIG(status), ms);
	else
		tell_end(p->name, left && number == 0 ? "left" : "exit", number,
			 ms);
}

static bool make_stream(struct stream *s, int *write_end, enum port port)
{
	int pipe_fds[2];

	if (pipe2(pipe_fds, O_CLOEXEC) < 0)
		return false;
	(void)fcntl(pipe_fds[0], F_SETFL, O_NONBLOCK);
	s->from = pipe_fds[0];
	s->to = port;
	*write_end = pipe_fds[1];
	return true;
}

static void run(const struct program *p)
{
	const uint64_t start = now_ms();
	struct stream s[2];
	bool late = false;
	int ends[2];
	int status = 0;
	bool left;
	pid_t pid;
	int i;

	tell_begin(p->name);
	if (!make_stream(&s[0], &ends[0], PORT_OUT) ||
	    !make_stream(&s[1], &ends[1], PORT_ERR))
		return;
	pid = fork();
	if (pid == 0)
		become(p, ends[0], ends[1]);
	(void)close(ends[0]);
	(void)close(ends[1]);
	/* Not begun is not ended: no line about an end. */
	if (pid < 0)
		return;
	while (!wait_a_little(pid, s, &status)) {
		if (late || now_ms() - start < p->seconds * 1000)
			continue;
		late = true;
		(void)kill(-1, SIGKILL);
	}
	left = clear_left_overs(p->name, s);
	for (i = 0; i < 2; i++)
		if (s[i].from >= 0) {
			(void)carry(&s[i]);
			(void)close(s[i].from);
		}
	tell_status(p, late, left, status, now_ms() - start);
}

/* The next string of the list, or NULL. */
static char *next_string(char **at, const char *end)
{
	char *s = *at;
	char *nul = memchr(s, '\0', (size_t)(end - s));

	if (!nul)
		return NULL;
	*at = nul + 1;
	return s;
}

static bool next_program(char **at, const char *end, struct program *p)
{
	const char *seconds;
	const char *count;
	unsigned long nr;
	unsigned long i;

	p->name = next_string(at, end);
	seconds = p->name ? next_string(at, end) : NULL;
	count = seconds ? next_string(at, end) : NULL;
	nr = count ? strtoul(count, NULL, 10) : 0;
	if (nr == 0 || nr > WORDS_MAX)
		return false;
	p->seconds = strtoul(seconds, NULL, 10);
	for (i = 0; i < nr; i++) {
		p->words[i] = next_string(at, end);
		if (!p->words[i])
			return false;
	}
	p->words[nr] = NULL;
	return true;
}

static void run_list(void)
{
	static char list[LIST_BYTES_MAX];
	static struct program p;
	char *at = list;
	size_t used = 0;
	ssize_t n = 0;
	int fd = open("/lab/list", O_RDONLY | O_CLOEXEC);

	while (fd >= 0 && used < sizeof(list) &&
	       (n = read(fd, list + used, sizeof(list) - used)) > 0)
		used += (size_t)n;
	if (fd >= 0)
		(void)close(fd);
	while (at < list + used) {
		if (!next_program(&at, list + used, &p)) {
			say(kmsg, "lab: /lab/list is damaged\n");
			return;
		}
		run(&p);
	}
}

static bool ask_leaks(const char *command)
{
	int fd = open(LEAK_FILE, O_WRONLY | O_CLOEXEC);
	bool done;

	if (fd < 0)
		return false;
	done = write(fd, command, strlen(command)) > 0;
	(void)close(fd);
	return done;
}

/*
 * Memory that no pointer leads to, as a case of its own. What the first scan
 * takes for a leak may have been on its way from one place to another; what
 * the second still does not find, does not find changed, and finds old enough,
 * is lost.
 */
static void look_for_leaks(void)
{
	const uint64_t start = now_ms();
	static char text[65536];
	ssize_t n;
	int fd;

	if (access(LEAK_FILE, F_OK) < 0)
		return;
	tell_begin("kmemleak");
	(void)!ask_leaks("scan");
	sleep_ms(LEAK_AGE_S * 1000L);
	if (!ask_leaks("scan"))
		return;
	fd = open(LEAK_FILE, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, sizeof(text));
	if (n > 0)
		tell(PORT_OUT, text, (size_t)n);
	tell_end("kmemleak", "exit", n != 0, now_ms() - start);
	if (fd >= 0)
		(void)close(fd);
}

static void power_off(void)
{
	sync();
	(void)reboot(RB_POWER_OFF);
	for (;;)
		(void)pause();
}

static void set_environment(void)
{
	(void)clearenv();
	(void)setenv("PATH", "/bin:/sbin:/usr/bin:/usr/sbin", 1);
	(void)setenv("HOME", "/tmp", 1);
	(void)setenv("TMPDIR", "/tmp", 1);
	(void)setenv("LC_ALL", "C", 1);
	/* An emulated processor is 20 to 50 times slower, a debug kernel more;
	 * the limit that counts is ours. */
	(void)setenv("CK_TIMEOUT_MULTIPLIER", "60", 1);
}

int main(void)
{
	if (getpid() != 1) {
		(void)fputs("lab_init: is process 1 of the lab's kernel, or "
			    "nothing\n",
			    stderr);
		return 2;
	}
	leave_rootfs();
	mount_all();
	(void)signal(SIGPIPE, SIG_IGN);
	set_environment();
	if (open_ports()) {
		run_list();
		look_for_leaks();
		say(ports[PORT_RESULTS], "done\n");
	}
	power_off();
}
