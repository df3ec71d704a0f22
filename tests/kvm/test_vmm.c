/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * test_vmm.c - real guests on real KVM, in real fences
 *
 * Guests are a few bytes of 32-bit code each. What they find out leaves them
 * through the debug ports: 0xf8 and 0xfc add to two counters that start at 0,
 * so one write is a value; 0xf4 is the end.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <ringfence/doorbell.h>
#include <ringfence/virtio_mmio.h>

#include "kvm/machine.h"
#include "unit/linux_kernel.h"
#include "unit/pvh_kernel.h"
#include "unit/unit.h"

static uint8_t file[PVH_KERNEL_BYTES];
static struct machine machine;

#define SAY_0XF8 0xe7, 0xf8			      /* out 0xf8, eax */
#define SAY_0XFC 0xe7, 0xfc			      /* out 0xfc, eax */
#define END(status) 0xb0, status, 0xe6, 0xf4	      /* mov al; out 0xf4, al */
#define LOAD_EAX(b0, b1, b2, b3) 0xa1, b0, b1, b2, b3 /* mov eax, [...] */

/* Run `code` as a kernel to the end of the vmm. */
static void run_with(const uint8_t *code, size_t len, struct machine_params p)
{
	rf_autofd kernel = -1;

	pvh_kernel_make32(file, code, len);
	kernel = pvh_kernel_file(file, sizeof(file));
	p.accel = "kvm";
	p.kernel = kernel;
	machine_run(&machine, &p);
}

#define RUN(code, ...) \
	run_with(code, sizeof(code), (struct machine_params){ __VA_ARGS__ })

static void expect_status(uint32_t status)
{
	ck_assert_msg(machine.ended, "no ENDED; log:\n%s", machine.log.text);
	ck_assert_uint_eq(machine.status, status);
	ck_assert(machine.vmm.end.exited);
	ck_assert_int_eq(machine.vmm.end.status, 0);
	ck_assert_uint_eq(machine.report->guest_status, 1 + status);
	machine_stop(&machine);
}

/* The vmm ended by itself, without an ENDED, and said why. */
static void expect_failure(const char *sentence)
{
	ck_assert(!machine.ended);
	ck_assert(machine.vmm.end.exited);
	ck_assert_int_eq(machine.vmm.end.status, 1);
	ck_assert_msg(machine_said(&machine.log, sentence), "log:\n%s",
		      machine.log.text);
	machine_stop(&machine);
}

START_TEST(a_guest_prints_and_ends_with_its_status)
{
	static const uint8_t code[] = {
		0x66, 0xba, 0xf8, 0x03, /* mov dx, 0x3f8 */
		0xb0, 'o',  0xee,	/* mov al, 'o'; out dx, al */
		0xb0, 'k',  0xee,	/* 'k' */
		0xb0, '\n', 0xee, END(42),
	};

	RUN(code, 0);
	ck_assert_str_eq(machine.console.text, "ok\n");
	/* Three letters and the end. */
	ck_assert_uint_eq(machine.report->exits, 4);
	ck_assert_uint_eq(machine.report->exits_mmio, 0);
	expect_status(42);
}
END_TEST

START_TEST(a_line_without_its_end_comes_out_all_the_same)
{
	static const uint8_t code[] = { 0x66, 0xba, 0xf8, 0x03,
					0xb0, '>',  0xee, END(0) };

	RUN(code, 0);
	ck_assert_str_eq(machine.console.text, ">");
	expect_status(0);
}
END_TEST

START_TEST(a_half_line_of_a_guest_that_goes_on_comes_out_too)
{
	static const uint8_t code[] = { 0x66, 0xba, 0xf8, 0x03, 0xb0,
					'>',  0xee, 0xeb, 0xfe };
	struct machine_params p = { .accel = "kvm" };
	const uint64_t until = rf_clock_ns() + 10000000000ull;

	pvh_kernel_make32(file, code, sizeof(code));
	p.kernel = pvh_kernel_file(file, sizeof(file));
	machine_start(&machine, &p);
	machine_go(&machine);
	while (!machine_said(&machine.console, ">") && rf_clock_ns() < until) {
		bool once = true;

		(void)machine_wait(&machine, &once);
	}
	ck_assert_str_eq(machine.console.text, ">");
	ck_assert(!machine.vmm.ended);
	close(p.kernel);
	machine_stop(&machine);
}
END_TEST

