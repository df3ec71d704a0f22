/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * test_fence_vmm.c - policies vmm, vcpu and launcher: what passes, and death for all else
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

START_TEST(main_thread_passes_or_dies_by_its_policy)
{
	rig_try(&rf_policy_vmm, IN_VMM, &acts[_i]);
}
END_TEST

START_TEST(vcpu_thread_passes_or_takes_its_process_along)
{
	rig_try(&rf_policy_vcpu, IN_VCPU, &acts[_i]);
}
END_TEST

START_TEST(launcher_passes_or_dies_by_its_policy)
{
	rig_try(&rf_policy_launcher, IN_LAUNCHER, &acts[_i]);
}
END_TEST

int main(void)
{
	static const int nr_acts = (int)RF_ARRAY_LEN(acts);
	const struct rig_test tests[] = {
		{ main_thread_passes_or_dies_by_its_policy, nr_acts },
		{ vcpu_thread_passes_or_takes_its_process_along, nr_acts },
		{ launcher_passes_or_dies_by_its_policy, nr_acts },
	};

	return rig_main("fence_vmm", rig_why_not(), tests, RF_ARRAY_LEN(tests),
			60);
}
