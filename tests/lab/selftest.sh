#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#
# selftest.sh HOW - end in one of the ways that the lab must tell apart
#
# Runs inside the lab, for tests/lab/test_run.sh.
case $1 in
good)
	# What every program finds in the lab.
	[ "$(id -u)" = 0 ] && [ -c /dev/kvm ] && [ -d /proc/self ] &&
		[ -w /tmp ] && [ "$(pwd)" = /tmp ] && ! read -r _ ;;
words) [ "$*" = "words b c" ] ;;
status) exit 3 ;;
signal) kill -SEGV $$ ;;
hangs) sleep 600 ;;
leaves) setsid sleep 600 > /dev/null 2>&1 & exit 0 ;;
skips) exit 77 ;;
skips.part) echo "skipped: half of it: nothing there"; exit 0 ;;
provoke) echo "$2" > /sys/kernel/debug/provoke-crash/DIRECT; exit 0 ;;
*) exit 1 ;;
esac
