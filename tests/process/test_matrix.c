/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * test_matrix.c - kinds of doorbell x ways to read registers x forms of ring x
 *                 features, each on and off, with the whole of the programs
 *
 * The built-in guest compares what it wrote, sees that what it took works, and
 * says what it took; here the host sees that this is what was asked for, that
 * the image holds the data, and what left the guest for it. Every run begins
 * with a disk of zeroes: a device that did nothing would be seen.
 */
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <ringfence/base.h>

#include "driver/features.h"
#include "driver/guest.h"
#include "driver/plan.h"
#include "process/launcher_rig.h"
#include "unit/unit.h"

#define DISK_SECTORS 4096u
#define LAST_ROUND 1u

/* Of what the driver knows the disk offers these with one queue, written. */
#define OFFERED (features_known() & ~(FEATURE_RO | FEATURE_MQ))

static struct rig rig;

/* One place in the matrix. NULL: as it comes. */
struct place {
	const char *accel;
	const char *doorbell;
	const char *registers;
	const char *disk; /* words after the path */
	const char *features;
	uint64_t taken;
	int status;
};

static void zero_disk(void)
{
	rf_autofd fd = open(rig_path("disk"), O_RDWR | O_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ftruncate(fd, 0), 0);
	ck_assert_int_eq(ftruncate(fd, (off_t)DISK_SECTORS * 512), 0);
}

static void check_disk(void)
{
	struct plan_extent extents[PLAN_EXTENTS_MAX];
	uint32_t want[PLAN_SECTOR_WORDS], found[PLAN_SECTOR_WORDS];
	uint32_t nr = plan_round(DISK_SECTORS, LAST_ROUND, extents);
	rf_autofd fd = open(rig_path("disk"), O_RDONLY | O_CLOEXEC);
	uint32_t i, k;

	ck_assert_int_ge(fd, 0);
	for (i = 0; i < nr; i++)
		for (k = 0; k < extents[i].nr_sectors; k++) {
			uint64_t sector = extents[i].sector + k;

			plan_fill(want, plan_seed(sector, LAST_ROUND, 0));
			ck_assert_int_eq(pread(fd, found, sizeof(found),
					       (off_t)(sector * 512)),
					 sizeof(found));
			ck_assert_msg(!memcmp(found, want, sizeof(want)),
				      "sector %llu, after:\n%s",
				      (unsigned long long)sector, rig.text);
		}
}

/* Is the name in the list of the line that the guest says of the disk? */
static bool took(const char *name)
{
	const char *line = strstr(rig.text, " queues of ");
	const size_t len = strlen(name);
	size_t end;

	ck_assert_msg(line != NULL, "no line about queues in:\n%s", rig.text);
	line = strchr(line, ',');
	while (line && *line == ',') {
		line += 1 + (line[1] == ' ');
		end = strcspn(line, ",\r\n");
		if (end == len && !strncmp(line, name, len))
			return true;
		line += end;
	}
	return false;
}

static void check_taken(uint64_t taken)
{
	uint32_t i;

	for (i = 0; i < FEATURES_NR; i++)
		ck_assert_msg(took(features[i].name) ==
				      !!(taken & features[i].mask),
			      "%s: taken or not, against what was asked:\n%s",
			      features[i].name, rig.text);
}

static void add(char *line, size_t cap, const char *option, const char *value)
{
	const size_t len = strlen(line);

	if (value)
		(void)snprintf(line + len, cap - len, " %s%s", option, value);
}

static void go_to(const struct place *p)
{
	char line[512];

	(void)snprintf(line, sizeof(line),
		       "run --report DIR/report.json --disk DISK%s%s",
		       p->disk ? "," : "", p->disk ? p->disk : "");
	add(line, sizeof(line), "--accel ", p->accel);
	add(line, sizeof(line), "--doorbell ", p->doorbell);
	add(line, sizeof(line), "--registers ", p->registers);
	add(line, sizeof(line), "--append rf.features=", p->features);
	zero_disk();
	ck_assert_msg(rig_run(&rig, line) == p->status, "%s: not %d:\n%s", line,
		      p->status, rig.text);
	if (p->status != GUEST_OK)
		return;
	ck_assert_msg(rig_says(&rig, "\nall compared"), "%s:\n%s", line,
		      rig.text);
	check_taken(p->taken);
	check_disk();
}

