/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * test_power.c - what switches the machine off, and all that does not
 */
#include "unit/unit.h"
#include "vmm/power.h"

static struct power power;

static uint8_t get(uint32_t port)
{
	uint8_t value = 0x55;

	ck_assert(power_read(&power, port, &value));
	return value;
}

START_TEST(only_the_right_type_with_the_enable_bit_switches_off)
{
	uint32_t value;

	for (value = 0; value < 256; value++) {
		bool off = (value & 0x20) && (value >> 2 & 7) == 5;

		ck_assert_int_eq(power_write(&power, 0x605, (uint8_t)value),
				 off ? POWER_OFF : POWER_TAKEN);
		/* The other byte never does. */
		ck_assert_int_eq(power_write(&power, 0x604, (uint8_t)value),
				 POWER_TAKEN);
	}
}
END_TEST

START_TEST(only_the_reset_pulse_resets)
{
	uint32_t value;

	for (value = 0; value < 256; value++)
		ck_assert_int_eq(power_write(&power, 0x64, (uint8_t)value),
				 value == 0xfe ? POWER_RESET : POWER_TAKEN);
	ck_assert_uint_eq(get(0x64), 0);
}
END_TEST

START_TEST(registers_read_as_acpi_has_them)
{
	ck_assert_int_eq(power_write(&power, 0x600, 0xff), POWER_TAKEN);
	ck_assert_int_eq(power_write(&power, 0x602, 0x21), POWER_TAKEN);
	ck_assert_int_eq(power_write(&power, 0x603, 0x03), POWER_TAKEN);
	ck_assert_int_eq(power_write(&power, 0x604, 0x02), POWER_TAKEN);
	ck_assert_int_eq(power_write(&power, 0x605, 0x30), POWER_TAKEN);
	ck_assert_uint_eq(get(0x600), 0);
	ck_assert_uint_eq(get(0x601), 0);
	ck_assert_uint_eq(get(0x602), 0x21);
	ck_assert_uint_eq(get(0x603), 0x03);
	ck_assert_uint_eq(get(0x604), 0x03); /* SCI_EN stays */
	ck_assert_uint_eq(get(0x605), 0x10); /* SLP_EN reads as zero */
}
END_TEST

START_TEST(other_ports_are_not_its_own)
{
	uint8_t value = 0x55;
	uint32_t port;

	for (port = 0; port <= UINT16_MAX + 0x700u; port++) {
		bool mine = port == 0x64 || (port >= 0x600 && port <= 0x605);

		ck_assert(power_read(&power, port, &value) == mine);
		ck_assert((power_write(&power, port, 0) != POWER_NOT_MINE) ==
			  mine);
	}
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		only_the_right_type_with_the_enable_bit_switches_off,
		only_the_reset_pulse_resets,
		registers_read_as_acpi_has_them,
		other_ports_are_not_its_own,
	};

	return unit_run("power", tests, RF_ARRAY_LEN(tests));
}
