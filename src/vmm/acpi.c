/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * acpi.c - the machine as its ACPI tables describe it
 *
 * Clauses are those of the ACPI specification, 6.5.
 *
 * Side:    vmm, main thread, before the guest runs.
 * Owns:    nothing; the guest may overwrite all of it once it runs.
 * Callers: main.c.
 * Never:   reads back what it wrote; describes what bus.c does not answer.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "vmm/acpi.h"
#include "vmm/memmap.h"
#include "vmm/power.h"

#define ACPI_PACKED __attribute__((packed))

/* 5.2.6 */
struct acpi_header {
	char signature[4];
	uint32_t length;
	uint8_t revision;
	uint8_t checksum;
	char oem_id[6];
	char oem_table_id[8];
	uint32_t oem_revision;
	char creator_id[4];
	uint32_t creator_revision;
} ACPI_PACKED;
static_assert(sizeof(struct acpi_header) == 36, "5.2.6");

/* 5.2.3.2 */
struct acpi_address {
	uint8_t space;
	uint8_t bits;
	uint8_t offset;
	uint8_t access; /* 1: byte, 2: word */
	uint64_t address;
} ACPI_PACKED;
static_assert(sizeof(struct acpi_address) == 12, "5.2.3.2");

/* 5.2.5.3 */
struct acpi_rsdp {
	char signature[8];
	uint8_t checksum; /* of the first 20 bytes */
	char oem_id[6];
	uint8_t revision;
	uint32_t rsdt;
	uint32_t length;
	uint64_t xsdt;
	uint8_t extended_checksum;
	uint8_t reserved[3];
} ACPI_PACKED;
static_assert(sizeof(struct acpi_rsdp) == 36, "5.2.5.3");

/* 5.2.8 */
struct acpi_xsdt {
	struct acpi_header header;
	uint64_t tables[2];
} ACPI_PACKED;
static_assert(offsetof(struct acpi_xsdt, tables) == 36, "5.2.8");

/* 5.2.9 */
struct acpi_fadt {
	struct acpi_header header;
	uint32_t facs;
	uint32_t dsdt;
	uint8_t reserved_44;
	uint8_t profile;
	uint16_t sci;
	uint32_t smi_port;
	uint8_t smi_values[4];
	uint32_t pm1a_event;
	uint32_t pm1b_event;
	uint32_t pm1a_control;
	uint32_t pm1b_control;
	uint32_t pm2_control;
	uint32_t pm_timer;
	uint32_t gpe0;
	uint32_t gpe1;
	uint8_t pm1_event_bytes;
	uint8_t pm1_control_bytes;
	uint8_t pm2_control_bytes;
	uint8_t pm_timer_bytes;
	uint8_t gpe[4];
	uint16_t c2_latency;
	uint16_t c3_latency;
	uint8_t cpu[5];
	uint8_t rtc[3];
	uint8_t century;
	uint16_t boot_arch;
	uint8_t reserved_111;
	uint32_t flags;
	struct acpi_address reset;
	uint8_t reset_value;
	uint16_t arm_boot_arch;
	uint8_t minor_version;
	uint64_t x_facs;
	uint64_t x_dsdt;
	struct acpi_address x_pm1a_event;
	struct acpi_address x_pm1b_event;
	struct acpi_address x_pm1a_control;
	struct acpi_address x_unused[5];
	struct acpi_address sleep_control;
	struct acpi_address sleep_status;
	uint64_t hypervisor;
} ACPI_PACKED;
static_assert(sizeof(struct acpi_fadt) == 276, "5.2.9");
static_assert(offsetof(struct acpi_fadt, boot_arch) == 109, "5.2.9");
static_assert(offsetof(struct acpi_fadt, reset) == 116, "5.2.9");
static_assert(offsetof(struct acpi_fadt, x_pm1a_control) == 172, "5.2.9");
static_assert(offsetof(struct acpi_fadt, sleep_control) == 244, "5.2.9");

enum {
	ACPI_SPACE_IO = 1,
	/* 5.2.9.3 */
	ACPI_BOOT_LEGACY = 1 << 0, /* there is a serial port */
	ACPI_BOOT_NO_VGA = 1 << 2,
	ACPI_BOOT_NO_MSI = 1 << 3,
	ACPI_BOOT_NO_CMOS = 1 << 5,
	/* table 5.10 */
	ACPI_FLAG_WBINVD = 1 << 0,
	ACPI_FLAG_C1 = 1 << 2,
	ACPI_FLAG_NO_POWER_BUTTON = 1 << 4,
	ACPI_FLAG_NO_SLEEP_BUTTON = 1 << 5,
	ACPI_FLAG_NO_RTC_WAKE = 1 << 6,
	ACPI_FLAG_RESET = 1 << 10,
	ACPI_FLAG_HEADLESS = 1 << 12,
	/* larger than these: there is no such state */
	ACPI_NO_C2 = 101,
	ACPI_NO_C3 = 1001,
};

