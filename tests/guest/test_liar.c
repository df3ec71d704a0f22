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

#include "driver/guest.h"
#include "liar.h"
#include "driver/plan.h"

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
	ck_assert_uint_eq(disk->told_compared, (uint64_t)3 * 96 * 1024);
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

START_TEST(read_that_lands_after_the_reset)
{
	disk->lie = LIAR_RESET_READS_ON;
	ends("rf.mode=reset", GUEST_NO_RESET,
	     "of our memory was 0x5a5a5a5a, and is 0x5a5a5aa5 after the reset");
}
END_TEST

START_TEST(disk_is_reset_under_its_reads)
{
	ends("rf.mode=reset", GUEST_OK, "disk0: was reset, round 2\r\n");
	holds_last_round(1);
}
END_TEST

START_TEST(disk_too_small_to_be_reset_under_its_reads)
{
	disk->capacity = 63;
	liar_set_config(disk, LIAR_CONFIG_CAPACITY, 4, 63);
	ends("rf.mode=reset", GUEST_NO_DISK, "too small for this");
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
		"sector 2047 word 0: 0x5a5a5a5a, not 0x0");
}
END_TEST

START_TEST(lying_driver_is_believed)
{
	disk->lie = LIAR_HEAD_SWALLOWED;
	ends("rf.mode=lie" SOON, GUEST_NO_RESET,
	     "took what no driver may hand over");
}
END_TEST

START_TEST(reset_that_is_asked_for_in_silence)
{
	disk->lie = LIAR_NO_CONFIG_INTERRUPT;
	ends("rf.mode=lie" SOON, GUEST_LOST_INTERRUPT,
	     "asks for a reset, but interrupt 5 did not come");
}
END_TEST

/* --- every feature ------------------------------------------------------- */

static void says(const char *line)
{
	ck_assert_msg(strstr(disk->text, line), "no \"%s\" in:\n%s", line,
		      disk->text);
}

/* Five features of the rings, on and off; in order with and without batches. */
enum { RING_FORMS = 48 };
START_TEST(every_form_of_ring_is_driven)
{
	static const uint64_t bits[] = {
		LIAR_F_RING_PACKED,   LIAR_F_EVENT_IDX,
		LIAR_F_INDIRECT_DESC, LIAR_F_NOTIFICATION_DATA,
		LIAR_F_IN_ORDER,
	};
	size_t i;

	disk->features |= LIAR_F_ALL;
	for (i = 0; i < RF_ARRAY_LEN(bits); i++)
		if (_i & 1 << i)
			disk->features &= ~bits[i];
	/* From 32 on: in order, and so in batches. */
	disk->batches = _i & 1 << RF_ARRAY_LEN(bits);
	if (disk->batches)
		disk->features |= LIAR_F_IN_ORDER;
	ends("rf.rounds=1", GUEST_OK, "all compared\r\n");
	holds_last_round(0);
	ck_assert_uint_eq(disk->told_notified, disk->nr_notified);
	ck_assert_uint_eq(disk->nr_queue_resets, 2);
	ck_assert_int_eq(disk->nr_indirect > 0,
			 !!(disk->features & LIAR_F_INDIRECT_DESC));
	ck_assert_uint_eq(disk->driver_features, disk->features);
}
END_TEST

static void make_packed(void)
{
	disk->features = LIAR_F_FLUSH | LIAR_F_VERSION_1 | LIAR_F_EVENT_IDX |
			 LIAR_F_INDIRECT_DESC | LIAR_F_RING_PACKED;
}

static void notices_packed(enum liar_lie lie, int status, const char *line)
{
	make_packed();
	notices(lie, status, line);
}

START_TEST(packed_buffer_beyond_the_ring)
{
	notices_packed(LIAR_HEAD_BEYOND, GUEST_BAD_USED, "head 64 given back");
}
END_TEST

START_TEST(packed_buffer_that_was_not_out)
{
	notices_packed(LIAR_HEAD_NOT_OUT, GUEST_BAD_USED, "but it was not out");
}
END_TEST

