/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * test_launcher_options.c - twin of src/launcher/options.c and settings.c
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "launcher/options.h"
#include "unit/unit.h"

static struct settings s;
static struct complaint c;
static enum options_run what;

#define ARGS_MAX 48

/* Words of `line` at its blanks, as a shell would pass them. */
static int parse(const char *line)
{
	static char copy[2048];
	char *argv[ARGS_MAX + 1];
	char *word;
	int argc = 0;

	(void)snprintf(copy, sizeof(copy), "%s", line);
	for (word = strtok(copy, " "); word && argc < ARGS_MAX;
	     word = strtok(NULL, " "))
		argv[argc++] = word;
	argv[argc] = NULL;
	c.text[0] = '\0';
	return options_run(argc, argv, &s, &what, &c);
}

static void refused(const char *line, const char *says)
{
	ck_assert_msg(parse(line) == -EINVAL, "taken: %s", line);
	ck_assert_msg(strstr(c.text, says) != NULL, "%s\nlacks: %s", c.text,
		      says);
}

START_TEST(all_flags_together_are_taken)
{
	ck_assert_msg(parse("--disk a.img --disk=b.img,ro --kernel k.elf "
			    "--memory 1G --cpus 4 --append x=1 --accel kvm "
			    "--doorbell ioeventfd --on-device-death keep "
			    "--registers page "
			    "--initrd i.gz --console --who --report r.json") ==
			      0,
		      "%s", c.text);
	ck_assert_int_eq(what, OPTIONS_RUN);
	ck_assert_uint_eq(s.nr_disks, 2);
	ck_assert_str_eq(s.disks[0].path, "a.img");
	ck_assert(!s.disks[0].read_only);
	ck_assert_int_eq(s.disks[0].fd, -1);
	ck_assert_str_eq(s.disks[1].path, "b.img");
	ck_assert(s.disks[1].read_only);
	ck_assert_int_eq(s.disks[1].fd, -1);
	ck_assert_str_eq(s.kernel, "k.elf");
	ck_assert_str_eq(s.initrd, "i.gz");
	ck_assert(s.console);
	ck_assert_uint_eq(s.memory_bytes, 1u << 30);
	ck_assert_uint_eq(s.cpus, 4);
	ck_assert_str_eq(s.append, "x=1");
	ck_assert_int_eq(s.accel, SETTINGS_ACCEL_KVM);
	ck_assert_int_eq(s.doorbell, RF_DOORBELL_IOEVENTFD);
	ck_assert_int_eq(s.registers, SETTINGS_REGISTERS_PAGE);
	ck_assert(s.keep_on_device_death);
	ck_assert(s.who);
	ck_assert_str_eq(s.report, "r.json");
}
END_TEST

START_TEST(one_disk_is_enough)
{
	ck_assert_int_eq(parse("--disk a"), 0);
	ck_assert_str_eq(s.kernel, SETTINGS_BUILTIN);
	ck_assert_uint_eq(s.memory_bytes, 128u << 20);
	ck_assert_uint_eq(s.cpus, 1);
	ck_assert_int_eq(s.accel, SETTINGS_ACCEL_AUTO);
	ck_assert_int_eq(s.doorbell, SETTINGS_DOORBELL_AUTO);
	ck_assert(!s.keep_on_device_death);
	ck_assert_str_eq(s.initrd, "");
	ck_assert(!s.console);
}
END_TEST

START_TEST(a_kernel_needs_no_disk)
{
	ck_assert_int_eq(parse("--kernel k --initrd i"), 0);
	ck_assert_uint_eq(s.nr_disks, 0);
}
END_TEST

START_TEST(no_disk_is_refused)
{
	refused("", "no disk");
	refused("--cpus 2", "no disk");
}
END_TEST

START_TEST(a_misspelt_option_is_named_with_its_neighbour)
{
	refused("--dsik a", "unknown option --dsik; did you mean --disk?");
	refused("--disks a", "did you mean --disk?");
	refused("--dis=a", "unknown option --dis; did you mean --disk?");
	refused("--frobnicate", "unknown option --frobnicate; --help");
	refused("-d a", "unknown option -d");
	refused("--", "unknown option --");
	refused("disk.img", "\"disk.img\" is no option");
}
END_TEST

