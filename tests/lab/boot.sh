# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
# shellcheck shell=bash disable=SC2154 # lab, lab_*: of run
#
# boot.sh - pack an initramfs, boot a kernel with it, say how its cases ended
#
# Sourced by tests/lab/run. A program lies in the lab where it lies here, for
# tests name other programs by their paths; with the libraries it asks for.

# shellcheck disable=SC2034 # used by run
boot_packages="qemu-system-x86 busybox-static cpio binutils"
# shellcheck disable=SC2034
guest_packages="fio e2fsprogs"

# boot_add STAGE FILE [PLACE]
boot_add()
{
	local stage=$1 file=$2 place=${3:-$2} library

	[ -e "$stage$place" ] && return 0
	mkdir -p "$stage$(dirname "$place")" || return 1
	cp -L "$file" "$stage$place" || return 1
	chmod u+w "$stage$place"
	[ "$(head -c 4 "$file" | tr -d '\0')" = $'\177ELF' ] || return 0
	strip --strip-debug "$stage$place" 2> /dev/null
	# Fails for what is static.
	ldd "$file" 2> /dev/null | grep -o '/[^ ]*' |
		while IFS= read -r library; do
			[ "$library" = "$file" ] ||
				boot_add "$stage" "$library" || return 1
		done
}

# boot_stage STAGE: what every lab has.
boot_stage()
{
	local stage=$1 applet

	mkdir -p "$stage"/{bin,etc,lab,proc,sys,dev,tmp,run,mnt,var/tmp} &&
		chmod 1777 "$stage/tmp" "$stage/var/tmp" || return 1
	"${CC:-gcc}" -std=c11 -D_GNU_SOURCE -O2 -static -o "$stage/init" \
		"$lab/init.c" || return 1
	cp /bin/busybox "$stage/bin/busybox" || return 1
	for applet in $(/bin/busybox --list); do
		[ "$applet" = busybox ] ||
			ln -s busybox "$stage/bin/$applet"
	done
	printf '%s\n' root:x:0:0:root:/:/bin/sh \
		nobody:x:65534:65534:nobody:/:/bin/sh > "$stage/etc/passwd"
	printf '%s\n' root:x:0: nogroup:x:65534: > "$stage/etc/group"
}

# The tree's programs, and what its tests start besides.
boot_add_build()
{
	local stage=$1 build=$2 file

	for file in "$build"/bin/* "$build"/guest/guest.elf \
		"$build"/tests/*; do
		case ${file##*/} in
		test_*) continue ;;
		esac
		if [ -f "$file" ] && [ -r "$file" ]; then
			boot_add "$stage" "$file" || return 1
		fi
	done
	for file in "$lab"/*.sh; do
		boot_add "$stage" "$file" "/lab/${file##*/}" || return 1
	done
}

