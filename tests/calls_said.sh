#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Do the tags of system calls (primary/security/confine.h) say what the program does? For each object file
# that is linked into holdfastd: what its imports ask of the kernel (calls.map), but for what every
# program may (primary/security/confine.c), is what its source's tags name, neither more nor less.
#
# A tag of one's own: /* calls: read write */ for the filter; /* calls before the filter: setuid */
# for what is done before it is on, or by the supervisor, which has none. syscall(SYS_name) is found
# in the source.
#
# Usage: calls_said.sh SOURCE-DIR BUILD-DIR HOLDFASTD TABLE
set -eu
source_dir=$1 build=$2 program=$3 table=$4
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

# tags KIND FILE: the names in its tags, one a line.
tags() {
	"$source_dir/primary/calls.sh" --names "$@"
}

grep -v '^#' "$source_dir/tests/calls.map" | sort >"$dir/map"
nm --defined-only "$program" | awk '$2 ~ /[TDRBtdrb]/ { print $3 }' | sort -u >"$dir/defined"
sed 's/64$//' "$dir/defined" | sort -u >"$dir/defined64"
tags 'calls of every program:' "$source_dir/primary/security/confine.c" >"$dir/everybody"
sed -n 's/^	X(\(.*\)) \\$/\1/p' "$table" | sort -u >"$dir/table"
[ -s "$dir/table" ] && [ -s "$dir/everybody" ] && [ -s "$dir/defined" ]

bad=0
checked=0
complain() {
	echo "$*"
	bad=1
}

# Objects of one file in several libraries are alike. A target's own sub-folder is in the name
# (grant_publish.c.o), and so is that of a source from elsewhere (proto_frame.c.o).
for object in "$build"/base/*.p/*.c.o "$build"/proto/*.p/*.c.o "$build"/shm/*.p/*.c.o \
	"$build"/primary/*.p/*.c.o; do
	folder=${object#"$build"/}
	folder=${folder%%/*}
	name=${object##*/}
	name=${name%.o}
	source=$source_dir/$folder/$name
	[ -e "$source" ] || source=$source_dir/$folder/${name%%_*}/${name#*_}
	[ -e "$source" ] || continue # generated
	# Is it linked? Something that it defines is in the program.
	nm --defined-only "$object" | awk '$2 ~ /[TDRB]/ { print $3 }' | sort -u >"$dir/own"
	[ -n "$(comm -12 "$dir/own" "$dir/defined")" ] || continue
	checked=$((checked + 1))

	nm --undefined-only "$object" | awk '{ print $NF }' | sed 's/64$//' | sort -u >"$dir/imports"
	comm -23 "$dir/imports" "$dir/defined64" >"$dir/library"
	awk -v unknown="$dir/unknown" '
		NR == FNR { calls[$1] = $0; next }
		!($1 in calls) { print $1 >unknown; next }
		{
			n = split(calls[$1], words, " ")
			for (i = 2; i <= n; i++)
				if (words[i] != "-")
					print words[i]
		}' "$dir/map" "$dir/library" >"$dir/needed.raw"
	if [ -e "$dir/unknown" ]; then
		while read -r function; do
			complain "$folder/$name uses $function: say in tests/calls.map which system calls that makes"
		done <"$dir/unknown"
		rm "$dir/unknown"
	fi
	sed -n 's/.*syscall(SYS_\([a-z0-9_]*\).*/\1/p' "$source" >>"$dir/needed.raw"
	sort -u "$dir/needed.raw" | comm -23 - "$dir/everybody" >"$dir/needed"

	tags 'calls:' "$source" >"$dir/tagged"
	tags 'calls before the filter:' "$source" >"$dir/before"
	sort -u "$dir/tagged" "$dir/before" >"$dir/said"
	for call in $(comm -23 "$dir/needed" "$dir/said"); do
		complain "$folder/$name makes $call and does not say so: /* calls: $call */ at the function"
	done
	for call in $(comm -13 "$dir/needed" "$dir/said"); do
		complain "$folder/$name says that it makes $call, and does not: take it out of its tag"
	done
	for call in $(comm -23 "$dir/tagged" "$dir/table"); do
		complain "$folder/$name: $call is not in the filter; is the file in calls_sources (primary/meson.build)?"
	done
done
[ "$checked" -gt 50 ] || complain "only $checked object files were found"
[ "$bad" = 0 ] && echo "$checked object files make the system calls that their sources say"
exit "$bad"
