/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * test_cmdline.c - twin of cmdline.c: what is taken, and what is not
 */
#include <string.h>

#include "unit/unit.h"

#include "driver/features.h"
#include "driver/guest.h"

static struct guest_options options;

static void takes(const char *text)
{
	const char *bad = cmdline_parse(text, &options);

	ck_assert_msg(!bad, "\"%s\" stopped at \"%s\"", text, bad ? bad : "");
}

static void refuses(const char *text, const char *at)
{
	const char *bad = cmdline_parse(text, &options);

	ck_assert_msg(bad, "\"%s\" was taken", text);
	ck_assert_str_eq(bad, at);
}

START_TEST(without_words_there_are_defaults)
{
	takes("");
	ck_assert_int_eq(options.mode, GUEST_MODE_IRQ);
	ck_assert_uint_eq(options.rounds, 2);
	ck_assert_uint_eq(options.timeout_s, 10);
	ck_assert_uint_eq(options.nr_devices, 0);
	takes(" \t \n");
}
END_TEST

START_TEST(words_of_others_are_passed_over)
{
	takes("console=ttyS0 quiet rfmode=x virtio_mmio.driver=1 r rf");
	ck_assert_int_eq(options.mode, GUEST_MODE_IRQ);
	ck_assert_uint_eq(options.nr_devices, 0);
}
END_TEST

START_TEST(devices_are_read_as_linux_reads_them)
{
	takes("virtio_mmio.device=4K@0xd0000000:5 quiet "
	      "virtio_mmio.device=512@0xFEB00e00:12:7 "
	      "virtio_mmio.device=1M@3489660928:0 rf.device=4K@0xd000b000:16");
	ck_assert_uint_eq(options.nr_devices, 4);
	ck_assert_uint_eq(options.devices[0].base, 0xd0000000u);
	ck_assert_uint_eq(options.devices[0].len_bytes, 4096);
	ck_assert_uint_eq(options.devices[0].irq, 5);
	ck_assert_uint_eq(options.devices[1].base, 0xfeb00e00u);
	ck_assert_uint_eq(options.devices[1].len_bytes, 512);
	ck_assert_uint_eq(options.devices[1].irq, 12);
	ck_assert_uint_eq(options.devices[2].base, 0xd0000000u);
	ck_assert_uint_eq(options.devices[2].len_bytes, 1 << 20);
	ck_assert_uint_eq(options.devices[3].base, 0xd000b000u);
	ck_assert_uint_eq(options.devices[3].irq, 16);
}
END_TEST

START_TEST(a_device_ends_at_the_top_and_not_beyond)
{
	takes("virtio_mmio.device=4K@0xfffff000:5");
	refuses("virtio_mmio.device=4100@0xfffff000:5",
		"virtio_mmio.device=4100@0xfffff000:5");
	refuses("virtio_mmio.device=4K@0x100000000:5",
		"virtio_mmio.device=4K@0x100000000:5");
	refuses("virtio_mmio.device=4K@0xd0000002:5",
		"virtio_mmio.device=4K@0xd0000002:5");
}
END_TEST

START_TEST(a_device_must_be_whole)
{
	static const char *const broken[] = {
		"virtio_mmio.device=",
		"virtio_mmio.device=4K",
		"virtio_mmio.device=4K@",
		"virtio_mmio.device=4K@0x:5",
		"virtio_mmio.device=4K@0xd0000000",
		"virtio_mmio.device=4K@0xd0000000:",
		"virtio_mmio.device=4K@0xd0000000:5:",
		"virtio_mmio.device=4K@0xd0000000:5x",
		"virtio_mmio.device=4K@0xd0000000:-5",
		"virtio_mmio.device=0@0xd0000000:5",
		"virtio_mmio.device=4T@0xd0000000:5",
		"virtio_mmio.device=4096M@0xd0000000:5",
		"virtio_mmio.device=4KK@0xd0000000:5",
		"virtio_mmio.device=4K@0xd0000000:4294967296",
	};
	size_t i;

	for (i = 0; i < RF_ARRAY_LEN(broken); i++)
		refuses(broken[i], broken[i]);
}
END_TEST

START_TEST(more_devices_than_the_table_holds_are_refused)
{
	static const char one[] = "virtio_mmio.device=4K@0xd0000000:5 ";
	char text[sizeof(one) * (GUEST_DEVICES_MAX + 1)];
	char *at = text;
	uint32_t i;

	for (i = 0; i < GUEST_DEVICES_MAX; i++, at += sizeof(one) - 1)
		memcpy(at, one, sizeof(one));
	takes(text);
	ck_assert_uint_eq(options.nr_devices, GUEST_DEVICES_MAX);
	memcpy(at, one, sizeof(one));
	refuses(text, one);
	ck_assert_uint_eq(options.nr_devices, GUEST_DEVICES_MAX);
}
END_TEST

