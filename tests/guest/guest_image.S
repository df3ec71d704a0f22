/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * guest_image.S - the guest's ELF file as bytes inside the launcher
 *
 * Side:    launcher, which hands them over in a memfd and never runs them.
 * Callers: src/launcher, by src/launcher/guest_image.h.
 */
	.section .rodata
	.balign	16
	.globl	rf_guest_elf
	.type	rf_guest_elf, @object
rf_guest_elf:
	.incbin	GUEST_ELF_PATH
1:
	.size	rf_guest_elf, 1b - rf_guest_elf

	.balign	8
	.globl	rf_guest_elf_bytes
	.type	rf_guest_elf_bytes, @object
rf_guest_elf_bytes:
	.quad	1b - rf_guest_elf
	.size	rf_guest_elf_bytes, 8

	.section .note.GNU-stack, "", @progbits
