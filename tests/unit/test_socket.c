/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * test_socket.c - twin of src/base/socket.c: names that are new, alive, dead,
 * something else, or wanted by many at once
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <ringfence/socket.h>

#include "unit/unit.h"

static char dir[32];
static char path[64];

static void make_place(void)
{
	(void)snprintf(dir, sizeof(dir), "/tmp/test_socket.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	(void)snprintf(path, sizeof(path), "%s/name", dir);
}

static void drop_place(void)
{
	(void)unlink(path);
	ck_assert_int_eq(rmdir(dir), 0);
}

static int reach(int type)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

	memcpy(name.sun_path, path, strlen(path) + 1);
	if (connect(fd, (struct sockaddr *)&name, sizeof(name)) == 0)
		return fd;
	close(fd);
	return -1;
}

/* What a process that was killed leaves: the name, and nobody behind it. */
static void leave_dead(int type)
{
	struct rf_socket s;

	ck_assert_int_eq(rf_socket_bind(path, type, &s), 0);
	if (type == SOCK_STREAM)
		ck_assert_int_eq(listen(s.sock, 1), 0);
	close(s.sock);
	close(s.dir);
	ck_assert_int_eq(access(path, F_OK), 0);
}

START_TEST(it_is_its_owners_alone_and_goes_with_its_close)
{
	struct rf_socket s;
	struct stat st;
	mode_t mask;

	make_place();
	mask = umask(0);
	ck_assert_int_eq(rf_socket_bind(path, SOCK_DGRAM, &s), 0);
	(void)umask(mask);
	ck_assert_int_eq(lstat(path, &st), 0);
	ck_assert(S_ISSOCK(st.st_mode));
	ck_assert_uint_eq(st.st_mode & 0777, 0600);
	ck_assert(fcntl(s.sock, F_GETFL) & O_NONBLOCK);
	ck_assert(fcntl(s.sock, F_GETFD) & FD_CLOEXEC);
	ck_assert(rf_socket_has_name(&s));
	rf_socket_close(&s);
	ck_assert_int_eq(access(path, F_OK), -1);
	ck_assert_int_eq(s.sock, -1);
	ck_assert_int_eq(s.dir, -1);
	ck_assert(!rf_socket_has_name(&s));
	rf_socket_close(&s);
	drop_place();
}
END_TEST

/* In front of and behind listen(), and whatever its type: and it hears nothing
 * of those who looked. */
START_TEST(a_living_one_is_left_alone)
{
	struct rf_socket s;
	struct rf_socket other;

	make_place();
	ck_assert_int_eq(rf_socket_bind(path, SOCK_STREAM, &s), 0);
	ck_assert_int_eq(rf_socket_bind(path, SOCK_STREAM, &other),
			 -EADDRINUSE);
	ck_assert_int_eq(rf_socket_bind(path, SOCK_DGRAM, &other), -EADDRINUSE);
	ck_assert_int_eq(listen(s.sock, 4), 0);
	ck_assert_int_eq(rf_socket_bind(path, SOCK_STREAM, &other),
			 -EADDRINUSE);
	ck_assert_int_eq(accept(s.sock, NULL, NULL), -1);
	ck_assert_int_eq(errno, EAGAIN);
	ck_assert(rf_socket_has_name(&s));
	rf_socket_close(&s);
	ck_assert_int_eq(rf_socket_bind(path, SOCK_DGRAM, &s), 0);
	ck_assert_int_eq(rf_socket_bind(path, SOCK_DGRAM, &other), -EADDRINUSE);
	rf_socket_close(&s);
	drop_place();
}
END_TEST

START_TEST(a_dead_one_is_taken_over)
{
	static const int types[] = { SOCK_STREAM, SOCK_DGRAM };
	struct rf_socket s;
	size_t i;

	make_place();
	for (i = 0; i < 4; i++) {
		leave_dead(types[i & 1]);
		ck_assert_int_eq(rf_socket_bind(path, types[i / 2], &s), 0);
		ck_assert(rf_socket_has_name(&s));
		rf_socket_close(&s);
	}
	drop_place();
}
END_TEST

START_TEST(what_is_no_socket_stays)
{
	struct rf_socket s;
	struct stat st;
	int fd;

	make_place();
	fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	close(fd);
	ck_assert_int_eq(rf_socket_bind(path, SOCK_DGRAM, &s), -EEXIST);
	ck_assert_int_eq(lstat(path, &st), 0);
	ck_assert(S_ISREG(st.st_mode));
	ck_assert_int_eq(unlink(path), 0);
	/* One that points to nothing is not followed either. */
	ck_assert_int_eq(symlink("elsewhere", path), 0);
	ck_assert_int_eq(rf_socket_bind(path, SOCK_DGRAM, &s), -EEXIST);
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(mkdir(path, 0700), 0);
	ck_assert_int_eq(rf_socket_bind(path, SOCK_DGRAM, &s), -EEXIST);
	ck_assert_int_eq(rmdir(path), 0);
	drop_place();
}
END_TEST

START_TEST(paths_that_cannot_be_are_refused)
{
	char longest[RF_SOCKET_PATH_BYTES + 1];
	struct rf_socket s = { .sock = -7 };

	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	ck_assert_int_eq(rf_socket_bind(longest, SOCK_DGRAM, &s), -EINVAL);
	ck_assert_int_eq(rf_socket_bind("", SOCK_DGRAM, &s), -EINVAL);
	ck_assert_int_eq(rf_socket_bind("/no/such/dir/x", SOCK_DGRAM, &s),
			 -ENOENT);
	ck_assert_int_eq(s.sock, -7);
}
END_TEST