/* 5.2.12 */
struct acpi_madt {
	struct acpi_header header;
	uint32_t lapic_gpa;
	uint32_t flags; /* 1: the two 8259 are there, too */
} ACPI_PACKED;
static_assert(sizeof(struct acpi_madt) == 44, "5.2.12");

struct acpi_lapic {
	uint8_t type, length, uid, id;
	uint32_t flags; /* 1: enabled */
} ACPI_PACKED;
static_assert(sizeof(struct acpi_lapic) == 8, "5.2.12.2");

struct acpi_ioapic {
	uint8_t type, length, id, reserved;
	uint32_t gpa;
	uint32_t gsi_base;
} ACPI_PACKED;
static_assert(sizeof(struct acpi_ioapic) == 12, "5.2.12.3");

struct acpi_lapic_nmi {
	uint8_t type, length, uid;
	uint16_t flags;
	uint8_t lint;
} ACPI_PACKED;
static_assert(sizeof(struct acpi_lapic_nmi) == 6, "5.2.12.7");

enum { ACPI_LAPIC = 0, ACPI_IOAPIC = 1, ACPI_LAPIC_NMI = 4 };
enum { ACPI_UID_ALL = 0xff };
#define ACPI_LAPIC_GPA 0xfee00000u /* as KVM has them */
#define ACPI_IOAPIC_GPA 0xfec00000u

/* 5.2.10 */
struct acpi_facs {
	char signature[4];
	uint32_t length;
	uint32_t hardware;
	uint32_t waking;
	uint32_t global_lock;
	uint32_t flags;
	uint64_t x_waking;
	uint8_t version;
	uint8_t reserved[31];
} ACPI_PACKED;
static_assert(sizeof(struct acpi_facs) == 64, "5.2.10");

/* Name (\_S5, Package () { 5, 0, 0, 0 }): 20.2.5.4. The first is what is
 * written to power off. */
static const uint8_t acpi_s5[] = { 0x08, '_',  'S',  '5',  '_',
				   0x12, 0x07, 0x04, 0x0a, POWER_OFF_TYPE,
				   0x00, 0x00, 0x00 };

/* Scope (\_SB), and in it one of these for each device: 20.2.5.2, its length in
 * two bytes. */
struct aml_scope {
	uint8_t op;
	uint8_t length[2];
	char name[5];
} ACPI_PACKED;

/* Device (VRxx) with _HID, _UID and _CRS, the registers and the interrupt:
 * 20.2.5.2, 6.4.3.4, 6.4.3.6. LNRO0005 is virtio's over MMIO, registered with
 * UEFI's list of identifiers. */
struct aml_device {
	uint8_t op[2];
	uint8_t length; /* of what follows op */
	char name[4];
	uint8_t hid[6];
	char hid_value[9];
	uint8_t uid[6];
	uint8_t uid_value;
	uint8_t crs[9];
	uint8_t memory[4];
	uint32_t base;
	uint32_t bytes;
	uint8_t interrupt[5];
	uint32_t gsi;
	uint8_t end[2];
} ACPI_PACKED;
static_assert(sizeof(struct aml_device) == 61, "a length of one byte is < 64");
static_assert(sizeof(struct aml_device) - offsetof(struct aml_device, memory) ==
		      0x17,
	      "the buffer's length in crs");

struct area {
	uint8_t bytes[ACPI_BYTES];
	uint32_t used;
};
static_assert(ACPI_GPA >= MEMMAP_LOW_RAM_END &&
		      ACPI_GPA + ACPI_BYTES <= MEMMAP_LOAD_MIN,
	      "reserved in the memory map");

/* Room for `len` bytes; returns the offset. All of it fits, which the numbers of
 * processors and devices decide: see the check in acpi_write(). */
static uint32_t reserve(struct area *a, size_t len, uint32_t align)
{
	uint32_t at = (a->used + align - 1) & ~(align - 1);

	a->used = at + (uint32_t)len;
	return at;
}

static uint32_t put(struct area *a, const void *from, size_t len,
		    uint32_t align)
{
	uint32_t at = reserve(a, len, align);

	memcpy(a->bytes + at, from, len);
	return at;
}

