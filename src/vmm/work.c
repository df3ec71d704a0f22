/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * work.c - what a vCPU thread may not do itself, handed to the main thread
 *
 * A slot belongs to its thread until `posted` is set, to main until `done` is
 * posted, however long that takes; nothing else orders them. The thread sets
 * `posted` before it rings, and main takes the bell before it looks at the
 * slots, so a post that main does not see rings after that look and wakes it
 * again.
 *
 * Side:    vmm, both kinds of thread.
 * Owns:    the slots. The eventfd is main's.
 * Callers: bus.c and vcpu.c post, serve.c serves.
 * Needs:   write and read on RF_FD_WORK, futex.
 * Never:   allocates, sleeps with a lock held.
 */
#include <errno.h>
#include <string.h>

#include "vmm/work.h"

int work_init(struct work *w, int event_fd, uint32_t nr_slots)
{
	if (nr_slots == 0 || nr_slots > WORK_SLOTS_MAX)
		return -EINVAL;
	memset(w, 0, sizeof(*w));
	w->event_fd = event_fd;
	w->nr_slots = nr_slots;
	return 0;
}

/* Returns false if main cannot be reached: then nothing ever will be done. */
static bool post(struct work *w, uint32_t slot, const struct work_item *item)
{
	struct work_slot *s = &w->slots[slot];

	s->item = *item;
	atomic_store_explicit(&s->posted, true, memory_order_release);
	return rf_eventfd_signal(w->event_fd) == 0;
}

int work_write(struct work *w, uint32_t slot, uint32_t device, uint32_t offset,
	       const void *data, uint32_t len)
{
	struct work_item item = {
		.kind = WORK_WRITE,
		.device = device,
		.offset = offset,
		.len = len,
	};

	if (len == 0 || len > sizeof(item.data) || slot >= w->nr_slots)
		return -EINVAL;
	memcpy(item.data, data, len);
	if (!post(w, slot, &item))
		return -EPIPE;
	latch_wait(&w->slots[slot].done);
	return 0;
}

void work_end(struct work *w, uint32_t slot, enum work_kind kind,
	      uint32_t status)
{
	const struct work_item item = { .kind = kind, .status = status };

	(void)post(w, slot, &item);
}

_Noreturn void work_park(struct work *w, uint32_t slot)
{
	/* Main answers every post, so one wait would not be for ever. */
	for (;;)
		latch_wait(&w->slots[slot].done);
}

uint32_t work_serve(struct work *w, work_fn *fn, void *ctx)
{
	uint32_t served = 0;
	uint64_t rung;
	uint32_t i;

	/* -EAGAIN is possible: an earlier look served that post already. */
	(void)!rf_eventfd_take(w->event_fd, &rung);
	for (i = 0; i < w->nr_slots; i++) {
		struct work_slot *s = &w->slots[i];
		struct work_item item;

		if (!atomic_exchange_explicit(&s->posted, false,
					      memory_order_acquire))
			continue;
		item = s->item;
		if (fn(ctx, i, &item))
			work_answer(w, i);
		served++;
	}
	return served;
}

void work_answer(struct work *w, uint32_t slot)
{
	latch_post(&w->slots[slot].done);
}
