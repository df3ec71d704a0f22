/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * images.c - every file a run needs, open and judged before anything starts
 *
 * Side:    launcher, with all its power.
 * Owns:    the rules for a disk image: its kind, size and lock.
 * Callers: run.c, demo.c, probe.c, bench.c.
 * Never:   opens by a name twice: what was judged is what is passed on.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "launcher/guest_image.h"
#include "launcher/images.h"

#define DISK_BYTES_MIN 512u
#define KVM_API 12 /* since 2.6.22, for good */

void images_close(struct images *im)
{
	uint32_t i;

	rf_fd_close(&im->kvm);
	rf_fd_close(&im->kernel);
	rf_fd_close(&im->initrd);
	rf_fd_close(&im->vmm_exe);
	rf_fd_close(&im->blk_exe);
	rf_fd_close(&im->report);
	for (i = 0; i < im->nr_disks; i++)
		rf_fd_close(&im->disks[i]);
	im->nr_disks = 0;
}

static const char *open_remedy(int err)
{
	switch (err) {
	case ENOENT:
		return "; make it first, with `truncate -s 1G FILE` for one";
	case EACCES:
	case EPERM:
		return "; its permissions do not let this user in";
	case EROFS:
		return "; the file system is read-only: say PATH,ro";
	case EBUSY:
		return "; the host has it mounted or in use";
	default:
		return "";
	}
}

/* An io_uring lets go of its file some time after its process has ended: the
 * guest before ours may be gone, and its disk not yet. */
#define LOCK_TRIES 50u
#define LOCK_PAUSE_US 20000u

static int try_lock(int fd, struct flock *lock)
{
	unsigned tries;

	for (tries = 1; fcntl(fd, F_OFD_SETLK, lock) < 0; tries++) {
		if ((errno != EAGAIN && errno != EACCES) || tries == LOCK_TRIES)
			return -errno;
		(void)usleep(LOCK_PAUSE_US);
	}
	return 0;
}

/* Locks of the open file description: they stay with the descriptor that the
 * device process gets, and go when it does. */
static int lock_disk(const struct disk *disk, int fd, struct complaint *c)
{
	struct flock lock = {
		.l_type = disk->read_only ? F_RDLCK : F_WRLCK,
		.l_whence = SEEK_SET,
	};

	int err = try_lock(fd, &lock);

	if (!err)
		return 0;
	if (err == -EAGAIN || err == -EACCES)
		return complain(c,
				"%s: another process holds it%s; end that one "
				"first, or give each its own copy",
				disk->path,
				disk->read_only ? " for writing" : "");
	return complain(c, "%s: cannot be locked: %s", disk->path,
			strerror(-err));
}

static int check_disk(const struct disk *disk, int fd, struct complaint *c)
{
	struct stat st;
	uint64_t bytes;

	if (fstat(fd, &st) < 0)
		return complain(c, "%s: %s", disk->path, strerror(errno));
	if (S_ISBLK(st.st_mode)) {
		if (ioctl(fd, BLKGETSIZE64, &bytes) < 0)
			return complain(c, "%s: has no size: %s", disk->path,
					strerror(errno));
	} else if (S_ISREG(st.st_mode)) {
		bytes = (uint64_t)st.st_size;
	} else {
		return complain(c,
				"%s: is neither a regular file nor a block "
				"device",
				disk->path);
	}
	if (bytes < DISK_BYTES_MIN)
		return complain(c,
				"%s: holds %llu bytes, less than one sector of "
				"512; enlarge it with `truncate -s SIZE`",
				disk->path, (unsigned long long)bytes);
	return 0;
}

int images_open_disk(const struct disk *disk, int *out, struct complaint *c)
{
	/* O_EXCL: the kernel then refuses a block device that is mounted.
	 * O_NONBLOCK: somebody's FIFO must not hold us up. */
	const int flags = O_CLOEXEC | O_NOCTTY | O_NONBLOCK |
			  (disk->read_only ? O_RDONLY : O_RDWR | O_EXCL);
	rf_autofd fd = -1;
	int err;

	if (disk->fd >= 0)
		fd = fcntl(disk->fd, F_DUPFD_CLOEXEC, 3);
	else
		fd = open(disk->path, flags);
	if (fd < 0) {
		err = errno;
		return complain(c, "%s: %s%s", disk->path, strerror(err),
				open_remedy(err));
	}
	err = check_disk(disk, fd, c);
	if (err)
		return err;
	/* tmpfs of older kernels and some others have no way past the cache. */
	if (fcntl(fd, F_SETFL, disk->direct ? O_DIRECT : 0) < 0)
		return complain(c, "%s: %s%s", disk->path, strerror(errno),
				disk->direct ? "; its file system cannot do "
					       "without the page cache: leave "
					       "`direct` out"
					     : "");
	err = lock_disk(disk, fd, c);
	if (err)
		return err;
	*out = rf_fd_take(&fd);
	return 0;
}

