#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#
# linux.sh RINGFENCE KERNEL INITRD CPUS KIND [again] - a Linux guest, and its
# disks seen from outside
#
# Boots the kernel as a guest with three disks over this kind of doorbell; in
# there guest.sh makes a file system, writes, remounts, checks, runs fio. Its
# word is not taken: the content is looked for in the images, and the report
# says what became of the notify writes. With "again" a second guest finds it
# all as the first left it, and a third must notice one changed byte.
# Runs inside the lab; the initramfs and /lab/tools.img are boot.sh's.
set -u

ringfence=$1
kernel=$2
initrd=$3
cpus=$4
kind=$5
again=${6:-}
dir=$(mktemp -d)
word=$(head -c 8 /dev/urandom | md5sum | head -c 16)
failed=0

complain()
{
	echo "FAILED: $*"
	failed=1
}

new_disks()
{
	rm -f "$dir/vda" "$dir/vdb"
	truncate -s 48M "$dir/vda"
	truncate -s 16M "$dir/vdb"
}

# start DO: the console is then in $dir/text, the counters in $dir/report.
# noxsave: under QEMU's emulation KVM does not see what a guest puts into XCR0,
# and Linux finds that the sizes in CPUID do not fit.
start()
{
	{
		"$ringfence" run --kernel "$kernel" --initrd "$initrd" \
			--memory 256M --cpus "$cpus" --doorbell "$kind" \
			--disk "$dir/vda" --disk "$dir/vdb" \
			--disk /lab/tools.img,ro --report "$dir/report" \
			--append "console=ttyS0 panic=-1 noxsave \
lab.do=$1 lab.word=$word" 2>&1
		echo $? > "$dir/status"
	} | tee "$dir/log"
	tr -d '\r' < "$dir/log" > "$dir/text"
}

# boot DO SAYS: in about one boot of sixty, on a busy machine, QEMU's emulated
# SVM (7.2) enters the guest with the host's registers: its log of exceptions
# (-d int) then has a page fault at the address behind the host's VMRUN, on the
# host's stack and page tables, with the guest's intercepts; and so a triple
# fault. One of our making would come each time, so it fails after the third.
boot()
{
	for attempt in 1 2 3; do
		echo "the guest is to $1, and to find it $2"
		[ "$1" != write ] || new_disks
		start "$1"
		grep -q 'shut its processor down (triple fault)' "$dir/text" ||
			break
		echo "NOTE: triple fault, attempt $attempt of 3"
	done
	[ "$(cat "$dir/status")" = 0 ] ||
		complain "the run's status: $(cat "$dir/status")"
	[ "$(grep "^guest: [a-z]* $word\$" "$dir/text")" = \
		"guest: $2 $word" ] ||
		complain "the guest did not say \"$2 $word\""
	grep -q "smp: Brought up 1 node, $cpus CPU" "$dir/text" ||
		complain "not $cpus processors"
	look_for_splats
}

# The guest's kernel is judged as the lab's is.
look_for_splats()
{
	sed -n 's/^!//p' /lab/splats > "$dir/harmless"
	grep -v -e '^#' -e '^!' -e '^$' /lab/splats > "$dir/splats"
	if grep -v -E -f "$dir/harmless" "$dir/text" |
		grep -E -f "$dir/splats"; then
		complain "the guest's kernel has something to say"
	fi
}

# field PROCESS NAME: of the report, which is one line of JSON
field()
{
	tr '{' '\n' < "$dir/report" | grep -F "\"name\":\"$1\"," |
		tr ',' '\n' | sed -n "s/^\"$2\"://p" | tr -d '}]'
}

# holds PROCESS NAME TEST NUMBER
holds()
{
	value=$(field "$1" "$2")
	echo "$1: $2 = $value"
	test "${value:-none}" "$3" "$4" ||
		complain "$1: $2 is \"$value\", wanted $3 $4"
}

# What became of the notify writes, by those who would know.
check_report()
{
	grep -q "\"doorbell\":\"$kind\"" "$dir/report" ||
		complain "the kind of doorbell: $(cat "$dir/report")"
	case $kind in
	# Every one of them, and no ring is filled by anybody else.
	exit) holds vmm exits_notify -eq $(($(field "blk[0]" ring_entries) +
		$(field "blk[1]" ring_entries) +
		$(field "blk[2]" ring_entries))) ;;
	*) holds vmm exits_notify -eq 0 ;;
	esac
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
boot write good
[ $failed != 0 ] || check_report
[ $failed != 0 ] || check_images
if [ -n "$again" ] && [ $failed = 0 ]; then
	boot read good
	check_report
	change_byte
	boot read bad
	grep -q 'crc32c: verify failed at file /dev/vdb' "$dir/text" ||
		complain "it was bad for another reason"
fi
rm -rf "$dir"
[ $failed = 0 ] && echo "all as it must be"
exit $failed
