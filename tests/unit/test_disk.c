/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * test_disk.c - twin of src/launcher/disk.c
 */
#include <errno.h>
#include <string.h>

#include "launcher/disk.h"
#include "unit/unit.h"

static struct disk disk;
static struct complaint c;

static void setup(void)
{
	disk = (struct disk){ .map_mib = DISK_MAP_DEFAULT,
			      .poll_us = DISK_POLL_AUTO,
			      .fd = -1 };
	c.text[0] = '\0';
}

static void taken(const char *word)
{
	ck_assert_msg(disk_word(&disk, "--disk", word, &c) == 0, "%s: %s", word,
		      c.text);
}

/* Refused with that in the sentence, and nothing changed. */
static void refused(const char *word, const char *says)
{
	const struct disk before = disk;

	ck_assert_int_eq(disk_word(&disk, "--disk", word, &c), -EINVAL);
	ck_assert_msg(strncmp(c.text, "--disk: ", 8) == 0, "%s", c.text);
	ck_assert_msg(strstr(c.text, says) != NULL, "%s", c.text);
	ck_assert_mem_eq(&disk, &before, sizeof(disk));
}

START_TEST(each_word_sets_its_own)
{
	setup();
	taken("ro");
	taken("direct");
	taken("io=uring");
	taken("queues=8");
	taken("map-mib=65536");
	taken("poll-us=1000000");
	taken("serial=12345678901234567890");
	taken("iops=1");
	taken("without=ring_packed+event_idx");
	taken("bandwidth=1G");
	ck_assert(disk.read_only && disk.direct);
	ck_assert_str_eq(disk_io_name(disk.io), "uring");
	ck_assert_uint_eq(disk.queues, 8);
	ck_assert_int_eq(disk.map_mib, 65536);
	ck_assert_int_eq(disk.poll_us, 1000000);
	ck_assert_str_eq(disk.serial, "12345678901234567890");
	ck_assert_str_eq(disk.without, "ring_packed+event_idx");
	ck_assert_uint_eq(disk.limits.ops_per_s, 1);
	ck_assert_uint_eq(disk.limits.bytes_per_s, 1u << 30);
	taken("rw");
	taken("poll-us=auto");
	taken("iops=0");
	ck_assert(!disk.read_only);
	ck_assert_int_eq(disk.poll_us, DISK_POLL_AUTO);
	ck_assert_uint_eq(disk.limits.ops_per_s, 0);
}
END_TEST

START_TEST(what_is_no_word_is_refused)
{
	setup();
	refused("", "is none of ro");
	refused("RO", "is none of ro");
	refused("ro ", "is none of ro");
	refused("=", "is none of ro");
	refused("readonlyreadonlyreadonlyreadonly=1", "is none of ro");
	refused("iopsx=1", "is none of ro");
	refused("direct=1", "direct takes no value");
	refused("queues", "queues takes a value");
	refused("io=aio", "\"aio\" is none of auto, uring, sync");
	refused("io=", "\"\" is none of auto, uring, sync");
}
END_TEST

START_TEST(values_beside_their_bounds_are_refused)
{
	setup();
	refused("queues=0", "\"0\"");
	refused("queues=9", "within 1 and 8");
	refused("queues=1x", "\"1x\"");
	refused("map-mib=65537", "up to 65536");
	refused("map-mib=-1", "\"-1\"");
	refused("poll-us=1000001", "up to 1000000");
	refused("poll-us=-1", "\"-1\"");
	refused("poll-us=", "\"\"");
	refused("serial=", "0 characters");
	refused("serial=123456789012345678901", "21 characters");
	refused("without=", "no list of features");
	refused("without=a b", "no list of features");
	refused("iops=1K", "number of operations");
	refused("iops=1125899906842625", "number of operations");
	refused("iops-burst=x", "iops-burst");
	refused("bandwidth=fast", "is not a size");
	refused("bandwidth=1025T", "is not a size");
	refused("bandwidth-burst=-1", "is not a size");
	taken("bandwidth=1024T");
	taken("iops=1125899906842624");
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		each_word_sets_its_own,
		what_is_no_word_is_refused,
		values_beside_their_bounds_are_refused,
	};

	return unit_run("disk", tests, RF_ARRAY_LEN(tests));
}