START_TEST(the_start_information_is_where_ebx_points)
{
	static const uint8_t code[] = {
		0x8b,	0x03, SAY_0XF8,		  /* mov eax, [ebx]: magic */
		0x8b,	0x43, 0x30,	SAY_0XFC, /* [ebx + 48]: map entries */
		0x8b,	0x73, 0x18,	      /* mov esi, [ebx + 24]: cmdline */
		0x66,	0xba, 0xf8,	0x03, /* mov dx, 0x3f8 */
		0xac,			      /* lodsb */
		0x84,	0xc0,		      /* test al, al */
		0x74,	0x03,		      /* jz end */
		0xee,			      /* out dx, al */
		0xeb,	0xf8,		      /* jmp lodsb */
		END(0),
	};

	RUN(code, .cmdline = "console=ttyS0 hello");
	ck_assert_uint_eq(machine.report->notified, 0x336ec578);
	ck_assert_uint_eq(machine.report->compared_bytes, 3);
	ck_assert_str_eq(machine.console.text, "console=ttyS0 hello");
	expect_status(0);
}
END_TEST

START_TEST(memory_above_the_hole_is_in_the_map)
{
	static const uint8_t code[] = {
		0x8b,	0x43, 0x30, SAY_0XFC, /* map entries */
		0x8b,	0x73, 0x28,	      /* mov esi, [ebx + 40]: map */
		0x8b,	0x46, 0x4c, SAY_0XF8, /* entry 3: address, high half */
		END(0),
	};

	RUN(code, .memory = "3222274048"); /* 3 GiB and 1 MiB */
	ck_assert_uint_eq(machine.report->compared_bytes, 4);
	ck_assert_uint_eq(machine.report->notified, 1);
	expect_status(0);
}
END_TEST

START_TEST(what_nobody_answers_reads_as_ones_and_swallows_writes)
{
	static const uint8_t code[] = {
		LOAD_EAX(0x00, 0x00, 0x00, 0xd1),
		SAY_0XF8, /* no device */
		0xa3,
		0x00,
		0x00,
		0x00,
		0xd1, /* mov [], eax */
		0xe7,
		0x80, /* out 0x80 */
		0x31,
		0xc0, /* xor eax, eax */
		0xe5,
		0x80,
		SAY_0XFC, /* in eax, 0x80 */
		END(0),
	};

	RUN(code, 0);
	ck_assert_uint_eq(machine.report->notified, UINT32_MAX);
	ck_assert_uint_eq(machine.report->compared_bytes, UINT32_MAX);
	expect_status(0);
}
END_TEST

START_TEST(a_triple_fault_is_named)
{
	/* mov eax, 0xfff8; mov ds, eax: beyond the table, and no IDT */
	static const uint8_t code[] = {
		0xb8, 0xf8, 0xff, 0x00, 0x00, 0x8e, 0xd8
	};

	RUN(code, 0);
	expect_failure("vcpu0: the guest shut its processor down (triple "
		       "fault)\n");
}
END_TEST

START_TEST(an_instruction_outside_of_memory_is_named)
{
	/* jmp 0xd1000000: 5 bytes at 0x100000 */
	static const uint8_t code[] = { 0xe9, 0xfb, 0xff, 0xef, 0xd0 };

	RUN(code, 0);
	expect_failure("at 0xd1000000");
}
END_TEST

/* An initramfs of `len` bytes that begins with "ifs!". */
static int make_initrd(size_t len)
{
	static uint8_t bytes[32 << 20];

	ck_assert_uint_le(len, sizeof(bytes));
	bytes[0] = 'i';
	bytes[1] = 'f';
	bytes[2] = 's';
	bytes[3] = '!';
	return linux_kernel_file(bytes, len);
}

/* What stands at the start of the initramfs, how long it is, and "64". */
static const uint8_t linux_code[] = {
	0x8b,	  0x86,	  0x18, 0x02, 0x00, 0x00, /* mov eax, [rsi + 0x218] */
	0x8b,	  0x00,				  /* mov eax, [rax] */
	SAY_0XF8,				  /* its first four bytes */
	0x8b,	  0x86,	  0x1c, 0x02, 0x00, 0x00, /* mov eax, [rsi + 0x21c] */
	SAY_0XFC,				  /* its length */
	0x66,	  0xba,	  0xf8, 0x03,		  /* mov dx, 0x3f8 */
	0x48,	  0xb8,	  0x00, 0x00, 0x00, 0x00, /* mov rax, '64' << 32 */
	'6',	  '4',	  0x00, 0x00,		  /* and the rest of it */
	0x48,	  0xc1,	  0xe8, 0x20,		  /* shr rax, 32 */
	0xee,					  /* out dx, al */
	0x88,	  0xe0,				  /* mov al, ah */
	0xee,	  END(5),
};

