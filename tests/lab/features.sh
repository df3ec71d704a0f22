#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#
# features.sh RINGFENCE KERNEL INITRD CPUS KIND REGISTERS WHAT - one Linux guest
# with a disk for each feature that is not offered
#
# WHAT is rings: the two forms of ring, and with each of them off one at a time
# what changes how a ring is used; or features: what a block device can have,
# and how it does its work; or engines: only how it does that. Of each disk it
# must be true that Linux's driver took what it was offered and it knows, to the
# bit; that it sees the disk as it was described; that the image has what was
# written to it and zeroes where there must be some; and of the whole what
# check_exits() wants.
# Runs inside the lab, with disks.sh as process 1 of the guest.
set -u

ringfence=$1
kernel=$2
initrd=$3
cpus=$4
kind=$5
registers=$6
what=$7
# shellcheck source=tests/lab/vm.sh
. "$(dirname "$0")/vm.sh"

mib=1048576

list_features()
{
	echo serial=twenty.characters.it
	for off in mq discard write_zeroes config_wce flush; do
		echo without=$off
	done
}

# What is said of each disk behind its path; the first is the tools'. LOOP is
# behind a block device, not in a file. in_order and ring_reset this driver never
# takes, so there is nothing to see of them.
disk_words()
{
	echo ro,serial=tools
	case $what in
	rings)
		for ring in "" ring_packed; do
			for off in "" event_idx indirect_desc \
				notification_data; do
				list=$ring${ring:+${off:++}}$off
				echo "${list:+without=}$list"
			done
		done ;;
	features | engines)
		[ "$what" = engines ] || list_features
		echo io=sync,queues=1,without=topology
		echo io=uring,queues=2,without=seg_max
		echo direct,without=size_max
		echo LOOP,direct,io=uring,without=blk_size
		# With more than 11 of them Linux finds all of them in the ACPI
		# tables, not on its command line.
		echo poll-us=0
		echo io=sync,direct ;;
	esac
}

# lacks WORDS FEATURE: is that one of those not offered?
lacks()
{
	case ,$1, in
	*[=+]"$2"[+,]*) return 0 ;;
	esac
	return 1
}

# queues_of WORDS
queues_of()
{
	case ,$1, in
	*,queues=*) echo "$1," | sed 's/.*queues=\([0-9]*\).*/\1/' ;;
	*) echo "$cpus" ;;
	esac
}

# bit WORDS NUMBER NAME: the bit's place, if the driver must have taken it
bit()
{
	lacks "$1" "$3" || echo "$2"
}

# bits_of WORDS: as the guest writes them, bit 0 first. notification_data is
# offered where the doorbell keeps the value.
bits_of()
{
	{
		echo 32
		bit "$1" 1 size_max
		bit "$1" 2 seg_max
		bit "$1" 6 blk_size
		bit "$1" 9 flush
		bit "$1" 10 topology
		[ "$(queues_of "$1")" = 1 ] || bit "$1" 12 mq
		bit "$1" 28 indirect_desc
		bit "$1" 29 event_idx
		bit "$1" 34 ring_packed
		[ "$kind" = ioeventfd ] || bit "$1" 38 notification_data
		case ,$1, in
		*,ro,*) echo 5 ;;
		*)
			# Without flush there is nothing to choose.
			lacks "$1" flush || bit "$1" 11 config_wce
			bit "$1" 13 discard
			bit "$1" 14 write_zeroes ;;
		esac
	} | awk '{ set[$1] = 1 }
	END { for (i = 0; i < 64; i++) printf "%d", i in set; print "" }'
}

# is DISK NAME VALUE: what the guest said
is()
{
	value=$(sed -n "s/^fact $1 $2 //p" "$dir/text")
	[ "$value" = "$3" ] ||
		complain "$1 ($words): $2 is \"$value\", wanted \"$3\""
}

# or_not FEATURE IF-THERE IF-NOT
or_not()
{
	if lacks "$words" "$1"; then echo "$3"; else echo "$2"; fi
}

# What a file system in memory says of its blocks, and of a loop device the
# kernel.
physical_of()
{
	case $words in
	LOOP*) cat "/sys/block/${loop##*/}/queue/physical_block_size" ;;
	*) stat -c %o "$1" ;;
	esac
}

