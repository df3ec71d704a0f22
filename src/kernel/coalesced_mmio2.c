// SPDX-License-Identifier: GPL-2.0-only
/*
 * coalesced_mmio2.c - rings of guest writes that other processes map and poll
 *
 * Side:    host kernel. The guest chooses when, where and what it writes;
 *          whoever has the descriptor may store anything in the ring, at any
 *          time. Neither is believed.
 * Owns:    the buffers, their page and their zones.
 * Callers: kvm_main.c (coalesced_mmio2.h), the I/O bus, the VFS.
 * Never:   for a write of the guest: allocates, sleeps, or takes any lock but
 *          the buffer's own (and that of the wait queue, if someone waits).
 *
 * Objects
 * =======
 *
 *   VM <--weak-- buffer <--ref-- file <--ref-- descriptors, mappings (vma)
 *                  ^ |
 *                  | +--ref--> page <--ref-- page tables, pinned user pages
 *                  ref
 *                 zone <--owns-- I/O bus <--owns-- VM
 *
 * Buffer. Counted: one reference of its file, one of each zone. Made by
 * KVM_CREATE_COALESCED_MMIO_BUFFER, gone with the last reference.
 *
 * Page. Made by the first mmap(), so that a buffer nobody uses costs none, and
 * kept until the buffer goes. It is an ordinary counted page: a pin that
 * outlives the buffer (direct I/O, say) keeps the page and nothing else.
 *
 * Mapping. Each holds the file as any mapping does, so release() finds none.
 * buffer->nr_mapped counts them; vm_ops->open and ->close see each way a
 * mapping can come, move or go.
 *
 * Zone. One device on the VM's I/O bus. It refers to the buffer, not to the
 * file: otherwise the file could not go while zones are registered, and
 * closing it is what removes them.
 *
 * VM. A buffer does not hold its VM. It could be simple: a reference, dropped
 * in release(). But the descriptor is made to be given away to a process that
 * is trusted less, and that process could then keep the memory of a VM that
 * ended, its vCPUs and the CPUs' virtualization mode, for as long as it likes.
 * So buffer->kvm is weak: the VM clears it when it ends, and who wants to use
 * it takes a reference under vm_lock or finds that it is too late.
 *
 * What a mapping gets
 * ===================
 *
 * All mappings show the one page, whoever made them and whenever. Entries stay
 * in it when the last mapping goes, in order and in front of what comes later:
 * a device process that died leaves them to its successor, which maps the same
 * descriptor, finds it readable, and drains where the dead one stopped. What
 * the dead one had taken out already (moved `first` past) is lost, so a
 * successor scans its queues once all the same.
 *
 * While nobody maps the page, nobody can drain it, so writes exit to user space
 * rather than lie there until somebody comes: the vCPU process hears of each.
 * Zones stay registered, and writes are coalesced again with the next mmap().
 *
 * A process that is taken over, or dies in the wrong moment, can leave indices
 * no successor could go on with. Therefore an mmap() that finds no other
 * mapping and an index out of range sets both to 0: garbage is dropped, an
 * orderly ring never is. Such a ring takes no entries (see coalesced2_push()),
 * so there is nothing of the guest's behind the poison that would not have
 * exited.
 *
 * fork() does not copy a mapping (VM_DONTCOPY). A child that knows nothing of
 * the ring would count as somebody who drains it, and would hide the death of
 * its parent from the guest's writes. MADV_DOFORK is for those who do want it,
 * and is safe.
 *
 * Mappings are shared, one page at offset 0, readable and writable, and never
 * executable; anything else could not drain. They do not grow (VM_DONTEXPAND).
 *
 * Locks
 * =====
 *
 *   kvm->slots_lock   which zones are on the bus; buffer->zones.
 *   vm_lock           buffer->kvm and kvm->coalesced_mmio2_buffers. Leaf.
 *   buffer->lock      buffer->page becoming set, nr_mapped, and the producer's
 *                     side of the ring. Leaf: taken by vCPUs inside kvm->srcu,
 *                     and by mmap() and munmap() inside mmap_lock.
 *
 * None of the three is taken inside another. The wait queue is woken with none
 * of them held.
 *
 * Interleavings
 * =============
 *
 * Write against unregister, or against release(): the bus is left first, then
 * synchronize_srcu() waits for each vCPU inside coalesced2_write(), only then
 * the zone is freed and its reference to the buffer dropped. So the buffer, its
 * page and its wait queue outlive each write, and when the ioctl or close()
 * returned no further entry appears.
 *
 * release() against the end of the VM: release() looks at buffer->kvm under
 * vm_lock and takes a reference with kvm_get_kvm_safe(). Either that works:
 * the VM cannot end before release() has removed the zones and put it (which
 * may end the VM, in this process: the same happens with a vCPU's descriptor).
 * Or it fails: kvm_destroy_vm() runs, and has yet to come to, or waits in,
 * kvm_coalesced_mmio2_vm_gone(), so struct kvm is still memory; it will destroy
 * the zones itself, and their references keep the buffer until then.
 *
 * The end of the VM against a process that still has the buffer: the zones go
 * with the bus, the buffer stays, what is in the ring can be drained and
 * polled; ->kvm is NULL, and no VM that comes after, at the same address
 * perhaps, accepts the buffer.
 *
 * Register against close(): the ioctl holds the file, so release() comes after
 * it and finds the new zone.
 *
 * Write against munmap(): both take buffer->lock around nr_mapped. A write that
 * came first leaves its entry to the next who maps, and as long as no one does
 * later writes exit, which tells user space.
 *
 * Write against poll(): the producer stores `last`, passes a full barrier in
 * wq_has_sleeper() and looks for sleepers; poll() queues itself, passes a full
 * barrier and looks at `last`. One of the two sees the other. Every entry
 * wakes, not only the first: a consumer in edge-triggered mode may have looked
 * at `last` already and be about to store `first`.
 */
