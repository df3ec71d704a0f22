/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * chain.c - follow a descriptor chain that the guest may rewrite meanwhile
 *
 * Side:    device. Every descriptor is hostile and changes under us.
 * Owns:    nothing. The iovec array is the queue's.
 * Callers: virtqueue.c.
 * Never:   reads a descriptor twice, follows more of them than the queue has,
 *          logs: the reason goes back as a clause.
 *
 * A descriptor is copied once into a struct chain_desc and everything is
 * decided on that copy. One count of descriptors runs through the queue's
 * table and an indirect one alike and ends at the queue's size (virtio 1.2,
 * 2.7.5.3.1: no chain is longer), so loops end too.
 */
#include "device/chain.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

/* virtio 1.2, 2.7.5.2: no chain holds more than 2^32 bytes. */
#define CHAIN_BYTES_MAX (UINT64_C(1) << 32)

struct walk {
	const struct chain_source *src;
	struct rf_chain *out;
	uint32_t nr_seen; /* descriptors copied so far */
	const char *why;
};

struct desc {
	uint64_t gpa;
	uint32_t len_bytes;
	uint16_t flags;
	uint16_t next;
};

static int lie(struct walk *w, const char *why)
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

static int add_buffer(struct walk *w, const struct desc *d)
{
	struct rf_chain *c = w->out;
	uint32_t used = c->nr_readable + c->nr_writable;
	bool writable = d->flags & CHAIN_DESC_F_WRITE;
	uint32_t nr;
	int err;

	if (!writable && c->nr_writable > 0)
		return lie(w, "readable descriptor behind a writable one");
	if (d->len_bytes >
	    CHAIN_BYTES_MAX - c->readable_bytes - c->writable_bytes)
		return lie(w, "more than 2^32 bytes");
	err = guestmem_translate(w->src->mem, d->gpa, d->len_bytes,
				 c->iov + used, RF_CHAIN_IOV_MAX - used, &nr);
	if (err == -ENOSPC)
		return lie(w, "too many pieces");
	if (err)
		return lie(w, "buffer outside of guest memory");
	if (writable) {
		c->nr_writable += nr;
		c->writable_bytes += d->len_bytes;
	} else {
		c->nr_readable += nr;
		c->readable_bytes += d->len_bytes;
	}
	return 0;
}

/* One more descriptor: is there still one to be had? */
static int count(struct walk *w)
{
	if (w->nr_seen == w->src->size)
		return lie(w, "chain longer than the queue");
	w->nr_seen++;
	return 0;
}

static int walk_indirect(struct walk *w, const struct desc *table)
{
	uint32_t nr = table->len_bytes / sizeof(struct chain_desc);
	uint32_t i = 0;

	if (table->len_bytes == 0 ||
	    table->len_bytes % sizeof(struct chain_desc) != 0)
		return lie(w, "indirect table of a bad length");
	for (;;) {
		struct chain_desc wire;
		struct desc d;
		uint64_t offset = (uint64_t)i * sizeof(wire);
		int err = count(w);

		if (err)
			return err;
		if (offset > UINT64_MAX - table->gpa ||
		    guestmem_read(w->src->mem, table->gpa + offset, &wire,
				  sizeof(wire)))
			return lie(w, "indirect table outside of guest memory");
		d = from_wire(&wire);
		if (d.flags & CHAIN_DESC_F_INDIRECT)
			return lie(w, "indirect table within another");
		err = add_buffer(w, &d);
		if (err)
			return err;
		if (!(d.flags & CHAIN_DESC_F_NEXT))
			return 0;
		i = d.next;
		if (i >= nr)
			return lie(w, "next beyond the indirect table");
	}
}

/* The descriptor that points to an indirect table is counted out again: it is
 * the way to the chain, not a part of it. */
static int enter_indirect(struct walk *w, const struct desc *d)
{
	if (!w->src->indirect)
		return lie(w, "indirect descriptor, not negotiated");
	if (d->flags & CHAIN_DESC_F_NEXT)
		return lie(w, "indirect descriptor with a next one");
	w->nr_seen--;
	return walk_indirect(w, d);
}

static int walk_direct(struct walk *w, uint16_t head)
{
	uint16_t i = head;

	for (;;) {
		struct desc d;
		int err;

		if (i >= w->src->size)
			return lie(w, "descriptor index beyond the queue");
		err = count(w);
		if (err)
			return err;
		d = copy_direct(w->src, i);
		if (d.flags & CHAIN_DESC_F_INDIRECT)
			return enter_indirect(w, &d);
		err = add_buffer(w, &d);
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
	struct walk w = { .src = src, .out = out };
	int err;

	out->head = head;
	out->nr_readable = 0;
	out->nr_writable = 0;
	out->readable_bytes = 0;
	out->writable_bytes = 0;
	err = walk_direct(&w, head);
	if (err)
		*why = w.why;
	return err;
}
