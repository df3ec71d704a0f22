/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * blk_client.c - a vhost-user front-end with a block driver in it
 *
 * Guest memory is one sealed memfd: for each queue its rings and tables, then a
 * page for headers and statuses of every slot, then the data. Guest addresses
 * begin above 0, so that a forgotten address is not a good one by chance.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/memfd.h"
#include "bench/bench.h"
#include "bench/blk_client.h"

#define BIT(n) (UINT64_C(1) << (n))
#define F_BLK_FLUSH BIT(9)
#define F_BLK_MQ BIT(12)
#define F_INDIRECT_DESC BIT(28)
#define F_EVENT_IDX BIT(29)
#define F_VERSION_1 BIT(32)
#define F_RING_PACKED BIT(34)

#define GPA UINT64_C(0x100000)
#define PAGE 4096u
#define HEADER_BYTES 16u
/* A slot's header, and 16 bytes further on its status. */
#define SLOT_BYTES 32u

enum { STATUS_NONE = 0xff };

enum { WATCH_CALL = 0, WATCH_SOCK = 1 };

struct header {
	uint32_t type;
	uint32_t reserved;
	uint64_t sector;
};

static uint64_t page_up(uint64_t bytes)
{
	return (bytes + PAGE - 1) & ~(uint64_t)(PAGE - 1);
}

static uint64_t headers_bytes(const struct blk_client *c)
{
	return page_up((uint64_t)c->depth * SLOT_BYTES);
}

/* Data of a slot begins at a page, as a page cache's would. */
static uint64_t data_stride(const struct blk_client *c)
{
	return page_up(c->block_bytes);
}

static uint64_t queue_bytes(const struct blk_client *c)
{
	return blk_queue_bytes(c->queues[0].size) + headers_bytes(c) +
	       c->depth * data_stride(c);
}

static uint64_t headers_at(const struct blk_client *c, uint16_t queue)
{
	return queue * queue_bytes(c) + blk_queue_bytes(c->queues[0].size);
}

static uint64_t data_at(const struct blk_client *c, uint16_t queue,
			uint16_t slot)
{
	return headers_at(c, queue) + headers_bytes(c) + slot * data_stride(c);
}

uint8_t *blk_client_data(struct blk_client *c, uint16_t queue, uint16_t slot)
{
	return c->memory + data_at(c, queue, slot);
}

struct blk_client_slot *blk_client_slot(struct blk_client *c, uint16_t queue,
					uint16_t slot)
{
	return &c->slots[(size_t)queue * c->depth + slot];
}

static int connect_to(const char *path, int *out)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	rf_autofd sock = -1;

	if (strlen(path) >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	memcpy(addr.sun_path, path, strlen(path));
	sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (sock < 0 || connect(sock, (struct sockaddr *)&addr, sizeof(addr)))
		return -errno;
	*out = rf_fd_take(&sock);
	return 0;
}

static int open_connection(struct blk_client *c, const char *path)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);
	int err = connect_to(path, &c->sock);

	if (err)
		return err;
	if (getsockopt(c->sock, SOL_SOCKET, SO_PEERCRED, &peer, &len))
		return -errno;
	c->backend = peer.pid;
	return rf_frontend_new(c->sock, &c->fe);
}

static int choose_features(struct blk_client *c,
			   const struct blk_client_params *p)
{
	const uint64_t offered = rf_frontend_features(c->fe);
	uint64_t wanted = F_VERSION_1;

	if (p->packed)
		wanted |= F_RING_PACKED;
	if (p->event_idx)
		wanted |= F_EVENT_IDX;
	if (p->indirect)
		wanted |= F_INDIRECT_DESC;
	if (p->nr_queues > 1)
		wanted |= F_BLK_MQ;
	if (wanted & ~offered)
		return -ENOTSUP;
	/* Without it each write would have to be stable when it is done; a
	 * read-only disk may have nothing to flush. */
	c->features = wanted | (offered & F_BLK_FLUSH);
	return rf_frontend_set_features(c->fe, c->features);
}

static int share_memory(struct blk_client *c)
{
	struct rf_vhost_user_region region = { .guest_phys_addr = GPA,
					       .user_addr = GPA };
	void *map;
	int err;

	c->memory_bytes = c->nr_queues * queue_bytes(c);
	err = memfd_new("bench", c->memory_bytes, &c->memory_fd);
	if (err)
		return err;
	/* Populated, as the memory of a guest that has run for a while. */
	map = mmap(NULL, c->memory_bytes, PROT_READ | PROT_WRITE,
		   MAP_SHARED | MAP_POPULATE, c->memory_fd, 0);
	if (map == MAP_FAILED)
		return -errno;
	c->memory = map;
	region.memory_size = c->memory_bytes;
	return rf_frontend_set_mem_table(c->fe, &region, &c->memory_fd, 1);
}

