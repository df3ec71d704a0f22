/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * liar_vm.c - the least monitor that boots the guest with a lying disk
 *
 * Side:    host, tests only.
 * Owns:    the VM. Its descriptors and memory live as long as the process, for
 *          each test is a process of its own.
 * Callers: test_liar.c.
 * Never:   serves the disk on the vCPU's thread: the guest is to sleep and be
 *          woken.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "launcher/guest_image.h"
#include "liar.h"

#define MEM_BYTES (16ull << 20)
#define DEVICE_GPA 0xd0000000u
#define DEVICE_GSI 5u

enum {
	START_INFO_GPA = 0x6000,
	MEMMAP_GPA = 0x6800,
	CMDLINE_GPA = 0x7000,
	CMDLINE_BYTES = 1024,
	NOTE_PHYS32_ENTRY = 18,
	DISK_PAUSE_US = 50, /* so that several requests gather */
};

struct vm {
	struct liar *liar;
	int kvm;
	int fd;
	int vcpu;
	int work;  /* eventfd: the queue wants to be served */
	bool stop; /* under the liar's lock */
	struct kvm_run *run;
	uint32_t entry;
};

static int open_vm(struct vm *vm)
{
	struct kvm_irqfd irqfd = { .gsi = DEVICE_GSI };
	struct liar *l = vm->liar;

	vm->kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (vm->kvm < 0)
		return -errno;
	vm->fd = ioctl(vm->kvm, KVM_CREATE_VM, 0);
	if (vm->fd < 0)
		return -errno;
	/* Three pages that some Intel hosts need, out of everyone's way. */
	if (ioctl(vm->fd, KVM_SET_TSS_ADDR, 0xfffbd000ul) ||
	    ioctl(vm->fd, KVM_CREATE_IRQCHIP, 0))
		return -errno;
	l->interrupt = eventfd(0, EFD_CLOEXEC);
	vm->work = eventfd(0, EFD_CLOEXEC);
	if (l->interrupt < 0 || vm->work < 0)
		return -errno;
	irqfd.fd = (uint32_t)l->interrupt;
	return ioctl(vm->fd, KVM_IRQFD, &irqfd) ? -errno : 0;
}

static int map_memory(struct vm *vm)
{
	struct kvm_userspace_memory_region region = {
		.memory_size = MEM_BYTES
	};
	struct liar *l = vm->liar;

	l->mem = mmap(NULL, MEM_BYTES, PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (l->mem == MAP_FAILED)
		return -errno;
	l->mem_bytes = MEM_BYTES;
	region.userspace_addr = (uintptr_t)l->mem;
	return ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &region) ? -errno : 0;
}

static int load_segment(struct vm *vm, const Elf32_Phdr *ph)
{
	const unsigned char *bytes = rf_guest_elf + ph->p_offset;
	uint32_t note[5];

	if (ph->p_offset > rf_guest_elf_bytes ||
	    ph->p_filesz > rf_guest_elf_bytes - ph->p_offset)
		return -ENOEXEC;
	if (ph->p_type == PT_NOTE && ph->p_filesz >= sizeof(note)) {
		memcpy(note, bytes, sizeof(note));
		if (note[2] == NOTE_PHYS32_ENTRY)
			vm->entry = note[4];
	}
	if (ph->p_type != PT_LOAD)
		return 0;
	if (ph->p_paddr > MEM_BYTES || ph->p_memsz > MEM_BYTES - ph->p_paddr ||
	    ph->p_filesz > ph->p_memsz)
		return -ENOEXEC;
	memcpy(vm->liar->mem + ph->p_paddr, bytes, ph->p_filesz);
	return 0;
}

static int load_guest(struct vm *vm)
{
	Elf32_Ehdr eh;
	Elf32_Phdr ph;
	uint32_t i;
	int ret;

	if (rf_guest_elf_bytes < sizeof(eh))
		return -ENOEXEC;
	memcpy(&eh, rf_guest_elf, sizeof(eh));
	if (memcmp(eh.e_ident, ELFMAG, SELFMAG) != 0 ||
	    eh.e_ident[EI_CLASS] != ELFCLASS32 || eh.e_machine != EM_386)
		return -ENOEXEC;
	for (i = 0; i < eh.e_phnum; i++) {
		memcpy(&ph, rf_guest_elf + eh.e_phoff + i * sizeof(ph),
		       sizeof(ph));
		ret = load_segment(vm, &ph);
		if (ret)
			return ret;
	}
	return vm->entry ? 0 : -ENOEXEC;
}

static void write_start_info(struct liar *l, const char *append)
{
	uint32_t info[14] = { 0x336ec578, 1 };
	uint64_t memmap[6] = {
		0, 0xa0000, 1, 0x100000, MEM_BYTES - 0x100000, 1
	};

	info[6] = CMDLINE_GPA;
	info[10] = MEMMAP_GPA;
	info[12] = 2;
	if (l->lie == LIAR_START_MAGIC)
		info[0]++;
	if (l->lie == LIAR_START_NO_RAM)
		memmap[4] = 0x1000;
	memcpy(l->mem + START_INFO_GPA, info, sizeof(info));
	memcpy(l->mem + MEMMAP_GPA, memmap, sizeof(memmap));
	(void)snprintf((char *)l->mem + CMDLINE_GPA, CMDLINE_BYTES,
		       "virtio_mmio.device=4K@0x%x:%u %s", DEVICE_GPA,
		       DEVICE_GSI, append);
}

