#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#
# test_run.sh [plain|debug] - does the lab notice?
#
# Runs cases that end well, badly, late or never, and some that make the kernel
# complain, and holds the lab's verdicts against what they must be. Then wrong
# usage, and the ways in which --exec ends. Status 77: skipped.
set -u

lab=$(cd "$(dirname "$0")" && pwd) || exit 1
flavour=${1:-plain}
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
trap 'exit 1' HUP INT TERM
failed=0

complain()
{
	echo "FAILED: $*"
	failed=1
}

# ends STATUS WORD...: run the lab so; its output is in $dir/log.
ends()
{
	local want=$1 got

	shift
	"$lab/run" "$@" > "$dir/log" 2>&1
	got=$?
	if [ $got = 77 ]; then
		cat "$dir/log"
		exit 77
	fi
	[ $got = "$want" ] || {
		complain "run $*: status $got, not $want"
		tail -n 30 "$dir/log"
	}
}

says()
{
	grep -q -e "$1" "$dir/log" || {
		complain "no line \"$1\""
		tail -n 30 "$dir/log"
	}
}

# verdict NAME VERDICT [REASON]
verdict()
{
	awk -F '\t' -v name="$1" -v verdict="$2" -v reason="${3:-^$}" '
	$2 == name { found = ($1 == verdict && $4 ~ reason); line = $0 }
	END { if (!found) { print "FAILED: " name ": " line; exit 1 } }' \
		"$dir/out/$flavour/verdicts" || failed=1
}

echo "wrong usage"
ends 2 --flavour fast
says 'no flavour "fast"'
ends 2 --cpus 8
ends 2 --cpus 0
ends 2 --timeout 1m
ends 2 --frobnicate
ends 2 --exec
ends 2 --exec /no/such/program
ends 2 --file /no/such/file --exec /bin/busybox
ends 2 --no-build --flavour "$flavour" --only none --cases "$lab/selftest.cases"
says 'no such case'

echo "a guest's line that its kernel cuts in two is one"
sh -u -c '. "$1"; rm -rf "$dir"; join_lines' join "$lab/vm.sh" \
	> "$dir/joined" <<'END'
fact vda physi[   33.725839] clocksource: slow
[   33.725840] and on
cal 4096
fact vda ro 1
[   34.000000] no line of ours [   34.000000] is cut
guest: go[   35.000000] reboot: Power down
END
cmp "$dir/joined" - <<'END' || failed=1
[   33.725839] clocksource: slow
[   33.725840] and on
fact vda physical 4096
fact vda ro 1
[   34.000000] no line of ours [   34.000000] is cut
[   35.000000] reboot: Power down
guest: go
END

echo "every way to end has its verdict"
ends 1 --no-build --flavour "$flavour" --cases "$lab/selftest.cases" \
	--build "$dir" --out "$dir/out"
verdict good pass
verdict two.words pass
verdict status fail '^status 3$'
verdict signal fail '^signal 11$'
verdict hangs fail '^timeout$'
verdict leaves fail '^left a process behind$'
verdict skips "not run" '^skipped itself$'
verdict skips.part "not run" '^skipped: half of it: nothing there$'
verdict missing fail '^status 127$'
verdict warning fail '^kernel: '
verdict still.good pass
[ "$flavour" = plain ] || verdict free.memory fail '^kernel: .*KASAN'
verdict bug fail '^kernel: '
verdict never "not run" '^never begun$'
verdict "(machine)" fail '^stopped before the end'

got=$(cat "$dir/out/$flavour/cases/"{good,skips.part,never}.stdout 2> /dev/null)
[ "$got" = "skipped: half of it: nothing there" ] ||
	complain "the output of a case: \"$got\""
grep -q '^lab: leaves left the process sleep behind$' \
	"$dir/out/$flavour/cases/leaves.stderr" ||
	complain "the name of what was left"

# The rest is the same for both kernels, and six boots of the slow one.
[ "$flavour" = plain ] || {
	[ $failed = 0 ] && echo "all passed"
	exit $failed
}

echo "a program's own end is the lab's end"
# exec.sh is a program of the tester's: any directory, any arguments.
cat > "$dir/exec.sh" <<'END'
#!/bin/sh
echo "out: $# $2"
echo "err: $(cat "$3")" >&2
cd / && $1
END
chmod +x "$dir/exec.sh"
echo content > "$dir/file"
exec_ends()
{
	local want=$1

	shift
	ends "$want" --no-build --flavour "$flavour" --timeout 20 \
		--file "$dir/file:/etc/given" --exec "$dir/exec.sh" "$@"
}
exec_ends 0 true "two words" /etc/given
says '^out: 3 two words$'
says '^err: content$'
exec_ends 5 "exit 5" "" /etc/given
says '^out: 3 $'
# shellcheck disable=SC2016 # expanded in there
exec_ends 137 'eval kill -9 $$' "" /etc/given
exec_ends 124 "sleep 100" "" /etc/given
exec_ends 125 'eval echo WARNING > /sys/kernel/debug/provoke-crash/DIRECT' \
	"" /etc/given

[ $failed = 0 ] && echo "all passed"
exit $failed
