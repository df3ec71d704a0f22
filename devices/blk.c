/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * blk.c - ringfence-blk: one disk image as a virtio block device
 *
 * Side:    device. Believes neither guest nor front-end.
 * Owns:    the image at RF_FD_BACKING, a regular file or a block device.
 * Callers: started by the launcher, inside a fence; see <ringfence/fence.h>.
 * Never:   touches the image outside of [0, capacity), says a flush is done
 *          before fdatasync said so.
 *
 * virtio 1.2, 5.2. A request is a chain: a 16-byte header, data, and as the
 * last writable byte the status; how the driver cuts that into descriptors is
 * its own affair (2.7.4.2). A chain too short for header and status is a lie.
 * Everything else that is wrong with a request gets a status.
 *
 * Needs: RF_FD_LOG, RF_FD_CONTROL, RF_FD_REPORT (until mapped), RF_FD_BACKING.
 * Needs (until SEAL), beside the runtime's: newfstatat (fstat),
 *   fcntl(RF_FD_BACKING, F_GETFL), ioctl(RF_FD_BACKING, BLKGETSIZE64).
 * Needs (sealed), beside the runtime's:
 *   preadv(RF_FD_BACKING)      read_sectors()
 *   pwritev(RF_FD_BACKING)     write_sectors(), write_zero_bytes()
 *   fdatasync(RF_FD_BACKING)   flush_image()
 *   fallocate(RF_FD_BACKING, PUNCH_HOLE|KEEP_SIZE or ZERO_RANGE|KEEP_SIZE)
 *                              punch_range(), zero_range()
 *   ioctl(RF_FD_BACKING, BLKDISCARD or BLKZEROOUT)
 *                              punch_range(), zero_range()
 *   write(RF_FD_LOG)           rf_log()
 *   exit_group                 main()
 */
#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <ringfence/device.h>
#include <ringfence/fence.h>
#include <ringfence/log.h>

#include "blk/alone.h"

#define SECTOR_BYTES 512u
#define SECTOR_SHIFT 9
#define SERIAL_BYTES 20u
#define QUEUE_SIZE 256u
/* A chain of a full queue, less header and status. */
#define SEG_MAX (QUEUE_SIZE - 2)

/* Limits told to the driver. One request keeps the control socket waiting, so
 * zeroes, which may have to be written, get the smaller share: 16 MiB. */
#define DISCARD_SEGMENTS 16u
#define DISCARD_SECTORS (1u << 22)
#define ZEROES_SEGMENTS 1u
#define ZEROES_SECTORS (1u << 15)
static_assert(ZEROES_SEGMENTS <= DISCARD_SEGMENTS, "one array for both");

/* virtio 1.2, 5.2.3 */
#define F_SEG_MAX (UINT64_C(1) << 2)
#define F_RO (UINT64_C(1) << 5)
#define F_BLK_SIZE (UINT64_C(1) << 6)
#define F_FLUSH (UINT64_C(1) << 9)
#define F_DISCARD (UINT64_C(1) << 13)
#define F_WRITE_ZEROES (UINT64_C(1) << 14)

#define VIRTIO_ID_BLOCK 2

/* virtio 1.2, 5.2.6 */
enum {
	T_IN = 0,
	T_OUT = 1,
	T_FLUSH = 4,
	T_GET_ID = 8,
	T_DISCARD = 11,
	T_WRITE_ZEROES = 13,
};

enum {
	S_OK = 0,
	S_IOERR = 1,
	S_UNSUPP = 2,
};

enum { SEGMENT_F_UNMAP = 1 };

struct blk_header {
	uint32_t type_le;
	uint32_t reserved_le;
	uint64_t sector_le;
};
static_assert(sizeof(struct blk_header) == 16, "virtio 1.2, 5.2.6");

struct blk_segment {
	uint64_t sector_le;
	uint32_t nr_sectors_le;
	uint32_t flags_le;
};
static_assert(sizeof(struct blk_segment) == 16, "virtio 1.2, 5.2.6");