static void expect_linux(int kernel)
{
	const struct machine_params p = { .accel = "kvm",
					  .kernel = kernel,
					  .initrd = make_initrd(70001) };

	machine_run(&machine, &p);
	ck_assert_uint_eq(machine.report->notified, 0x21736669);
	ck_assert_uint_eq(machine.report->compared_bytes, 70001);
	ck_assert_str_eq(machine.console.text, "64");
	close(p.initrd);
	close(kernel);
	expect_status(5);
}

START_TEST(a_bzimage_is_entered_in_64_bit_mode_with_its_initramfs)
{
	linux_kernel_make(file, linux_code, sizeof(linux_code));
	expect_linux(linux_kernel_file(file, LINUX_KERNEL_BYTES));
}
END_TEST

START_TEST(a_vmlinux_without_a_note_is_too)
{
	Elf64_Ehdr *header = (Elf64_Ehdr *)(void *)file;
	Elf64_Phdr *segment = (Elf64_Phdr *)(void *)(file + PVH_KERNEL_PHOFF);

	pvh_kernel_make64(file, linux_code, sizeof(linux_code));
	header->e_phnum = 1;
	header->e_entry = PVH_KERNEL_GPA;
	segment->p_vaddr = 0xffffffff81000000ull;
	expect_linux(pvh_kernel_file(file, sizeof(file)));
}
END_TEST

START_TEST(a_pvh_kernel_finds_its_initramfs_among_the_modules)
{
	static const uint8_t code[] = {
		0x8b,	0x73, 0x10,	/* mov esi, [ebx + 16]: modules */
		0x8b,	0x06,		/* mov eax, [esi]: address */
		0x8b,	0x00, SAY_0XF8, /* mov eax, [eax] */
		0x8b,	0x46, 0x08,	SAY_0XFC, /* [esi + 8]: bytes */
		END(6),
	};
	int initrd = make_initrd(70001);

	RUN(code, .initrd = initrd);
	ck_assert_uint_eq(machine.report->notified, 0x21736669);
	ck_assert_uint_eq(machine.report->compared_bytes, 70001);
	close(initrd);
	expect_status(6);
}
END_TEST

static void expect_refused_with(const struct machine_params *p,
				const char *sentence)
{
	machine_start(&machine, p);
	ck_assert(machine_wait(&machine, &machine.vmm.ended));
	ck_assert(!machine.ready);
	expect_failure(sentence);
}

static void expect_refused(int kernel, const char *sentence)
{
	const struct machine_params p = { .accel = "kvm", .kernel = kernel };

	expect_refused_with(&p, sentence);
	close(kernel);
}

/* Listens, and says back what it hears until that is a 'q'. */
static const uint8_t echo[] = {
	0x66,	 0xba, 0xf9, 0x03, /* mov dx, 0x3f9 */
	0xb0,	 0x01, 0xee,	   /* IER: data */
	0x66,	 0xba, 0xfd, 0x03, /* again: mov dx, 0x3fd */
	0xec,			   /* in al, dx */
	0xa8,	 0x01,		   /* test al, 1 */
	0x74,	 0xf7,		   /* jz again */
	0x66,	 0xba, 0xf8, 0x03, /* mov dx, 0x3f8 */
	0xec,	 0xee,		   /* in al, dx; out dx, al */
	0x3c,	 'q',		   /* cmp al, 'q' */
	0x75,	 0xed,		   /* jne again */
	END(11),
};

START_TEST(a_guest_hears_a_stream_to_its_end)
{
	char text[1000];
	int fds[2];

	memset(text, '.', sizeof(text));
	/* No escape here: this is no terminal. */
	text[1] = '\x01';
	text[2] = 'x';
	text[sizeof(text) - 1] = 'q';
	ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
	ck_assert_int_eq(write(fds[1], text, sizeof(text)), sizeof(text));
	RUN(echo, .input = "stream", .console_in = fds[0]);
	ck_assert_mem_eq(machine.console.text, text, sizeof(text));
	close(fds[0]);
	close(fds[1]);
	expect_status(11);
}
END_TEST

