/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * test_settings.c - twin of src/launcher/settings.c: words, bounds, and what
 * only the whole can tell
 */
#include <errno.h>
#include <sched.h>
#include <string.h>

#include "launcher/settings.h"
#include "unit/unit.h"

static struct settings s;
static struct complaint c;

static void setup(void)
{
	settings_defaults(&s);
	c.text[0] = '\0';
}

static void with_disk(void)
{
	setup();
	ck_assert_int_eq(settings_add_disk(&s, "--disk", "a.img", &c), 0);
}

/* A complaint names its place and says what. */
static void complained(int ret, const char *where, const char *what)
{
	ck_assert_int_eq(ret, -EINVAL);
	ck_assert_msg(strncmp(c.text, where, strlen(where)) == 0, "%s", c.text);
	ck_assert_msg(strstr(c.text, what) != NULL, "%s", c.text);
	c.text[0] = '\0';
}

START_TEST(defaults_are_the_whole_fence_and_nothing_open)
{
	uint32_t i;

	memset(&s, 0xff, sizeof(s));
	settings_defaults(&s);
	ck_assert_str_eq(s.kernel, SETTINGS_BUILTIN);
	ck_assert_uint_eq(s.memory_bytes, 128ull << 20);
	ck_assert_uint_eq(s.cpus, 1);
	ck_assert_int_eq(s.accel, SETTINGS_ACCEL_AUTO);
	ck_assert_int_eq(s.doorbell, SETTINGS_DOORBELL_AUTO);
	ck_assert_uint_eq(s.jailer.namespaces, RF_FENCE_NAMESPACES);
	ck_assert(!s.keep_on_device_death && !s.who);
	ck_assert_uint_eq(s.nr_disks, 0);
	ck_assert_uint_eq(s.jailer.nr_rlimits, 0);
	ck_assert_str_eq(s.jailer.root, "");
	for (i = 0; i < SETTINGS_DISKS_MAX; i++)
		ck_assert_int_eq(s.disks[i].fd, -1);
	for (i = 0; i < SETTINGS_NR_LIMITS; i++) {
		ck_assert_ptr_nonnull(s.jailer.limits[i].file);
		ck_assert_ptr_nonnull(s.jailer.limits[i].key);
		ck_assert_str_eq(s.jailer.limits[i].value, "");
	}
}
END_TEST

START_TEST(memory_is_taken_up_to_its_bounds)
{
	static const struct {
		const char *text;
		uint64_t bytes;
	} good[] = {
		{ "2M", SETTINGS_MEMORY_MIN },
		{ "2097152", SETTINGS_MEMORY_MIN },
		{ "2052K", SETTINGS_MEMORY_MIN + 4096 },
		{ "1024G", SETTINGS_MEMORY_MAX },
	};
	size_t i;

	setup();
	for (i = 0; i < RF_ARRAY_LEN(good); i++) {
		ck_assert_msg(
			settings_memory(&s, "--memory", good[i].text, &c) == 0,
			"%s", c.text);
		ck_assert_uint_eq(s.memory_bytes, good[i].bytes);
	}
}
END_TEST

START_TEST(memory_beside_its_bounds_is_refused)
{
	static const struct {
		const char *text;
		const char *why;
	} bad[] = {
		{ "", "is not a size" },
		{ "-2M", "is not a size" },
		{ "2 M", "is not a size" },
		{ "2MM", "is not a size" },
		{ "0x200000", "is not a size" },
		{ "18446744073709551616", "is not a size" },
		{ "17592186044416M", "is not a size" }, /* 2^64 bytes: wraps */
		{ "0", "is not within" },
		{ "2044K", "is not within" },
		{ "1025G", "is not within" },
		{ "1073741828K", "is not within" },
		{ "2097153", "is not a multiple" },
		{ "2049K", "is not a multiple" },
	};
	size_t i;

	setup();
	for (i = 0; i < RF_ARRAY_LEN(bad); i++)
		complained(settings_memory(&s, "--memory", bad[i].text, &c),
			   "--memory: ", bad[i].why);
	ck_assert_uint_eq(s.memory_bytes, 128ull << 20);
}
END_TEST

