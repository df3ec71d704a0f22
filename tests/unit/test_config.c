/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * test_config.c - twin of src/launcher/config.c: files that are nearly right
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "launcher/config.h"
#include "unit/unit.h"

static struct settings s;
static struct complaint c;

static int parse(const char *text)
{
	settings_defaults(&s);
	c.text[0] = '\0';
	return config_parse("vm.json", text, strlen(text), &s, &c);
}

/* Refused, and the complaint says all of `where`. */
static void refused(const char *text, const char *where)
{
	ck_assert_msg(parse(text) == -EINVAL, "taken: %s", text);
	ck_assert_msg(strstr(c.text, where) != NULL, "%s\nlacks: %s", c.text,
		      where);
}

START_TEST(the_example_of_the_help_is_taken)
{
	ck_assert_msg(parse(config_example) == 0, "%s", c.text);
	ck_assert_int_eq(settings_check(&s, &c), 0);
	ck_assert_str_eq(s.kernel, "builtin");
	ck_assert_uint_eq(s.memory_bytes, 128u << 20);
	ck_assert_uint_eq(s.cpus, 1);
	ck_assert_str_eq(s.append, "rf.mode=irq");
	ck_assert_uint_eq(s.nr_disks, 2);
	ck_assert_str_eq(s.disks[0].path, "disk.img");
	ck_assert_str_eq(s.disks[0].serial, "disk-0");
	ck_assert(!s.disks[0].read_only);
	ck_assert(s.disks[1].read_only);
	ck_assert_uint_eq(s.jailer.ids_base, SETTINGS_IDS_BASE);
	ck_assert_uint_eq(s.jailer.vmm.uid, 70000);
	ck_assert_uint_eq(s.jailer.devices[0].gid, 70001);
	ck_assert(!s.jailer.devices[1].given);
	ck_assert_str_eq(s.jailer.cgroup, "ringfence");
	ck_assert_str_eq(s.jailer.limits[SETTINGS_LIMIT_MEMORY_MAX].value,
			 "268435456");
	ck_assert_str_eq(s.jailer.limits[SETTINGS_LIMIT_CPU_MAX].value,
			 "50000 100000");
	ck_assert_str_eq(s.jailer.limits[SETTINGS_LIMIT_PIDS_MAX].value, "64");
	ck_assert_uint_eq(s.jailer.nr_rlimits, 2);
	ck_assert_str_eq(s.jailer.root, "/var/empty");
	ck_assert_uint_eq(s.jailer.namespaces, RF_FENCE_NAMESPACES);
}
END_TEST

START_TEST(an_empty_object_changes_nothing)
{
	struct settings plain;

	settings_defaults(&plain);
	ck_assert_int_eq(parse("{}"), 0);
	ck_assert_str_eq(plain.kernel, s.kernel);
	ck_assert_uint_eq(plain.memory_bytes, s.memory_bytes);
	ck_assert_uint_eq(plain.cpus, s.cpus);
	ck_assert_uint_eq(s.nr_disks, 0);
	ck_assert_uint_eq(s.jailer.nr_rlimits, 0);
	ck_assert_uint_eq(plain.jailer.namespaces, s.jailer.namespaces);
}
END_TEST

START_TEST(what_is_no_json_names_line_and_column)
{
	refused("", "vm.json:1:");
	refused("{", "vm.json:1:");
	refused("{\n  \"cpus\": ,\n}", "vm.json:2:");
	refused("{} {}", "vm.json:1:");
	refused("{\"cpus\": 1,}", "vm.json:1:");
	refused("[]", "is an array, must be an object");
	refused("{\"append\": \"a\\u0000b\"}", "vm.json:1:");
	refused("{\"append\": \"\xff\"}", "vm.json:1:");
}
END_TEST

START_TEST(a_doubled_key_is_refused)
{
	refused("{\"cpus\": 1, \"cpus\": 2}", "duplicate");
	refused("{\"jailer\": {\"root\": \"/a\", \"root\": \"/b\"}}",
		"duplicate");
}
END_TEST

START_TEST(an_unknown_key_is_named_with_its_path)
{
	refused("{\"cpu\": 1}", "cpu: unknown key; did you mean \"cpus\"?");
	refused("{\"who\": true}", "who: unknown key");
	refused("{\"disks\": [{\"path\": \"a\"}, {\"pth\": \"b\"}]}",
		"disks[1].pth: unknown key; did you mean \"path\"?");
	refused("{\"jailer\": {\"cgroup\": {\"memory.max\": \"1G\"}}}",
		"jailer.cgroup.memory.max: unknown key");
	refused("{\"jailer\": {\"rlimits\": {\"files\": 3}}}",
		"jailer.rlimits.files: unknown limit");
	refused("{\"jailer\": {\"ids\": {\"vmm\": {\"uid\": 1, \"gid\": 1, "
		"\"x\": 1}}}}",
		"jailer.ids.vmm: holds an unknown key");
}
END_TEST

