/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * test_liar.c - the guest notices every lie of its disk, and keeps the rules
 *
 * A guest that says "all compared" is worth as much as what it would not have
 * said it for. Skipped where there is no /dev/kvm.
 */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "unit/unit.h"

#include "guest.h"
#include "liar.h"
#include "plan.h"

/* Lost answers are given up soon; one round shows most. */
#define SOON " rf.timeout=1 rf.rounds=1"

static struct liar *disk;

static void new_disk(void)
{
	disk = liar_new();
	ck_assert_ptr_nonnull(disk);
}

static void free_disk(void)
{
	liar_free(disk);
	disk = NULL;
}

static void ends(const char *append, int status, const char *line)
{
	int ret = liar_boot(disk, append);

	ck_assert_msg(ret == status, "status %d, not %d:\n%s", ret, status,
		      disk->text);
	ck_assert_msg(strstr(disk->text, line), "no \"%s\" in:\n%s", line,
		      disk->text);
	ck_assert_msg(!disk->broken_rule, "the driver: %s", disk->broken_rule);
}

/* Where waiting in vain is the point it is short; elsewhere a busy machine must
 * not look like a lie. */
static const char *patience(int status)
{
	return status == GUEST_TIMEOUT || status == GUEST_LOST_INTERRUPT ||
			       status == GUEST_NO_RESET
		       ? "rf.timeout=1"
		       : "rf.timeout=8";
}

static void notices_in(const char *mode, enum liar_lie lie, int status,
		       const char *line)
{
	char append[64];

	(void)snprintf(append, sizeof(append), "rf.mode=%s rf.rounds=1 %s",
		       mode, patience(status));
	disk->lie = lie;
	ends(append, status, line);
}

static void notices(enum liar_lie lie, int status, const char *line)
{
	notices_in("irq", lie, status, line);
}

static void notices_polling(enum liar_lie lie, int status, const char *line)
{
	notices_in("poll", lie, status, line);
}

static void holds_last_round(uint32_t round)
{
	struct plan_extent extents[PLAN_EXTENTS_MAX];
	uint32_t nr = plan_round(disk->capacity, round, extents);
	uint32_t words[PLAN_SECTOR_WORDS];
	uint64_t sector;
	uint32_t i, j;

	for (i = 0; i < nr; i++) {
		for (j = 0; j < extents[i].nr_sectors; j++) {
			sector = extents[i].sector + j;
			plan_fill(words, plan_seed(sector, round, 0));
			ck_assert_mem_eq(disk->image +
						 sector * PLAN_SECTOR_BYTES,
					 words, sizeof(words));
		}
	}
}

START_TEST(honest_disk_is_compared_through_interrupts)
{
	ends("rf.rounds=3", GUEST_OK, "all compared\r\n");
	holds_last_round(2);
	ck_assert_uint_eq(disk->told_notified, disk->nr_notified);
	ck_assert_uint_eq(disk->told_compared, 3 * 96 * 1024 + 512);
}
END_TEST

START_TEST(honest_disk_is_compared_by_polling)
{
	ends("rf.mode=poll", GUEST_OK, "all compared\r\n");
	holds_last_round(1);
	ck_assert_uint_eq(disk->told_notified, disk->nr_notified);
}
END_TEST

START_TEST(features_may_be_missing)
{
	disk->features = LIAR_F_VERSION_1;
	ends("", GUEST_OK, "disk0: writes through, nothing to flush");
	holds_last_round(1);
}
END_TEST

START_TEST(shortest_queue_will_do)
{
	disk->queue_max = 8;
	disk->features &= ~LIAR_F_INDIRECT_DESC;
	ends("", GUEST_OK, "all compared\r\n");
	holds_last_round(1);
}
END_TEST

START_TEST(queue_that_is_too_short_is_refused)
{
	disk->queue_max = 4;
	ends("", GUEST_NO_QUEUE, "disk0: queue 0: 4 entries\r\n");
}
END_TEST

START_TEST(read_only_disk_is_not_written)
{
	uint64_t i;

	disk->features |= LIAR_F_RO;
	ends("", GUEST_OK, ", twice the same\r\nall compared\r\n");
	for (i = 0; i < disk->capacity * PLAN_SECTOR_BYTES; i++)
		ck_assert_uint_eq(disk->image[i], 0);
}
END_TEST