START_TEST(every_word_is_read_back_as_it_is_said)
{
	static const char *const bells[] = { "auto", "coalesced2", "ioeventfd",
					     "coalesced", "exit" };
	static const char *const accels[] = { "auto", "kvm", "none" };
	static const char *const registers[] = { "auto", "page", "exit" };
	size_t i;

	setup();
	for (i = 0; i < RF_ARRAY_LEN(bells); i++) {
		ck_assert_int_eq(
			settings_doorbell(&s, "--doorbell", bells[i], &c), 0);
		ck_assert_str_eq(settings_doorbell_name(s.doorbell), bells[i]);
	}
	for (i = 0; i < RF_ARRAY_LEN(accels); i++) {
		ck_assert_int_eq(settings_accel(&s, "--accel", accels[i], &c),
				 0);
		ck_assert_str_eq(settings_accel_name(s.accel), accels[i]);
	}
	for (i = 0; i < RF_ARRAY_LEN(registers); i++) {
		ck_assert_int_eq(
			settings_registers(&s, "--registers", registers[i], &c),
			0);
		ck_assert_str_eq(settings_registers_name(s.registers),
				 registers[i]);
	}
	ck_assert_int_eq(
		settings_device_death(&s, "on_device_death", "keep", &c), 0);
	ck_assert(s.keep_on_device_death);
	ck_assert_int_eq(
		settings_device_death(&s, "on_device_death", "end", &c), 0);
	ck_assert(!s.keep_on_device_death);
	ck_assert_str_eq(settings_doorbell_name(RF_DOORBELL_NR_KINDS), "auto");
}
END_TEST

START_TEST(words_that_are_nearly_right_change_nothing)
{
	static const char *const near[] = { "",	    "AUTO",   "auto ",	   "kv",
					    "kvmm", "non",    "keepp",	   "en",
					    "exi",  "exit\n", "coalesced3" };
	size_t i;

	setup();
	s.accel = SETTINGS_ACCEL_KVM;
	s.doorbell = RF_DOORBELL_EXIT;
	s.registers = SETTINGS_REGISTERS_EXIT;
	s.keep_on_device_death = true;
	for (i = 0; i < RF_ARRAY_LEN(near); i++) {
		complained(settings_accel(&s, "accel", near[i], &c),
			   "accel: ", "none of auto, kvm, none");
		complained(settings_doorbell(&s, "doorbell", near[i], &c),
			   "doorbell: ", "none of auto, coalesced2");
		complained(settings_registers(&s, "regs", near[i], &c),
			   "regs: ", "none of auto, page, exit");
		complained(settings_device_death(&s, "death", near[i], &c),
			   "death: ", "none of end, keep");
	}
	ck_assert_int_eq(s.accel, SETTINGS_ACCEL_KVM);
	ck_assert_int_eq(s.doorbell, RF_DOORBELL_EXIT);
	ck_assert_int_eq(s.registers, SETTINGS_REGISTERS_EXIT);
	ck_assert(s.keep_on_device_death);
}
END_TEST

START_TEST(a_text_fits_with_its_end_or_is_refused)
{
	char out[4] = "old";

	setup();
	complained(settings_text(out, sizeof(out), "serial", "", &c),
		   "serial: ", "is empty");
	complained(settings_text(out, sizeof(out), "serial", "1234", &c),
		   "serial: ", "4 bytes long, at most 3 fit");
	ck_assert_str_eq(out, "old");
	ck_assert_int_eq(settings_text(out, sizeof(out), "serial", "123", &c),
			 0);
	ck_assert_str_eq(out, "123");
}
END_TEST

START_TEST(as_many_disks_as_there_are_places)
{
	static char longest[PATH_MAX + 1];
	uint32_t i;

	setup();
	memset(longest, 'x', PATH_MAX);
	complained(settings_add_disk(&s, "--disk", longest, &c),
		   "--disk: ", "at most");
	complained(settings_add_disk(&s, "--disk", "", &c),
		   "--disk: ", "is empty");
	ck_assert_uint_eq(s.nr_disks, 0);
	for (i = 0; i < SETTINGS_DISKS_MAX; i++) {
		s.disks[i].fd = 7;
		s.disks[i].read_only = true;
		ck_assert_int_eq(settings_add_disk(&s, "--disk", "a.img", &c),
				 0);
		ck_assert_int_eq(s.disks[i].fd, -1);
		ck_assert(!s.disks[i].read_only);
	}
	complained(settings_add_disk(&s, "--disk", "a.img", &c),
		   "--disk: ", "more than 16 disks");
	ck_assert_uint_eq(s.nr_disks, SETTINGS_DISKS_MAX);
}
END_TEST

START_TEST(names_of_namespaces_and_limits_are_closed)
{
	static const char *const all[] = { "user", "mount", "pid",   "net",
					   "ipc",  "uts",   "cgroup" };
	uint32_t flags = 0;
	size_t i;

	for (i = 0; i < RF_ARRAY_LEN(all); i++) {
		ck_assert_uint_ne(settings_namespace(all[i]), 0);
		ck_assert_uint_eq(flags & settings_namespace(all[i]), 0);
		flags |= settings_namespace(all[i]);
	}
	ck_assert_uint_eq(flags, RF_FENCE_NAMESPACES);
	ck_assert_uint_eq(settings_namespace("mount"), CLONE_NEWNS);
	ck_assert_uint_eq(settings_namespace("time"), 0);
	ck_assert_uint_eq(settings_namespace("mnt"), 0);
	ck_assert_uint_eq(settings_namespace(""), 0);
	ck_assert_int_eq(settings_rlimit("nofile"), RLIMIT_NOFILE);
	ck_assert_int_eq(settings_rlimit("as"), RLIMIT_AS);
	/* 0 is a limit as well: it must not be the word for "no such". */
	ck_assert_int_eq(settings_rlimit("cpu"), RLIMIT_CPU);
	ck_assert_int_eq(settings_rlimit("nofil"), -1);
	ck_assert_int_eq(settings_rlimit("NOFILE"), -1);
	ck_assert_int_eq(settings_rlimit(""), -1);
}
END_TEST

