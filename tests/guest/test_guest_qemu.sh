#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#
# test_guest_qemu.sh - the guest against a monitor and a device that are not ours
#
#   test_guest_qemu.sh GUEST_ELF CHECK_IMAGE
#
# QEMU's microvm with virtio-mmio is the peer: what the guest does by the
# specification works there, what it must notice it notices, and the image on
# the host holds what it wrote. QEMU's isa-debug-exit turns the guest's status
# s into 2s + 1. Its virtio-mmio offers queue reset without having the register
# (7.2), so that is taken out. Status 77: skipped.
set -u

guest=$1
check=$2
failed=0

qemu=$(command -v qemu-system-x86_64) || {
	echo "skipped: guest.qemu: qemu-system-x86_64 is not installed"
	exit 77
}
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
trap 'exit 1' HUP INT TERM

# run STATUS APPEND [QEMU-ARGUMENT...]: the guest ends with STATUS.
run()
{
	want=$(($1 * 2 + 1))
	append=$2
	shift 2
	timeout -k 5 60 "$qemu" \
		-M microvm,x-option-roms=off,rtc=off,pit=off,pic=on,acpi=off,isa-serial=on"$machine" \
		-accel tcg -m 64 -nodefaults -no-user-config \
		-global virtio-mmio.force-legacy=false \
		-global virtio-blk-device.queue_reset=off \
		-device isa-debug-exit,iobase=0xf4,iosize=0x4 \
		-serial stdio -display none -no-reboot \
		-kernel "$guest" -append "$append" "$@" \
		>"$dir/out" 2>"$dir/err" </dev/null
	got=$?
	[ $got -eq $want ] && return
	complain "QEMU's status $got, not $want"
}

complain()
{
	echo "FAILED: $name: $1"
	sed 's/^/    /' "$dir/out" "$dir/err"
	failed=1
}

says()
{
	tr -d '\r' <"$dir/out" | grep -q -e "$1" || complain "no line \"$1\""
}

holds()
{
	"$check" "$@" >"$dir/check" || {
		complain "image: $(cat "$dir/check")"
	}
}

fresh()
{
	rm -f "$1"
	truncate -s "$2" "$1"
}

begin()
{
	name=$1
	machine=
	fresh "$dir/a" 1M
	fresh "$dir/b" 1280K
	echo "$name"
}

a="-drive id=a,file=$dir/a,format=raw,if=none -device virtio-blk-device,drive=a"
b="-drive id=b,file=$dir/b,format=raw,if=none -device virtio-blk-device,drive=b"

