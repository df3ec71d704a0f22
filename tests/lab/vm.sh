# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
# shellcheck shell=sh disable=SC2154 # the variables below
#
# vm.sh - boot a Linux guest inside the lab, judge its console, read its report
#
# Sourced by linux.sh and features.sh, which set ringfence, kernel, initrd, cpus,
# kind and registers, and say by new_disks() what a guest begins with.

dir=$(mktemp -d)
word=$(head -c 8 /dev/urandom | md5sum | head -c 16)
failed=0

complain()
{
	echo "FAILED: $*"
	failed=1
}

# start APPEND OPTION...: the console is then in $dir/text, the counters in
# $dir/report and $dir/fields.
# noxsave: under QEMU's emulation KVM does not see what a guest puts into XCR0,
# and Linux finds that the sizes in CPUID do not fit.
start()
{
	append=$1
	shift
	{
		"$ringfence" run --kernel "$kernel" --initrd "$initrd" \
			--memory 256M --cpus "$cpus" --doorbell "$kind" \
			--registers "$registers" --report "$dir/report" \
			--append "console=ttyS0 panic=-1 noxsave \
lab.word=$word $append" "$@" 2>&1
		echo $? > "$dir/status"
	} | tee "$dir/log"
	tr -d '\r' < "$dir/log" | join_lines > "$dir/text"
	[ ! -f "$dir/report" ] || list_fields
}

# The guest's kernel may speak in the middle of a line that its process 1 says,
# which then goes on behind the kernel's: each gets its own again.
join_lines()
{
	awk '
	/^(fact|guest:) .*\[ *[0-9]+\.[0-9]+\] / {
		match($0, /\[ *[0-9]+\.[0-9]+\] /)
		begun = begun substr($0, 1, RSTART - 1)
		print substr($0, RSTART)
		next
	}
	begun != "" && !/^\[ *[0-9]+\.[0-9]+\] / {
		$0 = begun $0
		begun = ""
	}
	{ print }
	END { if (begun != "") print begun }'
}

# Of one line of JSON, a line "PROCESS FIELD VALUE" for each number in it.
list_fields()
{
	tr '{' '\n' < "$dir/report" | tr -d '"}' | awk -F , '/^name:/ {
		process = substr($1, 6)
		for (i = 2; i <= NF && $i != ""; i++) {
			split($i, part, ":")
			sub(/]$/, "", part[2])
			print process, part[1], part[2]
		}
	}' > "$dir/fields"
}

# Did the guest run over the little stack it enters its kernel on? That is QEMU's
# (7.2 and 10.0, helper_vmrun()): the number of an interrupt that the hypervisor
# injects stays behind, and where the emulator's loop is interrupted before the
# next exit, the guest gets the same again, at whatever instruction it is, with
# interrupts off or not. Behind the first of an entry from user space, the second
# finds the user's GS. Seen in three of 200 guests.
got_one_twice()
{
	grep -q 'Kernel panic' "$dir/text" &&
		grep -q 'CR2: fffffe0' "$dir/text"
}

# boot SAYS APPEND OPTION...
boot()
{
	says=$1
	shift
	for attempt in 1 2 3; do
		echo "the guest is to find it $says: $1"
		new_disks "$@"
		start "$@"
		got_one_twice || break
		echo "NOTE: an interrupt came twice, attempt $attempt of 3"
	done
	[ "$(cat "$dir/status")" = 0 ] ||
		complain "the run's status: $(cat "$dir/status")"
	[ "$(grep "^guest: [a-z]* $word\$" "$dir/text")" = \
		"guest: $says $word" ] ||
		complain "the guest did not say \"$says $word\""
	grep -q "smp: Brought up 1 node, $cpus CPU\|^guest: $cpus processors\$" \
		"$dir/text" || complain "not $cpus processors"
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

# field PROCESS NAME
field()
{
	awk -v process="$1" -v name="$2" \
		'$1 == process && $2 == name { print $3 }' "$dir/fields"
}

# holds PROCESS NAME TEST NUMBER
holds()
{
	value=$(field "$1" "$2")
	echo "$1: $2 = $value"
	test "${value:-none}" "$3" "$4" ||
		complain "$1: $2 is \"$value\", wanted $3 $4"
}

# sum NAME: over all disks
sum()
{
	awk -v name="$1" '/^blk/ && $2 == name { sum += $3 }
		END { print sum + 0 }' "$dir/fields"
}

# check_exits NR EXCUSED: what left the kernel for a register, notify writes
# among them, since NR disks had their drivers, but for so many and for the reset
# that each device gets when the guest ends. With the page of registers and a
# kind that takes its notify writes in the kernel that is nothing, not even once.
check_exits()
{
	exits=$(($(field vmm exits_mmio) - $(field vmm exits_setup) - $1 - $2))
	requests=$(sum requests)
	if [ "$requests" -lt 500 ]; then
		complain "$requests requests are too few to tell"
		return
	fi
	hundredths=$(((exits * 100 + requests / 2) / requests))
	echo "$kind, registers by $registers: $exits exits," \
		"$requests requests: $hundredths hundredths of one for each"
	grep -q "\"doorbell\":\"$kind\",\"registers\":\"$registers\"" \
		"$dir/report" || complain "not as asked: $(cat "$dir/report")"
	case $registers in
	page) holds vmm exits_ack -eq 0 ;;
	# An interrupt is one for several requests, where these came at once.
	exit) holds vmm exits_ack -gt $((requests / 20)) ;;
	esac
	case $kind,$registers in
	exit,page)
		# Some disks had work before the last had its driver.
		[ $exits -le "$(field vmm exits_notify)" ] ||
			complain "of $exits exits not all are notify writes" ;;
	*,page)
		[ $exits = 0 ] || complain "$exits exits, where none may be" ;;
	*)
		[ $hundredths -ge 10 ] ||
			complain "$hundredths hundredths: who counts?" ;;
	esac
	case $kind in
	# Every one of them, and no ring is filled by anybody else.
	exit) holds vmm exits_notify -eq "$(sum ring_entries)" ;;
	*) holds vmm exits_notify -eq 0 ;;
	esac
	# The same from KVM, where it tells.
	[ "$(field vmm kvm_exits_mmio)" = 0 ] ||
		holds vmm kvm_exits_mmio -eq "$(field vmm exits_mmio)"
}

finish()
{
	rm -rf "$dir"
	[ $failed = 0 ] && echo "all as it must be"
	exit $failed
}