START_TEST(a_wrong_type_is_named_with_its_path)
{
	refused("{\"cpus\": \"1\"}", "cpus: is a string, must be an integer");
	refused("{\"cpus\": 1.0}", "cpus: is a real number");
	refused("{\"cpus\": true}", "cpus: is true");
	refused("{\"memory\": 128}", "memory: is an integer, must be a string");
	refused("{\"memory\": null}", "memory: is null");
	refused("{\"disks\": {}}", "disks: is an object, must be an array");
	refused("{\"disks\": [\"a\"]}", "disks[0]: is a string");
	refused("{\"disks\": [{\"path\": \"a\", \"read_only\": 1}]}",
		"disks[0].read_only: is an integer, must be true or false");
	refused("{\"jailer\": []}", "jailer: is an array");
	refused("{\"initrd\": 1}", "initrd: is an integer, must be a string");
	refused("{\"initrd\": \"\"}", "initrd: is empty");
	refused("{\"console\": \"yes\"}",
		"console: is a string, must be true or false");
	refused("{\"jailer\": {\"ids\": {\"devices\": [3]}}}",
		"jailer.ids.devices[0]: is an integer, must be an object");
	refused("{\"jailer\": {\"ids\": {\"vmm\": {\"uid\": \"a\", \"gid\": "
		"1}}}}",
		"jailer.ids.vmm.uid: is a string");
	refused("{\"jailer\": {\"rlimits\": {\"nofile\": true}}}",
		"jailer.rlimits.nofile: is true");
	refused("{\"jailer\": {\"namespaces\": [1]}}",
		"jailer.namespaces[0]: is an integer");
}
END_TEST

START_TEST(a_value_beside_its_bounds_is_named)
{
	refused("{\"cpus\": 0}", "cpus: 0 is not within 1 and 32");
	refused("{\"cpus\": 33}", "cpus: 33 is not within 1 and 32");
	refused("{\"cpus\": -1}", "cpus: -1 is not within");
	refused("{\"cpus\": 99999999999999999999}", "vm.json:1:");
	refused("{\"memory\": \"1M\"}", "memory: 1M is not within");
	refused("{\"memory\": \"2000G\"}", "memory: 2000G is not within");
	refused("{\"memory\": \"128MB\"}", "memory: \"128MB\" is not a size");
	refused("{\"memory\": \"-128M\"}", "is not a size");
	refused("{\"memory\": \"3000001\"}", "is not a multiple of 4K");
	refused("{\"memory\": \"\"}", "is not a size");
	refused("{\"accel\": \"tcg\"}", "accel: \"tcg\" is none of");
	refused("{\"doorbell\": \"coalesced3\"}", "doorbell: \"coalesced3\"");
	refused("{\"registers\": \"\"}", "registers: \"\" is none of");
	refused("{\"on_device_death\": \"wait\"}", "on_device_death: \"wait\"");
	refused("{\"kernel\": \"\"}", "kernel: is empty");
	refused("{\"disks\": [{}]}", "disks[0]: has no \"path\"");
	refused("{\"disks\": [{\"path\": \"a\", \"serial\": "
		"\"123456789012345678901\"}]}",
		"disks[0].serial: is 21 bytes long, at most 20 fit");
	refused("{\"jailer\": {\"ids\": {\"base\": 0}}}", "jailer.ids.base: 0");
	refused("{\"jailer\": {\"ids\": {\"base\": 4294967295}}}",
		"jailer.ids.base");
	refused("{\"jailer\": {\"ids\": {\"vmm\": {\"uid\": 0, \"gid\": 5}}}}",
		"jailer.ids.vmm.uid: 0 is not within");
	refused("{\"jailer\": {\"ids\": {\"vmm\": {\"uid\": 4294967295, "
		"\"gid\": 5}}}}",
		"jailer.ids.vmm.uid");
	refused("{\"jailer\": {\"ids\": {\"vmm\": {\"uid\": 5}}}}",
		"jailer.ids.vmm.gid: is missing");
}
END_TEST

