/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * check_image.c - does an image hold what the guest says it wrote?
 *
 *   check_image IMAGE DISK ROUNDS
 *
 * Side:    host, tests only. IMAGE was all zeroes before disk number DISK went
 *          through ROUNDS rounds on it. Every sector is compared: a round's
 *          pattern where one was written (a later round over an earlier one),
 *          zeroes elsewhere.
 * Callers: tests. Status 0: as it should be; 1: not, and a line says where; 2:
 *          called wrongly.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driver/plan.h"

struct plan {
	struct plan_extent extents[PLAN_EXTENTS_MAX];
	uint32_t nr;
};

static bool is_in_plan(const struct plan *plan, uint64_t sector)
{
	uint32_t i;

	for (i = 0; i < plan->nr; i++)
		if (sector >= plan->extents[i].sector &&
		    sector - plan->extents[i].sector <
			    plan->extents[i].nr_sectors)
			return true;
	return false;
}

static void expect_sector(const struct plan *plans, uint32_t rounds,
			  uint32_t disk, uint64_t sector, uint32_t *words)
{
	memset(words, 0, PLAN_SECTOR_BYTES);
	while (rounds--) {
		if (!is_in_plan(&plans[rounds], sector))
			continue;
		plan_fill(words, plan_seed(sector, rounds, disk));
		return;
	}
}

static int compare_sector(uint64_t sector, const uint32_t *want,
			  const uint32_t *found)
{
	uint32_t i;

	for (i = 0; i < PLAN_SECTOR_WORDS; i++) {
		if (want[i] == found[i])
			continue;
		printf("sector %llu word %u: 0x%x, not 0x%x\n",
		       (unsigned long long)sector, i, found[i], want[i]);
		return 1;
	}
	return 0;
}

static int compare_image(FILE *image, const struct plan *plans, uint32_t rounds,
			 uint32_t disk, uint64_t capacity)
{
	uint32_t want[PLAN_SECTOR_WORDS], found[PLAN_SECTOR_WORDS];
	uint64_t sector;

	for (sector = 0; sector < capacity; sector++) {
		if (fread(found, sizeof(found), 1, image) != 1) {
			printf("sector %llu: cannot be read\n",
			       (unsigned long long)sector);
			return 1;
		}
		expect_sector(plans, rounds, disk, sector, want);
		if (compare_sector(sector, want, found))
			return 1;
	}
	printf("%llu sectors as written\n", (unsigned long long)capacity);
	return 0;
}

static int check(FILE *image, uint32_t disk, uint32_t rounds)
{
	struct plan *plans;
	uint64_t capacity;
	uint32_t round;
	long bytes;
	int ret;

	if (fseek(image, 0, SEEK_END) || (bytes = ftell(image)) < 0 ||
	    fseek(image, 0, SEEK_SET)) {
		perror("seek");
		return 1;
	}
	capacity = (uint64_t)bytes / PLAN_SECTOR_BYTES;
	if (!capacity) {
		printf("the image is empty\n");
		return 1;
	}
	plans = calloc(rounds, sizeof(*plans));
	if (!plans) {
		perror("plans");
		return 1;
	}
	for (round = 0; round < rounds; round++)
		plans[round].nr = plan_round(capacity, round,
					     plans[round].extents);
	ret = compare_image(image, plans, rounds, disk, capacity);
	free(plans);
	return ret;
}

static bool read_number(const char *text, uint32_t min, uint32_t max,
			uint32_t *out)
{
	unsigned long value;
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	value = strtoul(text, &end, 10);
	if (errno || *end || value < min || value > max)
		return false;
	*out = (uint32_t)value;
	return true;
}

int main(int argc, char **argv)
{
	uint32_t disk, rounds;
	FILE *image;
	int ret;

	if (argc != 4 || !read_number(argv[2], 0, 255, &disk) ||
	    !read_number(argv[3], 1, 100000, &rounds)) {
		fprintf(stderr, "usage: check_image IMAGE DISK ROUNDS\n");
		return 2;
	}
	image = fopen(argv[1], "rbe");
	if (!image) {
		perror(argv[1]);
		return 1;
	}
	ret = check(image, disk, rounds);
	(void)fclose(image);
	return ret;
}
