#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#
# guest.sh - process 1 of a Linux guest: are these disks disks?
#
# /dev/vda and /dev/vdb are to be written, /dev/vdc holds the tools, read-only.
# On the command line: lab.word=WORD goes into everything that is written, for
# whoever looks at the disks from outside; lab.do=write makes all of it,
# lab.do=read finds again what an earlier guest wrote. The last line said is
# "guest: good WORD" or "guest: bad WORD", and so says /verdict on /dev/vda.
# Runs in a microVM inside the lab, started by linux.sh.
set -u

word=none
what=none
dir=/disk

finish()
{
	sync
	echo "guest: $1 $word"
	poweroff -f
	# Never returns to the shell: process 1 may not end.
	while :; do sleep 60; done
}

fail()
{
	echo "guest: FAILED: $*"
	finish bad
}

# must WORD...: or it is all over
must()
{
	"$@" || fail "$*"
}

prepare()
{
	mkdir -p /dev /proc /sys /tmp /tools $dir
	must mount -t devtmpfs dev /dev
	must mount -t proc proc /proc
	# What is said below a warning would break our own lines.
	echo 5 > /proc/sys/kernel/printk
	must mount -t sysfs sys /sys
	# shellcheck disable=SC2013 # words, not lines
	for item in $(cat /proc/cmdline); do
		case $item in
		lab.word=*) word=${item#*=} ;;
		lab.do=*) what=${item#*=} ;;
		esac
	done
	must mount -t ext4 -o ro /dev/vdc /tools
	# A scheduler would hand over one by one what fio gives it at once.
	echo none > /sys/block/vdb/queue/scheduler
	for item in lib lib64 sbin usr; do
		must ln -s "tools/$item" "/$item"
	done
}

# A disk that is to be read only is that, by the device's own word.
check_read_only()
{
	[ "$(cat /sys/block/vdc/ro)" = 1 ] || fail "/dev/vdc may be written"
	[ "$(cat /sys/block/vda/ro)" = 0 ] || fail "/dev/vda may not be written"
	dd if=/dev/zero of=/dev/vdc bs=512 count=1 2> /dev/null &&
		fail "/dev/vdc was written"
}

# The same that linux.sh makes for itself. Longer than a request can be.
known()
{
	seq 1 20000 | sed "s/^/$word /"
}

write_files()
{
	known > $dir/known || return 1
	mkdir $dir/many || return 1
	for i in $(seq 64); do
		mkdir -p $dir/many/$((i % 8)) || return 1
		seq "$i" $((i * 50)) > $dir/many/$((i % 8))/"$word.$i" ||
			return 1
	done
	# Holes and freed blocks: what is read there was never written.
	dd if=$dir/known of=$dir/holes bs=4k count=3 seek=200 2> /dev/null ||
		return 1
	rm -r $dir/many/3 || return 1
	(cd $dir && find . -type f -exec sha256sum {} + > /tmp/sums &&
		cp /tmp/sums sums)
}

check_files()
{
	(cd $dir && sha256sum -c sums) > /tmp/checked 2>&1 && return
	grep -v ': OK$' /tmp/checked
	return 1
}

# Both disks at the same time: a file of the file system on one, the bare
# device as the other.
run_fio()
{
	failed=0
	LAB_FILE=$dir/fio fio "$@" /guest.fio > /tmp/vda 2>&1 &
	first=$!
	LAB_FILE=/dev/vdb fio "$@" /guest.fio > /tmp/vdb 2>&1 &
	second=$!
	wait $first || { failed=1; cat /tmp/vda; }
	wait $second || { failed=1; cat /tmp/vdb; }
	grep -e ': (groupid' -e 'IOPS=' /tmp/vda /tmp/vdb
	return $failed
}

do_write()
{
	must /sbin/mke2fs -q -t ext4 -F /dev/vda
	must mount -t ext4 /dev/vda $dir
	must write_files
	sync
	# What is then read comes from the disk.
	must umount $dir
	must mount -t ext4 /dev/vda $dir
	must check_files
	must run_fio
	must check_files
	echo "good $word" > $dir/verdict
	must umount $dir
	must /sbin/e2fsck -f -n /dev/vda
}

do_read()
{
	must mount -t ext4 /dev/vda $dir
	must check_files
	must run_fio --verify_only
	[ "$(cat $dir/verdict)" = "good $word" ] || fail "the earlier verdict"
	must umount $dir
}

prepare
check_read_only
case $what in
write | read) "do_$what" ;;
*) fail "nothing to do: \"$what\"" ;;
esac
finish good