static uint64_t count(const char *name)
{
	json_t *root = json_load_file(rig_path("report.json"), 0, NULL);
	json_t *vmm;
	uint64_t value;

	ck_assert_ptr_nonnull(root);
	vmm = json_array_get(json_object_get(root, "processes"), 0);
	ck_assert_msg(json_is_integer(json_object_get(vmm, name)), "no %s",
		      name);
	value = (uint64_t)json_integer_value(json_object_get(vmm, name));
	json_decref(root);
	return value;
}

/* --- what is there ------------------------------------------------------- */

#define KINDS_MAX 4u

static struct {
	char names[KINDS_MAX][16];
	size_t nr;
} kinds;

static void find_kinds(void)
{
	json_t *root, *bells, *value;
	const char *name;

	kinds.nr = 0;
	ck_assert_int_eq(rig_run(&rig, "probe --json"), 0);
	root = json_loads(rig.text, JSON_REJECT_DUPLICATES, NULL);
	ck_assert_ptr_nonnull(root);
	bells = json_object_get(root, "doorbells");
	json_object_foreach(bells, name, value)
	{
		if (!json_is_true(json_object_get(value, "there")))
			continue;
		ck_assert_uint_lt(kinds.nr, KINDS_MAX);
		(void)snprintf(kinds.names[kinds.nr], sizeof(kinds.names[0]),
			       "%s", name);
		kinds.nr++;
	}
	json_decref(root);
	ck_assert_uint_gt(kinds.nr, 0);
}

static bool keeps_value(const char *kind)
{
	return strcmp(kind, "ioeventfd") != 0;
}

static uint64_t offered_with(const char *kind)
{
	return keeps_value(kind) ? OFFERED
				 : OFFERED & ~FEATURE_NOTIFICATION_DATA;
}

/* Not on a host without KVM, where there is nothing but the stand-in. */
static bool lacks_kvm(const char *test)
{
	if (rig_has_kvm())
		return false;
	printf("skipped: matrix: %s: /dev/kvm cannot be opened\n", test);
	return true;
}

/* --- the matrix ---------------------------------------------------------- */

/* Where the kernel takes the notify write and the guest reads its registers
 * itself, nothing of I/O leaves it. */
static void check_exits(const char *kind, const char *registers)
{
	if (strcmp(registers, "page") != 0)
		return;
	ck_assert_uint_eq(count("exits_ack"), 0);
	if (!strcmp(kind, "ioeventfd") || !strcmp(kind, "coalesced2"))
		ck_assert_msg(count("exits_mmio") == count("exits_setup"),
			      "%s: exits for I/O:\n%s", kind, rig.text);
	else
		ck_assert_uint_le(count("exits_mmio"),
				  count("exits_setup") + count("exits_notify"));
}

static void each_form(const char *kind, const char *registers)
{
	struct place p = { .accel = "kvm",
			   .doorbell = kind,
			   .registers = registers,
			   .taken = offered_with(kind) };

	go_to(&p);
	check_exits(kind, registers);
	p.features = "-ring_packed";
	p.taken &= ~FEATURE_RING_PACKED;
	go_to(&p);
	check_exits(kind, registers);
}

START_TEST(every_kind_each_way_to_read_registers_both_forms_of_ring)
{
	size_t i;

	if (lacks_kvm("kinds"))
		return;
	rig_setup();
	find_kinds();
	for (i = 0; i < kinds.nr; i++) {
		each_form(kinds.names[i], "page");
		each_form(kinds.names[i], "exit");
	}
	rig_teardown();
}
END_TEST