START_TEST(broken_queue_serves_again_after_its_reset)
{
	ends("rf.mode=lie", GUEST_OK,
	     "disk0: device asked for a reset, and serves again\r\n");
	holds_last_round(1);
}
END_TEST

START_TEST(notify_writes_are_counted)
{
	ends("rf.mode=doorbell rf.writes=123", GUEST_OK, "rang 123 times");
	ck_assert_uint_eq(disk->nr_notified, 123);
	ck_assert_uint_eq(disk->told_notified, 123);
}
END_TEST

START_TEST(start_information_without_its_magic)
{
	notices(LIAR_START_MAGIC, GUEST_NO_BOOT, "magic 0x336ec579");
}
END_TEST

START_TEST(memory_map_without_our_memory)
{
	notices(LIAR_START_NO_RAM, GUEST_NO_BOOT, "is no RAM");
}
END_TEST

START_TEST(version_1_not_offered)
{
	notices(LIAR_NO_VERSION_1, GUEST_NO_FEATURES, "not offer VERSION_1");
}
END_TEST

START_TEST(features_refused)
{
	notices(LIAR_FEATURES_REFUSED, GUEST_NO_FEATURES, "refused features");
}
END_TEST

START_TEST(configuration_that_never_rests)
{
	notices(LIAR_GENERATION_RUNS, GUEST_BAD_DEVICE, "never rests");
}
END_TEST

START_TEST(disk_that_holds_nothing)
{
	notices(LIAR_EMPTY, GUEST_BAD_DEVICE, "holds nothing");
}
END_TEST

START_TEST(queue_in_use_after_reset)
{
	notices(LIAR_QUEUE_IN_USE, GUEST_NO_QUEUE, "in use after reset");
}
END_TEST

START_TEST(queue_that_does_not_get_ready)
{
	notices(LIAR_QUEUE_NOT_READY, GUEST_NO_QUEUE, "does not get ready");
}
END_TEST

START_TEST(reset_that_does_not_end)
{
	notices(LIAR_RESET_STICKS, GUEST_NO_RESET, "the status stays 0x40");
}
END_TEST

START_TEST(driver_ok_that_does_not_stay)
{
	notices(LIAR_DRIVER_OK_DROPPED, GUEST_BAD_DEVICE, "after DRIVER_OK");
}
END_TEST

START_TEST(request_without_an_answer)
{
	notices(LIAR_NO_ANSWER, GUEST_TIMEOUT, "no answer to request");
}
END_TEST

START_TEST(request_without_an_answer_while_polling)
{
	notices_polling(LIAR_NO_ANSWER, GUEST_TIMEOUT, "no answer to request");
}
END_TEST

START_TEST(device_that_gives_up)
{
	notices(LIAR_GIVES_UP, GUEST_NEEDS_RESET, "DEVICE_NEEDS_RESET");
}
END_TEST

START_TEST(device_that_gives_up_while_polling)
{
	notices_polling(LIAR_GIVES_UP, GUEST_NEEDS_RESET, "DEVICE_NEEDS_RESET");
}
END_TEST

START_TEST(used_head_beyond_the_ring)
{
	notices(LIAR_HEAD_BEYOND, GUEST_BAD_USED, "head 64 given back");
}
END_TEST

START_TEST(used_head_that_was_not_out)
{
	notices(LIAR_HEAD_NOT_OUT, GUEST_BAD_USED, "but it was not out");
}
END_TEST

START_TEST(used_length_too_long)
{
	notices(LIAR_LEN_LONG, GUEST_BAD_USED, "used length 2, not 1");
}
END_TEST

START_TEST(used_length_of_nothing)
{
	notices(LIAR_LEN_ZERO, GUEST_BAD_USED, "used length 0, not 1");
}
END_TEST

START_TEST(status_of_a_failure)
{
	notices(LIAR_STATUS_WRONG, GUEST_BAD_STATUS, "status 1, not 0");
}
END_TEST

START_TEST(status_that_was_not_written)
{
	notices(LIAR_STATUS_UNTOUCHED, GUEST_BAD_STATUS, "status 238, not 0");
}
END_TEST

START_TEST(interrupt_that_does_not_come)
{
	notices(LIAR_NO_INTERRUPT, GUEST_LOST_INTERRUPT,
		"answered, but interrupt 5 did not come");
}
END_TEST