START_TEST(a_missing_or_needless_value_is_named)
{
	refused("--disk", "--disk needs a value");
	refused("--disk a --memory", "--memory needs a value");
	refused("--disk a --who=yes", "--who takes no value");
	refused("--disk=", "--disk: is empty");
	refused("--disk a --kernel=", "--kernel: is empty");
}
END_TEST

START_TEST(bad_values_are_named)
{
	refused("--disk a --cpus 0", "--cpus: \"0\"");
	refused("--disk a --cpus 33", "--cpus: \"33\"");
	refused("--disk a --cpus 1x", "--cpus: \"1x\"");
	refused("--disk a --cpus -1", "--cpus: \"-1\"");
	refused("--disk a --memory 1", "--memory: 1 is not within");
	refused("--disk a --memory 99999999999999999999", "is not a size");
	refused("--disk a --memory 17179869184G", "is not a size");
	refused("--disk a --accel KVM", "--accel: \"KVM\"");
	refused("--disk a --doorbell bell", "--doorbell: \"bell\"");
	refused("--disk a --registers pages", "--registers: \"pages\"");
	refused("--disk a --accel none --registers page", "needs KVM");
	refused("--disk a --on-device-death x", "--on-device-death: \"x\"");
	refused("--disk a,raw", "\"raw\" is none of ro");
	refused("--disk a,", "\"\" is none of ro");
	refused("--disk a,ro,", "\"\" is none of ro");
	refused("--disk a,ro=1", "ro takes no value");
	refused("--disk a,io", "io takes a value");
	refused("--disk a,b,ro", "a path with a comma");
	refused("--disk ,ro", "--disk: is empty");
}
END_TEST

START_TEST(words_behind_a_path_are_of_that_disk_alone)
{
	ck_assert_int_eq(parse("--disk a,ro,io=sync,direct,map-mib=7,queues=4,"
			       "poll-us=0,iops=100,iops-burst=10,bandwidth=2M,"
			       "bandwidth-burst=64K,serial=x --disk b,rw"),
			 0);
	ck_assert_str_eq(s.disks[0].path, "a");
	ck_assert(s.disks[0].read_only && s.disks[0].direct);
	ck_assert_int_eq(s.disks[0].io, DISK_IO_SYNC);
	ck_assert_uint_eq(s.disks[0].queues, 4);
	ck_assert_int_eq(s.disks[0].map_mib, 7);
	ck_assert_int_eq(s.disks[0].poll_us, 0);
	ck_assert_uint_eq(s.disks[0].limits.ops_per_s, 100);
	ck_assert_uint_eq(s.disks[0].limits.ops_burst, 10);
	ck_assert_uint_eq(s.disks[0].limits.bytes_per_s, 2u << 20);
	ck_assert_uint_eq(s.disks[0].limits.bytes_burst, 64u << 10);
	ck_assert_str_eq(s.disks[0].serial, "x");
	ck_assert_str_eq(s.disks[1].path, "b");
	ck_assert(!s.disks[1].read_only && !s.disks[1].direct);
	ck_assert_int_eq(s.disks[1].map_mib, DISK_MAP_DEFAULT);
	ck_assert_int_eq(s.disks[1].poll_us, DISK_POLL_AUTO);
	ck_assert_uint_eq(s.disks[1].limits.ops_per_s, 0);
	ck_assert_str_eq(s.disks[1].serial, "");
}
END_TEST

START_TEST(a_seventeenth_disk_is_refused)
{
	static const char word[] = "--disk a ";
	char line[17 * (sizeof(word) - 1) + 1];
	size_t i;

	for (i = 0; i < sizeof(line) - 1; i++)
		line[i] = word[i % (sizeof(word) - 1)];
	line[i] = '\0';
	refused(line, "--disk: more than 16 disks");
	line[16 * (sizeof(word) - 1)] = '\0';
	ck_assert_int_eq(parse(line), 0);
	ck_assert_uint_eq(s.nr_disks, 16);
}
END_TEST