START_TEST(a_guest_hears_a_file)
{
	static const char text[] = "a file, q";
	int fd = linux_kernel_file((const uint8_t *)text, sizeof(text) - 1);

	ck_assert_int_eq(lseek(fd, 0, SEEK_SET), 0);
	RUN(echo, .input = "stream", .console_in = fd);
	ck_assert_str_eq(machine.console.text, text);
	close(fd);
	expect_status(11);
}
END_TEST

START_TEST(the_escape_ends_a_guest_that_runs_for_ever)
{
	static const uint8_t code[] = { 0xeb, 0xfe }; /* jmp . */
	int fds[2];

	ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
	ck_assert_int_eq(write(fds[1], "hello\x01x", 7), 7);
	RUN(code, .input = "terminal", .console_in = fds[0]);
	close(fds[0]);
	close(fds[1]);
	expect_status(0);
}
END_TEST

START_TEST(powering_off_ends_it_with_status_0)
{
	static const uint8_t code[] = {
		0x66,	  0xba, 0x04,	0x06, /* mov dx, 0x604 */
		0x66,	  0xed,		      /* in ax, dx */
		SAY_0XF8,		      /* SCI_EN */
		0x66,	  0xb8, 0x00,	0x14, /* mov ax, 5 << 10 */
		0x66,	  0xef,		      /* out dx, ax: the type alone */
		0x66,	  0xb8, 0x00,	0x34, /* and SLP_EN */
		0x66,	  0xef, END(9),
	};

	RUN(code, 0);
	ck_assert_uint_eq(machine.report->notified & 0xffff, 1);
	expect_status(0);
}
END_TEST

START_TEST(a_reset_ends_it_with_status_0)
{
	static const uint8_t code[] = { 0xb0, 0xfe, 0xe6, 0x64, END(9) };

	RUN(code, 0);
	expect_status(0);
}
END_TEST

START_TEST(a_kernel_is_told_where_the_acpi_tables_are)
{
	static const uint8_t code[] = {
		0x8b, 0x73, 0x20,	      /* mov esi, [ebx + 32]: rsdp */
		0x8b, 0x06, SAY_0XF8,	      /* "RSD " */
		0x8b, 0x46, 0x18,	      /* mov eax, [esi + 24]: xsdt */
		0x8b, 0x00, SAY_0XFC, END(7), /* "XSDT" */
	};

	RUN(code, .cpus = "8");
	ck_assert_uint_eq(machine.report->notified, 0x20445352);
	ck_assert_uint_eq(machine.report->compared_bytes, 0x54445358);
	expect_status(7);
}
END_TEST

START_TEST(an_initramfs_larger_than_memory_is_refused)
{
	struct machine_params p = { .accel = "kvm" };

	linux_kernel_make(file, linux_code, sizeof(linux_code));
	p.kernel = linux_kernel_file(file, LINUX_KERNEL_BYTES);
	p.initrd = make_initrd(16 << 20);
	expect_refused_with(&p, "initramfs: it has 16777216 bytes, and behind "
				"the kernel 14614528 bytes are left for it");
	close(p.initrd);
	p.initrd = make_initrd(0);
	expect_refused_with(&p, "initramfs: it is empty");
	close(p.initrd);
	p.initrd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	expect_refused_with(&p, "initramfs: it is not a regular file");
	close(p.initrd);
	close(p.kernel);
}
END_TEST

START_TEST(a_command_line_longer_than_the_kernel_takes_is_refused)
{
	static char text[5001];
	struct machine_params p = { .accel = "kvm", .cmdline = text };

	linux_kernel_make(file, linux_code, sizeof(linux_code));
	p.kernel = linux_kernel_file(file, LINUX_KERNEL_BYTES);
	memset(text, 'x', 256);
	expect_refused_with(&p, "the kernel command line is 256 bytes long; "
				"this kernel takes at most 255");
	memset(text, 'x', 5000);
	expect_refused_with(&p, "5000 bytes long; this kernel takes at most ");
	close(p.kernel);
	memset(text, 'x', 2048);
	text[2048] = '\0';
	pvh_kernel_make32(file, "\xf4", 1);
	p.kernel = pvh_kernel_file(file, sizeof(file));
	expect_refused_with(&p, "2048 bytes long; this kernel takes at most "
				"2047");
	close(p.kernel);
}
END_TEST