static bool is_same_disk(int a, int b)
{
	struct stat sa;
	struct stat sb;

	if (fstat(a, &sa) < 0 || fstat(b, &sb) < 0)
		return false;
	if (S_ISBLK(sa.st_mode) && S_ISBLK(sb.st_mode))
		return sa.st_rdev == sb.st_rdev;
	return sa.st_dev == sb.st_dev && sa.st_ino == sb.st_ino;
}

/* Told apart by what they are, not by name: two paths may be one file. Before
 * locking the second one, which would complain about "another process". */
static int check_twice(const struct settings *s, uint32_t nr,
		       const struct images *im, struct complaint *c)
{
	const struct disk *disk = &s->disks[nr];
	rf_autofd fd = -1;
	uint32_t i;

	if (disk->fd >= 0)
		return 0;
	fd = open(disk->path, O_PATH | O_CLOEXEC);
	for (i = 0; fd >= 0 && i < nr; i++) {
		if (!is_same_disk(fd, im->disks[i]))
			continue;
		if (disk->read_only && s->disks[i].read_only)
			continue;
		return complain(c,
				"disk %u (%s) and disk %u (%s) are the same, "
				"and not both read-only",
				i, s->disks[i].path, nr, disk->path);
	}
	return 0;
}

static int open_disks(const struct settings *s, struct images *im,
		      struct complaint *c)
{
	uint32_t i;
	int err;

	for (i = 0; i < s->nr_disks; i++) {
		err = check_twice(s, i, im, c);
		if (err)
			return err;
		err = images_open_disk(&s->disks[i], &im->disks[i], c);
		if (err)
			return err;
		im->nr_disks = i + 1;
	}
	return 0;
}

int images_open_kvm(int *out, char *why, size_t cap)
{
	rf_autofd fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	int version;

	if (fd < 0) {
		int err = errno;
		const char *remedy = "";

		if (err == ENOENT || err == ENXIO || err == ENODEV)
			remedy = "; load kvm_intel or kvm_amd";
		else if (err == EACCES || err == EPERM)
			remedy = "; join the group that owns it, mostly `kvm`";
		(void)snprintf(why, cap, "/dev/kvm: %s%s", strerror(err),
			       remedy);
		return -err;
	}
	version = ioctl(fd, KVM_GET_API_VERSION, 0);
	if (version < 0) {
		(void)snprintf(
			why, cap,
			"/dev/kvm: it is not KVM: %s; remove what stands "
			"there and load kvm_intel or kvm_amd",
			strerror(errno));
		return -ENOTSUP;
	}
	if (version != KVM_API) {
		(void)snprintf(why, cap, "/dev/kvm: API version %d, not %d",
			       version, KVM_API);
		return -ENOTSUP;
	}
	*out = rf_fd_take(&fd);
	return 0;
}

/* A kind that was asked for by name is tried before anything is started. */
static int check_doorbell(const struct settings *s, int kvm,
			  struct complaint *c)
{
	struct rf_doorbell_offer offer;

	if (s->doorbell == SETTINGS_DOORBELL_AUTO)
		return 0;
	(void)rf_doorbell_probe_host(kvm, &offer);
	if (offer.works[s->doorbell])
		return 0;
	return complain(c, "doorbell %s does not work here: %s",
			settings_doorbell_name(s->doorbell),
			offer.why[s->doorbell]);
}

bool images_has_register_pages(int kvm)
{
	return ioctl(kvm, KVM_CHECK_EXTENSION, (long)KVM_CAP_READONLY_MEM) >
		       0 &&
	       ioctl(kvm, KVM_CHECK_EXTENSION, (long)KVM_CAP_IOEVENTFD) > 0;
}

static int check_registers(const struct settings *s, int kvm,
			   struct complaint *c)
{
	if (s->registers != SETTINGS_REGISTERS_PAGE ||
	    images_has_register_pages(kvm))
		return 0;
	return complain(c, "registers page does not work here: this host's KVM "
			   "has no read-only memory or no ioeventfd; take exit "
			   "or auto");
}

static int open_kvm(const struct settings *s, struct images *im,
		    struct complaint *c)
{
	int err;

