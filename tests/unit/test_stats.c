/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * test_stats.c - twin of src/vmm/stats.c, on files in the place of KVM's
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <ringfence/fence.h>

#include "unit/unit.h"
#include "vmm/stats.h"

#define NAME_BYTES 48u
#define NR_DESCS 3u

/* As struct kvm_stats_desc, whose name is of a length said elsewhere. */
struct one {
	uint32_t flags;
	int16_t exponent;
	uint16_t size;
	uint32_t offset;
	uint32_t bucket_size;
	char name[NAME_BYTES];
};
static_assert(offsetof(struct one, name) == sizeof(struct kvm_stats_desc),
	      "KVM API, 4.133");
static_assert(offsetof(struct one, size) ==
		      offsetof(struct kvm_stats_desc, size),
	      "KVM API, 4.133");

struct file {
	struct kvm_stats_header header;
	struct one descs[NR_DESCS];
	uint64_t data[NR_DESCS];
};

static struct file file;
static uint32_t nr_asked;
static uint32_t refuse_at;

int __wrap_ioctl(int fd, unsigned long request, ...);

int __wrap_ioctl(int fd, unsigned long request, ...)
{
	int out;

	ck_assert_uint_eq(request, KVM_GET_STATS_FD);
	ck_assert_int_eq(fd, RF_FD_VCPUS + (int)nr_asked);
	if (nr_asked++ == refuse_at) {
		errno = ENOTTY;
		return -1;
	}
	out = memfd_create("stats", MFD_CLOEXEC);
	ck_assert_int_eq(pwrite(out, &file, sizeof(file), 0), sizeof(file));
	/* Each vCPU has counted more than the one before. */
	file.data[1] += 100;
	return out;
}

static void setup(void)
{
	static const char *const names[NR_DESCS] = { "exits", "mmio_exits",
						     "mmio_exits_more" };
	uint32_t i;

	memset(&file, 0, sizeof(file));
	nr_asked = 0;
	refuse_at = UINT32_MAX;
	file.header.name_size = NAME_BYTES;
	file.header.num_desc = NR_DESCS;
	file.header.desc_offset = offsetof(struct file, descs);
	file.header.data_offset = offsetof(struct file, data);
	for (i = 0; i < NR_DESCS; i++) {
		file.descs[i].size = 1;
		file.descs[i].offset = i * 8;
		memcpy(file.descs[i].name, names[i], strlen(names[i]) + 1);
	}
	file.data[1] = 7;
}

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

/* Nothing to be had: nothing open, nothing said. */
static void nothing(uint32_t nr)
{
	struct rf_report report = { .kvm_exits_mmio = 3 };
	struct stats stats;
	uint32_t i;

	stats_open(&stats, nr);
	for (i = 0; i < nr; i++)
		ck_assert(!is_open(RF_FD_STATS + (int)i));
	stats_sum(&stats, &report);
	ck_assert_uint_eq(report.kvm_exits_mmio, 3);
}

START_TEST(the_counters_of_all_vcpus_are_summed_up)
{
	struct rf_report report = { .exits = 0 };
	struct stats stats;

	setup();
	stats_open(&stats, 3);
	ck_assert(is_open(RF_FD_STATS) && is_open(RF_FD_STATS + 2));
	stats_sum(&stats, &report);
	ck_assert_uint_eq(report.kvm_exits_mmio, 7 + 107 + 207);
}
END_TEST

START_TEST(a_kernel_that_does_not_tell_is_no_error)
{
	setup();
	refuse_at = 0;
	nothing(2);
	setup();
	refuse_at = 1;
	nothing(2);
}
END_TEST

START_TEST(a_counter_that_is_not_there_is_not_guessed)
{
	setup();
	file.descs[1].name[0] = 'x';
	nothing(1);
	setup();
	file.descs[1].size = 2;
	nothing(1);
	setup();
	file.header.num_desc = 1;
	nothing(1);
	setup();
	file.header.name_size = 0;
	nothing(1);
	setup();
	file.header.name_size = STATS_NAME_BYTES_MAX + 1;
	nothing(1);
	setup();
	file.header.desc_offset = sizeof(file);
	nothing(1);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		the_counters_of_all_vcpus_are_summed_up,
		a_kernel_that_does_not_tell_is_no_error,
		a_counter_that_is_not_there_is_not_guessed,
	};

	return unit_run("stats", tests, RF_ARRAY_LEN(tests));
}
