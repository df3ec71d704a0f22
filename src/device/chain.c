/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * chain.c - follow a descriptor chain that the guest may rewrite meanwhile
 *
 * Side:    device. Every descriptor is hostile and changes under us.
 * Owns:    nothing. The iovec array is the queue's.
 * Callers: split.c; packed.c.
 * Never:   reads a descriptor twice, follows more of them than the queue has,
 *          logs: the reason goes back as a clause.
 *
 * A descriptor is copied once and everything is decided on that copy. One count
 * of buffers runs through the queue's table and an indirect one alike and ends
 * at the queue's size (virtio 1.2, 2.7.5.3.1: no chain is longer), so loops
 * end too.
 */
#include "device/chain.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

/* virtio 1.2, 2.7.5.2: no chain holds more than 2^32 bytes. */
#define CHAIN_BYTES_MAX (UINT64_C(1) << 32)

struct desc {
	uint64_t gpa;
	uint32_t len_bytes;
	uint16_t flags;
	uint16_t next;
};

int chain_lie(struct chain_walk *w, const char *why)
{
	w->why = why;
	return -EPROTO;
}

static struct desc from_wire(const struct chain_desc *wire)
{
	return (struct desc){
		.gpa = le64toh(wire->addr_le),
		.len_bytes = le32toh(wire->len_le),
		.flags = le16toh(wire->flags_le),
		.next = le16toh(wire->next_le),
	};
}

static struct desc copy_direct(const struct chain_source *src, uint16_t i)
{
	struct chain_desc wire;

	memcpy(&wire, &src->table[i], sizeof(wire));
	/* The copy is the only look: see guestmem_read(). */
	__asm__ volatile("" ::: "memory");
	return from_wire(&wire);
}

void chain_begin(struct chain_walk *w, struct iovec *iov)
{
	*w->out = (struct rf_chain){ .iov = iov };
	w->nr_seen = 0;
	w->why = NULL;
}

static int translate(struct chain_walk *w, uint64_t gpa, uint32_t len_bytes,
		     uint32_t *nr)
{
	struct rf_chain *c = w->out;
	uint32_t used = c->nr_readable + c->nr_writable;
	int err;

	err = guestmem_translate(w->mem, gpa, len_bytes, c->iov + used,
				 RF_CHAIN_IOV_MAX - used, nr);
	if (err == -ENOSPC)
		return chain_lie(w, "too many pieces");
	if (err)
		return chain_lie(w, "buffer outside of guest memory");
	return 0;
}

int chain_add(struct chain_walk *w, uint64_t gpa, uint32_t len_bytes,
	      bool writable)
{
	struct rf_chain *c = w->out;
	uint32_t nr = 0;
	int err;

	if (w->nr_seen == w->nr_max)
		return chain_lie(w, "chain longer than the queue");
	w->nr_seen++;
	if (!writable && c->nr_writable > 0)
		return chain_lie(w, "readable descriptor behind a writable "
				    "one");
	if (len_bytes > CHAIN_BYTES_MAX - c->readable_bytes - c->writable_bytes)
		return chain_lie(w, "more than 2^32 bytes");
	err = translate(w, gpa, len_bytes, &nr);
	if (err)
		return err;
	if (writable) {
		c->nr_writable += nr;
		c->writable_bytes += len_bytes;
	} else {
		c->nr_readable += nr;
		c->readable_bytes += len_bytes;
	}
	return 0;
}

static int add_desc(struct chain_walk *w, const struct desc *d)
{
	return chain_add(w, d->gpa, d->len_bytes,
			 d->flags & CHAIN_DESC_F_WRITE);
}

int chain_open_table(struct chain_walk *w, uint64_t gpa, uint32_t len_bytes,
		     struct chain_table *out)
{
	if (len_bytes == 0 || len_bytes % sizeof(struct chain_desc) != 0)
		return chain_lie(w, "indirect table of a bad length");
	*out = (struct chain_table){
		.gpa = gpa,
		.host = guestmem_at(w->mem, gpa, len_bytes),
	};
	return 0;
}

int chain_read_table(struct chain_walk *w, const struct chain_table *table,
		     uint32_t i, void *out, uint32_t len_bytes)
{
	uint64_t offset = (uint64_t)i * len_bytes;

	if (table->host) {
		memcpy(out, table->host + offset, len_bytes);
		/* See guestmem_read(). */
		__asm__ volatile("" ::: "memory");
		return 0;
	}
	if (offset > UINT64_MAX - table->gpa ||
	    guestmem_read(w->mem, table->gpa + offset, out, len_bytes))
		return chain_lie(w, "indirect table outside of guest memory");
	return 0;
}

static int walk_indirect(struct chain_walk *w, const struct desc *way)
{
	uint32_t nr = way->len_bytes / sizeof(struct chain_desc);
	struct chain_table table;
	uint32_t i = 0;
	int err;

	err = chain_open_table(w, way->gpa, way->len_bytes, &table);
	if (err)
		return err;
	for (;;) {
		struct chain_desc wire;
		struct desc d;

		err = chain_read_table(w, &table, i, &wire, sizeof(wire));
		if (err)
			return err;
		d = from_wire(&wire);
		if (d.flags & CHAIN_DESC_F_INDIRECT)
			return chain_lie(w, "indirect table within another");
		err = add_desc(w, &d);
		if (err)
			return err;
		if (!(d.flags & CHAIN_DESC_F_NEXT))
			return 0;
		i = d.next;
		if (i >= nr)
			return chain_lie(w, "next beyond the indirect table");
	}
}

/* The descriptor that points to an indirect table is the way to the chain, not
 * a part of it: it is not counted. */
static int enter_indirect(struct chain_walk *w, const struct chain_source *src,
			  const struct desc *d)
{
	if (!src->indirect)
		return chain_lie(w, "indirect descriptor, not negotiated");
	if (d->flags & CHAIN_DESC_F_NEXT)
		return chain_lie(w, "indirect descriptor with a next one");
	return walk_indirect(w, d);
}

static int walk_direct(struct chain_walk *w, const struct chain_source *src,
		       uint16_t head)
{
	uint16_t i = head;

	/* Each turn but the last adds a buffer, and chain_add() counts. */
	for (;;) {
		struct desc d;
		int err;

		if (i >= src->size)
			return chain_lie(w, "descriptor index beyond the "
					    "queue");
		d = copy_direct(src, i);
		if (d.flags & CHAIN_DESC_F_INDIRECT)
			return enter_indirect(w, src, &d);
		err = add_desc(w, &d);
		if (err)
			return err;
		if (!(d.flags & CHAIN_DESC_F_NEXT))
			return 0;
		i = d.next;
	}
}

int chain_collect(const struct chain_source *src, uint16_t head,
		  struct rf_chain *out, const char **why)
{
	struct chain_walk w = {
		.mem = src->mem,
		.out = out,
		.nr_max = src->size,
	};
	int err;

	chain_begin(&w, out->iov);
	out->head = head;
	err = walk_direct(&w, src, head);
	if (err)
		*why = w.why;
	return err;
}