	if (s->accel == SETTINGS_ACCEL_NONE)
		return 0;
	err = images_open_kvm(&im->kvm, im->why_no_kvm, sizeof(im->why_no_kvm));
	if (!err) {
		err = check_registers(s, im->kvm, c);
		return err ? err : check_doorbell(s, im->kvm, c);
	}
	if (s->accel == SETTINGS_ACCEL_KVM)
		return complain(c, "%s; or say --accel none", im->why_no_kvm);
	if (strcmp(s->kernel, SETTINGS_BUILTIN) != 0)
		return complain(c, "%s; without it no kernel runs",
				im->why_no_kvm);
	if (s->doorbell != SETTINGS_DOORBELL_AUTO &&
	    s->doorbell != RF_DOORBELL_EXIT)
		return complain(c, "doorbell %s needs KVM: %s",
				settings_doorbell_name(s->doorbell),
				im->why_no_kvm);
	if (s->registers == SETTINGS_REGISTERS_PAGE)
		return complain(c, "registers page needs KVM: %s",
				im->why_no_kvm);
	im->stands_in = true;
	return 0;
}

/* The built-in guest as a file nobody can change any more. */
static int open_builtin(int *out, struct complaint *c)
{
	rf_autofd fd = memfd_create("guest", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0 ||
	    write(fd, rf_guest_elf, rf_guest_elf_bytes) !=
		    (ssize_t)rf_guest_elf_bytes ||
	    fcntl(fd, F_ADD_SEALS,
		  F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) < 0)
		return complain(c, "the built-in guest: no memory file: %s",
				strerror(errno));
	*out = rf_fd_take(&fd);
	return 0;
}

/* What is in it is the vCPU process's to judge, inside its fence. */
static int open_boot_file(const char *option, const char *path, int *out,
			  struct complaint *c)
{
	rf_autofd fd = -1;
	struct stat st;

	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		return complain(c, "%s %s: %s", option, path, strerror(errno));
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return complain(c, "%s %s: is not a regular file", option,
				path);
	*out = rf_fd_take(&fd);
	return 0;
}

static int open_kernel(const struct settings *s, struct images *im,
		       struct complaint *c)
{
	int err;

	if (strcmp(s->kernel, SETTINGS_BUILTIN) == 0)
		return open_builtin(&im->kernel, c);
	err = open_boot_file("--kernel", s->kernel, &im->kernel, c);
	if (err || !s->initrd[0])
		return err;
	return open_boot_file("--initrd", s->initrd, &im->initrd, c);
}

int images_open_program(const char *name, int *out, struct complaint *c)
{
	char path[PATH_MAX];
	ssize_t len;
	char *slash;
	int fd;

	len = readlink("/proc/self/exe", path, sizeof(path) - 1);
	if (len < 0)
		return complain(c, "/proc/self/exe: %s; is /proc mounted?",
				strerror(errno));
	path[len] = '\0';
	slash = strrchr(path, '/');
	if (!slash || (size_t)(slash + 1 - path) + strlen(name) >= PATH_MAX)
		return complain(c, "%s: the path to it is too long", name);
	memcpy(slash + 1, name, strlen(name) + 1);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return complain(c,
				"%s: %s; it is built and installed beside "
				"ringfence",
				path, strerror(errno));
	*out = fd;
	return 0;
}

static int open_report(const struct settings *s, struct images *im,
		       struct complaint *c)
{
	if (!s->report[0])
		return 0;
	im->report = open(s->report,
			  O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY,
			  0644);
	if (im->report < 0)
		return complain(c, "--report %s: %s", s->report,
				strerror(errno));
	return 0;
}

int images_open(const struct settings *s, struct images *out,
		struct complaint *c)
{
	struct images im = { .kvm = -1,
			     .kernel = -1,
			     .initrd = -1,
			     .vmm_exe = -1,
			     .blk_exe = -1,
			     .report = -1 };
	int err;

	err = open_disks(s, &im, c);
	if (!err)
		err = open_kernel(s, &im, c);
	if (!err)
		err = open_kvm(s, &im, c);
	if (!err)
		err = images_open_program("ringfence-vmm", &im.vmm_exe, c);
	if (!err)
		err = images_open_program("ringfence-blk", &im.blk_exe, c);
	/* Last: it makes a file, and nothing may go wrong behind it. */
	if (!err)
		err = open_report(s, &im, c);
	if (err) {
		images_close(&im);
		return err;
	}
	*out = im;
	return 0;
}