START_TEST(packed_buffer_given_back_on_the_wrong_lap)
{
	notices_packed(LIAR_WRAP_WRONG, GUEST_TIMEOUT, "no answer to request");
}
END_TEST

START_TEST(packed_length_too_long)
{
	notices_packed(LIAR_LEN_LONG, GUEST_BAD_USED, "used length 2, not 1");
}
END_TEST

START_TEST(packed_length_of_nothing)
{
	notices_packed(LIAR_LEN_ZERO, GUEST_BAD_USED, "used length 0, not 1");
}
END_TEST

START_TEST(packed_request_without_an_answer)
{
	notices_packed(LIAR_NO_ANSWER, GUEST_TIMEOUT, "no answer to request");
}
END_TEST

START_TEST(packed_interrupt_that_does_not_come)
{
	notices_packed(LIAR_NO_INTERRUPT, GUEST_LOST_INTERRUPT,
		       "answered, but interrupt 5 did not come");
}
END_TEST

START_TEST(packed_status_that_was_not_written)
{
	notices_packed(LIAR_STATUS_UNTOUCHED, GUEST_BAD_STATUS,
		       "status 238, not 0");
}
END_TEST

START_TEST(packed_queue_that_is_broken_serves_again_after_its_reset)
{
	make_packed();
	ends("rf.mode=lie", GUEST_OK,
	     "disk0: device asked for a reset, and serves again\r\n");
	holds_last_round(1);
}
END_TEST

START_TEST(packed_lying_driver_is_believed)
{
	make_packed();
	disk->lie = LIAR_HEAD_SWALLOWED;
	ends("rf.mode=lie" SOON, GUEST_NO_RESET,
	     "took what no driver may hand over");
}
END_TEST

START_TEST(shortest_packed_queue_will_do)
{
	make_packed();
	disk->queue_max = 8;
	disk->features &= ~LIAR_F_INDIRECT_DESC;
	ends("", GUEST_OK, "all compared\r\n");
	holds_last_round(1);
}
END_TEST

/* A packed ring cannot tell this from two that are done at once. */
START_TEST(answers_out_of_order)
{
	disk->features |= LIAR_F_IN_ORDER;
	disk->nth = 45; /* a read among others: the driver is not busy */
	notices_polling(LIAR_OUT_OF_ORDER, GUEST_BAD_USED, "before its elders");
}
END_TEST

START_TEST(answers_out_of_order_where_no_order_was_agreed)
{
	notices_polling(LIAR_OUT_OF_ORDER, GUEST_OK, "all compared\r\n");
}
END_TEST

START_TEST(packed_answers_out_of_order_where_no_order_was_agreed)
{
	make_packed();
	notices_polling(LIAR_OUT_OF_ORDER, GUEST_OK, "all compared\r\n");
}
END_TEST

START_TEST(every_queue_is_used)
{
	disk->features = LIAR_F_ALL;
	liar_set_config(disk, LIAR_CONFIG_NUM_QUEUES, 2, 4);
	ends("", GUEST_OK, "disk0: 4 queues of 64");
	ck_assert_uint_eq(disk->queues_used, 0xf);
	holds_last_round(1);
}
END_TEST

START_TEST(fewer_queues_are_used_if_asked_for)
{
	disk->features = LIAR_F_ALL;
	liar_set_config(disk, LIAR_CONFIG_NUM_QUEUES, 2, 4);
	ends("rf.queues=2", GUEST_OK, "disk0: 2 queues of 64");
	ck_assert_uint_eq(disk->queues_used, 3);
}
END_TEST

START_TEST(more_queues_than_there_are)
{
	disk->features = LIAR_F_ALL;
	liar_set_config(disk, LIAR_CONFIG_NUM_QUEUES, 2, 4);
	ends("rf.queues=5", GUEST_NOT_OFFERED,
	     "disk0: 5 queues: not offered, there are 4\r\n");
}
END_TEST

START_TEST(queues_without_the_feature)
{
	disk->features = LIAR_F_ALL & ~LIAR_F_MQ;
	ends("rf.queues=2", GUEST_NOT_OFFERED, "not offered, there are 1\r\n");
}
END_TEST