/* 107 bytes are a path; so is a bare name. */
START_TEST(the_longest_path_and_a_bare_name_are_taken)
{
	char longest[RF_SOCKET_PATH_BYTES];
	struct rf_socket s;
	int cwd = open(".", O_PATH | O_CLOEXEC);

	make_place();
	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	ck_assert_int_eq(chdir(dir), 0);
	ck_assert_int_eq(rf_socket_bind(longest, SOCK_DGRAM, &s), 0);
	ck_assert_int_eq(access(longest, F_OK), 0);
	ck_assert_int_eq(fchdir(cwd), 0);
	/* The directory was kept, wherever we are by now. */
	ck_assert(rf_socket_has_name(&s));
	rf_socket_close(&s);
	close(cwd);
	drop_place();
}
END_TEST

START_TEST(a_name_that_is_anothers_by_now_is_known)
{
	struct rf_socket first;
	struct rf_socket second;

	make_place();
	ck_assert_int_eq(rf_socket_bind(path, SOCK_DGRAM, &first), 0);
	ck_assert_int_eq(unlink(path), 0);
	ck_assert(!rf_socket_has_name(&first));
	ck_assert_int_eq(rf_socket_bind(path, SOCK_DGRAM, &second), 0);
	ck_assert(!rf_socket_has_name(&first));
	ck_assert(rf_socket_has_name(&second));
	rf_fd_close(&first.sock);
	rf_fd_close(&first.dir);
	rf_socket_close(&second);
	drop_place();
}
END_TEST

/* Locked, nothing is removed; a new name needs no lock. */
START_TEST(a_lock_keeps_a_dead_name_where_it_is)
{
	struct rf_socket s;
	int lock;

	make_place();
	leave_dead(SOCK_STREAM);
	lock = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_eq(flock(lock, LOCK_EX), 0);
	ck_assert_int_eq(rf_socket_bind(path, SOCK_STREAM, &s), -EBUSY);
	ck_assert_int_eq(access(path, F_OK), 0);
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(rf_socket_bind(path, SOCK_STREAM, &s), 0);
	rf_socket_close(&s);
	close(lock);
	drop_place();
}
END_TEST

#define RACERS 8
#define RACES 20

/* The moment in which another may do the same, made long enough to be met. */
int __wrap_unlinkat(int at, const char *name, int flags);
int __real_unlinkat(int at, const char *name, int flags);

int __wrap_unlinkat(int at, const char *name, int flags)
{
	usleep(2000);
	return __real_unlinkat(at, name, flags);
}

/* All at once for the name of a dead one: waits for `go`, says how it went, and
 * keeps what it got until `stay` ends. */
static _Noreturn void race(int go, int said, int stay)
{
	struct rf_socket s;
	int err;
	char byte;

	(void)!read(go, &byte, 1); /* its end */
	err = rf_socket_bind(path, SOCK_STREAM, &s);
	if (!err && listen(s.sock, 4) < 0)
		err = -errno;
	(void)!write(said, &err, sizeof(err));
	(void)!read(stay, &byte, 1);
	_exit(0);
}

static void run_race(void)
{
	int go[2];
	int said[2];
	int stay[2];
	int winners = 0;
	int fd;
	int err;
	int i;

	ck_assert(pipe(go) == 0 && pipe(said) == 0 && pipe(stay) == 0);
	for (i = 0; i < RACERS; i++) {
		if (fork() == 0) {
			close(go[1]);
			close(stay[1]);
			race(go[0], said[1], stay[0]);
		}
	}
	close(go[0]);
	close(stay[0]);
	close(said[1]);
	close(go[1]);
	for (i = 0; i < RACERS; i++) {
		ck_assert_int_eq(read(said[0], &err, sizeof(err)), sizeof(err));
		ck_assert_msg(err == 0 || err == -EADDRINUSE, "%d", err);
		winners += err == 0;
	}
	ck_assert_int_eq(winners, 1);
	/* And it is the one that is heard. */
	fd = reach(SOCK_STREAM);
	ck_assert_int_ge(fd, 0);
	close(fd);
	close(stay[1]);
	close(said[0]);
	for (i = 0; i < RACERS; i++)
		ck_assert_int_gt(wait(NULL), 0);
}

START_TEST(of_many_at_once_one_gets_the_name)
{
	int i;

	make_place();
	leave_dead(SOCK_STREAM);
	/* The winner of each race is the dead one of the next. */
	for (i = 0; i < RACES; i++)
		run_race();
	drop_place();
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		it_is_its_owners_alone_and_goes_with_its_close,
		a_living_one_is_left_alone,
		a_dead_one_is_taken_over,
		what_is_no_socket_stays,
		paths_that_cannot_be_are_refused,
		the_longest_path_and_a_bare_name_are_taken,
		a_name_that_is_anothers_by_now_is_known,
		a_lock_keeps_a_dead_name_where_it_is,
		of_many_at_once_one_gets_the_name,
	};

	return unit_run("socket", tests, RF_ARRAY_LEN(tests));
}