#include <kvm/iodev.h>

#include <linux/anon_inodes.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/kref.h>
#include <linux/kvm.h>
#include <linux/kvm_host.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/poll.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/uaccess.h>
#include <linux/wait.h>

#include "coalesced_mmio2.h"

struct coalesced2_buffer {
	struct kref ref;
	wait_queue_head_t wait;

	spinlock_t lock;
	struct page *page;	/* set once, under lock */
	unsigned int nr_mapped;	/* under lock */

	struct kvm *kvm;	 /* weak; NULL when it ended; vm_lock */
	struct hlist_node of_vm; /* kvm->coalesced_mmio2_buffers; vm_lock */
	struct list_head zones;	 /* kvm->slots_lock */
};

struct coalesced2_zone {
	struct kvm_io_device dev;
	struct list_head of_buffer;
	struct coalesced2_buffer *buffer;
	u64 addr;
	u32 size;
	u32 pio;
};

/* One for all VMs: it is taken when a buffer comes or goes, never for I/O. */
static DEFINE_SPINLOCK(vm_lock);

static struct kvm_coalesced_mmio_ring *ring_of(struct page *page)
{
	return page_address(page);
}

static void free_buffer(struct kref *ref)
{
	struct coalesced2_buffer *buffer =
		container_of(ref, struct coalesced2_buffer, ref);

	WARN_ON_ONCE(buffer->nr_mapped);
	WARN_ON_ONCE(!list_empty(&buffer->zones));
	if (buffer->page)
		put_page(buffer->page);
	kfree(buffer);
}

static void put_buffer(struct coalesced2_buffer *buffer)
{
	kref_put(&buffer->ref, free_buffer);
}

/* The guest's side: zones on the I/O bus. */

static bool is_in_zone(const struct coalesced2_zone *zone, gpa_t addr, int len)
{
	/* Registration saw to it that the zone does not wrap. */
	return addr >= zone->addr && len <= zone->size &&
	       addr - zone->addr <= zone->size - len;
}

/*
 * Append, under buffer->lock. False: full, or user space stored an index that
 * is none. `first` is checked as well: out of range it would never be met, and
 * entries that nobody took would be written over.
 */
static bool push_entry(struct kvm_coalesced_mmio_ring *ring,
		       const struct kvm_coalesced_mmio *entry)
{
	u32 first = READ_ONCE(ring->first);
	u32 last = READ_ONCE(ring->last);
	u32 next = last + 1;

	if (first >= KVM_COALESCED_MMIO_MAX || last >= KVM_COALESCED_MMIO_MAX)
		return false;
	if (next == KVM_COALESCED_MMIO_MAX)
		next = 0;
	if (next == first)
		return false;
	ring->coalesced_mmio[last] = *entry;
	/* Whoever sees the new index sees the entry. */
	smp_store_release(&ring->last, next);
	return true;
}