START_TEST(interrupt_that_does_not_come_is_not_missed_by_polling)
{
	notices_polling(LIAR_NO_INTERRUPT, GUEST_OK, "all compared\r\n");
}
END_TEST

START_TEST(requests_beyond_the_end_that_are_accepted)
{
	notices(LIAR_ACCEPTS_ANYTHING, GUEST_BAD_STATUS, "status 0, not 1");
}
END_TEST

START_TEST(data_in_the_next_sector)
{
	notices(LIAR_WRITE_MISPLACED, GUEST_MISCOMPARE, "begins 0x");
}
END_TEST

START_TEST(pieces_taken_for_one)
{
	notices(LIAR_WRITE_PIECES_MERGED, GUEST_MISCOMPARE, "disk0: sector ");
}
END_TEST

START_TEST(write_that_was_forgotten)
{
	notices(LIAR_WRITE_FORGOTTEN, GUEST_MISCOMPARE, "begins 0x0, not");
}
END_TEST

START_TEST(write_that_reads)
{
	disk->features &= ~LIAR_F_WRITE_ZEROES;
	notices(LIAR_WRITE_BACKWARDS, GUEST_MISCOMPARE, "begins 0x0, not");
}
END_TEST

START_TEST(one_bit_of_a_read)
{
	notices(LIAR_READ_BIT_FLIPPED, GUEST_MISCOMPARE,
		"sector 259 word 125: 0x");
}
END_TEST

START_TEST(zeroes_that_were_forgotten)
{
	notices(LIAR_ZEROES_FORGOTTEN, GUEST_MISCOMPARE,
		"sector 2047 word 0: 0xa5a5a5a5, not 0x0");
}
END_TEST

START_TEST(lying_driver_is_believed)
{
	disk->lie = LIAR_HEAD_SWALLOWED;
	ends("rf.mode=lie" SOON, GUEST_NO_RESET,
	     "took a head that does not exist");
}
END_TEST

START_TEST(reset_that_is_asked_for_in_silence)
{
	disk->lie = LIAR_NO_CONFIG_INTERRUPT;
	ends("rf.mode=lie" SOON, GUEST_LOST_INTERRUPT,
	     "asks for a reset, but interrupt 5 did not come");
}
END_TEST

static int run_all(const TTest *const *tests, size_t nr)
{
	Suite *suite = suite_create("liar");
	TCase *tcase = tcase_create("liar");
	SRunner *runner = srunner_create(suite);
	size_t i;
	int failed;

	tcase_set_timeout(tcase, 30);
	tcase_add_checked_fixture(tcase, new_disk, free_disk);
	for (i = 0; i < nr; i++)
		tcase_add_test(tcase, tests[i]);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

int main(void)
{
	const TTest *const tests[] = {
		honest_disk_is_compared_through_interrupts,
		honest_disk_is_compared_by_polling,
		features_may_be_missing,
		shortest_queue_will_do,
		queue_that_is_too_short_is_refused,
		read_only_disk_is_not_written,
		broken_queue_serves_again_after_its_reset,
		notify_writes_are_counted,
		start_information_without_its_magic,
		memory_map_without_our_memory,
		version_1_not_offered,
		features_refused,
		configuration_that_never_rests,
		disk_that_holds_nothing,
		queue_in_use_after_reset,
		queue_that_does_not_get_ready,
		reset_that_does_not_end,
		driver_ok_that_does_not_stay,
		request_without_an_answer,
		request_without_an_answer_while_polling,
		device_that_gives_up,
		device_that_gives_up_while_polling,
		used_head_beyond_the_ring,
		used_head_that_was_not_out,
		used_length_too_long,
		used_length_of_nothing,
		status_of_a_failure,
		status_that_was_not_written,
		interrupt_that_does_not_come,
		interrupt_that_does_not_come_is_not_missed_by_polling,
		requests_beyond_the_end_that_are_accepted,
		data_in_the_next_sector,
		pieces_taken_for_one,
		write_that_was_forgotten,
		write_that_reads,
		one_bit_of_a_read,
		zeroes_that_were_forgotten,
		lying_driver_is_believed,
		reset_that_is_asked_for_in_silence,
	};
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);

	if (kvm < 0)
		return unit_skip("liar", "/dev/kvm cannot be opened");
	close(kvm);
	return run_all(tests, RF_ARRAY_LEN(tests));
}
