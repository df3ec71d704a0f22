/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * test_launcher_boot.c - the real `ringfence run` with boot files that are
 *                        none, too large or too long, and without KVM
 *
 * Each is refused with status 1 and a sentence that names it, and leaves
 * nothing: no process, no mount, no cgroup, no file.
 *
 * Side:    test.
 * Owns:    one mount namespace for each test that hides /dev/kvm.
 * Callers: ctest.
 * Never:   needs a guest that runs: none of them gets that far.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "process/launcher_rig.h"
#include "unit/linux_kernel.h"
#include "unit/pvh_kernel.h"
#include "unit/unit.h"

static struct rig rig;
static uint8_t image[LINUX_KERNEL_BYTES];
static const uint8_t code[] = { 0xf4 };

static_assert(sizeof(image) == PVH_KERNEL_BYTES, "either fits");

static void put(const char *name, const void *bytes, size_t len)
{
	int fd = open(rig_path(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC,
		      0644);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, bytes, len), (ssize_t)len);
	(void)close(fd);
}

/* As the subreaper we would inherit whatever it left running. */
static void expect_no_process(void)
{
	ck_assert_int_eq(waitpid(-1, NULL, WNOHANG | __WALL), -1);
	ck_assert_int_eq(errno, ECHILD);
}

static void expect_refused_by(struct rig *by, const char *line,
			      const char *says)
{
	const size_t mounts = rig_mounts();
	int status = rig_run(by, line);

	ck_assert_msg(status == 1, "%s: status %d:\n%s", line, status,
		      by->text);
	ck_assert_msg(rig_says(by, says), "%s: lacks \"%s\":\n%s", line, says,
		      by->text);
	expect_no_process();
	ck_assert_uint_eq(rig_mounts(), mounts);
}

static void expect_refused(const char *line, const char *says)
{
	expect_refused_by(&rig, line, says);
}

/* Then rig_teardown() finds anything else that was left. */
static void take_away(const char *name)
{
	ck_assert_int_eq(remove(rig_path(name)), 0);
}

static void make_other_machine(void)
{
	pvh_kernel_make64(image, code, sizeof(code));
	((Elf64_Ehdr *)(void *)image)->e_machine = EM_AARCH64;
}

/* A 32-bit program, linked where such programs are. */
static void make_program(void)
{
	Elf32_Ehdr *header = (Elf32_Ehdr *)(void *)image;
	Elf32_Phdr *segment = (Elf32_Phdr *)(void *)(image + PVH_KERNEL_PHOFF);

	pvh_kernel_make32(image, code, sizeof(code));
	header->e_phnum = 1;
	header->e_entry = 0x8048000;
	segment->p_vaddr = 0x8048000;
	segment->p_paddr = 0x8048000;
}

static void expect_kernel_refused(const void *bytes, size_t len,
				  const char *says)
{
	put("kernel", bytes, len);
	expect_refused("run --kernel DIR/kernel --disk DISK", says);
	take_away("kernel");
}

START_TEST(a_file_that_is_no_kernel_is_refused)
{
	static const char text[] = "#!/bin/sh\nexec vmlinux\n";
	static const uint8_t zeroes[8192];

	rig_setup();
	expect_kernel_refused(text, sizeof(text) - 1,
			      "kernel: it is neither an ELF file");
	expect_kernel_refused(zeroes, sizeof(zeroes), "nor a bzImage");
	expect_kernel_refused(text, 0, "kernel: the file is empty");
	make_other_machine();
	expect_kernel_refused(image, sizeof(image), "it is not for x86");
	make_program();
	expect_kernel_refused(image, sizeof(image), "no PVH entry note");
	rig_teardown();
}
END_TEST

START_TEST(half_a_kernel_is_refused)
{
	rig_setup();
	linux_kernel_make(image, code, sizeof(code));
	expect_kernel_refused(image, sizeof(image) / 2, "copied whole?");
	expect_kernel_refused(image, LINUX_KERNEL_HEADER + 30, "kernel: ");
	pvh_kernel_make64(image, code, sizeof(code));
	expect_kernel_refused(image, PVH_KERNEL_CODE,
			      "beyond the end of the file");
	expect_kernel_refused(image, 40, "beyond the end of the file");
	rig_teardown();
}
END_TEST