static int coalesced2_write(struct kvm_vcpu *vcpu, struct kvm_io_device *dev,
			    gpa_t addr, int len, const void *val)
{
	struct coalesced2_zone *zone =
		container_of(dev, struct coalesced2_zone, dev);
	struct coalesced2_buffer *buffer = zone->buffer;
	struct kvm_coalesced_mmio entry = {
		.phys_addr = addr,
		.len = len,
		.pio = zone->pio,
	};
	bool pushed;

	if (len <= 0 || len > (int)sizeof(entry.data))
		return -EOPNOTSUPP;
	if (!is_in_zone(zone, addr, len))
		return -EOPNOTSUPP;
	memcpy(entry.data, val, len);

	spin_lock(&buffer->lock);
	pushed = buffer->nr_mapped && push_entry(ring_of(buffer->page), &entry);
	spin_unlock(&buffer->lock);
	if (!pushed)
		return -EOPNOTSUPP; /* exits to user space */

	if (wq_has_sleeper(&buffer->wait))
		wake_up_interruptible_poll(&buffer->wait,
					   EPOLLIN | EPOLLRDNORM);
	return 0;
}

/* Off the bus and past synchronize_srcu(), or the VM is ending. */
static void coalesced2_destroy_zone(struct kvm_io_device *dev)
{
	struct coalesced2_zone *zone =
		container_of(dev, struct coalesced2_zone, dev);

	list_del(&zone->of_buffer);
	put_buffer(zone->buffer);
	kfree(zone);
}

static const struct kvm_io_device_ops coalesced2_zone_ops = {
	.write = coalesced2_write,
	.destructor = coalesced2_destroy_zone,
};

static enum kvm_bus bus_of(u32 pio)
{
	return pio ? KVM_PIO_BUS : KVM_MMIO_BUS;
}

/* The user's side: the descriptor. */

static void coalesced2_vm_open(struct vm_area_struct *vma)
{
	struct coalesced2_buffer *buffer = vma->vm_private_data;

	spin_lock(&buffer->lock);
	buffer->nr_mapped++;
	spin_unlock(&buffer->lock);
}

static void coalesced2_vm_close(struct vm_area_struct *vma)
{
	struct coalesced2_buffer *buffer = vma->vm_private_data;

	spin_lock(&buffer->lock);
	buffer->nr_mapped--;
	spin_unlock(&buffer->lock);
}

static vm_fault_t coalesced2_vm_fault(struct vm_fault *vmf)
{
	struct coalesced2_buffer *buffer = vmf->vma->vm_private_data;

	if (vmf->pgoff)
		return VM_FAULT_SIGBUS;
	/* Set before the mapping was made, and as long as the file is there. */
	get_page(buffer->page);
	vmf->page = buffer->page;
	return 0;
}

static const struct vm_operations_struct coalesced2_vm_ops = {
	.open = coalesced2_vm_open,
	.close = coalesced2_vm_close,
	.fault = coalesced2_vm_fault,
};

static bool is_whole_ring(const struct vm_area_struct *vma)
{
	const vm_flags_t need = VM_SHARED | VM_READ | VM_WRITE;

	return vma->vm_pgoff == 0 &&
	       vma->vm_end - vma->vm_start == PAGE_SIZE &&
	       (vma->vm_flags & (need | VM_EXEC)) == need;
}

static void repair_indices(struct kvm_coalesced_mmio_ring *ring)
{
	if (READ_ONCE(ring->first) < KVM_COALESCED_MMIO_MAX &&
	    READ_ONCE(ring->last) < KVM_COALESCED_MMIO_MAX)
		return;
	WRITE_ONCE(ring->first, 0);
	WRITE_ONCE(ring->last, 0);
}

/* Takes over @fresh, or frees it where the buffer has its page already. */
static void count_mapping(struct coalesced2_buffer *buffer, struct page *fresh)
{
	spin_lock(&buffer->lock);
	if (!buffer->page) {
		/* Pairs with current_page(): zeroes before the pointer. */
		smp_store_release(&buffer->page, fresh);
		fresh = NULL;
	}
	if (!buffer->nr_mapped++)
		repair_indices(ring_of(buffer->page));
	spin_unlock(&buffer->lock);
	if (fresh)
		put_page(fresh);
}

/* For those who do not hold the lock. NULL: never mapped. */
static struct page *current_page(struct coalesced2_buffer *buffer)
{
	/* Pairs with count_mapping(). */
	return smp_load_acquire(&buffer->page);
}

