#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#
# check.sh MODEL holds|breaks [DEFINE...] - all interleavings of a model
#
# Spin makes a program of the model, which tries every order of its steps.
# "holds": no order breaks an assertion. "breaks": some order must, or the model
# would not notice what it is for.
set -u

model=$(basename "$1")
source=$(realpath "$1")
expected=$2
shift 2

for tool in spin cc; do
	command -v "$tool" > /dev/null || {
		echo "skipped: model: no $tool here (Debian: apt-get install spin gcc)"
		exit 77
	}
done
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
cd "$scratch" || exit 1
# A counterexample is written beside the model.
cp "$source" "$model" || exit 1

spin "${@/#/-D}" -a "$model" || exit 1
cc -O2 -w -DSAFETY -o pan pan.c || exit 1
# -m: the longest order; -w: hash table; a search cut short proves nothing.
./pan -m1000000 -w20 > out || exit 1
cat out
if grep -q -i -e 'max search depth too small' -e 'out of memory' out; then
	echo "check.sh: the search was cut short"
	exit 1
fi
case $expected in
holds) grep -q 'errors: 0$' out && exit 0 ;;
breaks) grep -q 'errors: [1-9]' out && exit 0 ;;
*) echo "check.sh: holds or breaks, not $expected" ;;
esac
if [ "$expected" = breaks ]; then
	echo "check.sh: expected an order that breaks it: $*"
else
	spin "${@/#/-D}" -t -p "$model" | tail -n 60
fi
exit 1