#define RING_FEATURES                                                   \
	(FEATURE_INDIRECT_DESC | FEATURE_EVENT_IDX | FEATURE_IN_ORDER | \
	 FEATURE_NOTIFICATION_DATA | FEATURE_RING_RESET)

/* A program under the thread sanitizer takes a second to end: not all places
 * are visited then. */
#ifdef RF_SANITIZED
#define FORM_STEP 5
#define ALONE RING_FEATURES
#else
#define FORM_STEP 1
#define ALONE UINT64_MAX
#endif

static void each_alone_off(const char *accel, const char *doorbell,
			   const char *others, uint64_t left, uint64_t which)
{
	struct place p = { .accel = accel, .doorbell = doorbell };
	char list[128];
	uint32_t i;

	p.features = list;
	for (i = 0; i < FEATURES_NR; i++) {
		if (!(OFFERED & ~left & which & features[i].mask) ||
		    features[i].mask == FEATURE_VERSION_1)
			continue;
		(void)snprintf(list, sizeof(list), "-%s%s", features[i].name,
			       others);
		p.taken = OFFERED & ~left & ~features[i].mask;
		go_to(&p);
	}
}

START_TEST(each_feature_alone_is_left)
{
	if (lacks_kvm("features"))
		return;
	rig_setup();
	each_alone_off("kvm", "exit", "", 0, ALONE);
	rig_teardown();
}
END_TEST

START_TEST(each_feature_alone_is_left_on_split_rings)
{
	if (lacks_kvm("features"))
		return;
	rig_setup();
	each_alone_off("kvm", "exit", ",-ring_packed", FEATURE_RING_PACKED,
		       RING_FEATURES);
	rig_teardown();
}
END_TEST

START_TEST(each_feature_alone_is_left_without_kvm)
{
	rig_setup();
	each_alone_off("none", NULL, "", 0, ALONE);
	each_alone_off("none", NULL, ",-ring_packed", FEATURE_RING_PACKED,
		       ALONE);
	rig_teardown();
}
END_TEST

static const struct feature *feature_of(uint64_t mask)
{
	uint32_t i = 0;

	while (features[i].mask != mask)
		i++;
	return &features[i];
}

/* The six that change how a ring is walked, in all combinations, with one queue
 * or with four. */
START_TEST(every_form_of_ring_without_kvm)
{
	static const uint64_t masks[] = {
		FEATURE_INDIRECT_DESC,	   FEATURE_EVENT_IDX,
		FEATURE_RING_PACKED,	   FEATURE_IN_ORDER,
		FEATURE_NOTIFICATION_DATA, FEATURE_RING_RESET,
	};
	char list[128];
	uint32_t form, i;
	struct place p = { .accel = "none", .features = list };

	rig_setup();
	for (form = 0; form < 1u << RF_ARRAY_LEN(masks); form += FORM_STEP) {
		p.taken = OFFERED;
		list[0] = '\0';
		for (i = 0; i < RF_ARRAY_LEN(masks); i++) {
			const struct feature *f = feature_of(masks[i]);
			const size_t len = strlen(list);
			const bool on = form & 1u << i;

			(void)snprintf(list + len, sizeof(list) - len, "%s%c%s",
				       len ? "," : "", on ? '+' : '-', f->name);
			if (!on)
				p.taken &= ~f->mask;
		}
		p.disk = NULL;
		if (__builtin_parity(form)) {
			p.disk = "queues=4";
			p.taken |= FEATURE_MQ;
		}
		go_to(&p);
	}
	rig_teardown();
}
END_TEST