START_TEST(what_is_no_file_is_refused)
{
	rig_setup();
	expect_refused("run --kernel DIR/none", "none: No such file");
	expect_refused("run --kernel DIR/", "is not a regular file");
	expect_refused("run --kernel /dev/null", "is not a regular file");
	ck_assert_int_eq(mkfifo(rig_path("kernel"), 0600), 0);
	expect_refused("run --kernel DIR/kernel", "is not a regular file");
	take_away("kernel");
	rig_teardown();
}
END_TEST

START_TEST(a_kernel_larger_than_memory_is_refused)
{
	rig_setup();
	linux_kernel_make(image, code, sizeof(code));
	linux_kernel_header(image)->init_size = 64 << 20;
	put("kernel", image, sizeof(image));
	expect_refused("run --kernel DIR/kernel --memory 32M",
		       "does not fit the guest's memory: give it more");
	take_away("kernel");
	rig_teardown();
}
END_TEST

START_TEST(an_initramfs_that_cannot_be_is_refused)
{
	rig_setup();
	linux_kernel_make(image, code, sizeof(code));
	put("kernel", image, sizeof(image));
	put("initrd", "", 0);
#define WITH "run --kernel DIR/kernel --memory 16M --initrd "
	expect_refused(WITH "DIR/initrd", "initramfs: it is empty");
	ck_assert_int_eq(truncate(rig_path("initrd"), (off_t)1 << 40), 0);
	expect_refused(WITH "DIR/initrd", "it has 1099511627776 bytes, and");
	ck_assert(rig_says(&rig, "give the guest more memory"));
	ck_assert_int_eq(truncate(rig_path("initrd"), 16 << 20), 0);
	expect_refused(WITH "DIR/initrd", "it has 16777216 bytes, and");
	expect_refused(WITH "DIR/none", "--initrd");
	expect_refused(WITH "DIR/", "is not a regular file");
#undef WITH
	take_away("initrd");
	take_away("kernel");
	rig_teardown();
}
END_TEST

/* Kernels' own limit, ours, and what just fits one argument. */
START_TEST(a_command_line_too_long_is_refused)
{
	static const size_t lengths[] = { 256, 4096, 20000, 131071 };
	static char config[140000];
	char says[96];
	size_t i;
	int len;

	rig_setup();
	linux_kernel_make(image, code, sizeof(code));
	put("kernel", image, sizeof(image));
	for (i = 0; i < RF_ARRAY_LEN(lengths); i++) {
		len = snprintf(config, sizeof(config),
			       "{\"kernel\": \"%s\", \"append\": \"%0*d\"}",
			       rig_path("kernel"), (int)lengths[i], 0);
		ck_assert_int_lt(len, sizeof(config));
		rig_write("vm.json", config);
		(void)snprintf(says, sizeof(says),
			       "line is %zu bytes long; this kernel takes at "
			       "most %d: say less with --append",
			       lengths[i], lengths[i] < 4096 ? 255 : 4095);
		expect_refused("run --config DIR/vm.json", says);
	}
	take_away("kernel");
	rig_teardown();
}
END_TEST

/* A cgroup for it is made before anybody has seen the file. */
START_TEST(a_refused_kernel_leaves_no_cgroup)
{
	char path[96];
	char config[256];

	(void)snprintf(path, sizeof(path),
		       "/sys/fs/cgroup/unified/test-boot-%d", getpid());
	if (mkdir(path, 0755) < 0) {
		printf("skipped: launcher boot: no cgroup can be made\n");
		return;
	}
	rig_setup();
	(void)snprintf(config, sizeof(config),
		       "{\"kernel\": \"%s\", \"jailer\": {\"cgroup\": "
		       "{\"path\": \"%s\"}}}",
		       rig_path("kernel"), path);
	rig_write("vm.json", config);
	put("kernel", "text", 4);
	expect_refused("run --config DIR/vm.json", "kernel: it is neither");
	/* Fails if anything is in it. */
	ck_assert_int_eq(rmdir(path), 0);
	take_away("kernel");
	rig_teardown();
}
END_TEST

