/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * entry.S - the first instructions, and the ones around an interrupt
 *
 * Side:    inside the virtual machine.
 * Owns:    the stack, the segments, the stubs that the IDT points to.
 * Callers: the boot loader, by the PVH note; the processor.
 * Never:   returns from an interrupt with IRET in protected mode: hypervisors
 *          that emulate instructions may not know it. EIP and EFLAGS go to
 *          where POPF and RET find them. IF is cleared on the way, so that no
 *          interrupt comes between the two and the stack cannot grow; the one
 *          place that sleeps turns interrupts on again (cpu_sleep).
 */
	.section .note.pvh, "a", @note
	.balign	4
	.long	4			/* bytes of the name, with its zero */
	.long	4			/* bytes of the value */
	.long	18			/* XEN_ELFNOTE_PHYS32_ENTRY */
	.asciz	"Xen"
	.long	guest_start

	.section .text.entry, "ax", @progbits
	.globl	guest_start
	.type	guest_start, @function
/* 32-bit protected mode, no paging, flat segments whose descriptors may be
 * gone, no stack; EBX holds the address of struct hvm_start_info. */
guest_start:
	cli
	cld
	movl	$stack_top, %esp
	lgdt	gdt_pointer
	ljmp	$0x08, $1f
1:	movl	$0x10, %eax
	movl	%eax, %ds
	movl	%eax, %es
	movl	%eax, %ss
	movl	%eax, %fs
	movl	%eax, %gs
	xorl	%ebp, %ebp
	pushl	%ebx
	call	guest_main
2:	hlt
	jmp	2b

	.text
/* The processor pushes an error code for some vectors; for the others a zero
 * takes its place. Nothing comes back from here. */
	.irp	vector, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, \
		16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
exception_\vector:
	.if ((1 << \vector) & 0x60227d00) == 0
	pushl	$0
	.endif
	pushl	$\vector
	jmp	exception_common
	.endr

exception_common:
	cld
	call	guest_exception		/* vector, error code, EIP */

/* IRQ_NR of them (irq.h). */
	.irp	number, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, \
		16, 17
interrupt_\number:
	pushl	$\number
	jmp	interrupt_common
	.endr

interrupt_common:			/* number, EIP, CS, EFLAGS */
	pushal
	cld
	pushl	32(%esp)
	call	irq_entry
	addl	$4, %esp
	popal
	addl	$4, %esp		/* EIP, CS, EFLAGS */
	pushl	%eax
	movl	4(%esp), %eax
	xchgl	%eax, 12(%esp)
	andl	$~0x200, %eax		/* IF */
	movl	%eax, 8(%esp)		/* EAX, EIP, EFLAGS, EIP */
	popl	%eax
	addl	$4, %esp
	popfl
	ret

	.section .rodata
	.balign	8
gdt:	.quad	0
	.quad	0x00cf9b000000ffff	/* 08: code, 4 GiB, accessed */
	.quad	0x00cf93000000ffff	/* 10: data, 4 GiB, accessed */
gdt_pointer:
	.word	gdt_pointer - gdt - 1
	.long	gdt

	.balign	4
	.globl	exception_stubs
exception_stubs:
	.irp	vector, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, \
		16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
	.long	exception_\vector
	.endr
	.globl	interrupt_stubs
interrupt_stubs:
	.irp	number, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, \
		16, 17
	.long	interrupt_\number
	.endr

	.bss
	.balign	16
	.skip	16384
stack_top:

	.section .note.GNU-stack, "", @progbits
