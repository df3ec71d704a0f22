/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * report.c - what the processes of a VM counted, as JSON
 *
 * Side:    launcher, inside its filter.
 * Owns:    the names of the fields in JSON.
 * Callers: run.c, demo.c.
 * Never:   believes a counter: a fenced process may write what it likes there,
 *          so they are shown, and nothing is decided by them.
 * Needs:   write (VM_FD_REPORT).
 */
#include <inttypes.h>

#include "launcher/report.h"
#include "launcher/say.h"

static const struct {
	const char *name;
	size_t offset;
} fields[] = {
#define FIELD(name)                                     \
	{                                               \
#name, offsetof(struct rf_report, name) \
	}
	FIELD(main_ns),	       FIELD(fenced_ns),      FIELD(sealed_ns),
	FIELD(ring_entries),   FIELD(wakeups),	      FIELD(kicks),
	FIELD(foreign),	       FIELD(requests),	      FIELD(bytes_read),
	FIELD(bytes_written),  FIELD(interrupts),     FIELD(resets),
	FIELD(exits),	       FIELD(exits_mmio),     FIELD(exits_notify),
	FIELD(exits_register), FIELD(exits_ack),      FIELD(exits_setup),
	FIELD(rescans),	       FIELD(guest_status),   FIELD(notified),
	FIELD(compared_bytes), FIELD(kvm_exits_mmio), FIELD(polled_hits),
	FIELD(polled_misses),  FIELD(polled_ns),      FIELD(flushes_failed),
	FIELD(mapped_reads),
#undef FIELD
};

uint64_t report_startup_ns(const struct vm *vm, uint32_t index)
{
	const struct vm_process *proc = &vm->procs[index];
	const uint64_t sealed = VM_REPORT(proc, sealed_ns);

	return sealed > proc->exec_ns ? sealed - proc->exec_ns : 0;
}

const char *report_registers(const struct vm *vm)
{
	return VM_REPORT(&vm->procs[0], register_pages) == 2 ? "page" : "exit";
}

bool report_exits_per_request(uint64_t exits, uint64_t setup, uint64_t requests,
			      double *out)
{
	if (requests == 0 || setup > exits)
		return false;
	*out = (double)(exits - setup) / (double)requests;
	return true;
}

static void add_process(struct text *t, const struct vm *vm, uint32_t index)
{
	const struct vm_process *proc = &vm->procs[index];
	size_t i;

	text_add(t, "{\"name\":");
	text_add_json(t, proc->name);
	text_add(t, ",\"pid\":%d,\"uid\":%u,\"startup_ns\":%" PRIu64, proc->pid,
		 proc->uid, report_startup_ns(vm, index));
	for (i = 0; proc->report && i < RF_ARRAY_LEN(fields); i++) {
		const char *at = (const char *)proc->report + fields[i].offset;
		const _Atomic uint64_t *field = (const void *)at;

		text_add(t, ",\"%s\":%" PRIu64, fields[i].name,
			 atomic_load_explicit(field, memory_order_relaxed));
	}
	text_add(t, "}");
}

void report_write(const struct vm *vm, int fd)
{
	static struct text t;
	uint32_t i;

	t.len = 0;
	text_add(&t, "{\"accel\":\"%s\",\"doorbell\":",
		 vm->stands_in ? "none" : "kvm");
	text_add_json(&t, settings_doorbell_name((int)vm->doorbell));
	text_add(&t, ",\"registers\":\"%s\"", report_registers(vm));
	text_add(&t, ",\"ended\":%s,\"guest_status\":%u,\"run_ns\":%" PRIu64,
		 vm->ended ? "true" : "false", vm->guest_status,
		 vm->end_ns - vm->go_ns);
	text_add(&t, ",\"processes\":[");
	for (i = 0; i < vm->nr; i++) {
		if (i)
			text_add(&t, ",");
		add_process(&t, vm, i);
		text_write(&t, fd);
	}
	text_add(&t, "]}\n");
	text_write(&t, fd);
}
