#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Every #include goes along the arrows of docs/architecture.md ("Layers", "Inside the primary"), none
# against them.
# Usage: arrows.sh [TREE]. Exit 1 and one line per offender.
set -eu
cd "${1:-$(dirname "$0")/..}"

# From the ground up: a folder, and those whose headers its files may include, itself aside: only
# such as stand above it here, so that there is no circle.
table='
base
include
shm		base
proto		base
primary/io	proto base
primary/security	primary/io base
primary/program	primary/security shm base
primary/supervise	primary/program primary/security primary/io base
primary/nouns	primary/program primary/io proto shm base
primary/keep	primary/nouns primary/program primary/io proto shm base
primary/secondaries	primary/keep primary/nouns primary/io proto shm base
primary/grant	primary/secondaries primary/keep primary/nouns primary/security primary/io proto shm base
primary/session	primary/grant primary/keep primary/nouns primary/program primary/io proto shm base
primary/port	primary/session primary/grant primary/keep primary/nouns primary/io shm base
primary/cuse	primary/port primary/session primary/keep primary/nouns primary/program primary/io shm base
primary/attach	primary/cuse primary/port primary/grant primary/secondaries primary/keep primary/nouns primary/program primary/io proto shm base
primary/succession	primary/attach primary/cuse primary/port primary/session primary/grant primary/secondaries primary/keep primary/nouns primary/program primary/security primary/io shm base
primary/control	primary/succession primary/cuse primary/port primary/grant primary/secondaries primary/keep primary/nouns primary/io proto shm base
primary		primary/supervise primary/succession primary/control primary/attach primary/cuse primary/port primary/grant primary/keep primary/nouns primary/program primary/security primary/io proto shm base
secondary	include proto shm base
cli		proto base
vswitch		include
'

# FOLDER HEADER, for each header as it is included; a folder without arrows counts, too.
homes() {
	echo "$table" | while read -r folder _; do
		[ -n "$folder" ] || continue
		find "$folder" -maxdepth 1 -name '*.h' | sed "s|^$folder/|$folder |"
	done
	find include -mindepth 2 -name '*.h' | sed 's|^include/|include |'
	find proto -name '*.proto' | sed -E 's|.*/(.*)\.proto$|proto \1.pb-c.h|'
	find tests/unit tests/model bench -maxdepth 1 -name '*.h' | sed -E 's|(.*)/([^/]*)$|\1 \2|'
}

# FILE:LINE FOLDER HEADER, for each #include of the product.
includes() {
	find base include shm proto primary secondary cli vswitch -name '*.[ch]' |
		xargs grep -nE '^[[:space:]]*#[[:space:]]*include[[:space:]]*[<"]' /dev/null |
		sed -E 's|^(([^:]*)/[^/:]*:[0-9]+):[^<"]*[<"]([^>"]*)[>"].*|\1 \2 \3|; s| include/holdfast | include |'
}

offenders=$(
	{
		echo "$table" | sed 's/^/arrows /'
		homes | sed 's/^/home /'
		includes | sed 's/^/line /'
	} | awk '
	$1 == "arrows" && NF > 1 {
		known[$2] = 1
		for (i = 3; i <= NF; i++) {
			if (!($i in known))
				print "the table: " $2 " → " $i " goes down"
			allowed[$2, $i] = 1
		}
		allowed[$2, $2] = 1
	}
	$1 == "home" { homes[$3] = homes[$3] " " $2 }
	$1 == "line" {
		if (!($3 in known) && !($3 in said)) {
			print $3 "/ is not in the table"
			said[$3] = 1
		}
		if (index($4, "../"))
			print $2 ": \"" $4 "\" climbs out of its folder"
		n = split(homes[$4], home, " ")
		good = n == 0
		for (i = 1; i <= n; i++)
			good = good || ($3, home[i]) in allowed
		if (!good)
			print $2 ": \"" $4 "\" of" homes[$4] " goes against the arrows"
		for (i = 1; i <= n; i++)
			used[$3, home[i]] = 1
	}
	END {
		for (arrow in allowed) {
			split(arrow, end, SUBSEP)
			if (end[1] ~ /^primary./ && end[1] != end[2] && !(arrow in used))
				print "the table: " end[1] " does not need " end[2]
		}
	}'
)
if [ -n "$offenders" ]; then
	echo "$offenders"
	exit 1
fi
echo "all includes go along the arrows"
