/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * disk.c - start a virtio block device as its features have it
 *
 * Side:    inside the virtual machine, and the stand-in for it.
 * Owns:    struct disk, but for requests.
 * Callers: drive.c, request.c; the platform calls the interrupt handler.
 * Never:   takes a configuration that makes no sense.
 */
#include "driver/disk.h"
#include "driver/words.h"

/* Cycles a second, of the fastest TSC there is. Slower ones make a timeout
 * longer, which harms nothing: it only ends what would never end. */
#define TSC_HZ_MAX 4000000000ull

/* virtio 1.2, 5.2.4 */
enum disk_config {
	CONFIG_CAPACITY = 0,
	CONFIG_SIZE_MAX = 8,
	CONFIG_SEG_MAX = 12,
	CONFIG_BLK_SIZE = 20,
	CONFIG_PHYSICAL_EXP = 24,
	CONFIG_ALIGNMENT = 25,
	CONFIG_MIN_IO = 26,
	CONFIG_OPT_IO = 28,
	CONFIG_NUM_QUEUES = 34,
	CONFIG_DISCARD_SECTORS = 36,
	CONFIG_DISCARD_RANGES = 40,
	CONFIG_DISCARD_ALIGNMENT = 44,
	CONFIG_ZEROES_SECTORS = 48,
	CONFIG_ZEROES_RANGES = 52,
	CONFIG_ZEROES_UNMAP = 56,
};

/* Beyond these somebody has read from the wrong place. */
#define BLOCK_BYTES_MAX 65536u
#define PHYSICAL_EXP_MAX 16u

static void make_name(char *name, uint32_t index)
{
	static const char stem[] = "disk";
	uint32_t i;

	for (i = 0; stem[i]; i++)
		*name++ = stem[i];
	if (index >= 10)
		*name++ = (char)('0' + index / 10);
	*name++ = (char)('0' + index % 10);
	*name = '\0';
}

/* Acknowledged before anything is looked at: what comes later raises a new
 * interrupt. */
static void on_interrupt(void *ctx)
{
	struct disk *disk = ctx;
	uint32_t status = transport_read(&disk->transport,
					 TRANSPORT_INTERRUPT_STATUS);

	transport_write(&disk->transport, TRANSPORT_INTERRUPT_ACK, status);
	if (status & TRANSPORT_INTERRUPT_USED_BIT)
		disk->irqs++;
	if (status & TRANSPORT_INTERRUPT_CONFIG_BIT)
		disk->config_changes++;
}

void disk_open(struct disk *disk, uint32_t index,
	       const struct guest_device *dev,
	       const struct guest_options *options)
{
	make_name(disk->name, index);
	disk->index = index;
	disk->irq = dev->irq;
	disk->options = options;
	disk->by_irq = options->mode != GUEST_MODE_POLL;
	disk->transport.name = disk->name;
	disk->transport.base = dev->base;
	disk->transport.patience = options->timeout_s * TSC_HZ_MAX;
	disk->mem = platform_memory(index);
	if (!disk->mem)
		guest_fail(GUEST_NO_DISK, "%s: too little memory", disk->name);
	disk->written = disk->mem->words[0];
	disk->found = disk->mem->words[1];
	if (disk->by_irq)
		platform_route(index, dev, on_interrupt, disk);
}

bool disk_has(const struct disk *disk, uint64_t feature)
{
	return disk->features & feature;
}

static void agree(struct disk *disk)
{
	uint64_t offered = transport_offered(&disk->transport);
	uint64_t missing = disk->options->needs_features & ~offered;
	uint32_t i;

	for (i = 0; i < FEATURES_NR; i++)
		if (missing & features[i].mask)
			guest_fail(GUEST_NOT_OFFERED, "%s: %s: not offered",
				   disk->name, features[i].name);
	disk->features = offered & features_known() &
			 ~disk->options->shuns_features;
	transport_take_features(&disk->transport, disk->features);
}

/* --- configuration ------------------------------------------------------ */

static uint32_t read32(const struct disk *disk, enum disk_config field)
{
	return transport_config(&disk->transport, field, 4);
}

static void sane(const struct disk *disk, bool is_sane, const char *field,
		 uint32_t value)
{
	if (!is_sane)
		guest_fail(GUEST_BAD_DEVICE, "%s: configuration: %s is %u",
			   disk->name, field, value);
}

static void check_blocks(const struct disk *disk)
{
	uint32_t bytes = read32(disk, CONFIG_BLK_SIZE);

	sane(disk,
	     bytes >= PLAN_SECTOR_BYTES && bytes <= BLOCK_BYTES_MAX &&
		     !(bytes & (bytes - 1)),
	     "blk_size", bytes);
}

static void check_topology(const struct disk *disk)
{
	uint32_t exp = transport_config(&disk->transport, CONFIG_PHYSICAL_EXP,
					1);
	uint32_t alignment = transport_config(&disk->transport,
					      CONFIG_ALIGNMENT, 1);
	uint32_t min = transport_config(&disk->transport, CONFIG_MIN_IO, 2);
	uint32_t opt = read32(disk, CONFIG_OPT_IO);

	sane(disk, exp <= PHYSICAL_EXP_MAX, "physical_block_exp", exp);
	sane(disk, alignment < 1u << exp, "alignment_offset", alignment);
	sane(disk, !min || !opt || !(opt % min), "opt_io_size", opt);
}