struct blk_config {
	uint64_t capacity_le; /* sectors */
	uint32_t size_max_le;
	uint32_t seg_max_le;
	uint16_t cylinders_le;
	uint8_t heads;
	uint8_t sectors;
	uint32_t blk_size_le;
	uint8_t physical_block_exp;
	uint8_t alignment_offset;
	uint16_t min_io_size_le;
	uint32_t opt_io_size_le;
	uint8_t writeback;
	uint8_t unused0;
	uint16_t num_queues_le;
	uint32_t max_discard_sectors_le;
	uint32_t max_discard_seg_le;
	uint32_t discard_sector_alignment_le;
	uint32_t max_write_zeroes_sectors_le;
	uint32_t max_write_zeroes_seg_le;
	uint8_t write_zeroes_may_unmap;
	uint8_t unused1[3];
	/* Struct padding; config space ends before it. */
	uint32_t pad;
};
static_assert(offsetof(struct blk_config, blk_size_le) == 20, "5.2.4");
static_assert(offsetof(struct blk_config, writeback) == 32, "5.2.4");
static_assert(offsetof(struct blk_config, max_discard_sectors_le) == 36,
	      "5.2.4");
static_assert(offsetof(struct blk_config, write_zeroes_may_unmap) == 56,
	      "5.2.4");
static_assert(sizeof(struct blk_config) == 64, "5.2.4 and padding");
#define CONFIG_BYTES offsetof(struct blk_config, pad)

struct blk {
	struct rf_report *report;
	uint64_t nr_sectors;
	bool is_block_device;
	bool read_only;
	bool write_through; /* the driver will not flush */
	bool sync_failed;
	char serial[SERIAL_BYTES]; /* NUL-padded, not terminated if full */
	struct blk_config config;
	struct iovec iov[RF_CHAIN_IOV_MAX];
};

struct request {
	const struct rf_chain *chain;
	uint32_t type;
	uint64_t sector;
	uint64_t out_bytes; /* readable, behind the header */
	uint64_t in_bytes;  /* writable, before the status */
	uint64_t in_done;   /* of them written, from the first on */
};

static struct rf_log_limit io_limit;

static bool is_in_range(const struct blk *blk, uint64_t sector,
			uint64_t nr_sectors)
{
	return sector <= blk->nr_sectors &&
	       nr_sectors <= blk->nr_sectors - sector;
}

/* Data of a read or write: whole sectors, all of them on the disk. */
static bool is_valid_extent(const struct blk *blk, uint64_t sector,
			    uint64_t bytes)
{
	return bytes % SECTOR_BYTES == 0 &&
	       is_in_range(blk, sector, bytes >> SECTOR_SHIFT);
}