static int watch(struct blk_client *c, int fd, uint32_t events, uint64_t what)
{
	struct epoll_event e = { .events = events, .data.u64 = what };

	return epoll_ctl(c->epoll, EPOLL_CTL_ADD, fd, &e) ? -errno : 0;
}

/* Edge-triggered, an eventfd needs no read: each write to it wakes once. */
static int open_events(struct blk_client *c)
{
	int err;

	c->epoll = epoll_create1(EPOLL_CLOEXEC);
	c->call = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (c->epoll < 0 || c->call < 0)
		return -errno;
	err = watch(c, c->call, EPOLLIN | EPOLLET, WATCH_CALL);
	return err ? err : watch(c, c->sock, EPOLLRDHUP, WATCH_SOCK);
}

/* The kick comes last: some back-ends start a queue by it. */
static int start_queue(struct blk_client *c, uint16_t i,
		       const struct blk_client_params *p)
{
	struct blk_queue *q = &c->queues[i];
	struct rf_frontend_queue start = {
		.index = i,
		.size = p->queue_size,
		.base = p->packed ? RF_FRONTEND_BASE_PACKED
				  : RF_FRONTEND_BASE_SPLIT,
	};
	const uint64_t at = i * queue_bytes(c);
	int err;

	q->packed = p->packed;
	q->event_idx = p->event_idx;
	q->indirect = p->indirect;
	blk_queue_init(q, p->queue_size, c->memory + at, GPA + at);
	start.desc_addr = q->desc_gpa;
	start.avail_addr = q->driver_gpa;
	start.used_addr = q->device_gpa;
	c->kicks[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (c->kicks[i] < 0)
		return -errno;
	err = rf_frontend_set_call(c->fe, i, c->call);
	if (!err && p->seal)
		err = rf_frontend_set_kick(c->fe, i, c->kicks[i]);
	if (!err && p->seal && i + 1 == c->nr_queues)
		err = rf_frontend_seal(c->fe);
	if (!err)
		err = rf_frontend_queue_start(c->fe, &start);
	if (!err && !p->seal)
		err = rf_frontend_set_kick(c->fe, i, c->kicks[i]);
	return err;
}

static int start_queues(struct blk_client *c, const struct blk_client_params *p)
{
	uint16_t offered = 1;
	uint16_t i;
	int err;

	err = rf_frontend_queue_num(c->fe, &offered);
	if (!err && offered < c->nr_queues)
		return -ENOTSUP;
	for (i = 0; !err && i < c->nr_queues; i++)
		err = start_queue(c, i, p);
	/* ACKNOWLEDGE, DRIVER, FEATURES_OK, DRIVER_OK */
	if (!err && rf_frontend_has(c->fe, VHOST_USER_PROTOCOL_F_STATUS))
		err = rf_frontend_set_status(c->fe, 15);
	return err;
}

static int negotiate(struct blk_client *c, const struct blk_client_params *p)
{
	int err = rf_frontend_negotiate(c->fe);

	if (!err)
		err = rf_frontend_get_config(c->fe, 0, &c->nr_sectors,
					     sizeof(c->nr_sectors));
	return err ? err : choose_features(c, p);
}

static bool is_valid(const struct blk_client_params *p)
{
	const uint32_t each = p->indirect ? 1 : BLK_QUEUE_PARTS;

	return p->nr_queues >= 1 && p->nr_queues <= BLK_CLIENT_QUEUES_MAX &&
	       p->queue_size >= 4 && p->queue_size <= BLK_QUEUE_SIZE_MAX &&
	       (p->queue_size & (p->queue_size - 1)) == 0 && p->depth >= 1 &&
	       p->depth * each <= p->queue_size && p->block_bytes &&
	       p->block_bytes % BLK_CLIENT_SECTOR == 0;
}

int blk_client_new(struct blk_client *c, const struct blk_client_params *p,
		   const char **step)
{
	uint32_t i;
	int err;

	*c = (struct blk_client){ .sock = -1,
				  .memory_fd = -1,
				  .epoll = -1,
				  .call = -1,
				  .nr_queues = p->nr_queues,
				  .depth = p->depth,
				  .block_bytes = p->block_bytes };
	for (i = 0; i < BLK_CLIENT_QUEUES_MAX; i++)
		c->kicks[i] = -1;
	c->queues[0].size = p->queue_size;
	*step = "arguments";
	if (!is_valid(p))
		return -EINVAL;
	*step = "memory";
	c->slots = calloc((size_t)p->nr_queues * p->depth, sizeof(*c->slots));
	if (!c->slots)
		return -ENOMEM;
	*step = "connect";
	err = open_connection(c, p->path);
	if (err)
		goto fail;
	*step = "negotiation";
	err = negotiate(c, p);
	if (err)
		goto fail;
	*step = "memory table";
	err = share_memory(c);
	if (err)
		goto fail;
	*step = "queues";
	err = open_events(c);
	if (!err)
		err = start_queues(c, p);
	if (err)
		goto fail;
	*step = NULL;
	return 0;

fail:
	blk_client_free(c);
	return err;
}

void blk_client_free(struct blk_client *c)
{
	uint32_t base;
	uint16_t i;

	for (i = 0; c->fe && c->kicks[i] >= 0 && i < c->nr_queues; i++)
		if (rf_frontend_queue_stop(c->fe, i, &base))
			break; /* it hears so by our hanging up */
	rf_frontend_free(c->fe);
	c->fe = NULL;
	for (i = 0; i < BLK_CLIENT_QUEUES_MAX; i++)
		rf_fd_close(&c->kicks[i]);
	rf_fd_close(&c->call);
	rf_fd_close(&c->epoll);
	rf_fd_close(&c->memory_fd);
	if (c->memory)
		(void)munmap(c->memory, c->memory_bytes);
	c->memory = NULL;
	free(c->slots);
	c->slots = NULL;
}

void blk_client_submit(struct blk_client *c, uint16_t queue, uint16_t slot,
		       enum blk_request_type type, uint64_t sector,
		       uint32_t bytes)
{
	const uint64_t at = headers_at(c, queue) + (uint64_t)slot * SLOT_BYTES;
	struct header *header = (void *)(c->memory + at);
	struct blk_client_slot *s = blk_client_slot(c, queue, slot);
	struct blk_queue_request rq = {
		.header = GPA + at,
		.header_bytes = HEADER_BYTES,
		.data = GPA + data_at(c, queue, slot),
		.data_bytes = bytes,
		.device_writes = type != BLK_WRITE,
		.status = GPA + at + HEADER_BYTES,
	};

	*header = (struct header){ .type = type, .sector = sector };
	c->memory[at + HEADER_BYTES] = STATUS_NONE;
	s->is_busy = true;
	s->type = type;
	s->sector = sector;
	s->bytes = bytes;
	s->ticks = bench_ticks();
	c->in_flight++;
	blk_queue_offer(&c->queues[queue], slot, &rq);
}

int blk_client_flush(struct blk_client *c, uint16_t queue)
{
	if (!blk_queue_publish(&c->queues[queue]))
		return 0;
	c->nr_kicks++;
	return rf_eventfd_signal(c->kicks[queue]);
}

int blk_client_reap(struct blk_client *c, uint16_t queue, uint16_t *slot,
		    uint8_t *status)
{
	struct blk_client_slot *s;
	uint32_t written;
	int err = blk_queue_take(&c->queues[queue], slot, &written);

	if (err)
		return err;
	if (*slot >= c->depth)
		return -EPROTO;
	s = blk_client_slot(c, queue, *slot);
	if (!s->is_busy)
		return -EPROTO;
	s->is_busy = false;
	c->in_flight--;
	*status = c->memory[headers_at(c, queue) +
			    (uint64_t)*slot * SLOT_BYTES + HEADER_BYTES];
	return 0;
}

static bool arm(struct blk_client *c)
{
	bool came = false;
	uint16_t i;

	for (i = 0; i < c->nr_queues; i++)
		came = blk_queue_arm(&c->queues[i]) || came;
	return came;
}

int blk_client_wait(struct blk_client *c, int ms)
{
	struct epoll_event events[2];
	uint16_t i;
	int n;

	if (arm(c))
		goto awake;
	c->nr_sleeps++;
	do {
		n = epoll_wait(c->epoll, events, 2, ms);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	if (n == 0)
		return -ETIMEDOUT;
	while (n-- > 0)
		if (events[n].data.u64 == WATCH_SOCK)
			return -EPIPE;
awake:
	for (i = 0; i < c->nr_queues; i++)
		blk_queue_disarm(&c->queues[i]);
	return 0;
}

int blk_client_one(struct blk_client *c, enum blk_request_type type,
		   uint64_t sector, uint32_t bytes, uint8_t *status)
{
	uint16_t slot;
	int err;

	blk_client_submit(c, 0, 0, type, sector, bytes);
	err = blk_client_flush(c, 0);
	while (!err) {
		err = blk_client_reap(c, 0, &slot, status);
		if (err != -EAGAIN)
			break;
		err = blk_client_wait(c, RF_FRONTEND_TIMEOUT_MS);
	}
	return err;
}