START_TEST(several_queues)
{
	static const char *const lists[] = { "+mq", "+mq,-ring_packed" };
	struct place p = { .accel = "kvm",
			   .doorbell = "exit",
			   .disk = "queues=8" };
	size_t i, k;

	if (lacks_kvm("queues"))
		return;
	rig_setup();
	find_kinds();
	for (i = 0; i < kinds.nr; i++)
		for (k = 0; k < RF_ARRAY_LEN(lists); k++) {
			p.doorbell = kinds.names[i];
			p.features = lists[k];
			p.taken = offered_with(p.doorbell) | FEATURE_MQ;
			if (k)
				p.taken &= ~FEATURE_RING_PACKED;
			go_to(&p);
			ck_assert(rig_says(&rig, "disk0: 8 queues of "));
		}
	rig_teardown();
}
END_TEST

/* Who does the work behind the rings, and how long it looks for more. */
START_TEST(each_engine_both_forms_of_ring)
{
	static const char *const disks[] = { "io=auto", "io=sync", "poll-us=0",
					     "poll-us=100" };
	static const char *const lists[] = { "+ring_packed", "-ring_packed",
					     "-in_order",
					     "-in_order,-ring_packed" };
	static const uint64_t left[] = { 0, FEATURE_RING_PACKED,
					 FEATURE_IN_ORDER,
					 FEATURE_IN_ORDER |
						 FEATURE_RING_PACKED };
	size_t i, k;

	rig_setup();
	for (i = 0; i < RF_ARRAY_LEN(disks); i++)
		for (k = 0; k < RF_ARRAY_LEN(lists); k++) {
			const struct place p = { .accel = "none",
						 .disk = disks[i],
						 .features = lists[k],
						 .taken = OFFERED & ~left[k] };

			go_to(&p);
		}
	rig_teardown();
}
END_TEST

static void read_only(const char *accel, const char *list)
{
	char line[256];

	(void)snprintf(line, sizeof(line),
		       "run --accel %s --disk DISK,ro --append rf.features=%s",
		       accel, list);
	ck_assert_msg(rig_run(&rig, line) == 0, "%s:\n%s", line, rig.text);
	ck_assert(took("ro"));
	ck_assert_msg(rig_says(&rig, "twice the same"), "%s", rig.text);
	/* What only changes the disk is not offered by one that cannot be. */
	ck_assert(!took("discard"));
	ck_assert(!took("write_zeroes"));
}

START_TEST(a_read_only_disk_both_forms_of_ring)
{
	rig_setup();
	read_only("none", "+ro");
	read_only("none", "+ro,-ring_packed");
	if (rig_has_kvm()) {
		read_only("kvm", "+ro");
		read_only("kvm", "+ro,-ring_packed");
	}
	rig_teardown();
}
END_TEST

/* A matrix whose guest took less than it was told to would prove nothing. */
START_TEST(what_is_not_offered_is_said)
{
	const struct place places[] = {
		{ .accel = "none",
		  .features = "+ro",
		  .status = GUEST_NOT_OFFERED },
		{ .accel = "none",
		  .features = "-flush,+mq",
		  .status = GUEST_NOT_OFFERED },
		{ .accel = "kvm",
		  .doorbell = "ioeventfd",
		  .features = "+notification_data",
		  .status = GUEST_NOT_OFFERED },
	};
	size_t i;

	rig_setup();
	for (i = 0; i < RF_ARRAY_LEN(places); i++) {
		if (!strcmp(places[i].accel, "kvm") && !rig_has_kvm())
			continue;
		go_to(&places[i]);
		ck_assert_msg(rig_says(&rig, ": not offered"), "%s", rig.text);
	}
	rig_teardown();
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		every_kind_each_way_to_read_registers_both_forms_of_ring,
		each_feature_alone_is_left,
		each_feature_alone_is_left_on_split_rings,
		each_feature_alone_is_left_without_kvm,
		every_form_of_ring_without_kvm,
		several_queues,
		each_engine_both_forms_of_ring,
		a_read_only_disk_both_forms_of_ring,
		what_is_not_offered_is_said,
	};
	const char *why = rig_why_not();

	if (why)
		return unit_skip("matrix", why);
	return unit_run("matrix", tests, RF_ARRAY_LEN(tests));
}