/* An empty /dev but for null, for this test and what it starts. */
static void hide_dev(void)
{
	char null[64];
	int fd;

	ck_assert_int_eq(unshare(CLONE_NEWNS), 0);
	ck_assert_int_eq(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	/* Not before: one of the old namespace's cannot be bound here. */
	fd = open("/dev/null", O_PATH | O_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(mount("none", "/dev", "tmpfs", 0, "mode=0755"), 0);
	(void)close(open("/dev/null", O_WRONLY | O_CREAT | O_CLOEXEC, 0666));
	(void)snprintf(null, sizeof(null), "/proc/self/fd/%d", fd);
	ck_assert_int_eq(mount(null, "/dev/null", NULL, MS_BIND, NULL), 0);
	(void)close(fd);
}

static void put_kernel(void)
{
	linux_kernel_make(image, code, sizeof(code));
	put("kernel", image, sizeof(image));
}

START_TEST(without_kvm_no_kernel_runs)
{
	rig_setup();
	put_kernel();
	hide_dev();
	expect_refused("run --kernel DIR/kernel",
		       "/dev/kvm: No such file or directory; load kvm_intel "
		       "or kvm_amd; without it no kernel runs");
	expect_refused("run --disk DISK --accel kvm", "or say --accel none");
	/* The built-in guest can be played. */
	ck_assert_msg(rig_run(&rig, "run --disk DISK") == 0, "%s", rig.text);
	ck_assert_msg(rig_says(&rig, "no KVM here (/dev/kvm: No such file"),
		      "%s", rig.text);
	take_away("kernel");
	rig_teardown();
}
END_TEST

START_TEST(a_kvm_that_is_none_is_told)
{
	rig_setup();
	put_kernel();
	hide_dev();
	(void)close(open("/dev/kvm", O_WRONLY | O_CREAT | O_CLOEXEC, 0666));
	expect_refused("run --kernel DIR/kernel", "/dev/kvm: it is not KVM");
	take_away("kernel");
	rig_teardown();
}
END_TEST

START_TEST(a_kvm_that_lets_nobody_in_is_told)
{
	static struct rig plain = { .plain = true };

	rig_setup();
	put_kernel();
	ck_assert_int_eq(chmod(rig_path(""), 0755), 0);
	hide_dev();
	(void)close(open("/dev/kvm", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	if (rig_run(&plain, "--version") == RIG_NO_WAY)
		printf("skipped: launcher boot: a plain account cannot reach "
		       "%s\n",
		       RF_TEST_BIN_DIR);
	else
		expect_refused_by(&plain, "run --kernel DIR/kernel",
				  "/dev/kvm: Permission denied; join the group "
				  "that owns it, mostly `kvm`; without it no "
				  "kernel runs");
	take_away("kernel");
	rig_teardown();
}
END_TEST

int main(void)
{
	const TTest *const with_kvm[] = {
		a_file_that_is_no_kernel_is_refused,
		half_a_kernel_is_refused,
		what_is_no_file_is_refused,
		a_kernel_larger_than_memory_is_refused,
		an_initramfs_that_cannot_be_is_refused,
		a_command_line_too_long_is_refused,
		a_refused_kernel_leaves_no_cgroup,
	};
	const TTest *const without_kvm[] = {
		without_kvm_no_kernel_runs,
		a_kvm_that_is_none_is_told,
		a_kvm_that_lets_nobody_in_is_told,
	};
	const char *why = rig_why_not();
	int status = EXIT_SUCCESS;

	if (why)
		return unit_skip("launcher boot", why);
	if (rig_has_kvm())
		status = unit_run("launcher boot", with_kvm,
				  RF_ARRAY_LEN(with_kvm));
	else
		printf("skipped: launcher boot: what the vCPU process refuses: "
		       "no access to /dev/kvm\n");
	if (status)
		return status;
	if (geteuid() != 0)
		return unit_skip("launcher boot", "only root can hide "
						  "/dev/kvm");
	if (unit_is_chrooted())
		return unit_skip("launcher boot", "/dev/kvm cannot be hidden: "
						  "we are inside a chroot");
	return unit_run("launcher without KVM", without_kvm,
			RF_ARRAY_LEN(without_kvm));
}