static int coalesced2_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct coalesced2_buffer *buffer = file->private_data;
	struct page *fresh = NULL;

	if (!is_whole_ring(vma))
		return -EINVAL;
	if (!current_page(buffer)) {
		/* Two may get here at once: one page too many, freed again. */
		fresh = alloc_page(GFP_KERNEL_ACCOUNT | __GFP_ZERO);
		if (!fresh)
			return -ENOMEM;
	}
	count_mapping(buffer, fresh);
	vma->vm_private_data = buffer;
	vma->vm_ops = &coalesced2_vm_ops;
	vm_flags_mod(vma, VM_DONTCOPY | VM_DONTEXPAND | VM_DONTDUMP,
		     VM_MAYEXEC);
	return 0;
}

static __poll_t coalesced2_poll(struct file *file, poll_table *wait)
{
	struct coalesced2_buffer *buffer = file->private_data;
	struct kvm_coalesced_mmio_ring *ring;
	struct page *page;

	poll_wait(file, &buffer->wait, wait);
	/*
	 * Queued before looking; pairs with wq_has_sleeper(). Not each 6.12
	 * has this inside of poll_wait().
	 */
	smp_mb();
	page = current_page(buffer);
	if (!page)
		return 0;
	ring = ring_of(page);
	if (READ_ONCE(ring->first) == READ_ONCE(ring->last))
		return 0;
	return EPOLLIN | EPOLLRDNORM;
}

/* Stop belonging to the VM. NULL: it ended, or is about to. */
static struct kvm *leave_vm(struct coalesced2_buffer *buffer)
{
	struct kvm *kvm;

	spin_lock(&vm_lock);
	kvm = buffer->kvm;
	if (kvm) {
		hlist_del(&buffer->of_vm);
		buffer->kvm = NULL;
		if (!kvm_get_kvm_safe(kvm))
			kvm = NULL;
	}
	spin_unlock(&vm_lock);
	return kvm;
}

static int coalesced2_release(struct inode *inode, struct file *file)
{
	struct coalesced2_buffer *buffer = file->private_data;
	struct kvm *kvm = leave_vm(buffer);
	struct coalesced2_zone *zone;

	if (kvm) {
		mutex_lock(&kvm->slots_lock);
		/*
		 * From the head each time: where memory lacks for a smaller
		 * bus, the whole bus goes, and with it more zones than one.
		 */
		while ((zone = list_first_entry_or_null(&buffer->zones,
							struct coalesced2_zone,
							of_buffer)))
			kvm_io_bus_unregister_dev(kvm, bus_of(zone->pio),
						  &zone->dev);
		mutex_unlock(&kvm->slots_lock);
		kvm_put_kvm(kvm);
	}
	put_buffer(buffer);
	return 0;
}

/* Not const: the owner is known when the vendor's module comes. */
static struct file_operations coalesced2_fops = {
	.release = coalesced2_release,
	.mmap = coalesced2_mmap,
	.poll = coalesced2_poll,
};

/* The VM's side: ioctls, and its end. */

static struct coalesced2_buffer *new_buffer(void)
{
	struct coalesced2_buffer *buffer;

	buffer = kzalloc(sizeof(*buffer), GFP_KERNEL_ACCOUNT);
	if (!buffer)
		return NULL;
	kref_init(&buffer->ref);
	init_waitqueue_head(&buffer->wait);
	spin_lock_init(&buffer->lock);
	INIT_LIST_HEAD(&buffer->zones);
	return buffer;
}

static int create_buffer(struct kvm *kvm)
{
	struct coalesced2_buffer *buffer;
	struct file *file;
	int fd;

	buffer = new_buffer();
	if (!buffer)
		return -ENOMEM;
	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0)
		goto no_fd;
	file = anon_inode_getfile("kvm-coalesced-mmio", &coalesced2_fops,
				  buffer, O_RDWR);
	if (IS_ERR(file))
		goto no_file;

	spin_lock(&vm_lock);
	buffer->kvm = kvm;
	hlist_add_head(&buffer->of_vm, &kvm->coalesced_mmio2_buffers);
	spin_unlock(&vm_lock);
	/* From here on user space can close it. */
	fd_install(fd, file);
	return fd;

no_file:
	put_unused_fd(fd);
	fd = PTR_ERR(file);
no_fd:
	put_buffer(buffer);
	return fd;
}

/* Only a VM that is in use looks here, so a match does not end under us. */
static bool is_buffer_of(struct kvm *kvm, struct file *file)
{
	struct coalesced2_buffer *buffer = file->private_data;

	return file->f_op == &coalesced2_fops &&
	       READ_ONCE(buffer->kvm) == kvm;
}

