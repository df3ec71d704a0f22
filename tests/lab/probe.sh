#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#
# probe.sh RINGFENCE - everything is there, on this kernel as on no stock one
#
# Runs inside the lab.
set -u

probe=$("$1" probe) || exit 1
echo "$probe"
failed=0
for what in kvm namespaces seccomp "naming killed calls" landlock cgroup2 \
	"uid per process" "doorbell coalesced2" "doorbell ioeventfd" \
	"doorbell coalesced" "doorbell exit"; do
	if ! echo "$probe" | grep -q -E "^$what +yes"; then
		echo "FAILED: $what is not there"
		failed=1
	fi
done
exit $failed
