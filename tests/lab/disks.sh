#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#
# disks.sh - process 1 of a Linux guest: what its driver made of each disk
#
# /dev/vda holds the tools. Of every disk the facts are said, in lines "fact DISK
# NAME VALUE"; whether they are the right ones is for features.sh outside to
# judge. To all disks but the first something is then done, by fio from each
# processor. lab.do=rings leaves out what not every disk can do.
# The last line is "guest: good WORD", if what was written was read again.
# Where on a disk, in MiB: 0 known, 1 discarded, 2 zeroed, 3 a hole, from 4 on
# fio's.
set -u

word=none
what=none
disks=

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
	mkdir -p /dev /proc /sys /tmp /tools
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
	must mount -t ext4 -o ro /dev/vda /tools
	for item in lib lib64 sbin usr; do
		must ln -s "tools/$item" "/$item"
	done
	cpus=$(grep -c ^processor /proc/cpuinfo)
}

# fact DISK NAME FILE
fact()
{
	value=none
	read -r value < "/sys/block/$1/$3"
	echo "fact $1 $2 $value"
}

say_facts()
{
	fact "$1" features device/features
	fact "$1" discard queue/discard_max_bytes
	fact "$1" zeroes queue/write_zeroes_max_bytes
	fact "$1" logical queue/logical_block_size
	fact "$1" physical queue/physical_block_size
	fact "$1" segments queue/max_segments
	fact "$1" segment queue/max_segment_size
	fact "$1" cache cache_type
	fact "$1" serial serial
	fact "$1" ro ro
	disk=$1
	set -- /sys/block/"$disk"/mq/*
	echo "fact $disk queues $#"
}

# How long each part took, for who wants the whole in less time.
say_time()
{
	read -r uptime _ < /proc/uptime
	echo "guest: $1 at $uptime s"
}

# tries DISK NAME WORD...: whether this works
tries()
{
	disk=$1
	name=$2
	shift 2
	if "$@" > /tmp/said 2>&1; then
		echo "fact $disk $name yes"
	else
		echo "fact $disk $name no"
	fi
}

switch_cache()
{
	echo "$2" > "/sys/block/$1/cache_type" && fact "$1" switched cache_type
}

write_known()
{
	must dd if=/tmp/known of="/dev/$1" bs=64k oflag=direct conv=fsync \
		2> /tmp/said
}

# The cache is switched there and back again, so that fio meets it as it was.
ask_for_more()
{
	tries "$1" discards /bin/blkdiscard -o 1048576 -l 1048576 "/dev/$1"
	must /sbin/blkdiscard -z -o 2097152 -l 1048576 "/dev/$1"
	tries "$1" punches /usr/bin/fallocate -p -o 3145728 -l 1048576 "/dev/$1"
	if switch_cache "$1" "write through" 2> /dev/null; then
		write_known "$1"
		must switch_cache "$1" "write back"
	else
		echo "fact $1 switched no"
	fi
}

# Each disk's begins with another line. Processes are dear where pages are
# emulated twice: the shell does what it can.
write_disks()
{
	yes "$word" | head -c 65536 > /tmp/known
	for disk in $disks; do
		echo "$word $disk" 1<> /tmp/known
		write_known "$disk"
		[ "$what" = rings ] || ask_for_more "$disk"
	done
}

# From each processor, so into each queue: requests of a page, handed over eight
# at a time, and of many pages, which make chains that are worth a table. A
# thread serves all disks in turn.
fio_jobs()
{
	names=
	nr=0
	for disk in $disks; do
		echo none > "/sys/block/$disk/queue/scheduler"
		names=$names${names:+:}/dev/$disk
		nr=$((nr + 1))
	done
	cat <<-EOT
	[global]
	ioengine=libaio
	direct=1
	rw=randwrite
	randrepeat=1
	verify=crc32c
	verify_fatal=1
	verify_state_save=0
	iodepth=16
	iodepth_batch=8
	iodepth_batch_complete_min=8
	thread
	filename=$names
	file_service_type=roundrobin:8
	EOT
	job=0
	while [ $job -lt "$cpus" ] || [ $job -lt 2 ]; do
		echo "[$job]"
		echo "cpus_allowed=$((job % cpus))"
		echo "offset=$((4 + job))m"
		case $((job % 2)) in
		0) echo "bs=4k"; echo "size=$((nr * 256))k" ;;
		1) echo "bs=32k"; echo "size=$((nr * 512))k" ;;
		esac
		job=$((job + 1))
	done
}

prepare
echo "guest: $cpus processors"
say_time facts
for path in /sys/block/vd*; do
	disk=${path##*/}
	say_facts "$disk"
	[ "$disk" = vda ] || disks="$disks $disk"
done
say_time write
write_disks
say_time fio
fio_jobs > /tmp/disks.fio
fio /tmp/disks.fio > /tmp/fio 2>&1 || { cat /tmp/fio; fail fio; }
grep -e 'IOPS=' -e 'issued' /tmp/fio
say_time end
finish good
