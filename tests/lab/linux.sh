#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#
# linux.sh RINGFENCE KERNEL INITRD CPUS KIND REGISTERS [again] - a Linux guest,
# and its disks seen from outside
#
# Boots the kernel as a guest with three disks over this kind of doorbell, its
# registers read by page or exit; in there guest.sh makes a file system, writes,
# remounts, checks, runs fio. Its word is not taken: the content is looked for in
# the images, and the report says what became of the notify writes, and how many
# exits a request cost. With "again" a second guest finds it all as the first
# left it, and a third must notice one changed byte.
# Runs inside the lab; the initramfs and /lab/tools.img are boot.sh's.
set -u

ringfence=$1
kernel=$2
initrd=$3
cpus=$4
kind=$5
registers=$6
again=${7:-}
# shellcheck source=tests/lab/vm.sh
. "$(dirname "$0")/vm.sh"

# new_disks DO: a guest that reads gets what the last one wrote.
new_disks()
{
	[ "$1" = lab.do=write ] || return
	rm -f "$dir/vda" "$dir/vdb"
	truncate -s 48M "$dir/vda"
	truncate -s 16M "$dir/vdb"
}

# boot_disks DO SAYS
boot_disks()
{
	boot "$2" "lab.do=$1" --disk "$dir/vda" --disk "$dir/vdb" \
		--disk /lab/tools.img,ro
}

# What became of the notify writes, by those who would know.
check_report()
{
	check_exits 3 0
	doorbells=ring_entries
	others=kicks
	[ "$kind" != ioeventfd ] || { doorbells=kicks; others=ring_entries; }
	for disk in 0 1 2; do
		holds "blk[$disk]" $doorbells -gt 0
		holds "blk[$disk]" $others -eq 0
		holds "blk[$disk]" requests -gt 0
		holds "blk[$disk]" interrupts -gt 0
		holds "blk[$disk]" foreign -eq 0
		holds "blk[$disk]" resets -eq 0
	done
	holds "blk[2]" bytes_written -eq 0
	# Nothing but fio uses this one: with a queue depth of one alone there
	# would be a doorbell for each request.
	holds "blk[1]" requests -gt $(($(field "blk[1]" $doorbells) * 3 / 2))
}

# The images, by a kernel and a program that have not seen the guest.
check_images()
{
	/sbin/e2fsck -f -n "$dir/vda" || complain "e2fsck"
	mkdir "$dir/at"
	if ! mount -t ext4 -o loop,ro "$dir/vda" "$dir/at"; then
		complain "the image cannot be mounted"
		return
	fi
	seq 1 20000 | sed "s/^/$word /" | cmp - "$dir/at/known" ||
		complain "what the guest wrote is not there"
	seq 9 450 | cmp - "$dir/at/many/1/$word.9" ||
		complain "a small file is not there"
	[ ! -e "$dir/at/many/3" ] || complain "what was removed is there"
	(cd "$dir/at" && sha256sum -c sums > "$dir/sums" 2>&1) ||
		complain "sums: $(grep -v ': OK$' "$dir/sums")"
	[ "$(cat "$dir/at/verdict")" = "good $word" ] ||
		complain "the verdict on the disk: $(cat "$dir/at/verdict")"
	umount "$dir/at" || complain "umount"
	sha256sum -c "$dir/tools.sum" || complain "the tools were written"
}

# One byte of what fio wrote to the second disk. Not zero: that is a hole.
change_byte()
{
	at=3500000
	byte=$(dd if="$dir/vdb" bs=1 skip=$at count=1 2> /dev/null |
		od -A n -t u1 | tr -d ' ')
	printf '%b' "\\0$(printf %o $(((byte + 1) % 256)))" |
		dd of="$dir/vdb" bs=1 seek=$at conv=notrunc 2> /dev/null
}

sha256sum /lab/tools.img > "$dir/tools.sum"
boot_disks write good
[ $failed != 0 ] || check_report
[ $failed != 0 ] || check_images
if [ -n "$again" ] && [ $failed = 0 ]; then
	boot_disks read good
	check_report
	change_byte
	boot_disks read bad
	grep -q 'crc32c: verify failed at file /dev/vdb' "$dir/text" ||
		complain "it was bad for another reason"
fi
finish