START_TEST(jailer_values_are_judged)
{
	refused("{\"jailer\": {\"cgroup\": {\"path\": \"a/../../b\"}}}",
		"jailer.cgroup.path: \"a/../../b\" has a \"..\" in it");
	refused("{\"jailer\": {\"cgroup\": {\"path\": \"..\"}}}", "\"..\"");
	ck_assert_int_eq(parse("{\"jailer\": {\"cgroup\": {\"path\": "
			       "\"a..b/c..\"}}}"),
			 0);
	refused("{\"jailer\": {\"cgroup\": {\"cpu_max\": \"50000\"}}}",
		"jailer.cgroup.cpu_max");
	refused("{\"jailer\": {\"cgroup\": {\"cpu_max\": \"50000 100000 1\"}}}",
		"jailer.cgroup.cpu_max");
	refused("{\"jailer\": {\"cgroup\": {\"cpu_max\": \"mam 100000\"}}}",
		"jailer.cgroup.cpu_max");
	refused("{\"jailer\": {\"cgroup\": {\"cpu_max\": \"5 100000\"}}}",
		"jailer.cgroup.cpu_max");
	ck_assert_int_eq(parse("{\"jailer\": {\"cgroup\": {\"path\": \"x\", "
			       "\"cpu_max\": \"max 100000\"}}}"),
			 0);
	refused("{\"jailer\": {\"cgroup\": {\"pids_max\": 0}}}",
		"jailer.cgroup.pids_max: 0");
	refused("{\"jailer\": {\"cgroup\": {\"memory_max\": \"lots\"}}}",
		"jailer.cgroup.memory_max: \"lots\" is not a size");
	refused("{\"jailer\": {\"root\": \"var/empty\"}}",
		"jailer.root: \"var/empty\" does not begin with /");
	refused("{\"jailer\": {\"rlimits\": {\"nofile\": -1}}}",
		"jailer.rlimits.nofile: -1");
	refused("{\"jailer\": {\"namespaces\": [\"user\", \"mount\", "
		"\"time\"]}}",
		"jailer.namespaces[2]: \"time\" is none of");
	refused("{\"jailer\": {\"namespaces\": [\"user\", \"user\"]}}",
		"jailer.namespaces[1]: \"user\" is there twice");
	refused("{\"jailer\": {\"namespaces\": []}}", "cannot be left out");
	refused("{\"jailer\": {\"namespaces\": [\"user\", \"net\"]}}",
		"\"user\" and \"mount\" cannot be left out");
}
END_TEST

START_TEST(more_disks_than_fit_are_refused)
{
	char text[4096];
	size_t len = 0;
	int i;

	len += (size_t)sprintf(text + len, "{\"disks\": [");
	for (i = 0; i < 16; i++)
		len += (size_t)sprintf(text + len, "%s{\"path\": \"d%d\"}",
				       i ? "," : "", i);
	(void)sprintf(text + len, "]}");
	ck_assert_msg(parse(text) == 0, "%s", c.text);
	ck_assert_uint_eq(s.nr_disks, 16);
	(void)sprintf(text + len, ",{\"path\": \"d16\"}]}");
	refused(text, "disks: has 17 elements, at most 16");
}
END_TEST

START_TEST(a_long_key_does_not_break_the_complaint)
{
	static const char end[] = "\": 1}";
	char text[70000];

	memset(text, 'k', sizeof(text));
	text[0] = '{';
	text[1] = '"';
	(void)snprintf(text + sizeof(text) - sizeof(end), sizeof(end), "%s",
		       end);
	refused(text, "unknown key");
}
END_TEST

START_TEST(every_cut_of_the_example_is_refused)
{
	size_t len = strlen(config_example);
	size_t i;

	/* The last byte is a newline behind the closing brace. */
	for (i = 0; i + 1 < len; i++) {
		settings_defaults(&s);
		ck_assert_int_eq(config_parse("cut", config_example, i, &s, &c),
				 -EINVAL);
	}
}
END_TEST

START_TEST(files_that_are_no_files_are_refused)
{
	settings_defaults(&s);
	ck_assert_int_eq(config_read("/nonexistent/vm.json", &s, &c), -EINVAL);
	ck_assert_ptr_nonnull(strstr(c.text, "No such file"));
	ck_assert_int_eq(config_read("/", &s, &c), -EINVAL);
	ck_assert_ptr_nonnull(strstr(c.text, "not a regular file"));
	ck_assert_int_eq(config_read("/dev/zero", &s, &c), -EINVAL);
	ck_assert_ptr_nonnull(strstr(c.text, "not a regular file"));
}
END_TEST

START_TEST(a_file_that_is_too_large_is_refused)
{
	char path[] = "/tmp/test_config.XXXXXX";
	int fd = mkstemp(path);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ftruncate(fd, CONFIG_BYTES_MAX + 1), 0);
	settings_defaults(&s);
	ck_assert_int_eq(config_read(path, &s, &c), -EINVAL);
	ck_assert_ptr_nonnull(strstr(c.text, "larger than 1 MiB"));
	ck_assert_int_eq(ftruncate(fd, 0), 0);
	ck_assert_int_eq(pwrite(fd, "{\"cpus\": 3}", 11, 0), 11);
	ck_assert_int_eq(config_read(path, &s, &c), 0);
	ck_assert_uint_eq(s.cpus, 3);
	ck_assert_int_eq(close(fd), 0);
	ck_assert_int_eq(unlink(path), 0);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		the_example_of_the_help_is_taken,
		an_empty_object_changes_nothing,
		what_is_no_json_names_line_and_column,
		a_doubled_key_is_refused,
		an_unknown_key_is_named_with_its_path,
		a_wrong_type_is_named_with_its_path,
		a_value_beside_its_bounds_is_named,
		jailer_values_are_judged,
		more_disks_than_fit_are_refused,
		a_long_key_does_not_break_the_complaint,
		every_cut_of_the_example_is_refused,
		files_that_are_no_files_are_refused,
		a_file_that_is_too_large_is_refused,
	};

	return unit_run("config", tests, RF_ARRAY_LEN(tests));
}