START_TEST(a_file_that_is_no_kernel_is_refused)
{
	pvh_kernel_make32(file, "\xf4", 1);
	file[0] = 'M';
	expect_refused(pvh_kernel_file(file, sizeof(file)),
		       "kernel: it is neither an ELF file");
	expect_refused(pvh_kernel_file(file, 0), "kernel: the file is empty");
	expect_refused(open("/dev/null", O_RDONLY | O_CLOEXEC),
		       "kernel: it is not a regular file");
}
END_TEST

START_TEST(the_vmm_does_not_outlive_its_launcher)
{
	static const uint8_t code[] = { 0xeb, 0xfe }; /* jmp . */
	struct machine_params p = { .accel = "kvm" };

	pvh_kernel_make32(file, code, sizeof(code));
	p.kernel = pvh_kernel_file(file, sizeof(file));
	machine_start(&machine, &p);
	machine_go(&machine);
	rf_fd_close(&machine.control);
	ck_assert(machine_wait(&machine, &machine.vmm.ended));
	close(p.kernel);
	expect_failure("the launcher is gone");
}
END_TEST

START_TEST(more_processors_wait_for_their_start)
{
	static const uint8_t code[] = { END(3) };

	RUN(code, .cpus = "3");
	ck_assert_uint_eq(machine.report->exits, 1);
	expect_status(3);
}
END_TEST

static void read_registers(const char *mode, uint32_t exits)
{
	static const uint8_t code[] = {
		LOAD_EAX(0x00, 0x00, 0x00, 0xd0),
		SAY_0XF8, /* magic */
		LOAD_EAX(0x04, 0x00, 0x00, 0xd0),
		SAY_0XFC, /* version */
		LOAD_EAX(0x08, 0x00, 0x00, 0xd0),
		SAY_0XFC, /* device id */
		LOAD_EAX(0x00, 0x01, 0x00, 0xd0),
		SAY_0XFC, /* capacity */
		END(0),
	};

	RUN(code, .nr_disks = 1, .registers = mode);
	ck_assert_uint_eq(machine.report->notified, RF_VIRTIO_MMIO_MAGIC);
	ck_assert_uint_eq(machine.report->compared_bytes,
			  2 + 2 + MACHINE_DISK_BYTES / 512);
	ck_assert_uint_eq(machine.report->exits_mmio, exits);
	ck_assert_uint_eq(machine.report->exits_register, exits);
	ck_assert_uint_eq(machine.report->register_pages, exits ? 1 : 2);
	expect_status(0);
}

START_TEST(registers_of_a_disk_are_read_by_page_or_by_exits)
{
	read_registers("exit", 4);
	read_registers("page", 0);
	read_registers("auto", 0);
}
END_TEST

/* Each disk has a page of its own, and behind the last there is none. */
START_TEST(three_disks_have_three_pages)
{
	static const uint8_t code[] = {
		LOAD_EAX(0x08, 0x00, 0x00, 0xd0),
		SAY_0XFC, /* device id */
		LOAD_EAX(0x08, 0x10, 0x00, 0xd0),
		SAY_0XFC,
		LOAD_EAX(0x08, 0x20, 0x00, 0xd0),
		SAY_0XFC,
		LOAD_EAX(0x08, 0x30, 0x00, 0xd0),
		SAY_0XF8,
		END(0),
	};

	RUN(code, .nr_disks = 3, .registers = "page");
	ck_assert_uint_eq(machine.report->compared_bytes, 6);
	ck_assert_uint_eq(machine.report->notified, UINT32_MAX);
	ck_assert_uint_eq(machine.report->exits_register, 0);
	expect_status(0);
}
END_TEST

/* A driver's first steps: each write exits, and the next read finds what it
 * did. */