/* 32-bit protected mode without paging, as PVH has it. */
static int set_registers(struct vm *vm)
{
	struct kvm_segment code = { .limit = UINT32_MAX,
				    .selector = 8,
				    .type = 11,
				    .present = 1,
				    .db = 1,
				    .s = 1,
				    .g = 1 };
	struct kvm_segment data = code;
	struct kvm_regs regs = { .rip = vm->entry,
				 .rbx = START_INFO_GPA,
				 .rflags = 2 };
	struct kvm_sregs sregs;

	data.type = 3;
	data.selector = 16;
	if (ioctl(vm->vcpu, KVM_GET_SREGS, &sregs))
		return -errno;
	sregs.cr0 = 1;
	sregs.cs = code;
	sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = data;
	sregs.tr =
		(struct kvm_segment){ .limit = 0x67, .type = 11, .present = 1 };
	if (ioctl(vm->vcpu, KVM_SET_SREGS, &sregs) ||
	    ioctl(vm->vcpu, KVM_SET_REGS, &regs))
		return -errno;
	return 0;
}

static int open_vcpu(struct vm *vm)
{
	int bytes = ioctl(vm->kvm, KVM_GET_VCPU_MMAP_SIZE, 0);

	if (bytes < 0)
		return -errno;
	vm->vcpu = ioctl(vm->fd, KVM_CREATE_VCPU, 0);
	if (vm->vcpu < 0)
		return -errno;
	vm->run = mmap(NULL, (size_t)bytes, PROT_READ | PROT_WRITE, MAP_SHARED,
		       vm->vcpu, 0);
	if (vm->run == MAP_FAILED)
		return -errno;
	return set_registers(vm);
}

static void *serve(void *ctx)
{
	struct vm *vm = ctx;
	bool stop = false;
	uint64_t count;

	while (!stop &&
	       read(vm->work, &count, sizeof(count)) == sizeof(count)) {
		usleep(DISK_PAUSE_US);
		pthread_mutex_lock(&vm->liar->lock);
		stop = vm->stop;
		if (!stop)
			liar_serve(vm->liar);
		pthread_mutex_unlock(&vm->liar->lock);
	}
	return NULL;
}

static int wake_disk(struct vm *vm)
{
	uint64_t one = 1;

	return write(vm->work, &one, sizeof(one)) == sizeof(one) ? 0 : -errno;
}

static int stop_disk(struct vm *vm, pthread_t thread)
{
	int ret;

	pthread_mutex_lock(&vm->liar->lock);
	vm->stop = true;
	pthread_mutex_unlock(&vm->liar->lock);
	ret = wake_disk(vm);
	return ret ? ret : -pthread_join(thread, NULL);
}

static int on_mmio(struct vm *vm)
{
	uint64_t gpa = vm->run->mmio.phys_addr;
	uint32_t len = vm->run->mmio.len;
	uint32_t value = 0;
	bool work = false;

	if (gpa < DEVICE_GPA || gpa - DEVICE_GPA >= RF_VIRTIO_MMIO_BYTES ||
	    len > sizeof(value)) {
		printf("%u bytes at 0x%llx\n", len, (unsigned long long)gpa);
		return -EPROTO;
	}
	gpa -= DEVICE_GPA;
	memcpy(&value, vm->run->mmio.data, len);
	pthread_mutex_lock(&vm->liar->lock);
	if (vm->run->mmio.is_write)
		work = liar_register_write(vm->liar, (uint32_t)gpa, len, value);
	else
		value = liar_register_read(vm->liar, (uint32_t)gpa, len);
	pthread_mutex_unlock(&vm->liar->lock);
	memcpy(vm->run->mmio.data, &value, len);
	return work ? wake_disk(vm) : 0;
}

/* 1: the guest ended, with `status`. */
static int on_port(struct vm *vm, int *status)
{
	uint8_t *data = (uint8_t *)vm->run + vm->run->io.data_offset;
	struct liar *l = vm->liar;
	uint32_t value = 0;

	if (vm->run->io.direction == KVM_EXIT_IO_IN) {
		/* The line status: empty. Nothing else is read. */
		memset(data, 0x60, vm->run->io.size);
		return 0;
	}
	if (vm->run->io.size <= sizeof(value))
		memcpy(&value, data, vm->run->io.size);
	switch (vm->run->io.port) {
	case 0x3f8:
		if (l->text_len < sizeof(l->text) - 1)
			l->text[l->text_len++] = (char)value;
		return 0;
	case 0xf8:
		l->told_notified += value;
		return 0;
	case 0xfc:
		l->told_compared += value;
		return 0;
	case 0xf4:
		*status = (int)value;
		return 1;
	default:
		return 0;
	}
}

static int run(struct vm *vm)
{
	int status = -EPROTO;
	int ret = 0;

	while (!ret) {
		if (ioctl(vm->vcpu, KVM_RUN, 0)) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		if (vm->run->exit_reason == KVM_EXIT_MMIO) {
			ret = on_mmio(vm);
		} else if (vm->run->exit_reason == KVM_EXIT_IO) {
			ret = on_port(vm, &status);
		} else {
			printf("exit reason %u\n", vm->run->exit_reason);
			ret = -EPROTO;
		}
	}
	return ret < 0 ? ret : status;
}

int liar_boot(struct liar *l, const char *append)
{
	struct vm vm = { .liar = l };
	pthread_t thread;
	int ret, stopped;

	if ((ret = open_vm(&vm)) || (ret = map_memory(&vm)) ||
	    (ret = load_guest(&vm)))
		return ret;
	write_start_info(l, append);
	if ((ret = open_vcpu(&vm)))
		return ret;
	ret = pthread_create(&thread, NULL, serve, &vm);
	if (ret)
		return -ret;
	ret = run(&vm);
	stopped = stop_disk(&vm, thread);
	return stopped ? stopped : ret;
}