# shellcheck disable=SC2086 # $a and $b are lists of arguments
{
begin "a disk is compared through interrupts"
run 0 "" $a,serial=scratch
says '^disk0: 2048 sectors, irq '
says '^disk0: its name is "scratch"'
says '^disk0: refused what lies beyond its end'
says '^disk0: zeroed a sector'
says '^disk0: wrote 96 KiB in 20 requests'
says '^disk0: flushed'
says '^disk0: all compared ([0-9]* bytes)$'
says '^all compared$'
holds "$dir/a" 0 2

begin "a wrong byte in the image is found"
run 0 "" $a
printf 'x' | dd of="$dir/a" bs=1 seek=700000 conv=notrunc status=none
if "$check" "$dir/a" 0 2 >"$dir/check"; then
	complain "check_image found nothing"
fi

begin "a disk is compared by polling"
run 0 "rf.mode=poll rf.rounds=9" $a
says '^disk0: 2048 sectors, polled$'
says '^all compared$'
holds "$dir/a" 0 9

begin "two disks at a time do not get each other's data"
run 0 "rf.rounds=3" $a $b
says '^disk0: all compared'
says '^disk1: all compared'
holds "$dir/a" 0 3
holds "$dir/b" 1 3

begin "event index and indirect descriptors may be missing"
run 0 "" $a,event_idx=off,indirect_desc=off
says '^all compared$'
holds "$dir/a" 0 2

begin "packed rings, with and without what goes with them"
for features in +ring_packed -event_idx -indirect_desc \
	-event_idx,-indirect_desc; do
	fresh "$dir/a" 1M
	run 0 "rf.features=$features" $a,packed=on
	says ',ring_packed$'
	says '^all compared$'
	holds "$dir/a" 0 2
done

begin "several queues, split and packed"
for packed in off on; do
	fresh "$dir/a" 1M
	run 0 "" $a,num-queues=3,packed=$packed
	says '^disk0: 3 queues of 64'
	says '^all compared$'
	holds "$dir/a" 0 2
done

begin "features are left, and asked for in vain"
run 0 "rf.features=-flush,-config_wce,-discard,-write_zeroes,-seg_max" $a
says '^disk0: writes through, nothing to flush$'
says '^all compared$'
run 25 "rf.features=+in_order" $a
says '^disk0: in_order: not offered$'
run 25 "rf.queues=2" $a
says '^disk0: 2 queues: not offered, there are 1$'

begin "disks from one sector on"
for sectors in 1 2 3 17 2047; do
	fresh "$dir/a" $((sectors * 512))
	run 0 "" $a
	says "^disk0: $sectors sectors"
	says '^all compared$'
	holds "$dir/a" 0 2
done

begin "a read-only disk is read, and refuses a write"
run 0 "" -drive id=r,file="$dir/a",format=raw,if=none,readonly=on \
	-device virtio-blk-device,drive=r
says ', read-only$'
says 'odd lengths, a write and'
says '^disk0: all compared ([0-9]* bytes), twice the same'

begin "a broken queue asks for its reset, and works after it"
run 0 "rf.mode=lie" $a
says '^disk0: device asked for a reset, and serves again$'
holds "$dir/a" 0 2

begin "notify writes alone"
run 0 "rf.mode=doorbell rf.writes=2000" $a
says '^disk0: rang 2000 times$'

begin "a disk that forgets is noticed"
run 22 "" -blockdev driver=null-co,node-name=n,size=1048576,read-zeroes=on \
	-device virtio-blk-device,drive=n,write-zeroes=off
says '^disk0: sector 2047 word 0: 0x0, not '

begin "a disk that fails is noticed"
run 21 "" -blockdev "{\"driver\":\"blkdebug\",\"node-name\":\"e\",\
\"image\":{\"driver\":\"file\",\"filename\":\"$dir/a\"},\
\"inject-error\":[{\"event\":\"none\",\"iotype\":\"write\",\"sector\":1024}]}" \
	-device virtio-blk-device,drive=e
says '^disk0: request type 1 sector 1024: status 1, not 0$'

# The last of eight slots, and the first disk's: interrupt 12, not 11.
begin "an interrupt that never comes is noticed"
machine=,auto-kernel-cmdline=off
run 18 "rf.timeout=1 virtio_mmio.device=512@0xfeb00e00:11" $a
says '^disk0: answered, but interrupt 11 did not come$'

begin "the slot of before, given by hand"
machine=,auto-kernel-cmdline=off
run 0 "virtio_mmio.device=512@0xfeb00e00:12" $a
says '^all compared$'

begin "an input that the ioapic has not got"
machine=,auto-kernel-cmdline=off
run 13 "virtio_mmio.device=512@0xfeb00e00:240" $a

begin "no disk, no device, no register file"
run 12 ""
machine=,auto-kernel-cmdline=off
run 12 "virtio_mmio.device=512@0xfeb00000:5" $a
says 'virtio id 0 is not a disk, passed over$'
run 14 "virtio_mmio.device=512@0xfe000000:5" $a
says '^device at 0xfe000000: magic '
run 14 "virtio_mmio.device=256@0xfeb00e00:12" $a

begin "a legacy device is refused"
run 14 "" $a -global virtio-mmio.force-legacy=true
says 'version 1, not 2$'

begin "a word that is not understood"
run 11 "quiet rf.mode=fast" $a
says '^command line: "rf.mode=fast" is not understood$'
}

[ $failed -eq 0 ] && echo "all passed"
exit $failed
