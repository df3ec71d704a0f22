/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * test_acpi.c - a kernel's way through the tables, from the RSDP on
 *
 * Read by offsets of the specification, not by the structs of the source.
 */
#include <errno.h>
#include <string.h>

#include "unit/unit.h"
#include "vmm/acpi.h"
#include "vmm/memmap.h"
#include "vmm/power.h"

static struct memory mem;
static uint8_t bytes[ACPI_BYTES];

static uint64_t field(const uint8_t *table, size_t at, size_t len)
{
	uint64_t value = 0;

	memcpy(&value, table + at, len);
	return value;
}

static void expect_sum(const uint8_t *table, size_t len)
{
	uint8_t sum = 0;
	size_t i;

	for (i = 0; i < len; i++)
		sum = (uint8_t)(sum + table[i]);
	ck_assert_uint_eq(sum, 0);
}

/* All of it within the area. */
static const uint8_t *at_gpa(uint64_t gpa, size_t len)
{
	ck_assert_uint_ge(gpa, ACPI_GPA);
	ck_assert_uint_le(gpa - ACPI_GPA, ACPI_BYTES);
	ck_assert_uint_le(len, ACPI_BYTES - (gpa - ACPI_GPA));
	return bytes + (gpa - ACPI_GPA);
}

static const uint8_t *table(uint64_t gpa, const char *signature)
{
	const uint8_t *t = at_gpa(gpa, 36);
	size_t len = field(t, 4, 4);

	ck_assert_mem_eq(t, signature, 4);
	ck_assert_uint_ge(len, 36);
	(void)at_gpa(gpa, len);
	expect_sum(t, len);
	return t;
}

static struct acpi_device devices[ACPI_DEVICES_MAX];
static uint32_t nr_devices;

static const uint8_t *xsdt(uint32_t nr_cpus)
{
	ck_assert_int_eq(memory_new(4 << 20, -1, &mem), 0);
	ck_assert_int_eq(acpi_write(&mem, nr_cpus, devices, nr_devices), 0);
	ck_assert_int_eq(memory_read(&mem, ACPI_GPA, bytes, sizeof(bytes)), 0);
	memory_free(&mem);
	ck_assert_mem_eq(bytes, "RSD PTR ", 8);
	expect_sum(bytes, 20);
	expect_sum(bytes, 36);
	ck_assert_uint_eq(bytes[15], 2);
	ck_assert_uint_eq(field(bytes, 20, 4), 36);
	return table(field(bytes, 24, 8), "XSDT");
}

START_TEST(every_table_is_found_and_adds_up)
{
	uint32_t nr;

	for (nr = 1; nr <= ACPI_CPUS_MAX; nr++) {
		const uint8_t *x = xsdt(nr);

		ck_assert_uint_eq(field(x, 4, 4), 36 + 2 * 8);
		(void)table(field(x, 36, 8), "FACP");
		(void)table(field(x, 44, 8), "APIC");
	}
}
END_TEST

START_TEST(every_processor_and_the_ioapic_are_listed)
{
	uint32_t nr;

	for (nr = 1; nr <= ACPI_CPUS_MAX; nr++) {
		const uint8_t *m = table(field(xsdt(nr), 44, 8), "APIC");
		size_t len = field(m, 4, 4);
		uint32_t cpus = 0;
		uint32_t ioapics = 0;
		size_t at;

		ck_assert_uint_eq(field(m, 36, 4), 0xfee00000);
		for (at = 44; at < len; at += m[at + 1]) {
			ck_assert_uint_gt(m[at + 1], 1);
			if (m[at] == 0) {
				ck_assert_uint_eq(m[at + 3], cpus);
				ck_assert_uint_eq(field(m, at + 4, 4), 1);
				cpus++;
			}
			if (m[at] == 1) {
				ck_assert_uint_eq(field(m, at + 4, 4),
						  0xfec00000);
				ck_assert_uint_eq(field(m, at + 8, 4), 0);
				ioapics++;
			}
		}
		ck_assert_uint_eq(at, len);
		ck_assert_uint_eq(cpus, nr);
		ck_assert_uint_eq(ioapics, 1);
	}
}
END_TEST

START_TEST(the_fadt_names_the_ports_that_answer)
{
	const uint8_t *f = table(field(xsdt(1), 36, 8), "FACP");

	ck_assert_uint_eq(field(f, 4, 4), 276);
	ck_assert_uint_eq(field(f, 46, 2), ACPI_SCI);
	ck_assert_uint_eq(field(f, 48, 4), 0); /* always in ACPI mode */
	ck_assert_uint_eq(field(f, 56, 4), POWER_EVENT_PORT);
	ck_assert_uint_eq(field(f, 64, 4), POWER_CONTROL_PORT);
	ck_assert_uint_eq(f[88], 4);
	ck_assert_uint_eq(f[89], 2);
	/* The 64-bit forms say the same: port, and 32 and 16 bits. */
	ck_assert_uint_eq(f[148], 1);
	ck_assert_uint_eq(f[149], 32);
	ck_assert_uint_eq(field(f, 152, 8), POWER_EVENT_PORT);
	ck_assert_uint_eq(f[172], 1);
	ck_assert_uint_eq(f[173], 16);
	ck_assert_uint_eq(field(f, 176, 8), POWER_CONTROL_PORT);
	/* Reset, which the flags say is there: a byte to a port. */
	ck_assert_uint_eq(field(f, 112, 4) >> 10 & 1, 1);
	ck_assert_uint_eq(f[116], 1);
	ck_assert_uint_eq(f[117], 8);
	ck_assert_uint_eq(field(f, 120, 8), POWER_RESET_PORT);
	ck_assert_uint_eq(f[128], POWER_RESET_VALUE);
	/* No keyboard controller; no clock chip. */
	ck_assert_uint_eq(field(f, 109, 2) & 2, 0);
	ck_assert_uint_eq(field(f, 109, 2) & 0x20, 0x20);
}
END_TEST

