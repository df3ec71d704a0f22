/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * test_ids.c - twin of src/launcher/ids.c
 */
#include <errno.h>
#include <string.h>

#include "launcher/ids.h"
#include "unit/unit.h"

static struct settings s;
static struct complaint c;
static uid_t uid;
static gid_t gid;

static const struct ids_host root = { .uid = 0,
				      .pid = 5000,
				      .may_change = true };
static const struct ids_host plain = { .uid = 1000, .gid = 100, .pid = 5000 };

START_TEST(root_gives_each_process_an_id_of_its_own)
{
	uid_t seen[1 + SETTINGS_DISKS_MAX];
	uint32_t i;
	uint32_t j;

	settings_defaults(&s);
	for (i = 0; i <= SETTINGS_DISKS_MAX; i++) {
		ck_assert_int_eq(
			ids_choose(&s.jailer, &root, i, &uid, &gid, &c), 0);
		ck_assert_uint_eq(uid, gid);
		ck_assert_uint_ge(uid, SETTINGS_IDS_BASE);
		ck_assert_uint_lt(uid, SETTINGS_IDS_BASE + 65536);
		seen[i] = uid;
		for (j = 0; j < i; j++)
			ck_assert_uint_ne(seen[j], uid);
	}
}
END_TEST

START_TEST(neighbouring_launchers_do_not_share_ids)
{
	struct ids_host other = root;
	uid_t first;

	settings_defaults(&s);
	ck_assert_int_eq(ids_choose(&s.jailer, &root, SETTINGS_DISKS_MAX, &uid,
				    &gid, &c),
			 0);
	first = uid;
	other.pid++;
	ck_assert_int_eq(ids_choose(&s.jailer, &other, 0, &uid, &gid, &c), 0);
	ck_assert_uint_gt(uid, first);
	/* Whatever the pid, nothing leaves the range. */
	other.pid = INT32_MAX;
	ck_assert_int_eq(ids_choose(&s.jailer, &other, SETTINGS_DISKS_MAX, &uid,
				    &gid, &c),
			 0);
	ck_assert_uint_lt(uid, SETTINGS_IDS_BASE + 65536);
}
END_TEST

START_TEST(a_plain_account_keeps_its_own)
{
	settings_defaults(&s);
	ck_assert_int_eq(ids_choose(&s.jailer, &plain, 3, &uid, &gid, &c), 0);
	ck_assert_uint_eq(uid, 1000);
	ck_assert_uint_eq(gid, 100);
}
END_TEST

START_TEST(root_without_our_range_keeps_its_own)
{
	struct ids_host boxed = root;

	boxed.may_change = false;
	settings_defaults(&s);
	ck_assert_int_eq(ids_choose(&s.jailer, &boxed, 0, &uid, &gid, &c), 0);
	ck_assert_uint_eq(uid, 0);
}
END_TEST

START_TEST(the_configuration_wins)
{
	settings_defaults(&s);
	s.jailer.has_ids_base = true;
	s.jailer.ids_base = 7000;
	s.jailer.devices[1] = (struct settings_ids){ true, 8000, 8001 };
	ck_assert_int_eq(ids_choose(&s.jailer, &root, 0, &uid, &gid, &c), 0);
	ck_assert_uint_eq(uid, 7000);
	ck_assert_int_eq(ids_choose(&s.jailer, &root, 1, &uid, &gid, &c), 0);
	ck_assert_uint_eq(uid, 7001);
	ck_assert_int_eq(ids_choose(&s.jailer, &root, 2, &uid, &gid, &c), 0);
	ck_assert_uint_eq(uid, 8000);
	ck_assert_uint_eq(gid, 8001);
}
END_TEST

START_TEST(ids_that_only_root_can_give_are_refused)
{
	settings_defaults(&s);
	s.jailer.vmm = (struct settings_ids){ true, 8000, 8001 };
	ck_assert_int_eq(ids_choose(&s.jailer, &plain, 0, &uid, &gid, &c),
			 -EINVAL);
	ck_assert_ptr_nonnull(strstr(c.text, "jailer.ids"));
	settings_defaults(&s);
	s.jailer.has_ids_base = true;
	s.jailer.ids_base = 7000;
	ck_assert_int_eq(ids_choose(&s.jailer, &plain, 0, &uid, &gid, &c),
			 -EINVAL);
}
END_TEST

START_TEST(a_map_holds_what_lies_in_one_of_its_lines)
{
	static const char host[] = "         0          0 4294967295\n";
	static const char box[] = "0 100000 65536\n70000 200000 10\n";

	ck_assert(ids_map_holds(host, 0, 4294967294u));
	ck_assert(!ids_map_holds(host, 0, 4294967295u));
	ck_assert(ids_map_holds(box, 0, 65535));
	ck_assert(!ids_map_holds(box, 0, 65536));
	ck_assert(ids_map_holds(box, 70000, 70009));
	ck_assert(!ids_map_holds(box, 70000, 70010));
	ck_assert(!ids_map_holds(box, 69999, 70005));
	ck_assert(!ids_map_holds("", 0, 0));
	ck_assert(!ids_map_holds("0 0", 0, 0));
	ck_assert(!ids_map_holds("x y z", 0, 0));
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		root_gives_each_process_an_id_of_its_own,
		neighbouring_launchers_do_not_share_ids,
		a_plain_account_keeps_its_own,
		root_without_our_range_keeps_its_own,
		the_configuration_wins,
		ids_that_only_root_can_give_are_refused,
		a_map_holds_what_lies_in_one_of_its_lines,
	};

	return unit_run("ids", tests, RF_ARRAY_LEN(tests));
}
