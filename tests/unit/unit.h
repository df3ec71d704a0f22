/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * unit.h - run one twin's tests and speak ctest's exit statuses
 *
 *   int main(void)
 *   {
 *           const TTest *const tests[] = { a_is_b, c_is_refused };
 *           return unit_run("ring", tests, RF_ARRAY_LEN(tests));
 *   }
 */
#ifndef TESTS_UNIT_H
#define TESTS_UNIT_H

#include <check.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <ringfence/base.h>

#define UNIT_SKIPPED 77

/* The whole program is skipped: ctest shows the reason with -V, CI collects
 * these lines. */
static inline int unit_skip(const char *name, const char *why)
{
	printf("skipped: %s: %s\n", name, why);
	return UNIT_SKIPPED;
}

/* Is "/" no mount of its own? Then nothing under it can be made private, and
 * nothing pivots. The kernel tells since Linux 5.8.
 */
static inline bool unit_is_chrooted(void)
{
	struct statx st;

	return statx(AT_FDCWD, "/", 0, STATX_INO, &st) == 0 &&
	       st.stx_attributes_mask & STATX_ATTR_MOUNT_ROOT &&
	       !(st.stx_attributes & STATX_ATTR_MOUNT_ROOT);
}

static inline int unit_run(const char *name, const TTest *const *tests,
			   size_t nr)
{
	Suite *suite = suite_create(name);
	TCase *tcase = tcase_create(name);
	SRunner *runner;
	size_t i;
	int failed;

	tcase_set_timeout(tcase, 60);
	for (i = 0; i < nr; i++)
		tcase_add_test(tcase, tests[i]);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

#endif