START_TEST(what_cannot_go_together_is_refused)
{
	refused("--disk a --accel none --doorbell ioeventfd",
		"doorbell ioeventfd needs KVM");
	refused("--disk a --initrd i", "the built-in guest takes no initramfs");
	refused("--disk a --accel none --kernel k",
		"accel none runs no kernel");
	ck_assert_int_eq(parse("--disk a --accel none --doorbell exit"), 0);
}
END_TEST

START_TEST(help_wins_over_what_is_missing)
{
	ck_assert_int_eq(parse("--help"), 0);
	ck_assert_int_eq(what, OPTIONS_RUN_HELP);
	ck_assert_int_eq(parse("--help-config"), 0);
	ck_assert_int_eq(what, OPTIONS_RUN_HELP_CONFIG);
	refused("--help --nonsense", "unknown option");
}
END_TEST

START_TEST(flags_win_over_the_file)
{
	char path[] = "/tmp/test_options.XXXXXX";
	static const char text[] =
		"{\"cpus\": 3, \"memory\": \"64M\","
		" \"disks\": [{\"path\": \"x\", \"serial\": \"s\"},"
		"            {\"path\": \"y\", \"read_only\": true}]}";
	char line[256];
	int fd = mkstemp(path);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, strlen(text)), (int)strlen(text));
	ck_assert_int_eq(close(fd), 0);
	(void)snprintf(line, sizeof(line), "--cpus 2 --config %s", path);
	ck_assert_msg(parse(line) == 0, "%s", c.text);
	ck_assert_uint_eq(s.cpus, 2);
	ck_assert_uint_eq(s.memory_bytes, 64u << 20);
	ck_assert_uint_eq(s.nr_disks, 2);
	ck_assert_int_eq(s.disks[0].fd, -1);
	/* One --disk replaces the file's, and nothing of them shines through. */
	(void)snprintf(line, sizeof(line), "--disk z --config %s", path);
	ck_assert_int_eq(parse(line), 0);
	ck_assert_uint_eq(s.nr_disks, 1);
	ck_assert_str_eq(s.disks[0].path, "z");
	ck_assert_str_eq(s.disks[0].serial, "");
	(void)snprintf(line, sizeof(line), "--config %s --config %s", path,
		       path);
	refused(line, "--config is there twice");
	ck_assert_int_eq(unlink(path), 0);
	refused("--config /nonexistent", "/nonexistent: No such file");
}
END_TEST

START_TEST(limits_without_a_cgroup_are_refused)
{
	settings_defaults(&s);
	s.nr_disks = 1;
	ck_assert_int_eq(settings_check(&s, &c), 0);
	memcpy(s.jailer.limits[SETTINGS_LIMIT_PIDS_MAX].value, "5", 2);
	ck_assert_int_eq(settings_check(&s, &c), -EINVAL);
	ck_assert_ptr_nonnull(strstr(c.text, "jailer.cgroup.pids_max"));
}
END_TEST

START_TEST(ids_for_a_device_that_is_not_there_are_refused)
{
	settings_defaults(&s);
	s.nr_disks = 1;
	s.jailer.devices[0].given = true;
	ck_assert_int_eq(settings_check(&s, &c), 0);
	s.jailer.devices[1].given = true;
	ck_assert_int_eq(settings_check(&s, &c), -EINVAL);
	ck_assert_ptr_nonnull(strstr(c.text, "jailer.ids.devices[1]"));
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		all_flags_together_are_taken,
		one_disk_is_enough,
		a_kernel_needs_no_disk,
		no_disk_is_refused,
		a_misspelt_option_is_named_with_its_neighbour,
		a_missing_or_needless_value_is_named,
		bad_values_are_named,
		words_behind_a_path_are_of_that_disk_alone,
		a_seventeenth_disk_is_refused,
		what_cannot_go_together_is_refused,
		help_wins_over_what_is_missing,
		flags_win_over_the_file,
		limits_without_a_cgroup_are_refused,
		ids_for_a_device_that_is_not_there_are_refused,
	};

	return unit_run("launcher_options", tests, RF_ARRAY_LEN(tests));
}