START_TEST(feature_that_is_not_offered)
{
	ends("rf.features=-flush,+ring_packed", GUEST_NOT_OFFERED,
	     "disk0: ring_packed: not offered\r\n");
}
END_TEST

START_TEST(features_are_left_if_asked_to)
{
	disk->features = LIAR_F_ALL;
	ends("rf.features=-ring_packed,+event_idx,-flush,-ring_reset", GUEST_OK,
	     "disk0: writes through, nothing to flush");
	ck_assert_uint_eq(disk->driver_features,
			  LIAR_F_ALL & ~(LIAR_F_RING_PACKED | LIAR_F_FLUSH |
					 LIAR_F_RING_RESET));
	ck_assert_uint_eq(disk->nr_queue_resets, 0);
}
END_TEST

START_TEST(limits_are_kept_to_and_then_passed)
{
	disk->features = LIAR_F_ALL;
	liar_set_config(disk, LIAR_CONFIG_SEG_MAX, 4, 20);
	liar_set_config(disk, LIAR_CONFIG_SIZE_MAX, 4, 4096);
	ends("", GUEST_OK, "disk0: took a request of 20 pieces\r\n");
	/* Once too many of them, once too long a one. */
	ck_assert_uint_eq(disk->nr_exceeded, 2);
	holds_last_round(1);
}
END_TEST

START_TEST(two_pieces_are_enough)
{
	disk->features = LIAR_F_VERSION_1 | LIAR_F_SEG_MAX;
	liar_set_config(disk, LIAR_CONFIG_SEG_MAX, 4, 2);
	ends("", GUEST_OK, "disk0: took a request of 2 pieces\r\n");
	ck_assert_uint_eq(disk->nr_exceeded, 1);
	holds_last_round(1);
}
END_TEST

START_TEST(one_piece_is_too_few)
{
	disk->features = LIAR_F_VERSION_1 | LIAR_F_SEG_MAX;
	liar_set_config(disk, LIAR_CONFIG_SEG_MAX, 4, 1);
	ends("", GUEST_BAD_DEVICE, "are too few for us\r\n");
}
END_TEST

START_TEST(block_features_are_tried)
{
	disk->features = LIAR_F_ALL;
	ends("rf.rounds=1", GUEST_OK, "its cache switched and switched back");
	says("disk0: zeroed a sector without sending it zeroes, kept or given "
	     "up\r\n");
	says("disk0: discarded a sector and none beside it\r\n");
	says("disk0: took a request of 62 pieces\r\n");
	says("requests asked again\r\n");
}
END_TEST

START_TEST(configuration_that_makes_no_sense)
{
	static const struct {
		enum liar_config field;
		uint32_t len;
		uint32_t value;
		const char *line;
	} cases[] = {
		{ LIAR_CONFIG_SIZE_MAX, 4, 511, "size_max is 511" },
		{ LIAR_CONFIG_SEG_MAX, 4, 0, "seg_max is 0" },
		{ LIAR_CONFIG_BLK_SIZE, 4, 0, "blk_size is 0" },
		{ LIAR_CONFIG_BLK_SIZE, 4, 1536, "blk_size is 1536" },
		{ LIAR_CONFIG_BLK_SIZE, 4, 131072, "blk_size is 131072" },
		{ LIAR_CONFIG_PHYSICAL_EXP, 1, 17, "block_exp is 17" },
		{ LIAR_CONFIG_ALIGNMENT, 1, 8, "alignment_offset is 8" },
		{ LIAR_CONFIG_NUM_QUEUES, 2, 0, "num_queues is 0" },
		{ LIAR_CONFIG_DISCARD_SECTORS, 4, 0, "discard_sectors is 0" },
		{ LIAR_CONFIG_DISCARD_RANGES, 4, 0, "discard_seg is 0" },
		{ LIAR_CONFIG_DISCARD_ALIGNMENT, 4, 0, "alignment is 0" },
		{ LIAR_CONFIG_ZEROES_SECTORS, 4, 0, "zeroes_sectors is 0" },
		{ LIAR_CONFIG_ZEROES_RANGES, 4, 0, "write_zeroes_seg is 0" },
		{ LIAR_CONFIG_WRITEBACK, 1, 2, "writeback is 2" },
	};

	ck_assert_uint_lt((size_t)_i, RF_ARRAY_LEN(cases));
	disk->features = LIAR_F_ALL;
	liar_set_config(disk, cases[_i].field, cases[_i].len, cases[_i].value);
	ends("rf.rounds=1", GUEST_BAD_DEVICE, cases[_i].line);
}
END_TEST
enum { CONFIGURATIONS = 14 };