START_TEST(every_mode_has_its_word)
{
	char text[64];
	int i;

	for (i = 0; i < GUEST_NR_MODES; i++) {
		snprintf(text, sizeof(text), "rf.mode=%s",
			 cmdline_mode_name((enum guest_mode)i));
		takes(text);
		ck_assert_int_eq(options.mode, i);
	}
	refuses("rf.mode=", "rf.mode=");
	refuses("rf.mode=ir", "rf.mode=ir");
	refuses("rf.mode=irqs", "rf.mode=irqs");
	refuses("rf.mode=IRQ quiet", "rf.mode=IRQ quiet");
}
END_TEST

START_TEST(numbers_have_bounds)
{
	takes("rf.rounds=1000000 rf.writes=0xffffffff rf.timeout=3600");
	ck_assert_uint_eq(options.rounds, 1000000);
	ck_assert_uint_eq(options.writes, UINT32_MAX);
	ck_assert_uint_eq(options.timeout_s, 3600);
	takes("rf.writes=0");
	refuses("quiet rf.rounds=0", "rf.rounds=0");
	refuses("rf.rounds=1000001", "rf.rounds=1000001");
	refuses("rf.rounds=", "rf.rounds=");
	refuses("rf.rounds=3x", "rf.rounds=3x");
	refuses("rf.rounds=+3", "rf.rounds=+3");
	refuses("rf.writes=4294967296", "rf.writes=4294967296");
	refuses("rf.writes=0x100000000", "rf.writes=0x100000000");
	refuses("rf.timeout=3601", "rf.timeout=3601");
	refuses("rf.timeout=0", "rf.timeout=0");
}
END_TEST

START_TEST(a_misspelt_word_of_ours_is_refused)
{
	refuses("quiet rf.round=3 rf.mode=irq", "rf.round=3 rf.mode=irq");
	refuses("rf.", "rf.");
	refuses("rf.mode irq", "rf.mode irq");
}
END_TEST

START_TEST(features_are_asked_for_and_left)
{
	takes("rf.features=+ring_packed,-event_idx,+in_order rf.queues=8");
	ck_assert_uint_eq(options.needs_features,
			  FEATURE_RING_PACKED | FEATURE_IN_ORDER);
	ck_assert_uint_eq(options.shuns_features, FEATURE_EVENT_IDX);
	ck_assert_uint_eq(options.queues, 8);
	takes("rf.features=+version_1");
	takes("");
	ck_assert_uint_eq(options.needs_features, 0);
	ck_assert_uint_eq(options.shuns_features, 0);
	ck_assert_uint_eq(options.queues, 0);
}
END_TEST

START_TEST(every_feature_has_a_name_of_its_own)
{
	char text[64];
	uint64_t seen = 0;
	uint32_t i;

	for (i = 0; i < FEATURES_NR; i++) {
		ck_assert_uint_eq(seen & features[i].mask, 0);
		seen |= features[i].mask;
		snprintf(text, sizeof(text), "rf.features=+%s",
			 features[i].name);
		takes(text);
		ck_assert_uint_eq(options.needs_features, features[i].mask);
	}
	ck_assert_uint_eq(seen, features_known());
}
END_TEST

START_TEST(a_list_of_features_must_be_whole)
{
	static const char *const broken[] = {
		"rf.features=",
		"rf.features=event_idx",
		"rf.features=+",
		"rf.features=+event_id",
		"rf.features=+event_idxx",
		"rf.features=+event_idx,",
		"rf.features=+event_idx,,-flush",
		"rf.features=+event_idx-flush",
		"rf.features=,+event_idx",
		"rf.features=+EVENT_IDX",
		"rf.features=-version_1",
		"rf.queues=0",
		"rf.queues=9",
		"rf.queues=",
	};
	size_t i;

	for (i = 0; i < RF_ARRAY_LEN(broken); i++)
		refuses(broken[i], broken[i]);
}
END_TEST

START_TEST(the_last_of_two_counts)
{
	takes("rf.features=+mq rf.features=-mq");
	ck_assert_uint_eq(options.needs_features, 0);
	ck_assert_uint_eq(options.shuns_features, FEATURE_MQ);
	takes("rf.rounds=3 rf.rounds=4");
	ck_assert_uint_eq(options.rounds, 4);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		without_words_there_are_defaults,
		words_of_others_are_passed_over,
		devices_are_read_as_linux_reads_them,
		a_device_ends_at_the_top_and_not_beyond,
		a_device_must_be_whole,
		more_devices_than_the_table_holds_are_refused,
		every_mode_has_its_word,
		numbers_have_bounds,
		a_misspelt_word_of_ours_is_refused,
		features_are_asked_for_and_left,
		every_feature_has_a_name_of_its_own,
		a_list_of_features_must_be_whole,
		the_last_of_two_counts,
	};

	return unit_run("cmdline", tests, RF_ARRAY_LEN(tests));
}
