#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#
# cgroup.sh RINGFENCE - jailer.cgroup on cgroups of version 2 with controllers
#
# While the guest runs, each process is alone in a cgroup that has the limits of
# the configuration; when it has ended, or its launcher was killed and another
# one came, nothing is left. Limits that cannot hold stop the start.
# Runs inside the lab.
set -u

ringfence=$1
top=/sys/fs/cgroup/lab
dir=$(mktemp -d)
failed=0

complain()
{
	echo "FAILED: $*"
	failed=1
}

# holds FILE VALUE: what the kernel says it enforces
holds()
{
	got=$(cat "$1" 2> /dev/null)
	[ "$got" = "$2" ] || complain "$1: \"$got\", not \"$2\""
}

config()
{
	printf '{"jailer": {"cgroup": {"path": "%s"%s}}}\n' "$1" "$2" \
		> "$dir/vm.json"
}

# start: sets launcher and ours; returns when the guest runs
start()
{
	"$ringfence" run --disk "$dir/disk" --append rf.mode=idle \
		--config "$dir/vm.json" > "$dir/log" 2>&1 &
	launcher=$!
	ours=$top/ringfence-$launcher
	for _ in $(seq 300); do
		grep -q '^idle' "$dir/log" && return 0
		sleep 0.2
	done
	complain "the guest does not run"
	cat "$dir/log"
	return 1
}

# The one process in there, by name.
name_in()
{
	pid=$(cat "$1/cgroup.procs")
	case $pid in
	*[!0-9]* | "") echo "\"$pid\"" ;;
	*) sed -n 's/^Name:[[:space:]]*//p' "/proc/$pid/status" ;;
	esac
}

check_limits()
{
	for group in vmm blk-0; do
		holds "$ours/$group/memory.max" 268435456
		holds "$ours/$group/memory.high" 201326592
		holds "$ours/$group/cpu.max" "90000 100000"
		holds "$ours/$group/cpu.weight" 50
		holds "$ours/$group/pids.max" 32
	done
	[ "$(name_in "$ours/vmm")" = ringfence-vmm ] ||
		complain "in vmm: $(name_in "$ours/vmm")"
	[ "$(name_in "$ours/blk-0")" = ringfence-blk ] ||
		complain "in blk-0: $(name_in "$ours/blk-0")"
	# Counted, so it is in there for real.
	[ "$(cat "$ours/vmm/memory.current")" -gt 0 ] ||
		complain "vmm uses no memory"
	# Its parent is not limited by what is said of each process.
	holds "$ours/memory.max" max
}

truncate -s 2M "$dir/disk"
if ! mkdir "$top" ||
	! echo "+memory +pids +cpu" > "$top/cgroup.subtree_control"; then
	echo "FAILED: no cgroup with controllers"
	exit 1
fi

echo "limits are set, and go with the guest"
config lab ', "memory_max": "256M", "memory_high": "192M", "pids_max": 32,
	"cpu_max": "90000 100000", "cpu_weight": 50'
if start; then
	check_limits
	kill -TERM "$launcher"
	wait "$launcher"
	[ $? = 143 ] || complain "the launcher's status"
	[ ! -e "$ours" ] || complain "$ours is still there"
fi

echo "what a killed launcher leaves, the next one takes away"
if start; then
	was=$ours
	kill -KILL "$launcher"
	wait "$launcher" 2> /dev/null
	# Not cgroup.procs: a process is gone from there before its last thread.
	for _ in $(seq 100); do
		grep -q '^populated 0' "$was/cgroup.events" && break
		sleep 0.1
	done
	[ -d "$was" ] || complain "$was went by itself"
	"$ringfence" run --disk "$dir/disk" --config "$dir/vm.json" \
		> "$dir/log" 2>&1 || { complain "the next"; cat "$dir/log"; }
	[ ! -e "$was" ] || complain "$was is still there"
fi

echo "a limit is a limit: processes beyond pids.max cannot be made"
config lab ', "pids_max": 1'
if "$ringfence" run --disk "$dir/disk" --config "$dir/vm.json" \
	> "$dir/log" 2>&1; then
	complain "a vCPU process without its threads?"
fi
tail -n 2 "$dir/log"

echo "a controller that does not reach us is named, and nothing starts"
echo "-memory" > "$top/cgroup.subtree_control"
mkdir "$top/deeper"
config lab/deeper ', "memory_max": "256M"'
if "$ringfence" run --disk "$dir/disk" --config "$dir/vm.json" \
	> "$dir/log" 2>&1; then
	complain "a limit without its controller was accepted"
fi
grep -q 'controller memory not enabled' "$dir/log" ||
	{ complain "the reason"; cat "$dir/log"; }

rmdir "$top/deeper" || complain "something is left in $top/deeper"
rmdir "$top" || complain "something is left in $top: $(ls "$top")"
rm -rf "$dir"
[ $failed = 0 ] && echo "all as configured"
exit $failed