/* Empty, or around the end of the address space: no write would ever match. */
static bool is_possible_zone(const struct kvm_coalesced_mmio_zone2 *arg)
{
	return arg->pio <= 1 && arg->size && arg->size <= INT_MAX &&
	       arg->addr + arg->size > arg->addr;
}

static int register_zone(struct kvm *kvm, struct coalesced2_buffer *buffer,
			 const struct kvm_coalesced_mmio_zone2 *arg)
{
	struct coalesced2_zone *zone;
	int r;

	if (!current_page(buffer))
		return -ENOBUFS;
	zone = kzalloc(sizeof(*zone), GFP_KERNEL_ACCOUNT);
	if (!zone)
		return -ENOMEM;
	kvm_iodevice_init(&zone->dev, &coalesced2_zone_ops);
	zone->addr = arg->addr;
	zone->size = arg->size;
	zone->pio = arg->pio;
	zone->buffer = buffer;
	/* On the bus it can be written to at once: the reference comes first. */
	kref_get(&buffer->ref);

	mutex_lock(&kvm->slots_lock);
	r = kvm_io_bus_register_dev(kvm, bus_of(arg->pio), arg->addr, arg->size,
				    &zone->dev);
	if (!r)
		list_add_tail(&zone->of_buffer, &buffer->zones);
	mutex_unlock(&kvm->slots_lock);

	if (r) {
		put_buffer(buffer);
		kfree(zone);
	}
	return r;
}

static bool is_same_zone(const struct coalesced2_zone *zone,
			 const struct kvm_coalesced_mmio_zone2 *arg)
{
	return zone->addr == arg->addr && zone->size == arg->size &&
	       zone->pio == arg->pio;
}

/*
 * Every zone of this buffer that was registered with these very numbers; that
 * there is none is no error, as with the call this one stands beside.
 */
static int unregister_zone(struct kvm *kvm, struct coalesced2_buffer *buffer,
			   const struct kvm_coalesced_mmio_zone2 *arg)
{
	struct coalesced2_zone *zone, *next;

	mutex_lock(&kvm->slots_lock);
	list_for_each_entry_safe(zone, next, &buffer->zones, of_buffer)
		if (is_same_zone(zone, arg) &&
		    kvm_io_bus_unregister_dev(kvm, bus_of(arg->pio),
					      &zone->dev))
			/* No memory for a smaller bus: all of it went. */
			break;
	mutex_unlock(&kvm->slots_lock);
	return 0;
}

static int change_zone(struct kvm *kvm, unsigned int ioctl, void __user *argp)
{
	struct kvm_coalesced_mmio_zone2 arg;
	struct file *file;
	int r;

	BUILD_BUG_ON(sizeof(arg) != 24);
	if (copy_from_user(&arg, argp, sizeof(arg)))
		return -EFAULT;
	if (!is_possible_zone(&arg))
		return -EINVAL;
	file = fget(arg.buffer_fd);
	if (!file)
		return -EBADF;
	if (!is_buffer_of(kvm, file))
		r = -EINVAL;
	else if (ioctl == KVM_REGISTER_COALESCED_MMIO2)
		r = register_zone(kvm, file->private_data, &arg);
	else
		r = unregister_zone(kvm, file->private_data, &arg);
	fput(file);
	return r;
}

int kvm_coalesced_mmio2_ioctl(struct kvm *kvm, unsigned int ioctl,
			      void __user *argp)
{
	switch (ioctl) {
	case KVM_CREATE_COALESCED_MMIO_BUFFER:
		return create_buffer(kvm);
	case KVM_REGISTER_COALESCED_MMIO2:
	case KVM_UNREGISTER_COALESCED_MMIO2:
		return change_zone(kvm, ioctl, argp);
	default:
		return -ENOTTY;
	}
}

void kvm_coalesced_mmio2_vm_gone(struct kvm *kvm)
{
	struct coalesced2_buffer *buffer;
	struct hlist_node *next;

	spin_lock(&vm_lock);
	hlist_for_each_entry_safe(buffer, next, &kvm->coalesced_mmio2_buffers,
				  of_vm) {
		hlist_del(&buffer->of_vm);
		WRITE_ONCE(buffer->kvm, NULL);
	}
	spin_unlock(&vm_lock);
}

void kvm_coalesced_mmio2_init(struct module *module)
{
	/* release() may end a VM, which needs the vendor's module. */
	coalesced2_fops.owner = module;
}
