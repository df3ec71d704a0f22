/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * test_vmm_options.c - the command line of ringfence-vmm
 */
#include <errno.h>
#include <string.h>

#include "unit/unit.h"
#include "vmm/options.h"

#define WORDS_MAX 24

struct line {
	const char *words[WORDS_MAX];
};

static int parse(const struct line *l, struct options *o, char *why)
{
	int argc = 0;

	while (l->words[argc])
		argc++;
	why[0] = '\0';
	return options_parse(argc, (char *const *)(uintptr_t)l->words, o, why);
}

#define REQUIRED                                                          \
	"ringfence-vmm", "--memory", "2097152", "--cpus", "1", "--accel", \
		"kvm", "--doorbell", "auto", "--devices", "16"

START_TEST(what_the_launcher_writes_is_understood)
{
	const struct line l = { { REQUIRED, "--root", "/srv", "--initrd", "yes",
				  "--input", "terminal", "--cmdline",
				  "--cpus is not an option here" } };
	char why[OPTIONS_WHY_BYTES];
	struct options o;

	ck_assert_int_eq(parse(&l, &o, why), 0);
	ck_assert_uint_eq(o.memory_bytes, 2097152);
	ck_assert_uint_eq(o.nr_cpus, 1);
	ck_assert_uint_eq(o.nr_devices, 16);
	ck_assert(o.kvm && o.any_doorbell && !o.help && !o.version);
	ck_assert_str_eq(o.root, "/srv");
	ck_assert(o.initrd);
	ck_assert_int_eq(o.input, INPUT_TERMINAL);
	ck_assert_str_eq(o.cmdline, "--cpus is not an option here");
}
END_TEST

START_TEST(registers_are_read_by_page_by_exits_or_as_is_best)
{
	static const char *const words[] = { "auto", "page", "exit" };
	struct line l = { { REQUIRED, "--registers", "auto" } };
	struct line none = { { "ringfence-vmm", "--memory", "2097152", "--cpus",
			       "1", "--accel", "none", "--doorbell", "auto",
			       "--devices", "1", "--registers", "exit" } };
	char why[OPTIONS_WHY_BYTES];
	struct options o;
	int i;

	for (i = 0; i < 3; i++) {
		l.words[12] = words[i];
		ck_assert_int_eq(parse(&l, &o, why), 0);
		ck_assert_int_eq(o.registers, i);
	}
	ck_assert_int_eq(parse(&none, &o, why), 0);
	ck_assert_int_eq(o.registers, OPTIONS_REGISTERS_EXIT);
	none.words[12] = "auto";
	ck_assert_int_eq(parse(&none, &o, why), 0);
	l.words[11] = NULL;
	ck_assert_int_eq(parse(&l, &o, why), 0);
	ck_assert_int_eq(o.registers, OPTIONS_REGISTERS_AUTO);
}
END_TEST

START_TEST(without_kvm_there_is_one_doorbell)
{
	struct line l = { { "ringfence-vmm", "--memory", "2097152", "--cpus",
			    "32", "--accel", "none", "--doorbell", "exit",
			    "--devices", "0" } };
	char why[OPTIONS_WHY_BYTES];
	struct options o;

	ck_assert_int_eq(parse(&l, &o, why), 0);
	ck_assert(!o.kvm && !o.any_doorbell);
	ck_assert_int_eq(o.doorbell, RF_DOORBELL_EXIT);
	ck_assert_str_eq(o.cmdline, "");
	ck_assert_ptr_null(o.root);
	ck_assert(!o.initrd);
	ck_assert_int_eq(o.input, INPUT_NONE);
	l.words[8] = "ioeventfd";
	ck_assert_int_eq(parse(&l, &o, why), -EINVAL);
	ck_assert_ptr_nonnull(strstr(why, "--accel none"));
}
END_TEST