static void select_and_read(const char *mode)
{
	static const uint8_t code[] = {
		0xbb,	0x00, 0x00, 0x00,     0xd0, /* mov ebx, 0xd0000000 */
		0xc7,	0x43, 0x70, 0x01,     0x00,
		0x00,	0x00, /* status: 1 */
		0xc7,	0x43, 0x70, 0x03,     0x00,
		0x00,	0x00,		      /* status: 3 */
		0x8b,	0x43, 0x70, SAY_0XFC, /* 3 */
		0xc7,	0x43, 0x14, 0x01,     0x00,
		0x00,	0x00,		      /* high features */
		0x8b,	0x43, 0x10,	      /* mov eax, [] */
		0x83,	0xe0, 0x01, SAY_0XFC, /* VERSION_1: 1 */
		0xc7,	0x43, 0x30, 0x63,     0x00,
		0x00,	0x00,		      /* queue 99 */
		0x8b,	0x43, 0x34, SAY_0XFC, /* 0 */
		0xc7,	0x43, 0x30, 0x00,     0x00,
		0x00,	0x00,		      /* queue 0 */
		0x8b,	0x43, 0x34, SAY_0XF8, /* entries */
		0xc7,	0x43, 0x70, 0x00,     0x00,
		0x00,	0x00,		      /* status: 0 */
		0x8b,	0x43, 0x70, SAY_0XFC, /* 0 */
		END(0),
	};

	RUN(code, .nr_disks = 1, .registers = mode);
	ck_assert_uint_eq(machine.report->compared_bytes, 4);
	ck_assert_uint_ge(machine.report->notified, 64);
}

START_TEST(a_selector_selects_before_the_next_read)
{
	select_and_read("page");
	ck_assert_uint_eq(machine.report->exits_register, 6);
	expect_status(0);
	select_and_read("exit");
	ck_assert_uint_eq(machine.report->exits_register, 11);
	expect_status(0);
}
END_TEST

START_TEST(a_common_acknowledgement_exits_with_registers_by_exits_only)
{
	static const uint8_t code[] = {
		0xbb,	0x00, 0x00, 0x00, 0xd0, /* mov ebx, 0xd0000000 */
		0xc7,	0x43, 0x64, 0x01, 0x00, 0x00, 0x00, /* ACK: 1 */
		0xc7,	0x43, 0x64, 0x01, 0x00, 0x00, 0x00, /* 1 */
		0xc7,	0x43, 0x64, 0x03, 0x00, 0x00, 0x00, /* 3 */
		END(0),
	};

	RUN(code, .nr_disks = 1, .registers = "page");
	ck_assert_uint_eq(machine.report->exits_ack, 1);
	expect_status(0);
	RUN(code, .nr_disks = 1, .registers = "exit");
	ck_assert_uint_eq(machine.report->exits_ack, 3);
	expect_status(0);
}
END_TEST

static void access_oddly(const char *mode)
{
	static const uint8_t code[] = {
		/* across the end of a page, status at odd places and widths */
		LOAD_EAX(0xfe, 0x0f, 0x00, 0xd0),
		0xa3,
		0xfe,
		0x0f,
		0x00,
		0xd0,
		0xa3,
		0x6e,
		0x00,
		0x00,
		0xd0,
		0xa3,
		0x72,
		0x00,
		0x00,
		0xd0,
		0x66,
		0xa3,
		0x70,
		0x00,
		0x00,
		0xd0, /* 16 bits */
		0xa2,
		0x70,
		0x00,
		0x00,
		0xd0, /* 8 bits */
		0xa3,
		0x00,
		0x01,
		0x00,
		0xd0, /* configuration */
		0xa3,
		0x50,
		0x00,
		0x00,
		0xd0, /* notify: nonsense */
		LOAD_EAX(0x70, 0x00, 0x00, 0xd0),
		SAY_0XF8,
		END(0),
	};

	RUN(code, .nr_disks = 1, .registers = mode);
	ck_assert_uint_eq(machine.report->notified, 0);
	expect_status(0);
}

START_TEST(odd_accesses_to_registers_harm_nobody)
{
	access_oddly("page");
	access_oddly("exit");
}
END_TEST

START_TEST(a_guest_outlives_its_disk_and_is_told)
{
	static const uint8_t code[] = {
		0x66,
		0xba,
		0xf8,
		0x03,
		0xb0,
		'\n',
		0xee,				  /* a line */
		LOAD_EAX(0x70, 0x00, 0x00, 0xd0), /* status */
		0xa8,
		0x40, /* test al, 0x40 */
		0x74,
		0xf7, /* jz: again */
		END(9),
	};
	struct machine_params p = { .accel = "kvm", .nr_disks = 1 };
	const bool *ended = &machine.vmm.ended;

	pvh_kernel_make32(file, code, sizeof(code));
	p.kernel = pvh_kernel_file(file, sizeof(file));
	machine_start(&machine, &p);
	machine_go(&machine);
	ck_assert_int_eq(kill(machine.disks[0].pid, SIGKILL), 0);
	ck_assert(machine_wait(&machine, ended));
	ck_assert_uint_eq(machine.gone, 1);
	ck_assert(machine_said(&machine.log, "device 0: gone (EPIPE)"));
	close(p.kernel);
	expect_status(9);
}
END_TEST