# boot_add_guest STAGE SCRATCH: what linux.sh and features.sh boot a guest
# with. Its initramfs is a shell and two scripts; its tools are on a disk, for with their libraries
# they are 80 MB, of which the guest reads a few.
boot_add_guest()
{
	local stage=$1 ram=$2/guest tools=$2/tools

	[ ! -e "$stage/lab/guest.cpio" ] || return 0
	mkdir -p "$ram/bin" "$tools" &&
		cp /bin/busybox "$ram/bin/busybox" &&
		cp -P "$stage"/bin/* "$ram/bin/" &&
		cp "$lab/guest.sh" "$ram/init" &&
		cp "$lab/disks.sh" "$ram/disks.sh" &&
		cp "$lab/guest.fio" "$ram/guest.fio" &&
		boot_pack "$ram" "$stage/lab/guest.cpio" || return 1
	boot_add "$tools" /usr/bin/fio && boot_add "$tools" /sbin/mke2fs &&
		boot_add "$tools" /sbin/e2fsck &&
		boot_add "$tools" /sbin/blkdiscard &&
		boot_add "$tools" /usr/bin/fallocate &&
		/sbin/mke2fs -q -t ext4 -d "$tools" "$stage/lab/tools.img" \
			128M > /dev/null || return 1
	# For linux.sh itself.
	boot_add "$stage" "$lab/splats" /lab/splats &&
		boot_add "$stage" /sbin/e2fsck || return 1
	rm -rf "$ram" "$tools"
}

# boot_list_add STAGE NAME SECONDS WORD...
boot_list_add()
{
	local stage=$1 name=$2 seconds=$3

	shift 3
	printf '%s\0' "$name" "$seconds" $# "$@" >> "$stage/lab/list"
}

boot_pack()
{
	(cd "$1" && find . -print0 | LC_ALL=C sort -z |
		cpio --null --quiet -o -H newc -R 0:0) > "$2"
}

# boot_run KERNEL INITRAMFS OUT SECONDS: results, stdout, stderr and serial.log
# in OUT. Returns when the machine is off; 1: it had to be ended.
#
# The machine has a processor more than was asked for: number 0, which init.c
# lets no program use. Each time an emulated processor restores its x87 state,
# QEMU (7.2 and 10.0, cpu_clear_ignne()) writes the hidden flags of processor 0,
# without a lock. If that one runs a guest and is just leaving it, the flag for
# nested paging comes back; the next page it touches is looked up as if it were
# the guest's, and the guest is entered with the host's registers, or the other
# way about: triple faults, or a damaged host, once in twenty to sixty guests.
boot_run()
{
	local kernel=$1 initramfs=$2 out=$3 seconds=$4 port pid
	local -a ports=()

	for port in results stdout stderr; do
		[ -p "$out/$port" ] || : > "$out/$port"
		ports+=(-chardev "file,id=$port,path=${out//,/,,}/$port"
			-device "virtserialport,nr=$((${#ports[@]} / 4 + 1)),\
chardev=$port,name=$port")
	done
	timeout --foreground -k 5 "$seconds" qemu-system-x86_64 \
		-accel tcg,thread=multi -cpu max,+svm -M q35 \
		-smp $((lab_cpus + 1)) \
		-m "$lab_memory" -nodefaults -no-user-config -display none \
		-no-reboot -kernel "$kernel" -initrd "$initramfs" \
		-append "console=ttyS0 ignore_loglevel printk.devkmsg=on \
panic=-1 watchdog_thresh=60 rcupdate.rcu_cpu_stall_timeout=120 $lab_append" \
		-serial "file:$out/serial.log" \
		-device virtio-serial-pci,max_ports=4 "${ports[@]}" \
		< /dev/null 2> "$out/qemu.log" &
	pid=$!
	lab_started+=("$pid")
	wait "$pid"
	case $? in
	0) return 0 ;;
	124 | 137) echo "the machine was ended after $seconds s" ;;
	*) echo "QEMU failed: $(tail -n 1 "$out/qemu.log")" ;;
	esac > "$out/ended"
	return 1
}

# boot_split OUT: each case's part of the output in OUT/cases/NAME.stdout and
# .stderr. What follows the last end is of the case that the machine died in.
boot_split()
{
	local out=$1 word name bytes_out bytes_err at_out=1 at_err=1

	mkdir -p "$out/cases"
	while read -r word name _ _ _ bytes_out bytes_err; do
		case $word in
		begin)
			tail -c +$at_out "$out/stdout" \
				> "$out/cases/$name.stdout"
			tail -c +$at_err "$out/stderr" \
				> "$out/cases/$name.stderr" ;;
		end)
			truncate -s "$bytes_out" "$out/cases/$name.stdout"
			truncate -s "$bytes_err" "$out/cases/$name.stderr"
			at_out=$((at_out + bytes_out))
			at_err=$((at_err + bytes_err)) ;;
		esac
	done < "$out/results"
}

# boot_judge OUT NAME...: a line for each case, tabs between verdict, name,
# milliseconds and reason. A splat belongs to the case that ran when it came.
boot_judge()
{
	local out=$1

	shift
	awk -v names="$*" -v splats="$lab/splats" -v log_file="$out/serial.log" \
		-v cases="$out/cases" \
		-v ended="$(cat "$out/ended" 2> /dev/null)" '
	function is_splat(line, i) {
		for (i = 0; i < nr_good; i++)
			if (line ~ good[i])
				return 0
		for (i = 0; i < nr_bad; i++)
			if (line ~ bad[i])
				return 1
		return 0
	}
	function add_pattern(line) {
		if (line ~ /^#/ || line == "")
			return
		if (line ~ /^!/)
			good[nr_good++] = substr(line, 2)
		else
			bad[nr_bad++] = line
	}
	function row(verdict, name, ms, why) {
		printf "%s\t%s\t%s\t%s\n", verdict, name, ms, why
	}
	function judge(name) {
		if (name in splat)
			row("fail", name, ms[name] + 0, "kernel: " splat[name])
		else if (!(name in begun))
			row("not run", name, 0, ended ? ended : "never begun")
		else if (!(name in how))
			row("fail", name, 0, ended ? ended : \
				"the machine stopped in it")
		else if (how[name] == "timeout")
			row("fail", name, ms[name], "timeout")
		else if (how[name] == "left")
			row("fail", name, ms[name], "left a process behind")
		else if (how[name] == "signal")
			row("fail", name, ms[name], "signal " number[name])
		else if (number[name] == 77)
			row("not run", name, ms[name], "skipped itself")
		else if (number[name] != 0)
			row("fail", name, ms[name], "status " number[name])
		else if (name in skipped)
			row("not run", name, ms[name], skipped[name])
		else
			row("pass", name, ms[name], "")
	}
	# Nothing is missing in the lab: what a test leaves out there, no
	# machine of ours ever sees.
	function look_for_skips(name, file, line) {
		file = cases "/" name ".stdout"
		while ((getline line < file) > 0)
			if (line ~ /^skipped: / && !(name in skipped))
				skipped[name] = line
		close(file)
	}
	BEGIN {
		while ((getline line < splats) > 0)
			add_pattern(line)
		at = "(boot)"
		while ((getline line < log_file) > 0) {
			gsub(/\r/, "", line)
			if (match(line, /lab: begin .*/))
				at = substr(line, RSTART + 11)
			else if (is_splat(line) && !(at in splat))
				splat[at] = line
		}
	}
	$1 == "begin" { begun[$2] = 1 }
	$1 == "end" { how[$2] = $3; number[$2] = $4; ms[$2] = $5 }
	$1 == "done" { done = 1 }
	END {
		nr = split(names, list, " ")
		for (i = 1; i <= nr; i++) {
			look_for_skips(list[i])
			judge(list[i])
			listed[list[i]] = 1
		}
		if ("kmemleak" in begun) {
			judge("kmemleak")
			listed["kmemleak"] = 1
		}
		for (name in splat)
			if (!(name in listed))
				row("fail", name, 0, "kernel: " splat[name])
		if (!done)
			row("fail", "(machine)", 0, ended ? ended : \
				"stopped before the end of its list")
	}' "$out/results"
}