# check_disk NAME IMAGE: words are its words
check_disk()
{
	is "$1" features "$(bits_of "$words")"
	queues=$(queues_of "$words")
	is "$1" queues "$(or_not mq "$queues" 1)"
	is "$1" logical 512
	is "$1" physical "$(or_not topology "$(physical_of "$2")" 512)"
	is "$1" segments "$(or_not seg_max 254 1)"
	is "$1" segment "$(or_not size_max 262144 4294967295)"
	case ,$words, in
	*,ro,*)
		is "$1" ro 1
		is "$1" discard 0
		is "$1" zeroes 0
		is "$1" serial tools
		return ;;
	*,serial=*) is "$1" serial twenty.characters.it ;;
	esac
	is "$1" ro 0
	is "$1" discard "$(or_not discard 2147483648 0)"
	is "$1" zeroes "$(or_not write_zeroes 16777216 0)"
	is "$1" cache "$(or_not flush "write back" "write through")"
	check_content "$1" "$2"
}

# path_of NR: of the disk whose words these are
path_of()
{
	case $1,$words in
	0,*) echo /lab/tools.img ;;
	*,LOOP*) echo "$loop" ;;
	*) echo "$dir/disk$1" ;;
	esac
}

# part IMAGE MIB: one of them
part()
{
	dd if="$1" bs=$mib skip="$2" count=1 2> /dev/null
}

# zeroes DISK IMAGE MIB IS-ZERO: or as it was
zeroes()
{
	case $4 in
	yes) head -c $mib /dev/zero ;;
	no) part "$dir/before" "$3" ;;
	esac > "$dir/want"
	part "$2" "$3" | cmp - "$dir/want" ||
		complain "$1 ($words): MiB $3, zero: $4"
}

check_content()
{
	yes "$word" | head -c 65536 > "$dir/want"
	echo "$word $1" 1<> "$dir/want"
	head -c 65536 "$2" | cmp - "$dir/want" ||
		complain "$1 ($words): what the guest wrote is not there"
	[ "$what" != rings ] || return
	discards=$(or_not discard yes no)
	punches=$(or_not write_zeroes yes no)
	is "$1" discards "$discards"
	is "$1" punches "$punches"
	zeroes "$1" "$2" 1 "$discards"
	zeroes "$1" "$2" 2 yes
	zeroes "$1" "$2" 3 "$punches"
	if lacks "$words" config_wce || lacks "$words" flush; then
		is "$1" switched no
	else
		is "$1" switched "write through
write back"
	fi
}


# Where something is to be zeroed there is something before.
new_disks()
{
	nr=1
	sed 1d "$dir/words" > "$dir/rest"
	while read -r words; do
		path=$(path_of $nr)
		dd if="$dir/before" of="$path" bs=$mib 2> /dev/null
		[ "$path" = "$loop" ] || truncate -s $((12 * mib)) "$path"
		nr=$((nr + 1))
	done < "$dir/rest"
}

# How each process fared.
check_report()
{
	# A cache is switched by a write to configuration space, twice a disk,
	# where there is one that could be.
	excused=0
	[ "$what" = rings ] || excused=$((2 * $(grep -c -v -e '^ro,' \
		-e '=config_wce$' -e '=flush$' "$dir/words")))
	check_exits "$nr_disks" $excused
	awk '/^blk/ && ($2 == "requests" ? $3 == 0 :
		($2 == "foreign" || $2 == "resets") && $3 != 0)' \
		"$dir/fields" > "$dir/odd"
	[ ! -s "$dir/odd" ] || complain "$(cat "$dir/odd")"
}

yes something | head -c $((4 * mib)) > "$dir/before"
disk_words > "$dir/words"
nr_disks=$(wc -l < "$dir/words")
loop=
if grep -q LOOP "$dir/words"; then
	truncate -s $((12 * mib)) "$dir/looped"
	loop=$(losetup -f)
	losetup "$loop" "$dir/looped" || complain "no loop device"
fi
set --
nr=0
while read -r words; do
	path=$(path_of $nr)
	words=${words#LOOP,}
	set -- "$@" --disk "$path${words:+,}$words"
	nr=$((nr + 1))
done < "$dir/words"
# From warnings on: each character of a log is an exit.
boot good "rdinit=/disks.sh lab.do=$what loglevel=5" "$@"
nr=0
while read -r words && [ $failed = 0 ]; do
	name=vd$(echo abcdefghijklmnop | cut -c $((nr + 1)))
	check_disk "$name" "$(path_of $nr)"
	nr=$((nr + 1))
done < "$dir/words"
[ $failed != 0 ] || check_report
[ -z "$loop" ] || losetup -d "$loop"
finish