/* The built-in guest, whole, through a doorbell of this kind. */
static const char *builtin_registers; /* NULL: auto */

static void run_builtin(const char *doorbell, const char *cmdline,
			uint32_t nr_disks, bool read_only)
{
	struct machine_params p = {
		.accel = "kvm",
		.doorbell = doorbell,
		.cmdline = cmdline,
		.nr_disks = nr_disks,
		.read_only = read_only,
		.registers = builtin_registers,
	};

	p.kernel = open(RF_TEST_GUEST, O_RDONLY | O_CLOEXEC);
	ck_assert_int_ge(p.kernel, 0);
	machine_run(&machine, &p);
	close(p.kernel);
	ck_assert_msg(machine.ended && machine.status == 0,
		      "console:\n%s\nlog:\n%s", machine.console.text,
		      machine.log.text);
}

static void expect_all_compared(void)
{
	ck_assert_msg(machine_said(&machine.console, "\nall compared\n"),
		      "console:\n%s", machine.console.text);
	ck_assert_uint_gt(machine.report->compared_bytes, 0);
	ck_assert_uint_gt(machine.report->notified, 0);
}

/* With the page nothing of I/O exits but what the doorbell makes exit; without
 * it, two registers for each interrupt. */
static void judge_exits(uint32_t kind)
{
	const struct rf_report *r = machine.report;
	uint64_t io = r->exits_mmio - r->exits_setup;

	if (kind == RF_DOORBELL_EXIT)
		ck_assert_uint_eq(r->exits_notify, r->notified);
	if (kind == RF_DOORBELL_IOEVENTFD)
		ck_assert_uint_eq(r->exits_notify, 0);
	if (r->register_pages == 2) {
		ck_assert_uint_eq(r->exits_ack, 0);
		ck_assert_uint_le(io, r->exits_notify);
	} else {
		/* A fast disk may have answered each time we looked. */
		ck_assert_uint_gt(r->exits_register, 2 * r->exits_ack);
	}
}

static void compare_through_every_doorbell(const char *registers)
{
	struct rf_doorbell_offer offer;
	uint64_t acks = 0;
	uint32_t kind;
	uint32_t worked = 0;
	rf_autofd kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);

	builtin_registers = registers;
	ck_assert_int_eq(rf_doorbell_probe_host(kvm, &offer), 0);
	for (kind = 0; kind < RF_DOORBELL_NR_KINDS; kind++) {
		const char *name = rf_doorbell_kind_name(
			(enum rf_doorbell_kind)kind);

		if (!offer.works[kind])
			continue;
		run_builtin(name, "rf.rounds=1", 1, false);
		ck_assert_uint_eq(machine.doorbell_kind, kind);
		expect_all_compared();
		judge_exits(kind);
		acks += machine.report->exits_ack;
		expect_status(0);
		worked++;
	}
	ck_assert_uint_ge(worked, 2);
	/* A guest that is answered fast enough takes no interrupt: not by every
	 * kind must there be one. */
	ck_assert_int_eq(acks > 0, strcmp(registers, "exit") == 0);
	builtin_registers = NULL;
}

START_TEST(the_guest_compares_its_disk_through_every_doorbell)
{
	compare_through_every_doorbell("page");
}
END_TEST

START_TEST(the_guest_compares_its_disk_with_registers_by_exits)
{
	compare_through_every_doorbell("exit");
}
END_TEST

START_TEST(the_guest_compares_three_disks_by_polling)
{
	run_builtin("auto", "rf.mode=poll rf.rounds=1", 3, false);
	expect_all_compared();
	ck_assert(machine_said(&machine.console, "disk2: all compared"));
	expect_status(0);
}
END_TEST

START_TEST(the_guest_reads_a_read_only_disk)
{
	run_builtin("auto", "rf.rounds=1", 1, true);
	expect_all_compared();
	ck_assert(machine_said(&machine.console, "read-only"));
	expect_status(0);
}
END_TEST

