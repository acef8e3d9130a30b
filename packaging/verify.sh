#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Does systemd understand the units? What they start is looked for where it was built.
# Usage: verify.sh SYSTEMD-ANALYZE UNITS-DIR HOLDFASTD HOLDFAST HOLDFAST-VSWITCH
set -eu
analyze=$1 units=$2
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

sed -E "s|^(ExecStart=)[^ ]*/holdfastd |\1$3 |; s|^(ExecReload=)[^ ]*/holdfast |\1$4 |" \
	"$units/holdfastd.service" >"$dir/holdfastd.service"
sed -E "s|^(ExecStart=)[^ ]*/holdfast-vswitch |\1$5 |" \
	"$units/holdfast-vswitch@.service" >"$dir/holdfast-vswitch@left.service"
grep -q "^ExecStart=$3 " "$dir/holdfastd.service"
grep -q "^ExecReload=$4 " "$dir/holdfastd.service"
grep -q "^ExecStart=$5 " "$dir/holdfast-vswitch@left.service"
# It says everything it does not know on standard error, and succeeds all the same.
SYSTEMD_UNIT_PATH=$dir: "$analyze" verify --man=no "$dir/holdfastd.service" \
	"$dir/holdfast-vswitch@left.service" 2>"$dir/said" || { cat "$dir/said"; exit 1; }
cat "$dir/said"
! grep -E "$dir|holdfast" "$dir/said"