START_TEST(the_dsdt_says_how_to_power_off)
{
	const uint8_t *f = table(field(xsdt(1), 36, 8), "FACP");
	const uint8_t *d = table(field(f, 140, 8), "DSDT");
	const uint8_t *facs = at_gpa(field(f, 36, 4), 64);

	ck_assert_uint_eq(field(f, 40, 4), field(f, 140, 8));
	ck_assert_uint_eq(field(d, 4, 4), 36 + 13);
	/* Name, "_S5_", package of four; its length counts from itself. */
	ck_assert_mem_eq(d + 36, "\x08_S5_\x12\x07\x04\x0a\x05\0\0\0", 13);
	ck_assert_mem_eq(facs, "FACS", 4);
	ck_assert_uint_eq(field(facs, 4, 4), 64);
	ck_assert_uint_eq(field(f, 36, 4) % 64, 0);
}
END_TEST

/* In the bytes that iasl takes apart into what the names say. */
static void expect_device(const uint8_t *d, uint32_t i)
{
	ck_assert_mem_eq(d, "\x5b\x82\x3bVR0", 6);
	ck_assert_uint_eq(d[6], "0123456789ABCDEF"[i]);
	ck_assert_mem_eq(d + 7, "\x08_HID\x0dLNRO0005\0", 15);
	ck_assert_mem_eq(d + 22, "\x08_UID\x0a", 6);
	ck_assert_uint_eq(d[28], i);
	ck_assert_mem_eq(d + 29, "\x08_CRS\x11\x1a\x0a\x17", 9);
	ck_assert_mem_eq(d + 38, "\x86\x09\0\x01", 4);
	ck_assert_uint_eq(field(d, 42, 4), devices[i].gpa);
	ck_assert_uint_eq(field(d, 46, 4), devices[i].bytes);
	ck_assert_mem_eq(d + 50, "\x89\x06\0\x03\x01", 5);
	ck_assert_uint_eq(field(d, 55, 4), devices[i].gsi);
	ck_assert_mem_eq(d + 59, "\x79\0", 2);
}

START_TEST(the_dsdt_lists_the_devices_it_is_given)
{
	const uint8_t *f, *d;
	uint32_t i;

	for (i = 0; i < ACPI_DEVICES_MAX; i++)
		devices[i] = (struct acpi_device){ 0xd000b000 + i * 0x1000,
						   0x1000, 16 + i };
	for (nr_devices = 1; nr_devices <= ACPI_DEVICES_MAX; nr_devices++) {
		f = table(field(xsdt(ACPI_CPUS_MAX), 36, 8), "FACP");
		d = table(field(f, 140, 8), "DSDT");
		ck_assert_uint_eq(field(d, 4, 4),
				  36 + 13 + 8 + nr_devices * 61);
		/* Scope; its length is in a nibble and a byte. */
		ck_assert_uint_eq(d[49], 0x10);
		ck_assert_uint_eq(d[50] >> 4, 4);
		ck_assert_uint_eq((d[50] & 15) + d[51] * 16,
				  7 + nr_devices * 61);
		ck_assert_mem_eq(d + 52, "\\_SB_", 5);
		for (i = 0; i < nr_devices; i++)
			expect_device(d + 57 + (size_t)i * 61, i);
	}
	nr_devices = 0;
}
END_TEST

START_TEST(what_it_cannot_describe_is_refused)
{
	ck_assert_int_eq(memory_new(4 << 20, -1, &mem), 0);
	ck_assert_int_eq(acpi_write(&mem, 0, NULL, 0), -EINVAL);
	ck_assert_int_eq(acpi_write(&mem, ACPI_CPUS_MAX + 1, NULL, 0), -EINVAL);
	ck_assert_int_eq(acpi_write(&mem, UINT32_MAX, NULL, 0), -EINVAL);
	ck_assert_int_eq(acpi_write(&mem, 1, devices, ACPI_DEVICES_MAX + 1),
			 -EINVAL);
	memory_free(&mem);
}
END_TEST

START_TEST(it_lies_in_what_the_memory_map_calls_reserved)
{
	struct memmap_entry map[MEMMAP_ENTRIES_MAX];

	ck_assert_int_eq(memory_new(4 << 20, -1, &mem), 0);
	ck_assert_uint_gt(memmap_fill(&mem, map), 1);
	ck_assert_uint_eq(map[1].type, MEMMAP_RESERVED);
	ck_assert_uint_le(map[1].addr, ACPI_GPA);
	ck_assert_uint_ge(map[1].addr + map[1].bytes, ACPI_GPA + ACPI_BYTES);
	memory_free(&mem);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		every_table_is_found_and_adds_up,
		every_processor_and_the_ioapic_are_listed,
		the_fadt_names_the_ports_that_answer,
		the_dsdt_says_how_to_power_off,
		the_dsdt_lists_the_devices_it_is_given,
		what_it_cannot_describe_is_refused,
		it_lies_in_what_the_memory_map_calls_reserved,
	};

	return unit_run("acpi", tests, RF_ARRAY_LEN(tests));
}
