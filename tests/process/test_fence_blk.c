/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * test_fence_blk.c - what the block device's policies let pass, and death for all
 * else
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

START_TEST(sealed_device_with_a_ring_passes_or_dies_by_its_policy)
{
	rig_try(&rf_policy_blk_uring, IN_URING, &acts[_i]);
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
	const struct rig_test tests[] = {
		{ device_before_seal_passes_or_dies_by_its_policy, nr_acts },
		{ sealed_device_passes_or_dies_by_its_policy, nr_acts },
		{ sealed_device_with_a_ring_passes_or_dies_by_its_policy,
		  nr_acts },
		{ sealed_device_of_a_plain_account_is_held_as_well, nr_acts },
	};

	return rig_main("fence_blk", rig_why_not(), tests, RF_ARRAY_LEN(tests),
			60);
}
