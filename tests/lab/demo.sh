#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#
# demo.sh RINGFENCE - the demo, and in its table what the project is about
#
# All four kinds run here. By the API's own kind (and by ioeventfd) no notify
# write may leave the kernel; every one of them came out of the ring. With the
# page of registers nothing else may either, once the driver runs.
# Runs inside the lab.
set -u

out=$("$1" demo)
status=$?
echo "$out"
[ $status = 0 ] || exit 1
echo "$out" | awk '
function complain(what) {
	print "FAILED: " what
	failed = 1
}
# kind, doorbells, entries, kicks, exits, compared, exits/io, ...
function look(exits_wanted) {
	seen[$1] = 1
	if ($NF != "ok")
		complain($1 ": verdict " $NF)
	if ($2 + 0 == 0 || $6 + 0 == 0)
		complain($1 ": nothing was done")
	if (exits_wanted >= 0 && $5 + 0 != exits_wanted)
		complain($1 ": " $5 " exits, not " exits_wanted)
	if (exits_wanted == 0 && $7 != "0.00")
		complain($1 ": " $7 " exits for each request")
}
/^kind +doorbells +entries +kicks +exits +compared +exits.io / { table = 1; next }
!table { next }
$1 == "coalesced2" {
	look(0)
	# The last ones may lie in the ring when the guest has ended.
	if ($3 + 0 == 0 || $3 + 0 > $2 + 0 || $4 + 0 != 0)
		complain($2 " doorbells, but " $3 " entries, " $4 " kicks")
}
$1 == "ioeventfd" { look(0) }
$1 == "coalesced" { look(-1) }
$1 == "exit" { look($2 + 0) }
END {
	split("coalesced2 ioeventfd coalesced exit", kinds)
	for (i in kinds)
		if (!(kinds[i] in seen))
			complain(kinds[i] ": did not run")
	exit failed
}'
