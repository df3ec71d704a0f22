/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * test_fence_blk.c - policies blk and blk.sealed: what passes, and death for all else
 *
 * Each act of fence_act.h is done by a process of its own behind the real
 * fence. A forbidden one must end in SIGSYS, and the launcher's half must name
 * the call; an allowed one must leave the process alive.
 *
 * Side:    test, outside of the fence.
 * Owns:    one child at a time.
 * Callers: ctest; skipped where no fence can be built.
 * Never:   counts a death of another cause as one by the filter.
 */
#include "process/fence_rig.h"
#include "unit/unit.h"

START_TEST(device_before_seal_passes_or_dies_by_its_policy)
{
	rig_try(&rf_policy_blk, IN_BLK, &acts[_i]);
}
END_TEST

START_TEST(sealed_device_passes_or_dies_by_its_policy)
{
	rig_try(&rf_policy_blk_sealed, IN_SEALED, &acts[_i]);
}
END_TEST

START_TEST(sealed_device_of_a_plain_account_is_held_as_well)
{
	if (geteuid() == 0 && !rig_become_nobody())
		return;
	rig_try(&rf_policy_blk_sealed, IN_SEALED, &acts[_i]);
}
END_TEST

int main(void)
{
	static const int nr_acts = (int)RF_ARRAY_LEN(acts);
	const char *why = rig_why_not();
	TCase *tcase = tcase_create("fence");
	Suite *suite = suite_create("fence_blk");
	SRunner *runner;
	int failed;

	if (why)
		return unit_skip("test_fence_blk", why);
	tcase_set_timeout(tcase, 60);
	tcase_add_loop_test(tcase,
			    device_before_seal_passes_or_dies_by_its_policy, 0,
			    nr_acts);
	tcase_add_loop_test(tcase, sealed_device_passes_or_dies_by_its_policy,
			    0, nr_acts);
	tcase_add_loop_test(tcase,
			    sealed_device_of_a_plain_account_is_held_as_well, 0,
			    nr_acts);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