static const struct {
	struct line line;
	const char *says;
} bad[] = {
	{ { { "ringfence-vmm" } }, "--memory is missing" },
	{ { { REQUIRED, "--frob", "1" } }, "unknown option \"--frob\"" },
	{ { { REQUIRED, "--cpus", "1" } }, "--cpus was given twice" },
	{ { { REQUIRED, "--root" } }, "--root needs a value" },
	{ { { REQUIRED, "--root", "relative" } }, "--root: \"relative\"" },
	{ { { "x", "--memory", "2097151" } }, "--memory: \"2097151\"" },
	{ { { "x", "--memory", "2097153" } }, "--memory: \"2097153\"" },
	{ { { "x", "--memory", "128M" } }, "--memory: \"128M\"" },
	{ { { "x", "--memory", "-2097152" } }, "--memory" },
	{ { { "x", "--memory", "18446744073709551616" } }, "--memory" },
	{ { { "x", "--cpus", "0" } }, "--cpus: \"0\"" },
	{ { { "x", "--cpus", "33" } }, "--cpus: \"33\"" },
	{ { { "x", "--cpus", "" } }, "--cpus: \"\"" },
	{ { { "x", "--devices", "17" } }, "--devices: \"17\"" },
	{ { { "x", "--accel", "tcg" } }, "--accel: \"tcg\"" },
	{ { { "x", "--doorbell", "bell" } }, "--doorbell: \"bell\"" },
	{ { { "x", "--doorbell", "" } }, "--doorbell: \"\"" },
	{ { { "x", "--initrd", "1" } }, "--initrd: \"1\" is not yes or no" },
	{ { { "x", "--input", "tty" } }, "--input: \"tty\"" },
	{ { { "x", "--registers", "pages" } },
	  "--registers: \"pages\" is not auto, page or exit" },
	{ { { "x", "--registers", "" } }, "--registers: \"\"" },
	{ { { "x", "--memory", "2097152", "--cpus", "1", "--accel", "none",
	      "--doorbell", "auto", "--devices", "1", "--registers", "page" } },
	  "--accel none knows only --registers exit or auto" },
	{ { { "x", "--memory", "2097152", "--cpus", "1", "--accel", "none",
	      "--doorbell", "auto", "--devices", "1", "--initrd", "yes" } },
	  "--accel none knows no --initrd" },
};

START_TEST(what_is_not_understood_is_named)
{
	char why[OPTIONS_WHY_BYTES];
	struct options o = { .nr_cpus = 77 };

	ck_assert_int_eq(parse(&bad[_i].line, &o, why), -EINVAL);
	ck_assert_msg(strstr(why, bad[_i].says) != NULL, "\"%s\" says \"%s\"",
		      bad[_i].says, why);
	ck_assert_uint_eq(o.nr_cpus, 77);
}
END_TEST

START_TEST(help_needs_nothing_else)
{
	const struct line help = { { "ringfence-vmm", "--help" } };
	const struct line version = { { REQUIRED, "--version" } };
	char why[OPTIONS_WHY_BYTES];
	struct options o;

	ck_assert_int_eq(parse(&help, &o, why), 0);
	ck_assert(o.help && !o.version);
	ck_assert_int_eq(parse(&version, &o, why), 0);
	ck_assert(o.version && !o.help);
	ck_assert_ptr_nonnull(strstr(options_usage(), "--doorbell"));
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		what_the_launcher_writes_is_understood,
		registers_are_read_by_page_by_exits_or_as_is_best,
		without_kvm_there_is_one_doorbell,
		help_needs_nothing_else,
	};
	Suite *suite = suite_create("vmm_options_refusals");
	TCase *tcase = tcase_create("refusals");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(tcase, what_is_not_understood_is_named, 0,
			    RF_ARRAY_LEN(bad));
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	if (unit_run("vmm_options", tests, RF_ARRAY_LEN(tests)) != EXIT_SUCCESS)
		failed++;
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
