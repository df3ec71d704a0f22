/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * test_debugport.c - three ports and everything beside them
 */
#include "unit/unit.h"
#include "vmm/debugport.h"

START_TEST(counts_add_up_and_the_end_is_told)
{
	struct rf_report report = { 0 };

	ck_assert_int_eq(debugport_write(&report, 0xf8, 4, 5),
			 DEBUGPORT_COUNTED);
	ck_assert_int_eq(debugport_write(&report, 0xf8, 4, UINT32_MAX),
			 DEBUGPORT_COUNTED);
	ck_assert_int_eq(debugport_write(&report, 0xfc, 4, 7),
			 DEBUGPORT_COUNTED);
	ck_assert_uint_eq(report.notified, 5ull + UINT32_MAX);
	ck_assert_uint_eq(report.compared_bytes, 7);
	ck_assert_int_eq(debugport_write(&report, 0xf4, 1, 0), DEBUGPORT_ENDED);
	ck_assert_int_eq(debugport_write(NULL, 0xf8, 4, 5), DEBUGPORT_COUNTED);
}
END_TEST

START_TEST(other_ports_and_widths_are_not_ours)
{
	static const struct {
		uint16_t port;
		uint32_t len;
	} others[] = {
		{ 0xf4, 2 }, { 0xf4, 4 }, { 0xf8, 1 },	 { 0xf8, 2 },
		{ 0xfc, 1 }, { 0xf7, 4 }, { 0xf9, 4 },	 { 0xf3, 1 },
		{ 0xf5, 1 }, { 0, 1 },	  { 0xffff, 4 }, { 0x1f4, 1 },
	};
	struct rf_report report = { 0 };
	size_t i;

	for (i = 0; i < RF_ARRAY_LEN(others); i++)
		ck_assert_int_eq(debugport_write(&report, others[i].port,
						 others[i].len, 9),
				 DEBUGPORT_NOT_MINE);
	ck_assert_uint_eq(report.notified, 0);
	ck_assert_uint_eq(report.compared_bytes, 0);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		counts_add_up_and_the_end_is_told,
		other_ports_and_widths_are_not_ours,
	};

	return unit_run("debugport", tests, RF_ARRAY_LEN(tests));
}