/* All bytes add up to 0 with it. */
static uint8_t checksum(const uint8_t *bytes, size_t len)
{
	uint8_t sum = 0;
	size_t i;

	for (i = 0; i < len; i++)
		sum = (uint8_t)(sum + bytes[i]);
	return (uint8_t)-sum;
}

static struct acpi_header header(const char *signature, uint8_t revision)
{
	struct acpi_header h = { .revision = revision,
				 .oem_id = { 'R', 'N', 'G', 'F', 'N', 'C' },
				 .oem_table_id = { 'R', 'I', 'N', 'G', 'F', 'N',
						   'C', 'E' },
				 .oem_revision = 1,
				 .creator_id = { 'R', 'N', 'G', 'F' },
				 .creator_revision = 1 };

	memcpy(h.signature, signature, sizeof(h.signature));
	return h;
}

/* The table from `at` to the end of what is there is complete. */
static uint64_t finish(struct area *a, uint32_t at)
{
	const uint32_t length = a->used - at;
	uint8_t *h = a->bytes + at;

	memcpy(h + offsetof(struct acpi_header, length), &length,
	       sizeof(length));
	h[offsetof(struct acpi_header, checksum)] = checksum(h, length);
	return ACPI_GPA + at;
}

static char hex_digit(uint32_t value)
{
	return "0123456789ABCDEF"[value & 15];
}

/* Interrupts are edges, as an irqfd gives them. */
static void put_device(struct area *a, const struct acpi_device *d,
		       uint32_t uid)
{
	const struct aml_device aml = {
		.op = { 0x5b, 0x82 },
		.length = sizeof(aml) - offsetof(struct aml_device, length),
		.name = { 'V', 'R', hex_digit(uid >> 4), hex_digit(uid) },
		.hid = { 0x08, '_', 'H', 'I', 'D', 0x0d },
		.hid_value = "LNRO0005",
		.uid = { 0x08, '_', 'U', 'I', 'D', 0x0a },
		.uid_value = (uint8_t)uid,
		.crs = { 0x08, '_', 'C', 'R', 'S', 0x11, 0x1a, 0x0a, 0x17 },
		.memory = { 0x86, 0x09, 0x00, 0x01 },
		.base = d->gpa,
		.bytes = d->bytes,
		/* Consumer, edge, active high, not shared; one of them. */
		.interrupt = { 0x89, 0x06, 0x00, 0x03, 0x01 },
		.gsi = d->gsi,
		.end = { 0x79, 0x00 },
	};

	put(a, &aml, sizeof(aml), 1);
}

static void put_devices(struct area *a, const struct acpi_device *devices,
			uint32_t nr)
{
	struct aml_scope scope = { .op = 0x10,
				   .name = { '\\', '_', 'S', 'B', '_' } };
	const size_t length = sizeof(scope) - 1 +
			      nr * sizeof(struct aml_device);
	uint32_t i;

	if (nr == 0)
		return;
	/* 20.2.4: one byte more, and the lowest four bits in the first. */
	scope.length[0] = (uint8_t)(1 << 6 | (length & 15));
	scope.length[1] = (uint8_t)(length >> 4);
	put(a, &scope, sizeof(scope), 1);
	for (i = 0; i < nr; i++)
		put_device(a, &devices[i], i);
}

static uint64_t put_dsdt(struct area *a, const struct acpi_device *devices,
			 uint32_t nr_devices)
{
	const struct acpi_header h = header("DSDT", 2);
	uint32_t at = put(a, &h, sizeof(h), 16);

	put(a, acpi_s5, sizeof(acpi_s5), 1);
	put_devices(a, devices, nr_devices);
	return finish(a, at);
}

static uint64_t put_facs(struct area *a)
{
	const struct acpi_facs facs = { .signature = { 'F', 'A', 'C', 'S' },
					.length = sizeof(facs),
					.version = 2 };

	return ACPI_GPA + put(a, &facs, sizeof(facs), 64);
}

static struct acpi_address port(uint16_t address, uint8_t bytes)
{
	return (struct acpi_address){ .space = ACPI_SPACE_IO,
				      .bits = (uint8_t)(bytes * 8),
				      .access = bytes > 1 ? 2 : 1,
				      .address = address };
}