static void read_limits(struct disk *disk)
{
	struct disk_limits *l = &disk->limits;

	*l = (struct disk_limits){ .size_max = 0 };
	if (disk_has(disk, FEATURE_SIZE_MAX)) {
		l->size_max = read32(disk, CONFIG_SIZE_MAX);
		sane(disk, l->size_max >= PLAN_SECTOR_BYTES, "size_max",
		     l->size_max);
	}
	if (disk_has(disk, FEATURE_SEG_MAX)) {
		l->seg_max = read32(disk, CONFIG_SEG_MAX);
		sane(disk, l->seg_max >= 1, "seg_max", l->seg_max);
	}
	if (disk_has(disk, FEATURE_DISCARD)) {
		l->discard_sectors = read32(disk, CONFIG_DISCARD_SECTORS);
		l->discard_ranges = read32(disk, CONFIG_DISCARD_RANGES);
		sane(disk, l->discard_sectors >= 1, "max_discard_sectors", 0);
		sane(disk, l->discard_ranges >= 1, "max_discard_seg", 0);
		sane(disk, read32(disk, CONFIG_DISCARD_ALIGNMENT) >= 1,
		     "discard_sector_alignment", 0);
	}
	if (disk_has(disk, FEATURE_WRITE_ZEROES)) {
		l->zeroes_sectors = read32(disk, CONFIG_ZEROES_SECTORS);
		sane(disk, l->zeroes_sectors >= 1, "max_write_zeroes_sectors",
		     0);
		sane(disk, read32(disk, CONFIG_ZEROES_RANGES) >= 1,
		     "max_write_zeroes_seg", 0);
		l->zeroes_unmap = transport_config(&disk->transport,
						   CONFIG_ZEROES_UNMAP, 1) &
				  1;
	}
}

static void read_configuration(struct disk *disk)
{
	disk->capacity = transport_config64(&disk->transport, CONFIG_CAPACITY);
	if (!disk->capacity)
		guest_fail(GUEST_BAD_DEVICE, "%s: holds nothing", disk->name);
	if (disk_has(disk, FEATURE_BLK_SIZE))
		check_blocks(disk);
	if (disk_has(disk, FEATURE_TOPOLOGY))
		check_topology(disk);
	read_limits(disk);
}

/* --- queues ------------------------------------------------------------- */

static void count_queues(struct disk *disk)
{
	uint32_t asked = disk->options->queues;
	uint32_t there = 1;

	if (disk_has(disk, FEATURE_MQ)) {
		there = transport_config(&disk->transport, CONFIG_NUM_QUEUES,
					 2);
		sane(disk, there >= 1, "num_queues", there);
	}
	if (asked > there)
		guest_fail(GUEST_NOT_OFFERED,
			   "%s: %u queues: not offered, there are %u",
			   disk->name, asked, there);
	if (asked)
		there = asked;
	disk->nr_queues =
		(uint16_t)(there < GUEST_QUEUES_MAX ? there : GUEST_QUEUES_MAX);
}

void disk_queue_start(struct disk *disk, uint16_t index)
{
	struct queue_memory *mem = &disk->mem->queues[index];
	const struct queue_format format = {
		.packed = disk_has(disk, FEATURE_RING_PACKED),
		.event_idx = disk_has(disk, FEATURE_EVENT_IDX),
		.in_order = disk_has(disk, FEATURE_IN_ORDER),
	};
	const struct transport_areas areas = {
		.desc = platform_gpa(disk->index, mem->ring),
		.driver = platform_gpa(disk->index, &mem->avail),
		.device = platform_gpa(disk->index, &mem->used),
	};
	uint16_t size = QUEUE_SIZE_MAX;
	uint32_t max = transport_queue_size_max(&disk->transport, index);

	if (max < QUEUE_SIZE_MIN)
		guest_fail(GUEST_NO_QUEUE, "%s: queue %u: %u entries",
			   disk->name, index, max);
	while (size > max)
		size >>= 1;
	queue_init(&disk->queues[index], mem, size, &format);
	queue_disarm(&disk->queues[index]);
	transport_queue_start(&disk->transport, index, size, &areas);
}

void disk_start(struct disk *disk)
{
	uint16_t i;

	transport_begin(&disk->transport);
	agree(disk);
	read_configuration(disk);
	count_queues(disk);
	for (i = 0; i < disk->nr_queues; i++)
		disk_queue_start(disk, i);
	for (i = 0; i < DISK_REQUESTS_MAX; i++)
		disk->requests[i].busy = false;
	disk->turn = 0;
	disk->nr_busy = 0;
	disk->config_changes_seen = disk->config_changes;
	transport_driver_ok(&disk->transport);
}

/* --- lines -------------------------------------------------------------- */

/* "a,b,c": as long as all the names are. */
static void list_features(const struct disk *disk, char *text, size_t cap)
{
	const char *name;
	size_t at = 0;
	uint32_t i;

	for (i = 0; i < FEATURES_NR; i++) {
		if (!disk_has(disk, features[i].mask))
			continue;
		if (at)
			text[at++] = ',';
		for (name = features[i].name; *name && at + 2 < cap; name++)
			text[at++] = *name;
	}
	text[at] = '\0';
}

void disk_say(const struct disk *disk)
{
	const char *mode = disk_has(disk, FEATURE_RO) ? ", read-only" : "";
	char text[256];

	if (disk->by_irq)
		say("%s: %llu sectors, irq %u%s", disk->name,
		    (unsigned long long)disk->capacity, disk->irq, mode);
	else
		say("%s: %llu sectors, polled%s", disk->name,
		    (unsigned long long)disk->capacity, mode);
	list_features(disk, text, sizeof(text));
	say("%s: %u queues of %u, %s", disk->name, disk->nr_queues,
	    disk->queues[0].size, text);
}