START_TEST(a_lie_of_the_guests_ends_in_a_reset_and_service)
{
	/* The change is told by bit 1, whose acknowledgement exits. */
	builtin_registers = "page";
	run_builtin("auto", "rf.mode=lie rf.rounds=1", 1, false);
	expect_all_compared();
	ck_assert(machine_said(&machine.console, "and serves again"));
	ck_assert(machine_said(&machine.log, "queue 0 is broken"));
	ck_assert_uint_eq(machine.report->exits_ack, 1);
	expect_status(0);
	builtin_registers = "exit";
	run_builtin("auto", "rf.mode=lie rf.rounds=1", 1, false);
	expect_all_compared();
	ck_assert_uint_ge(machine.report->exits_ack, 1);
	expect_status(0);
	builtin_registers = NULL;
}
END_TEST

START_TEST(a_storm_of_doorbells_loses_none_and_ends)
{
	run_builtin("exit", "rf.mode=doorbell rf.writes=3000", 1, false);
	ck_assert_uint_eq(machine.report->notified, 3000);
	ck_assert_uint_eq(machine.report->exits_notify, 3000);
	expect_status(0);
}
END_TEST

/* A full ring costs one exit, which empties it: not one exit a write until the
 * timer comes. */
START_TEST(a_storm_into_the_kernels_ring_exits_once_a_ring)
{
	struct rf_doorbell_offer offer;
	rf_autofd kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);

	ck_assert_int_eq(rf_doorbell_probe_host(kvm, &offer), 0);
	if (!offer.works[RF_DOORBELL_COALESCED])
		return;
	run_builtin("coalesced", "rf.mode=doorbell rf.writes=16900", 1, false);
	ck_assert_uint_eq(machine.report->notified, 16900);
	ck_assert_uint_le(machine.report->exits_notify, 16900 / 169);
	expect_status(0);
}
END_TEST

START_TEST(a_second_go_makes_no_sense)
{
	static const uint8_t code[] = { 0xeb, 0xfe }; /* jmp . */
	struct machine_params p = { .accel = "kvm" };

	pvh_kernel_make32(file, code, sizeof(code));
	p.kernel = pvh_kernel_file(file, sizeof(file));
	machine_start(&machine, &p);
	machine_go(&machine);
	machine_go(&machine);
	ck_assert(machine_wait(&machine, &machine.vmm.ended));
	close(p.kernel);
	expect_failure("makes no sense");
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		a_guest_prints_and_ends_with_its_status,
		a_line_without_its_end_comes_out_all_the_same,
		a_half_line_of_a_guest_that_goes_on_comes_out_too,
		the_start_information_is_where_ebx_points,
		memory_above_the_hole_is_in_the_map,
		what_nobody_answers_reads_as_ones_and_swallows_writes,
		a_triple_fault_is_named,
		an_instruction_outside_of_memory_is_named,
		a_bzimage_is_entered_in_64_bit_mode_with_its_initramfs,
		a_vmlinux_without_a_note_is_too,
		a_pvh_kernel_finds_its_initramfs_among_the_modules,
		a_guest_hears_a_stream_to_its_end,
		a_guest_hears_a_file,
		the_escape_ends_a_guest_that_runs_for_ever,
		powering_off_ends_it_with_status_0,
		a_reset_ends_it_with_status_0,
		a_kernel_is_told_where_the_acpi_tables_are,
		an_initramfs_larger_than_memory_is_refused,
		a_command_line_longer_than_the_kernel_takes_is_refused,
		a_file_that_is_no_kernel_is_refused,
		the_vmm_does_not_outlive_its_launcher,
		more_processors_wait_for_their_start,
		registers_of_a_disk_are_read_by_page_or_by_exits,
		three_disks_have_three_pages,
		a_selector_selects_before_the_next_read,
		a_common_acknowledgement_exits_with_registers_by_exits_only,
		odd_accesses_to_registers_harm_nobody,
		a_guest_outlives_its_disk_and_is_told,
		the_guest_compares_its_disk_through_every_doorbell,
		the_guest_compares_its_disk_with_registers_by_exits,
		the_guest_compares_three_disks_by_polling,
		the_guest_reads_a_read_only_disk,
		a_lie_of_the_guests_ends_in_a_reset_and_service,
		a_storm_of_doorbells_loses_none_and_ends,
		a_storm_into_the_kernels_ring_exits_once_a_ring,
		a_second_go_makes_no_sense,
	};

	if (access("/dev/kvm", R_OK | W_OK) < 0)
		return unit_skip("vmm", "no access to /dev/kvm");
	return unit_run("vmm", tests, RF_ARRAY_LEN(tests));
}