/* No timer, no general events, no buttons, no second of anything. */
static uint64_t put_fadt(struct area *a, uint64_t dsdt, uint64_t facs)
{
	const struct acpi_fadt fadt = {
		.header = header("FACP", 6),
		.facs = (uint32_t)facs,
		.dsdt = (uint32_t)dsdt,
		.sci = ACPI_SCI,
		.pm1a_event = POWER_EVENT_PORT,
		.pm1a_control = POWER_CONTROL_PORT,
		.pm1_event_bytes = POWER_EVENT_BYTES,
		.pm1_control_bytes = POWER_CONTROL_BYTES,
		.c2_latency = ACPI_NO_C2,
		.c3_latency = ACPI_NO_C3,
		.boot_arch = ACPI_BOOT_LEGACY | ACPI_BOOT_NO_VGA |
			     ACPI_BOOT_NO_MSI | ACPI_BOOT_NO_CMOS,
		.flags = ACPI_FLAG_WBINVD | ACPI_FLAG_C1 |
			 ACPI_FLAG_NO_POWER_BUTTON | ACPI_FLAG_NO_SLEEP_BUTTON |
			 ACPI_FLAG_NO_RTC_WAKE | ACPI_FLAG_RESET |
			 ACPI_FLAG_HEADLESS,
		.reset = port(POWER_RESET_PORT, 1),
		.reset_value = POWER_RESET_VALUE,
		.x_dsdt = dsdt,
		.x_pm1a_event = port(POWER_EVENT_PORT, POWER_EVENT_BYTES),
		.x_pm1a_control = port(POWER_CONTROL_PORT, POWER_CONTROL_BYTES),
	};

	return finish(a, put(a, &fadt, sizeof(fadt), 16));
}

/* No interrupt source override: KVM's own routing has the timer, GSI 0, at the
 * IOAPIC's pin 0, and not at pin 2 as on a PC. */
static uint64_t put_madt(struct area *a, uint32_t nr_cpus)
{
	const struct acpi_madt madt = { .header = header("APIC", 5),
					.lapic_gpa = ACPI_LAPIC_GPA,
					.flags = 1 };
	const struct acpi_ioapic ioapic = { .type = ACPI_IOAPIC,
					    .length = sizeof(ioapic),
					    .gpa = ACPI_IOAPIC_GPA };
	const struct acpi_lapic_nmi nmi = { .type = ACPI_LAPIC_NMI,
					    .length = sizeof(nmi),
					    .uid = ACPI_UID_ALL,
					    .lint = 1 };
	uint32_t at = put(a, &madt, sizeof(madt), 16);
	uint32_t i;

	for (i = 0; i < nr_cpus; i++) {
		const struct acpi_lapic lapic = { .type = ACPI_LAPIC,
						  .length = sizeof(lapic),
						  .uid = (uint8_t)i,
						  .id = (uint8_t)i,
						  .flags = 1 };

		put(a, &lapic, sizeof(lapic), 1);
	}
	put(a, &ioapic, sizeof(ioapic), 1);
	put(a, &nmi, sizeof(nmi), 1);
	return finish(a, at);
}

static void put_rsdp(struct area *a, uint32_t at, uint64_t xsdt)
{
	struct acpi_rsdp rsdp = {
		.signature = { 'R', 'S', 'D', ' ', 'P', 'T', 'R', ' ' },
		.oem_id = { 'R', 'N', 'G', 'F', 'N', 'C' },
		.revision = 2,
		.length = sizeof(rsdp),
		.xsdt = xsdt,
	};

	rsdp.checksum = checksum((const uint8_t *)&rsdp, 20);
	rsdp.extended_checksum = checksum((const uint8_t *)&rsdp, sizeof(rsdp));
	memcpy(a->bytes + at, &rsdp, sizeof(rsdp));
}

int acpi_write(const struct memory *mem, uint32_t nr_cpus,
	       const struct acpi_device *devices, uint32_t nr_devices)
{
	struct acpi_xsdt xsdt = { .header = header("XSDT", 1) };
	struct area a = { .used = 0 };
	uint64_t dsdt, facs;
	uint32_t rsdp;

	static_assert(ACPI_CPUS_MAX * sizeof(struct acpi_lapic) +
				      ACPI_DEVICES_MAX *
					      sizeof(struct aml_device) +
				      sizeof(struct acpi_fadt) + 512 <
			      ACPI_BYTES,
		      "all of it fits");
	if (nr_cpus == 0 || nr_cpus > ACPI_CPUS_MAX ||
	    nr_devices > ACPI_DEVICES_MAX)
		return -EINVAL;
	rsdp = reserve(&a, sizeof(struct acpi_rsdp), 16);
	dsdt = put_dsdt(&a, devices, nr_devices);
	facs = put_facs(&a);
	xsdt.tables[0] = put_fadt(&a, dsdt, facs);
	xsdt.tables[1] = put_madt(&a, nr_cpus);
	put_rsdp(&a, rsdp, finish(&a, put(&a, &xsdt, sizeof(xsdt), 16)));
	return memory_write(mem, ACPI_GPA, a.bytes, a.used);
}
