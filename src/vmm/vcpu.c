/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * vcpu.c - the threads that are the guest's processors
 *
 * Side:    vmm, vCPU threads: the guest's registers are in reach, so these have
 *          the narrowest filter. From vcpu_main()'s rf_policy_load() on:
 * Needs:   ioctl(KVM_RUN) on its vCPU; write on RF_FD_CONSOLE, RF_FD_LOG,
 *          RF_FD_WAKE and eventfds (512 and up); read on eventfds (stand-in
 *          only); futex(FUTEX_WAIT_PRIVATE, FUTEX_WAKE_PRIVATE).
 * Owns:    nothing beyond its stack.
 * Callers: main.c, serve.c.
 * Never:   talks to a device, ends the process, allocates.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <ringfence/log.h>
#include <ringfence/policy.h>

#include "vmm/bus.h"
#include "vmm/standin.h"
#include "vmm/vcpu.h"

#define VCPU_STACK_BYTES ((size_t)256 * 1024)

static void port_exit(struct vcpu *vcpu, struct kvm_run *run)
{
	uint8_t *data = (uint8_t *)run + run->io.data_offset;
	uint32_t i;

	for (i = 0; i < run->io.count; i++, data += run->io.size) {
		if (run->io.direction == KVM_EXIT_IO_OUT)
			bus_port_write(vcpu->vmm, vcpu->index, run->io.port,
				       data, run->io.size);
		else
			bus_port_read(vcpu->vmm, run->io.port, data,
				      run->io.size);
	}
}

static void mmio_exit(struct vcpu *vcpu, struct kvm_run *run)
{
	RF_REPORT_ADD(vcpu->vmm->report, exits_mmio, 1);
	if (run->mmio.is_write)
		bus_mmio_write(vcpu->vmm, vcpu->index, run->mmio.phys_addr,
			       run->mmio.data, run->mmio.len);
	else
		bus_mmio_read(vcpu->vmm, run->mmio.phys_addr, run->mmio.data,
			      run->mmio.len);
}

/* false: this vCPU cannot go on. */
static bool handle_exit(struct vcpu *vcpu, struct kvm_run *run)
{
	RF_REPORT_ADD(vcpu->vmm->report, exits, 1);
	/* Writes that KVM kept in its own ring came before this exit: they go
	 * first. */
	rf_doorbell_set_drain(vcpu->vmm->doorbells);
	switch (run->exit_reason) {
	case KVM_EXIT_MMIO:
		mmio_exit(vcpu, run);
		return true;
	case KVM_EXIT_IO:
		port_exit(vcpu, run);
		return true;
	case KVM_EXIT_INTR:
	case KVM_EXIT_IRQ_WINDOW_OPEN:
		return true;
	default:
		return false;
	}
}

static void run_guest(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->vmm->vm.runs[vcpu->index];
	const int fd = RF_FD_VCPUS + (int)vcpu->index;

	for (;;) {
		if (ioctl(fd, KVM_RUN, 0) < 0) {
			/* A tracer looked in; or a start-up interrupt moved
			 * this vCPU to another state. */
			if (errno == EINTR || errno == EAGAIN)
				continue;
			rf_log("vcpu%u: KVM_RUN: %s", vcpu->index,
			       strerrorname_np(errno));
			return;
		}
		if (!handle_exit(vcpu, run))
			return;
	}
}

static void *vcpu_main(void *arg)
{
	struct vcpu *vcpu = arg;
	char name[] = "vcpu00";
	int rc;

	name[4] = (char)('0' + vcpu->index / 10);
	name[5] = (char)('0' + vcpu->index % 10);
	prctl(PR_SET_NAME, vcpu->vmm->kvm ? name : "standin");
	rc = rf_policy_load(&rf_policy_vcpu);
	if (rc < 0) {
		/* Never go on with less fence; main waits and is ended, too. */
		rf_log("vcpu%u: its filter: %s", vcpu->index,
		       strerrorname_np(-rc));
		_exit(RF_FENCE_EXIT_STATUS);
	}
	latch_post(&vcpu->fenced);
	latch_wait(&vcpu->go);
	if (vcpu->vmm->kvm)
		run_guest(vcpu);
	else
		standin_run(vcpu->vmm, vcpu->index);
	work_end(&vcpu->vmm->work, vcpu->index, WORK_STOPPED, 0);
	work_park(&vcpu->vmm->work, vcpu->index);
}

int vcpu_start(struct vmm *vmm, uint32_t index)
{
	struct vcpu *vcpu = &vmm->vcpus[index];
	sigset_t all, old;
	pthread_attr_t attr;
	int rc;

	vcpu->vmm = vmm;
	vcpu->index = index;
	rc = pthread_attr_init(&attr);
	if (rc != 0)
		return -rc;
	rc = pthread_attr_setstacksize(&attr, VCPU_STACK_BYTES);
	/* Signals are main's: none interrupts a vCPU. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	if (rc == 0)
		rc = pthread_create(&vcpu->thread, &attr, vcpu_main, vcpu);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	if (rc != 0)
		return -rc;
	latch_wait(&vcpu->fenced);
	return 0;
}

void vcpu_go(struct vcpu *vcpu)
{
	latch_post(&vcpu->go);
}
