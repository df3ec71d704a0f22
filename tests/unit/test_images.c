/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * test_images.c - twin of src/launcher/images.c: what is no disk
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "launcher/images.h"
#include "unit/unit.h"

static char dir[32];
static char path_a[64];
static char path_b[64];
static struct settings s;
static struct complaint c;

static void make_file(const char *path, off_t bytes)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ftruncate(fd, bytes), 0);
	ck_assert_int_eq(close(fd), 0);
}

static void setup(void)
{
	(void)snprintf(dir, sizeof(dir), "/tmp/test_images.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	(void)snprintf(path_a, sizeof(path_a), "%s/a", dir);
	(void)snprintf(path_b, sizeof(path_b), "%s/b", dir);
	settings_defaults(&s);
}

static void teardown(void)
{
	(void)unlink(path_a);
	(void)unlink(path_b);
	ck_assert_int_eq(rmdir(dir), 0);
}

static int open_disk(const char *path, bool read_only, int *fd)
{
	struct disk disk = { .read_only = read_only, .fd = -1 };

	(void)snprintf(disk.path, sizeof(disk.path), "%s", path);
	return images_open_disk(&disk, fd, &c);
}

static void refused(const char *path, const char *says)
{
	int fd = -7;

	ck_assert_int_eq(open_disk(path, false, &fd), -EINVAL);
	ck_assert_int_eq(fd, -7);
	ck_assert_msg(strstr(c.text, says) && strstr(c.text, path),
		      "%s\nlacks: %s", c.text, says);
}

START_TEST(a_file_of_a_sector_is_a_disk)
{
	int fd;

	setup();
	make_file(path_a, 512);
	ck_assert_msg(open_disk(path_a, false, &fd) == 0, "%s", c.text);
	ck_assert_int_eq(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDWR);
	ck_assert_int_eq(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
	ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
	(void)close(fd);
	ck_assert_int_eq(open_disk(path_a, true, &fd), 0);
	ck_assert_int_eq(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDONLY);
	(void)close(fd);
	teardown();
}
END_TEST

START_TEST(what_is_no_disk_is_named)
{
	setup();
	refused(path_a, "No such file");
	make_file(path_a, 511);
	refused(path_a, "holds 511 bytes");
	make_file(path_a, 0);
	refused(path_a, "holds 0 bytes");
	refused(dir, "Is a directory");
	refused("/dev/null", "neither a regular file nor a block device");
	ck_assert_int_eq(mkfifo(path_b, 0600), 0);
	refused(path_b, "neither a regular file nor a block device");
	teardown();
}
END_TEST

START_TEST(a_disk_is_one_launchers_or_only_read)
{
	int first;
	int second;

	setup();
	make_file(path_a, 4096);
	ck_assert_int_eq(open_disk(path_a, false, &first), 0);
	refused(path_a, "another process holds it");
	ck_assert_int_eq(open_disk(path_a, true, &second), -EINVAL);
	(void)close(first);
	ck_assert_int_eq(open_disk(path_a, true, &first), 0);
	ck_assert_int_eq(open_disk(path_a, true, &second), 0);
	(void)close(second);
	refused(path_a, "another process holds it");
	(void)close(first);
	ck_assert_int_eq(open_disk(path_a, false, &first), 0);
	(void)close(first);
	teardown();
}
END_TEST

/* The name of the second: another link to the same file. */
START_TEST(a_disk_named_twice_is_refused_unless_only_read)
{
	struct images im;

	setup();
	make_file(path_a, 4096);
	ck_assert_int_eq(link(path_a, path_b), 0);
	s.accel = SETTINGS_ACCEL_NONE;
	ck_assert_int_eq(settings_add_disk(&s, "t", path_a, &c), 0);
	s.disks[s.nr_disks - 1].read_only = true;
	ck_assert_int_eq(settings_add_disk(&s, "t", path_b, &c), 0);
	ck_assert_int_eq(images_open(&s, &im, &c), -EINVAL);
	ck_assert_msg(strstr(c.text, "are the same") != NULL, "%s", c.text);
	s.disks[1].read_only = true;
	/* Goes on to what a test's directory does not hold. */
	ck_assert_int_eq(images_open(&s, &im, &c), -EINVAL);
	ck_assert_msg(strstr(c.text, "ringfence-vmm") != NULL, "%s", c.text);
	teardown();
}
END_TEST

static unsigned open_fds(void)
{
	unsigned nr = 0;
	int fd;

	for (fd = 0; fd < 256; fd++)
		nr += fcntl(fd, F_GETFD) >= 0;
	return nr;
}

START_TEST(a_failure_leaves_nothing_open_and_no_report)
{
	struct images im;
	unsigned before;

	setup();
	make_file(path_a, 4096);
	ck_assert_int_eq(settings_add_disk(&s, "t", path_a, &c), 0);
	memcpy(s.report, path_b, strlen(path_b) + 1);
	before = open_fds();
	ck_assert_int_eq(images_open(&s, &im, &c), -EINVAL);
	ck_assert_uint_eq(open_fds(), before);
	ck_assert_int_lt(access(path_b, F_OK), 0);
	(void)snprintf(s.kernel, sizeof(s.kernel), "%s", dir);
	ck_assert_int_eq(images_open(&s, &im, &c), -EINVAL);
	ck_assert_ptr_nonnull(strstr(c.text, "--kernel"));
	ck_assert_uint_eq(open_fds(), before);
	teardown();
}
END_TEST

START_TEST(an_open_descriptor_is_judged_as_well)
{
	struct disk disk = { .path = "scratch" };
	int fd;

	disk.fd = memfd_create("test", MFD_CLOEXEC);
	ck_assert_int_eq(images_open_disk(&disk, &fd, &c), -EINVAL);
	ck_assert_int_eq(ftruncate(disk.fd, 1024), 0);
	ck_assert_int_eq(images_open_disk(&disk, &fd, &c), 0);
	ck_assert_int_ne(fd, disk.fd);
	(void)close(fd);
	(void)close(disk.fd);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		a_file_of_a_sector_is_a_disk,
		what_is_no_disk_is_named,
		a_disk_is_one_launchers_or_only_read,
		a_disk_named_twice_is_refused_unless_only_read,
		a_failure_leaves_nothing_open_and_no_report,
		an_open_descriptor_is_judged_as_well,
	};

	return unit_run("images", tests, RF_ARRAY_LEN(tests));
}
