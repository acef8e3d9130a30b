#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Every #include goes along the arrows of docs/architecture.md ("Layers"), none against them.
# Usage: arrows.sh [TREE]. Exit 1 and one line per offender.
set -eu
cd "${1:-$(dirname "$0")/..}"

# Folders whose headers the files of folder $1 may include, itself aside.
arrows_of() {
	case $1 in
	base | include) echo "" ;;
	shm | proto) echo "base" ;;
	secondary) echo "include proto shm base" ;;
	primary) echo "proto shm base" ;;
	cli) echo "proto base" ;;
	vswitch) echo "include" ;;
	esac
}

# Which folder has header $1? Generated protobuf headers are proto's; nothing: a system header.
folder_of() {
	case $1 in
	*.pb-c.h) echo proto && return ;;
	holdfast/*) echo include && return ;;
	esac
	for folder in base include shm proto primary secondary cli vswitch tests bench; do
		if [ -e "$folder/$1" ] || [ -e "$folder/unit/$1" ] || [ -e "$folder/model/$1" ]; then
			echo "$folder"
		fi
	done
}

offenders=$(mktemp)
trap 'rm -f "$offenders"' EXIT

for from in base include shm proto primary secondary cli vswitch; do
	allowed=" $from $(arrows_of "$from") "
	grep -rnE --include='*.[ch]' '^[[:space:]]*#[[:space:]]*include' "$from" |
		while IFS= read -r line; do
			place=$(echo "$line" | cut -d: -f1-2)
			header=$(echo "$line" | sed -E 's/^[^#]*#[[:space:]]*include[[:space:]]*[<"]([^>"]*)[>"].*/\1/')
			case $header in
			*../*) echo "$place: \"$header\" climbs out of its folder" ;;
			esac
			homes=$(folder_of "$header")
			[ -n "$homes" ] || continue
			good=no
			for home in $homes; do
				case $allowed in *" $home "*) good=yes ;; esac
			done
			[ $good = yes ] || echo "$place: \"$header\" of $homes goes against the arrows"
		done
done >"$offenders"

if [ -s "$offenders" ]; then
	cat "$offenders"
	exit 1
fi
echo "all includes go along the arrows"
