#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#
# beside.sh NR WORD... - two programs at the same time
#
# The first has the first NR words, the second the others. What each said comes
# when both have ended, and it fails if one of them did. For guests, and for what
# starts hundreds of processes one after the other: each keeps little more than
# one processor busy, and the lab has two.
# Runs inside the lab.
set -u

nr=$1
shift
dir=$(mktemp -d)

# The first NR words run in the background, the rest is left to the second.
run_first()
{
	i=0
	while [ $i -lt "$nr" ]; do
		set -- "$@" "$1"
		shift
		i=$((i + 1))
	done
	# They are the last now.
	shift $(($# - nr))
	"$@" > "$dir/first" 2>&1
}

run_first "$@" &
first=$!
shift "$nr"
"$@" > "$dir/second" 2>&1
status=$?
wait $first || status=$?
cat "$dir/first" "$dir/second"
rm -rf "$dir"
exit $status