static int read_sectors(struct blk *blk, struct request *rq)
{
	const struct rf_chain *c = rq->chain;
	off_t start = (off_t)(rq->sector << SECTOR_SHIFT);
	ssize_t n;
	int nr;

	while (rq->in_done < rq->in_bytes) {
		nr = rf_iov_slice(c->iov + c->nr_readable, c->nr_writable,
				  rq->in_done, rq->in_bytes - rq->in_done,
				  blk->iov, RF_CHAIN_IOV_MAX);
		if (nr < 0)
			return nr;
		n = preadv(RF_FD_BACKING, blk->iov, nr,
			   start + (off_t)rq->in_done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -EIO; /* somebody has shortened the image */
		rq->in_done += (uint64_t)n;
	}
	RF_REPORT_ADD(blk->report, bytes_read, rq->in_bytes);
	return 0;
}

static int write_sectors(struct blk *blk, const struct request *rq)
{
	const struct rf_chain *c = rq->chain;
	off_t start = (off_t)(rq->sector << SECTOR_SHIFT);
	uint64_t done = 0;
	ssize_t n;
	int nr;

	while (done < rq->out_bytes) {
		nr = rf_iov_slice(c->iov, c->nr_readable,
				  sizeof(struct blk_header) + done,
				  rq->out_bytes - done, blk->iov,
				  RF_CHAIN_IOV_MAX);
		if (nr < 0)
			return nr;
		n = pwritev(RF_FD_BACKING, blk->iov, nr, start + (off_t)done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -EIO;
		done += (uint64_t)n;
	}
	RF_REPORT_ADD(blk->report, bytes_written, rq->out_bytes);
	return 0;
}

/* Once fdatasync has failed, the kernel takes the lost pages for clean: the
 * next one would succeed without them. So the first failure is the answer to
 * all that follow, until somebody has looked and starts this process anew. */
static int flush_image(struct blk *blk)
{
	if (blk->sync_failed)
		return -EIO;
	if (fdatasync(RF_FD_BACKING) == 0)
		return 0;
	blk->sync_failed = true;
	return -errno;
}

/* Without F_FLUSH a write that is completed has to be stable (5.2.6.2). */
static int settle(struct blk *blk)
{
	return blk->write_through ? flush_image(blk) : 0;
}

static int write_zero_bytes(struct blk *blk, uint64_t start, uint64_t bytes)
{
	static uint8_t zeroes[4096];
	uint64_t done = 0;
	uint32_t nr, i;
	ssize_t n;

	while (done < bytes) {
		uint64_t left = bytes - done;

		nr = 0;
		for (i = 0; i < RF_CHAIN_IOV_MAX && left > 0; i++) {
			size_t here = left < sizeof(zeroes) ? left
							    : sizeof(zeroes);

			blk->iov[nr++] = (struct iovec){ zeroes, here };
			left -= here;
		}
		n = pwritev(RF_FD_BACKING, blk->iov, (int)nr,
			    (off_t)(start + done));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -EIO;
		done += (uint64_t)n;
	}
	RF_REPORT_ADD(blk->report, bytes_written, bytes);
	return 0;
}

/* -EOPNOTSUPP where the file system or the disk has no such thing. */
static int change_range(const struct blk *blk, unsigned long block_request,
			int file_mode, uint64_t start, uint64_t bytes)
{
	uint64_t range[2] = { start, bytes };
	int rc;

	if (blk->is_block_device)
		rc = ioctl(RF_FD_BACKING, block_request, range);
	else
		rc = fallocate(RF_FD_BACKING, file_mode, (off_t)start,
			       (off_t)bytes);
	return rc < 0 ? -errno : 0;
}

static int punch_range(const struct blk *blk, uint64_t start, uint64_t bytes)
{
	return change_range(blk, BLKDISCARD,
			    FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, start,
			    bytes);
}

static int zero_range(const struct blk *blk, uint64_t start, uint64_t bytes)
{
	return change_range(blk, BLKZEROOUT,
			    FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, start,
			    bytes);
}

/* A discard is a hint: where it cannot be followed, that is fine (5.2.6.2). */
static int discard_segment(struct blk *blk, uint64_t start, uint64_t bytes,
			   bool unmap)
{
	int err = punch_range(blk, start, bytes);

	(void)unmap; /* not allowed here, check_segment() */
	return err == -EOPNOTSUPP ? 0 : err;
}

/* What is read afterwards is zero, whatever way works. A hole in a file reads
 * as zeroes; a discarded block device may read as anything. */
static int zero_segment(struct blk *blk, uint64_t start, uint64_t bytes,
			bool unmap)
{
	int err = -EOPNOTSUPP;

	if (unmap && !blk->is_block_device)
		err = punch_range(blk, start, bytes);
	if (err == -EOPNOTSUPP)
		err = zero_range(blk, start, bytes);
	if (err == -EOPNOTSUPP)
		err = write_zero_bytes(blk, start, bytes);
	return err;
}

static uint8_t do_in(struct blk *blk, struct request *rq)
{
	int err;

	if (!is_valid_extent(blk, rq->sector, rq->in_bytes))
		return S_IOERR;
	err = read_sectors(blk, rq);
	if (err)
		rf_log_limited(&io_limit, 8,
			       "read of %llu bytes at sector %llu failed (%d)",
			       (unsigned long long)rq->in_bytes,
			       (unsigned long long)rq->sector, err);
	return err ? S_IOERR : S_OK;
}

static uint8_t do_out(struct blk *blk, struct request *rq)
{
	int err;

	if (blk->read_only || !is_valid_extent(blk, rq->sector, rq->out_bytes))
		return S_IOERR;
	err = write_sectors(blk, rq);
	if (!err)
		err = settle(blk);
	if (err)
		rf_log_limited(&io_limit, 8,
			       "write of %llu bytes at sector %llu failed (%d)",
			       (unsigned long long)rq->out_bytes,
			       (unsigned long long)rq->sector, err);
	return err ? S_IOERR : S_OK;
}

static uint8_t do_flush(struct blk *blk, struct request *rq)
{
	int err = flush_image(blk);

	(void)rq;
	if (err)
		rf_log_limited(&io_limit, 8, "flush failed (%d)", err);
	return err ? S_IOERR : S_OK;
}

static uint8_t do_get_id(struct blk *blk, struct request *rq)
{
	uint64_t len = rq->in_bytes < SERIAL_BYTES ? rq->in_bytes
						   : SERIAL_BYTES;

	rq->in_done = rf_chain_write(rq->chain, 0, blk->serial, len);
	return S_OK;
}

/* The rules of 5.2.6.2 for one segment: a status, S_OK if it may be done. */
static uint8_t check_segment(const struct blk *blk, const struct blk_segment *s,
			     uint32_t type)
{
	uint32_t flags = le32toh(s->flags_le);
	uint32_t nr = le32toh(s->nr_sectors_le);

	if (flags & ~(uint32_t)SEGMENT_F_UNMAP)
		return S_UNSUPP;
	if (type == T_DISCARD && flags)
		return S_UNSUPP;
	if (nr > (type == T_DISCARD ? DISCARD_SECTORS : ZEROES_SECTORS) ||
	    !is_in_range(blk, le64toh(s->sector_le), nr))
		return S_IOERR;
	return S_OK;
}

/* Copy all segments and judge all of them; only then is the first one done. */
static uint8_t copy_segments(const struct blk *blk, const struct request *rq,
			     struct blk_segment *out, uint32_t *nr)
{
	uint32_t max = rq->type == T_DISCARD ? DISCARD_SEGMENTS
					     : ZEROES_SEGMENTS;
	uint64_t bytes = rq->out_bytes;
	uint32_t i;

	if (bytes == 0 || bytes % sizeof(*out) != 0 ||
	    bytes > max * sizeof(*out))
		return S_IOERR;
	if (rf_chain_read(rq->chain, sizeof(struct blk_header), out, bytes) !=
	    bytes)
		return S_IOERR;
	*nr = (uint32_t)(bytes / sizeof(*out));
	for (i = 0; i < *nr; i++) {
		uint8_t status = check_segment(blk, &out[i], rq->type);

		if (status != S_OK)
			return status;
	}
	return S_OK;
}

static uint8_t do_segments(struct blk *blk, struct request *rq)
{
	struct blk_segment segments[DISCARD_SEGMENTS];
	uint32_t i, nr = 0;
	uint8_t status;
	int err = 0;

	if (blk->read_only)
		return S_UNSUPP; /* not offered */
	status = copy_segments(blk, rq, segments, &nr);
	if (status != S_OK)
		return status;
	for (i = 0; i < nr && !err; i++) {
		const struct blk_segment *s = &segments[i];
		uint64_t start = le64toh(s->sector_le) << SECTOR_SHIFT;
		uint64_t bytes = (uint64_t)le32toh(s->nr_sectors_le)
				 << SECTOR_SHIFT;
		bool unmap = le32toh(s->flags_le) & SEGMENT_F_UNMAP;

		if (bytes == 0)
			continue;
		err = rq->type == T_DISCARD
			      ? discard_segment(blk, start, bytes, unmap)
			      : zero_segment(blk, start, bytes, unmap);
	}
	if (!err)
		err = settle(blk);
	if (err)
		rf_log_limited(&io_limit, 8, "%s failed (%d)",
			       rq->type == T_DISCARD ? "discard"
						     : "write zeroes",
			       err);
	return err ? S_IOERR : S_OK;
}

static const struct {
	uint32_t type;
	uint8_t (*fn)(struct blk *blk, struct request *rq);
} requests[] = {
	{ T_IN, do_in },
	{ T_OUT, do_out },
	{ T_FLUSH, do_flush },
	{ T_GET_ID, do_get_id },
	{ T_DISCARD, do_segments },
	{ T_WRITE_ZEROES, do_segments },
};

static uint8_t dispatch(struct blk *blk, struct request *rq)
{
	size_t i;

	for (i = 0; i < RF_ARRAY_LEN(requests); i++)
		if (requests[i].type == rq->type)
			return requests[i].fn(blk, rq);
	return S_UNSUPP;
}

static int serve_chain(struct blk *blk, struct rf_virtqueue *vq,
		       const struct rf_chain *chain)
{
	struct blk_header header;
	struct request rq = { .chain = chain };
	uint8_t status;

	if (chain->readable_bytes < sizeof(header) ||
	    chain->writable_bytes < sizeof(status) ||
	    rf_chain_read(chain, 0, &header, sizeof(header)) !=
		    sizeof(header)) {
		rf_log_limited(&io_limit, 8,
			       "queue %u: head %u: too short for a request "
			       "(-EPROTO)",
			       rf_virtqueue_index(vq), chain->head);
		return -EPROTO;
	}
	rq.type = le32toh(header.type_le);
	rq.sector = le64toh(header.sector_le);
	rq.out_bytes = chain->readable_bytes - sizeof(header);
	rq.in_bytes = chain->writable_bytes - sizeof(status);
	status = dispatch(blk, &rq);
	(void)rf_chain_write(chain, rq.in_bytes, &status, sizeof(status));
	/* The length counts from the first byte on without a gap (2.7.8.2): the
	 * status is in it only if all before it was written. */
	if (rq.in_done == rq.in_bytes)
		rq.in_done += sizeof(status);
	rf_virtqueue_push(vq, chain->head, (uint32_t)rq.in_done);
	return 0;
}

static int blk_queue(void *state, struct rf_virtqueue *vq)
{
	struct rf_chain chain;
	int err;

	for (;;) {
		err = rf_virtqueue_pop(vq, &chain);
		if (err)
			return err == -EAGAIN ? 0 : err;
		err = serve_chain(state, vq, &chain);
		if (err)
			return err;
	}
}

static void blk_config_read(void *state, uint32_t offset, void *buf,
			    uint32_t len)
{
	const struct blk *blk = state;

	memcpy(buf, (const uint8_t *)&blk->config + offset, len);
}

static void blk_set_features(void *state, uint64_t features)
{
	struct blk *blk = state;

	blk->write_through = !(features & F_FLUSH);
}

static void blk_reset(void *state)
{
	struct blk *blk = state;

	blk->write_through = true; /* until the driver says otherwise */
}

static const struct rf_device_ops blk_ops = {
	.name = "rf-blk",
	.virtio_id = VIRTIO_ID_BLOCK,
	.nr_queues = 1,
	.queue_size_max = QUEUE_SIZE,
	.features = F_SEG_MAX | F_BLK_SIZE | F_FLUSH | F_DISCARD |
		    F_WRITE_ZEROES,
	.config_bytes = CONFIG_BYTES,
	.config_read = blk_config_read,
	.set_features = blk_set_features,
	.queue = blk_queue,
	.reset = blk_reset,
	.sealed = &rf_policy_blk_sealed,
};

struct options {
	bool read_only;
	bool allow_unsealed;
	const char *serial;
	const char *root;
	int index;
};

static const char usage[] =
	"usage: ringfence-blk [--read-only] [--serial TEXT] [--index N]\n"
	"                     [--root DIR] [--allow-unsealed-memory]\n"
	"Serve the disk image at descriptor 5 to the vhost-user front-end at\n"
	"descriptor 3. Started by ringfence, which puts the descriptors "
	"there.\n"
	"  --read-only               the driver may not write\n"
	"  --serial TEXT             what the driver reads as the disk's "
	"name,\n"
	"                            at most 20 printable characters\n"
	"  --index N                 number of this device in log lines, "
	"0..99\n"
	"  --root DIR                root directory inside of the fence "
	"instead\n"
	"                            of an empty one\n"
	"  --allow-unsealed-memory   take guest memory that its owner could\n"
	"                            shrink, which would kill this process\n"
	"  --help, --version         say so and leave\n";

_Noreturn static void die_of_usage(const char *what, const char *arg)
{
	(void)fprintf(stderr, "ringfence-blk: %s: %s (see --help)\n", arg,
		      what);
	exit(2);
}

static int parse_index(const char *arg, const char *text)
{
	if (!text || strlen(text) < 1 || strlen(text) > 2 ||
	    strspn(text, "0123456789") != strlen(text))
		die_of_usage("needs a number from 0 to 99", arg);
	return (int)strtoul(text, NULL, 10);
}

static const char *parse_serial(const char *arg, const char *text)
{
	size_t i;

	if (!text || strlen(text) > SERIAL_BYTES)
		die_of_usage("needs a text of at most 20 characters", arg);
	for (i = 0; text[i]; i++)
		if (text[i] < ' ' || text[i] > '~')
			die_of_usage("is not printable ASCII", arg);
	return text;
}

static struct options parse_options(int argc, char **argv)
{
	struct options o = { .serial = "ringfence", .index = -1 };
	int i;

	for (i = 1; i < argc; i++) {
		const char *arg = argv[i];

		if (strcmp(arg, "--help") == 0) {
			(void)fputs(usage, stdout);
			(void)fputs(alone_usage, stdout);
			exit(0);
		} else if (strcmp(arg, "--version") == 0) {
			(void)puts("ringfence-blk " RF_VERSION);
			exit(0);
		} else if (strcmp(arg, "--read-only") == 0) {
			o.read_only = true;
		} else if (strcmp(arg, "--allow-unsealed-memory") == 0) {
			o.allow_unsealed = true;
		} else if (strcmp(arg, "--serial") == 0) {
			o.serial = parse_serial(arg, argv[++i]);
		} else if (strcmp(arg, "--index") == 0) {
			o.index = parse_index(arg, argv[++i]);
		} else if (strcmp(arg, "--root") == 0) {
			o.root = argv[++i];
			if (!o.root)
				die_of_usage("needs a directory", arg);
		} else {
			die_of_usage("is not an option", arg);
		}
	}
	return o;
}

/* The image must be open for what we are to do with it, and not for appending:
 * pwritev would then ignore its offset. */
static int check_mode(const struct blk *blk)
{
	int flags = fcntl(RF_FD_BACKING, F_GETFL);
	int mode = flags & O_ACCMODE;

	if (flags < 0)
		return -errno;
	if (flags & O_APPEND || mode == O_WRONLY ||
	    (mode == O_RDONLY && !blk->read_only)) {
		rf_log("image: not open for %s",
		       blk->read_only ? "reading" : "reading and writing");
		return -EINVAL;
	}
	return 0;
}

static int measure(struct blk *blk)
{
	struct stat st;
	uint64_t bytes;

	if (fstat(RF_FD_BACKING, &st) < 0)
		return -errno;
	blk->is_block_device = S_ISBLK(st.st_mode);
	if (blk->is_block_device) {
		if (ioctl(RF_FD_BACKING, BLKGETSIZE64, &bytes) < 0)
			return -errno;
	} else if (S_ISREG(st.st_mode)) {
		bytes = (uint64_t)st.st_size;
	} else {
		rf_log("image: neither a regular file nor a block device");
		return -EINVAL;
	}
	if (bytes % SECTOR_BYTES != 0)
		rf_log("image: its last %llu bytes are no whole sector and "
		       "not shown to the guest",
		       (unsigned long long)(bytes % SECTOR_BYTES));
	blk->nr_sectors = bytes >> SECTOR_SHIFT;
	return 0;
}

static void fill_config(struct blk *blk)
{
	struct blk_config *c = &blk->config;

	c->capacity_le = htole64(blk->nr_sectors);
	c->seg_max_le = htole32(SEG_MAX);
	c->blk_size_le = htole32(SECTOR_BYTES);
	c->num_queues_le = htole16(1);
	if (blk->read_only)
		return;
	c->max_discard_sectors_le = htole32(DISCARD_SECTORS);
	c->max_discard_seg_le = htole32(DISCARD_SEGMENTS);
	c->discard_sector_alignment_le = htole32(4096 / SECTOR_BYTES);
	c->max_write_zeroes_sectors_le = htole32(ZEROES_SECTORS);
	c->max_write_zeroes_seg_le = htole32(ZEROES_SEGMENTS);
	c->write_zeroes_may_unmap = 1;
}

static int open_image(struct blk *blk, const struct options *o)
{
	int err;

	blk->read_only = o->read_only;
	blk->write_through = true;
	memcpy(blk->serial, o->serial, strlen(o->serial));
	err = check_mode(blk);
	if (!err)
		err = measure(blk);
	if (!err)
		fill_config(blk);
	return err;
}

static int serve(struct blk *blk, const struct options *o)
{
	struct rf_device_ops ops = blk_ops;
	struct rf_device_params params = {
		.ops = &ops,
		.state = blk,
		.sock = RF_FD_CONTROL,
		.report = blk->report,
		.allow_unsealed = o->allow_unsealed,
	};
	struct rf_device *dev;
	int err;

	if (blk->read_only) {
		ops.features &= ~(F_DISCARD | F_WRITE_ZEROES);
		ops.features |= F_RO;
	}
	err = rf_device_new(&params, &dev);
	if (err)
		return err;
	err = rf_device_run(dev);
	/* Sealed, we may not unmap: the end of the process frees it all. */
	return err;
}

static void check_options(int argc, char **argv)
{
	(void)parse_options(argc, argv);
}

int main(int argc, char **argv)
{
	static const int keep[] = { RF_FD_LOG, RF_FD_CONTROL, RF_FD_REPORT,
				    RF_FD_BACKING };
	static struct blk blk;
	uint64_t main_ns = rf_clock_ns();
	struct rf_fence fence = {
		.keep = keep,
		.nr_keep = RF_ARRAY_LEN(keep),
		.policy = &rf_policy_blk,
	};
	struct options o;
	int err;

	if (alone_is_wanted(argc, argv)) {
		rf_log_name("rf-blk", -1);
		return alone_main(argc, argv, check_options);
	}
	o = parse_options(argc, argv);
	fence.root = o.root;
	rf_log_name("rf-blk", o.index);
	rf_fence_enter(&fence);
	err = rf_report_map(RF_FD_REPORT, &blk.report);
	if (err) {
		rf_log("report page: cannot be mapped (%d)", err);
		_exit(1);
	}
	RF_REPORT_SET(blk.report, main_ns, main_ns);
	RF_REPORT_SET(blk.report, fenced_ns, rf_clock_ns());
	err = open_image(&blk, &o);
	if (!err)
		err = serve(&blk, &o);
	if (err)
		rf_log("ends (%d)", err);
	/* Not exit(): handlers and stdio belong to the time before SEAL. */
	_exit(err ? 1 : 0);
}