static void notices_with_all(enum liar_lie lie, int status, const char *line)
{
	disk->features = LIAR_F_ALL;
	notices(lie, status, line);
}

START_TEST(cache_that_cannot_be_switched)
{
	notices_with_all(LIAR_WRITEBACK_STUCK, GUEST_BAD_DEVICE,
			 "writeback is 1, set to 0");
}
END_TEST

START_TEST(discard_that_takes_too_much)
{
	notices_with_all(LIAR_DISCARD_WIDE, GUEST_MISCOMPARE,
			 "sector 2046 word 0: 0x0, not 0x5a5a5a5a");
}
END_TEST

START_TEST(pieces_in_another_order)
{
	notices_with_all(LIAR_PIECES_SHUFFLED, GUEST_MISCOMPARE,
			 "a piece of 62");
}
END_TEST

START_TEST(queue_reset_that_does_not_end)
{
	notices_with_all(LIAR_QUEUE_RESET_STICKS, GUEST_NO_RESET,
			 "queue 0: its reset does not end");
}
END_TEST

START_TEST(queue_reset_that_leaves_it_in_use)
{
	notices_with_all(LIAR_QUEUE_RESET_IN_USE, GUEST_NO_RESET,
			 "queue 0: reset, and still in use");
}
END_TEST

START_TEST(queue_that_goes_on_where_it_was)
{
	disk->features = LIAR_F_ALL & ~(LIAR_F_RING_PACKED | LIAR_F_IN_ORDER);
	disk->lie = LIAR_QUEUE_RESET_FORGETS;
	ck_assert_int_ne(liar_boot(disk, "rf.rounds=1 rf.timeout=1"), GUEST_OK);
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
	tcase_add_loop_test(tcase, every_form_of_ring_is_driven, 0, RING_FORMS);
	tcase_add_loop_test(tcase, configuration_that_makes_no_sense, 0,
			    CONFIGURATIONS);
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
		read_that_lands_after_the_reset,
		disk_is_reset_under_its_reads,
		disk_too_small_to_be_reset_under_its_reads,
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
		packed_buffer_beyond_the_ring,
		packed_buffer_that_was_not_out,
		packed_buffer_given_back_on_the_wrong_lap,
		packed_length_too_long,
		packed_length_of_nothing,
		packed_request_without_an_answer,
		packed_interrupt_that_does_not_come,
		packed_status_that_was_not_written,
		packed_queue_that_is_broken_serves_again_after_its_reset,
		packed_lying_driver_is_believed,
		shortest_packed_queue_will_do,
		answers_out_of_order,
		answers_out_of_order_where_no_order_was_agreed,
		packed_answers_out_of_order_where_no_order_was_agreed,
		every_queue_is_used,
		fewer_queues_are_used_if_asked_for,
		more_queues_than_there_are,
		queues_without_the_feature,
		feature_that_is_not_offered,
		features_are_left_if_asked_to,
		limits_are_kept_to_and_then_passed,
		two_pieces_are_enough,
		one_piece_is_too_few,
		block_features_are_tried,
		cache_that_cannot_be_switched,
		discard_that_takes_too_much,
		pieces_in_another_order,
		queue_reset_that_does_not_end,
		queue_reset_that_leaves_it_in_use,
		queue_that_goes_on_where_it_was,
	};
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);

	if (kvm < 0)
		return unit_skip("liar", "/dev/kvm cannot be opened");
	close(kvm);
	return run_all(tests, RF_ARRAY_LEN(tests));
}