START_TEST(a_run_without_a_disk_is_refused)
{
	setup();
	complained(settings_check(&s, &c), "no disk", "--disk PATH");
	/* A kernel may do without. */
	memcpy(s.kernel, "vmlinux", 8);
	ck_assert_msg(settings_check(&s, &c) == 0, "%s", c.text);
	setup();
	with_disk();
	ck_assert_msg(settings_check(&s, &c) == 0, "%s", c.text);
}
END_TEST

START_TEST(the_stand_in_takes_no_doorbell_of_kvms_and_no_kernel)
{
	int kind;

	with_disk();
	s.accel = SETTINGS_ACCEL_NONE;
	for (kind = 0; kind < RF_DOORBELL_NR_KINDS; kind++) {
		s.doorbell = kind;
		if (kind == RF_DOORBELL_EXIT)
			ck_assert_int_eq(settings_check(&s, &c), 0);
		else
			complained(settings_check(&s, &c), "doorbell ",
				   "needs KVM");
	}
	s.doorbell = SETTINGS_DOORBELL_AUTO;
	ck_assert_int_eq(settings_check(&s, &c), 0);
	s.registers = SETTINGS_REGISTERS_EXIT;
	ck_assert_int_eq(settings_check(&s, &c), 0);
	s.registers = SETTINGS_REGISTERS_PAGE;
	complained(settings_check(&s, &c), "registers page", "needs KVM");
	s.registers = SETTINGS_REGISTERS_AUTO;
	memcpy(s.kernel, "vmlinux", 8);
	complained(settings_check(&s, &c), "accel none", "--kernel");
	s.accel = SETTINGS_ACCEL_AUTO;
	ck_assert_int_eq(settings_check(&s, &c), 0);
}
END_TEST

START_TEST(an_initramfs_needs_a_kernel)
{
	with_disk();
	memcpy(s.initrd, "initrd", 7);
	complained(settings_check(&s, &c), "the built-in guest", "--kernel");
	memcpy(s.kernel, "vmlinux", 8);
	ck_assert_int_eq(settings_check(&s, &c), 0);
}
END_TEST

START_TEST(ids_of_a_disk_that_is_not_there_are_refused)
{
	with_disk();
	s.jailer.devices[0].given = true;
	ck_assert_int_eq(settings_check(&s, &c), 0);
	s.jailer.devices[1].given = true;
	complained(settings_check(&s, &c),
		   "jailer.ids.devices[1]: ", "there is no disk 1");
	s.jailer.devices[1].given = false;
	s.jailer.devices[SETTINGS_DISKS_MAX - 1].given = true;
	complained(settings_check(&s, &c),
		   "jailer.ids.devices[15]: ", "1 are configured");
}
END_TEST

START_TEST(a_limit_without_a_cgroup_is_refused_by_its_name)
{
	uint32_t i;

	for (i = 0; i < SETTINGS_NR_LIMITS; i++) {
		with_disk();
		memcpy(s.jailer.limits[i].value, "1", 2);
		complained(settings_check(&s, &c), "jailer.cgroup.",
			   s.jailer.limits[i].key);
		memcpy(s.jailer.cgroup, "vms", 4);
		ck_assert_int_eq(settings_check(&s, &c), 0);
	}
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		defaults_are_the_whole_fence_and_nothing_open,
		memory_is_taken_up_to_its_bounds,
		memory_beside_its_bounds_is_refused,
		every_word_is_read_back_as_it_is_said,
		words_that_are_nearly_right_change_nothing,
		a_text_fits_with_its_end_or_is_refused,
		as_many_disks_as_there_are_places,
		names_of_namespaces_and_limits_are_closed,
		a_run_without_a_disk_is_refused,
		the_stand_in_takes_no_doorbell_of_kvms_and_no_kernel,
		an_initramfs_needs_a_kernel,
		ids_of_a_disk_that_is_not_there_are_refused,
		a_limit_without_a_cgroup_is_refused_by_its_name,
	};

	return unit_run("settings", tests, RF_ARRAY_LEN(tests));
}
